/*-------------------------------------------------------------------------
 *
 * catalog.c
 *	  Access to the catalog tables of schema rama.
 *
 * The tables are written here only, without privilege checks: each caller
 * has checked that the user owns the object that the row describes. Rows are
 * read as core reads its catalogs, with the latest snapshot, also within a
 * parallel query. Whoever writes holds RowExclusiveLock on the table to the end
 * of the transaction, and a lock on the described relation (DDL on it, or
 * ShareUpdateExclusiveLock) that keeps writers of the same row apart.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "commands/extension.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "worker/worker.h"

/*
 * rama_catalog_relid() -- Oid of a table of schema rama.
 *
 * Error (42704) when the extension is not installed in this database.
 */
Oid
rama_catalog_relid(const char *name)
{
	Oid			nspid = get_namespace_oid(RAMA_SCHEMA, true);
	Oid			relid = OidIsValid(nspid) ? get_relname_relid(name, nspid) : InvalidOid;

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"pg_rama\" is not installed in this database"),
				 errhint("Run CREATE EXTENSION pg_rama.")));
	return relid;
}

/*
 * rama_catalog_try_lock() -- Lock the tables that describe depots and
 * topologies for reading, to the end of the transaction, without waiting for
 * DDL on the extension. False if one is not to be had.
 *
 * *exists tells whether the extension is installed at all. For background
 * processes: who waits for a DROP EXTENSION gets an error when it commits.
 */
bool
rama_catalog_try_lock(bool *exists)
{
	static const char *const tables[] = {"activation", "depot", "topology", "source"};
	Oid			nspid = get_namespace_oid(RAMA_SCHEMA, true);

	*exists = OidIsValid(nspid) && OidIsValid(get_extension_oid("pg_rama", true));
	for (int i = 0; *exists && i < (int) lengthof(tables); i++)
	{
		Oid			relid = get_relname_relid(tables[i], nspid);

		if (!OidIsValid(relid) || !ConditionalLockRelationOid(relid, AccessShareLock) ||
			!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
			return false;
	}
	return true;
}

/*
 * Scan of the rows whose column attno equals key, through the primary key
 * where that is its first column; the tables are small.
 */
static SysScanDesc
begin_scan(Relation rel, AttrNumber attno, Oid key, ScanKey skey)
{
	Oid			index = attno == 1 ? primary_key_index_compat(rel) : InvalidOid;

	ScanKeyInit(skey, attno, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(key));
	return systable_beginscan(rel, index, OidIsValid(index),
							  NULL, 1, skey);
}

/*
 * rama_catalog_fetch_all() -- Copies of the rows whose column attno (of an
 * oid-like type) equals key, in the order of the primary key where attno is 1.
 *
 * Where desc is not NULL it gets a copy of the table's descriptor. Everything
 * is allocated in the current memory context.
 */
List *
rama_catalog_fetch_all(const char *table, AttrNumber attno, Oid key,
					   TupleDesc *desc)
{
	Relation	rel = table_open(rama_catalog_relid(table), AccessShareLock);
	List	   *rows = NIL;
	ScanKeyData skey;
	SysScanDesc scan;
	HeapTuple	tuple;

	scan = begin_scan(rel, attno, key, &skey);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		rows = lappend(rows, heap_copytuple(tuple));
	systable_endscan(scan);
	if (desc)
		*desc = CreateTupleDescCopy(RelationGetDescr(rel));
	table_close(rel, AccessShareLock);
	return rows;
}

/*
 * rama_catalog_fetch() -- The row whose primary key (first column) is key, as
 * a copy, or NULL.
 */
HeapTuple
rama_catalog_fetch(const char *table, Oid key, TupleDesc *desc)
{
	List	   *rows = rama_catalog_fetch_all(table, 1, key, desc);

	return rows == NIL ? NULL : (HeapTuple) linitial(rows);
}

/*
 * rama_catalog_relations() -- The relations that have a row in the table,
 * which describes them by its first column. Rows without relation are left
 * out.
 */
List *
rama_catalog_relations(const char *table)
{
	Relation	rel = table_open(rama_catalog_relid(table), AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	List	   *result = NIL;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		bool		isnull;
		Oid			relid = DatumGetObjectId(heap_getattr(tuple, 1, RelationGetDescr(rel),
														  &isnull));

		if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
			result = lappend_oid(result, relid);
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	return result;
}

/*
 * rama_catalog_insert() -- Insert a row, visible to the next command.
 */
void
rama_catalog_insert(const char *table, Datum *values, bool *nulls)
{
	Relation	rel = table_open(rama_catalog_relid(table), RowExclusiveLock);
	HeapTuple	tuple = heap_form_tuple(RelationGetDescr(rel), values, nulls);

	CatalogTupleInsert(rel, tuple);
	heap_freetuple(tuple);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

/*
 * rama_catalog_update() -- Replace some columns of the row whose primary key
 * (first column) is key. It is an error if there is none.
 */
void
rama_catalog_update(const char *table, Oid key, int ncolumns,
					const int *attnos, const Datum *values, const bool *nulls)
{
	Relation	rel = table_open(rama_catalog_relid(table), RowExclusiveLock);
	ScanKeyData skey;
	SysScanDesc scan;
	HeapTuple	tuple;

	scan = begin_scan(rel, 1, key, &skey);
	tuple = systable_getnext(scan);
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "no row for relation %u in rama.%s", key, table);
	tuple = heap_modify_tuple_by_cols(tuple, RelationGetDescr(rel), ncolumns,
									  unconstify(int *, attnos),
									  unconstify(Datum *, values),
									  unconstify(bool *, nulls));
	CatalogTupleUpdate(rel, &tuple->t_self, tuple);
	systable_endscan(scan);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

/*
 * rama_catalog_update_row() -- Replace some columns of a row that
 * rama_catalog_fetch_all() has returned.
 */
void
rama_catalog_update_row(const char *table, HeapTuple row, int ncolumns,
						const int *attnos, const Datum *values, const bool *nulls)
{
	Relation	rel = table_open(rama_catalog_relid(table), RowExclusiveLock);
	HeapTuple	tuple = heap_modify_tuple_by_cols(row, RelationGetDescr(rel), ncolumns,
												  unconstify(int *, attnos),
												  unconstify(Datum *, values),
												  unconstify(bool *, nulls));

	CatalogTupleUpdate(rel, &row->t_self, tuple);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

/*
 * rama_catalog_delete() -- Delete the rows whose column attno equals key, and
 * return how many there were.
 */
int
rama_catalog_delete(const char *table, AttrNumber attno, Oid key)
{
	Relation	rel = table_open(rama_catalog_relid(table), RowExclusiveLock);
	int			deleted = 0;
	ScanKeyData skey;
	SysScanDesc scan;
	HeapTuple	tuple;

	scan = begin_scan(rel, attno, key, &skey);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		CatalogTupleDelete(rel, &tuple->t_self);
		deleted++;
	}
	systable_endscan(scan);
	table_close(rel, NoLock);
	CommandCounterIncrement();
	return deleted;
}

/*
 * rama_catalog_changed() -- Say that rows about a relation have changed.
 *
 * At commit, every session drops what it remembers of the relation, and
 * workers read the catalog again.
 */
void
rama_catalog_changed(Oid relid)
{
	if (get_rel_relkind(relid) != '\0')
		CacheInvalidateRelcacheByRelid(relid);
	rama_wake_catalog_at_commit();
}
