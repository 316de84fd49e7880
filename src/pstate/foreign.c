/*-------------------------------------------------------------------------
 *
 * foreign.c
 *	  Foreign keys from and to PStates are refused before PostgreSQL looks for
 *	  an index: it takes btree only, and would say that.
 *
 * conform.c refuses them where this is not preloaded, and an index is btree.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/extension.h"
#include "nodes/parsenodes.h"
#include "pstate/pstate.h"

/*
 * rama_refuse_foreign_key_of(), rama_refuse_foreign_key_to() -- Error (0A000):
 * a PState's table cannot have a foreign key, or be referred to by one.
 */
void
rama_refuse_foreign_key_of(Oid relid)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("foreign keys are not supported: \"%s\" is a table of a PState",
					rama_relation_name(relid))));
}

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

static void
check_alter(AlterTableStmt *statement)
{
	Oid			relid = RangeVarGetRelid(statement->relation, NoLock, true);
	bool		of_pstate = OidIsValid(relid) && OidIsValid(rama_pstate_root_of(relid));
	ListCell   *lc;

	foreach(lc, statement->cmds)
		check_elements(list_make1(lfirst_node(AlterTableCmd, lc)->def),
					   of_pstate ? relid : InvalidOid);
}

/*
 * rama_refuse_foreign_keys() -- Error (0A000) if a utility statement makes a
 * foreign key of a PState's table, or one that refers to it.
 */
void
rama_refuse_foreign_keys(Node *parsetree)
{
	if (!(IsA(parsetree, CreateStmt) || IsA(parsetree, AlterTableStmt)) ||
		!IsTransactionState() || !OidIsValid(get_extension_oid("pg_rama", true)))
		return;
	if (IsA(parsetree, AlterTableStmt))
		check_alter((AlterTableStmt *) parsetree);
	else
	{
		check_elements(((CreateStmt *) parsetree)->tableElts, InvalidOid);
		check_elements(((CreateStmt *) parsetree)->constraints, InvalidOid);
	}
}
