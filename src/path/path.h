/*-------------------------------------------------------------------------
 *
 * path.h
 *	  Paths: values given by callers, their conversion, and the reading and
 *	  writing of PStates along a path.
 *
 * A path is parsed into steps (parse.c), each step is bound to the schema at
 * its place (bind.c, navigators.c), and the steps are evaluated as a stack of
 * iterators over foci (select.c). See src/path/README.md.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_PATH_H
#define RAMA_PATH_H

#include "pstate/pstate.h"

#include "fmgr.h"
#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

/*
 * A value of the SQL type rama.value: a datum with its type. A value of an
 * untyped literal or parameter has the type unknown and is a C string.
 */
typedef struct RamaValue
{
	int32		vl_len_;		/* varlena header */
	Oid			type;
	char		data[FLEXIBLE_ARRAY_MEMBER];	/* at a multiple of 8 */
} RamaValue;

#define RAMA_VALUE_HEADER offsetof(RamaValue, data)

/* A value given by a caller, before it is converted to what its place needs. */
typedef enum RamaInputForm
{
	RAMA_INPUT_NULL,
	RAMA_INPUT_UNTYPED,			/* text: the type's input, or JSON */
	RAMA_INPUT_SQL,				/* type and datum: by assignment cast */
	RAMA_INPUT_JSON
} RamaInputForm;

typedef struct RamaInput
{
	RamaInputForm form;
	Oid			type;			/* SQL */
	Datum		datum;			/* SQL */
	const char *text;			/* UNTYPED */
	JsonbValue	json;			/* JSON */
} RamaInput;

/* What a step finds at its place, known from the schema. */
typedef enum RamaShapeKind
{
	RAMA_SHAPE_NODE,			/* a value of node */
	RAMA_SHAPE_KEY,				/* a key of the map, an element of the set node */
	RAMA_SHAPE_PAIR,			/* an entry of the map node: [key, value] */
	RAMA_SHAPE_PLAIN			/* plain data, free of the schema */
} RamaShapeKind;

typedef struct RamaShape
{
	RamaShapeKind kind;
	const RamaNode *node;		/* NULL for plain data */
} RamaShape;

/* The row that a focus is in; fetched when first needed. */
typedef struct RamaPlaceRow
{
	RamaTable  *table;
	Datum	   *keys;			/* table->nkeys of them */
	bool		fetched;
	bool		exists;
	TupleTableSlot *slot;		/* the row, or: */
	Datum	   *values;
	bool	   *nulls;
	MemoryContext context;		/* where to fetch it to; NULL: the current one */
} RamaPlaceRow;

/* The part of a collection that a range leaves. */
typedef struct RamaPart
{
	RamaBound	low;			/* of a vector: always set and inclusive */
	RamaBound	high;
	int64		amount;			/* at most so many (ROWS: not 0), or -1 */
	bool		fromend;		/* ... counted from the end */
} RamaPart;

/* An entry of a collection in memory. */
typedef struct RamaEntry
{
	Datum		key;			/* with a schema: map and set */
	JsonbValue	name;			/* map and set: the key as JSON of its type */
	JsonbValue	value;			/* map and vector, where place is NULL */
	struct RamaFocus *place;	/* map and vector: where the value is, not
								 * read yet */
	int			order;			/* as given by a caller */
} RamaEntry;

typedef struct RamaEntries
{
	RamaSchemaKind kind;
	const RamaNode *node;		/* NULL: plain data, keys are text or JSON */
	bool		unsorted;		/* plain map: not in the order of the text of
								 * its keys */
	bool		asobject;		/* map: written as an object, not as pairs */
	int			count;
	RamaEntry  *entry;
} RamaEntries;

/* Values collected on the way to a focus, the last one first. */
typedef struct RamaCollected
{
	JsonbValue	value;
	int			count;			/* this one included */
	const struct RamaCollected *before;
} RamaCollected;

/* Where a focus is. */
typedef enum RamaPlace
{
	RAMA_AT_NOTHING,			/* absent or null */
	RAMA_AT_ROWS,				/* a collection with a table */
	RAMA_AT_ROW,				/* a value within a row */
	RAMA_AT_DATUM,				/* an SQL value */
	RAMA_AT_JSON,				/* JSON, with a schema or without */
	RAMA_AT_ENTRIES,			/* a part of a collection in memory */
	RAMA_AT_PAIR				/* [key, value] */
} RamaPlace;

