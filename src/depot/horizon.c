/*-------------------------------------------------------------------------
 *
 * horizon.c
 *	  The last offset drawn, and full transaction ids against snapshots.
 *
 *-------------------------------------------------------------------------
 */
#include "depot/depot.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "commands/sequence.h"
#include "fmgr.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(rama_last_offset);

/*
 * rama_sequence_horizon() -- The last offset drawn from a depot's sequence,
 * by anybody, finished or not.
 *
 * Read from the page under AccessShareLock: the lock of nextval or
 * pg_sequence_last_value would make the reader look like an appender. It is given
 * back, unless the caller has it, too: who kept the sequence's lock and came back
 * for the depot's would meet a DROP, which takes them in the other order. The
 * caller has the depot locked, so that the sequence stays.
 */
int64
rama_sequence_horizon(Oid sequence)
{
	Relation	rel = relation_open(sequence, AccessShareLock);
	Buffer		buffer;
	Page		page;
	ItemId		item;
	Form_pg_sequence_data data;
	int64		horizon;

	if (rel->rd_rel->relkind != RELKIND_SEQUENCE)
		elog(ERROR, "relation %u is not a sequence", sequence);
	buffer = ReadBuffer(rel, 0);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	item = PageGetItemId(page, FirstOffsetNumber);
	data = (Form_pg_sequence_data) ((char *) PageGetItem(page, item) +
									((HeapTupleHeader) PageGetItem(page, item))->t_hoff);
	horizon = data->is_called ? data->last_value : data->last_value - 1;
	UnlockReleaseBuffer(buffer);
	relation_close(rel, AccessShareLock);
	return horizon;
}

/*
 * rama_last_event() -- The largest offset of an event that is committed or
 * our own, RAMA_NO_OFFSET for an empty depot.
 */
int64
rama_last_event(Relation depotrel)
{
	Relation	index = index_open(primary_key_index_compat(depotrel), AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	IndexScanDesc scan = index_beginscan_compat(depotrel, index, snapshot, 0);
	TupleTableSlot *slot = table_slot_create(depotrel, NULL);
	int64		last = RAMA_NO_OFFSET;
	bool		isnull;

	index_rescan(scan, NULL, 0, NULL, 0);
	if (index_getnext_slot(scan, BackwardScanDirection, slot))
		last = DatumGetInt64(slot_getattr(slot,
										  get_attnum(RelationGetRelid(depotrel), RAMA_OFFSET_COLUMN),
										  &isnull));
	ExecDropSingleTupleTableSlot(slot);
	index_endscan(scan);
	UnregisterSnapshot(snapshot);
	index_close(index, AccessShareLock);
	return last;
}

/*
 * rama_last_offset() -- rama.last_offset(depot): the last offset drawn; NULL
 * without SELECT privilege on the depot, and for one that has been dropped.
 *
 * Error: 42704 (not a depot). Keeps no lock.
 */
Datum
rama_last_offset(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	RamaDepot	depot;
	bool		allowed;
	int64		last = RAMA_NO_OFFSET;

	LockRelationOid(relid, AccessShareLock);
	allowed = rama_depot_find(relid, &depot) &&
		pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
	if (allowed)
		last = rama_sequence_horizon(depot.sequence);
	UnlockRelationOid(relid, AccessShareLock);
	if (!allowed)
		PG_RETURN_NULL();
	PG_RETURN_INT64(last);
}

/*
 * rama_full_xid() -- A transaction id with its epoch.
 *
 * For ids of transactions that run, or that a snapshot taken just now may
 * know: less than 2^31 behind the next id.
 */
FullTransactionId
rama_full_xid(TransactionId xid)
{
	FullTransactionId next = ReadNextFullTransactionId();
	uint32		epoch = EpochFromFullTransactionId(next);

	if (!TransactionIdIsNormal(xid))
		return FullTransactionIdFromEpochAndXid(0, xid);
	if (xid > XidFromFullTransactionId(next))
		epoch--;
	return FullTransactionIdFromEpochAndXid(epoch, xid);
}

/*
 * rama_finished_in_snapshot() -- Is the top-level transaction over, by commit
 * or abort, as the snapshot sees it?
 *
 * The snapshot is one of this transaction, taken on a primary. Our own
 * transaction is not over.
 */
bool
rama_finished_in_snapshot(FullTransactionId xid, Snapshot snapshot)
{
	TransactionId low = XidFromFullTransactionId(xid);

	if (FullTransactionIdEquals(xid, GetTopFullTransactionIdIfAny()))
		return false;
	if (FullTransactionIdPrecedes(xid, rama_full_xid(snapshot->xmin)))
		return true;
	if (FullTransactionIdFollowsOrEquals(xid, rama_full_xid(snapshot->xmax)))
		return false;
	for (uint32 i = 0; i < snapshot->xcnt; i++)
	{
		if (snapshot->xip[i] == low)
			return false;
	}
	return true;
}
