/*-------------------------------------------------------------------------
 *
 * edit.c
 *	  Changing something within the JSON of a column.
 *
 * The levels along the keys are made anew, everything else is taken over as
 * it is stored.
 *
 *-------------------------------------------------------------------------
 */
#include "path/write.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

static bool edit_at(const RamaNode *node, const JsonbValue *old,
					const RamaInnerKey *keys, int nkeys, RamaEdit *edit,
					JsonbValue **out);

static const RamaNode *
child_node(const RamaNode *node, const RamaKey *key)
{
	const RamaNode *child;

	if (node == NULL || node->kind == RAMA_SET)
		return NULL;
	child = node->children[node->kind == RAMA_STRUCT ? key->field : 0];
	return child->kind == RAMA_SCALAR && child->type.oid == JSONBOID ? NULL : child;
}

static JsonbValue *
new_container(enum jbvType type)
{
	JsonbValue *json = palloc0(sizeof(JsonbValue));

	json->type = type;
	return json;
}

/* One level of an object or array, to be changed; old may be NULL. */
static JsonbValue *
copy_level(const JsonbValue *old, enum jbvType type)
{
	JsonbValue *copy = new_container(type);
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	item;
	int			size;
	int			n = 0;

	if (old != NULL && (old->type == jbvObject || old->type == jbvArray))
	{
		JsonbValue *stored = palloc(sizeof(JsonbValue));

		rama_jsonb_to_json(rama_json_to_jsonb(old), stored);
		old = stored;
	}
	size = old ? JsonContainerSize(old->val.binary.data) : 0;
	/* Room for one more. */
	if (type == jbvObject)
		copy->val.object.pairs = palloc0(sizeof(JsonbPair) * (size + 1));
	else
		copy->val.array.elems = palloc0(sizeof(JsonbValue) * (size + 1));
	if (old == NULL)
		return copy;

	it = JsonbIteratorInit(old->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			copy->val.object.pairs[n].key = item;
		else if (token == WJB_VALUE)
			copy->val.object.pairs[n++].value = item;
		else if (token == WJB_ELEM)
			copy->val.array.elems[n++] = item;
	}
	if (type == jbvObject)
		copy->val.object.nPairs = n;
	else
		copy->val.array.nElems = n;
	return copy;
}

static bool
is_same_key(const RamaNode *map, const JsonbValue *name, Datum key)
{
	RamaInput	input;

	rama_input_of_name(&input, name, &map->key);
	return rama_type_compare(&map->key, rama_input_to_key(&input, &map->key), key) == 0;
}

/* The pair of that name; of a map: whose name is text for an equal key. */
static int
find_pair(const RamaNode *node, const JsonbValue *object, const JsonbValue *name,
		  Datum datum)
{
	bool		bytext = node == NULL || node->kind != RAMA_MAP ||
		rama_type_is_its_text(node->key.oid);

	for (int i = 0; i < object->val.object.nPairs; i++)
	{
		const JsonbValue *key = &object->val.object.pairs[i].key;

		if (!bytext)
		{
			if (is_same_key(node, key, datum))
				return i;
			continue;
		}
		if (key->val.string.len == name->val.string.len &&
			memcmp(key->val.string.val, name->val.string.val, key->val.string.len) == 0)
			return i;
	}
	return -1;
}

/* Is it a field of a struct that is not stored? */
static bool
is_null_field(const RamaNode *field, const JsonbValue *value)
{
	return value->type == jbvNull ||
		(field && field->kind == RAMA_STRUCT && value->type == jbvObject &&
		 value->val.object.nPairs == 0);
}

