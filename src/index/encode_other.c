/*-------------------------------------------------------------------------
 *
 * encode_other.c
 *	  Encodings of inet (and cidr), and of enums.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include <sys/socket.h>

#include "access/htup_details.h"
#include "catalog/pg_enum.h"
#include "index/encode.h"
#include "utils/catcache.h"
#include "utils/float.h"
#include "utils/inet.h"
#include "utils/inval.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(ps_encode_inet);
PG_FUNCTION_INFO_V1(ps_decode_inet);
PG_FUNCTION_INFO_V1(ps_encode_enum);
PG_FUNCTION_INFO_V1(ps_decode_enum);

/*
 * ---- Inet ----
 *
 * Family (4 or 6), network with all other bits zero, number of bits, and the
 * whole bytes of the address that have other bits. A network is before those
 * that are within it, as in network_cmp().
 */
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

/*
 * ---- Enums ----
 *
 * The sort orders of pg_enum may be renumbered at any time, and are by
 * pg_upgrade, but the values' oids remain, and even oids are in the order of
 * the values. Odd ones are of values that were put among them later. So the
 * encoding is
 *
 *	- for an even oid: the oid, and END
 *	- for an odd one: the largest even oid whose value is before it, or 0; the
 *	  path to it in the binary tree that one gets by inserting the odd values
 *	  from there to the next even one in the order of their oids (the order in
 *	  which they were added), the even one being the root; END, and the oid
 *
 * The path of a value does not depend on those that are added later, unless the
 * oids have wrapped around: ps_enum_altered() refuses what would change
 * that of a value that there was. Runs of steps to the left or right are one
 * byte each: END less or more their length, which is MAX_RUN at most.
 */
#define END					0x80
#define MAX_RUN				126
#define ODD_SIZE			((int) sizeof(uint32))

static int
compare_enum_oids(const void *a, const void *b)
{
	Oid			x = (*(const Form_pg_enum *) a)->oid;
	Oid			y = (*(const Form_pg_enum *) b)->oid;

	return x < y ? -1 : x > y ? 1 : 0;
}

/* The values of the list with odd oids between two sort orders, by oid */
static int
odd_values_between(CatCList *list, float4 low, float4 high, Form_pg_enum *values)
{
	int			n = 0;

	for (int i = 0; i < list->n_members; i++)
	{
		Form_pg_enum other = (Form_pg_enum) GETSTRUCT(&list->members[i]->tuple);

		if ((other->oid & 1) != 0 && other->enumsortorder > low && other->enumsortorder < high)
			values[n++] = other;
	}
	qsort(values, n, sizeof(Form_pg_enum), compare_enum_oids);
	return n;
}

static void
append_run(StringInfo key, int run, int direction)
{
	for (; run > 0; run -= MAX_RUN)
		appendStringInfoCharMacro(key, (char) (END + direction * Min(run, MAX_RUN)));
}

/* "values" are those of the value's tree, in the order of insertion. */
static void
append_path(StringInfo key, Form_pg_enum value, Form_pg_enum *values, int n,
			float4 low, float4 high)
{
	int			direction = 1;	/* from the root all are to the right */
	int			run = 1;

	for (int i = 0; i < n && values[i]->oid != value->oid; i++)
	{
		float4		order = values[i]->enumsortorder;
		int			step;

		if (order <= low || order >= high)
			continue;			/* not on the way */
		step = value->enumsortorder < order ? -1 : 1;
		if (step < 0)
			high = order;
		else
			low = order;
		if (step != direction)
		{
			append_run(key, run, direction);
			run = 0;
		}
		direction = step;
		run++;
	}
	append_run(key, run, direction);
}

