-- The same random operations on a PState whose collections have tables and on
-- one that keeps them as JSON give the same results, errors and values.
SET client_min_messages = warning;
CREATE SCHEMA path_oracle;
SET search_path = path_oracle;
SELECT rama.create_pstate('rows', $$map(k: text, struct(n: bigint,
	m: map(mk: int, numeric) subindex, s: set(se: text) subindex, v: vector(ve: int) subindex,
	mm: map(a: text, map(b: int, jsonb) subindex) subindex,
	d: vector(struct(x: int, t: set(te: int) subindex, u: struct(y: text))) subindex))$$);
SELECT rama.create_pstate('doc', $$map(k: text, struct(n: bigint,
	m: map(mk: int, numeric), s: set(se: text), v: vector(ve: int), mm: map(a: text, map(b: int, jsonb)),
	d: vector(struct(x: int, t: set(te: int), u: struct(y: text)))))$$);

-- one operation, as jsonb of its function, keys and value
CREATE FUNCTION apply(pstate regclass, f text, args rama.value[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
	CASE f
		WHEN 'put' THEN PERFORM rama.put(pstate, VARIADIC args);
		WHEN 'add' THEN result := rama.add(pstate, VARIADIC args);
		WHEN 'push' THEN result := rama.push(pstate, VARIADIC args);
		WHEN 'remove' THEN result := rama.remove(pstate, VARIADIC args);
	END CASE;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;

CREATE FUNCTION pick(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE
RETURN choices[1 + floor(random() * cardinality(choices))::int];

CREATE FUNCTION num(below int) RETURNS text LANGUAGE sql VOLATILE
RETURN floor(random() * below)::int::text;

CREATE FUNCTION random_op() RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	k text := pick('a', 'b', 'c');
	vector text := (SELECT '[' || coalesce(string_agg(i::text, ','), '') || ']' FROM generate_series(1, floor(random() * 4)::int) i);
	object text := (SELECT '{' || coalesce(string_agg(format('"%s": %s', i * 3, i), ','), '') || '}' FROM generate_series(1, floor(random() * 4)::int) i);
BEGIN
	RETURN CASE floor(random() * 26)::int
		WHEN 0 THEN ARRAY['add', k, 'n', num(9)]
		WHEN 1 THEN ARRAY['put', k, 'n', num(9)]
		WHEN 2 THEN ARRAY['put', k, 'm', num(20), num(9)]
		WHEN 3 THEN ARRAY['add', k, 'm', num(20), '0.5']
		WHEN 4 THEN ARRAY['remove', k, 'm', num(20)]
		WHEN 5 THEN ARRAY['put', k, 'm', object]
		WHEN 6 THEN ARRAY['push', k, 's', 'e' || num(9)]
		WHEN 7 THEN ARRAY['remove', k, 's', 'e' || num(9)]
		WHEN 8 THEN ARRAY['push', k, 'v', num(99)]
		WHEN 9 THEN ARRAY['put', k, 'v', num(5), num(99)]
		WHEN 10 THEN ARRAY['remove', k, 'v', num(5)]
		WHEN 11 THEN ARRAY['put', k, 'v', vector]
		WHEN 12 THEN ARRAY['push', k, 'd', format('{"x": %s, "t": %s}', num(9), vector)]
		WHEN 13 THEN ARRAY['put', k, 'd', num(4), 'x', num(9)]
		WHEN 14 THEN ARRAY['push', k, 'd', num(4), 't', num(9)]
		WHEN 15 THEN ARRAY['remove', k, 'd', num(4)]
		WHEN 16 THEN ARRAY['put', k, 'd', num(4), 'u', 'y', 'why' || num(9)]
		WHEN 17 THEN ARRAY['remove', k, 'd', num(4), pick('x', 't', 'u')]
		WHEN 18 THEN ARRAY['put', k, 'mm', pick('p', 'q'), num(9), object]
		WHEN 19 THEN ARRAY['remove', k, 'mm', pick('p', 'q', 'r')]
		WHEN 20 THEN ARRAY['put', k, 'mm', pick('p', 'q'), num(9), pick('x', 'y'), num(9)]
		WHEN 21 THEN ARRAY['remove', k, 'mm', pick('p', 'q'), num(9)]
		WHEN 22 THEN ARRAY['remove', k, pick('n', 'm', 's', 'v', 'mm', 'd')]
		WHEN 23 THEN ARRAY['put', k, pick('m', 's', 'v', 'mm', 'd'), NULL]
		WHEN 24 THEN CASE WHEN random() < 0.2 THEN ARRAY['remove', k] ELSE ARRAY['add', k, 'm', num(20), '1'] END
		ELSE CASE WHEN random() < 0.3 THEN
			ARRAY['put', k, format('{"n": %s, "m": %s, "v": %s, "s": ["x", "w"], "d": [{"x": 1, "t": %s, "u": {}}]}', num(9), object, vector, vector)]
			ELSE ARRAY['push', k, 'v', 'nonsense'] END
	END;
END $$;

CREATE TABLE paths (path jsonb);
INSERT INTO paths
SELECT jsonb_build_array(k) || rest FROM unnest(ARRAY['a', 'b', 'c']) k, (VALUES
	('["m", ["all"]]'::jsonb), ('["m", ["map-keys"]]'), ('["m", ["first"]]'), ('["m", ["last"], 1]'), ('["m", ["view", "count"]]'), ('["m", 6]'),
	('["m", ["sorted-map-range", 3, 9]]'), ('["m", ["sorted-map-range-from", 4, 2], ["map-vals"]]'), ('["m", ["sorted-map-range-to", 9, 2]]'),
	('["m", ["sorted-map-range-to", 9, {"inclusive?": true, "max-amt": 2}], ["first"]]'), ('["m", ["sorted-map-range-to-end", 2], ["sorted-map-range-from-start", 1]]'),
	('["m", ["sorted-map-range", 2, 12], ["view", "count"]]'), ('["m", ["sorted-map-range-from", 5], 6]'), ('["m", ["sorted-map-range-from-start", 0]]'),
	('["s", ["all"]]'), ('["s", ["sorted-set-range", "e2", "e6"]]'), ('["s", ["sorted-set-range-to-end", 2], ["first"]]'), ('["s", ["sorted-set-range-to", "e5", 1]]'),
	('["s", "e3"]'), ('["s", ["must", "e4"]]'), ('["s", ["last"]]'), ('["s", ["view", "size"]]'),
	('["v", ["all"]]'), ('["v", 1]'), ('["v", ["nth", 2]]'), ('["v", ["srange", 1, 3]]'), ('["v", ["srange", 1, 4], ["srange", 1, 2], ["all"]]'), ('["v", ["srange", 1, 9], ["last"]]'),
	('["v", ["srange", 1, 9], 0]'), ('["v", ["first"]]'), ('["v", ["must", 2]]'),
	('["d", ["all"], "x"]'), ('["d", ["all"], "t", ["all"]]'), ('["d", ["last"], "t", ["view", "count"]]'), ('["d", ["srange", 0, 2], ["all"], "u", "y"]'), ('["d", 0]'), ('["d", 1, "t"]'),
	('["d", ["all"], ["must", "u"]]'), ('["d", ["all"], ["must", "t"], ["first"]]'),
	('["mm", "p"]'), ('["mm", ["map-vals"], ["all"]]'), ('["mm", ["all"], 1, ["map-keys"]]'), ('["mm", "q", ["last"], 1, "x"]'), ('["mm", "p", ["map-vals"], ["view", "count"]]'),
	('["v", ["all"], ["pred>", 50]]'), ('["v", ["filterer", [["pred", "odd?"]]], ["srange", 1, 3]]'), ('["v", ["continuous-subseqs", "even?"]]'), ('["v", ["indexed-vals"], ["selected?", [1, ["pred<", 50]]]]'),
	('["v", ["srange-dynamic", ["min", 1], "count"]]'), ('["v", ["srange", 1, 4], ["view", "last"]]'), ('["v", ["subselect", [["all"]]], ["view", "sum"]]'), ('["v", ["index", 2]]'),
	('["m", ["submap", 3, 6, 9]]'), ('["m", ["sorted-map-range-from", 5], ["submap", [3, 6, 9]], ["map-vals"]]'), ('["m", ["view", "keys"]]'), ('["m", ["sorted-map-range", 3, 9], ["view", "vals"]]'), ('["m", ["map-key", 6]]'),
	('["m", ["all"], ["collect-one", [0]], 1, ["pred>=", 1]]'), ('["m", ["view", "contains?", 3]]'), ('["s", ["subset", ["e3", "e1", "x"]]]'), ('["s", ["set-elem", "e2"]]'), ('["s", ["nil->val", ["none"]]]'),
	('["d", ["filterer", ["t", ["all"]]], ["all"], "t", ["first"]]'), ('["d", ["all"], ["if-path", ["t", ["must", 2]], ["t", ["all"]], ["x"]]]'), ('["d", ["all"], ["multi-path", ["x"], ["t"], ["u", "y"]]]'),
	('["mm", ["submap", ["p", "r"]], ["map-vals"], ["last"]]'), ('["mm", ["map-vals"], ["filterer", [1, ["pred=", 1]]]]'), ('[["multi-path", ["m"], ["mm"], ["v"]], ["view", "count"]]'), ('[["multi-path", ["m"], ["mm"]], ["all"], 1]'),
	('[["cond-path", ["v", ["all"]], ["v", ["last"]], ["s", ["all"]], ["s"], [], ["n"]]]'), ('["n", ["nil->val", 0], ["view", "+", 1]]'), ('["n", ["pred", "some?"]]'),
	('[["map-keys"]]'), ('[["view", "count"]]'), ('[]')) r(rest);

CREATE FUNCTION selected(pstate regclass, path jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT jsonb_agg(x) FROM rama.select(pstate, path) x);
EXCEPTION WHEN OTHERS THEN
	RETURN to_jsonb(SQLSTATE);
END $$;

CREATE FUNCTION run(seed float8, operations int) RETURNS TABLE (operation int, what text, rows text, doc text) LANGUAGE plpgsql AS $$
DECLARE
	op text[];
	args rama.value[];
	p jsonb;
BEGIN
	PERFORM setseed(seed);
	FOR i IN 1..operations LOOP
		op := random_op();
		args := op[2:];
		rows := apply('rows', op[1], args);
		doc := apply('doc', op[1], args);
		operation := i;
		what := op::text;
		IF rows IS DISTINCT FROM doc THEN
			RETURN NEXT;
		END IF;
		rows := rama.get('rows');
		doc := rama.get('doc');
		IF rows IS DISTINCT FROM doc THEN
			RETURN NEXT;
			RETURN;
		END IF;
		IF i % 10 = 0 THEN
			FOR p IN SELECT path FROM paths LOOP
				rows := selected('rows', p);
				doc := selected('doc', p);
				what := p::text;
				IF rows IS DISTINCT FROM doc THEN
					RETURN NEXT;
				END IF;
			END LOOP;
		END IF;
	END LOOP;
END $$;
SELECT * FROM run(0.1, 300);
SELECT * FROM run(0.2, 300);
SELECT * FROM run(0.3, 300);
SELECT rama.count('rows') > 0 AS has_entries, (SELECT count(*) FROM rows_t) > 0 AS has_elements;

-- counts are those of the tables
SELECT k FROM rows r WHERE m_count IS DISTINCT FROM nullif((SELECT count(*) FROM rows_m x WHERE x.k = r.k), 0) AND m_count <> 0
	OR s_count <> (SELECT count(*) FROM rows_s x WHERE x.k = r.k) OR v_count <> (SELECT count(*) FROM rows_v x WHERE x.k = r.k)
	OR d_count <> (SELECT count(*) FROM rows_d x WHERE x.k = r.k) OR mm_count <> (SELECT count(*) FROM rows_mm x WHERE x.k = r.k);

DROP SCHEMA path_oracle CASCADE;
