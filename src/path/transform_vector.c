/*-------------------------------------------------------------------------
 *
 * transform_vector.c
 *	  Writing through indexed-vals and continuous-subseqs to vectors with a
 *	  table, of which only an element or a run is in memory at a time.
 *
 * In memory the same is done by transform_element.c and transform_part.c.
 *
 *-------------------------------------------------------------------------
 */
#include "path/transform.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* An element that moves farther than this goes, and comes again. */
#define MOVED_IN_MEMORY 1000

/*
 * A walk over the elements with their indexes. Elements that go are remembered
 * and removed together when all is done; they are before "here", and count for
 * the indexes. Elements that have moved forward are met again, and passed over.
 */
typedef struct Indexed
{
	RamaTransform *transform;
	const RamaStep *step;
	const RamaFocus *place;
	int64		base;			/* of the part */
	int64		count;
	int64		here;			/* from base on, as it is stored */
	int64	   *gone;			/* indexes in the vector, ascending */
	int64		ngone;
	int64		roomgone;
	int64	   *ahead;			/* elements that have moved to behind here */
	int			nahead;
	MemoryContext context;		/* of the lists */
	bool		changed;
} Indexed;

static Datum *
keys_of(const RamaFocus *place, int64 index)
{
	int			nkeys = place->node->table->nkeys;
	Datum	   *keys = palloc(sizeof(Datum) * nkeys);

	if (nkeys > 1)
		memcpy(keys, place->keys, sizeof(Datum) * (nkeys - 1));
	keys[nkeys - 1] = Int64GetDatum(index);
	return keys;
}

static void
add_gone(Indexed *walk)
{
	if (walk->ngone == walk->roomgone)
	{
		walk->roomgone = Max(64, walk->roomgone * 2);
		walk->gone = walk->gone == NULL ?
			MemoryContextAlloc(walk->context, sizeof(int64) * walk->roomgone) :
			repalloc_huge(walk->gone, sizeof(int64) * walk->roomgone);
	}
	walk->gone[walk->ngone++] = walk->base + walk->here;
}

static void
move_far(Indexed *walk, int64 from, int64 to)
{
	RamaEntry	entry = {0};
	RamaFocus	place;
	RamaFocus	value;

	rama_place_entry(walk->place->node, walk->place->keys, Int64GetDatum(walk->base + from),
					 walk->place, &place);
	rama_place_load(walk->transform, &place, &value);
	rama_value_json(walk->transform, &value, &entry.value);
	(void) rama_row_remove(walk->place->node->table, keys_of(walk->place, walk->base + from));
	rama_vector_insert(walk->place->node, walk->place->keys, walk->base + to, &entry, 1);
}

/* Note that the element that was here is at "to" now. */
static void
remember_move(Indexed *walk, int64 to)
{
	for (int i = 0; i < walk->nahead; i++)
		if (walk->ahead[i] <= to)
			walk->ahead[i]--;
	walk->ahead = walk->ahead == NULL ?
		MemoryContextAlloc(walk->context, sizeof(int64)) :
		repalloc_huge(walk->ahead, sizeof(int64) * (walk->nahead + 1));
	walk->ahead[walk->nahead++] = to;
}

static void
move_here(Indexed *walk, int64 to)
{
	int64		from = walk->here;

	if (Max(from, to) - Min(from, to) > MOVED_IN_MEMORY)
		move_far(walk, from, to);
	else
		rama_place_move(walk->transform, walk->step, walk->place, walk->base, from, to);
	if (to > from)
	{
		remember_move(walk, to);
		return;
	}
	for (int64 i = walk->ngone - 1; i >= 0 && walk->gone[i] >= walk->base + to; i--)
		walk->gone[i]++;
	walk->here++;
}

