/*-------------------------------------------------------------------------
 *
 * flush.c
 *	  From the write buffer into the tables.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "pstate/buffer.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/sortsupport.h"

/* A row that has a place in the table */
typedef struct Placed
{
	uint64		place;			/* block and offset, to sort by */
	RamaBufferedRow *row;
} Placed;

/* The dirty rows of a table, by what has to be done. */
typedef struct Work
{
	int			ndeletes;
	int			nupdates;
	int			ninserts;
	Placed	   *deletes;
	Placed	   *updates;
	RamaBufferedRow **inserts;
} Work;

#define ST_SORT sort_by_place
#define ST_ELEMENT_TYPE Placed
#define ST_COMPARE(a, b) ((a)->place < (b)->place ? -1 : (a)->place > (b)->place)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* Rows are all over the memory: so many before its turn, one is fetched. */
#define AHEAD 4

static int
compare_keys(const void *a, const void *b, void *arg)
{
	RamaBufferedRow *const *x = a;
	RamaBufferedRow *const *y = b;
	RamaTableBuffer *buffer = (*x)->buffer;
	SortSupport keys = arg;

	for (int i = 0; i < buffer->nkeys; i++)
	{
		int			order = ApplySortComparator((*x)->values[i], false,
												(*y)->values[i], false, &keys[i]);

		if (order != 0)
			return order;
	}
	return 0;
}

static void
sort_by_keys(RamaTableBuffer *buffer, RamaBufferedRow **rows, int nrows)
{
	SortSupportData keys[RAMA_MAX_KEYS];

	if (nrows < 2)
		return;
	memset(keys, 0, sizeof(keys));
	for (int i = 0; i < buffer->nkeys; i++)
	{
		const RamaType *type = &buffer->table->keys[i];

		keys[i].ssup_cxt = CurrentMemoryContext;
		keys[i].ssup_collation = type->collation;
		keys[i].ssup_attno = i + 1;
		PrepareSortSupportFromOrderingOp(type->lt_opr, &keys[i]);
	}
	qsort_arg(rows, nrows, sizeof(RamaBufferedRow *), compare_keys, keys);
}

static Placed
placed(RamaBufferedRow *row)
{
	const ItemPointerData *tid = &row->state.tid;

	return (Placed)
	{
		(uint64) ItemPointerGetBlockNumber(tid) << 16 | ItemPointerGetOffsetNumber(tid), row
	};
}

static void
collect(RamaTableBuffer *buffer, Work *work)
{
	memset(work, 0, sizeof(*work));
	work->deletes = palloc_array(Placed, buffer->ndirty);
	work->updates = palloc_array(Placed, buffer->ndirty);
	work->inserts = palloc_array(RamaBufferedRow *, buffer->ndirty);
	for (uint32 i = 0; i < buffer->dirty_end; i++)
	{
		RamaBufferedRow *row = buffer->dirty[i];

		if (i + AHEAD < buffer->dirty_end)
			rama_prefetch(buffer->dirty[i + AHEAD]);
		if (row == NULL)
			continue;
		if (!(row->state.flags & RAMA_ROW_STORED))
			work->inserts[work->ninserts++] = row;
		else if (row->state.flags & RAMA_ROW_EXISTS)
			work->updates[work->nupdates++] = placed(row);
		else
			work->deletes[work->ndeletes++] = placed(row);
	}
	sort_by_place(work->deletes, work->ndeletes);
	sort_by_place(work->updates, work->nupdates);
	sort_by_keys(buffer, work->inserts, work->ninserts);
}

/* How many of these rows are in the block of the first of them? */
static int
count_in_block(const Placed *rows, int nrows)
{
	int			n = 1;

	while (n < nrows && rows[n].place >> 16 == rows[0].place >> 16)
		n++;
	return n;
}

/*
 * Rows that are found by remembered places are not read through a scan or an
 * index, which would remove dead versions from their page. Do so if the page
 * lacks the space for new versions of these rows.
 */
