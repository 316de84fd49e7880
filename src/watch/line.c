/*-------------------------------------------------------------------------
 *
 * line.c
 *	  A row of what a watcher is told, as a line.
 *
 *-------------------------------------------------------------------------
 */
#include "watch/tail.h"

/*
 * rama_tail_format() -- A format by its name, or error (22023).
 */
RamaTailFormat
rama_tail_format(const char *name)
{
	if (strcmp(name, "text") == 0)
		return RAMA_TAIL_TEXT;
	if (strcmp(name, "json") == 0)
		return RAMA_TAIL_JSON;
	if (strcmp(name, "patch") == 0)
		return RAMA_TAIL_PATCH;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown format \"%s\"", name),
			 errhint("Formats are \"text\", \"json\" and \"patch\".")));
}

/* rama_append_jsonb() -- As text; NULL is null. */
void
rama_append_jsonb(StringInfo line, Jsonb *jsonb)
{
	if (jsonb == NULL)
		appendStringInfoString(line, "null");
	else
		(void) JsonbToCString(line, &jsonb->root, VARSIZE(jsonb));
}

static bool
has_value(const RamaWatchRow *row)
{
	return row->reset || row->kind != RAMA_OP_REMOVE;
}

/*
 * rama_append_row() -- Version, operation, path and value as text or JSON;
 * with an id (which is JSON) if there is one.
 */
void
rama_append_row(StringInfo line, const RamaWatchRow *row, RamaTailFormat format, const char *id)
{
	if (format == RAMA_TAIL_TEXT)
	{
		appendStringInfo(line, INT64_FORMAT " %s ", row->version, rama_watch_row_name(row));
		rama_append_jsonb(line, row->path);
		if (has_value(row))
		{
			appendStringInfoChar(line, ' ');
			rama_append_jsonb(line, row->value);
		}
		return;
	}
	appendStringInfoChar(line, '{');
	if (id)
		appendStringInfo(line, "\"id\": %s, ", id);
	appendStringInfo(line, "\"version\": " INT64_FORMAT ", \"op\": \"%s\", \"path\": ",
					 row->version, rama_watch_row_name(row));
	rama_append_jsonb(line, row->path);
	if (has_value(row))
	{
		appendStringInfoString(line, ", \"value\": ");
		rama_append_jsonb(line, row->value);
	}
	appendStringInfoChar(line, '}');
}
