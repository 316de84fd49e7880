/*-------------------------------------------------------------------------
 *
 * options.c
 *	  The options of a topology: one table of names, kinds and defaults.
 *
 *-------------------------------------------------------------------------
 */
#include "topology/topology.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

typedef enum OptionKind
{
	OPTION_COUNT,				/* whole number, 1 and up */
	OPTION_DURATION,			/* interval text or milliseconds, into ms */
	OPTION_SWITCH,				/* true, false, 'on', 'off' */
	OPTION_ON_ERROR				/* 'halt' */
} OptionKind;

static const struct
{
	const char *name;
	OptionKind	kind;
	size_t		offset;			/* in RamaOptions */
	int			initial;
}			option_table[] =
{
	{"batch_max", OPTION_COUNT, offsetof(RamaOptions, batch_max), 10000},
	{"interval", OPTION_DURATION, offsetof(RamaOptions, interval), 100},
	{"max_attempts", OPTION_COUNT, offsetof(RamaOptions, max_attempts), 5},
	{"on_error", OPTION_ON_ERROR, offsetof(RamaOptions, halt), false},
	{"backoff", OPTION_DURATION, offsetof(RamaOptions, backoff), 50},
	{"handler_timeout", OPTION_DURATION, offsetof(RamaOptions, handler_timeout), 0},
	{"max_lag", OPTION_DURATION, offsetof(RamaOptions, max_lag), 0},
	{"synchronous_commit", OPTION_SWITCH, offsetof(RamaOptions, synchronous_commit), true},
};

pg_noreturn static void
bad_value(const char *name, const char *expected)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for option \"%s\"", name),
			 errhint("Give %s.", expected)));
}

static int
numeric_to_int(Numeric number, const char *name, int lowest, const char *expected)
{
	bool		failed;
	int			result = 0;

	failed = numeric_is_nan(number) || numeric_is_inf(number);
	if (!failed)
		result = numeric_int4_opt_error(number, &failed);
	if (failed || result < lowest)
		bad_value(name, expected);
	return result;
}

/*
 * rama_interval_us() -- An interval in microseconds, with months of 30 days;
 * at most a hundred years either way.
 */
int64
rama_interval_us(const Interval *interval)
{
	const double most = 100.0 * DAYS_PER_YEAR * USECS_PER_DAY;
	double		us = (double) interval->time +
		((double) interval->month * DAYS_PER_MONTH + interval->day) * USECS_PER_DAY;

	return (int64) Max(-most, Min(us, most));
}

static int
parse_duration(const JsonbValue *value, const char *name)
{
	static const char expected[] = "an interval such as '250 ms', or a number of milliseconds";

	if (value->type == jbvNumeric)
		return numeric_to_int(value->val.numeric, name, 0, expected);
	if (value->type == jbvString)
	{
		char	   *text = pnstrdup(value->val.string.val, value->val.string.len);
		Interval   *interval = DatumGetIntervalP(DirectFunctionCall3(interval_in,
																	 CStringGetDatum(text),
																	 ObjectIdGetDatum(InvalidOid),
																	 Int32GetDatum(-1)));
		int64		ms = rama_interval_us(interval) / 1000;

		if (ms >= 0 && ms <= PG_INT32_MAX)
			return (int) ms;
	}
	bad_value(name, expected);
}

static bool
is_string(const JsonbValue *value, const char *text)
{
	return value->type == jbvString &&
		value->val.string.len == (int) strlen(text) &&
		strncmp(value->val.string.val, text, value->val.string.len) == 0;
}

static bool
parse_switch(const JsonbValue *value, const char *name)
{
	if (value->type == jbvBool)
		return value->val.boolean;
	if (is_string(value, "on"))
		return true;
	if (!is_string(value, "off"))
		bad_value(name, "'on' or 'off'");
	return false;
}

static bool
parse_on_error(const JsonbValue *value, const char *name)
{
	if (is_string(value, "halt"))
		return true;
	if (is_string(value, "dead_letter"))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("dead letters are not supported by this version of pg_rama"),
				 errhint("Leave the option \"on_error\" out to retry without end, or set it to 'halt'.")));
	bad_value(name, "'halt'");
}

static void
parse_option(const char *name, const JsonbValue *value, RamaOptions *options)
{
	for (int i = 0; i < (int) lengthof(option_table); i++)
	{
		void	   *target = (char *) options + option_table[i].offset;

		if (strcmp(option_table[i].name, name) != 0)
			continue;
		switch (option_table[i].kind)
		{
			case OPTION_COUNT:
				if (value->type != jbvNumeric)
					bad_value(name, "a whole number of at least 1");
				*(int *) target = numeric_to_int(value->val.numeric, name, 1,
												 "a whole number of at least 1");
				return;
			case OPTION_DURATION:
				*(int *) target = parse_duration(value, name);
				return;
			case OPTION_SWITCH:
				*(bool *) target = parse_switch(value, name);
				return;
			case OPTION_ON_ERROR:
				*(bool *) target = parse_on_error(value, name);
				return;
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown topology option \"%s\"", name),
			 errhint("Options are batch_max, interval, max_attempts, on_error, backoff, handler_timeout, max_lag and synchronous_commit.")));
}

/*
 * rama_options_parse() -- Options of a topology from their JSON object.
 *
 * Absent ones get their defaults. Errors: 22023 for unknown names and values
 * out of range, 22007 for what is no interval.
 */
void
rama_options_parse(Jsonb *json, RamaOptions *options)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	value;
	char	   *name = NULL;

	for (int i = 0; i < (int) lengthof(option_table); i++)
	{
		void	   *target = (char *) options + option_table[i].offset;

		if (option_table[i].kind == OPTION_COUNT || option_table[i].kind == OPTION_DURATION)
			*(int *) target = option_table[i].initial;
		else
			*(bool *) target = option_table[i].initial;
	}

	if (!JB_ROOT_IS_OBJECT(json))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options of a topology must be a JSON object")));
	it = JsonbIteratorInit(&json->root);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE)
			parse_option(name, &value, options);
	}
}
