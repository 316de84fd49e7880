/*-------------------------------------------------------------------------
 *
 * append.c
 *	  rama.append(): INSERT of one event given as JSON.
 *
 * The INSERT goes through the executor, so that privileges, row security,
 * triggers and constraints are those of INSERT. Statements are prepared once
 * per session, depot and set of columns. They name the depot, so they are
 * dropped when it or a schema changes; the lock on the depot taken first
 * makes sure that we hear of it.
 *
 *-------------------------------------------------------------------------
 */
#include "depot/depot.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(rama_append);

/* Sets of columns per depot for which statements are kept. */
#define MAX_STATEMENTS 32

/* The INSERT for the columns that a JSON object has as keys. */
typedef struct Statement
{
	char	   *columns;		/* the keys, each with its zero byte */
	int			len;
	SPIPlanPtr	plan;
} Statement;

/*
 * What a session keeps per depot that it appended to; in TopMemoryContext,
 * emptied when stale, one entry per depot used.
 */
typedef struct Appender
{
	Oid			relid;			/* hash key */
	bool		valid;			/* cleared by invalidation */
	int			running;		/* statements in execution: none is freed */
	Oid			sequence;
	bool		whole;			/* the only column is "data jsonb" */
	int			nstatements;
	Statement	statements[MAX_STATEMENTS];
} Appender;

/* One append. */
typedef struct NewEvent
{
	Appender   *appender;
	Datum		data;
	bool		isnull;
	bool		skipped;		/* by a trigger */
} NewEvent;

static HTAB *appenders = NULL;

static Appender *get_appender(Oid relid);
static void insert_event(void *arg);
static SPIPlanPtr get_plan(Appender *appender, Datum data, bool isnull);
static char *insert_object(Appender *appender, const char *columns, int len);

/*
 * rama_append() -- rama.append(depot, data, id, expected): append an event,
 * and return its offset; NULL if a trigger of the depot skipped it.
 *
 * Errors: 42704 (not a depot), 0A000 (id, expected), 22023 (not an object),
 * 42703 (unknown key), 428C9 (managed column), 22004 (NULL), 25006 (standby,
 * read-only transaction), and those of INSERT.
 */
Datum
rama_append(PG_FUNCTION_ARGS)
{
	NewEvent	append;
	int64		offset;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("\"depot\" must not be null")));
	rama_require_primary("rama.append()");
	append.appender = get_appender(PG_GETARG_OID(0));
	append.data = PG_GETARG_DATUM(1);
	append.isnull = PG_ARGISNULL(1);
	append.skipped = false;
	if (!PG_ARGISNULL(2) || !PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("depot \"%s\" does not support \"%s\"",
						rama_relation_name(PG_GETARG_OID(0)),
						PG_ARGISNULL(2) ? "expected" : "id")));

	append.appender->running++;
	PG_TRY();
	{
		offset = rama_capture_offset(append.appender->sequence, insert_event, &append);
	}
	PG_FINALLY();
	{
		append.appender->running--;
	}
	PG_END_TRY();
	if (append.skipped)
		PG_RETURN_NULL();
	PG_RETURN_INT64(offset);
}

static void
insert_event(void *arg)
{
	NewEvent   *append = arg;
	Datum		values[1] = {append->data};
	char		nulls[1] = {append->isnull ? 'n' : ' '};
	int			rc;

	SPI_connect();
	rc = SPI_execute_plan(get_plan(append->appender, append->data, append->isnull),
						  values, nulls, false, 0);
	if (rc < 0)
		elog(ERROR, "could not append: %s", SPI_result_code_string(rc));
	append->skipped = SPI_processed == 0;
	SPI_finish();
}

/* ---- what is kept per depot ---- */

static void
invalidate_relation(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS status;
	Appender   *appender;

	hash_seq_init(&status, appenders);
	while ((appender = hash_seq_search(&status)) != NULL)
	{
		if (!OidIsValid(relid) || relid == appender->relid)
			appender->valid = false;
	}
}

static void
invalidate_schema(Datum arg, int cacheid, uint32 hashvalue)
{
	invalidate_relation((Datum) 0, InvalidOid);
}

static Appender *
find_appender(Oid relid)
{
	bool		found;
	Appender   *appender;

	if (appenders == NULL)
	{
		HASHCTL		ctl;

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(Appender);
		appenders = hash_create("pg_rama appenders", 16, &ctl, HASH_ELEM | HASH_BLOBS);
		CacheRegisterRelcacheCallback(invalidate_relation, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, invalidate_schema, (Datum) 0);
	}
	appender = hash_search(appenders, &relid, HASH_ENTER, &found);
	if (!found)
		memset((char *) appender + sizeof(Oid), 0, sizeof(Appender) - sizeof(Oid));
	return appender;
}

static void
drop_statements(Appender *appender)
{
	while (appender->nstatements > 0)
	{
		Statement  *statement = &appender->statements[--appender->nstatements];

		SPI_freeplan(statement->plan);
		pfree(statement->columns);
	}
}

/* Are the user's columns just "data jsonb"? */
static bool
is_whole(Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);
	int			ncolumns = 0;
	bool		whole = false;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped || rama_is_managed_column(NameStr(att->attname)))
			continue;
		ncolumns++;
		whole = att->atttypid == JSONBOID && strcmp(NameStr(att->attname), "data") == 0;
	}
	return whole && ncolumns == 1;
}

