/*-------------------------------------------------------------------------
 *
 * where.c
 *	  Names the step or key in which a conversion failed.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

/* Errors about the user's value, as opposed to a cancelled query or a crash. */
static bool
is_about_value(int sqlstate)
{
	int			category = ERRCODE_TO_CATEGORY(sqlstate);

	return category == ERRCODE_DATA_EXCEPTION ||
		category == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION ||
		category == ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION ||
		category == ERRCODE_FEATURE_NOT_SUPPORTED;
}

/*
 * A type's input has codes of its own for "this text is no such value". A
 * number that is out of a key's range is no such key; a value to write that
 * is out of range keeps SQL's code for it.
 */
static void
unify_sqlstate(const RamaWhere *where, int sqlstate)
{
	switch (sqlstate)
	{
		case ERRCODE_INVALID_DATETIME_FORMAT:
		case ERRCODE_DATETIME_FIELD_OVERFLOW:
		case ERRCODE_INTERVAL_FIELD_OVERFLOW:
		case ERRCODE_INVALID_TIME_ZONE_DISPLACEMENT_VALUE:
			errcode(ERRCODE_INVALID_TEXT_REPRESENTATION);
			break;
		case ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE:
			if (where->position > 0 && !where->writes)
				errcode(ERRCODE_INVALID_TEXT_REPRESENTATION);
			break;
		default:
			break;
	}
}

/*
 * "step 2: " before the message, unless it says so already; "in step 2: " for
 * a path within it always.
 */
static void
prefix_message(const RamaWhere *where)
{
	/* Called in ErrorContext, where CopyErrorData() must not be. */
	MemoryContext old = MemoryContextSwitchTo(where->context);
	ErrorData  *error = CopyErrorData();

	MemoryContextSwitchTo(old);
	if (error->message == NULL ||
		(strcmp(where->what, RAMA_IN_STEP) != 0 &&
		 (strncmp(error->message, "step ", 5) == 0 ||
		  strncmp(error->message, RAMA_IN_STEP, strlen(RAMA_IN_STEP)) == 0)))
		return;
	if (where->position > 0)
		errmsg_internal("%s %d: %s", where->what, where->position, error->message);
	else
		errmsg_internal("%s: %s", where->what, error->message);
}

static void
where_callback(void *arg)
{
	const RamaWhere *where = arg;
	int			sqlstate = geterrcode();

	if (is_about_value(sqlstate))
	{
		unify_sqlstate(where, sqlstate);
		prefix_message(where);
	}
}

/*
 * rama_where_push() -- Errors from here on name the place.
 *
 * where is the caller's, on its stack; an error needs no pop.
 */
void
rama_where_push(RamaWhere *where, const char *what, int position)
{
	where->what = what;
	where->position = position;
	where->writes = false;
	where->context = CurrentMemoryContext;
	where->callback.callback = where_callback;
	where->callback.arg = where;
	where->callback.previous = error_context_stack;
	error_context_stack = &where->callback;
}

/* rama_where_pop() -- ... and no longer. */
void
rama_where_pop(RamaWhere *where)
{
	error_context_stack = where->callback.previous;
}
