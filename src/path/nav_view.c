/*-------------------------------------------------------------------------
 *
 * nav_view.c
 *	  Navigators to what is made of a value: view, nil->val.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"
#include "path/types.h"


/* rama_bind_view() -- [function, arguments...] */
void
rama_bind_view(RamaPath *path, RamaStep *step)
{
	rama_call_add(path, step, &step->args[0], step->nargs - 1, step->args + 1, &step->in);
	step->out = rama_shape_plain();
}

/* rama_step_is_count() -- Is it a number of elements that is kept? */
bool
rama_step_is_count(const RamaStep *step)
{
	return step->nav->go == rama_go_view && step->calls[0].way == RAMA_CALL_COUNT;
}

/* rama_go_view() -- What the function returns. */
bool
rama_go_view(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	JsonbValue	result;

	if (rama_call_focus(eval, step, &step->calls[0], focus, &result))
		rama_focus_json(focus, NULL, &result);
	else
		rama_focus_nothing(focus, NULL);
	return true;
}

/* Is the constant one that may be at a place of the schema? */
static bool
fits_scalar(const RamaType *type, const JsonbValue *json)
{
	switch (rama_type_info(type->oid)->category)
	{
		case RAMA_TYPE_BOOL:
			return json->type == jbvBool;
		case RAMA_TYPE_NUMBER:
			return json->type == jbvNumeric;
		case RAMA_TYPE_TEXT:
			return json->type == jbvString;
		default:
			return false;
	}
}

static bool
fits(RamaShape shape, const JsonbValue *json)
{
	if (shape.kind == RAMA_SHAPE_PLAIN)
		return true;
	if (shape.kind != RAMA_SHAPE_NODE)
		return false;
	switch (shape.node->kind)
	{
		case RAMA_SCALAR:
			return fits_scalar(&shape.node->type, json);
		case RAMA_MAP:
		case RAMA_STRUCT:
			return rama_json_is_object(json);
		default:
			return rama_json_is_array(json);
	}
}

static void
bind_default(RamaStep *step)
{
	step->out = step->in;
	if (!fits(step->in, &step->value))
	{
		step->out = rama_shape_plain();
		step->plain = true;
	}
	else if (step->in.kind == RAMA_SHAPE_NODE && step->in.node->kind != RAMA_SCALAR)
	{
		rama_json_conform(step->in.node, &step->value, &step->value);
		rama_jsonb_to_json(rama_json_to_jsonb(&step->value), &step->value);
	}
}

/*
 * rama_bind_null_to_val() -- [value]. A value that does not fit the schema
 * here makes the rest of the path one over plain data.
 */
void
rama_bind_null_to_val(RamaPath *path, RamaStep *step)
{
	step->value = step->args[0];
	bind_default(step);
}

/* rama_bind_null_to_list() -- An empty list, or set. */
void
rama_bind_null_to_list(RamaPath *path, RamaStep *step)
{
	JsonbValue	empty = {.type = jbvArray};

	rama_jsonb_to_json(rama_json_to_jsonb(&empty), &step->value);
	bind_default(step);
}

/* rama_go_null_to_val() -- What is here, or where that is null the constant. */
bool
rama_go_null_to_val(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	if (!rama_focus_exists(focus, eval->snapshot))
		rama_focus_json(focus, step->plain || step->in.kind != RAMA_SHAPE_NODE ? NULL :
						step->in.node, &step->value);
	return true;
}
