/*-------------------------------------------------------------------------
 *
 * batch_split.c
 *	  Splitting a leaf for entries of a batch, which are added by the same
 *	  write: one WAL record for the two leaves and the downlink.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "index/batch.h"
#include "index/split.h"

/* Two pages are not made fuller than this, for there will be more. */
#define MAX_BYTES	((int) PS_PAGE_SPACE * 17 / 10)

/* Splits this far from balanced, in bytes, are as good if they are shorter. */
#define SLACK		((int) PS_PAGE_SPACE / 16)

/* An entry of the page, or of the batch, without the page's prefix */
typedef struct MergedItem
{
	PsString	suffix;
	bool		is_new;
	int			bytes;			/* of all items before it */
} MergedItem;

/* The entries of both, in order */
typedef struct Merged
{
	Page		page;
	MergedItem *items;
	int			n;
	int			bytes;
	int			nnew;
	int			split;			/* the first item of the right page */
	PsString	separator;		/* palloc'd */
} Merged;

static void merge(PsBatch *batch, int first, Page page, Merged *merged);
static void add_item(Merged *merged, PsString suffix, bool is_new);
static bool choose(Merged *merged);
static bool is_ascending(const Merged *merged);
static int	find_split(const Merged *merged, int bytes);
static int	shortest_split(const Merged *merged, int ideal);
static int	separator_size(const Merged *merged, int split);
static void set_separator(Merged *merged);
static bool fits(const Merged *merged);
static bool write_split(Relation index, Buffer parent, OffsetNumber downlink,
						Buffer child, const Merged *merged);
static void write_left(StringInfo ops, const Merged *merged,
					   BlockNumber right);
static void write_right(StringInfo ops, const Merged *merged);
static PsString skip(PsString string, int n);

/*
 * Splits the leaf that covers the batch's first entry, and adds it and those
 * that follow, as many as two pages have room for, and up to one that may have
 * another row beside it. Returns how many; 0: none, since the leaf is the root,
 * or there is no room for the downlink, or the first has to be looked at.
 *
 * The caller holds no locks.
 */
int
ps_batch_split(PsBatch *batch, int first)
{
	PsString	string = batch->entries[first].string;
	Buffer		parent = ps_search(batch->index, string, PS_AT, 1,
								   BUFFER_LOCK_EXCLUSIVE);
	OffsetNumber downlink;
	Buffer		child;
	Merged		merged;
	bool		done;

	if (!BufferIsValid(parent))
		return 0;
	downlink = ps_page_find_child(BufferGetPage(parent), string, PS_AT);
	child = ps_lock_child(batch->index, parent, downlink, string, 0);
	merge(batch, first, BufferGetPage(child), &merged);
	done = merged.nnew > 0 && choose(&merged) &&
		write_split(batch->index, parent, downlink, child, &merged);
	UnlockReleaseBuffer(child);
	UnlockReleaseBuffer(parent);
	pfree(merged.items);
	return done ? merged.nnew : 0;
}

static void
merge(PsBatch *batch, int first, Page page, Merged *merged)
{
	int			end = ps_batch_covered_end(batch, page, first);
	int			prefix = PsPageOpaque(page)->prefix;
	int			bytes = PS_PAGE_SPACE - ps_page_free(page);
	OffsetNumber offset = PS_FIRST_ENTRY;
	OffsetNumber old = PS_FIRST_ENTRY;

	*merged = (Merged)
	{
		.page = page
	};
	merged->items = palloc((PsPageEntries(page) +
							Min(end - first, MAX_BYTES / (int) sizeof(ItemIdData))) * sizeof(MergedItem));
	for (int i = first; i < end; i++)
	{
		PsString	suffix = skip(batch->entries[i].string, prefix);

		bytes += sizeof(ItemIdData) + suffix.len;
		offset = i == first ? ps_page_find(page, batch->entries[i].string) :
			ps_page_find_from(page, offset, batch->entries[i].string);
		if (bytes > MAX_BYTES ||
			!ps_batch_is_alone(batch, page, i, offset))
			break;
		for (; old < offset; old++)
			add_item(merged, ps_page_suffix(page, old), false);
		add_item(merged, suffix, true);
	}
	for (; old < PsPageEnd(page); old++)
		add_item(merged, ps_page_suffix(page, old), false);
}

static void
add_item(Merged *merged, PsString suffix, bool is_new)
{
	merged->items[merged->n++] = (MergedItem)
	{
		.suffix = suffix, .is_new = is_new, .bytes = merged->bytes
	};
	merged->bytes += sizeof(ItemIdData) + suffix.len;
	merged->nnew += is_new;
}

/*
 * Where to split: near the middle, where the separator is short. Where more
 * will come behind what comes, the left page is filled, as a build does.
 * False: there is no way.
 */
