/*-------------------------------------------------------------------------
 *
 * create.c
 *	  create_depot(), drop_depot(), and the catalog row of a depot.
 *
 *-------------------------------------------------------------------------
 */
#include "depot/depot.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "commands/defrem.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(rama_create_depot);
PG_FUNCTION_INFO_V1(rama_drop_depot);
PG_FUNCTION_INFO_V1(rama_guard_depot);

/* Columns of rama.depot */
#define Anum_depot_depot 1
#define Anum_depot_sequence 2
#define Anum_depot_partition_by 3
#define Anum_depot_partitions 4
#define Anum_depot_floor 5
#define Natts_depot 5

/* Number of elements that depot_definition() adds to the user's. */
#define MANAGED_ELEMENTS 5

static Oid	make_depot(Oid nspid, const char *relname, const char *columns,
					   const char *partition_by, int partitions);
static char *depot_definition(const char *nspname, const char *relname,
							  const char *sequence, const char *columns, int ncolumns,
							  const char *partition_by, int partitions);

/* ---- SQL functions ---- */

static char *
text_argument(FunctionCallInfo fcinfo, int n, const char *name, bool nullable)
{
	if (!PG_ARGISNULL(n))
		return text_to_cstring(PG_GETARG_TEXT_PP(n));
	if (!nullable)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("\"%s\" must not be null", name)));
	return NULL;
}

static bool
bool_argument(FunctionCallInfo fcinfo, int n)
{
	return !PG_ARGISNULL(n) && PG_GETARG_BOOL(n);
}

/*
 * How many partitions? Error (22023) if that makes no sense.
 */
static int
partitions_argument(FunctionCallInfo fcinfo, int n, const char *partition_by)
{
	int			partitions = PG_ARGISNULL(n) ? 0 : PG_GETARG_INT32(n);

	if (partitions < 1 || partitions > RAMA_MAX_PARTITIONS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of partitions must be between 1 and %d",
						RAMA_MAX_PARTITIONS)));
	if (partitions > 1 && partition_by == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a depot with more than one partition needs \"partition_by\""),
				 errhint("Name the columns or expressions that decide the partition, such as partition_by => 'data->>''user'''.")));
	return partitions;
}

/*
 * rama_create_depot() -- rama.create_depot(name, columns, partition_by,
 * partitions, dedup, segment_events, if_not_exists): make a depot, as the
 * calling user.
 *
 * Errors: 0A000 for options that do not exist yet, 22023 for partitions,
 * 42P07 where the name is taken, 42P16 for what depots cannot have, and all
 * that CREATE TABLE reports.
 */
Datum
rama_create_depot(PG_FUNCTION_ARGS)
{
	char	   *name = text_argument(fcinfo, 0, "name", false);
	char	   *columns = text_argument(fcinfo, 1, "columns", false);
	char	   *partition_by = text_argument(fcinfo, 2, "partition_by", true);
	int			partitions = partitions_argument(fcinfo, 3, partition_by);
	Oid			nspid;
	char	   *relname;
	Oid			relid;
	RamaDepot	depot;

	if (bool_argument(fcinfo, 4))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("depots with \"dedup\" are not supported yet")));
	if (!PG_ARGISNULL(5))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("depots with \"segment_events\" are not supported yet")));

	rama_split_name(name, &nspid, &relname);
	if (isAnyTempNamespace(nspid))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("a depot cannot be temporary")));

	relid = get_relname_relid(relname, nspid);
	if (OidIsValid(relid) && bool_argument(fcinfo, 6) && rama_depot_lookup(relid, &depot))
	{
		ereport(NOTICE,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("depot \"%s\" already exists, skipping", relname)));
		PG_RETURN_OID(relid);
	}
	rama_check_name_free(nspid, relname);

	PG_RETURN_OID(make_depot(nspid, relname, columns, partition_by, partitions));
}

/*
 * rama_drop_depot() -- rama.drop_depot(depot): DROP TABLE, for depots only.
 *
 * Errors: 42704 (not a depot), and those of DROP TABLE: 42501, and 2BP01
 * while something depends on it.
 */
Datum
rama_drop_depot(PG_FUNCTION_ARGS)
{
	RamaDepot	depot;

	rama_depot_get(PG_GETARG_OID(0), &depot);
	SPI_connect();
	SPI_execute(psprintf("DROP TABLE %s", rama_quoted_relation_name(depot.relid)), false, 0);
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * rama_guard_depot() -- Statement trigger of depots: events are not
 * changed (0A000).
 */
Datum
rama_guard_depot(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("must be called as a trigger")));
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot %s depot \"%s\"",
					TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ? "update" :
					TRIGGER_FIRED_BY_DELETE(trigdata->tg_event) ? "delete from" : "truncate",
					RelationGetRelationName(trigdata->tg_relation)),
			 errdetail("Events are appended and never changed."),
			 errhint("Append an event that says what has changed.")));
	PG_RETURN_NULL();
}

