--
-- Sources with target and merge: rows of a query are merged into a PState
--
CREATE SCHEMA merging;
SET search_path = merging, public;
SELECT rama.create_depot('ev', 'k text, sub int, n int, x numeric, f float8, b boolean, t text, at date, d interval');

-- a counter by key; the second batch adds to what the first left
INSERT INTO ev (k, n) VALUES ('a', 1), ('b', 2), ('a', 3);
SELECT rama.create_pstate('counts', 'map(k: text, n: bigint)');
SELECT rama.create_topology('counting', 'microbatch', 'ev', target => 'counts', merge => 'sum',
	sql => 'SELECT k, count(*) FROM batch WHERE k IS NOT NULL GROUP BY k');
SELECT rama.wait('counting');
SELECT * FROM counts ORDER BY k;
INSERT INTO ev (k, n) VALUES ('c', 1), ('b', 2), ('b', 3);
SELECT rama.wait('counting');
SELECT * FROM counts ORDER BY k;
SELECT rama.count('counts'), rama.get('counts', 'b');

-- the target counts as written
SELECT writes, targets, merges FROM rama.topologies WHERE name = 'counting';
SELECT topology FROM rama.pstate WHERE pstate = 'counts'::regclass;
SELECT rama.add('counts', 'a', 1);
SELECT rama.create_topology('other', 'microbatch', 'ev', target => 'counts', merge => 'sum',
	sql => 'SELECT k, count(*) FROM batch GROUP BY k');
DROP TABLE counts;

-- rows that are not aggregated are merged one by one, in their order; count counts rows
SELECT rama.create_pstate('rows', 'map(k: text, n: bigint)');
SELECT rama.create_topology('count_rows', 'microbatch', 'ev', target => 'rows', merge => 'count',
	sql => 'SELECT k FROM batch');
SELECT rama.wait('count_rows');
SELECT * FROM rows ORDER BY k;

-- all aggregators in one struct, by name; nulls are SQL's
SELECT rama.create_pstate('stats', 'map(k: text, struct(total: bigint, n: int, rows: smallint, low: int, high: numeric(10,2),
	every: boolean, some: boolean, opened: text, closed: text, dur: interval, real: float4))');
SELECT rama.create_topology('all_of_them', 'microbatch', 'ev', start_from => 'end', target => 'stats',
	merge => 'sum, count, count, min, max, and, or, first, last, sum, sum', sql => $$
	SELECT k, n AS total, n, 1 AS rows, n AS low, x AS high, b AS every, b AS some, t AS opened, t AS closed, d AS dur, f AS real
	FROM batch ORDER BY _offset $$);
INSERT INTO ev (k, n, x, f, b, t, d) VALUES
	('a', 5, 1.005, 0.5, true, 'first', '1 h'),
	('a', NULL, NULL, NULL, NULL, NULL, NULL),
	('a', -2, 17.125, 1.25, false, 'middle', '2 h'),
	('nulls', NULL, NULL, NULL, NULL, NULL, NULL),
	('b', 7, -3, 2, true, 'only', '1 day');
SELECT rama.wait('all_of_them');
SELECT k, total, n, rows, low, high, every, "some", opened, closed, dur, "real" FROM stats ORDER BY k;
INSERT INTO ev (k, n, x, f, b, t, d) VALUES
	('a', 100, 17.126, 1, true, 'last', '-30 min'),
	('nulls', 1, NULL, NULL, false, 'late', NULL);
SELECT rama.wait('all_of_them');
SELECT k, total, n, rows, low, high, every, "some", opened, closed, dur, "real" FROM stats ORDER BY k;
-- the same as SQL says
SELECT k, sum(n), count(n), count(*), min(n), max(x)::numeric(10,2), bool_and(b), bool_or(b) FROM ev WHERE _offset > 6 GROUP BY k ORDER BY k;
SELECT rama.drop_topology('all_of_them');

