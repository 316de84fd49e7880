/*-------------------------------------------------------------------------
 *
 * transform_place.c
 *	  A path applied to a stored place: a PState, a collection with a table
 *	  or a part of it, an entry, a struct in a row.
 *
 * A place is a focus from which nothing has been read: what it names changes
 * while the path is applied. As long as the steps address stored entries, they
 * are walked row by row. A value within a row, and what a step needs whole, is
 * changed in memory, and only what differs is written back.
 *
 *-------------------------------------------------------------------------
 */
#include "path/transform.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

/*
 * rama_reading_begin() -- What is read from here on has a snapshot that sees
 * all that was written; to rama_reading_end().
 */
void
rama_reading_begin(RamaTransform *transform)
{
	transform->reading.snapshot = RegisterSnapshot(rama_write_snapshot());
}

/* rama_reading_end() -- Let that snapshot go. */
void
rama_reading_end(RamaTransform *transform)
{
	UnregisterSnapshot(transform->reading.snapshot);
	transform->reading.snapshot = NULL;
}

static RamaPlaceRow *
new_row(RamaTable *table, Datum *keys)
{
	RamaPlaceRow *row = palloc0(sizeof(RamaPlaceRow));

	row->table = table;
	row->keys = keys;
	row->context = CurrentMemoryContext;
	return row;
}

/* rama_place_fresh() -- The same place, to be read as it is now. */
void
rama_place_fresh(const RamaFocus *place, RamaFocus *fresh)
{
	*fresh = *place;
	if (place->at == RAMA_AT_ROW)
		fresh->row = new_row(place->row->table, place->row->keys);
	else if (place->at == RAMA_AT_ROWS)
		fresh->row = NULL;
	else if (place->at == RAMA_AT_PAIR)
	{
		fresh->second = palloc(sizeof(RamaFocus));
		rama_place_fresh(place->second, fresh->second);
	}
}

/*
 * rama_place_entry() -- The value at a key of a map or vector with a table,
 * with what was collected before.
 */
void
rama_place_entry(const RamaNode *node, const Datum *prefix, Datum key,
				 const RamaFocus *from, RamaFocus *place)
{
	RamaTable  *table = node->table;
	Datum	   *keys = palloc(sizeof(Datum) * table->nkeys);

	if (table->nkeys > 1)
		memcpy(keys, prefix, sizeof(Datum) * (table->nkeys - 1));
	keys[table->nkeys - 1] = key;
	memset(place, 0, sizeof(RamaFocus));
	rama_focus_node(place, node->children[0], new_row(table, keys), keys);
	place->collected = from->collected;
}

static bool
is_stored(const RamaFocus *place)
{
	switch (place->at)
	{
		case RAMA_AT_ROWS:
			return true;
		case RAMA_AT_ROW:
			return place->node->storage == RAMA_IN_ROW;
		case RAMA_AT_PAIR:
			return place->second->at == RAMA_AT_ROWS || place->second->at == RAMA_AT_ROW;
		default:
			return false;
	}
}

static void
load_json(RamaTransform *transform, const RamaFocus *place, JsonbValue *json)
{
	RamaFocus	fresh;

	rama_place_fresh(place, &fresh);
	rama_reading_begin(transform);
	if (!rama_focus_to_json(&fresh, transform->reading.snapshot, json))
		json->type = jbvNull;
	/* A copy, which does not point into the row. */
	rama_jsonb_to_json(rama_json_to_jsonb(json), json);
	rama_reading_end(transform);
}

/*
 * rama_place_load() -- The value at a place, in memory. Error (54000) past
 * pg_rama.max_value_elements.
 */
void
rama_place_load(RamaTransform *transform, const RamaFocus *place, RamaFocus *value)
{
	const RamaNode *node = place->node;
	JsonbValue	json;

	*value = *place;
	if (place->at == RAMA_AT_PAIR)
	{
		value->second = palloc0(sizeof(RamaFocus));
		rama_place_load(transform, place->second, value->second);
		return;
	}
	load_json(transform, place, &json);
	value->ispart = false;
	if (place->at == RAMA_AT_ROWS && place->ispart)
		rama_entries_focus(value, rama_entries_given(node, &json));
	else
		rama_value_set(value, rama_shape_of_node(node).node, &json);
}

