/*-------------------------------------------------------------------------
 *
 * aggregate_sql_call.c
 *	  Aggregates of SQL as aggregators: a value that comes.
 *
 *-------------------------------------------------------------------------
 */
#include "path/aggregate.h"

#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* A value that comes, and what becomes of the place. */
typedef struct Advance
{
	RamaAggregate *aggregate;
	const RamaInput *inputs;
	Datum		state;
	bool		isnull;
} Advance;

static Datum
initial_state(const RamaSqlAggregate *sql)
{
	Oid			input;
	Oid			ioparam;

	getTypeInputInfo(sql->state.oid, &input, &ioparam);
	return OidInputFunctionCall(input, sql->initial, ioparam, -1);
}

/* The arguments behind the state; false where a strict function is not called. */
static bool
take_arguments(const RamaSqlAggregate *sql, const RamaInput *inputs, FunctionCallInfo fcinfo)
{
	for (int i = 0; i < sql->nargs; i++)
	{
		NullableDatum *arg = &fcinfo->args[i + 1];

		arg->value = (Datum) 0;
		arg->isnull = true;
		if (inputs[i].form != RAMA_INPUT_NULL)
			arg->value = rama_input_to_type(&inputs[i], &sql->args[i], &arg->isnull);
		if (arg->isnull && sql->transition.fn_strict)
			return false;
	}
	return true;
}

static bool
advance_state(Advance *advance)
{
	RamaSqlAggregate *sql = advance->aggregate->sql;
	LOCAL_FCINFO(fcinfo, FUNC_MAX_ARGS + 1);
	Datum		result;

	InitFunctionCallInfoData(*fcinfo, &sql->transition, sql->nargs + 1, sql->collation,
							 NULL, NULL);
	if (!take_arguments(sql, advance->inputs, fcinfo))
		return false;
	if (advance->isnull && sql->initial)
	{
		advance->state = initial_state(sql);
		advance->isnull = false;
	}
	if (advance->isnull && sql->transition.fn_strict)
	{
		/* The first value is the state. */
		advance->state = fcinfo->args[1].value;
		advance->isnull = false;
		return true;
	}
	fcinfo->args[0].value = advance->state;
	fcinfo->args[0].isnull = advance->isnull;
	result = FunctionCallInvoke(fcinfo);
	advance->state = fcinfo->isnull ? (Datum) 0 : result;
	advance->isnull = fcinfo->isnull;
	return true;
}

static bool
final_value(const Advance *advance, Datum *value)
{
	RamaSqlAggregate *sql = advance->aggregate->sql;
	LOCAL_FCINFO(fcinfo, FUNC_MAX_ARGS + 1);

	*value = advance->state;
	if (!sql->has_final)
		return !advance->isnull;
	if (sql->final.fn_strict && (advance->isnull || sql->nfinal > 1))
		return false;
	InitFunctionCallInfoData(*fcinfo, &sql->final, sql->nfinal, sql->collation, NULL, NULL);
	fcinfo->args[0].value = advance->state;
	fcinfo->args[0].isnull = advance->isnull;
	for (int i = 1; i < sql->nfinal; i++)
	{
		fcinfo->args[i].value = (Datum) 0;
		fcinfo->args[i].isnull = true;
	}
	*value = FunctionCallInvoke(fcinfo);
	return !fcinfo->isnull;
}

/* A value of the aggregate's, as the place has it. */
static bool
set_place(RamaAggregate *part, Datum *place, bool *isnull, Oid type, Datum value,
		  bool value_isnull)
{
	RamaInput	input = {.form = RAMA_INPUT_SQL, .type = type, .datum = value};

	if (!value_isnull)
		return rama_aggregate_input(part, place, isnull, &input);
	*isnull = true;
	return true;
}

static bool
change_place(void *arg, int i, Datum *place, bool *isnull)
{
	Advance    *advance = arg;
	RamaSqlAggregate *sql = advance->aggregate->sql;
	Datum		value;
	bool		found;

	if (i == RAMA_SQL_VALUE)
	{
		found = final_value(advance, &value);
		return set_place(advance->aggregate->parts[RAMA_SQL_VALUE], place, isnull, sql->result,
						 value, !found);
	}
	advance->state = *place;
	advance->isnull = *isnull;
	return advance_state(advance) &&
		set_place(advance->aggregate->parts[RAMA_SQL_STATE], place, isnull, sql->state.oid,
				  advance->state, advance->isnull);
}

/* The transition, or two states into one. */
void
rama_apply_sql(RamaAggregate *aggregate, const RamaTarget *target, const RamaInput *values)
{
	Advance		advance = {.aggregate = aggregate, .inputs = values};
	RamaType	types[2];
	int			n = aggregate->fields[RAMA_SQL_VALUE] ? 2 : 1;

	for (int i = 0; i < n; i++)
		types[i] = aggregate->parts[i]->place;
	rama_target_update(target, n, aggregate->fields[RAMA_SQL_STATE] ? aggregate->fields : NULL,
					   types, NULL, change_place, &advance);
}
