/*-------------------------------------------------------------------------
 *
 * activate.c
 *	  activate and deactivate: may the topologies of this database run? And
 *	  what a dump carries.
 *
 *-------------------------------------------------------------------------
 */
#include "topology/topology.h"

#include "access/table.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/trigger.h"
#include "depot/depot.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pstate/pstate.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/varlena.h"
#include "worker/worker.h"

PG_FUNCTION_INFO_V1(rama_activate);
PG_FUNCTION_INFO_V1(rama_deactivate);
PG_FUNCTION_INFO_V1(rama_guard_catalog);
PG_FUNCTION_INFO_V1(rama_is_dumped);

static void
check_may_activate(const char *what)
{
	rama_require_primary(what);
	if (!object_ownercheck(DatabaseRelationId, MyDatabaseId, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_DATABASE,
					   get_database_name(MyDatabaseId));
}

/* ---- is a restore complete? ---- */

pg_noreturn static void
refuse_incomplete(Oid relid, const char *missing)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("%s \"%s\" is not complete", rama_object_kind(relid),
					rama_relation_name(relid)),
			 errdetail("It has no %s.", missing),
			 errhint("Finish the restore, with its section \"post-data\", then call rama.activate() again.")));
}

static void
check_guard(Oid relid)
{
	if (!OidIsValid(get_trigger_oid(relid, RAMA_GUARD_TRIGGER, true)))
		refuse_incomplete(relid, "trigger \"" RAMA_GUARD_TRIGGER "\"");
}

static void
check_depot(Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);
	bool		has_key = OidIsValid(primary_key_index_compat(rel));

	table_close(rel, AccessShareLock);
	if (!has_key)
		refuse_incomplete(relid, "primary key");
	check_guard(relid);
}

static void
check_pstate(Oid relid)
{
	RamaPState *pstate = rama_pstate_layout(relid);

	for (int i = 0; pstate && i < pstate->ntables; i++)
	{
		RamaTable  *table = pstate->tables[i];

		if (!OidIsValid(table->relid))
			refuse_incomplete(relid, psprintf("%s \"%s\"", table->chunks ? "view" : "table",
											  table->name));
		if (table->chunks)
			continue;
		if (table->nkeys > 0 && !OidIsValid(rama_key_index(table)))
			refuse_incomplete(table->relid, "index over its keys");
		check_guard(table->relid);
	}
}

/* ---- activate ---- */

static void
topology_error_context(void *arg)
{
	errcontext("activation of topology \"%s\"", rama_relation_name(*(Oid *) arg));
}

/*
 * Handlers are looked up as the owner, who runs them: the database's owner need
 * not be allowed to see them.
 */
static void
record_as_owner(RamaTopology *topology)
{
	Oid			save_userid;
	int			save_sec_context;

	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(topology->owner,
						   save_sec_context | SECURITY_LOCAL_USERID_CHANGE);
	rama_topology_record_dependencies(topology->relid);
	SetUserIdAndSecContext(save_userid, save_sec_context);
}

/*
 * What another cluster left pending is finished by definition: it becomes a
 * drain that ends at the position.
 */
static void
adopt_progress(Oid relid)
{
	ErrorContextCallback callback = {error_context_stack, topology_error_context, &relid};
	RamaTopology *topology;
	RamaTopologyState state;

	rama_topology_lock(relid);
	topology = rama_topology_load(relid, CurrentMemoryContext);
	if (topology == NULL)
		return;
	error_context_stack = &callback;
	rama_state_read(relid, &state);
	for (int i = 0; i < state.nsources; i++)
	{
		RamaProgress *progress = &state.progress[i];

		for (int j = 0; j < progress->npending; j++)
		{
			progress->pending[j].foreign = true;
			progress->pending[j].high = Min(progress->pending[j].high, progress->position);
		}
	}
	state.attempts = 0;
	state.retry_at = 0;
	rama_state_write(relid, &state);
	record_as_owner(topology);
	rama_topology_free(topology);
	rama_catalog_changed(relid);
	error_context_stack = callback.previous;
}

