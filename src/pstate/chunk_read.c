/*-------------------------------------------------------------------------
 *
 * chunk_read.c
 *	  Reading the elements of a vector that is stored in chunks, as if each
 *	  had a row.
 *
 * See "Chunked vectors" in src/pstate/README.md for what numbers of chunks say.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "pstate/chunk.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* No element has such an index. */
#define NO_INDEX PG_INT64_MAX

/* So many chunks are passed rather than looked up anew. */
#define NEAR_CHUNKS 4

struct RamaChunkScan
{
	RamaTable  *table;			/* the vector's */
	RamaScan   *rows;			/* of chunks; NULL: none is of interest */
	bool		backward;
	int64		from;			/* elements to return: from <= index < to */
	int64		to;
	TupleTableSlot *row;		/* a chunk; NULL: before the first one */
	int64		start;			/* index of its first element; before the first
								 * one, of the first one's */
	int			count;			/* of its elements */
	int			at;				/* the next one to be returned, in the chunk */
	int			left;			/* how many are still to be returned */
	Datum	   *values;			/* of its elements, where any are returned */
	bool	   *nulls;
	int			size;			/* room in both */
	ArrayType  *copy;			/* their array, if it is not that of the row */
	bool		primed;			/* the row has been read, but not come to */
	TupleTableSlot *slot;
	MemoryContext context;
};

static int64
chunk_number(RamaTable *chunks, TupleTableSlot *row)
{
	bool		isnull;

	return DatumGetInt64(slot_getattr(row, chunks->nkeys, &isnull));
}

static int
chunk_count(RamaTable *chunks, TupleTableSlot *row)
{
	bool		isnull;

	return DatumGetInt32(slot_getattr(row, RAMA_CHUNK_COUNT(chunks), &isnull));
}

/* Of a tail: false if the vector is shifted. */
static bool
chunk_first(RamaTable *chunks, TupleTableSlot *row, int64 *first)
{
	bool		isnull;

	*first = DatumGetInt64(slot_getattr(row, RAMA_CHUNK_FIRST(chunks), &isnull));
	return !isnull;
}

static int64
count_elements(RamaTable *table, const Datum *prefix, Snapshot snapshot)
{
	bool		isnull;
	int64		count = rama_collection_count(table->node, prefix, snapshot, &isnull);

	return isnull ? 0 : count;
}

static void
set_chunk_keys(RamaTable *table, const Datum *prefix, int64 number, Datum *keys)
{
	int			last = table->nkeys - 1;

	if (last > 0)
		memcpy(keys, prefix, sizeof(Datum) * last);
	keys[last] = Int64GetDatum(number);
}

static bool
fetch_tail(RamaTable *table, const Datum *prefix, Snapshot snapshot, TupleTableSlot **tail)
{
	Datum		keys[RAMA_MAX_KEYS];

	set_chunk_keys(table, prefix, RAMA_CHUNK_TAIL, keys);
	return rama_row_fetch(table->chunks, keys, snapshot, tail);
}

static RamaScan *
scan_chunks(RamaTable *table, const Datum *prefix, int64 number, bool backward,
			Snapshot snapshot)
{
	RamaBound	bound = {true, true, Int64GetDatum(number)};

	return rama_scan_begin(table->chunks, prefix, table->nkeys - 1,
						   backward ? NULL : &bound, backward ? &bound : NULL,
						   backward, snapshot);
}

pg_noreturn static void
no_chunk(RamaTable *table, int64 index)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("element " INT64_FORMAT " is in no chunk of a vector in table \"%s\"",
					index, table->chunks->name)));
}

/* Walk from the nearer end of a shifted vector to the chunk of an element. */
static void
walk_to(RamaTable *table, const Datum *prefix, int64 index, int64 count,
		Snapshot snapshot, RamaChunkPlace *place)
{
	RamaTable  *chunks = table->chunks;
	bool		backward = index > count / 2;
	RamaScan   *rows = rama_scan_begin(chunks, prefix, table->nkeys - 1, NULL, NULL,
									   backward, snapshot);
	int64		edge = backward ? count : 0;
	TupleTableSlot *row;

	while ((row = rama_scan_next(rows)) != NULL)
	{
		int			n = chunk_count(chunks, row);

		if (backward ? index >= edge - n : index < edge + n)
		{
			place->number = chunk_number(chunks, row);
			place->start = backward ? edge - n : edge;
			break;
		}
		edge += backward ? -n : n;
	}
	if (row == NULL)
		no_chunk(table, index);
	rama_scan_end(rows);
}

