/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  One batch of a topology: one transaction that takes settled events,
 *	  runs the handlers as the topology's owner, and stores the progress.
 *
 * See "A batch" in src/topology/README.md for the order of locks and
 * snapshots.
 *
 *-------------------------------------------------------------------------
 */
#include "topology/topology.h"

#include "access/table.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "pgstat.h"
#include "pstate/pstate.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"
#include "worker/worker.h"

/* So long, another worker leaves a retry to the one whose attempt failed. */
#define LEAVE_RETRY_MS 1000

/* What one source contributes to a batch. */
typedef struct SourceBatch
{
	RamaTopology *topology;
	RamaSource *source;
	Relation	rel;
	struct SourceBatch *same;	/* an earlier source that has the same depot
								 * and progress: it takes the same events */
	RamaSettled *settled;		/* NULL: "same", or has no part in the batch */
	int64		most;			/* events that it may have */
	Tuplestorestate *events;
	int64		nevents;
} SourceBatch;

/* The batch that this worker runs now. */
static Oid	current_topology = InvalidOid;
static int64 current_batch = 0;

static RamaTicks retry_at(RamaTopology *topology, RamaTopologyState *state);
static bool lock_relations(RamaTopology *topology, SourceBatch *sources);
static int64 take_events(RamaTopology *topology, RamaTopologyState *state,
						 SourceBatch *sources, bool *full);
static void run_as_owner(RamaTopology *topology, RamaTopologyState *state,
						 SourceBatch *sources);
static bool advance(RamaTopology *topology, RamaTopologyState *state,
					SourceBatch *sources);
static void fire_deferred_triggers(void);

PG_FUNCTION_INFO_V1(rama_batch_id);

/*
 * rama_current_topology() -- The topology whose batch this backend runs, or
 * InvalidOid.
 */
Oid
rama_current_topology(void)
{
	return current_topology;
}

/*
 * rama_refuse_own_batch() -- Error (55000) in a handler of the topology: what
 * it asks for needs the progress that its own batch is about to write.
 */
void
rama_refuse_own_batch(Oid topology, const char *what)
{
	if (OidIsValid(topology) && topology == current_topology)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s cannot be called for topology \"%s\" in its own handler",
						what, rama_relation_name(topology))));
}

/*
 * rama_batch_forget() -- Called after a batch's transaction has aborted.
 */
void
rama_batch_forget(void)
{
	current_topology = InvalidOid;
	current_batch = 0;
	rama_changed_forget();
}

/*
 * rama_start_transaction() -- Start a READ COMMITTED, READ WRITE transaction,
 * whatever the database's defaults say. For the workers' own transactions.
 */
void
rama_start_transaction(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactIsoLevel = XACT_READ_COMMITTED;
	XactReadOnly = false;
	XactDeferrable = false;
}

/*
 * rama_batch_run() -- Try to run one batch of a topology.
 *
 * Called by a worker outside of a transaction; starts and commits one. The
 * definition must be the one in the catalog: *topology is checked after the
 * lock is granted, by its flag "stale" that the worker's invalidation callback
 * sets. Errors are thrown to the caller, who aborts and records them.
 */
