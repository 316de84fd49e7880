/*-------------------------------------------------------------------------
 *
 * pushdown.c
 *	  Comparisons of keys with constants, as bounds of the index scan that yields
 *	  the keys.
 *
 * [map-keys] [pred> 3] [pred<= 9] reads the keys in (3, 9] of a map with a table; so
 * do [all] over a set, and [all] [selected? [0 [pred> 3]]] over a map. Bounds may only
 * ever leave out what a filter refuses. Where they leave out all of it, the
 * filter is not evaluated.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"
#include "path/types.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* What a comparison makes of the bounds. */
typedef enum Pushed
{
	NOT_PUSHED,
	PUSHED_LOOSELY,				/* rows within the bounds may not pass */
	PUSHED
} Pushed;

/* -1, 0, 1: which way a comparison goes; *inclusive also where it is equal. */
static bool
direction(const RamaStep *step, int *sign, bool *inclusive)
{
	bool		(*go) (RamaEval *, const RamaStep *, RamaFocus *) = step->nav->go;

	if (step->nav->bind != rama_bind_compare || go == rama_go_not_equal)
		return false;
	*sign = go == rama_go_equal ? 0 :
		go == rama_go_less || go == rama_go_less_equal ? -1 : 1;
	*inclusive = go == rama_go_equal || go == rama_go_less_equal || go == rama_go_greater_equal;
	return true;
}

/* A number as an integer of the type, with how much it is off; false: it is beyond. */
static bool
integer_of(Numeric number, Oid type, Datum *result, int *rest)
{
	Datum		given = NumericGetDatum(number);
	Datum		floor = DirectFunctionCall1(numeric_floor, given);
	int64		least = type == INT2OID ? PG_INT16_MIN : type == INT4OID ? PG_INT32_MIN : PG_INT64_MIN;
	int64		most = type == INT2OID ? PG_INT16_MAX : type == INT4OID ? PG_INT32_MAX : PG_INT64_MAX;
	int64		value;

	if (numeric_is_nan(number) || numeric_is_inf(number) ||
		!DatumGetBool(DirectFunctionCall2(numeric_ge, floor, NumericGetDatum(int64_to_numeric(least)))) ||
		!DatumGetBool(DirectFunctionCall2(numeric_le, floor, NumericGetDatum(int64_to_numeric(most)))))
		return false;
	value = DatumGetInt64(DirectFunctionCall1(numeric_int8, floor));
	*rest = DatumGetInt32(DirectFunctionCall2(numeric_cmp, given, floor));
	*result = type == INT2OID ? Int16GetDatum((int16) value) :
		type == INT4OID ? Int32GetDatum((int32) value) : Int64GetDatum(value);
	return true;
}

/*
 * The constant as a key, by which filter and index decide alike; of a whole number's
 * type the greatest one not above it, and *above tells whether that is below.
 */
static Pushed
bound_of(const RamaStep *step, const RamaType *key, Datum *value, bool *above)
{
	Oid			base = getBaseType(key->oid);

	*above = false;
	if (step->typed)
	{
		*value = step->key.datum;
		return PUSHED;
	}
	switch (base)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			{
				int			rest;

				if (step->value.type != jbvNumeric ||
					!integer_of(step->value.val.numeric, base, value, &rest))
					return NOT_PUSHED;
				*above = rest > 0;
				return PUSHED;
			}
		case NUMERICOID:
			/* NaN and the infinities are strings to a filter. */
			if (step->value.type != jbvNumeric)
				return NOT_PUSHED;
			*value = NumericGetDatum(step->value.val.numeric);
			return PUSHED_LOOSELY;
		case TEXTOID:
		case VARCHAROID:
			if (step->value.type != jbvString)
				return NOT_PUSHED;
			*value = PointerGetDatum(cstring_to_text_with_len(step->value.val.string.val,
															  step->value.val.string.len));
			return PUSHED;
		default:
			return NOT_PUSHED;
	}
}

