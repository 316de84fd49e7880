/*-------------------------------------------------------------------------
 *
 * scan.h
 *	  The state of an index scan; for scan.c and scan_*.c.
 *
 * The conditions of a scan become ranges of strings, [low, high): leading
 * columns with a finite set of values ("points": =, = ANY, IS NULL) are
 * combined, each combination is a range, which the bounds of the next column
 * make narrower. The combinations are in the order of the index, and their
 * ranges disjoint. What remains of the conditions is tested on each entry
 * ("filters").
 *
 * A batch is what was found in [from, to), a stretch of the strings that was
 * read from one page at one moment. The batch after it begins with "to", the
 * one before it ends with "from", whatever has happened to the pages.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_INDEX_SCAN_H
#define RAMA_INDEX_SCAN_H

#include "index/index.h"
#include "utils/memutils.h"

#define PS_STRING_SIZE		64	/* what strings begin with */

/* A piece of PsScan.keys; nothing (len -1) as an upper bound is infinite */
typedef struct PsSlice
{
	int			at;
	int			len;
} PsSlice;

#define PS_ANY_LOW			((PsSlice) {0, 0})
#define PS_NO_SLICE			((PsSlice) {0, -1})

/* What the conditions leave of a column: low <= encoding < high */
typedef struct PsColumnSearch
{
	bool		conditioned;	/* are there conditions? */
	bool		has_points;		/* the points are all that is left */
	int			npoints;
	int			first_point;	/* in PsScan.points */
	int			current;		/* point of the current combination */
	PsSlice		low;
	PsSlice		high;
} PsColumnSearch;

/* An encode function for arguments of a type that is not the column's */
typedef struct PsCrossType
{
	struct PsCrossType *next;
	int			column;
	Oid			type;
	FmgrInfo	encode;
} PsCrossType;

typedef struct PsItem
{
	ItemPointerData tid;
	OffsetNumber offset;		/* where its entry was on the page */
	uint16		at;				/* in PsBatch.suffixes, for index-only scans */
	uint16		len;
	bool		all_visible;	/* the visibility map said so then */
	bool		killed;			/* found to be dead for everybody since */
} PsItem;

#define PS_FEW_ITEMS		32	/* in the memory that a batch begins with */
#define PS_FIRST_LIMIT		32	/* of entries in the first batch, ... */
#define PS_LIMIT_FACTOR		8	/* ... and how it grows */

typedef struct PsBatch
{
	bool		more_left;		/* may there be matches before "from"? */
	bool		more_right;		/* or from "to" on? */
	StringInfoData from;		/* only if more_left */
	StringInfoData to;			/* only if more_right */
	BlockNumber left_hint;		/* where they may be; invalid if not known */
	BlockNumber right_hint;

	BlockNumber block;
	Buffer		pin;			/* kept for other than MVCC snapshots */
	XLogRecPtr	lsn;
	bool		has_killed;

	int			nitems;
	int			max_items;
	PsItem	   *items;

	/* For index-only scans: the page's prefix, and what follows it */
	StringInfoData entry;		/* prefix, and then some suffix */
	int			prefix;
	StringInfoData suffixes;

	PsItem		few[PS_FEW_ITEMS];
} PsBatch;

typedef struct PsScan
{
	const PsIndex *info;
	MemoryContext context;		/* of the scan's own allocations */
	MemoryContext work;			/* for values on their way; made when needed */
	PsCrossType *cross_types;

	/* The conditions */
	bool		empty;			/* contradictory */
	bool		single;			/* there is one combination only */
	int			nprefix;		/* leading columns with points */
	int			nfiltered;		/* columns up to the last with a filter */
	StringInfoData keys;		/* encoded */
	PsSlice    *points;			/* each column's are sorted and distinct */
	int			npoints;
	int			max_points;

	/* The current combination: low <= string < high */
	StringInfoData low;
	StringInfoData high;
	bool		high_infinite;
	int			prefix_len;		/* of the points in low */

	/* The position */
	bool		started;
	int			item;			/* of the current batch; -1, nitems: outside */
	int			limit;			/* most entries of the next batch, 0: any */
	StringInfoData bound;		/* where the next batch begins or ends */
	PsBatch    *current;
	PsBatch    *marked;			/* which of the two batches is not current */
	bool		mark_is_set;
	bool		mark_is_current;	/* the mark is in the current batch */
	int			mark_item;

	/* Index-only scans */
	Buffer		vm_buffer;
	TupleTableSlot *slot;
	StringInfoData tuple;
	StringInfoData scratch;		/* an entry in full */

	PsBatch    *other_batch;	/* made when first needed */
	PsBatch		first_batch;
	PsColumnSearch columns[FLEXIBLE_ARRAY_MEMBER];
} PsScan;

static inline PsString
ps_slice(const PsScan *so, PsSlice slice)
{
	return (PsString)
	{
		slice.len < 0 ? NULL : so->keys.data + slice.at, slice.len
	};
}

/* Upper end of the current combination */
static inline PsString
ps_scan_high(const PsScan *so)
{
	return so->high_infinite ? PS_INFINITE : ps_string(&so->high);
}

/* Gives the string memory for some bytes, if it has none yet. */
static inline void
ps_need_string(const PsScan *so, StringInfo string)
{
	if (string->data == NULL)
	{
		string->maxlen = PS_STRING_SIZE;
		string->data = MemoryContextAlloc(so->context, PS_STRING_SIZE);
		string->data[0] = '\0';
	}
}

/* Makes one string a copy of the other. */
static inline void
ps_set_string(const PsScan *so, StringInfo to, PsString from)
{
	ps_need_string(so, to);
	resetStringInfo(to);
	appendBinaryStringInfo(to, from.data, from.len);
}

/* The scan's memory for values on their way; the caller resets it. */
static inline MemoryContext
ps_work_context(PsScan *so)
{
	if (so->work == NULL)
		so->work = AllocSetContextCreate(so->context, "index scan", ALLOCSET_SMALL_SIZES);
	return so->work;
}

/* scan_keys.c */
extern void ps_scan_keys(IndexScanDesc scan, ScanKey keys, int nkeys);

/* scan_ranges.c */
extern void ps_first_range(PsScan *so);
extern void ps_last_range(PsScan *so);
extern bool ps_next_range(PsScan *so);
extern bool ps_previous_range(PsScan *so);
extern bool ps_range_after(PsScan *so, PsString string);
extern bool ps_range_before(PsScan *so, PsString string);
extern bool ps_scan_filter(const PsScan *so, PsString entry);

/* scan_batch.c */
extern void ps_init_batch(PsBatch *batch);
extern void ps_read_first_batch(IndexScanDesc scan, bool forward);
extern bool ps_read_next_batch(IndexScanDesc scan, bool forward);
extern void ps_leave_batch(IndexScanDesc scan, PsBatch *batch);

/* scan_items.c */
extern void ps_collect_items(IndexScanDesc scan, Page page, OffsetNumber first,
							 OffsetNumber end);
extern void ps_kill_items(IndexScanDesc scan, PsBatch *batch);

#endif							/* RAMA_INDEX_SCAN_H */
