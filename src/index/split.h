/*-------------------------------------------------------------------------
 *
 * split.h
 *	  Between split.c, split_point.c and batch_split.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_INDEX_SPLIT_H
#define RAMA_INDEX_SPLIT_H

#include "index/index.h"

/* What is to come to the page that is split */
typedef struct PsArrival
{
	Relation	index;
	PsString	key;
	int			size;			/* of one entry, line pointer included */
	int			run;			/* more than one: so many follow in order */
} PsArrival;

/*
 * The separator is greater than the entries before "first", which may be the
 * end, and not greater than the others, which go to the right page.
 */
typedef struct PsSplit
{
	OffsetNumber first;
	StringInfoData separator;
} PsSplit;

/* split.c */
extern Buffer ps_lock_child(Relation index, Buffer parent, OffsetNumber downlink,
							PsString key, uint16 level);
extern PsString ps_page_high_string(Page page, StringInfo high);

/* split_point.c */
extern void ps_choose_split(Page page, const PsArrival *arrival, PsSplit *split);

#endif							/* RAMA_INDEX_SPLIT_H */
