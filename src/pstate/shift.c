/*-------------------------------------------------------------------------
 *
 * shift.c
 *	  Elements of vectors that change their index, with everything below
 *	  them: gaps that are closed, and room that is made.
 *
 * A row that moves costs a version. Rows move in such an order that no key is
 * there twice.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "pstate/chunk.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Where elements go: behind removed ones, down; from an index on, up. */
typedef struct Shift
{
	const int64 *removed;		/* ascending; NULL: up */
	int64		count;			/* of removed ones, or of places to make */
	int64		passed;			/* removed ones that the scan has passed */
	int64		from;
} Shift;

static int64
new_index(Shift *shift, int64 index)
{
	if (shift->removed == NULL)
		return index + shift->count;
	while (shift->passed < shift->count && shift->removed[shift->passed] < index)
		shift->passed++;
	return index - shift->passed;
}

/* Move a row: its key column number "column" is the index. */
static void
move_row(RamaWriter *writer, TupleTableSlot *slot, int column, Shift *shift)
{
	int			ncolumns = writer->table->ncolumns;
	Datum	   *values = palloc(sizeof(Datum) * ncolumns);
	ItemPointerData tid = slot->tts_tid;

	rama_conflict_check(writer->table, writer->heap, slot, false);
	slot_getallattrs(slot);
	rama_changes_note(writer->table, slot->tts_values, slot->tts_values, slot->tts_isnull);
	memcpy(values, slot->tts_values, sizeof(Datum) * ncolumns);
	rama_buffer_forget(writer->table, values);
	values[column] = Int64GetDatum(new_index(shift, DatumGetInt64(values[column])));
	rama_changes_note(writer->table, values, NULL, NULL);
	rama_buffer_forget(writer->table, values);
	rama_writer_update(writer, &tid, values, slot->tts_isnull, false);
	pfree(values);
}

static void shift_chunks(RamaTable *table, const Datum *prefix, int nprefix, Shift *shift);

static void
shift_rows(RamaTable *table, const Datum *prefix, int nprefix, Shift *shift)
{
	RamaBound	low = {true, true, Int64GetDatum(shift->from)};
	RamaScan   *scan = rama_scan_begin(table, prefix, nprefix, &low, NULL,
									   shift->removed == NULL, rama_write_snapshot());
	TupleTableSlot *slot;
	RamaWriter	writer;

	shift->passed = 0;
	rama_writer_open(&writer, table);
	while ((slot = rama_scan_next(scan)) != NULL)
		move_row(&writer, slot, nprefix, shift);
	rama_writer_close(&writer);
	rama_scan_end(scan);

	for (int i = 0; i < table->nchildren; i++)
	{
		RamaTable  *child = table->children[i];

		if (child->chunks)
			shift_chunks(child, prefix, nprefix, shift);
		else
			shift_rows(child, prefix, nprefix, shift);
	}
}

/* Vectors in chunks, which belong to elements that move */
static void
shift_chunks(RamaTable *table, const Datum *prefix, int nprefix, Shift *shift)
{
	bool		tracked = rama_changes_tracked(table->relid);

	if (tracked)
		rama_chunks_note(table, prefix, nprefix, 0, PG_INT64_MAX, false);
	shift_rows(table->chunks, prefix, nprefix, shift);
	if (!tracked)
		return;
	CommandCounterIncrement();
	rama_chunks_note(table, prefix, nprefix, 0, PG_INT64_MAX, true);
}

/*
 * rama_vector_close_gaps() -- Elements behind removed ones, whose indexes are
 * ascending, move down. The caller has removed their rows and counted them.
 * Errors: 40001.
 */
void
rama_vector_close_gaps(RamaTable *table, const Datum *prefix, const int64 *removed,
					   int64 count)
{
	Shift		shift = {.removed = removed, .count = count};

	if (count == 0)
		return;
	shift.from = removed[0];
	shift_rows(table, prefix, table->nkeys - 1, &shift);
	CommandCounterIncrement();
}

/*
 * rama_vector_make_room() -- Make room for elements at an index, which is at
 * most the count: those from there on move up. The caller makes the rows; the
 * count has them already. Enclosing rows are made where they are missing.
 * Returns whether there were such elements. Errors: 40001.
 */
bool
rama_vector_make_room(RamaTable *table, const Datum *prefix, int64 at, int64 count)
{
	Shift		shift = {.count = count, .from = at};

	if (rama_count_entry(table, prefix, count) <= at)
		return false;
	shift_rows(table, prefix, table->nkeys - 1, &shift);
	CommandCounterIncrement();
	return true;
}
