/*-------------------------------------------------------------------------
 *
 * chunk_array.c
 *	  Arrays of elements: taken apart and put together by copying bytes.
 *
 * All arrays have one dimension, or none where they are empty, and the lower
 * bound 1. An element takes its size, rounded up to the alignment of its type;
 * so elements that follow each other can be copied at once. Elements are not
 * toasted, and varlenas have headers of four bytes, as in all arrays.
 *
 * Pure: no catalog, no errors but for what would be too large. Results are made
 * in the current memory context.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/tupmacs.h"
#include "pstate/chunk.h"
#include "utils/memutils.h"

/*
 * rama_array_count() -- How many elements has it?
 */
int
rama_array_count(const ArrayType *array)
{
	return ARR_NDIM(array) == 0 ? 0 : ARR_DIMS(array)[0];
}

static Size
header_size(int count, bool hasnulls)
{
	return hasnulls ? ARR_OVERHEAD_WITHNULLS(1, count) : ARR_OVERHEAD_NONULLS(1);
}

/* What an element that is not null takes, given where it is, or is to be copied from */
static inline Size
element_space(const RamaType *type, const char *element)
{
	Size		size = type->len > 0 ? (Size) type->len : (Size) VARSIZE_ANY(element);

	return att_align_nominal(size, type->align);
}

static inline bool
is_null(const bits8 *bitmap, int i)
{
	return bitmap && !(bitmap[i / 8] & (1 << (i % 8)));
}

/* Where element "to" is, for one that is at "place" and has the number "from" */
static const char *
walk(const RamaType *type, const bits8 *bitmap, const char *place, int from, int to)
{
	if (type->len > 0 && bitmap == NULL)
		return place + (Size) (to - from) * att_align_nominal(type->len, type->align);
	for (int i = from; i < to; i++)
		if (!is_null(bitmap, i))
			place += element_space(type, place);
	return place;
}

static void
check_size(Size size, Size count)
{
	if (!AllocSizeIsValid(size) || count > MaxArraySize)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("elements take more than %d bytes", (int) MaxAllocSize)));
}

/* An array without its elements, with all of them null where hasnulls */
static ArrayType *
new_array(const RamaType *type, int count, bool hasnulls, Size data)
{
	Size		header = header_size(count, hasnulls);
	ArrayType  *array;

	if (count == 0)
		return construct_empty_array(type->oid);
	check_size(header + data, count);
	array = palloc(header + data);
	memset(array, 0, header);
	SET_VARSIZE(array, header + data);
	array->ndim = 1;
	array->dataoffset = hasnulls ? header : 0;
	array->elemtype = type->oid;
	ARR_DIMS(array)[0] = count;
	ARR_LBOUND(array)[0] = 1;
	return array;
}

/* Put an element in its place, with the bytes behind it that align the next. */
static char *
put_element(const RamaType *type, char *place, Datum value)
{
	Size		size;
	Size		space;

	if (type->byval)
	{
		size = type->len;
		store_att_byval(place, value, type->len);
	}
	else if (type->len > 0)
	{
		size = type->len;
		memcpy(place, DatumGetPointer(value), size);
	}
	else
	{
		size = VARSIZE_ANY_EXHDR(DatumGetPointer(value));
		memcpy(place + VARHDRSZ, VARDATA_ANY(DatumGetPointer(value)), size);
		size += VARHDRSZ;
		SET_VARSIZE(place, size);
	}
	space = att_align_nominal(size, type->align);
	memset(place + size, 0, space - size);
	return place + space;
}

/* What a value takes that is not compressed or out of line, as an element */
static Size
value_space(const RamaType *type, Datum value)
{
	Size		size = type->len > 0 ? (Size) type->len :
		VARSIZE_ANY_EXHDR(DatumGetPointer(value)) + VARHDRSZ;

	return att_align_nominal(size, type->align);
}

/*
 * rama_array_make() -- An array of values; nulls may be NULL. Varlenas are
 * detoasted where they need it.
 */
