/*-------------------------------------------------------------------------
 *
 * launcher.c
 *	  The launcher: one process that starts scouts and workers.
 *
 * It is connected to no database. A scout is sent into each database once,
 * and again when its catalog has changed; it publishes which groups of
 * topologies there are. The launcher then sees to it that every group has a
 * worker, as far as pg_rama.workers allows.
 *
 *-------------------------------------------------------------------------
 */
#include "watch/subscribe.h"
#include "worker/worker.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* A worker runs so long before it is asked to leave in the middle of work. */
#define TURN_MS 1000
/* How often to say that there is no place for a process. */
#define COMPLAIN_MS 60000
/* How often to look at everything though nobody said anything. */
#define LAUNCHER_POLL_MS 10000

/* What the launcher knows of the workers that it registered. */
static BackgroundWorkerHandle *handles[RAMA_MAX_SLOTS];
static BackgroundWorkerHandle *notifier_handles[RAMA_MAX_NOTIFIERS];

/* Was max_worker_processes too small in this round? */
static bool out_of_places = false;

static void find_databases(void);
static void reap(void);
static RamaTicks send_scouts(RamaTicks now);
static bool scout_waits(void);
static RamaTicks start_workers(RamaTicks now);
static RamaTicks ask_for_places(RamaTicks now);
static RamaTicks start_notifiers(RamaTicks now);
static bool start(RamaTopologyKind kind, Oid database, Oid owner);

/*
 * rama_launcher_register() -- Called by _PG_init when preloaded. The launcher
 * starts when recovery has ended: never on a standby.
 */
void
rama_launcher_register(void)
{
	BackgroundWorker worker = {0};

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = RAMA_RETRY_MS / 1000;
	strlcpy(worker.bgw_library_name, "pg_rama", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "rama_launcher_main", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "pg_rama launcher", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "pg_rama launcher", sizeof(worker.bgw_type));
	RegisterBackgroundWorker(&worker);
}

static void
launcher_exit(int code, Datum arg)
{
	LWLockAcquire(rama_shared->lock, LW_EXCLUSIVE);
	rama_shared->launcher = NULL;
	LWLockRelease(rama_shared->lock);
}

/*
 * rama_launcher_main() -- The launcher's main function.
 */
void
rama_launcher_main(Datum arg)
{
	pqsignal(SIGTERM, die);
	pqsignal(SIGINT, SIG_IGN);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	before_shmem_exit(launcher_exit, (Datum) 0);
	LWLockAcquire(rama_shared->lock, LW_EXCLUSIVE);
	/* What a launcher before this one reserved, and nobody has filled. */
	for (int i = 0; i < RAMA_MAX_SLOTS; i++)
		if (rama_shared->slots[i].pid == 0)
			rama_shared->slots[i].inuse = false;
	rama_shared->launcher = MyLatch;
	rama_shared->rescan = true;
	LWLockRelease(rama_shared->lock);

	for (;;)
	{
		RamaTicks	now = rama_ticks();
		RamaTicks	next = rama_ticks_after(now, LAUNCHER_POLL_MS);

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			rama_shared->rescan = true;
		}
		reap();
		if (rama_shared->rescan)
			find_databases();
		out_of_places = false;
		if (rama_enabled)
		{
			next = Min(next, send_scouts(now));
			if (!scout_waits())
				next = Min(next, start_workers(now));
			next = Min(next, ask_for_places(now));
			next = Min(next, start_notifiers(now));
		}
		WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
				  Max(1, rama_ms_until(next)),
				  PG_WAIT_EXTENSION);
	}
}

/*
 * Mark every database that can be connected to as unknown, and those that
 * cannot be any more, whose scout will find no topology that may run.
 * template1 is left alone: it must be free to be copied.
 */
