/*-------------------------------------------------------------------------
 *
 * index.h
 *	  The index access method "pstate". See README.md in this folder.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_INDEX_H
#define RAMA_INDEX_H

#include "access/amapi.h"
#include "access/genam.h"
#include "access/itup.h"
#include "access/relscan.h"
#include "access/sdir.h"
#include "compat.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"
#include "nodes/tidbitmap.h"
#include "port/pg_bswap.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

/* Strategies 1-5 and support 1 are btree's. */
#define PS_ORDER_PROC		1
#define PS_ENCODE_PROC		7
#define PS_DECODE_PROC		8
#define PS_NPROC			8

/* ---- On disk ---- */

#define PS_META_BLOCK		0
#define PS_ROOT_BLOCK		1

typedef struct PsMeta
{
	uint32		magic;
	uint32		version;
} PsMeta;

#define PS_MAGIC			0x52414d41
#define PS_VERSION			1

/* At the end of each page but the meta page's */
typedef struct PsOpaque
{
	BlockNumber right;			/* InvalidBlockNumber: last of its level */
	uint16		level;			/* 0: leaf */
	uint16		flags;			/* PS_DELETED */
	uint16		prefix;			/* length of what all strings have in common */
	uint16		page_id;		/* PS_PAGE_ID, for tools that look at pages */
} PsOpaque;

#define PS_DELETED			0x0001
#define PS_PAGE_ID			0xFF8A

/*
 * Line pointers, of which entries are not aligned, and packed without gaps
 * between pd_upper and pd_special: the low fence in full; the high fence
 * without the prefix (of no length if infinite); then the entries, without
 * the prefix, in order. lp_flags: LP_NORMAL, or LP_DEAD for an entry that a
 * scan has found to be dead; lp_len may be 0.
 */
#define PS_LOW_FENCE		((OffsetNumber) 1)
#define PS_HIGH_FENCE		((OffsetNumber) 2)
#define PS_FIRST_ENTRY		((OffsetNumber) 3)

#define PsPageOpaque(page) ((PsOpaque *) PageGetSpecialPointer(page))
#define PsPageIsLast(page) (PsPageOpaque(page)->right == InvalidBlockNumber)
#define PsPageIsLeaf(page) (PsPageOpaque(page)->level == 0)
#define PsPageEnd(page) ((OffsetNumber) (PageGetMaxOffsetNumber(page) + 1))
#define PsPageEntries(page) ((int) PageGetMaxOffsetNumber(page) - PS_HIGH_FENCE)

#define PS_TID_SIZE			6
#define PS_CHILD_SIZE		((int) sizeof(BlockNumber))

/* What fits into a page: line pointers, fences and entries */
#define PS_PAGE_SPACE \
	(BLCKSZ - SizeOfPageHeaderData - MAXALIGN(sizeof(PsOpaque)))

/*
 * A page must have room for two entries and two fences. Key columns, tid and
 * payload together.
 */
#define PS_MAX_ENTRY		1960

#define PS_MIN_FILLFACTOR	10
#define PS_DEFAULT_FILLFACTOR 90

/* ---- In memory ---- */

/* Bytes, compared by memcmp; data NULL: infinite, after all others */
typedef struct PsString
{
	const char *data;
	int			len;
} PsString;

#define PS_INFINITE			((PsString) {NULL, 0})
#define PS_EMPTY			((PsString) {"", 0})

static inline int
ps_compare(PsString a, PsString b)
{
	int			order;

	if (a.data == NULL || b.data == NULL)
		return (a.data == NULL) - (b.data == NULL);
	order = memcmp(a.data, b.data, Min(a.len, b.len));
	return order != 0 ? order : a.len - b.len;
}

static inline PsString
ps_string(const StringInfoData *buf)
{
	return (PsString)
	{
		buf->data, buf->len
	};
}

