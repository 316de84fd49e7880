/*-------------------------------------------------------------------------
 *
 * sqlfunction.c
 *	  SQL functions in paths.
 *
 * Paths may come from clients: a function is called only if it is IMMUTABLE
 * or registered in rama.path_function, and if it is written with its schema,
 * so that search_path does not matter. It is called with the caller's rights.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(rama_allow_in_paths);
PG_FUNCTION_INFO_V1(rama_forbid_in_paths);

#define REGISTRY "path_function"

typedef struct RamaSqlFunction
{
	Oid			oid;
	const char *name;
	int			nargs;
	RamaType   *types;			/* of the arguments */
	Oid			result;
	bool		strict;
	bool		running;
	FmgrInfo	finfo;
} RamaSqlFunction;

/* Polymorphic arguments are given as jsonb. */
static Oid
actual_type(Oid type)
{
	switch (type)
	{
		case ANYELEMENTOID:
		case ANYNONARRAYOID:
		case ANYCOMPATIBLEOID:
		case ANYCOMPATIBLENONARRAYOID:
			return JSONBOID;
		default:
			return type;
	}
}

static bool
is_usable_type(Oid type)
{
	return get_typtype(actual_type(type)) != TYPTYPE_PSEUDO;
}

/* How well a value of a type (or, if that is not known, its JSON) fits: 0 not at all. */
static int
score_typed(const RamaType *given, Oid wanted)
{
	Oid			type = given->oid;

	if (type == wanted)
		return 4;
	if (can_coerce_type(1, &type, &wanted, COERCION_IMPLICIT))
		return 3;
	return wanted == JSONBOID ? 2 : 1;
}

static int
score_json(const JsonbValue *json, Oid wanted)
{
	char		category;
	bool		preferred;

	get_type_category_preferred(wanted, &category, &preferred);
	if (json == NULL || json->type == jbvNull)
		return wanted == JSONBOID ? 4 : 1;
	switch (json->type)
	{
		case jbvNumeric:
			if (wanted == NUMERICOID)
				return 4;
			return wanted == JSONBOID ? 3 : category == TYPCATEGORY_NUMERIC ? 2 : 1;
		case jbvString:
			if (wanted == TEXTOID)
				return 4;
			return wanted == JSONBOID ? 2 : category == TYPCATEGORY_STRING ? 3 : 1;
		case jbvBool:
			return wanted == BOOLOID ? 4 : wanted == JSONBOID ? 3 : 1;
		default:
			return wanted == JSONBOID ? 4 : 1;
	}
}

static int
score_candidate(FuncCandidateList candidate, const RamaType *first, int nargs,
				const JsonbValue *args)
{
	int			score = 0;

	for (int i = 0; i < candidate->nargs; i++)
	{
		Oid			wanted = candidate->args[i];

		if (!is_usable_type(wanted))
			return -1;
		wanted = actual_type(wanted);
		if (nargs < 0)
			score += wanted == JSONBOID ? 2 : 1;
		else if (i == 0 && first)
			score += score_typed(first, wanted);
		else
			score += score_json(i == 0 ? NULL : &args[i - 1], wanted);
	}
	return score;
}

/* The registry knows functions by their name and argument types. */
static bool
find_registered(const char *function, ItemPointer tid)
{
	Datum		name = CStringGetTextDatum(function);
	Relation	rel = table_open(rama_catalog_relid(REGISTRY), AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_TEXTEQ, name);
	key.sk_collation = C_COLLATION_OID;
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 1, &key);
	tuple = systable_getnext(scan);
	found = HeapTupleIsValid(tuple);
	if (found && tid)
		*tid = tuple->t_self;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

static bool
is_registered(Oid function)
{
	return find_registered(format_procedure_qualified(function), NULL);
}

static bool
is_allowed(Oid function)
{
	return get_func_prokind(function) == PROKIND_FUNCTION && !get_func_retset(function) &&
		is_usable_type(get_func_rettype(function)) &&
		(func_volatile(function) == PROVOLATILE_IMMUTABLE || is_registered(function));
}

