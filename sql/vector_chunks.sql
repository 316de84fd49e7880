-- Vectors that are kept in chunks: the table and the view, DDL, and reading.
-- (How they are written: tap/vector_model.)
CREATE SCHEMA vc;
SET search_path = vc;
SET client_min_messages = warning;

CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE point3 AS (x int, y text);
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE DOMAIN pair AS point3;
SELECT rama.create_pstate('llm', $$
	map(org: bigint, map(request: uuid, struct(prompt: text, tokens: vector(token: text) subindex)) subindex)$$);
\d llm_tokens
SELECT reloptions FROM pg_class WHERE oid = 'llm_tokens'::regclass;
\d llm_tokens_chunk
SELECT child, ordinal FROM rama.pstate_child WHERE pstate = 'llm'::regclass ORDER BY ordinal;

-- Which vectors: elements that are one value of a type that has arrays, or
-- JSON; those of the rest have a row each, and so have outermost ones.
SELECT rama.create_pstate('kinds', $$
	map(chunk: text, struct(count: vector(varchar(5)) subindex, dec: vector(numeric(8,2)) subindex,
		dom: vector(positive) subindex, mood: vector(mood) subindex, comp: vector(p: point3) subindex,
		pair: vector(pair) subindex, bits: vector(bit(3)) subindex, json: vector(jsonb) subindex,
		sets: vector(set(int)) subindex, vecs: vector(vector(int)) subindex,
		arr: vector(int[]) subindex, rec: vector(struct(x: int)) subindex, deep: vector(vector(int) subindex)))$$);
