/*-------------------------------------------------------------------------
 *
 * rename.c
 *	  Handler functions that get another name or another schema.
 *
 * rama.source has the names of functions, since oids of functions would not
 * survive pg_upgrade; pg_depend has the oids. When the two part, the name
 * follows.
 *
 *-------------------------------------------------------------------------
 */
#include "topology/topology.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_proc.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* The functions that a topology depends on. */
static List *
functions_of(Oid topology)
{
	Relation	rel = table_open(DependRelationId, AccessShareLock);
	List	   *result = NIL;
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&keys[0], Anum_pg_depend_classid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(RelationRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_objid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(topology));
	scan = systable_beginscan(rel, DependDependerIndexId, true, NULL, 2, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend depend = (Form_pg_depend) GETSTRUCT(tuple);

		if (depend->refclassid == ProcedureRelationId)
			result = lappend_oid(result, depend->refobjid);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

/* Is there a function of that name for events of that row type? */
static bool
function_exists(const char *schema, const char *name, Oid rowtype)
{
	Oid			nspid = get_namespace_oid(schema, true);

	return OidIsValid(nspid) &&
		SearchSysCacheExists3(PROCNAMEARGSNSP, CStringGetDatum(name),
							  PointerGetDatum(buildoidvector(&rowtype, 1)),
							  ObjectIdGetDatum(nspid));
}

static bool
is_named(const RamaTopology *topology, const char *function)
{
	for (int i = 0; i < topology->nsources; i++)
		if (topology->sources[i].each && strcmp(topology->sources[i].each, function) == 0)
			return true;
	return false;
}

/*
 * The name that a source's handler has now, or NULL: of the functions that
 * the topology depends on, one for events of that row type that no source
 * names, and that has kept its name (by_name) or its schema.
 */
static char *
name_of_today(const RamaTopology *topology, List *functions, Oid rowtype,
			  const char *schema, const char *name, bool by_name)
{
	char	   *result = NULL;
	ListCell   *lc;

	foreach(lc, functions)
	{
		HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(lfirst_oid(lc)));
		Form_pg_proc proc;
		char	   *now;

		if (!HeapTupleIsValid(tuple))
			continue;
		proc = (Form_pg_proc) GETSTRUCT(tuple);
		now = get_namespace_name(proc->pronamespace);
		if (result == NULL && now != NULL && proc->pronargs == 1 &&
			proc->proargtypes.values[0] == rowtype &&
			(by_name ? strcmp(NameStr(proc->proname), name) == 0 : strcmp(now, schema) == 0))
		{
			result = quote_qualified_identifier(now, NameStr(proc->proname));
			if (is_named(topology, result))
				result = NULL;
		}
		ReleaseSysCache(tuple);
	}
	return result;
}

/* Give the sources of a topology the names that their handlers have now. */
static void
follow(Oid relid)
{
	RamaTopology *topology = rama_topology_load(relid, CurrentMemoryContext);
	List	   *functions = functions_of(relid);

	for (int i = 0; topology && functions != NIL && i < topology->nsources; i++)
	{
		RamaSource *source = &topology->sources[i];
		Oid			rowtype = get_rel_type_id(source->depot);
		List	   *names;
		char	   *schema;
		char	   *name;
		char	   *today;

		if (source->each == NULL)
			continue;
		names = stringToQualifiedNameList_compat(source->each);
		schema = strVal(linitial(names));
		name = strVal(llast(names));
		if (function_exists(schema, name, rowtype))
			continue;
		today = name_of_today(topology, functions, rowtype, schema, name, true);
		if (today == NULL)
			today = name_of_today(topology, functions, rowtype, schema, name, false);
		if (today == NULL)
			continue;
		source->each = today;
		rama_source_set_each(relid, source->number, today);
		rama_catalog_changed(relid);
	}
	if (topology)
		rama_topology_free(topology);
}

/*
 * rama_topology_renamed() -- Event trigger ddl_command_end: if a function or a
 * schema has been renamed, or a function moved to another schema, the sources
 * whose handlers it concerns follow. Without privilege checks: nothing but a
 * name changes.
 */
void
rama_topology_renamed(Node *parsetree)
{
	ObjectType	type = IsA(parsetree, RenameStmt) ? ((RenameStmt *) parsetree)->renameType :
		IsA(parsetree, AlterObjectSchemaStmt) ? ((AlterObjectSchemaStmt *) parsetree)->objectType :
		OBJECT_TABLE;
	ListCell   *lc;

	if (type != OBJECT_FUNCTION && type != OBJECT_ROUTINE && type != OBJECT_SCHEMA)
		return;
	foreach(lc, rama_catalog_relations("topology"))
		follow(lfirst_oid(lc));
}
