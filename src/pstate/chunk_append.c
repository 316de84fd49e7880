/*-------------------------------------------------------------------------
 *
 * chunk_append.c
 *	  Appending elements to a vector that is stored in chunks.
 *
 * Only the tail is touched, at its key. When it is full, what it has is inserted
 * as a sealed chunk. So elements that come at once are written once.
 *
 * See "Chunked vectors" in src/pstate/README.md.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "pstate/chunk.h"
#include "watch/capture.h"

/* What a sealed chunk will be numbered, that begins with the tail's first element */
static int64
number_to_seal(RamaTable *table, const Datum *prefix, const RamaChunk *tail, int64 first)
{
	int64		number;

	if (!tail->shifted)
		return rama_chunk_number(first);
	if (!rama_chunk_last_sealed(table, prefix, &number))
		return 0;
	return number + rama_chunk_number(1);
}

/* More than the tail can take: all but the last piece are sealed. */
static void
append_pieces(RamaTable *table, const Datum *prefix, RamaChunk *tail, ArrayType *all)
{
	int64		first = tail->first;
	int64		number = 0;
	int			npieces;
	ArrayType **pieces = rama_array_cut(rama_chunk_element(table), all, RAMA_CHUNK_BYTES,
										&npieces);

	for (int i = 0; i < npieces - 1; i++)
	{
		if (i == 0)
			number = number_to_seal(table, prefix, tail, first);
		else
			number = tail->shifted ? number + rama_chunk_number(1) : rama_chunk_number(first);
		rama_chunk_insert(table, prefix, number, pieces[i]);
		first += rama_array_count(pieces[i]);
	}
	rama_chunk_set(tail, pieces[npieces - 1], true, tail->shifted, first);
	for (int i = 0; i < npieces; i++)
		if (pieces[i] != all)
			pfree(pieces[i]);
	pfree(pieces);
}

static void
append_array(RamaTable *table, const Datum *prefix, RamaChunk *tail, ArrayType *elements)
{
	const RamaType *type = rama_chunk_element(table);
	RamaRun		runs[] = {
		{tail->count > 0 ? rama_chunk_elements(tail) : NULL, 0, tail->count},
		{elements, 0, rama_array_count(elements)}
	};
	ArrayType  *all = tail->count > 0 ? rama_array_join(type, runs, 2) : elements;

	append_pieces(table, prefix, tail, all);
	if (all != elements)
		pfree(all);
}

/*
 * Elements that are appended to what the buffer has, where that is; false: they do
 * not go.
 */
static bool
append_in_memory(RamaTable *table, RamaChunk *tail, const ArrayType *elements)
{
	RamaTable  *chunks = table->chunks;
	AttrNumber	attno = RAMA_CHUNK_COUNT(chunks);
	bool		isnull = false;
	Datum		count = Int32GetDatum(tail->count + rama_array_count(elements));
	ArrayType  *array;
	Size		size;

	if (!tail->row.buffered || tail->count == 0 || rama_table_constrained(chunks))
		return false;
	array = (ArrayType *) DatumGetPointer(tail->row.values[RAMA_CHUNK_ELEMENTS(chunks) - 1]);
	if (!VARATT_IS_4B_U(array) || ARR_HASNULL(array) || ARR_HASNULL(elements))
		return false;
	size = rama_array_extended_size(rama_chunk_element(table), array, elements);
	if (size > RAMA_CHUNK_BYTES)
		return false;
	array = rama_buffer_enlarge(&tail->row, RAMA_CHUNK_ELEMENTS(chunks), size);
	rama_array_extend(rama_chunk_element(table), array, elements);
	rama_buffer_set(&tail->row, 1, &attno, &count, &isnull);
	return true;
}

/* Append elements that the count has already; first is what it was before. */
static void
append_counted(RamaTable *table, const Datum *prefix, int64 first, ArrayType *elements)
{
	RamaChunk	tail;

	if (first == 0)
		rama_chunk_open_new(&tail, table, prefix, RAMA_CHUNK_TAIL);
	else
		rama_chunk_open(&tail, table, prefix, RAMA_CHUNK_TAIL, true);
	if (!append_in_memory(table, &tail, elements))
		append_array(table, prefix, &tail, elements);
	rama_chunk_close(&tail);
}

/*
 * rama_chunks_append_counted() -- Append elements that the count has already; first
 * is what it was before.
 */
void
rama_chunks_append_counted(RamaTable *table, const Datum *prefix, int64 first,
						   const Datum *values, const bool *nulls, int count)
{
	ArrayType  *elements = rama_array_make(rama_chunk_element(table), values, nulls, count);

	append_counted(table, prefix, first, elements);
	pfree(elements);
}

static void
note_new(RamaTable *table, const Datum *prefix, int64 first, int count)
{
	Datum		keys[RAMA_MAX_KEYS];

	if (!rama_changes_tracked(table->relid))
		return;
	for (int i = 0; i < count; i++)
	{
		rama_chunk_keys(table, prefix, first + i, keys);
		rama_changes_note(table, keys, NULL, NULL);
	}
}

/*
 * rama_vector_append() -- Append elements to a vector in chunks, whose keys are the
 * prefix, and return the index of the first one.
 *
 * Enclosing rows are made where they are missing. Never a conflict with a
 * snapshot. Errors: those of constraints.
 */
int64
rama_vector_append(RamaTable *table, const Datum *prefix, const Datum *values,
				   const bool *nulls, int count)
{
	int64		first;

	rama_chunks_check(table, nulls, count);
	first = rama_count_entry(table, prefix, count);
	if (count == 0)
		return first;
	note_new(table, prefix, first, count);
	rama_capture_append(table, prefix, count, values, nulls);
	rama_chunks_append_counted(table, prefix, first, values, nulls, count);
	return first;
}

/* What is noted of elements that are appended, if anybody wants to know */
static void
note_array(RamaTable *table, const Datum *prefix, int64 first, const ArrayType *elements)
{
	int			count = rama_array_count(elements);
	Datum	   *values;
	bool	   *nulls;

	note_new(table, prefix, first, count);
	if (!rama_capture_wanted(table))
		return;
	values = palloc_array(Datum, count);
	nulls = palloc_array(bool, count);
	rama_array_values(rama_chunk_element(table), elements, values, nulls);
	rama_capture_append(table, prefix, count, values, nulls);
	pfree(values);
	pfree(nulls);
}

/*
 * rama_vector_append_array() -- rama_vector_append() for the elements of an array,
 * which has one dimension and is not toasted, as those of chunks.
 */
int64
rama_vector_append_array(RamaTable *table, const Datum *prefix, ArrayType *elements)
{
	int			count = rama_array_count(elements);
	int64		first;

	Assert(!ARR_HASNULL(elements) || !table->columns[table->nkeys].isdomain);
	first = rama_count_entry(table, prefix, count);
	if (count == 0)
		return first;
	note_array(table, prefix, first, elements);
	append_counted(table, prefix, first, elements);
	return first;
}
