/*-------------------------------------------------------------------------
 *
 * nav_part.c
 *	  Navigators to a part of a collection that is not a range of its keys:
 *	  submap, subset, filterer, continuous-subseqs, srange-dynamic.
 *
 * A part in memory holds foci: what is below its elements is read when it is
 * asked for.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

#include "miscadmin.h"

#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"

/* The keys are the arguments, or the one that is an array. */
static void
given_keys(const RamaStep *step, int *count, JsonbValue **keys)
{
	JsonbContainer *array;

	*count = step->nargs;
	*keys = step->args;
	if (step->nargs != 1 || !rama_json_is_array(&step->args[0]))
		return;
	array = step->args[0].val.binary.data;
	*count = JsonContainerSize(array);
	*keys = palloc(sizeof(JsonbValue) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
		(*keys)[i] = *getIthJsonbValueFromContainer(array, i);
}

static int
compare_keys(const void *a, const void *b, void *type)
{
	return rama_type_compare(type, ((const RamaKey *) a)->datum, ((const RamaKey *) b)->datum);
}

static void
sort_keys(RamaStep *step, const RamaType *type)
{
	int			n = 0;

	qsort_arg(step->keys, step->nkeys, sizeof(RamaKey), compare_keys,
			  unconstify(RamaType *, type));
	for (int i = 0; i < step->nkeys; i++)
		if (n == 0 || compare_keys(&step->keys[n - 1], &step->keys[i],
								   unconstify(RamaType *, type)) != 0)
			step->keys[n++] = step->keys[i];
	step->nkeys = n;
}

static void
bind_keys(RamaPath *path, RamaStep *step, RamaSchemaKind kind)
{
	JsonbValue *keys;
	bool		typed;

	rama_bind_part(step, kind);
	typed = step->in.kind == RAMA_SHAPE_NODE && step->in.node->kind == kind;
	given_keys(step, &step->nkeys, &keys);
	step->keys = palloc0(sizeof(RamaKey) * Max(step->nkeys, 1));
	for (int i = 0; i < step->nkeys; i++)
	{
		if (keys[i].type == jbvNull)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("a key must not be null")));
		if (typed)
			rama_bind_node_key(path, step->in.node, &keys[i], &step->keys[i]);
		else if (kind == RAMA_MAP)
			rama_json_name(&keys[i], &step->keys[i].name);
		else
			step->keys[i].name = keys[i];
	}
	if (typed)
		sort_keys(step, &step->in.node->key);
}

/* rama_bind_submap() -- [key...], or one array of keys. */
void
rama_bind_submap(RamaPath *path, RamaStep *step)
{
	bind_keys(path, step, RAMA_MAP);
}

/* rama_bind_subset() -- [element...], or one array of elements. */
void
rama_bind_subset(RamaPath *path, RamaStep *step)
{
	bind_keys(path, step, RAMA_SET);
}

static RamaEntries *
new_part(const RamaNode *node, RamaSchemaKind kind, int room)
{
	RamaEntries *part = palloc0(sizeof(RamaEntries));

	part->kind = kind;
	part->node = node;
	part->asobject = kind == RAMA_MAP;
	part->entry = palloc0(sizeof(RamaEntry) * Max(room, 1));
	return part;
}

/* The rows with the keys, each by the index. */
static void
part_of_rows(RamaEntries *part, const RamaStep *step, const RamaFocus *focus, Snapshot snapshot)
{
	for (int i = 0; i < step->nkeys; i++)
	{
		RamaFocus	place = *focus;
		RamaEntry  *entry = &part->entry[part->count];

		rama_focus_row_key(&place, step->keys[i].datum, snapshot);
		if (place.at == RAMA_AT_NOTHING ||
			(part->kind == RAMA_MAP && !rama_row_load(place.row, snapshot)))
			continue;
		entry->key = step->keys[i].datum;
		rama_datum_to_json(focus->node->key.oid, entry->key, &entry->name);
		if (part->kind == RAMA_MAP)
		{
			entry->place = palloc(sizeof(RamaFocus));
			*entry->place = place;
		}
		part->count++;
	}
}

