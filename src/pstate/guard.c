/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  The statement trigger that refuses DML by hand on PStates' tables.
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
 * rama_guard_pstate() -- Trigger function: error 55000 naming the owner, or
 * 0A000, unless the database is inactive, as during a restore.
 */
Datum
rama_guard_pstate(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	Oid			root;
	char	   *name;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("must be called as a trigger")));
	root = rama_pstate_root_of(RelationGetRelid(trigdata->tg_relation));
	if (!OidIsValid(root) || !rama_is_active())
		return PointerGetDatum(NULL);

	rama_pstate_check_writer(rama_pstate_get(root));
	name = rama_relation_name(RelationGetRelid(trigdata->tg_relation));
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot %s \"%s\" by hand: it belongs to a PState",
					statement(trigdata->tg_event), name),
			 errhint("Use rama.put, rama.add, rama.push or rama.remove.")));
}
