/*-------------------------------------------------------------------------
 *
 * hold.c
 *	  DDL that running workers would keep waiting.
 *
 * While a DROP of what topologies use, or DDL on a whole database, runs, the
 * database is held: running batches are canceled (they are tried again, and
 * this does not count as a failure) or, for DDL on databases, the workers are
 * ended; none starts before the statement is over.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/worker.h"

#include "catalog/namespace.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "tcop/utility.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* How long to wait for the workers of a database to end. */
#define END_WORKERS_MS 10000

static ProcessUtility_hook_type prev_ProcessUtility = NULL;

/* What a statement wants of the workers of a database. */
typedef enum HoldKind
{
	HOLD_NONE,
	HOLD_CANCEL,				/* cancel batches */
	HOLD_END					/* end workers */
} HoldKind;

typedef struct HoldTarget
{
	HoldKind	kind;
	Oid			database;
} HoldTarget;

static bool
is_ours(Oid relid)
{
	return rama_catalog_fetch("depot", relid, NULL) ||
		rama_catalog_fetch("pstate", relid, NULL) ||
		rama_catalog_fetch("topology", relid, NULL);
}

static bool
drops_ours(DropStmt *stmt)
{
	ListCell   *lc;

	/* Whatever it names, it may reach a topology. */
	if (stmt->behavior == DROP_CASCADE)
		return true;
	switch (stmt->removeType)
	{
		case OBJECT_SCHEMA:
		case OBJECT_EXTENSION:
			return true;
		case OBJECT_TABLE:
			foreach(lc, stmt->objects)
			{
				RangeVar   *name = makeRangeVarFromNameList(lfirst(lc));
				Oid			relid = RangeVarGetRelid(name, NoLock, true);

				if (OidIsValid(relid) && is_ours(relid))
					return true;
			}
			return false;
		default:
			return false;
	}
}

static const char *
template_name(CreatedbStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->options)
	{
		DefElem    *option = lfirst(lc);

		if (strcmp(option->defname, "template") == 0 && option->arg)
			return defGetString(option);
	}
	return "template1";
}

static bool
sets_tablespace(AlterDatabaseStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->options)
		if (strcmp(((DefElem *) lfirst(lc))->defname, "tablespace") == 0)
			return true;
	return false;
}

/*
 * Which database has to be held for a statement, and how?
 */
static HoldTarget
hold_for(Node *parsetree)
{
	HoldTarget	none = {HOLD_NONE, InvalidOid};
	HoldTarget	here = {HOLD_CANCEL, MyDatabaseId};
	HoldTarget	other = {HOLD_END, InvalidOid};
	const char *name = NULL;

	switch (nodeTag(parsetree))
	{
		case T_DropStmt:
			return OidIsValid(get_extension_oid("pg_rama", true)) &&
				drops_ours((DropStmt *) parsetree) ? here : none;
		case T_DropOwnedStmt:
			return here;
		case T_DropdbStmt:
			name = ((DropdbStmt *) parsetree)->dbname;
			break;
		case T_RenameStmt:
			if (((RenameStmt *) parsetree)->renameType == OBJECT_DATABASE)
				name = ((RenameStmt *) parsetree)->subname;
			break;
		case T_AlterDatabaseStmt:
			if (sets_tablespace((AlterDatabaseStmt *) parsetree))
				name = ((AlterDatabaseStmt *) parsetree)->dbname;
			break;
		case T_CreatedbStmt:
			name = template_name((CreatedbStmt *) parsetree);
			break;
		default:
			break;
	}
	if (name == NULL)
		return none;
	other.database = get_database_oid(name, true);
	return OidIsValid(other.database) ? other : none;
}

/*
 * Signal the workers of a database. Returns how many processes there are.
 */
