/*-------------------------------------------------------------------------
 *
 * transform.c
 *	  rama.transform(), and the terminals that its paths end in.
 *
 *-------------------------------------------------------------------------
 */
#include "path/transform.h"

#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(rama_transform);

/* rama_next_after() -- What follows the step that comes next. */
RamaNext
rama_next_after(const RamaNext *at)
{
	RamaNext	rest = *at;

	rest.steps++;
	rest.nsteps--;
	return rest;
}

/* rama_next_branch() -- A branch of a step, and then what follows the step. */
RamaNext
rama_next_branch(const RamaStep *step, int branch, const RamaNext *then)
{
	RamaNext	next = {.then = then};

	next.steps = step->branches[branch].steps;
	next.nsteps = step->branches[branch].nsteps;
	return next;
}

static bool
is_terminal(const RamaStep *step)
{
	return step->nav->terminal;
}

/* Does the path go on from this branch? */
static bool
is_way_on(const RamaStep *step, int branch)
{
	if (step->nav->open == rama_open_cond_path)
		return branch % 2 == 1;
	return step->nav->open == rama_open_multi_path || step->nav->open == rama_open_named;
}

static void
terminal_misplaced(const RamaStep *step, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("step %d of the path (%s): a terminal does not belong here",
					step->position, step->nav->names[0]),
			 errhint("%s", hint)));
}

static void
forbid_terminals(const RamaStep *steps, int nsteps)
{
	for (int i = 0; i < nsteps; i++)
	{
		if (is_terminal(&steps[i]))
			terminal_misplaced(&steps[i], "A path that only reads has no terminal.");
		if (steps[i].nav->go == rama_go_transformed)
			continue;
		for (int j = 0; j < steps[i].nbranches; j++)
			forbid_terminals(steps[i].branches[j].steps, steps[i].branches[j].nsteps);
	}
}

static bool ends_in_terminal(const RamaStep *steps, int nsteps);

/* Do the branches of a step that go on end in terminals: all, or none? */
static bool
branches_end(const RamaStep *step)
{
	int			with = 0;
	int			without = 0;

	for (int i = 0; i < step->nbranches; i++)
	{
		const RamaBranch *branch = &step->branches[i];

		if (!is_way_on(step, i))
		{
			if (step->nav->go != rama_go_transformed)
				forbid_terminals(branch->steps, branch->nsteps);
		}
		else if (ends_in_terminal(branch->steps, branch->nsteps))
			with++;
		else if (!branch->never)
			without++;
	}
	if (with > 0 && without > 0)
		rama_step_error(step, "of its paths, some end in a terminal, and some do not");
	return with > 0;
}

static bool
ends_in_terminal(const RamaStep *steps, int nsteps)
{
	check_stack_depth();
	for (int i = 0; i < nsteps; i++)
	{
		const RamaStep *step = &steps[i];

		if (!is_terminal(step) && !branches_end(step))
			continue;
		if (i == nsteps - 1)
			return true;
		if (is_terminal(step))
			terminal_misplaced(step, "Nothing may follow a terminal.");
		rama_step_error(step, "its paths end in terminals, so nothing may follow it");
	}
	return false;
}

/*
 * rama_transform_check() -- Error (22023) unless each branch of the path ends
 * in exactly one terminal.
 */
void
rama_transform_check(const RamaStep *steps, int nsteps)
{
	if (!ends_in_terminal(steps, nsteps))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the path to transform has no terminal at its end"),
				 errhint("End it, and each of its branches, with [\"term\", function, ...], "
						 "[\"term-val\", value] or [\"NONE>\"].")));
}

static void
require_transform(const RamaPath *path, const RamaStep *step)
{
	if (!path->terminals)
		terminal_misplaced(step, "Paths with terminals are for rama.transform.");
}

/* rama_bind_term() -- [function, arguments...] */
void
rama_bind_term(RamaPath *path, RamaStep *step)
{
	require_transform(path, step);
	/* What was collected comes before the value: their number is not known. */
	rama_call_add(path, step, &step->args[0], step->nargs - 1, step->args + 1, NULL);
	step->out = step->in;
}

/* rama_bind_term_val() -- [value] */
void
rama_bind_term_val(RamaPath *path, RamaStep *step)
{
	require_transform(path, step);
	step->out = step->in;
}

/* rama_bind_term_void() -- No arguments. */
void
rama_bind_term_void(RamaPath *path, RamaStep *step)
{
	require_transform(path, step);
	step->out = step->in;
}

/* rama_change_term() -- The function's result, with what is collected first. */
RamaOutcome
rama_change_term(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	const RamaStep *step = at->steps;
	RamaFocus	here = *value;
	JsonbValue	json;
	JsonbValue	result;

	if (value->collected == NULL)
		rama_call_part(&step->calls[0], &here, transform->reading.snapshot);
	rama_value_json(transform, &here, &json);
	(void) rama_call_collected(step, &step->calls[0], value->collected, &json, &result);
	rama_value_conform(transform, step, value, &result);
	return RAMA_CHANGED;
}

/* rama_change_term_val() -- The constant. */
RamaOutcome
rama_change_term_val(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	rama_value_conform(transform, at->steps, value, &at->steps->args[0]);
	return RAMA_CHANGED;
}

/* rama_change_term_void() -- To be removed. */
RamaOutcome
rama_change_term_void(RamaTransform *transform, const RamaNext *at, RamaFocus *value)
{
	return RAMA_VOID;
}

