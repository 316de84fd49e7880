/*-------------------------------------------------------------------------
 *
 * split.c
 *	  Making room on a page by splitting it. A split is one WAL record of the
 *	  page, the new one on its right, and the downlink; the root's moves what
 *	  it has to two new pages.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "index/index.h"
#include "index/split.h"
#include "miscadmin.h"

static bool split_root(Relation index, uint16 level, PsArrival *arrival);
static bool split_child(Relation index, uint16 level, PsArrival *arrival,
						int *parent_size);
static void write_root_split(Relation index, Buffer root,
							 const PsSplit *split);
static void write_split(Relation index, Buffer parent, OffsetNumber downlink,
						Buffer child, const PsSplit *split);
static void add_entries(StringInfo ops, Page page, OffsetNumber from,
						OffsetNumber to, int prefix);
static PsString skip(PsString string, int n);

/*
 * Sees to it that at least "size" bytes, a line pointer included, are free on
 * the page of this level where "key" belongs: by one split, or by none if
 * there is room by now. Others may take the room before the caller does, and
 * entries of very different sizes may want another split: the caller looks,
 * and tries again.
 *
 * On a leaf, "key" is the entry that is to come. run > 0: so many entries,
 * about as large, follow in order at the same place; if they need more than
 * one page, this one is split there, and they fill the left one.
 *
 * The caller holds no locks. New pages that are lost by an error are found by
 * vacuum.
 */
void
ps_make_room(Relation index, PsString key, uint16 level, int size, int run)
{
	PsArrival	arrival = {
		.index = index,
		.key = key,
		.size = size,
		.run = run
	};

	for (;;)
	{
		int			parent_size = 0;

		CHECK_FOR_INTERRUPTS();
		if (ps_root_level(index) <= level)
		{
			if (split_root(index, level, &arrival))
				return;
		}
		else if (split_child(index, level, &arrival, &parent_size))
			return;
		if (parent_size > 0)
			ps_make_room(index, key, level + 1, parent_size, 0);
	}
}

/* Splits the root, or finds room there. False: it is not of this level. */
static bool
split_root(Relation index, uint16 level, PsArrival *arrival)
{
	Buffer		root = ps_search(index, PS_EMPTY, PS_AT, level,
								 BUFFER_LOCK_EXCLUSIVE);
	Page		page;
	PsSplit		split;

	if (!BufferIsValid(root))
		return false;
	page = BufferGetPage(root);
	if (BufferGetBlockNumber(root) != PS_ROOT_BLOCK)
	{
		UnlockReleaseBuffer(root);
		return false;
	}
	if (ps_page_free(page) < arrival->size)
	{
		ps_choose_split(page, arrival, &split);
		write_root_split(index, root, &split);
		pfree(split.separator.data);
	}
	UnlockReleaseBuffer(root);
	return true;
}

/*
 * Splits a page that has a parent, or finds room there. False: there is no
 * parent any more, or it has no room for parent_size bytes, which are needed.
 */
static bool
split_child(Relation index, uint16 level, PsArrival *arrival,
			int *parent_size)
{
	Buffer		parent = ps_search(index, arrival->key, PS_AT, level + 1,
								   BUFFER_LOCK_EXCLUSIVE);
	Page		page;
	OffsetNumber downlink;
	Buffer		child;

	if (!BufferIsValid(parent))
		return false;
	page = BufferGetPage(parent);
	downlink = ps_page_find_child(page, arrival->key, PS_AT);
	child = ps_lock_child(index, parent, downlink, arrival->key, level);
	if (ps_page_free(BufferGetPage(child)) < arrival->size)
	{
		PsSplit		split;
		int			size;

		ps_choose_split(BufferGetPage(child), arrival, &split);
		size = sizeof(ItemIdData) + PS_CHILD_SIZE + split.separator.len -
			PsPageOpaque(page)->prefix;
		if (ps_page_free(page) < size)
			*parent_size = size;
		else
			write_split(index, parent, downlink, child, &split);
		pfree(split.separator.data);
	}
	UnlockReleaseBuffer(child);
	UnlockReleaseBuffer(parent);
	return *parent_size == 0;
}

/*
 * The child of a parent that the caller has locked, which therefore must be what
 * the downlink says. Locked exclusively.
 */
