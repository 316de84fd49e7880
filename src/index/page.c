/*-------------------------------------------------------------------------
 *
 * page.c
 *	  What is on a page: fences, searching, entries.
 *
 * Pure functions of pages that the caller has locked, and for which
 * ps_page_is_valid() has held. Line pointers are believed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "index/index.h"
#include "port/pg_bswap.h"

/* Bytes of a string that are compared as one number */
#define HEAD		((int) sizeof(uint64))

/*
 * Heads of strings on a page are loaded whole: what is behind a short string
 * is still the page's, at the very end its special space.
 */
StaticAssertDecl(MAXALIGN(sizeof(PsOpaque)) >= sizeof(uint64),
				 "the last string's head must be on the page");

static inline PsString
item(Page page, OffsetNumber offset)
{
	ItemId		id = PageGetItemId(page, offset);

	return (PsString)
	{
		(char *) page + ItemIdGetOffset(id), (int) ItemIdGetLength(id)
	};
}

static inline int
child_size(Page page)
{
	return PsPageIsLeaf(page) ? 0 : PS_CHILD_SIZE;
}

static inline PsString
skip(PsString string, int n)
{
	return (PsString)
	{
		string.data + n, string.len - n
	};
}

/*
 * ps_page_is_valid() -- Does this look like a page of a tree, in it or deleted?
 *
 * Cheap: header, special space, fences. Not for the meta page. Callers raise
 * ERRCODE_INDEX_CORRUPTED.
 */
bool
ps_page_is_valid(Page page)
{
	PageHeader	header = (PageHeader) page;
	PsString	low;
	PsString	high;

	if (header->pd_special != BLCKSZ - MAXALIGN(sizeof(PsOpaque)) ||
		PsPageOpaque(page)->page_id != PS_PAGE_ID ||
		header->pd_upper > header->pd_special ||
		header->pd_lower > header->pd_upper ||
		PageGetMaxOffsetNumber(page) < PS_HIGH_FENCE + (PsPageIsLeaf(page) ? 0 : 1))
		return false;
	low = item(page, PS_LOW_FENCE);
	high = item(page, PS_HIGH_FENCE);
	return low.data >= (char *) page + header->pd_upper &&
		low.data + low.len <= (char *) page + header->pd_special &&
		high.data >= (char *) page + header->pd_upper &&
		high.data + high.len <= (char *) page + header->pd_special &&
		PsPageOpaque(page)->prefix <= low.len;
}

/*
 * ps_page_is_intact() -- Is it valid, and every line pointer, too?
 *
 * Each points to bytes between pd_upper and pd_special, and all together to as
 * many as there are.
 */
bool
ps_page_is_intact(Page page)
{
	PageHeader	header = (PageHeader) page;
	int			total = 0;

	if (!ps_page_is_valid(page) ||
		(header->pd_lower - SizeOfPageHeaderData) % sizeof(ItemIdData) != 0)
		return false;
	for (OffsetNumber i = PS_LOW_FENCE; i < PsPageEnd(page); i++)
	{
		ItemId		id = PageGetItemId(page, i);
		int			offset = ItemIdGetOffset(id);
		int			len = ItemIdGetLength(id);

		if (offset < header->pd_upper || offset + len > header->pd_special ||
			!(ItemIdIsNormal(id) || (ItemIdIsDead(id) && i >= PS_FIRST_ENTRY)) ||
			(i >= PS_FIRST_ENTRY && len < child_size(page)))
			return false;
		total += len;
	}
	return total == header->pd_special - header->pd_upper;
}

/*
 * ps_page_is_meta() -- Is it a meta page of a version that we know?
 */
bool
ps_page_is_meta(Page page)
{
	PsMeta	   *meta = (PsMeta *) PageGetContents(page);

	return !PageIsNew(page) && PageGetSpecialSize(page) == 0 &&
		meta->magic == PS_MAGIC && meta->version == PS_VERSION;
}

/* ps_page_low() -- The low fence, in the page itself. */
PsString
ps_page_low(Page page)
{
	return item(page, PS_LOW_FENCE);
}

/*
 * ps_page_high_is_infinite() -- Is there no high fence?
 *
 * A finite one is greater than the low fence, so that it is longer than what
 * they have in common.
 */
