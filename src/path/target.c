/*-------------------------------------------------------------------------
 *
 * target.c
 *	  The place that a writing function's keys lead to.
 *
 *-------------------------------------------------------------------------
 */
#include "path/write.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

/*
 * rama_write_call() -- The start of every writing function: its PState,
 * locked for writing, and its keys, which are followed by nvalues values.
 *
 * whole: further privileges that are needed without keys.
 */
RamaPState *
rama_write_call(FunctionCallInfo fcinfo, AclMode needed, AclMode whole,
				int nvalues, RamaArgs *args)
{
	RamaPState *pstate;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the PState and its keys must not be null")));
	pstate = rama_pstate_get(PG_GETARG_OID(0));
	rama_args_of_array(PG_GETARG_ARRAYTYPE_P(1), args);
	if (args->count < nvalues)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no value is given")));
	args->count -= nvalues;
	rama_pstate_begin_write(pstate, args->count == 0 ? needed | whole : needed);
	/* It may have changed while we waited for the lock. */
	return rama_pstate_get(PG_GETARG_OID(0));
}

/* rama_target_focus() -- The same place for reading. */
void
rama_target_focus(const RamaTarget *target, RamaFocus *focus)
{
	const RamaNode *node = target->column ? target->column : target->node;
	RamaPlaceRow *row = NULL;

	if (node->storage != RAMA_IN_TABLE)
	{
		row = palloc0(sizeof(RamaPlaceRow));
		row->table = node->table;
		row->keys = target->keys;
	}
	rama_focus_node(focus, node, row, target->keys);
	for (int i = 0; i < target->ninner; i++)
		rama_focus_key(focus, &target->inner[i].key, rama_write_snapshot());
}

static void
add_inner(RamaTarget *target, const RamaNode *node, const RamaKey *key)
{
	RamaInnerKey *inner;

	if (target->inner == NULL)
		target->inner = palloc(sizeof(RamaInnerKey));
	else
		target->inner = repalloc(target->inner,
								 sizeof(RamaInnerKey) * (target->ninner + 1));
	inner = &target->inner[target->ninner++];
	inner->node = node;
	inner->key = *key;
}

/*
 * rama_target_check_element() -- Before something is written below an element
 * of a vector: make it if it is the next one; error (2202E) if it is beyond.
 */
void
rama_target_check_element(const RamaTarget *target)
{
	const RamaNode *vector = target->collection;
	TupleTableSlot *slot = NULL;

	if (!target->creates || vector == NULL || vector->storage != RAMA_IN_TABLE || vector->kind != RAMA_VECTOR ||
		vector->table->nchildren == 0)
		return;
	if (!rama_row_fetch(vector->table, target->keys, rama_write_snapshot(), &slot))
		(void) rama_row_put(vector->table, target->keys, 0, NULL, NULL, NULL);
	ExecDropSingleTupleTableSlot(slot);
}

static void
go_table_key(RamaTarget *target, const RamaNode *node, Datum key)
{
	Datum	   *keys = palloc(sizeof(Datum) * (target->nkeys + 1));

	if (target->nkeys > 0)
		memcpy(keys, target->keys, sizeof(Datum) * target->nkeys);
	keys[target->nkeys++] = key;
	target->keys = keys;
	target->collection = node;
	if (node->kind == RAMA_SET)
	{
		target->iselement = true;
		target->node = NULL;
	}
	else
		target->node = node->children[0];
}

static void
nothing_below(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is nothing below %s", what)));
}

static bool
is_plain(const RamaNode *node)
{
	return node == NULL || (node->kind == RAMA_SCALAR && node->type.oid == JSONBOID);
}

static void
go_json_key(RamaTarget *target, const RamaNode *node, const RamaKey *key)
{
	if (target->column == NULL)
		target->column = node;
	add_inner(target, is_plain(node) ? NULL : node, key);
	target->collection = node;
	if (is_plain(node))
		target->node = NULL;
	else if (node->kind == RAMA_SET)
	{
		target->iselement = true;
		target->node = NULL;
	}
	else
		target->node = node->children[node->kind == RAMA_STRUCT ? key->field : 0];
	if (target->node && is_plain(target->node))
		target->node = NULL;
}

static void
go_value(RamaTarget *target, const RamaInput *input)
{
	const RamaNode *node = target->node;
	RamaKey		key;

	if (target->iselement)
		nothing_below("an element of a set");
	rama_target_check_element(target);
	if (target->ninner > 0 ? node == NULL : is_plain(node))
	{
		rama_input_to_plain_key(input, &key);
		go_json_key(target, node, &key);
		return;
	}
	rama_input_to_node_key(input, node, &key);
	if (node->storage == RAMA_IN_TABLE)
		go_table_key(target, node, key.datum);
	else if (node->storage == RAMA_IN_ROW)
	{
		target->node = node->children[key.field];
		target->collection = NULL;
	}
	else
		go_json_key(target, node, &key);
}

