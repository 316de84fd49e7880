/*-------------------------------------------------------------------------
 *
 * merge_columns.c
 *	  Where the columns of a merging query go: keys, down to the leaf.
 *
 * See "Merge" in src/topology/README.md.
 *
 *-------------------------------------------------------------------------
 */
#include "topology/merge.h"

#include "utils/builtins.h"
#include "utils/memutils.h"

static void find_keys(MergeResolution *res, const RamaNode *start, List *calls);

/*
 * rama_merge_fits() -- Is this still how rows of that type are merged?
 */
bool
rama_merge_fits(const RamaMerge *merge, const RamaPState *pstate, TupleDesc desc)
{
	if (merge->generation != pstate->generation || merge->desc->natts != desc->natts)
		return false;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute was = TupleDescAttr(merge->desc, i);
		Form_pg_attribute is = TupleDescAttr(desc, i);

		if (was->atttypid != is->atttypid || was->atttypmod != is->atttypmod ||
			strcmp(NameStr(was->attname), NameStr(is->attname)) != 0)
			return false;
	}
	return true;
}

/* The value that a table of a PState is for. */
static const RamaNode *
target_node(RamaPState *pstate, Oid target)
{
	for (int i = 1; i < pstate->ntables; i++)
		if (pstate->tables[i]->relid == target)
			return pstate->tables[i]->node;
	return pstate->root;
}

/*
 * rama_merge_resolve() -- How rows of a query are merged into the value of a
 * PState that "target", one of its tables, is for. In a memory context of its
 * own below the current one; valid as long as the binding.
 *
 * Errors: those of rama_aggregators_parse() and rama_aggregate_bind(); 22023
 * for columns that do not fit in number, 42804 in type. defining: with notices.
 */
RamaMerge *
rama_merge_resolve(RamaPState *pstate, Oid target, const char *merge,
				   TupleDesc desc, bool defining)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pg_rama merge",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	List	   *calls = rama_aggregators_parse(merge);
	MergeResolution	res = {.target = target, .desc = desc, .defining = defining};

	res.merge = palloc0_object(RamaMerge);
	res.merge->context = context;
	res.merge->generation = pstate->generation;
	res.merge->desc = CreateTupleDescCopy(desc);
	find_keys(&res, target_node(pstate, target), calls);
	rama_merge_values(&res, calls);
	res.merge->documents |= res.merge->column != NULL;
	MemoryContextSwitchTo(old);
	return res.merge;
}

/* Keys */

static void
add_key(MergeResolution *res, const RamaNode *node, const RamaType *type, const char *name)
{
	RamaMerge  *merge = res->merge;
	MergeKey   *key = &merge->keys[merge->nkeys];
	Form_pg_attribute att;

	key->column = merge->nkeys++;
	key->name = pstrdup(name);
	key->node = node;
	if (key->column >= res->desc->natts)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the query has no column for key \"%s\" of \"%s\"",
						name, rama_relation_name(res->target)),
				 errhint("Its columns are first the keys, from the outermost level on, then the values.")));
	att = TupleDescAttr(res->desc, key->column);
	if (!rama_assign_init(&key->assign, att->atttypid, att->atttypmod, type))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("key \"%s\" of \"%s\" is of type %s but column \"%s\" of the query is of type %s",
						name, rama_relation_name(res->target),
						format_type_with_typemod(type->oid, type->typmod),
						NameStr(att->attname), format_type_be(att->atttypid)),
				 errhint("Columns are first the keys, from the outermost level on, then the values. Cast the column if it is the key.")));
}

/* Levels around a table whose elements have tables below must be there. */
static void
find_vectors(RamaMerge *merge, RamaTable *table)
{
	if (table == NULL)
		return;
	find_vectors(merge, table->parent);
	if (table->node->kind == RAMA_VECTOR)
		merge->vectors[merge->nvectors++] = table->node;
}

/*
 * rama_merge_only() -- The one aggregator, if it has a place of its own form:
 * it may be for the leaf as a whole. Else NULL.
 */
const RamaAggregatorCall *
rama_merge_only(List *calls)
{
	const RamaAggregatorCall *call = linitial(calls);

	return list_length(calls) == 1 && call->aggregator->bind == NULL ? call : NULL;
}

/* The keys of the levels around a table, or those so far. */
static int
keys_around(const MergeResolution *res, const RamaNode *node)
{
	return node->storage == RAMA_IN_TABLE ? node->table->nkeys - 1 : res->merge->nkeys;
}

/* Is a map or vector the leaf, because what is left of the columns is for it? */
static bool
is_leaf(MergeResolution *res, const RamaNode *node, List *calls)
{
	const RamaAggregatorCall *call = rama_merge_only(calls);
	int			nkeys = keys_around(res, node);

	if (call == NULL)
		return false;
	return nkeys == res->desc->natts - call->nvalues ||
		(rama_aggregator_fits(call, node) && rama_merge_is_item(res, call, node, nkeys));
}

/* Columns for the keys of a row of the table. */
static void
add_row_keys(MergeResolution *res, RamaTable *table)
{
	RamaMerge  *merge = res->merge;

	merge->table = table;
	while (merge->nkeys < table->nkeys)
		add_key(res, NULL, &table->keys[merge->nkeys], table->columns[merge->nkeys].name);
}

/* From the target down to the leaf. */
static void
find_keys(MergeResolution *res, const RamaNode *start, List *calls)
{
	RamaMerge  *merge = res->merge;
	const RamaNode *node = start;
	int			depth = RAMA_MAX_KEYS;

	for (const RamaNode *n = start; n->nchildren == 1; n = n->children[0])
		depth++;
	merge->keys = palloc0_array(MergeKey, depth);
	while ((node->kind == RAMA_MAP || node->kind == RAMA_VECTOR) && !is_leaf(res, node, calls))
	{
		if (node->storage == RAMA_IN_TABLE)
			add_row_keys(res, node->table);
		else
		{
			if (merge->column == NULL)
				merge->column = node;
			add_key(res, node, &node->key,
					node->schema->keyname ? node->schema->keyname :
					node->kind == RAMA_MAP ? "key" : "index");
		}
		node = node->children[0];
	}
	if (node->kind == RAMA_SET && list_length(calls) == 1 &&
		!rama_aggregator_fits(linitial(calls), node))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("\"%s\" has a set, whose elements have no values to merge into",
						rama_relation_name(res->target)),
				 errhint("Aggregators \"set\" and \"set-remove\" merge elements into it.")));
	merge->leaf = node;
	if (node->storage == RAMA_IN_TABLE && node->table->parent)
		add_row_keys(res, node->table->parent);
	if (merge->table == NULL)
		merge->table = node->table;
	merge->has_row = merge->nkeys >= merge->table->nkeys;
	merge->vectors = palloc0_array(const RamaNode *, RAMA_MAX_KEYS);
	find_vectors(merge, merge->table->parent);
}
