/*-------------------------------------------------------------------------
 *
 * encode_number.c
 *	  Encodings of integers, booleans, oids and floating-point numbers.
 *
 * Integers of all sizes have one code, whose first byte tells the size and the
 * order of sizes:
 *
 *	 0 ..    87		0x80 + v
 *	88 ..  8279		0xD8 + high byte of v - 88, low byte
 *	from	8280		0xF7 + n - 1, v in n = 2 to 8 bytes, most significant first
 *
 * and negative ones the code of ~v, all bytes complemented.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include <math.h>

#include "index/encode.h"
#include "utils/float.h"

#define ONE_BYTE			88
#define TWO_BYTES			(ONE_BYTE + 32 * 256)
#define TWO_BYTES_FIRST		0xD8
#define MORE_BYTES_FIRST	0xF7

PG_FUNCTION_INFO_V1(ps_encode_bool);
PG_FUNCTION_INFO_V1(ps_decode_bool);
PG_FUNCTION_INFO_V1(ps_encode_int2);
PG_FUNCTION_INFO_V1(ps_decode_int2);
PG_FUNCTION_INFO_V1(ps_encode_int4);
PG_FUNCTION_INFO_V1(ps_decode_int4);
PG_FUNCTION_INFO_V1(ps_encode_int8);
PG_FUNCTION_INFO_V1(ps_decode_int8);
PG_FUNCTION_INFO_V1(ps_encode_oid);
PG_FUNCTION_INFO_V1(ps_decode_oid);
PG_FUNCTION_INFO_V1(ps_encode_float4);
PG_FUNCTION_INFO_V1(ps_encode_float4_as_float8);
PG_FUNCTION_INFO_V1(ps_decode_float4);
PG_FUNCTION_INFO_V1(ps_encode_float8);
PG_FUNCTION_INFO_V1(ps_encode_float8_as_float4);
PG_FUNCTION_INFO_V1(ps_decode_float8);

/* ---- Integers ---- */

/*
 * ps_append_int() -- Appends the code of an integer.
 */
void
ps_append_int(StringInfo to, int64 value)
{
	uint8		mask = value < 0 ? 0xFF : 0;
	uint64		v = value < 0 ? ~(uint64) value : (uint64) value;
	char	   *at;

	enlargeStringInfo(to, 9);
	at = to->data + to->len;
	if (v < ONE_BYTE)
		*at++ = (char) ((0x80 + v) ^ mask);
	else if (v < TWO_BYTES)
	{
		v -= ONE_BYTE;
		*at++ = (char) ((TWO_BYTES_FIRST + (v >> 8)) ^ mask);
		*at++ = (char) ((v & 0xFF) ^ mask);
	}
	else
	{
		int			n = 2;

		while (n < 8 && v >> (8 * n) != 0)
			n++;
		*at++ = (char) ((MORE_BYTES_FIRST + n - 1) ^ mask);
		for (int i = n - 1; i >= 0; i--)
			*at++ = (char) (((v >> (8 * i)) & 0xFF) ^ mask);
	}
	*at = '\0';
	to->len = at - to->data;
}

/*
 * ps_int_size() -- The size of the code of an integer, from its first byte.
 */
int
ps_int_size(uint8 first)
{
	if (first < 0x80)
		first = ~first;
	if (first < TWO_BYTES_FIRST)
		return 1;
	if (first <= MORE_BYTES_FIRST)
		return 2;
	return first - MORE_BYTES_FIRST + 2;
}

/*
 * ps_read_int() -- The integer whose code is at "from".
 */
int64
ps_read_int(const char *from)
{
	const uint8 *data = (const uint8 *) from;
	uint8		mask = data[0] < 0x80 ? 0xFF : 0;
	uint8		first = data[0] ^ mask;
	uint64		v = 0;

	if (first < TWO_BYTES_FIRST)
		v = first - 0x80;
	else if (first <= MORE_BYTES_FIRST)
		v = ONE_BYTE + ((uint64) (first - TWO_BYTES_FIRST) << 8) + (data[1] ^ mask);
	else
		for (int i = 1; i < ps_int_size(first); i++)
			v = (v << 8) | (data[i] ^ mask);
	return (int64) (mask ? ~v : v);
}

static Datum
encode_int(PsEncoder *encoder, int64 value)
{
	if (!ps_describe(encoder, PS_LAYOUT_INT, 0, false))
		ps_append_int(encoder->key, value);
	return (Datum) 0;
}

/*
 * Support functions 7 and 8 of the types' operator classes: see PsEncoder and
 * PsDecoder. A type's encode function also serves the larger and smaller
 * columns that it is compared with.
 */
Datum
ps_encode_bool(PG_FUNCTION_ARGS)
{
	return encode_int(PG_GETARG_ENCODER(1), PG_GETARG_BOOL(0));
}

Datum
ps_decode_bool(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(ps_read_int(PG_GETARG_DECODER(0)->key.data) != 0);
}

Datum
ps_encode_int2(PG_FUNCTION_ARGS)
{
	return encode_int(PG_GETARG_ENCODER(1), PG_GETARG_INT16(0));
}

Datum
ps_decode_int2(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT16((int16) ps_read_int(PG_GETARG_DECODER(0)->key.data));
}

Datum
ps_encode_int4(PG_FUNCTION_ARGS)
{
	return encode_int(PG_GETARG_ENCODER(1), PG_GETARG_INT32(0));
}

Datum
ps_decode_int4(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32((int32) ps_read_int(PG_GETARG_DECODER(0)->key.data));
}

