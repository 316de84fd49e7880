/*-------------------------------------------------------------------------
 *
 * scan_items.c
 *	  What scans take from the entries of a leaf, and how those that turn out
 *	  to be dead are marked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/visibilitymap.h"
#include "index/scan.h"
#include "utils/snapmgr.h"

static void ps_collect_entry(IndexScanDesc scan, PsString prefix, PsString suffix,
							 OffsetNumber offset);
static void ps_collect_tids(IndexScanDesc scan, Page page, OffsetNumber first,
							OffsetNumber end);
static void ps_need_items(PsScan *so, PsBatch *batch, int n);
static void ps_entry_tid(const PsScan *so, PsString prefix, PsString suffix, ItemPointer tid);
static OffsetNumber ps_find_item(PsScan *so, Page page, OffsetNumber from, ItemPointer tid);

/*
 * Adds the entries of the locked page from first up to end to so->current, if
 * they pass the filters.
 */
void
ps_collect_items(IndexScanDesc scan, Page page, OffsetNumber first, OffsetNumber end)
{
	PsScan	   *so = (PsScan *) scan->opaque;
	PsString	prefix = {ps_page_low(page).data, PsPageOpaque(page)->prefix};

	if (so->nfiltered == 0 && !so->info->has_payload && !scan->xs_want_itup)
	{
		ps_collect_tids(scan, page, first, end);
		return;
	}
	if (so->nfiltered > 0)
		ps_set_string(so, &so->scratch, prefix);
	for (OffsetNumber offset = first; offset < end; offset++)
	{
		PsString	suffix;

		if (scan->ignore_killed_tuples && ItemIdIsDead(PageGetItemId(page, offset)))
			continue;
		suffix = ps_page_suffix(page, offset);
		if (so->nfiltered > 0)
		{
			so->scratch.len = prefix.len;
			appendBinaryStringInfo(&so->scratch, suffix.data, suffix.len);
			if (!ps_scan_filter(so, ps_string(&so->scratch)))
				continue;
		}
		ps_collect_entry(scan, prefix, suffix, offset);
	}
}

/* The same where entries end with their tids, and nothing else is wanted. */
static void
ps_collect_tids(IndexScanDesc scan, Page page, OffsetNumber first, OffsetNumber end)
{
	PsScan	   *so = (PsScan *) scan->opaque;
	PsBatch    *batch = so->current;
	PsString	prefix = {ps_page_low(page).data, PsPageOpaque(page)->prefix};
	PsItem	   *item;

	ps_need_items(so, batch, end - first);
	item = batch->items + batch->nitems;
	for (OffsetNumber offset = first; offset < end; offset++)
	{
		ItemId		id = PageGetItemId(page, offset);
		PsString	suffix = {(char *) page + ItemIdGetOffset(id), ItemIdGetLength(id)};

		if (ItemIdIsDead(id) && scan->ignore_killed_tuples)
			continue;
		if (suffix.len >= PS_TID_SIZE)
			ps_get_tid(suffix.data + suffix.len - PS_TID_SIZE, &item->tid);
		else
			ps_entry_tid(so, prefix, suffix, &item->tid);
		item->offset = offset;
		item->killed = false;
		item++;
	}
	batch->nitems = item - batch->items;
}

/*
 * The visibility map is asked while the leaf is locked: as long as its entry
 * is there, a tuple's place is not another's. See README.md, "Index-only scans".
 */
static void
ps_collect_entry(IndexScanDesc scan, PsString prefix, PsString suffix, OffsetNumber offset)
{
	PsScan	   *so = (PsScan *) scan->opaque;
	PsBatch    *batch = so->current;
	PsItem	   *item;

	ps_need_items(so, batch, 1);
	item = &batch->items[batch->nitems++];
	ps_entry_tid(so, prefix, suffix, &item->tid);
	item->offset = offset;
	item->killed = false;
	if (scan->xs_want_itup)
	{
		item->at = batch->suffixes.len;
		item->len = suffix.len;
		appendBinaryStringInfo(&batch->suffixes, suffix.data, suffix.len);
		item->all_visible = !IsMVCCSnapshot(scan->xs_snapshot) ||
			VM_ALL_VISIBLE(scan->heapRelation,
						   ItemPointerGetBlockNumber(&item->tid), &so->vm_buffer);
	}
}

/* Sees to it that there is room for so many more. */
static void
ps_need_items(PsScan *so, PsBatch *batch, int n)
{
	int			max = batch->max_items;
	PsItem	   *more;

	if (batch->nitems + n <= max)
		return;
	while (batch->nitems + n > max)
		max *= 4;
	more = MemoryContextAlloc(so->context, max * sizeof(PsItem));
	memcpy(more, batch->items, batch->nitems * sizeof(PsItem));
	if (batch->items != batch->few)
		pfree(batch->items);
	batch->items = more;
	batch->max_items = max;
}

static void
ps_entry_tid(const PsScan *so, PsString prefix, PsString suffix, ItemPointer tid)
{
	int			at = suffix.len - PS_TID_SIZE;
	char		bytes[PS_TID_SIZE];

	if (so->info->has_payload)
		at -= ps_payload_size(suffix);
	if (at >= 0)
	{
		ps_get_tid(suffix.data + at, tid);
		return;
	}

	/* It begins in the prefix. */
	if (prefix.len + at < 0)
		elog(ERROR, "index entry is too short for a tuple's identifier");
	memcpy(bytes, prefix.data + prefix.len + at, -at);
	memcpy(bytes - at, suffix.data, PS_TID_SIZE + at);
	ps_get_tid(bytes, tid);
}

/*
 * Marks the entries of the killed items as dead, for those who come later: a
 * hint, left out if the page is not what it was.
 */
void
ps_kill_items(IndexScanDesc scan, PsBatch *batch)
{
	PsScan	   *so = (PsScan *) scan->opaque;
	Buffer		buffer = batch->pin;
	Page		page;
	bool		unchanged;
	OffsetNumber offset = PS_FIRST_ENTRY;
	bool		dirty = false;

	if (!BufferIsValid(buffer))
		buffer = ReadBuffer(scan->indexRelation, batch->block);
	page = BufferGetPage(buffer);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	unchanged = RelationNeedsWAL(scan->indexRelation) &&
		BufferGetLSNAtomic(buffer) == batch->lsn;

	for (int i = 0; i < batch->nitems && (unchanged || BufferIsValid(batch->pin)); i++)
	{
		PsItem	   *item = &batch->items[i];

		if (!item->killed)
			continue;
		offset = unchanged ? item->offset :
			ps_find_item(so, page, offset, &item->tid);
		if (offset < PsPageEnd(page) && !ItemIdIsDead(PageGetItemId(page, offset)))
		{
			ItemIdMarkDead(PageGetItemId(page, offset));
			dirty = true;
		}
		else if (offset >= PsPageEnd(page))
			offset = PS_FIRST_ENTRY;
	}
	if (dirty)
		MarkBufferDirtyHint(buffer, true);
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	if (!BufferIsValid(batch->pin))
		ReleaseBuffer(buffer);
}

/*
 * Where the tuple's entry is on a page that has been pinned since it was
 * read: the page's end if it is on another by now.
 */
static OffsetNumber
ps_find_item(PsScan *so, Page page, OffsetNumber from, ItemPointer tid)
{
	PsString	prefix = {ps_page_low(page).data, PsPageOpaque(page)->prefix};

	for (; from < PsPageEnd(page); from++)
	{
		ItemPointerData other;

		ps_entry_tid(so, prefix, ps_page_suffix(page, from), &other);
		if (ItemPointerEquals(&other, tid))
			break;
	}
	return from;
}
