/*-------------------------------------------------------------------------
 *
 * nav_key.c
 *	  Navigators to one value: key, must, nth.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"
#include "path/types.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

/* rama_struct_field() -- Index of a field, or error (42703). */
int
rama_struct_field(const RamaNode *node, const char *name, int len)
{
	StringInfoData fields;
	int			best = -1;
	int			nearest = Min(4, len / 2 + 1);

	for (int i = 0; i < node->nchildren; i++)
	{
		const char *field = node->children[i]->name;

		if ((int) strlen(field) == len && memcmp(field, name, len) == 0)
			return i;
	}

	initStringInfo(&fields);
	for (int i = 0; i < node->nchildren; i++)
	{
		const char *field = node->children[i]->name;
		int			distance = len > NAMEDATALEN ? nearest :
			varstr_levenshtein_less_equal(name, len, field, strlen(field),
										  1, 1, 1, nearest, true);

		if (distance < nearest)
		{
			nearest = distance;
			best = i;
		}
		appendStringInfo(&fields, "%s\"%s\"", i > 0 ? ", " : "", field);
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("struct has no field \"%.*s\"", len, name),
			 best >= 0 ?
			 errhint("Perhaps you meant \"%s\".", node->children[best]->name) :
			 errhint("Its fields are %s.", fields.data)));
	return -1;
}

/* The field that a JSON key names. */
static int
field_of_json(const RamaStep *step, const RamaNode *node, const JsonbValue *json)
{
	if (json->type != jbvString)
		rama_step_error(step, "a field of a struct is named by a string, not a %s",
						rama_json_kind(json));
	return rama_struct_field(node, json->val.string.val, json->val.string.len);
}

/* rama_bind_node_key() -- A key of a collection of node, in every form. */
void
rama_bind_node_key(RamaPath *path, const RamaNode *node, const JsonbValue *json,
				   RamaKey *key)
{
	RamaInput	input;
	JsonbValue	typed;

	rama_input_of_json(&input, json);
	key->datum = rama_input_to_key(&input, &node->key);
	if (!rama_type_input_is_immutable(node->key.oid))
		path->stable = false;
	rama_datum_to_json(node->key.oid, key->datum, &typed);
	if (node->kind == RAMA_MAP)
		rama_key_name(node, &typed, &key->name);
	else
		key->name = typed;
}

static void
bind_index(RamaStep *step, int arg)
{
	step->key.datum = Int64GetDatum(rama_step_int(step, arg));
}

static void
bind_pair_index(RamaStep *step)
{
	int64		index = rama_step_int(step, 0);

	if (index < 0 || index > 1)
		rama_step_error(step, "a pair has elements 0 and 1");
	step->key.field = (int) index;
	/* Of what the pair has become, in a path that joins: an element of a list. */
	step->key.name = step->args[0];
	if (index == 0)
	{
		step->out.kind = RAMA_SHAPE_KEY;
		step->out.node = step->in.node;
	}
	else
		step->out = rama_shape_of_value(step->in.node);
}

/* A number as an index of an array; -1 where it cannot be one. */
static int64
numeric_index(Numeric numeric)
{
	Datum		number = NumericGetDatum(numeric);

	if (numeric_is_nan(numeric) || numeric_is_inf(numeric) ||
		DatumGetBool(DirectFunctionCall2(numeric_lt, number,
										 NumericGetDatum(int64_to_numeric(0)))) ||
		DatumGetBool(DirectFunctionCall2(numeric_gt, number,
										 NumericGetDatum(int64_to_numeric(PG_INT32_MAX)))))
		return -1;
	number = DirectFunctionCall2(numeric_trunc, number, Int32GetDatum(0));
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, number));
}

static void
bind_plain_key(RamaStep *step)
{
	const JsonbValue *json = &step->args[0];

	if (json->type == jbvNull)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a key must not be null")));
	step->key.name = *json;
	step->key.field = -1;
	if (json->type == jbvNumeric && numeric_index(json->val.numeric) <= 1)
		step->key.field = (int) numeric_index(json->val.numeric);
	step->out.kind = RAMA_SHAPE_PLAIN;
	step->out.node = NULL;
}

