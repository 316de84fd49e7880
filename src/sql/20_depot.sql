-- Depots

CREATE FUNCTION rama.next_offset(sequence regclass) RETURNS bigint
AS 'MODULE_PATHNAME', 'rama_next_offset' LANGUAGE C STRICT STABLE PARALLEL UNSAFE;
COMMENT ON FUNCTION rama.next_offset(regclass) IS
'Draws the next offset of a depot from its sequence: the default of "_offset". Needs INSERT on the depot (42501). Called STABLE so that COPY keeps inserting many rows at a time; it is not.
Errors: 42704 not the sequence of a depot, 25006 on a standby or in a read-only transaction.';

CREATE FUNCTION rama.check_event(_xid xid8, _offset bigint, sequence regclass) RETURNS boolean
AS 'MODULE_PATHNAME', 'rama_check_event' LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION rama.check_event(xid8, bigint, regclass) IS
'The CHECK of a depot: true if this transaction drew the offset and did not use it yet, and _xid is its own; error 428C9 otherwise. In a database that is not active, always true: a restore brings its own values.';

CREATE FUNCTION rama.check_event(_xid xid8, _offset bigint, _partition int, sequence regclass) RETURNS boolean
AS 'MODULE_PATHNAME', 'rama_check_event' LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION rama.check_event(xid8, bigint, int, regclass) IS
'The CHECK of a depot with one partition: like the function with three arguments, and _partition must be 0.';

CREATE FUNCTION rama.partition_of(partitions int, VARIADIC "values" "any") RETURNS int
AS 'MODULE_PATHNAME', 'rama_partition_of' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION rama.partition_of(int, "any") IS
'The partition, from 0, of an event whose partition_by has these values: a hash that never changes, the same for equal integers of any type. Errors: 22023 for a number of partitions below 1 or above 32767.';

CREATE FUNCTION rama.guard_depot() RETURNS trigger
AS 'MODULE_PATHNAME', 'rama_guard_depot' LANGUAGE C;
COMMENT ON FUNCTION rama.guard_depot() IS
'Statement trigger of depots: refuses UPDATE, DELETE and TRUNCATE (0A000).';

CREATE FUNCTION rama.create_depot(name text, columns text DEFAULT 'data jsonb',
	partition_by text DEFAULT NULL, partitions int DEFAULT 1, dedup boolean DEFAULT false,
	segment_events bigint DEFAULT NULL, if_not_exists boolean DEFAULT false) RETURNS regclass
AS 'MODULE_PATHNAME', 'rama_create_depot' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION rama.create_depot(text, text, text, int, boolean, bigint, boolean) IS
'Makes a depot: a table to which events are appended.
name: with or without schema. columns: what CREATE TABLE has between its parentheses, without PRIMARY KEY. partition_by: columns or expressions, separated by commas, whose hash modulo partitions is "_partition". dedup, segment_events: not supported yet (0A000). if_not_exists: a notice instead of an error if there is such a depot.
Returns the depot. Errors: 42P07 the name is taken, 22023 partitions out of range or without partition_by, 42601 columns or partition_by are something else, 42P16 a primary key or a temporary schema, 42701 the name of a managed column, 42703 unknown column in partition_by, 42P17 partition_by is not immutable, and those of CREATE TABLE.';

CREATE FUNCTION rama.drop_depot(depot regclass) RETURNS void
AS 'MODULE_PATHNAME', 'rama_drop_depot' LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION rama.drop_depot(regclass) IS
'Drops a depot, as DROP TABLE does. Errors: 42704 not a depot, 42501 not the owner, 2BP01 something depends on it.';

CREATE FUNCTION rama.append(depot regclass, data jsonb, id uuid DEFAULT NULL, expected bigint DEFAULT NULL) RETURNS bigint
AS 'MODULE_PATHNAME', 'rama_append' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION rama.append(regclass, jsonb, uuid, bigint) IS
'Appends an event and returns its offset. data: a JSON object with columns as keys (absent ones get their defaults); any JSON value for a depot whose only column is "data jsonb". id, expected: not supported yet (0A000). Needs INSERT on the depot. NULL if a trigger skipped the event.
Errors: 42704 not a depot, 22023 not an object, 42703 unknown key, 428C9 managed column, 25006 on a standby or in a read-only transaction, and those of INSERT.';

CREATE FUNCTION rama.last_offset(depot regclass) RETURNS bigint
AS 'MODULE_PATHNAME', 'rama_last_offset' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION rama.last_offset(regclass) IS
'The last offset drawn in a depot, by a transaction finished or not; NULL without SELECT privilege, and for a depot that has been dropped. Error: 42704 not a depot.';

CREATE FUNCTION rama.depot_holders(depot regclass, OUT pid int, OUT xid xid8) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'rama_depot_holders' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION rama.depot_holders(regclass) IS
'Transactions that may have appended to a depot and are not over; pid is NULL for prepared ones. None for a depot that has been dropped. See rama.pending(). Error: 42704 not a depot.';

CREATE FUNCTION rama.pending(depot regclass, OUT pid int, OUT xid xid8, OUT age interval, OUT gid text)
RETURNS SETOF record LANGUAGE sql STRICT VOLATILE PARALLEL RESTRICTED
BEGIN ATOMIC
	SELECT h.pid, h.xid,
		pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) coalesce(a.xact_start, p.prepared), p.gid
	FROM rama.depot_holders(depot) h
		LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) h.pid
		LEFT JOIN pg_catalog.pg_prepared_xacts p
			ON h.pid IS NULL AND p.transaction OPERATOR(pg_catalog.=) h.xid::pg_catalog.xid;
END;
COMMENT ON FUNCTION rama.pending(regclass) IS
'Who holds up events of a depot: transactions of other sessions that may have appended to it and are not over, with the age of the transaction as far as you may see it. pid is NULL and gid is set for prepared transactions. Error: 42704 not a depot.';

CREATE VIEW rama.depots AS
	SELECT n.nspname AS module, c.relname AS name, d.depot,
		pg_catalog.pg_get_userbyid(c.relowner) AS owner,
		d.partitions, d.partition_by, rama.last_offset(d.depot) AS last_offset,
		pg_catalog.pg_total_relation_size(d.depot) AS size, d.sequence
	FROM rama.depot d
		JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) d.depot
		JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace;
COMMENT ON VIEW rama.depots IS 'The depots of this database.';
COMMENT ON COLUMN rama.depots.module IS 'The schema.';
COMMENT ON COLUMN rama.depots.last_offset IS 'The last offset drawn; NULL without SELECT privilege on the depot.';
COMMENT ON COLUMN rama.depots.size IS 'Bytes on disk, with indexes.';
GRANT SELECT ON rama.depots TO PUBLIC;
