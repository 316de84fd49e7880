/*-------------------------------------------------------------------------
 *
 * changes.c
 *	  rama.changes(): what has changed behind a version.
 *
 *-------------------------------------------------------------------------
 */
#include "watch/filter.h"

#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "topology/topology.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "watch/publish.h"
#include "watch/ring.h"
#include "worker/worker.h"

#define Natts_changes 4

PG_FUNCTION_INFO_V1(rama_changes);
PG_FUNCTION_INFO_V1(rama_version);

/* A call */
typedef struct Changes
{
	RamaPState *pstate;
	RamaWatchPath *watch;
	RamaCursor *cursor;
	ReturnSetInfo *rsinfo;
	int64		rows;
	MemoryContext context;		/* of one version */
} Changes;

static void
put_row(Changes *changes, const RamaWatchRow *row)
{
	Datum		values[Natts_changes];
	bool		nulls[Natts_changes] = {false};

	values[0] = Int64GetDatum(row->version);
	values[1] = CStringGetTextDatum(rama_watch_row_name(row));
	values[2] = JsonbPGetDatum(row->path);
	nulls[3] = row->value == NULL;
	values[3] = nulls[3] ? (Datum) 0 : JsonbPGetDatum(row->value);
	tuplestore_putvalues(changes->rsinfo->setResult, changes->rsinfo->setDesc, values, nulls);
	changes->rows++;
}

static void
put_rows(Changes *changes, List *rows)
{
	ListCell   *lc;

	if (rows != NIL)
		rama_cursor_flush(changes->cursor);
	foreach(lc, rows)
		put_row(changes, lfirst(lc));
}

/* What is read would have what is not committed yet, and has no version. */
static void
refuse_own_changes(const Changes *changes)
{
	if (rama_version_is_changed(changes->pstate))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot read the changes of a PState that this transaction has written to"),
				 errhint("Commit first, then call rama.changes().")));
}

/*
 * The value as it is now, in one snapshot with its version: the one row
 * "reset".
 */
static void
put_reset(Changes *changes)
{
	RamaWatchRow row = {.reset = true,.path = changes->watch->path};

	refuse_own_changes(changes);
	PushActiveSnapshot(GetLatestSnapshot());
	row.version = rama_version_of(changes->pstate->relid, GetActiveSnapshot());
	row.value = rama_watch_value(changes->watch, GetActiveSnapshot());
	PopActiveSnapshot();
	rama_cursor_seek(changes->cursor, row.version);
	put_row(changes, &row);
}

static void
filter_change(RamaFilter *filter, const RamaChange *change)
{
	for (int i = 0; i < change->nops; i++)
		rama_filter_op(filter, change->version, &change->ops[i]);
}

/*
 * What has to be read has everything up to the version that the snapshot sees:
 * so do the rows. False: the changes up to there are not to be had.
 */
static bool
put_read(Changes *changes, RamaFilter *filter)
{
	int64		version;
	bool		complete;

	PushActiveSnapshot(GetLatestSnapshot());
	version = rama_version_of(changes->pstate->relid, GetActiveSnapshot());
	(void) rama_cursor_catch_up(changes->cursor);
	for (;;)
	{
		RamaChange	change;

		CHECK_FOR_INTERRUPTS();
		if (rama_cursor_next(changes->cursor, changes->pstate, version,
							 &change) != RAMA_CURSOR_CHANGE)
			break;
		filter_change(filter, &change);
	}
	complete = rama_cursor_version(changes->cursor) == version;
	if (complete)
		put_rows(changes, rama_filter_end(filter, version, GetActiveSnapshot()));
	PopActiveSnapshot();
	return complete;
}

static void
put_change(Changes *changes, const RamaChange *change)
{
	RamaFilter	filter;

	rama_filter_begin(&filter, changes->watch);
	filter_change(&filter, change);
	if (!rama_filter_needs_reading(&filter))
		put_rows(changes, rama_filter_end(&filter, change->version, InvalidSnapshot));
	else
	{
		refuse_own_changes(changes);
		if (!put_read(changes, &filter))
			put_reset(changes);
	}
}

