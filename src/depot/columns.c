/*-------------------------------------------------------------------------
 *
 * columns.c
 *	  What users write as "columns" and "partition_by" of a depot.
 *
 * Both texts become parts of a CREATE TABLE statement that runs as the user.
 * Each is parsed by itself first and must be nothing but a list of table
 * elements, resp. of expressions; then the whole statement is parsed and must
 * be one CREATE TABLE with the expected number of elements.
 *
 *-------------------------------------------------------------------------
 */
#include "depot/depot.h"

#include "catalog/heap.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "access/transam.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/typcache.h"

/* ---- parsing ---- */

/*
 * Error positions are those of the given text, not of the client's query.
 */
static void
parse_error_callback(void *arg)
{
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery((const char *) arg);
	}
}

static void
push_parse_error_context(ErrorContextCallback *callback, const char *sql)
{
	callback->callback = parse_error_callback;
	callback->arg = unconstify(char *, sql);
	callback->previous = error_context_stack;
	error_context_stack = callback;
}

/*
 * The only statement of sql, or NULL if there are none or several. Syntax
 * errors (42601) are reported.
 */
static Node *
parse_one(const char *sql)
{
	ErrorContextCallback callback;
	List	   *statements;

	push_parse_error_context(&callback, sql);
	statements = raw_parser(sql, RAW_PARSE_DEFAULT);
	error_context_stack = callback.previous;
	return list_length(statements) == 1 ? linitial_node(RawStmt, statements)->stmt : NULL;
}

/* Is it CREATE TABLE name (elements) and nothing else? */
static bool
is_plain_create_table(Node *stmt)
{
	CreateStmt *create = (CreateStmt *) stmt;

	return stmt != NULL && IsA(stmt, CreateStmt) &&
		create->relation->relpersistence == RELPERSISTENCE_PERMANENT &&
		create->inhRelations == NIL && create->partspec == NULL &&
		create->partbound == NULL && create->ofTypename == NULL &&
		create->options == NIL && create->oncommit == ONCOMMIT_NOOP &&
		create->tablespacename == NULL && create->accessMethod == NULL &&
		!create->if_not_exists;
}

/* Is it SELECT expression, ... and nothing else? Returns the expressions. */
static List *
plain_expressions(Node *stmt)
{
	SelectStmt *select = (SelectStmt *) stmt;
	List	   *expressions = NIL;
	ListCell   *lc;

	if (stmt == NULL || !IsA(stmt, SelectStmt) ||
		select->distinctClause || select->intoClause || select->fromClause ||
		select->whereClause || select->groupClause || select->havingClause ||
		select->windowClause || select->valuesLists || select->sortClause ||
		select->limitOffset || select->limitCount || select->lockingClause ||
		select->withClause || select->op != SETOP_NONE)
		return NIL;
	foreach(lc, select->targetList)
	{
		ResTarget  *target = lfirst_node(ResTarget, lc);

		if (target->name || target->indirection)
			return NIL;
		expressions = lappend(expressions, target->val);
	}
	return expressions;
}

/* ---- checks ---- */

static void
refuse_primary_key(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
			 errmsg("a depot cannot have a primary key of its own"),
			 errdetail("The column \"%s\" is the primary key of every depot.",
					   RAMA_OFFSET_COLUMN),
			 errhint("Use UNIQUE, with NOT NULL where wanted.")));
}

static void
check_column(ColumnDef *column)
{
	ListCell   *lc;

	if (rama_is_managed_column(column->colname))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_COLUMN),
				 errmsg("column \"%s\" is managed by the depot", column->colname),
				 errhint("Every depot has the columns \"%s\", \"%s\", \"%s\" and \"%s\"; choose another name.",
						 RAMA_XID_COLUMN, RAMA_OFFSET_COLUMN,
						 RAMA_APPENDED_AT_COLUMN, RAMA_PARTITION_COLUMN)));
	foreach(lc, column->constraints)
	{
		if (lfirst_node(Constraint, lc)->contype == CONSTR_PRIMARY)
			refuse_primary_key();
	}
}

/*
 * rama_check_columns() -- Check the user's column list; returns how many
 * elements it has.
 *
 * Errors: 42601 (not what CREATE TABLE has between its parentheses), 42P16
 * (a primary key), 42701 (the name of a managed column).
 */
