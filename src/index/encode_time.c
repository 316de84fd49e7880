/*-------------------------------------------------------------------------
 *
 * encode_time.c
 *	  Encodings of date, time, timestamp, timestamptz and interval.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "datatype/timestamp.h"
#include "index/encode.h"
#include "utils/date.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(ps_encode_date);
PG_FUNCTION_INFO_V1(ps_encode_date_as_timestamp);
PG_FUNCTION_INFO_V1(ps_encode_date_as_timestamptz);
PG_FUNCTION_INFO_V1(ps_decode_date);
PG_FUNCTION_INFO_V1(ps_encode_time);
PG_FUNCTION_INFO_V1(ps_decode_time);
PG_FUNCTION_INFO_V1(ps_encode_timestamp);
PG_FUNCTION_INFO_V1(ps_encode_timestamp_as_date);
PG_FUNCTION_INFO_V1(ps_encode_timestamp_as_timestamptz);
PG_FUNCTION_INFO_V1(ps_decode_timestamp);
PG_FUNCTION_INFO_V1(ps_encode_timestamptz);
PG_FUNCTION_INFO_V1(ps_decode_timestamptz);
PG_FUNCTION_INFO_V1(ps_encode_interval);
PG_FUNCTION_INFO_V1(ps_decode_interval);

/* ---- Points in time: the integers that they are; infinities fit in ---- */

static Datum
encode_point(PsEncoder *encoder, Datum value)
{
	if (!ps_describe(encoder, PS_LAYOUT_INT, 0, false))
		ps_append_int(encoder->key, DatumGetInt64(value));
	return (Datum) 0;
}

Datum
ps_encode_date(PG_FUNCTION_ARGS)
{
	PsEncoder  *encoder = PG_GETARG_ENCODER(1);

	if (!ps_describe(encoder, PS_LAYOUT_INT, 0, false))
		ps_append_int(encoder->key, PG_GETARG_DATEADT(0));
	return (Datum) 0;
}

Datum
ps_decode_date(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATEADT((DateADT) ps_read_int(PG_GETARG_DECODER(0)->key.data));
}

Datum
ps_encode_time(PG_FUNCTION_ARGS)
{
	return encode_point(PG_GETARG_ENCODER(1), PG_GETARG_DATUM(0));
}

Datum
ps_decode_time(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMEADT(ps_read_int(PG_GETARG_DECODER(0)->key.data));
}

Datum
ps_encode_timestamp(PG_FUNCTION_ARGS)
{
	return encode_point(PG_GETARG_ENCODER(1), PG_GETARG_DATUM(0));
}

Datum
ps_decode_timestamp(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMP(ps_read_int(PG_GETARG_DECODER(0)->key.data));
}

Datum
ps_encode_timestamptz(PG_FUNCTION_ARGS)
{
	return encode_point(PG_GETARG_ENCODER(1), PG_GETARG_DATUM(0));
}

Datum
ps_decode_timestamptz(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(ps_read_int(PG_GETARG_DECODER(0)->key.data));
}

/* ---- Arguments of another type ---- */

/*
 * Appends a timestamp that was made of a value of another type. One that is
 * out of range is beyond all finite timestamps, but not infinite.
 */
static Datum
append_converted(PsEncoder *encoder, Timestamp value, int overflow)
{
	if (overflow != 0)
		value = overflow > 0 ? END_TIMESTAMP - 1 : DT_NOBEGIN;
	ps_append_int(encoder->key, value);
	encoder->above = overflow != 0;
	return (Datum) 0;
}

Datum
ps_encode_date_as_timestamp(PG_FUNCTION_ARGS)
{
	int			overflow;
	Timestamp	value = date2timestamp_opt_overflow(PG_GETARG_DATEADT(0), &overflow);

	return append_converted(PG_GETARG_ENCODER(1), value, overflow);
}

Datum
ps_encode_date_as_timestamptz(PG_FUNCTION_ARGS)
{
	int			overflow;
	TimestampTz value = date2timestamptz_opt_overflow(PG_GETARG_DATEADT(0), &overflow);

	return append_converted(PG_GETARG_ENCODER(1), value, overflow);
}

Datum
ps_encode_timestamp_as_timestamptz(PG_FUNCTION_ARGS)
{
	int			overflow;
	TimestampTz value = timestamp2timestamptz_opt_overflow(PG_GETARG_TIMESTAMP(0), &overflow);

	return append_converted(PG_GETARG_ENCODER(1), value, overflow);
}

