/*-------------------------------------------------------------------------
 *
 * patch.c
 *	  Rows as JSON Patch (RFC 6902) of the watched value.
 *
 * A patch fails where an object or array that it goes through is not there,
 * and operations do not tell of those that were made on the way. So it is
 * remembered which objects and arrays the value has, not what is in them.
 * What cannot be said so (elements of sets, whose place is not known; values
 * within elements of arrays) makes the value be sent whole.
 *
 *-------------------------------------------------------------------------
 */
#include "watch/tail.h"

#include "lib/ilist.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/memutils.h"

typedef struct Container
{
	struct Container *parent;
	char	   *name;			/* in the parent */
	bool		isarray;
	bool		isnull;			/* a member that is null, and could be either */
	dlist_head	children;
	dlist_node	siblings;
} Container;

struct RamaPatch
{
	MemoryContext parent;
	MemoryContext context;
	Container  *root;			/* NULL: the value is neither */
};

/* A patch that is being written. */
typedef struct Writer
{
	StringInfo	out;
	bool		first;
	bool		made;			/* for this row something that encloses it */
} Writer;

/* rama_patch_create() -- Of a value that is null. */
RamaPatch *
rama_patch_create(MemoryContext context)
{
	RamaPatch  *patch = MemoryContextAllocZero(context, sizeof(RamaPatch));

	patch->parent = context;
	return patch;
}

static Container *
new_container(RamaPatch *patch, Container *parent, const char *name, bool isarray)
{
	Container  *container = MemoryContextAllocZero(patch->context, sizeof(Container));

	container->parent = parent;
	container->isarray = isarray;
	dlist_init(&container->children);
	if (parent)
	{
		container->name = MemoryContextStrdup(patch->context, name);
		dlist_push_head(&parent->children, &container->siblings);
	}
	return container;
}

static Container *
find_container(Container *parent, const char *name)
{
	dlist_iter	iter;

	dlist_foreach(iter, &parent->children)
	{
		Container  *child = dlist_container(Container, siblings, iter.cur);

		if (strcmp(child->name, name) == 0)
			return child;
	}
	return NULL;
}

static void
free_container(Container *container)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &container->children)
		free_container(dlist_container(Container, siblings, iter.cur));
	if (container->parent)
	{
		dlist_delete(&container->siblings);
		pfree(container->name);
	}
	pfree(container);
}

static void
forget_child(Container *parent, const char *name)
{
	Container  *child = find_container(parent, name);

	if (child)
		free_container(child);
}

/* The containers of a value; nothing is remembered of what is in arrays. */
static Container *
remember(RamaPatch *patch, Container *parent, const char *name, JsonbContainer *json)
{
	Container  *container;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	item;
	char	   *member = NULL;

	check_stack_depth();
	container = new_container(patch, parent, name, JsonContainerIsArray(json));
	if (container->isarray)
		return container;
	it = JsonbIteratorInit(json);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			member = pnstrdup(item.val.string.val, item.val.string.len);
		else if (token == WJB_VALUE && item.type == jbvBinary)
			remember(patch, container, member, item.val.binary.data);
		else if (token == WJB_VALUE && item.type == jbvNull)
			new_container(patch, container, member, false)->isnull = true;
	}
	return container;
}

static void
remember_value(RamaPatch *patch, Container *parent, const char *name, Jsonb *value)
{
	if (value == NULL)
		new_container(patch, parent, name, false)->isnull = true;
	else if (!JB_ROOT_IS_SCALAR(value))
		(void) remember(patch, parent, name, &value->root);
}

/* ---- writing ---- */

static void
begin_operation(Writer *writer, const char *op, const char *pointer)
{
	appendStringInfo(writer->out, "%s{\"op\": \"%s\", \"path\": ", writer->first ? "" : ", ", op);
	escape_json(writer->out, pointer);
	writer->first = false;
}

static void
write_operation(Writer *writer, const char *op, const char *pointer, Jsonb *value)
{
	begin_operation(writer, op, pointer);
	appendStringInfoString(writer->out, ", \"value\": ");
	rama_append_jsonb(writer->out, value);
	appendStringInfoChar(writer->out, '}');
}

static void
write_remove(Writer *writer, const char *pointer)
{
	begin_operation(writer, "remove", pointer);
	appendStringInfoChar(writer->out, '}');
}

/* rama_append_pointer() -- "/name", with ~ and / escaped: a part of a JSON Pointer. */
void
rama_append_pointer(StringInfo pointer, const char *name)
{
	appendStringInfoChar(pointer, '/');
	for (; *name; name++)
	{
		if (*name == '~')
			appendStringInfoString(pointer, "~0");
		else if (*name == '/')
			appendStringInfoString(pointer, "~1");
		else
			appendStringInfoChar(pointer, *name);
	}
}

static char *
name_of(const JsonbValue *key)
{
	JsonbValue	name;

	rama_json_name(key, &name);
	return pnstrdup(name.val.string.val, name.val.string.len);
}

/* The whole value. */
static void
write_root(RamaPatch *patch, Writer *writer, Jsonb *value)
{
	write_operation(writer, "replace", "", value);
	writer->made = true;
	if (patch->context)
		MemoryContextDelete(patch->context);
	patch->context = AllocSetContextCreate(patch->parent, "pg_rama patch", ALLOCSET_SMALL_SIZES);
	patch->root = value == NULL || JB_ROOT_IS_SCALAR(value) ? NULL :
		remember(patch, NULL, NULL, &value->root);
}

