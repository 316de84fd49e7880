/*-------------------------------------------------------------------------
 *
 * define.c
 *	  create_topology and add_source.
 *
 *-------------------------------------------------------------------------
 */
#include "topology/topology.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/tablecmds.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pstate/pstate.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "worker/worker.h"

/* What create_topology and add_source say about one source. */
typedef struct SourceDefinition
{
	Oid			depot;
	char	   *each;
	char	   *sql;
	Oid			target;			/* or InvalidOid */
	char	   *merge;
	char	   *start_from;
} SourceDefinition;

/* The columns of a topology's table; progress.c has their numbers. */
static const struct
{
	const char *name;
	const char *type;
	const char *comment;
}			state_columns[] =
{
	{"batch", "bigint NOT NULL", "Number of the last batch that committed"},
	{"position", "bigint[] NOT NULL", "Per source: all settled events up to this offset are processed"},
	{"pending_source", "integer[] NOT NULL", "Per pending transaction: the source, from 1"},
	{"pending_xid", "pg_catalog.xid8[] NOT NULL", "Transactions that were open when the position passed them"},
	{"pending_low", "bigint[] NOT NULL", "Their events to come have offsets above this"},
	{"pending_high", "bigint[] NOT NULL", "and up to this, or up to the position"},
	{"pending_foreign", "boolean[] NOT NULL", "Was it a transaction of another cluster?"},
	{"attempts", "integer NOT NULL", "Failed attempts of the next batch"},
	{"halted", "boolean NOT NULL", "Stopped, with on_error = halt, until rama.resume()"},
	{"retry_at", "timestamp with time zone", "When the next attempt is due"},
	{"sqlstate", "pg_catalog.text", "Of the last failed attempt"},
	{"error", "pg_catalog.text", "Message and context of the last failed attempt"},
	{"failed_at", "timestamp with time zone", "When it failed"},
};

static Oid	create_table(Oid nspid, const char *relname);
static void insert_topology_row(Oid relid, const char *kind, ArrayType *writes,
								Jsonb *options);
static void own_pstates(Oid topology, ArrayType *writes);
static void add_source(Oid topology, const SourceDefinition *definition);
static char *resolve_each(const char *each, Oid depot, Oid *function);
static void depend_on(Oid topology, Oid classid, Oid objid);

PG_FUNCTION_INFO_V1(rama_create_topology);
PG_FUNCTION_INFO_V1(rama_add_source);

static char *
text_arg(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

static Oid
oid_arg(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? InvalidOid : PG_GETARG_OID(n);
}

/*
 * rama_create_topology(name, kind, depot, each, sql, target, merge, writes,
 * start_from, options, if_not_exists) -- Make a topology, with one source or
 * none yet.
 */
Datum
rama_create_topology(PG_FUNCTION_ARGS)
{
	char	   *name;
	char	   *kind;
	char	   *relname;
	Oid			nspid;
	Oid			relid;
	RamaOptions options;
	RamaTopologyState state = {0};

	rama_refuse_null(fcinfo, 0, "name");
	rama_refuse_null(fcinfo, 1, "kind");
	rama_refuse_null(fcinfo, 7, "writes");
	rama_refuse_null(fcinfo, 9, "options");
	rama_require_preload("a topology");
	name = text_arg(fcinfo, 0);
	kind = text_arg(fcinfo, 1);
	if (strcmp(kind, "stream") != 0 && strcmp(kind, "microbatch") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown kind of topology \"%s\"", kind),
				 errhint("A topology is of kind 'stream' or 'microbatch'.")));
	rama_options_parse(PG_GETARG_JSONB_P(9), &options);

	rama_split_name(name, &nspid, &relname);
	relid = get_relname_relid(relname, nspid);
	if (OidIsValid(relid) && !PG_ARGISNULL(10) && PG_GETARG_BOOL(10) &&
		rama_is_topology(relid))
	{
		ereport(NOTICE,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("topology \"%s\" already exists, skipping", relname)));
		PG_RETURN_OID(relid);
	}
	rama_check_name_free(nspid, relname);
	rama_activate_if_first();

	relid = create_table(nspid, relname);
	insert_topology_row(relid, kind, PG_GETARG_ARRAYTYPE_P(7), PG_GETARG_JSONB_P(9));
	rama_state_insert(relid, &state);
	own_pstates(relid, PG_GETARG_ARRAYTYPE_P(7));
	if (!PG_ARGISNULL(2))
	{
		SourceDefinition source = {
			PG_GETARG_OID(2), text_arg(fcinfo, 3), text_arg(fcinfo, 4),
			oid_arg(fcinfo, 5), text_arg(fcinfo, 6), text_arg(fcinfo, 8)
		};

		add_source(relid, &source);
	}
	else if (!PG_ARGISNULL(3) || !PG_ARGISNULL(4) || !PG_ARGISNULL(5) || !PG_ARGISNULL(6))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a handler needs a depot"),
				 errhint("Give \"depot\", or leave out the handler and call rama.add_source() in the same transaction.")));
	rama_catalog_changed(relid);
	PG_RETURN_OID(relid);
}

