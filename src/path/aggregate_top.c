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

enum
{
	TOP,
	REST
};

/* An item that comes, and what becomes of its place. */
typedef struct Placing
{
	const RamaRanking *ranking;
	RamaItem		item;
	const RamaTarget *rest;		/* NULL: there is none */
	int			count;			/* items in the vector */
	RamaItem	   *items;
	bool		goes_to_rest;	/* not into the vector */
	int			ndisplaced;
	const RamaItem *displaced;		/* from the vector to rest */
	const RamaItem *promoted;		/* from rest to the vector; NULL: none */
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

/* Rest */

/* Keep it, if it is the best one so far. */
static void
consider(const Placing *placing, const JsonbValue *json, MemoryContext context, RamaItem **best)
{
	const RamaRanking *ranking = placing->ranking;
	MemoryContext old;
	RamaItem		item;

	rama_item_take(ranking, json, &item);
	if (rama_item_same_id(ranking, &item, &placing->item) ||
		(*best && rama_item_compare(ranking, *best, &item) <= 0))
		return;
	old = MemoryContextSwitchTo(context);
	if (*best == NULL)
		*best = palloc_object(RamaItem);
	rama_jsonb_to_json(rama_json_to_jsonb(json), &item.json);
	rama_item_take(ranking, &item.json, *best);
	MemoryContextSwitchTo(old);
}

/* One with a table: all its rows are read. */
static void
consider_rows(const Placing *placing, RamaFocus *rest, Snapshot snapshot, RamaItem **best)
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
static RamaItem *
best_of_rest(const Placing *placing)
{
	Snapshot	snapshot = RegisterSnapshot(rama_write_snapshot());
	RamaItem	   *best = NULL;
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
go_rest(const Placing *placing, const RamaItem *item, RamaTarget *entry)
{
	RamaInput	key;

	rama_input_of_json(&key, &item->id.json);
	*entry = *placing->rest;
	rama_target_go(entry, &key);
}

static void
put_rest(const Placing *placing, const RamaItem *item)
{
	RamaTarget	entry;
	RamaInput	input;

	go_rest(placing, item, &entry);
	rama_input_of_json(&input, &item->json);
	rama_target_put(&entry, &input);
}

static void
remove_rest(const Placing *placing, const RamaItem *item)
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
	placing->items = palloc_array(RamaItem, entries->count + 2);
	for (int i = 0; i < entries->count; i++)
		rama_item_take(placing->ranking, &entries->entry[i].value, &placing->items[i]);
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
take_out(Placing *placing, RamaItem *old)
{
	for (int i = 0; i < placing->count; i++)
	{
		if (!rama_item_same_id(placing->ranking, &placing->items[i], &placing->item))
			continue;
		*old = placing->items[i];
		placing->count--;
		memmove(&placing->items[i], &placing->items[i + 1],
				sizeof(RamaItem) * (placing->count - i));
		return i;
	}
	return -1;
}

/* Where it goes: behind those that are as good. */
static int
put_in(Placing *placing, const RamaItem *item)
{
	int			at = placing->count;

	while (at > 0 && rama_item_compare(placing->ranking, item, &placing->items[at - 1]) < 0)
		at--;
	memmove(&placing->items[at + 1], &placing->items[at],
			sizeof(RamaItem) * (placing->count - at));
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
	RamaItem	   *best = best_of_rest(placing);

	if (best == NULL ||
		(placing->count == placing->ranking->amount &&
		 rama_item_compare(placing->ranking, best, &placing->items[placing->count - 1]) > 0))
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
	RamaItem		before;
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
		  rama_item_compare(placing->ranking, &before, &placing->item) < 0)))
		promote(placing);
	store_items(placing, new);
	return true;
}

static void
apply_in(const RamaRanking *ranking, const RamaTarget *vector, const RamaTarget *rest,
		 const RamaInput *input)
{
	Placing		placing = {.ranking = ranking, .rest = rest};

	rama_item_take_input(ranking, input, &placing.item);
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
	aggregate->ranking = rama_ranking_make(aggregate->call,
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

/* rama_fits_limit() -- A vector of items, or an array in plain data. */
bool
rama_fits_limit(RamaAggregate *aggregate)
{
	if (!is_plain(aggregate->node) && aggregate->node->kind != RAMA_VECTOR)
		return false;
	aggregate->ranking = rama_ranking_make(aggregate->call, aggregate->node);
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
