/*-------------------------------------------------------------------------
 *
 * reads.c
 *	  What of PStates is read, while somebody records it: by paths, the keys
 *	  that they begin with, to a range at most; by keys as arguments, these.
 *
 * A record says too much rather than too little: what a path does behind its
 * first keys happens below them.
 *
 *-------------------------------------------------------------------------
 */
#include "path/reads.h"

#include "utils/datum.h"
#include "utils/memutils.h"

RamaReads  *rama_reads = NULL;

/* Keys on the way, in the caller's memory. */
typedef struct Way
{
	const RamaPState *pstate;
	List	   *keys;			/* of RamaReadKey * */
} Way;

static JsonbValue
copy_json(const JsonbValue *json)
{
	JsonbValue	copy = *json;

	if (json->type == jbvString)
		copy.val.string.val = pnstrdup(json->val.string.val, json->val.string.len);
	if (json->type == jbvNumeric)
		copy.val.numeric = DatumGetNumericCopy(NumericGetDatum(json->val.numeric));
	if (json->type == jbvBinary)
		rama_jsonb_to_json(rama_json_to_jsonb(json), &copy);
	return copy;
}

static void
copy_bound(RamaBound *bound, const RamaType *type)
{
	if (bound->isset)
		bound->value = datumCopy(bound->value, type->byval, type->len);
}

/* What the key points to, copied into the current context. */
static void
own_key(RamaReadKey *key)
{
	switch (key->kind)
	{
		case RAMA_READ_KEY:
			key->datum = datumCopy(key->datum, key->type.byval, key->type.len);
			break;
		case RAMA_READ_NAME:
			key->json = copy_json(&key->json);
			break;
		case RAMA_READ_PART:
			copy_bound(&key->low, &key->type);
			copy_bound(&key->high, &key->type);
			break;
		default:
			break;
	}
}

static bool
same_bound(const RamaBound *a, const RamaBound *b, const RamaType *type)
{
	return a->isset == b->isset &&
		(!a->isset || (a->inclusive == b->inclusive &&
					   datumIsEqual(a->value, b->value, type->byval, type->len)));
}

static bool
same_key(const RamaReadKey *a, const RamaReadKey *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind)
	{
		case RAMA_READ_ANY:
			return true;
		case RAMA_READ_KEY:
			return datumIsEqual(a->datum, b->datum, a->type.byval, a->type.len);
		case RAMA_READ_FIELD:
			return a->field == b->field;
		case RAMA_READ_NAME:
			return rama_json_equal(&a->json, &b->json);
		case RAMA_READ_PART:
			return same_bound(&a->low, &b->low, &a->type) &&
				same_bound(&a->high, &b->high, &a->type);
	}
	return false;
}

static bool
same_read(const RamaRead *read, Oid pstate, List *keys)
{
	ListCell   *lc;

	if (read->pstate != pstate || read->nkeys != list_length(keys))
		return false;
	foreach(lc, keys)
		if (!same_key(&read->keys[foreach_current_index(lc)], lfirst(lc)))
			return false;
	return true;
}

/* Is it recorded already? *count: how many of this PState are. */
static bool
is_known(Oid pstate, List *keys, int *count)
{
	ListCell   *lc;

	*count = 0;
	if (list_member_oid(rama_reads->wholes, pstate))
		return true;
	foreach(lc, rama_reads->reads)
	{
		const RamaRead *read = lfirst(lc);

		if (same_read(read, pstate, keys))
			return true;
		if (read->pstate == pstate)
			(*count)++;
	}
	return false;
}

static void
note(const Way *way)
{
	Oid			pstate = way->pstate->relid;
	List	   *keys = way->keys;
	MemoryContext old;
	RamaRead   *read;
	ListCell   *lc;
	int			count;

	if (is_known(pstate, keys, &count))
		return;
	old = MemoryContextSwitchTo(rama_reads->context);
	if (count >= RAMA_MAX_READS)
		keys = NIL;
	if (keys == NIL)
		rama_reads->wholes = lappend_oid(rama_reads->wholes, pstate);
	read = palloc(sizeof(RamaRead));
	read->pstate = pstate;
	read->nkeys = list_length(keys);
	read->keys = palloc(sizeof(RamaReadKey) * Max(read->nkeys, 1));
	foreach(lc, keys)
	{
		RamaReadKey *key = &read->keys[foreach_current_index(lc)];

		*key = *(RamaReadKey *) lfirst(lc);
		own_key(key);
	}
	rama_reads->reads = lappend(rama_reads->reads, read);
	rama_reads->pstates = list_append_unique_oid(rama_reads->pstates, pstate);
	MemoryContextSwitchTo(old);
}

static RamaReadKey *
add_key(Way *way, RamaReadKind kind)
{
	RamaReadKey *key = palloc0(sizeof(RamaReadKey));

	key->kind = kind;
	way->keys = lappend(way->keys, key);
	return key;
}

