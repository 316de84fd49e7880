/*-------------------------------------------------------------------------
 *
 * json_diff.c
 *	  In what two documents of JSON differ.
 *
 *-------------------------------------------------------------------------
 */
#include "watch/record.h"

#include "miscadmin.h"
#include "utils/builtins.h"

/* Names and indexes from the document's root down */
typedef struct Trail
{
	const struct Trail *outer;
	int			depth;
	JsonbValue	item;
} Trail;

typedef struct Differ
{
	bool		adds;			/* numbers differ by additions */
	List	   *differences;
} Differ;

static void differ_at(Differ *differ, const Trail *trail, const RamaNode *node,
					  const JsonbValue *old, const JsonbValue *new);

static RamaDifference *
add_difference(Differ *differ, const Trail *trail, RamaOpKind kind)
{
	RamaDifference *difference = palloc0_object(RamaDifference);

	difference->kind = kind;
	difference->value.type = difference->now.type = jbvNull;
	difference->npath = trail ? trail->depth : 0;
	difference->path = palloc_array(JsonbValue, Max(difference->npath, 1));
	for (; trail; trail = trail->outer)
		difference->path[trail->depth - 1] = trail->item;
	differ->differences = lappend(differ->differences, difference);
	return difference;
}

static Trail
go_on(const Trail *outer, const JsonbValue *item)
{
	return (Trail) {outer, outer ? outer->depth + 1 : 1, *item};
}

static JsonbValue
index_item(int64 index)
{
	return (JsonbValue) {.type = jbvNumeric,.val.numeric = int64_to_numeric(index)};
}

static bool
is_container(const JsonbValue *json, bool array)
{
	return json->type == jbvBinary &&
		(array ? JsonContainerIsArray(json->val.binary.data) :
		 JsonContainerIsObject(json->val.binary.data));
}

static bool
is_same(const JsonbValue *a, const JsonbValue *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type)
	{
		case jbvBinary:
			return compareJsonbContainers(a->val.binary.data, b->val.binary.data) == 0;
		case jbvNull:
			return true;
		case jbvBool:
			return a->val.boolean == b->val.boolean;
		case jbvString:
			return a->val.string.len == b->val.string.len &&
				memcmp(a->val.string.val, b->val.string.val, a->val.string.len) == 0;
		case jbvNumeric:
			/* 1.0 and 1.00 are written differently. */
			return VARSIZE_ANY(a->val.numeric) == VARSIZE_ANY(b->val.numeric) &&
				memcmp(a->val.numeric, b->val.numeric, VARSIZE_ANY(a->val.numeric)) == 0;
		default:
			return false;
	}
}

/* The node of a value in a collection or struct; NULL: plain JSON */
static const RamaNode *
child_of(const RamaNode *node, const JsonbValue *name)
{
	const RamaNode *child = NULL;

	if (node == NULL)
		return NULL;
	if (node->kind == RAMA_MAP || node->kind == RAMA_VECTOR)
		child = node->children[0];
	else if (node->kind == RAMA_STRUCT)
		for (int i = 0; i < node->nchildren && child == NULL; i++)
			if (strlen(node->children[i]->name) == (Size) name->val.string.len &&
				memcmp(node->children[i]->name, name->val.string.val,
					   name->val.string.len) == 0)
				child = node->children[i];
	return child && child->kind == RAMA_SCALAR ? NULL : child;
}

/* The names of an object and their values, in jsonb's order */
static JsonbPair *
pairs_of(const JsonbValue *object, int *count)
{
	JsonbIterator *it = JsonbIteratorInit(object->val.binary.data);
	JsonbPair  *pairs = palloc_array(JsonbPair,
									 Max(JsonContainerSize(object->val.binary.data), 1));
	JsonbValue	item;
	JsonbIteratorToken token;

	*count = 0;
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			pairs[*count].key = item;
		else if (token == WJB_VALUE)
			pairs[(*count)++].value = item;
	}
	return pairs;
}

