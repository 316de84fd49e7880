/*-------------------------------------------------------------------------
 *
 * encode.c
 *	  Index rows to entries. The columns' values are encoded by the functions
 *	  of their operator classes, in encode_*.c.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "catalog/pg_index.h"
#include "index/encode.h"

/* ---- What is known of an index ---- */

static void
describe_column(Relation index, int column, PsColumn *to)
{
	PsEncoder	encoder = {.describe = true};
	int16		option = index->rd_indoption[column];

	FunctionCall2Coll(index_getprocinfo(index, column + 1, PS_ENCODE_PROC),
					  index->rd_indcollation[column],
					  (Datum) 0, PointerGetDatum(&encoder));
	to->desc = (option & INDOPTION_DESC) != 0;
	to->nulls_first = (option & INDOPTION_NULLS_FIRST) != 0;
	to->layout = encoder.layout;
	to->width = encoder.width;
	to->has_residue = encoder.has_residue;
}

static TupleDesc
include_desc(TupleDesc desc, int nkeys)
{
	TupleDesc	include = CreateTemplateTupleDesc(desc->natts - nkeys);

	for (int i = 0; i < include->natts; i++)
		TupleDescCopyEntry(include, i + 1, desc, nkeys + i + 1);
	return include;
}

static PsIndex *
describe_index(Relation index)
{
	TupleDesc	desc = RelationGetDescr(index);
	int			nkeys = IndexRelationGetNumberOfKeyAttributes(index);
	PsIndex    *info = (PsIndex *) palloc0(sizeof(PsIndex));

	info->nkeys = nkeys;
	info->natts = desc->natts;
	info->has_payload = desc->natts > nkeys;
	for (int i = 0; i < nkeys; i++)
	{
		describe_column(index, i, &info->columns[i]);
		info->has_payload |= info->columns[i].has_residue;
	}
	if (desc->natts > nkeys)
		info->include = include_desc(desc, nkeys);
	return info;
}

/*
 * ps_index() -- What is known of an index: how its columns are encoded.
 *
 * Good as long as the index is open: rd_amcache, which any invalidation frees, is
 * only a pointer to it. (So there are several for an index that is kept open
 * for long; they go when it is closed and invalidated.)
 *
 * The operator classes' complaints about collations come from here, so that
 * they are raised when an index is created.
 */
const PsIndex *
ps_index(Relation index)
{
	MemoryContext caller;
	PsIndex    *info;
	PsIndex   **cache;

	if (index->rd_amcache != NULL)
		return *(PsIndex **) index->rd_amcache;

	caller = MemoryContextSwitchTo(index->rd_indexcxt);
	info = describe_index(index);
	cache = (PsIndex **) palloc(sizeof(PsIndex *));
	*cache = info;
	index->rd_amcache = cache;
	MemoryContextSwitchTo(caller);
	return info;
}

/* ---- Rows to entries ---- */

/*
 * ps_encode_null() -- Appends a NULL of the column.
 */
void
ps_encode_null(const PsColumn *column, StringInfo key)
{
	appendStringInfoCharMacro(key, column->nulls_first ? '\0' : '\xFF');
}

/*
 * ps_encode_value() -- Appends a value of the column (numbered from 0) to
 * encoder->key, and what is not part of its order to encoder->residue, unless
 * that is NULL.
 *
 * "encode" is the operator class's function for the value's type, NULL if it
 * is the column's own. All other fields of the encoder are set here; "above"
 * and "outside" are about the order of the type, not of a DESC column.
 */
void
ps_encode_value(Relation index, const PsIndex *info, int column, Datum value,
				FmgrInfo *encode, PsEncoder *encoder)
{
	int			start = encoder->key->len;

	encoder->describe = false;
	encoder->above = false;
	encoder->outside = 0;
	if (encode == NULL)
		encode = index_getprocinfo(index, column + 1, PS_ENCODE_PROC);
	FunctionCall2Coll(encode, index->rd_indcollation[column],
					  value, PointerGetDatum(encoder));
	if (info->columns[column].desc)
		ps_complement(encoder->key->data + start, encoder->key->len - start);
}

/*
 * Appends the column to the key, and its residue with the length to the
 * payload.
 */
static void
encode_column(Relation index, const PsIndex *info, int column, Datum value, bool isnull,
			  StringInfo key, StringInfo payload)
{
	const PsColumn *c = &info->columns[column];
	PsEncoder	encoder;
	int			length_at = 0;

	memset(&encoder, 0, sizeof(encoder));
	encoder.key = key;
	if (c->has_residue)
	{
		length_at = payload->len;
		appendStringInfoCharMacro(payload, '\0');
		encoder.residue = payload;
	}
	if (isnull)
		ps_encode_null(c, key);
	else
		ps_encode_value(index, info, column, value, NULL, &encoder);
	if (c->has_residue)
	{
		int			len = payload->len - length_at - 1;

		Assert(len <= UINT8_MAX);
		payload->data[length_at] = (char) len;
	}
}

