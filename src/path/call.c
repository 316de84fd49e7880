/*-------------------------------------------------------------------------
 *
 * call.c
 *	  Arguments of navigators that are functions: a name, and the arguments
 *	  that follow the value.
 *
 * A function is one of those built in (functions.c), or an SQL function that
 * is allowed in paths (sqlfunction.c). Of a collection with a table a few are
 * answered without reading it whole.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"


/* Is the shape one that a navigator can walk over as a map, a collection? */
static bool
is_map(RamaShape shape)
{
	return shape.kind == RAMA_SHAPE_NODE && shape.node->kind == RAMA_MAP;
}

static bool
is_collection(RamaShape shape)
{
	return shape.kind == RAMA_SHAPE_NODE && shape.node->kind != RAMA_SCALAR &&
		shape.node->kind != RAMA_STRUCT;
}

static void
go_by(RamaPath *path, RamaStep *step, RamaCall *call, RamaCallWay way, const char *navigator,
	  JsonbValue *arg, RamaShape shape)
{
	RamaStep   *inner = palloc(sizeof(RamaStep));

	rama_step_of_name(inner, navigator, step);
	inner->args = arg;
	inner->nargs = arg ? 1 : 0;
	call->way = way;
	call->branch = step->nbranches;
	rama_branch_add_steps(path, step, inner, 1, shape);
}

/* Functions that need not read a collection of the schema whole. */
static void
choose_way(RamaPath *path, RamaStep *step, RamaCall *call, RamaShape shape)
{
	const char *name = call->name;

	if (strcmp(name, "count") == 0 || strcmp(name, "size") == 0)
	{
		if (rama_shape_is_scalar(shape))
			rama_step_error(step, "cannot count the elements of %s", rama_shape_name(shape));
		call->way = RAMA_CALL_COUNT;
	}
	else if (strcmp(name, "some?") == 0)
		call->way = RAMA_CALL_EXISTS;
	else if (strcmp(name, "nil?") == 0)
		call->way = RAMA_CALL_NOTHING;
	else if (is_map(shape) && strcmp(name, "keys") == 0)
		go_by(path, step, call, RAMA_CALL_LIST, "map-keys", NULL, shape);
	else if (is_map(shape) && strcmp(name, "vals") == 0)
		go_by(path, step, call, RAMA_CALL_LIST, "map-vals", NULL, shape);
	else if (is_collection(shape) && strcmp(name, "first") == 0)
		go_by(path, step, call, RAMA_CALL_ONE, "first", NULL, shape);
	else if (is_collection(shape) && strcmp(name, "last") == 0)
		go_by(path, step, call, RAMA_CALL_ONE, "last", NULL, shape);
	else if (is_collection(shape) && shape.node->kind != RAMA_VECTOR &&
			 strcmp(name, "contains?") == 0)
		go_by(path, step, call, RAMA_CALL_SELECTS, "must", &call->args[0], shape);
}

static void
check_count(const RamaStep *step, const RamaCall *call, int nargs)
{
	const RamaBuiltin *builtin = call->builtin;

	if (nargs < builtin->minargs)
		rama_step_error(step, "function \"%s\" needs %d more argument(s)", call->name,
						builtin->minargs - nargs);
	if (builtin->maxargs >= 0 && nargs > builtin->maxargs)
	{
		if (builtin->maxargs == 1)
			rama_step_error(step, "function \"%s\" takes no more arguments", call->name);
		rama_step_error(step, "function \"%s\" takes at most %d argument(s) after the value",
						call->name, builtin->maxargs - 1);
	}
}

/*
 * rama_call_add() -- Bind a function that is an argument of a step.
 *
 * value is the shape of what it is called on; NULL where that is only known
 * when it is called (collected values), as is then the number of arguments.
 *
 * Errors: 42883 no such function, with near names; 42501 one that is not
 * allowed in paths; 42725 not unique; 22023 wrong number of arguments.
 */
void
rama_call_add(RamaPath *path, RamaStep *step, const JsonbValue *name, int nargs,
			  JsonbValue *args, const RamaShape *value)
{
	RamaCall   *call;

	if (name->type != jbvString)
		rama_step_error(step, "a function is given by its name, not a %s",
						rama_json_kind(name));
	step->calls = step->ncalls == 0 ? palloc(sizeof(RamaCall)) :
		repalloc(step->calls, sizeof(RamaCall) * (step->ncalls + 1));
	call = &step->calls[step->ncalls++];
	memset(call, 0, sizeof(RamaCall));
	call->name = pnstrdup(name->val.string.val, name->val.string.len);
	call->nargs = nargs;
	call->args = args;
	call->builtin = rama_builtin_find(call->name);
	if (call->builtin == NULL)
	{
		const RamaType *type = value ? rama_shape_type(*value) : NULL;

		rama_path_depend(path);
		call->function = rama_sql_function_bind(step, call->name, type,
												value ? 1 + nargs : -1, args);
	}
	else if (value)
	{
		check_count(step, call, 1 + nargs);
		choose_way(path, step, call, *value);
	}
}