/*
 * In a batch, the same without writing what is buffered: a chunk that the table has
 * may be other or gone by now, and there may be new ones. But if it is there, and
 * has the element, it is the one.
 */
static bool
peek(RamaTable *table, const Datum *prefix, int64 index, RamaChunkPlace *place)
{
	RamaTable  *chunks = table->chunks;
	Relation	heap = table_open(chunks->relid, AccessShareLock);
	Relation	rel = rama_table_open_index(chunks, AccessShareLock);
	TupleTableSlot *slot = rama_table_slot(chunks);
	Datum		keys[RAMA_MAX_KEYS];
	bool		found;
	RamaRow		row;

	rama_chunk_keys(table, prefix, rama_chunk_number(index), keys);
	found = rama_row_find_below(chunks, heap, rel, keys, SnapshotSelf, slot);
	if (found)
	{
		place->number = chunk_number(chunks, slot);
		place->start = place->number >> RAMA_CHUNK_BITS;
	}
	ExecDropSingleTupleTableSlot(slot);
	index_close(rel, NoLock);
	table_close(heap, NoLock);
	if (!found)
		return false;
	rama_chunk_keys(table, prefix, place->number, keys);
	rama_row_open(&row, chunks, keys, true);
	found = row.found &&
		index < place->start + DatumGetInt32(row.values[RAMA_CHUNK_COUNT(chunks) - 1]);
	rama_row_close(&row);
	return found;
}

/* The chunk of an element that is not in the tail of a regular vector */
static void
step_to(RamaTable *table, const Datum *prefix, int64 index, Snapshot snapshot,
		RamaChunkPlace *place)
{
	RamaScan   *rows;
	TupleTableSlot *row;

	if (rama_buffer_active(table->chunks) && peek(table, prefix, index, place))
		return;
	rows = scan_chunks(table, prefix, rama_chunk_number(index), true, snapshot);
	row = rama_scan_next(rows);
	if (row == NULL)
		no_chunk(table, index);
	place->number = chunk_number(table->chunks, row);
	place->start = place->number >> RAMA_CHUNK_BITS;
	rama_scan_end(rows);
}

/*
 * rama_chunk_locate() -- In which chunk is the element with this index, which is
 * not negative? False if there is none.
 *
 * "prefix" are the keys of the vector. *tail as in rama_row_fetch(); afterwards it
 * has the tail if there is one: place->has_tail.
 */
bool
rama_chunk_locate(RamaTable *table, const Datum *prefix, int64 index, Snapshot snapshot,
				  TupleTableSlot **tail, RamaChunkPlace *place)
{
	RamaTable  *chunks = table->chunks;
	int64		first;

	place->has_tail = fetch_tail(table, prefix, snapshot, tail);
	if (!place->has_tail)
		return false;
	if (chunk_first(chunks, *tail, &first))
	{
		if (index >= first)
		{
			place->number = RAMA_CHUNK_TAIL;
			place->start = first;
			return index < first + chunk_count(chunks, *tail);
		}
		step_to(table, prefix, index, snapshot, place);
	}
	else
	{
		int64		count = count_elements(table, prefix, snapshot);

		if (index >= count)
			return false;
		walk_to(table, prefix, index, count, snapshot, place);
	}
	return true;
}

/* A scan of chunks that has come to that of an element */
typedef struct ChunkCursor
{
	RamaScan   *rows;
	bool		backward;		/* its direction */
	bool		bounded;		/* the other direction is of no use */
	TupleTableSlot *row;		/* the chunk; NULL: there is none, and no scan */
	int64		start;			/* index of its first element */
	int			count;
} ChunkCursor;

/* Scan from a chunk on, or from the end. */
static void
begin_cursor(ChunkCursor *cursor, RamaTable *table, const Datum *prefix, int64 number,
			 bool backward, Snapshot snapshot)
{
	if (number == RAMA_CHUNK_TAIL)
		cursor->rows = rama_scan_begin(table->chunks, prefix, table->nkeys - 1, NULL, NULL,
									   backward, snapshot);
	else
		cursor->rows = scan_chunks(table, prefix, number, backward, snapshot);
	cursor->backward = backward;
	cursor->bounded = number != RAMA_CHUNK_TAIL;
}

