/*-------------------------------------------------------------------------
 *
 * publish.h
 *	  The end of transactions that changed PStates. For src/pstate.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_WATCH_PUBLISH_H
#define RAMA_WATCH_PUBLISH_H

#include "postgres.h"

#include "access/xact.h"

extern void rama_publish_prepare(Oid relid, int64 version);
extern void rama_publish_dropped(Oid relid);
extern void rama_publish_xact(XactEvent event);
extern void rama_publish_subxact(SubXactEvent event, int nestlevel);

#endif							/* RAMA_WATCH_PUBLISH_H */
