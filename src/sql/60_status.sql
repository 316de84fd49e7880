-- Views of what there is and how it does

CREATE FUNCTION rama.topology_progress(topology regclass)
RETURNS TABLE (source int, depot regclass, "position" bigint, last_offset bigint, pending int, lag_ms bigint)
AS 'MODULE_PATHNAME', 'rama_topology_progress' LANGUAGE C STRICT VOLATILE;
COMMENT ON FUNCTION rama.topology_progress(regclass) IS
'How far each source of a topology has read its depot: all settled events up to position are processed, last_offset is the depot''s last, pending the number of open transactions that appended before position, lag_ms the age of the first event not processed. Needs SELECT on the topology.';

CREATE FUNCTION rama.topology_state(topology regclass,
	OUT batch bigint, OUT attempts int, OUT halted boolean, OUT retry_at timestamptz,
	OUT sqlstate text, OUT error text, OUT failed_at timestamptz, OUT rate double precision, OUT max_lag int, OUT hint text)
AS 'MODULE_PATHNAME', 'rama_topology_state' LANGUAGE C STRICT VOLATILE;
COMMENT ON FUNCTION rama.topology_state(regclass) IS
'The number of the last batch of a topology, its failed attempts since with their error and the time of the next, whether it has halted, events per second of late, its option max_lag in ms, and why no worker serves it where something is wrong with that. Needs SELECT on the topology.';

CREATE FUNCTION rama.standstill(OUT reason text, OUT hint text)
AS 'MODULE_PATHNAME', 'rama_standstill' LANGUAGE C STABLE;
COMMENT ON FUNCTION rama.standstill() IS
'Why no topology of this database runs now, and what to do: ''not preloaded'', ''inactive'' (a restored or copied database before rama.activate()), ''standby'', ''disabled'', ''closed'' (the database accepts no connections). NULL if they may run.';

CREATE VIEW rama.topologies AS
SELECT n.nspname AS module, c.relname AS name, t.topology, t.kind,
	pg_catalog.pg_get_userbyid(c.relowner) AS owner, t.paused,
	ARRAY(SELECT s.depot FROM rama.source s WHERE s.topology OPERATOR(pg_catalog.=) t.topology ORDER BY s.source) AS depots,
	ARRAY(SELECT s.target FROM rama.source s WHERE s.topology OPERATOR(pg_catalog.=) t.topology ORDER BY s.source) AS targets,
	ARRAY(SELECT s.merge FROM rama.source s WHERE s.topology OPERATOR(pg_catalog.=) t.topology ORDER BY s.source) AS merges,
	t.writes, t.options
FROM rama.topology t
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.topology
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace;
COMMENT ON VIEW rama.topologies IS 'The topologies of this database: the depots that they read, source by source, with the targets that these merge into and the aggregators (NULL for other handlers), the PStates that they write, and their options.';
GRANT SELECT ON rama.topologies TO PUBLIC;

CREATE VIEW rama.status AS
SELECT n.nspname AS module, c.relname AS name, t.kind,
	CASE WHEN w.reason IS NOT NULL THEN w.reason
		WHEN t.paused THEN 'paused'
		WHEN s.halted THEN 'halted'
		WHEN s.attempts OPERATOR(pg_catalog.>) 0 THEN 'failing'
		WHEN p.lag_ms OPERATOR(pg_catalog.>) s.max_lag THEN 'lagging'
		WHEN p.lag_events OPERATOR(pg_catalog.>) 0 THEN 'running'
		ELSE 'idle' END AS state,
	p.lag_events, p.lag_ms,
	h.pid AS held_by, h.age AS held_for,
	pg_catalog.round(s.rate::numeric, 1) AS rate,
	s.attempts, s.sqlstate AS last_sqlstate, s.error AS last_error, s.failed_at,
	CASE WHEN w.reason IS NOT NULL THEN w.hint
		WHEN t.paused OR s.halted THEN pg_catalog.format('SELECT rama.resume(%L)', t.topology)
		ELSE s.hint END AS hint
FROM rama.topology t
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.topology
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
CROSS JOIN rama.standstill() w
CROSS JOIN LATERAL rama.topology_state(t.topology) s
CROSS JOIN LATERAL (
	SELECT pg_catalog.sum(CASE WHEN lag_ms IS NULL THEN 0
			ELSE last_offset OPERATOR(pg_catalog.-) "position" END)::bigint AS lag_events,
		pg_catalog.max(lag_ms) AS lag_ms,
		pg_catalog.array_agg(depot) AS depots
	FROM rama.topology_progress(t.topology)) p
LEFT JOIN LATERAL (
	SELECT d.pid, d.age
	FROM pg_catalog.unnest(p.depots) AS u (depot)
	CROSS JOIN LATERAL rama.pending(u.depot) d
	ORDER BY d.age DESC NULLS LAST LIMIT 1) h ON true
WHERE pg_catalog.has_table_privilege(t.topology, 'SELECT')
UNION ALL
SELECT n.nspname, c.relname, 'depot', 'idle', NULL, NULL, h.pid, h.age, NULL, NULL, NULL, NULL, NULL, NULL
FROM rama.depot d
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) d.depot
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
LEFT JOIN LATERAL (
	SELECT q.pid, q.age FROM rama.pending(d.depot) q
	ORDER BY q.age DESC NULLS LAST LIMIT 1) h ON true
WHERE pg_catalog.has_table_privilege(d.depot, 'SELECT')
UNION ALL
SELECT n.nspname, c.relname, 'pstate', CASE WHEN s.topology IS NULL THEN 'unowned' ELSE 'owned' END,
	NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM rama.pstate s
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) s.pstate
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE pg_catalog.has_table_privilege(s.pstate, 'SELECT');
COMMENT ON VIEW rama.status IS
'One screen: every depot, PState and topology that you may read, its state, how far a topology lags in events and ms, the session that holds it up, events per second, and the last error with what to do.';
GRANT SELECT ON rama.status TO PUBLIC;
