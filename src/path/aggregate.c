/*-------------------------------------------------------------------------
 *
 * aggregate.c
 *	  The table of aggregators: Rama's names, the types that they are for, and
 *	  how they combine.
 *
 *-------------------------------------------------------------------------
 */
#include "path/aggregate.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/int.h"
#include "parser/scansup.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

static bool bind_sum(RamaAggregate *aggregate);
static bool bind_count(RamaAggregate *aggregate);
static bool bind_min(RamaAggregate *aggregate);
static bool bind_max(RamaAggregate *aggregate);
static bool bind_and(RamaAggregate *aggregate);
static bool bind_or(RamaAggregate *aggregate);
static bool bind_first(RamaAggregate *aggregate);
static bool bind_last(RamaAggregate *aggregate);

static const RamaAggregator aggregators[] = {
	{"sum", bind_sum, "a number, an interval or an amount of money", false},
	{"count", bind_count, "a number", true},
	{"min", bind_min, "a type with a btree order", false},
	{"max", bind_max, "a type with a btree order", false},
	{"and", bind_and, "a boolean", false},
	{"or", bind_or, "a boolean", false},
	{"first", bind_first, "any type", false},
	{"last", bind_last, "any type", false},
};

/* Rama's other aggregators: known, and not supported yet. */
static const char *const later[] = {
	"set", "set-remove", "setRemove", "multi-set", "multiSet", "map", "list", "vec",
	"merge", "avg", "NONE", "top-monotonic", "topMonotonic", "limit", "accumulator",
	"combiner"
};

static bool
is_later(const char *name)
{
	for (int i = 0; i < (int) lengthof(later); i++)
		if (strcmp(later[i], name) == 0)
			return true;
	return false;
}

/* The name without what Clojure adds to it: +sum, +set-agg. */
static char *
bare_name(const char *name)
{
	char	   *bare = pstrdup(*name == '+' ? name + 1 : name);
	size_t		len = strlen(bare);

	if (len > 4 && strcmp(bare + len - 4, "-agg") == 0)
		bare[len - 4] = '\0';
	return bare;
}

static const RamaAggregator *
find_aggregator(const char *name)
{
	RamaNear	near = {.count = 0};
	char	   *bare = bare_name(name);
	char	   *names;

	for (int i = 0; i < (int) lengthof(aggregators); i++)
		if (strcmp(aggregators[i].name, name) == 0)
			return &aggregators[i];
	if (is_later(name))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("aggregator \"%s\" is not supported in this version", name),
				 errhint("Supported are sum, count, min, max, and, or, first and last.")));
	for (int i = 0; i < (int) lengthof(aggregators); i++)
		rama_near_consider(&near, aggregators[i].name, bare);
	for (int i = 0; i < (int) lengthof(later); i++)
		rama_near_consider(&near, later[i], bare);
	names = rama_near_names(&near);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("unknown aggregator \"%s\"", name),
			 names ? errhint("Perhaps you meant %s.", names) :
			 errhint("Supported are sum, count, min, max, and, or, first and last.")));
	return NULL;
}

static void
malformed(const char *text)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("malformed list of aggregators \"%s\"", text),
			 errhint("Give one, such as 'sum', or one for each value column, such as 'sum, max'.")));
}

/* The next name, without options; *p is moved behind it and the comma. */
static const RamaAggregator *
parse_one(const char **p, const char *text)
{
	const RamaAggregator *aggregator;
	const char *start;
	int			len;

	while (scanner_isspace(**p))
		(*p)++;
	start = *p;
	len = strcspn(start, ", \t\n\r\f()");
	if (len == 0)
		malformed(text);
	*p += len;
	aggregator = find_aggregator(pnstrdup(start, len));
	while (scanner_isspace(**p))
		(*p)++;
	if (**p == '(')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("aggregator \"%s\" takes no options", aggregator->name)));
	if (**p != '\0' && **p != ',')
		malformed(text);
	return aggregator;
}

/*
 * rama_aggregators_parse() -- The aggregators (const RamaAggregator *) that a
 * comma list names, at least one.
 *
 * Errors: 42704 unknown, with near matches; 0A000 one of Rama's that is not
 * supported yet; 22023 malformed.
 */
List *
rama_aggregators_parse(const char *text)
{
	List	   *result = NIL;
	const char *p = text;

	for (;;)
	{
		result = lappend(result, unconstify(RamaAggregator *, parse_one(&p, text)));
		if (*p == '\0')
			return result;
		p++;
	}
}

/*
 * rama_aggregate_bind() -- An aggregator for values that come with a type, at
 * places of a type; name is the place's for messages. In the current memory
 * context.
 *
 * Error (42804) if the aggregator is not for such places, or there is no
 * assignment cast.
 */
RamaAggregate *
rama_aggregate_bind(const RamaAggregator *aggregator, const RamaType *place,
					const char *name, Oid from, int32 typmod)
{
	RamaAggregate *aggregate = palloc0_object(RamaAggregate);

	aggregate->aggregator = aggregator;
	aggregate->place = *place;
	aggregate->base = getBaseType(place->oid);
	aggregate->argument = *place;
	if (!aggregator->bind(aggregate))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("aggregator \"%s\" cannot be merged into \"%s\" of type %s",
						aggregator->name, name,
						format_type_with_typemod(place->oid, place->typmod)),
				 errdetail("It needs %s.", aggregator->places)));
	if (aggregator->counts)
		from = INT8OID;
	if (!rama_assign_init(&aggregate->assign, from, typmod, &aggregate->argument))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("\"%s\" is of type %s but the value to merge into it is of type %s",
						name, format_type_with_typemod(place->oid, place->typmod),
						format_type_be(from)),
				 errhint("Cast the column of the query.")));
	return aggregate;
}

/*
 * rama_aggregate_value() -- Combine a value, as it comes, with the state of a
 * place; false: the state stays as it is. In the current memory context.
 *
 * Errors: 22003, those of casts and of constraints of domains.
 */
bool
rama_aggregate_value(RamaAggregate *aggregate, Datum *state, bool *isnull,
					 Datum value, bool value_isnull)
{
	if (aggregate->aggregator->counts)
		value = Int64GetDatum(value_isnull ? 0 : 1);
	else if (value_isnull)
		return false;
	value = rama_assign(&aggregate->assign, value, &value_isnull);
	if (value_isnull || !aggregate->combine(aggregate, state, isnull, value))
		return false;
	if (aggregate->store)
		*state = rama_assign(&aggregate->to_place, *state, isnull);
	return true;
}

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

static bool
bind_sum(RamaAggregate *aggregate)
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

/* Rows, or values that are not null, are summed up as ones. */
static bool
bind_count(RamaAggregate *aggregate)
{
	return bind_sum(aggregate) && aggregate->base != INTERVALOID &&
		aggregate->base != MONEYOID;
}

/* min and max, by the btree order of the type and the place's collation */

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

static bool
bind_min(RamaAggregate *aggregate)
{
	return bind_comparison(aggregate, keep_least);
}

static bool
bind_max(RamaAggregate *aggregate)
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

static bool
bind_and(RamaAggregate *aggregate)
{
	aggregate->combine = keep_false;
	return aggregate->base == BOOLOID;
}

static bool
bind_or(RamaAggregate *aggregate)
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

static bool
bind_first(RamaAggregate *aggregate)
{
	aggregate->combine = keep_first;
	return true;
}

static bool
bind_last(RamaAggregate *aggregate)
{
	aggregate->combine = keep_last;
	return true;
}