SELECT c.relname, c.relkind, string_agg(format('%s %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
	FROM rama.pstate_child p JOIN pg_class c ON c.oid = p.child JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
	WHERE p.pstate = 'kinds'::regclass GROUP BY p.ordinal, c.relname, c.relkind ORDER BY p.ordinal;
SELECT rama.create_pstate('outer', 'vector(vector(int) subindex)');
SELECT relname, relkind FROM pg_class WHERE relnamespace = 'vc'::regnamespace AND relname LIKE 'outer%' AND relkind IN ('r', 'v') ORDER BY 1;

-- Names
SELECT rama.create_pstate('clash', 'struct(a: vector(int) subindex, a_chunk: map(int, int) subindex)');
SELECT rama.create_pstate('p', 'struct(a234567890b234567890c234567890d234567890e234567890f23456: vector(int) subindex)');
SELECT rama.create_pstate('names', $$map(chunk: int, map(count: int, map(first: int,
	map(elements: int, map(before: int, map(t: int, map("c""d": int, vector("e.f": int) subindex)))))))$$);
SELECT format('%I', attname) FROM pg_attribute WHERE attrelid = '"names_e.f_chunk"'::regclass AND attnum > 0 ORDER BY attnum;

-- Rows as they can be, put there by hand: a regular vector, one with elements in
-- its tail only, a shifted one, a shifted one whose tail is empty, an empty one;
-- a regular and a shifted one of many chunks.
SET session_replication_role = replica;
INSERT INTO llm VALUES (1, 7);
INSERT INTO llm_request SELECT 1, format('00000000-0000-0000-0000-00000000000%s', i)::uuid, 'p' || i, n
	FROM (VALUES (1, 7), (2, 2), (3, 9), (4, 8), (5, 0), (6, 25), (7, 25)) v(i, n);
INSERT INTO llm_tokens_chunk
	SELECT 1, format('00000000-0000-0000-0000-00000000000%s', i)::uuid, chunk, cardinality(elements::text[]), first, elements::text[]
	FROM (VALUES (1, 0::bigint, NULL::bigint, '{a,b}'), (1, 2::bigint << 20, NULL, '{c,NULL,d,e}'), (1, 9223372036854775807, 6, '{f}'),
		(2, 9223372036854775807, 0, '{a,b}'),
		(3, 5, NULL, '{a,b}'), (3, 6, NULL, '{c}'), (3, 100, NULL, '{d,e,f}'), (3, 200, NULL, '{g}'), (3, 9223372036854775807, NULL, '{h,i}'),
		(4, 5, NULL, '{a,b}'), (4, 6, NULL, '{c}'), (4, 100, NULL, '{d,e,f,g,h}'), (4, 9223372036854775807, NULL, '{}')) v(i, chunk, first, elements);
INSERT INTO llm_tokens_chunk
	SELECT 1, format('00000000-0000-0000-0000-00000000000%s', i)::uuid,
		CASE WHEN k = 12 THEN 9223372036854775807 WHEN i = 6 THEN start << 20 ELSE k * 10 END, n,
		CASE WHEN k = 12 AND i = 6 THEN start END, ARRAY(SELECT 't' || e FROM generate_series(start, start + n - 1) e)
	FROM generate_series(6, 7) i,
		(SELECT k, n, sum(n) OVER (ORDER BY k) - n AS start FROM generate_series(0, 12) k, LATERAL (SELECT k % 3 + 1) l(n)) c;
RESET session_replication_role;
SELECT request, string_agg(coalesce(token, '-'), '' ORDER BY index) AS tokens, array_agg(index ORDER BY index) AS indexes
	FROM llm_tokens GROUP BY 1 ORDER BY 1;
CREATE FUNCTION index_lines(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		IF line ~ 'Index' THEN
			RETURN NEXT trim(line);
		END IF;
	END LOOP;
END $$;
SELECT index_lines($$SELECT * FROM llm_tokens WHERE org = 1 AND request = '00000000-0000-0000-0000-000000000001' AND index < 3$$);
SELECT * FROM llm_tokens WHERE org = 1 AND request = '00000000-0000-0000-0000-000000000001' AND index BETWEEN 1 AND 4;

-- Each element, each part, each end, by path and by the view
CREATE FUNCTION tokens_of(request uuid) RETURNS jsonb LANGUAGE sql STABLE AS
	'SELECT coalesce(jsonb_agg(token ORDER BY index), ''[]'') FROM vc.llm_tokens t WHERE t.request = $1';
SELECT request, rama.select_one('llm', jsonb_build_array(1, request, 'tokens')), rama.count('llm', 1, request, 'tokens')
	FROM llm_request ORDER BY 1;
CREATE TEMP TABLE problems AS
	SELECT request, 'nth' AS what, i AS a, 0 AS b, rama.get('llm', 1, request, 'tokens', i) AS found,
		nullif(tokens_of(request) -> i, 'null') AS should_be
	FROM llm_request, generate_series(0, 27) i
UNION ALL
	SELECT request, 'range', f, t, rama.select_one('llm', jsonb_build_array(1, request, 'tokens', jsonb_build_array('srange', f, t))),
		(SELECT coalesce(jsonb_agg(token ORDER BY index), '[]') FROM llm_tokens x WHERE x.request = r.request AND index >= f AND index < t)
	FROM llm_request r, generate_series(0, 27, 2) f, generate_series(f, 28, 3) t
UNION ALL
	SELECT request, 'count', f, t, rama.select_one('llm', jsonb_build_array(1, request, 'tokens', jsonb_build_array('srange', f, t), '["view", "count"]'::jsonb)),
		(SELECT to_jsonb(count(*)) FROM llm_tokens x WHERE x.request = r.request AND index >= f AND index < t)
	FROM llm_request r, generate_series(0, 27, 2) f, generate_series(f, 28, 3) t
UNION ALL
	SELECT request, e, 0, t, (SELECT rama.select('llm', jsonb_build_array(1, request, 'tokens', jsonb_build_array('srange', 0, t), jsonb_build_array(e)))),
		(SELECT nullif(to_jsonb(token), 'null') FROM llm_tokens x WHERE x.request = r.request AND index < t
			ORDER BY CASE e WHEN 'last' THEN -index ELSE index END LIMIT 1)
	FROM llm_request r, generate_series(0, 28) t, (VALUES ('last'), ('first')) v(e);
SELECT count(*) FROM problems;
SELECT * FROM problems WHERE found IS DISTINCT FROM should_be ORDER BY 1, 2, 3, 4;
DROP TABLE problems;
SELECT rama.get('llm', 1, '00000000-0000-0000-0000-000000000001', 'tokens', -1);
SELECT rama.get('llm', 1, '00000000-0000-0000-0000-000000000001', 'tokens', 9223372036854775807);
SELECT rama.select('llm', '[1, ["all"], ["nth", 1], "tokens", ["last"]]');
SELECT rama.select('llm', '[1, ["map-vals"], "tokens", ["indexed-vals"]]') OFFSET 4 LIMIT 8;
SELECT rama.explain('llm', '[1, "00000000-0000-0000-0000-000000000001", "tokens", 3]');
SELECT rama.explain('llm', '[1, "00000000-0000-0000-0000-000000000001", "tokens", ["srange", 1, 3], ["all"]]');
SELECT rama.explain('llm', '[1, "00000000-0000-0000-0000-000000000001", "tokens", ["last"]]');
SELECT rama.explain('llm', '[1, "00000000-0000-0000-0000-000000000001", "tokens", ["srange", 1, 3], ["view", "count"]]');

-- Chunks that do not fit their vector are found out, not read over.
SET session_replication_role = replica;
DELETE FROM llm_tokens_chunk WHERE request = '00000000-0000-0000-0000-000000000001' AND chunk = 0;
UPDATE llm_tokens_chunk SET count = 3 WHERE request = '00000000-0000-0000-0000-000000000002';
RESET session_replication_role;
SELECT rama.get('llm', 1, '00000000-0000-0000-0000-000000000001', 'tokens', 1);
SELECT rama.get('llm', 1, '00000000-0000-0000-0000-000000000002', 'tokens', 2);
SELECT rama.get('llm', 1, '00000000-0000-0000-0000-000000000002', 'tokens');
SELECT rama.drop_pstate('llm');

-- Elements of all kinds
SET session_replication_role = replica;
INSERT INTO kinds (chunk, count_count, dec_count, dom_count, mood_count, comp_count, pair_count, bits_count, json_count, sets_count, vecs_count)
	VALUES ('k', 2, 2, 2, 2, 3, 2, 2, 3, 2, 2);
INSERT INTO kinds_count_chunk VALUES ('k', 9223372036854775807, 2, 0, '{abc,"d,e"}');
INSERT INTO kinds_dec_chunk VALUES ('k', 9223372036854775807, 2, 0, '{1.5,1000}');
INSERT INTO kinds_dom_chunk VALUES ('k', 9223372036854775807, 2, 0, '{1,2}');
INSERT INTO kinds_mood_chunk VALUES ('k', 9223372036854775807, 2, 0, '{ok,sad}');
INSERT INTO kinds_comp_chunk VALUES ('k', 9223372036854775807, 3, 0, ARRAY[ROW(1, 'a'), NULL, ROW(NULL, NULL)]::point3[]);
INSERT INTO kinds_pair_chunk VALUES ('k', 9223372036854775807, 2, 0, ARRAY[ROW(1, 'a'), ROW(2, 'b')]::pair[]);
INSERT INTO kinds_bits_chunk VALUES ('k', 9223372036854775807, 2, 0, '{101,010}');
INSERT INTO kinds_json_chunk VALUES ('k', 9223372036854775807, 3, 0, ARRAY['{"a": 1}', 'null', '[2]']::jsonb[]);
INSERT INTO kinds_sets_chunk VALUES ('k', 0, 1, NULL, ARRAY['[1, 2]']::jsonb[]), ('k', 9223372036854775807, 1, 1, ARRAY['[3]']::jsonb[]);
INSERT INTO kinds_vecs_chunk VALUES ('k', 0, 1, NULL, ARRAY['[1, 2]']::jsonb[]), ('k', 9223372036854775807, 1, 1, ARRAY['[3]']::jsonb[]);
RESET session_replication_role;
SELECT jsonb_pretty(rama.select_one('kinds', '["k"]'));
SELECT * FROM kinds_count; SELECT * FROM kinds_dec; SELECT * FROM kinds_dom; SELECT * FROM kinds_mood;
SELECT index, p, p IS NULL AS null, (p).y FROM kinds_comp; SELECT * FROM kinds_pair; SELECT * FROM kinds_bits;
SELECT * FROM kinds_json; SELECT * FROM kinds_sets; SELECT * FROM kinds_vecs;
SELECT rama.select('kinds', '["k", "sets", ["all"], ["last"]]');
SELECT rama.get('kinds', 'k', 'comp', 0), rama.get('kinds', 'k', 'comp', 1), rama.get_as(NULL::mood, 'kinds', 'k', 'mood', 1);
SELECT rama.drop_pstate('kinds');

-- Large elements: out of line, and compressed
SELECT rama.create_pstate('large', 'struct(v: vector(t: text) subindex)');
SET session_replication_role = replica;
INSERT INTO large VALUES (3);
INSERT INTO large_v_chunk SELECT i::bigint << 20, 1, NULL, ARRAY[(SELECT string_agg(md5(j::text), '') FROM generate_series(1, 1000 * (i + 1)) j)] FROM generate_series(0, 1) i;
INSERT INTO large_v_chunk VALUES (9223372036854775807, 1, 2, ARRAY[repeat('x', 100000)]);
RESET session_replication_role;
SELECT length(t), md5(t) FROM large_v;
SELECT length(v #>> '{}'), md5(v #>> '{}') FROM rama.select('large', '["v", ["all"]]') v;
SELECT length(rama.get_text('large', 'v', i)) FROM generate_series(0, 3) i;
SELECT rama.drop_pstate('large');

-- The view and the table of chunks follow the root, and stay as they are.
CREATE ROLE regress_vc_owner;
CREATE ROLE regress_vc_reader;
CREATE SCHEMA vc2;
GRANT ALL ON SCHEMA vc, vc2 TO regress_vc_owner;
GRANT USAGE ON SCHEMA vc2 TO regress_vc_reader;
SELECT rama.create_pstate('m', 'map(k: text, vector(v: int) subindex)');
ALTER TABLE m RENAME TO n;
ALTER TABLE n SET SCHEMA vc2;
ALTER TABLE vc2.n OWNER TO regress_vc_owner;
GRANT SELECT ON vc2.n TO regress_vc_reader;
SELECT oid::regclass, relkind, relowner::regrole, has_table_privilege('regress_vc_reader', oid, 'SELECT') AS readable FROM pg_class WHERE relnamespace = 'vc2'::regnamespace AND relkind IN ('r', 'v') ORDER BY relname;
SET ROLE regress_vc_reader;
SELECT * FROM vc2.n_v;
RESET ROLE;
ALTER VIEW vc2.n_v RENAME TO x;
ALTER TABLE vc2.n_v_chunk RENAME TO x;
ALTER VIEW vc2.n_v OWNER TO CURRENT_USER;
ALTER VIEW vc2.n_v SET SCHEMA vc;
ALTER VIEW vc2.n_v SET (security_invoker = false);
ALTER VIEW vc2.n_v ALTER COLUMN v SET DEFAULT 1;
ALTER VIEW vc2.n_v RENAME COLUMN v TO w;
CREATE OR REPLACE VIEW vc2.n_v WITH (security_invoker = true) AS SELECT 'a'::text COLLATE "C" AS k, 1::bigint AS index, 2 AS v;
CREATE RULE r AS ON INSERT TO vc2.n_v DO INSTEAD NOTHING;
CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER t INSTEAD OF INSERT ON vc2.n_v FOR EACH ROW EXECUTE FUNCTION t();
GRANT SELECT ON vc2.n_v TO PUBLIC;
INSERT INTO vc2.n_v VALUES ('a', 0, 1);
UPDATE vc2.n_v SET v = 1;
DELETE FROM vc2.n_v;
INSERT INTO vc2.n_v_chunk VALUES ('a', 0, 1, 1, '{1}');
DROP VIEW vc2.n_v;
DROP VIEW vc2.n_v CASCADE;
DROP TABLE vc2.n_v_chunk CASCADE;
ALTER TABLE vc2.n_v_chunk ADD COLUMN x int;
ALTER TABLE vc2.n_v_chunk ALTER COLUMN elements TYPE bigint[];
SELECT rama.get('vc2.n_v', 'a');
SELECT rama.get('vc2.n_v_chunk', 'a');
-- Row security of the chunks is that of who looks at the view.
SET session_replication_role = replica;
INSERT INTO vc2.n VALUES ('a', 1), ('b', 1);
INSERT INTO vc2.n_v_chunk VALUES ('a', 9223372036854775807, 1, 0, '{1}'), ('b', 9223372036854775807, 1, 0, '{2}');
RESET session_replication_role;
ALTER TABLE vc2.n_v_chunk ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON vc2.n_v_chunk USING (k = 'b');
SET ROLE regress_vc_reader;
SELECT * FROM vc2.n_v;
SELECT rama.get('vc2.n', 'a', 0);
RESET ROLE;
-- Views of users go by the usual rules, and plain indexes may be made.
CREATE VIEW over AS SELECT sum(v) FROM vc2.n_v;
CREATE INDEX ON vc2.n_v_chunk (count);
DROP TABLE vc2.n;
DROP TABLE vc2.n CASCADE;
SELECT relname FROM pg_class WHERE relnamespace = 'vc2'::regnamespace;
DROP OWNED BY regress_vc_owner, regress_vc_reader;
DROP ROLE regress_vc_owner, regress_vc_reader;

-- Wider keys and elements: the view is made anew, no chunk is rewritten.
CREATE ROLE regress_vc_reader;
SELECT rama.create_pstate('w', 'map(k: varchar(3), struct(v: vector(varchar(3)) subindex, n: vector(n: numeric(5,2)) subindex, t: vector(text) subindex))');
GRANT SELECT ON w TO regress_vc_reader;
SELECT rama.push('w', 'abc', 'v', 'abc'), rama.push('w', 'abc', 'n', 1.5), rama.push('w', 'abc', 't', 'x');
CREATE TEMP TABLE files AS SELECT oid, relfilenode FROM pg_class WHERE relname IN ('w_v_chunk', 'w_n_chunk', 'w_t_chunk');
CREATE VIEW on_it AS SELECT * FROM w_v;
SELECT rama.alter_pstate('w', 'map(k: varchar(3), struct(v: vector(varchar(5)) subindex, n: vector(n: numeric(5,2)) subindex, t: vector(text) subindex))');
DROP VIEW on_it;
SELECT rama.alter_pstate('w', 'map(k: varchar(5), struct(more: vector(date) subindex, v: vector(varchar(5)) subindex, n: vector(n: numeric) subindex, t: vector(text) subindex))');
SELECT rama.push('w', 'abc', 'v', 'abcde'), rama.push('w', 'abcde', 'n', 12345.678), rama.push('w', 'abc', 'more', '2026-01-02');
SELECT rama.get('w');
SELECT c.relname, c.relkind, has_table_privilege('regress_vc_reader', c.oid, 'SELECT') AS readable, c.relfilenode = f.relfilenode AS kept,
		string_agg(format('%s %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
	FROM rama.pstate_child p JOIN pg_class c ON c.oid = p.child LEFT JOIN files f USING (oid) JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
	WHERE p.pstate = 'w'::regclass GROUP BY p.ordinal, c.oid, c.relname, c.relkind, 4 ORDER BY p.ordinal;
SELECT * FROM w_v; SELECT * FROM w_n; SELECT * FROM w_more;
DROP VIEW w_v;
SELECT rama.alter_pstate('w', 'map(k: varchar(5), struct(more: vector(date) subindex, v: vector(text) subindex, n: vector(n: numeric) subindex, t: vector(text) subindex))');
SELECT rama.alter_pstate('w', 'map(k: varchar(5), struct(more: vector(date) subindex, v: vector(varchar(2)) subindex, n: vector(n: numeric) subindex, t: vector(text) subindex))');
SELECT rama.alter_pstate('w', 'map(k: varchar(5), struct(more: vector(date) subindex, v: vector(struct(elem: varchar(5))) subindex, n: vector(n: numeric) subindex, t: vector(text) subindex))');
SELECT rama.drop_pstate('w');
DROP ROLE regress_vc_reader;

-- Eight levels of collections below each other, with a vector at the end
SELECT rama.create_pstate('deep', $$map(a: int, map(b: text, map(c: bigint, map(d: date, map(e: uuid,
	map(f: numeric, map(g: boolean, map(h: int, vector(i: text) subindex))))))))$$);
SELECT format_type(atttypid, atttypmod), attname FROM pg_attribute WHERE attrelid = 'deep_i_chunk'::regclass AND attnum > 0 ORDER BY attnum;
SELECT count(rama.push('deep', 1, 'b', 3, '2026-01-02', '00000000-0000-0000-0000-000000000005', 6.5, true, h, 'i' || i)) FROM generate_series(8, 9) h, generate_series(1, 200) i;
SELECT h, count(*), max(index), min(i), max(i) FROM deep_i WHERE a = 1 AND f = 6.5 GROUP BY h ORDER BY h;
SELECT rama.get('deep', 1, 'b', 3, '2026-01-02', '00000000-0000-0000-0000-000000000005', 6.5, true, 9, 199);
SELECT rama.select('deep', '[1, "b", 3, "2026-01-02", ["map-vals"], ["map-vals"], true, ["map-vals"], ["srange", 98, 100], ["all"]]');
SELECT rama.remove('deep', 1, 'b', 3, '2026-01-02', '00000000-0000-0000-0000-000000000005', 6.5, true, 9, 0);
SELECT rama.select('deep', '[["map-vals"], ["map-vals"], ["map-vals"], ["map-vals"], ["map-vals"], ["map-vals"], ["map-vals"], ["map-vals"], ["multi-path", [["first"]], [["last"]], [["view", "count"]]]]');
SELECT rama.remove('deep', 1, 'b', 3);
SELECT count(*) FROM deep_i_chunk;

-- What a batch has changed is told for elements, not for chunks.
SELECT rama.create_depot('lines', 'id bigint, line text');
SELECT rama.create_pstate('logs', 'map(id: bigint, vector(line: text) subindex)');
CREATE TABLE said (LIKE logs_line);
ALTER TABLE said RENAME line TO old_line;
ALTER TABLE said ADD COLUMN new_line text;
SELECT rama.create_topology('keeping', 'microbatch', 'lines', writes => '{logs}', sql => $$
	SELECT rama.push('logs', id, line) FROM batch WHERE line <> '-';
	SELECT rama.remove('logs', id, 1) FROM batch WHERE line = '-';
	INSERT INTO vc.said SELECT * FROM changed_logs_line $$);
INSERT INTO lines SELECT 1, 'x' || i FROM generate_series(1, 4) i;
SELECT rama.wait('keeping');
INSERT INTO lines VALUES (2, 'y'), (1, 'x5'), (1, '-');
SELECT rama.wait('keeping');
SELECT * FROM said ORDER BY id, index, old_line NULLS FIRST;
SELECT * FROM logs_line ORDER BY 1, 2;
SELECT rama.add_source('keeping', 'lines', sql => 'SELECT * FROM changed_logs_line_chunk');
DROP TABLE keeping;

DROP SCHEMA vc, vc2 CASCADE;
