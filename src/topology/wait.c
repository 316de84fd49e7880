/*-------------------------------------------------------------------------
 *
 * wait.c
 *	  rama.wait(): until a topology has processed what was there.
 *
 *-------------------------------------------------------------------------
 */
#include "topology/topology.h"

#include "access/table.h"
#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "worker/worker.h"

/* What one source has to reach. */
typedef struct Target
{
	bool		wanted;
	int64		offset;			/* last one drawn at the call, or up_to */
	bool		exact;			/* it is up_to */
} Target;

PG_FUNCTION_INFO_V1(rama_wait);

/*
 * A depot, opened in AccessShareLock. Who waits holds no lock while asleep: what
 * it waits for can be dropped, which it then finds out.
 */
static Relation
open_depot(Oid relid, RamaDepot *depot)
{
	Relation	rel = try_table_open(relid, AccessShareLock);

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the topology has been dropped")));
	rama_depot_get(relid, depot);
	return rel;
}

static int64
last_offset(Oid relid)
{
	RamaDepot	depot;
	Relation	rel = open_depot(relid, &depot);
	int64		last = rama_sequence_horizon(depot.sequence);

	table_close(rel, AccessShareLock);
	return last;
}

/*
 * The sources that count: those of the depot, or all of them. up_to without
 * a depot is for topologies with one source.
 */
static Target *
make_targets(RamaTopology *topology, bool has_up_to, int64 up_to, Oid depot)
{
	Target	   *targets = palloc0_array(Target, topology->nsources);
	bool		found = false;

	if (has_up_to && !OidIsValid(depot) && topology->nsources > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("topology \"%s\" reads several depots",
						rama_relation_name(topology->relid)),
				 errhint("Say with \"depot\" which one \"up_to\" is an offset of.")));
	for (int i = 0; i < topology->nsources; i++)
	{
		if (OidIsValid(depot) && topology->sources[i].depot != depot)
			continue;
		found = true;
		if (rama_appended_in_transaction(topology->sources[i].depot))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("cannot wait for events that this transaction has appended"),
					 errdetail("Topologies process events after their transaction has committed."),
					 errhint("Commit first, then call rama.wait().")));
		targets[i].wanted = true;
		targets[i].exact = has_up_to;
		targets[i].offset = has_up_to ? up_to : last_offset(topology->sources[i].depot);
	}
	if (!found && OidIsValid(depot))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("topology \"%s\" does not read \"%s\"",
						rama_relation_name(topology->relid), rama_relation_name(depot))));
	return targets;
}

static bool
reached_target(Oid relid, const RamaProgress *progress, const Target *target,
			   Snapshot snapshot)
{
	RamaDepot	depot;
	Relation	rel = open_depot(relid, &depot);
	bool		result;

	result = target->exact ?
		rama_progress_reached(&depot, rel, progress, target->offset) :
		rama_progress_covers(&depot, rel, progress, target->offset, snapshot);
	table_close(rel, AccessShareLock);
	return result;
}

/*
 * Has the topology processed what is wanted? Raises the last error of a
 * halted topology that has not.
 */
static bool
reached(RamaTopology *topology, const Target *targets, Snapshot snapshot)
{
	RamaTopologyState state;
	bool		result = true;

	rama_state_read(topology->relid, &state);
	for (int i = 0; result && i < topology->nsources; i++)
		if (targets[i].wanted)
			result = reached_target(topology->sources[i].depot, &state.progress[i],
									&targets[i], snapshot);
	if (!result && state.halted)
		ereport(ERROR,
				(errcode(state.sqlstate ? MAKE_SQLSTATE(state.sqlstate[0], state.sqlstate[1],
														state.sqlstate[2], state.sqlstate[3],
														state.sqlstate[4]) : ERRCODE_INTERNAL_ERROR),
				 errmsg("topology \"%s\" has halted: %s",
						rama_relation_name(topology->relid),
						state.error ? state.error : "unknown error"),
				 errhint("Remove the cause, then call rama.resume().")));
	return result;
}

/*
 * rama_wait(topology, up_to, depot, timeout) -- Wait until everything that
 * was committed before the call, or everything up to an offset, is processed.
 *
 * Returns false at the timeout. Error (55000) in a handler: its worker may be
 * the one that is waited for. The effects are seen by the next statement.
 * While somebody waits, microbatches do not wait for their interval.
 */
Datum
rama_wait(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	bool		has_up_to = !PG_ARGISNULL(1);
	Oid			depot = PG_ARGISNULL(2) ? InvalidOid : PG_GETARG_OID(2);
	MemoryContext loop_context;
	RamaTopology *topology;
	RamaTicks	deadline;
	Target	   *targets;
	Snapshot	snapshot;
	bool		result;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("arguments \"topology\" and \"timeout\" must not be null")));
	rama_require_primary("rama.wait()");
	rama_require_preload("rama.wait()");
	if (OidIsValid(rama_current_topology()))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("rama.wait() cannot be called in a handler of a topology")));
	rama_check_topology_reader(relid);
	topology = rama_topology_load(relid, CurrentMemoryContext);
	if (topology == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the topology has been dropped")));
	targets = make_targets(topology, has_up_to, has_up_to ? PG_GETARG_INT64(1) : 0, depot);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	deadline = rama_ticks() + rama_interval_us(PG_GETARG_INTERVAL_P(3));

	loop_context = AllocSetContextCreate(CurrentMemoryContext, "pg_rama wait",
										 ALLOCSET_SMALL_SIZES);
	rama_wait_begin();
	for (;;)
	{
		MemoryContext old = MemoryContextSwitchTo(loop_context);

		result = reached(topology, targets, snapshot);
		MemoryContextSwitchTo(old);
		MemoryContextReset(loop_context);
		if (result || !rama_wait_sleep(topology, deadline))
			break;
	}
	rama_wait_end();
	UnregisterSnapshot(snapshot);
	rama_topology_free(topology);
	PG_RETURN_BOOL(result);
}
