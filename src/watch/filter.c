/*-------------------------------------------------------------------------
 *
 * filter.c
 *	  What of a change concerns a watched path, cut to it.
 *
 * An operation below the path passes as it is, one above is cut to what it
 * means for the path. What cannot be told from the operation alone, such as
 * the element of a vector whose elements have moved, is noted, and read when
 * all versions have come through; then all rows get the version that was
 * read.
 *
 *-------------------------------------------------------------------------
 */
#include "watch/filter.h"

#include "utils/builtins.h"

/* rama_watch_row() -- A new row, in the current memory context. */
RamaWatchRow *
rama_watch_row(int64 version, RamaOpKind kind, Jsonb *path, Jsonb *value)
{
	RamaWatchRow *row = palloc0(sizeof(RamaWatchRow));

	row->version = version;
	row->kind = kind;
	row->path = path;
	row->value = value;
	return row;
}

/* rama_watch_row_name() -- What a row tells, as users see it. */
const char *
rama_watch_row_name(const RamaWatchRow *row)
{
	return row->reset ? "reset" : rama_op_name(row->kind);
}

/* The keys as a path, with those of the rest of it if there are any. */
static Jsonb *
path_of_keys(const JsonbValue *keys, int nkeys, const JsonbValue *key, int nrest,
			 const JsonbValue *rest)
{
	JsonbValue	array = {.type = jbvArray};
	JsonbValue *elems = palloc(sizeof(JsonbValue) * (nkeys + nrest + 1));
	int			n = 0;

	for (int i = 0; i < nkeys; i++)
		elems[n++] = keys[i];
	if (key)
		elems[n++] = *key;
	for (int i = 0; i < nrest; i++)
		elems[n++] = rest[i];
	array.val.array.nElems = n;
	array.val.array.elems = elems;
	return rama_json_to_jsonb(&array);
}

static void
add_row(RamaFilter *filter, int64 version, RamaOpKind kind, Jsonb *path, Jsonb *value)
{
	filter->rows = lappend(filter->rows, rama_watch_row(version, kind, path, value));
}

static Jsonb *
value_of(const JsonbValue *value)
{
	return value->type == jbvNull ? NULL : rama_json_to_jsonb(value);
}

static RamaSchemaKind
within(const RamaOp *op)
{
	if (op->kind == RAMA_OP_INSERT && op->node && op->node->kind == RAMA_SET)
		return RAMA_SET;
	return op->nkeys > 0 && op->keys[op->nkeys - 1].node ?
		op->keys[op->nkeys - 1].node->kind : RAMA_SCALAR;
}

/* The operation as it is. */
static void
pass(RamaFilter *filter, int64 version, const RamaOp *op)
{
	RamaWatchRow *row;
	JsonbValue	path;

	rama_op_path_json(op, &path);
	row = rama_watch_row(version, op->kind, rama_json_to_jsonb(&path),
						 op->kind == RAMA_OP_REMOVE ? NULL : value_of(&op->value));
	if (op->kind == RAMA_OP_ADD)
		row->now = value_of(&op->now);
	row->within = within(op);
	row->holds = op->node && op->node->kind != RAMA_SCALAR;
	filter->rows = lappend(filter->rows, row);
}

/* An element of an array that stands for a set. */
static bool
find_element(const JsonbContainer *array, const JsonbValue *element)
{
	for (uint32 i = 0; i < JsonContainerSize(array); i++)
		if (rama_json_equal(getIthJsonbValueFromContainer(unconstify(JsonbContainer *, array), i),
							element))
			return true;
	return false;
}

/* From a value to what it has at a key; false if it has nothing. */
static bool
go_down(JsonbValue *value, const JsonbValue *key, RamaSchemaKind kind)
{
	JsonbContainer *container = value->val.binary.data;
	JsonbValue	name;

	if (value->type != jbvBinary)
		return false;
	if (JsonContainerIsObject(container))
	{
		rama_json_name(key, &name);
		return getKeyJsonValueFromContainer(container, name.val.string.val,
											name.val.string.len, value) != NULL;
	}
	if (kind == RAMA_SET)
	{
		if (!find_element(container, key))
			return false;
		*value = *key;
		return true;
	}
	if (key->type != jbvNumeric)
		return false;
	else
	{
		int64		index = DatumGetInt64(DirectFunctionCall1(numeric_int8,
															  NumericGetDatum(key->val.numeric)));
		JsonbValue *element = index < 0 || index >= JsonContainerSize(container) ? NULL :
			getIthJsonbValueFromContainer(container, (uint32) index);

		if (element == NULL)
			return false;
		*value = *element;
		return true;
	}
}

/*
 * What is at keys below a value. NULL: nothing, or null.
 */