/* ---- making the table ---- */

static void
run(const char *sql)
{
	if (SPI_execute(sql, false, 0) < 0)
		elog(ERROR, "could not run: %s", sql);
}

/*
 * Make sequence, table and trigger, and the catalog row.
 */
static Oid
make_depot(Oid nspid, const char *relname, const char *columns,
		   const char *partition_by, int partitions)
{
	char	   *nspname = get_namespace_name(nspid);
	int			ncolumns = rama_check_columns(columns);
	char	   *seqname;
	char	   *sequence;
	char	   *table = quote_qualified_identifier(nspname, relname);
	char	   *definition;
	Relation	rel;
	Oid			relid;
	Datum		values[Natts_depot];
	bool		nulls[Natts_depot] = {false};

	if (partition_by)
		rama_check_partition_by(partition_by);

	/* Cut to fit into a name, and unlike any other, as for serial columns. */
	seqname = ChooseRelationName(relname, RAMA_OFFSET_COLUMN, "seq", nspid, false);
	sequence = quote_qualified_identifier(nspname, seqname);
	definition = depot_definition(nspname, relname, sequence, columns, ncolumns,
								  partition_by, partitions);
	rama_check_depot_definition(definition, ncolumns + MANAGED_ELEMENTS);

	SPI_connect();
	run(psprintf("CREATE SEQUENCE %s", sequence));
	run(definition);
	run(psprintf("ALTER SEQUENCE %s OWNED BY %s.%s", sequence, table, RAMA_OFFSET_COLUMN));
	run(psprintf("CREATE TRIGGER %s BEFORE UPDATE OR DELETE OR TRUNCATE ON %s "
				 "FOR EACH STATEMENT EXECUTE FUNCTION %s.guard_depot()",
				 RAMA_GUARD_TRIGGER, table, RAMA_SCHEMA));
	SPI_finish();

	relid = get_relname_relid(relname, nspid);
	rel = table_open(relid, NoLock);
	if (partition_by)
		rama_check_partition_types(rel, partition_by);
	table_close(rel, NoLock);

	rama_activate_if_first();
	values[Anum_depot_depot - 1] = ObjectIdGetDatum(relid);
	values[Anum_depot_sequence - 1] = ObjectIdGetDatum(get_relname_relid(seqname, nspid));
	nulls[Anum_depot_partition_by - 1] = partition_by == NULL;
	if (partition_by)
		values[Anum_depot_partition_by - 1] = CStringGetTextDatum(partition_by);
	values[Anum_depot_partitions - 1] = Int32GetDatum(partitions);
	values[Anum_depot_floor - 1] = Int64GetDatum(RAMA_NO_OFFSET);
	rama_catalog_insert("depot", values, nulls);
	rama_catalog_changed(relid);
	return relid;
}

/*
 * The CREATE TABLE statement of a depot: the user's columns, then the
 * managed ones and their CHECK.
 *
 * _partition of a depot with one partition is a default that the CHECK
 * compares with 0: a generated column would cost each row a copy.
 */
static char *
depot_definition(const char *nspname, const char *relname, const char *sequence,
				 const char *columns, int ncolumns,
				 const char *partition_by, int partitions)
{
	char	   *regclass = psprintf("%s::pg_catalog.regclass", quote_literal_cstr(sequence));
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE TABLE %s (\n%s\n%s",
					 quote_qualified_identifier(nspname, relname), columns,
					 ncolumns > 0 ? "," : "");
	appendStringInfo(&sql, RAMA_XID_COLUMN " pg_catalog.xid8 NOT NULL "
					 "DEFAULT pg_catalog.pg_current_xact_id(),\n");
	appendStringInfo(&sql, RAMA_OFFSET_COLUMN " pg_catalog.int8 PRIMARY KEY "
					 "DEFAULT " RAMA_SCHEMA ".next_offset(%s),\n", regclass);
	appendStringInfo(&sql, RAMA_APPENDED_AT_COLUMN " pg_catalog.timestamptz NOT NULL "
					 "DEFAULT pg_catalog.now(),\n");
	appendStringInfo(&sql, RAMA_PARTITION_COLUMN " pg_catalog.int4 NOT NULL ");
	if (partitions == 1)
		appendStringInfo(&sql, "DEFAULT 0,\n");
	else
		appendStringInfo(&sql, "GENERATED ALWAYS AS (" RAMA_SCHEMA ".partition_of(%d, %s\n)) STORED,\n",
						 partitions, partition_by);
	appendStringInfo(&sql, "CONSTRAINT " RAMA_DEPOT_CHECK " CHECK (" RAMA_SCHEMA ".check_event("
					 RAMA_XID_COLUMN ", " RAMA_OFFSET_COLUMN "%s, %s)))",
					 partitions == 1 ? ", " RAMA_PARTITION_COLUMN : "", regclass);
	return sql.data;
}

