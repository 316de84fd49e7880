/*-------------------------------------------------------------------------
 *
 * query_concern.c
 *	  Does a change have to do with what was read?
 *
 * It does where what was done lies at, below or above what was read. Where
 * that is not known for certain, it does.
 *
 *-------------------------------------------------------------------------
 */
#include "watch/query.h"

/* Elements of a vector behind the one that was inserted or removed moved. */
static bool
moves(const RamaOp *op, int i)
{
	return i == op->nkeys - 1 && op->keys[i].node && op->keys[i].node->kind == RAMA_VECTOR &&
		(op->kind == RAMA_OP_INSERT || op->kind == RAMA_OP_REMOVE);
}

static bool
is_typed(const RamaReadKey *read, const RamaOpKey *key)
{
	return key->typed && key->node && key->node->key.oid == read->type.oid;
}

static bool
key_concerns(const RamaReadKey *read, const RamaOpKey *key, bool moving)
{
	int			order;

	if (!is_typed(read, key))
		return true;
	order = rama_type_compare(&key->node->key, read->datum, key->datum);
	return order == 0 || (moving && order > 0);
}

static bool
part_concerns(const RamaReadKey *read, const RamaOpKey *key, bool moving)
{
	int			order;

	if (!is_typed(read, key))
		return true;
	if (read->high.isset)
	{
		order = rama_type_compare(&key->node->key, key->datum, read->high.value);
		if (order > 0 || (order == 0 && !read->high.inclusive))
			return false;
	}
	if (read->low.isset && !moving)
	{
		order = rama_type_compare(&key->node->key, key->datum, read->low.value);
		if (order < 0 || (order == 0 && !read->low.inclusive))
			return false;
	}
	return true;
}

static bool
name_concerns(const RamaReadKey *read, const RamaOpKey *key)
{
	/* Indexes may have been given as text; they move, too. */
	if (read->json.type != jbvString || key->json.type != jbvString)
		return true;
	return rama_json_equal(&read->json, &key->json);
}

static bool
concerns(const RamaReadKey *read, const RamaOp *op, int i)
{
	const RamaOpKey *key = &op->keys[i];

	switch (read->kind)
	{
		case RAMA_READ_ANY:
			return true;
		case RAMA_READ_KEY:
			return key_concerns(read, key, moves(op, i));
		case RAMA_READ_FIELD:
			return key->field < 0 || key->field == read->field;
		case RAMA_READ_NAME:
			return name_concerns(read, key);
		case RAMA_READ_PART:
			return part_concerns(read, key, moves(op, i));
	}
	return true;
}

static bool
read_concerns(const RamaRead *read, const RamaOp *op)
{
	for (int i = 0; i < read->nkeys && i < op->nkeys; i++)
		if (!concerns(&read->keys[i], op, i))
			return false;
	return true;
}

/* rama_reads_concern() -- Did the change do something to what was read of the PState? */
bool
rama_reads_concern(const RamaReads *reads, Oid pstate, const RamaChange *change)
{
	ListCell   *lc;

	foreach(lc, reads->reads)
	{
		const RamaRead *read = lfirst(lc);

		for (int i = 0; read->pstate == pstate && i < change->nops; i++)
			if (read_concerns(read, &change->ops[i]))
				return true;
	}
	return false;
}
