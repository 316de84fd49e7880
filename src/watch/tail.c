/*-------------------------------------------------------------------------
 *
 * tail.c
 *	  rama.tail() and rama.tail_many(): watched paths, as lines to the client.
 *
 * A round is a transaction: it reads what has been published since the last
 * one, makes lines of what concerns the watched paths, and ends before they
 * are sent. Waiting holds no snapshot and no lock, so that everything can
 * change meanwhile: each round looks again what is there, and whether the
 * user may read it.
 *
 *-------------------------------------------------------------------------
 */
#include "watch/copyout.h"
#include "watch/tail.h"
#include "watch/watch_index.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* At most so many versions of a PState are read in one round. */
#define ROUND_VERSIONS 1000

typedef struct TailPState
{
	Oid			relid;
	char	   *name;
	RamaCursor *cursor;
	List	   *watches;
} TailPState;

typedef struct TailWatch
{
	RamaWatchItem item;			/* in the index; first */
	TailPState *pstate;
	const char *id;				/* JSON, or NULL */
	Jsonb	   *path;
	RamaWatchPath *watch;		/* a copy, unbound */
	MemoryContext context;		/* of watch */
	uint64		last;			/* WHOLE: hash of the value told last */
	RamaPatch  *patch;
	RamaFilter *filter;			/* in this round; NULL: not concerned */
} TailWatch;

typedef struct Tail
{
	RamaCopyOut out;
	RamaTailFormat format;
	List	   *pstates;
	RamaWatchIndex *index;
	MemoryContext round;
	/* in a round: */
	RamaPState *bound;
	List	   *hits;			/* TailWatch */
	RamaChange *change;			/* the one that is applied */
	const RamaOp *op;
	List	   *lines;			/* TailLine */
	int			group;
} Tail;

/* A row on its way to become a line. */
typedef struct TailLine
{
	TailWatch  *watch;
	RamaWatchRow *row;			/* text: of the version */
	const char *text;			/* or NULL: the row */
	int			group;			/* of which lines are in order of versions */
	int			order;
} TailLine;

PG_FUNCTION_INFO_V1(rama_tail);
PG_FUNCTION_INFO_V1(rama_tail_many);

/* ---- what is watched ---- */

static TailPState *
add_pstate(Tail *tail, Oid relid)
{
	ListCell   *lc;
	TailPState *pstate;

	foreach(lc, tail->pstates)
	{
		pstate = lfirst(lc);
		if (pstate->relid == relid)
			return pstate;
	}
	pstate = palloc0(sizeof(TailPState));
	pstate->relid = relid;
	pstate->name = rama_relation_name(rama_pstate_get(relid)->relid);
	tail->pstates = lappend(tail->pstates, pstate);
	return pstate;
}

static void
add_watch(Tail *tail, Oid relid, Jsonb *path, const char *id)
{
	MemoryContext old = MemoryContextSwitchTo(tail->out.context);
	TailWatch  *watch = palloc0(sizeof(TailWatch));

	watch->pstate = add_pstate(tail, relid);
	watch->path = path;
	watch->id = id;
	watch->patch = rama_patch_create(tail->out.context);
	watch->pstate->watches = lappend(watch->pstate->watches, watch);
	MemoryContextSwitchTo(old);
}

static void
begin(Tail *tail, FunctionCallInfo fcinfo, const char *what)
{
	memset(tail, 0, sizeof(*tail));
	rama_require_preload(what);
	rama_require_primary(what);
	rama_copyout_begin(&tail->out, fcinfo, what);
	tail->index = rama_watch_index_create(tail->out.context);
	tail->round = AllocSetContextCreate(tail->out.context, "pg_rama tail round",
										ALLOCSET_DEFAULT_SIZES);
}

/* ---- a round ---- */

/* An error in a watch of many says which. */
static void
name_watch(void *arg)
{
	errcontext("watch %s", (const char *) arg);
}

static void
add_line(Tail *tail, TailWatch *watch, RamaWatchRow *row)
{
	TailLine   *line = palloc(sizeof(TailLine));

	line->watch = watch;
	line->row = row;
	line->text = NULL;
	line->group = tail->group;
	line->order = list_length(tail->lines);
	tail->lines = lappend(tail->lines, line);
}

/* ---- patches ---- */

