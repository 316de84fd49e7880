/*-------------------------------------------------------------------------
 *
 * args.c
 *	  Keys as arguments of functions: the way to one value without a path.
 *
 * A key is converted straight to the type that its place has. A key given as
 * a jsonb array is a navigator, and goes through a path of that one step.
 *
 *-------------------------------------------------------------------------
 */
#include "path/reads.h"
#include "path/types.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/*
 * rama_args_of_array() -- The elements of a rama.value[].
 *
 * The inputs point into the array.
 */
void
rama_args_of_array(ArrayType *array, RamaArgs *args)
{
	int			count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	char	   *data = ARR_DATA_PTR(array);
	bits8	   *nulls = ARR_NULLBITMAP(array);

	args->count = count;
	args->inputs = palloc(sizeof(RamaInput) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		if (nulls && !(nulls[i / 8] & (1 << (i % 8))))
		{
			args->inputs[i].form = RAMA_INPUT_NULL;
			continue;
		}
		rama_value_input(PointerGetDatum(data), false, &args->inputs[i]);
		data = data + VARSIZE_ANY(data);
		data = (char *) att_align_nominal(data, TYPALIGN_DOUBLE);
	}
}

/* rama_input_is_navigator() -- Is it an array, which a key never is? */
bool
rama_input_is_navigator(const RamaInput *input)
{
	return input->form == RAMA_INPUT_JSON && input->json.type == jbvBinary &&
		JsonContainerIsArray(input->json.val.binary.data);
}

/* What the caller gave for a place named by text. */
static void
input_to_name(const RamaInput *input, JsonbValue *name)
{
	RamaType	text;
	bool		isnull;
	Datum		datum;

	if (input->form == RAMA_INPUT_JSON)
	{
		*name = input->json;
		return;
	}
	if (input->form == RAMA_INPUT_UNTYPED)
		datum = CStringGetTextDatum(input->text);
	else
	{
		rama_type_init(&text, TEXTOID, -1);
		datum = rama_input_to_type(input, &text, &isnull);
	}
	name->type = jbvString;
	name->val.string.val = VARDATA_ANY(DatumGetPointer(datum));
	name->val.string.len = VARSIZE_ANY_EXHDR(DatumGetPointer(datum));
}

static void
require_key(const RamaInput *input)
{
	if (input->form == RAMA_INPUT_NULL ||
		(input->form == RAMA_INPUT_JSON && input->json.type == jbvNull))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a key must not be null")));
}

/* rama_input_to_plain_key() -- A key of plain data: a name, or an index. */
void
rama_input_to_plain_key(const RamaInput *input, RamaKey *key)
{
	require_key(input);
	if (input->form == RAMA_INPUT_SQL)
		rama_datum_to_json(input->type, input->datum, &key->name);
	else
		input_to_name(input, &key->name);
}

/* An untyped key of a plain array, such as '0', is its index. */
static void
untyped_index(const RamaInput *input, RamaKey *key)
{
	char	   *end;
	long		index;

	if (input->form != RAMA_INPUT_UNTYPED)
		return;
	index = strtol(input->text, &end, 10);
	if (end == input->text || *end != '\0')
		return;
	key->name.type = jbvNumeric;
	key->name.val.numeric = int64_to_numeric(index);
}

/*
 * rama_input_to_node_key() -- A key of a value of node, in the forms that its
 * place may need. Errors: 22004, 22P02, 42703, 22023.
 */
void
rama_input_to_node_key(const RamaInput *input, const RamaNode *node, RamaKey *key)
{
	JsonbValue	json;

	require_key(input);
	switch (node->kind)
	{
		case RAMA_SCALAR:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("there is nothing below a value of type %s",
							format_type_be(node->type.oid))));
			break;
		case RAMA_STRUCT:
			input_to_name(input, &json);
			if (json.type != jbvString)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("a field of a struct is named by a string, not a %s",
								rama_json_kind(&json))));
			key->field = rama_struct_field(node, json.val.string.val, json.val.string.len);
			break;
		default:
			key->datum = rama_input_to_key(input, &node->key);
			if (node->storage == RAMA_IN_TABLE)
				break;
			rama_datum_to_json(node->key.oid, key->datum, &key->name);
			if (node->kind == RAMA_MAP)
			{
				json = key->name;
				rama_key_name(node, &json, &key->name);
			}
			break;
	}
}