static bool
is_wanted(const RamaStep *step, const RamaEntries *entries, int i)
{
	JsonbValue	name = entries->entry[i].name;

	if (entries->kind == RAMA_MAP)
		rama_key_name(entries->node, &entries->entry[i].name, &name);
	for (int k = 0; k < step->nkeys; k++)
		if (rama_json_equal(&name, &step->keys[k].name))
			return true;
	return false;
}

/* Of plain data in their own order; else the keys are in that of their type. */
static void
part_of_entries(RamaEntries *part, const RamaStep *step, const RamaEntries *entries)
{
	if (entries->node == NULL)
	{
		part->entry = palloc0(sizeof(RamaEntry) * Max(entries->count, 1));
		part->unsorted = entries->unsorted || entries->kind == RAMA_VECTOR;
		for (int i = 0; i < entries->count; i++)
		{
			RamaEntry  *entry = &part->entry[part->count];

			if (!is_wanted(step, entries, i))
				continue;
			*entry = entries->entry[i];
			/* An element of an array that is taken for a set has no key yet. */
			if (entries->kind == RAMA_VECTOR)
				entry->key = rama_plain_key(&entry->name);
			part->count++;
		}
		return;
	}
	for (int i = 0; i < step->nkeys; i++)
	{
		int			found = rama_entries_find(entries, step->keys[i].datum);

		if (found >= 0)
			part->entry[part->count++] = entries->entry[found];
	}
}

static void
go_part(RamaEval *eval, const RamaStep *step, RamaFocus *focus, RamaSchemaKind kind)
{
	RamaEntries *part;
	RamaEntries *entries;

	rama_focus_load(focus, eval->snapshot);
	if (focus->at == RAMA_AT_ROWS)
	{
		part = new_part(focus->node, kind, step->nkeys);
		part_of_rows(part, step, focus, eval->snapshot);
		rama_entries_focus(focus, part);
		return;
	}
	entries = rama_focus_entries(focus, step, eval->snapshot);
	if (entries && (entries->kind == RAMA_MAP) != (kind == RAMA_MAP))
		rama_step_error(step, "needs a %s, and this is not one",
						kind == RAMA_MAP ? "map" : "set");
	part = new_part(focus->node && focus->node->kind == kind ? focus->node : NULL, kind,
					step->nkeys);
	if (entries)
		part_of_entries(part, step, entries);
	rama_entries_focus(focus, part);
}

/* rama_go_submap() -- The entries of the keys that the map has, as a map. */
bool
rama_go_submap(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	go_part(eval, step, focus, RAMA_MAP);
	return true;
}

/* rama_go_subset() -- Those of the elements that the set has. */
bool
rama_go_subset(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	go_part(eval, step, focus, RAMA_SET);
	return true;
}

/* The navigator all, from the step's collection. */
static RamaShape
add_all(RamaPath *path, RamaStep *step, RamaStep *steps, int nsteps)
{
	rama_step_of_name(&steps[0], "all", step);
	rama_branch_add_steps(path, step, steps, nsteps, step->in);
	return steps[0].out;
}

static bool
is_vector(RamaShape shape)
{
	return shape.kind == RAMA_SHAPE_NODE && shape.node->kind == RAMA_VECTOR;
}

/* rama_bind_filterer() -- [path] */
void
rama_bind_filterer(RamaPath *path, RamaStep *step)
{
	RamaStep   *steps = palloc(sizeof(RamaStep) * 2);

	rama_step_of_name(&steps[1], "selected?", step);
	steps[1].args = step->args;
	steps[1].nargs = 1;
	(void) add_all(path, step, steps, 2);
	step->out = is_vector(step->in) ? step->in : rama_shape_plain();
}

