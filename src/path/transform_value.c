/*-------------------------------------------------------------------------
 *
 * transform_value.c
 *	  A path applied to a value in memory: what becomes of it.
 *
 * A value is a focus that names no place: nothing, JSON with its schema or
 * without, a pair, or a part of a collection. JSON is in the form that is
 * stored, so that it can be navigated. Nothing here reads or writes rows.
 *
 *-------------------------------------------------------------------------
 */
#include "path/transform.h"

#include "miscadmin.h"
#include "utils/builtins.h"

/* What a step over a collection leads to. */
typedef enum EntryItem
{
	ITEM_WHOLE,					/* an element, a pair of a map */
	ITEM_VALUE,
	ITEM_KEY
} EntryItem;

/*
 * rama_value_node() -- The schema of a value at a step, NULL where there is
 * none. Where paths with different shapes have joined, the step knows less.
 */
const RamaNode *
rama_value_node(const RamaStep *step, const RamaFocus *value)
{
	if (step->in.kind == RAMA_SHAPE_NODE)
		return step->in.node;
	if (step->in.kind != RAMA_SHAPE_PLAIN || value->at == RAMA_AT_PAIR || value->node == NULL)
		return NULL;
	return rama_shape_of_node(value->node).node;
}

/* rama_value_json() -- A value in memory as JSON; null where there is none. */
void
rama_value_json(RamaTransform *transform, RamaFocus *value, JsonbValue *json)
{
	if (!rama_focus_to_json(value, transform->reading.snapshot, json))
		json->type = jbvNull;
	else if (json->type == jbvArray || json->type == jbvObject)
		rama_jsonb_to_json(rama_json_to_jsonb(json), json);
}

/* rama_value_set() -- Make a value JSON of node; what was collected stays. */
void
rama_value_set(RamaFocus *value, const RamaNode *node, const JsonbValue *json)
{
	JsonbValue	stored = *json;

	if (json->type == jbvArray || json->type == jbvObject)
		rama_jsonb_to_json(rama_json_to_jsonb(json), &stored);
	rama_focus_json(value, node, &stored);
}

static void
not_a_pair(const RamaStep *step)
{
	rama_step_error(step, "an entry of a map becomes a pair of key and value, or nothing");
}

/*
 * rama_value_pair() -- The key and value of a pair in whatever form; false: one
 * of them is gone. Error (22023) where it is no pair.
 */
bool
rama_value_pair(RamaTransform *transform, const RamaStep *step, RamaFocus *value,
				JsonbValue *key, JsonbValue *item)
{
	JsonbValue	json;

	if (value->at == RAMA_AT_PAIR)
	{
		rama_value_json(transform, value->first, key);
		rama_value_json(transform, value->second, item);
		return true;
	}
	rama_value_json(transform, value, &json);
	if (!rama_json_is_array(&json) || JsonContainerSize(json.val.binary.data) > 2)
		not_a_pair(step);
	if (JsonContainerSize(json.val.binary.data) < 2)
		return false;
	*key = *getIthJsonbValueFromContainer(json.val.binary.data, 0);
	*item = *getIthJsonbValueFromContainer(json.val.binary.data, 1);
	return true;
}

static void
conform_key(const RamaNode *node, JsonbValue *json)
{
	RamaInput	input;

	rama_input_of_json(&input, json);
	rama_datum_to_json(node->key.oid, rama_input_to_key(&input, &node->key), json);
}

static void
set_pair(RamaFocus *value, const RamaNode *map, const JsonbValue *key, const JsonbValue *item)
{
	rama_focus_pair(value);
	rama_value_set(value->first, NULL, key);
	rama_value_set(value->second, rama_shape_of_value(map).node, item);
}

/*
 * rama_value_conform() -- Set a value to what a terminal made, converted to
 * what the schema has at the step.
 *
 * Errors: 22P02 and those of the types, 42703, 22004.
 */
