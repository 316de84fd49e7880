-- rama.value: every mix of literals, typed and untyped parameters and columns
-- resolves, and converts to what its place has.
SET client_min_messages = warning;
CREATE SCHEMA value;
SET search_path = value;
SET timezone = 'UTC';
SELECT x::rama.value, pg_typeof(x::rama.value) FROM (VALUES (1)) v(x);
SELECT true::rama.value, 1::smallint::rama.value, 1::rama.value, 1::bigint::rama.value, 1.5::real::rama.value,
	1.5::float8::rama.value, 1.50::numeric::rama.value, 't'::text::rama.value, 'v'::varchar::rama.value, 'c'::char(3)::rama.value;
SELECT '6f1e0000-0000-0000-0000-000000000000'::uuid::rama.value, date '2020-01-01'::rama.value, time '12:00'::rama.value,
	timetz '12:00+01'::rama.value, timestamp '2020-01-01 12:00'::rama.value, timestamptz '2020-01-01 12:00+00'::rama.value,
	interval '1 day'::rama.value, '\x00ff'::bytea::rama.value, '10.0.0.0/8'::inet::rama.value, '{"a": [1]}'::jsonb::rama.value, 'x'::rama.value;
SELECT ARRAY[1, 'x', NULL, '[1]'::jsonb, 2.5, repeat('y', 300)::text]::rama.value[];
CREATE DOMAIN posint AS int CHECK (VALUE > 0);
CREATE TYPE mood AS ENUM ('sad', 'happy');
SELECT 5::posint::rama.value;

SELECT rama.create_pstate('t', $$map(k: text, struct(b: boolean, i2: smallint, i4: int, i8: bigint, f4: real, f8: double precision,
	n: numeric(8,2), t: text, v: varchar(3), c: char(3), u: uuid, d: date, ti: time, tz: timetz, ts: timestamp, tstz: timestamptz,
	iv: interval, by: bytea, ip: inet, j: jsonb, p: value.posint, m: value.mood, a: int[]))$$);
-- each type given as itself, as text, untyped, and as JSON
SELECT rama.put('t', 'x', 'b', true), rama.put('t', 'x', 'i2', 2::smallint), rama.put('t', 'x', 'i4', 4), rama.put('t', 'x', 'i8', 8::bigint),
	rama.put('t', 'x', 'f4', 1.5::real), rama.put('t', 'x', 'f8', 0.1::float8), rama.put('t', 'x', 'n', 1.005), rama.put('t', 'x', 't', 'text'::text),
	rama.put('t', 'x', 'v', 'abc'::varchar), rama.put('t', 'x', 'c', 'c'::char(3)), rama.put('t', 'x', 'u', '6f1e0000-0000-0000-0000-000000000000'::uuid),
	rama.put('t', 'x', 'd', date '2020-01-01'), rama.put('t', 'x', 'ti', time '12:00'), rama.put('t', 'x', 'tz', timetz '12:00+01'),
	rama.put('t', 'x', 'ts', timestamp '2020-01-01 12:00'), rama.put('t', 'x', 'tstz', timestamptz '2020-01-01 12:00+00'),
	rama.put('t', 'x', 'iv', interval '1 day'), rama.put('t', 'x', 'by', '\x00ff'::bytea), rama.put('t', 'x', 'ip', '10.0.0.0/8'::inet),
	rama.put('t', 'x', 'j', '{"a": [1]}'::jsonb), rama.put('t', 'x', 'p', 5), rama.put('t', 'x', 'm', 'sad'), rama.put('t', 'x', 'a', '{1,2}');