typedef struct RamaFocus
{
	RamaPlace	at;
	const RamaNode *node;		/* schema of the value; NULL: plain data */
	bool		ispart;			/* ROWS: part applies, a map reads as pairs */
	RamaPart	part;
	Datum	   *keys;			/* ROWS: of the enclosing levels */
	RamaPlaceRow    *row;			/* ROW; ROWS: the enclosing one, if known */
	const RamaType *type;		/* DATUM */
	Datum		datum;
	JsonbValue	json;			/* JSON */
	RamaEntries *entries;
	struct RamaFocus *first;	/* PAIR */
	struct RamaFocus *second;
	const RamaCollected *collected; /* NULL: none */
	bool		isvoid;			/* NOTHING: where something is to be put */
} RamaFocus;

typedef struct RamaNavigator RamaNavigator;
typedef struct RamaFrame RamaFrame;
typedef struct RamaEval RamaEval;
typedef struct RamaCall RamaCall;
typedef struct RamaTransform RamaTransform;	/* transform.h */

/* What has become of a value. */
typedef enum RamaOutcome
{
	RAMA_KEPT,					/* nothing was written */
	RAMA_CHANGED,				/* in memory: it is the new value; stored: it
								 * is written */
	RAMA_VOID					/* whoever holds it removes it */
} RamaOutcome;

struct RamaNext;

/* A key in the forms that its place may need. */
typedef struct RamaKey
{
	Datum		datum;			/* of a map, set or vector with a schema */
	JsonbValue	name;			/* of a map in JSON: a string; of plain data:
								 * as given */
	int			field;			/* of a struct, or of a pair */
} RamaKey;

/* A function that is built in, functions.c */
typedef struct RamaBuiltin RamaBuiltin;
struct RamaBuiltin
{
	const char *name;
	int			minargs;
	int			maxargs;		/* -1: any number */
	bool		(*call) (const RamaBuiltin *function, int nargs, const JsonbValue *args,
						 JsonbValue *result);	/* false: null */
	int			code;			/* of functions that share a call */
	bool		collection;		/* the first argument is a collection */
};

/* How a function is called on a focus. */
typedef enum RamaCallWay
{
	RAMA_CALL_VALUE,			/* with its value */
	RAMA_CALL_COUNT,			/* its number of elements, from the index */
	RAMA_CALL_EXISTS,			/* whether there is something */
	RAMA_CALL_NOTHING,			/* whether there is nothing */
	RAMA_CALL_LIST,				/* what the branch selects */
	RAMA_CALL_ONE,				/* the one value it selects, or null */
	RAMA_CALL_SELECTS			/* whether it selects anything */
} RamaCallWay;

/* An argument that is a function, with the arguments that follow the value. */
struct RamaCall
{
	const char *name;
	const RamaBuiltin *builtin; /* or: */
	struct RamaSqlFunction *function;
	int			nargs;
	JsonbValue *args;
	RamaCallWay way;
	int			branch;			/* of the step */
};

/* A step of a path. */
typedef struct RamaStep
{
	const RamaNavigator *nav;
	int			position;		/* in the path, from 1 */
	int			nargs;
	JsonbValue *args;
	/* set when bound: */
	RamaShape	in;
	RamaShape	out;
	RamaKey		key;			/* key, must, nth */
	int64		from;			/* sublist: [from, to) */
	int64		to;
	RamaPart	part;			/* ranges */
	RamaSchemaKind kind;		/* ranges: of what */
	RamaPart   *bounds;			/* pushdown.c: for the rows walked over, or NULL */
	int			nsettled;		/* steps right behind it that they make superfluous */
	int			nbranches;		/* arguments that are paths */
	struct RamaBranch *branches;
	bool		plain;			/* branches yield different shapes */
	int			ncalls;			/* arguments that are functions */
	RamaCall   *calls;
	JsonbValue	value;			/* a constant, as stored */
	bool		typed;			/* ... it is key.datum, of type: */
	RamaType	type;
	int			nkeys;			/* submap, subset */
	RamaKey    *keys;
	char	   *name;			/* as given; of a named path the full one */
	char	   *module;			/* of a named path */
} RamaStep;

/* A path that is an argument of a step. */
typedef struct RamaBranch
{
	int			nsteps;
	RamaStep   *steps;
	RamaShape	in;
	RamaShape	out;
	bool		never;			/* it ends in stop: what it yields does not matter */
} RamaBranch;

typedef struct RamaPath
{
	RamaPState *pstate;
	int			nsteps;
	RamaStep   *steps;
	bool		stable;			/* conversions depend on nothing but the path */
	MemoryContext context;		/* lives as long as it is used */
	List	   *naming;			/* named paths that are being bound */
	bool		terminals;		/* may have them: it writes */
	List	   *bound;			/* those within themselves, named.c */
	int			users;			/* evaluations; those that an error ended count on */
	/* current.c: */
	bool		dependent;		/* on named paths, or on SQL functions */
	uint64		epoch;
	Oid			user;
	RamaSearchPath *search_path;
} RamaPath;

