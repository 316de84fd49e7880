/*-------------------------------------------------------------------------
 *
 * retain.c
 *	  rama.change: changes that outlive the ring and the server.
 *
 * Written by the writer of the PState, under its lock, with the version; who
 * also deletes what is too old, a little at a time. Rows of one PState so have
 * one writer, and come in the order of their versions.
 *
 *-------------------------------------------------------------------------
 */
#include "watch/retain.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "watch/record.h"

/* Columns of rama.change */
#define Anum_change_pstate 1
#define Anum_change_version 2
#define Anum_change_at 3
#define Anum_change_format 4
#define Anum_change_ops 5
#define Natts_change 5

#define Anum_pstate_retain 6

/* How often a writer looks for old rows, and how many it deletes at most */
#define TRIM_EVERY 16
#define TRIM_ROWS 64

PG_FUNCTION_INFO_V1(rama_retain_changes);

/* The rows of a PState in the order of their versions, from one on */
static SysScanDesc
begin_scan(Relation rel, Relation index, Oid relid, int64 from, ScanKey keys)
{
	ScanKeyInit(&keys[0], Anum_change_pstate, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	ScanKeyInit(&keys[1], Anum_change_version, BTGreaterEqualStrategyNumber, F_INT8GE,
				Int64GetDatum(from));
	return systable_beginscan_ordered(rel, index, NULL, 2, keys);
}

/* Delete up to so many of the oldest rows that are older than the interval. */
static void
trim(Relation rel, const RamaPState *pstate)
{
	TimestampTz limit =
		DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval,
												TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()),
												IntervalPGetDatum(pstate->retain)));
	Relation	index = index_open(primary_key_index_compat(rel), AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan = begin_scan(rel, index, pstate->relid, 0, keys);
	HeapTuple	tuple;

	for (int i = 0; i < TRIM_ROWS &&
		 HeapTupleIsValid(tuple = systable_getnext_ordered(scan, ForwardScanDirection)); i++)
	{
		bool		isnull;

		if (DatumGetTimestampTz(heap_getattr(tuple, Anum_change_at, RelationGetDescr(rel),
											 &isnull)) >= limit)
			break;
		CatalogTupleDelete(rel, &tuple->t_self);
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
}

/*
 * rama_retained_store() -- Keep the ops of this version, which the current
 * transaction makes. The caller holds the PState's lock.
 */
void
rama_retained_store(RamaPState *pstate, int64 version, bool lost, const char *ops, Size size)
{
	Relation	rel = table_open(rama_catalog_relid("change"), RowExclusiveLock);
	Datum		values[Natts_change];
	bool		nulls[Natts_change] = {false};
	HeapTuple	tuple;

	values[Anum_change_pstate - 1] = ObjectIdGetDatum(pstate->relid);
	values[Anum_change_version - 1] = Int64GetDatum(version);
	values[Anum_change_at - 1] = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	values[Anum_change_format - 1] = Int64GetDatum(rama_record_format(pstate));
	nulls[Anum_change_ops - 1] = lost;
	if (!lost)
		values[Anum_change_ops - 1] =
			PointerGetDatum(cstring_to_text_with_len(ops, size));
	tuple = heap_form_tuple(RelationGetDescr(rel), values, nulls);
	CatalogTupleInsert(rel, tuple);
	heap_freetuple(tuple);
	if (version % TRIM_EVERY == 0)
		trim(rel, pstate);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

static bool
decode_row(RamaPState *pstate, HeapTuple tuple, TupleDesc desc, RamaChange *change)
{
	bool		isnull;
	Datum		ops = heap_getattr(tuple, Anum_change_ops, desc, &isnull);
	int64		format;
	bytea	   *bytes;

	if (isnull)
		return false;
	format = DatumGetInt64(heap_getattr(tuple, Anum_change_format, desc, &isnull));
	if (format != rama_record_format(pstate))
		return false;
	bytes = DatumGetByteaPP(ops);
	rama_record_decode(pstate, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), change);
	return true;
}

/*
 * rama_retained_read() -- The change of a version, if it was kept; in the
 * current memory context.
 */
bool
rama_retained_read(RamaPState *pstate, int64 version, RamaChange *change)
{
	Relation	rel;
	Relation	index;
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found = false;
	bool		isnull;

	if (pstate->retain == NULL)
		return false;
	rel = table_open(rama_catalog_relid("change"), AccessShareLock);
	index = index_open(primary_key_index_compat(rel), AccessShareLock);
	scan = begin_scan(rel, index, pstate->relid, version, keys);
	tuple = systable_getnext_ordered(scan, ForwardScanDirection);
	if (HeapTupleIsValid(tuple) &&
		DatumGetInt64(heap_getattr(tuple, Anum_change_version, RelationGetDescr(rel),
								   &isnull)) == version)
	{
		change->version = version;
		found = decode_row(pstate, tuple, RelationGetDescr(rel), change);
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return found;
}

/* rama_retained_delete() -- Delete all that is kept of a PState. */
void
rama_retained_delete(Oid relid)
{
	(void) rama_catalog_delete("change", Anum_change_pstate, relid);
}

/*
 * rama_retain_changes(pstate, interval) -- Keep changes for so long; NULL: not
 * any more.
 *
 * Takes the PState's lock: so no transaction has written it, and not kept what
 * it did.
 */
Datum
rama_retain_changes(PG_FUNCTION_ARGS)
{
	static const int attno = Anum_pstate_retain;
	Oid			relid;
	bool		isnull = PG_ARGISNULL(1);
	Datum		interval = isnull ? (Datum) 0 : PG_GETARG_DATUM(1);
	RamaPState *pstate;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the PState must not be null")));
	relid = PG_GETARG_OID(0);
	rama_require_primary("rama.retain_changes()");
	pstate = rama_pstate_get(relid);
	rama_check_owner(relid);
	if (!isnull)
	{
		Interval	zero = {0};

		if (DatumGetBool(DirectFunctionCall2(interval_lt, interval, IntervalPGetDatum(&zero))))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the time to keep changes must not be negative")));
	}
	LockRelationOid(relid, ShareUpdateExclusiveLock);
	rama_pstate_lock(pstate->relid);
	rama_catalog_update("pstate", relid, 1, &attno, &interval, &isnull);
	if (isnull)
		rama_retained_delete(relid);
	rama_catalog_changed(relid);
	PG_RETURN_VOID();
}
