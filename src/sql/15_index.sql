-- The index access method pstate

CREATE FUNCTION rama.pstate_handler(internal) RETURNS index_am_handler
AS 'MODULE_PATHNAME', 'rama_pstate_handler' LANGUAGE C STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.pstate_handler(internal) IS 'Handler of the index access method pstate.';

CREATE ACCESS METHOD pstate TYPE INDEX HANDLER rama.pstate_handler;
COMMENT ON ACCESS METHOD pstate IS
'Ordered indexes of keys that are compared byte by byte: CREATE INDEX ... USING pstate. Types: boolean, smallint, integer, bigint, oid, real, double precision, numeric, text, varchar, bytea, uuid, date, time, timestamp, timestamptz, interval, enums, inet, cidr.';

CREATE FUNCTION rama.check_index(index regclass, heapallindexed boolean DEFAULT true) RETURNS void
AS 'MODULE_PATHNAME', 'rama_check_index' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION rama.check_index(regclass, boolean) IS
'Error XX002, with the block, unless the index (of access method pstate) is intact: its pages and their order, uniqueness, and, if heapallindexed, that it has just the entries of the rows that are visible now. Locks the table against writes. For its owner. Errors: XX002, 42809 not an index of pstate, 0A000 a temporary index of another session, or an unlogged one on a standby, 42501 not the owner, 55000 not valid (REINDEX it), 40001 on a standby that replayed changes meanwhile.';

-- Encoding of values: support functions 7 and 8 of operator classes

CREATE FUNCTION rama.ps_encode_bool(pg_catalog.bool, internal) RETURNS void
AS 'MODULE_PATHNAME', 'ps_encode_bool' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_encode_bool(pg_catalog.bool, internal) IS 'Support function 7 of access method pstate.';

CREATE FUNCTION rama.ps_decode_bool(internal) RETURNS pg_catalog.bool
AS 'MODULE_PATHNAME', 'ps_decode_bool' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_decode_bool(internal) IS 'Support function 8 of access method pstate.';

CREATE FUNCTION rama.ps_encode_int2(pg_catalog.int2, internal) RETURNS void
AS 'MODULE_PATHNAME', 'ps_encode_int2' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_encode_int2(pg_catalog.int2, internal) IS 'Support function 7 of access method pstate.';

CREATE FUNCTION rama.ps_decode_int2(internal) RETURNS pg_catalog.int2
AS 'MODULE_PATHNAME', 'ps_decode_int2' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_decode_int2(internal) IS 'Support function 8 of access method pstate.';

CREATE FUNCTION rama.ps_encode_int4(pg_catalog.int4, internal) RETURNS void
AS 'MODULE_PATHNAME', 'ps_encode_int4' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_encode_int4(pg_catalog.int4, internal) IS 'Support function 7 of access method pstate.';

CREATE FUNCTION rama.ps_decode_int4(internal) RETURNS pg_catalog.int4
AS 'MODULE_PATHNAME', 'ps_decode_int4' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_decode_int4(internal) IS 'Support function 8 of access method pstate.';

CREATE FUNCTION rama.ps_encode_int8(pg_catalog.int8, internal) RETURNS void
AS 'MODULE_PATHNAME', 'ps_encode_int8' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_encode_int8(pg_catalog.int8, internal) IS 'Support function 7 of access method pstate.';

CREATE FUNCTION rama.ps_decode_int8(internal) RETURNS pg_catalog.int8
AS 'MODULE_PATHNAME', 'ps_decode_int8' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_decode_int8(internal) IS 'Support function 8 of access method pstate.';

CREATE FUNCTION rama.ps_encode_oid(pg_catalog.oid, internal) RETURNS void
AS 'MODULE_PATHNAME', 'ps_encode_oid' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_encode_oid(pg_catalog.oid, internal) IS 'Support function 7 of access method pstate.';

CREATE FUNCTION rama.ps_decode_oid(internal) RETURNS pg_catalog.oid
AS 'MODULE_PATHNAME', 'ps_decode_oid' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_decode_oid(internal) IS 'Support function 8 of access method pstate.';

CREATE FUNCTION rama.ps_encode_float4(pg_catalog.float4, internal) RETURNS void
AS 'MODULE_PATHNAME', 'ps_encode_float4' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_encode_float4(pg_catalog.float4, internal) IS 'Support function 7 of access method pstate.';

CREATE FUNCTION rama.ps_decode_float4(internal) RETURNS pg_catalog.float4
AS 'MODULE_PATHNAME', 'ps_decode_float4' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_decode_float4(internal) IS 'Support function 8 of access method pstate.';

CREATE FUNCTION rama.ps_encode_float8(pg_catalog.float8, internal) RETURNS void
AS 'MODULE_PATHNAME', 'ps_encode_float8' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_encode_float8(pg_catalog.float8, internal) IS 'Support function 7 of access method pstate.';

