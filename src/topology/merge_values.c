/*-------------------------------------------------------------------------
 *
 * merge_values.c
 *	  Where the columns of a merging query go: values, to the leaf or to its
 *	  fields.
 *
 * See "Merge" in src/topology/README.md.
 *
 *-------------------------------------------------------------------------
 */
#include "topology/merge.h"

#include "catalog/pg_type.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* A value that columns can be merged into. */
struct MergeField
{
	char	   *name;
	const RamaNode *node;
	bool		taken;
	bool		whole;			/* it is the leaf, not a field */
};

/* An aggregator with the columns of its values. */
typedef struct Use
{
	const RamaAggregatorCall *call;
	int			column;			/* the first one, or -1 */
	int			ncolumns;
} Use;

/* Fields */

static void
add_field(MergeResolution *res, const RamaNode *node, const char *name)
{
	res->fields = repalloc_array(res->fields, MergeField, res->nfields + 1);
	res->fields[res->nfields++] = (MergeField)
	{
		.name = pstrdup(name),
		.node = node
	};
}

/*
 * The leaf itself, or the fields of a struct, as columns are named; structs
 * within it, before their fields.
 */
static void
find_fields(MergeResolution *res, const RamaNode *node, const char *prefix)
{
	if (node->kind != RAMA_STRUCT || prefix)
		add_field(res, node, prefix ? prefix : node->name ? node->name : "value");
	for (int i = 0; node->kind == RAMA_STRUCT && i < node->nchildren; i++)
	{
		const RamaNode *child = node->children[i];

		find_fields(res, child, prefix ? psprintf("%s_%s", prefix, child->name) : child->name);
	}
}

static MergeField *
field_by_name(MergeResolution *res, const char *name)
{
	for (int i = 0; i < res->nfields; i++)
		if (strcmp(res->fields[i].name, name) == 0)
			return &res->fields[i];
	return NULL;
}

/* The scalar of that place among the fields. */
static MergeField *
scalar_by_position(MergeResolution *res, int position)
{
	for (int i = 0; i < res->nfields; i++)
		if (res->fields[i].node->kind == RAMA_SCALAR && position-- == 0)
			return &res->fields[i];
	return NULL;
}

/* Where some are for other places: the next one that it is for. */
static MergeField *
next_field(MergeResolution *res, const RamaAggregatorCall *call, int *position)
{
	while (*position < res->nfields)
	{
		MergeField *field = &res->fields[(*position)++];

		if (rama_aggregator_fits(call, field->node))
			return field;
	}
	return NULL;
}

static const char *
column_name(MergeResolution *res, int column)
{
	return NameStr(TupleDescAttr(res->desc, column)->attname);
}

/* Of a key and a value, the value names the field. */
static const char *
use_name(MergeResolution *res, const Use *use)
{
	return column_name(res, use->column + use->ncolumns - 1);
}

/* Are the value columns named as different fields? */
static bool
all_by_name(MergeResolution *res, const Use *uses, int n)
{
	if (res->merge->leaf->kind != RAMA_STRUCT)
		return false;
	for (int i = 0; i < n; i++)
	{
		if (uses[i].ncolumns == 0)
			continue;
		if (field_by_name(res, use_name(res, &uses[i])) == NULL)
			return false;
		for (int j = 0; j < i; j++)
			if (uses[j].ncolumns > 0 &&
				strcmp(use_name(res, &uses[i]), use_name(res, &uses[j])) == 0)
				return false;
	}
	return true;
}

/* Items */

/* The struct whose fields may come as columns, of what is to be an item. */
static const RamaNode *
item_node(const RamaAggregatorCall *call, const RamaNode *node)
{
	if (call->aggregator->apply != rama_apply_list &&
		call->aggregator->apply != rama_apply_limit &&
		call->aggregator->apply != rama_apply_top)
		return NULL;
	if (node->kind == RAMA_STRUCT)
		node = node->children[rama_struct_field(node, "top", 3)];
	if (node->kind != RAMA_VECTOR || node->children[0]->kind != RAMA_STRUCT)
		return NULL;
	return node->children[0];
}

static bool
has_field(const RamaNode *item, const char *name)
{
	for (int i = 0; i < item->nchildren; i++)
		if (strcmp(name, item->children[i]->name) == 0)
			return true;
	return false;
}