static RamaOutcome
store_row(RamaTransform *transform, const RamaFocus *place, RamaFocus *old, RamaFocus *value)
{
	RamaInput	input = {.form = RAMA_INPUT_JSON};
	JsonbValue	before;

	rama_value_json(transform, old, &before);
	rama_value_json(transform, value, &input.json);
	if (before.type == jbvNull)
		rama_put_row(place->node, place->row->keys, &input);
	else if (rama_json_same(&before, &input.json))
		return RAMA_KEPT;
	else
		rama_replace_row(place->node, place->row->keys, &input.json, &before);
	return RAMA_CHANGED;
}

/* rama_place_count() -- How many elements are there now? */
int64
rama_place_count(RamaTransform *transform, const RamaFocus *place)
{
	RamaFocus	fresh;
	int64		count;

	rama_place_fresh(place, &fresh);
	rama_reading_begin(transform);
	count = rama_focus_count(&fresh, transform->reading.snapshot);
	rama_reading_end(transform);
	return count;
}

static int64
count_of_whole(RamaTransform *transform, const RamaFocus *place)
{
	RamaFocus	whole = *place;

	whole.ispart = false;
	return rama_place_count(transform, &whole);
}

/*
 * rama_place_base() -- The index that the first element of a vector has, or
 * that of a part of it: at most the vector's count.
 */
int64
rama_place_base(RamaTransform *transform, const RamaFocus *place)
{
	int64		first = place->ispart ? DatumGetInt64(place->part.low.value) : 0;

	return first == 0 ? 0 : Min(first, count_of_whole(transform, place));
}

static RamaOutcome
store_part(RamaTransform *transform, const RamaFocus *place, const RamaEntries *old,
		   RamaFocus *value)
{
	const RamaNode *node = place->node;
	int64		base = 0;

	if (node->kind == RAMA_VECTOR)
		base = rama_place_base(transform, place);
	rama_replace_entries(node, place->keys, old,
						 rama_value_entries(transform, node, node->kind, value), base);
	return RAMA_CHANGED;
}

static RamaOutcome
store_rows(RamaTransform *transform, const RamaFocus *place, RamaFocus *old, RamaFocus *value)
{
	const RamaNode *node = place->node;
	RamaInput	input = {.form = RAMA_INPUT_JSON};
	JsonbValue	before;

	if (place->ispart)
		return store_part(transform, place, old->entries, value);
	rama_value_json(transform, old, &before);
	rama_value_json(transform, value, &input.json);
	if (before.type != jbvNull && input.json.type != jbvNull)
		rama_replace_entries(node, place->keys, rama_entries_given(node, &before),
							 rama_entries_given(node, &input.json), 0);
	else if (node->parent == NULL)
		rama_put_whole(node, &input.json);
	else
		rama_put_row(node, place->keys, &input);
	return RAMA_CHANGED;
}

/* The entry of a map: where its key changes, it moves when all are done. */
static RamaOutcome
store_pair(RamaTransform *transform, const RamaFocus *place, RamaFocus *old, RamaFocus *value)
{
	const RamaNode *map = place->second->node->parent;
	Datum		from = place->second->keys[map->table->nkeys - 1];
	RamaFocus	pair = *value;
	RamaInput	key;
	JsonbValue	json;
	Datum		to;

	if (pair.at != RAMA_AT_PAIR)
	{
		rama_value_json(transform, value, &json);
		if (!rama_json_is_array(&json) || JsonContainerSize(json.val.binary.data) > 2)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("an entry of a map becomes a pair of key and value, or nothing")));
		if (JsonContainerSize(json.val.binary.data) < 2)
			return RAMA_VOID;
		rama_focus_pair(&pair);
		rama_value_set(pair.first, NULL, getIthJsonbValueFromContainer(json.val.binary.data, 0));
		rama_value_set(pair.second, rama_shape_of_value(map).node,
					   getIthJsonbValueFromContainer(json.val.binary.data, 1));
	}
	rama_value_json(transform, pair.first, &json);
	rama_input_of_json(&key, &json);
	to = rama_input_to_key(&key, &map->key);
	if (rama_type_compare(&map->key, from, to) == 0)
		return rama_place_store(transform, place->second, old->second, pair.second);
	rama_value_json(transform, pair.second, &json);
	rama_renames_add(transform->renames, map, from, to, &json);
	return RAMA_CHANGED;
}