static void
unknown_function(const RamaStep *step, const char *name)
{
	char	   *near = rama_builtin_near(name);

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FUNCTION),
			 errmsg("step %d of the path (%s): unknown function \"%s\"",
					step->position, step->nav->names[0], name),
			 near ? errhint("Perhaps you meant %s.", near) :
			 errhint("Functions of SQL are written with their schema.")));
}

static void
refuse_function(const RamaStep *step, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("step %d of the path (%s): function \"%s\" is not allowed in paths",
					step->position, step->nav->names[0], name),
			 errdetail("Paths may come from clients: they call functions that are IMMUTABLE, or that were registered, and return one value."),
			 errhint("The function's owner may run rama.allow_in_paths(...).")));
}

static RamaSqlFunction *
make_function(Oid oid)
{
	RamaSqlFunction *function = palloc0(sizeof(RamaSqlFunction));
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(oid));
	Form_pg_proc form;
	List	   *args = NIL;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", oid);
	form = (Form_pg_proc) GETSTRUCT(tuple);
	function->oid = oid;
	function->name = pstrdup(NameStr(form->proname));
	function->nargs = form->pronargs;
	function->strict = form->proisstrict;
	function->result = actual_type(form->prorettype);
	function->types = palloc(sizeof(RamaType) * Max(form->pronargs, 1));
	for (int i = 0; i < form->pronargs; i++)
	{
		Oid			type = actual_type(form->proargtypes.values[i]);

		rama_type_init(&function->types[i], type, -1);
		args = lappend(args, makeNullConst(type, -1, InvalidOid));
	}
	ReleaseSysCache(tuple);
	fmgr_info(oid, &function->finfo);
	fmgr_info_set_expr((Node *) makeFuncExpr(oid, function->result, args, InvalidOid,
											 DEFAULT_COLLATION_OID, COERCE_EXPLICIT_CALL),
					   &function->finfo);
	return function;
}

/*
 * rama_sql_function_bind() -- Find the function of a name with its schema
 * that fits a number of arguments best (-1: the only one that there is).
 *
 * first is the type of the first argument, NULL if that is not known; args
 * are the others. Errors as for rama_call_add().
 */
RamaSqlFunction *
rama_sql_function_bind(const RamaStep *step, const char *name, const RamaType *first,
					   int nargs, const JsonbValue *args)
{
	FuncCandidateList candidates;
	Oid			best = InvalidOid;
	int			bestscore = -1;
	bool		unique = true;
	bool		allowed = false;
	bool		fits = false;

	if (strchr(name, '.') == NULL)
		unknown_function(step, name);
	candidates = FuncnameGetCandidates(stringToQualifiedNameList_compat(name), -1, NIL,
									   false, false, false, true);
	for (FuncCandidateList c = candidates; c; c = c->next)
	{
		int			score;

		allowed = allowed || is_allowed(c->oid);
		if (nargs >= 0 && c->nargs != nargs)
			continue;
		fits = true;
		if (!is_allowed(c->oid))
			continue;
		score = score_candidate(c, first, nargs, args);
		if (score < 0)
			continue;
		if (score == bestscore)
			unique = false;
		if (score > bestscore)
		{
			best = c->oid;
			bestscore = score;
			unique = true;
		}
	}
	if (candidates == NULL)
		unknown_function(step, name);
	if (!fits && allowed)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("step %d of the path (%s): no function \"%s\" takes %d argument(s)",
						step->position, step->nav->names[0], name, nargs)));
	if (bestscore < 0)
		refuse_function(step, name);
	if (!unique)
		ereport(ERROR,
				(errcode(ERRCODE_AMBIGUOUS_FUNCTION),
				 errmsg("step %d of the path (%s): function \"%s\" is not unique",
						step->position, step->nav->names[0], name)));
	return make_function(best);
}

static void
check_execute(Oid function)
{
	AclResult	aclresult = rama_function_aclcheck(function, GetUserId(), ACL_EXECUTE);

	if (aclresult != ACLCHECK_OK)
		aclcheck_error(aclresult, OBJECT_FUNCTION, get_func_name(function));
	InvokeFunctionExecuteHook(function);
}

/*
 * Call the function. What an implementation keeps in its FmgrInfo may be in use if
 * the function comes here again by a path of its own.
 */