/* How an encoding, which is its own delimiter, is passed over */
typedef enum PsLayout
{
	PS_LAYOUT_INT,				/* ps_int_size() of the first byte */
	PS_LAYOUT_TEXT,				/* marker 0x01, up to and with the first zero byte */
	PS_LAYOUT_ESCAPED,			/* marker 0x01; a zero byte is 00 FF, the end 00 00 */
	PS_LAYOUT_FIXED,			/* "width" bytes, marker included */
	PS_LAYOUT_NUMERIC,			/* these three: see their encode functions */
	PS_LAYOUT_INET,
	PS_LAYOUT_ENUM,
} PsLayout;

/*
 * What an opclass's encode function (support 7: encode(value, internal)
 * returns void) gets as its second argument. It appends the encoding, whose
 * first byte is 0x01 to 0xFE, to "key", and what equal values differ in to
 * "residue". With "describe", the value is meaningless and only layout, width
 * and has_residue are to be set.
 *
 * A value that is not one of the column's type (cross-type searches) may be
 * between what is appended and the next value ("above"), or before or after
 * all values ("outside" -1, 1; nothing is appended).
 */
typedef struct PsEncoder
{
	StringInfo	key;
	StringInfo	residue;
	bool		describe;
	PsLayout	layout;
	int			width;
	bool		has_residue;
	bool		above;
	int			outside;
} PsEncoder;

/*
 * What a decode function (support 8: decode(internal) returns the value)
 * gets: the column's encoding (never complemented: the caller has undone
 * that) and its residue.
 */
typedef struct PsDecoder
{
	PsString	key;
	PsString	residue;
} PsDecoder;

typedef struct PsColumn
{
	bool		desc;			/* encodings are complemented */
	bool		nulls_first;	/* NULL is 0x00, else 0xFF */
	bool		has_residue;
	PsLayout	layout;
	int			width;
} PsColumn;

/* What is known of an index that is open */
typedef struct PsIndex
{
	int			nkeys;
	int			natts;			/* with INCLUDE columns */
	bool		has_payload;
	TupleDesc	include;		/* of INCLUDE columns, or NULL */
	PsColumn	columns[INDEX_MAX_KEYS];
} PsIndex;

/* Six bytes that are in the order of tids */
static inline void
ps_put_tid(char *to, ItemPointer tid)
{
	uint16		parts[3] = {
		pg_hton16(tid->ip_blkid.bi_hi), pg_hton16(tid->ip_blkid.bi_lo), pg_hton16(tid->ip_posid)
	};

	memcpy(to, parts, PS_TID_SIZE);
}

static inline void
ps_get_tid(const char *from, ItemPointer tid)
{
	uint16		parts[3];

	memcpy(parts, from, PS_TID_SIZE);
	tid->ip_blkid.bi_hi = pg_ntoh16(parts[0]);
	tid->ip_blkid.bi_lo = pg_ntoh16(parts[1]);
	tid->ip_posid = pg_ntoh16(parts[2]);
}

/* The parts of a leaf's entry */
typedef struct PsEntry
{
	PsString	key;			/* without tid */
	PsString	payload;		/* without its length */
	ItemPointerData tid;
} PsEntry;

/*
 * How long the payload at the end of an entry is, with its own length: see
 * ps_encode(). The entry has at least two bytes.
 */
static inline int
ps_payload_size(PsString entry)
{
	uint8		last = entry.data[entry.len - 1];

	if (last < 0x80)
		return 1 + last;
	return 2 + (((last & 0x7F) << 8) | (uint8) entry.data[entry.len - 2]);
}

/* Which page of a level? */
typedef enum PsSide
{
	PS_AT,						/* low <= key < high; the empty key: the first */
	PS_BEFORE,					/* low < key <= high; the infinite key: the last */
} PsSide;

/* A change of some pages, all or nothing. See wal.c. */
#define PS_WRITE_PAGES		4

typedef struct PsWrite
{
	Relation	index;
	int			npages;
	TransactionId horizon;		/* for removal of dead entries */
	struct
	{
		Buffer		buffer;
		bool		init;		/* what was on the page does not matter */
		StringInfoData ops;
	}			pages[PS_WRITE_PAGES];
} PsWrite;

