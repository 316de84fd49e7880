/*-------------------------------------------------------------------------
 *
 * control.c
 *	  pause, resume, drop_topology, activate, and what a drop leaves to do.
 *
 *-------------------------------------------------------------------------
 */
#include "topology/topology.h"

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/trigger.h"
#include "depot/depot.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pstate/pstate.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "worker/worker.h"

PG_FUNCTION_INFO_V1(rama_pause);
PG_FUNCTION_INFO_V1(rama_resume);
PG_FUNCTION_INFO_V1(rama_drop_topology);
PG_FUNCTION_INFO_V1(rama_activate);
PG_FUNCTION_INFO_V1(rama_guard_topology);

/*
 * Set rama.topology.paused between two batches.
 */
static void
set_paused(Oid topology, bool paused)
{
	static const int attno = 5; /* rama.topology.paused */
	Datum		value = BoolGetDatum(paused);
	bool		isnull = false;

	rama_check_topology_owner(topology);
	rama_topology_lock(topology);
	rama_catalog_update("topology", topology, 1, &attno, &value, &isnull);
	rama_catalog_changed(topology);
}

/*
 * rama_pause(topology) -- Let the running batch finish, and start no more.
 */
Datum
rama_pause(PG_FUNCTION_ARGS)
{
	set_paused(PG_GETARG_OID(0), true);
	PG_RETURN_VOID();
}

/*
 * rama_resume(topology) -- Go on after a pause, a halt, or a back-off: the
 * next attempt counts as the first.
 */
Datum
rama_resume(PG_FUNCTION_ARGS)
{
	Oid			topology = PG_GETARG_OID(0);
	RamaTopologyState state;

	rama_refuse_own_batch(topology, "rama.resume()");
	set_paused(topology, false);
	rama_state_read(topology, &state);
	if (state.halted || state.attempts > 0)
	{
		state.halted = false;
		state.attempts = 0;
		state.retry_at = 0;
		rama_state_write(topology, &state);
	}
	PG_RETURN_VOID();
}

/*
 * rama_drop_topology(topology) -- The same as DROP TABLE.
 */
Datum
rama_drop_topology(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	char	   *sql;

	rama_check_topology_owner(relid);
	sql = psprintf("DROP TABLE %s", rama_quoted_relation_name(relid));
	SPI_connect();
	if (SPI_execute(sql, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not drop topology");
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * rama_topology_dropped() -- A relation is gone: if it was a topology, remove
 * its catalog rows; the PStates that it wrote have no writer now.
 */
void
rama_topology_dropped(Oid relid)
{
	static const int attno = 3; /* rama.pstate.topology */
	HeapTuple	tuple = rama_catalog_fetch("topology", relid, NULL);
	TupleDesc	desc;
	List	   *pstates;

	if (tuple == NULL)
		return;
	pstates = rama_catalog_fetch_all("pstate", attno, relid, &desc);
	for (int i = 0; i < list_length(pstates); i++)
	{
		bool		isnull;
		Oid			pstate = DatumGetObjectId(heap_getattr(list_nth(pstates, i), 1, desc, &isnull));
		Datum		value = (Datum) 0;

		isnull = true;
		rama_catalog_update("pstate", pstate, 1, &attno, &value, &isnull);
		rama_catalog_changed(pstate);
	}
	rama_catalog_delete("source", 1, relid);
	rama_catalog_delete("topology", 1, relid);
	rama_wake_catalog_at_commit();
}

/*
 * What another cluster left pending is finished by definition: it becomes a
 * drain that ends at the position.
 */
static void
adopt_progress(Oid relid)
{
	RamaTopology *topology;
	RamaTopologyState state;

	rama_topology_lock(relid);
	topology = rama_topology_load(relid, CurrentMemoryContext);
	if (topology == NULL)
		return;
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
	rama_topology_record_dependencies(relid);
	rama_topology_free(topology);
	rama_catalog_changed(relid);
}

/*
 * rama_activate() -- Let the topologies of a restored or copied database run.
 *
 * Superusers and owners of the database. Checks each topology, turns what
 * was pending in the other cluster into what is to be read once more, records
 * the dependencies that a dump does not carry, and stamps the database.
 */
Datum
rama_activate(PG_FUNCTION_ARGS)
{
	ListCell   *lc;

	rama_require_primary("rama.activate()");
	if (!object_ownercheck(DatabaseRelationId, MyDatabaseId, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_DATABASE,
					   get_database_name(MyDatabaseId));
	if (rama_is_active())
	{
		ereport(NOTICE,
				(errmsg("topologies are active in this database already")));
		PG_RETURN_VOID();
	}
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
 * rama_guard_topology() -- Statement trigger: the progress of a topology is
 * not changed by hand.
 *
 * Lets a restore pass, which loads into an inactive database.
 */
Datum
rama_guard_topology(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("must be called as a trigger")));
	if (rama_is_active())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the progress of topology \"%s\" cannot be changed by hand",
						RelationGetRelationName(trigdata->tg_relation)),
				 errhint("Use rama.pause(), rama.resume() and rama.drop_topology().")));
	return PointerGetDatum(NULL);
}