-- one aggregator for all value columns, in order where a name is of no field
SELECT rama.create_pstate('sums', 'map(k: text, struct(a: int, b: int, more: map(text, int), c: struct(d: numeric, e: float8)))');
SELECT rama.create_topology('summing', 'microbatch', 'ev', target => 'sums', merge => 'sum', start_from => '7',
	sql => 'SELECT k, n, 10 AS ten, x, f FROM batch');
SELECT rama.wait('summing');
SELECT * FROM sums ORDER BY k;
-- a struct in a struct by name
SELECT rama.create_pstate('sums2', 'map(k: text, struct(a: int, b: int, c: struct(d: numeric, e: float8)))');
SELECT rama.create_topology('summing2', 'microbatch', 'ev', target => 'sums2', merge => 'sum, count', start_from => '7',
	sql => 'SELECT k, sum(f) AS c_e, 1 AS b FROM batch GROUP BY k');
SELECT rama.wait('summing2');
SELECT * FROM sums2 ORDER BY k;
-- count without a column takes the field of its place
SELECT rama.create_pstate('sums3', 'map(k: text, struct(total: int, n: int))');
SELECT rama.create_topology('summing3', 'microbatch', 'ev', target => 'sums3', merge => 'sum, count', start_from => '7',
	sql => 'SELECT k, n AS total FROM batch');
SELECT rama.wait('summing3');
SELECT * FROM sums3 ORDER BY k;
-- what is probably not meant is pointed out: names of other fields, counts of counts
SELECT rama.create_pstate('sums4', 'map(k: text, struct(total: int, n: int))');
SELECT rama.create_topology('summing4', 'microbatch', 'ev', target => 'sums4', merge => 'sum', start_from => '7',
	sql => 'SELECT k, n, 1 FROM batch');
SELECT rama.create_pstate('sums5', 'map(k: text, n: int)');
SELECT rama.create_topology('summing5', 'microbatch', 'ev', target => 'sums5', merge => 'count', start_from => '7',
	sql => 'SELECT k, count(*) FROM batch GROUP BY k');
SELECT rama.drop_topology('summing5'), rama.drop_topology('summing'), rama.drop_topology('summing2'), rama.drop_topology('summing3'), rama.drop_topology('summing4');