static bool
choose(Merged *merged)
{
	int			ideal = merged->bytes / 2;

	if (merged->n < 2)
		return false;
	if (is_ascending(merged))
		ideal = Max(ideal, (int) PS_PAGE_SPACE * 7 / 8 -
					ps_page_low(merged->page).len);
	merged->split = shortest_split(merged, ideal);
	set_separator(merged);
	if (fits(merged))
		return true;
	merged->split = find_split(merged, merged->bytes / 2);
	set_separator(merged);
	return fits(merged);
}

/* At the end of the level, or if all that comes is behind what is there. */
static bool
is_ascending(const Merged *merged)
{
	return merged->items[merged->n - 1].is_new &&
		(PsPageIsLast(merged->page) ||
		 (merged->nnew > 1 && merged->items[merged->n - merged->nnew].is_new));
}

/* The split whose left page gets about so many bytes */
static int
find_split(const Merged *merged, int bytes)
{
	int			low = 1;
	int			high = merged->n - 1;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (merged->items[middle].bytes < bytes)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int
shortest_split(const Merged *merged, int ideal)
{
	int			end = find_split(merged, ideal + SLACK);
	int			best = find_split(merged, ideal);
	int			best_size = separator_size(merged, best);

	for (int i = find_split(merged, ideal - SLACK); i <= end; i++)
	{
		int			size = separator_size(merged, i);

		if (size < best_size ||
			(size == best_size &&
			 abs(merged->items[i].bytes - ideal) < abs(merged->items[best].bytes - ideal)))
		{
			best = i;
			best_size = size;
		}
	}
	return best;
}

/* Without the page's prefix */
static int
separator_size(const Merged *merged, int split)
{
	return ps_separator_size(merged->items[split - 1].suffix,
							 merged->items[split].suffix);
}

static void
set_separator(Merged *merged)
{
	int			prefix = PsPageOpaque(merged->page)->prefix;
	int			size = separator_size(merged, merged->split);
	char	   *data = palloc(prefix + size);

	memcpy(data, ps_page_low(merged->page).data, prefix);
	memcpy(data + prefix, merged->items[merged->split].suffix.data, size);
	merged->separator = (PsString)
	{
		data, prefix + size
	};
}

/* Will both pages have room, even if prefixes do not become longer? */
static bool
fits(const Merged *merged)
{
	int			fences = 2 * sizeof(ItemIdData) + merged->separator.len;
	int			left = merged->items[merged->split].bytes;
	int			right = merged->bytes - left;

	return fences + left + ps_page_low(merged->page).len <= (int) PS_PAGE_SPACE &&
		fences + right + ps_page_suffix(merged->page, PS_HIGH_FENCE).len <= (int) PS_PAGE_SPACE;
}

/* False if the parent has no room for the downlink. All stay locked. */
static bool
write_split(Relation index, Buffer parent, OffsetNumber downlink,
			Buffer child, const Merged *merged)
{
	Page		parent_page = BufferGetPage(parent);
	PsString	suffix = skip(merged->separator,
							  PsPageOpaque(parent_page)->prefix);
	Buffer		right;
	PsWrite		write;

	if (ps_page_free(parent_page) <
		(int) sizeof(ItemIdData) + PS_CHILD_SIZE + suffix.len)
		return false;
	right = ps_new_page(index);
	ps_write_begin(&write, index);
	write_left(ps_write_page(&write, child, false), merged,
			   BufferGetBlockNumber(right));
	write_right(ps_write_page(&write, right, true), merged);
	ps_op_add_child(ps_write_page(&write, parent, false), downlink + 1, suffix,
					BufferGetBlockNumber(right));
	ps_write_end(&write);
	UnlockReleaseBuffer(right);
	return true;
}

static void
write_left(StringInfo ops, const Merged *merged, BlockNumber right)
{
	int			longer = ps_common(ps_page_low(merged->page), merged->separator) -
		PsPageOpaque(merged->page)->prefix;
	OffsetNumber first = PS_FIRST_ENTRY;

	for (int i = 0; i < merged->split; i++)
		first += !merged->items[i].is_new;
	ps_op_cut(ops, first, merged->separator, right);
	for (int i = 0; i < merged->split; i++)
	{
		if (merged->items[i].is_new)
			ps_op_add(ops, PS_FIRST_ENTRY + i,
					  skip(merged->items[i].suffix, longer));
	}
}

static void
write_right(StringInfo ops, const Merged *merged)
{
	StringInfoData buf;
	PsString	high = ps_page_high_string(merged->page, &buf);
	int			longer = ps_common(merged->separator, high);

	/* What has no high fence has no prefix. */
	longer -= PsPageOpaque(merged->page)->prefix;
	ps_op_init(ops, 0, PsPageOpaque(merged->page)->right, merged->separator,
			   high);
	for (int i = merged->split; i < merged->n; i++)
		ps_op_add(ops, PS_FIRST_ENTRY + i - merged->split,
				  skip(merged->items[i].suffix, longer));
	pfree(buf.data);
}

static PsString
skip(PsString string, int n)
{
	return (PsString)
	{
		string.data + n, string.len - n
	};
}
