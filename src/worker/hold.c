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
#include "pstate/pstate.h"
#include "watch/publish.h"
#include "watch/subscribe.h"
#include "worker/worker.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_authid.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "parser/parse_func.h"
#include "parser/parse_type.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/snapmgr.h"

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
	List	   *relations;		/* to be locked first */
} HoldTarget;

static bool
is_ours(Oid relid)
{
	return rama_catalog_fetch("depot", relid, NULL) ||
		rama_catalog_fetch("pstate", relid, NULL) ||
		rama_catalog_fetch("topology", relid, NULL);
}

/*
 * The object that a DROP names, without a lock on it: only a hint, since it
 * may be another one when the statement looks. InvalidOid if it is not there,
 * or of a kind that no topology can depend on.
 */
static ObjectAddress
dropped_object(ObjectType type, Node *name)
{
	ObjectAddress address = InvalidObjectAddress;

	switch (type)
	{
		case OBJECT_TABLE:
		case OBJECT_VIEW:
		case OBJECT_MATVIEW:
		case OBJECT_FOREIGN_TABLE:
		case OBJECT_SEQUENCE:
			ObjectAddressSet(address, RelationRelationId,
							 RangeVarGetRelid(makeRangeVarFromNameList(castNode(List, name)),
											  NoLock, true));
			break;
		case OBJECT_FUNCTION:
		case OBJECT_PROCEDURE:
		case OBJECT_ROUTINE:
		case OBJECT_AGGREGATE:
			ObjectAddressSet(address, ProcedureRelationId,
							 LookupFuncWithArgs(type, castNode(ObjectWithArgs, name), true));
			break;
		case OBJECT_TYPE:
		case OBJECT_DOMAIN:
			ObjectAddressSet(address, TypeRelationId,
							 LookupTypeNameOid(NULL, castNode(TypeName, name), true));
			break;
		case OBJECT_SCHEMA:
			ObjectAddressSet(address, NamespaceRelationId,
							 get_namespace_oid(strVal(name), true));
			break;
		case OBJECT_EXTENSION:
			ObjectAddressSet(address, ExtensionRelationId,
							 get_extension_oid(strVal(name), true));
			break;
		default:
			break;
	}
	return address;
}

/*
 * Do a depot, a PState or a topology depend on one of these objects, which
 * the query in "start" gives as (classid, objid)? Adds depots to *relations.
 */
static bool
reaches_ours(const char *start, int nargs, Oid *types, Datum *args, List **relations)
{
	MemoryContext context = CurrentMemoryContext;
	bool		found = false;
	char	   *sql = psprintf("WITH RECURSIVE d (classid, objid) AS (%s UNION "
							   "SELECT p.classid, p.objid FROM pg_catalog.pg_depend p JOIN d "
							   "ON p.refclassid OPERATOR(pg_catalog.=) d.classid "
							   "AND p.refobjid OPERATOR(pg_catalog.=) d.objid) "
							   "SELECT objid FROM d WHERE classid OPERATOR(pg_catalog.=) "
							   "'pg_catalog.pg_class'::pg_catalog.regclass", start);

	SPI_connect();
	if (SPI_execute_with_args(sql, nargs, types, args, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not follow dependencies");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		Oid			relid = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[i],
														   SPI_tuptable->tupdesc, 1, &isnull));

		found = found || is_ours(relid);
		if (rama_catalog_fetch("depot", relid, NULL))
		{
			MemoryContext old = MemoryContextSwitchTo(context);

			*relations = list_append_unique_oid(*relations, relid);
			MemoryContextSwitchTo(old);
		}
	}
	SPI_finish();
	return found;
}

static bool
object_reaches_ours(const ObjectAddress *object, List **relations)
{
	Oid			types[2] = {OIDOID, OIDOID};
	Datum		args[2] = {ObjectIdGetDatum(object->classId), ObjectIdGetDatum(object->objectId)};

	return reaches_ours("SELECT $1, $2", 2, types, args, relations);
}

/* Schema owners may drop what is in their schema, too. */
static bool
may_drop(const ObjectAddress *object)
{
	Oid			namespace = get_object_namespace(object);

	return object_ownercheck(object->classId, object->objectId, GetUserId()) ||
		(OidIsValid(namespace) &&
		 object_ownercheck(NamespaceRelationId, namespace, GetUserId()));
}

/*
 * Does a DROP lock what depends on the objects that it names? It does so before
 * it refuses for want of CASCADE, too; of those, only a schema's is looked at.
 */
static bool
locks_dependents(const DropStmt *stmt)
{
	return stmt->behavior == DROP_CASCADE || stmt->removeType == OBJECT_SCHEMA;
}

/*
 * Does a DROP that the user may run drop a depot, a PState or a topology, or
 * lock it before it refuses, as far as one can see before it runs?
 */