bool
ps_page_high_is_infinite(Page page)
{
	return ItemIdGetLength(PageGetItemId(page, PS_HIGH_FENCE)) == 0;
}

/* ps_page_high() -- Replaces "high" by the high fence, which is not infinite. */
void
ps_page_high(Page page, StringInfo high)
{
	PsString	suffix = item(page, PS_HIGH_FENCE);

	resetStringInfo(high);
	appendBinaryStringInfo(high, item(page, PS_LOW_FENCE).data, PsPageOpaque(page)->prefix);
	appendBinaryStringInfo(high, suffix.data, suffix.len);
}

/*
 * A finite key against the page's prefix: before or after all strings that
 * have it (-1, 1), or one of them (0).
 */
static inline int
compare_prefix(Page page, PsString key)
{
	int			prefix = PsPageOpaque(page)->prefix;
	int			order = memcmp(key.data, item(page, PS_LOW_FENCE).data, Min(key.len, prefix));

	if (order != 0)
		return order;
	return key.len < prefix ? -1 : 0;
}

/* ps_page_compare_low() -- The key against the low fence. */
int
ps_page_compare_low(Page page, PsString key)
{
	return ps_compare(key, item(page, PS_LOW_FENCE));
}

/* ps_page_compare_high() -- The key against the high fence. */
int
ps_page_compare_high(Page page, PsString key)
{
	int			order;

	if (ps_page_high_is_infinite(page))
		return key.data == NULL ? 0 : -1;
	if (key.data == NULL)
		return 1;
	order = compare_prefix(page, key);
	return order != 0 ? order :
		ps_compare(skip(key, PsPageOpaque(page)->prefix), item(page, PS_HIGH_FENCE));
}

/* ps_page_covers() -- Is this the page of its level for key and side? */
bool
ps_page_covers(Page page, PsString key, PsSide side)
{
	int			prefix = PsPageOpaque(page)->prefix;
	PsString	high = item(page, PS_HIGH_FENCE);
	PsString	suffix;
	int			order;

	if (key.data == NULL)
		return side == PS_BEFORE && high.len == 0;
	if (compare_prefix(page, key) != 0)
		return false;
	suffix = skip(key, prefix);
	order = ps_compare(suffix, skip(item(page, PS_LOW_FENCE), prefix));
	if (side == PS_AT ? order < 0 : order <= 0)
		return false;
	if (high.len == 0)
		return true;
	order = ps_compare(suffix, high);
	return side == PS_AT ? order < 0 : order <= 0;
}

/* The first bytes of a string as a number, as if zeroes followed it */
static inline uint64
key_head(PsString key)
{
	uint64		head = 0;

	memcpy(&head, key.data, Min(key.len, HEAD));
	return pg_ntoh64(head);
}

/* The same of a string on a page, which may be read beyond its end */
static inline uint64
item_head(const char *data, int len)
{
	uint64		head;

	if (len == 0)
		return 0;
	memcpy(&head, data, HEAD);
	head = pg_ntoh64(head);
	return len >= HEAD ? head : head & (~UINT64CONST(0) << (8 * (HEAD - len)));
}

/*
 * The first entry that is after the key, or equal to it with "equal"; the key
 * is what follows the page's prefix.
 */
static pg_attribute_always_inline OffsetNumber
bound(Page page, PsString key, int child, bool equal)
{
	OffsetNumber first = PS_FIRST_ENTRY;
	OffsetNumber end = PsPageEnd(page);
	uint64		head = key_head(key);

	while (first < end)
	{
		OffsetNumber middle = first + (end - first) / 2;
		ItemId		id = PageGetItemId(page, middle);
		const char *data = (char *) page + ItemIdGetOffset(id);
		int			len = (int) ItemIdGetLength(id) - child;
		uint64		other = item_head(data, len);
		int			order;

		if (other != head)
			order = other < head ? -1 : 1;
		else
		{
			order = 0;
			if (len > HEAD && key.len > HEAD)
				order = memcmp(data + HEAD, key.data + HEAD, Min(len, key.len) - HEAD);
			if (order == 0)
				order = len - key.len;
		}
		if (equal ? order < 0 : order <= 0)
			first = middle + 1;
		else
			end = middle;
	}
	return first;
}

