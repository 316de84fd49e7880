/*-------------------------------------------------------------------------
 *
 * row.c
 *	  One row of a PState's table, to be read and written by the holder of
 *	  the PState's lock.
 *
 * In a session a write goes through to the table at once, and ends its
 * command. In a topology's batch it goes to the buffer (buffer.c).
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "pstate/buffer.h"
#include "pstate/chunk.h"
#include "utils/datum.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "watch/capture.h"

/*
 * Where this transaction read rows to be written, or wrote them, last:
 * direct-mapped, and only a hint. Without it, the index leads to every version
 * that the transaction has left behind; they cannot be pruned before it ends.
 */
#define HOT_ROWS 16384

typedef struct HotRow
{
	uint32		epoch;
	uint32		hash;
	Oid			relid;
	ItemPointerData tid;
} HotRow;

static HotRow hot_rows[HOT_ROWS];

/* Entries of other epochs are void; is there one of this? */
static uint32 epoch = 1;
static bool any_hot = false;

/*
 * rama_row_forget() -- Forget where rows were written: at the end of a
 * transaction, and when a subtransaction is rolled back.
 */
void
rama_row_forget(void)
{
	if (!any_hot)
		return;
	any_hot = false;
	epoch++;
	if (epoch == 0)
	{
		memset(hot_rows, 0, sizeof(hot_rows));
		epoch = 1;
	}
}

static HotRow *
hot_row(RamaTable *table, const Datum *keys, uint32 *hash)
{
	*hash = table->relid;
	for (int i = 0; i < table->nkeys; i++)
	{
		const RamaType *type = &table->keys[i];
		uint32		h;

		/* An image in other bytes is another entry: no harm. */
		if (type->byval)
			h = (uint32) (keys[i] ^ ((uint64) keys[i] >> 32)) * 0x9E3779B1u;
		else
			h = datum_image_hash(keys[i], false, type->len);
		*hash = ((*hash << 5) | (*hash >> 27)) ^ h;
	}
	return &hot_rows[(*hash ^ (*hash >> 16)) % HOT_ROWS];
}

static void
remember(RamaTable *table, const Datum *keys, ItemPointer tid)
{
	uint32		hash;
	HotRow	   *hot = hot_row(table, keys, &hash);

	any_hot = true;
	hot->epoch = epoch;
	hot->hash = hash;
	hot->relid = table->relid;
	hot->tid = *tid;
}

/* Is the row found by its hint still the one with these keys? */
static bool
has_keys(RamaTable *table, TupleTableSlot *slot, const Datum *keys)
{
	for (int i = 0; i < table->nkeys; i++)
	{
		const RamaType *type = &table->keys[i];
		bool		isnull;
		Datum		value = slot_getattr(slot, i + 1, &isnull);

		if (isnull || !datum_image_eq(value, keys[i], type->byval, type->len))
			return false;
	}
	return true;
}

/*
 * rama_row_find_hot() -- Find the row with these keys by where this
 * transaction met it last, if the snapshot sees that version.
 *
 * False says nothing: the index has to be asked. The slot pins the row's
 * buffer.
 */
bool
rama_row_find_hot(RamaTable *table, Relation heap, const Datum *keys,
				  Snapshot snapshot, TupleTableSlot *slot)
{
	uint32		hash;
	HotRow	   *hot;

	if (!any_hot)
		return false;
	hot = hot_row(table, keys, &hash);
	if (hot->epoch != epoch || hot->hash != hash || hot->relid != table->relid)
		return false;
	if (table_tuple_fetch_row_version(heap, &hot->tid, snapshot, slot) &&
		has_keys(table, slot, keys))
		return true;
	ExecClearTuple(slot);
	return false;
}

static void
open_through(RamaRow *row)
{
	rama_writer_open(&row->writer, row->table);
	row->slot = rama_table_slot(row->table);
}

static bool
find_through(RamaRow *row, const Datum *keys, bool relative)
{
	RamaTable  *table = row->table;
	Relation	heap = row->writer.heap;

	if (rama_row_find_hot(table, heap, keys, SnapshotSelf, row->slot))
	{
		/* It was checked before, or written here. */
		if (!relative)
			rama_conflict_check(table, heap, row->slot, false);
		return true;
	}
	if (!rama_row_find(table, heap, row->writer.index, keys, rama_write_snapshot(), row->slot))
	{
		rama_conflict_check_absent(table, heap, row->writer.index, keys, row->slot, relative);
		return false;
	}
	rama_conflict_check(table, heap, row->slot, relative);
	if (!relative)
		remember(table, keys, &row->slot->tts_tid);
	return true;
}