static JsonbValue *
elements_of(const JsonbValue *array, int *count)
{
	JsonbIterator *it = JsonbIteratorInit(array->val.binary.data);
	JsonbValue *elements = palloc_array(JsonbValue,
										Max(JsonContainerSize(array->val.binary.data), 1));
	JsonbValue	item;
	JsonbIteratorToken token;

	*count = 0;
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
		if (token == WJB_ELEM)
			elements[(*count)++] = item;
	return elements;
}

/* As jsonb orders names */
static int
compare_names(const JsonbValue *a, const JsonbValue *b)
{
	if (a->val.string.len != b->val.string.len)
		return a->val.string.len < b->val.string.len ? -1 : 1;
	return memcmp(a->val.string.val, b->val.string.val, a->val.string.len);
}

static void
differ_objects(Differ *differ, const Trail *trail, const RamaNode *node,
			   const JsonbValue *old, const JsonbValue *new)
{
	int			nbefore;
	int			nafter;
	JsonbPair  *before = pairs_of(old, &nbefore);
	JsonbPair  *after = pairs_of(new, &nafter);
	int			i = 0;
	int			j = 0;

	while (i < nbefore || j < nafter)
	{
		int			order = i == nbefore ? 1 : j == nafter ? -1 :
			compare_names(&before[i].key, &after[j].key);
		Trail		here = go_on(trail, order > 0 ? &after[j].key : &before[i].key);

		if (order < 0)
			(void) add_difference(differ, &here, RAMA_OP_REMOVE);
		else if (order > 0)
			add_difference(differ, &here, RAMA_OP_SET)->value = after[j].value;
		else
			differ_at(differ, &here, child_of(node, &here.item),
					  &before[i].value, &after[j].value);
		if (order <= 0)
			i++;
		if (order >= 0)
			j++;
	}
}

static void
differ_sets(Differ *differ, const Trail *trail, const RamaNode *node,
			const JsonbValue *old, const JsonbValue *new)
{
	RamaEntries *before = rama_entries_of_json(node, old, RAMA_SET);
	RamaEntries *after = rama_entries_of_json(node, new, RAMA_SET);
	int			i = 0;
	int			j = 0;

	while (i < before->count || j < after->count)
	{
		int			order = i == before->count ? 1 : j == after->count ? -1 :
			rama_type_compare(&node->key, before->entry[i].key, after->entry[j].key);

		if (order < 0)
		{
			Trail		here = go_on(trail, &before->entry[i].name);

			(void) add_difference(differ, &here, RAMA_OP_REMOVE);
		}
		else if (order > 0)
			add_difference(differ, trail, RAMA_OP_INSERT)->value = after->entry[j].name;
		if (order <= 0)
			i++;
		if (order >= 0)
			j++;
	}
}

static void
append_elements(Differ *differ, const Trail *trail, JsonbValue *elements, int count)
{
	RamaDifference *difference = add_difference(differ, trail, RAMA_OP_APPEND);

	difference->value.type = jbvArray;
	difference->value.val.array.nElems = count;
	difference->value.val.array.elems = elements;
	difference->value.val.array.rawScalar = false;
}

/* What is in the middle of both differs, and one is longer. */
static void
differ_arrays(Differ *differ, const Trail *trail, const RamaNode *node,
			  const JsonbValue *old, const JsonbValue *new)
{
	int			nbefore;
	int			nafter;
	JsonbValue *before = elements_of(old, &nbefore);
	JsonbValue *after = elements_of(new, &nafter);
	int			from = 0;
	int			behind = 0;
	int			both;

	while (from < nbefore && from < nafter && is_same(&before[from], &after[from]))
		from++;
	while (nbefore - behind > from && nafter - behind > from &&
		   is_same(&before[nbefore - behind - 1], &after[nafter - behind - 1]))
		behind++;
	both = Min(nbefore, nafter) - behind;
	for (int i = from; i < both; i++)
	{
		JsonbValue	item = index_item(i);
		Trail		here = go_on(trail, &item);

		differ_at(differ, &here, child_of(node, &item), &before[i], &after[i]);
	}
	for (int i = nbefore - behind; i > both; i--)
	{
		JsonbValue	item = index_item(i - 1);
		Trail		here = go_on(trail, &item);

		(void) add_difference(differ, &here, RAMA_OP_REMOVE);
	}
	if (behind == 0 && nafter > both)
		append_elements(differ, trail, &after[both], nafter - both);
	for (int i = both; behind > 0 && i < nafter - behind; i++)
	{
		JsonbValue	item = index_item(i);
		Trail		here = go_on(trail, &item);

		add_difference(differ, &here, RAMA_OP_INSERT)->value = after[i];
	}
}

