/*-------------------------------------------------------------------------
 *
 * wake.c
 *	  How a commit wakes workers.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker.h"

/*
 * rama_wake_at_commit() -- When this transaction commits, wake the workers
 * whose topologies read the depot. Called at a transaction's first append to
 * each depot.
 */
void
rama_wake_at_commit(Oid depot)
{
}

/*
 * rama_wake_catalog_at_commit() -- When this transaction commits, make all
 * workers of this database and the launcher read the catalog again.
 */
void
rama_wake_catalog_at_commit(void)
{
}
