-- rama.value: a value of any SQL type, for the arguments of the path functions

CREATE TYPE rama.value;

CREATE FUNCTION rama.value_in(cstring) RETURNS rama.value
AS 'MODULE_PATHNAME', 'rama_value_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.value_in(cstring) IS 'I/O';

CREATE FUNCTION rama.value_out(rama.value) RETURNS cstring
AS 'MODULE_PATHNAME', 'rama_value_out' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.value_out(rama.value) IS 'I/O';

CREATE FUNCTION rama.value_recv(internal) RETURNS rama.value
AS 'MODULE_PATHNAME', 'rama_value_recv' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.value_recv(internal) IS 'I/O';

CREATE FUNCTION rama.value_send(rama.value) RETURNS bytea
AS 'MODULE_PATHNAME', 'rama_value_send' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.value_send(rama.value) IS 'I/O';

CREATE TYPE rama.value (
	INPUT = rama.value_in,
	OUTPUT = rama.value_out,
	RECEIVE = rama.value_recv,
	SEND = rama.value_send,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = double,
	STORAGE = extended
);
COMMENT ON TYPE rama.value IS
'A value of any type, as an argument of the path functions: a key, or a value to write. Made by implicit casts from boolean, the numeric types, text, varchar, char, uuid, the date and time types, interval, bytea, inet and jsonb, and by input of an untyped literal or parameter. Values of other types are given as ::text or to_jsonb(...).';

CREATE FUNCTION rama.value(pg_catalog.bool) RETURNS rama.value
AS 'MODULE_PATHNAME', 'rama_value_of_bool' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.value(pg_catalog.bool) IS 'Implicit cast: the argument as a value for the path functions.';
CREATE CAST (pg_catalog.bool AS rama.value) WITH FUNCTION rama.value(pg_catalog.bool) AS IMPLICIT;

CREATE FUNCTION rama.value(pg_catalog.int2) RETURNS rama.value
AS 'MODULE_PATHNAME', 'rama_value_of_int2' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.value(pg_catalog.int2) IS 'Implicit cast: the argument as a value for the path functions.';
CREATE CAST (pg_catalog.int2 AS rama.value) WITH FUNCTION rama.value(pg_catalog.int2) AS IMPLICIT;

CREATE FUNCTION rama.value(pg_catalog.int4) RETURNS rama.value
AS 'MODULE_PATHNAME', 'rama_value_of_int4' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.value(pg_catalog.int4) IS 'Implicit cast: the argument as a value for the path functions.';
CREATE CAST (pg_catalog.int4 AS rama.value) WITH FUNCTION rama.value(pg_catalog.int4) AS IMPLICIT;

CREATE FUNCTION rama.value(pg_catalog.int8) RETURNS rama.value
AS 'MODULE_PATHNAME', 'rama_value_of_int8' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.value(pg_catalog.int8) IS 'Implicit cast: the argument as a value for the path functions.';
CREATE CAST (pg_catalog.int8 AS rama.value) WITH FUNCTION rama.value(pg_catalog.int8) AS IMPLICIT;

CREATE FUNCTION rama.value(pg_catalog.float4) RETURNS rama.value
AS 'MODULE_PATHNAME', 'rama_value_of_float4' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.value(pg_catalog.float4) IS 'Implicit cast: the argument as a value for the path functions.';
CREATE CAST (pg_catalog.float4 AS rama.value) WITH FUNCTION rama.value(pg_catalog.float4) AS IMPLICIT;

CREATE FUNCTION rama.value(pg_catalog.float8) RETURNS rama.value
AS 'MODULE_PATHNAME', 'rama_value_of_float8' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.value(pg_catalog.float8) IS 'Implicit cast: the argument as a value for the path functions.';
CREATE CAST (pg_catalog.float8 AS rama.value) WITH FUNCTION rama.value(pg_catalog.float8) AS IMPLICIT;

CREATE FUNCTION rama.value(pg_catalog.numeric) RETURNS rama.value
AS 'MODULE_PATHNAME', 'rama_value_of_numeric' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.value(pg_catalog.numeric) IS 'Implicit cast: the argument as a value for the path functions.';
CREATE CAST (pg_catalog.numeric AS rama.value) WITH FUNCTION rama.value(pg_catalog.numeric) AS IMPLICIT;

CREATE FUNCTION rama.value(pg_catalog.text) RETURNS rama.value
AS 'MODULE_PATHNAME', 'rama_value_of_text' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.value(pg_catalog.text) IS 'Implicit cast: the argument as a value for the path functions.';
CREATE CAST (pg_catalog.text AS rama.value) WITH FUNCTION rama.value(pg_catalog.text) AS IMPLICIT;

CREATE FUNCTION rama.value(pg_catalog.varchar) RETURNS rama.value
AS 'MODULE_PATHNAME', 'rama_value_of_varchar' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.value(pg_catalog.varchar) IS 'Implicit cast: the argument as a value for the path functions.';
CREATE CAST (pg_catalog.varchar AS rama.value) WITH FUNCTION rama.value(pg_catalog.varchar) AS IMPLICIT;

