/*-------------------------------------------------------------------------
 *
 * capture.c
 *	  The log of what a transaction does to PStates.
 *
 * One op for each thing that happens to a place, in the order in which they
 * happen; what happens to the same place again, with nothing around it changed
 * in between, goes into the same op. See src/watch/README.md.
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

static void append_row(RamaCaptureLog *log, const RamaRow *row, int ncolumns,
					   const AttrNumber *attnos, const Datum *values, const bool *nulls);

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
 * The log to write to, with its nest level marked; NULL: nobody will read it.
 */
static RamaCaptureLog *
open_log(const RamaTable *table)
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

static int
table_number(const RamaTable *table)
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

static Datum
keep_column(RamaCaptureLog *log, const RamaTable *table, AttrNumber attno, Datum value)
{
	const RamaType *type = &table->columns[attno - 1].type;

	return keep(log, value, type->byval, type->len);
}

static void *
from_arena(RamaCaptureLog *log, Size size)
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
	copy = from_arena(log, size);
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

static bool
same_keys(const RamaTable *table, const Datum *a, const Datum *b, int nkeys)
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

/* The first op that may still change */
static int
first_open(const RamaCaptureLog *log)
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
			same_keys(table, op->keys, keys, nkeys))
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
	uint32		first = first_open(log);
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
 * An op at a place, given by the row's keys and attno (0: found by nobody),
 * new or, with *found, the one that was there and may still change. NULL: too
 * much has been noted.
 */
