/*-------------------------------------------------------------------------
 *
 * nav_range.c
 *	  Navigators to a part of a collection: srange and the ranges of sorted
 *	  maps and sets.
 *
 * A part of a collection with a table is the collection with bounds, which
 * whatever follows takes into the index. Of nothing, a part is empty.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

#include "common/int.h"
#include "utils/builtins.h"

/* Options of ranges, with Rama's names. */
typedef enum RangeOption
{
	OPTION_MAX_AMT = 1 << 0,
	OPTION_INCLUSIVE = 1 << 1,
	OPTION_INCLUSIVE_START = 1 << 2,
	OPTION_INCLUSIVE_END = 1 << 3
} RangeOption;

static const struct
{
	const char *names[2];
	RangeOption option;
}			option_names[] = {
	{{"max-amt", "maxAmt"}, OPTION_MAX_AMT},
	{{"inclusive?", "inclusive"}, OPTION_INCLUSIVE},
	{{"inclusive-start?", "inclusiveStart"}, OPTION_INCLUSIVE_START},
	{{"inclusive-end?", "inclusiveEnd"}, OPTION_INCLUSIVE_END},
};

static int64
amount_of(const RamaStep *step, const JsonbValue *json)
{
	int64		amount;

	if (json->type != jbvNumeric)
		rama_step_error(step, "a maximum amount is a number, not a %s",
						rama_json_kind(json));
	amount = DatumGetInt64(DirectFunctionCall1(numeric_int8,
											   NumericGetDatum(json->val.numeric)));
	if (amount < 0)
		rama_step_error(step, "a maximum amount must not be negative");
	return amount;
}

static bool
flag_of(const RamaStep *step, const char *name, const JsonbValue *json)
{
	if (json->type != jbvBool)
		rama_step_error(step, "option \"%s\" is true or false", name);
	return json->val.boolean;
}

static RangeOption
find_option(const RamaStep *step, const char *name, int allowed)
{
	for (int i = 0; i < (int) lengthof(option_names); i++)
	{
		if (strcmp(name, option_names[i].names[0]) != 0 &&
			strcmp(name, option_names[i].names[1]) != 0)
			continue;
		if (option_names[i].option & allowed)
			return option_names[i].option;
	}
	rama_step_error(step, "unknown option \"%s\"", name);
}

/* Options are an object, or the maximum amount alone. */
static void
bind_options(RamaStep *step, int arg, int allowed, RamaBound *inclusive)
{
	const JsonbValue *json;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	item;
	char	   *name = NULL;

	step->part.amount = -1;
	if (step->nargs <= arg)
		return;
	json = &step->args[arg];
	if (json->type == jbvNumeric && (allowed & OPTION_MAX_AMT))
	{
		step->part.amount = amount_of(step, json);
		return;
	}
	if (json->type != jbvBinary || !JsonContainerIsObject(json->val.binary.data))
		rama_step_error(step, "options are a JSON object, not a %s", rama_json_kind(json));

	it = JsonbIteratorInit(json->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(item.val.string.val, item.val.string.len);
		if (token != WJB_VALUE)
			continue;
		switch (find_option(step, name, allowed))
		{
			case OPTION_MAX_AMT:
				step->part.amount = amount_of(step, &item);
				break;
			case OPTION_INCLUSIVE:
				inclusive->inclusive = flag_of(step, name, &item);
				break;
			case OPTION_INCLUSIVE_START:
				step->part.low.inclusive = flag_of(step, name, &item);
				break;
			case OPTION_INCLUSIVE_END:
				step->part.high.inclusive = flag_of(step, name, &item);
				break;
		}
	}
}

static void
bind_bound(RamaPath *path, RamaStep *step, int arg, RamaBound *bound, bool inclusive)
{
	const JsonbValue *json = &step->args[arg];
	RamaInput	input;

	bound->isset = true;
	bound->inclusive = inclusive;
	if (step->in.kind == RAMA_SHAPE_NODE && step->in.node->kind != RAMA_STRUCT)
	{
		const RamaType *type = &step->in.node->key;

		rama_input_of_json(&input, json);
		bound->value = rama_input_to_key(&input, type);
		if (!rama_type_input_is_immutable(type->oid))
			path->stable = false;
	}
	else
	{
		int			len;
		char	   *text = rama_json_to_text(json, &len);

		bound->value = PointerGetDatum(cstring_to_text_with_len(text, len));
	}
}

/*
 * rama_bind_part() -- The collection must be of the kind; structs and plain
 * data are maps, too. A part of it is what it is itself.
 */