CREATE FUNCTION rama.ps_decode_float8(internal) RETURNS pg_catalog.float8
AS 'MODULE_PATHNAME', 'ps_decode_float8' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_decode_float8(internal) IS 'Support function 8 of access method pstate.';

CREATE FUNCTION rama.ps_encode_numeric(pg_catalog.numeric, internal) RETURNS void
AS 'MODULE_PATHNAME', 'ps_encode_numeric' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_encode_numeric(pg_catalog.numeric, internal) IS 'Support function 7 of access method pstate.';

CREATE FUNCTION rama.ps_decode_numeric(internal) RETURNS pg_catalog.numeric
AS 'MODULE_PATHNAME', 'ps_decode_numeric' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_decode_numeric(internal) IS 'Support function 8 of access method pstate.';

CREATE FUNCTION rama.ps_encode_text(pg_catalog.text, internal) RETURNS void
AS 'MODULE_PATHNAME', 'ps_encode_text' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_encode_text(pg_catalog.text, internal) IS 'Support function 7 of access method pstate.';

CREATE FUNCTION rama.ps_encode_text_c(pg_catalog.text, internal) RETURNS void
AS 'MODULE_PATHNAME', 'ps_encode_text_c' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_encode_text_c(pg_catalog.text, internal) IS 'Support function 7 of access method pstate.';

CREATE FUNCTION rama.ps_decode_text(internal) RETURNS pg_catalog.text
AS 'MODULE_PATHNAME', 'ps_decode_text' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_decode_text(internal) IS 'Support function 8 of access method pstate.';

CREATE FUNCTION rama.ps_encode_bytea(pg_catalog.bytea, internal) RETURNS void
AS 'MODULE_PATHNAME', 'ps_encode_bytea' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_encode_bytea(pg_catalog.bytea, internal) IS 'Support function 7 of access method pstate.';

CREATE FUNCTION rama.ps_decode_bytea(internal) RETURNS pg_catalog.bytea
AS 'MODULE_PATHNAME', 'ps_decode_bytea' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_decode_bytea(internal) IS 'Support function 8 of access method pstate.';

CREATE FUNCTION rama.ps_encode_uuid(pg_catalog.uuid, internal) RETURNS void
AS 'MODULE_PATHNAME', 'ps_encode_uuid' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_encode_uuid(pg_catalog.uuid, internal) IS 'Support function 7 of access method pstate.';

CREATE FUNCTION rama.ps_decode_uuid(internal) RETURNS pg_catalog.uuid
AS 'MODULE_PATHNAME', 'ps_decode_uuid' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_decode_uuid(internal) IS 'Support function 8 of access method pstate.';

CREATE FUNCTION rama.ps_encode_date(pg_catalog.date, internal) RETURNS void
AS 'MODULE_PATHNAME', 'ps_encode_date' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_encode_date(pg_catalog.date, internal) IS 'Support function 7 of access method pstate.';

CREATE FUNCTION rama.ps_decode_date(internal) RETURNS pg_catalog.date
AS 'MODULE_PATHNAME', 'ps_decode_date' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_decode_date(internal) IS 'Support function 8 of access method pstate.';

CREATE FUNCTION rama.ps_encode_time(pg_catalog.time, internal) RETURNS void
AS 'MODULE_PATHNAME', 'ps_encode_time' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_encode_time(pg_catalog.time, internal) IS 'Support function 7 of access method pstate.';

CREATE FUNCTION rama.ps_decode_time(internal) RETURNS pg_catalog.time
AS 'MODULE_PATHNAME', 'ps_decode_time' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_decode_time(internal) IS 'Support function 8 of access method pstate.';

CREATE FUNCTION rama.ps_encode_timestamp(pg_catalog.timestamp, internal) RETURNS void
AS 'MODULE_PATHNAME', 'ps_encode_timestamp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_encode_timestamp(pg_catalog.timestamp, internal) IS 'Support function 7 of access method pstate.';

CREATE FUNCTION rama.ps_decode_timestamp(internal) RETURNS pg_catalog.timestamp
AS 'MODULE_PATHNAME', 'ps_decode_timestamp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_decode_timestamp(internal) IS 'Support function 8 of access method pstate.';

CREATE FUNCTION rama.ps_encode_timestamptz(pg_catalog.timestamptz, internal) RETURNS void
AS 'MODULE_PATHNAME', 'ps_encode_timestamptz' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_encode_timestamptz(pg_catalog.timestamptz, internal) IS 'Support function 7 of access method pstate.';

CREATE FUNCTION rama.ps_decode_timestamptz(internal) RETURNS pg_catalog.timestamptz
AS 'MODULE_PATHNAME', 'ps_decode_timestamptz' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_decode_timestamptz(internal) IS 'Support function 8 of access method pstate.';

