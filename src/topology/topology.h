/*-------------------------------------------------------------------------
 *
 * topology.h
 *	  Topologies: definition, batches, handlers, progress.
 *
 * See src/topology/README.md.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAMA_TOPOLOGY_H
#define RAMA_TOPOLOGY_H

#include "pg_rama.h"

#include "clock.h"
#include "datatype/timestamp.h"
#include "depot/depot.h"
#include "executor/spi.h"
#include "tcop/dest.h"
#include "utils/jsonb.h"
#include "utils/tuplestore.h"

typedef enum RamaTopologyKind
{
	RAMA_STREAM,
	RAMA_MICROBATCH
} RamaTopologyKind;

typedef struct RamaOptions
{
	int			batch_max;		/* events */
	int			interval;		/* ms; microbatch only */
	int			max_attempts;
	bool		halt;			/* on_error = 'halt' */
	int			backoff;		/* ms */
	int			handler_timeout;	/* ms, 0: none */
	int			max_lag;		/* ms, 0: none */
	bool		synchronous_commit;
} RamaOptions;

/* The events of a batch, in the statements of an sql handler. */
#define RAMA_BATCH_RELATION "batch"

/* Prepared statements of an sql handler, one per power of 8 of batch sizes. */
#define RAMA_PLAN_SIZES 8

typedef struct RamaMerge RamaMerge;

/* One depot of a topology with its handler: a row of rama.source. */
typedef struct RamaSource
{
	int			number;			/* from 1, in order of creation */
	Oid			depot;
	RamaDepot	info;			/* of the depot */
	char	   *each;			/* function, or NULL */
	char	   *sql;			/* statements, or NULL */
	Oid			target;			/* a table of a PState, or InvalidOid */
	char	   *merge;			/* aggregators, with target */
	Oid			pstate;			/* the target's root */
	RamaMerge  *resolved;		/* of the last batch, or NULL */
	Oid			function;		/* resolved "each" */
	SPIPlanPtr	plans[RAMA_PLAN_SIZES];
	List	   *changed;		/* relations changed_<pstate> that the plans
								 * read */
	/* Offsets that the last attempt took: a retry takes the same. */
	int64	   *offsets;
	int			noffsets;
	int			maxoffsets;
} RamaSource;

/* A row of rama.topology with its sources. */
typedef struct RamaTopology
{
	Oid			relid;
	char	   *name;			/* schema.name, for messages */
	RamaTopologyKind kind;
	Oid			owner;
	Oid			namespace;
	bool		paused;
	RamaOptions options;
	int			nwrites;
	Oid		   *writes;			/* PStates, in the order of their oids */
	int			nsources;
	RamaSource *sources;
	RamaTicks	retry_at;		/* with RAMA_BATCH_WAIT: not before */
	bool		retry;			/* this worker's last attempt has failed */
	int64		attempted;		/* the number of that batch */
	bool		stale;			/* the catalog has changed since */
	MemoryContext context;		/* holds all of this */
} RamaTopology;

/* The one row of a topology's table. */
typedef struct RamaTopologyState
{
	int64		batch;			/* number of the last batch that committed */
	int			nsources;
	RamaProgress *progress;		/* by source, in order */
	int			attempts;		/* failed ones of the batch to come */
	bool		halted;
	TimestampTz retry_at;		/* not before, or 0 */
	char	   *sqlstate;		/* of the last failed attempt, or NULL */
	char	   *error;
	TimestampTz failed_at;
	ItemPointerData tid;
} RamaTopologyState;

/* What became of a try to run a batch. */
typedef enum RamaBatchOutcome
{
	RAMA_BATCH_BUSY,			/* somebody else holds a lock, or the
								 * definition is stale; try later */
	RAMA_BATCH_WAIT,			/* backing off until retry_at, or halted */
	RAMA_BATCH_IDLE,			/* nothing to take */
	RAMA_BATCH_DONE,			/* took all that was there */
	RAMA_BATCH_FULL				/* took batch_max; there may be more */
} RamaBatchOutcome;