static Jsonb *
cut(const JsonbValue *whole, const JsonbValue *keys, const RamaSchemaKind *kinds, int nkeys)
{
	JsonbValue	value;

	rama_jsonb_to_json(rama_json_to_jsonb(whole), &value);
	for (int i = 0; i < nkeys; i++)
		if (!go_down(&value, &keys[i], kinds ? kinds[i] : RAMA_SCALAR))
			return NULL;
	return value_of(&value);
}

/* How many keys of an operation, from the first of these on, are the watched ones? */
static int
common_keys(const RamaOp *op, int first, const JsonbValue *keys, int nkeys)
{
	int			i = 0;

	while (first + i < op->nkeys && i < nkeys &&
		   rama_json_equal(&op->keys[first + i].json, &keys[i]))
		i++;
	return i;
}

/* Does the operation move elements of a vector that the watched keys go into? */
static bool
moves_elements(const RamaWatchPath *watch, const RamaOp *op, int common)
{
	int			level = op->nkeys - 1;

	if (op->kind == RAMA_OP_APPEND)
		return common == op->nkeys && common < watch->nkeys;
	return (op->kind == RAMA_OP_INSERT || op->kind == RAMA_OP_REMOVE) &&
		level >= 0 && level < watch->nkeys && common >= level &&
		(watch->kinds[level] == RAMA_VECTOR ||
		 (watch->kinds[level] == RAMA_SCALAR && op->keys[level].json.type == jbvNumeric));
}

/* An operation above a watched value: at, or above, the keys. */
static void
value_from_above(RamaFilter *filter, int64 version, const RamaOp *op)
{
	RamaWatchPath *watch = filter->watch;
	int			m = op->nkeys;
	Jsonb	   *value = NULL;

	switch (op->kind)
	{
		case RAMA_OP_SET:
			value = cut(&op->value, watch->keys + m, watch->kinds + m, watch->nkeys - m);
			break;
		case RAMA_OP_INSERT:
			if (!rama_json_equal(&op->value, &watch->keys[m]))
				return;
			value = value_of(&op->value);
			break;
		case RAMA_OP_REMOVE:
			break;
		default:
			return;
	}
	add_row(filter, version, value ? RAMA_OP_SET : RAMA_OP_REMOVE,
			path_of_keys(watch->keys, watch->nkeys, NULL, 0, NULL), value);
}

static void
remember_entry(RamaFilter *filter, const JsonbValue *key)
{
	ListCell   *lc;
	JsonbValue *copy;

	foreach(lc, filter->entries)
		if (rama_json_equal(lfirst(lc), key))
			return;
	copy = palloc(sizeof(JsonbValue));
	*copy = *key;
	filter->entries = lappend(filter->entries, copy);
}

/* A key has come, or gone; elements of sets are their own keys. */
static void
key_op(RamaFilter *filter, int64 version, const RamaOp *op, const JsonbValue *key)
{
	RamaWatchPath *watch = filter->watch;
	Jsonb	   *selected;
	/* A collection that is empty now may have been absent. */
	bool		was_there = !op->isnew && op->nkeys == watch->nkeys + 1 &&
		(op->kind == RAMA_OP_SET || op->kind == RAMA_OP_ADD) &&
		(op->node == NULL || op->node->kind == RAMA_SCALAR);

	if (was_there)
		return;
	if (watch->conditional && !rama_watch_satisfied(watch, key, NULL, &selected))
		return;
	if (op->kind == RAMA_OP_REMOVE && op->nkeys == watch->nkeys + 1)
		add_row(filter, version, RAMA_OP_REMOVE,
				path_of_keys(watch->keys, watch->nkeys, key, 0, NULL), NULL);
	else
		add_row(filter, version, RAMA_OP_INSERT,
				path_of_keys(watch->keys, watch->nkeys, NULL, 0, NULL), value_of(key));
}

/* The entry's value, if the operation has it whole. */
static const JsonbValue *
whole_entry(const RamaFilter *filter, const RamaOp *op)
{
	if (op->nkeys != filter->watch->nkeys + 1)
		return NULL;
	if (op->kind == RAMA_OP_SET)
		return &op->value;
	return op->kind == RAMA_OP_ADD ? &op->now : NULL;
}

/* A change of an entry's value, where predicates decide about it. */
static void
conditional_op(RamaFilter *filter, int64 version, const RamaOp *op, const JsonbValue *key)
{
	RamaWatchPath *watch = filter->watch;
	const JsonbValue *value = whole_entry(filter, op);
	bool		removed = op->kind == RAMA_OP_REMOVE && op->nkeys == watch->nkeys + 1;
	Jsonb	   *selected = NULL;

	if (value == NULL && !removed)
	{
		remember_entry(filter, key);
		return;
	}
	if (!removed && !rama_watch_satisfied(watch, key, value, &selected))
		selected = NULL;
	if (selected == NULL && !removed && op->isnew && op->nkeys == watch->nkeys + 1)
		return;
	add_row(filter, version, selected ? RAMA_OP_SET : RAMA_OP_REMOVE,
			path_of_keys(watch->keys, watch->nkeys, key, watch->nrest, watch->restkeys), selected);
}

