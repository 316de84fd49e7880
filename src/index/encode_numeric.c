/*-------------------------------------------------------------------------
 *
 * encode_numeric.c
 *	  The encoding of numeric.
 *
 * A number is a sign, the weight (base 10000) of its first digit, and digits
 * base 10000, of which neither the first nor the last is zero:
 *
 *	first byte: 0x80 zero; 0x82 .. 0xEC the weights from MIN_WEIGHT to MAX_WEIGHT;
 *		0x81 and 0xED those below and above, weight + 32768 in the next two
 *		bytes; 0xFD infinity; 0xFE NaN, which is above all other values
 *	each digit: two bytes, digit * 2 + 1 if there are more, digit * 2 if it is
 *		the last
 *
 * Negative numbers have all bytes complemented. What is not part of the order,
 * the number of digits after the point that are shown, is the residue, unless
 * it is just what the value needs.
 *
 * The type's representation is private to PostgreSQL's numeric.c, but it is
 * what is on disk, and so cannot change. See there.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "index/encode.h"
#include "utils/numeric.h"

PG_FUNCTION_INFO_V1(ps_encode_numeric);
PG_FUNCTION_INFO_V1(ps_decode_numeric);

#define MIN_WEIGHT			(-16)
#define MAX_WEIGHT			90
#define WEIGHT_BELOW		0x81
#define FIRST_WEIGHT		0x82
#define WEIGHT_ABOVE		(FIRST_WEIGHT + MAX_WEIGHT - MIN_WEIGHT + 1)
#define WEIGHT_BIAS			32768

#define CODE_ZERO			0x80
#define CODE_INFINITY		0xFD
#define CODE_MINUS_INFINITY ((uint8) ~CODE_INFINITY)
#define CODE_NAN			0xFE

/* numeric.c's representation */
#define DEC_DIGITS			4
#define HEADER_SHORT		0x8000
#define HEADER_SPECIAL		0xC000
#define HEADER_NEGATIVE		0x4000
#define HEADER_NAN			0xC000
#define HEADER_INFINITY		0xD000
#define HEADER_MINUS_INFINITY 0xF000
#define SHORT_NEGATIVE		0x2000
#define SHORT_SCALE_SHIFT	7
#define SHORT_SCALE_MAX		0x3F
#define SHORT_WEIGHT_SIGN	0x0040
#define SHORT_WEIGHT_MASK	0x003F
#define LONG_SCALE_MASK		0x3FFF

/* A value taken apart */
typedef struct Number
{
	uint16		special;		/* header of NaN and infinities, or 0 */
	bool		negative;
	int			weight;
	int			scale;			/* digits shown after the point */
	int			ndigits;		/* 0: zero */
	const char *digits;			/* int16 each, not aligned */
} Number;

static int16
digit_at(const Number *number, int i)
{
	int16		digit;

	memcpy(&digit, number->digits + i * sizeof(digit), sizeof(digit));
	return digit;
}

static uint16
uint16_at(const char *data)
{
	uint16		value;

	memcpy(&value, data, sizeof(value));
	return value;
}

static void
take_header_apart(const char **data, Number *number)
{
	uint16		header = uint16_at(*data);

	*data += sizeof(header);
	if ((header & HEADER_SPECIAL) == HEADER_SPECIAL)
		number->special = header;
	else if (header & HEADER_SHORT)
	{
		number->negative = (header & SHORT_NEGATIVE) != 0;
		number->scale = (header >> SHORT_SCALE_SHIFT) & SHORT_SCALE_MAX;
		number->weight = header & SHORT_WEIGHT_MASK;
		if (header & SHORT_WEIGHT_SIGN)
			number->weight -= SHORT_WEIGHT_MASK + 1;
	}
	else
	{
		number->negative = (header & HEADER_NEGATIVE) != 0;
		number->scale = header & LONG_SCALE_MASK;
		number->weight = (int16) uint16_at(*data);
		*data += sizeof(int16);
	}
}

