-- The write buffer of a topology's batches: what handlers do to PStates is kept
-- in memory and flushed, and nobody can tell.
CREATE SCHEMA buf;
SET search_path = buf;
SELECT rama.create_depot('todo', 'what text');
SELECT rama.create_pstate('counts', 'map(key: text, total: bigint)');
SELECT rama.create_pstate('users', $$
  map(id: bigint, struct(name: text, visits: int, tags: set(tag: text) subindex,
                         log: vector(line: text) subindex, prefs: map(text, jsonb)))
$$);
SELECT rama.create_pstate('prices', 'map(price: numeric, n: int)');
CREATE TABLE said (at bigserial, what text);

-- An event is a piece of plpgsql.
CREATE FUNCTION run(e todo) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'DO $do$BEGIN ' || e.what || ' END$do$';
END $$;
CREATE FUNCTION say(what anyelement) RETURNS void LANGUAGE sql AS
	'INSERT INTO buf.said (what) VALUES (what::text)';
SELECT rama.create_topology('runner', 'microbatch', 'todo', each => 'run',
	writes => '{counts,users,prices}', options => '{"on_error": "halt", "max_attempts": 1}');

-- Statements of one handler, all in one batch
CREATE PROCEDURE batch(VARIADIC what text[]) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM rama.pause('runner');
	COMMIT;
	INSERT INTO todo (what) SELECT unnest(batch.what);
	PERFORM rama.resume('runner');
	COMMIT;
	IF NOT rama.wait('runner') THEN
		RAISE EXCEPTION 'the topology did not get there';
	END IF;
	COMMIT;
END $$;
CREATE FUNCTION heard() RETURNS SETOF text LANGUAGE sql AS
	$$WITH gone AS (DELETE FROM said RETURNING at, what) SELECT what FROM gone ORDER BY at$$;

-- Many additions are one new version of the row.
CALL batch($$FOR i IN 1..1000 LOOP PERFORM rama.add('counts', 'a', 1); END LOOP;$$);
SELECT *, ctid FROM counts;
CALL batch($$FOR i IN 1..1000 LOOP PERFORM rama.add('counts', 'a', 1), rama.add('counts', 'b' || i % 3, i); END LOOP;$$,
	$$PERFORM rama.add('counts', 'a', 1);$$);
SELECT key, total FROM counts ORDER BY key;
SELECT rama.count('counts');
SELECT key, ctid FROM counts ORDER BY key;

-- Path functions and statements see what was written.
CALL batch($$
	PERFORM rama.put('users', 1, '{"name": "ann", "visits": 1, "tags": ["x"], "log": ["in"]}');
	PERFORM buf.say(rama.get('users', 1)), buf.say(rama.count('users', 1, 'log'));
	PERFORM rama.push('users', 1, 'log', 'out'), rama.add('users', 1, 'visits', 2), rama.push('users', 1, 'tags', 'y');
	PERFORM buf.say(rama.get('users', 1, 'visits')), buf.say(name) FROM buf.users;
	PERFORM buf.say(string_agg(line, ',' ORDER BY index)) FROM buf.users_log;
	PERFORM buf.say(rama.select('users', '[1, "log", ["srange", 1, 2], ["all"]]'));
	PERFORM buf.say(visits) FROM buf.users JOIN buf.users_log USING (id) WHERE line = 'out';
	PERFORM rama.remove('users', 1, 'tags', 'x');
	PERFORM buf.say(rama.get('users', 1, 'tags')), buf.say(tags_count) FROM buf.users;
$$);
SELECT heard();

-- A function that is STABLE reads with its caller's snapshot.
CREATE FUNCTION total_of(k text) RETURNS bigint STABLE LANGUAGE plpgsql AS
	$$BEGIN RETURN (SELECT total FROM buf.counts WHERE key = k); END$$;
CALL batch($$
	PERFORM rama.put('counts', 'stable', 1);
	PERFORM buf.say(buf.total_of('stable'));
	PERFORM rama.put('counts', 'stable', 2);
	PERFORM buf.say(buf.total_of('stable') || ',' || (SELECT total FROM buf.counts WHERE key = 'stable'));
$$);
SELECT heard();