-- shapes: nested maps, subindexed and not, structs within JSON, vectors, zero keys; many sources with targets
SELECT rama.create_pstate('deep', 'map(k: text, map(sub: int, map(at: date, n: bigint) subindex) subindex)');
SELECT rama.create_pstate('jmap', 'map(k: text, map(sub: int, map(at: date, n: numeric)))');
SELECT rama.create_pstate('jstruct', 'map(k: text, map(sub: int, struct(n: int, s: struct(low: int, high: int), tags: map(text, int))))');
SELECT rama.create_pstate('vec', 'map(k: text, vector(v: int) subindex)');
SELECT rama.create_pstate('jvec', 'map(k: text, vector(v: int))');
SELECT rama.create_pstate('vecs', 'vector(map(k: text, n: int) subindex)');
SELECT rama.create_pstate('total', 'bigint');
SELECT rama.create_pstate('top', 'struct(n: bigint, latest: date, by_day: map(at: date, n: int) subindex)');
BEGIN;
SELECT rama.create_topology('shapes', 'microbatch');
SELECT rama.add_source('shapes', 'ev', target => 'deep', merge => 'sum', start_from => 'end', sql => 'SELECT k, sub, at, count(*) FROM batch GROUP BY 1, 2, 3');
SELECT rama.add_source('shapes', 'ev', target => 'jmap', merge => 'sum', start_from => 'end', sql => 'SELECT k, sub, at, x FROM batch');
SELECT rama.add_source('shapes', 'ev', target => 'jstruct', merge => 'count, min, max', start_from => 'end', sql => 'SELECT k, sub, 1 AS n, n AS s_low, n AS s_high FROM batch');
SELECT rama.add_source('shapes', 'ev', target => 'vec', merge => 'sum', start_from => 'end', sql => 'SELECT k, sub - 1, n FROM batch ORDER BY sub, _offset');
SELECT rama.add_source('shapes', 'ev', target => 'jvec', merge => 'max', start_from => 'end', sql => 'SELECT k, sub - 1, n FROM batch ORDER BY sub, _offset');
SELECT rama.add_source('shapes', 'ev', target => 'vecs', merge => 'sum', start_from => 'end', sql => 'SELECT sub - 1, k, n FROM batch ORDER BY sub, _offset');
SELECT rama.add_source('shapes', 'ev', target => 'total', merge => 'sum', start_from => 'end', sql => 'SELECT count(*) FROM batch');
SELECT rama.add_source('shapes', 'ev', target => 'total', merge => 'count', start_from => 'end', sql => 'SELECT FROM batch');
SELECT rama.add_source('shapes', 'ev', target => 'top', merge => 'count, max', start_from => 'end', sql => 'SELECT 1 AS n, at AS latest FROM batch');
SELECT rama.add_source('shapes', 'ev', target => 'top_by_day', merge => 'count', start_from => 'end', sql => 'SELECT at FROM batch');
COMMIT;
INSERT INTO ev (k, sub, at, n, x) VALUES
	('a', 1, '2026-01-01', 10, 0.5), ('a', 2, '2026-01-01', 20, 1.5), ('a', 2, '2026-01-02', 30, NULL), ('a', 1, '2026-01-01', 40, 2),
	('b', 1, '2026-01-03', -1, 100), ('b', 1, '2026-01-03', NULL, NULL);
SELECT rama.wait('shapes');
INSERT INTO ev (k, sub, at, n, x) VALUES ('a', 2, '2026-01-02', 5, 7), ('a', 3, '2026-01-04', 6, 8);
SELECT rama.wait('shapes');
SELECT * FROM deep_at ORDER BY 1, 2, 3;
SELECT rama.get('deep', 'a'), rama.count('deep'), rama.count('deep', 'a'), rama.count('deep', 'a', 2);
SELECT * FROM jmap ORDER BY 1;
SELECT * FROM jstruct ORDER BY 1;
SELECT k, rama.get('vec', k), rama.get('jvec', k) FROM vec ORDER BY 1;
SELECT rama.get('vecs'), rama.count('vecs');
SELECT rama.get('total'), rama.get('top');
SELECT writes, targets, merges FROM rama.topologies WHERE name = 'shapes';
SELECT last_error FROM rama.status WHERE module = 'merging' AND last_error IS NOT NULL;

-- an element beyond the end of a vector is an error, as everywhere
SELECT rama.create_pstate('vecs2', 'vector(map(k: text, n: int) subindex)');
SELECT rama.create_topology('beyond', 'microbatch', 'ev', target => 'vecs2', merge => 'sum', start_from => 'end', sql => 'SELECT sub, k, n FROM batch',
	options => '{"on_error": "halt", "max_attempts": 1}');
INSERT INTO ev (k, sub, n, at) VALUES ('b', 3, 1, '2026-01-05');
\set VERBOSITY terse
SELECT rama.wait('beyond');
SELECT rama.count('vecs2');
\set VERBOSITY default
SELECT rama.drop_topology('beyond'), rama.drop_topology('shapes');

-- overflow, null keys, casts and constraints are errors of the batch; nothing of it stays
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN few AS smallint CHECK (VALUE < 100);
SELECT rama.create_pstate('narrow', 'map(k: positive, struct(s: smallint, i: int, l: bigint, f: few, n: numeric(4,1), r: float4))');
SELECT rama.create_depot('fails', 'k int, s int, i bigint, l numeric, f int, n numeric, r float8');
SELECT rama.create_topology('failing', 'stream', 'fails', target => 'narrow', merge => 'sum', sql => 'SELECT * FROM (SELECT k, s, i, l, f, n, r FROM batch ORDER BY _offset) b',
	options => '{"on_error": "halt", "max_attempts": 1}');
