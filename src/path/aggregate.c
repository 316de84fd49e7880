/*-------------------------------------------------------------------------
 *
 * aggregate.c
 *	  The table of aggregators: Rama's names, what they are for, and how a
 *	  call of one is bound to a place.
 *
 *-------------------------------------------------------------------------
 */
#include "path/aggregate.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static const RamaAggregator aggregators[] = {
	{
		.names = {"sum"}, .nvalues = 1, .plain = NUMERICOID, .bind = rama_bind_sum,
		.places = "a number, an interval or an amount of money"
	},
	{
		.names = {"count"}, .nvalues = 1, .counts = true, .plain = NUMERICOID,
		.bind = rama_bind_count, .places = "a number"
	},
	{
		.names = {"min"}, .nvalues = 1, .plain = JSONBOID, .bind = rama_bind_min,
		.places = "a type with a btree order"
	},
	{
		.names = {"max"}, .nvalues = 1, .plain = JSONBOID, .bind = rama_bind_max,
		.places = "a type with a btree order"
	},
	{
		.names = {"and"}, .nvalues = 1, .plain = BOOLOID, .bind = rama_bind_and,
		.places = "a boolean"
	},
	{
		.names = {"or"}, .nvalues = 1, .plain = BOOLOID, .bind = rama_bind_or,
		.places = "a boolean"
	},
	{
		.names = {"first"}, .nvalues = 1, .plain = JSONBOID, .bind = rama_bind_first,
		.fits = rama_fits_first, .apply = rama_apply_first, .places = "any value"
	},
	{
		.names = {"last"}, .nvalues = 1, .plain = JSONBOID, .bind = rama_bind_last,
		.fits = rama_fits_last, .apply = rama_apply_last, .places = "any value"
	},
	{
		.names = {"set"}, .nvalues = 1,
		.fits = rama_fits_set, .apply = rama_apply_set, .places = "a set"
	},
	{
		.names = {"set-remove", "setRemove"}, .nvalues = 1, .removes = true,
		.fits = rama_fits_set_remove, .apply = rama_apply_set_remove, .places = "a set"
	},
	{
		.names = {"multi-set", "multiSet"}, .nvalues = 1,
		.fits = rama_fits_multi_set, .apply = rama_apply_multi_set,
		.places = "a map whose values are numbers, such as map(value: text, n: bigint)"
	},
	{
		.names = {"map"}, .nvalues = 2,
		.fits = rama_fits_map, .apply = rama_apply_map, .places = "a map"
	},
	{
		.names = {"list", "vec"}, .nvalues = 1,
		.fits = rama_fits_list, .apply = rama_apply_list, .places = "a vector"
	},
	{
		.names = {"merge"}, .nvalues = 1,
		.fits = rama_fits_merge, .apply = rama_apply_merge, .places = "a map or a struct"
	},
	{
		.names = {"avg"}, .nvalues = 1,
		.fits = rama_fits_average, .apply = rama_apply_average,
		.places = "a struct of numbers: struct(sum: ..., count: ..., avg: ...), where avg may be left out"
	},
	{
		.names = {"NONE", "voided", "void"}, .nvalues = 0, .removes = true,
		.fits = rama_fits_none, .apply = rama_apply_none, .places = "any place but the whole of a PState"
	},
	{
		.names = {"top-monotonic", "topMonotonic"}, .nvalues = 1, .takes = RAMA_TOP_OPTIONS,
		.fits = rama_fits_top, .apply = rama_apply_top,
		.places = "a vector of items, or struct(top: vector(item), rest: map(id: ..., item))"
	},
	{
		.names = {"limit", "limitAgg"}, .nvalues = 1, .takes = RAMA_LIMIT_OPTIONS,
		.fits = rama_fits_limit, .apply = rama_apply_limit, .places = "a vector"
	},
};

static const RamaAggregator sql_aggregator = {
	.names = {"SQL"}, .nvalues = -1, .fits = rama_fits_sql, .apply = rama_apply_sql,
	.places = "a value of the type of the aggregate's state, or struct(state: ..., value: ...)"
};

static bool
is_name(const RamaAggregator *aggregator, const char *name)
{
	for (int i = 0; i < (int) lengthof(aggregator->names); i++)
		if (aggregator->names[i] && strcmp(aggregator->names[i], name) == 0)
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
	char	   *bare = bare_name(name);

	for (int i = 0; i < (int) lengthof(aggregators); i++)
		if (is_name(&aggregators[i], name) || is_name(&aggregators[i], bare))
			return &aggregators[i];
	return NULL;
}

