/*-------------------------------------------------------------------------
 *
 * layout.c
 *	  Which tables and columns does a schema ask for?
 *
 * The layout follows from the schema and the root table's name alone. It is
 * made when a PState is created (create.c), again when it is bound to its
 * tables (bind.c), and when a rename has to be followed (ddl.c).
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "pstate/pstate.h"
#include "utils/lsyscache.h"

static void add_value(RamaPState *pstate, RamaTable *table, RamaNode *node,
					  const char *prefix);

/*
 * rama_schema_parse_checked() -- Parse a schema given by a user.
 *
 * Error (42601) with the position in the text.
 */
RamaSchema *
rama_schema_parse_checked(const char *text)
{
	RamaSchemaError error;
	RamaSchema *schema = rama_schema_parse(text, &error);

	if (schema == NULL)
	{
		int			position = pg_mbstrlen_with_len(text, error.location) + 1;
		bool		show = strlen(text) < 10000;

		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("syntax error in PState schema at character %d: %s",
						position, error.message),
				 show ? internalerrposition(position) : 0,
				 show ? internalerrquery(text) : 0));
	}
	return schema;
}

static RamaColumn *
add_column(RamaTable *table, RamaColumnRole role, const char *name,
		   Oid typid, int32 typmod, RamaNode *node)
{
	RamaColumn *column;

	if (table->columns == NULL)
		table->columns = palloc(sizeof(RamaColumn));
	else
		table->columns = repalloc(table->columns,
								  sizeof(RamaColumn) * (table->ncolumns + 1));
	column = &table->columns[table->ncolumns++];
	memset(column, 0, sizeof(RamaColumn));
	column->role = role;
	column->name = pstrdup(name);
	column->typid = typid;
	column->typmod = typmod;
	column->node = node;
	return column;
}

static bool
has_column(RamaTable *table, const char *name)
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		if (strcmp(table->columns[i].name, name) == 0)
			return true;
	}
	return false;
}

static const char *
element_name(const RamaSchema *schema)
{
	if (schema->kind == RAMA_VECTOR)
		return schema->children[0]->name ? schema->children[0]->name : "elem";
	if (schema->keyname)
		return schema->keyname;
	return schema->kind == RAMA_SET ? "elem" : "key";
}

/*
 * What a subindexed collection without a name of its own is called: as its
 * key or element.
 */
static const char *
collection_name(const RamaNode *node)
{
	return node->schema->name ? node->schema->name : element_name(node->schema);
}

static bool
is_collection(const RamaSchema *schema)
{
	return schema->kind == RAMA_MAP || schema->kind == RAMA_SET ||
		schema->kind == RAMA_VECTOR;
}

static RamaNode *
make_node(const RamaSchema *schema, RamaNode *parent, RamaTable *table)
{
	RamaNode   *node = palloc0(sizeof(RamaNode));

	node->kind = schema->kind;
	node->schema = schema;
	node->parent = parent;
	node->table = table;
	node->nchildren = schema->nchildren;
	node->children = palloc0(sizeof(RamaNode *) * Max(schema->nchildren, 1));
	if (schema->name)
		node->name = schema->name;
	else if (parent && parent->kind == RAMA_VECTOR)
		node->name = "elem";
	else
		node->name = "value";
	return node;
}

/* Everything below a value of kind jsonb. */
static void
add_json_children(RamaTable *table, RamaNode *node)
{
	for (int i = 0; i < node->nchildren; i++)
	{
		RamaNode   *child = make_node(node->schema->children[i], node, table);

		child->storage = RAMA_IN_JSON;
		node->children[i] = child;
		add_json_children(table, child);
	}
}

static RamaTable *
make_table(RamaPState *pstate, RamaTable *parent, RamaNode *node, char *name)
{
	RamaTable  *table = palloc0(sizeof(RamaTable));

	table->pstate = pstate;
	table->name = name;
	table->node = node;
	table->parent = parent;
	if (pstate->tables == NULL)
		pstate->tables = palloc(sizeof(RamaTable *));
	else
		pstate->tables = repalloc(pstate->tables,
								  sizeof(RamaTable *) * (pstate->ntables + 1));
	pstate->tables[pstate->ntables++] = table;

	if (parent)
	{
		if (parent->children == NULL)
			parent->children = palloc(sizeof(RamaTable *));
		else
			parent->children = repalloc(parent->children,
										sizeof(RamaTable *) * (parent->nchildren + 1));
		parent->children[parent->nchildren++] = table;
	}
	return table;
}

