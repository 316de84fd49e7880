-- Paths: every error, with its SQLSTATE.
SET client_min_messages = warning;
CREATE SCHEMA path_errors;
SET search_path = path_errors;
SELECT rama.create_pstate('top', 'map(name: text, bigint)');
SELECT rama.create_pstate('doc', $$
  map(id: int, struct(title: text, at: timestamptz, tags: set(text), scores: map(bigint, numeric),
      items: vector(struct(name: text, price: numeric(6,2))), extra: jsonb, log: vector(line: text) subindex))
$$);
CREATE TABLE plain (a int);

-- the shape of a path
SELECT rama.select('top', '"a"');
\echo :SQLSTATE
SELECT rama.select('top', '{"a": 1}');
\echo :SQLSTATE
SELECT rama.select('top', '[{"a": 1}]');
\echo :SQLSTATE
SELECT rama.select('top', '[[]]');
\echo :SQLSTATE
SELECT rama.select('top', '[[1]]');
\echo :SQLSTATE
SELECT rama.select('top', '["a", ["sorted-map-rang", 1]]');
\echo :SQLSTATE
SELECT rama.select('top', '[["MAPVALS"]]');
\echo :SQLSTATE
SELECT rama.select('top', '[["no-such-thing-at-all"]]');
\echo :SQLSTATE
SELECT rama.select('top', '[["recursive-path", [["all"]]]]');
\echo :SQLSTATE
SELECT rama.select('top', '[["all", 1]]');
\echo :SQLSTATE
SELECT rama.select('top', '[["srange", 1]]');
\echo :SQLSTATE
SELECT rama.select('top', '[["key"]]');
\echo :SQLSTATE
SELECT rama.select('top', '[null]');
\echo :SQLSTATE

-- against the schema
SELECT rama.select('top', '["a", "b"]');
\echo :SQLSTATE
SELECT rama.select('top', '[["all"], 2]');
\echo :SQLSTATE
SELECT rama.select('top', '[["all"], 0, "x"]');
\echo :SQLSTATE
SELECT rama.select('top', '["a", ["all"]]');
\echo :SQLSTATE
SELECT rama.select('top', '["a", ["view", "count"]]');
\echo :SQLSTATE
SELECT rama.select('top', '[["srange", 0, 1]]');
\echo :SQLSTATE
SELECT rama.select('top', '[["sorted-set-range", 0, 1]]');
\echo :SQLSTATE
SELECT rama.select('top', '[["nth", 0]]');
\echo :SQLSTATE
SELECT rama.select('doc', '[1, "tags", ["map-vals"]]');
\echo :SQLSTATE
SELECT rama.select('doc', '[1, "items", ["nth", "x"]]');
\echo :SQLSTATE
SELECT rama.select('doc', '[1, "items", ["srange", 3, 1]]');
\echo :SQLSTATE
SELECT rama.select('doc', '[1, "titel"]');
\echo :SQLSTATE
SELECT rama.select('doc', '[1, "nonsense"]');
\echo :SQLSTATE
SELECT rama.select('doc', '[1, 5]');
\echo :SQLSTATE
SELECT rama.select('doc', '["x"]');
\echo :SQLSTATE
SELECT rama.select('doc', '[1.5]');
\echo :SQLSTATE
SELECT rama.select('doc', '[true]');
\echo :SQLSTATE
SELECT rama.select('doc', '[99999999999]');
\echo :SQLSTATE
SELECT rama.select('doc', '[1, "scores", "ten"]');
\echo :SQLSTATE
SELECT rama.select('top', '[["sorted-map-range-from", "a", {"max-amt": -1}]]');
\echo :SQLSTATE
SELECT rama.select('top', '[["sorted-map-range-from", "a", {"max-amt": "x"}]]');
\echo :SQLSTATE
SELECT rama.select('top', '[["sorted-map-range-from", "a", {"maximum": 1}]]');
\echo :SQLSTATE
SELECT rama.select('top', '[["sorted-map-range-from", "a", "b"]]');
\echo :SQLSTATE
SELECT rama.select('top', '[["sorted-map-range", "a", "b", {"inclusive-end?": 1}]]');
\echo :SQLSTATE
SELECT rama.select('top', '[["sorted-map-range", "a", null]]');
\echo :SQLSTATE

