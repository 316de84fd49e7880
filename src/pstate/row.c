/*-------------------------------------------------------------------------
 *
 * row.c
 *	  Writing single rows of PStates' tables through the table and index
 *	  access methods.
 *
 * No trigger fires. The table's indexes, NOT NULL and CHECK constraints are
 * maintained as the executor does. The caller holds the PState's lock, so
 * that nobody else changes rows: the newest version of a row is the one to
 * change.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "pstate/pstate.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/*
 * Where this transaction read rows to be written, or wrote them, last:
 * direct-mapped, and only a hint. Without it, the index leads to every version
 * that the transaction has left behind; they cannot be pruned before it ends.
 */
#define HOT_ROWS 16384

typedef struct HotRow
{
	uint32		epoch;
	uint32		hash;
	Oid			relid;
	ItemPointerData tid;
} HotRow;

static HotRow hot_rows[HOT_ROWS];

/* Entries of other epochs are void; is there one of this? */
static uint32 epoch = 1;
static bool any_hot = false;

/*
 * rama_row_forget() -- Forget where rows were written: at the end of a
 * transaction, and when a subtransaction is rolled back.
 */
void
rama_row_forget(void)
{
	if (!any_hot)
		return;
	any_hot = false;
	epoch++;
	if (epoch == 0)
	{
		memset(hot_rows, 0, sizeof(hot_rows));
		epoch = 1;
	}
}

static HotRow *
hot_row(RamaTable *table, const Datum *keys, uint32 *hash)
{
	*hash = table->relid;
	for (int i = 0; i < table->nkeys; i++)
	{
		const RamaType *type = &table->keys[i];
		uint32		h;

		/* An image in other bytes is another entry: no harm. */
		if (type->byval)
			h = (uint32) (keys[i] ^ ((uint64) keys[i] >> 32)) * 0x9E3779B1u;
		else
			h = datum_image_hash(keys[i], false, type->len);
		*hash = ((*hash << 5) | (*hash >> 27)) ^ h;
	}
	return &hot_rows[(*hash ^ (*hash >> 16)) % HOT_ROWS];
}

static void
remember(RamaRow *row, const Datum *keys, ItemPointer tid)
{
	uint32		hash;
	HotRow	   *hot = hot_row(row->table, keys, &hash);

	any_hot = true;
	hot->epoch = epoch;
	hot->hash = hash;
	hot->relid = row->table->relid;
	hot->tid = *tid;
}

/* Is the row found by its hint still the one with these keys? */
static bool
has_keys(RamaTable *table, TupleTableSlot *slot, const Datum *keys)
{
	for (int i = 0; i < table->nkeys; i++)
	{
		const RamaType *type = &table->keys[i];
		bool		isnull;
		Datum		value = slot_getattr(slot, i + 1, &isnull);

		if (isnull || !datum_image_eq(value, keys[i], type->byval, type->len))
			return false;
	}
	return true;
}

/*
 * rama_row_find_hot() -- Find the row with these keys by where this
 * transaction met it last, if the snapshot sees that version.
 *
 * False says nothing: the index has to be asked. The slot pins the row's
 * buffer.
 */
bool
rama_row_find_hot(RamaTable *table, Relation heap, const Datum *keys,
				  Snapshot snapshot, TupleTableSlot *slot)
{
	uint32		hash;
	HotRow	   *hot;

	if (!any_hot)
		return false;
	hot = hot_row(table, keys, &hash);
	if (hot->epoch != epoch || hot->hash != hash || hot->relid != table->relid)
		return false;
	if (table_tuple_fetch_row_version(heap, &hot->tid, snapshot, slot) &&
		has_keys(table, slot, keys))
		return true;
	ExecClearTuple(slot);
	return false;
}

static void
serialization_failure(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not serialize access due to concurrent update")));
}

/*
 * rama_row_check_conflict() -- Where the isolation level has one snapshot for
 * the transaction: error (40001) unless that sees the row in the slot, which
 * pins its buffer.
 */
