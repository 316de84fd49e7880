-- rama.check_index: whose, of what, and that it is quiet about what is sound.
-- (What it finds: test/t/index_corruption.pl.)
\set VERBOSITY terse
CREATE SCHEMA index_check;
SET search_path = index_check;
CREATE ROLE index_check_owner;
CREATE ROLE index_check_other;
GRANT CREATE, USAGE ON SCHEMA index_check TO index_check_owner, index_check_other;

SET ROLE index_check_owner;
CREATE TABLE rows (org bigint, name text, size numeric, at timestamptz, note text);
INSERT INTO rows
	SELECT i % 10, 'name ' || i, CASE WHEN i % 7 > 0 THEN i / 8.0 END, '2026-01-01Z'::timestamptz + i * interval '1 minute', repeat('x', i % 20)
	FROM generate_series(1, 3000) i;
CREATE INDEX rows_all ON rows USING pstate (org, name DESC, size NULLS FIRST, at);
CREATE UNIQUE INDEX rows_unique ON rows USING pstate (name) INCLUDE (note, size);
CREATE INDEX rows_partial ON rows USING pstate (lower(name)) WHERE size IS NOT NULL;
CREATE INDEX rows_empty ON rows USING pstate (at) WHERE size < 0;
CREATE INDEX rows_nulls ON rows USING pstate (size);
CREATE INDEX rows_btree ON rows (name);
SELECT rama.check_index(oid) FROM pg_class WHERE relname LIKE 'rows\_%' AND relname <> 'rows_btree';

-- After changes, before and after vacuum, within the transaction, and after a rollback
BEGIN;
UPDATE rows SET size = size + 1, name = name || ' changed' WHERE org IN (1, 2);
DELETE FROM rows WHERE org = 3;
SELECT rama.check_index(oid) FROM pg_class WHERE relname LIKE 'rows\_%' AND relname <> 'rows_btree';
ROLLBACK;
UPDATE rows SET size = size + 1, name = name || ' changed' WHERE org IN (1, 2);
DELETE FROM rows WHERE org BETWEEN 3 AND 6;
SELECT rama.check_index(oid) FROM pg_class WHERE relname LIKE 'rows\_%' AND relname <> 'rows_btree';
SELECT rama.check_index(oid, heapallindexed => false) FROM pg_class WHERE relname LIKE 'rows\_%' AND relname <> 'rows_btree';
RESET ROLE;
VACUUM rows;
SET ROLE index_check_owner;
SELECT rama.check_index(oid) FROM pg_class WHERE relname LIKE 'rows\_%' AND relname <> 'rows_btree';

-- Rows that are compressed in the table
CREATE TABLE long (id int, note text, more text DEFAULT repeat('more', 300));
INSERT INTO long (id, note) SELECT i, repeat('note', 400) FROM generate_series(1, 10) i;
UPDATE long SET note = note || repeat('x', 200) WHERE id < 3;
CREATE INDEX long_id ON long USING pstate (id) INCLUDE (note);
INSERT INTO long (id, note) SELECT i, repeat('note', 400) FROM generate_series(1, 10) i;
SELECT rama.check_index('long_id');

-- Others' and other things
SET ROLE index_check_other;
SELECT rama.check_index('rows_all');
SET ROLE index_check_owner;
SELECT rama.check_index('rows_btree');
SELECT rama.check_index('rows');
SELECT rama.check_index(0);
CREATE TABLE parts (id int) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
CREATE INDEX parts_id ON parts USING pstate (id);
INSERT INTO parts SELECT generate_series(1, 99);
SELECT rama.check_index('parts_id');
SELECT rama.check_index('parts_1_id_idx');
RESET ROLE;

-- An expression is evaluated as the owner, and gets nowhere.
CREATE FUNCTION whoami(int) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN current_user; END $$;
ALTER FUNCTION whoami OWNER TO index_check_owner;
SET ROLE index_check_owner;
CREATE TABLE evaluated (id int);
INSERT INTO evaluated VALUES (1);
CREATE INDEX evaluated_who ON evaluated USING pstate (whoami(id));
RESET ROLE;
SELECT rama.check_index('evaluated_who');

\set VERBOSITY default
SET client_min_messages = warning;
DROP SCHEMA index_check CASCADE;
DROP ROLE index_check_owner, index_check_other;