/* options.c */
extern void rama_options_parse(Jsonb *json, RamaOptions *options);
extern int64 rama_interval_us(const Interval *interval);

/* load.c */
extern bool rama_is_topology(Oid relid);
extern void rama_check_topology_owner(Oid relid);
extern void rama_check_topology_reader(Oid relid);
extern bool rama_topology_uses(const RamaTopology *topology, Oid relid);
extern RamaTopology *rama_topology_load(Oid relid, MemoryContext parent);
extern void rama_topology_free(RamaTopology *topology);
extern void rama_source_forget_plans(RamaSource *source);
extern void rama_topology_inherit(RamaTopology *topology, const RamaTopology *old);
extern Oid	rama_handler_function(const char *name, Oid depot, bool missing_ok);
extern void rama_source_set_each(Oid topology, int number, const char *each);
extern bool rama_topology_add_write(Oid relid, Oid pstate);

/* progress.c */
extern void rama_topology_lock(Oid relid);
extern void rama_topology_begin_change(Oid relid);
extern bool rama_topology_try_lock(Oid relid);
extern void rama_state_read(Oid relid, RamaTopologyState *state);
extern void rama_state_insert(Oid relid, const RamaTopologyState *state);
extern void rama_state_write(Oid relid, const RamaTopologyState *state);

/* batch.c */
extern void rama_start_transaction(void);
extern RamaBatchOutcome rama_batch_run(RamaTopology *topology);
extern Oid	rama_current_topology(void);
extern void rama_refuse_own_batch(Oid topology, const char *what);
extern void rama_batch_forget(void);

/* handler.c */
extern void rama_handler_begin(RamaTopology *topology, RamaSource *source, Oid depot,
							   int64 nevents);
extern bool rama_handler_resolve(RamaTopology *topology);
extern void rama_handler_run(RamaTopology *topology, RamaSource *source,
							 Relation depot, Tuplestorestate *events, int64 nevents);
extern int	rama_handler_settings(Oid namespace);
extern void rama_handler_check_sql(Oid topology, const char *sql, Oid depot,
								   Oid target, const char *merge);
extern void rama_session_clean(void);

/* merge.c */
extern DestReceiver *rama_merge_receiver(RamaTopology *topology, RamaSource *source);
extern void rama_merge_check(SPIPlanPtr plan, Oid target, const char *merge);

/* changed.c */
extern void rama_changed_init(void);
extern bool rama_changed_possible(const char *sql);
extern List *rama_changed_list(const Oid *pstates, int npstates, Oid namespace);
extern bool rama_changed_current(List *list);
extern List *rama_changed_used(SPIPlanPtr plan, List *list, MemoryContext context);
extern void rama_changed_register(List *list, double rows);
extern void rama_changed_activate(List *list);
extern void rama_changed_track(List *list);
extern bool rama_changed_source(const char *name, AttrNumber attno, Oid *relid,
								AttrNumber *column);
extern void rama_changed_forget(void);

/* estimate.c */
extern void rama_estimate_init(void);

/* failure.c */
extern RamaTicks rama_failure_record(RamaTopology *topology, const ErrorData *error);
extern RamaTicks rama_failure_retry(const RamaTopology *topology, const RamaTopologyState *state);

/* define.c */
extern void rama_topology_record_dependencies(Oid relid);

/* start.c */
extern void rama_start_position(const RamaDepot *depot, const char *start_from,
								RamaProgress *progress);

/* ddl.c */
extern void rama_topology_check_ddl(Node *parsetree);

/* rename.c */
extern void rama_topology_renamed(Node *parsetree);

/* query.c */
extern Oid	rama_query_find(const char *given, char **fullname);
extern void rama_queries_before_ddl(Node *parsetree);
extern void rama_queries_after_ddl(Node *parsetree);
extern void rama_query_function_dropped(const char *identity);
extern void rama_queries_dropped(const char *module);
extern void rama_queries_renamed(const char *module, const char *newname);

/* control.c */
extern bool rama_topology_dropped(Oid relid);

#endif							/* RAMA_TOPOLOGY_H */
