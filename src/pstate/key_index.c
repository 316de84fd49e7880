/*-------------------------------------------------------------------------
 *
 * key_index.c
 *	  The unique index over all keys of a PState's table.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_index.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_type_d.h"
#include "commands/defrem.h"
#include "index/index.h"
#include "pstate/pstate.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/*
 * The operator class of "pstate" that orders keys of a type as btree does; ""
 * for the default one, NULL if there is none.
 */
static const char *
key_opclass(Oid type, Oid am)
{
	Oid			btree = GetDefaultOpClass(type, BTREE_AM_OID);
	Oid			opclass = GetDefaultOpClass(type, am);
	Oid			ordered;

	if (!OidIsValid(btree) || !OidIsValid(opclass))
		return NULL;
	ordered = get_opclass_input_type(btree);
	if (ordered == TEXTOID)
		return RAMA_SCHEMA ".text_c_ops";
	/* A type that is stored like another one may have an order of its own. */
	return get_opclass_input_type(opclass) == ordered ? "" : NULL;
}

/* The columns of the index; NULL if not all types have a class of "pstate". */
static char *
index_columns(RamaTable *table, Oid am)
{
	StringInfoData columns;

	initStringInfo(&columns);
	for (int i = 0; i < table->nkeys; i++)
	{
		const char *opclass = am == BTREE_AM_OID ? "" :
			key_opclass(table->columns[i].typid, am);

		if (opclass == NULL)
			return NULL;
		appendStringInfo(&columns, "%s%s %s", i == 0 ? "" : ", ",
						 quote_identifier(table->columns[i].name), opclass);
	}
	return columns.data;
}

/*
 * rama_key_index_definition() -- The command that makes the index.
 *
 * "name" is the table's, qualified and quoted. The access method is that of
 * pg_rama.index_method, or btree if a key's type has no class for that.
 */
char *
rama_key_index_definition(RamaTable *table, const char *name)
{
	const char *method = rama_index_method == RAMA_INDEX_PSTATE ? "pstate" : "btree";
	char	   *columns = index_columns(table, get_index_am_oid(method, false));

	if (columns == NULL)
	{
		method = "btree";
		columns = index_columns(table, BTREE_AM_OID);
	}
	return psprintf("CREATE UNIQUE INDEX ON %s USING %s (%s)", name, method, columns);
}

/*
 * rama_key_index() -- The unique index over all keys of a table whose relid
 * is set, or InvalidOid.
 */
Oid
rama_key_index(RamaTable *table)
{
	Relation	rel = table_open(table->relid, AccessShareLock);
	List	   *indexes = RelationGetIndexList(rel);
	Oid			found = InvalidOid;
	ListCell   *lc;

	foreach(lc, indexes)
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(lc)));
		Form_pg_index form;
		bool		matches;

		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for index %u", lfirst_oid(lc));
		form = (Form_pg_index) GETSTRUCT(tuple);
		matches = form->indisunique && form->indisvalid &&
			form->indnatts == table->nkeys && form->indnkeyatts == table->nkeys &&
			heap_attisnull(tuple, Anum_pg_index_indpred, NULL);
		for (int i = 0; matches && i < table->nkeys; i++)
			matches = form->indkey.values[i] == i + 1;
		ReleaseSysCache(tuple);
		if (matches && (!OidIsValid(found) || lfirst_oid(lc) < found))
			found = lfirst_oid(lc);
	}
	list_free(indexes);
	table_close(rel, NoLock);
	return found;
}

/*
 * rama_table_index() -- The index over all keys of a table that the caller has
 * locked; InvalidOid for a single value.
 *
 * A binding in use may be older than a REINDEX CONCURRENTLY, which the lock on the
 * root does not keep out of the tables below it.
 */
Oid
rama_table_index(RamaTable *table)
{
	if (table->pstate->stale && table->nkeys > 0)
	{
		table->index = rama_key_index(table);
		if (!OidIsValid(table->index))
			elog(ERROR, "table \"%s\" has no index over its keys", table->name);
	}
	return table->index;
}

/*
 * rama_table_open_index() -- Open that index; NULL for a single value.
 *
 * The lock on it is kept to the end of the transaction by closing it with NoLock.
 */
Relation
rama_table_open_index(RamaTable *table, LOCKMODE lockmode)
{
	Oid			index = rama_table_index(table);

	return OidIsValid(index) ? index_open(index, lockmode) : NULL;
}
