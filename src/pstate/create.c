/*-------------------------------------------------------------------------
 *
 * create.c
 *	  rama.create_pstate() and rama.drop_pstate().
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "index/index.h"
#include "parser/parse_type.h"
#include "pstate/pstate.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/* Columns of rama.pstate_child, rama.pstate_version */
#define Natts_pstate_child 3
#define Natts_pstate_version 3

PG_FUNCTION_INFO_V1(rama_create_pstate);
PG_FUNCTION_INFO_V1(rama_drop_pstate);
PG_FUNCTION_INFO_V1(rama_format_schema);
PG_FUNCTION_INFO_V1(rama_pstate_schema);

static void
run_ddl(const char *sql)
{
	if (SPI_execute(sql, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not execute: %s", sql);
}

static void
check_key_type(Oid type)
{
	TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_LT_OPR | TYPECACHE_EQ_OPR |
											  TYPECACHE_BTREE_OPFAMILY);

	if (!OidIsValid(entry->btree_opf) || !OidIsValid(entry->lt_opr) ||
		!OidIsValid(entry->eq_opr))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("type %s cannot be a key", format_type_be(type)),
				 errdetail("It has no default operator class for access method \"btree\"."),
				 errhint("Keys of maps and elements of sets need a type with an order.")));
}

/*
 * rama_schema_resolve() -- Find the types that a user's schema names, and add
 * them to the lists, in the schema's order.
 *
 * Errors: 42704 (no such type, or a key's has no order), 42P16 (a pseudo-type).
 */
void
rama_schema_resolve(RamaSchema *schema, List **types, List **typmods)
{
	if (schema->type)
	{
		parseTypeString_compat(schema->type, &schema->typid, &schema->typmod);
		if (get_typtype(schema->typid) == TYPTYPE_PSEUDO)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
					 errmsg("a PState cannot hold values of pseudo-type %s",
							format_type_be(schema->typid))));
		if (schema->kind != RAMA_SCALAR)
			check_key_type(schema->typid);
		*types = lappend_oid(*types, schema->typid);
		*typmods = lappend_int(*typmods, schema->typmod);
	}
	for (int i = 0; i < schema->nchildren; i++)
		rama_schema_resolve(schema->children[i], types, typmods);
}

/*
 * rama_notice_implied() -- Tell which collections of a layout are subindexed
 * without saying so.
 */
void
rama_notice_implied(const RamaNode *node)
{
	if (node->parent && node->schema->implied)
	{
		RamaTable  *table = node->table;

		ereport(NOTICE,
				(errmsg("collection \"%s\" is subindexed, because it encloses a subindexed one",
						table->columns[table->nkeys - 1].name)));
	}
	for (int i = 0; i < node->nchildren; i++)
		rama_notice_implied(node->children[i]);
}

/* Are rows of this table updated in normal use? */
static bool
has_updated_rows(RamaTable *table)
{
	return table->nkeys > 0 && table->ncolumns > table->nkeys &&
		(table->node->kind == RAMA_MAP || table->logical);
}

/*
 * rama_column_type() -- The type of a column, as written in DDL.
 */
char *
rama_column_type(const RamaColumn *column)
{
	char	   *type = format_type_extended(column->typid, column->typmod,
											FORMAT_TYPE_TYPEMOD_GIVEN |
											FORMAT_TYPE_FORCE_QUALIFY);

	if (column->role == RAMA_COLUMN_KEY && OidIsValid(get_typcollation(column->typid)))
		return psprintf("%s COLLATE pg_catalog.\"C\"", type);
	return type;
}

static void
create_table(RamaTable *table, const char *name)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE TABLE %s (", name);
	for (int i = 0; i < table->ncolumns; i++)
	{
		RamaColumn *column = &table->columns[i];

		appendStringInfo(&sql, "%s%s %s%s", i == 0 ? "" : ", ",
						 quote_identifier(column->name), rama_column_type(column),
						 column->role == RAMA_COLUMN_KEY ? " NOT NULL" : "");
	}
	appendStringInfoString(&sql, ") USING heap");
	if (has_updated_rows(table))
		appendStringInfoString(&sql, " WITH (fillfactor = 85)");
	run_ddl(sql.data);
}

