/*-------------------------------------------------------------------------
 *
 * insert.c
 *	  Inserting the entry of one row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "index/index.h"
#include "index/insert.h"

static void insert_plainly(PsInsertion *insertion);
static bool insert_checked(PsInsertion *insertion);
static Buffer lock_target(PsInsertion *insertion, Buffer first);
static bool add_entry(PsInsertion *insertion, Buffer leaf, int *size);

/*
 * Inserts a row's entry (aminsert): true, unless "check" is
 * UNIQUE_CHECK_PARTIAL and there may be another row of this key. Waits for
 * others who are inserting or deleting it, holding no locks.
 *
 * Errors: 23505 another row has the key; 54000 the entry is too long. Leaves
 * no memory behind.
 */
bool
ps_insert(Relation index, Datum *values, bool *isnull, ItemPointer tid,
		  Relation heap, IndexUniqueCheck check, bool unchanged,
		  struct IndexInfo *info)
{
	PsInsertion insertion = {
		.index = index,
		.heap = heap,
		.values = values,
		.isnull = isnull,
		.tid = tid,
		.check = check,
		.unchanged = unchanged
	};
	StringInfoData entry;
	int			keylen;
	bool		hasnull;
	bool		unique = true;

	initStringInfo(&entry);
	ps_encode(index, ps_index(index), values, isnull, tid, &entry, &keylen,
			  &hasnull);
	insertion.entry = ps_string(&entry);
	insertion.key = (PsString)
	{
		entry.data, keylen
	};
	if (check == UNIQUE_CHECK_NO ||
		(hasnull && !index->rd_index->indnullsnotdistinct))
	{
		Assert(check != UNIQUE_CHECK_EXISTING);
		insert_plainly(&insertion);
	}
	else
		unique = insert_checked(&insertion);
	pfree(entry.data);
	return unique;
}

static void
insert_plainly(PsInsertion *insertion)
{
	for (;;)
	{
		Buffer		leaf = ps_search(insertion->index, insertion->entry, PS_AT,
									 0, BUFFER_LOCK_EXCLUSIVE);
		int			size;
		bool		done = add_entry(insertion, leaf, &size);

		UnlockReleaseBuffer(leaf);
		if (done)
			return;
		ps_make_room(insertion->index, insertion->entry, 0, size, 0);
	}
}

/* The leaf where the key begins is locked from the check to the insertion. */
static bool
insert_checked(PsInsertion *insertion)
{
	for (;;)
	{
		Buffer		first = ps_search(insertion->index, insertion->key, PS_AT,
									  0, BUFFER_LOCK_EXCLUSIVE);
		Buffer		leaf;
		PsVerdict	verdict;
		int			size;
		bool		done;

		ps_check_unique(insertion, first, &verdict);
		if (TransactionIdIsValid(verdict.wait_for))
		{
			UnlockReleaseBuffer(first);
			ps_wait_for_other(insertion, &verdict);
			continue;
		}
		if (insertion->check == UNIQUE_CHECK_EXISTING)
		{
			UnlockReleaseBuffer(first);
			return true;
		}

		/* Old versions of the row are what takes the room. */
		insertion->unchanged |= verdict.crowded;
		leaf = lock_target(insertion, first);
		done = add_entry(insertion, leaf, &size);
		if (leaf != first)
			UnlockReleaseBuffer(leaf);
		UnlockReleaseBuffer(first);
		if (done)
			return verdict.unique;
		ps_make_room(insertion->index, insertion->entry, 0, size, 0);
	}
}

/*
 * The leaf where the entry belongs: the one where its key begins, or one to
 * its right, which is locked, too.
 */
static Buffer
lock_target(PsInsertion *insertion, Buffer first)
{
	Buffer		leaf = first;

	while (ps_page_compare_high(BufferGetPage(leaf), insertion->entry) >= 0)
	{
		Buffer		left = leaf;

		leaf = ps_lock_right(insertion->index, left);
		if (left != first)
			UnlockReleaseBuffer(left);
	}
	return leaf;
}

/*
 * Adds the entry to the leaf that covers it, if there is room, or can be by
 * removal of dead entries; else says what it needs. The leaf stays locked.
 */
static bool
add_entry(PsInsertion *insertion, Buffer leaf, int *size)
{
	Page		page = BufferGetPage(leaf);
	int			prefix = PsPageOpaque(page)->prefix;
	PsString	suffix = {insertion->entry.data + prefix,
	insertion->entry.len - prefix};
	PsWrite		write;

	*size = sizeof(ItemIdData) + suffix.len;
	if (ps_page_free(page) < *size &&
		!ps_remove_dead(insertion->index, insertion->heap, leaf, *size,
						insertion->unchanged))
		return false;
	ps_write_begin(&write, insertion->index);
	ps_op_add(ps_write_page(&write, leaf, false),
			  ps_page_find(page, insertion->entry), suffix);
	ps_write_end(&write);
	return true;
}

