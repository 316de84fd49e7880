-- rama.transform: terminals, and keys, ends, all, map-vals, map-keys and ranges
-- before them, over rows, over JSON in a row, and over plain data.
SET client_min_messages = warning;
CREATE SCHEMA transform_keys;
SET search_path = transform_keys;
SELECT rama.create_pstate('top', 'map(name: text, bigint)');
SELECT rama.create_pstate('doc', $$
  map(id: int, struct(title: text, tags: set(text), scores: map(bigint, numeric), items: vector(text),
      extra: jsonb, log: vector(line: text) subindex, seen: set(day: date) subindex,
      sub: map(k: int, struct(n: int, words: vector(word: text) subindex)) subindex))
$$);
SELECT rama.create_pstate('conf', 'struct(host: text, port: int, box: struct(x: int, y: int))');
SELECT rama.create_pstate('total', 'bigint');
CREATE VIEW versions AS SELECT version, count FROM rama.pstate_version WHERE pstate = 'top'::regclass;

-- term, term-val, NONE>
SELECT rama.transform('top', '["a", ["term-val", 5]]');
SELECT rama.transform('top', '["a", ["term", "+", 7]]');
SELECT rama.transform('top', '["b", ["termVal", "8"]]');
SELECT rama.get('top');
SELECT * FROM versions;
SELECT rama.transform('top', '["b", ["NONE>"]]'), rama.transform('top', '["absent", ["term-void"]]');
SELECT rama.get('top');
SELECT * FROM versions;
SELECT rama.transform('top', '[["must", "zz"], ["term", "inc"]]');
SELECT rama.transform('top', '[["must", "a"], ["term", "inc"]]');
SELECT rama.get('top'), rama.count('top');
SELECT rama.transform('top', '[["term-val", {"x": 1, "y": "2", "z": 3}]]');
SELECT rama.transform('top', '[["map-vals"], ["term", "*", 10]]');
SELECT rama.transform('top', '[["all"], 1, ["term", "inc"]]');
SELECT rama.transform('top', '[["all"], 0, ["term", "upper"]]');
SELECT rama.get('top');
SELECT rama.transform('top', '[["first"], ["NONE>"]]');
SELECT rama.transform('top', '[["last"], ["term-val", ["last", 99]]]');
SELECT rama.get('top'), rama.count('top');
SELECT rama.transform('top', '[["NONE>"]]');
SELECT rama.get('top'), rama.count('top');
SELECT rama.transform('total', '[["term-val", 3]]'), rama.transform('total', '[["term", "inc"]]');
SELECT rama.get('total');
SELECT rama.transform('total', '[["NONE>"]]');
SELECT rama.get('total');
SELECT rama.transform('conf', '["port", ["term-val", 1]]');
SELECT rama.transform('conf', '["box", "x", ["term-val", 2]]');
SELECT rama.transform('conf', '[["term-val", {"host": "h", "box": {"y": 4}}]]');
SELECT rama.get('conf');
SELECT rama.transform('conf', '["box", ["NONE>"]]');
SELECT rama.transform('conf', '[["map-keys"], ["term-val", "host"]]');
SELECT rama.get('conf');

-- renames: of several with the same key, the last entry stays
SELECT rama.put('top', '{"a": 1, "b": 2, "c": 3, "d": 4}');
SELECT rama.transform('top', '[["map-keys"], ["term", "str", "x"]]');
SELECT rama.get('top');
SELECT rama.transform('top', '[["map-keys"], ["term-val", "bx"]]');
SELECT rama.get('top'), rama.count('top');

-- a document: the same over rows and over JSON
SELECT rama.put('doc', 1, $${"title": "one", "tags": ["b", "a", "c"], "scores": {"10": 1.5, "9": 2, "11": 3},
	"items": ["i0", "i1", "i2", "i3"], "extra": {"k": [1, 2, 3], "o": {"p": 1, "q": 2}},
	"log": ["l0", "l1", "l2", "l3", "l4"], "seen": ["2020-01-01", "2020-01-02", "2020-01-03"],
	"sub": {"1": {"n": 1, "words": ["w"]}, "2": {"n": 2}, "10": {"n": 10, "words": ["x", "y"]}}}$$);