void
rama_value_conform(RamaTransform *transform, const RamaStep *step, RamaFocus *value,
				   const JsonbValue *json)
{
	const RamaNode *node = rama_value_node(step, value);
	JsonbValue	out = *json;

	switch (step->in.kind)
	{
		case RAMA_SHAPE_NODE:
		case RAMA_SHAPE_PLAIN:
			rama_value_set(value, NULL, json);
			if (node == NULL)
				break;
			rama_value_json(transform, value, &out);
			rama_json_conform(node, &out, &out);
			rama_value_set(value, node, &out);
			break;
		case RAMA_SHAPE_KEY:
			conform_key(step->in.node, &out);
			rama_value_set(value, NULL, &out);
			break;
		case RAMA_SHAPE_PAIR:
			{
				JsonbValue	key;
				JsonbValue	item;
				const RamaNode *child = rama_shape_of_value(step->in.node).node;

				rama_value_set(value, NULL, json);
				if (value->at == RAMA_AT_NOTHING ||
					!rama_value_pair(transform, step, value, &key, &item))
					not_a_pair(step);
				conform_key(step->in.node, &key);
				if (child)
					rama_json_conform(child, &item, &item);
				set_pair(value, step->in.node, &key, &item);
				break;
			}
	}
}

/* A step whose keys are those of plain data: what it makes of the value fits again. */
static RamaOutcome
change_plain(RamaTransform *transform, const RamaNext *next, RamaFocus *value)
{
	const RamaNode *node = value->node;
	RamaFocus	plain = *value;
	RamaOutcome outcome;
	RamaWhere	where;
	JsonbValue	json;

	rama_focus_plain(&plain, transform->reading.snapshot);
	outcome = rama_change(transform, next, &plain);
	if (outcome != RAMA_CHANGED)
		return outcome;
	rama_value_json(transform, &plain, &json);
	rama_where_push(&where, "step", next->steps->position);
	where.writes = true;
	rama_json_conform(node, &json, &json);
	rama_where_pop(&where);
	rama_value_set(value, node, &json);
	return outcome;
}

/* What follows the navigator is applied to the same value. */
static bool
stays_here(const RamaNavigator *nav)
{
	return nav->change == rama_change_none_to_val || nav->change == rama_change_filter ||
		nav->change == rama_change_branches || nav->change == rama_change_cond ||
		nav->change == rama_change_named || nav->change == rama_change_fresh_collected;
}

/*
 * rama_change() -- Apply what comes next of a path to a value in memory, which
 * becomes the new one where the outcome is RAMA_CHANGED.
 *
 * Errors (22023, 22P02, 2202E, ...) name the step; 0A000 for a navigator that
 * does not write.
 */
RamaOutcome
rama_change(RamaTransform *transform, const RamaNext *next, RamaFocus *value)
{
	const RamaStep *step;
	RamaOutcome outcome;
	RamaWhere	where;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	while (next->nsteps == 0 && next->then)
	{
		if (next->fresh)
			value->collected = next->collected;
		next = next->then;
	}
	if (next->nsteps == 0)
		return transform->end(transform, value);

	step = next->steps;
	if (step->in.kind == RAMA_SHAPE_PLAIN && step->nav->keyed && value->node != NULL)
		return change_plain(transform, next, value);
	if (!stays_here(step->nav))
		value->isvoid = false;
	if (step->nav->change == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("step %d of the path (%s): the navigator is not supported in rama.transform in this version",
						step->position, step->nav->names[0])));
	rama_where_push(&where, "step", step->position);
	where.writes = true;
	rama_step_check_kind(step, value);
	outcome = step->nav->change(transform, next, value);
	rama_where_pop(&where);
	return outcome;
}

/* rama_change_steps() -- The same with all steps of a path. */
RamaOutcome
rama_change_steps(RamaTransform *transform, const RamaStep *steps, int nsteps,
				  RamaFocus *value)
{
	RamaNext	next = {.steps = steps, .nsteps = nsteps};

	return rama_change(transform, &next, value);
}

/* Of a vector; text is the type's input, as of any key. */
static int64
index_of_step(const RamaStep *step)
{
	const JsonbValue *key = &step->args[0];

	if (key->type != jbvString)
		return rama_step_int(step, 0);
	return DatumGetInt64(DirectFunctionCall1(int8in,
											 CStringGetDatum(pnstrdup(key->val.string.val,
																	  key->val.string.len))));
}