static bool
move_cursor(ChunkCursor *cursor, RamaTable *table)
{
	cursor->row = rama_scan_next(cursor->rows);
	if (cursor->row == NULL)
	{
		rama_scan_end(cursor->rows);
		cursor->rows = NULL;
		return false;
	}
	cursor->count = chunk_count(table->chunks, cursor->row);
	return true;
}

static void
drop_cursor(ChunkCursor *cursor)
{
	rama_scan_end(cursor->rows);
	cursor->rows = NULL;
	cursor->row = NULL;
}

/* From the tail of a regular vector to a sealed chunk: by steps, if it is near */
static void
cursor_to_sealed(ChunkCursor *cursor, RamaTable *table, const Datum *prefix, int64 index,
				 Snapshot snapshot)
{
	bool		jumped = false;

	for (;;)
	{
		if (!move_cursor(cursor, table))
			no_chunk(table, index);
		cursor->start = chunk_number(table->chunks, cursor->row) >> RAMA_CHUNK_BITS;
		if (cursor->start <= index)
			break;
		if (jumped || cursor->count <= 0)
			no_chunk(table, index);
		if ((cursor->start - index) / cursor->count < NEAR_CHUNKS)
			continue;
		drop_cursor(cursor);
		begin_cursor(cursor, table, prefix, rama_chunk_number(index), true, snapshot);
		jumped = true;
	}
	if (index >= cursor->start + cursor->count)
		no_chunk(table, index);
}

/* Along a shifted vector from the nearer end */
static void
cursor_along(ChunkCursor *cursor, RamaTable *table, const Datum *prefix, int64 index,
			 int64 count, Snapshot snapshot)
{
	if (index < count / 2)
	{
		drop_cursor(cursor);
		begin_cursor(cursor, table, prefix, RAMA_CHUNK_TAIL, false, snapshot);
		cursor->start = cursor->count = 0;
		do
		{
			cursor->start += cursor->count;
			if (!move_cursor(cursor, table))
				no_chunk(table, index);
		} while (index >= cursor->start + cursor->count);
		return;
	}
	cursor->start = count - cursor->count;
	while (index < cursor->start)
	{
		if (!move_cursor(cursor, table))
			no_chunk(table, index);
		cursor->start -= cursor->count;
	}
}

/*
 * Open a scan at the chunk of an element; of one behind the end, at the tail. No
 * scan if there is no such element, or, of one behind the end, no tail either.
 */
static bool
open_cursor(ChunkCursor *cursor, RamaTable *table, const Datum *prefix, int64 index,
			Snapshot snapshot)
{
	int64		first;
	int64		count;

	begin_cursor(cursor, table, prefix, RAMA_CHUNK_TAIL, true, snapshot);
	if (!move_cursor(cursor, table))
		return false;
	if (chunk_first(table->chunks, cursor->row, &first))
	{
		cursor->start = first;
		if (index < first)
			cursor_to_sealed(cursor, table, prefix, index, snapshot);
		return true;
	}
	count = count_elements(table, prefix, snapshot);
	cursor->start = count - cursor->count;
	if (index < count)
		cursor_along(cursor, table, prefix, index, count, snapshot);
	return true;
}

/* The array of a chunk, whose row must stay; *copy: what was made of it, or NULL. */
static ArrayType *
chunk_array(RamaTable *chunks, TupleTableSlot *row, ArrayType **copy)
{
	bool		isnull;
	Datum		datum = slot_getattr(row, RAMA_CHUNK_ELEMENTS(chunks), &isnull);
	ArrayType  *array = isnull ? NULL : DatumGetArrayTypeP(datum);

	*copy = (Pointer) array == DatumGetPointer(datum) ? NULL : array;
	return array;
}

/* The keys of the elements of a chunk, into a slot for their rows */
static void
set_keys(RamaTable *table, TupleTableSlot *row, TupleTableSlot *slot)
{
	ExecClearTuple(slot);
	for (int i = 0; i < table->nkeys - 1; i++)
		slot->tts_values[i] = slot_getattr(row, i + 1, &slot->tts_isnull[i]);
}

