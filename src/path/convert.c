/*-------------------------------------------------------------------------
 *
 * convert.c
 *	  What callers give, to the type that a place has.
 *
 * SQL values are converted by assignment cast; text and untyped values by
 * the type's input; JSON strings likewise, JSON numbers to numeric types and,
 * as their text, to text types.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"
#include "path/types.h"

#include <ctype.h>

#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/* Of a type's input, "no such time zone" and the like are about the text, too. */
static void
input_callback(void *arg)
{
	if (geterrcode() == ERRCODE_INVALID_PARAMETER_VALUE)
		errcode(ERRCODE_INVALID_TEXT_REPRESENTATION);
}

static Datum
type_input(const RamaType *type, char *text)
{
	RamaTypeInfo *info = rama_type_info(type->oid);
	ErrorContextCallback callback = {.callback = input_callback};
	Datum		datum;

	callback.previous = error_context_stack;
	error_context_stack = &callback;
	datum = InputFunctionCall(&info->input, text, info->ioparam, type->typmod);
	error_context_stack = callback.previous;
	return datum;
}

static bool
is_text_type(Oid type)
{
	return type == TEXTOID || type == VARCHAROID || type == BPCHAROID;
}

/* Integers widen without a cast. */
static bool
widen_int(Datum datum, Oid from, Oid to, Datum *result)
{
	int64		value;

	if (from == INT4OID)
		value = DatumGetInt32(datum);
	else if (from == INT2OID)
		value = DatumGetInt16(datum);
	else
		return false;
	if (to == INT8OID)
		*result = Int64GetDatum(value);
	else if (to == INT4OID)
		*result = Int32GetDatum((int32) value);
	else
		return false;
	return true;
}

/*
 * rama_convert() -- An SQL value that is not null, as assigned to a column of
 * a type. The result may be the datum itself.
 */
Datum
rama_convert(Datum datum, Oid from, const RamaType *to)
{
	Datum		result;
	bool		isnull;

	if (to->typmod == -1 &&
		(from == to->oid || (to->oid == TEXTOID && from == VARCHAROID)))
		return datum;
	if (widen_int(datum, from, to->oid, &result))
		return result;
	if (is_text_type(from))
		return type_input(to, TextDatumGetCString(datum));
	if (rama_type_info(to->oid)->category == RAMA_TYPE_JSONB && from != JSONBOID)
	{
		JsonbValue	json;

		rama_datum_to_json(from, datum, &json);
		return rama_convert(JsonbPGetDatum(rama_json_to_jsonb(&json)), JSONBOID, to);
	}
	result = rama_cast(datum, from, to->oid, to->typmod, false, &isnull);
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("cast from %s to %s returned null",
						format_type_be(from), format_type_be(to->oid))));
	return result;
}

static void
cannot_convert_json(const JsonbValue *json, const RamaType *type)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("cannot convert JSON %s to %s",
					rama_json_kind(json),
					format_type_with_typemod(type->oid, type->typmod))));
}

static char *
json_text(const JsonbValue *json)
{
	int			len;
	char	   *text = rama_json_to_text(json, &len);

	return json->type == jbvString ? pnstrdup(text, len) : text;
}

static bool
is_integer_type(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

static bool
is_integral(Numeric number)
{
	Datum		datum = NumericGetDatum(number);
	Datum		whole = DirectFunctionCall2(numeric_trunc, datum, Int32GetDatum(0));

	return DatumGetBool(DirectFunctionCall2(numeric_eq, datum, whole));
}

static Datum
number_to_type(const JsonbValue *json, const RamaType *type)
{
	RamaTypeInfo *info = rama_type_info(type->oid);

	switch (info->category)
	{
		case RAMA_TYPE_NUMBER:
			/* A fraction is not an integer; SQL's cast would round it. */
			if (is_integer_type(info->base) && !is_integral(json->val.numeric))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
						 errmsg("invalid input syntax for type %s: \"%s\"",
								format_type_be(type->oid), json_text(json))));
			return rama_convert(NumericGetDatum(json->val.numeric), NUMERICOID, type);
		case RAMA_TYPE_TEXT:
		case RAMA_TYPE_OTHER:
			return type_input(type, json_text(json));
		default:
			cannot_convert_json(json, type);
			return (Datum) 0;
	}
}

