/*-------------------------------------------------------------------------
 *
 * transform_insert.c
 *	  Writing through navigators to what is not there yet: after-elem,
 *	  before-elem, before-index, none-elem, end, beginning.
 *
 *-------------------------------------------------------------------------
 */
#include "path/transform.h"

/* Where elements are inserted in a vector. */
typedef enum InsertAt
{
	INSERT_FIRST,
	INSERT_LAST,
	INSERT_AT_INDEX
} InsertAt;

/* The schema of a new element, which a vector knows where paths have joined, too. */
static const RamaNode *
element_node(const RamaStep *step, const RamaFocus *from)
{
	const RamaNode *node = rama_value_node(step, from);

	return node && node->kind == RAMA_VECTOR ? rama_shape_of_value(node).node : NULL;
}

/* What is put where there is nothing; none: nothing is. */
static RamaEntries *
new_element(RamaTransform *transform, const RamaNext *at, const RamaFocus *from)
{
	const RamaStep *step = at->steps;
	RamaNext	rest = rama_next_after(at);
	RamaEntries *entries;
	RamaFocus	value = *from;

	rama_focus_nothing(&value, element_node(step, from));
	value.isvoid = true;
	if (rama_change(transform, &rest, &value) != RAMA_CHANGED)
		return NULL;
	entries = palloc0(sizeof(RamaEntries));
	entries->entry = palloc0(sizeof(RamaEntry));
	entries->count = 1;
	rama_value_json(transform, &value, &entries->entry[0].value);
	entries->entry[0].name = entries->entry[0].value;
	return entries;
}

/* The elements that an empty list at an end becomes. */
static RamaEntries *
new_elements(RamaTransform *transform, const RamaNext *at, const RamaFocus *from)
{
	const RamaStep *step = at->steps;
	RamaNext	rest = rama_next_after(at);
	const RamaNode *node = rama_value_node(step, from);
	RamaFocus	list = *from;

	rama_focus_empty(&list, RAMA_VECTOR, node);
	if (rama_change(transform, &rest, &list) != RAMA_CHANGED)
		return NULL;
	return rama_value_entries(transform, node, RAMA_VECTOR, &list);
}

static int64
place_to_insert(const RamaStep *step, InsertAt where, int64 count)
{
	if (where == INSERT_FIRST)
		return 0;
	if (where == INSERT_LAST)
		return count;
	if (step->from > count)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("index " INT64_FORMAT " is out of range", step->from),
				 errdetail("The vector has " INT64_FORMAT " elements.", count)));
	return step->from;
}

/* Where there is nothing yet: of the schema there, which must be of that kind. */
static RamaEntries *
no_elements(const RamaStep *step, const RamaFocus *value, RamaSchemaKind kind)
{
	RamaEntries *entries = palloc0(sizeof(RamaEntries));

	entries->kind = kind;
	entries->node = rama_value_node(step, value);
	if (entries->node && entries->node->kind != kind)
		rama_step_error(step, "needs a %s, and this is %s", kind == RAMA_SET ? "set" : "vector",
						rama_shape_name(rama_shape_of_node(entries->node)));
	return entries;
}

/* Insert into a vector in memory. */
static RamaOutcome
insert_in_memory(RamaTransform *transform, const RamaStep *step, RamaFocus *value,
				 const RamaEntries *new, InsertAt where)
{
	RamaFocus	here = *value;
	RamaEntries *all;
	int64		i;

	if (new == NULL || new->count == 0)
		return RAMA_KEPT;
	all = rama_focus_entries(&here, step, transform->reading.snapshot);
	if (all == NULL)
		all = no_elements(step, value, RAMA_VECTOR);
	if (all->kind != RAMA_VECTOR)
		rama_step_error(step, "needs a vector, and this is not one");
	all = rama_entries_copy(all, new->count, transform->reading.snapshot);
	i = place_to_insert(step, where, all->count);
	memmove(&all->entry[i + new->count], &all->entry[i], sizeof(RamaEntry) * (all->count - i));
	memcpy(&all->entry[i], rama_entries_copy(new, 0, transform->reading.snapshot)->entry,
		   sizeof(RamaEntry) * new->count);
	all->count += new->count;
	rama_value_set_entries(value, rama_value_node(step, value), all);
	return RAMA_CHANGED;
}

/* Insert into a vector with a table. */
static RamaOutcome
insert_rows(RamaTransform *transform, const RamaStep *step, RamaFocus *place,
			const RamaEntries *new, InsertAt where)
{
	int64		at;

	if (new == NULL || new->count == 0)
		return RAMA_KEPT;
	at = place_to_insert(step, where, rama_place_count(transform, place));
	new = rama_entries_copy(new, 0, NULL);
	rama_vector_insert(place->node, place->keys, rama_place_base(transform, place) + at,
					   new->entry, new->count);
	return RAMA_CHANGED;
}

static RamaOutcome
change_insert(RamaTransform *transform, const RamaNext *at, RamaFocus *value, InsertAt where)
{
	return insert_in_memory(transform, at->steps, value, new_element(transform, at, value),
							where);
}

