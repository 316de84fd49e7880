/*-------------------------------------------------------------------------
 *
 * pstate.h
 *	  PStates: the schema bound to its tables, and the reading and writing of
 *	  rows below the level of paths.
 *
 * Every collection that is the outermost one or subindexed is a table: the
 * key columns of all enclosing levels, its own key, then the columns of its
 * values. A node of the schema tree says where its value is kept:
 *
 *	  RAMA_IN_TABLE		a collection with a table of its own
 *	  RAMA_IN_COLUMN	a scalar, or a collection kept whole as jsonb, in a
 *						column of the enclosing table's row
 *	  RAMA_IN_ROW		a struct: its fields are nodes of the same row
 *	  RAMA_IN_JSON		inside a value of kind jsonb: no storage of its own
 *
 * See src/pstate/README.md.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_PSTATE_H
#define RAMA_PSTATE_H

#include "pg_rama.h"

#include "access/sdir.h"
#include "executor/tuptable.h"
#include "nodes/parsenodes.h"
#include "pstate/schema.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#define RAMA_MAX_KEYS 31		/* INDEX_MAX_KEYS less one */

typedef enum RamaStorage
{
	RAMA_IN_TABLE,
	RAMA_IN_COLUMN,
	RAMA_IN_ROW,
	RAMA_IN_JSON
} RamaStorage;

/* A type with what comparing and converting its values needs. */
typedef struct RamaType
{
	Oid			oid;
	int32		typmod;
	Oid			collation;
	int16		len;
	bool		byval;
	char		align;
	Oid			lt_opr;			/* InvalidOid where not a key */
	Oid			eq_opr;
	Oid			opfamily;		/* btree */
	Oid			opcintype;
} RamaType;

typedef struct RamaTable RamaTable;

typedef struct RamaNode
{
	RamaSchemaKind kind;
	RamaStorage storage;
	char	   *name;			/* column, field or level name */
	RamaTable  *table;			/* IN_TABLE: its own; otherwise the enclosing row's */
	AttrNumber	attno;			/* IN_COLUMN: the column; IN_TABLE: the column
								 * <name>_count of the enclosing row, 0 for the root */
	RamaType	type;			/* scalar: its type */
	RamaType	key;			/* map: the key's; set: the element's type;
								 * vector: bigint */
	int			nchildren;		/* map, vector: 1, the value; struct: fields */
	struct RamaNode **children;
	struct RamaNode *parent;	/* NULL for the root */
} RamaNode;

struct RamaTable
{
	Oid			relid;
	Oid			index;			/* the unique index over all keys; InvalidOid
								 * for a single value */
	char	   *name;
	int			nkeys;			/* leading columns 1..nkeys are the keys */
	RamaType   *keys;			/* of each key column */
	RamaNode   *node;			/* the collection, or the root's single value */
	RamaTable  *parent;			/* NULL for the root table */
	int			nchildren;		/* tables right below */
	RamaTable **children;
};

typedef struct RamaPState
{
	Oid			relid;			/* the root table */
	Oid			topology;		/* its only writer, or InvalidOid */
	char	   *schema;			/* as text */
	RamaNode   *root;
	int			ntables;		/* tables[0] is the root */
	RamaTable **tables;
	MemoryContext context;
} RamaPState;

/* One end of a range of keys. */
typedef struct RamaBound
{
	bool		isset;
	bool		inclusive;
	Datum		value;
} RamaBound;

typedef struct RamaScan RamaScan;

/* bind.c: the schema tree over its tables, kept per session, made anew after
 * an invalidation of any of its relations or of its catalog rows. The result
 * stays valid until the end of the statement that asked. */
extern RamaPState *rama_pstate_get(Oid relid);
extern bool rama_is_pstate(Oid relid);

/* read.c: all with the caller's snapshot; privileges are checked by
 * rama_pstate_check_read(), once per call of a public function. */
extern void rama_pstate_check_read(RamaPState *pstate);
extern bool rama_row_fetch(RamaTable *table, const Datum *keys,
						   Snapshot snapshot, TupleTableSlot **slot);
extern RamaScan *rama_scan_begin(RamaTable *table, const Datum *prefix, int nprefix,
								 const RamaBound *low, const RamaBound *high,
								 bool backward, Snapshot snapshot);
extern TupleTableSlot *rama_scan_next(RamaScan *scan);
extern void rama_scan_end(RamaScan *scan);
extern int64 rama_collection_count(RamaNode *node, const Datum *keys,
								   Snapshot snapshot, bool *isnull);

/* write.c: rama_pstate_begin_write() comes first, once per call of a public
 * function. The others see and leave the newest state of the transaction. */
extern void rama_pstate_lock(Oid relid);
extern void rama_pstate_begin_write(RamaPState *pstate, AclMode needed);
extern Snapshot rama_write_snapshot(void);
extern bool rama_row_put(RamaTable *table, const Datum *keys,
						 int ncolumns, const AttrNumber *attnos,
						 const Datum *values, const bool *nulls);
extern bool rama_row_remove(RamaTable *table, const Datum *keys);
extern void rama_collection_clear(RamaNode *node, const Datum *keys, bool exists);
extern int64 rama_vector_push(RamaTable *table, const Datum *prefix,
							  int ncolumns, const AttrNumber *attnos,
							  const Datum *values, const bool *nulls);

/* ddl.c: the event triggers' part for PStates */
extern void rama_pstate_dropped(Oid relid);

#endif							/* RAMA_PSTATE_H */
