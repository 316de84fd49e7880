/*-------------------------------------------------------------------------
 *
 * nav_each.c
 *	  Navigators to the elements of a collection: all, map-vals, map-keys,
 *	  first, last.
 *
 * Structs and pairs are taken as plain data here: a map and an array.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

static void
set_plain(RamaShape *shape)
{
	shape->kind = RAMA_SHAPE_PLAIN;
	shape->node = NULL;
}

static bool
is_collection(RamaShape shape)
{
	return shape.kind == RAMA_SHAPE_NODE && shape.node->kind != RAMA_STRUCT &&
		shape.node->kind != RAMA_SCALAR;
}

static void
refuse_scalar(const RamaStep *step)
{
	if (step->in.kind == RAMA_SHAPE_KEY ||
		(step->in.kind == RAMA_SHAPE_NODE && step->in.node->kind == RAMA_SCALAR))
		rama_step_error(step, "needs a collection, and this is %s",
						rama_shape_name(step->in));
}

/* rama_bind_all() -- Elements; entries of a map as pairs. */
void
rama_bind_all(RamaPath *path, RamaStep *step)
{
	refuse_scalar(step);
	if (!is_collection(step->in))
		set_plain(&step->out);
	else if (step->in.node->kind == RAMA_MAP)
	{
		step->out.kind = RAMA_SHAPE_PAIR;
		step->out.node = step->in.node;
	}
	else
		step->out = rama_shape_of_value(step->in.node);
}

/* rama_bind_end() -- first and last yield what all does. */
void
rama_bind_end(RamaPath *path, RamaStep *step)
{
	rama_bind_all(path, step);
}

static void
require_map(const RamaStep *step)
{
	if (step->in.kind == RAMA_SHAPE_KEY || step->in.kind == RAMA_SHAPE_PAIR ||
		(step->in.kind == RAMA_SHAPE_NODE && step->in.node->kind != RAMA_MAP &&
		 step->in.node->kind != RAMA_STRUCT))
		rama_step_error(step, "needs a map, and this is %s",
						rama_shape_name(step->in));
}

/* rama_bind_map_vals() -- Every value of a map. */
void
rama_bind_map_vals(RamaPath *path, RamaStep *step)
{
	require_map(step);
	if (is_collection(step->in))
		step->out = rama_shape_of_value(step->in.node);
	else
		set_plain(&step->out);
}

/* rama_bind_map_keys() -- Every key of a map. */
void
rama_bind_map_keys(RamaPath *path, RamaStep *step)
{
	require_map(step);
	if (is_collection(step->in))
	{
		step->out.kind = RAMA_SHAPE_KEY;
		step->out.node = step->in.node;
	}
	else
		set_plain(&step->out);
}

/*
 * rama_focus_entries() -- The entries of a collection in memory; NULL where
 * there is nothing.
 *
 * A focus that is a struct or pair becomes plain. Error (22023) for a scalar.
 */
RamaEntries *
rama_focus_entries(RamaFocus *focus, const RamaStep *step, Snapshot snapshot)
{
	RamaSchemaKind kind;

	rama_focus_load(focus, snapshot);
	if (focus->at == RAMA_AT_PAIR || focus->at == RAMA_AT_ROW ||
		(focus->at == RAMA_AT_JSON && focus->node && focus->node->kind == RAMA_STRUCT))
		rama_focus_plain(focus, snapshot);
	if (focus->at == RAMA_AT_NOTHING)
		return NULL;
	if (focus->at == RAMA_AT_ENTRIES)
		return focus->entries;
	if (focus->at != RAMA_AT_JSON || focus->json.type != jbvBinary)
		rama_step_error(step, "needs a collection, and this is a %s",
						focus->at == RAMA_AT_JSON ? rama_json_kind(&focus->json) : "scalar");
	if (focus->node)
		kind = focus->node->kind;
	else
		kind = JsonContainerIsObject(focus->json.val.binary.data) ? RAMA_MAP : RAMA_VECTOR;
	return rama_entries_of_json(focus->node, &focus->json, kind);
}

static void
require_map_entries(const RamaStep *step, const RamaEntries *entries)
{
	if (entries && entries->kind != RAMA_MAP)
		rama_step_error(step, "needs a map, and this is an array");
}

static void
open_rows(RamaEval *eval, RamaFrame *frame)
{
	RamaFocus  *focus = &frame->focus;
	RamaTable  *table = focus->node->table;

	frame->nsettled = rama_focus_push(focus, frame->step);
	if (focus->ispart && focus->part.amount >= 0 && focus->part.fromend)
		rama_focus_resolve_amount(focus, eval->snapshot);
	frame->remaining = focus->ispart ? focus->part.amount : -1;
	memset(&frame->row, 0, sizeof(frame->row));
	frame->row.table = table;
	frame->row.keys = palloc(sizeof(Datum) * table->nkeys);
	if (table->nkeys > 1)
		memcpy(frame->row.keys, focus->keys, sizeof(Datum) * (table->nkeys - 1));
	frame->row.fetched = true;
	frame->row.exists = true;
	frame->scan = rama_focus_scan(focus, false, eval->snapshot);
}

/* rama_open_each() -- Start to walk over a collection. */
void
rama_open_each(RamaEval *eval, RamaFrame *frame)
{
	frame->scan = NULL;
	frame->entries = NULL;
	frame->position = 0;
	frame->nsettled = 0;
	rama_focus_load(&frame->focus, eval->snapshot);
	if (frame->focus.at == RAMA_AT_ROWS)
		open_rows(eval, frame);
	else
		frame->entries = rama_focus_entries(&frame->focus, frame->step, eval->snapshot);
}

