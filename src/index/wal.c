/*-------------------------------------------------------------------------
 *
 * wal.c
 *	  All writes of pages: applied and logged.
 *
 * A write changes a few pages, all or nothing, by operations (change.c). Under
 * our own resource manager the operations themselves are logged; under
 * GenericXLog what they have changed. See "WAL" in README.md.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/bufmask.h"
#include "access/generic_xlog.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "access/xloginsert.h"
#include "access/xlogutils.h"
#include "compat.h"
#include "fault.h"
#include "index/index.h"
#include "miscadmin.h"
#include "storage/standby.h"
#include "utils/guc.h"

/* The only type of record. Block data: operations; main data: the horizon, if any */
#define XLOG_PS_WRITE		0x00

static bool custom_wal = true;
static int	rmgr_id = 156;
static bool registered = false;

static void write_redo(XLogReaderState *record);
static void write_describe(StringInfo buf, XLogReaderState *record);
static const char *write_identify(uint8 info);
static void write_mask(char *page, BlockNumber block);

static RmgrData manager = {
	.rm_name = "pg_rama",
	.rm_redo = write_redo,
	.rm_desc = write_describe,
	.rm_identify = write_identify,
	.rm_mask = write_mask,
};

/*
 * ps_wal_define_gucs() -- Define pg_rama.custom_wal and pg_rama.rmgr_id.
 *
 * Called by rama_define_gucs(). Only a preloaded library may have settings
 * that need a restart; otherwise these have no effect.
 */
void
ps_wal_define_gucs(void)
{
	GucContext	context = process_shared_preload_libraries_in_progress ?
		PGC_POSTMASTER : PGC_SIGHUP;

	DefineCustomBoolVariable("pg_rama.custom_wal",
							 "Logs changes of pstate indexes under a resource manager of their own.",
							 "Less WAL, but recovery and standbys need pg_rama preloaded, too. Without effect unless it is preloaded.",
							 &custom_wal, true,
							 context, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_rama.rmgr_id",
							"Number of the WAL resource manager of pstate indexes.",
							"Must be the same wherever the WAL is replayed, and no other extension's.",
							&rmgr_id, 156, RM_MIN_CUSTOM_ID, RM_MAX_CUSTOM_ID,
							context, 0, NULL, NULL, NULL);
}

/*
 * ps_wal_register() -- Register the resource manager.
 *
 * Called by _PG_init when the library is preloaded, after the settings were
 * defined, whether pg_rama.custom_wal is on or not: there may be records to
 * replay.
 */
void
ps_wal_register(void)
{
	RegisterCustomRmgr((RmgrId) rmgr_id, &manager);
	registered = true;
}

/* ps_wal_is_custom() -- Does our own resource manager log the changes? */
bool
ps_wal_is_custom(void)
{
	return registered && custom_wal;
}

/* ---- Writing ---- */

/*
 * ps_write_begin() -- Begin a change of some pages, all or nothing.
 *
 * Nothing happens before ps_write_end(): it may be given up at any time.
 */
void
ps_write_begin(PsWrite *write, Relation index)
{
	write->index = index;
	write->npages = 0;
	write->horizon = InvalidTransactionId;
}

/*
 * ps_write_page() -- The operations on a page of the write, to be appended to.
 *
 * The caller has locked the buffer exclusively. With "init" the first
 * operation is one that makes the page anew. Operations live in the current
 * memory context.
 */
StringInfo
ps_write_page(PsWrite *write, Buffer buffer, bool init)
{
	int			i = write->npages++;

	if (i >= PS_WRITE_PAGES)
		elog(ERROR, "index write has more than %d pages", PS_WRITE_PAGES);
	write->pages[i].buffer = buffer;
	write->pages[i].init = init;
	initStringInfo(&write->pages[i].ops);
	return &write->pages[i].ops;
}

static void
apply_all(PsWrite *write)
{
	for (int i = 0; i < write->npages; i++)
	{
		Buffer		buffer = write->pages[i].buffer;

		ps_apply(BufferGetPage(buffer), write->pages[i].ops.data, write->pages[i].ops.len);
		MarkBufferDirty(buffer);
	}
}

static XLogRecPtr
insert_record(PsWrite *write)
{
	XLogBeginInsert();
	if (TransactionIdIsValid(write->horizon))
		XLogRegisterData((char *) &write->horizon, sizeof(TransactionId));
	for (int i = 0; i < write->npages; i++)
	{
		XLogRegisterBuffer(i, write->pages[i].buffer, REGBUF_STANDARD |
						   (write->pages[i].init ? REGBUF_WILL_INIT : 0));
		XLogRegisterBufData(i, write->pages[i].ops.data, write->pages[i].ops.len);
	}
	return XLogInsert((RmgrId) rmgr_id, XLOG_PS_WRITE);
}

static void
write_custom(PsWrite *write, bool logged)
{
	START_CRIT_SECTION();
	apply_all(write);
	RAMA_FAULT(write->npages > 1 ? "index pages applied" : "index page applied");
	if (logged)
	{
		XLogRecPtr	lsn = insert_record(write);

		for (int i = 0; i < write->npages; i++)
			PageSetLSN(BufferGetPage(write->pages[i].buffer), lsn);
		RAMA_FAULT(write->npages > 1 ? "index pages logged" : "index page logged");
	}
	END_CRIT_SECTION();
}

/*
 * Marks of dead entries are hints that a standby may not have, which
 * wal_consistency_checking would take for a difference: the generic resource
 * manager does not know that they do not matter.
 */
static void
forget_dead(Page page)
{
	if (!wal_consistency_checking[RM_GENERIC_ID] || PageGetSpecialSize(page) == 0)
		return;
	for (OffsetNumber i = PS_FIRST_ENTRY; i < PsPageEnd(page); i++)
		PageGetItemId(page, i)->lp_flags = LP_NORMAL;
}

