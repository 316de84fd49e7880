/*-------------------------------------------------------------------------
 *
 * unique.c
 *	  Is there another row of the same key? As _bt_check_unique().
 *
 * The first leaf where a key can be is locked exclusively from before its
 * check until its entry is in the index, so that of two sessions that insert
 * the same key the later one sees the entry of the other.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tableam.h"
#include "index/insert.h"
#include "storage/lmgr.h"
#include "storage/predicate.h"
#include "utils/snapmgr.h"

/* The entries of one key, which may go on on further leaves */
typedef struct Walk
{
	Relation	index;
	PsString	key;
	Buffer		first;			/* stays locked */
	Buffer		buffer;			/* "first", or one to its right */
	OffsetNumber offset;
} Walk;

static void begin_walk(Walk *walk, Relation index, PsString key, Buffer first);
static bool is_at_entry(Walk *walk);
static void end_walk(Walk *walk);
static void get_tid(Page page, OffsetNumber offset, int keylen,
					ItemPointer tid);
static bool is_conflict(PsInsertion *insertion, Walk *walk,
						ItemPointer tid, PsVerdict *verdict);
static bool is_live(const PsInsertion *insertion);
static void mark_dead(Walk *walk);
pg_noreturn static void report_conflict(PsInsertion *insertion);
pg_noreturn static void report_missing(const PsInsertion *insertion);

/*
 * Looks for rows, committed or in progress, that have the key. "first" is the
 * first leaf where it can be, which the caller has locked exclusively and
 * keeps so. Dead entries are marked in passing.
 *
 * A conflict is an error (23505; all locks have been released), but for
 * UNIQUE_CHECK_PARTIAL. If the verdict has a transaction to wait for, the
 * caller releases the leaf, waits, and begins again.
 */
void
ps_check_unique(PsInsertion *insertion, Buffer first, PsVerdict *verdict)
{
	bool		recheck = insertion->check == UNIQUE_CHECK_EXISTING;
	bool		found = false;
	Walk		walk;

	*verdict = (PsVerdict)
	{
		.unique = true, .wait_for = InvalidTransactionId
	};
	begin_walk(&walk, insertion->index, insertion->key, first);
	for (; is_at_entry(&walk); walk.offset++)
	{
		Page		page = BufferGetPage(walk.buffer);
		ItemPointerData tid;

		verdict->crowded = true;
		if (ItemIdIsDead(PageGetItemId(page, walk.offset)))
			continue;
		get_tid(page, walk.offset, insertion->key.len, &tid);
		if (recheck && ItemPointerEquals(&tid, insertion->tid))
			found = true;
		else if (is_conflict(insertion, &walk, &tid, verdict))
			break;
	}
	end_walk(&walk);
	if (recheck && !found && !TransactionIdIsValid(verdict->wait_for))
	{
		UnlockReleaseBuffer(first);
		report_missing(insertion);
	}
}

/*
 * Waits for what stands in the way of an insertion. No locks may be held.
 */
void
ps_wait_for_other(const PsInsertion *insertion, const PsVerdict *verdict)
{
	if (verdict->speculative_token != 0)
		SpeculativeInsertionWait(verdict->wait_for,
								 verdict->speculative_token);
	else
		XactLockTableWait(verdict->wait_for, insertion->index,
						  insertion->tid, XLTW_InsertIndex);
}

/* Does an entry, or the high fence, begin with a key? */
bool
ps_page_begins_with(Page page, OffsetNumber offset, PsString key)
{
	int			prefix = PsPageOpaque(page)->prefix;
	PsString	suffix = ps_page_suffix(page, offset);

	if (memcmp(ps_page_low(page).data, key.data, Min(prefix, key.len)) != 0)
		return false;
	return key.len <= prefix ||
		(suffix.len >= key.len - prefix &&
		 memcmp(suffix.data, key.data + prefix, key.len - prefix) == 0);
}

/*
 * The right neighbour of a leaf that the caller has locked, and keeps so:
 * therefore it is the right link's. Locked exclusively.
 */
Buffer
ps_lock_right(Relation index, Buffer buffer)
{
	BlockNumber block = PsPageOpaque(BufferGetPage(buffer))->right;
	Buffer		right = ReadBuffer(index, block);
	Page		page = BufferGetPage(right);

	LockBuffer(right, BUFFER_LOCK_EXCLUSIVE);
	if (!ps_page_is_valid(page) || !PsPageIsLeaf(page) ||
		(PsPageOpaque(page)->flags & PS_DELETED) != 0)
		ps_report_corruption(index, block, "block %u links to it, and it is no leaf",
							 BufferGetBlockNumber(buffer));
	return right;
}