static void
find_databases(void)
{
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;
	bool		full = false;

	/* A change that comes meanwhile is another scan's. */
	rama_shared->rescan = false;
	pg_memory_barrier();
	rama_start_transaction();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);
		RamaDatabase *entry;
		bool		open = form->datallowconn && form->oid != Template1DbOid &&
			form->datconnlimit != DATCONNLIMIT_INVALID_DB;

		LWLockAcquire(rama_shared->lock, LW_EXCLUSIVE);
		entry = rama_database_slot(form->oid, open);
		LWLockRelease(rama_shared->lock);
		if (entry)
			rama_wake_database(form->oid, 0, true);
		else if (open)
			full = true;
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();

	if (full)
		ereport(WARNING,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many databases for pg_rama"),
				 errdetail("Topologies run in at most %d databases of one server.",
						   RAMA_MAX_DATABASES)));
}

/*
 * Free the slots of workers that ended before they could do so themselves.
 */
static void
reap(void)
{
	for (int i = 0; i < RAMA_MAX_SLOTS; i++)
	{
		RamaSlot   *slot = &rama_shared->slots[i];
		pid_t		pid;

		if (handles[i] == NULL)
			continue;
		if (GetBackgroundWorkerPid(handles[i], &pid) != BGWH_STOPPED)
			continue;
		pfree(handles[i]);
		handles[i] = NULL;
		LWLockAcquire(rama_shared->lock, LW_EXCLUSIVE);
		if (slot->inuse && slot->pid == 0)
		{
			slot->inuse = false;
			rama_slot_failed(slot);
		}
		LWLockRelease(rama_shared->lock);
	}
}

/* Is a scout on its way, or at work, in a database? The caller holds the lock. */
static bool
has_scout(Oid database)
{
	for (int i = 0; i < RAMA_MAX_SLOTS; i++)
	{
		RamaSlot   *slot = &rama_shared->slots[i];

		if (slot->inuse && slot->database == database && !OidIsValid(slot->owner))
			return true;
	}
	return false;
}

/*
 * A scout for every database whose catalog has changed, one at a time each:
 * the exit of one wakes us. Returns when to look again.
 */
static RamaTicks
send_scouts(RamaTicks now)
{
	RamaTicks	next = RAMA_NEVER;

	for (int i = 0; i < RAMA_MAX_DATABASES; i++)
	{
		RamaDatabase *entry = &rama_shared->databases[i];
		Oid			database = InvalidOid;

		LWLockAcquire(rama_shared->lock, LW_EXCLUSIVE);
		if (OidIsValid(entry->oid) && entry->dirty && entry->holds == 0 &&
			!has_scout(entry->oid))
		{
			if (entry->retry_at <= now)
			{
				database = entry->oid;
				entry->dirty = false;
				entry->no_place = false;
			}
			else
				next = Min(next, entry->retry_at);
		}
		LWLockRelease(rama_shared->lock);
		if (!OidIsValid(database) || start(RAMA_STREAM, database, InvalidOid))
			continue;
		LWLockAcquire(rama_shared->lock, LW_EXCLUSIVE);
		if (entry->oid == database)
		{
			entry->dirty = true;
			entry->no_place = true;
			entry->retry_at = rama_ticks_after(now, RAMA_RETRY_MS);
			next = Min(next, entry->retry_at);
		}
		LWLockRelease(rama_shared->lock);
	}
	return next;
}

/*
 * Is there a database for which there was no place for a scout? The next free
 * one is for that.
 */
static bool
scout_waits(void)
{
	bool		result = false;

	LWLockAcquire(rama_shared->lock, LW_SHARED);
	for (int i = 0; i < RAMA_MAX_DATABASES; i++)
	{
		RamaDatabase *entry = &rama_shared->databases[i];

		result |= OidIsValid(entry->oid) && entry->no_place && entry->holds == 0;
	}
	LWLockRelease(rama_shared->lock);
	return result;
}