-- A statement does not see what comes after its start.
CALL batch($$
	PERFORM rama.put('counts', 'one', 1);
	PERFORM rama.put('counts', key || '+', total) FROM buf.counts WHERE key LIKE 'one%';
	PERFORM buf.say(string_agg(key, ' ' ORDER BY key)) FROM buf.counts WHERE key LIKE 'one%';
$$, $$
	DECLARE
		r record;
		c CURSOR FOR SELECT key FROM buf.counts WHERE key LIKE 'one%' ORDER BY key;
	BEGIN
		FOR r IN c LOOP
			PERFORM rama.put('counts', r.key || '-', 1), buf.say(r.key);
		END LOOP;
		FOR r IN c LOOP
			PERFORM buf.say(r.key);
		END LOOP;
	END;
$$);
SELECT heard();

-- Appear and disappear, in one batch and the next
CALL batch($$
	PERFORM rama.put('counts', 'brief', 1);
	PERFORM buf.say(rama.remove('counts', 'brief')), buf.say(rama.remove('counts', 'brief'));
	PERFORM rama.remove('counts', 'one'), rama.put('counts', 'one', 5), rama.remove('counts', 'one+');
$$);
SELECT heard();
CALL batch($$
	PERFORM rama.add('counts', 'one', 1), rama.add('counts', 'one+', 1), rama.remove('counts', 'one-'), rama.add('counts', 'one+-', 1);
	PERFORM rama.remove('counts', 'one+-'), rama.add('counts', 'one+-', 7);
$$);
SELECT key, total FROM counts WHERE key LIKE 'one%' ORDER BY key;
SELECT rama.count('counts') = (SELECT count(*) FROM counts);

-- Equal keys are one row, whatever they look like.
CALL batch($$
	PERFORM rama.put('prices', 1.0, 1), rama.add('prices', 1.00, 1), rama.add('prices', 1, 1);
	PERFORM rama.put('prices', 'NaN', 1), rama.add('prices', 'nan', 1);
$$);
CALL batch($$PERFORM rama.add('prices', 1.000, 1);$$);
SELECT * FROM prices ORDER BY price;

-- Subtransactions
CALL batch($$
	PERFORM rama.put('counts', 'sub', 1), rama.put('users', 2, '{"name": "bob", "log": ["a", "b"]}');
	BEGIN
		PERFORM rama.add('counts', 'sub', 10), rama.put('counts', 'inner', 1), rama.push('users', 2, 'log', 'c');
		BEGIN
			PERFORM rama.add('counts', 'sub', 100), rama.remove('users', 2), rama.remove('counts', 'inner');
			PERFORM buf.say(count(*)) FROM buf.users_log WHERE id = 2;
			BEGIN
				PERFORM rama.put('users', 2, 'name', 'bill'), rama.add('counts', 'sub', 1000);
				RAISE EXCEPTION 'third';
			EXCEPTION WHEN OTHERS THEN
				PERFORM buf.say(rama.get('counts', 'sub')), buf.say(rama.get('users', 2));
			END;
			RAISE EXCEPTION 'second';
		EXCEPTION WHEN OTHERS THEN
			PERFORM buf.say(rama.get('counts', 'sub')), buf.say(rama.get('users', 2)), buf.say(rama.get('counts', 'inner'));
		END;
		PERFORM rama.push('users', 2, 'log', 'd');
	EXCEPTION WHEN OTHERS THEN
		PERFORM buf.say('not here'::text);
	END;
	BEGIN
		PERFORM rama.put('counts', 'sub', 0), rama.put('counts', 'gone', 1), buf.say(sum(total)) FROM buf.counts WHERE key IN ('sub', 'gone');
		PERFORM buf.say(sum(total)) FROM buf.counts WHERE key IN ('sub', 'gone');
		RAISE EXCEPTION 'flushed and rolled back';
	EXCEPTION WHEN OTHERS THEN
		PERFORM buf.say(sum(total)) FROM buf.counts WHERE key IN ('sub', 'gone');
	END;
$$);
SELECT heard();
SELECT key, total FROM counts WHERE key IN ('sub', 'inner', 'gone') ORDER BY key;
SELECT rama.get('users', 2);
SELECT log_count FROM users WHERE id = 2;

