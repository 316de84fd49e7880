/*-------------------------------------------------------------------------
 *
 * refuse.c
 *	  Statements about PStates' tables that are refused before they run.
 *
 * Foreign keys: PostgreSQL looks for a btree index first, and would say that.
 * conform.c refuses them where this is not preloaded, and there is one.
 *
 * Dropping a key index: one by btree depends on its table so that it cannot be
 * dropped; one by pstate does not, for DROP EXTENSION drops it.
 *
 * DML on the views of vectors: PostgreSQL would refuse it, too (55000), but
 * recommend triggers and rules.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "nodes/parsenodes.h"
#include "parser/analyze.h"
#include "parser/parsetree.h"
#include "pstate/pstate.h"
#include "utils/lsyscache.h"

static post_parse_analyze_hook_type prev_post_parse_analyze = NULL;

/*
 * rama_refuse_foreign_key_of() -- Error (0A000):
 * a PState's table cannot have a foreign key.
 */
void
rama_refuse_foreign_key_of(Oid relid)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("foreign keys are not supported: \"%s\" is a table of a PState",
					rama_relation_name(relid))));
}

/* rama_refuse_foreign_key_to() -- The same for a foreign key that refers to it. */
void
rama_refuse_foreign_key_to(Oid relid)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("a foreign key is not supported: \"%s\" is a table of a PState",
					rama_relation_name(relid)),
			 errhint("A PState's rows come and go without a look at who refers to them.")));
}

static void
check_constraint(Node *node, Oid of_pstate)
{
	Constraint *constraint = (Constraint *) node;
	Oid			referenced;

	if (!IsA(node, Constraint) || constraint->contype != CONSTR_FOREIGN)
		return;
	if (OidIsValid(of_pstate))
		rama_refuse_foreign_key_of(of_pstate);
	referenced = RangeVarGetRelid(constraint->pktable, NoLock, true);
	if (OidIsValid(referenced) && OidIsValid(rama_pstate_root_of(referenced)))
		rama_refuse_foreign_key_to(referenced);
}

/* Constraints of a table or of a column, and columns that have some */
static void
check_elements(List *elements, Oid of_pstate)
{
	ListCell   *lc;

	foreach(lc, elements)
	{
		Node	   *node = lfirst(lc);

		if (node != NULL && IsA(node, ColumnDef))
			check_elements(((ColumnDef *) node)->constraints, of_pstate);
		else if (node != NULL)
			check_constraint(node, of_pstate);
	}
}

/* After a crash it would be empty, and its counts and its version would not. */
static void
refuse_unlogged(Oid relid)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot make an unlogged table of \"%s\": it belongs to a PState",
					rama_relation_name(relid))));
}

static void
check_alter(AlterTableStmt *statement)
{
	Oid			relid = RangeVarGetRelid(statement->relation, NoLock, true);
	bool		of_pstate = OidIsValid(relid) && OidIsValid(rama_pstate_root_of(relid));
	ListCell   *lc;

	foreach(lc, statement->cmds)
	{
		AlterTableCmd *command = lfirst_node(AlterTableCmd, lc);

		if (of_pstate && command->subtype == AT_SetUnLogged)
			refuse_unlogged(relid);
		check_elements(list_make1(command->def), of_pstate ? relid : InvalidOid);
	}
}

static void
check_create(CreateStmt *statement)
{
	check_elements(statement->tableElts, InvalidOid);
	check_elements(statement->constraints, InvalidOid);
}

static void
check_drop_index(Oid index)
{
	Oid			relid = OidIsValid(index) ? IndexGetRelation(index, true) : InvalidOid;
	RamaPState *pstate;

	if (!OidIsValid(relid) || !OidIsValid(rama_pstate_root_of(relid)) || !rama_is_active())
		return;
	pstate = rama_pstate_get(rama_pstate_root_of(relid));
	for (int i = 0; i < pstate->ntables; i++)
	{
		if (pstate->tables[i]->relid == relid && pstate->tables[i]->nkeys > 0 &&
			rama_key_index(pstate->tables[i]) == index)
			ereport(ERROR,
					(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
					 errmsg("cannot drop index %s because table %s requires it",
							get_rel_name(index), get_rel_name(relid)),
					 errhint("You can drop table %s instead.", get_rel_name(relid))));
	}
}

static void
check_drop(DropStmt *statement)
{
	ListCell   *lc;

	if (statement->removeType != OBJECT_INDEX)
		return;
	foreach(lc, statement->objects)
		check_drop_index(RangeVarGetRelid(makeRangeVarFromNameList(lfirst(lc)),
										  NoLock, true));
}

static void
check_truncate(TruncateStmt *statement)
{
	ListCell   *lc;

	foreach(lc, statement->relations)
	{
		Oid			relid = RangeVarGetRelid(lfirst_node(RangeVar, lc), NoLock, true);

		if (OidIsValid(relid) && get_rel_relkind(relid) == RELKIND_VIEW)
			rama_refuse_by_hand(relid, "TRUNCATE");
	}
}

/*
 * rama_pstate_check_utility() -- Error if a statement may not run: one that
 * makes a foreign key of a PState's table, or one that refers to it, or makes
 * the table unlogged (0A000),
 * or, while the database is active, drops the index over its keys (2BP01) or
 * truncates the view on a vector (0A000, 55000).
 */
void
rama_pstate_check_utility(Node *parsetree)
{
	if (!(IsA(parsetree, CreateStmt) || IsA(parsetree, AlterTableStmt) ||
		  IsA(parsetree, DropStmt) || IsA(parsetree, TruncateStmt)) ||
		!IsTransactionState() || !OidIsValid(get_extension_oid("pg_rama", true)))
		return;
	if (IsA(parsetree, AlterTableStmt))
		check_alter((AlterTableStmt *) parsetree);
	else if (IsA(parsetree, CreateStmt))
		check_create((CreateStmt *) parsetree);
	else if (IsA(parsetree, TruncateStmt))
		check_truncate((TruncateStmt *) parsetree);
	else
		check_drop((DropStmt *) parsetree);
}

static const char *
statement_on_view(CmdType command)
{
	switch (command)
	{
		case CMD_INSERT:
			return "INSERT into";
		case CMD_UPDATE:
			return "UPDATE";
		case CMD_DELETE:
			return "DELETE from";
		default:
			return NULL;
	}
}

/* A query that writes to a view, or one within WITH that does */
static void
check_query(Query *query)
{
	const char *what = statement_on_view(query->commandType);
	ListCell   *lc;

	if (what && query->resultRelation > 0)
	{
		RangeTblEntry *rte = rt_fetch(query->resultRelation, query->rtable);

		if (rte->relkind == RELKIND_VIEW && OidIsValid(get_extension_oid("pg_rama", true)))
			rama_refuse_by_hand(rte->relid, what);
	}
	if (query->hasModifyingCTE)
		foreach(lc, query->cteList)
			check_query(castNode(Query, lfirst_node(CommonTableExpr, lc)->ctequery));
}

static void
post_parse_analyze(ParseState *pstate, Query *query, JumbleState *jstate)
{
	if (prev_post_parse_analyze)
		prev_post_parse_analyze(pstate, query, jstate);
	check_query(query);
}

/*
 * rama_refuse_init() -- Install the hook. Called by _PG_init when preloaded.
 */
void
rama_refuse_init(void)
{
	prev_post_parse_analyze = post_parse_analyze_hook;
	post_parse_analyze_hook = post_parse_analyze;
}
