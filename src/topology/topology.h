/*-------------------------------------------------------------------------
 *
 * topology.h
 *	  Topologies: definition, batches, handlers, progress.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_TOPOLOGY_H
#define RAMA_TOPOLOGY_H

#include "pg_rama.h"

/* batch.c */
extern Oid	rama_current_topology(void);

/* define.c */
extern void rama_topology_dropped(Oid relid);

#endif							/* RAMA_TOPOLOGY_H */
