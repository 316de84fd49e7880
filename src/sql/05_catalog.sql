-- Catalog tables. Keyed by regclass, so that they survive dump, restore and
-- pg_upgrade; written by the C code only, joined with pg_class by every reader.

CREATE TABLE rama.activation (
	system_identifier bigint NOT NULL,
	database oid NOT NULL,
	activated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE rama.activation IS
'The cluster and database in which topologies may run. Not dumped: a restored copy stays inactive until rama.activate().';

CREATE FUNCTION rama.is_dumped(relation regclass) RETURNS boolean
AS 'MODULE_PATHNAME', 'rama_is_dumped' LANGUAGE C STRICT STABLE;
COMMENT ON FUNCTION rama.is_dumped(regclass) IS
'Does pg_dump take the rows of the catalog about this relation along? All, or those of the schemas that the setting pg_rama.dump_modules lists.';

CREATE FUNCTION rama.guard_catalog() RETURNS trigger
AS 'MODULE_PATHNAME', 'rama_guard_catalog' LANGUAGE C;
COMMENT ON FUNCTION rama.guard_catalog() IS
'Trigger function: refuses (55000) to load rows of the catalog by hand into an active database: see rama.deactivate().';

CREATE TABLE rama.depot (
	depot regclass PRIMARY KEY,
	sequence regclass NOT NULL UNIQUE,
	partition_by text,
	partitions int NOT NULL,
	floor bigint NOT NULL
);
COMMENT ON TABLE rama.depot IS 'Catalog of depots; see the view rama.depots.';
COMMENT ON COLUMN rama.depot.floor IS 'The last offset when the database was activated: up to here "_xid" may be of another cluster.';
SELECT pg_catalog.pg_extension_config_dump('rama.depot', 'WHERE rama.is_dumped(depot)');
CREATE TRIGGER guard_catalog BEFORE INSERT ON rama.depot FOR EACH STATEMENT EXECUTE FUNCTION rama.guard_catalog();

CREATE TABLE rama.pstate (
	pstate regclass PRIMARY KEY,
	schema text NOT NULL,
	topology regclass,
	types regtype[] NOT NULL,
	typmods int[] NOT NULL,
	retain interval
);
COMMENT ON TABLE rama.pstate IS 'Catalog of PStates; see the view rama.pstates.';
COMMENT ON COLUMN rama.pstate.types IS
'The types that the schema names, in its order: their names in the schema may be those of the time of creation.';
COMMENT ON COLUMN rama.pstate.retain IS 'How long its changes are kept in rama.change: see rama.retain_changes; NULL: not at all.';
COMMENT ON COLUMN rama.pstate.topology IS 'The only writer, or NULL for a PState without owner.';
SELECT pg_catalog.pg_extension_config_dump('rama.pstate', 'WHERE rama.is_dumped(pstate)');
CREATE TRIGGER guard_catalog BEFORE INSERT ON rama.pstate FOR EACH STATEMENT EXECUTE FUNCTION rama.guard_catalog();

CREATE TABLE rama.pstate_child (
	child regclass PRIMARY KEY,
	pstate regclass NOT NULL,
	ordinal int NOT NULL
);
COMMENT ON TABLE rama.pstate_child IS
'The tables of subindexed collections below the root table of a PState, in the order of the schema.';
SELECT pg_catalog.pg_extension_config_dump('rama.pstate_child', 'WHERE rama.is_dumped(child)');
CREATE TRIGGER guard_catalog BEFORE INSERT ON rama.pstate_child FOR EACH STATEMENT EXECUTE FUNCTION rama.guard_catalog();

CREATE TABLE rama.pstate_version (
	pstate regclass PRIMARY KEY,
	version bigint NOT NULL,
	count bigint
) WITH (fillfactor = 50);
COMMENT ON TABLE rama.pstate_version IS
'One row per PState: the number of transactions that changed it, and the number of entries of its outermost collection.';
SELECT pg_catalog.pg_extension_config_dump('rama.pstate_version', 'WHERE rama.is_dumped(pstate)');
CREATE TRIGGER guard_catalog BEFORE INSERT ON rama.pstate_version FOR EACH STATEMENT EXECUTE FUNCTION rama.guard_catalog();

CREATE TABLE rama.change (
	pstate regclass NOT NULL,
	version bigint NOT NULL,
	at timestamptz NOT NULL,
	format bigint NOT NULL,
	ops bytea,
	PRIMARY KEY (pstate, version)
);
COMMENT ON TABLE rama.change IS
'Changes of PStates for which rama.retain_changes was called, one row per version, as the engine packs them; read by rama.changes. Not dumped.';
COMMENT ON COLUMN rama.change.ops IS 'NULL: too much for one row.';

CREATE TABLE rama.topology (
	topology regclass PRIMARY KEY,
	kind text NOT NULL CHECK (kind IN ('stream', 'microbatch')),
	writes regclass[] NOT NULL,
	options jsonb NOT NULL,
	paused boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE rama.topology IS 'Catalog of topologies; see the view rama.topologies.';
SELECT pg_catalog.pg_extension_config_dump('rama.topology', 'WHERE rama.is_dumped(topology)');
CREATE TRIGGER guard_catalog BEFORE INSERT ON rama.topology FOR EACH STATEMENT EXECUTE FUNCTION rama.guard_catalog();

CREATE TABLE rama.source (
	topology regclass NOT NULL,
	source int NOT NULL,
	depot regclass NOT NULL,
	each text,
	sql text,
	target regclass,
	merge text,
	start_from text NOT NULL,
	PRIMARY KEY (topology, source),
	CHECK ((each IS NULL) <> (sql IS NULL)),
	CHECK ((target IS NULL) = (merge IS NULL) AND (target IS NULL OR sql IS NOT NULL))
);
COMMENT ON TABLE rama.source IS 'The depots that a topology reads, in the order of creation, with their handlers.';
COMMENT ON COLUMN rama.source.target IS
'The table of a PState into which the rows of "sql" are merged, or NULL.';
COMMENT ON COLUMN rama.source.merge IS 'The aggregators that merge them.';
SELECT pg_catalog.pg_extension_config_dump('rama.source', 'WHERE rama.is_dumped(topology)');
CREATE TRIGGER guard_catalog BEFORE INSERT ON rama.source FOR EACH STATEMENT EXECUTE FUNCTION rama.guard_catalog();

CREATE TABLE rama.path_function (
	function text COLLATE "C" PRIMARY KEY
);
COMMENT ON TABLE rama.path_function IS
'SQL functions that paths may call although they are not IMMUTABLE, by qualified name and argument types: see rama.allow_in_paths.';
SELECT pg_catalog.pg_extension_config_dump('rama.path_function', '');

CREATE FUNCTION rama.paths_loaded() RETURNS trigger
AS 'MODULE_PATHNAME', 'rama_paths_loaded' LANGUAGE C;
COMMENT ON FUNCTION rama.paths_loaded() IS
'Trigger function: sessions bind the paths that they keep anew, after rows of rama.path_function or rama.named_path were restored.';
CREATE TRIGGER paths_loaded AFTER INSERT OR UPDATE OR DELETE ON rama.path_function FOR EACH STATEMENT EXECUTE FUNCTION rama.paths_loaded();

CREATE TABLE rama.named_path (
	module text COLLATE "C",
	name text COLLATE "C",
	owner regrole NOT NULL,
	path jsonb NOT NULL,
	PRIMARY KEY (module, name)
);
COMMENT ON TABLE rama.named_path IS
'Paths with a name, by schema: see rama.create_path. Rows of schemas that are gone do not count.';
SELECT pg_catalog.pg_extension_config_dump('rama.named_path', '');
GRANT SELECT ON rama.named_path TO PUBLIC;
CREATE TRIGGER paths_loaded AFTER INSERT OR UPDATE OR DELETE ON rama.named_path FOR EACH STATEMENT EXECUTE FUNCTION rama.paths_loaded();

CREATE TABLE rama.query (
	module text COLLATE "C",
	name text COLLATE "C",
	owner regrole NOT NULL,
	function text COLLATE "C" NOT NULL,
	PRIMARY KEY (module, name)
);
COMMENT ON TABLE rama.query IS
'Functions that are listed as queries, by schema: see the view rama.queries. Rows of schemas and functions that are gone do not count.';
COMMENT ON COLUMN rama.query.function IS 'schema.name(argument types)';
SELECT pg_catalog.pg_extension_config_dump('rama.query', '');