static Datum
invoke(RamaSqlFunction *function, FunctionCallInfo fcinfo)
{
	FmgrInfo	finfo;
	Datum		result;

	if (function->running)
	{
		fmgr_info_copy(&finfo, &function->finfo, CurrentMemoryContext);
		fcinfo->flinfo = &finfo;
		return FunctionCallInvoke(fcinfo);
	}
	function->running = true;
	PG_TRY();
	{
		result = FunctionCallInvoke(fcinfo);
	}
	PG_FINALLY();
	{
		function->running = false;
	}
	PG_END_TRY();
	return result;
}

/*
 * rama_sql_function_call() -- Call a function, its arguments converted from
 * JSON; false where it returns null.
 *
 * Errors: 42501 without EXECUTE privilege, 42883 for a wrong number of
 * arguments, 22P02 for one that does not convert, and the function's own.
 */
bool
rama_sql_function_call(const RamaStep *step, RamaSqlFunction *function, int nargs,
					   const JsonbValue *args, JsonbValue *result)
{
	LOCAL_FCINFO(fcinfo, FUNC_MAX_ARGS);
	Datum		value;

	check_execute(function->oid);
	if (nargs != function->nargs)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function \"%s\" takes %d argument(s), and has %d",
						function->name, function->nargs, nargs)));
	InitFunctionCallInfoData(*fcinfo, &function->finfo, nargs, DEFAULT_COLLATION_OID, NULL, NULL);
	for (int i = 0; i < nargs; i++)
	{
		RamaInput	input;

		rama_input_of_json(&input, &args[i]);
		fcinfo->args[i].value = rama_input_to_type(&input, &function->types[i],
												   &fcinfo->args[i].isnull);
		if (fcinfo->args[i].isnull && function->strict)
			return false;
	}
	value = invoke(function, fcinfo);
	if (fcinfo->isnull)
		return false;
	rama_datum_to_json(function->result, value, result);
	if (result->type == jbvArray || result->type == jbvObject)
		rama_jsonb_to_json(rama_json_to_jsonb(result), result);
	return result->type != jbvNull;
}

static Oid
checked_function(FunctionCallInfo fcinfo)
{
	Oid			function = PG_GETARG_OID(0);

	if (!SearchSysCacheExists1(PROCOID, ObjectIdGetDatum(function)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function with OID %u does not exist", function)));
	if (!object_ownercheck(ProcedureRelationId, function, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_FUNCTION, get_func_name(function));
	return function;
}

/*
 * rama.allow_in_paths(function) -- Paths may call the function, whatever its
 * volatility.
 *
 * The owner may: a role that can make functions could as well call its own
 * IMMUTABLE. Errors: 42501 not the owner, 22023 a function that returns no
 * one value.
 */
Datum
rama_allow_in_paths(PG_FUNCTION_ARGS)
{
	Oid			function = checked_function(fcinfo);
	Datum		values[1] = {CStringGetTextDatum(format_procedure_qualified(function))};
	bool		nulls[1] = {false};

	if (get_func_prokind(function) != PROKIND_FUNCTION || get_func_retset(function) ||
		!is_usable_type(get_func_rettype(function)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is no function that returns one value",
						get_func_name(function))));
	if (!is_registered(function))
	{
		rama_catalog_insert(REGISTRY, values, nulls);
		rama_paths_changed(REGISTRY);
	}
	PG_RETURN_VOID();
}

/* Take a function out of the registry, if it is there. */
static void
unregister(const char *function)
{
	ItemPointerData tid;
	Relation	rel;

	if (!find_registered(function, &tid))
		return;
	rel = table_open(rama_catalog_relid(REGISTRY), RowExclusiveLock);
	CatalogTupleDelete(rel, &tid);
	table_close(rel, NoLock);
	rama_paths_changed(REGISTRY);
}

/* rama.forbid_in_paths(function) -- ... and no longer, unless it is IMMUTABLE. */
Datum
rama_forbid_in_paths(PG_FUNCTION_ARGS)
{
	unregister(format_procedure_qualified(checked_function(fcinfo)));
	PG_RETURN_VOID();
}

/*
 * rama_path_function_dropped() -- A function is dropped, which is called by its schema,
 * name and argument types, as pg_event_trigger_dropped_objects() says them.
 */
void
rama_path_function_dropped(const char *identity)
{
	unregister(identity);
}