-- What one rolled back subtransaction has flushed in vain, the next one does not.
CALL batch($$
	PERFORM rama.put('prices', i, i) FROM generate_series(1000, 1199) i;
	FOR i IN 1..50 LOOP
		BEGIN
			PERFORM count(*) FROM buf.prices;
			PERFORM rama.add('prices', 1000, 1);
			RAISE EXCEPTION 'no';
		EXCEPTION WHEN OTHERS THEN PERFORM rama.add('prices', 1001, 1);
		END;
	END LOOP;
	PERFORM buf.say(n_tup_ins < 1000) FROM pg_stat_xact_user_tables WHERE relid = 'buf.prices'::regclass;
$$);
SELECT heard();
SELECT count(*), min(n), max(n) FROM prices WHERE price BETWEEN 1000 AND 1199;
CALL batch($$PERFORM rama.remove('prices', i) FROM generate_series(1000, 1199) i;$$);

-- Errors are raised at the call, and can be caught there.
CREATE DOMAIN positive AS int CHECK (VALUE > 0) NOT NULL;
SELECT rama.create_pstate('checked', 'map(text, struct(n: int, p: positive))');
ALTER TABLE checked ADD CHECK (n < 100);
SELECT rama.drop_topology('runner');
SELECT rama.create_topology('runner', 'microbatch', 'todo', each => 'run', start_from => 'end',
	writes => '{counts,users,prices,checked}', options => '{"on_error": "halt", "max_attempts": 1}');
CALL batch($$
	BEGIN PERFORM rama.put('checked', 'a', '{"n": 1}'); EXCEPTION WHEN OTHERS THEN PERFORM buf.say(SQLSTATE); END;
	PERFORM rama.put('checked', 'a', '{"n": 1, "p": 1}');
	BEGIN PERFORM rama.put('checked', 'a', 'n', 100); EXCEPTION WHEN OTHERS THEN PERFORM buf.say(SQLSTATE); END;
	BEGIN PERFORM rama.put('checked', 'a', 'p', 0); EXCEPTION WHEN OTHERS THEN PERFORM buf.say(SQLSTATE); END;
	BEGIN PERFORM rama.put('counts', repeat(md5('x'), 10000) || 'y', 1), rama.put('counts', string_agg(md5(i::text), ''), 1) FROM generate_series(1, 200) i; EXCEPTION WHEN OTHERS THEN PERFORM buf.say(SQLSTATE); END;
	BEGIN PERFORM rama.put('counts', 'a', 'x'); EXCEPTION WHEN OTHERS THEN PERFORM buf.say(SQLSTATE); END;
	PERFORM rama.add('checked', 'a', 'n', 1);
$$);
SELECT heard();
SELECT * FROM checked;

-- Little memory: flushed early, with the same result
SHOW pg_rama.batch_memory;
\set VERBOSITY sqlstate
SET pg_rama.batch_memory = '63kB';
\set VERBOSITY default
CALL batch($$
	SET LOCAL pg_rama.batch_memory = '64kB';
	FOR i IN 1..20000 LOOP PERFORM rama.add('counts', 'k' || i % 3000, 1); END LOOP;
	BEGIN
		FOR i IN 1..20000 LOOP PERFORM rama.add('counts', 'k' || i % 3000, 1); END LOOP;
		RAISE EXCEPTION 'no';
	EXCEPTION WHEN OTHERS THEN PERFORM buf.say('rolled back'::text);
	END;
	FOR i IN 1..10000 LOOP PERFORM rama.add('counts', 'k' || i % 3000, 1); END LOOP;
$$);
SELECT heard();
SELECT sum(total), count(*), min(total), max(total) FROM counts WHERE key ~ '^k\d';
SELECT rama.count('counts') = (SELECT count(*) FROM counts);

-- Commands that read tables by themselves
CALL batch($$
	PERFORM rama.put('counts', 'copied', 1);
	CREATE TABLE buf.copy_of AS SELECT * FROM buf.counts WHERE key = 'copied';
	PERFORM rama.put('counts', 'copied', 2);
	CREATE INDEX by_total ON buf.counts (total) WHERE total > 0;
	PERFORM rama.put('counts', 'copied', 3), rama.put('counts', 'indexed', 4);
$$);
SELECT * FROM copy_of;
SET enable_seqscan = off;
SELECT key, total FROM counts WHERE total IN (3, 4) AND key IN ('copied', 'indexed') ORDER BY total;
CALL batch($$PERFORM rama.put('counts', 'copied', 100003), rama.put('counts', 'indexed', -1);$$);
SELECT key, total FROM counts WHERE total = 100003;
RESET enable_seqscan;
SELECT key, total FROM counts WHERE key = 'indexed';