static bool
edit_object(const RamaNode *node, JsonbValue *object, const JsonbValue *name,
			const RamaInnerKey *keys, int nkeys, RamaEdit *edit)
{
	int			i = find_pair(node, object, name, keys[0].key.datum);
	JsonbPair  *pairs = object->val.object.pairs;
	JsonbValue *value;

	if (!edit_at(child_node(node, &keys[0].key), i < 0 ? NULL : &pairs[i].value,
				 keys + 1, nkeys - 1, edit, &value))
		return false;
	if (value != NULL && node && node->kind == RAMA_STRUCT &&
		is_null_field(child_node(node, &keys[0].key), value))
		value = NULL;
	if (value == NULL)
	{
		if (i >= 0)
		{
			object->val.object.nPairs--;
			memmove(pairs + i, pairs + i + 1,
					sizeof(JsonbPair) * (object->val.object.nPairs - i));
		}
		return true;
	}
	if (i < 0)
	{
		i = object->val.object.nPairs++;
		pairs[i].key = *name;
	}
	pairs[i].value = *value;
	return true;
}

static bool
edit_array(const RamaNode *node, JsonbValue *array, int64 i,
		   const RamaInnerKey *keys, int nkeys, RamaEdit *edit)
{
	JsonbValue *elems = array->val.array.elems;
	int			count = array->val.array.nElems;
	bool		isnew = i < 0 || i >= count;
	JsonbValue *value;

	if (!edit_at(child_node(node, &keys[0].key), isnew ? NULL : &elems[i],
				 keys + 1, nkeys - 1, edit, &value))
		return false;
	if (value == NULL)
	{
		if (isnew)
			return false;
		array->val.array.nElems--;
		memmove(elems + i, elems + i + 1, sizeof(JsonbValue) * (count - i - 1));
		return true;
	}
	if (i < 0 || i > count)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("index " INT64_FORMAT " is out of range", i),
				 errdetail("The vector has %d elements.", count)));
	if (i == count)
		array->val.array.nElems++;
	elems[i] = *value;
	return true;
}

/* The last key is an element of a set: there, or not. */
static bool
edit_element(const RamaNode *node, const JsonbValue *old, const RamaKey *key,
			 RamaEdit *edit, JsonbValue **out)
{
	RamaEntries *entries = rama_entries_of_json(node, old, RAMA_SET);
	int			i = rama_entries_find(entries, key->datum);
	JsonbValue *value;

	edit->there = i >= 0;
	if (!edit->apply(edit, NULL, i < 0 ? NULL : &entries->entry[i].name, &value))
		return false;
	if (value != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an element of a set has no value"),
				 errhint("rama.push adds an element.")));
	if (i < 0)
		return false;
	entries->count--;
	memmove(&entries->entry[i], &entries->entry[i + 1],
			sizeof(RamaEntry) * (entries->count - i));
	*out = palloc(sizeof(JsonbValue));
	rama_entries_to_json(entries, *out);
	return true;
}

static bool
is_stored_array(const JsonbValue *json)
{
	return json->type == jbvBinary && JsonContainerIsArray(json->val.binary.data);
}

static bool
edit_plain(const JsonbValue *old, const RamaInnerKey *keys, int nkeys,
		   RamaEdit *edit, JsonbValue **out)
{
	const JsonbValue *given = &keys[0].key.name;
	JsonbValue	name;

	if (old != NULL && old->type != jbvBinary)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is nothing below a %s", rama_json_kind(old))));
	if (old != NULL && is_stored_array(old))
	{
		Datum		index = (Datum) 0;

		if (given->type == jbvNumeric)
			index = DirectFunctionCall1(numeric_int8, NumericGetDatum(given->val.numeric));
		else if (given->type == jbvString)
			index = DirectFunctionCall1(int8in,
										CStringGetDatum(pnstrdup(given->val.string.val,
																 given->val.string.len)));
		else
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("an element of an array is named by its index")));
		*out = copy_level(old, jbvArray);
		return edit_array(NULL, *out, DatumGetInt64(index), keys, nkeys, edit);
	}
	rama_json_name(given, &name);
	*out = copy_level(old, jbvObject);
	return edit_object(NULL, *out, &name, keys, nkeys, edit);
}