static RamaOutcome
walk_insert(RamaTransform *transform, const RamaNext *at, RamaFocus *place, InsertAt where)
{
	if (place->at != RAMA_AT_ROWS)
		return rama_walk_in_memory(transform, at, place);
	return insert_rows(transform, at->steps, place, new_element(transform, at, place), where);
}

/* rama_change_after_elem() -- A new last element. */
RamaOutcome
rama_change_after_elem(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	return change_insert(transform, at, value, INSERT_LAST);
}

/* rama_walk_after_elem() -- The same at a place: a row is added. */
RamaOutcome
rama_walk_after_elem(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	return walk_insert(transform, at, place, INSERT_LAST);
}

/* rama_change_before_elem() -- A new first element. */
RamaOutcome
rama_change_before_elem(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	return change_insert(transform, at, value, INSERT_FIRST);
}

/* rama_walk_before_elem() -- The same at a place. */
RamaOutcome
rama_walk_before_elem(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	return walk_insert(transform, at, place, INSERT_FIRST);
}

/* rama_change_before_index() -- A new element before an index; error (2202E) outside. */
RamaOutcome
rama_change_before_index(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	return change_insert(transform, at, value, INSERT_AT_INDEX);
}

/* rama_walk_before_index() -- The same at a place. */
RamaOutcome
rama_walk_before_index(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	return walk_insert(transform, at, place, INSERT_AT_INDEX);
}

/* rama_change_vector_end() -- The empty list behind the last element. */
RamaOutcome
rama_change_vector_end(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	return insert_in_memory(transform, at->steps, value, new_elements(transform, at, value),
							INSERT_LAST);
}

/* rama_walk_vector_end() -- The same at a place: rows are added. */
RamaOutcome
rama_walk_vector_end(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	if (place->at != RAMA_AT_ROWS)
		return rama_walk_in_memory(transform, at, place);
	return insert_rows(transform, at->steps, place, new_elements(transform, at, place),
					   INSERT_LAST);
}

/* rama_change_vector_beginning() -- The empty list before the first element. */
RamaOutcome
rama_change_vector_beginning(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	return insert_in_memory(transform, at->steps, value, new_elements(transform, at, value),
							INSERT_FIRST);
}

/* rama_walk_vector_beginning() -- The same at a place. */
RamaOutcome
rama_walk_vector_beginning(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	if (place->at != RAMA_AT_ROWS)
		return rama_walk_in_memory(transform, at, place);
	return insert_rows(transform, at->steps, place, new_elements(transform, at, place),
					   INSERT_FIRST);
}

static bool
has_element(const RamaEntries *entries, const JsonbValue *element)
{
	for (int i = 0; i < entries->count; i++)
		if (rama_json_equal(&entries->entry[i].value, element))
			return true;
	return false;
}

/* rama_change_none_elem() -- A new element of a set, if it is not there. */
RamaOutcome
rama_change_none_elem(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	const RamaStep *step = at->steps;
	RamaEntries *new = new_element(transform, at, value);
	RamaFocus	here = *value;
	RamaEntries *all;

	if (new == NULL)
		return RAMA_KEPT;
	all = rama_focus_entries(&here, step, transform->reading.snapshot);
	if (all == NULL)
		all = no_elements(step, value, rama_value_node(step, value) ? RAMA_SET : RAMA_VECTOR);
	if (all->kind == RAMA_MAP)
		rama_step_error(step, "needs a set, and this is an object");
	if (all->kind == RAMA_VECTOR && has_element(all, &new->entry[0].value))
		return RAMA_KEPT;
	all = rama_entries_copy(all, 1, transform->reading.snapshot);
	all->entry[all->count++] = new->entry[0];
	if (all->kind == RAMA_SET)
		rama_entries_rekey(all);
	rama_value_set_entries(value, rama_value_node(step, value), all);
	return RAMA_CHANGED;
}

/* rama_walk_none_elem() -- The same at a place: a row is added. */
RamaOutcome
rama_walk_none_elem(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	const RamaNode *node = place->node;
	RamaEntries *new;
	RamaInput	input;
	RamaFocus	there;
	Datum	   *keys;

	if (place->at != RAMA_AT_ROWS)
		return rama_walk_in_memory(transform, at, place);
	new = new_element(transform, at, place);
	if (new == NULL)
		return RAMA_KEPT;
	rama_input_of_json(&input, &new->entry[0].value);
	keys = palloc(sizeof(Datum) * node->table->nkeys);
	if (node->table->nkeys > 1)
		memcpy(keys, place->keys, sizeof(Datum) * (node->table->nkeys - 1));
	keys[node->table->nkeys - 1] = rama_input_to_key(&input, &node->key);
	rama_place_fresh(place, &there);
	there.ispart = false;
	rama_reading_begin(transform);
	rama_focus_row_key(&there, keys[node->table->nkeys - 1], transform->reading.snapshot);
	rama_reading_end(transform);
	if (there.at != RAMA_AT_NOTHING)
		return RAMA_KEPT;
	(void) rama_row_put(node->table, keys, 0, NULL, NULL, NULL);
	return RAMA_CHANGED;
}
