/*-------------------------------------------------------------------------
 *
 * transform_each.c
 *	  The entries of a collection with a table, one by one: all, map-vals,
 *	  map-keys, first, last.
 *
 * Keys are collected in portions before their entries are changed, so that no
 * scan sees what is written. What moves entries waits until all are done: new
 * keys of a map, the gaps that elements of a vector leave.
 *
 *-------------------------------------------------------------------------
 */
#include "path/transform.h"

#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define PORTION 1000

typedef enum EntryItem
{
	ITEM_WHOLE,
	ITEM_VALUE,
	ITEM_KEY,
	ITEM_GONE					/* to be removed, whatever it is */
} EntryItem;

/* An entry of a map or set that gets another key. */
typedef struct Rename
{
	Datum		from;
	Datum		to;
	JsonbValue	value;			/* map */
} Rename;

struct RamaRenames
{
	MemoryContext context;
	List	   *list;			/* of Rename, in the order of from */
	bool		replaces;		/* an entry that is there with the new key */
};

/* A walk over a collection. */
typedef struct Each
{
	RamaTransform *transform;
	RamaNext	rest;
	const RamaFocus *place;
	EntryItem		item;
	RamaRenames *renames;
	MemoryContext context;
	int64	   *removed;		/* elements of a vector, ascending */
	int64		nremoved;
	bool		changed;
} Each;

static RamaRenames *
new_renames(void)
{
	RamaRenames *renames = palloc0(sizeof(RamaRenames));

	renames->context = CurrentMemoryContext;
	return renames;
}

/* rama_renames_add() -- One more, in the order of the old keys. */
void
rama_renames_add(RamaRenames *renames, const RamaNode *node, Datum from, Datum to,
				 const JsonbValue *value)
{
	MemoryContext old = MemoryContextSwitchTo(renames->context);
	Rename	   *rename = palloc0(sizeof(Rename));

	rename->from = datumCopy(from, node->key.byval, node->key.len);
	rename->to = datumCopy(to, node->key.byval, node->key.len);
	rename->value.type = jbvNull;
	if (value)
		rama_jsonb_to_json(rama_json_to_jsonb(value), &rename->value);
	renames->list = lappend(renames->list, rename);
	MemoryContextSwitchTo(old);
}

static Datum *
entry_keys(const RamaNode *node, const Datum *prefix, Datum key)
{
	int			nkeys = node->table->nkeys;
	Datum	   *keys = palloc(sizeof(Datum) * nkeys);

	if (nkeys > 1)
		memcpy(keys, prefix, sizeof(Datum) * (nkeys - 1));
	keys[nkeys - 1] = key;
	return keys;
}

static bool
row_exists(const RamaNode *node, const Datum *keys)
{
	TupleTableSlot *slot = NULL;
	bool		found = rama_row_fetch(node->table, keys, rama_write_snapshot(), &slot);

	ExecDropSingleTupleTableSlot(slot);
	return found;
}

/* Is there a later rename to the same key? */
static bool
is_overtaken(const RamaRenames *renames, const RamaNode *node, int i)
{
	const Rename *rename = list_nth(renames->list, i);

	for (int j = i + 1; j < list_length(renames->list); j++)
	{
		const Rename *later = list_nth(renames->list, j);

		if (rama_type_compare(&node->key, rename->to, later->to) == 0)
			return true;
	}
	return false;
}

static bool
is_in_part(const RamaFocus *place, Datum key)
{
	const RamaPart *part = &place->part;
	int			order;

	if (!place->ispart)
		return true;
	if (part->low.isset)
	{
		order = rama_type_compare(&place->node->key, key, part->low.value);
		if (order < 0 || (order == 0 && !part->low.inclusive))
			return false;
	}
	if (part->high.isset)
	{
		order = rama_type_compare(&place->node->key, key, part->high.value);
		if (order > 0 || (order == 0 && !part->high.inclusive))
			return false;
	}
	return true;
}

/*
 * Give entries of a collection with a table, or of a part of it, their new
 * keys. Of several with the same key, the one that came last stays, those
 * whose key did not change included, but for those outside of the part, and for
 * those that a single entry replaces.
 */
static void
apply_renames(const RamaRenames *renames, const RamaFocus *place)
{
	const RamaNode *node = place->node;
	const Datum *prefix = place->keys;
	RamaTable  *table = node->table;

	for (int i = 0; i < list_length(renames->list); i++)
	{
		const Rename *rename = list_nth(renames->list, i);

		(void) rama_row_remove(table, entry_keys(node, prefix, rename->from));
	}
	for (int i = 0; i < list_length(renames->list); i++)
	{
		const Rename *rename = list_nth(renames->list, i);
		Datum	   *keys = entry_keys(node, prefix, rename->to);
		RamaInput	input;

		CHECK_FOR_INTERRUPTS();
		if (is_overtaken(renames, node, i) ||
			(!renames->replaces &&
			 rama_type_compare(&node->key, rename->to, rename->from) > 0 &&
			 is_in_part(place, rename->to) && row_exists(node, keys)))
			continue;
		if (node->kind == RAMA_SET)
		{
			(void) rama_row_put(table, keys, 0, NULL, NULL, NULL);
			continue;
		}
		rama_input_of_json(&input, &rename->value);
		rama_put_row(node->children[0], keys, &input);
	}
}