/* One level of an evaluation. */
struct RamaFrame
{
	const RamaStep *step;
	RamaFocus	focus;			/* what this step is applied to */
	MemoryContext items;		/* reset for each value yielded; NULL where
								 * the step yields one value */
	int			below;			/* the next open frame before it, or -1 */
	RamaScan   *scan;
	RamaPlaceRow		row;			/* scan: where it is */
	int64		remaining;		/* scan: rows to go, or -1 */
	int			nsettled;		/* steps behind it that its values need not pass */
	RamaEntries *entries;
	int			position;		/* in entries, branches, parts */
	int64		index;			/* of the next element */
	RamaEval   *nested;			/* of a branch, while it is open */
	MemoryContext nestedcontext;
};

struct RamaEval
{
	RamaPath   *path;
	bool		nested;			/* of a branch of the path */
	const RamaStep *steps;
	int			nsteps;
	RamaFocus	start;
	Snapshot	snapshot;		/* registered */
	MemoryContext context;
	bool		registered;		/* snapshot is */
	bool		started;
	int			depth;			/* the frame that yields next; -1: none */
	RamaFrame  *frames;
};

/*
 * A navigator. A step that yields at most one value has "go"; one that yields
 * any number has "open" and "next".
 */
struct RamaNavigator
{
	const char *names[3];		/* Clojure's, Java's, the constant's */
	int			minargs;
	int			maxargs;		/* -1: any number */
	void		(*bind) (RamaPath *path, RamaStep *step);
	bool		(*go) (RamaEval *eval, const RamaStep *step, RamaFocus *focus);
	void		(*open) (RamaEval *eval, RamaFrame *frame);
	bool		(*next) (RamaEval *eval, RamaFrame *frame, RamaFocus *out);

	/*
	 * Writing, by the step that "at" begins with: to a value in memory, and
	 * where there is "walk", to a place that is no value within a row.
	 */
	RamaOutcome (*change) (RamaTransform *transform, const struct RamaNext *at,
						   RamaFocus *value);
	RamaOutcome (*walk) (RamaTransform *transform, const struct RamaNext *at,
						 RamaFocus *place);
	RamaSchemaKind needs;		/* what it can be applied to; RAMA_SCALAR: anything */
	bool		terminal;
	bool		eachkey;		/* any number of keys, each a step */
	bool		write;			/* may stand in the place of a key in a write */
	bool		keyed;			/* its arguments are bound to the schema: where
								 * they are to plain data, the focus is made that */
};

/* near.c: what somebody who wrote an unknown name may have meant */
#define RAMA_MAX_NEAR 3

typedef struct RamaNear
{
	const char *name[RAMA_MAX_NEAR];	/* nearest first */
	int			distance[RAMA_MAX_NEAR];
	int			count;
} RamaNear;

extern void rama_near_consider(RamaNear *near, const char *name, const char *wanted);
extern char *rama_near_names(const RamaNear *near);

/* navigators.c */
extern const RamaNavigator *rama_navigator_find(const char *name, int position);
extern bool rama_is_navigator(const char *name);

/* named.c */
extern bool rama_named_path_find(const char *name, JsonbValue *path, char **fullname);
extern void rama_bind_named(RamaPath *path, RamaStep *step);
extern const RamaBranch *rama_named_branch(RamaPath *path, const RamaStep *step);
extern void rama_open_named(RamaEval *eval, RamaFrame *frame);
extern void rama_paths_dropped(const char *module);
extern void rama_paths_renamed(const char *module, const char *newname);

/* parse.c */
extern RamaStep *rama_path_parse(JsonbContainer *path, int *nsteps);
extern void rama_step_of_name(RamaStep *step, const char *name, const RamaStep *from);
extern RamaStep *rama_path_parse_one(const JsonbValue *json, int position, int *nsteps);
pg_noreturn extern void rama_step_error(const RamaStep *step, const char *format,...)
			pg_attribute_printf(2, 3);
extern int64 rama_step_int(const RamaStep *step, int arg);
extern const char *rama_json_kind(const JsonbValue *json);
extern bool rama_json_is_array(const JsonbValue *json);
extern bool rama_json_is_object(const JsonbValue *json);

/* cache.c */
extern RamaPath *rama_path_get(RamaPState *pstate, Jsonb *json);
extern RamaPath *rama_path_get_transform(RamaPState *pstate, Jsonb *json);