CREATE FUNCTION rama.ps_encode_interval(pg_catalog.interval, internal) RETURNS void
AS 'MODULE_PATHNAME', 'ps_encode_interval' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_encode_interval(pg_catalog.interval, internal) IS 'Support function 7 of access method pstate.';

CREATE FUNCTION rama.ps_decode_interval(internal) RETURNS pg_catalog.interval
AS 'MODULE_PATHNAME', 'ps_decode_interval' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_decode_interval(internal) IS 'Support function 8 of access method pstate.';

CREATE FUNCTION rama.ps_encode_inet(pg_catalog.inet, internal) RETURNS void
AS 'MODULE_PATHNAME', 'ps_encode_inet' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_encode_inet(pg_catalog.inet, internal) IS 'Support function 7 of access method pstate.';

CREATE FUNCTION rama.ps_decode_inet(internal) RETURNS pg_catalog.inet
AS 'MODULE_PATHNAME', 'ps_decode_inet' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_decode_inet(internal) IS 'Support function 8 of access method pstate.';

CREATE FUNCTION rama.ps_encode_enum(pg_catalog.anyenum, internal) RETURNS void
AS 'MODULE_PATHNAME', 'ps_encode_enum' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_encode_enum(pg_catalog.anyenum, internal) IS 'Support function 7 of access method pstate.';

CREATE FUNCTION rama.ps_decode_enum(internal) RETURNS pg_catalog.oid
AS 'MODULE_PATHNAME', 'ps_decode_enum' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_decode_enum(internal) IS 'Support function 8 of access method pstate.';

-- of arguments that are compared with columns of another type

CREATE FUNCTION rama.ps_encode_float4_as_float8(pg_catalog.float4, internal) RETURNS void
AS 'MODULE_PATHNAME', 'ps_encode_float4_as_float8' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_encode_float4_as_float8(pg_catalog.float4, internal) IS 'Support function 7 of access method pstate.';

CREATE FUNCTION rama.ps_encode_float8_as_float4(pg_catalog.float8, internal) RETURNS void
AS 'MODULE_PATHNAME', 'ps_encode_float8_as_float4' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_encode_float8_as_float4(pg_catalog.float8, internal) IS 'Support function 7 of access method pstate.';

CREATE FUNCTION rama.ps_encode_date_as_timestamp(pg_catalog.date, internal) RETURNS void
AS 'MODULE_PATHNAME', 'ps_encode_date_as_timestamp' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_encode_date_as_timestamp(pg_catalog.date, internal) IS 'Support function 7 of access method pstate.';

CREATE FUNCTION rama.ps_encode_date_as_timestamptz(pg_catalog.date, internal) RETURNS void
AS 'MODULE_PATHNAME', 'ps_encode_date_as_timestamptz' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_encode_date_as_timestamptz(pg_catalog.date, internal) IS 'Support function 7 of access method pstate.';

CREATE FUNCTION rama.ps_encode_timestamp_as_date(pg_catalog.timestamp, internal) RETURNS void
AS 'MODULE_PATHNAME', 'ps_encode_timestamp_as_date' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_encode_timestamp_as_date(pg_catalog.timestamp, internal) IS 'Support function 7 of access method pstate.';

CREATE FUNCTION rama.ps_encode_timestamp_as_timestamptz(pg_catalog.timestamp, internal) RETURNS void
AS 'MODULE_PATHNAME', 'ps_encode_timestamp_as_timestamptz' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION rama.ps_encode_timestamp_as_timestamptz(pg_catalog.timestamp, internal) IS 'Support function 7 of access method pstate.';

-- Operator families and classes: operators 1 to 5 and function 1 are those of btree

CREATE OPERATOR FAMILY rama.bool_ops USING pstate;
COMMENT ON OPERATOR FAMILY rama.bool_ops USING pstate IS 'boolean';

CREATE OPERATOR CLASS rama.bool_ops DEFAULT FOR TYPE pg_catalog.bool USING pstate FAMILY rama.bool_ops AS
	OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=, OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
	FUNCTION 1 pg_catalog.btboolcmp(pg_catalog.bool, pg_catalog.bool),
	FUNCTION 7 rama.ps_encode_bool(pg_catalog.bool, internal),
	FUNCTION 8 rama.ps_decode_bool(internal);
COMMENT ON OPERATOR CLASS rama.bool_ops USING pstate IS 'boolean';

CREATE OPERATOR FAMILY rama.integer_ops USING pstate;
COMMENT ON OPERATOR FAMILY rama.integer_ops USING pstate IS 'smallint, integer and bigint, also with each other';

