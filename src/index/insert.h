/*-------------------------------------------------------------------------
 *
 * insert.h
 *	  What insertion's parts share: insert.c, unique.c, batch.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_INDEX_INSERT_H
#define RAMA_INDEX_INSERT_H

#include "index/index.h"

/* A row's entry on its way into the index */
typedef struct PsInsertion
{
	Relation	index;
	Relation	heap;
	Datum	   *values;
	bool	   *isnull;
	ItemPointer tid;
	IndexUniqueCheck check;
	PsString	entry;
	PsString	key;			/* what it begins with, without the tid */
	bool		unchanged;		/* by an update of other columns */
} PsInsertion;

/* What a unique check has found */
typedef struct PsVerdict
{
	bool		unique;			/* false: UNIQUE_CHECK_PARTIAL doubts it */
	bool		crowded;		/* there are entries, dead ones, of the key */
	TransactionId wait_for;		/* its end, or its insertion's */
	uint32		speculative_token;
} PsVerdict;

/* unique.c */
extern void ps_check_unique(PsInsertion *insertion, Buffer first,
							PsVerdict *verdict);
extern void ps_wait_for_other(const PsInsertion *insertion,
							  const PsVerdict *verdict);
extern bool ps_page_begins_with(Page page, OffsetNumber offset, PsString key);
extern Buffer ps_lock_right(Relation index, Buffer buffer);

#endif							/* RAMA_INDEX_INSERT_H */
