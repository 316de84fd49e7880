/*-------------------------------------------------------------------------
 *
 * get.c
 *	  rama.get(), rama.get_text(), rama.get_as() and rama.count().
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"
#include "path/types.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(rama_get);
PG_FUNCTION_INFO_V1(rama_get_text);
PG_FUNCTION_INFO_V1(rama_get_as);
PG_FUNCTION_INFO_V1(rama_count);

static void
require_pstate(FunctionCallInfo fcinfo, int arg)
{
	if (PG_ARGISNULL(arg))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the PState must not be null")));
}

/* The keys are argument arg + 1 of the function, the PState is argument arg. */
static bool
focus_call(FunctionCallInfo fcinfo, int arg, RamaFocus *focus)
{
	RamaPState *pstate;
	RamaArgs	args = {.count = 0};

	require_pstate(fcinfo, arg);
	pstate = rama_pstate_get(PG_GETARG_OID(arg));
	rama_pstate_check_read(pstate);
	if (PG_ARGISNULL(arg + 1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the keys must not be null")));
	rama_args_of_array(PG_GETARG_ARRAYTYPE_P(arg + 1), &args);
	return rama_focus_args(focus, pstate, &args, GetActiveSnapshot());
}

/* rama.get(pstate, keys...) -- The value at the keys, as jsonb. */
Datum
rama_get(PG_FUNCTION_ARGS)
{
	RamaFocus	focus;
	Datum		result;
	bool		isnull;

	if (!focus_call(fcinfo, 0, &focus))
		PG_RETURN_NULL();
	result = rama_focus_result(&focus, GetActiveSnapshot(), &isnull);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result);
}

/* rama.get_text(pstate, keys...) -- The same as text, strings unquoted. */
Datum
rama_get_text(PG_FUNCTION_ARGS)
{
	RamaFocus	focus;
	JsonbValue	json;
	int			len;
	char	   *text;

	if (!focus_call(fcinfo, 0, &focus) ||
		!rama_focus_to_json(&focus, GetActiveSnapshot(), &json))
		PG_RETURN_NULL();
	text = rama_json_to_text(&json, &len);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(text, len));
}

static bool
is_json_type(Oid type)
{
	Oid			base = rama_type_info(type)->base;

	return base == JSONBOID || base == JSONOID;
}

/*
 * rama.get_as(type, pstate, keys...) -- The value as an SQL type: a scalar by
 * cast, anything else from its JSON.
 */
Datum
rama_get_as(PG_FUNCTION_ARGS)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 0);
	RamaFocus	focus;
	RamaType	target;
	RamaInput	input;
	bool		isnull;
	Datum		result;

	if (!OidIsValid(type))
		elog(ERROR, "could not determine the type of the first argument");
	if (!focus_call(fcinfo, 1, &focus))
		PG_RETURN_NULL();
	rama_focus_load(&focus, GetActiveSnapshot());
	if (focus.at == RAMA_AT_DATUM && !is_json_type(type))
	{
		if (focus.type->oid == type)
			result = datumCopy(focus.datum, focus.type->byval, focus.type->len);
		else
		{
			result = rama_cast(focus.datum, focus.type->oid, type, -1, true, &isnull);
			if (isnull)
				PG_RETURN_NULL();
			result = datumCopy(result, get_typbyval(type), get_typlen(type));
		}
		PG_RETURN_DATUM(result);
	}

	if (!rama_focus_to_json(&focus, GetActiveSnapshot(), &input.json))
		PG_RETURN_NULL();
	input.form = RAMA_INPUT_JSON;
	rama_type_init(&target, type, -1);
	if (rama_type_info(type)->category == RAMA_TYPE_TEXT)
	{
		int			len;
		char	   *text = rama_json_to_text(&input.json, &len);

		PG_RETURN_DATUM(rama_convert(PointerGetDatum(cstring_to_text_with_len(text, len)),
									 TEXTOID, &target));
	}
	PG_RETURN_DATUM(rama_input_to_type(&input, &target, &isnull));
}

/* rama.count(pstate, keys...) -- The number of elements, 0 of nothing. */
Datum
rama_count(PG_FUNCTION_ARGS)
{
	RamaFocus	focus;

	if (!focus_call(fcinfo, 0, &focus))
		PG_RETURN_INT64(0);
	PG_RETURN_INT64(rama_focus_count(&focus, GetActiveSnapshot()));
}
