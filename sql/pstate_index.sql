-- Which access method the keys of a PState have
CREATE SCHEMA pstate_index;
SET search_path = pstate_index, public;
CREATE FUNCTION indexes() RETURNS TABLE (relation regclass, definition text)
LANGUAGE sql AS $$
	SELECT indrelid::regclass, substring(pg_get_indexdef(indexrelid) FROM 'USING .*')
	FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
	WHERE relnamespace = 'pstate_index'::regnamespace ORDER BY relname $$;

SELECT rama.create_pstate('texts', 'map(word: text, map(at: timestamptz, struct(n: int)) subindex)');
SELECT rama.create_pstate('names', 'map(name: varchar(20), map(id: uuid, bigint) subindex)');
CREATE TYPE mood AS ENUM ('low', 'high');
SELECT rama.create_pstate('moods', 'map(mood: mood, set(n: numeric) subindex)');
-- pstate has no classes for these
SELECT rama.create_pstate('arrays', 'map(key: int[], bigint)');
SELECT rama.create_pstate('padded', 'map(key: char(5), bigint)');
CREATE DOMAIN code AS text CHECK (VALUE <> '');
SELECT rama.create_pstate('codes', 'map(code: code, bigint)');
SET pg_rama.index_method = 'btree';
SELECT rama.create_pstate('by_btree', 'map(word: text, bigint)');
SET pg_rama.index_method = 'hash';
RESET pg_rama.index_method;
SELECT * FROM indexes();

-- Both are the same to reads.
SELECT rama.put('texts', w, '2030-01-01 00:00+00'::timestamptz + n * interval '1 hour', 'n', n)
FROM unnest('{a,B,ä,ab}'::text[]) w, generate_series(1, 3) n \g /dev/null
SELECT rama.put('by_btree', w, 1) FROM unnest('{a,B,ä,ab}'::text[]) w \g /dev/null
SELECT rama.select('texts', '[["map-keys"]]') = rama.select('by_btree', '[["map-keys"]]') AS same;
SELECT word, n FROM texts_at WHERE word >= 'a' AND word < 'b' AND n > 1 ORDER BY word, at;
SELECT rama.check_index('texts_at_word_at_idx');
SELECT rama.put('moods', 'high', '[1.0, 2.50]');
SELECT rama.push('moods', 'high', 1), rama.push('moods', 'high', 2.5), rama.push('moods', 'low', 3);
SELECT * FROM moods_n ORDER BY 1, 2;

-- Before version 18 ON CONFLICT is for btree only.
CREATE TABLE counters (name text COLLATE "C", n int);
CREATE UNIQUE INDEX counters_name ON counters USING pstate (name rama.text_c_ops);
INSERT INTO counters VALUES ('a', 1) ON CONFLICT DO NOTHING;
WITH ins AS (INSERT INTO counters VALUES ('a', 1) ON CONFLICT (name) DO UPDATE SET n = 2 RETURNING n) SELECT * FROM ins;
INSERT INTO texts VALUES ('b') ON CONFLICT (word) DO NOTHING;
MERGE INTO counters USING (VALUES ('a')) v(name) ON counters.name = v.name
WHEN MATCHED THEN UPDATE SET n = n + 1 WHEN NOT MATCHED THEN INSERT VALUES ('a', 1);
INSERT INTO counters VALUES ('a', 1);

SET client_min_messages = warning;
DROP SCHEMA pstate_index CASCADE;
