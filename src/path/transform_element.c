/*-------------------------------------------------------------------------
 *
 * transform_element.c
 *	  Writing through navigators to elements as such: set-elem, map-key,
 *	  index, indexed-vals.
 *
 *-------------------------------------------------------------------------
 */
#include "path/transform.h"

#include "utils/builtins.h"

static RamaEntries *
entries_of(RamaTransform *transform, const RamaStep *step, const RamaFocus *value)
{
	RamaFocus	here = *value;
	RamaEntries *entries = rama_focus_entries(&here, step, transform->reading.snapshot);

	return entries ? rama_entries_copy(entries, 1, transform->reading.snapshot) : NULL;
}

static void
drop_entry(RamaEntries *entries, int i)
{
	entries->count--;
	memmove(&entries->entry[i], &entries->entry[i + 1],
			sizeof(RamaEntry) * (entries->count - i));
}

/* The entry that a step names, or -1. Plain arrays are sets, too. */
static int
find_entry(const RamaStep *step, const RamaEntries *entries)
{
	if (entries->node)
		return rama_entries_find(entries, step->key.datum);
	if (entries->kind == RAMA_MAP)
		return rama_entries_find(entries, rama_plain_key(&step->args[0]));
	for (int i = 0; i < entries->count; i++)
		if (rama_json_equal(entries->kind == RAMA_SET ? &entries->entry[i].name :
							&entries->entry[i].value, &step->args[0]))
			return i;
	return -1;
}

static bool
has_other(const RamaEntries *entries, int i, const JsonbValue *element)
{
	for (int j = 0; j < entries->count; j++)
		if (j != i && rama_json_equal(&entries->entry[j].value, element))
			return true;
	return false;
}

/*
 * The name of an entry becomes another: the entry goes, and comes again with
 * its new name, which replaces one that is there.
 */
static RamaOutcome
change_name(RamaTransform *transform, const RamaNext *at, RamaFocus *value, bool ofmap)
{
	const RamaStep *step = at->steps;
	RamaNext	rest = rama_next_after(at);
	RamaEntries *entries = entries_of(transform, step, value);
	RamaFocus	name = *value;
	RamaOutcome outcome;
	RamaEntry	entry;
	int			i;

	if (entries && (entries->kind == RAMA_MAP) != ofmap)
		rama_step_error(step, "needs a %s, and this is an %s", ofmap ? "map" : "set",
						ofmap ? "array" : "object");
	i = entries ? find_entry(step, entries) : -1;
	if (i < 0)
		return RAMA_KEPT;
	entry = entries->entry[i];
	rama_value_set(&name, NULL, &entry.name);
	outcome = rama_change(transform, &rest, &name);
	if (outcome == RAMA_KEPT)
		return RAMA_KEPT;
	rama_value_json(transform, &name, &entry.name);
	if (outcome == RAMA_CHANGED && entries->kind == RAMA_VECTOR &&
		!has_other(entries, i, &entry.name))
		entries->entry[i].value = entry.name;
	else
		drop_entry(entries, i);
	if (outcome == RAMA_CHANGED && entries->kind != RAMA_VECTOR)
	{
		entries->entry[entries->count++] = entry;
		rama_entries_rekey(entries);
	}
	rama_value_set_entries(value, rama_value_node(step, value), entries);
	return RAMA_CHANGED;
}

/* rama_change_set_elem() -- The element, if the set has it. */
RamaOutcome
rama_change_set_elem(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	return change_name(transform, at, value, false);
}

/* rama_change_map_key() -- The key itself, if the map has it: its value stays. */
RamaOutcome
rama_change_map_key(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	return change_name(transform, at, value, true);
}

static Datum *
keys_of(const RamaFocus *place, Datum key)
{
	int			nkeys = place->node->table->nkeys;
	Datum	   *keys = palloc(sizeof(Datum) * nkeys);

	if (nkeys > 1)
		memcpy(keys, place->keys, sizeof(Datum) * (nkeys - 1));
	keys[nkeys - 1] = key;
	return keys;
}

/* Put the entry again, with its new key. */
static void
put_renamed(const RamaFocus *place, Datum key, const JsonbValue *value)
{
	const RamaNode *node = place->node;
	RamaInput	input;

	if (node->kind == RAMA_SET)
	{
		(void) rama_row_put(node->table, keys_of(place, key), 0, NULL, NULL, NULL);
		return;
	}
	rama_input_of_json(&input, value);
	rama_put_row(node->children[0], keys_of(place, key), &input);
}

