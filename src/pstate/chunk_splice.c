/*-------------------------------------------------------------------------
 *
 * chunk_splice.c
 *	  Changing a vector that is stored in chunks anywhere but at its end: other
 *	  elements take the place of some.
 *
 * The chunks that have these are written anew, all others stay as they are. So
 * numbers of those behind may not say any more where they begin: the vector is
 * shifted then.
 *
 * See "Chunked vectors" in src/pstate/README.md.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/detoast.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "pstate/chunk.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "watch/capture.h"

/* So many elements are inserted at once. */
#define PORTION 4096

/* A chunk in the order of the vector, as it was */
typedef struct Old
{
	int64		number;
	int64		start;			/* the index of its first element */
	int			count;
	Size		bytes;			/* of its array */
} Old;

/* What is done to a vector. */
typedef struct Splice
{
	RamaTable  *table;
	const Datum *prefix;
	int64		from;			/* the first one that goes; others are inserted there */
	int64		removed;
	ArrayType  *middle;			/* those that come; NULL: none */
	int			count;
	bool		shifted;		/* the vector was */
	int			nold;			/* chunks to be written anew */
	Old		   *old;
	int			nnext;			/* those behind, two at most */
	Old			next[2];
	int			npieces;		/* what is written, */
	ArrayType **pieces;			/* of which the last one is the tail, if that is old */
	int64	   *numbers;		/* of the sealed ones */
} Splice;

static void renumber(RamaTable *table, const Datum *prefix);

static bool
is_tail(const Old *chunk)
{
	return chunk->number == RAMA_CHUNK_TAIL;
}

static bool
has_tail(const Splice *splice)
{
	return is_tail(&splice->old[splice->nold - 1]);
}

/* Does a sealed chunk follow? */
static bool
has_next(const Splice *splice)
{
	return splice->nnext > 0 && !is_tail(&splice->next[0]);
}

static void
read_chunk(RamaTable *chunks, TupleTableSlot *slot, int64 start, Old *chunk)
{
	slot_getallattrs(slot);
	chunk->number = DatumGetInt64(slot->tts_values[chunks->nkeys - 1]);
	chunk->count = DatumGetInt32(slot->tts_values[RAMA_CHUNK_COUNT(chunks) - 1]);
	chunk->bytes = toast_raw_datum_size(slot->tts_values[RAMA_CHUNK_ELEMENTS(chunks) - 1]);
	chunk->start = start;
}

static RamaScan *
scan_from(const Splice *splice, int64 number)
{
	RamaBound	low = {true, true, Int64GetDatum(number)};

	return rama_scan_begin(splice->table->chunks, splice->prefix, splice->table->nkeys - 1,
						   &low, NULL, false, rama_write_snapshot());
}

/* The chunks that have the elements, and which are behind them */
static void
find_old(Splice *splice)
{
	RamaChunkPlace place;
	TupleTableSlot *slot;
	RamaScan   *scan;
	int64		start;
	int			space = 8;

	if (!rama_element_locate(splice->table, splice->prefix, splice->from, false, &place))
		elog(ERROR, "element " INT64_FORMAT " of a vector in \"%s\" is missing",
			 splice->from, splice->table->name);
	splice->old = palloc_array(Old, space);
	splice->nold = splice->nnext = 0;
	start = place.start;
	scan = scan_from(splice, place.number);
	while (splice->nnext < 2 && (slot = rama_scan_next(scan)) != NULL)
	{
		Old			chunk;

		read_chunk(splice->table->chunks, slot, start, &chunk);
		if (splice->nold > 0 && start >= splice->from + splice->removed)
			splice->next[splice->nnext++] = chunk;
		else
		{
			if (splice->nold == space)
				splice->old = repalloc_huge(splice->old, sizeof(Old) * (space *= 2));
			splice->old[splice->nold++] = chunk;
		}
		start += chunk.count;
	}
	rama_scan_end(scan);
}

/* A copy of elements of a chunk, of those from one index to another */
static ArrayType *
copy_elements(const Splice *splice, const Old *old, int64 from, int64 to)
{
	RamaChunk	chunk;
	ArrayType  *copy;

	rama_chunk_open(&chunk, splice->table, splice->prefix, old->number, false);
	copy = rama_array_slice(rama_chunk_element(splice->table), rama_chunk_elements(&chunk),
							(int) (from - old->start), (int) (to - from));
	rama_chunk_close(&chunk);
	return copy;
}

