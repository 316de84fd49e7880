/*-------------------------------------------------------------------------
 *
 * buffer.c
 *	  The write buffer of a topology's batches: rows in memory.
 *
 * A row is looked up in its table when it is first touched, changed in memory,
 * and written back once (flush.c). Rows stay in memory for the topology's next
 * batch. See "The write buffer" in src/pstate/README.md.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "pstate/buffer.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

typedef struct RowSlot
{
	const Datum *keys;			/* the values of a RamaBufferedRow */
	uint32		hash;
	char		status;
} RowSlot;

static bool equal_keys(const RamaTableBuffer *buffer, const Datum *a, const Datum *b);

/* Hashes are computed once, by hash_keys(), and always given. */
#define SH_PREFIX rowhash
#define SH_ELEMENT_TYPE RowSlot
#define SH_KEY_TYPE const Datum *
#define SH_KEY keys
#define SH_HASH_KEY(tb, key) 0
#define SH_EQUAL(tb, a, b) equal_keys((tb)->private_data, (a), (b))
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) ((a)->hash)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

#define row_of(slot) \
	((RamaBufferedRow *) ((char *) (slot)->keys - offsetof(RamaBufferedRow, values)))

/* Keys of more bytes are written at once: an index could refuse them. */
#define LONG_KEYS 1000

/* Values of more bytes may be stored out of line: read again when needed. */
#define WIDE_VALUE 1000

/* A row's places in the hash table and among dirty rows, about */
#define SLOT_BYTES (2 * (sizeof(RowSlot) + sizeof(RamaBufferedRow *)))

/* The batch that runs, numbered in this process; 0 when none does. */
static uint64 serial = 0;
static Oid	batch_topology;
static int64 batch_number;

/* RamaPStateBuffers, in TopMemoryContext, to the end of the process */
static List *buffers = NIL;

/* Rows whose level is not 1 */
static dlist_head deep_rows = DLIST_STATIC_INIT(deep_rows);

/* Of all rows, and when to do something about it */
static Size total_bytes = 0;
static Size bytes_allowed = 0;

/*
 * Rows that are dirty again because a subtransaction that flushed them was
 * rolled back. When there are many, they are flushed before the next one does
 * so in vain.
 */
static int	flushed_in_vain = 0;
#define MANY_IN_VAIN 64

/* Open RamaRows, the latest last: their rows must stay in memory. */
typedef struct Pin
{
	RamaBufferedRow *row;
	int			level;			/* nest level of the transaction */
} Pin;

static Pin *pins = NULL;		/* in TopMemoryContext, for good */
static int	npins = 0;
static int	maxpins = 0;

static void on_xact(XactEvent event, void *arg);
static void on_subxact(SubXactEvent event, SubTransactionId mySubid,
					   SubTransactionId parentSubid, void *arg);

static void
count_bytes(RamaTableBuffer *buffer, void *chunk, int sign)
{
	Size		size = GetMemoryChunkSpace(chunk);

	buffer->bytes += sign * size;
	total_bytes += sign * size;
}

static void *
alloc(RamaTableBuffer *buffer, Size size)
{
	void	   *chunk = MemoryContextAlloc(buffer->context, size);

	count_bytes(buffer, chunk, 1);
	return chunk;
}

static void
release(RamaTableBuffer *buffer, void *chunk)
{
	count_bytes(buffer, chunk, -1);
	pfree(chunk);
}

/*
 * A copy of a value in the buffer's memory. Not as_is: one that does not point
 * into some table's TOAST.
 */
static Datum
copy_value(RamaTableBuffer *buffer, int column, Datum value, bool as_is)
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

static void
free_value(RamaTableBuffer *buffer, int column, Datum value, bool isnull)
{
	if (!isnull && !buffer->byval[column])
		release(buffer, DatumGetPointer(value));
}

