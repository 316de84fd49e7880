/*-------------------------------------------------------------------------
 *
 * failure.c
 *	  What a failed attempt leaves behind: its error, and when to try again.
 *
 *-------------------------------------------------------------------------
 */
#include "topology/topology.h"

#include "access/xact.h"
#include "storage/lmgr.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define MAX_BACKOFF_MS 10000

static int
longest_backoff_ms(const RamaOptions *options)
{
	return Max(MAX_BACKOFF_MS, options->backoff);
}

static int
backoff_ms(const RamaOptions *options, int attempts)
{
	double		ms = options->backoff;

	for (int i = 1; i < attempts && ms < MAX_BACKOFF_MS; i++)
		ms *= 2;
	return (int) Min(ms, longest_backoff_ms(options));
}

/*
 * rama_failure_retry() -- When is a topology to be tried again? Now, where
 * nothing has failed; never, when it has halted.
 *
 * The row has a time of day, which is worth as much as the clock is: a time
 * farther ahead than any back-off means that the clock has been set back.
 */
RamaTicks
rama_failure_retry(const RamaTopology *topology, const RamaTopologyState *state)
{
	TimestampTz now = GetCurrentTimestamp();

	if (state->halted)
		return RAMA_NEVER;
	if (state->retry_at <= now ||
		state->retry_at > TimestampTzPlusMilliseconds(now, longest_backoff_ms(&topology->options)))
		return 0;
	return rama_ticks() + (state->retry_at - now);
}

/*
 * rama_failure_record() -- Write the error of a failed attempt into the
 * topology's row, in a transaction of its own.
 *
 * Called outside of a transaction, after the attempt was rolled back. With
 * on_error = 'halt' the topology halts when its attempts are used up. Does
 * nothing if the topology is gone, or locked by somebody who changes it.
 * Returns when to try again.
 */
RamaTicks
rama_failure_record(RamaTopology *topology, const ErrorData *error)
{
	const RamaOptions *options = &topology->options;
	Oid			relid = topology->relid;
	RamaTicks	retry_at = rama_ticks_after(rama_ticks(), options->backoff);
	RamaTopologyState state;

	rama_start_transaction();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (ConditionalLockRelationOid(relid, RowExclusiveLock) &&
		rama_topology_try_lock(relid) && rama_is_topology(relid))
	{
		rama_state_read(relid, &state);
		state.attempts++;
		state.failed_at = GetCurrentTimestamp();
		state.retry_at = TimestampTzPlusMilliseconds(state.failed_at,
													 backoff_ms(options, state.attempts));
		state.halted = options->halt && state.attempts >= options->max_attempts;
		state.sqlstate = pstrdup(unpack_sql_state(error->sqlerrcode));
		state.error = error->message ? error->message : "unknown error";
		if (error->context)
			state.error = psprintf("%s\n%s", state.error, error->context);
		rama_state_write(relid, &state);
		retry_at = rama_failure_retry(topology, &state);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	return retry_at;
}
