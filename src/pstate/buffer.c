/*-------------------------------------------------------------------------
 *
 * buffer.c
 *	  The write buffer of a topology's batches.
 *
 * A row is looked up in its table when it is first touched, changed in memory,
 * and written back once (flush.c). Rows stay in memory for the topology's next
 * batch. See "The write buffer" in src/pstate/README.md.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "pstate/buffer.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

/* Values of more bytes may be stored out of line: read again when needed. */
#define WIDE_VALUE 1000

/* When something has to be done about the memory of rows */
static Size bytes_allowed = 0;

static void on_xact(XactEvent event, void *arg);
static void on_subxact(SubXactEvent event, SubTransactionId mySubid,
					   SubTransactionId parentSubid, void *arg);

/*
 * rama_buffer_begin() -- The batch of this number of a topology begins.
 *
 * Called in its transaction, when the locks of its PStates are held.
 */
void
rama_buffer_begin(Oid topology, int64 batch)
{
	static uint64 last_serial = 0;

	if (last_serial == 0)
	{
		RegisterXactCallback(on_xact, NULL);
		RegisterSubXactCallback(on_subxact, NULL);
	}
	rama_version_init();
	rama_batch.serial = ++last_serial;
	rama_undo_begin();
	rama_batch.topology = topology;
	rama_batch.number = batch;
	bytes_allowed = (Size) rama_batch_memory * 1024;
}

/* Read the row from its table, if it can be there. */
static void
load_row(RamaTableBuffer *buffer, RamaBufferedRow *row)
{
	RamaTable  *table = buffer->table;
	RamaLimit  *limit = rama_row_limit(row);
	TupleTableSlot *slot;

	rama_buffer_touch(buffer, row);
	if (rama_limit_excludes(limit, row))
	{
		row->state.flags |= RAMA_ROW_KNOWN;
		return;
	}
	rama_buffer_open_table(buffer);
	slot = rama_table_slot(table);
	if (rama_row_find(table, buffer->heap, buffer->index, row->values, SnapshotSelf, slot))
	{
		slot_getallattrs(slot);
		rama_row_set_keys(buffer, row, slot->tts_values);
		for (int i = buffer->nkeys; i < buffer->ncolumns; i++)
			row->nulls[i] = true;
		row->state.flags |= RAMA_ROW_EXISTS | RAMA_ROW_STORED;
		row->state.tid = slot->tts_tid;
		for (int i = buffer->nkeys; i < buffer->ncolumns; i++)
		{
			if (slot->tts_isnull[i])
				continue;
			row->values[i] = rama_rows_copy(buffer, i, slot->tts_values[i], true);
			row->nulls[i] = false;
		}
	}
	else
		rama_limit_learn(limit, row, slot);
	row->state.flags |= RAMA_ROW_KNOWN;
	ExecDropSingleTupleTableSlot(slot);
}

/* Remove the rows of all tables that satisfy the condition. */
static void
remove_rows(bool (*condition) (RamaBufferedRow *row))
{
	ListCell   *lc;

	foreach(lc, rama_pstate_buffers)
	{
		RamaPStateBuffer *pstate = lfirst(lc);

		for (int i = 0; i < pstate->ntables; i++)
			rama_rows_remove_if(&pstate->tables[i], condition);
	}
}

static bool
is_removable(RamaBufferedRow *row)
{
	return row->pins == 0 && row->state.outer == NULL &&
		!(row->state.flags & RAMA_ROW_DIRTY);
}

/* A row that was used in one batch only, of late */
static bool
is_cold(RamaBufferedRow *row)
{
	row->uses /= 2;
	return row->uses == 0;
}

static void
reset_unused(void)
{
	ListCell   *lc;

	foreach(lc, rama_pstate_buffers)
		if (((RamaPStateBuffer *) lfirst(lc))->serial != rama_batch.serial)
			rama_buffer_reset(lfirst(lc));
}

/* Past pg_rama.batch_memory: write what is dirty, and forget what can be. */
static void
free_memory(void)
{
	Size		limit = (Size) rama_batch_memory * 1024;

	reset_unused();
	if (rama_rows_bytes > limit)
	{
		rama_buffer_flush_all();
		remove_rows(is_removable);
	}
	/* What subtransactions have to keep cannot be freed. */
	bytes_allowed = Max(limit, rama_rows_bytes + limit / 2);
}

/*
 * rama_buffer_announce() -- The row with these keys will be opened soon: fetch
 * what leads to it from memory. The result is for rama_buffer_fetch(), which
 * some time later fetches the row. Neither changes anything.
 */
