/*-------------------------------------------------------------------------
 *
 * guc.c
 *	  The settings pg_rama.*.
 *
 *-------------------------------------------------------------------------
 */
#include "pg_rama.h"

#include <limits.h>

#include "fault.h"
#include "index/index.h"
#include "utils/guc.h"
#include "watch/subscribe.h"

bool		rama_enabled = true;
int			rama_workers = 4;
int			rama_poll_interval = 5000;
int			rama_max_value_elements = 10000;
int			rama_batch_memory = 65536;
int			rama_change_ring_mb = 16;
int			rama_max_wait = 30000;
int			rama_index_method = RAMA_INDEX_PSTATE;
char	   *rama_dump_modules = NULL;

static const struct config_enum_entry index_methods[] = {
	{"pstate", RAMA_INDEX_PSTATE, false},
	{"btree", RAMA_INDEX_BTREE, false},
	{NULL, 0, false}
};

/*
 * rama_define_gucs() -- Define the settings. Called once, by _PG_init.
 */
void
rama_define_gucs(void)
{
	DefineCustomBoolVariable("pg_rama.enabled",
							 "Lets topologies run.",
							 "When off, no worker runs a topology; appends and reads go on.",
							 &rama_enabled, true,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_rama.workers",
							"Maximum number of workers that run topologies in one database.",
							"Workers are taken from max_worker_processes.",
							&rama_workers, 4, 1, 64,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_rama.poll_interval",
							"How often an idle worker looks for events that it was not woken for.",
							"A safety net: commits wake workers.",
							&rama_poll_interval, 5000, 10, INT_MAX / 2,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_rama.max_value_elements",
							"Most elements of a collection that a path returns as one value.",
							"Larger collections are read in pages, by ranges.",
							&rama_max_value_elements, 10000, 1, INT_MAX,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("pg_rama.batch_memory",
							"Memory for rows of PStates that a worker keeps.",
							"When a batch has changed more, it is written to the tables early; up to half of it stays for the next batches.",
							&rama_batch_memory, 65536, 64, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);
	if (rama_preloaded)
	{
		DefineCustomIntVariable("pg_rama.change_ring_mb",
								"Shared memory for the changes of PStates that watchers have yet to read.",
								"Who falls behind by more gets the current value instead.",
								&rama_change_ring_mb, 16, 1, 65536,
								PGC_POSTMASTER, GUC_UNIT_MB, NULL, NULL, NULL);
		DefineCustomIntVariable("pg_rama.max_watches",
								"Maximum number of watches by rama.watch() in the server.",
								NULL,
								&rama_max_watches, 10000, 1, 1000000,
								PGC_POSTMASTER, 0, NULL, NULL, NULL);
	}
	DefineCustomIntVariable("pg_rama.max_wait",
							"Longest time that rama.changes() waits.",
							"While it waits, it holds a snapshot.",
							&rama_max_wait, 30000, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomEnumVariable("pg_rama.index_method",
							 "Access method of the indexes over the keys of new PStates.",
							 "Keys of types that \"pstate\" has no operator class for are indexed by btree.",
							 &rama_index_method, RAMA_INDEX_PSTATE, index_methods,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("pg_rama.dump_modules",
							   "Modules whose definitions pg_dump finds, as a list of schemas.",
							   "Empty: all. To be set by PGOPTIONS for pg_dump --schema.",
							   &rama_dump_modules, "",
							   PGC_USERSET, GUC_LIST_INPUT, NULL, NULL, NULL);
	ps_wal_define_gucs();
	rama_fault_define_gucs();
	MarkGUCPrefixReserved("pg_rama");
}
