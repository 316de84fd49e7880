/*-------------------------------------------------------------------------
 *
 * explain.c
 *	  rama.explain(): how a path is read.
 *
 * Walks the bound path without reading, and writes down the lookups and scans
 * that an evaluation would make.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"
#include "path/types.h"

#include "funcapi.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(rama_explain);

/* Where the walk is. */
typedef enum ExplainPlace
{
	AT_ROWS,					/* a collection with a table */
	AT_ROW,						/* a row that is not read yet */
	AT_MEMORY					/* something that has been read */
} ExplainPlace;

typedef struct Explain
{
	List	   *lines;
	int			indent;			/* of the lines that follow */
	ExplainPlace place;
	const RamaNode *node;
	List	   *keys;			/* texts of the enclosing keys */
	List	   *bounds;			/* texts of conditions on the next key */
	int64		amount;
	bool		fromend;
	int			nsettled;		/* steps that follow, of which bounds were made */
} Explain;

static void
add_line(Explain *explain, const char *format,...) pg_attribute_printf(2, 3);

static void
add_line(Explain *explain, const char *format,...)
{
	StringInfoData line;
	va_list		args;
	int			needed;

	initStringInfo(&line);
	appendStringInfoSpaces(&line, explain->indent);
	for (;;)
	{
		va_start(args, format);
		needed = appendStringInfoVA(&line, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&line, needed);
	}
	explain->lines = lappend(explain->lines, line.data);
}

static char *
literal(const RamaType *type, Datum datum)
{
	RamaTypeInfo *info = rama_type_info(type->oid);
	char	   *text = OutputFunctionCall(&info->output, datum);

	return info->category == RAMA_TYPE_NUMBER || info->category == RAMA_TYPE_BOOL ?
		text : quote_literal_cstr(text);
}

static char *
condition(const RamaTable *table, int key, const char *operator, const char *value)
{
	return psprintf("(%s %s %s)", quote_identifier(table->columns[key].name),
					operator, value);
}

static void
add_conditions(Explain *explain, const RamaTable *table)
{
	StringInfoData text;
	ListCell   *lc;
	int			n = 0;

	initStringInfo(&text);
	foreach(lc, explain->keys)
	{
		if (n >= table->nkeys)
			break;
		appendStringInfo(&text, "%s%s", n ? " AND " : "",
						 condition(table, n, "=", lfirst(lc)));
		n++;
	}
	foreach(lc, explain->bounds)
	{
		appendStringInfo(&text, "%s%s", n ? " AND " : "", (char *) lfirst(lc));
		n++;
	}
	if (n > 0)
		add_line(explain, "  Index Cond: %s", text.data);
}

static void
add_access(Explain *explain, const char *how, RamaTable *table)
{
	/* A condition on the index of an element leads to its chunk. */
	RamaTable  *stored = table->chunks ? table->chunks : table;
	Oid			index;

	LockRelationOid(stored->relid, AccessShareLock);
	index = rama_table_index(stored);
	if (OidIsValid(index))
		add_line(explain, "%s using %s on %s", how,
				 quote_identifier(get_rel_name(index)),
				 rama_quoted_relation_name(stored->relid));
	else
		add_line(explain, "Seq Scan on %s", rama_quoted_relation_name(stored->relid));
	add_conditions(explain, table);
}

static void
add_scan(Explain *explain, bool backward, int64 limit)
{
	add_access(explain, backward ? "Index Scan Backward" : "Index Scan", explain->node->table);
	if (limit >= 0)
		add_line(explain, "  Limit: " INT64_FORMAT, limit);
}

/* An amount from the end is found first, backwards. */
static void
add_bounded_scan(Explain *explain)
{
	if (explain->amount >= 0 && explain->fromend)
	{
		add_scan(explain, true, explain->amount);
		add_line(explain, "  Output: the lower bound of the next scan");
		explain->amount = -1;
	}
	add_scan(explain, false, explain->amount);
}

static void
forget_bounds(Explain *explain)
{
	explain->bounds = NIL;
	explain->amount = -1;
	explain->fromend = false;
}