uint32
rama_buffer_announce(RamaTable *table, const Datum *keys)
{
	RamaTableBuffer *buffer = rama_buffer_of(table);
	uint32		hash;

	if (buffer == NULL)
		return 0;
	hash = rama_rows_hash(buffer, keys);
	rama_rows_prefetch(buffer, hash);
	return hash;
}

/* rama_buffer_fetch() -- See rama_buffer_announce(). */
void
rama_buffer_fetch(RamaTable *table, uint32 hash)
{
	RamaTableBuffer *buffer = rama_buffer_of(table);

	if (buffer)
		rama_rows_prefetch_row(buffer, hash);
}

/*
 * rama_buffer_row() -- The row with these keys in memory, pinned; NULL if rows
 * of this table are not buffered.
 *
 * isnew: there is no such row, so none is looked for.
 */
RamaBufferedRow *
rama_buffer_row(RamaTable *table, const Datum *keys, bool isnew)
{
	RamaTableBuffer *buffer = rama_buffer_of(table);
	RamaBufferedRow *row;
	uint32		hash;

	if (buffer == NULL)
		return NULL;
	if (rama_rows_bytes > bytes_allowed)
		free_memory();
	if (rama_undo_in_vain())
		rama_buffer_flush_all();
	hash = rama_rows_hash(buffer, keys);
	row = rama_rows_find(buffer, keys, hash);
	if (row == NULL)
		row = rama_rows_add(buffer, keys, hash);
	if (isnew && !(row->state.flags & RAMA_ROW_KNOWN))
	{
		rama_buffer_touch(buffer, row);
		row->state.flags |= RAMA_ROW_KNOWN;
	}
	else if (!(row->state.flags & RAMA_ROW_KNOWN))
		load_row(buffer, row);
	if (isnew && (row->state.flags & RAMA_ROW_EXISTS))
		elog(ERROR, "row to insert into \"%s\" is there already", table->name);
	if (row->last_use != (uint32) rama_batch.serial)
	{
		row->last_use = (uint32) rama_batch.serial;
		if (row->uses < PG_UINT8_MAX)
			row->uses++;
	}
	rama_row_pin(row);
	return row;
}

/*
 * rama_buffer_values() -- Tell an open row what it is.
 */
void
rama_buffer_values(RamaRow *row)
{
	RamaBufferedRow *buffered = row->buffered;

	row->found = (buffered->state.flags & RAMA_ROW_EXISTS) != 0;
	row->values = buffered->values;
	row->nulls = buffered->nulls;
}

/*
 * rama_buffer_set() -- Set columns of an open row, or make the row.
 */
void
rama_buffer_set(RamaRow *row, int ncolumns, const AttrNumber *attnos,
				const Datum *values, const bool *nulls)
{
	RamaBufferedRow *buffered = row->buffered;
	RamaTableBuffer *buffer = buffered->buffer;
	bool		isnew = !(buffered->state.flags & RAMA_ROW_EXISTS);

	/* A row that goes and one that comes, where their keys look different. */
	if (isnew && (buffered->state.flags & RAMA_ROW_STORED) &&
		!rama_rows_same_images(buffer, buffered->values, row->keys))
		rama_buffer_flush_table(buffer);
	rama_buffer_touch(buffer, buffered);
	if (isnew)
	{
		rama_row_set_keys(buffer, buffered, row->keys);
		for (int i = buffer->nkeys; i < buffer->ncolumns; i++)
			buffered->nulls[i] = true;
		buffered->state.flags |= RAMA_ROW_EXISTS;
		rama_limits_of_new(buffered);
	}
	rama_row_set_dirty(buffer, buffered, true);
	for (int i = 0; i < ncolumns; i++)
	{
		int			column = attnos[i] - 1;
		Datum		old = buffered->values[column];
		bool		oldnull = buffered->nulls[column];

		Assert(column >= buffer->nkeys);
		if (!nulls[i])
			buffered->values[column] = rama_rows_copy(buffer, column, values[i], false);
		buffered->nulls[column] = nulls[i];
		if (!oldnull)
			rama_rows_free(buffer, column, old, false);
		if (!nulls[i] && buffer->len[column] == -1 &&
			VARSIZE_ANY(DatumGetPointer(buffered->values[column])) > WIDE_VALUE)
			buffered->state.flags |= RAMA_ROW_WIDE;
	}
	/* An index's complaint belongs to this call. */
	if (isnew && buffered->long_keys)
		rama_buffer_flush_table(buffer);
}

/*
 * rama_buffer_enlarge() -- A value of an open row that exists, for the caller to
 * change it where it is, with memory for so many bytes; by rama_buffer_set() of
 * another column afterwards. It is a plain varlena, and stays a short one.
 */
