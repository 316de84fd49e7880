/*-------------------------------------------------------------------------
 *
 * nav_element.c
 *	  Navigators to elements as such: set-elem, map-key, index, indexed-vals,
 *	  and those to elements that are not there yet: after-elem, before-elem,
 *	  before-index, none-elem, end, beginning.
 *
 * Where there is nothing yet, a read finds nothing; end and beginning are
 * empty lists.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

#include "utils/builtins.h"

/* rama_bind_set_elem() -- [element] */
void
rama_bind_set_elem(RamaPath *path, RamaStep *step)
{
	rama_bind_part(step, RAMA_SET);
	rama_bind_key(path, step);
}

/* rama_go_set_elem() -- The element if the set has it. */
bool
rama_go_set_elem(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	RamaEntries *entries;

	if (step->in.kind == RAMA_SHAPE_NODE)
		return rama_go_must(eval, step, focus);
	entries = rama_focus_entries(focus, step, eval->snapshot);
	if (entries == NULL)
		return false;
	if (entries->kind == RAMA_MAP)
		rama_step_error(step, "needs a set, and this is an object");
	for (int i = 0; i < entries->count; i++)
	{
		if (!rama_json_equal(&entries->entry[i].name, &step->key.name))
			continue;
		rama_focus_json(focus, NULL, &step->key.name);
		return true;
	}
	return false;
}

/* rama_bind_map_key() -- [key] */
void
rama_bind_map_key(RamaPath *path, RamaStep *step)
{
	rama_bind_part(step, RAMA_MAP);
	rama_bind_key(path, step);
	step->out = rama_shape_plain();
	if (step->in.kind == RAMA_SHAPE_NODE && step->in.node->kind == RAMA_MAP)
	{
		step->out.kind = RAMA_SHAPE_KEY;
		step->out.node = step->in.node;
	}
}

/* Error (22023) for plain data that is no map. */
static void
require_map(RamaEval *eval, const RamaStep *step, const RamaFocus *focus)
{
	RamaFocus	here = *focus;
	RamaEntries *entries;

	if (focus->at == RAMA_AT_ROWS)
		return;
	entries = rama_focus_entries(&here, step, eval->snapshot);
	if (entries && entries->kind != RAMA_MAP)
		rama_step_error(step, "needs a map, and this is an array");
}

/* rama_go_map_key() -- The key itself, if the map has it. */
bool
rama_go_map_key(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	JsonbValue	name;

	if (step->in.kind == RAMA_SHAPE_PLAIN)
		require_map(eval, step, focus);
	if (!rama_go_must(eval, step, focus))
		return false;
	if (step->out.kind == RAMA_SHAPE_KEY)
		rama_focus_datum(focus, &step->out.node->key, step->key.datum);
	else
	{
		rama_json_name(&step->args[0], &name);
		rama_focus_json(focus, NULL, &name);
	}
	return true;
}

/* rama_bind_index() -- [index] */
void
rama_bind_index(RamaPath *path, RamaStep *step)
{
	rama_bind_part(step, RAMA_VECTOR);
	step->from = rama_step_int(step, 0);
	step->out = rama_shape_plain();
}

/* rama_go_index() -- The index itself, if the vector has it. */
bool
rama_go_index(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	rama_focus_load(focus, eval->snapshot);
	if (focus->at == RAMA_AT_ROW && !rama_focus_exists(focus, eval->snapshot))
		return false;
	if ((focus->at == RAMA_AT_JSON && !rama_json_is_array(&focus->json)) ||
		(focus->at == RAMA_AT_ENTRIES && focus->entries->kind != RAMA_VECTOR) ||
		focus->at == RAMA_AT_ROW || focus->at == RAMA_AT_DATUM)
		rama_step_error(step, "needs a vector, and this is not one");
	if (step->from < 0 || step->from >= rama_focus_count(focus, eval->snapshot))
		return false;
	rama_focus_json(focus, NULL, &step->args[0]);
	return true;
}

/* rama_bind_indexed_vals() -- [first index]: 0 if it is not given. */
void
rama_bind_indexed_vals(RamaPath *path, RamaStep *step)
{
	rama_bind_part(step, RAMA_VECTOR);
	step->from = step->nargs > 0 ? rama_step_int(step, 0) : 0;
	step->out = rama_shape_plain();
	if (step->in.kind == RAMA_SHAPE_NODE)
	{
		step->out.kind = RAMA_SHAPE_PAIR;
		step->out.node = step->in.node;
	}
}

/* rama_open_indexed_vals() -- Start to count. */
void
rama_open_indexed_vals(RamaEval *eval, RamaFrame *frame)
{
	rama_open_each(eval, frame);
	if (frame->entries && frame->entries->kind != RAMA_VECTOR)
		rama_step_error(frame->step, "needs a vector, and this is not one");
	frame->index = frame->step->from;
}

/* rama_next_indexed_val() -- The next element, as a pair with its index. */
bool
rama_next_indexed_val(RamaEval *eval, RamaFrame *frame, RamaFocus *out)
{
	RamaFocus	element = {.collected = NULL};
	JsonbValue	index = {.type = jbvNumeric};

	if (!rama_next_all(eval, frame, &element))
		return false;
	rama_focus_pair(out);
	*out->second = element;
	index.val.numeric = int64_to_numeric(frame->index++);
	rama_focus_json(out->first, NULL, &index);
	return true;
}

static void
new_element(RamaStep *step, RamaSchemaKind kind)
{
	rama_bind_part(step, kind);
	step->out = step->in.kind == RAMA_SHAPE_NODE ?
		rama_shape_of_value(step->in.node) : rama_shape_plain();
}

/* rama_bind_new_elem() -- At an end of a vector. */
void
rama_bind_new_elem(RamaPath *path, RamaStep *step)
{
	new_element(step, RAMA_VECTOR);
}

/* rama_bind_before_index() -- [index] */
void
rama_bind_before_index(RamaPath *path, RamaStep *step)
{
	new_element(step, RAMA_VECTOR);
	step->from = rama_step_int(step, 0);
	if (step->from < 0)
		rama_step_error(step, "an index must not be negative");
}

/* rama_bind_none_elem() -- A new element of a set. */
void
rama_bind_none_elem(RamaPath *path, RamaStep *step)
{
	new_element(step, RAMA_SET);
}

/* rama_go_new_elem() -- It is not there yet. */
bool
rama_go_new_elem(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	return false;
}

/* rama_bind_vector_end() -- The empty list at an end of a vector. */
void
rama_bind_vector_end(RamaPath *path, RamaStep *step)
{
	rama_bind_part(step, RAMA_VECTOR);
}

/* rama_go_vector_end() -- An empty list. */
bool
rama_go_vector_end(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	rama_focus_empty(focus, RAMA_VECTOR, focus->node);
	return true;
}
