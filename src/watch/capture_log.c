/*-------------------------------------------------------------------------
 *
 * capture_log.c
 *	  The log of what a transaction does to a PState: its memory, its nest
 *	  levels, and the op of a place.
 *
 * What happens to the same place again, with nothing around it changed in
 * between, goes into the same op. See src/watch/README.md.
 *
 *-------------------------------------------------------------------------
 */
#include "watch/capture.h"

#include "access/detoast.h"
#include "common/hashfn.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "watch/ring.h"

#define FIRST_SLOTS 64
#define SLOT_GONE PG_UINT32_MAX
#define LIMIT_WITHOUT_RING (4 * 1024 * 1024)
#define ARENA_BLOCK 8192

/* The ops of a nest level begin here. */
typedef struct Mark
{
	int			nestlevel;
	int			start;
} Mark;

/* In TopTransactionContext; NIL between transactions */
static List *logs = NIL;
static RamaCaptureLog *latest = NULL;

/* rama_capture_log() -- What this transaction did to a PState; NULL: nothing. */
RamaCaptureLog *
rama_capture_log(Oid relid)
{
	ListCell   *lc;

	foreach(lc, logs)
	{
		RamaCaptureLog *log = lfirst(lc);

		if (log->relid == relid)
			return log;
	}
	return NULL;
}

static RamaCaptureLog *
make_log(Oid relid)
{
	MemoryContext context = AllocSetContextCreate(TopTransactionContext, "pg_rama changes",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	RamaCaptureLog *log = palloc0_object(RamaCaptureLog);

	log->relid = relid;
	log->context = context;
	log->space = 32;
	log->ops = MemoryContextAlloc(context, sizeof(RamaCapture *) * log->space);
	logs = lappend(logs, log);
	MemoryContextSwitchTo(old);
	return log;
}

/* About so many bytes of ops may a transaction have. */
static Size
limit(void)
{
	return rama_ring_exists() ? rama_ring_limit() : LIMIT_WITHOUT_RING;
}

/* Nothing more is noted: readers get a reset. */
static void
lose(RamaCaptureLog *log)
{
	MemoryContextReset(log->context);
	log->lost = true;
	log->count = log->space = log->barrier = 0;
	log->ops = NULL;
	log->arena = NULL;
	log->arena_left = 0;
	log->slots = NULL;
	log->nslots = 0;
	log->marks = NIL;
}

/*
 * rama_capture_open() -- The log to write to, with its nest level marked; NULL:
 * nobody will read it.
 */
RamaCaptureLog *
rama_capture_open(const RamaTable *table)
{
	RamaPState *pstate = table->pstate;
	RamaCaptureLog *log = latest;
	int			nestlevel = GetCurrentTransactionNestLevel();

	if (!rama_ring_exists() && pstate->retain == NULL)
		return NULL;
	if (log == NULL || log->relid != pstate->relid)
	{
		log = rama_capture_log(pstate->relid);
		if (log == NULL)
			log = make_log(pstate->relid);
		latest = log;
	}
	if (log->lost)
		return NULL;
	if (log->pstate != pstate)
	{
		/* Bound anew: with another schema, what is noted cannot be read. */
		if (log->pstate && strcmp(log->pstate->schema, pstate->schema) != 0)
		{
			lose(log);
			return NULL;
		}
		log->pstate = pstate;
	}
	if (nestlevel > (log->marks ? ((Mark *) llast(log->marks))->nestlevel : 1))
	{
		MemoryContext old = MemoryContextSwitchTo(log->context);
		Mark	   *mark = palloc_object(Mark);

		*mark = (Mark) {nestlevel, log->count};
		log->marks = lappend(log->marks, mark);
		MemoryContextSwitchTo(old);
	}
	return log;
}

/* rama_capture_table() -- The number of a table in its PState. */
int
rama_capture_table(const RamaTable *table)
{
	const RamaPState *pstate = table->pstate;

	for (int i = 0; i < pstate->ntables; i++)
		if (pstate->tables[i] == table)
			return i;
	elog(ERROR, "table \"%s\" is not of its PState", table->name);
}

/* Values of columns, wherever they are now, as long as the log. */
static Datum
keep(RamaCaptureLog *log, Datum value, bool byval, int16 len)
{
	MemoryContext old;
	Size		size;

	if (byval)
		return value;
	old = MemoryContextSwitchTo(log->context);
	if (len == -1 && VARATT_IS_EXTERNAL(DatumGetPointer(value)) &&
		!VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(value)))
		value = PointerGetDatum(detoast_external_attr((struct varlena *) DatumGetPointer(value)));
	else
		value = datumCopy(value, false, len);
	size = datumGetSize(value, false, len);
	log->bytes += size;
	MemoryContextSwitchTo(old);
	return value;
}