static void
keep_row(RamaFocus *focus)
{
	RamaPlaceRow *row = focus->row;
	RamaTable  *table = row->table;
	Datum	   *keys = palloc(sizeof(Datum) * Max(table->nkeys, 1));

	if (table->nkeys > 0)
		memcpy(keys, row->keys, sizeof(Datum) * table->nkeys);
	focus->row = rama_row_copy(table, row->slot);
	focus->row->keys = keys;
	if (table->nkeys > 0)
		keys[table->nkeys - 1] = datumCopy(keys[table->nkeys - 1],
										   table->keys[table->nkeys - 1].byval,
										   table->keys[table->nkeys - 1].len);
	focus->keys = keys;
}

/*
 * rama_focus_keep() -- Make what a walk over elements has yielded stay when
 * it goes on, in the current memory context.
 */
void
rama_focus_keep(RamaFocus *focus)
{
	switch (focus->at)
	{
		case RAMA_AT_ROW:
		case RAMA_AT_ROWS:
			if (focus->row && focus->row->slot)
				keep_row(focus);
			break;
		case RAMA_AT_DATUM:
			focus->datum = datumCopy(focus->datum, focus->type->byval, focus->type->len);
			break;
		case RAMA_AT_JSON:
			rama_jsonb_to_json(rama_json_to_jsonb(&focus->json), &focus->json);
			break;
		default:
			break;
	}
}

/* A vector of the foci that the branch yields. */
static void
filter_vector(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	RamaEntries *part = new_part(focus->node, RAMA_VECTOR, 8);
	RamaFocus	start = *focus;
	RamaFocus	element;
	RamaEval	nested;
	int			room = 8;

	start.collected = NULL;
	rama_eval_init_branch(&nested, eval, &step->branches[0], &start, CurrentMemoryContext);
	while (rama_eval_next(&nested, &element))
	{
		RamaFocus  *place = palloc(sizeof(RamaFocus));

		rama_check_elements(part->count + 1);
		if (part->count == room)
		{
			part->entry = repalloc(part->entry, sizeof(RamaEntry) * room * 2);
			memset(part->entry + room, 0, sizeof(RamaEntry) * room);
			room *= 2;
		}
		*place = element;
		rama_focus_keep(place);
		part->entry[part->count++].place = place;
	}
	rama_eval_end(&nested);
	rama_entries_focus(focus, part);
}

/* rama_go_filterer() -- The elements of which the path selects anything, as a list. */
bool
rama_go_filterer(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	JsonbValue	list;

	rama_focus_load(focus, eval->snapshot);
	if (is_vector(step->out))
	{
		filter_vector(eval, step, focus);
		return true;
	}
	if (focus->at == RAMA_AT_NOTHING)
	{
		rama_focus_empty(focus, RAMA_VECTOR, NULL);
		return true;
	}
	rama_jsonb_to_json(rama_branch_list(eval, &step->branches[0], focus), &list);
	rama_focus_json(focus, NULL, &list);
	return true;
}

/* rama_bind_continuous_subseqs() -- [function, arguments...] */
void
rama_bind_continuous_subseqs(RamaPath *path, RamaStep *step)
{
	RamaShape	element;

	rama_bind_part(step, RAMA_VECTOR);
	element = add_all(path, step, palloc(sizeof(RamaStep)), 1);
	rama_call_add(path, step, &step->args[0], step->nargs - 1, step->args + 1, &element);
}

/* rama_open_continuous_subseqs() -- Start to walk over the elements. */
void
rama_open_continuous_subseqs(RamaEval *eval, RamaFrame *frame)
{
	RamaFocus	vector = frame->focus;

	rama_focus_sublist(&vector, frame->step, 0, 0, eval->snapshot); /* is it one? */
	frame->index = 0;
	rama_branch_open(eval, frame);
	rama_branch_enter(eval, frame, &frame->step->branches[0]);
}

/*
 * rama_next_run() -- The beginning and the end of the next run of elements of which
 * the function holds; false where there is none any more. Reads up to the first
 * element behind it.
 */
