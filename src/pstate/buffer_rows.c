/*-------------------------------------------------------------------------
 *
 * buffer_rows.c
 *	  Rows in memory: their values, their hash table, and which are dirty.
 *
 * See "The write buffer" in src/pstate/README.md.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "pstate/buffer.h"
#include "storage/bufmgr.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/typcache.h"

typedef struct RowSlot
{
	const Datum *keys;			/* the values of a RamaBufferedRow */
	uint32		hash;
	char		status;
} RowSlot;

static bool equal_keys(const RamaTableBuffer *buffer, const Datum *a, const Datum *b);

/* Hashes are computed once, by rama_rows_hash(), and always given. */
#define SH_PREFIX rowhash
#define SH_ELEMENT_TYPE RowSlot
#define SH_KEY_TYPE const Datum *
#define SH_KEY keys
#define SH_HASH_KEY(tb, key) 0
#define SH_EQUAL(tb, a, b) equal_keys((tb)->private_data, (a), (b))
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) ((a)->hash)
#define SH_SCOPE static inline
#define SH_USE_NONDEFAULT_ALLOCATOR
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/*
 * A table that grows has its new size already. Where there is no memory for
 * that it keeps its old one, and works: a handler may catch the error.
 */
static inline void *
rowhash_allocate(rowhash_hash *table, Size size)
{
	void	   *chunk = MemoryContextAllocExtended(table->ctx, size,
												   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO | MCXT_ALLOC_NO_OOM);

	if (chunk)
		return chunk;
	if (table->data)
	{
		table->size /= 2;
		table->sizemask = (uint32) (table->size - 1);
		table->grow_threshold = 0;
	}
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("out of memory"),
			 errdetail("Failed on request of size %zu for rows in memory.", size)));
}

static inline void
rowhash_free(rowhash_hash *table, void *chunk)
{
	pfree(chunk);
}

#define row_of(slot) \
	((RamaBufferedRow *) ((char *) (slot)->keys - offsetof(RamaBufferedRow, values)))

/* Keys of more bytes are written at once: an index could refuse them. */
#define LONG_KEYS 1000

/* A row's places in the hash table and among dirty rows, about */
#define SLOT_BYTES (2 * (sizeof(RowSlot) + sizeof(RamaBufferedRow *)))

/* Memory of all rows of this process */
Size		rama_rows_bytes = 0;

static void
count_bytes(RamaTableBuffer *buffer, void *chunk, int sign)
{
	Size		size = GetMemoryChunkSpace(chunk);

	buffer->bytes += sign * size;
	rama_rows_bytes += sign * size;
}

/*
 * rama_rows_alloc() -- Memory of a table's rows, which counts.
 */
void *
rama_rows_alloc(RamaTableBuffer *buffer, Size size)
{
	void	   *chunk = MemoryContextAlloc(buffer->context, size);

	count_bytes(buffer, chunk, 1);
	return chunk;
}

/*
 * rama_rows_release() -- Give it back.
 */
void
rama_rows_release(RamaTableBuffer *buffer, void *chunk)
{
	count_bytes(buffer, chunk, -1);
	pfree(chunk);
}

/*
 * rama_rows_enlarge() -- Have memory for so many bytes. Its size is doubled where
 * it does not do, which is seldom.
 */
void *
rama_rows_enlarge(RamaTableBuffer *buffer, void *chunk, Size size)
{
	Size		old = GetMemoryChunkSpace(chunk);
	Size		now;

	chunk = repalloc(chunk, size);
	now = GetMemoryChunkSpace(chunk);
	buffer->bytes += now - old;
	rama_rows_bytes += now - old;
	return chunk;
}

/*
 * rama_rows_copy() -- A copy of a value in the buffer's memory. Not as_is: one
 * that does not point into some table's TOAST.
 */
Datum
rama_rows_copy(RamaTableBuffer *buffer, int column, Datum value, bool as_is)
{
	MemoryContext old;

	if (buffer->byval[column])
		return value;
	old = MemoryContextSwitchTo(buffer->context);
	if (!as_is && buffer->len[column] == -1 && VARATT_IS_EXTERNAL(DatumGetPointer(value)))
		value = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
	else
		value = datumCopy(value, false, buffer->len[column]);
	MemoryContextSwitchTo(old);
	count_bytes(buffer, DatumGetPointer(value), 1);
	return value;
}