/* The last day that does not begin after the timestamp */
Datum
ps_encode_timestamp_as_date(PG_FUNCTION_ARGS)
{
	Timestamp	value = PG_GETARG_TIMESTAMP(0);
	PsEncoder  *encoder = PG_GETARG_ENCODER(1);
	int64		day;

	if (TIMESTAMP_IS_NOBEGIN(value))
		day = DATEVAL_NOBEGIN;
	else if (TIMESTAMP_IS_NOEND(value))
		day = DATEVAL_NOEND;
	else
	{
		day = value / USECS_PER_DAY;
		if (value % USECS_PER_DAY < 0)
			day--;
		encoder->above = day * USECS_PER_DAY != value;
	}
	ps_append_int(encoder->key, day);
	return (Datum) 0;
}

/*
 * ---- Intervals ----
 *
 * They are compared by their spans, with months of 30 days: 0x01, the span's
 * whole days, and the rest, which is never negative, in 5 bytes each. The residue
 * is what was given as months and as days, unless that is no months, and days
 * and a time of less than a day, of which none is above zero and another below.
 */
#define FIELD_SIZE			5
#define INTERVAL_SIZE		(1 + 2 * FIELD_SIZE)
#define DAYS_BIAS			(INT64CONST(1) << 39)

typedef struct Span
{
	int64		days;
	int64		time;			/* 0 <= time < USECS_PER_DAY */
} Span;

static Span
span_of_interval(const Interval *value)
{
	Span		span;

	span.days = value->time / USECS_PER_DAY;
	span.time = value->time % USECS_PER_DAY;
	if (span.time < 0)
	{
		span.time += USECS_PER_DAY;
		span.days--;
	}
	span.days += value->month * INT64CONST(30) + value->day;
	return span;
}

/* The interval of that span which has no residue, if its days fit */
static Interval
usual_interval(Span span)
{
	Interval	value = {0};

	if (span.days < 0 && span.time > 0)
	{
		span.days++;
		span.time -= USECS_PER_DAY;
	}
	value.day = (int32) span.days;
	value.time = span.time;
	return value;
}

static void
put_field(char *to, uint64 value)
{
	*to = (char) (value >> 32);
	ps_put_uint32(to + 1, (uint32) value);
}

static uint64
get_field(const char *from)
{
	return ((uint64) (uint8) *from << 32) | ps_get_uint32(from + 1);
}

Datum
ps_encode_interval(PG_FUNCTION_ARGS)
{
	PsEncoder  *encoder = PG_GETARG_ENCODER(1);
	char		code[INTERVAL_SIZE] = {PS_MARKER};
	Interval   *value;
	Interval	usual;
	Span		span;

	if (ps_describe(encoder, PS_LAYOUT_FIXED, INTERVAL_SIZE, true))
		return (Datum) 0;
	value = PG_GETARG_INTERVAL_P(0);
	span = span_of_interval(value);
	put_field(code + 1, (uint64) (span.days + DAYS_BIAS));
	put_field(code + 1 + FIELD_SIZE, (uint64) span.time);
	appendBinaryStringInfo(encoder->key, code, sizeof(code));

	usual = usual_interval(span);
	if (encoder->residue != NULL &&
		(usual.month != value->month || usual.day != value->day || usual.time != value->time))
	{
		ps_append_int(encoder->residue, value->month);
		ps_append_int(encoder->residue, value->day);
	}
	return (Datum) 0;
}

Datum
ps_decode_interval(PG_FUNCTION_ARGS)
{
	PsDecoder  *decoder = PG_GETARG_DECODER(0);
	const char *residue = decoder->residue.data;
	Interval   *value = palloc(sizeof(Interval));
	Span		span;

	span.days = (int64) get_field(decoder->key.data + 1) - DAYS_BIAS;
	span.time = (int64) get_field(decoder->key.data + 1 + FIELD_SIZE);
	*value = usual_interval(span);
	if (decoder->residue.len > 0)
	{
		value->month = ps_read_int(residue);
		value->day = ps_read_int(residue + ps_int_size(*residue));
		/* What is between fits into 64 bits, if not on the way. */
		span.days -= value->month * INT64CONST(30) + value->day;
		value->time = (int64) ((uint64) span.days * (uint64) USECS_PER_DAY + (uint64) span.time);
	}
	PG_RETURN_INTERVAL_P(value);
}