static RamaRun
whole(const ArrayType *array)
{
	return (RamaRun) {array, 0, array ? rama_array_count(array) : 0};
}

/* What the old chunks have afterwards, a small one behind them included */
static ArrayType *
new_elements(Splice *splice)
{
	const RamaType *type = rama_chunk_element(splice->table);
	const Old  *first = &splice->old[0];
	const Old  *last = &splice->old[splice->nold - 1];
	int64		behind = splice->from + splice->removed;
	RamaRun		runs[] = {
		whole(copy_elements(splice, first, first->start, splice->from)),
		whole(splice->middle),
		whole(copy_elements(splice, last, behind, last->start + last->count))
	};
	ArrayType  *all = rama_array_join(type, runs, 3);

	if (splice->removed > splice->count && has_next(splice) &&
		ARR_SIZE(all) + splice->next[0].bytes <= RAMA_CHUNK_BYTES)
	{
		const Old  *next = &splice->next[0];
		RamaRun		both[] = {
			whole(all),
			whole(copy_elements(splice, next, next->start, next->start + next->count))
		};

		all = rama_array_join(type, both, 2);
		splice->old = repalloc_huge(splice->old, sizeof(Old) * (splice->nold + 1));
		splice->old[splice->nold++] = *next;
		splice->next[0] = splice->next[1];
		splice->nnext--;
	}
	return all;
}

/* In pieces of about the same size; none if there are no elements. */
static void
cut(Splice *splice, ArrayType *all)
{
	Size		size = ARR_SIZE(all);
	int			n = (int) (size / RAMA_CHUNK_BYTES) + 1;

	if (rama_array_count(all) == 0 && !has_tail(splice))
	{
		splice->npieces = 0;
		splice->pieces = NULL;
		return;
	}
	splice->pieces = rama_array_cut(rama_chunk_element(splice->table), all,
									size <= RAMA_CHUNK_SPLIT ? size :
									Min(size / n + size / n / 8 + 64, RAMA_CHUNK_BYTES),
									&splice->npieces);
}

/* Will numbers of chunks say where they begin? */
static bool
is_regular(const Splice *splice)
{
	return !splice->shifted &&
		(has_tail(splice) || !has_next(splice) || splice->count == splice->removed);
}

/*
 * Number the sealed pieces. False if there is no room between those before and
 * behind them.
 */
static bool
number_pieces(Splice *splice, int npieces)
{
	const int64 space = rama_chunk_number(1);
	int64		start = splice->old[0].start;
	int64		number = splice->old[0].number;
	int64		step = space;
	bool		regular = is_regular(splice);

	splice->numbers = palloc_array(int64, Max(npieces, 1));
	if (npieces == 0)
		return true;
	if (!regular && number == RAMA_CHUNK_TAIL)
	{
		if (rama_chunk_last_sealed(splice->table, splice->prefix, &number))
			number += space;
		else
			number = 0;
	}
	else if (!regular && !has_tail(splice) && has_next(splice))
	{
		if (start == 0)
			number -= (npieces - 1) * space;
		else
			step = (splice->next[0].number - number) / npieces;
		if (step == 0)
			return false;
	}
	for (int i = 0; i < npieces; i++)
	{
		splice->numbers[i] = regular ? rama_chunk_number(start) : number + i * step;
		start += rama_array_count(splice->pieces[i]);
	}
	return true;
}

static const Old *
find_number(const Splice *splice, int64 number)
{
	int			low = 0;
	int			high = splice->nold - 1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;

		if (splice->old[middle].number == number)
			return &splice->old[middle];
		if (splice->old[middle].number < number)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return NULL;
}

static void
set_sealed(const Splice *splice, int64 number, ArrayType *elements)
{
	RamaChunk	chunk;

	if (find_number(splice, number) == NULL)
	{
		rama_chunk_insert(splice->table, splice->prefix, number, elements);
		return;
	}
	rama_chunk_open(&chunk, splice->table, splice->prefix, number, false);
	rama_chunk_set(&chunk, elements, false, false, 0);
	rama_chunk_close(&chunk);
}

static bool
is_used(const Splice *splice, int npieces, int64 number)
{
	for (int i = 0; i < npieces; i++)
		if (splice->numbers[i] == number)
			return true;
	return false;
}

