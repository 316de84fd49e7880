/*-------------------------------------------------------------------------
 *
 * aggregate_sql.c
 *	  Aggregates of SQL as aggregators: which one a name, a place and values
 *	  mean.
 *
 * The place holds the aggregate's state, as its transition function has left
 * it: a value of the state's type, or struct(state: ..., value: ...), where
 * value is what the final function makes of it. A value of the state's type
 * that is no argument of the aggregate is a state, too: the two are combined.
 *
 *-------------------------------------------------------------------------
 */
#include "path/aggregate.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "parser/parse_agg.h"
#include "parser/parse_coerce.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

static bool
is_usable(Oid function, bool *combines)
{
	HeapTuple	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(function));
	Form_pg_aggregate form;
	bool		usable;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_aggregate) GETSTRUCT(tuple);
	usable = form->aggkind == AGGKIND_NORMAL;
	*combines |= usable && OidIsValid(form->aggcombinefn);
	usable &= OidIsValid(form->aggcombinefn);
	ReleaseSysCache(tuple);
	return usable;
}

static bool
has_only_names(List *names)
{
	ListCell   *lc;

	foreach(lc, names)
		if (*strVal(lfirst(lc)) == '\0')
			return false;
	return list_length(names) <= 2;
}

/*
 * rama_sql_aggregates() -- The aggregates of SQL of a name, found as functions
 * are, that have a combine function; and how many values they take: one, if
 * there is such a one. NIL: there are none of that name.
 *
 * Error (42809) if there are, but none has a combine function.
 */
List *
rama_sql_aggregates(const char *name, int *nvalues)
{
	List	   *names = NIL;
	List	   *result = NIL;
	FuncCandidateList candidates;
	bool		any = false;
	bool		combines = false;

	/* What is no name of SQL is none of an aggregate. */
	if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$.\"") != strlen(name) &&
		strchr(name, '"') == NULL)
		return NIL;
	names = stringToQualifiedNameList_compat(name);
	if (!has_only_names(names))
		return NIL;
	candidates = FuncnameGetCandidates(names, -1, NIL, false, false, false, true);
	*nvalues = 0;
	for (FuncCandidateList c = candidates; c; c = c->next)
	{
		if (get_func_prokind(c->oid) != PROKIND_AGGREGATE)
			continue;
		any = true;
		if (c->nargs == 0 || !is_usable(c->oid, &combines))
			continue;
		result = lappend_oid(result, c->oid);
		if (*nvalues == 0 || c->nargs < *nvalues)
			*nvalues = c->nargs;
	}
	if (any && result == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("aggregate \"%s\" has no combine function", name),
				 errhint("Aggregators are aggregates with arguments that CREATE AGGREGATE gave a COMBINEFUNC.")));
	return result;
}

/* Is a value of that type given for the argument? The better, the more. */
static int
score_argument(Oid given, Oid wanted)
{
	char		category;
	bool		preferred;

	if (given == wanted)
		return 8;
	if (!OidIsValid(given))
	{
		get_type_category_preferred(wanted, &category, &preferred);
		return preferred ? 3 : 2;
	}
	if (IsPolymorphicType(wanted))
		return 4;
	if (can_coerce_type(1, &given, &wanted, COERCION_IMPLICIT))
	{
		get_type_category_preferred(wanted, &category, &preferred);
		return preferred ? 6 : 5;
	}
	return can_coerce_type(1, &given, &wanted, COERCION_ASSIGNMENT) ? 1 : -1;
}

static Oid
type_given(const RamaAggregate *aggregate, int i, Oid place)
{
	if (i < aggregate->ntypes && OidIsValid(aggregate->types[i]))
		return aggregate->types[i];
	return place;
}