/*
 * rama_merge_is_item() -- Are the columns behind so many keys fields of one
 * item, for an aggregator of items, at a place of the node?
 */
bool
rama_merge_is_item(MergeResolution *res, const RamaAggregatorCall *call, const RamaNode *node,
				   int nkeys)
{
	const RamaNode *item = item_node(call, node);

	if (item == NULL || nkeys == res->desc->natts)
		return false;
	for (int i = nkeys; i < res->desc->natts; i++)
		if (!has_field(item, column_name(res, i)))
			return false;
	return true;
}

/* Values */

static void
too_many(MergeResolution *res)
{
	int			nfields = 0;

	while (scalar_by_position(res, nfields))
		nfields++;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the query has %d columns, which is too many for \"%s\"",
					res->desc->natts, rama_relation_name(res->target)),
			 errdetail("There are %d keys, and fields for %d values.",
					   res->merge->nkeys, nfields)));
}

static void
no_field(MergeResolution *res, const RamaAggregatorCall *call)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("no field of \"%s\" is left for aggregator \"%s\"",
					rama_relation_name(res->target), call->name),
			 errdetail("It needs %s.", call->aggregator->places)));
}

/* Columns that are probably not meant to go where they go */
static void
point_out_doubts(MergeResolution *res, const Use *use, const MergeField *field)
{
	const char *name;

	if (!res->defining || use->ncolumns == 0 || use->ncolumns > use->call->nvalues)
		return;
	name = use_name(res, use);
	if (strcmp(name, field->name) != 0 && field_by_name(res, name) && !field->whole)
		ereport(NOTICE,
				(errmsg("column \"%s\" of the query is merged into field \"%s\"",
						name, field->name),
				 errdetail("Not all value columns are named as fields, so they are taken in order.")));
	if (use->call->aggregator->counts && strcmp(name, "count") == 0)
		ereport(NOTICE,
				(errmsg("aggregator \"count\" counts the rows that the query returns"),
				 errhint("To add up the numbers in column \"%s\", use \"sum\".", name)));
}

/* It combines its value with a scalar as that is stored. */
static bool
is_value(const RamaAggregate *aggregate)
{
	return aggregate->combines && aggregate->node->kind == RAMA_SCALAR &&
		aggregate->place.oid == aggregate->node->type.oid;
}

static void
find_levels(const RamaNode *node, MergeLevels *levels)
{
	int			i;

	for (const RamaNode *n = node; n->parent; n = n->parent)
		levels->count++;
	levels->nodes = palloc_array(const RamaNode *, Max(levels->count, 1));
	i = levels->count;
	for (const RamaNode *n = node; n->parent; n = n->parent)
		levels->nodes[--i] = n;
}

static void
add_value(RamaMerge *merge, const Use *use, const MergeField *field, RamaAggregate *aggregate)
{
	MergeValue *value = &merge->values[merge->nvalues++];
	Form_pg_attribute att = use->ncolumns == 0 ? NULL : TupleDescAttr(merge->desc, use->column);

	value->column = use->ncolumns == 0 ? -1 : use->column;
	value->name = field->name;
	value->node = field->node;
	value->aggregate = aggregate;
	value->adds = rama_aggregate_adds(aggregate);
	find_levels(field->node, &value->levels);
	rama_aggregate_assign(aggregate, field->name, att ? att->atttypid : InvalidOid,
						  att ? att->atttypmod : -1);
}

/* Can values of a type be assigned to one, or the elements of an array? */
static bool
is_assignable(Oid from, Oid to)
{
	Oid			base = getBaseType(from);
	Oid			element = get_element_type(base);

	return base == JSONBOID || to == JSONBOID ||
		can_coerce_type(1, &from, &to, COERCION_ASSIGNMENT) ||
		(OidIsValid(element) && can_coerce_type(1, &element, &to, COERCION_ASSIGNMENT));
}

/* Can it be converted to a collection or struct? */
static bool
is_document(Oid type)
{
	Oid			base = getBaseType(type);

	return base == JSONBOID || base == JSONOID || base == TEXTOID || base == VARCHAROID ||
		OidIsValid(get_element_type(base)) || type_is_rowtype(base);
}

