/*-------------------------------------------------------------------------
 *
 * vacuum.c
 *	  Removing the entries of dead rows, and pages that have few.
 *
 * Leaves are processed in the order of their strings, each range once, however
 * pages are split meanwhile: entries move to the right only, where vacuum has
 * yet to come. Whoever has pinned a leaf, and so relies on tids that were on
 * it, is waited for, before entries that were there, or to its right by now,
 * are all gone. See "Locks and pins" in README.md.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/progress.h"
#include "commands/vacuum.h"
#include "compat.h"
#include "index/index.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/indexfsm.h"
#include "storage/lmgr.h"

typedef struct PsVacuum
{
	Relation	index;
	const PsIndex *info;
	BufferAccessStrategy strategy;
	IndexBulkDeleteResult *stats;
	IndexBulkDeleteCallback callback;
	void	   *callback_state;
	BlockNumber nblocks;		/* when it began */
	uint8	   *in_tree;		/* a bit for each of these blocks */
	StringInfoData position;	/* all strings below it are done */
	StringInfoData fetched;		/* children of parents below it were asked for */
	bool		fetched_all;
	bool		report_progress;
	BlockNumber nleaves;		/* that were processed */
	StringInfoData entry;
} PsVacuum;

static void vacuum_leaves(PsVacuum *vacuum);
static void fetch_children(PsVacuum *vacuum);
static Buffer lock_next_leaf(PsVacuum *vacuum, BlockNumber block);
static void vacuum_leaf(PsVacuum *vacuum, Buffer leaf);
static bool get_tid(PsVacuum *vacuum, Page page, OffsetNumber offset, ItemPointer tid);
static void merge_level(PsVacuum *vacuum, uint16 level);
static void record_freed(PsVacuum *vacuum, BlockNumber block);
static void record_free(PsVacuum *vacuum, BlockNumber block);
static void report_leaf(PsVacuum *vacuum);
static void note_in_tree(PsVacuum *vacuum, BlockNumber block);
static void find_free_pages(PsVacuum *vacuum);
static void init_vacuum(PsVacuum *vacuum, IndexVacuumInfo *info);

/*
 * ps_bulk_delete() -- ambulkdelete: remove the entries whose rows the callback
 * says are dead, then merge pages that have become sparse.
 */
IndexBulkDeleteResult *
ps_bulk_delete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
			   IndexBulkDeleteCallback callback, void *callback_state)
{
	PsVacuum	vacuum;
	BlockNumber freed;

	if (stats == NULL)
		stats = palloc0(sizeof(IndexBulkDeleteResult));
	stats->estimated_count = false;
	stats->num_index_tuples = 0;
	stats->pages_deleted = 0;
	stats->pages_free = 0;
	init_vacuum(&vacuum, info);
	vacuum.stats = stats;
	vacuum.callback = callback;
	vacuum.callback_state = callback_state;

	vacuum_leaves(&vacuum);
	for (int level = 1; level <= ps_root_level(info->index); level++)
		merge_level(&vacuum, level);
	while ((freed = ps_lower_root(info->index)) != InvalidBlockNumber)
		record_freed(&vacuum, freed);
	find_free_pages(&vacuum);

	pfree(vacuum.in_tree);
	pfree(vacuum.position.data);
	pfree(vacuum.fetched.data);
	pfree(vacuum.entry.data);
	return stats;
}

/*
 * ps_vacuum_cleanup() -- amvacuumcleanup: make free pages known.
 *
 * Without dead rows there is nothing to do: pages are free as soon as they are
 * not in the tree.
 */
IndexBulkDeleteResult *
ps_vacuum_cleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	if (info->analyze_only || stats == NULL)
		return stats;
	IndexFreeSpaceMapVacuum(info->index);
	stats->num_pages = RelationGetNumberOfBlocks(info->index);
	if (!info->estimated_count && stats->num_index_tuples > info->num_heap_tuples)
		stats->num_index_tuples = info->num_heap_tuples;
	return stats;
}

static void
init_vacuum(PsVacuum *vacuum, IndexVacuumInfo *info)
{
	memset(vacuum, 0, sizeof(*vacuum));
	vacuum->index = info->index;
	vacuum->info = ps_index(info->index);
	vacuum->strategy = info->strategy;
	vacuum->report_progress = info->report_progress;
	vacuum->nblocks = RelationGetNumberOfBlocks(info->index);
	vacuum->in_tree = palloc0(vacuum->nblocks / 8 + 1);
	initStringInfo(&vacuum->position);
	initStringInfo(&vacuum->fetched);
	initStringInfo(&vacuum->entry);
	note_in_tree(vacuum, PS_META_BLOCK);
	note_in_tree(vacuum, PS_ROOT_BLOCK);
}

