/*-------------------------------------------------------------------------
 *
 * on_conflict.c
 *	  INSERT ... ON CONFLICT wants btree, before PostgreSQL 18.
 *
 * The executor refuses any ON CONFLICT on a table with a unique index of
 * another access method, by an internal error. Here is a better one.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/table.h"
#include "executor/executor.h"
#include "index/index.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"
#include "pstate/pstate.h"
#include "utils/lsyscache.h"

static ExecutorStart_hook_type prev_ExecutorStart = NULL;

/* A unique index of ours on the table, or NULL */
static char *
unique_pstate_index(Oid relid)
{
	Relation	rel = table_open(relid, NoLock);
	List	   *indexes = RelationGetIndexList(rel);
	char	   *found = NULL;
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		if (index->rd_index->indisunique && rama_index_is_pstate(index))
			found = pstrdup(RelationGetRelationName(index));
		index_close(index, NoLock);
	}
	list_free(indexes);
	table_close(rel, NoLock);
	return found;
}

static void
check_target(Oid relid)
{
	char	   *index = unique_pstate_index(relid);

	if (index == NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("ON CONFLICT is not supported for table \"%s\"", get_rel_name(relid)),
			 errdetail("Unique index \"%s\" uses access method \"pstate\"; before version 18, PostgreSQL supports ON CONFLICT with btree only.",
					   index),
			 rama_is_pstate(relid) ?
			 errhint("Use rama.put() or rama.add().") :
			 errhint("Use MERGE, or make the index with btree.")));
}

static void
check_plan(PlannedStmt *statement, Plan *plan)
{
	ModifyTable *modify = (ModifyTable *) plan;
	ListCell   *lc;

	if (plan == NULL || !IsA(plan, ModifyTable) ||
		modify->onConflictAction == ONCONFLICT_NONE)
		return;
	foreach(lc, modify->resultRelations)
		check_target(rt_fetch(lfirst_int(lc), statement->rtable)->relid);
}

/* INSERT is the top of a plan, or WITH has it. */
static void
check_statement(PlannedStmt *statement)
{
	ListCell   *lc;

	check_plan(statement, statement->planTree);
	if (statement->hasModifyingCTE)
		foreach(lc, statement->subplans)
			check_plan(statement, lfirst(lc));
}

static void
executor_start(QueryDesc *query, int eflags)
{
	if (RAMA_ON_CONFLICT_IS_BTREE)
		check_statement(query->plannedstmt);
	if (prev_ExecutorStart)
		prev_ExecutorStart(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

/*
 * ps_on_conflict_init() -- Install the hook. Called by _PG_init when preloaded.
 */
void
ps_on_conflict_init(void)
{
	prev_ExecutorStart = ExecutorStart_hook;
	ExecutorStart_hook = executor_start;
}
