/*-------------------------------------------------------------------------
 *
 * aggregate_collection.c
 *	  Aggregators for collections: set, set-remove, multi-set, map, list,
 *	  merge; NONE, which removes; first and last of what is no scalar.
 *
 * Of each: what places it is for (rama_fits_...), and what it does to one
 * (rama_apply_...). Places are rows or JSON. Nulls are passed over, but for
 * elements of a list and values of a map.
 *
 *-------------------------------------------------------------------------
 */
#include "path/aggregate.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static bool
is_plain(const RamaNode *node)
{
	return node == NULL || (node->kind == RAMA_SCALAR && node->type.oid == JSONBOID);
}

static bool
is_kind(const RamaNode *node, RamaSchemaKind kind)
{
	return node && node->kind == kind;
}

static bool
is_null(const RamaInput *input)
{
	return input->form == RAMA_INPUT_NULL ||
		(input->form == RAMA_INPUT_JSON && input->json.type == jbvNull);
}

/* The place at a key of the one at a target. */
static void
go(const RamaTarget *target, const RamaInput *key, RamaTarget *entry)
{
	*entry = *target;
	rama_target_go(entry, key);
}

/* Is the value an SQL array, whose elements are values for the place? */
static bool
is_list_of(const RamaInput *input, Oid element)
{
	return input->form == RAMA_INPUT_SQL && OidIsValid(get_element_type(input->type)) &&
		element != JSONBOID && !OidIsValid(get_element_type(getBaseType(element)));
}

typedef void (*EachElement) (const RamaTarget *target, const RamaInput *element);

static void
each_element(const RamaTarget *target, const RamaInput *array, EachElement each)
{
	RamaInput	element = {.form = RAMA_INPUT_SQL, .type = get_element_type(array->type)};
	ArrayIterator it = array_create_iterator(DatumGetArrayTypeP(array->datum), 0, NULL);
	bool		isnull;

	while (array_iterate(it, &element.datum, &isnull))
	{
		element.form = isnull ? RAMA_INPUT_NULL : RAMA_INPUT_SQL;
		each(target, &element);
	}
	array_free_iterator(it);
}

/* Sets */

/* rama_fits_set() -- A set, or an array in plain data. */
bool
rama_fits_set(RamaAggregate *aggregate)
{
	return is_kind(aggregate->node, RAMA_SET) || is_plain(aggregate->node);
}

/* In plain data: an array without doubles. */
typedef struct PlainElement
{
	JsonbValue	json;
	bool		remove;
} PlainElement;

static bool
change_plain_set(void *arg, const RamaNode *node, const JsonbValue *old, JsonbValue *new)
{
	const PlainElement *element = arg;
	RamaEntries *entries = NULL;
	int			at = 0;

	if (old && !rama_json_is_array(old))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("a JSON %s is no set", rama_json_kind(old)),
				 errdetail("In plain data, a set is an array.")));
	if (old)
	{
		entries = rama_entries_copy(rama_entries_of_json(NULL, old, RAMA_VECTOR), 1, NULL);
		while (at < entries->count &&
			   !rama_json_equal(&entries->entry[at].value, &element->json))
			at++;
	}
	if (element->remove ? entries == NULL || at == entries->count :
		entries && at < entries->count)
		return false;
	if (entries == NULL)
	{
		entries = palloc0_object(RamaEntries);
		entries->kind = RAMA_VECTOR;
		entries->entry = palloc0_object(RamaEntry);
	}
	if (element->remove)
		memmove(&entries->entry[at], &entries->entry[at + 1],
				sizeof(RamaEntry) * (--entries->count - at));
	else
		entries->entry[entries->count++].value = element->json;
	rama_entries_to_json(entries, new);
	return true;
}

static void
change_plain(const RamaTarget *target, const RamaInput *input, bool remove)
{
	PlainElement element = {.remove = remove};

	rama_input_to_json(input, &element.json);
	rama_target_change(target, change_plain_set, &element);
}

static void
add_to_set(const RamaTarget *target, const RamaInput *element)
{
	if (!is_null(element))
		(void) rama_target_push(target, element);
}

