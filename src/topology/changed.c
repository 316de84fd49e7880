/*-------------------------------------------------------------------------
 *
 * changed.c
 *	  changed_<pstate>: what the batch has changed so far, as a relation for
 *	  the statements of an sql handler.
 *
 * It is an ephemeral relation like "batch", filled when a statement that
 * reads it starts. Nothing is remembered of tables that no statement of the
 * batch's handlers names.
 *
 *-------------------------------------------------------------------------
 */
#include "topology/topology.h"

#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "parser/scansup.h"
#include "pstate/pstate.h"
#include "tcop/utility.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/queryenvironment.h"
#include "utils/resowner.h"

#define CHANGED_PREFIX "changed_"

/* One of them. */
typedef struct Changed
{
	char	   *name;
	Oid			pstate;
	Oid			relid;			/* the table */
	uint64		generation;		/* of the PState's binding that desc is made from */
	TupleDesc	desc;
	EphemeralNamedRelationData enr;
} Changed;

/* Those that the running statements may read; NIL between handlers. */
static List *active = NIL;

static ExecutorStart_hook_type prev_ExecutorStart = NULL;

/*
 * rama_changed_possible() -- May these statements name such a relation? Only
 * then is it worth while to look for it.
 */
bool
rama_changed_possible(const char *sql)
{
	for (; *sql; sql++)
		if (pg_strncasecmp(sql, CHANGED_PREFIX, strlen(CHANGED_PREFIX)) == 0 ||
			pg_strncasecmp(sql, "U&\"", 3) == 0)
			return true;
	return false;
}

static RamaTable *
find_table(RamaPState *pstate, Oid relid)
{
	for (int i = 0; i < pstate->ntables; i++)
		if (pstate->tables[i]->relid == relid)
			return pstate->tables[i];
	return NULL;
}

/* Cut off as a name that is too long in a statement */
static char *
changed_name(const char *table)
{
	char	   *name = psprintf(CHANGED_PREFIX "%s", table);

	truncate_identifier(name, strlen(name), false);
	return name;
}

static Changed *
find_name(List *list, const char *name)
{
	ListCell   *lc;

	foreach(lc, list)
	{
		Changed    *changed = lfirst(lc);

		if (strcmp(changed->name, name) == 0)
			return changed;
	}
	return NULL;
}

static List *
add_tables(List *list, RamaPState *pstate)
{
	for (int i = 0; i < pstate->ntables; i++)
	{
		char	   *name;
		Changed    *changed;

		if (pstate->tables[i]->logical)
			continue;
		name = changed_name(get_rel_name(pstate->tables[i]->relid));
		if (find_name(list, name))
			continue;
		changed = palloc0_object(Changed);
		changed->name = name;
		changed->pstate = pstate->relid;
		changed->relid = pstate->tables[i]->relid;
		changed->generation = pstate->generation;
		changed->desc = rama_changes_desc(pstate->tables[i]);
		list = lappend(list, changed);
	}
	return list;
}

/*
 * rama_changed_list() -- The relations for all tables of these PStates. Of two
 * with the same name, that of the topology's schema counts, else that of the
 * PState with the smaller oid, which comes first.
 */
List *
rama_changed_list(const Oid *pstates, int npstates, Oid namespace)
{
	List	   *list = NIL;

	for (int i = 0; i < npstates; i++)
		if (get_rel_namespace(pstates[i]) == namespace)
			list = add_tables(list, rama_pstate_get(pstates[i]));
	for (int i = 0; i < npstates; i++)
		if (get_rel_namespace(pstates[i]) != namespace)
			list = add_tables(list, rama_pstate_get(pstates[i]));
	return list;
}

/*
 * rama_changed_current() -- Are the relations in the list still what they
 * were when it was made?
 */
bool
rama_changed_current(List *list)
{
	ListCell   *lc;

	foreach(lc, list)
	{
		Changed    *changed = lfirst(lc);
		RamaPState *pstate = rama_pstate_get(changed->pstate);
		RamaTable  *table;

		if (pstate->generation == changed->generation)
			continue;
		table = find_table(pstate, changed->relid);
		if (table == NULL ||
			strcmp(changed->name, changed_name(get_rel_name(table->relid))) != 0 ||
			!equalTupleDescs(changed->desc, rama_changes_desc(table)))
			return false;
		changed->generation = pstate->generation;
	}
	return true;
}

/* Collects the names of ephemeral relations. */
static bool
collect_names(Node *node, List **names)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;

		if (rte->rtekind == RTE_NAMEDTUPLESTORE)
			*names = lappend(*names, rte->enrname);
		return false;
	}
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;

		/* EXPLAIN and CREATE TABLE AS have a query in them. */
		if (query->commandType == CMD_UTILITY)
			return collect_names((Node *) UtilityContainsQuery(query->utilityStmt), names);
		return query_tree_walker(query, collect_names, names, QTW_EXAMINE_RTES_BEFORE);
	}
	return expression_tree_walker(node, collect_names, names);
}

