/*-------------------------------------------------------------------------
 *
 * put.c
 *	  rama.put(): set the value at a place.
 *
 *-------------------------------------------------------------------------
 */
#include "path/transform.h"

#include "catalog/pg_type.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(rama_put);

/* So many elements of a vector in chunks are converted at once. */
#define ELEMENTS 1000

/* A collection with a table, to be written once its row is there. */
typedef struct Below
{
	const RamaNode *node;
	JsonbValue	json;			/* null: absent */
	const JsonbValue *old;		/* what is there; NULL: not known */
} Below;

/* What is to be written to one row. */
typedef struct RowValues
{
	int			ncolumns;
	AttrNumber *attnos;
	Datum	   *values;
	bool	   *nulls;
	int			nbelow;
	Below	   *below;
} RowValues;

static void put_collection(const RamaNode *node, const Datum *prefix,
						   const JsonbValue *json, bool isnew);

static RowValues *
new_values(const RamaTable *table)
{
	RowValues  *row = palloc0(sizeof(RowValues));

	row->attnos = palloc(sizeof(AttrNumber) * table->ncolumns);
	row->values = palloc(sizeof(Datum) * table->ncolumns);
	row->nulls = palloc(sizeof(bool) * table->ncolumns);
	row->below = palloc(sizeof(Below) * Max(table->nchildren, 1));
	return row;
}

static void
add_column(RowValues *row, AttrNumber attno, Datum value, bool isnull)
{
	row->attnos[row->ncolumns] = attno;
	row->values[row->ncolumns] = value;
	row->nulls[row->ncolumns++] = isnull;
}

static void
add_scalar(RowValues *row, const RamaNode *node, const RamaInput *input)
{
	bool		isnull;
	Datum		value = rama_input_to_type(input, &node->type, &isnull);

	add_column(row, node->attno, value, isnull);
}

/* A collection kept as jsonb. */
static void
add_json(RowValues *row, const RamaNode *node, const JsonbValue *json)
{
	JsonbValue	stored;

	rama_json_conform(node, json, &stored);
	add_column(row, node->attno,
			   stored.type == jbvNull ? (Datum) 0 : JsonbPGetDatum(rama_json_to_jsonb(&stored)),
			   stored.type == jbvNull);
}

static void add_value(RowValues *row, const RamaNode *node, const RamaInput *input,
					  const JsonbValue *old);

static void
add_struct(RowValues *row, const RamaNode *node, const JsonbValue *json,
		   const JsonbValue *old)
{
	JsonbValue	null = {.type = jbvNull};
	JsonbValue *fields = json->type == jbvNull ? NULL : rama_fields_given(node, json);
	JsonbValue *old_fields = old == NULL || old->type == jbvNull ? NULL :
		rama_fields_given(node, old);

	for (int i = 0; i < node->nchildren; i++)
	{
		RamaInput	input;

		rama_input_of_json(&input, fields ? &fields[i] : &null);
		add_value(row, node->children[i], &input,
				  old_fields ? &old_fields[i] : old ? &null : NULL);
	}
}

/* old is what is there, where that is known: what stays is not written. */
static void
add_value(RowValues *row, const RamaNode *node, const RamaInput *input,
		  const JsonbValue *old)
{
	JsonbValue	json;

	if (old && rama_json_same(&input->json, old))
		return;
	if (node->kind == RAMA_SCALAR)
	{
		add_scalar(row, node, input);
		return;
	}
	rama_input_to_json(input, &json);
	switch (node->storage)
	{
		case RAMA_IN_ROW:
			add_struct(row, node, &json, old);
			break;
		case RAMA_IN_TABLE:
			row->below[row->nbelow].node = node;
			row->below[row->nbelow].old = NULL;
			if (old)
			{
				row->below[row->nbelow].old = palloc(sizeof(JsonbValue));
				*unconstify(JsonbValue *, row->below[row->nbelow].old) = *old;
			}
			row->below[row->nbelow++].json = json;
			break;
		default:
			add_json(row, node, &json);
			break;
	}
}

