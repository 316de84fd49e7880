/*-------------------------------------------------------------------------
 *
 * alter.c
 *	  rama.alter_pstate(): a wider schema for what is stored already.
 *
 * No table is rewritten. What is added comes last in its table, wherever the
 * schema has it (bind.c maps columns by name). Views on the chunks of vectors are
 * made anew where the type of a key or of the elements becomes wider.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_attribute.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "pstate/buffer.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* Columns of rama.pstate and rama.pstate_child */
#define Anum_pstate_schema 2
#define Anum_pstate_types 4
#define Anum_pstate_typmods 5
#define Anum_pstate_child_child 1
#define Anum_pstate_child_pstate 2

PG_FUNCTION_INFO_V1(rama_alter_pstate);

static RamaTable *
find_table(RamaPState *pstate, const char *name)
{
	for (int i = 0; i < pstate->ntables; i++)
		if (strcmp(pstate->tables[i]->name, name) == 0)
			return pstate->tables[i];
	return NULL;
}

static RamaColumn *
find_column(RamaTable *table, const char *name)
{
	for (int i = 0; i < table->ncolumns; i++)
		if (strcmp(table->columns[i].name, name) == 0)
			return &table->columns[i];
	return NULL;
}

/* The tables of the new layout that are there already */
static void
take_tables(RamaPState *from, RamaPState *to)
{
	to->relid = from->relid;
	for (int i = 0; i < to->ntables; i++)
	{
		RamaTable  *table = find_table(from, to->tables[i]->name);

		if (table)
			to->tables[i]->relid = table->relid;
	}
}

static Oid
filenumber(Oid relid, BlockNumber *npages)
{
	Relation	rel = table_open(relid, AccessExclusiveLock);
	Oid			result = rel->rd_rel->relfilenode;

	if (npages)
		*npages = RelationGetNumberOfBlocks(rel);
	table_close(rel, NoLock);
	return result;
}

/*
 * ADD COLUMN of a domain with constraints has core look at each row, by
 * rewriting it.
 */
static void
check_new_column(RamaTable *table, RamaColumn *column)
{
	BlockNumber npages;

	if (!DomainHasConstraints(column->typid))
		return;
	(void) filenumber(table->relid, &npages);
	if (npages > 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" of type %s cannot be added to \"%s\"", column->name,
						format_type_be(column->typid), rama_relation_name(table->relid)),
				 errdetail("The table has rows, and would be rewritten to check the constraints of that domain."),
				 errhint("Use the type %s.",
						 rama_type_format(getBaseType(column->typid), -1))));
}

/* The changes to one table; NULL if there are none */
static char *
table_changes(RamaTable *from, RamaTable *to)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < to->ncolumns; i++)
	{
		RamaColumn *column = &to->columns[i];
		RamaColumn *was = find_column(from, column->name);

		if (was && was->typid == column->typid && was->typmod == column->typmod)
			continue;
		if (column->role == RAMA_COLUMN_CHUNK)
			continue;			/* widen_elements() */
		if (was == NULL)
			check_new_column(to, column);
		appendStringInfo(&sql, was ? "%s ALTER COLUMN %s TYPE %s" : "%s ADD COLUMN %s %s",
						 sql.len == 0 ? "" : ",",
						 quote_identifier(column->name), rama_column_type(column));
	}
	return sql.len > 0 ? sql.data : NULL;
}

/* Is a key or the element of another type? */
static bool
view_differs(RamaTable *from, RamaTable *to)
{
	for (int i = 0; i < to->ncolumns; i++)
		if (from->columns[i].typid != to->columns[i].typid ||
			from->columns[i].typmod != to->columns[i].typmod)
			return true;
	return false;
}

