/*-------------------------------------------------------------------------
 *
 * query.c
 *	  rama.watch_query(): the result of a query, and what becomes of it, as
 *	  lines to the client.
 *
 * A run is a transaction, read-only and with one snapshot, in which the query
 * is called with the user's own rights, here and nowhere else. It records what
 * of PStates the query has read (src/path/reads.c; relations that statements
 * read, by a hook). The query runs again when a version of one of those
 * PStates did something there; the client is told in what the results
 * differ.
 *
 *-------------------------------------------------------------------------
 */
#include "watch/query.h"
#include "watch/record.h"

#include "access/xact.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "topology/topology.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(rama_watch_query);

/* At most so many versions are looked at in one transaction. */
#define ROUND_VERSIONS 1000

/* What one run has read, and from where on to look for changes of it. */
typedef struct Run
{
	RamaReads	reads;
	List	   *cursors;		/* of RamaCursor *, as reads.pstates */
	Jsonb	   *result;			/* NULL: null */
} Run;

typedef struct Watch
{
	RamaCopyOut out;
	RamaTailFormat format;
	char	   *query;			/* as given */
	Jsonb	   *args;
	int64		results;		/* how many the client has */
	Run		   *run;			/* the last one, in a context of its own */
	MemoryContext round;
} Watch;

static ExecutorStart_hook_type prev_ExecutorStart = NULL;

/* ---- what statements read ---- */

static void
note_relation(Oid relid)
{
	Oid			root = rama_pstate_root_of(relid);
	RamaPState *pstate;

	if (!OidIsValid(root))
		return;
	pstate = rama_pstate_get(root);
	for (int i = 0; i < pstate->ntables; i++)
		if (pstate->tables[i]->relid == relid)
			rama_reads_note_table(pstate->tables[i]);
}

