-- Filters, branches, functions and collected values: over rows, over JSON in a
-- row, and over plain data.
SET client_min_messages = warning;
CREATE SCHEMA path_branch;
SET search_path = path_branch;
SELECT rama.create_pstate('rows', $$map(k: text, struct(n: bigint, name: text, at: timestamptz,
	m: map(mk: int, numeric) subindex, s: set(se: text) subindex, v: vector(ve: int) subindex,
	mm: map(a: text, map(b: int, jsonb) subindex) subindex, d: vector(struct(x: int, t: set(te: int) subindex)) subindex))$$);
SELECT rama.create_pstate('doc', $$map(k: text, struct(n: bigint, name: text, at: timestamptz,
	m: map(mk: int, numeric), s: set(se: text), v: vector(ve: int),
	mm: map(a: text, map(b: int, jsonb)), d: vector(struct(x: int, t: set(te: int)))))$$);
SELECT rama.create_pstate('plain', 'map(k: text, jsonb)');
SELECT rama.put(p, k, v::jsonb)
FROM unnest('{rows,doc,plain}'::regclass[]) p, (VALUES
	('a', '{"n": 5, "name": "Ann", "at": "2020-01-02T00:00:00+00:00", "m": {"1": 1.5, "2": 2, "10": 10}, "s": ["x", "y", "zz"], "v": [3, 1, 4, 1, 5],
		"mm": {"p": {"1": "one", "2": {"q": 2}}, "r": {}}, "d": [{"x": 1, "t": [1, 2]}, {"x": 2}, {"t": [7]}]}'),
	('b', '{"n": 6, "name": "bob", "v": [], "m": {"7": 70}, "at": "2021-01-02T00:00:00+00:00"}'),
	('c', '{"name": "Cy"}')) x(k, v);

-- the same path on all three: one line where they agree
CREATE FUNCTION show(path jsonb) RETURNS TABLE (pstate text, result text) LANGUAGE plpgsql AS $$
DECLARE r text[]; p text;
BEGIN
	SET timezone = 'UTC';
	FOREACH p IN ARRAY '{rows,doc,plain}'::text[] LOOP
		BEGIN
			r := r || (SELECT coalesce(string_agg(coalesce(x::text, 'NULL'), ' | '), '-') FROM rama.select(p::regclass, path) x);
		EXCEPTION WHEN OTHERS THEN
			r := r || (SQLSTATE || ' ' || SQLERRM);
		END;
	END LOOP;
	IF r[1] = r[2] AND r[2] = r[3] THEN
		RETURN QUERY SELECT 'all', r[1];
	ELSE
		RETURN QUERY SELECT x.p, x.r FROM unnest('{rows,doc,plain}'::text[], r) x(p, r);
	END IF;
END $$;
\t on
\a

