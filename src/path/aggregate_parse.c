/*-------------------------------------------------------------------------
 *
 * aggregate_parse.c
 *	  What users write: lists of aggregators with their options in
 *	  parentheses, and options as a JSON object.
 *
 *-------------------------------------------------------------------------
 */
#include "path/aggregate.h"

#include "parser/scansup.h"
#include "utils/builtins.h"

static void
malformed(const char *text)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("malformed list of aggregators \"%s\"", text),
			 errhint("Give one, such as 'sum', or one for each value column, such as 'sum, max'; options are in parentheses, such as 'top-monotonic(3, user_id, total)'.")));
}

static void
skip_space(const char **p)
{
	while (scanner_isspace(**p))
		(*p)++;
}

/* Up to one of the characters that is not in double quotes. */
static char *
take_word(const char **p, const char *until)
{
	const char *start = *p;
	bool		quoted = false;

	for (; **p != '\0' && (quoted || strchr(until, **p) == NULL); (*p)++)
		if (**p == '"')
			quoted = !quoted;
	return pnstrdup(start, *p - start);
}

static bool
is_quoted(const char *word)
{
	return *word == '"';
}

/* "a ""b""" without its quotes. */
static char *
unquoted(const char *word)
{
	char	   *result = palloc(strlen(word) + 1);
	char	   *end = result;

	if (!is_quoted(word))
		return pstrdup(word);
	for (const char *p = word + 1; *p != '\0'; p++)
	{
		if (*p == '"' && *(++p) != '"')
			break;
		*end++ = *p;
	}
	*end = '\0';
	return result;
}

/* Options */

static void
bad_amount(const RamaAggregatorCall *call)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("option \"n\" of aggregator \"%s\" must be an integer of at least 1",
					call->name)));
}

static void
set_amount(RamaAggregatorCall *call, const char *text)
{
	char	   *end;

	errno = 0;
	call->amount = strtoll(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || call->amount < 1 ||
		call->amount > PG_INT32_MAX)
		bad_amount(call);
}

static bool
set_order(RamaAggregatorCall *call, const char *word)
{
	if (strcmp(word, "ascending") == 0)
		call->ascending = true;
	else if (strcmp(word, "descending") == 0 || strcmp(word, "reverse") == 0)
		call->ascending = false;
	else
		return false;
	call->ordered = true;
	return true;
}

static void
no_options(const RamaAggregatorCall *call)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("aggregator \"%s\" takes no options", call->name)));
}

static void
no_such_option(const RamaAggregatorCall *call, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("aggregator \"%s\" has no option \"%s\"", call->name, name),
			 call->aggregator->takes == RAMA_TOP_OPTIONS ?
			 errhint("Its options are n, id, sort, and ascending or descending.") :
			 errhint("Its options are n, sort, and ascending or descending.")));
}

/* What is the greatest is at the top; limits keep the least. */
static void
begin_options(RamaAggregatorCall *call)
{
	if (call->aggregator->takes == RAMA_NO_OPTIONS)
		no_options(call);
	call->hasoptions = true;
	call->ascending = call->aggregator->takes == RAMA_LIMIT_OPTIONS;
}

/* The option of that place in parentheses. */
static void
set_option(RamaAggregatorCall *call, int place, const char *word)
{
	bool		top = call->aggregator->takes == RAMA_TOP_OPTIONS;

	if (place == 0)
		set_amount(call, word);
	else if (!is_quoted(word) && set_order(call, word))
		return;
	else if (top && place == 1)
		call->id = unquoted(word);
	else if (place == (top ? 2 : 1))
		call->sort = unquoted(word);
	else
		no_such_option(call, word);
}

/* (n, id, sort, ascending) */
static void
parse_options(RamaAggregatorCall *call, const char **p, const char *text)
{
	begin_options(call);
	for (int i = 0;; i++)
	{
		char	   *word;

		(*p)++;
		skip_space(p);
		word = take_word(p, ", \t\n\r\f()");
		if (*word == '\0')
			malformed(text);
		set_option(call, i, word);
		skip_space(p);
		if (**p == ')')
			break;
		if (**p != ',')
			malformed(text);
	}
	(*p)++;
	skip_space(p);
}