/*
 * rama_rows_free() -- Free such a copy.
 */
void
rama_rows_free(RamaTableBuffer *buffer, int column, Datum value, bool isnull)
{
	if (!isnull && !buffer->byval[column])
		rama_rows_release(buffer, DatumGetPointer(value));
}

/*
 * rama_rows_free_keys() -- Free keys that are not part of their row.
 */
void
rama_rows_free_keys(RamaTableBuffer *buffer, const Datum *keys, bool own)
{
	for (int i = 0; own && i < buffer->nkeys; i++)
		rama_rows_free(buffer, i, keys[i], false);
}

/*
 * rama_row_drop_values() -- Free the values of a row, which thereby does not
 * exist any more. Nothing to do if it did not.
 */
void
rama_row_drop_values(RamaTableBuffer *buffer, RamaBufferedRow *row)
{
	if (!(row->state.flags & RAMA_ROW_EXISTS))
		return;
	row->state.flags &= ~(RAMA_ROW_EXISTS | RAMA_ROW_WIDE);
	for (int i = buffer->nkeys; i < buffer->ncolumns; i++)
		rama_rows_free(buffer, i, row->values[i], row->nulls[i]);
}

/*
 * rama_row_unknow() -- Nothing is known of the row any more; the table has what
 * there is. The caller has touched it.
 */
void
rama_row_unknow(RamaTableBuffer *buffer, RamaBufferedRow *row)
{
	Assert(!(row->state.flags & RAMA_ROW_DIRTY));
	rama_row_drop_values(buffer, row);
	row->state.flags = 0;
	rama_limits_void(buffer);
}

static inline bool
is_plain(Datum varlena)
{
	return !VARATT_IS_EXTERNAL(DatumGetPointer(varlena)) &&
		!VARATT_IS_COMPRESSED(DatumGetPointer(varlena));
}

/* As datum_image_hash(), which takes longer for plain values. */
static inline uint32
hash_image(Datum value, int16 len)
{
	if (len == -1 && is_plain(value))
		return hash_bytes((unsigned char *) VARDATA_ANY(DatumGetPointer(value)),
						  VARSIZE_ANY_EXHDR(DatumGetPointer(value)));
	return datum_image_hash(value, false, len);
}

/* As datum_image_eq(), which takes longer for plain values. */
static inline bool
equal_images(Datum a, Datum b, const RamaKeyHash *key)
{
	if (key->len == -1 && is_plain(a) && is_plain(b))
	{
		Size		len = VARSIZE_ANY_EXHDR(DatumGetPointer(a));

		return len == VARSIZE_ANY_EXHDR(DatumGetPointer(b)) &&
			memcmp(VARDATA_ANY(DatumGetPointer(a)), VARDATA_ANY(DatumGetPointer(b)), len) == 0;
	}
	return datum_image_eq(a, b, key->byval, key->len);
}

/*
 * rama_rows_hash() -- The hash of keys: the same for equal ones.
 */
uint32
rama_rows_hash(RamaTableBuffer *buffer, const Datum *keys)
{
	uint32		hash = 0;

	for (int i = 0; i < buffer->nkeys; i++)
	{
		RamaKeyHash *key = &buffer->keys[i];
		uint32		h;

		if (!key->image)
			h = DatumGetUInt32(FunctionCall1Coll(&key->hash, key->collation, keys[i]));
		else if (key->byval)
			h = murmurhash32((uint32) keys[i] ^ murmurhash32((uint32) (keys[i] >> 32)));
		else
			h = hash_image(keys[i], key->len);
		hash = hash_combine(hash, h);
	}
	return hash;
}

static bool
equal_keys(const RamaTableBuffer *buffer, const Datum *a, const Datum *b)
{
	for (int i = 0; i < buffer->nkeys; i++)
	{
		RamaKeyHash *key = &buffer->keys[i];
		bool		equal;

		if (key->image)
			equal = equal_images(a[i], b[i], key);
		else
			equal = DatumGetBool(FunctionCall2Coll(&key->equal, key->collation, a[i], b[i]));
		if (!equal)
			return false;
	}
	return true;
}

