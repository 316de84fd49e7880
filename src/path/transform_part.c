/*-------------------------------------------------------------------------
 *
 * transform_part.c
 *	  Parts of collections in memory: what becomes of a part takes its place.
 *
 *-------------------------------------------------------------------------
 */
#include "path/transform.h"

static RamaEntries *
no_entries(const RamaNode *node, RamaSchemaKind kind)
{
	RamaEntries *entries = palloc0(sizeof(RamaEntries));

	entries->kind = kind;
	entries->node = node && node->kind == kind ? node : NULL;
	return entries;
}

/* Pairs as entries of a plain map. */
static RamaEntries *
entries_of_pairs(const JsonbValue *json)
{
	RamaEntries *entries = no_entries(NULL, RAMA_MAP);
	JsonbContainer *array = json->val.binary.data;
	int			count = JsonContainerSize(array);

	entries->entry = palloc0(sizeof(RamaEntry) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		JsonbValue *pair = getIthJsonbValueFromContainer(array, i);

		if (!rama_json_is_array(pair) || JsonContainerSize(pair->val.binary.data) != 2)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					 errmsg("cannot convert JSON %s to an entry of a map",
							rama_json_kind(pair)),
					 errhint("An array for a map has pairs of key and value.")));
		entries->entry[i].name = *getIthJsonbValueFromContainer(pair->val.binary.data, 0);
		entries->entry[i].value = *getIthJsonbValueFromContainer(pair->val.binary.data, 1);
	}
	entries->count = count;
	rama_entries_rekey(entries);
	return entries;
}

/*
 * rama_value_entries() -- What a part of a collection of a kind has become, as
 * entries. Error (22P02) where it is no such collection.
 */
RamaEntries *
rama_value_entries(RamaTransform *transform, const RamaNode *node, RamaSchemaKind kind,
				   RamaFocus *value)
{
	JsonbValue	json;

	if (value->at == RAMA_AT_ENTRIES && value->entries->kind == kind)
		return value->entries;
	rama_value_json(transform, value, &json);
	if (json.type == jbvNull)
		return no_entries(node, kind);
	if (node && node->kind == kind)
		return rama_entries_given(node, &json);
	if (kind == RAMA_MAP && rama_json_is_array(&json))
		return entries_of_pairs(&json);
	if (json.type != jbvBinary || rama_json_is_object(&json) != (kind == RAMA_MAP))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("cannot convert JSON %s to a part of %s", rama_json_kind(&json),
						kind == RAMA_MAP ? "a map" : kind == RAMA_SET ? "a set" : "a vector")));
	return rama_entries_of_json(NULL, &json, kind);
}

/* Elements from .. to - 1 of a vector become others. */
static RamaEntries *
splice_elements(const RamaEntries *all, int64 from, int64 to, const RamaEntries *new,
				Snapshot snapshot)
{
	RamaEntries *result = rama_entries_copy(all, new->count, snapshot);
	RamaEntries *given = rama_entries_copy(new, 0, snapshot);

	memmove(&result->entry[from + given->count], &result->entry[to],
			sizeof(RamaEntry) * (all->count - to));
	memcpy(&result->entry[from], given->entry, sizeof(RamaEntry) * given->count);
	result->count = all->count - (to - from) + given->count;
	return result;
}

/* Entries of a map or set are replaced by others. */
static RamaEntries *
exchange(const RamaEntries *all, const RamaEntries *old, const RamaEntries *new,
		 Snapshot snapshot)
{
	RamaEntries *result = rama_entries_copy(all, new->count, snapshot);
	RamaEntries *given = rama_entries_copy(new, 0, snapshot);
	int			n = 0;

	for (int i = 0; i < all->count; i++)
		if (rama_entries_find(old, all->entry[i].key) < 0)
			result->entry[n++] = result->entry[i];
	memcpy(&result->entry[n], given->entry, sizeof(RamaEntry) * given->count);
	result->count = n + given->count;
	rama_entries_rekey(result);
	return result;
}

/* The whole of which a step takes a part, as the step's kind of collection. */
static RamaEntries *
whole_of(RamaTransform *transform, const RamaStep *step, RamaSchemaKind kind, RamaFocus *value)
{
	RamaFocus	here = *value;
	RamaEntries *entries = rama_focus_entries(&here, step, transform->reading.snapshot);

	if (entries == NULL)
		return no_entries(rama_value_node(step, value), kind);
	if (kind == RAMA_SET && entries->kind == RAMA_VECTOR)
		return rama_focus_as_set(&here, entries, transform->reading.snapshot);
	return entries;
}

/* Where a part of a vector begins. */
static int64
first_of_part(RamaTransform *transform, const RamaStep *step, const RamaFocus *value)
{
	RamaFocus	here = *value;

	return rama_sublist_from(&transform->reading, step, &here);
}

/*
 * rama_change_part() -- The part that the navigator takes: what becomes of it
 * takes the place of its entries, or of its elements.
 */
