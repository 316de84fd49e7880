/*-------------------------------------------------------------------------
 *
 * watch_path.c
 *	  Watched paths: what may be watched, and reading it.
 *
 * A watched path is keys, then, if anything, the entries of what is there
 * (all of them, a range, some keys), then predicates and keys of each.
 *
 *-------------------------------------------------------------------------
 */
#include "watch/filter.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "pstate/buffer.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

static const char *
name_of(const RamaStep *step)
{
	return step->nav->names[0];
}

static bool
is_any(const RamaStep *step, const char *const *names)
{
	for (; *names; names++)
		if (strcmp(name_of(step), *names) == 0)
			return true;
	return false;
}

static bool
is_key(const RamaStep *step)
{
	static const char *const names[] = {"key", "keypath", "must", "nth", "nthpath", "set-elem", NULL};

	return is_any(step, names);
}

static bool
is_part(const RamaStep *step)
{
	static const char *const names[] = {
		"srange", "sorted-map-range", "sorted-map-range-from", "sorted-map-range-to",
		"sorted-map-range-from-start", "sorted-map-range-to-end", "sorted-set-range",
		"sorted-set-range-from", "sorted-set-range-to", "sorted-set-range-from-start",
		"sorted-set-range-to-end", "submap", "subset", NULL
	};

	return is_any(step, names);
}

static bool
is_each(const RamaStep *step)
{
	static const char *const names[] = {"all", "map-vals", "map-keys", NULL};

	return is_any(step, names);
}

static bool
is_end(const RamaStep *step)
{
	static const char *const names[] = {"first", "last", NULL};

	return is_any(step, names);
}

static bool
is_predicate(const RamaStep *step)
{
	static const char *const names[] = {
		"pred", "pred=", "prednot=", "pred<", "pred<=", "pred>", "pred>=", NULL
	};

	return is_any(step, names);
}

static void
refuse(const RamaStep *step, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("step %d of the path (%s) cannot be watched", step->position, name_of(step)),
			 errdetail("%s", what),
			 errhint("Watch keys, then the entries there (all, map-vals, map-keys, a range, submap, subset), then predicates and keys, or [\"view\", \"count\"]; for more, read again when that changes.")));
}

static void
check_builtin(const RamaStep *step)
{
	for (int i = 0; i < step->ncalls; i++)
		if (step->calls[i].builtin == NULL)
			refuse(step, "Watched paths call functions that are built in, and no others.");
}

/*
 * The steps: keys, then at most one part, at most one "each", then keys,
 * predicates, and a view at the end.
 */
static void
check_steps(const RamaPath *path)
{
	int			i = 0;

	while (i < path->nsteps && is_key(&path->steps[i]))
		i++;
	if (i < path->nsteps && is_part(&path->steps[i]))
		i++;
	if (i < path->nsteps && (is_each(&path->steps[i]) || is_end(&path->steps[i])))
		i++;
	for (; i < path->nsteps; i++)
	{
		const RamaStep *step = &path->steps[i];

		check_builtin(step);
		if (is_key(step) || is_predicate(step) ||
			(i == path->nsteps - 1 && strcmp(name_of(step), "view") == 0))
			continue;
		refuse(step, is_each(step) || is_part(step) || is_end(step) ?
			   "A watched path selects entries of one collection." :
			   "It is not one of the navigators that watched paths consist of.");
	}
}

/* A key step's key, as JSON of its type. */
static void
key_of_step(const RamaStep *step, JsonbValue *key, RamaSchemaKind *kind)
{
	const RamaNode *node = step->in.node;

	*key = step->args[0];
	*kind = RAMA_SCALAR;
	if (step->in.kind != RAMA_SHAPE_NODE)
		return;
	*kind = node->kind;
	if (node->kind == RAMA_MAP || node->kind == RAMA_SET || node->kind == RAMA_VECTOR)
		rama_datum_to_json(node->key.oid, step->key.datum, key);
}

/*
 * Are equal keys one JSON? Not intervals of '30 days' and '1 mon', nor citext;
 * numbers are.
 */