CREATE OPERATOR CLASS rama.int2_ops DEFAULT FOR TYPE pg_catalog.int2 USING pstate FAMILY rama.integer_ops AS
	OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=, OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
	FUNCTION 1 pg_catalog.btint2cmp(pg_catalog.int2, pg_catalog.int2),
	FUNCTION 7 rama.ps_encode_int2(pg_catalog.int2, internal),
	FUNCTION 8 rama.ps_decode_int2(internal);
COMMENT ON OPERATOR CLASS rama.int2_ops USING pstate IS 'smallint';

CREATE OPERATOR CLASS rama.int4_ops DEFAULT FOR TYPE pg_catalog.int4 USING pstate FAMILY rama.integer_ops AS
	OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=, OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
	FUNCTION 1 pg_catalog.btint4cmp(pg_catalog.int4, pg_catalog.int4),
	FUNCTION 7 rama.ps_encode_int4(pg_catalog.int4, internal),
	FUNCTION 8 rama.ps_decode_int4(internal);
COMMENT ON OPERATOR CLASS rama.int4_ops USING pstate IS 'integer';

CREATE OPERATOR CLASS rama.int8_ops DEFAULT FOR TYPE pg_catalog.int8 USING pstate FAMILY rama.integer_ops AS
	OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=, OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
	FUNCTION 1 pg_catalog.btint8cmp(pg_catalog.int8, pg_catalog.int8),
	FUNCTION 7 rama.ps_encode_int8(pg_catalog.int8, internal),
	FUNCTION 8 rama.ps_decode_int8(internal);
COMMENT ON OPERATOR CLASS rama.int8_ops USING pstate IS 'bigint';

ALTER OPERATOR FAMILY rama.integer_ops USING pstate ADD
	OPERATOR 1 pg_catalog.< (pg_catalog.int2, pg_catalog.int4),
	OPERATOR 2 pg_catalog.<= (pg_catalog.int2, pg_catalog.int4),
	OPERATOR 3 pg_catalog.= (pg_catalog.int2, pg_catalog.int4),
	OPERATOR 4 pg_catalog.>= (pg_catalog.int2, pg_catalog.int4),
	OPERATOR 5 pg_catalog.> (pg_catalog.int2, pg_catalog.int4),
	FUNCTION 1 (pg_catalog.int2, pg_catalog.int4) pg_catalog.btint24cmp(pg_catalog.int2, pg_catalog.int4),
	FUNCTION 7 (pg_catalog.int2, pg_catalog.int4) rama.ps_encode_int4(pg_catalog.int4, internal),
	OPERATOR 1 pg_catalog.< (pg_catalog.int2, pg_catalog.int8),
	OPERATOR 2 pg_catalog.<= (pg_catalog.int2, pg_catalog.int8),
	OPERATOR 3 pg_catalog.= (pg_catalog.int2, pg_catalog.int8),
	OPERATOR 4 pg_catalog.>= (pg_catalog.int2, pg_catalog.int8),
	OPERATOR 5 pg_catalog.> (pg_catalog.int2, pg_catalog.int8),
	FUNCTION 1 (pg_catalog.int2, pg_catalog.int8) pg_catalog.btint28cmp(pg_catalog.int2, pg_catalog.int8),
	FUNCTION 7 (pg_catalog.int2, pg_catalog.int8) rama.ps_encode_int8(pg_catalog.int8, internal),
	OPERATOR 1 pg_catalog.< (pg_catalog.int4, pg_catalog.int2),
	OPERATOR 2 pg_catalog.<= (pg_catalog.int4, pg_catalog.int2),
	OPERATOR 3 pg_catalog.= (pg_catalog.int4, pg_catalog.int2),
	OPERATOR 4 pg_catalog.>= (pg_catalog.int4, pg_catalog.int2),
	OPERATOR 5 pg_catalog.> (pg_catalog.int4, pg_catalog.int2),
	FUNCTION 1 (pg_catalog.int4, pg_catalog.int2) pg_catalog.btint42cmp(pg_catalog.int4, pg_catalog.int2),
	FUNCTION 7 (pg_catalog.int4, pg_catalog.int2) rama.ps_encode_int2(pg_catalog.int2, internal),
	OPERATOR 1 pg_catalog.< (pg_catalog.int4, pg_catalog.int8),
	OPERATOR 2 pg_catalog.<= (pg_catalog.int4, pg_catalog.int8),
	OPERATOR 3 pg_catalog.= (pg_catalog.int4, pg_catalog.int8),
	OPERATOR 4 pg_catalog.>= (pg_catalog.int4, pg_catalog.int8),
	OPERATOR 5 pg_catalog.> (pg_catalog.int4, pg_catalog.int8),
	FUNCTION 1 (pg_catalog.int4, pg_catalog.int8) pg_catalog.btint48cmp(pg_catalog.int4, pg_catalog.int8),
	FUNCTION 7 (pg_catalog.int4, pg_catalog.int8) rama.ps_encode_int8(pg_catalog.int8, internal),
	OPERATOR 1 pg_catalog.< (pg_catalog.int8, pg_catalog.int2),
	OPERATOR 2 pg_catalog.<= (pg_catalog.int8, pg_catalog.int2),
	OPERATOR 3 pg_catalog.= (pg_catalog.int8, pg_catalog.int2),
	OPERATOR 4 pg_catalog.>= (pg_catalog.int8, pg_catalog.int2),
	OPERATOR 5 pg_catalog.> (pg_catalog.int8, pg_catalog.int2),
	FUNCTION 1 (pg_catalog.int8, pg_catalog.int2) pg_catalog.btint82cmp(pg_catalog.int8, pg_catalog.int2),
	FUNCTION 7 (pg_catalog.int8, pg_catalog.int2) rama.ps_encode_int2(pg_catalog.int2, internal),
	OPERATOR 1 pg_catalog.< (pg_catalog.int8, pg_catalog.int4),
	OPERATOR 2 pg_catalog.<= (pg_catalog.int8, pg_catalog.int4),
	OPERATOR 3 pg_catalog.= (pg_catalog.int8, pg_catalog.int4),
	OPERATOR 4 pg_catalog.>= (pg_catalog.int8, pg_catalog.int4),
	OPERATOR 5 pg_catalog.> (pg_catalog.int8, pg_catalog.int4),
	FUNCTION 1 (pg_catalog.int8, pg_catalog.int4) pg_catalog.btint84cmp(pg_catalog.int8, pg_catalog.int4),
	FUNCTION 7 (pg_catalog.int8, pg_catalog.int4) rama.ps_encode_int4(pg_catalog.int4, internal);

