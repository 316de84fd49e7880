/*-------------------------------------------------------------------------
 *
 * scan_keys.c
 *	  The conditions of a scan, as sets and ranges of encoded columns.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "index/scan.h"
#include "utils/array.h"
#include "utils/lsyscache.h"

/* A search argument, encoded. See PsEncoder about above and outside. */
typedef struct PsArgument
{
	PsSlice		slice;
	bool		above;
	int			outside;
} PsArgument;

static bool ps_add_key(IndexScanDesc scan, ScanKey key);
static bool ps_add_operator(IndexScanDesc scan, ScanKey key);
static bool ps_add_array(IndexScanDesc scan, ScanKey key);
static bool ps_add_equal_any(IndexScanDesc scan, ScanKey key, const Datum *values,
							 const bool *nulls, int n);
static bool ps_add_range_any(IndexScanDesc scan, ScanKey key, const Datum *values,
							 const bool *nulls, int n);
static PsArgument ps_encode_argument(IndexScanDesc scan, int column, Oid type, Datum value);
static FmgrInfo *ps_cross_type(IndexScanDesc scan, int column, Oid type);
static bool ps_argument_range(PsScan *so, int column, StrategyNumber strategy,
							  const PsArgument *argument, PsSlice *low, PsSlice *high);
static void ps_restrict_not_null(PsScan *so, int column);
static void ps_restrict(PsScan *so, PsColumnSearch *column, PsSlice low, PsSlice high);
static void ps_put_point(PsScan *so, PsSlice point);
static void ps_restrict_points(PsScan *so, PsColumnSearch *column, int first);
static bool ps_finish_column(PsScan *so, PsColumnSearch *column);
static void ps_plan(PsScan *so);
static PsSlice ps_slice_after(PsScan *so, PsSlice slice);
static int	ps_compare_points(const void *a, const void *b, void *arg);

/*
 * Takes the conditions in: encodes their arguments, and finds what they leave
 * of each column. The first range is current afterwards, unless so->empty. The
 * keys and what they point to are not needed any more.
 */
void
ps_scan_keys(IndexScanDesc scan, ScanKey keys, int nkeys)
{
	PsScan	   *so = (PsScan *) scan->opaque;

	so->empty = false;
	so->npoints = 0;
	resetStringInfo(&so->keys);
	for (int i = 0; i < so->info->nkeys; i++)
		so->columns[i].conditioned = false;

	for (int i = 0; i < nkeys && !so->empty; i++)
		so->empty = !ps_add_key(scan, &keys[i]);
	for (int i = 0; i < so->info->nkeys && !so->empty; i++)
		so->empty = so->columns[i].conditioned &&
			!ps_finish_column(so, &so->columns[i]);

	if (so->work)
		MemoryContextReset(so->work);
	if (!so->empty)
	{
		ps_plan(so);
		ps_first_range(so);
	}
}

/* false: nothing can fulfil the condition, or those before and it. */
static bool
ps_add_key(IndexScanDesc scan, ScanKey key)
{
	PsScan	   *so = (PsScan *) scan->opaque;
	PsColumnSearch *column = &so->columns[key->sk_attno - 1];
	const PsColumn *info = &so->info->columns[key->sk_attno - 1];
	bool		found;

	if (!column->conditioned)
	{
		column->conditioned = true;
		column->has_points = false;
		column->low = PS_ANY_LOW;
		column->high = PS_NO_SLICE;
	}

	if (key->sk_flags & SK_SEARCHNULL)
	{
		int			at = so->keys.len;
		int			first = so->npoints;

		ps_encode_null(info, &so->keys);
		ps_put_point(so, (PsSlice)
					 {
						 at, so->keys.len - at
					 });
		ps_restrict_points(so, column, first);
		return true;
	}

	/* A point is not NULL anyway. */
	if (key->sk_strategy != BTEqualStrategyNumber)
		ps_restrict_not_null(so, key->sk_attno - 1);
	if (key->sk_flags & SK_SEARCHNOTNULL)
		return true;
	if (key->sk_flags & SK_ISNULL)
		return false;
	if (key->sk_flags & (SK_ROW_HEADER | SK_ROW_MEMBER))
		elog(ERROR, "row comparison as condition of index \"%s\"",
			 RelationGetRelationName(scan->indexRelation));

	if ((key->sk_flags & SK_SEARCHARRAY) ||
		!TupleDescAttr(RelationGetDescr(scan->indexRelation), key->sk_attno - 1)->attbyval)
	{
		MemoryContext caller;

		caller = MemoryContextSwitchTo(ps_work_context(so));
		found = (key->sk_flags & SK_SEARCHARRAY) ? ps_add_array(scan, key) :
			ps_add_operator(scan, key);
		MemoryContextSwitchTo(caller);
		return found;
	}
	return ps_add_operator(scan, key);
}