Buffer
ps_lock_child(Relation index, Buffer parent, OffsetNumber downlink, PsString key,
		   uint16 level)
{
	BlockNumber block = ps_page_child(BufferGetPage(parent), downlink);
	Buffer		child = ReadBuffer(index, block);
	Page		page = BufferGetPage(child);

	LockBuffer(child, BUFFER_LOCK_EXCLUSIVE);
	if (!ps_page_is_intact(page) || PsPageOpaque(page)->level != level ||
		(PsPageOpaque(page)->flags & PS_DELETED) != 0 ||
		!ps_page_covers(page, key, PS_AT))
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("page at block %u of index \"%s\" is not what its parent at block %u says",
						block, RelationGetRelationName(index),
						BufferGetBlockNumber(parent)),
				 errhint("Please REINDEX it.")));
	return child;
}

/* The root's contents go to two new pages. It stays locked. */
static void
write_root_split(Relation index, Buffer root, const PsSplit *split)
{
	Page		page = BufferGetPage(root);
	uint16		level = PsPageOpaque(page)->level;
	PsString	separator = ps_string(&split->separator);
	Buffer		left = ps_new_page(index);
	Buffer		right = ps_new_page(index);
	PsWrite		write;
	StringInfo	ops;

	ps_write_begin(&write, index);
	ops = ps_write_page(&write, left, true);
	ps_op_init(ops, level, BufferGetBlockNumber(right), PS_EMPTY, separator);
	add_entries(ops, page, PS_FIRST_ENTRY, split->first, 0);
	ops = ps_write_page(&write, right, true);
	ps_op_init(ops, level, InvalidBlockNumber, separator, PS_INFINITE);
	add_entries(ops, page, split->first, PsPageEnd(page), 0);
	ops = ps_write_page(&write, root, true);
	ps_op_init(ops, level + 1, InvalidBlockNumber, PS_EMPTY, PS_INFINITE);
	ps_op_add_child(ops, PS_FIRST_ENTRY, PS_EMPTY, BufferGetBlockNumber(left));
	ps_op_add_child(ops, PS_FIRST_ENTRY + 1, separator,
					BufferGetBlockNumber(right));
	ps_write_end(&write);
	UnlockReleaseBuffer(right);
	UnlockReleaseBuffer(left);
}

/* What is right of the separator goes to a new page. Both stay locked. */
static void
write_split(Relation index, Buffer parent, OffsetNumber downlink,
			Buffer child, const PsSplit *split)
{
	Page		page = BufferGetPage(child);
	PsString	separator = ps_string(&split->separator);
	Buffer		right = ps_new_page(index);
	StringInfoData buf;
	PsString	high = ps_page_high_string(page, &buf);
	PsWrite		write;
	StringInfo	ops;

	ps_write_begin(&write, index);
	ops = ps_write_page(&write, child, false);
	ps_op_cut(ops, split->first, separator, BufferGetBlockNumber(right));
	ops = ps_write_page(&write, right, true);
	ps_op_init(ops, PsPageOpaque(page)->level, PsPageOpaque(page)->right,
			   separator, high);
	add_entries(ops, page, split->first, PsPageEnd(page),
				ps_common(separator, high));
	ops = ps_write_page(&write, parent, false);
	ps_op_add_child(ops, downlink + 1,
					skip(separator, PsPageOpaque(BufferGetPage(parent))->prefix),
					BufferGetBlockNumber(right));
	ps_write_end(&write);
	UnlockReleaseBuffer(right);
	pfree(buf.data);
}

/*
 * Adds entries of a page to a new one whose prefix is longer, or the same:
 * what the separator and the old high fence have in common.
 */
static void
add_entries(StringInfo ops, Page page, OffsetNumber from, OffsetNumber to,
			int prefix)
{
	OffsetNumber at = PS_FIRST_ENTRY;
	int			longer = prefix - PsPageOpaque(page)->prefix;

	for (OffsetNumber i = from; i < to; i++)
	{
		PsString	suffix = skip(ps_page_suffix(page, i), longer);

		if (PsPageIsLeaf(page))
			ps_op_add(ops, at++, suffix);
		else
			ps_op_add_child(ops, at++, suffix, ps_page_child(page, i));
	}
}

/* The high fence, infinite or not. "high" is begun, and keeps it. */
PsString
ps_page_high_string(Page page, StringInfo high)
{
	initStringInfo(high);
	if (ps_page_high_is_infinite(page))
		return PS_INFINITE;
	ps_page_high(page, high);
	return ps_string(high);
}

static PsString
skip(PsString string, int n)
{
	Assert(n >= 0 && n <= string.len);
	return (PsString)
	{
		string.data + n, string.len - n
	};
}