static void
go_to(Explain *explain, const RamaNode *node, bool read)
{
	explain->node = node;
	forget_bounds(explain);
	if (node->storage == RAMA_IN_TABLE)
		explain->place = AT_ROWS;
	else
		explain->place = read ? AT_MEMORY : AT_ROW;
}

static void
read_row(Explain *explain)
{
	if (explain->place == AT_ROW)
		add_access(explain, "Index Lookup", explain->node->table);
	explain->place = AT_MEMORY;
}

static void
add_memory_step(Explain *explain, const RamaStep *step)
{
	add_line(explain, "In memory: %s (step %d)", step->nav->names[0], step->position);
}

static void
explain_key(Explain *explain, const RamaStep *step)
{
	const RamaNode *node = explain->node;

	switch (explain->place)
	{
		case AT_ROWS:
			if (explain->amount >= 0)
				add_scan(explain, explain->fromend, explain->amount);
			explain->keys = lappend(explain->keys, literal(&node->key, step->key.datum));
			explain->bounds = NIL;
			if (node->kind == RAMA_SET)
			{
				add_access(explain, "Index Lookup", node->table);
				explain->place = AT_MEMORY;
			}
			else
				go_to(explain, node->children[0], false);
			break;
		case AT_ROW:
			if (node->storage == RAMA_IN_ROW)
			{
				go_to(explain, node->children[step->key.field], false);
				break;
			}
			read_row(explain);
			/* FALLTHROUGH */
		case AT_MEMORY:
			if (step->in.kind == RAMA_SHAPE_NODE && step->in.node->storage == RAMA_IN_ROW)
				go_to(explain, step->in.node->children[step->key.field], true);
			else if (step->in.kind == RAMA_SHAPE_PAIR && step->key.field == 1)
				go_to(explain, step->in.node->children[0], true);
			else
				add_memory_step(explain, step);
			break;
	}
}

static void
explain_must(Explain *explain, const RamaStep *step)
{
	explain_key(explain, step);
	if (explain->place == AT_ROW)
		read_row(explain);
	else if (explain->place == AT_ROWS && explain->node->table->parent)
		add_access(explain, "Index Lookup", explain->node->table->parent);
}

static void
add_bound(Explain *explain, const RamaBound *bound, const char *exclusive,
		  const char *inclusive)
{
	const RamaTable *table = explain->node->table;

	if (bound->isset)
		explain->bounds = lappend(explain->bounds,
								  condition(table, table->nkeys - 1,
											bound->inclusive ? inclusive : exclusive,
											literal(&explain->node->key, bound->value)));
}

static void
explain_range(Explain *explain, const RamaStep *step)
{
	RamaPart	part = step->part;

	if (explain->place != AT_ROWS)
	{
		read_row(explain);
		add_memory_step(explain, step);
		return;
	}
	if (explain->amount >= 0)
		add_scan(explain, explain->fromend, explain->amount);
	if (step->nav->go == rama_go_sublist)
	{
		part.low.isset = part.high.isset = true;
		part.low.inclusive = true;
		part.high.inclusive = false;
		part.low.value = Int64GetDatum(step->from);
		part.high.value = Int64GetDatum(step->to);
		part.amount = -1;
	}
	add_bound(explain, &part.low, ">", ">=");
	add_bound(explain, &part.high, "<", "<=");
	explain->amount = part.amount;
	explain->fromend = part.fromend;
}

static void
explain_each(Explain *explain, const RamaStep *step)
{
	const RamaNode *node = explain->node;

	if (explain->place != AT_ROWS)
	{
		read_row(explain);
		add_memory_step(explain, step);
		return;
	}
	if (step->bounds && explain->amount < 0)
	{
		add_bound(explain, &step->bounds->low, ">", ">=");
		add_bound(explain, &step->bounds->high, "<", "<=");
		explain->nsettled = step->nsettled;
	}
	add_bounded_scan(explain);
	explain->keys = lappend(explain->keys,
							psprintf("%s.%s", quote_identifier(node->table->name),
									 quote_identifier(node->table->columns[node->table->nkeys - 1].name)));
	if (step->nav->next == rama_next_map_val || node->kind == RAMA_VECTOR)
		go_to(explain, node->children[0], true);
	else
		explain->place = AT_MEMORY;
}

