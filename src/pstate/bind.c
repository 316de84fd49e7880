/*-------------------------------------------------------------------------
 *
 * bind.c
 *	  A PState's schema bound to its tables, kept per session.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "pstate/pstate.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* Columns of rama.pstate and rama.pstate_child */
#define Anum_pstate_schema 2
#define Anum_pstate_topology 3
#define Anum_pstate_types 4
#define Anum_pstate_typmods 5
#define Anum_pstate_retain 6
#define Anum_pstate_child_child 1
#define Anum_pstate_child_pstate 2
#define Anum_pstate_child_ordinal 3

typedef struct CacheEntry
{
	Oid			relid;			/* hash key */
	RamaPState *pstate;			/* NULL: not built, or invalidated */
} CacheEntry;

/* In CacheMemoryContext, to the end of the session */
static HTAB *cache = NULL;

/* Counts invalidations, so that one that arrives during a bind is noticed */
static uint64 invalidations = 0;

/* Invalidated bindings, freed at the end of a transaction when not pinned */
static List *retired = NIL;

/*
 * rama_type_format() -- A type as it is written in stored schemas: qualified
 * but for those of pg_catalog.
 */
char *
rama_type_format(Oid type, int32 typmod)
{
	int			nestlevel = NewGUCNestLevel();
	char	   *text;

	(void) set_config_option("search_path", "pg_catalog", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	text = format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN);
	AtEOXact_GUC(true, nestlevel);
	return text;
}

static void
name_types(RamaSchema *schema)
{
	if (schema->type)
		schema->type = rama_type_format(schema->typid, schema->typmod);
	for (int i = 0; i < schema->nchildren; i++)
		name_types(schema->children[i]);
}

/*
 * rama_schema_format() -- A schema whose types have been found, as text with
 * the names that they have now.
 */
char *
rama_schema_format(RamaSchema *schema)
{
	name_types(schema);
	return rama_schema_print(schema);
}

/*
 * Types of a stored schema: by oid, not by name, for names may change. They
 * are in the order in which the schema names them.
 */
static void
assign_types(RamaSchema *schema, ArrayType *types, ArrayType *typmods, int *n)
{
	if (schema->type)
	{
		if (*n >= ArrayGetNItems(ARR_NDIM(types), ARR_DIMS(types)) ||
			*n >= ArrayGetNItems(ARR_NDIM(typmods), ARR_DIMS(typmods)))
			elog(ERROR, "stored schema has more types than rama.pstate.types");
		schema->typid = ((Oid *) ARR_DATA_PTR(types))[*n];
		schema->typmod = ((int32 *) ARR_DATA_PTR(typmods))[*n];
		(*n)++;
	}
	for (int i = 0; i < schema->nchildren; i++)
		assign_types(schema->children[i], types, typmods, n);
}

static void
set_key_operators(RamaType *type)
{
	TypeCacheEntry *entry = lookup_type_cache(type->oid, TYPECACHE_LT_OPR | TYPECACHE_EQ_OPR |
											  TYPECACHE_BTREE_OPFAMILY);

	type->lt_opr = entry->lt_opr;
	type->eq_opr = entry->eq_opr;
	type->opfamily = entry->btree_opf;
	type->opcintype = entry->btree_opintype;
}

static RamaType
column_type(Form_pg_attribute att)
{
	RamaType	type = {0};

	type.oid = att->atttypid;
	type.typmod = att->atttypmod;
	type.collation = att->attcollation;
	type.len = att->attlen;
	type.byval = att->attbyval;
	type.align = att->attalign;
	return type;
}

/* A type within a jsonb column: only the schema tells. */
static RamaType
type_within_jsonb(Oid typid, int32 typmod, bool iskey)
{
	RamaType	type = {0};

	type.oid = typid;
	type.typmod = typmod;
	get_typlenbyvalalign(type.oid, &type.len, &type.byval, &type.align);
	type.collation = get_typcollation(type.oid);
	if (iskey)
	{
		if (OidIsValid(type.collation))
			type.collation = C_COLLATION_OID;
		set_key_operators(&type);
	}
	return type;
}