void *
rama_buffer_enlarge(RamaRow *row, AttrNumber attno, Size size)
{
	RamaBufferedRow *buffered = row->buffered;
	Datum	   *value = &buffered->values[attno - 1];

	Assert(size <= WIDE_VALUE);
	rama_buffer_touch(buffered->buffer, buffered);
	*value = PointerGetDatum(rama_rows_enlarge(buffered->buffer, DatumGetPointer(*value), size));
	return DatumGetPointer(*value);
}

/*
 * rama_buffer_delete() -- Delete an open row.
 */
void
rama_buffer_delete(RamaRow *row)
{
	RamaBufferedRow *buffered = row->buffered;

	rama_buffer_touch(buffered->buffer, buffered);
	rama_row_drop_values(buffered->buffer, buffered);
	rama_row_set_dirty(buffered->buffer, buffered, (buffered->state.flags & RAMA_ROW_STORED) != 0);
}

/*
 * rama_buffer_forget() -- The row with these keys is changed in its table
 * directly, by a caller who has flushed that.
 */
void
rama_buffer_forget(RamaTable *table, const Datum *keys)
{
	RamaTableBuffer *buffer = rama_buffer_of(table);
	RamaBufferedRow *row;

	if (buffer == NULL)
		return;
	row = rama_rows_find(buffer, keys, rama_rows_hash(buffer, keys));
	if (row == NULL)
	{
		buffer->complete = false;
		rama_limits_void(buffer);
		return;
	}
	Assert(!(row->state.flags & RAMA_ROW_DIRTY));
	rama_buffer_touch(buffer, row);
	rama_row_unknow(buffer, row);
}

/*
 * rama_buffer_stored() -- The table has the row's state now, at state.tid if
 * the row exists. The caller has touched it.
 *
 * What may be out of line there is read again when it is needed, so that the
 * next version of the row keeps it where it is.
 */
void
rama_buffer_stored(RamaTableBuffer *buffer, RamaBufferedRow *row)
{
	rama_row_set_dirty(buffer, row, false);
	if (row->state.flags & RAMA_ROW_EXISTS)
		row->state.flags |= RAMA_ROW_STORED;
	else
		row->state.flags &= ~RAMA_ROW_STORED;
	if ((row->state.flags & RAMA_ROW_WIDE) && row->pins == 0)
		rama_row_unknow(buffer, row);
}

/* The batch has committed: its rows are those of the tables. */
static void
keep_rows(void)
{
	Size		limit = (Size) rama_batch_memory * 1024 / 2;
	ListCell   *lc;

	foreach(lc, rama_pstate_buffers)
	{
		RamaPStateBuffer *pstate = lfirst(lc);

		if (pstate->serial == rama_batch.serial && (pstate->stale || !OidIsValid(pstate->topology)))
			rama_buffer_reset(pstate);
		else if (pstate->topology == rama_batch.topology &&
				 (pstate->serial == rama_batch.serial || pstate->batch == rama_batch.number - 1))
			pstate->batch = rama_batch.number;
	}
	if (rama_rows_bytes > limit)
		reset_unused();
	if (rama_rows_bytes > limit)
		remove_rows(is_cold);
	if (rama_rows_bytes > limit)
		foreach(lc, rama_pstate_buffers)
			rama_buffer_reset(lfirst(lc));
}

static void
discard_rows(void)
{
	ListCell   *lc;

	foreach(lc, rama_pstate_buffers)
	{
		RamaPStateBuffer *pstate = lfirst(lc);

		if (pstate->serial == rama_batch.serial)
			rama_buffer_reset(pstate);
		for (int i = 0; i < pstate->ntables; i++)
			pstate->tables[i].heap = pstate->tables[i].index = NULL;
	}
	rama_undo_begin();
}

static void
on_xact(XactEvent event, void *arg)
{
	if (rama_batch.serial == 0)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			/* What a deferred trigger wrote after the batch's last flush */
			rama_buffer_flush_all();
			rama_buffer_close_relations();
			break;
		case XACT_EVENT_COMMIT:
			keep_rows();
			rama_batch.serial = 0;
			break;
		case XACT_EVENT_ABORT:
			discard_rows();
			rama_batch.serial = 0;
			break;
		default:
			break;
	}
}

static void
on_subxact(SubXactEvent event, SubTransactionId mySubid, SubTransactionId parentSubid,
		   void *arg)
{
	int			level = GetCurrentTransactionNestLevel();

	if (rama_batch.serial == 0)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		rama_undo_rolled_back(level);
		rama_buffer_locks_lost(level);
	}
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		rama_undo_committed(level);
		rama_buffer_locks_kept(level);
	}
}
