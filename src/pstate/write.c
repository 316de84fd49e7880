/*-------------------------------------------------------------------------
 *
 * write.c
 *	  Writing to PStates: who may, the lock, and rows with what belongs to
 *	  them: enclosing levels, counts, and everything below.
 *
 * A collection exists if its count, in the enclosing row, is not NULL. Each
 * write ends its command, so that the next one sees it, be it in the same
 * statement of SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "pstate/pstate.h"
#include "storage/lmgr.h"
#include "topology/topology.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

static int64 change_count(RamaTable *table, const Datum *keys, int64 delta);

/*
 * rama_pstate_lock() -- Take the lock of a PState's one writer, to the end of
 * the transaction.
 *
 * An object lock, so that vacuum and readers are not kept out. Snapshots that
 * read what is to be changed are taken after this.
 */
void
rama_pstate_lock(Oid relid)
{
	LockDatabaseObject(RelationRelationId, relid, 0, ExclusiveLock);
}

/*
 * rama_pstate_check_writer() -- Error (55000) if a topology owns the PState,
 * and this is not its batch.
 */
void
rama_pstate_check_writer(RamaPState *pstate)
{
	if (OidIsValid(pstate->topology) && pstate->topology != rama_current_topology() &&
		get_rel_relkind(pstate->topology) != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("PState \"%s\" is written by topology \"%s\" only",
						rama_relation_name(pstate->relid),
						rama_relation_name(pstate->topology)),
				 errhint("Append an event to a depot of that topology.")));
}

static void
check_privileges(RamaPState *pstate, AclMode needed)
{
	AclMode		granted = pg_class_aclmask(pstate->relid, GetUserId(), needed, ACLMASK_ALL);

	if (granted != needed)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(pstate->relid));
	rama_pstate_check_row_security(pstate);
}

/*
 * rama_pstate_begin_write() -- Check that this session may write to the
 * PState, and take its lock.
 *
 * "needed" are the table privileges that the call needs, on the root. Errors:
 * 25006 (standby or read-only transaction), 42501, 55000 (owned).
 */
void
rama_pstate_begin_write(RamaPState *pstate, AclMode needed)
{
	if (rama_buffer_allows(pstate, needed) && !XactReadOnly && !IsInParallelMode())
		return;
	rama_require_primary("a write to a PState");
	PreventCommandIfReadOnly("a write to a PState");
	PreventCommandIfParallelMode("a write to a PState");
	check_privileges(pstate, needed);
	rama_version_init();
	rama_pstate_check_writer(pstate);
	rama_pstate_lock(pstate->relid);
	rama_buffer_use(pstate);
	/* An owner may have been made known while this waited. */
	pstate = rama_pstate_get(pstate->relid);
	rama_pstate_check_writer(pstate);
	rama_buffer_allow(pstate, needed);
}

/*
 * rama_write_snapshot() -- The snapshot that sees the newest state of a
 * PState whose lock is held, this transaction's writes included.
 *
 * Static memory: to be used, or registered, before the next command.
 */
Snapshot
rama_write_snapshot(void)
{
	return GetLatestSnapshot();
}

/*
 * rama_count_entry() -- A row with these keys appears (1) or goes (-1): keep
 * the count of its collection.
 *
 * Returns what the count of a vector was. Enclosing rows are made where they
 * are missing.
 */
int64
rama_count_entry(RamaTable *table, const Datum *keys, int64 delta)
{
	int64		count = 0;

	if (table->parent)
	{
		rama_version_change(table->pstate, 0);
		return change_count(table, keys, delta);
	}
	if (table->node->kind == RAMA_VECTOR)
		count = rama_version_count(table->pstate, rama_write_snapshot());
	rama_version_change(table->pstate, table->nkeys > 0 ? delta : 0);
	return count;
}

/*
 * Add to the count of the collection in "table" that belongs to the enclosing
 * row with these keys, and return what it was. The row, and those around it,
 * are made where they are missing.
 *
 * Counts are relative: never a conflict with a snapshot.
 */
static int64
change_count(RamaTable *table, const Datum *keys, int64 delta)
{
	RamaTable  *parent = table->parent;
	AttrNumber	attno = table->node->attno;
	bool		isnull = false;
	int64		count = 0;
	Datum		value;
	RamaRow		row;

	rama_row_open(&row, parent, keys, true);
	if (row.found && !row.nulls[attno - 1])
		count = DatumGetInt64(row.values[attno - 1]);
	value = Int64GetDatum(count + delta);
	row.as = RAMA_AS_COUNT;
	rama_row_set(&row, 1, &attno, &value, &isnull);
	if (!row.found)
		rama_count_entry(parent, keys, 1);
	rama_row_close(&row);
	return count;
}

/* A row appears. A new element of a vector goes to its end. */
static void
count_new(RamaTable *table, const Datum *keys)
{
	bool		isvector = table->node->kind == RAMA_VECTOR;
	int64		seen = -1;
	int64		count;
	int64		index;
	bool		isnull;

	if (isvector && IsolationUsesXactSnapshot())
		seen = rama_collection_count(table->node, keys, GetTransactionSnapshot(), &isnull);
	count = rama_count_entry(table, keys, 1);
	if (!isvector)
		return;
	index = DatumGetInt64(keys[table->nkeys - 1]);
	if (index == count)
		return;
	if (seen >= 0 && index == seen)	/* was the end */
		rama_serialization_failure();
	ereport(ERROR,
			(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
			 errmsg("index " INT64_FORMAT " is out of range", index),
			 errdetail("The vector has " INT64_FORMAT " elements.", count)));
}

/*
 * rama_row_store() -- Set columns of an open row, or make the row, and keep
 * the counts. The row is to be closed next.
 *
 * Other columns stay, or are NULL in a new row. Enclosing rows are made where
 * they are missing. Errors: 2202E (a new element of a vector that is not at
 * its end), 40001, and those of constraints.
 */
void
rama_row_store(RamaRow *row, int ncolumns, const AttrNumber *attnos,
			   const Datum *values, const bool *nulls)
{
	RamaTable  *table = row->table;

	if (!row->found)
		count_new(table, row->keys);
	else
		rama_version_change(table->pstate, 0);
	rama_row_set(row, ncolumns, attnos, values, nulls);
}

/*
 * rama_row_put() -- rama_row_store() for the row with these keys, which are
 * not null; returns whether the row is new.
 *
 * Errors: also 40001.
 */
bool
rama_row_put(RamaTable *table, const Datum *keys,
			 int ncolumns, const AttrNumber *attnos,
			 const Datum *values, const bool *nulls)
{
	RamaRow		row;

	rama_row_open(&row, table, keys, false);
	rama_row_store(&row, ncolumns, attnos, values, nulls);
	rama_row_close(&row);
	return !row.found;
}

/*
 * rama_vector_push() -- Append an element to a vector, whose keys are the
 * prefix, and return its index.
 */
int64
rama_vector_push(RamaTable *table, const Datum *prefix,
				 int ncolumns, const AttrNumber *attnos,
				 const Datum *values, const bool *nulls)
{
	Datum		keys[RAMA_MAX_KEYS];
	int64		index;
	RamaRow		row;

	if (table->chunks)
		return rama_vector_append(table, prefix, values, nulls, 1);
	index = rama_count_entry(table, prefix, 1);
	if (table->nkeys > 1)
		memcpy(keys, prefix, sizeof(Datum) * (table->nkeys - 1));
	keys[table->nkeys - 1] = Int64GetDatum(index);
	rama_row_open_new(&row, table, keys);
	rama_row_set(&row, ncolumns, attnos, values, nulls);
	rama_row_close(&row);
	return index;
}