static void
put_below(const RowValues *row, const Datum *keys, bool isnew)
{
	for (int i = 0; i < row->nbelow; i++)
	{
		const Below *below = &row->below[i];

		if (below->old && below->old->type != jbvNull && below->json.type != jbvNull)
			rama_replace_entries(below->node, keys,
								 rama_entries_given(below->node, below->old),
								 rama_entries_given(below->node, &below->json), 0);
		else
			put_collection(below->node, keys, &below->json, isnew);
	}
}

/* The table whose row holds the value of node, or its count. */
static RamaTable *
row_table(const RamaNode *node)
{
	return node->storage == RAMA_IN_TABLE ? node->table->parent : node->table;
}

/*
 * rama_put_row() -- Set the value of node in the row with these keys, with
 * everything below it.
 */
void
rama_put_row(const RamaNode *node, const Datum *keys, const RamaInput *input)
{
	RamaTable  *table = row_table(node);
	RowValues  *row = new_values(table);
	bool		isnew;

	add_value(row, node, input, NULL);
	isnew = rama_row_put(table, keys, row->ncolumns, row->attnos, row->values, row->nulls);
	put_below(row, keys, isnew);
}

/*
 * rama_replace_row() -- The same where the old value is known: only what
 * differs is written. Both are JSON in the form that is stored.
 */
void
rama_replace_row(const RamaNode *node, const Datum *keys, const JsonbValue *value,
				 const JsonbValue *old)
{
	RamaTable  *table = row_table(node);
	RowValues  *row = new_values(table);
	RamaInput	input;

	rama_input_of_json(&input, value);
	add_value(row, node, &input, old);
	if (row->ncolumns > 0)
		(void) rama_row_put(table, keys, row->ncolumns, row->attnos, row->values, row->nulls);
	put_below(row, keys, false);
}

/*
 * rama_insert_row() -- Make an element of a vector for which there is room,
 * and which is counted. moved: there are elements behind it.
 */
void
rama_insert_row(const RamaNode *vector, const Datum *keys, const JsonbValue *value,
				bool moved)
{
	RamaTable  *table = vector->table;
	RowValues  *row = new_values(table);
	RamaInput	input;
	RamaRow		open;

	rama_input_of_json(&input, value);
	add_value(row, vector->children[0], &input, NULL);
	rama_row_open(&open, table, keys, false);
	open.as = moved ? RAMA_AS_INSERT : RAMA_AS_SET;
	rama_row_set(&open, row->ncolumns, row->attnos, row->values, row->nulls);
	rama_row_close(&open);
	put_below(row, keys, true);
}

/*
 * rama_push_row() -- Append an element to a vector with a table; its index.
 */
int64
rama_push_row(const RamaNode *vector, const Datum *prefix, const RamaInput *input)
{
	RamaTable  *table = vector->table;
	RowValues  *row = new_values(table);
	Datum	   *keys = palloc(sizeof(Datum) * table->nkeys);
	int64		index;

	add_value(row, vector->children[0], input, NULL);
	index = rama_vector_push(table, prefix, row->ncolumns, row->attnos,
							 row->values, row->nulls);
	if (table->nkeys > 1)
		memcpy(keys, prefix, sizeof(Datum) * (table->nkeys - 1));
	keys[table->nkeys - 1] = Int64GetDatum(index);
	put_below(row, keys, true);
	return index;
}

/*
 * rama_element_values() -- Elements of a vector in chunks, as they are stored. In
 * the current memory context.
 */
void
rama_element_values(const RamaNode *vector, const RamaEntry *entry, int count,
					Datum **values, bool **nulls)
{
	RowValues  *row = new_values(vector->table);

	*values = palloc_array(Datum, Max(count, 1));
	*nulls = palloc_array(bool, Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		RamaInput	input;

		rama_input_of_json(&input, &entry[i].value);
		row->ncolumns = 0;
		add_value(row, vector->children[0], &input, NULL);
		(*values)[i] = row->values[0];
		(*nulls)[i] = row->nulls[0];
	}
}

