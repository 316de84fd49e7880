/*-------------------------------------------------------------------------
 *
 * named_row.c
 *	  Rows of schema rama about what has a name in a module but is no relation:
 *	  named paths and queries.
 *
 * Their tables begin with the columns module, name, owner, and have the first
 * two as primary key. The module is kept by its name, since regnamespace
 * columns would make pg_upgrade refuse the cluster: the rows follow when a
 * schema is renamed, and go when it is dropped.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_namespace.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/varlena.h"

/* Those of a module; with a name, that one. */
static SysScanDesc
begin_scan(Relation rel, const char *module, const char *name)
{
	ScanKeyData keys[2];
	Oid			index = primary_key_index_compat(rel);

	ScanKeyInit(&keys[0], RAMA_NAMED_MODULE, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(module));
	keys[0].sk_collation = C_COLLATION_OID;
	if (name)
	{
		ScanKeyInit(&keys[1], RAMA_NAMED_NAME, BTEqualStrategyNumber, F_TEXTEQ,
					CStringGetTextDatum(name));
		keys[1].sk_collation = C_COLLATION_OID;
	}
	return systable_beginscan(rel, index, OidIsValid(index), NULL, name ? 2 : 1, keys);
}

/* rama_named_fetch() -- The row of a name in a module, copied; NULL where there is none. */
HeapTuple
rama_named_fetch(Relation rel, const char *module, const char *name)
{
	SysScanDesc scan = begin_scan(rel, module, name);
	HeapTuple	tuple = systable_getnext(scan);

	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	return tuple;
}

/* The schemas in which a name is looked for; false where it is no name. */
static bool
split_name(const char *text, const char *first, List **schemas, char **name)
{
	List	   *parts;

	*schemas = NIL;
	if (!SplitIdentifierString(pstrdup(text), '.', &parts) ||
		list_length(parts) < 1 || list_length(parts) > 2)
		return false;
	*name = llast(parts);
	if (list_length(parts) == 1)
	{
		Oid			own = first ? get_namespace_oid(first, true) : InvalidOid;

		*schemas = fetch_search_path(false);
		if (OidIsValid(own))
			*schemas = lcons_oid(own, *schemas);
	}
	else
	{
		Oid			nspid = get_namespace_oid(linitial(parts), true);

		if (OidIsValid(nspid))
			*schemas = list_make1_oid(nspid);
	}
	return true;
}

/*
 * rama_named_find() -- Look for a row by the name that a user gives, with its
 * schema or through search_path, before which the schema "first" comes where
 * it is not NULL.
 *
 * Returns a copy and the row's module; NULL where there is none in a schema
 * on which the user has USAGE.
 */
HeapTuple
rama_named_find(Relation rel, const char *text, const char *first, char **module)
{
	List	   *schemas;
	ListCell   *lc;
	char	   *name;

	if (!split_name(text, first, &schemas, &name))
		return NULL;
	foreach(lc, schemas)
	{
		HeapTuple	tuple;

		*module = get_namespace_name(lfirst_oid(lc));
		if (*module == NULL ||
			rama_namespace_aclcheck(lfirst_oid(lc), GetUserId(), ACL_USAGE) != ACLCHECK_OK)
			continue;
		tuple = rama_named_fetch(rel, *module, name);
		if (tuple)
			return tuple;
	}
	return NULL;
}

/*
 * rama_named_is_taken() -- Is the name in use? An error (42710), or with
 * if_not_exists a notice, says so.
 *
 * Keeps others from taking it to the end of the transaction. kind and text
 * are what the message calls it.
 */
bool
rama_named_is_taken(const char *table, const char *kind, const char *text, const char *module,
					const char *name, bool if_not_exists)
{
	Relation	rel = table_open(rama_catalog_relid(table), ShareRowExclusiveLock);
	HeapTuple	old = rama_named_fetch(rel, module, name);

	table_close(rel, NoLock);
	if (old == NULL)
		return false;
	ereport(if_not_exists ? NOTICE : ERROR,
			(errcode(ERRCODE_DUPLICATE_OBJECT),
			 errmsg("%s \"%s\" already exists%s", kind, text,
					if_not_exists ? ", skipping" : "")));
	return true;
}

static void
check_owner(Relation rel, HeapTuple tuple, const char *kind, const char *text, const char *module)
{
	bool		isnull;
	Oid			owner = DatumGetObjectId(heap_getattr(tuple, RAMA_NAMED_OWNER,
													  RelationGetDescr(rel), &isnull));

	if (!has_privs_of_role(GetUserId(), owner) &&
		!object_ownercheck(NamespaceRelationId, get_namespace_oid(module, false), GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of %s \"%s\"", kind, text)));
}

/*
 * rama_named_drop() -- Remove the row of a name that a user gives.
 *
 * Errors: 42704 there is none (a notice with if_exists), 42501 the user owns
 * neither it nor its schema.
 */
void
rama_named_drop(const char *table, const char *kind, const char *text, bool if_exists)
{
	Relation	rel = table_open(rama_catalog_relid(table), RowExclusiveLock);
	char	   *module;
	HeapTuple	tuple = rama_named_find(rel, text, NULL, &module);

	if (tuple == NULL)
		ereport(if_exists ? NOTICE : ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("%s \"%s\" does not exist%s", kind, text, if_exists ? ", skipping" : "")));
	else
	{
		check_owner(rel, tuple, kind, text, module);
		CatalogTupleDelete(rel, &tuple->t_self);
		CommandCounterIncrement();
	}
	table_close(rel, NoLock);
}

/* rama_named_module_dropped() -- A schema is dropped: what is named in it goes. */
void
rama_named_module_dropped(const char *table, const char *module)
{
	Relation	rel = table_open(rama_catalog_relid(table), RowExclusiveLock);
	SysScanDesc scan = begin_scan(rel, module, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		CatalogTupleDelete(rel, &tuple->t_self);
	systable_endscan(scan);
	CommandCounterIncrement();
	table_close(rel, NoLock);
}

/* rama_named_module_renamed() -- A schema has a new name: what is named in it follows. */
void
rama_named_module_renamed(const char *table, const char *module, const char *newname)
{
	Relation	rel = table_open(rama_catalog_relid(table), RowExclusiveLock);
	SysScanDesc scan = begin_scan(rel, module, NULL);
	int			attno = RAMA_NAMED_MODULE;
	Datum		value = CStringGetTextDatum(newname);
	bool		isnull = false;
	List	   *tuples = NIL;
	ListCell   *lc;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		tuples = lappend(tuples, heap_copytuple(tuple));
	systable_endscan(scan);
	foreach(lc, tuples)
	{
		HeapTuple	old = lfirst(lc);

		tuple = heap_modify_tuple_by_cols(old, RelationGetDescr(rel), 1, &attno, &value, &isnull);
		CatalogTupleUpdate(rel, &old->t_self, tuple);
	}
	CommandCounterIncrement();
	table_close(rel, NoLock);
}
