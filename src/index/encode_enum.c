/*-------------------------------------------------------------------------
 *
 * encode_enum.c
 *	  The encoding of enums, and what keeps it valid.
 *
 * The sort orders of pg_enum are renumbered when they get too near, and by
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
 * oids have wrapped around: ps_enum_altered() refuses what would change that of
 * a value that there was. Runs of steps to the left or right are one byte each:
 * END less or more their length, which is MAX_RUN at most.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_enum.h"
#include "commands/defrem.h"
#include "index/encode.h"
#include "nodes/makefuncs.h"
#include "parser/parse_type.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(ps_encode_enum);
PG_FUNCTION_INFO_V1(ps_decode_enum);

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

/* ---- What keeps it valid ---- */

/*
 * ps_lock_types() -- Keeps the enums of an index's columns from being altered
 * until the end of the transaction, so that whoever adds a value sees the
 * index that is being built.
 */
void
ps_lock_types(Relation index)
{
	const PsIndex *info = ps_index(index);

	for (int i = 0; i < info->nkeys; i++)
		if (info->columns[i].layout == PS_LAYOUT_ENUM)
			LockDatabaseObject(TypeRelationId,
							   getBaseType(TupleDescAttr(RelationGetDescr(index), i)->atttypid),
							   0, RowShareLock);
}

static bool
has_key_of_type(Oid index, Oid type)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	int			nkeys;

	if (!HeapTupleIsValid(tuple))
		return false;
	nkeys = ((Form_pg_index) GETSTRUCT(tuple))->indnkeyatts;
	ReleaseSysCache(tuple);
	for (int i = 1; i <= nkeys; i++)
	{
		Oid			column = get_atttype(index, i);

		if (OidIsValid(column) && getBaseType(column) == type)
			return true;
	}
	return false;
}

/* An index of the access method with the type as a key, or InvalidOid */
static Oid
index_on_type(Oid type)
{
	Oid			am = get_am_oid("pstate", true);
	Relation	pg_class = table_open(RelationRelationId, AccessShareLock);
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;
	Oid			found = InvalidOid;

	ScanKeyInit(&key, Anum_pg_class_relam, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(am));
	scan = systable_beginscan(pg_class, InvalidOid, false, NULL, 1, &key);
	while (!OidIsValid(found) && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_class class = (Form_pg_class) GETSTRUCT(tuple);

		if (class->relkind == RELKIND_INDEX && has_key_of_type(class->oid, type))
			found = class->oid;
	}
	systable_endscan(scan);
	table_close(pg_class, AccessShareLock);
	return found;
}

/*
 * Is the encoding of the other values what it was without this one? It is if
 * the value was the last to be inserted into its tree, and, if it is the root of
 * a new one, that has nothing else.
 */
static bool
leaves_others_alone(CatCList *list, Form_pg_enum value)
{
	for (int i = 0; i < list->n_members; i++)
	{
		Form_pg_enum other = (Form_pg_enum) GETSTRUCT(&list->members[i]->tuple);

		if (other->oid == value->oid)
			continue;
		if (other->oid > value->oid)
			return false;
		if ((value->oid & 1) == 0 && other->enumsortorder > value->enumsortorder)
			return false;
	}
	return true;
}

static bool
is_new(Oid value)
{
	HeapTuple	tuple = SearchSysCache1(ENUMOID, ObjectIdGetDatum(value));
	bool		new = HeapTupleIsValid(tuple) &&
		TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return new;
}

/*
 * ps_enum_altered() -- After ALTER TYPE ... ADD VALUE, which holds a lock on the
 * type: error 55000 if the encoding of another value would be a different one
 * now, and an index has the type.
 */
void
ps_enum_altered(AlterEnumStmt *stmt)
{
	Oid			type;
	Oid			oid;
	Oid			index = InvalidOid;
	CatCList   *list;

	if (stmt->oldVal != NULL)
		return;					/* RENAME VALUE */
	type = typenameTypeId(NULL, makeTypeNameFromNameList(stmt->typeName));
	oid = GetSysCacheOid2(ENUMTYPOIDNAME, Anum_pg_enum_oid,
						  ObjectIdGetDatum(type), CStringGetDatum(stmt->newVal));
	if (!OidIsValid(oid) || !is_new(oid))
		return;					/* IF NOT EXISTS */

	list = SearchSysCacheList1(ENUMTYPOIDNAME, ObjectIdGetDatum(type));
	if (!leaves_others_alone(list, find_value(list, oid)))
		index = index_on_type(type);
	ReleaseCatCacheList(list);
	if (OidIsValid(index))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot add a value to enum %s while index \"%s\" exists",
						format_type_be(type), get_rel_name(index)),
				 errdetail("The value's identifier is not above those of the other values, so that their order in indexes of access method pstate would change."),
				 errhint("Drop the type's indexes of access method pstate, add the value, and create them again.")));
}