/* bind.c */
extern RamaPath *rama_path_bind(RamaPState *pstate, JsonbContainer *json, bool terminals);
extern RamaShape rama_shape_of_node(const RamaNode *node);
extern RamaShape rama_shape_of_value(const RamaNode *collection);
extern const char *rama_shape_name(RamaShape shape);
extern int	rama_struct_field(const RamaNode *node, const char *name, int len);
extern RamaShape rama_shape_plain(void);
extern bool rama_shape_is_scalar(RamaShape shape);
extern const RamaType *rama_shape_type(RamaShape shape);
extern void rama_steps_bind(RamaPath *path, RamaStep *steps, int nsteps, RamaShape *shape);

/* branch.c: arguments that are paths */
extern void rama_branch_add(RamaPath *path, RamaStep *step, int arg, RamaShape in);
extern void rama_branch_add_empty(RamaStep *step, RamaShape in);
extern void rama_branch_add_steps(RamaPath *path, RamaStep *step, RamaStep *steps,
								  int nsteps, RamaShape in);
extern void rama_branch_join(RamaStep *step, int first, int stride);
extern bool rama_branch_selects(RamaEval *eval, const RamaBranch *branch,
								const RamaFocus *focus);
extern Jsonb *rama_branch_list(RamaEval *eval, const RamaBranch *branch,
							   const RamaFocus *focus);
extern bool rama_branch_one(RamaEval *eval, const RamaStep *step, const RamaBranch *branch,
							const RamaFocus *focus, JsonbValue *json);
extern void rama_branch_open(RamaEval *eval, RamaFrame *frame);
extern void rama_branch_enter(RamaEval *eval, RamaFrame *frame, const RamaBranch *branch);
extern bool rama_branch_next(RamaEval *eval, RamaFrame *frame, RamaFocus *out);

/* call.c, functions.c, sqlfunction.c: functions in paths */
extern void rama_call_add(RamaPath *path, RamaStep *step, const JsonbValue *name,
						  int nargs, JsonbValue *args, const RamaShape *value);
extern bool rama_call_values(const RamaStep *step, const RamaCall *call,
							 int nvalues, const JsonbValue *values, JsonbValue *result);
extern bool rama_call_collected(const RamaStep *step, const RamaCall *call,
								const RamaCollected *collected, const JsonbValue *value,
								JsonbValue *result);
extern void rama_call_part(const RamaCall *call, RamaFocus *focus, Snapshot snapshot);
extern bool rama_call_focus(RamaEval *eval, const RamaStep *step, const RamaCall *call,
							RamaFocus *focus, JsonbValue *result);
extern const RamaBuiltin *rama_builtin_find(const char *name);
extern char *rama_builtin_near(const char *name);
extern struct RamaSqlFunction *rama_sql_function_bind(const RamaStep *step, const char *name,
													  const RamaType *first, int nargs,
													  const JsonbValue *args);
extern bool rama_sql_function_call(const RamaStep *step, struct RamaSqlFunction *function,
								   int nargs, const JsonbValue *args, JsonbValue *result);
extern bool rama_json_is_true(const JsonbValue *json);
extern bool rama_json_compare(const JsonbValue *a, const JsonbValue *b, int *order);
extern bool rama_json_equal(const JsonbValue *a, const JsonbValue *b);

/* nav_key.c, nav_each.c, nav_range.c, nav_view.c */
extern void rama_bind_key(RamaPath *path, RamaStep *step);
extern void rama_bind_node_key(RamaPath *path, const RamaNode *node,
							   const JsonbValue *json, RamaKey *key);
extern void rama_bind_nth(RamaPath *path, RamaStep *step);
extern RamaEntries *rama_focus_as_set(const RamaFocus *focus, const RamaEntries *entries,
									  Snapshot snapshot);
