-- Event triggers

CREATE FUNCTION rama.on_ddl_command_start() RETURNS event_trigger
AS 'MODULE_PATHNAME', 'rama_on_ddl_command_start' LANGUAGE C;
COMMENT ON FUNCTION rama.on_ddl_command_start() IS 'Refuses (0A000) commands that would break a depot or a topology.';

CREATE EVENT TRIGGER rama_on_ddl_command_start ON ddl_command_start
	WHEN TAG IN ('ALTER DOMAIN', 'ALTER EXTENSION', 'ALTER FOREIGN TABLE', 'ALTER FUNCTION', 'ALTER MATERIALIZED VIEW',
		'ALTER ROUTINE', 'ALTER SCHEMA', 'ALTER SEQUENCE', 'ALTER TABLE', 'ALTER TRIGGER', 'ALTER TYPE', 'ALTER VIEW',
		'CREATE INDEX', 'CREATE RULE', 'CREATE TABLE', 'CREATE TRIGGER', 'DROP SEQUENCE', 'DROP TRIGGER')
	EXECUTE FUNCTION rama.on_ddl_command_start();
COMMENT ON EVENT TRIGGER rama_on_ddl_command_start IS 'Refuses (0A000) commands that would break a depot or a topology.';

CREATE FUNCTION rama.on_sql_drop() RETURNS event_trigger
AS 'MODULE_PATHNAME', 'rama_on_sql_drop' LANGUAGE C;
COMMENT ON FUNCTION rama.on_sql_drop() IS 'Removes catalog rows of dropped depots, PStates and topologies.';

CREATE EVENT TRIGGER rama_on_sql_drop ON sql_drop
	EXECUTE FUNCTION rama.on_sql_drop();
COMMENT ON EVENT TRIGGER rama_on_sql_drop IS 'Removes catalog rows of dropped depots, PStates and topologies.';

CREATE FUNCTION rama.on_ddl_command_end() RETURNS event_trigger
AS 'MODULE_PATHNAME', 'rama_on_ddl_command_end' LANGUAGE C;
COMMENT ON FUNCTION rama.on_ddl_command_end() IS
'Lets a PState''s tables follow its root, and refuses what they must not have.';

CREATE EVENT TRIGGER rama_on_ddl_command_end ON ddl_command_end
	EXECUTE FUNCTION rama.on_ddl_command_end();
COMMENT ON EVENT TRIGGER rama_on_ddl_command_end IS
'Lets a PState''s tables follow its root, and refuses what they must not have.';

-- Also under session_replication_role = replica: the catalog must keep up.
ALTER EVENT TRIGGER rama_on_ddl_command_start ENABLE ALWAYS;
ALTER EVENT TRIGGER rama_on_sql_drop ENABLE ALWAYS;
ALTER EVENT TRIGGER rama_on_ddl_command_end ENABLE ALWAYS;