static Pushed
push_comparison(RamaPart *part, const RamaStep *step, const RamaType *key)
{
	RamaBound	bound = {.isset = true};
	bool		above;
	int			sign;
	Pushed		result;

	if (!direction(step, &sign, &bound.inclusive) || step->value.type == jbvNull)
		return NOT_PUSHED;
	result = bound_of(step, key, &bound.value, &above);
	if (result == NOT_PUSHED || (above && sign == 0))
		return NOT_PUSHED;
	/* value < given < value + 1 */
	if (above)
		bound.inclusive = sign < 0;
	if (sign >= 0)
		part->low = rama_bound_tighter(key, &part->low, &bound, 1);
	if (sign <= 0)
		part->high = rama_bound_tighter(key, &part->high, &bound, -1);
	return result;
}

/* selected? with a path to a pair's key and comparisons only */
static Pushed
push_selected(RamaPart *part, const RamaStep *step, const RamaType *key)
{
	const RamaBranch *branch = step->branches;
	Pushed		result = PUSHED;

	if (step->nav->go != rama_go_selected || branch->nsteps < 2 ||
		branch->steps[0].nav->go != rama_go_key || branch->steps[0].out.kind != RAMA_SHAPE_KEY)
		return NOT_PUSHED;
	for (int i = 1; i < branch->nsteps; i++)
	{
		Pushed		one = push_comparison(part, &branch->steps[i], key);

		if (one == NOT_PUSHED)
			return i > 1 ? PUSHED_LOOSELY : NOT_PUSHED;
		result = Min(result, one);
	}
	return result;
}

/* Does the step yield the keys of a table, or pairs with them? */
static bool
yields_keys(const RamaStep *step)
{
	if (step->in.kind != RAMA_SHAPE_NODE || step->in.node->storage != RAMA_IN_TABLE)
		return false;
	if (step->nav->next == rama_next_map_key)
		return true;
	return step->nav->next == rama_next_all && step->in.node->kind != RAMA_VECTOR;
}

static void
push_into(RamaStep *step, const RamaStep *filters, int nfilters)
{
	const RamaType *key = &step->in.node->key;
	RamaPart	part = {.amount = -1};
	bool		exact = true;

	for (int i = 0; i < nfilters; i++)
	{
		Pushed		pushed = step->out.kind == RAMA_SHAPE_PAIR ?
			push_selected(&part, &filters[i], key) : push_comparison(&part, &filters[i], key);

		if (pushed == NOT_PUSHED)
			break;
		exact = exact && pushed == PUSHED;
		if (exact)
			step->nsettled = i + 1;
	}
	if (!part.low.isset && !part.high.isset)
		return;
	step->bounds = palloc_object(RamaPart);
	*step->bounds = part;
}

/*
 * rama_steps_push() -- Give the steps that walk over keys the bounds that the
 * comparisons right behind them ask for. The steps have been bound.
 */
void
rama_steps_push(RamaStep *steps, int nsteps)
{
	for (int i = 0; i < nsteps - 1; i++)
		if (yields_keys(&steps[i]))
			push_into(&steps[i], &steps[i + 1], nsteps - i - 1);
}

/*
 * rama_focus_push() -- Narrow the rows that a step is to walk over. Returns how many
 * of the following steps need not be evaluated.
 *
 * Behind an amount nothing is narrowed: it was counted before the filters.
 */
int
rama_focus_push(RamaFocus *focus, const RamaStep *step)
{
	const RamaType *key = &focus->node->key;

	if (step->bounds == NULL || focus->node != step->in.node ||
		(focus->ispart && focus->part.amount >= 0))
		return 0;
	if (!focus->ispart)
		focus->part = *step->bounds;
	else
	{
		focus->part.low = rama_bound_tighter(key, &focus->part.low, &step->bounds->low, 1);
		focus->part.high = rama_bound_tighter(key, &focus->part.high, &step->bounds->high, -1);
	}
	focus->ispart = true;
	return step->nsettled;
}
