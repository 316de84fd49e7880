/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Index scans: the callbacks of the access method.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "index/scan.h"
#include "utils/snapmgr.h"

static bool ps_start(IndexScanDesc scan, bool forward, int limit);
static void ps_stop(IndexScanDesc scan);
static bool ps_return_item(IndexScanDesc scan, PsItem *item);
static bool ps_is_visible(IndexScanDesc scan, PsItem *item);
static void ps_make_tuple(IndexScanDesc scan, PsItem *item);
static void ps_form_tuple(PsScan *so, TupleDesc desc, const Datum *values, const bool *isnull);
static void ps_kill(PsScan *so, PsItem *item);
static void ps_free_batch(PsBatch *batch);
static void ps_free_string(StringInfo string);

/*
 * Begins a scan of the index, which the caller has locked. Everything that it
 * needs is allocated in the current memory context.
 */
IndexScanDesc
ps_begin_scan(Relation index, int nkeys, int norderbys)
{
	IndexScanDesc scan = RelationGetIndexScan(index, nkeys, norderbys);
	const PsIndex *info = ps_index(index);
	PsScan	   *so = palloc(offsetof(PsScan, columns) + info->nkeys * sizeof(PsColumnSearch));

	memset(so, 0, offsetof(PsScan, first_batch));
	ps_init_batch(&so->first_batch);
	so->info = info;
	so->context = CurrentMemoryContext;
	so->current = &so->first_batch;
	ps_need_string(so, &so->keys);
	ps_need_string(so, &so->low);
	ps_need_string(so, &so->high);
	scan->opaque = so;
	scan->xs_itupdesc = RelationGetDescr(index);
	return scan;
}

/* Begins anew, with other conditions if keys are given. */
void
ps_rescan(IndexScanDesc scan, ScanKey keys, int nkeys, ScanKey orderbys, int norderbys)
{
	ps_stop(scan);
	if (keys != NULL || nkeys == 0)
		ps_scan_keys(scan, keys, nkeys);
}

/* amendscan: lets go of pins, and frees what the scan has. */
void
ps_end_scan(IndexScanDesc scan)
{
	PsScan	   *so = (PsScan *) scan->opaque;

	ps_stop(scan);
	if (so->slot)
		ExecDropSingleTupleTableSlot(so->slot);
	if (BufferIsValid(so->vm_buffer))
		ReleaseBuffer(so->vm_buffer);
	if (so->work)
		MemoryContextDelete(so->work);
	while (so->cross_types)
	{
		PsCrossType *cross = so->cross_types;

		so->cross_types = cross->next;
		pfree(cross);
	}
	if (so->points)
		pfree(so->points);
	ps_free_batch(&so->first_batch);
	if (so->other_batch)
	{
		ps_free_batch(so->other_batch);
		pfree(so->other_batch);
	}
	ps_free_string(&so->keys);
	ps_free_string(&so->low);
	ps_free_string(&so->high);
	ps_free_string(&so->bound);
	ps_free_string(&so->tuple);
	ps_free_string(&so->scratch);
	pfree(so);
}

/*
 * The next match in the direction given, which may change: sets
 * scan->xs_heaptid, and xs_itup if wanted. false: none is left; going back is
 * possible then.
 */
bool
ps_get_tuple(IndexScanDesc scan, ScanDirection direction)
{
	PsScan	   *so = (PsScan *) scan->opaque;
	bool		forward = !ScanDirectionIsBackward(direction);

	scan->xs_recheck = false;
	if (so->started)
	{
		if (scan->kill_prior_tuple)
			ps_kill(so, &so->current->items[so->item]);
		so->item += forward ? 1 : -1;
	}
	else if (!ps_start(scan, forward, PS_FIRST_LIMIT))
		return false;

	for (;;)
	{
		PsBatch    *batch = so->current;

		for (; so->item >= 0 && so->item < batch->nitems; so->item += forward ? 1 : -1)
		{
			if (!scan->xs_want_itup || ps_return_item(scan, &batch->items[so->item]))
			{
				scan->xs_heaptid = batch->items[so->item].tid;
				return true;
			}
		}
		so->item = forward ? batch->nitems : -1;
		CHECK_FOR_INTERRUPTS();
		if (!ps_read_next_batch(scan, forward))
			return false;
		so->item = forward ? 0 : so->current->nitems - 1;
	}
}

/* Adds all matches to the bitmap, and returns their number. */
int64
ps_get_bitmap(IndexScanDesc scan, TIDBitmap *tbm)
{
	PsScan	   *so = (PsScan *) scan->opaque;
	int64		n = 0;

	if (!ps_start(scan, true, 0))
		return 0;
	do
	{
		PsBatch    *batch = so->current;

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < batch->nitems; i++)
			tbm_add_tuples(tbm, &batch->items[i].tid, 1, false);
		n += batch->nitems;
	} while (ps_read_next_batch(scan, true));
	return n;
}

/* Remembers the position. */
void
ps_mark_position(IndexScanDesc scan)
{
	PsScan	   *so = (PsScan *) scan->opaque;

	if (so->mark_is_set && !so->mark_is_current)
		ps_leave_batch(scan, so->marked);
	so->mark_is_set = so->mark_is_current = so->started;
	so->mark_item = so->item;
}

