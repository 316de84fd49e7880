/*-------------------------------------------------------------------------
 *
 * value.c
 *	  The type rama.value: a value of any of the common SQL types, with its
 *	  type.
 *
 * Arguments of the path functions have this type, so that literals, untyped
 * and typed parameters and columns resolve in every mix. Only built-in types
 * have a cast to it, so the oid within a value is the same in every cluster.
 * A stored value prints and dumps as text, and is untyped when read back.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

#include "catalog/pg_type.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(rama_value_in);
PG_FUNCTION_INFO_V1(rama_value_out);
PG_FUNCTION_INFO_V1(rama_value_recv);
PG_FUNCTION_INFO_V1(rama_value_send);

static RamaValue *
make_value(Oid type, const void *data, Size len)
{
	RamaValue  *value = palloc(RAMA_VALUE_HEADER + len);

	SET_VARSIZE(value, RAMA_VALUE_HEADER + len);
	value->type = type;
	memcpy(value->data, data, len);
	return value;
}

static RamaValue *
make_untyped(const char *text)
{
	return make_value(UNKNOWNOID, text, strlen(text) + 1);
}

Datum
rama_value_in(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(make_untyped(PG_GETARG_CSTRING(0)));
}

Datum
rama_value_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int			len;
	char	   *text = pq_getmsgtext(buf, buf->len - buf->cursor, &len);

	PG_RETURN_POINTER(make_untyped(text));
}

static char *
value_to_text(Datum datum)
{
	RamaInput	input;
	Oid			output;
	bool		isvarlena;

	rama_value_input(datum, false, &input);
	switch (input.form)
	{
		case RAMA_INPUT_UNTYPED:
			return pstrdup(input.text);
		case RAMA_INPUT_JSON:
			{
				Jsonb	   *jsonb = rama_json_to_jsonb(&input.json);

				return JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
			}
		default:
			getTypeOutputInfo(input.type, &output, &isvarlena);
			return OidOutputFunctionCall(output, input.datum);
	}
}

Datum
rama_value_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(value_to_text(PG_GETARG_DATUM(0)));
}

Datum
rama_value_send(PG_FUNCTION_ARGS)
{
	char	   *text = value_to_text(PG_GETARG_DATUM(0));
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendtext(&buf, text, strlen(text));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/*
 * rama_value_input() -- What a rama.value holds.
 *
 * Data of pass-by-reference types are not copied: they live as long as the
 * (detoasted) value does.
 */
void
rama_value_input(Datum datum, bool isnull, RamaInput *input)
{
	RamaValue  *value;

	if (isnull)
	{
		input->form = RAMA_INPUT_NULL;
		return;
	}
	value = (RamaValue *) PG_DETOAST_DATUM(datum);
	input->type = value->type;
	switch (value->type)
	{
		case UNKNOWNOID:
			input->form = RAMA_INPUT_UNTYPED;
			input->text = value->data;
			break;
		case JSONBOID:
			input->form = RAMA_INPUT_JSON;
			rama_jsonb_to_json(DatumGetJsonbP(PointerGetDatum(value->data)),
							   &input->json);
			break;
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case DATEOID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			input->form = RAMA_INPUT_SQL;
			memcpy(&input->datum, value->data, sizeof(Datum));
			break;
		default:
			input->form = RAMA_INPUT_SQL;
			input->datum = PointerGetDatum(value->data);
			break;
	}
}

/* Casts of types that are passed by value. */
#define VALUE_OF_BYVAL(name, oid) \
PG_FUNCTION_INFO_V1(rama_value_of_##name); \
Datum \
rama_value_of_##name(PG_FUNCTION_ARGS) \
{ \
	Datum		datum = PG_GETARG_DATUM(0); \
\
	PG_RETURN_POINTER(make_value(oid, &datum, sizeof(Datum))); \
} \
extern int	no_such_variable

/* Casts of types of a fixed length passed by reference. */
#define VALUE_OF_FIXED(name, oid, len) \
PG_FUNCTION_INFO_V1(rama_value_of_##name); \
Datum \
rama_value_of_##name(PG_FUNCTION_ARGS) \
{ \
	PG_RETURN_POINTER(make_value(oid, PG_GETARG_POINTER(0), len)); \
} \
extern int	no_such_variable

/* Casts of varlena types; stored with a full header, so that data is aligned. */
#define VALUE_OF_VARLENA(name, oid) \
PG_FUNCTION_INFO_V1(rama_value_of_##name); \
Datum \
rama_value_of_##name(PG_FUNCTION_ARGS) \
{ \
	struct varlena *data = PG_GETARG_VARLENA_P(0); \
\
	PG_RETURN_POINTER(make_value(oid, data, VARSIZE(data))); \
} \
extern int	no_such_variable

StaticAssertDecl(RAMA_VALUE_HEADER == 8, "data of a rama.value must be aligned");

#ifndef USE_FLOAT8_BYVAL
#error "pg_rama requires 64-bit datums"
#endif

VALUE_OF_BYVAL(bool, BOOLOID);
VALUE_OF_BYVAL(int2, INT2OID);
VALUE_OF_BYVAL(int4, INT4OID);
VALUE_OF_BYVAL(int8, INT8OID);
VALUE_OF_BYVAL(float4, FLOAT4OID);
VALUE_OF_BYVAL(float8, FLOAT8OID);
VALUE_OF_BYVAL(date, DATEOID);
VALUE_OF_BYVAL(time, TIMEOID);
VALUE_OF_BYVAL(timestamp, TIMESTAMPOID);
VALUE_OF_BYVAL(timestamptz, TIMESTAMPTZOID);
VALUE_OF_FIXED(uuid, UUIDOID, 16);
VALUE_OF_FIXED(interval, INTERVALOID, 16);
VALUE_OF_FIXED(timetz, TIMETZOID, 12);
VALUE_OF_VARLENA(numeric, NUMERICOID);
VALUE_OF_VARLENA(text, TEXTOID);
VALUE_OF_VARLENA(varchar, VARCHAROID);
VALUE_OF_VARLENA(bpchar, BPCHAROID);
VALUE_OF_VARLENA(bytea, BYTEAOID);
VALUE_OF_VARLENA(inet, INETOID);
VALUE_OF_VARLENA(jsonb, JSONBOID);