/* The tail's elements do not change, but perhaps where they begin. */
static void
move_tail(const Splice *splice)
{
	RamaTable  *chunks = splice->table->chunks;
	AttrNumber	attno = RAMA_CHUNK_FIRST(chunks);
	bool		isnull = !is_regular(splice);
	RamaChunk	tail;
	Datum		first;

	if (splice->shifted || splice->count == splice->removed)
		return;
	rama_chunk_open(&tail, splice->table, splice->prefix, RAMA_CHUNK_TAIL, true);
	first = Int64GetDatum(tail.first + splice->count - splice->removed);
	rama_row_set(&tail.row, 1, &attno, &first, &isnull);
	rama_chunk_close(&tail);
}

/* Write the pieces in the place of the old chunks. */
static void
write_pieces(const Splice *splice, int nsealed)
{
	int64		start = splice->old[0].start;
	int64		taken = 0;

	for (int i = 0; i < splice->nold; i++)
	{
		const Old  *old = &splice->old[i];

		CHECK_FOR_INTERRUPTS();
		/* Pieces are few, or old chunks are. */
		if (!is_tail(old) && (taken >= nsealed || !is_used(splice, nsealed, old->number)))
			rama_chunk_delete(splice->table, splice->prefix, old->number);
		else
			taken++;
	}
	for (int i = 0; i < nsealed; i++)
	{
		CHECK_FOR_INTERRUPTS();
		set_sealed(splice, splice->numbers[i], splice->pieces[i]);
		start += rama_array_count(splice->pieces[i]);
	}
	if (has_tail(splice))
	{
		RamaChunk	tail;

		rama_chunk_open(&tail, splice->table, splice->prefix, RAMA_CHUNK_TAIL, false);
		rama_chunk_set(&tail, splice->pieces[nsealed], true, !is_regular(splice), start);
		rama_chunk_close(&tail);
	}
	else
		move_tail(splice);
}

/* Is the vector shifted? */
static bool
is_shifted(RamaTable *table, const Datum *prefix)
{
	RamaChunk	tail;

	rama_chunk_open(&tail, table, prefix, RAMA_CHUNK_TAIL, true);
	rama_chunk_close(&tail);
	return tail.shifted;
}

/* Elements that are there, and not all of them, go; others come in their place. */
static void
do_splice(Splice *splice)
{
	int			nsealed;

	for (;;)
	{
		splice->shifted = is_shifted(splice->table, splice->prefix);
		find_old(splice);
		cut(splice, new_elements(splice));
		nsealed = splice->npieces - (has_tail(splice) ? 1 : 0);
		if (number_pieces(splice, nsealed))
			break;
		renumber(splice->table, splice->prefix);
	}
	write_pieces(splice, nsealed);
}

/* The same; the caller counts afterwards. */
static void
splice_some(RamaTable *table, const Datum *prefix, int64 from, int64 removed,
			const Datum *values, const bool *nulls, int count)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pg_rama splice",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Splice		splice = {
		.table = table,
		.prefix = prefix,
		.from = from,
		.removed = removed,
		.count = count
	};

	if (count > 0)
		splice.middle = rama_array_make(rama_chunk_element(table), values, nulls, count);
	do_splice(&splice);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* All elements go, and no chunk stays. */
static void
remove_all(RamaTable *table, const Datum *prefix)
{
	rama_range_remove(table->chunks, prefix, table->nkeys - 1);
	CommandCounterIncrement();
}

/*
 * rama_chunk_replace() -- An element of an open chunk gets another value. The chunk
 * is to be closed next.
 */
void
rama_chunk_replace(RamaTable *table, const Datum *prefix, RamaChunk *chunk, int64 number,
				   int64 start, int64 index, Datum value, bool isnull)
{
	const RamaType *type = rama_chunk_element(table);
	ArrayType  *middle = rama_array_make(type, &value, &isnull, 1);
	ArrayType  *elements = rama_array_splice(type, rama_chunk_elements(chunk),
											 (int) (index - start), 1, middle);

	if (ARR_SIZE(elements) <= RAMA_CHUNK_SPLIT || chunk->count == 1)
		rama_chunk_set(chunk, elements, number == RAMA_CHUNK_TAIL, chunk->shifted, chunk->first);
	else
		splice_some(table, prefix, index, 1, &value, &isnull, 1);
	pfree(elements);
	pfree(middle);
}