/* A row that exists has values in memory. It does not any more. */
static void
drop_values(RamaTableBuffer *buffer, RamaBufferedRow *row)
{
	if (!(row->state.flags & RAMA_ROW_EXISTS))
		return;
	row->state.flags &= ~(RAMA_ROW_EXISTS | RAMA_ROW_WIDE);
	for (int i = buffer->nkeys; i < buffer->ncolumns; i++)
		free_value(buffer, i, row->values[i], row->nulls[i]);
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

static uint32
hash_keys(RamaTableBuffer *buffer, const Datum *keys)
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

/* Of equal keys: are they the same to the eye, too? */
static bool
same_images(const RamaTableBuffer *buffer, const Datum *a, const Datum *b)
{
	for (int i = 0; !buffer->all_images && i < buffer->nkeys; i++)
		if (!datum_image_eq(a[i], b[i], buffer->byval[i], buffer->len[i]))
			return false;
	return true;
}

/* False if values of the type cannot be hashed. */
static bool
init_key(RamaTableBuffer *buffer, RamaKeyHash *key, const RamaType *type)
{
	Oid			equalimage = get_opfamily_proc(type->opfamily, type->opcintype,
											   type->opcintype, BTEQUALIMAGE_PROC);
	TypeCacheEntry *entry;

	key->type = type->oid;
	key->byval = type->byval;
	key->len = type->len;
	key->collation = type->collation;
	/* bpchar without a length is equal with more or less blanks. */
	key->image = OidIsValid(equalimage) && type->opcintype != BPCHAROID &&
		DatumGetBool(OidFunctionCall1Coll(equalimage, type->collation,
										  ObjectIdGetDatum(type->opcintype)));
	if (key->image)
		return true;
	entry = lookup_type_cache(type->oid, TYPECACHE_HASH_PROC | TYPECACHE_EQ_OPR);
	if (!OidIsValid(entry->hash_proc) || !OidIsValid(entry->eq_opr))
		return false;
	fmgr_info_cxt(entry->hash_proc, &key->hash, buffer->context);
	fmgr_info_cxt(get_opcode(entry->eq_opr), &key->equal, buffer->context);
	return true;
}

/* Forget all rows of a table, and what its columns are. */
static void
reset_table(RamaTableBuffer *buffer)
{
	buffer->dirty = NULL;
	buffer->ndirty = buffer->dirty_end = buffer->dirty_space = 0;
	total_bytes -= buffer->bytes;
	buffer->bytes = 0;
	buffer->rows = NULL;
	buffer->generation = 0;
	if (buffer->context)
		MemoryContextReset(buffer->context);
}

static void
reset_pstate(RamaPStateBuffer *pstate)
{
	for (int i = 0; i < pstate->ntables; i++)
		reset_table(&pstate->tables[i]);
	pstate->topology = InvalidOid;
	pstate->stale = false;
}

/* Are the columns still those that the rows in memory have? */
static bool
same_columns(RamaTableBuffer *buffer, RamaTable *table)
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

static void
init_columns(RamaTableBuffer *buffer, RamaTable *table)
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
 * Make the buffer one for this binding of the table. Rows stay if they fit:
 * columns change only in a batch's own handler, when all rows are written.
 */
static void
adapt_table(RamaTableBuffer *buffer, RamaTable *table)
{
	uint64		generation = table->pstate->generation;

	if (buffer->generation != generation)
	{
		if (buffer->rows && !same_columns(buffer, table))
		{
			if (!dlist_is_empty(&deep_rows) || buffer->ndirty > 0)
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("columns of PState \"%s\" cannot change in a subtransaction of a batch that writes to it",
								rama_relation_name(table->pstate->relid))));
			reset_table(buffer);
		}
		if (buffer->rows == NULL)
			init_columns(buffer, table);
		buffer->generation = generation;
	}
	buffer->table = table;
	buffer->serial = serial;
	table->buffer = buffer;
}

static RamaPStateBuffer *
find_pstate(Oid relid)
{
	ListCell   *lc;

	foreach(lc, buffers)
	{
		RamaPStateBuffer *pstate = lfirst(lc);

		if (pstate->relid == relid)
			return pstate;
	}
	return NULL;
}

static RamaPStateBuffer *
add_pstate(RamaPState *pstate)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	RamaPStateBuffer *buffer = palloc0_object(RamaPStateBuffer);

	buffer->relid = pstate->relid;
	buffers = lappend(buffers, buffer);
	MemoryContextSwitchTo(old);
	return buffer;
}

/* As many tables as the PState has. */
static void
fit_tables(RamaPStateBuffer *buffer, RamaPState *pstate)
{
	if (buffer->ntables == pstate->ntables)
		return;
	for (int i = 0; i < buffer->ntables; i++)
		if (buffer->tables[i].context)
		{
			reset_table(&buffer->tables[i]);
			MemoryContextDelete(buffer->tables[i].context);
		}
	/* Not freed: old bindings of the tables point there. */
	buffer->ntables = 0;
	buffer->tables = MemoryContextAllocZero(TopMemoryContext,
											sizeof(RamaTableBuffer) * pstate->ntables);
	buffer->ntables = pstate->ntables;
	for (int i = 0; i < buffer->ntables; i++)
		buffer->tables[i].relid = pstate->tables[i]->relid;
}

/*
 * rama_buffer_begin() -- The batch of this number of a topology begins.
 *
 * Called in its transaction, when the locks of its PStates are held.
 */
void
rama_buffer_begin(Oid topology, int64 batch)
{
	static uint64 last_serial = 0;

	if (last_serial == 0)
	{
		RegisterXactCallback(on_xact, NULL);
		RegisterSubXactCallback(on_subxact, NULL);
	}
	rama_version_init();
	serial = ++last_serial;
	npins = 0;
	flushed_in_vain = 0;
	batch_topology = topology;
	batch_number = batch;
	bytes_allowed = (Size) rama_batch_memory * 1024;
}