/* Workers of a group, or with owner InvalidOid all workers of a database. */
static int
count_workers(Oid database, Oid owner, RamaTopologyKind kind)
{
	int			n = 0;

	for (int i = 0; i < RAMA_MAX_SLOTS; i++)
	{
		RamaSlot   *slot = &rama_shared->slots[i];

		if (slot->inuse && slot->database == database && OidIsValid(slot->owner) &&
			(!OidIsValid(owner) || (slot->owner == owner && slot->kind == kind)))
			n++;
	}
	return n;
}

/* Has a group without worker something to do? */
static bool
is_wanted(RamaGroup *group, RamaTicks now)
{
	return pg_atomic_read_u32(&group->wanted) != 0 || group->due_at <= now;
}

/*
 * The group that most needs one more worker: first those without any, and of
 * these the ones that have something to do, whose worker left longest ago;
 * then those with more topologies than workers. NULL where none does. The
 * caller holds the lock.
 */
static RamaGroup *
neediest_group(RamaTicks now, RamaTicks *next)
{
	RamaGroup  *best = NULL;
	double		best_need = 0;

	for (int i = 0; i < RAMA_MAX_GROUPS; i++)
	{
		RamaGroup  *group = &rama_shared->groups[i];
		RamaDatabase *entry;
		int			workers;
		double		need;

		if (!OidIsValid(group->database))
			continue;
		entry = rama_database_slot(group->database, false);
		workers = count_workers(group->database, group->owner, group->kind);
		if ((entry && entry->holds > 0) || workers >= group->ntopologies ||
			count_workers(group->database, InvalidOid, RAMA_STREAM) >= rama_workers)
			continue;
		if (group->retry_at > now)
		{
			*next = Min(*next, group->retry_at);
			continue;
		}
		if (workers > 0)
			need = (double) group->ntopologies / workers;
		else
			need = is_wanted(group, now) ? 2e9 : 1e9;
		if (need > best_need || (need == best_need && group->left_at < best->left_at))
		{
			best = group;
			best_need = need;
		}
	}
	return best;
}

/*
 * Start workers for the groups that need them. Returns when to look again.
 */
static RamaTicks
start_workers(RamaTicks now)
{
	RamaTicks	next = RAMA_NEVER;

	for (;;)
	{
		RamaGroup  *group;
		Oid			database = InvalidOid;
		Oid			owner = InvalidOid;
		RamaTopologyKind kind = RAMA_STREAM;

		LWLockAcquire(rama_shared->lock, LW_EXCLUSIVE);
		group = neediest_group(now, &next);
		if (group)
		{
			database = group->database;
			owner = group->owner;
			kind = group->kind;
		}
		LWLockRelease(rama_shared->lock);
		if (group == NULL)
			return next;
		if (!start(kind, database, owner))
			return Min(next, rama_ticks_after(now, RAMA_RETRY_MS));
	}
}

/*
 * The worker of a database (InvalidOid: of any) that can best make room: an
 * idle one, else the one that has run longest, if it has had its turn. The
 * caller holds the lock.
 */
static RamaSlot *
dispensable_worker(Oid database, RamaTicks now)
{
	RamaSlot   *best = NULL;

	for (int i = 0; i < RAMA_MAX_SLOTS; i++)
	{
		RamaSlot   *slot = &rama_shared->slots[i];

		if (!slot->inuse || !OidIsValid(slot->owner) ||
			(OidIsValid(database) && slot->database != database) ||
			slot->latch == NULL || slot->leave)
			continue;
		if (slot->idle)
			return slot;
		if (now >= rama_ticks_after(slot->started_at, TURN_MS) &&
			(best == NULL || slot->started_at < best->started_at))
			best = slot;
	}
	return best;
}

/*
 * Has a worker of the database (InvalidOid: of any) been asked to leave, and
 * not left yet?
 */
static bool
somebody_leaves(Oid database)
{
	for (int i = 0; i < RAMA_MAX_SLOTS; i++)
	{
		RamaSlot   *slot = &rama_shared->slots[i];

		if (slot->inuse && slot->leave &&
			(!OidIsValid(database) || slot->database == database))
			return true;
	}
	return false;
}

