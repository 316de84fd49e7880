/*-------------------------------------------------------------------------
 *
 * build.c
 *	  Building an index: encodes all rows, sorts the entries, loads them.
 *
 * Entries are sorted as bytea, whose order is memcmp's and whose sort has
 * abbreviated keys. The byte that all entries begin with is left out, for these
 * are short; entries whose first column is NULL are sorted apart. So are, as in
 * nbtree, a unique index's entries of dead rows, which may repeat a key.
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

#include "index/encode.h"

/* An entry as a datum: with a header of one or four bytes */
typedef union PsSortDatum
{
	struct varlena header;
	char		data[VARHDRSZ + PS_MAX_ENTRY];
} PsSortDatum;

/* Entries that are sorted apart */
typedef enum PsSpool
{
	PS_SPOOL_LIVE,
	PS_SPOOL_LIVE_NULLS,
	PS_SPOOL_DEAD,
	PS_SPOOL_DEAD_NULLS,
	PS_SPOOLS
} PsSpool;

#define NO_MARKER	(-1)

typedef struct PsBuild
{
	Relation	heap;
	Relation	index;
	const PsIndex *info;
	bool		unique;
	bool		nulls_not_distinct;
	int			marker;			/* first byte of all entries but NULLs' */
	Tuplesortstate *spools[PS_SPOOLS];	/* NULL: no entries yet */
	double		ntuples;
	MemoryContext row_context;
	StringInfoData entry;
	PsSortDatum datum;
} PsBuild;

/* The next entry of a sort */
typedef struct PsSorted
{
	Tuplesortstate *sort;		/* NULL: none */
	int			marker;			/* to be put before each */
	PsString	entry;			/* data NULL: at the end */
	Datum		datum;
} PsSorted;

static void begin_build(PsBuild *build, Relation heap, Relation index, IndexInfo *info);
static int	entry_marker(const PsIndex *info);
static Tuplesortstate *begin_sort(int work_mem_kb);
static void end_build(PsBuild *build);
static void spool_row(Relation index, ItemPointer tid, Datum *values, bool *isnull,
					  bool alive, void *state);
static void spool_entry(PsBuild *build, PsString entry, bool dead);
static Datum sort_datum(PsSortDatum *datum, PsString entry);
static void perform_sorts(PsBuild *build);
static void perform_sort(PsBuild *build, PsSpool spool, int64 phase);
static void load_entries(PsBuild *build);
static PsSpool least_sorted(const PsSorted *sorted);
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
	build->marker = entry_marker(build->info);
	build->spools[PS_SPOOL_LIVE] = begin_sort(maintenance_work_mem);
	build->row_context = AllocSetContextCreate(CurrentMemoryContext, "pstate index build row",
											   ALLOCSET_DEFAULT_SIZES);
	initStringInfo(&build->entry);
}

static int
entry_marker(const PsIndex *info)
{
	PsLayout	layout = info->columns[0].layout;

	if (layout != PS_LAYOUT_TEXT && layout != PS_LAYOUT_ESCAPED && layout != PS_LAYOUT_FIXED)
		return NO_MARKER;
	return info->columns[0].desc ? (uint8) ~PS_MARKER : PS_MARKER;
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
	for (PsSpool i = 0; i < PS_SPOOLS; i++)
		if (build->spools[i] != NULL)
			tuplesort_end(build->spools[i]);
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

	ps_encode(index, build->info, values, isnull, tid, &build->entry, &keylen, &hasnull);
	MemoryContextSwitchTo(old);
	MemoryContextReset(build->row_context);

	spool_entry(build, ps_string(&build->entry), build->unique && !alive);
	build->ntuples++;
}

static void
spool_entry(PsBuild *build, PsString entry, bool dead)
{
	PsSpool		spool = dead ? PS_SPOOL_DEAD : PS_SPOOL_LIVE;

	if (build->marker != NO_MARKER && (uint8) entry.data[0] != build->marker)
		spool++;
	else if (build->marker != NO_MARKER)
	{
		entry.data++;
		entry.len--;
	}
	if (build->spools[spool] == NULL)
		build->spools[spool] = begin_sort(work_mem);
	tuplesort_putdatum(build->spools[spool], sort_datum(&build->datum, entry), false);
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
	perform_sort(build, PS_SPOOL_LIVE, PROGRESS_BTREE_PHASE_PERFORMSORT_1);
	perform_sort(build, PS_SPOOL_LIVE_NULLS, PROGRESS_BTREE_PHASE_PERFORMSORT_1);
	perform_sort(build, PS_SPOOL_DEAD, PROGRESS_BTREE_PHASE_PERFORMSORT_2);
	perform_sort(build, PS_SPOOL_DEAD_NULLS, PROGRESS_BTREE_PHASE_PERFORMSORT_2);
}

static void
perform_sort(PsBuild *build, PsSpool spool, int64 phase)
{
	if (build->spools[spool] == NULL)
		return;
	report_phase(phase);
	tuplesort_performsort(build->spools[spool]);
}

/* Merges the sorts into the tree. Only live rows have to be unique. */
static void
load_entries(PsBuild *build)
{
	PsLoad	   *load = ps_load_begin(build->index);
	PsSorted	sorted[PS_SPOOLS] = {0};
	PsSpool		spool;
	StringInfoData last;
	int64		done = 0;

	report_phase(PROGRESS_BTREE_PHASE_LEAF_LOAD);
	initStringInfo(&last);
	for (PsSpool i = 0; i < PS_SPOOLS; i++)
	{
		sorted[i].sort = build->spools[i];
		sorted[i].marker = i == PS_SPOOL_LIVE || i == PS_SPOOL_DEAD ? build->marker : NO_MARKER;
		next_sorted(&sorted[i]);
	}
	while (sorted[spool = least_sorted(sorted)].entry.data != NULL)
	{
		if (build->unique && (spool == PS_SPOOL_LIVE || spool == PS_SPOOL_LIVE_NULLS))
			check_unique(build, &last, sorted[spool].entry);
		ps_load_add(load, sorted[spool].entry);
		next_sorted(&sorted[spool]);
		pgstat_progress_update_param(PROGRESS_CREATEIDX_TUPLES_DONE, ++done);
	}
	ps_load_end(load);
	pfree(last.data);
}

static PsSpool
least_sorted(const PsSorted *sorted)
{
	PsSpool		least = PS_SPOOL_LIVE;

	for (PsSpool i = 1; i < PS_SPOOLS; i++)
		if (sorted[i].sort != NULL && ps_compare(sorted[i].entry, sorted[least].entry) < 0)
			least = i;
	return least;
}

/* The datum is our own copy: the marker takes the place of its header's end. */
static void
next_sorted(PsSorted *sorted)
{
	bool		isnull;
	char	   *data;

	if (sorted->sort == NULL)
		return;
	if (DatumGetPointer(sorted->datum) != NULL)
		pfree(DatumGetPointer(sorted->datum));
	if (!tuplesort_getdatum_compat(sorted->sort, true, &sorted->datum, &isnull))
	{
		memset(sorted, 0, sizeof(*sorted));
		return;
	}
	data = DatumGetPointer(sorted->datum);
	sorted->entry.len = VARSIZE_ANY_EXHDR(data);
	data += VARSIZE_ANY(data) - sorted->entry.len;
	if (sorted->marker != NO_MARKER)
	{
		*--data = (char) sorted->marker;
		sorted->entry.len++;
	}
	sorted->entry.data = data;
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