static bool
equal_keys_are_one(const RamaStep *step)
{
	const RamaNode *node = step->in.node;
	Oid			type;

	if (step->in.kind != RAMA_SHAPE_NODE || node->kind == RAMA_SCALAR || node->kind == RAMA_STRUCT)
		return true;
	type = getBaseType(node->key.oid);
	return type == NUMERICOID || type == FLOAT4OID || type == FLOAT8OID ||
		get_typtype(type) != TYPTYPE_BASE || OidIsValid(get_element_type(type)) ||
		rama_type_has_image(&node->key);
}

static bool
has_kind(const RamaStep *step, RamaSchemaKind kind)
{
	return step->in.kind == RAMA_SHAPE_NODE && step->in.node->kind == kind;
}

/*
 * Can an entry's change be told from the change and the entry alone? Not
 * where a part is bounded by a number of entries, nor where a key may be an
 * index of an array, or of a pair.
 */
static bool
goes_by_entries(RamaWatchPath *watch, const RamaPath *path)
{
	const RamaStep *steps = path->steps;
	int			i = watch->nkeys;
	bool		isset = has_kind(&steps[i], RAMA_SET);

	if (!isset && !has_kind(&steps[i], RAMA_MAP))
		return false;
	if (is_part(&steps[i]))
	{
		if (steps[i].part.amount >= 0 && steps[i].nkeys == 0 &&
			strcmp(name_of(&steps[i]), "submap") != 0 && strcmp(name_of(&steps[i]), "subset") != 0)
			return false;
		watch->part = &steps[i++];
		if (i == path->nsteps)
		{
			watch->rest = i;
			return true;
		}
	}
	if (!is_each(&steps[i]))
		return false;
	watch->keysonly = strcmp(name_of(&steps[i]), "map-keys") == 0;
	watch->rest = i + 1;
	if (watch->rest < path->nsteps && !isset && strcmp(name_of(&steps[i]), "all") == 0)
		return false;
	for (i = watch->rest; i < path->nsteps; i++)
	{
		if (is_predicate(&steps[i]))
			watch->conditional = true;
		else if (!is_key(&steps[i]) || has_kind(&steps[i], RAMA_VECTOR) ||
				 !equal_keys_are_one(&steps[i]) ||
				 steps[i].in.kind != RAMA_SHAPE_NODE)
			return false;
	}
	return true;
}

static RamaWatchClass
classify(RamaWatchPath *watch, const RamaPath *path)
{
	if (watch->nkeys == path->nsteps ||
		(watch->nkeys == path->nsteps - 1 && has_kind(&path->steps[watch->nkeys], RAMA_VECTOR) &&
		 strcmp(name_of(&path->steps[watch->nkeys]), "all") == 0))
		return RAMA_WATCH_VALUE;
	if (!goes_by_entries(watch, path))
		return RAMA_WATCH_WHOLE;
	watch->restkeys = palloc(sizeof(JsonbValue) * (path->nsteps - watch->rest + 1));
	for (int i = watch->rest; i < path->nsteps; i++)
	{
		RamaSchemaKind kind;

		if (is_key(&path->steps[i]))
			key_of_step(&path->steps[i], &watch->restkeys[watch->nrest++], &kind);
	}
	return RAMA_WATCH_ENTRIES;
}

/*
 * rama_watch_path_keys() -- The keys of a bound path, as the settings that
 * there are now write them.
 */
void
rama_watch_path_keys(RamaWatchPath *watch)
{
	watch->keys = palloc(sizeof(JsonbValue) * (watch->nkeys + 1));
	watch->kinds = palloc(sizeof(RamaSchemaKind) * (watch->nkeys + 1));
	for (int i = 0; i < watch->nkeys; i++)
		key_of_step(&watch->bound->steps[i], &watch->keys[i], &watch->kinds[i]);
}

/*
 * rama_watch_path() -- A path to be watched, bound to the PState's schema: for
 * this transaction, and as long as the current memory context.
 *
 * Errors: those of binding a path; 0A000 for one that cannot be watched. No
 * privilege is checked.
 */
