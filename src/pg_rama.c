/*-------------------------------------------------------------------------
 *
 * pg_rama.c
 *	  Library entry point.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/xlog.h"
#include "fmgr.h"
#include "index/index.h"
#include "miscadmin.h"
#include "pstate/pstate.h"
#include "watch/query.h"
#include "watch/ring.h"
#include "watch/subscribe.h"
#include "worker/worker.h"

PG_MODULE_MAGIC;

/* Was the library loaded by shared_preload_libraries? */
bool		rama_preloaded = false;

void		_PG_init(void);

/*
 * _PG_init() -- Define settings; when preloaded, also shared memory, hooks
 * and the launcher. In a server that pg_upgrade has started, nothing but
 * settings and what replays WAL: the catalog comes to be piece by piece.
 */
void
_PG_init(void)
{
	rama_preloaded = process_shared_preload_libraries_in_progress && !IsBinaryUpgrade;
	rama_define_gucs();
	if (process_shared_preload_libraries_in_progress)
		ps_wal_register();
	rama_wake_init();
	if (rama_preloaded)
	{
		rama_shmem_init();
		rama_ring_init();
		rama_hold_init();
		rama_estimate_init();
		rama_visible_init();
		rama_refuse_init();
		ps_on_conflict_init();
		rama_changed_init();
		rama_subscribe_init();
		rama_watch_query_init();
		rama_launcher_register();
	}
}

/*
 * rama_require_preload() -- Error unless the library is preloaded.
 *
 * "what" is what cannot be done without, as the start of a message.
 */
void
rama_require_preload(const char *what)
{
	if (!rama_preloaded)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s requires pg_rama to be preloaded", what),
				 errhint("Add \"pg_rama\" to shared_preload_libraries and restart the server.")));
}

/*
 * rama_require_primary() -- Error (25006) on a standby.
 */
void
rama_require_primary(const char *what)
{
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot execute %s during recovery", what)));
}
