/*-------------------------------------------------------------------------
 *
 * aggregate_average.c
 *	  avg: kept as the sum and the count of the values, in a struct with these
 *	  fields; with a field avg, the quotient is kept there.
 *
 *-------------------------------------------------------------------------
 */
#include "path/aggregate.h"
#include "path/types.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

enum
{
	SUM,
	COUNT,
	AVG
};

static const char *const names[] = {"sum", "count", "avg"};

static int
part_of(const RamaNode *field)
{
	for (int i = 0; i < (int) lengthof(names); i++)
		if (strcmp(names[i], field->name) == 0)
			return i;
	return -1;
}

static bool
is_number(const RamaNode *field)
{
	return field->kind == RAMA_SCALAR &&
		rama_type_info(field->type.oid)->category == RAMA_TYPE_NUMBER;
}

/* A struct of sum and count, and perhaps avg, that are numbers. */
bool
rama_fits_average(RamaAggregate *aggregate)
{
	const RamaNode *node = aggregate->node;

	if (node == NULL || node->kind != RAMA_STRUCT)
		return false;
	for (int i = 0; i < node->nchildren; i++)
	{
		int			part = part_of(node->children[i]);

		if (part < 0 || !is_number(node->children[i]))
			return false;
		aggregate->fields[part] = node->children[i];
		aggregate->parts[part] = rama_aggregate_bind(rama_aggregator_call(part == AVG ? "last" : names[part]),
													 node->children[i], names[part], 0, NULL);
	}
	return aggregate->parts[SUM] && aggregate->parts[COUNT];
}

/* A value that comes, and what becomes of its struct. */
typedef struct Averaging
{
	RamaAggregate *aggregate;
	const RamaInput *value;
	RamaInput	state[2];		/* of sum and count */
} Averaging;

static Datum
number_of(const RamaInput *input)
{
	RamaType	numeric;
	bool		isnull;

	rama_type_init(&numeric, NUMERICOID, -1);
	return rama_input_to_type(input, &numeric, &isnull);
}

static void
divide(const Averaging *averaging, RamaInput *quotient)
{
	quotient->form = RAMA_INPUT_SQL;
	quotient->type = NUMERICOID;
	quotient->datum = DirectFunctionCall2(numeric_div, number_of(&averaging->state[SUM]),
										  number_of(&averaging->state[COUNT]));
}

static bool
change_part(void *arg, int i, Datum *state, bool *isnull)
{
	Averaging  *averaging = arg;
	RamaAggregate *part = averaging->aggregate->parts[i];
	RamaInput	quotient;
	bool		changed;

	if (i == AVG)
	{
		divide(averaging, &quotient);
		return rama_aggregate_input(part, state, isnull, &quotient);
	}
	changed = rama_aggregate_input(part, state, isnull, averaging->value);
	averaging->state[i].form = RAMA_INPUT_SQL;
	averaging->state[i].type = part->place.oid;
	averaging->state[i].datum = *state;
	return changed;
}

/* Adds the value to the sum, and one to the count. */
void
rama_apply_average(RamaAggregate *aggregate, const RamaTarget *target,
				   const RamaInput *values)
{
	Averaging	averaging = {.aggregate = aggregate, .value = &values[0]};
	RamaType	types[lengthof(names)];
	int			n = aggregate->parts[AVG] ? 3 : 2;

	if (values[0].form == RAMA_INPUT_NULL ||
		(values[0].form == RAMA_INPUT_JSON && values[0].json.type == jbvNull))
		return;
	for (int i = 0; i < n; i++)
		types[i] = aggregate->parts[i]->place;
	rama_target_update(target, n, aggregate->fields, types, NULL, change_part, &averaging);
}
