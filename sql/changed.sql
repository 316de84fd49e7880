-- changed_<pstate>: what a batch has changed so far, net, for the statements
-- of an sql handler.
CREATE SCHEMA chg;
SET search_path = chg;
SELECT rama.create_depot('todo', 'what text');
SELECT rama.create_pstate('counts', 'map(key: text, total: bigint)');
SELECT rama.create_pstate('users', $$
  map(id: bigint, struct(name: text, visits: int, tags: set(tag: text) subindex, log: vector(line: text) subindex))
$$);
SELECT rama.create_pstate('total', 'numeric');
SELECT rama.create_pstate('decks', 'vector(deck: struct(name: text, cards: map(card: text, n: bigint) subindex))');
SELECT rama.create_pstate('bits', 'map(b: bit varying(8), n: int)');
CREATE TABLE seen (at bigserial, what text, keys text, old text, new text);

-- The first source runs an event as plpgsql, the second one looks.
CREATE FUNCTION run(e todo) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'DO $do$BEGIN ' || e.what || ' END$do$';
END $$;
BEGIN;
SELECT rama.create_topology('runner', 'microbatch', writes => '{counts,users,total,decks,bits}',
	options => '{"on_error": "halt", "max_attempts": 1}');
SELECT rama.add_source('runner', 'todo', each => 'run');
SELECT rama.add_source('runner', 'todo', sql => $$
INSERT INTO seen (what, keys, old, new) SELECT 'counts', key, old_total, new_total FROM changed_counts;
INSERT INTO seen (what, keys, old, new) SELECT 'users', id, concat_ws(',', old_name, old_visits, old_tags_count, old_log_count),
	concat_ws(',', new_name, new_visits, new_tags_count, new_log_count) FROM changed_users;
INSERT INTO seen (what, keys, old, new) SELECT 'tags', concat_ws(',', id, tag), old_tag, new_tag FROM changed_users_tags;
INSERT INTO seen (what, keys, old, new) SELECT 'log', concat_ws(',', id, index), old_line, new_line FROM changed_users_log;
INSERT INTO seen (what, old, new) SELECT 'total', old_value, new_value FROM changed_total;
INSERT INTO seen (what, keys, old, new) SELECT 'cards', concat_ws(',', index, card), old_n, new_n FROM changed_decks_cards;
INSERT INTO seen (what, keys, old, new) SELECT 'bits', b, old_n, new_n FROM changed_bits$$);
COMMIT;

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
CREATE FUNCTION changes() RETURNS TABLE (what text, keys text, old text, new text) LANGUAGE sql AS $$
	WITH gone AS (DELETE FROM seen RETURNING *)
	SELECT what, keys, old, new FROM gone ORDER BY at $$;

-- New, changed and removed entries; what is again what it was is no change
CALL batch($$PERFORM rama.add('counts', 'b', 1), rama.add('counts', 'a', 1), rama.add('counts', 'b', 2);$$,
	$$PERFORM rama.put('counts', 'c', 3), rama.put('total', '5'), rama.put('counts', 'x', NULL);$$);
SELECT * FROM changes();
CALL batch($$PERFORM rama.remove('counts', 'b'), rama.add('counts', 'a', 1), rama.add('counts', 'c', 10);$$,
	$$PERFORM rama.add('counts', 'c', -10), rama.put('counts', 'd', 1), rama.remove('counts', 'd'), rama.add('total', 1);$$);
SELECT * FROM changes();
CALL batch($$PERFORM rama.put('counts', 'b', 9), rama.remove('counts', 'b'), rama.remove('counts', 'a'), rama.put('counts', 'a', 2);$$,
	$$PERFORM rama.put('counts', 'c', 3), rama.put('total', NULL);$$);
SELECT * FROM changes();
CALL batch($$PERFORM rama.put('total', 6.5);$$);
SELECT * FROM changes();
CALL batch($$PERFORM rama.add('total', 0.50), rama.add('total', -0.50);$$);
SELECT rama.get('total');
SELECT * FROM changes();

