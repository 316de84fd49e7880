/*-------------------------------------------------------------------------
 *
 * clock.h
 *	  Time to wait by: a clock that nobody sets.
 *
 * The time of day jumps when it is set. What waits for something to be due
 * counts microseconds since some point in the past, which is the same one for
 * all processes of a server: they may be kept in shared memory, but not in a
 * table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_CLOCK_H
#define RAMA_CLOCK_H

#include "postgres.h"

#include <limits.h>

#include "portability/instr_time.h"

typedef int64 RamaTicks;

#define RAMA_NEVER PG_INT64_MAX

static inline RamaTicks
rama_ticks(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return (RamaTicks) INSTR_TIME_GET_MICROSEC(now);
}

static inline RamaTicks
rama_ticks_after(RamaTicks start, int64 ms)
{
	return start >= RAMA_NEVER - ms * 1000 ? RAMA_NEVER : start + ms * 1000;
}

/* Milliseconds until then, rounded up; 0 if it has come. Fits a WaitLatch. */
static inline long
rama_ms_until(RamaTicks then)
{
	RamaTicks	now = rama_ticks();

	return then <= now ? 0 : (long) Min((then - now - 1) / 1000 + 1, INT_MAX);
}

#endif							/* RAMA_CLOCK_H */
