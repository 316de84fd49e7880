/*-------------------------------------------------------------------------
 *
 * handler.c
 *	  Handlers: a function called for each event, or SQL statements over the
 *	  relation "batch".
 *
 *-------------------------------------------------------------------------
 */
#include "topology/topology.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_proc.h"
#include "commands/async.h"
#include "commands/prepare.h"
#include "commands/sequence.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "parser/parser.h"
#include "pstate/pstate.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "catalog/namespace.h"

/* For the error context: where a handler is. */
typedef struct HandlerPosition
{
	RamaTopology *topology;
	Oid			depot;
	int64		offset;			/* RAMA_NO_OFFSET: the whole batch */
} HandlerPosition;

static int	plan_slot(int64 nevents);
static void prepare_source(RamaTopology *topology, RamaSource *source, Oid depot,
						   int64 nevents);
static void run_each(RamaSource *source, Relation depot, Tuplestorestate *events,
					 HandlerPosition *position);
static void run_sql(RamaTopology *topology, RamaSource *source, Relation depot,
					Tuplestorestate *events, int64 nevents);

static void
handler_error_context(void *arg)
{
	HandlerPosition *position = arg;

	if (position->offset != RAMA_NO_OFFSET)
		errcontext("topology \"%s\", event " INT64_FORMAT " of depot \"%s\"",
				   position->topology->name, position->offset,
				   rama_relation_name(position->depot));
	else
		errcontext("topology \"%s\", batch of depot \"%s\"",
				   position->topology->name, rama_relation_name(position->depot));
}

/*
 * rama_handler_begin() -- A batch begins in which the source has so many
 * events: what its statements want to know of the batch's changes is kept from
 * here on.
 *
 * To be called before any handler of the batch runs.
 */
void
rama_handler_begin(RamaTopology *topology, RamaSource *source, Oid depot, int64 nevents)
{
	HandlerPosition position = {topology, depot, RAMA_NO_OFFSET};
	ErrorContextCallback callback = {error_context_stack, handler_error_context, &position};

	if (source->sql == NULL || !rama_changed_possible(source->sql))
		return;
	error_context_stack = &callback;
	if (!rama_changed_current(source->changed))
		rama_source_forget_plans(source);
	if (source->plans[plan_slot(nevents)] == NULL)
		prepare_source(topology, source, depot, nevents);
	rama_changed_track(source->changed);
	error_context_stack = callback.previous;
}

/*
 * rama_handler_run() -- Run a source's handler over the events of a batch.
 *
 * Called in the batch's transaction as the topology's owner, with the
 * PStates locked and an active snapshot.
 */
void
rama_handler_run(RamaTopology *topology, RamaSource *source, Relation depot,
				 Tuplestorestate *events, int64 nevents)
{
	HandlerPosition position = {topology, RelationGetRelid(depot), RAMA_NO_OFFSET};
	ErrorContextCallback callback = {error_context_stack, handler_error_context, &position};

	error_context_stack = &callback;
	if (source->each)
		run_each(source, depot, events, &position);
	else
		run_sql(topology, source, depot, events, nevents);
	error_context_stack = callback.previous;
}

/*
 * Is the definition in memory the one that is committed? A rename can be seen
 * before its invalidations are sent, which is while its locks are still held.
 */
static bool
definition_settled(RamaTopology *topology)
{
	Oid			sources = rama_catalog_relid("source");

	if (!ConditionalLockRelationOid(sources, ShareLock))
		return false;
	UnlockRelationOid(sources, ShareLock);
	AcceptInvalidationMessages();
	return !topology->stale;
}

/*
 * rama_handler_resolve() -- Find the functions that are called for events.
 *
 * Called with the topology's locks held. False if the definition turns out to
 * be stale: a function, or its schema, has been renamed. Error (42883) if one
 * is gone.
 */
bool
rama_handler_resolve(RamaTopology *topology)
{
	HandlerPosition position = {topology, InvalidOid, RAMA_NO_OFFSET};
	ErrorContextCallback callback = {error_context_stack, handler_error_context, &position};
	bool		found = true;

	error_context_stack = &callback;
	for (int i = 0; found && i < topology->nsources; i++)
	{
		RamaSource *source = &topology->sources[i];

		if (source->each == NULL)
			continue;
		position.depot = source->depot;
		source->function = rama_handler_function(source->each, source->depot, true);
		if (OidIsValid(source->function))
			continue;
		found = definition_settled(topology);
		if (found)
			(void) rama_handler_function(source->each, source->depot, false);
	}
	error_context_stack = callback.previous;
	return found;
}

