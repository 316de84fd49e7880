/*-------------------------------------------------------------------------
 *
 * settle.c
 *	  Settled reads: which events of a depot may a batch take?
 *
 * See src/depot/README.md for why this is right.
 *
 *-------------------------------------------------------------------------
 */
#include "depot/depot.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_operator.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "access/stratnum.h"
#include "utils/xid8.h"

/* Offsets (low, high] of which the events of some transactions are wanted. */
typedef struct Range
{
	int64		low;
	int64		high;
} Range;

struct RamaSettled
{
	RamaDepot	depot;
	RamaProgress old;			/* as given, the entries copied */
	bool	   *finished;		/* per entry of old: is it over? */
	int			nfinished;
	int64		horizon;		/* last offset drawn before the snapshot */
	Snapshot	snapshot;		/* registered; NULL where there is nothing */
	FullTransactionId own;		/* ours, if it drew from this depot */
	int			nnew;			/* newly pending */
	FullTransactionId *new;

	/* The only offsets to take, if there is a limit. */
	int			nlimit;
	int64	   *limit;

	/* What rama_settled_scan() found. */
	int64		ntaken;
	int64		cut;			/* the last offset taken when it stopped early,
								 * or RAMA_NO_OFFSET */
	int			nheld;			/* finished, but events below the cut are not */
	FullTransactionId *held;	/* in the limit */
};

/* ---- settling ---- */

static RamaSettled *
new_settled(const RamaDepot *depot, const RamaProgress *progress)
{
	RamaSettled *settled = palloc0(sizeof(RamaSettled));
	int			n = progress->npending;

	settled->depot = *depot;
	settled->old = *progress;
	settled->old.pending = palloc(sizeof(RamaPending) * Max(n, 1));
	if (n > 0)
		memcpy(settled->old.pending, progress->pending, sizeof(RamaPending) * n);
	settled->finished = palloc0(sizeof(bool) * Max(n, 1));
	settled->own = rama_appended_in_transaction(depot->relid) ?
		GetTopFullTransactionIdIfAny() : InvalidFullTransactionId;
	return settled;
}

/*
 * A snapshot for this batch only, taken now: with a snapshot for the whole
 * transaction it might be an old one, and the progress be stale.
 */
static Snapshot
take_snapshot(void)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("events of a depot cannot be settled in a %s transaction",
						XactIsoLevel == XACT_SERIALIZABLE ? "SERIALIZABLE" : "REPEATABLE READ"),
				 errhint("Use READ COMMITTED.")));
	return RegisterSnapshot(GetLatestSnapshot());
}

/* Is there an entry for this transaction of this cluster? */
static bool
is_recorded(const RamaProgress *progress, FullTransactionId xid)
{
	for (int i = 0; i < progress->npending; i++)
	{
		if (!progress->pending[i].foreign &&
			FullTransactionIdEquals(progress->pending[i].xid, xid))
			return true;
	}
	return false;
}

static void
add_new(RamaSettled *settled, FullTransactionId xid)
{
	if (!is_recorded(&settled->old, xid))
		settled->new[settled->nnew++] = xid;
}

/*
 * Take the snapshot, and note who is pending in it.
 *
 * The order is what makes it right: the horizon was read first, then come the
 * holders, then the snapshot. When every xid assigned by now is over in a
 * snapshot, nobody needs to look at locks.
 */
static void
find_new_pending(RamaSettled *settled)
{
	FullTransactionId next = ReadNextFullTransactionId();
	RamaHolder *holders;
	int			nholders;

	settled->snapshot = take_snapshot();
	if (settled->snapshot->xcnt == 0 &&
		!FullTransactionIdIsValid(GetTopFullTransactionIdIfAny()) &&
		FullTransactionIdFollowsOrEquals(rama_full_xid(settled->snapshot->xmax), next))
		return;

	UnregisterSnapshot(settled->snapshot);
	settled->snapshot = NULL;
	nholders = rama_sequence_holders(settled->depot.sequence, &holders);
	settled->snapshot = take_snapshot();
	settled->new = palloc(sizeof(FullTransactionId) * (nholders + 1));
	for (int i = 0; i < nholders; i++)
	{
		if (!rama_finished_in_snapshot(holders[i].xid, settled->snapshot))
			add_new(settled, holders[i].xid);
	}
	if (FullTransactionIdIsValid(settled->own))
		add_new(settled, settled->own);
	pfree(holders);
}

