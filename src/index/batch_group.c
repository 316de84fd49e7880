/*-------------------------------------------------------------------------
 *
 * batch_group.c
 *	  Entries of a batch that go to neighbouring leaves: one descent, to their
 *	  parent, and one WAL record for several leaves.
 *
 * The parent is not locked any more when the leaves are, so that they have to
 * be validated as in any search. What is one of them no longer may be any page
 * of the tree: therefore nothing waits for the lock of one while it holds
 * another one's (README.md, "Locks and pins").
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "index/batch.h"

/* Leaves that get more are not scattered ones. */
#define MAX_ENTRIES		64

/* A leaf, and the entries that belong to it */
typedef struct GroupLeaf
{
	BlockNumber block;
	int			first;
	int			end;
	Buffer		buffer;
} GroupLeaf;

typedef struct PsGroup
{
	PsBatch    *batch;
	int			n;
	GroupLeaf	leaves[PS_WRITE_PAGES];
} PsGroup;

static void find_leaves(PsGroup *group, int first);
static int	end_of_child(PsBatch *batch, Page parent, OffsetNumber downlink,
						 int first);
static bool lock_leaf(PsGroup *group, int i);
static bool covers_all(const PsGroup *group, const GroupLeaf *leaf);
static bool add_to_leaf(PsGroup *group, GroupLeaf *leaf, PsWrite *write);

/*
 * Adds the entries from the first on to up to four leaves, as long as each has
 * room for all that belong to it, none of which has another row beside it, and
 * nobody else has locked it. Returns how many; 0: none, or they are for one
 * leaf only.
 *
 * The caller holds no locks.
 */
int
ps_batch_group(PsBatch *batch, int first)
{
	PsGroup		group = {.batch = batch};
	PsWrite		write;
	int			done = 0;
	int			locked = 0;

	find_leaves(&group, first);
	if (group.n < 2)
		return 0;
	ps_write_begin(&write, batch->index);
	while (locked < group.n && lock_leaf(&group, locked))
	{
		if (!add_to_leaf(&group, &group.leaves[locked++], &write))
			break;
		done++;
	}
	if (done > 0)
		ps_write_end(&write);
	while (locked > 0)
		UnlockReleaseBuffer(group.leaves[--locked].buffer);
	return done > 0 ? group.leaves[done - 1].end - first : 0;
}

/* The children of one parent that cover the entries */
static void
find_leaves(PsGroup *group, int first)
{
	PsBatch    *batch = group->batch;
	Buffer		parent = ps_search(batch->index, batch->entries[first].string,
								   PS_AT, 1, BUFFER_LOCK_SHARE);
	Page		page;

	if (!BufferIsValid(parent))
		return;
	page = BufferGetPage(parent);
	while (group->n < PS_WRITE_PAGES && first < batch->n &&
		   ps_page_compare_high(page, batch->entries[first].string) < 0)
	{
		GroupLeaf  *leaf = &group->leaves[group->n];
		OffsetNumber downlink = ps_page_find_child(page,
												   batch->entries[first].string,
												   PS_AT);

		leaf->block = ps_page_child(page, downlink);
		leaf->first = first;
		leaf->end = end_of_child(batch, page, downlink, first);
		if (leaf->end - first > MAX_ENTRIES)
			break;
		first = leaf->end;
		group->n++;
	}
	UnlockReleaseBuffer(parent);
}

/* The first entry that is not this child's; if too many are, one of them */
static int
end_of_child(PsBatch *batch, Page parent, OffsetNumber downlink, int first)
{
	int			prefix = PsPageOpaque(parent)->prefix;
	int			max = Min(batch->n, first + MAX_ENTRIES + 1);
	int			end = first + 1;

	for (; end < max; end++)
	{
		PsString	string = batch->entries[end].string;

		if (downlink + 1 == PsPageEnd(parent))
		{
			if (ps_page_compare_high(parent, string) >= 0)
				break;
		}
		else if (string.len < prefix ||
				 memcmp(string.data, ps_page_low(parent).data, prefix) != 0 ||
				 ps_compare((PsString) {string.data + prefix, string.len - prefix},
							ps_page_suffix(parent, downlink + 1)) >= 0)
			break;
	}
	return end;
}

/* Locks a leaf of the group, if it still is what it was. */
static bool
lock_leaf(PsGroup *group, int i)
{
	GroupLeaf  *leaf = &group->leaves[i];

	leaf->buffer = ReadBuffer(group->batch->index, leaf->block);
	if (i == 0)
		LockBuffer(leaf->buffer, BUFFER_LOCK_EXCLUSIVE);
	else if (!ConditionalLockBuffer(leaf->buffer))
	{
		ReleaseBuffer(leaf->buffer);
		return false;
	}
	if (covers_all(group, leaf))
		return true;
	UnlockReleaseBuffer(leaf->buffer);
	return false;
}

static bool
covers_all(const PsGroup *group, const GroupLeaf *leaf)
{
	Page		page = BufferGetPage(leaf->buffer);
	PsBatchEntry *entries = group->batch->entries;

	return !PageIsNew(page) && ps_page_is_valid(page) && PsPageIsLeaf(page) &&
		(PsPageOpaque(page)->flags & PS_DELETED) == 0 &&
		ps_page_covers(page, entries[leaf->first].string, PS_AT) &&
		ps_page_covers(page, entries[leaf->end - 1].string, PS_AT);
}

/* False if not all entries can be added, and then the write is as it was. */
static bool
add_to_leaf(PsGroup *group, GroupLeaf *leaf, PsWrite *write)
{
	PsBatch    *batch = group->batch;
	Page		page = BufferGetPage(leaf->buffer);
	int			prefix = PsPageOpaque(page)->prefix;
	int			free = ps_page_free(page);
	OffsetNumber offsets[MAX_ENTRIES];
	StringInfo	ops;

	for (int i = leaf->first; i < leaf->end; i++)
	{
		PsString	string = batch->entries[i].string;
		OffsetNumber offset = i == leaf->first ? ps_page_find(page, string) :
			ps_page_find_from(page, offsets[i - leaf->first - 1], string);

		free -= sizeof(ItemIdData) + string.len - prefix;
		if (free < 0 || !ps_batch_is_alone(batch, page, i, offset))
			return false;
		offsets[i - leaf->first] = offset;
	}
	ops = ps_write_page(write, leaf->buffer, false);
	for (int i = leaf->first; i < leaf->end; i++)
	{
		PsString	string = batch->entries[i].string;

		ps_op_add(ops, offsets[i - leaf->first] + (i - leaf->first),
				  (PsString) {string.data + prefix, string.len - prefix});
	}
	return true;
}