static void
explain_end(Explain *explain, const RamaStep *step, bool last)
{
	const RamaNode *node = explain->node;

	if (explain->place != AT_ROWS)
	{
		read_row(explain);
		add_memory_step(explain, step);
		return;
	}
	if (explain->amount >= 0 && explain->fromend != last)
		add_scan(explain, explain->fromend, explain->amount);
	add_scan(explain, last, 1);
	explain->keys = lappend(explain->keys, pstrdup(last ? "(last)" : "(first)"));
	if (node->kind == RAMA_VECTOR)
		go_to(explain, node->children[0], true);
	else
		explain->place = AT_MEMORY;
}

static void
explain_count(Explain *explain, const RamaStep *step)
{
	const RamaNode *node = explain->node;

	if (explain->place != AT_ROWS)
	{
		read_row(explain);
		add_memory_step(explain, step);
		return;
	}
	if ((explain->bounds && node->kind != RAMA_VECTOR) || explain->amount >= 0)
		add_scan(explain, explain->fromend, explain->amount);
	else if (node->table->parent)
	{
		explain->bounds = NIL;
		add_access(explain, "Index Lookup", node->table->parent);
		add_line(explain, "  Output: %s",
				 quote_identifier(node->table->parent->columns[node->attno - 1].name));
	}
	else
		add_line(explain, "Count of %s as kept in rama.pstate_version",
				 rama_quoted_relation_name(node->table->relid));
	explain->place = AT_MEMORY;
}

static void explain_steps(Explain *explain, const RamaStep *steps, int nsteps);
static void explain_value(Explain *explain);

/* A step with its arguments, as far as they are no paths. */
static char *
step_text(const RamaStep *step)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, step->nav->names[0]);
	for (int i = 0; i < step->nargs && step->nbranches == 0; i++)
	{
		Jsonb	   *arg = rama_json_to_jsonb(&step->args[i]);

		appendStringInfo(&text, " %s", JsonbToCString(NULL, &arg->root, VARSIZE(arg)));
	}
	return text.data;
}

/* A branch from where the walk is; where that ends is left in *end. */
static void
explain_branch(Explain *explain, const RamaBranch *branch, bool value, Explain *end)
{
	Explain		inner = *explain;

	inner.keys = list_copy(explain->keys);
	inner.bounds = list_copy(explain->bounds);
	inner.indent += 2;
	explain_steps(&inner, branch->steps, branch->nsteps);
	if (value)
		explain_value(&inner);
	else if (end == NULL)
		read_row(&inner);
	explain->lines = inner.lines;
	if (end)
	{
		*end = inner;
		end->indent = explain->indent;
	}
}

/* Where the paths go on from, if that is the same for all. */
static void
explain_join(Explain *explain, const RamaStep *step, int first, int stride)
{
	Explain		joined = *explain;
	bool		any = false;

	for (int i = first; i < step->nbranches; i += stride)
	{
		const RamaBranch *branch = &step->branches[i];
		Explain		end;

		if (step->nav->open == rama_open_named)
			add_line(explain, "Path %s (step %d)", step->name, step->position);
		else if (stride == 1)
			add_line(explain, "Path %d", i + 1);
		else if (step->branches[i - 1].nsteps == 0)
			add_line(explain, "Else");
		else
		{
			add_line(explain, i == first ? "If" : "Else If");
			explain_branch(explain, &step->branches[i - 1], false, NULL);
			add_line(explain, "Then");
		}
		explain_branch(explain, branch, step->plain && !branch->never, &end);
		if (branch->never)
			continue;
		if (any && (joined.place != end.place || joined.node != end.node))
			end.place = AT_MEMORY;
		if (any && (joined.bounds || joined.amount >= 0))
			forget_bounds(&end);
		joined = end;
		any = true;
	}
	joined.lines = explain->lines;
	*explain = joined;
	if (step->plain)
		explain->place = AT_MEMORY;
}

