/*-------------------------------------------------------------------------
 *
 * add.c
 *	  rama.add(): add to the number at a place.
 *
 * Computed in numeric, stored by assignment cast.
 *
 *-------------------------------------------------------------------------
 */
#include "path/write.h"
#include "path/types.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(rama_add);

static void
not_a_number(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("cannot add to %s", what),
			 errdetail("It is not a number.")));
}

static Datum
to_numeric(Datum datum, Oid type)
{
	bool		isnull;

	switch (type)
	{
		case INT8OID:
			return NumericGetDatum(int64_to_numeric(DatumGetInt64(datum)));
		case INT4OID:
			return NumericGetDatum(int64_to_numeric(DatumGetInt32(datum)));
		case NUMERICOID:
			return datum;
		default:
			return rama_cast(datum, type, NUMERICOID, -1, true, &isnull);
	}
}

static Datum
input_to_numeric(const RamaInput *input)
{
	RamaType	numeric;
	Datum		number;
	bool		isnull;

	rama_type_init(&numeric, NUMERICOID, -1);
	number = rama_input_to_type(input, &numeric, &isnull);
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the number to add must not be null")));
	return number;
}

static Datum
sum_of(Datum old, bool isnull, Datum amount)
{
	return isnull ? amount : DirectFunctionCall2(numeric_add, old, amount);
}

/* Integers are added as such, with the same result. */
static bool
is_integer(Oid type)
{
	return type == INT8OID || type == INT4OID || type == INT2OID;
}

static int64
to_int64(Datum datum, Oid type)
{
	switch (type)
	{
		case INT8OID:
			return DatumGetInt64(datum);
		case INT4OID:
			return DatumGetInt32(datum);
		default:
			return DatumGetInt16(datum);
	}
}

/* A bigint column, and an integer to add. */
static Datum
add_integer(const RamaTarget *target, int64 amount)
{
	const RamaNode *node = target->node;
	bool		isnull = false;
	RamaRow		row;
	Datum		sum;
	int64		old = 0;
	int64		new;

	rama_row_open(&row, node->table, target->keys, false);
	if (row.found && !row.nulls[node->attno - 1])
		old = DatumGetInt64(row.values[node->attno - 1]);
	if (pg_add_s64_overflow(old, amount, &new))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("bigint out of range")));
	sum = Int64GetDatum(new);
	row.as = RAMA_AS_ADD;
	rama_row_store(&row, 1, &node->attno, &sum, &isnull);
	rama_row_close(&row);
	return NumericGetDatum(int64_to_numeric(new));
}

/* A column with a number. */
static Datum
add_to_row(const RamaTarget *target, const RamaInput *input)
{
	const RamaNode *node = target->node;
	RamaRow		row;
	Datum		value = (Datum) 0;
	bool		isnull = true;
	Datum		amount;

	if (node->type.oid == INT8OID && input->form == RAMA_INPUT_SQL && is_integer(input->type))
		return add_integer(target, to_int64(input->datum, input->type));
	amount = input_to_numeric(input);
	rama_row_open(&row, node->table, target->keys, false);
	if (row.found)
	{
		value = row.values[node->attno - 1];
		isnull = row.nulls[node->attno - 1];
	}
	value = sum_of(isnull ? (Datum) 0 : to_numeric(value, node->type.oid), isnull, amount);
	value = rama_convert(value, NUMERICOID, &node->type);
	isnull = false;
	row.as = RAMA_AS_ADD;
	rama_row_store(&row, 1, &node->attno, &value, &isnull);
	rama_row_close(&row);
	return to_numeric(value, node->type.oid);
}

static bool
apply_add(RamaEdit *edit, const RamaNode *node, const JsonbValue *old, JsonbValue **out)
{
	Datum		sum;

	if (node != NULL &&
		(node->kind != RAMA_SCALAR ||
		 rama_type_info(node->type.oid)->category != RAMA_TYPE_NUMBER))
		not_a_number(rama_shape_name(rama_shape_of_node(node)));
	if (old != NULL && old->type != jbvNumeric)
		not_a_number(psprintf("a JSON %s", rama_json_kind(old)));

	sum = sum_of(old ? NumericGetDatum(old->val.numeric) : (Datum) 0, old == NULL,
				 input_to_numeric(edit->input));
	if (node != NULL)
		sum = to_numeric(rama_convert(sum, NUMERICOID, &node->type), node->type.oid);
	edit->result = sum;
	*out = palloc(sizeof(JsonbValue));
	rama_datum_to_json(NUMERICOID, sum, *out);
	return true;
}

static Datum
add_to_target(const RamaTarget *target, const RamaInput *input)
{
	const RamaNode *node = target->node;

	if (target->iselement)
		not_a_number("an element of a set");
	if (target->column || (node->kind == RAMA_SCALAR && node->type.oid == JSONBOID))
	{
		RamaEdit	edit = {.apply = apply_add, .input = input, .adds = true};

		(void) rama_target_edit(target, &edit);
		return edit.result;
	}
	if (node->kind != RAMA_SCALAR ||
		rama_type_info(node->type.oid)->category != RAMA_TYPE_NUMBER)
		not_a_number(rama_shape_name(rama_shape_of_node(node)));
	return add_to_row(target, input);
}

/*
 * rama.add(pstate, keys..., number) -- The new number; NULL where a navigator
 * among the keys found nothing.
 */
Datum
rama_add(PG_FUNCTION_ARGS)
{
	RamaArgs	args;
	RamaPState *pstate = rama_write_call(fcinfo, ACL_INSERT | ACL_UPDATE, 0, 1, &args);
	RamaTarget	target;
	RamaWhere	where;
	Datum		sum;

	rama_target_find(&target, pstate, &args, true);
	if (target.absent)
		PG_RETURN_NULL();
	rama_where_push(&where, "number", 0);
	sum = add_to_target(&target, &args.inputs[args.count]);
	rama_where_pop(&where);
	PG_RETURN_DATUM(sum);
}