/* Does what follows the navigator write to the same collection, or a part of it? */
static bool
keeps_place(const RamaNavigator *nav)
{
	return nav->change == rama_change_filter || nav->change == rama_change_nil ||
		nav->change == rama_change_none_to_val || nav->change == rama_change_view ||
		nav->change == rama_change_part || nav->change == rama_change_subselect ||
		nav->change == rama_change_continuous_subseqs || nav->change == rama_change_named;
}

static bool removes(const RamaStep *steps, int nsteps, bool *whole);

/* The paths of a step; *whole as it is behind the step. */
static bool
branches_remove(const RamaStep *step, bool *whole)
{
	const RamaNavigator *nav = step->nav;
	bool		goes_on = step->nbranches > 0 &&
		(nav->change == rama_change_branches || nav->change == rama_change_cond ||
		 nav->change == rama_change_named || nav->change == rama_change_fresh_collected);
	bool		stays = false;

	for (int i = 0; i < step->nbranches; i++)
	{
		bool		here = goes_on && *whole;

		if (removes(step->branches[i].steps, step->branches[i].nsteps, &here))
			return true;
		stays = stays || here;
	}
	*whole = goes_on ? stays : *whole && keeps_place(nav);
	return false;
}

/*
 * Does the path remove, or write to the whole, or to a part of the outermost
 * collection, whose entries may then be fewer? *whole: is it there yet.
 */
static bool
removes(const RamaStep *steps, int nsteps, bool *whole)
{
	for (int i = 0; i < nsteps; i++)
	{
		if (steps[i].nav->change == rama_change_term_void)
			return true;
		if (is_terminal(&steps[i]))
			return *whole;
		if (branches_remove(&steps[i], whole))
			return true;
	}
	return false;
}

/* What the path needs besides what all need. */
static AclMode
needed_to_remove(const RamaPath *path)
{
	bool		whole = true;

	return removes(path->steps, path->nsteps, &whole) ? ACL_DELETE : 0;
}

static void
transform_root(RamaPath *path)
{
	RamaTransform transform = {.end = NULL};
	RamaNext	next = {.steps = path->steps, .nsteps = path->nsteps};
	RamaFocus	place;

	transform.reading.path = path;
	transform.reading.context = CurrentMemoryContext;
	memset(&place, 0, sizeof(place));
	rama_focus_root(&place, path->pstate);
	path->users++;
	if (rama_walk(&transform, &next, &place) == RAMA_VOID)
		(void) rama_place_remove(&transform, &place);
	path->users--;
}

/*
 * rama.transform(pstate, path)
 */
Datum
rama_transform(PG_FUNCTION_ARGS)
{
	Jsonb	   *json = PG_GETARG_JSONB_P(1);
	RamaPState *pstate = rama_pstate_get(PG_GETARG_OID(0));
	RamaPath   *path = rama_path_get_transform(pstate, json);
	/* As for UPDATE ... WHERE: which places are changed tells what they hold. */
	const AclMode needed = ACL_SELECT | ACL_INSERT | ACL_UPDATE;
	MemoryContext context;
	MemoryContext caller;

	rama_pstate_begin_write(pstate, needed | needed_to_remove(path));
	/* It may have changed while we waited for the lock. */
	pstate = rama_pstate_get(PG_GETARG_OID(0));
	path = rama_path_get_transform(pstate, json);
	context = AllocSetContextCreate(CurrentMemoryContext, "pg_rama transform",
									ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(context);
	transform_root(path);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	PG_RETURN_VOID();
}

/* rama_bind_transformed() -- [path], which ends in terminals. */
void
rama_bind_transformed(RamaPath *path, RamaStep *step)
{
	bool		terminals = path->terminals;

	path->terminals = true;
	rama_branch_add(path, step, 0, step->in);
	path->terminals = terminals;
	rama_transform_check(step->branches[0].steps, step->branches[0].nsteps);
	step->out = rama_shape_plain();
}

/* A place becomes its value, in memory, with all that is below it. */
static void
load_value(RamaTransform *transform, const RamaNode *node, RamaFocus *value)
{
	const RamaNode *rows = value->at == RAMA_AT_ROWS && value->ispart ? value->node : NULL;
	JsonbValue	json;

	if (value->at == RAMA_AT_PAIR)
	{
		RamaFocus  *second = palloc(sizeof(RamaFocus));

		*second = *value->second;
		load_value(transform, second->node ? rama_shape_of_node(second->node).node : NULL,
				   second);
		value->second = second;
		return;
	}
	if (value->at == RAMA_AT_ENTRIES)
	{
		rama_entries_focus(value, rama_entries_copy(value->entries, 0,
													transform->reading.snapshot));
		return;
	}
	rama_value_json(transform, value, &json);
	if (rows)
		rama_entries_focus(value, rama_entries_given(rows, &json));
	else
		rama_value_set(value, node, &json);
}

/* rama_go_transformed() -- What becomes of the value; nothing is stored. */
bool
rama_go_transformed(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	RamaTransform transform = {.end = NULL};
	RamaFocus	value = *focus;
	const RamaNode *node = rama_value_node(step, focus);

	transform.reading = *eval;
	/* Where paths have joined, a scalar is read without its schema. */
	if (step->in.kind == RAMA_SHAPE_PLAIN && node && node->kind == RAMA_SCALAR)
		node = NULL;
	load_value(&transform, node, &value);
	value.collected = NULL;
	value.isvoid = false;
	if (rama_change_steps(&transform, step->branches[0].steps, step->branches[0].nsteps,
						  &value) == RAMA_VOID)
		rama_focus_nothing(&value, NULL);
	rama_focus_plain(&value, eval->snapshot);
	value.collected = focus->collected;
	*focus = value;
	return true;
}
