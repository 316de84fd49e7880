/*-------------------------------------------------------------------------
 *
 * copyout.c
 *	  Procedures that send lines to the client for as long as it likes, by
 *	  the protocol of COPY TO STDOUT.
 *
 * A line is a message of its own, complete JSON or text without a line feed,
 * and is not escaped as COPY's text format would be: a backslash in JSON is
 * JSON's. Lines are gathered while a snapshot is held, and sent when the
 * transaction is over: a client that reads slowly holds up nobody's VACUUM.
 *
 *-------------------------------------------------------------------------
 */
#include "watch/copyout.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "watch/client.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"

/*
 * Is it the statement that the client has sent, and not one in a procedure or
 * DO block, whose caller knows nothing of lines that go to the client?
 */
static bool
is_called_by_client(FunctionCallInfo fcinfo)
{
	PlannedStmt *stmt;

	if (ActivePortal == NULL || list_length(ActivePortal->stmts) != 1)
		return false;
	stmt = linitial_node(PlannedStmt, ActivePortal->stmts);
	return stmt->utilityStmt && IsA(stmt->utilityStmt, CallStmt) &&
		((CallStmt *) stmt->utilityStmt)->funcexpr->funcid == fcinfo->flinfo->fn_oid;
}

static bool
is_atomic(FunctionCallInfo fcinfo)
{
	return fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		((CallContext *) fcinfo->context)->atomic || IsTransactionBlock() ||
		(MyXactFlags & XACT_FLAGS_PIPELINING) != 0;
}

/*
 * rama_copyout_begin() -- Begin to send lines, from a procedure: "what" is its
 * name. Nothing is sent before the first rama_copyout_send().
 *
 * Connects to SPI; the current memory context is one that transactions do not
 * end. Errors: 25001 in a transaction block, 0A000 where the client has not
 * called the procedure itself, or there is none.
 */
void
rama_copyout_begin(RamaCopyOut *out, FunctionCallInfo fcinfo, const char *what)
{
	MemoryContext old;

	if (whereToSendOutput != DestRemote || !is_called_by_client(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s must be called by a client", what),
				 errdetail("It sends lines to the client until it is canceled."),
				 errhint("Send CALL as a statement of its own.")));
	if (is_atomic(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s cannot run inside a transaction block", what),
				 errdetail("It waits for other transactions, and holds no snapshot meanwhile."),
				 errhint("Send CALL as a statement of its own.")));
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	out->context = AllocSetContextCreate(PortalContext, "pg_rama lines",
										 ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(out->context);
	initStringInfo(&out->lines);
	MemoryContextSwitchTo(old);
	out->start = -1;
}

static void
send_begin(RamaCopyOut *out)
{
	StringInfoData message;

	pq_beginmessage(&message, 'H');
	pq_sendbyte(&message, 0);	/* text */
	pq_sendint16(&message, 1);	/* of one column */
	pq_sendint16(&message, 0);
	pq_endmessage(&message);
	out->start = 0;
}

/* rama_copyout_end_line() -- What was added to out->lines since is a line. */
void
rama_copyout_end_line(RamaCopyOut *out)
{
	appendStringInfoChar(&out->lines, '\n');
}

/*
 * rama_copyout_send() -- Send the lines that are there, and see to it that
 * they leave. May wait for the client; no snapshot should be held.
 */
void
rama_copyout_send(RamaCopyOut *out)
{
	char	   *line = out->lines.data;
	char	   *end = out->lines.data + out->lines.len;

	if (out->start < 0)
		send_begin(out);
	while (line < end)
	{
		char	   *next = (char *) memchr(line, '\n', end - line) + 1;
		char	   *converted = pg_server_to_client(line, next - line);

		pq_putmessage('d', converted,
					  converted == line ? next - line : (int) strlen(converted));
		if (converted != line)
			pfree(converted);
		line = next;
		CHECK_FOR_INTERRUPTS();
	}
	resetStringInfo(&out->lines);
	/* One long answer is no reason to keep that much for ever. */
	if (out->lines.maxlen > 1024 * 1024)
	{
		pfree(out->lines.data);
		out->lines.data = MemoryContextAlloc(out->context, 1024);
		out->lines.maxlen = 1024;
		resetStringInfo(&out->lines);
	}
	pq_flush();
}

/*
 * rama_copyout_next() -- End the transaction, with all its snapshots and locks.
 *
 * The next one has begun then, as READ COMMITTED, whatever the session's
 * default is: who tells of what others have committed must neither fail by
 * their being serializable, nor be why they do.
 */
void
rama_copyout_next(void)
{
	SPI_commit();
	XactIsoLevel = XACT_READ_COMMITTED;
	XactDeferrable = false;
}

/*
 * rama_copyout_commit() -- End the transaction as rama_copyout_next() does, and
 * send the lines.
 */
void
rama_copyout_commit(RamaCopyOut *out)
{
	rama_copyout_next();
	rama_copyout_send(out);
}

/*
 * rama_copyout_wait() -- Wait for the latch, or so many ms (-1: for ever), or
 * the end of the connection, which ends the process (FATAL 08006). Interrupts are served. Where the
 * system cannot tell of a closed socket, the next line finds out.
 */
void
rama_copyout_wait(long timeout)
{
	WaitEvent	events[3];
	int			n;

	/* What was looked up last may have left a snapshot of the catalogs. */
	InvalidateCatalogSnapshotConditionally();
	if (!WaitEventSetCanReportClosed())
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH |
						 (timeout >= 0 ? WL_TIMEOUT : 0), timeout, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		return;
	}
	ModifyWaitEvent(FeBeWaitSet, FeBeWaitSetSocketPos, WL_SOCKET_CLOSED, NULL);
	n = WaitEventSetWait(FeBeWaitSet, timeout, events, lengthof(events), PG_WAIT_EXTENSION);
	for (int i = 0; i < n; i++)
	{
		if (events[i].events & WL_LATCH_SET)
			ResetLatch(MyLatch);
		if (events[i].events & WL_POSTMASTER_DEATH)
			proc_exit(1);
		if (events[i].events & WL_SOCKET_CLOSED)
		{
			ClientConnectionLost = true;
			InterruptPending = true;
		}
	}
	CHECK_FOR_INTERRUPTS();
}

/* rama_copyout_end() -- There are no more lines. */
void
rama_copyout_end(RamaCopyOut *out)
{
	rama_copyout_send(out);
	pq_putemptymessage('c');
	SPI_finish();
}
