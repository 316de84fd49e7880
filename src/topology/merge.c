/*-------------------------------------------------------------------------
 *
 * merge.c
 *	  Sources with target and merge: rows of a query are merged into a PState.
 *
 * Rows come straight from the executor. What does not depend on the row is
 * resolved once (merge_columns.c). Rows are taken a few at a time, so that the
 * memory of the PState's rows is fetched for all of them before it is needed;
 * what they need is freed with them.
 *
 *-------------------------------------------------------------------------
 */
#include "topology/merge.h"

#include "executor/executor.h"
#include "nodes/parsenodes.h"
#include "path/write.h"
#include "tcop/dest.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/plancache.h"

/* Rows that are taken before they are merged. */
#define ROWS 32

/* Takes the rows of one execution of the query. */
typedef struct Receiver
{
	DestReceiver pub;
	MemoryContext topology_context;
	RamaSource *source;
	RamaPState *pstate;
	RamaMerge  *merge;
	MemoryContext row_context;
	const char *place;			/* for the error context: a key or field */
	bool		any;			/* a row has come */
	RamaMergeList *list;		/* takes them; rows[0] has their keys */
	int			nrows;
	MergeRow			rows[ROWS];
	AttrNumber *attnos;			/* what changes in the row at hand */
	Datum	   *values;
	bool	   *nulls;
	bool	   *adds;
} Receiver;

/* Within JSON: what is done to the leaf. */
typedef struct LeafEdit
{
	RamaEdit	edit;			/* must be first */
	Receiver   *receiver;
	const MergeRow  *row;
} LeafEdit;

static void receiver_startup(DestReceiver *self, int operation, TupleDesc desc);
static bool receiver_receive(TupleTableSlot *slot, DestReceiver *self);
static void receiver_shutdown(DestReceiver *self);
static void receiver_destroy(DestReceiver *self);
static void merge_into_row(Receiver *receiver, const MergeRow *row);
static void merge_into_json(Receiver *receiver, const MergeRow *row);
static void receive_row(Receiver *receiver, TupleTableSlot *slot);

/*
 * rama_merge_receiver() -- Where the rows of a source's query go, for one
 * execution of it: into the PState, which is locked for writing.
 *
 * In the current memory context. Errors: 42501, 55000 and the others of
 * rama_pstate_begin_write(); for the rows, those of rama_merge_resolve(),
 * 22004 for a null key, and those of casts and of aggregators.
 */
DestReceiver *
rama_merge_receiver(RamaTopology *topology, RamaSource *source)
{
	Receiver   *receiver = palloc0_object(Receiver);

	rama_pstate_begin_write(rama_pstate_get(source->pstate), ACL_INSERT | ACL_UPDATE);
	receiver->pstate = rama_pstate_get(source->pstate);
	receiver->topology_context = topology->context;
	receiver->source = source;
	receiver->row_context = AllocSetContextCreate(CurrentMemoryContext, "pg_rama merge row",
												  ALLOCSET_DEFAULT_SIZES);
	receiver->pub.rStartup = receiver_startup;
	receiver->pub.receiveSlot = receiver_receive;
	receiver->pub.rShutdown = receiver_shutdown;
	receiver->pub.rDestroy = receiver_destroy;
	receiver->pub.mydest = DestNone;
	return &receiver->pub;
}

/*
 * rama_merge_check() -- Can the rows of a prepared statement be merged into
 * the target? Takes part in the definition of a source.
 *
 * Errors: 22023 unless it is one query; those of rama_merge_resolve().
 */
void
rama_merge_check(SPIPlanPtr plan, Oid target, const char *merge)
{
	List	   *sources = SPI_plan_get_plan_sources(plan);
	Oid			root = rama_pstate_root_of(target);
	CachedPlanSource *source;
	RamaMerge  *resolved;

	/* What merge says comes first: its names are what is most often wrong. */
	(void) rama_aggregators_parse(merge);
	source = list_length(sources) == 1 ? linitial(sources) : NULL;
	if (source == NULL || source->resultDesc == NULL ||
		linitial_node(Query, source->query_list)->commandType == CMD_UTILITY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"sql\" with \"target\" and \"merge\" must be one query that returns rows"),
				 errhint("Its columns are the keys, then the values to merge: SELECT key, count(*) FROM batch GROUP BY key.")));
	resolved = rama_merge_resolve(rama_pstate_get(OidIsValid(root) ? root : target),
								  target, merge, source->resultDesc, true);
	MemoryContextDelete(resolved->context);
}

