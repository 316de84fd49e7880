/*-------------------------------------------------------------------------
 *
 * cache.c
 *	  Bound paths, kept per session.
 *
 * A bound path lives in a context below that of its PState's binding, and
 * goes with it, at the end of the transaction in which that became stale. The
 * path that was used longest ago makes room: at once, or, while it is in use, at
 * the end of the transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "lib/ilist.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#define MAX_PATHS 256

typedef struct PathKey
{
	Oid			relid;
	uint64		hash;			/* of the path */
	bool		terminals;		/* it writes */
} PathKey;

typedef struct CachedPath
{
	PathKey		key;
	dlist_node	node;			/* in recent */
	Jsonb	   *json;			/* in the context, as is the path */
	RamaPath   *path;
	MemoryContext context;
} CachedPath;

/* What a context knows of itself when it goes. */
typedef struct PathOwner
{
	MemoryContextCallback callback;
	PathKey		key;
	MemoryContext context;
} PathOwner;

/* Lives as long as the session. */
static HTAB *paths = NULL;

/* Its entries, the one used last first */
static dlist_head recent = DLIST_STATIC_INIT(recent);

/* Contexts that are no longer in paths, freed at the end of the transaction. */
static List *retired = NIL;

static PathKey
key_of(RamaPState *pstate, Jsonb *json, bool terminals)
{
	PathKey		key;

	memset(&key, 0, sizeof(key));
	key.relid = pstate->relid;
	key.terminals = terminals;
	key.hash = hash_bytes_extended((unsigned char *) VARDATA(json),
								   VARSIZE(json) - VARHDRSZ, 0);
	return key;
}

static void
remove_entry(CachedPath *cached)
{
	dlist_delete(&cached->node);
	hash_search(paths, &cached->key, HASH_REMOVE, NULL);
}

static void
forget(void *arg)
{
	PathOwner  *owner = arg;
	CachedPath *cached = hash_search(paths, &owner->key, HASH_FIND, NULL);

	if (cached && cached->context == owner->context)
		remove_entry(cached);
	retired = list_delete_ptr(retired, owner->context);
}

static void
free_retired(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE)
		return;
	while (retired != NIL)
		MemoryContextDelete(linitial(retired));
}

static void
init_paths(void)
{
	HASHCTL		ctl = {.keysize = sizeof(PathKey), .entrysize = sizeof(CachedPath)};

	paths = hash_create("pg_rama paths", MAX_PATHS, &ctl, HASH_ELEM | HASH_BLOBS);
	RegisterXactCallback(free_retired, NULL);
}

static void
retire(CachedPath *cached)
{
	MemoryContext context = cached->context;
	MemoryContext old;

	if (cached->path->users == 0)
	{
		MemoryContextDelete(context);	/* forgets it, too */
		return;
	}
	old = MemoryContextSwitchTo(CacheMemoryContext);
	retired = lappend(retired, context);
	MemoryContextSwitchTo(old);
	remove_entry(cached);
}

static void
keep_path(const PathKey *key, Jsonb *json, RamaPath *path, MemoryContext context,
		  RamaPState *pstate)
{
	PathOwner  *owner = MemoryContextAllocZero(context, sizeof(PathOwner));
	CachedPath *cached;

	if (hash_get_num_entries(paths) >= MAX_PATHS)
		retire(dlist_tail_element(CachedPath, node, &recent));
	cached = hash_search(paths, key, HASH_ENTER, NULL);
	dlist_push_head(&recent, &cached->node);
	cached->json = json;
	cached->path = path;
	cached->context = context;
	owner->key = *key;
	owner->context = context;
	owner->callback.func = forget;
	owner->callback.arg = owner;
	MemoryContextRegisterResetCallback(context, &owner->callback);
	MemoryContextSetParent(context, pstate->context);
}

static RamaPath *
get_path(RamaPState *pstate, Jsonb *json, bool terminals)
{
	PathKey		key;
	CachedPath *cached;
	MemoryContext context;
	MemoryContext old;
	RamaPath   *path;

	if (paths == NULL)
		init_paths();
	key = key_of(pstate, json, terminals);
	cached = hash_search(paths, &key, HASH_FIND, NULL);
	if (cached && cached->path->pstate == pstate &&
		VARSIZE(cached->json) == VARSIZE(json) &&
		memcmp(cached->json, json, VARSIZE(json)) == 0 &&
		rama_path_is_current(cached->path))
	{
		dlist_move_head(&recent, &cached->node);
		return cached->path;
	}

	context = AllocSetContextCreate(CurrentMemoryContext, "pg_rama path",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	json = (Jsonb *) DatumGetPointer(datumCopy(JsonbPGetDatum(json), false, -1));
	path = rama_path_bind(pstate, &json->root, terminals);
	MemoryContextSwitchTo(old);

	/* A path that is not stable is used once, and goes with the caller's context. */
	if (path->stable)
	{
		/* Conversions may have run any code meanwhile. */
		cached = hash_search(paths, &key, HASH_FIND, NULL);
		if (cached)
			retire(cached);
		keep_path(&key, json, path, context, pstate);
	}
	return path;
}

/*
 * rama_path_get() -- The path bound to the PState's schema.
 *
 * Good until the next call, or, if an evaluation of it is begun before that,
 * until that ends; no longer than the current memory context, and the
 * transaction.
 *
 * Errors are those of parsing and binding.
 */
RamaPath *
rama_path_get(RamaPState *pstate, Jsonb *json)
{
	return get_path(pstate, json, false);
}

/* rama_path_get_transform() -- The same of a path that ends in terminals. */
RamaPath *
rama_path_get_transform(RamaPState *pstate, Jsonb *json)
{
	return get_path(pstate, json, true);
}
