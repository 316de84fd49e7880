/*-------------------------------------------------------------------------
 *
 * merge_columns.c
 *	  Where the columns of a merging query go: keys, the leaf, its values.
 *
 * See "Merge" in src/topology/README.md.
 *
 *-------------------------------------------------------------------------
 */
#include "topology/merge.h"

#include "utils/builtins.h"
#include "utils/memutils.h"

/* A value that columns can be merged into. */
typedef struct Field
{
	char	   *name;
	const RamaNode *node;
	bool		taken;
} Field;

typedef struct Resolution
{
	RamaMerge  *merge;
	TupleDesc	desc;
	Oid			target;
	int			nfields;
	Field	   *fields;
	bool		defining;		/* a source is made: notices may be given */
} Resolution;

static void find_keys(Resolution *res, const RamaNode *start);
static void find_fields(Resolution *res, const RamaNode *node, const char *prefix);
static void find_values(Resolution *res, List *aggregators);

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
	Resolution	res = {.target = target, .desc = desc, .defining = defining};

	res.merge = palloc0_object(RamaMerge);
	res.merge->context = context;
	res.merge->generation = pstate->generation;
	res.merge->desc = CreateTupleDescCopy(desc);
	find_keys(&res, target_node(pstate, target));
	res.fields = palloc0_array(Field, 1);
	find_fields(&res, res.merge->leaf, NULL);
	find_values(&res, rama_aggregators_parse(merge));
	MemoryContextSwitchTo(old);
	return res.merge;
}

/* Keys */

static void
add_key(Resolution *res, const RamaNode *node, const RamaType *type, const char *name)
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

/* From the target down to the leaf. */
static void
find_keys(Resolution *res, const RamaNode *start)
{
	RamaMerge  *merge = res->merge;
	const RamaNode *node = start;
	int			depth = RAMA_MAX_KEYS;

	for (const RamaNode *n = start; n->nchildren == 1; n = n->children[0])
		depth++;
	merge->keys = palloc0_array(MergeKey, depth);
	while (node->kind == RAMA_MAP || node->kind == RAMA_VECTOR)
	{
		if (node->storage == RAMA_IN_TABLE)
		{
			merge->table = node->table;
			while (merge->nkeys < merge->table->nkeys)
				add_key(res, NULL, &merge->table->keys[merge->nkeys],
						merge->table->columns[merge->nkeys].name);
		}
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
	if (node->kind == RAMA_SET)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("\"%s\" has a set, whose elements have no values to merge into",
						rama_relation_name(res->target)),
				 errhint("Merging into sets is not supported in this version; a handler can call rama.push().")));
	merge->leaf = node;
	if (merge->table == NULL)
		merge->table = node->table;
	merge->vectors = palloc0_array(const RamaNode *, RAMA_MAX_KEYS);
	find_vectors(merge, merge->table->parent);
}

/* Fields */

/* The leaf itself, or the fields of a struct, as columns are named. */
static void
find_fields(Resolution *res, const RamaNode *node, const char *prefix)
{
	if (node->kind != RAMA_STRUCT)
	{
		res->fields = repalloc_array(res->fields, Field, res->nfields + 1);
		res->fields[res->nfields++] = (Field)
		{
			.name = pstrdup(prefix ? prefix : node->name ? node->name : "value"),
			.node = node
		};
		return;
	}
	for (int i = 0; i < node->nchildren; i++)
	{
		const RamaNode *child = node->children[i];

		find_fields(res, child, prefix ? psprintf("%s_%s", prefix, child->name) : child->name);
	}
}

static Field *
field_by_name(Resolution *res, const char *name)
{
	for (int i = 0; i < res->nfields; i++)
		if (strcmp(res->fields[i].name, name) == 0)
			return &res->fields[i];
	return NULL;
}

/* The field of that place among those that a value can be merged into. */
static Field *
field_by_position(Resolution *res, int position)
{
	for (int i = 0; i < res->nfields; i++)
		if (res->fields[i].node->kind == RAMA_SCALAR && position-- == 0)
			return &res->fields[i];
	return NULL;
}