-- Children, with the counts of their levels
CALL batch($$PERFORM rama.put('users', 1, '{"name": "ann", "visits": 1, "tags": ["x", "y"], "log": ["in", "up", "out"]}'),
	rama.put('users', 2, '{"name": "bob", "tags": ["z"]}');$$);
SELECT * FROM changes();
CALL batch($$PERFORM rama.push('users', 1, 'tags', 'z'), rama.remove('users', 1, 'tags', 'x'), rama.push('users', 1, 'tags', 'y');$$,
	$$PERFORM rama.push('users', 2, 'tags', 'z'), rama.remove('users', 1, 'log', 0);$$);
SELECT * FROM changes();
CALL batch($$PERFORM rama.remove('users', 1), rama.put('users', 2, 'tags', '["z"]'), rama.put('users', 2, 'log', '[]');$$);
SELECT * FROM changes();
CALL batch($$PERFORM rama.put('users', 2, 'log', '["a"]'); PERFORM rama.put('users', '{"2": {"name": "bob", "log": ["a", "b"]}}');$$);
SELECT * FROM changes();

CALL batch($$PERFORM rama.push('decks', '{"cards": {"a": 1, "b": 1}}'), rama.push('decks', '{"cards": {"b": 1, "c": 1, "d": 1}}');$$);
DELETE FROM seen;
CALL batch($$PERFORM rama.remove('decks', 0);$$);
SELECT * FROM changes();

-- Keys that cannot be hashed are written through
CALL batch($$PERFORM rama.put('bits', '101'::varbit::text, 1), rama.put('bits', '1'::varbit::text, 1);$$);
SELECT * FROM changes();
CALL batch($$PERFORM rama.add('bits', '101'::varbit::text, 1), rama.remove('bits', '1'::varbit::text), rama.put('bits', '0', 4);$$,
	$$PERFORM rama.add('bits', '0', 1);$$);
SELECT * FROM changes();

-- What was rolled back has not happened; statements that flush change nothing
CALL batch($$
	PERFORM rama.add('counts', 'c', 100);
	BEGIN
		PERFORM rama.add('counts', 'c', 1), rama.add('counts', 'e', 1), rama.remove('counts', 'a'), rama.remove('users', 2, 'log', 0);
		PERFORM sum(total) FROM chg.counts;
		BEGIN
			PERFORM rama.add('counts', 'f', 1);
		END;
		RAISE division_by_zero;
	EXCEPTION WHEN division_by_zero THEN
		PERFORM rama.add('counts', 'g', 1);
	END;
	PERFORM sum(total) FROM chg.counts;
	PERFORM rama.add('counts', 'c', 11), rama.add('counts', 'f', 0);
	BEGIN
		PERFORM rama.add('counts', 'f', 7);
	EXCEPTION WHEN division_by_zero THEN
	END;$$);
SELECT * FROM changes();
SELECT * FROM counts ORDER BY key;

-- A failed attempt leaves nothing
CALL batch($$PERFORM rama.add('counts', 'c', 1); IF NOT EXISTS (SELECT FROM chg.seen) THEN RAISE 'not yet'; END IF;$$);
INSERT INTO seen (what) VALUES ('now');
SELECT rama.resume('runner');
SELECT rama.wait('runner');
SELECT * FROM changes();

-- More rows than pg_rama.batch_memory holds
CREATE FUNCTION fill(n int) RETURNS void LANGUAGE plpgsql SET pg_rama.batch_memory = 64 AS $$
BEGIN
	FOR i IN 1..n LOOP
		PERFORM rama.put('chg.counts', 'many ' || i, i % 3);
	END LOOP;
END $$;
CALL batch('PERFORM chg.fill(5000);', $$PERFORM rama.remove('counts', 'many ' || i) FROM generate_series(1001, 5000) i;$$);
SELECT count(*), sum(new::int), bool_and(old IS NULL), min(keys), max(keys) FROM changes();
CALL batch('PERFORM chg.fill(1000);', $$UPDATE chg.seen SET what = what; PERFORM chg.fill(10); PERFORM rama.put('counts', 'many 7', 70);$$);
SELECT * FROM changes();
CALL batch($$PERFORM rama.remove('counts', 'many ' || i) FROM generate_series(1, 998) i;$$);
SELECT count(*), count(old), count(new) FROM changes();
CALL batch($$PERFORM rama.put('counts', '{"z": 1}');$$);
SELECT * FROM changes();

