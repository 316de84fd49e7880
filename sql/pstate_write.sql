-- Rows, counts and versions that writes leave in the tables of a PState

CREATE SCHEMA psw;
SET search_path = psw, public;
SELECT rama.create_pstate('llm', $$map(org: bigint, map(request: bigint,
	struct(prompt: text, tokens: vector(token: text) subindex, tags: set(tag: text) subindex)) subindex)$$);
-- what must hold for any contents: counts are those of the rows
CREATE VIEW wrong AS
	SELECT 'org' AS what, org::text FROM llm o
	WHERE request_count IS DISTINCT FROM
		nullif((SELECT count(*) FROM llm_request r WHERE r.org = o.org), 0)
		AND (request_count <> 0 OR request_count IS NULL)
	UNION ALL
	SELECT 'tokens', format('%s %s', org, request) FROM llm_request r
	WHERE coalesce(tokens_count, 0) <> (SELECT count(*) FROM llm_tokens t WHERE (t.org, t.request) = (r.org, r.request))
		OR coalesce(tags_count, 0) <> (SELECT count(*) FROM llm_tags t WHERE (t.org, t.request) = (r.org, r.request))
	UNION ALL
	SELECT 'gap', format('%s %s', org, request) FROM llm_tokens GROUP BY org, request
	HAVING min(index) <> 0 OR max(index) <> count(*) - 1
	UNION ALL
	SELECT 'orphan', format('%s %s', org, request) FROM llm_tokens t
	WHERE NOT EXISTS (SELECT FROM llm_request r WHERE (t.org, t.request) = (r.org, r.request))
	UNION ALL
	SELECT 'orphan', org::text FROM llm_request r WHERE NOT EXISTS (SELECT FROM llm o WHERE r.org = o.org)
	UNION ALL
	SELECT 'outermost', count::text FROM rama.pstates
	WHERE pstate = 'llm'::regclass AND count <> (SELECT count(*) FROM llm);

-- levels are made on write, and counted
SELECT rama.push('llm', 1, 10, 'tokens', 'a');
SELECT rama.push('llm', 1, 10, 'tokens', 'b'), rama.push('llm', 1, 11, 'tags', 'x'), rama.push('llm', 1, 11, 'tags', 'x');
SELECT rama.put('llm', 2, 20, 'prompt', 'hello');
TABLE llm;
TABLE llm_request;
TABLE llm_tokens;
SELECT version, count FROM rama.pstates WHERE pstate = 'llm'::regclass;
TABLE wrong;

-- several writes to one key in one statement, and one version for all
CREATE TABLE words (word text);
INSERT INTO words SELECT (ARRAY['a', 'b', 'c'])[1 + i % 3] FROM generate_series(1, 999) i;
SELECT rama.create_pstate('counts', 'map(word: text, n: bigint)');
SELECT count(rama.add('counts', word, 1)) FROM words;
TABLE counts;
SELECT version, count FROM rama.pstates WHERE pstate = 'counts'::regclass;

-- the count of the outermost collection within the transaction
BEGIN;
SELECT rama.put('counts', 'd', 1), rama.put('counts', 'e', 1), rama.remove('counts', 'a');
SELECT rama.count('counts');
SAVEPOINT s;
SELECT rama.put('counts', 'f', 1), rama.put('counts', 'd', 100);
SELECT rama.count('counts'), rama.get('counts', 'd');
SAVEPOINT s2;
SELECT rama.remove('counts', 'f');
RELEASE s2;
SELECT rama.count('counts');
ROLLBACK TO s;
SELECT rama.count('counts'), rama.get('counts', 'd'), rama.get('counts', 'f');
SELECT rama.add('counts', 'd', 5);
COMMIT;
TABLE counts;
SELECT version, count FROM rama.pstates WHERE pstate = 'counts'::regclass;
-- what is rolled back is no version
BEGIN;
SELECT rama.put('counts', 'z', 1);
ROLLBACK;
DO $$
BEGIN
	BEGIN
		PERFORM rama.put('counts', 'z', 1);
		RAISE division_by_zero;
	EXCEPTION WHEN division_by_zero THEN
		RAISE NOTICE 'in the handler: % entries', rama.count('counts');
	END;
END $$;
SELECT rama.remove('counts', 'nobody');
SELECT version, count FROM rama.pstates WHERE pstate = 'counts'::regclass;

-- what is written below a row that stays as it is, is a version
SELECT rama.create_pstate('below', 'map(k: text, map(j: int, vector(e: text) subindex) subindex)');
SELECT rama.put('below', 'a', 1, '["x"]'::jsonb);
SELECT rama.push('below', 'a', 1, 'y');
SELECT rama.put('below', 'a', 2, '[]'::jsonb);
SELECT rama.remove('below', 'a', 1, 0);
SELECT version, count FROM rama.pstates WHERE pstate = 'below'::regclass;

