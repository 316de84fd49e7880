-- Paths and schemas: how long, how deep, how many; and errors that say where.
SET client_min_messages = warning;
CREATE SCHEMA path_limits;
SET search_path = path_limits;
SELECT rama.create_pstate('rows', 'map(k: text, struct(title: text, v: vector(e: int) subindex, m: map(mk: int, text) subindex, s: set(se: int) subindex))');
SELECT rama.create_pstate('doc', 'map(k: text, struct(title: text, v: vector(int), m: map(int, text), s: set(int)))');
SELECT rama.create_pstate('plain', 'map(k: text, jsonb)');
SELECT rama.put(p, 'a', '{"title": "t", "v": [1, 2, 3], "m": {"1": "x", "2": null}, "s": [1, 2, 3]}') FROM unnest('{rows,doc,plain}'::regclass[]) p;

-- what comes of a path on each, one line where they agree
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
CREATE FUNCTION write(path jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE r text[]; p text;
BEGIN
	FOREACH p IN ARRAY '{rows,doc,plain}'::text[] LOOP
		BEGIN
			PERFORM rama.transform(p::regclass, path);
			r := r || rama.get(p::regclass, 'a')::text;
		EXCEPTION WHEN OTHERS THEN
			r := r || (SQLSTATE || ' ' || SQLERRM);
		END;
	END LOOP;
	RETURN array_to_string(r, E'\n');
END $$;
\t on
\a

-- a null entry is there, a null field is not
SELECT show('["a", "m", ["must", 2]]');
SELECT show('["a", "m", ["must", 3]]');
SELECT show('["a", "m", 2]');
SELECT show('["a", ["must", "v", 2]]');
SELECT show('["a", ["must", "v", 3]]');
SELECT show('["b", ["must", "title"]]');
SELECT rama.get('rows', 'a', 'm', '["must", 2]'::jsonb), rama.put('rows', 'a', 'm', '["must", 2]'::jsonb, 'y'), rama.put('rows', 'a', 'm', '["must", 3]'::jsonb, 'z'), rama.get('rows', 'a', 'm');
SELECT rama.put('doc', 'a', 'm', '["must", 2]'::jsonb, 'y'), rama.put('doc', 'a', 'm', '["must", 3]'::jsonb, 'z'), rama.get('doc', 'a', 'm');
SELECT rama.put(p, 'a', 'm', 2, 'null'::jsonb) FROM unnest('{rows,doc,plain}'::regclass[]) p;
SELECT write('["a", "m", ["must", 2], ["term-val", "made"]]');
SELECT write('["a", "m", ["must", 3], ["term-val", "made"]]');

-- as one value
SET pg_rama.max_value_elements = 2;
SELECT show('["a", "v"]');
SELECT show('["a", "v", ["all"]]');
SELECT show('["a", "v", ["srange", 0, 2]]');
SELECT show('["a", "v", ["view", "count"]]');
SELECT show('["a", "v", ["view", "sum"]]');
SELECT show('["a", "v", ["subselect", [["all"]]]]');
SELECT show('["a", ["collect", ["v", ["all"]]], "title"]');
SELECT show('["a", "s", ["transformed", [["all"], ["term", "inc"]]]]');
SELECT show('["a", "s", ["sorted-set-range-from", 2]]');
RESET pg_rama.max_value_elements;

-- errors say which step, in branches, too
SELECT show('["a", ["multi-path", ["v", ["all"]], ["v", ["nht", 1]]]]');
SELECT show('["a", ["if-path", ["title"], ["v", ["subselect", [["al"]]]]]]');
SELECT show('["a", ["multi-path", ["title"], ["v", ["all"], ["view", "lower"]]]]');
SELECT show('["a", "v", ["all"], ["selected?", [["stay"], ["view", "upper"]]]]');
SELECT show('["a", "v", ["view", "cuont"]]');
SELECT show('["a", ["cond-path", [["stop"]], [], ["titel"], []]]');
SELECT show('["a", "v", ["all"], ["pred", "evne?"]]');
SELECT rama.select('rows', '["a", "v", ["view", "cuont"]]');
SELECT rama.select('rows', '["a", ["multi-path", ["title"], ["tilte"]]]');
SELECT rama.select('rows', '["a", ["multi-path", ["title"], [["mutli-path", []]]]]');
SELECT write('["a", ["multi-path", ["title", ["term", "upper"]], ["v", ["all"], ["term-val", "x"]]]]');
SELECT write('["a", "v", ["subselect", [["all"], ["pred>", 1]]], ["all"], ["term", "str", "x"]]');

-- where paths join, a step finds out what it came to
SELECT show('["a", ["multi-path", ["m"], ["v"]], ["map-vals"]]');
SELECT show('["a", ["multi-path", ["v"], ["m"]], ["indexed-vals"]]');
SELECT show('["a", ["multi-path", ["v"], ["s"]], ["index", 0]]');
SELECT show('["a", ["multi-path", ["v"], ["m"]], ["continuous-subseqs", "odd?"]]');
SELECT write('["a", ["multi-path", ["v"], ["m"]], ["after-elem"], ["term-val", 9]]');
SELECT write('["a", ["multi-path", ["v"], ["m"]], ["none-elem"], ["term-val", 9]]');
SELECT write('["a", ["multi-path", ["title"], ["v"]], ["end"], ["term-val", [9]]]');
SELECT write('["a", ["multi-path", [], ["v"]], ["must", 0], ["term-val", "x"]]');

-- deep and long ones
\set VERBOSITY sqlstate
SET max_stack_depth = '1MB';
SELECT rama.select('plain', (repeat('[["selected?", ', 10000) || '[]' || repeat(']]', 10000))::jsonb);
SELECT rama.select('plain', (repeat('[["subselect", ', 2000) || '[]' || repeat(']]', 2000))::jsonb);
SELECT count(*) FROM rama.select('plain', (repeat('[["selected?", ', 60) || '[]' || repeat(']]', 60))::jsonb);
SELECT rama.transform('plain', (repeat('[["multi-path", ', 2000) || '[["NONE>"]]' || repeat(']]', 2000))::jsonb);
SELECT rama.create_path('deep', (repeat('[["subselect", ', 2000) || '[]' || repeat(']]', 2000))::jsonb);
RESET max_stack_depth;
\set VERBOSITY default
SELECT count(*) FROM rama.select('plain', ('["a"' || repeat(', "abcdefghij"', 80000) || ']')::jsonb);
SELECT count(*) FROM rama.select('rows', ('[["submap", "a"' || repeat(', "abcdefghij"', 80000) || ']]')::jsonb);
SELECT count(*) FROM rama.select('plain', jsonb_build_array(repeat('k', 1000000)));
SELECT count(*) FROM rama.select('rows', jsonb_build_array('a', 'v', jsonb_build_array(repeat('k', 100))));
SELECT rama.create_pstate('x', repeat('map(int, ', 10000) || 'int' || repeat(')', 10000));
SELECT rama.create_pstate('x', repeat('vector(', 65) || 'int' || repeat(')', 65));
SELECT rama.create_pstate('x', repeat(' ', 70000) || 'int');
SELECT rama.create_pstate('x', 'map(int, struct(a: int, a: text))');
SELECT rama.create_pstate('x', 'map(int, txet)');
SELECT rama.create_pstate('x', 'map(int, vector(int) subindx)');

DROP SCHEMA path_limits CASCADE;
