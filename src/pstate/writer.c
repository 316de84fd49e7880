/*-------------------------------------------------------------------------
 *
 * writer.c
 *	  Row versions of PStates' tables through the table and index access
 *	  methods.
 *
 * No trigger fires. The table's indexes, the user's among them, and its NOT
 * NULL and CHECK constraints are maintained as the executor does. The caller
 * holds the PState's lock, so that nobody else changes rows, and ends the
 * command.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "index/index.h"
#include "pstate/pstate.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/*
 * rama_writer_open() -- Open a table to write rows. To be closed by
 * rama_writer_close().
 *
 * Takes RowExclusiveLock, to the end of the transaction.
 */
void
rama_writer_open(RamaWriter *writer, RamaTable *table)
{
	memset(writer, 0, sizeof(*writer));
	writer->table = table;
	writer->nindexes = -1;
	writer->heap = table_open(table->relid, RowExclusiveLock);
	writer->index = rama_table_open_index(table, RowExclusiveLock);
	writer->slot = MakeTupleTableSlot(rama_table_desc(table), &TTSOpsVirtual);
}

/*
 * rama_writer_close() -- Release what rama_writer_open() took; locks stay to
 * the end of the transaction.
 */
void
rama_writer_close(RamaWriter *writer)
{
	if (writer->estate)
	{
		ExecCloseIndices(writer->rri);
		ExecResetTupleTable(writer->estate->es_tupleTable, false);
		FreeExecutorState(writer->estate);
	}
	ExecDropSingleTupleTableSlot(writer->slot);
	if (writer->index)
		index_close(writer->index, NoLock);
	table_close(writer->heap, NoLock);
}

static void
store_values(TupleTableSlot *slot, const Datum *values, const bool *nulls)
{
	int			natts = slot->tts_tupleDescriptor->natts;

	ExecClearTuple(slot);
	memcpy(slot->tts_values, values, sizeof(Datum) * natts);
	memcpy(slot->tts_isnull, nulls, sizeof(bool) * natts);
	ExecStoreVirtualTuple(slot);
}

/*
 * rama_row_check() -- Error if the row breaks NOT NULL or CHECK constraints
 * of its table, or NOT NULL of columns' domains.
 */
void
rama_row_check(RamaTable *table, const Datum *values, const bool *nulls)
{
	TupleDesc	desc = rama_table_desc(table);
	bool		check = desc->constr && desc->constr->num_check > 0;

	for (int i = table->nkeys; i < desc->natts; i++)
	{
		if (!nulls[i])
			continue;
		if (TupleDescAttr(desc, i)->attnotnull)
			check = true;
		if (table->columns[i].isdomain)
			domain_check((Datum) 0, true, table->columns[i].type.oid, NULL, NULL);
	}
	if (check)
	{
		Relation	heap = table_open(table->relid, RowExclusiveLock);
		TupleTableSlot *slot = MakeTupleTableSlot(desc, &TTSOpsVirtual);
		EState	   *estate = CreateExecutorState();
		ResultRelInfo *rri = makeNode(ResultRelInfo);

		store_values(slot, values, nulls);
		InitResultRelInfo(rri, heap, 0, NULL, 0);
		ExecConstraints(rri, slot, estate);
		FreeExecutorState(estate);
		ExecDropSingleTupleTableSlot(slot);
		table_close(heap, NoLock);
	}
}

/*
 * Entries in one index. A new version of a row with the same keys needs no
 * look at the older ones, of which a transaction, or somebody's snapshot, can
 * have left many.
 */
static void
insert_entry(RamaWriter *writer, TupleTableSlot *slot, Relation index, IndexInfo *info,
			 const Datum *values, const bool *nulls, bool same_keys)
{
	bool		unique = info->ii_Unique && !same_keys;

	index_insert(index, unconstify(Datum *, values), unconstify(bool *, nulls),
				 &slot->tts_tid, writer->heap,
				 unique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO, same_keys, info);
}

static void
open_all_indexes(RamaWriter *writer)
{
	writer->estate = CreateExecutorState();
	writer->rri = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->rri, writer->heap, 0, NULL, 0);
	ExecOpenIndices(writer->rri, false);
}

/* Does a partial index have an entry for the row? */
static bool
satisfies_predicate(RamaWriter *writer, IndexInfo *info, ExprContext *econtext)
{
	if (info->ii_Predicate == NIL)
		return true;
	if (info->ii_PredicateState == NULL)
		info->ii_PredicateState = ExecPrepareQual(info->ii_Predicate, writer->estate);
	return ExecQual(info->ii_PredicateState, econtext);
}

