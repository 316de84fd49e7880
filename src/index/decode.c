/*-------------------------------------------------------------------------
 *
 * decode.c
 *	  Entries to index rows.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/htup_details.h"
#include "index/encode.h"
#include "utils/memutils.h"

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
	int			len = entry.len;
	int			length_size = 0;

	if (info->has_payload)
	{
		if (len < 2)
			return false;
		length_size = (uint8) entry.data[len - 1] & PS_LONG_PAYLOAD ? 2 : 1;
		len -= ps_payload_size(entry);
	}
	if (len <= PS_TID_SIZE)
		return false;
	parts->payload = (PsString) {entry.data + len, entry.len - length_size - len};
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
		ps_complement(copy, key.len);
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