/*
 * rama_place_store() -- Write the new value of a place, of which the old one
 * is known: what differs.
 */
RamaOutcome
rama_place_store(RamaTransform *transform, const RamaFocus *place, RamaFocus *old,
				 RamaFocus *value)
{
	switch (place->at)
	{
		case RAMA_AT_PAIR:
			return store_pair(transform, place, old, value);
		case RAMA_AT_ROWS:
			return store_rows(transform, place, old, value);
		default:
			return store_row(transform, place, old, value);
	}
}

/* rama_place_exists() -- Is there a value now? */
bool
rama_place_exists(RamaTransform *transform, const RamaFocus *place)
{
	RamaFocus	fresh;
	bool		found;

	rama_place_fresh(place, &fresh);
	rama_reading_begin(transform);
	found = rama_focus_exists(&fresh, transform->reading.snapshot);
	rama_reading_end(transform);
	return found;
}

/*
 * rama_place_remove() -- Remove the whole PState, a part of a collection, or
 * the field of a struct, which becomes null.
 */
RamaOutcome
rama_place_remove(RamaTransform *transform, const RamaFocus *place)
{
	RamaNode   *node = unconstify(RamaNode *, place->node);
	RamaInput	null = {.form = RAMA_INPUT_NULL};

	if (place->at == RAMA_AT_ROWS && place->ispart)
		return rama_place_remove_entries(transform, place);
	if (node->parent == NULL && place->at == RAMA_AT_ROW)
		return rama_row_remove(node->table, NULL) ? RAMA_CHANGED : RAMA_KEPT;
	if (node->parent == NULL ? rama_place_count(transform, place) == 0 : !rama_place_exists(transform, place))
		return RAMA_KEPT;
	if (place->at == RAMA_AT_ROWS)
		rama_collection_clear(node, place->keys, node->parent == NULL);
	else
		rama_put_row(node, place->row->keys, &null);
	return RAMA_CHANGED;
}

/* rama_walk_in_memory() -- The same as rama_walk(), with the value in memory. */
RamaOutcome
rama_walk_in_memory(RamaTransform *transform, const RamaNext *next, RamaFocus *place)
{
	RamaFocus	old;
	RamaFocus	value;
	RamaOutcome outcome;

	rama_place_load(transform, place, &old);
	value = old;
	outcome = rama_change(transform, next, &value);
	if (outcome == RAMA_CHANGED)
		outcome = rama_place_store(transform, place, &old, &value);
	return outcome;
}

/* A step with keys of plain data needs the place's value as such. */
static bool
fits(const RamaStep *step, const RamaFocus *place)
{
	return step->in.kind != RAMA_SHAPE_PLAIN || !step->nav->keyed ||
		place->at == RAMA_AT_PAIR;
}

/*
 * rama_walk() -- Apply what comes next of a path to a stored place. What is
 * written is written; RAMA_VOID: the caller removes the place.
 *
 * Errors (22023, 22P02, 2202E, ...) name the step.
 */
RamaOutcome
rama_walk(RamaTransform *transform, const RamaNext *next, RamaFocus *place)
{
	RamaOutcome outcome;
	RamaWhere	where;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	while (next->nsteps == 0 && next->then)
	{
		if (next->fresh)
			place->collected = next->collected;
		next = next->then;
	}
	if (next->nsteps == 0)
		return rama_walk_in_memory(transform, next, place);
	rama_where_push(&where, "step", next->steps->position);
	where.writes = true;
	rama_step_check_kind(next->steps, place);
	if (is_stored(place) && next->steps->nav->walk && fits(next->steps, place))
		outcome = next->steps->nav->walk(transform, next, place);
	else
		outcome = rama_walk_in_memory(transform, next, place);
	rama_where_pop(&where);
	return outcome;
}

