/*-------------------------------------------------------------------------
 *
 * chunk_view.c
 *	  The view that shows the elements of a vector, which is kept in chunks.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "catalog/namespace.h"
#include "pstate/pstate.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* The enclosing keys as the beginning of a list, each behind a prefix */
static char *
outer_keys(RamaTable *table, const char *prefix)
{
	StringInfoData keys;

	initStringInfo(&keys);
	for (int i = 0; i < table->nkeys - 1; i++)
		appendStringInfo(&keys, "%s%s, ", prefix, quote_identifier(table->columns[i].name));
	return keys.data;
}

/* The same as the beginning of a window */
static char *
partition(RamaTable *table)
{
	char	   *keys = outer_keys(table, "t.");

	if (table->nkeys == 1)
		return "";
	keys[strlen(keys) - strlen(", ")] = '\0';
	return psprintf("PARTITION BY %s ", keys);
}

/* A name that no column of the chunks has */
static const char *
free_name(RamaTable *chunks)
{
	const char *name = "before";

	for (int i = 0; i < chunks->ncolumns; i++)
	{
		if (strcmp(chunks->columns[i].name, name) == 0)
		{
			name = psprintf("%s_", name);
			i = -1;
		}
	}
	return name;
}

/*
 * Each chunk with the index of its first element. What a query says of the keys
 * by which the window is partitioned, becomes a condition on the table.
 */
static char *
numbered_chunks(RamaTable *chunks, const char *name, const char *before)
{
	const char *number = quote_identifier(chunks->columns[chunks->nkeys - 1].name);
	const char *count = quote_identifier(chunks->columns[RAMA_CHUNK_COUNT(chunks) - 1].name);
	const char *elements = quote_identifier(chunks->columns[RAMA_CHUNK_ELEMENTS(chunks) - 1].name);

	return psprintf("SELECT %st.%s, t.%s, pg_catalog.sum(t.%s) OVER "
					"(%sORDER BY t.%s ROWS UNBOUNDED PRECEDING) "
					"OPERATOR(pg_catalog.-) t.%s AS %s FROM %s t",
					outer_keys(chunks, "t."), count, elements, count,
					partition(chunks), number, count, before, name);
}

/*
 * rama_chunk_view_definition() -- The command that makes the view.
 *
 * "name" and "chunks" are the names of the view and of the table of chunks, which
 * is there, qualified and quoted. The view's columns are those of "table". It
 * runs with the rights of its user.
 */
char *
rama_chunk_view_definition(RamaTable *table, const char *name, const char *chunks)
{
	RamaColumn *element = &table->columns[table->nkeys];
	const char *count = quote_identifier(table->chunks->columns[RAMA_CHUNK_COUNT(table->chunks) - 1].name);
	const char *elements = quote_identifier(table->chunks->columns[RAMA_CHUNK_ELEMENTS(table->chunks) - 1].name);
	const char *before = quote_identifier(free_name(table->chunks));
	char	   *from = numbered_chunks(table->chunks, chunks, before);
	char	   *value = "e.element";
	StringInfoData sql;

	if (element->typmod >= 0)
		value = psprintf("CAST(e.element AS %s)",
						 format_type_extended(element->typid, element->typmod,
											  FORMAT_TYPE_TYPEMOD_GIVEN |
											  FORMAT_TYPE_FORCE_QUALIFY));
	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE VIEW %s (%s%s, %s) WITH (security_invoker = true) AS SELECT %s",
					 name, outer_keys(table, ""),
					 quote_identifier(table->columns[table->nkeys - 1].name),
					 quote_identifier(element->name), outer_keys(table, "c."));
	appendStringInfo(&sql, "c.%s OPERATOR(pg_catalog.+) e.i OPERATOR(pg_catalog.-) 1, ", before);
	/* unnest() would make columns of rows. */
	if (type_is_rowtype(element->typid))
		appendStringInfo(&sql, "c.%s[e.i] FROM (%s) c CROSS JOIN LATERAL "
						 "pg_catalog.generate_series(1, c.%s) e(i)", elements, from, count);
	else
		appendStringInfo(&sql, "%s FROM (%s) c CROSS JOIN LATERAL "
						 "pg_catalog.unnest(c.%s) WITH ORDINALITY e(element, i)",
						 value, from, elements);
	return sql.data;
}