static char *
option_text(const RamaAggregatorCall *call, const char *name, const JsonbValue *value)
{
	if (value->type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" of aggregator \"%s\" must be a string",
						name, call->name)));
	return pnstrdup(value->val.string.val, value->val.string.len);
}

static bool
option_bool(const RamaAggregatorCall *call, const char *name, const JsonbValue *value)
{
	if (value->type != jbvBool)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" of aggregator \"%s\" must be true or false",
						name, call->name)));
	return value->val.boolean;
}

static bool
is_one_of(const char *name, const char *a, const char *b, const char *c)
{
	return strcmp(name, a) == 0 || strcmp(name, b) == 0 || strcmp(name, c) == 0;
}

static void
set_json_option(RamaAggregatorCall *call, const char *name, const JsonbValue *value)
{
	bool		top = call->aggregator->takes == RAMA_TOP_OPTIONS;
	int			len;

	if (is_one_of(name, "n", "amount", "limit"))
	{
		if (value->type != jbvNumeric)
			bad_amount(call);
		set_amount(call, rama_json_to_text(value, &len));
	}
	else if (top && is_one_of(name, "id", "id-fn", "idFunction"))
		call->id = option_text(call, name, value);
	else if (is_one_of(name, "sort", "sort-val-fn", "sortValFunction"))
		call->sort = option_text(call, name, value);
	else if (strcmp(name, "ascending") == 0)
		(void) set_order(call, option_bool(call, name, value) ? name : "descending");
	else if (is_one_of(name, "descending", "reverse", "reverse?"))
		(void) set_order(call, option_bool(call, name, value) ? "descending" : "ascending");
	else if (strcmp(name, "order") != 0)
		no_such_option(call, name);
	else if (!set_order(call, option_text(call, name, value)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"order\" of aggregator \"%s\" must be \"ascending\" or \"descending\"",
						call->name)));
}

/*
 * rama_aggregator_options() -- Options as a JSON object, which a caller gave:
 * {"n": 3, "id": "user_id", "sort": "total"}.
 *
 * Errors: 22023 not an object, unknown or wrong options.
 */
void
rama_aggregator_options(RamaAggregatorCall *call, const RamaInput *input)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	json;
	char	   *name = NULL;

	begin_options(call);
	rama_input_to_json(input, &json);
	if (json.type != jbvBinary || !JsonContainerIsObject(json.val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options of aggregator \"%s\" must be a JSON object", call->name),
				 errhint("Such as {\"n\": 3, \"id\": \"user_id\", \"sort\": \"total\"}.")));
	it = JsonbIteratorInit(json.val.binary.data);
	while ((token = JsonbIteratorNext(&it, &json, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(json.val.string.val, json.val.string.len);
		else if (token == WJB_VALUE)
			set_json_option(call, name, &json);
	}
}

/* rama_aggregator_check() -- Error (22023) where options are missing. */
void
rama_aggregator_check(const RamaAggregatorCall *call)
{
	if (call->aggregator->takes != RAMA_NO_OPTIONS && call->amount == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("aggregator \"%s\" needs an option \"n\", how many it keeps",
						call->name),
				 errhint("Such as %s(10).", call->name)));
}

/* The next one; *p is moved behind it, to a comma or the end. */
static RamaAggregatorCall *
parse_one(const char **p, const char *text)
{
	RamaAggregatorCall *call;
	char	   *name;

	skip_space(p);
	name = take_word(p, ", \t\n\r\f()");
	if (*name == '\0')
		malformed(text);
	call = unconstify(RamaAggregatorCall *, rama_aggregator_call(name));
	skip_space(p);
	if (**p == '(')
		parse_options(call, p, text);
	if (**p != '\0' && **p != ',')
		malformed(text);
	return call;
}

/*
 * rama_aggregators_parse() -- The aggregators (RamaAggregatorCall *) that a
 * comma list names, at least one.
 *
 * Errors: 42704 unknown, with near matches; 42809 an aggregate of SQL that
 * cannot be used; 22023 malformed, or wrong options.
 */
List *
rama_aggregators_parse(const char *text)
{
	List	   *result = NIL;
	const char *p = text;

	for (;;)
	{
		result = lappend(result, parse_one(&p, text));
		if (*p == '\0')
			return result;
		p++;
	}
}
