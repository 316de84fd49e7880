/*-------------------------------------------------------------------------
 *
 * depot.h
 *	  Depots: event logs as tables, and settled reads of them.
 *
 * See src/depot/README.md for what a batch may take, and why.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_DEPOT_H
#define RAMA_DEPOT_H

#include "pg_rama.h"

#include "access/transam.h"
#include "executor/tuptable.h"
#include "storage/lock.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

/* Offsets start at 1; position 0 is before the first event. */
#define RAMA_NO_OFFSET INT64CONST(0)

#define RAMA_MAX_PARTITIONS 32767

/* The managed columns and what guards them. */
#define RAMA_XID_COLUMN "_xid"
#define RAMA_OFFSET_COLUMN "_offset"
#define RAMA_APPENDED_AT_COLUMN "_appended_at"
#define RAMA_PARTITION_COLUMN "_partition"
#define RAMA_DEPOT_CHECK "rama_managed"

/* A row of rama.depot, with the attribute numbers of the managed columns. */
typedef struct RamaDepot
{
	Oid			relid;
	Oid			sequence;
	int			partitions;
	int64		floor;			/* up to here _xid may be another cluster's:
								 * newly pending get low >= floor */
	AttrNumber	xid_attno;
	AttrNumber	offset_attno;
	AttrNumber	appended_at_attno;
	AttrNumber	partition_attno;
} RamaDepot;

/* A transaction that holds a depot's sequence: it may have drawn offsets. */
typedef struct RamaHolder
{
	FullTransactionId xid;
	int			pid;			/* 0: prepared */
} RamaHolder;

/*
 * A transaction that may have drawn offsets in (low, high] that were passed
 * over while it was in progress. high = PG_INT64_MAX: it is bounded by the
 * position of the source alone. Where "foreign", the xid is of another
 * cluster: finished by definition, never compared with xids of this one, and
 * high is always set.
 */
typedef struct RamaPending
{
	FullTransactionId xid;
	int64		low;
	int64		high;
	bool		foreign;
} RamaPending;

/* How far one source of a topology has read its depot. */
typedef struct RamaProgress
{
	int64		position;		/* all settled events up to here are taken */
	int			npending;
	RamaPending *pending;
} RamaProgress;

/*
 * What a batch may take: made by rama_settle(), read by rama_settled_scan(),
 * turned into new progress by rama_settled_progress().
 */
typedef struct RamaSettled RamaSettled;

/* create.c */
extern bool rama_depot_lookup(Oid relid, RamaDepot *depot);
extern void rama_depot_get(Oid relid, RamaDepot *depot);
extern bool rama_depot_find(Oid relid, RamaDepot *depot);
extern void rama_depot_adopt(Oid relid);
extern Oid	rama_depot_of_sequence(Oid sequence);
extern bool rama_is_managed_column(const char *name);

/* columns.c: the texts "columns" and "partition_by" of create_depot() */
extern int	rama_check_columns(const char *columns);
extern void rama_check_partition_by(const char *partition_by);
extern void rama_check_depot_definition(const char *sql, int nelements);
extern void rama_check_partition_types(Relation rel, const char *partition_by);

/* offset.c */
extern bool rama_appended_in_transaction(Oid depot);
extern int64 rama_capture_offset(Oid sequence, void (*insert) (void *arg), void *arg);

/* holders.c */
extern int	rama_sequence_holders(Oid sequence, RamaHolder **holders);

/* settle.c */
extern RamaSettled *rama_settle(const RamaDepot *depot, const RamaProgress *progress);
extern bool rama_settled_nothing(const RamaSettled *settled);
extern int64 rama_settled_most(const RamaSettled *settled);
extern void rama_settled_limit(RamaSettled *settled, const int64 *offsets, int noffsets);
extern int64 rama_settled_scan(RamaSettled *settled, Relation depotrel, int64 max,
							   void (*take) (TupleTableSlot *event, void *arg), void *arg);
extern Snapshot rama_settled_snapshot(RamaSettled *settled);
extern bool rama_settled_progress(const RamaSettled *settled, RamaProgress *progress);
extern void rama_settled_skip(const RamaSettled *settled, RamaProgress *progress);
extern void rama_settled_end(RamaSettled *settled);

/* processed.c: has an event, or all there was, been processed? */
extern bool rama_offset_processed(const RamaProgress *progress, int64 offset,
								  FullTransactionId xid);
extern bool rama_progress_reached(const RamaDepot *depot, Relation depotrel,
								  const RamaProgress *progress, int64 offset);
extern bool rama_progress_covers(const RamaDepot *depot, Relation depotrel,
								 const RamaProgress *progress, int64 horizon,
								 Snapshot snapshot);

/* horizon.c: the sequence's page, and xids against snapshots */
extern int64 rama_sequence_horizon(Oid sequence);
extern int64 rama_last_event(Relation depotrel);
extern FullTransactionId rama_full_xid(TransactionId xid);
extern bool rama_finished_in_snapshot(FullTransactionId xid, Snapshot snapshot);

/* ddl.c: the event triggers' part for depots */
extern bool rama_depot_dropped(Oid relid);
extern void rama_depot_column_dropped(Oid relid);
extern void rama_depot_check_ddl(Node *parsetree);

#endif							/* RAMA_DEPOT_H */
