/*-------------------------------------------------------------------------
 *
 * chunk.c
 *	  The rows of chunks, to be read and written by the holder of the PState's
 *	  lock.
 *
 * See "Chunked vectors" in src/pstate/README.md.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "pstate/chunk.h"
#include "utils/builtins.h"

/*
 * rama_chunk_element() -- The type of a vector's elements.
 */
const RamaType *
rama_chunk_element(const RamaTable *table)
{
	return &table->columns[table->nkeys].type;
}

/*
 * rama_chunk_keys() -- The keys of a chunk.
 */
void
rama_chunk_keys(const RamaTable *table, const Datum *prefix, int64 number, Datum *keys)
{
	if (table->nkeys > 1)
		memcpy(keys, prefix, sizeof(Datum) * (table->nkeys - 1));
	keys[table->nkeys - 1] = Int64GetDatum(number);
}

/*
 * rama_chunk_open() -- Open a chunk for writing, as rama_row_open(). To be closed
 * by rama_chunk_close().
 */
void
rama_chunk_open(RamaChunk *chunk, RamaTable *table, const Datum *prefix, int64 number,
				bool relative)
{
	RamaTable  *chunks = table->chunks;

	chunk->copy = NULL;
	chunk->elements = NULL;
	chunk->count = 0;
	rama_chunk_keys(table, prefix, number, chunk->keys);
	rama_row_open(&chunk->row, chunks, chunk->keys, relative);
	if (!chunk->row.found)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("chunk " INT64_FORMAT " of a vector in table \"%s\" is missing",
						number, chunks->name)));
	chunk->count = DatumGetInt32(chunk->row.values[RAMA_CHUNK_COUNT(chunks) - 1]);
	chunk->shifted = chunk->row.nulls[RAMA_CHUNK_FIRST(chunks) - 1];
	chunk->first = chunk->shifted ? 0 :
		DatumGetInt64(chunk->row.values[RAMA_CHUNK_FIRST(chunks) - 1]);
}

/*
 * rama_chunk_open_new() -- Open one that cannot be there.
 */
void
rama_chunk_open_new(RamaChunk *chunk, RamaTable *table, const Datum *prefix, int64 number)
{
	chunk->copy = NULL;
	chunk->elements = NULL;
	chunk->count = 0;
	chunk->shifted = false;
	chunk->first = 0;
	rama_chunk_keys(table, prefix, number, chunk->keys);
	rama_row_open_new(&chunk->row, table->chunks, chunk->keys);
}

/*
 * rama_chunk_elements() -- The elements of an open chunk, good until it is written
 * or closed; without elements, an array of none.
 */
ArrayType *
rama_chunk_elements(RamaChunk *chunk)
{
	RamaTable  *chunks = chunk->row.table;
	Datum		datum;

	if (chunk->elements)
		return chunk->elements;
	if (!chunk->row.found)
	{
		chunk->elements = chunk->copy =
			construct_empty_array(rama_chunk_element(chunks->logical)->oid);
		return chunk->elements;
	}
	datum = chunk->row.values[RAMA_CHUNK_ELEMENTS(chunks) - 1];
	chunk->elements = DatumGetArrayTypeP(datum);
	if (DatumGetPointer(datum) != (Pointer) chunk->elements)
		chunk->copy = chunk->elements;
	if (rama_array_count(chunk->elements) != chunk->count)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a chunk of a vector in table \"%s\" has %d elements instead of %d",
						chunks->name, rama_array_count(chunk->elements), chunk->count)));
	return chunk->elements;
}

/*
 * rama_chunk_set() -- Give an open chunk its elements; of a tail also: the index of
 * the first one, or that the vector is shifted. The chunk is to be closed next.
 */
void
rama_chunk_set(RamaChunk *chunk, ArrayType *elements, bool istail, bool shifted, int64 first)
{
	RamaTable  *chunks = chunk->row.table;
	AttrNumber	attnos[] = {
		RAMA_CHUNK_COUNT(chunks), RAMA_CHUNK_FIRST(chunks), RAMA_CHUNK_ELEMENTS(chunks)
	};
	Datum		values[] = {
		Int32GetDatum(rama_array_count(elements)), Int64GetDatum(first),
		PointerGetDatum(elements)
	};
	bool		nulls[] = {false, !istail || shifted, false};

	rama_row_set(&chunk->row, 3, attnos, values, nulls);
}

/*
 * rama_chunk_close() -- Release it.
 */
void
rama_chunk_close(RamaChunk *chunk)
{
	rama_row_close(&chunk->row);
	if (chunk->copy)
		pfree(chunk->copy);
}

/*
 * rama_chunk_delete() -- Delete a chunk.
 */
void
rama_chunk_delete(RamaTable *table, const Datum *prefix, int64 number)
{
	RamaChunk	chunk;

	rama_chunk_open(&chunk, table, prefix, number, false);
	rama_row_delete(&chunk.row);
	rama_chunk_close(&chunk);
}

/*
 * rama_chunk_insert() -- Insert a sealed chunk.
 */
void
rama_chunk_insert(RamaTable *table, const Datum *prefix, int64 number, ArrayType *elements)
{
	RamaChunk	chunk;

	rama_chunk_open_new(&chunk, table, prefix, number);
	rama_chunk_set(&chunk, elements, false, false, 0);
	rama_chunk_close(&chunk);
}

/*
 * rama_chunk_last_sealed() -- The number of the last sealed chunk; false if there
 * is none.
 */
bool
rama_chunk_last_sealed(RamaTable *table, const Datum *prefix, int64 *number)
{
	RamaBound	high = {true, false, Int64GetDatum(RAMA_CHUNK_TAIL)};
	RamaScan   *scan = rama_scan_begin(table->chunks, prefix, table->nkeys - 1, NULL, &high,
									   true, rama_write_snapshot());
	TupleTableSlot *slot = rama_scan_next(scan);
	bool		isnull;

	if (slot)
		*number = DatumGetInt64(slot_getattr(slot, table->chunks->nkeys, &isnull));
	rama_scan_end(scan);
	return slot != NULL;
}

/*
 * rama_chunks_check() -- Error if elements are null where their domain does not
 * allow that.
 */
void
rama_chunks_check(RamaTable *table, const bool *nulls, int64 count)
{
	if (!table->columns[table->nkeys].isdomain)
		return;
	for (int64 i = 0; i < count; i++)
		if (nulls[i])
		{
			domain_check((Datum) 0, true, rama_chunk_element(table)->oid, NULL, NULL);
			break;
		}
}
