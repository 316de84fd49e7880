-- Elements as such, and parts of collections that are no ranges: over rows,
-- over JSON in a row, and over plain data.
SET client_min_messages = warning;
CREATE SCHEMA path_part;
SET search_path = path_part;
SELECT rama.create_pstate('rows', $$map(k: text, struct(n: bigint,
	m: map(mk: int, numeric) subindex, s: set(se: text) subindex, v: vector(ve: int) subindex, days: set(day: date) subindex,
	mm: map(a: text, map(b: int, jsonb) subindex) subindex, d: vector(struct(x: int, t: set(te: int) subindex)) subindex))$$);
SELECT rama.create_pstate('doc', $$map(k: text, struct(n: bigint,
	m: map(mk: int, numeric), s: set(se: text), v: vector(ve: int), days: set(day: date),
	mm: map(a: text, map(b: int, jsonb)), d: vector(struct(x: int, t: set(te: int)))))$$);
SELECT rama.create_pstate('plain', 'map(k: text, jsonb)');
SELECT rama.put(p, k, v::jsonb)
FROM unnest('{rows,doc,plain}'::regclass[]) p, (VALUES
	('a', '{"n": 5, "m": {"1": 1.5, "2": 2, "10": 10}, "s": ["x", "y", "zz"], "v": [3, 1, 4, 1, 5], "days": ["2020-01-01"],
		"mm": {"p": {"1": "one", "2": {"q": 2}}, "r": {}}, "d": [{"x": 1, "t": [1, 2]}, {"x": 2}, {"t": [7]}]}'),
	('b', '{"n": 6, "v": [], "m": {"7": 70}}'),
	('c', '{"n": 7}')) x(k, v);

CREATE FUNCTION show(path jsonb) RETURNS TABLE (pstate text, result text) LANGUAGE plpgsql AS $$
DECLARE r text[]; p text;
BEGIN
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

-- elements
SELECT show('["a", "s", ["set-elem", "y"]]');
SELECT show('["a", "s", ["setElem", "Y"]]');
SELECT show('["c", "s", ["set-elem", "y"]]');
SELECT show('["a", "days", ["set-elem", "2020-01-01"]]');
SELECT show('[["map-vals"], ["selected?", ["s", ["set-elem", "y"]]], "n"]');
SELECT show('["a", "m", ["map-key", 10]]');
SELECT show('["a", "m", ["mapKey", 11]]');
SELECT show('["c", "m", ["map-key", 10]]');
SELECT show('["a", ["map-key", "m"]]');
SELECT show('["c", ["map-key", "m"]]');
SELECT show('[["map-key", "a"]]');
SELECT show('["a", "m", ["sorted-map-range-from", 2], ["map-key", 1]]');
SELECT show('["a", "v", ["index-nav", 4]]');
SELECT show('["a", "v", ["index", 5]]');
SELECT show('["a", "v", ["index", -1]]');
SELECT show('["c", "v", ["index", 0]]');
SELECT show('["a", "v", ["srange", 3, 9], ["index", 1]]');
SELECT show('["a", "v", ["srange", 3, 9], ["index", 2]]');
SELECT show('["a", "v", ["INDEXED-VALS"]]');
SELECT show('["a", "v", ["indexed-vals", 10], ["selected?", [1, ["pred", "odd?"]]], 0]');
SELECT show('["a", "v", ["srange", 2, 4], ["indexedVals"]]');
SELECT show('["a", "v", ["indexed-vals-start-from", 1], ["first"]]');
SELECT show('["a", "d", ["indexed-vals"], ["selected?", [1, "t", ["all"]]], 0]');
SELECT show('["a", "d", ["indexed-vals"], 1, "x"]');
SELECT show('["c", "v", ["indexed-vals"]]');

-- not there yet
SELECT show('["a", "v", ["after-elem"]]');
SELECT show('["a", "v", ["BEFORE-ELEM"]]');
SELECT show('["a", "v", ["before-index", 1]]');
SELECT show('["a", "s", ["NONE-ELEM"]]');
SELECT show('["a", "v", ["end"]]');
SELECT show('["a", "v", ["BEGINNING"], ["view", "count"]]');
SELECT show('["c", "v", ["end"]]');

-- submap, subset
SELECT show('["a", "m", ["submap", [10, 1, 11, 1]]]');
SELECT show('["a", "m", ["subMap", 10, 1]]');
SELECT show('["a", "m", ["submap", [10, 1]], ["map-vals"]]');
SELECT show('["a", "m", ["submap", [10, 1]], ["map-keys"]]');
SELECT show('["a", "m", ["submap", [10, 1]], 10]');
SELECT show('["a", "m", ["submap", [10, 1]], 2]');
SELECT show('["a", "m", ["submap", [10, 1]], ["view", "count"]]');
SELECT show('["a", "m", ["submap", [10, 1]], ["sorted-map-range-from", 1]]');
SELECT show('["a", "m", ["sorted-map-range-from", 2], ["submap", [10, 1]]]');
SELECT show('["a", "m", ["submap", []]]');
SELECT show('["c", "m", ["submap", [10, 1]]]');
SELECT show('["a", "mm", ["submap", ["p", "q"]]]');
SELECT show('["a", "mm", ["submap", ["p", "r"]], ["map-vals"], ["view", "count"]]');
SELECT show('["a", "mm", ["submap", ["p"]], ["all"], 1, 2, "q"]');
SELECT show('["a", "mm", ["submap", ["p"]], "p", ["sorted-map-range-from", 2], ["map-vals"]]');
SELECT show('["a", ["submap", "n", "v"]]');
SELECT show('[["submap", "a", "c", "zz"], ["map-vals"], "n"]');
SELECT show('["a", "s", ["subset", ["zz", "x", "w", "x"]]]');
SELECT show('["a", "s", ["subset", "zz", "x"], ["all"]]');
SELECT show('["a", "s", ["subset", "zz", "x"], ["view", "count"]]');
SELECT show('["a", "s", ["subset", "zz", "x"], ["set-elem", "y"]]');
SELECT show('["c", "s", ["subset", ["zz", "x"]]]');

