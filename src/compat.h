/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Differences between PostgreSQL 15, 16, 17 and 18, as small macros, so
 *	  that code bodies have no #if.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_COMPAT_H
#define RAMA_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "pg_rama requires PostgreSQL 15 or later"
#endif

#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/acl.h"
#include "utils/regproc.h"

/* 16 replaced the per-catalog ownership and ACL functions by generic ones. */
#if PG_VERSION_NUM >= 160000
#define rama_function_aclcheck(funcid, roleid, mode) \
	object_aclcheck(ProcedureRelationId, (funcid), (roleid), (mode))
#define rama_namespace_aclcheck(nspid, roleid, mode) \
	object_aclcheck(NamespaceRelationId, (nspid), (roleid), (mode))
#else
static inline bool
object_ownercheck(Oid classid, Oid objid, Oid roleid)
{
	switch (classid)
	{
		case RelationRelationId:
			return pg_class_ownercheck(objid, roleid);
		case NamespaceRelationId:
			return pg_namespace_ownercheck(objid, roleid);
		case ProcedureRelationId:
			return pg_proc_ownercheck(objid, roleid);
		case TypeRelationId:
			return pg_type_ownercheck(objid, roleid);
		case ExtensionRelationId:
			return pg_extension_ownercheck(objid, roleid);
		case DatabaseRelationId:
			return pg_database_ownercheck(objid, roleid);
		default:
			elog(ERROR, "no ownership check for catalog %u", classid);
	}
}
#define rama_function_aclcheck(funcid, roleid, mode) \
	pg_proc_aclcheck((funcid), (roleid), (mode))
#define rama_namespace_aclcheck(nspid, roleid, mode) \
	pg_namespace_aclcheck((nspid), (roleid), (mode))
#endif

/* 18 takes unique indexes of all access methods for ON CONFLICT. */
#define RAMA_ON_CONFLICT_IS_BTREE (PG_VERSION_NUM < 180000)

/* 16 tells which indexes an update needs; tables without indexes do not care. */
#if PG_VERSION_NUM >= 160000
#define simple_heap_update_compat(rel, otid, tup) \
	do { \
		TU_UpdateIndexes update_indexes_; \
		simple_heap_update((rel), (otid), (tup), &update_indexes_); \
	} while (0)
#else
#define simple_heap_update_compat(rel, otid, tup) \
	simple_heap_update((rel), (otid), (tup))
#endif

/* 18 does not tell ExecutorRun whether the plan runs only once. */
#if PG_VERSION_NUM >= 180000
#define RAMA_RUN_ONCE_PARAM
#define RAMA_RUN_ONCE
#else
#define RAMA_RUN_ONCE_PARAM , bool execute_once
#define RAMA_RUN_ONCE , execute_once
#endif

/* 16 reports soft errors of name parsing through a node. */
#if PG_VERSION_NUM >= 160000
#define stringToQualifiedNameList_compat(s) stringToQualifiedNameList((s), NULL)
#else
#define stringToQualifiedNameList_compat(s) stringToQualifiedNameList(s)
#endif

/* 16: soft errors also for names of types. */
#if PG_VERSION_NUM >= 160000
#define parseTypeString_compat(s, type, typmod) \
	((void) parseTypeString((s), (type), (typmod), NULL))
#else
#define parseTypeString_compat(s, type, typmod) \
	parseTypeString((s), (type), (typmod), false)
#endif

/*
 * 18 counts index searches for EXPLAIN, tells of deferrable primary keys, and
 * spells pg_noreturn before the return type, as C11 does.
 */
#if PG_VERSION_NUM >= 180000
#define primary_key_index_compat(rel) RelationGetPrimaryKeyIndex((rel), false)
#define index_beginscan_compat(heap, index, snapshot, nkeys) \
	index_beginscan((heap), (index), (snapshot), NULL, (nkeys), 0)
#else
#define primary_key_index_compat(rel) RelationGetPrimaryKeyIndex(rel)
#define pg_noreturn _Noreturn
#define index_beginscan_compat(heap, index, snapshot, nkeys) \
	index_beginscan((heap), (index), (snapshot), (nkeys), 0)
#endif

/* 16 lets an update say that only summarizing indexes need entries. */
#if PG_VERSION_NUM >= 160000
#define rama_index_wants_compat(which, info) \
	((which) != TU_Summarizing || (info)->ii_Summarizing)
#else
typedef bool TU_UpdateIndexes;
#define TU_None false
#define TU_All true
#define rama_index_wants_compat(which, info) ((void) (which), true)
#endif