static void
add_patch(Tail *tail, TailWatch *watch, RamaWatchRow *row, const char *patch)
{
	add_line(tail, watch, row);
	((TailLine *) llast(tail->lines))->text = patch;
}

/* A row with the whole value. */
static void
add_whole(Tail *tail, TailWatch *watch, RamaWatchRow *row)
{
	StringInfoData patch;

	if (tail->format != RAMA_TAIL_PATCH)
	{
		add_line(tail, watch, row);
		return;
	}
	initStringInfo(&patch);
	rama_patch_whole(watch->patch, &patch, row->value);
	add_patch(tail, watch, row, patch.data);
}

/* The rows of the version that the list begins with. */
static List *
rows_of_version(List *rows, int first)
{
	List	   *result = NIL;
	int64		version = ((RamaWatchRow *) list_nth(rows, first))->version;

	for (int i = first; i < list_length(rows); i++)
	{
		RamaWatchRow *row = list_nth(rows, i);

		if (row->version != version)
			break;
		result = lappend(result, row);
	}
	return result;
}

/*
 * What has come through the filter, as patches; where that cannot be said,
 * the value is to be read again.
 */
static void
make_patches(Tail *tail, TailWatch *watch)
{
	List	   *rows = watch->filter->rows;
	List	   *lines = list_copy(tail->lines);

	watch->filter->whole |= watch->watch->class != RAMA_WATCH_VALUE;
	for (int i = 0; i < list_length(rows) && !watch->filter->whole;)
	{
		List	   *version = rows_of_version(rows, i);
		StringInfoData patch;

		initStringInfo(&patch);
		watch->filter->whole = !rama_patch_rows(watch->patch, &patch, version,
												watch->watch->nkeys);
		add_patch(tail, watch, linitial(version), patch.data);
		i += list_length(version);
	}
	watch->filter->rows = NIL;
	if (watch->filter->whole)
		tail->lines = lines;
}

static uint64
hash_of(Jsonb *value)
{
	return value == NULL ? 0 :
		hash_bytes_extended((unsigned char *) VARDATA(value), VARSIZE(value) - VARHDRSZ, 1);
}

static void
bind_watch(Tail *tail, TailWatch *watch)
{
	RamaWatchPath *bound = rama_watch_path(tail->bound, watch->path);
	MemoryContext context = AllocSetContextCreate(tail->out.context, "pg_rama watch",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	if (watch->context)
	{
		rama_watch_index_remove(tail->index, &watch->item);
		MemoryContextDelete(watch->context);
	}
	watch->context = context;
	watch->watch = rama_watch_path_copy(bound);
	rama_watch_index_add(tail->index, &watch->item, watch->pstate->relid,
						 watch->watch->keys, watch->watch->nkeys);
	MemoryContextSwitchTo(old);
}

/* The value as the active snapshot sees it. */
static void
reset_watch(Tail *tail, TailWatch *watch, int64 version)
{
	RamaWatchPath *bound;
	RamaWatchRow *row;
	ErrorContextCallback callback = {error_context_stack, name_watch, (void *) watch->id};

	if (watch->id)
		error_context_stack = &callback;
	bind_watch(tail, watch);
	bound = rama_watch_path(tail->bound, watch->path);
	row = rama_watch_row(version, RAMA_OP_SET, watch->path,
						 rama_watch_value(bound, GetActiveSnapshot()));
	row->reset = true;
	watch->last = hash_of(row->value);
	add_whole(tail, watch, row);
	if (watch->id)
		error_context_stack = callback.previous;
}

static void
report_dropped(const TailPState *pstate)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("PState %s has been dropped", pstate->name)));
}

static void
bind_pstate(Tail *tail, TailPState *pstate)
{
	LockRelationOid(pstate->relid, AccessShareLock);
	if (!rama_watch_exists(pstate->relid))
		report_dropped(pstate);
	tail->bound = rama_pstate_get(pstate->relid);
	tail->group++;
	rama_pstate_check_read(tail->bound);
}

/* All watches of a PState get its value, in the active snapshot. */
static void
reset_pstate(Tail *tail, TailPState *pstate)
{
	int64		version = rama_version_of(pstate->relid, GetActiveSnapshot());
	ListCell   *lc;

	if (pstate->cursor == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(tail->out.context);

		pstate->cursor = rama_cursor_open(pstate->relid, version);
		MemoryContextSwitchTo(old);
	}
	rama_cursor_seek(pstate->cursor, version);
	foreach(lc, pstate->watches)
	{
		CHECK_FOR_INTERRUPTS();
		reset_watch(tail, lfirst(lc), version);
	}
}