-- filterer, runs, dynamic ranges
SELECT show('["a", "v", ["filterer", [["pred>", 2]]]]');
SELECT show('["a", "v", ["filteredList", [["pred>", 2]]], ["nth", 1]]');
SELECT show('["a", "v", ["filterer", [["pred>", 2]]], ["srange", 1, 5], ["all"]]');
SELECT show('["c", "v", ["filterer", [["pred>", 2]]]]');
SELECT show('["a", "d", ["filterer", ["t", ["all"]]]]');
SELECT show('["a", "d", ["filterer", ["t", ["all"]]], ["all"], "t", ["view", "count"]]');
SELECT show('["a", "d", ["filterer", ["t", ["all"]]], ["last"], "t", ["first"]]');
SELECT show('["a", "d", ["filterer", ["t", ["all"]]], ["indexed-vals"], ["selected?", [0, ["pred", "odd?"]]], 1, "t"]');
SELECT show('["a", "s", ["filterer", [["pred>", "x"]]]]');
SELECT show('["a", "m", ["filterer", [1, ["pred>", 1.75]]]]');
SELECT show('["c", "m", ["filterer", [1, ["pred>", 1.75]]]]');
SELECT show('["a", "v", ["continuous-subseqs", "odd?"]]');
SELECT show('["a", "v", ["continuous-subseqs", "<", 4]]');
SELECT show('["a", "v", ["continuous-subseqs", "odd?"], ["last"]]');
SELECT show('["a", "v", ["continuous-subseqs", "neg?"]]');
SELECT show('["a", "v", ["srange", 1, 5], ["continuous-subseqs", "odd?"], ["view", "count"]]');
SELECT show('["c", "v", ["continuous-subseqs", "odd?"]]');
SELECT show('["a", "d", ["srange", 0, 3], ["continuous-subseqs", "contains?", "t"], ["all"], "x"]');
SELECT show('["a", "v", ["srange-dynamic", "first", "count"]]');
SELECT show('["a", "v", ["sublistDynamic", ["nth_of", 1], "count"]]');
CREATE FUNCTION nth_of(v jsonb, i int) RETURNS int LANGUAGE sql IMMUTABLE STRICT RETURN (v -> i)::int;
SELECT show('["a", "v", ["sublistDynamic", ["path_part.nth_of", 1], "first"]]');
SELECT show('["c", "v", ["srange-dynamic", "first", "count"]]');

-- branches of different shapes
SELECT show('["a", ["multi-path", ["m"], ["d"]], ["filterer", [["pred", "some?"]]], ["view", "count"]]');
SELECT show('["a", ["multi-path", ["m"], ["mm"]], ["submap", "p", "1"]]');
SELECT show('["a", ["multi-path", ["d"], ["v"]], ["indexed-vals"], 0]');
SELECT show('["a", ["multi-path", ["d"], ["v"]], ["srange", 1, 2]]');
SELECT show('["a", ["multi-path", ["m"], ["s"]], ["first"]]');

-- how it is read
SELECT rama.explain('rows', '["a", "m", ["submap", [10, 1]], ["map-vals"]]');
SELECT rama.explain('rows', '["a", "mm", ["submap", ["p"]], ["map-vals"], ["sorted-map-range-from", 2]]');
SELECT rama.explain('rows', '["a", "s", ["subset", ["x", "y"]]]');
SELECT rama.explain('rows', '["a", "s", ["set-elem", "x"]]');
SELECT rama.explain('rows', '["a", "m", ["map-key", 1]]');
SELECT rama.explain('rows', '["a", "v", ["index", 1]]');
SELECT rama.explain('rows', '["a", "v", ["srange", 1, 3], ["indexed-vals"]]');
SELECT rama.explain('rows', '["a", "v", ["filterer", [["pred>", 2]]], ["view", "count"]]');
SELECT rama.explain('rows', '["a", "v", ["continuous-subseqs", "odd?"]]');
SELECT rama.explain('rows', '["a", "v", ["srange-dynamic", "first", "count"]]');
SELECT rama.explain('rows', '["a", "v", ["after-elem"]]');

-- errors
SELECT show('["a", "m", ["set-elem", "y"]]');
SELECT show('["a", "v", ["map-key", "y"]]');
SELECT show('["a", "s", ["index", 0]]');
SELECT show('["a", "m", ["indexed-vals"]]');
SELECT show('["a", "m", ["submap", ["x"]]]');
SELECT show('["a", "m", ["submap", [null]]]');
SELECT show('["a", "n", ["filterer", []]]');
SELECT show('["a", "m", ["continuous-subseqs", "odd?"]]');
SELECT show('["a", "v", ["srange-dynamic", "last", "first"]]');
SELECT show('["b", "v", ["srange-dynamic", "first", "count"]]');
SELECT show('["a", "v", ["srange-dynamic", "str", "count"]]');
SELECT show('["a", "v", ["before-index", -1]]');
SELECT show('["a", "n", ["end"]]');
SET pg_rama.max_value_elements = 2;
SELECT show('["a", "v", ["filterer", [["pred>", 2]]]]');
SELECT show('["a", "v", ["filterer", [["pred>", 3]]]]');
SELECT show('["a", "m", ["submap", [1, 2, 10]], ["view", "count"]]');
RESET pg_rama.max_value_elements;
\t off
\a
DROP SCHEMA path_part CASCADE;