/*
 * rama_add_source(topology, depot, each, sql, target, merge, start_from) --
 * Let a topology read one more depot; takes effect at commit.
 *
 * Waits for a running batch.
 */
Datum
rama_add_source(PG_FUNCTION_ARGS)
{
	SourceDefinition source;
	Oid			topology;

	rama_refuse_null(fcinfo, 0, "topology");
	rama_refuse_null(fcinfo, 1, "depot");
	topology = PG_GETARG_OID(0);
	rama_check_topology_owner(topology);
	rama_refuse_own_batch(topology, "rama.add_source()");
	rama_topology_begin_change(topology);
	source = (SourceDefinition)
	{
		PG_GETARG_OID(1), text_arg(fcinfo, 2), text_arg(fcinfo, 3), oid_arg(fcinfo, 4),
			text_arg(fcinfo, 5), text_arg(fcinfo, 6)
	};
	add_source(topology, &source);
	rama_catalog_changed(topology);
	PG_RETURN_VOID();
}

static void
run_utility(const char *sql)
{
	if (SPI_execute(sql, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not run: %s", sql);
}

/* Make the topology's table, as the calling user. */
static Oid
create_table(Oid nspid, const char *relname)
{
	char	   *qualified = quote_qualified_identifier(get_namespace_name(nspid), relname);
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE TABLE %s (", qualified);
	for (int i = 0; i < (int) lengthof(state_columns); i++)
		appendStringInfo(&sql, "%s%s %s", i > 0 ? ", " : "",
						 quote_identifier(state_columns[i].name), state_columns[i].type);
	appendStringInfoString(&sql, ") USING heap WITH (fillfactor = 40)");
	SPI_connect();
	run_utility(sql.data);
	run_utility(psprintf("ALTER TABLE %s REPLICA IDENTITY FULL", qualified));
	run_utility(psprintf("CREATE TRIGGER " RAMA_GUARD_TRIGGER " BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s "
						 "FOR EACH STATEMENT EXECUTE FUNCTION rama.guard_topology()", qualified));
	for (int i = 0; i < (int) lengthof(state_columns); i++)
		run_utility(psprintf("COMMENT ON COLUMN %s.%s IS %s", qualified,
							 quote_identifier(state_columns[i].name),
							 quote_literal_cstr(state_columns[i].comment)));
	SPI_finish();
	return get_relname_relid(relname, nspid);
}

static void
insert_topology_row(Oid relid, const char *kind, ArrayType *writes, Jsonb *options)
{
	Datum		values[5] = {
		ObjectIdGetDatum(relid), CStringGetTextDatum(kind), PointerGetDatum(writes),
		JsonbPGetDatum(options), BoolGetDatum(false)
	};
	bool		nulls[5] = {false};

	if (array_contains_nulls(writes))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("\"writes\" must not contain nulls")));
	rama_catalog_insert("topology", values, nulls);
}

/*
 * Make the topology the only writer of a PState. Its lock is taken so that
 * writers of other sessions are over.
 */
static void
own_pstate(Oid topology, Oid relid)
{
	static const int attno = 3; /* rama.pstate.topology */
	Datum		value = ObjectIdGetDatum(topology);
	bool		isnull = false;
	RamaPState *pstate;

	rama_pstate_get(relid);
	rama_check_owner(relid);
	rama_pstate_lock(relid);
	pstate = rama_pstate_get(relid);
	if (OidIsValid(pstate->topology) && pstate->topology != topology)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("PState \"%s\" is written by topology \"%s\"",
						rama_relation_name(relid),
						rama_relation_name(pstate->topology)),
				 errhint("A PState has one writer: drop that topology, or make a PState of its own for this one.")));
	rama_catalog_update("pstate", relid, 1, &attno, &value, &isnull);
	rama_catalog_changed(relid);
	depend_on(topology, RelationRelationId, relid);
}

static void
own_pstates(Oid topology, ArrayType *writes)
{
	Datum	   *elems;
	int			n;

	deconstruct_array(writes, REGCLASSOID, sizeof(Oid), true, TYPALIGN_INT,
					  &elems, NULL, &n);
	for (int i = 0; i < n; i++)
		own_pstate(topology, DatumGetObjectId(elems[i]));
}

/* A target counts as written: the PState that it is a table of. */
static void
own_target(Oid topology, Oid target)
{
	Oid			root = rama_pstate_root_of(target);

	/* What is no PState makes own_pstate() say so. */
	if (!OidIsValid(root) || rama_topology_add_write(topology, root))
		own_pstate(topology, OidIsValid(root) ? root : target);
}

