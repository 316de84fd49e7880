-- One module of the model test: PStates of every shape, an interpreter of the
-- programs that events carry, and a topology that runs it. Variables: :module,
-- :kind, :form (each or sql), :mirror, :options.
CREATE SCHEMA :module;
SET search_path = :module;
SET client_min_messages = warning;

SELECT rama.create_depot('events', 'id int NOT NULL, program jsonb NOT NULL');
SELECT rama.create_pstate(name, schema) FROM json_each_text(:'schemas') AS s (name, schema);

-- What PStates may have of the user's
CREATE INDEX tx_n ON tx (n);
CREATE INDEX tx_upper ON tx (upper(k)) WHERE n > 3;
CREATE INDEX nest_j_t ON nest_j (left(t, 40), n);
ALTER TABLE tx ADD CONSTRAINT small CHECK (n < 1000000000);

CREATE TABLE log (id int, batch bigint, results text[]);
CREATE TABLE batches (batch bigint, upto int, digest text);
CREATE TABLE plain (k text, n bigint);
CREATE TABLE fires (k text);
CREATE TABLE defers (k text);
CREATE SEQUENCE flaky;

-- Counts that are not those of the rows, elements that are not in place
CREATE VIEW wrong AS
	SELECT 'nest' AS what, k FROM nest o
	WHERE coalesce(j_count, 0) <> (SELECT count(*) FROM nest_j i WHERE i.k = o.k)
	UNION ALL
	SELECT 'nest_j', k FROM nest_j o
	WHERE coalesce(v_count, 0) <> (SELECT count(*) FROM nest_v i WHERE (i.k, i.j) = (o.k, o.j))
		OR coalesce(s_count, 0) <> (SELECT count(*) FROM nest_s i WHERE (i.k, i.j) = (o.k, o.j))
	UNION ALL
	SELECT 'nest_v', k FROM nest_v GROUP BY k, j HAVING min(index) <> 0 OR max(index) <> count(*) - 1
	UNION ALL
	SELECT 'orphan', k FROM nest_v FULL JOIN nest_s USING (k, j) LEFT JOIN nest_j o USING (k, j) WHERE o.k IS NULL
	UNION ALL
	SELECT 'bulk', i::text FROM bulk o WHERE coalesce(v_count, 0) <> (SELECT count(*) FROM bulk_v v WHERE v.i = o.i)
	UNION ALL
	SELECT 'chunks', k FROM nest_v_chunk GROUP BY k, j
	HAVING max(chunk) <> 9223372036854775807 OR bool_or(count <> cardinality(elements))
		OR (max(first) IS NOT NULL AND max(first) <> sum(count) FILTER (WHERE chunk < 9223372036854775807))
	UNION ALL
	SELECT 'vec', index::text FROM vec o
	WHERE coalesce(cards_count, 0) <> (SELECT count(*) FROM vec_cards c WHERE c.index = o.index)
	UNION ALL
	SELECT 'vec', NULL FROM vec HAVING max(index) <> count(*) - 1 OR min(index) <> 0;

-- Reading the relations from within functions, triggers and constraints
CREATE FUNCTION read_stable(key text) RETURNS bigint LANGUAGE sql STABLE AS
	'SELECT n FROM tx WHERE k = key';
CREATE FUNCTION read_immutable(key text) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS
	'BEGIN RETURN (SELECT n FROM tx WHERE k = key); END';
CREATE FUNCTION read_volatile(key text) RETURNS bigint LANGUAGE sql VOLATILE AS
	'SELECT n FROM tx WHERE k = key';
CREATE FUNCTION add_volatile(key text, amount bigint) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM rama.add('tx', key, amount);
	RETURN read_volatile(key) || ' ' || read_stable(key) || ' ' || rama.get('tx', key) || ' ' || (SELECT count(*) FROM tx);
END $$;
CREATE FUNCTION read_parallel(lowest bigint) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT count(*) || ' ' || coalesce(sum(n), 0) FROM tx WHERE n >= lowest;
END $$;
CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM rama.add('tx', NEW.k, 1);
	INSERT INTO plain SELECT 't' || k, n FROM tx WHERE k = NEW.k;
	RETURN NULL;
END $$;
CREATE TRIGGER fire AFTER INSERT ON fires FOR EACH ROW EXECUTE FUNCTION fire();
CREATE FUNCTION small_enough(key text) RETURNS boolean LANGUAGE sql STABLE AS
	'SELECT coalesce((SELECT n < 100000 FROM tx WHERE k = key), true)';
