-- Merging into vectors in chunks by "list": rows for the same vector are gathered,
-- arrays of its type are copied, and all comes out as if each were pushed.
CREATE SCHEMA vector_merge;
SET search_path = vector_merge;
SET client_min_messages = warning;

CREATE DOMAIN short AS text CHECK (length(value) < 60);
SELECT rama.create_depot('ev', 'k text, n int, w text, ws text[], ns int[]');
SELECT rama.create_pstate('words', 'map(k: text, struct(note: text, w: vector(w: text) subindex))');
SELECT rama.create_pstate('lists', 'map(k: varchar(10), vector(w: varchar(50)) subindex)');
SELECT rama.create_pstate('longs', 'map(k: text, vector(n: bigint) subindex)');
SELECT rama.create_pstate('shorts', 'map(k: text, vector(w: short) subindex)');
SELECT rama.create_pstate('docs', 'map(k: text, vector(doc: map(text, int)) subindex)');
SELECT rama.create_pstate('inner', 'map(k: text, vector(struct(name: text, n: vector(n: bigint) subindex)) subindex)');

SELECT count(rama.push('inner', k, jsonb_build_object('name', i))) FROM unnest('{a,b,c}'::text[]) k, generate_series(0, 2) i;

SELECT rama.create_topology('into_words', 'microbatch', 'ev', sql => 'SELECT k, w FROM batch', target => 'words_w', merge => 'list');
SELECT rama.create_topology('into_lists', 'microbatch', 'ev', sql => 'SELECT k, ws FROM batch', target => 'lists', merge => 'list');
SELECT rama.create_topology('into_longs', 'microbatch', 'ev', sql => 'SELECT k, ns FROM batch', target => 'longs', merge => 'vec');
SELECT rama.create_topology('into_shorts', 'microbatch', 'ev', sql => 'SELECT k, array_agg(left(w, 50) ORDER BY _offset) FROM batch GROUP BY k', target => 'shorts', merge => 'list');
SELECT rama.create_topology('into_docs', 'microbatch', 'ev', sql => 'SELECT k, CASE WHEN n % 5 > 0 THEN jsonb_build_object(''n'', n) END FROM batch', target => 'docs', merge => 'list');
SELECT rama.create_topology('into_inner', 'microbatch', 'ev', sql => 'SELECT k, n % 3, n FROM batch WHERE n >= 0', target => 'inner_n', merge => 'list');


-- runs of one key and of many, nulls, empty arrays, arrays of two dimensions, elements
-- larger than a chunk
INSERT INTO ev SELECT (ARRAY['a', 'b', 'c'])[1 + CASE WHEN i % 400 < 200 THEN i % 3 ELSE i / 400 % 3 END], i, CASE WHEN i % 7 > 0 THEN 'w' || i END,
	CASE i % 10 WHEN 0 THEN '{}' WHEN 1 THEN ARRAY['x', NULL, i::text] WHEN 2 THEN '{{p,q},{r,s}}' ELSE ARRAY['y' || i, repeat('z', i % 50)] END,
	CASE WHEN i % 6 > 0 THEN ARRAY[i, -i, i * 2] END
FROM generate_series(0, 1999) i;
INSERT INTO ev (k, n, w) SELECT 'big', -1, repeat(md5(i::text), i % 4 * 40) FROM generate_series(1, 60) i;
INSERT INTO ev (k, n, ws) SELECT 'empty', -1, '{}';
SELECT name, rama.wait(name::regclass) FROM unnest('{into_words,into_lists,into_longs,into_shorts,into_docs,into_inner}'::text[]) name;

CREATE FUNCTION differs(got text, expected text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT k || '' '' || left(coalesce(g.v::text, ''-''), 60) || '' '' || left(coalesce(e.v::text, ''-''), 60)
		FROM (%s) g (k, v) FULL JOIN (%s) e (k, v) USING (k) WHERE g.v IS DISTINCT FROM e.v', got, expected);
END $$;
SELECT differs('SELECT k, rama.get(''words'', k, ''w'') FROM words', 'SELECT k, jsonb_agg(w ORDER BY _offset) FROM ev GROUP BY k');
SELECT differs('SELECT k, coalesce(rama.get(''lists'', k), ''[]'') FROM lists',
	'SELECT k, coalesce(jsonb_agg(x ORDER BY _offset, i) FILTER (WHERE i IS NOT NULL), ''[]'') FROM ev LEFT JOIN LATERAL (SELECT * FROM unnest(ws) WITH ORDINALITY UNION ALL SELECT NULL, 1 WHERE ws IS NULL) u (x, i) ON true GROUP BY k');
SELECT differs('SELECT k, rama.get(''longs'', k) FROM longs',
	'SELECT k, jsonb_agg(n ORDER BY _offset, i) FROM (SELECT k, _offset, ns FROM ev) e, LATERAL (SELECT * FROM unnest(ns) WITH ORDINALITY UNION ALL SELECT NULL, 1 WHERE ns IS NULL) u (n, i) GROUP BY k');
SELECT differs('SELECT k, rama.get(''shorts'', k) FROM shorts', 'SELECT k, jsonb_agg(left(w, 50) ORDER BY _offset) FROM ev GROUP BY k');
SELECT differs('SELECT k, rama.get(''docs'', k) FROM docs', 'SELECT k, jsonb_agg(CASE WHEN n % 5 > 0 THEN jsonb_build_object(''n'', n) END ORDER BY _offset) FROM ev GROUP BY k');
SELECT differs('SELECT k || index, rama.get(''inner'', k, index, ''n'') FROM inner_elem', 'SELECT k || n % 3, jsonb_agg(n ORDER BY _offset) FROM ev WHERE n >= 0 GROUP BY 1');

-- the sealed chunks of many merges are full
SELECT count(*) > 20 AS many, min(pg_column_size(elements)) > 700 AS full FROM longs_n_chunk WHERE chunk < 9223372036854775807;
DROP SCHEMA vector_merge CASCADE;
