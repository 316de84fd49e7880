/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  The statement trigger that refuses DML by hand on PStates' tables, and
 *	  what does the same for their views (refuse.c calls it).
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "pstate/pstate.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(rama_guard_pstate);

/* The root of the PState that a table belongs to, or InvalidOid. */
Oid
rama_pstate_root_of(Oid relid)
{
	TupleDesc	desc;
	HeapTuple	row;
	bool		isnull;

	if (rama_is_pstate(relid))
		return relid;
	row = rama_catalog_fetch("pstate_child", relid, &desc);
	if (row == NULL)
		return InvalidOid;
	return DatumGetObjectId(heap_getattr(row, 2, desc, &isnull));
}

static const char *
statement(TriggerEvent event)
{
	if (TRIGGER_FIRED_BY_INSERT(event))
		return "INSERT into";
	if (TRIGGER_FIRED_BY_UPDATE(event))
		return "UPDATE";
	if (TRIGGER_FIRED_BY_DELETE(event))
		return "DELETE from";
	return "TRUNCATE";
}

/*
 * rama_refuse_by_hand() -- DML on a table or view that may be of a PState: error
 * 55000 naming the owner, or 0A000, unless the database is inactive, as during a
 * restore.
 */
void
rama_refuse_by_hand(Oid relid, const char *what)
{
	Oid			root = rama_pstate_root_of(relid);

	if (!OidIsValid(root) || !rama_is_active())
		return;
	rama_pstate_check_writer(rama_pstate_get(root));
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot %s \"%s\" by hand: it belongs to a PState", what,
					rama_relation_name(relid)),
			 errhint("Use rama.put, rama.add, rama.push or rama.remove.")));
}

/*
 * rama_guard_pstate() -- Trigger function: rama_refuse_by_hand().
 */
Datum
rama_guard_pstate(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("must be called as a trigger")));
	rama_refuse_by_hand(RelationGetRelid(trigdata->tg_relation), statement(trigdata->tg_event));
	return PointerGetDatum(NULL);
}