/* rama_apply_set() -- The value, or each element of an array of them, is an element. */
void
rama_apply_set(RamaAggregate *aggregate, const RamaTarget *target, const RamaInput *values)
{
	if (is_null(&values[0]))
		return;
	if (is_plain(aggregate->node))
		change_plain(target, &values[0], false);
	else if (is_list_of(&values[0], aggregate->node->key.oid))
		each_element(target, &values[0], add_to_set);
	else
		add_to_set(target, &values[0]);
}

/* rama_fits_set_remove() -- As rama_fits_set(). */
bool
rama_fits_set_remove(RamaAggregate *aggregate)
{
	return rama_fits_set(aggregate);
}

static void
remove_from_set(const RamaTarget *target, const RamaInput *element)
{
	RamaTarget	entry;

	if (is_null(element))
		return;
	go(target, element, &entry);
	(void) rama_target_remove(&entry);
}

/* rama_apply_set_remove() -- The value, or each element of an array of them, is none. */
void
rama_apply_set_remove(RamaAggregate *aggregate, const RamaTarget *target,
					  const RamaInput *values)
{
	if (is_null(&values[0]))
		return;
	if (is_plain(aggregate->node))
		change_plain(target, &values[0], true);
	else if (is_list_of(&values[0], aggregate->node->key.oid))
		each_element(target, &values[0], remove_from_set);
	else
		remove_from_set(target, &values[0]);
}

/* Maps */

/* rama_fits_multi_set() -- A map of numbers: how often each value came. */
bool
rama_fits_multi_set(RamaAggregate *aggregate)
{
	const RamaNode *node = aggregate->node;
	const RamaAggregatorCall *count = rama_aggregator_call("count");
	const RamaNode *child = NULL;

	if (!is_plain(node))
	{
		if (node->kind != RAMA_MAP)
			return false;
		child = node->children[0];
	}
	if (!rama_aggregator_fits(count, child))
		return false;
	aggregate->parts[0] = rama_aggregate_bind(count, child, "", 0, NULL);
	return true;
}

/* rama_apply_multi_set() -- One more at the key that the value is. */
void
rama_apply_multi_set(RamaAggregate *aggregate, const RamaTarget *target,
					 const RamaInput *values)
{
	RamaTarget	entry;

	if (is_null(&values[0]))
		return;
	go(target, &values[0], &entry);
	rama_aggregate_apply(aggregate->parts[0], &entry, &values[0]);
}

/* rama_fits_map() -- A map, or an object in plain data. */
bool
rama_fits_map(RamaAggregate *aggregate)
{
	return is_kind(aggregate->node, RAMA_MAP) || is_plain(aggregate->node);
}

/* rama_apply_map() -- The last value of each key. */
void
rama_apply_map(RamaAggregate *aggregate, const RamaTarget *target, const RamaInput *values)
{
	RamaTarget	entry;

	go(target, &values[0], &entry);
	rama_target_put(&entry, &values[1]);
}

/* rama_fits_merge() -- A map, a struct, or an object in plain data. */
bool
rama_fits_merge(RamaAggregate *aggregate)
{
	return is_kind(aggregate->node, RAMA_MAP) || is_kind(aggregate->node, RAMA_STRUCT) ||
		is_plain(aggregate->node);
}

/* Entries of a map, or of plain data, that are kept as JSON. */
static bool
merge_json(void *arg, const RamaNode *node, const JsonbValue *old, JsonbValue *new)
{
	const JsonbValue *given = arg;
	RamaEntries *more;
	RamaEntries *entries;

	if (old == NULL)
	{
		*new = *given;
		return true;
	}
	if (!rama_json_is_object(old))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("a JSON %s is no map", rama_json_kind(old))));
	more = rama_entries_of_json(node, given, RAMA_MAP);
	entries = rama_entries_copy(rama_entries_of_json(node, old, RAMA_MAP), more->count, NULL);
	for (int i = 0; i < more->count; i++)
		entries->entry[entries->count++] = more->entry[i];
	rama_entries_sort(entries);
	rama_entries_to_json(entries, new);
	return more->count > 0;
}

