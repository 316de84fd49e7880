/*-------------------------------------------------------------------------
 *
 * aggregate_scalar.c
 *	  Aggregators that combine a value with a scalar: sum, count, min, max,
 *	  and, or, first, last.
 *
 * Each function rama_bind_...() chooses the type that values are assigned to,
 * and the function that combines them, for the type of a place; false: it is
 * not for such places.
 *
 *-------------------------------------------------------------------------
 */
#include "path/aggregate.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/int.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/typcache.h"

/* Sums */

static void
out_of_range(Oid type)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("%s out of range", format_type_be(type))));
}

static int64
integer_of(const RamaAggregate *aggregate, Datum datum)
{
	switch (aggregate->base)
	{
		case INT2OID:
			return DatumGetInt16(datum);
		case INT4OID:
			return DatumGetInt32(datum);
		default:
			return DatumGetInt64(datum);
	}
}

static bool
add_integers(RamaAggregate *aggregate, Datum *state, bool *isnull, Datum value)
{
	int64		sum = DatumGetInt64(value);

	if (!*isnull && pg_add_s64_overflow(integer_of(aggregate, *state), sum, &sum))
		out_of_range(aggregate->base);
	if (sum < aggregate->low || sum > aggregate->high)
		out_of_range(aggregate->base);
	switch (aggregate->base)
	{
		case INT2OID:
			*state = Int16GetDatum((int16) sum);
			break;
		case INT4OID:
			*state = Int32GetDatum((int32) sum);
			break;
		default:
			*state = Int64GetDatum(sum);
			break;
	}
	*isnull = false;
	return true;
}

static bool
add_floats(RamaAggregate *aggregate, Datum *state, bool *isnull, Datum value)
{
	bool		isfloat4 = aggregate->base == FLOAT4OID;
	float8		sum = DatumGetFloat8(value);

	if (!*isnull)
		sum = float8_pl(isfloat4 ? (float8) DatumGetFloat4(*state) : DatumGetFloat8(*state),
						sum);
	if (isfloat4 && isinf((float4) sum) && !isinf(sum))
		float_overflow_error();
	*state = isfloat4 ? Float4GetDatum((float4) sum) : Float8GetDatum(sum);
	*isnull = false;
	return true;
}

/* By the function that is behind the type's operator +. */
static bool
add_by_function(RamaAggregate *aggregate, Datum *state, bool *isnull, Datum value)
{
	*state = *isnull ? value : FunctionCall2(&aggregate->function, *state, value);
	*isnull = false;
	return true;
}

static bool
sum_by(RamaAggregate *aggregate, Oid argument, RamaCombine combine, Oid function)
{
	rama_type_init(&aggregate->argument, argument, -1);
	aggregate->combine = combine;
	if (OidIsValid(function))
		fmgr_info(function, &aggregate->function);
	/* Sums are of the base type: scale and constraints are the place's. */
	aggregate->store = aggregate->place.oid != aggregate->base ||
		aggregate->place.typmod != -1;
	return !aggregate->store ||
		rama_assign_init(&aggregate->to_place, aggregate->base, -1, &aggregate->place);
}

/* rama_bind_sum() -- Numbers, intervals, amounts of money, by +; a state that is absent is 0. */
bool
rama_bind_sum(RamaAggregate *aggregate)
{
	aggregate->low = PG_INT64_MIN;
	aggregate->high = PG_INT64_MAX;
	switch (aggregate->base)
	{
		case INT2OID:
			aggregate->low = PG_INT16_MIN;
			aggregate->high = PG_INT16_MAX;
			return sum_by(aggregate, INT8OID, add_integers, InvalidOid);
		case INT4OID:
			aggregate->low = PG_INT32_MIN;
			aggregate->high = PG_INT32_MAX;
			return sum_by(aggregate, INT8OID, add_integers, InvalidOid);
		case INT8OID:
			return sum_by(aggregate, INT8OID, add_integers, InvalidOid);
		case FLOAT4OID:
		case FLOAT8OID:
			return sum_by(aggregate, FLOAT8OID, add_floats, InvalidOid);
		case NUMERICOID:
			return sum_by(aggregate, NUMERICOID, add_by_function, F_NUMERIC_ADD);
		case INTERVALOID:
			return sum_by(aggregate, INTERVALOID, add_by_function, F_INTERVAL_PL);
		case MONEYOID:
			return sum_by(aggregate, MONEYOID, add_by_function, F_CASH_PL);
		default:
			return false;
	}
}

