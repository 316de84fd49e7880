/*-------------------------------------------------------------------------
 *
 * merge.c
 *	  Taking pages out of the tree: what is on a page goes to its left
 *	  neighbour, under the same parent, in one WAL record.
 *
 * Called by vacuum only. See "Locks and pins" in README.md: contents move to
 * the left, where scans have been; they are positioned by fences.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "index/index.h"

/* Pages that are less full are merged, if the result is not fuller than that. */
#define SPARSE_SPACE		((int) PS_PAGE_SPACE / 4)
#define MERGED_SPACE		((int) PS_PAGE_SPACE * 3 / 4)

/* Two neighbours and their parent, locked exclusively */
typedef struct PsMerge
{
	Relation	index;
	Buffer		parent;
	OffsetNumber downlink;		/* the right page's */
	Buffer		left;
	Buffer		right;
	StringInfoData high;		/* the right page's, if finite */
	PsString	new_high;
} PsMerge;

static BlockNumber merge_under(Relation index, Buffer parent, PsString low);
static bool begin_merge(PsMerge *merge, Relation index, Buffer parent,
						OffsetNumber downlink);
static void end_merge(PsMerge *merge);
static bool fits(const PsMerge *merge);
static void write_merge(const PsMerge *merge);
static Buffer lock_to_empty(Relation index, BlockNumber block);
static void add_entries(StringInfo ops, OffsetNumber at, Page from, int prefix);
static int	used_space(Page page);

/*
 * ps_page_is_sparse() -- Has a page so few entries that it should be merged?
 */
bool
ps_page_is_sparse(Page page)
{
	return PsPageEntries(page) == 0 || used_space(page) < SPARSE_SPACE;
}

/*
 * ps_merge() -- Merge the page of this level that covers "low" with its left
 * neighbour under the same parent.
 *
 * Returns the block that is free now, or InvalidBlockNumber: there is no such
 * neighbour, or too much on it, or somebody has pinned the page whose contents
 * would move. The caller holds no locks.
 */
BlockNumber
ps_merge(Relation index, PsString low, uint16 level)
{
	Buffer		parent = ps_search(index, low, PS_AT, level + 1, BUFFER_LOCK_EXCLUSIVE);
	BlockNumber block;

	if (!BufferIsValid(parent))
		return InvalidBlockNumber;
	block = merge_under(index, parent, low);
	UnlockReleaseBuffer(parent);
	return block;
}

/*
 * ps_lower_root() -- If the root has only one child, let it take that one's
 * place. Returns the block that is free now, or InvalidBlockNumber.
 */
BlockNumber
ps_lower_root(Relation index)
{
	int			level = ps_root_level(index);
	Buffer		root = level == 0 ? InvalidBuffer :
		ps_search(index, PS_EMPTY, PS_AT, level, BUFFER_LOCK_EXCLUSIVE);
	BlockNumber block = InvalidBlockNumber;
	Buffer		child;

	if (!BufferIsValid(root))
		return InvalidBlockNumber;
	if (BufferGetBlockNumber(root) == PS_ROOT_BLOCK &&
		PsPageEntries(BufferGetPage(root)) == 1)
	{
		block = ps_page_child(BufferGetPage(root), PS_FIRST_ENTRY);
		child = lock_to_empty(index, block);
		if (BufferIsValid(child))
		{
			Page		page = BufferGetPage(child);
			PsWrite		write;
			StringInfo	ops;

			ps_write_begin(&write, index);
			ops = ps_write_page(&write, root, true);
			ps_op_init(ops, PsPageOpaque(page)->level, InvalidBlockNumber, PS_EMPTY,
					   PS_INFINITE);
			add_entries(ops, PS_FIRST_ENTRY, page, 0);
			ps_op_delete(ps_write_page(&write, child, false));
			ps_write_end(&write);
			UnlockReleaseBuffer(child);
		}
		else
			block = InvalidBlockNumber;
	}
	UnlockReleaseBuffer(root);
	return block;
}

static BlockNumber
merge_under(Relation index, Buffer parent, PsString low)
{
	Page		page = BufferGetPage(parent);
	OffsetNumber downlink = ps_page_find_child(page, low, PS_AT);
	BlockNumber block = InvalidBlockNumber;
	PsMerge		merge;

	if (downlink == PS_FIRST_ENTRY || !begin_merge(&merge, index, parent, downlink))
		return InvalidBlockNumber;
	if (fits(&merge))
	{
		block = BufferGetBlockNumber(merge.right);
		write_merge(&merge);
	}
	end_merge(&merge);
	return block;
}

