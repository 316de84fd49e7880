/*-------------------------------------------------------------------------
 *
 * aggregate_top.c
 *	  top-monotonic: the best items, one for each id; limit: so many items.
 *
 * A vector holds the n best items, the best one first. That is exact as long as
 * scores do not get worse: an id whose item was once displaced is not known any
 * more. With struct(top: vector(item), rest: map(id: ..., item)) it is: rest
 * has the newest item of every id that is not in top, and none that is better
 * than the last one there. When an item in top gets worse, the best one of rest
 * may take its place.
 *
 *-------------------------------------------------------------------------
 */
#include "path/aggregate.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

enum
{
	TOP,
	REST
};

/* An item, with what it is known and ranked by. */
typedef struct Part
{
	JsonbValue	json;
	Datum		datum;			/* where it has a type */
} Part;

typedef struct TopItem
{
	JsonbValue	json;
	Part		id;
	Part		sort;
} TopItem;

/* How items are taken apart and ranked. */
struct RamaRanking
{
	int64		amount;
	bool		ascending;
	const RamaNode *node;		/* of the items; NULL: plain data */
	bool		has_id;
	bool		has_sort;
	const char *id_name;		/* NULL: the item as a whole */
	const char *sort_name;
	RamaType	id;				/* oid 0: JSON without a type */
	RamaType	sort;
};

typedef struct RamaRanking Ranking;

/* An item that comes, and what becomes of its place. */
typedef struct Placing
{
	const Ranking *ranking;
	TopItem		item;
	const RamaTarget *rest;		/* NULL: there is none */
	int			count;			/* items in the vector */
	TopItem	   *items;
	bool		goes_to_rest;	/* not into the vector */
	int			ndisplaced;
	const TopItem *displaced;		/* from the vector to rest */
	const TopItem *promoted;		/* from rest to the vector; NULL: none */
} Placing;

static bool
is_plain(const RamaNode *node)
{
	return node == NULL || (node->kind == RAMA_SCALAR && node->type.oid == JSONBOID);
}

static bool
is_null(const RamaInput *input)
{
	return input->form == RAMA_INPUT_NULL ||
		(input->form == RAMA_INPUT_JSON && input->json.type == jbvNull);
}

/* Items */

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