ArrayType *
rama_array_make(const RamaType *type, const Datum *values, const bool *nulls, int count)
{
	Datum	   *plain = palloc(sizeof(Datum) * Max(count, 1));
	bool		hasnulls = false;
	Size		data = 0;
	ArrayType  *array;
	char	   *place;

	for (int i = 0; i < count; i++)
	{
		if (nulls && nulls[i])
		{
			hasnulls = true;
			continue;
		}
		plain[i] = values[i];
		if (type->len == -1)
			plain[i] = PointerGetDatum(PG_DETOAST_DATUM_PACKED(values[i]));
		data += value_space(type, plain[i]);
		check_size(data, count);
	}
	array = new_array(type, count, hasnulls, data);
	place = ARR_DATA_PTR(array);
	for (int i = 0; i < count; i++)
	{
		if (nulls && nulls[i])
			continue;
		if (hasnulls)
			ARR_NULLBITMAP(array)[i / 8] |= 1 << (i % 8);
		place = put_element(type, place, plain[i]);
		if (plain[i] != values[i])
			pfree(DatumGetPointer(plain[i]));
	}
	pfree(plain);
	return array;
}

static bool
has_null(const RamaRun *run)
{
	const bits8 *bitmap = ARR_NULLBITMAP(run->array);

	for (int i = run->from; bitmap && i < run->from + run->count; i++)
		if (is_null(bitmap, i))
			return true;
	return false;
}

/*
 * rama_array_join() -- An array of all elements of some runs; runs without
 * elements may have no array.
 */
ArrayType *
rama_array_join(const RamaType *type, const RamaRun *runs, int nruns)
{
	const char **begin = palloc(sizeof(char *) * Max(nruns, 1));
	Size	   *bytes = palloc(sizeof(Size) * Max(nruns, 1));
	bool		hasnulls = false;
	Size		data = 0;
	Size		count = 0;
	ArrayType  *array;
	char	   *place;
	int			done = 0;

	for (int i = 0; i < nruns; i++)
	{
		const RamaRun *run = &runs[i];
		const bits8 *bitmap;

		bytes[i] = 0;
		if (run->count == 0)
			continue;
		bitmap = ARR_NULLBITMAP(run->array);
		begin[i] = walk(type, bitmap, ARR_DATA_PTR(run->array), 0, run->from);
		bytes[i] = walk(type, bitmap, begin[i], run->from, run->from + run->count) - begin[i];
		data += bytes[i];
		count += run->count;
		check_size(data, count);
		hasnulls |= has_null(run);
	}
	array = new_array(type, (int) count, hasnulls, data);
	place = ARR_DATA_PTR(array);
	for (int i = 0; i < nruns; i++)
	{
		if (runs[i].count == 0)
			continue;
		memcpy(place, begin[i], bytes[i]);
		place += bytes[i];
		if (hasnulls)
			array_bitmap_copy(ARR_NULLBITMAP(array), done, ARR_NULLBITMAP(runs[i].array),
							  runs[i].from, runs[i].count);
		done += runs[i].count;
	}
	pfree(begin);
	pfree(bytes);
	return array;
}

/*
 * rama_array_slice() -- Some of its elements.
 */
ArrayType *
rama_array_slice(const RamaType *type, const ArrayType *array, int from, int count)
{
	RamaRun		run = {array, from, count};

	return rama_array_join(type, &run, 1);
}

/*
 * rama_array_splice() -- The array with others (NULL: none) in the place of
 * some of its elements.
 */
ArrayType *
rama_array_splice(const RamaType *type, const ArrayType *array, int at, int removed,
				  const ArrayType *middle)
{
	RamaRun		runs[] = {
		{array, 0, at},
		{middle, 0, middle ? rama_array_count(middle) : 0},
		{array, at + removed, rama_array_count(array) - at - removed}
	};

	return rama_array_join(type, runs, 3);
}

/*
 * rama_array_get() -- An element, which may point into the array.
 */
Datum
rama_array_get(const RamaType *type, const ArrayType *array, int i, bool *isnull)
{
	const bits8 *bitmap = ARR_NULLBITMAP(array);

	*isnull = is_null(bitmap, i);
	if (*isnull)
		return (Datum) 0;
	return fetch_att(walk(type, bitmap, ARR_DATA_PTR(array), 0, i), type->byval, type->len);
}

/*
 * rama_array_values() -- All its elements, which may point into the array.
 */
void
rama_array_values(const RamaType *type, const ArrayType *array, Datum *values, bool *nulls)
{
	const bits8 *bitmap = ARR_NULLBITMAP(array);
	const char *place = ARR_DATA_PTR(array);
	int			count = rama_array_count(array);

	for (int i = 0; i < count; i++)
	{
		nulls[i] = is_null(bitmap, i);
		values[i] = (Datum) 0;
		if (nulls[i])
			continue;
		values[i] = fetch_att(place, type->byval, type->len);
		place += element_space(type, place);
	}
}

