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
#include "path/reads.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

static void
init_steps(RamaEval *eval, RamaPath *path, const RamaStep *steps, int nsteps,
		   MemoryContext context)
{
	memset(eval, 0, sizeof(*eval));
	eval->path = path;
	eval->steps = steps;
	eval->nsteps = nsteps;
	eval->context = context;
	eval->depth = -1;
	if (nsteps > 0)
		eval->frames = MemoryContextAllocZero(context, sizeof(RamaFrame) * nsteps);
}

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
	MemoryContext old = MemoryContextSwitchTo(context);

	init_steps(eval, path, path->steps, path->nsteps, context);
	path->users++;
	rama_focus_root(&eval->start, path->pstate);
	MemoryContextSwitchTo(old);
	eval->registered = registered;
	eval->snapshot = GetActiveSnapshot();
	if (registered)
		eval->snapshot = RegisterSnapshot(eval->snapshot);
	if (rama_reads)
		rama_reads_note_path(path);
}

/*
 * rama_eval_init_branch() -- Prepare to evaluate a branch from a focus, with
 * the snapshot of the evaluation that came there.
 *
 * The focus must live as long as the evaluation, and what of it is read (a
 * row) is kept where the focus is. Values collected so far are carried on.
 */
void
rama_eval_init_branch(RamaEval *eval, const RamaEval *outer, const RamaBranch *branch,
					  const RamaFocus *start, MemoryContext context)
{
	init_steps(eval, outer->path, branch->steps, branch->nsteps, context);
	eval->nested = true;
	eval->start = *start;
	eval->snapshot = outer->snapshot;
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
	if (frame->nested)
	{
		RamaEval   *nested = frame->nested;

		frame->nested = NULL;
		rama_eval_end(nested);
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
	if (!eval->nested)
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
	frame->step = &eval->steps[i];
	frame->focus = *focus;
	frame->step->nav->open(eval, frame);
	frame->below = eval->depth;
	eval->depth = i;
}

/* The collection of the schema that is at a focus, or NULL. */
static const RamaNode *
collection_of(const RamaFocus *focus)
{
	const RamaNode *node = focus->node;

	if (focus->at == RAMA_AT_ENTRIES)
		node = focus->entries->node;
	else if (focus->at == RAMA_AT_DATUM || focus->at == RAMA_AT_PAIR)
		node = NULL;
	return node && node->kind != RAMA_SCALAR && node->kind != RAMA_STRUCT ? node : NULL;
}

/*
 * rama_step_check_kind() -- Error (22023) where paths of different shapes have
 * joined, and a step comes to what it cannot be applied to. Of other places
 * that was said when the path was bound.
 */
void
rama_step_check_kind(const RamaStep *step, const RamaFocus *focus)
{
	RamaSchemaKind needs = step->nav->needs;
	const RamaNode *node;

	if (step->in.kind != RAMA_SHAPE_PLAIN || needs == RAMA_SCALAR)
		return;
	node = collection_of(focus);
	if (node && node->kind != needs)
		rama_step_error(step, "needs a %s, and this is %s",
						needs == RAMA_MAP ? "map" : needs == RAMA_SET ? "set" : "vector",
						rama_shape_name(rama_shape_of_node(node)));
}

/*
 * rama_eval_fit() -- Where paths of different shapes have joined, a focus may
 * still know its schema. A navigator with keys that are bound to plain data
 * gets it as such; others walk over it as it is stored.
 */
void
rama_eval_fit(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	if (step->in.kind == RAMA_SHAPE_PLAIN && step->nav->keyed && focus->node != NULL)
		rama_focus_plain(focus, eval->snapshot);
	rama_step_check_kind(step, focus);
}

/*
 * Apply steps from i on. True with the value at the end of the path; false
 * where there is none, or where a frame was opened to pull from.
 */
static bool
apply_steps(RamaEval *eval, int i, RamaFocus *focus)
{
	for (; i < eval->nsteps; i++)
	{
		const RamaStep *step = &eval->steps[i];

		rama_eval_fit(eval, step, focus);
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
		focus->collected = frame->focus.collected;
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
 * The focus is good until the next call. Error (54001) where paths within
 * paths are too deep.
 */
bool
rama_eval_next(RamaEval *eval, RamaFocus *out)
{
	MemoryContext caller = MemoryContextSwitchTo(current_items(eval));
	bool		found;

	check_stack_depth();
	if (!eval->started)
	{
		eval->started = true;
		*out = eval->start;
		found = apply_steps(eval, 0, out);
	}
	else
		found = false;

	while (!found && pull(eval, out))
		found = apply_steps(eval, eval->depth + 1 + eval->frames[eval->depth].nsettled, out);
	MemoryContextSwitchTo(caller);
	return found;
}
