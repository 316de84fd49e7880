/*-------------------------------------------------------------------------
 *
 * buffer_tables.c
 *	  The PStates and tables whose rows a worker has in memory.
 *
 * A PState is in use from the time on when the batch has its lock; its tables are
 * locked, too, so that rows stay where they are.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "pstate/buffer.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/syscache.h"

/* The batch that runs; serial is 0 when none does. */
RamaBufferBatch rama_batch = {0};

/* RamaPStateBuffers, in TopMemoryContext, to the end of the process */
List	   *rama_pstate_buffers = NIL;

/* Counts subtransactions that were rolled back. */
static uint64 rollbacks = 0;

/*
 * rama_buffer_reset() -- Forget all rows of a PState.
 */
void
rama_buffer_reset(RamaPStateBuffer *pstate)
{
	for (int i = 0; i < pstate->ntables; i++)
		rama_rows_reset(&pstate->tables[i]);
	pstate->topology = InvalidOid;
	pstate->stale = false;
}

/*
 * Make the buffer one for this binding of the table. Rows stay if they fit:
 * columns change only in a batch's own handler, when all rows are written.
 */
static void
adapt_table(RamaTableBuffer *buffer, RamaTable *table)
{
	uint64		generation = table->pstate->generation;

	if (buffer->generation != generation)
	{
		if (buffer->rows && !rama_rows_fit(buffer, table))
		{
			if (rama_undo_any() || buffer->ndirty > 0)
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("columns of PState \"%s\" cannot change in a subtransaction of a batch that writes to it",
								rama_relation_name(table->pstate->relid))));
			rama_rows_reset(buffer);
		}
		if (buffer->rows == NULL)
			rama_rows_init(buffer, table);
		buffer->generation = generation;
	}
	buffer->table = table;
	buffer->serial = rama_batch.serial;
	table->buffer = buffer;
}

static RamaPStateBuffer *
find_pstate(Oid relid)
{
	ListCell   *lc;

	foreach(lc, rama_pstate_buffers)
	{
		RamaPStateBuffer *pstate = lfirst(lc);

		if (pstate->relid == relid)
			return pstate;
	}
	return NULL;
}

static RamaPStateBuffer *
add_pstate(RamaPState *pstate)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	RamaPStateBuffer *buffer = palloc0_object(RamaPStateBuffer);

	buffer->relid = pstate->relid;
	rama_pstate_buffers = lappend(rama_pstate_buffers, buffer);
	MemoryContextSwitchTo(old);
	return buffer;
}

/* As many tables as the PState has. */
static void
fit_tables(RamaPStateBuffer *buffer, RamaPState *pstate)
{
	if (buffer->ntables == pstate->ntables)
		return;
	for (int i = 0; i < buffer->ntables; i++)
		if (buffer->tables[i].context)
		{
			rama_rows_reset(&buffer->tables[i]);
			MemoryContextDelete(buffer->tables[i].context);
		}
	/* Not freed: old bindings of the tables point there. */
	buffer->ntables = 0;
	buffer->tables = MemoryContextAllocZero(TopMemoryContext,
											sizeof(RamaTableBuffer) * pstate->ntables);
	buffer->ntables = pstate->ntables;
	for (int i = 0; i < buffer->ntables; i++)
		buffer->tables[i].relid = pstate->tables[i]->relid;
}

/*
 * rama_buffer_use() -- The PState's lock is held: in a batch, its rows are
 * buffered from here on.
 *
 * Its tables are locked, so that rows stay where they are, and rows of the
 * batch before are forgotten if there was another writer, or if a table has
 * changed.
 */
void
rama_buffer_use(RamaPState *pstate)
{
	RamaPStateBuffer *buffer;
	ResourceOwner owner = CurrentResourceOwner;
	bool		owned = pstate->topology == rama_batch.topology;

	if (rama_batch.serial == 0)
		return;
	buffer = find_pstate(pstate->relid);
	if (buffer == NULL)
		buffer = add_pstate(pstate);
	pstate->buffer = buffer;
	if (buffer->serial == rama_batch.serial)
		return;

	/* Not the subtransaction's: it may be rolled back. */
	CurrentResourceOwner = TopTransactionResourceOwner;
	for (int i = 0; i < pstate->ntables; i++)
		LockRelationOid(pstate->tables[i]->relid, RowExclusiveLock);
	CurrentResourceOwner = owner;

	if (buffer->stale || buffer->topology != rama_batch.topology ||
		buffer->batch != rama_batch.number - 1)
		rama_buffer_reset(buffer);
	fit_tables(buffer, pstate);
	buffer->topology = owned ? rama_batch.topology : InvalidOid;
	buffer->lock_level = owned ? 1 : GetCurrentTransactionNestLevel();
	buffer->allowed = ACL_NO_RIGHTS;
	buffer->serial = rama_batch.serial;
}