static RamaOutcome
walk_name(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	const RamaStep *step = at->steps;
	const RamaNode *node = place->node;
	RamaNext	rest = rama_next_after(at);
	RamaFocus	name;
	RamaFocus	old;
	RamaInput	input;
	RamaOutcome outcome;
	JsonbValue	json = {.type = jbvNull};
	Datum		key;
	bool		found;

	if (place->at != RAMA_AT_ROWS)
		return rama_walk_in_memory(transform, at, place);
	rama_place_fresh(place, &name);
	rama_reading_begin(transform);
	found = step->nav->go(&transform->reading, step, &name);
	if (found)
		rama_value_json(transform, &name, &json);
	rama_reading_end(transform);
	if (!found)
		return RAMA_KEPT;
	rama_value_set(&name, NULL, &json);
	name.collected = place->collected;
	outcome = rama_change(transform, &rest, &name);
	if (outcome == RAMA_KEPT)
		return RAMA_KEPT;
	if (outcome == RAMA_CHANGED)
	{
		rama_value_json(transform, &name, &json);
		rama_input_of_json(&input, &json);
		key = rama_input_to_key(&input, &node->key);
		if (rama_type_compare(&node->key, key, step->key.datum) == 0)
			return RAMA_KEPT;
		if (node->kind == RAMA_MAP)
		{
			RamaFocus	entry;

			rama_place_entry(node, place->keys, step->key.datum, place, &entry);
			rama_place_load(transform, &entry, &old);
			rama_value_json(transform, &old, &json);
		}
	}
	(void) rama_row_remove(node->table, keys_of(place, step->key.datum));
	if (outcome == RAMA_CHANGED)
		put_renamed(place, key, &json);
	return RAMA_CHANGED;
}

/* rama_walk_set_elem() -- The element, if the set has it. */
RamaOutcome
rama_walk_set_elem(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	return walk_name(transform, at, place);
}

/* rama_walk_map_key() -- The key itself, if the map has it. */
RamaOutcome
rama_walk_map_key(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	return walk_name(transform, at, place);
}

static void
out_of_range(int64 index, int64 count)
{
	ereport(ERROR,
			(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
			 errmsg("index " INT64_FORMAT " is out of range", index),
			 errdetail("The vector has " INT64_FORMAT " elements.", count)));
}

/* rama_index_of() -- A new index, within a vector of so many elements. */
int64
rama_index_of(const RamaStep *step, const JsonbValue *json, int64 count)
{
	Datum		number = (Datum) 0;
	int64		index;

	if (json->type == jbvNumeric)
		number = NumericGetDatum(json->val.numeric);
	if (json->type != jbvNumeric ||
		!DatumGetBool(DirectFunctionCall2(numeric_eq, number,
										  DirectFunctionCall2(numeric_trunc, number,
															  Int32GetDatum(0)))))
		rama_step_error(step, "an index becomes another index, or nothing");
	index = DatumGetInt64(DirectFunctionCall1(numeric_int8, number));
	if (index < 0 || index >= count)
		out_of_range(index, count);
	return index;
}

/* What becomes of the index of an element. */
static RamaOutcome
change_index(RamaTransform *transform, const RamaNext *at, const RamaFocus *from,
			 int64 count, int64 *to)
{
	const RamaStep *step = at->steps;
	RamaNext	rest = rama_next_after(at);
	RamaFocus	index = *from;
	RamaOutcome outcome;
	JsonbValue	json = {.type = jbvNumeric};

	json.val.numeric = int64_to_numeric(step->from);
	rama_value_set(&index, NULL, &json);
	outcome = rama_change(transform, &rest, &index);
	if (outcome != RAMA_CHANGED)
		return outcome;
	rama_value_json(transform, &index, &json);
	*to = rama_index_of(step, &json, count);
	return *to == step->from ? RAMA_KEPT : RAMA_CHANGED;
}

static void
move_entry(RamaEntries *entries, int64 from, int64 to)
{
	RamaEntry	entry = entries->entry[from];

	if (from < to)
		memmove(&entries->entry[from], &entries->entry[from + 1],
				sizeof(RamaEntry) * (to - from));
	else
		memmove(&entries->entry[to + 1], &entries->entry[to], sizeof(RamaEntry) * (from - to));
	entries->entry[to] = entry;
}

/* rama_change_index() -- The index itself, if the vector has it: its element moves. */
RamaOutcome
rama_change_index(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	const RamaStep *step = at->steps;
	RamaEntries *entries = entries_of(transform, step, value);
	RamaOutcome outcome;
	int64		to;

	if (entries && entries->kind != RAMA_VECTOR)
		rama_step_error(step, "needs a vector, and this is not one");
	if (entries == NULL || step->from < 0 || step->from >= entries->count)
		return RAMA_KEPT;
	outcome = change_index(transform, at, value, entries->count, &to);
	if (outcome == RAMA_KEPT)
		return RAMA_KEPT;
	if (outcome == RAMA_VOID)
		drop_entry(entries, (int) step->from);
	else
		move_entry(entries, step->from, to);
	rama_value_set_entries(value, rama_value_node(step, value), entries);
	return RAMA_CHANGED;
}

