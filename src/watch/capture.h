/*-------------------------------------------------------------------------
 *
 * capture.h
 *	  What a transaction does to PStates, noted as it happens.
 *
 * Called by src/pstate, where rows of logical tables are written; by who
 * holds the PState's lock. See src/watch/README.md.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_WATCH_CAPTURE_H
#define RAMA_WATCH_CAPTURE_H

#include "pg_rama.h"

#include "access/xact.h"
#include "lib/stringinfo.h"
#include "pstate/pstate.h"

/* What happened. The kinds of packed ops are the same. */
typedef enum RamaCaptureKind
{
	RAMA_CAPTURE_COLUMN,		/* a column of the row is this now */
	RAMA_CAPTURE_ADD,			/* ... a number was added */
	RAMA_CAPTURE_JSON,			/* ... that is jsonb, and was old */
	RAMA_CAPTURE_ABSENT,		/* ... and with it all of the struct around it,
								 * and "climb" - 1 structs around that, is null */
	RAMA_CAPTURE_ROW,			/* a row was made, with these columns */
	RAMA_CAPTURE_APPEND,		/* elements of a vector */
	RAMA_CAPTURE_INSERT,		/* a row was made; elements behind it moved */
	RAMA_CAPTURE_REMOVE,		/* the row is gone, with all below; elements
								 * behind it moved */
	RAMA_CAPTURE_EMPTY,			/* a collection is there and empty */
	RAMA_CAPTURE_CLEARED		/* a collection is not there */
} RamaCaptureKind;

/* capture.c: a row is about to be written as given to rama_row_set() */
extern void rama_capture_row(const RamaRow *row, int ncolumns, const AttrNumber *attnos,
							 const Datum *values, const bool *nulls);
extern void rama_capture_remove(RamaTable *table, const Datum *keys);
extern void rama_capture_clear(RamaNode *node, const Datum *keys, bool exists);

/*
 * For vectors whose elements are scalars and not written by rama_row_set():
 * table is the logical one, its keys end in an index.
 */
extern bool rama_capture_wanted(const RamaTable *table);
extern void rama_capture_append(RamaTable *table, const Datum *prefix, int64 count,
								const Datum *values, const bool *nulls);
extern void rama_capture_insert(RamaTable *table, const Datum *keys, Datum value, bool isnull);


/* The log of a transaction's changes of one PState, for record.c */

typedef struct RamaCaptured
{
	AttrNumber	attno;
	bool		isnull;
	Datum		value;
} RamaCaptured;

/* The place of a vector's end */
#define RAMA_CAPTURE_TAIL (-1)

typedef struct RamaCapture
{
	RamaCaptureKind kind;
	bool		isnew;			/* COLUMN, ADD, JSON: the row was made */
	bool		adds;			/* JSON: by additions to numbers */
	int16		table;			/* in RamaPState.tables */
	AttrNumber	attno;			/* what it is found by: the column's, or
								 * RAMA_CAPTURE_TAIL; 0: not found */
	int16		climb;
	uint32		hash;
	uint32		ncolumns;		/* APPEND: elements */
	uint32		space;			/* APPEND */
	RamaCaptured *columns;		/* ADD, JSON: what it is, what it was */
	Datum	   *elements;		/* APPEND: of each one, all columns of values */
	bool	   *nulls;
	Datum		keys[FLEXIBLE_ARRAY_MEMBER];
} RamaCapture;

typedef struct RamaCaptureLog
{
	Oid			relid;
	RamaPState *pstate;			/* of this transaction */
	bool		lost;			/* too much */
	int			count;
	int			space;
	RamaCapture **ops;
	int			barrier;		/* ops before it stay what they are */
	Size		bytes;			/* about so many will be packed */
	List	   *marks;			/* where nest levels begin, innermost last */
	uint32	   *slots;			/* by hash: 1 + place in ops, or 0 */
	uint32		nslots;			/* a power of 2 */
	uint32		nused;
	char	   *arena;			/* for ops */
	Size		arena_left;
	MemoryContext context;
} RamaCaptureLog;

/* capture_log.c */
extern RamaCaptureLog *rama_capture_log(Oid relid);
extern RamaCaptureLog *rama_capture_open(const RamaTable *table);
extern RamaCapture *rama_capture_note(RamaCaptureLog *log, const RamaTable *table,
									  const Datum *keys, int nkeys, RamaCaptureKind kind,
									  AttrNumber attno, bool *found);
extern int	rama_capture_table(const RamaTable *table);
extern Datum rama_capture_keep(RamaCaptureLog *log, const RamaTable *table, AttrNumber attno,
							   Datum value);
extern void *rama_capture_alloc(RamaCaptureLog *log, Size size);
extern bool rama_capture_same_keys(const RamaTable *table, const Datum *a, const Datum *b,
								   int nkeys);
extern int	rama_capture_first_open(const RamaCaptureLog *log);
extern void rama_capture_close_row(RamaCaptureLog *log, const RamaTable *table,
								   const Datum *keys);
extern void rama_capture_subxact(SubXactEvent event, int nestlevel);
extern void rama_capture_end(void);

#endif							/* RAMA_WATCH_CAPTURE_H */