-- A PState without owner is buffered once it is locked.
SELECT rama.create_pstate('free', 'map(text, int)');
CALL batch($$
	PERFORM rama.add('free', 'x', 1), rama.add('free', 'x', 1);
	BEGIN
		PERFORM rama.add('free', 'x', 1), rama.add('free', 'y', 1);
		RAISE EXCEPTION 'no';
	EXCEPTION WHEN OTHERS THEN PERFORM buf.say(rama.get('free', 'x'));
	END;
	PERFORM buf.say(value) FROM buf.free;
$$);
SELECT heard();
SELECT rama.add('free', 'x', 1);
CALL batch($$PERFORM rama.add('free', 'x', 1);$$);
SELECT * FROM free;

-- Long values stay where they are when others in their row change.
CALL batch($$PERFORM rama.put('users', 3, json_build_object('name', 'cy', 'visits', 0, 'prefs', json_build_object('long', (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 1000) i)))::jsonb);$$);
CALL batch($$FOR i IN 1..10 LOOP PERFORM rama.add('users', 3, 'visits', 1); END LOOP;$$, $$PERFORM rama.add('users', 3, 'visits', 1);$$);
SELECT visits, length(rama.get('users', 3, 'prefs', 'long')::text) FROM users WHERE id = 3;

-- Keys look as they were given, and stay so: 1.00 is 1.0, and neither is lost.
CALL batch($$
	PERFORM rama.put('prices', 1.0, 1), rama.put('prices', 7.00, 1);
	BEGIN
		PERFORM rama.remove('prices', 1), rama.put('prices', 1.0000, 5), rama.add('prices', 7.0, 1);
		RAISE EXCEPTION 'no';
	EXCEPTION WHEN OTHERS THEN PERFORM buf.say(rama.get('prices'));
	END;
	BEGIN
		PERFORM rama.remove('prices', 7), rama.put('prices', 7.000, 3);
	EXCEPTION WHEN OTHERS THEN NULL;
	END;
	PERFORM buf.say(rama.get('prices', 2.0));
	PERFORM rama.put('prices', 2.00, 2);
$$);
SELECT heard();
SELECT * FROM prices WHERE price < 10 ORDER BY price;
CALL batch($$PERFORM rama.remove('prices', 7), rama.add('prices', 2, 1), rama.add('prices', 1, 1);$$,
	$$PERFORM rama.put('prices', 7.0, 4), rama.remove('prices', 2), rama.put('prices', 2.0, 9);$$);
SELECT * FROM prices WHERE price < 10 ORDER BY price;

-- A command that gives the table new storage: rows are not where they were.
CALL batch($$
	PERFORM rama.put('counts', 'moved', 1);
	CLUSTER buf.counts USING counts_key_idx;
	PERFORM rama.add('counts', 'moved', 1);
	BEGIN
		PERFORM rama.put('counts', 'moved', 'not a number');
	EXCEPTION WHEN OTHERS THEN NULL;
	END;
	BEGIN
		CLUSTER buf.counts USING counts_key_idx;
		PERFORM rama.add('counts', 'moved', 100);
		RAISE EXCEPTION 'no';
	EXCEPTION WHEN OTHERS THEN PERFORM rama.add('counts', 'moved', 1);
	END;
	PERFORM buf.say(total) FROM buf.counts WHERE key = 'moved';
$$, $$PERFORM rama.add('counts', 'moved', 1);$$);
SELECT heard();
SELECT rama.get('counts', 'moved');

-- Parallel workers see what was written.
CREATE FUNCTION parallel_sum() RETURNS SETOF bigint LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config(name, 'on', true) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
	RETURN QUERY SELECT sum(total)::bigint FROM buf.counts WHERE key = 'moved';
END $$;
CALL batch($$
	PERFORM rama.put('counts', 'moved', 17);
	PERFORM buf.say(s) FROM buf.parallel_sum() s;
$$);
SELECT heard();

-- A single value has no count.
SELECT rama.create_pstate('single', 'numeric');
SELECT rama.add('single', 1.5);
SELECT version, count FROM rama.pstates WHERE pstate = 'single'::regclass;

SELECT name, state, last_error FROM rama.status WHERE module = 'buf' AND last_error IS NOT NULL;
DROP SCHEMA buf CASCADE;
