/*-------------------------------------------------------------------------
 *
 * cost.c
 *	  What the planner is told of the cost of a scan.
 *
 * A scan of ours does what a btree's does: it descends, and reads the leaves
 * between two bounds. So btree's estimate is used, with the conditions that
 * make the bounds; the other ones are filters. (From 18 on a btree can also
 * skip over a column without a condition, and its estimate would count on
 * that.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "nodes/makefuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/index_selfuncs.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"

#include "index/index.h"

static void set_tree_height(IndexOptInfo *index);
static List *bounding_clauses(IndexPath *path);
static bool clause_is_equality(IndexClause *clause, Oid opfamily);
static bool qual_is_equality(RestrictInfo *qual, Oid opfamily);
static void add_filters(PlannerInfo *root, IndexPath *path, int nbounding,
						Cost *startup, Cost *total, Selectivity *selectivity);

/*
 * amcostestimate. The planner holds a lock on the index.
 */
void
ps_cost_estimate(PlannerInfo *root, IndexPath *path, double loop_count,
				 Cost *startup, Cost *total, Selectivity *selectivity,
				 double *correlation, double *pages)
{
	IndexPath	bounded = *path;

	set_tree_height(path->indexinfo);
	bounded.indexclauses = bounding_clauses(path);
	btcostestimate(root, &bounded, loop_count, startup, total, selectivity,
				   correlation, pages);
	if (list_length(bounded.indexclauses) < list_length(path->indexclauses))
		add_filters(root, path, list_length(bounded.indexclauses),
					startup, total, selectivity);
}

/*
 * Before 18 the planner itself finds out the height of btrees only. It stays
 * in the planner's description of the index, as GiST's does.
 */
static void
set_tree_height(IndexOptInfo *info)
{
	Relation	index;

	if (info->tree_height >= 0 || info->hypothetical)
		return;
	index = index_open(info->indexoid, NoLock);
	info->tree_height = ps_root_level(index);
	index_close(index, NoLock);
}

/*
 * The clauses of the leading columns that have an equality, and of the next
 * one: they come in the order of columns.
 */
static List *
bounding_clauses(IndexPath *path)
{
	List	   *clauses = NIL;
	int			column = 0;
	bool		equality = false;
	ListCell   *lc;

	foreach(lc, path->indexclauses)
	{
		IndexClause *clause = lfirst_node(IndexClause, lc);

		if (clause->indexcol != column)
		{
			if (!equality || clause->indexcol != column + 1)
				break;
			column++;
			equality = false;
		}
		if (clause_is_equality(clause, path->indexinfo->opfamily[column]))
			equality = true;
		clauses = lappend(clauses, clause);
	}
	return clauses;
}

static bool
clause_is_equality(IndexClause *clause, Oid opfamily)
{
	ListCell   *lc;

	foreach(lc, clause->indexquals)
	{
		if (qual_is_equality(lfirst_node(RestrictInfo, lc), opfamily))
			return true;
	}
	return false;
}

static bool
qual_is_equality(RestrictInfo *qual, Oid opfamily)
{
	Expr	   *clause = qual->clause;
	Oid			operator;

	if (IsA(clause, NullTest))
		return ((NullTest *) clause)->nulltesttype == IS_NULL;
	else if (IsA(clause, OpExpr))
		operator = ((OpExpr *) clause)->opno;
	else if (IsA(clause, ScalarArrayOpExpr))
		operator = ((ScalarArrayOpExpr *) clause)->opno;
	else
		return false;
	return get_op_opfamily_strategy(operator, opfamily) == BTEqualStrategyNumber;
}

/*
 * Accounts for the conditions after the first nbounding: each is tested on
 * the entries between the bounds, and spares visits to the heap.
 */
static void
add_filters(PlannerInfo *root, IndexPath *path, int nbounding,
			Cost *startup, Cost *total, Selectivity *selectivity)
{
	IndexOptInfo *index = path->indexinfo;
	double		entries = clamp_row_est(*selectivity * index->rel->tuples);
	List	   *filters;
	List	   *quals;
	Cost		arguments;

	filters = get_quals_from_indexclauses(list_copy_tail(path->indexclauses,
														 nbounding));
	arguments = index_other_operands_eval_cost(root, filters);
	*startup += arguments;
	*total += arguments + entries * list_length(filters) * cpu_operator_cost;

	quals = get_quals_from_indexclauses(path->indexclauses);
	quals = add_predicate_to_index_quals(index, quals);
	*selectivity = clauselist_selectivity(root, quals, index->rel->relid,
										  JOIN_INNER, NULL);
}
