/*-------------------------------------------------------------------------
 *
 * read.c
 *	  Reading rows of PStates through the table and index access methods.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "pstate/pstate.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

/* So many index entries without a visible row are too many. */
#define MANY_GONE 100

/* What reading a table needs, made at the first use; in the PState's context */
struct RamaTableAccess
{
	TupleDesc	desc;			/* not counted: outlives resource owners */
	bool		constrained;	/* has more to check than NOT NULL of the keys */
	const TupleTableSlotOps *ops;
	ScanKey		keys;			/* for each key and strategy, see scan_key() */
};

struct RamaScan
{
	RamaTable  *table;
	Relation	heap;
	Relation	index;			/* NULL for a single value */
	IndexScanDesc scan;
	TableScanDesc heapscan;
	Snapshot	snapshot;
	ScanDirection direction;
	TupleTableSlot *slot;
	MemoryContext context;		/* index access methods allocate as they go */
	RamaChunkScan *chunked;		/* of a vector in chunks; then nothing else is set */
};

/*
 * rama_pstate_check_read() -- Error (42501) unless the user may SELECT from
 * the root table, or if row security would apply to that.
 */
void
rama_pstate_check_read(RamaPState *pstate)
{
	AclResult	aclresult = pg_class_aclcheck(pstate->relid, GetUserId(), ACL_SELECT);

	if (aclresult != ACLCHECK_OK)
		aclcheck_error(aclresult, OBJECT_TABLE, get_rel_name(pstate->relid));
	rama_pstate_check_row_security(pstate);
}

/*
 * rama_pstate_check_row_security() -- Error (42501) if row security of any of
 * the tables applies to the user.
 */
void
rama_pstate_check_row_security(RamaPState *pstate)
{
	for (int i = 0; i < pstate->ntables; i++)
	{
		Oid			relid = pstate->tables[i]->relid;

		if (check_enable_rls(relid, InvalidOid, true) == RLS_ENABLED)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("row security applies to table \"%s\"", get_rel_name(relid)),
					 errdetail("Path functions read and write below row security."),
					 errhint("Read the PState's tables with SELECT.")));
	}
}

static void
init_scan_key(ScanKey key, AttrNumber attno, StrategyNumber strategy, const RamaType *type)
{
	Oid			operator = get_opfamily_member(type->opfamily, type->opcintype,
											   type->opcintype, strategy);

	if (!OidIsValid(operator))
		elog(ERROR, "operator family %u lacks strategy %d for type %u",
			 type->opfamily, strategy, type->opcintype);
	ScanKeyEntryInitialize(key, 0, attno, strategy, InvalidOid, type->collation,
						   get_opcode(operator), (Datum) 0);
}

static bool
is_constrained(RamaTable *table, TupleDesc desc)
{
	for (int i = table->nkeys; i < table->ncolumns; i++)
		if (TupleDescAttr(desc, i)->attnotnull || table->columns[i].isdomain)
			return true;
	return desc->constr && desc->constr->num_check > 0;
}

static RamaTableAccess *
get_access(RamaTable *table)
{
	RamaTableAccess *access;
	MemoryContext oldcontext;
	Relation	rel;

	if (table->access)
		return table->access;
	oldcontext = MemoryContextSwitchTo(table->pstate->context);
	access = palloc0(sizeof(RamaTableAccess));
	rel = table_open(table->relid, AccessShareLock);
	access->desc = CreateTupleDescCopyConstr(RelationGetDescr(rel));
	access->constrained = is_constrained(table, access->desc);
	access->ops = table_slot_callbacks(rel);
	table_close(rel, NoLock);
	access->keys = palloc(sizeof(ScanKeyData) * Max(table->nkeys, 1) * BTMaxStrategyNumber);
	for (int i = 0; i < table->nkeys; i++)
	{
		for (int strategy = 1; strategy <= BTMaxStrategyNumber; strategy++)
			init_scan_key(&access->keys[i * BTMaxStrategyNumber + strategy - 1],
						  i + 1, strategy, &table->keys[i]);
	}
	table->access = access;
	MemoryContextSwitchTo(oldcontext);
	return access;
}

