-- Rows that cannot be there are not looked for, and those that can be, are.
CREATE SCHEMA limits;
SET search_path = limits;
SELECT rama.create_depot('todo', 'what text');
SELECT rama.create_pstate('times', 'map(url: text, map(at: bigint, n: int) subindex)');
SELECT rama.create_pstate('tags', 'map(id: bigint, map(tag: text, n: int) subindex)');
SELECT rama.create_pstate('logs', 'vector(struct(name: text, log: map(at: bigint, n: int) subindex))');
CREATE TABLE said (at bigserial, what text);
CREATE FUNCTION run(e todo) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'DO $do$BEGIN ' || e.what || '; END$do$';
END $$;
SELECT rama.create_topology('runner', 'microbatch', 'todo', each => 'run',
	writes => '{times,tags,logs}', options => '{"on_error": "halt", "max_attempts": 1}');
CREATE PROCEDURE batch(what text) LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO todo (what) VALUES (batch.what);
	COMMIT;
	IF NOT rama.wait('runner') THEN
		RAISE EXCEPTION 'the topology did not get there';
	END IF;
	COMMIT;
END $$;
-- How often the index of a table was asked while a statement of plpgsql ran.
CREATE PROCEDURE scans(what text, index regclass DEFAULT 'times_at_url_at_idx') LANGUAGE plpgsql AS $$
BEGIN
	CALL limits.batch(format($do$
		DECLARE before bigint := pg_stat_get_xact_numscans(%1$s);
		BEGIN
			%2$s;
			INSERT INTO limits.said (what) VALUES (pg_stat_get_xact_numscans(%1$s) - before || ' scans: ' || %2$L);
		END$do$, index::oid, what));
END $$;
-- The topology forgets what it knows.
CREATE PROCEDURE forget() LANGUAGE sql AS $$
	ALTER TABLE limits.times RESET (autovacuum_enabled);
	ALTER TABLE limits.tags RESET (autovacuum_enabled);
	ALTER TABLE limits.logs RESET (autovacuum_enabled)$$;
CREATE FUNCTION heard() RETURNS SETOF text LANGUAGE sql AS
	$$WITH gone AS (DELETE FROM said RETURNING at, what) SELECT what FROM gone ORDER BY at$$;

-- A collection with entries: the first look-up of a new key finds out what is
-- the greatest one, if the enclosing row is in memory.
CALL batch($$
	PERFORM rama.put('times', u, k, 1) FROM unnest('{a,b,c}'::text[]) u, generate_series(10, 50, 10) k;
	PERFORM rama.put('tags', 1, 'x', 1)$$);
CALL forget();
CALL scans($$PERFORM rama.count('times', 'a'), rama.add('times', 'a', 60, 1)$$);
CALL scans($$PERFORM rama.add('times', 'a', k, 1) FROM generate_series(61, 100) k$$);
CALL scans($$PERFORM rama.add('times', 'a', k, 1) FROM generate_series(200, 101, -1) k$$);
CALL scans($$PERFORM rama.add('times', 'a', 30, 1)$$);
CALL scans($$PERFORM rama.add('times', 'a', 31, 1)$$);
CALL scans($$PERFORM rama.add('times', 'a', 31, 1)$$);
-- A new collection has no entries, whatever the type of its keys.
CALL scans($$PERFORM rama.add('times', 'd', 1, 1)$$);
CALL scans($$PERFORM rama.add('times', 'd', k, 1) FROM generate_series(1, 100) k$$);
CALL scans($$PERFORM rama.add('tags', 1, 'y', 1)$$, 'tags_tag_id_tag_idx');
CALL scans($$PERFORM rama.add('tags', 1, 'z', 1)$$, 'tags_tag_id_tag_idx');
CALL scans($$PERFORM rama.add('tags', 2, k::text, 1) FROM generate_series(1, 100) k$$, 'tags_tag_id_tag_idx');
-- The outermost collection.
CALL scans($$PERFORM rama.add('tags', k, 'x', 1) FROM generate_series(3, 100) k$$, 'tags_id_idx');
CALL forget();
CALL scans($$PERFORM rama.add('tags', k, 'x', 1) FROM generate_series(101, 200) k$$, 'tags_id_idx');
-- A collection that was emptied.
CALL scans($$PERFORM rama.remove('times', 'c'); PERFORM rama.add('times', 'c', k, 1) FROM generate_series(10, 50, 10) k$$);
CALL scans($$PERFORM rama.put('times', 'c', '{}'); PERFORM rama.add('times', 'c', k, 1) FROM generate_series(10, 50, 10) k$$);
SELECT heard();
SELECT url, count(*), sum(n), rama.count('times', url) FROM times_at GROUP BY url ORDER BY url;
SELECT at, n FROM times_at WHERE url IN ('a', 'c') AND n > 1;

-- What a subtransaction has deleted comes back when it is rolled back, also if
-- the greatest key was found out meanwhile.
CALL forget();
CALL batch($$
	DECLARE rows int;
	BEGIN
		PERFORM rama.count('times', 'b');
		BEGIN
			PERFORM rama.remove('times', 'b', 50);
			SELECT count(*) INTO rows FROM limits.times_at;
			PERFORM rama.add('times', 'b', 45, 1);
			RAISE EXCEPTION 'no';
		EXCEPTION WHEN raise_exception THEN NULL;
		END;
		PERFORM rama.add('times', 'b', 50, 1), rama.add('times', 'b', 51, 1), rama.add('times', 'b', 45, 1);
	END$$);
