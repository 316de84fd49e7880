/*-------------------------------------------------------------------------
 *
 * partition.c
 *	  partition_of(): the hash that decides the partition of an event.
 *
 * Stored in every event, so it is pinned: it does not use the server's hash
 * functions, which may change between major versions, nor anything that
 * depends on settings. Each argument adds to an FNV-1a hash of 64 bits:
 *
 *	  NULL				the byte 0
 *	  integers, oid		the byte 1 and 8 bytes, high byte first: equal
 *						integers of different types are equal
 *	  others			the byte 2, the length in 4 bytes, and the bytes of
 *						text types (char(n) without trailing blanks), name,
 *						bytea, uuid, enum labels, and the text form of json
 *						and jsonb; floats as float8 and intervals as
 *						microseconds, so that equal values are equal; numeric
 *						without trailing zeroes; other types in binary form
 *
 * MurmurHash3's finalizer then mixes the bits, and the partition is the
 * remainder by the number of partitions, unsigned.
 *
 *-------------------------------------------------------------------------
 */
#include "depot/depot.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(rama_partition_of);

/* How a type is hashed; next: none, it is decided once per call site. */
typedef enum HashedAs
{
	AS_INT2,
	AS_INT4,
	AS_INT8,
	AS_OID,
	AS_FLOAT4,
	AS_FLOAT8,
	AS_NUMERIC,
	AS_INTERVAL,
	AS_UUID,
	AS_NAME,
	AS_CSTRING,					/* an untyped literal */
	AS_BYTES,					/* varlena, as it is */
	AS_BLANK_PADDED,
	AS_OUTPUT,					/* the bytes of the type's output */
	AS_BINARY					/* the bytes of the type's send function */
} HashedAs;

typedef struct Hashed
{
	HashedAs	as;
	FmgrInfo	function;		/* AS_OUTPUT, AS_BINARY */
} Hashed;

#define FNV_OFFSET_BASIS UINT64CONST(14695981039346656037)
#define FNV_PRIME UINT64CONST(1099511628211)

static void
describe_type(Oid type, Hashed *hashed, MemoryContext context)
{
	Oid			base = getBaseType(type);
	Oid			function;
	bool		isvarlena;

	switch (base)
	{
		case INT2OID:
			hashed->as = AS_INT2;
			return;
		case INT4OID:
			hashed->as = AS_INT4;
			return;
		case INT8OID:
			hashed->as = AS_INT8;
			return;
		case OIDOID:
			hashed->as = AS_OID;
			return;
		case FLOAT4OID:
			hashed->as = AS_FLOAT4;
			return;
		case FLOAT8OID:
			hashed->as = AS_FLOAT8;
			return;
		case NUMERICOID:
			hashed->as = AS_NUMERIC;
			return;
		case INTERVALOID:
			hashed->as = AS_INTERVAL;
			return;
		case UUIDOID:
			hashed->as = AS_UUID;
			return;
		case NAMEOID:
			hashed->as = AS_NAME;
			return;
		case UNKNOWNOID:
			hashed->as = AS_CSTRING;
			return;
		case TEXTOID:
		case VARCHAROID:
		case BYTEAOID:
		case JSONOID:
			hashed->as = AS_BYTES;
			return;
		case BPCHAROID:
			hashed->as = AS_BLANK_PADDED;
			return;
	}
	if (base == JSONBOID || get_typtype(base) == TYPTYPE_ENUM)
	{
		hashed->as = AS_OUTPUT;
		getTypeOutputInfo(base, &function, &isvarlena);
	}
	else
	{
		hashed->as = AS_BINARY;
		getTypeBinaryOutputInfo(base, &function, &isvarlena);
	}
	fmgr_info_cxt(function, &hashed->function, context);
}

/* What is known of the arguments' types, kept with the call site. */
static Hashed *
describe_arguments(FunctionCallInfo fcinfo)
{
	Hashed	   *hashed = fcinfo->flinfo->fn_extra;

	if (hashed == NULL)
	{
		if (get_fn_expr_variadic(fcinfo->flinfo))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("rama.partition_of() takes values, not an array with VARIADIC")));
		hashed = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Hashed) * PG_NARGS());
		for (int i = 1; i < PG_NARGS(); i++)
			describe_type(get_fn_expr_argtype(fcinfo->flinfo, i), &hashed[i],
						  fcinfo->flinfo->fn_mcxt);
		fcinfo->flinfo->fn_extra = hashed;
	}
	return hashed;
}

static inline uint64
add_byte(uint64 hash, unsigned char byte)
{
	return (hash ^ byte) * FNV_PRIME;
}

static uint64
add_bytes(uint64 hash, const void *data, size_t len)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < len; i++)
		hash = add_byte(hash, bytes[i]);
	return hash;
}

static uint64
add_integer(uint64 hash, int64 value)
{
	uint64		bytes = pg_hton64((uint64) value);

	return add_bytes(add_byte(hash, 1), &bytes, sizeof(bytes));
}

static uint64
add_string(uint64 hash, const void *data, size_t len)
{
	uint32		length = pg_hton32((uint32) len);

	hash = add_bytes(add_byte(hash, 2), &length, sizeof(length));
	return add_bytes(hash, data, len);
}