static void
find_finished(RamaSettled *settled)
{
	for (int i = 0; i < settled->old.npending; i++)
	{
		RamaPending *pending = &settled->old.pending[i];

		settled->finished[i] = pending->foreign ||
			rama_finished_in_snapshot(pending->xid, settled->snapshot);
		settled->nfinished += settled->finished[i];
	}
}

/*
 * rama_settle() -- Find out what a batch may take.
 *
 * The caller is in a READ COMMITTED transaction, holds AccessShareLock on the
 * depot and its topology's lock, and has read the progress after getting it.
 * The result is allocated in the current memory context and holds a
 * registered snapshot until rama_settled_end(); handlers may run meanwhile.
 *
 * Errors: 55000 if the sequence is behind the position, 0A000 in another
 * isolation level.
 */
RamaSettled *
rama_settle(const RamaDepot *depot, const RamaProgress *progress)
{
	RamaSettled *settled = new_settled(depot, progress);

	settled->horizon = rama_sequence_horizon(depot->sequence);
	if (settled->horizon < progress->position)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the sequence of depot \"%s\" was set back",
						rama_relation_name(depot->relid)),
				 errdetail("Its last offset is %lld, but events up to %lld have been processed.",
						   (long long) settled->horizon, (long long) progress->position),
				 errhint("Set sequence \"%s\" to at least %lld with setval().",
						 rama_relation_name(depot->sequence),
						 (long long) progress->position)));

	if (settled->horizon > progress->position)
		find_new_pending(settled);
	else if (progress->npending > 0)
		settled->snapshot = take_snapshot();
	if (settled->snapshot != NULL)
		find_finished(settled);
	return settled;
}

/*
 * rama_settled_nothing() -- Is it certain that there is nothing to take, nor
 * to write into the progress?
 */
bool
rama_settled_nothing(const RamaSettled *settled)
{
	return settled->horizon == settled->old.position && settled->nfinished == 0;
}

/* How far may offsets in (.., position] be late events of this entry? */
static int64
high_of(const RamaSettled *settled, const RamaPending *pending)
{
	return Min(pending->high, settled->old.position);
}

/*
 * rama_settled_most() -- No more events than this can be taken.
 */
int64
rama_settled_most(const RamaSettled *settled)
{
	int64		most = settled->horizon - settled->old.position;

	if (settled->nlimit > 0)
		return settled->nlimit;
	for (int i = 0; i < settled->old.npending; i++)
	{
		const RamaPending *pending = &settled->old.pending[i];

		if (settled->finished[i])
			most += Max(0, high_of(settled, pending) - pending->low);
	}
	return most;
}

/*
 * rama_settled_snapshot() -- The snapshot in which the batch's events are
 * visible; NULL where there cannot be any. It lives until
 * rama_settled_end().
 */
Snapshot
rama_settled_snapshot(RamaSettled *settled)
{
	return settled->snapshot;
}

/*
 * rama_settled_end() -- Release the snapshot. An abort does so, too.
 */
void
rama_settled_end(RamaSettled *settled)
{
	if (settled->snapshot)
		UnregisterSnapshot(settled->snapshot);
	settled->snapshot = NULL;
}

static int
compare_offsets(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return (x > y) - (x < y);
}

/*
 * rama_settled_limit() -- Take these offsets only: those, or the first ones
 * of those, that an attempt which failed took from the same progress.
 *
 * A retry sees more than the attempt before it. What it sees below its last
 * offset and may not take stays pending.
 */
void
rama_settled_limit(RamaSettled *settled, const int64 *offsets, int noffsets)
{
	Assert(noffsets > 0);
	settled->nlimit = noffsets;
	settled->limit = palloc(sizeof(int64) * noffsets);
	memcpy(settled->limit, offsets, sizeof(int64) * noffsets);
	qsort(settled->limit, noffsets, sizeof(int64), compare_offsets);
}

/* ---- reading ---- */

/* A scan of the depot by offset. */
typedef struct Scan
{
	RamaSettled *settled;
	IndexScanDesc index;
	TupleTableSlot *slot;
	int64		max;
	void		(*take) (TupleTableSlot *event, void *arg);
	void	   *arg;
} Scan;