/* The next row of a table; its key is the last of frame->row.keys. */
static bool
next_row(RamaFrame *frame)
{
	int			nkeys = frame->row.table->nkeys;

	if (frame->remaining == 0)
		return false;
	if (frame->remaining > 0)
		frame->remaining--;
	frame->row.slot = rama_scan_next(frame->scan);
	if (frame->row.slot == NULL)
		return false;
	frame->row.keys[nkeys - 1] = rama_slot_key(frame->row.slot, nkeys);
	return true;
}

static bool
next_entry(RamaFrame *frame, int *i)
{
	if (frame->entries == NULL || frame->position >= frame->entries->count)
		return false;
	*i = frame->position++;
	return true;
}

static RamaFocus *
new_focus(void)
{
	return palloc0(sizeof(RamaFocus));
}

static void
row_key(const RamaNode *node, const RamaPlaceRow *row, RamaFocus *out)
{
	rama_focus_datum(out, &node->key, row->keys[row->table->nkeys - 1]);
}

/* rama_focus_pair() -- A pair whose elements are to be set. */
void
rama_focus_pair(RamaFocus *out)
{
	out->at = RAMA_AT_PAIR;
	out->node = NULL;
	out->ispart = false;
	out->isvoid = false;
	out->first = new_focus();
	out->second = new_focus();
}

/* A row as all yields it. */
static void
row_item(const RamaNode *node, RamaPlaceRow *row, RamaFocus *out)
{
	switch (node->kind)
	{
		case RAMA_SET:
			row_key(node, row, out);
			break;
		case RAMA_MAP:
			rama_focus_pair(out);
			row_key(node, row, out->first);
			rama_focus_node(out->second, node->children[0], row, row->keys);
			break;
		default:
			rama_focus_node(out, node->children[0], row, row->keys);
			break;
	}
}

static void
entry_item(const RamaEntries *entries, int i, RamaFocus *out)
{
	switch (entries->kind)
	{
		case RAMA_SET:
			rama_entry_key(entries, i, out);
			break;
		case RAMA_MAP:
			rama_focus_pair(out);
			rama_entry_key(entries, i, out->first);
			rama_entry_value(entries, i, out->second);
			break;
		default:
			rama_entry_value(entries, i, out);
			break;
	}
}

/* rama_next_all() -- The next element or pair. */
bool
rama_next_all(RamaEval *eval, RamaFrame *frame, RamaFocus *out)
{
	int			i;

	if (frame->scan)
	{
		if (!next_row(frame))
			return false;
		row_item(frame->focus.node, &frame->row, out);
		return true;
	}
	if (!next_entry(frame, &i))
		return false;
	entry_item(frame->entries, i, out);
	return true;
}

/* rama_next_map_val() -- The next value of a map. */
bool
rama_next_map_val(RamaEval *eval, RamaFrame *frame, RamaFocus *out)
{
	int			i;

	if (frame->scan)
	{
		if (!next_row(frame))
			return false;
		rama_focus_node(out, frame->focus.node->children[0], &frame->row,
						frame->row.keys);
		return true;
	}
	require_map_entries(frame->step, frame->entries);
	if (!next_entry(frame, &i))
		return false;
	rama_entry_value(frame->entries, i, out);
	return true;
}

/* rama_next_map_key() -- The next key of a map. */
bool
rama_next_map_key(RamaEval *eval, RamaFrame *frame, RamaFocus *out)
{
	int			i;

	if (frame->scan)
	{
		if (!next_row(frame))
			return false;
		row_key(frame->focus.node, &frame->row, out);
		return true;
	}
	require_map_entries(frame->step, frame->entries);
	if (!next_entry(frame, &i))
		return false;
	rama_entry_key(frame->entries, i, out);
	return true;
}

/*
 * rama_focus_end_row() -- The first or last row of a collection with a table,
 * as a copy; NULL where it is empty.
 */
RamaPlaceRow *
rama_focus_end_row(RamaFocus *focus, bool last, Snapshot snapshot)
{
	RamaTable  *table = focus->node->table;
	RamaScan   *scan;
	TupleTableSlot *slot;
	RamaPlaceRow    *row = NULL;

	if (focus->ispart && focus->part.amount >= 0 && focus->part.fromend != last)
		rama_focus_resolve_amount(focus, snapshot);
	scan = rama_focus_scan(focus, last, snapshot);
	slot = rama_scan_next(scan);
	if (slot != NULL)
	{
		row = rama_row_copy(table, slot);
		row->keys = palloc(sizeof(Datum) * table->nkeys);
		if (table->nkeys > 1)
			memcpy(row->keys, focus->keys, sizeof(Datum) * (table->nkeys - 1));
		row->keys[table->nkeys - 1] = row->values[table->nkeys - 1];
	}
	rama_scan_end(scan);
	return row;
}

static bool
go_end(RamaEval *eval, const RamaStep *step, RamaFocus *focus, bool last)
{
	RamaEntries *entries;

	rama_focus_load(focus, eval->snapshot);
	if (focus->at == RAMA_AT_ROWS)
	{
		const RamaNode *node = focus->node;
		RamaPlaceRow    *row = rama_focus_end_row(focus, last, eval->snapshot);

		if (row == NULL)
			return false;
		row_item(node, row, focus);
		return true;
	}
	entries = rama_focus_entries(focus, step, eval->snapshot);
	if (entries == NULL || entries->count == 0)
		return false;
	entry_item(entries, last ? entries->count - 1 : 0, focus);
	return true;
}

/* rama_go_first() -- The first element or pair; nothing in an empty one. */
bool
rama_go_first(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	return go_end(eval, step, focus, false);
}

/* rama_go_last() -- The last one. */
bool
rama_go_last(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	return go_end(eval, step, focus, true);
}
