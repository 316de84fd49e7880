/*-------------------------------------------------------------------------
 *
 * rate.c
 *	  Events per second of each topology, in shared memory.
 *
 * A moving average over about ten seconds. Lost at a restart: it is only for
 * the eye.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker.h"

#include <math.h>

#include "miscadmin.h"

#define RATE_SECONDS 10.0

static RamaRate *
find_rate(Oid topology, bool create)
{
	RamaRate   *oldest = &rama_shared->rates[0];

	for (int i = 0; i < RAMA_MAX_RATES; i++)
	{
		RamaRate   *rate = &rama_shared->rates[i];

		if (rate->topology == topology && rate->database == MyDatabaseId)
			return rate;
		if (rate->at < oldest->at)
			oldest = rate;
	}
	if (!create)
		return NULL;
	oldest->topology = topology;
	oldest->database = MyDatabaseId;
	oldest->at = rama_ticks();
	oldest->events = 0;
	return oldest;
}

/* What is left of an average after some time without events. */
static double
decayed(const RamaRate *rate, RamaTicks now)
{
	return rate->events * exp(-(double) Max(now - rate->at, 0) / (RATE_SECONDS * 1000000.0));
}

/*
 * rama_rate_count() -- A topology has processed events.
 */
void
rama_rate_count(Oid topology, int64 events)
{
	RamaTicks	now = rama_ticks();
	RamaRate   *rate;

	LWLockAcquire(rama_shared->lock, LW_EXCLUSIVE);
	rate = find_rate(topology, true);
	rate->events = decayed(rate, now) + events;
	rate->at = now;
	LWLockRelease(rama_shared->lock);
}

/*
 * rama_rate_read() -- Events per second of late; false if nothing is known.
 */
bool
rama_rate_read(Oid topology, double *rate)
{
	RamaRate   *entry;

	*rate = 0;
	if (rama_shared == NULL)
		return false;
	LWLockAcquire(rama_shared->lock, LW_SHARED);
	entry = find_rate(topology, false);
	if (entry)
		*rate = decayed(entry, rama_ticks()) / RATE_SECONDS;
	LWLockRelease(rama_shared->lock);
	return entry != NULL;
}