RamaOutcome
rama_change_part(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	const RamaStep *step = at->steps;
	const RamaNode *node = rama_value_node(step, value);
	RamaNext	rest = rama_next_after(at);
	RamaFocus	part = *value;
	RamaEntries *all;
	RamaEntries *old;
	RamaEntries *new;
	RamaOutcome outcome;
	int64		from;

	from = first_of_part(transform, step, value);
	(void) step->nav->go(&transform->reading, step, &part);
	Assert(part.at == RAMA_AT_ENTRIES);
	old = part.entries;
	if (old->kind == RAMA_SET && old->node == NULL)
	{
		/* Of a plain array: elements without keys. */
		old = rama_entries_copy(old, 0, transform->reading.snapshot);
		rama_entries_rekey(old);
	}
	all = whole_of(transform, step, old->kind, value);
	from = Min(from, all->count);
	part.collected = value->collected;
	outcome = rama_change(transform, &rest, &part);
	if (outcome == RAMA_KEPT || (outcome == RAMA_VOID && old->count == 0))
		return RAMA_KEPT;
	new = outcome == RAMA_VOID ? no_entries(node, old->kind) :
		rama_value_entries(transform, node, old->kind, &part);
	if (new->count == 0 && old->count == 0)
		return RAMA_KEPT;
	if (old->kind == RAMA_VECTOR)
	{
		new = splice_elements(all, from, from + old->count, new, transform->reading.snapshot);
	}
	else
		new = exchange(all, old, new, transform->reading.snapshot);
	rama_value_set_entries(value, node, new);
	return RAMA_CHANGED;
}

/* Runs of elements of which the function holds, in memory. */
static int
find_runs(RamaTransform *transform, const RamaStep *step, const RamaFocus *value,
		  const RamaEntries *entries, int *runs)
{
	int			n = 0;
	bool		last = false;

	for (int i = 0; i < entries->count; i++)
	{
		RamaFocus	element = *value;
		JsonbValue	result;
		bool		holds;

		rama_entry_value(entries, i, &element);
		holds = rama_call_focus(&transform->reading, step, &step->calls[0], &element,
								&result) && rama_json_is_true(&result);
		if (holds && !last)
			runs[2 * n++] = i;
		if (holds)
			runs[2 * n - 1] = i + 1;
		last = holds;
	}
	return n;
}

/*
 * rama_change_continuous_subseqs() -- Each run of elements, from the last one
 * on: what becomes of it takes its place.
 */
RamaOutcome
rama_change_continuous_subseqs(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	const RamaStep *step = at->steps;
	const RamaNode *node = rama_value_node(step, value);
	RamaNext	rest = rama_next_after(at);
	RamaEntries *all = whole_of(transform, step, RAMA_VECTOR, value);
	int		   *runs = palloc(sizeof(int) * 2 * (all->count + 1));
	int			nruns;
	bool		changed = false;

	if (all->kind != RAMA_VECTOR)
		rama_step_error(step, "needs a vector, and this is not one");
	nruns = find_runs(transform, step, value, all, runs);
	for (int i = nruns - 1; i >= 0; i--)
	{
		RamaEntries *part = palloc(sizeof(RamaEntries));
		RamaFocus	run = *value;
		RamaOutcome outcome;

		*part = *all;
		part->entry = all->entry + runs[2 * i];
		part->count = runs[2 * i + 1] - runs[2 * i];
		rama_entries_focus(&run, part);
		outcome = rama_change(transform, &rest, &run);
		if (outcome == RAMA_KEPT)
			continue;
		changed = true;
		all = splice_elements(all, runs[2 * i], runs[2 * i + 1],
							  outcome == RAMA_VOID ? no_entries(node, RAMA_VECTOR) :
							  rama_value_entries(transform, node, RAMA_VECTOR, &run),
							  transform->reading.snapshot);
	}
	if (!changed)
		return RAMA_KEPT;
	rama_value_set_entries(value, node, all);
	return RAMA_CHANGED;
}

/*
 * rama_walk_subset() -- Entries of some keys of a collection with a table:
 * only these are read, and written.
 */
RamaOutcome
rama_walk_subset(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	const RamaNode *node = place->node;
	RamaNext	rest = rama_next_after(at);
	RamaFocus	part;
	RamaEntries *old;
	RamaOutcome outcome;

	if (place->at != RAMA_AT_ROWS)
		return rama_walk_in_memory(transform, at, place);
	rama_place_fresh(place, &part);
	rama_reading_begin(transform);
	(void) at->steps->nav->go(&transform->reading, at->steps, &part);
	old = rama_entries_copy(part.entries, 0, transform->reading.snapshot);
	rama_reading_end(transform);
	rama_entries_focus(&part, old);
	outcome = rama_change(transform, &rest, &part);
	if (outcome == RAMA_KEPT)
		return RAMA_KEPT;
	rama_replace_entries(node, place->keys, old, outcome == RAMA_VOID ?
						 no_entries(node, node->kind) :
						 rama_value_entries(transform, node, node->kind, &part), 0);
	return RAMA_CHANGED;
}
