/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  Inserting the entries of many rows: sorted, one descent, one lock and
 *	  one WAL record for each leaf that they go to.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "index/batch.h"
#include "index/index.h"
#include "index/insert.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "storage/predicate.h"
#include "utils/memutils.h"

/*
 * After leaves could not be written together, some are written alone, twice as
 * many after each miss in a row, up to so many.
 */
#define MAX_SINGLE_RUNS		32

/* Entries that go to one leaf */
typedef struct Run
{
	PsBatch	   *batch;
	Page		page;
	int			first;
	int			end;			/* what the leaf does not cover any more */
	int			next;			/* the first that is not added */
	int			size;			/* of that one, if it does not fit; or 0 */
} Run;

static void encode_rows(PsBatch *batch);
static void sort_entries(PsBatch *batch);
static int	insert_some(PsBatch *batch, int first);
static int	insert_run(PsBatch *batch, int first);
static bool open_run(Run *run, Buffer leaf);
static void add_entries(Run *run, Buffer leaf);
static PsString entry_key(const PsBatchEntry *entry);
static void insert_alone(PsBatch *batch, int i);
static bool is_sorted(const PsBatch *batch);

#define ST_SORT sort_batch
#define ST_ELEMENT_TYPE PsBatchEntry
#define ST_COMPARE(a, b) \
	((a)->head != (b)->head ? ((a)->head < (b)->head ? -1 : 1) : \
	 ps_compare((a)->string, (b)->string))
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * Inserts the entries of n rows, in any order: what ps_insert() does for each
 * of them, and index_insert() before it. "check" is UNIQUE_CHECK_YES or
 * UNIQUE_CHECK_NO.
 */
