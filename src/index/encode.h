/*-------------------------------------------------------------------------
 *
 * encode.h
 *	  What the encode and decode functions of the types share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_ENCODE_H
#define RAMA_ENCODE_H

#include "index/index.h"
#include "port/pg_bswap.h"

/* The first byte of all encodings but PS_LAYOUT_INT's and PS_LAYOUT_NUMERIC's */
#define PS_MARKER			0x01

/* The payload's own length, at its end: one byte, or two with this bit */
#define PS_LONG_PAYLOAD		0x80

#define PG_GETARG_ENCODER(n) ((PsEncoder *) PG_GETARG_POINTER(n))
#define PG_GETARG_DECODER(n) ((PsDecoder *) PG_GETARG_POINTER(n))

/* Answers "describe"; false if a value is to be encoded */
static inline bool
ps_describe(PsEncoder *encoder, PsLayout layout, int width, bool has_residue)
{
	if (!encoder->describe)
		return false;
	encoder->layout = layout;
	encoder->width = width;
	encoder->has_residue = has_residue;
	return true;
}

/* DESC columns */
static inline void
ps_complement(char *data, int len)
{
	for (int i = 0; i < len; i++)
		data[i] = ~data[i];
}

static inline void
ps_put_uint64(char *to, uint64 value)
{
	value = pg_hton64(value);
	memcpy(to, &value, sizeof(value));
}

static inline uint64
ps_get_uint64(const char *from)
{
	uint64		value;

	memcpy(&value, from, sizeof(value));
	return pg_ntoh64(value);
}

static inline void
ps_put_uint32(char *to, uint32 value)
{
	value = pg_hton32(value);
	memcpy(to, &value, sizeof(value));
}

static inline uint32
ps_get_uint32(const char *from)
{
	uint32		value;

	memcpy(&value, from, sizeof(value));
	return pg_ntoh32(value);
}

static inline void
ps_put_uint16(char *to, uint16 value)
{
	to[0] = (char) (value >> 8);
	to[1] = (char) (value & 0xFF);
}

static inline uint16
ps_get_uint16(const char *from)
{
	return ((uint8) from[0] << 8) | (uint8) from[1];
}

/* encode_number.c */
extern void ps_append_int(StringInfo to, int64 value);
extern int64 ps_read_int(const char *from);

/* The sizes of encodings, or more than len, if they are not all there */
extern int	ps_numeric_size(const uint8 *data, int len, uint8 mask);
extern int	ps_inet_size(const uint8 *data, int len, uint8 mask);
extern int	ps_enum_size(const uint8 *data, int len, uint8 mask);

/* collation.c */
extern bool ps_collation_is_c(Oid collation);

#endif							/* RAMA_ENCODE_H */