SELECT rama.transform('doc', '[1, "title", ["term", "upper"]]');
SELECT rama.transform('doc', '[1, "items", ["all"], ["term", "str", "!"]]');
SELECT rama.transform('doc', '[1, "log", ["all"], ["term", "str", "!"]]');
SELECT rama.get('doc', 1, 'items'), rama.get('doc', 1, 'log'), rama.get('doc', 1, 'title');
SELECT rama.transform('doc', '[1, "items", 1, ["NONE>"]]');
SELECT rama.transform('doc', '[1, "log", 1, ["NONE>"]]');
SELECT rama.transform('doc', '[1, "items", ["nth", 0], ["term-val", "first"]]');
SELECT rama.transform('doc', '[1, "log", ["nth", 0], ["term-val", "first"]]');
SELECT rama.transform('doc', '[1, "items", 3, ["term-val", "appended"]]');
SELECT rama.transform('doc', '[1, "log", 4, ["term-val", "appended"]]');
SELECT rama.get('doc', 1, 'items'), rama.get('doc', 1, 'log'), rama.count('doc', 1, 'log');
SELECT rama.transform('doc', '[1, "items", ["srange", 1, 3], ["term-val", ["x", "y", "z"]]]');
SELECT rama.transform('doc', '[1, "log", ["srange", 1, 3], ["term-val", ["x", "y", "z"]]]');
SELECT rama.get('doc', 1, 'items'), rama.get('doc', 1, 'log'), rama.count('doc', 1, 'log');
SELECT rama.transform('doc', '[1, "items", ["srange", 1, 4], ["NONE>"]]');
SELECT rama.transform('doc', '[1, "log", ["srange", 1, 4], ["NONE>"]]');
SELECT rama.get('doc', 1, 'items'), rama.get('doc', 1, 'log'), rama.count('doc', 1, 'log');
SELECT rama.transform('doc', '[1, "log", ["srange", 1, 1], ["term-val", ["m", "n"]]]');
SELECT rama.transform('doc', '[1, "log", ["srange", 9, 12], ["term-val", ["end"]]]');
SELECT rama.transform('doc', '[1, "log", ["srange", 1, 3], ["all"], ["term", "upper"]]');
SELECT rama.transform('doc', '[1, "log", ["srange", 1, 3], 1, ["term", "str", "?"]]');
SELECT rama.transform('doc', '[1, "log", ["srange", 1, 3], ["term", "reverse"]]');
SELECT rama.get('doc', 1, 'log'), array_agg(index ORDER BY index) FROM doc_log;
SELECT rama.transform('doc', '[1, "tags", "a", ["NONE>"]]'), rama.transform('doc', '[1, "seen", "2020-01-01", ["NONE>"]]');
SELECT rama.transform('doc', '[1, "tags", ["all"], ["term", "str", "b"]]');
SELECT rama.transform('doc', '[1, "seen", ["all"], ["term-val", "2021-01-01"]]');
SELECT rama.get('doc', 1, 'tags'), rama.get('doc', 1, 'seen'), rama.count('doc', 1, 'seen');
SELECT rama.transform('doc', '[1, "seen", ["sorted-set-range-from", "2021-01-01"], ["term-val", ["2021-05-05", "2020-02-02"]]]');
SELECT rama.transform('doc', '[1, "seen", ["first"], ["term-val", "2020-12-31"]]');
SELECT rama.get('doc', 1, 'seen');
SELECT rama.transform('doc', '[1, "scores", ["map-keys"], ["term", "inc"]]');
SELECT rama.transform('doc', '[1, "sub", ["map-keys"], ["term", "inc"]]');
SELECT rama.get('doc', 1, 'scores'), rama.get('doc', 1, 'sub');
SELECT rama.transform('doc', '[1, "scores", ["sorted-map-range-from", 11], ["map-vals"], ["term", "+", 0.5]]');
SELECT rama.transform('doc', '[1, "sub", ["sorted-map-range-from", 3], ["map-vals"], "n", ["term", "+", 5]]');
SELECT rama.transform('doc', '[1, "scores", ["sorted-map-range-from-start", 1], ["NONE>"]]');
SELECT rama.transform('doc', '[1, "sub", ["sorted-map-range-from-start", 1], ["NONE>"]]');
SELECT rama.get('doc', 1, 'scores'), rama.get('doc', 1, 'sub'), rama.count('doc', 1, 'sub');
SELECT rama.transform('doc', '[1, "sub", ["sorted-map-range", 3, 11], ["term-val", [[5, {"n": 5, "words": ["v"]}], [30, {"n": 30}]]]]');
SELECT rama.transform('doc', '[1, "sub", ["all"], ["term-val", [77, {"n": 77, "words": ["a", "b"]}]]]');
SELECT rama.get('doc', 1, 'sub'), rama.count('doc', 1, 'sub');
SELECT rama.transform('doc', '[1, "sub", ["map-vals"], "words", ["all"], ["term", "upper"]]');
SELECT rama.transform('doc', '[1, "sub", 88, "words", 0, ["term-val", "made"]]');
SELECT rama.get('doc', 1, 'sub');
SELECT rama.transform('doc', '[1, "sub", ["all"], 1, ["NONE>"]]');
SELECT rama.get('doc', 1, 'sub'), (SELECT count(*) FROM doc_words);
SELECT rama.transform('doc', '[1, "extra", "k", ["all"], ["term", "inc"]]');
SELECT rama.transform('doc', '[1, "extra", "o", ["map-vals"], ["term-val", {"new": [1]}]]');
SELECT rama.transform('doc', '[1, "extra", "made", "below", ["term-val", 1]]');
SELECT rama.transform('doc', '[1, "extra", "o", ["first"], ["NONE>"]]');
SELECT rama.transform('doc', '[1, "extra", "k", ["srange", 0, 2], ["NONE>"]]');
SELECT rama.get('doc', 1, 'extra');
SELECT rama.transform('doc', '[2, "log", ["all"], ["term", "upper"]]'), rama.transform('doc', '[2, "log", ["first"], ["NONE>"]]'),
	rama.transform('doc', '[2, "scores", ["must", 3], ["term", "inc"]]'), rama.transform('doc', '[2, "sub", 7, "words", ["last"], ["term", "upper"]]');
