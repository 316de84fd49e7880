/*-------------------------------------------------------------------------
 *
 * ddl.c
 *	  What DDL may do to depots: the event triggers' part.
 *
 * Before a command runs, what would break the promises of a depot is
 * refused; a depot may get, lose and change columns of the user's. Databases
 * that are not active are left alone, so that dumps can be loaded.
 *
 *-------------------------------------------------------------------------
 */
#include "depot/depot.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "nodes/parsenodes.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/*
 * rama_depot_dropped() -- Event trigger sql_drop: forget a depot. False if the
 * relation was none.
 */
bool
rama_depot_dropped(Oid relid)
{
	if (rama_catalog_delete("depot", 1, relid) == 0)
		return false;
	rama_catalog_changed(relid);
	return true;
}

/*
 * rama_depot_column_dropped() -- Event trigger sql_drop, for a column of any
 * relation: error (0A000) if it was a managed one of a depot that stays, as
 * happens when a generated _partition goes with a column that it is made of.
 */
void
rama_depot_column_dropped(Oid relid)
{
	RamaDepot	depot;

	if (get_rel_relkind(relid) == '\0' ||
		rama_catalog_fetch("depot", relid, NULL) == NULL ||
		rama_depot_lookup(relid, &depot))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot drop a managed column of depot \"%s\"",
					rama_relation_name(relid))));
}

/* ---- refusing ---- */

static void
refuse_sequence(Oid sequence)
{
	if (!OidIsValid(rama_depot_of_sequence(sequence)) || !rama_is_active())
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot alter or drop sequence \"%s\"", rama_relation_name(sequence)),
			 errdetail("It gives the offsets of depot \"%s\".",
					   rama_relation_name(rama_depot_of_sequence(sequence)))));
}

static void
refuse_table(Oid relid, const char *what)
{
	if (!rama_is_active())
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot %s depot \"%s\"", what, rama_relation_name(relid))));
}

static void
refuse_column(Oid relid, const char *column)
{
	if (!rama_is_managed_column(column) || !rama_is_active())
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot alter column \"%s\" of depot \"%s\"",
					column, rama_relation_name(relid)),
			 errdetail("The column is managed by the depot.")));
}

/* The CHECK on managed columns and the primary key belong to the depot. */
static void
refuse_constraint(Oid relid, const char *name)
{
	Oid			constraint = get_relation_constraint_oid(relid, name, true);
	HeapTuple	tuple;
	bool		managed;

	if (!OidIsValid(constraint))
		return;
	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
	if (!HeapTupleIsValid(tuple))
		return;
	managed = ((Form_pg_constraint) GETSTRUCT(tuple))->contype == CONSTRAINT_PRIMARY ||
		strcmp(name, RAMA_DEPOT_CHECK) == 0;
	ReleaseSysCache(tuple);
	if (!managed || !rama_is_active())
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot alter constraint \"%s\" of depot \"%s\"",
					name, rama_relation_name(relid)),
			 errdetail("The constraint belongs to the depot.")));
}

static void
refuse_trigger(Oid relid, const char *name)
{
	if ((name != NULL && strcmp(name, RAMA_GUARD_TRIGGER) != 0) || !rama_is_active())
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot alter trigger \"%s\" of depot \"%s\"",
					RAMA_GUARD_TRIGGER, rama_relation_name(relid)),
			 errdetail("The trigger belongs to the depot.")));
}

/* ---- commands ---- */

static Oid
relation_of(RangeVar *rangevar)
{
	return rangevar ? RangeVarGetRelid(rangevar, NoLock, true) : InvalidOid;
}

static bool
is_depot(Oid relid)
{
	RamaDepot	depot;

	return OidIsValid(relid) && rama_depot_lookup(relid, &depot);
}

