/*-------------------------------------------------------------------------
 *
 * focus.c
 *	  Foci: the places that a path has come to.
 *
 * A focus names its place and reads as late as possible: keys of collections
 * with tables only lengthen the list of keys, and a row is fetched when a
 * value of it is needed.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/datum.h"

static bool
is_plain_type(const RamaType *type)
{
	return type->oid == JSONBOID;
}

/* rama_focus_nothing() -- Absent or null, where the schema has node. */
void
rama_focus_nothing(RamaFocus *focus, const RamaNode *node)
{
	focus->at = RAMA_AT_NOTHING;
	/* Plain data has no schema. */
	focus->node = node && node->kind == RAMA_SCALAR && is_plain_type(&node->type) ? NULL : node;
	focus->ispart = false;
	focus->isvoid = false;
}

/* rama_focus_datum() -- An SQL value. */
void
rama_focus_datum(RamaFocus *focus, const RamaType *type, Datum datum)
{
	focus->at = RAMA_AT_DATUM;
	focus->node = NULL;
	focus->ispart = false;
	focus->isvoid = false;
	focus->type = type;
	focus->datum = datum;
}

/* rama_focus_json() -- JSON, with its schema or without. */
void
rama_focus_json(RamaFocus *focus, const RamaNode *node, const JsonbValue *json)
{
	if (json->type == jbvNull)
	{
		rama_focus_nothing(focus, node);
		return;
	}
	focus->at = RAMA_AT_JSON;
	focus->node = node;
	focus->ispart = false;
	focus->isvoid = false;
	focus->json = *json;
}

/*
 * rama_focus_node() -- The value of node: in row, or, where node has a table,
 * the rows of that table with keys before its own.
 */
void
rama_focus_node(RamaFocus *focus, const RamaNode *node, RamaPlaceRow *row, Datum *keys)
{
	focus->node = node;
	focus->ispart = false;
	focus->isvoid = false;
	focus->row = row;
	focus->keys = keys;
	focus->at = node->storage == RAMA_IN_TABLE ? RAMA_AT_ROWS : RAMA_AT_ROW;
}

/* rama_focus_root() -- The whole PState. */
void
rama_focus_root(RamaFocus *focus, RamaPState *pstate)
{
	RamaNode   *root = pstate->root;
	RamaPlaceRow    *row = NULL;

	if (root->storage != RAMA_IN_TABLE)
	{
		row = palloc0(sizeof(RamaPlaceRow));
		row->table = root->table;
		row->context = CurrentMemoryContext;
	}
	rama_focus_node(focus, root, row, NULL);
	focus->collected = NULL;
}

static int64 count_fields(RamaFocus *focus, Snapshot snapshot);

static void
keep_row(RamaPlaceRow *row)
{
	TupleDesc	desc = row->slot->tts_tupleDescriptor;
	HeapTuple	tuple = ExecCopySlotHeapTuple(row->slot);

	row->values = palloc(sizeof(Datum) * desc->natts);
	row->nulls = palloc(sizeof(bool) * desc->natts);
	heap_deform_tuple(tuple, desc, row->values, row->nulls);
	row->slot = NULL;
}

/* rama_row_copy() -- A copy of a row that a scan has come to, without keys. */
RamaPlaceRow *
rama_row_copy(RamaTable *table, TupleTableSlot *slot)
{
	RamaPlaceRow    *row = palloc0(sizeof(RamaPlaceRow));

	row->table = table;
	row->fetched = true;
	row->exists = true;
	row->slot = slot;
	keep_row(row);
	return row;
}

/* rama_row_load() -- Fetch the row unless it is; false where there is none. */
bool
rama_row_load(RamaPlaceRow *row, Snapshot snapshot)
{
	if (!row->fetched)
	{
		MemoryContext old = MemoryContextSwitchTo(row->context ? row->context :
												  CurrentMemoryContext);

		row->exists = rama_row_fetch(row->table, row->keys, snapshot, &row->slot);
		row->fetched = true;
		MemoryContextSwitchTo(old);
	}
	return row->exists;
}

/* rama_row_attr() -- A column of a row that exists. */
Datum
rama_row_attr(RamaPlaceRow *row, AttrNumber attno, bool *isnull)
{
	if (row->slot)
		return slot_getattr(row->slot, attno, isnull);
	*isnull = row->nulls[attno - 1];
	return row->values[attno - 1];
}

/* rama_slot_key() -- A key column: never null. */
Datum
rama_slot_key(TupleTableSlot *slot, AttrNumber attno)
{
	bool		isnull;
	Datum		key = slot_getattr(slot, attno, &isnull);

	if (isnull)
		elog(ERROR, "key column %d is null", attno);
	return key;
}

