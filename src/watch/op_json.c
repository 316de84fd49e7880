/*-------------------------------------------------------------------------
 *
 * op_json.c
 *	  Ops for those who read them.
 *
 *-------------------------------------------------------------------------
 */
#include "watch/watch.h"

/* rama_op_name() -- The column "op" of a change. */
const char *
rama_op_name(RamaOpKind kind)
{
	switch (kind)
	{
		case RAMA_OP_SET:
			return "set";
		case RAMA_OP_ADD:
			return "add";
		case RAMA_OP_INSERT:
			return "insert";
		case RAMA_OP_APPEND:
			return "append";
		case RAMA_OP_REMOVE:
			return "remove";
	}
	pg_unreachable();
}

/*
 * rama_op_path_json() -- The path of an op as an array, which points into it.
 */
void
rama_op_path_json(const RamaOp *op, JsonbValue *path)
{
	path->type = jbvArray;
	path->val.array.rawScalar = false;
	path->val.array.nElems = op->nkeys;
	path->val.array.elems = palloc_array(JsonbValue, Max(op->nkeys, 1));
	for (int i = 0; i < op->nkeys; i++)
		path->val.array.elems[i] = op->keys[i].json;
}
