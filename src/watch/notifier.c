/*-------------------------------------------------------------------------
 *
 * notifier.c
 *	  A notifier: tells the watches of one database what has changed.
 *
 * It runs as superuser, and nothing of a watcher's: operations are compared
 * with the keys of paths. Where more is needed (predicates over types that
 * are not built in, what must be read again), the watcher is told to fetch
 * it: rama.changes() runs in its session and with its rights. Who may not
 * SELECT is told nothing; of what was not told, "from" of the next message
 * tells.
 *
 *-------------------------------------------------------------------------
 */
#include "watch/subscribe.h"
#include "watch/tail.h"
#include "watch/watch_index.h"

#include "access/transam.h"
#include "access/xact.h"
#include "commands/async.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "topology/topology.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "worker/worker.h"

/* At most so many versions of a PState are read in one transaction. */
#define ROUND_VERSIONS 1000
/* A round takes at least so long: under many commits, not each is one. */
#define ROUND_MS 1
/* A notifier without watches ends after so long. */
#define IDLE_MS 10000
/* NOTIFY takes payloads that are shorter than this. */
#define MAX_PAYLOAD 8000

typedef struct WatchedPState
{
	Oid			relid;
	RamaCursor *cursor;
	int			nwatches;
	int64		start;			/* of the cursor, until there is one */
	bool		failed;			/* all its watches are to fetch */
	bool		gone;			/* they have been told to */
	RamaTicks	retry_at;
} WatchedPState;

typedef struct Watch
{
	RamaWatchItem item;			/* in the index; first */
	int			slot;
	Oid			role;
	WatchedPState *pstate;
	MemoryContext context;
	RamaWatchPath *path;
	char		channel[RAMA_CHANNEL_LEN + 1];
	int64		told;
	bool		local;			/* it always has to fetch */
	bool		stale;			/* it was not told of something since */
	RamaFilter *filter;			/* in this round; NULL: not concerned */
	bool		fetch;			/* in this round: it has to */
} Watch;

static RamaNotifier *my_notifier = NULL;
static Watch **watches = NULL;	/* by slot */
static uint64 *seen = NULL;		/* generations, by slot */
static uint64 seen_all = 0;
static int	nwatches = 0;
static List *pstates = NIL;		/* WatchedPState */
static RamaWatchIndex *watch_index = NULL;

/* In a round */
static MemoryContext round_context = NULL;
static RamaPState *bound;		/* NULL: dropped */
static bool all_builtin;		/* the types of its schema are */
static const RamaChange *current;
static const RamaOp *current_op;
static List *hits;				/* Watch */

/* ---- the process ---- */

static void
detach(int code, Datum arg)
{
	LWLockAcquire(rama_subscriptions->lock, LW_EXCLUSIVE);
	my_notifier->pid = 0;
	my_notifier->latch = NULL;
	my_notifier->starting = false;
	if (code != 0)
		my_notifier->retry_at = rama_ticks_after(rama_ticks(), RAMA_RETRY_MS);
	LWLockRelease(rama_subscriptions->lock);
	ConditionVariableBroadcast(&rama_shared->changed);
	rama_wake_launcher();
}

