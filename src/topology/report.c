/*-------------------------------------------------------------------------
 *
 * report.c
 *	  What rama.status and rama.topologies tell of a topology.
 *
 *-------------------------------------------------------------------------
 */
#include "topology/topology.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "worker/worker.h"

PG_FUNCTION_INFO_V1(rama_topology_progress);
PG_FUNCTION_INFO_V1(rama_topology_state);

/*
 * When was the first event after the position appended? False if there is
 * none that the snapshot sees.
 */
static bool
first_waiting(const RamaDepot *depot, int64 position, TimestampTz *appended_at)
{
	Relation	rel = table_open(depot->relid, AccessShareLock);
	Relation	index = index_open(primary_key_index_compat(rel), AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	ScanKeyData key;
	IndexScanDesc scan;
	bool		isnull = true;

	ScanKeyInit(&key, 1, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(position));
	scan = index_beginscan_compat(rel, index, GetActiveSnapshot(), 1);
	index_rescan(scan, &key, 1, NULL, 0);
	if (index_getnext_slot(scan, ForwardScanDirection, slot))
		*appended_at = DatumGetTimestampTz(slot_getattr(slot, depot->appended_at_attno, &isnull));
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return !isnull;
}

/*
 * A topology and its row, which nobody drops in between; NULL for a relation
 * that is gone: the view that asks may have an older snapshot.
 */
static RamaTopology *
read_topology(Oid relid, RamaTopologyState *state)
{
	RamaTopology *topology = NULL;

	LockRelationOid(relid, AccessShareLock);
	if (get_rel_relkind(relid) != '\0')
	{
		rama_check_topology_reader(relid);
		topology = rama_topology_load(relid, CurrentMemoryContext);
		rama_state_read(relid, state);
	}
	UnlockRelationOid(relid, AccessShareLock);
	return topology;
}

/* One row of rama_topology_progress(); none if the depot is gone. */
static void
put_progress(ReturnSetInfo *rsinfo, const RamaSource *source, const RamaProgress *progress)
{
	RamaDepot	depot;

	LockRelationOid(source->depot, AccessShareLock);
	if (rama_depot_lookup(source->depot, &depot))
	{
		TimestampTz appended_at;
		Datum		values[6];
		bool		nulls[6] = {false};

		values[0] = Int32GetDatum(source->number);
		values[1] = ObjectIdGetDatum(depot.relid);
		values[2] = Int64GetDatum(progress->position);
		values[3] = Int64GetDatum(rama_sequence_horizon(depot.sequence));
		values[4] = Int32GetDatum(progress->npending);
		nulls[5] = !first_waiting(&depot, progress->position, &appended_at);
		if (!nulls[5])
			values[5] = Int64GetDatum(Max(0, (GetCurrentTimestamp() - appended_at) / 1000));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	UnlockRelationOid(source->depot, AccessShareLock);
}

/*
 * rama_topology_progress(topology) -- One row per source: source, depot,
 * position, last_offset, pending transactions, lag in ms. None for a topology
 * that has been dropped meanwhile.
 */
Datum
rama_topology_progress(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	RamaTopologyState state;
	RamaTopology *topology;

	InitMaterializedSRF(fcinfo, 0);
	topology = read_topology(PG_GETARG_OID(0), &state);
	if (topology == NULL)
		return (Datum) 0;
	for (int i = 0; i < Min(topology->nsources, state.nsources); i++)
		put_progress(rsinfo, &topology->sources[i], &state.progress[i]);
	rama_topology_free(topology);
	return (Datum) 0;
}

/*
 * rama_topology_state(topology) -- batch, attempts, halted, retry_at,
 * sqlstate, error, failed_at, rate, max_lag in ms, hint; NULL for a topology
 * that has been dropped meanwhile.
 */
Datum
rama_topology_state(PG_FUNCTION_ARGS)
{
	RamaTopologyState state;
	TupleDesc	desc;
	Datum		values[10];
	bool		nulls[10] = {false};
	const char *hint;
	RamaTopology *topology;
	double		rate;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	topology = read_topology(PG_GETARG_OID(0), &state);
	if (topology == NULL)
		PG_RETURN_NULL();
	values[0] = Int64GetDatum(state.batch);
	values[1] = Int32GetDatum(state.attempts);
	values[2] = BoolGetDatum(state.halted);
	values[3] = TimestampTzGetDatum(state.retry_at);
	nulls[3] = state.retry_at == 0;
	nulls[4] = state.sqlstate == NULL;
	if (!nulls[4])
		values[4] = CStringGetTextDatum(state.sqlstate);
	nulls[5] = state.error == NULL;
	if (!nulls[5])
		values[5] = CStringGetTextDatum(state.error);
	values[6] = TimestampTzGetDatum(state.failed_at);
	nulls[6] = state.failed_at == 0;
	nulls[7] = !rama_rate_read(PG_GETARG_OID(0), &rate);
	values[7] = Float8GetDatum(rate);
	values[8] = Int32GetDatum(topology->options.max_lag);
	nulls[8] = topology->options.max_lag == 0;
	hint = rama_worker_hint(topology);
	nulls[9] = hint == NULL;
	if (hint)
		values[9] = CStringGetTextDatum(hint);
	rama_topology_free(topology);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