/* What changes a splice, or a removal, makes to elements */
static void
note(RamaTable *table, const Datum *prefix, int64 total, int64 from, int64 to, int64 more)
{
	Datum		keys[RAMA_MAX_KEYS];

	if (!rama_changes_tracked(table->relid))
		return;
	rama_chunks_note(table, prefix, table->nkeys - 1, from, to, false);
	for (int64 i = 0; i < more; i++)
	{
		rama_chunk_keys(table, prefix, total + i, keys);
		rama_changes_note(table, keys, NULL, NULL);
	}
}

/* The same for who watches */
static void
capture(RamaTable *table, const Datum *prefix, int64 total, int64 from, int64 removed,
		const Datum *values, const bool *nulls, int64 count)
{
	Datum		keys[RAMA_MAX_KEYS];

	/* The last one first: so each index is the one that it had. */
	for (int64 i = from + removed - 1; i >= from; i--)
	{
		rama_chunk_keys(table, prefix, i, keys);
		rama_capture_remove(table, keys);
	}
	if (from + removed == total)
	{
		rama_capture_append(table, prefix, count, values, nulls);
		return;
	}
	for (int64 i = 0; i < count; i++)
	{
		rama_chunk_keys(table, prefix, from + i, keys);
		rama_capture_insert(table, keys, values[i], nulls[i]);
	}
}

/* How many elements are there now? */
static int64
count_elements(RamaTable *table, const Datum *prefix)
{
	Snapshot	snapshot = RegisterSnapshot(rama_write_snapshot());
	bool		isnull;
	int64		count = rama_collection_count(table->node, prefix, snapshot, &isnull);

	UnregisterSnapshot(snapshot);
	return isnull ? 0 : count;
}

/* Some go, others come; the count is right afterwards. */
static void
splice_and_count(RamaTable *table, const Datum *prefix, int64 total, int64 from, int64 removed,
				 const Datum *values, const bool *nulls, int count)
{
	if (removed > 0 && removed == total)
	{
		remove_all(table, prefix);
		(void) rama_count_entry(table, prefix, -removed);
		total = removed = 0;
	}
	if (from < total || removed > 0)
		splice_some(table, prefix, from, removed, values, nulls, count);
	else if (count > 0)
		rama_chunks_append_counted(table, prefix, total, values, nulls, count);
	if (count != removed)
		(void) rama_count_entry(table, prefix, count - removed);
}

/*
 * rama_vector_splice() -- In a vector in chunks, other elements take the place of
 * "removed" ones that are there, from an index on that is at most the count.
 *
 * Enclosing rows are made where they are missing. Errors: 40001, and those of
 * constraints.
 */
void
rama_vector_splice(RamaTable *table, const Datum *prefix, int64 from, int64 removed,
				   const Datum *values, const bool *nulls, int64 count)
{
	int64		total;
	int64		done = 0;

	if (removed == 0 && count == 0)
		return;
	rama_chunks_check(table, nulls, count);
	total = count_elements(table, prefix);
	if (from + removed > total)
		rama_serialization_failure();
	rama_version_change(table->pstate, 0);
	note(table, prefix, total, from, count == removed ? from + removed : total,
		 count - removed);
	capture(table, prefix, total, from, removed, values, nulls, count);
	do
	{
		int			n = (int) Min(PORTION, count - done);

		CHECK_FOR_INTERRUPTS();
		splice_and_count(table, prefix, total, from + done, removed, values + done,
						 nulls + done, n);
		total += n - removed;
		removed = 0;
		done += n;
	} while (done < count);
}

/* Removal of single elements */

/* What one chunk has left; NULL: what it had */
static ArrayType *
without(RamaTable *table, RamaChunk *chunk, int64 start, const int64 *indexes, int64 n)
{
	RamaRun    *runs = palloc_array(RamaRun, n + 1);
	ArrayType  *all = rama_chunk_elements(chunk);
	int			from = 0;

	for (int64 i = 0; i <= n; i++)
	{
		int			to = i < n ? (int) (indexes[i] - start) : chunk->count;

		runs[i] = (RamaRun) {all, from, to - from};
		from = to + 1;
	}
	all = rama_array_join(rama_chunk_element(table), runs, (int) n + 1);
	pfree(runs);
	return all;
}

/* Some elements of a chunk go, not all of them, or those of the tail. */
static void
remove_some(RamaTable *table, const Datum *prefix, const Old *old, const int64 *indexes,
			int64 n)
{
	RamaChunk	chunk;
	ArrayType  *left;

	rama_chunk_open(&chunk, table, prefix, old->number, false);
	left = without(table, &chunk, old->start, indexes, n);
	rama_chunk_set(&chunk, left, is_tail(old), chunk.shifted, chunk.first);
	pfree(left);
	rama_chunk_close(&chunk);
}

