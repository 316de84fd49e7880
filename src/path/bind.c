/*-------------------------------------------------------------------------
 *
 * bind.c
 *	  Binds a path to the schema of a PState: what each step finds at its
 *	  place, and its arguments converted to the types there.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

/* rama_shape_of_node() -- A value of node; jsonb scalars are plain data. */
RamaShape
rama_shape_of_node(const RamaNode *node)
{
	RamaShape	shape = {RAMA_SHAPE_NODE, node};

	if (node->kind == RAMA_SCALAR && node->type.oid == JSONBOID)
	{
		shape.kind = RAMA_SHAPE_PLAIN;
		shape.node = NULL;
	}
	return shape;
}

/* rama_shape_of_value() -- A value of a map, an element of a vector or set. */
RamaShape
rama_shape_of_value(const RamaNode *collection)
{
	RamaShape	shape = {RAMA_SHAPE_KEY, collection};

	if (collection->kind == RAMA_SET)
		return shape;
	return rama_shape_of_node(collection->children[0]);
}

/* rama_shape_name() -- What a step finds, for messages. */
const char *
rama_shape_name(RamaShape shape)
{
	switch (shape.kind)
	{
		case RAMA_SHAPE_KEY:
			return format_type_be(shape.node->key.oid);
		case RAMA_SHAPE_PAIR:
			return "a pair";
		case RAMA_SHAPE_PLAIN:
			return "plain data";
		case RAMA_SHAPE_NODE:
			break;
	}
	switch (shape.node->kind)
	{
		case RAMA_MAP:
			return "a map";
		case RAMA_SET:
			return "a set";
		case RAMA_VECTOR:
			return "a vector";
		case RAMA_STRUCT:
			return "a struct";
		case RAMA_SCALAR:
			break;
	}
	return format_type_be(shape.node->type.oid);
}

/* rama_path_bind() -- Parse and bind a path, in the current memory context. */
RamaPath *
rama_path_bind(RamaPState *pstate, JsonbContainer *json)
{
	RamaPath   *path = palloc0(sizeof(RamaPath));
	RamaShape	shape = rama_shape_of_node(pstate->root);

	path->pstate = pstate;
	path->stable = true;
	path->steps = rama_path_parse(json, &path->nsteps);
	for (int i = 0; i < path->nsteps; i++)
	{
		RamaStep   *step = &path->steps[i];
		RamaWhere	where;

		step->in = shape;
		rama_where_push(&where, "step", step->position);
		step->nav->bind(path, step);
		rama_where_pop(&where);
		shape = step->out;
	}
	return path;
}
