/*-------------------------------------------------------------------------
 *
 * widen.c
 *	  Is one schema a widening of another, so that what is stored stays as it is?
 *
 * Both are compared as layouts (layout.c), node by node. What is the same in
 * both must be stored under the same names; struct fields may be added, and
 * types may become wider where stored values are values of the new type as
 * they are.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/primnodes.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "pstate/pstate.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/* The names that lead from the root to a node, as "value.tokens.elem" */
static char *
place_of(const RamaNode *node)
{
	if (node->parent == NULL)
		return "";
	if (node->parent->parent == NULL)
		return node->name;
	return psprintf("%s.%s", place_of(node->parent), node->name);
}

static const char *
kind_of(const RamaNode *node)
{
	static const char *const names[] = {"value", "map", "set", "vector", "struct"};

	return names[node->kind];
}

static char *
describe(const RamaNode *node)
{
	if (node->parent == NULL)
		return psprintf("The outermost %s", kind_of(node));
	return psprintf("The %s \"%s\"", kind_of(node), place_of(node));
}

/*
 * Error: the schemas differ in what alter_pstate cannot change.
 */
static void
refuse(const RamaNode *node, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("the new schema of PState \"%s\" does not merely widen its schema",
					rama_relation_name(node->table->pstate->relid)),
			 errdetail("%s %s.", describe(node), what),
			 errhint("Struct fields can be added, and types widened where nothing stored changes. For another schema, create another PState.")));
}

/*
 * Would core change the type of a column without a rewrite? As
 * ATColumnChangeRequiresRewrite(), but for timestamps in a UTC session, of which
 * the meaning would depend on who looks.
 */
static bool
core_needs_no_rewrite(Oid from, int32 from_typmod, Oid to, int32 to_typmod)
{
	Node	   *expr = (Node *) makeVar(1, 1, from, from_typmod, get_typcollation(from), 0);

	expr = coerce_to_target_type(NULL, expr, from, to, to_typmod, COERCION_ASSIGNMENT,
								 COERCE_IMPLICIT_CAST, -1);
	if (expr == NULL)
		return false;
	assign_expr_collations(NULL, expr);
	expr = (Node *) expression_planner((Expr *) expr);
	for (;;)
	{
		if (IsA(expr, Var))
			return true;
		if (IsA(expr, RelabelType))
			expr = (Node *) ((RelabelType *) expr)->arg;
		else if (IsA(expr, CoerceToDomain) &&
				 !DomainHasConstraints(((CoerceToDomain *) expr)->resulttype))
			expr = (Node *) ((CoerceToDomain *) expr)->arg;
		else
			return false;
	}
}

/* Do values of both types have one order, and one meaning where they have one image? */
static bool
same_family(Oid a, Oid b)
{
	TypeCacheEntry *first;
	TypeCacheEntry *second;

	a = getBaseType(a);
	b = getBaseType(b);
	if (a == b)
		return true;
	first = lookup_type_cache(a, TYPECACHE_BTREE_OPFAMILY);
	second = lookup_type_cache(b, TYPECACHE_BTREE_OPFAMILY);
	return OidIsValid(first->btree_opf) && first->btree_opf == second->btree_opf &&
		first->btree_opintype == second->btree_opintype;
}

/* Whole numbers are written alike in JSON, whatever their type. */
static bool
is_wider_number(Oid from, Oid to, int32 to_typmod)
{
	switch (to)
	{
		case NUMERICOID:
			return to_typmod < 0 && (from == INT2OID || from == INT4OID || from == INT8OID);
		case INT8OID:
			return from == INT2OID || from == INT4OID;
		case INT4OID:
			return from == INT2OID;
		default:
			return false;
	}
}

static bool
type_widens(Oid from, int32 from_typmod, Oid to, int32 to_typmod, bool injson)
{
	if (from == to && from_typmod == to_typmod)
		return true;
	if (injson && is_wider_number(from, to, to_typmod))
		return true;
	return same_family(from, to) && core_needs_no_rewrite(from, from_typmod, to, to_typmod);
}

static void
check_type(const RamaNode *node, const char *which, const RamaSchema *from,
		   const RamaSchema *to, bool injson)
{
	if (!type_widens(from->typid, from->typmod, to->typid, to->typmod, injson))
		refuse(node, psprintf("would have %s of type %s instead of %s, and what is stored would have to be rewritten",
							  which, rama_type_format(to->typid, to->typmod),
							  rama_type_format(from->typid, from->typmod)));
}