INSERT INTO fails VALUES (1, 32000, 2147483000, 9223372036854775000, 90, 999.9, 3e38), (2, -32768, -2147483648, '-9223372036854775808', -1, 0.05, 1e-3);
SELECT rama.wait('failing');
CREATE PROCEDURE fail(variadic v text[]) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM rama.pause('failing');
	INSERT INTO fails VALUES (3, 1);
	EXECUTE format('INSERT INTO fails VALUES (%s)', array_to_string(v, ','));
	COMMIT;
	PERFORM rama.resume('failing');
	COMMIT;
	BEGIN
		PERFORM rama.wait('failing');
		RAISE NOTICE 'no error';
	EXCEPTION WHEN OTHERS THEN
		RAISE NOTICE '% %', SQLSTATE, SQLERRM;
	END;
	-- and on behind it
	PERFORM rama.drop_topology('failing');
	PERFORM rama.create_topology('failing', 'stream', 'fails', target => 'narrow', merge => 'sum', start_from => 'end',
		sql => 'SELECT * FROM (SELECT k, s, i, l, f, n, r FROM batch ORDER BY _offset) b', options => '{"on_error": "halt", "max_attempts": 1}');
END $$;
SET client_min_messages = notice;
CALL fail('1', '768');
CALL fail('2', '-1');
CALL fail('1', 'NULL', '648');
CALL fail('2', 'NULL', '-1');
CALL fail('1', 'NULL', 'NULL', '808');
CALL fail('2', 'NULL', 'NULL', '-1');
CALL fail('1', 'NULL', 'NULL', '1e30');
CALL fail('1', 'NULL', 'NULL', 'NULL', '10');
CALL fail('1', 'NULL', 'NULL', 'NULL', 'NULL', '0.1');
CALL fail('1', 'NULL', 'NULL', 'NULL', 'NULL', 'NULL', '3e38');
CALL fail('NULL', '1');
CALL fail('0', '1');
SELECT * FROM narrow ORDER BY k;
SELECT rama.drop_topology('failing');

-- plans after ALTER: types of columns are looked at again
SELECT rama.create_depot('altered', 'k text, n int');
SELECT rama.create_pstate('after', 'map(k: text, n: bigint)');
SELECT rama.create_topology('adapting', 'stream', 'altered', target => 'after', merge => 'sum', sql => 'SELECT k, n FROM batch', options => '{"on_error": "halt", "max_attempts": 1}');
INSERT INTO altered VALUES ('a', 1);
SELECT rama.wait('adapting');
ALTER TABLE altered ALTER COLUMN n TYPE numeric;
INSERT INTO altered VALUES ('a', 1.5);
SELECT rama.wait('adapting');
ALTER TABLE altered ALTER COLUMN n TYPE smallint;
INSERT INTO altered VALUES ('a', 3);
SELECT rama.wait('adapting');
SELECT * FROM after;
ALTER TABLE altered ALTER COLUMN n TYPE text;
INSERT INTO altered VALUES ('a', '4');
\set VERBOSITY terse
SELECT rama.wait('adapting');
\set VERBOSITY default
SELECT last_sqlstate, last_error FROM rama.status WHERE name = 'adapting';
ALTER TABLE altered ALTER COLUMN n TYPE bigint USING n::bigint;
SELECT rama.resume('adapting');
SELECT rama.wait('adapting');
-- and when the PState is renamed, or the query's other tables change
ALTER TABLE after RENAME TO thereafter;
ALTER TABLE thereafter RENAME TO "there after";
INSERT INTO altered VALUES ('b', 1);
SELECT rama.wait('adapting');
SELECT * FROM "there after" ORDER BY k;
SELECT targets FROM rama.topologies WHERE name = 'adapting';

