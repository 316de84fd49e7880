-- All types of the access method: the order is btree's, every value is found,
-- and comes back from an index-only scan as it was.
CREATE SCHEMA index_types;
SET search_path = index_types, public;
SET client_min_messages = warning;
SET TimeZone = 'America/New_York';
SET IntervalStyle = postgres;
SET extra_float_digits = 1;
SET jit = off;
SELECT setseed(0.25);

-- Operator classes are complete.
SELECT opcname FROM pg_opclass c JOIN pg_am a ON a.oid = c.opcmethod
WHERE amname = 'pstate' AND NOT amvalidate(c.oid);

-- Their functions cannot be called from SQL.
SELECT rama.ps_encode_int4(1, NULL), rama.ps_decode_text(NULL);
SELECT rama.ps_decode_text('x');

-- Boundary values of each type, and an expression for others, many of them equal.
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy', 'wild');
CREATE TABLE types (type text, literals text[], random text);
INSERT INTO types VALUES
	('bool', '{t,f}', 'random() < 0.5'),
	('int2', '{0,1,-1,87,88,89,-87,-88,-89,8279,8280,8281,-8280,-8281,-8282,343,344,345,32767,-32768}',
	 '(random() * 65535 - 32768)::int2'),
	('int4', '{0,1,-1,87,88,-88,-89,8279,8280,-8280,-8281,65535,65536,-65536,-65537,16777215,16777216,-16777216,-16777217,2147483647,-2147483648}',
	 '((random() - 0.5) * 2 ^ (random() * 32))::int4'),
	('int8', '{0,1,-1,87,88,-88,-89,8279,8280,-8280,-8281,4294967295,4294967296,1099511627775,1099511627776,281474976710655,281474976710656,72057594037927935,72057594037927936,-72057594037927936,-72057594037927937,9223372036854775807,-9223372036854775808}',
	 '((random() - 0.5) * 2 ^ (random() * 63.9))::int8'),
	('oid', '{0,1,87,88,8279,8280,4294967295,2147483648}', '(random() * 2 ^ (random() * 32))::int8::oid'),
	('float4', '{0,-0,NaN,Infinity,-Infinity,1,-1,1e-45,-1e-45,1.1754944e-38,3.4028235e38,-3.4028235e38,0.1,1.0000001}',
	 '((random() - 0.5) * 10 ^ (random() * 60 - 30))::float4'),
	('float8', '{0,-0,NaN,Infinity,-Infinity,1,-1,5e-324,-5e-324,2.2250738585072014e-308,1.7976931348623157e308,-1.7976931348623157e308,0.1,1.0000000000000002}',
	 '(random() - 0.5) * 10 ^ (random() * 500 - 250)'),
	('numeric', '{0,0.0,0.0000,-0.00,1,1.0,1.00,1.000000,-1,-1.0,10,100,1000,10000,10000.0,99999999,100000000,0.1,0.10,0.01,0.001,0.0001,0.00010,0.00001,-0.00001,9999.9999,9999.99990,1.5,1.50,123456789.123456789,-123456789.123456789,1e16383,-1e16383,1e-16383,-1e-16383,1e400,1e360,1e364,1e-60,1e-64,1e-68,NaN,Infinity,-Infinity,1e1000,0.00000000000000000000000000000000000000000000000000000000000000000}',
	 'round((random() - 0.5)::numeric * 10::numeric ^ (random() * 40 - 20)::int, (random() * 30)::int)'),
	('text', array['', ' ', 'a', 'A', 'aa', 'ab', 'b', 'B', 'Z', 'z', 'a b', E'a\tb', E'\u0001', 'ä', 'Ä', 'é', 'ß', 'ss', '日本', '𝄞', 'a-b', 'ab-', repeat('x', 1900), repeat('x', 1899) || 'y'],
	 'left(md5(random()::text), (random() * 6)::int)'),
	('varchar(40)', '{"",a,b,ab,"a ","a  "}', 'left(md5(random()::text), (random() * 6)::int)'),
	('bytea', array['', '\x00', '\x0000', '\x000000', '\x00ff', '\x00ff00', '\x0001', '\x01', '\x01ff', '\xff', '\xff00', '\xffff', '\xfe', '\x6100', '\x61', '\x6100ff', '\x610000', '\x6101', '\x' || repeat('00', 900), '\x' || repeat('ff', 1900)],
	 'substr(decode(md5(random()::text), ''hex''), 1, (random() * 3)::int) || decode(repeat(''00'', (random() * 3)::int), ''hex'')'),
	('uuid', '{00000000-0000-0000-0000-000000000000,00000000-0000-0000-0000-000000000001,ffffffff-ffff-ffff-ffff-ffffffffffff,80000000-0000-0000-0000-000000000000}',
	 'md5(random()::text)::uuid'),
	('date', '{infinity,-infinity,2000-01-01,1999-12-31,0001-01-01,"0001-12-31 BC","4713-11-24 BC",5874897-12-31,294277-01-01}',
	 'date ''2000-01-01'' + ((random() - 0.5) * 100000)::int'),
	('time', '{00:00,24:00,23:59:59.999999,00:00:00.000001,12:00}', 'time ''00:00'' + random() * interval ''1 day'''),
	('timestamp', '{infinity,-infinity,2000-01-01,1999-12-31 23:59:59.999999,"4713-11-24 00:00:00 BC",294276-12-31 23:59:59.999999,2020-03-08 02:30}',
	 'timestamp ''2000-01-01'' + (random() - 0.5) * interval ''3000 years'''),
	('timestamptz', '{infinity,-infinity,2000-01-01 00:00+00,1999-12-31 23:59:59.999999+00,"4713-11-24 00:00:00+00 BC",294276-12-31 23:59:59.999999+00,2020-03-08 02:30-05}',
	 'timestamptz ''2000-01-01'' + (random() - 0.5) * interval ''3000 years'''),
	('interval', array['0', '1 mon', '30 days', '720:00', '1 mon -30 days', '-1 mon 30 days', '1 day', '24:00', '25:00', '1 day 01:00', '2 days -23:00', '-1 day', '-24:00', '-00:00:00.000001', '-1 day -00:00:00.000001', '1 day -00:00:00.000001', '23:59:59.999999', '178000000 years', '-178000000 years', '2147483647 days', '-2147483648 days', '178956970 years 7 mons 2147483647 days 2562047788:00:54.775807', '-178956970 years -8 mons -2147483648 days -2562047788:00:54.775807', '-2562047788:00:54.775807', '2562047788:00:54.775807'],
	 'make_interval(months => (random() * 4 - 2)::int, days => (random() * 120 - 60)::int, hours => (random() * 20 - 10)::int * 12)'),
	('mood', '{sad,ok,happy,wild}', '(enum_range(NULL::index_types.mood))[1 + floor(random() * 4)::int]'),
	('inet', '{0.0.0.0/0,0.0.0.0,255.255.255.255,255.255.255.255/0,10.0.0.0/8,10.0.0.1/8,10.0.0.0/9,10.0.0.0/16,10.0.0.0,10.255.255.255/8,10.128.0.0/9,10.1.2.3/31,10.1.2.3/32,10.1.2.2/31,10.1.2.2/32,128.0.0.0/1,::/0,::,::1,::1/127,fe80::1/10,fe80::/10,fe80::/64,fe80::1/64,ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff,ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/1}',
	 'set_masklen(inet ''10.0.0.0'' + (random() * 256)::int * (256 ^ (random() * 2)::int)::int, 8 + (random() * 24)::int)'),
	('cidr', '{0.0.0.0/0,10.0.0.0/8,10.0.0.0/9,10.0.0.0/32,10.0.0.0/16,::/0,::1/128,fe80::/10}',
	 'network(set_masklen(inet ''10.0.0.0'' + (random() * 65536)::int, 8 + (random() * 24)::int))::cidr');