SELECT at, n FROM times_at WHERE url = 'b' ORDER BY at;
-- What was made in a subtransaction that was rolled back is gone.
CALL batch($$
	BEGIN
		BEGIN
			PERFORM rama.add('times', 'e', 1, 1), rama.add('times', 'b', 60, 1);
			RAISE EXCEPTION 'no';
		EXCEPTION WHEN raise_exception THEN NULL;
		END;
		PERFORM rama.add('times', 'e', 1, 1), rama.add('times', 'b', 55, 1), rama.add('times', 'b', 60, 1);
	END$$);
SELECT url, at, n FROM times_at WHERE url = 'e' OR url = 'b' AND at >= 55 ORDER BY url, at;

-- Behind many rows that are gone nobody looks for a greater key.
CALL batch($$PERFORM rama.add('times', 'g', k, 1) FROM generate_series(1, 300) k$$);
CALL forget();
CALL batch($$PERFORM rama.remove('times', 'g', k) FROM generate_series(51, 299) k$$);
CALL forget();
CALL batch($$PERFORM rama.count('times', 'g'), rama.add('times', 'g', k, 1) FROM generate_series(60, 300, 10) k$$);
SELECT n, count(*), max(at) FROM times_at WHERE url = 'g' GROUP BY n ORDER BY n;

-- Elements of a vector that move take what is below them along.
CALL batch($$PERFORM rama.push('logs', '{"name": "a"}'), rama.push('logs', '{"name": "b", "log": {"10": 1, "20": 1}}'),
	rama.push('logs', '{"name": "c", "log": {"30": 1}}'), rama.push('logs', '{"name": "d"}')$$);
CALL forget();
CALL batch($$
	PERFORM rama.add('logs', i, 'log', 25, 1) FROM generate_series(0, 3) i;
	PERFORM rama.remove('logs', 0, 'log', 25), rama.remove('logs', 3, 'log', 25);
	PERFORM rama.remove('logs', 0);
	PERFORM rama.add('logs', i, 'log', at, 1) FROM generate_series(0, 2) i, generate_series(20, 35, 5) at$$);
SELECT index, name, rama.get('logs', index, 'log') FROM logs ORDER BY index;

-- Rows that memory has no room for. After a batch, single rows are forgotten, and
-- their enclosing row is not.
DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET pg_rama.batch_memory = 64', current_database()); END$$;
CREATE PROCEDURE restart() LANGUAGE plpgsql AS $$
BEGIN
	PERFORM rama.pause('runner');
	COMMIT;
	WHILE EXISTS (SELECT FROM pg_stat_activity
				  WHERE backend_type = 'pg_rama worker' AND datname = current_database()) LOOP
		PERFORM pg_stat_clear_snapshot(), pg_sleep(0.01);
	END LOOP;
	PERFORM rama.resume('runner');
	COMMIT;
END $$;
CALL restart();
CALL batch($$
	PERFORM rama.add('times', 'u' || k % 10, (k * 7919) % 1000, 1) FROM generate_series(1, 20000) k;
	PERFORM rama.add('times', 'v', k, 1) FROM generate_series(1, 2000) k, generate_series(1, 2);
	PERFORM rama.add('times', 'v', k, 1) FROM generate_series(2100, 1, -1) k$$);
SELECT count(*), min(n), max(n), sum(n) FROM times_at WHERE url ~ '^u';
SELECT n, count(*), min(at), max(at) FROM times_at WHERE url = 'v' GROUP BY n ORDER BY n;
CALL batch($$PERFORM rama.add('times', 'w', 1000, 1);
	INSERT INTO limits.said (what) VALUES (current_setting('pg_rama.batch_memory'))$$);
SELECT heard();
CALL batch($$PERFORM rama.add('times', 'w', 1001, 1)$$);
CALL batch($$PERFORM rama.add('times', 'w', 1002, 1)$$);
CALL batch($$PERFORM rama.add('times', 'w', k, 1) FROM generate_series(1003, 1250) k$$);
CALL batch($$PERFORM rama.add('times', 'w', k, 1) FROM generate_series(1300, 1003, -1) k$$);
SELECT n, count(*), min(at), max(at) FROM times_at WHERE url = 'w' GROUP BY n ORDER BY n;
DO $$BEGIN EXECUTE format('ALTER DATABASE %I RESET pg_rama.batch_memory', current_database()); END$$;
CALL restart();
-- A table that is rewritten
CALL batch($$
	PERFORM rama.add('times', 'f', k, 1) FROM generate_series(1, 10) k;
	CLUSTER limits.times_at USING times_at_url_at_idx;
	PERFORM rama.add('times', 'f', k, 1) FROM generate_series(5, 15) k$$);
SELECT n, count(*) FROM times_at WHERE url = 'f' GROUP BY n ORDER BY n;

SELECT name, last_error FROM rama.status WHERE module = 'limits' AND last_error IS NOT NULL;
DROP SCHEMA limits CASCADE;
