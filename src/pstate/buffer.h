/*-------------------------------------------------------------------------
 *
 * buffer.h
 *	  The write buffer of a topology's batches: rows in memory.
 *
 * See "The write buffer" in src/pstate/README.md.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_PSTATE_BUFFER_H
#define RAMA_PSTATE_BUFFER_H

#include "pstate/pstate.h"

#include "fmgr.h"
#include "lib/ilist.h"

/* What is known of a row, and what is still to be done in the table */
#define RAMA_ROW_KNOWN		0x01	/* not: has to be looked up */
#define RAMA_ROW_EXISTS		0x02	/* with these values */
#define RAMA_ROW_STORED		0x04	/* the table has a version, at tid */
#define RAMA_ROW_DIRTY		0x08	/* the table does not have this state */
#define RAMA_ROW_WIDE		0x10	/* has a value that may be stored out of line */

typedef struct RamaRowState
{
	uint8		flags;
	int			level;			/* nest level of the transaction that made it so */
	ItemPointerData tid;
	struct RamaRowImage *outer; /* what it was in outer levels, deepest first */
} RamaRowState;

/* A row as it was at an outer nest level */
typedef struct RamaRowImage
{
	RamaRowState state;
	Datum	   *values;			/* not the keys; NULL if there were none */
	bool	   *nulls;
	Datum	   *keys;			/* if it has got equal ones of other images since */
	bool		own_keys;
} RamaRowImage;

/* What is known of a collection's rows that are not in memory, buffer_limits.c */
typedef enum RamaLimitKind
{
	RAMA_LIMIT_NONE,			/* nothing */
	RAMA_LIMIT_EMPTY,			/* the table has none of them */
	RAMA_LIMIT_KEY				/* it has none with a key above this one */
} RamaLimitKind;

typedef struct RamaLimit
{
	RamaLimitKind kind;
	uint64		made;			/* when; 0: never */
	Datum		key;
} RamaLimit;

typedef struct RamaBufferedRow
{
	RamaRowState state;
	int16		pins;			/* open RamaRows: it must stay in memory */
	bool		long_keys;		/* an index could refuse them */
	bool		own_keys;		/* they are not those behind the columns */
	uint8		uses;			/* batches that used it lately */
	uint32		last_use;		/* the last of them */
	uint32		dirty_at;		/* DIRTY: its place in RamaTableBuffer.dirty */
	dlist_node	deep;			/* in the list of rows whose level is not 1, if linked */
	struct RamaTableBuffer *buffer;
	bool	   *nulls;
	Datum		values[FLEXIBLE_ARRAY_MEMBER];	/* the keys first; then nulls, and
								 * a RamaLimit of each table right below */
} RamaBufferedRow;

#define RAMA_ROW_COLUMNS_SIZE(ncolumns) MAXALIGN((sizeof(Datum) + sizeof(bool)) * (ncolumns))

/* How to hash and compare the values of a key column. */
typedef struct RamaKeyHash
{
	Oid			type;
	bool		image;			/* equal values have equal images */
	bool		byval;
	int16		len;
	Oid			collation;
	FmgrInfo	hash;			/* not image: of the type's hash opclass */
	FmgrInfo	equal;
} RamaKeyHash;

typedef struct RamaTableBuffer
{
	Oid			relid;
	RamaTable  *table;			/* good in the batch "serial" */
	uint64		serial;			/* the batch that used it last */
	uint64		generation;		/* of the binding that the rest was made for */
	bool		complete;		/* a row that is not in memory does not exist */
	RamaLimit	limit;			/* of the outermost collection */
	uint64		limits_void;	/* those of this table made before */
	bool		hashable;		/* else its rows are written through */
	int			nkeys;
	int			ncolumns;
	int16	   *len;			/* of each column */
	bool	   *byval;
	RamaKeyHash *keys;
	bool		all_images;		/* each of them has image */
	MemoryContext context;		/* of the rows and of what is above */
	Size		bytes;			/* of the rows */
	struct rowhash_hash *rows;
	uint32		ndirty;
	uint32		dirty_end;		/* places in use, empty ones among them */
	uint32		dirty_space;	/* places, enough for all rows */
	struct RamaBufferedRow **dirty; /* NULL: an empty place */
	Oid			storage;		/* relfilenode before a utility command */
	Relation	heap;			/* open in this batch, or NULL */
	Relation	index;
	uint64		rollbacks;		/* when they were opened */
} RamaTableBuffer;

