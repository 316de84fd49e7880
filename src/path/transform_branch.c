/*-------------------------------------------------------------------------
 *
 * transform_branch.c
 *	  Writing through navigators that stay where they are: filters, collected
 *	  values, defaults, views, other paths, subselect.
 *
 *-------------------------------------------------------------------------
 */
#include "path/transform.h"

/* rama_change_filter() -- Here, if the navigator goes on from here. */
RamaOutcome
rama_change_filter(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	RamaNext	rest = rama_next_after(at);
	RamaFocus	here = *value;

	if (!at->steps->nav->go(&transform->reading, at->steps, &here))
		return RAMA_KEPT;
	value->collected = here.collected;
	return rama_change(transform, &rest, value);
}

/* rama_walk_filter() -- The same at a place. */
RamaOutcome
rama_walk_filter(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	RamaNext	rest = rama_next_after(at);
	RamaFocus	here;
	bool		found;

	rama_place_fresh(place, &here);
	rama_reading_begin(transform);
	found = at->steps->nav->go(&transform->reading, at->steps, &here);
	rama_reading_end(transform);
	if (!found)
		return RAMA_KEPT;
	place->collected = here.collected;
	return rama_walk(transform, &rest, place);
}

/* rama_change_nil() -- Here, or where that is null, the default, which is then written. */
RamaOutcome
rama_change_nil(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	const RamaStep *step = at->steps;
	RamaNext	rest = rama_next_after(at);
	RamaFocus	here = *value;
	bool		exists = rama_focus_exists(&here, transform->reading.snapshot);
	RamaOutcome outcome;
	JsonbValue	json;

	(void) step->nav->go(&transform->reading, step, &here);
	here.collected = value->collected;
	outcome = rama_change(transform, &rest, &here);
	if (outcome == RAMA_VOID || (outcome == RAMA_KEPT && exists))
		return outcome;
	if (!step->plain)
	{
		*value = here;
		return RAMA_CHANGED;
	}
	rama_value_json(transform, &here, &json);
	rama_value_conform(transform, step, value, &json);
	return RAMA_CHANGED;
}

/* rama_walk_nil() -- The same at a place. */
RamaOutcome
rama_walk_nil(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	RamaNext	rest = rama_next_after(at);
	RamaFocus	here;
	bool		exists;

	if (at->steps->plain)
		return rama_walk_in_memory(transform, at, place);
	rama_place_fresh(place, &here);
	rama_reading_begin(transform);
	exists = rama_focus_exists(&here, transform->reading.snapshot);
	rama_reading_end(transform);
	return exists ? rama_walk(transform, &rest, place) :
		rama_walk_in_memory(transform, at, place);
}

/* rama_change_none_to_val() -- A default where something is to be put. */
RamaOutcome
rama_change_none_to_val(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	RamaNext	rest = rama_next_after(at);
	RamaOutcome outcome;

	if (!value->isvoid)
		return rama_change(transform, &rest, value);
	rama_value_conform(transform, at->steps, value, &at->steps->args[0]);
	value->isvoid = false;
	outcome = rama_change(transform, &rest, value);
	return outcome == RAMA_KEPT ? RAMA_CHANGED : outcome;
}

/* rama_change_view() -- What is made of the value; what that becomes is written here. */
RamaOutcome
rama_change_view(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	RamaNext	rest = rama_next_after(at);
	RamaFocus	here = *value;
	RamaOutcome outcome;
	JsonbValue	json;

	(void) at->steps->nav->go(&transform->reading, at->steps, &here);
	here.collected = value->collected;
	outcome = rama_change(transform, &rest, &here);
	if (outcome != RAMA_CHANGED)
		return outcome;
	rama_value_json(transform, &here, &json);
	rama_value_conform(transform, at->steps, value, &json);
	return RAMA_CHANGED;
}

/* rama_change_cond() -- The path of the first condition that selects anything. */
RamaOutcome
rama_change_cond(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	const RamaStep *step = at->steps;
	RamaNext	rest = rama_next_after(at);

	for (int i = 0; i < step->nbranches; i += 2)
	{
		if (rama_branch_selects(&transform->reading, &step->branches[i], value))
		{
			RamaNext	branch = rama_next_branch(step, i + 1, &rest);

			return rama_change(transform, &branch, value);
		}
	}
	return RAMA_KEPT;
}