-- queries of other forms: VALUES, data-modifying WITH and RETURNING, the state so far
CREATE TABLE journal (k text, n int);
SELECT rama.create_pstate('forms', 'map(k: text, n: bigint)');
BEGIN;
SELECT rama.create_topology('forming', 'stream');
SELECT rama.add_source('forming', 'altered', target => 'forms', merge => 'sum', start_from => 'end', sql => $$VALUES ('batches', 1)$$);
SELECT rama.add_source('forming', 'altered', target => 'forms', merge => 'sum', start_from => 'end',
	sql => 'INSERT INTO journal SELECT k, n FROM batch RETURNING k, n;');
SELECT rama.add_source('forming', 'altered', target => 'forms', merge => 'last', start_from => 'end',
	sql => $$WITH w AS (DELETE FROM journal WHERE n = 1 RETURNING k) SELECT 'deleted ' || k, count(*) OVER () FROM w$$);
SELECT rama.add_source('forming', 'altered', target => 'forms', merge => 'max', start_from => 'end',
	sql => $$SELECT 'sum of all', sum(n) FROM forms WHERE k <> 'sum of all'$$);
COMMIT;
INSERT INTO altered VALUES ('x', 1), ('y', 2);
SELECT rama.wait('forming');
SELECT * FROM forms ORDER BY k;
SELECT * FROM journal;
SELECT rama.drop_topology('forming'), rama.drop_topology('adapting');

-- many rows in several batches: the same as one GROUP BY over all of them
SELECT rama.create_depot('many', 'k text, sub int, n int, x numeric, f float8, b boolean, t text, at timestamptz, d interval');
INSERT INTO many (k, sub, n, x, f, b, t, at, d)
SELECT 'key ' || i * i % 97, i % 7, nullif(i % 13, 5) * 100 - 300, nullif(i % 11, 3) * 1.01, nullif(i % 5, 2) * 0.25, nullif(i % 3, 2) = 0,
	nullif(repeat(chr(97 + i % 26), i % 40 + 1), 'd'), '2026-01-01'::timestamptz + i % 17 * interval '1 h', nullif(i % 19, 9) * interval '1 min'
FROM generate_series(1, 3000) i;
SELECT rama.create_pstate('oracle', 'map(k: text, struct(total: bigint, vals: int, every: boolean, some: boolean, low: text, high: text, mean: numeric, real: float8, dur: interval, opened: timestamptz, closed: timestamptz))');
SELECT rama.create_pstate('joracle', 'map(k: text, map(sub: int, struct(total: bigint, high: text, closed: timestamptz)))');
SELECT rama.create_pstate('noracle', 'map(k: text, map(sub: int, struct(total: bigint, high: text, closed: timestamptz)) subindex)');
BEGIN;
SELECT rama.create_topology('oracles', 'microbatch', options => '{"batch_max": 700}');
SELECT rama.add_source('oracles', 'many', target => 'oracle', merge => 'sum, count, and, or, min, max, sum, sum, sum, first, last',
	sql => 'SELECT k, n, n, b, b, t, t, x, f, d, at, at FROM batch');
SELECT rama.add_source('oracles', 'many', target => 'joracle', merge => 'sum, max, last', sql => 'SELECT k, sub, n, t, at FROM batch');
SELECT rama.add_source('oracles', 'many', target => 'noracle', merge => 'sum, max, last', sql => 'SELECT k, sub, sum(n), max(t), (array_agg(at ORDER BY _offset DESC))[1] FROM batch GROUP BY k, sub');
COMMIT;
SELECT rama.wait('oracles', timeout => '1 min');
CREATE VIEW by_key AS SELECT k, sum(n) AS total, count(n)::int AS vals, bool_and(b) AS every, bool_or(b) AS some, min(t) AS low, max(t) AS high, sum(x) AS mean,
	sum(f) AS "real", sum(d) AS dur, (array_agg(at ORDER BY _offset))[1] AS opened, (array_agg(at ORDER BY _offset DESC))[1] AS closed FROM many GROUP BY k;