/* As ExecInsertIndexTuples(), for indexes of which one at most is unique. */
static void
insert_into_all_indexes(RamaWriter *writer, TupleTableSlot *slot, TU_UpdateIndexes which,
						bool same_keys)
{
	ExprContext *econtext;

	if (writer->estate == NULL)
		open_all_indexes(writer);
	econtext = GetPerTupleExprContext(writer->estate);
	econtext->ecxt_scantuple = slot;
	for (int i = 0; i < writer->rri->ri_NumIndices; i++)
	{
		IndexInfo  *info = writer->rri->ri_IndexRelationInfo[i];
		Datum		values[INDEX_MAX_KEYS];
		bool		nulls[INDEX_MAX_KEYS];

		if (!info->ii_ReadyForInserts || !rama_index_wants_compat(which, info) ||
			!satisfies_predicate(writer, info, econtext))
			continue;
		FormIndexDatum(info, slot, writer->estate, values, nulls);
		insert_entry(writer, slot, writer->rri->ri_IndexRelationDescs[i], info,
					 values, nulls, same_keys);
	}
	ResetPerTupleExprContext(writer->estate);
}

static void
count_indexes(RamaWriter *writer)
{
	List	   *indexes = RelationGetIndexList(writer->heap);

	writer->nindexes = list_length(indexes);
	list_free(indexes);
	if (writer->index)
		writer->info = BuildIndexInfo(writer->index);
}

/*
 * Mostly there is the index over the keys only, whose values are the first
 * columns.
 */
static void
insert_into_indexes(RamaWriter *writer, TupleTableSlot *slot, TU_UpdateIndexes which,
					bool same_keys)
{
	if (writer->nindexes < 0)
		count_indexes(writer);
	if (writer->nindexes == 0)
		return;
	if (writer->nindexes > 1 || writer->index == NULL)
		insert_into_all_indexes(writer, slot, which, same_keys);
	else
		insert_entry(writer, slot, writer->index, writer->info,
					 slot->tts_values, slot->tts_isnull, same_keys);
}

/* The same for many new rows: all at once, where the index can. */
static void
insert_many_into_indexes(RamaWriter *writer, int nrows, TupleTableSlot **slots,
						 Datum *const *values, bool *const *nulls)
{
	if (writer->nindexes < 0)
		count_indexes(writer);
	if (writer->nindexes == 1 && writer->index && rama_index_is_pstate(writer->index))
	{
		ItemPointer tids[RAMA_WRITER_ROWS];

		for (int i = 0; i < nrows; i++)
			tids[i] = &slots[i]->tts_tid;
		rama_index_insert_many(writer->index, writer->heap, writer->info, nrows,
							   values, nulls, tids, UNIQUE_CHECK_YES);
		return;
	}
	for (int i = 0; i < nrows; i++)
		insert_into_indexes(writer, slots[i], TU_All, false);
}

/*
 * rama_writer_insert() -- Insert a row, given as one value per column; *tid
 * is where it is.
 *
 * Errors: those of indexes, such as 23505.
 */
void
rama_writer_insert(RamaWriter *writer, const Datum *values, const bool *nulls,
				   ItemPointer tid)
{
	store_values(writer->slot, values, nulls);
	simple_table_tuple_insert(writer->heap, writer->slot);
	insert_into_indexes(writer, writer->slot, TU_All, false);
	*tid = writer->slot->tts_tid;
}

/*
 * rama_writer_insert_many() -- Insert rows, best in the order of their keys.
 *
 * Row i has the values values[i] and nulls[i], and goes to *tids[i]. At most
 * RAMA_WRITER_ROWS of them.
 */
void
rama_writer_insert_many(RamaWriter *writer, int nrows, Datum *const *values,
						bool *const *nulls, ItemPointer *tids)
{
	TupleTableSlot *slots[RAMA_WRITER_ROWS];
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "pg_rama rows to insert",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	Assert(nrows <= RAMA_WRITER_ROWS);
	for (int i = 0; i < nrows; i++)
	{
		slots[i] = MakeTupleTableSlot(rama_table_desc(writer->table), &TTSOpsVirtual);
		store_values(slots[i], values[i], nulls[i]);
	}
	table_multi_insert(writer->heap, slots, nrows, GetCurrentCommandId(true), 0, NULL);
	MemoryContextSwitchTo(old);
	insert_many_into_indexes(writer, nrows, slots, values, nulls);
	for (int i = 0; i < nrows; i++)
		*tids[i] = slots[i]->tts_tid;
	MemoryContextDelete(context);
}

/*
 * rama_writer_update() -- Replace the row version at *tid, the newest of its
 * row; afterwards *tid is where the new one is.
 *
 * Not same_keys: the row has other keys now, of which there is no row.
 */
void
rama_writer_update(RamaWriter *writer, ItemPointer tid, const Datum *values,
				   const bool *nulls, bool same_keys)
{
	TU_UpdateIndexes which;

	store_values(writer->slot, values, nulls);
	simple_table_tuple_update(writer->heap, tid, writer->slot, SnapshotAny, &which);
	if (which != TU_None)
		insert_into_indexes(writer, writer->slot, which, same_keys);
	*tid = writer->slot->tts_tid;
}

/*
 * rama_writer_delete() -- Delete the row version at tid, the newest of its
 * row.
 */
void
rama_writer_delete(RamaWriter *writer, ItemPointer tid)
{
	simple_table_tuple_delete(writer->heap, tid, SnapshotAny);
}