/*
 * rama_rows_same_images() -- Of equal keys: are they the same to the eye, too?
 */
bool
rama_rows_same_images(const RamaTableBuffer *buffer, const Datum *a, const Datum *b)
{
	for (int i = 0; !buffer->all_images && i < buffer->nkeys; i++)
		if (!datum_image_eq(a[i], b[i], buffer->byval[i], buffer->len[i]))
			return false;
	return true;
}

/* rama_type_has_image() -- Are equal values of a key's type the same bytes? */
bool
rama_type_has_image(const RamaType *type)
{
	Oid			equalimage = get_opfamily_proc(type->opfamily, type->opcintype,
											   type->opcintype, BTEQUALIMAGE_PROC);

	/* bpchar without a length is equal with more or less blanks. */
	return OidIsValid(equalimage) && type->opcintype != BPCHAROID &&
		DatumGetBool(OidFunctionCall1Coll(equalimage, type->collation,
										  ObjectIdGetDatum(type->opcintype)));
}

/* False if values of the type cannot be hashed. */
static bool
init_key(RamaTableBuffer *buffer, RamaKeyHash *key, const RamaType *type)
{
	TypeCacheEntry *entry;

	key->type = type->oid;
	key->byval = type->byval;
	key->len = type->len;
	key->collation = type->collation;
	key->image = rama_type_has_image(type);
	if (key->image)
		return true;
	entry = lookup_type_cache(type->oid, TYPECACHE_HASH_PROC | TYPECACHE_EQ_OPR);
	if (!OidIsValid(entry->hash_proc) || !OidIsValid(entry->eq_opr))
		return false;
	fmgr_info_cxt(entry->hash_proc, &key->hash, buffer->context);
	fmgr_info_cxt(get_opcode(entry->eq_opr), &key->equal, buffer->context);
	return true;
}

/*
 * rama_rows_reset() -- Forget all rows of a table, and what its columns are.
 */
void
rama_rows_reset(RamaTableBuffer *buffer)
{
	buffer->dirty = NULL;
	buffer->ndirty = buffer->dirty_end = buffer->dirty_space = 0;
	rama_rows_bytes -= buffer->bytes;
	buffer->bytes = 0;
	buffer->rows = NULL;
	buffer->generation = 0;
	rama_limits_void(buffer);
	if (buffer->context)
		MemoryContextReset(buffer->context);
}

/*
 * rama_rows_fit() -- Are the columns still those that the rows in memory have?
 */
bool
rama_rows_fit(RamaTableBuffer *buffer, RamaTable *table)
{
	TupleDesc	desc = rama_table_desc(table);

	if (buffer->ncolumns != table->ncolumns || buffer->nkeys != table->nkeys)
		return false;
	for (int i = 0; i < buffer->nkeys; i++)
		if (buffer->keys[i].type != table->keys[i].oid)
			return false;
	for (int i = 0; i < buffer->ncolumns; i++)
		if (buffer->byval[i] != TupleDescAttr(desc, i)->attbyval ||
			buffer->len[i] != TupleDescAttr(desc, i)->attlen)
			return false;
	return true;
}

/* Has the table never had a row, or none since it was truncated? */
static bool
is_empty(RamaTable *table)
{
	Relation	heap = table_open(table->relid, NoLock);
	bool		empty = RelationGetNumberOfBlocks(heap) == 0;

	table_close(heap, NoLock);
	return empty;
}

/*
 * rama_rows_init() -- Prepare for rows of a table.
 */
