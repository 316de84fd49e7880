/*-------------------------------------------------------------------------
 *
 * functions.c
 *	  The functions that are built into paths.
 *
 * They work on JSON: numbers in numeric, strings in the order of their bytes.
 * Where an argument is null, most yield null, as in SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"

static void
wrong_argument(const RamaBuiltin *function, const char *needs, const JsonbValue *json)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("function \"%s\" needs %s, and this is JSON %s", function->name, needs,
					rama_json_kind(json))));
}

static bool
any_null(int nargs, const JsonbValue *args)
{
	for (int i = 0; i < nargs; i++)
		if (args[i].type == jbvNull)
			return true;
	return false;
}

/* Not a finite number is a string in JSON. */
static bool
is_special_number(const JsonbValue *json)
{
	static const char *const names[] = {"NaN", "Infinity", "-Infinity"};

	for (int i = 0; json->type == jbvString && i < (int) lengthof(names); i++)
		if (json->val.string.len == (int) strlen(names[i]) &&
			memcmp(json->val.string.val, names[i], json->val.string.len) == 0)
			return true;
	return false;
}

static Datum
number_of(const RamaBuiltin *function, const JsonbValue *json)
{
	if (is_special_number(json))
		return DirectFunctionCall3(numeric_in,
								   CStringGetDatum(pnstrdup(json->val.string.val,
															json->val.string.len)),
								   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	if (json->type != jbvNumeric)
		wrong_argument(function, "a number", json);
	return NumericGetDatum(json->val.numeric);
}

static void
set_number(JsonbValue *result, Datum number)
{
	rama_datum_to_json(NUMERICOID, number, result);
}

static void
set_bool(JsonbValue *result, bool value)
{
	result->type = jbvBool;
	result->val.boolean = value;
}

static void
set_text(JsonbValue *result, char *text, int len)
{
	result->type = jbvString;
	result->val.string.val = text;
	result->val.string.len = len;
}

static JsonbContainer *
container_of(const JsonbValue *json)
{
	Assert(json->type == jbvBinary);
	return json->val.binary.data;
}

/* rama_json_is_true() -- Anything but null and false. */
bool
rama_json_is_true(const JsonbValue *json)
{
	return json->type != jbvNull && (json->type != jbvBool || json->val.boolean);
}

/* rama_json_equal() -- Are two values, arrays and objects as stored, the same? */
bool
rama_json_equal(const JsonbValue *a, const JsonbValue *b)
{
	int			order;

	if (a->type == jbvBinary && b->type == jbvBinary)
		return compareJsonbContainers(a->val.binary.data, b->val.binary.data) == 0;
	if (a->type == jbvNull || b->type == jbvNull)
		return a->type == b->type;
	return rama_json_compare(a, b, &order) && order == 0;
}

/*
 * rama_json_compare() -- The order of two scalars; false where they have none:
 * nulls, arrays, objects, and values of different kinds.
 */
bool
rama_json_compare(const JsonbValue *a, const JsonbValue *b, int *order)
{
	if (a->type != b->type)
		return false;
	switch (a->type)
	{
		case jbvNumeric:
			*order = DatumGetInt32(DirectFunctionCall2(numeric_cmp,
													   NumericGetDatum(a->val.numeric),
													   NumericGetDatum(b->val.numeric)));
			return true;
		case jbvString:
			*order = memcmp(a->val.string.val, b->val.string.val,
							Min(a->val.string.len, b->val.string.len));
			if (*order == 0)
				*order = a->val.string.len - b->val.string.len;
			return true;
		case jbvBool:
			*order = (int) a->val.boolean - (int) b->val.boolean;
			return true;
		default:
			return false;
	}
}

/* + - * / */
static bool
call_arithmetic(const RamaBuiltin *function, int nargs, const JsonbValue *args,
				JsonbValue *result)
{
	Datum		number;

	if (any_null(nargs, args))
		return false;
	number = number_of(function, &args[0]);
	if (nargs == 1 && function->code == '-')
		number = DirectFunctionCall1(numeric_uminus, number);
	for (int i = 1; i < nargs; i++)
	{
		Datum		other = number_of(function, &args[i]);

		switch (function->code)
		{
			case '+':
				number = DirectFunctionCall2(numeric_add, number, other);
				break;
			case '-':
				number = DirectFunctionCall2(numeric_sub, number, other);
				break;
			case '*':
				number = DirectFunctionCall2(numeric_mul, number, other);
				break;
			default:
				number = DirectFunctionCall1(numeric_trim_scale,
											 DirectFunctionCall2(numeric_div, number, other));
				break;
		}
	}
	set_number(result, number);
	return true;
}

/* inc, dec */
static bool
call_increment(const RamaBuiltin *function, int nargs, const JsonbValue *args,
			   JsonbValue *result)
{
	if (args[0].type == jbvNull)
		return false;
	set_number(result, DirectFunctionCall2(numeric_add, number_of(function, &args[0]),
										   NumericGetDatum(int64_to_numeric(function->code))));
	return true;
}

/* The one argument that is a list stands for its elements. */
static const JsonbValue *
spread(int *nargs, const JsonbValue *args)
{
	JsonbContainer *container;
	JsonbValue *elements;

	if (*nargs != 1 || !rama_json_is_array(&args[0]))
		return args;
	container = container_of(&args[0]);
	*nargs = JsonContainerSize(container);
	elements = palloc(sizeof(JsonbValue) * Max(*nargs, 1));
	for (int i = 0; i < *nargs; i++)
		elements[i] = *getIthJsonbValueFromContainer(container, i);
	return elements;
}

/* min, max: of the arguments, or of a list; nulls are passed over. */
static bool
call_extreme(const RamaBuiltin *function, int nargs, const JsonbValue *args,
			 JsonbValue *result)
{
	const JsonbValue *values = spread(&nargs, args);
	const JsonbValue *best = NULL;
	int			order;

	for (int i = 0; i < nargs; i++)
	{
		if (values[i].type == jbvNull)
			continue;
		if (best == NULL)
			best = &values[i];
		if (!rama_json_compare(&values[i], best, &order))
			wrong_argument(function, "numbers, or strings", &values[i]);
		if (order * function->code > 0)
			best = &values[i];
	}
	if (best == NULL)
		return false;
	*result = *best;
	return true;
}

/* sum: of the arguments, or of a list; of nothing 0 */
static bool
call_sum(const RamaBuiltin *function, int nargs, const JsonbValue *args, JsonbValue *result)
{
	const JsonbValue *values = spread(&nargs, args);
	Datum		sum = NumericGetDatum(int64_to_numeric(0));

	for (int i = 0; i < nargs; i++)
		if (values[i].type != jbvNull)
			sum = DirectFunctionCall2(numeric_add, sum, number_of(function, &values[i]));
	set_number(result, sum);
	return true;
}

static bool
call_count(const RamaBuiltin *function, int nargs, const JsonbValue *args, JsonbValue *result)
{
	int64		count = 0;

	if (args[0].type == jbvBinary)
		count = JsonContainerSize(container_of(&args[0]));
	else if (args[0].type != jbvNull)
		wrong_argument(function, "a collection", &args[0]);
	result->type = jbvNumeric;
	result->val.numeric = int64_to_numeric(count);
	return true;
}

static bool
call_not(const RamaBuiltin *function, int nargs, const JsonbValue *args, JsonbValue *result)
{
	set_bool(result, !rama_json_is_true(&args[0]));
	return true;
}

/* odd?, even?: code is the remainder */
static bool
call_parity(const RamaBuiltin *function, int nargs, const JsonbValue *args, JsonbValue *result)
{
	Datum		rest;

	if (args[0].type == jbvNull)
		return false;
	rest = DirectFunctionCall2(numeric_mod, number_of(function, &args[0]),
							   NumericGetDatum(int64_to_numeric(2)));
	rest = DirectFunctionCall1(numeric_abs, rest);
	if (DatumGetBool(DirectFunctionCall2(numeric_ne, rest,
										 DirectFunctionCall2(numeric_trunc, rest,
															 Int32GetDatum(0)))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("function \"%s\" needs a whole number", function->name)));
	set_bool(result, DatumGetBool(DirectFunctionCall2(numeric_eq, rest,
													  NumericGetDatum(int64_to_numeric(function->code)))));
	return true;
}

/* pos?, neg?: code is the sign */
static bool
call_sign(const RamaBuiltin *function, int nargs, const JsonbValue *args, JsonbValue *result)
{
	int			order;

	if (args[0].type == jbvNull)
		return false;
	order = DatumGetInt32(DirectFunctionCall2(numeric_cmp, number_of(function, &args[0]),
											  NumericGetDatum(int64_to_numeric(0))));
	set_bool(result, order * function->code > 0);
	return true;
}

/* nil?, some? */
static bool
call_nil(const RamaBuiltin *function, int nargs, const JsonbValue *args, JsonbValue *result)
{
	set_bool(result, (args[0].type == jbvNull) == (bool) function->code);
	return true;
}

/* =, not=: null equals null */
static bool
call_equal(const RamaBuiltin *function, int nargs, const JsonbValue *args, JsonbValue *result)
{
	bool		equal = true;

	for (int i = 1; i < nargs; i++)
		equal = equal && rama_json_equal(&args[i - 1], &args[i]);
	set_bool(result, equal == (bool) function->code);
	return true;
}

/* < <= > >=; of values of different kinds null */
static bool
call_compare(const RamaBuiltin *function, int nargs, const JsonbValue *args, JsonbValue *result)
{
	bool		holds = true;

	for (int i = 1; i < nargs; i++)
	{
		int			order;

		if (!rama_json_compare(&args[i - 1], &args[i], &order))
			return false;
		switch (function->code)
		{
			case '<':
				holds = holds && order < 0;
				break;
			case 'l':
				holds = holds && order <= 0;
				break;
			case '>':
				holds = holds && order > 0;
				break;
			default:
				holds = holds && order >= 0;
				break;
		}
	}
	set_bool(result, holds);
	return true;
}

static void
finish_array(JsonbParseState **state, JsonbValue *result)
{
	JsonbValue *array = pushJsonbValue(state, WJB_END_ARRAY, NULL);

	rama_jsonb_to_json(JsonbValueToJsonb(array), result);
}

static int
compare_pairs(const void *a, const void *b)
{
	int			order = 0;

	(void) rama_json_compare(&((const JsonbPair *) a)->key, &((const JsonbPair *) b)->key, &order);
	return order;
}

/* The entries of an object, in the order of their names, as navigators see them. */
static JsonbPair *
sorted_pairs(const JsonbValue *object, int *count)
{
	JsonbPair  *pairs;
	JsonbIterator *it = JsonbIteratorInit(container_of(object));
	JsonbIteratorToken token;
	JsonbValue	item;

	*count = JsonContainerSize(container_of(object));
	pairs = palloc0(sizeof(JsonbPair) * Max(*count, 1));
	for (int i = 0; (token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE;)
	{
		if (token == WJB_KEY)
			pairs[i].key = item;
		else if (token == WJB_VALUE)
			pairs[i++].value = item;
	}
	qsort(pairs, *count, sizeof(JsonbPair), compare_pairs);
	return pairs;
}

/* The first or last entry of a map, as [key, value] */
static bool
end_of_map(const RamaBuiltin *function, const JsonbValue *object, JsonbValue *result)
{
	JsonbParseState *state = NULL;
	int			count;
	JsonbPair  *pairs = sorted_pairs(object, &count);
	JsonbPair  *pair = &pairs[function->code == 'f' ? 0 : count - 1];

	if (count == 0)
		return false;
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	pushJsonbValue(&state, WJB_ELEM, &pair->key);
	pushJsonbValue(&state, WJB_ELEM, &pair->value);
	finish_array(&state, result);
	return true;
}

/* first, last: code tells which */
static bool
call_end(const RamaBuiltin *function, int nargs, const JsonbValue *args, JsonbValue *result)
{
	int			count;

	if (args[0].type == jbvNull)
		return false;
	if (rama_json_is_object(&args[0]))
		return end_of_map(function, &args[0], result);
	if (!rama_json_is_array(&args[0]))
		wrong_argument(function, "a collection", &args[0]);
	count = JsonContainerSize(container_of(&args[0]));
	if (count == 0)
		return false;
	*result = *getIthJsonbValueFromContainer(container_of(&args[0]),
											 function->code == 'f' ? 0 : count - 1);
	return result->type != jbvNull;
}

static bool
call_identity(const RamaBuiltin *function, int nargs, const JsonbValue *args, JsonbValue *result)
{
	*result = args[0];
	return args[0].type != jbvNull;
}

static bool
call_reverse(const RamaBuiltin *function, int nargs, const JsonbValue *args, JsonbValue *result)
{
	JsonbParseState *state = NULL;
	JsonbContainer *container;

	if (args[0].type == jbvNull)
		return false;
	if (args[0].type == jbvString)
	{
		text	   *reversed = DatumGetTextPP(DirectFunctionCall1(text_reverse,
																   PointerGetDatum(cstring_to_text_with_len(args[0].val.string.val,
																											args[0].val.string.len))));

		set_text(result, VARDATA_ANY(reversed), VARSIZE_ANY_EXHDR(reversed));
		return true;
	}
	if (!rama_json_is_array(&args[0]))
		wrong_argument(function, "a list or a string", &args[0]);
	container = container_of(&args[0]);
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = JsonContainerSize(container) - 1; i >= 0; i--)
		pushJsonbValue(&state, WJB_ELEM, getIthJsonbValueFromContainer(container, i));
	finish_array(&state, result);
	return true;
}

/* str, and concat of strings; a null is empty */
static bool
call_str(const RamaBuiltin *function, int nargs, const JsonbValue *args, JsonbValue *result)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < nargs; i++)
	{
		int			len;
		char	   *part;

		if (args[i].type == jbvNull)
			continue;
		part = rama_json_to_text(&args[i], &len);
		appendBinaryStringInfo(&text, part, len);
	}
	set_text(result, text.data, text.len);
	return true;
}

