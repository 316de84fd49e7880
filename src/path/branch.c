/*-------------------------------------------------------------------------
 *
 * branch.c
 *	  Arguments of navigators that are paths.
 *
 * A branch is bound from the shape at its step and evaluated by an evaluation
 * of its own, from the focus of the step. Questions (does it select anything?)
 * are answered in a context that goes with the answer; where the path goes on
 * from what a branch yields, the frame of the step holds its evaluation.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

#include "miscadmin.h"
#include "utils/memutils.h"

static RamaBranch *
new_branch(RamaStep *step, RamaShape in)
{
	RamaBranch *branch;

	step->branches = step->nbranches == 0 ? palloc(sizeof(RamaBranch)) :
		repalloc(step->branches, sizeof(RamaBranch) * (step->nbranches + 1));
	branch = &step->branches[step->nbranches++];
	memset(branch, 0, sizeof(RamaBranch));
	branch->in = branch->out = in;
	return branch;
}

/*
 * rama_branch_add() -- Bind an argument that is a path, from a shape.
 *
 * Errors (22023 where it is no array of steps, and those of binding) name the
 * step that it is an argument of.
 */
void
rama_branch_add(RamaPath *path, RamaStep *step, int arg, RamaShape in)
{
	RamaBranch *branch;
	RamaWhere	where;

	check_stack_depth();
	if (step->args[arg].type != jbvBinary || !rama_json_is_array(&step->args[arg]))
		rama_step_error(step, "argument %d is a path: an array of steps, not a %s", arg + 1,
						rama_json_kind(&step->args[arg]));
	branch = new_branch(step, in);
	rama_where_push(&where, RAMA_IN_STEP, step->position);
	branch->steps = rama_path_parse(step->args[arg].val.binary.data, &branch->nsteps);
	rama_steps_bind(path, branch->steps, branch->nsteps, &branch->out);
	rama_where_pop(&where);
	for (int i = 0; i < branch->nsteps; i++)
		if (branch->steps[i].nav->go == rama_go_stop)
			branch->never = true;
}

/* rama_branch_add_empty() -- A branch that stays where it is. */
void
rama_branch_add_empty(RamaStep *step, RamaShape in)
{
	(void) new_branch(step, in);
}

/* rama_branch_add_steps() -- A branch of steps that the navigator is made of. */
void
rama_branch_add_steps(RamaPath *path, RamaStep *step, RamaStep *steps, int nsteps,
					  RamaShape in)
{
	RamaBranch *branch = new_branch(step, in);

	branch->nsteps = nsteps;
	branch->steps = steps;
	rama_steps_bind(path, steps, nsteps, &branch->out);
}

/*
 * rama_branch_join() -- What a step yields whose branches first, first +
 * stride, ... the path goes on from: their shape where it is one and the same,
 * or else plain data.
 */
void
rama_branch_join(RamaStep *step, int first, int stride)
{
	const RamaBranch *any = NULL;

	step->out = rama_shape_plain();
	for (int i = first; i < step->nbranches; i += stride)
	{
		const RamaBranch *branch = &step->branches[i];

		if (branch->never)
			continue;
		if (any == NULL)
			any = branch;
		else if (any->out.kind != branch->out.kind || any->out.node != branch->out.node)
		{
			step->plain = true;
			return;
		}
	}
	if (any)
		step->out = any->out;
	else
		step->out = step->in;
}

/*
 * rama_branch_selects() -- Does the branch focus anything? Only the first
 * value is looked for; nothing that is collected is seen there.
 */
bool
rama_branch_selects(RamaEval *eval, const RamaBranch *branch, const RamaFocus *focus)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pg_rama branch",
												  ALLOCSET_SMALL_SIZES);
	RamaFocus	start = *focus;
	RamaFocus	out;
	RamaEval	nested;
	bool		found;

	start.collected = NULL;
	rama_eval_init_branch(&nested, eval, branch, &start, context);
	found = rama_eval_next(&nested, &out);
	rama_eval_end(&nested);
	MemoryContextDelete(context);
	return found;
}

