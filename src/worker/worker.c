/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  A worker: runs the topologies of one kind and one owner in one
 *	  database. And a scout: tells the launcher which there are.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker.h"

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"

/*
 * Longest time between two tries while somebody else has a lock, or while a
 * failure cannot be recorded.
 */
#define MAX_BUSY_MS 1000

/* Idle so long, a worker hands in what the last batches have to report. */
#define IDLE_STATS_MS 500

/* A topology that this worker looks after. */
typedef struct Duty
{
	RamaTopology *topology;
	uint64		depots;			/* bits of the depots that it reads */
	bool		wanted;			/* there may be events */
	RamaTicks	started_at;		/* of the last batch that took events */
	RamaTicks	not_before;		/* busy or backing off until then */
	RamaTicks	poll_at;		/* look then though nobody said anything */
	int			busy_ms;		/* last pause for a lock, or for want of a record */
} Duty;

static RamaSlot *my_slot = NULL;
static Duty *duties = NULL;
static int	nduties = 0;
static bool stats_pending = false;
static RamaTicks next_due = 0;	/* when there is something to do, 0: now */

/* The batch was canceled by somebody, not by a timeout. */
static volatile sig_atomic_t canceled = false;

static void handle_cancel(SIGNAL_ARGS);
static void attach(Datum arg, pqsigfunc on_interrupt);
static void relcache_callback(Datum arg, Oid relid);
static void wait_for_work(RamaTicks next);
static void clear_group(void);
static bool reload_duties(void);
static bool run_duties(RamaTicks *next);
static bool is_due(Duty *duty, RamaTicks now, RamaTicks *next);
static void run_duty(Duty *duty, RamaTicks now);
static bool try_batch(Duty *duty, RamaBatchOutcome *outcome);
static void record_failure(Duty *duty, const ErrorData *error);
static void publish_retries(void);
static bool should_leave(void);

/*
 * rama_worker_main() -- A worker's main function; arg is its slot.
 */
void
rama_worker_main(Datum arg)
{
	attach(arg, handle_cancel);
	pgstat_report_appname("pg_rama");
	clear_group();

	pg_atomic_write_u32(&my_slot->reload, 1);
	for (;;)
	{
		RamaTicks	next = RAMA_NEVER;
		bool		idle;

		ResetLatch(MyLatch);
		/* A cancel that came after its batch had ended is void. */
		canceled = false;
		QueryCancelPending = false;
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (pg_atomic_exchange_u32(&my_slot->reload, 0) != 0 && !reload_duties())
		{
			pg_atomic_write_u32(&my_slot->reload, 1);
			WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					  RAMA_RETRY_MS, PG_WAIT_EXTENSION);
			continue;
		}
		if (nduties == 0)
			proc_exit(0);

		idle = run_duties(&next);
		next_due = idle ? next : 0;
		if (should_leave())
			proc_exit(0);
		if (idle)
		{
			my_slot->idle = true;
			if (pg_atomic_exchange_u32(&rama_shared->places_wanted, 0) != 0)
				rama_wake_launcher();
			wait_for_work(next);
			my_slot->idle = false;
		}
	}
}

/* Until something happens, or the time has come. */
static void
wait_for_work(RamaTicks next)
{
	if (stats_pending)
		next = Min(next, rama_ticks_after(rama_ticks(), IDLE_STATS_MS));
	if (WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
				  rama_ms_until(next), PG_WAIT_EXTENSION) & WL_LATCH_SET)
		return;
	stats_pending = false;
	pgstat_report_stat(true);
}

/*
 * SIGINT: pg_cancel_backend(), DDL that wants no batch in its way (hold.c), or
 * one of this process's own timeouts, which say so before they send it.
 */
static void
handle_cancel(SIGNAL_ARGS)
{
	if (!get_timeout_indicator(STATEMENT_TIMEOUT, false) &&
		!get_timeout_indicator(LOCK_TIMEOUT, false))
		canceled = true;
	StatementCancelHandler(postgres_signal_arg);
}

/*
 * Give the slot back. The group wants a worker again when the next of its
 * topologies is due.
 */
