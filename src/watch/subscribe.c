/*-------------------------------------------------------------------------
 *
 * subscribe.c
 *	  rama.watch(), rama.unwatch(), rama.watchers.
 *
 * A watch is a slot in shared memory, from rama.watch() to the end of the
 * session, or of the transaction if that is rolled back. The channel's name
 * is all that one needs to listen to it, so nobody gets to see it but who
 * made the watch.
 *
 *-------------------------------------------------------------------------
 */
#include "watch/subscribe.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "worker/worker.h"

/* In shared memory from the start; more comes as dynamic shared memory. */
#define PATHS_SIZE (256 * 1024)

/* So much of it may a watch have: anybody who may SELECT can make watches. */
#define MAX_STORED_PATH 8192

int			rama_max_watches = 10000;
RamaSubscriptions *rama_subscriptions = NULL;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

/* What a path is in shared memory: followed by kinds, path and keys. */
typedef struct StoredPath
{
	Size		size;
	RamaWatchClass class;
	bool		many;
	int			nkeys;
	Size		path;			/* offsets */
	Size		keys;
} StoredPath;

/* A watch of this session. */
typedef struct OwnWatch
{
	int			slot;			/* -1: it has none yet */
	int			nestlevel;		/* of the transaction that made it; 0: committed */
} OwnWatch;

static dsa_area *paths = NULL;
static List *own = NIL;			/* in TopMemoryContext */

PG_FUNCTION_INFO_V1(rama_watch);
PG_FUNCTION_INFO_V1(rama_unwatch);
PG_FUNCTION_INFO_V1(rama_watcher_list);

/* ---- shared memory ---- */

static Size
subscriptions_size(void)
{
	return MAXALIGN(offsetof(RamaSubscriptions, slots) +
					sizeof(RamaSubscription) * rama_max_watches);
}

static void
shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(subscriptions_size() + PATHS_SIZE);
	RequestNamedLWLockTranche("pg_rama watches", 1);
}

static void
initialize(RamaSubscriptions *shared)
{
	dsa_area   *area;

	memset(shared, 0, subscriptions_size());
	shared->lock = &GetNamedLWLockTranche("pg_rama watches")->lock;
	pg_atomic_init_u64(&shared->generation, 0);
	for (int i = 0; i < rama_max_watches; i++)
		pg_atomic_init_u64(&shared->slots[i].told, 0);
	shared->paths = (char *) shared + subscriptions_size();
	area = dsa_create_in_place(shared->paths, PATHS_SIZE, shared->lock->tranche, NULL);
	dsa_pin(area);
	dsa_detach(area);
}

static void
shmem_startup(void)
{
	bool		found;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	rama_subscriptions = ShmemInitStruct("pg_rama watches", subscriptions_size() + PATHS_SIZE,
										 &found);
	if (!found)
		initialize(rama_subscriptions);
	LWLockRelease(AddinShmemInitLock);
}

/*
 * rama_subscribe_init() -- Ask for shared memory. Called by _PG_init when
 * preloaded.
 */
void
rama_subscribe_init(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = shmem_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
}

static dsa_area *
paths_area(void)
{
	if (paths == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		paths = dsa_attach_in_place(rama_subscriptions->paths, NULL);
		dsa_pin_mapping(paths);
		MemoryContextSwitchTo(old);
	}
	return paths;
}

/* ---- paths in shared memory ---- */

static dsa_pointer
store_path(const RamaWatchPath *watch)
{
	JsonbValue	array = {.type = jbvArray};
	StoredPath	stored = {.class = watch->class,.many = watch->many,.nkeys = watch->nkeys};
	Jsonb	   *keys;
	dsa_pointer result;
	char	   *bytes;

	array.val.array.nElems = watch->nkeys;
	array.val.array.elems = watch->keys;
	keys = rama_json_to_jsonb(&array);
	stored.path = MAXALIGN(sizeof(StoredPath)) + MAXALIGN(sizeof(RamaSchemaKind) * watch->nkeys);
	stored.keys = stored.path + MAXALIGN(VARSIZE(watch->path));
	stored.size = stored.keys + MAXALIGN(VARSIZE(keys));
	if (stored.size > MAX_STORED_PATH)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the path is too long to be watched"),
				 errdetail("It takes %zu bytes, and can take %d.", stored.size, MAX_STORED_PATH),
				 errhint("rama.tail() and rama.changes() have no such limit.")));
	result = dsa_allocate(paths_area(), stored.size);
	bytes = dsa_get_address(paths_area(), result);
	memcpy(bytes, &stored, sizeof(stored));
	memcpy(bytes + MAXALIGN(sizeof(StoredPath)), watch->kinds,
		   sizeof(RamaSchemaKind) * watch->nkeys);
	memcpy(bytes + stored.path, watch->path, VARSIZE(watch->path));
	memcpy(bytes + stored.keys, keys, VARSIZE(keys));
	return result;
}

