/*-------------------------------------------------------------------------
 *
 * aggregate_item.c
 *	  Items of top-monotonic and limit: their ids, and their order.
 *
 *-------------------------------------------------------------------------
 */
#include "path/aggregate.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/typcache.h"

static bool
is_plain(const RamaNode *node)
{
	return node == NULL || (node->kind == RAMA_SCALAR && node->type.oid == JSONBOID);
}

/* The schema of a part; error (42703) where the item has no such field. */
static const RamaNode *
part_node(const RamaNode *item, const char *name)
{
	if (name == NULL || item == NULL)
		return item;
	if (item->kind == RAMA_STRUCT)
		return item->children[rama_struct_field(item, name, strlen(name))];
	if (item->kind == RAMA_SCALAR && strcmp(name, item->name) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("items of type %s have no field \"%s\"",
						format_type_be(item->type.oid), name)));
	return item->kind == RAMA_SCALAR ? item : NULL;
}

/* Its type, where values of that can be compared; and its name in an item. */
static const char *
part_type(const RamaNode *item, const char *name, RamaType *type)
{
	const RamaNode *node = part_node(item, name);

	type->oid = InvalidOid;
	if (!is_plain(node) && node->kind == RAMA_SCALAR &&
		OidIsValid(lookup_type_cache(node->type.oid, TYPECACHE_CMP_PROC)->cmp_proc))
		*type = node->type;
	return item && node == item ? NULL : name;
}

/*
 * rama_ranking_make() -- How the items of a vector, or of plain data, are
 * ranked. Error (42703) where they do not have the fields.
 */
RamaRanking *
rama_ranking_make(const RamaAggregatorCall *call, const RamaNode *vector)
{
	RamaRanking    *ranking = palloc0_object(RamaRanking);

	ranking->amount = call->amount;
	ranking->ascending = call->ascending;
	ranking->node = is_plain(vector) || is_plain(vector->children[0]) ? NULL : vector->children[0];
	ranking->has_id = call->aggregator->takes == RAMA_TOP_OPTIONS;
	ranking->has_sort = ranking->has_id || call->sort || call->ordered;
	ranking->id_name = part_type(ranking->node, call->id, &ranking->id);
	ranking->sort_name = part_type(ranking->node, call->sort, &ranking->sort);
	return ranking;
}

static void
take_part(const JsonbValue *item, const char *name, const RamaType *type, RamaItemPart *part)
{
	RamaInput	input;
	bool		isnull;

	if (name == NULL)
		part->json = *item;
	else if (!rama_json_is_object(item) ||
			 getKeyJsonValueFromContainer(item->val.binary.data, name, strlen(name),
										  &part->json) == NULL)
		part->json.type = jbvNull;
	if (part->json.type == jbvNull || !OidIsValid(type->oid))
		return;
	rama_input_of_json(&input, &part->json);
	part->datum = rama_input_to_type(&input, type, &isnull);
}

/* rama_item_take() -- An item as it is stored, with its parts. */
void
rama_item_take(const RamaRanking *ranking, const JsonbValue *json, RamaItem *item)
{
	item->json = *json;
	if (ranking->has_id)
		take_part(json, ranking->id_name, &ranking->id, &item->id);
	if (ranking->has_sort)
		take_part(json, ranking->sort_name, &ranking->sort, &item->sort);
}

/*
 * rama_item_take_input() -- An item that a caller gave. Errors: those of
 * conversions, 22004 it has no id.
 */
void
rama_item_take_input(const RamaRanking *ranking, const RamaInput *input, RamaItem *item)
{
	JsonbValue	json;

	rama_input_conform(ranking->node, input, &json);
	rama_jsonb_to_json(rama_json_to_jsonb(&json), &json);
	rama_item_take(ranking, &json, item);
	if (ranking->has_id && item->id.json.type == jbvNull)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the id of an item must not be null")));
}

/* The order of two parts, nulls last. */
static int
compare_parts(const RamaItemPart *a, const RamaItemPart *b, const RamaType *type, bool ascending)
{
	int			order;

	if (a->json.type == jbvNull || b->json.type == jbvNull)
		return (a->json.type == jbvNull) - (b->json.type == jbvNull);
	if (OidIsValid(type->oid))
		order = rama_type_compare(type, a->datum, b->datum);
	else if (!rama_json_compare(&a->json, &b->json, &order))
		order = compareJsonbContainers(&rama_json_to_jsonb(&a->json)->root,
									   &rama_json_to_jsonb(&b->json)->root);
	return ascending ? order : order < 0 ? 1 : -order;
}

/*
 * rama_item_compare() -- Negative: a is better. Of equal scores the lesser id
 * is; without ids, none.
 */
int
rama_item_compare(const RamaRanking *ranking, const RamaItem *a, const RamaItem *b)
{
	int			order = 0;

	if (ranking->has_sort)
		order = compare_parts(&a->sort, &b->sort, &ranking->sort, ranking->ascending);
	if (order == 0 && ranking->has_id)
		order = compare_parts(&a->id, &b->id, &ranking->id, true);
	return order;
}

/* rama_item_same_id() -- Are they for the same id? */
bool
rama_item_same_id(const RamaRanking *ranking, const RamaItem *a, const RamaItem *b)
{
	return compare_parts(&a->id, &b->id, &ranking->id, true) == 0;
}
