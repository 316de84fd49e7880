/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  The launcher, the workers that run topologies, and how commits wake
 *	  them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_WORKER_H
#define RAMA_WORKER_H

#include "pg_rama.h"

/* wake.c */
extern void rama_wake_at_commit(Oid depot);
extern void rama_wake_catalog_at_commit(void);

#endif							/* RAMA_WORKER_H */