/*
 * rama_buffer_in_use() -- Does the running batch hold the locks of the PState
 * and of its tables?
 */
bool
rama_buffer_in_use(const RamaPState *pstate)
{
	return rama_batch.serial != 0 && pstate->buffer && pstate->buffer->serial == rama_batch.serial;
}

/*
 * rama_buffer_allows() -- Has rama_buffer_allow() been called for these
 * privileges of the current user, in this batch, and has no table changed since?
 */
bool
rama_buffer_allows(const RamaPState *pstate, AclMode needed)
{
	const RamaPStateBuffer *buffer = pstate->buffer;

	return rama_buffer_in_use(pstate) && !buffer->stale &&
		buffer->user == GetUserId() && (buffer->allowed & needed) == needed;
}

/*
 * rama_buffer_allow() -- The current user's privileges have been checked.
 */
void
rama_buffer_allow(RamaPState *pstate, AclMode needed)
{
	RamaPStateBuffer *buffer = pstate->buffer;

	if (!rama_buffer_in_use(pstate))
		return;
	if (buffer->user != GetUserId())
		buffer->allowed = ACL_NO_RIGHTS;
	buffer->user = GetUserId();
	buffer->allowed |= needed;
}

static RamaTableBuffer *
begin_table(RamaTable *table)
{
	RamaPState *pstate = table->pstate;
	RamaPStateBuffer *buffer;

	if (pstate->topology == rama_batch.topology)
		rama_buffer_use(pstate);
	buffer = find_pstate(pstate->relid);
	if (buffer == NULL || buffer->serial != rama_batch.serial)
		return NULL;
	for (int i = 0; i < pstate->ntables; i++)
		if (pstate->tables[i] == table)
		{
			adapt_table(&buffer->tables[i], table);
			return buffer->tables[i].hashable ? &buffer->tables[i] : NULL;
		}
	elog(ERROR, "table %u is not one of PState %u", table->relid, pstate->relid);
}

/*
 * rama_buffer_of() -- The buffer of a table; NULL if its rows are not
 * buffered.
 */
RamaTableBuffer *
rama_buffer_of(RamaTable *table)
{
	RamaTableBuffer *buffer = table->buffer;

	if (rama_batch.serial == 0)
		return NULL;
	if (buffer && buffer->serial == rama_batch.serial && buffer->table == table)
		return buffer->hashable ? buffer : NULL;
	return begin_table(table);
}

/*
 * rama_buffer_active() -- Are rows of this table read from, and written to,
 * the buffer?
 */
bool
rama_buffer_active(RamaTable *table)
{
	return rama_buffer_of(table) != NULL;
}

/*
 * rama_buffer_in_batch() -- Does this process run a batch?
 */
bool
rama_buffer_in_batch(void)
{
	return rama_batch.serial != 0;
}

/*
 * rama_buffers_in_use() -- The RamaPStateBuffers that the running batch uses;
 * none outside of one.
 */
List *
rama_buffers_in_use(void)
{
	List	   *result = NIL;
	ListCell   *lc;

	if (rama_batch.serial == 0)
		return NIL;
	foreach(lc, rama_pstate_buffers)
		if (((RamaPStateBuffer *) lfirst(lc))->serial == rama_batch.serial)
			result = lappend(result, lfirst(lc));
	return result;
}

/*
 * rama_buffer_invalidate() -- Relcache callback: the table with this oid has
 * changed, or any (InvalidOid). Rows in memory are forgotten before they are
 * used in the next batch. Within a batch that has locked the table, rows stay
 * where they are.
 */
void
rama_buffer_invalidate(Oid relid)
{
	ListCell   *lc;

	foreach(lc, rama_pstate_buffers)
	{
		RamaPStateBuffer *pstate = lfirst(lc);

		for (int i = 0; i < pstate->ntables; i++)
			if (!OidIsValid(relid) || pstate->tables[i].relid == relid)
				pstate->stale = true;
	}
}

static void
close_table(RamaTableBuffer *buffer)
{
	if (buffer->index)
		index_close(buffer->index, NoLock);
	if (buffer->heap)
		table_close(buffer->heap, NoLock);
	buffer->index = NULL;
	buffer->heap = NULL;
}