static void
write_generic(PsWrite *write)
{
	GenericXLogState *state = GenericXLogStart(write->index);

	if (TransactionIdIsValid(write->horizon) && XLogStandbyInfoActive())
		elog(ERROR, "generic WAL cannot carry a horizon");
	for (int i = 0; i < write->npages; i++)
	{
		Page		page = GenericXLogRegisterBuffer(state, write->pages[i].buffer,
													 write->pages[i].init ? GENERIC_XLOG_FULL_IMAGE : 0);

		ps_apply(page, write->pages[i].ops.data, write->pages[i].ops.len);
		forget_dead(page);
	}
	RAMA_FAULT(write->npages > 1 ? "index pages applied" : "index page applied");
	GenericXLogFinish(state);
	RAMA_FAULT(write->npages > 1 ? "index pages logged" : "index page logged");
}

/*
 * ps_write_end() -- Do it: apply the operations, log them, mark pages dirty.
 *
 * Buffers stay locked and pinned; the caller lets them go.
 */
void
ps_write_end(PsWrite *write)
{
	bool		logged = RelationNeedsWAL(write->index);

	if (!logged || ps_wal_is_custom())
		write_custom(write, logged);
	else
		write_generic(write);
	for (int i = 0; i < write->npages; i++)
		pfree(write->pages[i].ops.data);
}

/*
 * ps_write_whole() -- Apply operations that make a page of a new file, and log
 * the page as a whole, if "logged".
 *
 * For pages that are not in the main fork, too, where RelationNeedsWAL() is
 * not the answer.
 */
void
ps_write_whole(Buffer buffer, const StringInfoData *ops, bool logged)
{
	START_CRIT_SECTION();
	ps_apply(BufferGetPage(buffer), ops->data, ops->len);
	MarkBufferDirty(buffer);
	if (logged)
		log_newpage_buffer(buffer, true);
	END_CRIT_SECTION();
}

/* ---- Replay ---- */

static TransactionId
record_horizon(XLogReaderState *record)
{
	TransactionId horizon = InvalidTransactionId;

	if (XLogRecGetDataLen(record) > 0)
		memcpy(&horizon, XLogRecGetData(record), sizeof(TransactionId));
	return horizon;
}

/*
 * What standby queries can still see must not be removed under them: those
 * are waited for or cancelled.
 */
static void
resolve_conflicts(XLogReaderState *record)
{
	TransactionId horizon = record_horizon(record);

	if (InHotStandby && TransactionIdIsValid(horizon))
		rama_resolve_conflict(record, horizon);
}

/* Returns the block's buffer, locked exclusively, or InvalidBuffer. */
static Buffer
redo_block(XLogReaderState *record, int id)
{
	bool		init = (XLogRecGetBlock(record, id)->flags & BKPBLOCK_WILL_INIT) != 0;
	Buffer		buffer;
	XLogRedoAction action;

	action = XLogReadBufferForRedoExtended(record, id, init ? RBM_ZERO_AND_LOCK : RBM_NORMAL,
										   false, &buffer);
	if (action == BLK_NEEDS_REDO || (init && action == BLK_DONE))
	{
		Page		page = BufferGetPage(buffer);
		Size		len;
		char	   *ops = XLogRecGetBlockData(record, id, &len);

		ps_apply(page, ops, len);
		PageSetLSN(page, record->EndRecPtr);
		MarkBufferDirty(buffer);
		RAMA_FAULT("index page replayed");
	}
	return buffer;
}

static int
block_count(XLogReaderState *record)
{
	int			n = XLogRecMaxBlockId(record) + 1;

	if (n > PS_WRITE_PAGES)
		elog(PANIC, "WAL record of pg_rama has %d blocks", n);
	return n;
}

/*
 * Replay. Pages stay locked until all are done, so that readers see no state
 * that was not there.
 */
static void
write_redo(XLogReaderState *record)
{
	int			n = block_count(record);
	Buffer		buffers[PS_WRITE_PAGES];

	if ((XLogRecGetInfo(record) & ~XLR_INFO_MASK) != XLOG_PS_WRITE)
		elog(PANIC, "unknown WAL record of pg_rama: %u", XLogRecGetInfo(record));
	resolve_conflicts(record);
	for (int i = 0; i < n; i++)
		buffers[i] = redo_block(record, i);
	for (int i = 0; i < n; i++)
		if (BufferIsValid(buffers[i]))
			UnlockReleaseBuffer(buffers[i]);
}

static void
write_describe(StringInfo buf, XLogReaderState *record)
{
	TransactionId horizon = record_horizon(record);

	if (TransactionIdIsValid(horizon))
		appendStringInfo(buf, "horizon %u; ", horizon);
	for (int i = 0; i <= XLogRecMaxBlockId(record); i++)
	{
		Size		len;
		char	   *ops = XLogRecGetBlockData(record, i, &len);

		appendStringInfo(buf, "%spage %d:", i == 0 ? "" : "; ", i);
		if (ops != NULL)
			ps_describe_ops(buf, ops, len);
	}
}

static const char *
write_identify(uint8 info)
{
	return (info & ~XLR_INFO_MASK) == XLOG_PS_WRITE ? "WRITE" : NULL;
}

/* For wal_consistency_checking: what need not be the same on a standby. */
static void
write_mask(char *page, BlockNumber block)
{
	mask_page_lsn_and_checksum(page);
	mask_page_hint_bits(page);
	mask_unused_space(page);
	if (PageGetSpecialSize((Page) page) != 0)
		mask_lp_flags(page);
}
