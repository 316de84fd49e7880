/*-------------------------------------------------------------------------
 *
 * encode.c
 *	  Index rows to entries and back. The columns' values are encoded by the
 *	  functions of their operator classes, in the other encode_*.c.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/detoast.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "catalog/pg_index.h"
#include "index/encode.h"
#include "utils/memutils.h"

/* The payload's own length, at the end: one byte, or two with this bit */
#define LONG_PAYLOAD		0x80

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

static void
complement(char *data, int len)
{
	for (int i = 0; i < len; i++)
		data[i] = ~data[i];
}

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
		complement(encoder->key->data + start, encoder->key->len - start);
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
	Datum		flat[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];
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
	if (payload->len < LONG_PAYLOAD)
		appendStringInfoCharMacro(entry, (char) payload->len);
	else
	{
		appendStringInfoCharMacro(entry, (char) (payload->len & 0xFF));
		appendStringInfoCharMacro(entry, (char) (LONG_PAYLOAD | (payload->len >> 8)));
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

/* ---- Entries to rows ---- */

/*
 * The size of the encoding at data, of which len bytes are there; more than
 * len, if it does not end within them.
 */
static int
column_size(const PsColumn *column, const uint8 *data, int len)
{
	uint8		mask = column->desc ? 0xFF : 0;
	const uint8 *end;

	if (len < 1)
		return 1;
	if (data[0] == 0x00 || data[0] == 0xFF)
		return 1;				/* NULL */
	switch (column->layout)
	{
		case PS_LAYOUT_INT:
			return ps_int_size(data[0] ^ mask);
		case PS_LAYOUT_TEXT:
			end = memchr(data, mask, len);
			return end == NULL ? len + 1 : (int) (end - data) + 1;
		case PS_LAYOUT_ESCAPED:
			for (int i = 1; i + 1 < len; i++)
			{
				if ((data[i] ^ mask) != 0)
					continue;
				if ((data[i + 1] ^ mask) == 0)
					return i + 2;
				i++;
			}
			return len + 1;
		case PS_LAYOUT_FIXED:
			return column->width;
		case PS_LAYOUT_NUMERIC:
			return ps_numeric_size(data, len, mask);
		case PS_LAYOUT_INET:
			return ps_inet_size(data, len, mask);
		case PS_LAYOUT_ENUM:
			return ps_enum_size(data, len, mask);
	}
	elog(ERROR, "unknown layout of an index column: %d", (int) column->layout);
}

/*
 * ps_column_size() -- The size of the (valid) encoding of the column at data,
 * as it is in the key: also of a NULL, and of a DESC column.
 */
int
ps_column_size(const PsColumn *column, const char *data)
{
	return column_size(column, (const uint8 *) data, MaxAllocSize);
}

/* Sets *parts; false if the payload's length cannot be. */
static bool
parse(const PsIndex *info, PsString entry, PsEntry *parts)
{
	const uint8 *data = (const uint8 *) entry.data;
	int			len = entry.len;
	int			payload = 0;

	if (info->has_payload)
	{
		if (len < 2)
			return false;
		payload = data[--len];
		if (payload & LONG_PAYLOAD)
			payload = ((payload & ~LONG_PAYLOAD) << 8) | data[--len];
	}
	len -= payload;
	if (len <= PS_TID_SIZE)
		return false;
	parts->payload = (PsString) {entry.data + len, payload};
	len -= PS_TID_SIZE;
	ps_get_tid(entry.data + len, &parts->tid);
	parts->key = (PsString) {entry.data, len};
	return true;
}

/*
 * ps_parse() -- Splits a leaf's whole entry (with the page's prefix) into its
 * parts, which point into it.
 *
 * Error XX002 if that cannot be done.
 */
void
ps_parse(const PsIndex *info, PsString entry, PsEntry *parts)
{
	if (!parse(info, entry, parts))
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index entry of %d bytes is malformed", entry.len),
				 errhint("Find the index with rama.check_index(), and REINDEX it.")));
}

/*
 * Sets *residue to the next one of the payload, *at to behind it; false if
 * the payload ends before.
 */
