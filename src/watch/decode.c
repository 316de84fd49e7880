/*-------------------------------------------------------------------------
 *
 * decode.c
 *	  The ops of a record, with their paths and values as JSON.
 *
 *-------------------------------------------------------------------------
 */
#include "watch/record.h"

#include "path/types.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

typedef struct Decoder
{
	RamaPState *pstate;
	RamaBytes	bytes;
	RamaTable  *table;			/* of the op */
	bool		isnew;
	Datum	   *keys;
	int			nops;
	int			space;
	RamaOp	   *ops;
} Decoder;

static void
name_to_json(const char *name, JsonbValue *json)
{
	json->type = jbvString;
	json->val.string.val = unconstify(char *, name);
	json->val.string.len = strlen(name);
}

static RamaOp *
add_op(Decoder *decoder, RamaOpKind kind)
{
	RamaOp	   *op;

	if (decoder->nops == decoder->space)
	{
		decoder->space = decoder->space ? 2 * decoder->space : 8;
		decoder->ops = decoder->ops ?
			repalloc_huge(decoder->ops, sizeof(RamaOp) * decoder->space) :
			palloc(sizeof(RamaOp) * decoder->space);
	}
	op = &decoder->ops[decoder->nops++];
	memset(op, 0, sizeof(RamaOp));
	op->kind = kind;
	op->isnew = decoder->isnew;
	op->value.type = op->now.type = jbvNull;
	return op;
}

/* Paths */

static int
depth_of(const RamaNode *node)
{
	int			depth = 0;

	for (; node->parent; node = node->parent)
		depth++;
	return depth;
}

static void
key_item(RamaOpKey *item, const RamaNode *collection, Datum datum)
{
	item->node = collection;
	item->typed = true;
	item->field = -1;
	item->datum = datum;
	rama_datum_to_json(collection->key.oid, datum, &item->json);
}

/* The path of a node, and room for "extra" items more */
static void
node_path(const Decoder *decoder, RamaOp *op, const RamaNode *node, int extra)
{
	int			depth = depth_of(node);

	op->node = node;
	op->nkeys = depth;
	op->keys = palloc0_array(RamaOpKey, Max(depth + extra, 1));
	for (int i = depth; node->parent; node = node->parent)
	{
		const RamaNode *parent = node->parent;
		RamaOpKey  *item = &op->keys[--i];

		if (parent->kind != RAMA_STRUCT)
		{
			key_item(item, parent, decoder->keys[parent->table->nkeys - 1]);
			continue;
		}
		item->node = parent;
		while (parent->children[item->field] != node)
			item->field++;
		name_to_json(node->name, &item->json);
	}
}

/* The path of a row of the table, which is an entry of its collection */
static void
entry_path(const Decoder *decoder, RamaOp *op)
{
	const RamaNode *node = decoder->table->node;

	node_path(decoder, op, node, 1);
	if (decoder->table->nkeys == 0)
		return;
	key_item(&op->keys[op->nkeys++], node, decoder->keys[decoder->table->nkeys - 1]);
	op->node = node->kind == RAMA_SET ? NULL : node->children[0];
}

/* An item of a path within a document, as JSON of the key's type */
static void
inner_item(RamaOpKey *item, const RamaNode *node, const JsonbValue *name)
{
	item->node = node;
	item->json = *name;
	item->field = -1;
	if (node == NULL)
		return;
	if (node->kind == RAMA_STRUCT)
	{
		for (int i = 0; i < node->nchildren; i++)
			if (strlen(node->children[i]->name) == (Size) name->val.string.len &&
				memcmp(node->children[i]->name, name->val.string.val,
					   name->val.string.len) == 0)
				item->field = i;
		return;
	}
	item->typed = true;
	if (node->kind == RAMA_VECTOR)
		item->datum = DirectFunctionCall1(numeric_int8, NumericGetDatum(name->val.numeric));
	else
	{
		RamaInput	input = {.form = RAMA_INPUT_JSON,.json = *name};

		if (node->kind == RAMA_MAP)
		{
			input.form = RAMA_INPUT_UNTYPED;
			input.text = pnstrdup(name->val.string.val, name->val.string.len);
		}
		item->datum = rama_input_to_key(&input, &node->key);
		rama_datum_to_json(node->key.oid, item->datum, &item->json);
	}
}

