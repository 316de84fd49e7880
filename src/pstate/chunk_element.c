/*-------------------------------------------------------------------------
 *
 * chunk_element.c
 *	  An element of a vector in chunks, to be read and written as a row.
 *
 * For row.c, on behalf of the logical table.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/xact.h"
#include "pstate/chunk.h"
#include "utils/datum.h"
#include "utils/snapmgr.h"

struct RamaElementRow
{
	RamaChunk	chunk;			/* open if the row was found */
	int64		number;			/* of the chunk */
	int64		start;			/* the index of its first element */
	Datum	   *values;			/* of the row */
	bool	   *nulls;
};

static bool
locate(RamaTable *table, const Datum *prefix, int64 index, Snapshot snapshot,
	   RamaChunkPlace *place)
{
	TupleTableSlot *tail = NULL;
	bool		found;

	snapshot = RegisterSnapshot(snapshot);
	found = rama_chunk_locate(table, prefix, index, snapshot, &tail, place);
	if (tail)
		ExecDropSingleTupleTableSlot(tail);
	UnregisterSnapshot(snapshot);
	return found;
}

/*
 * rama_element_locate() -- In which chunk is an element now? Error (40001) in
 * REPEATABLE READ and above if the transaction's snapshot sees that otherwise,
 * unless "relative".
 */
bool
rama_element_locate(RamaTable *table, const Datum *prefix, int64 index, bool relative,
					RamaChunkPlace *place)
{
	bool		found = locate(table, prefix, index, rama_write_snapshot(), place);
	RamaChunkPlace seen;

	if (relative || !IsolationUsesXactSnapshot())
		return found;
	if (locate(table, prefix, index, GetTransactionSnapshot(), &seen) != found ||
		(found && (seen.number != place->number || seen.start != place->start)))
		rama_serialization_failure();
	return found;
}

/*
 * In REPEATABLE READ and above: error (40001) unless the transaction's snapshot
 * sees the element as it is now. Others in its chunk may have changed.
 */
static void
check_conflict(const RamaRow *row)
{
	RamaTable  *table = row->table;
	const RamaType *type = rama_chunk_element(table);
	TupleTableSlot *slot = NULL;
	bool		seen = rama_row_fetch(table, row->keys, GetTransactionSnapshot(), &slot);
	bool		same = seen == row->found;

	if (same && seen)
	{
		bool		isnull;
		Datum		value = slot_getattr(slot, table->nkeys + 1, &isnull);

		same = isnull == row->nulls[table->nkeys] &&
			(isnull || datum_image_eq(value, row->values[table->nkeys], type->byval, type->len));
	}
	ExecDropSingleTupleTableSlot(slot);
	if (!same)
		rama_serialization_failure();
}

/* Open the chunk, and take the element out of it. */
static void
read_element(RamaRow *row, const RamaChunkPlace *place, bool check)
{
	RamaTable  *table = row->table;
	RamaElementRow *element = row->element;
	int64		index = DatumGetInt64(row->keys[table->nkeys - 1]);
	Datum		keys[RAMA_MAX_KEYS];

	element->number = place->number;
	element->start = place->start;
	if (check)
	{
		rama_chunk_keys(table, row->keys, place->number, keys);
		rama_conflict_check_hidden(table->chunks, keys);
	}
	rama_chunk_open(&element->chunk, table, row->keys, place->number, true);
	if (index - place->start >= element->chunk.count)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("element " INT64_FORMAT " is in no chunk of a vector in table \"%s\"",
						index, table->chunks->name)));
	element->values = palloc_array(Datum, table->ncolumns);
	element->nulls = palloc0_array(bool, table->ncolumns);
	memcpy(element->values, row->keys, sizeof(Datum) * table->nkeys);
	element->values[table->nkeys] = rama_array_get(rama_chunk_element(table),
												   rama_chunk_elements(&element->chunk),
												   (int) (index - place->start),
												   &element->nulls[table->nkeys]);
	row->values = element->values;
	row->nulls = element->nulls;
}

/*
 * rama_element_open() -- rama_row_open() for an element.
 */
void
rama_element_open(RamaRow *row, RamaTable *table, const Datum *keys, bool relative)
{
	int64		index = DatumGetInt64(keys[table->nkeys - 1]);
	bool		check = !relative && IsolationUsesXactSnapshot();
	RamaChunkPlace place;

	row->element = palloc0_object(RamaElementRow);
	row->buffered = NULL;
	row->found = index >= 0 && rama_element_locate(table, keys, index, true, &place);
	if (row->found)
		read_element(row, &place, check);
	if (check)
		check_conflict(row);
}

/*
 * rama_element_set() -- rama_row_set() for an element: it gets the value, or is
 * appended, in which case the count has it already.
 */
void
rama_element_set(RamaRow *row, int ncolumns, const Datum *values, const bool *nulls)
{
	RamaTable  *table = row->table;
	RamaElementRow *element = row->element;
	int64		index = DatumGetInt64(row->keys[table->nkeys - 1]);
	Datum		value = (Datum) 0;
	bool		isnull = true;

	if (ncolumns > 0)
	{
		value = values[0];
		isnull = nulls[0];
	}
	if (!row->found)
		rama_chunks_append_counted(table, row->keys, index, &value, &isnull, 1);
	else if (ncolumns > 0)
		rama_chunk_replace(table, row->keys, &element->chunk, element->number,
						   element->start, index, value, isnull);
}

/*
 * rama_element_close() -- rama_row_close() for an element.
 */
void
rama_element_close(RamaRow *row)
{
	RamaElementRow *element = row->element;

	if (row->found)
	{
		rama_chunk_close(&element->chunk);
		pfree(element->values);
		pfree(element->nulls);
	}
	pfree(element);
}