RamaBatchOutcome
rama_batch_run(RamaTopology *topology)
{
	RamaTopologyState state;
	RamaBatchOutcome outcome = RAMA_BATCH_IDLE;
	SourceBatch *sources;
	Oid			save_userid;
	int			save_sec_context;
	bool		full = false;
	int64		ntaken = 0;

	rama_start_transaction();
	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	sources = palloc0_array(SourceBatch, topology->nsources);

	if (!lock_relations(topology, sources) ||
		!rama_topology_try_lock(topology->relid) || topology->stale)
		outcome = RAMA_BATCH_BUSY;
	else
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		rama_state_read(topology->relid, &state);
		topology->retry_at = retry_at(topology, &state);
		if (topology->retry_at > rama_ticks())
			outcome = RAMA_BATCH_WAIT;
		else if ((ntaken = take_events(topology, &state, sources, &full)) > 0)
		{
			outcome = full ? RAMA_BATCH_FULL : RAMA_BATCH_DONE;
			SetUserIdAndSecContext(topology->owner,
								   save_sec_context | SECURITY_LOCAL_USERID_CHANGE);
			if (rama_handler_resolve(topology))
				run_as_owner(topology, &state, sources);
			else
			{
				outcome = RAMA_BATCH_BUSY;
				ntaken = 0;
			}
		}
		else if (advance(topology, &state, sources))
			rama_state_write(topology->relid, &state);
		for (int i = 0; i < topology->nsources; i++)
		{
			if (sources[i].events && !sources[i].same)
				tuplestore_end(sources[i].events);
			if (sources[i].settled)
				rama_settled_end(sources[i].settled);
		}
		PopActiveSnapshot();
	}
	for (int i = 0; i < topology->nsources; i++)
		if (sources[i].rel)
			table_close(sources[i].rel, NoLock);
	CommitTransactionCommand();

	SetUserIdAndSecContext(save_userid, save_sec_context);
	rama_batch_forget();
	if (ntaken > 0)
		rama_rate_count(topology->relid, ntaken);
	if (outcome != RAMA_BATCH_BUSY && outcome != RAMA_BATCH_WAIT)
		topology->retry = false;
	return outcome;
}

/*
 * When may this worker try? A retry is for the worker that knows the events
 * of the failed attempt, unless it does not come to it.
 */
static RamaTicks
retry_at(RamaTopology *topology, RamaTopologyState *state)
{
	RamaTicks	at = rama_failure_retry(topology, state);
	RamaTicks	elsewhere;

	if (topology->retry && topology->attempted == state->batch + 1)
		return at;
	elsewhere = rama_retried_elsewhere(topology->relid);
	return elsewhere == 0 ? at : rama_ticks_after(Max(at, elsewhere), LEAVE_RETRY_MS);
}

/*
 * Lock the topology's table, the depots with their sequences and the PStates'
 * root tables, without waiting: DDL on them must not hold up the worker's other topologies, and
 * must not meet a batch that has some of the locks. False if one was not to
 * be had.
 */
static bool
lock_relations(RamaTopology *topology, SourceBatch *sources)
{
	if (!ConditionalLockRelationOid(topology->relid, RowExclusiveLock))
		return false;
	for (int i = 0; i < topology->nwrites; i++)
		if (!ConditionalLockRelationOid(topology->writes[i], RowExclusiveLock))
			return false;
	for (int i = 0; i < topology->nsources; i++)
	{
		Oid			depot = topology->sources[i].depot;

		if (!ConditionalLockRelationOid(depot, AccessShareLock))
			return false;
		sources[i].rel = try_table_open(depot, NoLock);
		if (sources[i].rel == NULL)
			return false;
		if (OidIsValid(topology->sources[i].info.sequence) &&
			!ConditionalLockRelationOid(topology->sources[i].info.sequence, AccessShareLock))
			return false;
		if (!OidIsValid(topology->sources[i].info.sequence))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("\"%s\" is not a depot any more", rama_relation_name(depot)),
					 errhint("Drop the topology \"%s\".", topology->name)));
	}
	return true;
}

/*
 * The owner must still be allowed to read the depot: events reach handlers
 * without a check of the executor's.
 */
