/*-------------------------------------------------------------------------
 *
 * check.c
 *	  rama.check_index(): is the index as README.md says, and as the table?
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/xlogrecovery.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "index/index.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* A page's fan-out is two at least, but for one that vacuum has emptied. */
#define MAX_LEVELS 64

/* On a standby: how far replay was when the check began */
static XLogRecPtr replayed;

typedef struct Check
{
	Relation	index;
	PsCheckEntries *entries;
	BlockNumber nblocks;
	uint8	   *in_tree;		/* a bit per block */
	BlockNumber next[MAX_LEVELS];	/* right link of the level's last page */
	BufferAccessStrategy strategy;
	MemoryContext entry_context;	/* reset for each entry */
} Check;

static void check_index(Relation index, Relation heap, bool heapallindexed);
static void check_tree(Check *check, BlockNumber block, int level,
					   PsString low, PsString high);
static void check_place(Check *check, Page page, BlockNumber block, int level,
						PsString low, PsString high);
static void check_children(Check *check, Page page, BlockNumber block);
static void check_entries(Check *check, Page page, BlockNumber block);
static void check_rest(Check *check);
static void check_meta(Check *check);
static Page read_page(Check *check, BlockNumber block);

PG_FUNCTION_INFO_V1(rama_check_index);

/*
 * rama_check_index(index regclass, heapallindexed boolean) returns void
 *
 * Error XX002 with the block if the index is corrupted: all pages, their
 * order and links; that each entry can be decoded, and is at its place;
 * that no two visible rows are equal in a unique index; that entries lead to
 * rows of the table. With heapallindexed, also that each row that a snapshot
 * taken now sees has its entry, byte by byte, which sorts all entries
 * (maintenance_work_mem, temporary files).
 *
 * What it cannot see: keys and values of entries whose rows are invisible now,
 * and that a scan has marked the entry of such a row dead.
 *
 * Other errors: 42501 (not the owner), 42809 (not such an index), 55000 (not
 * valid), 0A000 (another session's temporary table; an unlogged one on a
 * standby). Takes ShareLock on table and index, and keeps it only for the call.
 *
 * No lock keeps replay out on a standby: what seems wrong may have been changed
 * meanwhile, and is error 40001 if anything was replayed.
 */
Datum
rama_check_index(PG_FUNCTION_ARGS)
{
	Oid			indexoid = PG_GETARG_OID(0);
	bool		heapallindexed = PG_GETARG_BOOL(1);
	Oid			heapoid = IndexGetRelation(indexoid, true);
	LOCKMODE	lockmode = RecoveryInProgress() ? AccessShareLock : ShareLock;
	Relation	heap;
	Relation	index;
	Oid			save_userid;
	int			save_context;
	int			save_nestlevel;

	if (!OidIsValid(heapoid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not an index", rama_relation_name(indexoid))));
	if (!object_ownercheck(RelationRelationId, indexoid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_INDEX, get_rel_name(indexoid));
	heap = table_open(heapoid, lockmode);

	/* Expressions and predicates are run as the table's owner. */
	GetUserIdAndSecContext(&save_userid, &save_context);
	SetUserIdAndSecContext(heap->rd_rel->relowner,
						   save_context | SECURITY_RESTRICTED_OPERATION);
	save_nestlevel = NewGUCNestLevel();
	rama_restrict_search_path();

	index = relation_open(indexoid, lockmode);
	if (heapoid != IndexGetRelation(indexoid, true))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("index \"%s\" was dropped", RelationGetRelationName(index))));
	check_index(index, heap, heapallindexed);

	AtEOXact_GUC(false, save_nestlevel);
	SetUserIdAndSecContext(save_userid, save_context);
	relation_close(index, lockmode);
	table_close(heap, lockmode);
	PG_RETURN_VOID();
}

static void
check_index(Relation index, Relation heap, bool heapallindexed)
{
	Check		check = {.index = index};
	MemoryContext context;
	MemoryContext caller;

	if (index->rd_rel->relkind == RELKIND_PARTITIONED_INDEX)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is a partitioned index", RelationGetRelationName(index)),
				 errhint("Check the indexes of its partitions.")));
	if (!rama_index_is_pstate(index))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not an index of access method \"%s\"",
						RelationGetRelationName(index), "pstate")));
	if (RELATION_IS_OTHER_TEMP(index))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot access temporary tables of other sessions")));
	if (!RelationIsPermanent(index) && RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot access temporary or unlogged relations during recovery")));
	if (!index->rd_index->indisvalid)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s\" is not valid", RelationGetRelationName(index)),
				 errhint("Build it anew with REINDEX INDEX %s.",
						 rama_quoted_relation_name(RelationGetRelid(index)))));

	replayed = GetXLogReplayRecPtr(NULL);
	context = AllocSetContextCreate(CurrentMemoryContext, "rama.check_index",
									ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	check.entry_context = AllocSetContextCreate(context, "rama.check_index entry",
												ALLOCSET_DEFAULT_SIZES);
	check.strategy = GetAccessStrategy(BAS_BULKREAD);
	check.nblocks = RelationGetNumberOfBlocks(index);
	check.in_tree = MemoryContextAllocExtended(context, check.nblocks / 8 + 1,
											   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int level = 0; level < MAX_LEVELS; level++)
		check.next[level] = InvalidBlockNumber;

	check_meta(&check);
	check.entries = ps_check_entries_begin(index, heap, heapallindexed);
	check_tree(&check, PS_ROOT_BLOCK, -1, PS_EMPTY, PS_INFINITE);
	ps_check_entries_end(check.entries);
	check_rest(&check);

	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}

