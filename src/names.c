/*-------------------------------------------------------------------------
 *
 * names.c
 *	  Names of depots, PStates and topologies, which are relations.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/scansup.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/varlena.h"

/*
 * rama_relation_name() -- A relation's name for messages: with its schema
 * where search_path does not find it, without outer quotes.
 */
char *
rama_relation_name(Oid relid)
{
	char	   *name = get_rel_name(relid);

	if (name == NULL)
		return psprintf("%u", relid);
	if (RelationIsVisible(relid))
		return name;
	return psprintf("%s.%s", get_namespace_name_or_temp(get_rel_namespace(relid)), name);
}

/*
 * rama_quoted_relation_name() -- schema.name, quoted, for SQL text.
 */
char *
rama_quoted_relation_name(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name_or_temp(get_rel_namespace(relid)),
									  get_rel_name(relid));
}

/*
 * rama_check_owner() -- Error (42501) unless the user owns the relation.
 */
void
rama_check_owner(Oid relid)
{
	if (!object_ownercheck(RelationRelationId, relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(relid));
}

/*
 * Error (42622) if a part of a name is too long. The parser of names would
 * cut it off silently.
 */
static void
check_part_lengths(const char *name)
{
	bool		quoted = false;
	int			length = 0;

	for (const char *p = name; *p; p++)
	{
		if (*p == '"')
		{
			/* Of two quotes, the second counts. */
			if (quoted && p[1] == '"')
			{
				p++;
				length++;
			}
			else
				quoted = !quoted;
		}
		else if (*p == '.' && !quoted)
			length = 0;
		else if (quoted || !scanner_isspace(*p))
			length++;
		if (length >= NAMEDATALEN)
			ereport(ERROR,
					(errcode(ERRCODE_NAME_TOO_LONG),
					 errmsg("name \"%s\" is too long", name),
					 errdetail("Names have at most %d bytes.", NAMEDATALEN - 1)));
	}
}

/*
 * rama_split_name() -- Where would a new relation of this name, qualified or
 * not, be made?
 *
 * Parses the text as regclass input does. The namespace is the first of
 * search_path for an unqualified name. Errors: 42602 (not a name), 3F000 (no
 * such schema), 42622 (a part is longer than names can be), 42501 (no CREATE
 * privilege there).
 */
void
rama_split_name(const char *name, Oid *nspid, char **relname)
{
	List	   *names = stringToQualifiedNameList_compat(name);
	RangeVar   *rangevar = makeRangeVarFromNameList(names);
	AclResult	aclresult;

	check_part_lengths(name);
	if (rangevar->catalogname || rangevar->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("invalid name \"%s\"", name)));
	*nspid = RangeVarGetCreationNamespace(rangevar);
	*relname = rangevar->relname;
	aclresult = rama_namespace_aclcheck(*nspid, GetUserId(), ACL_CREATE);
	if (aclresult != ACLCHECK_OK)
		aclcheck_error(aclresult, OBJECT_SCHEMA, get_namespace_name(*nspid));
}

/*
 * rama_object_kind() -- "depot", "PState", "topology", or "table", "view" and
 * so on for what is none of pg_rama's.
 */
const char *
rama_object_kind(Oid relid)
{
	if (rama_catalog_fetch("depot", relid, NULL))
		return "depot";
	if (rama_catalog_fetch("pstate", relid, NULL))
		return "PState";
	if (rama_catalog_fetch("pstate_child", relid, NULL))
		return "table of a PState";
	if (rama_catalog_fetch("topology", relid, NULL))
		return "topology";
	switch (get_rel_relkind(relid))
	{
		case RELKIND_INDEX:
		case RELKIND_PARTITIONED_INDEX:
			return "index";
		case RELKIND_SEQUENCE:
			return "sequence";
		case RELKIND_VIEW:
			return "view";
		case RELKIND_MATVIEW:
			return "materialized view";
		case RELKIND_COMPOSITE_TYPE:
			return "type";
		case RELKIND_FOREIGN_TABLE:
			return "foreign table";
		default:
			return "table";
	}
}

/*
 * rama_check_name_free() -- Error (42P07) if the namespace has a relation of
 * that name; the hint says what it is.
 */
void
rama_check_name_free(Oid nspid, const char *relname)
{
	Oid			relid = get_relname_relid(relname, nspid);

	if (OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s\" already exists", relname),
				 errhint("Depots, PStates and topologies share the names of relations; \"%s\" is a %s.",
						 relname, rama_object_kind(relid))));
}

/* rama_refuse_null() -- Error (22004) if an argument of a function is null. */
void
rama_refuse_null(FunctionCallInfo fcinfo, int arg, const char *name)
{
	if (PG_ARGISNULL(arg))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name)));
}
