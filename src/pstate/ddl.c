/*-------------------------------------------------------------------------
 *
 * ddl.c
 *	  What DDL does to PStates: called by the event triggers in src/ddl.c.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_trigger.h"
#include "commands/tablecmds.h"
#include "pstate/pstate.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "watch/publish.h"
#include "watch/retain.h"

/* Columns of rama.pstate_child */
#define Anum_pstate_child_child 1
#define Anum_pstate_child_pstate 2

/*
 * Drop what is left of the children: in a restored database that has not been
 * activated, they do not depend on the root.
 */
static void
drop_children(Oid root)
{
	TupleDesc	desc;
	List	   *rows = rama_catalog_fetch_all("pstate_child", Anum_pstate_child_pstate,
											  root, &desc);
	ObjectAddresses *children = new_object_addresses();
	ListCell   *lc;

	rama_catalog_delete("pstate_child", Anum_pstate_child_pstate, root);
	foreach(lc, rows)
	{
		ObjectAddress child;
		bool		isnull;

		ObjectAddressSet(child, RelationRelationId,
						 DatumGetObjectId(heap_getattr(lfirst(lc), Anum_pstate_child_child,
													   desc, &isnull)));
		if (get_rel_relkind(child.objectId) != '\0')
			add_exact_object_address(&child, children);
	}
	/* At once: views depend on their tables. */
	performMultipleDeletions(children, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	free_object_addresses(children);
}

/*
 * rama_pstate_dropped() -- Event trigger sql_drop: a relation was dropped.
 *
 * The root's catalog rows and children go with it. A child without its root
 * cannot be dropped (2BP01), but in an inactive database: pg_restore --clean
 * drops one by one. False if the relation was no root.
 */
bool
rama_pstate_dropped(Oid relid)
{
	TupleDesc	desc;
	HeapTuple	row;
	Oid			root;
	bool		isnull;

	if (rama_is_pstate(relid))
	{
		rama_catalog_delete("pstate", 1, relid);
		rama_catalog_delete("pstate_version", 1, relid);
		rama_retained_delete(relid);
		rama_publish_dropped(relid);
		drop_children(relid);
		rama_catalog_changed(relid);
		return true;
	}
	row = rama_catalog_fetch("pstate_child", relid, &desc);
	if (row == NULL)
		return false;
	root = DatumGetObjectId(heap_getattr(row, Anum_pstate_child_pstate, desc, &isnull));
	if (get_rel_relkind(root) != '\0' && rama_is_active())
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop a table of PState \"%s\" alone", rama_relation_name(root)),
				 errhint("Use rama.drop_pstate to drop the whole PState.")));
	rama_catalog_delete("pstate_child", Anum_pstate_child_child, relid);
	return false;
}

static Form_pg_class
class_form(Oid relid, HeapTuple *tuple)
{
	*tuple = SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(relid));
	if (!HeapTupleIsValid(*tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	return (Form_pg_class) GETSTRUCT(*tuple);
}

static void
follow_schema(Oid child, Oid nspid)
{
	Relation	rel = table_open(child, AccessExclusiveLock);
	ObjectAddresses *moved = new_object_addresses();

	AlterTableNamespaceInternal(rel, RelationGetNamespace(rel), nspid, moved);
	free_object_addresses(moved);
	table_close(rel, NoLock);
	CommandCounterIncrement();
}

/* The privileges on a relation, or NULL for the default ones. */
static Acl *
relation_acl(HeapTuple tuple)
{
	bool		isnull;
	Datum		acl = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_relacl, &isnull);

	return isnull ? NULL : DatumGetAclPCopy(acl);
}

static bool
same_acl(Acl *a, Acl *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return aclequal(a, b);
}