static bool
drops_ours(DropStmt *stmt, List **relations)
{
	bool		found = false;
	ListCell   *lc;

	foreach(lc, stmt->objects)
	{
		ObjectAddress object = dropped_object(stmt->removeType, lfirst(lc));

		if (!OidIsValid(object.objectId) || !may_drop(&object))
			continue;
		if (object.classId == RelationRelationId && is_ours(object.objectId))
			found = true;
		/*
		 * pg_rama itself (which goes with its schema) leaves tables behind, but
		 * not their triggers, nor what describes them: who uses a table locks it,
		 * then reads that.
		 */
		if ((object.classId == ExtensionRelationId &&
			 object.objectId == get_extension_oid("pg_rama", true)) ||
			(object.classId == NamespaceRelationId &&
			 object.objectId == get_namespace_oid(RAMA_SCHEMA, true)))
		{
			found = true;
			*relations = list_concat_unique_oid(*relations, rama_catalog_relations("depot"));
			*relations = list_concat_unique_oid(*relations, rama_catalog_relations("pstate"));
		}
		if (locks_dependents(stmt) && object_reaches_ours(&object, relations))
			found = true;
	}
	return found;
}

/*
 * Does a DROP OWNED that the user may run drop a depot, a PState or a
 * topology?
 */
static bool
drops_owned_ours(DropOwnedStmt *stmt, List **relations)
{
	bool		found = false;
	ListCell   *lc;

	foreach(lc, stmt->roles)
	{
		Oid			role = get_rolespec_oid(lfirst(lc), true);
		Oid			types[1] = {OIDOID};
		Datum		args[1] = {ObjectIdGetDatum(role)};

		if (!OidIsValid(role) || !has_privs_of_role(GetUserId(), role))
			return false;
		if (reaches_ours("SELECT s.classid, s.objid FROM pg_catalog.pg_shdepend s "
						 "JOIN pg_catalog.pg_database b ON b.oid OPERATOR(pg_catalog.=) s.dbid "
						 "WHERE b.datname OPERATOR(pg_catalog.=) pg_catalog.current_database() "
						 "AND s.refobjid OPERATOR(pg_catalog.=) $1 "
						 "AND s.deptype OPERATOR(pg_catalog.=) 'o'", 1, types, args, relations))
			found = true;
	}
	return found;
}

static bool
may_create_databases(void)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	bool		result = false;

	if (HeapTupleIsValid(tuple))
	{
		result = ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;
		ReleaseSysCache(tuple);
	}
	return result || superuser();
}

static bool
is_template(Oid database)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	bool		result = false;

	if (HeapTupleIsValid(tuple))
	{
		result = ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;
		ReleaseSysCache(tuple);
	}
	return result;
}

/*
 * May the user run DDL on this database, or copy it?
 */