static void
add_removed(Each *each, int64 index)
{
	int64		n = each->nremoved;

	if (n == 0)
		each->removed = MemoryContextAlloc(each->context, sizeof(int64) * 64);
	else if (n >= 64 && (n & (n - 1)) == 0)
		each->removed = repalloc_huge(each->removed, sizeof(int64) * n * 2);
	each->removed[each->nremoved++] = index;
}

static void
remove_entry(Each *each, Datum key)
{
	const RamaNode *node = each->place->node;

	each->changed = true;
	if (node->kind == RAMA_VECTOR)
		add_removed(each, DatumGetInt64(key));
	else
		(void) rama_row_remove(node->table, entry_keys(node, each->place->keys, key));
}

static void
set_key(const Each *each, Datum key, RamaFocus *value)
{
	JsonbValue	json;

	memset(value, 0, sizeof(RamaFocus));
	rama_datum_to_json(each->place->node->key.oid, key, &json);
	rama_value_set(value, NULL, &json);
	value->collected = each->place->collected;
}

/* A key of a map, an element of a set: it may become another. */
static RamaOutcome
change_key(Each *each, Datum key)
{
	const RamaNode *node = each->place->node;
	RamaFocus	value;
	RamaInput	input;
	JsonbValue	json;
	RamaOutcome outcome;
	Datum		to;

	set_key(each, key, &value);
	outcome = rama_change(each->transform, &each->rest, &value);
	if (outcome != RAMA_CHANGED)
		return outcome;
	rama_value_json(each->transform, &value, &json);
	rama_input_of_json(&input, &json);
	to = rama_input_to_key(&input, &node->key);
	if (rama_type_compare(&node->key, key, to) == 0)
		return RAMA_KEPT;
	if (node->kind == RAMA_SET)
		rama_renames_add(each->renames, node, key, to, NULL);
	else
	{
		RamaFocus	entry;

		rama_place_entry(node, each->place->keys, key, each->place, &entry);
		rama_place_load(each->transform, &entry, &value);
		rama_value_json(each->transform, &value, &json);
		rama_renames_add(each->renames, node, key, to, &json);
	}
	return RAMA_CHANGED;
}

/* An entry of a map as a pair. */
static RamaOutcome
walk_pair(Each *each, Datum key)
{
	RamaTransform *transform = each->transform;
	RamaRenames *outer = transform->renames;
	RamaFocus	pair;
	RamaOutcome outcome;

	memset(&pair, 0, sizeof(pair));
	pair.at = RAMA_AT_PAIR;
	pair.first = palloc0(sizeof(RamaFocus));
	pair.second = palloc0(sizeof(RamaFocus));
	set_key(each, key, pair.first);
	rama_place_entry(each->place->node, each->place->keys, key, each->place, pair.second);
	pair.collected = each->place->collected;
	transform->renames = each->renames;
	outcome = rama_walk(transform, &each->rest, &pair);
	transform->renames = outer;
	return outcome;
}

static void
walk_one(Each *each, Datum key)
{
	const RamaNode *node = each->place->node;
	RamaOutcome outcome = RAMA_VOID;

	if (each->item == ITEM_KEY || (each->item == ITEM_WHOLE && node->kind == RAMA_SET))
		outcome = change_key(each, key);
	else if (each->item == ITEM_WHOLE && node->kind == RAMA_MAP)
		outcome = walk_pair(each, key);
	else if (each->item != ITEM_GONE)
	{
		RamaFocus	entry;

		rama_place_entry(node, each->place->keys, key, each->place, &entry);
		outcome = rama_walk(each->transform, &each->rest, &entry);
	}
	if (outcome == RAMA_VOID)
		remove_entry(each, key);
	else if (outcome == RAMA_CHANGED)
		each->changed = true;
}

static Datum
copy_key(const RamaNode *node, Datum key)
{
	return datumCopy(key, node->key.byval, node->key.len);
}

/* The next keys behind the lower bound of a part; how many. */
static int
next_keys(RamaFocus *part, Datum *keys)
{
	const RamaNode *node = part->node;
	RamaScan   *scan = rama_focus_scan(part, false, rama_write_snapshot());
	TupleTableSlot *slot;
	int			n = 0;

	while (n < PORTION && (slot = rama_scan_next(scan)) != NULL)
		keys[n++] = copy_key(node, rama_slot_key(slot, node->table->nkeys));
	rama_scan_end(scan);
	return n;
}

