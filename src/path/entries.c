/*-------------------------------------------------------------------------
 *
 * entries.c
 *	  Collections in memory: JSON of a column, or plain data, as a list of
 *	  entries in the order of their keys.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"

/* Keys of plain objects are text in the order of its bytes. */
static const RamaType plain_key = {
	.oid = TEXTOID, .typmod = -1, .collation = C_COLLATION_OID, .len = -1,
	.byval = false, .align = TYPALIGN_INT
};

static const RamaType *
key_type(const RamaNode *node)
{
	return node ? &node->key : &plain_key;
}

/* rama_entries_key_type() -- The type of the keys of a map or set. */
const RamaType *
rama_entries_key_type(const RamaEntries *entries)
{
	return key_type(entries->node);
}

static int
compare_entries(const void *a, const void *b, void *arg)
{
	return rama_type_compare(arg, ((const RamaEntry *) a)->key,
							 ((const RamaEntry *) b)->key);
}

static void
set_key(RamaEntry *entry, const RamaNode *node, const JsonbValue *json)
{
	const RamaType *type = key_type(node);
	RamaInput	input;

	if (json->type == jbvString && node != NULL && node->kind == RAMA_MAP)
		rama_input_of_name(&input, json, type);
	else
		rama_input_of_json(&input, json);
	entry->key = rama_input_to_key(&input, type);
	rama_datum_to_json(type->oid, entry->key, &entry->name);
}