/*
 * rama_focus_load() -- Read what is at the focus, as far as it is in a row.
 *
 * Afterwards a focus AT_ROW is a struct of a row that exists. Rows of tables
 * are not read.
 */
void
rama_focus_load(RamaFocus *focus, Snapshot snapshot)
{
	const RamaNode *node = focus->node;
	Datum		datum;
	bool		isnull;
	JsonbValue	json;

	if (focus->at != RAMA_AT_ROW)
		return;
	if (!rama_row_load(focus->row, snapshot))
	{
		rama_focus_nothing(focus, node);
		return;
	}
	if (node->storage == RAMA_IN_ROW)
		return;

	datum = rama_row_attr(focus->row, node->attno, &isnull);
	if (isnull)
		rama_focus_nothing(focus, node);
	else if (node->kind == RAMA_SCALAR && !is_plain_type(&node->type))
		rama_focus_datum(focus, &node->type, datum);
	else
	{
		rama_jsonb_to_json(DatumGetJsonbP(datum), &json);
		rama_focus_json(focus, node->kind == RAMA_SCALAR ? NULL : node, &json);
	}
}

/*
 * rama_focus_plain() -- Make the focus plain JSON, for navigators that treat
 * structs and pairs as plain data. A part of a map remains one.
 */
void
rama_focus_plain(RamaFocus *focus, Snapshot snapshot)
{
	JsonbValue	json;

	if (rama_focus_is_map_part(focus))
	{
		rama_entries_focus(focus, rama_entries_of_part(focus, snapshot));
		return;
	}
	if (!rama_focus_to_json(focus, snapshot, &json))
	{
		rama_focus_nothing(focus, NULL);
		return;
	}
	/* Navigation within JSON works on the form that is stored. */
	if (json.type == jbvArray || json.type == jbvObject)
		rama_jsonb_to_json(rama_json_to_jsonb(&json), &json);
	rama_focus_json(focus, NULL, &json);
}

/*
 * rama_focus_datum_of_type() -- The scalar at a focus, whose place has the
 * type; false where it is null.
 */
bool
rama_focus_datum_of_type(RamaFocus *focus, const RamaType *type, Snapshot snapshot,
						 Datum *datum)
{
	RamaInput	input;
	bool		isnull;

	rama_focus_load(focus, snapshot);
	if (focus->at == RAMA_AT_DATUM)
	{
		*datum = focus->datum;
		return true;
	}
	if (focus->at != RAMA_AT_JSON)
		return false;
	rama_input_of_json(&input, &focus->json);
	*datum = rama_input_to_type(&input, type, &isnull);
	return !isnull;
}

/* rama_focus_is_map_part() -- A range of a map: a map that is written as pairs. */
bool
rama_focus_is_map_part(const RamaFocus *focus)
{
	if (focus->at == RAMA_AT_ENTRIES)
		return focus->entries->kind == RAMA_MAP && !focus->entries->asobject;
	return focus->at == RAMA_AT_ROWS && focus->ispart && focus->node->kind == RAMA_MAP;
}

/* rama_focus_scan() -- Scan the rows of a focus, its bounds in the index. */
RamaScan *
rama_focus_scan(const RamaFocus *focus, bool backward, Snapshot snapshot)
{
	RamaTable  *table = focus->node->table;
	const RamaBound *low = focus->ispart && focus->part.low.isset ? &focus->part.low : NULL;
	const RamaBound *high = focus->ispart && focus->part.high.isset ? &focus->part.high : NULL;

	return rama_scan_begin(table, focus->keys, table->nkeys - 1, low, high,
						   backward, snapshot);
}

static Datum
copy_key(const RamaNode *node, Datum key)
{
	return datumCopy(key, node->key.byval, node->key.len);
}

/*
 * rama_focus_resolve_amount() -- Turn "at most so many from an end" into a
 * bound, by walking over so many rows of the index.
 */
