/*-------------------------------------------------------------------------
 *
 * push.c
 *	  rama.push(): append to a vector, add to a set.
 *
 *-------------------------------------------------------------------------
 */
#include "path/write.h"

#include "catalog/pg_type.h"

PG_FUNCTION_INFO_V1(rama_push);

static void
cannot_push(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("cannot push to %s", what),
			 errhint("rama.push appends to a vector or adds to a set.")));
}

/* 1, or 0 if it was there. */
static int64
add_element_row(const RamaTarget *target, const RamaInput *input)
{
	RamaTable  *table = target->node->table;
	Datum	   *keys = palloc(sizeof(Datum) * table->nkeys);
	RamaRow		row;
	bool		found;

	if (table->nkeys > 1)
		memcpy(keys, target->keys, sizeof(Datum) * (table->nkeys - 1));
	keys[table->nkeys - 1] = rama_input_to_key(input, &target->node->key);
	rama_row_open(&row, table, keys, false);
	found = row.found;
	rama_row_close(&row);
	if (!found)
		(void) rama_row_put(table, keys, 0, NULL, NULL, NULL);
	return found ? 0 : 1;
}

/* The elements of old and one more; old is stored, or NULL. */
static JsonbValue *
append_element(const JsonbValue *old, const JsonbValue *element)
{
	JsonbParseState *state = NULL;
	JsonbValue	json = *element;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	item;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	if (old != NULL)
	{
		it = JsonbIteratorInit(old->val.binary.data);
		while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
			if (token == WJB_ELEM)
				pushJsonbValue(&state, WJB_ELEM, &item);
	}
	pushJsonbValue(&state, WJB_ELEM, &json);
	return pushJsonbValue(&state, WJB_END_ARRAY, NULL);
}

/*
 * rama_input_conform() -- A value for a place within JSON, as it is stored
 * there; child is NULL for plain data. Errors: those of conversions.
 */
void
rama_input_conform(const RamaNode *child, const RamaInput *input, JsonbValue *out)
{
	JsonbValue	given;
	bool		isnull;
	Datum		value;

	if (child != NULL && child->kind == RAMA_SCALAR && child->type.oid != JSONBOID)
	{
		value = rama_input_to_type(input, &child->type, &isnull);
		if (isnull)
			out->type = jbvNull;
		else
			rama_datum_to_json(child->type.oid, value, out);
		return;
	}
	rama_input_to_json(input, &given);
	if (child == NULL)
		*out = given;
	else
		rama_json_conform(child, &given, out);
}

static bool
push_to_set(RamaEdit *edit, const RamaNode *node, const JsonbValue *old, JsonbValue **out)
{
	RamaEntries *entries = rama_entries_of_json(node, old, RAMA_SET);
	Datum		key = rama_input_to_key(edit->input, &node->key);
	RamaEntry  *entry;
	int			i;

	if (rama_entries_find(entries, key) >= 0)
	{
		edit->result = Int64GetDatum(0);
		return false;
	}
	entry = palloc0(sizeof(RamaEntry) * (entries->count + 1));
	for (i = 0; i < entries->count &&
		 rama_type_compare(&node->key, entries->entry[i].key, key) < 0; i++)
		entry[i] = entries->entry[i];
	entry[i].key = key;
	rama_datum_to_json(node->key.oid, key, &entry[i].name);
	for (; i < entries->count; i++)
		entry[i + 1] = entries->entry[i];
	entries->entry = entry;
	entries->count++;
	*out = palloc(sizeof(JsonbValue));
	rama_entries_to_json(entries, *out);
	edit->result = Int64GetDatum(1);
	return true;
}

static bool
apply_push(RamaEdit *edit, const RamaNode *node, const JsonbValue *old, JsonbValue **out)
{
	JsonbValue	element;

	if (node != NULL && node->kind == RAMA_SET)
		return push_to_set(edit, node, old, out);
	if (node != NULL && node->kind != RAMA_VECTOR)
		cannot_push(rama_shape_name(rama_shape_of_node(node)));
	if (old != NULL &&
		(old->type != jbvBinary || !JsonContainerIsArray(old->val.binary.data)))
		cannot_push(psprintf("a JSON %s", rama_json_kind(old)));

	rama_input_conform(node ? node->children[0] : NULL, edit->input, &element);
	edit->result = Int64GetDatum(old ? JsonContainerSize(old->val.binary.data) : 0);
	*out = append_element(old, &element);
	return true;
}

/*
 * rama_target_push() -- Append to the vector, or add to the set, at a target;
 * what rama.push() returns. Errors: those of rama.push().
 */
int64
rama_target_push(const RamaTarget *target, const RamaInput *input)
{
	const RamaNode *node = target->node;

	if (target->iselement)
		cannot_push("an element of a set");
	if (target->column || node->storage == RAMA_IN_COLUMN)
	{
		RamaEdit	edit = {.apply = apply_push, .input = input};

		if (node != NULL && node->kind == RAMA_SCALAR && node->type.oid != JSONBOID)
			cannot_push(rama_shape_name(rama_shape_of_node(node)));
		(void) rama_target_edit(target, &edit);
		return DatumGetInt64(edit.result);
	}
	if (node->storage != RAMA_IN_TABLE || node->kind == RAMA_MAP)
		cannot_push(rama_shape_name(rama_shape_of_node(node)));
	rama_target_check_element(target);
	if (node->kind == RAMA_SET)
		return add_element_row(target, input);
	return rama_push_row(node, target->keys, input);
}

/*
 * rama.push(pstate, keys..., element) -- The index in a vector; of a set 1, or
 * 0 if the element was there. NULL where a navigator among the keys found
 * nothing.
 */
Datum
rama_push(PG_FUNCTION_ARGS)
{
	RamaArgs	args;
	RamaPState *pstate = rama_write_call(fcinfo, ACL_INSERT | ACL_UPDATE, 0, 1, &args);
	RamaTarget	target;
	RamaWhere	where;
	int64		result;

	rama_target_find(&target, pstate, &args, true);
	if (target.absent)
		PG_RETURN_NULL();
	rama_where_push(&where, "element", 0);
	result = rama_target_push(&target, &args.inputs[args.count]);
	rama_where_pop(&where);
	PG_RETURN_INT64(result);
}