-- filters
SELECT show('["a", ["stay"], "n", ["STAY"]]');
SELECT show('["a", ["stop"], "n"]');
SELECT show('["a", "v", ["all"], ["pred>", 2]]');
SELECT show('["a", "v", ["all"], ["filterGreaterThanOrEqual", 3.5]]');
SELECT show('["a", "v", ["all"], ["pred<", 3]]');
SELECT show('["a", "v", ["all"], ["pred<=", 3]]');
SELECT show('["a", "v", ["all"], ["pred=", 1]]');
SELECT show('["a", "v", ["all"], ["prednot=", 1]]');
SELECT show('["a", "v", ["all"], ["pred", "odd?"]]');
SELECT show('["a", "v", ["all"], ["filterPred", "even?"]]');
SELECT show('["a", "v", ["all"], ["pred", ">", 3]]');
SELECT show('["a", "s", ["all"], ["pred>=", "y"]]');
SELECT show('["a", "m", ["map-vals"], ["pred>", 1.75]]');
SELECT show('["a", "m", ["all"], ["selected?", [1, ["pred>", 1.75]]], 0]');
SELECT show('[["map-vals"], "n", ["pred=", null]]');
SELECT show('[["map-vals"], "n", ["prednot=", null]]');
SELECT show('[["map-vals"], "n", ["pred<", 100]]');
SELECT show('[["map-vals"], "n", ["pred", "nil?"]]');
SELECT show('[["map-vals"], "n", ["pred", "odd?"]]');
SELECT show('[["map-vals"], ["selected?", ["n", ["pred>", 5]]], "name"]');
SELECT show('[["map-vals"], ["not-selected?", ["n", ["pred>", 5]]], "name"]');
SELECT show('[["map-vals"], ["selected?", [["must", "v"]]], "name"]');
SELECT show('[["map-vals"], ["selected?", ["v", ["all"]]], "name"]');
SELECT show('[["map-vals"], ["selected?", [["stop"]]], "name"]');
SELECT show('[["map-keys"], ["pred>", "a"]]');
SELECT show('["a", "s", ["pred", "contains?", "y"], ["view", "count"]]');
SELECT show('["a", "s", ["pred", "contains?", "Y"], ["view", "count"]]');
SELECT show('["a", "v", ["pred=", [3, 1, 4, 1, 5]], ["view", "count"]]');
-- timestamps are compared as such where the schema says so
SELECT rama.select('rows', '[["map-vals"], ["selected?", ["at", ["pred>", "2020-01-02 01:00+03"]]], "name"]');
SELECT rama.select('doc', '[["map-vals"], ["selected?", ["at", ["pred=", "2020-01-02 03:00+03"]]], "name"]');

-- functions
SELECT show('["a", "v", ["view", "count"]]');
SELECT show('["a", "v", ["view", "sum"]]');
SELECT show('["a", "v", ["view", "max"]]');
SELECT show('["a", "v", ["view", "min"]]');
SELECT show('["a", "v", ["view", "first"]]');
SELECT show('["a", "v", ["view", "last"]]');
SELECT show('["b", "v", ["view", "first"]]');
SELECT show('["a", "v", ["view", "reverse"]]');
SELECT show('["a", "v", ["view", "concat", [9], null, [8]]]');
SELECT show('["a", "v", ["view", "contains?", 4]]');
SELECT show('["a", "v", ["view", "identity"], ["nth", 2]]');
SELECT show('["a", "m", ["view", "keys"]]');
SELECT show('["a", "m", ["view", "vals"]]');
SELECT show('["a", "m", ["view", "contains?", 10]]');
SELECT show('["a", "m", ["view", "contains?", 11]]');
SELECT show('["a", "m", ["sorted-map-range-from", 2], ["view", "count"]]');
SELECT show('["a", "m", ["sorted-map-range-from", 2], ["view", "keys"]]');
SELECT show('["a", "m", ["sorted-map-range-from", 2], ["view", "vals"]]');
SELECT show('["a", "m", ["sorted-map-range-from", 2], ["view", "contains?", 1]]');
SELECT show('["a", "m", ["sorted-map-range-from", 2], ["view", "reverse"]]');
SELECT show('["a", "name", ["view", "upper"]]');
SELECT show('["a", "name", ["view", "lower"]]');
SELECT show('["a", "name", ["view", "reverse"]]');
SELECT show('["a", "name", ["view", "str", "-", 1, null, [2]]]');
SELECT show('["a", "name", ["view", "concat", " B"]]');
SELECT show('["a", "name", ["view", "contains?", "nn"]]');
SELECT show('["a", "n", ["multi-path", [["view", "+", 1, 2]], [["view", "-", 1]], [["view", "-"]], [["view", "*", 1.5]], [["view", "/", 2]], [["view", "inc"]], [["view", "dec"]]]]');
SELECT show('["a", "n", ["multi-path", [["view", "min", 3]], [["view", "max", 7, null]], [["view", "sum", 7, null]]]]');
SELECT show('["a", "n", ["multi-path", [["view", "odd?"]], [["view", "even?"]], [["view", "pos?"]], [["view", "neg?"]], [["view", "nil?"]], [["view", "some?"]], [["view", "not"]]]]');
SELECT show('["a", "n", ["multi-path", [["view", "=", 5]], [["view", "not=", 5]], [["view", "<", 6]], [["view", "<=", 5]], [["view", ">", 5]], [["view", ">=", 5, 5]], [["view", "<", "6"]]]]');
SELECT show('["c", "n", ["multi-path", [["view", "+", 1]], [["view", "inc"]], [["view", "odd?"]], [["view", "<", 1]], [["view", "=", null]], [["view", "not"]], [["view", "max", 1]], [["view", "sum"]], [["view", "str"]], [["view", "count"]]]]');
SELECT show('["c", "v", ["multi-path", [["view", "count"]], [["view", "sum"]], [["view", "max"]], [["view", "first"]], [["view", "reverse"]], [["view", "contains?", 1]], [["view", "concat", [1]]]]]');
SELECT show('["c", "m", ["multi-path", [["view", "keys"]], [["view", "vals"]], [["view", "contains?", 1]]]]');