CREATE OPERATOR FAMILY rama.oid_ops USING pstate;
COMMENT ON OPERATOR FAMILY rama.oid_ops USING pstate IS 'oid';

CREATE OPERATOR CLASS rama.oid_ops DEFAULT FOR TYPE pg_catalog.oid USING pstate FAMILY rama.oid_ops AS
	OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=, OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
	FUNCTION 1 pg_catalog.btoidcmp(pg_catalog.oid, pg_catalog.oid),
	FUNCTION 7 rama.ps_encode_oid(pg_catalog.oid, internal),
	FUNCTION 8 rama.ps_decode_oid(internal);
COMMENT ON OPERATOR CLASS rama.oid_ops USING pstate IS 'oid';

CREATE OPERATOR FAMILY rama.float_ops USING pstate;
COMMENT ON OPERATOR FAMILY rama.float_ops USING pstate IS 'real and double precision, also with each other';

CREATE OPERATOR CLASS rama.float4_ops DEFAULT FOR TYPE pg_catalog.float4 USING pstate FAMILY rama.float_ops AS
	OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=, OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
	FUNCTION 1 pg_catalog.btfloat4cmp(pg_catalog.float4, pg_catalog.float4),
	FUNCTION 7 rama.ps_encode_float4(pg_catalog.float4, internal),
	FUNCTION 8 rama.ps_decode_float4(internal);
COMMENT ON OPERATOR CLASS rama.float4_ops USING pstate IS 'real';

CREATE OPERATOR CLASS rama.float8_ops DEFAULT FOR TYPE pg_catalog.float8 USING pstate FAMILY rama.float_ops AS
	OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=, OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
	FUNCTION 1 pg_catalog.btfloat8cmp(pg_catalog.float8, pg_catalog.float8),
	FUNCTION 7 rama.ps_encode_float8(pg_catalog.float8, internal),
	FUNCTION 8 rama.ps_decode_float8(internal);
COMMENT ON OPERATOR CLASS rama.float8_ops USING pstate IS 'double precision';

ALTER OPERATOR FAMILY rama.float_ops USING pstate ADD
	OPERATOR 1 pg_catalog.< (pg_catalog.float4, pg_catalog.float8),
	OPERATOR 2 pg_catalog.<= (pg_catalog.float4, pg_catalog.float8),
	OPERATOR 3 pg_catalog.= (pg_catalog.float4, pg_catalog.float8),
	OPERATOR 4 pg_catalog.>= (pg_catalog.float4, pg_catalog.float8),
	OPERATOR 5 pg_catalog.> (pg_catalog.float4, pg_catalog.float8),
	FUNCTION 1 (pg_catalog.float4, pg_catalog.float8) pg_catalog.btfloat48cmp(pg_catalog.float4, pg_catalog.float8),
	FUNCTION 7 (pg_catalog.float4, pg_catalog.float8) rama.ps_encode_float8_as_float4(pg_catalog.float8, internal),
	OPERATOR 1 pg_catalog.< (pg_catalog.float8, pg_catalog.float4),
	OPERATOR 2 pg_catalog.<= (pg_catalog.float8, pg_catalog.float4),
	OPERATOR 3 pg_catalog.= (pg_catalog.float8, pg_catalog.float4),
	OPERATOR 4 pg_catalog.>= (pg_catalog.float8, pg_catalog.float4),
	OPERATOR 5 pg_catalog.> (pg_catalog.float8, pg_catalog.float4),
	FUNCTION 1 (pg_catalog.float8, pg_catalog.float4) pg_catalog.btfloat84cmp(pg_catalog.float8, pg_catalog.float4),
	FUNCTION 7 (pg_catalog.float8, pg_catalog.float4) rama.ps_encode_float4_as_float8(pg_catalog.float4, internal);