static void
check_type(const MergePlace *place, const RamaNode *node, const RamaType *type, Oid from)
{
	if (node && node->kind != RAMA_SCALAR ? is_document(from) :
		is_assignable(from, type ? type->oid : node->type.oid))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("a value of type %s cannot be merged into \"%s\" by \"%s\"",
					format_type_be(from), place->name, place->aggregate->call->name),
			 errhint("Cast the column of the query.")));
}

/* Are the columns of types that can be put where the aggregator puts them? */
static void
check_types(const MergePlace *place, const Oid *types)
{
	const RamaAggregate *aggregate = place->aggregate;
	const RamaAggregator *aggregator = aggregate->call->aggregator;
	const RamaNode *node = place->node;

	if (place->ncolumns == 0 || place->item || aggregate->call->functions ||
		node->kind == RAMA_SCALAR)
		return;
	if (aggregator->apply == rama_apply_average)
		check_type(place, aggregate->fields[0], NULL, types[0]);
	else if (aggregator->apply == rama_apply_top && node->kind == RAMA_STRUCT)
		check_type(place, aggregate->fields[0]->children[0], NULL, types[0]);
	else if (aggregator->apply == rama_apply_list || aggregator->apply == rama_apply_limit ||
			 aggregator->apply == rama_apply_top)
		check_type(place, node->children[0], NULL, types[0]);
	else if (aggregator->apply == rama_apply_last || aggregator->apply == rama_apply_first ||
			 aggregator->apply == rama_apply_merge)
		check_type(place, node, NULL, types[0]);
	else
		check_type(place, NULL, &node->key, types[0]);
	if (place->ncolumns == 2)
		check_type(place, node->children[0], NULL, types[1]);
}

static void
add_place(RamaMerge *merge, const Use *use, const MergeField *field, RamaAggregate *aggregate,
		  const Oid *types)
{
	MergePlace *place = &merge->places[merge->nplaces++];

	place->column = use->column;
	place->ncolumns = use->ncolumns;
	place->item = use->ncolumns > use->call->nvalues;
	place->name = field->name;
	place->node = field->node;
	place->aggregate = aggregate;
	find_levels(field->node, &place->levels);
	check_types(place, types);
	merge->removes |= use->call->aggregator->removes;
	merge->documents |= field->node->storage == RAMA_IN_COLUMN &&
		field->node->kind != RAMA_SCALAR;
}

static void
add_use(MergeResolution *res, const Use *use, MergeField *field)
{
	RamaAggregate *aggregate;
	Oid		   *types = palloc_array(Oid, Max(use->ncolumns, 1));

	if (field == NULL && use->call->aggregator->bind == NULL)
		no_field(res, use->call);
	if (field == NULL)
		too_many(res);
	if (field->taken)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("two values would be merged into \"%s\"", field->name),
				 errhint("Give the query a column for each aggregator, with the name of its field; for \"count\", such as 1 AS %s.",
						 quote_identifier(field->name))));
	if (field->node->kind != RAMA_SCALAR && !rama_aggregator_fits(use->call, field->node))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("\"%s\" is %s, into which \"%s\" cannot merge a value", field->name,
						rama_shape_name(rama_shape_of_node(field->node)), use->call->name),
				 field->node->storage == RAMA_IN_TABLE ?
				 errhint("To merge into its entries, give its table, \"%s\", as target.",
						 field->node->table->name) : 0));
	point_out_doubts(res, use, field);
	field->taken = true;
	for (int i = 0; i < use->ncolumns; i++)
		types[i] = TupleDescAttr(res->desc, use->column + i)->atttypid;
	aggregate = rama_aggregate_bind(use->call, field->node, field->name,
									use->ncolumns == use->call->nvalues ? use->ncolumns : 0, types);
	if (is_value(aggregate))
		add_value(res->merge, use, field, aggregate);
	else
		add_place(res->merge, use, field, aggregate, types);
}

/* Uses */

static void
wrong_number(int naggregators, int nvalues)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("number of value columns (%d) does not fit number of aggregators (%d)",
					nvalues, naggregators),
			 errhint("Give one aggregator for all, or one for each; only \"count\" does without a column, and \"map\" has two.")));
}

