/*-------------------------------------------------------------------------
 *
 * retain.h
 *	  Changes that are kept in rama.change, for PStates whose owner asked for
 *	  that. For src/watch and src/pstate.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_WATCH_RETAIN_H
#define RAMA_WATCH_RETAIN_H

#include "watch/watch.h"

extern void rama_retained_store(RamaPState *pstate, int64 version, bool lost,
								const char *ops, Size size);
extern bool rama_retained_read(RamaPState *pstate, int64 version, RamaChange *change);
extern void rama_retained_delete(Oid relid);

#endif							/* RAMA_WATCH_RETAIN_H */