-- an error in the middle leaves nothing
SELECT rama.put('counts', 'new', 1), 1 / (SELECT count(*) - 4 FROM counts);
SELECT rama.count('counts'), rama.get('counts', 'new');

-- removal takes everything below, and only that
SELECT count(rama.push('llm', o, r, 'tokens', format('%s %s', r, t))), count(rama.push('llm', o, r, 'tags', t::text))
FROM generate_series(1, 3) o, generate_series(10, 12) r, generate_series(1, 2) t;
TABLE wrong;
SELECT rama.remove('llm', 1, 10);
SELECT org, request, tokens_count, tags_count FROM llm_request ORDER BY 1, 2;
SELECT count(*) FROM llm_tokens WHERE (org, request) = (1, 10);
SELECT rama.remove('llm', 2);
SELECT rama.remove('llm', 2), rama.remove('llm', 3, 99), rama.remove('llm', 3, 11, 'tokens');
SELECT * FROM llm_request ORDER BY 1, 2;
TABLE llm ORDER BY 1;
TABLE wrong;
-- an emptied collection stays
SELECT rama.remove('llm', 1, 11), rama.remove('llm', 1, 12);
SELECT * FROM llm WHERE org = 1;
SELECT rama.remove('llm', 3, 12, 'tags', '1'), rama.remove('llm', 3, 12, 'tags', '2'), rama.remove('llm', 3, 12, 'tags', '3');
SELECT tags_count FROM llm_request WHERE (org, request) = (3, 12);
TABLE wrong;

-- from the middle of a vector: the tail moves down, with what is below it
SELECT rama.create_pstate('board', 'vector(struct(name: text, cards: map(card: text, text) subindex))');
SELECT rama.push('board', format('{"name": "list %s"}', i)::jsonb) FROM generate_series(0, 4) i;
SELECT rama.put('board', i, 'cards', format('card %s', i), 'x') FROM generate_series(0, 4) i;
SELECT rama.remove('board', 1);
SELECT index, name, cards_count FROM board ORDER BY index;
TABLE board_cards ORDER BY index;
SELECT rama.remove('board', 3), rama.remove('board', 0), rama.remove('board', 7);
SELECT index, name, card FROM board JOIN board_cards USING (index) ORDER BY index;
SELECT rama.push('board', '{"name": "last"}'::jsonb), rama.count('board');
SELECT rama.put('board', 4, 'name', 'beyond the end');

-- single values
SELECT rama.create_pstate('total', 'numeric');
SELECT rama.add('total', 1), rama.add('total', 2.5);
TABLE total;
SELECT rama.remove('total', VARIADIC '{}');
SELECT rama.get('total') IS NULL, (SELECT count(*) FROM total), (SELECT version FROM rama.pstates WHERE pstate = 'total'::regclass);
SELECT rama.create_pstate('conf', 'struct(a: int, log: vector(text) subindex)');
SELECT rama.push('conf', 'log', 'first'), rama.put('conf', 'a', 1);
TABLE conf;
TABLE conf_log;
SELECT rama.remove('conf', VARIADIC '{}');
SELECT (SELECT count(*) FROM conf), (SELECT count(*) FROM conf_log);

-- the user's own indexes and constraints
CREATE INDEX counts_n ON counts (n);
CREATE INDEX counts_lower ON counts (upper(word)) WHERE n > 1;
ALTER TABLE counts ADD CONSTRAINT small CHECK (n < 1000);
SELECT rama.add('counts', word, 1) FROM (SELECT DISTINCT word FROM counts ORDER BY 1) w;
SELECT rama.put('counts', 'g', 999);
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT n FROM counts WHERE upper(word) = 'G' AND n > 1;
DROP INDEX counts_lower;
SELECT word FROM counts WHERE n = 999;
SELECT n FROM counts WHERE word = 'g';
RESET enable_seqscan;
RESET enable_bitmapscan;
SELECT rama.add('counts', 'g', 1);
SELECT rama.get('counts', 'g');
CREATE DOMAIN given AS int NOT NULL;
SELECT rama.create_pstate('nn', 'map(text, struct(a: given, b: int))');
SELECT rama.put('nn', 'x', 'b', 1);
SELECT rama.put('nn', 'x', 'a', 1), rama.put('nn', 'x', 'b', 1);
TABLE nn;
ALTER TABLE nn ALTER b SET NOT NULL;
SELECT rama.put('nn', 'y', 'a', 1);

