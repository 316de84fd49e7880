/*-------------------------------------------------------------------------
 *
 * version.c
 *	  The version row of a PState: how many transactions changed it, and how
 *	  many entries its outermost collection has.
 *
 * One row for all, so that it is not updated at each write: what a
 * transaction changed is kept in memory, per subtransaction, and stored just
 * before it commits. Nobody else writes the row meanwhile, because whoever
 * has changes here holds the PState's lock.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "pstate/pstate.h"
#include "topology/topology.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "watch/publish.h"
#include "watch/watch.h"

/* Columns of rama.pstate_version */
#define Anum_version_pstate 1
#define Anum_version_version 2
#define Anum_version_count 3

/* What one subtransaction did to one PState */
typedef struct Change
{
	Oid			relid;
	int			nestlevel;
	int64		delta;			/* entries added to the outermost collection */
} Change;

/* In TopTransactionContext, deepest subtransactions last; NIL between
 * transactions */
static List *changes = NIL;

/* What a PState that cannot change under a batch had before it */
typedef struct Base
{
	Oid			relid;
	int64		count;
} Base;

static List *bases = NIL;		/* likewise */

static int64
read_count(Oid relid, Snapshot snapshot)
{
	Relation	rel = table_open(rama_catalog_relid("pstate_version"), AccessShareLock);
	HeapTuple	tuple = rama_hot_fetch(rel, Anum_version_pstate, relid, snapshot);
	Datum		count = (Datum) 0;
	bool		isnull = true;

	if (tuple)
		count = heap_getattr(tuple, Anum_version_count, RelationGetDescr(rel), &isnull);
	table_close(rel, AccessShareLock);
	return isnull ? 0 : DatumGetInt64(count);
}

/*
 * The count before this transaction. A batch has locked the topology's PStates
 * before its first statement: all its snapshots see the same.
 */
static int64
base_count(RamaPState *pstate, Snapshot snapshot)
{
	bool		fixed = OidIsValid(pstate->topology) &&
		pstate->topology == rama_current_topology();
	MemoryContext oldcontext;
	ListCell   *lc;
	Base	   *base;

	if (!fixed)
		return read_count(pstate->relid, snapshot);
	foreach(lc, bases)
	{
		base = lfirst(lc);
		if (base->relid == pstate->relid)
			return base->count;
	}
	rama_version_init();		/* forgets it in time */
	oldcontext = MemoryContextSwitchTo(TopTransactionContext);
	base = palloc(sizeof(Base));
	*base = (Base) {pstate->relid, read_count(pstate->relid, snapshot)};
	bases = lappend(bases, base);
	MemoryContextSwitchTo(oldcontext);
	return base->count;
}

/*
 * rama_version_count() -- Entries of the outermost collection, as the
 * snapshot sees them and with what this transaction did.
 */
int64
rama_version_count(RamaPState *pstate, Snapshot snapshot)
{
	int64		count = base_count(pstate, snapshot);
	ListCell   *lc;

	foreach(lc, changes)
	{
		Change	   *change = lfirst(lc);

		if (change->relid == pstate->relid)
			count += change->delta;
	}
	return count;
}

/*
 * rama_version_of() -- The version of a PState that the snapshot sees, which
 * is registered or active; -1: there is none.
 */
int64
rama_version_of(Oid relid, Snapshot snapshot)
{
	Relation	rel = table_open(rama_catalog_relid("pstate_version"), AccessShareLock);
	HeapTuple	tuple = rama_hot_fetch(rel, Anum_version_pstate, relid, snapshot);
	int64		version = -1;
	bool		isnull;

	if (tuple)
		version = DatumGetInt64(heap_getattr(tuple, Anum_version_version,
											 RelationGetDescr(rel), &isnull));
	table_close(rel, AccessShareLock);
	return version;
}

