/*-------------------------------------------------------------------------
 *
 * activation.c
 *	  In which database may topologies run?
 *
 * rama.activation is not dumped. Its row names the cluster and the database
 * that it was written in, so that a copy (pg_restore, a template copy,
 * pg_upgrade) is inactive until somebody says rama.activate(). While
 * inactive, depots accept managed values as they come: a restore loads them.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xlog.h"
#include "catalog/indexing.h"
#include "commands/dbcommands.h"
#include "fmgr.h"
#include "funcapi.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* Columns of rama.activation */
#define Anum_activation_system_identifier 1
#define Anum_activation_database 2
#define Anum_activation_activated_at 3
#define Natts_activation 3

PG_FUNCTION_INFO_V1(rama_standstill);

/*
 * rama_is_active() -- Does this database's activation name this cluster and
 * this database?
 *
 * Read anew at each call: callers ask when a transaction or a worker starts,
 * or before an error, not per row.
 */
bool
rama_is_active(void)
{
	Relation	rel = table_open(rama_catalog_relid("activation"), AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	bool		active = false;
	TableScanDesc scan;
	HeapTuple	tuple;
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

	scan = table_beginscan(rel, snapshot, 0, NULL);
	while (!active && HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		bool		isnull;
		uint64		sysid = (uint64) DatumGetInt64(heap_getattr(tuple, Anum_activation_system_identifier, desc, &isnull));
		Oid			database = DatumGetObjectId(heap_getattr(tuple, Anum_activation_database, desc, &isnull));

		active = sysid == GetSystemIdentifier() && database == MyDatabaseId;
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	return active;
}

/*
 * rama_database_is_open() -- Does this database accept connections? Topologies
 * are no way round ALLOW_CONNECTIONS.
 */
bool
rama_database_is_open(void)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(MyDatabaseId));
	bool		open = false;

	if (HeapTupleIsValid(tuple))
	{
		open = ((Form_pg_database) GETSTRUCT(tuple))->datallowconn;
		ReleaseSysCache(tuple);
	}
	return open;
}

static bool
table_is_empty(const char *table)
{
	Relation	rel = table_open(rama_catalog_relid(table), AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	bool		empty = heap_getnext(scan, ForwardScanDirection) == NULL;

	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	return empty;
}

/*
 * rama_lock_activation() -- Keep others from activating and deactivating, to
 * the end of the transaction.
 */
void
rama_lock_activation(void)
{
	LockRelationOid(rama_catalog_relid("activation"), ShareRowExclusiveLock);
}

/*
 * rama_clear_activation() -- Remove the activation row.
 */
void
rama_clear_activation(void)
{
	Relation	rel = table_open(rama_catalog_relid("activation"), ShareRowExclusiveLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
		CatalogTupleDelete(rel, &tuple->t_self);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

/*
 * rama_stamp_activation() -- Replace the activation row by one that names this
 * cluster and database.
 */
void
rama_stamp_activation(void)
{
	Datum		values[Natts_activation];
	bool		nulls[Natts_activation] = {false};

	rama_clear_activation();
	values[Anum_activation_system_identifier - 1] = Int64GetDatum((int64) GetSystemIdentifier());
	values[Anum_activation_database - 1] = ObjectIdGetDatum(MyDatabaseId);
	values[Anum_activation_activated_at - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	rama_catalog_insert("activation", values, nulls);
}

static bool
has_objects(void)
{
	return !table_is_empty("depot") || !table_is_empty("pstate") ||
		!table_is_empty("topology");
}

/*
 * rama_activate_if_first() -- Activate the database when its first depot,
 * PState or topology is about to be made.
 *
 * A restored database has such objects, and stays inactive. Called before
 * the new object's catalog row is written. Keeps out, to the end of the
 * transaction, who takes the activation away, with the last object that it sees.
 */
void
rama_activate_if_first(void)
{
	Oid			activation = rama_catalog_relid("activation");

	LockRelationOid(activation, RowExclusiveLock);
	if (rama_is_active() || has_objects())
		return;
	/* Of two that are the first, each would wait for the other's. */
	UnlockRelationOid(activation, RowExclusiveLock);
	rama_lock_activation();
	if (!rama_is_active() && !has_objects())
		rama_stamp_activation();
}

/*
 * rama_deactivate_if_last() -- Called when a depot, a PState or a topology has
 * been dropped: a database without any is as it was before the first one, so
 * that a dump can be restored into it.
 */
void
rama_deactivate_if_last(void)
{
	if (has_objects())
		return;
	rama_lock_activation();		/* waits for who makes one */
	if (!has_objects())
		rama_clear_activation();
}

/*
 * rama_standstill() -- rama.standstill(): why no topology of this database
 * runs now, as (reason, hint); NULLs if they may run.
 */
Datum
rama_standstill(PG_FUNCTION_ARGS)
{
	const char *reason = NULL;
	const char *hint = NULL;
	Datum		values[2];
	bool		nulls[2];
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (!rama_preloaded)
	{
		reason = "not preloaded";
		hint = "Add \"pg_rama\" to shared_preload_libraries and restart the server.";
	}
	else if (!rama_is_active())
	{
		reason = "inactive";
		hint = "SELECT rama.activate()";
	}
	else if (RecoveryInProgress())
	{
		reason = "standby";
		hint = "SELECT pg_promote()";
	}
	else if (!rama_enabled)
	{
		reason = "disabled";
		hint = "Set pg_rama.enabled to on and reload.";
	}
	else if (!rama_database_is_open())
	{
		reason = "closed";
		hint = psprintf("ALTER DATABASE %s ALLOW_CONNECTIONS true",
						quote_identifier(get_database_name(MyDatabaseId)));
	}
	nulls[0] = nulls[1] = reason == NULL;
	if (reason)
	{
		values[0] = CStringGetTextDatum(reason);
		values[1] = CStringGetTextDatum(hint);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