static const RamaNode *
inner_child(const RamaNode *node, const RamaOpKey *item)
{
	if (node == NULL || node->kind == RAMA_SET || node->kind == RAMA_SCALAR)
		return NULL;
	if (node->kind != RAMA_STRUCT)
		node = node->children[0];
	else if (item->field < 0)
		return NULL;
	else
		node = node->children[item->field];
	return node->kind == RAMA_SCALAR && node->type.oid == JSONBOID ? NULL : node;
}

/* Values */

static bool
read_column(Decoder *decoder, AttrNumber attno, Datum *value)
{
	const RamaType *type = &decoder->table->columns[attno - 1].type;
	char		isnull;

	rama_record_read(&decoder->bytes, &isnull, 1);
	if (isnull)
		return false;
	*value = rama_record_datum(&decoder->bytes, type->byval, type->len);
	return true;
}

static AttrNumber
read_attno(Decoder *decoder)
{
	int16		attno;

	rama_record_read(&decoder->bytes, &attno, sizeof(attno));
	if (attno <= 0 || attno > decoder->table->ncolumns)
		elog(ERROR, "record of a change has a column %d", attno);
	return attno;
}

static void
column_to_json(const RamaTable *table, AttrNumber attno, Datum value, JsonbValue *json)
{
	rama_datum_to_json(table->columns[attno - 1].type.oid, value, json);
}

/* What a row holds of a node, from its columns; false: null or absent */
static bool
columns_to_json(const RamaTable *table, const RamaNode *node, const Datum *values,
			const bool *nulls, JsonbValue *json)
{
	int			n = 0;

	if (node->storage == RAMA_IN_TABLE)
		return false;
	if (node->storage == RAMA_IN_COLUMN)
	{
		if (nulls[node->attno - 1])
			return false;
		column_to_json(table, node->attno, values[node->attno - 1], json);
		return true;
	}
	json->type = jbvObject;
	json->val.object.pairs = palloc0_array(JsonbPair, Max(node->nchildren, 1));
	for (int i = 0; i < node->nchildren; i++)
	{
		JsonbPair  *pair = &json->val.object.pairs[n];

		if (!columns_to_json(table, node->children[i], values, nulls, &pair->value))
			continue;
		name_to_json(node->children[i]->name, &pair->key);
		pair->order = n++;
	}
	json->val.object.nPairs = n;
	return n > 0 || node->parent == NULL || node->parent->kind != RAMA_STRUCT;
}

/* The value of an entry of the table */
static void
entry_to_json(const RamaTable *table, const Datum *values, const bool *nulls, JsonbValue *json)
{
	const RamaNode *node = table->node;

	if (table->nkeys > 0)
		node = node->children[0];
	if (!columns_to_json(table, node, values, nulls, json))
		json->type = jbvNull;
}

/* Ops */

/* A value that is null: a field is not there then. */
static RamaOp *
add_null(Decoder *decoder, const RamaNode *node)
{
	bool		field = node->parent && node->parent->kind == RAMA_STRUCT;
	RamaOp	   *op = add_op(decoder, field ? RAMA_OP_REMOVE : RAMA_OP_SET);

	node_path(decoder, op, node, 0);
	return op;
}

static void
decode_column(Decoder *decoder)
{
	AttrNumber	attno = read_attno(decoder);
	const RamaNode *node = decoder->table->columns[attno - 1].node;
	Datum		value;
	RamaOp	   *op;

	if (!read_column(decoder, attno, &value))
	{
		(void) add_null(decoder, node);
		return;
	}
	op = add_op(decoder, RAMA_OP_SET);
	node_path(decoder, op, node, 0);
	column_to_json(decoder->table, attno, value, &op->value);
}

static bool
is_exact(Oid type)
{
	Oid			base = rama_type_info(type)->base;

	return base == INT8OID || base == INT4OID || base == INT2OID || base == NUMERICOID;
}