/* An element of a set with a table: it can go, and nothing else. */
static RamaOutcome
walk_element(RamaTransform *transform, const RamaNext *at, RamaFocus *place, bool must)
{
	const RamaStep *step = at->steps;
	RamaNext	rest = rama_next_after(at);
	RamaFocus	value;
	JsonbValue	json;
	RamaOutcome outcome;
	bool		found;

	rama_place_fresh(place, &value);
	rama_reading_begin(transform);
	rama_focus_row_key(&value, step->key.datum, transform->reading.snapshot);
	found = value.at != RAMA_AT_NOTHING;
	rama_value_json(transform, &value, &json);
	rama_reading_end(transform);
	if (must && !found)
		return RAMA_KEPT;
	rama_value_set(&value, NULL, &json);
	outcome = rama_change(transform, &rest, &value);
	if (outcome == RAMA_CHANGED)
		rama_step_error(step, "an element of a set has no value");
	if (outcome == RAMA_KEPT || !found)
		return RAMA_KEPT;
	{
		Datum	   *keys = palloc(sizeof(Datum) * place->node->table->nkeys);

		if (place->node->table->nkeys > 1)
			memcpy(keys, place->keys, sizeof(Datum) * (place->node->table->nkeys - 1));
		keys[place->node->table->nkeys - 1] = step->key.datum;
		(void) rama_row_remove(place->node->table, keys);
	}
	return RAMA_CHANGED;
}

static void
out_of_range(int64 index, int64 count)
{
	ereport(ERROR,
			(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
			 errmsg("index " INT64_FORMAT " is out of range", index),
			 errdetail("The vector has " INT64_FORMAT " elements.", count)));
}

/* Behind the last element of a vector, or before the first: what is written? */
static RamaOutcome
walk_outside(RamaTransform *transform, const RamaNext *at, RamaFocus *place, int64 index,
			 int64 count)
{
	RamaNext	rest = rama_next_after(at);
	RamaFocus	value = *place;
	RamaEntry	entry = {0};

	rama_focus_nothing(&value, rama_shape_of_value(place->node).node);
	if (rama_change(transform, &rest, &value) != RAMA_CHANGED)
		return RAMA_KEPT;
	if (index != count)
		out_of_range(index, count);
	rama_value_json(transform, &value, &entry.value);
	rama_vector_insert(place->node, place->keys, rama_place_base(transform, place) + count,
					   &entry, 1);
	return RAMA_CHANGED;
}

/* A place in a collection or a struct, removed where that is the outcome. */
static RamaOutcome
walk_child(RamaTransform *transform, const RamaNext *at, const RamaNode *collection,
		   RamaFocus *child)
{
	RamaNext	rest = rama_next_after(at);
	RamaOutcome outcome = rama_walk(transform, &rest, child);

	if (outcome != RAMA_VOID)
		return outcome;
	if (collection == NULL)
		return rama_place_remove(transform, child);
	return rama_row_remove(collection->table, child->keys) ? RAMA_CHANGED : RAMA_KEPT;
}

/* Is there an entry, be its value null? */
static bool
is_entry(RamaTransform *transform, const RamaFocus *place)
{
	RamaFocus	fresh;
	bool		found;

	rama_place_fresh(place, &fresh);
	if (fresh.at == RAMA_AT_ROWS)
		fresh.row = new_row(place->node->table->parent, place->keys);
	rama_reading_begin(transform);
	found = rama_focus_is_entry(&fresh, transform->reading.snapshot);
	rama_reading_end(transform);
	return found;
}

static RamaOutcome
walk_rows_key(RamaTransform *transform, const RamaNext *at, RamaFocus *place, bool must)
{
	const RamaStep *step = at->steps;
	const RamaNode *node = place->node;
	RamaFocus	child;
	Datum		key;

	if (node->kind == RAMA_SET)
		return walk_element(transform, at, place, must);
	if (node->kind == RAMA_VECTOR)
	{
		int64		index = DatumGetInt64(step->key.datum);
		int64		count = rama_place_count(transform, place);

		if (index < 0 || index >= count)
			return must ? RAMA_KEPT : walk_outside(transform, at, place, index, count);
	}
	rama_place_fresh(place, &child);
	rama_focus_row_key(&child, step->key.datum, NULL);
	if (child.at == RAMA_AT_NOTHING)	/* outside of a part of a map */
		return must ? RAMA_KEPT : rama_walk_in_memory(transform, at, place);
	key = child.keys[node->table->nkeys - 1];
	rama_place_entry(node, place->keys, key, place, &child);
	if (must && !is_entry(transform, &child))
		return RAMA_KEPT;
	return walk_child(transform, at, node, &child);
}

