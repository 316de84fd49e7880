/*-------------------------------------------------------------------------
 *
 * check_entries.c
 *	  Are a leaf's entries those of the table's rows?
 *
 * The entries that the rows should have are encoded and sorted first. Those of
 * the index come in the same order, so that two rows of strings are compared
 * as in a merge.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "catalog/pg_operator_d.h"
#include "index/index.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/tuplesort.h"

struct PsCheckEntries
{
	Relation	index;
	Relation	heap;
	const PsIndex *info;
	MemoryContext context;		/* of this */
	Snapshot	snapshot;
	IndexFetchTableData *fetch;
	TupleTableSlot *slot;
	BlockNumber heap_blocks;

	/* The rows' entries, if they are all to be in the index */
	Tuplesortstate *sort;
	StringInfoData encoded;		/* scratch */
	MemoryContext row_context;	/* reset for each row */
	bytea	   *expected;		/* the next one; NULL at the end */
	BlockNumber block;			/* of the leaf where the walk is */

	/* The last entry, for unique indexes (no constraint can be deferred) */
	bool		unique;
	StringInfoData key;
	ItemPointerData tid;
	bool		any_equal;		/* was there one before with its key? */
	bool		any_visible;	/* of those with its key */
};

static const PsIndex *copy_info(const PsIndex *info);
static void sort_rows(PsCheckEntries *check);
static void sort_row(Relation index, ItemPointer tid, Datum *values, bool *isnull,
					 bool alive, void *state);
static void next_expected(PsCheckEntries *check);
static bool match_expected(PsCheckEntries *check, PsString entry);
static void report_missing(PsCheckEntries *check);
static void check_encoding(PsCheckEntries *check, OffsetNumber offset,
						   PsString entry, PsEntry *parts);
static void check_orphan(PsCheckEntries *check, OffsetNumber offset, PsEntry *parts);
static const char *heap_item_problem(PsCheckEntries *check, ItemPointer tid);
static void check_unique(PsCheckEntries *check, OffsetNumber offset, PsEntry *parts);
static bool is_visible(PsCheckEntries *check, ItemPointer tid);

/*
 * ps_check_entries_begin() -- Prepare to look at all entries of the index.
 *
 * "all": the rows that a new snapshot sees must all be there. The caller holds
 * ShareLock on index and heap (on a standby, AccessShareLock). What is returned
 * is in the current memory context, and holds a snapshot until
 * ps_check_entries_end().
 */
PsCheckEntries *
ps_check_entries_begin(Relation index, Relation heap, bool all)
{
	PsCheckEntries *check = palloc0(sizeof(PsCheckEntries));

	check->index = index;
	check->heap = heap;
	check->context = CurrentMemoryContext;
	check->info = copy_info(ps_index(index));
	check->snapshot = RegisterSnapshot(GetLatestSnapshot());
	check->fetch = table_index_fetch_begin(heap);
	check->slot = table_slot_create(heap, NULL);
	check->heap_blocks = RelationGetNumberOfBlocks(heap);
	check->row_context = AllocSetContextCreate(CurrentMemoryContext, "rama.check_index row",
											   ALLOCSET_DEFAULT_SIZES);
	check->block = PS_ROOT_BLOCK;
	initStringInfo(&check->encoded);
	initStringInfo(&check->key);

	check->unique = index->rd_index->indisunique;
	if (all)
		sort_rows(check);
	return check;
}

/*
 * ps_check_entry() -- Error XX002 if there is something wrong with the leaf's
 * entry that comes next in the order of entries.
 */
void
ps_check_entry(PsCheckEntries *check, BlockNumber block, OffsetNumber offset,
			   PsString entry, bool dead)
{
	const char *problem = ps_entry_problem(check->info, entry);
	PsEntry		parts;
	bool		expected;

	check->block = block;
	if (problem)
		ps_report_corruption(check->index, block, "item %d: %s", offset, problem);
	ps_parse(check->info, entry, &parts);
	expected = match_expected(check, entry);
	if (expected && dead)
		ps_report_corruption(check->index, block,
							 "item %d is marked dead, but row (%u,%u) is visible", offset,
							 ItemPointerGetBlockNumber(&parts.tid),
							 ItemPointerGetOffsetNumber(&parts.tid));

	/* What was encoded can be decoded without harm; INCLUDE columns, else not. */
	if (expected || check->info->natts == check->info->nkeys)
		check_encoding(check, offset, entry, &parts);
	if (!expected && !dead)
		check_orphan(check, offset, &parts);
	if (check->unique && !dead)
		check_unique(check, offset, &parts);
}

