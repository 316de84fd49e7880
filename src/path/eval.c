/*-------------------------------------------------------------------------
 *
 * eval.c
 *	  Evaluates a path: a stack of iterators, pulled for one value at a time.
 *
 * A step that yields at most one value is applied in passing. A step that
 * yields several opens a frame; the value that it yields lives in the frame's
 * context, together with all that later steps make of it, until the next one
 * is pulled.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

#include "utils/memutils.h"
#include "utils/snapmgr.h"

/*
 * rama_eval_init() -- Prepare to evaluate a path with the active snapshot.
 *
 * context holds what the evaluation needs between two values. registered:
 * the values are pulled by several calls, so the snapshot is registered until
 * rama_eval_end().
 */
void
rama_eval_init(RamaEval *eval, RamaPath *path, bool registered, MemoryContext context)
{
	memset(eval, 0, sizeof(*eval));
	eval->path = path;
	path->users++;
	eval->registered = registered;
	eval->context = context;
	eval->depth = -1;
	eval->frames = MemoryContextAllocZero(context, sizeof(RamaFrame) * Max(path->nsteps, 1));
	eval->snapshot = GetActiveSnapshot();
	if (registered)
		eval->snapshot = RegisterSnapshot(eval->snapshot);
}

static void
close_frame(RamaFrame *frame)
{
	if (frame->scan)
	{
		RamaScan   *scan = frame->scan;

		frame->scan = NULL;
		rama_scan_end(scan);
	}
}

/* rama_eval_end() -- Close what is open. Not to be called after an error. */
void
rama_eval_end(RamaEval *eval)
{
	for (; eval->depth >= 0; eval->depth = eval->frames[eval->depth].below)
		close_frame(&eval->frames[eval->depth]);
	if (eval->registered && eval->snapshot)
		UnregisterSnapshot(eval->snapshot);
	eval->snapshot = NULL;
	eval->path->users--;
}

static MemoryContext
current_items(RamaEval *eval)
{
	return eval->depth < 0 ? eval->context : eval->frames[eval->depth].items;
}

static void
open_frame(RamaEval *eval, int i, const RamaFocus *focus)
{
	RamaFrame  *frame = &eval->frames[i];

	if (frame->items == NULL)
		frame->items = AllocSetContextCreate(eval->context, "pg_rama path item",
											 ALLOCSET_SMALL_SIZES);
	frame->step = &eval->path->steps[i];
	frame->focus = *focus;
	frame->step->nav->open(eval, frame);
	frame->below = eval->depth;
	eval->depth = i;
}

/*
 * Apply steps from i on. True with the value at the end of the path; false
 * where there is none, or where a frame was opened to pull from.
 */
static bool
apply_steps(RamaEval *eval, int i, RamaFocus *focus)
{
	for (; i < eval->path->nsteps; i++)
	{
		const RamaStep *step = &eval->path->steps[i];

		if (step->nav->open)
		{
			open_frame(eval, i, focus);
			return false;
		}
		if (!step->nav->go(eval, step, focus))
			return false;
	}
	return true;
}

/* The next value of the innermost frame that has one; closes those that do not. */
static bool
pull(RamaEval *eval, RamaFocus *focus)
{
	while (eval->depth >= 0)
	{
		RamaFrame  *frame = &eval->frames[eval->depth];

		MemoryContextReset(frame->items);
		MemoryContextSwitchTo(frame->items);
		if (frame->step->nav->next(eval, frame, focus))
			return true;
		close_frame(frame);
		eval->depth = frame->below;
	}
	return false;
}

/*
 * rama_eval_next() -- The next value that the path focuses; false at the end.
 *
 * The focus is good until the next call.
 */
bool
rama_eval_next(RamaEval *eval, RamaFocus *out)
{
	MemoryContext caller = MemoryContextSwitchTo(current_items(eval));
	bool		found;

	if (!eval->started)
	{
		eval->started = true;
		rama_focus_root(out, eval->path->pstate);
		found = apply_steps(eval, 0, out);
	}
	else
		found = false;

	while (!found && pull(eval, out))
		found = apply_steps(eval, eval->depth + 1, out);
	MemoryContextSwitchTo(caller);
	return found;
}