static void
unknown_aggregator(const char *name)
{
	RamaNear	near = {.count = 0};
	char	   *bare = bare_name(name);
	char	   *names;

	for (int i = 0; i < (int) lengthof(aggregators); i++)
		for (int j = 0; j < (int) lengthof(aggregators[i].names); j++)
			if (aggregators[i].names[j])
				rama_near_consider(&near, aggregators[i].names[j], bare);
	names = rama_near_names(&near);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("unknown aggregator \"%s\"", name),
			 names ? errhint("Perhaps you meant %s.", names) :
			 errhint("There are sum, count, min, max, and, or, first, last, set, set-remove, multi-set, map, list, merge, avg, NONE, top-monotonic, limit, and aggregates of SQL that have a combine function.")));
}

/* Names of Rama's are written as they are. */
static bool
is_other_case(const char *name)
{
	for (int i = 0; i < (int) lengthof(aggregators); i++)
		for (int j = 0; j < (int) lengthof(aggregators[i].names); j++)
			if (aggregators[i].names[j] &&
				pg_strcasecmp(aggregators[i].names[j], name) == 0)
				return true;
	return false;
}

/*
 * rama_aggregator_call() -- The aggregator of that name, without options.
 *
 * Errors: 42704 unknown, with near matches; 42809 an aggregate of SQL without
 * a combine function.
 */
const RamaAggregatorCall *
rama_aggregator_call(const char *name)
{
	RamaAggregatorCall *call = palloc0_object(RamaAggregatorCall);

	call->name = pstrdup(name);
	call->aggregator = find_aggregator(name);
	if (call->aggregator)
	{
		call->nvalues = call->aggregator->nvalues;
		return call;
	}
	if (!is_other_case(name))
		call->functions = rama_sql_aggregates(name, &call->nvalues);
	if (call->functions == NIL)
		unknown_aggregator(name);
	call->aggregator = &sql_aggregator;
	return call;
}

static void
init_aggregate(RamaAggregate *aggregate, const RamaAggregatorCall *call,
			   const RamaNode *node, int ntypes, const Oid *types)
{
	memset(aggregate, 0, sizeof(RamaAggregate));
	aggregate->call = call;
	aggregate->node = node;
	aggregate->counts = call->aggregator->counts;
	aggregate->ntypes = ntypes;
	aggregate->types = types;
}

static bool
combines_as(RamaAggregate *aggregate, const RamaType *type)
{
	aggregate->place = *type;
	aggregate->base = getBaseType(type->oid);
	aggregate->argument = *type;
	aggregate->combines = aggregate->call->aggregator->bind(aggregate);
	return aggregate->combines;
}

/* Is it for its place? */
static bool
bind_place(RamaAggregate *aggregate)
{
	const RamaAggregator *aggregator = aggregate->call->aggregator;
	const RamaNode *node = aggregate->node;
	bool		plain = node == NULL || (node->kind == RAMA_SCALAR && node->type.oid == JSONBOID);

	if (aggregator->bind && node && node->kind == RAMA_SCALAR &&
		combines_as(aggregate, &node->type))
		return true;
	if (aggregator->bind && plain)
	{
		RamaType	type;

		rama_type_init(&type, aggregator->plain, -1);
		if (combines_as(aggregate, &type))
			return true;
	}
	return aggregator->fits && aggregator->fits(aggregate);
}

/* rama_aggregator_fits() -- Is it for such places? */
bool
rama_aggregator_fits(const RamaAggregatorCall *call, const RamaNode *node)
{
	RamaAggregate aggregate;

	init_aggregate(&aggregate, call, node, 0, NULL);
	return bind_place(&aggregate);
}

static void
not_for_place(const RamaAggregatorCall *call, const RamaNode *node, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 node == NULL ?
			 errmsg("aggregator \"%s\" cannot be merged into plain data", call->name) :
			 node->kind != RAMA_SCALAR ?
			 errmsg("aggregator \"%s\" cannot be merged into \"%s\", which is %s", call->name,
					name, rama_shape_name(rama_shape_of_node(node))) :
			 errmsg("aggregator \"%s\" cannot be merged into \"%s\" of type %s", call->name,
					name, format_type_with_typemod(node->type.oid, node->type.typmod)),
			 errdetail("It needs %s.", call->aggregator->places),
			 call->functions == NIL ? 0 :
			 errhint("The type of the state is %s.", rama_sql_states(call))));
}

/*
 * rama_aggregate_bind() -- An aggregator for a place: a value of node, or
 * plain data; name is the place's for messages. types are those of the values,
 * as far as they are known (InvalidOid: not). In the current memory context.
 *
 * Errors: 42804 the aggregator is not for such places, 22023 options are
 * missing, 42703 they name a field that is not there.
 */
RamaAggregate *
rama_aggregate_bind(const RamaAggregatorCall *call, const RamaNode *node, const char *name,
					int ntypes, const Oid *types)
{
	RamaAggregate *aggregate = palloc_object(RamaAggregate);

	rama_aggregator_check(call);
	init_aggregate(aggregate, call, node, ntypes, types);
	if (!bind_place(aggregate))
		not_for_place(call, node, name);
	return aggregate;
}