/* The executor starts: these are the columns. */
static void
receiver_startup(DestReceiver *self, int operation, TupleDesc desc)
{
	Receiver   *receiver = (Receiver *) self;
	RamaSource *source = receiver->source;
	RamaMerge  *merge = source->resolved;

	if (merge == NULL || !rama_merge_fits(merge, receiver->pstate, desc))
	{
		RamaMerge  *old = merge;

		merge = rama_merge_resolve(receiver->pstate, source->target, source->merge,
								   desc, false);
		MemoryContextSetParent(merge->context, receiver->topology_context);
		source->resolved = merge;
		if (old)
			MemoryContextDelete(old->context);
	}
	receiver->merge = merge;
	if (merge->removes)
		rama_pstate_begin_write(receiver->pstate, ACL_INSERT | ACL_UPDATE | ACL_DELETE);
	for (int i = 0; i < ROWS; i++)
	{
		receiver->rows[i].keys = palloc_array(Datum, merge->nkeys + desc->natts);
		receiver->rows[i].values = receiver->rows[i].keys + merge->nkeys;
		receiver->rows[i].nulls = palloc_array(bool, desc->natts);
	}
	receiver->attnos = palloc_array(AttrNumber, Max(merge->nvalues, 1));
	receiver->values = palloc_array(Datum, Max(merge->nvalues, 1));
	receiver->nulls = palloc_array(bool, Max(merge->nvalues, 1));
	receiver->adds = palloc_array(bool, Max(merge->nvalues, 1));
	if (merge->nplaces == 1 && merge->nvalues == 0 && merge->places[0].node == merge->leaf &&
		merge->places[0].aggregate->call->aggregator->apply == rama_apply_list &&
		merge->leaf->kind == RAMA_VECTOR)
		receiver->list = rama_merge_list_begin(merge, merge->leaf, merge->places[0].column);
}

static void
error_context(void *arg)
{
	Receiver   *receiver = arg;

	if (receiver->place)
		errcontext("merging into \"%s\" of table \"%s\"",
				   receiver->place, receiver->merge->table->name);
	else
		errcontext("merging into table \"%s\"", receiver->merge->table->name);
}

static void
null_key(const RamaMerge *merge, int column)
{
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("a key must not be null"),
			 errdetail("It is column \"%s\" of the query.",
					   NameStr(TupleDescAttr(merge->desc, column)->attname))));
}

/* A datum of the executor's, which lives no longer than its row. */
static Datum
keep(Datum datum, Form_pg_attribute att)
{
	return datumCopy(datum, att->attbyval, att->attlen);
}

static void
take_keys(Receiver *receiver, TupleTableSlot *slot, MergeRow *row)
{
	const RamaMerge *merge = receiver->merge;

	for (int i = 0; i < merge->nkeys; i++)
	{
		const MergeKey *key = &merge->keys[i];
		Datum		given = slot->tts_values[key->column];
		bool		isnull = slot->tts_isnull[key->column];

		receiver->place = key->name;
		if (!isnull)
			row->keys[i] = rama_assign(&key->assign, given, &isnull);
		if (isnull)
			null_key(merge, key->column);
		if (row->keys[i] == given)
			row->keys[i] = keep(given, TupleDescAttr(merge->desc, key->column));
	}
}

static void
take_values(const RamaMerge *merge, TupleTableSlot *slot, MergeRow *row)
{
	for (int i = merge->nkeys; i < merge->desc->natts; i++)
	{
		row->nulls[i] = slot->tts_isnull[i];
		if (!row->nulls[i])
			row->values[i] = keep(slot->tts_values[i], TupleDescAttr(merge->desc, i));
	}
}

/* An element of an enclosing vector is made if it is the next one. */
static void
make_elements(const RamaMerge *merge, const MergeRow *row)
{
	for (int i = 0; i < merge->nvectors; i++)
	{
		RamaTarget	element = {
			.creates = true,
			.collection = merge->vectors[i],
			.keys = row->keys
		};

		rama_target_check_element(&element);
	}
}

/* Merge the rows that were taken. */
static void
merge_rows(Receiver *receiver)
{
	const RamaMerge *merge = receiver->merge;

	for (int i = 0; merge->has_row && i < receiver->nrows; i++)
		rama_buffer_fetch(merge->table, receiver->rows[i].hash);
	for (int i = 0; i < receiver->nrows; i++)
	{
		const MergeRow  *row = &receiver->rows[i];

		receiver->place = NULL;
		if (merge->nvectors > 0)
			make_elements(merge, row);
		if (merge->nvalues == 0)
			rama_merge_places(merge, receiver->pstate, row, &receiver->place);
		else if (merge->column)
			merge_into_json(receiver, row);
		else
			merge_into_row(receiver, row);
	}
	receiver->nrows = 0;
	MemoryContextReset(receiver->row_context);
}

