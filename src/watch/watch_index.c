/*-------------------------------------------------------------------------
 *
 * watch_index.c
 *	  Watches, found by the keys that they begin with.
 *
 * A tree by keys: what an operation may concern is on the way from the root
 * to the operation's place, and below it. So a change costs what it hits, and
 * nothing for watches of other places. Keys are told apart by 64 bits of
 * hash: who is found looks at the operation itself.
 *
 *-------------------------------------------------------------------------
 */
#include "watch/watch_index.h"

#include "common/hashfn.h"
#include "lib/ilist.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

typedef struct NodeKey
{
	RamaWatchNode *parent;		/* NULL: hash is the PState's oid */
	uint64		hash;
} NodeKey;

struct RamaWatchNode
{
	NodeKey		key;
	dlist_head	items;
	dlist_head	children;
	dlist_node	siblings;
};

typedef struct NodeEntry
{
	NodeKey		key;
	RamaWatchNode *node;
} NodeEntry;

struct RamaWatchIndex
{
	HTAB	   *nodes;
	MemoryContext context;
};

typedef struct Hit
{
	void		(*call) (RamaWatchItem *item, void *arg);
	void	   *arg;
} Hit;

/* rama_watch_index_create() -- An empty index, below a memory context. */
RamaWatchIndex *
rama_watch_index_create(MemoryContext context)
{
	RamaWatchIndex *index = MemoryContextAllocZero(context, sizeof(RamaWatchIndex));
	HASHCTL		ctl = {.keysize = sizeof(NodeKey),.entrysize = sizeof(NodeEntry),.hcxt = context};

	index->context = context;
	index->nodes = hash_create("pg_rama watched keys", 64, &ctl,
							   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return index;
}

static uint64
hash_of_key(const JsonbValue *key)
{
	uint64		hash = 0;

	if (IsAJsonbScalar(key))
		JsonbHashScalarValueExtended(key, &hash, 0);
	return hash;				/* the few others share a place */
}

static RamaWatchNode *
find_node(RamaWatchIndex *index, RamaWatchNode *parent, uint64 hash)
{
	NodeKey		key = {parent, hash};
	NodeEntry  *entry = hash_search(index->nodes, &key, HASH_FIND, NULL);

	return entry ? entry->node : NULL;
}

static RamaWatchNode *
make_node(RamaWatchIndex *index, RamaWatchNode *parent, uint64 hash)
{
	NodeKey		key = {parent, hash};
	RamaWatchNode *node = find_node(index, parent, hash);
	NodeEntry  *entry;

	if (node)
		return node;
	node = MemoryContextAllocZero(index->context, sizeof(RamaWatchNode));
	node->key = key;
	dlist_init(&node->items);
	dlist_init(&node->children);
	entry = hash_search(index->nodes, &key, HASH_ENTER, NULL);
	entry->node = node;
	if (parent)
		dlist_push_tail(&parent->children, &node->siblings);
	return node;
}

/* rama_watch_index_add() -- Add a watch, which must not be in an index. */
void
rama_watch_index_add(RamaWatchIndex *index, RamaWatchItem *item, Oid pstate,
					 const JsonbValue *keys, int nkeys)
{
	RamaWatchNode *node = make_node(index, NULL, pstate);

	for (int i = 0; i < nkeys; i++)
		node = make_node(index, node, hash_of_key(&keys[i]));
	dlist_push_tail(&node->items, &item->siblings);
	item->node = node;
}

/* rama_watch_index_remove() -- Remove a watch, and what led only to it. */
void
rama_watch_index_remove(RamaWatchIndex *index, RamaWatchItem *item)
{
	RamaWatchNode *node = item->node;

	dlist_delete(&item->siblings);
	item->node = NULL;
	while (node && dlist_is_empty(&node->items) && dlist_is_empty(&node->children))
	{
		RamaWatchNode *parent = node->key.parent;

		if (parent)
			dlist_delete(&node->siblings);
		hash_search(index->nodes, &node->key, HASH_REMOVE, NULL);
		pfree(node);
		node = parent;
	}
}

static void
hit_items(RamaWatchNode *node, const Hit *hit)
{
	dlist_iter	iter;

	dlist_foreach(iter, &node->items)
		hit->call(dlist_container(RamaWatchItem, siblings, iter.cur), hit->arg);
}

static void
hit_below(RamaWatchNode *node, const Hit *hit)
{
	dlist_iter	iter;

	hit_items(node, hit);
	dlist_foreach(iter, &node->children)
		hit_below(dlist_container(RamaWatchNode, siblings, iter.cur), hit);
}

/* Does the operation move elements of the vector that it is in? */
static bool
moves(const RamaOp *op)
{
	const RamaNode *node = op->nkeys > 0 ? op->keys[op->nkeys - 1].node : NULL;

	return (op->kind == RAMA_OP_INSERT || op->kind == RAMA_OP_REMOVE) &&
		(node == NULL || node->kind == RAMA_VECTOR);
}

/*
 * rama_watch_index_find() -- Call hit() for every watch that the operation
 * may concern. It must not change the index.
 */
void
rama_watch_index_find(RamaWatchIndex *index, Oid pstate, const RamaOp *op,
					  void (*hit) (RamaWatchItem *item, void *arg), void *arg)
{
	Hit			who = {hit, arg};
	RamaWatchNode *node = find_node(index, NULL, pstate);
	int			nkeys = moves(op) ? op->nkeys - 1 : op->nkeys;

	for (int i = 0; node && i < nkeys; i++)
	{
		hit_items(node, &who);
		node = find_node(index, node, hash_of_key(&op->keys[i].json));
	}
	if (node == NULL)
		return;
	if (op->kind == RAMA_OP_INSERT && op->node && op->node->kind == RAMA_SET)
	{
		hit_items(node, &who);
		node = find_node(index, node, hash_of_key(&op->value));
		if (node == NULL)
			return;
	}
	hit_below(node, &who);
}

/* rama_watch_index_all() -- Call hit() for every watch of a PState. */
void
rama_watch_index_all(RamaWatchIndex *index, Oid pstate,
					 void (*hit) (RamaWatchItem *item, void *arg), void *arg)
{
	Hit			who = {hit, arg};
	RamaWatchNode *node = find_node(index, NULL, pstate);

	if (node)
		hit_below(node, &who);
}
