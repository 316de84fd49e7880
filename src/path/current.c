/*-------------------------------------------------------------------------
 *
 * current.c
 *	  Is a bound path what binding it now would give?
 *
 * Paths that use named paths or SQL functions depend on more than the schema of
 * their PState: on rows of rama.named_path and rama.path_function, on the
 * definitions of functions, on casts and types (overloads), on schemas and the right
 * to use them, on the user and on search_path. The user and search_path are
 * compared; everything else raises an epoch when it changes, in whatever session.
 *
 *-------------------------------------------------------------------------
 */
#include "path/path.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(rama_paths_loaded);

static uint64 epoch = 0;		/* 0: nothing is listened to yet */

/* The tables whose rows paths depend on; looked up when first needed */
static Oid	named_relid = InvalidOid;
static Oid	function_relid = InvalidOid;

static void
catalog_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	epoch++;
}

static void
relation_changed(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || relid == named_relid || relid == function_relid)
		epoch++;
}

static void
listen(void)
{
	static const int caches[] = {
		PROCOID, NAMESPACEOID, TYPEOID, CASTSOURCETARGET, AUTHOID, AUTHMEMMEMROLE
	};

	for (int i = 0; i < (int) lengthof(caches); i++)
		CacheRegisterSyscacheCallback(caches[i], catalog_changed, (Datum) 0);
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	epoch = 1;
}

/*
 * rama_path_begin_binding() -- Remember since when changes matter to a path.
 */
void
rama_path_begin_binding(RamaPath *path)
{
	if (epoch == 0)
		listen();
	path->epoch = epoch;
}

/*
 * rama_path_depend() -- The path that is being bound depends on what stands
 * at the head of this file.
 */
void
rama_path_depend(RamaPath *path)
{
	if (path->dependent)
		return;
	path->dependent = true;
	path->user = GetUserId();
	path->search_path = rama_get_search_path(path->context);
	/* Created anew, by DROP and CREATE EXTENSION, they have other oids. */
	named_relid = rama_catalog_relid("named_path");
	function_relid = rama_catalog_relid("path_function");
}

static bool
same_environment(const RamaPath *path)
{
	return path->user == GetUserId() && rama_search_path_matches(path->search_path);
}

/*
 * rama_path_is_current() -- Would binding the path now give the same? Hears of what
 * other sessions have committed.
 */
bool
rama_path_is_current(const RamaPath *path)
{
	if (!path->dependent)
		return true;
	AcceptInvalidationMessages();
	return path->epoch == epoch && same_environment(path);
}

/*
 * rama_path_bound_later() -- More of the path has been bound, in the middle of its
 * evaluation: if that was in another environment, it is used to its end, but not
 * again.
 */
void
rama_path_bound_later(RamaPath *path)
{
	if (!same_environment(path))
		path->epoch = 0;
}

/*
 * rama_paths_changed() -- Rows of rama.named_path or rama.path_function have changed:
 * now for this command's successors, and at commit for everybody.
 */
void
rama_paths_changed(const char *table)
{
	CacheInvalidateRelcacheByRelid(rama_catalog_relid(table));
	CommandCounterIncrement();
}

/*
 * rama_paths_loaded() -- Trigger function on these tables, for what is not changed by
 * C: the rows that a restored dump brings.
 */
Datum
rama_paths_loaded(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("must be called as a trigger")));
	CacheInvalidateRelcache(((TriggerData *) fcinfo->context)->tg_relation);
	return PointerGetDatum(NULL);
}
