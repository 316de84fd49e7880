/*-------------------------------------------------------------------------
 *
 * ring.h
 *	  The ring of changes in shared memory, and who listens. For src/watch.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_WATCH_RING_H
#define RAMA_WATCH_RING_H

#include "postgres.h"

#include "access/xlogdefs.h"
#include "lib/stringinfo.h"

/* Where a record is: bytes written to the ring before it. 0: nowhere. */
typedef uint64 RamaRingPos;

/* A record; then its ops, as record.c packs them */
typedef struct RamaRecord
{
	uint32		size;			/* with this header, a multiple of 8 */
	uint32		format;			/* of the tables: rama_record_format() */
	Oid			database;
	Oid			relid;
	int64		version;
	RamaRingPos previous;		/* the version before, of this PState */
	uint32		bytes;			/* of ops */
	bool		lost;			/* there were too many ops */
} RamaRecord;

/* What the ring knows of a PState */
typedef struct RamaRingState
{
	int64		base;			/* versions after this one were recorded */
	int64		last;			/* published last */
	RamaRingPos position;		/* of its record */
	int64		pending;		/* about to be published, or 0 */
	XLogRecPtr	lsn;			/* end of the last one's commit record */
} RamaRingState;

extern void rama_ring_init(void);
extern bool rama_ring_exists(void);
extern Size rama_ring_limit(void);

extern void rama_ring_prepare(Oid relid, int64 version, uint32 format, bool lost,
							  const char *ops, uint32 bytes);
extern void rama_ring_publish(XLogRecPtr lsn);
extern void rama_ring_cancel(void);
extern void rama_ring_forget(Oid relid);

extern bool rama_ring_state(Oid relid, RamaRingState *state);
extern bool rama_ring_header(RamaRingPos position, RamaRecord *record);
extern char *rama_ring_read(RamaRingPos position, RamaRecord *record);

/* listen.c */
extern Size rama_listen_shmem_size(void);
extern void rama_listen_shmem_init(void);
extern void rama_listen_wake(uint64 bits);
extern uint64 rama_listen_bit(Oid database, Oid relid);

#endif							/* RAMA_WATCH_RING_H */
