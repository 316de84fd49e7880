/*-------------------------------------------------------------------------
 *
 * build_load.c
 *	  Makes a tree of entries that come in order.
 *
 * Each level has one page that is being filled. How large a page is depends on
 * its prefix, and so on its high fence, which the next entry decides: so its
 * entries are kept in memory, whole, with the last place where the page can
 * end. When that is behind, the page is written, and what comes after that
 * place begins the next one.
 *
 * Nobody else can see the pages. Each is logged as a whole when it is written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xloginsert.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"

#include "index/index.h"

/* As nbtree's: splits of leaves should not all go up at first */
#define INNER_FILLFACTOR	70

/* One more than any page can have, and one that is to come */
#define MAX_ENTRIES			((int) (PS_PAGE_SPACE / sizeof(ItemIdData)) + 2)

typedef struct PsLoadEntry
{
	int			start;			/* of its string */
	BlockNumber child;			/* on inner pages */
} PsLoadEntry;

/* A place where the page may end: the size tells what it would take */
typedef struct PsLoadEnd
{
	int			count;			/* entries before it; 0: no place yet */
	int			high;			/* what the next entry gives to the high fence */
	int			prefix;
	int			size;
} PsLoadEnd;

typedef struct PsLoadLevel
{
	uint16		level;
	int			limit;			/* bytes that a page is filled to */
	BlockNumber block;			/* InvalidBlockNumber: the level's first page */
	StringInfoData low;
	StringInfoData strings;		/* of all entries, one after another */
	int			count;
	PsLoadEntry entries[MAX_ENTRIES];
	int			common;			/* what the low fence has with the last entry */
	PsLoadEnd	end;			/* last place */
	struct PsLoadLevel *parent;
} PsLoadLevel;

struct PsLoad
{
	Relation	index;
	BufferAccessStrategy strategy;
	PsLoadLevel *leaves;
	StringInfoData ops;
};

static PsLoadLevel *new_level(PsLoad *load, uint16 level);
static void write_meta(PsLoad *load);
static void add(PsLoad *load, PsLoadLevel *level, PsString string, BlockNumber child);
static PsLoadEnd end_before(PsLoadLevel *level, PsString string, int common);
static int	last_page_size(PsLoadLevel *level);
static void append_entry(PsLoadLevel *level, PsString string, BlockNumber child);
static PsString get_string(PsLoadLevel *level, int i);
static void end_page(PsLoad *load, PsLoadLevel *level);
static void begin_page(PsLoad *load, PsLoadLevel *level, int first, BlockNumber block);
static void end_level(PsLoad *load, PsLoadLevel *level);
static void add_to_parent(PsLoad *load, PsLoadLevel *level);
static void write_page(PsLoad *load, PsLoadLevel *level, BlockNumber block, int count,
					   int prefix, PsString high, BlockNumber right);
static BlockNumber allocate_block(PsLoad *load);
static void put_page(PsLoad *load, BlockNumber block);

/*
 * Begins with an empty file, to which it writes the meta page. Everything is
 * in the current memory context.
 */
PsLoad *
ps_load_begin(Relation index)
{
	PsLoad	   *load = palloc0(sizeof(PsLoad));
	BlockNumber meta;
	BlockNumber root;

	load->index = index;
	load->strategy = GetAccessStrategy(BAS_BULKWRITE);
	initStringInfo(&load->ops);
	load->leaves = new_level(load, 0);
	meta = allocate_block(load);
	root = allocate_block(load);
	if (meta != PS_META_BLOCK || root != PS_ROOT_BLOCK)
		elog(ERROR, "index \"%s\" already contains data", RelationGetRelationName(index));
	write_meta(load);
	return load;
}

/* Adds an entry, which is copied, and is greater than all before. */
void
ps_load_add(PsLoad *load, PsString entry)
{
	add(load, load->leaves, entry, InvalidBlockNumber);
}

