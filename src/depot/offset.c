/*-------------------------------------------------------------------------
 *
 * offset.c
 *	  Drawing offsets, and checking that an event's managed columns are what
 *	  this transaction drew.
 *
 * next_offset() assigns the top xid, then draws from the depot's sequence:
 * nextval takes a lock on the sequence that lasts to the end of the top-level
 * transaction, before the first draw, and that lock is how readers know whom
 * to wait for (README).
 *
 * Both functions run once per event. What they need is remembered per
 * sequence, and most calls find it in "current".
 *
 *-------------------------------------------------------------------------
 */
#include "depot/depot.h"

#include "access/xact.h"
#include "commands/sequence.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/resowner.h"
#include "utils/xid8.h"
#include "worker/worker.h"

PG_FUNCTION_INFO_V1(rama_next_offset);
PG_FUNCTION_INFO_V1(rama_check_event);

/*
 * Offsets drawn and not used yet. Usually one; more where a row trigger
 * appends to the same depot, or where rows are skipped after their draw.
 */
#define MAX_UNUSED 16

/* What this session knows about one sequence, and about its own draws. */
typedef struct Draws
{
	Oid			sequence;		/* hash key */
	bool		valid;			/* depot is right; cleared by invalidation */
	Oid			depot;
	LocalTransactionId lxid;	/* the transaction that the rest is about */
	Oid			role;			/* who has been found to have INSERT */
	FullTransactionId xid;		/* the top transaction's */
	int			nunused;
	int64		unused[MAX_UNUSED];
} Draws;

/* By sequence; lives as long as the session, one entry per depot used. */
static HTAB *all_draws = NULL;
static Draws *current = NULL;

/* rama_capture_offset(): where the first offset drawn next is wanted. */
typedef struct Capture
{
	Oid			sequence;
	int64		offset;
} Capture;

static Capture *capture = NULL;

/*
 * A transaction in which an inactive database was seen to take this
 * sequence's events as they come: a restore asks once, not per row.
 */
static Oid	inactive_sequence = InvalidOid;
static LocalTransactionId inactive_lxid = InvalidLocalTransactionId;

static Draws *begin_draws(Oid sequence);
static void refuse_event(Oid sequence);

/* ---- drawing ---- */

static inline bool
is_ready(const Draws *draws, Oid sequence)
{
	return draws != NULL && draws->sequence == sequence && draws->valid &&
		draws->lxid == rama_proc_lxid(MyProc) && draws->role == GetUserId();
}

static inline void
remember_unused(Draws *draws, int64 offset)
{
	if (draws->nunused == MAX_UNUSED)
	{
		memmove(draws->unused, draws->unused + 1, sizeof(int64) * (MAX_UNUSED - 1));
		draws->nunused--;
	}
	draws->unused[draws->nunused++] = offset;
}

/*
 * rama_next_offset() -- rama.next_offset(sequence): draw the next offset of a
 * depot. The default of _offset.
 *
 * Errors: 42704 (not a depot's sequence), 42501 (no INSERT privilege on the
 * depot, nor on a column of it), 25006 (standby, read-only transaction).
 */
Datum
rama_next_offset(PG_FUNCTION_ARGS)
{
	Oid			sequence = PG_GETARG_OID(0);
	int64		offset;

	if (!is_ready(current, sequence))
		current = begin_draws(sequence);
	offset = nextval_internal(sequence, false);
	remember_unused(current, offset);
	if (unlikely(capture != NULL) && capture->sequence == sequence &&
		capture->offset == RAMA_NO_OFFSET)
		capture->offset = offset;
	PG_RETURN_INT64(offset);
}

static void
invalidate_draws(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS status;
	Draws	   *draws;

	hash_seq_init(&status, all_draws);
	while ((draws = hash_seq_search(&status)) != NULL)
	{
		if (!OidIsValid(relid) || relid == draws->sequence || relid == draws->depot)
			draws->valid = false;
	}
}

static Draws *
find_draws(Oid sequence)
{
	bool		found;
	Draws	   *draws;

	if (all_draws == NULL)
	{
		HASHCTL		ctl;

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(Draws);
		all_draws = hash_create("pg_rama offsets drawn", 16, &ctl, HASH_ELEM | HASH_BLOBS);
		CacheRegisterRelcacheCallback(invalidate_draws, (Datum) 0);
	}
	draws = hash_search(all_draws, &sequence, HASH_ENTER, &found);
	if (!found)
	{
		draws->valid = false;
		draws->depot = InvalidOid;
		draws->lxid = InvalidLocalTransactionId;
	}
	return draws;
}

static void
check_insert_privilege(Oid depot, Oid role)
{
	if (pg_class_aclcheck(depot, role, ACL_INSERT) != ACLCHECK_OK &&
		pg_attribute_aclcheck_all(depot, role, ACL_INSERT, ACLMASK_ANY) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(depot));
}

static void
find_depot(Draws *draws)
{
	/* An invalidation while we look counts: it sets valid back. */
	draws->valid = true;
	draws->depot = rama_depot_of_sequence(draws->sequence);
	if (OidIsValid(draws->depot))
		return;
	draws->valid = false;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("\"%s\" is not the sequence of a depot",
					rama_relation_name(draws->sequence))));
}

