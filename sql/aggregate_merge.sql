--
-- Sources with target and merge: aggregators of collections, compared with SQL
--
CREATE SCHEMA aggregate_merge;
SET search_path = aggregate_merge, public;
SELECT setseed(0.5);
SELECT rama.create_depot('ev', 'k text, sub int, e int, w text, n int, x numeric, doc jsonb');

-- sets, counts of values, maps, lists, averages, SQL aggregates: with tables, within JSON, in structs
SELECT rama.create_pstate('members', 'map(k: text, set(e: int) subindex)');
SELECT rama.create_pstate('jmembers', 'map(k: text, map(sub: int, set(e: int)))');
SELECT rama.create_pstate('words', 'map(k: text, map(w: text, n: bigint) subindex)');
SELECT rama.create_pstate('jwords', 'map(k: text, map(w: text, n: int))');
SELECT rama.create_pstate('latest', 'map(k: text, map(e: int, n: int) subindex)');
SELECT rama.create_pstate('log', 'map(k: text, vector(w: text) subindex)');
SELECT rama.create_pstate('jlog', 'map(k: text, vector(struct(e: int, w: text)))');
SELECT rama.create_pstate('docs', 'map(k: text, map(name: text, v: jsonb))');
SELECT rama.create_pstate('means', 'map(k: text, struct(sum: numeric, count: bigint, avg: numeric))');
SELECT rama.create_pstate('jmeans', 'map(k: text, map(sub: int, struct(sum: numeric, count: bigint)))');
SELECT rama.create_pstate('bits', 'map(k: text, map(sub: int, struct(bits: int, dev: struct(state: float8[], value: float8))) subindex)');
SELECT rama.create_pstate('all', 'map(k: text, struct(total: bigint, tags: map(w: text, n: int) subindex, seen: set(e: int) subindex, mean: struct(sum: numeric, count: int, avg: numeric), n: int, log: vector(n: int)))');
SELECT rama.create_pstate('everyone', 'set(e: int)');
SELECT rama.create_pstate('few', 'map(k: text, vector(n: int))');
SELECT rama.create_pstate('whole', 'struct(sum: bigint, n: int, words: map(w: text, n: int) subindex, list: vector(e: int))');
BEGIN;
SELECT rama.create_topology('aggregating', 'microbatch', options => '{"batch_max": 150, "on_error": "halt", "max_attempts": 1}');
SELECT count(rama.add_source('aggregating', 'ev', target => target::regclass, merge => merge, sql => sql)) FROM (VALUES
	('members', 'set', 'SELECT k, e FROM batch'),
	('jmembers', 'set-agg', 'SELECT k, sub, array_agg(e) FROM batch GROUP BY k, sub'),
	('words', 'multi-set', 'SELECT k, w FROM batch'),
	('jwords', '+multi-set', 'SELECT k, w FROM batch'),
	('latest', 'map', 'SELECT k, e, n FROM batch WHERE e IS NOT NULL ORDER BY _offset'),
	('log', 'list', 'SELECT k, w FROM batch ORDER BY _offset'),
	('jlog', 'vec', 'SELECT k, e, w FROM batch ORDER BY _offset'),
	('docs', 'merge', 'SELECT k, doc FROM batch ORDER BY _offset'),
	('means', 'avg', 'SELECT k, x FROM batch'),
	('jmeans', 'avg', 'SELECT k, sub, n FROM batch'),
	('bits', 'bit_or, stddev', 'SELECT k, sub, e AS bits, n::float8 AS dev FROM batch'),
	('"all"', 'sum, map, set, avg, count, list', 'SELECT k, n AS total, w, e AS tags, e AS seen, x AS mean, n, n AS log FROM (SELECT * FROM batch WHERE w IS NOT NULL ORDER BY _offset) b'),
	('everyone', 'set', 'SELECT e FROM batch'),
	('few', 'limit(5, n, descending)', 'SELECT k, n FROM batch'),
	('whole_words', 'multi-set', 'SELECT w FROM batch'),
	('whole', 'sum, count', 'SELECT n AS sum FROM batch')) s(target, merge, sql);