/*
 * Call the function for each event in offset order. Each call sees what the
 * calls before it did.
 */
static void
run_each(RamaSource *source, Relation depot, Tuplestorestate *events,
		 HandlerPosition *position)
{
	Oid			function = source->function;
	AclResult	aclresult = rama_function_aclcheck(function, GetUserId(), ACL_EXECUTE);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(depot),
													&TTSOpsMinimalTuple);
	MemoryContext event_context = AllocSetContextCreate(CurrentMemoryContext,
														"pg_rama event",
														ALLOCSET_DEFAULT_SIZES);
	FmgrInfo	flinfo;

	LOCAL_FCINFO(fcinfo, 1);

	if (aclresult != ACLCHECK_OK)
		aclcheck_error(aclresult, OBJECT_FUNCTION, get_func_name(function));
	fmgr_info(function, &flinfo);
	/* Another source's handler may have read them. */
	tuplestore_select_read_pointer(events, 0);
	tuplestore_rescan(events);
	while (tuplestore_gettupleslot(events, true, false, slot))
	{
		MemoryContext old = MemoryContextSwitchTo(event_context);
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		position->offset = DatumGetInt64(slot_getattr(slot, source->info.offset_attno, &isnull));
		InitFunctionCallInfoData(*fcinfo, &flinfo, 1, InvalidOid, NULL, NULL);
		fcinfo->args[0].value = ExecFetchSlotHeapTupleDatum(slot);
		fcinfo->args[0].isnull = false;
		PushActiveSnapshot(GetTransactionSnapshot());
		FunctionCallInvoke(fcinfo);
		PopActiveSnapshot();
		CommandCounterIncrement();
		MemoryContextSwitchTo(old);
		MemoryContextReset(event_context);
	}
	ExecDropSingleTupleTableSlot(slot);
	MemoryContextDelete(event_context);
}

/* Plans are kept per power of 8 of the batch's size. */
static int
plan_slot(int64 nevents)
{
	int			i = 0;

	while (nevents > 1 && i < RAMA_PLAN_SIZES - 1)
	{
		nevents >>= 3;
		i++;
	}
	return i;
}

/* Make the events known to SPI's parser and executor as relation "batch". */
static void
register_batch(EphemeralNamedRelation enr, Oid depot, Tuplestorestate *events,
			   double rows)
{
	int			rc;

	memset(enr, 0, sizeof(*enr));
	enr->md.name = RAMA_BATCH_RELATION;
	enr->md.reliddesc = depot;
	enr->md.enrtype = ENR_NAMED_TUPLESTORE;
	enr->md.enrtuples = rows;
	enr->reldata = events;
	rc = SPI_register_relation(enr);
	if (rc != SPI_OK_REL_REGISTER)
		elog(ERROR, "SPI_register_relation failed: %s", SPI_result_code_string(rc));
}

/* Who misses a relation may have misnamed one of changed.c. */
static void
changed_hint(void *arg)
{
	if (geterrcode() == ERRCODE_UNDEFINED_TABLE && rama_changed_possible(arg))
		errhint("\"changed_NAME\" is there for each PState and child table NAME that the topology writes: those in \"writes\", and targets.");
}

static SPIPlanPtr
prepare_sql(const char *sql)
{
	ErrorContextCallback callback = {error_context_stack, changed_hint, unconstify(char *, sql)};
	SPIPlanPtr	plan;

	error_context_stack = &callback;
	plan = SPI_prepare(sql, 0, NULL);
	error_context_stack = callback.previous;
	if (plan == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("statement cannot be used in a handler: %s",
						SPI_result_code_string(SPI_result))));
	return plan;
}

/* Make the plan for batches of this size. */
static void
prepare_source(RamaTopology *topology, RamaSource *source, Oid depot, int64 nevents)
{
	EphemeralNamedRelationData enr;
	List	   *changed = NIL;
	SPIPlanPtr	plan;

	if (rama_changed_possible(source->sql))
		changed = rama_changed_list(topology->writes, topology->nwrites, topology->namespace);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	register_batch(&enr, depot, NULL, nevents);
	rama_changed_register(changed, nevents);
	plan = prepare_sql(source->sql);
	if (changed != NIL && source->changed == NIL)
		source->changed = rama_changed_used(plan, changed, topology->context);
	SPI_keepplan(plan);
	source->plans[plan_slot(nevents)] = plan;
	SPI_finish();
}