static void
detach(int code, Datum arg)
{
	RamaGroup  *group;

	LWLockAcquire(rama_shared->lock, LW_EXCLUSIVE);
	if (code != 0)
		rama_slot_failed(my_slot);
	group = rama_group_slot(my_slot->database, my_slot->owner, my_slot->kind);
	if (group)
	{
		/* A commit sets the slot's bits first, then looks at the group. */
		pg_atomic_exchange_u32(&group->wanted, 0);
		if (pg_atomic_read_u64(&my_slot->wanted) != 0)
			pg_atomic_write_u32(&group->wanted, 1);
		group->due_at = next_due;
		group->left_at = rama_ticks();
		group->no_duties = nduties == 0;
		if (group->no_duties)
			group->retry_at = rama_ticks_after(rama_ticks(), RAMA_RETRY_MS);
	}
	my_slot->latch = NULL;
	my_slot->pid = 0;
	my_slot->inuse = false;
	LWLockRelease(rama_shared->lock);
	ConditionVariableBroadcast(&rama_shared->changed);
	rama_wake_launcher();
}

/*
 * What may be set for sessions of the database, or of the whole server, and
 * would get into the way of batches. A handler may still set it.
 */
static void
overrule_settings(void)
{
	static const struct
	{
		const char *name;
		const char *value;
	}			settings[] = {
		{"lock_timeout", "0"},
		{"statement_timeout", "0"},
		{"transaction_timeout", "0"},	/* 17 */
		{"idle_in_transaction_session_timeout", "0"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
		{"row_security", "on"},
	};

	for (int i = 0; i < (int) lengthof(settings); i++)
		if (GetConfigOption(settings[i].name, true, false))
			SetConfigOption(settings[i].name, settings[i].value, PGC_SUSET, PGC_S_OVERRIDE);
}

/*
 * Take the slot that the launcher reserved, and connect to its database: as
 * superuser, since the owner may be a role that cannot log in. Nothing of the
 * owner's runs before the batch has switched to the owner.
 */
static void
attach(Datum arg, pqsigfunc on_interrupt)
{
	my_slot = &rama_shared->slots[DatumGetInt32(arg)];
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGINT, on_interrupt);

	LWLockAcquire(rama_shared->lock, LW_EXCLUSIVE);
	if (!my_slot->inuse || my_slot->pid != 0)
	{
		/* A launcher that has died since has reserved it. */
		LWLockRelease(rama_shared->lock);
		proc_exit(0);
	}
	my_slot->pid = MyProcPid;
	my_slot->latch = MyLatch;
	my_slot->started_at = rama_ticks();
	LWLockRelease(rama_shared->lock);
	before_shmem_exit(detach, (Datum) 0);
	BackgroundWorkerUnblockSignals();
	if (rama_database_held(my_slot->database))
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(my_slot->database, InvalidOid,
											  BGWORKER_BYPASS_ALLOWCONN);
	overrule_settings();
	CacheRegisterRelcacheCallback(relcache_callback, (Datum) 0);
}

/* From now on this worker sees to what its group wants. */
static void
clear_group(void)
{
	RamaGroup  *group;

	LWLockAcquire(rama_shared->lock, LW_EXCLUSIVE);
	group = rama_group_slot(my_slot->database, my_slot->owner, my_slot->kind);
	if (group)
	{
		pg_atomic_exchange_u32(&group->wanted, 0);
		group->due_at = RAMA_NEVER;
	}
	LWLockRelease(rama_shared->lock);
}

/* A relation has changed: the topologies that use it are stale. */
static void
relcache_callback(Datum arg, Oid relid)
{
	for (int i = 0; i < nduties; i++)
		if (rama_topology_uses(duties[i].topology, relid))
		{
			duties[i].topology->stale = true;
			pg_atomic_write_u32(&my_slot->reload, 1);
		}
}

/*
 * All topologies of the database that may run, with memory contexts below
 * parent. False if DDL on the extension is in the way.
 */
static bool
load_topologies(MemoryContext parent, List **topologies)
{
	bool		exists;
	ListCell   *lc;

	*topologies = NIL;
	if (!rama_catalog_try_lock(&exists))
		return false;
	if (!exists || !rama_is_active() || !rama_database_is_open())
		return true;
	foreach(lc, rama_catalog_relations("topology"))
	{
		RamaTopology *topology = rama_topology_load(lfirst_oid(lc), parent);

		if (topology)
			*topologies = lappend(*topologies, topology);
	}
	return true;
}

