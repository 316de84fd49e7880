/*-------------------------------------------------------------------------
 *
 * types.c
 *	  What is known of a type for converting its values, kept per session.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"
#include "path/types.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* Lives as long as the session; an entry is made anew after its type changed. */
static HTAB *type_infos = NULL;

static void
type_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	HASH_SEQ_STATUS status;
	RamaTypeInfo *info;

	hash_seq_init(&status, type_infos);
	while ((info = hash_seq_search(&status)) != NULL)
	{
		if (hashvalue == 0 || info->hashvalue == hashvalue ||
			info->basehash == hashvalue)
			info->valid = false;
	}
}

static void
init_type_infos(void)
{
	HASHCTL		ctl = {.keysize = sizeof(Oid), .entrysize = sizeof(RamaTypeInfo)};

	type_infos = hash_create("pg_rama types", 64, &ctl, HASH_ELEM | HASH_BLOBS);
	CacheRegisterSyscacheCallback(TYPEOID, type_changed, (Datum) 0);
}

/* How core's to_jsonb writes values of the type. */
static RamaTypeCategory
json_category(Oid type)
{
	switch (type)
	{
		case BOOLOID:
			return RAMA_TYPE_BOOL;
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			return RAMA_TYPE_NUMBER;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return RAMA_TYPE_TEXT;
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return RAMA_TYPE_DATETIME;
		case JSONBOID:
			return RAMA_TYPE_JSONB;
		default:
			break;
	}
	if (OidIsValid(get_element_type(type)) || type_is_rowtype(type) ||
		type == JSONOID ||
		(type >= FirstNormalObjectId && !type_is_enum(type)))
		return RAMA_TYPE_OTHER;
	return RAMA_TYPE_OUTPUT;
}

static void
prepare_to_jsonb(RamaTypeInfo *info)
{
	MemoryContext old = MemoryContextSwitchTo(CacheMemoryContext);
	Node	   *arg = (Node *) makeNullConst(info->oid, -1, InvalidOid);

	fmgr_info(F_TO_JSONB, &info->to_jsonb);
	fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSONB, JSONBOID,
											 list_make1(arg), InvalidOid,
											 InvalidOid, COERCE_EXPLICIT_CALL),
					   &info->to_jsonb);
	MemoryContextSwitchTo(old);
}

static void
fill_info(RamaTypeInfo *info)
{
	Oid			input;
	Oid			output;
	bool		isvarlena;

	info->hashvalue = GetSysCacheHashValue1(TYPEOID, ObjectIdGetDatum(info->oid));
	info->base = getBaseType(info->oid);
	info->basehash = GetSysCacheHashValue1(TYPEOID, ObjectIdGetDatum(info->base));
	info->category = json_category(info->base);
	getTypeInputInfo(info->oid, &input, &info->ioparam);
	getTypeOutputInfo(info->oid, &output, &isvarlena);
	fmgr_info_cxt(input, &info->input, CacheMemoryContext);
	fmgr_info_cxt(output, &info->output, CacheMemoryContext);
	info->immutable_input = func_volatile(input) == PROVOLATILE_IMMUTABLE;
	if (info->category == RAMA_TYPE_OTHER)
		prepare_to_jsonb(info);
	info->valid = true;
}

/*
 * rama_type_info() -- What is known of a type.
 *
 * Valid until the next catalog access: take what is needed at once.
 */
RamaTypeInfo *
rama_type_info(Oid type)
{
	RamaTypeInfo *info;
	bool		found;

	if (type_infos == NULL)
		init_type_infos();
	info = hash_search(type_infos, &type, HASH_ENTER, &found);
	if (!found)
		info->valid = false;
	if (!info->valid)
		fill_info(info);
	return info;
}

/* rama_type_input_is_immutable() -- Does text always mean the same value? */
bool
rama_type_input_is_immutable(Oid type)
{
	return rama_type_info(type)->immutable_input;
}

/*
 * rama_type_is_its_text() -- Do equal values have the same text, whatever the
 * settings?
 */
bool
rama_type_is_its_text(Oid type)
{
	switch (rama_type_info(type)->base)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case TEXTOID:
		case VARCHAROID:
		case UUIDOID:
		case DATEOID:
			return true;
		default:
			return false;
	}
}

/* rama_type_compare() -- Compare two values of a key's type. */
int
rama_type_compare(const RamaType *type, Datum a, Datum b)
{
	TypeCacheEntry *entry = lookup_type_cache(type->oid,
											  TYPECACHE_CMP_PROC_FINFO);

	return DatumGetInt32(FunctionCall2Coll(&entry->cmp_proc_finfo,
										   type->collation, a, b));
}

/* rama_type_init() -- A type that is not a key. */
void
rama_type_init(RamaType *type, Oid oid, int32 typmod)
{
	memset(type, 0, sizeof(*type));
	type->oid = oid;
	type->typmod = typmod;
	type->collation = get_typcollation(oid);
	get_typlenbyvalalign(oid, &type->len, &type->byval, &type->align);
}