/* Writes the pages that are not full, and the root; frees what it has taken. */
void
ps_load_end(PsLoad *load)
{
	PsLoadLevel *level;
	PsLoadLevel *parent;

	/* A level gets its parent, at the latest, when it ends. */
	for (level = load->leaves; level != NULL; level = level->parent)
		end_level(load, level);
	for (level = load->leaves; level != NULL; level = parent)
	{
		parent = level->parent;
		pfree(level->low.data);
		pfree(level->strings.data);
		pfree(level);
	}
	FreeAccessStrategy(load->strategy);
	pfree(load->ops.data);
	pfree(load);
}

static PsLoadLevel *
new_level(PsLoad *load, uint16 level)
{
	PsLoadLevel *new = palloc0(sizeof(PsLoadLevel));

	new->level = level;
	new->limit = PS_PAGE_SPACE *
		(level == 0 ? ps_fillfactor(load->index) : INNER_FILLFACTOR) / 100;
	new->block = InvalidBlockNumber;
	initStringInfo(&new->low);
	initStringInfo(&new->strings);
	return new;
}

static void
write_meta(PsLoad *load)
{
	resetStringInfo(&load->ops);
	ps_op_meta(&load->ops);
	put_page(load, PS_META_BLOCK);
}

static void
add(PsLoad *load, PsLoadLevel *level, PsString string, BlockNumber child)
{
	PsLoadEnd	end;
	int			common;

	if (level->count == 0)
	{
		level->common = ps_common(ps_string(&level->low), string);
		append_entry(level, string, child);
		return;
	}

	/* Of what is in order, the first and last have the least in common. */
	common = ps_common(get_string(level, level->count - 1), string);
	end = end_before(level, string, common);
	if (end.size > level->limit && level->end.count > 0)
	{
		end_page(load, level);
		add(load, level, string, child);
		return;
	}

	/* Also too large a page, if it is the smallest. On inner pages that has two. */
	if (level->level == 0 || level->count > 1)
		level->end = end;
	level->common = Min(level->common, common);
	append_entry(level, string, child);
}

/*
 * The page's end if the string, which has so much in common with the last
 * entry, goes to the next one. A leaf's high fence is the shortest prefix of it
 * that is greater than the last entry; an inner page's the whole separator.
 */
static PsLoadEnd
end_before(PsLoadLevel *level, PsString string, int common)
{
	PsLoadEnd	end;

	end.count = level->count;
	end.high = level->level == 0 ? common + 1 : string.len;
	end.prefix = Min(level->common, common);
	end.size = last_page_size(level) + end.high - (level->count + 1) * end.prefix;
	return end;
}

/* What the page takes without a high fence, and so without a prefix */
static int
last_page_size(PsLoadLevel *level)
{
	int			fixed = sizeof(ItemIdData) + (level->level > 0 ? PS_CHILD_SIZE : 0);

	return 2 * sizeof(ItemIdData) + level->low.len + level->strings.len +
		level->count * fixed;
}

static void
append_entry(PsLoadLevel *level, PsString string, BlockNumber child)
{
	if (level->count == MAX_ENTRIES)
		elog(ERROR, "too many entries for an index page");
	level->entries[level->count].start = level->strings.len;
	level->entries[level->count].child = child;
	level->count++;
	appendBinaryStringInfo(&level->strings, string.data, string.len);
}

static PsString
get_string(PsLoadLevel *level, int i)
{
	int			start = level->entries[i].start;
	int			end = i + 1 < level->count ? level->entries[i + 1].start : level->strings.len;

	return (PsString)
	{
		level->strings.data + start, end - start
	};
}

/*
 * Writes the page as far as the last place where it can end, and begins the
 * next one with the other entries.
 */
static void
end_page(PsLoad *load, PsLoadLevel *level)
{
	PsLoadEnd	end = level->end;
	PsString	high = get_string(level, end.count);
	BlockNumber next;

	CHECK_FOR_INTERRUPTS();
	high.len = end.high;
	if (level->block == InvalidBlockNumber)
		level->block = allocate_block(load);
	next = allocate_block(load);
	write_page(load, level, level->block, end.count, end.prefix, high, next);
	add_to_parent(load, level);
	resetStringInfo(&level->low);
	appendBinaryStringInfo(&level->low, high.data, high.len);
	begin_page(load, level, end.count, next);
}