/*
 * rama_subscription_path() -- The path of a watch, unbound, in the current
 * memory context. The caller holds the lock, and the slot is in use.
 */
RamaWatchPath *
rama_subscription_path(const RamaSubscription *slot)
{
	const char *shared = dsa_get_address(paths_area(), slot->path);
	StoredPath	stored;
	char	   *bytes;
	RamaWatchPath watch = {.pstate = slot->pstate};
	JsonbContainer *keys;

	memcpy(&stored, shared, sizeof(stored));
	bytes = palloc(stored.size);
	memcpy(bytes, shared, stored.size);
	watch.class = stored.class;
	watch.many = stored.many;
	watch.nkeys = stored.nkeys;
	watch.kinds = (RamaSchemaKind *) (bytes + MAXALIGN(sizeof(StoredPath)));
	watch.path = (Jsonb *) (bytes + stored.path);
	keys = &((Jsonb *) (bytes + stored.keys))->root;
	watch.keys = palloc(sizeof(JsonbValue) * (stored.nkeys + 1));
	for (int i = 0; i < stored.nkeys; i++)
		watch.keys[i] = *getIthJsonbValueFromContainer(keys, i);
	return rama_watch_path_copy(&watch);
}

/* ---- notifiers ---- */

/*
 * rama_notifier_slot() -- The notifier of a database, made if asked for; NULL
 * if there is none, or no room. The caller holds the lock.
 */
RamaNotifier *
rama_notifier_slot(Oid database, bool create)
{
	RamaNotifier *unused = NULL;

	for (int i = 0; i < RAMA_MAX_NOTIFIERS; i++)
	{
		RamaNotifier *notifier = &rama_subscriptions->notifiers[i];

		if (notifier->database == database)
			return notifier;
		if (!OidIsValid(notifier->database) && unused == NULL)
			unused = notifier;
	}
	if (!create || unused == NULL)
		return NULL;
	memset(unused, 0, sizeof(RamaNotifier));
	unused->database = database;
	return unused;
}

/*
 * So many watches more of this database. The caller holds the lock. False:
 * too many databases have some.
 */
static bool
count_watch(int by)
{
	RamaNotifier *notifier = rama_notifier_slot(MyDatabaseId, by > 0);

	if (notifier == NULL)
		return false;
	notifier->nwatches += by;
	return true;
}

/*
 * A slot has changed: the notifier is to look, or to be started. The caller
 * holds the lock.
 */
static void
publish_slot(RamaSubscription *slot)
{
	RamaNotifier *notifier = rama_notifier_slot(MyDatabaseId, false);

	slot->generation = pg_atomic_add_fetch_u64(&rama_subscriptions->generation, 1);
	if (notifier == NULL)
		return;
	if (notifier->latch)
		SetLatch(notifier->latch);
	else if (slot->inuse)
		rama_wake_launcher();
}

/* ---- slots ---- */

static void
free_slot(int number)
{
	RamaSubscription *slot;
	dsa_pointer path;

	if (number < 0)
		return;
	LWLockAcquire(rama_subscriptions->lock, LW_EXCLUSIVE);
	slot = &rama_subscriptions->slots[number];
	path = slot->path;
	slot->inuse = false;
	slot->path = InvalidDsaPointer;
	memset(slot->channel, 0, sizeof(slot->channel));
	(void) count_watch(-1);
	publish_slot(slot);
	LWLockRelease(rama_subscriptions->lock);
	if (DsaPointerIsValid(path))
		dsa_free(paths_area(), path);
}

/* rama_unwatch_all() -- End the session's watches. */
void
rama_unwatch_all(void)
{
	ListCell   *lc;

	foreach(lc, own)
		free_slot(((OwnWatch *) lfirst(lc))->slot);
	list_free_deep(own);
	own = NIL;
}

static void
free_own(int code, Datum arg)
{
	rama_unwatch_all();
}

