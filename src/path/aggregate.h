/*-------------------------------------------------------------------------
 *
 * aggregate.h
 *	  Aggregators: how a value that comes is combined with what is at a place.
 *
 * Places of most aggregators are scalars: they combine a value with the state
 * there. Others work on a place of their own form, such as a set, and have
 * "apply". See src/path/README.md.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_AGGREGATE_H
#define RAMA_AGGREGATE_H

#include "path/write.h"

typedef struct RamaAggregate RamaAggregate;

/*
 * Combine a value with the state of a place; false: the state stays as it is.
 * A state that is not there is null.
 */
typedef bool (*RamaCombine) (RamaAggregate *aggregate, Datum *state, bool *isnull,
							 Datum value);

typedef enum RamaAggregatorTakes
{
	RAMA_NO_OPTIONS,
	RAMA_TOP_OPTIONS,			/* n, id, sort, and in which order */
	RAMA_LIMIT_OPTIONS			/* n, sort, and in which order */
} RamaAggregatorTakes;

/* An entry of the table of aggregators. */
typedef struct RamaAggregator
{
	const char *names[3];		/* Clojure's, Java's, another */
	int			nvalues;		/* that it takes; -1: as the SQL aggregate */
	bool		counts;			/* values that are not null, or rows */
	bool		removes;		/* entries, which needs the privilege to delete */
	RamaAggregatorTakes takes;
	Oid			plain;			/* combining in plain data: as this type */
	const char *places;			/* for messages: what it is for */

	/* Choose argument and combine for aggregate->place; false: not for it. */
	bool		(*bind) (RamaAggregate *aggregate);

	/*
	 * For aggregate->node, which is no scalar that "bind" is for: is it for
	 * that? And what is done for each value.
	 */
	bool		(*fits) (RamaAggregate *aggregate);
	void		(*apply) (RamaAggregate *aggregate, const RamaTarget *target,
						  const RamaInput *values);
} RamaAggregator;

/* An aggregator as somebody named it, with its options. */
typedef struct RamaAggregatorCall
{
	const RamaAggregator *aggregator;
	const char *name;
	List	   *functions;		/* SQL aggregates of that name */
	int			nvalues;
	bool		hasoptions;
	int64		amount;
	const char *id;				/* NULL: the whole item */
	const char *sort;			/* NULL: the whole item, or its order of arrival */
	bool		ordered;			/* the order was given */
	bool		ascending;
} RamaAggregatorCall;

/* An aggregator for places of one schema. */
struct RamaAggregate
{
	const RamaAggregatorCall *call;
	const RamaNode *node;		/* the place; NULL: plain data */
	int			ntypes;			/* of the values, where they are known */
	const Oid  *types;			/* InvalidOid: JSON, or untyped */

	/* where it combines a value with a scalar: */
	bool		combines;
	bool		counts;			/* call->aggregator->counts */
	RamaType	place;
	Oid			base;			/* of place.oid, where that is a domain */
	RamaType	argument;		/* what the values are assigned to */
	RamaAssign	assign;			/* ... from what they come as */
	RamaCombine combine;
	FmgrInfo	function;		/* combine's own */
	int64		low;			/* sum of integers: what fits into the place */
	int64		high;
	bool		store;			/* states are assigned to the place by: */
	RamaAssign	to_place;

	/* where it does not: */
	RamaAggregate *parts[3];	/* for places below this one */
	const RamaNode *fields[3];	/* of a struct */
	struct RamaSqlAggregate *sql;
	struct RamaRanking *ranking;
};

/* Fields of a place of an aggregate of SQL that is a struct. */
enum
{
	RAMA_SQL_STATE,
	RAMA_SQL_VALUE
};

/* An aggregate of SQL, resolved for a place and the types of the values. */
typedef struct RamaSqlAggregate
{
	Oid			oid;
	bool		combining;		/* values are states */
	int			nargs;
	RamaType   *args;			/* of the values */
	RamaType	state;
	FmgrInfo	transition;		/* or the combine function */
	bool		has_final;
	int			nfinal;			/* arguments of the final function */
	FmgrInfo	final;
	Oid			result;
	char	   *initial;		/* NULL: none */
	Oid			collation;
} RamaSqlAggregate;

/* What an item is known by, or ranked by. */
typedef struct RamaItemPart
{
	JsonbValue	json;
	Datum		datum;			/* where it has a type */
} RamaItemPart;

typedef struct RamaItem
{
	JsonbValue	json;			/* as it is stored */
	RamaItemPart id;
	RamaItemPart sort;
} RamaItem;

