/*-------------------------------------------------------------------------
 *
 * batch.h
 *	  Between batch.c, batch_group.c and batch_split.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_INDEX_BATCH_H
#define RAMA_INDEX_BATCH_H

#include "index/index.h"

typedef struct PsBatchEntry
{
	uint64		head;			/* the first bytes in which entries differ */
	PsString	string;
	int			keylen;
	int			row;
	bool		must_check;		/* for uniqueness */
} PsBatchEntry;

typedef struct PsBatch
{
	Relation	index;
	Relation	heap;
	struct IndexInfo *info;
	Datum	   *const *values;
	bool	   *const *nulls;
	ItemPointer const *tids;
	IndexUniqueCheck check;
	int			n;
	PsBatchEntry *entries;		/* in order */
	int			single_runs;	/* so many more go leaf by leaf */
	int			misses;			/* in a row, of leaves written together */
} PsBatch;

/* batch.c */
extern int	ps_batch_covered_end(PsBatch *batch, Page page, int first);
extern bool ps_batch_is_alone(PsBatch *batch, Page page, int i,
							  OffsetNumber offset);

/* batch_group.c */
extern int	ps_batch_group(PsBatch *batch, int first);

/* batch_split.c */
extern int	ps_batch_split(PsBatch *batch, int first);

#endif							/* RAMA_INDEX_BATCH_H */
