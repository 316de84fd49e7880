/*-------------------------------------------------------------------------
 *
 * home.c
 *	  Which worker of a group a topology is at home with.
 *
 * The workers of a group share its topologies. Rows and plans that a worker
 * has in memory are of use if the topology's next batch is run by the same
 * worker, so the others leave it to that one, unless it is busy with another
 * topology. All of this is a hint: who runs a batch holds the topology's lock.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "worker/worker.h"

/* A worker that is busy for longer than this gives its topologies away. */
#define BUSY_MS 1

/*
 * rama_home_run() -- This worker begins a batch of the topology; InvalidOid:
 * it has ended.
 */
void
rama_home_run(RamaSlot *slot, Oid topology)
{
	slot->running_since = rama_ticks();
	slot->running = topology;
}

/*
 * rama_home_claim() -- The topology is at home with this worker, whose batch
 * of it has committed.
 */
void
rama_home_claim(RamaSlot *mine, Oid topology)
{
	uint64		bit = rama_depot_bit(topology);
	uint32		used = pg_atomic_read_u32(&rama_shared->slots_used);

	if ((pg_atomic_read_u64(&mine->homes) & bit) != 0)
		return;
	for (uint32 i = 0; i < used; i++)
	{
		RamaSlot   *slot = &rama_shared->slots[i];

		if (slot != mine && slot->database == mine->database)
			pg_atomic_fetch_and_u64(&slot->homes, ~bit);
	}
	pg_atomic_fetch_or_u64(&mine->homes, bit);
}

/*
 * rama_home_elsewhere() -- Is the topology at home with another worker of the
 * group, which will see to it? If that one is busy with something else,
 * *recheck is when to ask again.
 */
bool
rama_home_elsewhere(const RamaSlot *mine, Oid topology, RamaTicks now,
					RamaTicks *recheck)
{
	uint64		bit = rama_depot_bit(topology);
	uint32		used = pg_atomic_read_u32(&rama_shared->slots_used);

	*recheck = 0;
	for (uint32 i = 0; i < used; i++)
	{
		RamaSlot   *slot = &rama_shared->slots[i];
		Oid			running = slot->running;

		if (slot == mine || !slot->inuse || slot->leave ||
			slot->database != mine->database || slot->owner != mine->owner ||
			slot->kind != mine->kind ||
			(pg_atomic_read_u64(&slot->homes) & bit) == 0)
			continue;
		if (!OidIsValid(running) || running == topology)
			return true;
		*recheck = rama_ticks_after(slot->running_since, BUSY_MS);
		return *recheck > now;
	}
	return false;
}