/* The state's type, for arguments that are polymorphic, too. */
static Oid
state_type(const RamaAggregate *aggregate, Oid function, Oid declared, Oid place,
		   const Oid *args, int nargs, Oid *actual)
{
	bool		polymorphic = IsPolymorphicType(declared);

	for (int i = 0; i < nargs; i++)
	{
		actual[i] = args[i];
		if (!IsPolymorphicType(args[i]))
			continue;
		actual[i] = type_given(aggregate, i, place);
		if (args[i] == ANYARRAYOID && !OidIsValid(get_element_type(actual[i])))
			return InvalidOid;
		if (args[i] == ANYENUMOID && !type_is_enum(actual[i]))
			return InvalidOid;
		if (args[i] == ANYRANGEOID && !type_is_range(actual[i]))
			return InvalidOid;
		if (args[i] == ANYMULTIRANGEOID && !type_is_multirange(actual[i]))
			return InvalidOid;
		polymorphic = true;
	}
	if (!polymorphic)
		return declared;
	return resolve_aggregate_transtype(function, declared, actual, nargs);
}

static int
score_function(RamaAggregate *aggregate, Oid function, Oid place, RamaSqlAggregate *sql)
{
	HeapTuple	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(function));
	Oid			declared = ((Form_pg_aggregate) GETSTRUCT(tuple))->aggtranstype;
	Oid			actual[FUNC_MAX_ARGS];
	Oid		   *args;
	int			nargs;
	int			score = 0;
	Oid			state;

	ReleaseSysCache(tuple);
	(void) get_func_signature(function, &args, &nargs);
	if (nargs != aggregate->call->nvalues)
		return -1;
	state = state_type(aggregate, function, declared, place, args, nargs, actual);
	if (!OidIsValid(state) || !IsBinaryCoercible(place, state))
		return -1;
	sql->combining = false;
	for (int i = 0; i < nargs && score >= 0; i++)
	{
		Oid			given = i < aggregate->ntypes ? aggregate->types[i] : InvalidOid;
		int			one = score_argument(given, actual[i]);

		score = one < 0 ? -1 : score + one;
	}
	/* A state of another place, to be combined with this one's. */
	if (score < 8 && nargs == 1 && aggregate->ntypes == 1 && aggregate->types[0] == state)
	{
		sql->combining = true;
		actual[0] = state;
		score = 7;
	}
	if (score < 0)
		return -1;
	sql->oid = function;
	sql->nargs = nargs;
	sql->args = palloc_array(RamaType, nargs);
	for (int i = 0; i < nargs; i++)
		rama_type_init(&sql->args[i], actual[i], -1);
	rama_type_init(&sql->state, state, -1);
	return score;
}

/* The one that fits best: its state to the place, its arguments to the values. */
static RamaSqlAggregate *
choose_function(RamaAggregate *aggregate, Oid place)
{
	RamaSqlAggregate *best = NULL;
	int			best_score = -1;
	ListCell   *lc;

	foreach(lc, aggregate->call->functions)
	{
		RamaSqlAggregate *sql = palloc0_object(RamaSqlAggregate);
		int			score = score_function(aggregate, lfirst_oid(lc), place, sql);

		if (score <= best_score)
			continue;
		best = sql;
		best_score = score;
	}
	return best;
}