/* Nothing depends on such a view but what the user has made: then an error says so. */
static void
drop_view(RamaTable *view)
{
	char	   *sql = psprintf("DROP VIEW %s", rama_quoted_relation_name(view->relid));

	(void) rama_catalog_delete("pstate_child", Anum_pstate_child_child, view->relid);
	if (SPI_execute(sql, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not execute: %s", sql);
}

/* Views that will be made anew: tables cannot be altered below them. */
static void
drop_views(RamaPState *from, RamaPState *to)
{
	for (int i = 0; i < to->ntables; i++)
	{
		RamaTable  *is = to->tables[i];
		RamaTable  *was = find_table(from, is->name);

		if (was == NULL || is->chunks == NULL || !view_differs(was, is))
			continue;
		drop_view(was);
		is->relid = InvalidOid;
	}
}

/*
 * Elements may be longer than before. Core would rewrite the table, since it does
 * not look into arrays.
 */
static void
widen_elements(RamaTable *from, RamaTable *to)
{
	AttrNumber	attno = RAMA_CHUNK_ELEMENTS(to);
	int32		typmod = to->columns[attno - 1].typmod;
	Relation	rel;
	HeapTuple	tuple;

	if (from->columns[attno - 1].typmod == typmod)
		return;
	LockRelationOid(to->relid, AccessExclusiveLock);
	rel = table_open(AttributeRelationId, RowExclusiveLock);
	tuple = SearchSysCacheCopyAttNum(to->relid, attno);
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for attribute %d of relation %u", attno, to->relid);
	((Form_pg_attribute) GETSTRUCT(tuple))->atttypmod = typmod;
	CatalogTupleUpdate(rel, &tuple->t_self, tuple);
	heap_freetuple(tuple);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

static void
alter_table(RamaTable *from, RamaTable *to)
{
	char	   *changes = to->chunks ? NULL : table_changes(from, to);
	Oid			before;
	char	   *sql;

	if (to->logical)
		widen_elements(from, to);
	if (changes == NULL)
		return;
	before = filenumber(to->relid, NULL);
	sql = psprintf("ALTER TABLE %s%s", rama_quoted_relation_name(to->relid), changes);
	if (SPI_execute(sql, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not execute: %s", sql);
	if (filenumber(to->relid, NULL) != before)
		elog(ERROR, "table \"%s\" has been rewritten", to->name);
}

/*
 * New tables come first, then the catalog, then what is there already: the event
 * trigger that looks at each altered table then finds what it should have.
 */
static void
apply(RamaPState *from, RamaPState *to, RamaSchema *schema, List *types, List *typmods)
{
	static const int attnos[] = {Anum_pstate_schema, Anum_pstate_types, Anum_pstate_typmods};
	Oid			relid = from->relid;
	Datum		values[RAMA_NATTS_PSTATE];
	bool		nulls[lengthof(attnos)] = {false};
	Datum		changed[lengthof(attnos)];

	rama_pstate_describe(relid, schema, types, typmods, values);
	for (int i = 0; i < (int) lengthof(attnos); i++)
		changed[i] = values[attnos[i] - 1];

	/* ALTER TYPE of a key drops its index and takes it up again. */
	rama_pstate_forget_dependencies(relid);
	CommandCounterIncrement();
	SPI_connect();
	drop_views(from, to);
	rama_tables_create(to, get_rel_namespace(relid));
	rama_catalog_update("pstate", relid, lengthof(attnos), attnos, changed, nulls);
	(void) rama_catalog_delete("pstate_child", Anum_pstate_child_pstate, relid);
	rama_children_insert(to);
	for (int i = 0; i < to->ntables; i++)
	{
		RamaTable  *was = find_table(from, to->tables[i]->name);

		if (was)
			alter_table(was, to->tables[i]);
	}
	rama_views_create(to, get_rel_namespace(relid));
	SPI_finish();
	(void) rama_catalog_delete("pstate_child", Anum_pstate_child_pstate, relid);
	rama_children_insert(to);
	rama_pstate_record_dependencies(relid);
	rama_catalog_changed(relid);
}

/*
 * The PState's layout, locked against everybody: the lock on the root keeps out
 * whoever uses path functions, to the end of the transaction.
 */
static RamaPState *
lock_pstate(Oid relid)
{
	RamaPState *pstate;

	if (rama_is_pstate(relid))
	{
		rama_check_owner(relid);
		LockRelationOid(relid, AccessExclusiveLock);
	}
	pstate = rama_pstate_layout(relid);
	if (pstate == NULL)
		pstate = rama_pstate_get(relid);	/* says what it is instead */
	rama_check_owner(relid);
	return pstate;
}

static void
check_may_alter(Oid relid)
{
	rama_require_primary("rama.alter_pstate()");
	if (rama_buffer_in_batch())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("rama.alter_pstate() cannot be called by a topology")));
	if (!rama_is_active())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("PState \"%s\" cannot be altered while the database is inactive",
						rama_relation_name(relid)),
				 errhint("SELECT rama.activate()")));
}

/*
 * rama_alter_pstate() -- SQL rama.alter_pstate(pstate, schema).
 *
 * Locks the root in AccessExclusiveLock, and each table that gets a column or a
 * wider type. Errors: those of rama.create_pstate() about the schema, and 0A000 for
 * one that does not merely widen, 42501, 42704, 55000, 55006.
 */
Datum
rama_alter_pstate(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	RamaSchema *schema = rama_schema_parse_checked(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	List	   *types = NIL;
	List	   *typmods = NIL;
	RamaPState *from;
	RamaPState *to;

	check_may_alter(relid);
	from = lock_pstate(relid);
	rama_schema_resolve(schema, &types, &typmods);
	to = rama_layout_build(schema, get_rel_name(relid));
	rama_layout_check(to);
	if (strcmp(from->schema, rama_schema_format(schema)) == 0)
	{
		ereport(NOTICE,
				(errmsg("PState \"%s\" has this schema already, skipping",
						rama_relation_name(relid))));
		PG_RETURN_VOID();
	}
	rama_widen_check(from->root, to->root);
	take_tables(from, to);
	apply(from, to, schema, types, typmods);
	PG_RETURN_VOID();
}
