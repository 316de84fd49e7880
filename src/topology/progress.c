/*-------------------------------------------------------------------------
 *
 * progress.c
 *	  The one row of a topology's table: how far it has read, and what
 *	  became of its last attempts.
 *
 * The row is read and written by the holder of the topology's object lock
 * (ExclusiveLock) only, with a snapshot taken after the lock was granted;
 * rama.wait() and the views read it with a snapshot of their own and no
 * lock. The table has no index. Where the row is, is remembered (hot_row.c).
 *
 *-------------------------------------------------------------------------
 */
#include "topology/topology.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

/* Columns of a topology's table, see state_columns in define.c */
enum
{
	Anum_state_batch = 1,
	Anum_state_position,		/* bigint[], one per source */
	Anum_state_pending_source,	/* int[], index of the source, from 1 */
	Anum_state_pending_xid,		/* xid8[] */
	Anum_state_pending_low,		/* bigint[] */
	Anum_state_pending_high,	/* bigint[] */
	Anum_state_pending_foreign, /* boolean[] */
	Anum_state_attempts,
	Anum_state_halted,
	Anum_state_retry_at,
	Anum_state_sqlstate,
	Anum_state_error,
	Anum_state_failed_at,
	Natts_state = Anum_state_failed_at
};

/*
 * rama_topology_lock() -- Take the topology's object lock, to the end of the
 * transaction; waits for a running batch.
 */
void
rama_topology_lock(Oid relid)
{
	LockDatabaseObject(RelationRelationId, relid, 0, ExclusiveLock);
}

/*
 * rama_topology_try_lock() -- The same without waiting.
 */
bool
rama_topology_try_lock(Oid relid)
{
	return ConditionalLockDatabaseObject(RelationRelationId, relid, 0, ExclusiveLock);
}

static int
get_array(HeapTuple tuple, TupleDesc desc, AttrNumber attno, Datum **elems)
{
	bool		isnull;
	ArrayType  *array = DatumGetArrayTypeP(heap_getattr(tuple, attno, desc, &isnull));
	Oid			type = ARR_ELEMTYPE(array);
	int			n;

	switch (type)
	{
		case INT4OID:
			deconstruct_array(array, type, 4, true, TYPALIGN_INT, elems, NULL, &n);
			break;
		case BOOLOID:
			deconstruct_array(array, type, 1, true, TYPALIGN_CHAR, elems, NULL, &n);
			break;
		default:
			deconstruct_array(array, type, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, elems, NULL, &n);
	}
	return n;
}

static void
read_pending(HeapTuple tuple, TupleDesc desc, RamaTopologyState *state)
{
	Datum	   *source,
			   *xid,
			   *low,
			   *high,
			   *foreign;
	int			n = get_array(tuple, desc, Anum_state_pending_source, &source);

	if (n == 0)
		return;
	get_array(tuple, desc, Anum_state_pending_xid, &xid);
	get_array(tuple, desc, Anum_state_pending_low, &low);
	get_array(tuple, desc, Anum_state_pending_high, &high);
	get_array(tuple, desc, Anum_state_pending_foreign, &foreign);
	for (int i = 0; i < state->nsources; i++)
		state->progress[i].pending = palloc_array(RamaPending, n);
	for (int i = 0; i < n; i++)
	{
		RamaProgress *progress = &state->progress[DatumGetInt32(source[i]) - 1];
		RamaPending *pending = &progress->pending[progress->npending++];

		pending->xid = DatumGetFullTransactionId(xid[i]);
		pending->low = DatumGetInt64(low[i]);
		pending->high = DatumGetInt64(high[i]);
		pending->foreign = DatumGetBool(foreign[i]);
	}
}

static char *
get_text(HeapTuple tuple, TupleDesc desc, AttrNumber attno)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attno, desc, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

static TimestampTz
get_timestamp(HeapTuple tuple, TupleDesc desc, AttrNumber attno)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attno, desc, &isnull);

	return isnull ? 0 : DatumGetTimestampTz(value);
}

static void
read_tuple(HeapTuple tuple, TupleDesc desc, RamaTopologyState *state)
{
	bool		isnull;
	Datum	   *position;

	memset(state, 0, sizeof(*state));
	state->tid = tuple->t_self;
	state->batch = DatumGetInt64(heap_getattr(tuple, Anum_state_batch, desc, &isnull));
	state->nsources = get_array(tuple, desc, Anum_state_position, &position);
	state->progress = palloc0_array(RamaProgress, state->nsources);
	for (int i = 0; i < state->nsources; i++)
		state->progress[i].position = DatumGetInt64(position[i]);
	read_pending(tuple, desc, state);
	state->attempts = DatumGetInt32(heap_getattr(tuple, Anum_state_attempts, desc, &isnull));
	state->halted = DatumGetBool(heap_getattr(tuple, Anum_state_halted, desc, &isnull));
	state->retry_at = get_timestamp(tuple, desc, Anum_state_retry_at);
	state->sqlstate = get_text(tuple, desc, Anum_state_sqlstate);
	state->error = get_text(tuple, desc, Anum_state_error);
	state->failed_at = get_timestamp(tuple, desc, Anum_state_failed_at);
}

