-- rama.transform through every navigator: over collections with tables, over the
-- same within a row, and over plain data.
SET client_min_messages = warning;
CREATE SCHEMA transform_navigators;
SET search_path = transform_navigators;
SELECT rama.create_pstate('sub', 'map(k: int, struct(n: int, m: map(a: int, mv: int) subindex, s: set(e: text) subindex,
	v: vector(x: int) subindex, d: map(b: text, struct(t: text, w: vector(y: int) subindex)) subindex))');
SELECT rama.create_pstate('inrow', 'map(k: int, struct(n: int, m: map(a: int, mv: int), s: set(e: text),
	v: vector(x: int), d: map(b: text, struct(t: text, w: vector(y: int)))))');
SELECT rama.create_pstate('plain', 'map(k: int, jsonb)');

CREATE FUNCTION outcome(target regclass, path jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM rama.put(target, '{"1": {"n": 5, "m": {"1": 10, "2": 20, "3": 30}, "s": ["a", "b", "c"],
		"v": [4, 5, 6, 7, 8], "d": {"p": {"t": "tp", "w": [1, 2]}, "q": {"t": "tq"}}}}');
	PERFORM rama.transform(target, '[1]' || path);
	RETURN rama.get(target, 1, (path ->> 0));
EXCEPTION WHEN others THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE FUNCTION try(VARIADIC paths jsonb[], OUT path jsonb, OUT sub text, OUT inrow text, OUT plain text)
RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
	FOREACH path IN ARRAY paths LOOP
		sub := outcome('sub', path);
		inrow := nullif(outcome('inrow', path), sub);
		plain := nullif(outcome('plain', path), sub);
		RETURN NEXT;
	END LOOP;
END $$;
\pset expanded off
\pset null same

-- filters
SELECT * FROM try('["v", ["all"], ["pred", "even?"], ["term", "*", 10]]',
	'["v", ["all"], ["pred>", 6], ["NONE>"]]', '["v", ["all"], ["pred=", 5], ["NONE>"]]',
	'["m", ["map-vals"], ["pred<=", 20], ["term", "inc"]]', '["m", ["all"], ["selected?", [1, ["pred>", 10]]], ["NONE>"]]',
	'["m", ["all"], ["selected?", [0, ["pred", "odd?"]]], 1, ["term-val", 0]]',
	'["m", ["not-selected?", [7]], ["term-val", {}]]', '["m", ["selected?", [["map-vals"], ["pred=", 30]]], 2, ["term", "dec"]]',
	'["s", ["all"], ["pred>=", "b"], ["term", "upper"]]', '["n", ["stay"], ["term", "inc"]]', '["n", ["stop"], ["term", "inc"]]',
	'["n", ["pred", "odd?"], ["term", "inc"]]', '["d", ["map-vals"], ["selected?", ["w", ["all"], ["pred=", 2]]], "t", ["term", "upper"]]');
-- nil, and what is void
SELECT * FROM try('["m", 9, ["nil->val", 7], ["term", "inc"]]', '["m", 1, ["nil->val", 7], ["term", "inc"]]',
	'["m", 9, ["nil->val", 7], ["stop"], ["term", "inc"]]', '["m", 9, ["stop"], ["term", "inc"]]',
	'["d", "r", "w", ["NIL->LIST"], ["after-elem"], ["term-val", 3]]', '["d", "r", "w", ["nil->val", [5]], ["all"], ["term", "inc"]]',
	'["d", "r", "w", ["first"], ["term", "inc"]]', '["d", "r", ["must", "w"], ["term-val", []]]',
	'["d", "r", "w", ["after-elem"], ["NONE->val", 8], ["term", "inc"]]', '["d", "q", "w", ["term-val", []]]',
	'["d", "q", "w", 0, ["term-val", 3]]', '["d", "z", "t", ["term-val", null]]');
-- elements
SELECT * FROM try('["s", ["set-elem", "b"], ["term", "upper"]]', '["s", ["set-elem", "b"], ["term-val", "c"]]',
	'["s", ["set-elem", "b"], ["NONE>"]]', '["s", ["set-elem", "z"], ["NONE>"]]', '["s", ["none-elem"], ["term-val", "z"]]',
	'["s", ["NONE-ELEM"], ["term-val", "a"]]', '["s", ["subset", "a", "z"], ["term-val", ["x", "y"]]]',
	'["s", ["subset", ["a", "b"]], ["NONE>"]]', '["s", ["subset", "a", "c"], ["all"], ["term", "str", "!"]]',
	'["m", ["map-key", 2], ["term-val", 3]]', '["m", ["map-key", 2], ["term", "+", 10]]', '["m", ["map-key", 2], ["NONE>"]]',
	'["m", ["map-key", 8], ["term-val", 3]]', '["m", ["submap", 1, 3, 9], ["term-val", {"3": 33, "4": 44}]]',
	'["m", ["submap", 1, 3], ["map-vals"], ["term", "dec"]]', '["m", ["submap", [1, 3]], ["NONE>"]]',
	'["m", ["submap", 1, 7], 7, ["term-val", 77]]', '["d", ["submap", "p"], "p", "w", ["all"], ["term", "inc"]]');