/*
 * Appends the null bitmap and the data of the INCLUDE columns, neither toasted
 * nor compressed: entries are functions of the values, not of how the table has
 * stored them.
 */
static void
encode_include(const PsIndex *info, const Datum *values, const bool *isnull, StringInfo payload)
{
	Datum		flat[INDEX_MAX_KEYS] = {0};
	bool		nulls[INDEX_MAX_KEYS] = {0};
	int			n = info->include->natts;
	uint16		infomask = 0;
	Size		size;
	char	   *data;
	bits8	   *bitmap;

	for (int i = 0; i < n; i++)
	{
		nulls[i] = isnull[info->nkeys + i];
		flat[i] = values[info->nkeys + i];
		if (!nulls[i] && TupleDescAttr(info->include, i)->attlen == -1 &&
			(VARATT_IS_EXTERNAL(DatumGetPointer(flat[i])) ||
			 VARATT_IS_COMPRESSED(DatumGetPointer(flat[i]))))
			flat[i] = PointerGetDatum(detoast_attr((struct varlena *) DatumGetPointer(flat[i])));
	}
	size = heap_compute_data_size(info->include, flat, nulls);
	data = palloc0(size + 1);
	bitmap = palloc0(BITMAPLEN(n));
	heap_fill_tuple(info->include, flat, nulls, data, size, &infomask, bitmap);
	appendBinaryStringInfo(payload, (char *) bitmap, BITMAPLEN(n));
	appendBinaryStringInfo(payload, data, size);
	pfree(bitmap);
	pfree(data);
	for (int i = 0; i < n; i++)
		if (!nulls[i] && flat[i] != values[info->nkeys + i])
			pfree(DatumGetPointer(flat[i]));
}

static bool
is_all_zero(const char *data, int len)
{
	for (int i = 0; i < len; i++)
		if (data[i] != 0)
			return false;
	return true;
}

/* Appends the payload and its length, from which it is found from the end. */
static void
append_payload(const PsIndex *info, StringInfo payload, StringInfo entry)
{
	/* No residue at all, as is usual: need not be said for each column. */
	if (info->include == NULL && is_all_zero(payload->data, payload->len))
		resetStringInfo(payload);

	appendBinaryStringInfo(entry, payload->data, payload->len);
	if (payload->len < PS_LONG_PAYLOAD)
		appendStringInfoCharMacro(entry, (char) payload->len);
	else
	{
		appendStringInfoCharMacro(entry, (char) (payload->len & 0xFF));
		appendStringInfoCharMacro(entry, (char) (PS_LONG_PAYLOAD | (payload->len >> 8)));
	}
}

pg_noreturn static void
entry_too_long(Relation index, Size size)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("index row size %zu exceeds pstate maximum %d for index \"%s\"",
					size, PS_MAX_ENTRY, RelationGetRelationName(index)),
			 errhint("Index a function of the value that is shorter, such as its first characters or an MD5 hash.")));
}

/*
 * ps_encode() -- Replaces *entry by the key of a row of the index, followed, if
 * tid is given, by the tid and the payload. Sets *keylen to the length of the
 * key alone, and *hasnull if a key column is NULL.
 *
 * Works in the current memory context. Error 54000 if the entry (or the key,
 * without tid) is longer than PS_MAX_ENTRY.
 */
void
ps_encode(Relation index, const PsIndex *info, const Datum *values, const bool *isnull,
		  ItemPointer tid, StringInfo entry, int *keylen, bool *hasnull)
{
	bool		with_payload = info->has_payload && tid != NULL;
	StringInfoData payload = {0};

	resetStringInfo(entry);
	*hasnull = false;
	if (info->has_payload)
		initStringInfo(&payload);
	for (int i = 0; i < info->nkeys; i++)
	{
		encode_column(index, info, i, values[i], isnull[i], entry, &payload);
		*hasnull |= isnull[i];
	}
	*keylen = entry->len;
	if (tid != NULL)
	{
		enlargeStringInfo(entry, PS_TID_SIZE);
		ps_put_tid(entry->data + entry->len, tid);
		entry->len += PS_TID_SIZE;
		entry->data[entry->len] = '\0';
	}
	if (with_payload)
	{
		if (info->include != NULL)
			encode_include(info, values, isnull, &payload);
		/* Longer payloads' lengths have no code. */
		if (entry->len + payload.len > PS_MAX_ENTRY)
			entry_too_long(index, (Size) entry->len + payload.len);
		append_payload(info, &payload, entry);
	}
	if (payload.data != NULL)
		pfree(payload.data);
	if (entry->len > PS_MAX_ENTRY)
		entry_too_long(index, entry->len);
}