/* Arrays and objects as they are stored. */
static void
normalize(JsonbValue *json)
{
	if (json->type == jbvArray || json->type == jbvObject)
		rama_jsonb_to_json(rama_json_to_jsonb(json), json);
}

/*
 * rama_call_values() -- Call a function with values and then its arguments;
 * false, and null, where it returns null.
 *
 * The result is in the current memory context or points into the arguments.
 */
bool
rama_call_values(const RamaStep *step, const RamaCall *call, int nvalues,
				 const JsonbValue *values, JsonbValue *result)
{
	int			nargs = nvalues + call->nargs;
	JsonbValue *args = palloc(sizeof(JsonbValue) * Max(nargs, 1));
	RamaWhere	where;
	bool		found;

	for (int i = 0; i < nvalues; i++)
	{
		args[i] = values[i];
		normalize(&args[i]);
	}
	for (int i = 0; i < call->nargs; i++)
		args[nvalues + i] = call->args[i];
	rama_where_push(&where, "step", step->position);
	if (call->function)
		found = rama_sql_function_call(step, call->function, nargs, args, result);
	else
	{
		check_count(step, call, nargs);
		found = call->builtin->call(call->builtin, nargs, args, result);
	}
	rama_where_pop(&where);
	if (!found)
		result->type = jbvNull;
	return found;
}

/*
 * rama_call_collected() -- Call a function with the values collected, then
 * the value (NULL: none), then its arguments.
 */
bool
rama_call_collected(const RamaStep *step, const RamaCall *call, const RamaCollected *collected,
					const JsonbValue *value, JsonbValue *result)
{
	int			n = collected ? collected->count : 0;
	JsonbValue *values = palloc(sizeof(JsonbValue) * (n + 1));

	for (int i = n - 1; i >= 0; i--)
	{
		values[i] = collected->value;
		collected = collected->before;
	}
	if (value)
		values[n++] = *value;
	else if (call->builtin && call->builtin->collection)
	{
		JsonbValue	list = {.type = jbvArray};

		list.val.array.nElems = n;
		list.val.array.elems = values;
		return rama_call_values(step, call, 1, &list, result);
	}
	return rama_call_values(step, call, n, values, result);
}

static bool
set_bool(JsonbValue *result, bool value)
{
	result->type = jbvBool;
	result->val.boolean = value;
	return true;
}

/*
 * rama_call_part() -- Make a range of a map, which is written as pairs, a map
 * again, where the function is one of maps.
 */
void
rama_call_part(const RamaCall *call, RamaFocus *focus, Snapshot snapshot)
{
	RamaEntries *entries;

	if (call->builtin == NULL || !rama_focus_is_map_part(focus) ||
		(strcmp(call->name, "keys") != 0 && strcmp(call->name, "vals") != 0 &&
		 strcmp(call->name, "contains?") != 0))
		return;
	entries = palloc(sizeof(RamaEntries));
	*entries = *rama_entries_of_part(focus, snapshot);
	entries->asobject = true;
	focus->entries = entries;
	focus->at = RAMA_AT_ENTRIES;
}

/*
 * rama_call_focus() -- Call a function on what is at a focus; false, and
 * null, where it returns null. The focus may be read afterwards as before.
 */
bool
rama_call_focus(RamaEval *eval, const RamaStep *step, const RamaCall *call,
				RamaFocus *focus, JsonbValue *result)
{
	RamaFocus	here = *focus;
	JsonbValue	value;

	switch (call->way)
	{
		case RAMA_CALL_COUNT:
			result->type = jbvNumeric;
			result->val.numeric = int64_to_numeric(rama_focus_count(&here, eval->snapshot));
			return true;
		case RAMA_CALL_EXISTS:
			return set_bool(result, rama_focus_exists(&here, eval->snapshot));
		case RAMA_CALL_NOTHING:
			return set_bool(result, !rama_focus_exists(&here, eval->snapshot));
		case RAMA_CALL_LIST:
			if (!rama_focus_exists(&here, eval->snapshot))
				break;
			rama_jsonb_to_json(rama_branch_list(eval, &step->branches[call->branch], &here),
							   result);
			return true;
		case RAMA_CALL_ONE:
			if (!rama_branch_one(eval, step, &step->branches[call->branch], &here, result))
				break;
			return true;
		case RAMA_CALL_SELECTS:
			return set_bool(result, rama_branch_selects(eval, &step->branches[call->branch],
														&here));
		case RAMA_CALL_VALUE:
			rama_call_part(call, &here, eval->snapshot);
			if (!rama_focus_to_json(&here, eval->snapshot, &value))
				value.type = jbvNull;
			return rama_call_values(step, call, 1, &value, result);
	}
	result->type = jbvNull;
	return false;
}