/* Add 1 to the version and delta to the count in a PState's row. */
static void
store(Oid relid, int64 delta)
{
	int			attnos[] = {Anum_version_version, Anum_version_count};
	Datum		values[2];
	bool		nulls[2] = {false, false};
	Relation	rel;
	TupleDesc	desc;
	HeapTuple	tuple;

	/* Dropped by this transaction after it was written */
	if (get_rel_relkind(relid) == '\0')
		return;
	rel = table_open(rama_catalog_relid("pstate_version"), RowExclusiveLock);
	desc = RelationGetDescr(rel);
	PushActiveSnapshot(GetLatestSnapshot());
	tuple = rama_hot_fetch(rel, Anum_version_pstate, relid, GetActiveSnapshot());
	PopActiveSnapshot();
	if (tuple)
	{
		ItemPointerData tid = tuple->t_self;

		for (int i = 0; i < 2; i++)
			values[i] = heap_getattr(tuple, attnos[i], desc, &nulls[i]);
		values[0] = Int64GetDatum(DatumGetInt64(values[0]) + 1);
		if (!nulls[1])			/* a single value has no count */
			values[1] = Int64GetDatum(DatumGetInt64(values[1]) + delta);
		tuple = heap_modify_tuple_by_cols(tuple, desc, 2, attnos, values, nulls);
		rama_hot_update(rel, relid, &tid, tuple);
		CommandCounterIncrement();
		rama_publish_prepare(relid, DatumGetInt64(values[0]));
	}
	table_close(rel, NoLock);
}

static void
store_all(void)
{
	while (changes != NIL)
	{
		Oid			relid = ((Change *) linitial(changes))->relid;
		int64		delta = 0;
		ListCell   *lc;

		foreach(lc, changes)
		{
			Change	   *change = lfirst(lc);

			if (change->relid != relid)
				continue;
			delta += change->delta;
			changes = foreach_delete_current(changes, lc);
		}
		store(relid, delta);
	}
}

static void
on_xact(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			store_all();
			break;
		case XACT_EVENT_PRE_PREPARE:
			if (changes != NIL)
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("cannot PREPARE a transaction that has written to a PState")));
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			rama_publish_xact(event);
			changes = bases = NIL;	/* freed with the transaction's context */
			rama_row_forget();
			rama_conflict_forget();
			break;
		default:
			break;
	}
}

static Change *
find_change(Oid relid, int nestlevel)
{
	ListCell   *lc;

	foreach(lc, changes)
	{
		Change	   *change = lfirst(lc);

		if (change->relid == relid && change->nestlevel == nestlevel)
			return change;
	}
	return NULL;
}

/*
 * rama_version_is_changed() -- Has this transaction changed the PState?
 */
bool
rama_version_is_changed(const RamaPState *pstate)
{
	ListCell   *lc;

	foreach(lc, changes)
		if (((Change *) lfirst(lc))->relid == pstate->relid)
			return true;
	return false;
}

static void
on_subxact(SubXactEvent event, SubTransactionId mySubid, SubTransactionId parentSubid,
		   void *arg)
{
	int			nestlevel = GetCurrentTransactionNestLevel();
	ListCell   *lc;

	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		rama_row_forget();
	rama_publish_subxact(event, nestlevel);
	foreach(lc, changes)
	{
		Change	   *change = lfirst(lc);
		Change	   *outer;

		if (change->nestlevel < nestlevel)
			continue;
		outer = find_change(change->relid, nestlevel - 1);
		if (event == SUBXACT_EVENT_COMMIT_SUB && outer == NULL)
		{
			change->nestlevel = nestlevel - 1;
			continue;
		}
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			outer->delta += change->delta;
		changes = foreach_delete_current(changes, lc);
	}
}

/*
 * rama_version_init() -- Called before the first write of a session, and any
 * time later.
 */
void
rama_version_init(void)
{
	static bool registered = false;

	if (registered)
		return;
	RegisterXactCallback(on_xact, NULL);
	RegisterSubXactCallback(on_subxact, NULL);
	registered = true;
}

/*
 * rama_version_change() -- This transaction changed the PState, and added so
 * many entries to its outermost collection.
 *
 * The caller has called rama_pstate_begin_write().
 */
void
rama_version_change(RamaPState *pstate, int64 delta)
{
	int			nestlevel = GetCurrentTransactionNestLevel();
	Change	   *change = find_change(pstate->relid, nestlevel);

	if (change == NULL)
	{
		MemoryContext oldcontext = MemoryContextSwitchTo(TopTransactionContext);

		change = palloc(sizeof(Change));
		change->relid = pstate->relid;
		change->nestlevel = nestlevel;
		change->delta = 0;
		changes = lappend(changes, change);
		MemoryContextSwitchTo(oldcontext);
	}
	change->delta += delta;
}
