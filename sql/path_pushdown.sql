-- Comparisons of keys with constants are bounds of the index scan, and mean the same.
CREATE SCHEMA pushed;
SET search_path = pushed;
SET timezone = 'UTC';
CREATE DOMAIN small AS smallint CHECK (VALUE < 1000);

-- The same in tables (i, ...) and in JSON (j, ...)
CREATE TABLE kinds (name text, type text, keys jsonb, constants jsonb);
INSERT INTO kinds VALUES
	('i2', 'small', '[-3, 0, 1, 2, 3, 500]', '[2, 2.5, -0.5, -3, 1e3, 1e9, -1e30, "2", 2.0]'),
	('i8', 'bigint', '[-9223372036854775808, -1, 0, 7, 9223372036854775807]', '[7, 6.999, 9223372036854775807, 9223372036854775807.5, 1e19, -1e19]'),
	('num', 'numeric', '[-5, 0.5, 1.50, 2, "NaN", "Infinity", "-Infinity"]', '[1.5, 1.500, 0, 3, 1e400]'),
	('txt', 'text', '["", "B", "a", "aa", "b", "é", "z"]', '["a", "", "ab", "é", "zz"]'),
	('var', 'varchar(3)', '["", "a", "abc", "b"]', '["a", "abcd", "abb"]'),
	('chr', 'char(3)', '["a", "ab", "b"]', '["a", "a  ", "ab "]'),
	('day', 'date', '["2020-01-01", "2020-02-01", "2021-01-01", "infinity"]', '["2020-02-01", "2020-06-01", "1 Feb 2020"]'),
	('ts', 'timestamptz(0)', '["2020-01-01T00:00:00+00", "2020-01-01T00:00:01+00", "2020-02-01T00:00:00+00"]', '["2020-01-01T00:00:00.5+00", "2020-01-01T01:00:01+01:00"]'),
	('id', 'uuid', '["00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002", "f0000000-0000-0000-0000-000000000001"]', '["00000000-0000-0000-0000-000000000002"]'),
	('yes', 'boolean', '[false, true]', '[true, false]'),
	('fl', 'float8', '[0.1, 1, 1.5, "NaN", "Infinity"]', '[0.1, 1, 0.1000000000000000000001]');
SELECT rama.create_pstate('m_' || name, format('map(k: %s, map(v: text, int))', type)),
	rama.create_pstate('s_' || name, format('map(o: int, struct(t: set(e: %s) subindex, u: set(%1$s), n: map(f: %1$s, int), w: map(g: %1$s, int) subindex))', type))
FROM kinds;
DO $$
DECLARE
	k record;