ALTER TABLE fires ADD CHECK (small_enough(k));
CREATE FUNCTION fire_late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM rama.add('late', NEW.k, 1);
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER fire_late AFTER INSERT ON defers DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION fire_late();

-- JSON strings are text arguments, everything else is JSON
CREATE FUNCTION arguments(a jsonb) RETURNS rama.value[] LANGUAGE plpgsql AS $$
DECLARE
	args rama.value[] := '{}';
	x jsonb;
BEGIN
	FOR x IN SELECT jsonb_array_elements(a) LOOP
		IF jsonb_typeof(x) = 'string' THEN
			args := args || (x #>> '{}')::rama.value;
		ELSIF jsonb_typeof(x) = 'null' THEN
			args := args || NULL::rama.value;
		ELSE
			args := args || x::rama.value;
		END IF;
	END LOOP;
	RETURN args;
END $$;

CREATE FUNCTION by_path(op jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	p regclass := (op->>'p')::regclass;
	args rama.value[] := arguments(op->'a');
	r text;
BEGIN
	CASE op->>'o'
		WHEN 'put' THEN PERFORM rama.put(p, VARIADIC args);
		WHEN 'add' THEN r := rama.add(p, VARIADIC args);
		WHEN 'push' THEN r := rama.push(p, VARIADIC args);
		WHEN 'remove' THEN r := rama.remove(p, VARIADIC args)::int;
		WHEN 'get' THEN r := rama.get(p, VARIADIC args);
		WHEN 'count' THEN r := rama.count(p, VARIADIC args);
		WHEN 'select' THEN SELECT string_agg(s::text, ',') INTO r FROM rama.select(p, op->'a') s;
	END CASE;
	RETURN r;
END $$;

CREATE FUNCTION with_cursor(op jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	c refcursor;
	x record;
	r text := '';
BEGIN
	IF op->>'o' = 'loop' THEN
		FOR x IN SELECT k, n FROM tx WHERE n >= (op->>'n')::bigint ORDER BY k LOOP
			r := r || x.k || x.n || ' ';
			PERFORM rama.add('tx', x.k, 1), rama.remove('tx', chr(ascii(x.k) + 1));
		END LOOP;
		RETURN r || (SELECT count(*) FROM tx);
	END IF;
	OPEN c FOR SELECT k, n FROM tx ORDER BY k;
	PERFORM rama.add('tx', 'a', 1);
	LOOP
		FETCH c INTO x;
		EXIT WHEN NOT FOUND;
		r := r || x.k || coalesce(x.n, 0) || ' ' || read_volatile('a') || ' ';
		PERFORM rama.add('tx', 'a', 1);
	END LOOP;
	CLOSE c;
	RETURN r;
END $$;

CREATE FUNCTION by_sql(op jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	key text := op->>'k';
	number bigint := op->>'n';
	r text;
	rows bigint;
BEGIN
	CASE op->>'o'
		WHEN 'many' THEN
			SELECT string_agg(rama.add('tx', x->>0, (x->>1)::bigint)::text, ',' ORDER BY i) INTO r
			FROM jsonb_array_elements(op->'r') WITH ORDINALITY AS t (x, i);
		WHEN 'scanadd' THEN
			SELECT sum(n) || '/' || sum(rama.add('tx', k, number)) INTO r FROM tx;
		WHEN 'scanremove' THEN
			SELECT count(*) FILTER (WHERE rama.remove('nest', k, j)) INTO r FROM nest_j WHERE k = key AND j % 2 = number;
		WHEN 'fill' THEN
			SELECT count(rama.put('bulk', i, 'n', i * number)) INTO r
			FROM generate_series((op->>'from')::int, (op->>'to')::int) i WHERE key IS NULL;
			SELECT count(rama.push('bulk', i, 'v', number)) INTO r
			FROM (SELECT i FROM generate_series((op->>'from')::int, (op->>'to')::int) i ORDER BY md5(i::text)) x WHERE key = 'v';
		WHEN 'unfill' THEN
			SELECT count(*) FILTER (WHERE rama.remove('bulk', i)) INTO r
			FROM generate_series((op->>'from')::int, (op->>'to')::int) i;
		WHEN 'sumbulk' THEN
			SELECT concat_ws(' ', count(DISTINCT b.i), sum(n), sum(x), count(x)) INTO r
			FROM bulk b LEFT JOIN bulk_v USING (i) WHERE i >= number;
		WHEN 'point' THEN SELECT n INTO r FROM tx WHERE k = key;
		WHEN 'sum' THEN SELECT count(*) || ' ' || coalesce(sum(n), 0) INTO r FROM tx WHERE n >= number;
		WHEN 'join' THEN
			SELECT concat_ws(' ', count(*), count(nest_j.n), count(e), sum(v_count)) INTO r
			FROM nest LEFT JOIN nest_j USING (k) LEFT JOIN nest_v USING (k, j) WHERE k = key;
		WHEN 'insert' THEN
			INSERT INTO plain SELECT k, n FROM tx WHERE n >= number;
			GET DIAGNOSTICS r = ROW_COUNT;
		WHEN 'delete' THEN
			DELETE FROM plain WHERE k IN (SELECT k FROM tx WHERE n >= number);
			GET DIAGNOSTICS r = ROW_COUNT;
		WHEN 'update' THEN
			UPDATE plain SET n = tx.n FROM tx WHERE tx.k = plain.k;
			GET DIAGNOSTICS r = ROW_COUNT;
		WHEN 'back' THEN SELECT count(rama.put('other', k, n)) INTO r FROM (SELECT k, max(n) AS n FROM plain GROUP BY k) x;
		WHEN 'stable' THEN SELECT string_agg(coalesce(read_stable(x)::text, '~'), ' ' ORDER BY i) INTO r FROM unnest(ARRAY[key, 'a', 'b']) WITH ORDINALITY u (x, i);
		WHEN 'immutable' THEN SELECT string_agg(coalesce(read_immutable(x)::text, '~'), ' ' ORDER BY i) INTO r FROM unnest(ARRAY[key, 'a', 'b']) WITH ORDINALITY u (x, i);
		WHEN 'volatile' THEN SELECT string_agg(coalesce(read_volatile(x)::text, '~'), ' ' ORDER BY i) INTO r FROM unnest(ARRAY[key, 'a', 'b']) WITH ORDINALITY u (x, i);
		WHEN 'addvolatile' THEN SELECT string_agg(add_volatile(x, number), ' ' ORDER BY i) INTO r FROM unnest(ARRAY[key, 'a', key]) WITH ORDINALITY u (x, i);
		WHEN 'fire' THEN INSERT INTO fires VALUES (key), ('a');
		WHEN 'defer' THEN INSERT INTO defers VALUES (key), ('a');
		WHEN 'copy' THEN
			COPY tx TO '/dev/null';
			GET DIAGNOSTICS r = ROW_COUNT;
		WHEN 'ctas' THEN
			CREATE TEMP TABLE copied AS SELECT * FROM tx WHERE n >= 0;
			SELECT count(*) || ' ' || coalesce(sum(n), 0) INTO r FROM copied;
			DROP TABLE copied;
		WHEN 'utility' THEN EXECUTE key;
		WHEN 'parallel' THEN
			PERFORM set_config(name, 'on', true), set_config('parallel_setup_cost', '0', true) FROM pg_settings
			WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
			SELECT read_parallel INTO r FROM read_parallel(number);
			PERFORM set_config(name, 'off', true) FROM pg_settings
			WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
		WHEN 'vecscan' THEN
			r := 0;
			FOR rows IN SELECT index FROM vec WHERE cards_count >= number ORDER BY index DESC LOOP
				r := r::int + rama.remove('vec', rows)::int;
			END LOOP;
		WHEN 'wrong' THEN SELECT count(*) INTO r FROM wrong;
		WHEN 'half' THEN PERFORM rama.add('tx', key, 1), 1 / x FROM (SELECT number AS x OFFSET 0) one;
		WHEN 'raise' THEN RAISE EXCEPTION 'asked for' USING ERRCODE = 'P0001';
		WHEN 'flaky' THEN
			-- Ever more seldom, so that each batch succeeds at last
			IF round(sqrt(nextval('flaky'))) ^ 2 = currval('flaky') THEN
				RAISE EXCEPTION 'a batch fails';
			END IF;
	END CASE;
	RETURN r;
END $$;

-- A result is short enough to be read, or its hash
CREATE FUNCTION run_one(op jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r text;
BEGIN
	IF op ? 'a' THEN
		r := by_path(op);
	ELSIF op->>'o' IN ('loop', 'fetch') THEN
		r := with_cursor(op);
	ELSE
		r := by_sql(op);
	END IF;
	RETURN (op->>'o') || '=' || CASE WHEN length(r) > 300 THEN md5(r) ELSE coalesce(r, '~') END;
END $$;

-- A block with an EXCEPTION clause: its results survive its rollback. With
-- "again", the failure of an inner block is raised once more.
CREATE FUNCTION run_block(ops jsonb) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	results text[] := '{}';
	op jsonb;
BEGIN
	BEGIN
		FOR op IN SELECT jsonb_array_elements(ops) LOOP
			IF op->>'o' = 'block' THEN
				results := results || run_block(op->'ops');
				IF (op->>'again')::boolean AND results[cardinality(results)] <> 'done' THEN
					RAISE EXCEPTION 'again' USING ERRCODE = results[cardinality(results)];
				END IF;
			ELSE
				results := results || run_one(op);
			END IF;
		END LOOP;
		results := results || 'done'::text;
	EXCEPTION
		WHEN deadlock_detected THEN
			RAISE;				-- DDL beside DDL: the batch is tried again
		WHEN OTHERS THEN
			results := results || SQLSTATE::text;
	END;
	RETURN results;
END $$;

CREATE FUNCTION run(event_id int, program jsonb) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	results text[] := '{}';
	op jsonb;
BEGIN
	FOR op IN SELECT jsonb_array_elements(program) LOOP
		IF op->>'o' = 'block' THEN
			results := results || run_block(op->'ops');
		ELSE
			results := results || run_one(op);
		END IF;
	END LOOP;
	RETURN results;
END $$;
CREATE FUNCTION handle(e events) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO log VALUES (e.id, rama.batch_id(), run(e.id, e.program));
END $$;

SELECT rama.create_topology('runs', :'kind', 'events',
	each => CASE :'form' WHEN 'each' THEN 'handle' END,
	sql => CASE :'form' WHEN 'sql' THEN
		$$INSERT INTO log SELECT id, rama.batch_id(), run(id, program) FROM (SELECT * FROM batch ORDER BY _offset) b;
		INSERT INTO batches SELECT rama.batch_id(), (SELECT max(id) FROM batch), count(*) || ' ' || coalesce(sum(n), 0) FROM tx$$ END,
	writes => ARRAY(SELECT name::regclass FROM json_object_keys(:'schemas') AS s (name) WHERE name <> 'unowned'),
	options => :'options');

-- Copies of the tables that follow what the batches say that they have changed.
-- What a deferred trigger writes, comes after that.
CREATE TABLE misreported (batch bigint, what text, said text);
CREATE FUNCTION mirroring(t regclass) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	keys text[] := ARRAY(SELECT attname FROM pg_attribute JOIN pg_index ON attrelid = indrelid AND attnum = ANY (indkey)
		WHERE indrelid = t AND indisreplident
		UNION ALL SELECT attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
		WHERE attrelid = t AND relkind = 'v' AND attnum > 0 AND attnum < relnatts);
	vals text[] := ARRAY(SELECT attname FROM pg_attribute WHERE attrelid = t AND attnum > 0 AND NOT attname = ANY (keys) ORDER BY attnum);
	same text := coalesce((SELECT string_agg(format('o.%1$I = c.%1$I', k), ' AND ') FROM unnest(keys) k), 'true');
	one_side text := 'INSERT INTO misreported SELECT rama.batch_id(), %L, c::text FROM %I c LEFT JOIN %s o ON %s WHERE ROW(%s) IS DISTINCT FROM ROW(%s)';
	news text;
	olds text;
	has text;
BEGIN
	IF vals = '{}' THEN
		vals := keys[cardinality(keys):];
	END IF;
	SELECT string_agg(format('c.%I', 'old_' || v), ','), string_agg(format('c.%I', 'new_' || v), ','), string_agg(format('o.%I', v), ',')
		INTO olds, news, has FROM unnest(vals) v;
	EXECUTE format('CREATE TABLE %I (LIKE %s)', 'mirror_' || t, t);
	RETURN concat_ws(';', '',
		format(one_side, 'old ' || t, 'changed_' || t, 'mirror_' || t, same, olds, has),
		format(one_side, 'new ' || t, 'changed_' || t, t, same, news, has),
		format('INSERT INTO misreported SELECT rama.batch_id(), %L, c::text FROM %I c WHERE ROW(%s) IS NOT DISTINCT FROM ROW(%s)
			AND EXISTS (SELECT FROM %s o WHERE %s) = EXISTS (SELECT FROM %I o WHERE %s)',
			'no change ' || t, 'changed_' || t, olds, news, t, same, 'mirror_' || t, same),
		format('DELETE FROM %I o USING %I c WHERE %s', 'mirror_' || t, 'changed_' || t, same),
		format('INSERT INTO %I SELECT o.* FROM %s o JOIN %I c ON %s', 'mirror_' || t, t, 'changed_' || t, same),
		format('INSERT INTO misreported SELECT rama.batch_id(), %L, x::text FROM ((TABLE %s EXCEPT ALL TABLE %I) UNION ALL (TABLE %3$I EXCEPT ALL TABLE %2$s)) x',
			'missed ' || t, t, 'mirror_' || t));
END $$;
SELECT rama.add_source('runs', 'events', sql => 'SELECT 1' || string_agg(mirroring(t), ''))
FROM (SELECT pstate AS t FROM rama.pstates WHERE module = :'module'
	UNION ALL SELECT child FROM rama.pstate_child c JOIN rama.pstates p USING (pstate) WHERE module = :'module') x
WHERE t NOT IN ('unowned'::regclass, 'late'::regclass) AND t::text !~ '_chunk$' HAVING :'mirror' = 'yes';

-- Every row of every table of the PStates
CREATE FUNCTION dump() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	t name;
BEGIN
	FOR t IN SELECT relname FROM pg_class c JOIN pg_namespace s ON s.oid = relnamespace
		WHERE nspname = current_schema() AND relkind IN ('r', 'v') AND relname !~ '_chunk$'
			AND (EXISTS (SELECT FROM rama.pstates p WHERE p.pstate = c.oid) OR EXISTS (SELECT FROM rama.pstate_child p WHERE p.child = c.oid))
	LOOP
		RETURN QUERY EXECUTE format($q$SELECT %L || (SELECT string_agg(coalesce(value, '~'), '|' ORDER BY i)
			FROM json_each_text(row_to_json(whole_row)) WITH ORDINALITY AS c (name, value, i)) FROM %I whole_row$q$, t || '|', t);
	END LOOP;
END $$;

-- Every index of the PStates' tables leads to the rows of its table
CREATE FUNCTION wrong_indexes() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	i record;
	by_index bigint[];
	by_table bigint[];
BEGIN
	FOR i IN SELECT c.oid, t.relname AS tab, c.relname AS idx, amname, pg_get_indexdef(indexrelid, 1, true) AS first,
			coalesce(pg_get_expr(indpred, indrelid), 'true') AS pred
		FROM pg_index JOIN pg_class c ON c.oid = indexrelid JOIN pg_class t ON t.oid = indrelid
			JOIN pg_am am ON am.oid = c.relam
		WHERE c.relnamespace = current_schema()::regnamespace AND t.relkind = 'r' AND indisvalid
			AND (EXISTS (SELECT FROM rama.pstates p WHERE p.pstate = t.oid) OR EXISTS (SELECT FROM rama.pstate_child p WHERE p.child = t.oid))
	LOOP
		PERFORM set_config('enable_seqscan', 'on', true), set_config('enable_indexscan', 'off', true), set_config('enable_bitmapscan', 'off', true);
		EXECUTE format('SELECT ARRAY[count(*), sum(hashtextextended(whole_row::text, 0) %% 1000000007)] FROM %I whole_row WHERE %s', i.tab, i.pred) INTO by_table;
		PERFORM set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'on', true);
		EXECUTE format('SELECT ARRAY[count(*), sum(hashtextextended(whole_row::text, 0) %% 1000000007)] FROM (SELECT * FROM %I WHERE %s ORDER BY %s OFFSET 0) whole_row', i.tab, i.pred, i.first) INTO by_index;
		IF by_index IS DISTINCT FROM by_table THEN
			RETURN NEXT format('%s: %s instead of %s', i.idx, by_index, by_table);
		END IF;
		IF i.amname = 'btree' THEN
			PERFORM public.bt_index_check(i.oid, true);
		END IF;
	END LOOP;
END $$;