-- nil->val
SELECT show('[["map-vals"], "n", ["nil->val", 0], ["view", "inc"]]');
SELECT show('[["map-vals"], "n", ["nullToVal", "none"]]');
SELECT show('["c", "m", ["nil->val", {"3": 4}], 3]');
SELECT show('["c", "m", ["nil->val", {"3": 4}], ["map-keys"]]');
SELECT show('["a", "m", ["nil->val", {"3": 4}], ["map-keys"]]');
SELECT show('["c", "v", ["NIL->VECTOR"]]');
SELECT show('["c", "v", ["NIL->LIST"], ["view", "count"]]');
SELECT show('["c", "s", ["NIL->SET"], ["all"]]');
SELECT show('["c", "d", ["nil->val", [{"x": 9}]], ["all"], "x"]');
SELECT show('["a", "d", ["nil->val", [{"x": 9}]], ["all"], "x"]');
SELECT show('["zz", ["nil->val", {"n": 3}], "n"]');
SELECT show('["zz", ["NONE->val", 3], "n"]');

-- branches
SELECT show('["a", ["multi-path", ["n"], ["v", ["all"]], ["name"], [["stop"]]]]');
SELECT show('["a", ["multi-path", ["v"], ["v"]], ["srange", 1, 3], ["all"]]');
SELECT show('["a", ["multi-path", ["m"], ["v"]], ["view", "count"]]');
SELECT show('["a", ["multi-path", ["m", ["sorted-map-range-from", 2]], ["v"]]]');
SELECT show('["a", ["multi-path", ["m", ["sorted-map-range-from", 2]], ["mm", "p"]], ["map-keys"]]');
SELECT show('[["map-vals"], ["if-path", ["n", ["pred>", 5]], ["name"], ["n"]]]');
SELECT show('[["map-vals"], ["if-path", ["n", ["pred>", 5]], ["name"]]]');
SELECT show('[["map-vals"], ["ifPath", ["v", ["all"]], ["v"], [["stop"]]], ["view", "count"]]');
SELECT show('[["map-vals"], ["cond-path", ["v", ["all"]], ["v", ["first"]], ["n", ["prednot=", null]], ["n"], [], ["name"]]]');
SELECT show('[["map-vals"], ["cond-path", [["stop"]], ["name"], ["n", ["prednot=", null]], ["n"]]]');
SELECT show('["a", "v", ["continue-then-stay", [["all"], ["pred>", 3]]]]');
SELECT show('["a", "v", ["stay-then-continue", [["all"], ["pred>", 3]]]]');
SELECT show('["a", "v", ["subselect", [["all"], ["pred>", 2]]]]');
SELECT show('["a", "v", ["subselect", [["all"], ["pred>", 2]]], ["view", "sum"]]');
SELECT show('["a", ["subselect", [["multi-path", ["n"], ["v", ["all"]]], ["pred>", 3]]], ["nth", 1]]');
SELECT show('["a", ["subselect", ["m", ["sorted-map-range-from", 2]]]]');
SELECT show('["c", ["subselect", ["v", ["all"]]]]');
SELECT show('["a", ["with-page-size", 2, ["v", ["all"]]], ["pred>", 3]]');