/* Locks the neighbours; false, with neither locked, if the right one is pinned. */
static bool
begin_merge(PsMerge *merge, Relation index, Buffer parent, OffsetNumber downlink)
{
	Page		page = BufferGetPage(parent);

	merge->index = index;
	merge->parent = parent;
	merge->downlink = downlink;
	merge->left = ReadBuffer(index, ps_page_child(page, downlink - 1));
	LockBuffer(merge->left, BUFFER_LOCK_EXCLUSIVE);
	merge->right = lock_to_empty(index, ps_page_child(page, downlink));
	if (!BufferIsValid(merge->right))
	{
		UnlockReleaseBuffer(merge->left);
		return false;
	}
	initStringInfo(&merge->high);
	merge->new_high = PS_INFINITE;
	if (!ps_page_high_is_infinite(BufferGetPage(merge->right)))
	{
		ps_page_high(BufferGetPage(merge->right), &merge->high);
		merge->new_high = ps_string(&merge->high);
	}
	return true;
}

static void
end_merge(PsMerge *merge)
{
	UnlockReleaseBuffer(merge->right);
	UnlockReleaseBuffer(merge->left);
	pfree(merge->high.data);
}

/* With the shorter prefix of both ranges together; empty pages need not leave room. */
static bool
fits(const PsMerge *merge)
{
	Page		left = BufferGetPage(merge->left);
	Page		right = BufferGetPage(merge->right);
	int			prefix = ps_common(ps_page_low(left), merge->new_high);
	int			more = PsPageOpaque(right)->prefix - prefix;
	int			n = PsPageEntries(right);
	int			size = ps_extended_size(left, merge->new_high);

	if (!ps_page_is_intact(left) || !ps_page_is_intact(right) ||
		PsPageOpaque(left)->right != BufferGetBlockNumber(merge->right))
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("block %u is not the sound right neighbour of block %u in index \"%s\"",
						BufferGetBlockNumber(merge->right),
						BufferGetBlockNumber(merge->left),
						RelationGetRelationName(merge->index)),
				 errhint("Please REINDEX it.")));
	size += used_space(right) + n * more;
	return size <= (n == 0 || PsPageEntries(left) == 0 ? (int) PS_PAGE_SPACE : MERGED_SPACE);
}

static void
write_merge(const PsMerge *merge)
{
	Page		left = BufferGetPage(merge->left);
	Page		right = BufferGetPage(merge->right);
	PsWrite		write;
	StringInfo	ops;

	ps_write_begin(&write, merge->index);
	ops = ps_write_page(&write, merge->left, false);
	ps_op_extend(ops, merge->new_high, PsPageOpaque(right)->right);
	add_entries(ops, PsPageEnd(left), right, ps_common(ps_page_low(left), merge->new_high));
	ps_op_delete(ps_write_page(&write, merge->right, false));
	ps_op_remove(ps_write_page(&write, merge->parent, false), &merge->downlink, 1);
	ps_write_end(&write);
}

/* A page whose contents are to move; InvalidBuffer if somebody has pinned it. */
static Buffer
lock_to_empty(Relation index, BlockNumber block)
{
	Buffer		buffer = ReadBuffer(index, block);

	if (ConditionalLockBufferForCleanup(buffer))
		return buffer;
	ReleaseBuffer(buffer);
	return InvalidBuffer;
}

/* All entries of a page, for one with a shorter prefix, from the offset "at" on */
static void
add_entries(StringInfo ops, OffsetNumber at, Page from, int prefix)
{
	StringInfoData string;

	initStringInfo(&string);
	for (OffsetNumber i = PS_FIRST_ENTRY; i < PsPageEnd(from); i++)
	{
		PsString	suffix;

		ps_page_string(from, i, &string);
		suffix = (PsString)
		{
			string.data + prefix, string.len - prefix
		};
		if (PsPageIsLeaf(from))
			ps_op_add(ops, at++, suffix);
		else
			ps_op_add_child(ops, at++, suffix, ps_page_child(from, i));
	}
	pfree(string.data);
}

/* What the entries take, line pointers included */
static int
used_space(Page page)
{
	return PS_PAGE_SPACE - ps_page_free(page) - 2 * (int) sizeof(ItemIdData) -
		ItemIdGetLength(PageGetItemId(page, PS_LOW_FENCE)) -
		ItemIdGetLength(PageGetItemId(page, PS_HIGH_FENCE));
}