static void
append_array_item(StringInfo buf, const char *text)
{
	appendStringInfoChar(buf, '"');
	for (const char *p = text; *p; p++)
	{
		if (*p == '"' || *p == '\\')
			appendStringInfoChar(buf, '\\');
		appendStringInfoChar(buf, *p);
	}
	appendStringInfoChar(buf, '"');
}

/* As an array literal: array_in knows dimensions and element types. */
static void
append_array(StringInfo buf, const JsonbValue *json, const RamaType *element)
{
	JsonbContainer *container = json->val.binary.data;
	bool		isnull;

	appendStringInfoChar(buf, '{');
	for (uint32 i = 0; i < JsonContainerSize(container); i++)
	{
		JsonbValue *item = getIthJsonbValueFromContainer(container, i);
		RamaInput	input;
		Datum		datum;

		if (i > 0)
			appendStringInfoChar(buf, ',');
		if (item->type == jbvNull)
			appendStringInfoString(buf, "NULL");
		else if (item->type == jbvBinary &&
				 JsonContainerIsArray(item->val.binary.data) &&
				 rama_type_info(element->oid)->category != RAMA_TYPE_JSONB)
			append_array(buf, item, element);
		else
		{
			rama_input_of_json(&input, item);
			datum = rama_input_to_type(&input, element, &isnull);
			append_array_item(buf, OutputFunctionCall(&rama_type_info(element->oid)->output,
													  datum));
		}
	}
	appendStringInfoChar(buf, '}');
}

static Datum
array_of_json(const JsonbValue *json, const RamaType *type, Oid element)
{
	StringInfoData buf;
	RamaType	elemtype;

	rama_type_init(&elemtype, element, -1);
	initStringInfo(&buf);
	append_array(&buf, json, &elemtype);
	return type_input(type, buf.data);
}

static Datum
record_of_json(const JsonbValue *json, Oid type)
{
	LOCAL_FCINFO(fcinfo, 2);
	FmgrInfo	populate;
	Node	   *null = (Node *) makeNullConst(type, -1, InvalidOid);

	fmgr_info(F_JSONB_POPULATE_RECORD, &populate);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_JSONB_POPULATE_RECORD, type,
											 list_make2(null, null), InvalidOid,
											 InvalidOid, COERCE_EXPLICIT_CALL),
					   &populate);
	InitFunctionCallInfoData(*fcinfo, &populate, 2, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = (Datum) 0;
	fcinfo->args[0].isnull = true;
	fcinfo->args[1].value = JsonbPGetDatum(rama_json_to_jsonb(json));
	fcinfo->args[1].isnull = false;
	return FunctionCallInvoke(fcinfo);
}

/* An array or object where the schema has a scalar of type. */
static Datum
container_to_type(const JsonbValue *json, const RamaType *type)
{
	RamaTypeInfo *info = rama_type_info(type->oid);
	Oid			element = get_element_type(info->base);
	JsonbValue	stored;

	if (info->category == RAMA_TYPE_JSONB)
		return rama_convert(JsonbPGetDatum(rama_json_to_jsonb(json)), JSONBOID, type);
	if (info->category != RAMA_TYPE_OTHER)
		cannot_convert_json(json, type);
	if (json->type != jbvBinary)
	{
		rama_jsonb_to_json(rama_json_to_jsonb(json), &stored);
		json = &stored;
	}
	if (OidIsValid(element) && JsonContainerIsArray(json->val.binary.data))
		return array_of_json(json, type, element);
	if (type_is_rowtype(info->base) && JsonContainerIsObject(json->val.binary.data))
		return record_of_json(json, type->oid);
	return type_input(type, json_text(json));
}

static Datum
json_to_type(const JsonbValue *json, const RamaType *type)
{
	RamaTypeInfo *info = rama_type_info(type->oid);

	if (info->category == RAMA_TYPE_JSONB)
		return container_to_type(json, type);
	if (info->base == JSONOID)
	{
		Jsonb	   *jsonb = rama_json_to_jsonb(json);

		return type_input(type, JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb)));
	}
	switch (json->type)
	{
		case jbvString:
			return type_input(type, json_text(json));
		case jbvNumeric:
			return number_to_type(json, type);
		case jbvBool:
			if (info->category == RAMA_TYPE_OTHER)
				return type_input(type, json_text(json));
			if (info->category != RAMA_TYPE_BOOL)
				cannot_convert_json(json, type);
			return rama_convert(BoolGetDatum(json->val.boolean), BOOLOID, type);
		default:
			return container_to_type(json, type);
	}
}

