-- CREATE INDEX ... USING pstate: all that can be said of an index, and what is
-- the same as with btree.
CREATE SCHEMA index_ddl;
SET search_path = index_ddl;
SET client_min_messages = warning;

-- Every operator class of ours is valid.
SELECT opcname, opcintype::regtype FROM pg_opclass c
	JOIN pg_am a ON a.oid = opcmethod
	WHERE amname = 'pstate' AND NOT amvalidate(c.oid);

CREATE TABLE item (
	id int,
	kind text COLLATE "C",
	price numeric,
	note text,
	day date
);
INSERT INTO item
	SELECT i, 'k' || i % 10, i * 1.5, repeat('n', i % 30), date '2026-01-01' + i % 300
	FROM generate_series(1, 5000) i;

-- Storage parameters
CREATE INDEX item_full ON item USING pstate (id) WITH (fillfactor = 100);
CREATE INDEX item_half ON item USING pstate (id) WITH (fillfactor = 50);
CREATE INDEX item_low ON item USING pstate (id) WITH (fillfactor = 9);
CREATE INDEX item_no ON item USING pstate (id) WITH (deduplicate_items = off);
SELECT pg_relation_size('item_half') > 1.6 * pg_relation_size('item_full') AS half_is_larger;
ALTER INDEX item_half SET (fillfactor = 100);
REINDEX INDEX item_half;
SELECT pg_relation_size('item_half') = pg_relation_size('item_full') AS same;
ALTER INDEX item_half RESET (fillfactor);
SELECT rama.check_index('item_full'), rama.check_index('item_half');
DROP INDEX item_half, item_full;

-- Properties
CREATE INDEX item_all ON item USING pstate (kind rama.text_c_ops DESC NULLS LAST, price)
	INCLUDE (note) WITH (fillfactor = 70) WHERE id > 100;
CREATE UNIQUE INDEX item_expression ON item USING pstate ((id + 1), lower(kind)) NULLS NOT DISTINCT;
SELECT pg_get_indexdef('item_all'::regclass);
SELECT pg_get_indexdef('item_expression'::regclass);
SELECT p, pg_indexam_has_property(a.oid, p) FROM pg_am a, unnest(ARRAY['can_order',
	'can_unique', 'can_multi_col', 'can_exclude', 'can_include']) p WHERE amname = 'pstate';
SELECT p, pg_index_has_property('item_all', p) FROM unnest(ARRAY['clusterable',
	'index_scan', 'bitmap_scan', 'backward_scan']) p;
SELECT c, p, pg_index_column_has_property('item_all', c, p)
	FROM generate_series(1, 3) c, unnest(ARRAY['asc', 'desc', 'nulls_first', 'nulls_last',
	'orderable', 'returnable', 'search_array', 'search_nulls']) p;
SELECT rama.check_index('item_all'), rama.check_index('item_expression');
DROP INDEX item_all, item_expression;

-- What cannot be: types and collations without an operator class, constraints
-- that core makes only of btrees
CREATE INDEX ON item USING pstate (point(id, id));
CREATE INDEX ON item USING pstate (note COLLATE "und-x-icu" rama.text_c_ops);

CREATE UNIQUE INDEX item_id ON item USING pstate (id);
ALTER TABLE item ADD CONSTRAINT item_id PRIMARY KEY USING INDEX item_id;

