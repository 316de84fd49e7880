/*-------------------------------------------------------------------------
 *
 * reads.h
 *	  What of PStates is read, while somebody records it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_READS_H
#define RAMA_READS_H

#include "path/path.h"

/* Past so many reads of one PState, all of it counts as read. */
#define RAMA_MAX_READS 1000

typedef enum RamaReadKind
{
	RAMA_READ_ANY,				/* every key */
	RAMA_READ_KEY,				/* of a map, set or vector: datum */
	RAMA_READ_FIELD,			/* of a struct */
	RAMA_READ_NAME,				/* in plain data: json */
	RAMA_READ_PART				/* keys within low and high; the last one */
} RamaReadKind;

typedef struct RamaReadKey
{
	RamaReadKind kind;
	RamaType	type;			/* KEY, PART: of the key */
	Datum		datum;
	int			field;
	JsonbValue	json;
	RamaBound	low;
	RamaBound	high;
} RamaReadKey;

/* Everything at and below these keys was read. */
typedef struct RamaRead
{
	Oid			pstate;
	int			nkeys;
	RamaReadKey *keys;
} RamaRead;

typedef struct RamaReads
{
	MemoryContext context;		/* of all of it */
	List	   *reads;			/* of RamaRead */
	List	   *pstates;		/* oids of those that were read */
	List	   *wholes;			/* oids of those that were read as a whole */
} RamaReads;

/* Who records; NULL: nobody. Set and reset around what is to be recorded. */
extern RamaReads *rama_reads;

extern void rama_reads_note_path(const RamaPath *path);
extern void rama_reads_note_args(const RamaPState *pstate, const RamaArgs *args);
extern void rama_reads_note_table(const RamaTable *table);

#endif							/* RAMA_READS_H */