void
rama_focus_resolve_amount(RamaFocus *focus, Snapshot snapshot)
{
	RamaPart   *part = &focus->part;
	RamaBound  *bound;
	RamaScan   *scan;
	TupleTableSlot *slot;
	int64		seen = 0;

	if (!focus->ispart || part->amount < 0)
		return;
	Assert(part->amount > 0);
	bound = part->fromend ? &part->low : &part->high;
	scan = rama_focus_scan(focus, part->fromend, snapshot);
	while ((slot = rama_scan_next(scan)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (++seen < part->amount)
			continue;
		bound->value = copy_key(focus->node, rama_slot_key(slot, focus->node->table->nkeys));
		bound->isset = true;
		bound->inclusive = true;
		break;
	}
	rama_scan_end(scan);
	part->amount = -1;
}

static int64
count_rows(const RamaFocus *focus, Snapshot snapshot)
{
	int64		limit = focus->part.amount;
	int64		count = 0;
	RamaScan   *scan;

	scan = rama_focus_scan(focus, focus->part.fromend, snapshot);
	while ((limit < 0 || count < limit) && rama_scan_next(scan) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		count++;
	}
	rama_scan_end(scan);
	return count;
}

/* Of a whole collection of a table: kept in its enclosing row. */
static int64
kept_count(RamaFocus *focus, Snapshot snapshot, bool *isnull)
{
	const RamaNode *node = focus->node;

	if (focus->row != NULL && focus->row->fetched && node->attno > 0)
	{
		*isnull = true;
		if (!focus->row->exists)
			return 0;
		return DatumGetInt64(rama_row_attr(focus->row, node->attno, isnull));
	}
	return rama_collection_count(unconstify(RamaNode *, node), focus->keys,
								 snapshot, isnull);
}

/* Of a part of a vector: indexes have no gaps. */
static int64
count_between(RamaFocus *focus, Snapshot snapshot)
{
	const RamaPart *part = &focus->part;
	bool		isnull;
	int64		count = kept_count(focus, snapshot, &isnull);
	int64		from = 0;
	int64		to = isnull ? 0 : count;

	if (part->low.isset)
	{
		from = DatumGetInt64(part->low.value);
		if (!part->low.inclusive && from < to)
			from++;
	}
	if (part->high.isset)
	{
		int64		high = DatumGetInt64(part->high.value);

		if (high < to)
			to = part->high.inclusive ? high + 1 : high;
	}
	from = Max(from, 0);
	return from < to ? to - from : 0;
}

/*
 * rama_focus_exists() -- Is there a value, be it an empty collection?
 *
 * A struct within a struct is there where one of its fields is.
 */
bool
rama_focus_exists(RamaFocus *focus, Snapshot snapshot)
{
	bool		isnull = false;

	rama_focus_load(focus, snapshot);
	if (focus->at == RAMA_AT_ROWS && !focus->ispart)
		(void) kept_count(focus, snapshot, &isnull);
	else if (focus->at == RAMA_AT_ROW && focus->node->parent &&
			 focus->node->parent->kind == RAMA_STRUCT)
		return count_fields(focus, snapshot) > 0;
	return focus->at != RAMA_AT_NOTHING && !isnull;
}

static int64
count_fields(RamaFocus *focus, Snapshot snapshot)
{
	int64		count = 0;

	for (int i = 0; i < focus->node->nchildren; i++)
	{
		RamaFocus	child;

		rama_focus_node(&child, focus->node->children[i], focus->row, focus->row->keys);
		if (rama_focus_exists(&child, snapshot))
			count++;
	}
	return count;
}

static void
cannot_count(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("cannot count the elements of %s", what)));
}

/*
 * rama_focus_count() -- Number of elements, entries or non-null fields at a
 * focus; 0 where there is nothing.
 *
 * A whole collection of a table has its count in a column; a range of a map or
 * set is counted in the index. Error (22023) for a scalar.
 */
int64
rama_focus_count(RamaFocus *focus, Snapshot snapshot)
{
	bool		isnull;
	int64		count;

	rama_focus_load(focus, snapshot);
	switch (focus->at)
	{
		case RAMA_AT_NOTHING:
			return 0;
		case RAMA_AT_ROWS:
			if (focus->ispart && focus->node->kind == RAMA_VECTOR && focus->part.amount < 0)
				return count_between(focus, snapshot);
			if (focus->ispart)
				return count_rows(focus, snapshot);
			count = kept_count(focus, snapshot, &isnull);
			return isnull ? 0 : count;
		case RAMA_AT_ROW:
			return count_fields(focus, snapshot);
		case RAMA_AT_DATUM:
			cannot_count(format_type_be(focus->type->oid));
			break;
		case RAMA_AT_JSON:
			if (focus->json.type == jbvBinary)
				return JsonContainerSize(focus->json.val.binary.data);
			cannot_count(psprintf("a JSON %s", rama_json_kind(&focus->json)));
			break;
		case RAMA_AT_ENTRIES:
			return focus->entries->count;
		case RAMA_AT_PAIR:
			return 2;
	}
	return 0;
}