/* What a function is called on. */
static void
explain_call(Explain *explain, const RamaStep *step)
{
	const RamaCall *call = &step->calls[0];
	Explain		before = *explain;

	if (call->way == RAMA_CALL_COUNT)
		explain_count(explain, step);
	else if (call->way == RAMA_CALL_VALUE)
		explain_value(explain);
	else if (call->way == RAMA_CALL_EXISTS || call->way == RAMA_CALL_NOTHING)
		read_row(explain);
	else
		explain_branch(explain, &step->branches[call->branch], false, NULL);
	if (before.place == AT_ROWS && step->out.kind == RAMA_SHAPE_NODE)
	{
		before.lines = explain->lines;
		*explain = before;
	}
}

static void
explain_filter(Explain *explain, const RamaStep *step)
{
	if (step->ncalls > 0 && step->nav->go == rama_go_pred)
		explain_call(explain, step);
	else if (step->nbranches == 0 && step->ncalls == 0)
	{
		Explain		before = *explain;

		explain_value(explain);
		before.lines = explain->lines;
		if (before.place == AT_ROWS)
			*explain = before;
	}
	add_line(explain, "Filter: %s (step %d)", step_text(step), step->position);
	if (step->nbranches > 0 && step->ncalls == 0)
		explain_branch(explain, &step->branches[0], false, NULL);
}

/* The rows of several keys. */
static void
explain_keys(Explain *explain, const RamaStep *step)
{
	const RamaTable *table = explain->node->table;
	StringInfoData keys;

	if (explain->place != AT_ROWS)
	{
		read_row(explain);
		add_memory_step(explain, step);
		return;
	}
	initStringInfo(&keys);
	for (int i = 0; i < step->nkeys; i++)
		appendStringInfo(&keys, "%s%s", i > 0 ? ", " : "",
						 literal(&explain->node->key, step->keys[i].datum));
	explain->bounds = list_make1(psprintf("(%s IN (%s))",
										  quote_identifier(table->columns[table->nkeys - 1].name),
										  keys.data));
	add_access(explain, "Index Lookups", explain->node->table);
	explain->place = AT_MEMORY;
}

/* A collection that is walked over here. */
static void
explain_walk(Explain *explain, const RamaStep *step)
{
	if (explain->place == AT_ROWS)
		add_bounded_scan(explain);
	else
		read_row(explain);
	add_line(explain, "Filter: %s (step %d)", step_text(step), step->position);
}

/* Parts that are found when the path is evaluated. */
static bool
explain_part(Explain *explain, const RamaStep *step)
{
	const RamaNavigator *nav = step->nav;

	if (nav->go == rama_go_submap || nav->go == rama_go_subset)
		explain_keys(explain, step);
	else if (nav->go == rama_go_filterer)
	{
		explain_walk(explain, step);
		explain->place = AT_MEMORY;
	}
	else if (nav->open == rama_open_continuous_subseqs)
		explain_walk(explain, step);
	else if (nav->go == rama_go_sublist_dynamic)
	{
		for (int i = 0; i < step->ncalls; i++)
			if (step->calls[i].way == RAMA_CALL_VALUE)
			{
				Explain		before = *explain;

				explain_value(explain);
				before.lines = explain->lines;
				*explain = before;
			}
		add_memory_step(explain, step);
	}
	else if (nav->go == rama_go_index)
		explain_count(explain, step);
	else if (nav->go == rama_go_set_elem || nav->go == rama_go_map_key)
	{
		if (explain->place == AT_ROWS)
			explain_must(explain, step);
		else
		{
			read_row(explain);
			add_memory_step(explain, step);
		}
		explain->place = AT_MEMORY;
	}
	else if (nav->go == rama_go_vector_end || nav->go == rama_go_new_elem ||
			 nav->go == rama_go_stop)
	{
		add_line(explain, "Nothing is read: %s (step %d)", nav->names[0], step->position);
		explain->place = AT_MEMORY;
	}
	else
		return false;
	return true;
}

static bool
is_filter(const RamaNavigator *nav)
{
	return nav->bind == rama_bind_pred || nav->bind == rama_bind_compare ||
		nav->bind == rama_bind_selected || nav->bind == rama_bind_collected;
}