CREATE OPERATOR FAMILY rama.numeric_ops USING pstate;
COMMENT ON OPERATOR FAMILY rama.numeric_ops USING pstate IS 'numeric';

CREATE OPERATOR CLASS rama.numeric_ops DEFAULT FOR TYPE pg_catalog.numeric USING pstate FAMILY rama.numeric_ops AS
	OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=, OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
	FUNCTION 1 pg_catalog.numeric_cmp(pg_catalog.numeric, pg_catalog.numeric),
	FUNCTION 7 rama.ps_encode_numeric(pg_catalog.numeric, internal),
	FUNCTION 8 rama.ps_decode_numeric(internal);
COMMENT ON OPERATOR CLASS rama.numeric_ops USING pstate IS 'numeric';

CREATE OPERATOR FAMILY rama.text_ops USING pstate;
COMMENT ON OPERATOR FAMILY rama.text_ops USING pstate IS 'text and varchar in the order of bytes, under any deterministic collation: serves =, ~<~, ~<=~, ~>=~, ~>~';

CREATE OPERATOR CLASS rama.text_ops DEFAULT FOR TYPE pg_catalog.text USING pstate FAMILY rama.text_ops AS
	OPERATOR 1 pg_catalog.~<~, OPERATOR 2 pg_catalog.~<=~, OPERATOR 3 pg_catalog.=, OPERATOR 4 pg_catalog.~>=~, OPERATOR 5 pg_catalog.~>~,
	FUNCTION 1 pg_catalog.bttext_pattern_cmp(pg_catalog.text, pg_catalog.text),
	FUNCTION 7 rama.ps_encode_text(pg_catalog.text, internal),
	FUNCTION 8 rama.ps_decode_text(internal);
COMMENT ON OPERATOR CLASS rama.text_ops USING pstate IS 'text and varchar in the order of bytes, under any deterministic collation: serves =, ~<~, ~<=~, ~>=~, ~>~';

CREATE OPERATOR CLASS rama.varchar_ops FOR TYPE pg_catalog.text USING pstate FAMILY rama.text_ops AS
	STORAGE pg_catalog.text;
COMMENT ON OPERATOR CLASS rama.varchar_ops USING pstate IS 'Another name of text_ops.';

CREATE OPERATOR FAMILY rama.text_c_ops USING pstate;
COMMENT ON OPERATOR FAMILY rama.text_c_ops USING pstate IS 'text and varchar with collation C or POSIX: serves =, <, <=, >=, >';

CREATE OPERATOR CLASS rama.text_c_ops FOR TYPE pg_catalog.text USING pstate FAMILY rama.text_c_ops AS
	OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=, OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
	FUNCTION 1 pg_catalog.bttextcmp(pg_catalog.text, pg_catalog.text),
	FUNCTION 7 rama.ps_encode_text_c(pg_catalog.text, internal),
	FUNCTION 8 rama.ps_decode_text(internal);
COMMENT ON OPERATOR CLASS rama.text_c_ops USING pstate IS 'text and varchar with collation C or POSIX: serves =, <, <=, >=, >';

CREATE OPERATOR FAMILY rama.bytea_ops USING pstate;
COMMENT ON OPERATOR FAMILY rama.bytea_ops USING pstate IS 'bytea';

CREATE OPERATOR CLASS rama.bytea_ops DEFAULT FOR TYPE pg_catalog.bytea USING pstate FAMILY rama.bytea_ops AS
	OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=, OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
	FUNCTION 1 pg_catalog.byteacmp(pg_catalog.bytea, pg_catalog.bytea),
	FUNCTION 7 rama.ps_encode_bytea(pg_catalog.bytea, internal),
	FUNCTION 8 rama.ps_decode_bytea(internal);
COMMENT ON OPERATOR CLASS rama.bytea_ops USING pstate IS 'bytea';

