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

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_namespace.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/varlena.h"

PG_FUNCTION_INFO_V1(rama_create_path);
PG_FUNCTION_INFO_V1(rama_drop_path);

#define TABLE "named_path"
#define ATTNO_MODULE 1
#define ATTNO_NAME 2
#define ATTNO_OWNER 3
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

static SysScanDesc
begin_scan(Relation rel, const char *module, const char *name)
{
	ScanKeyData keys[2];
	Oid			index = primary_key_index_compat(rel);

	ScanKeyInit(&keys[0], ATTNO_MODULE, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(module));
	keys[0].sk_collation = C_COLLATION_OID;
	if (name)
	{
		ScanKeyInit(&keys[1], ATTNO_NAME, BTEqualStrategyNumber, F_TEXTEQ,
					CStringGetTextDatum(name));
		keys[1].sk_collation = C_COLLATION_OID;
	}
	return systable_beginscan(rel, index, OidIsValid(index), NULL, name ? 2 : 1, keys);
}

/* The row of a path, copied; NULL where there is none. */
static HeapTuple
fetch_row(Relation rel, const char *module, const char *name)
{
	SysScanDesc scan = begin_scan(rel, module, name);
	HeapTuple	tuple = systable_getnext(scan);

	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	return tuple;
}

static bool
may_use(Oid nspid)
{
	return rama_namespace_aclcheck(nspid, GetUserId(), ACL_USAGE) == ACLCHECK_OK;
}

/* The schemas in which a name is looked for; false where it is no name. */
static bool
split_name(const char *text, List **schemas, char **name)
{
	List	   *parts;

	*schemas = NIL;
	if (!SplitIdentifierString(pstrdup(text), '.', &parts) ||
		list_length(parts) < 1 || list_length(parts) > 2)
		return false;
	*name = llast(parts);
	if (list_length(parts) == 1)
	{
		Oid			own = binding_module ? get_namespace_oid(binding_module, true) : InvalidOid;

		*schemas = fetch_search_path(false);
		if (OidIsValid(own))
			*schemas = lcons_oid(own, *schemas);
	}
	else
	{
		Oid			nspid = get_namespace_oid(linitial(parts), true);

		if (OidIsValid(nspid))
			*schemas = list_make1_oid(nspid);
	}
	return true;
}

/*
 * Look for a path of that name, with its schema or through search_path; NULL
 * where there is none.
 */
static HeapTuple
find_path(const char *text, Relation rel, char **module)
{
	List	   *schemas;
	ListCell   *lc;
	char	   *name;

	if (!split_name(text, &schemas, &name))
		return NULL;
	foreach(lc, schemas)
	{
		HeapTuple	tuple;

		*module = get_namespace_name(lfirst_oid(lc));
		if (*module == NULL || !may_use(lfirst_oid(lc)))
			continue;
		tuple = fetch_row(rel, *module, name);
		if (tuple)
			return tuple;
	}
	return NULL;
}

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
	HeapTuple	tuple = find_path(given, rel, module);

	if (tuple)
	{
		bool		isnull;
		Datum		json = heap_getattr(tuple, ATTNO_PATH, RelationGetDescr(rel), &isnull);
		Datum		name = heap_getattr(tuple, ATTNO_NAME, RelationGetDescr(rel), &isnull);

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

	/* It may change: a path that uses one is bound at each call. */
	path->stable = false;
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

	values[ATTNO_MODULE - 1] = CStringGetTextDatum(module);
	values[ATTNO_NAME - 1] = CStringGetTextDatum(name);
	values[ATTNO_OWNER - 1] = ObjectIdGetDatum(GetUserId());
	values[ATTNO_PATH - 1] = path;
	rama_catalog_insert(TABLE, values, nulls);
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
	Relation	rel;
	HeapTuple	old;
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
	rel = table_open(rama_catalog_relid(TABLE), ShareRowExclusiveLock);
	old = fetch_row(rel, module, name);
	table_close(rel, NoLock);
	if (old)
	{
		ereport(if_not_exists ? NOTICE : ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("path \"%s\" already exists%s", text,
						if_not_exists ? ", skipping" : "")));
		PG_RETURN_VOID();
	}
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
	Relation	rel = table_open(rama_catalog_relid(TABLE), RowExclusiveLock);
	char	   *module;
	HeapTuple	tuple = find_path(text, rel, &module);
	bool		isnull;

	if (tuple == NULL)
		ereport(if_exists ? NOTICE : ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("path \"%s\" does not exist%s", text, if_exists ? ", skipping" : "")));
	else
	{
		Oid			owner = DatumGetObjectId(heap_getattr(tuple, ATTNO_OWNER,
														  RelationGetDescr(rel), &isnull));

		if (!has_privs_of_role(GetUserId(), owner) &&
			!object_ownercheck(NamespaceRelationId, get_namespace_oid(module, false),
							   GetUserId()))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("must be owner of path \"%s\"", text)));
		CatalogTupleDelete(rel, &tuple->t_self);
		CommandCounterIncrement();
	}
	table_close(rel, NoLock);
	PG_RETURN_VOID();
}

/* rama_paths_dropped() -- A schema is dropped: its paths go. */
void
rama_paths_dropped(const char *module)
{
	Relation	rel = table_open(rama_catalog_relid(TABLE), RowExclusiveLock);
	SysScanDesc scan = begin_scan(rel, module, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		CatalogTupleDelete(rel, &tuple->t_self);
	systable_endscan(scan);
	table_close(rel, NoLock);
}

/* rama_paths_renamed() -- A schema has a new name: so have its paths. */
void
rama_paths_renamed(const char *module, const char *newname)
{
	Relation	rel = table_open(rama_catalog_relid(TABLE), RowExclusiveLock);
	SysScanDesc scan = begin_scan(rel, module, NULL);
	int			attno = ATTNO_MODULE;
	Datum		value = CStringGetTextDatum(newname);
	bool		isnull = false;
	List	   *tuples = NIL;
	ListCell   *lc;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		tuples = lappend(tuples, heap_copytuple(tuple));
	systable_endscan(scan);
	foreach(lc, tuples)
	{
		HeapTuple	old = lfirst(lc);

		tuple = heap_modify_tuple_by_cols(old, RelationGetDescr(rel), 1, &attno, &value, &isnull);
		CatalogTupleUpdate(rel, &old->t_self, tuple);
	}
	table_close(rel, NoLock);
}