static void
follow_acl(Oid child, Acl *acl)
{
	Relation	rel = table_open(RelationRelationId, RowExclusiveLock);
	HeapTuple	tuple;
	Form_pg_class form = class_form(child, &tuple);
	Acl		   *old_acl = relation_acl(tuple);

	if (!same_acl(old_acl, acl))
	{
		int			attno = Anum_pg_class_relacl;
		Datum		value = PointerGetDatum(acl);
		bool		isnull = acl == NULL;
		Oid		   *old_members;
		Oid		   *members;
		int			nold = aclmembers(old_acl, &old_members);
		int			n = aclmembers(acl, &members);
		HeapTuple	changed = heap_modify_tuple_by_cols(tuple, RelationGetDescr(rel), 1,
														&attno, &value, &isnull);

		CatalogTupleUpdate(rel, &changed->t_self, changed);
		updateAclDependencies(RelationRelationId, child, 0, form->relowner,
							  nold, old_members, n, members);
		CommandCounterIncrement();
	}
	table_close(rel, RowExclusiveLock);
}

static void
follow_one(RamaTable *table, Form_pg_class root, Acl *acl)
{
	HeapTuple	tuple;
	Form_pg_class child = class_form(table->relid, &tuple);

	if (child->relowner != root->relowner)
	{
		ATExecChangeOwner(table->relid, root->relowner, true, AccessExclusiveLock);
		CommandCounterIncrement();
	}
	if (child->relnamespace != root->relnamespace)
		follow_schema(table->relid, root->relnamespace);
	if (strcmp(NameStr(child->relname), table->name) != 0)
	{
		RenameRelationInternal(table->relid, table->name, true, false);
		CommandCounterIncrement();
	}
	follow_acl(table->relid, acl);
}

/*
 * rama_pstate_follow() -- Give the tables below a root its owner, schema,
 * name and privileges.
 *
 * The right to change the root is enough. Errors: 42P07 (a name is taken),
 * 42622 (a name gets too long).
 */
void
rama_pstate_follow(Oid root)
{
	RamaPState *pstate = rama_pstate_layout(root);
	HeapTuple	tuple;
	Form_pg_class form = class_form(root, &tuple);
	Acl		   *acl = relation_acl(tuple);

	rama_layout_check(pstate);
	for (int i = 1; i < pstate->ntables; i++)
		if (OidIsValid(pstate->tables[i]->relid))	/* not while it is made anew */
			follow_one(pstate->tables[i], form, acl);
}

/* Error (0A000) if a child has been altered in what follows the root. */
static void
check_child_follows(RamaPState *pstate, RamaTable *table)
{
	HeapTuple	tuple;
	Form_pg_class root = class_form(pstate->relid, &tuple);
	Form_pg_class child = class_form(table->relid, &tuple);

	if (child->relowner != root->relowner || child->relnamespace != root->relnamespace ||
		strcmp(NameStr(child->relname), table->name) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("name, schema and owner of a PState's tables follow its root \"%s\"",
						rama_relation_name(pstate->relid)),
				 errhint("Use ALTER TABLE %s.", rama_quoted_relation_name(pstate->relid))));
}

static Oid
table_of_trigger(Oid trigger)
{
	Relation	rel = table_open(TriggerRelationId, AccessShareLock);
	ScanKeyData skey;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			relid = InvalidOid;

	ScanKeyInit(&skey, Anum_pg_trigger_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(trigger));
	scan = systable_beginscan(rel, TriggerOidIndexId, true, NULL, 1, &skey);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		relid = ((Form_pg_trigger) GETSTRUCT(tuple))->tgrelid;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return relid;
}

static Oid
table_of_rule(Oid rule)
{
	Relation	rel = table_open(RewriteRelationId, AccessShareLock);
	ScanKeyData skey;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			relid = InvalidOid;

	ScanKeyInit(&skey, Anum_pg_rewrite_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(rule));
	scan = systable_beginscan(rel, RewriteOidIndexId, true, NULL, 1, &skey);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		relid = ((Form_pg_rewrite) GETSTRUCT(tuple))->ev_class;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return relid;
}

/* The table that an altered object belongs to, or InvalidOid. */
static Oid
table_of(Oid classid, Oid objid)
{
	if (classid == TriggerRelationId)
		return table_of_trigger(objid);
	if (classid == RewriteRelationId)
		return table_of_rule(objid);
	if (classid != RelationRelationId)
		return InvalidOid;
	switch (get_rel_relkind(objid))
	{
		case RELKIND_INDEX:
			return IndexGetRelation(objid, true);
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_FOREIGN_TABLE:
		case RELKIND_VIEW:
			return objid;
		default:
			return InvalidOid;
	}
}

