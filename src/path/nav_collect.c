/*-------------------------------------------------------------------------
 *
 * nav_collect.c
 *	  Navigators that collect values on the way: collect, collect-one, val,
 *	  putval, dispense.
 *
 * What is collected is plain JSON, and lives where the focus does.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

static void
collect_json(RamaFocus *focus, const JsonbValue *json)
{
	RamaCollected *collected = palloc(sizeof(RamaCollected));

	collected->value = *json;
	collected->before = focus->collected;
	collected->count = 1 + (focus->collected ? focus->collected->count : 0);
	focus->collected = collected;
}

/* rama_bind_collect() -- [path] */
void
rama_bind_collect(RamaPath *path, RamaStep *step)
{
	rama_branch_add(path, step, 0, step->in);
	step->out = step->in;
}

/* rama_go_collect() -- Collect all that the path selects, as a list. */
bool
rama_go_collect(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	JsonbValue	list;

	rama_jsonb_to_json(rama_branch_list(eval, &step->branches[0], focus), &list);
	collect_json(focus, &list);
	return true;
}

/*
 * rama_go_collect_one() -- Collect the one value that the path selects, null
 * where there is none. Error (P0003) where there are several.
 */
bool
rama_go_collect_one(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	JsonbValue	value;

	if (!rama_branch_one(eval, step, &step->branches[0], focus, &value))
		value.type = jbvNull;
	collect_json(focus, &value);
	return true;
}

/* rama_go_val() -- Collect the value at the focus. */
bool
rama_go_val(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	RamaFocus	value = *focus;
	JsonbValue	json;

	if (!rama_focus_to_json(&value, eval->snapshot, &json))
		json.type = jbvNull;
	rama_jsonb_to_json(rama_json_to_jsonb(&json), &json);
	collect_json(focus, &json);
	return true;
}

/* rama_bind_putval() -- [value] */
void
rama_bind_putval(RamaPath *path, RamaStep *step)
{
	step->out = step->in;
}

/* rama_go_putval() -- Collect a constant. */
bool
rama_go_putval(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	collect_json(focus, &step->args[0]);
	return true;
}

/* rama_go_dispense() -- Forget what is collected. */
bool
rama_go_dispense(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	focus->collected = NULL;
	return true;
}

/*
 * rama_focus_to_json_collected() -- What a path yields at a focus: its value,
 * or where values were collected, [collected..., value]. False, and null,
 * where there is neither.
 */
bool
rama_focus_to_json_collected(RamaFocus *focus, Snapshot snapshot, JsonbValue *json)
{
	const RamaCollected *collected = focus->collected;
	JsonbValue *elements;
	int			n;

	if (collected == NULL)
	{
		if (rama_focus_to_json(focus, snapshot, json))
			return true;
		json->type = jbvNull;
		return false;
	}
	n = collected->count;
	elements = palloc(sizeof(JsonbValue) * (n + 1));
	if (!rama_focus_to_json(focus, snapshot, &elements[n]))
		elements[n].type = jbvNull;
	for (int i = n - 1; i >= 0; i--)
	{
		elements[i] = collected->value;
		collected = collected->before;
	}
	json->type = jbvArray;
	json->val.array.nElems = n + 1;
	json->val.array.elems = elements;
	json->val.array.rawScalar = false;
	return true;
}

/* rama_focus_result() -- The same as a new jsonb. */
Datum
rama_focus_result(RamaFocus *focus, Snapshot snapshot, bool *isnull)
{
	JsonbValue	json;

	*isnull = !rama_focus_to_json_collected(focus, snapshot, &json);
	return *isnull ? (Datum) 0 : JsonbPGetDatum(rama_json_to_jsonb(&json));
}