/* Append all elements to a vector in chunks, some at a time. */
static void
put_elements(const RamaNode *vector, const Datum *prefix, const RamaEntries *entries,
			 MemoryContext context)
{
	for (int done = 0, n; done < entries->count; done += n)
	{
		Datum	   *values;
		bool	   *nulls;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(context);
		n = Min(ELEMENTS, entries->count - done);
		rama_element_values(vector, &entries->entry[done], n, &values, &nulls);
		(void) rama_vector_append(vector->table, prefix, values, nulls, n);
	}
}

/* Replace a collection with a table; isnew: its row was made just now. */
static void
put_collection(const RamaNode *node, const Datum *prefix, const JsonbValue *json,
			   bool isnew)
{
	RamaTable  *table = node->table;
	Datum	   *keys = palloc(sizeof(Datum) * table->nkeys);
	RamaEntries *entries = NULL;
	MemoryContext context;
	MemoryContext old;

	check_stack_depth();
	if (json->type != jbvNull)
		entries = rama_entries_given(node, json);
	if (entries != NULL || !isnew)
		rama_collection_clear(unconstify(RamaNode *, node), prefix, entries != NULL);
	if (entries == NULL)
		return;

	context = AllocSetContextCreate(CurrentMemoryContext, "pg_rama put",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	if (table->chunks)
		put_elements(node, prefix, entries, context);
	if (table->nkeys > 1)
		memcpy(keys, prefix, sizeof(Datum) * (table->nkeys - 1));
	for (int i = 0; i < entries->count && table->chunks == NULL; i++)
	{
		RamaInput	input;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(context);
		rama_input_of_json(&input, &entries->entry[i].value);
		if (node->kind == RAMA_VECTOR)
		{
			rama_push_row(node, prefix, &input);
			continue;
		}
		keys[table->nkeys - 1] = entries->entry[i].key;
		if (node->kind == RAMA_SET)
			rama_row_put(table, keys, 0, NULL, NULL, NULL);
		else
			rama_put_row(node->children[0], keys, &input);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* rama_put_whole() -- Replace the outermost collection. */
void
rama_put_whole(const RamaNode *root, const JsonbValue *json)
{
	put_collection(root, NULL, json, false);
}

static bool
apply_put(RamaEdit *edit, const RamaNode *node, const JsonbValue *old, JsonbValue **out)
{
	JsonbValue	given;

	*out = palloc(sizeof(JsonbValue));
	if (node != NULL && node->kind == RAMA_SCALAR)
	{
		bool		isnull;
		Datum		value = rama_input_to_type(edit->input, &node->type, &isnull);

		if (isnull)
			(*out)->type = jbvNull;
		else
			rama_datum_to_json(node->type.oid, value, *out);
		return true;
	}
	rama_input_to_json(edit->input, &given);
	if (node == NULL)
		**out = given;
	else
		rama_json_conform(node, &given, *out);
	return true;
}

/*
 * rama_target_put() -- Set what is at a target: the outermost collection, a
 * value of a row, or something within JSON. Errors: those of rama.put().
 */
void
rama_target_put(const RamaTarget *target, const RamaInput *value)
{
	const RamaNode *node = target->node;

	if (target->iselement)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an element of a set has no value"),
				 errhint("rama.push adds an element.")));
	if (target->column)
	{
		RamaEdit	edit = {.apply = apply_put, .input = value};

		(void) rama_target_edit(target, &edit);
	}
	else if (node->storage == RAMA_IN_TABLE && node->parent == NULL)
	{
		JsonbValue	json;

		rama_input_to_json(value, &json);
		put_collection(node, NULL, &json, false);
	}
	else
		rama_put_row(node, target->keys, value);
}

/*
 * rama.put(pstate, keys..., value)
 */
Datum
rama_put(PG_FUNCTION_ARGS)
{
	RamaArgs	args;
	RamaPState *pstate = rama_write_call(fcinfo, ACL_INSERT | ACL_UPDATE, ACL_DELETE,
										 1, &args);
	RamaTarget	target;
	RamaWhere	where;

	rama_target_find(&target, pstate, &args, true);
	if (!target.absent)
	{
		rama_where_push(&where, "value", 0);
		rama_target_put(&target, &args.inputs[args.count]);
		rama_where_pop(&where);
	}
	PG_RETURN_VOID();
}
