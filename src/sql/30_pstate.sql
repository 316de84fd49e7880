-- PStates

CREATE FUNCTION rama.create_pstate(name text, schema text, if_not_exists boolean DEFAULT false)
RETURNS regclass AS 'MODULE_PATHNAME', 'rama_create_pstate'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION rama.create_pstate(text, text, boolean) IS
'Creates a PState: a root table of that name and a table for each subindexed collection below. schema := map([name:] type, schema) | vector([name:] schema) | set([name:] type) | struct(name: schema, ...) | type; a nested map, vector or set may be followed by subindex. Returns the root table. Errors: 42601 (schema), 42704 (no such type, or a key type without order), 42P07 (name taken, or two parts of the same name), 42622 (name too long).';

CREATE FUNCTION rama.drop_pstate(pstate regclass)
RETURNS void AS 'MODULE_PATHNAME', 'rama_drop_pstate'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION rama.drop_pstate(regclass) IS
'Drops a PState with all its tables, as DROP TABLE of its root does. Errors: 42704 (not a PState), 42501 (not the owner), 2BP01 (a topology or view depends on it).';

CREATE FUNCTION rama.alter_pstate(pstate regclass, schema text)
RETURNS void AS 'MODULE_PATHNAME', 'rama_alter_pstate'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION rama.alter_pstate(regclass, text) IS
'Gives a PState a wider schema, without rewriting what is stored: new struct fields at any place, also whole collections; types of which the stored values are values as they are (a longer varchar, text, numeric of more digits, a domain''s base type; in collections without subindex also wider integers, and jsonb for anything). Names under which something is stored stay. Only for the owner. Locks the PState until the end of the transaction, between two batches of its topology. Errors: 42601, 42704, 42P07, 42622 (schema), 0A000 (it does not merely widen; the detail says where), 42501 (not the owner), 55000 (inactive database), 55006 (in use by this session, or called by a topology).';

CREATE FUNCTION rama.format_schema(schema text)
RETURNS text AS 'MODULE_PATHNAME', 'rama_format_schema'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.format_schema(text) IS
'A PState schema as the parser understood it, without a look at its types. Errors: 42601.';

CREATE FUNCTION rama.guard_pstate()
RETURNS trigger AS 'MODULE_PATHNAME', 'rama_guard_pstate'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION rama.guard_pstate() IS
'Trigger function on the tables of PStates: refuses DML by hand. Errors: 55000 (owned by a topology), 0A000.';

CREATE FUNCTION rama.pstate_schema(pstate regclass)
RETURNS text AS 'MODULE_PATHNAME', 'rama_pstate_schema'
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION rama.pstate_schema(regclass) IS
'The schema of a PState, with types by their names of now; NULL for what is not a PState.';

CREATE VIEW rama.pstates AS
SELECT n.nspname AS module, c.relname AS name, p.pstate, rama.pstate_schema(p.pstate) AS schema,
	t.oid::regclass AS topology, v.version, v.count
FROM rama.pstate p
	JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) p.pstate
	JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
	LEFT JOIN rama.pstate_version v ON v.pstate OPERATOR(pg_catalog.=) p.pstate
	LEFT JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) p.topology;
COMMENT ON VIEW rama.pstates IS
'PStates: module (schema), name, root table, schema, the topology that writes it (NULL: no owner), number of transactions that changed it, number of entries of its outermost collection (NULL for a single value).';
GRANT SELECT ON rama.pstates TO PUBLIC;
