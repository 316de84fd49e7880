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

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "pstate/pstate.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

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

static bool
read_row(Oid relid, Snapshot snapshot, int64 *version, int64 *count, bool *count_isnull)
{
	Relation	rel = table_open(rama_catalog_relid("pstate_version"), AccessShareLock);
	ScanKeyData skey;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found = false;

	ScanKeyInit(&skey, Anum_version_pstate, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, primary_key_index_compat(rel), true, snapshot, 1, &skey);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		TupleDesc	desc = RelationGetDescr(rel);
		bool		isnull;

		found = true;
		*version = DatumGetInt64(heap_getattr(tuple, Anum_version_version, desc, &isnull));
		*count = DatumGetInt64(heap_getattr(tuple, Anum_version_count, desc, count_isnull));
		if (*count_isnull)
			*count = 0;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/*
 * rama_version_count() -- Entries of the outermost collection, as the
 * snapshot sees them and with what this transaction did.
 */
int64
rama_version_count(RamaPState *pstate, Snapshot snapshot)
{
	int64		version;
	int64		count = 0;
	bool		isnull;
	ListCell   *lc;

	(void) read_row(pstate->relid, snapshot, &version, &count, &isnull);
	foreach(lc, changes)
	{
		Change	   *change = lfirst(lc);

		if (change->relid == pstate->relid)
			count += change->delta;
	}
	return count;
}

/* Store version + 1 and count + delta in a PState's row. */
static void
store(Oid relid, int64 delta)
{
	int			attnos[2] = {Anum_version_version, Anum_version_count};
	Datum		values[2];
	bool		nulls[2] = {false, false};
	int64		version;
	int64		count;
	bool		found;

	/* Dropped by this transaction after it was written */
	if (get_rel_relkind(relid) == '\0')
		return;
	PushActiveSnapshot(GetLatestSnapshot());
	found = read_row(relid, GetActiveSnapshot(), &version, &count, &nulls[1]);
	PopActiveSnapshot();
	if (!found)
		return;
	values[0] = Int64GetDatum(version + 1);
	values[1] = Int64GetDatum(count + delta);
	rama_catalog_update("pstate_version", relid, 2, attnos, values, nulls);
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
			changes = NIL;		/* freed with the transaction's context */
			rama_row_forget();
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