void
rama_row_check_conflict(Relation heap, TupleTableSlot *slot)
{
	if (IsolationUsesXactSnapshot() &&
		!table_tuple_satisfies_snapshot(heap, slot, GetTransactionSnapshot()))
		serialization_failure();
}

/* The same for a row that is not there: 40001 if the snapshot sees one. */
static void
check_absence(RamaRow *row, const Datum *keys)
{
	if (!IsolationUsesXactSnapshot())
		return;
	if (rama_row_find(row->table, row->heap, row->index, keys,
					  GetTransactionSnapshot(), row->slot))
		serialization_failure();
}

/*
 * rama_row_open_new() -- Open a table to insert a row that cannot be there.
 *
 * To be closed by rama_row_close().
 */
void
rama_row_open_new(RamaRow *row, RamaTable *table)
{
	row->table = table;
	row->heap = table_open(table->relid, RowExclusiveLock);
	row->index = NULL;
	if (table->nkeys > 0)
		row->index = index_open(table->index, RowExclusiveLock);
	row->slot = rama_table_slot(table);
	row->found = false;
}

/*
 * rama_row_open() -- Open a table to write the row with these keys, and find
 * the newest version of that row: row->found, in row->slot.
 *
 * Error (40001) in REPEATABLE READ and above if the row changed after the
 * transaction's snapshot, unless "relative": the change is one that holds for
 * any version. To be closed by rama_row_close().
 */
void
rama_row_open(RamaRow *row, RamaTable *table, const Datum *keys, bool relative)
{
	rama_row_open_new(row, table);
	row->found = rama_row_find_hot(table, row->heap, keys, SnapshotSelf, row->slot);
	if (row->found)
		return;					/* checked before, or written here */
	row->found = rama_row_find(table, row->heap, row->index, keys,
							   rama_write_snapshot(), row->slot);
	if (relative)
		return;
	if (!row->found)
		check_absence(row, keys);
	else
	{
		rama_row_check_conflict(row->heap, row->slot);
		remember(row, keys, &row->slot->tts_tid);
	}
}

/*
 * rama_row_fetch_newest() -- As rama_row_fetch(), for a row that is to be
 * written: its newest version, in the transaction that holds the lock.
 *
 * Errors: as rama_row_open().
 */
bool
rama_row_fetch_newest(RamaTable *table, const Datum *keys, TupleTableSlot **slot)
{
	RamaRow		row;

	if (*slot == NULL)
		*slot = rama_table_slot(table);
	rama_row_open(&row, table, keys, false);
	if (row.found)
	{
		ExecCopySlot(*slot, row.slot);
		ExecMaterializeSlot(*slot);
	}
	rama_row_close(&row);
	return row.found;
}

/*
 * rama_row_close() -- Release what rama_row_open() took; locks stay to the
 * end of the transaction.
 */
void
rama_row_close(RamaRow *row)
{
	ExecDropSingleTupleTableSlot(row->slot);
	if (row->index)
		index_close(row->index, NoLock);
	table_close(row->heap, NoLock);
}

/* NOT NULL and CHECK of the table, and NOT NULL of columns' domains */
static void
check_constraints(RamaRow *row, TupleTableSlot *slot)
{
	TupleDesc	desc = RelationGetDescr(row->heap);
	bool		check = desc->constr && desc->constr->num_check > 0;

	for (int i = row->table->nkeys; i < desc->natts; i++)
	{
		if (!slot->tts_isnull[i])
			continue;
		if (TupleDescAttr(desc, i)->attnotnull)
			check = true;
		if (row->table->columns[i].isdomain)
			domain_check((Datum) 0, true, row->table->columns[i].type.oid, NULL, NULL);
	}
	if (check)
	{
		EState	   *estate = CreateExecutorState();
		ResultRelInfo *rri = makeNode(ResultRelInfo);

		InitResultRelInfo(rri, row->heap, 0, NULL, 0);
		ExecConstraints(rri, slot, estate);
		FreeExecutorState(estate);
	}
}