Datum
ps_encode_int8(PG_FUNCTION_ARGS)
{
	PsEncoder  *encoder = PG_GETARG_ENCODER(1);

	if (ps_describe(encoder, PS_LAYOUT_INT, 0, false))
		return (Datum) 0;
	return encode_int(encoder, PG_GETARG_INT64(0));
}

Datum
ps_decode_int8(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(ps_read_int(PG_GETARG_DECODER(0)->key.data));
}

Datum
ps_encode_oid(PG_FUNCTION_ARGS)
{
	return encode_int(PG_GETARG_ENCODER(1), PG_GETARG_OID(0));
}

Datum
ps_decode_oid(PG_FUNCTION_ARGS)
{
	PG_RETURN_OID((Oid) ps_read_int(PG_GETARG_DECODER(0)->key.data));
}

/* ---- Floating-point numbers ---- */

/*
 * As in btree, NaNs are equal, and above all other numbers, and zeroes are
 * equal. Those that the key does not return exactly are the residue.
 */
static uint64
double_order(double value)
{
	uint64		bits;

	if (isnan(value))
		return PG_UINT64_MAX;
	if (value == 0)
		value = 0;				/* not -0 */
	memcpy(&bits, &value, sizeof(bits));
	return bits & (UINT64CONST(1) << 63) ? ~bits : bits | (UINT64CONST(1) << 63);
}

static uint32
float_order(float value)
{
	uint32		bits;

	if (isnan(value))
		return PG_UINT32_MAX;
	if (value == 0)
		value = 0;
	memcpy(&bits, &value, sizeof(bits));
	return bits & ((uint32) 1 << 31) ? ~bits : bits | ((uint32) 1 << 31);
}

static double
double_of_order(uint64 order)
{
	double		value;

	if (order == PG_UINT64_MAX)
		return get_float8_nan();
	order = order & (UINT64CONST(1) << 63) ? order & ~(UINT64CONST(1) << 63) : ~order;
	memcpy(&value, &order, sizeof(value));
	return value;
}

static float
float_of_order(uint32 order)
{
	float		value;

	if (order == PG_UINT32_MAX)
		return get_float4_nan();
	order = order & ((uint32) 1 << 31) ? order & ~((uint32) 1 << 31) : ~order;
	memcpy(&value, &order, sizeof(value));
	return value;
}

static void
append_double(PsEncoder *encoder, double value)
{
	char		code[9] = {PS_MARKER};
	uint64		order = double_order(value);
	double		decoded = double_of_order(order);

	ps_put_uint64(code + 1, order);
	appendBinaryStringInfo(encoder->key, code, sizeof(code));
	if (encoder->residue != NULL && memcmp(&decoded, &value, sizeof(value)) != 0)
		appendBinaryStringInfo(encoder->residue, (char *) &value, sizeof(value));
}

static void
append_float(PsEncoder *encoder, float value)
{
	char		code[5] = {PS_MARKER};
	uint32		order = float_order(value);
	float		decoded = float_of_order(order);

	ps_put_uint32(code + 1, order);
	appendBinaryStringInfo(encoder->key, code, sizeof(code));
	if (encoder->residue != NULL && memcmp(&decoded, &value, sizeof(value)) != 0)
		appendBinaryStringInfo(encoder->residue, (char *) &value, sizeof(value));
}

Datum
ps_encode_float4(PG_FUNCTION_ARGS)
{
	PsEncoder  *encoder = PG_GETARG_ENCODER(1);

	if (!ps_describe(encoder, PS_LAYOUT_FIXED, 5, true))
		append_float(encoder, PG_GETARG_FLOAT4(0));
	return (Datum) 0;
}

Datum
ps_encode_float4_as_float8(PG_FUNCTION_ARGS)
{
	append_double(PG_GETARG_ENCODER(1), PG_GETARG_FLOAT4(0));
	return (Datum) 0;
}

Datum
ps_decode_float4(PG_FUNCTION_ARGS)
{
	PsDecoder  *decoder = PG_GETARG_DECODER(0);
	float4		value;

	if (decoder->residue.len == sizeof(value))
		memcpy(&value, decoder->residue.data, sizeof(value));
	else
		value = float_of_order(ps_get_uint32(decoder->key.data + 1));
	PG_RETURN_FLOAT4(value);
}

Datum
ps_encode_float8(PG_FUNCTION_ARGS)
{
	PsEncoder  *encoder = PG_GETARG_ENCODER(1);

	if (!ps_describe(encoder, PS_LAYOUT_FIXED, 9, true))
		append_double(encoder, PG_GETARG_FLOAT8(0));
	return (Datum) 0;
}

/* The largest float4 that is not above the value, which may be between two */
Datum
ps_encode_float8_as_float4(PG_FUNCTION_ARGS)
{
	PsEncoder  *encoder = PG_GETARG_ENCODER(1);
	float8		value = PG_GETARG_FLOAT8(0);
	float4		below = (float4) value;

	if (!isnan(value))
	{
		if ((float8) below > value)
			below = nextafterf(below, -get_float4_infinity());
		encoder->above = (float8) below < value;
	}
	append_float(encoder, below);
	return (Datum) 0;
}

Datum
ps_decode_float8(PG_FUNCTION_ARGS)
{
	PsDecoder  *decoder = PG_GETARG_DECODER(0);
	float8		value;

	if (decoder->residue.len == sizeof(value))
		memcpy(&value, decoder->residue.data, sizeof(value));
	else
		value = double_of_order(ps_get_uint64(decoder->key.data + 1));
	PG_RETURN_FLOAT8(value);
}