/* ---- Prototypes ---- */

/* handler.c */
extern PGDLLEXPORT Datum rama_pstate_handler(PG_FUNCTION_ARGS);

/* options.c: reloptions */
extern bytea *ps_options(Datum reloptions, bool validate);
extern int	ps_fillfactor(Relation index);

/* validate.c, cost.c */
extern bool ps_validate(Oid opclassoid);
extern void ps_cost_estimate(struct PlannerInfo *root, struct IndexPath *path, double loop_count,
							 Cost *startup, Cost *total, Selectivity *selectivity,
							 double *correlation, double *pages);

/* encode.c: rows to entries */
extern const PsIndex *ps_index(Relation index);
extern void ps_encode(Relation index, const PsIndex *info, const Datum *values, const bool *isnull,
					  ItemPointer tid, StringInfo entry, int *keylen, bool *hasnull);
extern void ps_encode_null(const PsColumn *column, StringInfo key);
extern void ps_encode_value(Relation index, const PsIndex *info, int column, Datum value,
							FmgrInfo *encode, PsEncoder *encoder);

/* decode.c: entries to rows */
extern void ps_parse(const PsIndex *info, PsString entry, PsEntry *parts);
extern const char *ps_entry_problem(const PsIndex *info, PsString entry);
extern int	ps_column_size(const PsColumn *column, const char *data);
extern void ps_decode(Relation index, const PsIndex *info, const PsEntry *entry,
					  Datum *values, bool *isnull);

/* encode_number.c */
extern int	ps_int_size(uint8 first);

/* encode_enum.c: enums with an index are not reordered */
extern void ps_lock_types(Relation index);
extern void ps_enum_altered(struct AlterEnumStmt *stmt);

/* page.c: pages, read only; pure functions */
extern bool ps_page_is_valid(Page page);
extern bool ps_page_is_intact(Page page);	/* all line pointers, too */
extern bool ps_page_is_meta(Page page);
extern PsString ps_page_low(Page page);
extern bool ps_page_high_is_infinite(Page page);
extern int	ps_page_compare_low(Page page, PsString key);	/* key against low */
extern int	ps_page_compare_high(Page page, PsString key);	/* key against high */
extern void ps_page_high(Page page, StringInfo high);		/* replaces; not for infinite */
extern bool ps_page_covers(Page page, PsString key, PsSide side);
extern OffsetNumber ps_page_find(Page page, PsString key);
extern OffsetNumber ps_page_find_from(Page page, OffsetNumber first, PsString key);
extern OffsetNumber ps_page_find_child(Page page, PsString key, PsSide side);
extern BlockNumber ps_page_child(Page page, OffsetNumber offset);
extern PsString ps_page_suffix(Page page, OffsetNumber offset);
extern void ps_page_string(Page page, OffsetNumber offset, StringInfo string);
extern int	ps_page_free(Page page);
extern int	ps_common(PsString a, PsString b);
extern int	ps_separator_size(PsString left, PsString right);

/* change.c: operations on pages */
extern void ps_op_meta(StringInfo ops);
extern void ps_op_init(StringInfo ops, uint16 level, BlockNumber right, PsString low, PsString high);
extern void ps_op_add(StringInfo ops, OffsetNumber offset, PsString suffix);
extern void ps_op_add_child(StringInfo ops, OffsetNumber offset, PsString suffix, BlockNumber child);
extern void ps_op_remove(StringInfo ops, const OffsetNumber *offsets, int n);
extern void ps_op_cut(StringInfo ops, OffsetNumber first, PsString high, BlockNumber right);
extern void ps_op_extend(StringInfo ops, PsString high, BlockNumber right);
extern void ps_op_delete(StringInfo ops);
extern int	ps_extended_size(Page page, PsString high);
extern void ps_apply(Page page, const char *ops, int len);
extern void ps_describe_ops(StringInfo buf, const char *ops, int len);