/*
 * rama_buffer_use() -- The PState's lock is held: in a batch, its rows are
 * buffered from here on.
 *
 * Its tables are locked, so that rows stay where they are, and rows of the
 * batch before are forgotten if there was another writer, or if a table has
 * changed.
 */
void
rama_buffer_use(RamaPState *pstate)
{
	RamaPStateBuffer *buffer;
	ResourceOwner owner = CurrentResourceOwner;
	bool		owned = pstate->topology == batch_topology;

	if (serial == 0)
		return;
	buffer = find_pstate(pstate->relid);
	if (buffer == NULL)
		buffer = add_pstate(pstate);
	pstate->buffer = buffer;
	if (buffer->serial == serial)
		return;

	/* Not the subtransaction's: it may be rolled back. */
	CurrentResourceOwner = TopTransactionResourceOwner;
	for (int i = 0; i < pstate->ntables; i++)
		LockRelationOid(pstate->tables[i]->relid, RowExclusiveLock);
	CurrentResourceOwner = owner;

	if (buffer->stale || buffer->topology != batch_topology ||
		buffer->batch != batch_number - 1)
		reset_pstate(buffer);
	fit_tables(buffer, pstate);
	buffer->topology = owned ? batch_topology : InvalidOid;
	buffer->lock_level = owned ? 1 : GetCurrentTransactionNestLevel();
	buffer->allowed = ACL_NO_RIGHTS;
	buffer->serial = serial;
}

/*
 * rama_buffer_in_use() -- Does the running batch hold the locks of the PState
 * and of its tables?
 */
bool
rama_buffer_in_use(const RamaPState *pstate)
{
	return serial != 0 && pstate->buffer && pstate->buffer->serial == serial;
}

/*
 * rama_buffer_allows() -- Has rama_buffer_allow() been called for these
 * privileges of the current user, in this batch, and has no table changed since?
 */
bool
rama_buffer_allows(const RamaPState *pstate, AclMode needed)
{
	const RamaPStateBuffer *buffer = pstate->buffer;

	return rama_buffer_in_use(pstate) && !buffer->stale &&
		buffer->user == GetUserId() && (buffer->allowed & needed) == needed;
}

/*
 * rama_buffer_allow() -- The current user's privileges have been checked.
 */
void
rama_buffer_allow(RamaPState *pstate, AclMode needed)
{
	RamaPStateBuffer *buffer = pstate->buffer;

	if (!rama_buffer_in_use(pstate))
		return;
	if (buffer->user != GetUserId())
		buffer->allowed = ACL_NO_RIGHTS;
	buffer->user = GetUserId();
	buffer->allowed |= needed;
}

static RamaTableBuffer *
begin_table(RamaTable *table)
{
	RamaPState *pstate = table->pstate;
	RamaPStateBuffer *buffer;

	if (pstate->topology == batch_topology)
		rama_buffer_use(pstate);
	buffer = find_pstate(pstate->relid);
	if (buffer == NULL || buffer->serial != serial)
		return NULL;
	for (int i = 0; i < pstate->ntables; i++)
		if (pstate->tables[i] == table)
		{
			adapt_table(&buffer->tables[i], table);
			return buffer->tables[i].hashable ? &buffer->tables[i] : NULL;
		}
	elog(ERROR, "table %u is not one of PState %u", table->relid, pstate->relid);
}

/* NULL: the table's rows are not buffered. */
static inline RamaTableBuffer *
get_buffer(RamaTable *table)
{
	RamaTableBuffer *buffer = table->buffer;

	if (serial == 0)
		return NULL;
	if (buffer && buffer->serial == serial && buffer->table == table)
		return buffer->hashable ? buffer : NULL;
	return begin_table(table);
}

/*
 * rama_buffer_active() -- Are rows of this table read from, and written to,
 * the buffer?
 */
bool
rama_buffer_active(RamaTable *table)
{
	return get_buffer(table) != NULL;
}

/*
 * rama_buffer_in_batch() -- Does this process run a batch?
 */
bool
rama_buffer_in_batch(void)
{
	return serial != 0;
}

/*
 * rama_buffers_in_use() -- The RamaPStateBuffers that the running batch uses;
 * none outside of one.
 */