static bool
may_use_database(Node *parsetree, Oid database)
{
	bool		owner = object_ownercheck(DatabaseRelationId, database, GetUserId());

	if (IsA(parsetree, CreatedbStmt))
		return may_create_databases() && (owner || is_template(database));
	return owner;
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
 * Which database has to be held for a statement, and how? None for a
 * statement that the user may not run: it must not cancel anybody's batches.
 * Nor for what a handler drops: it would cancel its own batch, and two workers
 * could cancel each other for ever.
 */
static HoldTarget
hold_for(Node *parsetree)
{
	HoldTarget	none = {HOLD_NONE, InvalidOid, NIL};
	HoldTarget	here = {HOLD_CANCEL, MyDatabaseId, NIL};
	HoldTarget	other = {HOLD_END, InvalidOid, NIL};
	const char *name = NULL;

	if (OidIsValid(rama_current_topology()))
		return none;
	switch (nodeTag(parsetree))
	{
		case T_DropStmt:
			return OidIsValid(get_extension_oid("pg_rama", true)) &&
				drops_ours((DropStmt *) parsetree, &here.relations) ? here : none;
		case T_DropOwnedStmt:
			return OidIsValid(get_extension_oid("pg_rama", true)) &&
				drops_owned_ours((DropOwnedStmt *) parsetree, &here.relations) ? here : none;
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
	return OidIsValid(other.database) && may_use_database(parsetree, other.database) ?
		other : none;
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
			kill(slot->pid, SIGINT);
	}
	LWLockRelease(rama_shared->lock);
	if (kind == HOLD_END)
		n += rama_notifiers_end(database);
	return n;
}

static void
change_holds(Oid database, int by)
{
	RamaDatabase *entry;

	LWLockAcquire(rama_shared->lock, LW_EXCLUSIVE);
	entry = rama_database_slot(database, by > 0);
	if (entry && entry->holds + by >= 0)
	{
		entry->holds += by;
		if (by < 0)
			entry->dirty = true;
	}
	LWLockRelease(rama_shared->lock);
}

/* Cancel the batches, or wait until the workers have ended. */
static void
clear_database(Oid database, HoldKind kind)
{
	RamaTicks	deadline = rama_ticks_after(rama_ticks(), END_WORKERS_MS);

	if (kind == HOLD_CANCEL)
	{
		signal_workers(database, kind);
		return;
	}
	ConditionVariablePrepareToSleep(&rama_shared->changed);
	while (signal_workers(database, kind) > 0 && rama_ticks() < deadline)
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
 * Forget a database that has been dropped, and the hold: no scout is to be
 * sent there any more.
 */
static void
forget_database(Oid database)
{
	RamaDatabase *entry;

	rama_groups_publish(database, NIL);
	rama_notifier_forget(database);
	LWLockAcquire(rama_shared->lock, LW_EXCLUSIVE);
	entry = rama_database_slot(database, false);
	if (entry)
		entry->oid = InvalidOid;
	LWLockRelease(rama_shared->lock);
}

/*
 * May the statement be about to give topologies to another owner? Their new
 * group may have no worker that would notice. Restores change the owners of
 * all tables, one by one: those must not send a scout each.
 */
static bool
changes_owner(Node *parsetree)
{
	AlterTableStmt *stmt = (AlterTableStmt *) parsetree;
	bool		changes = false;
	ListCell   *lc;
	Oid			relid;

	if (IsA(parsetree, ReassignOwnedStmt))
		return true;
	if (!IsA(parsetree, AlterTableStmt))
		return false;
	foreach(lc, stmt->cmds)
		changes |= lfirst_node(AlterTableCmd, lc)->subtype == AT_ChangeOwner;
	if (!changes || !IsTransactionState() ||
		!OidIsValid(get_extension_oid("pg_rama", true)))
		return false;
	relid = RangeVarGetRelid(stmt->relation, NoLock, true);
	return OidIsValid(relid) && rama_is_topology(relid);
}

/* Does the statement say whether a database accepts connections? */
static bool
opens_database(Node *parsetree)
{
	ListCell   *lc;

	if (!IsA(parsetree, AlterDatabaseStmt))
		return false;
	foreach(lc, ((AlterDatabaseStmt *) parsetree)->options)
		if (strcmp(((DefElem *) lfirst(lc))->defname, "allow_connections") == 0)
			return true;
	return false;
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

/*
 * An appender locks the depot, then its sequence, and reads our tables. A DROP
 * would lock them in the order in which they were made, and both would be stuck.
 */
static void
lock_first(List *relations)
{
	ListCell   *lc;

	list_sort(relations, list_oid_cmp);
	foreach(lc, relations)
		LockRelationOid(lfirst_oid(lc), AccessExclusiveLock);
}

/* DROP EXTENSION leaves PStates' tables; who watches them is to be told. */
static void
tell_watchers(List *pstates)
{
	ListCell   *lc;

	if (OidIsValid(get_extension_oid("pg_rama", true)))
		return;
	foreach(lc, pstates)
		rama_publish_dropped(lfirst_oid(lc));
}

/* The statement, with a database held meanwhile. */
static void
run_held(const HoldTarget *target, PlannedStmt *pstmt, const char *queryString,
		 bool readOnlyTree, ProcessUtilityContext context, ParamListInfo params,
		 QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	Datum		database = ObjectIdGetDatum(target->database);
	bool		drops = IsA(pstmt->utilityStmt, DropdbStmt);
	List	   *pstates = target->kind == HOLD_CANCEL ? rama_catalog_relations("pstate") : NIL;

	change_holds(target->database, +1);
	PG_ENSURE_ERROR_CLEANUP(end_hold, database);
	{
		clear_database(target->database, target->kind);
		lock_first(target->relations);
		run(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
		if (target->kind == HOLD_CANCEL)
			tell_watchers(pstates);
	}
	PG_END_ENSURE_ERROR_CLEANUP(end_hold, database);
	if (drops)
		forget_database(target->database);
	else
		end_hold(0, database);
}

static void
process_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	/* The statement may be freed when it has run: a ROLLBACK, for one. */
	Node	   *parsetree = pstmt->utilityStmt;
	bool		new_owner = rama_shared && changes_owner(parsetree);
	bool		opens = rama_shared && opens_database(parsetree);
	bool		commits_prepared = rama_shared && IsA(parsetree, TransactionStmt) &&
		((TransactionStmt *) parsetree)->kind == TRANS_STMT_COMMIT_PREPARED;
	bool		in_batch = rama_visible_before_utility(parsetree);
	HoldTarget	target = {HOLD_NONE, InvalidOid, NIL};
	bool		discards = rama_shared && IsA(parsetree, DiscardStmt) &&
		((DiscardStmt *) parsetree)->target == DISCARD_ALL;

	rama_pstate_check_utility(parsetree);
	if (rama_shared && !RecoveryInProgress() && OidIsValid(MyDatabaseId))
		target = hold_for(parsetree);
	if (target.kind == HOLD_NONE)
		run(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
	else
		run_held(&target, pstmt, queryString, readOnlyTree, context, params,
				 queryEnv, dest, qc);
	if (in_batch)
		rama_visible_after_utility();
	/* UNLISTEN * is part of it. */
	if (discards)
		rama_unwatch_all();

	if (target.kind == HOLD_CANCEL || new_owner)
		rama_wake_catalog_at_commit();
	else if (opens)
		rama_wake_all_at_commit();
	/* Whose events are now committed is not known here. */
	else if (commits_prepared)
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