/* Run the statements; rows that they return are merged, or nobody's. */
static void
run_sql(RamaTopology *topology, RamaSource *source, Relation depot,
		Tuplestorestate *events, int64 nevents)
{
	int			slot = plan_slot(nevents);
	SPIExecuteOptions options = {.dest = None_Receiver};
	EphemeralNamedRelationData enr;
	int			rc;

	if (source->plans[slot] == NULL)
		prepare_source(topology, source, RelationGetRelid(depot), nevents);
	if (OidIsValid(source->target))
		options.dest = rama_merge_receiver(topology, source);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	register_batch(&enr, RelationGetRelid(depot), events, nevents);
	rama_changed_register(source->changed, nevents);
	rama_changed_activate(source->changed);
	rc = SPI_execute_plan_extended(source->plans[slot], &options);
	rama_changed_forget();
	if (rc < 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("statement cannot be used in a handler: %s",
						SPI_result_code_string(rc))));
	SPI_finish();
}

/* The relations changed_<pstate> that a source of the topology may read */
static List *
changed_of(Oid relid, Oid target)
{
	RamaTopology *topology = rama_topology_load(relid, CurrentMemoryContext);
	Oid		   *pstates = palloc_array(Oid, topology->nwrites + 1);
	int			n = topology->nwrites;
	Oid			root = OidIsValid(target) ? rama_pstate_root_of(target) : InvalidOid;

	memcpy(pstates, topology->writes, sizeof(Oid) * n);
	if (OidIsValid(root))
		pstates[n++] = root;
	return rama_changed_list(pstates, n, topology->namespace);
}

/*
 * rama_handler_settings() -- From here on, settings are those of a module's
 * handlers; returns the nest level of settings that AtEOXact_GUC() ends.
 */
int
rama_handler_settings(Oid namespace)
{
	int			nestlevel = NewGUCNestLevel();
	char	   *search_path = psprintf("%s, pg_catalog, pg_temp",
									   quote_identifier(get_namespace_name(namespace)));

	set_config_option("search_path", search_path, PGC_USERSET, PGC_S_SESSION,
					  GUC_ACTION_SAVE, true, 0, false);
	return nestlevel;
}

/*
 * rama_handler_check_sql() -- Parse and analyze the statements of a handler,
 * with the names that it will see, so that mistakes show when a topology is made. With a target: those of
 * rama_merge_check(), too.
 */
void
rama_handler_check_sql(Oid topology, const char *sql, Oid depot, Oid target,
					   const char *merge)
{
	EphemeralNamedRelationData enr;
	int			nestlevel = rama_handler_settings(get_rel_namespace(topology));
	List	   *changed = NIL;
	SPIPlanPtr	plan;

	if (rama_changed_possible(sql))
		changed = changed_of(topology, target);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	register_batch(&enr, depot, NULL, 1);
	rama_changed_register(changed, 1);
	plan = prepare_sql(sql);
	if (OidIsValid(target))
		rama_merge_check(plan, target, merge);
	SPI_freeplan(plan);
	SPI_finish();
	AtEOXact_GUC(true, nestlevel);
}

/*
 * rama_session_clean() -- Remove what handlers may have left in the session,
 * as DISCARD ALL would.
 *
 * Called by a worker between batches, outside of a transaction. Plans of SQL
 * handlers stay. Settings are reset although each batch gives back its own: a
 * deferred trigger that defers another one runs after that.
 */
void
rama_session_clean(void)
{
	HOLD_CANCEL_INTERRUPTS();
	rama_start_transaction();
	ResetAllOptions();
	PortalHashTableDeleteAll();
	DropAllPreparedStatements();
	LockReleaseAll(USER_LOCKMETHOD, true);
	ResetSequenceCaches();
	if (OidIsValid(LookupExplicitNamespace("pg_temp", true)))
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		ResetTempTableNamespace();
		PopActiveSnapshot();
	}
	CommitTransactionCommand();
	RESUME_CANCEL_INTERRUPTS();
}