/* Sums of exact numbers; of others the new value */
static void
decode_add(Decoder *decoder)
{
	AttrNumber	attno = read_attno(decoder);
	Oid			type = decoder->table->columns[attno - 1].type.oid;
	JsonbValue	old = {.type = jbvNull};
	RamaOp	   *op;
	Datum		value;

	if (read_column(decoder, attno, &value) && is_exact(type))
		column_to_json(decoder->table, attno, value, &old);
	if (!read_column(decoder, attno, &value))
	{
		(void) add_null(decoder, decoder->table->columns[attno - 1].node);
		return;
	}
	op = add_op(decoder, RAMA_OP_SET);
	node_path(decoder, op, decoder->table->columns[attno - 1].node, 0);
	column_to_json(decoder->table, attno, value, &op->value);
	if (!is_exact(type) || op->value.type != jbvNumeric ||
		(old.type != jbvNumeric && old.type != jbvNull))
		return;
	op->kind = RAMA_OP_ADD;
	op->now = op->value;
	if (old.type == jbvNumeric)
		op->value.val.numeric =
			DatumGetNumeric(DirectFunctionCall2(numeric_sub,
												NumericGetDatum(op->now.val.numeric),
												NumericGetDatum(old.val.numeric)));
}

static void
add_difference(Decoder *decoder, const RamaNode *column, const RamaDifference *difference)
{
	const RamaNode *node = column->kind == RAMA_SCALAR ? NULL : column;
	RamaOp	   *op = add_op(decoder, difference->kind);

	op->isnew = false;
	node_path(decoder, op, column, difference->npath);
	for (int i = 0; i < difference->npath; i++)
	{
		RamaOpKey  *item = &op->keys[op->nkeys++];

		inner_item(item, node, &difference->path[i]);
		node = inner_child(node, item);
	}
	op->node = node;
	op->value = difference->value;
	op->now = difference->now;
}

static void
decode_json(Decoder *decoder)
{
	AttrNumber	attno = read_attno(decoder);
	const RamaNode *node = decoder->table->columns[attno - 1].node;
	List	   *differences;
	ListCell   *lc;
	char		adds;
	char		isdiff;
	Datum		before;
	Datum		now;
	bool		had;
	bool		has;
	JsonbValue	old;
	JsonbValue	new;

	rama_record_read(&decoder->bytes, &adds, 1);
	rama_record_read(&decoder->bytes, &isdiff, 1);
	if (isdiff)
		differences =
			rama_json_diff_of_jsonb(DatumGetJsonbP(rama_record_datum(&decoder->bytes, false, -1)));
	else
	{
		had = read_column(decoder, attno, &before);
		has = read_column(decoder, attno, &now);
		if (!has)
		{
			(void) add_null(decoder, node);
			return;
		}
		rama_jsonb_to_json(DatumGetJsonbP(now), &new);
		if (!had)
		{
			RamaOp	   *op = add_op(decoder, RAMA_OP_SET);

			node_path(decoder, op, node, 0);
			op->value = new;
			return;
		}
		rama_jsonb_to_json(DatumGetJsonbP(before), &old);
		differences = rama_json_diff(node, &old, &new, adds);
	}
	foreach(lc, differences)
		add_difference(decoder, node, lfirst(lc));
}

static void
decode_absent(Decoder *decoder)
{
	AttrNumber	attno = read_attno(decoder);
	const RamaNode *node = decoder->table->columns[attno - 1].node;
	RamaOp	   *op = add_op(decoder, RAMA_OP_REMOVE);
	int16		climb;

	rama_record_read(&decoder->bytes, &climb, sizeof(climb));
	for (; climb > 0 && node->parent; climb--)
		node = node->parent;
	node_path(decoder, op, node, 0);
}

static void
decode_row(Decoder *decoder, RamaCaptureKind kind)
{
	RamaTable  *table = decoder->table;
	Datum	   *values = palloc0_array(Datum, table->ncolumns);
	bool	   *nulls = palloc_array(bool, table->ncolumns);
	int16		ncolumns;
	RamaOp	   *op;

	memset(nulls, true, table->ncolumns);
	rama_record_read(&decoder->bytes, &ncolumns, sizeof(ncolumns));
	for (int i = 0; i < ncolumns; i++)
	{
		AttrNumber	attno = read_attno(decoder);

		nulls[attno - 1] = !read_column(decoder, attno, &values[attno - 1]);
	}
	decoder->isnew = true;
	op = add_op(decoder, kind == RAMA_CAPTURE_INSERT || table->node->kind == RAMA_SET ?
				RAMA_OP_INSERT : RAMA_OP_SET);
	if (table->node->kind == RAMA_SET)
	{
		node_path(decoder, op, table->node, 0);
		rama_datum_to_json(table->keys[table->nkeys - 1].oid,
						   decoder->keys[table->nkeys - 1], &op->value);
		return;
	}
	entry_path(decoder, op);
	entry_to_json(table, values, nulls, &op->value);
}