bool
rama_next_run(RamaEval *eval, RamaFrame *frame, int64 *from, int64 *to)
{
	const RamaStep *step = frame->step;
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext item = AllocSetContextCreate(caller, "pg_rama run item",
											   ALLOCSET_SMALL_SIZES);
	RamaFocus	element;
	bool		found = false;

	MemoryContextSwitchTo(item);
	while (rama_branch_next(eval, frame, &element))
	{
		int64		i = frame->index++;
		JsonbValue	result;
		bool		holds = rama_call_focus(eval, step, &step->calls[0], &element, &result) &&
			rama_json_is_true(&result);

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(item);
		if (!holds && found)
			break;
		if (!holds)
			continue;
		if (!found)
			*from = i;
		*to = i + 1;
		found = true;
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(item);
	return found;
}

/* rama_next_continuous_subseq() -- The next run, as a list. */
bool
rama_next_continuous_subseq(RamaEval *eval, RamaFrame *frame, RamaFocus *out)
{
	int64		from;
	int64		to;

	if (!rama_next_run(eval, frame, &from, &to))
		return false;
	*out = frame->focus;
	rama_focus_sublist(out, frame->step, from, to, eval->snapshot);
	return true;
}

/* A function is its name, or an array of it and its arguments. */
static void
add_function(RamaPath *path, RamaStep *step, int arg)
{
	JsonbValue *function = &step->args[arg];
	JsonbContainer *array;
	JsonbValue *args;
	int			count;

	if (!rama_json_is_array(function))
	{
		rama_call_add(path, step, function, 0, NULL, &step->in);
		return;
	}
	array = function->val.binary.data;
	count = JsonContainerSize(array);
	if (count == 0)
		rama_step_error(step, "argument %d is a function: its name, or [name, arguments...]",
						arg + 1);
	args = palloc(sizeof(JsonbValue) * count);
	for (int i = 0; i < count; i++)
		args[i] = *getIthJsonbValueFromContainer(array, i);
	rama_call_add(path, step, &args[0], count - 1, args + 1, &step->in);
}

/* rama_bind_sublist_dynamic() -- [function, function] */
void
rama_bind_sublist_dynamic(RamaPath *path, RamaStep *step)
{
	rama_bind_part(step, RAMA_VECTOR);
	add_function(path, step, 0);
	add_function(path, step, 1);
}

static int64
bound_of(RamaEval *eval, const RamaStep *step, int which, RamaFocus *focus)
{
	JsonbValue	result;

	if (!rama_call_focus(eval, step, &step->calls[which], focus, &result) ||
		result.type != jbvNumeric)
		rama_step_error(step, "function \"%s\" returns %s, not an index",
						step->calls[which].name, rama_json_kind(&result));
	return DatumGetInt64(DirectFunctionCall1(numeric_int8,
											 NumericGetDatum(result.val.numeric)));
}

static void
bounds_of(RamaEval *eval, const RamaStep *step, RamaFocus *focus, int64 *from, int64 *to)
{
	*from = 0;
	*to = 0;
	if (rama_focus_exists(focus, eval->snapshot))
	{
		*from = bound_of(eval, step, 0, focus);
		*to = bound_of(eval, step, 1, focus);
	}
	if (*from < 0 || *to < *from)
		rama_step_error(step, "the range " INT64_FORMAT " to " INT64_FORMAT " is not valid",
						*from, *to);
}

/* rama_go_sublist_dynamic() -- The elements between what the functions return. */
bool
rama_go_sublist_dynamic(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	int64		from;
	int64		to;

	bounds_of(eval, step, focus, &from, &to);
	rama_focus_sublist(focus, step, from, to, eval->snapshot);
	return true;
}

/* rama_sublist_from() -- Where the part that a step takes of a vector begins. */
int64
rama_sublist_from(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	int64		from = step->from;
	int64		to;

	if (step->nav->go == rama_go_sublist_dynamic)
		bounds_of(eval, step, focus, &from, &to);
	return from;
}