static void
take_apart(struct varlena *value, Number *number)
{
	const char *data = VARDATA_ANY(value);
	const char *end = data + VARSIZE_ANY_EXHDR(value);

	memset(number, 0, sizeof(*number));
	take_header_apart(&data, number);
	if (number->special != 0)
		return;
	number->digits = data;
	number->ndigits = (end - data) / sizeof(int16);

	/* Are there already none of these? Order and equality depend on it. */
	while (number->ndigits > 0 && digit_at(number, number->ndigits - 1) == 0)
		number->ndigits--;
	while (number->ndigits > 0 && digit_at(number, 0) == 0)
	{
		number->digits += sizeof(int16);
		number->ndigits--;
		number->weight--;
	}
}

/* How many digits after the point the value needs */
static int
needed_scale(const Number *number)
{
	int			last;
	int			scale;

	if (number->ndigits == 0)
		return 0;
	scale = (number->ndigits - 1 - number->weight) * DEC_DIGITS;
	for (last = digit_at(number, number->ndigits - 1); last % 10 == 0; last /= 10)
		scale--;
	return Max(scale, 0);
}

static void
append_number(StringInfo to, const Number *number)
{
	uint8		mask = number->negative ? 0xFF : 0;
	char	   *start;
	char	   *at;

	enlargeStringInfo(to, 3 + 2 * number->ndigits);
	start = at = to->data + to->len;
	if (number->weight >= MIN_WEIGHT && number->weight <= MAX_WEIGHT)
		*at++ = (char) (FIRST_WEIGHT + number->weight - MIN_WEIGHT);
	else
	{
		*at++ = (char) (number->weight < MIN_WEIGHT ? WEIGHT_BELOW : WEIGHT_ABOVE);
		ps_put_uint16(at, (uint16) (number->weight + WEIGHT_BIAS));
		at += 2;
	}
	for (int i = 0; i < number->ndigits; i++, at += 2)
		ps_put_uint16(at, (uint16) (digit_at(number, i) * 2 + (i < number->ndigits - 1)));
	to->len += at - start;
	*at = '\0';
	for (; start < at; start++)
		*start ^= mask;
}

static void
append_special(StringInfo to, uint16 header)
{
	uint8		code = header == HEADER_NAN ? CODE_NAN
		: header == HEADER_INFINITY ? CODE_INFINITY : CODE_MINUS_INFINITY;

	appendStringInfoCharMacro(to, (char) code);
}

Datum
ps_encode_numeric(PG_FUNCTION_ARGS)
{
	PsEncoder  *encoder = PG_GETARG_ENCODER(1);
	struct varlena *value;
	Number		number;

	if (ps_describe(encoder, PS_LAYOUT_NUMERIC, 0, true))
		return (Datum) 0;
	value = PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0));
	take_apart(value, &number);
	if (number.special != 0)
		append_special(encoder->key, number.special);
	else if (number.ndigits == 0)
		appendStringInfoCharMacro(encoder->key, (char) CODE_ZERO);
	else
		append_number(encoder->key, &number);
	if (encoder->residue != NULL && number.scale != needed_scale(&number))
		ps_append_int(encoder->residue, number.scale);
	PG_FREE_IF_COPY(value, 0);
	return (Datum) 0;
}

/*
 * ps_numeric_size() -- The size of a number's encoding, each byte of which is
 * to be xor'ed with mask; more than len if it does not end within that.
 */
int
ps_numeric_size(const uint8 *data, int len, uint8 mask)
{
	uint8		first = data[0] ^ mask;
	int			at = 1;

	if (first == CODE_ZERO || first == CODE_NAN ||
		first == CODE_INFINITY || first == CODE_MINUS_INFINITY)
		return 1;
	if (first < CODE_ZERO)
	{
		first = ~first;
		mask = ~mask;
	}
	if (first == WEIGHT_BELOW || first == WEIGHT_ABOVE)
		at += 2;
	while (at + 2 <= len && ((data[at + 1] ^ mask) & 1) != 0)
		at += 2;
	return at + 2;
}