COMMIT;
INSERT INTO ev SELECT 'key ' || (random() * 20)::int, (random() * 5)::int, nullif((random() * 40)::int, 7), nullif(chr(97 + (random() * 10)::int), 'd'),
	nullif((random() * 100 - 50)::int, 0), nullif((random() * 10)::numeric(4,1), 5), jsonb_build_object(chr(97 + i % 5), i, 'k', jsonb_build_array(i % 3)) FROM generate_series(1, 1000) i;
SELECT rama.wait('aggregating', timeout => '1 min');
SELECT last_error FROM rama.status WHERE name = 'aggregating';

CREATE FUNCTION differ(a text, b text, OUT only_state bigint, OUT only_sql bigint, OUT n bigint) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT (SELECT count(*) FROM (%1$s EXCEPT ALL %2$s) d), (SELECT count(*) FROM (%2$s EXCEPT ALL %1$s) d), (SELECT count(*) FROM (%1$s) d)', '(' || a || ')', '(' || b || ')') INTO only_state, only_sql, n;
END $$;
SELECT what, (differ(a, b)).* FROM (VALUES
	('set', 'SELECT k, e FROM members_e', 'SELECT DISTINCT k, e FROM ev WHERE e IS NOT NULL'),
	('set in json', 'SELECT k, rama.get(''jmembers'', k, s) FROM jmembers, generate_series(0, 5) s WHERE rama.get(''jmembers'', k, s) IS NOT NULL',
		'SELECT k, jsonb_agg(DISTINCT e) FROM ev WHERE e IS NOT NULL GROUP BY k, sub'),
	('multi-set', 'SELECT k, w, n FROM words_w', 'SELECT k, w, count(*) FROM ev WHERE w IS NOT NULL GROUP BY k, w'),
	('multi-set in json', 'SELECT k, rama.get(''jwords'', k) FROM jwords', 'SELECT k, jsonb_object_agg(w, n) FROM (SELECT k, w, count(*) n FROM ev WHERE w IS NOT NULL GROUP BY k, w) c GROUP BY k'),
	('map', 'SELECT k, e, n FROM latest_e', 'SELECT DISTINCT ON (k, e) k, e, n FROM ev WHERE e IS NOT NULL ORDER BY k, e, _offset DESC'),
	('list', 'SELECT k, rama.get(''log'', k) FROM log', 'SELECT k, jsonb_agg(w ORDER BY _offset) FROM ev GROUP BY k'),
	('list of structs in json', 'SELECT k, rama.get(''jlog'', k) FROM jlog', 'SELECT k, jsonb_agg(jsonb_strip_nulls(jsonb_build_object(''e'', e, ''w'', w)) ORDER BY _offset) FROM ev GROUP BY k'),
	('merge', 'SELECT k, rama.get(''docs'', k) FROM docs', 'SELECT k, jsonb_object_agg(key, value ORDER BY _offset) FROM ev, jsonb_each(doc) GROUP BY k'),
	('avg', 'SELECT k, sum, count, round(avg, 10) FROM means', 'SELECT k, sum(x), count(x), round(avg(x), 10) FROM ev GROUP BY k'),
	('avg in json', 'SELECT k, rama.get(''jmeans'', k, s) FROM jmeans, generate_series(0, 5) s WHERE rama.get(''jmeans'', k, s) IS NOT NULL', 'SELECT k, jsonb_build_object(''sum'', sum(n), ''count'', count(n)) FROM ev WHERE n IS NOT NULL GROUP BY k, sub'),
	('SQL in json', 'SELECT k, sub, (rama.get(''bits'', k, sub, ''bits''))::int, round((rama.get(''bits'', k, sub, ''dev'', ''value''))::numeric, 6) FROM bits_sub', 'SELECT k, sub, bit_or(e), round(stddev(n)::numeric, 6) FROM ev GROUP BY k, sub'),
	('several', 'SELECT k, total, n, mean_sum, mean_count, round(mean_avg, 10), tags_count, seen_count, log FROM "all"',
		'SELECT k, sum(n), count(n), sum(x), count(x), round(avg(x), 10), count(DISTINCT w), count(DISTINCT e), jsonb_agg(n ORDER BY _offset) FROM ev WHERE w IS NOT NULL GROUP BY k'),
	('several: map', 'SELECT k, w, n FROM all_tags', 'SELECT DISTINCT ON (k, w) k, w, e FROM ev WHERE w IS NOT NULL ORDER BY k, w, _offset DESC'),
	('set without keys', 'SELECT e FROM everyone', 'SELECT DISTINCT e FROM ev WHERE e IS NOT NULL'),
	('limit', 'SELECT k, rama.get(''few'', k) FROM few', 'SELECT k, jsonb_agg(n ORDER BY n DESC) FROM (SELECT k, n, row_number() OVER (PARTITION BY k ORDER BY n DESC) r FROM ev WHERE n IS NOT NULL) o WHERE r <= 5 GROUP BY k'),
	('whole', 'SELECT sum, n, words_count FROM whole', 'SELECT sum(n), count(*), count(DISTINCT w) FROM ev')) t(what, a, b);
