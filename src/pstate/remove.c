/*-------------------------------------------------------------------------
 *
 * remove.c
 *	  Removing rows of PStates with everything below them.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "pstate/chunk.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "watch/capture.h"

/*
 * rama_range_remove() -- Delete the rows of a table that start with these keys,
 * and those in the tables below; returns how many rows, or chunks, of this table
 * there were.
 *
 * The scan's snapshot is older than the deletions. They become visible when
 * the caller ends the command. Errors: 40001.
 */
int64
rama_range_remove(RamaTable *table, const Datum *prefix, int nprefix)
{
	TupleTableSlot *slot;
	int64		removed = 0;
	RamaScan   *scan;
	RamaWriter	writer;

	if (table->chunks)
	{
		rama_chunks_note(table, prefix, nprefix, 0, PG_INT64_MAX, false);
		table = table->chunks;
	}
	scan = rama_scan_begin(table, prefix, nprefix, NULL, NULL, false, rama_write_snapshot());
	rama_writer_open(&writer, table);
	while ((slot = rama_scan_next(scan)) != NULL)
	{
		rama_conflict_check(table, writer.heap, slot, false);
		slot_getallattrs(slot);
		rama_changes_note(table, slot->tts_values, slot->tts_values, slot->tts_isnull);
		rama_buffer_forget(table, slot->tts_values);
		rama_writer_delete(&writer, &slot->tts_tid);
		removed++;
	}
	rama_writer_close(&writer);
	rama_scan_end(scan);

	for (int i = 0; i < table->nchildren; i++)
		rama_range_remove(table->children[i], prefix, nprefix);
	return removed;
}

/* Has the row entries in this child table? */
static bool
has_entries(const RamaRow *row, RamaTable *child)
{
	AttrNumber	attno = child->node->attno;

	return row->found && !row->nulls[attno - 1] && DatumGetInt64(row->values[attno - 1]) > 0;
}

/*
 * Delete a row and everything below it; was there one? The caller counts, and
 * if not "captured" tells watchers.
 */
static bool
remove_row(RamaTable *table, const Datum *keys, bool captured)
{
	RamaRow		row;

	rama_row_open(&row, table, keys, false);
	if (row.found)
	{
		bool		below = false;

		for (int i = 0; i < table->nchildren; i++)
		{
			if (!has_entries(&row, table->children[i]))
				continue;
			rama_range_remove(table->children[i], keys, table->nkeys);
			below = true;
		}
		/* A row that came and went in the buffer ends no command. */
		if (below)
			CommandCounterIncrement();
		if (captured)
			rama_capture_remove(table, row.values);
		rama_row_delete(&row);
	}
	rama_row_close(&row);
	return row.found;
}

/* The same for an element of a vector in chunks, which is counted. */
static bool
remove_element(RamaTable *table, const Datum *keys)
{
	int64		index = DatumGetInt64(keys[table->nkeys - 1]);
	RamaChunkPlace place;

	if (index < 0 || !rama_element_locate(table, keys, index, false, &place))
		return false;
	rama_chunks_remove(table, keys, &index, 1);
	return true;
}

/*
 * rama_row_remove() -- Remove the row with these keys and everything below
 * it; returns whether there was one.
 *
 * Counts are kept; the elements of a vector behind it move down by one, which
 * costs a row version each. Errors: 40001.
 */
bool
rama_row_remove(RamaTable *table, const Datum *keys)
{
	bool		isvector = table->node->kind == RAMA_VECTOR && table->nkeys > 0;
	int64		index;
	int64		count;

	if (table->chunks)
		return remove_element(table, keys);
	if (!remove_row(table, keys, true))
		return false;
	count = rama_count_entry(table, keys, -1);
	if (!isvector)
		return true;
	index = DatumGetInt64(keys[table->nkeys - 1]);
	if (index < count - 1)
		rama_vector_close_gaps(table, keys, &index, 1);
	return true;
}

/*
 * rama_vector_remove() -- Remove elements, whose indexes are ascending and
 * there, with everything below them. Errors: 40001.
 */
void
rama_vector_remove(RamaTable *table, const Datum *prefix, const int64 *indexes, int64 count)
{
	Datum		keys[RAMA_MAX_KEYS];

	if (count == 0)
		return;
	if (table->chunks)
	{
		rama_chunks_remove(table, prefix, indexes, count);
		return;
	}
	if (table->nkeys > 1)
		memcpy(keys, prefix, sizeof(Datum) * (table->nkeys - 1));
	for (int64 i = 0; i < count; i++)
	{
		keys[table->nkeys - 1] = Int64GetDatum(indexes[i]);
		(void) remove_row(table, keys, false);
	}
	/* The last one first: so each index is the one that it had. */
	for (int64 i = count - 1; i >= 0; i--)
	{
		keys[table->nkeys - 1] = Int64GetDatum(indexes[i]);
		rama_capture_remove(table, keys);
	}
	(void) rama_count_entry(table, prefix, -count);
	rama_vector_close_gaps(table, prefix, indexes, count);
}

/* The count of a collection in its enclosing row becomes 0 or NULL. */
static void
reset_count(RamaNode *node, const Datum *keys, bool exists)
{
	Datum		zero = Int64GetDatum(0);
	bool		isnull = !exists;

	rama_row_put(node->table->parent, keys, 1, &node->attno, &zero, &isnull);
}

/*
 * rama_collection_clear() -- Remove all entries of a collection that has a
 * table of its own; "keys" are those of the enclosing row. Afterwards it is
 * empty, or absent where not "exists".
 *
 * The enclosing row is made where it is missing and the collection is to
 * exist. The outermost collection always exists. Errors: 40001.
 */
void
rama_collection_clear(RamaNode *node, const Datum *keys, bool exists)
{
	RamaTable  *table = node->table;
	RamaTable  *parent = table->parent;
	bool		had_entries;
	bool		found;
	RamaRow		row;

	Assert(node->storage == RAMA_IN_TABLE);
	if (parent == NULL)
	{
		int64		removed = rama_range_remove(table, NULL, 0);

		CommandCounterIncrement();
		rama_version_change(table->pstate, -removed);
		rama_capture_clear(node, NULL, true);
		return;
	}
	rama_row_open(&row, parent, keys, true);
	found = row.found;
	had_entries = has_entries(&row, table);
	rama_row_close(&row);

	if (had_entries)
	{
		rama_range_remove(table, keys, parent->nkeys);
		CommandCounterIncrement();
	}
	if (found || exists)
	{
		reset_count(node, keys, exists);
		rama_capture_clear(node, keys, exists);
	}
}
