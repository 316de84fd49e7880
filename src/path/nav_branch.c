/*-------------------------------------------------------------------------
 *
 * nav_branch.c
 *	  Navigators that go on by other paths: if-path, cond-path, multi-path,
 *	  continue-then-stay, stay-then-continue, with-fresh-collected,
 *	  with-page-size, subselect.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

#include "utils/builtins.h"

/* rama_bind_if_path() -- [condition, then[, else]], all paths. */
void
rama_bind_if_path(RamaPath *path, RamaStep *step)
{
	for (int i = 0; i < step->nargs; i++)
	{
		/* Without condition of its own, else is what always holds. */
		if (i == 2)
			rama_branch_add_empty(step, step->in);
		rama_branch_add(path, step, i, step->in);
	}
	rama_branch_join(step, 1, 2);
}

/* rama_bind_cond_path() -- [condition, path, condition, path, ...] */
void
rama_bind_cond_path(RamaPath *path, RamaStep *step)
{
	if (step->nargs % 2 != 0)
		rama_step_error(step, "needs a path for each condition");
	for (int i = 0; i < step->nargs; i++)
		rama_branch_add(path, step, i, step->in);
	rama_branch_join(step, 1, 2);
}

/*
 * rama_open_cond_path() -- Go by the path of the first condition that selects
 * anything.
 */
void
rama_open_cond_path(RamaEval *eval, RamaFrame *frame)
{
	const RamaStep *step = frame->step;

	rama_branch_open(eval, frame);
	for (int i = 0; i < step->nbranches; i += 2)
	{
		if (!rama_branch_selects(eval, &step->branches[i], &frame->focus))
			continue;
		rama_branch_enter(eval, frame, &step->branches[i + 1]);
		return;
	}
}

/* rama_bind_multi_path() -- [path, ...] */
void
rama_bind_multi_path(RamaPath *path, RamaStep *step)
{
	for (int i = 0; i < step->nargs; i++)
		rama_branch_add(path, step, i, step->in);
	rama_branch_join(step, 0, 1);
}

/* rama_bind_continue_then_stay() -- [path]: where it leads to, then here. */
void
rama_bind_continue_then_stay(RamaPath *path, RamaStep *step)
{
	rama_branch_add(path, step, 0, step->in);
	rama_branch_add_empty(step, step->in);
	rama_branch_join(step, 0, 1);
}

/* rama_bind_stay_then_continue() -- [path]: here, then where it leads to. */
void
rama_bind_stay_then_continue(RamaPath *path, RamaStep *step)
{
	rama_branch_add_empty(step, step->in);
	rama_branch_add(path, step, 0, step->in);
	rama_branch_join(step, 0, 1);
}

/*
 * rama_bind_page_size() -- [size, path]: the path. Reads here are pulled one
 * value at a time, so that there are no pages.
 */
void
rama_bind_page_size(RamaPath *path, RamaStep *step)
{
	if (rama_step_int(step, 0) <= 0)
		rama_step_error(step, "a page has at least one element");
	rama_branch_add(path, step, 1, step->in);
	rama_branch_join(step, 0, 1);
}

/* rama_open_multi_path() -- Go by one path after the other. */
void
rama_open_multi_path(RamaEval *eval, RamaFrame *frame)
{
	rama_branch_open(eval, frame);
}

/* rama_next_multi_path() -- The next value of the first path that has one. */
bool
rama_next_multi_path(RamaEval *eval, RamaFrame *frame, RamaFocus *out)
{
	for (;;)
	{
		if (rama_branch_next(eval, frame, out))
			return true;
		if (frame->position >= frame->step->nbranches)
			return false;
		rama_branch_enter(eval, frame, &frame->step->branches[frame->position++]);
	}
}

/* rama_bind_fresh_collected() -- [path]: what it collects is forgotten after it. */
void
rama_bind_fresh_collected(RamaPath *path, RamaStep *step)
{
	rama_branch_add(path, step, 0, step->in);
	rama_branch_join(step, 0, 1);
}

/* rama_next_fresh_collected() -- As the path, with nothing collected before. */
bool
rama_next_fresh_collected(RamaEval *eval, RamaFrame *frame, RamaFocus *out)
{
	if (frame->position == 0)
	{
		frame->position = 1;
		rama_branch_enter(eval, frame, &frame->step->branches[0]);
		frame->nested->start.collected = NULL;
	}
	if (!rama_branch_next(eval, frame, out))
		return false;
	out->collected = frame->focus.collected;
	return true;
}

/* rama_bind_subselect() -- [path] */
void
rama_bind_subselect(RamaPath *path, RamaStep *step)
{
	rama_branch_add(path, step, 0, step->in);
	step->out = rama_shape_plain();
}

/* rama_go_subselect() -- All that the path selects, as one list. */
bool
rama_go_subselect(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	JsonbValue	list;

	rama_jsonb_to_json(rama_branch_list(eval, &step->branches[0], focus), &list);
	rama_focus_json(focus, NULL, &list);
	return true;
}