/*
 * ps_page_find() -- The first entry >= key, or PsPageEnd.
 *
 * Right for any key, whether the page covers it or not.
 */
OffsetNumber
ps_page_find(Page page, PsString key)
{
	int			order;

	if (key.data == NULL)
		return PsPageEnd(page);
	order = compare_prefix(page, key);
	if (order != 0)
		return order < 0 ? PS_FIRST_ENTRY : PsPageEnd(page);
	return bound(page, skip(key, PsPageOpaque(page)->prefix), child_size(page), true);
}

/*
 * ps_page_find_from() -- The same for a key that the page covers, or that is
 * its high fence, from an offset on, which may well be near: entries before
 * it are less than the key.
 */
OffsetNumber
ps_page_find_from(Page page, OffsetNumber first, PsString key)
{
	OffsetNumber end = PsPageEnd(page);
	int			step = 1;

	key = skip(key, PsPageOpaque(page)->prefix);
	while (first < end)
	{
		OffsetNumber at = Min(first + step - 1, end - 1);

		if (ps_compare(ps_page_suffix(page, at), key) >= 0)
		{
			end = at;
			break;
		}
		first = at + 1;
		step *= 2;
	}
	while (first < end)
	{
		OffsetNumber middle = first + (end - first) / 2;

		if (ps_compare(ps_page_suffix(page, middle), key) < 0)
			first = middle + 1;
		else
			end = middle;
	}
	return first;
}

/*
 * ps_page_find_child() -- The downlink of an inner page to follow for a key
 * that the page covers on that side.
 *
 * PS_AT: the last whose separator is <= key; PS_BEFORE: < key.
 */
OffsetNumber
ps_page_find_child(Page page, PsString key, PsSide side)
{
	OffsetNumber after;

	if (key.data == NULL)
		after = PsPageEnd(page);
	else
	{
		key = skip(key, PsPageOpaque(page)->prefix);
		after = side == PS_AT ? bound(page, key, PS_CHILD_SIZE, false) :
			bound(page, key, PS_CHILD_SIZE, true);
	}
	return Max(after - 1, PS_FIRST_ENTRY);
}

/* ps_page_child() -- The block that an inner page's entry leads to. */
BlockNumber
ps_page_child(Page page, OffsetNumber offset)
{
	PsString	entry = item(page, offset);
	BlockNumber child;

	memcpy(&child, entry.data + entry.len - PS_CHILD_SIZE, PS_CHILD_SIZE);
	return child;
}

/*
 * ps_page_suffix() -- An entry without the page's prefix (and an inner page's
 * without the block), in the page itself.
 */
PsString
ps_page_suffix(Page page, OffsetNumber offset)
{
	PsString	suffix = item(page, offset);

	suffix.len -= child_size(page);
	return suffix;
}

/* ps_page_string() -- Replaces "string" by a whole entry (without the block). */
void
ps_page_string(Page page, OffsetNumber offset, StringInfo string)
{
	PsString	suffix = ps_page_suffix(page, offset);

	resetStringInfo(string);
	appendBinaryStringInfo(string, item(page, PS_LOW_FENCE).data, PsPageOpaque(page)->prefix);
	appendBinaryStringInfo(string, suffix.data, suffix.len);
}

/* ps_page_free() -- Bytes left, of which an entry's line pointer takes four. */
int
ps_page_free(Page page)
{
	PageHeader	header = (PageHeader) page;

	return (int) header->pd_upper - (int) header->pd_lower;
}

/*
 * ps_common() -- How many bytes the strings begin with in common; none if one
 * of them is infinite.
 */
int
ps_common(PsString a, PsString b)
{
	int			n = 0;

	if (a.data == NULL || b.data == NULL)
		return 0;
	while (n < a.len && n < b.len && a.data[n] == b.data[n])
		n++;
	return n;
}

/*
 * ps_separator_size() -- Length of the shortest prefix of "right" that is
 * greater than "left", which is less than "right".
 */
int
ps_separator_size(PsString left, PsString right)
{
	return ps_common(left, right) + 1;
}