/* rama_walk_cond() -- The same at a place. */
RamaOutcome
rama_walk_cond(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	const RamaStep *step = at->steps;
	RamaNext	rest = rama_next_after(at);

	for (int i = 0; i < step->nbranches; i += 2)
	{
		RamaFocus	here;
		bool		found;

		rama_place_fresh(place, &here);
		rama_reading_begin(transform);
		found = rama_branch_selects(&transform->reading, &step->branches[i], &here);
		rama_reading_end(transform);
		if (found)
		{
			RamaNext	branch = rama_next_branch(step, i + 1, &rest);

			return rama_walk(transform, &branch, place);
		}
	}
	return RAMA_KEPT;
}

typedef RamaOutcome (*Apply) (RamaTransform *transform, const RamaNext *next,
							  RamaFocus *focus);

/*
 * The paths from that one on, one after the other; each finds what those before
 * it have made: nothing, where one has removed it.
 */
static RamaOutcome
change_branches(RamaTransform *transform, const RamaNext *at, int from, RamaFocus *value)
{
	const RamaStep *step = at->steps;
	RamaNext	rest = rama_next_after(at);
	const RamaNode *node = rama_value_node(step, value);
	const RamaCollected *collected = value->collected;
	bool		ispair = value->at == RAMA_AT_PAIR;
	bool		isvoid = value->isvoid;
	RamaOutcome result = RAMA_KEPT;

	for (int i = from; i < step->nbranches; i++)
	{
		RamaNext	branch = rama_next_branch(step, i, &rest);
		RamaOutcome outcome;

		value->collected = collected;
		value->isvoid = isvoid;
		outcome = rama_change(transform, &branch, value);
		if (outcome == RAMA_KEPT)
			continue;
		result = outcome;
		isvoid = outcome == RAMA_VOID;
		if (outcome == RAMA_CHANGED)
			continue;
		if (ispair)
			return RAMA_VOID;
		rama_focus_nothing(value, node);
	}
	value->collected = collected;
	value->isvoid = isvoid;
	return result;
}

/* rama_change_branches() -- One path after the other. */
RamaOutcome
rama_change_branches(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	return change_branches(transform, at, 0, value);
}

/* The place is to be removed; the paths from that one on find nothing there. */
static RamaOutcome
walk_removed(RamaTransform *transform, const RamaNext *at, int from, RamaFocus *place)
{
	RamaFocus	value = {.collected = place->collected};

	rama_focus_nothing(&value, rama_value_node(at->steps, place));
	value.isvoid = true;
	if (change_branches(transform, at, from, &value) != RAMA_CHANGED)
		return RAMA_VOID;
	rama_place_put(transform, place, &value);
	return RAMA_CHANGED;
}

/* rama_walk_branches() -- The same at a place. */
RamaOutcome
rama_walk_branches(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	const RamaStep *step = at->steps;
	RamaNext	rest = rama_next_after(at);
	const RamaCollected *collected = place->collected;
	RamaOutcome result = RAMA_KEPT;

	/* A pair's key may change between two of them, entries leave a part's bounds. */
	if (place->at == RAMA_AT_PAIR || (place->at == RAMA_AT_ROWS && place->ispart))
		return rama_walk_in_memory(transform, at, place);
	for (int i = 0; i < step->nbranches; i++)
	{
		RamaNext	branch = rama_next_branch(step, i, &rest);
		RamaOutcome outcome;

		place->collected = collected;
		outcome = rama_walk(transform, &branch, place);
		if (outcome == RAMA_VOID)
		{
			place->collected = collected;
			return walk_removed(transform, at, i + 1, place);
		}
		if (outcome == RAMA_CHANGED)
			result = RAMA_CHANGED;
	}
	place->collected = collected;
	return result;
}

/* The path that the name stands for, and then the rest. */
static RamaOutcome
apply_named(RamaTransform *transform, const RamaNext *at, RamaFocus *focus, Apply apply)
{
	const RamaBranch *bound = rama_named_branch(transform->reading.path, at->steps);
	RamaNext	rest = rama_next_after(at);
	RamaNext	branch = {.steps = bound->steps, .nsteps = bound->nsteps, .then = &rest};

	return apply(transform, &branch, focus);
}

/* rama_change_named() -- The steps of a named path. */
RamaOutcome
rama_change_named(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	return apply_named(transform, at, value, rama_change);
}

