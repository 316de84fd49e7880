/*-------------------------------------------------------------------------
 *
 * buffer_limits.c
 *	  Which rows cannot be in their table, so that nobody need look for them.
 *
 * New keys of a collection are often greater than all before: times, numbers
 * from a sequence. For the outermost collection, and for those whose enclosing
 * row is in memory, a limit is kept with this meaning:
 *
 *	  The table has no row with a key above the limit, except rows that are
 *	  KNOWN in memory.
 *
 * It is found out when a row is looked up in vain, and then one with a greater
 * key, too. A collection without entries has the lowest limit. New rows are KNOWN, so
 * they do not change it. Whatever else could make it wrong voids all limits of the
 * table, or of all tables:
 *
 *	- a row is not KNOWN any more (it is freed, say), or was changed in its table
 *	  directly: rama_limits_void();
 *	- a subtransaction is rolled back, so that rows come back which a look-up did
 *	  not see: rama_limits_void_all().
 *
 * The limit of a collection goes with the enclosing row.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "pstate/buffer.h"
#include "utils/snapmgr.h"

/* Counts what voids limits; these are void if made before now. */
static uint64 now = 1;
static uint64 all_void = 1;

/*
 * rama_limits_void() -- What is known of a table's rows that are not in memory
 * may not hold any more.
 */
void
rama_limits_void(RamaTableBuffer *buffer)
{
	buffer->limits_void = ++now;
}

/*
 * rama_limits_void_all() -- ... of all tables.
 */
void
rama_limits_void_all(void)
{
	all_void = ++now;
}

static bool
is_void(const RamaTableBuffer *buffer, const RamaLimit *limit)
{
	return limit->made < buffer->limits_void || limit->made < all_void;
}

static void
set_limit(RamaLimit *limit, RamaLimitKind kind, Datum key)
{
	limit->kind = kind;
	limit->made = now;
	limit->key = key;
}

/* The limits of the collections below a row, in the order of the tables */
static RamaLimit *
limits_of(RamaBufferedRow *row)
{
	return (RamaLimit *) ((char *) row->values + RAMA_ROW_COLUMNS_SIZE(row->buffer->ncolumns));
}

/* The limit of the collection in "table" that is below this row */
static RamaLimit *
limit_below(RamaBufferedRow *row, RamaTable *table)
{
	int			i = 0;

	if (table->logical)
		table = table->logical;
	while (table->parent->children[i] != table)
		i++;
	return &limits_of(row)[i];
}

/* Has the row, as it is in memory, no entries in this table below it? */
static bool
has_no_entries(const RamaBufferedRow *row, RamaTable *table)
{
	int			column = table->node->attno - 1;

	return !(row->state.flags & RAMA_ROW_EXISTS) || row->nulls[column] ||
		DatumGetInt64(row->values[column]) == 0;
}

/*
 * rama_row_limit() -- The limit of the collection that a row belongs to, NULL if
 * its enclosing row is not in memory. Good until a row is opened.
 */
RamaLimit *
rama_row_limit(const RamaBufferedRow *row)
{
	RamaTable  *table = row->buffer->table;
	RamaTableBuffer *outer;
	RamaBufferedRow *enclosing;
	RamaLimit  *limit;

	if (table->parent == NULL)
		return &row->buffer->limit;
	outer = rama_buffer_of(table->parent);
	if (outer == NULL)
		return NULL;
	enclosing = rama_rows_find(outer, row->values, rama_rows_hash(outer, row->values));
	if (enclosing == NULL || !(enclosing->state.flags & RAMA_ROW_KNOWN))
		return NULL;
	limit = limit_below(enclosing, table);
	if (is_void(row->buffer, limit) && has_no_entries(enclosing, table))
		set_limit(limit, RAMA_LIMIT_EMPTY, (Datum) 0);
	return limit;
}

/*
 * rama_limit_excludes() -- Is it certain that a row that is not KNOWN is not in
 * its table?
 */
bool
rama_limit_excludes(const RamaLimit *limit, const RamaBufferedRow *row)
{
	RamaTableBuffer *buffer = row->buffer;

	if (limit == NULL || is_void(buffer, limit))
		return false;
	return limit->kind == RAMA_LIMIT_EMPTY ||
		(limit->kind == RAMA_LIMIT_KEY &&
		 rama_key_above(buffer->table, row->values[buffer->nkeys - 1], limit->key));
}

/*
 * rama_limit_learn() -- The row was looked up, and is not there: are those with
 * greater keys? Needs a slot of the table.
 *
 * Only of keys that are passed by value. If there are greater ones, this is not
 * asked again, so that keys without an order cost little more.
 */
void
rama_limit_learn(RamaLimit *limit, const RamaBufferedRow *row, TupleTableSlot *slot)
{
	RamaTableBuffer *buffer = row->buffer;
	int			last = buffer->nkeys - 1;

	if (limit == NULL || last < 0 || !buffer->byval[last] || !is_void(buffer, limit))
		return;
	if (rama_row_maybe_above(buffer->table, buffer->heap, buffer->index, row->values,
							SnapshotSelf, slot))
		set_limit(limit, RAMA_LIMIT_NONE, (Datum) 0);
	else
		set_limit(limit, RAMA_LIMIT_KEY, row->values[last]);
}

/*
 * rama_limits_of_new() -- A row is made: there is nothing below it.
 */
void
rama_limits_of_new(RamaBufferedRow *row)
{
	for (int i = 0; i < row->buffer->table->nchildren; i++)
		set_limit(&limits_of(row)[i], RAMA_LIMIT_EMPTY, (Datum) 0);
}