SELECT rama.drop_topology('aggregating');

-- top-monotonic, with scores that rise and fall: columns that are fields are the item
SELECT rama.create_depot('scores', 'k int, id int, score int');
SELECT rama.create_pstate('best', 'map(k: int, struct(top: vector(struct(id: int, score: int)), rest: map(item: int, struct(id: int, score: int)) subindex))');
SELECT rama.create_pstate('best_rows', 'map(k: int, struct(top: vector(struct(id: int, score: int)) subindex, rest: map(item: int, struct(id: int, score: int))))');
SELECT rama.create_pstate('rising', 'map(k: int, vector(struct(id: int, score: int)))');
SELECT rama.create_pstate('rising_rows', 'map(k: int, vector(struct(id: int, score: int)) subindex)');
SELECT rama.create_pstate('lowest', 'map(k: int, struct(top: vector(doc: jsonb), rest: map(item: text, jsonb)))');
BEGIN;
SELECT rama.create_topology('ranking', 'microbatch', options => '{"batch_max": 100, "on_error": "halt", "max_attempts": 1}');
SELECT count(rama.add_source('ranking', 'scores', target => target::regclass, merge => merge, sql => sql)) FROM (VALUES
	('best', 'top-monotonic(4, id, score)', 'SELECT k, id, score FROM batch ORDER BY _offset'),
	('best_rows', 'topMonotonic(4, id, score)', 'SELECT k, score, id FROM batch ORDER BY _offset'),
	('lowest', 'top-monotonic(4, id, score, ascending)', $$SELECT k, jsonb_build_object('score', score, 'id', id) FROM batch ORDER BY _offset$$),
	('rising', 'top-monotonic(4, id, score)', 'SELECT k, id, s.score FROM (SELECT k, id, sum(abs(score)) OVER (PARTITION BY k, id ORDER BY _offset) AS score, _offset FROM scores) s JOIN batch USING (k, id, _offset) ORDER BY _offset'),
	('rising_rows', 'top-monotonic(4, id, score)', 'SELECT k, jsonb_build_object(''id'', id, ''score'', s.score) FROM (SELECT k, id, sum(abs(score)) OVER (PARTITION BY k, id ORDER BY _offset) AS score, _offset FROM scores) s JOIN batch USING (k, id, _offset) ORDER BY _offset')) s(target, merge, sql);
