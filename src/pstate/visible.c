/*-------------------------------------------------------------------------
 *
 * visible.c
 *	  Statements of a handler see what is in the write buffer: it is flushed
 *	  before a statement starts that reads a PState's relation.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/xact.h"
#include "executor/executor.h"
#include "pstate/buffer.h"
#include "topology/topology.h"
#include "utils/snapmgr.h"

static ExecutorStart_hook_type prev_ExecutorStart = NULL;
static ExecutorRun_hook_type prev_ExecutorRun = NULL;

/*
 * A snapshot that sees everything of this transaction. The one given may be
 * used by others, whose statement must not see what came after its start.
 */
static Snapshot
see_all(Snapshot snapshot)
{
	Snapshot	copy;

	PushCopiedSnapshot(snapshot);
	UpdateActiveSnapshotCommandId();
	copy = RegisterSnapshot(GetActiveSnapshot());
	PopActiveSnapshot();
	return copy;
}

/* The buffer of the table with this oid, among these PStates'. */
static RamaTableBuffer *
find_table(List *pstates, Oid relid)
{
	ListCell   *lc;

	foreach(lc, pstates)
	{
		RamaPStateBuffer *pstate = lfirst(lc);

		for (int i = 0; i < pstate->ntables; i++)
			if (pstate->tables[i].relid == relid)
				return &pstate->tables[i];
	}
	return NULL;
}

/* Flush the tables that the plan reads; were there any of this batch's? */
static bool
flush_range_table(PlannedStmt *plan)
{
	List	   *pstates = rama_buffers_in_use();
	bool		reads = false;
	ListCell   *lc;

	if (pstates == NIL)
		return false;
	/* Not relationOids: constants of type regclass are among them. */
	foreach(lc, plan->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);
		RamaTableBuffer *buffer = NULL;

		if (rte->rtekind == RTE_RELATION)
			buffer = find_table(pstates, rte->relid);
		if (buffer == NULL)
			continue;
		reads = true;
		rama_buffer_flush_table(buffer);
	}
	/* Functions in parallel workers may read anything. */
	if (plan->parallelModeNeeded)
	{
		reads = true;
		rama_buffer_flush_all();
	}
	list_free(pstates);
	return reads;
}

/* Has the plan a table at all? */
static bool
reads_tables(PlannedStmt *plan)
{
	ListCell   *lc;

	foreach(lc, plan->rtable)
		if (((RangeTblEntry *) lfirst(lc))->rtekind == RTE_RELATION)
			return true;
	return plan->parallelModeNeeded;
}

/*
 * Flush what the statement reads, and let it see that: also what an earlier
 * statement's flush wrote may be newer than the snapshot.
 */
static void
flush_for(QueryDesc *query)
{
	Snapshot	given = query->snapshot;

	if (!rama_buffer_in_batch() || !reads_tables(query->plannedstmt) ||
		!flush_range_table(query->plannedstmt))
		return;
	if (given && IsMVCCSnapshot(given) &&
		given->curcid < GetCurrentCommandId(false) && !IsInParallelMode())
	{
		query->snapshot = see_all(given);
		UnregisterSnapshot(given);
	}
}

static void
executor_start(QueryDesc *query, int eflags)
{
	if (!(eflags & EXEC_FLAG_EXPLAIN_ONLY))
		flush_for(query);
	if (prev_ExecutorStart)
		prev_ExecutorStart(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

/* Parallel workers read with the active snapshot: it must be the statement's. */
static void
executor_run(QueryDesc *query, ScanDirection direction, uint64 count RAMA_RUN_ONCE_PARAM)
{
	bool		push = query->plannedstmt->parallelModeNeeded && query->snapshot &&
		OidIsValid(rama_current_topology());

	if (push)
		PushActiveSnapshot(query->snapshot);
	if (prev_ExecutorRun)
		prev_ExecutorRun(query, direction, count RAMA_RUN_ONCE);
	else
		standard_ExecutorRun(query, direction, count RAMA_RUN_ONCE);
	if (push)
		PopActiveSnapshot();
}

/* Commands that read no relation by themselves */
static bool
reads_nothing(Node *parsetree)
{
	switch (nodeTag(parsetree))
	{
		case T_CallStmt:
		case T_DoStmt:
		case T_VariableSetStmt:
		case T_VariableShowStmt:
		case T_NotifyStmt:
		case T_ConstraintsSetStmt:
		case T_TransactionStmt:
			return true;
		default:
			return false;
	}
}

/*
 * rama_visible_before_utility() -- A utility command is about to run: COPY,
 * for one, reads tables with the active snapshot; CREATE INDEX reads them as
 * they are, and nothing may have them open.
 *
 * True: rama_visible_after_utility() is to be called after the command.
 */
bool
rama_visible_before_utility(Node *parsetree)
{
	List	   *pstates = rama_buffers_in_use();

	if (pstates == NIL || reads_nothing(parsetree))
		return false;
	list_free(pstates);
	rama_buffer_flush_all();
	rama_buffer_close_relations();
	rama_buffer_note_storage();
	if (!ActiveSnapshotSet())
		return false;
	PushCopiedSnapshot(GetActiveSnapshot());
	UpdateActiveSnapshotCommandId();
	return true;
}

/*
 * rama_visible_after_utility() -- The command has run: CLUSTER, for one, leaves
 * no row where it was.
 */
void
rama_visible_after_utility(void)
{
	PopActiveSnapshot();
	CommandCounterIncrement();
	rama_buffer_check_storage();
}

/*
 * rama_visible_init() -- Install the hooks. Called by _PG_init when preloaded.
 */
void
rama_visible_init(void)
{
	prev_ExecutorStart = ExecutorStart_hook;
	ExecutorStart_hook = executor_start;
	prev_ExecutorRun = ExecutorRun_hook;
	ExecutorRun_hook = executor_run;
}