/*
 * Everything that is there, up to about so many rows: a version is not cut in
 * two.
 */
static void
put_available(Changes *changes, int64 max)
{
	while (changes->rows < max)
	{
		MemoryContext old = MemoryContextSwitchTo(changes->context);
		RamaCursorState state;
		RamaChange	change;

		CHECK_FOR_INTERRUPTS();
		state = rama_cursor_next(changes->cursor, changes->pstate, PG_INT64_MAX, &change);
		if (state == RAMA_CURSOR_CHANGE)
			put_change(changes, &change);
		else if (state == RAMA_CURSOR_LOST)
			put_reset(changes);
		MemoryContextSwitchTo(old);
		MemoryContextReset(changes->context);
		if (state == RAMA_CURSOR_END)
			break;
	}
}

/* Rights, and what else may change while the call waits */
static void
check_again(Changes *changes)
{
	AcceptInvalidationMessages();
	rama_pstate_check_read(changes->pstate);
}

static void
wait_for_changes(Changes *changes, int64 max, RamaTicks deadline)
{
	rama_listen(&changes->pstate->relid, 1);
	for (;;)
	{
		RamaTicks	now;

		put_available(changes, max);
		now = rama_ticks();
		if (changes->rows > 0 || now >= deadline)
			break;
		if (rama_listen_wait(Min((deadline - now + 999) / 1000, INT_MAX)))
			check_again(changes);
	}
	rama_unlisten();
}

static void
require_arguments(FunctionCallInfo fcinfo)
{
	static const char *const names[] = {"pstate", "path", "after", "wait", "max"};

	for (int i = 0; i < (int) lengthof(names); i++)
		rama_refuse_null(fcinfo, i, names[i]);
	if (PG_GETARG_INT32(4) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"max\" must be at least 1")));
}

/* The time to wait, in microseconds */
static int64
time_to_wait(const Interval *wait)
{
	int64		us = rama_interval_us(wait);

	if (us <= 0)
		return 0;
	if (OidIsValid(rama_current_topology()))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("rama.changes() cannot wait in a handler of a topology")));
	return Min(us, (int64) rama_max_wait * 1000);
}

/*
 * rama_changes(pstate, path, after, wait, max) -- What has changed at the path
 * behind the version "after", one row for each thing that happened; or one row
 * "reset" with the value where that is not known any more.
 *
 * Everything that is visible when the call begins is in it. Needs SELECT.
 * Errors: 42501, 22023 and 0A000 (path), 25006 and 55000 (waiting), 55000
 * (reset in a transaction that has written to the PState).
 */
Datum
rama_changes(PG_FUNCTION_ARGS)
{
	Changes		changes = {0};
	int64		after;
	int64		wait;

	require_arguments(fcinfo);
	after = PG_GETARG_INT64(2);
	InitMaterializedSRF(fcinfo, 0);
	changes.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	changes.pstate = rama_pstate_get(PG_GETARG_OID(0));
	rama_pstate_check_read(changes.pstate);
	changes.watch = rama_watch_path(changes.pstate, PG_GETARG_JSONB_P(1));
	changes.cursor = rama_cursor_open(changes.pstate->relid, after);
	changes.context = AllocSetContextCreate(CurrentMemoryContext, "pg_rama changes",
											ALLOCSET_DEFAULT_SIZES);
	wait = time_to_wait(PG_GETARG_INTERVAL_P(3));
	if (!rama_cursor_catch_up(changes.cursor))
		put_reset(&changes);
	else if (wait > 0)
		wait_for_changes(&changes, PG_GETARG_INT32(4), rama_ticks() + wait);
	else
		put_available(&changes, PG_GETARG_INT32(4));
	rama_cursor_close(changes.cursor);
	MemoryContextDelete(changes.context);
	return (Datum) 0;
}

/*
 * rama_version(pstate) -- The version that the statement's snapshot sees.
 */
Datum
rama_version(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);

	rama_pstate_check_read(rama_pstate_get(relid));
	PG_RETURN_INT64(rama_version_of(relid, GetActiveSnapshot()));
}