/*
 * What is known of the depot, up to date, and with RowExclusiveLock on it,
 * as INSERT takes it.
 */
static Appender *
get_appender(Oid relid)
{
	Appender   *appender;
	RamaDepot	depot;
	Relation	rel;

	LockRelationOid(relid, RowExclusiveLock);
	appender = find_appender(relid);
	if (appender->valid)
		return appender;

	/* Invalidations that arrive while we look set it back. */
	appender->valid = true;
	if (!rama_depot_lookup(relid, &depot))
	{
		appender->valid = false;
		rama_depot_get(relid, &depot);	/* reports it */
	}
	if (appender->running == 0)
		drop_statements(appender);
	else
		appender->valid = false;
	rel = table_open(relid, NoLock);
	appender->whole = is_whole(rel);
	appender->sequence = depot.sequence;
	table_close(rel, NoLock);
	return appender;
}

/* ---- statements ---- */

static void
check_key(Appender *appender, const char *key)
{
	if (rama_is_managed_column(key))
		ereport(ERROR,
				(errcode(ERRCODE_GENERATED_ALWAYS),
				 errmsg("cannot give a value for managed column \"%s\" of depot \"%s\"",
						key, rama_relation_name(appender->relid)),
				 errhint("Leave it out: it gets its value when the event is appended.")));
	if (get_attnum(appender->relid, key) <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of depot \"%s\" does not exist",
						key, rama_relation_name(appender->relid))));
}

/*
 * The keys of the object, each with its zero byte. jsonb sorts them, and has
 * none twice.
 */
static void
object_keys(Appender *appender, Jsonb *object, StringInfo keys)
{
	JsonbIterator *it;
	JsonbValue	value;
	JsonbIteratorToken token;

	if (!JB_ROOT_IS_OBJECT(object))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an event of depot \"%s\" is a JSON object with its columns as keys",
						rama_relation_name(appender->relid))));
	it = JsonbIteratorInit(&object->root);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			appendBinaryStringInfo(keys, value.val.string.val, value.val.string.len);
			appendStringInfoChar(keys, '\0');
		}
	}
}

/*
 * The prepared INSERT for this event, within SPI. It is kept unless there is
 * no room for it.
 */
static SPIPlanPtr
get_plan(Appender *appender, Datum data, bool isnull)
{
	StringInfoData columns;
	Oid			argtypes[1] = {JSONBOID};
	SPIPlanPtr	plan;
	Statement  *statement;

	initStringInfo(&columns);
	if (!appender->whole)
	{
		if (isnull)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("an event of depot \"%s\" must not be null",
							rama_relation_name(appender->relid))));
		object_keys(appender, DatumGetJsonbP(data), &columns);
	}
	for (int i = 0; appender->valid && i < appender->nstatements; i++)
	{
		statement = &appender->statements[i];
		if (statement->len == columns.len &&
			memcmp(statement->columns, columns.data, columns.len) == 0)
			return statement->plan;
	}

	plan = SPI_prepare(insert_object(appender, columns.data, columns.len), 1, argtypes);
	if (plan == NULL)
		elog(ERROR, "could not prepare: %s", SPI_result_code_string(SPI_result));
	if (!appender->valid || (appender->nstatements == MAX_STATEMENTS && appender->running > 1))
		return plan;
	if (appender->nstatements == MAX_STATEMENTS)
		drop_statements(appender);
	statement = &appender->statements[appender->nstatements];
	statement->columns = MemoryContextAlloc(TopMemoryContext, columns.len + 1);
	memcpy(statement->columns, columns.data, columns.len);
	statement->len = columns.len;
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "could not keep a plan");
	statement->plan = plan;
	appender->nstatements++;
	return plan;
}

/*
 * INSERT INTO depot (columns) SELECT columns FROM jsonb_to_record(...): core's
 * conversion from JSON. Columns that are no keys get their defaults.
 */
static char *
insert_object(Appender *appender, const char *columns, int len)
{
	char	   *table = rama_quoted_relation_name(appender->relid);
	StringInfoData names;
	StringInfoData types;

	if (appender->whole)
		return psprintf("INSERT INTO %s (data) VALUES ($1)", table);
	if (len == 0)
		return psprintf("INSERT INTO %s DEFAULT VALUES", table);

	initStringInfo(&names);
	initStringInfo(&types);
	for (const char *key = columns; key < columns + len; key += strlen(key) + 1)
	{
		const char *comma = key == columns ? "" : ", ";
		AttrNumber	attno;
		Oid			type;
		int32		typmod;
		Oid			collation;

		check_key(appender, key);
		attno = get_attnum(appender->relid, key);
		get_atttypetypmodcoll(appender->relid, attno, &type, &typmod, &collation);
		appendStringInfo(&names, "%s%s", comma, quote_identifier(key));
		appendStringInfo(&types, "%s%s %s", comma, quote_identifier(key),
						 format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN |
											  FORMAT_TYPE_FORCE_QUALIFY));
	}
	return psprintf("INSERT INTO %s (%s) SELECT %s FROM pg_catalog.jsonb_to_record($1) AS event(%s)",
					table, names.data, names.data, types.data);
}