/*
 * rama_aggregate_assign() -- Values of one that combines come with a type.
 * Error (42804) if there is no assignment cast.
 */
void
rama_aggregate_assign(RamaAggregate *aggregate, const char *name, Oid from, int32 typmod)
{
	const RamaType *place = &aggregate->place;

	if (aggregate->counts)
		from = INT8OID;
	if (!rama_assign_init(&aggregate->assign, from, typmod, &aggregate->argument))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("\"%s\" is of type %s but the value to merge into it is of type %s",
						name, format_type_with_typemod(place->oid, place->typmod),
						format_type_be(from)),
				 errhint("Cast the column of the query.")));
}

static inline bool
combine(RamaAggregate *aggregate, Datum *state, bool *isnull, Datum value)
{
	if (!aggregate->combine(aggregate, state, isnull, value))
		return false;
	if (aggregate->store)
		*state = rama_assign(&aggregate->to_place, *state, isnull);
	return true;
}

/*
 * rama_aggregate_value() -- Combine a value, as it comes (see
 * rama_aggregate_assign()), with the state of a place; false: the state stays
 * as it is. In the current memory context.
 *
 * Errors: 22003, those of casts and of constraints of domains.
 */
bool
rama_aggregate_value(RamaAggregate *aggregate, Datum *state, bool *isnull,
					 Datum value, bool value_isnull)
{
	if (aggregate->counts)
		value = Int64GetDatum(value_isnull ? 0 : 1);
	else if (value_isnull)
		return false;
	value = rama_assign(&aggregate->assign, value, &value_isnull);
	return !value_isnull && combine(aggregate, state, isnull, value);
}

/* rama_aggregate_input() -- The same for a value that a caller gave. */
bool
rama_aggregate_input(RamaAggregate *aggregate, Datum *state, bool *isnull,
					 const RamaInput *input)
{
	bool		isabsent = input->form == RAMA_INPUT_NULL ||
		(input->form == RAMA_INPUT_JSON && input->json.type == jbvNull);
	RamaInput	one = {.form = RAMA_INPUT_SQL, .type = INT8OID};
	Datum		value;

	if (aggregate->counts)
	{
		one.datum = Int64GetDatum(isabsent ? 0 : 1);
		input = &one;
	}
	else if (isabsent)
		return false;
	value = rama_input_to_type(input, &aggregate->argument, &isabsent);
	return !isabsent && combine(aggregate, state, isnull, value);
}

/* A value for the state at a target. */
typedef struct Combination
{
	RamaAggregate *aggregate;
	const RamaInput *input;
} Combination;

static bool
combine_at_target(void *arg, int i, Datum *state, bool *isnull)
{
	Combination *combination = arg;

	return rama_aggregate_input(combination->aggregate, state, isnull, combination->input);
}

/*
 * rama_aggregate_adds() -- Are states sums, so that they differ by what came?
 * Watchers are told that.
 */
bool
rama_aggregate_adds(const RamaAggregate *aggregate)
{
	return aggregate->combines &&
		(aggregate->call->aggregator->bind == rama_bind_sum ||
		 aggregate->call->aggregator->bind == rama_bind_count);
}

/*
 * rama_aggregate_apply() -- Combine values that a caller gave with what is at
 * a target, which is of the aggregate's node.
 *
 * Errors: those of conversions (22P02), of the aggregator and of writing.
 */
void
rama_aggregate_apply(RamaAggregate *aggregate, const RamaTarget *target,
					 const RamaInput *values)
{
	Combination combination = {aggregate, values};
	bool		adds = rama_aggregate_adds(aggregate);

	if (aggregate->combines)
		rama_target_update(target, 1, NULL, &aggregate->place, &adds, combine_at_target,
						   &combination);
	else
		aggregate->call->aggregator->apply(aggregate, target, values);
}

/* What is there before any value has come; false: nothing. */
static bool
initial_value(const RamaAggregate *aggregate, RamaInput *input)
{
	const RamaAggregator *aggregator = aggregate->call->aggregator;

	*input = (RamaInput) {.form = RAMA_INPUT_UNTYPED, .text = "0"};
	if (aggregator->apply == rama_apply_list)
		input->text = "[]";
	return aggregator->counts || aggregator->apply == rama_apply_list ||
		(aggregator->bind == rama_bind_sum && aggregate->base != INTERVALOID);
}

/*
 * rama_aggregate_nothing() -- No value has come: where nothing is at the
 * target, sum and count make it 0, and list empty, as they do in Rama.
 */
void
rama_aggregate_nothing(RamaAggregate *aggregate, const RamaTarget *target)
{
	RamaInput	zero;
	RamaFocus	place;

	if (!initial_value(aggregate, &zero))
		return;
	memset(&place, 0, sizeof(place));
	rama_target_focus(target, &place);
	if (!rama_focus_exists(&place, rama_write_snapshot()))
		rama_target_put(target, &zero);
}
