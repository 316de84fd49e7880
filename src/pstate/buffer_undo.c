/*-------------------------------------------------------------------------
 *
 * buffer_undo.c
 *	  Rows in memory and subtransactions: what rows were at outer nest levels.
 *
 * A row has the nest level at which it became what it is. Before it changes at a
 * deeper one, an image of what it was is kept. Nothing is allocated when a
 * subtransaction ends.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/xact.h"
#include "pstate/buffer.h"
#include "utils/memutils.h"

/* Rows whose level is not 1 */
static dlist_head deep_rows = DLIST_STATIC_INIT(deep_rows);

/*
 * Rows that are dirty again because a subtransaction that flushed them was
 * rolled back. When there are many, they are flushed before the next one does
 * so in vain.
 */
static int	flushed_in_vain = 0;
#define MANY_IN_VAIN 64

/* Open RamaRows, the latest last: their rows must stay in memory. */
typedef struct Pin
{
	RamaBufferedRow *row;
	int			level;			/* nest level of the transaction */
} Pin;

static Pin *pins = NULL;		/* in TopMemoryContext, for good */
static int	npins = 0;
static int	maxpins = 0;

/*
 * rama_undo_begin() -- A batch begins, or has been rolled back: no row is open,
 * none is deep.
 */
void
rama_undo_begin(void)
{
	npins = 0;
	flushed_in_vain = 0;
	dlist_init(&deep_rows);
}

/*
 * rama_undo_any() -- Are there rows that a rollback would change?
 */
bool
rama_undo_any(void)
{
	return !dlist_is_empty(&deep_rows);
}

/*
 * rama_undo_in_vain() -- Have many rows been flushed in vain since this was
 * asked last?
 */
bool
rama_undo_in_vain(void)
{
	if (flushed_in_vain < MANY_IN_VAIN)
		return false;
	flushed_in_vain = 0;
	return true;
}

/*
 * rama_undo_created() -- A row has come into memory at this nest level.
 */
void
rama_undo_created(RamaBufferedRow *row)
{
	row->state.level = GetCurrentTransactionNestLevel();
	if (row->state.level > 1)
		dlist_push_tail(&deep_rows, &row->deep);
}

/* The row as it is, for when the subtransaction is rolled back. */
static RamaRowImage *
make_image(RamaTableBuffer *buffer, RamaBufferedRow *row)
{
	RamaRowImage *image = rama_rows_alloc(buffer, sizeof(RamaRowImage));
	int			n = buffer->ncolumns - buffer->nkeys;

	image->state = row->state;
	image->values = NULL;
	image->nulls = NULL;
	image->keys = NULL;
	if ((row->state.flags & RAMA_ROW_EXISTS) && n > 0)
	{
		image->values = rama_rows_alloc(buffer, sizeof(Datum) * n);
		image->nulls = rama_rows_alloc(buffer, sizeof(bool) * n);
		for (int i = 0; i < n; i++)
		{
			image->nulls[i] = row->nulls[buffer->nkeys + i];
			if (!image->nulls[i])
				image->values[i] = rama_rows_copy(buffer, buffer->nkeys + i,
											  row->values[buffer->nkeys + i], true);
		}
	}
	return image;
}

static void
free_image(RamaTableBuffer *buffer, RamaRowImage *image)
{
	RamaRowImage *outer = image->state.outer;

	if (image->keys && outer && outer->keys == NULL)
	{
		outer->keys = image->keys;
		outer->own_keys = image->own_keys;
	}
	else if (image->keys)
	{
		rama_rows_free_keys(buffer, image->keys, image->own_keys);
		rama_rows_release(buffer, image->keys);
	}
	if (image->values)
	{
		for (int i = 0; i < buffer->ncolumns - buffer->nkeys; i++)
			rama_rows_free(buffer, buffer->nkeys + i, image->values[i], image->nulls[i]);
		rama_rows_release(buffer, image->values);
		rama_rows_release(buffer, image->nulls);
	}
	rama_rows_release(buffer, image);
}

/*
 * rama_buffer_touch() -- To be called before a row is changed, or what is
 * known of it: in a subtransaction, what it was is kept.
 */
void
rama_buffer_touch(RamaTableBuffer *buffer, RamaBufferedRow *row)
{
	int			level = GetCurrentTransactionNestLevel();

	if (row->state.level == level)
		return;
	row->state.outer = make_image(buffer, row);
	if (row->state.level == 1)
		dlist_push_tail(&deep_rows, &row->deep);
	row->state.level = level;
}

/*
 * rama_row_set_keys() -- The row gets these keys, which equal its own but may
 * have other images: 1.00 for 1.0. The caller has touched it.
 */