CREATE OPERATOR FAMILY rama.uuid_ops USING pstate;
COMMENT ON OPERATOR FAMILY rama.uuid_ops USING pstate IS 'uuid';

CREATE OPERATOR CLASS rama.uuid_ops DEFAULT FOR TYPE pg_catalog.uuid USING pstate FAMILY rama.uuid_ops AS
	OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=, OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
	FUNCTION 1 pg_catalog.uuid_cmp(pg_catalog.uuid, pg_catalog.uuid),
	FUNCTION 7 rama.ps_encode_uuid(pg_catalog.uuid, internal),
	FUNCTION 8 rama.ps_decode_uuid(internal);
COMMENT ON OPERATOR CLASS rama.uuid_ops USING pstate IS 'uuid';

CREATE OPERATOR FAMILY rama.datetime_ops USING pstate;
COMMENT ON OPERATOR FAMILY rama.datetime_ops USING pstate IS 'date, timestamp and timestamptz, with each other where encodings compare as the values do';

CREATE OPERATOR CLASS rama.date_ops DEFAULT FOR TYPE pg_catalog.date USING pstate FAMILY rama.datetime_ops AS
	OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=, OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
	FUNCTION 1 pg_catalog.date_cmp(pg_catalog.date, pg_catalog.date),
	FUNCTION 7 rama.ps_encode_date(pg_catalog.date, internal),
	FUNCTION 8 rama.ps_decode_date(internal);
COMMENT ON OPERATOR CLASS rama.date_ops USING pstate IS 'date';

CREATE OPERATOR CLASS rama.timestamp_ops DEFAULT FOR TYPE pg_catalog.timestamp USING pstate FAMILY rama.datetime_ops AS
	OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=, OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
	FUNCTION 1 pg_catalog.timestamp_cmp(pg_catalog.timestamp, pg_catalog.timestamp),
	FUNCTION 7 rama.ps_encode_timestamp(pg_catalog.timestamp, internal),
	FUNCTION 8 rama.ps_decode_timestamp(internal);
COMMENT ON OPERATOR CLASS rama.timestamp_ops USING pstate IS 'timestamp';

CREATE OPERATOR CLASS rama.timestamptz_ops DEFAULT FOR TYPE pg_catalog.timestamptz USING pstate FAMILY rama.datetime_ops AS
	OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=, OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
	FUNCTION 1 pg_catalog.timestamptz_cmp(pg_catalog.timestamptz, pg_catalog.timestamptz),
	FUNCTION 7 rama.ps_encode_timestamptz(pg_catalog.timestamptz, internal),
	FUNCTION 8 rama.ps_decode_timestamptz(internal);
COMMENT ON OPERATOR CLASS rama.timestamptz_ops USING pstate IS 'timestamptz';

ALTER OPERATOR FAMILY rama.datetime_ops USING pstate ADD
	OPERATOR 1 pg_catalog.< (pg_catalog.date, pg_catalog.timestamp),
	OPERATOR 2 pg_catalog.<= (pg_catalog.date, pg_catalog.timestamp),
	OPERATOR 3 pg_catalog.= (pg_catalog.date, pg_catalog.timestamp),
	OPERATOR 4 pg_catalog.>= (pg_catalog.date, pg_catalog.timestamp),
	OPERATOR 5 pg_catalog.> (pg_catalog.date, pg_catalog.timestamp),
	FUNCTION 1 (pg_catalog.date, pg_catalog.timestamp) pg_catalog.date_cmp_timestamp(pg_catalog.date, pg_catalog.timestamp),
	FUNCTION 7 (pg_catalog.date, pg_catalog.timestamp) rama.ps_encode_timestamp_as_date(pg_catalog.timestamp, internal),
	OPERATOR 1 pg_catalog.< (pg_catalog.timestamp, pg_catalog.date),
	OPERATOR 2 pg_catalog.<= (pg_catalog.timestamp, pg_catalog.date),
	OPERATOR 3 pg_catalog.= (pg_catalog.timestamp, pg_catalog.date),
	OPERATOR 4 pg_catalog.>= (pg_catalog.timestamp, pg_catalog.date),
	OPERATOR 5 pg_catalog.> (pg_catalog.timestamp, pg_catalog.date),
	FUNCTION 1 (pg_catalog.timestamp, pg_catalog.date) pg_catalog.timestamp_cmp_date(pg_catalog.timestamp, pg_catalog.date),
	FUNCTION 7 (pg_catalog.timestamp, pg_catalog.date) rama.ps_encode_date_as_timestamp(pg_catalog.date, internal),
	OPERATOR 1 pg_catalog.< (pg_catalog.timestamptz, pg_catalog.date),
	OPERATOR 2 pg_catalog.<= (pg_catalog.timestamptz, pg_catalog.date),
	OPERATOR 3 pg_catalog.= (pg_catalog.timestamptz, pg_catalog.date),
	OPERATOR 4 pg_catalog.>= (pg_catalog.timestamptz, pg_catalog.date),
	OPERATOR 5 pg_catalog.> (pg_catalog.timestamptz, pg_catalog.date),
	FUNCTION 1 (pg_catalog.timestamptz, pg_catalog.date) pg_catalog.timestamptz_cmp_date(pg_catalog.timestamptz, pg_catalog.date),
	FUNCTION 7 (pg_catalog.timestamptz, pg_catalog.date) rama.ps_encode_date_as_timestamptz(pg_catalog.date, internal),
	OPERATOR 1 pg_catalog.< (pg_catalog.timestamptz, pg_catalog.timestamp),
	OPERATOR 2 pg_catalog.<= (pg_catalog.timestamptz, pg_catalog.timestamp),
	OPERATOR 3 pg_catalog.= (pg_catalog.timestamptz, pg_catalog.timestamp),
	OPERATOR 4 pg_catalog.>= (pg_catalog.timestamptz, pg_catalog.timestamp),
	OPERATOR 5 pg_catalog.> (pg_catalog.timestamptz, pg_catalog.timestamp),
	FUNCTION 1 (pg_catalog.timestamptz, pg_catalog.timestamp) pg_catalog.timestamptz_cmp_timestamp(pg_catalog.timestamptz, pg_catalog.timestamp),
	FUNCTION 7 (pg_catalog.timestamptz, pg_catalog.timestamp) rama.ps_encode_timestamp_as_timestamptz(pg_catalog.timestamp, internal);