-- functions
SELECT rama.select('top', '[["view", "no_such"]]');
\echo :SQLSTATE
SELECT rama.select('top', '[["view", "pg_catalog.no_such"]]');
\echo :SQLSTATE
SELECT rama.select('top', '[["view", "pg_catalog.pg_sleep"]]');
\echo :SQLSTATE
SELECT rama.select('top', '[["view", "pg_catalog.jsonb_typeof"]]');
\echo :SQLSTATE
SELECT rama.select('top', '[["view", "sum"]]');
\echo :SQLSTATE
SELECT rama.select('top', '[["view", "count", 1]]');
\echo :SQLSTATE
SELECT rama.select('top', '[["view", 1]]');
\echo :SQLSTATE

-- plain data of the wrong kind
SELECT rama.put('doc', 1, '{"title": "t", "extra": {"n": 1, "a": [1]}, "scores": {"1": 1}, "items": [{"name": "x"}]}');
\echo :SQLSTATE
SELECT rama.select('doc', '[1, "extra", "n", ["all"]]');
\echo :SQLSTATE
SELECT rama.select('doc', '[1, "extra", "a", ["map-vals"]]');
\echo :SQLSTATE
SELECT rama.select('doc', '[1, "extra", ["srange", 0, 1]]');
\echo :SQLSTATE
SELECT rama.select('doc', '[1, "extra", "n", ["view", "count"]]');
\echo :SQLSTATE

-- how many
SELECT rama.select_one('top', '[["all"]]');
\echo :SQLSTATE
SELECT rama.put('top', '{"a": 1, "b": 2}');
\echo :SQLSTATE
SELECT rama.select_one('top', '[["all"]]');
\echo :SQLSTATE
SET pg_rama.max_value_elements = 1;
SELECT rama.get('top');
\echo :SQLSTATE
SELECT rama.get('top', 'a');
\echo :SQLSTATE
RESET pg_rama.max_value_elements;

-- what is no PState
SELECT rama.get('plain', 1);
\echo :SQLSTATE
SELECT rama.get('doc_log', 1);
\echo :SQLSTATE
SELECT rama.get('nothing', 1);
\echo :SQLSTATE
SELECT rama.get(NULL, 1);
\echo :SQLSTATE

-- keys as arguments
SELECT rama.get('top', NULL);
\echo :SQLSTATE
SELECT rama.get('top', VARIADIC NULL);
\echo :SQLSTATE
SELECT rama.get('top', 'null'::jsonb);
\echo :SQLSTATE
SELECT rama.get('top', 'a', 'b');
\echo :SQLSTATE
SELECT rama.get('doc', 'x');
\echo :SQLSTATE
SELECT rama.get('doc', 1, 'titel');
\echo :SQLSTATE
SELECT rama.get('doc', 1, 2);
\echo :SQLSTATE
SELECT rama.get('doc', 1, 'scores', 'ten');
\echo :SQLSTATE
SELECT rama.get('doc', now());
\echo :SQLSTATE
SELECT rama.get('doc', '["all"]'::jsonb);
\echo :SQLSTATE
SELECT rama.count('top', 'a');
\echo :SQLSTATE
SELECT rama.get_as(NULL::int, 'doc', 1, 'title');
\echo :SQLSTATE
SELECT rama.get_as(NULL::uuid, 'doc', 1, 'scores');
\echo :SQLSTATE