/*
 * rama_table_desc() -- A table's descriptor; lives as long as the PState.
 */
TupleDesc
rama_table_desc(RamaTable *table)
{
	return get_access(table)->desc;
}

/*
 * rama_table_constrained() -- Is there more to check in a row than its keys?
 */
bool
rama_table_constrained(RamaTable *table)
{
	return get_access(table)->constrained;
}

/*
 * rama_table_slot() -- A new slot for rows of the table.
 */
TupleTableSlot *
rama_table_slot(RamaTable *table)
{
	RamaTableAccess *access = get_access(table);

	return MakeTupleTableSlot(access->desc, access->ops);
}

/* The prepared scan key of key column i, with its argument. */
static void
scan_key(ScanKey key, RamaTableAccess *access, int i, StrategyNumber strategy, Datum value)
{
	memcpy(key, &access->keys[i * BTMaxStrategyNumber + strategy - 1], sizeof(ScanKeyData));
	key->sk_argument = value;
}

/* A scan of the rows with these keys, of which the last is met with a strategy. */
static IndexScanDesc
begin_index_scan(RamaTable *table, Relation heap, Relation index, const Datum *keys,
				 StrategyNumber strategy, Snapshot snapshot)
{
	RamaTableAccess *access = get_access(table);
	int			last = table->nkeys - 1;
	ScanKeyData skeys[RAMA_MAX_KEYS];
	IndexScanDesc scan;

	for (int i = 0; i < last; i++)
		scan_key(&skeys[i], access, i, BTEqualStrategyNumber, keys[i]);
	scan_key(&skeys[last], access, last, strategy, keys[last]);
	scan = index_beginscan_compat(heap, index, snapshot, table->nkeys);
	index_rescan(scan, skeys, table->nkeys, NULL, 0);
	return scan;
}

/*
 * rama_row_find() -- Find the one row with these keys that the snapshot sees.
 *
 * The caller has opened the table (and its index, NULL for a single value),
 * and gives a slot, which pins the row's buffer afterwards.
 */
bool
rama_row_find(RamaTable *table, Relation heap, Relation index, const Datum *keys,
			  Snapshot snapshot, TupleTableSlot *slot)
{
	bool		found;

	if (index)
	{
		IndexScanDesc scan = begin_index_scan(table, heap, index, keys,
											  BTEqualStrategyNumber, snapshot);

		found = index_getnext_slot(scan, ForwardScanDirection, slot);
		index_endscan(scan);
	}
	else
	{
		TableScanDesc scan = table_beginscan(heap, snapshot, 0, NULL);

		found = table_scan_getnextslot(scan, ForwardScanDirection, slot);
		if (found)
			ExecMaterializeSlot(slot);	/* the tuple is the scan's */
		table_endscan(scan);
	}
	return found;
}

/*
 * rama_row_maybe_above() -- Is there a row with these keys but for the last, which
 * is greater? As rama_row_find(), but true also where that would take long:
 * behind many rows that are gone.
 */
bool
rama_row_maybe_above(RamaTable *table, Relation heap, Relation index, const Datum *keys,
					 Snapshot snapshot, TupleTableSlot *slot)
{
	IndexScanDesc scan = begin_index_scan(table, heap, index, keys,
										  BTGreaterStrategyNumber, snapshot);
	int			gone = 0;
	bool		found = false;

	while (!found && index_getnext_tid(scan, ForwardScanDirection) != NULL)
		found = index_fetch_heap(scan, slot) || ++gone == MANY_GONE;
	index_endscan(scan);
	return found;
}

/*
 * rama_row_find_below() -- As rama_row_find(), the row with the greatest last key
 * that is at most the given one.
 */
bool
rama_row_find_below(RamaTable *table, Relation heap, Relation index, const Datum *keys,
					Snapshot snapshot, TupleTableSlot *slot)
{
	IndexScanDesc scan = begin_index_scan(table, heap, index, keys,
										  BTLessEqualStrategyNumber, snapshot);
	bool		found = index_getnext_slot(scan, BackwardScanDirection, slot);

	index_endscan(scan);
	return found;
}