void
rama_bind_part(RamaStep *step, RamaSchemaKind kind)
{
	bool		fits = step->in.kind == RAMA_SHAPE_PLAIN;

	if (step->in.kind == RAMA_SHAPE_NODE)
		fits = step->in.node->kind == kind ||
			(step->in.node->kind == RAMA_STRUCT && kind == RAMA_MAP);
	if (step->in.kind == RAMA_SHAPE_PAIR)
		fits = kind == RAMA_VECTOR;
	if (!fits)
		rama_step_error(step, "needs a %s, and this is %s",
						kind == RAMA_MAP ? "map" : kind == RAMA_SET ? "set" : "vector",
						rama_shape_name(step->in));
	step->kind = kind;
	step->out = step->in;
	if (step->in.kind == RAMA_SHAPE_PAIR ||
		(step->in.kind == RAMA_SHAPE_NODE && step->in.node->kind == RAMA_STRUCT))
	{
		step->out.kind = RAMA_SHAPE_PLAIN;
		step->out.node = NULL;
	}
}

static void
bind_range(RamaPath *path, RamaStep *step, RamaSchemaKind kind)
{
	rama_bind_part(step, kind);
	bind_bound(path, step, 0, &step->part.low, true);
	bind_bound(path, step, 1, &step->part.high, false);
	bind_options(step, 2, OPTION_INCLUSIVE_START | OPTION_INCLUSIVE_END, NULL);
}

static void
bind_range_from(RamaPath *path, RamaStep *step, RamaSchemaKind kind)
{
	rama_bind_part(step, kind);
	bind_bound(path, step, 0, &step->part.low, true);
	bind_options(step, 1, OPTION_MAX_AMT | OPTION_INCLUSIVE, &step->part.low);
}

static void
bind_range_to(RamaPath *path, RamaStep *step, RamaSchemaKind kind)
{
	rama_bind_part(step, kind);
	bind_bound(path, step, 0, &step->part.high, false);
	bind_options(step, 1, OPTION_MAX_AMT | OPTION_INCLUSIVE, &step->part.high);
	step->part.fromend = true;
}

static void
bind_amount(RamaStep *step, RamaSchemaKind kind, bool fromend)
{
	rama_bind_part(step, kind);
	step->part.amount = amount_of(step, &step->args[0]);
	step->part.fromend = fromend;
}

/* rama_bind_map_range() -- [from, to[, options]] */
void
rama_bind_map_range(RamaPath *path, RamaStep *step)
{
	bind_range(path, step, RAMA_MAP);
}

/* rama_bind_map_range_from() -- [from[, max-amt or options]] */
void
rama_bind_map_range_from(RamaPath *path, RamaStep *step)
{
	bind_range_from(path, step, RAMA_MAP);
}

/* rama_bind_map_range_to() -- [to[, max-amt or options]]: the nearest to it */
void
rama_bind_map_range_to(RamaPath *path, RamaStep *step)
{
	bind_range_to(path, step, RAMA_MAP);
}

/* rama_bind_map_range_from_start() -- [max-amt] */
void
rama_bind_map_range_from_start(RamaPath *path, RamaStep *step)
{
	bind_amount(step, RAMA_MAP, false);
}

/* rama_bind_map_range_to_end() -- [max-amt] */
void
rama_bind_map_range_to_end(RamaPath *path, RamaStep *step)
{
	bind_amount(step, RAMA_MAP, true);
}

/* rama_bind_set_range() -- As rama_bind_map_range(), for sets. */
void
rama_bind_set_range(RamaPath *path, RamaStep *step)
{
	bind_range(path, step, RAMA_SET);
}

/* rama_bind_set_range_from() -- As rama_bind_map_range_from(), for sets. */
void
rama_bind_set_range_from(RamaPath *path, RamaStep *step)
{
	bind_range_from(path, step, RAMA_SET);
}

/* rama_bind_set_range_to() -- As rama_bind_map_range_to(), for sets. */
void
rama_bind_set_range_to(RamaPath *path, RamaStep *step)
{
	bind_range_to(path, step, RAMA_SET);
}

/* rama_bind_set_range_from_start() -- As rama_bind_map_range_from_start(), for sets. */
void
rama_bind_set_range_from_start(RamaPath *path, RamaStep *step)
{
	bind_amount(step, RAMA_SET, false);
}

/* rama_bind_set_range_to_end() -- As rama_bind_map_range_to_end(), for sets. */
void
rama_bind_set_range_to_end(RamaPath *path, RamaStep *step)
{
	bind_amount(step, RAMA_SET, true);
}

/* rama_bind_sublist() -- [from, to) of a vector */
void
rama_bind_sublist(RamaPath *path, RamaStep *step)
{
	rama_bind_part(step, RAMA_VECTOR);
	step->from = rama_step_int(step, 0);
	step->to = rama_step_int(step, 1);
	if (step->from < 0 || step->to < step->from)
		rama_step_error(step, "the range " INT64_FORMAT " to " INT64_FORMAT " is not valid",
						step->from, step->to);
}

/* rama_focus_empty() -- The empty part of a collection, or of nothing. */
void
rama_focus_empty(RamaFocus *focus, RamaSchemaKind kind, const RamaNode *node)
{
	RamaEntries *entries = palloc0(sizeof(RamaEntries));

	entries->kind = kind;
	entries->node = node && node->kind == kind ? node : NULL;
	rama_entries_focus(focus, entries);
}