/* ---- Decoding ---- */

static int
header_size(const Number *number)
{
	bool		is_short = number->scale <= SHORT_SCALE_MAX &&
		number->weight >= -(SHORT_WEIGHT_MASK + 1) && number->weight <= SHORT_WEIGHT_MASK;

	return number->special != 0 || is_short ? sizeof(uint16) : 2 * sizeof(uint16);
}

static void
put_header(const Number *number, char *to)
{
	uint16		header = number->special;
	int16		weight = number->weight;

	if (number->special != 0)
		memcpy(to, &header, sizeof(header));
	else if (header_size(number) == sizeof(header))
	{
		header = HEADER_SHORT | (number->negative ? SHORT_NEGATIVE : 0) |
			(number->scale << SHORT_SCALE_SHIFT) |
			(weight < 0 ? SHORT_WEIGHT_SIGN : 0) | (weight & SHORT_WEIGHT_MASK);
		memcpy(to, &header, sizeof(header));
	}
	else
	{
		header = (number->negative ? HEADER_NEGATIVE : 0) | number->scale;
		memcpy(to, &header, sizeof(header));
		memcpy(to + sizeof(header), &weight, sizeof(weight));
	}
}

/* As numeric.c makes it: the short header where that will do. */
static Datum
put_together(const Number *number)
{
	int			size = VARHDRSZ + header_size(number) + number->ndigits * sizeof(int16);
	struct varlena *value = palloc(size);

	SET_VARSIZE(value, size);
	put_header(number, VARDATA(value));
	if (number->ndigits > 0)
		memcpy(VARDATA(value) + header_size(number), number->digits,
			   number->ndigits * sizeof(int16));
	return PointerGetDatum(value);
}

static void
read_digits(const uint8 *data, int n, uint8 mask, int16 *digits)
{
	for (int i = 0; i < n; i++, data += 2)
		digits[i] = (int16) ((((data[0] ^ mask) << 8) | (data[1] ^ mask)) >> 1);
}

static Datum
decode_number(PsDecoder *decoder)
{
	const uint8 *data = (const uint8 *) decoder->key.data;
	uint8		mask = data[0] < CODE_ZERO ? 0xFF : 0;
	uint8		first = data[0] ^ mask;
	Number		number = {.negative = mask != 0};
	int			at = 1;
	int16	   *digits;
	Datum		value;

	if (first == WEIGHT_BELOW || first == WEIGHT_ABOVE)
	{
		number.weight = (((data[1] ^ mask) << 8) | (data[2] ^ mask)) - WEIGHT_BIAS;
		at += 2;
	}
	else
		number.weight = first - FIRST_WEIGHT + MIN_WEIGHT;
	number.ndigits = (decoder->key.len - at) / 2;
	digits = palloc(number.ndigits * sizeof(int16));
	read_digits(data + at, number.ndigits, mask, digits);
	number.digits = (char *) digits;
	number.scale = decoder->residue.len > 0
		? ps_read_int(decoder->residue.data) : needed_scale(&number);
	value = put_together(&number);
	pfree(digits);
	return value;
}

Datum
ps_decode_numeric(PG_FUNCTION_ARGS)
{
	PsDecoder  *decoder = PG_GETARG_DECODER(0);
	Number		number = {0};

	switch ((uint8) decoder->key.data[0])
	{
		case CODE_NAN:
			number.special = HEADER_NAN;
			break;
		case CODE_INFINITY:
			number.special = HEADER_INFINITY;
			break;
		case CODE_MINUS_INFINITY:
			number.special = HEADER_MINUS_INFINITY;
			break;
		case CODE_ZERO:
			if (decoder->residue.len > 0)
				number.scale = ps_read_int(decoder->residue.data);
			break;
		default:
			return decode_number(decoder);
	}
	return put_together(&number);
}
