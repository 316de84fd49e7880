/*-------------------------------------------------------------------------
 *
 * named.c
 *	  Paths with a name: rama.create_path(), rama.drop_path(), and the
 *	  navigator [name].
 *
 * A named path is bound where it stands, as if it were written there. Within
 * itself it is bound when an evaluation comes to it, from the shape that the
 * focus then has, so that paths may be recursive; what that yields is plain
 * data to the steps behind it. Paths are data, evaluated with the rights of
 * whoever uses them; nothing is to be granted.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(rama_create_path);
PG_FUNCTION_INFO_V1(rama_drop_path);

#define TABLE "named_path"
#define ATTNO_PATH 4
#define NATTS 4

/* A named path that is bound within itself, for as long as the path is used. */
typedef struct BoundPath
{
	const char *name;
	RamaShape	in;
	RamaBranch	branch;
} BoundPath;

/*
 * The schema of the path that is being bound: there its names are looked for
 * first, whatever the user's search_path.
 */
static const char *binding_module = NULL;

static bool find_named(const char *given, JsonbValue *path, char **fullname, char **module);

/*
 * rama_named_path_find() -- The path of a name as JSON, and its full name;
 * false where there is none that the user may see.
 */
bool
rama_named_path_find(const char *given, JsonbValue *path, char **fullname)
{
	char	   *module;

	return find_named(given, path, fullname, &module);
}

static bool
find_named(const char *given, JsonbValue *path, char **fullname, char **module)
{
	Relation	rel = table_open(rama_catalog_relid(TABLE), AccessShareLock);
	HeapTuple	tuple = rama_named_find(rel, given, binding_module, module);

	if (tuple)
	{
		bool		isnull;
		Datum		json = heap_getattr(tuple, ATTNO_PATH, RelationGetDescr(rel), &isnull);
		Datum		name = heap_getattr(tuple, RAMA_NAMED_NAME, RelationGetDescr(rel), &isnull);

		rama_jsonb_to_json(DatumGetJsonbPCopy(json), path);
		*fullname = quote_qualified_identifier(*module, TextDatumGetCString(name));
	}
	table_close(rel, AccessShareLock);
	return tuple != NULL;
}

static bool
is_being_bound(const RamaPath *path, const char *name)
{
	ListCell   *lc;

	foreach(lc, path->naming)
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	return false;
}

/* The steps of a named path, as a branch of the step. */
static void
bind_body(RamaPath *path, RamaStep *step, const char *module)
{
	const char *outer = binding_module;

	binding_module = module;
	PG_TRY();
	{
		rama_branch_add(path, step, 0, step->in);
	}
	PG_FINALLY();
	{
		binding_module = outer;
	}
	PG_END_TRY();
}

/* rama_bind_named() -- The path of the name, as if it stood here. */
void
rama_bind_named(RamaPath *path, RamaStep *step)
{
	char	   *fullname;
	char	   *module;

	rama_path_depend(path);
	step->args = palloc(sizeof(JsonbValue));
	if (!find_named(step->name, &step->args[0], &fullname, &module))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("path \"%s\" does not exist", step->name)));
	step->name = fullname;
	step->module = module;
	step->out = rama_shape_plain();
	if (is_being_bound(path, fullname))
		return;
	path->naming = lappend(path->naming, fullname);
	bind_body(path, step, module);
	path->naming = list_delete_last(path->naming);
	rama_branch_join(step, 0, 1);
}

static const RamaBranch *
find_bound(const RamaPath *path, const RamaStep *step)
{
	ListCell   *lc;

	foreach(lc, path->bound)
	{
		const BoundPath *bound = lfirst(lc);

		if (bound->in.kind == step->in.kind && bound->in.node == step->in.node &&
			strcmp(bound->name, step->name) == 0)
			return &bound->branch;
	}
	return NULL;
}