SELECT rama.count('doc'), (SELECT count(*) FROM doc);
SELECT rama.transform('doc', '[["map-vals"], "sub", ["NONE>"]]');
SELECT rama.get('doc', 1) ? 'sub', rama.get('doc', 1, 'title');

-- what does not change is not written
SELECT version AS before FROM rama.pstate_version WHERE pstate = 'doc'::regclass \gset
SELECT ctid AS place FROM doc \gset
SELECT rama.transform('doc', '[1, "log", ["term", "identity"]]');
SELECT rama.transform('doc', '[1, ["term", "identity"]]');
SELECT rama.transform('doc', '[["term", "identity"]]');
SELECT version - :before AS versions FROM rama.pstate_version WHERE pstate = 'doc'::regclass;
SELECT ctid = :'place' AS same FROM doc;

-- errors
SELECT rama.transform('top', '[]');
\echo :SQLSTATE
SELECT rama.transform('top', '["a"]');
\echo :SQLSTATE
SELECT rama.transform('top', '["a", ["NONE>"], "b"]');
\echo :SQLSTATE
SELECT rama.transform('top', '[["NONE>"], ["NONE>"]]');
\echo :SQLSTATE
SELECT * FROM rama.select('top', '["a", ["NONE>"]]');
\echo :SQLSTATE
SELECT rama.transform('top', '["a", ["term"]]');
\echo :SQLSTATE
SELECT rama.transform('top', '["a", ["term", "no-such"]]');
\echo :SQLSTATE
SELECT rama.transform('top', '["a", ["term", "str", "x"]]');
\echo :SQLSTATE
SELECT rama.transform('top', '["a", ["term-val", "x"]]');
\echo :SQLSTATE
SELECT rama.transform('top', '["a", ["term-val", 1e30]]');
\echo :SQLSTATE
SELECT rama.transform('top', '[["map-keys"], ["term-val", null]]');
\echo :SQLSTATE
SELECT rama.transform('top', '[["all"], ["term-val", 1]]');
\echo :SQLSTATE
SELECT rama.transform('doc', '[1, "log", ["nth", 50], ["term-val", "x"]]');
\echo :SQLSTATE
SELECT rama.transform('doc', '[1, "log", 50, ["term-val", "x"]]');
\echo :SQLSTATE
SELECT rama.transform('doc', '[1, "items", ["nth", 50], ["term-val", "x"]]');
\echo :SQLSTATE
SELECT rama.transform('doc', '[1, "items", 50, ["term-val", "x"]]');
\echo :SQLSTATE
SELECT rama.transform('doc', '[1, "log", ["term-val", {"a": 1}]]');
\echo :SQLSTATE
SELECT rama.transform('doc', '[1, ["term-val", {"nofield": 1}]]');
\echo :SQLSTATE
SELECT rama.transform('doc', '[1, "log", ["srange", 0, 1], ["term-val", 5]]');
\echo :SQLSTATE
SELECT rama.transform('doc', '[1, "tags", "b", ["term-val", "c"]]');
\echo :SQLSTATE
SELECT rama.transform('doc', '[1, "seen", "2020-01-02", ["term-val", "2020-01-03"]]');
\echo :SQLSTATE
SET pg_rama.max_value_elements = 2;
SELECT rama.transform('doc', '[1, "log", ["term", "reverse"]]');
SELECT rama.transform('doc', '[1, "log", ["all"], ["term", "lower"]]');
RESET pg_rama.max_value_elements;
SELECT rama.get('doc', 1, 'log');

