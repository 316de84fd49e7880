/*-------------------------------------------------------------------------
 *
 * insert_many.c
 *	  Inserts rows as the flush of a PState does: the rows first, then all
 *	  entries of each index at once. A server module for TAP tests.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"

PG_MODULE_MAGIC;

typedef void (*InsertMany) (Relation, Relation, struct IndexInfo *, int,
							Datum *const *, bool *const *, ItemPointer const *,
							IndexUniqueCheck);

static TupleTableSlot **insert_rows(Relation heap, const char *query, int *n);
static void insert_entries(Relation heap, Oid indexoid,
						   TupleTableSlot **slots, int n);
static bool is_wanted(IndexInfo *info, ExprState *predicate,
					  ExprContext *context);

PG_FUNCTION_INFO_V1(insert_many);

/*
 * insert_many(table regclass, query text) returns integer: inserts the query's
 * rows, whose columns are just the table's; how many. All its indexes are
 * pstate's.
 */
Datum
insert_many(PG_FUNCTION_ARGS)
{
	Relation	heap = table_open(PG_GETARG_OID(0), RowExclusiveLock);
	ListCell   *cell;
	int			n;
	TupleTableSlot **slots;

	SPI_connect();
	slots = insert_rows(heap, text_to_cstring(PG_GETARG_TEXT_PP(1)), &n);
	foreach(cell, RelationGetIndexList(heap))
		insert_entries(heap, lfirst_oid(cell), slots, n);
	for (int i = 0; i < n; i++)
		ExecDropSingleTupleTableSlot(slots[i]);
	SPI_finish();
	table_close(heap, NoLock);
	PG_RETURN_INT32(n);
}

static TupleTableSlot **
insert_rows(Relation heap, const char *query, int *n)
{
	TupleTableSlot **slots;

	if (SPI_execute(query, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "not a query: %s", query);
	*n = SPI_processed;
	slots = palloc((*n + 1) * sizeof(TupleTableSlot *));
	for (int i = 0; i < *n; i++)
	{
		slots[i] = table_slot_create(heap, NULL);
		ExecForceStoreHeapTuple(SPI_tuptable->vals[i], slots[i], false);
		table_tuple_insert(heap, slots[i], GetCurrentCommandId(true), 0, NULL);
	}
	return slots;
}

static void
insert_entries(Relation heap, Oid indexoid, TupleTableSlot **slots, int n)
{
	InsertMany	insert = (InsertMany) load_external_function("$libdir/pg_rama", "rama_index_insert_many", true, NULL);
	Relation	index = index_open(indexoid, RowExclusiveLock);
	IndexInfo  *info = BuildIndexInfo(index);
	EState	   *estate = CreateExecutorState();
	ExprContext *context = GetPerTupleExprContext(estate);
	ExprState  *predicate = ExecPrepareQual(info->ii_Predicate, estate);
	Datum	  **values = palloc((n + 1) * sizeof(Datum *));
	bool	  **nulls = palloc((n + 1) * sizeof(bool *));
	ItemPointer *tids = palloc((n + 1) * sizeof(ItemPointer));
	int			wanted = 0;

	for (int i = 0; i < n; i++)
	{
		context->ecxt_scantuple = slots[i];
		if (!is_wanted(info, predicate, context))
			continue;
		values[wanted] = palloc(INDEX_MAX_KEYS * sizeof(Datum));
		nulls[wanted] = palloc(INDEX_MAX_KEYS * sizeof(bool));
		FormIndexDatum(info, slots[i], estate, values[wanted], nulls[wanted]);
		tids[wanted++] = &slots[i]->tts_tid;
	}
	insert(index, heap, info, wanted, values, nulls, tids,
		   info->ii_Unique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO);
	FreeExecutorState(estate);
	index_close(index, NoLock);
}

static bool
is_wanted(IndexInfo *info, ExprState *predicate, ExprContext *context)
{
	return info->ii_Predicate == NIL || ExecQual(predicate, context);
}