static bool
explain_branches(Explain *explain, const RamaStep *step)
{
	const RamaNavigator *nav = step->nav;

	if (nav->open == rama_open_cond_path)
		explain_join(explain, step, 1, 2);
	else if (nav->open == rama_open_named && step->nbranches == 0)
	{
		add_line(explain, "Path %s (step %d), again", step->name, step->position);
		explain->place = AT_MEMORY;
	}
	else if (nav->open == rama_open_multi_path || nav->open == rama_open_named)
		explain_join(explain, step, 0, 1);
	else if (is_filter(nav))
		explain_filter(explain, step);
	else if (nav->bind == rama_bind_collect || nav->go == rama_go_subselect)
	{
		add_line(explain, "List: %s (step %d)", nav->names[0], step->position);
		explain_branch(explain, &step->branches[0], true, NULL);
		if (nav->go == rama_go_subselect)
			explain->place = AT_MEMORY;
	}
	else if (nav->go == rama_go_transformed)
	{
		explain_value(explain);
		add_line(explain, "In memory: %s (step %d)", nav->names[0], step->position);
		explain->place = AT_MEMORY;
	}
	else if (nav->go == rama_go_view)
	{
		explain_call(explain, step);
		explain->place = AT_MEMORY;
		if (!rama_step_is_count(step))
			add_memory_step(explain, step);
	}
	else if (nav->bind != rama_bind_stay && nav->bind != rama_bind_putval)
		return false;
	return true;
}

static void
explain_step(Explain *explain, const RamaStep *step)
{
	const RamaNavigator *nav = step->nav;

	if (nav->go == rama_go_key)
		explain_key(explain, step);
	else if (nav->go == rama_go_must)
		explain_must(explain, step);
	else if (nav->open == rama_open_each || nav->open == rama_open_indexed_vals)
		explain_each(explain, step);
	else if (nav->go == rama_go_first || nav->go == rama_go_last)
		explain_end(explain, step, nav->go == rama_go_last);
	else if (nav->go == rama_go_range || nav->go == rama_go_sublist)
		explain_range(explain, step);
	else if (!explain_part(explain, step) && !explain_branches(explain, step))
		add_memory_step(explain, step);
}

static void
add_tables_below(Explain *explain, const RamaNode *node)
{
	for (int i = 0; i < node->nchildren; i++)
	{
		if (node->children[i]->storage == RAMA_IN_TABLE)
			add_line(explain, "  Below each row: Index Scan on %s",
					 rama_quoted_relation_name(node->children[i]->table->relid));
		add_tables_below(explain, node->children[i]);
	}
}

/* The walk ends in a value that is written as JSON. */
static void
explain_value(Explain *explain)
{
	if (explain->place == AT_ROWS)
	{
		add_bounded_scan(explain);
		add_line(explain, "  As one value of at most %d elements", rama_max_value_elements);
		add_tables_below(explain, explain->node);
	}
	else if (explain->place == AT_ROW)
	{
		read_row(explain);
		add_tables_below(explain, explain->node);
	}
}

static void
explain_steps(Explain *explain, const RamaStep *steps, int nsteps)
{
	for (int i = 0; i < nsteps; i++)
	{
		explain->nsettled = 0;
		explain_step(explain, &steps[i]);
		i += explain->nsettled;
	}
	explain->nsettled = 0;
}

static List *
explain_path(RamaPath *path)
{
	Explain		explain = {.amount = -1};

	go_to(&explain, path->pstate->root, false);
	explain_steps(&explain, path->steps, path->nsteps);
	explain_value(&explain);
	return explain.lines;
}

/*
 * rama.explain(pstate, path) -- How the path is read, as lines of text.
 */
Datum
rama_explain(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	List	   *lines;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;
		RamaPState *pstate;

		call = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		pstate = rama_pstate_get(PG_GETARG_OID(0));
		rama_pstate_check_read(pstate);
		call->user_fctx = explain_path(rama_path_get(pstate, PG_GETARG_JSONB_P(1)));
		MemoryContextSwitchTo(old);
	}
	call = SRF_PERCALL_SETUP();
	lines = call->user_fctx;
	if (call->call_cntr < (uint64) list_length(lines))
	{
		char	   *line = list_nth(lines, (int) call->call_cntr);

		SRF_RETURN_NEXT(call, CStringGetTextDatum(line));
	}
	SRF_RETURN_DONE(call);
}