/*
 * rama_key_above() -- Is one value of the last key greater than the other?
 */
bool
rama_key_above(RamaTable *table, Datum a, Datum b)
{
	RamaTableAccess *access = get_access(table);
	ScanKey		above = &access->keys[(table->nkeys - 1) * BTMaxStrategyNumber +
									  BTGreaterStrategyNumber - 1];

	return DatumGetBool(FunctionCall2Coll(&above->sk_func, above->sk_collation, a, b));
}

/* In a batch that writes the PState, rows are read from the buffer. */
static bool
fetch_buffered(RamaTable *table, const Datum *keys, TupleTableSlot **slot)
{
	RamaRow		row;

	if (*slot == NULL)
		*slot = rama_table_slot(table);
	rama_row_open(&row, table, keys, true);
	if (row.found)
	{
		TupleDesc	desc = rama_table_desc(table);

		ExecForceStoreHeapTuple(heap_form_tuple(desc, unconstify(Datum *, row.values),
												unconstify(bool *, row.nulls)),
								*slot, true);
	}
	rama_row_close(&row);
	return row.found;
}

/*
 * rama_row_fetch() -- Fetch the row with these keys (no key for a single
 * value) as the snapshot sees it; false if there is none.
 *
 * *slot may be NULL: then it is made in the current memory context. It holds
 * a copy of the row. A batch that writes the PState gets
 * the newest state, whatever the snapshot. Locks the table in AccessShareLock to the end of the
 * transaction.
 */
bool
rama_row_fetch(RamaTable *table, const Datum *keys, Snapshot snapshot,
			   TupleTableSlot **slot)
{
	Relation	heap;
	Relation	index;
	bool		found;

	if (table->chunks)
		return rama_chunk_fetch(table, keys, snapshot, slot);
	if (rama_buffer_active(table))
		return fetch_buffered(table, keys, slot);
	heap = table_open(table->relid, AccessShareLock);
	if (*slot == NULL)
		*slot = rama_table_slot(table);
	index = rama_table_open_index(table, AccessShareLock);
	found = rama_row_find_hot(table, heap, keys, snapshot, *slot) ||
		rama_row_find(table, heap, index, keys, snapshot, *slot);
	if (found)
		ExecMaterializeSlot(*slot); /* no pin outlives this call */
	if (index)
		index_close(index, NoLock);
	table_close(heap, NoLock);
	return found;
}

/* Scan keys of a prefix and bounds on the key after it. */
static int
range_keys(RamaTable *table, const Datum *prefix, int nprefix,
		   const RamaBound *low, const RamaBound *high, ScanKey skeys)
{
	RamaTableAccess *access = get_access(table);
	int			n = 0;

	for (int i = 0; i < nprefix; i++)
		scan_key(&skeys[n++], access, i, BTEqualStrategyNumber, prefix[i]);
	if (low && low->isset)
		scan_key(&skeys[n++], access, nprefix,
				 low->inclusive ? BTGreaterEqualStrategyNumber : BTGreaterStrategyNumber,
				 low->value);
	if (high && high->isset)
		scan_key(&skeys[n++], access, nprefix,
				 high->inclusive ? BTLessEqualStrategyNumber : BTLessStrategyNumber,
				 high->value);
	return n;
}

/*
 * rama_scan_begin() -- Scan the rows whose first nprefix keys are given, in
 * the order of the keys, within bounds on the next key (NULL or not set: no
 * bound).
 *
 * A single value has no keys: its one row or none is returned. Of a vector in
 * chunks all keys but the index must be given. Registers the
 * snapshot. The scan lives in the current memory context and belongs to the
 * current resource owner.
 */
