/*-------------------------------------------------------------------------
 *
 * pg_rama.h
 *	  What every subsystem of pg_rama shares: settings and the activation of
 *	  a database.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PG_RAMA_H
#define PG_RAMA_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "compat.h"
#include "fmgr.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#define RAMA_SCHEMA "rama"

/* The trigger that keeps hands off depots, PStates and topologies. */
#define RAMA_GUARD_TRIGGER "rama_guard"

/* pg_rama.index_method */
typedef enum RamaIndexMethod
{
	RAMA_INDEX_PSTATE,
	RAMA_INDEX_BTREE,
} RamaIndexMethod;

/* Settings, guc.c */
extern bool rama_enabled;
extern int	rama_workers;
extern int	rama_poll_interval;
extern int	rama_max_value_elements;
extern int	rama_batch_memory;
extern int	rama_change_ring_mb;
extern int	rama_max_wait;
extern int	rama_index_method;
extern char *rama_dump_modules;

/* pg_rama.c */
extern bool rama_preloaded;
extern void rama_require_preload(const char *what);
extern void rama_require_primary(const char *what);

/* guc.c */
extern void rama_define_gucs(void);

/* catalog.c: the tables of schema rama, by C and without privilege checks */
extern Oid	rama_catalog_relid(const char *name);
extern bool rama_catalog_try_lock(bool *exists);
extern HeapTuple rama_catalog_fetch(const char *table, Oid key, TupleDesc *desc);
extern List *rama_catalog_fetch_all(const char *table, AttrNumber attno, Oid key,
									TupleDesc *desc);
extern List *rama_catalog_relations(const char *table);
extern void rama_catalog_insert(const char *table, Datum *values, bool *nulls);
extern void rama_catalog_update(const char *table, Oid key, int ncolumns,
								const int *attnos, const Datum *values,
								const bool *nulls);
extern void rama_catalog_update_row(const char *table, HeapTuple row, int ncolumns,
									const int *attnos, const Datum *values,
									const bool *nulls);
extern int	rama_catalog_delete(const char *table, AttrNumber attno, Oid key);
extern void rama_catalog_changed(Oid relid);

/* named_row.c: rows about what has a name in a module and is no relation */
#define RAMA_NAMED_MODULE 1
#define RAMA_NAMED_NAME 2
#define RAMA_NAMED_OWNER 3

extern HeapTuple rama_named_fetch(Relation rel, const char *module, const char *name);
extern HeapTuple rama_named_find(Relation rel, const char *text, const char *first, char **module);
extern bool rama_named_is_taken(const char *table, const char *kind, const char *text,
								const char *module, const char *name, bool if_not_exists);
extern void rama_named_drop(const char *table, const char *kind, const char *text, bool if_exists);
extern void rama_named_module_dropped(const char *table, const char *module);
extern void rama_named_module_renamed(const char *table, const char *module, const char *newname);

/* hot_row.c: rows that every batch changes */
extern HeapTuple rama_hot_fetch(Relation rel, AttrNumber keyattr, Oid key,
								Snapshot snapshot);
extern void rama_hot_update(Relation rel, Oid key, ItemPointer tid, HeapTuple tuple);

/* activation.c */
extern bool rama_is_active(void);
extern bool rama_database_is_open(void);
extern void rama_activate_if_first(void);
extern void rama_deactivate_if_last(void);
extern void rama_lock_activation(void);
extern void rama_clear_activation(void);
extern void rama_stamp_activation(void);

/* names.c: of relations, for messages and for DDL text */
extern char *rama_relation_name(Oid relid);
extern char *rama_quoted_relation_name(Oid relid);
extern void rama_check_owner(Oid relid);
extern void rama_split_name(const char *name, Oid *nspid, char **relname);
extern void rama_check_name_free(Oid nspid, const char *relname);
extern const char *rama_object_kind(Oid relid);
extern void rama_refuse_null(FunctionCallInfo fcinfo, int arg, const char *name);

#endif							/* PG_RAMA_H */