static void
begin_walk(Walk *walk, Relation index, PsString key, Buffer first)
{
	walk->index = index;
	walk->key = key;
	walk->first = first;
	walk->buffer = first;
	walk->offset = ps_page_find(BufferGetPage(first), key);
}

/* Is the walk at an entry of the key? Goes to the next leaf if it must. */
static bool
is_at_entry(Walk *walk)
{
	for (;;)
	{
		Page		page = BufferGetPage(walk->buffer);
		Buffer		left = walk->buffer;

		if (walk->offset < PsPageEnd(page))
			return ps_page_begins_with(page, walk->offset, walk->key);
		if (ps_page_high_is_infinite(page) ||
			!ps_page_begins_with(page, PS_HIGH_FENCE, walk->key))
			return false;
		walk->buffer = ps_lock_right(walk->index, left);
		walk->offset = PS_FIRST_ENTRY;
		if (left != walk->first)
			UnlockReleaseBuffer(left);
	}
}

static void
end_walk(Walk *walk)
{
	if (walk->buffer != walk->first)
		UnlockReleaseBuffer(walk->buffer);
	walk->buffer = walk->first;
}

/* The tid of an entry, which may be where the prefix ends */
static void
get_tid(Page page, OffsetNumber offset, int keylen, ItemPointer tid)
{
	int			prefix = PsPageOpaque(page)->prefix;
	PsString	low = ps_page_low(page);
	PsString	suffix = ps_page_suffix(page, offset);
	char		bytes[PS_TID_SIZE];

	for (int i = 0; i < PS_TID_SIZE; i++)
		bytes[i] = keylen + i < prefix ? low.data[keylen + i] :
			suffix.data[keylen + i - prefix];
	ps_get_tid(bytes, tid);
}

/*
 * Is the row with this tid one that the new one must not be beside, so that
 * there is nothing more to look for? Does not return if it is for good.
 */
static bool
is_conflict(PsInsertion *insertion, Walk *walk, ItemPointer tid,
			PsVerdict *verdict)
{
	SnapshotData dirty;
	bool		all_dead = false;
	TransactionId other;

	InitDirtySnapshot(dirty);
	if (!table_index_fetch_tuple_check(insertion->heap, tid, &dirty,
									   &all_dead))
	{
		if (all_dead)
			mark_dead(walk);
		return false;
	}
	if (insertion->check == UNIQUE_CHECK_PARTIAL)
	{
		verdict->unique = false;
		return true;
	}
	other = TransactionIdIsValid(dirty.xmin) ? dirty.xmin : dirty.xmax;
	if (TransactionIdIsValid(other))
	{
		verdict->wait_for = other;
		verdict->speculative_token = dirty.speculativeToken;
		return true;
	}

	/*
	 * CREATE INDEX CONCURRENTLY may insert a row that has been deleted since:
	 * no conflict.
	 */
	if (!is_live(insertion))
		return true;
	end_walk(walk);
	UnlockReleaseBuffer(walk->first);
	report_conflict(insertion);
}

/* Is the row that is inserted, or a later one of its HOT chain, live? */
static bool
is_live(const PsInsertion *insertion)
{
	ItemPointerData tid = *insertion->tid;

	return table_index_fetch_tuple_check(insertion->heap, &tid, SnapshotSelf,
										 NULL);
}

/* Nobody will see the row of the entry where the walk is. */
static void
mark_dead(Walk *walk)
{
	ItemIdMarkDead(PageGetItemId(BufferGetPage(walk->buffer), walk->offset));
	MarkBufferDirtyHint(walk->buffer, true);
}

/*
 * No locks are held: describing the key may read catalogs. If what was waited
 * for has made a serialization failure of this transaction, that is the error:
 * trying again helps then.
 */
static void
report_conflict(PsInsertion *insertion)
{
	const char *name = RelationGetRelationName(insertion->index);
	char	   *key;

	CheckForSerializableConflictIn(insertion->index, NULL, InvalidBlockNumber);
	key = BuildIndexValueDescription(insertion->index, insertion->values,
									 insertion->isnull);
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("duplicate key value violates unique constraint \"%s\"",
					name),
			 key ? errdetail("Key %s already exists.", key) : 0,
			 errtableconstraint(insertion->heap, name)));
}

static void
report_missing(const PsInsertion *insertion)
{
	const char *name = RelationGetRelationName(insertion->index);

	ereport(ERROR,
			(errcode(ERRCODE_INTERNAL_ERROR),
			 errmsg("failed to re-find tuple within index \"%s\"", name),
			 errhint("This may be because of a non-immutable index expression."),
			 errtableconstraint(insertion->heap, name)));
}
