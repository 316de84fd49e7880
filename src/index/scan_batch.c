/*-------------------------------------------------------------------------
 *
 * scan_batch.c
 *	  Reads what matches, one stretch of a leaf at a time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/visibilitymap.h"
#include "index/scan.h"
#include "pgstat.h"
#include "storage/predicate.h"
#include "utils/snapmgr.h"

static void ps_begin_batch(IndexScanDesc scan);
static Buffer ps_get_leaf(IndexScanDesc scan, PsString key, PsSide side, BlockNumber hint);
static void ps_read_leaf(IndexScanDesc scan, Buffer buffer, PsString key,
						 bool forward, bool is_first);
static bool ps_read_ranges(IndexScanDesc scan, Page page, PsString key, bool forward);
static bool ps_clip(PsScan *so, Page page, bool forward,
					OffsetNumber *first, OffsetNumber *end);
static int	ps_compare_end(Page page, PsString key, bool forward, PsString string);
static void ps_collect(IndexScanDesc scan, Page page, OffsetNumber first, OffsetNumber end);
static void ps_collect_entry(IndexScanDesc scan, PsString prefix, PsString suffix,
							 OffsetNumber offset);
static void ps_collect_tids(IndexScanDesc scan, Page page, OffsetNumber first,
							OffsetNumber end);
static PsItem *ps_add_item(PsScan *so, PsBatch *batch);
static void ps_need_items(PsScan *so, PsBatch *batch, int n);
static void ps_entry_tid(const PsScan *so, PsString prefix, PsString suffix, ItemPointer tid);
static void ps_kill_items(IndexScanDesc scan, PsBatch *batch);
static OffsetNumber ps_find_item(PsScan *so, Page page, OffsetNumber from, ItemPointer tid);

/* Makes a batch without entries. */
void
ps_init_batch(PsBatch *batch)
{
	memset(batch, 0, offsetof(PsBatch, few));
	batch->items = batch->few;
	batch->max_items = PS_FEW_ITEMS;
}

/*
 * Reads the first batch in the direction of the scan, which may be empty,
 * into so->current. The conditions are not contradictory.
 */
void
ps_read_first_batch(IndexScanDesc scan, bool forward)
{
	PsScan	   *so = (PsScan *) scan->opaque;
	PsString	key;

	if (forward)
		ps_first_range(so);
	else
		ps_last_range(so);
	key = forward ? ps_string(&so->low) : ps_scan_high(so);

	/* The ranges are going to move. */
	if (!so->single && key.data != NULL)
	{
		ps_set_string(so, &so->bound, key);
		key = ps_string(&so->bound);
	}

	pgstat_count_index_scan(scan->indexRelation);
	ps_count_search_compat(scan);
	ps_read_leaf(scan, ps_search(scan->indexRelation, key, forward ? PS_AT : PS_BEFORE,
								 0, BUFFER_LOCK_SHARE),
				 key, forward, true);
}

/*
 * Replaces so->current by the batch next to it, which may be empty. false,
 * and nothing changes: there is none in this direction.
 */
bool
ps_read_next_batch(IndexScanDesc scan, bool forward)
{
	PsScan	   *so = (PsScan *) scan->opaque;
	PsBatch    *batch = so->current;
	BlockNumber hint = forward ? batch->right_hint : batch->left_hint;
	PsString	key;

	if (!(forward ? batch->more_right : batch->more_left))
		return false;
	ps_set_string(so, &so->bound, ps_string(forward ? &batch->to : &batch->from));
	key = ps_string(&so->bound);
	if (!(forward ? ps_range_after(so, key) : ps_range_before(so, key)))
	{
		*(forward ? &batch->more_right : &batch->more_left) = false;
		return false;
	}

	/* Nothing matches between the bound and the range that comes next. */
	if (forward && ps_compare(ps_string(&so->low), key) > 0)
		ps_set_string(so, &so->bound, ps_string(&so->low));
	else if (!forward && ps_compare(ps_scan_high(so), key) < 0)
		ps_set_string(so, &so->bound, ps_scan_high(so));
	key = ps_string(&so->bound);

	ps_begin_batch(scan);
	ps_read_leaf(scan, ps_get_leaf(scan, key, forward ? PS_AT : PS_BEFORE, hint),
				 key, forward, false);
	return true;
}

