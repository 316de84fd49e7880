--
-- rama.agg: values are combined with what is at a place
--
CREATE SCHEMA aggregate;
SET search_path = aggregate, public;

-- scalars: in a column, within JSON, in plain data
SELECT rama.create_pstate('rows', 'map(k: text, struct(total: bigint, n: int, low: int, high: numeric(10,2), every: boolean, some: boolean, opened: text, closed: text, more: struct(total: numeric, n: int)))');
SELECT rama.create_pstate('json', 'map(k: text, map(sub: int, struct(total: bigint, n: int, low: int, high: numeric(10,2), every: boolean, some: boolean, opened: text, closed: text, more: struct(total: numeric, n: int))))');
SELECT rama.create_pstate('plain', 'map(k: text, jsonb)');
CREATE PROCEDURE each(aggregator text, field text, VARIADIC v text[]) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. array_length(v, 1) LOOP
		PERFORM rama.agg('rows', aggregator, 'a', field, v[i]);
		PERFORM rama.agg('json', aggregator, 'a', 1, field, v[i]);
		CONTINUE WHEN aggregator = '+count';	-- what follows is a key there
		PERFORM rama.agg('plain', aggregator, 'a', field, CASE WHEN v[i] ~ '^[-0-9.]+$' OR v[i] IN ('true', 'false') THEN v[i]::jsonb ELSE to_jsonb(v[i]) END);
	END LOOP;
END $$;
CALL each('sum', 'total', '5', NULL, '7', '-2');
CALL each('+count', 'n', '5', NULL, '7');
CALL each('min', 'low', '5', NULL, '7', '-2');
CALL each('max', 'high', '5.25', NULL, '7.125', '-2');
CALL each('and', 'every', 'true', NULL);
CALL each('and', 'every', 'false', 'true');
CALL each('or', 'some', 'false', NULL);
CALL each('or', 'some', 'true', 'false');
CALL each('first', 'opened', NULL, 'x', 'y');
CALL each('last', 'closed', 'x', 'y', NULL);
TABLE rows;
TABLE json;
TABLE plain;
-- count without a value
SELECT rama.agg('rows', 'count', 'a', 'n'), rama.agg('rows', 'count', 'b', 'more', 'n'), rama.agg('json', 'count', 'a', 1, 'n'), rama.agg('plain', 'count', 'a', 'n');
SELECT n, more_n FROM rows ORDER BY k;
SELECT rama.get('json', 'a', 1, 'n'), rama.get('plain', 'a', 'n');
-- a PState that is one value
SELECT rama.create_pstate('one', 'bigint');
SELECT rama.agg('one', 'count'), rama.agg('one', 'count', NULL), rama.agg('one', 'sum', 5), rama.agg('one', 'max', 3);
SELECT rama.get('one');

-- several for the fields of a struct, in order
SELECT rama.agg('rows', 'sum, count, min', 'c', 10, 11, 12);
SELECT rama.agg('rows', 'sum, count, min', 'c', 10, 9);
SELECT rama.agg('rows', 'sum, count, min, max, and, or, first, last', 'c', 1, NULL, 1, 1, true, true, 'o', 'c');
SELECT rama.agg('rows', 'sum, count', 'c', 'more', 1.5);
SELECT rama.agg('json', 'sum, count, min', 'c', 1, 10, 11, 12);
SELECT rama.agg('json', 'sum, count', 'c', 1, 'more', 1.5);
SELECT rama.get('rows', 'c'), rama.get('json', 'c', 1);

