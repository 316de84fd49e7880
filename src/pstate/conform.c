/*-------------------------------------------------------------------------
 *
 * conform.c
 *	  Does a table still have the form that its PState needs?
 *
 * DDL by hand is checked by its result: whatever command changed a table,
 * afterwards it must have the columns of the schema, and none of what would
 * make rows that path functions write mean something else.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "pstate/pstate.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/reltrigger.h"
#include "utils/syscache.h"

static void
refuse(Oid relid, const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("%s not supported: \"%s\" is a %s of a PState", what,
					rama_relation_name(relid),
					get_rel_relkind(relid) == RELKIND_VIEW ? "view" : "table"),
			 hint ? errhint("%s", hint) : 0));
}

static bool
column_conforms(RamaTable *table, int i, Form_pg_attribute att)
{
	RamaColumn *column = &table->columns[i];

	if (att->attisdropped || strcmp(NameStr(att->attname), column->name) != 0 ||
		att->atttypid != column->typid || att->atttypmod != column->typmod)
		return false;
	if (column->role != RAMA_COLUMN_KEY)
		return true;
	return (att->attnotnull || table->chunks) &&
		(!OidIsValid(att->attcollation) || att->attcollation == C_COLLATION_OID);
}

static void
check_columns(RamaTable *table, Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);
	bool		conforms = desc->natts == table->ncolumns;

	for (int i = 0; conforms && i < desc->natts; i++)
		conforms = column_conforms(table, i, TupleDescAttr(desc, i));
	if (!conforms)
		refuse(table->relid, "other columns than those of the schema are",
			   "A PState's columns follow from its schema.");
}

static bool
is_guard(Trigger *trigger)
{
	char	   *function = get_func_name(trigger->tgfoid);
	char	   *nspname = get_namespace_name(get_func_namespace(trigger->tgfoid));

	return strcmp(trigger->tgname, RAMA_GUARD_TRIGGER) == 0 &&
		function && strcmp(function, "guard_pstate") == 0 &&
		nspname && strcmp(nspname, RAMA_SCHEMA) == 0 &&
		(trigger->tgenabled == TRIGGER_FIRES_ON_ORIGIN ||
		 trigger->tgenabled == TRIGGER_FIRES_ALWAYS);
}

static void
check_triggers(RamaTable *table, Relation rel)
{
	TriggerDesc *triggers = rel->trigdesc;
	bool		guarded = false;

	for (int i = 0; triggers && i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];

		if (is_guard(trigger))
			guarded = true;
		if (trigger->tgisinternal || is_guard(trigger))
			continue;
		if (strcmp(trigger->tgname, RAMA_GUARD_TRIGGER) == 0)
			refuse(table->relid, "changing trigger " RAMA_GUARD_TRIGGER " is", NULL);
		refuse(table->relid, "triggers are",
			   "Path functions do not fire triggers; use a topology.");
	}
	if (!guarded)
		refuse(table->relid, "dropping trigger " RAMA_GUARD_TRIGGER " is", NULL);
	if (rel->rd_rules)
		refuse(table->relid, "rules are", NULL);
}

static void
check_indexes(RamaTable *table, Relation rel)
{
	List	   *indexes = RelationGetIndexList(rel);
	Oid			key_index = rama_key_index(table);
	ListCell   *lc;

	if (table->nkeys > 0 && !OidIsValid(key_index))
		refuse(table->relid, "dropping the index over the keys is", NULL);
	foreach(lc, indexes)
	{
		Oid			index = lfirst_oid(lc);
		HeapTuple	tuple;
		Form_pg_index form;

		if (index == key_index)
			continue;
		tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for index %u", index);
		form = (Form_pg_index) GETSTRUCT(tuple);
		/* A new version of the key index being built by REINDEX CONCURRENTLY */
		if ((form->indisunique && form->indisready && form->indisvalid) ||
			form->indisexclusion)
			refuse(table->relid, "unique and exclusion constraints are",
				   "The keys of a PState are unique; plain indexes may be added.");
		ReleaseSysCache(tuple);
	}
	list_free(indexes);
}