/* An entry of a part of a collection is set, or goes (child NULL). */
static RamaOutcome
set_part_entry(RamaTransform *transform, const RamaStep *step, RamaFocus *value,
			   RamaFocus *child)
{
	RamaEntries *entries = rama_entries_copy(value->entries, 1,
											  transform->reading.snapshot);
	const RamaNode *node = entries->node;
	Datum		key = (Datum) 0;
	int64		i;

	if (child == NULL && entries->count == 0)
		return RAMA_KEPT;
	if (entries->kind == RAMA_VECTOR)
		i = index_of_step(step);
	else
	{
		key = node ? step->key.datum : rama_plain_key(&step->key.name);
		i = rama_entries_find(entries, key);
	}
	if (child == NULL)
	{
		if (i < 0 || i >= entries->count)
			return RAMA_KEPT;
		entries->count--;
		memmove(&entries->entry[i], &entries->entry[i + 1],
				sizeof(RamaEntry) * (entries->count - i));
		rama_entries_focus(value, entries);
		return RAMA_CHANGED;
	}
	if (entries->kind == RAMA_SET)
		rama_step_error(step, "an element of a set has no value");
	if (entries->kind == RAMA_VECTOR && (i < 0 || i > entries->count))
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("index " INT64_FORMAT " is out of range", i),
				 errdetail("The vector has %d elements.", entries->count)));
	if (i < 0 || i == entries->count)
	{
		i = entries->count++;
		memset(&entries->entry[i], 0, sizeof(RamaEntry));
		entries->entry[i].key = key;
		if (node && entries->kind == RAMA_MAP)
			rama_datum_to_json(node->key.oid, key, &entries->entry[i].name);
		else
			entries->entry[i].name = step->key.name;
	}
	rama_value_json(transform, child, &entries->entry[i].value);
	entries->entry[i].place = NULL;
	rama_entries_sort(entries);
	rama_entries_focus(value, entries);
	return RAMA_CHANGED;
}

static RamaOutcome
set_pair_item(RamaTransform *transform, const RamaStep *step, RamaFocus *value,
			  RamaFocus *child)
{
	RamaFocus **item = step->key.field == 0 ? &value->first : &value->second;

	if (child == NULL)
		return RAMA_VOID;
	if (step->key.field < 0)
		rama_step_error(step, "a pair has elements 0 and 1");
	*item = palloc(sizeof(RamaFocus));
	**item = *child;
	return RAMA_CHANGED;
}

/* A struct within a struct is null where all its fields are. */
static bool
is_null_struct(const RamaNode *node, const JsonbValue *json)
{
	return node && node->kind == RAMA_STRUCT && node->parent &&
		node->parent->kind == RAMA_STRUCT && json->val.object.nPairs == 0;
}

/* What is at a step's key of a value becomes child, or goes where it is NULL. */
static RamaOutcome
set_at_key(RamaTransform *transform, const RamaStep *step, RamaFocus *value,
		   RamaFocus *child)
{
	const RamaNode *node = rama_value_node(step, value);
	JsonbValue	old;
	JsonbValue	new;
	JsonbValue	result;

	if (value->at == RAMA_AT_PAIR)
		return set_pair_item(transform, step, value, child);
	if (value->at == RAMA_AT_ENTRIES)
		return set_part_entry(transform, step, value, child);
	rama_value_json(transform, value, &old);
	if (child)
		rama_value_json(transform, child, &new);
	if (child == NULL && old.type == jbvNull)
		return RAMA_KEPT;
	if (!rama_json_set_key(node, old.type == jbvNull ? NULL : &old, &step->key,
						   child ? &new : NULL, &result))
		return RAMA_KEPT;
	if (child == NULL && rama_json_same(&old, &result))
		return RAMA_KEPT;
	if (is_null_struct(node, &result))
		result.type = jbvNull;
	rama_value_set(value, node, &result);
	return RAMA_CHANGED;
}