/* False if there is no such worker. The caller holds the lock. */
static bool
ask_to_leave(RamaSlot *slot)
{
	if (slot == NULL)
		return false;
	slot->leave = true;
	SetLatch(slot->latch);
	return true;
}

/*
 * A group that has events but no worker gets the place of a worker of another
 * group of its database, or of any where max_worker_processes are too few.
 * Returns when to look again.
 */
static RamaTicks
ask_for_places(RamaTicks now)
{
	RamaTicks	next = RAMA_NEVER;
	bool		scout = scout_waits();

	LWLockAcquire(rama_shared->lock, LW_EXCLUSIVE);
	if (out_of_places && scout && !somebody_leaves(InvalidOid))
		ask_to_leave(dispensable_worker(InvalidOid, now));
	for (int i = 0; i < RAMA_MAX_GROUPS; i++)
	{
		RamaGroup  *group = &rama_shared->groups[i];
		Oid			database = out_of_places ? InvalidOid : group->database;
		RamaSlot   *slot;

		if (!OidIsValid(group->database) ||
			count_workers(group->database, group->owner, group->kind) > 0 ||
			(!out_of_places &&
			 count_workers(group->database, InvalidOid, RAMA_STREAM) < rama_workers) ||
			somebody_leaves(database))
			continue;
		if (!is_wanted(group, now))
		{
			next = Min(next, group->due_at);
			continue;
		}
		slot = dispensable_worker(database, now);
		if (!ask_to_leave(slot))
		{
			/* Whoever becomes idle tells us. */
			pg_atomic_write_u32(&rama_shared->places_wanted, 1);
			next = rama_ticks_after(now, TURN_MS);
		}
	}
	LWLockRelease(rama_shared->lock);
	return next;
}

static int
reserve_slot(RamaTopologyKind kind, Oid database, Oid owner)
{
	int			result = -1;

	LWLockAcquire(rama_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < RAMA_MAX_SLOTS && result < 0; i++)
	{
		RamaSlot   *slot = &rama_shared->slots[i];

		if (slot->inuse)
			continue;
		result = i;
		slot->inuse = true;
		slot->database = database;
		slot->owner = owner;
		slot->kind = kind;
		slot->pid = 0;
		slot->latch = NULL;
		slot->idle = false;
		slot->leave = false;
		pg_atomic_write_u64(&slot->depots, 0);
		pg_atomic_write_u64(&slot->wanted, 0);
		pg_atomic_write_u64(&slot->homes, 0);
		slot->running = InvalidOid;
		slot->retrying[0] = InvalidOid;
		pg_atomic_write_u32(&slot->reload, 0);
		if (pg_atomic_read_u32(&rama_shared->slots_used) <= (uint32) i)
			pg_atomic_write_u32(&rama_shared->slots_used, i + 1);
	}
	LWLockRelease(rama_shared->lock);
	return result;
}

/* There is no place for a process: said in the log, at most once a minute. */
static void
complain(const char *what)
{
	static RamaTicks complained_at = 0;

	out_of_places = rama_shared->no_place = true;
	if (complained_at != 0 && rama_ticks() < rama_ticks_after(complained_at, COMPLAIN_MS))
		return;
	complained_at = rama_ticks();
	ereport(WARNING,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			 errmsg("no place for a pg_rama %s", what),
			 errdetail("It is tried again every %d ms.", RAMA_RETRY_MS),
			 errhint(RAMA_PLACES_HINT)));
}

static bool
start_process(const char *what, int slot, BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker = {0};
	MemoryContext old;
	bool		started;

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = Int32GetDatum(slot);
	worker.bgw_notify_pid = MyProcPid;
	strlcpy(worker.bgw_library_name, "pg_rama", sizeof(worker.bgw_library_name));
	snprintf(worker.bgw_function_name, sizeof(worker.bgw_function_name), "rama_%s_main", what);
	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "pg_rama %s", what);
	snprintf(worker.bgw_type, sizeof(worker.bgw_type), "pg_rama %s", what);
	old = MemoryContextSwitchTo(TopMemoryContext);
	started = RegisterDynamicBackgroundWorker(&worker, handle);
	MemoryContextSwitchTo(old);
	return started;
}

