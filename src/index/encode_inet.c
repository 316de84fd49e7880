/*-------------------------------------------------------------------------
 *
 * encode_inet.c
 *	  The encoding of inet and cidr.
 *
 * Family (4 or 6), network with all other bits zero, number of bits, and the
 * whole bytes of the address that have other bits. A network is before those
 * that are within it, as in network_cmp().
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include <sys/socket.h>

#include "index/encode.h"
#include "utils/inet.h"

PG_FUNCTION_INFO_V1(ps_encode_inet);
PG_FUNCTION_INFO_V1(ps_decode_inet);

#define FAMILY_4			0x04
#define FAMILY_6			0x06

static int
address_size(uint8 family)
{
	return family == FAMILY_4 ? 4 : 16;
}

Datum
ps_encode_inet(PG_FUNCTION_ARGS)
{
	PsEncoder  *encoder = PG_GETARG_ENCODER(1);
	uint8		code[2 + 16];
	int			n;
	int			whole;
	inet	   *value;

	if (ps_describe(encoder, PS_LAYOUT_INET, 0, false))
		return (Datum) 0;
	value = PG_GETARG_INET_PP(0);
	code[0] = ip_family(value) == PGSQL_AF_INET ? FAMILY_4 : FAMILY_6;
	n = address_size(code[0]);
	whole = ip_bits(value) / 8;
	memset(code + 1, 0, n);
	memcpy(code + 1, ip_addr(value), whole);
	if (ip_bits(value) % 8 != 0)
		code[1 + whole] = ip_addr(value)[whole] & (uint8) (0xFF << (8 - ip_bits(value) % 8));
	code[1 + n] = ip_bits(value);
	appendBinaryStringInfo(encoder->key, (char *) code, n + 2);
	appendBinaryStringInfo(encoder->key, (char *) ip_addr(value) + whole, n - whole);
	PG_FREE_IF_COPY(value, 0);
	return (Datum) 0;
}

/*
 * ps_inet_size() -- As ps_numeric_size().
 */
int
ps_inet_size(const uint8 *data, int len, uint8 mask)
{
	int			n = address_size(data[0] ^ mask);

	if (len < n + 2)
		return len + 1;
	return n + 2 + Max(n - (data[n + 1] ^ mask) / 8, 0);
}

Datum
ps_decode_inet(PG_FUNCTION_ARGS)
{
	const uint8 *data = (const uint8 *) PG_GETARG_DECODER(0)->key.data;
	int			n = address_size(data[0]);
	inet	   *value = palloc0(sizeof(inet));
	int			whole = Min(data[n + 1] / 8, n);

	ip_family(value) = data[0] == FAMILY_4 ? PGSQL_AF_INET : PGSQL_AF_INET6;
	ip_bits(value) = data[n + 1];
	memcpy(ip_addr(value), data + 1, whole);
	memcpy(ip_addr(value) + whole, data + n + 2, n - whole);
	SET_INET_VARSIZE(value);
	PG_RETURN_INET_P(value);
}