/* rama_walk_named() -- The same at a place. */
RamaOutcome
rama_walk_named(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	return apply_named(transform, at, place, rama_walk);
}

static RamaOutcome
apply_fresh(RamaTransform *transform, const RamaNext *at, RamaFocus *focus, Apply apply)
{
	RamaNext	rest = rama_next_after(at);
	RamaNext	branch = rama_next_branch(at->steps, 0, &rest);

	branch.fresh = true;
	branch.collected = focus->collected;
	focus->collected = NULL;
	return apply(transform, &branch, focus);
}

/* rama_change_fresh_collected() -- The path, with nothing collected before. */
RamaOutcome
rama_change_fresh_collected(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	return apply_fresh(transform, at, value, rama_change);
}

/* rama_walk_fresh_collected() -- The same at a place. */
RamaOutcome
rama_walk_fresh_collected(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	return apply_fresh(transform, at, place, rama_walk);
}

/* Values that take the places that a path selects, in order. */
typedef struct Refill
{
	RamaStep	step;			/* for what the schema has at these places */
	JsonbContainer *list;
	uint32		next;
} Refill;

/* The next value; there is none for the places that remain. */
static RamaOutcome
take_next(RamaTransform *transform, RamaFocus *value)
{
	Refill	   *refill = transform->arg;
	JsonbValue	old;
	JsonbValue *new;

	if (refill->next >= JsonContainerSize(refill->list))
		return RAMA_VOID;
	new = getIthJsonbValueFromContainer(refill->list, refill->next++);
	rama_value_json(transform, value, &old);
	if (rama_json_same(&old, new))
		return RAMA_KEPT;
	rama_value_conform(transform, &refill->step, value, new);
	return RAMA_CHANGED;
}

/* What has become of the list that a path selected: to the places of its values. */
static RamaOutcome
refill(RamaTransform *transform, const RamaStep *step, const RamaFocus *list, RamaFocus *focus,
	   Apply apply)
{
	const RamaBranch *branch = &step->branches[0];
	RamaTransform inner = *transform;
	RamaNext	next = {.steps = branch->steps, .nsteps = branch->nsteps};
	Refill		places = {.step = *step};
	RamaFocus	values = *list;
	JsonbValue	json;

	rama_value_json(transform, &values, &json);
	if (!rama_json_is_array(&json))
		rama_step_error(step, "the list becomes a list, not a %s", rama_json_kind(&json));
	places.step.in = branch->out;
	places.list = json.val.binary.data;
	inner.end = take_next;
	inner.arg = &places;
	return apply(&inner, &next, focus);
}

static void
set_empty(RamaFocus *list)
{
	JsonbValue	empty = {.type = jbvArray};

	rama_value_set(list, NULL, &empty);
}

/* rama_change_subselect() -- All that the path selects, as a list. */
RamaOutcome
rama_change_subselect(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	RamaNext	rest = rama_next_after(at);
	RamaFocus	list = *value;
	RamaOutcome outcome;

	(void) at->steps->nav->go(&transform->reading, at->steps, &list);
	list.collected = value->collected;
	outcome = rama_change(transform, &rest, &list);
	if (outcome == RAMA_KEPT)
		return RAMA_KEPT;
	if (outcome == RAMA_VOID)
		set_empty(&list);
	return refill(transform, at->steps, &list, value, rama_change);
}

/* rama_walk_subselect() -- The same from a place. */
RamaOutcome
rama_walk_subselect(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	RamaNext	rest = rama_next_after(at);
	RamaFocus	list;
	RamaOutcome outcome;
	JsonbValue	json;

	rama_place_fresh(place, &list);
	rama_reading_begin(transform);
	(void) at->steps->nav->go(&transform->reading, at->steps, &list);
	rama_value_json(transform, &list, &json);
	rama_reading_end(transform);
	rama_value_set(&list, at->steps->out.kind == RAMA_SHAPE_NODE ? at->steps->out.node : NULL,
				   &json);
	list.collected = place->collected;
	outcome = rama_change(transform, &rest, &list);
	if (outcome == RAMA_KEPT)
		return RAMA_KEPT;
	if (outcome == RAMA_VOID)
		set_empty(&list);
	return refill(transform, at->steps, &list, place, rama_walk);
}