static bool
ps_add_operator(IndexScanDesc scan, ScanKey key)
{
	PsScan	   *so = (PsScan *) scan->opaque;
	int			column = key->sk_attno - 1;
	PsArgument	argument = ps_encode_argument(scan, column, key->sk_subtype,
											  key->sk_argument);
	PsSlice		low;
	PsSlice		high;

	if (key->sk_strategy == BTEqualStrategyNumber)
	{
		int			first = so->npoints;

		if (argument.above || argument.outside != 0)
			return false;
		ps_put_point(so, argument.slice);
		ps_restrict_points(so, &so->columns[column], first);
		return true;
	}
	if (!ps_argument_range(so, column, key->sk_strategy, &argument, &low, &high))
		return false;
	ps_restrict(so, &so->columns[column], low, high);
	return true;
}

/* column operator ANY (array) */
static bool
ps_add_array(IndexScanDesc scan, ScanKey key)
{
	ArrayType  *array = DatumGetArrayTypeP(key->sk_argument);
	int16		typlen;
	bool		typbyval;
	char		typalign;
	Datum	   *values;
	bool	   *nulls;
	int			n;

	get_typlenbyvalalign(ARR_ELEMTYPE(array), &typlen, &typbyval, &typalign);
	deconstruct_array(array, ARR_ELEMTYPE(array), typlen, typbyval, typalign,
					  &values, &nulls, &n);
	if (key->sk_strategy == BTEqualStrategyNumber)
		return ps_add_equal_any(scan, key, values, nulls, n);
	return ps_add_range_any(scan, key, values, nulls, n);
}

static bool
ps_add_equal_any(IndexScanDesc scan, ScanKey key, const Datum *values,
				 const bool *nulls, int n)
{
	PsScan	   *so = (PsScan *) scan->opaque;
	int			column = key->sk_attno - 1;
	int			first = so->npoints;
	int			kept;

	for (int i = 0; i < n; i++)
	{
		PsArgument	argument;

		if (nulls[i])
			continue;
		argument = ps_encode_argument(scan, column, key->sk_subtype, values[i]);
		if (!argument.above && argument.outside == 0)
			ps_put_point(so, argument.slice);
	}
	if (so->npoints == first)
		return false;

	qsort_arg(so->points + first, so->npoints - first, sizeof(PsSlice),
			  ps_compare_points, so);
	kept = first + 1;
	for (int i = kept; i < so->npoints; i++)
	{
		if (ps_compare_points(&so->points[kept - 1], &so->points[i], so) != 0)
			so->points[kept++] = so->points[i];
	}
	so->npoints = kept;
	ps_restrict_points(so, &so->columns[column], first);
	return true;
}

