/*-------------------------------------------------------------------------
 *
 * watch_index.h
 *	  Watches, found by the keys that they begin with.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_WATCH_INDEX_H
#define RAMA_WATCH_INDEX_H

#include "watch/watch.h"

typedef struct RamaWatchIndex RamaWatchIndex;
typedef struct RamaWatchNode RamaWatchNode;

/* To be the first member of what is found. */
typedef struct RamaWatchItem
{
	RamaWatchNode *node;
	dlist_node	siblings;
} RamaWatchItem;

extern RamaWatchIndex *rama_watch_index_create(MemoryContext context);
extern void rama_watch_index_add(RamaWatchIndex *index, RamaWatchItem *item, Oid pstate,
								 const JsonbValue *keys, int nkeys);
extern void rama_watch_index_remove(RamaWatchIndex *index, RamaWatchItem *item);
extern void rama_watch_index_find(RamaWatchIndex *index, Oid pstate, const RamaOp *op,
								  void (*hit) (RamaWatchItem *item, void *arg), void *arg);
extern void rama_watch_index_all(RamaWatchIndex *index, Oid pstate,
								 void (*hit) (RamaWatchItem *item, void *arg), void *arg);

#endif							/* RAMA_WATCH_INDEX_H */
