/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  Inserting the entries of many rows: sorted, one descent, one lock and
 *	  one WAL record for each leaf that they go to.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "index/index.h"
#include "index/insert.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "storage/predicate.h"
#include "utils/memutils.h"

typedef struct BatchEntry
{
	uint64		head;			/* the first bytes in which entries differ */
	PsString	string;
	int			keylen;
	int			row;
	bool		must_check;		/* for uniqueness */
} BatchEntry;

typedef struct Batch
{
	Relation	index;
	Relation	heap;
	struct IndexInfo *info;
	Datum	   *const *values;
	bool	   *const *nulls;
	ItemPointer const *tids;
	IndexUniqueCheck check;
	int			n;
	BatchEntry *entries;
} Batch;

/* Entries that go to one leaf */
typedef struct Run
{
	Batch	   *batch;
	Page		page;
	int			first;
	int			end;			/* what the leaf does not cover any more */
	int			next;			/* the first that is not added */
	int			size;			/* of that one, if it does not fit; or 0 */
} Run;

static void encode_rows(Batch *batch);
static void sort_entries(Batch *batch);
static int	insert_run(Batch *batch, int first);
static int	covered_end(Batch *batch, Page page, int first);
static void add_entries(Run *run, Buffer leaf);
static bool is_alone(Run *run, BatchEntry *entry, OffsetNumber offset);
static PsString entry_key(const BatchEntry *entry);
static void insert_alone(Batch *batch, int i);
static bool is_sorted(const Batch *batch);

#define ST_SORT sort_batch
#define ST_ELEMENT_TYPE BatchEntry
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
	Batch		batch = {
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
		i = insert_run(&batch, i);
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
encode_rows(Batch *batch)
{
	bool		check = batch->check == UNIQUE_CHECK_YES;
	StringInfoData buf;

	batch->entries = MemoryContextAllocHuge(CurrentMemoryContext,
											batch->n * sizeof(BatchEntry));
	initStringInfo(&buf);
	for (int i = 0; i < batch->n; i++)
	{
		BatchEntry *entry = &batch->entries[i];
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
sort_entries(Batch *batch)
{
	PsString	first = batch->entries[0].string;

	for (int i = 1; i < batch->n; i++)
		first.len = ps_common(first, batch->entries[i].string);
	for (int i = 0; i < batch->n; i++)
	{
		BatchEntry *entry = &batch->entries[i];
		uint64		head = 0;

		memcpy(&head, entry->string.data + first.len,
			   Min(entry->string.len - first.len, (int) sizeof(head)));
		entry->head = pg_ntoh64(head);
	}
	if (!is_sorted(batch))
		sort_batch(batch->entries, batch->n);
}

static bool
is_sorted(const Batch *batch)
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
 * Inserts entries from the first on into the leaf that covers it; returns the
 * first that is not inserted, which may be the same.
 */
static int
insert_run(Batch *batch, int first)
{
	Run			run = {.batch = batch,.first = first};
	PsString	string = batch->entries[first].string;
	Buffer		leaf;

	CHECK_FOR_INTERRUPTS();
	leaf = ps_search(batch->index, string, PS_AT, 0, BUFFER_LOCK_EXCLUSIVE);
	run.page = BufferGetPage(leaf);
	run.end = covered_end(batch, run.page, first);
	add_entries(&run, leaf);
	if (run.next == first && run.size > 0 &&
		ps_remove_dead(batch->index, batch->heap, leaf, run.size, false))
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

/* The first entry that the leaf does not cover: they are in order. */
static int
covered_end(Batch *batch, Page page, int first)
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
		BatchEntry *entry = &run->batch->entries[run->next];
		PsString	suffix = {entry->string.data + prefix,
		entry->string.len - prefix};
		int			size = sizeof(ItemIdData) + suffix.len;

		offset = run->next == run->first ? ps_page_find(page, entry->string) :
			ps_page_find_from(page, offset, entry->string);
		if (entry->must_check && !is_alone(run, entry, offset))
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
 * Is there no other entry of the key, dead or alive? The leaf must be the only
 * one where there can be any, and those of the batch count.
 */
static bool
is_alone(Run *run, BatchEntry *entry, OffsetNumber offset)
{
	Page		page = run->page;
	PsString	key = entry_key(entry);

	if (entry > run->batch->entries &&
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
entry_key(const BatchEntry *entry)
{
	return (PsString)
	{
		entry->string.data, entry->keylen
	};
}

static void
insert_alone(Batch *batch, int i)
{
	int			row = batch->entries[i].row;

	ps_insert(batch->index, batch->values[row], batch->nulls[row],
			  batch->tids[row], batch->heap, batch->check, false,
			  batch->info);
}