List *
rama_buffers_in_use(void)
{
	List	   *result = NIL;
	ListCell   *lc;

	if (serial == 0)
		return NIL;
	foreach(lc, buffers)
		if (((RamaPStateBuffer *) lfirst(lc))->serial == serial)
			result = lappend(result, lfirst(lc));
	return result;
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

/* Touches no other rows, which may be far away. */
static void
set_dirty(RamaTableBuffer *buffer, RamaBufferedRow *row, bool dirty)
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

/* The row as it is, for when the subtransaction is rolled back. */
static RamaRowImage *
make_image(RamaTableBuffer *buffer, RamaBufferedRow *row)
{
	RamaRowImage *image = alloc(buffer, sizeof(RamaRowImage));
	int			n = buffer->ncolumns - buffer->nkeys;

	image->state = row->state;
	image->values = NULL;
	image->nulls = NULL;
	image->keys = NULL;
	if ((row->state.flags & RAMA_ROW_EXISTS) && n > 0)
	{
		image->values = alloc(buffer, sizeof(Datum) * n);
		image->nulls = alloc(buffer, sizeof(bool) * n);
		for (int i = 0; i < n; i++)
		{
			image->nulls[i] = row->nulls[buffer->nkeys + i];
			if (!image->nulls[i])
				image->values[i] = copy_value(buffer, buffer->nkeys + i,
											  row->values[buffer->nkeys + i], true);
		}
	}
	return image;
}

static void
free_keys(RamaTableBuffer *buffer, const Datum *keys, bool own)
{
	for (int i = 0; own && i < buffer->nkeys; i++)
		free_value(buffer, i, keys[i], false);
}

static void
free_image(RamaTableBuffer *buffer, RamaRowImage *image)
{
	RamaRowImage *outer = image->state.outer;

	if (image->keys && outer && outer->keys == NULL)
	{
		outer->keys = image->keys;
		outer->own_keys = image->own_keys;
	}
	else if (image->keys)
	{
		free_keys(buffer, image->keys, image->own_keys);
		release(buffer, image->keys);
	}
	if (image->values)
	{
		for (int i = 0; i < buffer->ncolumns - buffer->nkeys; i++)
			free_value(buffer, buffer->nkeys + i, image->values[i], image->nulls[i]);
		release(buffer, image->values);
		release(buffer, image->nulls);
	}
	release(buffer, image);
}

/*
 * rama_buffer_touch() -- To be called before a row is changed, or what is
 * known of it: in a subtransaction, what it was is kept.
 */
void
rama_buffer_touch(RamaTableBuffer *buffer, RamaBufferedRow *row)
{
	int			level = GetCurrentTransactionNestLevel();

	if (row->state.level == level)
		return;
	row->state.outer = make_image(buffer, row);
	if (row->state.level == 1)
		dlist_push_tail(&deep_rows, &row->deep);
	row->state.level = level;
}

/*
 * The row gets these keys, which equal its own but may have other images: 1.00
 * for 1.0. The caller has touched it.
 */
static void
set_keys(RamaTableBuffer *buffer, RamaBufferedRow *row, const Datum *keys)
{
	RamaRowImage *outer = row->state.outer;

	if (same_images(buffer, row->values, keys))
		return;
	if (outer && outer->keys == NULL)
	{
		outer->keys = alloc(buffer, sizeof(Datum) * buffer->nkeys);
		memcpy(outer->keys, row->values, sizeof(Datum) * buffer->nkeys);
		outer->own_keys = row->own_keys;
	}
	else
		free_keys(buffer, row->values, row->own_keys);
	for (int i = 0; i < buffer->nkeys; i++)
		row->values[i] = copy_value(buffer, i, keys[i], false);
	row->own_keys = true;
}

static void
restore_keys(RamaTableBuffer *buffer, RamaBufferedRow *row, RamaRowImage *image)
{
	if (image->keys == NULL)
		return;
	free_keys(buffer, row->values, row->own_keys);
	memcpy(row->values, image->keys, sizeof(Datum) * buffer->nkeys);
	row->own_keys = image->own_keys;
	release(buffer, image->keys);
}

/*
 * The row becomes what it was before the subtransactions of this level and
 * deeper ones. Allocates nothing.
 */
static void
restore_row(RamaBufferedRow *row, int level)
{
	RamaTableBuffer *buffer = row->buffer;

	while (row->state.level >= level)
	{
		RamaRowImage *image = row->state.outer;
		bool		dirty = image && (image->state.flags & RAMA_ROW_DIRTY);

		if (dirty && !(row->state.flags & RAMA_ROW_DIRTY))
			flushed_in_vain++;
		drop_values(buffer, row);
		set_dirty(buffer, row, dirty);
		if (image == NULL)
		{
			row->state.flags = 0;
			row->state.level = 1;
			break;
		}
		restore_keys(buffer, row, image);
		row->state = image->state;
		for (int i = 0; image->values && i < buffer->ncolumns - buffer->nkeys; i++)
		{
			row->values[buffer->nkeys + i] = image->values[i];
			row->nulls[buffer->nkeys + i] = image->nulls[i];
		}
		if (image->values)
		{
			release(buffer, image->values);
			release(buffer, image->nulls);
		}
		release(buffer, image);
	}
	if (row->state.level == 1)
		dlist_delete(&row->deep);
}

/* What a subtransaction did is now done by the one around it. */
static void
merge_row(RamaBufferedRow *row, int level)
{
	RamaRowImage *outer = row->state.outer;

	if (row->state.level < level)
		return;
	row->state.level = level - 1;
	if (outer && outer->state.level == level - 1)
	{
		row->state.outer = outer->state.outer;
		free_image(row->buffer, outer);
	}
	if (row->state.level == 1)
		dlist_delete(&row->deep);
}

/* Read the row from its table. */
static void
load_row(RamaTableBuffer *buffer, RamaBufferedRow *row)
{
	RamaTable  *table = buffer->table;
	TupleTableSlot *slot;

	rama_buffer_touch(buffer, row);
	if (buffer->heap == NULL)
	{
		ResourceOwner owner = CurrentResourceOwner;

		CurrentResourceOwner = TopTransactionResourceOwner;
		buffer->heap = table_open(table->relid, RowExclusiveLock);
		if (table->nkeys > 0)
			buffer->index = index_open(table->index, RowExclusiveLock);
		CurrentResourceOwner = owner;
	}
	slot = rama_table_slot(table);
	if (rama_row_find(table, buffer->heap, buffer->index, row->values, SnapshotSelf, slot))
	{
		slot_getallattrs(slot);
		set_keys(buffer, row, slot->tts_values);
		for (int i = buffer->nkeys; i < buffer->ncolumns; i++)
			row->nulls[i] = true;
		row->state.flags |= RAMA_ROW_EXISTS | RAMA_ROW_STORED;
		row->state.tid = slot->tts_tid;
		for (int i = buffer->nkeys; i < buffer->ncolumns; i++)
		{
			if (slot->tts_isnull[i])
				continue;
			row->values[i] = copy_value(buffer, i, slot->tts_values[i], true);
			row->nulls[i] = false;
		}
	}
	row->state.flags |= RAMA_ROW_KNOWN;
	ExecDropSingleTupleTableSlot(slot);
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

/* A row of which only the keys are known; they follow its columns. */
static RamaBufferedRow *
make_row(RamaTableBuffer *buffer, const Datum *given)
{
	int			n = buffer->ncolumns;
	Size		size = offsetof(RamaBufferedRow, values) +
		MAXALIGN((sizeof(Datum) + sizeof(bool)) * n);
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
	row = alloc(buffer, size + all_keys);
	memset(row, 0, offsetof(RamaBufferedRow, values));
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

static RamaBufferedRow *
add_row(RamaTableBuffer *buffer, const Datum *keys, uint32 hash)
{
	RamaBufferedRow *row = make_row(buffer, keys);
	RowSlot    *slot;
	bool		found;

	make_dirty_space(buffer);
	slot = rowhash_insert_hash(buffer->rows, row->values, hash, &found);
	slot->keys = row->values;
	buffer->bytes += SLOT_BYTES;
	total_bytes += SLOT_BYTES;
	row->state.level = GetCurrentTransactionNestLevel();
	if (row->state.level > 1)
		dlist_push_tail(&deep_rows, &row->deep);
	if (buffer->complete)
		row->state.flags = RAMA_ROW_KNOWN;
	return row;
}

static void
remove_row(RamaTableBuffer *buffer, RowSlot *slot)
{
	RamaBufferedRow *row = row_of(slot);

	Assert(row->pins == 0 && row->state.outer == NULL);
	rowhash_delete_item(buffer->rows, slot);
	buffer->bytes -= SLOT_BYTES;
	total_bytes -= SLOT_BYTES;
	drop_values(buffer, row);
	set_dirty(buffer, row, false);
	if (row->state.level > 1)
		dlist_delete(&row->deep);
	free_keys(buffer, row->values, row->own_keys);
	release(buffer, row);
	buffer->complete = false;
}

/* Remove the rows of all tables that satisfy the condition. */
static void
remove_rows(bool (*condition) (RamaBufferedRow *row))
{
	ListCell   *lc;

	foreach(lc, buffers)
	{
		RamaPStateBuffer *pstate = lfirst(lc);

		for (int i = 0; i < pstate->ntables; i++)
		{
			RamaTableBuffer *buffer = &pstate->tables[i];
			rowhash_iterator it;
			RowSlot    *slot;

			if (buffer->rows == NULL)
				continue;
			rowhash_start_iterate(buffer->rows, &it);
			while ((slot = rowhash_iterate(buffer->rows, &it)) != NULL)
				if (condition(row_of(slot)))
					remove_row(buffer, slot);
		}
	}
}

static bool
is_removable(RamaBufferedRow *row)
{
	return row->pins == 0 && row->state.outer == NULL &&
		!(row->state.flags & RAMA_ROW_DIRTY);
}

/* A row that was used in one batch only, of late */
static bool
is_cold(RamaBufferedRow *row)
{
	row->uses /= 2;
	return row->uses == 0;
}

static void
reset_unused(void)
{
	ListCell   *lc;

	foreach(lc, buffers)
		if (((RamaPStateBuffer *) lfirst(lc))->serial != serial)
			reset_pstate(lfirst(lc));
}

/* Past pg_rama.batch_memory: write what is dirty, and forget what can be. */
static void
free_memory(void)
{
	Size		limit = (Size) rama_batch_memory * 1024;

	reset_unused();
	if (total_bytes > limit)
	{
		rama_buffer_flush_all();
		remove_rows(is_removable);
	}
	/* What subtransactions have to keep cannot be freed. */
	bytes_allowed = Max(limit, total_bytes + limit / 2);
}

static void
pin(RamaBufferedRow *row)
{
	if (npins == maxpins)
	{
		int			n = Max(16, maxpins * 2);

		if (pins == NULL)
			pins = MemoryContextAlloc(TopMemoryContext, sizeof(Pin) * n);
		else
			pins = repalloc(pins, sizeof(Pin) * n);
		maxpins = n;
	}
	pins[npins].row = row;
	pins[npins++].level = GetCurrentTransactionNestLevel();
	row->pins++;
}

/* The pins of calls that an error ended */
static void
unpin(int level)
{
	while (npins > 0 && pins[npins - 1].level >= level)
		pins[--npins].row->pins--;
}

/*
 * rama_buffer_announce() -- The row with these keys will be opened soon: fetch
 * what leads to it from memory. The result is for rama_buffer_fetch(), which
 * some time later fetches the row. Neither changes anything.
 */
uint32
rama_buffer_announce(RamaTable *table, const Datum *keys)
{
	RamaTableBuffer *buffer = get_buffer(table);
	uint32		hash;

	if (buffer == NULL)
		return 0;
	hash = hash_keys(buffer, keys);
	rama_prefetch(&buffer->rows->data[rowhash_initial_bucket(buffer->rows, hash)]);
	return hash;
}

/* rama_buffer_fetch() -- See rama_buffer_announce(). */
void
rama_buffer_fetch(RamaTable *table, uint32 hash)
{
	RamaTableBuffer *buffer = get_buffer(table);
	const RowSlot *slot;

	if (buffer == NULL)
		return;
	/* Mostly it is in the first place; else nothing is lost. */
	slot = &buffer->rows->data[rowhash_initial_bucket(buffer->rows, hash)];
	if (slot->status == rowhash_SH_IN_USE)
	{
		const char *row = (const char *) row_of(slot);

		rama_prefetch(row);
		rama_prefetch(row + PG_CACHE_LINE_SIZE / 2);
	}
}

/*
 * rama_buffer_row() -- The row with these keys in memory, pinned; NULL if rows
 * of this table are not buffered.
 *
 * isnew: there is no such row, so none is looked for.
 */
RamaBufferedRow *
rama_buffer_row(RamaTable *table, const Datum *keys, bool isnew)
{
	RamaTableBuffer *buffer = get_buffer(table);
	RamaBufferedRow *row;
	RowSlot    *slot;
	uint32		hash;

	if (buffer == NULL)
		return NULL;
	if (total_bytes > bytes_allowed)
		free_memory();
	if (flushed_in_vain >= MANY_IN_VAIN)
	{
		flushed_in_vain = 0;
		rama_buffer_flush_all();
	}
	hash = hash_keys(buffer, keys);
	slot = rowhash_lookup_hash(buffer->rows, keys, hash);
	row = slot ? row_of(slot) : add_row(buffer, keys, hash);
	if (isnew && !(row->state.flags & RAMA_ROW_KNOWN))
	{
		rama_buffer_touch(buffer, row);
		row->state.flags |= RAMA_ROW_KNOWN;
	}
	else if (!(row->state.flags & RAMA_ROW_KNOWN))
		load_row(buffer, row);
	if (isnew && (row->state.flags & RAMA_ROW_EXISTS))
		elog(ERROR, "row to insert into \"%s\" is there already", table->name);
	if (row->last_use != (uint32) serial)
	{
		row->last_use = (uint32) serial;
		if (row->uses < PG_UINT8_MAX)
			row->uses++;
	}
	pin(row);
	return row;
}

/*
 * rama_buffer_values() -- Tell an open row what it is.
 */
void
rama_buffer_values(RamaRow *row)
{
	RamaBufferedRow *buffered = row->buffered;

	row->found = (buffered->state.flags & RAMA_ROW_EXISTS) != 0;
	row->values = buffered->values;
	row->nulls = buffered->nulls;
}

/*
 * rama_buffer_set() -- Set columns of an open row, or make the row.
 */
void
rama_buffer_set(RamaRow *row, int ncolumns, const AttrNumber *attnos,
				const Datum *values, const bool *nulls)
{
	RamaBufferedRow *buffered = row->buffered;
	RamaTableBuffer *buffer = buffered->buffer;
	bool		isnew = !(buffered->state.flags & RAMA_ROW_EXISTS);

	/* A row that goes and one that comes, where their keys look different. */
	if (isnew && (buffered->state.flags & RAMA_ROW_STORED) &&
		!same_images(buffer, buffered->values, row->keys))
		rama_buffer_flush_table(buffer);
	rama_buffer_touch(buffer, buffered);
	if (isnew)
	{
		set_keys(buffer, buffered, row->keys);
		for (int i = buffer->nkeys; i < buffer->ncolumns; i++)
			buffered->nulls[i] = true;
		buffered->state.flags |= RAMA_ROW_EXISTS;
	}
	set_dirty(buffer, buffered, true);
	for (int i = 0; i < ncolumns; i++)
	{
		int			column = attnos[i] - 1;
		Datum		old = buffered->values[column];
		bool		oldnull = buffered->nulls[column];

		Assert(column >= buffer->nkeys);
		if (!nulls[i])
			buffered->values[column] = copy_value(buffer, column, values[i], false);
		buffered->nulls[column] = nulls[i];
		if (!oldnull)
			free_value(buffer, column, old, false);
		if (!nulls[i] && buffer->len[column] == -1 &&
			VARSIZE_ANY(DatumGetPointer(buffered->values[column])) > WIDE_VALUE)
			buffered->state.flags |= RAMA_ROW_WIDE;
	}
	/* An index's complaint belongs to this call. */
	if (isnew && buffered->long_keys)
		rama_buffer_flush_table(buffer);
}

/*
 * rama_buffer_delete() -- Delete an open row.
 */
void
rama_buffer_delete(RamaRow *row)
{
	RamaBufferedRow *buffered = row->buffered;

	rama_buffer_touch(buffered->buffer, buffered);
	drop_values(buffered->buffer, buffered);
	set_dirty(buffered->buffer, buffered, (buffered->state.flags & RAMA_ROW_STORED) != 0);
}

/*
 * rama_buffer_release() -- Unpin an open row.
 */
void
rama_buffer_release(RamaRow *row)
{
	int			i = npins - 1;

	while (pins[i].row != row->buffered)
		i--;
	row->buffered->pins--;
	memmove(&pins[i], &pins[i + 1], sizeof(Pin) * (--npins - i));
}

/*
 * rama_buffer_forget() -- The row with these keys is changed in its table
 * directly, by a caller who has flushed that.
 */
void
rama_buffer_forget(RamaTable *table, const Datum *keys)
{
	RamaTableBuffer *buffer = get_buffer(table);
	RowSlot    *slot;
	RamaBufferedRow *row;

	if (buffer == NULL)
		return;
	slot = rowhash_lookup_hash(buffer->rows, keys, hash_keys(buffer, keys));
	if (slot == NULL)
	{
		buffer->complete = false;
		return;
	}
	row = row_of(slot);
	Assert(!(row->state.flags & RAMA_ROW_DIRTY));
	rama_buffer_touch(buffer, row);
	drop_values(buffer, row);
	row->state.flags = 0;
}

/*
 * rama_buffer_stored() -- The table has the row's state now, at state.tid if
 * the row exists. The caller has touched it.
 *
 * What may be out of line there is read again when it is needed, so that the
 * next version of the row keeps it where it is.
 */
void
rama_buffer_stored(RamaTableBuffer *buffer, RamaBufferedRow *row)
{
	set_dirty(buffer, row, false);
	if (row->state.flags & RAMA_ROW_EXISTS)
		row->state.flags |= RAMA_ROW_STORED;
	else
		row->state.flags &= ~RAMA_ROW_STORED;
	if ((row->state.flags & RAMA_ROW_WIDE) && row->pins == 0)
	{
		drop_values(buffer, row);
		row->state.flags = 0;
	}
}

/*
 * rama_buffer_invalidate() -- Relcache callback: the table with this oid has
 * changed, or any (InvalidOid). Rows in memory are forgotten before they are
 * used in the next batch. Within a batch that has locked the table, rows stay
 * where they are.
 */
void
rama_buffer_invalidate(Oid relid)
{
	ListCell   *lc;

	foreach(lc, buffers)
	{
		RamaPStateBuffer *pstate = lfirst(lc);

		for (int i = 0; i < pstate->ntables; i++)
			if (!OidIsValid(relid) || pstate->tables[i].relid == relid)
				pstate->stale = true;
	}
}

/*
 * rama_buffer_close_relations() -- Close what was opened to look up rows, so
 * that a command of a handler may alter it.
 */
void
rama_buffer_close_relations(void)
{
	ResourceOwner owner = CurrentResourceOwner;
	ListCell   *lc;

	CurrentResourceOwner = TopTransactionResourceOwner;
	foreach(lc, buffers)
	{
		RamaPStateBuffer *pstate = lfirst(lc);

		for (int i = 0; i < pstate->ntables; i++)
		{
			RamaTableBuffer *buffer = &pstate->tables[i];

			if (buffer->index)
				index_close(buffer->index, NoLock);
			if (buffer->heap)
				table_close(buffer->heap, NoLock);
			buffer->index = NULL;
			buffer->heap = NULL;
		}
	}
	CurrentResourceOwner = owner;
}

/* InvalidOid if the table is gone */
static Oid
storage_of(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			storage = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		storage = ((Form_pg_class) GETSTRUCT(tuple))->relfilenode;
		ReleaseSysCache(tuple);
	}
	return storage;
}

/* Nothing is known any more of the rows, none of which is dirty. */
static void
forget_rows(RamaTableBuffer *buffer)
{
	rowhash_iterator it;
	RowSlot    *slot;

	if (buffer->rows == NULL)
		return;
	rowhash_start_iterate(buffer->rows, &it);
	while ((slot = rowhash_iterate(buffer->rows, &it)) != NULL)
	{
		RamaBufferedRow *row = row_of(slot);

		if (row->pins > 0)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("cannot rewrite \"%s\" while a row of it is being written",
							get_rel_name(buffer->relid))));
		if (row->state.flags == 0)
			continue;
		Assert(!(row->state.flags & RAMA_ROW_DIRTY));
		rama_buffer_touch(buffer, row);
		drop_values(buffer, row);
		row->state.flags = 0;
	}
}