static void
read_object(RamaEntries *entries, JsonbContainer *container)
{
	JsonbIterator *it = JsonbIteratorInit(container);
	JsonbIteratorToken token;
	JsonbValue	json;

	while ((token = JsonbIteratorNext(&it, &json, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			set_key(&entries->entry[entries->count], entries->node, &json);
		else if (token == WJB_VALUE)
			entries->entry[entries->count++].value = json;
	}
}

static void
read_array(RamaEntries *entries, JsonbContainer *container)
{
	JsonbIterator *it = JsonbIteratorInit(container);
	JsonbIteratorToken token;
	JsonbValue	json;

	while ((token = JsonbIteratorNext(&it, &json, true)) != WJB_DONE)
	{
		RamaEntry  *entry = &entries->entry[entries->count];

		if (token != WJB_ELEM)
			continue;
		entry->value = json;
		entry->name = json;
		if (entries->kind == RAMA_SET)
		{
			if (entries->node)
				set_key(entry, entries->node, &json);
			else
			{
				int			len;
				char	   *text = rama_json_to_text(&json, &len);

				entry->key = PointerGetDatum(cstring_to_text_with_len(text, len));
			}
		}
		entries->count++;
	}
}

/*
 * rama_entries_of_json() -- The entries of a collection kept as JSON, which
 * is jbvBinary or null (empty).
 *
 * kind says what the collection is taken for; for node's own JSON that is
 * node's kind. The result points into the JSON.
 */
RamaEntries *
rama_entries_of_json(const RamaNode *node, const JsonbValue *json,
					 RamaSchemaKind kind)
{
	RamaEntries *entries = palloc0(sizeof(RamaEntries));
	JsonbContainer *container;

	entries->kind = kind;
	entries->node = node;
	if (json == NULL || json->type == jbvNull)
		return entries;

	Assert(json->type == jbvBinary);
	container = json->val.binary.data;
	entries->entry = palloc0(sizeof(RamaEntry) * Max(JsonContainerSize(container), 1));
	if (JsonContainerIsObject(container))
		read_object(entries, container);
	else
		read_array(entries, container);
	if (kind != RAMA_VECTOR)
		qsort_arg(entries->entry, entries->count, sizeof(RamaEntry),
				  compare_entries, unconstify(RamaType *, key_type(node)));
	return entries;
}

/* rama_entries_focus() -- A focus on a part of a collection in memory. */
void
rama_entries_focus(RamaFocus *focus, RamaEntries *entries)
{
	focus->at = RAMA_AT_ENTRIES;
	focus->node = entries->node;
	focus->ispart = true;
	focus->isvoid = false;
	focus->entries = entries;
}

/* rama_entry_value() -- The value of entry i of a map or vector. */
void
rama_entry_value(const RamaEntries *entries, int i, RamaFocus *out)
{
	const RamaNode *child = entries->node ? entries->node->children[0] : NULL;

	if (entries->entry[i].place)
	{
		const RamaCollected *collected = out->collected;

		*out = *entries->entry[i].place;
		out->collected = collected;
		return;
	}
	if (child && child->kind == RAMA_SCALAR && child->type.oid == JSONBOID)
		child = NULL;
	rama_focus_json(out, child, &entries->entry[i].value);
}

/* rama_entry_key() -- The key of entry i of a map, element i of a set. */
void
rama_entry_key(const RamaEntries *entries, int i, RamaFocus *out)
{
	rama_focus_json(out, NULL, &entries->entry[i].name);
}

/* rama_entries_find() -- Index of a key of a map or set, or -1. */
int
rama_entries_find(const RamaEntries *entries, Datum key)
{
	int			low = 0;
	int			high = entries->count - 1;

	for (int i = 0; entries->unsorted && i < entries->count; i++)
		if (rama_type_compare(key_type(entries->node), key, entries->entry[i].key) == 0)
			return i;
	if (entries->unsorted)
		return -1;
	while (low <= high)
	{
		int			middle = (low + high) / 2;
		int			order = rama_type_compare(key_type(entries->node), key,
											  entries->entry[middle].key);

		if (order == 0)
			return middle;
		if (order < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return -1;
}

static bool
is_below(const RamaEntries *entries, int i, const RamaBound *low)
{
	int			order;

	if (!low->isset)
		return false;
	order = rama_type_compare(key_type(entries->node), entries->entry[i].key, low->value);
	return low->inclusive ? order < 0 : order <= 0;
}

static bool
is_above(const RamaEntries *entries, int i, const RamaBound *high)
{
	int			order;

	if (!high->isset)
		return false;
	order = rama_type_compare(key_type(entries->node), entries->entry[i].key, high->value);
	return high->inclusive ? order > 0 : order >= 0;
}

/* rama_entries_range() -- The part of a map or set within bounds. */
RamaEntries *
rama_entries_range(const RamaEntries *entries, const RamaPart *part)
{
	RamaEntries *range = palloc(sizeof(RamaEntries));
	int			start = 0;
	int			end = entries->count;

	while (start < end && is_below(entries, start, &part->low))
		start++;
	while (end > start && is_above(entries, end - 1, &part->high))
		end--;
	if (part->amount >= 0 && end - start > part->amount)
	{
		if (part->fromend)
			start = end - part->amount;
		else
			end = start + part->amount;
	}
	*range = *entries;
	range->asobject = false;
	range->entry = entries->entry + start;
	range->count = end - start;
	return range;
}

/*
 * rama_entries_of_part() -- A part of a map, as plain data that is still a map.
 *
 * The keys stay JSON of their type, and in their order. Error (54000) past
 * pg_rama.max_value_elements.
 */
RamaEntries *
rama_entries_of_part(RamaFocus *focus, Snapshot snapshot)
{
	RamaEntries *entries;
	JsonbValue	pairs;
	JsonbContainer *container;

	if (focus->at == RAMA_AT_ENTRIES && focus->entries->node == NULL)
		return focus->entries;
	entries = palloc0(sizeof(RamaEntries));
	entries->kind = RAMA_MAP;
	entries->unsorted = true;
	(void) rama_focus_to_json(focus, snapshot, &pairs);
	container = &rama_json_to_jsonb(&pairs)->root;
	entries->count = JsonContainerSize(container);
	entries->entry = palloc0(sizeof(RamaEntry) * Max(entries->count, 1));
	for (int i = 0; i < entries->count; i++)
	{
		JsonbValue *pair = getIthJsonbValueFromContainer(container, i);
		RamaEntry  *entry = &entries->entry[i];
		int			len;
		char	   *text;

		entry->name = *getIthJsonbValueFromContainer(pair->val.binary.data, 0);
		entry->value = *getIthJsonbValueFromContainer(pair->val.binary.data, 1);
		text = rama_json_to_text(&entry->name, &len);
		entry->key = PointerGetDatum(cstring_to_text_with_len(text, len));
	}
	return entries;
}