static void
check_may_read(Oid depot)
{
	if (pg_class_aclcheck(depot, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(depot));
	if (check_enable_rls(depot, InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("row security of depot \"%s\" applies to the topology's owner",
						rama_relation_name(depot)),
				 errhint("Let the depot's owner, or a role with BYPASSRLS, own the topology.")));
}

static void
remember_offset(SourceBatch *batch, int64 offset)
{
	RamaSource *source = batch->source;

	if (source->noffsets == source->maxoffsets)
	{
		source->maxoffsets = Max(64, source->maxoffsets * 2);
		if (source->offsets == NULL)
			source->offsets = MemoryContextAlloc(batch->topology->context,
												 sizeof(int64) * source->maxoffsets);
		else
			source->offsets = repalloc_huge(source->offsets,
											sizeof(int64) * source->maxoffsets);
	}
	source->offsets[source->noffsets++] = offset;
}

static void
take_event(TupleTableSlot *slot, void *arg)
{
	SourceBatch *batch = arg;
	bool		isnull;

	remember_offset(batch, DatumGetInt64(slot_getattr(slot, batch->source->info.offset_attno, &isnull)));
	tuplestore_puttupleslot(batch->events, slot);
}

/* Has the attempt that failed got as far as taking events? */
static bool
has_failed_attempt(RamaTopology *topology)
{
	for (int i = 0; i < topology->nsources; i++)
		if (topology->sources[i].noffsets > 0)
			return true;
	return false;
}

static bool
equal_progress(const RamaProgress *a, const RamaProgress *b)
{
	if (a->position != b->position || a->npending != b->npending)
		return false;
	for (int i = 0; i < a->npending; i++)
		if (!FullTransactionIdEquals(a->pending[i].xid, b->pending[i].xid) ||
			a->pending[i].low != b->pending[i].low || a->pending[i].high != b->pending[i].high ||
			a->pending[i].foreign != b->pending[i].foreign)
			return false;
	return true;
}

/* Handlers of one depot see the same events in one batch, if they can. */
static SourceBatch *
find_same(RamaTopologyState *state, SourceBatch *sources, int number)
{
	for (int i = 0; i < number; i++)
		if (sources[i].settled && sources[i].source->depot == sources[number].source->depot &&
			equal_progress(&state->progress[i], &state->progress[number]))
			return &sources[i];
	return NULL;
}

/*
 * Settle the sources; those that have something to take come first in *order,
 * and are counted.
 */
static int
settle_sources(RamaTopology *topology, RamaTopologyState *state,
			   SourceBatch *sources, SourceBatch **order)
{
	bool		retry = topology->retry && topology->attempted == state->batch + 1 &&
		has_failed_attempt(topology);
	int			n = 0;

	if (state->nsources != topology->nsources)
		elog(ERROR, "topology \"%s\" has %d sources but progress of %d",
			 get_rel_name(topology->relid), topology->nsources, state->nsources);
	topology->attempted = state->batch + 1;
	for (int i = 0; i < topology->nsources; i++)
	{
		SourceBatch *batch = &sources[i];
		RamaSource *source = &topology->sources[i];

		batch->topology = topology;
		batch->source = source;
		if (retry && source->noffsets == 0)
			continue;
		batch->same = find_same(state, sources, i);
		if (batch->same)
			continue;
		batch->settled = rama_settle(&source->info, &state->progress[i]);
		if (retry)
			rama_settled_limit(batch->settled, source->offsets, source->noffsets);
		source->noffsets = 0;
		batch->most = rama_settled_most(batch->settled);
		if (batch->most > 0)
			order[n++] = batch;
	}
	return n;
}

static int
compare_most(const void *a, const void *b)
{
	const SourceBatch *x = *(SourceBatch *const *) a;
	const SourceBatch *y = *(SourceBatch *const *) b;

	if (x->most != y->most)
		return x->most < y->most ? -1 : 1;
	return x->source->number - y->source->number;
}

/*
 * In which order sources choose their events: those that have few before those
 * that take what is left. If not even one each fits into the batch, those whose
 * turn it is.
 */
static void
order_sources(SourceBatch **order, int n, int64 turn, int batch_max)
{
	SourceBatch **all = palloc_array(SourceBatch *, n);

	if (n > batch_max)
	{
		memcpy(all, order, sizeof(SourceBatch *) * n);
		for (int i = 0; i < n; i++)
			order[i] = all[(turn + i) % n];
	}
	else if (n > 1)
		qsort(order, n, sizeof(SourceBatch *), compare_most);
}

/* The events of an earlier source are also this one's. */
static void
take_same(SourceBatch *batch)
{
	RamaSource *from = batch->same->source;

	batch->events = batch->same->events;
	batch->nevents = batch->same->nevents;
	batch->source->noffsets = 0;
	for (int i = 0; i < from->noffsets; i++)
		remember_offset(batch, from->offsets[i]);
}

/*
 * Memory for the events of a source, in kB: as workers are few and work for
 * everybody, that of maintenance commands. 100k events do not fit into work_mem.
 */
static int
events_memory(void)
{
	return Max(work_mem, maintenance_work_mem);
}

/*
 * Collect the events of the batch: batch_max of them, at most, of all sources
 * together. Sources with a backlog get equal shares, and what the others leave.
 *
 * Returns how many there are; *full tells whether there may be more.
 */
static int64
take_events(RamaTopology *topology, RamaTopologyState *state,
			SourceBatch *sources, bool *full)
{
	SourceBatch **order = palloc_array(SourceBatch *, topology->nsources);
	int			n = settle_sources(topology, state, sources, order);
	int64		left = topology->options.batch_max;

	order_sources(order, n, state->batch, left);
	for (int i = 0; i < n; i++)
	{
		SourceBatch *batch = order[i];
		int64		share = Max(1, left / (n - i));

		if (left == 0)
		{
			rama_settled_end(batch->settled);
			batch->settled = NULL;
			continue;
		}
		batch->events = tuplestore_begin_heap(true, false, events_memory());
		batch->nevents = rama_settled_scan(batch->settled, batch->rel, share,
										   take_event, batch);
		left -= batch->nevents;
		*full |= batch->nevents == share;
	}
	for (int i = 0; i < topology->nsources; i++)
		if (sources[i].same)
			take_same(&sources[i]);
	return topology->options.batch_max - left;
}

/*
 * Run the handlers and store the progress, as the owner, with settings of
 * the batch's own that do not outlive it.
 *
 * PStates are locked before the snapshots that read them are taken: by
 * the statements' own snapshots, which come later.
 */
static void
run_as_owner(RamaTopology *topology, RamaTopologyState *state, SourceBatch *sources)
{
	int			nestlevel;

	if (!topology->options.synchronous_commit)
		set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION,
						  GUC_ACTION_LOCAL, true, 0, false);
	nestlevel = rama_handler_settings(topology->namespace);

	for (int i = 0; i < topology->nwrites; i++)
		rama_pstate_lock(topology->writes[i]);

	current_topology = topology->relid;
	current_batch = state->batch + 1;
	rama_buffer_begin(current_topology, current_batch);
	if (topology->options.handler_timeout > 0)
		enable_timeout_after(STATEMENT_TIMEOUT, topology->options.handler_timeout);
	for (int i = 0; i < topology->nsources; i++)
		if (sources[i].nevents > 0)
			rama_handler_begin(topology, &topology->sources[i], topology->sources[i].depot,
							   sources[i].nevents);
	for (int i = 0; i < topology->nsources; i++)
		if (sources[i].nevents > 0)
		{
			check_may_read(topology->sources[i].depot);
			rama_handler_run(topology, &topology->sources[i], sources[i].rel,
							 sources[i].events, sources[i].nevents);
		}
	fire_deferred_triggers();
	rama_buffer_flush_all();
	disable_timeout(STATEMENT_TIMEOUT, false);

	advance(topology, state, sources);
	state->batch++;
	state->attempts = 0;
	state->retry_at = 0;
	state->failed_at = 0;
	state->sqlstate = NULL;
	state->error = NULL;
	rama_state_write(topology->relid, state);

	/* Nothing that a handler set stays. */
	AtEOXact_GUC(false, nestlevel);
}