static RamaOutcome
walk_at_key(RamaTransform *transform, const RamaNext *at, RamaFocus *place, bool must)
{
	const RamaStep *step = at->steps;
	RamaFocus	child;

	if (place->at == RAMA_AT_PAIR)
	{
		RamaNext	rest = rama_next_after(at);

		if (step->key.field != 1)
			return rama_walk_in_memory(transform, at, place);
		child = *place->second;
		child.collected = place->collected;
		return rama_walk(transform, &rest, &child);
	}
	if (place->at == RAMA_AT_ROWS)
		return walk_rows_key(transform, at, place, must);
	rama_place_fresh(place, &child);
	rama_focus_node(&child, place->node->children[step->key.field], child.row,
					child.row->keys);
	if (must && !rama_place_exists(transform, &child))
		return RAMA_KEPT;
	return walk_child(transform, at, NULL, &child);
}

/* rama_walk_key() -- The value at a key; its levels are made when it is written. */
RamaOutcome
rama_walk_key(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	return walk_at_key(transform, at, place, false);
}

/* rama_walk_must() -- The same where there is one. */
RamaOutcome
rama_walk_must(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	return walk_at_key(transform, at, place, true);
}

/* rama_walk_nth() -- An element that there is; error (2202E) outside. */
RamaOutcome
rama_walk_nth(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	int64		index = rama_step_int(at->steps, 0);
	int64		count;

	if (place->at != RAMA_AT_ROWS)
		return rama_walk_in_memory(transform, at, place);
	count = rama_place_count(transform, place);
	if (index < 0 || index >= count)
		out_of_range(index, count);
	return walk_at_key(transform, at, place, false);
}

/* An empty part: what it becomes is added. */
static RamaOutcome
walk_empty(RamaTransform *transform, const RamaNext *at, RamaFocus *place, RamaFocus *part,
		   int64 from)
{
	const RamaNode *node = place->node;
	RamaNext	rest = rama_next_after(at);
	RamaEntries *old = part->entries;
	int64		base = 0;

	if (rama_change(transform, &rest, part) != RAMA_CHANGED)
		return RAMA_KEPT;
	if (node->kind == RAMA_VECTOR)
		base = Min(from, rama_place_count(transform, place)) + rama_place_base(transform, place);
	rama_replace_entries(node, place->keys, old,
						 rama_value_entries(transform, node, node->kind, part), base);
	return RAMA_CHANGED;
}

/* rama_walk_part() -- A range of a collection with a table. */
RamaOutcome
rama_walk_part(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	RamaNext	rest = rama_next_after(at);
	RamaFocus	part;
	RamaOutcome outcome;
	int64		from;

	if (place->at != RAMA_AT_ROWS)
		return rama_walk_in_memory(transform, at, place);
	rama_place_fresh(place, &part);
	rama_reading_begin(transform);
	from = rama_sublist_from(&transform->reading, at->steps, &part);
	(void) at->steps->nav->go(&transform->reading, at->steps, &part);
	if (part.at == RAMA_AT_ROWS)
		rama_focus_resolve_amount(&part, transform->reading.snapshot);
	rama_reading_end(transform);
	if (part.at != RAMA_AT_ROWS)
		return walk_empty(transform, at, place, &part, from);
	outcome = rama_walk(transform, &rest, &part);
	if (outcome == RAMA_VOID)
		outcome = rama_place_remove_entries(transform, &part);
	return outcome;
}

/* rama_place_put() -- Put a value at a stored place that is no part, without a look at what it replaces. */
void
rama_place_put(RamaTransform *transform, RamaFocus *place, RamaFocus *value)
{
	RamaInput	input = {.form = RAMA_INPUT_JSON};

	rama_value_json(transform, value, &input.json);
	if (place->at == RAMA_AT_ROW)
		rama_put_row(place->node, place->row->keys, &input);
	else if (place->node->parent == NULL)
		rama_put_whole(place->node, &input.json);
	else
		rama_put_row(place->node, place->keys, &input);
}

/* rama_walk_term_val() -- The constant, without a look at what it replaces. */
RamaOutcome
rama_walk_term_val(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	RamaFocus	value = *place;

	if (place->at == RAMA_AT_PAIR || place->ispart)
		return rama_walk_in_memory(transform, at, place);
	value.at = RAMA_AT_NOTHING;
	rama_value_conform(transform, at->steps, &value, &at->steps->args[0]);
	rama_place_put(transform, place, &value);
	return RAMA_CHANGED;
}

/* rama_walk_term_void() -- To be removed. */
RamaOutcome
rama_walk_term_void(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	return RAMA_VOID;
}
