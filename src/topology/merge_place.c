/*-------------------------------------------------------------------------
 *
 * merge_place.c
 *	  Rows that are merged into places that are not scalars of a row:
 *	  collections, structs of a certain form, plain data.
 *
 *-------------------------------------------------------------------------
 */
#include "topology/merge.h"

#include "catalog/pg_type.h"
#include "utils/lsyscache.h"

static void
target_of(const RamaMerge *merge, RamaPState *pstate, const MergeLevels *levels,
		  const MergeRow *row, RamaTarget *target)
{
	int			nkeys = 0;

	rama_target_begin(target, pstate, true);
	for (int i = 0; i < levels->count; i++)
	{
		const RamaNode *node = levels->nodes[i];
		RamaInput	key = {.form = RAMA_INPUT_UNTYPED};

		if (node->parent->kind == RAMA_STRUCT)
			key.text = node->name;
		else
		{
			key.form = RAMA_INPUT_SQL;
			key.type = merge->keys[nkeys].assign.to.oid;
			key.datum = row->keys[nkeys++];
		}
		rama_target_go(target, &key);
	}
}

static void
column_input(const RamaMerge *merge, const MergeRow *row, int column, RamaInput *input)
{
	input->type = getBaseType(TupleDescAttr(merge->desc, column)->atttypid);
	input->form = row->nulls[column] ? RAMA_INPUT_NULL :
		input->type == JSONBOID ? RAMA_INPUT_JSON : RAMA_INPUT_SQL;
	input->datum = row->values[column];
	if (input->form == RAMA_INPUT_JSON)
		rama_jsonb_to_json(DatumGetJsonbP(input->datum), &input->json);
}

/* Columns that are the fields of one value. */
static void
item_input(const RamaMerge *merge, const MergePlace *place, const MergeRow *row, RamaInput *input)
{
	JsonbValue	object = {.type = jbvObject};
	int			n = 0;

	object.val.object.pairs = palloc_array(JsonbPair, place->ncolumns);
	for (int i = place->column; i < place->column + place->ncolumns; i++)
	{
		Form_pg_attribute att = TupleDescAttr(merge->desc, i);
		JsonbPair  *pair = &object.val.object.pairs[n];

		if (row->nulls[i])
			continue;
		pair->key.type = jbvString;
		pair->key.val.string.val = NameStr(att->attname);
		pair->key.val.string.len = strlen(NameStr(att->attname));
		rama_datum_to_json(att->atttypid, row->values[i], &pair->value);
		pair->order = n++;
	}
	object.val.object.nPairs = n;
	input->form = RAMA_INPUT_JSON;
	rama_jsonb_to_json(rama_json_to_jsonb(&object), &input->json);
}

static void
merge_into_place(const RamaMerge *merge, RamaPState *pstate, const MergePlace *place,
				 const MergeRow *row)
{
	RamaInput  *inputs = palloc0_array(RamaInput, Max(place->ncolumns, 1));
	RamaTarget	target;

	if (place->item)
		item_input(merge, place, row, &inputs[0]);
	for (int i = 0; !place->item && i < place->ncolumns; i++)
		column_input(merge, row, place->column + i, &inputs[i]);
	target_of(merge, pstate, &place->levels, row, &target);
	rama_aggregate_apply(place->aggregate, &target, inputs);
}

/* rama_merge_make_row() -- A key is there, whatever the values are. */
void
rama_merge_make_row(const RamaMerge *merge, const MergeRow *from)
{
	RamaRow		row;

	rama_row_open(&row, merge->table, from->keys, false);
	if (!row.found)
		rama_row_store(&row, 0, NULL, NULL, NULL);
	rama_row_close(&row);
}

/*
 * rama_merge_places() -- Merge a row into the places that are not scalars;
 * where: their names, for the error context.
 */
void
rama_merge_places(const RamaMerge *merge, RamaPState *pstate, const MergeRow *row,
				  const char **where)
{
	for (int i = 0; i < merge->nplaces; i++)
	{
		*where = merge->places[i].name;
		merge_into_place(merge, pstate, &merge->places[i], row);
	}
	*where = NULL;
	if (merge->has_row && !merge->removes && merge->nvalues == 0)
		rama_merge_make_row(merge, row);
}

/*
 * rama_merge_nothing() -- The query for a PState without keys has no rows: as
 * in Rama, its state begins.
 */
void
rama_merge_nothing(const RamaMerge *merge, RamaPState *pstate)
{
	MergeRow			none = {.keys = NULL};
	RamaTarget	target;

	for (int i = 0; i < merge->nvalues; i++)
	{
		const MergeValue *value = &merge->values[i];

		target_of(merge, pstate, &value->levels, &none, &target);
		rama_aggregate_nothing(value->aggregate, &target);
	}
	for (int i = 0; i < merge->nplaces; i++)
	{
		const MergePlace *place = &merge->places[i];

		target_of(merge, pstate, &place->levels, &none, &target);
		rama_aggregate_nothing(place->aggregate, &target);
	}
}
