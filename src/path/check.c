/*-------------------------------------------------------------------------
 *
 * check.c
 *	  JSON that a caller gave for a collection or struct, against the schema.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

static const char *
kind_name(RamaSchemaKind kind)
{
	switch (kind)
	{
		case RAMA_MAP:
			return "map";
		case RAMA_SET:
			return "set";
		case RAMA_VECTOR:
			return "vector";
		case RAMA_STRUCT:
			return "struct";
		case RAMA_SCALAR:
			break;
	}
	return "value";
}

static void
does_not_fit(const JsonbValue *json, const RamaNode *node, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("cannot convert JSON %s to a %s", rama_json_kind(json),
					kind_name(node->kind)),
			 errhint("%s", hint)));
}

static bool
is_object(const JsonbValue *json)
{
	return json->type == jbvBinary && JsonContainerIsObject(json->val.binary.data);
}

static bool
is_array(const JsonbValue *json)
{
	return json->type == jbvBinary && JsonContainerIsArray(json->val.binary.data);
}

static void
add_key(RamaEntries *entries, const RamaInput *input)
{
	RamaEntry  *entry = &entries->entry[entries->count];
	const RamaType *type = &entries->node->key;

	entry->key = rama_input_to_key(input, type);
	rama_datum_to_json(type->oid, entry->key, &entry->name);
	entry->order = entries->count++;
}

static void
add_object(RamaEntries *entries, JsonbContainer *object)
{
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	json;

	while ((token = JsonbIteratorNext(&it, &json, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			RamaInput	input;

			rama_input_of_name(&input, &json, rama_entries_key_type(entries));
			add_key(entries, &input);
		}
		else if (token == WJB_VALUE)
			entries->entry[entries->count - 1].value = json;
	}
}

static void
add_pair(RamaEntries *entries, const JsonbValue *json)
{
	RamaInput	input;

	if (!is_array(json) || JsonContainerSize(json->val.binary.data) != 2)
		does_not_fit(json, entries->node, "An array for a map has pairs of key and value.");
	rama_input_of_json(&input, getIthJsonbValueFromContainer(json->val.binary.data, 0));
	add_key(entries, &input);
	entries->entry[entries->count - 1].value =
		*getIthJsonbValueFromContainer(json->val.binary.data, 1);
}

static void
add_array(RamaEntries *entries, JsonbContainer *array)
{
	JsonbIterator *it = JsonbIteratorInit(array);
	JsonbIteratorToken token;
	JsonbValue	json;

	while ((token = JsonbIteratorNext(&it, &json, true)) != WJB_DONE)
	{
		RamaInput	input;

		if (token != WJB_ELEM)
			continue;
		switch (entries->kind)
		{
			case RAMA_MAP:
				add_pair(entries, &json);
				break;
			case RAMA_SET:
				rama_input_of_json(&input, &json);
				add_key(entries, &input);
				break;
			default:
				entries->entry[entries->count++].value = json;
				break;
		}
	}
}

static int
compare_given(const void *a, const void *b, void *arg)
{
	const RamaEntry *x = a;
	const RamaEntry *y = b;
	int			order = rama_type_compare(arg, x->key, y->key);

	return order != 0 ? order : x->order - y->order;
}

/* In the order of the keys; of equal ones the last given. */
static void
sort_given(RamaEntries *entries)
{
	const RamaType *type = &entries->node->key;
	int			kept = 0;

	qsort_arg(entries->entry, entries->count, sizeof(RamaEntry), compare_given,
			  unconstify(RamaType *, type));
	for (int i = 0; i < entries->count; i++)
	{
		if (i + 1 < entries->count &&
			rama_type_compare(type, entries->entry[i].key, entries->entry[i + 1].key) == 0)
			continue;
		entries->entry[kept++] = entries->entry[i];
	}
	entries->count = kept;
}

/*
 * rama_entries_given() -- The entries of a map, set or vector that a caller
 * gave as JSON: keys converted, values as given.
 *
 * Maps are objects or arrays of pairs. Errors: 22P02, 22004.
 */
RamaEntries *
rama_entries_given(const RamaNode *node, const JsonbValue *json)
{
	RamaEntries *entries = palloc0(sizeof(RamaEntries));

	entries->kind = node->kind;
	entries->node = node;
	if (!is_array(json) && !(node->kind == RAMA_MAP && is_object(json)))
		does_not_fit(json, node, node->kind == RAMA_MAP ?
					 "A map is given as an object, or as an array of pairs." :
					 "A vector or set is given as an array.");
	entries->entry = palloc0(sizeof(RamaEntry) * Max(JsonContainerSize(json->val.binary.data), 1));
	if (is_object(json))
		add_object(entries, json->val.binary.data);
	else
		add_array(entries, json->val.binary.data);
	if (node->kind != RAMA_VECTOR)
		sort_given(entries);
	return entries;
}