-- privileges: those of the root, also for the tables below
CREATE ROLE regress_psw;
GRANT USAGE ON SCHEMA psw TO regress_psw;
CREATE FUNCTION fails(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
SET ROLE regress_psw;
SELECT fails($$SELECT rama.get('llm', 1)$$), fails($$SELECT rama.count('llm', 1)$$);
SELECT fails($$SELECT rama.push('llm', 1, 1, 'tokens', 'x')$$);
RESET ROLE;
GRANT SELECT, INSERT ON llm TO regress_psw;
SET ROLE regress_psw;
SELECT fails($$SELECT rama.get('llm', 1)$$), fails($$SELECT rama.remove('llm', 1)$$);
RESET ROLE;
GRANT ALL ON llm TO regress_psw;
ALTER TABLE llm_tokens_chunk ENABLE ROW LEVEL SECURITY;
SET ROLE regress_psw;
SELECT fails($$SELECT rama.get('llm', 1)$$);
SELECT fails($$SELECT rama.push('llm', 1, 1, 'tokens', 'x')$$);
RESET ROLE;
ALTER TABLE llm_tokens_chunk DISABLE ROW LEVEL SECURITY;
SET ROLE regress_psw;
SELECT rama.push('llm', 1, 1, 'tokens', 'x');
RESET ROLE;
-- read-only transactions
BEGIN READ ONLY;
SELECT rama.get('counts', 'b');
SELECT rama.put('counts', 'b', 1);
ROLLBACK;
-- written, the transaction cannot be prepared
BEGIN;
SELECT rama.put('counts', 'b', 2);
PREPARE TRANSACTION 'psw';
BEGIN;
SELECT rama.get('counts', 'b');
PREPARE TRANSACTION 'psw';
ROLLBACK PREPARED 'psw';

-- DDL in the transaction that wrote
BEGIN;
SELECT rama.put('counts', 'b', 3);
ALTER TABLE counts RENAME TO words_counted;
SELECT rama.put('words_counted', 'b', 4);
CREATE INDEX ON words_counted (n);
SELECT rama.put('words_counted', 'b', 5);
COMMIT;
SELECT rama.get('words_counted', 'b');
BEGIN;
SELECT rama.put('words_counted', 'b', 3);
DROP TABLE words_counted;
COMMIT;
SELECT rama.get('llm', 3, 12, 'tokens', 0);

-- a table that is rewritten below the transaction's feet
SELECT rama.create_pstate('big', 'map(k: int, text)');
SELECT count(rama.put('big', i, repeat('x', 500))) FROM generate_series(1, 200) i;
SELECT count(rama.remove('big', i)) FROM generate_series(1, 199) i;
BEGIN;
SELECT rama.put('big', 200, 'y');
CLUSTER big USING big_k_idx;
SELECT rama.get('big', 200);
SELECT rama.put('big', 200, 'z');
SELECT rama.get('big', 200);
COMMIT;
TABLE big;

-- first use in a session, beside a parallel scan
CREATE TABLE many AS SELECT i FROM generate_series(1, 1000) i;
\c -
SET search_path = psw, public;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT count(rama.get('big', i)) FROM many;
SELECT count(rama.get('big', i)) FROM many;

-- random writes: the counts hold
DO $$
DECLARE
	o bigint;
	r bigint;
	t int;
BEGIN
	PERFORM setseed(0.5);
	FOR i IN 1..3000 LOOP
		o := floor(random() * 3);
		r := floor(random() * 5);
		t := floor(random() * 6);
		BEGIN
			CASE floor(random() * 9)
				WHEN 0 THEN PERFORM rama.put('llm', o, r, 'prompt', 'p');
				WHEN 1, 2 THEN PERFORM rama.push('llm', o, r, 'tokens', i::text);
				WHEN 3 THEN PERFORM rama.push('llm', o, r, 'tags', t::text);
				WHEN 4 THEN PERFORM rama.remove('llm', o, r, 'tags', t::text);
				WHEN 5 THEN PERFORM rama.remove('llm', o, r, 'tokens', t);
				WHEN 6 THEN PERFORM CASE WHEN t = 0 THEN rama.remove('llm', o, r) END;
				WHEN 7 THEN PERFORM CASE WHEN t = 0 AND random() < 0.2 THEN rama.remove('llm', o) END;
				ELSE PERFORM rama.put('llm', o, r, '{"prompt": "q", "tokens": ["x", "y"], "tags": ["0", "1"]}'::jsonb);
			END CASE;
			IF random() < 0.3 THEN
				RAISE division_by_zero;
			END IF;
		EXCEPTION WHEN division_by_zero THEN
			NULL;
		END;
		IF i % 500 = 0 THEN
			ASSERT rama.count('llm') = (SELECT count(*) FROM llm);
			COMMIT;
			ASSERT NOT EXISTS (TABLE wrong), (SELECT string_agg(w::text, ' ') FROM wrong w);
		END IF;
	END LOOP;
END $$;
SELECT count(*) > 20 AS some FROM llm_tokens;

SET client_min_messages = warning;
DROP SCHEMA psw CASCADE;
RESET client_min_messages;
RESET search_path;
DROP ROLE regress_psw;
