-- Watching PStates

CREATE PROCEDURE rama.tail(pstate regclass, path jsonb DEFAULT '[]', format text DEFAULT 'text')
AS 'MODULE_PATHNAME', 'rama_tail' LANGUAGE C;
COMMENT ON PROCEDURE rama.tail(regclass, jsonb, text) IS
'Sends lines (as COPY TO STDOUT does) to the client until it cancels: first what the path selects now, then each change of it as it is committed. format: text (version, operation, path, value), json (one object a line), patch (RFC 6902, one array a version). Holds no snapshot while it waits. Needs SELECT on the PState. Errors: 25001 in a transaction block, 0A000 path that cannot be watched, 42501, 42704 when the PState is dropped.';

CREATE PROCEDURE rama.tail_many(watches jsonb)
AS 'MODULE_PATHNAME', 'rama_tail_many' LANGUAGE C;
COMMENT ON PROCEDURE rama.tail_many(jsonb) IS
'As rama.tail, of many paths by one connection: watches is an array of objects {"id", "pstate", "path"}. Lines are objects {"id", "version", "op", "path", "value"}, in order of versions, the first of each watch a reset with its value. Errors name the watch. 22023 for an array that is not like that, otherwise as rama.tail.';

CREATE FUNCTION rama.watch(pstate regclass, path jsonb, OUT id text, OUT channel text, OUT version bigint, OUT value jsonb)
RETURNS record AS 'MODULE_PATHNAME', 'rama_watch' LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION rama.watch(regclass, jsonb) IS
'Watches a path to the end of the session, or to DISCARD ALL: an id for rama.unwatch, a channel to LISTEN to, and the value with its version. A notification''s payload is {"from": u, "version": v, "changes": [...]}, or "fetch": true instead of the changes. Who sees "from" above the version that he has, or "fetch", calls rama.changes(after => that version); so does everyone once after LISTEN. Nothing is sent while the role that called this may not SELECT. Errors: 0A000 path that cannot be watched, 42501, 55000 in a transaction that has written to the PState, 53400 more than pg_rama.max_watches, 54000 a path that takes more than 8192 bytes.';

CREATE FUNCTION rama.unwatch(id text) RETURNS void
AS 'MODULE_PATHNAME', 'rama_unwatch' LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION rama.unwatch(text) IS
'Ends a watch of this session. Error 42704 if there is none with this id.';

CREATE FUNCTION rama.watcher_list(OUT id text, OUT channel text, OUT pid int, OUT role oid, OUT pstate oid, OUT path jsonb,
	OUT version bigint, OUT told bigint, OUT since timestamptz)
RETURNS SETOF record AS 'MODULE_PATHNAME', 'rama_watcher_list' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION rama.watcher_list() IS
'What the view rama.watchers shows.';

CREATE VIEW rama.watchers AS
SELECT n.nspname AS module, c.relname AS name, w.pstate::regclass AS pstate, w.path, w.id, w.channel, w.pid,
	pg_catalog.pg_get_userbyid(w.role) AS role, w.version, w.told, w.since
FROM rama.watcher_list() w
LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) w.pstate
LEFT JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace;
COMMENT ON VIEW rama.watchers IS
'The watches made by rama.watch in this database, of roles that you are a member of, or all if you are a member of pg_monitor: the path, the session, the version of the value that it got, and up to which version it has been told. The channel is shown to its own session only.';
GRANT SELECT ON rama.watchers TO PUBLIC;
