/*-------------------------------------------------------------------------
 *
 * aggregate_place.c
 *	  Reading, changing and writing what is at the place of an aggregator.
 *
 *-------------------------------------------------------------------------
 */
#include "path/aggregate.h"
#include "path/transform.h"

#include "catalog/pg_type.h"

static bool
is_in_json(const RamaTarget *target)
{
	return target->column || target->node->storage == RAMA_IN_JSON ||
		(target->node->storage == RAMA_IN_COLUMN &&
		 (target->node->kind != RAMA_SCALAR || target->node->type.oid == JSONBOID));
}

/* Values at a target: of itself, or of fields of its struct. */
typedef struct States
{
	RamaEdit	edit;			/* must be first */
	int			n;
	const RamaNode *const *fields;	/* NULL: itself */
	const RamaType *types;
	const bool *adds;			/* which are sums; NULL: none */
	RamaStateChange change;
	void	   *arg;
} States;

static bool
change_json_state(const States *states, int i, const JsonbValue *old, JsonbValue *new)
{
	const RamaType *type = &states->types[i];
	Datum		state = (Datum) 0;
	bool		isnull = true;

	if (old->type != jbvNull)
	{
		RamaInput	input;

		rama_input_of_json(&input, old);
		state = rama_input_to_type(&input, type, &isnull);
	}
	if (!states->change(states->arg, i, &state, &isnull))
		return false;
	if (isnull)
		new->type = jbvNull;
	else
		rama_datum_to_json(type->oid, state, new);
	return true;
}

static int
state_of(const States *states, const RamaNode *field)
{
	for (int i = 0; i < states->n; i++)
		if (states->fields[i] == field)
			return i;
	return -1;
}

/* A struct, made anew: without fields that are null. */
static bool
change_struct(const States *states, const RamaNode *node, const JsonbValue *old,
			  JsonbValue *new)
{
	JsonbValue *given = old->type == jbvNull ? NULL : rama_fields_given(node, old);
	bool		changed = false;
	int			n = 0;

	new->type = jbvObject;
	new->val.object.pairs = palloc_array(JsonbPair, Max(node->nchildren, 1));
	for (int i = 0; i < node->nchildren; i++)
	{
		JsonbPair  *pair = &new->val.object.pairs[n];
		JsonbValue	was = {.type = jbvNull};
		int			state = state_of(states, node->children[i]);

		if (given)
			was = given[i];
		pair->value = was;
		if (state >= 0)
			changed |= change_json_state(states, state, &was, &pair->value);
		if (pair->value.type == jbvNull)
			continue;
		pair->key.type = jbvString;
		pair->key.val.string.val = node->children[i]->name;
		pair->key.val.string.len = strlen(node->children[i]->name);
		pair->order = n++;
	}
	new->val.object.nPairs = n;
	return changed;
}

static bool
apply_states(RamaEdit *edit, const RamaNode *node, const JsonbValue *old, JsonbValue **out)
{
	const States *states = (const States *) edit;
	JsonbValue	null = {.type = jbvNull};

	*out = palloc0_object(JsonbValue);
	if (states->fields == NULL)
		return change_json_state(states, 0, old ? old : &null, *out);
	return change_struct(states, node, old ? old : &null, *out);
}

static void
update_row(const RamaTarget *target, const States *states)
{
	AttrNumber *attnos = palloc_array(AttrNumber, states->n);
	Datum	   *values = palloc_array(Datum, states->n);
	bool	   *nulls = palloc_array(bool, states->n);
	bool	   *adds = palloc_array(bool, states->n);
	int			changed = 0;
	RamaRow		row;

	rama_row_open(&row, target->node->table, target->keys, false);
	for (int i = 0; i < states->n; i++)
	{
		AttrNumber	attno = states->fields ? states->fields[i]->attno : target->node->attno;

		attnos[changed] = attno;
		adds[changed] = states->adds && states->adds[i];
		values[changed] = row.found ? row.values[attno - 1] : (Datum) 0;
		nulls[changed] = row.found ? row.nulls[attno - 1] : true;
		if (states->change(states->arg, i, &values[changed], &nulls[changed]))
			changed++;
	}
	row.as = RAMA_AS_ADD;
	row.adds = adds;
	if (changed > 0)
		rama_row_store(&row, changed, attnos, values, nulls);
	rama_row_close(&row);
}

/*
 * rama_target_update() -- Change the scalar at a target, or n fields of the
 * struct there, all of which are of these types (in plain data: read and
 * written as such). change is called for each in turn, and returns false where
 * it stays as it is. adds: which of them are sums; NULL: none.
 *
 * Levels above it are made. Errors: those of change, of conversions (22P02) and
 * of constraints.
 */
void
rama_target_update(const RamaTarget *target, int n, const RamaNode *const *fields,
				   const RamaType *types, const bool *adds, RamaStateChange change,
				   void *arg)
{
	States		states = {
		.edit.apply = apply_states, .n = n, .fields = fields, .types = types,
		.adds = adds, .change = change, .arg = arg
	};

	states.edit.adds = adds != NULL;
	for (int i = 0; i < n; i++)
		states.edit.adds &= adds && adds[i];

	if (is_in_json(target))
		(void) rama_target_edit(target, &states.edit);
	else
		update_row(target, &states);
}

/* What is done to a collection, or to plain data. */
typedef struct JsonEdit
{
	RamaEdit	edit;			/* must be first */
	RamaJsonChange change;
	void	   *arg;
} JsonEdit;

static bool
apply_json(RamaEdit *base, const RamaNode *node, const JsonbValue *old, JsonbValue **out)
{
	JsonEdit   *edit = (JsonEdit *) base;

	*out = palloc0_object(JsonbValue);
	return edit->change(edit->arg, node, old, *out);
}

/* A collection with a table: loaded, and stored by difference. */
static void
change_rows(const RamaTarget *target, RamaJsonChange change, void *arg)
{
	RamaTransform transform = {.end = NULL};
	RamaFocus	place;
	RamaFocus	old;
	RamaFocus	value;
	JsonbValue	before;
	JsonbValue	after;

	transform.reading.context = CurrentMemoryContext;
	memset(&place, 0, sizeof(place));
	rama_target_focus(target, &place);
	rama_place_load(&transform, &place, &old);
	rama_value_json(&transform, &old, &before);
	if (!change(arg, target->node, before.type == jbvNull ? NULL : &before, &after))
		return;
	rama_jsonb_to_json(rama_json_to_jsonb(&after), &after);
	value = old;
	rama_value_set(&value, target->node, &after);
	(void) rama_place_store(&transform, &place, &old, &value);
}

/*
 * rama_target_change() -- Change the collection, or the plain data, at a
 * target as JSON in the form that is stored. change gets NULL where there is
 * nothing, and returns false where everything stays as it is.
 *
 * Levels above it are made. Errors: 54000 past pg_rama.max_value_elements, and
 * those of change.
 */
void
rama_target_change(const RamaTarget *target, RamaJsonChange change, void *arg)
{
	if (is_in_json(target))
	{
		JsonEdit	edit = {.edit.apply = apply_json, .change = change, .arg = arg};

		(void) rama_target_edit(target, &edit.edit);
	}
	else
	{
		rama_target_check_element(target);
		change_rows(target, change, arg);
	}
}
