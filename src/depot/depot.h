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
#include "utils/relcache.h"
#include "utils/snapshot.h"

/* Offsets start at 1; position 0 is before the first event. */
#define RAMA_NO_OFFSET INT64CONST(0)

/* A row of rama.depot, with the attribute numbers of the managed columns. */
typedef struct RamaDepot
{
	Oid			relid;
	Oid			sequence;
	int			partitions;
	AttrNumber	xid_attno;
	AttrNumber	offset_attno;
	AttrNumber	appended_at_attno;
	AttrNumber	partition_attno;
	Oid			offset_index;	/* the primary key's index */
} RamaDepot;

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
	int64		floor;			/* newly pending get low >= floor */
	int			npending;
	RamaPending *pending;
} RamaProgress;

/*
 * What a batch may take: made by rama_settle(), read by
 * rama_settled_events(), turned into new progress by rama_settled_progress().
 */
typedef struct RamaSettled RamaSettled;

/* create.c */
extern bool rama_depot_lookup(Oid relid, RamaDepot *depot);
extern void rama_depot_get(Oid relid, RamaDepot *depot);
extern int64 rama_depot_last_offset(const RamaDepot *depot);

/* append.c */
extern bool rama_appended_in_transaction(Oid depot);

/* settle.c */
extern RamaSettled *rama_settle(const RamaDepot *depot, const RamaProgress *progress);
extern bool rama_settled_nothing(const RamaSettled *settled);
extern int64 rama_settled_scan(RamaSettled *settled, Relation depotrel, int64 max,
							   void (*take) (TupleTableSlot *event, void *arg), void *arg);
extern Snapshot rama_settled_snapshot(RamaSettled *settled);
extern void rama_settled_progress(const RamaSettled *settled, RamaProgress *progress);
extern void rama_settled_end(RamaSettled *settled);
extern bool rama_offset_processed(const RamaProgress *progress, int64 offset,
								  FullTransactionId xid);
extern bool rama_progress_covers(const RamaProgress *progress, int64 horizon,
								 Snapshot snapshot);
extern int64 rama_sequence_horizon(Oid sequence);

/* ddl.c: the event trigger's part for depots */
extern void rama_depot_dropped(Oid relid);

#endif							/* RAMA_DEPOT_H */