/*
 * rama_activate() -- Let the topologies of a restored or copied database run.
 *
 * Superusers and owners of the database. Checks that what was restored is
 * complete (55000), turns what was pending in the other cluster into what is
 * to be read once more, records the dependencies that a dump does not carry,
 * and stamps the database.
 *
 * Waits for transactions that load into depots or append to them: none that
 * topologies have on record as open in this cluster is open then.
 */
Datum
rama_activate(PG_FUNCTION_ARGS)
{
	ListCell   *lc;

	check_may_activate("rama.activate()");
	rama_lock_activation();
	if (rama_is_active())
	{
		ereport(NOTICE,
				(errmsg("topologies are active in this database already")));
		PG_RETURN_VOID();
	}
	foreach(lc, rama_catalog_relations("depot"))
		check_depot(lfirst_oid(lc));
	foreach(lc, rama_catalog_relations("pstate"))
		check_pstate(lfirst_oid(lc));
	foreach(lc, rama_catalog_relations("topology"))
		check_guard(lfirst_oid(lc));

	foreach(lc, rama_catalog_relations("depot"))
		rama_depot_adopt(lfirst_oid(lc));
	foreach(lc, rama_catalog_relations("pstate"))
		rama_pstate_record_dependencies(lfirst_oid(lc));
	foreach(lc, rama_catalog_relations("topology"))
		adopt_progress(lfirst_oid(lc));
	rama_stamp_activation();
	rama_wake_catalog_at_commit();
	PG_RETURN_VOID();
}

/*
 * rama_deactivate() -- Let no topology of this database run before the next
 * rama.activate(), so that a dump can be restored into it beside what is there.
 *
 * Superusers and owners of the database. Waits for running batches; none
 * starts after the end of the transaction.
 */
Datum
rama_deactivate(PG_FUNCTION_ARGS)
{
	ListCell   *lc;

	check_may_activate("rama.deactivate()");
	rama_refuse_own_batch(rama_current_topology(), "rama.deactivate()");
	rama_lock_activation();
	foreach(lc, rama_catalog_relations("topology"))
	{
		/* A batch that gets the lock after us finds its definition stale. */
		rama_topology_lock(lfirst_oid(lc));
		rama_catalog_changed(lfirst_oid(lc));
	}
	foreach(lc, rama_catalog_relations("pstate"))
		rama_pstate_forget_dependencies(lfirst_oid(lc));
	rama_clear_activation();
	rama_wake_catalog_at_commit();
	PG_RETURN_VOID();
}

/* ---- dump and restore of the catalog ---- */

/*
 * rama_guard_catalog() -- Statement trigger of the catalog tables: error
 * (55000) for rows that a restore would add to an active database, where
 * workers would run them before they are complete.
 *
 * Our own rows come from C, and fire no trigger.
 */
Datum
rama_guard_catalog(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("must be called as a trigger")));
	if (rama_is_active())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("depots, PStates and topologies cannot be restored into an active database"),
				 errhint("Call rama.deactivate() before the restore, and rama.activate() after it.")));
	return PointerGetDatum(NULL);
}

/*
 * rama_is_dumped() -- rama.is_dumped(relation): is a row of the catalog about
 * this relation part of a dump? Not if the relation is gone, or if
 * pg_rama.dump_modules names schemas and its own is not among them.
 */
Datum
rama_is_dumped(PG_FUNCTION_ARGS)
{
	Oid			nspid = get_rel_namespace(PG_GETARG_OID(0));
	char	   *name = OidIsValid(nspid) ? get_namespace_name(nspid) : NULL;
	List	   *modules;
	ListCell   *lc;

	if (name == NULL)
		PG_RETURN_BOOL(false);
	if (!SplitIdentifierString(pstrdup(rama_dump_modules), ',', &modules))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid list of schemas in \"pg_rama.dump_modules\"")));
	if (modules == NIL)
		PG_RETURN_BOOL(true);
	foreach(lc, modules)
		if (strcmp(lfirst(lc), name) == 0)
			PG_RETURN_BOOL(true);
	PG_RETURN_BOOL(false);
}