static void
bind_node_key(RamaPath *path, RamaStep *step, const RamaNode *node)
{
	switch (node->kind)
	{
		case RAMA_STRUCT:
			step->key.field = field_of_json(step, node, &step->args[0]);
			step->out = rama_shape_of_node(node->children[step->key.field]);
			return;
		case RAMA_SCALAR:
			rama_step_error(step, "there is nothing below a value of type %s",
							rama_shape_name(step->in));
			return;
		case RAMA_VECTOR:
			if (step->args[0].type == jbvNumeric)
			{
				bind_index(step, 0);
				break;
			}
			/* FALLTHROUGH */
		default:
			rama_bind_node_key(path, node, &step->args[0], &step->key);
			break;
	}
	step->out = rama_shape_of_value(node);
}

/* rama_bind_key() -- A key of a map, an index, a field, or an element of a set. */
void
rama_bind_key(RamaPath *path, RamaStep *step)
{
	switch (step->in.kind)
	{
		case RAMA_SHAPE_NODE:
			bind_node_key(path, step, step->in.node);
			break;
		case RAMA_SHAPE_PAIR:
			bind_pair_index(step);
			break;
		case RAMA_SHAPE_PLAIN:
			bind_plain_key(step);
			break;
		case RAMA_SHAPE_KEY:
			rama_step_error(step, "there is nothing below a value of type %s",
							rama_shape_name(step->in));
	}
}

/* rama_bind_nth() -- An index of a vector. */
void
rama_bind_nth(RamaPath *path, RamaStep *step)
{
	if (step->in.kind == RAMA_SHAPE_KEY ||
		(step->in.kind == RAMA_SHAPE_NODE && step->in.node->kind != RAMA_VECTOR))
		rama_step_error(step, "needs a vector, and this is %s",
						rama_shape_name(step->in));
	(void) rama_step_int(step, 0);
	rama_bind_key(path, step);
}

/* rama_part_has() -- Is a key of node's between the bounds of a part? */
bool
rama_part_has(const RamaNode *node, const RamaPart *part, Datum key)
{
	int			order;

	if (part->low.isset)
	{
		order = rama_type_compare(&node->key, key, part->low.value);
		if (order < 0 || (order == 0 && !part->low.inclusive))
			return false;
	}
	if (part->high.isset)
	{
		order = rama_type_compare(&node->key, key, part->high.value);
		if (order > 0 || (order == 0 && !part->high.inclusive))
			return false;
	}
	return true;
}

/*
 * rama_focus_row_key() -- From a collection with a table to its value at a
 * key (of a vector: the index in what is left of it).
 */
void
rama_focus_row_key(RamaFocus *focus, Datum key, Snapshot snapshot)
{
	const RamaNode *node = focus->node;
	RamaTable  *table = node->table;
	Datum	   *keys;
	RamaPlaceRow    *row;

	if (focus->ispart)
	{
		if (node->kind == RAMA_VECTOR)
			key = Int64GetDatum(DatumGetInt64(key) + DatumGetInt64(focus->part.low.value));
		rama_focus_resolve_amount(focus, snapshot);
		if (!rama_part_has(node, &focus->part, key))
		{
			rama_focus_nothing(focus, node->kind == RAMA_SET ? NULL : node->children[0]);
			return;
		}
	}
	keys = palloc(sizeof(Datum) * table->nkeys);
	if (table->nkeys > 1)
		memcpy(keys, focus->keys, sizeof(Datum) * (table->nkeys - 1));
	keys[table->nkeys - 1] = key;
	row = palloc0(sizeof(RamaPlaceRow));
	row->table = table;
	row->keys = keys;
	row->context = CurrentMemoryContext;

	if (node->kind != RAMA_SET)
		rama_focus_node(focus, node->children[0], row, keys);
	else if (rama_row_load(row, snapshot))
		rama_focus_datum(focus, &node->key, key);
	else
		rama_focus_nothing(focus, NULL);
}