-- collections with tables, within rows, and plain
SELECT rama.create_pstate('kept', 'map(k: text, struct(s: set(e: int) subindex, m: map(w: text, n: int) subindex, v: vector(e: text) subindex, js: set(int), jm: map(text, int), jv: vector(text), p: jsonb))');
SELECT rama.agg('kept', 'set', 'a', f, v) FROM unnest(ARRAY['s', 'js']) f, unnest(ARRAY[3, 1, 3, NULL, 2]) v;
SELECT rama.agg('kept', 'set-agg', 'a', 'p', 's', v) FROM unnest(ARRAY[3, 1, 3, NULL, 2]) v;
SELECT rama.get('kept', 'a');
SELECT rama.agg('kept', 'set-remove', 'a', 's', 1), rama.agg('kept', 'setRemove', 'a', 'js', 3), rama.agg('kept', '+set-remove-agg', 'a', 'p', 's', 3), rama.agg('kept', 'set-remove', 'a', 's', 100), rama.agg('kept', 'set-remove', 'a', 'p', 's', 100), rama.agg('kept', 'set-remove', 'b', 's', 100);
SELECT rama.agg('kept', 'multi-set', 'a', f, v) FROM unnest(ARRAY['m', 'jm']) f, unnest(ARRAY['x', 'y', NULL, 'x']) v;
SELECT rama.agg('kept', 'multiSet', 'a', 'p', 'm', v) FROM unnest(ARRAY['x', 'y', NULL, 'x']) v;
SELECT rama.agg('kept', 'map', 'a', f, v, 10) FROM unnest(ARRAY['m', 'jm']) f, unnest(ARRAY['z', 'y']) v;
SELECT rama.agg('kept', 'map', 'a', 'p', 'm', 'z', '{"any": 1}'::jsonb);
SELECT rama.agg('kept', 'list', 'a', f, v) FROM unnest(ARRAY['v', 'jv']) f, unnest(ARRAY['p', NULL, 'q']) v;
SELECT rama.agg('kept', 'vec-agg', 'a', 'p', 'v', v) FROM unnest(ARRAY['"p"', 'null', '[1]']::jsonb[]) v;
SELECT rama.agg('kept', 'merge', 'a', f, '{"x": 7, "new": 8}') FROM unnest(ARRAY['m', 'jm']) f;
SELECT rama.agg('kept', 'merge', 'a', 'p', 'm', '{"x": 7, "new": {"deep": 8}}'), rama.agg('kept', 'merge', 'a', 'p', '{"top": true}');
SELECT rama.agg('kept', 'merge', 'c', '{"js": [5], "m": {"w": 1}}'), rama.agg('kept', 'merge', 'c', '{"jm": {"j": 1}, "v": ["v"]}');
SELECT rama.get('kept', 'a'), rama.get('kept', 'b'), rama.get('kept', 'c');
SELECT rama.count('kept', 'a', 's'), rama.count('kept', 'a', 'm'), rama.count('kept', 'a', 'v');
-- first and last of collections; NONE
SELECT rama.agg('kept', 'last', 'c', 'v', '["w"]'), rama.agg('kept', 'first', 'c', 'v', '["x"]'), rama.agg('kept', 'first', 'c', 's', '[9]');
SELECT rama.agg('kept', 'NONE', 'c', 'm', 'w'), rama.agg('kept', '+NONE', 'c', 'js'), rama.agg('kept', 'voided', 'c', 's', 9);
SELECT rama.get('kept', 'c');
SELECT rama.agg('kept', 'NONE', 'b'), rama.agg('kept', 'NONE', 'b');
SELECT rama.count('kept');
-- several
SELECT rama.create_pstate('mixed', 'map(k: text, struct(total: bigint, tags: map(text, int) subindex, seen: set(text), mean: struct(sum: numeric, count: int, avg: numeric(10,2)), log: vector(int)))');
SELECT rama.agg('mixed', 'sum, map, set, avg, list', 'a', 5, 'tag', 1, 'me', 10, 1), rama.agg('mixed', 'sum, map, set, avg, list', 'a', 6, 'gat', 2, 'you', 11, 2);
SELECT rama.get('mixed', 'a');