-- vectors: new elements, moves
SELECT * FROM try('["v", ["after-elem"], ["term-val", 9]]', '["v", ["before-elem"], ["term-val", 9]]',
	'["v", ["before-index", 2], ["term-val", 9]]', '["v", ["before-index", 6], ["term-val", 9]]', '["v", ["end"], ["term-val", [1, 2]]]',
	'["v", ["beginning"], ["term-val", [1, 2]]]', '["v", ["index", 1], ["term-val", 3]]', '["v", ["index", 3], ["term-val", 0]]',
	'["v", ["index-nav", 3], ["NONE>"]]', '["v", ["index", 3], ["term-val", 5]]', '["v", ["index", 9], ["term-val", 0]]',
	'["v", ["indexed-vals"], ["selected?", [1, ["pred=", 4]]], 0, ["term-val", 2]]', '["v", ["indexed-vals"], 1, ["term", "inc"]]',
	'["v", ["indexed-vals", 1], ["pred=", [2, 5]], ["NONE>"]]', '["v", ["srange", 1, 3], ["after-elem"], ["term-val", 0]]',
	'["v", ["nth", 1], ["NONE>"]]', '["v", ["nth", 5], ["term-val", 1]]', '["v", 5, ["term-val", 1]]', '["v", 6, ["term-val", 1]]');
-- parts
SELECT * FROM try('["v", ["srange", 1, 3], ["term-val", []]]', '["v", ["srange", 1, 3], ["all"], ["pred", "odd?"], ["NONE>"]]',
	'["v", ["srange", 1, 4], ["srange", 1, 2], ["term-val", [0, 0]]]', '["v", ["srange-dynamic", "first", "count"], ["NONE>"]]',
	'["v", ["filterer", [["pred", "even?"]]], ["term", "reverse"]]', '["v", ["filterer", [["pred", "even?"]]], ["first"], ["NONE>"]]',
	'["v", ["filterer", [["pred>", 4]]], ["term-val", [1]]]', '["v", ["continuous-subseqs", "even?"], ["term-val", []]]',
	'["v", ["continuous-subseqs", "<", 7], ["term", "reverse"]]', '["v", ["subselect", [["all"], ["pred>", 5]]], ["term", "reverse"]]',
	'["v", ["subselect", [["all"], ["pred>", 5]]], ["NONE>"]]', '["d", ["subselect", [["map-vals"], "t"]], ["term", "reverse"]]',
	'["m", ["subselect", [["map-vals"]]], ["srange", 0, 2], ["all"], ["term", "*", 2]]',
	'["m", ["sorted-map-range", 2, 4], ["term-val", {"2": 0}]]', '["m", ["sorted-map-range-to", 3, 1], ["map-keys"], ["term-val", 1]]',
	'["m", ["sorted-map-range-to-end", 2], 3, ["NONE>"]]', '["m", ["sorted-map-range-from", 3], 1, ["term-val", 5]]',
	'["s", ["sorted-set-range-from", "b"], ["first"], ["NONE>"]]');
-- branches
SELECT * FROM try('["m", ["if-path", [1], [2, ["term-val", 0]], [3, ["term-val", 0]]]]', '["m", ["if-path", [["must", 7]], [2]], ["term-val", 0]]',
	'["m", ["if-path", [["must", 7]], [2], [3]], ["term-val", 0]]', '["v", ["all"], ["cond-path", [["pred", "even?"]], [["stay"]], [["pred=", 7]], [["stay"]]], ["term", "dec"]]',
	'["m", ["multi-path", [1], [2]], ["term", "inc"]]', '["m", ["multi-path", [1, ["term", "inc"]], [["map-vals"], ["pred>", 10], ["NONE>"]]]]',
	'["n", ["multi-path", [["stay"]], [["stay"]]], ["term", "*", 2]]', '["v", ["continue-then-stay", [["all"]]], ["pred", "nil?"], ["term-val", 1]]',
	'["m", ["all"], ["if-path", [1, ["pred>", 10]], [0], [1]], ["term", "+", 1]]', '["v", ["with-page-size", 2, [["all"]]], ["term", "inc"]]',
	'["d", ["map-vals"], ["multi-path", ["t", ["term", "upper"]], ["w", ["after-elem"], ["term-val", 0]]]]');
-- collected values come first
SELECT * FROM try('["m", ["collect-one", [1]], 2, ["term", "-"]]', '["m", ["collect", [["map-vals"]]], 2, ["view", "str"], ["term", "str"]]',
	'["v", ["putval", 100], ["all"], ["term", "-"]]', '["v", ["putval", 100], ["dispense"], ["all"], ["term", "-", 1]]',
	'["m", ["all"], ["collect-one", [0]], 1, ["term", "+"]]', '["n", ["val"], ["term", "+"]]', '["v", ["putval", 1], ["with-fresh-collected", [["putval", 2], ["all"]]], ["term", "+"]]',
	'["v", ["all"], ["val"], ["collected?", "even?"], ["NONE>"]]');
