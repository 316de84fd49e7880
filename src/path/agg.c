/*-------------------------------------------------------------------------
 *
 * agg.c
 *	  rama.agg(): combine values with what is at a place, by an aggregator, or
 *	  by several for fields of a struct.
 *
 *-------------------------------------------------------------------------
 */
#include "path/aggregate.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(rama_agg);

/* An aggregator with its values, and the field that it is for. */
typedef struct Part
{
	RamaAggregatorCall *call;
	const RamaInput *values;
	const RamaNode *field;
	RamaAggregate *aggregate;
} Part;

/* Those that combine with scalars of one struct. */
typedef struct Scalars
{
	int			n;
	Part	  **parts;
	const RamaNode **fields;
	RamaType   *types;
} Scalars;

static bool
is_plain(const RamaNode *node)
{
	return node == NULL || (node->kind == RAMA_SCALAR && node->type.oid == JSONBOID);
}

/* Keys */

static const RamaNode *
field_of(const RamaNode *node, const RamaInput *key)
{
	char	   *name = NULL;

	if (key->form == RAMA_INPUT_UNTYPED)
		name = unconstify(char *, key->text);
	else if (key->form == RAMA_INPUT_SQL && key->type == TEXTOID)
		name = TextDatumGetCString(key->datum);
	else if (key->form == RAMA_INPUT_JSON && key->json.type == jbvString)
		name = pnstrdup(key->json.val.string.val, key->json.val.string.len);
	for (int i = 0; name && i < node->nchildren; i++)
		if (strcmp(node->children[i]->name, name) == 0)
			return node->children[i];
	return NULL;
}

static bool
is_null(const RamaInput *input)
{
	return input->form == RAMA_INPUT_NULL ||
		(input->form == RAMA_INPUT_JSON && input->json.type == jbvNull);
}

/* Do so many of the arguments lead to a place? Navigators stand for keys. */
static bool
find_node(const RamaPState *pstate, const RamaArgs *args, int nkeys, const RamaNode **node)
{
	*node = pstate->root;
	for (int i = 0; i < nkeys; i++)
	{
		if (is_null(&args->inputs[i]))
			return false;
		if (is_plain(*node))
			continue;
		switch ((*node)->kind)
		{
			case RAMA_MAP:
			case RAMA_VECTOR:
				*node = (*node)->children[0];
				break;
			case RAMA_STRUCT:
				*node = field_of(*node, &args->inputs[i]);
				if (*node == NULL)
					return false;
				break;
			default:
				return false;
		}
	}
	return nkeys >= 0;
}

static bool
is_place_for(List *calls, const RamaNode *node)
{
	if (list_length(calls) > 1)
		return node && node->kind == RAMA_STRUCT;
	return rama_aggregator_fits(linitial(calls), node);
}

/* How many of the arguments are values? count may do without one. */
static int
count_values(const RamaPState *pstate, const RamaArgs *args, List *calls, bool *counted)
{
	const RamaNode *node;
	int			nvalues = 0;
	int			ncounts = 0;
	ListCell   *lc;

	foreach(lc, calls)
	{
		const RamaAggregatorCall *call = lfirst(lc);

		nvalues += call->nvalues;
		ncounts += call->aggregator->counts;
	}
	*counted = ncounts == 0 ||
		!find_node(pstate, args, args->count - nvalues + ncounts, &node) ||
		!is_place_for(calls, node);
	if (!*counted)
		nvalues -= ncounts;
	if (args->count < nvalues)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg_plural("%d value is needed, and %d arguments are given",
							   "%d values are needed, and %d arguments are given",
							   nvalues, nvalues, args->count),
				 errhint("The arguments are keys, then a value for each aggregator (key and value for \"map\").")));
	return nvalues;
}

/* The last argument, where options are not in parentheses. */
static void
take_options(List *calls, RamaArgs *args)
{
	RamaAggregatorCall *call = linitial(calls);

	if (list_length(calls) > 1 || call->aggregator->takes == RAMA_NO_OPTIONS ||
		call->hasoptions || args->count == 0)
		return;
	rama_aggregator_options(call, &args->inputs[--args->count]);
}

/* Aggregators and their values */

static void
set_values(Part *parts, List *calls, const RamaInput *values, bool counted)
{
	static const RamaInput one = {.form = RAMA_INPUT_SQL, .type = INT8OID, .datum = 1};
	int			n = 0;
	ListCell   *lc;

	foreach(lc, calls)
	{
		RamaAggregatorCall *call = lfirst(lc);

		parts->call = call;
		parts->values = values + n;
		if (call->aggregator->counts && !counted)
			parts->values = &one;
		else
			n += call->nvalues;
		parts++;
	}
}

static void
bind_part(Part *part, const RamaNode *node)
{
	int			n = part->call->nvalues;
	Oid		   *types = palloc_array(Oid, Max(n, 1));

	for (int i = 0; i < n; i++)
		types[i] = part->values[i].form == RAMA_INPUT_SQL ? part->values[i].type : InvalidOid;
	part->field = node;
	part->aggregate = rama_aggregate_bind(part->call, node, node ? node->name : "", n, types);
}