/* 17 numbers processes from 0 and groups the virtual xid in a struct. */
#if PG_VERSION_NUM >= 170000
#define rama_vxid_proc(vxid) \
	((vxid).procNumber == INVALID_PROC_NUMBER ? NULL : \
	 ProcNumberGetProc((vxid).procNumber))
#define rama_vxid_is_prepared(vxid) ((vxid).procNumber == INVALID_PROC_NUMBER)
#define rama_proc_lxid(proc) ((proc)->vxid.lxid)
#define rama_proc_has_vxid(proc, v) \
	((proc)->vxid.procNumber == (v).procNumber && \
	 (proc)->vxid.lxid == (v).localTransactionId)
#else
#define rama_vxid_proc(vxid) \
	((vxid).backendId == InvalidBackendId ? NULL : \
	 BackendIdGetProc((vxid).backendId))
#define rama_vxid_is_prepared(vxid) ((vxid).backendId == InvalidBackendId)
#define rama_proc_lxid(proc) ((proc)->lxid)
#define rama_proc_has_vxid(proc, v) \
	((proc)->backendId == (v).backendId && \
	 (proc)->lxid == (v).localTransactionId)
#endif

/* 17 lets maintenance run with a search_path that nobody has chosen. */
#if PG_VERSION_NUM >= 170000
#define rama_restrict_search_path() RestrictSearchPath()
#else
#define rama_restrict_search_path() ((void) 0)
#endif

/* 17 has another name for a search_path to compare with. */
#if PG_VERSION_NUM >= 170000
typedef struct SearchPathMatcher RamaSearchPath;
#define rama_get_search_path(context) GetSearchPathMatcher(context)
#define rama_search_path_matches(path) SearchPathMatchesCurrentEnvironment(path)
#else
typedef struct OverrideSearchPath RamaSearchPath;
#define rama_get_search_path(context) GetOverrideSearchPath(context)
#define rama_search_path_matches(path) OverrideSearchPathMatchesCurrent(path)
#endif

/* 16 may return sorted datums that are not copied. */
#if PG_VERSION_NUM >= 160000
#define tuplesort_getdatum_compat(sort, forward, value, isnull) \
	tuplesort_getdatum((sort), (forward), true, (value), (isnull), NULL)
#else
#define tuplesort_getdatum_compat(sort, forward, value, isnull) \
	tuplesort_getdatum((sort), (forward), (value), (isnull), NULL)
#endif

/*
 * 18 asks an access method how high a tree is, and what its strategies mean.
 * (The other new fields are false or absent, as makeNode leaves them.)
 */
#if PG_VERSION_NUM >= 180000
#define rama_ordered_am_compat(am, height) \
	((am)->amconsistentequality = true, \
	 (am)->amconsistentordering = true, \
	 (am)->amgettreeheight = (height), \
	 (am)->amtranslatestrategy = bttranslatestrategy, \
	 (am)->amtranslatecmptype = bttranslatecmptype)
#else
#define rama_ordered_am_compat(am, height) ((void) 0)
#endif

/* 18 counts the searches of an index scan for EXPLAIN. */
#if PG_VERSION_NUM >= 180000
#define ps_count_search_compat(scan) \
	do { \
		if ((scan)->instrument) \
			(scan)->instrument->nsearches++; \
	} while (0)
#else
#define ps_count_search_compat(scan) ((void) 0)
#endif

/* 17 has no old_snapshot_threshold. */
#if PG_VERSION_NUM >= 170000
#define TestForOldSnapshot(snapshot, rel, page) ((void) 0)
#endif

/* 16 asks about conflicts of replay whether logical decoding reads the table. */
#if PG_VERSION_NUM >= 160000
#define rama_resolve_conflict(record, horizon) \
	do { \
		RelFileLocator locator_; \
		XLogRecGetBlockTag((record), 0, &locator_, NULL, NULL); \
		ResolveRecoveryConflictWithSnapshot((horizon), false, locator_); \
	} while (0)
#else
#define rama_resolve_conflict(record, horizon) \
	do { \
		RelFileNode node_; \
		XLogRecGetBlockTag((record), 0, &node_, NULL, NULL); \
		ResolveRecoveryConflictWithSnapshot((horizon), node_); \
	} while (0)
#endif

/* 18 tells ANALYZE and VACUUM apart where they pause. */
#if PG_VERSION_NUM >= 180000
#define vacuum_delay_point_compat() vacuum_delay_point(false)
#else
#define vacuum_delay_point_compat() vacuum_delay_point()
#endif

/* A hint for the processor, where the compiler can give it. */
#if defined(__GNUC__)
#define rama_prefetch(address) __builtin_prefetch(address)
#else
#define rama_prefetch(address) ((void) (address))
#endif

#endif							/* RAMA_COMPAT_H */