CREATE VIEW by_sub AS SELECT k, sub, sum(n)::bigint AS total, max(t) AS high, (array_agg(at ORDER BY _offset DESC))[1] AS closed FROM many GROUP BY k, sub;
SELECT (SELECT count(*) FROM (TABLE oracle EXCEPT TABLE by_key) a) AS only_state, (SELECT count(*) FROM (TABLE by_key EXCEPT TABLE oracle) a) AS only_sql, count(*) FROM oracle;
SELECT (SELECT count(*) FROM (TABLE noracle_sub EXCEPT TABLE by_sub) a) AS only_state, (SELECT count(*) FROM (TABLE by_sub EXCEPT TABLE noracle_sub) a) AS only_sql, count(*) FROM noracle_sub;
SELECT count(*) FROM by_sub WHERE (total, high, closed) IS DISTINCT FROM
	((rama.get('joracle', k, sub, 'total'))::bigint, rama.get_text('joracle', k, sub, 'high'), rama.get_text('joracle', k, sub, 'closed')::timestamptz);
SELECT rama.drop_topology('oracles');

-- names with quotes, and a PState of another schema
CREATE SCHEMA "other ""schema";
SELECT rama.create_pstate('"other ""schema"."the ""counts"', 'map("the ""key": text, struct("the ""n": int, "select": text))');
SELECT rama.create_topology('quoting', 'stream', 'altered', target => '"other ""schema"."the ""counts"', merge => 'sum, max', sql => 'SELECT k, n AS "the ""n", k AS "select" FROM batch');
SELECT rama.wait('quoting');
TABLE "other ""schema"."the ""counts" ORDER BY 1;
SELECT rama.drop_topology('quoting');

-- the owner needs privileges to write
CREATE ROLE regress_rama_merger;
GRANT USAGE, CREATE ON SCHEMA merging TO regress_rama_merger;
GRANT SELECT ON altered TO regress_rama_merger;
SET ROLE regress_rama_merger;
SELECT rama.create_topology('merging.theirs', 'stream', 'altered', target => 'forms', merge => 'sum', sql => 'SELECT k, n FROM batch');
SELECT rama.create_pstate('merging.theirs', 'map(text, bigint)');
SELECT rama.create_topology('merging.their', 'stream', 'altered', target => 'theirs', merge => 'sum', sql => 'SELECT k, n FROM batch', options => '{"on_error": "halt", "max_attempts": 1}');
RESET ROLE;
SELECT rama.wait('their');
SELECT * FROM theirs ORDER BY key;
REVOKE UPDATE ON theirs FROM regress_rama_merger;
INSERT INTO altered VALUES ('y', 1);
SELECT rama.wait('their');
DROP TABLE their, theirs;
REVOKE ALL ON altered FROM regress_rama_merger;
REVOKE ALL ON SCHEMA merging FROM regress_rama_merger;
DROP ROLE regress_rama_merger;

-- what cannot be merged shows when the topology is made
CREATE PROCEDURE refused(target regclass, merge text, sql text) LANGUAGE plpgsql AS $$
DECLARE message text; detail text; hint text;
BEGIN
	PERFORM rama.create_topology('t', 'stream', 'ev', target => target, merge => merge, sql => sql);
	RAISE NOTICE 'accepted';
	PERFORM rama.drop_topology('t');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RAISE NOTICE '% % | % | %', SQLSTATE, message, detail, hint;