static void
attach(Datum arg)
{
	Oid			database;

	my_notifier = &rama_subscriptions->notifiers[DatumGetInt32(arg)];
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGINT, SIG_IGN);
	LWLockAcquire(rama_subscriptions->lock, LW_EXCLUSIVE);
	database = my_notifier->database;
	if (!OidIsValid(database) || my_notifier->pid != 0)
	{
		LWLockRelease(rama_subscriptions->lock);
		proc_exit(0);
	}
	my_notifier->pid = MyProcPid;
	my_notifier->latch = MyLatch;
	LWLockRelease(rama_subscriptions->lock);
	before_shmem_exit(detach, (Datum) 0);
	BackgroundWorkerUnblockSignals();
	if (rama_database_held(database))
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, BGWORKER_BYPASS_ALLOWCONN);
	SetConfigOption("synchronous_commit", "off", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("statement_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("lock_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("idle_in_transaction_session_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_isolation", "read committed", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_deferrable", "off", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("row_security", "on", PGC_SUSET, PGC_S_OVERRIDE);
	rama_notifier_settings();
	pgstat_report_appname("pg_rama");
	watches = MemoryContextAllocZero(TopMemoryContext, sizeof(Watch *) * rama_max_watches);
	seen = MemoryContextAllocZero(TopMemoryContext, sizeof(uint64) * rama_max_watches);
	watch_index = rama_watch_index_create(TopMemoryContext);
	round_context = AllocSetContextCreate(TopMemoryContext, "pg_rama notifier round",
										  ALLOCSET_DEFAULT_SIZES);
}

/*
 * rama_notifiers_end() -- End the notifier of a database, which is held.
 * Returns how many processes there are.
 */
int
rama_notifiers_end(Oid database)
{
	RamaNotifier *notifier;
	int			n = 0;

	LWLockAcquire(rama_subscriptions->lock, LW_SHARED);
	notifier = rama_notifier_slot(database, false);
	if (notifier && (notifier->pid != 0 || notifier->starting))
	{
		n = 1;
		if (notifier->pid != 0)
			kill(notifier->pid, SIGTERM);
	}
	LWLockRelease(rama_subscriptions->lock);
	return n;
}

/* rama_notifier_forget() -- The database has been dropped. */
void
rama_notifier_forget(Oid database)
{
	RamaNotifier *notifier;

	LWLockAcquire(rama_subscriptions->lock, LW_EXCLUSIVE);
	notifier = rama_notifier_slot(database, false);
	if (notifier)
		notifier->database = InvalidOid;
	LWLockRelease(rama_subscriptions->lock);
}

/* ---- which watches there are ---- */

static WatchedPState *
get_pstate(Oid relid)
{
	MemoryContext old;
	WatchedPState *pstate;
	ListCell   *lc;

	foreach(lc, pstates)
	{
		pstate = lfirst(lc);
		if (pstate->relid == relid)
			return pstate;
	}
	old = MemoryContextSwitchTo(TopMemoryContext);
	pstate = palloc0(sizeof(WatchedPState));
	pstate->relid = relid;
	pstate->start = PG_INT64_MAX;
	pstates = lappend(pstates, pstate);
	MemoryContextSwitchTo(old);
	return pstate;
}

static void
remove_watch(int number)
{
	Watch	   *watch = watches[number];

	if (watch == NULL)
		return;
	watches[number] = NULL;
	rama_watch_index_remove(watch_index, &watch->item);
	watch->pstate->nwatches--;
	nwatches--;
	MemoryContextDelete(watch->context);
}

/*
 * A cursor starts where the first of the PState's watches is; a watch that
 * comes later starts where the cursor is, and "from" tells it so.
 */
static void
add_watch(int number, RamaSubscription *slot)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "pg_rama watch",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Watch	   *watch = palloc0(sizeof(Watch));
	WatchedPState *pstate = get_pstate(slot->pstate);

	watch->context = context;
	watch->slot = number;
	watch->role = slot->role;
	watch->local = slot->local;
	watch->path = rama_subscription_path(slot);
	strlcpy(watch->channel, slot->channel, sizeof(watch->channel));
	watch->told = (int64) pg_atomic_read_u64(&slot->told);
	if (pstate->cursor)
		watch->told = Max(watch->told, rama_cursor_version(pstate->cursor));
	else
		pstate->start = Min(pstate->start, watch->told);
	watch->pstate = pstate;
	pstate->nwatches++;
	rama_watch_index_add(watch_index, &watch->item, slot->pstate,
						 watch->path->keys, watch->path->nkeys);
	watches[number] = watch;
	nwatches++;
	MemoryContextSwitchTo(old);
}

/* PStates without watches go; the others are listened to. */
static void
settle_pstates(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	ListCell   *lc;
	Oid		   *relids = palloc(sizeof(Oid) * (list_length(pstates) + 1));
	int			n = 0;

	foreach(lc, pstates)
	{
		WatchedPState *pstate = lfirst(lc);

		if (pstate->nwatches > 0)
		{
			relids[n++] = pstate->relid;
			continue;
		}
		if (pstate->cursor)
			rama_cursor_close(pstate->cursor);
		pstates = foreach_delete_current(pstates, lc);
		pfree(pstate);
	}
	rama_listen(relids, n);
	pfree(relids);
	foreach(lc, pstates)
	{
		WatchedPState *pstate = lfirst(lc);

		if (pstate->cursor == NULL)
			pstate->cursor = rama_cursor_open(pstate->relid, pstate->start);
	}
	MemoryContextSwitchTo(old);
}

/* What has come and gone since we looked last. */
static void
sync_watches(void)
{
	uint64		generation = pg_atomic_read_u64(&rama_subscriptions->generation);

	if (generation == seen_all)
		return;
	LWLockAcquire(rama_subscriptions->lock, LW_SHARED);
	for (int i = 0; i < rama_subscriptions->used; i++)
	{
		RamaSubscription *slot = &rama_subscriptions->slots[i];

		if (seen[i] == slot->generation)
			continue;
		remove_watch(i);
		if (slot->inuse && slot->database == MyDatabaseId)
			add_watch(i, slot);
		seen[i] = slot->generation;
	}
	LWLockRelease(rama_subscriptions->lock);
	seen_all = generation;
	settle_pstates();
}

/* ---- what concerns whom ---- */

static bool
is_builtin(const RamaNode *node)
{
	if (node->kind == RAMA_SCALAR)
		return node->type.oid < FirstNormalObjectId;
	if (node->kind != RAMA_STRUCT && node->key.oid >= FirstNormalObjectId)
		return false;
	for (int i = 0; i < node->nchildren; i++)
		if (!is_builtin(node->children[i]))
			return false;
	return true;
}

static void
concern(Watch *watch, bool fetch)
{
	RamaWatchPath *path = watch->path;

	if (watch->filter)
	{
		watch->fetch |= fetch;
		return;
	}
	watch->fetch = fetch;
	if (!fetch && path->class == RAMA_WATCH_ENTRIES)
	{
		if (all_builtin)
			path = rama_watch_path(bound, path->path);
		else
			watch->fetch = true;
	}
	watch->filter = palloc(sizeof(RamaFilter));
	rama_filter_begin(watch->filter, path);
	hits = lappend(hits, watch);
}

static void
hit(RamaWatchItem *item, void *arg)
{
	Watch	   *watch = (Watch *) item;

	if (current->version <= watch->told)
		return;
	concern(watch, watch->stale || watch->local);
	if (!watch->fetch)
		rama_filter_op(watch->filter, current->version, current_op);
}

static void
hit_for_fetch(RamaWatchItem *item, void *arg)
{
	concern((Watch *) item, true);
}

/* Read what has been published; false if it is lost. */
static bool
read_versions(WatchedPState *pstate)
{
	for (int i = 0; i < ROUND_VERSIONS; i++)
	{
		RamaChange	change;
		RamaCursorState state = rama_cursor_next(pstate->cursor, bound, PG_INT64_MAX,
												 &change);

		if (state == RAMA_CURSOR_END)
			return true;
		if (state != RAMA_CURSOR_CHANGE)
			return false;
		current = &change;
		for (int op = 0; op < change.nops; op++)
		{
			current_op = &change.ops[op];
			rama_watch_index_find(watch_index, pstate->relid, current_op, hit, NULL);
		}
		current = NULL;
	}
	return true;
}

/* ---- rights ---- */

static bool
may_read(const RamaPState *pstate, Oid role)
{
	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role)) ||
		pg_class_aclcheck(pstate->relid, role, ACL_SELECT) != ACLCHECK_OK)
		return false;
	for (int i = 0; i < pstate->ntables; i++)
		if (check_enable_rls(pstate->tables[i]->relid, role, true) == RLS_ENABLED)
			return false;
	return true;
}