SELECT rama.put('t', 'text', f, v) FROM (VALUES ('b', 'true'), ('i2', '2'), ('i4', '4'), ('i8', '8'), ('f4', '1.5'), ('f8', '0.1'), ('n', '1.005'),
	('t', 'text'), ('v', 'abc'), ('c', 'c'), ('u', '6f1e0000-0000-0000-0000-000000000000'), ('d', '2020-01-01'), ('ti', '12:00'), ('tz', '12:00+01'),
	('ts', '2020-01-01 12:00'), ('tstz', '2020-01-01 12:00+00'), ('iv', '1 day'), ('by', '\x00ff'), ('ip', '10.0.0.0/8'), ('j', '{"a": [1]}'),
	('p', '5'), ('m', 'sad'), ('a', '{1,2}')) x(f, v);
SELECT rama.put('t', 'json', rama.get('t', 'x'));
SELECT rama.get('t', 'x') = rama.get('t', 'text') AS text_same, rama.get('t', 'x') = rama.get('t', 'json') AS json_same;
SELECT jsonb_pretty(rama.get('t', 'x'));
SELECT rama.get('t', 'x') = to_jsonb(r) - 'k' AS as_core FROM t r WHERE k = 'x';
SELECT * FROM t WHERE k = 'json';
-- NaN, infinities; numbers as text; null
SELECT rama.put('t', 'nan', '{"f8": "NaN", "n": "NaN", "f4": "-Infinity", "t": 1.50, "i4": 12.0, "a": [[1, 2], [3, null]], "j": null}');
SELECT rama.get('t', 'nan'), rama.get('t', 'nan', 't'), rama.get_as(NULL::float8, 't', 'nan', 'f8');
SELECT rama.put('t', 'j', 'j', 5), rama.put('t', 'j2', 'j', '"s"'), rama.put('t', 'j3', 'j', date '2020-01-01'), rama.put('t', 'j4', 'j', 'null');
SELECT k, j FROM t WHERE j IS NOT NULL ORDER BY k;
SELECT rama.get('t', 'j4', 'j') IS NULL AS json_null_is_null;
-- by assignment cast
SELECT rama.put('t', 'cast', 'i4', 1.6), rama.put('t', 'cast', 't', 42), rama.put('t', 'cast', 'f8', 3), rama.put('t', 'cast', 'ts', date '2020-01-01'),
	rama.put('t', 'cast', 'n', 1.005::float8);
SELECT rama.get('t', 'cast');
SELECT rama.put('t', 'x', 'v', 'abcd');
\echo :SQLSTATE
SELECT rama.put('t', 'x', 'p', -1);
\echo :SQLSTATE
SELECT rama.put('t', 'x', 'p', '{"a": 1}'::jsonb);
\echo :SQLSTATE
SELECT rama.put('t', 'x', 'm', 'angry');
\echo :SQLSTATE
SELECT rama.put('t', 'x', 'i2', 70000);
\echo :SQLSTATE
SELECT rama.put('t', 'x', 'i4', '1.5'::jsonb);
\echo :SQLSTATE
SELECT rama.put('t', 'x', 'u', 5);
\echo :SQLSTATE
SELECT rama.put('t', 'x', 'd', 'nonsense');
\echo :SQLSTATE
SELECT rama.put('t', 'x', 'b', '1'::jsonb);
\echo :SQLSTATE
SELECT rama.put('t', 'x', 'm', 'sad'::mood);
\echo :SQLSTATE
SELECT rama.put('t', 'x', 'm', 'happy'::mood::text), rama.put('t', 'x', 'a', to_jsonb('{3}'::int[]));
SELECT rama.get('t', 'x', 'm'), rama.get('t', 'x', 'a');

-- as JSON, from JSON
SELECT rama.get_as(NULL::jsonb, 't', 'x', 'i4'), rama.get_as(NULL::json, 't', 'x', 't'), rama.get_as(NULL::json, 't', 'x', 'j'),
	rama.get_as(NULL::text, 't', 'x', 'u'), rama.get_as(NULL::uuid, 't', 'x', 'u'), rama.get_as(NULL::value.mood, 't', 'x', 'm');
SELECT rama.create_pstate('js', 'map(k: int, struct(j: json, a: text[], r: int4range))');
SELECT rama.put('js', 1, '{"j": "s", "a": ["x\"y", null, "{"], "r": "[1,5)"}'), rama.put('js', 2, 'j', '[1]'::jsonb);
SELECT rama.get('js'), rama.get_as(NULL::text[], 'js', 1, 'a');

