/*-------------------------------------------------------------------------
 *
 * ring.c
 *	  The ring of changes in shared memory.
 *
 * A transaction that changed a PState puts a record into the ring just before
 * it commits, and publishes it when it has: then readers find it by the
 * PState's entry. Each record leads to that of the version before. Old records
 * are overwritten without asking anybody: who reads one looks afterwards
 * whether it was still there. See src/watch/README.md.
 *
 *-------------------------------------------------------------------------
 */
#include "watch/ring.h"

#include "pg_rama.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/hsearch.h"
#include "watch/watch.h"

/* PStates that the ring knows. More: those that changed longest ago go. */
#define MAX_ENTRIES 4096

/* Of a transaction that changes more, readers of the others get a reset. */
#define MAX_PREPARED 256

typedef struct EntryKey
{
	Oid			database;
	Oid			relid;
} EntryKey;

typedef struct Entry
{
	EntryKey	key;
	RamaRingState state;		/* under the lock */
	RamaRingPos pending;		/* position of the record of state.pending */
} Entry;

typedef struct Ring
{
	LWLock	   *lock;
	uint64		size;
	pg_atomic_uint64 head;		/* where the next record goes; written under
								 * the lock */
	char	   *data;
} Ring;

/* What this transaction is about to publish */
typedef struct Prepared
{
	Entry	   *entry;			/* not removed meanwhile: it is pending */
	Oid			relid;
} Prepared;

static Ring *ring = NULL;
static HTAB *entries = NULL;

static Prepared prepared[MAX_PREPARED];
static int	nprepared = 0;
static bool unprepared = false;	/* there are more */

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

static uint64
ring_size(void)
{
	return (uint64) rama_change_ring_mb * 1024 * 1024;
}

static void
shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(sizeof(Ring));
	RequestAddinShmemSpace(ring_size());
	RequestAddinShmemSpace(hash_estimate_size(MAX_ENTRIES, sizeof(Entry)));
	RequestAddinShmemSpace(rama_listen_shmem_size());
	RequestNamedLWLockTranche("pg_rama_changes", 1);
}

static void
shmem_startup(void)
{
	HASHCTL		ctl = {.keysize = sizeof(EntryKey),.entrysize = sizeof(Entry)};
	bool		found;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	ring = ShmemInitStruct("pg_rama changes", sizeof(Ring), &found);
	if (!found)
	{
		ring->lock = &GetNamedLWLockTranche("pg_rama_changes")->lock;
		ring->size = ring_size();
		pg_atomic_init_u64(&ring->head, sizeof(uint64));
	}
	ring->data = ShmemInitStruct("pg_rama change ring", ring->size, &found);
	entries = ShmemInitHash("pg_rama changed PStates", MAX_ENTRIES, MAX_ENTRIES,
							&ctl, HASH_ELEM | HASH_BLOBS | HASH_FIXED_SIZE);
	rama_listen_shmem_init();
	LWLockRelease(AddinShmemInitLock);
}

/*
 * rama_ring_init() -- Ask for shared memory. Called by _PG_init when
 * preloaded.
 */
void
rama_ring_init(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = shmem_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
}

/* rama_ring_exists() -- Is there a ring? Not if the library is not preloaded. */
bool
rama_ring_exists(void)
{
	return ring != NULL;
}

/*
 * rama_ring_limit() -- The most bytes of ops that a record may have: past it,
 * one transaction would leave nothing of the others.
 */
Size
rama_ring_limit(void)
{
	return ring ? ring->size / 4 : 0;
}

static void
write_bytes(RamaRingPos position, const void *bytes, Size size)
{
	Size		at = position % ring->size;
	Size		first = Min(size, ring->size - at);

	memcpy(ring->data + at, bytes, first);
	memcpy(ring->data, (const char *) bytes + first, size - first);
}

/* False: it has been overwritten, perhaps while it was read. */
static bool
read_bytes(RamaRingPos position, void *bytes, Size size)
{
	Size		at = position % ring->size;
	Size		first = Min(size, ring->size - at);

	memcpy(bytes, ring->data + at, first);
	memcpy((char *) bytes + first, ring->data, size - first);
	pg_read_barrier();
	return pg_atomic_read_u64(&ring->head) - position <= ring->size;
}

/* Make room for an entry: the one that changed longest ago goes. */
static void
remove_oldest(void)
{
	HASH_SEQ_STATUS status;
	Entry	   *entry;
	Entry	   *oldest = NULL;

	hash_seq_init(&status, entries);
	while ((entry = hash_seq_search(&status)) != NULL)
		if (entry->pending == 0 &&
			(oldest == NULL || entry->state.position < oldest->state.position))
			oldest = entry;
	if (oldest)
		hash_search(entries, &oldest->key, HASH_REMOVE, NULL);
}

/* The entry of a PState whose next version is this one. NULL: no room. */
static Entry *
enter(Oid relid, int64 version)
{
	EntryKey	key = {MyDatabaseId, relid};
	Entry	   *entry;
	bool		found;

	if (hash_get_num_entries(entries) >= MAX_ENTRIES &&
		hash_search(entries, &key, HASH_FIND, NULL) == NULL)
		remove_oldest();
	entry = hash_search(entries, &key, HASH_ENTER_NULL, &found);
	if (entry == NULL)
		return NULL;
	if (!found || entry->state.last != version - 1)
	{
		memset(&entry->state, 0, sizeof(entry->state));
		entry->state.base = entry->state.last = version - 1;
		entry->pending = 0;
	}
	return entry;
}

