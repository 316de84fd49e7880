/*-------------------------------------------------------------------------
 *
 * scan_batch.c
 *	  Reads what matches, one stretch of a leaf at a time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "index/scan.h"
#include "pgstat.h"
#include "utils/snapmgr.h"

static void ps_begin_batch(IndexScanDesc scan);
static Buffer ps_get_leaf(IndexScanDesc scan, PsString key, PsSide side, BlockNumber hint);
static void ps_read_leaf(IndexScanDesc scan, Buffer buffer, PsString key,
						 bool forward, bool is_first);
static bool ps_read_ranges(IndexScanDesc scan, Page page, PsString key, bool forward);
static bool ps_clip(PsScan *so, Page page, bool forward,
					OffsetNumber *first, OffsetNumber *end);
static int	ps_compare_end(Page page, PsString key, bool forward, PsString string);

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
			ps_collect_items(scan, page, first, end);

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