/* The view on the chunks of a vector, which have been made. */
static void
create_view(RamaTable *table, const char *name, const char *chunks)
{
	run_ddl(rama_chunk_view_definition(table, name, chunks));
	run_ddl(psprintf("COMMENT ON VIEW %s IS 'The elements of a vector of a PState, with index. "
					 "They are stored in the table of this name with _chunk.'", name));
	run_ddl(psprintf("COMMENT ON TABLE %s IS 'The elements of a vector of a PState, in chunks, in the order of column %s. "
					 "To be read through the view of this name without _chunk.'",
					 chunks, quote_identifier(table->chunks->columns[table->chunks->nkeys - 1].name)));
}

/* The index over the keys, and the guard */
static void
complete_table(RamaTable *table, const char *name)
{
	if (table->nkeys > 0)
	{
		run_ddl(rama_key_index_definition(table, name));
		table->index = rama_key_index(table);
		run_ddl(psprintf("ALTER TABLE %s REPLICA IDENTITY USING INDEX %s", name,
						 quote_identifier(get_rel_name(table->index))));
	}
	else
		run_ddl(psprintf("ALTER TABLE %s REPLICA IDENTITY FULL", name));
	run_ddl(psprintf("CREATE TRIGGER " RAMA_GUARD_TRIGGER
					 " BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s"
					 " FOR EACH STATEMENT EXECUTE FUNCTION " RAMA_SCHEMA ".guard_pstate()",
					 name));
}

static void
set_relid(RamaTable *table, Oid nspid)
{
	table->relid = get_relname_relid(table->name, nspid);
	if (!OidIsValid(table->relid))
		elog(ERROR, "table \"%s\" is gone", table->name);
}

/*
 * rama_views_create() -- The same for the views on the chunks of vectors, after
 * their tables.
 */
void
rama_views_create(RamaPState *pstate, Oid nspid)
{
	char	   *nspname = get_namespace_name(nspid);

	for (int i = 0; i < pstate->ntables; i++)
	{
		RamaTable  *table = pstate->tables[i];

		if (table->chunks == NULL || OidIsValid(table->relid))
			continue;
		rama_check_name_free(nspid, table->name);
		create_view(table, quote_qualified_identifier(nspname, table->name),
					quote_qualified_identifier(nspname, table->chunks->name));
		set_relid(table, nspid);
	}
}

/*
 * rama_tables_create() -- Make the tables of a layout that are not there yet: those
 * without relid, which they get. Needs SPI.
 *
 * Error (42P07) if a name is taken.
 */
void
rama_tables_create(RamaPState *pstate, Oid nspid)
{
	char	   *nspname = get_namespace_name(nspid);
	List	   *made = NIL;
	ListCell   *lc;

	for (int i = 0; i < pstate->ntables; i++)
	{
		RamaTable  *table = pstate->tables[i];

		if (OidIsValid(table->relid) || table->chunks)
			continue;
		rama_check_name_free(nspid, table->name);
		create_table(table, quote_qualified_identifier(nspname, table->name));
		set_relid(table, nspid);
		made = lappend(made, table);
	}
	/* Names that the indexes take must not be the tables'. */
	foreach(lc, made)
	{
		RamaTable  *table = lfirst(lc);

		complete_table(table, quote_qualified_identifier(nspname, table->name));
	}
}

/* A list of oids or integers as an array */
static Datum
make_array(List *list, Oid type)
{
	Datum	   *elems = palloc(sizeof(Datum) * Max(list_length(list), 1));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, list)
		elems[n++] = type == REGTYPEOID ? ObjectIdGetDatum(lfirst_oid(lc)) :
			Int32GetDatum(lfirst_int(lc));
	return PointerGetDatum(construct_array(elems, n, type, 4, true, TYPALIGN_INT));
}

/*
 * rama_children_insert() -- The rows of rama.pstate_child, of what is there.
 */
void
rama_children_insert(RamaPState *pstate)
{
	Datum		root = ObjectIdGetDatum(pstate->tables[0]->relid);

	for (int i = 1; i < pstate->ntables; i++)
	{
		Datum		child[Natts_pstate_child] = {
			ObjectIdGetDatum(pstate->tables[i]->relid), root, Int32GetDatum(i)
		};
		bool		child_nulls[Natts_pstate_child] = {false};

		if (!OidIsValid(pstate->tables[i]->relid))
			continue;
		rama_catalog_insert("pstate_child", child, child_nulls);
	}
}

/*
 * rama_pstate_describe() -- The row of rama.pstate for a schema and the types
 * that rama_schema_resolve() has found, without owner.
 */
void
rama_pstate_describe(Oid relid, RamaSchema *schema, List *types, List *typmods, Datum *values)
{
	values[0] = ObjectIdGetDatum(relid);
	values[1] = CStringGetTextDatum(rama_schema_format(schema));
	values[2] = (Datum) 0;
	values[3] = make_array(types, REGTYPEOID);
	values[4] = make_array(typmods, INT4OID);
	values[5] = (Datum) 0;
}

