/*-------------------------------------------------------------------------
 *
 * query_call.c
 *	  A query, called with arguments given as JSON.
 *
 *-------------------------------------------------------------------------
 */
#include "watch/query.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "topology/topology.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* A call on its way: SELECT ... schema.function(name => $1, ...) */
typedef struct Call
{
	char	   *query;			/* its full name */
	HeapTuple	proc;			/* of pg_proc */
	Form_pg_proc form;
	char	  **names;			/* of the arguments; NULL: none has one */
	StringInfoData sql;
	int			nargs;
	Oid			types[FUNC_MAX_ARGS];
	Datum		values[FUNC_MAX_ARGS];
	char		nulls[FUNC_MAX_ARGS];
} Call;

static void
find_names(Call *call)
{
	Datum		names;
	Datum		modes;
	bool		nonames;
	bool		nomodes;

	names = SysCacheGetAttr(PROCOID, call->proc, Anum_pg_proc_proargnames, &nonames);
	modes = SysCacheGetAttr(PROCOID, call->proc, Anum_pg_proc_proargmodes, &nomodes);
	if (!nonames)
		(void) get_func_input_arg_names(names, nomodes ? PointerGetDatum(NULL) : modes,
										&call->names);
}

/* The value of argument number "number" of the function is this. */
static void
add_value(Call *call, int number, const JsonbValue *json)
{
	RamaType	type;
	RamaInput	input;
	bool		isnull;
	int			n = call->nargs++;

	rama_type_init(&type, call->form->proargtypes.values[number], -1);
	rama_input_of_json(&input, json);
	call->types[n] = type.oid;
	call->values[n] = rama_input_to_type(&input, &type, &isnull);
	call->nulls[n] = isnull ? 'n' : ' ';
	appendStringInfo(&call->sql, "%s$%d", n > 0 ? ", " : "", n + 1);
}

static void
add_positional(Call *call, JsonbContainer *array)
{
	int			count = JsonContainerSize(array);

	if (count > call->form->pronargs)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("query %s takes at most %d argument(s), and has %d",
						call->query, call->form->pronargs, count)));
	for (int i = 0; i < count; i++)
	{
		int			start = call->sql.len;

		add_value(call, i, getIthJsonbValueFromContainer(array, i));
		if (OidIsValid(call->form->provariadic) && i == call->form->pronargs - 1)
		{
			call->sql.len = start;
			appendStringInfo(&call->sql, "%sVARIADIC $%d", i > 0 ? ", " : "", i + 1);
		}
	}
}

static int
find_argument(const Call *call, const char *name)
{
	for (int i = 0; call->names && i < call->form->pronargs; i++)
		if (call->names[i] && strcmp(call->names[i], name) == 0)
			return i;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FUNCTION),
			 errmsg("query %s has no argument \"%s\"", call->query, name)));
}

static void
add_named(Call *call, JsonbContainer *object)
{
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	item;
	char	   *name = NULL;

	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		int			start = call->sql.len;
		int			number;

		if (token == WJB_KEY)
			name = pnstrdup(item.val.string.val, item.val.string.len);
		if (token != WJB_VALUE)
			continue;
		number = find_argument(call, name);
		add_value(call, number, &item);
		call->sql.len = start;
		appendStringInfo(&call->sql, "%s%s => $%d", call->nargs > 1 ? ", " : "",
						 quote_identifier(name), call->nargs);
	}
}

/* SELECT, up to the arguments. No column is likely to be called as the result is. */
static void
begin_sql(Call *call)
{
	char	   *function = quote_qualified_identifier(get_namespace_name(call->form->pronamespace),
													  NameStr(call->form->proname));

	initStringInfo(&call->sql);
	appendStringInfo(&call->sql, call->form->proretset ?
					 "SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(\" result \")) FROM %s(" :
					 "SELECT pg_catalog.to_jsonb(\" result \") FROM %s(", function);
}

static void
build(Call *call, Jsonb *args)
{
	find_names(call);
	begin_sql(call);
	if (JB_ROOT_IS_OBJECT(args))
		add_named(call, &args->root);
	else if (JB_ROOT_IS_ARRAY(args) && !JB_ROOT_IS_SCALAR(args))
		add_positional(call, &args->root);
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the arguments of a query are a JSON array, or an object with their names")));
	appendStringInfoString(&call->sql, ") \" result \"");
}

static Jsonb *
execute(Call *call, MemoryContext context)
{
	Jsonb	   *result = NULL;
	MemoryContext old;
	Datum		value;
	bool		isnull;

	if (SPI_execute_with_args(call->sql.data, call->nargs, call->types, call->values,
							  call->nulls, true, 2) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not call query %s", call->query);
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	old = MemoryContextSwitchTo(context);
	if (!isnull)
		result = DatumGetJsonbPCopy(value);
	else if (call->form->proretset)
	{
		JsonbParseState *state = NULL;

		pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
		result = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
	}
	MemoryContextSwitchTo(old);
	SPI_freetuptable(SPI_tuptable);
	return result;
}

/*
 * rama_query_call() -- Call a query with the user's rights and the active
 * snapshot, through SPI, to which the caller is connected.
 *
 * The result is JSON in the context, an array of the rows where the function
 * returns a set; NULL for null. Errors: those of rama_query_find(), 42883 and
 * 22P02 for arguments that do not fit, 22023 for such as are neither array nor
 * object, and the function's own.
 */
Jsonb *
rama_query_call(const char *query, Jsonb *args, MemoryContext context)
{
	Call		call = {.nargs = 0};
	Oid			function = rama_query_find(query, &call.query);
	Jsonb	   *result;

	call.proc = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(call.proc))
		elog(ERROR, "cache lookup failed for function %u", function);
	call.form = (Form_pg_proc) GETSTRUCT(call.proc);
	build(&call, args);
	result = execute(&call, context);
	ReleaseSysCache(call.proc);
	return result;
}
