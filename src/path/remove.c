/*-------------------------------------------------------------------------
 *
 * remove.c
 *	  rama.remove(): remove what is at a place, with everything below it.
 *
 *-------------------------------------------------------------------------
 */
#include "path/write.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(rama_remove);

static bool
apply_remove(RamaEdit *edit, const RamaNode *node, const JsonbValue *old, JsonbValue **out)
{
	*out = NULL;
	return edit->there;
}

static bool
is_there(const RamaTarget *target, Snapshot snapshot)
{
	RamaFocus	focus;
	JsonbValue	json;

	rama_target_focus(target, &focus);
	if (target->node == target->pstate->root && target->node->storage == RAMA_IN_TABLE)
		return rama_focus_count(&focus, snapshot) > 0;
	if (focus.node && focus.node->kind == RAMA_STRUCT)
		return rama_focus_to_json(&focus, snapshot, &json);
	return rama_focus_exists(&focus, snapshot);
}

/* The outermost collection becomes empty, a single value is gone. */
static bool
remove_whole(const RamaTarget *target)
{
	RamaNode   *root = unconstify(RamaNode *, target->node);

	if (root->storage != RAMA_IN_TABLE)
		return rama_row_remove(root->table, NULL);
	if (!is_there(target, rama_write_snapshot()))
		return false;
	rama_collection_clear(root, NULL, true);
	return true;
}

/* A field becomes null. */
static bool
remove_field(const RamaTarget *target)
{
	RamaInput	null = {.form = RAMA_INPUT_NULL};

	if (!is_there(target, rama_write_snapshot()))
		return false;
	if (target->node->storage == RAMA_IN_TABLE)
		rama_collection_clear(unconstify(RamaNode *, target->node), target->keys, false);
	else
		rama_put_row(target->node, target->keys, &null);
	return true;
}

/*
 * rama_target_remove() -- Remove what is at a target; whether there was
 * something. Errors: those of rama.remove().
 */
bool
rama_target_remove(const RamaTarget *target)
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
	if (target.absent)
		PG_RETURN_BOOL(false);
	if (rama_target_remove(&target))
		PG_RETURN_BOOL(true);
	/* Somebody else has removed what this transaction can see. */
	if (IsolationUsesXactSnapshot() && is_there(&target, GetTransactionSnapshot()))
		rama_serialization_failure();
	PG_RETURN_BOOL(false);
}
