/*-------------------------------------------------------------------------
 *
 * split_point.c
 *	  Where to split a page: near the middle, or where entries come in order;
 *	  and among what is about as good, where the separator is short.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "index/index.h"
#include "index/split.h"

/* Imbalances below this many bytes are all the same */
#define SLACK		((int) PS_PAGE_SPACE / 6)

/* A run that makes two pages fuller than this gets pages of its own */
#define FULL_PAIR	((int) PS_PAGE_SPACE * 9 / 5)

/* The choices that a page has */
typedef struct Choices
{
	Page		page;
	const PsArrival *arrival;
	OffsetNumber at;			/* the arrival comes before this entry */
	int			mass;			/* of all that comes */
	int			entries;
	int			bytes[PS_PAGE_SPACE / sizeof(ItemIdData) + 1];	/* before each */
} Choices;

/*
 * One of them. Between the same two entries there are two, if what comes does
 * so there: it may be on the left or on the right.
 */
typedef struct Choice
{
	OffsetNumber first;
	bool		arrival_left;
	int			cost;			/* how far from balanced, beyond the slack */
	int			length;			/* of the separator; 0: not known yet */
	int			imbalance;
} Choice;

static void find_choices(Page page, const PsArrival *arrival,
						 Choices *choices);
static bool is_ascending(const Choices *choices);
static bool split_at_end(const Choices *choices, PsSplit *split);
static bool split_for_run(const Choices *choices, PsSplit *split);
static void split_in_balance(const Choices *choices, PsSplit *split);
static void consider(const Choices *choices, OffsetNumber first,
					 bool arrival_left, Choice *best);
static int	separator_length(const Choices *choices, OffsetNumber first,
							 bool arrival_left);
static void set_split(const Choices *choices, OffsetNumber first,
					  bool arrival_left, PsSplit *split);
static bool fits(const Choices *choices, const PsSplit *split);
static PsString left_neighbour(const Choices *choices, OffsetNumber first,
							   bool arrival_left, StringInfo buf);
static PsString right_neighbour(const Choices *choices, OffsetNumber first,
								bool arrival_left, StringInfo buf);

/*
 * Where to split a page that has no room for what comes, which the caller has
 * locked exclusively. Both pages will have room for what they get of this one;
 * on an inner page both get entries. The separator is palloc'd.
 */
void
ps_choose_split(Page page, const PsArrival *arrival, PsSplit *split)
{
	Choices		choices;

	find_choices(page, arrival, &choices);
	initStringInfo(&split->separator);
	if (choices.at == PsPageEnd(page) && is_ascending(&choices) &&
		split_at_end(&choices, split))
		return;
	if (arrival->run > 1 &&
		choices.bytes[choices.entries] + choices.mass > FULL_PAIR &&
		split_for_run(&choices, split))
		return;
	split_in_balance(&choices, split);
}

static void
find_choices(Page page, const PsArrival *arrival, Choices *choices)
{
	int			child = PsPageIsLeaf(page) ? 0 : PS_CHILD_SIZE;
	int			bytes = 0;
	int			n = 0;

	choices->page = page;
	choices->arrival = arrival;
	choices->at = PsPageIsLeaf(page) ? ps_page_find(page, arrival->key) :
		ps_page_find_child(page, arrival->key, PS_AT) + 1;
	choices->mass = (int) Min((int64) arrival->size * Max(arrival->run, 1),
							  2 * PS_PAGE_SPACE);
	for (OffsetNumber i = PS_FIRST_ENTRY; i < PsPageEnd(page); i++)
	{
		choices->bytes[n++] = bytes;
		bytes += sizeof(ItemIdData) + ps_page_suffix(page, i).len + child;
	}
	choices->bytes[n] = bytes;
	choices->entries = n;
}

/*
 * Will more come behind what comes at the page's end? At the end of the level,
 * in runs, and, as tuples are added to the end of a table, of the same key.
 */
static bool
is_ascending(const Choices *choices)
{
	Page		page = choices->page;
	const PsArrival *arrival = choices->arrival;
	PsEntry		entry;
	StringInfoData last;
	bool		same;

	if (PsPageIsLast(page) || arrival->run > 1)
		return true;
	if (!PsPageIsLeaf(page))
		return false;
	ps_parse(ps_index(arrival->index), arrival->key, &entry);
	initStringInfo(&last);
	ps_page_string(page, PsPageEnd(page) - 1, &last);
	same = ps_common(ps_string(&last), entry.key) == entry.key.len;
	pfree(last.data);
	return same;
}

/*
 * The left page keeps everything, but for an inner page's last entry, for
 * there must be one, or if there is no room for the high fence.
 */
static bool
split_at_end(const Choices *choices, PsSplit *split)
{
	OffsetNumber end = PsPageEnd(choices->page);

	if (PsPageIsLeaf(choices->page))
	{
		set_split(choices, end, false, split);
		if (fits(choices, split))
			return true;
	}
	set_split(choices, end - 1, false, split);
	return fits(choices, split);
}

/* What is behind the run goes to the right. */
static bool
split_for_run(const Choices *choices, PsSplit *split)
{
	if (choices->at == PsPageEnd(choices->page))
		return split_at_end(choices, split);
	set_split(choices, choices->at, true, split);
	return fits(choices, split);
}