void
rama_row_set_keys(RamaTableBuffer *buffer, RamaBufferedRow *row, const Datum *keys)
{
	RamaRowImage *outer = row->state.outer;
	Datum		copies[RAMA_MAX_KEYS];

	if (rama_rows_same_images(buffer, row->values, keys))
		return;
	/* First what may fail */
	for (int i = 0; i < buffer->nkeys; i++)
		copies[i] = rama_rows_copy(buffer, i, keys[i], false);
	if (outer && outer->keys == NULL)
	{
		outer->keys = rama_rows_alloc(buffer, sizeof(Datum) * buffer->nkeys);
		memcpy(outer->keys, row->values, sizeof(Datum) * buffer->nkeys);
		outer->own_keys = row->own_keys;
	}
	else
		rama_rows_free_keys(buffer, row->values, row->own_keys);
	memcpy(row->values, copies, sizeof(Datum) * buffer->nkeys);
	row->own_keys = true;
}

static void
restore_keys(RamaTableBuffer *buffer, RamaBufferedRow *row, RamaRowImage *image)
{
	if (image->keys == NULL)
		return;
	rama_rows_free_keys(buffer, row->values, row->own_keys);
	memcpy(row->values, image->keys, sizeof(Datum) * buffer->nkeys);
	row->own_keys = image->own_keys;
	rama_rows_release(buffer, image->keys);
}

/*
 * The row becomes what it was before the subtransactions of this level and
 * deeper ones. Allocates nothing.
 */
static void
restore_row(RamaBufferedRow *row, int level)
{
	RamaTableBuffer *buffer = row->buffer;

	while (row->state.level >= level)
	{
		RamaRowImage *image = row->state.outer;
		bool		dirty = image && (image->state.flags & RAMA_ROW_DIRTY);

		if (dirty && !(row->state.flags & RAMA_ROW_DIRTY))
			flushed_in_vain++;
		rama_row_drop_values(buffer, row);
		rama_row_set_dirty(buffer, row, dirty);
		if (image == NULL)
		{
			row->state.flags = 0;
			row->state.level = 1;
			break;
		}
		restore_keys(buffer, row, image);
		row->state = image->state;
		for (int i = 0; image->values && i < buffer->ncolumns - buffer->nkeys; i++)
		{
			row->values[buffer->nkeys + i] = image->values[i];
			row->nulls[buffer->nkeys + i] = image->nulls[i];
		}
		if (image->values)
		{
			rama_rows_release(buffer, image->values);
			rama_rows_release(buffer, image->nulls);
		}
		rama_rows_release(buffer, image);
	}
	if (row->state.level == 1)
		dlist_delete(&row->deep);
}

/* What a subtransaction did is now done by the one around it. */
static void
merge_row(RamaBufferedRow *row, int level)
{
	RamaRowImage *outer = row->state.outer;

	if (row->state.level < level)
		return;
	row->state.level = level - 1;
	if (outer && outer->state.level == level - 1)
	{
		row->state.outer = outer->state.outer;
		free_image(row->buffer, outer);
	}
	if (row->state.level == 1)
		dlist_delete(&row->deep);
}

/*
 * rama_row_pin() -- The row is open: it stays in memory.
 */
void
rama_row_pin(RamaBufferedRow *row)
{
	if (npins == maxpins)
	{
		int			n = Max(16, maxpins * 2);

		if (pins == NULL)
			pins = MemoryContextAlloc(TopMemoryContext, sizeof(Pin) * n);
		else
			pins = repalloc(pins, sizeof(Pin) * n);
		maxpins = n;
	}
	pins[npins].row = row;
	pins[npins++].level = GetCurrentTransactionNestLevel();
	row->pins++;
}

/*
 * rama_buffer_release() -- Unpin an open row.
 */
void
rama_buffer_release(RamaRow *row)
{
	int			i = npins - 1;

	while (pins[i].row != row->buffered)
		i--;
	row->buffered->pins--;
	memmove(&pins[i], &pins[i + 1], sizeof(Pin) * (--npins - i));
}

/* The pins of calls that an error ended */
static void
unpin(int level)
{
	while (npins > 0 && pins[npins - 1].level >= level)
		pins[--npins].row->pins--;
}

/*
 * rama_undo_rolled_back() -- The subtransactions of this nest level and deeper
 * ones are rolled back.
 */
void
rama_undo_rolled_back(int level)
{
	dlist_mutable_iter it;

	unpin(level);
	rama_limits_void_all();
	dlist_foreach_modify(it, &deep_rows)
		restore_row(dlist_container(RamaBufferedRow, deep, it.cur), level);
}

/*
 * rama_undo_committed() -- The subtransaction of this nest level has committed.
 */
void
rama_undo_committed(int level)
{
	dlist_mutable_iter it;

	dlist_foreach_modify(it, &deep_rows)
		merge_row(dlist_container(RamaBufferedRow, deep, it.cur), level);
}