static int
compare_ranges(const void *a, const void *b)
{
	return compare_offsets(&((const Range *) a)->low, &((const Range *) b)->low);
}

/*
 * The ranges at or below the position that have to be read, ascending and
 * disjoint. Returns how many.
 */
static int
late_ranges(const RamaSettled *settled, Range *ranges)
{
	int			n = 0;
	int			merged = 0;

	for (int i = 0; i < settled->old.npending; i++)
	{
		const RamaPending *pending = &settled->old.pending[i];
		int64		high = high_of(settled, pending);

		if (settled->finished[i] && pending->low < high)
			ranges[n++] = (Range) {pending->low, high};
	}
	if (n == 0)
		return 0;
	qsort(ranges, n, sizeof(Range), compare_ranges);
	for (int i = 1; i < n; i++)
	{
		if (ranges[i].low <= ranges[merged].high)
			ranges[merged].high = Max(ranges[merged].high, ranges[i].high);
		else
			ranges[++merged] = ranges[i];
	}
	return merged + 1;
}

/* Is an event at or below the position one of a finished transaction? */
static bool
is_late(const RamaSettled *settled, int64 offset, FullTransactionId xid)
{
	for (int i = 0; i < settled->old.npending; i++)
	{
		const RamaPending *pending = &settled->old.pending[i];

		if (settled->finished[i] &&
			FullTransactionIdEquals(pending->xid, xid) &&
			pending->low < offset && offset <= pending->high)
			return true;
	}
	return false;
}

/*
 * May this batch take an event that its snapshot sees? Not our own: it is
 * processed after we commit.
 */
static bool
is_settled(const RamaSettled *settled, int64 offset, FullTransactionId xid)
{
	if (offset <= settled->old.position)
		return is_late(settled, offset, xid);
	return !FullTransactionIdIsValid(settled->own) ||
		!FullTransactionIdEquals(xid, settled->own);
}

static bool
is_in_limit(const RamaSettled *settled, int64 offset)
{
	return settled->nlimit == 0 ||
		bsearch(&offset, settled->limit, settled->nlimit, sizeof(int64),
				compare_offsets) != NULL;
}

static void
hold(RamaSettled *settled, FullTransactionId xid)
{
	for (int i = 0; i < settled->nheld; i++)
	{
		if (FullTransactionIdEquals(settled->held[i], xid))
			return;
	}
	settled->held = settled->held ?
		repalloc(settled->held, sizeof(FullTransactionId) * (settled->nheld + 1)) :
		palloc(sizeof(FullTransactionId));
	settled->held[settled->nheld++] = xid;
}

static void
rescan(Scan *scan, Range range)
{
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], 1, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(range.low));
	ScanKeyInit(&keys[1], 1, BTLessEqualStrategyNumber, F_INT8LE, Int64GetDatum(range.high));
	index_rescan(scan->index, keys, 2, NULL, 0);
}

/*
 * Take the settled events of a range, in order. Returns false when the batch
 * is full.
 */
static bool
scan_range(Scan *scan, Range range)
{
	RamaSettled *settled = scan->settled;
	bool		isnull;

	rescan(scan, range);
	while (index_getnext_slot(scan->index, ForwardScanDirection, scan->slot))
	{
		int64		offset = DatumGetInt64(slot_getattr(scan->slot, settled->depot.offset_attno, &isnull));
		FullTransactionId xid = DatumGetFullTransactionId(slot_getattr(scan->slot, settled->depot.xid_attno, &isnull));

		CHECK_FOR_INTERRUPTS();
		if (!is_settled(settled, offset, xid))
			continue;
		if (!is_in_limit(settled, offset))
		{
			hold(settled, xid);
			continue;
		}
		scan->take(scan->slot, scan->arg);
		if (++settled->ntaken == scan->max)
		{
			settled->cut = offset;
			return false;
		}
	}
	return true;
}

/*
 * rama_settled_scan() -- Give the events of the batch to take(), in order of
 * their offsets, at most max (> 0) of them; returns how many.
 *
 * The slot is valid during the call of take() only. Called once, before
 * rama_settled_progress().
 */