static void
require_execute(Oid function)
{
	if (rama_function_aclcheck(function, GetUserId(), ACL_EXECUTE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_AGGREGATE, get_func_name(function));
	InvokeFunctionExecuteHook(function);
}

/* As in a query, the aggregate's owner needs the right to its functions. */
static void
require_execute_by_owner(Oid aggregate, Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(aggregate));
	Oid			owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;

	ReleaseSysCache(tuple);
	if (rama_function_aclcheck(function, owner, ACL_EXECUTE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FUNCTION, get_func_name(function));
	InvokeFunctionExecuteHook(function);
}

static char *
initial_of(HeapTuple tuple)
{
	bool		isnull;
	Datum		initial = SysCacheGetAttr(AGGFNOID, tuple, Anum_pg_aggregate_agginitval, &isnull);

	return isnull ? NULL : TextDatumGetCString(initial);
}

static Oid
result_type(Oid function, Oid *args, int nargs)
{
	Oid			result = get_func_rettype(function);
	Oid		   *declared;
	int			ndeclared;

	(void) get_func_signature(function, &declared, &ndeclared);
	if (IsPolymorphicType(result))
		result = enforce_generic_type_consistency(args, declared, nargs, result, false);
	return result;
}

static void
prepare_functions(RamaAggregate *aggregate, RamaSqlAggregate *sql)
{
	HeapTuple	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(sql->oid));
	Form_pg_aggregate form = (Form_pg_aggregate) GETSTRUCT(tuple);
	Oid			args[FUNC_MAX_ARGS];
	Expr	   *expression;
	Oid			transition;

	sql->initial = initial_of(tuple);
	sql->collation = aggregate->node->kind == RAMA_SCALAR ? aggregate->node->type.collation :
		sql->state.collation;
	for (int i = 0; i < sql->nargs; i++)
	{
		args[i] = sql->args[i].oid;
		if (!OidIsValid(sql->collation))
			sql->collation = sql->args[i].collation;
	}
	transition = sql->combining ? form->aggcombinefn : form->aggtransfn;
	require_execute_by_owner(sql->oid, transition);
	fmgr_info(transition, &sql->transition);
	build_aggregate_transfn_expr(args, sql->nargs, 0, false, sql->state.oid, sql->collation,
								 transition, InvalidOid, &expression, NULL);
	fmgr_info_set_expr((Node *) expression, &sql->transition);
	sql->has_final = OidIsValid(form->aggfinalfn);
	sql->result = sql->state.oid;
	if (sql->has_final)
	{
		sql->nfinal = form->aggfinalextra ? sql->nargs + 1 : 1;
		sql->result = result_type(sql->oid, args, sql->nargs);
		require_execute_by_owner(sql->oid, form->aggfinalfn);
		fmgr_info(form->aggfinalfn, &sql->final);
		build_aggregate_finalfn_expr(args, sql->nfinal, sql->state.oid, sql->result,
									 sql->collation, form->aggfinalfn, &expression);
		fmgr_info_set_expr((Node *) expression, &sql->final);
	}
	ReleaseSysCache(tuple);
}

static bool
prepare(RamaAggregate *aggregate, Oid place)
{
	aggregate->sql = choose_function(aggregate, place);
	if (aggregate->sql == NULL)
		return false;
	require_execute(aggregate->sql->oid);
	prepare_functions(aggregate, aggregate->sql);
	return true;
}

static RamaAggregate *
bind_last(const RamaNode *node, const char *name)
{
	return rama_aggregate_bind(rama_aggregator_call("last"), node, name, 0, NULL);
}

/* struct(state: ..., value: ...) */
static bool
fits_struct(RamaAggregate *aggregate)
{
	const RamaNode *node = aggregate->node;

	for (int i = 0; i < node->nchildren; i++)
	{
		const RamaNode *field = node->children[i];
		int			part = strcmp(field->name, "state") == 0 ? RAMA_SQL_STATE :
			strcmp(field->name, "value") == 0 ? RAMA_SQL_VALUE : -1;

		if (part < 0 || field->kind != RAMA_SCALAR)
			return false;
		aggregate->fields[part] = field;
		aggregate->parts[part] = bind_last(field, field->name);
	}
	return aggregate->fields[RAMA_SQL_STATE] && prepare(aggregate, aggregate->fields[RAMA_SQL_STATE]->type.oid);
}

/* A place for the state, or for the state and what it means. */
bool
rama_fits_sql(RamaAggregate *aggregate)
{
	const RamaNode *node = aggregate->node;

	if (node && node->kind == RAMA_STRUCT)
		return fits_struct(aggregate);
	if (node && node->kind != RAMA_SCALAR)
		return false;
	if (!prepare(aggregate, node ? node->type.oid : JSONBOID))
		return false;
	aggregate->parts[RAMA_SQL_STATE] = bind_last(node, "");
	return true;
}

/* rama_sql_states() -- For messages: the types of the states. */
char *
rama_sql_states(const RamaAggregatorCall *call)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, call->functions)
	{
		HeapTuple	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(lfirst_oid(lc)));
		char	   *type = format_type_be(((Form_pg_aggregate) GETSTRUCT(tuple))->aggtranstype);

		ReleaseSysCache(tuple);
		if (strstr(buf.data, type) == NULL)
			appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "", type);
	}
	return buf.data;
}