-- avg
SELECT rama.agg('mixed', 'avg', 'b', 'mean', v) FROM unnest(ARRAY[1, 2, NULL, 2]) v;
SELECT rama.get('mixed', 'b');
SELECT rama.create_pstate('means', 'map(k: text, map(sub: int, struct(sum: bigint, count: bigint)))');
SELECT rama.agg('means', 'avg', 'b', 1, v) FROM unnest(ARRAY[1, 2, NULL, 2]) v;
SELECT rama.get('means', 'b');
-- top-monotonic: the newest item of each id, the best first
SELECT rama.create_pstate('top', 'map(k: text, struct(j: vector(struct(id: int, score: int)), t: vector(struct(id: int, score: int)) subindex, p: jsonb, one: vector(int), exact: struct(top: vector(struct(id: int, score: int)), rest: map(item: int, struct(id: int, score: int)) subindex), exact_json: struct(top: vector(jsonb), rest: map(text, jsonb))))');
CREATE PROCEDURE item(id int, score int) LANGUAGE plpgsql AS $$
DECLARE i jsonb = jsonb_build_object('id', id, 'score', score);
BEGIN
	PERFORM rama.agg('top', 'top-monotonic(3, id, score)', 'a', 'j', i);
	PERFORM rama.agg('top', 'top-monotonic(3, id, score)', 'a', 't', i::text);
	PERFORM rama.agg('top', 'topMonotonic', 'a', 'p', 'list', i, '{"n": 3, "id-fn": "id", "sortValFunction": "score"}');
	PERFORM rama.agg('top', '+top-monotonic(3, id, score, descending)', 'a', 'exact', i);
	PERFORM rama.agg('top', 'top-monotonic', 'a', 'exact_json', i, '{"n": 3, "id": "id", "sort": "score", "order": "descending"}'::jsonb);
	PERFORM rama.agg('top', 'top-monotonic(3, id, score, ascending)', 'low', 'exact', i);
	PERFORM rama.agg('top', 'top-monotonic(2)', 'a', 'one', score);
END $$;
CREATE PROCEDURE items(VARIADIC v int[]) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. array_length(v, 1) BY 2 LOOP CALL item(v[i], v[i + 1]); END LOOP;
END $$;
CALL items(1, 10, 2, 20, 3, 5, 4, 15);
SELECT rama.get('top', 'a', 'j'), rama.get('top', 'a', 't'), rama.get('top', 'a', 'p'), rama.get('top', 'a', 'one');
SELECT rama.get('top', 'a', 'exact'), rama.get('top', 'a', 'exact_json');
SELECT rama.get('top', 'low', 'exact');
-- better, worse but still there, equal scores by id, no score
CALL items(1, 30, 2, 12, 6, 12, 5, 12, 7, NULL);
SELECT rama.get('top', 'a', 'j'), rama.get('top', 'a', 't'), rama.get('top', 'a', 'exact');
-- scores that fall: with the rest, those that were displaced come back
CALL items(1, 1, 4, 2);
SELECT rama.get('top', 'a', 'j'), rama.get('top', 'a', 't'), rama.get('top', 'a', 'exact');
SELECT rama.get('top', 'a', 'exact_json', 'top'), rama.get('top', 'low', 'exact', 'top');
-- limit
SELECT rama.agg('top', 'limit(2)', 'l', 'one', v), rama.agg('top', 'limit(3, score)', 'l', 'j', jsonb_build_object('id', v, 'score', v % 3)), rama.agg('top', 'limitAgg(3, score, reverse)', 'l', 't', jsonb_build_object('id', v, 'score', v % 3)), rama.agg('top', '+limit', 'l', 'p', v::text::jsonb, '{"n": 2}') FROM generate_series(5, 1, -1) v;
SELECT rama.get('top', 'l');