RamaWatchPath *
rama_watch_path(RamaPState *pstate, Jsonb *path)
{
	RamaWatchPath *watch = palloc0(sizeof(RamaWatchPath));
	RamaPath   *bound = rama_path_bind(pstate, &path->root, false);

	check_steps(bound);
	watch->pstate = pstate->relid;
	watch->path = path;
	watch->bound = bound;
	while (watch->nkeys < bound->nsteps && is_key(&bound->steps[watch->nkeys]) &&
		   equal_keys_are_one(&bound->steps[watch->nkeys]))
		watch->nkeys++;
	rama_watch_path_keys(watch);
	for (int i = 0; i < bound->nsteps; i++)
		watch->many |= bound->steps[i].nav->open != NULL;
	watch->class = classify(watch, bound);
	return watch;
}

/*
 * rama_watch_path_copy() -- What of a watched path does not belong to the
 * transaction, in the current memory context: its keys and its class.
 */
RamaWatchPath *
rama_watch_path_copy(const RamaWatchPath *watch)
{
	RamaWatchPath *copy = palloc0(sizeof(RamaWatchPath));
	JsonbValue	array = {.type = jbvArray};
	Jsonb	   *keys;

	array.val.array.nElems = watch->nkeys;
	array.val.array.elems = watch->keys;
	keys = rama_json_to_jsonb(&array);
	*copy = *watch;
	copy->path = palloc(VARSIZE(watch->path));
	memcpy(copy->path, watch->path, VARSIZE(watch->path));
	copy->keys = palloc(sizeof(JsonbValue) * (watch->nkeys + 1));
	for (int i = 0; i < watch->nkeys; i++)
		copy->keys[i] = *getIthJsonbValueFromContainer(&keys->root, i);
	copy->kinds = palloc(sizeof(RamaSchemaKind) * (watch->nkeys + 1));
	memcpy(copy->kinds, watch->kinds, sizeof(RamaSchemaKind) * watch->nkeys);
	copy->bound = NULL;
	copy->part = NULL;
	copy->restkeys = NULL;
	return copy;
}

/* Steps that yield at most one value each. */
static bool
walk(RamaEval *eval, int from, int to, RamaFocus *focus)
{
	for (int i = from; i < to; i++)
	{
		const RamaStep *step = &eval->steps[i];

		rama_eval_fit(eval, step, focus);
		if (!step->nav->go(eval, step, focus))
			return false;
	}
	return true;
}

static Jsonb *
jsonb_of_focus(RamaFocus *focus, Snapshot snapshot)
{
	JsonbValue	json;

	return rama_focus_to_json(focus, snapshot, &json) ? rama_json_to_jsonb(&json) : NULL;
}

/*
 * rama_watch_value() -- What the path selects in a snapshot, which must be the
 * active one: the one value, NULL if it is absent or null, or an array where
 * there may be several.
 *
 * Errors: those of rama.select; 54000 where there are more than
 * pg_rama.max_value_elements.
 */
Jsonb *
rama_watch_value(RamaWatchPath *watch, Snapshot snapshot)
{
	JsonbParseState *state = NULL;
	JsonbValue *array;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pg_rama watch",
												  ALLOCSET_SMALL_SIZES);
	RamaEval	eval;
	RamaFocus	focus;
	Jsonb	   *result = NULL;
	int64		count = 0;

	Assert(snapshot == GetActiveSnapshot());
	rama_eval_init(&eval, watch->bound, false, context);
	if (!watch->many)
	{
		if (rama_eval_next(&eval, &focus))
			result = jsonb_of_focus(&focus, snapshot);
		rama_eval_end(&eval);
		MemoryContextDelete(context);
		return result;
	}
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	while (rama_eval_next(&eval, &focus))
	{
		JsonbValue	json;
		JsonbValue	null = {.type = jbvNull};

		rama_check_elements(++count);
		if (!rama_focus_to_json(&focus, snapshot, &json))
			json = null;
		else
			rama_jsonb_to_json(rama_json_to_jsonb(&json), &json);
		pushJsonbValue(&state, WJB_ELEM, &json);
	}
	array = pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	result = JsonbValueToJsonb(array);
	rama_eval_end(&eval);
	MemoryContextDelete(context);
	return result;
}

/* An entry's key, as its collection needs it. */
static void
entry_key(const RamaWatchPath *watch, const JsonbValue *json, RamaKey *key)
{
	RamaInput	input;

	rama_input_of_json(&input, json);
	rama_input_to_node_key(&input, watch->bound->steps[watch->nkeys].in.node, key);
}