int64
rama_settled_scan(RamaSettled *settled, Relation depotrel, int64 max,
				  void (*take) (TupleTableSlot *event, void *arg), void *arg)
{
	Range	   *ranges;
	int			nranges;
	Relation	index;
	Scan		scan = {settled, NULL, NULL, max, take, arg};
	int64		last = settled->horizon;

	if (rama_settled_nothing(settled))
		return 0;

	ranges = palloc(sizeof(Range) * (settled->old.npending + 1));
	nranges = late_ranges(settled, ranges);
	if (settled->horizon > settled->old.position)
		ranges[nranges++] = (Range) {settled->old.position, settled->horizon};
	if (settled->nlimit > 0)
	{
		last = settled->limit[settled->nlimit - 1];
		settled->cut = last;
	}

	index = index_open(primary_key_index_compat(depotrel), AccessShareLock);
	scan.index = index_beginscan_compat(depotrel, index, settled->snapshot, 2);
	scan.slot = table_slot_create(depotrel, NULL);
	for (int i = 0; i < nranges; i++)
	{
		ranges[i].high = Min(ranges[i].high, last);
		if (ranges[i].low < ranges[i].high && !scan_range(&scan, ranges[i]))
			break;
	}
	ExecDropSingleTupleTableSlot(scan.slot);
	index_endscan(scan.index);
	index_close(index, AccessShareLock);
	pfree(ranges);
	return settled->ntaken;
}

/* ---- progress ---- */

static bool
is_held(const RamaSettled *settled, FullTransactionId xid)
{
	for (int i = 0; i < settled->nheld; i++)
	{
		if (FullTransactionIdEquals(settled->held[i], xid))
			return true;
	}
	return false;
}

static void
record(RamaProgress *progress, FullTransactionId xid, int64 low)
{
	RamaPending *pending;

	if (is_recorded(progress, xid))
		return;
	pending = &progress->pending[progress->npending++];
	pending->xid = xid;
	pending->low = low;
	pending->high = PG_INT64_MAX;
	pending->foreign = false;
}

/*
 * Carry over an entry that is over: is anything of it left?
 */
static void
carry_finished(const RamaSettled *settled, const RamaPending *old, RamaProgress *progress)
{
	RamaPending pending = *old;

	if (!is_held(settled, pending.xid) || pending.foreign)
	{
		/* A cut beyond the position, or none: all late events are taken. */
		if (settled->cut == RAMA_NO_OFFSET || settled->cut > settled->old.position)
			return;
		pending.low = Max(pending.low, settled->cut);
		if (pending.low >= high_of(settled, &pending))
			return;
	}
	progress->pending[progress->npending++] = pending;
}

/*
 * rama_settled_progress() -- The progress that goes with the batch.
 *
 * *progress gets a list of its own in the current memory context. Returns
 * false where nothing was taken and nobody finished: the old progress stays
 * right, and need not be written.
 */
bool
rama_settled_progress(const RamaSettled *settled, RamaProgress *progress)
{
	const RamaProgress *old = &settled->old;
	bool		moves = settled->cut == RAMA_NO_OFFSET || settled->cut > old->position;
	int64		low = Max(old->position, settled->depot.floor);

	*progress = *old;
	progress->npending = 0;
	progress->pending = palloc(sizeof(RamaPending) *
							   (old->npending + settled->nnew + settled->nheld + 1));
	for (int i = 0; i < old->npending; i++)
	{
		if (settled->finished[i])
			carry_finished(settled, &old->pending[i], progress);
		else
			progress->pending[progress->npending++] = old->pending[i];
	}
	if (moves)
	{
		progress->position = settled->cut != RAMA_NO_OFFSET ? settled->cut : settled->horizon;
		for (int i = 0; i < settled->nnew; i++)
			record(progress, settled->new[i], low);
		for (int i = 0; i < settled->nheld; i++)
			record(progress, settled->held[i], low);
	}
	return settled->ntaken > 0 || settled->nfinished > 0;
}

/*
 * rama_settled_skip() -- The progress of a reader that starts at the end.
 *
 * Settled from position 0 and not scanned: every event that the snapshot sees
 * is behind the position; transactions that are open, ours among them, are
 * pending.
 */
void
rama_settled_skip(const RamaSettled *settled, RamaProgress *progress)
{
	memset(progress, 0, sizeof(*progress));
	progress->position = settled->horizon;
	progress->pending = palloc(sizeof(RamaPending) * (settled->nnew + 1));
	for (int i = 0; i < settled->nnew; i++)
		record(progress, settled->new[i], settled->depot.floor);
}