/* ---- messages ---- */

static void
append_changes(StringInfo payload, List *rows)
{
	ListCell   *lc;

	appendStringInfoString(payload, "\"changes\": [");
	foreach(lc, rows)
	{
		if (foreach_current_index(lc) > 0)
			appendStringInfoString(payload, ", ");
		rama_append_row(payload, lfirst(lc), RAMA_TAIL_JSON, NULL);
		if (payload->len >= MAX_PAYLOAD)
			return;
	}
	appendStringInfoString(payload, "]}");
}

/* Tell a watch of its rows, up to a version; false if there are none. */
static bool
tell(Watch *watch, int64 version)
{
	StringInfoData payload;
	bool		fetch = watch->fetch || rama_filter_needs_reading(watch->filter);
	int			start;

	if (!fetch && watch->filter->rows == NIL)
		return false;
	initStringInfo(&payload);
	appendStringInfo(&payload, "{\"from\": " INT64_FORMAT ", \"version\": " INT64_FORMAT ", ",
					 watch->told, version);
	start = payload.len;
	if (!fetch)
		append_changes(&payload, watch->filter->rows);
	if (fetch || payload.len >= MAX_PAYLOAD)
	{
		payload.len = start;
		payload.data[start] = '\0';
		appendStringInfoString(&payload, "\"fetch\": true}");
	}
	Async_Notify(watch->channel, payload.data);
	return true;
}

