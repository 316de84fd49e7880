/*-------------------------------------------------------------------------
 *
 * scan_ranges.c
 *	  The ranges of strings that a scan looks at: one for each combination of
 *	  points of the leading columns, in the order of the index.
 *
 * The columns' "current" are the digits of a number. Finding the combination
 * at a string takes a binary search per column. Each function that sets or
 * moves the current combination sets so->low and so->high.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "index/scan.h"

static bool ps_find_combination(PsScan *so, PsString string);
static bool ps_step_back(PsScan *so, int column);
static void ps_set_range(PsScan *so);
static bool ps_increment(StringInfo string);
static bool ps_has_point(const PsScan *so, const PsColumnSearch *column, PsString value);

/* The first range; there is one unless the conditions are contradictory. */
void
ps_first_range(PsScan *so)
{
	for (int i = 0; i < so->nprefix; i++)
		so->columns[i].current = 0;
	ps_set_range(so);
}

/* The last range */
void
ps_last_range(PsScan *so)
{
	for (int i = 0; i < so->nprefix; i++)
		so->columns[i].current = so->columns[i].npoints - 1;
	ps_set_range(so);
}

/* The range after the current one; false, and nothing moves, if it is the last. */
bool
ps_next_range(PsScan *so)
{
	if (so->single)
		return false;
	for (int i = so->nprefix - 1; i >= 0; i--)
	{
		if (so->columns[i].current + 1 < so->columns[i].npoints)
		{
			so->columns[i].current++;
			for (int j = i + 1; j < so->nprefix; j++)
				so->columns[j].current = 0;
			ps_set_range(so);
			return true;
		}
	}
	return false;
}

/* The range before the current one; false, and nothing moves, if it is the first. */
bool
ps_previous_range(PsScan *so)
{
	if (so->single || !ps_step_back(so, so->nprefix))
		return false;
	ps_set_range(so);
	return true;
}

/* The first range that has an end above the string; false: there is none. */
bool
ps_range_after(PsScan *so, PsString string)
{
	if (!so->single)
	{
		if (!ps_find_combination(so, string))
		{
			ps_first_range(so);
			return true;
		}
		ps_set_range(so);
	}
	return ps_compare(ps_scan_high(so), string) > 0 || ps_next_range(so);
}

/* The last range that begins below the string; false: there is none. */
bool
ps_range_before(PsScan *so, PsString string)
{
	if (!so->single)
	{
		if (!ps_find_combination(so, string))
			return false;
		ps_set_range(so);
	}
	return ps_compare(ps_string(&so->low), string) < 0 || ps_previous_range(so);
}

/*
 * Does the entry, which is in the current range, fulfil the conditions that
 * are no part of it?
 */
bool
ps_scan_filter(const PsScan *so, PsString entry)
{
	const char *data = entry.data + so->prefix_len;

	for (int i = so->nprefix; i < so->nfiltered; i++)
	{
		const PsColumnSearch *column = &so->columns[i];
		PsString	value = {data, ps_column_size(&so->info->columns[i], data)};

		data += value.len;
		if (!column->conditioned || i == so->nprefix)
			continue;
		if (column->has_points ? !ps_has_point(so, column, value) :
			(ps_compare(value, ps_slice(so, column->low)) < 0 ||
			 ps_compare(value, ps_slice(so, column->high)) >= 0))
			return false;
	}
	return true;
}

/*
 * The last combination that, as a string, is not above the given one. false:
 * all are above.
 */
static bool
ps_find_combination(PsScan *so, PsString string)
{
	for (int i = 0; i < so->nprefix; i++)
	{
		PsColumnSearch *column = &so->columns[i];
		int			low = 0;
		int			high = column->npoints;
		PsString	point;

		/* points[0..low) <= string < points[high..) */
		while (low < high)
		{
			int			middle = (low + high) / 2;

			point = ps_slice(so, so->points[column->first_point + middle]);
			if (ps_compare(point, string) <= 0)
				low = middle + 1;
			else
				high = middle;
		}
		if (low == 0)
			return ps_step_back(so, i);

		column->current = low - 1;
		point = ps_slice(so, so->points[column->first_point + low - 1]);
		if (point.len > string.len ||
			memcmp(point.data, string.data, point.len) != 0)
		{
			for (int j = i + 1; j < so->nprefix; j++)
				so->columns[j].current = so->columns[j].npoints - 1;
			return true;
		}
		string.data += point.len;
		string.len -= point.len;
	}
	return true;
}

/*
 * The last combination that is before the current one in the columns before
 * the given one.
 */
static bool
ps_step_back(PsScan *so, int column)
{
	for (int i = column - 1; i >= 0; i--)
	{
		if (so->columns[i].current > 0)
		{
			so->columns[i].current--;
			for (int j = i + 1; j < so->nprefix; j++)
				so->columns[j].current = so->columns[j].npoints - 1;
			return true;
		}
	}
	return false;
}

/* so->low and so->high from the points and the bounds of the column after. */
static void
ps_set_range(PsScan *so)
{
	const PsColumnSearch *bounds = NULL;

	if (so->nprefix < so->info->nkeys &&
		so->columns[so->nprefix].conditioned)
		bounds = &so->columns[so->nprefix];

	resetStringInfo(&so->low);
	for (int i = 0; i < so->nprefix; i++)
	{
		const PsColumnSearch *column = &so->columns[i];
		PsString	point = ps_slice(so, so->points[column->first_point + column->current]);

		appendBinaryStringInfo(&so->low, point.data, point.len);
	}
	so->prefix_len = so->low.len;

	ps_set_string(so, &so->high, ps_string(&so->low));
	if (bounds && bounds->high.len >= 0)
	{
		PsString	high = ps_slice(so, bounds->high);

		appendBinaryStringInfo(&so->high, high.data, high.len);
		so->high_infinite = false;
	}
	else
		so->high_infinite = !ps_increment(&so->high);

	if (bounds)
	{
		PsString	low = ps_slice(so, bounds->low);

		appendBinaryStringInfo(&so->low, low.data, low.len);
	}
}

/*
 * The first string after all that begin with the given one; false if there
 * is none.
 */
static bool
ps_increment(StringInfo string)
{
	while (string->len > 0)
	{
		unsigned char *last = (unsigned char *) &string->data[string->len - 1];

		if (*last != 0xFF)
		{
			(*last)++;
			return true;
		}
		string->len--;
	}
	return false;
}

static bool
ps_has_point(const PsScan *so, const PsColumnSearch *column, PsString value)
{
	int			low = 0;
	int			high = column->npoints;

	while (low < high)
	{
		int			middle = (low + high) / 2;
		int			order = ps_compare(ps_slice(so, so->points[column->first_point + middle]),
									   value);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}