-- values that do not fit
SELECT rama.put('top', 'a', 'x');
\echo :SQLSTATE
SELECT rama.put('top', 'a', '"x"'::jsonb);
\echo :SQLSTATE
SELECT rama.put('top', 'a', '[1]'::jsonb);
\echo :SQLSTATE
SELECT rama.put('top', 'a', true);
\echo :SQLSTATE
SELECT rama.put('top', 'a', 1e30);
\echo :SQLSTATE
SELECT rama.put('top', 'a', 'k', 1);
\echo :SQLSTATE
SELECT rama.put('top', '[1, 2]');
\echo :SQLSTATE
SELECT rama.put('top', '{"a": {"b": 1}}');
\echo :SQLSTATE
SELECT rama.put('top', 'not json');
\echo :SQLSTATE
SELECT rama.put('top', NULL, 1);
\echo :SQLSTATE
SELECT rama.put('doc', 1, '{"titel": 1}');
\echo :SQLSTATE
SELECT rama.put('doc', 1, '[]');
\echo :SQLSTATE
SELECT rama.put('doc', 1, 5);
\echo :SQLSTATE
SELECT rama.put('doc', 1, 'at', 'yesterdayish');
\echo :SQLSTATE
SELECT rama.put('doc', 1, 'at', '2020-02-30');
\echo :SQLSTATE
SELECT rama.put('doc', 1, 'scores', '{"x": 1}');
\echo :SQLSTATE
SELECT rama.put('doc', 1, 'scores', '{"1": "x"}');
\echo :SQLSTATE
SELECT rama.put('doc', 1, 'tags', '["a", null]');
\echo :SQLSTATE
SELECT rama.put('doc', 1, 'items', '[{"name": "a", "price": 12345.6}]');
\echo :SQLSTATE
SELECT rama.put('doc', 1, 'items', '[{"nome": "a"}]');
\echo :SQLSTATE
SELECT rama.put('doc', 1, 'items', 2, '{}');
\echo :SQLSTATE
SELECT rama.put('doc', 1, 'items', -1, '{}');
\echo :SQLSTATE
SELECT rama.put('doc', 1, 'log', 1, 'x');
\echo :SQLSTATE
SELECT rama.put('doc', 1, 'log', '["nth", 0]'::jsonb, 'x');
\echo :SQLSTATE
SELECT rama.put('doc', 1, 'tags', 'a', 'x');
\echo :SQLSTATE
SELECT rama.put('doc', '["map-vals"]'::jsonb, 'title', 'x');
\echo :SQLSTATE
SELECT rama.put('doc', '["first"]'::jsonb, 'title', 'x');
\echo :SQLSTATE
SELECT rama.put('doc', VARIADIC '{}');
\echo :SQLSTATE
SELECT rama.add('doc', 1, 'title', 1);
\echo :SQLSTATE
SELECT rama.add('doc', 1, 'log', 1);
\echo :SQLSTATE
SELECT rama.add('doc', 1, 'extra', 'a', 1);
\echo :SQLSTATE
SELECT rama.add('top', 'a', 'x');
\echo :SQLSTATE
SELECT rama.add('top', 'a', NULL);
\echo :SQLSTATE
SELECT rama.add('top', 'a', 9223372036854775807);
\echo :SQLSTATE
SELECT rama.add('doc', 1, 'items', 0, 'price', 10000);
\echo :SQLSTATE
SELECT rama.push('top', 'a');
\echo :SQLSTATE
SELECT rama.push('top', 'a', 1);
\echo :SQLSTATE
SELECT rama.push('doc', 1, 'extra', 'n', 1);
\echo :SQLSTATE
SELECT rama.push('doc', 1, 'tags', NULL);
\echo :SQLSTATE
SELECT rama.remove('top', 'a', 'b');
\echo :SQLSTATE
SELECT rama.get('top'), rama.get('doc');
\echo :SQLSTATE

-- privileges
CREATE ROLE rama_path_reader;
GRANT USAGE ON SCHEMA path_errors TO rama_path_reader;
SET ROLE rama_path_reader;
SELECT rama.get('top', 'a');
\echo :SQLSTATE
SELECT rama.select('top', '[]');
\echo :SQLSTATE
RESET ROLE;
GRANT SELECT ON top TO rama_path_reader;
SET ROLE rama_path_reader;
SELECT rama.get('top', 'a'), rama.select_one('top', '[["view", "count"]]');
\echo :SQLSTATE
SELECT rama.put('top', 'a', 1);
\echo :SQLSTATE
SELECT rama.remove('top', 'a');
\echo :SQLSTATE
RESET ROLE;
GRANT INSERT, UPDATE ON top TO rama_path_reader;
SET ROLE rama_path_reader;
SELECT rama.put('top', 'a', 3), rama.add('top', 'a', 3);
\echo :SQLSTATE
SELECT rama.put('top', '{}');
\echo :SQLSTATE
RESET ROLE;
SET default_transaction_read_only = on;
SELECT rama.put('top', 'a', 3);
\echo :SQLSTATE
SELECT rama.get('top', 'a');
\echo :SQLSTATE
SET default_transaction_read_only = off;

DROP SCHEMA path_errors CASCADE;
DROP ROLE rama_path_reader;