/* One aggregator: for all value columns. */
static Use *
repeat_use(MergeResolution *res, const RamaAggregatorCall *call, int *n)
{
	int			nkeys = res->merge->nkeys;
	int			ncolumns = res->desc->natts - nkeys;
	bool		without = ncolumns == 0 && call->aggregator->counts;
	Use		   *uses = palloc0_array(Use, Max(ncolumns, 1));

	*n = without || call->nvalues == 0 ? 1 : ncolumns / call->nvalues;
	if (!without && (call->nvalues == 0 ? ncolumns != 0 :
					 ncolumns == 0 || ncolumns % call->nvalues != 0))
		wrong_number(1, ncolumns);
	for (int i = 0; i < *n; i++)
		uses[i] = (Use) {call, nkeys + i * call->nvalues, without ? 0 : call->nvalues};
	return uses;
}

/* Each has its columns; those that count rows may have none. */
static Use *
list_uses(MergeResolution *res, List *calls)
{
	Use		   *uses = palloc0_array(Use, list_length(calls));
	int			ncolumns = res->desc->natts - res->merge->nkeys;
	int			column = res->merge->nkeys;
	int			wanted = 0;
	int			ncounts = 0;
	int			n = 0;
	ListCell   *lc;

	foreach(lc, calls)
	{
		wanted += ((const RamaAggregatorCall *) lfirst(lc))->nvalues;
		ncounts += ((const RamaAggregatorCall *) lfirst(lc))->aggregator->counts;
	}
	if (ncolumns != wanted && ncolumns != wanted - ncounts)
		wrong_number(list_length(calls), ncolumns);
	foreach(lc, calls)
	{
		const RamaAggregatorCall *call = lfirst(lc);
		bool		without = ncolumns < wanted && call->aggregator->counts;

		uses[n++] = (Use) {call, column, without ? 0 : call->nvalues};
		column += without ? 0 : call->nvalues;
	}
	return uses;
}

static bool
are_all_scalar(const Use *uses, int n)
{
	for (int i = 0; i < n; i++)
		if (uses[i].call->aggregator->bind == NULL)
			return false;
	return true;
}

/* One aggregator, for the leaf as a whole: a set, a struct of a certain form. */
static bool
use_whole(MergeResolution *res, const RamaAggregatorCall *call)
{
	RamaMerge  *merge = res->merge;
	int			nkeys = merge->nkeys;
	MergeField	whole = {.node = merge->leaf, .whole = true};
	Use			use = {call, nkeys, res->desc->natts - nkeys};

	if (call == NULL || (merge->leaf->kind == RAMA_STRUCT &&
						 !rama_aggregator_fits(call, merge->leaf)))
		return false;
	if (use.ncolumns != call->nvalues && !rama_merge_is_item(res, call, merge->leaf, nkeys))
	{
		if (merge->leaf->kind == RAMA_STRUCT)
			return false;
		wrong_number(1, use.ncolumns);
	}
	whole.name = merge->leaf->kind == RAMA_SCALAR && merge->leaf->name ? merge->leaf->name :
		get_rel_name(res->target);
	merge->places = palloc0_array(MergePlace, 1);
	add_use(res, &use, &whole);
	return true;
}

/*
 * rama_merge_values() -- Bind the columns behind the keys to the leaf, or to
 * its fields. Errors: 22023, 42804.
 */
void
rama_merge_values(MergeResolution *res, List *calls)
{
	RamaMerge  *merge = res->merge;
	int			n = list_length(calls);
	int			position = 0;
	bool		by_name;
	Use		   *uses;

	if (use_whole(res, rama_merge_only(calls)))
		return;
	uses = n == 1 ? repeat_use(res, linitial(calls), &n) : list_uses(res, calls);
	res->fields = palloc0_array(MergeField, 1);
	find_fields(res, merge->leaf, NULL);
	by_name = all_by_name(res, uses, n);
	merge->values = palloc0_array(MergeValue, n);
	merge->places = palloc0_array(MergePlace, n);
	for (int i = 0; i < n; i++)
	{
		if (by_name && uses[i].ncolumns > 0)
			add_use(res, &uses[i], field_by_name(res, use_name(res, &uses[i])));
		else if (are_all_scalar(uses, n))
			add_use(res, &uses[i], scalar_by_position(res, i));
		else
			add_use(res, &uses[i], next_field(res, uses[i].call, &position));
	}
}