static void
bind_node(RamaNode *node)
{
	const RamaSchema *schema = node->schema;

	if (node->storage == RAMA_IN_TABLE)
		node->key = node->table->keys[node->table->nkeys - 1];
	else if (schema->kind == RAMA_VECTOR)
		node->key = type_within_jsonb(INT8OID, -1, true);
	else if (schema->kind == RAMA_MAP || schema->kind == RAMA_SET)
		node->key = type_within_jsonb(schema->typid, schema->typmod, true);
	else if (schema->kind == RAMA_SCALAR)
	{
		if (node->storage == RAMA_IN_COLUMN)
			node->type = node->table->columns[node->attno - 1].type;
		else
			node->type = type_within_jsonb(schema->typid, schema->typmod, false);
	}
	for (int i = 0; i < node->nchildren; i++)
		bind_node(node->children[i]);
}

static void
bind_table(RamaTable *table)
{
	Relation	rel = table_open(table->relid, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);

	if (desc->natts != table->ncolumns)
		elog(ERROR, "table \"%s\" does not have the columns of its PState's schema",
			 RelationGetRelationName(rel));
	table->keys = palloc0(sizeof(RamaType) * Max(table->nkeys, 1));
	for (int i = 0; i < desc->natts; i++)
	{
		table->columns[i].type = column_type(TupleDescAttr(desc, i));
		table->columns[i].isdomain = get_typtype(table->columns[i].type.oid) == TYPTYPE_DOMAIN;
		if (i < table->nkeys)
		{
			table->keys[i] = table->columns[i].type;
			set_key_operators(&table->keys[i]);
		}
	}
	table_close(rel, NoLock);
	if (table->nkeys > 0 && table->chunks == NULL)
	{
		table->index = rama_key_index(table);
		if (!OidIsValid(table->index))
			elog(ERROR, "table \"%s\" has no index over its keys", table->name);
	}
}

/* The children's oids in the order of the schema, of rows of rama.pstate_child. */
static Oid *
child_oids(List *rows, TupleDesc desc, int expected)
{
	Oid		   *oids = palloc0(sizeof(Oid) * (expected + 1));
	ListCell   *lc;

	foreach(lc, rows)
	{
		bool		isnull;
		int			ordinal = DatumGetInt32(heap_getattr(lfirst(lc), Anum_pstate_child_ordinal,
														 desc, &isnull));

		if (ordinal < 1 || ordinal > expected)
			elog(ERROR, "unexpected child %d of a PState", ordinal);
		oids[ordinal] = DatumGetObjectId(heap_getattr(lfirst(lc), Anum_pstate_child_child,
													  desc, &isnull));
	}
	return oids;
}

/*
 * The row of rama.pstate and those of rama.pstate_child that belong to it: not all
 * who look hold a lock that keeps out rama.alter_pstate(), which changes both.
 */
static HeapTuple
fetch_rows(Oid relid, TupleDesc *desc, List **children, TupleDesc *child_desc)
{
	for (;;)
	{
		HeapTuple	row = rama_catalog_fetch("pstate", relid, desc);
		HeapTuple	again;

		if (row == NULL)
			return NULL;
		*children = rama_catalog_fetch_all("pstate_child", Anum_pstate_child_pstate, relid,
										   child_desc);
		again = rama_catalog_fetch("pstate", relid, NULL);
		if (again && ItemPointerEquals(&row->t_self, &again->t_self))
			return row;
	}
}

/*
 * Put the columns into the order of the table's attributes, by name: those that
 * were added later come last there, wherever the schema has them. A table that
 * does not have just these columns, keys first, is left alone: conform.c and
 * bind_table() will say so.
 */