void
rama_rows_init(RamaTableBuffer *buffer, RamaTable *table)
{
	TupleDesc	desc = rama_table_desc(table);
	MemoryContext old;

	if (buffer->context == NULL)
		buffer->context = AllocSetContextCreate(TopMemoryContext, "pg_rama write buffer",
												ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(buffer->context);
	buffer->relid = table->relid;
	buffer->nkeys = table->nkeys;
	buffer->ncolumns = table->ncolumns;
	buffer->len = palloc_array(int16, table->ncolumns);
	buffer->byval = palloc_array(bool, table->ncolumns);
	for (int i = 0; i < table->ncolumns; i++)
	{
		buffer->len[i] = TupleDescAttr(desc, i)->attlen;
		buffer->byval[i] = TupleDescAttr(desc, i)->attbyval;
	}
	buffer->keys = palloc0_array(RamaKeyHash, Max(table->nkeys, 1));
	buffer->hashable = true;
	buffer->all_images = true;
	for (int i = 0; i < table->nkeys; i++)
	{
		buffer->hashable &= init_key(buffer, &buffer->keys[i], &table->keys[i]);
		buffer->all_images &= buffer->keys[i].image;
	}
	buffer->rows = rowhash_create(buffer->context, 16, buffer);
	MemoryContextSwitchTo(old);
	buffer->complete = is_empty(table);
}

/*
 * Places for all rows, so that rows can become dirty again when a subtransaction
 * is rolled back, which must not allocate.
 */
static void
make_dirty_space(RamaTableBuffer *buffer)
{
	uint32		space = Max(64, buffer->dirty_space * 2);

	if (buffer->dirty_space > buffer->rows->members)
		return;
	if (buffer->dirty == NULL)
		buffer->dirty = MemoryContextAlloc(buffer->context,
										   sizeof(RamaBufferedRow *) * space);
	else
		buffer->dirty = repalloc_huge(buffer->dirty, sizeof(RamaBufferedRow *) * space);
	buffer->dirty_space = space;
}

static void
close_empty_places(RamaTableBuffer *buffer)
{
	uint32		n = 0;

	for (uint32 i = 0; i < buffer->dirty_end; i++)
	{
		RamaBufferedRow *row = buffer->dirty[i];

		if (row == NULL)
			continue;
		row->dirty_at = n;
		buffer->dirty[n++] = row;
	}
	buffer->dirty_end = n;
}

/*
 * rama_row_set_dirty() -- Is there something to do in the table? Allocates
 * nothing, and touches no other rows, which may be far away.
 */
void
rama_row_set_dirty(RamaTableBuffer *buffer, RamaBufferedRow *row, bool dirty)
{
	if (dirty == ((row->state.flags & RAMA_ROW_DIRTY) != 0))
		return;
	if (dirty)
	{
		if (buffer->dirty_end == buffer->dirty_space)
			close_empty_places(buffer);
		row->state.flags |= RAMA_ROW_DIRTY;
		row->dirty_at = buffer->dirty_end;
		buffer->dirty[buffer->dirty_end++] = row;
		buffer->ndirty++;
	}
	else
	{
		row->state.flags &= ~RAMA_ROW_DIRTY;
		buffer->dirty[row->dirty_at] = NULL;
		if (--buffer->ndirty == 0)
			buffer->dirty_end = 0;
	}
}

/* Space for a copy of a key that is not passed by value, plain and inline */
static Size
key_space(RamaTableBuffer *buffer, int column, Datum *key)
{
	if (buffer->byval[column])
		return 0;
	if (buffer->len[column] == -1)
		*key = PointerGetDatum(PG_DETOAST_DATUM_PACKED(*key));
	return MAXALIGN(datumGetSize(*key, false, buffer->len[column]));
}

/* A row of which only the keys are known; they follow its columns and limits. */
static RamaBufferedRow *
make_row(RamaTableBuffer *buffer, const Datum *given)
{
	int			n = buffer->ncolumns;
	Size		limits = offsetof(RamaBufferedRow, values) +
		RAMA_ROW_COLUMNS_SIZE(n);
	Size		size = limits + sizeof(RamaLimit) * buffer->table->nchildren;
	Size		space[RAMA_MAX_KEYS];
	Datum		keys[RAMA_MAX_KEYS];
	Size		all_keys = 0;
	RamaBufferedRow *row;
	char	   *place;

	for (int i = 0; i < buffer->nkeys; i++)
	{
		keys[i] = given[i];
		space[i] = key_space(buffer, i, &keys[i]);
		all_keys += space[i];
	}
	row = rama_rows_alloc(buffer, size + all_keys);
	memset(row, 0, offsetof(RamaBufferedRow, values));
	memset((char *) row + limits, 0, size - limits);
	row->buffer = buffer;
	row->nulls = (bool *) &row->values[n];
	row->long_keys = all_keys > LONG_KEYS;
	place = (char *) row + size;
	for (int i = 0; i < buffer->nkeys; i++)
	{
		row->nulls[i] = false;
		row->values[i] = keys[i];
		if (buffer->byval[i])
			continue;
		memcpy(place, DatumGetPointer(keys[i]), datumGetSize(keys[i], false, buffer->len[i]));
		row->values[i] = PointerGetDatum(place);
		place += space[i];
		if (keys[i] != given[i])
			pfree(DatumGetPointer(keys[i]));
	}
	return row;
}

/*
 * rama_rows_add() -- A new row with these keys, of which nothing else is known,
 * unless all rows of the table are in memory: then it does not exist.
 */
RamaBufferedRow *
rama_rows_add(RamaTableBuffer *buffer, const Datum *keys, uint32 hash)
{
	RamaBufferedRow *row = make_row(buffer, keys);
	RowSlot    *slot;
	bool		found;

	make_dirty_space(buffer);
	slot = rowhash_insert_hash(buffer->rows, row->values, hash, &found);
	slot->keys = row->values;
	buffer->bytes += SLOT_BYTES;
	rama_rows_bytes += SLOT_BYTES;
	rama_undo_created(row);
	if (buffer->complete)
		row->state.flags = RAMA_ROW_KNOWN;
	return row;
}

/*
 * rama_rows_find() -- The row with these keys, NULL if it is not in memory.
 */
RamaBufferedRow *
rama_rows_find(RamaTableBuffer *buffer, const Datum *keys, uint32 hash)
{
	RowSlot    *slot = rowhash_lookup_hash(buffer->rows, keys, hash);

	return slot ? row_of(slot) : NULL;
}

/*
 * rama_rows_prefetch() -- Have the processor fetch the hash table's first place
 * for a hash.
 */
void
rama_rows_prefetch(RamaTableBuffer *buffer, uint32 hash)
{
	rama_prefetch(&buffer->rows->data[rowhash_initial_bucket(buffer->rows, hash)]);
}

/*
 * rama_rows_prefetch_row() -- ... and then the row that is there: mostly the
 * one that is looked for, else nothing is lost.
 */
void
rama_rows_prefetch_row(RamaTableBuffer *buffer, uint32 hash)
{
	const RowSlot *slot = &buffer->rows->data[rowhash_initial_bucket(buffer->rows, hash)];

	if (slot->status == rowhash_SH_IN_USE)
	{
		const char *row = (const char *) row_of(slot);

		rama_prefetch(row);
		rama_prefetch(row + PG_CACHE_LINE_SIZE / 2);
	}
}

static void
remove_row(RamaTableBuffer *buffer, RowSlot *slot)
{
	RamaBufferedRow *row = row_of(slot);

	Assert(row->pins == 0 && row->state.outer == NULL);
	rowhash_delete_item(buffer->rows, slot);
	buffer->bytes -= SLOT_BYTES;
	rama_rows_bytes -= SLOT_BYTES;
	rama_row_drop_values(buffer, row);
	rama_row_set_dirty(buffer, row, false);
	if (row->state.level > 1)
		dlist_delete(&row->deep);
	rama_rows_free_keys(buffer, row->values, row->own_keys);
	rama_rows_release(buffer, row);
	buffer->complete = false;
	rama_limits_void(buffer);
}

/*
 * rama_rows_remove_if() -- Remove the rows that satisfy the condition.
 */
void
rama_rows_remove_if(RamaTableBuffer *buffer, bool (*condition) (RamaBufferedRow *row))
{
	rowhash_iterator it;
	RowSlot    *slot;

	if (buffer->rows == NULL)
		return;
	rowhash_start_iterate(buffer->rows, &it);
	while ((slot = rowhash_iterate(buffer->rows, &it)) != NULL)
		if (condition(row_of(slot)))
			remove_row(buffer, slot);
}

/*
 * rama_rows_each() -- Call a function for all rows; it removes none.
 */
void
rama_rows_each(RamaTableBuffer *buffer, void (*function) (RamaBufferedRow *row))
{
	rowhash_iterator it;
	RowSlot    *slot;

	if (buffer->rows == NULL)
		return;
	rowhash_start_iterate(buffer->rows, &it);
	while ((slot = rowhash_iterate(buffer->rows, &it)) != NULL)
		function(row_of(slot));
}