/*
 * These go to the value at a key, and tell whether there is an entry, be its
 * value null.
 */
static bool
json_element(RamaFocus *focus, const RamaNode *child, int64 index)
{
	JsonbContainer *array = focus->json.val.binary.data;

	if (index < 0 || index >= JsonContainerSize(array))
	{
		rama_focus_nothing(focus, child);
		return false;
	}
	rama_focus_json(focus, child, getIthJsonbValueFromContainer(array, (uint32) index));
	return true;
}

static bool
json_field(RamaFocus *focus, const RamaNode *child, const JsonbValue *name)
{
	JsonbValue	found;

	if (getKeyJsonValueFromContainer(focus->json.val.binary.data,
									 name->val.string.val, name->val.string.len,
									 &found))
	{
		rama_focus_json(focus, child, &found);
		return true;
	}
	rama_focus_nothing(focus, child);
	return false;
}

static bool
is_container(const RamaFocus *focus, bool object)
{
	return focus->json.type == jbvBinary &&
		(JsonContainerIsObject(focus->json.val.binary.data) != 0) == object;
}

/* Plain data: what does not fit is absent. */
static bool
plain_key(RamaFocus *focus, const JsonbValue *key)
{
	JsonbValue	name;

	if (is_container(focus, true))
	{
		rama_json_name(key, &name);
		return json_field(focus, NULL, &name);
	}
	if (is_container(focus, false) && key->type == jbvNumeric)
		return json_element(focus, NULL, numeric_index(key->val.numeric));
	rama_focus_nothing(focus, NULL);
	return false;
}

static const RamaNode *
plain_child(const RamaNode *child)
{
	return child->kind == RAMA_SCALAR && child->type.oid == JSONBOID ? NULL : child;
}

/* A key whose text may differ from that of an equal one. */
static bool
json_entry(RamaFocus *focus, const RamaNode *node, Datum key)
{
	RamaEntries *entries = rama_entries_of_json(node, &focus->json, RAMA_MAP);
	int			i = rama_entries_find(entries, key);

	if (i < 0)
		rama_focus_nothing(focus, plain_child(node->children[0]));
	else
		rama_entry_value(entries, i, focus);
	return i >= 0;
}

/* A collection or struct kept as JSON, which has no null fields. */
static bool
json_key(RamaFocus *focus, const RamaKey *key)
{
	const RamaNode *node = focus->node;

	switch (node->kind)
	{
		case RAMA_STRUCT:
			{
				const RamaNode *field = node->children[key->field];
				JsonbValue	name = {.type = jbvString};

				name.val.string.val = field->name;
				name.val.string.len = strlen(field->name);
				return json_field(focus, plain_child(field), &name);
			}
		case RAMA_MAP:
			if (rama_type_is_its_text(node->key.oid))
				return json_field(focus, plain_child(node->children[0]), &key->name);
			return json_entry(focus, node, key->datum);
		case RAMA_VECTOR:
			return json_element(focus, plain_child(node->children[0]),
								DatumGetInt64(key->datum));
		case RAMA_SET:
			{
				RamaEntries *entries = rama_entries_of_json(node, &focus->json, RAMA_SET);
				int			i = rama_entries_find(entries, key->datum);

				if (i < 0)
					rama_focus_nothing(focus, NULL);
				else
					rama_entry_key(entries, i, focus);
				return i >= 0;
			}
		case RAMA_SCALAR:
			break;
	}
	rama_focus_nothing(focus, NULL);
	return false;
}