-- Each statement sees what was changed before it began, in any form of query;
-- targets are there, too
SELECT rama.create_depot('words', 'w text');
SELECT rama.create_pstate('seen_words', 'map(w: text, n: bigint)');
SELECT rama.create_pstate('lengths', 'map(len: int, struct(words: bigint, total: bigint))');
SELECT rama.create_pstate('longest', 'int');
BEGIN;
SELECT rama.create_topology('words_of', 'stream', writes => '{longest}');
SELECT rama.add_source('words_of', 'words', target => 'seen_words', merge => 'sum',
	sql => 'SELECT w, count(*) FROM batch GROUP BY w');
SELECT rama.add_source('words_of', 'words', target => 'lengths', merge => 'sum, sum', sql => $$
	SELECT length(w) AS len, count(*) FILTER (WHERE old_n IS NULL) AS words, sum(new_n - coalesce(old_n, 0)) AS total
	FROM changed_seen_words GROUP BY 1$$);
SELECT rama.add_source('words_of', 'words', sql => $$
	INSERT INTO seen (what, old, new) SELECT 'before', old_value, new_value FROM changed_longest;
	SELECT rama.put('longest', max(len)) FROM changed_lengths HAVING max(len) > coalesce(rama.get('longest')::int, 0);
	INSERT INTO seen (what, old, new) SELECT 'after', old_value, new_value FROM changed_longest;
	WITH c AS (SELECT * FROM changed_lengths), again AS (SELECT rama.put('longest', 100) FROM changed_longest WHERE new_value > 5)
	INSERT INTO seen (what, keys, old, new) SELECT 'joined', c.len, d.old_total, d.new_total
		FROM c JOIN changed_lengths d USING (len) WHERE EXISTS (SELECT FROM changed_seen_words WHERE length(w) = c.len)
		AND (SELECT count(*) FROM again) >= 0 ORDER BY 2;
	INSERT INTO seen (what, old, new) SELECT 'at last', old_value, new_value FROM changed_longest $$);
COMMIT;
INSERT INTO words VALUES ('to'), ('be'), ('or'), ('not'), ('to'), ('be');
SELECT rama.wait('words_of');
SELECT * FROM lengths ORDER BY len;
SELECT * FROM changes();
INSERT INTO words VALUES ('be'), ('longer'), ('as');
SELECT rama.wait('words_of');
SELECT * FROM lengths ORDER BY len;
SELECT * FROM changes();

-- One PState is kept up to date with another
SELECT rama.create_depot('orders', 'item text, amount numeric');
SELECT rama.create_pstate('sales', 'map(item: text, struct(total: numeric, n: bigint))');
SELECT rama.create_pstate('by_total', 'map(total: numeric, map(item: text, n: bigint) subindex)');
BEGIN;
SELECT rama.create_topology('selling', 'microbatch', 'orders', writes => '{by_total}', target => 'sales', merge => 'sum, sum',
	sql => 'SELECT item, sum(amount) AS total, count(*) AS n FROM batch GROUP BY item', options => '{"batch_max": 7}');
SELECT rama.add_source('selling', 'orders', sql => $$
	SELECT rama.remove('by_total', old_total, item) FROM changed_sales WHERE old_total IS NOT NULL;
	SELECT rama.put('by_total', new_total, item, new_n) FROM changed_sales WHERE new_total IS NOT NULL $$);
INSERT INTO orders SELECT 'item ' || i * i % 10, i % 13 - 6 FROM generate_series(1, 200) i;
COMMIT;
SELECT rama.wait('selling');
SELECT total, item, n FROM by_total_item
EXCEPT SELECT sum(amount), item, count(*) FROM orders GROUP BY item;
SELECT item, total FROM sales WHERE NOT EXISTS (SELECT FROM by_total_item b WHERE b.item = sales.item AND b.total = sales.total AND b.n = sales.n);
SELECT count(*) FROM by_total_item;

