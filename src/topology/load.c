/*-------------------------------------------------------------------------
 *
 * load.c
 *	  Topologies from the catalog into memory.
 *
 *-------------------------------------------------------------------------
 */
#include "topology/topology.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "parser/parse_func.h"
#include "pstate/pstate.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

/* Columns of rama.topology and rama.source */
enum
{
	Anum_topology_topology = 1,
	Anum_topology_kind,
	Anum_topology_writes,
	Anum_topology_options,
	Anum_topology_paused
};
enum
{
	Anum_source_topology = 1,
	Anum_source_source,
	Anum_source_depot,
	Anum_source_each,
	Anum_source_sql,
	Anum_source_target,
	Anum_source_merge
};

/*
 * rama_is_topology() -- Is the relation a topology?
 */
bool
rama_is_topology(Oid relid)
{
	return rama_catalog_fetch("topology", relid, NULL) != NULL;
}

/* Error (42704) unless the relation is a topology. */
static void
check_topology(Oid relid)
{
	if (!rama_is_topology(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("\"%s\" is not a topology", rama_relation_name(relid)),
				 errhint("The view rama.topologies lists the topologies.")));
}

/*
 * rama_check_topology_owner() -- Error unless the relation is a topology
 * (42704) that the user owns (42501).
 */
void
rama_check_topology_owner(Oid relid)
{
	check_topology(relid);
	rama_check_owner(relid);
}

/*
 * rama_check_topology_reader() -- Error unless the relation is a topology
 * (42704) that the user may SELECT from (42501).
 */
void
rama_check_topology_reader(Oid relid)
{
	check_topology(relid);
	if (pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(relid));
}

static char *
text_or_null(HeapTuple tuple, AttrNumber attno, TupleDesc desc)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attno, desc, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/*
 * rama_handler_function() -- The function of that name whose one argument is
 * the depot's row type.
 *
 * Errors: 42883 without one, with a hint that shows its signature; with
 * missing_ok InvalidOid.
 */
Oid
rama_handler_function(const char *name, Oid depot, bool missing_ok)
{
	Oid			rowtype = get_rel_type_id(depot);
	Oid			function = LookupFuncName(stringToQualifiedNameList_compat(name),
										  1, &rowtype, true);

	if (!OidIsValid(function) && !missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("handler function %s(%s) does not exist",
						name, rama_relation_name(depot)),
				 errhint("A handler given as \"each\" is a function whose one argument is the depot's row type.")));
	return function;
}

static void
load_source(HeapTuple tuple, TupleDesc desc, RamaSource *source)
{
	bool		isnull;

	source->number = DatumGetInt32(heap_getattr(tuple, Anum_source_source, desc, &isnull));
	source->depot = DatumGetObjectId(heap_getattr(tuple, Anum_source_depot, desc, &isnull));
	source->each = text_or_null(tuple, Anum_source_each, desc);
	source->sql = text_or_null(tuple, Anum_source_sql, desc);
	source->target = DatumGetObjectId(heap_getattr(tuple, Anum_source_target, desc, &isnull));
	if (isnull)
		source->target = InvalidOid;
	else
		source->pstate = rama_pstate_root_of(source->target);
	source->merge = text_or_null(tuple, Anum_source_merge, desc);
	if (!rama_depot_lookup(source->depot, &source->info))
		memset(&source->info, 0, sizeof(source->info));
}

static int
oid_cmp_qsort(const void *a, const void *b)
{
	Oid			x = *(const Oid *) a;
	Oid			y = *(const Oid *) b;

	return x < y ? -1 : x > y;
}

static void
load_writes(RamaTopology *topology, Datum array)
{
	Datum	   *elems;

	deconstruct_array(DatumGetArrayTypeP(array), REGCLASSOID, sizeof(Oid), true,
					  TYPALIGN_INT, &elems, NULL, &topology->nwrites);
	topology->writes = palloc_array(Oid, topology->nwrites);
	for (int i = 0; i < topology->nwrites; i++)
		topology->writes[i] = DatumGetObjectId(elems[i]);
	qsort(topology->writes, topology->nwrites, sizeof(Oid), oid_cmp_qsort);
}

/*
 * rama_topology_uses() -- Is the topology stale when this relation changes:
 * its own table, a depot, or a depot's sequence? InvalidOid: any relation.
 */
bool
rama_topology_uses(const RamaTopology *topology, Oid relid)
{
	if (!OidIsValid(relid) || relid == topology->relid)
		return true;
	for (int i = 0; i < topology->nsources; i++)
		if (relid == topology->sources[i].depot ||
			relid == topology->sources[i].info.sequence)
			return true;
	return false;
}

/*
 * rama_topology_load() -- A topology from the catalog, in a memory context of
 * its own below parent, or NULL where the relation is none.
 *
 * Handler functions are not resolved here: see rama_handler_resolve(). A source
 * whose depot is none any more has info.sequence = InvalidOid.
 */