static void
order_columns(RamaTable *table)
{
	RamaColumn *ordered = palloc0_array(RamaColumn, table->ncolumns + 1);

	if (table->logical)
		return;					/* chunks never get another column */
	for (int i = 0; i < table->ncolumns; i++)
	{
		AttrNumber	attno = get_attnum(table->relid, table->columns[i].name);

		if (attno < 1 || attno > table->ncolumns || (i < table->nkeys && attno != i + 1))
			return;
		ordered[attno - 1] = table->columns[i];
	}
	memcpy(table->columns, ordered, sizeof(RamaColumn) * table->ncolumns);
	for (int i = table->nkeys; i < table->ncolumns; i++)
		table->columns[i].node->attno = i + 1;
}

/*
 * rama_pstate_layout() -- The layout of a PState with its tables' oids and its
 * columns in their order, but nothing else read from the tables, which need not
 * conform.
 *
 * NULL if the relation is not a PState. Allocated in the current memory
 * context. The caller holds a lock on the root.
 */
RamaPState *
rama_pstate_layout(Oid relid)
{
	TupleDesc	desc;
	TupleDesc	child_desc;
	List	   *child_rows;
	HeapTuple	row = fetch_rows(relid, &desc, &child_rows, &child_desc);
	char	   *relname = get_rel_name(relid);
	RamaPState *pstate;
	RamaSchema *schema;
	Datum		topology;
	Datum		retain;
	bool		isnull;
	int			ntypes = 0;
	Oid		   *children;

	if (row == NULL || relname == NULL)
		return NULL;
	schema = rama_schema_parse_checked(TextDatumGetCString(heap_getattr(row, Anum_pstate_schema,
																		desc, &isnull)));
	assign_types(schema,
				 DatumGetArrayTypeP(heap_getattr(row, Anum_pstate_types, desc, &isnull)),
				 DatumGetArrayTypeP(heap_getattr(row, Anum_pstate_typmods, desc, &isnull)),
				 &ntypes);
	pstate = rama_layout_build(schema, relname);
	pstate->relid = relid;
	pstate->schema = rama_schema_format(schema);
	topology = heap_getattr(row, Anum_pstate_topology, desc, &isnull);
	pstate->topology = isnull ? InvalidOid : DatumGetObjectId(topology);
	retain = heap_getattr(row, Anum_pstate_retain, desc, &isnull);
	pstate->retain = isnull ? NULL : DatumGetIntervalP(datumCopy(retain, false, sizeof(Interval)));

	children = child_oids(child_rows, child_desc, pstate->ntables - 1);
	for (int i = 0; i < pstate->ntables; i++)
	{
		pstate->tables[i]->relid = i == 0 ? relid : children[i];
		order_columns(pstate->tables[i]);
	}
	return pstate;
}

/*
 * rama_pstate_bind() -- Bind a PState anew, in the current memory context.
 *
 * As rama_pstate_layout(), with everything that the tables say.
 */
RamaPState *
rama_pstate_bind(Oid relid)
{
	RamaPState *pstate = rama_pstate_layout(relid);

	if (pstate == NULL)
		return NULL;
	for (int i = 0; i < pstate->ntables; i++)
		bind_table(pstate->tables[i]);
	bind_node(pstate->root);
	return pstate;
}

static void
retire(CacheEntry *entry)
{
	MemoryContext oldcontext;

	if (entry->pstate == NULL)
		return;
	oldcontext = MemoryContextSwitchTo(CacheMemoryContext);
	retired = lappend(retired, entry->pstate);
	MemoryContextSwitchTo(oldcontext);
	entry->pstate->stale = true;
	entry->pstate = NULL;
}

static bool
uses_relation(RamaPState *pstate, Oid relid)
{
	for (int i = 0; i < pstate->ntables; i++)
	{
		if (pstate->tables[i]->relid == relid)
			return true;
	}
	return false;
}

/*
 * Relcache callback: relid is InvalidOid for "everything". What is known of
 * the places of rows goes as well: the table may have been rewritten.
 */
static void
invalidate(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS status;
	CacheEntry *entry;
	ListCell   *lc;

	invalidations++;
	rama_buffer_invalidate(relid);
	foreach(lc, retired)
	{
		if (!OidIsValid(relid) || uses_relation(lfirst(lc), relid))
			rama_row_forget();
	}
	hash_seq_init(&status, cache);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (entry->pstate &&
			(!OidIsValid(relid) || uses_relation(entry->pstate, relid)))
		{
			rama_row_forget();
			retire(entry);
		}
	}
}