END $$;
SELECT rama.create_pstate('free', 'map(k: text, n: bigint)');
SELECT rama.create_pstate('shape', 'map(k: text, struct(n: bigint, t: text, b: boolean, j: jsonb, p: point, more: map(day: date, n: int) subindex, few: map(date, int)))');
SELECT rama.create_pstate('members', 'map(k: text, set(who: text) subindex)');
CALL refused('free', 'summ', 'SELECT k, n FROM batch');
CALL refused('free', '+sum', 'SELECT k, n FROM batch');
CALL refused('free', 'SUM', 'SELECT k, n FROM batch');
CALL refused('free', 'nonsense', 'SELECT k, n FROM batch');
CALL refused('free', 'set-agg', 'SELECT k, n FROM batch');
CALL refused('free', 'set', 'SELECT k, n FROM batch');
CALL refused('free', 'top-monotonic(3, user_id, total)', 'SELECT k, n FROM batch');
CALL refused('free', 'sum(3)', 'SELECT k, n FROM batch');
CALL refused('free', '', 'SELECT k, n FROM batch');
CALL refused('free', 'sum,', 'SELECT k, n FROM batch');
CALL refused('free', 'sum max', 'SELECT k, n FROM batch');
CALL refused('free', 'sum, max', 'SELECT k, n FROM batch');
CALL refused('free', 'sum', 'SELECT k FROM batch');
CALL refused('free', 'sum', 'SELECT FROM batch');
CALL refused('free', 'sum', 'SELECT k, n, n FROM batch');
CALL refused('free', 'sum', 'SELECT k, t FROM batch');
CALL refused('free', 'sum', 'SELECT k, at FROM batch');
CALL refused('members', 'sum', 'SELECT k, t, n FROM batch');
CALL refused('shape', 'sum', 'SELECT k, t FROM batch');
CALL refused('shape', 'and', 'SELECT k, n FROM batch');
CALL refused('shape', 'max', 'SELECT k, NULL::point AS p FROM batch');
CALL refused('shape', 'last', 'SELECT k, NULL::point AS p FROM batch');
CALL refused('shape', 'last', 'SELECT k, 1 AS more FROM batch');
CALL refused('shape', 'last', 'SELECT k, 1 AS few FROM batch');
CALL refused('shape', 'sum, count', 'SELECT k, n AS n, t AS t FROM batch');
CALL refused('shape', 'count, sum', 'SELECT k, n AS n FROM batch');
CALL refused('shape_more', 'sum', 'SELECT k, t, n FROM batch');
CALL refused('shape_more', 'sum', 'SELECT k, at, n FROM batch');
CALL refused('free', 'sum', 'INSERT INTO journal SELECT k, n FROM batch');
CALL refused('free', 'sum', 'SELECT k, n FROM batch; SELECT k, n FROM batch');
CALL refused('free', 'sum', 'EXPLAIN SELECT k, n FROM batch');
CALL refused('free', 'sum', '');
CALL refused('free', 'sum', 'SELECT k, nothing FROM batch');
CALL refused('free', NULL, 'SELECT k, n FROM batch');
CALL refused(NULL, 'sum', 'SELECT k, n FROM batch');
CALL refused('free', 'sum', NULL);
CALL refused('ev', 'sum', 'SELECT k, n FROM batch');
CALL refused('counts', 'sum', 'SELECT k, n FROM batch');
SELECT rama.create_topology('t', 'stream', target => 'free', merge => 'sum');
SELECT rama.create_topology('t', 'stream', 'ev', each => 'f', target => 'free', merge => 'sum');
-- nothing of it was left
SELECT topology FROM rama.pstate WHERE pstate IN ('free'::regclass, 'shape'::regclass, 'members'::regclass);

-- dropping the PState with CASCADE takes the topology
SELECT rama.wait('counting'), rama.wait('count_rows');
SELECT rama.drop_topology('counting');
SELECT topology IS NULL AS free FROM rama.pstate WHERE pstate = 'counts'::regclass;
SET client_min_messages = warning;
DROP TABLE rows CASCADE;
SELECT to_regclass('count_rows');
DROP SCHEMA merging, "other ""schema" CASCADE;
SELECT count(*) FROM rama.source;
