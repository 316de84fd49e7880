/*-------------------------------------------------------------------------
 *
 * change.c
 *	  Operations on pages.
 *
 * What an operation leaves is a function of the page and the operation's
 * arguments only, so that replay does what was done; of line pointers' flags,
 * which are hints, nothing depends.
 *
 * Numbers are stored as seven bits a byte, least significant first; strings
 * as their length plus one (0: infinite) and their bytes. An entry that is
 * added a little behind the one that was added before it has the distance in
 * place of a code.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "index/index.h"

typedef enum PsOp
{
	PS_OP_META,
	PS_OP_INIT,					/* level, right, low, high */
	PS_OP_ADD,					/* offset, entry */
	PS_OP_REMOVE,				/* count, distances of the offsets */
	PS_OP_CUT,					/* first, right, high */
	PS_OP_EXTEND,				/* right, high */
	PS_OP_DELETE,
	PS_OP_NEAR = 0x80			/* + distance to the last offset; entry */
} PsOp;

/* Operations that are being read */
typedef struct OpReader
{
	const char *at;
	const char *end;
	OffsetNumber last;			/* offset of the entry that was just added */
} OpReader;

/* ---- Writing ---- */

static void
put_number(StringInfo ops, uint32 n)
{
	for (; n >= 0x80; n >>= 7)
		appendStringInfoCharMacro(ops, (char) (n | 0x80));
	appendStringInfoCharMacro(ops, (char) n);
}

static void
put_string(StringInfo ops, PsString string)
{
	if (string.data == NULL)
	{
		put_number(ops, 0);
		return;
	}
	put_number(ops, string.len + 1);
	appendBinaryStringInfo(ops, string.data, string.len);
}

/* Block numbers are stored plus one: the invalid one takes a single byte. */
static void
put_block(StringInfo ops, BlockNumber block)
{
	put_number(ops, block + 1);
}

/*
 * The cursor of the operations, which nobody reads by it, is the offset of the
 * entry that the last operation adds, or 0.
 */
static void
put_code(StringInfo ops, PsOp code)
{
	appendStringInfoCharMacro(ops, (char) code);
	ops->cursor = 0;
}

/* ps_op_meta() -- Make it an index's meta page. */
void
ps_op_meta(StringInfo ops)
{
	put_code(ops, PS_OP_META);
}

/* ps_op_init() -- Begin anew: an empty page with these fences. */
void
ps_op_init(StringInfo ops, uint16 level, BlockNumber right, PsString low, PsString high)
{
	put_code(ops, PS_OP_INIT);
	put_number(ops, level);
	put_block(ops, right);
	put_string(ops, low);
	put_string(ops, high);
}

static void
put_add(StringInfo ops, OffsetNumber offset)
{
	int			distance = (int) offset - ops->cursor;

	if (ops->cursor != 0 && distance >= 0 && distance < PS_OP_NEAR)
		put_code(ops, PS_OP_NEAR | distance);
	else
	{
		put_code(ops, PS_OP_ADD);
		put_number(ops, offset);
	}
	ops->cursor = offset;
}

/*
 * ps_op_add() -- Add an entry to a leaf, before what is at the offset.
 *
 * "suffix" follows the prefix that the page has by then, and the offset counts
 * the entries that are there by then. The caller has checked that it fits.
 */
void
ps_op_add(StringInfo ops, OffsetNumber offset, PsString suffix)
{
	put_add(ops, offset);
	put_string(ops, suffix);
}

/* ps_op_add_child() -- The same for a downlink. */
void
ps_op_add_child(StringInfo ops, OffsetNumber offset, PsString suffix, BlockNumber child)
{
	put_add(ops, offset);
	put_number(ops, suffix.len + PS_CHILD_SIZE + 1);
	appendBinaryStringInfo(ops, suffix.data, suffix.len);
	appendBinaryStringInfo(ops, (char *) &child, PS_CHILD_SIZE);
}

/*
 * ps_op_remove() -- Remove entries, whose offsets are ascending and those from
 * before the operation.
 */
