/*-------------------------------------------------------------------------
 *
 * select.c
 *	  rama.select() and rama.select_one().
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

#include "executor/executor.h"
#include "funcapi.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(rama_select);
PG_FUNCTION_INFO_V1(rama_select_one);

static void
end_select(Datum arg)
{
	rama_eval_end((RamaEval *) DatumGetPointer(arg));
}

static RamaEval *
begin_select(FunctionCallInfo fcinfo, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	RamaPState *pstate = rama_pstate_get(PG_GETARG_OID(0));
	RamaEval   *eval = palloc(sizeof(RamaEval));
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	rama_pstate_check_read(pstate);
	rama_eval_init(eval, rama_path_get(pstate, PG_GETARG_JSONB_P(1)), true, context);
	RegisterExprContextCallback(rsinfo->econtext, end_select, PointerGetDatum(eval));
	MemoryContextSwitchTo(old);
	return eval;
}

/*
 * rama.select(pstate, path) -- Every value that the path focuses, one a call.
 */
Datum
rama_select(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	RamaEval   *eval;
	RamaFocus	focus;
	ReturnSetInfo *rsinfo;

	if (SRF_IS_FIRSTCALL())
	{
		call = SRF_FIRSTCALL_INIT();
		call->user_fctx = begin_select(fcinfo, call->multi_call_memory_ctx);
	}
	call = SRF_PERCALL_SETUP();
	eval = call->user_fctx;
	rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	if (rama_eval_next(eval, &focus))
	{
		bool		isnull;
		Datum		result = rama_focus_result(&focus, eval->snapshot, &isnull);

		if (isnull)
			SRF_RETURN_NEXT_NULL(call);
		SRF_RETURN_NEXT(call, result);
	}
	UnregisterExprContextCallback(rsinfo->econtext, end_select, PointerGetDatum(eval));
	rama_eval_end(eval);
	SRF_RETURN_DONE(call);
}

/*
 * rama.select_one(pstate, path) -- The one value that the path focuses.
 *
 * Errors: P0002 none, P0003 several.
 */
Datum
rama_select_one(PG_FUNCTION_ARGS)
{
	RamaPState *pstate = rama_pstate_get(PG_GETARG_OID(0));
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "pg_rama select",
												  ALLOCSET_SMALL_SIZES);
	RamaEval	eval;
	RamaFocus	focus;
	Datum		result;
	bool		isnull;

	rama_pstate_check_read(pstate);
	rama_eval_init(&eval, rama_path_get(pstate, PG_GETARG_JSONB_P(1)), false, context);
	if (!rama_eval_next(&eval, &focus))
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("the path selects no value")));
	result = rama_focus_result(&focus, eval.snapshot, &isnull);
	if (rama_eval_next(&eval, &focus))
		ereport(ERROR,
				(errcode(ERRCODE_TOO_MANY_ROWS),
				 errmsg("the path selects more than one value"),
				 errhint("rama.select returns all of them.")));
	rama_eval_end(&eval);
	MemoryContextDelete(context);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result);
}
