/*-------------------------------------------------------------------------
 *
 * watch.h
 *	  Changes of PStates: what a transaction did (capture.c), the ring in
 *	  shared memory where commits publish it (ring.c), and how it is read
 *	  (cursor.c, decode.c).
 *
 * See src/watch/README.md.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_WATCH_H
#define RAMA_WATCH_H

#include "path/path.h"
#include "pstate/pstate.h"

/*
 * What a transaction did at one place. Paths are absolute. Ops are applied in
 * their order.
 */
typedef enum RamaOpKind
{
	RAMA_OP_SET,				/* the value at the path is "value" now */
	RAMA_OP_ADD,				/* "value" was added to the number at the path,
								 * which is "now"; absent counts as 0 */
	RAMA_OP_INSERT,				/* set: "value" is an element of the set at the
								 * path; vector: it was inserted at the index
								 * that ends the path, what followed moved up */
	RAMA_OP_APPEND,				/* the elements of the array "value" were
								 * appended to the vector at the path */
	RAMA_OP_REMOVE				/* the entry, field, index or element (of a
								 * set) that ends the path is gone, with all
								 * below; in a vector what followed moved down */
} RamaOpKind;

/* An item of a path */
typedef struct RamaOpKey
{
	const RamaNode *node;		/* the collection or struct that it is a key in;
								 * NULL: plain JSON */
	bool		typed;			/* datum is the key, of type node->key */
	Datum		datum;
	int			field;			/* of a struct: its child, else -1 */
	JsonbValue	json;			/* as in a change's path */
} RamaOpKey;

typedef struct RamaOp
{
	RamaOpKind	kind;
	int			nkeys;
	RamaOpKey  *keys;
	const RamaNode *node;		/* what is at the path; NULL: plain JSON, or an
								 * element of a set */
	JsonbValue	value;			/* remove: null */
	JsonbValue	now;			/* add: the number that it makes */
	bool		isnew;			/* set, add: the entry was not there before */
} RamaOp;

/* What one transaction did to one PState */
typedef struct RamaChange
{
	int64		version;
	int			nops;			/* 0: nothing that differs */
	RamaOp	   *ops;
} RamaChange;

/*
 * cursor.c: reading changes, one version after the other, without a gap.
 *
 * A cursor lives in the memory context in which it was opened, holds no lock,
 * no snapshot and no resource, and may live across transactions.
 */
typedef struct RamaCursor RamaCursor;

typedef enum RamaCursorState
{
	RAMA_CURSOR_CHANGE,			/* *change is the next version */
	RAMA_CURSOR_END,			/* nothing newer has been published */
	RAMA_CURSOR_LOST			/* changes are not there any more: the caller
								 * reads the value and the version in one new
								 * snapshot, and goes on with
								 * rama_cursor_seek() */
} RamaCursorState;

extern RamaCursor *rama_cursor_open(Oid relid, int64 after);
extern int64 rama_cursor_version(const RamaCursor *cursor);
extern void rama_cursor_seek(RamaCursor *cursor, int64 version);
extern void rama_cursor_flush(const RamaCursor *cursor);
extern void rama_cursor_close(RamaCursor *cursor);
extern bool rama_cursor_catch_up(RamaCursor *cursor);

/*
 * rama_cursor_next() -- Step to the next version, if it is at most "upto"
 * (PG_INT64_MAX: any). Its change is decoded in the current memory context,
 * with the binding, which is the caller's, of this transaction
 * (rama_pstate_get()).
 *
 * In a transaction; no snapshot needed. A version that it tells of is visible
 * to snapshots taken after the call; rama_cursor_flush() makes it safe from a
 * crash.
 */
extern RamaCursorState rama_cursor_next(RamaCursor *cursor, RamaPState *pstate,
										int64 upto, RamaChange *change);

/*
 * rama_cursor_ready() -- Would rama_cursor_next() find something else than
 * RAMA_CURSOR_END? Cheap, needs neither transaction nor binding; a drop is
 * not noticed.
 */
extern bool rama_cursor_ready(RamaCursor *cursor);

/* pstate/version.c: the version that the snapshot sees; -1: there is none */
extern int64 rama_version_of(Oid relid, Snapshot snapshot);

/* ring.c: the version published last; -1: none since the server's start */
extern int64 rama_ring_last(Oid relid);

/*
 * listen.c: from rama_listen() on, MyLatch is set when one of these PStates
 * (of this database) has a new version or was dropped: perhaps too often,
 * never too seldom. Then look at the cursors, then wait for the latch, reset
 * it, and look again. Ends at rama_unlisten(), at the abort of a transaction,
 * and with the process. The pair replaces what was listened to before.
 *
 * Errors: 25006 on a standby, 55000 if the library is not preloaded.
 */
extern void rama_listen(const Oid *relids, int count);
extern void rama_unlisten(void);

/*
 * rama_listen_wait() -- Wait for that, at most so long (-1: for ever); false
 * at the timeout. Interrupts are served; wake-ups may be for nothing. Whether
 * the client is still there is for who streams to look at.
 */
extern bool rama_listen_wait(long timeout_ms);

/* op_json.c */
extern const char *rama_op_name(RamaOpKind kind);
extern void rama_op_path_json(const RamaOp *op, JsonbValue *path);

#endif							/* RAMA_WATCH_H */