/* Entries of a new row version in all indexes, the user's among them. */
static void
insert_into_all_indexes(RamaRow *row, TupleTableSlot *slot, TU_UpdateIndexes which)
{
	EState	   *estate = CreateExecutorState();
	ResultRelInfo *rri = makeNode(ResultRelInfo);

	InitResultRelInfo(rri, row->heap, 0, NULL, 0);
	ExecOpenIndices(rri, false);
	(void) ExecInsertIndexTuples_compat(rri, slot, estate, which);
	ExecCloseIndices(rri);
	ExecResetTupleTable(estate->es_tupleTable, false);
	FreeExecutorState(estate);
}

/*
 * Mostly there is the index over the keys only, whose values are the first
 * columns. A new version of a row with the same keys needs no look at the
 * older ones, of which a transaction can have left many.
 */
static void
insert_into_indexes(RamaRow *row, TupleTableSlot *slot, TU_UpdateIndexes which,
					bool same_keys)
{
	List	   *indexes = RelationGetIndexList(row->heap);
	int			nindexes = list_length(indexes);

	list_free(indexes);
	if (nindexes == 0)
		return;
	if (nindexes > 1 || row->index == NULL)
		insert_into_all_indexes(row, slot, which);
	else
	{
		IndexInfo  *info = BuildIndexInfo(row->index);

		index_insert(row->index, slot->tts_values, slot->tts_isnull, &slot->tts_tid,
					 row->heap, same_keys ? UNIQUE_CHECK_NO : UNIQUE_CHECK_YES,
					 same_keys, info);
		pfree(info);
	}
}

static TupleTableSlot *
new_version(RamaRow *row, const Datum *values, const bool *nulls)
{
	TupleTableSlot *slot = MakeTupleTableSlot(rama_table_desc(row->table), &TTSOpsVirtual);
	int			natts = slot->tts_tupleDescriptor->natts;

	memcpy(slot->tts_values, values, sizeof(Datum) * natts);
	memcpy(slot->tts_isnull, nulls, sizeof(bool) * natts);
	ExecStoreVirtualTuple(slot);
	check_constraints(row, slot);
	return slot;
}

/*
 * rama_row_insert() -- Insert a row, given as one value per column.
 *
 * The next command sees it; the caller ends this one.
 */
void
rama_row_insert(RamaRow *row, const Datum *values, const bool *nulls)
{
	TupleTableSlot *slot = new_version(row, values, nulls);

	simple_table_tuple_insert(row->heap, slot);
	insert_into_indexes(row, slot, TU_All, false);
	remember(row, values, &slot->tts_tid);
	ExecDropSingleTupleTableSlot(slot);
}

static void
update(RamaRow *row, const Datum *values, const bool *nulls, bool same_keys)
{
	TupleTableSlot *slot = new_version(row, values, nulls);
	ItemPointerData tid = row->slot->tts_tid;
	TU_UpdateIndexes which;

	simple_table_tuple_update(row->heap, &tid, slot, rama_write_snapshot(), &which);
	if (which != TU_None)
		insert_into_indexes(row, slot, which, same_keys);
	remember(row, values, &slot->tts_tid);
	ExecDropSingleTupleTableSlot(slot);
}

/*
 * rama_row_update() -- Replace the row in row->slot by one with the same keys.
 */
void
rama_row_update(RamaRow *row, const Datum *values, const bool *nulls)
{
	update(row, values, nulls, true);
}

/*
 * rama_row_move() -- Replace the row in row->slot by one with other keys, of
 * which there is no row.
 */
void
rama_row_move(RamaRow *row, const Datum *values, const bool *nulls)
{
	update(row, values, nulls, false);
}

/*
 * rama_row_delete() -- Delete the row in row->slot.
 */
void
rama_row_delete(RamaRow *row)
{
	ItemPointerData tid = row->slot->tts_tid;

	simple_table_tuple_delete(row->heap, &tid, rama_write_snapshot());
}
