/*-------------------------------------------------------------------------
 *
 * filter.h
 *	  Watched paths, and what of a change concerns one.
 *
 * See src/watch/README.md.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_FILTER_H
#define RAMA_FILTER_H

#include "path/path.h"
#include "watch/watch.h"

typedef enum RamaWatchClass
{
	RAMA_WATCH_VALUE,			/* the value at keys, or all elements of a vector */
	RAMA_WATCH_ENTRIES,			/* of a map or set at keys: by ranges, predicates */
	RAMA_WATCH_WHOLE			/* evaluated again when anything below the keys changes */
} RamaWatchClass;

/*
 * A watched path. What is said of its keys can be copied and outlives the
 * transaction; "bound" does not.
 */
typedef struct RamaWatchPath
{
	Oid			pstate;
	Jsonb	   *path;			/* as given */
	RamaWatchClass class;
	bool		many;			/* may select several values: read as an array */
	int			nkeys;			/* that it begins with */
	JsonbValue *keys;			/* as JSON of their types */
	RamaSchemaKind *kinds;		/* of what the keys are keys of; SCALAR: plain data */

	RamaPath   *bound;			/* in this transaction */
	/* ENTRIES: the steps behind the keys */
	const RamaStep *part;		/* a range, submap or subset, or NULL */
	bool		keysonly;		/* map-keys: values do not matter */
	bool		conditional;	/* there are predicates among the rest */
	int			rest;			/* steps from here on apply to the entry */
	int			nrest;			/* without predicates: all of them keys */
	JsonbValue *restkeys;
} RamaWatchPath;

/* A row of what a watcher is told. */
typedef struct RamaWatchRow
{
	int64		version;
	RamaOpKind	kind;
	bool		reset;			/* instead of kind: path has this value now */
	Jsonb	   *path;
	Jsonb	   *value;			/* or NULL */
	Jsonb	   *now;			/* add: the new value */
	RamaSchemaKind within;		/* what the last key is a key of, insert into a
								 * set: the set; SCALAR: plain JSON */
	bool		holds;			/* what is at the path has others below */
} RamaWatchRow;

/*
 * Versions on their way through a watched path. Everything is allocated in
 * the context that was current at rama_filter_begin().
 */
typedef struct RamaFilter
{
	RamaWatchPath *watch;
	List	   *rows;			/* of RamaWatchRow */
	bool		whole;			/* the path is to be evaluated again */
	List	   *entries;		/* JsonbValue: keys of entries that are */
	MemoryContext context;
} RamaFilter;

/* watch_path.c */
extern RamaWatchPath *rama_watch_path(RamaPState *pstate, Jsonb *path);
extern void rama_watch_path_keys(RamaWatchPath *watch);
extern RamaWatchPath *rama_watch_path_copy(const RamaWatchPath *watch);
extern Jsonb *rama_watch_value(RamaWatchPath *watch, Snapshot snapshot);
extern Jsonb *rama_watch_entry(RamaWatchPath *watch, const JsonbValue *key,
							   Snapshot snapshot);
extern bool rama_watch_key_within(const RamaWatchPath *watch, const JsonbValue *key);
extern bool rama_watch_satisfied(RamaWatchPath *watch, const JsonbValue *key,
								 const JsonbValue *value, Jsonb **result);

extern bool rama_watch_exists(Oid pstate);
extern bool rama_watch_is_dropped(Oid pstate, bool *busy);

/* How long until the next look at a PState that somebody has locked. */
#define RAMA_WATCH_BUSY_MS 50

/* filter.c */
extern void rama_filter_begin(RamaFilter *filter, RamaWatchPath *watch);
extern void rama_filter_op(RamaFilter *filter, int64 version, const RamaOp *op);
extern bool rama_filter_needs_reading(const RamaFilter *filter);
extern List *rama_filter_end(RamaFilter *filter, int64 version, Snapshot snapshot);
extern RamaWatchRow *rama_watch_row(int64 version, RamaOpKind kind, Jsonb *path,
									Jsonb *value);
extern const char *rama_watch_row_name(const RamaWatchRow *row);

#endif							/* RAMA_FILTER_H */