static void
insert_catalog_rows(RamaPState *pstate, RamaSchema *schema, List *types, List *typmods)
{
	Oid			relid = pstate->tables[0]->relid;
	Datum		values[RAMA_NATTS_PSTATE];
	bool		nulls[RAMA_NATTS_PSTATE] = {false, false, true, false, false, true};
	Datum		version[Natts_pstate_version] = {ObjectIdGetDatum(relid), Int64GetDatum(0), Int64GetDatum(0)};
	bool		version_nulls[Natts_pstate_version] = {false, false, pstate->tables[0]->nkeys == 0};

	rama_pstate_describe(relid, schema, types, typmods, values);
	rama_catalog_insert("pstate", values, nulls);
	rama_children_insert(pstate);
	rama_catalog_insert("pstate_version", version, version_nulls);
}

/* Depend internally: cannot be dropped alone, goes with what it belongs to. */
static void
belong_to(Oid classid, Oid objid, Oid relid)
{
	ObjectAddress object;
	ObjectAddress owner;

	ObjectAddressSet(object, classid, objid);
	ObjectAddressSet(owner, RelationRelationId, relid);
	deleteDependencyRecordsForSpecific(classid, objid, DEPENDENCY_INTERNAL,
									   RelationRelationId, relid);
	recordDependencyOn(&object, &owner, DEPENDENCY_INTERNAL);
}

/* Types within jsonb columns: nothing in pg_attribute depends on them. */
static void
depend_on_types(Oid relid, RamaNode *node)
{
	if (node->storage == RAMA_IN_JSON || (node->storage == RAMA_IN_COLUMN && node->nchildren > 0))
	{
		Oid			types[2] = {node->type.oid, node->key.oid};

		for (int i = 0; i < 2; i++)
		{
			ObjectAddress table;
			ObjectAddress type;

			if (!OidIsValid(types[i]))
				continue;
			ObjectAddressSet(table, RelationRelationId, relid);
			ObjectAddressSet(type, TypeRelationId, types[i]);
			recordDependencyOn(&table, &type, DEPENDENCY_NORMAL);
		}
	}
	for (int i = 0; i < node->nchildren; i++)
		depend_on_types(relid, node->children[i]);
}

/* The dependencies of the table as a whole on types: not those of its columns */
static void
forget_types(Oid relid)
{
	Relation	rel = table_open(DependRelationId, RowExclusiveLock);
	ScanKeyData skey[3];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&skey[0], Anum_pg_depend_classid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(RelationRelationId));
	ScanKeyInit(&skey[1], Anum_pg_depend_objid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	ScanKeyInit(&skey[2], Anum_pg_depend_objsubid, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(0));
	scan = systable_beginscan(rel, DependDependerIndexId, true, NULL, 3, skey);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(tuple);

		if (form->refclassid == TypeRelationId && form->deptype == DEPENDENCY_NORMAL)
			CatalogTupleDelete(rel, &tuple->t_self);
	}
	systable_endscan(scan);
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

/* Is the index of our own access method, so that DROP EXTENSION takes it? */
static bool
is_of_extension(Oid index)
{
	Relation	rel = index_open(index, AccessShareLock);
	bool		result = rama_index_is_pstate(rel);

	index_close(rel, NoLock);
	return result;
}

/*
 * rama_pstate_record_dependencies() -- Record that a PState's children and
 * key indexes belong to it. (What DROP EXTENSION takes, and is to leave the
 * tables, does not: guard triggers and indexes by pstate.)
 *
 * Called at creation, and by rama.activate() after a restore, which does not
 * bring such dependencies along, while nothing follows or is refused. May be
 * repeated. Error (0A000) if a table does not have the form it needs.
 */
void
rama_pstate_record_dependencies(Oid relid)
{
	RamaPState *pstate = rama_pstate_layout(relid);

	if (pstate == NULL)
		return;
	for (int i = 0; i < pstate->ntables; i++)
		rama_table_check(pstate->tables[i]);
	rama_pstate_follow(relid);
	pstate = rama_pstate_bind(relid);

	for (int i = 0; i < pstate->ntables; i++)
	{
		RamaTable  *table = pstate->tables[i];

		if (i > 0)
			belong_to(RelationRelationId, table->relid, relid);
		if (OidIsValid(table->index) && !is_of_extension(table->index))
			belong_to(RelationRelationId, table->index, table->relid);
	}
	forget_types(relid);
	depend_on_types(relid, pstate->root);
}

