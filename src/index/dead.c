/*-------------------------------------------------------------------------
 *
 * dead.c
 *	  Removing the entries of dead rows from a leaf that is full, as
 *	  _bt_delete_or_dedup_one_page() does, and what vacuum has found.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tableam.h"
#include "access/xlog.h"
#include "index/index.h"
#include "index/insert.h"
#include "lib/qunique.h"

/*
 * Bottom-up deletion asks for this much, so that it need not be called again
 * for the next row.
 */
#define BOTTOM_UP_SPACE		(BLCKSZ / 16)

static bool may_remove(Relation index, Relation heap);
static bool has_marked(Page page);
static void remove_marked(Relation index, Relation heap, Buffer leaf);
static BlockNumber *marked_blocks(const PsIndex *info, Page page, int *n);
static void remove_bottom_up(Relation index, Relation heap, Buffer leaf,
							 int size);
static void init_deletion(TM_IndexDeleteOp *deletion, Relation index,
						  Buffer leaf);
static TM_IndexStatus *add_candidate(TM_IndexDeleteOp *deletion, Page page,
									 OffsetNumber offset, ItemPointer tid);
static void carry_out(TM_IndexDeleteOp *deletion, Relation heap, Buffer leaf);
static void parse_entry(const PsIndex *info, Page page, OffsetNumber offset,
						StringInfo buf, PsEntry *entry);
static int	compare_blocks(const void *a, const void *b);
static int	compare_offsets(const void *a, const void *b);

/*
 * Removes entries of dead rows from a full leaf, which the caller has locked
 * exclusively, until "size" bytes are free: first those that are marked as
 * dead, and others of the same blocks of the heap; then, if the row to come is
 * another version of one with the same key ("unchanged"), those of old
 * versions. True if there is room.
 *
 * Nothing is removed if the change could not tell standbys whose queries it
 * concerns.
 */
bool
ps_remove_dead(Relation index, Relation heap, Buffer leaf, int size,
			   bool unchanged)
{
	Page		page = BufferGetPage(leaf);

	if (!may_remove(index, heap))
		return ps_page_free(page) >= size;
	if (has_marked(page))
		remove_marked(index, heap, leaf);
	if (ps_page_free(page) < size && unchanged)
		remove_bottom_up(index, heap, leaf, size);
	return ps_page_free(page) >= size;
}

/*
 * Removes entries from a leaf, which the caller has locked exclusively, in one
 * WAL record. Offsets are ascending. horizon: transactions that could see the
 * rows, of queries on standbys; none if invalid.
 */
void
ps_remove_entries(Relation index, Buffer leaf, const OffsetNumber *offsets,
				  int n, TransactionId horizon)
{
	PsWrite		write;

	ps_write_begin(&write, index);
	write.horizon = horizon;
	ps_op_remove(ps_write_page(&write, leaf, false), offsets, n);
	ps_write_end(&write);
}

/*
 * Generic WAL records have no horizon, and ours does not say whether the table
 * is one that logical decoding on a standby reads.
 */
static bool
may_remove(Relation index, Relation heap)
{
	if (!RelationNeedsWAL(index) || !XLogStandbyInfoActive())
		return true;
	return ps_wal_is_custom() && !RelationIsAccessibleInLogicalDecoding(heap);
}

static bool
has_marked(Page page)
{
	for (OffsetNumber i = PS_FIRST_ENTRY; i < PsPageEnd(page); i++)
	{
		if (ItemIdIsDead(PageGetItemId(page, i)))
			return true;
	}
	return false;
}

/*
 * Removes what is marked. Its rows' blocks are read for the horizon, so that
 * other entries of them can be tested at no cost.
 */
static void
remove_marked(Relation index, Relation heap, Buffer leaf)
{
	const PsIndex *info = ps_index(index);
	Page		page = BufferGetPage(leaf);
	int			nblocks;
	BlockNumber *blocks = marked_blocks(info, page, &nblocks);
	TM_IndexDeleteOp deletion;
	StringInfoData buf;

	init_deletion(&deletion, index, leaf);
	initStringInfo(&buf);
	for (OffsetNumber i = PS_FIRST_ENTRY; i < PsPageEnd(page); i++)
	{
		PsEntry		entry;
		BlockNumber block;

		parse_entry(info, page, i, &buf, &entry);
		block = ItemPointerGetBlockNumber(&entry.tid);
		if (bsearch(&block, blocks, nblocks, sizeof(BlockNumber),
					compare_blocks) != NULL)
			add_candidate(&deletion, page, i, &entry.tid)->knowndeletable =
				ItemIdIsDead(PageGetItemId(page, i));
	}
	carry_out(&deletion, heap, leaf);
	pfree(buf.data);
	pfree(blocks);
}