/*
 * rama_pstate_concerned() -- Can this command touch a table of a PState?
 */
bool
rama_pstate_concerned(Node *parsetree)
{
	switch (nodeTag(parsetree))
	{
		case T_AlterTableStmt:
		case T_AlterObjectSchemaStmt:
		case T_RenameStmt:
		case T_CreateStmt:
		case T_CreateForeignTableStmt:
		case T_CreateSchemaStmt:
		case T_CreateTrigStmt:
		case T_IndexStmt:
		case T_RuleStmt:
			return true;
		default:
			return false;
	}
}

static RamaTable *
find_table(RamaPState *pstate, Oid relid)
{
	for (int i = 0; i < pstate->ntables; i++)
	{
		if (pstate->tables[i]->relid == relid)
			return pstate->tables[i];
	}
	elog(ERROR, "table %u is not of PState %u", relid, pstate->relid);
	return NULL;				/* keep compiler quiet */
}

/*
 * rama_pstate_altered() -- Event trigger ddl_command_end: an object was made
 * or altered.
 *
 * What is altered at a root is followed by its children. Errors: 0A000 for
 * what a PState's table must not have. Nothing is checked while the database
 * is inactive, as during a restore.
 */
void
rama_pstate_altered(Oid classid, Oid objid)
{
	Oid			relid = table_of(classid, objid);
	RamaPState *pstate;
	RamaTable  *table;
	Oid			root;

	if (!OidIsValid(relid))
		return;
	root = rama_pstate_root_of(relid);
	if (!OidIsValid(root))
	{
		rama_outside_table_check(relid);
		return;
	}
	if (!rama_is_active())
		return;
	pstate = rama_pstate_layout(root);
	if (pstate == NULL)
		return;
	table = find_table(pstate, relid);
	if (relid == root)
		rama_pstate_follow(root);
	else
		check_child_follows(pstate, table);
	rama_table_check(table);
}

/*
 * rama_pstate_trigger_dropped() -- Event trigger ddl_command_end after DROP
 * TRIGGER: error (0A000) if it was the guard of a PState's table.
 */
void
rama_pstate_trigger_dropped(DropStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->objects)
	{
		List	   *names = list_copy(lfirst_node(List, lc));
		Oid			relid = RangeVarGetRelid(makeRangeVarFromNameList(list_truncate(names, list_length(names) - 1)),
											 NoLock, true);

		if (OidIsValid(relid))
			rama_pstate_altered(RelationRelationId, relid);
	}
}

/*
 * rama_pstate_view_replaced() -- Event trigger ddl_command_end after CREATE
 * VIEW: error (0A000) if it has replaced the view on a vector's chunks.
 */
void
rama_pstate_view_replaced(ViewStmt *stmt)
{
	Oid			relid = RangeVarGetRelid(stmt->view, NoLock, true);

	if (stmt->replace && OidIsValid(relid) && OidIsValid(rama_pstate_root_of(relid)) &&
		rama_is_active())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot replace view \"%s\": it belongs to a PState",
						rama_relation_name(relid))));
}

/* GRANT or REVOKE on one table */
static void
granted_on(Oid relid)
{
	Oid			root = rama_pstate_root_of(relid);

	if (!OidIsValid(root))
		return;
	if (relid != root)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("privileges on a PState's tables follow its root \"%s\"",
						rama_relation_name(root)),
				 errhint("GRANT or REVOKE on %s.", rama_quoted_relation_name(root))));
	rama_pstate_follow(root);
}

/*
 * rama_pstate_granted() -- Event trigger ddl_command_end after GRANT and
 * REVOKE: children follow their root.
 *
 * ON ALL TABLES IN SCHEMA needs nothing: it treats all tables alike.
 */
void
rama_pstate_granted(GrantStmt *stmt)
{
	ListCell   *lc;

	if (stmt->targtype != ACL_TARGET_OBJECT || stmt->objtype != OBJECT_TABLE ||
		!rama_is_active())
		return;
	foreach(lc, stmt->objects)
	{
		Oid			relid = RangeVarGetRelid(lfirst_node(RangeVar, lc), NoLock, true);

		if (OidIsValid(relid))
			granted_on(relid);
	}
}