static RamaOutcome
change_at_key(RamaTransform *transform, const RamaNext *at, RamaFocus *value, bool must)
{
	RamaNext	rest = rama_next_after(at);
	RamaFocus	child = *value;
	RamaOutcome outcome;
	bool		found = true;

	if (must)
		found = rama_focus_must(&child, &at->steps->key, transform->reading.snapshot);
	else
		rama_focus_key(&child, &at->steps->key, transform->reading.snapshot);
	child.collected = value->collected;
	if (!found)
		return RAMA_KEPT;
	outcome = rama_change(transform, &rest, &child);
	if (outcome == RAMA_KEPT)
		return RAMA_KEPT;
	return set_at_key(transform, at->steps, value, outcome == RAMA_VOID ? NULL : &child);
}

/* rama_change_key() -- The value at a key; its levels are made. */
RamaOutcome
rama_change_key(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	return change_at_key(transform, at, value, false);
}

/* rama_change_must() -- The same where there is one. */
RamaOutcome
rama_change_must(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	return change_at_key(transform, at, value, true);
}

/* rama_change_nth() -- An element that there is; error (2202E) outside. */
RamaOutcome
rama_change_nth(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	const RamaStep *step = at->steps;
	RamaFocus	here = *value;
	RamaEntries *entries = rama_focus_entries(&here, step, transform->reading.snapshot);
	int64		index = rama_step_int(step, 0);
	int			count = entries ? entries->count : 0;

	if (entries && entries->kind != RAMA_VECTOR)
		rama_step_error(step, "needs a vector");
	if (index < 0 || index >= count)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("index " INT64_FORMAT " is out of range", index),
				 errdetail("The vector has %d elements.", count)));
	return change_at_key(transform, at, value, false);
}

/* rama_value_set_entries() -- A value becomes the collection of these entries. */
void
rama_value_set_entries(RamaFocus *value, const RamaNode *node, RamaEntries *entries)
{
	JsonbValue	json;

	if (value->at == RAMA_AT_ENTRIES)
	{
		bool		asobject = value->entries->asobject;

		rama_entries_focus(value, entries);
		entries->asobject = asobject;
		return;
	}
	rama_entries_to_json(entries, &json);
	rama_value_set(value, node, &json);
	/* A struct has been taken as a map. */
	if (node && node->kind == RAMA_STRUCT)
	{
		rama_json_conform(node, &value->json, &json);
		rama_value_set(value, node, &json);
	}
}

static void
get_item(const RamaEntries *entries, int i, EntryItem item, RamaFocus *out)
{
	if (item == ITEM_VALUE)
		rama_entry_value(entries, i, out);
	else if (item == ITEM_KEY || entries->kind == RAMA_SET)
		rama_entry_key(entries, i, out);
	else if (entries->kind == RAMA_MAP)
	{
		rama_focus_pair(out);
		rama_entry_key(entries, i, out->first);
		rama_entry_value(entries, i, out->second);
	}
	else
		rama_entry_value(entries, i, out);
}

/*
 * rama_value_fit_item() -- A pair has been taken as a list: its value becomes
 * one of the collection again. Errors: as of rama_json_conform().
 */
void
rama_value_fit_item(const RamaNode *collection, JsonbValue *item)
{
	rama_json_conform(collection->children[0], item, item);
	if (item->type == jbvArray || item->type == jbvObject)
		rama_jsonb_to_json(rama_json_to_jsonb(item), item);
}

/* The new key of an entry; one of plain data is text. */
static void
set_name(RamaEntry *entry, const RamaEntries *entries, const JsonbValue *key)
{
	if (entries->kind == RAMA_MAP && entries->node == NULL && key->type != jbvNull)
		rama_json_name(key, &entry->name);
	else
		entry->name = *key;
}

/* false: the entry is gone. */
static bool
set_item(RamaTransform *transform, const RamaStep *step, RamaEntry *entry,
		 const RamaEntries *entries, EntryItem item, RamaFocus *child)
{
	RamaSchemaKind kind = entries->kind;
	JsonbValue	value;

	if (item == ITEM_WHOLE && kind == RAMA_MAP)
	{
		JsonbValue	key;
		bool		typed = child->at == RAMA_AT_PAIR || entries->node == NULL;

		if (!rama_value_pair(transform, step, child, &key, &value))
			return false;
		if (!typed)
		{
			conform_key(entries->node, &key);
			rama_value_fit_item(entries->node, &value);
		}
		set_name(entry, entries, &key);
		entry->value = value;
		return true;
	}
	rama_value_json(transform, child, &value);
	if (item == ITEM_KEY || kind == RAMA_SET)
		set_name(entry, entries, &value);
	else
		entry->value = value;
	return true;
}

