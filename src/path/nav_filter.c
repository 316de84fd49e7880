/*-------------------------------------------------------------------------
 *
 * nav_filter.c
 *	  Navigators that go on from where they are, or not: stay, stop, pred,
 *	  comparisons, selected?, not-selected?, collected?.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"
#include "path/types.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/typcache.h"

/* rama_bind_stay() -- What is here. */
void
rama_bind_stay(RamaPath *path, RamaStep *step)
{
	step->out = step->in;
}

/* rama_go_stay() -- Always. */
bool
rama_go_stay(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	return true;
}

/* rama_go_stop() -- Never. */
bool
rama_go_stop(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	return false;
}

/* rama_bind_pred() -- [function, arguments...] */
void
rama_bind_pred(RamaPath *path, RamaStep *step)
{
	rama_call_add(path, step, &step->args[0], step->nargs - 1, step->args + 1, &step->in);
	step->out = step->in;
}

/* rama_go_pred() -- Where the function's result is neither null nor false. */
bool
rama_go_pred(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	JsonbValue	result;

	return rama_call_focus(eval, step, &step->calls[0], focus, &result) &&
		rama_json_is_true(&result);
}

/*
 * Values of the type are compared as such: their JSON is text, whose order is
 * another, or depends on the settings.
 */
static bool
compares_as_type(const RamaType *type)
{
	switch (rama_type_info(type->oid)->category)
	{
		case RAMA_TYPE_DATETIME:
		case RAMA_TYPE_OUTPUT:
			return OidIsValid(lookup_type_cache(type->oid, TYPECACHE_CMP_PROC)->cmp_proc);
		default:
			return false;
	}
}

/* rama_bind_compare() -- [value], converted to the type that there is here. */
void
rama_bind_compare(RamaPath *path, RamaStep *step)
{
	const RamaType *type = rama_shape_type(step->in);
	RamaInput	input;
	bool		isnull;

	step->out = step->in;
	step->value = step->args[0];
	if (type == NULL || step->value.type == jbvNull)
		return;
	rama_input_of_json(&input, &step->value);
	if (compares_as_type(type))
	{
		step->type = *type;
		step->type.typmod = -1;
		step->key.datum = rama_input_to_type(&input, &step->type, &isnull);
		step->typed = true;
		if (!rama_type_input_is_immutable(type->oid))
			path->stable = false;
	}
	else if (rama_type_info(type->oid)->category == RAMA_TYPE_NUMBER &&
			 step->value.type == jbvString)
	{
		RamaType	numeric;

		rama_type_init(&numeric, NUMERICOID, -1);
		rama_datum_to_json(NUMERICOID, rama_input_to_type(&input, &numeric, &isnull),
						   &step->value);
	}
}

/* The order of what is here and the value; false where there is none. */
static bool
compare(RamaEval *eval, const RamaStep *step, RamaFocus *focus, int *order)
{
	RamaFocus	here = *focus;
	JsonbValue	json;
	Datum		datum;

	if (step->typed)
	{
		if (!rama_focus_datum_of_type(&here, &step->type, eval->snapshot, &datum))
			return false;
		*order = rama_type_compare(&step->type, datum, step->key.datum);
		return true;
	}
	return rama_focus_to_json(&here, eval->snapshot, &json) &&
		rama_json_compare(&json, &step->value, order);
}

static bool
equals(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	RamaFocus	here = *focus;
	JsonbValue	json;
	int			order;

	if (step->value.type == jbvNull)
		return !rama_focus_exists(&here, eval->snapshot);
	if (step->typed)
		return compare(eval, step, focus, &order) && order == 0;
	if (!rama_focus_to_json(&here, eval->snapshot, &json))
		return false;
	if (json.type == jbvArray || json.type == jbvObject)
		rama_jsonb_to_json(rama_json_to_jsonb(&json), &json);
	return rama_json_equal(&json, &step->value);
}

/* rama_go_equal() -- What equals the value; null equals null. */
bool
rama_go_equal(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	return equals(eval, step, focus);
}

/* rama_go_not_equal() -- ... and what does not. */
bool
rama_go_not_equal(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	return !equals(eval, step, focus);
}

/* rama_go_less() -- What is below the value; null is not, nor another kind. */
bool
rama_go_less(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	int			order;

	return compare(eval, step, focus, &order) && order < 0;
}

/* rama_go_less_equal() -- Not above it. */
bool
rama_go_less_equal(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	int			order;

	return compare(eval, step, focus, &order) && order <= 0;
}

/* rama_go_greater() -- Above it. */
bool
rama_go_greater(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	int			order;

	return compare(eval, step, focus, &order) && order > 0;
}

/* rama_go_greater_equal() -- Not below it. */
bool
rama_go_greater_equal(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	int			order;

	return compare(eval, step, focus, &order) && order >= 0;
}

/* rama_bind_selected() -- [path] */
void
rama_bind_selected(RamaPath *path, RamaStep *step)
{
	rama_branch_add(path, step, 0, step->in);
	step->out = step->in;
}

/* rama_go_selected() -- Where the path selects anything. */
bool
rama_go_selected(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	return rama_branch_selects(eval, &step->branches[0], focus);
}

/* rama_go_not_selected() -- Where it selects nothing. */
bool
rama_go_not_selected(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	return !rama_branch_selects(eval, &step->branches[0], focus);
}

/* rama_bind_collected() -- [function, arguments...] */
void
rama_bind_collected(RamaPath *path, RamaStep *step)
{
	rama_call_add(path, step, &step->args[0], step->nargs - 1, step->args + 1, NULL);
	step->out = step->in;
}

/*
 * rama_go_collected() -- Where the function is true of the collected values:
 * each is an argument, or, of a function of collections, they are its list.
 */
bool
rama_go_collected(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	JsonbValue	result;

	return rama_call_collected(step, &step->calls[0], focus->collected, NULL, &result) &&
		rama_json_is_true(&result);
}
