/*-------------------------------------------------------------------------
 *
 * alter.c
 *	  rama.alter_pstate(): a wider schema for what is stored already.
 *
 * No table is rewritten. What is added comes last in its table, wherever the
 * schema has it (bind.c maps columns by name).
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/table.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "pstate/buffer.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/typcache.h"

/* Columns of rama.pstate and rama.pstate_child */
#define Anum_pstate_schema 2
#define Anum_pstate_types 4
#define Anum_pstate_typmods 5
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
		if (was == NULL)
			check_new_column(to, column);
		appendStringInfo(&sql, was ? "%s ALTER COLUMN %s TYPE %s" : "%s ADD COLUMN %s %s",
						 sql.len == 0 ? "" : ",",
						 quote_identifier(column->name), rama_column_type(column));
	}
	return sql.len > 0 ? sql.data : NULL;
}

static void
alter_table(RamaTable *from, RamaTable *to)
{
	char	   *changes = table_changes(from, to);
	Oid			before;
	char	   *sql;

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
	SPI_finish();
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