-- aggregates of SQL
SELECT rama.create_pstate('sql', 'map(k: text, struct(bits: bigint, bools: boolean, floats: float8[], dev: struct(state: float8[], value: numeric(10,4)), ints: struct(state: bigint[], value: numeric), arr: text[], own: jsonb, slope: struct(state: float8[], value: float8)))');
CREATE FUNCTION own_step(jsonb, jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_build_array($1, $2) $$;
CREATE AGGREGATE own(jsonb) (SFUNC = own_step, STYPE = jsonb, COMBINEFUNC = own_step, INITCOND = '"begin"');
CREATE AGGREGATE "Cat"(anycompatiblearray) (SFUNC = array_cat, STYPE = anycompatiblearray, COMBINEFUNC = array_cat, INITCOND = '{}');
CREATE AGGREGATE alone(int) (SFUNC = int4pl, STYPE = int);
SELECT rama.agg('sql', 'bit_or', 'a', 'bits', v), rama.agg('sql', 'bool_and', 'a', 'bools', v < 3) FROM unnest(ARRAY[1, 4]) v;
SELECT rama.agg('sql', 'bit_or', 'a', 'bits', v), rama.agg('sql', 'every', 'a', 'bools', v < 3), rama.agg('sql', 'pg_catalog.stddev', 'a', 'floats', v), rama.agg('sql', 'stddev', 'a', 'dev', v), rama.agg('sql', 'pg_catalog.avg', 'a', 'ints', v), rama.agg('sql', 'own', 'a', 'own', v::text::jsonb), rama.agg('sql', 'aggregate."Cat"', 'a', 'arr', '{x,y}'), rama.agg('sql', 'regr_slope', 'a', 'slope', v * 2, v) FROM unnest(ARRAY[1, 4, NULL, 6]) v;
SELECT bits, bools, floats, dev_state, dev_value, ints_state, ints_value, own, arr, slope_value FROM sql;
SELECT stddev(v::float8)::numeric(10,4), avg(v) FROM unnest(ARRAY[1, 4, NULL, 6]) v;
SELECT rama.agg('sql', 'NONE', 'a');

-- errors
\set VERBOSITY terse
\set SHOW_CONTEXT never
CREATE PROCEDURE refused(pstate regclass, aggregator text, VARIADIC a rama.value[]) LANGUAGE plpgsql AS $$
DECLARE message text; detail text; hint text;
BEGIN
	PERFORM rama.agg(pstate, aggregator, VARIADIC a);
	RAISE NOTICE 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RAISE NOTICE '% % | % | %', SQLSTATE, message, detail, hint;
END $$;
CALL refused('rows', 'summ', 'a', 'total', 1);
CALL refused('rows', 'topMonotonik(3)', 'a', 'total', 1);
CALL refused('rows', 'SUM', 'a', 'total', 1);
CALL refused('rows', 'nothing.like_it', 'a', 'total', 1);
CALL refused('rows', 'sum(3)', 'a', 'total', 1);
CALL refused('rows', 'sum,', 'a', 'total', 1);
CALL refused('rows', '', 'a', 'total', 1);
CALL refused('rows', 'alone', 'a', 'n', 1);
CALL refused('rows', 'lower', 'a', 'n', 1);
CALL refused('sql', 'stddev', 'a', 'bits', 1);
CALL refused('sql', 'string_agg', 'a', 'bits', 'x', 'y');
CALL refused('rows', 'sum', 'a', 'opened', 1);
CALL refused('rows', 'sum', 'a', 1);
CALL refused('rows', 'set', 'a', 'total', 1);
CALL refused('rows', 'avg', 'a', 'more', 1);
CALL refused('kept', 'list', 'a', 's', 1);
CALL refused('kept', 'set', 'a', 's', 1, 2);
CALL refused('rows', 'sum', 'a', 'total', 'x');
CALL refused('rows', 'sum', 'a', 'total', 9223372036854775807);
CALL refused('rows', 'sum', 'a', 'nothing', 1);
SELECT rama.agg('rows', 'sum');
CALL refused('rows', 'map', 'a');
CALL refused('kept', 'map', 'a', 'm', NULL, 1);
CALL refused('kept', 'merge', 'a', 'm', '[1]');
CALL refused('kept', 'merge', 'a', 'p', '[1]');
CALL refused('kept', 'set', 'a', 'p', 'top', 1);
CALL refused('rows', 'sum, max', 'a', 'total', 1, 2);
CALL refused('rows', 'or, and', 'a', true, true);
CALL refused('top', 'top-monotonic', 'a', 'j', '{"id": 1}');
CALL refused('top', 'top-monotonic', 'a', 'j', '{"id": 1}', '{"n": 0}');
CALL refused('top', 'top-monotonic', 'a', 'j', '{"id": 1}', '{"n": "3"}');
CALL refused('top', 'top-monotonic', 'a', 'j', '{"id": 1}', '{"m": 3}');
CALL refused('top', 'top-monotonic', 'a', 'j', '{"id": 1}', '{"id": "id"}');
CALL refused('top', 'top-monotonic', 'a', 'j', '{"id": 1}', '{"n": 3, "id": 5}');
CALL refused('top', 'top-monotonic', 'a', 'j', '{"id": 1}', '{"n": 3, "order": "up"}');
CALL refused('top', 'top-monotonic', 'a', 'j', '{"id": 1}', '{"n": 3, "reverse": 1}');
CALL refused('top', 'top-monotonic(0, id)', 'a', 'j', '{"id": 1}');
CALL refused('top', 'top-monotonic(x)', 'a', 'j', '{"id": 1}');
CALL refused('top', 'top-monotonic()', 'a', 'j', '{"id": 1}');
CALL refused('top', 'top-monotonic(3, id', 'a', 'j', '{"id": 1}');
CALL refused('top', 'top-monotonic(3, id, score, ascending, more)', 'a', 'j', '{"id": 1}');
CALL refused('top', 'limit(3, id, score)', 'a', 'j', '{"id": 1}');
CALL refused('top', 'top-monotonic(3, di)', 'a', 'j', '{"id": 1}');
CALL refused('top', 'top-monotonic(3, id, core)', 'a', 'j', '{"id": 1}');
CALL refused('top', 'top-monotonic(3, id, score)', 'a', 'j', '{"score": 1}');
CALL refused('top', 'top-monotonic(3, id, score)', 'a', 'j', '{"id": "x"}');
CALL refused('top', 'top-monotonic(3, id, score)', 'a', 'one', 1);
CALL refused('kept', 'top-monotonic(3)', 'a', 's', 1);
SELECT rama.agg(NULL, 'sum', 1);
SELECT rama.agg('one', NULL, 1);
\set VERBOSITY default

-- privileges: to insert and update, to remove also to delete; EXECUTE on aggregates
CREATE ROLE regress_rama_agg;
GRANT USAGE ON SCHEMA aggregate TO regress_rama_agg;
GRANT INSERT ON kept, sql TO regress_rama_agg;
SET ROLE regress_rama_agg;
SELECT rama.agg('kept', 'set', 'a', 's', 7);
RESET ROLE;
GRANT UPDATE ON kept, sql TO regress_rama_agg;
REVOKE EXECUTE ON FUNCTION own(jsonb) FROM PUBLIC;
SET ROLE regress_rama_agg;
SELECT rama.agg('kept', 'set', 'a', 's', 7);
SELECT rama.agg('kept', 'set-remove', 'a', 's', 7);
SELECT rama.agg('kept', 'NONE', 'a');
SELECT rama.agg('sql', 'own', 'b', 'own', '1');
RESET ROLE;
GRANT DELETE ON kept TO regress_rama_agg;
GRANT EXECUTE ON FUNCTION own(jsonb) TO regress_rama_agg;
REVOKE EXECUTE ON FUNCTION own_step(jsonb, jsonb) FROM PUBLIC;
SET ROLE regress_rama_agg;
SELECT rama.agg('kept', 'set-remove', 'a', 's', 7);
SELECT rama.agg('sql', 'own', 'b', 'own', '1');
RESET ROLE;
SELECT rama.get('sql', 'b', 'own'), rama.get('kept', 'a', 's');
REVOKE ALL ON SCHEMA aggregate FROM regress_rama_agg;
REVOKE ALL ON kept, sql FROM regress_rama_agg;
REVOKE ALL ON FUNCTION own(jsonb) FROM regress_rama_agg;
DROP ROLE regress_rama_agg;

-- versions: what changes nothing is none
SELECT version FROM rama.pstates WHERE name = 'one' AND module = 'aggregate';
SELECT rama.agg('one', 'max', 0), rama.agg('one', 'sum', NULL);
SELECT version FROM rama.pstates WHERE name = 'one' AND module = 'aggregate';
SET client_min_messages = warning;
DROP SCHEMA aggregate CASCADE;
