/*-------------------------------------------------------------------------
 *
 * changes.c
 *	  What a topology's batch has changed in a table of a PState, net.
 *
 * Of the tables that somebody asks about, each row is kept as it was before
 * the batch changed it for the first time. What it is now is read when the
 * question comes. So neither flushes of the write buffer nor subtransactions
 * that are rolled back need anything here.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/xact.h"
#include "lib/rbtree.h"
#include "miscadmin.h"
#include "parser/scansup.h"
#include "pstate/pstate.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/sortsupport.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"

/* A row as the batch found it */
typedef struct Former
{
	RBTNode		node;			/* must be first */
	bool		existed;
	bool	   *nulls;
	Datum	   *values;			/* the keys first; not existed: only those */
} Former;

typedef struct Tracked
{
	Oid			relid;
	int			nkeys;
	int			ncolumns;
	int16	   *len;			/* of each column */
	bool	   *byval;
	SortSupport sort;			/* of each key */
	RBTree	   *formers;		/* by key; NULL before the first */
} Tracked;

/* In TopTransactionContext; NIL between batches */
static List *tracked = NIL;

static void
on_xact(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT)
		tracked = NIL;			/* freed with the transaction's context */
}

static Tracked *
find_tracked(Oid relid)
{
	ListCell   *lc;

	foreach(lc, tracked)
	{
		Tracked    *table = lfirst(lc);

		if (table->relid == relid)
			return table;
	}
	return NULL;
}

/*
 * rama_changes_track() -- From here to the end of the transaction, which has
 * not changed it yet, remember what rows of this table were.
 */
void
rama_changes_track(Oid relid)
{
	static bool registered = false;
	MemoryContext old;
	Tracked    *table;

	if (find_tracked(relid))
		return;
	if (!registered)
		RegisterXactCallback(on_xact, NULL);
	registered = true;
	old = MemoryContextSwitchTo(TopTransactionContext);
	table = palloc0_object(Tracked);
	table->relid = relid;
	tracked = lappend(tracked, table);
	MemoryContextSwitchTo(old);
}

/*
 * rama_changes_tracked() -- Has rama_changes_track() been called for this table, or
 * view?
 */
bool
rama_changes_tracked(Oid relid)
{
	return tracked != NIL && find_tracked(relid) != NULL;
}

static int
compare_keys(const RBTNode *a, const RBTNode *b, void *arg)
{
	const Former *x = (const Former *) a;
	const Former *y = (const Former *) b;
	Tracked    *table = arg;

	for (int i = 0; i < table->nkeys; i++)
	{
		int			order = ApplySortComparator(x->values[i], false, y->values[i], false,
												&table->sort[i]);

		if (order != 0)
			return order;
	}
	return 0;
}

static void
combine(RBTNode *existing, const RBTNode *newdata, void *arg)
{
}

static RBTNode *
alloc_former(void *arg)
{
	return palloc(sizeof(Former));
}

/* The first change of the table. In TopTransactionContext. */
static void
init_tracked(Tracked *tracked_table, RamaTable *table)
{
	TupleDesc	desc = rama_table_desc(table);

	tracked_table->nkeys = table->nkeys;
	tracked_table->ncolumns = table->ncolumns;
	tracked_table->len = palloc_array(int16, table->ncolumns);
	tracked_table->byval = palloc_array(bool, table->ncolumns);
	for (int i = 0; i < table->ncolumns; i++)
	{
		tracked_table->len[i] = TupleDescAttr(desc, i)->attlen;
		tracked_table->byval[i] = TupleDescAttr(desc, i)->attbyval;
	}
	tracked_table->sort = palloc0_array(SortSupportData, Max(table->nkeys, 1));
	for (int i = 0; i < table->nkeys; i++)
	{
		SortSupport sort = &tracked_table->sort[i];

		sort->ssup_cxt = CurrentMemoryContext;
		sort->ssup_collation = table->keys[i].collation;
		sort->ssup_attno = i + 1;
		PrepareSortSupportFromOrderingOp(table->keys[i].lt_opr, sort);
	}
	tracked_table->formers = rbt_create(sizeof(Former), compare_keys, combine,
										alloc_former, NULL, tracked_table);
}

/* A copy of the row, or of the keys of one that was not there */
static void
keep_row(Tracked *table, Former *former, const Datum *keys, const Datum *values,
		 const bool *nulls)
{
	int			n = values ? table->ncolumns : table->nkeys;

	former->existed = values != NULL;
	former->values = palloc_array(Datum, Max(n, 1));
	former->nulls = palloc0_array(bool, Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		former->nulls[i] = values && nulls[i];
		if (!former->nulls[i])
			former->values[i] = datumCopy(values ? values[i] : keys[i],
										  table->byval[i], table->len[i]);
	}
}

/*
 * rama_changes_note() -- The row with these keys is about to change, be made
 * or be deleted. It has these values, one per column, or is not there
 * (values NULL).
 *
 * The caller holds the PState's lock.
 */
void
rama_changes_note(RamaTable *table, const Datum *keys, const Datum *values,
				  const bool *nulls)
{
	Tracked    *tracked_table;
	MemoryContext old;
	Former		former;
	bool		isnew;

	if (tracked == NIL || (tracked_table = find_tracked(table->relid)) == NULL)
		return;
	old = MemoryContextSwitchTo(TopTransactionContext);
	if (tracked_table->formers == NULL)
		init_tracked(tracked_table, table);
	if (tracked_table->ncolumns != table->ncolumns)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("columns of \"%s\" cannot change in a batch that reads what it has changed",
						table->name)));
	former.values = unconstify(Datum *, keys);
	if (rbt_find(tracked_table->formers, &former.node) == NULL)
	{
		keep_row(tracked_table, &former, keys, values, nulls);
		(void) rbt_insert(tracked_table->formers, &former.node, &isnew);
	}
	MemoryContextSwitchTo(old);
}

