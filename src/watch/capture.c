/*-------------------------------------------------------------------------
 *
 * capture.c
 *	  What is written to the rows of a PState, as ops of its log.
 *
 * One op for each thing that happens to a place, in the order in which they
 * happen. See src/watch/README.md.
 *
 *-------------------------------------------------------------------------
 */
#include "watch/capture.h"

#include "utils/datum.h"
#include "utils/memutils.h"

static void append_row(RamaCaptureLog *log, const RamaRow *row, int ncolumns,
					   const AttrNumber *attnos, const Datum *values, const bool *nulls);

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

	op = rama_capture_note(log, table, keys_of(row), table->nkeys,
						   json ? RAMA_CAPTURE_JSON : adds ? RAMA_CAPTURE_ADD : RAMA_CAPTURE_COLUMN,
						   attno, &found);
	if (op == NULL)
		return;
	if (!found)
	{
		op->isnew = !row->found;
		op->adds = adds;
		op->ncolumns = op->kind == RAMA_CAPTURE_COLUMN ? 1 : 2;
		op->columns = rama_capture_alloc(log, sizeof(RamaCaptured) * op->ncolumns);
		if (op->ncolumns == 2)
		{
			op->columns[1].attno = attno;
			op->columns[1].isnull = wasnull;
			if (!wasnull)
				op->columns[1].value = rama_capture_keep(log, table, attno, row->values[attno - 1]);
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
		now->value = rama_capture_keep(log, table, attno, value);
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
			op = rama_capture_note(log, table, keys_of(row), table->nkeys, RAMA_CAPTURE_ABSENT, 0, &found);
			if (op == NULL)
				return;
			op->climb = climb;
			op->ncolumns = 1;
			op->columns = rama_capture_alloc(log, sizeof(RamaCaptured));
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
	op->columns = rama_capture_alloc(log, sizeof(RamaCaptured) * Max(ncolumns, 1));
	for (int i = 0; i < ncolumns; i++)
	{
		if (nulls[i] || table->columns[attnos[i] - 1].role == RAMA_COLUMN_COUNT)
			continue;
		op->columns[op->ncolumns++] = (RamaCaptured)
		{
			attnos[i], false, rama_capture_keep(log, table, attnos[i], values[i])
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
		op = rama_capture_note(log, table, row->keys, table->nkeys,
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

	if (row->as == RAMA_AS_COUNT || row->table->logical ||
		is_counts_only(row->table, ncolumns, attnos))
		return;
	log = rama_capture_open(row->table);
	if (log == NULL)
		return;
	if (row->found)
		note_changed(log, row, ncolumns, attnos, values, nulls);
	else
		note_new(log, row, ncolumns, attnos, values, nulls);
}

/*
 * rama_capture_remove() -- The row with these keys, which was there, is
 * removed with all below it; of a vector, what follows moves down.
 */
void
rama_capture_remove(RamaTable *table, const Datum *keys)
{
	RamaCaptureLog *log = rama_capture_open(table);
	bool		found;

	if (log == NULL ||
		rama_capture_note(log, table, keys, table->nkeys, RAMA_CAPTURE_REMOVE, 0, &found) == NULL)
		return;
	if (table->nchildren > 0 || table->node->kind == RAMA_VECTOR)
		log->barrier = log->count;
	else
		rama_capture_close_row(log, table, keys);
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
		log->count <= rama_capture_first_open(log))
		return;
	op = log->ops[log->count - 1];
	if (op->kind == RAMA_CAPTURE_ROW && op->table == rama_capture_table(outer) &&
		rama_capture_same_keys(outer, op->keys, keys, outer->nkeys))
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
	RamaCaptureLog *log = rama_capture_open(table);
	bool		found;

	if (log == NULL)
		return;
	drop_row_of(log, node, keys);
	if (rama_capture_note(log, table, keys, Max(table->nkeys - 1, 0),
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
	RamaCapture *op = rama_capture_note(log, table, row->keys, table->nkeys - 1, RAMA_CAPTURE_APPEND,
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
		op->elements[at + column] = rama_capture_keep(log, table, attnos[i], values[i]);
		op->nulls[at + column] = false;
	}
}

/*
 * rama_capture_wanted() -- Will anybody read what happens to this table?
 */
bool
rama_capture_wanted(const RamaTable *table)
{
	return rama_capture_open(table) != NULL;
}

/*
 * rama_capture_append() -- Scalar elements are appended to the vector whose
 * keys are the prefix.
 */
void
rama_capture_append(RamaTable *table, const Datum *prefix, int64 count,
					const Datum *values, const bool *nulls)
{
	RamaCaptureLog *log = rama_capture_open(table);
	bool		found;
	RamaCapture *op;
	Size		at;

	if (log == NULL || count == 0)
		return;
	op = rama_capture_note(log, table, prefix, table->nkeys - 1, RAMA_CAPTURE_APPEND,
						   RAMA_CAPTURE_TAIL, &found);
	if (op == NULL)
		return;
	at = grow_append(log, op, 1, count);
	for (int64 i = 0; i < count; i++)
	{
		op->nulls[at + i] = nulls[i];
		if (!nulls[i])
			op->elements[at + i] = rama_capture_keep(log, table, table->nkeys + 1, values[i]);
	}
}

/*
 * rama_capture_insert() -- An element is inserted at the index that these keys
 * end with; what was there and behind moves up.
 */
void
rama_capture_insert(RamaTable *table, const Datum *keys, Datum value, bool isnull)
{
	RamaCaptureLog *log = rama_capture_open(table);
	AttrNumber	attno = table->nkeys + 1;
	bool		found;
	RamaCapture *op;

	if (log == NULL)
		return;
	op = rama_capture_note(log, table, keys, table->nkeys, RAMA_CAPTURE_INSERT, 0, &found);
	if (op == NULL)
		return;
	keep_row(log, op, table, 1, &attno, &value, &isnull);
	log->barrier = log->count;
}