/*
 * rama_changed_used() -- Those of the list that the statements read, copied
 * into a memory context. To be called right after the plan was prepared.
 */
List *
rama_changed_used(SPIPlanPtr plan, List *list, MemoryContext context)
{
	List	   *names = NIL;
	List	   *result = NIL;
	MemoryContext old;
	ListCell   *lc;

	foreach(lc, SPI_plan_get_plan_sources(plan))
		(void) collect_names((Node *) ((CachedPlanSource *) lfirst(lc))->query_list, &names);
	old = MemoryContextSwitchTo(context);
	foreach(lc, names)
	{
		Changed    *changed = find_name(list, lfirst(lc));
		Changed    *copy;

		if (changed == NULL || find_name(result, changed->name))
			continue;
		copy = palloc_object(Changed);
		*copy = *changed;
		copy->name = pstrdup(changed->name);
		copy->desc = CreateTupleDescCopy(changed->desc);
		result = lappend(result, copy);
	}
	MemoryContextSwitchTo(old);
	return result;
}

/*
 * rama_changed_register() -- Make the relations known to SPI's parser and
 * planner, with an estimate of their rows.
 */
void
rama_changed_register(List *list, double rows)
{
	ListCell   *lc;

	foreach(lc, list)
	{
		Changed    *changed = lfirst(lc);
		EphemeralNamedRelation enr = &changed->enr;
		int			rc;

		memset(enr, 0, sizeof(*enr));
		enr->md.name = changed->name;
		enr->md.tupdesc = changed->desc;
		enr->md.enrtype = ENR_NAMED_TUPLESTORE;
		enr->md.enrtuples = rows;
		rc = SPI_register_relation(enr);
		if (rc != SPI_OK_REL_REGISTER)
			elog(ERROR, "SPI_register_relation failed: %s", SPI_result_code_string(rc));
	}
}

/*
 * rama_changed_activate() -- Until rama_changed_forget(), statements find in
 * the registered relations what has changed. In the batch's transaction.
 */
void
rama_changed_activate(List *list)
{
	ListCell   *lc;

	foreach(lc, list)
		((Changed *) lfirst(lc))->enr.reldata = tuplestore_begin_heap(true, false, work_mem);
	active = list;
}

/*
 * rama_changed_forget() -- The handler has run, or its transaction was aborted.
 */
void
rama_changed_forget(void)
{
	active = NIL;
}

/*
 * rama_changed_track() -- The batch begins: remember what rows were in the
 * tables of the list.
 */
void
rama_changed_track(List *list)
{
	ListCell   *lc;

	foreach(lc, list)
		rama_changes_track(((Changed *) lfirst(lc))->relid);
}

/*
 * rama_changed_source() -- Of which table's column is a column of the relation
 * with that name? False if it is none of those that statements may read now.
 */
bool
rama_changed_source(const char *name, AttrNumber attno, Oid *relid, AttrNumber *column)
{
	Changed    *changed = active == NIL ? NULL : find_name(active, name);
	RamaTable  *table;

	if (changed == NULL)
		return false;
	table = find_table(rama_pstate_get(changed->pstate), changed->relid);
	if (table == NULL)
		return false;
	*relid = changed->relid;
	*column = rama_changes_column(table, attno);
	return true;
}

/* The statement sees what has changed before it. */
static void
fill(Changed *changed)
{
	RamaTable  *table = find_table(rama_pstate_get(changed->pstate), changed->relid);
	ResourceOwner owner = CurrentResourceOwner;
	Tuplestorestate *store;

	if (table == NULL || !equalTupleDescs(changed->desc, rama_changes_desc(table)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a PState cannot be altered in a batch that reads \"%s\"",
						changed->name)));
	CurrentResourceOwner = TopTransactionResourceOwner;
	store = tuplestore_begin_heap(true, false, work_mem);
	CurrentResourceOwner = owner;
	rama_changes_put(table, store, changed->desc);
	tuplestore_end(changed->enr.reldata);
	changed->enr.reldata = store;
}

static bool
reads(QueryDesc *query, Changed *changed)
{
	ListCell   *lc;

	if (get_ENR(query->queryEnv, changed->name) != &changed->enr)
		return false;			/* somebody's transition table */
	foreach(lc, query->plannedstmt->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);

		if (rte->rtekind == RTE_NAMEDTUPLESTORE && strcmp(rte->enrname, changed->name) == 0)
			return true;
	}
	return false;
}

static void
executor_start(QueryDesc *query, int eflags)
{
	if (active != NIL && query->queryEnv && !(eflags & EXEC_FLAG_EXPLAIN_ONLY))
	{
		ListCell   *lc;

		foreach(lc, active)
			if (reads(query, lfirst(lc)))
				fill(lfirst(lc));
	}
	if (prev_ExecutorStart)
		prev_ExecutorStart(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

/*
 * rama_changed_init() -- Install the hook. Called by _PG_init when preloaded.
 */
void
rama_changed_init(void)
{
	prev_ExecutorStart = ExecutorStart_hook;
	ExecutorStart_hook = executor_start;
}
