/*-------------------------------------------------------------------------
 *
 * parse.c
 *	  A path as JSON to a list of steps.
 *
 * A path is an array. A plain value in it is a key; an array is a navigator:
 * its name, then its arguments. Nothing here knows of schemas.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

#include "utils/builtins.h"

/* rama_json_kind() -- What a JSON value is, for messages. */
const char *
rama_json_kind(const JsonbValue *json)
{
	switch (json->type)
	{
		case jbvNull:
			return "null";
		case jbvString:
			return "string";
		case jbvNumeric:
			return "number";
		case jbvBool:
			return "boolean";
		case jbvArray:
			return "array";
		case jbvBinary:
			return JsonContainerIsArray(json->val.binary.data) ? "array" : "object";
		default:
			return "object";
	}
}

/* rama_json_is_array() -- An array, in either form. */
bool
rama_json_is_array(const JsonbValue *json)
{
	return json->type == jbvArray ||
		(json->type == jbvBinary && JsonContainerIsArray(json->val.binary.data));
}

/* rama_json_is_object() -- An object, in either form. */
bool
rama_json_is_object(const JsonbValue *json)
{
	return json->type == jbvObject ||
		(json->type == jbvBinary && JsonContainerIsObject(json->val.binary.data));
}

/* rama_step_error() -- Error (22023) in the use of a navigator. */
void
rama_step_error(const RamaStep *step, const char *format,...)
{
	StringInfoData message;
	va_list		args;
	int			needed;

	initStringInfo(&message);
	for (;;)
	{
		va_start(args, format);
		needed = appendStringInfoVA(&message, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&message, needed);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("step %d of the path (%s): %s", step->position,
					step->nav->names[0], message.data)));
}

/* rama_step_int() -- An argument that is a whole number, or error (22023). */
int64
rama_step_int(const RamaStep *step, int arg)
{
	const JsonbValue *json = &step->args[arg];
	Datum		number;

	if (json->type == jbvNumeric)
	{
		number = NumericGetDatum(json->val.numeric);
		if (DatumGetBool(DirectFunctionCall2(numeric_eq, number,
											 DirectFunctionCall2(numeric_trunc, number,
																 Int32GetDatum(0)))))
			return DatumGetInt64(DirectFunctionCall1(numeric_int8, number));
	}
	rama_step_error(step, "argument %d must be a whole number", arg + 1);
}

static void
malformed(int position, const char *message, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("step %d of the path: %s", position, message),
			 errhint("%s", hint)));
}

static void
check_arguments(const RamaStep *step)
{
	const RamaNavigator *nav = step->nav;

	if (step->nargs < nav->minargs)
		rama_step_error(step, "needs at least %d argument(s), has %d",
						nav->minargs, step->nargs);
	if (nav->maxargs >= 0 && step->nargs > nav->maxargs)
		rama_step_error(step, "takes at most %d argument(s), has %d",
						nav->maxargs, step->nargs);
}

static void
parse_navigator(RamaStep *step, JsonbContainer *array, int position)
{
	uint32		count = JsonContainerSize(array);
	JsonbValue *name = count > 0 ? getIthJsonbValueFromContainer(array, 0) : NULL;

	if (name == NULL || name->type != jbvString)
		malformed(position, "a navigator is an array that starts with its name",
				  "A key that is itself an array is written as [\"key\", [...]].");
	step->name = pnstrdup(name->val.string.val, name->val.string.len);
	step->nav = rama_navigator_find(step->name, position);
	step->nargs = count - 1;
	step->args = palloc(sizeof(JsonbValue) * count);
	for (uint32 i = 1; i < count; i++)
		step->args[i - 1] = *getIthJsonbValueFromContainer(array, i);
	check_arguments(step);
}

/*
 * rama_step_of_name() -- A step that another one is made of: a navigator
 * without arguments, at the same position.
 */
void
rama_step_of_name(RamaStep *step, const char *name, const RamaStep *from)
{
	memset(step, 0, sizeof(RamaStep));
	step->position = from->position;
	step->nav = rama_navigator_find(name, from->position);
}

static void
parse_step(RamaStep *step, const JsonbValue *json, int position)
{
	step->position = position;
	if (json->type == jbvBinary)
	{
		if (!JsonContainerIsArray(json->val.binary.data))
			malformed(position, "an object is not a step",
					  "A key that is itself an object is written as [\"key\", {...}].");
		parse_navigator(step, json->val.binary.data, position);
		return;
	}
	step->nav = rama_navigator_find("key", position);
	step->nargs = 1;
	step->args = palloc(sizeof(JsonbValue));
	step->args[0] = *json;
}

/* A navigator with a list of keys is one step for each of them. */
static int
add_step(RamaStep **steps, int nsteps, const RamaStep *parsed)
{
	int			parts = parsed->nav->eachkey ? parsed->nargs : 1;

	*steps = nsteps == 0 ? palloc(sizeof(RamaStep) * parts) :
		repalloc(*steps, sizeof(RamaStep) * (nsteps + parts));
	for (int i = 0; i < parts; i++)
	{
		RamaStep   *step = &(*steps)[nsteps + i];

		*step = *parsed;
		if (parsed->nav->eachkey)
		{
			step->args = &parsed->args[i];
			step->nargs = 1;
		}
	}
	return nsteps + parts;
}

/*
 * rama_path_parse() -- The steps of a path, unbound, in the current memory
 * context and pointing into the path.
 *
 * Errors: 22023 malformed, 42704 unknown navigator, 0A000 not supported yet.
 */
RamaStep *
rama_path_parse(JsonbContainer *path, int *nsteps)
{
	RamaStep   *steps = NULL;

	*nsteps = 0;
	if (!JsonContainerIsArray(path) || JsonContainerIsScalar(path))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a path is a JSON array of steps"),
				 errhint("For example: '[\"key\", [\"all\"]]'.")));
	for (uint32 i = 0; i < JsonContainerSize(path); i++)
	{
		RamaStep	step;

		memset(&step, 0, sizeof(step));
		parse_step(&step, getIthJsonbValueFromContainer(path, i), i + 1);
		*nsteps = add_step(&steps, *nsteps, &step);
	}
	return steps;
}

/*
 * rama_path_parse_one() -- The steps of one navigator, at a position among
 * keys.
 */
RamaStep *
rama_path_parse_one(const JsonbValue *json, int position, int *nsteps)
{
	RamaStep   *steps = NULL;
	RamaStep	step;

	memset(&step, 0, sizeof(step));
	parse_step(&step, json, position);
	*nsteps = add_step(&steps, 0, &step);
	return steps;
}
