/*-------------------------------------------------------------------------
 *
 * fault.c
 *	  Fault points; empty unless built with -DRAMA_FAULTS. See fault.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fault.h"

#ifdef RAMA_FAULTS

#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include "access/xlog.h"
#include "utils/guc.h"

static char *fault = NULL;
static int	fault_skip = 0;
static bool fault_flush = false;

/* rama_fault_define_gucs() -- Define pg_rama.fault*. Called by rama_define_gucs(). */
void
rama_fault_define_gucs(void)
{
	DefineCustomStringVariable("pg_rama.fault", "Fault point at which to die.", NULL,
							   &fault, "", PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_rama.fault_skip", "How often to pass it before.", NULL,
							&fault_skip, 0, 0, INT_MAX, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("pg_rama.fault_flush", "Flush the session's WAL first.", NULL,
							 &fault_flush, false, PGC_SUSET, 0, NULL, NULL, NULL);
}

/*
 * rama_fault() -- Die like by kill -9, if this is the point that is set.
 */
void
rama_fault(const char *name)
{
	if (strcmp(fault, name) != 0 || fault_skip-- > 0)
		return;
	if (fault_flush)
		XLogFlush(XactLastRecEnd);
	kill(getpid(), SIGKILL);
}

#endif
