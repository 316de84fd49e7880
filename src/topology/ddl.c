/*-------------------------------------------------------------------------
 *
 * ddl.c
 *	  What ALTER TABLE may do to a topology's table.
 *
 *-------------------------------------------------------------------------
 */
#include "topology/topology.h"

#include "catalog/namespace.h"
#include "nodes/parsenodes.h"

/* Neither columns nor triggers: what changes no row's shape. */
static bool
is_harmless(AlterTableType subtype)
{
	switch (subtype)
	{
		case AT_ChangeOwner:
		case AT_SetTableSpace:
		case AT_SetRelOptions:
		case AT_ResetRelOptions:
		case AT_SetStatistics:
		case AT_SetStorage:
		case AT_SetCompression:
		case AT_ReplicaIdentity:
		case AT_EnableRowSecurity:
		case AT_DisableRowSecurity:
		case AT_ForceRowSecurity:
		case AT_NoForceRowSecurity:
			return true;
		default:
			return false;
	}
}

static bool
is_topology(RangeVar *name)
{
	Oid			relid = name ? RangeVarGetRelid(name, NoLock, true) : InvalidOid;

	return OidIsValid(relid) && rama_is_topology(relid);
}

pg_noreturn static void
refuse(RangeVar *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot alter topology \"%s\" as a table", name->relname),
			 errdetail("Its table holds the progress and nothing else."),
			 errhint("Topologies can be renamed, moved to another schema, given to another owner and dropped.")));
}

/* The table that gets an index, a trigger or a rule; NULL for other commands. */
static RangeVar *
attached_to(Node *parsetree)
{
	switch (nodeTag(parsetree))
	{
		case T_IndexStmt:
			return ((IndexStmt *) parsetree)->relation;
		case T_CreateTrigStmt:
			return ((CreateTrigStmt *) parsetree)->relation;
		case T_RuleStmt:
			return ((RuleStmt *) parsetree)->relation;
		default:
			return NULL;
	}
}

/*
 * rama_topology_check_ddl() -- Event trigger ddl_command_start: error (0A000)
 * if the command would change the shape of a topology's table, in an active
 * database, or give it what the writer of the progress passes by: indexes,
 * triggers, rules.
 */
void
rama_topology_check_ddl(Node *parsetree)
{
	RangeVar   *table = attached_to(parsetree);
	ListCell   *lc;

	if (table)
	{
		if (is_topology(table) && rama_is_active())
			refuse(table);
	}
	else if (IsA(parsetree, AlterTableStmt))
	{
		AlterTableStmt *stmt = (AlterTableStmt *) parsetree;

		foreach(lc, stmt->cmds)
		{
			if (!is_harmless(lfirst_node(AlterTableCmd, lc)->subtype) &&
				is_topology(stmt->relation) && rama_is_active())
				refuse(stmt->relation);
		}
	}
	else if (IsA(parsetree, RenameStmt))
	{
		RenameStmt *stmt = (RenameStmt *) parsetree;

		if (stmt->renameType == OBJECT_COLUMN && is_topology(stmt->relation) &&
			rama_is_active())
			refuse(stmt->relation);
	}
}