/* How items are taken apart and ranked. */
typedef struct RamaRanking
{
	int64		amount;
	bool		ascending;
	const RamaNode *node;		/* of the items; NULL: plain data */
	bool		has_id;
	bool		has_sort;
	const char *id_name;		/* NULL: the item as a whole */
	const char *sort_name;
	RamaType	id;				/* oid 0: JSON without a type */
	RamaType	sort;
} RamaRanking;

/* aggregate.c */
extern List *rama_aggregators_parse(const char *text);
extern void rama_aggregator_options(RamaAggregatorCall *call, const RamaInput *input);
extern void rama_aggregator_check(const RamaAggregatorCall *call);
extern RamaAggregate *rama_aggregate_bind(const RamaAggregatorCall *call,
										  const RamaNode *node, const char *name,
										  int ntypes, const Oid *types);
extern bool rama_aggregator_fits(const RamaAggregatorCall *call, const RamaNode *node);
extern const RamaAggregatorCall *rama_aggregator_call(const char *name);
extern void rama_aggregate_assign(RamaAggregate *aggregate, const char *name, Oid from,
								  int32 typmod);
extern bool rama_aggregate_value(RamaAggregate *aggregate, Datum *state, bool *isnull,
								 Datum value, bool value_isnull);
extern bool rama_aggregate_input(RamaAggregate *aggregate, Datum *state, bool *isnull,
								 const RamaInput *input);
extern bool rama_aggregate_adds(const RamaAggregate *aggregate);
extern void rama_aggregate_apply(RamaAggregate *aggregate, const RamaTarget *target,
								 const RamaInput *values);
extern void rama_aggregate_nothing(RamaAggregate *aggregate, const RamaTarget *target);

/* aggregate_scalar.c */
extern bool rama_bind_sum(RamaAggregate *aggregate);
extern bool rama_bind_count(RamaAggregate *aggregate);
extern bool rama_bind_min(RamaAggregate *aggregate);
extern bool rama_bind_max(RamaAggregate *aggregate);
extern bool rama_bind_and(RamaAggregate *aggregate);
extern bool rama_bind_or(RamaAggregate *aggregate);
extern bool rama_bind_first(RamaAggregate *aggregate);
extern bool rama_bind_last(RamaAggregate *aggregate);

/* aggregate_place.c */
typedef bool (*RamaStateChange) (void *arg, int i, Datum *state, bool *isnull);
typedef bool (*RamaJsonChange) (void *arg, const RamaNode *node, const JsonbValue *old,
								JsonbValue *new);

extern void rama_target_update(const RamaTarget *target, int n,
							   const RamaNode *const *fields, const RamaType *types,
							   const bool *adds, RamaStateChange change, void *arg);
extern void rama_target_change(const RamaTarget *target, RamaJsonChange change, void *arg);

/* aggregate_collection.c */
#define RAMA_AGGREGATOR(name) \
	extern bool rama_fits_##name(RamaAggregate *aggregate); \
	extern void rama_apply_##name(RamaAggregate *aggregate, const RamaTarget *target, \
								  const RamaInput *values)
RAMA_AGGREGATOR(set);
RAMA_AGGREGATOR(set_remove);
RAMA_AGGREGATOR(multi_set);
RAMA_AGGREGATOR(map);
RAMA_AGGREGATOR(list);
RAMA_AGGREGATOR(merge);
RAMA_AGGREGATOR(none);
RAMA_AGGREGATOR(first);
RAMA_AGGREGATOR(last);

/* aggregate_average.c, aggregate_top.c, aggregate_sql_call.c */
RAMA_AGGREGATOR(average);
RAMA_AGGREGATOR(top);
RAMA_AGGREGATOR(limit);
RAMA_AGGREGATOR(sql);

/* aggregate_item.c */
extern RamaRanking *rama_ranking_make(const RamaAggregatorCall *call, const RamaNode *vector);
extern void rama_item_take(const RamaRanking *ranking, const JsonbValue *json, RamaItem *item);
extern void rama_item_take_input(const RamaRanking *ranking, const RamaInput *input,
								 RamaItem *item);
extern int	rama_item_compare(const RamaRanking *ranking, const RamaItem *a,
							  const RamaItem *b);
extern bool rama_item_same_id(const RamaRanking *ranking, const RamaItem *a,
							  const RamaItem *b);

/* aggregate_sql.c */
extern List *rama_sql_aggregates(const char *name, int *nvalues);
extern char *rama_sql_states(const RamaAggregatorCall *call);

#endif							/* RAMA_AGGREGATE_H */
