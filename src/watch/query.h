/*-------------------------------------------------------------------------
 *
 * query.h
 *	  Watching the result of a query.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_WATCH_QUERY_H
#define RAMA_WATCH_QUERY_H

#include "path/reads.h"
#include "watch/copyout.h"
#include "watch/tail.h"
#include "watch/watch.h"

/* query.c */
extern void rama_watch_query_init(void);

/* query_call.c */
extern Jsonb *rama_query_call(const char *query, Jsonb *args, MemoryContext context);

/* query_concern.c */
extern bool rama_reads_concern(const RamaReads *reads, Oid pstate, const RamaChange *change);

/* query_line.c */
extern void rama_query_line_whole(StringInfo line, RamaTailFormat format, Jsonb *result);
extern void rama_query_lines(RamaCopyOut *out, RamaTailFormat format, int64 version,
							 List *differences);

#endif							/* RAMA_WATCH_QUERY_H */
