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
backoff_ms(const RamaOptions *options, int attempts)
{
	double		ms = options->backoff;

	for (int i = 1; i < attempts && ms < MAX_BACKOFF_MS; i++)
		ms *= 2;
	return (int) Min(ms, Max(MAX_BACKOFF_MS, options->backoff));
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
TimestampTz
rama_failure_record(RamaTopology *topology, const ErrorData *error)
{
	const RamaOptions *options = &topology->options;
	Oid			relid = topology->relid;
	TimestampTz retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													   options->backoff);
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
		retry_at = state.halted ? DT_NOEND : state.retry_at;
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	return retry_at;
}