/* A key of what has this shape; false where it leads nowhere else. */
static bool
add_shaped(Way *way, RamaShape shape, const RamaKey *key)
{
	if (shape.kind == RAMA_SHAPE_PLAIN)
		add_key(way, RAMA_READ_NAME)->json = key->name;
	else if (shape.kind != RAMA_SHAPE_NODE || shape.node->kind == RAMA_SCALAR)
		return false;
	else if (shape.node->kind == RAMA_STRUCT)
		add_key(way, RAMA_READ_FIELD)->field = key->field;
	else
	{
		RamaReadKey *added = add_key(way, RAMA_READ_KEY);

		added->type = shape.node->key;
		added->datum = key->datum;
	}
	return true;
}

/* The bounds of a range are typed where the schema has the collection. */
static void
add_part(Way *way, const RamaStep *step)
{
	RamaReadKey *key;

	if (step->in.kind != RAMA_SHAPE_NODE || step->in.node->kind == RAMA_STRUCT)
		return;
	key = add_key(way, RAMA_READ_PART);
	key->type = step->in.node->key;
	if (step->nav->go == rama_go_sublist)
	{
		key->low.isset = key->low.inclusive = key->high.isset = true;
		key->low.value = Int64GetDatum(step->from);
		key->high.value = Int64GetDatum(step->to);
		return;
	}
	key->low = step->part.low;
	key->high = step->part.high;
}

static void note_steps(Way way, const RamaStep *steps, int nsteps);

static void
note_each_key(Way way, const RamaStep *step)
{
	for (int i = 0; i < step->nkeys; i++)
	{
		Way			each = {way.pstate, list_copy(way.keys)};

		(void) add_shaped(&each, step->in, &step->keys[i]);
		note(&each);
	}
}

static void
note_branches(Way way, const RamaStep *step)
{
	for (int i = 0; i < step->nbranches; i++)
	{
		Way			each = {way.pstate, list_copy(way.keys)};

		note_steps(each, step->branches[i].steps, step->branches[i].nsteps);
	}
}

static void
note_steps(Way way, const RamaStep *steps, int nsteps)
{
	for (int i = 0; i < nsteps; i++)
	{
		const RamaStep *step = &steps[i];
		const RamaNavigator *nav = step->nav;

		if (nav->go == rama_go_key || nav->go == rama_go_must)
		{
			if (add_shaped(&way, step->in, &step->key))
				continue;
		}
		else if (nav->go == rama_go_range || nav->go == rama_go_sublist)
			add_part(&way, step);
		else if (nav->go == rama_go_submap || nav->go == rama_go_subset)
		{
			note_each_key(way, step);
			return;
		}
		else if (nav->open == rama_open_multi_path && step->nbranches > 0)
		{
			note_branches(way, step);
			return;
		}
		break;
	}
	note(&way);
}

/* rama_reads_note_path() -- A path is going to be evaluated. */
void
rama_reads_note_path(const RamaPath *path)
{
	Way			way = {path->pstate, NIL};

	note_steps(way, path->steps, path->nsteps);
}

/* rama_reads_note_args() -- Keys, which have been found good, lead to what is read. */
void
rama_reads_note_args(const RamaPState *pstate, const RamaArgs *args)
{
	Way			way = {pstate, NIL};
	RamaShape	shape = rama_shape_of_node(pstate->root);

	for (int i = 0; i < args->count; i++)
	{
		RamaKey		key;

		if (rama_input_is_navigator(&args->inputs[i]))
			break;
		if (shape.kind == RAMA_SHAPE_PLAIN)
			rama_input_to_plain_key(&args->inputs[i], &key);
		else if (shape.kind == RAMA_SHAPE_NODE)
			rama_input_to_node_key(&args->inputs[i], shape.node, &key);
		if (!add_shaped(&way, shape, &key))
			break;
		if (shape.kind == RAMA_SHAPE_NODE)
			shape = shape.node->kind == RAMA_STRUCT ?
				rama_shape_of_node(shape.node->children[key.field]) :
				rama_shape_of_value(shape.node);
	}
	note(&way);
}

/* From the root to where a node is: any key, but the fields of structs. */
static void
add_way_to(Way *way, const RamaNode *node)
{
	const RamaNode *parent = node->parent;

	if (parent == NULL)
		return;
	add_way_to(way, parent);
	if (parent->kind != RAMA_STRUCT)
		(void) add_key(way, RAMA_READ_ANY);
	for (int i = 0; parent->kind == RAMA_STRUCT && i < parent->nchildren; i++)
		if (parent->children[i] == node)
			add_key(way, RAMA_READ_FIELD)->field = i;
}

/* rama_reads_note_table() -- A statement reads a table of a PState. */
void
rama_reads_note_table(const RamaTable *table)
{
	Way			way = {table->pstate, NIL};

	add_way_to(&way, table->node);
	note(&way);
}