-- Unique: at build, at insertion, NULLs
\set VERBOSITY default
CREATE UNIQUE INDEX item_kind ON item USING pstate (kind);
CREATE UNIQUE INDEX item_kind ON item USING pstate (id, (kind || 'x'));
INSERT INTO item VALUES (7, 'k7');
INSERT INTO item VALUES (7, 'another'), (NULL, 'k1');
UPDATE item SET id = 8 WHERE id = 9;
INSERT INTO item (id) VALUES (NULL), (NULL);
CREATE UNIQUE INDEX item_one_null ON item USING pstate (id) NULLS NOT DISTINCT;
DELETE FROM item WHERE id IS NULL;
CREATE UNIQUE INDEX item_one_null ON item USING pstate (id) NULLS NOT DISTINCT;
INSERT INTO item (id) VALUES (NULL);
INSERT INTO item (id) VALUES (NULL);
DROP INDEX item_one_null;
DELETE FROM item WHERE id IS NULL;
-- An update of the key within a transaction, and rows that are dead, do not count.
BEGIN;
UPDATE item SET id = -id;
UPDATE item SET id = -id;
CREATE UNIQUE INDEX item_again ON item USING pstate (id);
SELECT rama.check_index('item_again');
ROLLBACK;
-- Rows that others may see still, though deleted, repeat a key at build.
BEGIN;
DELETE FROM item WHERE id = 5;
INSERT INTO item (id) VALUES (5);
CREATE UNIQUE INDEX item_again ON item USING pstate (id);
SELECT rama.check_index('item_again');
COMMIT;
DROP INDEX item_again;

-- ON CONFLICT: the arbiter must be a btree (before 18)
INSERT INTO item (id) VALUES (5) ON CONFLICT (id) DO NOTHING;
DROP INDEX item_id, item_kind;

-- Entries that are too long: the same limit at build and insertion
CREATE TABLE long (v text);
INSERT INTO long SELECT repeat('x', 1940);
CREATE INDEX long_v ON long USING pstate (v);
INSERT INTO long SELECT repeat('x', 1960);
DROP INDEX long_v;
INSERT INTO long SELECT repeat('x', 1960);
CREATE INDEX long_v ON long USING pstate (v);
DELETE FROM long WHERE length(v) = 1960;
CREATE INDEX long_v ON long USING pstate (v);
CREATE INDEX long_include ON long USING pstate (length(v)) INCLUDE (v);
INSERT INTO long SELECT repeat('x', 1948);
-- The longest that fit, with all but everything in common, or nothing
DROP INDEX long_include;
TRUNCATE long;
INSERT INTO long SELECT repeat('x', 1945) || chr(97 + i % 26) || chr(97 + i / 26) FROM generate_series(1, 200) i;
INSERT INTO long SELECT chr(97 + i % 26) || chr(97 + i / 26) || repeat('y', 1945) FROM generate_series(1, 200) i;
SELECT rama.check_index('long_v');
REINDEX INDEX long_v;
SELECT rama.check_index('long_v');
DROP TABLE long;

-- CONCURRENTLY
CREATE INDEX CONCURRENTLY item_later ON item USING pstate (day, id);
SELECT indisvalid, rama.check_index(indexrelid) FROM pg_index WHERE indexrelid = 'item_later'::regclass;
REINDEX INDEX CONCURRENTLY item_later;
REINDEX TABLE CONCURRENTLY item;
SELECT indisvalid, rama.check_index(indexrelid) FROM pg_index WHERE indexrelid = 'item_later'::regclass;
CREATE UNIQUE INDEX CONCURRENTLY item_dup ON item USING pstate (kind);
SELECT indisvalid FROM pg_index WHERE indexrelid = 'item_dup'::regclass;
DROP INDEX item_dup;
DROP INDEX CONCURRENTLY item_later;