/*
 * rama_buffer_open_table() -- Have the table and its index open, to look up
 * rows.
 *
 * They belong to the top transaction. A rolled back subtransaction may have given
 * them storage that is no more, and cannot load their descriptions again: so they
 * are opened anew after one.
 */
void
rama_buffer_open_table(RamaTableBuffer *buffer)
{
	ResourceOwner owner = CurrentResourceOwner;

	if (buffer->heap && buffer->rollbacks == rollbacks)
		return;
	CurrentResourceOwner = TopTransactionResourceOwner;
	close_table(buffer);
	buffer->heap = table_open(buffer->relid, RowExclusiveLock);
	buffer->index = rama_table_open_index(buffer->table, RowExclusiveLock);
	buffer->rollbacks = rollbacks;
	CurrentResourceOwner = owner;
}

/*
 * rama_buffer_close_relations() -- Close what was opened to look up rows, so
 * that a command of a handler may alter it.
 */
void
rama_buffer_close_relations(void)
{
	ResourceOwner owner = CurrentResourceOwner;
	ListCell   *lc;

	CurrentResourceOwner = TopTransactionResourceOwner;
	foreach(lc, rama_pstate_buffers)
	{
		RamaPStateBuffer *pstate = lfirst(lc);

		for (int i = 0; i < pstate->ntables; i++)
			close_table(&pstate->tables[i]);
	}
	CurrentResourceOwner = owner;
}

/* InvalidOid if the table is gone */
static Oid
storage_of(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			storage = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		storage = ((Form_pg_class) GETSTRUCT(tuple))->relfilenode;
		ReleaseSysCache(tuple);
	}
	return storage;
}

/* Nothing is known of the row any more, which is not dirty. */
static void
forget_row(RamaBufferedRow *row)
{
	RamaTableBuffer *buffer = row->buffer;

	if (row->pins > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("cannot rewrite \"%s\" while a row of it is being written",
						get_rel_name(buffer->relid))));
	if (row->state.flags == 0)
		return;
	Assert(!(row->state.flags & RAMA_ROW_DIRTY));
	rama_buffer_touch(buffer, row);
	rama_row_unknow(buffer, row);
}

/*
 * rama_buffer_note_storage() -- A command is about to run that could give
 * tables new storage. All that was dirty has been written.
 */
void
rama_buffer_note_storage(void)
{
	List	   *pstates = rama_buffers_in_use();
	ListCell   *lc;

	foreach(lc, pstates)
	{
		RamaPStateBuffer *pstate = lfirst(lc);

		for (int i = 0; i < pstate->ntables; i++)
			pstate->tables[i].storage = storage_of(pstate->tables[i].relid);
	}
	list_free(pstates);
}

/*
 * rama_buffer_check_storage() -- It has run: forget the rows of tables that
 * have new storage, so that they are looked up there.
 */
void
rama_buffer_check_storage(void)
{
	List	   *pstates = rama_buffers_in_use();
	ListCell   *lc;

	foreach(lc, pstates)
	{
		RamaPStateBuffer *pstate = lfirst(lc);

		for (int i = 0; i < pstate->ntables; i++)
			if (storage_of(pstate->tables[i].relid) != pstate->tables[i].storage)
				rama_rows_each(&pstate->tables[i], forget_row);
	}
	list_free(pstates);
}

/*
 * rama_buffer_locks_lost() -- Who took a PState's lock in a subtransaction of
 * this level has it no longer: it is rolled back.
 */
void
rama_buffer_locks_lost(int level)
{
	ListCell   *lc;

	rollbacks++;
	foreach(lc, rama_pstate_buffers)
	{
		RamaPStateBuffer *pstate = lfirst(lc);

		if (pstate->serial != rama_batch.serial || pstate->lock_level < level)
			continue;
		pstate->serial = 0;
		for (int i = 0; i < pstate->ntables; i++)
			pstate->tables[i].serial = 0;
	}
}

/*
 * rama_buffer_locks_kept() -- It has committed: the lock is the outer one's.
 */
void
rama_buffer_locks_kept(int level)
{
	ListCell   *lc;

	foreach(lc, rama_pstate_buffers)
	{
		RamaPStateBuffer *pstate = lfirst(lc);

		if (pstate->serial == rama_batch.serial && pstate->lock_level == level)
			pstate->lock_level--;
	}
}
