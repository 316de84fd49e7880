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

/* The way from a PState's root down to a node. */
typedef struct MergeLevels
{
	int			count;
	const RamaNode **nodes;		/* each the child of a struct, or of a level
								 * that has a key */
} MergeLevels;

/* What is combined with a scalar: a column of the query, or rows that count. */
typedef struct MergeValue
{
	int			column;			/* from 0, or -1 */
	const char *name;			/* of the leaf or field */
	const RamaNode *node;		/* the leaf, or a field of it */
	RamaAggregate *aggregate;
	bool		adds;			/* it is a sum */
	MergeLevels levels;
} MergeValue;

/* What is done to another place: from columns of the query. */
typedef struct MergePlace
{
	int			column;			/* the first one, from 0 */
	int			ncolumns;
	bool		item;			/* they are the fields of one value */
	const char *name;
	const RamaNode *node;		/* the leaf, or a field of it */
	RamaAggregate *aggregate;
	MergeLevels levels;
} MergePlace;

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
	bool		has_row;		/* these are there: the leaf is not the table */
	int			nvectors;		/* levels around the table that are vectors, */
	const RamaNode **vectors;	/* outermost first */
	const RamaNode *leaf;
	const RamaNode *column;		/* the leaf is within its JSON, or NULL */
	int			nvalues;
	MergeValue *values;
	int			nplaces;
	MergePlace *places;
	bool		removes;		/* entries */
	bool		documents;		/* rows hold JSON that is changed */
};

/* A row of the query: its keys as they are at their places, and its columns. */
typedef struct MergeRow
{
	Datum	   *keys;
	Datum	   *values;			/* of all columns; those of keys are not set */
	bool	   *nulls;
	uint32		hash;			/* of rama_buffer_announce() */
} MergeRow;

/* What is resolved, on the way. */
typedef struct MergeField MergeField;

typedef struct MergeResolution
{
	RamaMerge  *merge;
	TupleDesc	desc;
	Oid			target;
	int			nfields;
	MergeField *fields;
	bool		defining;		/* a source is made: notices may be given */
} MergeResolution;

/* merge_columns.c */
extern RamaMerge *rama_merge_resolve(RamaPState *pstate, Oid target, const char *merge,
									 TupleDesc desc, bool defining);
extern bool rama_merge_fits(const RamaMerge *merge, const RamaPState *pstate,
							TupleDesc desc);
extern const RamaAggregatorCall *rama_merge_only(List *calls);

/* merge_values.c */
extern void rama_merge_values(MergeResolution *res, List *calls);
extern bool rama_merge_is_item(MergeResolution *res, const RamaAggregatorCall *call,
							   const RamaNode *node, int nkeys);

/* merge_place.c */
extern void rama_merge_places(const RamaMerge *merge, RamaPState *pstate, const MergeRow *row,
							  const char **where);
extern void rama_merge_make_row(const RamaMerge *merge, const MergeRow *from);
extern void rama_merge_nothing(const RamaMerge *merge, RamaPState *pstate);

/* merge_list.c */
typedef struct RamaMergeList RamaMergeList;

extern RamaMergeList *rama_merge_list_begin(const RamaMerge *merge, const RamaNode *vector,
											int column);
extern bool rama_merge_list_same(const RamaMergeList *list, TupleTableSlot *slot);
extern void rama_merge_list_next(RamaMergeList *list, TupleTableSlot *slot);
extern void rama_merge_list_add(RamaMergeList *list, TupleTableSlot *slot, const Datum *keys);
extern bool rama_merge_list_append(RamaMergeList *list, const Datum *keys);

#endif							/* RAMA_MERGE_H */
