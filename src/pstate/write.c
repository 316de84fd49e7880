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
	rama_require_primary("a write to a PState");
	PreventCommandIfReadOnly("a write to a PState");
	PreventCommandIfParallelMode("a write to a PState");
	check_privileges(pstate, needed);
	rama_version_init();
	rama_pstate_check_writer(pstate);
	rama_pstate_lock(pstate->relid);
	/* An owner may have been made known while this waited. */
	rama_pstate_check_writer(rama_pstate_get(pstate->relid));
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

static void
make_values(RamaRow *row, const Datum *keys, Datum **values, bool **nulls)
{
	RamaTable  *table = row->table;

	*values = palloc(sizeof(Datum) * table->ncolumns);
	*nulls = palloc(sizeof(bool) * table->ncolumns);
	if (row->found)
	{
		slot_getallattrs(row->slot);
		memcpy(*values, row->slot->tts_values, sizeof(Datum) * table->ncolumns);
		memcpy(*nulls, row->slot->tts_isnull, sizeof(bool) * table->ncolumns);
		return;
	}
	for (int i = 0; i < table->ncolumns; i++)
	{
		(*values)[i] = i < table->nkeys ? keys[i] : (Datum) 0;
		(*nulls)[i] = i >= table->nkeys;
	}
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
		return change_count(table, keys, delta);
	if (table->node->kind == RAMA_VECTOR)
		count = rama_version_count(table->pstate, rama_write_snapshot());
	rama_version_change(table->pstate, table->nkeys > 0 ? delta : 0);
	return count;
}

static void
store_row(RamaRow *row, Datum *values, bool *nulls)
{
	if (row->found)
		rama_row_update(row, values, nulls);
	else
		rama_row_insert(row, values, nulls);
	CommandCounterIncrement();
	pfree(values);
	pfree(nulls);
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
	Datum	   *values;
	bool	   *nulls;
	int64		count;
	RamaRow		row;

	rama_row_open(&row, parent, keys, true);
	make_values(&row, keys, &values, &nulls);
	count = nulls[attno - 1] ? 0 : DatumGetInt64(values[attno - 1]);
	values[attno - 1] = Int64GetDatum(count + delta);
	nulls[attno - 1] = false;
	store_row(&row, values, nulls);
	if (!row.found)
		rama_count_entry(parent, keys, 1);
	rama_row_close(&row);
	return count;
}

/* A new element of a vector goes to its end. */
static void
check_index(RamaTable *table, const Datum *keys, int64 count)
{
	int64		index;

	if (table->node->kind != RAMA_VECTOR)
		return;
	index = DatumGetInt64(keys[table->nkeys - 1]);
	if (index != count)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("index " INT64_FORMAT " is out of range", index),
				 errdetail("The vector has " INT64_FORMAT " elements.", count)));
}

/*
 * rama_row_put() -- Set columns of the row with these keys, which are not
 * null; returns whether the row is new.
 *
 * Other columns stay, or are NULL in a new row. Enclosing rows are made where
 * they are missing, and counts kept. Errors: 2202E (a new element of a vector
 * that is not at its end), 40001, and those of constraints.
 */
bool
rama_row_put(RamaTable *table, const Datum *keys,
			 int ncolumns, const AttrNumber *attnos,
			 const Datum *values, const bool *nulls)
{
	Datum	   *new_values;
	bool	   *new_nulls;
	RamaRow		row;
	bool		found;

	rama_row_open(&row, table, keys, false);
	make_values(&row, keys, &new_values, &new_nulls);
	for (int i = 0; i < ncolumns; i++)
	{
		new_values[attnos[i] - 1] = values[i];
		new_nulls[attnos[i] - 1] = nulls[i];
	}
	found = row.found;
	if (!found)
		check_index(table, keys, rama_count_entry(table, keys, 1));
	else
		rama_version_change(table->pstate, 0);
	store_row(&row, new_values, new_nulls);
	rama_row_close(&row);
	return !found;
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
	int64		index = rama_count_entry(table, prefix, 1);
	Datum	   *new_values = palloc(sizeof(Datum) * table->ncolumns);
	bool	   *new_nulls = palloc(sizeof(bool) * table->ncolumns);
	RamaRow		row;

	for (int i = 0; i < table->ncolumns; i++)
	{
		new_values[i] = i < table->nkeys - 1 ? prefix[i] : (Datum) 0;
		new_nulls[i] = i >= table->nkeys;
	}
	new_values[table->nkeys - 1] = Int64GetDatum(index);
	for (int i = 0; i < ncolumns; i++)
	{
		new_values[attnos[i] - 1] = values[i];
		new_nulls[attnos[i] - 1] = nulls[i];
	}
	rama_row_open_new(&row, table);
	store_row(&row, new_values, new_nulls);
	rama_row_close(&row);
	return index;
}