-- keys of every kind of argument
SELECT rama.create_pstate('k', 'map(i: bigint, map(u: uuid, map(d: timestamptz, int) subindex) subindex)');
PREPARE untyped AS SELECT rama.put('k', $1, $2, $3, $4);
PREPARE typed(int, uuid, timestamptz, int) AS SELECT rama.put('k', $1, $2, $3, $4);
PREPARE mixed(text, uuid) AS SELECT rama.put('k', 3, $2, $1, '33');
EXECUTE untyped('1', '6f1e0000-0000-0000-0000-000000000001', '2020-01-01 00:00+00', '11');
EXECUTE typed(2, '6f1e0000-0000-0000-0000-000000000002', '2020-01-02', 22);
EXECUTE mixed('2020-01-03', '6f1e0000-0000-0000-0000-000000000003');
PREPARE every AS SELECT rama.get('k', $1), rama.get_text('k', $1, $2), rama.get_as(NULL::int, 'k', $1, $2, $3), rama.count('k', $1),
	rama.add('k', $1, $2, $3, $4), rama.remove('k', $1, $2, $3);
EXECUTE every('1', '6f1e0000-0000-0000-0000-000000000001', '2020-01-01 00:00+00', '5');
SELECT rama.get('k');
SELECT rama.get('k', i, u, d) FROM k_d ORDER BY i;
SELECT rama.get('k', i::text, u::text, d::text) FROM k_d ORDER BY i;
SELECT rama.get('k', VARIADIC ARRAY[i::text, u::text, to_jsonb(d)::text::jsonb #>> '{}']) FROM k_d ORDER BY i;
SELECT rama.get('k', VARIADIC ARRAY[i, i]) FROM k_d ORDER BY i LIMIT 0;
SELECT rama.get('k', to_jsonb(i), to_jsonb(u), to_jsonb(d)) FROM k_d ORDER BY i;
-- what a key means follows the settings when it is used
SELECT rama.select('k', '[2, "6f1e0000-0000-0000-0000-000000000002", "2020-01-02 00:00"]');
SET timezone = 'Asia/Tokyo';
SELECT rama.select('k', '[2, "6f1e0000-0000-0000-0000-000000000002", "2020-01-02 00:00"]');
SELECT rama.select('k', '[2, "6f1e0000-0000-0000-0000-000000000002", "2020-01-02 09:00"]');
DO $$
DECLARE i int := 2; u uuid := '6f1e0000-0000-0000-0000-000000000002'; r jsonb;
BEGIN
	FOR j IN 1..3 LOOP r := rama.get('k', i, u); END LOOP;
	RAISE WARNING '%', r;
END $$;
-- keys whose text follows the settings, or differs between equal ones
SELECT rama.create_pstate('inrow', 'map(k: int, struct(t: map(timestamptz, int), n: map(numeric, int)))');
SET timezone = 'UTC';
SELECT rama.put('inrow', 1, '{"t": {"2020-01-01": 1}, "n": {"1.50": 1}}');
SET timezone = 'Asia/Tokyo';
SELECT rama.get('inrow', 1, 't', timestamptz '2020-01-01 09:00'), rama.add('inrow', 1, 't', '2020-01-01 09:00', 1),
	rama.get('inrow', 1, 'n', 1.5), rama.add('inrow', 1, 'n', 1.500, 1);
SELECT rama.select('inrow', '[1, "t", "2020-01-01 09:00"]'), rama.count('inrow', 1, 't'), rama.count('inrow', 1, 'n');
-- kept in a column, it is its text
CREATE TABLE kept (v rama.value);
INSERT INTO kept VALUES (1), ('x'), (date '2020-01-01');
TABLE kept;
SELECT rama.get('k', v) FROM kept WHERE v::text = '1';

DROP SCHEMA value CASCADE;