static void
split_in_balance(const Choices *choices, PsSplit *split)
{
	Page		page = choices->page;
	bool		is_leaf = PsPageIsLeaf(page);
	Choice		best = {.first = InvalidOffsetNumber};

	for (OffsetNumber i = PS_FIRST_ENTRY + 1; i < PsPageEnd(page); i++)
	{
		consider(choices, i, choices->at <= i, &best);
		if (is_leaf && i == choices->at)
			consider(choices, i, false, &best);
	}
	set_split(choices, best.first, best.arrival_left, split);
	if (fits(choices, split))
		return;

	/*
	 * A fence that is taken from what comes can be too long. One from the
	 * page's own entries is not.
	 */
	best.first = InvalidOffsetNumber;
	for (OffsetNumber i = PS_FIRST_ENTRY + 1; i < PsPageEnd(page); i++)
	{
		if (i != choices->at || choices->entries == 2)
			consider(choices, i, choices->at <= i, &best);
	}
	set_split(choices, best.first, best.arrival_left, split);
	if (!fits(choices, split))
		elog(ERROR, "found no way to split a page");
}

/* Is this choice better? Near the middle the shorter separator is. */
static void
consider(const Choices *choices, OffsetNumber first, bool arrival_left,
		 Choice *best)
{
	int			left = choices->bytes[first - PS_FIRST_ENTRY] +
		(arrival_left ? choices->mass : 0);
	int			right = choices->bytes[choices->entries] + choices->mass - left;
	Choice		choice = {
		.first = first,
		.arrival_left = arrival_left,
		.imbalance = abs(left - right)
	};

	choice.cost = Max(choice.imbalance - SLACK, 0);
	if (best->first == InvalidOffsetNumber || choice.cost < best->cost)
	{
		*best = choice;
		return;
	}
	if (choice.cost > best->cost)
		return;
	choice.length = separator_length(choices, first, arrival_left);
	if (best->length == 0)
		best->length = separator_length(choices, best->first, best->arrival_left);
	if (choice.length < best->length ||
		(choice.length == best->length && choice.imbalance < best->imbalance))
		*best = choice;
}

static int
separator_length(const Choices *choices, OffsetNumber first,
				 bool arrival_left)
{
	Page		page = choices->page;
	int			prefix = PsPageOpaque(page)->prefix;
	PsString	left;
	PsString	right;

	if (!PsPageIsLeaf(page))
		return prefix + ps_page_suffix(page, first).len;
	left = ps_page_suffix(page, first - 1);
	right = ps_page_suffix(page, first);
	if (first == choices->at)
	{
		PsString	key = choices->arrival->key;
		PsString   *side = arrival_left ? &left : &right;

		*side = (PsString)
		{
			key.data + prefix, key.len - prefix
		};
	}
	return prefix + ps_separator_size(left, right);
}

/* The separator is the shortest prefix of what is right that tells it apart. */
static void
set_split(const Choices *choices, OffsetNumber first, bool arrival_left,
		  PsSplit *split)
{
	StringInfoData left_buf;
	StringInfoData right_buf;
	PsString	left;
	PsString	right;
	int			len;

	initStringInfo(&left_buf);
	initStringInfo(&right_buf);
	right = right_neighbour(choices, first, arrival_left, &right_buf);
	if (PsPageIsLeaf(choices->page))
	{
		left = left_neighbour(choices, first, arrival_left, &left_buf);
		len = ps_separator_size(left, right);
	}
	else
		len = right.len;
	resetStringInfo(&split->separator);
	appendBinaryStringInfo(&split->separator, right.data, len);
	split->first = first;
	pfree(left_buf.data);
	pfree(right_buf.data);
}

/* The string before the separator: of the page, or what comes */
static PsString
left_neighbour(const Choices *choices, OffsetNumber first, bool arrival_left,
			   StringInfo buf)
{
	if (first == choices->at && arrival_left)
		return choices->arrival->key;
	ps_page_string(choices->page, first - 1, buf);
	return ps_string(buf);
}

/* The string behind it */
static PsString
right_neighbour(const Choices *choices, OffsetNumber first, bool arrival_left,
				StringInfo buf)
{
	if (first == choices->at && !arrival_left)
		return choices->arrival->key;
	ps_page_string(choices->page, first, buf);
	return ps_string(buf);
}

/* Will both pages have room for the fences and entries that they get? */
static bool
fits(const Choices *choices, const PsSplit *split)
{
	Page		page = choices->page;
	int			prefix = PsPageOpaque(page)->prefix;
	int			fences = 2 * sizeof(ItemIdData);
	int			nleft = split->first - PS_FIRST_ENTRY;
	int			left = choices->bytes[nleft];
	int			right = choices->bytes[choices->entries] - left;
	PsString	separator = ps_string(&split->separator);
	PsString	low = ps_page_low(page);
	int			common = ps_common(low, separator);

	left += fences + low.len + separator.len - common -
		nleft * (common - prefix);
	right += fences + separator.len;
	if (!ps_page_high_is_infinite(page))
	{
		StringInfoData high;

		initStringInfo(&high);
		ps_page_high(page, &high);
		common = ps_common(separator, ps_string(&high));
		right += high.len - common - (choices->entries - nleft) * (common - prefix);
		pfree(high.data);
	}
	return Max(left, right) <= (int) PS_PAGE_SPACE;
}
