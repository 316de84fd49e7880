/*-------------------------------------------------------------------------
 *
 * merge_list.c
 *	  Rows of a query whose values are appended to vectors in chunks, by "list":
 *	  those that follow each other and are for the same vector, at once.
 *
 * Elements are gathered in an array of the vector's type. A column that is an array
 * of just this type is copied as it is.
 *
 *-------------------------------------------------------------------------
 */
#include "topology/merge.h"

#include "pstate/chunk.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* When so many bytes are gathered, they are appended. */
#define MANY_BYTES (256 * 1024)

/* After so many rows, memory that their values took is freed. */
#define MANY_ROWS 64

struct RamaMergeList
{
	const RamaMerge *merge;
	RamaTable  *table;			/* of the vector */
	const RamaType *type;		/* of its elements */
	int			column;			/* of the query */
	bool		isarray;		/* the column has arrays of: */
	RamaType	given;			/* what elements are given as */
	RamaAssign	assign;
	MemoryContext context;		/* of raw */
	MemoryContext scratch;
	int			nscratch;		/* rows that have used it */
	bool		began;
	Datum	   *raw;			/* the keys of the last row, as they came */
	ArrayType  *array;			/* of elements gathered; without nulls */
	Size		space;			/* memory of the array */
	bool		added;			/* something was gathered for these keys */
};

/* An array of one dimension without elements, to be extended. */
static void
make_empty(RamaMergeList *list)
{
	memset(list->array, 0, ARR_OVERHEAD_NONULLS(1));
	SET_VARSIZE(list->array, ARR_OVERHEAD_NONULLS(1));
	list->array->ndim = 1;
	list->array->elemtype = list->type->oid;
	ARR_LBOUND(list->array)[0] = 1;
}

/*
 * rama_merge_list_begin() -- Gather elements for the vectors of a node from a column
 * of the query, for one execution of it; NULL if it has to be done row by row. In the
 * current memory context.
 */
RamaMergeList *
rama_merge_list_begin(const RamaMerge *merge, const RamaNode *vector, int column)
{
	Form_pg_attribute att = TupleDescAttr(merge->desc, column);
	RamaTable  *table = vector->storage == RAMA_IN_TABLE ? vector->table : NULL;
	const RamaNode *element = vector->children[0];
	RamaMergeList *list;
	Oid			type = att->atttypid;
	bool		isarray;

	if (table == NULL || table->chunks == NULL || element->kind != RAMA_SCALAR ||
		table->columns[table->nkeys].isdomain || merge->nkeys != table->nkeys - 1 ||
		OidIsValid(get_element_type(getBaseType(element->type.oid))))
		return NULL;
	isarray = OidIsValid(get_element_type(type));
	if (isarray)
		type = get_element_type(type);
	list = palloc0_object(RamaMergeList);
	list->merge = merge;
	list->table = table;
	list->type = rama_chunk_element(table);
	list->column = column;
	list->isarray = isarray;
	rama_type_init(&list->given, type, att->atttypmod);
	if (!rama_assign_init(&list->assign, type, att->atttypmod, list->type))
		return NULL;
	list->context = AllocSetContextCreate(CurrentMemoryContext, "pg_rama merge list",
										  ALLOCSET_DEFAULT_SIZES);
	list->scratch = AllocSetContextCreate(CurrentMemoryContext, "pg_rama merge list value",
										  ALLOCSET_DEFAULT_SIZES);
	list->raw = palloc_array(Datum, Max(merge->nkeys, 1));
	list->space = 1024;
	list->array = palloc(list->space);
	make_empty(list);
	return list;
}

/*
 * rama_merge_list_same() -- Is a row of the query for the same vector as the one
 * before?
 */
bool
rama_merge_list_same(const RamaMergeList *list, TupleTableSlot *slot)
{
	const RamaMerge *merge = list->merge;

	if (!list->began)
		return false;
	for (int i = merge->nkeys - 1; i >= 0; i--)
	{
		int			column = merge->keys[i].column;
		Form_pg_attribute att = TupleDescAttr(merge->desc, column);

		if (slot->tts_isnull[column])
			return false;
		if (att->attbyval ? slot->tts_values[column] != list->raw[i] :
			!datum_image_eq(slot->tts_values[column], list->raw[i], false, att->attlen))
			return false;
	}
	return true;
}

