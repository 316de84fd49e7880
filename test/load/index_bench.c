/*-------------------------------------------------------------------------
 *
 * index_bench.c
 *	  Measures index access methods themselves, without the executor.
 *
 * A server module for test/bench/index.sh. Keys come from a query, are read
 * into memory first, and then looked up or inserted in its order.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "access/genam.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/xlog.h"
#include "catalog/index.h"
#include "compat.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "index/index.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_MODULE_MAGIC;

/* The query's rows; with tids, its first column is one. */
typedef struct Keys
{
	int			n;
	int			natts;
	Datum	  **values;
	bool	  **nulls;
	ItemPointer *tids;
} Keys;

static void
read_keys(const char *query, bool with_tids, Keys *keys)
{
	MemoryContext caller = CurrentMemoryContext;
	TupleDesc	desc;

	SPI_connect();
	if (SPI_execute(query, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "not a query: %s", query);
	MemoryContextSwitchTo(caller);
	desc = CreateTupleDescCopy(SPI_tuptable->tupdesc);
	keys->n = SPI_processed;
	keys->natts = desc->natts - with_tids;
	keys->values = palloc(keys->n * sizeof(Datum *));
	keys->nulls = palloc(keys->n * sizeof(bool *));
	keys->tids = palloc(keys->n * sizeof(ItemPointer));
	for (int i = 0; i < keys->n; i++)
	{
		HeapTuple	row = heap_copytuple(SPI_tuptable->vals[i]);
		Datum	   *values = palloc(desc->natts * sizeof(Datum));
		bool	   *nulls = palloc(desc->natts * sizeof(bool));

		heap_deform_tuple(row, desc, values, nulls);
		keys->tids[i] = with_tids ? (ItemPointer) DatumGetPointer(values[0]) : NULL;
		keys->values[i] = values + with_tids;
		keys->nulls[i] = nulls + with_tids;
	}
	SPI_finish();
}

/* CPU time: whoever else runs on the machine does not matter */
static double
nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static void
open_both(Oid indexoid, Relation *index, Relation *heap, LOCKMODE lockmode)
{
	*heap = table_open(IndexGetRelation(indexoid, false), lockmode);
	*index = index_open(indexoid, lockmode);
}

static void
close_both(Relation index, Relation heap)
{
	index_close(index, NoLock);
	table_close(heap, NoLock);
}

/* Conditions on the leading columns: equality, and with "range", >= on the last. */
static void
make_conditions(Relation index, int n, bool range, ScanKey conditions)
{
	for (int i = 0; i < n; i++)
	{
		StrategyNumber strategy = range && i == n - 1 ? BTGreaterEqualStrategyNumber :
			BTEqualStrategyNumber;
		Oid			type = index->rd_opcintype[i];
		Oid			operator = get_opfamily_member(index->rd_opfamily[i], type, type, strategy);

		ScanKeyEntryInitialize(&conditions[i], 0, i + 1, strategy, InvalidOid,
							   index->rd_indcollation[i], get_opcode(operator), (Datum) 0);
	}
}

PG_FUNCTION_INFO_V1(index_find);

/*
 * index_find(index regclass, query text, range boolean, max integer) returns
 * float8: CPU nanoseconds per row of the query. A row is a key, or the beginning of
 * one; up to max entries are read, backwards if it is negative. Error if none
 * is found.
 */
Datum
index_find(PG_FUNCTION_ARGS)
{
	int			max = PG_GETARG_INT32(3);
	ScanDirection direction = max < 0 ? BackwardScanDirection : ForwardScanDirection;
	ScanKeyData conditions[INDEX_MAX_KEYS];
	Keys		keys;
	Relation	heap;
	Relation	index;
	IndexScanDesc scan;
	double		begin;
	double		took;

	read_keys(text_to_cstring(PG_GETARG_TEXT_PP(1)), false, &keys);
	open_both(PG_GETARG_OID(0), &index, &heap, AccessShareLock);
	make_conditions(index, keys.natts, PG_GETARG_BOOL(2), conditions);
	scan = index_beginscan_compat(heap, index, GetActiveSnapshot(), keys.natts);
	max = max < 0 ? -max : max;

	begin = nanoseconds();
	for (int i = 0; i < keys.n; i++)
	{
		int			found = 0;

		CHECK_FOR_INTERRUPTS();
		for (int k = 0; k < keys.natts; k++)
			conditions[k].sk_argument = keys.values[i][k];
		index_rescan(scan, conditions, keys.natts, NULL, 0);
		while (found < max && index_getnext_tid(scan, direction) != NULL)
			found++;
		if (found == 0)
			elog(ERROR, "row %d is not in the index", i);
	}
	took = nanoseconds() - begin;

	index_endscan(scan);
	close_both(index, heap);
	PG_RETURN_FLOAT8(took / keys.n);
}

static void
insert_singly(Relation index, Relation heap, struct IndexInfo *info, Keys *keys)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "index_insert",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);

	for (int i = 0; i < keys->n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		index_insert(index, keys->values[i], keys->nulls[i], keys->tids[i], heap,
					 UNIQUE_CHECK_NO, false, info);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(caller);
}

static void
insert_batches(Relation index, Relation heap, struct IndexInfo *info, Keys *keys, int batch)
{
	void		(*insert_many) (Relation, Relation, struct IndexInfo *, int, Datum *const *,
								bool *const *, ItemPointer const *, IndexUniqueCheck);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "index_insert",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);

	insert_many = load_external_function("$libdir/pg_rama", "rama_index_insert_many",
										 true, NULL);
	for (int i = 0; i < keys->n; i += batch)
	{
		CHECK_FOR_INTERRUPTS();
		insert_many(index, heap, info, Min(batch, keys->n - i), keys->values + i,
					keys->nulls + i, keys->tids + i, UNIQUE_CHECK_NO);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(caller);
}

PG_FUNCTION_INFO_V1(index_insert_rows);

/*
 * index_insert_rows(index regclass, query text, batch integer) returns
 * float8[]: CPU nanoseconds and bytes of WAL per row of the query, whose first
 * column is the tid that the entry is to have. batch 0: one by one, as the
 * executor does; else so many at once by rama_index_insert_many().
 *
 * The index leads to wrong rows afterwards.
 */
Datum
index_insert_rows(PG_FUNCTION_ARGS)
{
	int			batch = PG_GETARG_INT32(2);
	Keys		keys;
	Relation	heap;
	Relation	index;
	struct IndexInfo *info;
	double		begin;
	XLogRecPtr	from;
	Datum		result[2];

	read_keys(text_to_cstring(PG_GETARG_TEXT_PP(1)), true, &keys);
	open_both(PG_GETARG_OID(0), &index, &heap, RowExclusiveLock);
	info = BuildIndexInfo(index);

	from = GetXLogInsertRecPtr();
	begin = nanoseconds();
	if (batch == 0)
		insert_singly(index, heap, info, &keys);
	else
		insert_batches(index, heap, info, &keys, batch);
	result[0] = Float8GetDatum((nanoseconds() - begin) / keys.n);
	result[1] = Float8GetDatum((double) (GetXLogInsertRecPtr() - from) / keys.n);

	close_both(index, heap);
	PG_RETURN_ARRAYTYPE_P(construct_array(result, 2, FLOAT8OID, sizeof(float8), true,
										  TYPALIGN_DOUBLE));
}
