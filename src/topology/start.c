/*-------------------------------------------------------------------------
 *
 * start.c
 *	  Where a new source starts to read its depot.
 *
 *-------------------------------------------------------------------------
 */
#include "topology/topology.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/*
 * The end: everything committed is behind it, transactions that are open now
 * are not. They become pending, and a batch takes what they appended.
 */
static void
start_at_end(const RamaDepot *depot, RamaProgress *progress)
{
	RamaProgress all = {0};
	RamaSettled *settled = rama_settle(depot, &all);

	rama_settled_skip(settled, progress);
	rama_settled_end(settled);
}

/*
 * Before the first event that was appended at or after a time; at the end
 * where there is none.
 */
static void
start_at_time(const RamaDepot *depot, TimestampTz at, RamaProgress *progress)
{
	Oid			type = TIMESTAMPTZOID;
	Datum		value = TimestampTzGetDatum(at);
	bool		isnull = true;
	int64		offset = 0;

	SPI_connect();
	if (SPI_execute_with_args(psprintf("SELECT _offset FROM %s WHERE _appended_at OPERATOR(pg_catalog.>=) $1 "
									   "ORDER BY _offset LIMIT 1",
									   rama_quoted_relation_name(depot->relid)),
							  1, &type, &value, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look for the first event");
	if (SPI_processed == 1)
		offset = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
											 1, &isnull));
	SPI_finish();
	if (isnull)
		start_at_end(depot, progress);
	else
		progress->position = offset - 1;
}

static void
start_at_offset(const RamaDepot *depot, int64 offset, RamaProgress *progress)
{
	int64		last = rama_sequence_horizon(depot->sequence);

	if (offset < 1 || offset > last + 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("offset " INT64_FORMAT " is not in depot \"%s\"",
						offset, rama_relation_name(depot->relid)),
				 errdetail("The last offset is " INT64_FORMAT ".", last)));
	progress->position = offset - 1;
}

static bool
all_digits(const char *text)
{
	return *text != '\0' && strspn(text, "0123456789") == strlen(text);
}

/*
 * Read a timestamp or an interval; false where the text is none. An interval
 * is how long ago.
 */
static bool
parse_time(const char *text, TimestampTz *at)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool found = false;

	for (volatile int attempt = 0; attempt < 2 && !found; attempt++)
	{
		PG_TRY();
		{
			if (attempt == 0)
				*at = DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in,
															  CStringGetDatum(text),
															  ObjectIdGetDatum(InvalidOid),
															  Int32GetDatum(-1)));
			else
				*at = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval,
															  TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()),
															  DirectFunctionCall3(interval_in,
																				  CStringGetDatum(text),
																				  ObjectIdGetDatum(InvalidOid),
																				  Int32GetDatum(-1))));
			found = true;
		}
		PG_CATCH();
		{
			/* Datetime input has no side effects to undo. */
			MemoryContextSwitchTo(context);
			FlushErrorState();
		}
		PG_END_TRY();
	}
	return found;
}

/*
 * rama_start_position() -- Progress of a new source, from 'beginning', 'end',
 * an offset (inclusive), a timestamp or an interval ago.
 *
 * Error (22023) for anything else and for offsets outside the depot.
 */
void
rama_start_position(const RamaDepot *depot, const char *start_from,
					RamaProgress *progress)
{
	TimestampTz at;

	memset(progress, 0, sizeof(*progress));
	if (strcmp(start_from, "beginning") == 0)
		return;
	if (strcmp(start_from, "end") == 0)
		start_at_end(depot, progress);
	else if (all_digits(start_from))
		start_at_offset(depot, pg_strtoint64(start_from), progress);
	else if (parse_time(start_from, &at))
		start_at_time(depot, at, progress);
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid start \"%s\"", start_from),
				 errhint("Give 'beginning', 'end', an offset, a timestamp, or an interval such as '1 day' ago.")));
}
