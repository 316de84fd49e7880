/*-------------------------------------------------------------------------
 *
 * split.h
 *	  Where to split a page: between split.c and split_point.c.
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

/* split_point.c */
extern void ps_choose_split(Page page, const PsArrival *arrival, PsSplit *split);

#endif							/* RAMA_INDEX_SPLIT_H */