/* Are the value columns named as different fields? */
static bool
all_by_name(Resolution *res)
{
	int			first = res->merge->nkeys;

	if (res->merge->leaf->kind != RAMA_STRUCT)
		return false;
	for (int i = first; i < res->desc->natts; i++)
	{
		const char *name = NameStr(TupleDescAttr(res->desc, i)->attname);

		if (field_by_name(res, name) == NULL)
			return false;
		for (int j = first; j < i; j++)
			if (strcmp(name, NameStr(TupleDescAttr(res->desc, j)->attname)) == 0)
				return false;
	}
	return true;
}

/* Values */

static void
too_many(Resolution *res)
{
	int			nfields = 0;

	while (field_by_position(res, nfields))
		nfields++;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the query has %d columns, which is too many for \"%s\"",
					res->desc->natts, rama_relation_name(res->target)),
			 errdetail("There are %d keys, and fields for %d values.",
					   res->merge->nkeys, nfields)));
}

/* Columns that are probably not meant to go where they go */
static void
point_out_doubts(const RamaAggregator *aggregator, Form_pg_attribute att, Resolution *res,
		  const Field *field)
{
	const char *name = NameStr(att->attname);

	if (strcmp(name, field->name) != 0 && field_by_name(res, name))
		ereport(NOTICE,
				(errmsg("column \"%s\" of the query is merged into field \"%s\"",
						name, field->name),
				 errdetail("Not all value columns are named as fields, so they are taken in order.")));
	if (aggregator->counts && strcmp(name, "count") == 0)
		ereport(NOTICE,
				(errmsg("aggregator \"count\" counts the rows that the query returns"),
				 errhint("To add up the numbers in column \"%s\", use \"sum\".", name)));
}

static void
add_value(Resolution *res, const RamaAggregator *aggregator, int column, Field *field)
{
	RamaMerge  *merge = res->merge;
	MergeValue *value = &merge->values[merge->nvalues++];
	Form_pg_attribute att = column < 0 ? NULL : TupleDescAttr(res->desc, column);

	if (field == NULL)
		too_many(res);
	if (field->taken)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("two values would be merged into \"%s\"", field->name),
				 errhint("Give the query a column for each aggregator, with the name of its field; for \"count\", such as 1 AS %s.",
						 quote_identifier(field->name))));
	if (field->node->kind != RAMA_SCALAR)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("\"%s\" is %s, into which no value can be merged",
						field->name, rama_shape_name(rama_shape_of_node(field->node))),
				 field->node->storage == RAMA_IN_TABLE ?
				 errhint("To merge into its entries, give its table, \"%s\", as target.",
						 field->node->table->name) : 0));
	if (res->defining && att)
		point_out_doubts(aggregator, att, res, field);
	field->taken = true;
	value->column = column;
	value->name = field->name;
	value->node = field->node;
	value->aggregate = rama_aggregate_bind(aggregator, &field->node->type, field->name,
										   att ? att->atttypid : InvalidOid,
										   att ? att->atttypmod : -1);
}

static void
wrong_number(int naggregators, int nvalues)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("number of value columns (%d) does not fit number of aggregators (%d)",
					nvalues, naggregators),
			 errhint("Give one aggregator for all, or one for each; only \"count\" does without a column.")));
}

/*
 * Each value column has its aggregator; aggregators that count rows may have
 * none.
 */
static void
find_values(Resolution *res, List *aggregators)
{
	RamaMerge  *merge = res->merge;
	int			nvalues = res->desc->natts - merge->nkeys;
	int			n = list_length(aggregators);
	int			without = Max(n - nvalues, 0);
	bool		by_name = all_by_name(res);
	int			column = merge->nkeys;
	int			ncounts = 0;
	ListCell   *lc;

	foreach(lc, aggregators)
		ncounts += ((const RamaAggregator *) lfirst(lc))->counts;
	if ((n != 1 && n < nvalues) || (without > 0 && ncounts != without))
		wrong_number(n, nvalues);
	merge->values = palloc0_array(MergeValue, Max(n, nvalues));
	for (int i = 0; i < Max(n, nvalues); i++)
	{
		const RamaAggregator *aggregator = list_nth(aggregators, n == 1 ? 0 : i);

		if (without > 0 && aggregator->counts)
			add_value(res, aggregator, -1, field_by_position(res, i));
		else
		{
			const char *name = NameStr(TupleDescAttr(res->desc, column)->attname);

			add_value(res, aggregator, column,
					  by_name ? field_by_name(res, name) : field_by_position(res, i));
			column++;
		}
	}
}