static Jsonb *
empty(bool isarray)
{
	JsonbValue	value = {.type = isarray ? jbvArray : jbvObject};

	return rama_json_to_jsonb(&value);
}

/*
 * Go to the container at keys, made where it is missing. NULL: it is within
 * an element of an array.
 */
static Container *
enter(RamaPatch *patch, Writer *writer, char *const *names, int count, bool isarray,
	  StringInfo pointer)
{
	Container  *container = patch->root;

	if (container == NULL)
	{
		write_root(patch, writer, empty(count == 0 && isarray));
		container = patch->root;
	}
	for (int i = 0; i < count; i++)
	{
		Container  *child;

		if (container->isarray)
			return NULL;
		rama_append_pointer(pointer, names[i]);
		child = find_container(container, names[i]);
		if (child == NULL || child->isnull)
		{
			bool		array = i == count - 1 && isarray;

			write_operation(writer, "add", pointer->data, empty(array));
			writer->made = true;
			forget_child(container, names[i]);
			child = new_container(patch, container, names[i], array);
		}
		container = child;
	}
	return container;
}

static void
append_elements(Writer *writer, StringInfo pointer, Jsonb *elements)
{
	appendStringInfoString(pointer, "/-");
	for (uint32 i = 0; i < JB_ROOT_COUNT(elements); i++)
		write_operation(writer, "add", pointer->data,
						rama_json_to_jsonb(getIthJsonbValueFromContainer(&elements->root, i)));
}

/* A counter that was not there before is its amount now. */
static const char *
op_of_add(const RamaWatchRow *row)
{
	return row->value && row->now &&
		compareJsonbContainers(&row->value->root, &row->now->root) == 0 ? "add" : "replace";
}

/* A row of a member of an object. */
static void
write_member(RamaPatch *patch, Writer *writer, const RamaWatchRow *row, Container *object,
			 const char *name, const char *pointer)
{
	bool		was_there;

	if (row->kind == RAMA_OP_ADD)
	{
		write_operation(writer, op_of_add(row), pointer, row->now);
		return;
	}
	was_there = !writer->made && (!row->holds || find_container(object, name));
	forget_child(object, name);
	if (row->kind == RAMA_OP_REMOVE || (row->value == NULL && row->within == RAMA_STRUCT))
	{
		if (was_there)
			write_remove(writer, pointer);
		return;
	}
	write_operation(writer, "add", pointer, row->value);
	remember_value(patch, object, name, row->value);
}

/* A row of an element of an array. */
static bool
write_element(Writer *writer, const RamaWatchRow *row, const char *pointer)
{
	if (row->within == RAMA_SET)
		return false;
	switch (row->kind)
	{
		case RAMA_OP_SET:
			write_operation(writer, "replace", pointer, row->value);
			return true;
		case RAMA_OP_ADD:
			write_operation(writer, "replace", pointer, row->now);
			return true;
		case RAMA_OP_INSERT:
			write_operation(writer, "add", pointer, row->value);
			return true;
		case RAMA_OP_REMOVE:
			write_remove(writer, pointer);
			return true;
		default:
			return false;
	}
}

static bool
write_row(RamaPatch *patch, Writer *writer, const RamaWatchRow *row, int nkeys)
{
	int			count = JB_ROOT_COUNT(row->path) - nkeys;
	char	  **names = palloc(sizeof(char *) * (Max(count, 0) + 1));
	StringInfoData pointer;
	Container  *container;

	for (int i = 0; i < count; i++)
		names[i] = name_of(getIthJsonbValueFromContainer(&row->path->root, nkeys + i));
	initStringInfo(&pointer);
	writer->made = false;
	if (row->kind == RAMA_OP_INSERT && row->within == RAMA_SET)
		return false;
	if (row->kind == RAMA_OP_APPEND)
	{
		container = enter(patch, writer, names, count, true, &pointer);
		if (container == NULL || !container->isarray)
			return false;
		append_elements(writer, &pointer, row->value);
		return true;
	}
	if (count <= 0)
	{
		write_root(patch, writer, row->kind == RAMA_OP_ADD ? row->now : row->value);
		return true;
	}
	container = enter(patch, writer, names, count - 1, row->within == RAMA_VECTOR, &pointer);
	if (container == NULL)
		return false;
	rama_append_pointer(&pointer, names[count - 1]);
	if (container->isarray)
		return write_element(writer, row, pointer.data);
	write_member(patch, writer, row, container, names[count - 1], pointer.data);
	return true;
}

/*
 * rama_patch_whole() -- The patch that makes any value this one.
 */
void
rama_patch_whole(RamaPatch *patch, StringInfo out, Jsonb *value)
{
	Writer		writer = {out, true, false};

	appendStringInfoChar(out, '[');
	write_root(patch, &writer, value);
	appendStringInfoChar(out, ']');
}

/*
 * rama_patch_rows() -- A version's rows, of a path of class VALUE with so many
 * keys, as a patch. False: it takes rama_patch_whole().
 */
bool
rama_patch_rows(RamaPatch *patch, StringInfo out, List *rows, int nkeys)
{
	Writer		writer = {out, true, false};
	ListCell   *lc;

	appendStringInfoChar(out, '[');
	foreach(lc, rows)
		if (!write_row(patch, &writer, lfirst(lc), nkeys))
			return false;
	appendStringInfoChar(out, ']');
	return true;
}