/*
 * Tell everybody who is concerned, and leave only those in the list. Who may
 * not read is told nothing, and is to fetch when he may.
 */
static void
tell_all(int64 version)
{
	ListCell   *lc;

	foreach(lc, hits)
	{
		Watch	   *watch = lfirst(lc);
		bool		may = bound == NULL || may_read(bound, watch->role);

		if (may && tell(watch, version))
			continue;
		watch->stale |= !may;
		watch->filter = NULL;
		hits = foreach_delete_current(hits, lc);
	}
}

/* The messages have been sent. */
static void
note_told(int64 version)
{
	ListCell   *lc;

	foreach(lc, hits)
	{
		Watch	   *watch = lfirst(lc);

		watch->filter = NULL;
		watch->stale = false;
		watch->told = version;
		pg_atomic_write_u64(&rama_subscriptions->slots[watch->slot].told, (uint64) version);
	}
	hits = NIL;
}

/* ---- a round ---- */

static int64
newest_version(WatchedPState *pstate)
{
	int64		version;

	PushActiveSnapshot(GetTransactionSnapshot());
	version = rama_version_of(pstate->relid, GetActiveSnapshot());
	PopActiveSnapshot();
	return version;
}

/* In a transaction: bind, read, tell. False if somebody has locked the PState. */
static bool
tell_pstate(WatchedPState *pstate)
{
	if (!ConditionalLockRelationOid(pstate->relid, AccessShareLock))
		return false;
	pstate->gone = !rama_watch_exists(pstate->relid);
	bound = pstate->gone ? NULL : rama_pstate_get(pstate->relid);
	all_builtin = bound && is_builtin(bound->root);
	if (pstate->gone || !read_versions(pstate) || pstate->failed)
	{
		rama_watch_index_all(watch_index, pstate->relid, hit_for_fetch, NULL);
		if (bound)
			rama_cursor_seek(pstate->cursor, newest_version(pstate));
	}
	tell_all(rama_cursor_version(pstate->cursor));
	if (hits != NIL)
		rama_cursor_flush(pstate->cursor);
	return true;
}