static void
drop_made_at(int nestlevel)
{
	ListCell   *lc;

	foreach(lc, own)
	{
		OwnWatch   *watch = lfirst(lc);

		if (watch->nestlevel < nestlevel || watch->nestlevel == 0)
			continue;
		free_slot(watch->slot);
		own = foreach_delete_current(own, lc);
		pfree(watch);
	}
}

static void
keep_made(int from, int to)
{
	ListCell   *lc;

	foreach(lc, own)
	{
		OwnWatch   *watch = lfirst(lc);

		if (watch->nestlevel >= from)
			watch->nestlevel = to;
	}
}

static void
on_xact(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT)
		drop_made_at(1);
	else if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
		keep_made(1, 0);
}

static void
on_subxact(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	int			nestlevel = GetCurrentTransactionNestLevel();

	if (event == SUBXACT_EVENT_ABORT_SUB)
		drop_made_at(nestlevel);
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		keep_made(nestlevel, nestlevel - 1);
}

static void
init_session(void)
{
	static bool done = false;

	if (done)
		return;
	before_shmem_exit(free_own, (Datum) 0);
	RegisterXactCallback(on_xact, NULL);
	RegisterSubXactCallback(on_subxact, NULL);
	done = true;
}

static void
random_hex(char *text, int nbytes)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[16];

	Assert(nbytes <= (int) sizeof(bytes));
	if (!pg_strong_random(bytes, nbytes))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	for (int i = 0; i < nbytes; i++)
	{
		*text++ = digits[bytes[i] >> 4];
		*text++ = digits[bytes[i] & 15];
	}
	*text = '\0';
}

/* A free slot, or -1. The caller holds the lock. */
static int
find_unused(void)
{
	static int	last = 0;

	for (int i = 0; i < rama_max_watches; i++)
	{
		int			number = (last + i) % rama_max_watches;

		if (!rama_subscriptions->slots[number].inuse)
		{
			last = number;
			return number;
		}
	}
	return -1;
}

static void
too_many_watches(int number)
{
	if (number < 0)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many watches"),
				 errdetail("There can be %d in the server.", rama_max_watches),
				 errhint("Increase pg_rama.max_watches, or end watches by rama.unwatch().")));
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("too many databases with watches"),
			 errdetail("Watches of at most %d databases are served.", RAMA_MAX_NOTIFIERS)));
}

static RamaSubscription *
take_slot(OwnWatch *mine, const RamaWatchPath *watch, bool local, int64 version)
{
	RamaSubscription *slot;
	char		id[RAMA_WATCH_ID_LEN + 1];
	char		channel[RAMA_CHANNEL_LEN + 1] = "rama_";
	dsa_pointer path;
	int			number;

	random_hex(id, RAMA_WATCH_ID_LEN / 2);
	random_hex(channel + strlen(channel), 16);
	/* From here on, whoever fails gives the path back. */
	path = store_path(watch);
	LWLockAcquire(rama_subscriptions->lock, LW_EXCLUSIVE);
	number = find_unused();
	if (number < 0 || !count_watch(+1))
	{
		LWLockRelease(rama_subscriptions->lock);
		dsa_free(paths_area(), path);
		too_many_watches(number);
	}
	slot = &rama_subscriptions->slots[number];
	slot->inuse = true;
	slot->local = local;
	slot->database = MyDatabaseId;
	slot->role = GetUserId();
	slot->pstate = watch->pstate;
	slot->pid = MyProcPid;
	slot->path = path;
	slot->version = version;
	pg_atomic_write_u64(&slot->told, version);
	slot->since = GetCurrentTimestamp();
	strlcpy(slot->id, id, sizeof(slot->id));
	strlcpy(slot->channel, channel, sizeof(slot->channel));
	rama_subscriptions->used = Max(rama_subscriptions->used, number + 1);
	publish_slot(slot);
	LWLockRelease(rama_subscriptions->lock);
	mine->slot = number;
	return slot;
}

static RamaSubscription *
subscribe(RamaWatchPath *watch, bool local, int64 version)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	OwnWatch   *mine = palloc(sizeof(OwnWatch));

	/* Listed before it has a slot: nothing can fail for want of memory then. */
	mine->slot = -1;
	mine->nestlevel = GetCurrentTransactionNestLevel();
	own = lappend(own, mine);
	MemoryContextSwitchTo(old);
	return take_slot(mine, watch, local, version);
}

/* ---- the functions ---- */