/* Append what rows for the same vector have given. */
static void
end_list(Receiver *receiver)
{
	const RamaMerge *merge = receiver->merge;
	const MergeRow  *row = &receiver->rows[0];

	receiver->place = merge->places[0].name;
	if (receiver->nrows > 0 && !rama_merge_list_append(receiver->list, row->keys) &&
		merge->has_row)
		rama_merge_make_row(merge, row);
	receiver->nrows = 0;
	MemoryContextReset(receiver->row_context);
}

static void
receive_into_list(Receiver *receiver, TupleTableSlot *slot)
{
	const RamaMerge *merge = receiver->merge;
	MergeRow		   *row = &receiver->rows[0];

	if (!rama_merge_list_same(receiver->list, slot))
	{
		end_list(receiver);
		take_keys(receiver, slot, row);
		receiver->place = NULL;
		if (merge->nvectors > 0)
			make_elements(merge, row);
		rama_merge_list_next(receiver->list, slot);
		receiver->nrows = 1;
	}
	receiver->place = merge->places[0].name;
	rama_merge_list_add(receiver->list, slot, row->keys);
}

static bool
receiver_receive(TupleTableSlot *slot, DestReceiver *self)
{
	Receiver   *receiver = (Receiver *) self;
	MemoryContext old = MemoryContextSwitchTo(receiver->row_context);
	ErrorContextCallback callback = {error_context_stack, error_context, receiver};

	error_context_stack = &callback;
	slot_getallattrs(slot);
	receiver->any = true;
	if (receiver->list)
		receive_into_list(receiver, slot);
	else
		receive_row(receiver, slot);
	error_context_stack = callback.previous;
	MemoryContextSwitchTo(old);
	return true;
}

static void
receive_row(Receiver *receiver, TupleTableSlot *slot)
{
	MergeRow		   *row = &receiver->rows[receiver->nrows++];

	take_keys(receiver, slot, row);
	take_values(receiver->merge, slot, row);
	if (receiver->merge->has_row)
		row->hash = rama_buffer_announce(receiver->merge->table, row->keys);
	/* Documents of JSON may be large: one at a time. */
	if (receiver->nrows == ROWS || receiver->merge->documents)
		merge_rows(receiver);
}

/* The executor has delivered all rows. */
static void
receiver_shutdown(DestReceiver *self)
{
	Receiver   *receiver = (Receiver *) self;
	MemoryContext old = MemoryContextSwitchTo(receiver->row_context);
	ErrorContextCallback callback = {error_context_stack, error_context, receiver};

	error_context_stack = &callback;
	if (receiver->list)
		end_list(receiver);
	else
		merge_rows(receiver);
	if (!receiver->any && receiver->merge->nkeys == 0)
		rama_merge_nothing(receiver->merge, receiver->pstate);
	error_context_stack = callback.previous;
	MemoryContextSwitchTo(old);
}

static void
receiver_destroy(DestReceiver *self)
{
}

static bool
combine(Receiver *receiver, const MergeValue *value, const MergeRow *row,
		Datum *state, bool *isnull)
{
	int			column = value->column;

	receiver->place = value->name;
	return rama_aggregate_value(value->aggregate, state, isnull,
								column < 0 ? (Datum) 0 : row->values[column],
								column < 0 ? false : row->nulls[column]);
}

/* The leaf is in columns. */
static void
merge_into_row(Receiver *receiver, const MergeRow *from)
{
	const RamaMerge *merge = receiver->merge;
	int			changed = 0;
	RamaRow		row;

	rama_row_open(&row, merge->table, from->keys, false);
	for (int i = 0; i < merge->nvalues; i++)
	{
		const MergeValue *value = &merge->values[i];
		AttrNumber	attno = value->node->attno;
		bool		isnull = true;
		Datum		state = (Datum) 0;

		if (row.found)
		{
			state = row.values[attno - 1];
			isnull = row.nulls[attno - 1];
		}
		if (!combine(receiver, value, from, &state, &isnull))
			continue;
		receiver->attnos[changed] = attno;
		receiver->adds[changed] = value->adds;
		receiver->values[changed] = state;
		receiver->nulls[changed++] = isnull;
	}
	receiver->place = NULL;
	row.as = RAMA_AS_ADD;
	row.adds = receiver->adds;
	if (changed > 0 || !row.found)
		rama_row_store(&row, changed, receiver->attnos, receiver->values, receiver->nulls);
	rama_row_close(&row);
	if (merge->nplaces > 0)
		rama_merge_places(merge, receiver->pstate, from, &receiver->place);
}