/* Let the entry at i be the one that came last. */
static void
move_to_end(RamaEntries *entries, int i)
{
	RamaEntry	entry = entries->entry[i];

	memmove(&entries->entry[i], &entries->entry[i + 1],
			sizeof(RamaEntry) * (entries->count - i - 1));
	entries->entry[entries->count - 1] = entry;
}

/* Change entries [from, to) of a collection. */
static RamaOutcome
change_entries(RamaTransform *transform, const RamaNext *at, RamaFocus *value,
			   const RamaEntries *entries, int from, int to, EntryItem item)
{
	const RamaStep *step = at->steps;
	RamaNext	rest = rama_next_after(at);
	RamaEntries *new = rama_entries_copy(entries, 0, transform->reading.snapshot);
	bool		changed = false;
	int			n = 0;

	for (int i = 0; i < entries->count; i++)
	{
		RamaEntry	entry = new->entry[i];

		if (i >= from && i < to)
		{
			RamaFocus	child = *value;
			RamaOutcome outcome;

			get_item(new, i, item, &child);
			child.collected = value->collected;
			outcome = rama_change(transform, &rest, &child);
			if (outcome != RAMA_KEPT)
				changed = true;
			if (outcome == RAMA_VOID ||
				(outcome == RAMA_CHANGED &&
				 !set_item(transform, step, &entry, entries, item, &child)))
				continue;
		}
		new->entry[n++] = entry;
	}
	if (!changed)
		return RAMA_KEPT;
	new->count = n;
	if (item != ITEM_VALUE && new->kind != RAMA_VECTOR)
	{
		/* A single one replaces an entry that is there with its new key. */
		if (to - from == 1 && entries->count > 1 && n == entries->count)
			move_to_end(new, from);
		rama_entries_rekey(new);
	}
	rama_value_set_entries(value, rama_value_node(step, value), new);
	return RAMA_CHANGED;
}

static RamaOutcome
change_each(RamaTransform *transform, const RamaNext *at, RamaFocus *value, EntryItem item)
{
	RamaFocus	here = *value;
	RamaEntries *entries = rama_focus_entries(&here, at->steps, transform->reading.snapshot);

	if (entries == NULL)
		return RAMA_KEPT;
	if (item != ITEM_WHOLE && entries->kind != RAMA_MAP)
		rama_step_error(at->steps, "needs a map, and this is an array");
	return change_entries(transform, at, value, entries, 0, entries->count, item);
}

/* rama_change_all() -- Every element; of a map, every pair, which becomes one. */
RamaOutcome
rama_change_all(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	return change_each(transform, at, value, ITEM_WHOLE);
}

/* rama_change_map_vals() -- Every value. */
RamaOutcome
rama_change_map_vals(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	return change_each(transform, at, value, ITEM_VALUE);
}

/* rama_change_map_keys() -- Every key; of equal ones the last entry stays. */
RamaOutcome
rama_change_map_keys(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	return change_each(transform, at, value, ITEM_KEY);
}

static RamaOutcome
change_end(RamaTransform *transform, const RamaNext *at, RamaFocus *value, bool last)
{
	RamaFocus	here = *value;
	RamaEntries *entries = rama_focus_entries(&here, at->steps, transform->reading.snapshot);
	int			i;

	if (entries == NULL || entries->count == 0)
		return RAMA_KEPT;
	i = last ? entries->count - 1 : 0;
	return change_entries(transform, at, value, entries, i, i + 1, ITEM_WHOLE);
}

/* rama_change_first() -- The first element or pair, if there is one. */
RamaOutcome
rama_change_first(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	return change_end(transform, at, value, false);
}

/* rama_change_last() -- The last one. */
RamaOutcome
rama_change_last(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	return change_end(transform, at, value, true);
}