/*
 * rama_buffer_note_storage() -- A command is about to run that could give
 * tables new storage. All that was dirty has been written.
 */
void
rama_buffer_note_storage(void)
{
	List	   *pstates = rama_buffers_in_use();
	ListCell   *lc;

	foreach(lc, pstates)
	{
		RamaPStateBuffer *pstate = lfirst(lc);

		for (int i = 0; i < pstate->ntables; i++)
			pstate->tables[i].storage = storage_of(pstate->tables[i].relid);
	}
	list_free(pstates);
}

/*
 * rama_buffer_check_storage() -- It has run: forget the rows of tables that
 * have new storage, so that they are looked up there.
 */
void
rama_buffer_check_storage(void)
{
	List	   *pstates = rama_buffers_in_use();
	ListCell   *lc;

	foreach(lc, pstates)
	{
		RamaPStateBuffer *pstate = lfirst(lc);

		for (int i = 0; i < pstate->ntables; i++)
			if (storage_of(pstate->tables[i].relid) != pstate->tables[i].storage)
				forget_rows(&pstate->tables[i]);
	}
	list_free(pstates);
}

/* The batch has committed: its rows are those of the tables. */
static void
keep_rows(void)
{
	Size		limit = (Size) rama_batch_memory * 1024 / 2;
	ListCell   *lc;

	foreach(lc, buffers)
	{
		RamaPStateBuffer *pstate = lfirst(lc);

		if (pstate->serial == serial && (pstate->stale || !OidIsValid(pstate->topology)))
			reset_pstate(pstate);
		else if (pstate->topology == batch_topology &&
				 (pstate->serial == serial || pstate->batch == batch_number - 1))
			pstate->batch = batch_number;
	}
	if (total_bytes > limit)
		reset_unused();
	if (total_bytes > limit)
		remove_rows(is_cold);
	if (total_bytes > limit)
		foreach(lc, buffers)
			reset_pstate(lfirst(lc));
}