/* Makes so->current free for another batch: what is marked is kept. */
static void
ps_begin_batch(IndexScanDesc scan)
{
	PsScan	   *so = (PsScan *) scan->opaque;

	if (!so->mark_is_current)
	{
		ps_leave_batch(scan, so->current);
		return;
	}
	if (so->other_batch == NULL)
	{
		so->other_batch = MemoryContextAlloc(so->context, sizeof(PsBatch));
		ps_init_batch(so->other_batch);
	}
	so->marked = so->current;
	so->current = so->marked == so->other_batch ? &so->first_batch : so->other_batch;
	so->mark_is_current = false;
}

/*
 * Does what is to be done when the batch's page is not needed any more. May
 * be called more than once.
 */
void
ps_leave_batch(IndexScanDesc scan, PsBatch *batch)
{
	if (batch->has_killed)
		ps_kill_items(scan, batch);
	if (BufferIsValid(batch->pin))
		ReleaseBuffer(batch->pin);
	batch->has_killed = false;
	batch->pin = InvalidBuffer;
}

/* The leaf for the key, locked; perhaps it is the one at "hint". */
static Buffer
ps_get_leaf(IndexScanDesc scan, PsString key, PsSide side, BlockNumber hint)
{
	if (BlockNumberIsValid(hint))
	{
		Buffer		buffer = ReadBuffer(scan->indexRelation, hint);
		Page		page = BufferGetPage(buffer);

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		if (ps_page_is_valid(page) && PsPageIsLeaf(page) &&
			(PsPageOpaque(page)->flags & PS_DELETED) == 0 &&
			ps_page_covers(page, key, side))
			return buffer;
		UnlockReleaseBuffer(buffer);
	}
	if (!((PsScan *) scan->opaque)->single)
	{
		pgstat_count_index_scan(scan->indexRelation);
		ps_count_search_compat(scan);
	}
	return ps_search(scan->indexRelation, key, side, 0, BUFFER_LOCK_SHARE);
}

/*
 * Fills so->current with what matches on the leaf from the key on, or before
 * it. The buffer is unlocked, and released if the pin is not needed.
 *
 * The pin keeps VACUUM from removing entries of the page, and then their
 * tuples. MVCC snapshots do not see what comes in their place, but where
 * pages have no useful LSN, it is needed to know which entries are dead.
 */
static void
ps_read_leaf(IndexScanDesc scan, Buffer buffer, PsString key, bool forward, bool is_first)
{
	PsScan	   *so = (PsScan *) scan->opaque;
	PsBatch    *batch = so->current;
	Page		page = BufferGetPage(buffer);

	TestForOldSnapshot(scan->xs_snapshot, scan->indexRelation, page);
	batch->block = BufferGetBlockNumber(buffer);
	batch->lsn = BufferGetLSNAtomic(buffer);
	batch->nitems = 0;
	batch->left_hint = batch->right_hint = InvalidBlockNumber;
	if (scan->xs_want_itup)
	{
		ps_need_string(so, &batch->suffixes);
		resetStringInfo(&batch->suffixes);
		batch->prefix = PsPageOpaque(page)->prefix;
		ps_set_string(so, &batch->entry, (PsString)
					  {
						  ps_page_low(page).data, batch->prefix
					  });
	}

	if (forward)
	{
		batch->more_left = !is_first;
		if (batch->more_left)
			ps_set_string(so, &batch->from, key);
		batch->more_right = ps_read_ranges(scan, page, key, true);
		if (batch->more_right && !BlockNumberIsValid(batch->right_hint))
		{
			ps_need_string(so, &batch->to);
			ps_page_high(page, &batch->to);
			batch->right_hint = PsPageOpaque(page)->right;
		}
	}
	else
	{
		batch->more_right = !is_first;
		if (batch->more_right)
			ps_set_string(so, &batch->to, key);
		batch->more_left = ps_range_after(so, ps_page_low(page)) &&
			ps_page_low(page).len > 0 &&
			(!so->single || ps_compare(ps_string(&so->low), ps_page_low(page)) < 0);
		ps_read_ranges(scan, page, key, false);
		if (batch->more_left && !BlockNumberIsValid(batch->left_hint))
			ps_set_string(so, &batch->from, ps_page_low(page));
	}

	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	if (IsMVCCSnapshot(scan->xs_snapshot) && RelationNeedsWAL(scan->indexRelation))
		ReleaseBuffer(buffer);
	else
		batch->pin = buffer;
}