void
ps_op_remove(StringInfo ops, const OffsetNumber *offsets, int n)
{
	put_code(ops, PS_OP_REMOVE);
	put_number(ops, n);
	for (int i = 0; i < n; i++)
		put_number(ops, offsets[i] - (i == 0 ? 0 : offsets[i - 1]));
}

/*
 * ps_op_cut() -- Remove the entries from "first" on (which may be PsPageEnd);
 * the page ends at "high" now.
 */
void
ps_op_cut(StringInfo ops, OffsetNumber first, PsString high, BlockNumber right)
{
	put_code(ops, PS_OP_CUT);
	put_number(ops, first);
	put_block(ops, right);
	put_string(ops, high);
}

/*
 * ps_op_extend() -- The page goes as far as "high" now.
 *
 * The caller has checked by ps_extended_size() that entries fit with the
 * shorter prefix.
 */
void
ps_op_extend(StringInfo ops, PsString high, BlockNumber right)
{
	put_code(ops, PS_OP_EXTEND);
	put_block(ops, right);
	put_string(ops, high);
}

/* ps_op_delete() -- The page is not in the tree any more. */
void
ps_op_delete(StringInfo ops)
{
	put_code(ops, PS_OP_DELETE);
}

/* ---- Reading ---- */

static const char *
get_bytes(OpReader *reader, int n)
{
	const char *bytes = reader->at;

	if (n < 0 || n > reader->end - reader->at)
		elog(ERROR, "operations on an index page end too early");
	reader->at += n;
	return bytes;
}

static uint32
get_number(OpReader *reader)
{
	uint32		n = 0;

	for (int shift = 0; shift < 32; shift += 7)
	{
		uint8		byte = *(const uint8 *) get_bytes(reader, 1);

		n |= (uint32) (byte & 0x7F) << shift;
		if (byte < 0x80)
			return n;
	}
	elog(ERROR, "number in operations on an index page is too long");
	return 0;
}

static BlockNumber
get_block(OpReader *reader)
{
	return get_number(reader) - 1;
}

static PsString
get_string(OpReader *reader)
{
	int			len = (int) get_number(reader) - 1;

	if (len < 0)
		return PS_INFINITE;
	return (PsString)
	{
		get_bytes(reader, len), len
	};
}

/* ---- Applying ---- */

/*
 * Makes room for an item before the one at "offset", and returns where its
 * bytes are to be put.
 */
static char *
place(Page page, OffsetNumber offset, int len, int flags)
{
	PageHeader	header = (PageHeader) page;
	OffsetNumber end = PsPageEnd(page);
	ItemId		id = PageGetItemId(page, offset);

	if (offset < FirstOffsetNumber || offset > end ||
		len + (int) sizeof(ItemIdData) > ps_page_free(page))
		elog(ERROR, "item of %d bytes cannot be placed at %u of an index page with %d bytes free",
			 len, offset, ps_page_free(page));
	if (offset < end)
		memmove(id + 1, id, (end - offset) * sizeof(ItemIdData));
	header->pd_lower += sizeof(ItemIdData);
	header->pd_upper -= len;
	ItemIdSetNormal(id, header->pd_upper, len);
	id->lp_flags = flags;
	return (char *) page + header->pd_upper;
}

static void
add_string(Page page, OffsetNumber offset, PsString string)
{
	memcpy(place(page, offset, string.len, LP_NORMAL), string.data, string.len);
}

static void
init_page(Page page, uint16 level, BlockNumber right, PsString low, PsString high)
{
	PsOpaque   *opaque;

	PageInit(page, BLCKSZ, sizeof(PsOpaque));
	opaque = PsPageOpaque(page);
	opaque->right = right;
	opaque->level = level;
	opaque->prefix = ps_common(low, high);
	opaque->page_id = PS_PAGE_ID;
	add_string(page, PS_LOW_FENCE, low);
	add_string(page, PS_HIGH_FENCE, high.data == NULL ? PS_EMPTY :
			   (PsString) {high.data + opaque->prefix, high.len - opaque->prefix});
}

