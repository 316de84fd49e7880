/*-------------------------------------------------------------------------
 *
 * ddl.c
 *	  The event triggers: what DDL does to depots, PStates and topologies.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "commands/event_trigger.h"
#include "depot/depot.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "index/index.h"
#include "path/path.h"
#include "pstate/pstate.h"
#include "topology/topology.h"

PG_FUNCTION_INFO_V1(rama_on_ddl_command_start);
PG_FUNCTION_INFO_V1(rama_on_ddl_command_end);
PG_FUNCTION_INFO_V1(rama_on_sql_drop);

static EventTriggerData *
event_trigger_data(FunctionCallInfo fcinfo)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("must be called as an event trigger")));
	return (EventTriggerData *) fcinfo->context;
}

/*
 * rama_on_ddl_command_start() -- Event trigger ddl_command_start: refuse what
 * would break a depot or a topology.
 */
Datum
rama_on_ddl_command_start(PG_FUNCTION_ARGS)
{
	Node	   *parsetree = event_trigger_data(fcinfo)->parsetree;

	rama_depot_check_ddl(parsetree);
	rama_topology_check_ddl(parsetree);
	rama_queries_before_ddl(parsetree);
	PG_RETURN_NULL();
}

static void
commands_altered(void)
{
	uint64		n;
	SPITupleTable *commands;

	SPI_connect();
	if (SPI_execute("SELECT classid, objid FROM pg_catalog.pg_event_trigger_ddl_commands() "
					"WHERE classid IS NOT NULL", true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not list altered objects");
	n = SPI_processed;
	commands = SPI_tuptable;
	for (uint64 i = 0; i < n; i++)
	{
		bool		isnull;
		Oid			classid = DatumGetObjectId(SPI_getbinval(commands->vals[i],
															 commands->tupdesc, 1, &isnull));
		Oid			objid = DatumGetObjectId(SPI_getbinval(commands->vals[i],
														   commands->tupdesc, 2, &isnull));

		rama_pstate_altered(classid, objid);
	}
	SPI_finish();
}

/*
 * rama_on_ddl_command_end() -- Event trigger ddl_command_end: what belongs to
 * an altered PState follows, what would break one, or the indexes on an enum, is
 * refused, and topologies and queries know renamed functions by their new names.
 */
Datum
rama_on_ddl_command_end(PG_FUNCTION_ARGS)
{
	Node	   *parsetree = event_trigger_data(fcinfo)->parsetree;

	rama_topology_renamed(parsetree);
	if (IsA(parsetree, RenameStmt) && ((RenameStmt *) parsetree)->renameType == OBJECT_SCHEMA)
	{
		RenameStmt *rename = (RenameStmt *) parsetree;

		rama_paths_renamed(rename->subname, rename->newname);
		rama_queries_renamed(rename->subname, rename->newname);
	}
	rama_queries_after_ddl(parsetree);
	if (IsA(parsetree, GrantStmt))
		rama_pstate_granted((GrantStmt *) parsetree);
	else if (IsA(parsetree, DropStmt) && ((DropStmt *) parsetree)->removeType == OBJECT_TRIGGER)
		rama_pstate_trigger_dropped((DropStmt *) parsetree);
	else if (IsA(parsetree, ViewStmt))
		rama_pstate_view_replaced((ViewStmt *) parsetree);
	else if (IsA(parsetree, AlterEnumStmt))
		ps_enum_altered((AlterEnumStmt *) parsetree);
	else if (rama_pstate_concerned(parsetree))
		commands_altered();
	PG_RETURN_NULL();
}

/*
 * rama_on_sql_drop() -- Event trigger sql_drop: remove catalog rows of
 * dropped relations, and the relations that belong to them.
 *
 * Runs as the user who drops, in the dropping command.
 */
Datum
rama_on_sql_drop(PG_FUNCTION_ARGS)
{
	bool		ours = false;

	(void) event_trigger_data(fcinfo);

	SPI_connect();
	if (SPI_execute("SELECT objid, objsubid, classid, object_name, object_identity FROM pg_catalog.pg_event_trigger_dropped_objects() "
					"WHERE classid OPERATOR(pg_catalog.=) ANY "
					"('{pg_catalog.pg_class,pg_catalog.pg_namespace,pg_catalog.pg_proc}'::pg_catalog.regclass[])",
					true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not list dropped objects");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		Oid			relid = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[i],
														   SPI_tuptable->tupdesc, 1, &isnull));

		Oid			classid = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[i],
															 SPI_tuptable->tupdesc, 3, &isnull));

		if (classid == NamespaceRelationId)
		{
			char	   *module = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 4);

			if (module)			/* not a temporary one */
			{
				rama_paths_dropped(module);
				rama_queries_dropped(module);
			}
			continue;
		}
		if (classid == ProcedureRelationId)
		{
			char	   *function = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 5);

			rama_query_function_dropped(function);
			rama_path_function_dropped(function);
			continue;
		}
		if (DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &isnull)) != 0)
		{
			rama_depot_column_dropped(relid);
			continue;
		}
		ours |= rama_topology_dropped(relid);
		ours |= rama_depot_dropped(relid);
		ours |= rama_pstate_dropped(relid);
	}
	SPI_finish();
	if (ours)
		rama_deactivate_if_last();
	PG_RETURN_NULL();
}