-- view, transformed
SELECT * FROM try('["n", ["view", "+", 1], ["term", "*", 2]]', '["v", ["view", "count"], ["term-val", [1]]]',
	'["v", ["transformed", [["all"], ["term", "inc"]]], ["term", "reverse"]]');
SELECT outcome('sub', '["v", 0, ["term-val", 1]]');
SELECT * FROM rama.select('sub', '[1, "v", ["transformed", [["all"], ["pred", "even?"], ["NONE>"]]]]');
SELECT * FROM rama.select('sub', '[1, "m", ["transformed", [["map-keys"], ["term", "+", 5]]]]');
SELECT * FROM rama.select('sub', '[1, ["multi-transformed", ["d", ["map-vals"], ["multi-path", ["t", ["term", "upper"]], ["w", ["NONE>"]]]]], "d"]');
SELECT * FROM rama.select('sub', '[["all"], ["transformed", [0, ["term", "inc"]]], 0]');
SELECT rama.get('sub', 1, 'v');

-- counts are those of the rows
SELECT n, m_count = (SELECT count(*) FROM sub_m), s_count = (SELECT count(*) FROM sub_s), v_count = (SELECT count(*) FROM sub_v),
	d_count = (SELECT count(*) FROM sub_d), (SELECT array_agg(index ORDER BY index) FROM sub_v) FROM sub;

-- parts: what leaves their bounds, and what they have not
SELECT * FROM try('["m", ["sorted-map-range-from", 1, 2], ["last"], ["term-val", [3, 6]]]', '["m", ["sorted-map-range", 1, 3], ["all"], 0, ["term-val", 3]]',
	'["s", ["sorted-set-range-from", "b"], ["multi-path", [["term-val", ["a", "z"]]], [["all"], ["NONE>"]]]]',
	'["v", ["srange", 7, 9], ["before-index", 0], ["term-val", 1]]', '["d", "r", "w", ["srange", 1, 3], ["term-val", []]]',
	'["d", "r", "t", ["NONE>"]]', '["d", "r", "w", ["end"], ["term-val", []]]');
SELECT * FROM rama.select('sub', '[1, "m", ["sorted-map-range-from", 2], ["transformed", [["map-vals"], ["term", "inc"]]]]');
SELECT rama.explain('sub', '[1, "v", ["transformed", [["all"], ["term", "inc"]]]]');
-- where paths of different shapes join, each place keeps its own
SELECT * FROM try('["d", "p", ["multi-path", ["t"], ["w", ["first"]]], ["term", "str", "1"]]', '["d", ["all"], ["multi-path", [0], [1, "t"]], ["term", "upper"]]',
	'["d", ["if-path", ["p"], ["p"], ["q", "w"]], "t", ["term", "upper"]]', '["d", ["if-path", ["p"], ["p"], ["q", "w"]], ["map-vals"], ["pred=", "tp"], ["term", "upper"]]');
-- named paths, recursive ones, too
SELECT rama.create_path('transform_navigators.every', '[["cond-path", [["selected?", ["kids", ["all"]]]], [["multi-path", ["v"], ["kids", ["all"], ["every"]]]], [["stay"]], ["v"]]]');
SELECT rama.put('plain', 7, '{"v": 1, "kids": [{"v": 2}, {"v": 3, "kids": [{"v": 4}]}]}');
SELECT rama.transform('plain', '[7, ["transform_navigators.every"], ["term", "*", 10]]');
SELECT rama.get('plain', 7);
SELECT rama.create_path('transform_navigators.evens', '["v", ["all"], ["pred", "even?"]]');
SELECT outcome('sub', '["v", ["stop"], ["term", "inc"]]');
SELECT rama.transform('sub', '[1, ["transform_navigators.evens"], ["NONE>"]]');
SELECT rama.get('sub', 1, 'v');

-- terminals where they do not belong
SELECT rama.transform('sub', '[1, ["selected?", ["n", ["term-val", 1]]], ["NONE>"]]');
\echo :SQLSTATE
SELECT rama.transform('sub', '[1, ["multi-path", ["n"], ["m", ["NONE>"]]]]');
\echo :SQLSTATE
SELECT rama.transform('sub', '[1, ["multi-path", ["n", ["NONE>"]], ["m", ["NONE>"]]], ["NONE>"]]');
\echo :SQLSTATE
SELECT rama.transform('sub', '[1, ["subselect", ["n", ["NONE>"]]], ["NONE>"]]');
\echo :SQLSTATE
SELECT * FROM rama.select('sub', '[1, ["transformed", ["n"]]]');
\echo :SQLSTATE

DROP SCHEMA transform_navigators CASCADE;