void
rama_index_insert_many(Relation index, Relation heap, struct IndexInfo *info,
					   int n, Datum *const *values, bool *const *nulls,
					   ItemPointer const *tids, IndexUniqueCheck check)
{
	PsBatch		batch = {
		.index = index,
		.heap = heap,
		.info = info,
		.values = values,
		.nulls = nulls,
		.tids = tids,
		.check = check,
		.n = n
	};
	MemoryContext context;
	MemoryContext old;

	Assert(check == UNIQUE_CHECK_YES || check == UNIQUE_CHECK_NO);
	if (n == 0)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "pstate batch",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	CheckForSerializableConflictIn(index, NULL, InvalidBlockNumber);
	encode_rows(&batch);
	sort_entries(&batch);
	for (int i = 0; i < n;)
		i = insert_some(&batch, i);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* Is this an index of our access method? */
bool
rama_index_is_pstate(Relation index)
{
	return index->rd_indam != NULL &&
		index->rd_indam->ambuild == ps_build;
}

static void
encode_rows(PsBatch *batch)
{
	bool		check = batch->check == UNIQUE_CHECK_YES;
	StringInfoData buf;

	batch->entries = MemoryContextAllocHuge(CurrentMemoryContext,
											batch->n * sizeof(PsBatchEntry));
	initStringInfo(&buf);
	for (int i = 0; i < batch->n; i++)
	{
		PsBatchEntry *entry = &batch->entries[i];
		char	   *data;
		bool		hasnull;

		ps_encode(batch->index, ps_index(batch->index), batch->values[i], batch->nulls[i],
				  batch->tids[i], &buf, &entry->keylen, &hasnull);
		data = palloc(buf.len);
		memcpy(data, buf.data, buf.len);
		entry->string = (PsString)
		{
			data, buf.len
		};
		entry->row = i;
		entry->must_check = check &&
			(!hasnull || batch->index->rd_index->indnullsnotdistinct);
	}
	pfree(buf.data);
}

/* Most comparisons are those of the bytes that follow what all have in common. */
static void
sort_entries(PsBatch *batch)
{
	PsString	first = batch->entries[0].string;

	for (int i = 1; i < batch->n; i++)
		first.len = ps_common(first, batch->entries[i].string);
	for (int i = 0; i < batch->n; i++)
	{
		PsBatchEntry *entry = &batch->entries[i];
		uint64		head = 0;

		memcpy(&head, entry->string.data + first.len,
			   Min(entry->string.len - first.len, (int) sizeof(head)));
		entry->head = pg_ntoh64(head);
	}
	if (!is_sorted(batch))
		sort_batch(batch->entries, batch->n);
}

static bool
is_sorted(const PsBatch *batch)
{
	for (int i = 1; i < batch->n; i++)
	{
		if (ps_compare(batch->entries[i - 1].string,
					   batch->entries[i].string) > 0)
			return false;
	}
	return true;
}

/*
 * Inserts entries from the first on; returns the first that is not inserted.
 * Several leaves at once are tried again after some have not been so.
 */
static int
insert_some(PsBatch *batch, int first)
{
	CHECK_FOR_INTERRUPTS();
	if (batch->single_runs == 0)
	{
		int			n = ps_batch_group(batch, first);

		if (n > 0)
		{
			batch->misses = 0;
			return first + n;
		}
		batch->single_runs = Min(1 << batch->misses, MAX_SINGLE_RUNS);
		if (batch->single_runs < MAX_SINGLE_RUNS)
			batch->misses++;
	}
	batch->single_runs--;
	return insert_run(batch, first);
}

/*
 * Inserts entries from the first on into the leaf that covers it: if not all
 * that belong there fit, by splitting it. Returns the first that is not
 * inserted, which may be the same.
 */
static int
insert_run(PsBatch *batch, int first)
{
	Run			run = {.batch = batch,.first = first};
	PsString	string = batch->entries[first].string;
	Buffer		leaf;
	bool		all_fit;

	leaf = ps_search(batch->index, string, PS_AT, 0, BUFFER_LOCK_EXCLUSIVE);
	all_fit = open_run(&run, leaf);
	if (!all_fit)
	{
		int			n;

		UnlockReleaseBuffer(leaf);
		n = ps_batch_split(batch, first);
		if (n > 0)
			return first + n;
		leaf = ps_search(batch->index, string, PS_AT, 0,
						 BUFFER_LOCK_EXCLUSIVE);
		open_run(&run, leaf);
	}
	add_entries(&run, leaf);
	UnlockReleaseBuffer(leaf);
	if (run.next > first)
		return run.next;
	if (run.size > 0)
	{
		ps_make_room(batch->index, string, 0, run.size, run.end - first);
		return first;
	}
	insert_alone(batch, first);
	return first + 1;
}

/*
 * What belongs to the leaf. Do all fit, if need be after dead entries have been
 * removed?
 */
static bool
open_run(Run *run, Buffer leaf)
{
	int			prefix;
	int			size = 0;

	run->page = BufferGetPage(leaf);
	run->end = ps_batch_covered_end(run->batch, run->page, run->first);
	prefix = PsPageOpaque(run->page)->prefix;
	for (int i = run->first; i < run->end && size < BLCKSZ; i++)
		size += sizeof(ItemIdData) + run->batch->entries[i].string.len - prefix;
	return ps_page_free(run->page) >= size ||
		ps_remove_dead(run->batch->index, run->batch->heap, leaf, size, false);
}

/* The first entry after this one that the leaf does not cover. */
int
ps_batch_covered_end(PsBatch *batch, Page page, int first)
{
	int			covered = first;
	int			end = batch->n;
	int			step = 1;

	if (ps_page_high_is_infinite(page))
		return end;
	while (covered + step < end &&
		   ps_page_compare_high(page, batch->entries[covered + step].string) < 0)
	{
		covered += step;
		step *= 2;
	}
	end = Min(covered + step, end);
	while (covered + 1 < end)
	{
		int			middle = covered + (end - covered) / 2;

		if (ps_page_compare_high(page, batch->entries[middle].string) < 0)
			covered = middle;
		else
			end = middle;
	}
	return end;
}

/*
 * Adds as many as there is room for, up to one that may have another row
 * beside it.
 */
static void
add_entries(Run *run, Buffer leaf)
{
	Page		page = run->page;
	int			prefix = PsPageOpaque(page)->prefix;
	int			free = ps_page_free(page);
	OffsetNumber offset = InvalidOffsetNumber;
	PsWrite		write;
	StringInfo	ops = NULL;

	run->size = 0;
	for (run->next = run->first; run->next < run->end; run->next++)
	{
		PsBatchEntry *entry = &run->batch->entries[run->next];
		PsString	suffix = {entry->string.data + prefix,
		entry->string.len - prefix};
		int			size = sizeof(ItemIdData) + suffix.len;

		offset = run->next == run->first ? ps_page_find(page, entry->string) :
			ps_page_find_from(page, offset, entry->string);
		if (!ps_batch_is_alone(run->batch, page, run->next, offset))
			break;
		if (free < size)
		{
			run->size = size;
			break;
		}
		if (ops == NULL)
		{
			ps_write_begin(&write, run->batch->index);
			ops = ps_write_page(&write, leaf, false);
		}
		ps_op_add(ops, offset + (run->next - run->first), suffix);
		free -= size;
	}
	if (ops != NULL)
		ps_write_end(&write);
}

/*
 * Is there no other entry of the key of this one, which belongs before the
 * offset, dead or alive? The leaf must be the only one where there can be any,
 * and those of the batch count. True if it does not matter.
 */
bool
ps_batch_is_alone(PsBatch *batch, Page page, int i, OffsetNumber offset)
{
	PsBatchEntry *entry = &batch->entries[i];
	PsString	key = entry_key(entry);

	if (!entry->must_check)
		return true;
	if (i > 0 &&
		ps_compare(entry_key(entry - 1), key) == 0)
		return false;
	if (ps_page_compare_low(page, key) < 0 ||
		(!ps_page_high_is_infinite(page) &&
		 ps_page_begins_with(page, PS_HIGH_FENCE, key)))
		return false;
	if (offset > PS_FIRST_ENTRY && ps_page_begins_with(page, offset - 1, key))
		return false;
	return offset == PsPageEnd(page) ||
		!ps_page_begins_with(page, offset, key);
}

static PsString
entry_key(const PsBatchEntry *entry)
{
	return (PsString)
	{
		entry->string.data, entry->keylen
	};
}

static void
insert_alone(PsBatch *batch, int i)
{
	int			row = batch->entries[i].row;

	ps_insert(batch->index, batch->values[row], batch->nulls[row],
			  batch->tids[row], batch->heap, batch->check, false,
			  batch->info);
}
