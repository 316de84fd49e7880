/*-------------------------------------------------------------------------
 *
 * holders.c
 *	  Who may have drawn offsets from a depot, and is not over?
 *
 * The lock manager knows: nextval's lock on the sequence is held from before
 * the first draw to the end of the top-level transaction, and handed on when
 * it is prepared.
 *
 *-------------------------------------------------------------------------
 */
#include "depot/depot.h"

#include "access/twophase.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lwlock.h"
#include "storage/procarray.h"
#include "storage/sinvaladt.h"
#include "utils/builtins.h"
#include "utils/xid8.h"

PG_FUNCTION_INFO_V1(rama_depot_holders);

/* A virtual transaction id of a holder, and what it stands for. */
typedef struct Virtual
{
	VirtualTransactionId vxid;
	PGPROC	   *proc;			/* of its backend, if that is there */
	TransactionId xid;
	int			pid;			/* 0: prepared */
} Virtual;

/*
 * The transaction prepared under a virtual transaction id since the server
 * started, or InvalidTransactionId if there is none: it is over.
 */
static TransactionId
prepared_holder(VirtualTransactionId vxid)
{
	bool		have_more = false;
	TransactionId xid = TwoPhaseGetXidByVirtualXID(vxid, &have_more);

	if (have_more)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot tell which prepared transaction holds a depot"),
				 errhint("Finish prepared transactions that are very old.")));
	return xid;
}

/*
 * The xids of the holders, as far as their backends tell; the others get no
 * proc.
 *
 * The end of a transaction and PREPARE clear the backend's xid before its
 * lxid: without ProcArrayLock we could see a transaction that has just been
 * prepared as one that has no xid.
 */
static void
read_backends(Virtual *virtual, int count)
{
	for (int i = 0; i < count; i++)
		virtual[i].proc = rama_vxid_proc(virtual[i].vxid);

	LWLockAcquire(ProcArrayLock, LW_SHARED);
	for (int i = 0; i < count; i++)
	{
		PGPROC	   *proc = virtual[i].proc;

		if (proc == NULL)
			continue;
		if (rama_proc_has_vxid(proc, virtual[i].vxid))
		{
			virtual[i].xid = proc->xid;
			virtual[i].pid = proc->pid;
		}
		else
			virtual[i].proc = NULL;
	}
	LWLockRelease(ProcArrayLock);
}

/*
 * rama_sequence_holders() -- Transactions other than our own that may have
 * drawn from the sequence and were not over when we looked.
 *
 * Whoever has drawn an offset, and is missing here, is over in every snapshot
 * taken after the call. The converse does not hold: the list may have
 * transactions that only hold another lock. A holder without xid has drawn
 * nothing yet (next_offset assigns the xid first), and is left out.
 *
 * *holders is allocated in the current memory context.
 */
int
rama_sequence_holders(Oid sequence, RamaHolder **holders)
{
	LOCKTAG		tag;
	VirtualTransactionId *vxids;
	int			count;
	int			n = 0;
	Virtual    *virtual;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, sequence);
	vxids = GetLockConflicts(&tag, ShareLock, &count);
	*holders = palloc(sizeof(RamaHolder) * Max(count, 1));
	virtual = palloc0(sizeof(Virtual) * Max(count, 1));
	for (int i = 0; i < count; i++)
		virtual[i].vxid = vxids[i];

	read_backends(virtual, count);
	for (int i = 0; i < count; i++)
	{
		/* A recovered prepared transaction has its xid for a number. */
		if (rama_vxid_is_prepared(vxids[i]))
			virtual[i].xid = vxids[i].localTransactionId;
		else if (virtual[i].proc == NULL)
			virtual[i].xid = prepared_holder(vxids[i]);
		if (!TransactionIdIsNormal(virtual[i].xid))
			continue;
		(*holders)[n].xid = rama_full_xid(virtual[i].xid);
		(*holders)[n].pid = virtual[i].pid;
		n++;
	}
	pfree(virtual);
	return n;
}

/*
 * rama_depot_holders() -- rama.depot_holders(depot): transactions that may
 * have appended to a depot and are not over, as (pid, xid); pid is NULL for
 * prepared ones.
 *
 * Error: 42704 (not a depot).
 */
Datum
rama_depot_holders(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	RamaDepot	depot;
	RamaHolder *holders;
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	if (!rama_depot_find(PG_GETARG_OID(0), &depot))
		return (Datum) 0;
	n = rama_sequence_holders(depot.sequence, &holders);
	for (int i = 0; i < n; i++)
	{
		Datum		values[2];
		bool		nulls[2] = {holders[i].pid == 0, false};

		values[0] = Int32GetDatum(holders[i].pid);
		values[1] = FullTransactionIdGetDatum(holders[i].xid);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
