/*-------------------------------------------------------------------------
 *
 * navigators.c
 *	  The table of navigators.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

#include "utils/builtins.h"

#define KEYS .minargs = 1, .maxargs = -1, .eachkey = true, .write = true, .keyed = true
#define NO_ARGS .minargs = 0, .maxargs = 0
#define ONE_ARG .minargs = 1, .maxargs = 1
#define FUNCTION .minargs = 1, .maxargs = -1
#define TERMINAL .terminal = true, .go = rama_go_stop
#define HERE .change = rama_change_filter, .walk = rama_walk_filter
#define PART .change = rama_change_part, .walk = rama_walk_part
#define EACH .open = rama_open_each
#define BRANCHES .open = rama_open_multi_path, .next = rama_next_multi_path, \
	.change = rama_change_branches, .walk = rama_walk_branches

static const RamaNavigator navigators[] = {
	{{"key", "keypath"}, KEYS, .bind = rama_bind_key, .go = rama_go_key,
	.change = rama_change_key, .walk = rama_walk_key},
	{{"must"}, KEYS, .bind = rama_bind_key, .go = rama_go_must,
	.change = rama_change_must, .walk = rama_walk_must},
	{{"nth", "nthpath"}, KEYS, .bind = rama_bind_nth, .go = rama_go_key,
	.change = rama_change_nth, .walk = rama_walk_nth},

	{{"all", "ALL"}, NO_ARGS, .bind = rama_bind_all, EACH, .next = rama_next_all,
	.change = rama_change_all, .walk = rama_walk_all},
	{{"map-vals", "mapVals", "MAP-VALS"}, NO_ARGS, .needs = RAMA_MAP,
	.bind = rama_bind_map_vals, EACH, .next = rama_next_map_val,
	.change = rama_change_map_vals, .walk = rama_walk_map_vals},
	{{"map-keys", "mapKeys", "MAP-KEYS"}, NO_ARGS, .needs = RAMA_MAP,
	.bind = rama_bind_map_keys, EACH, .next = rama_next_map_key,
	.change = rama_change_map_keys, .walk = rama_walk_map_keys},
	{{"first", "FIRST"}, NO_ARGS, .bind = rama_bind_end, .go = rama_go_first, .write = true,
	.change = rama_change_first, .walk = rama_walk_first},
	{{"last", "LAST"}, NO_ARGS, .bind = rama_bind_end, .go = rama_go_last, .write = true,
	.change = rama_change_last, .walk = rama_walk_last},

	{{"srange", "sublist"}, .minargs = 2, .maxargs = 2,
	.bind = rama_bind_sublist, .go = rama_go_sublist, .keyed = true,
	PART},
	{{"sorted-map-range", "sortedMapRange"}, .minargs = 2, .maxargs = 3,
	.bind = rama_bind_map_range, .go = rama_go_range, .keyed = true,
	PART},
	{{"sorted-map-range-from", "sortedMapRangeFrom"}, .minargs = 1, .maxargs = 2,
	.bind = rama_bind_map_range_from, .go = rama_go_range, .keyed = true,
	PART},
	{{"sorted-map-range-to", "sortedMapRangeTo"}, .minargs = 1, .maxargs = 2,
	.bind = rama_bind_map_range_to, .go = rama_go_range, .keyed = true,
	PART},
	{{"sorted-map-range-from-start", "sortedMapRangeFromStart"}, .minargs = 1, .maxargs = 1,
	.bind = rama_bind_map_range_from_start, .go = rama_go_range, .keyed = true,
	PART},
	{{"sorted-map-range-to-end", "sortedMapRangeToEnd"}, .minargs = 1, .maxargs = 1,
	.bind = rama_bind_map_range_to_end, .go = rama_go_range, .keyed = true,
	PART},
	{{"sorted-set-range", "sortedSetRange"}, .minargs = 2, .maxargs = 3,
	.bind = rama_bind_set_range, .go = rama_go_range, .keyed = true,
	PART},
	{{"sorted-set-range-from", "sortedSetRangeFrom"}, .minargs = 1, .maxargs = 2,
	.bind = rama_bind_set_range_from, .go = rama_go_range, .keyed = true,
	PART},
	{{"sorted-set-range-to", "sortedSetRangeTo"}, .minargs = 1, .maxargs = 2,
	.bind = rama_bind_set_range_to, .go = rama_go_range, .keyed = true,
	PART},
	{{"sorted-set-range-from-start", "sortedSetRangeFromStart"}, .minargs = 1, .maxargs = 1,
	.bind = rama_bind_set_range_from_start, .go = rama_go_range, .keyed = true,
	PART},
	{{"sorted-set-range-to-end", "sortedSetRangeToEnd"}, .minargs = 1, .maxargs = 1,
	.bind = rama_bind_set_range_to_end, .go = rama_go_range, .keyed = true,
	PART},

	{{"set-elem", "setElem"}, ONE_ARG, .bind = rama_bind_set_elem, .go = rama_go_set_elem,
	.keyed = true,
	.change = rama_change_set_elem, .walk = rama_walk_set_elem},
	{{"map-key", "mapKey"}, ONE_ARG, .bind = rama_bind_map_key, .go = rama_go_map_key,
	.keyed = true,
	.change = rama_change_map_key, .walk = rama_walk_map_key},
	{{"index-nav", "index"}, ONE_ARG, .needs = RAMA_VECTOR, .bind = rama_bind_index, .go = rama_go_index,
	.change = rama_change_index, .walk = rama_walk_index},
	{{"indexed-vals", "indexedVals", "INDEXED-VALS"}, .minargs = 0, .maxargs = 1, .needs = RAMA_VECTOR,
	.bind = rama_bind_indexed_vals, .open = rama_open_indexed_vals, .next = rama_next_indexed_val,
	.change = rama_change_indexed_vals, .walk = rama_walk_indexed_vals},
	{{"indexed-vals-start-from"}, ONE_ARG, .needs = RAMA_VECTOR,
	.bind = rama_bind_indexed_vals, .open = rama_open_indexed_vals, .next = rama_next_indexed_val,
	.change = rama_change_indexed_vals, .walk = rama_walk_indexed_vals},
	{{"after-elem", "afterElem", "AFTER-ELEM"}, NO_ARGS, .needs = RAMA_VECTOR,
	.bind = rama_bind_new_elem, .go = rama_go_new_elem,
	.change = rama_change_after_elem, .walk = rama_walk_after_elem},
	{{"before-elem", "beforeElem", "BEFORE-ELEM"}, NO_ARGS, .needs = RAMA_VECTOR,
	.bind = rama_bind_new_elem, .go = rama_go_new_elem,
	.change = rama_change_before_elem, .walk = rama_walk_before_elem},
	{{"before-index", "beforeIndex"}, ONE_ARG, .needs = RAMA_VECTOR,
	.bind = rama_bind_before_index, .go = rama_go_new_elem,
	.change = rama_change_before_index, .walk = rama_walk_before_index},
	{{"none-elem", "voidSetElem", "NONE-ELEM"}, NO_ARGS, .needs = RAMA_SET,
	.bind = rama_bind_none_elem, .go = rama_go_new_elem,
	.change = rama_change_none_elem, .walk = rama_walk_none_elem},
	{{"end", "END"}, NO_ARGS, .needs = RAMA_VECTOR, .bind = rama_bind_vector_end, .go = rama_go_vector_end,
	.change = rama_change_vector_end, .walk = rama_walk_vector_end},
	{{"beginning", "BEGINNING"}, NO_ARGS, .needs = RAMA_VECTOR, .bind = rama_bind_vector_end, .go = rama_go_vector_end,
	.change = rama_change_vector_beginning, .walk = rama_walk_vector_beginning},

	{{"submap", "subMap", "sub-map"}, .minargs = 1, .maxargs = -1,
	.bind = rama_bind_submap, .go = rama_go_submap, .keyed = true,
	.change = rama_change_part, .walk = rama_walk_subset},
	{{"subset"}, .minargs = 1, .maxargs = -1,
	.bind = rama_bind_subset, .go = rama_go_subset, .keyed = true,
	.change = rama_change_part, .walk = rama_walk_subset},
	{{"filterer", "filteredList"}, ONE_ARG, .bind = rama_bind_filterer, .go = rama_go_filterer,
	.change = rama_change_subselect, .walk = rama_walk_subselect},
	{{"continuous-subseqs", "continuousSubseqs"}, FUNCTION, .needs = RAMA_VECTOR, .bind = rama_bind_continuous_subseqs,
	.open = rama_open_continuous_subseqs, .next = rama_next_continuous_subseq,
	.change = rama_change_continuous_subseqs, .walk = rama_walk_continuous_subseqs},
	{{"srange-dynamic", "sublistDynamic"}, .minargs = 2, .maxargs = 2, .needs = RAMA_VECTOR,
	.bind = rama_bind_sublist_dynamic, .go = rama_go_sublist_dynamic, PART},

	{{"view"}, FUNCTION, .bind = rama_bind_view, .go = rama_go_view,
	.change = rama_change_view},
	{{"nil->val", "nullToVal"}, ONE_ARG, .bind = rama_bind_null_to_val, .go = rama_go_null_to_val,
	.change = rama_change_nil, .walk = rama_walk_nil},
	{{"nil->list", "nullToList", "NIL->LIST"}, NO_ARGS,
	.bind = rama_bind_null_to_list, .go = rama_go_null_to_val,
	.change = rama_change_nil, .walk = rama_walk_nil},
	{{"nil->vector", "nullToVector", "NIL->VECTOR"}, NO_ARGS,
	.bind = rama_bind_null_to_list, .go = rama_go_null_to_val,
	.change = rama_change_nil, .walk = rama_walk_nil},
	{{"nil->set", "nullToSet", "NIL->SET"}, NO_ARGS,
	.bind = rama_bind_null_to_list, .go = rama_go_null_to_val,
	.change = rama_change_nil, .walk = rama_walk_nil},
	/* It matters only where something is removed. */
	{{"NONE->val", "voidToVal"}, ONE_ARG, .bind = rama_bind_stay, .go = rama_go_stay,
	.change = rama_change_none_to_val},

	{{"stay", "STAY"}, NO_ARGS, .bind = rama_bind_stay, .go = rama_go_stay, HERE},
	{{"stop", "STOP"}, NO_ARGS, .bind = rama_bind_stay, .go = rama_go_stop, HERE},
	{{"pred", "filterPred"}, FUNCTION, .bind = rama_bind_pred, .go = rama_go_pred, HERE},
	{{"pred=", "filterEqual"}, ONE_ARG, .bind = rama_bind_compare, .go = rama_go_equal, HERE},
	{{"prednot=", "filterNotEqual"}, ONE_ARG, .bind = rama_bind_compare, .go = rama_go_not_equal, HERE},
	{{"pred<", "filterLessThan"}, ONE_ARG, .bind = rama_bind_compare, .go = rama_go_less, HERE},
	{{"pred<=", "filterLessThanOrEqual"}, ONE_ARG,
	.bind = rama_bind_compare, .go = rama_go_less_equal, HERE},
	{{"pred>", "filterGreaterThan"}, ONE_ARG, .bind = rama_bind_compare, .go = rama_go_greater, HERE},
	{{"pred>=", "filterGreaterThanOrEqual"}, ONE_ARG,
	.bind = rama_bind_compare, .go = rama_go_greater_equal, HERE},
	{{"selected?", "filterSelected"}, ONE_ARG, .bind = rama_bind_selected, .go = rama_go_selected, HERE},
	{{"not-selected?", "filterNotSelected"}, ONE_ARG,
	.bind = rama_bind_selected, .go = rama_go_not_selected, HERE},
	{{"collected?", "isCollected"}, FUNCTION,
	.bind = rama_bind_collected, .go = rama_go_collected, HERE},

	{{"if-path", "ifPath"}, .minargs = 2, .maxargs = 3, .bind = rama_bind_if_path,
	.open = rama_open_cond_path, .next = rama_branch_next,
	.change = rama_change_cond, .walk = rama_walk_cond},
	{{"cond-path", "condPath"}, .minargs = 2, .maxargs = -1, .bind = rama_bind_cond_path,
	.open = rama_open_cond_path, .next = rama_branch_next,
	.change = rama_change_cond, .walk = rama_walk_cond},
	{{"multi-path", "multiPath"}, .minargs = 1, .maxargs = -1,
	.bind = rama_bind_multi_path, BRANCHES},
	{{"continue-then-stay", "continueThenStay"}, ONE_ARG,
	.bind = rama_bind_continue_then_stay, BRANCHES},
	{{"stay-then-continue", "stayThenContinue"}, ONE_ARG,
	.bind = rama_bind_stay_then_continue, BRANCHES},
	{{"with-page-size", "withPageSize"}, .minargs = 2, .maxargs = 2,
	.bind = rama_bind_page_size, BRANCHES},
	{{"subselect"}, ONE_ARG, .bind = rama_bind_subselect, .go = rama_go_subselect,
	.change = rama_change_subselect, .walk = rama_walk_subselect},

	{{"collect"}, ONE_ARG, .bind = rama_bind_collect, .go = rama_go_collect, HERE},
	{{"collect-one", "collectOne"}, ONE_ARG, .bind = rama_bind_collect, .go = rama_go_collect_one, HERE},
	{{"val", "VAL"}, NO_ARGS, .bind = rama_bind_stay, .go = rama_go_val, HERE},
	{{"putval", "putCollected", "put-collected"}, ONE_ARG,
	.bind = rama_bind_putval, .go = rama_go_putval, HERE},
	{{"dispense", "dispenseCollected", "DISPENSE"}, NO_ARGS,
	.bind = rama_bind_stay, .go = rama_go_dispense, HERE},
	{{"with-fresh-collected", "withFreshCollected"}, ONE_ARG, .bind = rama_bind_fresh_collected,
	.open = rama_open_multi_path, .next = rama_next_fresh_collected,
	.change = rama_change_fresh_collected, .walk = rama_walk_fresh_collected},

	{{"transformed", "multi-transformed", "multiTransformed"}, ONE_ARG,
	.bind = rama_bind_transformed, .go = rama_go_transformed, .change = rama_change_view},

	{{"term"}, FUNCTION, TERMINAL, .bind = rama_bind_term, .change = rama_change_term},
	{{"term-val", "termVal", "termval"}, ONE_ARG, TERMINAL, .bind = rama_bind_term_val,
	.change = rama_change_term_val, .walk = rama_walk_term_val},
	{{"NONE>", "term-void", "termVoid"}, NO_ARGS, TERMINAL, .bind = rama_bind_term_void,
	.change = rama_change_term_void, .walk = rama_walk_term_void},
};

