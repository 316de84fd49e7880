/*-------------------------------------------------------------------------
 *
 * wake.c
 *	  How a commit wakes workers.
 *
 * A transaction notes which depots it appends to. After its commit has left
 * the ProcArray, so that any snapshot taken from then on sees it, it sets the
 * depots' bits in the slots of the workers that read them, and their latches.
 * No lock is taken: a slot that is being filled or emptied meanwhile gets a
 * latch too many, or its worker has yet to take its first snapshot.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker.h"

#include "access/xact.h"
#include "miscadmin.h"

/* What the current transaction's commit has to tell. */
static uint64 appended_depots = 0;
static bool catalog_changed = false;
static bool databases_changed = false;

static void
xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			if (appended_depots != 0 || catalog_changed)
				rama_wake_database(MyDatabaseId, appended_depots, catalog_changed);
			if (databases_changed)
				rama_scan_databases();
			/* FALLTHROUGH */
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			/* COMMIT PREPARED wakes everybody: see hold.c. */
			appended_depots = 0;
			catalog_changed = false;
			databases_changed = false;
			break;
		default:
			break;
	}
}

/*
 * rama_wake_init() -- Called once per process, when the library is loaded.
 */
void
rama_wake_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
}

/*
 * rama_wake_at_commit() -- When this transaction commits, wake the workers
 * whose topologies read the depot. Called at a transaction's first append to
 * each depot.
 */
void
rama_wake_at_commit(Oid depot)
{
	appended_depots |= rama_depot_bit(depot);
}

/*
 * rama_wake_catalog_at_commit() -- When this transaction commits, make all
 * workers of this database and the launcher read the catalog again.
 */
void
rama_wake_catalog_at_commit(void)
{
	catalog_changed = true;
}

/*
 * rama_wake_all_at_commit() -- When this transaction commits, make the
 * launcher look at all databases, and their workers at the catalog.
 */
void
rama_wake_all_at_commit(void)
{
	databases_changed = true;
}

/*
 * Ask the launcher to send a scout into a database.
 */
static void
mark_dirty(Oid database)
{
	RamaDatabase *entry;

	LWLockAcquire(rama_shared->lock, LW_EXCLUSIVE);
	entry = rama_database_slot(database, true);
	if (entry)
		entry->dirty = true;
	else
		rama_shared->rescan = true;
	LWLockRelease(rama_shared->lock);
	rama_wake_launcher();
}

/*
 * rama_scout_again() -- The database's catalog could not be read: send
 * another scout after a while.
 */
void
rama_scout_again(Oid database)
{
	RamaDatabase *entry;

	LWLockAcquire(rama_shared->lock, LW_EXCLUSIVE);
	entry = rama_database_slot(database, false);
	if (entry)
	{
		entry->dirty = true;
		entry->retry_at = rama_ticks_after(rama_ticks(), RAMA_RETRY_MS);
	}
	LWLockRelease(rama_shared->lock);
}

/*
 * rama_wake_database() -- Wake the workers of a database that read one of
 * the depots, and with "reload" make all of them read the catalog again.
 */
void
rama_wake_database(Oid database, uint64 depots, bool reload)
{
	uint32		used;

	if (rama_shared == NULL)
		return;

	/* The commit must be visible before the bits are. */
	pg_memory_barrier();
	used = pg_atomic_read_u32(&rama_shared->slots_used);
	for (uint32 i = 0; i < used; i++)
	{
		RamaSlot   *slot = &rama_shared->slots[i];

		if (slot->database != database)
			continue;
		if (reload)
			pg_atomic_write_u32(&slot->reload, 1);
		if ((pg_atomic_read_u64(&slot->depots) & depots) != 0)
			pg_atomic_fetch_or_u64(&slot->wanted, depots);
		else if (!reload)
			continue;
		if (slot->latch)
			SetLatch(slot->latch);
	}
	used = pg_atomic_read_u32(&rama_shared->groups_used);
	for (uint32 i = 0; i < used; i++)
	{
		RamaGroup  *group = &rama_shared->groups[i];

		if (group->database == database &&
			(pg_atomic_read_u64(&group->depots) & depots) != 0 &&
			pg_atomic_read_u32(&group->wanted) == 0)
		{
			pg_atomic_write_u32(&group->wanted, 1);
			rama_wake_launcher();
		}
	}
	if (reload)
		mark_dirty(database);
}

/*
 * rama_scan_databases() -- Ask the launcher to look at all databases.
 */
void
rama_scan_databases(void)
{
	if (rama_shared == NULL)
		return;
	LWLockAcquire(rama_shared->lock, LW_EXCLUSIVE);
	rama_shared->rescan = true;
	LWLockRelease(rama_shared->lock);
	rama_wake_launcher();
}

/*
 * rama_wake_launcher() -- Make the launcher look at what is to be done.
 */
void
rama_wake_launcher(void)
{
	Latch	   *latch = rama_shared->launcher;

	if (latch)
		SetLatch(latch);
}