/*
 * rama_capture_keep() -- A copy of a column's value, wherever it is now, that lives as
 * long as the log.
 */
Datum
rama_capture_keep(RamaCaptureLog *log, const RamaTable *table, AttrNumber attno, Datum value)
{
	const RamaType *type = &table->columns[attno - 1].type;

	return keep(log, value, type->byval, type->len);
}

/* rama_capture_alloc() -- Memory that lives as long as the log. */
void *
rama_capture_alloc(RamaCaptureLog *log, Size size)
{
	void	   *result;

	size = MAXALIGN(size);
	if (size > log->arena_left)
	{
		log->arena_left = Max(ARENA_BLOCK, size);
		log->arena = MemoryContextAlloc(log->context, log->arena_left);
	}
	result = log->arena;
	log->arena += size;
	log->arena_left -= size;
	return result;
}

/* A key, which stays as long as its op */
static Datum
keep_key(RamaCaptureLog *log, const RamaType *type, Datum key)
{
	Size		size;
	void	   *copy;

	if (type->byval)
		return key;
	if (type->len == -1 && VARATT_IS_EXTERNAL(DatumGetPointer(key)))
		return keep(log, key, false, -1);
	size = type->len == -1 ? VARSIZE_ANY(DatumGetPointer(key)) :
		datumGetSize(key, false, type->len);
	copy = rama_capture_alloc(log, size);
	memcpy(copy, DatumGetPointer(key), size);
	log->bytes += size;
	return PointerGetDatum(copy);
}

/* Finding the op of a place */

static uint32
place_hash(const RamaTable *table, int number, const Datum *keys, int nkeys, AttrNumber attno)
{
	uint64		hash = ((uint64) number << 16) + (uint16) attno;

	for (int i = 0; i < nkeys; i++)
	{
		const RamaType *type = &table->keys[i];
		uint64		h;

		if (type->byval)
			h = keys[i];
		else if (type->len == -1)
			h = hash_bytes((unsigned char *) VARDATA_ANY(DatumGetPointer(keys[i])),
						   VARSIZE_ANY_EXHDR(DatumGetPointer(keys[i])));
		else
			h = hash_bytes((unsigned char *) DatumGetPointer(keys[i]),
						   datumGetSize(keys[i], false, type->len));
		hash = (hash ^ h) * UINT64CONST(0x9E3779B97F4A7C15);
		hash ^= hash >> 32;
	}
	return (uint32) hash;
}

/* rama_capture_same_keys() -- Do the first keys look the same? */
bool
rama_capture_same_keys(const RamaTable *table, const Datum *a, const Datum *b, int nkeys)
{
	for (int i = nkeys - 1; i >= 0; i--)
	{
		const RamaType *type = &table->keys[i];

		if (type->byval ? a[i] != b[i] :
			!datum_image_eq(a[i], b[i], false, type->len))
			return false;
	}
	return true;
}

/* rama_capture_first_open() -- The first op that may still change. */
int
rama_capture_first_open(const RamaCaptureLog *log)
{
	int			start = log->marks ? ((Mark *) llast(log->marks))->start : 0;

	return Max(start, log->barrier);
}

/* The slot of a place: of its op, or free, or of one that is gone. */
static uint32 *
find_slot(RamaCaptureLog *log, const RamaTable *table, int number, const Datum *keys,
		  int nkeys, AttrNumber attno, uint32 hash)
{
	uint32		mask = log->nslots - 1;
	uint32	   *gone = NULL;

	for (uint32 i = hash & mask;; i = (i + 1) & mask)
	{
		uint32	   *slot = &log->slots[i];
		const RamaCapture *op;

		if (*slot == 0)
			return gone ? gone : slot;
		if (*slot > (uint32) log->count)
		{
			/* Rolled back, or SLOT_GONE */
			if (gone == NULL)
				gone = slot;
			continue;
		}
		op = log->ops[*slot - 1];
		if (op->hash == hash && op->attno == attno && op->table == number &&
			rama_capture_same_keys(table, op->keys, keys, nkeys))
			return slot;
	}
}

static void
insert_slot(uint32 *slots, uint32 mask, uint32 hash, uint32 value)
{
	uint32		i = hash & mask;

	while (slots[i] != 0)
		i = (i + 1) & mask;
	slots[i] = value;
}