/* Blocks of the heap that entries marked as dead point to, in order */
static BlockNumber *
marked_blocks(const PsIndex *info, Page page, int *n)
{
	BlockNumber *blocks = palloc(PsPageEntries(page) * sizeof(BlockNumber));
	StringInfoData buf;

	*n = 0;
	initStringInfo(&buf);
	for (OffsetNumber i = PS_FIRST_ENTRY; i < PsPageEnd(page); i++)
	{
		PsEntry		entry;

		if (!ItemIdIsDead(PageGetItemId(page, i)))
			continue;
		parse_entry(info, page, i, &buf, &entry);
		blocks[(*n)++] = ItemPointerGetBlockNumber(&entry.tid);
	}
	pfree(buf.data);
	qsort(blocks, *n, sizeof(BlockNumber), compare_blocks);
	*n = qunique(blocks, *n, sizeof(BlockNumber), compare_blocks);
	return blocks;
}

/*
 * Lets the table say which rows are dead, beginning with those that have the
 * same key as another one.
 */
static void
remove_bottom_up(Relation index, Relation heap, Buffer leaf, int size)
{
	const PsIndex *info = ps_index(index);
	Page		page = BufferGetPage(leaf);
	TM_IndexDeleteOp deletion;
	TM_IndexStatus *last = NULL;
	StringInfoData last_buf;
	StringInfoData buf;
	PsEntry		last_entry;

	if (PsPageEntries(page) == 0)
		return;
	init_deletion(&deletion, index, leaf);
	deletion.bottomup = true;
	deletion.bottomupfreespace = Max(BOTTOM_UP_SPACE, size);
	initStringInfo(&last_buf);
	initStringInfo(&buf);
	for (OffsetNumber i = PS_FIRST_ENTRY; i < PsPageEnd(page); i++)
	{
		TM_IndexStatus *status;
		StringInfoData swap = last_buf;
		PsEntry		entry;

		parse_entry(info, page, i, &buf, &entry);
		status = add_candidate(&deletion, page, i, &entry.tid);
		if (last != NULL && ps_compare(last_entry.key, entry.key) == 0)
			last->promising = status->promising = true;
		last = status;
		last_entry = entry;
		last_buf = buf;
		buf = swap;
	}
	carry_out(&deletion, heap, leaf);
	pfree(last_buf.data);
	pfree(buf.data);
}

static void
init_deletion(TM_IndexDeleteOp *deletion, Relation index, Buffer leaf)
{
	int			n = PsPageEntries(BufferGetPage(leaf));

	*deletion = (TM_IndexDeleteOp)
	{
		.irel = index, .iblknum = BufferGetBlockNumber(leaf)
	};
	deletion->deltids = palloc(n * sizeof(TM_IndexDelete));
	deletion->status = palloc(n * sizeof(TM_IndexStatus));
}

/* An entry that the table is asked about; the caller may say more of it. */
static TM_IndexStatus *
add_candidate(TM_IndexDeleteOp *deletion, Page page, OffsetNumber offset,
			  ItemPointer tid)
{
	int			n = deletion->ndeltids++;
	TM_IndexStatus *status = &deletion->status[n];

	deletion->deltids[n] = (TM_IndexDelete)
	{
		.tid = *tid, .id = n
	};
	*status = (TM_IndexStatus)
	{
		.idxoffnum = offset,
			.freespace = sizeof(ItemIdData) + ps_page_suffix(page, offset).len
	};
	return status;
}

/* Asks the table, and removes what it says is dead. Frees the arrays. */
static void
carry_out(TM_IndexDeleteOp *deletion, Relation heap, Buffer leaf)
{
	Relation	index = deletion->irel;
	TransactionId horizon = table_index_delete_tuples(heap, deletion);
	OffsetNumber *offsets = palloc((deletion->ndeltids + 1) *
								   sizeof(OffsetNumber));
	int			n = 0;

	for (int i = 0; i < deletion->ndeltids; i++)
	{
		TM_IndexStatus *status = &deletion->status[deletion->deltids[i].id];

		if (status->knowndeletable)
			offsets[n++] = status->idxoffnum;
	}
	qsort(offsets, n, sizeof(OffsetNumber), compare_offsets);
	if (!XLogStandbyInfoActive())
		horizon = InvalidTransactionId;
	if (n > 0)
		ps_remove_entries(index, leaf, offsets, n, horizon);
	pfree(offsets);
	pfree(deletion->deltids);
	pfree(deletion->status);
}

/* The parts are valid as long as "buf" is. */
static void
parse_entry(const PsIndex *info, Page page, OffsetNumber offset,
			StringInfo buf, PsEntry *entry)
{
	ps_page_string(page, offset, buf);
	ps_parse(info, ps_string(buf), entry);
}

static int
compare_blocks(const void *a, const void *b)
{
	BlockNumber x = *(const BlockNumber *) a;
	BlockNumber y = *(const BlockNumber *) b;

	return (x > y) - (x < y);
}

static int
compare_offsets(const void *a, const void *b)
{
	return (int) *(const OffsetNumber *) a - (int) *(const OffsetNumber *) b;
}
