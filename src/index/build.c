/*-------------------------------------------------------------------------
 *
 * build.c
 *	  Building an index: encodes all rows, sorts the entries, loads them.
 *
 * Entries are sorted as bytea, whose order is memcmp's and whose sort has
 * abbreviated keys. As in nbtree, a unique index's entries of dead rows, which
 * may repeat a key, are sorted apart and merged in.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/nbtree.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "catalog/pg_type.h"
#include "commands/progress.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

#include "index/index.h"

/* An entry as a datum: with a header of one or four bytes */
typedef union PsSortDatum
{
	struct varlena header;
	char		data[VARHDRSZ + PS_MAX_ENTRY];
} PsSortDatum;

typedef struct PsBuild
{
	Relation	heap;
	Relation	index;
	const PsIndex *info;
	bool		unique;
	bool		nulls_not_distinct;
	Tuplesortstate *live;
	Tuplesortstate *dead;		/* of a unique index; else NULL */
	bool		have_dead;
	double		ntuples;
	MemoryContext row_context;
	StringInfoData entry;
	PsSortDatum datum;
} PsBuild;

/* The next entry of a sort */
typedef struct PsSorted
{
	Tuplesortstate *sort;		/* NULL: none */
	PsString	entry;			/* data NULL: at the end */
	Datum		datum;
} PsSorted;

static void begin_build(PsBuild *build, Relation heap, Relation index, IndexInfo *info);
static Tuplesortstate *begin_sort(int work_mem_kb);
static void end_build(PsBuild *build);
static void spool_row(Relation index, ItemPointer tid, Datum *values, bool *isnull,
					  bool alive, void *state);
static Datum sort_datum(PsSortDatum *datum, PsString entry);
static void perform_sorts(PsBuild *build);
static void load_entries(PsBuild *build);
static void next_sorted(PsSorted *sorted);
static void check_unique(PsBuild *build, StringInfo last, PsString entry);
static bool key_has_null(const PsIndex *info, PsString key);
pg_noreturn static void report_duplicate(PsBuild *build, const PsEntry *entry);
static void report_phase(int64 phase);

/*
 * ambuild. The caller holds a lock on the table that keeps writers out, or
 * makes up for them later (CONCURRENTLY). Error 23505 if the index is unique
 * and rows are not, 54000 for a row that is too long for an entry.
 */
IndexBuildResult *
ps_build(Relation heap, Relation index, IndexInfo *info)
{
	PsBuild		build;
	IndexBuildResult *result = palloc(sizeof(IndexBuildResult));

	if (RelationGetNumberOfBlocks(index) != 0)
		elog(ERROR, "index \"%s\" already contains data", RelationGetRelationName(index));
	ps_lock_types(index);
	begin_build(&build, heap, index, info);
	report_phase(PROGRESS_BTREE_PHASE_INDEXBUILD_TABLESCAN);
	result->heap_tuples = table_index_build_scan(heap, index, info, true, true,
												 spool_row, &build, NULL);
	result->index_tuples = build.ntuples;
	perform_sorts(&build);
	load_entries(&build);
	end_build(&build);
	return result;
}

/* ambuildempty: the init fork of an unlogged table's index. */
void
ps_build_empty(Relation index)
{
	ps_lock_types(index);
	ps_init_index(index, INIT_FORKNUM);
}

static void
begin_build(PsBuild *build, Relation heap, Relation index, IndexInfo *info)
{
	memset(build, 0, sizeof(*build));
	build->heap = heap;
	build->index = index;
	build->info = ps_index(index);
	build->unique = info->ii_Unique;
	build->nulls_not_distinct = info->ii_NullsNotDistinct;
	build->live = begin_sort(maintenance_work_mem);
	if (build->unique)
		build->dead = begin_sort(work_mem);
	build->row_context = AllocSetContextCreate(CurrentMemoryContext, "pstate index build row",
											   ALLOCSET_DEFAULT_SIZES);
	initStringInfo(&build->entry);
}

static Tuplesortstate *
begin_sort(int work_mem_kb)
{
	Oid			less = lookup_type_cache(BYTEAOID, TYPECACHE_LT_OPR)->lt_opr;

	return tuplesort_begin_datum(BYTEAOID, less, InvalidOid, false,
								 work_mem_kb, NULL, TUPLESORT_NONE);
}

static void
end_build(PsBuild *build)
{
	tuplesort_end(build->live);
	if (build->dead != NULL)
		tuplesort_end(build->dead);
	MemoryContextDelete(build->row_context);
	pfree(build->entry.data);
}

