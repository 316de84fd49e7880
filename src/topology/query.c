/*-------------------------------------------------------------------------
 *
 * query.c
 *	  Query topologies: functions of a module that are listed under a name:
 *	  rama.create_query(), rama.drop_query(), and the view rama.queries.
 *
 * A query is a function, called as one, with the rights of whoever calls it.
 * rama.query has its identity as text, schema.name(types), since oids of
 * functions would not survive pg_upgrade. The text is looked up when the query
 * is used; it follows when the function, its schema or a type of its
 * arguments is renamed or moved, and the row goes when the function is dropped.
 *
 *-------------------------------------------------------------------------
 */
#include "topology/topology.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

PG_FUNCTION_INFO_V1(rama_create_query);
PG_FUNCTION_INFO_V1(rama_drop_query);
PG_FUNCTION_INFO_V1(rama_query_function);

#define TABLE "query"
#define ATTNO_FUNCTION 4
#define NATTS 4

/* What a query was called before a DDL command, and which function that is. */
typedef struct Known
{
	char	   *identity;
	Oid			function;
} Known;

/* Of the DDL command under way: List of Known, in a context of its own. */
static List *known = NIL;
static MemoryContext known_context = NULL;

/* Schema and name in front of the arguments of an identity. */
static bool
split_identity(const char *identity, char **schema, char **name)
{
	char	   *text = pstrdup(identity);
	bool		quoted = false;
	List	   *parts;

	for (char *p = text; *p; p++)
	{
		if (*p == '"')
			quoted = !quoted;
		if (*p == '(' && !quoted)
		{
			*p = '\0';
			break;
		}
	}
	if (!SplitIdentifierString(text, '.', &parts) || list_length(parts) != 2)
		return false;
	*schema = linitial(parts);
	*name = lsecond(parts);
	return true;
}

/*
 * The function of that identity, or InvalidOid. Unlike the input of regprocedure
 * it neither needs privileges nor minds types that are gone.
 */
static Oid
find_function(const char *identity)
{
	Oid			result = InvalidOid;
	char	   *schema;
	char	   *name;
	Oid			nspid;
	CatCList   *list;

	if (!split_identity(identity, &schema, &name))
		return InvalidOid;
	nspid = get_namespace_oid(schema, true);
	list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name));
	for (int i = 0; i < list->n_members; i++)
	{
		Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(&list->members[i]->tuple);

		if (proc->pronamespace == nspid &&
			strcmp(format_procedure_qualified(proc->oid), identity) == 0)
			result = proc->oid;
	}
	ReleaseCatCacheList(list);
	return result;
}

static char *
identity_of(Relation rel, HeapTuple tuple)
{
	bool		isnull;

	return TextDatumGetCString(heap_getattr(tuple, ATTNO_FUNCTION, RelationGetDescr(rel), &isnull));
}

/*
 * rama_query_find() -- The function of a query, by the name that the user
 * gives; *fullname is schema.name.
 *
 * Errors: 42704 there is no such query that the user may see, or its function
 * is gone; 42501 without EXECUTE on the function.
 */
Oid
rama_query_find(const char *given, char **fullname)
{
	Relation	rel = table_open(rama_catalog_relid(TABLE), AccessShareLock);
	char	   *module;
	HeapTuple	tuple = rama_named_find(rel, given, NULL, &module);
	Oid			function = tuple ? find_function(identity_of(rel, tuple)) : InvalidOid;
	AclResult	aclresult;
	Datum		name;
	bool		isnull;

	if (!OidIsValid(function))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("query \"%s\" does not exist", given),
				 errhint("The view rama.queries lists those that there are.")));
	aclresult = rama_function_aclcheck(function, GetUserId(), ACL_EXECUTE);
	if (aclresult != ACLCHECK_OK)
		aclcheck_error(aclresult, OBJECT_FUNCTION, get_func_name(function));
	InvokeFunctionExecuteHook(function);
	name = heap_getattr(tuple, RAMA_NAMED_NAME, RelationGetDescr(rel), &isnull);
	*fullname = quote_qualified_identifier(module, TextDatumGetCString(name));
	table_close(rel, AccessShareLock);
	return function;
}

/* Is it one that can be called with values and returns some? */
static void
check_function(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc proc;
	AclResult	aclresult;
	bool		usable;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function with OID %u does not exist", function)));
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	usable = proc->prokind == PROKIND_FUNCTION;
	for (int i = -1; i < proc->pronargs; i++)
	{
		Oid			type = i < 0 ? proc->prorettype : proc->proargtypes.values[i];

		usable = usable && (get_typtype(type) != TYPTYPE_PSEUDO || (i < 0 && type == RECORDOID));
	}
	if (!usable)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s cannot be a query", format_procedure(function)),
				 errdetail("A query is a function that returns something, whose arguments and result have types of their own.")));
	ReleaseSysCache(tuple);
	aclresult = rama_function_aclcheck(function, GetUserId(), ACL_EXECUTE);
	if (aclresult != ACLCHECK_OK)
		aclcheck_error(aclresult, OBJECT_FUNCTION, get_func_name(function));
}

static char *
name_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the name must not be null")));
	return text_to_cstring(PG_GETARG_TEXT_PP(0));
}

/*
 * rama.create_query(name, function, if_not_exists) -- List a function as a
 * query.
 *
 * Errors: 42501 no CREATE privilege on the schema, or no EXECUTE on the
 * function; 42710 the name is taken; 22023 a function that can be none.
 */
