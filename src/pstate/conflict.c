/*-------------------------------------------------------------------------
 *
 * conflict.c
 *	  What REPEATABLE READ and SERIALIZABLE ask of a write: the row to be
 *	  changed is the one that the transaction's snapshot sees.
 *
 * The PState's lock gives writers the newest version of each row, whatever
 * their snapshot. A change by a difference, as of a count, holds for any
 * version. But it leaves a version of this transaction's own, behind which the
 * one that the snapshot does not see is hidden. So such rows are remembered.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "common/hashfn.h"
#include "pstate/pstate.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* Hashes of the rows' keys, in TopTransactionContext. Two rows with the same
 * one would make a serialization failure too many. */
static HTAB *hidden = NULL;

/*
 * rama_conflict_forget() -- Called at the end of a transaction.
 */
void
rama_conflict_forget(void)
{
	hidden = NULL;
}

static uint64
hash_row(const RamaTable *table, const Datum *keys)
{
	uint64		hash = table->relid;

	for (int i = 0; i < table->nkeys; i++)
	{
		const RamaType *type = &table->keys[i];

		if (type->byval)
			hash = hash_bytes_extended((const unsigned char *) &keys[i], sizeof(Datum), hash);
		else if (type->len == -1)
		{
			struct varlena *key = PG_DETOAST_DATUM_PACKED(keys[i]);

			hash = hash_bytes_extended((unsigned char *) VARDATA_ANY(key),
									   VARSIZE_ANY_EXHDR(key), hash);
		}
		else
			hash = hash_bytes_extended((unsigned char *) DatumGetPointer(keys[i]),
									   type->len, hash);
	}
	return hash;
}

static void
hide(const RamaTable *table, const Datum *keys)
{
	uint64		hash = hash_row(table, keys);

	if (hidden == NULL)
	{
		HASHCTL		info = {.keysize = sizeof(uint64), .entrysize = sizeof(uint64),
		.hcxt = TopTransactionContext};

		hidden = hash_create("pg_rama rows with hidden changes", 64, &info,
							 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	(void) hash_search(hidden, &hash, HASH_ENTER, NULL);
}

static bool
is_hidden(const RamaTable *table, const Datum *keys)
{
	uint64		hash;

	if (hidden == NULL)
		return false;
	hash = hash_row(table, keys);
	return hash_search(hidden, &hash, HASH_FIND, NULL) != NULL;
}

/*
 * rama_conflict_check_hidden() -- Error (40001) if rama_conflict_check() found a
 * change of the row that was no conflict, because it was relative.
 */
void
rama_conflict_check_hidden(const RamaTable *table, const Datum *keys)
{
	if (is_hidden(table, keys))
		rama_serialization_failure();
}

/*
 * rama_serialization_failure() -- Error 40001.
 */
void
rama_serialization_failure(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not serialize access due to concurrent update")));
}

/*
 * rama_conflict_check() -- The row in the slot, which pins its buffer, is the
 * newest version and going to be changed: error (40001) in REPEATABLE READ and
 * above if it was changed after the transaction's snapshot, unless "relative".
 */
void
rama_conflict_check(RamaTable *table, Relation heap, TupleTableSlot *slot, bool relative)
{
	bool		seen;

	if (!IsolationUsesXactSnapshot())
		return;
	seen = table_tuple_satisfies_snapshot(heap, slot, GetTransactionSnapshot());
	slot_getallattrs(slot);
	if (relative && !seen)
		hide(table, slot->tts_values);
	else if (!relative && (!seen || is_hidden(table, slot->tts_values)))
		rama_serialization_failure();
}

/*
 * rama_conflict_check_absent() -- The same for a row with these keys that is
 * not there: there must be none that the snapshot sees. The slot is for use.
 */
void
rama_conflict_check_absent(RamaTable *table, Relation heap, Relation index,
						   const Datum *keys, TupleTableSlot *slot, bool relative)
{
	if (!IsolationUsesXactSnapshot() ||
		!rama_row_find(table, heap, index, keys, GetTransactionSnapshot(), slot))
		return;
	ExecClearTuple(slot);
	if (!relative)
		rama_serialization_failure();
	hide(table, keys);
}
