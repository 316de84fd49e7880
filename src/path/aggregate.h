/*-------------------------------------------------------------------------
 *
 * aggregate.h
 *	  Aggregators: how a value that comes is combined with the one at a place.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_AGGREGATE_H
#define RAMA_AGGREGATE_H

#include "path/path.h"

typedef struct RamaAggregate RamaAggregate;

/*
 * Combine a value with the state of a place; false: the state stays as it is.
 * A state that is not there is null.
 */
typedef bool (*RamaCombine) (RamaAggregate *aggregate, Datum *state, bool *isnull,
							 Datum value);

/* An entry of the table of aggregators. */
typedef struct RamaAggregator
{
	const char *name;
	/* Choose argument and combine for aggregate->place; false: not for it. */
	bool		(*bind) (RamaAggregate *aggregate);
	const char *places;			/* for messages: what it is for */
	bool		counts;			/* values that are not null, or rows */
} RamaAggregator;

/* An aggregator for values of one type at places of one type. */
struct RamaAggregate
{
	const RamaAggregator *aggregator;
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
};

extern List *rama_aggregators_parse(const char *text);
extern RamaAggregate *rama_aggregate_bind(const RamaAggregator *aggregator,
										  const RamaType *place, const char *name,
										  Oid from, int32 typmod);
extern bool rama_aggregate_value(RamaAggregate *aggregate, Datum *state, bool *isnull,
								 Datum value, bool value_isnull);

#endif							/* RAMA_AGGREGATE_H */