/* wal.c: all page writes */
extern void ps_wal_define_gucs(void);
extern void ps_wal_register(void);
extern bool ps_wal_is_custom(void);
extern void ps_write_begin(PsWrite *write, Relation index);
extern StringInfo ps_write_page(PsWrite *write, Buffer buffer, bool init);
extern void ps_write_end(PsWrite *write);
extern void ps_write_whole(Buffer buffer, const StringInfoData *ops, bool logged);

/* pages.c: pages of the file */
extern Buffer ps_new_page(Relation index);
extern void ps_init_index(Relation index, ForkNumber fork);

/* search.c */
extern Buffer ps_search(Relation index, PsString key, PsSide side, uint16 level, int lockmode);
extern int	ps_root_level(Relation index);

/* insert.c, batch.c */
extern bool ps_insert(Relation index, Datum *values, bool *isnull, ItemPointer tid, Relation heap,
					  IndexUniqueCheck check, bool unchanged, struct IndexInfo *info);
extern void rama_index_insert_many(Relation index, Relation heap, struct IndexInfo *info, int n,
								   Datum *const *values, bool *const *nulls,
								   ItemPointer const *tids, IndexUniqueCheck check);
extern bool rama_index_is_pstate(Relation index);

/* split.c */
extern void ps_make_room(Relation index, PsString key, uint16 level, int size, int run);

/* dead.c */
extern bool ps_remove_dead(Relation index, Relation heap, Buffer leaf, int size, bool unchanged);
extern void ps_remove_entries(Relation index, Buffer leaf, const OffsetNumber *offsets, int n,
							  TransactionId horizon);

/* merge.c */
extern bool ps_page_is_sparse(Page page);
extern BlockNumber ps_merge(Relation index, PsString low, uint16 level);
extern BlockNumber ps_lower_root(Relation index);

/* build.c */
extern IndexBuildResult *ps_build(Relation heap, Relation index, struct IndexInfo *info);
extern void ps_build_empty(Relation index);

/* build_load.c: a tree of entries that come in order */
typedef struct PsLoad PsLoad;

extern PsLoad *ps_load_begin(Relation index);
extern void ps_load_add(PsLoad *load, PsString entry);
extern void ps_load_end(PsLoad *load);

/* scan.c, scan_keys.c */
extern IndexScanDesc ps_begin_scan(Relation index, int nkeys, int norderbys);
extern void ps_rescan(IndexScanDesc scan, ScanKey keys, int nkeys, ScanKey orderbys, int norderbys);
extern bool ps_get_tuple(IndexScanDesc scan, ScanDirection direction);
extern int64 ps_get_bitmap(IndexScanDesc scan, TIDBitmap *tbm);
extern void ps_end_scan(IndexScanDesc scan);
extern void ps_mark_position(IndexScanDesc scan);
extern void ps_restore_position(IndexScanDesc scan);
extern bool ps_can_return(Relation index, int attno);

/* vacuum.c */
extern IndexBulkDeleteResult *ps_bulk_delete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
											 IndexBulkDeleteCallback callback, void *callback_state);
extern IndexBulkDeleteResult *ps_vacuum_cleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats);

/* on_conflict.c */
extern void ps_on_conflict_init(void);

/* check.c */
extern PGDLLEXPORT Datum rama_check_index(PG_FUNCTION_ARGS);
pg_noreturn extern void ps_report_corruption(Relation index, BlockNumber block,
											 const char *format,...) pg_attribute_printf(3, 4);

/* check_page.c */
extern const char *ps_check_page(Page page);
extern const char *ps_check_meta(Page page);

/* check_entries.c */
typedef struct PsCheckEntries PsCheckEntries;

extern PsCheckEntries *ps_check_entries_begin(Relation index, Relation heap, bool all);
extern void ps_check_entry(PsCheckEntries *check, BlockNumber block, OffsetNumber offset,
						   PsString entry, bool dead);
extern void ps_check_entries_end(PsCheckEntries *check);

#endif							/* RAMA_INDEX_H */