Datum
rama_create_query(PG_FUNCTION_ARGS)
{
	char	   *text = name_argument(fcinfo);
	Datum		values[NATTS];
	bool		nulls[NATTS] = {false};
	Oid			nspid;
	char	   *name;
	char	   *module;

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the function must not be null")));
	rama_split_name(text, &nspid, &name);
	check_function(PG_GETARG_OID(1));
	module = get_namespace_name(nspid);
	if (rama_named_is_taken(TABLE, "query", text, module, name,
							!PG_ARGISNULL(2) && PG_GETARG_BOOL(2)))
		PG_RETURN_VOID();
	values[RAMA_NAMED_MODULE - 1] = CStringGetTextDatum(module);
	values[RAMA_NAMED_NAME - 1] = CStringGetTextDatum(name);
	values[RAMA_NAMED_OWNER - 1] = ObjectIdGetDatum(GetUserId());
	values[ATTNO_FUNCTION - 1] = CStringGetTextDatum(format_procedure_qualified(PG_GETARG_OID(1)));
	rama_catalog_insert(TABLE, values, nulls);
	PG_RETURN_VOID();
}

/*
 * rama.drop_query(name, if_exists) -- List it no longer; the function stays.
 *
 * Errors: 42704 there is none, 42501 neither its owner nor the schema's.
 */
Datum
rama_drop_query(PG_FUNCTION_ARGS)
{
	char	   *text = name_argument(fcinfo);

	rama_named_drop(TABLE, "query", text, !PG_ARGISNULL(1) && PG_GETARG_BOOL(1));
	PG_RETURN_VOID();
}

/* rama.query_function(identity) -- The function of that identity, or null. */
Datum
rama_query_function(PG_FUNCTION_ARGS)
{
	Oid			function = find_function(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	if (!OidIsValid(function))
		PG_RETURN_NULL();
	PG_RETURN_OID(function);
}

/* Copies of all rows. */
static List *
all_rows(Relation rel)
{
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	List	   *rows = NIL;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		rows = lappend(rows, heap_copytuple(tuple));
	systable_endscan(scan);
	return rows;
}

static bool
renames(Node *parsetree)
{
	return IsA(parsetree, RenameStmt) || IsA(parsetree, AlterObjectSchemaStmt);
}

static void
forget_known(void)
{
	if (known_context)
		MemoryContextDelete(known_context);
	known_context = NULL;
	known = NIL;
}

/*
 * rama_queries_before_ddl() -- Event trigger ddl_command_start: something is
 * going to be renamed or moved; which functions do the queries mean now?
 */
void
rama_queries_before_ddl(Node *parsetree)
{
	Relation	rel;
	List	   *rows;
	ListCell   *lc;

	forget_known();
	if (!renames(parsetree))
		return;
	rel = table_open(rama_catalog_relid(TABLE), AccessShareLock);
	rows = all_rows(rel);
	if (rows != NIL)
		known_context = AllocSetContextCreate(TopMemoryContext, "pg_rama queries",
											  ALLOCSET_SMALL_SIZES);
	foreach(lc, rows)
	{
		char	   *identity = identity_of(rel, lfirst(lc));
		Oid			function = find_function(identity);
		MemoryContext old = MemoryContextSwitchTo(known_context);
		Known	   *entry = palloc(sizeof(Known));

		entry->identity = pstrdup(identity);
		entry->function = function;
		known = lappend(known, entry);
		MemoryContextSwitchTo(old);
	}
	table_close(rel, AccessShareLock);
}

static Oid
known_function(const char *identity)
{
	ListCell   *lc;

	foreach(lc, known)
	{
		const Known *entry = lfirst(lc);

		if (strcmp(entry->identity, identity) == 0)
			return entry->function;
	}
	return InvalidOid;
}

static void
set_identity(Relation rel, HeapTuple row, const char *identity)
{
	int			attno = ATTNO_FUNCTION;
	Datum		value = CStringGetTextDatum(identity);
	bool		isnull = false;

	CatalogTupleUpdate(rel, &row->t_self,
					   heap_modify_tuple_by_cols(row, RelationGetDescr(rel), 1, &attno,
												 &value, &isnull));
}

/*
 * rama_queries_after_ddl() -- Event trigger ddl_command_end: queries follow
 * their functions. Without privilege checks: nothing but a name changes.
 */
void
rama_queries_after_ddl(Node *parsetree)
{
	Relation	rel;
	ListCell   *lc;

	if (known == NIL || !renames(parsetree))
		return;
	rel = table_open(rama_catalog_relid(TABLE), RowExclusiveLock);
	foreach(lc, all_rows(rel))
	{
		char	   *identity = identity_of(rel, lfirst(lc));
		Oid			function = known_function(identity);
		char	   *now = OidIsValid(function) &&
			SearchSysCacheExists1(PROCOID, ObjectIdGetDatum(function)) ?
			format_procedure_qualified(function) : identity;

		if (strcmp(now, identity) != 0)
			set_identity(rel, lfirst(lc), now);
	}
	CommandCounterIncrement();
	table_close(rel, NoLock);
	forget_known();
}

/* rama_query_function_dropped() -- A function is dropped: so are its queries. */
void
rama_query_function_dropped(const char *identity)
{
	Relation	rel = table_open(rama_catalog_relid(TABLE), RowExclusiveLock);
	ListCell   *lc;

	foreach(lc, all_rows(rel))
	{
		HeapTuple	row = lfirst(lc);

		if (strcmp(identity_of(rel, row), identity) == 0)
			CatalogTupleDelete(rel, &row->t_self);
	}
	CommandCounterIncrement();
	table_close(rel, NoLock);
}

/* rama_queries_dropped() -- A schema is dropped: its queries go. */
void
rama_queries_dropped(const char *module)
{
	rama_named_module_dropped(TABLE, module);
}

/* rama_queries_renamed() -- A schema has a new name: so have its queries. */
void
rama_queries_renamed(const char *module, const char *newname)
{
	rama_named_module_renamed(TABLE, module, newname);
}