/*
 * A page is merged with its left neighbour if one of them is sparse, when both
 * have been vacuumed: what is dead is not moved.
 */
static void
vacuum_leaves(PsVacuum *vacuum)
{
	BlockNumber next = InvalidBlockNumber;
	StringInfoData low;
	bool		sparse = false;
	bool		last;

	initStringInfo(&low);
	do
	{
		Buffer		leaf;
		Page		page;
		bool		merge = sparse;

		vacuum_delay_point_compat();
		fetch_children(vacuum);
		leaf = lock_next_leaf(vacuum, next);
		page = BufferGetPage(leaf);
		note_in_tree(vacuum, BufferGetBlockNumber(leaf));
		vacuum_leaf(vacuum, leaf);

		last = PsPageIsLast(page);
		next = PsPageOpaque(page)->right;
		sparse = ps_page_is_sparse(page);
		resetStringInfo(&low);
		appendBinaryStringInfo(&low, ps_page_low(page).data, ps_page_low(page).len);
		if (!last)
			ps_page_high(page, &vacuum->position);
		UnlockReleaseBuffer(leaf);
		if (merge || sparse)
			record_freed(vacuum, ps_merge(vacuum->index, ps_string(&low), 0));
		report_leaf(vacuum);
	} while (!last);
	pfree(low.data);
}

/* The leaves below a parent are read ahead when the first of them is next. */
static void
fetch_children(PsVacuum *vacuum)
{
	PsString	position = ps_string(&vacuum->position);
	Buffer		parent;
	Page		page;

	if (vacuum->fetched_all ||
		(vacuum->fetched.len > 0 &&
		 ps_compare(position, ps_string(&vacuum->fetched)) < 0))
		return;
	parent = ps_search(vacuum->index, position, PS_AT, 1, BUFFER_LOCK_SHARE);
	if (!BufferIsValid(parent))
		return;
	page = BufferGetPage(parent);
	for (OffsetNumber i = ps_page_find_child(page, position, PS_AT); i < PsPageEnd(page); i++)
		PrefetchBuffer(vacuum->index, MAIN_FORKNUM, ps_page_child(page, i));
	if (PsPageIsLast(page))
		vacuum->fetched_all = true;
	else
		ps_page_high(page, &vacuum->fetched);
	UnlockReleaseBuffer(parent);
}

/*
 * The leaf where the position is, which may be this block, with a cleanup
 * lock.
 */
static Buffer
lock_next_leaf(PsVacuum *vacuum, BlockNumber block)
{
	PsString	position = ps_string(&vacuum->position);

	for (;;)
	{
		Buffer		leaf;
		Page		page;

		if (block == InvalidBlockNumber)
		{
			leaf = ps_search(vacuum->index, position, PS_AT, 0, BUFFER_LOCK_SHARE);
			LockBuffer(leaf, BUFFER_LOCK_UNLOCK);
		}
		else
			leaf = ReadBufferExtended(vacuum->index, MAIN_FORKNUM, block, RBM_NORMAL,
									  vacuum->strategy);
		LockBufferForCleanup(leaf);
		page = BufferGetPage(leaf);
		if (!PageIsNew(page) && ps_page_is_valid(page) &&
			(PsPageOpaque(page)->flags & PS_DELETED) == 0 && PsPageIsLeaf(page) &&
			ps_page_covers(page, position, PS_AT))
			return leaf;
		UnlockReleaseBuffer(leaf);
		block = InvalidBlockNumber;
		CHECK_FOR_INTERRUPTS();
	}
}

/* Progress of CREATE INDEX CONCURRENTLY, which looks for missing entries */
static void
report_leaf(PsVacuum *vacuum)
{
	vacuum->nleaves++;
	if (!vacuum->report_progress)
		return;
	pgstat_progress_update_param(PROGRESS_SCAN_BLOCKS_TOTAL, vacuum->nblocks);
	pgstat_progress_update_param(PROGRESS_SCAN_BLOCKS_DONE, Min(vacuum->nleaves, vacuum->nblocks));
}