/*
 * rama_watch_key_within() -- Is the key one that the path's part has?
 */
bool
rama_watch_key_within(const RamaWatchPath *watch, const JsonbValue *json)
{
	const RamaStep *part = watch->part;
	const RamaNode *node;
	RamaKey		key;

	if (part == NULL)
		return true;
	node = part->in.node;
	entry_key(watch, json, &key);
	if (part->nkeys == 0 && part->part.amount < 0)
		return rama_part_has(node, &part->part, key.datum);
	for (int i = 0; i < part->nkeys; i++)
		if (rama_type_compare(&node->key, key.datum, part->keys[i].datum) == 0)
			return true;
	return false;
}

/*
 * rama_watch_entry() -- What the path selects of the entry with the key, in
 * the active snapshot; NULL if nothing, or null.
 */
Jsonb *
rama_watch_entry(RamaWatchPath *watch, const JsonbValue *json, Snapshot snapshot)
{
	RamaEval	eval;
	RamaFocus	focus;
	RamaKey		key;
	Jsonb	   *result = NULL;

	rama_eval_init(&eval, watch->bound, false, CurrentMemoryContext);
	entry_key(watch, json, &key);
	focus = eval.start;
	if (walk(&eval, 0, watch->nkeys, &focus))
	{
		rama_focus_key(&focus, &key, snapshot);
		if (focus.at != RAMA_AT_NOTHING && rama_focus_exists(&focus, snapshot) &&
			walk(&eval, watch->rest, eval.nsteps, &focus))
			result = jsonb_of_focus(&focus, snapshot);
	}
	rama_eval_end(&eval);
	return result;
}

/*
 * rama_watch_satisfied() -- Does an entry with this value (map-keys, sets: the
 * key) satisfy the predicates? *result is what the path selects of it.
 */
bool
rama_watch_satisfied(RamaWatchPath *watch, const JsonbValue *key, const JsonbValue *value,
					 Jsonb **result)
{
	const RamaNode *node = watch->bound->steps[watch->nkeys].in.node;
	RamaPath   *bound = watch->bound;
	RamaEval	eval = {.path = bound,.steps = bound->steps,.nsteps = bound->nsteps,
		.context = CurrentMemoryContext};
	RamaFocus	focus;
	JsonbValue	json;

	memset(&focus, 0, sizeof(focus));
	if (watch->keysonly || node->kind == RAMA_SET)
	{
		RamaKey		typed;

		entry_key(watch, key, &typed);
		rama_focus_datum(&focus, &node->key, typed.datum);
	}
	else
	{
		rama_jsonb_to_json(rama_json_to_jsonb(value), &json);
		rama_focus_json(&focus, node->children[0], &json);
	}
	if (!walk(&eval, watch->rest, bound->nsteps, &focus))
		return false;
	*result = jsonb_of_focus(&focus, InvalidSnapshot);
	return *result != NULL;
}

/*
 * rama_watch_exists() -- Is it still a PState? The caller holds a lock on it.
 *
 * DROP EXTENSION leaves its table, and takes what describes it.
 */
bool
rama_watch_exists(Oid pstate)
{
	Oid			schema = get_namespace_oid(RAMA_SCHEMA, true);

	return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(pstate)) && OidIsValid(schema) &&
		OidIsValid(get_relname_relid("pstate", schema)) && rama_is_pstate(pstate);
}

/*
 * rama_watch_is_dropped() -- Has the PState been dropped? In a transaction.
 *
 * Whoever drops it wakes us before its invalidations are out, but holds its
 * lock until they are: *busy says that somebody has such a lock, and that the
 * caller is to ask again.
 */
bool
rama_watch_is_dropped(Oid pstate, bool *busy)
{
	bool		exists;

	/* The ring has forgotten it before it wakes anybody. */
	if (rama_ring_last(pstate) >= 0)
		return false;
	if (!ConditionalLockRelationOid(pstate, AccessShareLock))
	{
		*busy = true;
		return false;
	}
	exists = rama_watch_exists(pstate);
	UnlockRelationOid(pstate, AccessShareLock);
	return !exists;
}