/*
 * rama_branch_list() -- All that the branch focuses, as an array in the
 * current memory context.
 *
 * Error (54000) past pg_rama.max_value_elements.
 */
Jsonb *
rama_branch_list(RamaEval *eval, const RamaBranch *branch, const RamaFocus *focus)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "pg_rama branch",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext item = AllocSetContextCreate(context, "pg_rama branch item",
											   ALLOCSET_SMALL_SIZES);
	JsonbParseState *state = NULL;
	RamaFocus	start = *focus;
	RamaFocus	out;
	RamaEval	nested;
	int64		count = 0;
	JsonbValue *list;

	start.collected = NULL;
	rama_eval_init_branch(&nested, eval, branch, &start, context);
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	while (rama_eval_next(&nested, &out))
	{
		JsonbValue	json;
		Jsonb	   *element;

		rama_check_elements(++count);
		MemoryContextSwitchTo(item);
		(void) rama_focus_to_json_collected(&out, nested.snapshot, &json);
		MemoryContextSwitchTo(context);
		element = rama_json_to_jsonb(&json);
		rama_jsonb_to_json(element, &json);
		MemoryContextSwitchTo(caller);
		pushJsonbValue(&state, WJB_ELEM, &json);
		MemoryContextReset(item);
	}
	list = pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	rama_eval_end(&nested);
	{
		Jsonb	   *result = JsonbValueToJsonb(list);

		MemoryContextDelete(context);
		return result;
	}
}

/*
 * rama_branch_one() -- The one value that the branch focuses, in the current
 * memory context; false where it focuses none, or a null.
 *
 * Error (P0003) where it focuses several.
 */
bool
rama_branch_one(RamaEval *eval, const RamaStep *step, const RamaBranch *branch,
				const RamaFocus *focus, JsonbValue *json)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pg_rama branch",
												  ALLOCSET_SMALL_SIZES);
	RamaFocus	start = *focus;
	RamaFocus	out;
	RamaEval	nested;
	bool		found;

	start.collected = NULL;
	rama_eval_init_branch(&nested, eval, branch, &start, context);
	found = rama_eval_next(&nested, &out) &&
		rama_focus_to_json_collected(&out, nested.snapshot, json);
	if (found)
		rama_jsonb_to_json(rama_json_to_jsonb(json), json);
	if (rama_eval_next(&nested, &out))
		ereport(ERROR,
				(errcode(ERRCODE_TOO_MANY_ROWS),
				 errmsg("step %d of the path (%s): the path selects more than one value",
						step->position, step->nav->names[0])));
	rama_eval_end(&nested);
	MemoryContextDelete(context);
	return found;
}

/* rama_branch_open() -- For frames that go into one branch after the other. */
void
rama_branch_open(RamaEval *eval, RamaFrame *frame)
{
	frame->position = 0;
	frame->nested = NULL;
	if (frame->nestedcontext == NULL)
		frame->nestedcontext = AllocSetContextCreate(eval->context, "pg_rama branch",
													 ALLOCSET_SMALL_SIZES);
}

/* rama_branch_enter() -- Begin to evaluate a branch from the frame's focus. */
void
rama_branch_enter(RamaEval *eval, RamaFrame *frame, const RamaBranch *branch)
{
	RamaEval   *nested;

	MemoryContextReset(frame->nestedcontext);
	nested = MemoryContextAlloc(frame->nestedcontext, sizeof(RamaEval));
	rama_eval_init_branch(nested, eval, branch, &frame->focus, frame->nestedcontext);
	frame->nested = nested;
}

/*
 * rama_branch_next() -- The next value of the branch that was entered; false,
 * and the branch is left, at its end.
 */
bool
rama_branch_next(RamaEval *eval, RamaFrame *frame, RamaFocus *out)
{
	RamaEval   *nested = frame->nested;

	if (nested == NULL)
		return false;
	if (rama_eval_next(nested, out))
		return true;
	frame->nested = NULL;
	rama_eval_end(nested);
	return false;
}