/* After an error: everybody will have to fetch. */
static void
give_up(WatchedPState *pstate)
{
	for (int i = 0; i < rama_max_watches; i++)
		if (watches[i])
			watches[i]->filter = NULL;
	hits = NIL;
	pstate->failed = true;
	pstate->retry_at = rama_ticks_after(rama_ticks(), RAMA_RETRY_MS);
	seen_all = 0;				/* listen again */
}

/*
 * Tell the watches of a PState what is new. Errors are logged without their
 * message, which may have values in it.
 */
static void
notify(WatchedPState *pstate)
{
	PG_TRY();
	{
		bool		done;

		pgstat_report_activity(STATE_RUNNING, "notifying watches");
		rama_start_transaction();
		MemoryContextSwitchTo(round_context);
		done = tell_pstate(pstate);
		CommitTransactionCommand();
		if (done)
		{
			note_told(rama_cursor_version(pstate->cursor));
			pstate->failed = false;
		}
		else
			pstate->retry_at = rama_ticks_after(rama_ticks(), RAMA_WATCH_BUSY_MS);
	}
	PG_CATCH();
	{
		int			code = geterrcode();

		HOLD_INTERRUPTS();
		AbortCurrentTransaction();
		FlushErrorState();
		give_up(pstate);
		RESUME_INTERRUPTS();
		ereport(LOG,
				(errmsg("watches of PState %u could not be notified (SQLSTATE %s)",
						pstate->relid, unpack_sql_state(code)),
				 errdetail("They are told to fetch the changes in a second.")));
	}
	PG_END_TRY();
	MemoryContextSwitchTo(TopMemoryContext);
	MemoryContextReset(round_context);
	pgstat_report_activity(STATE_IDLE, NULL);
}

/*
 * Which PStates have been dropped? Their watches have to be told. *next is
 * when to look again.
 */
static void
find_dropped(RamaTicks *next)
{
	bool		busy = false;
	ListCell   *lc;

	rama_start_transaction();
	foreach(lc, pstates)
	{
		WatchedPState *pstate = lfirst(lc);

		if (!pstate->gone && rama_watch_is_dropped(pstate->relid, &busy))
			pstate->failed = true;
	}
	CommitTransactionCommand();
	if (busy)
		*next = Min(*next, rama_ticks_after(rama_ticks(), RAMA_WATCH_BUSY_MS));
}

/*
 * Whoever commits meanwhile need not set a latch that nobody waits for, and
 * their changes are told together.
 */
static void
rest_of_round(RamaTicks begun)
{
	long		rest = rama_ms_until(rama_ticks_after(begun, ROUND_MS));

	if (rest > 0)
		(void) WaitLatch(NULL, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, rest, PG_WAIT_EXTENSION);
}

/* True if there was anything to do; *next says when there will be. */
static bool
notify_all(RamaTicks *next)
{
	RamaTicks	begun = rama_ticks();
	bool		any = false;
	ListCell   *lc;

	foreach(lc, pstates)
	{
		WatchedPState *pstate = lfirst(lc);

		if (pstate->gone || (!pstate->failed && !rama_cursor_ready(pstate->cursor)))
			continue;
		if (pstate->retry_at > rama_ticks())
		{
			*next = Min(*next, pstate->retry_at);
			continue;
		}
		notify(pstate);
		any = true;
	}
	if (any)
		rest_of_round(begun);
	return any;
}

/*
 * rama_notifier_main() -- A notifier's main function; arg is its slot.
 */
void
rama_notifier_main(Datum arg)
{
	attach(arg);
	for (;;)
	{
		RamaTicks	next = RAMA_NEVER;

		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		sync_watches();
		if (rama_enabled && notify_all(&next))
			continue;
		if (nwatches > 0)
		{
			find_dropped(&next);
			if (rama_enabled && notify_all(&next))
				continue;
			(void) rama_listen_wait(next == RAMA_NEVER ? -1 : Max(1, rama_ms_until(next)));
		}
		else if (!rama_listen_wait(IDLE_MS))
			proc_exit(0);
	}
}