/*
 * rama.watch(pstate, path) -- Watch a path: its value now, with the version,
 * and a channel on which its changes are notified.
 *
 * Errors: those of rama.select; 0A000 for a path that cannot be watched, or
 * where the session is none that could listen; 55000 in a transaction that has
 * written to the PState; 25006 on a standby, 53400 too many watches, 54000 a path
 * that is too long.
 */
Datum
rama_watch(PG_FUNCTION_ARGS)
{
	RamaPState *pstate;
	RamaWatchPath *watch;
	RamaSubscription *slot;
	TupleDesc	desc;
	Datum		values[4];
	bool		nulls[4] = {false};
	int64		version;
	bool		local;
	Jsonb	   *value;

	rama_require_preload("rama.watch()");
	rama_require_primary("rama.watch()");
	if (MyBackendType != B_BACKEND)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("rama.watch() can only be called in a client's session")));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	pstate = rama_pstate_get(PG_GETARG_OID(0));
	rama_pstate_check_read(pstate);
	if (rama_version_is_changed(pstate))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot watch a PState that this transaction has written to"),
				 errdetail("The value would have what is not committed yet, and has no version."),
				 errhint("Commit first, then call rama.watch().")));
	watch = rama_watch_path(pstate, PG_GETARG_JSONB_P(1));
	version = rama_version_of(pstate->relid, GetActiveSnapshot());
	value = rama_watch_value(watch, GetActiveSnapshot());
	local = rama_watch_is_local(pstate);
	if (local)
		rama_watch_share_keys(watch);
	init_session();
	slot = subscribe(watch, local, version);

	values[0] = CStringGetTextDatum(slot->id);
	values[1] = CStringGetTextDatum(slot->channel);
	values[2] = Int64GetDatum(version);
	nulls[3] = value == NULL;
	values[3] = nulls[3] ? (Datum) 0 : JsonbPGetDatum(value);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * rama.unwatch(id) -- End a watch of this session. Error: 42704.
 */
Datum
rama_unwatch(PG_FUNCTION_ARGS)
{
	char	   *id = text_to_cstring(PG_GETARG_TEXT_PP(0));
	ListCell   *lc;

	foreach(lc, own)
	{
		OwnWatch   *watch = lfirst(lc);

		if (watch->slot < 0 || strcmp(rama_subscriptions->slots[watch->slot].id, id) != 0)
			continue;
		free_slot(watch->slot);
		own = foreach_delete_current(own, lc);
		pfree(watch);
		PG_RETURN_VOID();
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("there is no watch with this id"),
			 errhint("A session ends its own watches: the view rama.watchers lists them.")));
}

static void
put_watcher(ReturnSetInfo *rsinfo, const RamaSubscription *slot, bool isown, Jsonb *path)
{
	Datum		values[10];
	bool		nulls[10] = {false};

	values[0] = CStringGetTextDatum(slot->id);
	nulls[1] = !isown;
	values[1] = isown ? CStringGetTextDatum(slot->channel) : (Datum) 0;
	values[2] = Int32GetDatum(slot->pid);
	values[3] = ObjectIdGetDatum(slot->role);
	values[4] = ObjectIdGetDatum(slot->pstate);
	values[5] = JsonbPGetDatum(path);
	values[6] = Int64GetDatum(slot->version);
	values[7] = Int64GetDatum((int64) pg_atomic_read_u64(&unconstify(RamaSubscription *, slot)->told));
	values[8] = TimestampTzGetDatum(slot->since);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * rama.watcher_list() -- The watches of this database that the user may know
 * of: those of roles that he is, and all for pg_read_all_stats. The channel
 * is the session's own affair.
 */
Datum
rama_watcher_list(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		all = has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
	int			used;

	InitMaterializedSRF(fcinfo, 0);
	if (rama_subscriptions == NULL)
		return (Datum) 0;
	LWLockAcquire(rama_subscriptions->lock, LW_SHARED);
	used = rama_subscriptions->used;
	LWLockRelease(rama_subscriptions->lock);
	for (int i = 0; i < used; i++)
	{
		RamaSubscription slot;
		Jsonb	   *path = NULL;

		LWLockAcquire(rama_subscriptions->lock, LW_SHARED);
		slot = rama_subscriptions->slots[i];
		if (slot.inuse && slot.database == MyDatabaseId)
			path = rama_subscription_path(&slot)->path;
		LWLockRelease(rama_subscriptions->lock);
		if (path && (all || has_privs_of_role(GetUserId(), slot.role)))
			put_watcher(rsinfo, &slot, slot.pid == MyProcPid, path);
	}
	return (Datum) 0;
}