/* ---- looking it up ---- */

/*
 * rama_depot_lookup() -- Fill in *depot if the relation is a depot, else
 * return false. Takes no lock on the relation.
 */
bool
rama_depot_lookup(Oid relid, RamaDepot *depot)
{
	TupleDesc	desc;
	HeapTuple	tuple = rama_catalog_fetch("depot", relid, &desc);
	bool		isnull;

	if (tuple == NULL)
		return false;
	depot->relid = relid;
	depot->sequence = DatumGetObjectId(heap_getattr(tuple, Anum_depot_sequence, desc, &isnull));
	depot->partitions = DatumGetInt32(heap_getattr(tuple, Anum_depot_partitions, desc, &isnull));
	depot->floor = DatumGetInt64(heap_getattr(tuple, Anum_depot_floor, desc, &isnull));
	depot->xid_attno = get_attnum(relid, RAMA_XID_COLUMN);
	depot->offset_attno = get_attnum(relid, RAMA_OFFSET_COLUMN);
	depot->appended_at_attno = get_attnum(relid, RAMA_APPENDED_AT_COLUMN);
	depot->partition_attno = get_attnum(relid, RAMA_PARTITION_COLUMN);
	return depot->xid_attno != InvalidAttrNumber &&
		depot->offset_attno != InvalidAttrNumber &&
		depot->appended_at_attno != InvalidAttrNumber &&
		depot->partition_attno != InvalidAttrNumber;
}

/*
 * rama_depot_get() -- The same, with an error (42704) for what is no depot.
 */
void
rama_depot_get(Oid relid, RamaDepot *depot)
{
	if (!rama_depot_lookup(relid, depot))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("\"%s\" is not a depot", rama_relation_name(relid)),
				 errhint("rama.create_depot() makes depots; the view rama.depots lists them.")));
}

/*
 * rama_depot_find() -- The same, but false if there is no such relation: a view
 * names depots that its snapshot sees, and that may have been dropped since.
 */
bool
rama_depot_find(Oid relid, RamaDepot *depot)
{
	if (rama_depot_lookup(relid, depot))
		return true;
	if (get_rel_relkind(relid) == '\0')
		return false;
	rama_depot_get(relid, depot);
	return true;
}

/*
 * rama_depot_of_sequence() -- The depot whose offsets the sequence gives, or
 * InvalidOid.
 */
Oid
rama_depot_of_sequence(Oid sequence)
{
	TupleDesc	desc;
	List	   *rows = rama_catalog_fetch_all("depot", Anum_depot_sequence, sequence, &desc);
	ListCell   *lc;

	foreach(lc, rows)
	{
		bool		isnull;
		Oid			relid = DatumGetObjectId(heap_getattr((HeapTuple) lfirst(lc),
														  Anum_depot_depot, desc, &isnull));
		RamaDepot	depot;

		if (rama_depot_lookup(relid, &depot))
			return relid;
	}
	return InvalidOid;
}

/*
 * rama_is_managed_column() -- Is that the name of a managed column?
 */
bool
rama_is_managed_column(const char *name)
{
	return strcmp(name, RAMA_XID_COLUMN) == 0 ||
		strcmp(name, RAMA_OFFSET_COLUMN) == 0 ||
		strcmp(name, RAMA_APPENDED_AT_COLUMN) == 0 ||
		strcmp(name, RAMA_PARTITION_COLUMN) == 0;
}

/*
 * rama_depot_adopt() -- Make a depot that another cluster or database filled
 * ours: part of rama.activate().
 *
 * Waits for transactions that load into the depot or draw from its sequence,
 * and keeps others out to the end of the transaction. Error (55000) if the
 * sequence is behind the events.
 */
void
rama_depot_adopt(Oid relid)
{
	static const int attno = Anum_depot_floor;
	RamaDepot	depot;
	Relation	rel;
	int64		last;
	bool		isnull = false;
	Datum		floor;

	LockRelationOid(relid, ShareLock);
	rama_depot_get(relid, &depot);
	LockRelationOid(depot.sequence, ShareLock);

	rel = table_open(relid, NoLock);
	last = rama_last_event(rel);
	table_close(rel, NoLock);
	if (rama_sequence_horizon(depot.sequence) < last)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the sequence of depot \"%s\" is behind its events",
						rama_relation_name(relid)),
				 errhint("Set sequence \"%s\" to %lld with setval().",
						 rama_relation_name(depot.sequence), (long long) last)));
	floor = Int64GetDatum(rama_sequence_horizon(depot.sequence));
	rama_catalog_update("depot", relid, 1, &attno, &floor, &isnull);
	rama_catalog_changed(relid);
}