/*
 * The key columns: those of the enclosing table, then the collection's own.
 * The index of a vector within a vector cannot be named, so that it is named
 * after the element.
 */
static void
add_keys(RamaTable *table, RamaNode *node)
{
	const RamaSchema *schema = node->schema;

	for (int i = 0; table->parent && i < table->parent->nkeys; i++)
	{
		RamaColumn *key = &table->parent->columns[i];

		add_column(table, RAMA_COLUMN_KEY, key->name, key->typid, key->typmod, NULL);
	}
	if (schema->kind != RAMA_VECTOR)
		add_column(table, RAMA_COLUMN_KEY, element_name(schema),
				   schema->typid, schema->typmod, NULL);
	else if (has_column(table, "index"))
		add_column(table, RAMA_COLUMN_KEY, psprintf("%s_index", element_name(schema)),
				   INT8OID, -1, NULL);
	else
		add_column(table, RAMA_COLUMN_KEY, "index", INT8OID, -1, NULL);
	table->nkeys = table->ncolumns;
}

/* A name like this that the table has no column of. */
static const char *
free_name(RamaTable *table, const char *name)
{
	while (has_column(table, name))
		name = psprintf("%s_", name);
	return name;
}

/*
 * The type of the arrays in which a vector's elements are kept; InvalidOid:
 * they have a row each.
 */
static Oid
chunk_type(RamaTable *table)
{
	RamaNode   *node = table->node;

	if (table->parent == NULL || node->kind != RAMA_VECTOR ||
		node->children[0]->storage != RAMA_IN_COLUMN)
		return InvalidOid;
	return get_array_type(table->columns[node->children[0]->attno - 1].typid);
}

/* The table of the chunks of a vector; it comes before the view on it. */
static void
add_chunks(RamaPState *pstate, RamaTable *table, Oid array)
{
	RamaTable  *chunks = make_table(pstate, NULL, table->node,
									psprintf("%s_chunk", table->name));
	int32		typmod = table->columns[table->nkeys].typmod;

	table->chunks = chunks;
	chunks->logical = table;
	chunks->parent = table->parent;
	for (int i = 0; i < table->nkeys - 1; i++)
		add_column(chunks, RAMA_COLUMN_KEY, table->columns[i].name,
				   table->columns[i].typid, table->columns[i].typmod, NULL);
	add_column(chunks, RAMA_COLUMN_KEY, free_name(chunks, "chunk"), INT8OID, -1, NULL);
	chunks->nkeys = chunks->ncolumns;
	add_column(chunks, RAMA_COLUMN_CHUNK, free_name(chunks, "count"), INT4OID, -1, NULL);
	add_column(chunks, RAMA_COLUMN_CHUNK, free_name(chunks, "first"), INT8OID, -1, NULL);
	add_column(chunks, RAMA_COLUMN_CHUNK, free_name(chunks, "elements"), array, typmod, NULL);

	Assert(pstate->tables[pstate->ntables - 2] == table);
	pstate->tables[pstate->ntables - 2] = chunks;
	pstate->tables[pstate->ntables - 1] = table;
}

/* A collection with a table of its own. */
static void
add_collection(RamaPState *pstate, RamaTable *parent, RamaNode *node, char *name)
{
	RamaTable  *table = make_table(pstate, parent, node, name);
	Oid			array;

	node->storage = RAMA_IN_TABLE;
	node->table = table;
	add_keys(table, node);
	if (node->nchildren > 0)
	{
		node->children[0] = make_node(node->schema->children[0], node, table);
		add_value(pstate, table, node->children[0], NULL);
	}
	array = chunk_type(table);
	if (OidIsValid(array))
		add_chunks(pstate, table, array);
}

static void
add_fields(RamaPState *pstate, RamaTable *table, RamaNode *node, const char *prefix)
{
	node->storage = RAMA_IN_ROW;
	for (int i = 0; i < node->nchildren; i++)
	{
		node->children[i] = make_node(node->schema->children[i], node, table);
		add_value(pstate, table, node->children[i], prefix);
	}
}