/* A range of a collection in memory. */
static bool
entries_key(RamaFocus *focus, const RamaKey *key)
{
	RamaEntries *entries = focus->entries;
	int64		i;

	if (entries->kind == RAMA_VECTOR)
	{
		if (entries->node)
			i = DatumGetInt64(key->datum);
		else if (key->name.type == jbvNumeric)
			i = numeric_index(key->name.val.numeric);
		else
			i = -1;
	}
	else if (entries->node)
		i = rama_entries_find(entries, key->datum);
	else
	{
		int			len;
		char	   *text = rama_json_to_text(&key->name, &len);

		i = rama_entries_find(entries,
							  PointerGetDatum(cstring_to_text_with_len(text, len)));
	}

	if (i < 0 || i >= entries->count)
	{
		rama_focus_nothing(focus, entries->node && entries->kind != RAMA_SET ?
						   entries->node->children[0] : NULL);
		return false;
	}
	if (entries->kind == RAMA_SET)
		rama_entry_key(entries, (int) i, focus);
	else
		rama_entry_value(entries, (int) i, focus);
	return true;
}

static bool
pair_key(RamaFocus *focus, const RamaKey *key)
{
	const RamaCollected *collected = focus->collected;

	if (key->field == 0 || key->field == 1)
		*focus = *(key->field == 0 ? focus->first : focus->second);
	else
		rama_focus_nothing(focus, NULL);
	focus->collected = collected;
	return key->field == 0 || key->field == 1;
}

static void
nothing_key(RamaFocus *focus, const RamaKey *key)
{
	const RamaNode *node = focus->node;

	if (node == NULL || node->kind == RAMA_SCALAR || node->kind == RAMA_SET)
		rama_focus_nothing(focus, NULL);
	else
		rama_focus_nothing(focus, node->children[node->kind == RAMA_STRUCT ? key->field : 0]);
}

static bool
focus_key(RamaFocus *focus, const RamaKey *key, Snapshot snapshot, bool must)
{
	/* A field of a row needs no look at the row yet. */
	if (focus->at == RAMA_AT_ROW && focus->node->storage == RAMA_IN_ROW)
	{
		rama_focus_node(focus, focus->node->children[key->field], focus->row,
						focus->row->keys);
		return must && rama_focus_exists(focus, snapshot);
	}
	rama_focus_load(focus, snapshot);
	switch (focus->at)
	{
		case RAMA_AT_ROWS:
			rama_focus_row_key(focus, key->datum, snapshot);
			return must && rama_focus_is_entry(focus, snapshot);
		case RAMA_AT_JSON:
			return focus->node ? json_key(focus, key) : plain_key(focus, &key->name);
		case RAMA_AT_ENTRIES:
			return entries_key(focus, key);
		case RAMA_AT_PAIR:
			return pair_key(focus, key);
		case RAMA_AT_NOTHING:
		case RAMA_AT_DATUM:
		case RAMA_AT_ROW:
			break;
	}
	nothing_key(focus, key);
	return false;
}

/*
 * rama_focus_key() -- From a focus to its value at a key: absent where there
 * is none.
 */
void
rama_focus_key(RamaFocus *focus, const RamaKey *key, Snapshot snapshot)
{
	(void) focus_key(focus, key, snapshot, false);
}

/*
 * rama_focus_must() -- The same; false where there is no entry. One whose value
 * is null is there, a field that is null is not.
 */
bool
rama_focus_must(RamaFocus *focus, const RamaKey *key, Snapshot snapshot)
{
	return focus_key(focus, key, snapshot, true);
}

/*
 * rama_focus_is_entry() -- Of the value at a key of a collection with a table:
 * is there an entry, be its value null?
 */
bool
rama_focus_is_entry(RamaFocus *focus, Snapshot snapshot)
{
	if (focus->at == RAMA_AT_ROW || focus->at == RAMA_AT_ROWS)
		return rama_row_load(focus->row, snapshot);
	return focus->at != RAMA_AT_NOTHING;
}

/* rama_go_key() -- The value at a key, null where there is none. */
bool
rama_go_key(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	rama_focus_key(focus, &step->key, eval->snapshot);
	return true;
}

/* rama_go_must() -- The same, and nothing where there is none. */
bool
rama_go_must(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	return rama_focus_must(focus, &step->key, eval->snapshot);
}