static void
make_space(Relation heap, const Placed *rows, int nrows)
{
	BlockNumber block = ItemPointerGetBlockNumber(&rows->row->state.tid);
	TupleDesc	desc = RelationGetDescr(heap);
	Size		size = 0;
	Buffer		page;

	if (heap->rd_tableam != GetHeapamTableAmRoutine())
		return;
	for (int i = 0; i < nrows; i++)
		size += MAXALIGN(SizeofHeapTupleHeader + BITMAPLEN(desc->natts)) +
			MAXALIGN(heap_compute_data_size(desc, rows[i].row->values, rows[i].row->nulls)) +
			sizeof(ItemIdData);
	page = ReadBuffer(heap, block);
	if (PageGetHeapFreeSpace(BufferGetPage(page)) < size)
		heap_page_prune_opt(heap, page);
	ReleaseBuffer(page);
}

static void
delete_rows(RamaTableBuffer *buffer, RamaWriter *writer, Work *work)
{
	for (int i = 0; i < work->ndeletes; i++)
	{
		RamaBufferedRow *row = work->deletes[i].row;

		CHECK_FOR_INTERRUPTS();
		rama_buffer_touch(buffer, row);
		rama_writer_delete(writer, &row->state.tid);
		rama_buffer_stored(buffer, row);
	}
}

static void
update_rows(RamaTableBuffer *buffer, RamaWriter *writer, Work *work)
{
	for (int i = 0, end = 0; i < work->nupdates; i++)
	{
		RamaBufferedRow *row = work->updates[i].row;

		CHECK_FOR_INTERRUPTS();
		if (i == end)
		{
			int			n = count_in_block(&work->updates[i], work->nupdates - i);

			make_space(writer->heap, &work->updates[i], n);
			end += n;
		}
		rama_buffer_touch(buffer, row);
		rama_writer_update(writer, &row->state.tid, row->values, row->nulls, true);
		rama_buffer_stored(buffer, row);
	}
}

static void
insert_rows(RamaTableBuffer *buffer, RamaWriter *writer, Work *work)
{
	Datum	   *values[RAMA_WRITER_ROWS];
	bool	   *nulls[RAMA_WRITER_ROWS];
	ItemPointer tids[RAMA_WRITER_ROWS];

	for (int done = 0, n; done < work->ninserts; done += n)
	{
		n = Min(RAMA_WRITER_ROWS, work->ninserts - done);
		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < n; i++)
		{
			RamaBufferedRow *row = work->inserts[done + i];

			rama_buffer_touch(buffer, row);
			values[i] = row->values;
			nulls[i] = row->nulls;
			tids[i] = &row->state.tid;
		}
		if (n == 1)
			rama_writer_insert(writer, values[0], nulls[0], tids[0]);
		else
			rama_writer_insert_many(writer, n, values, nulls, tids);
		for (int i = 0; i < n; i++)
			rama_buffer_stored(buffer, work->inserts[done + i]);
	}
}

/*
 * rama_buffer_flush_table() -- Write what is dirty in one table: deletions,
 * new versions in the order of their places, new rows in the order of their
 * keys. Ends the command.
 */
void
rama_buffer_flush_table(RamaTableBuffer *buffer)
{
	MemoryContext context;
	MemoryContext old;
	RamaWriter	writer;
	Work		work;

	if (buffer->ndirty == 0)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "pg_rama flush",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	collect(buffer, &work);
	rama_writer_open(&writer, buffer->table);
	delete_rows(buffer, &writer, &work);
	update_rows(buffer, &writer, &work);
	insert_rows(buffer, &writer, &work);
	rama_writer_close(&writer);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	CommandCounterIncrement();
}

/*
 * rama_buffer_flush() -- Write what is dirty in a table, if its rows are
 * buffered.
 */
void
rama_buffer_flush(RamaTable *table)
{
	if (rama_buffer_active(table))
		rama_buffer_flush_table(table->buffer);
}

/*
 * rama_buffer_flush_all() -- Write what is dirty in all tables.
 */
void
rama_buffer_flush_all(void)
{
	List	   *pstates = rama_buffers_in_use();
	ListCell   *lc;

	foreach(lc, pstates)
	{
		RamaPStateBuffer *pstate = lfirst(lc);

		for (int i = 0; i < pstate->ntables; i++)
			rama_buffer_flush_table(&pstate->tables[i]);
	}
	list_free(pstates);
}