-- privileges: as rama.put's, and SELECT, for filters tell what values are
CREATE ROLE transform_writer;
GRANT USAGE ON SCHEMA transform_keys TO transform_writer;
GRANT INSERT, UPDATE ON top TO transform_writer;
SET ROLE transform_writer;
SELECT rama.transform('top', '["r", ["pred>", 0], ["term-val", 1]]');
RESET ROLE;
GRANT SELECT ON top TO transform_writer;
SET ROLE transform_writer;
SELECT rama.transform('top', '["r", ["term-val", 1]]');
SELECT rama.transform('top', '["r", ["NONE>"]]');
SELECT rama.transform('top', '[["term-val", {}]]');
SELECT rama.transform('doc', '[1, "title", ["term-val", "x"]]');
-- parts of the outermost map may become fewer entries; within values, and by branches at values, nothing is removed
SELECT rama.transform('top', '[["stay"], ["term-val", {}]]');
SELECT rama.transform('top', '[["sorted-map-range", "a", "z"], ["term-val", {}]]');
SELECT rama.transform('top', '[["multi-path", ["r"], [["submap", "q", "r"]]], ["term-val", {}]]');
SELECT rama.transform('top', '[["subselect", [["map-vals"]]], ["term-val", []]]');
SELECT rama.transform('top', '[["filterer", [1, ["pred>", 0]]], ["srange", 0, 1], ["term-val", []]]');
SELECT rama.transform('top', '[["if-path", ["r"], ["r", ["if-path", [["pred>", 0]], [["term-val", 2]], [["term", "inc"]]]], ["s", ["term-val", 0]]]]');
SELECT rama.transform('top', '[["sorted-map-range", "a", "z"], "r", ["multi-path", [["term", "inc"]], [["term", "inc"]]]]');
SELECT rama.get('top', 'r');
RESET ROLE;
DROP OWNED BY transform_writer;
DROP ROLE transform_writer;

DROP SCHEMA transform_keys CASCADE;
