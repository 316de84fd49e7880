/*-------------------------------------------------------------------------
 *
 * navigators.c
 *	  The table of navigators.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

#include "utils/builtins.h"

#define KEYS .minargs = 1, .maxargs = -1, .eachkey = true, .write = true
#define NO_ARGS .minargs = 0, .maxargs = 0
#define EACH .open = rama_open_each

static const RamaNavigator navigators[] = {
	{{"key", "keypath"}, KEYS, .bind = rama_bind_key, .go = rama_go_key},
	{{"must"}, KEYS, .bind = rama_bind_key, .go = rama_go_must},
	{{"nth", "nthpath"}, KEYS, .bind = rama_bind_nth, .go = rama_go_key},

	{{"all", "ALL"}, NO_ARGS, .bind = rama_bind_all, EACH, .next = rama_next_all},
	{{"map-vals", "mapVals", "MAP-VALS"}, NO_ARGS,
	.bind = rama_bind_map_vals, EACH, .next = rama_next_map_val},
	{{"map-keys", "mapKeys", "MAP-KEYS"}, NO_ARGS,
	.bind = rama_bind_map_keys, EACH, .next = rama_next_map_key},
	{{"first", "FIRST"}, NO_ARGS, .bind = rama_bind_end, .go = rama_go_first, .write = true},
	{{"last", "LAST"}, NO_ARGS, .bind = rama_bind_end, .go = rama_go_last, .write = true},

	{{"srange", "sublist"}, .minargs = 2, .maxargs = 2,
	.bind = rama_bind_sublist, .go = rama_go_sublist},
	{{"sorted-map-range", "sortedMapRange"}, .minargs = 2, .maxargs = 3,
	.bind = rama_bind_map_range, .go = rama_go_range},
	{{"sorted-map-range-from", "sortedMapRangeFrom"}, .minargs = 1, .maxargs = 2,
	.bind = rama_bind_map_range_from, .go = rama_go_range},
	{{"sorted-map-range-to", "sortedMapRangeTo"}, .minargs = 1, .maxargs = 2,
	.bind = rama_bind_map_range_to, .go = rama_go_range},
	{{"sorted-map-range-from-start", "sortedMapRangeFromStart"}, .minargs = 1, .maxargs = 1,
	.bind = rama_bind_map_range_from_start, .go = rama_go_range},
	{{"sorted-map-range-to-end", "sortedMapRangeToEnd"}, .minargs = 1, .maxargs = 1,
	.bind = rama_bind_map_range_to_end, .go = rama_go_range},
	{{"sorted-set-range", "sortedSetRange"}, .minargs = 2, .maxargs = 3,
	.bind = rama_bind_set_range, .go = rama_go_range},
	{{"sorted-set-range-from", "sortedSetRangeFrom"}, .minargs = 1, .maxargs = 2,
	.bind = rama_bind_set_range_from, .go = rama_go_range},
	{{"sorted-set-range-to", "sortedSetRangeTo"}, .minargs = 1, .maxargs = 2,
	.bind = rama_bind_set_range_to, .go = rama_go_range},
	{{"sorted-set-range-from-start", "sortedSetRangeFromStart"}, .minargs = 1, .maxargs = 1,
	.bind = rama_bind_set_range_from_start, .go = rama_go_range},
	{{"sorted-set-range-to-end", "sortedSetRangeToEnd"}, .minargs = 1, .maxargs = 1,
	.bind = rama_bind_set_range_to_end, .go = rama_go_range},

	{{"view"}, .minargs = 1, .maxargs = -1, .bind = rama_bind_view, .go = rama_go_view},
};

/* Rama's other navigators: known, and not supported yet. */
static const char *const later[] = {
	"map-key", "mapKey", "set-elem", "setElem",
	"indexed-vals", "indexedVals", "INDEXED-VALS", "indexed-vals-start-from",
	"index", "index-nav", "after-elem", "afterElem", "AFTER-ELEM",
	"before-elem", "beforeElem", "BEFORE-ELEM", "before-index", "beforeIndex",
	"end", "END", "beginning", "BEGINNING", "none-elem", "voidSetElem", "NONE-ELEM",
	"term", "term-val", "termVal", "term-void", "termVoid", "NONE>",
	"pred", "filterPred", "pred=", "filterEqual", "prednot=", "filterNotEqual",
	"pred<", "filterLessThan", "pred<=", "filterLessThanOrEqual",
	"pred>", "filterGreaterThan", "pred>=", "filterGreaterThanOrEqual",
	"selected?", "filterSelected", "not-selected?", "filterNotSelected",
	"collected?", "isCollected", "srange-dynamic", "sublistDynamic",
	"filterer", "filteredList", "submap", "sub-map", "subMap", "subset",
	"continuous-subseqs", "subselect",
	"nil->val", "nullToVal", "NIL->LIST", "nullToList", "NIL->SET", "nullToSet",
	"NIL->VECTOR", "NONE->val", "transformed", "multi-transformed",
	"stay", "STAY", "stop", "STOP", "if-path", "ifPath", "cond-path", "condPath",
	"multi-path", "multiPath", "continue-then-stay", "stay-then-continue",
	"collect", "collect-one", "collectOne", "VAL", "val", "putval", "putCollected",
	"put-collected", "dispense", "DISPENSE", "dispenseCollected",
	"with-fresh-collected", "with-page-size", "withPageSize",
	"pkey", "recursive-path", "eachnav", "parser", "NAME", "NAMESPACE"
};

static void
unknown_navigator(const char *name, int position)
{
	RamaNear	near = {.count = 0};
	char	   *names;

	for (int i = 0; i < (int) lengthof(navigators); i++)
		for (int j = 0; j < 3 && navigators[i].names[j]; j++)
			rama_near_consider(&near, navigators[i].names[j], name);
	names = rama_near_names(&near);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("step %d of the path: unknown navigator \"%s\"", position, name),
			 names ? errhint("Perhaps you meant %s.", names) :
			 errhint("A key that is itself an array is written as [\"key\", [...]].")));
}

/*
 * rama_navigator_find() -- The navigator of that name.
 *
 * Errors: 42704 unknown, with near matches; 0A000 one of Rama's that is not
 * supported yet.
 */
const RamaNavigator *
rama_navigator_find(const char *name, int position)
{
	for (int i = 0; i < (int) lengthof(navigators); i++)
		for (int j = 0; j < 3 && navigators[i].names[j]; j++)
			if (strcmp(navigators[i].names[j], name) == 0)
				return &navigators[i];

	for (int i = 0; i < (int) lengthof(later); i++)
		if (strcmp(later[i], name) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("step %d of the path: navigator \"%s\" is not supported in this version",
							position, name)));
	unknown_navigator(name, position);
	return NULL;
}
