-- Changes of PStates

CREATE FUNCTION rama.changes(pstate regclass, path jsonb, after bigint, wait interval DEFAULT '0', max int DEFAULT 1000)
RETURNS TABLE (version bigint, op text, path jsonb, value jsonb)
AS 'MODULE_PATHNAME', 'rama_changes' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 100;
COMMENT ON FUNCTION rama.changes(regclass, jsonb, bigint, interval, int) IS
'What has changed at a path of a PState since the version "after": one row per operation, in the order of versions. op: set (the value at path is this now), add (to the number at path; nothing counts as 0), insert (an element into the set at path, or at the index that ends path), append (elements to the vector at path), remove (the entry, field, index or element that ends path), reset (what is asked for is not known any more: path is the one given, value what it has in this version; go on from there). Where there is nothing, waits up to "wait", at most pg_rama.max_wait, and holds its snapshot meanwhile. About "max" rows: a version is never cut in two. Needs SELECT. Errors: 42501; 22023, 0A000 (path); 25006 (waiting on a standby); 55000 (waiting without the library preloaded, or in a handler; a reset in a transaction that has written to the PState).';

CREATE FUNCTION rama.version(pstate regclass)
RETURNS bigint AS 'MODULE_PATHNAME', 'rama_version' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION rama.version(regclass) IS
'The number of transactions that have changed a PState, as the statement''s snapshot sees it: in one statement, the version of what the other functions read there. Needs SELECT. Errors: 42704, 42501.';

CREATE FUNCTION rama.retain_changes(pstate regclass, "interval" interval)
RETURNS void AS 'MODULE_PATHNAME', 'rama_retain_changes' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION rama.retain_changes(regclass, interval) IS
'Keeps the changes of a PState for so long in a table, so that rama.changes has them when the ring in shared memory does not any more, and after a restart. NULL: not any more. Only the owner may. Errors: 42501, 42704, 22023 (negative).';