static RamaCapture *
note(RamaCaptureLog *log, const RamaTable *table, const Datum *keys, int nkeys,
	 RamaCaptureKind kind, AttrNumber attno, bool *found)
{
	int			number = table_number(table);
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
		if (*slot > (uint32) first_open(log) && *slot <= (uint32) log->count)
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
	op = from_arena(log, offsetof(RamaCapture, keys) + sizeof(Datum) * nkeys);
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

/* As they are stored: equal keys may look different. */
static const Datum *
keys_of(const RamaRow *row)
{
	return row->found ? row->values : row->keys;
}

/* A new value of a row's column; old is NULL in a new row. */
static void
note_column(RamaCaptureLog *log, const RamaRow *row, AttrNumber attno, bool adds,
			Datum value, bool isnull)
{
	RamaTable  *table = row->table;
	const RamaColumn *column = &table->columns[attno - 1];
	bool		json = column->role == RAMA_COLUMN_JSON || column->type.oid == JSONBOID;
	bool		wasnull = !row->found || row->nulls[attno - 1];
	bool		found;
	RamaCapture *op;
	RamaCaptured *now;

	op = note(log, table, keys_of(row), table->nkeys,
			  json ? RAMA_CAPTURE_JSON : adds ? RAMA_CAPTURE_ADD : RAMA_CAPTURE_COLUMN,
			  attno, &found);
	if (op == NULL)
		return;
	if (!found)
	{
		op->isnew = !row->found;
		op->adds = adds;
		op->ncolumns = op->kind == RAMA_CAPTURE_COLUMN ? 1 : 2;
		op->columns = from_arena(log, sizeof(RamaCaptured) * op->ncolumns);
		if (op->ncolumns == 2)
		{
			op->columns[1].attno = attno;
			op->columns[1].isnull = wasnull;
			if (!wasnull)
				op->columns[1].value = keep_column(log, table, attno, row->values[attno - 1]);
		}
	}
	else if (!op->columns[0].isnull && !column->type.byval)
	{
		log->bytes -= datumGetSize(op->columns[0].value, false, column->type.len);
		pfree(DatumGetPointer(op->columns[0].value));
	}
	if (!adds && op->kind == RAMA_CAPTURE_ADD)
		op->kind = RAMA_CAPTURE_COLUMN;
	op->adds &= adds;
	now = &op->columns[0];
	now->attno = attno;
	now->isnull = isnull;
	if (!isnull)
		now->value = keep_column(log, table, attno, value);
}

/*
 * The value of a field becomes null. How many structs around it, which are
 * fields themselves, are then absent?
 */
static int
structs_absent(const RamaRow *row, AttrNumber attno, int ncolumns,
			   const AttrNumber *attnos, const bool *nulls)
{
	const RamaTable *table = row->table;
	const RamaNode *within = table->columns[attno - 1].node->parent;
	int			climb = 0;

	for (; within && within->kind == RAMA_STRUCT && within->parent &&
		 within->parent->kind == RAMA_STRUCT; within = within->parent)
	{
		for (int i = table->nkeys; i < table->ncolumns; i++)
		{
			bool		isnull = row->nulls[i];
			const RamaNode *node = table->columns[i].node;

			for (int j = 0; j < ncolumns; j++)
				if (attnos[j] == i + 1)
					isnull = nulls[j];
			while (node && node != within)
				node = node->parent;
			if (node && !isnull)
				return climb;
		}
		climb++;
	}
	return climb;
}

static bool
is_same(const RamaColumn *column, Datum a, Datum b)
{
	return column->type.byval ? a == b :
		datum_image_eq(a, b, false, column->type.len);
}

static void
note_changed(RamaCaptureLog *log, const RamaRow *row, int ncolumns, const AttrNumber *attnos,
			 const Datum *values, const bool *nulls)
{
	RamaTable  *table = row->table;
	const RamaNode *absent = NULL;	/* told already */

	for (int i = 0; i < ncolumns && !log->lost; i++)
	{
		AttrNumber	attno = attnos[i];
		const RamaColumn *column = &table->columns[attno - 1];
		bool		adds = row->as == RAMA_AS_ADD && (row->adds == NULL || row->adds[i]);
		int			climb;

		if (column->role == RAMA_COLUMN_COUNT ||
			(nulls[i] ? row->nulls[attno - 1] :
			 !row->nulls[attno - 1] && is_same(column, row->values[attno - 1], values[i])))
			continue;
		climb = nulls[i] ? structs_absent(row, attno, ncolumns, attnos, nulls) : 0;
		if (climb > 0)
		{
			const RamaNode *within = column->node;
			bool		found;
			RamaCapture *op;

			for (int j = 0; j < climb; j++)
				within = within->parent;
			if (within == absent)
				continue;
			absent = within;
			op = note(log, table, keys_of(row), table->nkeys, RAMA_CAPTURE_ABSENT, 0, &found);
			if (op == NULL)
				return;
			op->climb = climb;
			op->ncolumns = 1;
			op->columns = from_arena(log, sizeof(RamaCaptured));
			op->columns[0] = (RamaCaptured) {attno, true, (Datum) 0};
			log->barrier = log->count;
		}
		else
			note_column(log, row, attno, adds, values[i], nulls[i]);
	}
}

/* Is the value of a row of this table one column? */
static bool
has_one_column(const RamaTable *table)
{
	const RamaNode *node = table->node;

	if (node->kind == RAMA_MAP && node->storage == RAMA_IN_TABLE)
		node = node->children[0];
	return node->storage == RAMA_IN_COLUMN;
}

static bool
is_counts_only(const RamaTable *table, int ncolumns, const AttrNumber *attnos)
{
	for (int i = 0; i < ncolumns; i++)
		if (table->columns[attnos[i] - 1].role != RAMA_COLUMN_COUNT)
			return false;
	return ncolumns > 0;
}

/* What a new row has, but counts and nulls. */
static void
keep_row(RamaCaptureLog *log, RamaCapture *op, RamaTable *table, int ncolumns,
		 const AttrNumber *attnos, const Datum *values, const bool *nulls)
{
	op->columns = from_arena(log, sizeof(RamaCaptured) * Max(ncolumns, 1));
	for (int i = 0; i < ncolumns; i++)
	{
		if (nulls[i] || table->columns[attnos[i] - 1].role == RAMA_COLUMN_COUNT)
			continue;
		op->columns[op->ncolumns++] = (RamaCaptured)
		{
			attnos[i], false, keep_column(log, table, attnos[i], values[i])
		};
	}
	log->bytes += 4 * op->ncolumns;
}

/* Are the columns of a new row all made by additions? */
static bool
is_added(const RamaRow *row, int ncolumns, const AttrNumber *attnos, const bool *nulls)
{
	if (row->as != RAMA_AS_ADD)
		return false;
	for (int i = 0; i < ncolumns; i++)
		if (!nulls[i] && row->adds && !row->adds[i])
			return false;
	return ncolumns > 0;
}

static void
note_new(RamaCaptureLog *log, const RamaRow *row, int ncolumns, const AttrNumber *attnos,
		 const Datum *values, const bool *nulls)
{
	RamaTable  *table = row->table;
	bool		isvector = table->node->kind == RAMA_VECTOR && table->nkeys > 0;
	bool		found;
	RamaCapture *op;

	if (isvector && row->as != RAMA_AS_INSERT)
		append_row(log, row, ncolumns, attnos, values, nulls);
	else if (!isvector &&
			 (is_added(row, ncolumns, attnos, nulls) ||
			  (ncolumns == 1 && has_one_column(table))))
	{
		for (int i = 0; i < ncolumns && !log->lost; i++)
			if (!nulls[i] || has_one_column(table))
				note_column(log, row, attnos[i], row->as == RAMA_AS_ADD, values[i], nulls[i]);
	}
	else
	{
		op = note(log, table, row->keys, table->nkeys,
				  isvector ? RAMA_CAPTURE_INSERT : RAMA_CAPTURE_ROW, 0, &found);
		if (op == NULL)
			return;
		keep_row(log, op, table, ncolumns, attnos, values, nulls);
		if (isvector)
			log->barrier = log->count;
	}
}

/*
 * rama_capture_row() -- The row is about to be written as rama_row_set() is
 * told. Rows that are only there to enclose others are not told of.
 */
void
rama_capture_row(const RamaRow *row, int ncolumns, const AttrNumber *attnos,
				 const Datum *values, const bool *nulls)
{
	RamaCaptureLog *log;

	if (row->as == RAMA_AS_COUNT || row->table->logical || is_counts_only(row->table, ncolumns, attnos))
		return;
	log = open_log(row->table);
	if (log == NULL)
		return;
	if (row->found)
		note_changed(log, row, ncolumns, attnos, values, nulls);
	else
		note_new(log, row, ncolumns, attnos, values, nulls);
}

/* Later writes to the row's columns are ops of their own. */
static void
close_row(RamaCaptureLog *log, const RamaTable *table, const Datum *keys)
{
	int			number = table_number(table);

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

/*
 * rama_capture_remove() -- The row with these keys, which was there, is
 * removed with all below it; of a vector, what follows moves down.
 */
void
rama_capture_remove(RamaTable *table, const Datum *keys)
{
	RamaCaptureLog *log = open_log(table);
	bool		found;

	if (log == NULL ||
		note(log, table, keys, table->nkeys, RAMA_CAPTURE_REMOVE, 0, &found) == NULL)
		return;
	if (table->nchildren > 0 || table->node->kind == RAMA_VECTOR)
		log->barrier = log->count;
	else
		close_row(log, table, keys);
}

/*
 * A row was made just now, whose value is this collection: what becomes of the
 * collection says all.
 */
static void
drop_row_of(RamaCaptureLog *log, const RamaNode *node, const Datum *keys)
{
	const RamaTable *outer = node->table->parent;
	const RamaCapture *op;

	if (outer == NULL || node->parent == NULL || node->parent->kind != RAMA_MAP ||
		log->count <= first_open(log))
		return;
	op = log->ops[log->count - 1];
	if (op->kind == RAMA_CAPTURE_ROW && op->table == table_number(outer) &&
		same_keys(outer, op->keys, keys, outer->nkeys))
		log->count--;
}

/*
 * rama_capture_clear() -- A collection with a table, below the row with these
 * keys, has become empty, or is absent where not "exists".
 */
void
rama_capture_clear(RamaNode *node, const Datum *keys, bool exists)
{
	RamaTable  *table = node->table;
	RamaCaptureLog *log = open_log(table);
	bool		found;

	if (log == NULL)
		return;
	drop_row_of(log, node, keys);
	if (note(log, table, keys, Max(table->nkeys - 1, 0),
			 exists ? RAMA_CAPTURE_EMPTY : RAMA_CAPTURE_CLEARED, 0, &found) == NULL)
		return;
	log->barrier = log->count;
}

/* Appended elements */

/* Room for so many more elements of an append: the first new one. */
static uint32
grow_append(RamaCaptureLog *log, RamaCapture *op, int ncolumns, int64 count)
{
	uint32		first = op->ncolumns;
	MemoryContext old = MemoryContextSwitchTo(log->context);

	if (op->ncolumns + count > op->space)
	{
		uint32		space = op->space == 0 ? count : Max(op->ncolumns + count, 2 * op->space);
		Size		values = sizeof(Datum) * Max((Size) space * ncolumns, 1);
		Size		nulls = Max((Size) space * ncolumns, 1);

		op->elements = op->elements ? repalloc_huge(op->elements, values) :
			MemoryContextAllocHuge(log->context, values);
		op->nulls = op->nulls ? repalloc_huge(op->nulls, nulls) :
			MemoryContextAllocHuge(log->context, nulls);
		op->space = space;
	}
	op->ncolumns += count;
	log->bytes += (4 + 4 * ncolumns) * count;
	MemoryContextSwitchTo(old);
	return first;
}

static void
append_row(RamaCaptureLog *log, const RamaRow *row, int ncolumns, const AttrNumber *attnos,
		   const Datum *values, const bool *nulls)
{
	RamaTable  *table = row->table;
	int			width = table->ncolumns - table->nkeys;
	bool		found;
	RamaCapture *op = note(log, table, row->keys, table->nkeys - 1, RAMA_CAPTURE_APPEND,
						   RAMA_CAPTURE_TAIL, &found);
	Size		at;

	if (op == NULL)
		return;
	at = (Size) grow_append(log, op, width, 1) * width;
	memset(op->nulls + at, true, width);
	for (int i = 0; i < ncolumns; i++)
	{
		int			column = attnos[i] - table->nkeys - 1;

		if (nulls[i] || table->columns[attnos[i] - 1].role == RAMA_COLUMN_COUNT)
			continue;
		op->elements[at + column] = keep_column(log, table, attnos[i], values[i]);
		op->nulls[at + column] = false;
	}
}

/*
 * rama_capture_wanted() -- Will anybody read what happens to this table?
 */
bool
rama_capture_wanted(const RamaTable *table)
{
	return open_log(table) != NULL;
}

/*
 * rama_capture_append() -- Scalar elements are appended to the vector whose
 * keys are the prefix.
 */
void
rama_capture_append(RamaTable *table, const Datum *prefix, int64 count,
					const Datum *values, const bool *nulls)
{
	RamaCaptureLog *log = open_log(table);
	bool		found;
	RamaCapture *op;
	Size		at;

	if (log == NULL || count == 0)
		return;
	op = note(log, table, prefix, table->nkeys - 1, RAMA_CAPTURE_APPEND, RAMA_CAPTURE_TAIL, &found);
	if (op == NULL)
		return;
	at = grow_append(log, op, 1, count);
	for (int64 i = 0; i < count; i++)
	{
		op->nulls[at + i] = nulls[i];
		if (!nulls[i])
			op->elements[at + i] = keep_column(log, table, table->nkeys + 1, values[i]);
	}
}

/*
 * rama_capture_insert() -- An element is inserted at the index that these keys
 * end with; what was there and behind moves up.
 */
void
rama_capture_insert(RamaTable *table, const Datum *keys, Datum value, bool isnull)
{
	RamaCaptureLog *log = open_log(table);
	AttrNumber	attno = table->nkeys + 1;
	bool		found;
	RamaCapture *op;

	if (log == NULL)
		return;
	op = note(log, table, keys, table->nkeys, RAMA_CAPTURE_INSERT, 0, &found);
	if (op == NULL)
		return;
	keep_row(log, op, table, 1, &attno, &value, &isnull);
	log->barrier = log->count;
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