/* The leaf is within a column's JSON */

/* A value there; false: it stays as it is. */
static bool
edit_scalar(const LeafEdit *edit, const MergeValue *value, const JsonbValue *old,
			JsonbValue *out)
{
	const RamaType *type = &value->node->type;
	Datum		state = (Datum) 0;
	bool		isnull = true;

	if (old->type != jbvNull)
	{
		RamaInput	input;

		rama_input_of_json(&input, old);
		state = rama_input_to_type(&input, type, &isnull);
	}
	if (!combine(edit->receiver, value, edit->row, &state, &isnull))
		return false;
	if (isnull)
		out->type = jbvNull;
	else
		rama_datum_to_json(type->oid, state, out);
	return true;
}

static const MergeValue *
value_of(const RamaMerge *merge, const RamaNode *node)
{
	for (int i = 0; i < merge->nvalues; i++)
		if (merge->values[i].node == node)
			return &merge->values[i];
	return NULL;
}

/* A struct there, made anew: without fields that are null. */
static bool
edit_struct(const LeafEdit *edit, const RamaNode *node, const JsonbValue *old,
			JsonbValue *out)
{
	JsonbValue *fields = NULL;
	bool		changed = false;
	int			n = 0;

	if (old->type != jbvNull)
		fields = rama_fields_given(node, old);
	out->type = jbvObject;
	out->val.object.pairs = palloc_array(JsonbPair, Max(node->nchildren, 1));
	for (int i = 0; i < node->nchildren; i++)
	{
		const RamaNode *child = node->children[i];
		const MergeValue *value = value_of(edit->receiver->merge, child);
		JsonbPair  *pair = &out->val.object.pairs[n];
		JsonbValue	was = {.type = jbvNull};

		if (fields)
			was = fields[i];
		pair->value = was;
		if (child->kind == RAMA_STRUCT)
			changed |= edit_struct(edit, child, &was, &pair->value);
		else if (value)
			changed |= edit_scalar(edit, value, &was, &pair->value);
		if (pair->value.type == jbvNull ||
			(pair->value.type == jbvObject && pair->value.val.object.nPairs == 0))
			continue;
		pair->key.type = jbvString;
		pair->key.val.string.val = child->name;
		pair->key.val.string.len = strlen(child->name);
		pair->order = n++;
	}
	out->val.object.nPairs = n;
	return changed;
}

static bool
apply_leaf(RamaEdit *base, const RamaNode *node, const JsonbValue *old, JsonbValue **out)
{
	LeafEdit   *edit = (LeafEdit *) base;
	const RamaMerge *merge = edit->receiver->merge;
	JsonbValue	null = {.type = jbvNull};
	bool		changed;

	*out = palloc0_object(JsonbValue);
	(*out)->type = jbvNull;
	if (merge->leaf->kind == RAMA_STRUCT)
		changed = edit_struct(edit, merge->leaf, old ? old : &null, *out);
	else
		changed = edit_scalar(edit, &merge->values[0], old ? old : &null, *out);
	return changed || old == NULL;
}

static void
merge_into_json(Receiver *receiver, const MergeRow *row)
{
	const RamaMerge *merge = receiver->merge;
	int			nouter = merge->table->nkeys;
	LeafEdit	edit = {.edit.apply = apply_leaf, .receiver = receiver, .row = row};
	RamaTarget	target = {
		.creates = true,
		.keys = row->keys,
		.nkeys = nouter,
		.column = merge->column,
		.ninner = merge->nkeys - nouter
	};

	target.inner = palloc_array(RamaInnerKey, target.ninner);
	for (int i = 0; i < target.ninner; i++)
	{
		const MergeKey *key = &merge->keys[nouter + i];
		RamaInput	input = {
			.form = RAMA_INPUT_SQL,
			.type = key->assign.to.oid,
			.datum = row->keys[nouter + i]
		};

		target.inner[i].node = key->node;
		rama_input_to_node_key(&input, key->node, &target.inner[i].key);
	}
	edit.edit.adds = merge->nvalues > 0;
	for (int i = 0; i < merge->nvalues; i++)
		edit.edit.adds &= merge->values[i].adds;
	(void) rama_target_edit(&target, &edit.edit);
	if (merge->nplaces > 0)
		rama_merge_places(merge, receiver->pstate, row, &receiver->place);
}