/*
 * rama_ring_prepare() -- This transaction will make this version of the
 * PState: put its record into the ring, for rama_ring_publish().
 *
 * The caller holds the PState's lock to the end of the transaction. Needs a
 * ring.
 */
void
rama_ring_prepare(Oid relid, int64 version, uint32 format, bool lost,
				  const char *ops, uint32 bytes)
{
	RamaRecord	record = {
		.size = MAXALIGN(sizeof(RamaRecord) + bytes),
		.format = format,
		.database = MyDatabaseId,
		.relid = relid,
		.version = version,
		.bytes = bytes,
		.lost = lost
	};
	RamaRingPos position;
	Entry	   *entry;

	Assert(record.size < ring->size);
	LWLockAcquire(ring->lock, LW_EXCLUSIVE);
	entry = nprepared < MAX_PREPARED ? enter(relid, version) : NULL;
	if (entry)
	{
		record.previous = entry->state.position;
		position = pg_atomic_read_u64(&ring->head);
		pg_atomic_write_u64(&ring->head, position + record.size);
		pg_write_barrier();
		write_bytes(position, &record, sizeof(record));
		write_bytes(position + sizeof(record), ops, bytes);
		entry->state.pending = version;
		entry->pending = position;
		prepared[nprepared++] = (Prepared) {entry, relid};
	}
	else
		unprepared = true;
	LWLockRelease(ring->lock);
}

/*
 * rama_ring_publish() -- The transaction has committed and is visible: so are
 * its records, and who listens is woken. Cannot fail.
 *
 * The locks of the PStates are still held: so versions come in their order.
 */
void
rama_ring_publish(XLogRecPtr lsn)
{
	uint64		bits = 0;

	if (nprepared == 0 && !unprepared)
		return;
	LWLockAcquire(ring->lock, LW_EXCLUSIVE);
	for (int i = 0; i < nprepared; i++)
	{
		Entry	   *entry = prepared[i].entry;

		entry->state.last = entry->state.pending;
		entry->state.position = entry->pending;
		entry->state.lsn = lsn;
		entry->state.pending = 0;
		entry->pending = 0;
		bits |= rama_listen_bit(MyDatabaseId, prepared[i].relid);
	}
	LWLockRelease(ring->lock);
	nprepared = 0;
	if (unprepared)
		bits = PG_UINT64_MAX;
	unprepared = false;
	rama_listen_wake(bits);
}

/* rama_ring_cancel() -- The transaction has been rolled back. */
void
rama_ring_cancel(void)
{
	unprepared = false;
	if (nprepared == 0)
		return;
	LWLockAcquire(ring->lock, LW_EXCLUSIVE);
	for (int i = 0; i < nprepared; i++)
	{
		prepared[i].entry->state.pending = 0;
		prepared[i].entry->pending = 0;
	}
	LWLockRelease(ring->lock);
	nprepared = 0;
}

/*
 * rama_ring_forget() -- The PState is gone: its drop has committed. Cannot
 * fail.
 */
void
rama_ring_forget(Oid relid)
{
	EntryKey	key = {MyDatabaseId, relid};

	if (ring == NULL)
		return;
	LWLockAcquire(ring->lock, LW_EXCLUSIVE);
	hash_search(entries, &key, HASH_REMOVE, NULL);
	LWLockRelease(ring->lock);
	rama_listen_wake(rama_listen_bit(MyDatabaseId, relid));
}

/* rama_ring_state() -- What the ring knows of a PState; false: nothing. */
bool
rama_ring_state(Oid relid, RamaRingState *state)
{
	EntryKey	key = {MyDatabaseId, relid};
	Entry	   *entry;

	if (ring == NULL)
		return false;
	LWLockAcquire(ring->lock, LW_SHARED);
	entry = hash_search(entries, &key, HASH_FIND, NULL);
	if (entry)
		*state = entry->state;
	LWLockRelease(ring->lock);
	return entry != NULL;
}

/*
 * rama_ring_last() -- The version that was published last; -1: none since the
 * start of the server that the ring still knows of.
 */
int64
rama_ring_last(Oid relid)
{
	RamaRingState state;

	return rama_ring_state(relid, &state) ? state.last : -1;
}

/*
 * rama_ring_header() -- The header of a published record; false: it has been
 * overwritten.
 */
bool
rama_ring_header(RamaRingPos position, RamaRecord *record)
{
	return position != 0 && read_bytes(position, record, sizeof(RamaRecord));
}

/*
 * rama_ring_read() -- A published record: its ops, in the current memory
 * context; NULL: it has been overwritten.
 */
char *
rama_ring_read(RamaRingPos position, RamaRecord *record)
{
	char	   *ops;

	if (!rama_ring_header(position, record))
		return NULL;
	ops = palloc(record->bytes + 1);
	if (read_bytes(position + sizeof(RamaRecord), ops, record->bytes) &&
		rama_ring_header(position, record))
		return ops;
	pfree(ops);
	return NULL;
}