-- collected values
SELECT show('["a", ["collect-one", ["name"]], "v", ["all"], ["pred>", 3]]');
SELECT show('["a", ["collect", ["v", ["all"]]], "n"]');
SELECT show('["a", ["putval", {"x": 1}], "n", ["VAL"], ["view", "inc"]]');
SELECT show('["a", ["putval", 1], ["putCollected", 2], ["DISPENSE"], ["putval", 3], "n"]');
SELECT show('["c", ["putval", 1], "n"]');
SELECT show('["c", ["collect-one", ["n"]], ["collect-one", [["stop"]]], ["collect", ["v", ["all"]]], "name"]');
SELECT show('["a", ["collect-one", ["n"]], "v", ["all"], ["collected?", "=", 5]]');
SELECT show('["a", ["collect-one", ["n"]], "v", ["all"], ["collected?", ">", 5]]');
SELECT show('["a", "v", ["all"], ["collect-one", []], ["collected?", "odd?"], ["dispense"]]');
SELECT show('["a", ["putval", 1], ["putval", 2], ["collected?", "<"], "n"]');
SELECT show('["a", ["putval", 1], ["putval", 2], ["isCollected", "contains?", 2], "n"]');
SELECT show('["a", ["collected?", "count"], "n"]');
SELECT show('["a", ["putval", 1], ["with-fresh-collected", [["putval", 2], "v", ["all"], ["collected?", "=", 2]]], ["pred>", 3]]');
SELECT show('["a", ["putval", 1], ["multi-path", ["n"], [["putval", 2], "n"]]]');
SELECT show('["a", ["putval", 1], ["subselect", [["putval", 2], "v", ["srange", 0, 2], ["all"]]]]');
SELECT show('["a", ["collect", [["putval", 2], "v", ["srange", 0, 2], ["all"]]], "n"]');
SELECT show('["a", "m", ["all"], ["collect-one", [0]], 1, ["pred>", 1.5]]');
SELECT rama.select_one('rows', '["a", ["putval", 1], "n"]'), rama.get('rows', 'a', '["putval", 1]'::jsonb, 'n');

-- functions of SQL
CREATE FUNCTION double(n numeric) RETURNS numeric LANGUAGE sql IMMUTABLE RETURN n * 2;
CREATE FUNCTION add3(a int, b int, c int) RETURNS int LANGUAGE sql IMMUTABLE STRICT RETURN a + b + c;
CREATE FUNCTION kind(a text) RETURNS text LANGUAGE sql IMMUTABLE RETURN 'text';
CREATE FUNCTION kind(a jsonb) RETURNS text LANGUAGE sql IMMUTABLE RETURN 'jsonb';
CREATE FUNCTION kind(a bigint) RETURNS text LANGUAGE sql IMMUTABLE RETURN 'bigint';
CREATE FUNCTION same(a anyelement) RETURNS anyelement LANGUAGE sql IMMUTABLE AS 'SELECT a';
CREATE FUNCTION volatile_one(a jsonb) RETURNS int LANGUAGE sql VOLATILE RETURN 1;
CREATE FUNCTION many(a jsonb) RETURNS SETOF int LANGUAGE sql IMMUTABLE RETURN 1;
SELECT show('["a", "n", ["view", "path_branch.double"]]');
SELECT show('["a", "n", ["view", "path_branch.add3", 1, 2]]');
SELECT show('["c", "n", ["view", "path_branch.add3", 1, 2]]');
SELECT show('["a", "v", ["all"], ["pred", "pg_catalog.int4gt", 3]]');
SELECT show('["a", "n", ["view", "path_branch.kind"]]');
SELECT show('["a", "name", ["view", "path_branch.kind"]]');
SELECT show('["a", "v", ["view", "path_branch.kind"]]');
SELECT show('["a", "v", ["view", "path_branch.same"], ["nth", 2]]');
SELECT show('["a", "v", ["view", "path_branch.volatile_one"]]');
SELECT rama.allow_in_paths('volatile_one(jsonb)'), rama.allow_in_paths('volatile_one(jsonb)');
SELECT function FROM rama.path_function;
SELECT show('["a", "v", ["view", "path_branch.volatile_one"]]');
SELECT rama.forbid_in_paths('volatile_one(jsonb)');
SELECT show('["a", "v", ["view", "path_branch.volatile_one"]]');
SELECT show('["a", "v", ["view", "path_branch.many"]]');
SELECT rama.allow_in_paths('many(jsonb)');
CREATE ROLE path_branch_reader;
GRANT USAGE ON SCHEMA path_branch TO path_branch_reader;
GRANT SELECT ON rows, doc, plain TO path_branch_reader;
REVOKE EXECUTE ON FUNCTION double FROM PUBLIC;
SET ROLE path_branch_reader;
SELECT show('["a", "n", ["view", "path_branch.double"]]');
SELECT rama.allow_in_paths('volatile_one(jsonb)');
RESET ROLE;