static void
discard_rows(void)
{
	ListCell   *lc;

	foreach(lc, buffers)
	{
		RamaPStateBuffer *pstate = lfirst(lc);

		if (pstate->serial == serial)
			reset_pstate(pstate);
		for (int i = 0; i < pstate->ntables; i++)
			pstate->tables[i].heap = pstate->tables[i].index = NULL;
	}
	dlist_init(&deep_rows);
}

static void
on_xact(XactEvent event, void *arg)
{
	if (serial == 0)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			/* What a deferred trigger wrote after the batch's last flush */
			rama_buffer_flush_all();
			rama_buffer_close_relations();
			break;
		case XACT_EVENT_COMMIT:
			keep_rows();
			serial = 0;
			break;
		case XACT_EVENT_ABORT:
			discard_rows();
			serial = 0;
			break;
		default:
			break;
	}
}

/* Who took the PState's lock in this subtransaction has it no longer. */
static void
forget_locks(int level)
{
	ListCell   *lc;

	foreach(lc, buffers)
	{
		RamaPStateBuffer *pstate = lfirst(lc);

		if (pstate->serial != serial || pstate->lock_level < level)
			continue;
		pstate->serial = 0;
		for (int i = 0; i < pstate->ntables; i++)
			pstate->tables[i].serial = 0;
	}
}

static void
on_subxact(SubXactEvent event, SubTransactionId mySubid, SubTransactionId parentSubid,
		   void *arg)
{
	int			level = GetCurrentTransactionNestLevel();
	dlist_mutable_iter it;
	ListCell   *lc;

	if (serial == 0)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		unpin(level);
		dlist_foreach_modify(it, &deep_rows)
			restore_row(dlist_container(RamaBufferedRow, deep, it.cur), level);
		forget_locks(level);
	}
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		dlist_foreach_modify(it, &deep_rows)
			merge_row(dlist_container(RamaBufferedRow, deep, it.cur), level);
		foreach(lc, buffers)
		{
			RamaPStateBuffer *pstate = lfirst(lc);

			if (pstate->serial == serial && pstate->lock_level == level)
				pstate->lock_level--;
		}
	}
}