COMMIT;
INSERT INTO scores SELECT (random() * 4)::int, (random() * 30)::int, nullif((random() * 50)::int, 20) FROM generate_series(1, 1500);
SELECT rama.wait('ranking', timeout => '1 min');
SELECT last_error FROM rama.status WHERE name = 'ranking';
CREATE VIEW newest AS SELECT DISTINCT ON (k, id) k, id, score FROM scores ORDER BY k, id, _offset DESC;
CREATE FUNCTION items(a text) RETURNS text LANGUAGE sql AS $$ SELECT format('SELECT k, jsonb_agg(jsonb_strip_nulls(jsonb_build_object(''id'', id, ''score'', score)) ORDER BY r) FROM (%s) o WHERE r <= 4 GROUP BY k', a) $$;
SELECT what, (differ(a, items(b))).* FROM (VALUES
	('best', 'SELECT k, rama.get(''best'', k, ''top'') FROM best', 'SELECT *, row_number() OVER (PARTITION BY k ORDER BY score DESC NULLS LAST, id) r FROM newest'),
	('best with rows', 'SELECT k, rama.get(''best_rows'', k, ''top'') FROM best_rows', 'SELECT *, row_number() OVER (PARTITION BY k ORDER BY score DESC NULLS LAST, id) r FROM newest'),
	('rising', 'SELECT k, rama.get(''rising'', k) FROM rising', 'SELECT *, row_number() OVER (PARTITION BY k ORDER BY score DESC, id) r FROM (SELECT k, id, sum(abs(score)) AS score FROM scores GROUP BY k, id) s'),
	('rising rows', 'SELECT k, rama.get(''rising_rows'', k) FROM rising_rows', 'SELECT *, row_number() OVER (PARTITION BY k ORDER BY score DESC, id) r FROM (SELECT k, id, sum(abs(score)) AS score FROM scores GROUP BY k, id) s')) t(what, a, b);
SELECT (differ('SELECT k, rama.get(''lowest'', k, ''top'') FROM lowest', 'SELECT k, jsonb_agg(jsonb_build_object(''id'', id, ''score'', score) ORDER BY r) FROM (SELECT *, row_number() OVER (PARTITION BY k ORDER BY score NULLS LAST, id) r FROM newest) o WHERE r <= 4 GROUP BY k')).*;
-- nothing is there twice, and nothing is lost
SELECT count(*), count(DISTINCT (k, id)), (SELECT count(*) FROM newest) FROM (SELECT k, item AS id FROM best_rest UNION ALL SELECT k, (i->>'id')::int FROM best, jsonb_array_elements(top) i) b;
SELECT rama.drop_topology('ranking');

-- removing: needs DELETE; changed_ relations show what the batch has changed
SELECT rama.create_pstate('tags', 'map(k: text, struct(n: int, tags: set(e: int) subindex))');
SELECT rama.create_pstate('history', 'map(k: text, vector(line: text) subindex)');
BEGIN;
SELECT rama.create_topology('removing', 'stream', options => '{"on_error": "halt", "max_attempts": 1}', writes => '{history}');
SELECT rama.add_source('removing', 'ev', start_from => 'end', target => 'tags_tags', merge => 'set', sql => 'SELECT k, e FROM batch WHERE n > 0');
SELECT rama.add_source('removing', 'ev', start_from => 'end', target => 'tags_tags', merge => 'set-remove', sql => 'SELECT k, e FROM batch WHERE n < 0');
SELECT rama.add_source('removing', 'ev', start_from => 'end', target => 'tags', merge => 'NONE', sql => 'SELECT k FROM batch WHERE n = 0');
SELECT rama.add_source('removing', 'ev', start_from => 'end', sql => $$
	SELECT rama.agg('history', 'list', 'all', (SELECT string_agg(line, ', ' ORDER BY line) FROM (
		SELECT format('%s: %s to %s', k, old_tags_count, new_tags_count) AS line FROM changed_tags
		UNION ALL SELECT format('%s/%s: %s to %s', k, e, old_e, new_e) FROM changed_tags_tags) l)) $$);
COMMIT;
INSERT INTO ev (k, e, n) VALUES ('a', 1, 1), ('a', 2, 1), ('a', 1, 1), ('b', 1, 1), ('a', 2, -1), ('c', 1, -1);
SELECT rama.wait('removing');
INSERT INTO ev (k, e, n) VALUES ('a', NULL, 0), ('b', 5, 1), ('nothing', NULL, 1);
SELECT rama.wait('removing');
SELECT last_error FROM rama.status WHERE name = 'removing';
SELECT rama.get('tags'), rama.count('tags');
SELECT line FROM history_line ORDER BY 1;
SELECT rama.drop_topology('removing');

