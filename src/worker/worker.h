/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  The launcher, the workers that run topologies, and how commits wake
 *	  them.
 *
 * See src/worker/README.md.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_WORKER_H
#define RAMA_WORKER_H

#include "pg_rama.h"

#include "clock.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "topology/topology.h"

/* How soon to start a process again that could not start, or has failed. */
#define RAMA_RETRY_MS 1000

#define RAMA_PLACES_HINT "Increase max_worker_processes, or decrease pg_rama.workers."

#define RAMA_MAX_DATABASES 256
#define RAMA_MAX_GROUPS 256
#define RAMA_MAX_SLOTS 128
#define RAMA_MAX_RATES 512
#define RAMA_MAX_RETRYING 16

/*
 * Which topologies a group of workers serves: those of one kind and owner in
 * one database. Stream and microbatch topologies have groups of their own, so
 * that a long microbatch does not delay a stream.
 */
typedef struct RamaGroup
{
	Oid			database;		/* InvalidOid: free */
	Oid			owner;
	RamaTopologyKind kind;
	int			ntopologies;	/* that are not paused */
	pg_atomic_uint64 depots;	/* rama_depot_bit()s of what they read */
	pg_atomic_uint32 wanted;	/* events came and no worker was there */
	RamaTicks	due_at;			/* wants a worker then, though no event comes */
	RamaTicks	left_at;		/* when its last worker left */
	RamaTicks	retry_at;		/* do not start a worker before */
	bool		no_duties;		/* ... whose last one found nothing to run */
} RamaGroup;

/* A worker process, from its registration by the launcher to its end. */
typedef struct RamaSlot
{
	bool		inuse;
	Oid			database;
	Oid			owner;			/* InvalidOid: a scout */
	RamaTopologyKind kind;
	pid_t		pid;			/* 0 until it has started */
	Latch	   *latch;
	RamaTicks	started_at;
	bool		idle;			/* waits; may be asked to give its place away */
	bool		leave;			/* asked to exit: another group has work */
	pg_atomic_uint64 depots;	/* read by appenders without a lock */
	pg_atomic_uint64 wanted;	/* bits of depots with new events */
	pg_atomic_uint32 reload;	/* the catalog has changed */
	pg_atomic_uint64 homes;		/* rama_depot_bit()s of topologies that it ran last */
	Oid			running;		/* the topology whose batch it runs, or InvalidOid */
	RamaTicks	running_since;
	Oid			retrying[RAMA_MAX_RETRYING];	/* topologies of which it knows the
											 * failed attempt; ends by InvalidOid */
	RamaTicks	retrying_since;
} RamaSlot;

typedef struct RamaDatabase
{
	Oid			oid;			/* InvalidOid: free */
	bool		dirty;			/* the catalog has changed: send a scout */
	bool		no_place;		/* there was none for its scout */
	int			holds;			/* no worker may run: DDL is going on */
	int			failures;		/* of scouts, one after the other */
	RamaTicks	retry_at;
} RamaDatabase;

/* How many events a topology has processed of late, see rate.c. */
typedef struct RamaRate
{
	Oid			database;
	Oid			topology;
	RamaTicks	at;
	double		events;
} RamaRate;

/*
 * Everything is protected by "lock", except the atomics. Latch pointers stay
 * valid for ever (they are PGPROC's): setting one too many does no harm.
 */
typedef struct RamaShared
{
	LWLock	   *lock;
	Latch	   *launcher;		/* NULL while there is none */
	pid_t		launcher_pid;
	bool		rescan;			/* look at all databases */
	bool		no_place;		/* max_worker_processes is too small */
	ConditionVariable changed;	/* a batch has committed, a worker has gone */
	pg_atomic_uint32 slots_used;	/* high-water mark of slots */
	pg_atomic_uint32 groups_used;	/* and of groups: commits read no more */
	pg_atomic_uint32 places_wanted; /* a group waits for a place */
	pg_atomic_uint64 hurry;		/* rama_depot_bit()s of topologies waited for */
	RamaDatabase databases[RAMA_MAX_DATABASES];
	RamaGroup	groups[RAMA_MAX_GROUPS];
	RamaSlot	slots[RAMA_MAX_SLOTS];
	RamaRate	rates[RAMA_MAX_RATES];
} RamaShared;

extern RamaShared *rama_shared;

/* The bit of a depot (or topology) in a 64-bit filter. */
static inline uint64
rama_depot_bit(Oid relid)
{
	return UINT64CONST(1) << ((relid * UINT64CONST(0x9E3779B97F4A7C15)) >> 58);
}

/* shmem.c */
extern void rama_shmem_init(void);
extern RamaDatabase *rama_database_slot(Oid database, bool create);
extern RamaGroup *rama_group_slot(Oid database, Oid owner, RamaTopologyKind kind);
extern void rama_slot_failed(const RamaSlot *slot);
extern void rama_groups_publish(Oid database, List *topologies);
extern bool rama_database_held(Oid database);

/* wake.c */
extern void rama_wake_init(void);
extern void rama_wake_at_commit(Oid depot);
extern void rama_wake_catalog_at_commit(void);
extern void rama_wake_all_at_commit(void);
extern void rama_scout_again(Oid database);
extern void rama_wake_database(Oid database, uint64 depots, bool reload);
extern void rama_wake_launcher(void);
extern void rama_scan_databases(void);

/* launcher.c */
extern void rama_launcher_register(void);
extern const char *rama_worker_hint(const RamaTopology *topology);
extern PGDLLEXPORT void rama_launcher_main(Datum arg);

/* worker.c */
extern PGDLLEXPORT void rama_worker_main(Datum arg);
extern RamaTicks rama_retried_elsewhere(Oid topology);
extern PGDLLEXPORT void rama_scout_main(Datum arg);

/* home.c */
extern void rama_home_run(RamaSlot *slot, Oid topology);
extern void rama_home_claim(RamaSlot *mine, Oid topology);
extern bool rama_home_elsewhere(const RamaSlot *mine, Oid topology, RamaTicks now,
								RamaTicks *recheck);

/* hold.c */
extern void rama_hold_init(void);

/* rate.c */
extern void rama_rate_count(Oid topology, int64 events);
extern bool rama_rate_read(Oid topology, double *rate);

/* waiting.c */
extern void rama_wait_begin(void);
extern bool rama_wait_sleep(RamaTopology *topology, RamaTicks deadline);
extern void rama_wait_end(void);

#endif							/* RAMA_WORKER_H */