/*
 * The progress after the batch. False if it is the same as before: no event
 * was taken, and no pending transaction has finished.
 */
static bool
advance(RamaTopology *topology, RamaTopologyState *state, SourceBatch *sources)
{
	bool		changed = false;

	for (int i = 0; i < topology->nsources; i++)
	{
		SourceBatch *from = sources[i].same ? sources[i].same : &sources[i];

		if (from->settled)
			changed |= rama_settled_progress(from->settled, &state->progress[i]);
	}
	return changed;
}

/*
 * SET CONSTRAINTS ALL IMMEDIATE: deferred triggers run now, under the batch's
 * own settings, and not at commit when these are gone.
 */
static void
fire_deferred_triggers(void)
{
	ConstraintsSetStmt *stmt = makeNode(ConstraintsSetStmt);

	stmt->constraints = NIL;
	stmt->deferred = false;
	AfterTriggerSetState(stmt);
}

/*
 * rama_batch_id() -- The number of the running batch: the same for every
 * attempt of one batch, one more for the next.
 *
 * Error (55000) outside of a handler.
 */
Datum
rama_batch_id(PG_FUNCTION_ARGS)
{
	if (!OidIsValid(current_topology))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("rama.batch_id() can only be called in a handler of a topology")));
	PG_RETURN_INT64(current_batch);
}