/*
 * Collects what the page has of the current range and those after it:
 * forward from the key to the page's end, backward from the page's beginning
 * to the key. Returns whether there are ranges after that.
 */
static bool
ps_read_ranges(IndexScanDesc scan, Page page, PsString key, bool forward)
{
	PsScan	   *so = (PsScan *) scan->opaque;
	PsString	from = forward ? key : ps_page_low(page);
	OffsetNumber first = PS_FIRST_ENTRY;

	if (ps_compare(ps_string(&so->low), from) > 0)
		first = ps_page_find(page, ps_string(&so->low));
	else if (forward)
		first = ps_page_find(page, key);

	for (;;)
	{
		PsString	high = ps_scan_high(so);
		int			order = ps_compare_end(page, key, forward, high);
		OffsetNumber end;
		bool		nothing;

		if (order < 0)
			end = ps_page_find_from(page, first, high);
		else
			end = forward ? PsPageEnd(page) : ps_page_find(page, key);
		nothing = first >= end;
		if (!nothing && ps_clip(so, page, forward, &first, &end))
			order = 1;
		if (!nothing)
			ps_collect(scan, page, first, end);

		if (order > 0)
			return true;
		if (nothing && !so->single && end < PsPageEnd(page))
		{
			/* Ranges that end before the next entry can be passed over. */
			ps_need_string(so, &so->scratch);
			ps_page_string(page, end, &so->scratch);
			if (!ps_range_after(so, ps_string(&so->scratch)))
				return false;
		}
		else if (!ps_next_range(so))
			return false;
		if (ps_compare_end(page, key, forward, ps_string(&so->low)) >= 0)
			return true;
		first = ps_page_find_from(page, end, ps_string(&so->low));
	}
}

/*
 * A scan may end early: its first batches are small. Makes the stretch of
 * entries shorter, and sets the end of the batch then, and returns true.
 */
static bool
ps_clip(PsScan *so, Page page, bool forward, OffsetNumber *first, OffsetNumber *end)
{
	PsBatch    *batch = so->current;

	if (so->limit == 0 || !so->single || so->nfiltered > 0 ||
		*end - *first <= so->limit)
		return false;
	if (forward)
	{
		*end = *first + so->limit;
		ps_need_string(so, &batch->to);
		ps_page_string(page, *end, &batch->to);
		batch->right_hint = batch->block;
	}
	else
	{
		*first = *end - so->limit;
		ps_need_string(so, &batch->from);
		ps_page_string(page, *first, &batch->from);
		batch->more_left = true;
		batch->left_hint = batch->block;
	}
	so->limit *= PS_LIMIT_FACTOR;
	return true;
}

/* The string against the end of what is read of the page */
static int
ps_compare_end(Page page, PsString key, bool forward, PsString string)
{
	if (!forward)
		return ps_compare(string, key);
	if (ps_page_high_is_infinite(page))
		return string.data == NULL ? 0 : -1;
	return string.data == NULL ? 1 : ps_page_compare_high(page, string);
}

/* Adds the entries from first up to end, if they pass the filters. */
static void
ps_collect(IndexScanDesc scan, Page page, OffsetNumber first, OffsetNumber end)
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
	PsItem	   *item = ps_add_item(so, batch);

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

static PsItem *
ps_add_item(PsScan *so, PsBatch *batch)
{
	if (batch->nitems == batch->max_items)
		ps_need_items(so, batch, 1);
	return &batch->items[batch->nitems++];
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
static void
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
