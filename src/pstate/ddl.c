/*-------------------------------------------------------------------------
 *
 * ddl.c
 *	  What DDL does to PStates: called by the event triggers in src/ddl.c.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "pstate/pstate.h"
#include "utils/lsyscache.h"

/* Columns of rama.pstate_child */
#define Anum_pstate_child_child 1
#define Anum_pstate_child_pstate 2

/*
 * Drop what is left of the children: in a restored database that has not been
 * activated, they do not depend on the root.
 */
static void
drop_children(Oid root)
{
	TupleDesc	desc;
	List	   *rows = rama_catalog_fetch_all("pstate_child", Anum_pstate_child_pstate,
											  root, &desc);
	ListCell   *lc;

	rama_catalog_delete("pstate_child", Anum_pstate_child_pstate, root);
	foreach(lc, rows)
	{
		ObjectAddress child;
		bool		isnull;

		ObjectAddressSet(child, RelationRelationId,
						 DatumGetObjectId(heap_getattr(lfirst(lc), Anum_pstate_child_child,
													   desc, &isnull)));
		if (get_rel_relkind(child.objectId) != '\0')
			performDeletion(&child, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	}
}

/*
 * rama_pstate_dropped() -- Event trigger sql_drop: a relation was dropped.
 *
 * The root's catalog rows and children go with it. A child without its root
 * cannot be dropped (2BP01).
 */
void
rama_pstate_dropped(Oid relid)
{
	TupleDesc	desc;
	HeapTuple	row;
	Oid			root;
	bool		isnull;

	if (rama_is_pstate(relid))
	{
		rama_catalog_delete("pstate", 1, relid);
		rama_catalog_delete("pstate_version", 1, relid);
		drop_children(relid);
		rama_catalog_changed(relid);
		return;
	}
	row = rama_catalog_fetch("pstate_child", relid, &desc);
	if (row == NULL)
		return;
	root = DatumGetObjectId(heap_getattr(row, Anum_pstate_child_pstate, desc, &isnull));
	if (get_rel_relkind(root) != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop a table of PState \"%s\" alone", rama_relation_name(root)),
				 errhint("Use rama.drop_pstate to drop the whole PState.")));
	rama_catalog_delete("pstate_child", Anum_pstate_child_child, relid);
}