CREATE OPERATOR FAMILY rama.time_ops USING pstate;
COMMENT ON OPERATOR FAMILY rama.time_ops USING pstate IS 'time';

CREATE OPERATOR CLASS rama.time_ops DEFAULT FOR TYPE pg_catalog.time USING pstate FAMILY rama.time_ops AS
	OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=, OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
	FUNCTION 1 pg_catalog.time_cmp(pg_catalog.time, pg_catalog.time),
	FUNCTION 7 rama.ps_encode_time(pg_catalog.time, internal),
	FUNCTION 8 rama.ps_decode_time(internal);
COMMENT ON OPERATOR CLASS rama.time_ops USING pstate IS 'time';

CREATE OPERATOR FAMILY rama.interval_ops USING pstate;
COMMENT ON OPERATOR FAMILY rama.interval_ops USING pstate IS 'interval';

CREATE OPERATOR CLASS rama.interval_ops DEFAULT FOR TYPE pg_catalog.interval USING pstate FAMILY rama.interval_ops AS
	OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=, OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
	FUNCTION 1 pg_catalog.interval_cmp(pg_catalog.interval, pg_catalog.interval),
	FUNCTION 7 rama.ps_encode_interval(pg_catalog.interval, internal),
	FUNCTION 8 rama.ps_decode_interval(internal);
COMMENT ON OPERATOR CLASS rama.interval_ops USING pstate IS 'interval';

CREATE OPERATOR FAMILY rama.enum_ops USING pstate;
COMMENT ON OPERATOR FAMILY rama.enum_ops USING pstate IS 'enums';

CREATE OPERATOR CLASS rama.enum_ops DEFAULT FOR TYPE pg_catalog.anyenum USING pstate FAMILY rama.enum_ops AS
	OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=, OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
	FUNCTION 1 pg_catalog.enum_cmp(pg_catalog.anyenum, pg_catalog.anyenum),
	FUNCTION 7 rama.ps_encode_enum(pg_catalog.anyenum, internal),
	FUNCTION 8 rama.ps_decode_enum(internal);
COMMENT ON OPERATOR CLASS rama.enum_ops USING pstate IS 'enums';

CREATE OPERATOR FAMILY rama.network_ops USING pstate;
COMMENT ON OPERATOR FAMILY rama.network_ops USING pstate IS 'inet and cidr';

CREATE OPERATOR CLASS rama.inet_ops DEFAULT FOR TYPE pg_catalog.inet USING pstate FAMILY rama.network_ops AS
	OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=, OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
	FUNCTION 1 pg_catalog.network_cmp(pg_catalog.inet, pg_catalog.inet),
	FUNCTION 7 rama.ps_encode_inet(pg_catalog.inet, internal),
	FUNCTION 8 rama.ps_decode_inet(internal);
COMMENT ON OPERATOR CLASS rama.inet_ops USING pstate IS 'inet and cidr';

CREATE OPERATOR CLASS rama.cidr_ops FOR TYPE pg_catalog.inet USING pstate FAMILY rama.network_ops AS
	STORAGE pg_catalog.inet;
COMMENT ON OPERATOR CLASS rama.cidr_ops USING pstate IS 'Another name of inet_ops.';