/* rama_bound_tighter() -- Of two bounds: sign 1 for lower ones, -1 for upper ones. */
RamaBound
rama_bound_tighter(const RamaType *type, const RamaBound *a, const RamaBound *b, int sign)
{
	int			order;

	if (!a->isset)
		return *b;
	if (!b->isset)
		return *a;
	order = sign * rama_type_compare(type, a->value, b->value);
	if (order != 0)
		return order > 0 ? *a : *b;
	return a->inclusive ? *b : *a;
}

static void
narrow_rows(RamaFocus *focus, const RamaPart *part, Snapshot snapshot)
{
	const RamaType *type = &focus->node->key;

	if (part->amount == 0)
	{
		rama_focus_empty(focus, focus->node->kind, focus->node);
		return;
	}
	if (!focus->ispart)
		focus->part = *part;
	else
	{
		rama_focus_resolve_amount(focus, snapshot);
		focus->part.low = rama_bound_tighter(type, &focus->part.low, &part->low, 1);
		focus->part.high = rama_bound_tighter(type, &focus->part.high, &part->high, -1);
		focus->part.amount = part->amount;
		focus->part.fromend = part->fromend;
	}
	focus->ispart = true;
}

/*
 * rama_focus_as_set() -- The elements of a plain list, taken for a set; NULL
 * where the entries at the focus are no such list.
 */
RamaEntries *
rama_focus_as_set(const RamaFocus *focus, const RamaEntries *entries, Snapshot snapshot)
{
	RamaFocus	list = *focus;
	JsonbValue	json;

	if (entries->kind != RAMA_VECTOR || entries->node != NULL ||
		!rama_focus_to_json(&list, snapshot, &json))
		return NULL;
	rama_jsonb_to_json(rama_json_to_jsonb(&json), &json);
	return rama_entries_of_json(NULL, &json, RAMA_SET);
}

/* rama_go_range() -- The part of a sorted map or set. */
bool
rama_go_range(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	RamaEntries *entries;

	rama_focus_load(focus, eval->snapshot);
	if (focus->at == RAMA_AT_ROWS)
	{
		narrow_rows(focus, &step->part, eval->snapshot);
		return true;
	}
	entries = rama_focus_entries(focus, step, eval->snapshot);
	if (entries == NULL)
	{
		rama_focus_empty(focus, step->kind, focus->node);
		return true;
	}
	if (entries->kind != step->kind)
	{
		entries = step->kind == RAMA_SET ?
			rama_focus_as_set(focus, entries, eval->snapshot) : NULL;
		if (entries == NULL)
			rama_step_error(step, "needs a %s, and this is not one",
							step->kind == RAMA_MAP ? "map" : "set");
	}
	rama_entries_focus(focus, rama_entries_range(entries, &step->part));
	return true;
}

static void
narrow_vector(RamaFocus *focus, int64 from, int64 to, Snapshot snapshot)
{
	int64		base = 0;
	RamaPart	part = {.amount = -1};

	if (focus->ispart)
		base = DatumGetInt64(focus->part.low.value);
	if (from >= to || pg_add_s64_overflow(base, from, &from))
	{
		rama_focus_empty(focus, RAMA_VECTOR, focus->node);
		return;
	}
	/* What is put behind a part is put at its end. */
	if (focus->ispart && focus->part.high.isset)
		from = Min(from, DatumGetInt64(focus->part.high.value));
	if (pg_add_s64_overflow(base, to, &to))
		to = PG_INT64_MAX;
	part.low.isset = true;
	part.low.inclusive = true;
	part.low.value = Int64GetDatum(from);
	part.high.isset = true;
	part.high.inclusive = false;
	part.high.value = Int64GetDatum(to);
	narrow_rows(focus, &part, snapshot);
}

/* rama_focus_sublist() -- The elements [from, to) that a vector has. */
void
rama_focus_sublist(RamaFocus *focus, const RamaStep *step, int64 from, int64 to,
				   Snapshot snapshot)
{
	RamaEntries *entries;
	RamaEntries *part;

	rama_focus_load(focus, snapshot);
	if (focus->at == RAMA_AT_ROWS)
	{
		narrow_vector(focus, from, to, snapshot);
		return;
	}
	entries = rama_focus_entries(focus, step, snapshot);
	if (entries == NULL)
	{
		rama_focus_empty(focus, RAMA_VECTOR, focus->node);
		return;
	}
	if (entries->kind != RAMA_VECTOR)
		rama_step_error(step, "needs a vector, and this is an object");
	from = Min(from, entries->count);
	to = Min(to, entries->count);
	part = palloc(sizeof(RamaEntries));
	*part = *entries;
	part->entry = entries->entry + from;
	part->count = (int) (to - from);
	rama_entries_focus(focus, part);
}

/* rama_go_sublist() -- Those of constant bounds. */
bool
rama_go_sublist(RamaEval *eval, const RamaStep *step, RamaFocus *focus)
{
	rama_focus_sublist(focus, step, step->from, step->to, eval->snapshot);
	return true;
}