static int
signal_workers(Oid database, HoldKind kind)
{
	int			n = 0;

	LWLockAcquire(rama_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < RAMA_MAX_SLOTS; i++)
	{
		RamaSlot   *slot = &rama_shared->slots[i];

		if (!slot->inuse || slot->database != database)
			continue;
		n++;
		if (slot->pid == 0)
			continue;
		if (kind == HOLD_END)
			kill(slot->pid, SIGTERM);
		else if (OidIsValid(slot->owner) && !slot->idle)
		{
			slot->yield = true;
			kill(slot->pid, SIGINT);
		}
	}
	LWLockRelease(rama_shared->lock);
	return n;
}

static void
change_holds(Oid database, int by)
{
	RamaDatabase *entry;

	LWLockAcquire(rama_shared->lock, LW_EXCLUSIVE);
	entry = rama_database_slot(database, by > 0);
	if (entry)
	{
		entry->holds += by;
		if (by < 0)
			entry->dirty = true;
	}
	LWLockRelease(rama_shared->lock);
}

static void
begin_hold(Oid database, HoldKind kind)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), END_WORKERS_MS);

	change_holds(database, +1);
	if (kind == HOLD_CANCEL)
	{
		signal_workers(database, kind);
		return;
	}
	ConditionVariablePrepareToSleep(&rama_shared->changed);
	while (signal_workers(database, kind) > 0 && GetCurrentTimestamp() < deadline)
		ConditionVariableTimedSleep(&rama_shared->changed, 100, PG_WAIT_EXTENSION);
	ConditionVariableCancelSleep();
}

/* Also called when the backend exits within the statement. */
static void
end_hold(int code, Datum arg)
{
	Oid			database = DatumGetObjectId(arg);

	change_holds(database, -1);
	rama_wake_database(database, ~UINT64CONST(0), false);
	rama_wake_launcher();
}

/*
 * Forget a database that has been dropped.
 */
static void
forget_database(Oid database)
{
	RamaDatabase *entry;

	rama_groups_publish(database, NIL);
	LWLockAcquire(rama_shared->lock, LW_EXCLUSIVE);
	entry = rama_database_slot(database, false);
	if (entry)
		entry->oid = InvalidOid;
	LWLockRelease(rama_shared->lock);
}

static void
run(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
	ProcessUtilityContext context, ParamListInfo params,
	QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	if (prev_ProcessUtility)
		prev_ProcessUtility(pstmt, queryString, readOnlyTree, context, params,
							queryEnv, dest, qc);
	else
		standard_ProcessUtility(pstmt, queryString, readOnlyTree, context, params,
								queryEnv, dest, qc);
}

/* The statement, with a database held meanwhile. */
static void
run_held(const HoldTarget *target, PlannedStmt *pstmt, const char *queryString,
		 bool readOnlyTree, ProcessUtilityContext context, ParamListInfo params,
		 QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	Datum		database = ObjectIdGetDatum(target->database);

	begin_hold(target->database, target->kind);
	PG_ENSURE_ERROR_CLEANUP(end_hold, database);
	{
		run(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
	}
	PG_END_ENSURE_ERROR_CLEANUP(end_hold, database);
	end_hold(0, database);
}

static void
process_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	Node	   *parsetree = pstmt->utilityStmt;
	HoldTarget	target = {HOLD_NONE, InvalidOid};

	if (rama_shared && !RecoveryInProgress() && OidIsValid(MyDatabaseId))
		target = hold_for(parsetree);
	if (target.kind == HOLD_NONE)
		run(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
	else
		run_held(&target, pstmt, queryString, readOnlyTree, context, params,
				 queryEnv, dest, qc);

	if (target.kind == HOLD_END && IsA(parsetree, DropdbStmt))
		forget_database(target.database);
	else if (target.kind == HOLD_CANCEL)
		rama_wake_catalog_at_commit();
	/* Whose events are now committed is not known here. */
	else if (rama_shared && IsA(parsetree, TransactionStmt) &&
			 ((TransactionStmt *) parsetree)->kind == TRANS_STMT_COMMIT_PREPARED)
		rama_wake_database(MyDatabaseId, ~UINT64CONST(0), true);
}

/*
 * rama_hold_init() -- Install the hook. Called by _PG_init when preloaded.
 */
void
rama_hold_init(void)
{
	prev_ProcessUtility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