static void
differ_at(Differ *differ, const Trail *trail, const RamaNode *node,
		  const JsonbValue *old, const JsonbValue *new)
{
	RamaDifference *difference;

	check_stack_depth();
	if (is_same(old, new))
		return;
	if (is_container(old, false) && is_container(new, false))
		differ_objects(differ, trail, node, old, new);
	else if (is_container(old, true) && is_container(new, true) && node && node->kind == RAMA_SET)
		differ_sets(differ, trail, node, old, new);
	else if (is_container(old, true) && is_container(new, true))
		differ_arrays(differ, trail, node, old, new);
	else if (differ->adds && old->type == jbvNumeric && new->type == jbvNumeric)
	{
		difference = add_difference(differ, trail, RAMA_OP_ADD);
		difference->value.type = jbvNumeric;
		difference->value.val.numeric =
			DatumGetNumeric(DirectFunctionCall2(numeric_sub,
												NumericGetDatum(new->val.numeric),
												NumericGetDatum(old->val.numeric)));
		difference->now = *new;
	}
	else
		add_difference(differ, trail, RAMA_OP_SET)->value = *new;
}

/*
 * rama_json_diff() -- What turns old into new, as a list of RamaDifference,
 * to be done in their order. They point into both.
 *
 * node: their schema; NULL: plain JSON. adds: numbers that differ were added
 * to. In the current memory context.
 */
List *
rama_json_diff(const RamaNode *node, const JsonbValue *old, const JsonbValue *new, bool adds)
{
	Differ		differ = {.adds = adds};

	differ_at(&differ, NULL, node && node->kind == RAMA_SCALAR ? NULL : node, old, new);
	return differ.differences;
}

static void
push_json(JsonbParseState **state, const JsonbValue *json)
{
	JsonbValue	value = *json;

	if (json->type == jbvArray)
		rama_jsonb_to_json(rama_json_to_jsonb(json), &value);
	pushJsonbValue(state, WJB_ELEM, &value);
}

/* rama_json_diff_to_jsonb() -- Differences as one document. */
Jsonb *
rama_json_diff_to_jsonb(List *differences)
{
	JsonbParseState *state = NULL;
	ListCell   *lc;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	foreach(lc, differences)
	{
		const RamaDifference *difference = lfirst(lc);
		JsonbValue	kind = index_item(difference->kind);

		pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
		push_json(&state, &kind);
		pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
		for (int i = 0; i < difference->npath; i++)
			push_json(&state, &difference->path[i]);
		pushJsonbValue(&state, WJB_END_ARRAY, NULL);
		push_json(&state, &difference->value);
		push_json(&state, &difference->now);
		pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

/* rama_json_diff_of_jsonb() -- The differences; they point into it. */
List *
rama_json_diff_of_jsonb(Jsonb *jsonb)
{
	List	   *differences = NIL;
	JsonbValue	array = {.type = jbvBinary,.val.binary.data = &jsonb->root};
	int			count;
	JsonbValue *items = elements_of(&array, &count);

	for (int i = 0; i < count; i++)
	{
		RamaDifference *difference = palloc0_object(RamaDifference);
		int			nparts;
		JsonbValue *parts = elements_of(&items[i], &nparts);

		if (nparts != 4)
			elog(ERROR, "difference of documents is not one");
		difference->kind = DatumGetInt32(DirectFunctionCall1(numeric_int4,
															 NumericGetDatum(parts[0].val.numeric)));
		difference->path = elements_of(&parts[1], &difference->npath);
		difference->value = parts[2];
		difference->now = parts[3];
		differences = lappend(differences, difference);
	}
	return differences;
}