/*
 * A page that has these fences, and all below it, in the order of their
 * strings. Level -1: whatever the root has.
 */
static void
check_tree(Check *check, BlockNumber block, int level, PsString low, PsString high)
{
	Page		page;

	CHECK_FOR_INTERRUPTS();
	page = read_page(check, block);
	check_place(check, page, block, level, low, high);
	if (PsPageIsLeaf(page))
		check_entries(check, page, block);
	else
		check_children(check, page, block);
	pfree(page);
}

/* Is the page sound, and is it where its parent and its left sibling say? */
static void
check_place(Check *check, Page page, BlockNumber block, int level,
			PsString low, PsString high)
{
	const char *wrong = ps_check_page(page);
	PsOpaque   *opaque = PsPageOpaque(page);
	uint8	   *byte = &check->in_tree[block / 8];
	bool		first = low.len == 0;
	StringInfoData own_high;

	if (wrong)
		ps_report_corruption(check->index, block, "%s", wrong);
	if (*byte & (1 << (block % 8)))
		ps_report_corruption(check->index, block, "two downlinks lead here");
	*byte |= 1 << (block % 8);

	if (level < 0)
		level = opaque->level;
	if (level >= MAX_LEVELS || opaque->level != level)
		ps_report_corruption(check->index, block, "level is %d, not %d",
							 opaque->level, level);
	if (ps_compare(ps_page_low(page), low) != 0)
		ps_report_corruption(check->index, block,
							 "the low fence is not the parent's separator");
	initStringInfo(&own_high);
	if (!PsPageIsLast(page))
		ps_page_high(page, &own_high);
	if (ps_compare(PsPageIsLast(page) ? PS_INFINITE : ps_string(&own_high), high) != 0)
		ps_report_corruption(check->index, block,
							 "the high fence is not the parent's next separator");
	pfree(own_high.data);
	if (!first && check->next[level] != block)
		ps_report_corruption(check->index, block,
							 "the left sibling's right link is %u", check->next[level]);
	check->next[level] = opaque->right;
}