/*
 * Whoever has the sequence's lock has the depot's, to the end of the top-level
 * transaction: a DROP, which takes them in this order, would be stuck between a
 * draw and the INSERT that follows, be it after a savepoint.
 */
static void
lock_depot(Oid depot)
{
	ResourceOwner owner = CurrentResourceOwner;

	CurrentResourceOwner = TopTransactionResourceOwner;
	LockRelationOid(depot, RowExclusiveLock);
	CurrentResourceOwner = owner;
}

/*
 * Make ready for draws of the current transaction and role.
 */
static Draws *
begin_draws(Oid sequence)
{
	Draws	   *draws = find_draws(sequence);

	rama_require_primary("rama.next_offset()");
	PreventCommandIfReadOnly("rama.next_offset()");
	PreventCommandIfParallelMode("rama.next_offset()");
	if (!draws->valid)
		find_depot(draws);
	check_insert_privilege(draws->depot, GetUserId());

	if (draws->lxid != rama_proc_lxid(MyProc))
	{
		lock_depot(draws->depot);
		if (!draws->valid)
			find_depot(draws);	/* dropped, perhaps, while we waited */
		draws->xid = GetTopFullTransactionId();
		draws->nunused = 0;
		rama_wake_at_commit(draws->depot);
		draws->lxid = rama_proc_lxid(MyProc);
	}
	draws->role = GetUserId();
	return draws;
}

/*
 * rama_appended_in_transaction() -- Has the current transaction drawn from
 * this depot, be it in a subtransaction that was rolled back?
 */
bool
rama_appended_in_transaction(Oid depot)
{
	HASH_SEQ_STATUS status;
	Draws	   *draws;
	bool		found = false;

	if (all_draws == NULL)
		return false;
	hash_seq_init(&status, all_draws);
	while ((draws = hash_seq_search(&status)) != NULL)
		found |= draws->depot == depot && draws->lxid == rama_proc_lxid(MyProc);
	return found;
}

/*
 * rama_capture_offset() -- Run insert(arg), and return the first offset that
 * it draws from the sequence, or RAMA_NO_OFFSET if it draws none.
 *
 * For an INSERT of one row into the depot that is the row's own offset:
 * defaults are evaluated before row triggers, which may append too, run.
 */
int64
rama_capture_offset(Oid sequence, void (*insert) (void *arg), void *arg)
{
	Capture    *outer = capture;
	Capture		mine = {sequence, RAMA_NO_OFFSET};

	PG_TRY();
	{
		capture = &mine;
		insert(arg);
	}
	PG_FINALLY();
	{
		capture = outer;
	}
	PG_END_TRY();
	return mine.offset;
}

/* ---- checking ---- */

/*
 * Use up an offset that was drawn; false if it was not, or is used already.
 */
static inline bool
use_offset(Draws *draws, int64 offset)
{
	for (int i = draws->nunused - 1; i >= 0; i--)
	{
		if (draws->unused[i] == offset)
		{
			draws->nunused--;
			memmove(draws->unused + i, draws->unused + i + 1,
					sizeof(int64) * (draws->nunused - i));
			return true;
		}
	}
	return false;
}

/*
 * rama_check_event() -- rama.check_event(_xid, _offset[, _partition],
 * sequence): the CHECK of a depot.
 *
 * True if this transaction drew the offset from the sequence and has not used
 * it, _xid is its own, and _partition, where given, is 0. Otherwise error
 * 428C9, unless the database is inactive: a restore brings its own values.
 */
Datum
rama_check_event(PG_FUNCTION_ARGS)
{
	FullTransactionId xid = PG_GETARG_FULLTRANSACTIONID(0);
	int64		offset = PG_GETARG_INT64(1);
	int32		partition = PG_NARGS() == 4 ? PG_GETARG_INT32(2) : 0;
	Oid			sequence = PG_GETARG_OID(PG_NARGS() - 1);
	Draws	   *draws = current;

	if (unlikely(draws == NULL || draws->sequence != sequence))
		draws = find_draws(sequence);
	if (unlikely(draws->lxid != rama_proc_lxid(MyProc) ||
				 !FullTransactionIdEquals(xid, draws->xid) ||
				 partition != 0 ||
				 !use_offset(draws, offset)))
		refuse_event(sequence);
	PG_RETURN_BOOL(true);
}

/*
 * Refuse an event with managed values of somebody else's making; return where
 * the database is inactive.
 */
static void
refuse_event(Oid sequence)
{
	Oid			depot;

	if (inactive_sequence == sequence && inactive_lxid == rama_proc_lxid(MyProc))
		return;
	if (!rama_is_active())
	{
		inactive_sequence = sequence;
		inactive_lxid = rama_proc_lxid(MyProc);
		return;
	}
	depot = rama_depot_of_sequence(sequence);
	ereport(ERROR,
			(errcode(ERRCODE_GENERATED_ALWAYS),
			 errmsg("cannot give values for managed columns of depot \"%s\"",
					OidIsValid(depot) ? rama_relation_name(depot) : rama_relation_name(sequence)),
			 errdetail("\"%s\", \"%s\" and \"%s\" get their values when the event is appended.",
					   RAMA_XID_COLUMN, RAMA_OFFSET_COLUMN, RAMA_PARTITION_COLUMN),
			 errhint("Leave these columns out, or use rama.append().")));
}