static void
executor_start(QueryDesc *query, int eflags)
{
	ListCell   *lc;

	if (rama_reads && !(eflags & EXEC_FLAG_EXPLAIN_ONLY))
		foreach(lc, query->plannedstmt->rtable)
		{
			RangeTblEntry *rte = lfirst(lc);

			if (rte->rtekind == RTE_RELATION)
				note_relation(rte->relid);
		}
	if (prev_ExecutorStart)
		prev_ExecutorStart(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

/* rama_watch_query_init() -- Install the hook. Called by _PG_init when preloaded. */
void
rama_watch_query_init(void)
{
	prev_ExecutorStart = ExecutorStart_hook;
	ExecutorStart_hook = executor_start;
}

/* ---- a run ---- */

/*
 * Calls the query and returns its result in the current memory context; NULL
 * for null. What it reads is recorded.
 */
static Jsonb *
call_recorded(Watch *watch, RamaReads *reads)
{
	MemoryContext caller = CurrentMemoryContext;
	Jsonb	   *result;

	rama_reads = reads;
	PG_TRY();
	{
		result = rama_query_call(watch->query, watch->args, caller);
	}
	PG_FINALLY();
	{
		rama_reads = NULL;
	}
	PG_END_TRY();
	return result;
}

/*
 * Everything that a run does is done with one snapshot, and writes nothing;
 * what parallel workers read would not be recorded. At the beginning of a
 * transaction.
 */
static void
begin_run(void)
{
	XactIsoLevel = XACT_REPEATABLE_READ;
	XactReadOnly = true;
	(void) set_config_option("max_parallel_workers", "0", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	PushActiveSnapshot(GetTransactionSnapshot());
}

/*
 * From the versions that the run has seen. A PState that has none any more
 * makes the next run fail, which says why.
 */
static void
open_cursors(Run *run)
{
	Oid		   *relids = palloc(sizeof(Oid) * (list_length(run->reads.pstates) + 1));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, run->reads.pstates)
	{
		Oid			relid = lfirst_oid(lc);
		int64		version = rama_version_of(relid, GetActiveSnapshot());
		MemoryContext old = MemoryContextSwitchTo(run->reads.context);
		RamaCursor *cursor = rama_cursor_open(relid, version);

		run->cursors = lappend(run->cursors, cursor);
		MemoryContextSwitchTo(old);
		rama_cursor_seek(cursor, version);
		relids[n++] = relid;
	}
	rama_listen(relids, n);
}

static Run *
run_query(Watch *watch)
{
	MemoryContext context = AllocSetContextCreate(watch->out.context, "pg_rama query run",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Run		   *run = palloc0(sizeof(Run));

	run->reads.context = context;
	begin_run();
	run->result = call_recorded(watch, &run->reads);
	open_cursors(run);
	PopActiveSnapshot();
	MemoryContextSwitchTo(old);
	return run;
}

/* ---- what the client is told ---- */

static void
json_of(Jsonb *jsonb, JsonbValue *json)
{
	json->type = jbvNull;
	if (jsonb)
		rama_jsonb_to_json(jsonb, json);
}

/* The first result as a line, or, when there has been one, what differs. */
static void
tell(Watch *watch, const Run *before)
{
	JsonbValue	old;
	JsonbValue	new;
	List	   *differences;

	if (before == NULL)
	{
		rama_query_line_whole(&watch->out.lines, watch->format, watch->run->result);
		rama_copyout_end_line(&watch->out);
		watch->results = 1;
		return;
	}
	json_of(before->result, &old);
	json_of(watch->run->result, &new);
	differences = rama_json_diff(NULL, &old, &new, false);
	if (differences == NIL)
		return;
	watch->results++;
	rama_query_lines(&watch->out, watch->format, watch->results, differences);
}

/* Run the query, tell of its result, and end the transaction. */
static void
run_and_tell(Watch *watch)
{
	Run		   *before = watch->run;

	MemoryContextSwitchTo(watch->round);
	watch->run = run_query(watch);
	tell(watch, before);
	if (before)
		MemoryContextDelete(before->reads.context);
	MemoryContextSwitchTo(watch->out.context);
	MemoryContextReset(watch->round);
	rama_copyout_commit(&watch->out);
}

/* ---- waiting ---- */

/* Is there a version that has to do with what was read of this PState? */
static bool
is_concerned(Run *run, RamaCursor *cursor, Oid relid)
{
	RamaPState *pstate;

	pstate = rama_pstate_get(relid);
	for (int i = 0; i < ROUND_VERSIONS; i++)
	{
		RamaChange	change;

		CHECK_FOR_INTERRUPTS();
		switch (rama_cursor_next(cursor, pstate, PG_INT64_MAX, &change))
		{
			case RAMA_CURSOR_CHANGE:
				if (rama_reads_concern(&run->reads, relid, &change))
					return true;
				break;
			case RAMA_CURSOR_END:
				return false;
			default:
				return true;
		}
	}
	return false;
}

/*
 * Look at what is new, in a transaction that ends here; is it to be run again?
 * *busy: a PState is perhaps being dropped, and is to be looked at again.
 */
static bool
look(Watch *watch, bool *busy)
{
	Run		   *run = watch->run;
	bool		concerned = false;
	bool		ready = false;
	ListCell   *lc;
	ListCell   *lc2;

	AcceptInvalidationMessages();
	MemoryContextSwitchTo(watch->round);
	forboth(lc, run->cursors, lc2, run->reads.pstates)
	{
		RamaCursor *cursor = lfirst(lc);
		Oid			relid = lfirst_oid(lc2);

		if (rama_watch_is_dropped(relid, busy))
			concerned = true;
		else if (!rama_cursor_ready(cursor))
			continue;
		ready = true;
		if (!concerned)
			concerned = is_concerned(run, cursor, relid);
	}
	MemoryContextSwitchTo(watch->out.context);
	MemoryContextReset(watch->round);
	if (ready)
		rama_copyout_next();
	return concerned;
}

static bool
is_ready(const Run *run)
{
	ListCell   *lc;

	foreach(lc, run->cursors)
		if (rama_cursor_ready(lfirst(lc)))
			return true;
	return false;
}

/* Holds no snapshot and no lock. */
static void
wait_for_change(Watch *watch)
{
	for (;;)
	{
		bool		busy = false;

		if (look(watch, &busy))
			return;
		CHECK_FOR_INTERRUPTS();
		if (!is_ready(watch->run))
			rama_copyout_wait(busy ? RAMA_WATCH_BUSY_MS : -1);
	}
}

/*
 * rama.watch_query(query, args, format) -- The result of a query, then what
 * changes of it, a line each, until the client cancels it.
 *
 * Errors: 25001 in a transaction block, 42704 no such query, 42501 without
 * EXECUTE, and those of the query, whenever it runs.
 */
Datum
rama_watch_query(PG_FUNCTION_ARGS)
{
	Watch		watch = {.results = 0};

	rama_refuse_null(fcinfo, 0, "query");
	rama_refuse_null(fcinfo, 1, "args");
	rama_refuse_null(fcinfo, 2, "format");
	rama_require_preload("rama.watch_query");
	rama_require_primary("rama.watch_query");
	rama_copyout_begin(&watch.out, fcinfo, "rama.watch_query");
	MemoryContextSwitchTo(watch.out.context);
	watch.round = AllocSetContextCreate(watch.out.context, "pg_rama query round",
										ALLOCSET_DEFAULT_SIZES);
	watch.format = rama_tail_format(text_to_cstring(PG_GETARG_TEXT_PP(2)));
	watch.query = text_to_cstring(PG_GETARG_TEXT_PP(0));
	watch.args = PG_GETARG_JSONB_P_COPY(1);
	/* This transaction has had a snapshot; a run begins with none. */
	rama_copyout_next();
	for (;;)
	{
		run_and_tell(&watch);
		wait_for_change(&watch);
	}
}