static void
check_alter_depot(Oid relid, AlterTableCmd *cmd)
{
	switch (cmd->subtype)
	{
		case AT_SetUnLogged:
			refuse_table(relid, "make an unlogged table of");
			break;
		case AT_AddInherit:
			refuse_table(relid, "inherit into");
			break;
		case AT_AttachPartition:
		case AT_DetachPartition:
			refuse_table(relid, "partition");
			break;
		case AT_AddOf:
			refuse_table(relid, "bind a type to");
			break;
		case AT_DropColumn:
		case AT_ColumnDefault:
		case AT_DropNotNull:
		case AT_AlterColumnType:
		case AT_DropExpression:
		case AT_AddIdentity:
			refuse_column(relid, cmd->name ? cmd->name : "");
			break;
		case AT_DropConstraint:
		case AT_AlterConstraint:
			refuse_constraint(relid, cmd->name ? cmd->name : "");
			break;
		case AT_DisableTrig:
		case AT_EnableReplicaTrig:
			refuse_trigger(relid, cmd->name);
			break;
		case AT_DisableTrigAll:
		case AT_DisableTrigUser:
			refuse_trigger(relid, NULL);
			break;
		default:
			break;
	}
}

static void
check_alter_table(AlterTableStmt *stmt)
{
	Oid			relid = relation_of(stmt->relation);
	ListCell   *lc;

	if (!OidIsValid(relid))
		return;
	if (get_rel_relkind(relid) == RELKIND_SEQUENCE)
	{
		refuse_sequence(relid);
		return;
	}
	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		/* Here the depot is the parent that the command names. */
		if (cmd->subtype == AT_AddInherit && is_depot(relation_of((RangeVar *) cmd->def)))
			refuse_table(relation_of((RangeVar *) cmd->def), "inherit from");
		if (is_depot(relid))
			check_alter_depot(relid, cmd);
	}
}

static void
check_create_table(CreateStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->inhRelations)
	{
		Oid			parent = relation_of(lfirst_node(RangeVar, lc));

		if (is_depot(parent))
			refuse_table(parent, "inherit from");
	}
}

static void
check_rename(RenameStmt *stmt)
{
	Oid			relid = relation_of(stmt->relation);

	if (!is_depot(relid))
		return;
	if (stmt->renameType == OBJECT_COLUMN)
		refuse_column(relid, stmt->subname);
	else if (stmt->renameType == OBJECT_TABCONSTRAINT &&
			 strcmp(stmt->subname, RAMA_DEPOT_CHECK) == 0)
		refuse_constraint(relid, stmt->subname);
	else if (stmt->renameType == OBJECT_TRIGGER &&
			 strcmp(stmt->subname, RAMA_GUARD_TRIGGER) == 0)
		refuse_trigger(relid, stmt->subname);
}

static void
check_drop_sequence(DropStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->objects)
	{
		Oid			relid = relation_of(makeRangeVarFromNameList(castNode(List, lfirst(lc))));

		if (OidIsValid(relid))
			refuse_sequence(relid);
	}
}

/*
 * DROP TRIGGER: each object is the names of the table and the trigger.
 */
static void
check_drop_trigger(DropStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->objects)
	{
		List	   *names = castNode(List, lfirst(lc));
		List	   *table = list_truncate(list_copy(names), list_length(names) - 1);
		Oid			relid = table ? relation_of(makeRangeVarFromNameList(table)) : InvalidOid;

		if (is_depot(relid))
			refuse_trigger(relid, strVal(llast(names)));
	}
}

/*
 * rama_depot_check_ddl() -- Event trigger ddl_command_start: error (0A000) if
 * the command would break a depot of an active database.
 *
 * Its sequence; unlogged; inheritance;
 * managed columns, their CHECK, the primary key, and the trigger. What
 * setval() does is found by settled reads.
 */
void
rama_depot_check_ddl(Node *parsetree)
{
	switch (nodeTag(parsetree))
	{
		case T_AlterSeqStmt:
			{
				Oid			relid = relation_of(((AlterSeqStmt *) parsetree)->sequence);

				if (OidIsValid(relid))
					refuse_sequence(relid);
				break;
			}
		case T_AlterTableStmt:
			check_alter_table((AlterTableStmt *) parsetree);
			break;
		case T_CreateStmt:
			check_create_table((CreateStmt *) parsetree);
			break;
		case T_RenameStmt:
			check_rename((RenameStmt *) parsetree);
			break;
		case T_DropStmt:
			if (((DropStmt *) parsetree)->removeType == OBJECT_TRIGGER)
				check_drop_trigger((DropStmt *) parsetree);
			else if (((DropStmt *) parsetree)->removeType == OBJECT_SEQUENCE)
				check_drop_sequence((DropStmt *) parsetree);
			break;
		default:
			break;
	}
}