/* The index has found a watch that an operation may concern. */
static void
hit(RamaWatchItem *item, void *arg)
{
	Tail	   *tail = arg;
	TailWatch  *watch = (TailWatch *) item;

	if (watch->filter == NULL)
	{
		watch->filter = palloc(sizeof(RamaFilter));
		rama_filter_begin(watch->filter,
						  watch->watch->class == RAMA_WATCH_ENTRIES ?
						  rama_watch_path(tail->bound, watch->path) : watch->watch);
		tail->hits = lappend(tail->hits, watch);
	}
	rama_filter_op(watch->filter, tail->change->version, tail->op);
}

static void
apply(Tail *tail, TailPState *pstate, RamaChange *change)
{
	tail->change = change;
	for (int i = 0; i < change->nops; i++)
	{
		tail->op = &change->ops[i];
		rama_watch_index_find(tail->index, pstate->relid, tail->op, hit, tail);
	}
	tail->change = NULL;
}

/* Apply versions, the one given at most. */
static RamaCursorState
read_versions(Tail *tail, TailPState *pstate, int64 upto)
{
	RamaCursorState state = RAMA_CURSOR_CHANGE;

	for (int i = 0; i < ROUND_VERSIONS && rama_cursor_version(pstate->cursor) < upto; i++)
	{
		RamaChange	change;

		CHECK_FOR_INTERRUPTS();
		state = rama_cursor_next(pstate->cursor, tail->bound, upto, &change);
		if (state != RAMA_CURSOR_CHANGE)
			break;
		apply(tail, pstate, &change);
	}
	return state;
}

static bool
needs_reading(Tail *tail)
{
	ListCell   *lc;

	foreach(lc, tail->hits)
		if (rama_filter_needs_reading(((TailWatch *) lfirst(lc))->filter))
			return true;
	return false;
}

/*
 * Apply all versions that the active snapshot sees; false if they are lost.
 */
static bool
catch_up(Tail *tail, TailPState *pstate, int64 version)
{
	while (rama_cursor_version(pstate->cursor) < version)
	{
		RamaCursorState state = read_versions(tail, pstate, version);

		/* A version that a snapshot sees may be published a little later. */
		if (state == RAMA_CURSOR_LOST ||
			(state == RAMA_CURSOR_END && !rama_cursor_catch_up(pstate->cursor)))
			return false;
	}
	return true;
}

static void
take_rows(Tail *tail, TailWatch *watch, int64 version)
{
	ListCell   *lc;
	bool		whole = watch->filter->whole;
	bool		only_whole = watch->watch->class == RAMA_WATCH_WHOLE ||
		(watch->watch->class == RAMA_WATCH_ENTRIES && tail->format == RAMA_TAIL_PATCH);

	foreach(lc, rama_filter_end(watch->filter, version,
								ActiveSnapshotSet() ? GetActiveSnapshot() : NULL))
	{
		RamaWatchRow *row = lfirst(lc);

		/* What was read again may be what it was. */
		if (whole && only_whole)
		{
			uint64		hash = hash_of(row->value);

			if (hash == watch->last)
				continue;
			watch->last = hash;
		}
		if (whole)
			add_whole(tail, watch, row);
		else
			add_line(tail, watch, row);
	}
}

static void
end_hits(Tail *tail)
{
	ListCell   *lc;

	foreach(lc, tail->hits)
		((TailWatch *) lfirst(lc))->filter = NULL;
	tail->hits = NIL;
}

/* Of each watch that is concerned the rows, some of them to be read first. */
static void
finish_hits(Tail *tail, TailPState *pstate, int64 version)
{
	ListCell   *lc;

	if (tail->hits != NIL)
		rama_cursor_flush(pstate->cursor);
	foreach(lc, tail->hits)
	{
		TailWatch  *watch = lfirst(lc);

		if (rama_filter_needs_reading(watch->filter))
		{
			Assert(ActiveSnapshotSet());
			watch->filter->watch = rama_watch_path(tail->bound, watch->path);
		}
		take_rows(tail, watch, version);
	}
}