int
rama_check_columns(const char *columns)
{
	Node	   *stmt = parse_one(psprintf("CREATE TABLE depot (%s\n)", columns));
	CreateStmt *create = (CreateStmt *) stmt;
	ListCell   *lc;

	if (!is_plain_create_table(stmt))
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("invalid columns of a depot"),
				 errdetail("\"columns\" is what CREATE TABLE has between its parentheses, and no more.")));
	foreach(lc, create->tableElts)
	{
		Node	   *element = (Node *) lfirst(lc);

		if (IsA(element, ColumnDef))
			check_column((ColumnDef *) element);
		else if (IsA(element, Constraint) && ((Constraint *) element)->contype == CONSTR_PRIMARY)
			refuse_primary_key();
	}
	return list_length(create->tableElts);
}

/* The text as SELECT list, behind a number of partitions: 1. */
static char *
partition_query(const char *partition_by)
{
	return psprintf("SELECT 1, %s\n", partition_by);
}

static List *
partition_expressions(const char *query)
{
	List	   *expressions = plain_expressions(parse_one(query));

	if (expressions == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("invalid \"partition_by\" of a depot"),
				 errdetail("It is a list of columns or of expressions over them.")));
	return expressions;
}

/*
 * rama_check_partition_by() -- Error (42601) unless the text is a list of
 * expressions. Whether they make sense is seen when the table is there.
 */
void
rama_check_partition_by(const char *partition_by)
{
	(void) partition_expressions(partition_query(partition_by));
}

/*
 * rama_check_depot_definition() -- Is the statement put together from the
 * user's texts one CREATE TABLE with that many elements?
 */
void
rama_check_depot_definition(const char *sql, int nelements)
{
	Node	   *stmt = parse_one(sql);

	if (!is_plain_create_table(stmt) ||
		list_length(((CreateStmt *) stmt)->tableElts) != nelements)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("invalid columns of a depot")));
}

/* ---- partition_by against the table ---- */

/*
 * Is the binary form of this type the same in every database? That of
 * composite types and arrays has oids of types in it.
 */
static bool
has_stable_binary_form(Oid type)
{
	Oid			base = getBaseType(type);
	Oid			element = get_element_type(base);

	if (type_is_rowtype(base) || get_typtype(base) == TYPTYPE_PSEUDO)
		return false;
	return !OidIsValid(element) || element < FirstGenbkiObjectId;
}

/*
 * rama_check_partition_types() -- Check partition_by as an expression of a
 * generated column of the table, and the types of its parts.
 *
 * Errors: 42703 (no such column), 42P17 (not immutable), 0A000 (a type whose
 * values cannot be hashed so that it lasts), and those of parse analysis.
 */
void
rama_check_partition_types(Relation rel, const char *partition_by)
{
	char	   *sql = partition_query(partition_by);
	List	   *name = list_make2(makeString(RAMA_SCHEMA), makeString("partition_of"));
	FuncCall   *call = makeFuncCall(name, partition_expressions(sql),
									COERCE_EXPLICIT_CALL, -1);
	ParseState *pstate = make_parsestate(NULL);
	ParseNamespaceItem *item;
	ErrorContextCallback callback;
	Node	   *cooked;
	ListCell   *lc;

	pstate->p_sourcetext = sql;
	item = addRangeTableEntryForRelation(pstate, rel, AccessShareLock, NULL, false, true);
	addNSItemToQuery(pstate, item, true, true, true);
	push_parse_error_context(&callback, sql);
	cooked = cookDefault(pstate, (Node *) call, INT4OID, -1, RAMA_PARTITION_COLUMN,
						 ATTRIBUTE_GENERATED_STORED);
	error_context_stack = callback.previous;
	free_parsestate(pstate);

	for_each_from(lc, castNode(FuncExpr, cooked)->args, 1)
	{
		Oid			type = exprType((Node *) lfirst(lc));

		if (!has_stable_binary_form(type))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot partition a depot by values of type %s",
							format_type_be(type)),
					 errhint("Partition by scalar columns or expressions.")));
	}
}
