/*-------------------------------------------------------------------------
 *
 * copyout.h
 *	  Procedures that send lines to the client for as long as it likes, by
 *	  the protocol of COPY TO STDOUT.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_COPYOUT_H
#define RAMA_COPYOUT_H

#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"

/* Lines that wait to be sent. */
typedef struct RamaCopyOut
{
	MemoryContext context;		/* lives as long as the procedure runs */
	StringInfoData lines;
	int			start;			/* of the line that is being made */
} RamaCopyOut;

extern void rama_copyout_begin(RamaCopyOut *out, FunctionCallInfo fcinfo, const char *what);
extern void rama_copyout_end_line(RamaCopyOut *out);
extern void rama_copyout_send(RamaCopyOut *out);
extern void rama_copyout_next(void);
extern void rama_copyout_commit(RamaCopyOut *out);
extern void rama_copyout_wait(long timeout);
extern void rama_copyout_end(RamaCopyOut *out);

#endif							/* RAMA_COPYOUT_H */