static void
free_retired(XactEvent event, void *arg)
{
	ListCell   *lc;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE)
		return;
	foreach(lc, retired)
	{
		RamaPState *pstate = lfirst(lc);

		if (pstate->pins > 0)
			continue;
		MemoryContextDelete(pstate->context);
		retired = foreach_delete_current(retired, lc);
	}
}

static void
init_cache(void)
{
	HASHCTL		ctl = {0};

	if (CacheMemoryContext == NULL)
		CreateCacheMemoryContext();
	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(CacheEntry);
	ctl.hcxt = CacheMemoryContext;
	cache = hash_create("pg_rama PStates", 32, &ctl,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	CacheRegisterRelcacheCallback(invalidate, (Datum) 0);
	RegisterXactCallback(free_retired, NULL);
}

static void
not_a_pstate(Oid relid)
{
	char	   *name = get_rel_name(relid);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("relation with OID %u does not exist", relid)));
	if (rama_catalog_fetch("pstate_child", relid, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("\"%s\" is a part of a PState, not a PState", rama_relation_name(relid)),
				 errhint("Name the PState's root table; the view rama.pstates lists PStates.")));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("\"%s\" is not a PState", rama_relation_name(relid)),
			 errhint("It is a %s; the view rama.pstates lists PStates.", rama_object_kind(relid))));
}

/*
 * Bind until no invalidation comes in between. An error leaves nothing behind
 * but a context that goes with the transaction.
 */
static RamaPState *
build(Oid relid)
{
	for (;;)
	{
		MemoryContext context = AllocSetContextCreate(CurTransactionContext, "PState",
													  ALLOCSET_SMALL_SIZES);
		MemoryContext oldcontext = MemoryContextSwitchTo(context);
		uint64		before = invalidations;
		RamaPState *pstate = rama_pstate_bind(relid);

		MemoryContextSwitchTo(oldcontext);
		if (pstate == NULL)
			not_a_pstate(relid);
		if (before == invalidations)
		{
			MemoryContextSetParent(context, CacheMemoryContext);
			return pstate;
		}
		MemoryContextDelete(context);
	}
}

/*
 * rama_pstate_get() -- The PState whose root table is relid.
 *
 * Locks the root table in AccessShareLock to the end of the transaction, so
 * that it stays as it is. The result is valid until then, too.
 * Error (42704) if the relation is not a PState.
 */
RamaPState *
rama_pstate_get(Oid relid)
{
	static uint64 generation = 0;
	CacheEntry *entry;
	RamaPState *pstate;

	if (cache == NULL)
		init_cache();
	entry = hash_search(cache, &relid, HASH_FIND, NULL);
	if (entry && entry->pstate && rama_buffer_in_use(entry->pstate))
		return entry->pstate;
	LockRelationOid(relid, AccessShareLock);
	entry = hash_search(cache, &relid, HASH_FIND, NULL);
	if (entry && entry->pstate)
		return entry->pstate;

	pstate = build(relid);
	entry = hash_search(cache, &relid, HASH_ENTER, NULL);
	entry->pstate = pstate;
	pstate->generation = ++generation;
	return pstate;
}

/*
 * rama_pstate_pin() -- Keep this binding until it is unpinned, even when it
 * becomes stale: for what lives longer than a transaction.
 */
void
rama_pstate_pin(RamaPState *pstate)
{
	pstate->pins++;
}

/*
 * rama_pstate_unpin() -- Undo rama_pstate_pin(). Cannot fail; frees nothing
 * before the end of the transaction.
 */
void
rama_pstate_unpin(RamaPState *pstate)
{
	Assert(pstate->pins > 0);
	pstate->pins--;
}

/*
 * rama_is_pstate() -- Is the relation the root of a PState?
 */
bool
rama_is_pstate(Oid relid)
{
	return rama_catalog_fetch("pstate", relid, NULL) != NULL;
}