CREATE FUNCTION rama.value(pg_catalog.bpchar) RETURNS rama.value
AS 'MODULE_PATHNAME', 'rama_value_of_bpchar' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.value(pg_catalog.bpchar) IS 'Implicit cast: the argument as a value for the path functions.';
CREATE CAST (pg_catalog.bpchar AS rama.value) WITH FUNCTION rama.value(pg_catalog.bpchar) AS IMPLICIT;

CREATE FUNCTION rama.value(pg_catalog.uuid) RETURNS rama.value
AS 'MODULE_PATHNAME', 'rama_value_of_uuid' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.value(pg_catalog.uuid) IS 'Implicit cast: the argument as a value for the path functions.';
CREATE CAST (pg_catalog.uuid AS rama.value) WITH FUNCTION rama.value(pg_catalog.uuid) AS IMPLICIT;

CREATE FUNCTION rama.value(pg_catalog.date) RETURNS rama.value
AS 'MODULE_PATHNAME', 'rama_value_of_date' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.value(pg_catalog.date) IS 'Implicit cast: the argument as a value for the path functions.';
CREATE CAST (pg_catalog.date AS rama.value) WITH FUNCTION rama.value(pg_catalog.date) AS IMPLICIT;

CREATE FUNCTION rama.value(pg_catalog.time) RETURNS rama.value
AS 'MODULE_PATHNAME', 'rama_value_of_time' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.value(pg_catalog.time) IS 'Implicit cast: the argument as a value for the path functions.';
CREATE CAST (pg_catalog.time AS rama.value) WITH FUNCTION rama.value(pg_catalog.time) AS IMPLICIT;

CREATE FUNCTION rama.value(pg_catalog.timetz) RETURNS rama.value
AS 'MODULE_PATHNAME', 'rama_value_of_timetz' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.value(pg_catalog.timetz) IS 'Implicit cast: the argument as a value for the path functions.';
CREATE CAST (pg_catalog.timetz AS rama.value) WITH FUNCTION rama.value(pg_catalog.timetz) AS IMPLICIT;

CREATE FUNCTION rama.value(pg_catalog.timestamp) RETURNS rama.value
AS 'MODULE_PATHNAME', 'rama_value_of_timestamp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.value(pg_catalog.timestamp) IS 'Implicit cast: the argument as a value for the path functions.';
CREATE CAST (pg_catalog.timestamp AS rama.value) WITH FUNCTION rama.value(pg_catalog.timestamp) AS IMPLICIT;

CREATE FUNCTION rama.value(pg_catalog.timestamptz) RETURNS rama.value
AS 'MODULE_PATHNAME', 'rama_value_of_timestamptz' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.value(pg_catalog.timestamptz) IS 'Implicit cast: the argument as a value for the path functions.';
CREATE CAST (pg_catalog.timestamptz AS rama.value) WITH FUNCTION rama.value(pg_catalog.timestamptz) AS IMPLICIT;

CREATE FUNCTION rama.value(pg_catalog.interval) RETURNS rama.value
AS 'MODULE_PATHNAME', 'rama_value_of_interval' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.value(pg_catalog.interval) IS 'Implicit cast: the argument as a value for the path functions.';
CREATE CAST (pg_catalog.interval AS rama.value) WITH FUNCTION rama.value(pg_catalog.interval) AS IMPLICIT;

CREATE FUNCTION rama.value(pg_catalog.bytea) RETURNS rama.value
AS 'MODULE_PATHNAME', 'rama_value_of_bytea' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.value(pg_catalog.bytea) IS 'Implicit cast: the argument as a value for the path functions.';
CREATE CAST (pg_catalog.bytea AS rama.value) WITH FUNCTION rama.value(pg_catalog.bytea) AS IMPLICIT;

CREATE FUNCTION rama.value(pg_catalog.inet) RETURNS rama.value
AS 'MODULE_PATHNAME', 'rama_value_of_inet' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.value(pg_catalog.inet) IS 'Implicit cast: the argument as a value for the path functions.';
CREATE CAST (pg_catalog.inet AS rama.value) WITH FUNCTION rama.value(pg_catalog.inet) AS IMPLICIT;

CREATE FUNCTION rama.value(pg_catalog.jsonb) RETURNS rama.value
AS 'MODULE_PATHNAME', 'rama_value_of_jsonb' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.value(pg_catalog.jsonb) IS 'Implicit cast: the argument as a value for the path functions.';
CREATE CAST (pg_catalog.jsonb AS rama.value) WITH FUNCTION rama.value(pg_catalog.jsonb) AS IMPLICIT;

DO $$
DECLARE
	source regtype;
BEGIN
	FOR source IN SELECT castsource FROM pg_catalog.pg_cast WHERE casttarget = 'rama.value'::regtype LOOP
		EXECUTE pg_catalog.format('COMMENT ON CAST (%s AS rama.value) IS %L', source,
			'implicit: a key or value of a path function');
	END LOOP;
END $$;