/*
 * rama_state_read() -- Read the row with the latest snapshot, into the
 * current memory context.
 *
 * Errors: 42704 when the topology was dropped meanwhile, XX001 when the table
 * does not hold the row that create_topology put there.
 */
void
rama_state_read(Oid relid, RamaTopologyState *state)
{
	Relation	rel = try_table_open(relid, AccessShareLock);
	Snapshot	snapshot;
	HeapTuple	tuple;

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the topology has been dropped")));
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	tuple = rama_hot_fetch(rel, 0, InvalidOid, snapshot);
	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("topology \"%s\" has lost its progress", RelationGetRelationName(rel)),
				 errhint("Drop the topology and create it again.")));
	read_tuple(tuple, RelationGetDescr(rel), state);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
}

static Datum
make_array(Datum *elems, int n, Oid type)
{
	ArrayType  *array;

	if (n == 0)
		array = construct_empty_array(type);
	else if (type == INT4OID)
		array = construct_array(elems, n, type, 4, true, TYPALIGN_INT);
	else if (type == BOOLOID)
		array = construct_array(elems, n, type, 1, true, TYPALIGN_CHAR);
	else
		array = construct_array(elems, n, type, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	return PointerGetDatum(array);
}

static void
fill_pending(const RamaTopologyState *state, Datum *values)
{
	int			n = 0;
	int			total = 0;
	Datum	   *source,
			   *xid,
			   *low,
			   *high,
			   *foreign;

	for (int i = 0; i < state->nsources; i++)
		total += state->progress[i].npending;
	source = palloc_array(Datum, total);
	xid = palloc_array(Datum, total);
	low = palloc_array(Datum, total);
	high = palloc_array(Datum, total);
	foreign = palloc_array(Datum, total);
	for (int i = 0; i < state->nsources; i++)
		for (int j = 0; j < state->progress[i].npending; j++, n++)
		{
			RamaPending *pending = &state->progress[i].pending[j];

			source[n] = Int32GetDatum(i + 1);
			xid[n] = FullTransactionIdGetDatum(pending->xid);
			low[n] = Int64GetDatum(pending->low);
			high[n] = Int64GetDatum(pending->high);
			foreign[n] = BoolGetDatum(pending->foreign);
		}
	values[Anum_state_pending_source - 1] = make_array(source, n, INT4OID);
	values[Anum_state_pending_xid - 1] = make_array(xid, n, XID8OID);
	values[Anum_state_pending_low - 1] = make_array(low, n, INT8OID);
	values[Anum_state_pending_high - 1] = make_array(high, n, INT8OID);
	values[Anum_state_pending_foreign - 1] = make_array(foreign, n, BOOLOID);
}

static void
set_text(Datum *values, bool *nulls, AttrNumber attno, const char *text)
{
	nulls[attno - 1] = text == NULL;
	values[attno - 1] = text ? CStringGetTextDatum(text) : (Datum) 0;
}

static void
set_timestamp(Datum *values, bool *nulls, AttrNumber attno, TimestampTz at)
{
	nulls[attno - 1] = at == 0;
	values[attno - 1] = TimestampTzGetDatum(at);
}

static HeapTuple
form_tuple(Relation rel, const RamaTopologyState *state)
{
	Datum		values[Natts_state];
	bool		nulls[Natts_state] = {false};
	Datum	   *position = palloc_array(Datum, state->nsources);

	if (RelationGetDescr(rel)->natts != Natts_state)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the columns of topology \"%s\" have been changed",
						RelationGetRelationName(rel)),
				 errhint("Drop the topology and create it again.")));
	for (int i = 0; i < state->nsources; i++)
		position[i] = Int64GetDatum(state->progress[i].position);
	values[Anum_state_batch - 1] = Int64GetDatum(state->batch);
	values[Anum_state_position - 1] = make_array(position, state->nsources, INT8OID);
	fill_pending(state, values);
	values[Anum_state_attempts - 1] = Int32GetDatum(state->attempts);
	values[Anum_state_halted - 1] = BoolGetDatum(state->halted);
	set_timestamp(values, nulls, Anum_state_retry_at, state->retry_at);
	set_text(values, nulls, Anum_state_sqlstate, state->sqlstate);
	set_text(values, nulls, Anum_state_error, state->error);
	set_timestamp(values, nulls, Anum_state_failed_at, state->failed_at);
	return heap_form_tuple(RelationGetDescr(rel), values, nulls);
}

/*
 * rama_state_insert() -- Put the row into a new topology's table.
 */
void
rama_state_insert(Oid relid, const RamaTopologyState *state)
{
	Relation	rel = table_open(relid, RowExclusiveLock);

	simple_heap_insert(rel, form_tuple(rel, state));
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

/*
 * rama_state_write() -- Replace the row that rama_state_read() has read in
 * this transaction, under the topology's object lock.
 */
void
rama_state_write(Oid relid, const RamaTopologyState *state)
{
	Relation	rel = table_open(relid, RowExclusiveLock);
	ItemPointerData tid = state->tid;

	rama_hot_update(rel, InvalidOid, &tid, form_tuple(rel, state));
	table_close(rel, NoLock);
	CommandCounterIncrement();
}