/*
 * Register a worker, or with owner InvalidOid a scout. False, with a message
 * in the log, when there is no place for it.
 */
static bool
start(RamaTopologyKind kind, Oid database, Oid owner)
{
	const char *what = OidIsValid(owner) ? "worker" : "scout";
	int			slot = reserve_slot(kind, database, owner);

	if (slot >= 0)
	{
		if (start_process(what, slot, &handles[slot]))
		{
			rama_shared->no_place = false;
			return true;
		}
		LWLockAcquire(rama_shared->lock, LW_EXCLUSIVE);
		rama_shared->slots[slot].inuse = false;
		LWLockRelease(rama_shared->lock);
	}
	complain(what);
	return false;
}

/* Is the notifier to be started now, or *next? The caller holds the lock. */
static bool
wants_notifier(int number, RamaTicks now, RamaTicks *next)
{
	RamaNotifier *notifier = &rama_subscriptions->notifiers[number];
	pid_t		pid;

	if (!OidIsValid(notifier->database) || notifier->pid != 0)
		return false;
	if (notifier->starting)
	{
		if (notifier_handles[number] != NULL &&
			GetBackgroundWorkerPid(notifier_handles[number], &pid) != BGWH_STOPPED)
			return false;
		notifier->starting = false;
	}
	if (notifier->nwatches == 0 || rama_database_held(notifier->database))
		return false;
	if (notifier->retry_at > now)
	{
		*next = Min(*next, notifier->retry_at);
		return false;
	}
	return true;
}

/*
 * A notifier for every database that has watches. Returns when to look again.
 */
static RamaTicks
start_notifiers(RamaTicks now)
{
	RamaTicks	next = RAMA_NEVER;

	for (int i = 0; i < RAMA_MAX_NOTIFIERS; i++)
	{
		RamaNotifier *notifier = &rama_subscriptions->notifiers[i];
		bool		wanted;

		LWLockAcquire(rama_subscriptions->lock, LW_EXCLUSIVE);
		wanted = wants_notifier(i, now, &next);
		notifier->starting |= wanted;
		LWLockRelease(rama_subscriptions->lock);
		if (!wanted)
			continue;
		if (notifier_handles[i])
			pfree(notifier_handles[i]);
		notifier_handles[i] = NULL;
		if (start_process("notifier", i, &notifier_handles[i]))
			continue;
		LWLockAcquire(rama_subscriptions->lock, LW_EXCLUSIVE);
		notifier->starting = false;
		notifier->retry_at = rama_ticks_after(now, RAMA_RETRY_MS);
		LWLockRelease(rama_subscriptions->lock);
		next = Min(next, rama_ticks_after(now, RAMA_RETRY_MS));
		complain("notifier");
	}
	return next;
}

/*
 * rama_worker_hint() -- Why a topology has no worker although it may run, as
 * far as its DBA can help it; else NULL.
 */
const char *
rama_worker_hint(const RamaTopology *topology)
{
	const char *hint = NULL;

	if (rama_shared == NULL || topology->paused || RecoveryInProgress())
		return NULL;
	LWLockAcquire(rama_shared->lock, LW_SHARED);
	if (count_workers(MyDatabaseId, topology->owner, topology->kind) > 0)
		hint = NULL;
	else if (rama_shared->launcher == NULL)
		hint = "The pg_rama launcher is not running: it starts again after some seconds, "
			"or max_worker_processes is too small for it.";
	else if (rama_shared->no_place)
		hint = RAMA_PLACES_HINT;
	LWLockRelease(rama_shared->lock);
	return hint;
}