/*
 * rama_merge_list_next() -- The row is for another vector. What was gathered before
 * has been appended.
 */
void
rama_merge_list_next(RamaMergeList *list, TupleTableSlot *slot)
{
	const RamaMerge *merge = list->merge;
	MemoryContext old;

	MemoryContextReset(list->context);
	old = MemoryContextSwitchTo(list->context);
	for (int i = 0; i < merge->nkeys; i++)
	{
		int			column = merge->keys[i].column;
		Form_pg_attribute att = TupleDescAttr(merge->desc, column);

		list->raw[i] = datumCopy(slot->tts_values[column], att->attbyval, att->attlen);
	}
	MemoryContextSwitchTo(old);
	list->began = true;
	list->added = false;
	make_empty(list);
}

static void
reserve(RamaMergeList *list, Size size)
{
	if (size <= list->space)
		return;
	list->space = Max(2 * list->space, size);
	list->array = repalloc_huge(list->array, list->space);
}

/*
 * rama_merge_list_append() -- Append to the vector with these keys what was gathered.
 * Was there anything for these keys?
 */
bool
rama_merge_list_append(RamaMergeList *list, const Datum *keys)
{
	if (rama_array_count(list->array) > 0)
	{
		(void) rama_vector_append_array(list->table, keys, list->array);
		make_empty(list);
	}
	return list->added;
}

static void
append_values(RamaMergeList *list, const Datum *keys, const Datum *values, const bool *nulls,
			  int count)
{
	(void) rama_merge_list_append(list, keys);
	(void) rama_vector_append(list->table, keys, values, nulls, count);
	list->added = true;
}

static void
gather_value(RamaMergeList *list, Datum value)
{
	Size		size;

	if (list->type->len == -1)
		value = PointerGetDatum(PG_DETOAST_DATUM_PACKED(value));
	size = rama_array_append_size(list->type, list->array, value, false);
	reserve(list, size);
	rama_array_append(list->type, list->array, value);
	list->added = true;
}

/* One element */
static void
add_value(RamaMergeList *list, const Datum *keys, Datum value, bool isnull)
{
	if (!isnull)
		value = rama_assign(&list->assign, value, &isnull);
	if (isnull)
		append_values(list, keys, &value, &isnull, 1);
	else
		gather_value(list, value);
}

/* The elements of an array are bytes that can be copied. */
static bool
is_as_it_is(const RamaMergeList *list, const ArrayType *array)
{
	return list->assign.kind == RAMA_ASSIGN_AS_IS && ARR_NDIM(array) == 1 && !ARR_HASNULL(array);
}

static void
add_array(RamaMergeList *list, const Datum *keys, Datum datum)
{
	ArrayType  *array = DatumGetArrayTypeP(datum);
	Datum	   *values;
	bool	   *nulls;
	int			count;

	if (ARR_NDIM(array) == 0)
		return;
	if (is_as_it_is(list, array))
	{
		reserve(list, rama_array_extended_size(list->type, list->array, array));
		rama_array_extend(list->type, list->array, array);
		list->added = true;
		return;
	}
	deconstruct_array(array, list->given.oid, list->given.len, list->given.byval,
					  list->given.align, &values, &nulls, &count);
	for (int i = 0; i < count; i++)
		add_value(list, keys, values[i], nulls[i]);
}

/*
 * rama_merge_list_add() -- Take the value of a row for the vector with these keys.
 */
void
rama_merge_list_add(RamaMergeList *list, TupleTableSlot *slot, const Datum *keys)
{
	bool		isnull = slot->tts_isnull[list->column];
	Datum		value = slot->tts_values[list->column];
	MemoryContext old = MemoryContextSwitchTo(list->scratch);

	if (list->isarray && !isnull)
		add_array(list, keys, value);
	else
		add_value(list, keys, value, isnull);
	if (rama_array_count(list->array) > 0 && ARR_SIZE(list->array) > MANY_BYTES)
		(void) rama_merge_list_append(list, keys);
	MemoryContextSwitchTo(old);
	if (++list->nscratch >= MANY_ROWS || ARR_SIZE(list->array) > MANY_BYTES / 4)
	{
		MemoryContextReset(list->scratch);
		list->nscratch = 0;
	}
}