-- Unlogged and temporary tables, empty tables, rewriting
CREATE UNLOGGED TABLE unlogged (k int);
CREATE INDEX unlogged_k ON unlogged USING pstate (k);
INSERT INTO unlogged SELECT generate_series(1, 3000);
SELECT rama.check_index('unlogged_k');
SELECT pg_relation_size('unlogged_k', 'init') / current_setting('block_size')::int AS init_pages;
ALTER TABLE unlogged SET LOGGED;
SELECT rama.check_index('unlogged_k');
ALTER TABLE unlogged SET UNLOGGED;
SELECT rama.check_index('unlogged_k');
ALTER TABLE unlogged ALTER k TYPE bigint;
SELECT rama.check_index('unlogged_k'), pg_get_indexdef('unlogged_k'::regclass);
TRUNCATE unlogged;
SELECT rama.check_index('unlogged_k');
INSERT INTO unlogged VALUES (1);
DROP TABLE unlogged;
CREATE TEMPORARY TABLE temporary (k int, v text) ON COMMIT DELETE ROWS;
CREATE INDEX temporary_k ON temporary USING pstate (k) INCLUDE (v);
BEGIN;
INSERT INTO temporary SELECT i, 'v' || i FROM generate_series(3000, 1, -1) i;
SET LOCAL enable_seqscan = off;
SET LOCAL enable_bitmapscan = off;
SELECT * FROM temporary WHERE k BETWEEN 1001 AND 1003 ORDER BY k DESC;
DELETE FROM temporary WHERE k % 3 = 0;
SELECT count(*), sum(k) FROM temporary WHERE k > 0;
SELECT rama.check_index('temporary_k');
COMMIT;
SELECT count(*) FROM temporary;
DROP TABLE temporary;

-- Tablespaces
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE index_ddl_space LOCATION '';
CREATE INDEX item_space ON item USING pstate (id) TABLESPACE index_ddl_space;
SELECT rama.check_index('item_space');
ALTER INDEX item_space SET TABLESPACE pg_default;
SELECT rama.check_index('item_space');
REINDEX (TABLESPACE index_ddl_space) INDEX item_space;
SELECT rama.check_index('item_space');
DROP INDEX item_space;
DROP TABLESPACE index_ddl_space;

-- Exclusion constraints with =, deferrable, too, as unique constraints
CREATE TABLE booking (room int, day date, EXCLUDE USING pstate (room WITH =, day WITH =));
INSERT INTO booking SELECT i % 50, date '2026-01-01' + i / 50 FROM generate_series(0, 999) i;
INSERT INTO booking VALUES (7, '2026-01-02');
INSERT INTO booking VALUES (7, NULL), (7, NULL);
CREATE TABLE seat (n int, EXCLUDE USING pstate (n WITH =) DEFERRABLE INITIALLY DEFERRED);
INSERT INTO seat SELECT generate_series(1, 500);
UPDATE seat SET n = n + 1;
BEGIN;
INSERT INTO seat VALUES (100);
COMMIT;
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'booking'::regclass;
SELECT rama.check_index(indexrelid) FROM pg_index WHERE indrelid IN ('booking'::regclass, 'seat'::regclass);
DROP TABLE booking, seat;

-- CLUSTER
CREATE INDEX item_order ON item USING pstate (kind rama.text_c_ops DESC, id DESC);
CLUSTER item USING item_order;
SELECT array_agg(id = expected) = array_fill(true, ARRAY[5000]) AS in_order
	FROM (SELECT id, lead(id, 0) OVER (ORDER BY kind DESC, id DESC) AS expected
		FROM item ORDER BY ctid) t;
SELECT indisclustered, rama.check_index(indexrelid) FROM pg_index WHERE indexrelid = 'item_order'::regclass;
DROP INDEX item_order;

-- Partitioned tables
CREATE TABLE part (k int, v text) PARTITION BY HASH (k);
CREATE TABLE part_0 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE part_1 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO part SELECT i, 'v' || i FROM generate_series(1, 2000) i;
CREATE INDEX part_k ON part USING pstate (k);
SELECT rama.check_index(inhrelid) FROM pg_inherits WHERE inhparent = 'part_k'::regclass;
SELECT count(*) FROM part WHERE k BETWEEN 10 AND 29;
DROP TABLE part;

-- Statistics
CREATE INDEX item_id ON item USING pstate (id);
ANALYZE item;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT count(day) FROM item WHERE id BETWEEN 11 AND 20;
SELECT count(day) FROM item WHERE id = ANY ('{1, 3, 5}');
SELECT pg_stat_force_next_flush();
SELECT idx_scan > 0 AS scans, idx_tup_read, idx_tup_fetch FROM pg_stat_user_indexes
	WHERE indexrelname = 'item_id' AND schemaname = 'index_ddl';