/* The range that comprises those of all elements */
static bool
ps_add_range_any(IndexScanDesc scan, ScanKey key, const Datum *values,
				 const bool *nulls, int n)
{
	PsScan	   *so = (PsScan *) scan->opaque;
	int			column = key->sk_attno - 1;
	bool		found = false;
	PsSlice		low = PS_NO_SLICE;
	PsSlice		high = PS_NO_SLICE;

	for (int i = 0; i < n; i++)
	{
		PsArgument	argument;
		PsSlice		one_low;
		PsSlice		one_high;

		if (nulls[i])
			continue;
		argument = ps_encode_argument(scan, column, key->sk_subtype, values[i]);
		if (!ps_argument_range(so, column, key->sk_strategy, &argument,
							   &one_low, &one_high))
			continue;
		if (!found || ps_compare(ps_slice(so, one_low), ps_slice(so, low)) < 0)
			low = one_low;
		if (!found || ps_compare(ps_slice(so, one_high), ps_slice(so, high)) > 0)
			high = one_high;
		found = true;
	}
	if (found)
		ps_restrict(so, &so->columns[column], low, high);
	return found;
}

static PsArgument
ps_encode_argument(IndexScanDesc scan, int column, Oid type, Datum value)
{
	PsScan	   *so = (PsScan *) scan->opaque;
	Relation	index = scan->indexRelation;
	PsArgument	argument = {.slice = {so->keys.len, 0}};
	PsEncoder	encoder = {.key = &so->keys};
	FmgrInfo   *encode = NULL;

	if (OidIsValid(type) && type != index->rd_opcintype[column])
		encode = ps_cross_type(scan, column, type);
	ps_encode_value(index, so->info, column, value, encode, &encoder);

	/* No entry is as long: what follows cannot make a difference. */
	if (so->keys.len > argument.slice.at + PS_MAX_ENTRY + 1)
		so->keys.len = argument.slice.at + PS_MAX_ENTRY + 1;

	argument.slice.len = so->keys.len - argument.slice.at;
	argument.above = encoder.above;
	argument.outside = encoder.outside;
	return argument;
}

static FmgrInfo *
ps_cross_type(IndexScanDesc scan, int column, Oid type)
{
	PsScan	   *so = (PsScan *) scan->opaque;
	Relation	index = scan->indexRelation;
	PsCrossType *cross;
	Oid			function;

	for (cross = so->cross_types; cross; cross = cross->next)
	{
		if (cross->column == column && cross->type == type)
			return &cross->encode;
	}

	function = get_opfamily_proc(index->rd_opfamily[column],
								 index->rd_opcintype[column], type, PS_ENCODE_PROC);
	if (!OidIsValid(function))
		elog(ERROR, "missing support function %d(%u,%u) of column %d of index \"%s\"",
			 PS_ENCODE_PROC, index->rd_opcintype[column], type, column + 1,
			 RelationGetRelationName(index));
	cross = MemoryContextAlloc(so->context, sizeof(PsCrossType));
	cross->column = column;
	cross->type = type;
	fmgr_info_cxt(function, &cross->encode, so->context);
	cross->next = so->cross_types;
	so->cross_types = cross;
	return &cross->encode;
}

/*
 * The encodings that fulfil "column strategy argument", NULL's perhaps among
 * them: low <= encoding < high. false: none.
 */
static bool
ps_argument_range(PsScan *so, int column, StrategyNumber strategy,
				  const PsArgument *argument, PsSlice *low, PsSlice *high)
{
	bool		is_upper = strategy == BTLessStrategyNumber ||
		strategy == BTLessEqualStrategyNumber;
	bool		after;

	*low = PS_ANY_LOW;
	*high = PS_NO_SLICE;
	if (argument->outside != 0)
		return is_upper == (argument->outside > 0);

	/* Is the border after the values that equal the argument's encoding? */
	after = strategy == BTLessEqualStrategyNumber ||
		strategy == BTGreaterStrategyNumber || argument->above;
	if (so->info->columns[column].desc)
	{
		is_upper = !is_upper;
		after = !after;
	}
	*(is_upper ? high : low) = after ? ps_slice_after(so, argument->slice) :
		argument->slice;
	return true;
}

