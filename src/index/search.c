/*-------------------------------------------------------------------------
 *
 * search.c
 *	  Going to the page of a level that covers a string. Nobody believes a
 *	  block number: every landing validates itself (README.md, invariant 5).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "index/index.h"
#include "miscadmin.h"

/*
 * Searches begin again when pages have moved under them, which more than a few
 * times in a row is next to impossible: then the index is damaged.
 */
#define MAX_RESTARTS		10000

static Buffer descend(Relation index, PsString key, PsSide side,
					  uint16 level, int lockmode, bool *above_root);
static Buffer lock_root(Relation index, uint16 level, int lockmode,
						uint16 *root_level);
static Buffer land(Relation index, BlockNumber block, PsString key,
				   PsSide side, uint16 level, int lockmode);
static Buffer lock_page(Relation index, BlockNumber block, int lockmode);
static void report_corrupted_page(Relation index, BlockNumber block);
static bool is_beyond(Page page, PsString key, PsSide side);
pg_noreturn static void report_endless_search(Relation index);

/*
 * The page of this level that covers "key" on this side, pinned and locked in
 * "lockmode"; InvalidBuffer if the root is below the level. The caller holds
 * no locks on pages of the index. Errors: XX002 for pages that are none.
 */
Buffer
ps_search(Relation index, PsString key, PsSide side, uint16 level,
		  int lockmode)
{
	for (int i = 0; i < MAX_RESTARTS; i++)
	{
		bool		above_root = false;
		Buffer		buffer = descend(index, key, side, level, lockmode,
									 &above_root);

		if (BufferIsValid(buffer) || above_root)
			return buffer;
		CHECK_FOR_INTERRUPTS();
	}
	report_endless_search(index);
}

/* The level of the root at this moment: 0 if it is a leaf. */
int
ps_root_level(Relation index)
{
	Buffer		root = lock_page(index, PS_ROOT_BLOCK, BUFFER_LOCK_SHARE);
	int			level = PsPageOpaque(BufferGetPage(root))->level;

	UnlockReleaseBuffer(root);
	return level;
}

/* One attempt. InvalidBuffer, and not above the root: begin again. */
static Buffer
descend(Relation index, PsString key, PsSide side, uint16 level,
		int lockmode, bool *above_root)
{
	uint16		at;
	Buffer		buffer = lock_root(index, level, lockmode, &at);

	if (at < level)
	{
		UnlockReleaseBuffer(buffer);
		*above_root = true;
		return InvalidBuffer;
	}
	while (at > level)
	{
		Page		page = BufferGetPage(buffer);
		BlockNumber child = ps_page_child(page,
										  ps_page_find_child(page, key, side));

		UnlockReleaseBuffer(buffer);
		at--;
		buffer = land(index, child, key, side, at,
					  at == level ? lockmode : BUFFER_LOCK_SHARE);
		if (!BufferIsValid(buffer))
			return InvalidBuffer;
	}
	return buffer;
}

/*
 * The root, which covers everything, locked in "lockmode" if it is of the
 * level that is wanted, else for reading.
 */
static Buffer
lock_root(Relation index, uint16 level, int lockmode, uint16 *root_level)
{
	int			held = BUFFER_LOCK_SHARE;
	Buffer		root = lock_page(index, PS_ROOT_BLOCK, held);

	for (;;)
	{
		int			wanted;

		*root_level = PsPageOpaque(BufferGetPage(root))->level;
		wanted = *root_level == level ? lockmode : BUFFER_LOCK_SHARE;
		if (held == wanted || *root_level < level)
			return root;

		/* It may get another level meanwhile. */
		LockBuffer(root, BUFFER_LOCK_UNLOCK);
		LockBuffer(root, wanted);
		held = wanted;
	}
}

/*
 * The page of this block, or one to its right, if it covers the key and is of
 * this level. Else, or if it has gone from the tree, InvalidBuffer.
 */
static Buffer
land(Relation index, BlockNumber block, PsString key, PsSide side,
	 uint16 level, int lockmode)
{
	while (block != InvalidBlockNumber)
	{
		Buffer		buffer = lock_page(index, block, lockmode);
		Page		page = BufferGetPage(buffer);

		block = InvalidBlockNumber;
		if (!PageIsNew(page) && !(PsPageOpaque(page)->flags & PS_DELETED) &&
			PsPageOpaque(page)->level == level)
		{
			if (ps_page_covers(page, key, side))
				return buffer;
			if (is_beyond(page, key, side))
				block = PsPageOpaque(page)->right;
		}
		UnlockReleaseBuffer(buffer);
	}
	return InvalidBuffer;
}

/* Pins and locks a page, which is one of ours or has never been used. */
static Buffer
lock_page(Relation index, BlockNumber block, int lockmode)
{
	Buffer		buffer = ReadBuffer(index, block);
	Page		page = BufferGetPage(buffer);

	LockBuffer(buffer, lockmode);
	if (PageIsNew(page) ? block == PS_ROOT_BLOCK : !ps_page_is_valid(page))
		report_corrupted_page(index, block);
	return buffer;
}

static void
report_corrupted_page(Relation index, BlockNumber block)
{
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" contains corrupted page at block %u",
					RelationGetRelationName(index), block),
			 errhint("Please REINDEX it.")));
}

/* Is what is searched for on the right of the page? */
static bool
is_beyond(Page page, PsString key, PsSide side)
{
	int			order = ps_page_compare_high(page, key);

	return side == PS_AT ? order >= 0 : order > 0;
}

static void
report_endless_search(Relation index)
{
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("no page of index \"%s\" covers what is searched for",
					RelationGetRelationName(index)),
			 errhint("Please REINDEX it.")));
}