/* Fields in order, passing over those that the aggregator is not for. */
static void
find_fields(const RamaNode *node, Part *parts, int n)
{
	int			field = 0;

	for (int i = 0; i < n; i++)
	{
		while (field < node->nchildren &&
			   !rama_aggregator_fits(parts[i].call, node->children[field]))
			field++;
		if (field == node->nchildren)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("the struct has no field for aggregator \"%s\", the %d. of the list",
							parts[i].call->name, i + 1),
					 errdetail("Aggregators go to the fields in order. It needs %s.",
							   parts[i].call->aggregator->places)));
		bind_part(&parts[i], node->children[field++]);
	}
}

static bool
combine_scalar(void *arg, int i, Datum *state, bool *isnull)
{
	Scalars    *scalars = arg;

	return rama_aggregate_input(scalars->parts[i]->aggregate, state, isnull,
								scalars->parts[i]->values);
}

/* Scalars of a struct are written at once. */
static void
apply_scalars(const RamaTarget *target, Part *parts, int n)
{
	Scalars		scalars = {.n = 0};
	bool	   *adds = palloc_array(bool, n);

	scalars.parts = palloc_array(Part *, n);
	scalars.fields = palloc_array(const RamaNode *, n);
	scalars.types = palloc_array(RamaType, n);
	for (int i = 0; i < n; i++)
	{
		if (!parts[i].aggregate->combines || is_plain(parts[i].field))
			continue;
		scalars.parts[scalars.n] = &parts[i];
		scalars.fields[scalars.n] = parts[i].field;
		adds[scalars.n] = rama_aggregate_adds(parts[i].aggregate);
		scalars.types[scalars.n++] = parts[i].aggregate->place;
	}
	if (scalars.n > 0)
		rama_target_update(target, scalars.n, scalars.fields, scalars.types, adds,
						   combine_scalar, &scalars);
}

static void
apply_others(const RamaTarget *target, Part *parts, int n)
{
	for (int i = 0; i < n; i++)
	{
		RamaInput	key = {.form = RAMA_INPUT_UNTYPED};
		RamaTarget	field = *target;

		if (parts[i].aggregate->combines && !is_plain(parts[i].field))
			continue;
		key.text = parts[i].field->name;
		rama_target_go(&field, &key);
		rama_aggregate_apply(parts[i].aggregate, &field, parts[i].values);
	}
}

static void
apply_at_target(const RamaTarget *target, Part *parts, int n)
{
	const RamaNode *node = target->node;

	if (target->iselement && !parts[0].call->aggregator->removes)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an element of a set has no value")));
	if (n == 1)
	{
		bind_part(&parts[0], node);
		rama_aggregate_apply(parts[0].aggregate, target, parts[0].values);
		return;
	}
	if (node == NULL || node->kind != RAMA_STRUCT)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("several aggregators need a struct, and this is %s",
						node ? rama_shape_name(rama_shape_of_node(node)) : "plain data")));
	find_fields(node, parts, n);
	apply_scalars(target, parts, n);
	apply_others(target, parts, n);
}

static AclMode
needed_privileges(List *calls)
{
	AclMode		needed = ACL_INSERT | ACL_UPDATE;
	ListCell   *lc;

	foreach(lc, calls)
		if (((const RamaAggregatorCall *) lfirst(lc))->aggregator->removes)
			needed |= ACL_DELETE;
	return needed;
}

/*
 * rama.agg(pstate, aggregator, keys..., values... [, options])
 */
Datum
rama_agg(PG_FUNCTION_ARGS)
{
	Oid			relid;
	List	   *calls;
	Part	   *parts;
	RamaPState *pstate;
	RamaArgs	args;
	RamaTarget	target;
	RamaWhere	where;
	bool		counted;
	int			nvalues;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the PState, the aggregator and the keys must not be null")));
	relid = PG_GETARG_OID(0);
	calls = rama_aggregators_parse(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	parts = palloc0_array(Part, list_length(calls));
	rama_pstate_begin_write(rama_pstate_get(relid), needed_privileges(calls));
	/* It may have changed while we waited for the lock. */
	pstate = rama_pstate_get(relid);
	rama_args_of_array(PG_GETARG_ARRAYTYPE_P(2), &args);
	take_options(calls, &args);
	nvalues = count_values(pstate, &args, calls, &counted);
	args.count -= nvalues;
	rama_target_find(&target, pstate, &args, true);
	if (target.absent)
		PG_RETURN_VOID();
	rama_where_push(&where, "value", 0);
	set_values(parts, calls, &args.inputs[args.count], counted);
	apply_at_target(&target, parts, list_length(calls));
	rama_where_pop(&where);
	PG_RETURN_VOID();
}