static void
merge_in_json(const RamaNode *node, const RamaTarget *target, const JsonbValue *given)
{
	JsonbValue	json = *given;

	if (!is_plain(node))
		rama_json_conform(node, given, &json);
	else if (!rama_json_is_object(given))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("cannot convert JSON %s to a map", rama_json_kind(given)),
				 errhint("Entries to merge are given as an object.")));
	rama_jsonb_to_json(rama_json_to_jsonb(&json), &json);
	rama_target_change(target, merge_json, &json);
}

static void
merge_rows(const RamaTarget *target, const RamaEntries *given)
{
	for (int i = 0; i < given->count; i++)
	{
		RamaTarget	entry;
		RamaInput	input;

		rama_input_of_json(&input, &given->entry[i].name);
		go(target, &input, &entry);
		rama_input_of_json(&input, &given->entry[i].value);
		rama_target_put(&entry, &input);
	}
}

/* Fields that are given. */
static void
merge_fields(const RamaNode *node, const RamaTarget *target, const JsonbValue *given)
{
	JsonbValue *fields = rama_fields_given(node, given);

	for (int i = 0; i < node->nchildren; i++)
	{
		RamaInput	input = {.form = RAMA_INPUT_UNTYPED, .text = node->children[i]->name};
		RamaTarget	field;

		if (fields[i].type == jbvNull)
			continue;
		go(target, &input, &field);
		rama_input_of_json(&input, &fields[i]);
		rama_target_put(&field, &input);
	}
}

/* rama_apply_merge() -- Entries or fields of the value replace those there. */
void
rama_apply_merge(RamaAggregate *aggregate, const RamaTarget *target,
				 const RamaInput *values)
{
	const RamaNode *node = aggregate->node;
	JsonbValue	json;

	rama_input_to_json(&values[0], &json);
	if (json.type == jbvNull)
		return;
	if (is_kind(node, RAMA_STRUCT))
		merge_fields(node, target, &json);
	else if (is_kind(node, RAMA_MAP) && node->storage == RAMA_IN_TABLE)
		merge_rows(target, rama_entries_given(node, &json));
	else
		merge_in_json(node, target, &json);
}

/* Lists */

/* rama_fits_list() -- A vector, or an array in plain data. */
bool
rama_fits_list(RamaAggregate *aggregate)
{
	return is_kind(aggregate->node, RAMA_VECTOR) || is_plain(aggregate->node);
}

static void
append(const RamaTarget *target, const RamaInput *element)
{
	(void) rama_target_push(target, element);
}

/* rama_apply_list() -- The value, or each element of an array of them, is appended. */
void
rama_apply_list(RamaAggregate *aggregate, const RamaTarget *target, const RamaInput *values)
{
	const RamaNode *node = aggregate->node;

	if (!is_plain(node) && node->children[0]->kind == RAMA_SCALAR &&
		is_list_of(&values[0], node->children[0]->type.oid))
		each_element(target, &values[0], append);
	else
		append(target, &values[0]);
}

/* Any place */

/* rama_fits_none() -- Any place. */
bool
rama_fits_none(RamaAggregate *aggregate)
{
	return true;
}

/* rama_apply_none() -- What is there goes: an entry, or the value of a field. */
void
rama_apply_none(RamaAggregate *aggregate, const RamaTarget *target, const RamaInput *values)
{
	(void) rama_target_remove(target);
}

/* rama_fits_first() -- A collection or struct: scalars have combine functions of their own. */
bool
rama_fits_first(RamaAggregate *aggregate)
{
	return !is_plain(aggregate->node) && aggregate->node->kind != RAMA_SCALAR;
}

/* rama_apply_first() -- The value is put where there is none. */
void
rama_apply_first(RamaAggregate *aggregate, const RamaTarget *target, const RamaInput *values)
{
	RamaFocus	place;

	if (is_null(&values[0]))
		return;
	rama_target_focus(target, &place);
	if (!rama_focus_exists(&place, rama_write_snapshot()))
		rama_target_put(target, &values[0]);
}

/* rama_fits_last() -- As rama_fits_first(). */
bool
rama_fits_last(RamaAggregate *aggregate)
{
	return rama_fits_first(aggregate);
}

/* rama_apply_last() -- The value is put. */
void
rama_apply_last(RamaAggregate *aggregate, const RamaTarget *target, const RamaInput *values)
{
	if (!is_null(&values[0]))
		rama_target_put(target, &values[0]);
}
