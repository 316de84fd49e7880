/*-------------------------------------------------------------------------
 *
 * entries_edit.c
 *	  Changing collections in memory, entry by entry.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

#include "utils/builtins.h"

/* rama_plain_key() -- A key of plain data as the entries of a map have it. */
Datum
rama_plain_key(const JsonbValue *name)
{
	int			len;
	char	   *text = rama_json_to_text(name, &len);

	return PointerGetDatum(cstring_to_text_with_len(text, len));
}

/*
 * rama_entries_copy() -- The same entries, to be changed, with room for some
 * more. Their values are JSON, those that are places are read.
 */
RamaEntries *
rama_entries_copy(const RamaEntries *entries, int extra, Snapshot snapshot)
{
	RamaEntries *copy = palloc(sizeof(RamaEntries));

	*copy = *entries;
	copy->entry = palloc0(sizeof(RamaEntry) * Max(entries->count + extra, 1));
	if (entries->count > 0)
		memcpy(copy->entry, entries->entry, sizeof(RamaEntry) * entries->count);
	for (int i = 0; i < copy->count; i++)
	{
		RamaEntry  *entry = &copy->entry[i];
		RamaFocus	value;

		if (entry->place == NULL)
			continue;
		value = *entry->place;
		if (!rama_focus_to_json(&value, snapshot, &entry->value))
			entry->value.type = jbvNull;
		/* In the form that is stored; a copy, which does not point into a row. */
		rama_jsonb_to_json(rama_json_to_jsonb(&entry->value), &entry->value);
		entry->place = NULL;
	}
	return copy;
}

static int
compare_order(const void *a, const void *b, void *arg)
{
	const RamaEntry *x = a;
	const RamaEntry *y = b;
	int			order = rama_type_compare(arg, x->key, y->key);

	return order != 0 ? order : x->order - y->order;
}

/* rama_entries_sort() -- In the order of their keys; of equal ones the last. */
void
rama_entries_sort(RamaEntries *entries)
{
	const RamaType *type = rama_entries_key_type(entries);
	int			kept = 0;

	if (entries->kind == RAMA_VECTOR)
		return;
	for (int i = 0; i < entries->count; i++)
		entries->entry[i].order = i;
	qsort_arg(entries->entry, entries->count, sizeof(RamaEntry), compare_order,
			  unconstify(RamaType *, type));
	for (int i = 0; i < entries->count; i++)
	{
		if (i + 1 < entries->count &&
			rama_type_compare(type, entries->entry[i].key, entries->entry[i + 1].key) == 0)
			continue;
		entries->entry[kept++] = entries->entry[i];
	}
	entries->count = kept;
	entries->unsorted = false;
}

/*
 * rama_entries_rekey() -- After the names of some have changed: their keys,
 * and their order. Errors: 22P02, 22004.
 */
void
rama_entries_rekey(RamaEntries *entries)
{
	for (int i = 0; i < entries->count; i++)
	{
		RamaEntry  *entry = &entries->entry[i];
		RamaInput	input;

		if (entry->name.type == jbvNull)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("a key must not be null")));
		if (entries->node == NULL)
		{
			entry->key = rama_plain_key(&entry->name);
			continue;
		}
		rama_input_of_json(&input, &entry->name);
		entry->key = rama_input_to_key(&input, &entries->node->key);
		rama_datum_to_json(entries->node->key.oid, entry->key, &entry->name);
	}
	rama_entries_sort(entries);
}
