-- Event triggers

CREATE FUNCTION rama.on_sql_drop() RETURNS event_trigger
AS 'MODULE_PATHNAME', 'rama_on_sql_drop' LANGUAGE C;
COMMENT ON FUNCTION rama.on_sql_drop() IS 'Removes catalog rows of dropped depots, PStates and topologies.';

CREATE EVENT TRIGGER rama_on_sql_drop ON sql_drop
	EXECUTE FUNCTION rama.on_sql_drop();
COMMENT ON EVENT TRIGGER rama_on_sql_drop IS 'Removes catalog rows of dropped depots, PStates and topologies.';
