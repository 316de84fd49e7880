/*-------------------------------------------------------------------------
 *
 * output.c
 *	  Foci and datums as JSON.
 *
 * A collection of a table is read whole only here, and only up to
 * pg_rama.max_value_elements elements, those of collections below it
 * included.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"
#include "path/types.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/timestamp.h"

typedef struct Output
{
	Snapshot	snapshot;
	int			elements;		/* read so far */
} Output;

static bool output_focus(Output *output, RamaFocus *focus, JsonbValue *json);

static void
set_string(JsonbValue *json, char *string, int len)
{
	json->type = jbvString;
	json->val.string.val = string;
	json->val.string.len = len;
}

static void
set_array(JsonbValue *json)
{
	json->type = jbvArray;
	json->val.array.nElems = 0;
	json->val.array.elems = NULL;
	json->val.array.rawScalar = false;
}

static void
set_object(JsonbValue *json)
{
	json->type = jbvObject;
	json->val.object.nPairs = 0;
	json->val.object.pairs = NULL;
}

/* Room is made in powers of two: the count says when it is used up. */
static void *
room_for_one(void *items, int count, Size size)
{
	if (count == 0)
		return palloc(4 * size);
	if (count >= 4 && (count & (count - 1)) == 0)
		return repalloc_huge(items, 2 * (Size) count * size);
	return items;
}

static void
add_element(JsonbValue *array, const JsonbValue *value)
{
	array->val.array.elems = room_for_one(array->val.array.elems,
										  array->val.array.nElems,
										  sizeof(JsonbValue));
	array->val.array.elems[array->val.array.nElems++] = *value;
}

static void
add_pair(JsonbValue *object, const JsonbValue *name, const JsonbValue *value)
{
	JsonbPair  *pair;

	object->val.object.pairs = room_for_one(object->val.object.pairs,
											object->val.object.nPairs,
											sizeof(JsonbPair));
	pair = &object->val.object.pairs[object->val.object.nPairs];
	pair->key = *name;
	pair->value = *value;
	pair->order = object->val.object.nPairs++;
}

static void
number_to_json(Oid type, Datum datum, JsonbValue *json)
{
	float8		value;

	json->type = jbvNumeric;
	switch (type)
	{
		case INT2OID:
			json->val.numeric = int64_to_numeric(DatumGetInt16(datum));
			return;
		case INT4OID:
			json->val.numeric = int64_to_numeric(DatumGetInt32(datum));
			return;
		case INT8OID:
			json->val.numeric = int64_to_numeric(DatumGetInt64(datum));
			return;
		case NUMERICOID:
			json->val.numeric = DatumGetNumeric(datum);
			if (numeric_is_nan(json->val.numeric) ||
				numeric_is_inf(json->val.numeric))
			{
				char	   *text = DatumGetCString(DirectFunctionCall1(numeric_out, datum));

				set_string(json, text, strlen(text));
			}
			return;
		default:
			break;
	}

	value = type == FLOAT4OID ? DatumGetFloat4(datum) : DatumGetFloat8(datum);
	{
		PGFunction	out = type == FLOAT4OID ? float4out : float8out;
		char	   *text = DatumGetCString(DirectFunctionCall1(out, datum));

		/* Through text, as core does: the shortest that reads back the same. */
		if (isnan(value) || isinf(value))
			set_string(json, text, strlen(text));
		else
			json->val.numeric =
				DatumGetNumeric(DirectFunctionCall3(numeric_in,
													CStringGetDatum(text),
													ObjectIdGetDatum(InvalidOid),
													Int32GetDatum(-1)));
	}
}

/*
 * rama_datum_to_json() -- A value of an SQL type as JSON, as core's to_jsonb.
 *
 * The result may point into the datum.
 */