/* What has been published of a PState. */
static void
follow(Tail *tail, TailPState *pstate)
{
	RamaCursorState state;
	bool		snapshot = false;
	int64		version = 0;
	ListCell   *lc;

	bind_pstate(tail, pstate);
	state = read_versions(tail, pstate, PG_INT64_MAX);
	if (tail->format == RAMA_TAIL_PATCH)
		foreach(lc, tail->hits)
			make_patches(tail, lfirst(lc));
	if (state == RAMA_CURSOR_LOST || needs_reading(tail))
	{
		PushActiveSnapshot(GetLatestSnapshot());
		snapshot = true;
		version = rama_version_of(pstate->relid, GetActiveSnapshot());
		if (state != RAMA_CURSOR_LOST && !catch_up(tail, pstate, version))
			state = RAMA_CURSOR_LOST;
	}
	if (state == RAMA_CURSOR_LOST)
	{
		end_hits(tail);
		reset_pstate(tail, pstate);
	}
	else
		finish_hits(tail, pstate, version);
	end_hits(tail);
	if (snapshot)
		PopActiveSnapshot();
}

static int
compare_lines(const ListCell *a, const ListCell *b)
{
	const TailLine *x = lfirst(a);
	const TailLine *y = lfirst(b);

	if (x->group != y->group)
		return x->group - y->group;
	if (x->row->version != y->row->version)
		return x->row->version < y->row->version ? -1 : 1;
	return x->order - y->order;
}

static void
end_round(Tail *tail)
{
	ListCell   *lc;

	list_sort(tail->lines, compare_lines);
	foreach(lc, tail->lines)
	{
		TailLine   *line = lfirst(lc);

		if (line->text)
			appendStringInfoString(&tail->out.lines, line->text);
		else
			rama_append_row(&tail->out.lines, line->row, tail->format, line->watch->id);
		rama_copyout_end_line(&tail->out);
	}
	tail->lines = NIL;
	tail->group = 0;
	MemoryContextSwitchTo(tail->out.context);
	MemoryContextReset(tail->round);
	rama_copyout_commit(&tail->out);
}

static void
first_round(Tail *tail)
{
	ListCell   *lc;
	Oid		   *relids = palloc(sizeof(Oid) * (list_length(tail->pstates) + 1));
	int			n = 0;

	foreach(lc, tail->pstates)
		relids[n++] = ((TailPState *) lfirst(lc))->relid;
	rama_listen(relids, n);
	MemoryContextSwitchTo(tail->round);
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach(lc, tail->pstates)
	{
		bind_pstate(tail, lfirst(lc));
		reset_pstate(tail, lfirst(lc));
	}
	PopActiveSnapshot();
	end_round(tail);
}

static bool
next_round(Tail *tail)
{
	bool		any = false;
	ListCell   *lc;

	MemoryContextSwitchTo(tail->round);
	foreach(lc, tail->pstates)
	{
		TailPState *pstate = lfirst(lc);

		if (!rama_cursor_ready(pstate->cursor))
			continue;
		any = true;
		follow(tail, pstate);
	}
	if (any)
		end_round(tail);
	return any;
}

/*
 * Nothing has been published, and yet somebody woke us: is all still there?
 * Returns how long to wait, -1 for ever.
 */
static long
check_pstates(Tail *tail)
{
	bool		busy = false;
	ListCell   *lc;

	MemoryContextSwitchTo(tail->round);
	foreach(lc, tail->pstates)
	{
		TailPState *pstate = lfirst(lc);

		if (rama_watch_is_dropped(pstate->relid, &busy))
			report_dropped(pstate);
	}
	MemoryContextReset(tail->round);
	return busy ? RAMA_WATCH_BUSY_MS : -1;
}

pg_noreturn static void
run(Tail *tail)
{
	/* This transaction has had a snapshot, at the session's isolation level. */
	rama_copyout_next();
	first_round(tail);
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (next_round(tail))
			continue;
		rama_copyout_wait(check_pstates(tail));
	}
}

/*
 * rama.tail(pstate, path, format) -- What the path selects, then each change
 * of it, a line each, until the client cancels it.
 *
 * Errors: 25001 in a transaction block, 42501 without SELECT, 0A000 for a path
 * that cannot be watched, 42704 when the PState is dropped.
 */