/*
 * rama_fields_given() -- The fields of a struct that a caller gave as JSON:
 * one value for each, null where it is omitted.
 *
 * Errors: 22P02, 42703 unknown field.
 */
JsonbValue *
rama_fields_given(const RamaNode *node, const JsonbValue *json)
{
	JsonbValue *fields = palloc(sizeof(JsonbValue) * Max(node->nchildren, 1));
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	item;
	int			field = 0;

	for (int i = 0; i < node->nchildren; i++)
		fields[i].type = jbvNull;
	if (!is_object(json))
		does_not_fit(json, node, "A struct is given as an object.");
	it = JsonbIteratorInit(json->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			field = rama_struct_field(node, item.val.string.val, item.val.string.len);
		else if (token == WJB_VALUE)
			fields[field] = item;
	}
	return fields;
}

/* rama_entries_to_json() -- A collection as it is stored. */
void
rama_entries_to_json(const RamaEntries *entries, JsonbValue *json)
{
	if (entries->kind == RAMA_MAP)
	{
		json->type = jbvObject;
		json->val.object.nPairs = entries->count;
		json->val.object.pairs = palloc(sizeof(JsonbPair) * Max(entries->count, 1));
		for (int i = 0; i < entries->count; i++)
		{
			JsonbPair  *pair = &json->val.object.pairs[i];

			rama_key_name(entries->node, &entries->entry[i].name, &pair->key);
			pair->value = entries->entry[i].value;
			pair->order = i;
		}
		return;
	}
	json->type = jbvArray;
	json->val.array.rawScalar = false;
	json->val.array.nElems = entries->count;
	json->val.array.elems = palloc(sizeof(JsonbValue) * Max(entries->count, 1));
	for (int i = 0; i < entries->count; i++)
		json->val.array.elems[i] = entries->kind == RAMA_SET ?
			entries->entry[i].name : entries->entry[i].value;
}

static void
conform_scalar(const RamaNode *node, const JsonbValue *json, JsonbValue *out)
{
	RamaInput	input;
	bool		isnull;
	Datum		datum;

	if (node->type.oid == JSONBOID)
	{
		*out = *json;
		return;
	}
	rama_input_of_json(&input, json);
	datum = rama_input_to_type(&input, &node->type, &isnull);
	if (isnull)
		out->type = jbvNull;
	else
		rama_datum_to_json(node->type.oid, datum, out);
}

static void
conform_struct(const RamaNode *node, const JsonbValue *json, JsonbValue *out)
{
	JsonbValue *fields = rama_fields_given(node, json);
	int			count = 0;

	out->type = jbvObject;
	out->val.object.pairs = palloc(sizeof(JsonbPair) * Max(node->nchildren, 1));
	for (int i = 0; i < node->nchildren; i++)
	{
		JsonbPair  *pair = &out->val.object.pairs[count];

		if (fields[i].type == jbvNull)
			continue;
		rama_json_conform(node->children[i], &fields[i], &pair->value);
		if (pair->value.type == jbvNull)
			continue;
		pair->key.type = jbvString;
		pair->key.val.string.val = node->children[i]->name;
		pair->key.val.string.len = strlen(node->children[i]->name);
		pair->order = count++;
	}
	out->val.object.nPairs = count;
	/* As in rows, where such a struct has no column of its own. */
	if (count == 0 && node->parent && node->parent->kind == RAMA_STRUCT)
		out->type = jbvNull;
}

/* A struct that is an entry, an element or the whole is there, as its row is. */
static void
conform_null(const RamaNode *node, JsonbValue *out)
{
	out->type = jbvNull;
	if (node->kind == RAMA_STRUCT && !(node->parent && node->parent->kind == RAMA_STRUCT))
	{
		out->type = jbvObject;
		out->val.object.nPairs = 0;
		out->val.object.pairs = NULL;
	}
}

/*
 * rama_json_conform() -- JSON that was given for a value of node, as it is
 * stored in a column: keys and scalars as their types write them, sets sorted,
 * null fields left out. A struct within a struct is null where all its fields
 * are, one that is an entry of a collection never.
 *
 * Errors: 22P02 and those of the types, 42703 unknown field, 22004 null key.
 */
void
rama_json_conform(const RamaNode *node, const JsonbValue *json, JsonbValue *out)
{
	RamaEntries *entries;

	check_stack_depth();
	if (json->type == jbvNull)
	{
		conform_null(node, out);
		return;
	}
	switch (node->kind)
	{
		case RAMA_SCALAR:
			conform_scalar(node, json, out);
			return;
		case RAMA_STRUCT:
			conform_struct(node, json, out);
			return;
		default:
			break;
	}
	entries = rama_entries_given(node, json);
	if (node->kind != RAMA_SET)
	{
		for (int i = 0; i < entries->count; i++)
		{
			JsonbValue	value = entries->entry[i].value;

			rama_json_conform(node->children[0], &value, &entries->entry[i].value);
		}
	}
	rama_entries_to_json(entries, out);
}