static void
decode_append(Decoder *decoder)
{
	RamaTable  *table = decoder->table;
	Datum	   *values = palloc0_array(Datum, table->ncolumns);
	bool	   *nulls = palloc_array(bool, table->ncolumns);
	RamaOp	   *op = add_op(decoder, RAMA_OP_APPEND);
	uint32		count;

	node_path(decoder, op, table->node, 0);
	rama_record_read(&decoder->bytes, &count, sizeof(count));
	op->value.type = jbvArray;
	op->value.val.array.rawScalar = false;
	op->value.val.array.nElems = count;
	op->value.val.array.elems = MemoryContextAllocHuge(CurrentMemoryContext,
													   sizeof(JsonbValue) * Max((Size) count, 1));
	for (uint32 i = 0; i < count; i++)
	{
		for (int j = table->nkeys; j < table->ncolumns; j++)
			nulls[j] = !read_column(decoder, j + 1, &values[j]);
		entry_to_json(table, values, nulls, &op->value.val.array.elems[i]);
	}
}

static void
decode_remove(Decoder *decoder)
{
	bool		single = decoder->table->nkeys == 0;

	/* The one value of a PState without keys is null then. */
	entry_path(decoder, add_op(decoder, single ? RAMA_OP_SET : RAMA_OP_REMOVE));
}

static void
decode_empty(Decoder *decoder)
{
	const RamaNode *node = decoder->table->node;
	RamaOp	   *op = add_op(decoder, RAMA_OP_SET);

	node_path(decoder, op, node, 0);
	op->value.type = node->kind == RAMA_MAP ? jbvObject : jbvArray;
	if (node->kind == RAMA_MAP)
		op->value.val.object.nPairs = 0;
	else
		op->value.val.array.nElems = 0;
}

static void
decode_op(Decoder *decoder)
{
	RamaPState *pstate = decoder->pstate;
	char		kind;
	char		isnew;
	int16		number;
	int			nkeys;

	rama_record_read(&decoder->bytes, &kind, 1);
	rama_record_read(&decoder->bytes, &isnew, 1);
	rama_record_read(&decoder->bytes, &number, sizeof(number));
	if (number < 0 || number >= pstate->ntables)
		elog(ERROR, "record of a change has a table %d", number);
	decoder->table = pstate->tables[number];
	decoder->isnew = isnew;
	nkeys = decoder->table->nkeys;
	if (kind == RAMA_CAPTURE_APPEND || kind == RAMA_CAPTURE_EMPTY ||
		kind == RAMA_CAPTURE_CLEARED)
		nkeys = Max(nkeys - 1, 0);
	decoder->keys = palloc0_array(Datum, Max(nkeys, 1));
	for (int i = 0; i < nkeys; i++)
		decoder->keys[i] = rama_record_datum(&decoder->bytes, decoder->table->keys[i].byval,
											 decoder->table->keys[i].len);
	switch ((RamaCaptureKind) kind)
	{
		case RAMA_CAPTURE_COLUMN:
			decode_column(decoder);
			break;
		case RAMA_CAPTURE_ADD:
			decode_add(decoder);
			break;
		case RAMA_CAPTURE_JSON:
			decode_json(decoder);
			break;
		case RAMA_CAPTURE_ABSENT:
			decode_absent(decoder);
			break;
		case RAMA_CAPTURE_ROW:
		case RAMA_CAPTURE_INSERT:
			decode_row(decoder, kind);
			break;
		case RAMA_CAPTURE_APPEND:
			decode_append(decoder);
			break;
		case RAMA_CAPTURE_REMOVE:
			decode_remove(decoder);
			break;
		case RAMA_CAPTURE_EMPTY:
			decode_empty(decoder);
			break;
		case RAMA_CAPTURE_CLEARED:
			(void) add_null(decoder, decoder->table->node);
			break;
	}
}

/*
 * rama_record_decode() -- The ops of a record whose format is that of the
 * binding, in the current memory context.
 */
void
rama_record_decode(RamaPState *pstate, const char *ops, Size size, RamaChange *change)
{
	Decoder		decoder = {.pstate = pstate,.bytes = {ops, ops + size}};

	while (decoder.bytes.next < decoder.bytes.end)
	{
		CHECK_FOR_INTERRUPTS();
		decode_op(&decoder);
	}
	change->nops = decoder.nops;
	change->ops = decoder.ops;
}
