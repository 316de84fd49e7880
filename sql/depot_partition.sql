-- Partitions: _partition is a hash that never changes.
\set VERBOSITY terse
CREATE SCHEMA deppart;
SET search_path = deppart, public;

-- The error of a statement, as text.
CREATE FUNCTION fails(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || ': ' || message || CASE WHEN hint = '' THEN '' ELSE ' | ' || hint END;
END $$;
\pset format unaligned
\pset tuples_only on
CREATE TYPE color AS ENUM ('red', 'green');
CREATE DOMAIN orgid AS int;

-- pinned values, modulo a large number
SELECT v, rama.partition_of(32767, v) FROM unnest(ARRAY[0, 1, -1, 2147483647, 42]) v;
SELECT v, rama.partition_of(32767, v) FROM unnest(ARRAY['', 'a', 'b', 'hello', 'hällo', repeat('x', 3000)]) WITH ORDINALITY u(v, n) WHERE n < 6;
SELECT rama.partition_of(32767, repeat('x', 300000));
SELECT rama.partition_of(32767, NULL::int), rama.partition_of(32767, NULL::text), rama.partition_of(32767, 1, NULL::int), rama.partition_of(32767, NULL::int, 1);
SELECT rama.partition_of(32767, 'a'::text, 'bc'::text), rama.partition_of(32767, 'ab'::text, 'c'::text);
SELECT rama.partition_of(32767, true), rama.partition_of(32767, false);
SELECT rama.partition_of(32767, '6f1e0000-0000-4000-8000-000000000001'::uuid), rama.partition_of(32767, '\x00ff'::bytea);
SELECT rama.partition_of(32767, 1.5::float8), rama.partition_of(32767, 1.5::numeric), rama.partition_of(32767, '2001-02-03'::date);
SELECT rama.partition_of(32767, '2001-02-03 04:05:06+00'::timestamptz), rama.partition_of(32767, '2001-02-03 04:05:06'::timestamp);
SELECT rama.partition_of(32767, '10.0.0.1'::inet), rama.partition_of(32767, 'green'::color), rama.partition_of(32767, '{"a": [1, "x"]}'::jsonb);
SELECT rama.partition_of(32767, ARRAY[1, 2]), rama.partition_of(32767, ARRAY['ä']);

-- equal values agree
SELECT rama.partition_of(32767, 7::int2) = rama.partition_of(32767, 7) AND rama.partition_of(32767, 7) = rama.partition_of(32767, 7::int8)
	AND rama.partition_of(32767, 7) = rama.partition_of(32767, 7::orgid) AS integers,
	rama.partition_of(32767, 'x'::text) = rama.partition_of(32767, 'x'::varchar(3)) AND rama.partition_of(32767, 'x'::text) = rama.partition_of(32767, 'x')
	AND rama.partition_of(32767, 'x'::char(2)) = rama.partition_of(32767, 'x'::char(5)) AND rama.partition_of(32767, 'x'::name) = rama.partition_of(32767, 'x') AS texts,
	rama.partition_of(32767, 1.50) = rama.partition_of(32767, 1.5) AS numerics,
	rama.partition_of(32767, 0.0::float8) = rama.partition_of(32767, '-0'::float8) AND rama.partition_of(32767, 0.5::float8) = rama.partition_of(32767, 0.5::float4) AS floats,
	rama.partition_of(32767, '1 month'::interval) = rama.partition_of(32767, '30 days'::interval) AS intervals;
-- whatever the session's settings
CREATE TEMP TABLE before AS SELECT rama.partition_of(32767, ARRAY['ä']) AS a, rama.partition_of(32767, 'ä'::text) AS b, rama.partition_of(32767, '{"ä": 1}'::jsonb) AS c, rama.partition_of(32767, '2001-02-03'::date) AS d;
SET client_encoding = latin1;
SET datestyle = german;
SELECT a = rama.partition_of(32767, ARRAY[chr(228)]) AND b = rama.partition_of(32767, chr(228)) AND c = rama.partition_of(32767, jsonb_build_object(chr(228), 1)) AND d = rama.partition_of(32767, '2001-02-03'::date) FROM before;
RESET client_encoding;
RESET datestyle;
-- evenly
SELECT min(n) > 900, max(n) < 1100 FROM (SELECT count(*) AS n FROM generate_series(1, 8000) i GROUP BY rama.partition_of(8, i)) g;
SELECT min(n) > 900, max(n) < 1100 FROM (SELECT count(*) AS n FROM generate_series(1, 8000) i GROUP BY rama.partition_of(8, 'user' || i)) g;
SELECT fails('SELECT rama.partition_of(0, 1)');
SELECT fails('SELECT rama.partition_of(NULL, 1)');
SELECT fails('SELECT rama.partition_of(2, VARIADIC ARRAY[1])');

-- in depots
SELECT rama.create_depot('byorg', 'org int, name text', partition_by => 'org', partitions => 8);
SELECT rama.create_depot('bytwo', 'org int, name text', partition_by => 'org, lower(name)', partitions => 8);
SELECT rama.create_depot('byjson', partition_by => 'data->>''org'' -- comment', partitions => 8);
SELECT rama.create_depot('one', 'org orgid, c color', partition_by => 'org, c', partitions => 1);
INSERT INTO byorg (org, name) SELECT i, 'n' || i FROM generate_series(1, 100) i;
COPY byorg (org, name) FROM STDIN;
101	x
\N	y
\.
SELECT rama.append('byorg', '{"org": 102}');
SELECT count(*), count(DISTINCT _partition), bool_and(_partition = rama.partition_of(8, org)) FROM byorg;
INSERT INTO bytwo (org, name) VALUES (1, 'A'), (1, 'a'), (2, 'a');
SELECT count(DISTINCT _partition) FROM bytwo WHERE org = 1;
SELECT rama.append('byjson', '{"org": "x"}'), rama.append('byjson', '{"org": "x", "y": 1}'), rama.append('byjson', '17');
SELECT data, _partition = rama.partition_of(8, data->>'org') FROM byjson ORDER BY _offset;
INSERT INTO one (org, c) VALUES (7, 'red');
SELECT _partition FROM one;
SELECT fails($$INSERT INTO byorg (org, _partition) VALUES (1, 3)$$);
SELECT fails($$SELECT rama.append('byorg', '{"_partition": 3}')$$);
SELECT fails($$INSERT INTO byorg (org, _offset) VALUES (1, 3)$$);
SELECT fails($$ALTER TABLE byorg ALTER COLUMN _partition DROP EXPRESSION$$);
SELECT fails($$ALTER TABLE byorg DROP COLUMN org$$);
SELECT fails($$ALTER TABLE byorg DROP COLUMN org CASCADE$$);
ALTER TABLE byorg DROP COLUMN name;
SELECT fails($$SELECT rama.create_depot('c', 'c color[]', partition_by => 'c', partitions => 4)$$);
SELECT fails($$SELECT rama.create_depot('c', 'c color[]', partition_by => 'c')$$);
SELECT name, partitions, partition_by, last_offset FROM rama.depots WHERE module = 'deppart' ORDER BY 1;
SET client_min_messages = warning;
DROP SCHEMA deppart CASCADE;