void
rama_datum_to_json(Oid type, Datum datum, JsonbValue *json)
{
	RamaTypeInfo *info = rama_type_info(type);
	char	   *text;

	switch (info->category)
	{
		case RAMA_TYPE_BOOL:
			json->type = jbvBool;
			json->val.boolean = DatumGetBool(datum);
			break;
		case RAMA_TYPE_NUMBER:
			number_to_json(info->base, datum, json);
			break;
		case RAMA_TYPE_TEXT:
			{
				text = (char *) PG_DETOAST_DATUM_PACKED(datum);
				set_string(json, VARDATA_ANY(text), VARSIZE_ANY_EXHDR(text));
				break;
			}
		case RAMA_TYPE_DATETIME:
			text = JsonEncodeDateTime(NULL, datum, info->base, NULL);
			set_string(json, text, strlen(text));
			break;
		case RAMA_TYPE_JSONB:
			rama_jsonb_to_json(DatumGetJsonbP(datum), json);
			break;
		case RAMA_TYPE_OUTPUT:
			text = OutputFunctionCall(&info->output, datum);
			set_string(json, text, strlen(text));
			break;
		case RAMA_TYPE_OTHER:
			rama_jsonb_to_json(DatumGetJsonbP(FunctionCall1(&info->to_jsonb, datum)),
							   json);
			break;
	}
}

/* rama_jsonb_to_json() -- The value within a jsonb; points into it. */
void
rama_jsonb_to_json(Jsonb *jsonb, JsonbValue *json)
{
	if (!JB_ROOT_IS_SCALAR(jsonb))
	{
		json->type = jbvBinary;
		json->val.binary.data = &jsonb->root;
		json->val.binary.len = VARSIZE(jsonb) - VARHDRSZ;
	}
	else
		(void) JsonbExtractScalar(&jsonb->root, json);
}

static JsonbValue *
push_json(JsonbParseState **state, const JsonbValue *json)
{
	JsonbValue *result;

	if (json->type == jbvArray)
	{
		pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
		for (int i = 0; i < json->val.array.nElems; i++)
			pushJsonbValue(state, WJB_ELEM, &json->val.array.elems[i]);
		result = pushJsonbValue(state, WJB_END_ARRAY, NULL);
	}
	else
	{
		pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
		for (int i = 0; i < json->val.object.nPairs; i++)
		{
			pushJsonbValue(state, WJB_KEY, &json->val.object.pairs[i].key);
			pushJsonbValue(state, WJB_VALUE, &json->val.object.pairs[i].value);
		}
		result = pushJsonbValue(state, WJB_END_OBJECT, NULL);
	}
	return result;
}

/*
 * A scalar, laid out as JsonbValueToJsonb() would: an array of one element,
 * marked as a scalar. What rama.get mostly returns, so it is worth the short
 * way.
 */
static Jsonb *
scalar_to_jsonb(const JsonbValue *json)
{
	JEntry		type = JENTRY_ISNULL;
	const void *data = NULL;
	int			len = 0;
	Jsonb	   *jsonb;

	switch (json->type)
	{
		case jbvString:
			type = JENTRY_ISSTRING;
			data = json->val.string.val;
			len = json->val.string.len;
			break;
		case jbvNumeric:
			type = JENTRY_ISNUMERIC;
			data = json->val.numeric;
			len = VARSIZE_ANY(json->val.numeric);
			break;
		case jbvBool:
			type = json->val.boolean ? JENTRY_ISBOOL_TRUE : JENTRY_ISBOOL_FALSE;
			break;
		default:
			break;
	}
	if (len > JENTRY_OFFLENMASK)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("string too long to represent as jsonb")));

	jsonb = palloc(offsetof(Jsonb, root.children) + sizeof(JEntry) + len);
	SET_VARSIZE(jsonb, offsetof(Jsonb, root.children) + sizeof(JEntry) + len);
	jsonb->root.header = JB_FARRAY | JB_FSCALAR | 1;
	jsonb->root.children[0] = type | JENTRY_HAS_OFF | len;
	if (len > 0)
		memcpy(&jsonb->root.children[1], data, len);
	return jsonb;
}

/*
 * rama_json_to_jsonb() -- A new jsonb. Names of objects need not be sorted or
 * unique: the last one wins.
 */
Jsonb *
rama_json_to_jsonb(const JsonbValue *json)
{
	JsonbParseState *state = NULL;

	if (json->type == jbvArray || json->type == jbvObject)
		return JsonbValueToJsonb(push_json(&state, json));
	if (IsAJsonbScalar(json))
		return scalar_to_jsonb(json);
	return JsonbValueToJsonb(unconstify(JsonbValue *, json));
}

/*
 * rama_json_to_text() -- As the operator ->> does: strings unquoted.
 *
 * Null terminated, except that a string's text is its own bytes.
 */