/* The row of an element of that chunk */
static void
set_element(RamaTable *table, int64 index, Datum value, bool isnull, TupleTableSlot *slot)
{
	int			last = table->nkeys - 1;

	ExecClearTuple(slot);
	slot->tts_values[last] = Int64GetDatum(index);
	slot->tts_isnull[last] = false;
	slot->tts_values[last + 1] = value;
	slot->tts_isnull[last + 1] = isnull;
	ExecStoreVirtualTuple(slot);
}

/* An element of a chunk, into a slot that needs nothing else afterwards */
static void
fetch_element(RamaTable *table, TupleTableSlot *row, int64 start, int64 index,
			  TupleTableSlot *slot)
{
	ArrayType  *copy;
	ArrayType  *array = chunk_array(table->chunks, row, &copy);
	bool		isnull;
	Datum		value;

	if (array == NULL || index - start >= rama_array_count(array))
		no_chunk(table, index);
	value = rama_array_get(&table->columns[table->nkeys].type, array, index - start, &isnull);
	set_keys(table, row, slot);
	set_element(table, index, value, isnull, slot);
	ExecMaterializeSlot(slot);
	if (copy)
		pfree(copy);
}

/* An element that is in the write buffer, or would be */
static bool
fetch_buffered(RamaTable *table, const Datum *keys, int64 index, Snapshot snapshot,
			   TupleTableSlot *slot)
{
	TupleTableSlot *row = NULL;
	RamaChunkPlace place;
	bool		found = rama_chunk_locate(table, keys, index, snapshot, &row, &place);

	if (found && place.number != RAMA_CHUNK_TAIL)
	{
		Datum		chunk_keys[RAMA_MAX_KEYS];

		set_chunk_keys(table, keys, place.number, chunk_keys);
		if (!rama_row_fetch(table->chunks, chunk_keys, snapshot, &row))
			no_chunk(table, index);
	}
	if (found)
		fetch_element(table, row, place.start, index, slot);
	if (row)
		ExecDropSingleTupleTableSlot(row);
	return found;
}

/*
 * rama_chunk_fetch() -- rama_row_fetch() for an element of a vector in chunks.
 */
bool
rama_chunk_fetch(RamaTable *table, const Datum *keys, Snapshot snapshot,
				 TupleTableSlot **slot)
{
	int64		index = DatumGetInt64(keys[table->nkeys - 1]);
	ChunkCursor cursor;
	bool		found;

	if (*slot == NULL)
		*slot = rama_table_slot(table);
	if (index < 0)
		return false;
	if (rama_buffer_active(table->chunks))
		return fetch_buffered(table, keys, index, snapshot, *slot);
	if (!open_cursor(&cursor, table, keys, index, snapshot))
		return false;
	found = index < cursor.start + cursor.count;
	if (found)
		fetch_element(table, cursor.row, cursor.start, index, *slot);
	rama_scan_end(cursor.rows);
	return found;
}

/* Bounds on the index as from <= index < to */
static void
set_bounds(RamaChunkScan *scan, const RamaBound *low, const RamaBound *high)
{
	scan->from = 0;
	scan->to = NO_INDEX;
	if (low && low->isset)
	{
		int64		value = DatumGetInt64(low->value);

		scan->from = low->inclusive || value == NO_INDEX ? value : value + 1;
		scan->from = Max(scan->from, 0);
	}
	if (high && high->isset)
	{
		int64		value = DatumGetInt64(high->value);

		scan->to = high->inclusive && value != NO_INDEX ? value + 1 : value;
	}
}

/*
 * The scan begins with the chunk of an element; if that is behind the end, with
 * the tail.
 */
static void
begin_at(RamaChunkScan *scan, const Datum *prefix, int64 index, Snapshot snapshot)
{
	ChunkCursor cursor;

	if (!open_cursor(&cursor, scan->table, prefix, index, snapshot))
		return;
	if (cursor.backward != scan->backward && cursor.bounded)
	{
		int64		number = chunk_number(scan->table->chunks, cursor.row);

		drop_cursor(&cursor);
		begin_cursor(&cursor, scan->table, prefix, number, scan->backward, snapshot);
		if (!move_cursor(&cursor, scan->table))
			no_chunk(scan->table, index);
	}
	else if (cursor.backward != scan->backward)
		rama_scan_turn(cursor.rows);
	scan->rows = cursor.rows;
	scan->row = cursor.row;
	scan->start = cursor.start;
	scan->count = cursor.count;
	scan->primed = true;
}

