/*-------------------------------------------------------------------------
 *
 * remove.c
 *	  rama.remove(): remove what is at a place, with everything below it.
 *
 *-------------------------------------------------------------------------
 */
#include "path/write.h"

#include "catalog/pg_type.h"

PG_FUNCTION_INFO_V1(rama_remove);

static bool
apply_remove(RamaEdit *edit, const RamaNode *node, const JsonbValue *old, JsonbValue **out)
{
	*out = NULL;
	return old != NULL;
}

static bool
is_there(const RamaTarget *target)
{
	RamaFocus	focus;
	JsonbValue	json;

	rama_target_focus(target, &focus);
	if (focus.node && focus.node->kind == RAMA_STRUCT)
		return rama_focus_to_json(&focus, rama_write_snapshot(), &json);
	return rama_focus_exists(&focus, rama_write_snapshot());
}

/* The outermost collection becomes empty, a single value is gone. */
static bool
remove_whole(const RamaTarget *target)
{
	RamaNode   *root = unconstify(RamaNode *, target->node);
	RamaFocus	focus;

	if (root->storage != RAMA_IN_TABLE)
		return rama_row_remove(root->table, NULL);
	rama_target_focus(target, &focus);
	if (rama_focus_count(&focus, rama_write_snapshot()) == 0)
		return false;
	rama_collection_clear(root, NULL, true);
	return true;
}

/* A field becomes null. */
static bool
remove_field(const RamaTarget *target)
{
	RamaInput	null = {.form = RAMA_INPUT_NULL};

	if (!is_there(target))
		return false;
	if (target->node->storage == RAMA_IN_TABLE)
		rama_collection_clear(unconstify(RamaNode *, target->node), target->keys, false);
	else
		rama_put_row(target->node, target->keys, &null);
	return true;
}

static bool
remove_target(const RamaTarget *target)
{
	if (target->column)
	{
		RamaEdit	edit = {.apply = apply_remove};

		return rama_target_edit(target, &edit);
	}
	if (target->node == target->pstate->root)
		return remove_whole(target);
	if (target->collection)
		return rama_row_remove(target->collection->table, target->keys);
	return remove_field(target);
}

/*
 * rama.remove(pstate, keys...) -- Whether there was something.
 */
Datum
rama_remove(PG_FUNCTION_ARGS)
{
	RamaArgs	args;
	RamaPState *pstate = rama_write_call(fcinfo, ACL_DELETE, 0, 0, &args);
	RamaTarget	target;

	rama_target_find(&target, pstate, &args, false);
	PG_RETURN_BOOL(!target.absent && remove_target(&target));
}