/*
 * ps_check_entries_end() -- Error XX002 if entries are missing after the last.
 */
void
ps_check_entries_end(PsCheckEntries *check)
{
	if (check->expected)
		report_missing(check);
	if (check->sort)
		tuplesort_end(check->sort);
	ExecDropSingleTupleTableSlot(check->slot);
	table_index_fetch_end(check->fetch);
	UnregisterSnapshot(check->snapshot);
}

/* The relation's own may be freed whenever invalidations are processed. */
static const PsIndex *
copy_info(const PsIndex *info)
{
	PsIndex    *copy = palloc(sizeof(PsIndex));

	*copy = *info;
	if (info->include)
		copy->include = CreateTupleDescCopy(info->include);
	return copy;
}

/* ---- The rows' entries ---- */

static void
sort_rows(PsCheckEntries *check)
{
	IndexInfo  *info = BuildIndexInfo(check->index);
	TableScanDesc scan;

	check->sort = tuplesort_begin_datum(BYTEAOID, ByteaLessOperator, InvalidOid, false,
										maintenance_work_mem, NULL, TUPLESORT_NONE);

	/* As for a concurrent build: what the snapshot sees. */
	info->ii_Concurrent = true;
	info->ii_Unique = false;
	info->ii_ExclusionOps = NULL;
	info->ii_ExclusionProcs = NULL;
	info->ii_ExclusionStrats = NULL;
	scan = table_beginscan_strat(check->heap, check->snapshot, 0, NULL, true, true);
	table_index_build_scan(check->heap, check->index, info, true, false,
						   sort_row, check, scan);
	tuplesort_performsort(check->sort);
	next_expected(check);
}

static void
sort_row(Relation index, ItemPointer tid, Datum *values, bool *isnull,
		 bool alive, void *state)
{
	PsCheckEntries *check = state;
	MemoryContext caller = MemoryContextSwitchTo(check->row_context);
	int			keylen;
	bool		hasnull;
	bytea	   *datum;

	ps_encode(index, check->info, values, isnull, tid, &check->encoded, &keylen, &hasnull);
	datum = palloc(VARHDRSZ + check->encoded.len);
	SET_VARSIZE(datum, VARHDRSZ + check->encoded.len);
	memcpy(VARDATA(datum), check->encoded.data, check->encoded.len);
	tuplesort_putdatum(check->sort, PointerGetDatum(datum), false);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(check->row_context);
}

static void
next_expected(PsCheckEntries *check)
{
	MemoryContext caller = MemoryContextSwitchTo(check->context);
	Datum		datum;
	bool		isnull;

	if (check->expected)
		pfree(check->expected);
	check->expected = NULL;
	if (tuplesort_getdatum_compat(check->sort, true, &datum, &isnull))
		check->expected = (bytea *) DatumGetPointer(datum);
	MemoryContextSwitchTo(caller);
}

static PsString
expected_string(PsCheckEntries *check)
{
	return (PsString)
	{
		VARDATA(check->expected), VARSIZE(check->expected) - VARHDRSZ
	};
}

/* Is it a visible row's? Rows whose entries would come before it have none. */
static bool
match_expected(PsCheckEntries *check, PsString entry)
{
	int			order;

	if (check->expected == NULL)
		return false;
	order = ps_compare(expected_string(check), entry);
	if (order < 0)
		report_missing(check);
	if (order == 0)
		next_expected(check);
	return order == 0;
}

static void
report_missing(PsCheckEntries *check)
{
	PsEntry		parts;

	ps_parse(check->info, expected_string(check), &parts);
	ps_report_corruption(check->index, check->block, "there is no entry for row (%u,%u)",
						 ItemPointerGetBlockNumber(&parts.tid),
						 ItemPointerGetOffsetNumber(&parts.tid));
}

