-- Writing to vectors with tables through indexed-vals and continuous-subseqs: as in memory,
-- and without the whole vector in memory.
CREATE SCHEMA indexed;
SET search_path = indexed;
SELECT rama.create_pstate('rows', 'map(k: text, struct(chunked: vector(e: bigint) subindex, wide: vector(struct(n: bigint, s: set(t: text) subindex)) subindex))');
SELECT rama.create_pstate('json', 'map(k: text, struct(chunked: vector(bigint), wide: vector(struct(n: bigint, s: set(text)))))');

CREATE TABLE cases (id int GENERATED ALWAYS AS IDENTITY, path jsonb);
INSERT INTO cases (path) VALUES
	('[["indexed-vals"], 1, ["term", "inc"]]'),
	('[["indexed-vals"], ["selected?", [1, ["pred", "odd?"]]], 1, ["term", "*", 10]]'),
	('[["indexed-vals"], ["selected?", [1, ["pred", "even?"]]], ["NONE>"]]'),
	('[["indexed-vals"], ["NONE>"]]'),
	('[["indexed-vals"], ["selected?", [1, ["pred", "odd?"]]], 0, ["term-val", 0]]'),
	('[["indexed-vals"], ["selected?", [0, ["pred", "odd?"]]], 0, ["term", "dec"]]'),
	('[["indexed-vals"], ["selected?", [1, ["pred<", 4]]], 0, ["term-val", 4]]'),
	('[["indexed-vals"], 0, ["term-val", 3]]'),
	('[["indexed-vals", 2], ["selected?", [0, ["pred<=", 4]]], 0, ["term", "inc"]]'),
	('[["indexed-vals"], ["multi-path", [["selected?", [1, ["pred", "even?"]]], ["NONE>"]], [["selected?", [1, ["pred=", 3]]], 0, ["term-val", 1]]]]'),
	('[["indexed-vals"], ["selected?", [1, ["pred=", 1]]], ["term-val", [2, 100]]]'),
	('[["indexed-vals"], ["selected?", [1, ["pred=", 1]]], ["term-val", null]]'),
	('[["indexed-vals"], ["collect-one", [0]], 1, ["term", "+"]]'),
	('[["srange", 1, 5], ["indexed-vals"], ["selected?", [1, ["pred", "odd?"]]], 0, ["term-val", 0]]'),
	('[["srange", 2, 6], ["indexed-vals"], ["selected?", [0, ["pred", "even?"]]], ["NONE>"]]'),
	('[["continuous-subseqs", "odd?"], ["term", "reverse"]]'),
	('[["continuous-subseqs", "<", 4], ["term-val", []]]'),
	('[["continuous-subseqs", "<", 4], ["NONE>"]]'),
	('[["continuous-subseqs", "even?"], ["end"], ["term-val", [7, 7]]]'),
	('[["continuous-subseqs", ">", 2], ["all"], ["term", "-", 1]]'),
	('[["continuous-subseqs", ">", 2], ["first"], ["NONE>"]]'),
	('[["srange", 1, 5], ["continuous-subseqs", "odd?"], ["term-val", [9]]]'),
	('[["continuous-subseqs", "neg?"], ["term-val", [9]]]');
CREATE FUNCTION changed(pstate regclass, field text, path jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM rama.transform(pstate, jsonb_build_array('k', field) || path);
	RETURN coalesce(rama.get(pstate, 'k', field)::text, 'null');
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
CREATE FUNCTION wide(path jsonb) RETURNS jsonb LANGUAGE sql AS
$$ SELECT replace(replace(path::text, '[1, ["pred', '[1, "n", ["pred'), '"], 1, ["term"', '"], 1, "n", ["term"')::jsonb $$;
SELECT setseed(0.4);
CREATE TABLE results (id int, field text, path jsonb, before jsonb, rows text, json text);
DO $$
DECLARE
	c cases;
	v jsonb;
	w jsonb;
	p jsonb;
BEGIN
	FOR i IN 1 .. 25 LOOP
		FOR c IN SELECT * FROM cases ORDER BY id LOOP
			SELECT coalesce(jsonb_agg(x), '[]'), coalesce(jsonb_agg(jsonb_build_object('n', x, 's', jsonb_build_array(x::text, 'x'))), '[]') INTO v, w
			FROM (SELECT floor(random() * 8)::int AS x FROM generate_series(1, floor(random() * 10)::int)) r;
			PERFORM rama.put('rows', 'k', jsonb_build_object('chunked', v, 'wide', w)), rama.put('json', 'k', jsonb_build_object('chunked', v, 'wide', w));
			INSERT INTO results SELECT c.id, 'chunked', c.path, v, changed('rows', 'chunked', c.path), changed('json', 'chunked', c.path);
			p := wide(c.path);
			INSERT INTO results SELECT c.id, 'wide', p, w, changed('rows', 'wide', p), changed('json', 'wide', p)
			WHERE c.path ->> 0 !~ 'continuous' AND c.path::text !~ 'continuous|collect|100';
		END LOOP;
	END LOOP;
END $$;
SELECT count(*), count(*) FILTER (WHERE rows IS DISTINCT FROM json) AS differ, count(*) FILTER (WHERE rows ~ '^[0-9A-Z]{5}$') AS errors,
	count(*) FILTER (WHERE rows <> before::text) > 500 AS many_change FROM results;
SELECT field, path, before, rows, json FROM results WHERE rows IS DISTINCT FROM json ORDER BY id LIMIT 5;
SELECT rama.get('rows', 'k') = rama.get('json', 'k') AS same, (SELECT count(*) FROM rows_s) AS below,
	(SELECT sum(jsonb_array_length(x -> 's')) FROM jsonb_array_elements(rama.get('rows', 'k') -> 'wide') x) AS listed;

-- Longer than what fits into memory
DO $$ BEGIN PERFORM rama.push('rows', 'long', 'chunked', i) FROM generate_series(0, 24999) i; END $$;
SELECT rama.transform('rows', '["long", "chunked", ["indexed-vals"], ["selected?", [0, ["pred", "odd?"]]], 1, ["term-val", 0]]');
SELECT sum(e), count(*), max(index) FROM rows_chunked WHERE k = 'long';
SELECT rama.transform('rows', '["long", "chunked", ["indexed-vals"], ["selected?", [1, ["pred=", 0]]], ["NONE>"]]');
SELECT sum(e), count(*), max(index) FROM rows_chunked WHERE k = 'long';
SELECT rama.transform('rows', '["long", "chunked", ["indexed-vals"], ["selected?", [1, ["pred=", 24998]]], 0, ["term-val", 0]]');
SELECT rama.transform('rows', '["long", "chunked", ["indexed-vals"], ["selected?", [1, ["pred=", 4]]], 0, ["term-val", 12000]]');
SELECT rama.select('rows', '["long", "chunked", ["srange", 0, 3]]'), rama.get('rows', 'long', 'chunked', 12000), rama.count('rows', 'long', 'chunked');
SELECT rama.transform('rows', '["long", "chunked", ["continuous-subseqs", "<", 100], ["NONE>"]]');
SELECT rama.count('rows', 'long', 'chunked'), rama.get('rows', 'long', 'chunked', 0), rama.get('rows', 'long', 'chunked', 1);
-- The first run is found without reading what follows it.
SELECT rama.select('rows', '["long", "chunked", ["continuous-subseqs", ">", 12345], ["view", "count"]]') LIMIT 1;

SET client_min_messages = warning;
DROP SCHEMA indexed CASCADE;