static void
check_handler(const SourceDefinition *definition)
{
	if (definition->each == NULL && definition->sql == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a source needs a handler"),
				 errhint("Give \"each\", the name of a function, or \"sql\", statements over the relation \"batch\".")));
	if (definition->each != NULL && definition->sql != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a source has one handler: either \"each\" or \"sql\"")));
	if (OidIsValid(definition->target) != (definition->merge != NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"target\" and \"merge\" go together"),
				 errhint("\"target\" is the PState that the rows of \"sql\" are merged into, \"merge\" says how, such as 'sum'.")));
	if (OidIsValid(definition->target) && definition->sql == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"target\" and \"merge\" need \"sql\""),
				 errhint("Give as \"sql\" a query that returns keys and values, such as SELECT key, count(*) FROM batch GROUP BY key.")));
}

/*
 * Record a source, its first position and its dependencies. The caller holds
 * the topology's object lock, or has just made it.
 */
static void
add_source(Oid topology, const SourceDefinition *definition)
{
	RamaDepot	depot;
	RamaTopologyState state;
	Oid			function = InvalidOid;
	Datum		values[8];
	bool		nulls[8] = {false};
	AclResult	aclresult;

	check_handler(definition);
	LockRelationOid(definition->depot, AccessShareLock);
	rama_depot_get(definition->depot, &depot);
	aclresult = pg_class_aclcheck(depot.relid, GetUserId(), ACL_SELECT);
	if (aclresult != ACLCHECK_OK)
		aclcheck_error(aclresult, OBJECT_TABLE, get_rel_name(depot.relid));
	nulls[3] = definition->each == NULL;
	nulls[4] = definition->sql == NULL;
	nulls[5] = nulls[6] = !OidIsValid(definition->target);
	if (definition->each)
		values[3] = CStringGetTextDatum(resolve_each(definition->each, depot.relid, &function));
	else
	{
		rama_handler_check_sql(topology, definition->sql, depot.relid, definition->target,
							   definition->merge);
		values[4] = CStringGetTextDatum(definition->sql);
	}

	if (OidIsValid(definition->target))
	{
		own_target(topology, definition->target);
		values[5] = ObjectIdGetDatum(definition->target);
		values[6] = CStringGetTextDatum(definition->merge);
	}

	rama_state_read(topology, &state);
	state.progress = state.nsources == 0 ? palloc_object(RamaProgress) :
		repalloc_array(state.progress, RamaProgress, state.nsources + 1);
	rama_start_position(&depot, definition->start_from ? definition->start_from : "beginning",
						&state.progress[state.nsources++]);
	rama_state_write(topology, &state);

	values[0] = ObjectIdGetDatum(topology);
	values[1] = Int32GetDatum(state.nsources);
	values[2] = ObjectIdGetDatum(depot.relid);
	values[7] = CStringGetTextDatum(definition->start_from ? definition->start_from : "beginning");
	rama_catalog_insert("source", values, nulls);
	depend_on(topology, RelationRelationId, depot.relid);
	if (OidIsValid(function))
		depend_on(topology, ProcedureRelationId, function);
}

/*
 * Check a handler function, and return its qualified name as it is stored.
 */
static char *
resolve_each(const char *each, Oid depot, Oid *function)
{
	HeapTuple	tuple;
	Form_pg_proc proc;
	AclResult	aclresult;
	char	   *name;

	*function = rama_handler_function(each, depot, false);
	aclresult = rama_function_aclcheck(*function, GetUserId(), ACL_EXECUTE);
	if (aclresult != ACLCHECK_OK)
		aclcheck_error(aclresult, OBJECT_FUNCTION, each);
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(*function));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", *function);
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	if (proc->prokind != PROKIND_FUNCTION || proc->proretset)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s cannot be a handler", each),
				 errdetail("A handler is a function that returns one value or void.")));
	name = quote_qualified_identifier(get_namespace_name(proc->pronamespace),
									  NameStr(proc->proname));
	ReleaseSysCache(tuple);
	return name;
}

/*
 * So that DROP of what a topology needs is refused, or with CASCADE drops the
 * topology.
 */
static void
depend_on(Oid topology, Oid classid, Oid objid)
{
	ObjectAddress depender;
	ObjectAddress referenced;

	ObjectAddressSet(depender, RelationRelationId, topology);
	ObjectAddressSet(referenced, classid, objid);
	recordDependencyOn(&depender, &referenced, DEPENDENCY_NORMAL);
}

/*
 * rama_topology_record_dependencies() -- Record again what a dump does not
 * carry: what the topology needs.
 */
void
rama_topology_record_dependencies(Oid relid)
{
	RamaTopology *topology = rama_topology_load(relid, CurrentMemoryContext);

	deleteDependencyRecordsForClass(RelationRelationId, relid, ProcedureRelationId, DEPENDENCY_NORMAL);
	deleteDependencyRecordsForClass(RelationRelationId, relid, RelationRelationId, DEPENDENCY_NORMAL);
	for (int i = 0; i < topology->nwrites; i++)
		depend_on(relid, RelationRelationId, topology->writes[i]);
	for (int i = 0; i < topology->nsources; i++)
	{
		RamaSource *source = &topology->sources[i];

		depend_on(relid, RelationRelationId, source->depot);
		if (source->each)
			depend_on(relid, ProcedureRelationId,
					  rama_handler_function(source->each, source->depot, false));
	}
	rama_topology_free(topology);
}