-- no rows: a state without keys begins as in Rama
SELECT rama.create_pstate('none', 'struct(total: bigint, n: int, high: int, log: vector(n: int) subindex, jlog: vector(n: int), gap: interval)');
SELECT rama.create_topology('nothing', 'stream', 'ev', start_from => 'end', target => 'none', merge => 'sum, count, max, list, list, sum', sql => $$SELECT n AS total, n, n AS high, n AS log, n AS jlog, '1 s'::interval AS gap FROM batch WHERE n > 5$$);
INSERT INTO ev (k, n) VALUES ('a', 1);
SELECT rama.wait('nothing');
SELECT rama.get('none');
INSERT INTO ev (k, n) VALUES ('a', 1);
SELECT rama.wait('nothing');
SELECT version FROM rama.pstates WHERE name = 'none' AND module = 'aggregate_merge';
INSERT INTO ev (k, n) VALUES ('a', 7);
SELECT rama.wait('nothing');
SELECT rama.get('none');
SELECT rama.drop_topology('nothing');

-- states of another PState are combined: days from hours
SELECT rama.create_pstate('hours', 'map(hour: int, struct(state: float8[], value: float8))');
SELECT rama.create_pstate('days', 'map(day: int, struct(state: float8[], value: float8))');
BEGIN;
SELECT rama.create_topology('rolling', 'stream', options => '{"on_error": "halt", "max_attempts": 1}');
SELECT rama.add_source('rolling', 'ev', start_from => 'end', target => 'hours', merge => 'pg_catalog.avg', sql => 'SELECT sub, n::float8 FROM batch');
SELECT rama.add_source('rolling', 'ev', start_from => 'end', target => 'days', merge => 'pg_catalog.avg', sql => 'SELECT hour / 24, new_state FROM changed_hours WHERE old_state IS NULL');
COMMIT;
INSERT INTO ev (sub, n) SELECT i % 48, i FROM generate_series(1, 96) i;
SELECT rama.wait('rolling');
SELECT day, state, value FROM days ORDER BY day;
SELECT i % 48 / 24 AS day, avg(i) FROM generate_series(1, 96) i GROUP BY 1 ORDER BY 1;
SELECT rama.drop_topology('rolling');

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
CALL refused('members', 'set', 'SELECT k, w FROM batch');
CALL refused('members', 'set', 'SELECT k, e, e FROM batch');
CALL refused('members', 'set', 'SELECT k FROM batch');
CALL refused('members', 'list', 'SELECT k, e FROM batch');
CALL refused('latest', 'map', 'SELECT k, e FROM batch');
CALL refused('latest', 'map', 'SELECT k, w, e FROM batch');
CALL refused('latest', 'map', 'SELECT k, e, w FROM batch');
CALL refused('latest', 'merge', 'SELECT k, e FROM batch');
CALL refused('jwords', 'multi-set', 'SELECT k, sub, doc FROM batch');
CALL refused('means', 'avg', 'SELECT k, w FROM batch');
CALL refused('means', 'avg', 'SELECT k, x, x FROM batch');
CALL refused('jlog', 'list', 'SELECT k, e FROM batch');
CALL refused('jlog', 'list', 'SELECT k, e, w, n FROM batch');
CALL refused('jlog', 'top-monotonic(3, id, n)', 'SELECT k, e, w FROM batch');
CALL refused('jlog', 'top-monotonic', 'SELECT k, e, w FROM batch');
CALL refused('rising', 'top-monotonic(3)', 'SELECT e, n FROM batch');
CALL refused('bits', 'bit_or, stddev', 'SELECT k, sub, e AS bits, w AS dev FROM batch');
CALL refused('bits', 'bit_or, stddev_pop', 'SELECT k, sub, e, n FROM batch');
CALL refused('all', 'sum, set, set', 'SELECT k, n, e, e FROM batch');
CALL refused('all', 'sum, set', 'SELECT k, n, e FROM batch');
CALL refused('all', 'sum, set, map', 'SELECT k, n AS total, e AS seen, w, e AS tags FROM batch');
CALL refused('all', 'NONE', 'SELECT k FROM batch');
CALL refused('all', 'NONE', 'SELECT k, n FROM batch');
SET client_min_messages = warning;
DROP SCHEMA aggregate_merge CASCADE;