/* A path within itself: once for each shape that there is at its step. */
static const RamaBranch *
bind_again(RamaPath *path, const RamaStep *step)
{
	const RamaBranch *found = find_bound(path, step);
	MemoryContext old;
	RamaStep	copy = *step;
	List	   *naming = path->naming;
	BoundPath  *bound;

	if (found)
		return found;
	old = MemoryContextSwitchTo(path->context);
	copy.nbranches = 0;
	path->naming = list_make1(step->name);
	bind_body(path, &copy, step->module);
	path->naming = naming;
	bound = palloc(sizeof(BoundPath));
	bound->name = step->name;
	bound->in = step->in;
	bound->branch = copy.branches[0];
	path->bound = lappend(path->bound, bound);
	MemoryContextSwitchTo(old);
	rama_path_bound_later(path);
	return &bound->branch;
}

/* rama_named_branch() -- The steps of the path at a step, bound there. */
const RamaBranch *
rama_named_branch(RamaPath *path, const RamaStep *step)
{
	return step->nbranches > 0 ? &step->branches[0] : bind_again(path, step);
}

/* rama_open_named() -- Go by the path. */
void
rama_open_named(RamaEval *eval, RamaFrame *frame)
{
	rama_branch_open(eval, frame);
	rama_branch_enter(eval, frame, rama_named_branch(eval->path, frame->step));
}

static char *
name_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the name must not be null")));
	return text_to_cstring(PG_GETARG_TEXT_PP(0));
}

static void
insert_path(const char *module, const char *name, Datum path)
{
	Datum		values[NATTS];
	bool		nulls[NATTS] = {false};

	values[RAMA_NAMED_MODULE - 1] = CStringGetTextDatum(module);
	values[RAMA_NAMED_NAME - 1] = CStringGetTextDatum(name);
	values[RAMA_NAMED_OWNER - 1] = ObjectIdGetDatum(GetUserId());
	values[ATTNO_PATH - 1] = path;
	rama_catalog_insert(TABLE, values, nulls);
	rama_paths_changed(TABLE);
}

/*
 * rama.create_path(name, path, if_not_exists) -- Give a path a name.
 *
 * Errors: 42501 no CREATE privilege on the schema, 42710 the name is taken or
 * a navigator's, and those of a path that is malformed.
 */
Datum
rama_create_path(PG_FUNCTION_ARGS)
{
	char	   *text = name_argument(fcinfo);
	bool		if_not_exists = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
	Oid			nspid;
	char	   *name;
	char	   *module;
	int			nsteps;

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the path must not be null")));
	rama_split_name(text, &nspid, &name);
	module = get_namespace_name(nspid);
	if (rama_is_navigator(name))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("\"%s\" is the name of a navigator", name)));
	if (rama_named_is_taken(TABLE, "path", text, module, name, if_not_exists))
		PG_RETURN_VOID();
	insert_path(module, name, PG_GETARG_DATUM(1));
	/* Now that it is there, it may be used within itself. */
	(void) rama_path_parse(&PG_GETARG_JSONB_P(1)->root, &nsteps);
	PG_RETURN_VOID();
}

/*
 * rama.drop_path(name, if_exists) -- Remove a named path.
 *
 * Errors: 42704 there is none, 42501 neither its owner nor the schema's.
 */
Datum
rama_drop_path(PG_FUNCTION_ARGS)
{
	char	   *text = name_argument(fcinfo);
	bool		if_exists = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);

	rama_named_drop(TABLE, "path", text, if_exists);
	rama_paths_changed(TABLE);
	PG_RETURN_VOID();
}

/* rama_paths_dropped() -- A schema is dropped: its paths go. */
void
rama_paths_dropped(const char *module)
{
	rama_named_module_dropped(TABLE, module);
	rama_paths_changed(TABLE);
}

/* rama_paths_renamed() -- A schema has a new name: so have its paths. */
void
rama_paths_renamed(const char *module, const char *newname)
{
	rama_named_module_renamed(TABLE, module, newname);
	rama_paths_changed(TABLE);
}
