/*-------------------------------------------------------------------------
 *
 * estimate.c
 *	  What the planner knows of the relation "batch".
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

/*
 * get_relation_stats_hook: statistics of a column of "batch" are those of the
 * depot's column.
 *
 * The owner of the topology may read the depot whole (see check_may_read()),
 * so its statistics tell nothing that the batch would not.
 */
static bool
get_batch_stats(PlannerInfo *root, RangeTblEntry *rte, AttrNumber attnum,
				VariableStatData *vardata)
{
	if (rte->rtekind != RTE_NAMEDTUPLESTORE || !OidIsValid(rama_current_topology()) ||
		strcmp(rte->enrname, RAMA_BATCH_RELATION) != 0)
		return prev_get_relation_stats &&
			prev_get_relation_stats(root, rte, attnum, vardata);

	vardata->statsTuple = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(rte->relid),
										  Int16GetDatum(attnum), BoolGetDatum(false));
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