/* The tail begins elsewhere; is that still known? */
static void
set_first(RamaTable *table, const Datum *prefix, bool shifted, int64 removed)
{
	AttrNumber	attno = RAMA_CHUNK_FIRST(table->chunks);
	RamaChunk	tail;
	Datum		first;

	rama_chunk_open(&tail, table, prefix, RAMA_CHUNK_TAIL, true);
	first = Int64GetDatum(tail.first - removed);
	if (!tail.shifted)
		rama_row_set(&tail.row, 1, &attno, &first, &shifted);
	rama_chunk_close(&tail);
}

/* Remove elements, not all, chunk by chunk. */
static void
remove_scattered(RamaTable *table, const Datum *prefix, const int64 *indexes, int64 count)
{
	Splice		splice = {.table = table, .prefix = prefix};
	RamaChunkPlace place;
	TupleTableSlot *slot;
	RamaScan   *scan;
	int64		start;
	int64		done = 0;
	int64		sealed = 0;		/* of them, so many were in sealed chunks */
	bool		shifted = false;

	(void) rama_element_locate(table, prefix, indexes[0], false, &place);
	start = place.start;
	scan = scan_from(&splice, place.number);
	while ((slot = rama_scan_next(scan)) != NULL)
	{
		int64		n = 0;
		Old			old;

		CHECK_FOR_INTERRUPTS();
		read_chunk(table->chunks, slot, start, &old);
		start += old.count;
		while (done + n < count && indexes[done + n] < start)
			n++;
		/* Chunks that begin elsewhere without having been emptied */
		if (!is_tail(&old) && done > 0 && n < old.count)
			shifted = true;
		if (n == 0 && done == count)
			break;
		if (n == old.count && !is_tail(&old))
			rama_chunk_delete(table, prefix, old.number);
		else if (n > 0)
			remove_some(table, prefix, &old, indexes + done, n);
		if (!is_tail(&old))
			sealed += n;
		done += n;
	}
	rama_scan_end(scan);
	if (sealed > 0)
		set_first(table, prefix, shifted, sealed);
}

static bool
is_run(const int64 *indexes, int64 count)
{
	return indexes[count - 1] - indexes[0] == count - 1;
}

/*
 * rama_chunks_remove() -- Remove elements of a vector in chunks, whose indexes are
 * ascending and there. Errors: 40001.
 */
void
rama_chunks_remove(RamaTable *table, const Datum *prefix, const int64 *indexes, int64 count)
{
	int64		total;

	if (count == 0)
		return;
	if (is_run(indexes, count))
	{
		rama_vector_splice(table, prefix, indexes[0], count, NULL, NULL, 0);
		return;
	}
	total = count_elements(table, prefix);
	if (indexes[count - 1] >= total)
		rama_serialization_failure();
	note(table, prefix, total, indexes[0], total, 0);
	for (int64 i = count - 1; i >= 0; i--)
	{
		Datum		keys[RAMA_MAX_KEYS];

		rama_chunk_keys(table, prefix, indexes[i], keys);
		rama_capture_remove(table, keys);
	}
	remove_scattered(table, prefix, indexes, count);
	(void) rama_count_entry(table, prefix, -count);
}

/* Numbers */

/* Give a chunk another number. */
static void
move_chunk(RamaWriter *writer, TupleTableSlot *slot, int64 number)
{
	RamaTable  *chunks = writer->table;
	ItemPointerData tid = slot->tts_tid;
	Datum	   *values = palloc_array(Datum, chunks->ncolumns);

	rama_conflict_check(chunks, writer->heap, slot, false);
	slot_getallattrs(slot);
	memcpy(values, slot->tts_values, sizeof(Datum) * chunks->ncolumns);
	rama_buffer_forget(chunks, values);
	values[chunks->nkeys - 1] = Int64GetDatum(number);
	rama_buffer_forget(chunks, values);
	rama_writer_update(writer, &tid, values, slot->tts_isnull, false);
	pfree(values);
}

/*
 * Move the sealed chunks whose new number is below theirs, or those above: in such
 * an order that no number is there twice. Returns how many elements there are.
 */
