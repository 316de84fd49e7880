-- Which paths can be watched, and what a watch begins with.
CREATE SCHEMA wp;
SET search_path = wp;
SELECT rama.create_pstate('doc', 'map(k: text, struct(n: bigint, name: text, tags: set(text), words: vector(text), extra: jsonb))');
SELECT rama.create_pstate('tree', 'map(a: text, map(b: bigint, struct(x: text, l: vector(e: text) subindex)) subindex)');
SELECT rama.create_pstate('days', 'map(day: date, set(who: text) subindex)');
SELECT rama.create_pstate('total', 'bigint');
SELECT rama.put('doc', 'one', '{"n": 1, "name": "uno", "tags": ["a", "b"], "words": ["x", "y", "z"], "extra": {"p": [1, {"q": 2}]}}');
SELECT rama.put('doc', 'two', '{"n": 2}');
SELECT rama.put('tree', 'r', 1, '{"x": "ex", "l": ["l0", "l1"]}');
SELECT rama.push('days', date '2026-01-31', 'ann');
SELECT rama.put('total', 7);

-- The value that rama.watch gives, or why it does not.
CREATE FUNCTION try(pstate regclass, path jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	w record;
	d text;
BEGIN
	SELECT * INTO w FROM rama.watch(pstate, path);
	PERFORM rama.unwatch(w.id);
	RETURN coalesce(w.value::text, 'NULL');
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;

SELECT path, try('doc', path::jsonb) FROM (VALUES
	('[]'), ('["one"]'), ('["one", "n"]'), ('["none", "n"]'), ('[["must", "one"], "n"]'), ('[["must", "none"]]'),
	('["one", "words", 1]'), ('["one", "words", ["nth", 2]]'), ('["one", "words", ["all"]]'), ('["one", "words", ["srange", 1, 3]]'),
	('["one", "words", ["last"]]'), ('["one", "tags"]'), ('["one", "tags", ["set-elem", "b"]]'), ('["one", "tags", ["all"]]'),
	('["one", "tags", ["sorted-set-range", "a", "b"]]'), ('["one", "tags", ["view", "count"]]'), ('["one", "extra", "p", 1, "q"]'),
	('[["all"]]'), ('[["map-keys"]]'), ('[["map-vals"], "n"]'), ('[["map-vals"], "n", ["pred>", 1]]'), ('[["map-vals"], ["pred", "some?"], "n"]'),
	('[["sorted-map-range", "a", "p"]]'), ('[["sorted-map-range", "a", "p"], ["map-keys"]]'), ('[["sorted-map-range-from", "a", 1]]'),
	('[["sorted-map-range-to-end", 1], ["map-vals"], "n"]'), ('[["submap", "two", "three"]]'), ('[["view", "count"]]'),
	('["one", "n", ["pred>", 0]]'), ('["one", "n", ["pred>", 1]]'), ('[["all"], 1, "n"]')) AS p (path);
SELECT path, try('tree', path::jsonb) FROM (VALUES
	('["r", "1", "l"]'), ('["r", 1, "l", 0]'), ('["r", 1, "l", ["view", "count"]]'), ('["r", ["map-vals"], "x"]'), ('["r", ["sorted-map-range-from", 2]]')) AS p (path);
SELECT path, try('days', path::jsonb) FROM (VALUES
	('["2026-01-31"]'), ('["20260131", ["view", "count"]]'), ('["January 31, 2026", ["sorted-set-range-to-end", 5]]')) AS p (path);
SELECT path, try('total', path::jsonb) FROM (VALUES ('[]'), ('[["pred>", 5]]'), ('["x"]')) AS p (path);

-- What cannot be watched
SELECT path, try('doc', path::jsonb) FROM (VALUES
	('{}'), ('"one"'), ('[["nosuch"]]'), ('["one", "nosuch"]'), ('[["all"], ["all"]]'), ('[["map-vals"], "tags", ["all"]]'),
	('[["filterer", [["stay"]]]]'), ('["one", ["collect", []], "n"]'), ('[["multi-path", ["one"], ["two"]]]'), ('["one", ["view", "count"], ["pred>", 1]]'),
	('["one", "n", ["term-val", 3]]'), ('[["selected?", ["one"]]]'), ('["one", "n", ["pred>"]]')) AS p (path);
CREATE FUNCTION is_big(n bigint) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT n > 1';
SELECT try('doc', '[["map-vals"], "n", ["pred", "wp.is_big"]]');
SELECT rama.create_path('wp.mine', '["one", "n"]');
SELECT try('doc', '[["wp.mine"]]');
SELECT try('pg_class', '[]'), try('tree_b', '[]');
SELECT rama.watch('doc', '[["filterer", [["stay"]]]]');
SELECT rama.watch('doc', jsonb_build_array(repeat('x', 9000)));

-- Nor where the value would have what has no version.
BEGIN;
SELECT rama.add('total', 1);
SELECT rama.watch('total', '[]');
ROLLBACK;

-- Nothing is left.
SELECT count(*) FROM rama.watchers;
SELECT rama.unwatch('0123456789abcdef');
CREATE ROLE wp_nobody;
GRANT USAGE ON SCHEMA wp TO wp_nobody;
SET ROLE wp_nobody;
SELECT rama.watch('doc', '["one"]');
CALL rama.tail('doc');
RESET ROLE;
BEGIN;
CALL rama.tail('doc');
ROLLBACK;
CALL rama.tail(NULL);
CALL rama.tail('doc', format => 'yaml');
CALL rama.tail_many('{"id": 1}');
CALL rama.tail_many('[{"id": 1, "pstate": "doc", "path": []}, {"id": "b", "pstate": "doc", "path": ["one", "nosuch"]}]');
-- Keys that are equal may be written otherwise.
SELECT rama.create_pstate('otherwise', 'map(span: interval, map(code: char(4), n: bigint))');
SELECT rama.put('otherwise', '1 mon'::interval, 'ab', 1);
SELECT * FROM rama.changes('otherwise', '["30 days"]', 0);
SELECT * FROM rama.changes('otherwise', '["30 days", "ab  "]', 0);
SELECT * FROM rama.changes('otherwise', '[["map-vals"], "ab"]', 0);

SET client_min_messages = warning;
DROP SCHEMA wp CASCADE;
DROP ROLE wp_nobody;