char *
rama_json_to_text(const JsonbValue *json, int *len)
{
	Jsonb	   *jsonb;
	char	   *text;

	if (json->type == jbvString)
	{
		*len = json->val.string.len;
		return json->val.string.val;
	}
	jsonb = rama_json_to_jsonb(json);
	text = JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
	*len = strlen(text);
	return text;
}

/* rama_json_name() -- A key, given as JSON of its type, as name of an object. */
void
rama_json_name(const JsonbValue *json, JsonbValue *name)
{
	int			len;
	char	   *text = rama_json_to_text(json, &len);

	set_string(name, text, len);
}

/*
 * rama_key_name() -- The same for a key of a map with a schema, or NULL: so that
 * rama_input_of_name() leads back to it. Strings of jsonb keep their quotes.
 */
void
rama_key_name(const RamaNode *map, const JsonbValue *json, JsonbValue *name)
{
	Jsonb	   *jsonb;
	char	   *text;

	if (map == NULL || json->type != jbvString || rama_type_info(map->key.oid)->category != RAMA_TYPE_JSONB)
	{
		rama_json_name(json, name);
		return;
	}
	jsonb = rama_json_to_jsonb(json);
	text = JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
	set_string(name, text, strlen(text));
}

/* rama_check_elements() -- Error (54000) past pg_rama.max_value_elements. */
void
rama_check_elements(int64 elements)
{
	if (elements > rama_max_value_elements)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("value has more than %d elements", rama_max_value_elements),
				 errhint("Read it in pages, with srange, sorted-map-range-from or sorted-set-range-from and \"max-amt\", "
						 "or element by element with all; or raise pg_rama.max_value_elements.")));
}

static void
count_element(Output *output)
{
	rama_check_elements(++output->elements);
}

/* A value copied out of a slot, which the next row will overwrite. */
static void
copy_json(JsonbValue *json)
{
	switch (json->type)
	{
		case jbvString:
			json->val.string.val = pnstrdup(json->val.string.val,
											json->val.string.len);
			break;
		case jbvNumeric:
			json->val.numeric =
				DatumGetNumeric(datumCopy(NumericGetDatum(json->val.numeric),
										  false, -1));
			break;
		case jbvBinary:
			{
				JsonbContainer *copy = palloc(json->val.binary.len);

				memcpy(copy, json->val.binary.data, json->val.binary.len);
				json->val.binary.data = copy;
				break;
			}
		default:
			break;
	}
}

static void
add_entry(JsonbValue *json, RamaSchemaKind kind, const RamaNode *node, bool aspairs,
		  const JsonbValue *key, const JsonbValue *value)
{
	JsonbValue	pair;

	if (kind != RAMA_MAP)
		add_element(json, kind == RAMA_SET ? key : value);
	else if (aspairs)
	{
		set_array(&pair);
		add_element(&pair, key);
		add_element(&pair, value);
		add_element(json, &pair);
	}
	else
	{
		rama_key_name(node, key, &pair);
		add_pair(json, &pair, value);
	}
}

/* A row of a collection: its key, and its value as far as it has one. */
static void
output_row(Output *output, const RamaFocus *focus, TupleTableSlot *slot,
		   JsonbValue *key, JsonbValue *value)
{
	const RamaNode *node = focus->node;
	RamaTable  *table = node->table;
	Datum	   *keys = palloc(sizeof(Datum) * table->nkeys);
	RamaPlaceRow		row = {.table = table, .keys = keys, .fetched = true,
		.exists = true, .slot = slot};
	RamaFocus	child;

	if (table->nkeys > 1)
		memcpy(keys, focus->keys, sizeof(Datum) * (table->nkeys - 1));
	keys[table->nkeys - 1] = rama_slot_key(slot, table->nkeys);
	if (node->kind != RAMA_VECTOR)
	{
		rama_datum_to_json(node->key.oid, keys[table->nkeys - 1], key);
		copy_json(key);
	}
	if (node->kind != RAMA_SET)
	{
		rama_focus_node(&child, node->children[0], &row, keys);
		if (!output_focus(output, &child, value))
			value->type = jbvNull;
		copy_json(value);
	}
}