/* Entries below the position are done: a merge has brought others to their page. */
static void
vacuum_leaf(PsVacuum *vacuum, Buffer leaf)
{
	Page		page = BufferGetPage(leaf);
	OffsetNumber offsets[MaxOffsetNumber];
	OffsetNumber first = ps_page_find(page, ps_string(&vacuum->position));
	int			n = 0;

	for (OffsetNumber i = first; i < PsPageEnd(page); i++)
	{
		ItemPointerData tid;

		if (get_tid(vacuum, page, i, &tid) &&
			vacuum->callback(&tid, vacuum->callback_state))
			offsets[n++] = i;
	}
	vacuum->stats->num_index_tuples += PsPageEnd(page) - first - n;
	vacuum->stats->tuples_removed += n;
	if (n > 0)
		ps_remove_entries(vacuum->index, leaf, offsets, n, InvalidTransactionId);
}

/* The tid is what the entry ends with, but for the payload. */
static bool
get_tid(PsVacuum *vacuum, Page page, OffsetNumber offset, ItemPointer tid)
{
	PsString	suffix = ps_page_suffix(page, offset);

	if (vacuum->info->has_payload || suffix.len < PS_TID_SIZE)
	{
		PsEntry		parts;

		ps_page_string(page, offset, &vacuum->entry);
		ps_parse(vacuum->info, ps_string(&vacuum->entry), &parts);
		*tid = parts.tid;
	}
	else
		ps_get_tid(suffix.data + suffix.len - PS_TID_SIZE, tid);
	return ItemPointerIsValid(tid);
}

/* Notes the pages of an inner level, and merges those that are sparse. */
static void
merge_level(PsVacuum *vacuum, uint16 level)
{
	StringInfoData low;
	bool		sparse = false;
	bool		last;

	initStringInfo(&low);
	resetStringInfo(&vacuum->position);
	do
	{
		Buffer		buffer;
		Page		page;
		bool		merge = sparse;

		vacuum_delay_point_compat();
		buffer = ps_search(vacuum->index, ps_string(&vacuum->position), PS_AT, level,
						   BUFFER_LOCK_SHARE);
		if (!BufferIsValid(buffer))
			break;
		page = BufferGetPage(buffer);
		note_in_tree(vacuum, BufferGetBlockNumber(buffer));
		sparse = ps_page_is_sparse(page);
		last = PsPageIsLast(page);
		resetStringInfo(&low);
		appendBinaryStringInfo(&low, ps_page_low(page).data, ps_page_low(page).len);
		if (!last)
			ps_page_high(page, &vacuum->position);
		UnlockReleaseBuffer(buffer);
		if (merge || sparse)
			record_freed(vacuum, ps_merge(vacuum->index, ps_string(&low), level));
	} while (!last);
	pfree(low.data);
}

static void
record_freed(PsVacuum *vacuum, BlockNumber block)
{
	if (block == InvalidBlockNumber)
		return;
	vacuum->stats->pages_newly_deleted++;
	if (block < vacuum->nblocks)
		vacuum->in_tree[block / 8] &= ~(1 << (block % 8));
	else
		record_free(vacuum, block);
}

/* Deleted pages are free at once. */
static void
record_free(PsVacuum *vacuum, BlockNumber block)
{
	vacuum->stats->pages_deleted++;
	vacuum->stats->pages_free++;
	RecordFreeIndexPage(vacuum->index, block);
}

static void
note_in_tree(PsVacuum *vacuum, BlockNumber block)
{
	if (block < vacuum->nblocks)
		vacuum->in_tree[block / 8] |= 1 << (block % 8);
}

/*
 * Pages that were not seen in the tree: freed by now, freed once and forgotten
 * by the free space map, never used, or new in the tree.
 */
static void
find_free_pages(PsVacuum *vacuum)
{
	for (BlockNumber block = 0; block < vacuum->nblocks; block++)
	{
		Buffer		buffer;
		Page		page;

		if (vacuum->in_tree[block / 8] & (1 << (block % 8)))
			continue;
		vacuum_delay_point_compat();
		buffer = ReadBufferExtended(vacuum->index, MAIN_FORKNUM, block, RBM_NORMAL,
									vacuum->strategy);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		page = BufferGetPage(buffer);
		if (PageIsNew(page) ||
			(ps_page_is_valid(page) && (PsPageOpaque(page)->flags & PS_DELETED) != 0))
			record_free(vacuum, block);
		UnlockReleaseBuffer(buffer);
	}
	vacuum->stats->num_pages = vacuum->nblocks;
}
