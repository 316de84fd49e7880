/*-------------------------------------------------------------------------
 *
 * chunk.h
 *	  Vectors that are stored in chunks: arrays of elements, and the rows that
 *	  hold them.
 *
 * See "Chunked vectors" in src/pstate/README.md.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_PSTATE_CHUNK_H
#define RAMA_PSTATE_CHUNK_H

#include "pstate/pstate.h"

#include "utils/array.h"

/* A chunk's array is at most so large, unless it has one element only. */
#define RAMA_CHUNK_BYTES 896

/* ... and a chunk that is changed may grow to this before it is split. */
#define RAMA_CHUNK_SPLIT (2 * RAMA_CHUNK_BYTES)

/* Some elements of an array, one after the other */
typedef struct RamaRun
{
	const ArrayType *array;
	int			from;
	int			count;
} RamaRun;

/* chunk_array.c: one-dimensional arrays of elements of a type, not toasted */
extern int	rama_array_count(const ArrayType *array);
extern ArrayType *rama_array_make(const RamaType *type, const Datum *values,
								  const bool *nulls, int count);
extern ArrayType *rama_array_join(const RamaType *type, const RamaRun *runs, int nruns);
extern ArrayType *rama_array_slice(const RamaType *type, const ArrayType *array, int from,
								   int count);
extern ArrayType *rama_array_splice(const RamaType *type, const ArrayType *array, int at,
									int removed, const ArrayType *middle);
extern Datum rama_array_get(const RamaType *type, const ArrayType *array, int i,
							bool *isnull);
extern void rama_array_values(const RamaType *type, const ArrayType *array, Datum *values,
							  bool *nulls);
extern ArrayType **rama_array_cut(const RamaType *type, ArrayType *array, Size bytes,
								  int *npieces);
extern Size rama_array_append_size(const RamaType *type, const ArrayType *array,
								   Datum value, bool isnull);
extern void rama_array_append(const RamaType *type, ArrayType *array, Datum value);
extern Size rama_array_extended_size(const RamaType *type, const ArrayType *array,
									 const ArrayType *more);
extern void rama_array_extend(const RamaType *type, ArrayType *array, const ArrayType *more);

/* A chunk opened for writing */
typedef struct RamaChunk
{
	RamaRow		row;
	int			count;			/* elements */
	bool		shifted;		/* of a tail: the vector is, so first is not known */
	int64		first;			/* of a tail: the index of its first element */
	ArrayType  *elements;		/* once asked for */
	ArrayType  *copy;			/* ... and made for that */
	Datum		keys[RAMA_MAX_KEYS];
} RamaChunk;

/* chunk.c */
extern const RamaType *rama_chunk_element(const RamaTable *table);
extern void rama_chunk_keys(const RamaTable *table, const Datum *prefix, int64 number,
							Datum *keys);
extern void rama_chunk_open(RamaChunk *chunk, RamaTable *table, const Datum *prefix,
							int64 number, bool relative);
extern void rama_chunk_open_new(RamaChunk *chunk, RamaTable *table, const Datum *prefix,
								int64 number);
extern ArrayType *rama_chunk_elements(RamaChunk *chunk);
extern void rama_chunk_set(RamaChunk *chunk, ArrayType *elements, bool istail, bool shifted,
						   int64 first);
extern void rama_chunk_close(RamaChunk *chunk);
extern void rama_chunk_insert(RamaTable *table, const Datum *prefix, int64 number,
							  ArrayType *elements);
extern void rama_chunk_delete(RamaTable *table, const Datum *prefix, int64 number);
extern bool rama_chunk_last_sealed(RamaTable *table, const Datum *prefix, int64 *number);
extern void rama_chunks_check(RamaTable *table, const bool *nulls, int64 count);

/* chunk_append.c; rama_vector_append() and rama_vector_splice() are in pstate.h */
extern int64 rama_vector_append_array(RamaTable *table, const Datum *prefix,
									  ArrayType *elements);
extern void rama_chunks_append_counted(RamaTable *table, const Datum *prefix, int64 first,
									   const Datum *values, const bool *nulls, int count);

/* chunk_splice.c */
extern void rama_chunk_replace(RamaTable *table, const Datum *prefix, RamaChunk *chunk,
							   int64 number, int64 start, int64 index, Datum value,
							   bool isnull);
extern void rama_chunks_remove(RamaTable *table, const Datum *prefix, const int64 *indexes,
							   int64 count);
extern void rama_chunks_note(RamaTable *table, const Datum *prefix, int nprefix, int64 from,
							 int64 to, bool absent);

/* chunk_element.c: an element as a row */
extern bool rama_element_locate(RamaTable *table, const Datum *prefix, int64 index,
								bool relative, RamaChunkPlace *place);
extern void rama_element_open(RamaRow *row, RamaTable *table, const Datum *keys,
							  bool relative);
extern void rama_element_close(RamaRow *row);
extern void rama_element_set(RamaRow *row, int ncolumns, const Datum *values,
							 const bool *nulls);

#endif							/* RAMA_PSTATE_CHUNK_H */