static void
append_odd(StringInfo key, CatCList *list, Form_pg_enum value)
{
	Form_pg_enum *values = palloc(list->n_members * sizeof(Form_pg_enum));
	Form_pg_enum below = NULL;
	Form_pg_enum above = NULL;
	char		oid[ODD_SIZE];
	float4		low;
	float4		high;

	for (int i = 0; i < list->n_members; i++)
	{
		Form_pg_enum other = (Form_pg_enum) GETSTRUCT(&list->members[i]->tuple);

		if ((other->oid & 1) != 0)
			continue;
		if (other->enumsortorder < value->enumsortorder)
		{
			if (below == NULL || other->enumsortorder > below->enumsortorder)
				below = other;
		}
		else if (above == NULL || other->enumsortorder < above->enumsortorder)
			above = other;
	}
	low = below != NULL ? below->enumsortorder : -get_float4_infinity();
	high = above != NULL ? above->enumsortorder : get_float4_infinity();

	ps_append_int(key, below != NULL ? below->oid : InvalidOid);
	append_path(key, value, values, odd_values_between(list, low, high, values), low, high);
	appendStringInfoCharMacro(key, (char) END);
	ps_put_uint32(oid, value->oid);
	appendBinaryStringInfo(key, oid, sizeof(oid));
	pfree(values);
}

static Form_pg_enum
find_value(CatCList *list, Oid oid)
{
	for (int i = 0; i < list->n_members; i++)
	{
		Form_pg_enum value = (Form_pg_enum) GETSTRUCT(&list->members[i]->tuple);

		if (value->oid == oid)
			return value;
	}
	return NULL;
}

static Oid
enum_of_value(Oid oid)
{
	HeapTuple	tuple = SearchSysCache1(ENUMOID, ObjectIdGetDatum(oid));
	Oid			type;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid internal value for enum: %u", oid)));
	type = ((Form_pg_enum) GETSTRUCT(tuple))->enumtypid;
	ReleaseSysCache(tuple);
	return type;
}

/*
 * The type's values in the cache may be older than the value. Then there is an
 * invalidation to come, and it comes after those of the values added before.
 */
static void
append_enum(StringInfo key, Oid oid)
{
	Oid			type = enum_of_value(oid);
	CatCList   *list = SearchSysCacheList1(ENUMTYPOIDNAME, ObjectIdGetDatum(type));
	Form_pg_enum value = find_value(list, oid);

	if (value == NULL)
	{
		ReleaseCatCacheList(list);
		AcceptInvalidationMessages();
		list = SearchSysCacheList1(ENUMTYPOIDNAME, ObjectIdGetDatum(type));
		value = find_value(list, oid);
	}
	if (value == NULL)
		elog(ERROR, "value %u of enum %u not found", oid, type);
	append_odd(key, list, value);
	ReleaseCatCacheList(list);
}

Datum
ps_encode_enum(PG_FUNCTION_ARGS)
{
	PsEncoder  *encoder = PG_GETARG_ENCODER(1);
	Oid			oid = PG_GETARG_OID(0);

	if (ps_describe(encoder, PS_LAYOUT_ENUM, 0, false))
		return (Datum) 0;
	if ((oid & 1) != 0)
		append_enum(encoder->key, oid);
	else
	{
		ps_append_int(encoder->key, oid);
		appendStringInfoCharMacro(encoder->key, (char) END);
	}
	return (Datum) 0;
}

/*
 * ps_enum_size() -- As ps_numeric_size().
 */
int
ps_enum_size(const uint8 *data, int len, uint8 mask)
{
	int			even = ps_int_size(data[0] ^ mask);
	int			at = even;

	while (at < len && (data[at] ^ mask) != END)
		at++;
	return at + 1 + (at > even ? ODD_SIZE : 0);
}

/* Declared to return oid, because no function of "internal" may return anyenum */
Datum
ps_decode_enum(PG_FUNCTION_ARGS)
{
	PsString	key = PG_GETARG_DECODER(0)->key;

	if (key.len == ps_int_size((uint8) key.data[0]) + 1)
		PG_RETURN_OID((Oid) ps_read_int(key.data));
	PG_RETURN_OID(ps_get_uint32(key.data + key.len - ODD_SIZE));
}
