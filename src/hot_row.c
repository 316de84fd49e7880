/*-------------------------------------------------------------------------
 *
 * hot_row.c
 *	  Rows that change in every batch: the progress of a topology, the
 *	  version of a PState.
 *
 * An open snapshot keeps all versions that such a row has had since, and a
 * scan, or an index, leads to every one of them. So each session remembers
 * where it has seen, or put, the newest version. That is a hint: what is
 * found there counts if the snapshot sees it and it has the key, since of all
 * versions of a row a snapshot sees one at most. Nothing needs to be forgotten
 * for it to be right: after an abort, the version before is still
 * remembered; after a rewrite of the table, something else or nothing is found.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

typedef struct HotKey
{
	Oid			table;
	Oid			key;
} HotKey;

typedef struct HotRow
{
	HotKey		key;
	ItemPointerData newest;		/* seen or put last */
	ItemPointerData previous;	/* before that: newest may be rolled back */
} HotRow;

/* One entry per topology and PState that this session has to do with. */
static HTAB *hot_rows = NULL;

static HotRow *
hot_row(Relation rel, Oid key)
{
	HotKey		hotkey = {RelationGetRelid(rel), key};
	HotRow	   *row;
	bool		found;

	if (hot_rows == NULL)
	{
		HASHCTL		ctl = {.keysize = sizeof(HotKey),.entrysize = sizeof(HotRow),
		.hcxt = CacheMemoryContext};

		hot_rows = hash_create("pg_rama hot rows", 64, &ctl,
							   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	row = hash_search(hot_rows, &hotkey, HASH_ENTER, &found);
	if (!found)
	{
		ItemPointerSetInvalid(&row->newest);
		ItemPointerSetInvalid(&row->previous);
	}
	return row;
}

static void
remember(HotRow *row, ItemPointer tid)
{
	if (ItemPointerIsValid(&row->newest) && ItemPointerEquals(&row->newest, tid))
		return;
	row->previous = row->newest;
	row->newest = *tid;
}

/* Scans prune the pages that they pass; here nobody else would. */
static void
prune(Relation rel, BlockNumber block)
{
	Buffer		buffer = ReadBuffer(rel, block);

	heap_page_prune_opt(rel, buffer);
	ReleaseBuffer(buffer);
}

static HeapTuple
fetch_at(Relation rel, AttrNumber keyattr, Oid key, ItemPointer tid, Snapshot snapshot)
{
	HeapTupleData tuple = {.t_self = *tid};
	HeapTuple	copy = NULL;
	bool		isnull;
	Buffer		buffer;

	/* VACUUM may have cut off the end of the table. */
	if (!ItemPointerIsValid(tid) ||
		ItemPointerGetBlockNumber(tid) >= RelationGetNumberOfBlocks(rel))
		return NULL;
	prune(rel, ItemPointerGetBlockNumber(tid));
	if (!heap_fetch(rel, snapshot, &tuple, &buffer, false))
		return NULL;
	if (keyattr == 0 ||
		DatumGetObjectId(heap_getattr(&tuple, keyattr, RelationGetDescr(rel), &isnull)) == key)
		copy = heap_copytuple(&tuple);
	ReleaseBuffer(buffer);
	return copy;
}

/*
 * Backward, here and below: among many versions, the newest is likely to be
 * the last.
 */
static HeapTuple
scan_table(Relation rel, Snapshot snapshot)
{
	TableScanDesc scan = table_beginscan_strat(rel, snapshot, 0, NULL, true, false);
	HeapTuple	tuple = heap_getnext(scan, BackwardScanDirection);

	if (tuple)
		tuple = heap_copytuple(tuple);
	table_endscan(scan);
	return tuple;
}

static HeapTuple
scan_index(Relation rel, Oid key, Snapshot snapshot)
{
	Relation	index = index_open(primary_key_index_compat(rel), AccessShareLock);
	IndexScanDesc scan = index_beginscan_compat(rel, index, snapshot, 1);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	HeapTuple	tuple = NULL;
	ScanKeyData skey;

	ScanKeyInit(&skey, 1, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(key));
	index_rescan(scan, &skey, 1, NULL, 0);
	if (index_getnext_slot(scan, BackwardScanDirection, slot))
		tuple = ExecCopySlotHeapTuple(slot);
	ExecDropSingleTupleTableSlot(slot);
	index_endscan(scan);
	index_close(index, AccessShareLock);
	return tuple;
}

/*
 * rama_hot_fetch() -- A copy of the row whose column keyattr, which is the
 * primary key, equals key, as the snapshot sees it; NULL if there is none.
 *
 * keyattr 0: the table has one row. The caller has locked the table, and gives
 * a registered or active MVCC snapshot. Where it holds the lock of the row's
 * one writer, and takes the snapshot after that, this is the newest version.
 */
HeapTuple
rama_hot_fetch(Relation rel, AttrNumber keyattr, Oid key, Snapshot snapshot)
{
	HotRow	   *row = hot_row(rel, key);
	HeapTuple	tuple;

	tuple = fetch_at(rel, keyattr, key, &row->newest, snapshot);
	if (tuple)
		return tuple;
	tuple = fetch_at(rel, keyattr, key, &row->previous, snapshot);
	if (tuple == NULL)
		tuple = keyattr == 0 ? scan_table(rel, snapshot) : scan_index(rel, key, snapshot);
	if (tuple)
		remember(row, &tuple->t_self);
	return tuple;
}

/*
 * Index entries of a new version. The key is the old one: no need to look for
 * other rows that have it, past all dead versions of this one.
 */
static void
insert_index_entry(Relation rel, HeapTuple tuple)
{
	Relation	index = index_open(primary_key_index_compat(rel), RowExclusiveLock);
	IndexInfo  *info = BuildIndexInfo(index);
	Datum		value;
	bool		isnull;

	value = heap_getattr(tuple, info->ii_IndexAttrNumbers[0], RelationGetDescr(rel), &isnull);
	index_insert(index, &value, &isnull, &tuple->t_self, rel, UNIQUE_CHECK_NO, true, info);
	pfree(info);
	index_close(index, RowExclusiveLock);
}

/*
 * rama_hot_update() -- Replace the row at tid, which rama_hot_fetch() has
 * returned, by one with the same key.
 *
 * The caller holds RowExclusiveLock on the table and the lock of the row's one
 * writer to the end of the transaction. The next command sees it; the caller
 * ends this one. The table has a primary key of one column, or no index.
 */
void
rama_hot_update(Relation rel, Oid key, ItemPointer tid, HeapTuple tuple)
{
	List	   *indexes = RelationGetIndexList(rel);

	Assert(list_length(indexes) <= 1);
	simple_heap_update_compat(rel, tid, tuple);
	if (indexes != NIL && !HeapTupleIsHeapOnly(tuple))
		insert_index_entry(rel, tuple);
	list_free(indexes);
	remember(hot_row(rel, key), &tuple->t_self);
}
