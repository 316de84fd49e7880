/*-------------------------------------------------------------------------
 *
 * pages.c
 *	  Pages of an index's file: free ones, and the first two.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fault.h"
#include "index/index.h"
#include "storage/indexfsm.h"
#include "storage/lmgr.h"

static bool
is_free(Page page)
{
	return PageIsNew(page) ||
		(ps_page_is_valid(page) && (PsPageOpaque(page)->flags & PS_DELETED) != 0);
}

/*
 * A page that the free space map offers, locked, or InvalidBuffer. The map may
 * be wrong, and may offer a page to two sessions, or one that this session has
 * just got and holds: waiting for the lock could be waiting for ourselves. It
 * is not logged, and after a crash may be ahead of the file.
 */
static Buffer
recycle_page(Relation index)
{
	BlockNumber block;

	while ((block = GetFreeIndexPage(index)) != InvalidBlockNumber)
	{
		Buffer		buffer;

		if (block >= RelationGetNumberOfBlocks(index))
			continue;
		buffer = ReadBuffer(index, block);
		if (ConditionalLockBuffer(buffer))
		{
			if (is_free(BufferGetPage(buffer)))
				return buffer;
			LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		}
		ReleaseBuffer(buffer);
	}
	return InvalidBuffer;
}

/*
 * A page at the end of the file, locked before anybody else can see it: a vacuum
 * would take it for one that is free.
 */
static Buffer
extend_file(Relation index, ForkNumber fork)
{
	bool		lock = !RELATION_IS_LOCAL(index);
	Buffer		buffer;

	if (lock)
		LockRelationForExtension(index, ExclusiveLock);
	buffer = ReadBufferExtended(index, fork, P_NEW, RBM_ZERO_AND_LOCK, NULL);
	if (lock)
		UnlockRelationForExtension(index, ExclusiveLock);
	return buffer;
}

/*
 * ps_new_page() -- A page that is not in the tree, locked exclusively.
 *
 * What is on it does not matter: the caller begins it anew. If it does not, or
 * fails, the page is found by the next vacuum. May be called while other pages
 * are locked.
 */
Buffer
ps_new_page(Relation index)
{
	Buffer		buffer = recycle_page(index);

	if (!BufferIsValid(buffer))
		buffer = extend_file(index, MAIN_FORKNUM);
	RAMA_FAULT("index new page");
	return buffer;
}

static void
write_first(Relation index, ForkNumber fork, BlockNumber block, const StringInfoData *ops)
{
	Buffer		buffer = extend_file(index, fork);

	if (BufferGetBlockNumber(buffer) != block)
		elog(ERROR, "index \"%s\" is not empty", RelationGetRelationName(index));
	ps_write_whole(buffer, ops, fork == INIT_FORKNUM || RelationNeedsWAL(index));
	UnlockReleaseBuffer(buffer);
}

/*
 * ps_init_index() -- Write the meta page and an empty root to an empty fork.
 *
 * WAL-logged; that of unlogged tables (INIT_FORKNUM), too.
 */
void
ps_init_index(Relation index, ForkNumber fork)
{
	StringInfoData ops;

	initStringInfo(&ops);
	ps_op_meta(&ops);
	write_first(index, fork, PS_META_BLOCK, &ops);
	RAMA_FAULT("index first page");
	resetStringInfo(&ops);
	ps_op_init(&ops, 0, InvalidBlockNumber, PS_EMPTY, PS_INFINITE);
	write_first(index, fork, PS_ROOT_BLOCK, &ops);
	pfree(ops.data);
}
