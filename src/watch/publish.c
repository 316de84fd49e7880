/*-------------------------------------------------------------------------
 *
 * publish.c
 *	  What becomes of a transaction's log: a record in the ring, and a row of
 *	  rama.change where that is wanted.
 *
 * Called by pstate/version.c, which knows the versions.
 *
 *-------------------------------------------------------------------------
 */
#include "watch/publish.h"

#include "access/xlog.h"
#include "utils/memutils.h"
#include "watch/capture.h"
#include "watch/record.h"
#include "watch/retain.h"
#include "watch/ring.h"

/* A PState that this transaction drops */
typedef struct Dropped
{
	Oid			relid;
	int			nestlevel;
} Dropped;

/* In TopTransactionContext; NIL between transactions */
static List *dropped = NIL;

/*
 * rama_publish_prepare() -- This transaction makes this version of the PState,
 * and will write to it no more: PRE_COMMIT.
 *
 * The caller holds the PState's lock.
 */
void
rama_publish_prepare(Oid relid, int64 version)
{
	RamaCaptureLog *log = rama_capture_log(relid);
	RamaPState *pstate;
	StringInfoData ops;
	bool		lost = log != NULL && log->lost;

	pstate = log && log->pstate ? log->pstate : rama_pstate_get(relid);
	if (!rama_ring_exists() && pstate->retain == NULL)
		return;
	initStringInfo(&ops);
	if (log && !lost)
		rama_record_pack(log, &ops);
	if (rama_ring_exists() && (Size) ops.len > rama_ring_limit())
		lost = true;
	if (lost)
		resetStringInfo(&ops);
	if (pstate->retain)
		rama_retained_store(pstate, version, lost, ops.data, ops.len);
	if (rama_ring_exists())
		rama_ring_prepare(relid, version, rama_record_format(pstate), lost, ops.data, ops.len);
	pfree(ops.data);
}

/* rama_publish_dropped() -- This transaction drops the PState. */
void
rama_publish_dropped(Oid relid)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	Dropped    *drop = palloc_object(Dropped);

	rama_version_init();		/* which tells of the end of transactions */
	*drop = (Dropped) {relid, GetCurrentTransactionNestLevel()};
	dropped = lappend(dropped, drop);
	MemoryContextSwitchTo(old);
}

/*
 * rama_publish_xact() -- The transaction has ended. At its commit, the locks
 * of the PStates are still held. Cannot fail.
 */
void
rama_publish_xact(XactEvent event)
{
	ListCell   *lc;

	if (event == XACT_EVENT_COMMIT)
	{
		rama_ring_publish(XactLastCommitEnd);
		foreach(lc, dropped)
			rama_ring_forget(((Dropped *) lfirst(lc))->relid);
	}
	else
		rama_ring_cancel();
	dropped = NIL;
	rama_capture_end();
}

/* rama_publish_subxact() -- A subtransaction of this nest level ends. */
void
rama_publish_subxact(SubXactEvent event, int nestlevel)
{
	ListCell   *lc;

	rama_capture_subxact(event, nestlevel);
	foreach(lc, dropped)
	{
		Dropped    *drop = lfirst(lc);

		if (drop->nestlevel < nestlevel)
			continue;
		if (event == SUBXACT_EVENT_ABORT_SUB)
			dropped = foreach_delete_current(dropped, lc);
		else
			drop->nestlevel = nestlevel - 1;
	}
}
