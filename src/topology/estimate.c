/*-------------------------------------------------------------------------
 *
 * estimate.c
 *	  What the planner knows of the relations "batch" and changed_<pstate>.
 *
 * A tuplestore has no statistics, and without them the planner takes 200
 * distinct values for granted. The events of a batch are a sample of the
 * depot: its statistics are lent to the batch.
 *
 *-------------------------------------------------------------------------
 */
#include "topology/topology.h"

#include "access/htup_details.h"
#include "catalog/pg_statistic.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"

static get_relation_stats_hook_type prev_get_relation_stats = NULL;

/* Is it a relation of a handler? Then whose column is its column? */
static bool
find_source(RangeTblEntry *rte, AttrNumber attnum, Oid *relid, AttrNumber *column)
{
	if (rte->rtekind != RTE_NAMEDTUPLESTORE || !OidIsValid(rama_current_topology()))
		return false;
	*relid = rte->relid;
	*column = attnum;
	return strcmp(rte->enrname, RAMA_BATCH_RELATION) == 0 ||
		rama_changed_source(rte->enrname, attnum, relid, column);
}

/*
 * get_relation_stats_hook: statistics of a column of "batch" are those of the
 * depot's column, of changed_<pstate> those of the PState's.
 *
 * The owner of the topology may read the depot whole (see check_may_read()) and
 * owns the PState, so their statistics tell nothing new.
 */
static bool
get_batch_stats(PlannerInfo *root, RangeTblEntry *rte, AttrNumber attnum,
				VariableStatData *vardata)
{
	Oid			relid;
	AttrNumber	column;

	if (!find_source(rte, attnum, &relid, &column))
		return prev_get_relation_stats &&
			prev_get_relation_stats(root, rte, attnum, vardata);

	vardata->statsTuple = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(relid),
										  Int16GetDatum(column), BoolGetDatum(false));
	vardata->freefunc = ReleaseSysCache;
	vardata->acl_ok = true;
	return true;
}

/*
 * rama_estimate_init() -- Install the hook. Called by _PG_init.
 */
void
rama_estimate_init(void)
{
	prev_get_relation_stats = get_relation_stats_hook;
	get_relation_stats_hook = get_batch_stats;
}
