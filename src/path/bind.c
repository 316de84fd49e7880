/*-------------------------------------------------------------------------
 *
 * bind.c
 *	  Binds a path to the schema of a PState: what each step finds at its
 *	  place, and its arguments converted to the types there.
 *
 *-------------------------------------------------------------------------
 */
#include "path/transform.h"

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

/* rama_shape_plain() -- Plain data. */
RamaShape
rama_shape_plain(void)
{
	RamaShape	shape = {RAMA_SHAPE_PLAIN, NULL};

	return shape;
}

/* rama_shape_type() -- The type of a scalar; NULL where it is none, or plain. */
const RamaType *
rama_shape_type(RamaShape shape)
{
	if (shape.kind == RAMA_SHAPE_KEY)
		return &shape.node->key;
	if (shape.kind == RAMA_SHAPE_NODE && shape.node->kind == RAMA_SCALAR)
		return &shape.node->type;
	return NULL;
}

/* rama_shape_is_scalar() -- Is it known to be no collection? */
bool
rama_shape_is_scalar(RamaShape shape)
{
	return rama_shape_type(shape) != NULL;
}

/*
 * rama_steps_bind() -- Bind steps one after the other from a shape, which
 * becomes that of their end.
 */
void
rama_steps_bind(RamaPath *path, RamaStep *steps, int nsteps, RamaShape *shape)
{
	for (int i = 0; i < nsteps; i++)
	{
		RamaStep   *step = &steps[i];
		RamaWhere	where;

		step->in = *shape;
		rama_where_push(&where, "step", step->position);
		step->nav->bind(path, step);
		rama_where_pop(&where);
		*shape = step->out;
	}
	rama_steps_push(steps, nsteps);
}

/*
 * rama_path_bind() -- Parse and bind a path, in the current memory context.
 *
 * terminals: it is to write, and each of its branches must end in a terminal.
 */
RamaPath *
rama_path_bind(RamaPState *pstate, JsonbContainer *json, bool terminals)
{
	RamaPath   *path = palloc0(sizeof(RamaPath));
	RamaShape	shape = rama_shape_of_node(pstate->root);

	path->pstate = pstate;
	path->stable = true;
	path->terminals = terminals;
	path->context = CurrentMemoryContext;
	rama_path_begin_binding(path);
	path->steps = rama_path_parse(json, &path->nsteps);
	rama_steps_bind(path, path->steps, path->nsteps, &shape);
	if (terminals)
		rama_transform_check(path->steps, path->nsteps);
	return path;
}
