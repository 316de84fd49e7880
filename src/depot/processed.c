/*-------------------------------------------------------------------------
 *
 * processed.c
 *	  Has an event, or everything that was there, been processed?
 *
 *-------------------------------------------------------------------------
 */
#include "depot/depot.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

/*
 * rama_offset_processed() -- Has the event of this offset, appended by
 * transaction xid, been processed? The event has been committed.
 */
bool
rama_offset_processed(const RamaProgress *progress, int64 offset,
					  FullTransactionId xid)
{
	if (offset > progress->position)
		return false;
	for (int i = 0; i < progress->npending; i++)
	{
		const RamaPending *pending = &progress->pending[i];

		if (FullTransactionIdEquals(pending->xid, xid) &&
			pending->low < offset && offset <= pending->high)
			return false;
	}
	return true;
}

/* Is the entry of a transaction that was over in the snapshot? */
static bool
was_over(const RamaPending *pending, Snapshot snapshot)
{
	return pending->foreign || rama_finished_in_snapshot(pending->xid, snapshot);
}

/*
 * Does the snapshot see an event in (low, high] that is not processed?
 */
static bool
has_unprocessed(const RamaDepot *depot, Relation depotrel,
				const RamaProgress *progress, int64 low, int64 high, Snapshot snapshot)
{
	Relation	index = index_open(primary_key_index_compat(depotrel), AccessShareLock);
	IndexScanDesc scan = index_beginscan_compat(depotrel, index, snapshot, 2);
	TupleTableSlot *slot = table_slot_create(depotrel, NULL);
	ScanKeyData keys[2];
	bool		found = false;
	bool		isnull;

	ScanKeyInit(&keys[0], 1, BTGreaterStrategyNumber, F_INT8GT, Int64GetDatum(low));
	ScanKeyInit(&keys[1], 1, BTLessEqualStrategyNumber, F_INT8LE, Int64GetDatum(high));
	index_rescan(scan, keys, 2, NULL, 0);
	while (!found && index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		int64		offset = DatumGetInt64(slot_getattr(slot, depot->offset_attno, &isnull));
		FullTransactionId xid = DatumGetFullTransactionId(slot_getattr(slot, depot->xid_attno, &isnull));

		CHECK_FOR_INTERRUPTS();
		found = !rama_offset_processed(progress, offset, xid);
	}
	ExecDropSingleTupleTableSlot(slot);
	index_endscan(scan);
	index_close(index, AccessShareLock);
	return found;
}

/*
 * rama_progress_covers() -- Has everything been processed that was committed
 * when the horizon was read and, after it, the snapshot was taken?
 *
 * The caller holds AccessShareLock on the depot; the snapshot is registered.
 * Offsets whose transaction rolled back are never passed by a batch of
 * their own, so where the progress alone does not tell, events are looked up.
 */
bool
rama_progress_covers(const RamaDepot *depot, Relation depotrel,
					 const RamaProgress *progress, int64 horizon,
					 Snapshot snapshot)
{
	int64		low = progress->position;

	for (int i = 0; i < progress->npending; i++)
	{
		if (was_over(&progress->pending[i], snapshot))
			low = Min(low, progress->pending[i].low);
	}
	return low >= horizon ||
		!has_unprocessed(depot, depotrel, progress, low, horizon, snapshot);
}

/* Does the snapshot see the event of this offset? */
static bool
is_visible(const RamaDepot *depot, Relation depotrel, int64 offset, Snapshot snapshot)
{
	RamaProgress before = {.position = offset - 1};

	return has_unprocessed(depot, depotrel, &before, offset - 1, offset, snapshot);
}

/*
 * rama_progress_reached() -- Has the event of this offset been processed, and
 * every other committed one before it?
 *
 * Not while the offset has not been drawn, or whoever drew it may still
 * commit; an offset whose transaction has rolled back counts as processed.
 * Somebody else's open transaction with a smaller offset does not matter. The
 * caller holds AccessShareLock on the depot.
 */
bool
rama_progress_reached(const RamaDepot *depot, Relation depotrel,
					  const RamaProgress *progress, int64 offset)
{
	RamaHolder *holders;
	Snapshot	snapshot;
	int			nholders;
	bool		reached;

	if (offset > rama_sequence_horizon(depot->sequence))
		return false;
	nholders = rama_sequence_holders(depot->sequence, &holders);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	reached = rama_progress_covers(depot, depotrel, progress, offset, snapshot);
	if (reached && !is_visible(depot, depotrel, offset, snapshot))
	{
		for (int i = 0; i < nholders; i++)
			reached &= rama_finished_in_snapshot(holders[i].xid, snapshot);
	}
	UnregisterSnapshot(snapshot);
	pfree(holders);
	return reached;
}