-- Names: hostile ones, ones that are too long, and those of real tables
SELECT rama.create_pstate('"a""b;"', 'map("K 1": int, struct("old_x": int, "V""2": text))');
SELECT rama.create_pstate('p23456789012345678901234567890123456789012345678901234567890123',
	'map(k: int, v23456789012345678901234567890123456789012345678901234567890123: int)');
CREATE TABLE changed_counts (key text, mine int);
INSERT INTO changed_counts VALUES ('a table', 1);
SELECT rama.create_topology('names', 'stream', 'words', start_from => 'end', writes =>
	ARRAY['"a""b;"', 'p23456789012345678901234567890123456789012345678901234567890123']::regclass[], sql => $$
	SELECT rama.put('"a""b;"', 1, 'old_x', 2), rama.put('p23456789012345678901234567890123456789012345678901234567890123', 3, 4) FROM batch;
	INSERT INTO seen (what, keys, old, new) SELECT 'quoted', "K 1", "old_old_x", new_old_x FROM "changed_a""b;" WHERE "new_V""2" IS NULL;
	INSERT INTO seen (what, keys, old, new) SELECT 'long', k, old_v23456789012345678901234567890123456789012345678901234567890123,
		new_v23456789012345678901234567890123456789012345678901234567890123 FROM changed_p23456789012345678901234567890123456789012345678901234567890123;
	INSERT INTO seen (what, keys, new) SELECT 'table', key, mine FROM CHANGED_counts $$);
INSERT INTO words VALUES ('go');
SELECT rama.wait('words_of'), rama.wait('names');
SELECT * FROM changes() WHERE what IN ('quoted', 'long', 'table');
-- who writes the PState finds its changes first, and the table by its schema
SELECT rama.create_pstate('mine', 'map(k: text, n: int)');
CREATE TABLE changed_mine (k text);
INSERT INTO changed_mine VALUES ('of the table');
SELECT rama.create_topology('both', 'stream', 'words', start_from => 'end', writes => '{mine}', sql => $$
	SELECT rama.put('mine', w, 1) FROM batch;
	INSERT INTO seen (what, keys) SELECT 'ephemeral', k FROM changed_mine UNION ALL SELECT 'real', k FROM chg.changed_mine $$);
INSERT INTO words VALUES ('hi');
SELECT rama.wait('words_of'), rama.wait('names'), rama.wait('both');
SELECT * FROM changes() WHERE what IN ('ephemeral', 'real');

-- Errors, when the topology is made
SELECT rama.create_topology('bad', 'stream', 'words', sql => 'SELECT * FROM changed_nothing');
SELECT rama.create_topology('bad', 'stream', 'words', sql => 'SELECT * FROM changed_longest');
SELECT rama.create_topology('bad', 'stream', 'words', sql => 'SELECT * FROM nothing');
SELECT rama.create_pstate('fresh', 'map(k: text, n: int)');
SELECT rama.create_topology('bad', 'stream', 'words', writes => '{fresh}', sql => 'SELECT old_m FROM changed_fresh');
SELECT rama.create_topology('bad', 'stream', 'words', writes => '{fresh}', sql => 'DELETE FROM changed_fresh');
SELECT rama.create_topology('bad', 'stream', 'words', writes => '{fresh}', sql => 'SELECT * FROM chg.changed_fresh');

-- Whoever renames a PState renames it in the handler's text, too, or back
CREATE PROCEDURE until_failed(topology text) LANGUAGE plpgsql AS $$
BEGIN
	WHILE (SELECT last_error IS NULL FROM rama.status WHERE module = 'chg' AND name = topology) LOOP
		COMMIT;
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;
ALTER TABLE mine RENAME TO yours;
INSERT INTO words VALUES ('hello');
CALL until_failed('both');
SELECT last_error FROM rama.status WHERE module = 'chg' AND name = 'both';
ALTER TABLE yours RENAME TO mine;
SELECT rama.resume('both');
SELECT rama.wait('both');
SELECT * FROM changes() WHERE what IN ('ephemeral', 'real');

SET client_min_messages = warning;
RESET search_path;
DROP SCHEMA chg CASCADE;