/*
 * rama_pstate_forget_dependencies() -- The opposite, by rama.deactivate():
 * children and key indexes can be dropped one by one, as pg_restore --clean
 * does, and as they can be in a restored database.
 */
void
rama_pstate_forget_dependencies(Oid relid)
{
	RamaPState *pstate;

	LockRelationOid(relid, ShareUpdateExclusiveLock);
	pstate = rama_pstate_layout(relid);
	for (int i = 0; pstate && i < pstate->ntables; i++)
	{
		RamaTable  *table = pstate->tables[i];
		Oid			index = table->nkeys > 0 ? rama_key_index(table) : InvalidOid;

		if (i > 0)
			deleteDependencyRecordsForSpecific(RelationRelationId, table->relid, DEPENDENCY_INTERNAL,
											   RelationRelationId, relid);
		if (OidIsValid(index))
			deleteDependencyRecordsForSpecific(RelationRelationId, index, DEPENDENCY_INTERNAL,
											   RelationRelationId, table->relid);
	}
}

/* The PState of that name with if_not_exists, or InvalidOid. */
static Oid
existing_pstate(Oid nspid, const char *relname, bool if_not_exists)
{
	Oid			relid = get_relname_relid(relname, nspid);

	if (!if_not_exists || !OidIsValid(relid) || !rama_is_pstate(relid))
		return InvalidOid;
	ereport(NOTICE,
			(errcode(ERRCODE_DUPLICATE_TABLE),
			 errmsg("PState \"%s\" already exists, skipping", relname)));
	return relid;
}

static void
check_not_null(FunctionCallInfo fcinfo, int nargs)
{
	for (int i = 0; i < nargs; i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("arguments of rama.create_pstate() cannot be null")));
	}
}

/*
 * rama_create_pstate() -- SQL rama.create_pstate(name, schema, if_not_exists).
 */
Datum
rama_create_pstate(PG_FUNCTION_ARGS)
{
	RamaSchema *schema;
	RamaPState *pstate;
	List	   *types = NIL;
	List	   *typmods = NIL;
	Oid			nspid;
	Oid			relid;
	char	   *relname;

	check_not_null(fcinfo, 3);
	rama_require_primary("rama.create_pstate()");
	rama_split_name(text_to_cstring(PG_GETARG_TEXT_PP(0)), &nspid, &relname);
	if (isAnyTempNamespace(nspid))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a PState cannot be temporary")));
	relid = existing_pstate(nspid, relname, PG_GETARG_BOOL(2));
	if (OidIsValid(relid))
		PG_RETURN_OID(relid);

	schema = rama_schema_parse_checked(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	rama_schema_resolve(schema, &types, &typmods);
	pstate = rama_layout_build(schema, relname);
	rama_layout_check(pstate);
	rama_notice_implied(pstate->root);

	rama_activate_if_first();
	SPI_connect();
	rama_tables_create(pstate, nspid);
	rama_views_create(pstate, nspid);
	SPI_finish();
	relid = pstate->tables[0]->relid;
	insert_catalog_rows(pstate, schema, types, typmods);
	rama_pstate_record_dependencies(relid);
	rama_catalog_changed(relid);
	PG_RETURN_OID(relid);
}

/*
 * rama_drop_pstate() -- SQL rama.drop_pstate(pstate): DROP TABLE of what must
 * be a PState.
 */
Datum
rama_drop_pstate(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);

	rama_require_primary("rama.drop_pstate()");
	rama_pstate_get(relid);
	rama_check_owner(relid);
	SPI_connect();
	run_ddl(psprintf("DROP TABLE %s", rama_quoted_relation_name(relid)));
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * rama_format_schema() -- SQL rama.format_schema(schema): as the parser
 * understood it.
 */
Datum
rama_format_schema(PG_FUNCTION_ARGS)
{
	RamaSchema *schema = rama_schema_parse_checked(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	PG_RETURN_TEXT_P(cstring_to_text(rama_schema_print(schema)));
}

/*
 * rama_pstate_schema() -- SQL rama.pstate_schema(pstate): its schema, with
 * types by the names that they have now. NULL for what is not a PState.
 */
Datum
rama_pstate_schema(PG_FUNCTION_ARGS)
{
	RamaPState *pstate = rama_pstate_layout(PG_GETARG_OID(0));

	if (pstate == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(pstate->schema));
}