/* How many elements from the one at place on fit, at least one, and their bytes? */
static int
count_fitting(const RamaType *type, const ArrayType *array, const char *place, int from,
			  Size bytes, Size *taken)
{
	const bits8 *bitmap = ARR_NULLBITMAP(array);
	int			count = rama_array_count(array);
	bool		hasnulls = false;
	int			i;

	*taken = 0;
	for (i = from; i < count; i++)
	{
		Size		space = 0;

		if (is_null(bitmap, i))
			hasnulls = true;
		else
			space = element_space(type, place + *taken);
		if (i > from && header_size(i - from + 1, hasnulls) + *taken + space > bytes)
			break;
		*taken += space;
	}
	return i - from;
}

/*
 * rama_array_cut() -- The array in pieces of so many bytes at most, or of one
 * element. There is at least one.
 */
ArrayType **
rama_array_cut(const RamaType *type, ArrayType *array, Size bytes, int *npieces)
{
	const char *place = ARR_DATA_PTR(array);
	int			count = rama_array_count(array);
	int			space = 8;
	ArrayType **pieces = palloc(sizeof(ArrayType *) * space);

	*npieces = 0;
	if (count <= 1 || ARR_SIZE(array) <= bytes)
	{
		pieces[(*npieces)++] = array;
		return pieces;
	}
	for (int from = 0, n; from < count; from += n)
	{
		RamaRun		run = {array, from, 0};
		ArrayType  *piece;
		bool		hasnulls;
		Size		taken;

		n = run.count = count_fitting(type, array, place, from, bytes, &taken);
		hasnulls = has_null(&run);
		piece = new_array(type, n, hasnulls, taken);
		memcpy(ARR_DATA_PTR(piece), place, taken);
		if (hasnulls)
			array_bitmap_copy(ARR_NULLBITMAP(piece), 0, ARR_NULLBITMAP(array), from, n);
		place += taken;
		if (*npieces == space)
			pieces = repalloc_huge(pieces, sizeof(ArrayType *) * (space *= 2));
		pieces[(*npieces)++] = piece;
	}
	return pieces;
}

/*
 * rama_array_append_size() -- How many bytes will the array have with one more
 * element? That is neither compressed nor out of line.
 */
Size
rama_array_append_size(const RamaType *type, const ArrayType *array, Datum value, bool isnull)
{
	int			count = rama_array_count(array);
	bool		hasnulls = ARR_HASNULL(array);
	Size		data = ARR_NDIM(array) == 0 ? 0 : ARR_SIZE(array) - header_size(count, hasnulls);

	return header_size(count + 1, hasnulls || isnull) + data +
		(isnull ? 0 : value_space(type, value));
}

/*
 * rama_array_append() -- Append an element, in place: the array has a dimension, no
 * nulls, and the memory that rama_array_append_size() says.
 */
void
rama_array_append(const RamaType *type, ArrayType *array, Datum value)
{
	char	   *end;

	end = (char *) array + ARR_SIZE(array);
	end = put_element(type, end, value);
	ARR_DIMS(array)[0]++;
	SET_VARSIZE(array, end - (char *) array);
}

/* The bytes of an array's elements, with those that would align a next one */
static Size
data_size(const RamaType *type, const ArrayType *array)
{
	if (ARR_NDIM(array) == 0)
		return 0;
	return att_align_nominal(ARR_SIZE(array), type->align) - header_size(1, false);
}

/*
 * rama_array_extended_size() -- How many bytes will the array have with the elements
 * of another one behind its own? Neither has nulls.
 */
Size
rama_array_extended_size(const RamaType *type, const ArrayType *array, const ArrayType *more)
{
	return header_size(1, false) + data_size(type, array) + data_size(type, more);
}

/*
 * rama_array_extend() -- Append these, in place: the array has a dimension, and the memory
 * that rama_array_extended_size() says.
 */
void
rama_array_extend(const RamaType *type, ArrayType *array, const ArrayType *more)
{
	Size		size = header_size(1, false) + data_size(type, array);
	Size		bytes = data_size(type, more);
	Size		given = ARR_NDIM(more) == 0 ? 0 : ARR_SIZE(more) - header_size(1, false);

	/* Arrays that others made may end without them. */
	memset((char *) array + ARR_SIZE(array), 0, size - ARR_SIZE(array));
	memcpy((char *) array + size, ARR_DATA_PTR(more), given);
	memset((char *) array + size + given, 0, bytes - given);
	ARR_DIMS(array)[0] += rama_array_count(more);
	SET_VARSIZE(array, size + bytes);
}