/* concat: of lists, or of strings; a null is empty */
static bool
call_concat(const RamaBuiltin *function, int nargs, const JsonbValue *args, JsonbValue *result)
{
	JsonbParseState *state = NULL;
	const JsonbValue *kind = NULL;

	for (int i = 0; i < nargs; i++)
	{
		if (args[i].type == jbvNull)
			continue;
		if ((args[i].type != jbvString && !rama_json_is_array(&args[i])) ||
			(kind && kind->type != args[i].type))
			wrong_argument(function, "lists, or strings", &args[i]);
		kind = &args[i];
	}
	if (kind == NULL)
		return false;
	if (kind->type == jbvString)
		return call_str(function, nargs, args, result);
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < nargs; i++)
	{
		if (args[i].type == jbvNull)
			continue;
		for (uint32 j = 0; j < JsonContainerSize(container_of(&args[i])); j++)
			pushJsonbValue(&state, WJB_ELEM,
						   getIthJsonbValueFromContainer(container_of(&args[i]), j));
	}
	finish_array(&state, result);
	return true;
}

/* lower, upper */
static bool
call_case(const RamaBuiltin *function, int nargs, const JsonbValue *args, JsonbValue *result)
{
	Datum		text;

	if (args[0].type == jbvNull)
		return false;
	if (args[0].type != jbvString)
		wrong_argument(function, "a string", &args[0]);
	text = PointerGetDatum(cstring_to_text_with_len(args[0].val.string.val,
													args[0].val.string.len));
	text = DirectFunctionCall1Coll(function->code == 'l' ? lower : upper,
								   DEFAULT_COLLATION_OID, text);
	set_text(result, VARDATA_ANY(DatumGetPointer(text)),
			 VARSIZE_ANY_EXHDR(DatumGetPointer(text)));
	return true;
}

