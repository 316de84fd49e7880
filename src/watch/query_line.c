/*-------------------------------------------------------------------------
 *
 * query_line.c
 *	  In what two results of a query differ, as lines.
 *
 *-------------------------------------------------------------------------
 */
#include "watch/query.h"
#include "watch/record.h"

#include "utils/json.h"

static Jsonb *
path_of(const RamaDifference *difference)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; difference && i < difference->npath; i++)
		pushJsonbValue(&state, WJB_ELEM, &difference->path[i]);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

static Jsonb *
value_of(const RamaDifference *difference)
{
	return difference->kind == RAMA_OP_REMOVE ? NULL : rama_json_to_jsonb(&difference->value);
}

/* ---- patches, RFC 6902 ---- */

static void
append_operation(StringInfo line, const char *op, const char *pointer, Jsonb *value)
{
	appendStringInfo(line, "%s{\"op\": \"%s\", \"path\": ",
					 line->data[line->len - 1] == '[' ? "" : ", ", op);
	escape_json(line, pointer);
	if (strcmp(op, "remove") != 0)
	{
		appendStringInfoString(line, ", \"value\": ");
		rama_append_jsonb(line, value);
	}
	appendStringInfoChar(line, '}');
}

static void
append_pointer(StringInfo pointer, const RamaDifference *difference)
{
	for (int i = 0; i < difference->npath; i++)
	{
		int			len;
		char	   *name = rama_json_to_text(&difference->path[i], &len);

		rama_append_pointer(pointer, pnstrdup(name, len));
	}
}

/* Members of objects are added, whether there are such or not; elements are replaced. */
static const char *
op_of_set(const RamaDifference *difference)
{
	return difference->npath > 0 &&
		difference->path[difference->npath - 1].type == jbvString ? "add" : "replace";
}

static void
append_difference(StringInfo line, const RamaDifference *difference)
{
	StringInfoData pointer;
	Jsonb	   *value = value_of(difference);

	initStringInfo(&pointer);
	append_pointer(&pointer, difference);
	switch (difference->kind)
	{
		case RAMA_OP_REMOVE:
			append_operation(line, "remove", pointer.data, NULL);
			break;
		case RAMA_OP_INSERT:
			append_operation(line, "add", pointer.data, value);
			break;
		case RAMA_OP_APPEND:
			appendStringInfoString(&pointer, "/-");
			for (uint32 i = 0; i < JB_ROOT_COUNT(value); i++)
				append_operation(line, "add", pointer.data,
								 rama_json_to_jsonb(getIthJsonbValueFromContainer(&value->root, i)));
			break;
		default:
			append_operation(line, op_of_set(difference), pointer.data, value);
			break;
	}
}

static void
append_patch(StringInfo line, List *differences)
{
	ListCell   *lc;

	appendStringInfoChar(line, '[');
	foreach(lc, differences)
		append_difference(line, lfirst(lc));
	appendStringInfoChar(line, ']');
}

/* rama_query_line_whole() -- A result, of which nothing was told yet. */
void
rama_query_line_whole(StringInfo line, RamaTailFormat format, Jsonb *result)
{
	RamaWatchRow *row;

	if (format == RAMA_TAIL_PATCH)
	{
		appendStringInfoChar(line, '[');
		append_operation(line, "replace", "", result);
		appendStringInfoChar(line, ']');
		return;
	}
	row = rama_watch_row(1, RAMA_OP_SET, path_of(NULL), result);
	row->reset = true;
	rama_append_row(line, row, format, NULL);
}

/* rama_query_lines() -- In what a result differs: a line each, or one patch. */
void
rama_query_lines(RamaCopyOut *out, RamaTailFormat format, int64 version, List *differences)
{
	ListCell   *lc;

	if (format == RAMA_TAIL_PATCH)
	{
		append_patch(&out->lines, differences);
		rama_copyout_end_line(out);
		return;
	}
	foreach(lc, differences)
	{
		const RamaDifference *difference = lfirst(lc);

		rama_append_row(&out->lines, rama_watch_row(version, difference->kind, path_of(difference),
													value_of(difference)), format, NULL);
		rama_copyout_end_line(out);
	}
}