static Ranking *
make_ranking(const RamaAggregatorCall *call, const RamaNode *vector)
{
	Ranking    *ranking = palloc0_object(Ranking);

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
take_part(const JsonbValue *item, const char *name, const RamaType *type, Part *part)
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

/* An item as it is stored. */
static void
take_item(const Ranking *ranking, const JsonbValue *json, TopItem *item)
{
	item->json = *json;
	if (ranking->has_id)
		take_part(json, ranking->id_name, &ranking->id, &item->id);
	if (ranking->has_sort)
		take_part(json, ranking->sort_name, &ranking->sort, &item->sort);
}

static void
take_input(const Ranking *ranking, const RamaInput *input, TopItem *item)
{
	JsonbValue	json;

	rama_input_conform(ranking->node, input, &json);
	rama_jsonb_to_json(rama_json_to_jsonb(&json), &json);
	take_item(ranking, &json, item);
	if (ranking->has_id && item->id.json.type == jbvNull)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the id of an item must not be null")));
}

/* The order of two parts, nulls last. */
static int
compare_parts(const Part *a, const Part *b, const RamaType *type, bool ascending)
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

/* Negative: a is better. Of equal scores the lesser id is; without ids, none. */
static int
compare_items(const Ranking *ranking, const TopItem *a, const TopItem *b)
{
	int			order = 0;

	if (ranking->has_sort)
		order = compare_parts(&a->sort, &b->sort, &ranking->sort, ranking->ascending);
	if (order == 0 && ranking->has_id)
		order = compare_parts(&a->id, &b->id, &ranking->id, true);
	return order;
}

static bool
same_id(const Ranking *ranking, const TopItem *a, const TopItem *b)
{
	return compare_parts(&a->id, &b->id, &ranking->id, true) == 0;
}

/* Rest */

/* Keep it, if it is the best one so far. */
static void
consider(const Placing *placing, const JsonbValue *json, MemoryContext context, TopItem **best)
{
	const Ranking *ranking = placing->ranking;
	MemoryContext old;
	TopItem		item;

	take_item(ranking, json, &item);
	if (same_id(ranking, &item, &placing->item) ||
		(*best && compare_items(ranking, *best, &item) <= 0))
		return;
	old = MemoryContextSwitchTo(context);
	if (*best == NULL)
		*best = palloc_object(TopItem);
	rama_jsonb_to_json(rama_json_to_jsonb(json), &item.json);
	take_item(ranking, &item.json, *best);
	MemoryContextSwitchTo(old);
}

/* One with a table: all its rows are read. */
static void
consider_rows(const Placing *placing, RamaFocus *rest, Snapshot snapshot, TopItem **best)
{
	const RamaNode *map = rest->node;
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(outer, "pg_rama top row",
												  ALLOCSET_SMALL_SIZES);
	RamaScan   *scan = rama_focus_scan(rest, false, snapshot);
	TupleTableSlot *slot;

	while ((slot = rama_scan_next(scan)) != NULL)
	{
		RamaFocus	value;
		RamaPlaceRow *row;
		JsonbValue	json;

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(context);
		row = rama_row_copy(map->table, slot);
		memset(&value, 0, sizeof(value));
		rama_focus_node(&value, map->children[0], row, row->keys);
		if (rama_focus_to_json(&value, snapshot, &json))
		{
			rama_jsonb_to_json(rama_json_to_jsonb(&json), &json);
			consider(placing, &json, outer, best);
		}
		MemoryContextSwitchTo(outer);
		MemoryContextReset(context);
	}
	rama_scan_end(scan);
	MemoryContextDelete(context);
}

/* The best item in rest but the one that comes; NULL: there is none. */
static TopItem *
best_of_rest(const Placing *placing)
{
	Snapshot	snapshot = RegisterSnapshot(rama_write_snapshot());
	TopItem	   *best = NULL;
	RamaFocus	rest;

	memset(&rest, 0, sizeof(rest));
	rama_target_focus(placing->rest, &rest);
	rama_focus_load(&rest, snapshot);
	if (rest.at == RAMA_AT_ROWS)
		consider_rows(placing, &rest, snapshot, &best);
	else if (rest.at == RAMA_AT_JSON)
	{
		RamaEntries *entries = rama_entries_of_json(rest.node, &rest.json, RAMA_MAP);

		for (int i = 0; i < entries->count; i++)
			consider(placing, &entries->entry[i].value, CurrentMemoryContext, &best);
	}
	UnregisterSnapshot(snapshot);
	return best;
}

static void
go_rest(const Placing *placing, const TopItem *item, RamaTarget *entry)
{
	RamaInput	key;

	rama_input_of_json(&key, &item->id.json);
	*entry = *placing->rest;
	rama_target_go(entry, &key);
}

static void
put_rest(const Placing *placing, const TopItem *item)
{
	RamaTarget	entry;
	RamaInput	input;

	go_rest(placing, item, &entry);
	rama_input_of_json(&input, &item->json);
	rama_target_put(&entry, &input);
}

static void
remove_rest(const Placing *placing, const TopItem *item)
{
	RamaTarget	entry;

	go_rest(placing, item, &entry);
	(void) rama_target_remove(&entry);
}

/* The vector */

static void
load_items(Placing *placing, const JsonbValue *old)
{
	RamaEntries *entries = rama_entries_of_json(NULL, old, RAMA_VECTOR);

	placing->count = entries->count;
	placing->items = palloc_array(TopItem, entries->count + 2);
	for (int i = 0; i < entries->count; i++)
		take_item(placing->ranking, &entries->entry[i].value, &placing->items[i]);
}

static void
store_items(const Placing *placing, JsonbValue *new)
{
	new->type = jbvArray;
	new->val.array.rawScalar = false;
	new->val.array.nElems = placing->count;
	new->val.array.elems = palloc_array(JsonbValue, Max(placing->count, 1));
	for (int i = 0; i < placing->count; i++)
		new->val.array.elems[i] = placing->items[i].json;
}

/* Take out the item with the id of the one that comes; where it was, or -1. */
static int
take_out(Placing *placing, TopItem *old)
{
	for (int i = 0; i < placing->count; i++)
	{
		if (!same_id(placing->ranking, &placing->items[i], &placing->item))
			continue;
		*old = placing->items[i];
		placing->count--;
		memmove(&placing->items[i], &placing->items[i + 1],
				sizeof(TopItem) * (placing->count - i));
		return i;
	}
	return -1;
}

/* Where it goes: behind those that are as good. */
static int
put_in(Placing *placing, const TopItem *item)
{
	int			at = placing->count;

	while (at > 0 && compare_items(placing->ranking, item, &placing->items[at - 1]) < 0)
		at--;
	memmove(&placing->items[at + 1], &placing->items[at],
			sizeof(TopItem) * (placing->count - at));
	placing->items[at] = *item;
	placing->count++;
	return at;
}

/* What is beyond the n best goes. */
static void
cut(Placing *placing)
{
	int64		amount = placing->ranking->amount;

	if (placing->count <= amount)
		return;
	placing->ndisplaced = placing->count - amount;
	placing->displaced = &placing->items[amount];
	placing->count = amount;
}

/* An item in the vector got worse, or there is room: is one of rest better? */
static void
promote(Placing *placing)
{
	TopItem	   *best = best_of_rest(placing);

	if (best == NULL ||
		(placing->count == placing->ranking->amount &&
		 compare_items(placing->ranking, best, &placing->items[placing->count - 1]) > 0))
		return;
	placing->promoted = best;
	(void) put_in(placing, best);
	cut(placing);
}

static bool
place_item(void *arg, const RamaNode *node, const JsonbValue *old, JsonbValue *new)
{
	Placing    *placing = arg;
	int64		amount = placing->ranking->amount;
	TopItem		before;
	int			was = -1;
	int			at;

	if (old && !rama_json_is_array(old))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("a JSON %s is no vector", rama_json_kind(old))));
	load_items(placing, old);
	if (placing->ranking->has_id)
		was = take_out(placing, &before);
	at = put_in(placing, &placing->item);
	if (at >= amount)
	{
		placing->goes_to_rest = was < 0;
		if (was < 0)
			return false;
	}
	if (was == at && rama_json_equal(&before.json, &placing->item.json))
		return false;
	cut(placing);
	if (placing->rest && placing->ndisplaced == 0 &&
		(placing->count < amount ||
		 (was >= 0 && at == placing->count - 1 &&
		  compare_items(placing->ranking, &before, &placing->item) < 0)))
		promote(placing);
	store_items(placing, new);
	return true;
}