/* keys, vals: code tells which */
static bool
call_parts(const RamaBuiltin *function, int nargs, const JsonbValue *args, JsonbValue *result)
{
	JsonbParseState *state = NULL;
	JsonbPair  *pairs;
	int			count;

	if (args[0].type == jbvNull)
		return false;
	if (!rama_json_is_object(&args[0]))
		wrong_argument(function, "a map", &args[0]);
	pairs = sorted_pairs(&args[0], &count);
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < count; i++)
		pushJsonbValue(&state, WJB_ELEM,
					   function->code == 'k' ? &pairs[i].key : &pairs[i].value);
	finish_array(&state, result);
	return true;
}

/* contains?: a key of a map, an element of a list or set, a part of a string */
static bool
call_contains(const RamaBuiltin *function, int nargs, const JsonbValue *args, JsonbValue *result)
{
	JsonbValue	name;
	bool		found = false;

	if (args[0].type == jbvNull)
	{
		set_bool(result, false);
		return true;
	}
	if (args[0].type == jbvString && args[1].type == jbvString)
	{
		const char *text = args[0].val.string.val;
		int			last = args[0].val.string.len - args[1].val.string.len;

		for (int i = 0; i <= last && !found; i++)
			found = memcmp(text + i, args[1].val.string.val, args[1].val.string.len) == 0;
	}
	else if (args[0].type != jbvBinary)
		wrong_argument(function, "a collection", &args[0]);
	else if (rama_json_is_object(&args[0]))
	{
		rama_json_name(&args[1], &name);
		found = getKeyJsonValueFromContainer(container_of(&args[0]), name.val.string.val,
											 name.val.string.len, NULL) != NULL;
	}
	else
		for (uint32 i = 0; i < JsonContainerSize(container_of(&args[0])) && !found; i++)
			found = rama_json_equal(getIthJsonbValueFromContainer(container_of(&args[0]), i),
									&args[1]);
	set_bool(result, found);
	return true;
}