/* An inner page's children; their fences are its separators. */
static void
check_children(Check *check, Page page, BlockNumber block)
{
	StringInfoData low;
	StringInfoData high;

	initStringInfo(&low);
	initStringInfo(&high);
	for (OffsetNumber offset = PS_FIRST_ENTRY; offset < PsPageEnd(page); offset++)
	{
		BlockNumber child = ps_page_child(page, offset);
		bool		last = offset + 1 == PsPageEnd(page);

		if (child <= PS_ROOT_BLOCK || child >= check->nblocks)
			ps_report_corruption(check->index, block,
								 "downlink %d leads to block %u", offset, child);
		ps_page_string(page, offset, &low);
		if (!last)
			ps_page_string(page, offset + 1, &high);
		else if (!PsPageIsLast(page))
			ps_page_high(page, &high);
		check_tree(check, child, PsPageOpaque(page)->level - 1, ps_string(&low),
				   last && PsPageIsLast(page) ? PS_INFINITE : ps_string(&high));
	}
	pfree(low.data);
	pfree(high.data);
}

static void
check_entries(Check *check, Page page, BlockNumber block)
{
	StringInfoData entry;

	initStringInfo(&entry);
	for (OffsetNumber offset = PS_FIRST_ENTRY; offset < PsPageEnd(page); offset++)
	{
		MemoryContext caller = MemoryContextSwitchTo(check->entry_context);

		ps_page_string(page, offset, &entry);
		ps_check_entry(check->entries, block, offset, ps_string(&entry),
					   ItemIdIsDead(PageGetItemId(page, offset)));
		MemoryContextSwitchTo(caller);
		MemoryContextReset(check->entry_context);
	}
	pfree(entry.data);
}

/* Blocks that are not in the tree are new, or deleted. */
static void
check_rest(Check *check)
{
	for (BlockNumber block = PS_ROOT_BLOCK; block < check->nblocks; block++)
	{
		Page		page;

		if (check->in_tree[block / 8] & (1 << (block % 8)))
			continue;
		CHECK_FOR_INTERRUPTS();
		page = read_page(check, block);
		if (!PageIsNew(page))
		{
			if (!ps_page_is_valid(page))
				ps_report_corruption(check->index, block, "not a page of an index");
			if ((PsPageOpaque(page)->flags & PS_DELETED) == 0)
				ps_report_corruption(check->index, block,
									 "neither deleted nor in the tree");
		}
		pfree(page);
	}
}

static void
check_meta(Check *check)
{
	Page		page;
	const char *wrong;

	if (check->nblocks <= PS_ROOT_BLOCK)
		ps_report_corruption(check->index, check->nblocks, "the file ends here");
	page = read_page(check, PS_META_BLOCK);
	wrong = ps_check_meta(page);
	if (wrong)
		ps_report_corruption(check->index, PS_META_BLOCK, "%s", wrong);
	pfree(page);
}

/* A copy; palloc'd */
static Page
read_page(Check *check, BlockNumber block)
{
	Page		page = palloc(BLCKSZ);
	Buffer		buffer = ReadBufferExtended(check->index, MAIN_FORKNUM, block,
											RBM_NORMAL, check->strategy);

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	memcpy(page, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);
	return page;
}

/*
 * ps_report_corruption() -- Error XX002: what is wrong with the block, by
 * printf's rules. Error 40001 if replay may be why.
 */
void
ps_report_corruption(Relation index, BlockNumber block, const char *format,...)
{
	StringInfoData what;
	va_list		args;
	int			needed;

	if (RecoveryInProgress() && GetXLogReplayRecPtr(NULL) != replayed)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("index \"%s\" was changed by replay while it was checked",
						RelationGetRelationName(index)),
				 errhint("Call pg_wal_replay_pause() before, or try again.")));
	initStringInfo(&what);
	do
	{
		resetStringInfo(&what);
		va_start(args, format);
		needed = appendStringInfoVA(&what, format, args);
		va_end(args);
		if (needed > 0)
			enlargeStringInfo(&what, needed);
	} while (needed > 0);
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" is corrupted in block %u: %s",
					RelationGetRelationName(index), block, what.data),
			 errhint("Build it anew with REINDEX INDEX %s.",
					 rama_quoted_relation_name(RelationGetRelid(index)))));
}
