-- What test/t/path_laws.pl has found: places, values in memory and plain data
-- mean the same.
SET client_min_messages = warning;
CREATE SCHEMA path_laws;
SET search_path = path_laws;

-- A part behind the end of a part is at its end.
SELECT rama.create_pstate('v', 'vector(k: int) subindex');
SELECT rama.put('v', '[0, 1, 2, 3]');
SELECT rama.transform('v', '[["srange", 2, 3], ["srange", 3, 6], ["term-val", [7]]]');
SELECT rama.get('v');

-- An error of a type's input within a path that joins names the step, and is 22P02.
\set VERBOSITY sqlstate
SELECT rama.create_pstate('dates', 'vector(k: date) subindex');
SELECT rama.put('dates', '["2020-01-01", "2020-01-02"]');
SELECT rama.select('dates', '[["stay-then-continue", [["nth", 0]]], ["transformed", [["nth", 1], ["term-val", "b"]]]]');
SELECT rama.transform('dates', '[["nth", 0], ["term-val", "2020-01-01 c245"]]');
\set VERBOSITY default

-- A default is for what is not there yet, once; and for each path of several.
SELECT rama.create_pstate('s', 'map(m: int, set(k: text) subindex) subindex');
SELECT rama.put('s', '{"1": [], "2": ["b"]}');
SELECT rama.select('s', '[["map-vals"], ["transformed", [["NONE->val", []], ["key", "c"], ["NONE>"]]]]');
SELECT rama.transform('s', '[["key", 1], ["none-elem"], ["NONE->val", "a"], ["NONE->val", "b"], ["term", "str", "x"]]');
SELECT rama.get('s');
SELECT rama.create_pstate('maps', 'vector(k: map(m: text, int)) subindex');
SELECT rama.transform('maps', '[["after-elem"], ["stay-then-continue", [["NONE->val", {}]]], ["must", "a"], ["NONE>"]]');
SELECT rama.get('maps');

-- A struct within a struct is null where all its fields are, in memory, too.
SELECT rama.create_pstate('t', 'struct(a: struct(b: struct(c: jsonb, d: jsonb), v: vector(k: int) subindex))');
SELECT rama.put('t', '{"a": {"b": {"d": true}}}');
SELECT rama.select('t', '[["transformed", [["must", "a"], "b", ["NONE>"]]]]');
SELECT rama.put('t', '{}');
SELECT rama.select('t', '["a", ["stay-then-continue", [["key", "b"]]], ["index-nav", 0]]');

-- Null plain data has no schema.
SELECT rama.create_pstate('plain', 'struct(x: map(k: text, map(m: text, struct(a: int, c: jsonb))))');
SELECT rama.put('plain', 'x', 'x', '{}');
SELECT rama.transform('plain', '["x", "x", "k", "c", ["multi-path", ["b", ["term", "lower"]], [["all"], ["NONE>"]]]]');
SELECT rama.get('plain');

-- A pair may become a list between two paths; its key, value or element fits again.
SELECT rama.create_pstate('m', 'map(k: int, vector(v: int) subindex) subindex');
SELECT rama.put('m', '{"5": [1]}');
SELECT rama.transform('m', '[["last"], ["multi-path", [["first"], ["term-val", 4]], [["key", 1], ["term-val", []]]]]');
SELECT rama.get('m');
SELECT rama.transform('m', '[["submap", 4], ["last"], ["first"], ["term-val", 2]]');
SELECT rama.get('m');
SELECT rama.select('m', '[["all"], ["nth", 1]]');
SELECT rama.create_pstate('texts', 'struct(v: vector(k: text))');
SELECT rama.put('texts', '{"v": ["a"]}');
SELECT rama.select('texts', '["v", ["transformed", [["indexed-vals"], ["last"], ["term-val", 5]]]]');

-- Keys of plain objects are text, also between two paths.
SELECT rama.create_pstate('j', 'jsonb');
SELECT rama.put('j', '{"4": []}');
SELECT rama.transform('j', '[["sorted-map-range-from-start", 3], ["stay-then-continue", []], ["map-keys"], ["term", "not"]]');
SELECT rama.get('j');

-- An empty part that stays empty is not written.
SELECT rama.put('v', '[1]');
SELECT rama.transform('v', '[["transformed", [["term-val", []]]], ["srange", 0, 0], ["term-val", []]]');
SELECT rama.get('v');

SET client_min_messages = error;
DROP SCHEMA path_laws CASCADE;