/* Room for one more. Only ops that may still change are taken along. */
static void
grow_slots(RamaCaptureLog *log)
{
	uint32		first = rama_capture_first_open(log);
	uint32		nslots = FIRST_SLOTS;
	uint32	   *slots;

	while (nslots < 4 * (log->count - first + 1))
		nslots *= 2;
	slots = MemoryContextAllocExtended(log->context, sizeof(uint32) * nslots,
									   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	log->nused = 0;
	for (uint32 i = 0; i < log->nslots; i++)
	{
		uint32		value = log->slots[i];

		if (value == 0 || value > (uint32) log->count || value <= first)
			continue;
		insert_slot(slots, nslots - 1, log->ops[value - 1]->hash, value);
		log->nused++;
	}
	if (log->slots)
		pfree(log->slots);
	log->slots = slots;
	log->nslots = nslots;
}

/*
 * rama_capture_note() -- An op at a place, given by the row's keys and attno (0:
 * found by nobody), new or, with *found, the one that was there and may still change. NULL: too
 * much has been noted.
 */
RamaCapture *
rama_capture_note(RamaCaptureLog *log, const RamaTable *table, const Datum *keys, int nkeys,
	 RamaCaptureKind kind, AttrNumber attno, bool *found)
{
	int			number = rama_capture_table(table);
	RamaCapture *op;
	uint32	   *slot = NULL;
	uint32		hash = 0;

	*found = false;
	if (attno != 0)
	{
		if (2 * log->nused >= log->nslots)
			grow_slots(log);
		hash = place_hash(table, number, keys, nkeys, attno);
		slot = find_slot(log, table, number, keys, nkeys, attno, hash);
		if (*slot > (uint32) rama_capture_first_open(log) && *slot <= (uint32) log->count)
		{
			op = log->ops[*slot - 1];
			if (op->hash == hash && op->attno == attno)
			{
				*found = true;
				return op;
			}
		}
	}
	log->bytes += 16 + 8 * nkeys;
	if (log->bytes > limit())
	{
		lose(log);
		return NULL;
	}
	op = rama_capture_alloc(log, offsetof(RamaCapture, keys) + sizeof(Datum) * nkeys);
	memset(op, 0, offsetof(RamaCapture, keys));
	op->kind = kind;
	op->table = number;
	op->attno = attno;
	op->hash = hash;
	for (int i = 0; i < nkeys; i++)
		op->keys[i] = keep_key(log, &table->keys[i], keys[i]);
	if (log->count == log->space)
	{
		log->space *= 2;
		log->ops = repalloc_huge(log->ops, sizeof(RamaCapture *) * log->space);
	}
	log->ops[log->count++] = op;
	if (slot)
	{
		if (*slot == 0)
			log->nused++;
		*slot = log->count;
	}
	return op;
}

/*
 * rama_capture_close_row() -- Later writes to the row's columns are ops of their
 * own.
 */
void
rama_capture_close_row(RamaCaptureLog *log, const RamaTable *table, const Datum *keys)
{
	int			number = rama_capture_table(table);

	if (log->nslots == 0)
		return;
	for (int i = table->nkeys; i < table->ncolumns; i++)
	{
		uint32		hash = place_hash(table, number, keys, table->nkeys, i + 1);
		uint32	   *slot = find_slot(log, table, number, keys, table->nkeys, i + 1, hash);

		if (*slot != 0)
			*slot = SLOT_GONE;
	}
}

/* The end of transactions */

static void
level_ended(RamaCaptureLog *log, SubXactEvent event, int nestlevel)
{
	while (log->marks != NIL)
	{
		Mark	   *mark = llast(log->marks);
		int			outer;

		if (mark->nestlevel < nestlevel)
			return;
		outer = list_length(log->marks) < 2 ? 1 :
			((Mark *) list_nth(log->marks, list_length(log->marks) - 2))->nestlevel;
		if (event == SUBXACT_EVENT_ABORT_SUB)
		{
			log->count = mark->start;
			log->barrier = Min(log->barrier, log->count);
		}
		else if (outer < nestlevel - 1)
		{
			mark->nestlevel = nestlevel - 1;
			return;
		}
		log->marks = list_delete_last(log->marks);
	}
}

/*
 * rama_capture_subxact() -- A subtransaction of this nest level ends. Allocates
 * nothing.
 */
void
rama_capture_subxact(SubXactEvent event, int nestlevel)
{
	ListCell   *lc;

	foreach(lc, logs)
		level_ended(lfirst(lc), event, nestlevel);
}

/* rama_capture_end() -- The transaction ends, and with it its context. */
void
rama_capture_end(void)
{
	logs = NIL;
	latest = NULL;
}
