/*-------------------------------------------------------------------------
 *
 * merge.h
 *	  Rows of a query that are merged into a PState.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_MERGE_H
#define RAMA_MERGE_H

#include "path/aggregate.h"
#include "pstate/pstate.h"
#include "topology/topology.h"

/* A column of the query that is a key. */
typedef struct MergeKey
{
	int			column;			/* from 0 */
	const char *name;
	RamaAssign	assign;
	const RamaNode *node;		/* what it is a key of: a node within JSON; NULL:
								 * a key of the row */
} MergeKey;

/* What is combined in the leaf: a column of the query, or rows that count. */
typedef struct MergeValue
{
	int			column;			/* from 0, or -1 */
	const char *name;			/* of the leaf or field */
	const RamaNode *node;		/* the leaf, or a field of it */
	RamaAggregate *aggregate;
} MergeValue;

/*
 * How the rows of a query are merged: resolved for one binding of the PState
 * and one row type of the query.
 */
struct RamaMerge
{
	MemoryContext context;		/* holds all of this */
	uint64		generation;		/* of the binding */
	TupleDesc	desc;			/* of the query's rows */
	RamaTable  *table;			/* whose rows hold the leaf */
	int			nkeys;			/* the first table->nkeys are of the row */
	MergeKey   *keys;
	int			nvectors;		/* levels around the table that are vectors, */
	const RamaNode **vectors;	/* outermost first */
	const RamaNode *leaf;
	const RamaNode *column;		/* the leaf is within its JSON, or NULL */
	int			nvalues;
	MergeValue *values;
};

/* merge_columns.c */
extern RamaMerge *rama_merge_resolve(RamaPState *pstate, Oid target, const char *merge,
									 TupleDesc desc, bool defining);
extern bool rama_merge_fits(const RamaMerge *merge, const RamaPState *pstate,
							TupleDesc desc);

#endif							/* RAMA_MERGE_H */