static void
apply_in(const Ranking *ranking, const RamaTarget *vector, const RamaTarget *rest,
		 const RamaInput *input)
{
	Placing		placing = {.ranking = ranking, .rest = rest};

	take_input(ranking, input, &placing.item);
	rama_target_change(vector, place_item, &placing);
	if (rest == NULL)
		return;
	if (placing.goes_to_rest)
	{
		put_rest(&placing, &placing.item);
		return;
	}
	/* Its older item. */
	remove_rest(&placing, &placing.item);
	if (placing.promoted)
		remove_rest(&placing, placing.promoted);
	for (int i = 0; i < placing.ndisplaced; i++)
		put_rest(&placing, &placing.displaced[i]);
}

/* struct(top: vector(item), rest: map(id: ..., item)) */
static bool
fits_struct(RamaAggregate *aggregate)
{
	const RamaNode *node = aggregate->node;

	for (int i = 0; i < node->nchildren; i++)
	{
		const RamaNode *field = node->children[i];

		if (strcmp(field->name, "top") == 0 && field->kind == RAMA_VECTOR)
			aggregate->fields[TOP] = field;
		else if (strcmp(field->name, "rest") == 0 && field->kind == RAMA_MAP)
			aggregate->fields[REST] = field;
		else
			return false;
	}
	return aggregate->fields[TOP] && aggregate->fields[REST];
}

/* A vector, or a struct of a vector and the rest. */
bool
rama_fits_top(RamaAggregate *aggregate)
{
	const RamaNode *node = aggregate->node;

	if (!is_plain(node) && node->kind != RAMA_VECTOR &&
		(node->kind != RAMA_STRUCT || !fits_struct(aggregate)))
		return false;
	aggregate->ranking = make_ranking(aggregate->call,
									  aggregate->fields[TOP] ? aggregate->fields[TOP] : node);
	return true;
}

static void
go_field(const RamaTarget *target, const RamaNode *field, RamaTarget *place)
{
	RamaInput	key = {.form = RAMA_INPUT_UNTYPED, .text = field->name};

	*place = *target;
	rama_target_go(place, &key);
}

/* The newest item of each id: it, or what it displaces, goes to its place. */
void
rama_apply_top(RamaAggregate *aggregate, const RamaTarget *target, const RamaInput *values)
{
	RamaTarget	top = *target;
	RamaTarget	rest;

	if (is_null(&values[0]))
		return;
	if (aggregate->fields[TOP])
	{
		go_field(target, aggregate->fields[TOP], &top);
		go_field(target, aggregate->fields[REST], &rest);
	}
	apply_in(aggregate->ranking, &top, aggregate->fields[REST] ? &rest : NULL, &values[0]);
}

bool
rama_fits_limit(RamaAggregate *aggregate)
{
	if (!is_plain(aggregate->node) && aggregate->node->kind != RAMA_VECTOR)
		return false;
	aggregate->ranking = make_ranking(aggregate->call, aggregate->node);
	return true;
}

/* Without sort: nothing comes once there are n. */
static bool
is_full(const RamaAggregate *aggregate, const RamaTarget *target)
{
	RamaFocus	place;

	memset(&place, 0, sizeof(place));
	rama_target_focus(target, &place);
	return rama_focus_count(&place, rama_write_snapshot()) >= aggregate->call->amount;
}

/* So many items: the first ones, or the first in the order of sort. */
void
rama_apply_limit(RamaAggregate *aggregate, const RamaTarget *target, const RamaInput *values)
{
	if (is_null(&values[0]))
		return;
	if (aggregate->ranking->has_sort)
		apply_in(aggregate->ranking, target, NULL, &values[0]);
	else if (!is_full(aggregate, target))
		(void) rama_target_push(target, &values[0]);
}
