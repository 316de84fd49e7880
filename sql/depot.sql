-- Depots: creating, appending, refusing, dropping.
\set VERBOSITY terse
CREATE SCHEMA dep;
SET search_path = dep, public;

-- The error of a statement, as text.
CREATE FUNCTION fails(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || ': ' || message || CASE WHEN hint = '' THEN '' ELSE ' | ' || hint END;
END $$;
\pset format unaligned
\pset tuples_only on

-- a depot is a table: the user's columns, then the managed ones
SELECT rama.create_depot('signups', 'email text NOT NULL, name text DEFAULT ''nobody'', tags text[], n int CHECK (n > 0)');
SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute
 WHERE attrelid = 'signups'::regclass AND attnum > 0 ORDER BY attnum;
SELECT conname, contype, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'signups'::regclass AND contype <> 'n' ORDER BY 1;
SELECT rama.create_depot('any');
\d dep.any
SELECT module, name, depot, partitions, partition_by, last_offset FROM rama.depots WHERE module = 'dep' ORDER BY 2;

-- INSERT, COPY, rama.append
INSERT INTO signups (email) VALUES ('a@x'), ('b@x');
INSERT INTO signups (email, name) SELECT 'c' || i, 'C' FROM generate_series(1, 3) i;
COPY signups (email, n) FROM STDIN;
d@x	1
e@x	2
\.
SELECT rama.append('signups', '{"email": "f@x", "tags": ["p", "q"], "n": 7}');
SELECT rama.append('signups', '{"email": "g@x", "name": null}');
SELECT rama.append('any', '{"k": [1, 2]}'), rama.append('any', '"text"'), rama.append('any', '17'), rama.append('any', 'null');
SELECT rama.append('any', NULL);
SELECT email, name, tags, n, _offset, _partition, _appended_at IS NOT NULL AS at FROM signups ORDER BY _offset;
SELECT data, _offset FROM "any" ORDER BY _offset;
SELECT count(DISTINCT _xid) AS transactions FROM signups;
BEGIN;
INSERT INTO signups (email) VALUES ('h@x');
SELECT _xid = pg_current_xact_id() AS own FROM signups ORDER BY _offset DESC LIMIT 1;
ROLLBACK;
-- the offset of what was rolled back is not used again
SELECT rama.append('any', '1') - 1 - max(_offset) AS gap FROM "any";
SELECT rama.append('signups', '{"email": "i@x"}');
-- an import may say when
INSERT INTO signups (email, _appended_at) VALUES ('j@x', '2001-02-03 04:05:06+00');

-- errors of append
SELECT fails($$SELECT rama.append('signups', '{"email": "x", "nosuch": 1}')$$);
SELECT fails($$SELECT rama.append('signups', '{"email": "x", "_offset": 1}')$$);
SELECT fails($$SELECT rama.append('signups', '{"email": "x", "ctid": "(0,1)"}')$$);
SELECT fails($$SELECT rama.append('signups', '{"email": "x", "n": "seven"}')$$);
SELECT fails($$SELECT rama.append('signups', '{"email": "x", "n": 0}')$$);
SELECT fails($$SELECT rama.append('signups', '{"name": "x"}')$$);
SELECT fails($$SELECT rama.append('signups', '[1]')$$);
SELECT fails($$SELECT rama.append('signups', '1')$$);
SELECT fails($$SELECT rama.append('signups', NULL)$$);
SELECT fails($$SELECT rama.append(NULL, '1')$$);
SELECT fails($$SELECT rama.append('signups', '{"email": "x"}', id => '6f1e0000-0000-0000-0000-000000000000')$$);
SELECT fails($$SELECT rama.append('signups', '{"email": "x"}', expected => 1)$$);
SELECT fails($$SELECT rama.append('pg_class', '{}')$$);
SELECT fails($$SELECT rama.append('nosuch', '{}')$$);
BEGIN READ ONLY;
SELECT fails($$SELECT rama.append('any', '1')$$);
ROLLBACK;

-- managed values are not taken from users
SELECT fails($$INSERT INTO signups (email, _offset) VALUES ('x', 1000)$$);
SELECT fails($$INSERT INTO signups (email, _offset) VALUES ('x', 3)$$);
SELECT fails($$INSERT INTO signups (email, _xid) VALUES ('x', '7')$$);
SELECT fails($$INSERT INTO signups (email, _partition) VALUES ('x', 1)$$);
SELECT fails($$INSERT INTO signups (email, _offset) VALUES ('x', NULL)$$);
COPY signups (email, _offset) FROM STDIN;
x	1000
\.
-- an offset drawn by hand may be used once
INSERT INTO signups (email, _offset) VALUES ('byhand', rama.next_offset('signups__offset_seq'));
SELECT fails($$WITH n AS MATERIALIZED (SELECT rama.next_offset('signups__offset_seq') AS o) INSERT INTO signups (email, _offset) SELECT 'twice', o FROM n, generate_series(1, 2)$$);
SELECT fails($$SELECT rama.next_offset('signups')$$);
CREATE SEQUENCE other;
SELECT fails($$SELECT rama.next_offset('other')$$);

-- events are not changed
SELECT fails($$UPDATE signups SET email = 'x'$$);
SELECT fails($$DELETE FROM signups$$);
SELECT fails($$TRUNCATE signups$$);
SELECT fails($$INSERT INTO signups (email) VALUES ('x') ON CONFLICT (_offset) DO UPDATE SET email = 'y'$$);
INSERT INTO signups (email) VALUES ('noconflict') ON CONFLICT DO NOTHING;

-- errors of create_depot
SELECT fails($$SELECT rama.create_depot('any')$$);
CREATE VIEW v AS SELECT 1 AS a;
SELECT fails($$SELECT rama.create_depot('v')$$);
SELECT fails($$SELECT rama.create_depot('v', if_not_exists => true)$$);
SELECT rama.create_depot('any', if_not_exists => true);
SELECT fails($$SELECT rama.create_depot('d', dedup => true)$$);
SELECT fails($$SELECT rama.create_depot('d', segment_events => 1000)$$);
SELECT fails($$SELECT rama.create_depot('d', partitions => 2)$$);
SELECT fails($$SELECT rama.create_depot('d', partitions => 0)$$);
SELECT fails($$SELECT rama.create_depot('d', partitions => 32768, partition_by => 'data')$$);
SELECT fails($$SELECT rama.create_depot('d', partitions => NULL)$$);
SELECT fails($$SELECT rama.create_depot(NULL)$$);
SELECT fails($$SELECT rama.create_depot('d', NULL)$$);
SELECT fails($$SELECT rama.create_depot('d', 'id int PRIMARY KEY')$$);
SELECT fails($$SELECT rama.create_depot('d', 'id int, PRIMARY KEY (id)')$$);
SELECT fails($$SELECT rama.create_depot('d', 'id int, _offset bigint')$$);
SELECT fails($$SELECT rama.create_depot('d', 'id int, "_xid" xid8')$$);
SELECT fails($$SELECT rama.create_depot('d', 'id nosuchtype')$$);
SELECT fails($$SELECT rama.create_depot('d', 'id int,, b int')$$);
SELECT fails($$SELECT rama.create_depot('d', 'id int); DROP TABLE signups; --')$$);
SELECT fails($$SELECT rama.create_depot('d', 'id int) INHERITS (signups')$$);
SELECT fails($$SELECT rama.create_depot('d', 'id int) WITH (fillfactor = 10')$$);
SELECT fails($$SELECT rama.create_depot('d', 'id int /*')$$);
SELECT fails($q$SELECT rama.create_depot('d', 'id text DEFAULT $$')$q$);
SELECT fails($$SELECT rama.create_depot('d', 'id int, org text', partition_by => 'nosuch', partitions => 4)$$);
SELECT fails($$SELECT rama.create_depot('d', 'id int, org text', partition_by => 'nosuch')$$);
SELECT fails($$SELECT rama.create_depot('d', 'id int', partition_by => '', partitions => 4)$$);
SELECT fails($$SELECT rama.create_depot('d', 'id int', partition_by => 'id), 7) STORED, b int GENERATED ALWAYS AS ((1', partitions => 4)$$);
SELECT fails($$SELECT rama.create_depot('d', 'id int', partition_by => 'id FROM signups', partitions => 4)$$);
SELECT fails($$SELECT rama.create_depot('d', 'id int', partition_by => 'id AS x', partitions => 4)$$);
SELECT fails($$SELECT rama.create_depot('d', 'id int', partition_by => '*', partitions => 4)$$);
SELECT fails($$SELECT rama.create_depot('d', 'id int', partition_by => 'random()', partitions => 4)$$);
SELECT fails($$SELECT rama.create_depot('d', 'id int', partition_by => 'random()')$$);
SELECT fails($$SELECT rama.create_depot('d', 'id int', partition_by => '(SELECT 1)', partitions => 4)$$);
CREATE TYPE pair AS (a int, b int);
SELECT fails($$SELECT rama.create_depot('d', 'p pair', partition_by => 'p', partitions => 4)$$);
SELECT fails($$SELECT rama.create_depot('pg_temp.d')$$);
SELECT fails($$SELECT rama.create_depot('nosuch.d')$$);
SELECT fails($$SELECT rama.create_depot('a.b.c.d')$$);
SELECT fails($$SELECT rama.create_depot('')$$);
SELECT to_regclass('d') IS NULL AS none;

-- drop
SELECT rama.drop_depot('v');
SELECT rama.drop_depot('any');
SELECT to_regclass('any') IS NULL AS gone, to_regclass('any__offset_seq') IS NULL AS sequence_gone;
CREATE VIEW uses AS SELECT email FROM signups;
SELECT rama.drop_depot('signups');
DROP TABLE signups CASCADE;
SELECT count(*) FROM rama.depots WHERE module = 'dep';
SET client_min_messages = warning;
DROP SCHEMA dep CASCADE;