/* IndexBuildCallback: what a row's encoding leaves behind is freed at once. */
static void
spool_row(Relation index, ItemPointer tid, Datum *values, bool *isnull, bool alive,
		  void *state)
{
	PsBuild    *build = state;
	MemoryContext old = MemoryContextSwitchTo(build->row_context);
	int			keylen;
	bool		hasnull;
	Datum		datum;

	ps_encode(index, build->info, values, isnull, tid, &build->entry, &keylen, &hasnull);
	MemoryContextSwitchTo(old);
	MemoryContextReset(build->row_context);

	datum = sort_datum(&build->datum, ps_string(&build->entry));
	if (alive || build->dead == NULL)
		tuplesort_putdatum(build->live, datum, false);
	else
	{
		build->have_dead = true;
		tuplesort_putdatum(build->dead, datum, false);
	}
	build->ntuples++;
}

static Datum
sort_datum(PsSortDatum *datum, PsString entry)
{
	if (entry.len + VARHDRSZ_SHORT <= VARATT_SHORT_MAX)
	{
		SET_VARSIZE_SHORT(datum, entry.len + VARHDRSZ_SHORT);
		memcpy(VARDATA_SHORT(datum), entry.data, entry.len);
	}
	else
	{
		SET_VARSIZE(datum, entry.len + VARHDRSZ);
		memcpy(VARDATA(datum), entry.data, entry.len);
	}
	return PointerGetDatum(datum);
}

static void
perform_sorts(PsBuild *build)
{
	const int	progress[] = {
		PROGRESS_CREATEIDX_TUPLES_TOTAL,
		PROGRESS_SCAN_BLOCKS_TOTAL,
		PROGRESS_SCAN_BLOCKS_DONE
	};
	const int64 values[] = {build->ntuples, 0, 0};

	pgstat_progress_update_multi_param(lengthof(progress), progress, values);
	report_phase(PROGRESS_BTREE_PHASE_PERFORMSORT_1);
	tuplesort_performsort(build->live);
	if (build->have_dead)
	{
		report_phase(PROGRESS_BTREE_PHASE_PERFORMSORT_2);
		tuplesort_performsort(build->dead);
	}
}

/* Merges both sorts into the tree. Only live rows have to be unique. */
static void
load_entries(PsBuild *build)
{
	PsLoad	   *load = ps_load_begin(build->index);
	PsSorted	live = {build->live, PS_INFINITE, 0};
	PsSorted	dead = {build->have_dead ? build->dead : NULL, PS_INFINITE, 0};
	StringInfoData last;
	int64		done = 0;

	report_phase(PROGRESS_BTREE_PHASE_LEAF_LOAD);
	initStringInfo(&last);
	next_sorted(&live);
	next_sorted(&dead);
	while (live.entry.data != NULL || dead.entry.data != NULL)
	{
		PsSorted   *next = ps_compare(live.entry, dead.entry) <= 0 ? &live : &dead;

		if (build->unique && next == &live)
			check_unique(build, &last, next->entry);
		ps_load_add(load, next->entry);
		next_sorted(next);
		pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, ++done);
	}
	ps_load_end(load);
	pfree(last.data);
}

static void
next_sorted(PsSorted *sorted)
{
	bool		isnull;

	if (sorted->sort == NULL)
		return;
	if (DatumGetPointer(sorted->datum) != NULL)
		pfree(DatumGetPointer(sorted->datum));
	if (!tuplesort_getdatum_compat(sorted->sort, true, &sorted->datum, &isnull))
	{
		*sorted = (PsSorted)
		{
			NULL, PS_INFINITE, 0
		};
		return;
	}
	sorted->entry.data = VARDATA_ANY(DatumGetPointer(sorted->datum));
	sorted->entry.len = VARSIZE_ANY_EXHDR(DatumGetPointer(sorted->datum));
}

/* Is the entry's key the last one's? Then keeps it as the last one. */
static void
check_unique(PsBuild *build, StringInfo last, PsString entry)
{
	PsEntry		parts;

	ps_parse(build->info, entry, &parts);
	if (last->len == parts.key.len && last->len > 0 &&
		memcmp(last->data, parts.key.data, last->len) == 0 &&
		(build->nulls_not_distinct || !key_has_null(build->info, parts.key)))
		report_duplicate(build, &parts);
	resetStringInfo(last);
	appendBinaryStringInfo(last, parts.key.data, parts.key.len);
}

static bool
key_has_null(const PsIndex *info, PsString key)
{
	const char *at = key.data;

	for (int i = 0; i < info->nkeys; i++)
	{
		if (*at == (info->columns[i].nulls_first ? '\0' : '\xFF'))
			return true;
		at += ps_column_size(&info->columns[i], at);
	}
	return false;
}

/* Error 23505, worded as nbtree's. */
static void
report_duplicate(PsBuild *build, const PsEntry *entry)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];
	char	   *description;

	ps_decode(build->index, build->info, entry, values, isnull);
	description = BuildIndexValueDescription(build->index, values, isnull);
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("could not create unique index \"%s\"",
					RelationGetRelationName(build->index)),
			 description ? errdetail("Key %s is duplicated.", description) :
			 errdetail("Duplicate keys exist."),
			 errtableconstraint(build->heap, RelationGetRelationName(build->index))));
}

static void
report_phase(int64 phase)
{
	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, phase);
}