static bool
next_residue(PsString payload, int *at, PsString *residue)
{
	residue->data = payload.data + *at;
	residue->len = 0;
	if (payload.len == 0)
		return true;
	if (*at >= payload.len)
		return false;
	residue->len = (uint8) payload.data[*at];
	residue->data++;
	*at += 1 + residue->len;
	return *at <= payload.len;
}

/*
 * ps_entry_problem() -- What keeps a leaf's whole entry from being taken apart,
 * or NULL. Reads nothing outside it, whatever it has.
 */
const char *
ps_entry_problem(const PsIndex *info, PsString entry)
{
	PsEntry		parts;
	int			at = 0;
	int			payload_at = 0;

	if (!parse(info, entry, &parts))
		return "its payload is longer than the entry";
	for (int i = 0; i < info->nkeys; i++)
	{
		PsString	residue;

		at += column_size(&info->columns[i], (const uint8 *) parts.key.data + at,
						  parts.key.len - at);
		if (at > parts.key.len)
			return "its key ends within a column";
		if (info->columns[i].has_residue && !next_residue(parts.payload, &payload_at, &residue))
			return "its payload ends within a column";
	}
	if (at != parts.key.len)
		return "its key is longer than its columns";
	if (info->include != NULL)
		payload_at += BITMAPLEN(info->include->natts);
	if (info->include != NULL ? payload_at > parts.payload.len : payload_at != parts.payload.len)
		return "its payload has the wrong length";
	if (!ItemPointerIsValid(&parts.tid))
		return "its tuple's identifier is invalid";
	return NULL;
}

static Datum
decode_column(Relation index, const PsIndex *info, int column, PsString key, PsString residue)
{
	PsDecoder	decoder = {key, residue};
	char	   *copy = NULL;
	Datum		value;

	if (info->columns[column].desc)
	{
		copy = palloc(key.len);
		memcpy(copy, key.data, key.len);
		complement(copy, key.len);
		decoder.key.data = copy;
	}
	value = FunctionCall1Coll(index_getprocinfo(index, column + 1, PS_DECODE_PROC),
							  index->rd_indcollation[column],
							  PointerGetDatum(&decoder));
	if (copy != NULL)
		pfree(copy);
	return value;
}

static void
decode_include(const PsIndex *info, PsString payload, int at, Datum *values, bool *isnull)
{
	int			bitmap_size = BITMAPLEN(info->include->natts);
	char	   *aligned;

	if (at + bitmap_size > payload.len)
		elog(ERROR, "index entry's payload is too short");
	aligned = palloc(payload.len - at - bitmap_size + 1);
	memcpy(aligned, payload.data + at + bitmap_size, payload.len - at - bitmap_size);
	index_deform_tuple_internal(info->include, values, isnull, aligned,
								(bits8 *) payload.data + at, true);
}

/*
 * ps_decode() -- The values of all columns, INCLUDE columns too, of an entry.
 *
 * Palloc'd in the current memory context. The values are exactly those that
 * were inserted, but for being neither toasted nor compressed.
 */
void
ps_decode(Relation index, const PsIndex *info, const PsEntry *entry,
		  Datum *values, bool *isnull)
{
	int			at = 0;
	int			payload_at = 0;

	for (int i = 0; i < info->nkeys; i++)
	{
		const PsColumn *column = &info->columns[i];
		PsString	key;
		PsString	residue = PS_EMPTY;

		key.data = entry->key.data + at;
		key.len = column_size(column, (const uint8 *) key.data, entry->key.len - at);
		at += key.len;
		if (at > entry->key.len ||
			(column->has_residue && !next_residue(entry->payload, &payload_at, &residue)))
			ereport(ERROR,
					(errcode(ERRCODE_INDEX_CORRUPTED),
					 errmsg("entry of index \"%s\" is malformed", RelationGetRelationName(index)),
					 errhint("REINDEX the index.")));
		isnull[i] = key.data[0] == (column->nulls_first ? '\0' : '\xFF');
		values[i] = isnull[i] ? (Datum) 0 : decode_column(index, info, i, key, residue);
	}
	if (info->include != NULL)
		decode_include(info, entry->payload, payload_at,
					   values + info->nkeys, isnull + info->nkeys);
}