/* false: the collection is absent. */
static bool
output_rows(Output *output, RamaFocus *focus, JsonbValue *json)
{
	const RamaNode *node = focus->node;
	bool		aspairs = node->kind == RAMA_MAP && focus->ispart;
	RamaScan   *scan;
	TupleTableSlot *slot;
	bool		any = false;

	rama_focus_resolve_amount(focus, output->snapshot);
	if (node->kind == RAMA_MAP && !aspairs)
		set_object(json);
	else
		set_array(json);
	scan = rama_focus_scan(focus, false, output->snapshot);
	while ((slot = rama_scan_next(scan)) != NULL)
	{
		JsonbValue	key = {.type = jbvNull};
		JsonbValue	value = {.type = jbvNull};

		CHECK_FOR_INTERRUPTS();
		count_element(output);
		output_row(output, focus, slot, &key, &value);
		add_entry(json, node->kind, node, aspairs, &key, &value);
		any = true;
	}
	rama_scan_end(scan);

	if (!any && !focus->ispart)
	{
		bool		isnull;

		(void) rama_collection_count(unconstify(RamaNode *, node), focus->keys,
									 output->snapshot, &isnull);
		return !isnull;
	}
	return true;
}

static void
output_entries(Output *output, const RamaEntries *entries, JsonbValue *json)
{
	if (entries->kind == RAMA_MAP && entries->asobject)
		set_object(json);
	else
		set_array(json);
	for (int i = 0; i < entries->count; i++)
	{
		JsonbValue	value = entries->entry[i].value;
		RamaFocus	child;

		if (entries->entry[i].place)
		{
			child = *entries->entry[i].place;
			if (!output_focus(output, &child, &value))
				value.type = jbvNull;
		}
		add_entry(json, entries->kind, entries->node, !entries->asobject,
				  &entries->entry[i].name, &value);
	}
}

/*
 * An object without the null fields. A struct within a struct is null where
 * all its fields are.
 */
static bool
output_struct(Output *output, RamaFocus *focus, JsonbValue *json)
{
	const RamaNode *node = focus->node;

	set_object(json);
	for (int i = 0; i < node->nchildren; i++)
	{
		RamaFocus	child;
		JsonbValue	name;
		JsonbValue	value;

		rama_focus_node(&child, node->children[i], focus->row, focus->row->keys);
		if (!output_focus(output, &child, &value))
			continue;
		copy_json(&value);
		set_string(&name, node->children[i]->name, strlen(node->children[i]->name));
		add_pair(json, &name, &value);
	}
	return json->val.object.nPairs > 0 || node->parent == NULL ||
		node->parent->kind != RAMA_STRUCT;
}

/* The parts of a pair are shared by copies of its focus: they stay as they are. */
static void
output_item(Output *output, const RamaFocus *focus, JsonbValue *pair)
{
	RamaFocus	item = *focus;
	JsonbValue	json;

	if (!output_focus(output, &item, &json))
		json.type = jbvNull;
	add_element(pair, &json);
}

/* false: absent or null. */
static bool
output_focus(Output *output, RamaFocus *focus, JsonbValue *json)
{
	check_stack_depth();
	rama_focus_load(focus, output->snapshot);
	switch (focus->at)
	{
		case RAMA_AT_NOTHING:
			return false;
		case RAMA_AT_ROWS:
			return output_rows(output, focus, json);
		case RAMA_AT_ROW:
			return output_struct(output, focus, json);
		case RAMA_AT_DATUM:
			rama_datum_to_json(focus->type->oid, focus->datum, json);
			return true;
		case RAMA_AT_JSON:
			*json = focus->json;
			return json->type != jbvNull;
		case RAMA_AT_ENTRIES:
			output_entries(output, focus->entries, json);
			return true;
		case RAMA_AT_PAIR:
			set_array(json);
			output_item(output, focus->first, json);
			output_item(output, focus->second, json);
			return true;
	}
	return false;
}

/*
 * rama_focus_to_json() -- The value at a focus; false where it is absent or
 * null.
 *
 * The result is in the current memory context, or points into the focus's
 * row. Error (54000) past pg_rama.max_value_elements.
 */
bool
rama_focus_to_json(RamaFocus *focus, Snapshot snapshot, JsonbValue *json)
{
	Output		output = {.snapshot = snapshot};

	return output_focus(&output, focus, json);
}