static uint64
add_varlena(uint64 hash, Datum value, bool blank_padded)
{
	struct varlena *data = PG_DETOAST_DATUM_PACKED(value);
	int			len = VARSIZE_ANY_EXHDR(data);

	if (blank_padded)
		len = bpchartruelen(VARDATA_ANY(data), len);
	hash = add_string(hash, VARDATA_ANY(data), len);
	if ((Pointer) data != DatumGetPointer(value))
		pfree(data);
	return hash;
}

static uint64
add_float(uint64 hash, float8 value)
{
	uint64		bits;

	if (value == 0)
		value = 0;				/* not -0 */
	if (isnan(value))
		value = get_float8_nan();
	memcpy(&bits, &value, sizeof(bits));
	bits = pg_hton64(bits);
	return add_string(hash, &bits, sizeof(bits));
}

/*
 * As comparison of intervals has it: a month is 30 days, a day 24 hours.
 */
static uint64
add_interval(uint64 hash, const Interval *interval)
{
	int128		span = interval->time;
	uint64		parts[2];

	span += (int128) (interval->month * INT64CONST(30) + interval->day) * USECS_PER_DAY;
	parts[0] = pg_hton64((uint64) (span >> 64));
	parts[1] = pg_hton64((uint64) span);
	return add_string(hash, parts, sizeof(parts));
}

/*
 * The binary form of a value. Send functions convert text to the client's
 * encoding: here it has to be the database's.
 */
static bytea *
binary_form(FmgrInfo *send, Datum value)
{
	int			client = pg_get_client_encoding();
	int			server = GetDatabaseEncoding();
	bytea	   *volatile result = NULL;

	if (client == server)
		return SendFunctionCall(send, value);
	PG_TRY();
	{
		SetClientEncoding(server);
		result = SendFunctionCall(send, value);
	}
	PG_FINALLY();
	{
		SetClientEncoding(client);
	}
	PG_END_TRY();
	return result;
}

static uint64
add_value(uint64 hash, Hashed *hashed, Datum value)
{
	char	   *string;
	bytea	   *bytes;

	switch (hashed->as)
	{
		case AS_INT2:
			return add_integer(hash, DatumGetInt16(value));
		case AS_INT4:
			return add_integer(hash, DatumGetInt32(value));
		case AS_INT8:
			return add_integer(hash, DatumGetInt64(value));
		case AS_OID:
			return add_integer(hash, DatumGetObjectId(value));
		case AS_FLOAT4:
			return add_float(hash, DatumGetFloat4(value));
		case AS_FLOAT8:
			return add_float(hash, DatumGetFloat8(value));
		case AS_INTERVAL:
			return add_interval(hash, DatumGetIntervalP(value));
		case AS_UUID:
			return add_string(hash, DatumGetUUIDP(value)->data, UUID_LEN);
		case AS_NAME:
			return add_string(hash, NameStr(*DatumGetName(value)),
							  strlen(NameStr(*DatumGetName(value))));
		case AS_CSTRING:
			return add_string(hash, DatumGetCString(value), strlen(DatumGetCString(value)));
		case AS_BYTES:
			return add_varlena(hash, value, false);
		case AS_BLANK_PADDED:
			return add_varlena(hash, value, true);
		case AS_OUTPUT:
			string = OutputFunctionCall(&hashed->function, value);
			hash = add_string(hash, string, strlen(string));
			pfree(string);
			return hash;
		case AS_NUMERIC:
			value = DirectFunctionCall1(numeric_trim_scale, value);
			bytes = DatumGetByteaP(DirectFunctionCall1(numeric_send, value));
			return add_varlena(hash, PointerGetDatum(bytes), false);
		case AS_BINARY:
			bytes = binary_form(&hashed->function, value);
			return add_varlena(hash, PointerGetDatum(bytes), false);
	}
	return hash;				/* keep compilers quiet */
}

static uint64
finish(uint64 hash)
{
	hash ^= hash >> 33;
	hash *= UINT64CONST(0xff51afd7ed558ccd);
	hash ^= hash >> 33;
	hash *= UINT64CONST(0xc4ceb9fe1a85ec53);
	hash ^= hash >> 33;
	return hash;
}

/*
 * rama_partition_of() -- rama.partition_of(partitions, VARIADIC values): the
 * partition, from 0, of an event with these values.
 *
 * Errors: 22023 (number of partitions, VARIADIC array), 42883 (a type without
 * binary output).
 */
Datum
rama_partition_of(PG_FUNCTION_ARGS)
{
	int32		partitions = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT32(0);
	Hashed	   *hashed = describe_arguments(fcinfo);
	uint64		hash = FNV_OFFSET_BASIS;

	if (partitions < 1 || partitions > RAMA_MAX_PARTITIONS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of partitions must be between 1 and %d",
						RAMA_MAX_PARTITIONS)));
	for (int i = 1; i < PG_NARGS(); i++)
	{
		if (PG_ARGISNULL(i))
			hash = add_byte(hash, 0);
		else
			hash = add_value(hash, &hashed[i], PG_GETARG_DATUM(i));
	}
	PG_RETURN_INT32((int32) (finish(hash) % (uint64) partitions));
}
