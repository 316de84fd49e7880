/*-------------------------------------------------------------------------
 *
 * write.c
 *	  Who may write to a PState, and its lock.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "pstate/pstate.h"
#include "storage/lmgr.h"
#include "topology/topology.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

/*
 * rama_pstate_lock() -- Take the lock of a PState's one writer, to the end of
 * the transaction.
 *
 * An object lock, so that vacuum and readers are not kept out. Snapshots that
 * read what is to be changed are taken after this.
 */
void
rama_pstate_lock(Oid relid)
{
	LockDatabaseObject(RelationRelationId, relid, 0, ExclusiveLock);
}

/*
 * rama_pstate_check_writer() -- Error (55000) if a topology owns the PState,
 * and this is not its batch.
 */
void
rama_pstate_check_writer(RamaPState *pstate)
{
	if (OidIsValid(pstate->topology) && pstate->topology != rama_current_topology() &&
		get_rel_relkind(pstate->topology) != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("PState \"%s\" is written by topology \"%s\" only",
						rama_relation_name(pstate->relid),
						rama_relation_name(pstate->topology)),
				 errhint("Append an event to a depot of that topology.")));
}

static void
check_privileges(RamaPState *pstate, AclMode needed)
{
	AclMode		granted = pg_class_aclmask(pstate->relid, GetUserId(), needed, ACLMASK_ALL);

	if (granted != needed)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(pstate->relid));
	rama_pstate_check_row_security(pstate);
}

/*
 * rama_pstate_begin_write() -- Check that this session may write to the
 * PState, and take its lock.
 *
 * "needed" are the table privileges that the call needs, on the root. Errors:
 * 25006 (standby or read-only transaction), 42501, 55000 (owned).
 */
void
rama_pstate_begin_write(RamaPState *pstate, AclMode needed)
{
	rama_require_primary("a write to a PState");
	PreventCommandIfReadOnly("a write to a PState");
	PreventCommandIfParallelMode("a write to a PState");
	check_privileges(pstate, needed);
	rama_pstate_check_writer(pstate);
	rama_pstate_lock(pstate->relid);
}

/*
 * rama_write_snapshot() -- The snapshot that sees the newest state of a
 * PState whose lock is held, this transaction's writes included.
 *
 * Static memory: to be used, or registered, before the next command.
 */
Snapshot
rama_write_snapshot(void)
{
	return GetLatestSnapshot();
}