BEGIN
	FOR k IN SELECT name, key FROM kinds, jsonb_array_elements(keys) WITH ORDINALITY AS e(key, n) LOOP
		PERFORM rama.put('m_' || k.name, k.key #>> '{}', 'x', 1),
			rama.push('s_' || k.name, 1, 't', k.key #>> '{}'), rama.push('s_' || k.name, 1, 'u', k.key #>> '{}'),
			rama.put('s_' || k.name, 1, 'n', k.key #>> '{}', 1), rama.put('s_' || k.name, 1, 'w', k.key #>> '{}', 1);
	END LOOP;
END $$;

-- All values that a path yields
CREATE FUNCTION all_of(pstate text, path jsonb) RETURNS jsonb LANGUAGE sql AS
$$ SELECT jsonb_agg(x) FROM rama.select(pstate::regclass, path) x $$;

CREATE TEMP TABLE cases AS
SELECT name, op, c AS constant, op2, c2 AS constant2
FROM kinds, jsonb_array_elements(constants) c, unnest('{pred<,pred<=,pred=,pred>=,pred>,prednot=}'::text[]) op,
	unnest('{pred<,pred>=,stay}'::text[]) op2, LATERAL (SELECT constants -> 0) d(c2);
SELECT count(*) AS cases,
	count(*) FILTER (WHERE all_of('s_' || name, t) IS DISTINCT FROM all_of('s_' || name, u)) AS sets_differ,
	count(*) FILTER (WHERE all_of('s_' || name, w) IS DISTINCT FROM all_of('s_' || name, n)) AS keys_differ,
	count(*) FILTER (WHERE all_of('s_' || name, pw) IS DISTINCT FROM all_of('s_' || name, pn)) AS pairs_differ,
	count(*) FILTER (WHERE all_of('s_' || name, rw) IS DISTINCT FROM all_of('s_' || name, rn)) AS parts_differ,
	count(*) FILTER (WHERE all_of('s_' || name, t) IS NOT NULL) AS any_found
FROM cases,
	LATERAL (SELECT CASE op2 WHEN 'stay' THEN jsonb_build_array(jsonb_build_array(op, constant)) ELSE jsonb_build_array(jsonb_build_array(op, constant), jsonb_build_array(op2, constant2)) END) f(filters),
	LATERAL (SELECT '[1, "t", ["all"]]' || filters, '[1, "u", ["all"]]' || filters,
		'[1, "w", ["map-keys"]]' || filters, '[1, "n", ["map-keys"]]' || filters,
		'[1, "w", ["all"]]' || jsonb_build_array(jsonb_build_array('selected?', '[0]' || filters)),
		'[1, "n", ["all"]]' || jsonb_build_array(jsonb_build_array('selected?', '[0]' || filters)),
		'[1, "w", ["sorted-map-range-from-start", 3], ["map-keys"]]' || filters,
		'[1, "n", ["sorted-map-range-from-start", 3], ["map-keys"]]' || filters) p(t, u, w, n, pw, pn, rw, rn);
SELECT count(*) FILTER (WHERE all_of('m_' || name, p) IS DISTINCT FROM all_of('s_' || name, q)) AS outermost_differ
FROM cases,
	LATERAL (SELECT jsonb_build_array('["map-keys"]'::jsonb, jsonb_build_array(op, constant)),
		jsonb_build_array(1, 'n', '["map-keys"]'::jsonb, jsonb_build_array(op, constant))) x(p, q);

-- What is read
SELECT rama.explain('m_i2', '[["map-keys"], ["pred>", 1.5], ["pred<=", 10], ["prednot=", 3]]');
SELECT rama.explain('m_i2', '[["sorted-map-range", 0, 9], ["map-keys"], ["pred>", 1]]');
SELECT rama.explain('m_i2', '[["sorted-map-range-from", 0, 2], ["map-keys"], ["pred>", 1]]');
SELECT rama.explain('m_i2', '[["map-keys"], ["prednot=", 3], ["pred>", 1]]');
SELECT rama.explain('m_num', '[["map-keys"], ["pred>", 1]]');
SELECT rama.explain('s_txt', '[1, "t", ["all"], ["pred=", "a"], ["pred", "odd?"]]');
SELECT rama.explain('m_day', '[["all"], ["selected?", [0, ["pred>=", "2020-02-01"]]], 1, "x"]');
SELECT rama.explain('m_day', '[["all"], ["selected?", [1, "x", ["pred>=", 1]]], 0]');
SELECT rama.explain('m_i8', '[["multi-path", [["map-keys"], ["pred<", 5]], [["map-keys"], ["pred>", 5]]], ["pred", "odd?"]]');
SELECT rama.explain('m_i8', '[["subselect", [["map-keys"], ["pred<", 5]]], ["view", "count"]]');
SELECT rama.select('m_i8', '[["subselect", [["map-keys"], ["pred<", 5]]], ["view", "count"]]');
-- Only what is within the bounds is scanned.
CREATE FUNCTION entries_read(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	before bigint := pg_stat_get_xact_tuples_returned('m_many_k_idx'::regclass);
BEGIN
	EXECUTE query;
	RETURN pg_stat_get_xact_tuples_returned('m_many_k_idx'::regclass) - before;
END $$;
SELECT rama.create_pstate('m_many', 'map(k: bigint, int)');
DO $$ BEGIN PERFORM rama.put('m_many', i, i) FROM generate_series(1, 1000) i; END $$;
SELECT entries_read($$SELECT count(*) FROM rama.select('m_many', '[["map-keys"], ["pred>", 10], ["pred<", 20]]')$$) < 12 AS few;
-- Writing through them
SELECT rama.transform('m_many', '[["map-keys"], ["pred>", 3], ["NONE>"]]');
SELECT rama.get('m_many');
DO $$ BEGIN PERFORM rama.put('m_many', i, i) FROM generate_series(1, 1000) i; END $$;
SELECT entries_read($$SELECT rama.transform('m_many', '[["map-keys"], ["pred>=", 10], ["pred<", 13], ["term", "*", 100]]')$$) < 20 AS few;
SELECT entries_read($$SELECT rama.transform('m_many', '[["all"], ["selected?", [0, ["pred=", 20]]], 1, ["term-val", 0]]')$$) < 20 AS few;
SELECT rama.get('m_many', 10), rama.get('m_many', 12), rama.get('m_many', 13), rama.get('m_many', 20), rama.get('m_many', 1000), rama.get('m_many', 1200), rama.count('m_many');
SELECT rama.push('s_txt', 1, 't', x) FROM unnest('{c,d,e,f}'::text[]) x;
SELECT rama.transform('s_txt', '[1, "t", ["all"], ["pred>", "b"], ["pred<=", "e"], ["term", "upper"]]');
SELECT rama.get('s_txt', 1, 't');

SET client_min_messages = warning;
DROP SCHEMA pushed CASCADE;