static void
start_transaction(void)
{
	rama_start_transaction();
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
commit_transaction(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/*
 * rama_scout_main() -- A scout's main function: publish the groups of
 * topologies of one database.
 */
void
rama_scout_main(Datum arg)
{
	List	   *topologies;

	attach(arg, SIG_IGN);
	start_transaction();
	if (load_topologies(CurrentMemoryContext, &topologies))
		rama_groups_publish(MyDatabaseId, topologies);
	else
		rama_scout_again(MyDatabaseId);
	commit_transaction();
	proc_exit(0);
}

/* A duty that a worker had before it read the catalog again goes on. */
static void
inherit_duty(Duty *duty, const Duty *old, int nold)
{
	for (int i = 0; i < nold; i++)
	{
		if (old[i].topology->relid != duty->topology->relid)
			continue;
		duty->started_at = old[i].started_at;
		rama_topology_inherit(duty->topology, old[i].topology);
	}
}

static void
add_duty(RamaTopology *topology)
{
	Duty	   *duty = &duties[nduties++];

	memset(duty, 0, sizeof(*duty));
	duty->topology = topology;
	duty->wanted = true;
	for (int i = 0; i < topology->nsources; i++)
		duty->depots |= rama_depot_bit(topology->sources[i].depot);
}

/*
 * Read the catalog: which topologies are this worker's duty? Here, as
 * everywhere but in a batch, a cancel must not end the worker. False if it
 * cannot be read now: then nothing has changed.
 */
static bool
reload_duties(void)
{
	Duty	   *old = duties;
	int			nold = nduties;
	uint64		depots = 0;
	List	   *topologies;
	ListCell   *lc;

	HOLD_CANCEL_INTERRUPTS();
	start_transaction();
	if (!load_topologies(TopMemoryContext, &topologies))
	{
		commit_transaction();
		RESUME_CANCEL_INTERRUPTS();
		return false;
	}
	nduties = 0;
	duties = MemoryContextAlloc(TopMemoryContext, sizeof(Duty) * (list_length(topologies) + 1));
	foreach(lc, topologies)
	{
		RamaTopology *topology = lfirst(lc);

		if (topology->owner == my_slot->owner && topology->kind == my_slot->kind &&
			!topology->paused && topology->nsources > 0)
		{
			add_duty(topology);
			inherit_duty(&duties[nduties - 1], old, nold);
		}
		else
			rama_topology_free(topology);
	}
	commit_transaction();
	RESUME_CANCEL_INTERRUPTS();

	for (int i = 0; i < nold; i++)
		rama_topology_free(old[i].topology);
	if (old)
		pfree(old);
	for (int i = 0; i < nduties; i++)
		depots |= duties[i].depots;
	pg_atomic_write_u64(&my_slot->depots, depots);
	publish_retries();
	return true;
}

/*
 * One round: at most one batch of each topology that is due. False if there
 * is more to do now; else *next says when.
 */
static bool
run_duties(RamaTicks *next)
{
	uint64		wanted = pg_atomic_exchange_u64(&my_slot->wanted, 0);
	bool		idle = true;

	for (int i = 0; i < nduties; i++)
		if ((duties[i].depots & wanted) != 0)
			duties[i].wanted = true;
	if (!rama_enabled || rama_database_held(MyDatabaseId))
	{
		*next = rama_ticks_after(rama_ticks(), rama_poll_interval);
		return true;
	}
	for (int i = 0; i < nduties; i++)
	{
		RamaTicks	now = rama_ticks();

		/* A hold has canceled one batch: the next one waits, too. */
		if (pg_atomic_read_u32(&my_slot->reload) != 0 || rama_database_held(MyDatabaseId))
			return false;
		if (!is_due(&duties[i], now, next))
			continue;
		run_duty(&duties[i], now);
		idle = false;
	}
	return idle;
}

/* Lock what backlog() reads, without waiting for DDL. */
static bool
lock_for_backlog(RamaTopology *topology)
{
	if (!ConditionalLockRelationOid(topology->relid, AccessShareLock))
		return false;
	for (int i = 0; i < topology->nsources; i++)
		if (!OidIsValid(topology->sources[i].info.sequence) ||
			!ConditionalLockRelationOid(topology->sources[i].info.sequence, AccessShareLock))
			return false;
	return !topology->stale;
}

/* An earlier source of the depot is as far, so they take the same events. */
static bool
shares_events(RamaTopology *topology, RamaTopologyState *state, int number)
{
	for (int i = 0; i < number; i++)
		if (topology->sources[i].depot == topology->sources[number].depot &&
			state->progress[i].position == state->progress[number].position)
			return true;
	return false;
}

/*
 * How many events, at most, have come since the last batch?
 */
static int64
backlog(RamaTopology *topology)
{
	RamaTopologyState state;
	int64		events = 0;

	HOLD_CANCEL_INTERRUPTS();
	start_transaction();
	if (lock_for_backlog(topology))
	{
		rama_state_read(topology->relid, &state);
		for (int i = 0; i < Min(state.nsources, topology->nsources); i++)
			if (!shares_events(topology, &state, i))
				events += rama_sequence_horizon(topology->sources[i].info.sequence) -
					state.progress[i].position;
	}
	commit_transaction();
	RESUME_CANCEL_INTERRUPTS();
	return events;
}

/*
 * A stream is due when there may be events; a microbatch also waits for
 * batch_max events or its interval, unless somebody waits for it.
 */
static bool
is_due(Duty *duty, RamaTicks now, RamaTicks *next)
{
	RamaTopology *topology = duty->topology;
	uint64		bit = rama_depot_bit(topology->relid);
	RamaTicks	due;

	if (duty->not_before > now)
	{
		*next = Min(*next, duty->not_before);
		return false;
	}
	if (!duty->wanted)
	{
		if (duty->poll_at > now)
		{
			*next = Min(*next, duty->poll_at);
			return false;
		}
		duty->wanted = true;
	}
	else if (duty->poll_at > now &&
			 rama_home_elsewhere(my_slot, topology->relid, now, &due))
	{
		/* That worker has been told, too. */
		duty->wanted = due != 0;
		duty->not_before = due;
		*next = Min(*next, due != 0 ? due : duty->poll_at);
		return false;
	}
	if (topology->kind == RAMA_STREAM ||
		(pg_atomic_fetch_and_u64(&rama_shared->hurry, ~bit) & bit) != 0)
		return true;
	due = rama_ticks_after(duty->started_at, topology->options.interval);
	if (due <= now || backlog(topology) >= topology->options.batch_max)
		return true;
	*next = Min(*next, due);
	return false;
}

/* The end of a pause that starts now and is twice as long as the last one. */
static RamaTicks
longer_pause(Duty *duty)
{
	duty->busy_ms = Min(Max(10, duty->busy_ms * 2), MAX_BUSY_MS);
	return rama_ticks_after(rama_ticks(), duty->busy_ms);
}

/*
 * Run a batch, and work out when the next one may be due.
 */
static void
run_duty(Duty *duty, RamaTicks now)
{
	RamaBatchOutcome outcome;

	if (!try_batch(duty, &outcome))
		return;
	switch (outcome)
	{
		case RAMA_BATCH_BUSY:
			duty->not_before = longer_pause(duty);
			return;
		case RAMA_BATCH_WAIT:
			duty->not_before = duty->topology->retry_at;
			return;
		case RAMA_BATCH_FULL:
			duty->started_at = now;
			break;
		case RAMA_BATCH_DONE:
			duty->started_at = now;
			duty->wanted = false;
			break;
		case RAMA_BATCH_IDLE:
			duty->wanted = false;
			break;
	}
	duty->busy_ms = 0;
	duty->poll_at = rama_ticks_after(now, rama_poll_interval);
	if (outcome != RAMA_BATCH_IDLE)
	{
		ConditionVariableBroadcast(&rama_shared->changed);
		rama_session_clean();
		stats_pending = pgstat_report_stat(false) > 0;
	}
}

static void
report_activity(RamaTopology *topology, const char *phase)
{
	char		activity[2 * NAMEDATALEN + 64];

	snprintf(activity, sizeof(activity), "topology %s: %s", topology->name, phase);
	pgstat_report_activity(STATE_RUNNING, activity);
}

/*
 * rama_batch_run() with its errors caught. False after an error: it is in the
 * log and in the topology's row, and nothing else of the batch is left.
 */
static bool
try_batch(Duty *duty, RamaBatchOutcome *outcome)
{
	MemoryContext context = CurrentMemoryContext;
	ErrorData  *volatile error = NULL;
	bool		retries = duty->topology->retry;

	report_activity(duty->topology, "batch");
	rama_home_run(my_slot, duty->topology->relid);
	PG_TRY();
	{
		*outcome = rama_batch_run(duty->topology);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		EmitErrorReport();
		disable_timeout(STATEMENT_TIMEOUT, false);
		QueryCancelPending = false;
		/* Before others can have the topology's lock. */
		duty->topology->retry = true;
		publish_retries();
		/*
		 * This gives back the worker's own user and settings, too, and the
		 * memory, if it was this that the batch ran out of.
		 */
		AbortCurrentTransaction();
		rama_batch_forget();
		MemoryContextSwitchTo(TopMemoryContext);
		error = CopyErrorData();
		FlushErrorState();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	pgstat_report_activity(STATE_IDLE, NULL);
	rama_home_run(my_slot, InvalidOid);
	if (error == NULL)
	{
		if (*outcome == RAMA_BATCH_DONE || *outcome == RAMA_BATCH_FULL)
			rama_home_claim(my_slot, duty->topology->relid);
		if (retries != duty->topology->retry)
			publish_retries();
		return true;
	}

	record_failure(duty, error);
	FreeErrorData(error);
	rama_session_clean();
	pgstat_report_stat(true);
	return false;
}

/*
 * A batch that somebody canceled has not failed. A failure that cannot be
 * recorded, since the topology is gone, its table full of somebody's locks or
 * the disk full, is in the log at least.
 */
static void
record_failure(Duty *duty, const ErrorData *error)
{
	MemoryContext context = CurrentMemoryContext;
	bool		was_canceled = canceled && error->sqlerrcode == ERRCODE_QUERY_CANCELED;

	canceled = false;
	duty->not_before = rama_ticks_after(rama_ticks(), duty->topology->options.backoff);
	if (was_canceled)
		return;
	PG_TRY();
	{
		duty->not_before = rama_failure_record(duty->topology, error);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(context);
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
		duty->not_before = longer_pause(duty);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	ConditionVariableBroadcast(&rama_shared->changed);
}

/* Tell the group's other workers which batches to leave to this one. */
static void
publish_retries(void)
{
	int			n = 0;

	my_slot->retrying_since = rama_ticks();
	for (int i = 0; i < nduties && n < RAMA_MAX_RETRYING; i++)
		if (duties[i].topology->retry)
			my_slot->retrying[n++] = duties[i].topology->relid;
	if (n < RAMA_MAX_RETRYING)
		my_slot->retrying[n] = InvalidOid;
}

static bool
is_retrying(const RamaSlot *slot, Oid topology)
{
	for (int i = 0; i < RAMA_MAX_RETRYING && OidIsValid(slot->retrying[i]); i++)
		if (slot->retrying[i] == topology)
			return true;
	return false;
}

/*
 * rama_retried_elsewhere() -- Since when does another worker know which events
 * the failed attempt of this topology took? 0: none does. A hint.
 */
RamaTicks
rama_retried_elsewhere(Oid topology)
{
	uint32		used = pg_atomic_read_u32(&rama_shared->slots_used);

	for (uint32 i = 0; i < used; i++)
	{
		RamaSlot   *slot = &rama_shared->slots[i];

		if (slot->inuse && slot != my_slot && slot->database == MyDatabaseId &&
			is_retrying(slot, topology))
			return slot->retrying_since;
	}
	return 0;
}

/*
 * Must this worker make room for another group's?
 */
static bool
should_leave(void)
{
	bool		leave;

	LWLockAcquire(rama_shared->lock, LW_EXCLUSIVE);
	leave = my_slot->leave;
	LWLockRelease(rama_shared->lock);
	return leave;
}