/* [name]: a path of that name. */
static const RamaNavigator named_path = {
	{"named path"}, NO_ARGS, .bind = rama_bind_named,
	.open = rama_open_named, .next = rama_branch_next,
	.change = rama_change_named, .walk = rama_walk_named
};

/* Rama's other navigators: known, and not supported yet. */
static const char *const later[] = {
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

static const RamaNavigator *
find_navigator(const char *name)
{
	for (int i = 0; i < (int) lengthof(navigators); i++)
		for (int j = 0; j < 3 && navigators[i].names[j]; j++)
			if (strcmp(navigators[i].names[j], name) == 0)
				return &navigators[i];
	return NULL;
}

static bool
is_later(const char *name)
{
	for (int i = 0; i < (int) lengthof(later); i++)
		if (strcmp(later[i], name) == 0)
			return true;
	return false;
}

/* rama_is_navigator() -- Is it one of Rama's, supported or not? */
bool
rama_is_navigator(const char *name)
{
	return find_navigator(name) != NULL || is_later(name);
}

/*
 * rama_navigator_find() -- The navigator of that name, or that of a named
 * path.
 *
 * Errors: 42704 unknown, with near matches; 0A000 one of Rama's that is not
 * supported yet.
 */
const RamaNavigator *
rama_navigator_find(const char *name, int position)
{
	const RamaNavigator *found = find_navigator(name);
	JsonbValue	path;
	char	   *fullname;

	if (found)
		return found;
	if (is_later(name))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("step %d of the path: navigator \"%s\" is not supported in this version",
						position, name)));
	if (!rama_named_path_find(name, &path, &fullname))
		unknown_navigator(name, position);
	return &named_path;
}
