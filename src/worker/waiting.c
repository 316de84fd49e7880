/*-------------------------------------------------------------------------
 *
 * waiting.c
 *	  How a session waits for workers.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker.h"

#include "miscadmin.h"
#include "pgstat.h"

/* Look again after so long, though nobody said anything. */
#define RECHECK_MS 500

/*
 * rama_wait_begin() -- From here on no batch commits unnoticed.
 */
void
rama_wait_begin(void)
{
	ConditionVariablePrepareToSleep(&rama_shared->changed);
}

/*
 * rama_wait_sleep() -- Ask the topology's workers to run now, and sleep until
 * some batch has committed. False when the deadline has passed.
 */
bool
rama_wait_sleep(RamaTopology *topology, RamaTicks deadline)
{
	long		ms = rama_ms_until(deadline);
	uint64		depots = 0;

	if (ms <= 0)
		return false;
	pg_atomic_fetch_or_u64(&rama_shared->hurry, rama_depot_bit(topology->relid));
	for (int i = 0; i < topology->nsources; i++)
		depots |= rama_depot_bit(topology->sources[i].depot);
	rama_wake_database(MyDatabaseId, depots, false);
	ConditionVariableTimedSleep(&rama_shared->changed, Min(ms, RECHECK_MS), PG_WAIT_EXTENSION);
	return true;
}

/*
 * rama_wait_end() -- After the last rama_wait_sleep(). An error in between
 * does the same.
 */
void
rama_wait_end(void)
{
	ConditionVariableCancelSleep();
}