static void
go_plain(RamaFocus *focus, const RamaInput *input, Snapshot snapshot)
{
	RamaKey		key;

	rama_focus_load(focus, snapshot);
	rama_input_to_plain_key(input, &key);
	if (focus->at == RAMA_AT_JSON && focus->json.type == jbvBinary &&
		JsonContainerIsArray(focus->json.val.binary.data))
		untyped_index(input, &key);
	rama_focus_key(focus, &key, snapshot);
}

/* The shape of what is at a focus. */
static RamaShape
shape_of(const RamaFocus *focus)
{
	RamaShape	shape = {RAMA_SHAPE_PLAIN, NULL};

	if (focus->node)
		return rama_shape_of_node(focus->node);
	return shape;
}

/* One navigator among the keys: a path of one step, bound at this place. */
static bool
go_navigator(RamaFocus *focus, RamaShape *shape, RamaPState *pstate,
			 const RamaInput *input, int position, Snapshot snapshot)
{
	RamaPath	path = {.pstate = pstate,.context = CurrentMemoryContext};
	RamaEval	eval = {.path = &path, .snapshot = snapshot};

	path.steps = rama_path_parse_one(&input->json, position, &path.nsteps);
	for (int i = 0; i < path.nsteps; i++)
	{
		RamaStep   *bound = &path.steps[i];

		bound->in = *shape;
		if (bound->nav->go == NULL)
			rama_step_error(bound, "yields any number of values: use rama.select");
		bound->nav->bind(&path, bound);
		rama_eval_fit(&eval, bound, focus);
		if (!bound->nav->go(&eval, bound, focus))
			return false;
		*shape = bound->out;
	}
	return true;
}

/* A key given as a value, where the schema has the shape. */
static void
go_value(RamaFocus *focus, RamaShape *shape, const RamaInput *input, Snapshot snapshot)
{
	RamaKey		key;

	if (shape->kind == RAMA_SHAPE_NODE)
	{
		rama_input_to_node_key(input, shape->node, &key);
		*shape = shape->node->kind == RAMA_STRUCT ?
			rama_shape_of_node(shape->node->children[key.field]) :
			rama_shape_of_value(shape->node);
		rama_focus_key(focus, &key, snapshot);
		return;
	}
	if (shape->kind == RAMA_SHAPE_KEY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is nothing below a value of type %s",
						rama_shape_name(*shape))));
	if (shape->kind == RAMA_SHAPE_PAIR)
		rama_focus_plain(focus, snapshot);
	go_plain(focus, input, snapshot);
	shape->kind = RAMA_SHAPE_PLAIN;
	shape->node = NULL;
}

/*
 * rama_focus_args() -- Go from the root of a PState along keys; false where
 * a navigator among them stops.
 *
 * Errors name the key: those of rama_input_to_node_key() and of navigators.
 */
bool
rama_focus_args(RamaFocus *focus, RamaPState *pstate, const RamaArgs *args,
				Snapshot snapshot)
{
	RamaShape	shape;
	bool		found = true;

	rama_focus_root(focus, pstate);
	shape = shape_of(focus);
	for (int i = 0; found && i < args->count; i++)
	{
		RamaWhere	where;

		rama_where_push(&where, "key", i + 1);
		if (!rama_input_is_navigator(&args->inputs[i]))
			go_value(focus, &shape, &args->inputs[i], snapshot);
		else
			found = go_navigator(focus, &shape, pstate, &args->inputs[i], i + 1, snapshot);
		rama_where_pop(&where);
	}
	if (rama_reads)
		rama_reads_note_args(pstate, args);
	return found;
}