Datum
rama_tail(PG_FUNCTION_ARGS)
{
	Tail		tail;

	rama_refuse_null(fcinfo, 0, "pstate");
	rama_refuse_null(fcinfo, 1, "path");
	rama_refuse_null(fcinfo, 2, "format");
	begin(&tail, fcinfo, "rama.tail");
	tail.format = rama_tail_format(text_to_cstring(PG_GETARG_TEXT_PP(2)));
	add_watch(&tail, PG_GETARG_OID(0), PG_GETARG_JSONB_P(1), NULL);
	run(&tail);
}

/* ---- rama.tail_many ---- */

static void
malformed_watch(int number, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("watch %d: %s", number, what),
			 errhint("Give an array of objects such as {\"id\": 1, \"pstate\": \"bank\", \"path\": [\"alice\"]}.")));
}

static bool
find_member(JsonbContainer *object, const char *name, JsonbValue *value)
{
	return getKeyJsonValueFromContainer(object, name, strlen(name), value) != NULL;
}

static void
check_members(JsonbContainer *object, int number)
{
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	item;

	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		char	   *name;

		if (token != WJB_KEY)
			continue;
		name = pnstrdup(item.val.string.val, item.val.string.len);
		if (strcmp(name, "id") != 0 && strcmp(name, "pstate") != 0 && strcmp(name, "path") != 0)
			malformed_watch(number, psprintf("unknown member \"%s\"", name));
	}
}

static const char *
text_of(const JsonbValue *json)
{
	Jsonb	   *jsonb = rama_json_to_jsonb(json);

	return JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
}

static void
parse_watch(Tail *tail, const JsonbValue *json, int number)
{
	JsonbContainer *object;
	JsonbValue	id;
	JsonbValue	pstate;
	JsonbValue	path;
	ErrorContextCallback callback = {error_context_stack, name_watch, NULL};
	Oid			relid;

	if (!rama_json_is_object(json))
		malformed_watch(number, "it is not an object");
	object = json->val.binary.data;
	check_members(object, number);
	if (!find_member(object, "id", &id) || !IsAJsonbScalar(&id) || id.type == jbvNull)
		malformed_watch(number, "\"id\" must be there, and a string, number or boolean");
	if (!find_member(object, "pstate", &pstate) || pstate.type != jbvString)
		malformed_watch(number, "\"pstate\" must be there, and the name of a PState");
	if (find_member(object, "path", &path) && !rama_json_is_array(&path))
		malformed_watch(number, "\"path\" must be an array");
	callback.arg = unconstify(char *, text_of(&id));
	error_context_stack = &callback;
	relid = DatumGetObjectId(DirectFunctionCall1(regclassin,
												 CStringGetDatum(pnstrdup(pstate.val.string.val,
																		  pstate.val.string.len))));
	if (!find_member(object, "path", &path))
	{
		path.type = jbvArray;
		path.val.array.nElems = 0;
		path.val.array.elems = NULL;
		path.val.array.rawScalar = false;
	}
	add_watch(tail, relid, rama_json_to_jsonb(&path), callback.arg);
	error_context_stack = callback.previous;
}

/*
 * rama.tail_many(watches) -- As rama.tail(), of many paths: an array of objects
 * {"id", "pstate", "path"}; each line is JSON with the id.
 */
Datum
rama_tail_many(PG_FUNCTION_ARGS)
{
	Tail		tail;
	Jsonb	   *watches;

	rama_refuse_null(fcinfo, 0, "watches");
	begin(&tail, fcinfo, "rama.tail_many");
	tail.format = RAMA_TAIL_JSON;
	MemoryContextSwitchTo(tail.out.context);
	watches = PG_GETARG_JSONB_P(0);
	if (!JB_ROOT_IS_ARRAY(watches) || JB_ROOT_IS_SCALAR(watches) || JB_ROOT_COUNT(watches) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"watches\" must be an array of at least one watch"),
				 errhint("For example: '[{\"id\": 1, \"pstate\": \"bank\", \"path\": [\"alice\"]}]'.")));
	PushActiveSnapshot(GetTransactionSnapshot());
	for (uint32 i = 0; i < JB_ROOT_COUNT(watches); i++)
		parse_watch(&tail, getIthJsonbValueFromContainer(&watches->root, i), i + 1);
	PopActiveSnapshot();
	run(&tail);
}