RamaScan *
rama_scan_begin(RamaTable *table, const Datum *prefix, int nprefix,
				const RamaBound *low, const RamaBound *high,
				bool backward, Snapshot snapshot)
{
	RamaScan   *scan = palloc0(sizeof(RamaScan));
	ScanKeyData skeys[RAMA_MAX_KEYS + 2];

	Assert(nprefix <= table->nkeys);
	if (table->chunks)
	{
		Assert(nprefix == table->nkeys - 1);
		scan->chunked = rama_chunk_scan_begin(table, prefix, low, high, backward, snapshot);
		return scan;
	}
	if (rama_buffer_active(table))
	{
		rama_buffer_flush(table);
		snapshot = rama_write_snapshot();
	}
	scan->table = table;
	scan->context = CurrentMemoryContext;
	scan->direction = backward ? BackwardScanDirection : ForwardScanDirection;
	scan->snapshot = RegisterSnapshot(snapshot);
	scan->heap = table_open(table->relid, AccessShareLock);
	scan->slot = rama_table_slot(table);
	if (table->nkeys == 0)
		scan->heapscan = table_beginscan(scan->heap, scan->snapshot, 0, NULL);
	else
	{
		int			n = range_keys(table, prefix, nprefix, low, high, skeys);

		scan->index = rama_table_open_index(table, AccessShareLock);
		scan->scan = index_beginscan_compat(scan->heap, scan->index, scan->snapshot, n);
		index_rescan(scan->scan, skeys, n, NULL, 0);
	}
	return scan;
}

/*
 * rama_scan_next() -- The next row, or NULL. The slot is good until the next
 * call.
 */
TupleTableSlot *
rama_scan_next(RamaScan *scan)
{
	MemoryContext oldcontext;
	bool		found;

	CHECK_FOR_INTERRUPTS();
	if (scan->chunked)
		return rama_chunk_scan_next(scan->chunked);
	oldcontext = MemoryContextSwitchTo(scan->context);
	if (scan->scan)
		found = index_getnext_slot(scan->scan, scan->direction, scan->slot);
	else
		found = table_scan_getnextslot(scan->heapscan, scan->direction, scan->slot);
	MemoryContextSwitchTo(oldcontext);
	return found ? scan->slot : NULL;
}

/*
 * rama_scan_turn() -- From here on, go in the other direction. A scan that has come
 * to its end must not be turned.
 */
void
rama_scan_turn(RamaScan *scan)
{
	scan->direction = ScanDirectionIsBackward(scan->direction) ? ForwardScanDirection :
		BackwardScanDirection;
}

/*
 * rama_scan_end() -- Release what the scan holds.
 */
void
rama_scan_end(RamaScan *scan)
{
	if (scan->chunked)
	{
		rama_chunk_scan_end(scan->chunked);
		pfree(scan);
		return;
	}
	ExecDropSingleTupleTableSlot(scan->slot);
	if (scan->scan)
	{
		index_endscan(scan->scan);
		index_close(scan->index, NoLock);
	}
	else
		table_endscan(scan->heapscan);
	table_close(scan->heap, NoLock);
	UnregisterSnapshot(scan->snapshot);
	pfree(scan);
}

/*
 * rama_collection_count() -- How many entries has the collection that belongs
 * to the row with these keys? *isnull if the collection does not exist.
 *
 * "node" has a table of its own, and "keys" are all of that table's but the
 * last. Reads one row. The outermost collection always exists, and what this
 * transaction added to it counts.
 */
int64
rama_collection_count(RamaNode *node, const Datum *keys, Snapshot snapshot, bool *isnull)
{
	RamaTable  *parent = node->table->parent;
	TupleTableSlot *slot = NULL;
	Datum		count = (Datum) 0;

	Assert(node->storage == RAMA_IN_TABLE);
	if (parent == NULL)
	{
		*isnull = false;
		return rama_version_count(node->table->pstate, snapshot);
	}
	*isnull = true;
	if (rama_row_fetch(parent, keys, snapshot, &slot))
		count = slot_getattr(slot, node->attno, isnull);
	ExecDropSingleTupleTableSlot(slot);
	return DatumGetInt64(count);
}