/*
 * Add the columns of a value to a table, and the tables below it. "prefix" is
 * the column names' part for the structs around it, NULL outside of structs.
 */
static void
add_value(RamaPState *pstate, RamaTable *table, RamaNode *node, const char *prefix)
{
	const RamaSchema *schema = node->schema;
	const char *name = node->name;

	if (is_collection(schema) && schema->subindex)
		name = collection_name(node);
	if (prefix && *prefix)
		name = psprintf("%s_%s", prefix, name);

	if (schema->kind == RAMA_STRUCT)
	{
		/* A struct that is the whole value has no part in its fields' names. */
		add_fields(pstate, table, node, prefix ? name : "");
	}
	else if (schema->kind == RAMA_SCALAR)
	{
		node->storage = RAMA_IN_COLUMN;
		add_column(table, RAMA_COLUMN_SCALAR, name, schema->typid, schema->typmod, node);
		node->attno = table->ncolumns;
	}
	else if (schema->subindex)
	{
		add_column(table, RAMA_COLUMN_COUNT, psprintf("%s_count", name), INT8OID, -1, node);
		node->attno = table->ncolumns;
		add_collection(pstate, table, node,
					   psprintf("%s_%s", pstate->tables[0]->name, name));
	}
	else
	{
		node->storage = RAMA_IN_COLUMN;
		add_column(table, RAMA_COLUMN_JSON, name, JSONBOID, -1, node);
		node->attno = table->ncolumns;
		add_json_children(table, node);
	}
}

/*
 * rama_layout_build() -- Nodes, tables and columns of a schema whose types
 * have been found, without anything that the tables say.
 *
 * Allocated in the current memory context, and refers to "schema".
 */
RamaPState *
rama_layout_build(RamaSchema *schema, const char *relname)
{
	RamaPState *pstate = palloc0(sizeof(RamaPState));

	pstate->context = CurrentMemoryContext;
	pstate->root = make_node(schema, NULL, NULL);
	if (is_collection(schema))
		add_collection(pstate, NULL, pstate->root, pstrdup(relname));
	else
	{
		RamaTable  *table = make_table(pstate, NULL, pstate->root, pstrdup(relname));

		pstate->root->table = table;
		add_value(pstate, table, pstate->root, NULL);
	}
	return pstate;
}

static void
check_length(const char *what, const char *name)
{
	if (strlen(name) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("%s name \"%s\" is too long", what, name),
				 errdetail("Names have at most %d bytes.", NAMEDATALEN - 1),
				 errhint("Name the levels of the schema shorter, as in map(user: bigint, ...).")));
}

static void
check_columns(RamaTable *table)
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		const char *name = table->columns[i].name;

		check_length("column", name);
		for (int j = 0; j < i; j++)
		{
			if (strcmp(table->columns[j].name, name) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_TABLE),
						 errmsg("two columns of table \"%s\" would be called \"%s\"",
								table->name, name),
						 errhint("Name the levels of the schema apart, as in map(org: bigint, map(request: uuid, ...)).")));
		}
	}
	if (table->nkeys > RAMA_MAX_KEYS)
		ereport(ERROR,
				(errcode(ERRCODE_TOO_MANY_COLUMNS),
				 errmsg("table \"%s\" would have more than %d key columns",
						table->name, RAMA_MAX_KEYS)));
}

/*
 * rama_layout_check() -- Check the names of a layout.
 *
 * Errors: 42622 (a name over 63 bytes), 42P07 (two tables, or two columns of
 * one, of the same name), 54011 (too many levels).
 */
void
rama_layout_check(RamaPState *pstate)
{
	for (int i = 0; i < pstate->ntables; i++)
	{
		const char *name = pstate->tables[i]->name;

		check_length("table", name);
		for (int j = 0; j < i; j++)
		{
			if (strcmp(pstate->tables[j]->name, name) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_TABLE),
						 errmsg("two tables of the PState would be called \"%s\"", name),
						 errhint("Name the levels of the schema apart, as in map(org: bigint, map(request: uuid, ...)).")));
		}
		check_columns(pstate->tables[i]);
	}
}