/* A change of an entry's value, of which keys select a part. */
static void
part_op(RamaFilter *filter, int64 version, const RamaOp *op, const JsonbValue *key)
{
	RamaWatchPath *watch = filter->watch;
	int			below = op->nkeys - watch->nkeys - 1;
	Jsonb	   *value;

	if (common_keys(op, watch->nkeys + 1, watch->restkeys, watch->nrest) <
		Min(below, watch->nrest))
		return;
	if (below >= watch->nrest)
	{
		pass(filter, version, op);
		return;
	}
	if (op->kind != RAMA_OP_SET && op->kind != RAMA_OP_REMOVE)
	{
		remember_entry(filter, key);
		return;
	}
	value = op->kind == RAMA_OP_REMOVE ? NULL :
		cut(&op->value, watch->restkeys + below, NULL, watch->nrest - below);
	if (value == NULL && op->isnew && below == 0)
		return;
	add_row(filter, version, value ? RAMA_OP_SET : RAMA_OP_REMOVE,
			path_of_keys(watch->keys, watch->nkeys, key, watch->nrest, watch->restkeys), value);
}

static void
entries_op(RamaFilter *filter, int64 version, const RamaOp *op)
{
	RamaWatchPath *watch = filter->watch;
	bool		isset = watch->bound->steps[watch->nkeys].in.node->kind == RAMA_SET;
	const JsonbValue *key;

	if (op->nkeys > watch->nkeys)
		key = &op->keys[watch->nkeys].json;
	else if (op->nkeys == watch->nkeys && isset && op->kind == RAMA_OP_INSERT)
		key = &op->value;
	else
	{
		filter->whole = true;
		return;
	}
	if (!rama_watch_key_within(watch, key))
		return;
	if (isset || watch->keysonly)
		key_op(filter, version, op, key);
	else if (watch->conditional)
		conditional_op(filter, version, op, key);
	else
		part_op(filter, version, op, key);
}

/*
 * rama_filter_begin() -- Begin to filter versions for a path. A path of class
 * ENTRIES must be bound in this transaction.
 */
void
rama_filter_begin(RamaFilter *filter, RamaWatchPath *watch)
{
	memset(filter, 0, sizeof(*filter));
	filter->watch = watch;
	filter->context = CurrentMemoryContext;
}

/*
 * rama_filter_op() -- One operation of a version; they come in order. The
 * values in it must live as long as the filter.
 */
void
rama_filter_op(RamaFilter *filter, int64 version, const RamaOp *op)
{
	RamaWatchPath *watch = filter->watch;
	MemoryContext old;
	int			common;

	if (filter->whole)
		return;
	common = common_keys(op, 0, watch->keys, watch->nkeys);
	old = MemoryContextSwitchTo(filter->context);
	if (moves_elements(watch, op, common))
		filter->whole = true;
	else if (common < Min(op->nkeys, watch->nkeys))
		;
	else if (watch->class == RAMA_WATCH_WHOLE)
		filter->whole = true;
	else if (watch->class == RAMA_WATCH_ENTRIES)
		entries_op(filter, version, op);
	else if (op->nkeys >= watch->nkeys)
		pass(filter, version, op);
	else
		value_from_above(filter, version, op);
	MemoryContextSwitchTo(old);
}

/*
 * rama_filter_needs_reading() -- Must something be read to know the rows?
 */
bool
rama_filter_needs_reading(const RamaFilter *filter)
{
	return filter->whole || filter->entries != NIL;
}

/*
 * rama_filter_end() -- The rows (RamaWatchRow) of all versions, in order.
 *
 * Where something has to be read, this is done in the active snapshot, whose
 * version of the PState is given, and up to which all operations have come
 * through; the path must be bound. All rows are of that version then.
 */
List *
rama_filter_end(RamaFilter *filter, int64 version, Snapshot snapshot)
{
	RamaWatchPath *watch = filter->watch;
	MemoryContext old;
	ListCell   *lc;

	if (!rama_filter_needs_reading(filter))
		return filter->rows;
	old = MemoryContextSwitchTo(filter->context);
	if (filter->whole)
	{
		filter->rows = NIL;
		filter->entries = NIL;
		add_row(filter, version, RAMA_OP_SET, watch->path, rama_watch_value(watch, snapshot));
	}
	foreach(lc, filter->entries)
	{
		JsonbValue *key = lfirst(lc);
		Jsonb	   *value = rama_watch_entry(watch, key, snapshot);

		add_row(filter, version, value ? RAMA_OP_SET : RAMA_OP_REMOVE,
				path_of_keys(watch->keys, watch->nkeys, key, watch->nrest, watch->restkeys),
				value);
	}
	foreach(lc, filter->rows)
		((RamaWatchRow *) lfirst(lc))->version = version;
	MemoryContextSwitchTo(old);
	return filter->rows;
}