/*
 * Appends a copy of an item of "from", which begins with the same low fence,
 * to "to", where the prefix may be longer or shorter.
 */
static void
copy_item(Page to, Page from, OffsetNumber offset)
{
	ItemId		id = PageGetItemId(from, offset);
	const char *data = (char *) from + ItemIdGetOffset(id);
	int			len = ItemIdGetLength(id);
	int			old = PsPageOpaque(from)->prefix;
	int			new = PsPageOpaque(to)->prefix;
	int			more = Max(old - new, 0);	/* to be repeated */
	int			less = Max(new - old, 0);	/* to be left out */
	char	   *place_at;

	if (less > len)
		elog(ERROR, "item %u of an index page is shorter than its prefix", offset);
	place_at = place(to, PsPageEnd(to), len + more - less, id->lp_flags);
	memcpy(place_at, ps_page_low(from).data + new, more);
	memcpy(place_at + more, data + less, len - less);
}

/* The page with another high fence, and without the entries from "end" on */
static void
set_high(Page page, OffsetNumber end, PsString high, BlockNumber right)
{
	PGAlignedBlock copy;
	Page		old = (Page) copy.data;

	memcpy(old, page, BLCKSZ);
	init_page(page, PsPageOpaque(old)->level, right, ps_page_low(old), high);
	PageSetLSN(page, PageGetLSN(old));
	for (OffsetNumber i = PS_FIRST_ENTRY; i < end; i++)
		copy_item(page, old, i);
}

static void
apply_meta(Page page)
{
	PsMeta	   *meta;

	PageInit(page, BLCKSZ, 0);
	meta = (PsMeta *) PageGetContents(page);
	meta->magic = PS_MAGIC;
	meta->version = PS_VERSION;
	((PageHeader) page)->pd_lower = (char *) (meta + 1) - (char *) page;
}

static void
apply_init(Page page, OpReader *reader)
{
	uint16		level = get_number(reader);
	BlockNumber right = get_block(reader);
	PsString	low = get_string(reader);
	PsString	high = get_string(reader);

	init_page(page, level, right, low, high);
}

static void
apply_add(Page page, OpReader *reader, OffsetNumber offset)
{
	add_string(page, offset, get_string(reader));
	reader->last = offset;
}

/*
 * Items that stay move up by the bytes of the removed ones that were above
 * them. In what order they are is not known, so they are copied.
 */
static void
apply_remove(Page page, OpReader *reader)
{
	PageHeader	header = (PageHeader) page;
	PGAlignedBlock copy;
	Page		old = (Page) copy.data;
	OffsetNumber end = PsPageEnd(page);
	OffsetNumber to = PS_LOW_FENCE;
	OffsetNumber from = PS_LOW_FENCE;
	int			n = get_number(reader);
	OffsetNumber removed = 0;

	memcpy(old, page, BLCKSZ);
	header->pd_upper = header->pd_special;
	for (int i = 0; i <= n; i++)
	{
		removed = i < n ? removed + get_number(reader) : end;
		if (removed < from || removed > end || (i < n && removed == end))
			elog(ERROR, "item %u cannot be removed from an index page", removed);
		for (; from < removed; from++, to++)
		{
			ItemId		id = PageGetItemId(old, from);

			header->pd_upper -= ItemIdGetLength(id);
			memcpy((char *) page + header->pd_upper,
				   (char *) old + ItemIdGetOffset(id), ItemIdGetLength(id));
			*PageGetItemId(page, to) = *id;
			PageGetItemId(page, to)->lp_off = header->pd_upper;
		}
		from++;
	}
	header->pd_lower = SizeOfPageHeaderData + (to - 1) * sizeof(ItemIdData);
}

static void
apply_cut(Page page, OpReader *reader)
{
	OffsetNumber end = get_number(reader);
	BlockNumber right = get_block(reader);
	PsString	high = get_string(reader);

	if (end < PS_FIRST_ENTRY || end > PsPageEnd(page))
		elog(ERROR, "index page cannot be cut off at item %u", end);
	set_high(page, end, high, right);
}

