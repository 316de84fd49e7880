/*-------------------------------------------------------------------------
 *
 * subscribe.h
 *	  Watches that are told by NOTIFY: their place in shared memory, and the
 *	  notifiers that serve them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_SUBSCRIBE_H
#define RAMA_SUBSCRIBE_H

#include "clock.h"
#include "port/atomics.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "utils/dsa.h"
#include "utils/timestamp.h"
#include "watch/filter.h"

#define RAMA_WATCH_ID_LEN 16
#define RAMA_CHANNEL_LEN 37		/* rama_ and 128 bits */
#define RAMA_MAX_NOTIFIERS 256

/* A watch. What it says of the path is in the area "paths". */
typedef struct RamaSubscription
{
	uint64		generation;		/* changes with everything below; 0: never used */
	bool		inuse;
	bool		local;			/* it is to fetch: its session has other settings */
	Oid			database;
	Oid			role;			/* whose rights count */
	Oid			pstate;
	int			pid;
	dsa_pointer path;
	int64		version;		/* of the value that its session got */
	pg_atomic_uint64 told;		/* up to this version it has been told */
	TimestampTz since;
	char		id[RAMA_WATCH_ID_LEN + 1];
	char		channel[RAMA_CHANNEL_LEN + 1];
} RamaSubscription;

/* The process that tells the watches of a database. */
typedef struct RamaNotifier
{
	Oid			database;		/* InvalidOid: free */
	int			nwatches;
	bool		starting;		/* registered by the launcher */
	pid_t		pid;
	Latch	   *latch;
	RamaTicks	retry_at;
} RamaNotifier;

typedef struct RamaSubscriptions
{
	LWLock	   *lock;			/* of all but atomics and latches */
	void	   *paths;			/* a DSA in place */
	pg_atomic_uint64 generation;
	int			used;			/* slots that ever were in use */
	RamaNotifier notifiers[RAMA_MAX_NOTIFIERS];
	RamaSubscription slots[FLEXIBLE_ARRAY_MEMBER];	/* rama_max_watches */
} RamaSubscriptions;

extern int	rama_max_watches;
extern RamaSubscriptions *rama_subscriptions;

/* subscribe.c */
extern void rama_subscribe_init(void);
extern void rama_unwatch_all(void);
extern RamaWatchPath *rama_subscription_path(const RamaSubscription *slot);
extern RamaNotifier *rama_notifier_slot(Oid database, bool create);

/* settings.c */
extern void rama_notifier_settings(void);
extern bool rama_watch_is_local(const RamaPState *pstate);
extern void rama_watch_share_keys(RamaWatchPath *watch);

/* notifier.c */
extern PGDLLEXPORT void rama_notifier_main(Datum arg);
extern int	rama_notifiers_end(Oid database);
extern void rama_notifier_forget(Oid database);

#endif							/* RAMA_SUBSCRIBE_H */