static int64
move_chunks(RamaTable *table, const Datum *prefix, bool down, int64 all)
{
	RamaBound	high = {true, false, Int64GetDatum(RAMA_CHUNK_TAIL)};
	RamaScan   *scan = rama_scan_begin(table->chunks, prefix, table->nkeys - 1, NULL, &high,
									   !down, rama_write_snapshot());
	int64		start = down ? 0 : all;
	TupleTableSlot *slot;
	RamaWriter	writer;

	rama_writer_open(&writer, table->chunks);
	while ((slot = rama_scan_next(scan)) != NULL)
	{
		int64		number;
		Old			old;

		read_chunk(table->chunks, slot, 0, &old);
		if (!down)
			start -= old.count;
		number = rama_chunk_number(start);
		if (down ? number < old.number : number > old.number)
			move_chunk(&writer, slot, number);
		if (down)
			start += old.count;
	}
	rama_writer_close(&writer);
	rama_scan_end(scan);
	CommandCounterIncrement();
	return start;
}

/* Number all chunks anew, so that the vector becomes regular. */
static void
renumber(RamaTable *table, const Datum *prefix)
{
	AttrNumber	attno = RAMA_CHUNK_FIRST(table->chunks);
	int64		sealed = move_chunks(table, prefix, true, 0);
	Datum		first = Int64GetDatum(sealed);
	bool		isnull = false;
	RamaChunk	tail;

	(void) move_chunks(table, prefix, false, sealed);
	rama_chunk_open(&tail, table, prefix, RAMA_CHUNK_TAIL, true);
	rama_row_set(&tail.row, 1, &attno, &first, &isnull);
	rama_chunk_close(&tail);
}

/* What has changed */

static bool
same_vector(const RamaTable *chunks, const Datum *a, const Datum *b)
{
	for (int i = 0; i < chunks->nkeys - 1; i++)
		if (!datum_image_eq(a[i], b[i], chunks->keys[i].byval, chunks->keys[i].len))
			return false;
	return true;
}

static void
note_chunk(RamaTable *table, Datum *values, const Datum *row, int64 start, int64 from,
		   int64 to, bool absent)
{
	RamaTable  *chunks = table->chunks;
	int			count = DatumGetInt32(row[RAMA_CHUNK_COUNT(chunks) - 1]);
	Datum	   *elements = palloc_array(Datum, Max(count, 1));
	bool	   *nulls = palloc_array(bool, Max(count, 1));
	bool	   *isnull = palloc0_array(bool, table->ncolumns);
	ArrayType  *array = DatumGetArrayTypeP(row[RAMA_CHUNK_ELEMENTS(chunks) - 1]);

	rama_array_values(rama_chunk_element(table), array, elements, nulls);
	for (int i = 0; i < count; i++)
	{
		if (start + i < from || start + i >= to)
			continue;
		values[table->nkeys - 1] = Int64GetDatum(start + i);
		values[table->nkeys] = elements[i];
		isnull[table->nkeys] = nulls[i];
		rama_changes_note(table, values, absent ? NULL : values, isnull);
	}
	pfree(elements);
	pfree(nulls);
	pfree(isnull);
}

/*
 * rama_chunks_note() -- rama_changes_note() for the elements from one index to
 * before another of all vectors with these keys, of which some may be missing.
 * "absent": they were not there before.
 */
void
rama_chunks_note(RamaTable *table, const Datum *prefix, int nprefix, int64 from, int64 to,
				 bool absent)
{
	RamaTable  *chunks = table->chunks;
	Datum	   *values;
	RamaScan   *scan;
	TupleTableSlot *slot;
	int64		start = 0;

	if (!rama_changes_tracked(table->relid))
		return;
	values = palloc0_array(Datum, table->ncolumns);
	scan = rama_scan_begin(chunks, prefix, nprefix, NULL, NULL, false, rama_write_snapshot());
	while ((slot = rama_scan_next(scan)) != NULL)
	{
		Old			old;

		read_chunk(chunks, slot, 0, &old);
		if (start == 0 || !same_vector(chunks, values, slot->tts_values))
		{
			start = 0;
			for (int i = 0; i < chunks->nkeys - 1; i++)
				values[i] = datumCopy(slot->tts_values[i], chunks->keys[i].byval,
									  chunks->keys[i].len);
		}
		note_chunk(table, values, slot->tts_values, start, from, to, absent);
		start += old.count;
	}
	rama_scan_end(scan);
	pfree(values);
}