static void
begin_each(Each *each, RamaTransform *transform, const RamaNext *rest,
		   const RamaFocus *place, EntryItem item)
{
	memset(each, 0, sizeof(Each));
	each->transform = transform;
	each->rest = *rest;
	each->place = place;
	each->item = item;
	each->context = CurrentMemoryContext;
	each->renames = new_renames();
}

static RamaOutcome
end_each(Each *each)
{
	const RamaNode *node = each->place->node;

	if (node->kind == RAMA_VECTOR)
		rama_vector_remove(node->table, each->place->keys, each->removed, each->nremoved);
	else
		apply_renames(each->renames, each->place);
	return each->changed ? RAMA_CHANGED : RAMA_KEPT;
}

/* "step" is the one that walks, or NULL; what its bounds leave out, it would keep. */
static RamaOutcome
walk_each(RamaTransform *transform, const RamaNext *rest, const RamaFocus *place, EntryItem item,
		  const RamaStep *step)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext portion = AllocSetContextCreate(caller, "pg_rama transform keys",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext entry = AllocSetContextCreate(caller, "pg_rama transform entry",
												ALLOCSET_DEFAULT_SIZES);
	const RamaNode *node = place->node;
	RamaFocus	part;
	Each		each;
	Datum		keys[PORTION];
	int			n;

	rama_place_fresh(place, &part);
	begin_each(&each, transform, rest, place, item);
	if (!part.ispart)
	{
		memset(&part.part, 0, sizeof(part.part));
		part.part.amount = -1;
		part.ispart = true;
	}
	if (step)
		(void) rama_focus_push(&part, step);
	do
	{
		MemoryContextSwitchTo(portion);
		n = next_keys(&part, keys);
		MemoryContextSwitchTo(entry);
		for (int i = 0; i < n; i++)
		{
			CHECK_FOR_INTERRUPTS();
			walk_one(&each, keys[i]);
			MemoryContextReset(entry);
		}
		MemoryContextSwitchTo(caller);
		if (n > 0)
		{
			part.part.low.isset = true;
			part.part.low.inclusive = false;
			part.part.low.value = copy_key(node, keys[n - 1]);
		}
		MemoryContextReset(portion);
	} while (n == PORTION);
	MemoryContextDelete(portion);
	MemoryContextDelete(entry);
	return end_each(&each);
}

static RamaOutcome
each_step(RamaTransform *transform, const RamaNext *at, RamaFocus *place, EntryItem item)
{
	RamaNext	rest = rama_next_after(at);

	if (place->at != RAMA_AT_ROWS)
		return rama_walk_in_memory(transform, at, place);
	return walk_each(transform, &rest, place, item, at->steps);
}

/* rama_walk_all() -- Every element; of a map, every pair. */
RamaOutcome
rama_walk_all(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	return each_step(transform, at, place, ITEM_WHOLE);
}

/* rama_walk_map_vals() -- Every value of a map. */
RamaOutcome
rama_walk_map_vals(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	return each_step(transform, at, place, ITEM_VALUE);
}

/* rama_walk_map_keys() -- Every key of a map. */
RamaOutcome
rama_walk_map_keys(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	return each_step(transform, at, place, ITEM_KEY);
}

/* rama_place_remove_entries() -- Remove all entries of a part. */
RamaOutcome
rama_place_remove_entries(RamaTransform *transform, const RamaFocus *place)
{
	RamaNext	none = {.nsteps = 0};

	return walk_each(transform, &none, place, ITEM_GONE, NULL);
}

static RamaOutcome
walk_end(RamaTransform *transform, const RamaNext *at, RamaFocus *place, bool last)
{
	RamaNext	rest = rama_next_after(at);
	RamaFocus	fresh;
	RamaPlaceRow *row;
	Each		each;

	if (place->at != RAMA_AT_ROWS)
		return rama_walk_in_memory(transform, at, place);
	rama_place_fresh(place, &fresh);
	rama_reading_begin(transform);
	row = rama_focus_end_row(&fresh, last, transform->reading.snapshot);
	rama_reading_end(transform);
	if (row == NULL)
		return RAMA_KEPT;
	begin_each(&each, transform, &rest, place, ITEM_WHOLE);
	each.renames->replaces = true;
	walk_one(&each, row->keys[place->node->table->nkeys - 1]);
	return end_each(&each);
}

/* rama_walk_first() -- The first element or pair, if there is one. */
RamaOutcome
rama_walk_first(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	return walk_end(transform, at, place, false);
}

/* rama_walk_last() -- The last one. */
RamaOutcome
rama_walk_last(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	return walk_end(transform, at, place, true);
}