/* The entries from "first" on are added again, to the page that begins here. */
static void
begin_page(PsLoad *load, PsLoadLevel *level, int first, BlockNumber block)
{
	int			n = level->count - first;
	int			start = level->entries[first].start;
	int			len = level->strings.len - start;
	PsLoadEntry *rest = palloc(n * sizeof(PsLoadEntry));
	char	   *strings = palloc(len);

	memcpy(rest, &level->entries[first], n * sizeof(PsLoadEntry));
	memcpy(strings, level->strings.data + start, len);
	resetStringInfo(&level->strings);
	level->block = block;
	level->count = 0;
	memset(&level->end, 0, sizeof(level->end));
	for (int i = 0; i < n; i++)
	{
		int			from = rest[i].start - start;
		int			to = i + 1 < n ? rest[i + 1].start - start : len;

		add(load, level, (PsString) {strings + from, to - from}, rest[i].child);
	}
	pfree(rest);
	pfree(strings);
}

/*
 * Writes what is left of a level. Its only page is the root; else the last one
 * has no prefix, so that it may have to be divided.
 */
static void
end_level(PsLoad *load, PsLoadLevel *level)
{
	while (last_page_size(level) > level->limit && level->end.count > 0)
		end_page(load, level);
	if (level->block == InvalidBlockNumber)
	{
		write_page(load, level, PS_ROOT_BLOCK, level->count, 0, PS_INFINITE, InvalidBlockNumber);
		return;
	}
	write_page(load, level, level->block, level->count, 0, PS_INFINITE, InvalidBlockNumber);
	add_to_parent(load, level);
}

static void
add_to_parent(PsLoad *load, PsLoadLevel *level)
{
	if (level->parent == NULL)
		level->parent = new_level(load, level->level + 1);
	add(load, level->parent, ps_string(&level->low), level->block);
}

static void
write_page(PsLoad *load, PsLoadLevel *level, BlockNumber block, int count, int prefix,
		   PsString high, BlockNumber right)
{
	StringInfo	ops = &load->ops;

	resetStringInfo(ops);
	ps_op_init(ops, level->level, right, ps_string(&level->low), high);
	for (int i = 0; i < count; i++)
	{
		PsString	suffix = get_string(level, i);

		suffix.data += prefix;
		suffix.len -= prefix;
		if (level->level == 0)
			ps_op_add(ops, PS_FIRST_ENTRY + i, suffix);
		else
			ps_op_add_child(ops, PS_FIRST_ENTRY + i, suffix, level->entries[i].child);
	}
	put_page(load, block);
}

/* A block at the end of the file, of zeroes until it is written */
static BlockNumber
allocate_block(PsLoad *load)
{
	Buffer		buffer = ReadBufferExtended(load->index, MAIN_FORKNUM, P_NEW, RBM_NORMAL,
											load->strategy);
	BlockNumber block = BufferGetBlockNumber(buffer);

	ReleaseBuffer(buffer);
	return block;
}

/* Carries the operations out, on a block that has been allocated. */
static void
put_page(PsLoad *load, BlockNumber block)
{
	PGAlignedBlock page;
	Buffer		buffer;

	ps_apply((Page) page.data, load->ops.data, load->ops.len);
	buffer = ReadBufferExtended(load->index, MAIN_FORKNUM, block, RBM_ZERO_AND_LOCK,
								load->strategy);
	START_CRIT_SECTION();
	memcpy(BufferGetPage(buffer), page.data, BLCKSZ);
	MarkBufferDirty(buffer);
	if (RelationNeedsWAL(load->index))
		log_newpage_buffer(buffer, true);
	END_CRIT_SECTION();
	UnlockReleaseBuffer(buffer);
}