/*
 * rama_chunk_scan_begin() -- rama_scan_begin() for the elements of a vector in
 * chunks, all of whose keys are given.
 */
RamaChunkScan *
rama_chunk_scan_begin(RamaTable *table, const Datum *prefix,
					  const RamaBound *low, const RamaBound *high,
					  bool backward, Snapshot snapshot)
{
	RamaChunkScan *scan = palloc0_object(RamaChunkScan);

	scan->table = table;
	scan->backward = backward;
	scan->context = CurrentMemoryContext;
	scan->slot = rama_table_slot(table);
	set_bounds(scan, low, high);
	if (scan->from >= scan->to)
		return scan;
	if (backward)
		begin_at(scan, prefix, scan->to - 1, snapshot);
	else if (scan->from > 0)
		begin_at(scan, prefix, scan->from, snapshot);
	else
		scan->rows = rama_scan_begin(table->chunks, prefix, table->nkeys - 1, NULL, NULL,
									 false, snapshot);
	return scan;
}

/* Go to the next chunk; false if there is none. */
static bool
next_row(RamaChunkScan *scan)
{
	int			before = scan->count;
	bool		first = scan->row == NULL;

	if (scan->primed)
	{
		scan->primed = false;
		return true;
	}
	scan->row = rama_scan_next(scan->rows);
	if (scan->row == NULL)
		return false;
	scan->count = chunk_count(scan->table->chunks, scan->row);
	if (!first)
		scan->start += scan->backward ? -scan->count : before;
	return true;
}

/* Take the elements of the chunk that are to be returned. */
static void
load_elements(RamaChunkScan *scan)
{
	int64		end = scan->start + scan->count;
	int			from = (int) (Min(Max(scan->from, scan->start), end) - scan->start);
	int			to = (int) (Max(Min(scan->to, end), scan->start) - scan->start);
	ArrayType  *array;

	scan->left = to - from;
	if (scan->left <= 0)
		return;
	scan->at = scan->backward ? to - 1 : from;
	set_keys(scan->table, scan->row, scan->slot);
	array = chunk_array(scan->table->chunks, scan->row, &scan->copy);
	if (array == NULL || rama_array_count(array) != scan->count)
		no_chunk(scan->table, scan->start);
	if (scan->count > scan->size)
	{
		scan->size = Max(scan->count, 2 * scan->size);
		if (scan->values)
		{
			pfree(scan->values);
			pfree(scan->nulls);
		}
		scan->values = palloc_array(Datum, scan->size);
		scan->nulls = palloc_array(bool, scan->size);
	}
	rama_array_values(&scan->table->columns[scan->table->nkeys].type, array,
					  scan->values, scan->nulls);
}

static bool
next_chunk(RamaChunkScan *scan)
{
	if (scan->copy)
		pfree(scan->copy);
	scan->copy = NULL;
	if (!next_row(scan) ||
		(scan->backward ? scan->start + scan->count <= scan->from : scan->start >= scan->to))
	{
		rama_scan_end(scan->rows);
		scan->rows = NULL;
		return false;
	}
	load_elements(scan);
	return true;
}

/*
 * rama_chunk_scan_next() -- rama_scan_next() for them.
 */
TupleTableSlot *
rama_chunk_scan_next(RamaChunkScan *scan)
{
	MemoryContext old;

	ExecClearTuple(scan->slot);
	old = MemoryContextSwitchTo(scan->context);
	while (scan->rows && scan->left <= 0)
		next_chunk(scan);
	MemoryContextSwitchTo(old);
	if (scan->rows == NULL)
		return NULL;
	set_element(scan->table, scan->start + scan->at, scan->values[scan->at],
				scan->nulls[scan->at], scan->slot);
	scan->at += scan->backward ? -1 : 1;
	scan->left--;
	return scan->slot;
}

/*
 * rama_chunk_scan_end() -- rama_scan_end() for them.
 */
void
rama_chunk_scan_end(RamaChunkScan *scan)
{
	ExecDropSingleTupleTableSlot(scan->slot);
	if (scan->rows)
		rama_scan_end(scan->rows);
	if (scan->copy)
		pfree(scan->copy);
	if (scan->values)
	{
		pfree(scan->values);
		pfree(scan->nulls);
	}
	pfree(scan);
}