static void
apply_extend(Page page, OpReader *reader)
{
	BlockNumber right = get_block(reader);
	PsString	high = get_string(reader);

	set_high(page, PsPageEnd(page), high, right);
}

static void
apply_one(Page page, OpReader *reader)
{
	uint8		code = *(const uint8 *) get_bytes(reader, 1);

	if (code & PS_OP_NEAR)
	{
		apply_add(page, reader, reader->last + (code & ~PS_OP_NEAR));
		return;
	}
	switch ((PsOp) code)
	{
		case PS_OP_META:
			apply_meta(page);
			break;
		case PS_OP_INIT:
			apply_init(page, reader);
			break;
		case PS_OP_ADD:
			apply_add(page, reader, get_number(reader));
			break;
		case PS_OP_REMOVE:
			apply_remove(page, reader);
			break;
		case PS_OP_CUT:
			apply_cut(page, reader);
			break;
		case PS_OP_EXTEND:
			apply_extend(page, reader);
			break;
		case PS_OP_DELETE:
			PsPageOpaque(page)->flags |= PS_DELETED;
			break;
		default:
			elog(ERROR, "unknown operation %u on an index page", code);
	}
}

/*
 * ps_apply() -- Carry out operations on a page that is locked exclusively, or
 * the caller's own.
 *
 * Allocates nothing; fails only if the operations are not what the functions
 * above have written for this page, which is a bug or a broken log. May be
 * called in a critical section.
 */
void
ps_apply(Page page, const char *ops, int len)
{
	OpReader	reader = {ops, ops + len, 0};

	while (reader.at < reader.end)
		apply_one(page, &reader);
}

static void
describe_one(StringInfo buf, OpReader *reader)
{
	uint8		code = *(const uint8 *) get_bytes(reader, 1);
	uint32		first;

	if (code & PS_OP_NEAR)
	{
		reader->last += code & ~PS_OP_NEAR;
		appendStringInfo(buf, " add %u (%d bytes)", reader->last, get_string(reader).len);
		return;
	}
	switch ((PsOp) code)
	{
		case PS_OP_META:
			appendStringInfoString(buf, " meta");
			break;
		case PS_OP_INIT:
			first = get_number(reader);
			appendStringInfo(buf, " init level %u right %u", first, get_block(reader));
			get_string(reader);
			get_string(reader);
			break;
		case PS_OP_ADD:
			reader->last = get_number(reader);
			appendStringInfo(buf, " add %u (%d bytes)", reader->last, get_string(reader).len);
			break;
		case PS_OP_REMOVE:
			first = get_number(reader);
			appendStringInfo(buf, " remove %u", first);
			for (uint32 i = 0; i < first; i++)
				get_number(reader);
			break;
		case PS_OP_CUT:
			first = get_number(reader);
			appendStringInfo(buf, " cut at %u right %u", first, get_block(reader));
			get_string(reader);
			break;
		case PS_OP_EXTEND:
			appendStringInfo(buf, " extend right %u", get_block(reader));
			get_string(reader);
			break;
		case PS_OP_DELETE:
			appendStringInfoString(buf, " delete");
			break;
		default:
			elog(ERROR, "unknown operation %u on an index page", code);
	}
}

/* ps_describe_ops() -- Append operations in words. */
void
ps_describe_ops(StringInfo buf, const char *ops, int len)
{
	OpReader	reader = {ops, ops + len, 0};

	while (reader.at < reader.end)
		describe_one(buf, &reader);
}

/*
 * ps_extended_size() -- What the page's line pointers, fences and entries take
 * if it is extended to "high".
 */
int
ps_extended_size(Page page, PsString high)
{
	PsString	low = ps_page_low(page);
	int			prefix = ps_common(low, high);
	int			more = PsPageOpaque(page)->prefix - prefix;
	int			old_high = ItemIdGetLength(PageGetItemId(page, PS_HIGH_FENCE));
	int			new_high = high.data == NULL ? 0 : high.len - prefix;

	return PS_PAGE_SPACE - ps_page_free(page) + PsPageEntries(page) * more +
		new_high - old_high;
}
