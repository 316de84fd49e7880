/*-------------------------------------------------------------------------
 *
 * replace.c
 *	  Entries of a collection with a table become others: only what differs
 *	  is written.
 *
 *-------------------------------------------------------------------------
 */
#include "path/transform.h"

#include "miscadmin.h"

/* rama_json_same() -- Are they stored alike? */
bool
rama_json_same(const JsonbValue *a, const JsonbValue *b)
{
	Jsonb	   *x;
	Jsonb	   *y;

	if (a->type == jbvNull || b->type == jbvNull)
		return a->type == b->type;
	x = rama_json_to_jsonb(a);
	y = rama_json_to_jsonb(b);
	return VARSIZE(x) == VARSIZE(y) && memcmp(x, y, VARSIZE(x)) == 0;
}

static Datum *
keys_of(const RamaTable *table, const Datum *prefix, Datum key)
{
	Datum	   *keys = palloc(sizeof(Datum) * table->nkeys);

	if (table->nkeys > 1)
		memcpy(keys, prefix, sizeof(Datum) * (table->nkeys - 1));
	keys[table->nkeys - 1] = key;
	return keys;
}

static void
put_entry(const RamaNode *node, const Datum *keys, const RamaEntry *entry)
{
	RamaInput	input;

	if (node->kind == RAMA_SET)
	{
		(void) rama_row_put(node->table, keys, 0, NULL, NULL, NULL);
		return;
	}
	rama_input_of_json(&input, &entry->value);
	rama_put_row(node->children[0], keys, &input);
}

/* An entry, or an element, that stays where it is. */
static void
replace_entry(const RamaNode *node, const Datum *keys, const RamaEntry *old,
			  const RamaEntry *new)
{
	if (node->kind == RAMA_SET || rama_json_same(&old->value, &new->value))
		return;
	if (old->value.type == jbvNull)
		put_entry(node, keys, new);
	else
		rama_replace_row(node->children[0], keys, &new->value, &old->value);
}

static void
replace_keyed(const RamaNode *node, const Datum *prefix, const RamaEntries *old,
			  const RamaEntries *new)
{
	int			i = 0;
	int			j = 0;

	while (i < old->count || j < new->count)
	{
		const RamaEntry *before = i < old->count ? &old->entry[i] : NULL;
		const RamaEntry *after = j < new->count ? &new->entry[j] : NULL;
		int			order = before == NULL ? 1 : after == NULL ? -1 :
			rama_type_compare(&node->key, before->key, after->key);
		Datum	   *keys = keys_of(node->table, prefix, order > 0 ? after->key : before->key);

		CHECK_FOR_INTERRUPTS();
		if (order < 0)
			(void) rama_row_remove(node->table, keys);
		else if (order > 0)
			put_entry(node, keys, after);
		else
			replace_entry(node, keys, before, after);
		if (order <= 0)
			i++;
		if (order >= 0)
			j++;
	}
}

static void
remove_elements(const RamaNode *vector, const Datum *prefix, int64 from, int64 count)
{
	int64	   *indexes = palloc(sizeof(int64) * Max(count, 1));

	for (int64 i = 0; i < count; i++)
		indexes[i] = from + i;
	rama_vector_remove(vector->table, prefix, indexes, count);
}

/* In a vector in chunks: elements take the place of some that are there. */
static void
splice_elements(const RamaNode *vector, const Datum *prefix, int64 from, int64 removed,
				const RamaEntry *entry, int64 count)
{
	Datum	   *values;
	bool	   *nulls;

	rama_element_values(vector, entry, (int) count, &values, &nulls);
	rama_vector_splice(vector->table, prefix, from, removed, values, nulls, count);
}

/*
 * rama_vector_insert() -- Insert elements at an index of a vector with a
 * table, which is at most its count.
 */
void
rama_vector_insert(const RamaNode *vector, const Datum *prefix, int64 at,
				   const RamaEntry *entry, int64 count)
{
	bool		moved;

	if (count == 0)
		return;
	if (vector->table->chunks)
	{
		splice_elements(vector, prefix, at, 0, entry, count);
		return;
	}
	moved = rama_vector_make_room(vector->table, prefix, at, count);
	for (int64 i = 0; i < count; i++)
		rama_insert_row(vector, keys_of(vector->table, prefix, Int64GetDatum(at + i)),
						&entry[i].value, moved);
}

/*
 * Of a vector in chunks: where so many elements stay as many, those that do not
 * differ are left alone.
 */
static void
replace_in_chunks(const RamaNode *vector, const Datum *prefix, int64 base,
				  const RamaEntries *old, int from, int removed, const RamaEntries *new,
				  int count)
{
	if (removed != count)
	{
		splice_elements(vector, prefix, base + from, removed, &new->entry[from], count);
		return;
	}
	for (int i = from, n; i < from + count; i += Max(n, 1))
	{
		n = 0;
		while (i + n < from + count &&
			   !rama_json_same(&old->entry[i + n].value, &new->entry[i + n].value))
			n++;
		if (n > 0)
			splice_elements(vector, prefix, base + i, n, &new->entry[i], n);
	}
}

static void
replace_elements(const RamaNode *vector, const Datum *prefix, const RamaEntries *old,
				 const RamaEntries *new, int64 base)
{
	int			from = 0;
	int			before = old->count;
	int			after = new->count;
	int			both;

	while (from < before && from < after &&
		   rama_json_same(&old->entry[from].value, &new->entry[from].value))
		from++;
	while (before > from && after > from &&
		   rama_json_same(&old->entry[before - 1].value, &new->entry[after - 1].value))
	{
		before--;
		after--;
	}
	if (vector->table->chunks)
	{
		replace_in_chunks(vector, prefix, base, old, from, before - from, new, after - from);
		return;
	}
	both = Min(before, after);
	for (int i = from; i < both; i++)
		replace_entry(vector, keys_of(vector->table, prefix, Int64GetDatum(base + i)),
					  &old->entry[i], &new->entry[i]);
	if (before > both)
		remove_elements(vector, prefix, base + both, before - both);
	else
		rama_vector_insert(vector, prefix, base + both, &new->entry[both], after - both);
}

/*
 * rama_replace_entries() -- Entries of a collection with a table, whose keys
 * are the prefix, become others. Of a vector, old are the elements from base
 * on.
 *
 * Entries of maps and sets are in the order of their keys. The enclosing rows
 * exist, or are made with the first entry. Errors: those of writing.
 */
void
rama_replace_entries(const RamaNode *node, const Datum *prefix, const RamaEntries *old,
					 const RamaEntries *new, int64 base)
{
	if (node->kind == RAMA_VECTOR)
		replace_elements(node, prefix, old, new, base);
	else
		replace_keyed(node, prefix, old, new);
}