static bool
edit_at(const RamaNode *node, const JsonbValue *old, const RamaInnerKey *keys,
		int nkeys, RamaEdit *edit, JsonbValue **out)
{
	JsonbValue	name;

	edit->there = old != NULL;
	if (old != NULL && old->type == jbvNull)
		old = NULL;
	if (nkeys == 0)
		return edit->apply(edit, node, old, out);
	if (node == NULL)
		return edit_plain(old, keys, nkeys, edit, out);
	switch (node->kind)
	{
		case RAMA_SET:
			return edit_element(node, old, &keys[0].key, edit, out);
		case RAMA_VECTOR:
			*out = copy_level(old, jbvArray);
			return edit_array(node, *out, DatumGetInt64(keys[0].key.datum),
							  keys, nkeys, edit);
		case RAMA_STRUCT:
			name.type = jbvString;
			name.val.string.val = node->children[keys[0].key.field]->name;
			name.val.string.len = strlen(name.val.string.val);
			break;
		default:
			name = keys[0].key.name;
			break;
	}
	*out = copy_level(old, jbvObject);
	return edit_object(node, *out, &name, keys, nkeys, edit);
}

/* The column as it is now; NULL where it is null or there is no row. */
static JsonbValue *
read_column(const RamaNode *column, const Datum *keys)
{
	RamaRow		row;
	JsonbValue *json = NULL;
	bool		isnull = true;
	Datum		datum = (Datum) 0;

	rama_row_open(&row, column->table, keys, false);
	if (row.found)
	{
		datum = row.values[column->attno - 1];
		isnull = row.nulls[column->attno - 1];
	}
	if (!isnull)
	{
		json = palloc(sizeof(JsonbValue));
		rama_jsonb_to_json((Jsonb *) PG_DETOAST_DATUM_COPY(datum), json);
	}
	rama_row_close(&row);
	return json;
}

/*
 * rama_target_edit() -- Change what is at a target within a column's JSON;
 * whether there was a change to store.
 *
 * Levels above it are made where they are missing. Errors: 2202E, 22023, and
 * those of edit->apply.
 */
bool
rama_target_edit(const RamaTarget *target, RamaEdit *edit)
{
	const RamaNode *column = target->column ? target->column : target->node;
	const RamaNode *node = column;
	JsonbValue *json = read_column(column, target->keys);
	Datum		value;
	bool		isnull = false;
	RamaRow		row;

	if (column->kind == RAMA_SCALAR)
		node = NULL;
	if (!edit_at(node, json, target->inner, target->ninner, edit, &json))
		return false;
	if (json == NULL || (json->type == jbvNull && column->kind != RAMA_SCALAR))
	{
		value = (Datum) 0;
		isnull = true;
	}
	else
		value = JsonbPGetDatum(rama_json_to_jsonb(json));
	rama_row_open(&row, column->table, target->keys, false);
	if (edit->adds)
		row.as = RAMA_AS_ADD;
	rama_row_store(&row, 1, &column->attno, &value, &isnull);
	rama_row_close(&row);
	return true;
}

/* Something given, NULL to remove what is there. */
static bool
apply_given(RamaEdit *edit, const RamaNode *node, const JsonbValue *old, JsonbValue **out)
{
	*out = unconstify(JsonbValue *, edit->value);
	return true;
}

/*
 * rama_json_set_key() -- JSON of node (NULL: plain data) with a value at a
 * key, or without it where value is NULL; false where that changes nothing.
 *
 * old is in the form that is stored, or NULL. Errors: 2202E, 22023.
 */
bool
rama_json_set_key(const RamaNode *node, const JsonbValue *old, const RamaKey *key,
				  const JsonbValue *value, JsonbValue *out)
{
	RamaEdit	edit = {.apply = apply_given, .value = value};
	RamaInnerKey inner = {node, *key};
	JsonbValue *result;

	if (!edit_at(node, old, &inner, 1, &edit, &result))
		return false;
	*out = *result;
	return true;
}
