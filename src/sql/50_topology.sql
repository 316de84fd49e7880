-- Topologies

CREATE FUNCTION rama.guard_topology() RETURNS trigger
AS 'MODULE_PATHNAME', 'rama_guard_topology' LANGUAGE C;
COMMENT ON FUNCTION rama.guard_topology() IS
'Trigger function: refuses changes of a topology''s progress by hand (0A000), except while the database is inactive.';

CREATE FUNCTION rama.create_topology(name text, kind text, depot regclass DEFAULT NULL,
	each text DEFAULT NULL, sql text DEFAULT NULL, target regclass DEFAULT NULL, merge text DEFAULT NULL,
	writes regclass[] DEFAULT '{}', start_from text DEFAULT 'beginning', options jsonb DEFAULT '{}',
	if_not_exists boolean DEFAULT false) RETURNS regclass
AS 'MODULE_PATHNAME', 'rama_create_topology' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION rama.create_topology(text, text, regclass, text, text, regclass, text, regclass[], text, jsonb, boolean) IS
'Makes a topology of kind ''stream'' or ''microbatch'': background workers run its handler on every event of the depot exactly once, as the topology''s owner. each: name of a function whose argument is the depot''s row type; sql: statements over the relation "batch", and over changed_<table> for each table of the PStates that the topology writes: keys, old_* and new_* of what the batch has changed so far. target, merge: the rows of sql, one query that returns keys and then values, are merged into this PState (or table of one) by key; merge is an aggregator, or a comma list with one per value column: sum, count, min, max, and, or, first, last. Values go to struct fields by name, else in order; nulls are passed over, as by SQL''s aggregates. writes: the PStates that only this topology writes. start_from: ''beginning'', ''end'', an offset, a timestamp, or an interval ago. options: batch_max (10000), interval (100 ms), max_attempts (5), on_error (''halt''; without it, retried without end), backoff (50 ms), handler_timeout (none; of a batch), max_lag (none; rama.status says "lagging" beyond it), synchronous_commit (on). Takes effect at commit. Errors: 42704 no such depot or PState, 42883 no such function, 55006 PState written by another topology, 22023 unknown kind, option or start, 42704 unknown aggregator, 22023 or 42804 columns that do not fit the target, 42P07 name taken, 42501 no privilege.';

CREATE FUNCTION rama.add_source(topology regclass, depot regclass, each text DEFAULT NULL, sql text DEFAULT NULL,
	target regclass DEFAULT NULL, merge text DEFAULT NULL, start_from text DEFAULT 'beginning') RETURNS void
AS 'MODULE_PATHNAME', 'rama_add_source' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION rama.add_source(regclass, regclass, text, text, regclass, text, text) IS
'Lets a topology read one more depot, with a handler of its own; arguments as of rama.create_topology(). Within a batch, sources run in the order of their creation. Takes effect at commit, between two batches.';

CREATE FUNCTION rama.pause(topology regclass) RETURNS void
AS 'MODULE_PATHNAME', 'rama_pause' LANGUAGE C STRICT VOLATILE;
COMMENT ON FUNCTION rama.pause(regclass) IS
'Lets the running batch of a topology finish and starts no other before rama.resume(). Errors: 42704 not a topology, 42501 not its owner.';

CREATE FUNCTION rama.resume(topology regclass) RETURNS void
AS 'MODULE_PATHNAME', 'rama_resume' LANGUAGE C STRICT VOLATILE;
COMMENT ON FUNCTION rama.resume(regclass) IS
'Lets a paused, halted or backing-off topology go on at once. Errors: 42704 not a topology, 42501 not its owner.';

CREATE FUNCTION rama.drop_topology(topology regclass) RETURNS void
AS 'MODULE_PATHNAME', 'rama_drop_topology' LANGUAGE C STRICT VOLATILE;
COMMENT ON FUNCTION rama.drop_topology(regclass) IS
'Drops a topology, as DROP TABLE does. Its PStates stay, without owner. Errors: 42704 not a topology, 42501 not its owner.';

CREATE FUNCTION rama.wait(topology regclass, up_to bigint DEFAULT NULL, depot regclass DEFAULT NULL,
	timeout interval DEFAULT '10s') RETURNS boolean
AS 'MODULE_PATHNAME', 'rama_wait' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION rama.wait(regclass, bigint, regclass, interval) IS
'Waits until the topology has processed everything that was committed before the call, or everything up to the offset up_to of the depot; false at the timeout. The effects are seen by the next statement. A waiting statement keeps its snapshot, as any long statement does: behind a long backlog, wait in short steps. Errors: a halted topology''s last error; 55000 for events that the own transaction has appended; 22023 for up_to without depot when there are several; 25006 on a standby.';

CREATE FUNCTION rama.batch_id() RETURNS bigint
AS 'MODULE_PATHNAME', 'rama_batch_id' LANGUAGE C STABLE PARALLEL RESTRICTED;
COMMENT ON FUNCTION rama.batch_id() IS
'In a handler: the number of the running batch, the same for every attempt. Error 55000 elsewhere.';

CREATE FUNCTION rama.activate() RETURNS void
AS 'MODULE_PATHNAME', 'rama_activate' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION rama.activate() IS
'Lets the topologies of a restored or copied database run: each goes on where its progress says. Waits for open transactions that append to depots. For the database''s owner and superusers. Errors: 55000 what was restored is not complete, or the sequence of a depot is behind its events; 42883 a handler function is missing; 42501 not the owner; 25006 on a standby.';

CREATE FUNCTION rama.deactivate() RETURNS void
AS 'MODULE_PATHNAME', 'rama_deactivate' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION rama.deactivate() IS
'Lets no topology of this database run before rama.activate(), so that a dump can be restored into it beside what is there. Waits for running batches. For the database''s owner and superusers. Errors: 42501 not the owner; 25006 on a standby; 55000 in a handler.';