/*
 * rama_place_move() -- Move an element of a vector with a table, or of the part of
 * it that begins at base: those between its places are read, and written.
 */
void
rama_place_move(RamaTransform *transform, const RamaStep *step, const RamaFocus *place,
				int64 base, int64 from, int64 to)
{
	int64		low = Min(from, to);
	RamaFocus	part;
	RamaFocus	old;
	RamaEntries *moved;

	rama_place_fresh(place, &part);
	rama_focus_sublist(&part, step, low, Max(from, to) + 1, NULL);
	rama_place_load(transform, &part, &old);
	moved = rama_entries_copy(old.entries, 0, NULL);
	move_entry(moved, from - low, to - low);
	rama_replace_entries(place->node, place->keys, old.entries, moved, base + low);
}

/* rama_walk_index() -- The same: only the elements that move are read. */
RamaOutcome
rama_walk_index(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	const RamaStep *step = at->steps;
	const RamaNode *node = place->node;
	RamaOutcome outcome;
	int64		count;
	int64		first;
	int64		to;

	if (place->at != RAMA_AT_ROWS)
		return rama_walk_in_memory(transform, at, place);
	count = rama_place_count(transform, place);
	if (step->from < 0 || step->from >= count)
		return RAMA_KEPT;
	first = rama_place_base(transform, place);
	outcome = change_index(transform, at, place, count, &to);
	if (outcome == RAMA_KEPT)
		return RAMA_KEPT;
	if (outcome == RAMA_VOID)
	{
		(void) rama_row_remove(node->table, keys_of(place, Int64GetDatum(first + step->from)));
		return RAMA_CHANGED;
	}
	rama_place_move(transform, step, place, first, step->from, to);
	return RAMA_CHANGED;
}

/* Where an element is now. */
static int64
position_of(const RamaEntries *entries, int order)
{
	for (int i = 0; i < entries->count; i++)
		if (entries->entry[i].order == order)
			return i;
	return -1;
}

/* Without those entries whose order is among the gone. */
static void
drop_gone(RamaEntries *entries, const bool *gone)
{
	int			count = 0;

	for (int i = 0; i < entries->count; i++)
		if (!gone[entries->entry[i].order])
			entries->entry[count++] = entries->entry[i];
	entries->count = count;
}

/*
 * rama_change_indexed_vals() -- Every element as a pair with its index, which
 * takes into account where those before it have moved. A new index moves it.
 * Those that go do so when all is done: they change no index.
 */
RamaOutcome
rama_change_indexed_vals(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	const RamaStep *step = at->steps;
	RamaNext	rest = rama_next_after(at);
	RamaEntries *entries = entries_of(transform, step, value);
	bool		changed = false;
	bool	   *gone;
	int			count;

	if (entries == NULL)
		return RAMA_KEPT;
	if (entries->kind != RAMA_VECTOR)
		rama_step_error(step, "needs a vector, and this is not one");
	count = entries->count;
	gone = palloc0(sizeof(bool) * Max(count, 1));
	for (int i = 0; i < count; i++)
		entries->entry[i].order = i;
	for (int i = 0; i < count; i++)
	{
		int64		here = position_of(entries, i);
		RamaFocus	pair = *value;
		RamaOutcome outcome;
		JsonbValue	index = {.type = jbvNumeric};
		JsonbValue	element;
		int64		to;

		rama_focus_pair(&pair);
		index.val.numeric = int64_to_numeric(here + step->from);
		rama_value_set(pair.first, NULL, &index);
		rama_entry_value(entries, (int) here, pair.second);
		outcome = rama_change(transform, &rest, &pair);
		if (outcome == RAMA_KEPT)
			continue;
		changed = true;
		if (outcome == RAMA_VOID || !rama_value_pair(transform, step, &pair, &index, &element))
		{
			gone[i] = true;
			continue;
		}
		if (index.type == jbvNumeric)
			index.val.numeric =
				DatumGetNumeric(DirectFunctionCall2(numeric_sub,
													NumericGetDatum(index.val.numeric),
													NumericGetDatum(int64_to_numeric(step->from))));
		to = rama_index_of(step, &index, entries->count);
		if (pair.at != RAMA_AT_PAIR && entries->node)
			rama_value_fit_item(entries->node, &element);
		entries->entry[here].value = element;
		move_entry(entries, here, to);
	}
	if (!changed)
		return RAMA_KEPT;
	drop_gone(entries, gone);
	rama_value_set_entries(value, rama_value_node(step, value), entries);
	return RAMA_CHANGED;
}
