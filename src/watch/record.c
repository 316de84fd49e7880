/*-------------------------------------------------------------------------
 *
 * record.c
 *	  The ops of a transaction as bytes.
 *
 * Readers have the same tables, as the record's format says; so types and
 * numbers of keys and columns are not in it. Nothing is aligned.
 *
 *-------------------------------------------------------------------------
 */
#include "watch/record.h"

#include "common/hashfn.h"
#include "utils/datum.h"
#include "utils/memutils.h"

/* Two documents of at most so many bytes are compared by the reader. */
#define SMALL_DOCUMENTS 512

/*
 * rama_record_format() -- Tells records apart that were made with different
 * tables.
 */
uint32
rama_record_format(const RamaPState *pstate)
{
	return hash_bytes((const unsigned char *) pstate->schema, strlen(pstate->schema)) | 1;
}

/* Inline, as most are of a few bytes, and there are many. */
static inline void
put_bytes(StringInfo out, const void *bytes, Size size)
{
	if (unlikely(out->len + size >= (Size) out->maxlen))
		enlargeStringInfo(out, size);
	memcpy(out->data + out->len, bytes, size);
	out->len += size;
}

static inline void
put_int8(StringInfo out, int value)
{
	char		byte = value;

	put_bytes(out, &byte, 1);
}

static inline void
put_int16(StringInfo out, int16 value)
{
	put_bytes(out, &value, sizeof(value));
}

static inline void
put_int32(StringInfo out, uint32 value)
{
	put_bytes(out, &value, sizeof(value));
}

static void
put_datum(StringInfo out, Datum value, bool byval, int16 len)
{
	uint32		size;

	if (byval)
	{
		put_bytes(out, &value, sizeof(value));
		return;
	}
	size = len == -1 ? VARSIZE_ANY(DatumGetPointer(value)) : datumGetSize(value, false, len);
	if (len < 0)
		put_int32(out, size);
	put_bytes(out, DatumGetPointer(value), size);
}

static void
put_column(StringInfo out, const RamaTable *table, const RamaCaptured *captured)
{
	const RamaType *type = &table->columns[captured->attno - 1].type;

	put_int8(out, captured->isnull);
	if (!captured->isnull)
		put_datum(out, captured->value, type->byval, type->len);
}

/* Elements: of each one, all columns of values */
static void
put_elements(StringInfo out, const RamaTable *table, const RamaCapture *op)
{
	int			width = table->ncolumns - table->nkeys;

	put_int32(out, op->ncolumns);
	for (Size i = 0; i < (Size) op->ncolumns * width; i++)
	{
		RamaCaptured column = {table->nkeys + 1 + i % width, op->nulls[i], (Datum) 0};

		if (!column.isnull)
			column.value = op->elements[i];
		put_column(out, table, &column);
	}
}

static void
to_json(const RamaCaptured *captured, JsonbValue *json)
{
	json->type = jbvNull;
	if (!captured->isnull)
		rama_jsonb_to_json(DatumGetJsonbP(captured->value), json);
}

/* Two documents, if they are small, or their differences */
static void
put_documents(StringInfo out, const RamaTable *table, const RamaCapture *op)
{
	const RamaCaptured *now = &op->columns[0];
	const RamaCaptured *before = &op->columns[1];
	bool		both = !now->isnull && !before->isnull;
	JsonbValue	old;
	JsonbValue	new;

	put_int8(out, op->adds);
	if (!both || VARSIZE_ANY(DatumGetPointer(now->value)) +
		VARSIZE_ANY(DatumGetPointer(before->value)) <= SMALL_DOCUMENTS)
	{
		put_int8(out, false);
		put_column(out, table, before);
		put_column(out, table, now);
		return;
	}
	to_json(before, &old);
	to_json(now, &new);
	put_int8(out, true);
	put_datum(out, JsonbPGetDatum(rama_json_diff_to_jsonb(
															rama_json_diff(table->columns[now->attno - 1].node,
																		   &old, &new, op->adds))),
			  false, -1);
}

static void
put_op(StringInfo out, const RamaPState *pstate, const RamaCapture *op)
{
	const RamaTable *table = pstate->tables[op->table];
	int			nkeys = table->nkeys;

	put_int8(out, op->kind);
	put_int8(out, op->isnew);
	put_int16(out, op->table);
	if (op->kind == RAMA_CAPTURE_APPEND || op->kind == RAMA_CAPTURE_EMPTY ||
		op->kind == RAMA_CAPTURE_CLEARED)
		nkeys = Max(nkeys - 1, 0);
	for (int i = 0; i < nkeys; i++)
		put_datum(out, op->keys[i], table->keys[i].byval, table->keys[i].len);
	switch (op->kind)
	{
		case RAMA_CAPTURE_COLUMN:
			put_int16(out, op->columns[0].attno);
			put_column(out, table, &op->columns[0]);
			break;
		case RAMA_CAPTURE_ADD:
			put_int16(out, op->columns[0].attno);
			put_column(out, table, &op->columns[1]);
			put_column(out, table, &op->columns[0]);
			break;
		case RAMA_CAPTURE_JSON:
			put_int16(out, op->columns[0].attno);
			put_documents(out, table, op);
			break;
		case RAMA_CAPTURE_ABSENT:
			put_int16(out, op->columns[0].attno);
			put_int16(out, op->climb);
			break;
		case RAMA_CAPTURE_ROW:
		case RAMA_CAPTURE_INSERT:
			put_int16(out, op->ncolumns);
			for (uint32 i = 0; i < op->ncolumns; i++)
			{
				put_int16(out, op->columns[i].attno);
				put_column(out, table, &op->columns[i]);
			}
			break;
		case RAMA_CAPTURE_APPEND:
			put_elements(out, table, op);
			break;
		case RAMA_CAPTURE_REMOVE:
		case RAMA_CAPTURE_EMPTY:
		case RAMA_CAPTURE_CLEARED:
			break;
	}
}

/*
 * rama_record_pack() -- The ops of a log as bytes, for rama_record_decode().
 */
void
rama_record_pack(const RamaCaptureLog *log, StringInfo out)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pg_rama record",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	for (int i = 0; i < log->count; i++)
	{
		put_op(out, log->pstate, log->ops[i]);
		if (log->ops[i]->kind == RAMA_CAPTURE_JSON)
			MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* rama_record_read() -- The next bytes. */
void
rama_record_read(RamaBytes *bytes, void *to, Size size)
{
	if ((Size) (bytes->end - bytes->next) < size)
		elog(ERROR, "record of a change is too short");
	memcpy(to, bytes->next, size);
	bytes->next += size;
}

/* rama_record_datum() -- The next datum, in the current memory context. */
Datum
rama_record_datum(RamaBytes *bytes, bool byval, int16 len)
{
	uint32		size = len;
	Datum		value;
	char	   *copy;

	if (byval)
	{
		rama_record_read(bytes, &value, sizeof(value));
		return value;
	}
	if (len < 0)
		rama_record_read(bytes, &size, sizeof(size));
	if ((Size) (bytes->end - bytes->next) < size)
		elog(ERROR, "record of a change is too short");
	copy = palloc(Max(size, 1));
	rama_record_read(bytes, copy, size);
	return PointerGetDatum(copy);
}
