/*-------------------------------------------------------------------------
 *
 * check_page.c
 *	  Is a page what the functions of change.c leave behind?
 *
 * Every byte of a page but free space has to be right here: nothing may be
 * read of it that was not looked at before.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "index/index.h"

static const char *check_header(Page page);
static const char *check_line_pointers(Page page);
static const char *check_fences(Page page);
static const char *check_order(Page page);
static PsString item(Page page, OffsetNumber offset);

/*
 * ps_check_page() -- What is wrong with a page of the tree by itself; NULL if
 * nothing is. Reads nothing but the page.
 */
const char *
ps_check_page(Page page)
{
	const char *wrong = check_header(page);

	if (wrong == NULL)
		wrong = check_line_pointers(page);
	if (wrong == NULL)
		wrong = check_fences(page);
	if (wrong == NULL)
		wrong = check_order(page);
	return wrong;
}

/*
 * ps_check_meta() -- The same for the meta page.
 */
const char *
ps_check_meta(Page page)
{
	PageHeader	header = (PageHeader) page;
	PsMeta	   *meta = (PsMeta *) PageGetContents(page);

	if (PageIsNew(page) ||
		header->pd_flags != 0 ||
		PageGetPageSize(page) != BLCKSZ ||
		PageGetPageLayoutVersion(page) != PG_PAGE_LAYOUT_VERSION ||
		header->pd_lower != (char *) (meta + 1) - (char *) page ||
		header->pd_upper != BLCKSZ || header->pd_special != BLCKSZ ||
		header->pd_prune_xid != InvalidTransactionId)
		return "wrong page header";
	if (meta->magic != PS_MAGIC)
		return "not the meta page of an index";
	if (meta->version != PS_VERSION)
		return "unknown version";
	return NULL;
}

static const char *
check_header(Page page)
{
	PageHeader	header = (PageHeader) page;
	PsOpaque   *opaque;

	if (PageIsNew(page))
		return "the page is empty";
	if (header->pd_flags != 0 || header->pd_prune_xid != InvalidTransactionId ||
		PageGetPageSize(page) != BLCKSZ ||
		PageGetPageLayoutVersion(page) != PG_PAGE_LAYOUT_VERSION ||
		header->pd_special != BLCKSZ - MAXALIGN(sizeof(PsOpaque)) ||
		header->pd_lower < SizeOfPageHeaderData + PS_HIGH_FENCE * sizeof(ItemIdData) ||
		(header->pd_lower - SizeOfPageHeaderData) % sizeof(ItemIdData) != 0 ||
		header->pd_lower > header->pd_upper ||
		header->pd_upper > header->pd_special)
		return "wrong page header";
	opaque = PsPageOpaque(page);
	if (opaque->page_id != PS_PAGE_ID)
		return "not a page of an index";
	if (opaque->flags & PS_DELETED)
		return "a deleted page is in the tree";
	if (opaque->flags != 0)
		return "unknown flags";
	return NULL;
}

/*
 * Each byte between pd_upper and the special space is one item's, in whatever
 * order; only a leaf's entries may be dead.
 */
static const char *
check_line_pointers(Page page)
{
	PageHeader	header = (PageHeader) page;
	bool		used[BLCKSZ] = {false};
	int			total = 0;

	for (OffsetNumber offset = PS_LOW_FENCE; offset < PsPageEnd(page); offset++)
	{
		ItemId		id = PageGetItemId(page, offset);
		int			begin = ItemIdGetOffset(id);
		int			len = ItemIdGetLength(id);
		bool		entry = offset >= PS_FIRST_ENTRY;

		if (!ItemIdIsNormal(id) &&
			!(ItemIdIsDead(id) && entry && PsPageIsLeaf(page)))
			return "wrong state of a line pointer";
		if (begin < header->pd_upper || begin + len > header->pd_special)
			return "a line pointer leads out of the page's items";
		if (entry && !PsPageIsLeaf(page) && len < PS_CHILD_SIZE)
			return "downlink without a block";
		if (memchr(used + begin, true, len) != NULL)
			return "items overlap";
		memset(used + begin, true, len);
		total += len;
	}
	if (total != header->pd_special - header->pd_upper)
		return "bytes that are no item's";
	return NULL;
}

/* low < high, and the prefix is just what they have in common. */
static const char *
check_fences(Page page)
{
	PsString	low = item(page, PS_LOW_FENCE);
	PsString	high = item(page, PS_HIGH_FENCE);
	int			prefix = PsPageOpaque(page)->prefix;
	PsString	rest;

	if (prefix > low.len || low.len > PS_MAX_ENTRY || prefix + high.len > PS_MAX_ENTRY)
		return "wrong length of a fence or the prefix";
	if (PsPageIsLast(page))
		return prefix == 0 && high.len == 0 ? NULL :
			"the last page of its level has a high fence";
	rest = (PsString)
	{
		low.data + prefix, low.len - prefix
	};
	if (ps_compare(rest, high) >= 0)
		return "the low fence is not below the high fence";
	if (ps_common(rest, high) != 0)
		return "the prefix is not all that the fences have in common";
	return NULL;
}

/* Strictly ascending, between the fences; the first separator is the low one. */
static const char *
check_order(Page page)
{
	PsString	low = item(page, PS_LOW_FENCE);
	int			prefix = PsPageOpaque(page)->prefix;
	PsString	previous = {low.data + prefix, low.len - prefix};
	OffsetNumber first = PS_FIRST_ENTRY;

	if (!PsPageIsLeaf(page) && PsPageEntries(page) == 0)
		return "an inner page without downlinks";
	if (!PsPageIsLeaf(page) &&
		ps_compare(ps_page_suffix(page, PS_FIRST_ENTRY), previous) != 0)
		return "the first separator is not the low fence";
	for (OffsetNumber offset = first; offset < PsPageEnd(page); offset++)
	{
		PsString	suffix = ps_page_suffix(page, offset);
		int			order = ps_compare(previous, suffix);

		if (prefix + suffix.len > PS_MAX_ENTRY)
			return "an entry is too long";
		if (order > 0 || (order == 0 && offset != first))
			return "entries are not in order";
		previous = suffix;
	}
	if (!PsPageIsLast(page) && ps_compare(previous, item(page, PS_HIGH_FENCE)) >= 0)
		return "an entry is not below the high fence";
	return NULL;
}

static PsString
item(Page page, OffsetNumber offset)
{
	ItemId		id = PageGetItemId(page, offset);

	return (PsString)
	{
		(const char *) page + ItemIdGetOffset(id), ItemIdGetLength(id)
	};
}
