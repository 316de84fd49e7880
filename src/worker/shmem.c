/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  Shared memory of the launcher and the workers.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

/* A database that no scout can read is tried again every minute in the end. */
#define MAX_FAILURES 6

RamaShared *rama_shared = NULL;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static void
shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(sizeof(RamaShared));
	RequestNamedLWLockTranche("pg_rama", 1);
}

static void
initialize(RamaShared *shared)
{
	memset(shared, 0, sizeof(*shared));
	shared->lock = &GetNamedLWLockTranche("pg_rama")->lock;
	ConditionVariableInit(&shared->changed);
	pg_atomic_init_u32(&shared->slots_used, 0);
	pg_atomic_init_u32(&shared->groups_used, 0);
	pg_atomic_init_u32(&shared->places_wanted, 0);
	pg_atomic_init_u64(&shared->hurry, 0);
	for (int i = 0; i < RAMA_MAX_GROUPS; i++)
	{
		pg_atomic_init_u64(&shared->groups[i].depots, 0);
		pg_atomic_init_u32(&shared->groups[i].wanted, 0);
	}
	for (int i = 0; i < RAMA_MAX_SLOTS; i++)
	{
		pg_atomic_init_u64(&shared->slots[i].depots, 0);
		pg_atomic_init_u64(&shared->slots[i].wanted, 0);
		pg_atomic_init_u64(&shared->slots[i].homes, 0);
		pg_atomic_init_u32(&shared->slots[i].reload, 0);
	}
}

static void
shmem_startup(void)
{
	bool		found;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	rama_shared = ShmemInitStruct("pg_rama", sizeof(RamaShared), &found);
	if (!found)
		initialize(rama_shared);
	LWLockRelease(AddinShmemInitLock);
}

/*
 * rama_shmem_init() -- Ask for shared memory. Called by _PG_init when
 * preloaded.
 */
void
rama_shmem_init(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = shmem_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
}

/*
 * rama_database_slot() -- The entry of a database, made if asked for, or NULL
 * (none, or no room). The caller holds the lock, exclusively to create.
 */
RamaDatabase *
rama_database_slot(Oid database, bool create)
{
	RamaDatabase *unused = NULL;

	for (int i = 0; i < RAMA_MAX_DATABASES; i++)
	{
		RamaDatabase *entry = &rama_shared->databases[i];

		if (entry->oid == database)
			return entry;
		if (unused == NULL && !OidIsValid(entry->oid))
			unused = entry;
	}
	if (!create || unused == NULL)
		return NULL;
	memset(unused, 0, sizeof(*unused));
	unused->oid = database;
	return unused;
}

/*
 * rama_group_slot() -- The entry of a group, or NULL. The caller holds the
 * lock.
 */
RamaGroup *
rama_group_slot(Oid database, Oid owner, RamaTopologyKind kind)
{
	for (int i = 0; i < RAMA_MAX_GROUPS; i++)
	{
		RamaGroup  *group = &rama_shared->groups[i];

		if (group->database == database && group->owner == owner && group->kind == kind)
			return group;
	}
	return NULL;
}

/*
 * rama_slot_failed() -- The process of a slot could not start, or has failed:
 * another one is to be sent, but not at once. The caller holds the lock.
 */
void
rama_slot_failed(const RamaSlot *slot)
{
	RamaTicks	now = rama_ticks();

	if (OidIsValid(slot->owner))
	{
		RamaGroup  *group = rama_group_slot(slot->database, slot->owner, slot->kind);

		if (group)
			group->retry_at = rama_ticks_after(now, RAMA_RETRY_MS);
	}
	else
	{
		RamaDatabase *entry = rama_database_slot(slot->database, false);

		if (entry)
		{
			entry->dirty = true;
			entry->retry_at = rama_ticks_after(now, RAMA_RETRY_MS << entry->failures);
			entry->failures = Min(entry->failures + 1, MAX_FAILURES);
		}
	}
}

/* The entry of a group, made if it is not there; NULL if there is no room. */
static RamaGroup *
make_group(Oid database, Oid owner, RamaTopologyKind kind)
{
	RamaGroup  *group = rama_group_slot(database, owner, kind);
	RamaGroup  *unused = NULL;

	if (group)
	{
		/* What its worker did not find may be there by now. */
		if (group->no_duties)
		{
			group->no_duties = false;
			group->retry_at = 0;
			pg_atomic_write_u32(&group->wanted, 1);
		}
		return group;
	}
	for (int i = 0; unused == NULL && i < RAMA_MAX_GROUPS; i++)
		if (!OidIsValid(rama_shared->groups[i].database))
			unused = &rama_shared->groups[i];
	if (unused)
	{
		uint32		used = unused - rama_shared->groups + 1;

		if (used > pg_atomic_read_u32(&rama_shared->groups_used))
			pg_atomic_write_u32(&rama_shared->groups_used, used);
		unused->database = database;
		unused->owner = owner;
		unused->kind = kind;
		unused->ntopologies = 0;
		unused->due_at = RAMA_NEVER;
		unused->left_at = 0;
		unused->retry_at = 0;
		unused->no_duties = false;
		pg_atomic_write_u64(&unused->depots, 0);
		pg_atomic_write_u32(&unused->wanted, 1);
	}
	return unused;
}

/*
 * rama_groups_publish() -- Replace a database's groups by those of the given
 * RamaTopology's (NIL: none).
 */
void
rama_groups_publish(Oid database, List *topologies)
{
	RamaDatabase *entry;
	ListCell   *lc;

	LWLockAcquire(rama_shared->lock, LW_EXCLUSIVE);
	entry = rama_database_slot(database, false);
	if (entry)
		entry->failures = 0;
	for (int i = 0; i < RAMA_MAX_GROUPS; i++)
		if (rama_shared->groups[i].database == database)
			rama_shared->groups[i].ntopologies = 0;
	foreach(lc, topologies)
	{
		RamaTopology *topology = lfirst(lc);
		RamaGroup  *group;

		if (topology->paused || topology->nsources == 0)
			continue;
		group = make_group(database, topology->owner, topology->kind);
		if (group == NULL)
		{
			ereport(WARNING,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("too many owners of topologies"),
					 errdetail("Topologies of at most %d owners and kinds run in one server.",
							   RAMA_MAX_GROUPS)));
			break;
		}
		group->ntopologies++;
		for (int i = 0; i < topology->nsources; i++)
			pg_atomic_fetch_or_u64(&group->depots, rama_depot_bit(topology->sources[i].depot));
	}
	for (int i = 0; i < RAMA_MAX_GROUPS; i++)
		if (rama_shared->groups[i].database == database &&
			rama_shared->groups[i].ntopologies == 0)
			rama_shared->groups[i].database = InvalidOid;
	LWLockRelease(rama_shared->lock);
	rama_wake_launcher();
}

/*
 * rama_database_held() -- Is DDL going on that wants no worker in the
 * database?
 */
bool
rama_database_held(Oid database)
{
	RamaDatabase *entry;
	bool		held;

	LWLockAcquire(rama_shared->lock, LW_SHARED);
	entry = rama_database_slot(database, false);
	held = entry != NULL && entry->holds > 0;
	LWLockRelease(rama_shared->lock);
	return held;
}