/* rama_bind_count() -- Rows, or values that are not null, are summed up as ones. */
bool
rama_bind_count(RamaAggregate *aggregate)
{
	return rama_bind_sum(aggregate) && aggregate->base != INTERVALOID &&
		aggregate->base != MONEYOID;
}

/* min and max */

static int
compare(RamaAggregate *aggregate, Datum a, Datum b)
{
	return DatumGetInt32(FunctionCall2Coll(&aggregate->function, aggregate->place.collation,
										   a, b));
}

static bool
keep_least(RamaAggregate *aggregate, Datum *state, bool *isnull, Datum value)
{
	if (!*isnull && compare(aggregate, value, *state) >= 0)
		return false;
	*state = value;
	*isnull = false;
	return true;
}

static bool
keep_greatest(RamaAggregate *aggregate, Datum *state, bool *isnull, Datum value)
{
	if (!*isnull && compare(aggregate, value, *state) <= 0)
		return false;
	*state = value;
	*isnull = false;
	return true;
}

static bool
bind_comparison(RamaAggregate *aggregate, RamaCombine combine)
{
	TypeCacheEntry *entry = lookup_type_cache(aggregate->place.oid, TYPECACHE_CMP_PROC);

	if (!OidIsValid(entry->cmp_proc))
		return false;
	fmgr_info(entry->cmp_proc, &aggregate->function);
	aggregate->combine = combine;
	return true;
}

/* rama_bind_min() -- The least, by the btree order of the type and the place's collation. */
bool
rama_bind_min(RamaAggregate *aggregate)
{
	return bind_comparison(aggregate, keep_least);
}

/* rama_bind_max() -- The greatest. */
bool
rama_bind_max(RamaAggregate *aggregate)
{
	return bind_comparison(aggregate, keep_greatest);
}

/* and, or */

static bool
keep_false(RamaAggregate *aggregate, Datum *state, bool *isnull, Datum value)
{
	if (!*isnull && DatumGetBool(*state) <= DatumGetBool(value))
		return false;
	*state = value;
	*isnull = false;
	return true;
}

static bool
keep_true(RamaAggregate *aggregate, Datum *state, bool *isnull, Datum value)
{
	if (!*isnull && DatumGetBool(*state) >= DatumGetBool(value))
		return false;
	*state = value;
	*isnull = false;
	return true;
}

/* rama_bind_and() -- Whether all are true. */
bool
rama_bind_and(RamaAggregate *aggregate)
{
	aggregate->combine = keep_false;
	return aggregate->base == BOOLOID;
}

/* rama_bind_or() -- Whether any is. */
bool
rama_bind_or(RamaAggregate *aggregate)
{
	aggregate->combine = keep_true;
	return aggregate->base == BOOLOID;
}

/* first, last */

static bool
keep_first(RamaAggregate *aggregate, Datum *state, bool *isnull, Datum value)
{
	if (!*isnull)
		return false;
	*state = value;
	*isnull = false;
	return true;
}

static bool
keep_last(RamaAggregate *aggregate, Datum *state, bool *isnull, Datum value)
{
	if (!*isnull && datum_image_eq(*state, value, aggregate->place.byval,
								   aggregate->place.len))
		return false;
	*state = value;
	*isnull = false;
	return true;
}

/* rama_bind_first() -- The first one. */
bool
rama_bind_first(RamaAggregate *aggregate)
{
	aggregate->combine = keep_first;
	return true;
}

/* rama_bind_last() -- The last one. */
bool
rama_bind_last(RamaAggregate *aggregate)
{
	aggregate->combine = keep_last;
	return true;
}
