/*-------------------------------------------------------------------------
 *
 * cursor.c
 *	  Reading the changes of a PState, one version after the other.
 *
 * From the last version published, the records are followed back to the one
 * that is wanted; what was found on the way is kept for the next calls. What
 * the ring does not have any more may be in rama.change (retain.c).
 *
 *-------------------------------------------------------------------------
 */
#include "watch/record.h"
#include "watch/retain.h"
#include "watch/ring.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

struct RamaCursor
{
	Oid			relid;
	int64		version;		/* told last */
	int			count;			/* records ahead, newest first */
	int			space;
	RamaRingPos *ahead;
	int64		ahead_last;		/* version of ahead[0] */
	XLogRecPtr	lsn;			/* WAL of what has been read ends before */
	MemoryContext context;
};

/*
 * rama_cursor_open() -- A cursor behind this version, in the current memory
 * context. Nothing is looked at.
 */
RamaCursor *
rama_cursor_open(Oid relid, int64 after)
{
	RamaCursor *cursor = palloc0_object(RamaCursor);

	cursor->relid = relid;
	cursor->version = after;
	cursor->context = CurrentMemoryContext;
	return cursor;
}

/* rama_cursor_version() -- The version that was told last. */
int64
rama_cursor_version(const RamaCursor *cursor)
{
	return cursor->version;
}

/*
 * Wait until what snapshots see is published, which is about to happen: who
 * commits is on its way from the one to the other.
 */
static void
await_publication(Oid relid, int64 version, RamaRingState *state)
{
	while (rama_ring_state(relid, state) && state->last < version &&
		   state->pending != 0 && state->pending <= version)
	{
		CHECK_FOR_INTERRUPTS();
		pg_usleep(50);
	}
}

/*
 * rama_cursor_seek() -- Go on behind this version, which a snapshot has seen,
 * and which is safe from a crash then.
 */
void
rama_cursor_seek(RamaCursor *cursor, int64 version)
{
	RamaRingState state;

	cursor->version = version;
	cursor->count = 0;
	await_publication(cursor->relid, version, &state);
	if (rama_ring_state(cursor->relid, &state) && state.last >= version && !RecoveryInProgress())
		XLogFlush(state.lsn);
}

/*
 * rama_cursor_flush() -- Nothing that the cursor has told can be lost in a crash
 * any more. To be called before a client learns of it: commits may be asynchronous.
 */
void
rama_cursor_flush(const RamaCursor *cursor)
{
	if (!RecoveryInProgress())
		XLogFlush(cursor->lsn);
}

/* rama_cursor_close() -- Free it. */
void
rama_cursor_close(RamaCursor *cursor)
{
	if (cursor->ahead)
		pfree(cursor->ahead);
	pfree(cursor);
}

/*
 * rama_cursor_ready() -- Is there something to be told? Perhaps it is too
 * often said to be so, but not too seldom, once it is published.
 */
bool
rama_cursor_ready(RamaCursor *cursor)
{
	RamaRingState state;

	return cursor->count > 0 ||
		(rama_ring_state(cursor->relid, &state) && state.last != cursor->version);
}

static void
remember(RamaCursor *cursor, RamaRingPos position)
{
	if (cursor->count == cursor->space)
	{
		Size		space = cursor->space ? 2 * cursor->space : 16;

		cursor->ahead = cursor->ahead ?
			repalloc_huge(cursor->ahead, sizeof(RamaRingPos) * space) :
			MemoryContextAlloc(cursor->context, sizeof(RamaRingPos) * space);
		cursor->space = space;
	}
	cursor->ahead[cursor->count++] = position;
}

/*
 * Find the records from the last one published back to the next one. False:
 * they are not all there.
 */
static bool
look_back(RamaCursor *cursor, const RamaRingState *state)
{
	RamaRingPos position = state->position;
	RamaRecord	record;

	cursor->count = 0;
	cursor->ahead_last = state->last;
	cursor->lsn = state->lsn;
	if (cursor->version < state->base)
		return false;
	for (int64 version = state->last; version > cursor->version; version--)
	{
		if ((version & 1023) == 0)
			CHECK_FOR_INTERRUPTS();
		if (!rama_ring_header(position, &record) || record.version != version ||
			record.relid != cursor->relid || record.database != MyDatabaseId)
		{
			cursor->count = 0;
			return false;
		}
		remember(cursor, position);
		position = record.previous;
	}
	return true;
}

/* The version that is there now */
static int64
stored_version(Oid relid)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	int64		version = rama_version_of(relid, snapshot);

	UnregisterSnapshot(snapshot);
	return version;
}

/*
 * rama_cursor_catch_up() -- See to it that rama_cursor_next() tells of
 * everything that is visible now. False: the cursor's version is not one that
 * the PState has had; the caller is to start anew.
 */
bool
rama_cursor_catch_up(RamaCursor *cursor)
{
	int64		version = stored_version(cursor->relid);
	RamaRingState state;

	if (cursor->version > version)
		return false;
	await_publication(cursor->relid, version, &state);
	return true;
}

/*
 * What there is behind the cursor's version: CHANGE means that records ahead
 * are known.
 */
static RamaCursorState
look(RamaCursor *cursor)
{
	RamaRingState state;
	int64		version = -1;

	if (!rama_ring_state(cursor->relid, &state))
	{
		/* It has not changed since the start, or so long that it is forgotten. */
		version = stored_version(cursor->relid);
		if (!rama_ring_state(cursor->relid, &state))
			return version == cursor->version ? RAMA_CURSOR_END : RAMA_CURSOR_LOST;
	}
	if (state.last <= cursor->version)
		return RAMA_CURSOR_END;
	return look_back(cursor, &state) ? RAMA_CURSOR_CHANGE : RAMA_CURSOR_LOST;
}

static RamaCursorState
read_record(RamaCursor *cursor, RamaPState *pstate, RamaChange *change)
{
	RamaRecord	record;
	char	   *ops = rama_ring_read(cursor->ahead[cursor->count - 1], &record);

	if (ops == NULL || record.version != cursor->version + 1 ||
		record.relid != cursor->relid || record.database != MyDatabaseId ||
		record.lost || record.format != rama_record_format(pstate))
		return RAMA_CURSOR_LOST;
	cursor->count--;
	change->version = record.version;
	rama_record_decode(pstate, ops, record.bytes, change);
	return RAMA_CURSOR_CHANGE;
}

/*
 * rama_cursor_next() -- The next version. See watch.h.
 */
RamaCursorState
rama_cursor_next(RamaCursor *cursor, RamaPState *pstate, int64 upto, RamaChange *change)
{
	RamaCursorState result = RAMA_CURSOR_CHANGE;

	if (cursor->version >= upto)
		return RAMA_CURSOR_END;
	if (cursor->count == 0)
		result = look(cursor);
	if (result == RAMA_CURSOR_CHANGE)
		result = read_record(cursor, pstate, change);
	if (result == RAMA_CURSOR_LOST)
	{
		cursor->count = 0;
		if (rama_retained_read(pstate, cursor->version + 1, change))
			result = RAMA_CURSOR_CHANGE;
	}
	if (result == RAMA_CURSOR_CHANGE)
		cursor->version = change->version;
	return result;
}