-- named paths
SELECT rama.create_path('big', '[["all"], ["pred>", 2]]');
SELECT rama.create_path('path_branch.twice', '["v", ["big"], ["view", "*", 2]]');
SELECT show('["a", "v", ["big"]]');
SELECT show('["a", ["twice"]]');
SELECT show('["a", "v", ["subselect", [["path_branch.big"]]]]');
SELECT show('["a", "m", ["map-vals"], ["selected?", [["big"]]]]');
SELECT show('["a", ["subselect", [["twice"]]], ["big"]]');
-- recursive: each number of any depth, plain data as well as a schema's
SELECT rama.create_path('numbers', '[["cond-path", [["pred", "path_branch.is_number"]], [], [["pred", "path_branch.is_container"]], [["path_branch.each"], ["numbers"]]]]');
CREATE FUNCTION is_number(j jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN jsonb_typeof(j) = 'number';
CREATE FUNCTION is_container(j jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN jsonb_typeof(j) IN ('object', 'array');
CREATE FUNCTION is_object(j jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN jsonb_typeof(j) = 'object';
SELECT rama.create_path('each', '[["if-path", [["pred", "path_branch.is_object"]], [["map-vals"]], [["all"]]]]');
SELECT rama.select('plain', '[["map-vals"], ["numbers"]]');
SELECT rama.select_one('plain', '[["subselect", [["map-vals"], ["numbers"]]], ["view", "sum"]]');
SELECT rama.create_path('nodes', '[["stay-then-continue", [["must", "child"], ["nodes"]]]]');
SELECT rama.put('plain', 'tree', '{"n": 1, "child": {"n": 2, "child": {"n": 3}}}'::jsonb);
SELECT rama.select('plain', '["tree", ["nodes"], "n"]');
SELECT rama.get('plain', 'tree', '["selected?", [["nodes"], "n", ["pred=", 3]]]'::jsonb, 'n');
-- ... and written
SELECT rama.create_path('zero', '[["term-val", 0]]');
SELECT rama.transform('rows', '["a", "v", ["big"], ["term", "+", 10]]'), rama.transform('doc', '["a", "v", ["big"], ["term", "+", 10]]');
SELECT show('["a", "v"]');
SELECT rama.transform('plain', '["a", "v", ["big"], ["term", "+", 10]]');
SELECT show('["a", "v"]');
SELECT rama.transform('plain', '["tree", ["nodes"], "n", ["term", "*", 10]]');
SELECT rama.get('plain', 'tree');
SELECT rama.transform('plain', '["tree", ["nodes"], "m", ["zero"]]');
SELECT rama.get('plain', 'tree');
SELECT rama.transform('plain', '["tree", ["nodes"], "n", ["zero"], ["term", "inc"]]');
SELECT rama.create_path('endless', '[["stay-then-continue", [["endless"]]]]');
\set VERBOSITY sqlstate
SET max_stack_depth = '200kB';
SELECT count(*) FROM (SELECT rama.select('plain', '["tree", ["subselect", [["endless"]]]]')) x;
RESET max_stack_depth;
\set VERBOSITY default
SELECT rama.explain('rows', '["a", ["twice"]]');
SELECT rama.explain('plain', '["tree", ["nodes"], "n"]');
SELECT rama.create_path('big', '[]');
SELECT rama.create_path('big', '[]', if_not_exists => true);
SELECT rama.create_path('all', '[]');
SELECT rama.create_path('bad', '[["nosuch"]]');
SELECT rama.create_path('bad', '{}');
SELECT rama.create_path('nowhere.bad', '[]');
SELECT show('["a", ["nowhere.big"]]');
SELECT show('["a", ["twice", 1]]');
GRANT SELECT ON plain TO path_branch_reader;
SET ROLE path_branch_reader;
SELECT rama.create_path('path_branch.mine', '[]');
SELECT rama.drop_path('path_branch.nodes');
-- names in it are those of its schema, whatever the search_path
SET search_path = pg_catalog;
SELECT rama.select('path_branch.plain', '["tree", ["path_branch.nodes"], "n"]');
SELECT rama.select('path_branch.plain', '["tree", ["nodes"], "n"]');
RESET ROLE;
SET search_path = path_branch;
ALTER SCHEMA path_branch RENAME TO path_branch2;
SELECT module, name FROM rama.named_path ORDER BY 1, 2;
ALTER SCHEMA path_branch2 RENAME TO path_branch;
SELECT rama.drop_path('endless'), rama.drop_path('endless', if_exists => true);
SELECT rama.drop_path('endless');
SELECT show('["a", ["endless"]]');

-- how it is read
SELECT rama.explain('rows', '["a", "v", ["view", "count"], ["pred>", 3]]');
SELECT rama.explain('rows', '["a", "v", ["all"], ["pred>", 3]]');
SELECT rama.explain('rows', '[["map-vals"], ["selected?", ["v", ["srange", 0, 2], ["all"], ["pred>", 3]]], "name"]');
SELECT rama.explain('rows', '["a", ["if-path", ["n", ["pred=", 5]], ["v"], ["m"]], ["view", "count"]]');
SELECT rama.explain('rows', '["a", ["multi-path", ["v", ["srange", 0, 5]], ["v"]], ["last"]]');
SELECT rama.explain('rows', '["a", ["collect-one", ["name"]], ["subselect", ["m", ["map-vals"]]], ["view", "sum"]]');

-- errors
SELECT show('["a", "v", ["view", "cuont"]]');
SELECT show('["a", "v", ["view", "nosuch.function"]]');
SELECT show('["a", "v", ["view", "path_branch.nosuch"]]');
SELECT show('["a", "v", ["view", "random"]]');
SELECT show('["a", "v", ["view", "pg_catalog.random"]]');
SELECT show('["a", "v", ["view", "path_branch.double", 1]]');
SELECT show('["a", "v", ["view", "count", 1]]');
SELECT show('["a", "v", ["view", "contains?"]]');
SELECT show('["a", "v", ["view", "lower"]]');
SELECT show('["a", "n", ["view", "/", 0]]');
SELECT show('["a", "n", ["view", "+", "x"]]');
SELECT show('["a", "v", ["all"], ["pred", 5]]');
SELECT show('["a", "at", ["pred>", "yesterday-ish"]]');
SELECT show('["a", "v", ["all"], ["pred>", "many"]]');
SELECT show('["a", ["multi-path", ["n"], "v"]]');
SELECT show('["a", ["multi-path", ["n"], ["v", ["nop"]]]]');
SELECT show('["a", ["if-path", ["n"], ["v", ["srange", 2, 1]]]]');
SELECT show('["a", ["cond-path", ["n"], ["v"], ["m"]]]');
SELECT show('["a", ["with-page-size", 0, ["v"]]]');
SELECT show('["a", ["collect-one", ["v", ["all"]]], "n"]');
SELECT show('["a", ["putval", 1], ["collected?", "odd?", 2]]');
SET pg_rama.max_value_elements = 3;
SELECT show('["a", ["subselect", ["v", ["all"]]]]');
RESET pg_rama.max_value_elements;
\t off
\a
DROP SCHEMA path_branch CASCADE;
SELECT count(*) FROM rama.named_path;
DROP ROLE path_branch_reader;