static void
not_a_key(const RamaStep *step)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("navigator \"%s\" is not supported among the keys of a write in this version",
					step->nav->names[0]),
			 errhint("Keys, and [\"must\", key], [\"nth\", index], [\"first\"] and [\"last\"] of a vector are.")));
}

/* first and last: the index of an element that is there. */
static void
go_end(RamaTarget *target, const RamaStep *step, bool last)
{
	RamaInput	index = {.form = RAMA_INPUT_SQL, .type = INT8OID};
	RamaFocus	focus;
	int64		count;

	if (target->node == NULL || target->node->kind != RAMA_VECTOR)
		not_a_key(step);
	rama_target_focus(target, &focus);
	count = rama_focus_count(&focus, rama_write_snapshot());
	if (count == 0)
	{
		target->absent = true;
		return;
	}
	index.datum = Int64GetDatum(last ? count - 1 : 0);
	go_value(target, &index);
}

/* Is there what the last key of a target in parent leads to, be it a null entry? */
static bool
is_there(const RamaTarget *target, const RamaNode *parent)
{
	RamaTarget	enclosing = *target;
	RamaFocus	focus;

	if (target->ninner > 0)
	{
		enclosing.ninner--;
		rama_target_focus(&enclosing, &focus);
		return rama_focus_must(&focus, &target->inner[target->ninner - 1].key,
							   rama_write_snapshot());
	}
	rama_target_focus(target, &focus);
	if (parent->kind == RAMA_STRUCT)
		return rama_focus_exists(&focus, rama_write_snapshot());
	if (focus.row == NULL)
	{
		focus.row = palloc0(sizeof(RamaPlaceRow));
		focus.row->table = parent->table;
		focus.row->keys = target->keys;
	}
	return rama_focus_is_entry(&focus, rama_write_snapshot());
}

static void
go_must(RamaTarget *target, const RamaInput *input)
{
	const RamaNode *parent = target->node;

	if (parent && parent->kind == RAMA_SET)
		nothing_below("a set but its elements");
	go_value(target, input);
	if (!is_there(target, parent))
		target->absent = true;
}

/* nth, unlike a key, does not append. */
static void
go_nth(RamaTarget *target, const RamaStep *step, const RamaInput *input)
{
	int64		index = rama_step_int(step, 0);
	RamaFocus	focus;
	int64		count;

	if (target->node && target->node->kind != RAMA_VECTOR)
		rama_step_error(step, "needs a vector");
	rama_target_focus(target, &focus);
	count = rama_focus_count(&focus, rama_write_snapshot());
	if (index < 0 || index >= count)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("index " INT64_FORMAT " is out of range", index),
				 errdetail("The vector has " INT64_FORMAT " elements.", count)));
	go_value(target, input);
}

static void
go_navigator(RamaTarget *target, const RamaInput *input, int position)
{
	int			nsteps;
	RamaStep   *steps = rama_path_parse_one(&input->json, position, &nsteps);

	for (int i = 0; i < nsteps && !target->absent; i++)
	{
		RamaStep   *step = &steps[i];
		RamaInput	key;

		if (!step->nav->write)
			not_a_key(step);
		if (step->nargs > 0)
			rama_input_of_json(&key, &step->args[0]);
		if (step->nav->go == rama_go_first || step->nav->go == rama_go_last)
			go_end(target, step, step->nav->go == rama_go_last);
		else if (step->nav->go == rama_go_must)
			go_must(target, &key);
		else if (step->nav->bind == rama_bind_nth)
			go_nth(target, step, &key);
		else
			go_value(target, &key);
	}
}

/* rama_target_begin() -- The whole of a PState. */
void
rama_target_begin(RamaTarget *target, RamaPState *pstate, bool creates)
{
	memset(target, 0, sizeof(*target));
	target->pstate = pstate;
	target->creates = creates;
	target->node = pstate->root;
}

/*
 * rama_target_go() -- From a target, which may be a copy of one that is used
 * on, to the place at a key below it. Errors: those of rama_input_to_node_key().
 */
void
rama_target_go(RamaTarget *target, const RamaInput *key)
{
	RamaInnerKey *inner = target->inner;

	if (inner)
	{
		target->inner = palloc(sizeof(RamaInnerKey) * target->ninner);
		memcpy(target->inner, inner, sizeof(RamaInnerKey) * target->ninner);
	}
	go_value(target, key);
}

/*
 * rama_target_find() -- The place at the end of the keys.
 *
 * The caller has begun the write. Errors name the key: those of
 * rama_input_to_node_key(), 0A000 for a navigator that is not a key, 2202E.
 */
void
rama_target_find(RamaTarget *target, RamaPState *pstate, const RamaArgs *args,
				 bool creates)
{
	rama_target_begin(target, pstate, creates);
	for (int i = 0; i < args->count && !target->absent; i++)
	{
		const RamaInput *input = &args->inputs[i];
		RamaWhere	where;

		rama_where_push(&where, "key", i + 1);
		if (rama_input_is_navigator(input))
			go_navigator(target, input, i + 1);
		else
			go_value(target, input);
		rama_where_pop(&where);
	}
}