static void
check_name(const RamaNode *node, const char *what, const char *from, const char *to)
{
	if (strcmp(from, to) != 0)
		refuse(node, psprintf("would have the %s \"%s\" instead of \"%s\"", what, to, from));
}

/* A collection with a table of its own: the names of that and of its keys */
static void
check_table(const RamaNode *from, const RamaNode *to)
{
	RamaTable  *was = from->table;
	RamaTable  *is = to->table;

	if ((was->chunks != NULL) != (is->chunks != NULL))
		refuse(from, "would be stored otherwise");
	check_name(from, "table", was->name, is->name);
	check_name(from, "key column", was->columns[was->nkeys - 1].name,
			   is->columns[is->nkeys - 1].name);
	if (from->attno > 0)
		check_name(from, "column", was->parent->columns[from->attno - 1].name,
				   is->parent->columns[to->attno - 1].name);
}

static void
check_storage(const RamaNode *from, const RamaNode *to)
{
	if (from->storage != to->storage)
		refuse(from, to->storage == RAMA_IN_TABLE ?
			   "would become subindexed, or enclose what is" : "would not be subindexed any more");
	if (to->storage == RAMA_IN_TABLE)
		check_table(from, to);
	else if (to->storage == RAMA_IN_COLUMN)
		check_name(from, "column", from->table->columns[from->attno - 1].name,
				   to->table->columns[to->attno - 1].name);
}

static const RamaNode *
find_field(const RamaNode *node, const char *name)
{
	for (int i = 0; i < node->nchildren; i++)
		if (strcmp(node->children[i]->name, name) == 0)
			return node->children[i];
	return NULL;
}

/* Is it kept as a jsonb value, which the type jsonb is as well? */
static bool
becomes_untyped(const RamaNode *from, const RamaNode *to)
{
	bool		isjson = from->storage == RAMA_IN_JSON ||
		(from->storage == RAMA_IN_COLUMN && from->kind != RAMA_SCALAR);

	return isjson && to->kind == RAMA_SCALAR && to->schema->typid == JSONBOID;
}

static void
check_fields(const RamaNode *from, const RamaNode *to)
{
	for (int i = 0; i < from->nchildren; i++)
	{
		const RamaNode *field = find_field(to, from->children[i]->name);

		if (field == NULL)
			refuse(from, psprintf("would lose the field \"%s\"", from->children[i]->name));
		rama_widen_check(from->children[i], field);
	}
	for (int i = 0; i < to->nchildren; i++)
		if (find_field(from, to->children[i]->name) == NULL)
			rama_notice_implied(to->children[i]);
}

/*
 * rama_widen_check() -- Error (0A000), which says what differs, unless a value
 * stored for the node "from" of one layout is one for "to" of another, where it
 * is and as it is.
 *
 * NOTICEs about collections that are new and subindexed without saying so.
 */
void
rama_widen_check(const RamaNode *from, const RamaNode *to)
{
	bool		injson = from->storage == RAMA_IN_JSON ||
		(from->storage == RAMA_IN_COLUMN && from->kind != RAMA_SCALAR);

	if (becomes_untyped(from, to))
	{
		if (from->storage == RAMA_IN_COLUMN)
			check_storage(from, to);
		return;
	}
	if (from->kind != to->kind)
		refuse(from, psprintf("would be a %s", kind_of(to)));
	check_storage(from, to);
	/* Arrays have the type of their elements in them. */
	if (from->storage == RAMA_IN_COLUMN && from->table->chunks &&
		from->kind == RAMA_SCALAR && from->schema->typid != to->schema->typid)
		refuse(from, psprintf("would be of type %s instead of %s, in chunks that would have to be rewritten",
							  rama_type_format(to->schema->typid, to->schema->typmod),
							  rama_type_format(from->schema->typid, from->schema->typmod)));
	if (from->kind == RAMA_SCALAR)
		check_type(from, "values", from->schema, to->schema, injson);
	else if (from->kind == RAMA_STRUCT)
		check_fields(from, to);
	else
	{
		if (from->schema->type)
			check_type(from, from->kind == RAMA_MAP ? "keys" : "elements", from->schema,
					   to->schema, injson);
		for (int i = 0; i < from->nchildren; i++)
			rama_widen_check(from->children[i], to->children[i]);
	}
}