/* The element that is here as a pair; what becomes of it is written. */
static void
walk_pair(Indexed *walk, const RamaNext *rest)
{
	RamaTransform *transform = walk->transform;
	const RamaNode *node = walk->place->node;
	RamaFocus	entry;
	RamaFocus	old;
	RamaFocus	pair = {.collected = walk->place->collected};
	RamaFocus	value = {.collected = walk->place->collected};
	JsonbValue	number = {.type = jbvNumeric};
	JsonbValue	element;
	RamaOutcome outcome;
	int64		to;

	rama_place_entry(node, walk->place->keys, Int64GetDatum(walk->base + walk->here),
					 walk->place, &entry);
	rama_place_load(transform, &entry, &old);
	rama_focus_pair(&pair);
	number.val.numeric = int64_to_numeric(walk->here + walk->step->from);
	rama_value_set(pair.first, NULL, &number);
	*pair.second = old;
	outcome = rama_change(transform, rest, &pair);
	if (outcome == RAMA_KEPT)
	{
		walk->here++;
		return;
	}
	walk->changed = true;
	if (outcome == RAMA_VOID ||
		!rama_value_pair(transform, walk->step, &pair, &number, &element))
	{
		add_gone(walk);
		walk->here++;
		return;
	}
	if (number.type == jbvNumeric)
		number.val.numeric =
			DatumGetNumeric(DirectFunctionCall2(numeric_sub, NumericGetDatum(number.val.numeric),
												NumericGetDatum(int64_to_numeric(walk->step->from))));
	to = rama_index_of(walk->step, &number, walk->count);
	rama_value_set(&value, rama_shape_of_value(node).node, &element);
	(void) rama_place_store(transform, &entry, &old, &value);
	if (to == walk->here)
		walk->here++;
	else
		move_here(walk, to);
}

static bool
has_moved_here(const Indexed *walk)
{
	for (int i = 0; i < walk->nahead; i++)
		if (walk->ahead[i] == walk->here)
			return true;
	return false;
}

/* rama_walk_indexed_vals() -- Every element as a pair with its index, one by one. */
RamaOutcome
rama_walk_indexed_vals(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	RamaNext	rest = rama_next_after(at);
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext item;
	Indexed		walk = {.transform = transform, .step = at->steps, .place = place, .context = caller};

	if (place->at != RAMA_AT_ROWS)
		return rama_walk_in_memory(transform, at, place);
	item = AllocSetContextCreate(caller, "pg_rama transform entry", ALLOCSET_DEFAULT_SIZES);
	walk.base = rama_place_base(transform, place);
	walk.count = rama_place_count(transform, place);
	MemoryContextSwitchTo(item);
	while (walk.here < walk.count)
	{
		CHECK_FOR_INTERRUPTS();
		if (has_moved_here(&walk))
			walk.here++;
		else
			walk_pair(&walk, &rest);
		MemoryContextReset(item);
	}
	MemoryContextSwitchTo(caller);
	rama_vector_remove(place->node->table, place->keys, walk.gone, walk.ngone);
	MemoryContextDelete(item);
	return walk.changed ? RAMA_CHANGED : RAMA_KEPT;
}

/* The runs that there are now: the beginning and the end of each. */
static int64 *
find_runs(RamaTransform *transform, const RamaStep *step, const RamaFocus *place, int64 *nruns)
{
	RamaFrame	frame = {.step = step};
	int64		room = 64;
	int64	   *runs = palloc(sizeof(int64) * 2 * room);

	rama_place_fresh(place, &frame.focus);
	rama_reading_begin(transform);
	frame.nestedcontext = AllocSetContextCreate(CurrentMemoryContext, "pg_rama runs",
												ALLOCSET_SMALL_SIZES);
	*nruns = 0;
	rama_open_continuous_subseqs(&transform->reading, &frame);
	while (rama_next_run(&transform->reading, &frame, &runs[2 * *nruns], &runs[2 * *nruns + 1]))
		if (++*nruns == room)
			runs = repalloc_huge(runs, sizeof(int64) * 2 * (room *= 2));
	MemoryContextDelete(frame.nestedcontext);
	rama_reading_end(transform);
	return runs;
}

/*
 * rama_walk_continuous_subseqs() -- Each run of elements, from the last one on: what
 * becomes of it takes its place.
 */
RamaOutcome
rama_walk_continuous_subseqs(RamaTransform *transform, const RamaNext *at, RamaFocus *place)
{
	const RamaStep *step = at->steps;
	RamaNext	rest = rama_next_after(at);
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext item;
	RamaOutcome result = RAMA_KEPT;
	int64		nruns;
	int64	   *runs;

	if (place->at != RAMA_AT_ROWS)
		return rama_walk_in_memory(transform, at, place);
	runs = find_runs(transform, step, place, &nruns);
	item = AllocSetContextCreate(caller, "pg_rama transform run", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(item);
	for (int64 i = nruns - 1; i >= 0; i--)
	{
		RamaFocus	run = *place;
		RamaOutcome outcome;

		rama_focus_sublist(&run, step, runs[2 * i], runs[2 * i + 1], NULL);
		outcome = rama_walk(transform, &rest, &run);
		if (outcome == RAMA_VOID)
			(void) rama_place_remove_entries(transform, &run);
		if (outcome != RAMA_KEPT)
			result = RAMA_CHANGED;
		MemoryContextReset(item);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(item);
	return result;
}