/* ---- An entry ---- */

/* What was decoded has to be encoded as it was. */
static void
check_encoding(PsCheckEntries *check, OffsetNumber offset, PsString entry, PsEntry *parts)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];
	StringInfoData again;
	int			keylen;
	bool		hasnull;

	initStringInfo(&again);
	ps_decode(check->index, check->info, parts, values, isnull);
	ps_encode(check->index, check->info, values, isnull, &parts->tid,
			  &again, &keylen, &hasnull);
	if (ps_compare(ps_string(&again), entry) != 0)
		ps_report_corruption(check->index, check->block,
							 "item %d is not what its values are encoded as", offset);
}

/*
 * An entry of no visible row: the row has been deleted or was rolled back, but
 * is still there, or at least what vacuum will begin from.
 */
static void
check_orphan(PsCheckEntries *check, OffsetNumber offset, PsEntry *parts)
{
	const char *problem = NULL;

	if (check->heap->rd_tableam == GetHeapamTableAmRoutine())
		problem = heap_item_problem(check, &parts->tid);
	if (problem == NULL && check->sort && is_visible(check, &parts->tid))
		problem = "whose entry is another one";
	if (problem)
		ps_report_corruption(check->index, check->block, "item %d leads to row (%u,%u), %s",
							 offset, ItemPointerGetBlockNumber(&parts->tid),
							 ItemPointerGetOffsetNumber(&parts->tid), problem);
}

/* What indexes may not lead to; heapam looks for the same before it deletes. */
static const char *
heap_item_problem(PsCheckEntries *check, ItemPointer tid)
{
	Buffer		buffer;
	Page		page;
	const char *problem = NULL;

	if (ItemPointerGetBlockNumber(tid) >= check->heap_blocks)
		return "behind the table's end";
	buffer = ReadBuffer(check->heap, ItemPointerGetBlockNumber(tid));
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	if (ItemPointerGetOffsetNumber(tid) > PageGetMaxOffsetNumber(page))
		problem = "which is not there";
	else
	{
		ItemId		id = PageGetItemId(page, ItemPointerGetOffsetNumber(tid));

		if (!ItemIdIsUsed(id))
			problem = "which is not there";
		else if (ItemIdIsNormal(id) &&
				 HeapTupleHeaderIsHeapOnly((HeapTupleHeader) PageGetItem(page, id)))
			problem = "which has no entry of its own";
	}
	UnlockReleaseBuffer(buffer);
	return problem;
}

/* ---- Uniqueness ---- */

static bool
has_null(const PsIndex *info, PsString key)
{
	for (int i = 0, at = 0; i < info->nkeys; i++)
	{
		if (key.data[at] == '\0' || key.data[at] == '\xFF')
			return true;
		at += ps_column_size(&info->columns[i], key.data + at);
	}
	return false;
}

/* Of the entries with a key, at most one leads to a visible row. */
static void
check_unique(PsCheckEntries *check, OffsetNumber offset, PsEntry *parts)
{
	if (check->key.len == 0 || ps_compare(ps_string(&check->key), parts->key) != 0)
	{
		resetStringInfo(&check->key);
		appendBinaryStringInfo(&check->key, parts->key.data, parts->key.len);
		check->tid = parts->tid;
		check->any_equal = false;
		return;
	}
	if (!check->index->rd_index->indnullsnotdistinct && has_null(check->info, parts->key))
		return;
	if (!check->any_equal)
		check->any_visible = is_visible(check, &check->tid);
	check->any_equal = true;
	if (!is_visible(check, &parts->tid))
		return;
	if (check->any_visible)
		ps_report_corruption(check->index, check->block,
							 "item %d has the key of another visible row, but the index is unique",
							 offset);
	check->any_visible = true;
}

static bool
is_visible(PsCheckEntries *check, ItemPointer tid)
{
	ItemPointerData at = *tid;
	bool		again = false;
	bool		found = table_index_fetch_tuple(check->fetch, &at, check->snapshot,
												check->slot, &again, NULL);

	table_index_fetch_reset(check->fetch);
	ExecClearTuple(check->slot);
	return found;
}