SELECT idx_blks_read + idx_blks_hit > 0 AS blocks FROM pg_statio_user_indexes
	WHERE indexrelname = 'item_id' AND schemaname = 'index_ddl';
SELECT reltuples FROM pg_class WHERE oid = 'item_id'::regclass;
RESET enable_seqscan;
RESET enable_bitmapscan;
DROP INDEX item_id;

-- The planner chooses as it would a btree: plans are the same but for names.
CREATE TABLE fact AS SELECT i AS id, i % 100 AS grp, (i * 7919) % 20000 AS scattered, 'p' || i % 7 AS tag
	FROM generate_series(1, 20000) i;
CREATE TABLE small AS SELECT i AS id FROM generate_series(1, 50) i;
VACUUM ANALYZE fact, small;
CREATE TABLE question (n serial, q text);
INSERT INTO question (q) VALUES
	('SELECT * FROM fact WHERE id = 5'),
	('SELECT id FROM fact WHERE id = 5'),
	('SELECT * FROM fact WHERE id < 100'),
	('SELECT * FROM fact WHERE id < 15000'),
	('SELECT * FROM fact WHERE scattered < 100'),
	('SELECT * FROM fact WHERE grp = 5'),
	('SELECT * FROM fact WHERE grp = 5 AND scattered = 17'),
	('SELECT * FROM fact WHERE grp = 5 AND scattered < 1000'),
	('SELECT * FROM fact WHERE grp = ANY (''{1, 2, 3}'') AND scattered < 1000'),
	('SELECT * FROM fact WHERE scattered = 17 OR id = 3'),
	('SELECT * FROM fact ORDER BY id LIMIT 10'),
	('SELECT * FROM fact ORDER BY id DESC LIMIT 10'),
	('SELECT * FROM fact ORDER BY grp, scattered LIMIT 10'),
	('SELECT grp, scattered FROM fact ORDER BY grp, scattered'),
	('SELECT max(id), min(scattered) FROM fact'),
	('SELECT count(*) FROM fact'),
	('SELECT * FROM fact WHERE id IS NULL'),
	('SELECT * FROM fact WHERE id = ANY (''{1, 100, 10000}'')'),
	('SELECT * FROM fact JOIN small USING (id)'),
	('SELECT * FROM small WHERE EXISTS (SELECT FROM fact WHERE fact.scattered = small.id)'),
	('SELECT * FROM fact a JOIN fact b ON a.id = b.scattered WHERE a.id < 50'),
	('SELECT grp, count(*) FROM fact WHERE grp < 5 GROUP BY grp');
CREATE FUNCTION plan(q text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	lines text[];
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || q LOOP
		lines := lines || line;
	END LOOP;
	RETURN array_to_string(lines, E'\n');
END $$;
CREATE FUNCTION indexes(am text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DROP INDEX IF EXISTS fact_id, fact_grp, fact_scattered;
	EXECUTE format('CREATE INDEX fact_id ON fact USING %I (id)', am);
	EXECUTE format('CREATE INDEX fact_grp ON fact USING %I (grp, scattered)', am);
	EXECUTE format('CREATE INDEX fact_scattered ON fact USING %I (scattered)', am);
END $$;
SET max_parallel_workers_per_gather = 0;
SELECT indexes('btree');
CREATE TABLE answer AS SELECT n, plan(q) FROM question;
SELECT indexes('pstate');
SELECT n, q, a.plan AS btree, plan(q) AS pstate FROM question JOIN answer a USING (n)
	WHERE plan(q) <> a.plan ORDER BY n;
SELECT count(*) AS plans, count(*) FILTER (WHERE plan LIKE '%Index%') AS with_index,
	count(*) FILTER (WHERE plan LIKE '%Index Only%') AS index_only,
	count(*) FILTER (WHERE plan LIKE '%Bitmap%') AS bitmap,
	count(*) FILTER (WHERE plan LIKE '%Backward%') AS backward FROM answer;

DROP SCHEMA index_ddl CASCADE;
RESET ALL;
