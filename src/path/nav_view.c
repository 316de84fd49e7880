/*-------------------------------------------------------------------------
 *
 * nav_view.c
 *	  The navigator view, and which functions paths may call.
 *
 * Paths may come from clients, so nothing is called that is not built in.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"


/* Built-in functions of paths that later versions have. */
static const char *const later[] = {
	"+", "-", "*", "/", "inc", "dec", "min", "max", "sum", "not", "odd?", "even?",
	"pos?", "neg?", "nil?", "some?", "=", "not=", "<", "<=", ">", ">=", "first",
	"last", "identity", "reverse", "concat", "lower", "upper", "str", "keys",
	"vals", "contains?"
};

static void
not_yet(const RamaStep *step, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("step %d of the path (%s): function \"%s\" is not supported in paths in this version",
					step->position, step->nav->names[0], name),
			 errhint("\"count\" and \"size\" are.")));
}

/* A function that is not built in: why it cannot be called. */
static void
refuse_function(const RamaStep *step, const char *name)
{
	List	   *names;
	FuncCandidateList candidate = NULL;

	for (int i = 0; i < (int) lengthof(later); i++)
		if (strcmp(later[i], name) == 0)
			not_yet(step, name);

	if (strchr(name, '.') != NULL)
	{
		names = stringToQualifiedNameList_compat(name);
		candidate = FuncnameGetCandidates(names, -1, NIL, false, false, false, true);
	}
	for (FuncCandidateList c = candidate; c; c = c->next)
		if (func_volatile(c->oid) == PROVOLATILE_IMMUTABLE)
			not_yet(step, name);
	if (candidate)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("step %d of the path (%s): function \"%s\" is not allowed in paths",
						step->position, step->nav->names[0], name)));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FUNCTION),
			 errmsg("step %d of the path (%s): unknown function \"%s\"",
					step->position, step->nav->names[0], name),
			 errhint("Functions of SQL are written with their schema.")));
}

/* rama_bind_view() -- [function, arguments...] */
void
rama_bind_view(RamaPath *path, RamaStep *step)
{
	const JsonbValue *json = &step->args[0];
	char	   *name;

	if (json->type != jbvString)
		rama_step_error(step, "a function is given by its name, not a %s",
						rama_json_kind(json));
	name = pnstrdup(json->val.string.val, json->val.string.len);
	if (strcmp(name, "count") != 0 && strcmp(name, "size") != 0)
		refuse_function(step, name);
	if (step->nargs > 1)
		rama_step_error(step, "function \"%s\" takes no more arguments", name);
	if (step->in.kind == RAMA_SHAPE_KEY ||
		(step->in.kind == RAMA_SHAPE_NODE && step->in.node->kind == RAMA_SCALAR))
		rama_step_error(step, "cannot count the elements of %s",
						rama_shape_name(step->in));
	step->out.kind = RAMA_SHAPE_PLAIN;
	step->out.node = NULL;
}

/* rama_go_view() -- The number of elements, 0 of nothing. */
bool
rama_go_view(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	JsonbValue	count = {.type = jbvNumeric};

	count.val.numeric = int64_to_numeric(rama_focus_count(focus, eval->snapshot));
	rama_focus_json(focus, NULL, &count);
	return true;
}
