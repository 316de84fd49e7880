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
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

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
typedef struct RamaTableAccess RamaTableAccess;

typedef struct RamaNode
{
	RamaSchemaKind kind;
	RamaStorage storage;
	const RamaSchema *schema;
	char	   *name;			/* of this value: its field or level name, as
								 * given, or the default */
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

typedef enum RamaColumnRole
{
	RAMA_COLUMN_KEY,
	RAMA_COLUMN_SCALAR,
	RAMA_COLUMN_JSON,			/* a collection kept whole */
	RAMA_COLUMN_COUNT,			/* entries of a collection in a table below */
	RAMA_COLUMN_CHUNK			/* of a table of chunks: see RAMA_CHUNK_COUNT() */
} RamaColumnRole;

typedef struct RamaColumn
{
	RamaColumnRole role;
	char	   *name;
	Oid			typid;			/* as the schema says */
	int32		typmod;
	RamaNode   *node;			/* not for keys: the node of which this is the
								 * column */
	RamaType	type;			/* once bound */
	bool		isdomain;
} RamaColumn;

/* Columns of a table of chunks, behind the keys: attribute numbers */
#define RAMA_CHUNK_COUNT(chunks) ((chunks)->nkeys + 1)
#define RAMA_CHUNK_FIRST(chunks) ((chunks)->nkeys + 2)
#define RAMA_CHUNK_ELEMENTS(chunks) ((chunks)->nkeys + 3)

/* The chunk that grows; others are numbered below. */
#define RAMA_CHUNK_TAIL PG_INT64_MAX

/* The number of a chunk that begins with an element, in a regular vector */
#define RAMA_CHUNK_BITS 20
#define rama_chunk_number(start) ((int64) ((uint64) (start) << RAMA_CHUNK_BITS))

struct RamaTable
{
	Oid			relid;			/* of a vector in chunks: the view */
	Oid			index;			/* rama_table_index() when bound */
	char	   *name;
	int			nkeys;			/* leading columns 1..nkeys are the keys */
	RamaType   *keys;			/* of each key column */
	int			ncolumns;		/* all columns, column i is attribute i + 1 */
	RamaColumn *columns;
	RamaNode   *node;			/* the collection, or the root's single value */
	RamaTable  *chunks;			/* where the rows of a vector in chunks are;
								 * NULL: they are in this table */
	RamaTable  *logical;		/* of a table of chunks: the vector's */
	RamaTable  *parent;			/* NULL for the root table */
	int			nchildren;		/* tables right below */
	RamaTable **children;
	struct RamaPState *pstate;
	RamaTableAccess *access;	/* read.c's */
	struct RamaTableBuffer *buffer; /* buffer.c's */
};

typedef struct RamaPState
{
	Oid			relid;			/* the root table */
	Oid			topology;		/* its only writer, or InvalidOid */
	char	   *schema;			/* as text */
	Interval   *retain;			/* how long changes are kept; NULL: not */
	RamaNode   *root;
	int			ntables;		/* tables[0] is the root */
	RamaTable **tables;
	uint64		generation;		/* of this binding; never used again */
	int			pins;			/* of rama_pstate_pin() */
	bool		stale;			/* a table has changed since */
	struct RamaPStateBuffer *buffer;	/* buffer.c's */
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
typedef struct RamaElementRow RamaElementRow;

/* At most so many rows are inserted at once. */
#define RAMA_WRITER_ROWS 256

/* A table opened to write row versions, writer.c */
typedef struct RamaWriter
{
	RamaTable  *table;
	Relation	heap;
	Relation	index;			/* NULL for a single value */
	TupleTableSlot *slot;
	int			nindexes;		/* -1: not known yet */
	struct IndexInfo *info;		/* of index */
	struct EState *estate;		/* where there are other indexes */
	struct ResultRelInfo *rri;
} RamaWriter;

/* What the write of a row is to those who watch */
typedef enum RamaRowAs
{
	RAMA_AS_SET,
	RAMA_AS_ADD,				/* columns where "adds" (NULL: all) are sums */
	RAMA_AS_INSERT,				/* an element, for which others have moved */
	RAMA_AS_COUNT				/* of a collection below, which tells */
} RamaRowAs;

/* A row opened for writing, row.c */
typedef struct RamaRow
{
	RamaTable  *table;
	const Datum *keys;			/* the caller's */
	bool		found;
	const Datum *values;		/* if found, one per column */
	const bool *nulls;
	RamaRowAs	as;				/* the caller's, once open; RAMA_AS_SET */
	const bool *adds;			/* by the columns that are set */
	struct RamaBufferedRow *buffered;	/* NULL: written through */
	struct RamaElementRow *element; /* of a vector in chunks: the rest is not set */
	RamaWriter	writer;
	TupleTableSlot *slot;		/* the newest version, its buffer pinned */
} RamaRow;

/* layout.c: the tables that a schema asks for, before there are any */
extern RamaSchema *rama_schema_parse_checked(const char *text);
extern RamaPState *rama_layout_build(RamaSchema *schema, const char *relname);
extern void rama_layout_check(RamaPState *pstate);

/* chunk_view.c */
extern char *rama_chunk_view_definition(RamaTable *table, const char *name,
										const char *chunks);

/* guard.c */
extern Oid	rama_pstate_root_of(Oid relid);
extern void rama_refuse_by_hand(Oid relid, const char *what);

/* create.c: SPI must be connected for what runs DDL */
#define RAMA_NATTS_PSTATE 6		/* columns of rama.pstate */
extern void rama_schema_resolve(RamaSchema *schema, List **types, List **typmods);
extern void rama_notice_implied(const RamaNode *node);
extern char *rama_column_type(const RamaColumn *column);
extern void rama_tables_create(RamaPState *pstate, Oid nspid);
extern void rama_views_create(RamaPState *pstate, Oid nspid);
extern void rama_children_insert(RamaPState *pstate);
extern void rama_pstate_describe(Oid relid, RamaSchema *schema, List *types, List *typmods,
								 Datum *values);
extern void rama_pstate_record_dependencies(Oid relid);
extern void rama_pstate_forget_dependencies(Oid relid);

/* widen.c */
extern void rama_widen_check(const RamaNode *from, const RamaNode *to);

/* bind.c: the schema tree over its tables, kept per session, made anew after
 * an invalidation of any of its relations or of its catalog rows. The result
 * stays valid to the end of the transaction, or while pinned. */
extern RamaPState *rama_pstate_get(Oid relid);
extern void rama_pstate_pin(RamaPState *pstate);
extern void rama_pstate_unpin(RamaPState *pstate);
extern bool rama_is_pstate(Oid relid);
extern RamaPState *rama_pstate_layout(Oid relid);
extern RamaPState *rama_pstate_bind(Oid relid);
extern char *rama_type_format(Oid type, int32 typmod);
extern char *rama_schema_format(RamaSchema *schema);

/* refuse.c */
extern void rama_pstate_check_utility(Node *parsetree);
extern void rama_refuse_init(void);
extern void rama_refuse_foreign_key_of(Oid relid);
extern void rama_refuse_foreign_key_to(Oid relid);

/* key_index.c */
extern char *rama_key_index_definition(RamaTable *table, const char *name);
extern Oid	rama_key_index(RamaTable *table);
extern Oid	rama_table_index(RamaTable *table);
extern Relation rama_table_open_index(RamaTable *table, LOCKMODE lockmode);

/*
 * read.c: all with the caller's snapshot; privileges are checked by
 * rama_pstate_check_read(), once per call of a public function. The slot of
 * rama_row_fetch() is the caller's: a NULL *slot gets one made in the current
 * memory context, to be dropped by ExecDropSingleTupleTableSlot() or with the
 * context; it holds no pin. That of rama_scan_next() is good until the next row.
 * A scan that is not read to its end, and not ended by an error, must be ended
 * by rama_scan_end() (set-returning functions: RegisterExprContextCallback).
 */
extern void rama_pstate_check_read(RamaPState *pstate);
extern void rama_pstate_check_row_security(RamaPState *pstate);
extern TupleDesc rama_table_desc(RamaTable *table);
extern bool rama_table_constrained(RamaTable *table);
extern TupleTableSlot *rama_table_slot(RamaTable *table);
extern bool rama_row_find(RamaTable *table, Relation heap, Relation index,
						  const Datum *keys, Snapshot snapshot, TupleTableSlot *slot);
extern bool rama_row_maybe_above(RamaTable *table, Relation heap, Relation index,
								 const Datum *keys, Snapshot snapshot,
								 TupleTableSlot *slot);
extern bool rama_row_find_below(RamaTable *table, Relation heap, Relation index,
								const Datum *keys, Snapshot snapshot, TupleTableSlot *slot);
extern bool rama_key_above(RamaTable *table, Datum a, Datum b);
extern bool rama_row_fetch(RamaTable *table, const Datum *keys,
						   Snapshot snapshot, TupleTableSlot **slot);
extern RamaScan *rama_scan_begin(RamaTable *table, const Datum *prefix, int nprefix,
								 const RamaBound *low, const RamaBound *high,
								 bool backward, Snapshot snapshot);
extern TupleTableSlot *rama_scan_next(RamaScan *scan);
extern void rama_scan_turn(RamaScan *scan);
extern void rama_scan_end(RamaScan *scan);
extern int64 rama_collection_count(RamaNode *node, const Datum *keys,
								   Snapshot snapshot, bool *isnull);

/* chunk_read.c: the same for the elements of vectors in chunks */
typedef struct RamaChunkScan RamaChunkScan;

typedef struct RamaChunkPlace
{
	bool		has_tail;		/* has the vector a tail? */
	int64		number;			/* of the chunk */
	int64		start;			/* index of its first element */
} RamaChunkPlace;

extern bool rama_chunk_locate(RamaTable *table, const Datum *prefix, int64 index,
							  Snapshot snapshot, TupleTableSlot **tail,
							  RamaChunkPlace *place);
extern bool rama_chunk_fetch(RamaTable *table, const Datum *keys, Snapshot snapshot,
							 TupleTableSlot **slot);
extern RamaChunkScan *rama_chunk_scan_begin(RamaTable *table, const Datum *prefix,
											const RamaBound *low, const RamaBound *high,
											bool backward, Snapshot snapshot);
extern TupleTableSlot *rama_chunk_scan_next(RamaChunkScan *scan);
extern void rama_chunk_scan_end(RamaChunkScan *scan);

/* version.c */
extern int64 rama_version_count(RamaPState *pstate, Snapshot snapshot);
extern void rama_version_change(RamaPState *pstate, int64 delta);

extern void rama_version_init(void);
extern bool rama_version_is_changed(const RamaPState *pstate);

/* writer.c */
extern void rama_writer_open(RamaWriter *writer, RamaTable *table);
extern void rama_writer_close(RamaWriter *writer);
extern void rama_row_check(RamaTable *table, const Datum *values, const bool *nulls);
extern void rama_writer_insert(RamaWriter *writer, const Datum *values, const bool *nulls,
							   ItemPointer tid);
extern void rama_writer_insert_many(RamaWriter *writer, int nrows, Datum *const *values,
									bool *const *nulls, ItemPointer *tids);
extern void rama_writer_update(RamaWriter *writer, ItemPointer tid, const Datum *values,
							   const bool *nulls, bool same_keys);
extern void rama_writer_delete(RamaWriter *writer, ItemPointer tid);

/* row.c */
extern void rama_row_forget(void);
extern bool rama_row_find_hot(RamaTable *table, Relation heap, const Datum *keys,
							  Snapshot snapshot, TupleTableSlot *slot);
extern void rama_row_open(RamaRow *row, RamaTable *table, const Datum *keys, bool relative);
extern void rama_row_open_new(RamaRow *row, RamaTable *table, const Datum *keys);
extern void rama_row_close(RamaRow *row);
extern void rama_row_set(RamaRow *row, int ncolumns, const AttrNumber *attnos,
						 const Datum *new_values, const bool *new_nulls);
extern void rama_row_delete(RamaRow *row);

/* conflict.c: REPEATABLE READ and SERIALIZABLE */
extern void rama_conflict_forget(void);
pg_noreturn extern void rama_serialization_failure(void);
extern void rama_conflict_check_hidden(const RamaTable *table, const Datum *keys);
extern void rama_conflict_check(RamaTable *table, Relation heap, TupleTableSlot *slot,
								bool relative);
extern void rama_conflict_check_absent(RamaTable *table, Relation heap, Relation index,
									   const Datum *keys, TupleTableSlot *slot, bool relative);

/* buffer.c: rows that a topology's batch has in memory */
extern void rama_buffer_begin(Oid topology, int64 batch);
extern void rama_buffer_use(RamaPState *pstate);
extern bool rama_buffer_in_use(const RamaPState *pstate);
extern bool rama_buffer_allows(const RamaPState *pstate, AclMode needed);
extern void rama_buffer_allow(RamaPState *pstate, AclMode needed);
extern bool rama_buffer_active(RamaTable *table);
extern struct RamaBufferedRow *rama_buffer_row(RamaTable *table, const Datum *keys, bool isnew);
extern uint32 rama_buffer_announce(RamaTable *table, const Datum *keys);
extern void rama_buffer_fetch(RamaTable *table, uint32 hash);
extern void rama_buffer_values(RamaRow *row);
extern void rama_buffer_set(RamaRow *row, int ncolumns, const AttrNumber *attnos,
							const Datum *values, const bool *nulls);
extern void *rama_buffer_enlarge(RamaRow *row, AttrNumber attno, Size size);
extern void rama_buffer_delete(RamaRow *row);
extern void rama_buffer_release(RamaRow *row);
extern void rama_buffer_forget(RamaTable *table, const Datum *keys);
extern void rama_buffer_invalidate(Oid relid);

/* flush.c */
extern void rama_buffer_flush(RamaTable *table);
extern void rama_buffer_flush_all(void);

/* changes.c: net changes of a batch */
extern void rama_changes_track(Oid relid);
extern bool rama_changes_tracked(Oid relid);
extern void rama_changes_note(RamaTable *table, const Datum *keys, const Datum *values,
							  const bool *nulls);
extern AttrNumber rama_changes_column(const RamaTable *table, AttrNumber attno);
extern TupleDesc rama_changes_desc(RamaTable *table);
extern void rama_changes_put(RamaTable *table, Tuplestorestate *store,
							 TupleDesc desc);

/* visible.c */
extern bool rama_visible_before_utility(Node *parsetree);
extern void rama_visible_after_utility(void);
extern void rama_visible_init(void);

/*
 * write.c, remove.c: rama_pstate_begin_write() comes first, once per call of a
 * public function. The others see and leave the newest state of the
 * transaction.
 */
extern void rama_pstate_lock(Oid relid);
extern void rama_pstate_check_writer(RamaPState *pstate);
extern void rama_pstate_begin_write(RamaPState *pstate, AclMode needed);
extern Snapshot rama_write_snapshot(void);
extern void rama_row_store(RamaRow *row, int ncolumns, const AttrNumber *attnos,
						   const Datum *values, const bool *nulls);
extern bool rama_row_put(RamaTable *table, const Datum *keys,
						 int ncolumns, const AttrNumber *attnos,
						 const Datum *values, const bool *nulls);
extern int64 rama_vector_push(RamaTable *table, const Datum *prefix,
							  int ncolumns, const AttrNumber *attnos,
							  const Datum *values, const bool *nulls);

extern int64 rama_vector_append(RamaTable *table, const Datum *prefix, const Datum *values,
								const bool *nulls, int count);
extern void rama_vector_splice(RamaTable *table, const Datum *prefix, int64 from,
							   int64 removed, const Datum *values, const bool *nulls,
							   int64 count);
extern int64 rama_count_entry(RamaTable *table, const Datum *keys, int64 delta);

/* remove.c */
extern int64 rama_range_remove(RamaTable *table, const Datum *prefix, int nprefix);
extern bool rama_row_remove(RamaTable *table, const Datum *keys);
extern void rama_vector_remove(RamaTable *table, const Datum *prefix,
							   const int64 *indexes, int64 count);
extern void rama_collection_clear(RamaNode *node, const Datum *keys, bool exists);

/* shift.c */
extern void rama_vector_close_gaps(RamaTable *table, const Datum *prefix,
								   const int64 *removed, int64 count);
extern bool rama_vector_make_room(RamaTable *table, const Datum *prefix, int64 at,
								  int64 count);

/* ddl.c: the event triggers' part for PStates */
extern bool rama_pstate_dropped(Oid relid);
extern bool rama_pstate_concerned(Node *parsetree);
extern void rama_pstate_altered(Oid classid, Oid objid);
extern void rama_pstate_trigger_dropped(DropStmt *stmt);
extern void rama_pstate_granted(GrantStmt *stmt);
extern void rama_pstate_view_replaced(ViewStmt *stmt);
extern void rama_pstate_follow(Oid root);

/* conform.c */
extern void rama_table_check(RamaTable *table);
extern void rama_outside_table_check(Oid relid);

#endif							/* RAMA_PSTATE_H */