static const RamaBuiltin builtins[] = {
	{"+", 1, -1, call_arithmetic, .code = '+'},
	{"-", 1, -1, call_arithmetic, .code = '-'},
	{"*", 1, -1, call_arithmetic, .code = '*'},
	{"/", 2, -1, call_arithmetic, .code = '/'},
	{"inc", 1, 1, call_increment, .code = 1},
	{"dec", 1, 1, call_increment, .code = -1},
	{"min", 1, -1, call_extreme, .code = -1},
	{"max", 1, -1, call_extreme, .code = 1},
	{"sum", 1, -1, call_sum, .code = 0},
	{"count", 1, 1, call_count, .collection = true},
	{"size", 1, 1, call_count, .collection = true},
	{"not", 1, 1, call_not, .code = 0},
	{"odd?", 1, 1, call_parity, .code = 1},
	{"even?", 1, 1, call_parity, .code = 0},
	{"pos?", 1, 1, call_sign, .code = 1},
	{"neg?", 1, 1, call_sign, .code = -1},
	{"nil?", 1, 1, call_nil, .code = true},
	{"some?", 1, 1, call_nil, .code = false},
	{"=", 2, -1, call_equal, .code = true},
	{"not=", 2, -1, call_equal, .code = false},
	{"<", 2, -1, call_compare, .code = '<'},
	{"<=", 2, -1, call_compare, .code = 'l'},
	{">", 2, -1, call_compare, .code = '>'},
	{">=", 2, -1, call_compare, .code = 'g'},
	{"first", 1, 1, call_end, .code = 'f', .collection = true},
	{"last", 1, 1, call_end, .code = 'l', .collection = true},
	{"identity", 1, 1, call_identity, .code = 0},
	{"reverse", 1, 1, call_reverse, .collection = true},
	{"concat", 1, -1, call_concat, .code = 0},
	{"lower", 1, 1, call_case, .code = 'l'},
	{"upper", 1, 1, call_case, .code = 'u'},
	{"str", 1, -1, call_str, .code = 0},
	{"keys", 1, 1, call_parts, .code = 'k', .collection = true},
	{"vals", 1, 1, call_parts, .code = 'v', .collection = true},
	{"contains?", 2, 2, call_contains, .collection = true},
};

/* rama_builtin_find() -- The function of that name, or NULL. */
const RamaBuiltin *
rama_builtin_find(const char *name)
{
	for (int i = 0; i < (int) lengthof(builtins); i++)
		if (strcmp(builtins[i].name, name) == 0)
			return &builtins[i];
	return NULL;
}

/* rama_builtin_near() -- For a hint: what may have been meant, or NULL. */
char *
rama_builtin_near(const char *name)
{
	RamaNear	near = {.count = 0};

	for (int i = 0; i < (int) lengthof(builtins); i++)
		rama_near_consider(&near, builtins[i].name, name);
	return rama_near_names(&near);
}