/* Parents or children of a table, by inheritance or partitioning */
static List *
relatives(Oid relid, AttrNumber attno, Oid index)
{
	Relation	rel = table_open(InheritsRelationId, AccessShareLock);
	List	   *found = NIL;
	ScanKeyData skey;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&skey, attno, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, index, true, NULL, 1, &skey);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_inherits form = (Form_pg_inherits) GETSTRUCT(tuple);

		found = lappend_oid(found, attno == Anum_pg_inherits_inhrelid ?
							form->inhparent : form->inhrelid);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

static List *
all_relatives(Oid relid)
{
	return list_concat(relatives(relid, Anum_pg_inherits_inhrelid, InheritsRelidSeqnoIndexId),
					   relatives(relid, Anum_pg_inherits_inhparent, InheritsParentIndexId));
}

static void
check_references(Oid relid)
{
	Relation	rel = table_open(ConstraintRelationId, AccessShareLock);
	ScanKeyData skey;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&skey, Anum_pg_constraint_conrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, ConstraintRelidTypidNameIndexId, true, NULL, 1, &skey);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_constraint con = (Form_pg_constraint) GETSTRUCT(tuple);

		if (con->contype == CONSTRAINT_FOREIGN && OidIsValid(rama_pstate_root_of(con->confrelid)))
			rama_refuse_foreign_key_to(con->confrelid);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/*
 * rama_outside_table_check() -- Error (0A000) if a table that is not of a
 * PState refers to one by a foreign key, or is its parent or child.
 */
void
rama_outside_table_check(Oid relid)
{
	ListCell   *lc;

	check_references(relid);
	foreach(lc, all_relatives(relid))
	{
		if (OidIsValid(rama_pstate_root_of(lfirst_oid(lc))))
			refuse(lfirst_oid(lc), "inheritance is", NULL);
	}
}

static void
check_constraints(RamaTable *table)
{
	Relation	rel = table_open(ConstraintRelationId, AccessShareLock);
	ScanKeyData skey;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&skey, Anum_pg_constraint_conrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(table->relid));
	scan = systable_beginscan(rel, ConstraintRelidTypidNameIndexId, true, NULL, 1, &skey);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_constraint con = (Form_pg_constraint) GETSTRUCT(tuple);

		if (con->contype == CONSTRAINT_FOREIGN)
			rama_refuse_foreign_key_of(table->relid);
		if (con->contype == CONSTRAINT_PRIMARY || con->contype == CONSTRAINT_UNIQUE)
			refuse(table->relid, "unique and exclusion constraints are",
				   "The keys of a PState are unique; plain indexes may be added.");
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/* What the view on the chunks of a vector needs */
static void
check_view(RamaTable *table, Relation rel)
{
	check_columns(table, rel);
	if (RelationGetDescr(rel)->constr)
		refuse(table->relid, "column defaults are", NULL);
	if (rel->trigdesc)
		refuse(table->relid, "triggers are",
			   "Path functions do not fire triggers; use a topology.");
	if (rel->rd_rules == NULL || rel->rd_rules->numLocks != 1)
		refuse(table->relid, "rules are", NULL);
	if (!RelationHasSecurityInvoker(rel))
		refuse(table->relid, "security_invoker = false is",
			   "Row security of the table behind the view is that of its user.");
}

/*
 * rama_table_check() -- Error (0A000) unless a PState's table, of which relid
 * is set, has the form that it needs; or the view on the chunks of a vector.
 */
void
rama_table_check(RamaTable *table)
{
	Relation	rel = table_open(table->relid, AccessShareLock);

	if (table->chunks)
	{
		check_view(table, rel);
		table_close(rel, NoLock);
		return;
	}
	check_columns(table, rel);
	check_triggers(table, rel);
	check_constraints(table);
	check_indexes(table, rel);
	if (all_relatives(table->relid) != NIL)
		refuse(table->relid, "inheritance is", NULL);
	table_close(rel, NoLock);
}
