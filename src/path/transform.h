/*-------------------------------------------------------------------------
 *
 * transform.h
 *	  Writing along a path: rama.transform() and the navigator transformed.
 *
 * A path is applied to a value in memory (rama_change), or to a stored place
 * (rama_walk). Both do the same. See src/path/README.md.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_TRANSFORM_H
#define RAMA_TRANSFORM_H

#include "path/write.h"

/* What is still to be done: the rest of a path, and of those around it. */
typedef struct RamaNext
{
	const RamaStep *steps;
	int			nsteps;
	const struct RamaNext *then;	/* after a branch: the rest of its path */
	bool		fresh;			/* ... with what was collected before */
	const RamaCollected *collected;
} RamaNext;

typedef struct RamaRenames RamaRenames;

struct RamaTransform
{
	RamaEval	reading;		/* for what is read on the way */

	/* At the end of a path without terminal: sets what is there. */
	RamaOutcome (*end) (RamaTransform *transform, RamaFocus *value);
	void	   *arg;			/* end's */
	RamaRenames *renames;		/* of the map whose entry is changed */
};

/* transform.c */
extern void rama_transform_check(const RamaStep *steps, int nsteps);
extern RamaNext rama_next_after(const RamaNext *at);
extern RamaNext rama_next_branch(const RamaStep *step, int branch, const RamaNext *then);

/* transform_value.c: values in memory */
extern RamaOutcome rama_change(RamaTransform *transform, const RamaNext *next,
							   RamaFocus *value);
extern RamaOutcome rama_change_steps(RamaTransform *transform, const RamaStep *steps,
									 int nsteps, RamaFocus *value);
extern void rama_value_json(RamaTransform *transform, RamaFocus *value, JsonbValue *json);
extern void rama_value_set(RamaFocus *value, const RamaNode *node, const JsonbValue *json);
extern void rama_value_conform(RamaTransform *transform, const RamaStep *step,
							   RamaFocus *value, const JsonbValue *json);
extern void rama_value_set_entries(RamaFocus *value, const RamaNode *node,
								   RamaEntries *entries);
extern bool rama_value_pair(RamaTransform *transform, const RamaStep *step, RamaFocus *value,
							JsonbValue *key, JsonbValue *item);
extern void rama_value_fit_item(const RamaNode *collection, JsonbValue *item);
extern const RamaNode *rama_value_node(const RamaStep *step, const RamaFocus *value);

/* transform_part.c */
extern RamaEntries *rama_value_entries(RamaTransform *transform, const RamaNode *node,
									   RamaSchemaKind kind, RamaFocus *value);

/* transform_place.c: stored places */
extern RamaOutcome rama_walk(RamaTransform *transform, const RamaNext *next,
							 RamaFocus *place);
extern RamaOutcome rama_walk_in_memory(RamaTransform *transform, const RamaNext *next,
									   RamaFocus *place);
extern void rama_place_fresh(const RamaFocus *place, RamaFocus *fresh);
extern void rama_place_entry(const RamaNode *node, const Datum *prefix, Datum key,
							 const RamaFocus *from, RamaFocus *place);
extern void rama_place_put(RamaTransform *transform, RamaFocus *place, RamaFocus *value);
extern void rama_place_load(RamaTransform *transform, const RamaFocus *place,
							RamaFocus *value);
extern RamaOutcome rama_place_store(RamaTransform *transform, const RamaFocus *place,
									RamaFocus *old, RamaFocus *value);
extern RamaOutcome rama_place_remove(RamaTransform *transform, const RamaFocus *place);
extern int64 rama_index_of(const RamaStep *step, const JsonbValue *json, int64 count);
extern void rama_place_move(RamaTransform *transform, const RamaStep *step,
							const RamaFocus *place, int64 base, int64 from, int64 to);
extern int64 rama_place_base(RamaTransform *transform, const RamaFocus *place);
extern int64 rama_place_count(RamaTransform *transform, const RamaFocus *place);
extern bool rama_place_exists(RamaTransform *transform, const RamaFocus *place);
extern void rama_reading_begin(RamaTransform *transform);
extern void rama_reading_end(RamaTransform *transform);

/* transform_each.c */
extern RamaOutcome rama_place_remove_entries(RamaTransform *transform, const RamaFocus *place);
extern void rama_renames_add(RamaRenames *renames, const RamaNode *node, Datum from,
							 Datum to, const JsonbValue *value);

/* replace.c */
extern bool rama_json_same(const JsonbValue *a, const JsonbValue *b);
extern void rama_replace_entries(const RamaNode *node, const Datum *prefix,
								 const RamaEntries *old, const RamaEntries *new,
								 int64 base);
extern void rama_vector_insert(const RamaNode *vector, const Datum *prefix, int64 at,
							   const RamaEntry *entry, int64 count);

#endif							/* RAMA_TRANSFORM_H */