/*
 * rama_input_to_type() -- A value for a scalar place of the schema.
 *
 * The result is in the current memory context or points into the input.
 * Errors: 22P02 and those of the type's input and casts (22003, 23514, ...).
 */
Datum
rama_input_to_type(const RamaInput *input, const RamaType *type, bool *isnull)
{
	*isnull = false;
	switch (input->form)
	{
		case RAMA_INPUT_SQL:
			return rama_convert(input->datum, input->type, type);
		case RAMA_INPUT_UNTYPED:
			if (type->oid == TEXTOID)
				return CStringGetTextDatum(input->text);
			return type_input(type, unconstify(char *, input->text));
		case RAMA_INPUT_JSON:
			if (input->json.type != jbvNull)
				return json_to_type(&input->json, type);
			/* FALLTHROUGH */
		case RAMA_INPUT_NULL:
			break;
	}
	*isnull = true;
	if (get_typtype(type->oid) == TYPTYPE_DOMAIN)
		domain_check((Datum) 0, true, type->oid, NULL, NULL);
	return (Datum) 0;
}

/* rama_input_to_key() -- The same for a key: null is an error (22004). */
Datum
rama_input_to_key(const RamaInput *input, const RamaType *type)
{
	Datum		key;
	bool		isnull;

	if (input->form == RAMA_INPUT_NULL ||
		(input->form == RAMA_INPUT_JSON && input->json.type == jbvNull))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a key must not be null")));
	key = rama_input_to_type(input, type, &isnull);
	Assert(!isnull);
	return key;
}

static void
parse_json(char *text, JsonbValue *json)
{
	rama_jsonb_to_json(DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
														  CStringGetDatum(text))),
					   json);
}

/*
 * rama_input_to_json() -- A value for a collection, a struct, or plain data:
 * text and untyped values are JSON.
 */
void
rama_input_to_json(const RamaInput *input, JsonbValue *json)
{
	switch (input->form)
	{
		case RAMA_INPUT_NULL:
			json->type = jbvNull;
			break;
		case RAMA_INPUT_UNTYPED:
			parse_json(unconstify(char *, input->text), json);
			break;
		case RAMA_INPUT_SQL:
			if (is_text_type(input->type))
				parse_json(TextDatumGetCString(input->datum), json);
			else
				rama_datum_to_json(input->type, input->datum, json);
			break;
		case RAMA_INPUT_JSON:
			*json = input->json;
			break;
	}
}

/*
 * Is the name of an object, which is to be a value of a type, JSON? Composite values
 * and arrays are in names as what they are in JSON. Their own texts are possible, too:
 * "(1,x)", "{1,2}", "[2:3]={1,2}".
 */
static bool
name_is_json(const char *name, const RamaTypeInfo *info)
{
	if (info->category != RAMA_TYPE_OTHER)
		return false;
	if (type_is_rowtype(info->base))
		return name[0] == '{';
	if (!OidIsValid(get_element_type(info->base)) || name[0] != '[')
		return false;
	for (name++; *name == '-' || *name == '+' || isdigit((unsigned char) *name); name++)
		;
	return *name != ':';
}

/* rama_input_of_name() -- The name of an object as a key of a type. */
void
rama_input_of_name(RamaInput *input, const JsonbValue *name, const RamaType *type)
{
	char	   *text = pnstrdup(name->val.string.val, name->val.string.len);

	if (name_is_json(text, rama_type_info(type->oid)))
	{
		input->form = RAMA_INPUT_JSON;
		parse_json(text, &input->json);
		return;
	}
	input->form = RAMA_INPUT_UNTYPED;
	input->text = text;
}

/* rama_input_of_json() -- JSON as a value that a caller gave. */
void
rama_input_of_json(RamaInput *input, const JsonbValue *json)
{
	input->form = RAMA_INPUT_JSON;
	input->json = *json;
}