-- What a query returns without indexes, or with just those of pstate.
CREATE FUNCTION run(query text, by_index boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	line text;
	used boolean := false;
BEGIN
	PERFORM set_config('enable_seqscan', (NOT by_index)::text, true),
		set_config('enable_sort', (NOT by_index)::text, true),
		set_config('enable_bitmapscan', 'off', true),
		set_config('enable_indexscan', by_index::text, true),
		set_config('enable_indexonlyscan', by_index::text, true),
		set_config('enable_hashagg', 'off', true);
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		used := used OR line LIKE '%Index%Scan%using%';
	END LOOP;
	IF used IS DISTINCT FROM by_index THEN
		RAISE 'index %: %', CASE WHEN used THEN 'used' ELSE 'not used' END, query;
	END IF;
	EXECUTE query INTO result;
	RETURN result;
END $$;

-- The query gives the same with and without the index.
CREATE FUNCTION same(query text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	expected text := run(query, false);
	got text := run(query, true);
BEGIN
	IF expected IS DISTINCT FROM got THEN
		RAISE E'%\nexpected %\ngot      %', query, left(expected, 3000), left(got, 3000);
	END IF;
END $$;

-- All of a type, with an index whose column has the options; half of the rows
-- are there when it is made.
CREATE FUNCTION check_type(type text, options text, opclass text, literals text[], random text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	is_text boolean := type ~ '^(text|varchar)' AND opclass = '';
	operators text[] := CASE WHEN is_text THEN '{~<~,~<=~,=,~>=~,~>~}' ELSE '{<,<=,=,>=,>}' END;
	forward text := CASE WHEN options ~ 'DESC' THEN operators[5] ELSE operators[1] END
		|| CASE WHEN options ~ 'FIRST' THEN ' NULLS FIRST' WHEN options ~ 'LAST' THEN ' NULLS LAST'
			WHEN options ~ 'DESC' THEN ' NULLS FIRST' ELSE ' NULLS LAST' END;
	backward text := CASE WHEN options ~ 'DESC' THEN operators[1] ELSE operators[5] END
		|| CASE WHEN forward ~ 'FIRST' THEN ' NULLS LAST' ELSE ' NULLS FIRST' END;
	operator text;
BEGIN
	EXECUTE format('CREATE TABLE t (v %s%s, id int GENERATED ALWAYS AS IDENTITY)', type,
		CASE WHEN opclass <> '' THEN ' COLLATE "C"' ELSE '' END);
	EXECUTE 'INSERT INTO t (v) SELECT l::' || type || ' FROM unnest($1) l, generate_series(1, 2) UNION ALL SELECT NULL' USING literals;
	EXECUTE format('INSERT INTO t (v) SELECT %s FROM generate_series(1, 150)', random);
	EXECUTE format('CREATE INDEX ti ON t USING pstate (v %s %s, id)', opclass, options);
	EXECUTE format('INSERT INTO t (v) SELECT %s FROM generate_series(1, 150)', random);
	EXECUTE 'INSERT INTO t (v) SELECT l::' || type || ' FROM unnest($1) l UNION ALL SELECT NULL' USING literals;
	PERFORM rama.check_index('ti');

	PERFORM same(format('SELECT string_agg(coalesce(v::text, ''NULL'') || '' '' || id, '','' ) FROM (SELECT v, id FROM t ORDER BY v USING %s, id) o', forward));
	PERFORM same(format('SELECT string_agg(coalesce(v::text, ''NULL'') || '' '' || id, '','') FROM (SELECT v, id FROM t ORDER BY v USING %s, id DESC) o', backward));
	CREATE TABLE probes AS SELECT v, id FROM t WHERE id % 7 = 0 OR id <= 60;
	FOREACH operator IN ARRAY operators LOOP
		PERFORM same(format('SELECT string_agg(d.id || '' '' || (SELECT count(*) || '' '' || coalesce(sum(t.id), 0) FROM t WHERE t.v %s d.v), '','' ORDER BY d.id) FROM probes d', operator));
	END LOOP;
	PERFORM same('SELECT string_agg(id::text, '','' ORDER BY id) FROM t WHERE v IS NULL');
	PERFORM same('SELECT count(*) FROM t WHERE v IS NOT NULL');
	REINDEX INDEX ti;
	PERFORM rama.check_index('ti');
	PERFORM same(format('SELECT string_agg(coalesce(v::text, ''NULL'') || '' '' || id, '','') FROM (SELECT v, id FROM t ORDER BY v USING %s, id) o', forward));
	DROP TABLE t, probes;
END $$;

SELECT type, count(check_type(type, options, '', literals, random) IS NULL)
FROM types, unnest(array['', 'DESC', 'NULLS FIRST', 'DESC NULLS LAST']) options
GROUP BY type ORDER BY type;

-- Text in the order of a collation, which must be C's.
SELECT count(check_type('text', options, 'rama.text_c_ops', literals, random) IS NULL)
FROM types, unnest(array['', 'DESC NULLS LAST']) options WHERE type = 'text';

-- Searches by values of another type, in its range and outside.
CREATE FUNCTION check_cross(type text, argument text, literals text[], arguments text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	options text;
	operator text;
BEGIN
	EXECUTE format('CREATE TABLE t (v %s, id int GENERATED ALWAYS AS IDENTITY)', type);
	EXECUTE 'INSERT INTO t (v) SELECT l::' || type || ' FROM unnest($1) l UNION ALL SELECT NULL' USING literals;
	EXECUTE format('CREATE TABLE probes (v %s, id int GENERATED ALWAYS AS IDENTITY)', argument);
	EXECUTE 'INSERT INTO probes (v) SELECT l::' || argument || ' FROM unnest($1) l UNION ALL SELECT NULL' USING arguments;
	FOREACH options IN ARRAY '{"","DESC"}'::text[] LOOP
		EXECUTE format('CREATE INDEX ti ON t USING pstate (v %s)', options);
		FOREACH operator IN ARRAY '{<,<=,=,>=,>}'::text[] LOOP
			PERFORM same(format('SELECT string_agg(d.id || '' '' || (SELECT count(*) || '' '' || coalesce(sum(t.id), 0) FROM t WHERE t.v %s d.v), '','' ORDER BY d.id) FROM probes d', operator));
		END LOOP;
		PERFORM same(format('SELECT string_agg(d.id || '' '' || (SELECT count(*) FROM t WHERE t.v >= d.v AND t.v < e.v), '','' ORDER BY d.id, e.id) FROM probes d, probes e', operator));
		DROP INDEX ti;
	END LOOP;
	DROP TABLE t, probes;
END $$;

SELECT a.type, b.type AS argument, count(check_cross(a.type, b.type, a.literals, b.literals) IS NULL)
FROM types a, types b
WHERE EXISTS (SELECT FROM pg_amop o JOIN pg_am m ON m.oid = amopmethod
	WHERE amname = 'pstate' AND amoplefttype = to_regtype(a.type) AND amoprighttype = to_regtype(b.type))
	AND a.type <> b.type
GROUP BY 1, 2 ORDER BY 1, 2;
-- values on both sides of those that the other type has
SELECT check_cross('float4', 'float8', '{0,1,1.0000001,-1,-1.0000001,3.4028235e38,-3.4028235e38,1e-45,Infinity,NaN,0.1}',
	'{0.1,0.10000000149011612,1.00000005,-1.00000005,3.4028234663852886e38,3.5e38,-3.5e38,1e-50,-1e-50,1e-46,1.4012984643248171e-45,Infinity,-Infinity,NaN,0}');
SELECT check_cross('date', 'timestamp', '{2000-01-01,2000-01-02,1999-12-31,294277-01-01,5874897-12-31,infinity,-infinity,"4713-11-24 BC"}',
	'{2000-01-01,2000-01-01 00:00:00.000001,1999-12-31 23:59:59.999999,1999-12-31 00:00:01,294276-12-31 23:59:59.999999,infinity,-infinity,"4713-11-24 00:00:00 BC"}');
SELECT check_cross('timestamptz', 'date', '{2000-01-01 05:00+00,2000-01-01 04:59:59.999999+00,294276-12-31 23:59:59.999999+00,infinity,-infinity,"4713-11-24 00:00:00+00 BC"}',
	'{2000-01-01,2000-01-02,294277-01-01,5874897-12-31,infinity,-infinity,"4713-11-24 BC"}');
SET TimeZone = 'Asia/Tokyo';
SELECT check_cross('timestamptz', 'date', '{294276-12-31 23:59:59.999999+00,infinity,-infinity,"4713-11-24 00:00:00+00 BC"}',
	'{294277-01-01,5874897-12-31,infinity,-infinity,"4713-11-24 BC"}');
SELECT check_cross('timestamptz', 'timestamp', '{294276-12-31 23:59:59.999999+00,infinity,-infinity,"4713-11-24 00:00:00+00 BC"}',
	'{294276-12-31 23:59:59.999999,infinity,-infinity,"4713-11-24 00:00:00 BC"}');

-- Several columns: few values of each, in all combinations.
CREATE FUNCTION check_columns(columns text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	keys text := '';
	forward text := '';
	backward text := '';
	shown text := '';
	conditions text := '';
	c text;
	desc_ boolean;
	first boolean;
BEGIN
	FOREACH c IN ARRAY columns LOOP
		desc_ := random() < 0.5;
		first := random() < 0.5;
		keys := keys || c || CASE WHEN desc_ THEN ' DESC' ELSE '' END || CASE WHEN first THEN ' NULLS FIRST, ' ELSE ' NULLS LAST, ' END;
		forward := forward || c || ' USING ' || CASE WHEN c = 'te' THEN '~' ELSE '' END || CASE WHEN desc_ THEN '>' ELSE '<' END
			|| CASE WHEN c = 'te' THEN '~' ELSE '' END || CASE WHEN first THEN ' NULLS FIRST, ' ELSE ' NULLS LAST, ' END;
		backward := backward || c || ' USING ' || CASE WHEN c = 'te' THEN '~' ELSE '' END || CASE WHEN desc_ THEN '<' ELSE '>' END
			|| CASE WHEN c = 'te' THEN '~' ELSE '' END || CASE WHEN first THEN ' NULLS LAST, ' ELSE ' NULLS FIRST, ' END;
		shown := shown || 'coalesce(' || c || '::text, ''NULL'') || '' '' || ';
		conditions := conditions || CASE WHEN conditions = '' THEN '' ELSE ' AND ' END || 'm.' || c || ' = d.' || c;
		EXECUTE format('CREATE INDEX mi ON m USING pstate (%s id)', keys);
		PERFORM rama.check_index('mi');
		PERFORM same(format('SELECT string_agg(%s id, '','') FROM (SELECT * FROM (SELECT %s, id FROM m) o ORDER BY %s id) o', shown, array_to_string(columns[:array_position(columns, c)], ', '), forward));
		PERFORM same(format('SELECT string_agg(%s id, '','') FROM (SELECT * FROM (SELECT %s, id FROM m) o ORDER BY %s id DESC) o', shown, array_to_string(columns[:array_position(columns, c)], ', '), backward));
		PERFORM same(format('SELECT string_agg(d.id || '' '' || (SELECT count(*) || '' '' || coalesce(sum(id), 0) FROM m WHERE %s), '','' ORDER BY d.id) FROM md d WHERE id %% 10 = 0', conditions));
		DROP INDEX mi;
	END LOOP;
END $$;

CREATE TABLE m AS SELECT i AS id,
	(array[true, false, NULL])[1 + floor(random() * 3)::int] AS bo,
	(array[0, 1, -1, 100, -100, 10000, NULL])[1 + floor(random() * 7)::int] AS i4,
	(array['0', '-0', 'NaN', '1', '-1', NULL])[1 + floor(random() * 6)::int]::float8 AS f8,
	(array['1', '1.0', '1.00', '-1', '-1.0', '0', '0.0', '10000', 'NaN', NULL])[1 + floor(random() * 10)::int]::numeric AS nu,
	(array['', 'a', 'ab', 'b', E'\u0001', 'ä', NULL])[1 + floor(random() * 7)::int] AS te,
	(array['', '\x00', '\x0000', '\x00ff', '\xff', '\x01', NULL])[1 + floor(random() * 7)::int]::bytea AS ba,
	(array['1 mon', '30 days', '720:00', '0', '-1 day', '-24:00', NULL])[1 + floor(random() * 7)::int]::interval AS iv,
	(array['sad', 'ok', 'happy', 'wild', NULL])[1 + floor(random() * 5)::int]::mood AS mo,
	(array['10.0.0.0/8', '10.0.0.1/8', '10.0.0.0/16', '10.0.0.0', '::/0', '::1', NULL])[1 + floor(random() * 7)::int]::inet AS ne
FROM generate_series(1, 1000) i;
CREATE TABLE md AS SELECT * FROM m;
SELECT count(check_columns(columns) IS NULL) FROM (
	SELECT (SELECT array_agg(c ORDER BY random()) FROM unnest('{bo,i4,f8,nu,te,ba,iv,mo,ne}'::text[]) c WHERE i > 0) AS columns
	FROM generate_series(1, 8) i) c;

-- INCLUDE columns come back exactly, too.
CREATE TABLE inc (k int, n numeric, a text, b float4, c bytea, d "char", e name, f int[]);
INSERT INTO inc SELECT i, NULLIF(i, 3) * 1.50, repeat('ä', i), NULLIF(i, 5), NULL, 'x', 'name', array[i, NULL] FROM generate_series(1, 100) i;
INSERT INTO inc (k) VALUES (0);
INSERT INTO inc VALUES (101, 'NaN', '', '-0', '\x00', '', '', '{}'), (102, 1.000, repeat('x', 1700), NULL, NULL, NULL, NULL, NULL),
	(103, 1, NULL, NULL, repeat('y', 300)::bytea, NULL, NULL, NULL);
ALTER TABLE inc ALTER a SET STORAGE EXTERNAL;
INSERT INTO inc SELECT 104, 0.10, string_agg(i::text, ''), 1 FROM generate_series(1, 500) i;
CREATE INDEX inci ON inc USING pstate (k, n DESC) INCLUDE (a, b, c, d, e, f);
INSERT INTO inc SELECT k + 200, n, a, b, c, d, e, f FROM inc;
SELECT rama.check_index('inci');
SELECT same('SELECT md5(string_agg(r::text, '','')) FROM (SELECT k, n, a, b, c, d, e, f FROM inc ORDER BY k) r');

-- Values added to an enum while it has an index, in between and often enough
-- for their sort orders to be renumbered.
CREATE TYPE level AS ENUM ('d', 'h', 'm', 't');
CREATE TABLE levels (l level, n int);
CREATE INDEX levels_l ON levels USING pstate (l, n);
CREATE INDEX levels_l_desc ON levels USING pstate (l DESC);
INSERT INTO levels SELECT l, n FROM unnest(enum_range(NULL::level)) l, generate_series(1, 3) n;
DO $$
DECLARE
	place text;
BEGIN
	FOR i IN 1 .. 150 LOOP
		place := CASE
			WHEN i = 1 THEN 'AFTER ''h'''
			WHEN i <= 40 THEN CASE i % 2 WHEN 0 THEN 'BEFORE ' ELSE 'AFTER ' END || quote_literal('v' || i - 1)
			WHEN i <= 60 THEN 'AFTER ''m'''
			WHEN i <= 80 THEN 'BEFORE ''d'''
			WHEN random() < 0.1 THEN ''
			ELSE CASE WHEN random() < 0.5 THEN 'BEFORE ' ELSE 'AFTER ' END || (SELECT quote_literal(l) FROM unnest(enum_range(NULL::level)) l ORDER BY random() LIMIT 1)
			END;
		EXECUTE format('ALTER TYPE level ADD VALUE %L %s', 'v' || i, place);
		COMMIT;
		EXECUTE format('INSERT INTO levels SELECT %L, n FROM generate_series(1, 2) n', 'v' || i);
	END LOOP;
END $$;
SELECT enumsortorder > 10 AS renumbered FROM pg_enum WHERE enumtypid = 'level'::regtype AND enumlabel = 'm';
SELECT rama.check_index('levels_l'), rama.check_index('levels_l_desc');
SELECT same('SELECT string_agg(l || '' '' || n, '','') FROM (SELECT l, n FROM levels ORDER BY l, n) o');
SELECT same('SELECT string_agg(l::text, '','') FROM (SELECT l FROM levels ORDER BY l DESC) o');
SELECT same('SELECT string_agg((SELECT count(*) FROM levels WHERE l < v)::text || '' '' || (SELECT count(*) FROM levels WHERE l = v)::text, '','' ORDER BY v) FROM unnest(enum_range(NULL::level)) v');
REINDEX TABLE levels;
SELECT rama.check_index('levels_l'), rama.check_index('levels_l_desc');
SELECT same('SELECT string_agg(l || '' '' || n, '','') FROM (SELECT l, n FROM levels ORDER BY l, n) o');
ALTER TYPE level RENAME VALUE 'v1' TO 'w1';
ALTER TYPE level ADD VALUE IF NOT EXISTS 'v2';

-- Domains have the operator classes of their types.
CREATE DOMAIN short AS varchar(10);
CREATE DOMAIN feeling AS mood NOT NULL;
CREATE TABLE domains (s short, f feeling, a text);
CREATE INDEX domains_i ON domains USING pstate (s, f, a rama.varchar_ops);
INSERT INTO domains VALUES ('b', 'ok', 'x'), ('a', 'wild', 'y'), ('a', 'sad', NULL);
SELECT same('SELECT string_agg(s || f || COALESCE(a, ''''), '','') FROM (SELECT s, f, a FROM domains ORDER BY s USING ~<~, f) o');

-- The longest keys, and the error above the limit; built as well as inserted.
CREATE TABLE long (t text, b bytea, k int);
CREATE INDEX long_t ON long USING pstate (t);
INSERT INTO long (t) SELECT repeat(c, 1952) FROM unnest('{a,b,c}'::text[]) c, generate_series(1, 5);
SELECT same('SELECT count(*) FROM long WHERE t = repeat(''b'', 1952)');
SELECT same('SELECT count(*) FROM long WHERE t = repeat(''b'', 100000)');
SELECT same('SELECT count(*) FROM long WHERE t ~<~ repeat(''b'', 100000)');
SELECT rama.check_index('long_t');
INSERT INTO long (t) VALUES (repeat('a', 1953));
INSERT INTO long (t) VALUES (repeat('a', 100000));
CREATE INDEX long_b ON long USING pstate (b);
INSERT INTO long (b) VALUES (decode(repeat('00', 975), 'hex')), (decode(repeat('01', 1951), 'hex'));
INSERT INTO long (b) VALUES (decode(repeat('00', 976), 'hex'));
DROP INDEX long_t;
INSERT INTO long (t, k) VALUES (repeat('a', 1953), 1);
CREATE INDEX long_t ON long USING pstate (t);
CREATE INDEX long_k ON long USING pstate (k) INCLUDE (t);

-- Collations
CREATE COLLATION nd (provider = icu, locale = 'und', deterministic = false);
CREATE TABLE words (w text, x text COLLATE "en-x-icu", n text COLLATE nd);
CREATE INDEX ON words USING pstate (n);
CREATE INDEX ON words USING pstate (n COLLATE "C");
CREATE INDEX ON words USING pstate (x rama.text_c_ops);
CREATE INDEX ON words USING pstate (n rama.text_c_ops);
CREATE INDEX words_posix ON words USING pstate (x COLLATE "POSIX" rama.text_c_ops);
CREATE INDEX words_x ON words USING pstate (x);
INSERT INTO words SELECT w, w, w FROM unnest('{a,B,c,A,b,C}'::text[]) w;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT x FROM words WHERE x ~>=~ 'a' ORDER BY x USING ~<~;
EXPLAIN (COSTS OFF) SELECT x FROM words WHERE x = 'a';
EXPLAIN (COSTS OFF) SELECT x FROM words WHERE x COLLATE "POSIX" < 'a' ORDER BY x COLLATE "POSIX";
EXPLAIN (COSTS OFF) SELECT x FROM words WHERE x < 'a';
SELECT x FROM words WHERE x COLLATE "POSIX" > 'B' ORDER BY x COLLATE "POSIX" DESC;
RESET enable_seqscan;
RESET enable_bitmapscan;

DROP SCHEMA index_types CASCADE;