/* Columns after the keys. A set has none: there the element is its own value. */
static int
first_value(const RamaTable *table)
{
	return table->nkeys < table->ncolumns ? table->nkeys : table->nkeys - 1;
}

/*
 * rama_changes_column() -- Which column of the table does a column of
 * rama_changes_desc() come from?
 */
AttrNumber
rama_changes_column(const RamaTable *table, AttrNumber attno)
{
	int			first = first_value(table);

	if (attno <= table->nkeys)
		return attno;
	return (attno - table->nkeys - 1) % (table->ncolumns - first) + first + 1;
}

/*
 * rama_changes_desc() -- The columns of a table's changes: the keys, old_* and
 * new_* of the values. In the current memory context.
 *
 * Names are cut off as those that are too long in a statement.
 */
TupleDesc
rama_changes_desc(RamaTable *table)
{
	TupleDesc	from = rama_table_desc(table);
	int			nvalues = table->ncolumns - first_value(table);
	int			natts = table->nkeys + 2 * nvalues;
	TupleDesc	desc = CreateTemplateTupleDesc(natts);

	for (int i = 1; i <= natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(from, rama_changes_column(table, i) - 1);
		char	   *name = NameStr(attr->attname);

		if (i > table->nkeys)
		{
			name = psprintf("%s_%s", i > table->nkeys + nvalues ? "new" : "old", name);
			truncate_identifier(name, strlen(name), false);
		}
		TupleDescInitEntry(desc, i, name, attr->atttypid, attr->atttypmod, 0);
		TupleDescInitEntryCollation(desc, i, attr->attcollation);
	}
	return desc;
}

/* As IS NOT DISTINCT FROM, where the type has equality */
static bool
equal_values(Form_pg_attribute attr, Datum a, Datum b)
{
	TypeCacheEntry *entry;

	if (datum_image_eq(a, b, attr->attbyval, attr->attlen))
		return true;
	entry = lookup_type_cache(attr->atttypid, TYPECACHE_EQ_OPR_FINFO);
	return OidIsValid(entry->eq_opr_finfo.fn_oid) &&
		DatumGetBool(FunctionCall2Coll(&entry->eq_opr_finfo, attr->attcollation, a, b));
}

static bool
is_changed(TupleDesc desc, int nkeys, const Former *former, const RamaRow *row)
{
	if (former->existed != row->found)
		return true;
	for (int i = nkeys; row->found && i < desc->natts; i++)
		if (former->nulls[i] != row->nulls[i] ||
			(!row->nulls[i] &&
			 !equal_values(TupleDescAttr(desc, i), former->values[i], row->values[i])))
			return true;
	return false;
}

static void
put_change(RamaTable *table, const Former *former, const RamaRow *row,
		   Tuplestorestate *store, TupleDesc desc)
{
	int			first = first_value(table);
	int			nvalues = table->ncolumns - first;
	Datum	   *values = palloc_array(Datum, desc->natts);
	bool	   *nulls = palloc_array(bool, desc->natts);

	memset(nulls, true, sizeof(bool) * desc->natts);
	for (int i = 0; i < table->nkeys; i++)
	{
		values[i] = row->found ? row->values[i] : former->values[i];
		nulls[i] = false;
	}
	for (int i = first; i < table->ncolumns; i++)
	{
		int			old_column = table->nkeys + i - first;
		int			new_column = old_column + nvalues;

		if (former->existed && !former->nulls[i])
		{
			values[old_column] = former->values[i];
			nulls[old_column] = false;
		}
		if (row->found && !row->nulls[i])
		{
			values[new_column] = row->values[i];
			nulls[new_column] = false;
		}
	}
	tuplestore_putvalues(store, desc, values, nulls);
}

/* The row as it is now, in "row" as far as changes are concerned */
static void
read_row(RamaTable *table, const Datum *keys, RamaRow *row)
{
	TupleTableSlot *slot = NULL;

	if (table->chunks == NULL)
	{
		rama_row_open(row, table, keys, true);
		return;
	}
	row->found = rama_row_fetch(table, keys, rama_write_snapshot(), &slot);
	row->values = slot->tts_values;
	row->nulls = slot->tts_isnull;
}

/*
 * rama_changes_put() -- Put what changed in a tracked table into a tuplestore
 * of rama_changes_desc(), in the order of the keys. Rows that are again what
 * they were are left out.
 */
void
rama_changes_put(RamaTable *table, Tuplestorestate *store, TupleDesc desc)
{
	Tracked    *tracked_table = find_tracked(table->relid);
	MemoryContext context;
	MemoryContext old;
	RBTreeIterator it;
	Former	   *former;

	if (tracked_table == NULL || tracked_table->formers == NULL)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "pg_rama change",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	rbt_begin_iterate(tracked_table->formers, LeftRightWalk, &it);
	while ((former = (Former *) rbt_iterate(&it)) != NULL)
	{
		RamaRow		row;

		CHECK_FOR_INTERRUPTS();
		read_row(table, former->values, &row);
		if (is_changed(rama_table_desc(table), table->nkeys, former, &row))
			put_change(table, former, &row, store, desc);
		if (table->chunks == NULL)
			rama_row_close(&row);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
