/*-------------------------------------------------------------------------
 *
 * control.c
 *	  pause, resume, drop_topology, and what a drop leaves to do.
 *
 *-------------------------------------------------------------------------
 */
#include "topology/topology.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "pstate/pstate.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "worker/worker.h"

PG_FUNCTION_INFO_V1(rama_pause);
PG_FUNCTION_INFO_V1(rama_resume);
PG_FUNCTION_INFO_V1(rama_drop_topology);
PG_FUNCTION_INFO_V1(rama_guard_topology);

/*
 * rama_topology_begin_change() -- Lock a topology whose definition is to be
 * changed, to the end of the transaction; waits for a running batch.
 *
 * Errors: 42501 (not the owner), 42704 (dropped, maybe while this waited).
 */
void
rama_topology_begin_change(Oid relid)
{
	rama_check_topology_owner(relid);
	LockRelationOid(relid, RowExclusiveLock);
	rama_topology_lock(relid);
	rama_check_topology_owner(relid);
}

/*
 * Set rama.topology.paused between two batches.
 */
static void
set_paused(Oid topology, bool paused)
{
	static const int attno = 5; /* rama.topology.paused */
	Datum		value = BoolGetDatum(paused);
	bool		isnull = false;

	rama_topology_begin_change(topology);
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
 * its catalog rows; the PStates that it wrote have no writer now. False if it
 * was none.
 */
bool
rama_topology_dropped(Oid relid)
{
	static const int attno = 3; /* rama.pstate.topology */
	HeapTuple	tuple = rama_catalog_fetch("topology", relid, NULL);
	TupleDesc	desc;
	List	   *pstates;

	if (tuple == NULL)
		return false;
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
	return true;
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