extern bool rama_focus_must(RamaFocus *focus, const RamaKey *key, Snapshot snapshot);
extern bool rama_focus_is_entry(RamaFocus *focus, Snapshot snapshot);
extern void rama_focus_key(RamaFocus *focus, const RamaKey *key, Snapshot snapshot);
extern bool rama_part_has(const RamaNode *node, const RamaPart *part, Datum key);
extern void rama_focus_row_key(RamaFocus *focus, Datum key, Snapshot snapshot);
extern bool rama_go_key(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern bool rama_go_must(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern void rama_bind_all(RamaPath *path, RamaStep *step);
extern void rama_bind_map_vals(RamaPath *path, RamaStep *step);
extern void rama_bind_map_keys(RamaPath *path, RamaStep *step);
extern void rama_bind_end(RamaPath *path, RamaStep *step);
extern void rama_open_each(RamaEval *eval, RamaFrame *frame);
extern bool rama_next_all(RamaEval *eval, RamaFrame *frame, RamaFocus *out);
extern bool rama_next_map_val(RamaEval *eval, RamaFrame *frame, RamaFocus *out);
extern bool rama_next_map_key(RamaEval *eval, RamaFrame *frame, RamaFocus *out);
extern bool rama_go_first(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern bool rama_go_last(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern RamaEntries *rama_focus_entries(RamaFocus *focus, const RamaStep *step,
									   Snapshot snapshot);
extern RamaPlaceRow *rama_focus_end_row(RamaFocus *focus, bool last, Snapshot snapshot);
extern void rama_focus_pair(RamaFocus *out);
extern void rama_focus_empty(RamaFocus *focus, RamaSchemaKind kind, const RamaNode *node);
extern void rama_focus_sublist(RamaFocus *focus, const RamaStep *step, int64 from,
							   int64 to, Snapshot snapshot);
extern void rama_bind_part(RamaStep *step, RamaSchemaKind kind);
extern void rama_bind_sublist(RamaPath *path, RamaStep *step);
extern void rama_bind_map_range(RamaPath *path, RamaStep *step);
extern void rama_bind_map_range_from(RamaPath *path, RamaStep *step);
extern void rama_bind_map_range_to(RamaPath *path, RamaStep *step);
extern void rama_bind_map_range_from_start(RamaPath *path, RamaStep *step);
extern void rama_bind_map_range_to_end(RamaPath *path, RamaStep *step);
extern void rama_bind_set_range(RamaPath *path, RamaStep *step);
extern void rama_bind_set_range_from(RamaPath *path, RamaStep *step);
extern void rama_bind_set_range_to(RamaPath *path, RamaStep *step);
extern void rama_bind_set_range_from_start(RamaPath *path, RamaStep *step);
extern void rama_bind_set_range_to_end(RamaPath *path, RamaStep *step);
extern bool rama_go_range(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern bool rama_go_sublist(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern void rama_bind_view(RamaPath *path, RamaStep *step);
extern bool rama_go_view(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern bool rama_step_is_count(const RamaStep *step);
extern void rama_bind_null_to_val(RamaPath *path, RamaStep *step);
extern void rama_bind_null_to_list(RamaPath *path, RamaStep *step);
extern bool rama_go_null_to_val(RamaEval *eval, const RamaStep *step, RamaFocus *focus);

extern RamaBound rama_bound_tighter(const RamaType *type, const RamaBound *a,
									const RamaBound *b, int sign);

/* pushdown.c */
extern void rama_steps_push(RamaStep *steps, int nsteps);
extern int	rama_focus_push(RamaFocus *focus, const RamaStep *step);

/* sqlfunction.c */
extern void rama_path_function_dropped(const char *identity);

/* current.c */
extern void rama_path_begin_binding(RamaPath *path);
extern void rama_path_depend(RamaPath *path);
extern bool rama_path_is_current(const RamaPath *path);
extern void rama_path_bound_later(RamaPath *path);
extern void rama_paths_changed(const char *table);

/* nav_element.c */
extern void rama_bind_set_elem(RamaPath *path, RamaStep *step);
extern bool rama_go_set_elem(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern void rama_bind_map_key(RamaPath *path, RamaStep *step);
extern bool rama_go_map_key(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern void rama_bind_index(RamaPath *path, RamaStep *step);
extern bool rama_go_index(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern void rama_bind_indexed_vals(RamaPath *path, RamaStep *step);
extern void rama_open_indexed_vals(RamaEval *eval, RamaFrame *frame);
extern bool rama_next_indexed_val(RamaEval *eval, RamaFrame *frame, RamaFocus *out);
extern void rama_bind_new_elem(RamaPath *path, RamaStep *step);
extern void rama_bind_before_index(RamaPath *path, RamaStep *step);
extern void rama_bind_none_elem(RamaPath *path, RamaStep *step);
extern bool rama_go_new_elem(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern void rama_bind_vector_end(RamaPath *path, RamaStep *step);
extern bool rama_go_vector_end(RamaEval *eval, const RamaStep *step, RamaFocus *focus);

/* nav_part.c */
extern void rama_bind_submap(RamaPath *path, RamaStep *step);
extern bool rama_go_submap(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern void rama_bind_subset(RamaPath *path, RamaStep *step);
extern bool rama_go_subset(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern void rama_bind_filterer(RamaPath *path, RamaStep *step);
extern bool rama_go_filterer(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern void rama_bind_continuous_subseqs(RamaPath *path, RamaStep *step);
extern void rama_open_continuous_subseqs(RamaEval *eval, RamaFrame *frame);
extern bool rama_next_run(RamaEval *eval, RamaFrame *frame, int64 *from, int64 *to);
extern bool rama_next_continuous_subseq(RamaEval *eval, RamaFrame *frame, RamaFocus *out);
extern void rama_bind_sublist_dynamic(RamaPath *path, RamaStep *step);
extern int64 rama_sublist_from(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern bool rama_go_sublist_dynamic(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern void rama_focus_keep(RamaFocus *focus);

/* nav_filter.c */
extern void rama_bind_stay(RamaPath *path, RamaStep *step);
extern bool rama_go_stay(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern bool rama_go_stop(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern void rama_bind_pred(RamaPath *path, RamaStep *step);
extern bool rama_go_pred(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern void rama_bind_compare(RamaPath *path, RamaStep *step);
extern bool rama_go_equal(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern bool rama_go_not_equal(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern bool rama_go_less(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern bool rama_go_less_equal(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern bool rama_go_greater(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern bool rama_go_greater_equal(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern void rama_bind_selected(RamaPath *path, RamaStep *step);
extern bool rama_go_selected(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern bool rama_go_not_selected(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern void rama_bind_collected(RamaPath *path, RamaStep *step);
extern bool rama_go_collected(RamaEval *eval, const RamaStep *step, RamaFocus *focus);

/* nav_branch.c */
extern void rama_bind_if_path(RamaPath *path, RamaStep *step);
extern void rama_bind_cond_path(RamaPath *path, RamaStep *step);
extern void rama_open_cond_path(RamaEval *eval, RamaFrame *frame);
extern void rama_bind_multi_path(RamaPath *path, RamaStep *step);
extern void rama_bind_continue_then_stay(RamaPath *path, RamaStep *step);
extern void rama_bind_stay_then_continue(RamaPath *path, RamaStep *step);
extern void rama_bind_page_size(RamaPath *path, RamaStep *step);
extern void rama_open_multi_path(RamaEval *eval, RamaFrame *frame);
extern bool rama_next_multi_path(RamaEval *eval, RamaFrame *frame, RamaFocus *out);
extern void rama_bind_fresh_collected(RamaPath *path, RamaStep *step);
extern bool rama_next_fresh_collected(RamaEval *eval, RamaFrame *frame, RamaFocus *out);
extern void rama_bind_subselect(RamaPath *path, RamaStep *step);
extern bool rama_go_subselect(RamaEval *eval, const RamaStep *step, RamaFocus *focus);

/* nav_collect.c */
extern void rama_bind_collect(RamaPath *path, RamaStep *step);
extern bool rama_go_collect(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern bool rama_go_collect_one(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern bool rama_go_val(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern void rama_bind_putval(RamaPath *path, RamaStep *step);
extern bool rama_go_putval(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern bool rama_go_dispense(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern bool rama_focus_to_json_collected(RamaFocus *focus, Snapshot snapshot, JsonbValue *json);
extern Datum rama_focus_result(RamaFocus *focus, Snapshot snapshot, bool *isnull);

/* transform*.c: writing */
extern void rama_bind_transformed(RamaPath *path, RamaStep *step);
extern void rama_bind_term(RamaPath *path, RamaStep *step);
extern void rama_bind_term_val(RamaPath *path, RamaStep *step);
extern void rama_bind_term_void(RamaPath *path, RamaStep *step);
extern bool rama_go_transformed(RamaEval *eval, const RamaStep *step, RamaFocus *focus);

#define RAMA_CHANGER(name) \
	extern RamaOutcome name(RamaTransform *transform, const struct RamaNext *at, \
							RamaFocus *focus)
RAMA_CHANGER(rama_change_key);
RAMA_CHANGER(rama_change_must);
RAMA_CHANGER(rama_change_nth);
RAMA_CHANGER(rama_change_all);
RAMA_CHANGER(rama_change_map_vals);
RAMA_CHANGER(rama_change_map_keys);
RAMA_CHANGER(rama_change_first);
RAMA_CHANGER(rama_change_last);
RAMA_CHANGER(rama_change_part);
RAMA_CHANGER(rama_change_term);
RAMA_CHANGER(rama_change_term_val);
RAMA_CHANGER(rama_change_term_void);
RAMA_CHANGER(rama_walk_key);
RAMA_CHANGER(rama_walk_must);
RAMA_CHANGER(rama_walk_nth);
RAMA_CHANGER(rama_walk_all);
RAMA_CHANGER(rama_walk_map_vals);
RAMA_CHANGER(rama_walk_map_keys);
RAMA_CHANGER(rama_walk_first);
RAMA_CHANGER(rama_walk_last);
RAMA_CHANGER(rama_walk_part);
RAMA_CHANGER(rama_walk_term_val);
RAMA_CHANGER(rama_walk_term_void);
RAMA_CHANGER(rama_change_filter);
RAMA_CHANGER(rama_walk_filter);
RAMA_CHANGER(rama_change_nil);
RAMA_CHANGER(rama_walk_nil);
RAMA_CHANGER(rama_change_cond);
RAMA_CHANGER(rama_walk_cond);
RAMA_CHANGER(rama_change_branches);
RAMA_CHANGER(rama_walk_branches);
RAMA_CHANGER(rama_change_named);
RAMA_CHANGER(rama_walk_named);
RAMA_CHANGER(rama_change_fresh_collected);
RAMA_CHANGER(rama_walk_fresh_collected);
RAMA_CHANGER(rama_change_subselect);
RAMA_CHANGER(rama_walk_subselect);
RAMA_CHANGER(rama_change_set_elem);
RAMA_CHANGER(rama_walk_set_elem);
RAMA_CHANGER(rama_change_map_key);
RAMA_CHANGER(rama_walk_map_key);
RAMA_CHANGER(rama_change_index);
RAMA_CHANGER(rama_walk_index);
RAMA_CHANGER(rama_change_after_elem);
RAMA_CHANGER(rama_walk_after_elem);
RAMA_CHANGER(rama_change_before_elem);
RAMA_CHANGER(rama_walk_before_elem);
RAMA_CHANGER(rama_change_before_index);
RAMA_CHANGER(rama_walk_before_index);
RAMA_CHANGER(rama_change_none_elem);
RAMA_CHANGER(rama_walk_none_elem);
RAMA_CHANGER(rama_change_vector_end);
RAMA_CHANGER(rama_walk_vector_end);
RAMA_CHANGER(rama_change_vector_beginning);
RAMA_CHANGER(rama_walk_vector_beginning);
RAMA_CHANGER(rama_walk_subset);
RAMA_CHANGER(rama_change_indexed_vals);
RAMA_CHANGER(rama_walk_indexed_vals);
RAMA_CHANGER(rama_change_continuous_subseqs);
RAMA_CHANGER(rama_walk_continuous_subseqs);
RAMA_CHANGER(rama_change_none_to_val);
RAMA_CHANGER(rama_change_view);

/* focus.c */
extern void rama_focus_root(RamaFocus *focus, RamaPState *pstate);
extern void rama_focus_node(RamaFocus *focus, const RamaNode *node,
							RamaPlaceRow *row, Datum *keys);
extern void rama_focus_nothing(RamaFocus *focus, const RamaNode *node);
extern void rama_focus_datum(RamaFocus *focus, const RamaType *type, Datum datum);
extern void rama_focus_json(RamaFocus *focus, const RamaNode *node, const JsonbValue *json);
extern RamaPlaceRow *rama_row_copy(RamaTable *table, TupleTableSlot *slot);
extern bool rama_row_load(RamaPlaceRow *row, Snapshot snapshot);
extern Datum rama_row_attr(RamaPlaceRow *row, AttrNumber attno, bool *isnull);
extern void rama_focus_load(RamaFocus *focus, Snapshot snapshot);
extern void rama_focus_plain(RamaFocus *focus, Snapshot snapshot);
extern void rama_focus_resolve_amount(RamaFocus *focus, Snapshot snapshot);
extern int64 rama_focus_count(RamaFocus *focus, Snapshot snapshot);
extern RamaScan *rama_focus_scan(const RamaFocus *focus, bool backward, Snapshot snapshot);
extern bool rama_focus_exists(RamaFocus *focus, Snapshot snapshot);
extern bool rama_focus_is_map_part(const RamaFocus *focus);
extern bool rama_focus_datum_of_type(RamaFocus *focus, const RamaType *type,
									 Snapshot snapshot, Datum *datum);
extern Datum rama_slot_key(TupleTableSlot *slot, AttrNumber attno);

/* entries.c: collections in memory */
extern RamaEntries *rama_entries_of_json(const RamaNode *node, const JsonbValue *json,
										 RamaSchemaKind kind);
extern void rama_entries_focus(RamaFocus *focus, RamaEntries *entries);
extern void rama_entry_value(const RamaEntries *entries, int i, RamaFocus *out);
extern void rama_entry_key(const RamaEntries *entries, int i, RamaFocus *out);
extern RamaEntries *rama_entries_range(const RamaEntries *entries, const RamaPart *part);
extern const RamaType *rama_entries_key_type(const RamaEntries *entries);
extern int	rama_entries_find(const RamaEntries *entries, Datum key);
extern RamaEntries *rama_entries_of_part(RamaFocus *focus, Snapshot snapshot);

/* entries_edit.c */
extern Datum rama_plain_key(const JsonbValue *name);
extern RamaEntries *rama_entries_copy(const RamaEntries *entries, int extra, Snapshot snapshot);
extern void rama_entries_sort(RamaEntries *entries);
extern void rama_entries_rekey(RamaEntries *entries);

/* output.c: foci and datums to JSON */
extern bool rama_focus_to_json(RamaFocus *focus, Snapshot snapshot, JsonbValue *json);
extern void rama_datum_to_json(Oid type, Datum datum, JsonbValue *json);
extern void rama_json_name(const JsonbValue *json, JsonbValue *name);
extern void rama_key_name(const RamaNode *map, const JsonbValue *json, JsonbValue *name);
extern void rama_check_elements(int64 elements);
extern Jsonb *rama_json_to_jsonb(const JsonbValue *json);
extern void rama_jsonb_to_json(Jsonb *jsonb, JsonbValue *json);
extern char *rama_json_to_text(const JsonbValue *json, int *len);

/*
 * Where a conversion happens, for the messages of its errors. Errors of a
 * type's input are 22P02 within it.
 */
#define RAMA_IN_STEP "in step"	/* what: around a path that is an argument */

typedef struct RamaWhere
{
	ErrorContextCallback callback;
	const char *what;			/* "step", "key", ... */
	int			position;		/* of a step or key, from 1; 0: a value */
	bool		writes;			/* a step that writes a value */
	MemoryContext context;
} RamaWhere;

extern void rama_where_push(RamaWhere *where, const char *what, int position);
extern void rama_where_pop(RamaWhere *where);

/* convert.c: to datums of a type */
extern Datum rama_input_to_type(const RamaInput *input, const RamaType *type, bool *isnull);
extern Datum rama_input_to_key(const RamaInput *input, const RamaType *type);
extern void rama_input_to_json(const RamaInput *input, JsonbValue *json);
extern void rama_input_of_json(RamaInput *input, const JsonbValue *json);
extern void rama_input_of_name(RamaInput *input, const JsonbValue *name, const RamaType *type);
extern Datum rama_convert(Datum datum, Oid from, const RamaType *to);
extern bool rama_type_input_is_immutable(Oid type);
extern bool rama_type_is_its_text(Oid type);
extern int	rama_type_compare(const RamaType *type, Datum a, Datum b);
extern void rama_type_init(RamaType *type, Oid oid, int32 typmod);

/*
 * cast.c: assignments of many values of one type to one place, by an
 * assignment cast, looked up once.
 */
typedef enum RamaAssignKind
{
	RAMA_ASSIGN_AS_IS,
	RAMA_ASSIGN_WIDEN,			/* smallint and integer */
	RAMA_ASSIGN_CAST
} RamaAssignKind;

typedef struct RamaAssign
{
	RamaAssignKind kind;
	Oid			from;
	RamaType	to;
} RamaAssign;

extern Datum rama_cast(Datum datum, Oid from, Oid to, int32 typmod, bool explicit, bool *isnull);
extern bool rama_assign_init(RamaAssign *assign, Oid from, int32 typmod, const RamaType *to);
extern Datum rama_assign(const RamaAssign *assign, Datum datum, bool *isnull);

/* check.c: JSON against the schema */
extern RamaEntries *rama_entries_given(const RamaNode *node, const JsonbValue *json);
extern JsonbValue *rama_fields_given(const RamaNode *node, const JsonbValue *json);
extern void rama_entries_to_json(const RamaEntries *entries, JsonbValue *json);
extern void rama_json_conform(const RamaNode *node, const JsonbValue *json, JsonbValue *out);

/* value.c */
extern void rama_value_input(Datum value, bool isnull, RamaInput *input);

/* eval.c */
extern void rama_eval_init(RamaEval *eval, RamaPath *path, bool registered,
						   MemoryContext context);
extern void rama_eval_init_branch(RamaEval *eval, const RamaEval *outer,
								  const RamaBranch *branch, const RamaFocus *start,
								  MemoryContext context);
extern void rama_step_check_kind(const RamaStep *step, const RamaFocus *focus);
extern void rama_eval_fit(RamaEval *eval, const RamaStep *step, RamaFocus *focus);
extern bool rama_eval_next(RamaEval *eval, RamaFocus *out);
extern void rama_eval_end(RamaEval *eval);

/* args.c: the keys and values that the public functions are given */
typedef struct RamaArgs
{
	int			count;
	RamaInput  *inputs;
} RamaArgs;

extern void rama_args_of_array(ArrayType *array, RamaArgs *args);
extern bool rama_input_is_navigator(const RamaInput *input);
extern void rama_input_to_plain_key(const RamaInput *input, RamaKey *key);
extern void rama_input_to_node_key(const RamaInput *input, const RamaNode *node,
								   RamaKey *key);
extern bool rama_focus_args(RamaFocus *focus, RamaPState *pstate,
							const RamaArgs *args, Snapshot snapshot);

#endif							/* RAMA_PATH_H */
