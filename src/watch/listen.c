/*-------------------------------------------------------------------------
 *
 * listen.c
 *	  Who wants to be woken when PStates have changed.
 *
 * Each process has a place in shared memory with a bit for each PState that it
 * listens to, as far as 64 bits tell them apart. Who publishes sets the latches
 * of those whose bits it hits: for nobody, that is one read of a counter.
 *
 *-------------------------------------------------------------------------
 */
#include "watch/ring.h"

#include "watch/watch.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/wait_event.h"

typedef struct Listeners
{
	pg_atomic_uint32 count;		/* processes that listen */
	pg_atomic_uint64 bits[FLEXIBLE_ARRAY_MEMBER];	/* by PGPROC */
} Listeners;

static Listeners *listeners = NULL;
static bool listening = false;

/* Background workers and sessions; others do not listen. */
static int
places(void)
{
	return MaxBackends;
}

/* rama_listen_shmem_size() -- When MaxBackends is known. */
Size
rama_listen_shmem_size(void)
{
	return offsetof(Listeners, bits) + sizeof(pg_atomic_uint64) * places();
}

/* rama_listen_shmem_init() -- The caller holds AddinShmemInitLock. */
void
rama_listen_shmem_init(void)
{
	bool		found;

	listeners = ShmemInitStruct("pg_rama listeners", rama_listen_shmem_size(), &found);
	if (found)
		return;
	pg_atomic_init_u32(&listeners->count, 0);
	for (int i = 0; i < places(); i++)
		pg_atomic_init_u64(&listeners->bits[i], 0);
}

/* rama_listen_bit() -- The bit of a PState. */
uint64
rama_listen_bit(Oid database, Oid relid)
{
	return UINT64CONST(1) << (hash_combine(murmurhash32(database), murmurhash32(relid)) % 64);
}

/*
 * rama_listen_wake() -- PStates with these bits have a new version, which
 * snapshots see and the ring has. Cannot fail.
 */
void
rama_listen_wake(uint64 bits)
{
	/* The change must be visible before the listeners are looked at. */
	pg_memory_barrier();
	if (pg_atomic_read_u32(&listeners->count) == 0)
		return;
	for (int i = 0; i < places(); i++)
		if ((pg_atomic_read_u64(&listeners->bits[i]) & bits) != 0)
			SetLatch(&ProcGlobal->allProcs[i].procLatch);
}

static pg_atomic_uint64 *
my_bits(void)
{
	return &listeners->bits[MyProc - ProcGlobal->allProcs];
}

/*
 * rama_unlisten() -- Listen to nothing any more.
 */
void
rama_unlisten(void)
{
	if (!listening)
		return;
	pg_atomic_write_u64(my_bits(), 0);
	pg_atomic_fetch_sub_u32(&listeners->count, 1);
	listening = false;
}

static void
at_abort(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT)
		rama_unlisten();
}

static void
at_exit(int code, Datum arg)
{
	rama_unlisten();
}

/*
 * rama_listen() -- From here on, MyLatch is set when one of these PStates of
 * this database has a new version, or is dropped. See watch.h.
 *
 * Errors: 25006 on a standby, 55000 if the library is not preloaded.
 */
void
rama_listen(const Oid *relids, int count)
{
	static bool registered = false;
	uint64		bits = 0;

	rama_require_primary("a wait for changes");
	rama_require_preload("a wait for changes");
	if (!registered)
	{
		RegisterXactCallback(at_abort, NULL);
		before_shmem_exit(at_exit, (Datum) 0);
		registered = true;
	}
	for (int i = 0; i < count; i++)
		bits |= rama_listen_bit(MyDatabaseId, relids[i]);
	if (!listening)
	{
		listening = true;
		pg_atomic_fetch_add_u32(&listeners->count, 1);
	}
	/* A full barrier: what is published from now on sees it. */
	pg_atomic_exchange_u64(my_bits(), bits);
}

/*
 * rama_listen_wait() -- Wait until the latch is set, at most so long (-1: for
 * ever); false at the timeout.
 * Interrupts are served.
 */
bool
rama_listen_wait(long timeout_ms)
{
	int			events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;
	int			result;

	if (timeout_ms >= 0)
		events |= WL_TIMEOUT;
	result = WaitLatch(MyLatch, events, timeout_ms, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	return (result & WL_TIMEOUT) == 0;
}