typedef struct RamaPStateBuffer
{
	Oid			relid;
	Oid			topology;		/* the rows in memory are those of the tables */
	int64		batch;			/* after this batch of this topology */
	uint64		serial;			/* the batch that uses it now */
	Oid			user;			/* may in this batch, as far as has been checked, */
	AclMode		allowed;		/* do this */
	int			lock_level;		/* nest level that took the PState's lock */
	bool		stale;			/* a table has changed: forget the rows after the batch */
	int			ntables;
	struct RamaTableBuffer *tables;
} RamaPStateBuffer;

/* The batch that runs */
typedef struct RamaBufferBatch
{
	uint64		serial;			/* numbers batches in this process; 0: none */
	Oid			topology;
	int64		number;
} RamaBufferBatch;

/* buffer.c, for flush.c */
extern void rama_buffer_stored(RamaTableBuffer *buffer, RamaBufferedRow *row);

/* buffer_tables.c */
extern RamaBufferBatch rama_batch;
extern List *rama_pstate_buffers;

extern bool rama_buffer_in_batch(void);
extern List *rama_buffers_in_use(void);
extern RamaTableBuffer *rama_buffer_of(RamaTable *table);
extern void rama_buffer_reset(RamaPStateBuffer *pstate);
extern void rama_buffer_open_table(RamaTableBuffer *buffer);
extern void rama_buffer_close_relations(void);
extern void rama_buffer_note_storage(void);
extern void rama_buffer_check_storage(void);
extern void rama_buffer_locks_lost(int level);
extern void rama_buffer_locks_kept(int level);

/* buffer_rows.c */
extern Size rama_rows_bytes;

extern void *rama_rows_alloc(RamaTableBuffer *buffer, Size size);
extern void *rama_rows_enlarge(RamaTableBuffer *buffer, void *chunk, Size size);
extern void rama_rows_release(RamaTableBuffer *buffer, void *chunk);
extern Datum rama_rows_copy(RamaTableBuffer *buffer, int column, Datum value, bool as_is);
extern void rama_rows_free(RamaTableBuffer *buffer, int column, Datum value, bool isnull);
extern void rama_rows_free_keys(RamaTableBuffer *buffer, const Datum *keys, bool own);
extern void rama_row_drop_values(RamaTableBuffer *buffer, RamaBufferedRow *row);
extern void rama_row_unknow(RamaTableBuffer *buffer, RamaBufferedRow *row);
extern uint32 rama_rows_hash(RamaTableBuffer *buffer, const Datum *keys);
extern bool rama_type_has_image(const RamaType *type);
extern bool rama_rows_same_images(const RamaTableBuffer *buffer, const Datum *a, const Datum *b);
extern void rama_rows_reset(RamaTableBuffer *buffer);
extern bool rama_rows_fit(RamaTableBuffer *buffer, RamaTable *table);
extern void rama_rows_init(RamaTableBuffer *buffer, RamaTable *table);
extern void rama_row_set_dirty(RamaTableBuffer *buffer, RamaBufferedRow *row, bool dirty);
extern RamaBufferedRow *rama_rows_add(RamaTableBuffer *buffer, const Datum *keys, uint32 hash);
extern RamaBufferedRow *rama_rows_find(RamaTableBuffer *buffer, const Datum *keys, uint32 hash);
extern void rama_rows_prefetch(RamaTableBuffer *buffer, uint32 hash);
extern void rama_rows_prefetch_row(RamaTableBuffer *buffer, uint32 hash);
extern void rama_rows_remove_if(RamaTableBuffer *buffer, bool (*condition) (RamaBufferedRow *row));
extern void rama_rows_each(RamaTableBuffer *buffer, void (*function) (RamaBufferedRow *row));

/* buffer_limits.c */
extern void rama_limits_void(RamaTableBuffer *buffer);
extern void rama_limits_void_all(void);
extern RamaLimit *rama_row_limit(const RamaBufferedRow *row);
extern bool rama_limit_excludes(const RamaLimit *limit, const RamaBufferedRow *row);
extern void rama_limit_learn(RamaLimit *limit, const RamaBufferedRow *row,
							 TupleTableSlot *slot);
extern void rama_limits_of_new(RamaBufferedRow *row);

/* buffer_undo.c */
extern void rama_undo_begin(void);
extern bool rama_undo_any(void);
extern bool rama_undo_in_vain(void);
extern void rama_undo_created(RamaBufferedRow *row);
extern void rama_buffer_touch(RamaTableBuffer *buffer, RamaBufferedRow *row);
extern void rama_row_set_keys(RamaTableBuffer *buffer, RamaBufferedRow *row, const Datum *keys);
extern void rama_row_pin(RamaBufferedRow *row);
extern void rama_undo_rolled_back(int level);
extern void rama_undo_committed(int level);

/* flush.c */
extern void rama_buffer_flush_table(RamaTableBuffer *buffer);

#endif							/* RAMA_PSTATE_BUFFER_H */