static void
ps_restrict_not_null(PsScan *so, int column)
{
	const PsColumn *info = &so->info->columns[column];
	PsSlice		null = {so->keys.len, 1};

	ps_encode_null(info, &so->keys);
	if (info->nulls_first)
		ps_restrict(so, &so->columns[column], ps_slice_after(so, null), PS_NO_SLICE);
	else
		ps_restrict(so, &so->columns[column], PS_ANY_LOW, null);
}

static void
ps_restrict(PsScan *so, PsColumnSearch *column, PsSlice low, PsSlice high)
{
	if (ps_compare(ps_slice(so, low), ps_slice(so, column->low)) > 0)
		column->low = low;
	if (ps_compare(ps_slice(so, high), ps_slice(so, column->high)) < 0)
		column->high = high;
}

static void
ps_put_point(PsScan *so, PsSlice point)
{
	if (so->npoints == so->max_points)
	{
		so->max_points = Max(8, so->max_points * 2);
		so->points = so->points == NULL ?
			MemoryContextAlloc(so->context, so->max_points * sizeof(PsSlice)) :
			repalloc_huge(so->points, so->max_points * sizeof(PsSlice));
	}
	so->points[so->npoints++] = point;
}

/* The column's points are now those that are among the ones from "first" on. */
static void
ps_restrict_points(PsScan *so, PsColumnSearch *column, int first)
{
	int			n = so->npoints - first;

	if (!column->has_points)
	{
		column->has_points = true;
		column->first_point = first;
		column->npoints = n;
	}
	else
	{
		PsSlice    *old = so->points + column->first_point;
		PsSlice    *new = so->points + first;
		int			kept = 0;

		for (int i = 0, j = 0; i < column->npoints && j < n;)
		{
			int			order = ps_compare_points(&old[i], &new[j], so);

			if (order == 0)
				old[kept++] = old[i];
			i += order <= 0;
			j += order >= 0;
		}
		column->npoints = kept;
		so->npoints = first;
	}
}

/* Points outside of the column's range go; false: nothing is left. */
static bool
ps_finish_column(PsScan *so, PsColumnSearch *column)
{
	PsString	low = ps_slice(so, column->low);
	PsString	high = ps_slice(so, column->high);
	PsSlice    *points;
	int			kept = 0;

	if (!column->has_points)
		return ps_compare(low, high) < 0;

	points = so->points + column->first_point;
	for (int i = 0; i < column->npoints; i++)
	{
		PsString	point = ps_slice(so, points[i]);

		if (ps_compare(point, low) >= 0 && ps_compare(point, high) < 0)
			points[kept++] = points[i];
	}
	column->npoints = kept;
	return kept > 0;
}

/* Which conditions make ranges, which are filters? */
static void
ps_plan(PsScan *so)
{
	const PsIndex *info = so->info;
	int			i = 0;

	so->single = true;
	while (i < info->nkeys && so->columns[i].conditioned &&
		   so->columns[i].has_points)
	{
		so->single = so->single && so->columns[i].npoints == 1;
		i++;
	}
	so->nprefix = i;
	so->nfiltered = 0;
	for (i++; i < info->nkeys; i++)
	{
		if (so->columns[i].conditioned)
			so->nfiltered = i + 1;
	}
}

/*
 * The first string after all that begin with the slice, which has a byte
 * other than 0xFF.
 */
static PsSlice
ps_slice_after(PsScan *so, PsSlice slice)
{
	PsSlice		after = {so->keys.len, slice.len};
	unsigned char *data;

	enlargeStringInfo(&so->keys, slice.len);
	appendBinaryStringInfo(&so->keys, so->keys.data + slice.at, slice.len);
	data = (unsigned char *) so->keys.data + after.at;
	while (after.len > 1 && data[after.len - 1] == 0xFF)
		after.len--;
	data[after.len - 1]++;
	return after;
}

static int
ps_compare_points(const void *a, const void *b, void *arg)
{
	return ps_compare(ps_slice((PsScan *) arg, *(const PsSlice *) a),
					  ps_slice((PsScan *) arg, *(const PsSlice *) b));
}
