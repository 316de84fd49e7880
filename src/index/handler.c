/*-------------------------------------------------------------------------
 *
 * handler.c
 *	  What the access method "pstate" can do, and which functions do it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/amapi.h"
#include "access/nbtree.h"
#include "access/stratnum.h"
#include "commands/vacuum.h"

#include "compat.h"
#include "index/index.h"

static void set_abilities(IndexAmRoutine *am);
static void set_functions(IndexAmRoutine *am);

PG_FUNCTION_INFO_V1(rama_pstate_handler);

/*
 * rama.pstate_handler(internal) returns index_am_handler: the routine, in the
 * current memory context.
 */
Datum
rama_pstate_handler(PG_FUNCTION_ARGS)
{
	IndexAmRoutine *am = makeNode(IndexAmRoutine);

	set_abilities(am);
	set_functions(am);
	rama_ordered_am_compat(am, ps_root_level);
	PG_RETURN_POINTER(am);
}

/*
 * Strategies and support 1 are btree's. Predicate locks are on whole indexes:
 * pages have no identity that would outlive their being emptied.
 */
static void
set_abilities(IndexAmRoutine *am)
{
	am->amstrategies = BTMaxStrategyNumber;
	am->amsupport = PS_NPROC;
	am->amoptsprocnum = 0;
	am->amcanorder = true;
	am->amcanorderbyop = false;
	am->amcanbackward = true;
	am->amcanunique = true;
	am->amcanmulticol = true;
	am->amoptionalkey = true;
	am->amsearcharray = true;
	am->amsearchnulls = true;
	am->amstorage = false;
	am->amclusterable = true;
	am->ampredlocks = false;
	am->amcanparallel = false;
	am->amcaninclude = true;
	am->amusemaintenanceworkmem = false;
	am->amparallelvacuumoptions =
		VACUUM_OPTION_PARALLEL_BULKDEL | VACUUM_OPTION_PARALLEL_COND_CLEANUP;
	am->amkeytype = InvalidOid;
}

static void
set_functions(IndexAmRoutine *am)
{
	am->ambuild = ps_build;
	am->ambuildempty = ps_build_empty;
	am->aminsert = ps_insert;
	am->ambulkdelete = ps_bulk_delete;
	am->amvacuumcleanup = ps_vacuum_cleanup;
	am->amcanreturn = ps_can_return;
	am->amcostestimate = ps_cost_estimate;
	am->amoptions = ps_options;
	am->amproperty = NULL;
	am->ambuildphasename = btbuildphasename;
	am->amvalidate = ps_validate;
	am->amadjustmembers = NULL;
	am->ambeginscan = ps_begin_scan;
	am->amrescan = ps_rescan;
	am->amgettuple = ps_get_tuple;
	am->amgetbitmap = ps_get_bitmap;
	am->amendscan = ps_end_scan;
	am->ammarkpos = ps_mark_position;
	am->amrestrpos = ps_restore_position;
	am->amestimateparallelscan = NULL;
	am->aminitparallelscan = NULL;
	am->amparallelrescan = NULL;
}