/* Goes to the position that was marked last. */
void
ps_restore_position(IndexScanDesc scan)
{
	PsScan	   *so = (PsScan *) scan->opaque;

	if (!so->mark_is_set)
	{
		ps_stop(scan);
		return;
	}
	if (!so->mark_is_current)
	{
		PsBatch    *left = so->current;

		ps_leave_batch(scan, left);
		so->current = so->marked;
		so->marked = left;
		so->mark_is_current = true;
	}
	so->item = so->mark_item;
}

/* Can index-only scans return the column (numbered from 1)? */
bool
ps_can_return(Relation index, int attno)
{
	return attno > IndexRelationGetNumberOfKeyAttributes(index) ||
		OidIsValid(index_getprocid(index, attno, PS_DECODE_PROC));
}

/* Reads the first batch; false: the conditions are contradictory. */
static bool
ps_start(IndexScanDesc scan, bool forward, int limit)
{
	PsScan	   *so = (PsScan *) scan->opaque;

	if (so->empty)
		return false;
	so->limit = limit;
	ps_read_first_batch(scan, forward);
	so->started = true;
	so->item = forward ? 0 : so->current->nitems - 1;
	return true;
}

/* Leaves all pages. */
static void
ps_stop(IndexScanDesc scan)
{
	PsScan	   *so = (PsScan *) scan->opaque;

	if (so->started)
		ps_leave_batch(scan, so->current);
	if (so->mark_is_set && !so->mark_is_current)
		ps_leave_batch(scan, so->marked);
	so->started = so->mark_is_set = so->mark_is_current = false;
}

/*
 * For an index-only scan: sets scan->xs_itup, unless the tuple is not to be
 * seen (false).
 *
 * Where all was not visible when the entry was read, the caller asking the
 * map now might learn something about another tuple, which is not ours to
 * see: so we look ourselves.
 */
static bool
ps_return_item(IndexScanDesc scan, PsItem *item)
{
	if (!item->all_visible && !ps_is_visible(scan, item))
		return false;
	ps_make_tuple(scan, item);
	return true;
}

static bool
ps_is_visible(IndexScanDesc scan, PsItem *item)
{
	PsScan	   *so = (PsScan *) scan->opaque;
	ItemPointerData tid = item->tid;
	bool		again = false;
	bool		all_dead = false;
	bool		visible;

	if (so->slot == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(so->context);

		so->slot = table_slot_create(scan->heapRelation, NULL);
		MemoryContextSwitchTo(caller);
	}
	visible = table_index_fetch_tuple(scan->xs_heapfetch, &tid, scan->xs_snapshot,
									  so->slot, &again, &all_dead);
	ExecClearTuple(so->slot);
	if (all_dead && !scan->xactStartedInRecovery)
		ps_kill(so, item);
	return visible;
}

/* Sets scan->xs_itup to the values of the item's entry. */
static void
ps_make_tuple(IndexScanDesc scan, PsItem *item)
{
	PsScan	   *so = (PsScan *) scan->opaque;
	PsBatch    *batch = so->current;
	MemoryContext caller;
	PsEntry		parts;
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];

	batch->entry.len = batch->prefix;
	appendBinaryStringInfo(&batch->entry, batch->suffixes.data + item->at, item->len);
	ps_parse(so->info, ps_string(&batch->entry), &parts);

	caller = MemoryContextSwitchTo(ps_work_context(so));
	ps_decode(scan->indexRelation, so->info, &parts, values, isnull);
	ps_form_tuple(so, scan->xs_itupdesc, values, isnull);
	MemoryContextSwitchTo(caller);
	MemoryContextReset(so->work);
	scan->xs_itup = (IndexTuple) so->tuple.data;
}

/* As index_form_tuple(), but in memory that is used again, and never compresses */
static void
ps_form_tuple(PsScan *so, TupleDesc desc, const Datum *values, const bool *isnull)
{
	IndexTuple	tuple;
	bool		hasnull = false;
	uint16		infomask = 0;
	Size		header;
	Size		data_size;
	Size		size;

	for (int i = 0; i < desc->natts; i++)
		hasnull |= isnull[i];
	header = IndexInfoFindDataOffset(hasnull ? INDEX_NULL_MASK : 0);
	data_size = heap_compute_data_size(desc, (Datum *) values, (bool *) isnull);
	size = MAXALIGN(header + data_size);
	if ((size & INDEX_SIZE_MASK) != size)
		elog(ERROR, "index row requires %zu bytes", size);

	ps_need_string(so, &so->tuple);
	resetStringInfo(&so->tuple);
	enlargeStringInfo(&so->tuple, size);
	memset(so->tuple.data, 0, size);
	tuple = (IndexTuple) so->tuple.data;
	heap_fill_tuple(desc, (Datum *) values, (bool *) isnull, (char *) tuple + header,
					data_size, &infomask,
					hasnull ? (bits8 *) tuple + sizeof(IndexTupleData) : NULL);
	tuple->t_info = size | (hasnull ? INDEX_NULL_MASK : 0) |
		((infomask & HEAP_HASVARWIDTH) ? INDEX_VAR_MASK : 0);
}

/* The item, of the current batch, is dead for everybody. */
static void
ps_kill(PsScan *so, PsItem *item)
{
	item->killed = true;
	so->current->has_killed = true;
}

static void
ps_free_batch(PsBatch *batch)
{
	if (batch->items != batch->few)
		pfree(batch->items);
	ps_free_string(&batch->from);
	ps_free_string(&batch->to);
	ps_free_string(&batch->entry);
	ps_free_string(&batch->suffixes);
}

static void
ps_free_string(StringInfo string)
{
	if (string->data)
		pfree(string->data);
}