RamaTopology *
rama_topology_load(Oid relid, MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent,
												  "pg_rama topology",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	RamaTopology *topology = palloc0_object(RamaTopology);
	TupleDesc	desc;
	HeapTuple	tuple = rama_catalog_fetch("topology", relid, &desc);
	HeapTuple	class = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	bool		isnull;
	List	   *rows;

	if (tuple == NULL || !HeapTupleIsValid(class))
	{
		if (HeapTupleIsValid(class))
			ReleaseSysCache(class);
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context);
		return NULL;
	}
	topology->context = context;
	topology->relid = relid;
	topology->name = psprintf("%s.%s", get_namespace_name_or_temp(get_rel_namespace(relid)),
							  get_rel_name(relid));
	topology->owner = ((Form_pg_class) GETSTRUCT(class))->relowner;
	topology->namespace = ((Form_pg_class) GETSTRUCT(class))->relnamespace;
	ReleaseSysCache(class);
	topology->kind = strcmp(text_or_null(tuple, Anum_topology_kind, desc), "stream") == 0 ?
		RAMA_STREAM : RAMA_MICROBATCH;
	topology->paused = DatumGetBool(heap_getattr(tuple, Anum_topology_paused, desc, &isnull));
	load_writes(topology, heap_getattr(tuple, Anum_topology_writes, desc, &isnull));
	rama_options_parse(DatumGetJsonbP(heap_getattr(tuple, Anum_topology_options, desc, &isnull)),
					   &topology->options);

	rows = rama_catalog_fetch_all("source", Anum_source_topology, relid, &desc);
	topology->sources = palloc0_array(RamaSource, list_length(rows));
	for (int i = 0; i < list_length(rows); i++)
		load_source(list_nth(rows, i), desc, &topology->sources[topology->nsources++]);
	MemoryContextSwitchTo(old);
	return topology;
}

/*
 * rama_source_forget_plans() -- Free the prepared statements of a source: they
 * are prepared anew.
 */
void
rama_source_forget_plans(RamaSource *source)
{
	for (int i = 0; i < RAMA_PLAN_SIZES; i++)
	{
		if (source->plans[i])
			SPI_freeplan(source->plans[i]);
		source->plans[i] = NULL;
	}
	source->changed = NIL;
}

/*
 * rama_topology_free() -- Free a loaded topology and its prepared statements.
 */
void
rama_topology_free(RamaTopology *topology)
{
	for (int i = 0; i < topology->nsources; i++)
		rama_source_forget_plans(&topology->sources[i]);
	MemoryContextDelete(topology->context);
}

/*
 * rama_topology_inherit() -- A topology that was loaded anew goes on where the
 * old one was: a retry takes the events of the failed attempt.
 */
void
rama_topology_inherit(RamaTopology *topology, const RamaTopology *old)
{
	topology->retry = old->retry;
	topology->attempted = old->attempted;
	for (int i = 0; i < Min(topology->nsources, old->nsources); i++)
	{
		RamaSource *source = &topology->sources[i];
		const RamaSource *from = &old->sources[i];

		if (from->noffsets == 0 || source->depot != from->depot)
			continue;
		source->maxoffsets = source->noffsets = from->noffsets;
		source->offsets = MemoryContextAllocHuge(topology->context,
												 sizeof(int64) * from->noffsets);
		memcpy(source->offsets, from->offsets, sizeof(int64) * from->noffsets);
	}
}

/*
 * rama_source_set_each() -- Replace the name of a source's handler function.
 */
void
rama_source_set_each(Oid topology, int number, const char *each)
{
	static const int attno = Anum_source_each;
	Datum		value = CStringGetTextDatum(each);
	bool		isnull = false;
	TupleDesc	desc;
	List	   *rows = rama_catalog_fetch_all("source", Anum_source_topology, topology, &desc);

	for (int i = 0; i < list_length(rows); i++)
	{
		HeapTuple	row = list_nth(rows, i);

		if (DatumGetInt32(heap_getattr(row, Anum_source_source, desc, &isnull)) == number)
			rama_catalog_update_row("source", row, 1, &attno, &value, &isnull);
	}
}

/*
 * rama_topology_add_write() -- Add a PState to those that a topology writes;
 * false if it is one of them already.
 */
bool
rama_topology_add_write(Oid relid, Oid pstate)
{
	static const int attno = Anum_topology_writes;
	TupleDesc	desc;
	HeapTuple	row = rama_catalog_fetch("topology", relid, &desc);
	bool		isnull;
	Datum		writes = heap_getattr(row, attno, desc, &isnull);
	Datum	   *elems;
	int			n;

	deconstruct_array(DatumGetArrayTypeP(writes), REGCLASSOID, sizeof(Oid), true,
					  TYPALIGN_INT, &elems, NULL, &n);
	for (int i = 0; i < n; i++)
		if (DatumGetObjectId(elems[i]) == pstate)
			return false;
	elems = repalloc(elems, sizeof(Datum) * (n + 1));
	elems[n] = ObjectIdGetDatum(pstate);
	writes = PointerGetDatum(construct_array(elems, n + 1, REGCLASSOID, sizeof(Oid), true,
											 TYPALIGN_INT));
	isnull = false;
	rama_catalog_update("topology", relid, 1, &attno, &writes, &isnull);
	return true;
}