/*
 * rama_row_open() -- Open the row with these keys for writing: row->found,
 * and then row->values and row->nulls, one per column, as they are now. They
 * are good until the row is written or closed.
 *
 * Error (40001) in REPEATABLE READ and above if the row changed after the
 * transaction's snapshot, unless "relative": the change is one that holds for
 * any version. To be closed by rama_row_close().
 */
void
rama_row_open(RamaRow *row, RamaTable *table, const Datum *keys, bool relative)
{
	row->table = table;
	row->keys = keys;
	row->as = RAMA_AS_SET;
	row->adds = NULL;
	if (table->chunks)
	{
		rama_element_open(row, table, keys, relative);
		return;
	}
	row->buffered = rama_buffer_row(table, keys, false);
	if (row->buffered)
	{
		rama_buffer_values(row);
		return;
	}
	open_through(row);
	row->found = find_through(row, keys, relative);
	if (row->found)
	{
		slot_getallattrs(row->slot);
		row->values = row->slot->tts_values;
		row->nulls = row->slot->tts_isnull;
	}
}

/*
 * rama_row_open_new() -- Open a row that cannot be there.
 */
void
rama_row_open_new(RamaRow *row, RamaTable *table, const Datum *keys)
{
	row->table = table;
	row->keys = keys;
	row->as = RAMA_AS_SET;
	row->adds = NULL;
	row->found = false;
	row->buffered = rama_buffer_row(table, keys, true);
	if (!row->buffered)
		open_through(row);
}

/*
 * rama_row_close() -- Release what rama_row_open() took; locks stay to the
 * end of the transaction.
 */
void
rama_row_close(RamaRow *row)
{
	if (row->table->chunks)
	{
		rama_element_close(row);
		return;
	}
	if (row->buffered)
	{
		rama_buffer_release(row);
		return;
	}
	ExecDropSingleTupleTableSlot(row->slot);
	rama_writer_close(&row->writer);
}

/* All columns of the row, some of them new. */
static void
merge_columns(const RamaRow *row, int ncolumns, const AttrNumber *attnos,
			  const Datum *new_values, const bool *new_nulls,
			  Datum *values, bool *nulls)
{
	const RamaTable *table = row->table;

	for (int i = 0; i < table->ncolumns; i++)
	{
		values[i] = row->found ? row->values[i] : i < table->nkeys ? row->keys[i] : (Datum) 0;
		nulls[i] = row->found ? row->nulls[i] : i >= table->nkeys;
	}
	for (int i = 0; i < ncolumns; i++)
	{
		values[attnos[i] - 1] = new_values[i];
		nulls[attnos[i] - 1] = new_nulls[i];
	}
}

/*
 * rama_row_set() -- Set columns of an open row, or make the row with them.
 * Other columns stay, or are NULL in a new row.
 *
 * The caller keeps counts. The row is to be closed next. Errors: those of
 * constraints.
 */
void
rama_row_set(RamaRow *row, int ncolumns, const AttrNumber *attnos,
			 const Datum *new_values, const bool *new_nulls)
{
	RamaTable  *table = row->table;
	bool		constrained = rama_table_constrained(table);
	Datum	   *values = NULL;
	bool	   *nulls = NULL;

	rama_changes_note(table, row->keys, row->found ? row->values : NULL, row->nulls);
	rama_capture_row(row, ncolumns, attnos, new_values, new_nulls);
	if ((!row->buffered && !table->chunks) || constrained)
	{
		values = palloc(sizeof(Datum) * table->ncolumns);
		nulls = palloc(sizeof(bool) * table->ncolumns);
		merge_columns(row, ncolumns, attnos, new_values, new_nulls, values, nulls);
		if (constrained)
			rama_row_check(table, values, nulls);
	}
	if (table->chunks)
		rama_element_set(row, ncolumns, new_values, new_nulls);
	else if (row->buffered)
		rama_buffer_set(row, ncolumns, attnos, new_values, new_nulls);
	else
	{
		ItemPointerData tid;

		if (row->found)
		{
			tid = row->slot->tts_tid;
			rama_writer_update(&row->writer, &tid, values, nulls, true);
		}
		else
			rama_writer_insert(&row->writer, values, nulls, &tid);
		remember(table, row->keys, &tid);
		CommandCounterIncrement();
	}
	if (values)
	{
		pfree(values);
		pfree(nulls);
	}
}

/*
 * rama_row_delete() -- Delete an open row that was found. The caller keeps
 * counts, and closes it next.
 */
void
rama_row_delete(RamaRow *row)
{
	rama_changes_note(row->table, row->keys, row->values, row->nulls);
	if (row->buffered)
	{
		rama_buffer_delete(row);
		return;
	}
	rama_writer_delete(&row->writer, &row->slot->tts_tid);
	CommandCounterIncrement();
}
