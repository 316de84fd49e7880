/*-------------------------------------------------------------------------
 *
 * encode_text.c
 *	  Encodings of text, bytea and uuid.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "index/encode.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(ps_encode_text);
PG_FUNCTION_INFO_V1(ps_encode_text_c);
PG_FUNCTION_INFO_V1(ps_decode_text);
PG_FUNCTION_INFO_V1(ps_encode_bytea);
PG_FUNCTION_INFO_V1(ps_decode_bytea);
PG_FUNCTION_INFO_V1(ps_encode_uuid);
PG_FUNCTION_INFO_V1(ps_decode_uuid);

/* ---- Text ---- */

static void
append_text(PsEncoder *encoder, Datum value)
{
	text	   *t = DatumGetTextPP(value);

	appendStringInfoCharMacro(encoder->key, PS_MARKER);
	appendBinaryStringInfo(encoder->key, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
	appendStringInfoCharMacro(encoder->key, '\0');
	if (t != (text *) DatumGetPointer(value))
		pfree(t);
}

/*
 * Text in the order of bytes, as text_pattern_ops has it. Equality must be
 * that of bytes, too: error 0A000 for nondeterministic collations.
 */
Datum
ps_encode_text(PG_FUNCTION_ARGS)
{
	PsEncoder  *encoder = PG_GETARG_ENCODER(1);
	Oid			collation = PG_GET_COLLATION();

	if (!ps_describe(encoder, PS_LAYOUT_TEXT, 0, false))
		append_text(encoder, PG_GETARG_DATUM(0));
	else if (OidIsValid(collation) && !get_collation_isdeterministic(collation))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("nondeterministic collations are not supported by access method \"pstate\""),
				 errhint("Give the index column a deterministic collation, such as COLLATE \"C\".")));
	return (Datum) 0;
}

/*
 * Text in the order of a collation, which must be that of bytes: error 0A000
 * for all others.
 */
Datum
ps_encode_text_c(PG_FUNCTION_ARGS)
{
	PsEncoder  *encoder = PG_GETARG_ENCODER(1);
	Oid			collation = PG_GET_COLLATION();

	if (!ps_describe(encoder, PS_LAYOUT_TEXT, 0, false))
		append_text(encoder, PG_GETARG_DATUM(0));
	else if (!OidIsValid(collation) || !ps_collation_is_c(collation))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("operator class \"text_c_ops\" does not support collation \"%s\"",
						OidIsValid(collation) ? get_collation_name(collation) : "none"),
				 errhint("Give the index column COLLATE \"C\", or use operator class rama.text_ops, which serves =, ~<~, ~<=~, ~>=~ and ~>~ under any deterministic collation.")));
	return (Datum) 0;
}

Datum
ps_decode_text(PG_FUNCTION_ARGS)
{
	PsString	key = PG_GETARG_DECODER(0)->key;

	PG_RETURN_TEXT_P(cstring_to_text_with_len(key.data + 1, key.len - 2));
}

/* ---- Bytea: 0x01, the bytes, of which zeroes are 00 FF, and 00 00 ---- */

static void
append_escaped(StringInfo to, const char *data, int len)
{
	const char *end = data + len;

	while (data < end)
	{
		const char *zero = memchr(data, 0, end - data);

		if (zero == NULL)
		{
			appendBinaryStringInfo(to, data, end - data);
			return;
		}
		appendBinaryStringInfo(to, data, zero + 1 - data);
		appendStringInfoCharMacro(to, '\xFF');
		data = zero + 1;
	}
}

Datum
ps_encode_bytea(PG_FUNCTION_ARGS)
{
	PsEncoder  *encoder = PG_GETARG_ENCODER(1);
	bytea	   *value;

	if (ps_describe(encoder, PS_LAYOUT_ESCAPED, 0, false))
		return (Datum) 0;
	value = PG_GETARG_BYTEA_PP(0);
	appendStringInfoCharMacro(encoder->key, PS_MARKER);
	append_escaped(encoder->key, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	appendBinaryStringInfo(encoder->key, "\0\0", 2);
	PG_FREE_IF_COPY(value, 0);
	return (Datum) 0;
}

Datum
ps_decode_bytea(PG_FUNCTION_ARGS)
{
	PsString	key = PG_GETARG_DECODER(0)->key;
	bytea	   *value = palloc(VARHDRSZ + key.len);
	char	   *to = VARDATA(value);

	for (int i = 1; i < key.len - 2; i++)
	{
		*to++ = key.data[i];
		if (key.data[i] == '\0')
			i++;
	}
	SET_VARSIZE(value, to - (char *) value);
	PG_RETURN_BYTEA_P(value);
}

/* ---- Uuid ---- */

Datum
ps_encode_uuid(PG_FUNCTION_ARGS)
{
	PsEncoder  *encoder = PG_GETARG_ENCODER(1);

	if (ps_describe(encoder, PS_LAYOUT_FIXED, 1 + UUID_LEN, false))
		return (Datum) 0;
	appendStringInfoCharMacro(encoder->key, PS_MARKER);
	appendBinaryStringInfo(encoder->key, (char *) PG_GETARG_UUID_P(0)->data, UUID_LEN);
	return (Datum) 0;
}

Datum
ps_decode_uuid(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *value = palloc(sizeof(pg_uuid_t));

	memcpy(value->data, PG_GETARG_DECODER(0)->key.data + 1, UUID_LEN);
	PG_RETURN_UUID_P(value);
}
