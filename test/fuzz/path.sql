CREATE EXTENSION pg_rama;

CREATE FUNCTION fuzz_paths(regclass, text[]) RETURNS int LANGUAGE c STRICT AS 'pg_rama', 'rama_fuzz_paths';

SELECT rama.create_pstate('p', 'map(k: text, struct(n: int, at: date, m: map(mk: int, text) subindex, s: set(se: text) subindex, v: vector(ve: int) subindex, j: jsonb, inner: struct(a: int, doc: map(d: int, vector(int))), d: vector(struct(x: int, t: set(te: int) subindex)) subindex))');

SELECT rama.put('p', '{"a": {"n": 5, "at": "2020-01-01", "m": {"1": "x", "2": null, "3": "z"}, "s": ["a", "b", "c"], "v": [1, 2, 3, 4], "j": {"a": [1, {"b": null}], "b": "c"}, "inner": {"a": 1, "doc": {"1": [1, 2]}}, "d": [{"x": 1, "t": [1, 2]}, {"t": [3]}]}, "b": {"n": 1}, "c": {}}');

SELECT rama.create_path('public.again', '[["stay-then-continue", [["must", "a"], ["again"]]]]');

BEGIN;

SELECT fuzz_paths('p', 'OPTIONS');

