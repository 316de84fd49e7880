-- Depots: privileges, row security, hostile names and schemas.
\set VERBOSITY terse
CREATE SCHEMA deppriv;
SET search_path = deppriv, public;

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
CREATE ROLE rama_dep_owner;
CREATE ROLE rama_dep_writer;
CREATE ROLE rama_dep_column;
CREATE ROLE rama_dep_none;
GRANT USAGE ON SCHEMA deppriv TO PUBLIC;
GRANT CREATE ON SCHEMA deppriv TO rama_dep_owner;

-- made as, and owned by, the user
SET ROLE rama_dep_none;
SELECT fails($$SELECT rama.create_depot('deppriv.d')$$);
SET ROLE rama_dep_owner;
SELECT rama.create_depot('deppriv.d', 'a int, b text');
SELECT rama.create_depot('deppriv.w');
SELECT owner FROM rama.depots WHERE name = 'd' AND module = 'deppriv';
GRANT INSERT ON d, w TO rama_dep_writer;
GRANT INSERT (a) ON d TO rama_dep_column;

-- INSERT is enough, also on a column; SELECT is not needed
SET ROLE rama_dep_writer;
INSERT INTO d (a) VALUES (1);
SELECT rama.append('d', '{"a": 2, "b": "x"}'), rama.append('w', '1');
SELECT fails('SELECT * FROM d');
SELECT last_offset IS NULL FROM rama.depots WHERE name = 'd' AND module = 'deppriv';
SELECT fails('SELECT rama.drop_depot(''d'')');
SET ROLE rama_dep_column;
INSERT INTO d (a) VALUES (3);
SELECT rama.append('d', '{"a": 4}');
SELECT fails($$SELECT rama.append('d', '{"a": 4, "b": "x"}')$$);
SELECT fails($$SELECT rama.append('w', '1')$$);
SET ROLE rama_dep_none;
SELECT fails('INSERT INTO d (a) VALUES (5)');
SELECT fails($$SELECT rama.append('d', '{"a": 6}')$$);
SELECT fails($$SELECT rama.next_offset('d__offset_seq')$$);
SELECT fails($$SELECT nextval('d__offset_seq')$$);
SELECT fails('INSERT INTO rama.depot VALUES (1, 2, NULL, 1, 0)');
SELECT fails('SELECT rama.drop_depot(''d'')');
-- the privilege is looked at again for each role and transaction
RESET ROLE;
BEGIN;
SET LOCAL ROLE rama_dep_writer;
INSERT INTO d (a) VALUES (7);
SET LOCAL ROLE rama_dep_none;
SELECT fails($$SELECT rama.next_offset('d__offset_seq')$$);
ROLLBACK;
REVOKE INSERT ON d FROM rama_dep_writer;
SET ROLE rama_dep_writer;
SELECT fails('INSERT INTO d (a) VALUES (8)');
SELECT fails($$SELECT rama.next_offset('d__offset_seq')$$);
RESET ROLE;

-- row security
GRANT INSERT, SELECT ON d TO rama_dep_writer;
ALTER TABLE d ENABLE ROW LEVEL SECURITY;
CREATE POLICY small ON d FOR INSERT TO rama_dep_writer WITH CHECK (a < 100);
SET ROLE rama_dep_writer;
SELECT fails($$SELECT rama.append('d', '{"a": 200}')$$);
SELECT fails($$INSERT INTO d (a) VALUES (200)$$);
SELECT rama.append('d', '{"a": 9}') > 0;
RESET ROLE;
ALTER TABLE d DISABLE ROW LEVEL SECURITY;

-- nobody's functions are called by way of search_path
CREATE SCHEMA evil;
CREATE FUNCTION evil.next_offset(regclass) RETURNS bigint LANGUAGE sql AS 'SELECT 666::bigint';
CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT ''-infinity''::timestamptz';
CREATE FUNCTION evil.pg_current_xact_id() RETURNS xid8 LANGUAGE sql AS 'SELECT ''666''::xid8';
CREATE FUNCTION evil.jsonb_to_record(jsonb) RETURNS record LANGUAGE sql AS 'SELECT 666';
CREATE TYPE evil.xid8 AS (a int);
CREATE TYPE evil.int8 AS (a int);
CREATE TYPE evil.text AS (a int);
SET search_path = evil, pg_catalog, deppriv;
SELECT rama.create_depot('deppriv.safe', 'a int', partition_by => 'a', partitions => 4);
SELECT rama.append('deppriv.safe', '{"a": 1}');
INSERT INTO deppriv.safe (a) VALUES (2);
SELECT a, _offset, _appended_at > '2000-01-01', _xid::pg_catalog.text <> '666' FROM deppriv.safe ORDER BY 2;
SET search_path = deppriv, public;

-- names
SELECT rama.create_depot('"we""ird"');
CREATE SCHEMA "sche""ma.x";
SELECT rama.create_depot('"sche""ma.x"."na''me$$ \"', '"co""l''umn" text, "select" int, "Ab.c" numeric(5,2)', partition_by => '"co""l''umn", "select"', partitions => 3);
INSERT INTO "sche""ma.x"."na'me$$ \" ("co""l'umn") VALUES ('x');
SELECT rama.append('"sche""ma.x"."na''me$$ \"', '{"co\"l''umn": "y", "select": 5, "Ab.c": 1.239}');
SELECT "co""l'umn", "select", "Ab.c", _offset FROM "sche""ma.x"."na'me$$ \" ORDER BY _offset;
SELECT module, name, sequence FROM rama.depots WHERE module IN ('deppriv', 'sche"ma.x') ORDER BY 1, 2;
SELECT rama.drop_depot('"sche""ma.x"."na''me$$ \"');
SELECT rama.create_depot(repeat('x', 63)), rama.create_depot(repeat('x', 62) || 'y');
SELECT rama.append(repeat('x', 63)::regclass, '1'), rama.append((repeat('x', 62) || 'y')::regclass, '1');
SELECT fails($$SELECT rama.create_depot(repeat('x', 64))$$);
SELECT rama.create_depot('ümlaut' || repeat('ü', 28));
SELECT rama.append(('ümlaut' || repeat('ü', 28))::regclass, '1');

-- conversions of append
CREATE TYPE point3 AS (x int, y int, z text);
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
SELECT rama.create_depot('typed', 'i int, n numeric(6,2), t text, v varchar(3), b bool, d date, ts timestamptz, u uuid, by bytea, j jsonb, js json, a int[], p point3, pa point3[], m mood, po positive, r int4range, iv interval, gen int GENERATED ALWAYS AS (i * 2) STORED, ident int GENERATED BY DEFAULT AS IDENTITY');
SET timezone = 'UTC';
SELECT rama.append('typed', '{"i": "5", "n": 12.345, "t": 17, "v": "abc", "b": true, "d": "2001-02-03", "ts": "2001-02-03T04:05:06Z", "u": "6f1e0000-0000-0000-0000-000000000000", "by": "\\x00ff", "j": {"a": null}, "js": [1], "a": [1, null, 3], "p": {"x": 1, "z": "zed"}, "pa": [{"y": 2}], "m": "ok", "po": 3, "r": "[1,5)", "iv": "1 day"}');
SELECT rama.append('typed', '{"i": null, "t": {"x": [1]}, "j": "s", "b": "yes", "a": "{4,5}", "ident": 77}');
SELECT rama.append('typed', '{}');
\x on
SELECT i, n, t, v, b, d, ts, u, by, j, js, a, p, pa, m, po, r, iv, gen, ident FROM typed ORDER BY _offset;
\x off
SELECT fails($$SELECT rama.append('typed', '{"v": "abcd"}')$$);
SELECT fails($$SELECT rama.append('typed', '{"po": 0}')$$);
SELECT fails($$SELECT rama.append('typed', '{"m": "glad"}')$$);
SELECT fails($$SELECT rama.append('typed', '{"a": 5}')$$);
SELECT fails($$SELECT rama.append('typed', '{"gen": 5}')$$);
SELECT fails($$SELECT rama.append('typed', '{"I": 5}')$$);

-- pending: nobody but others
BEGIN;
SELECT rama.append('w', '2') > 0;
SELECT count(*) FROM rama.pending('w');
COMMIT;
SELECT fails('SELECT * FROM rama.pending(''pg_class'')');
SELECT fails('SELECT rama.last_offset(''pg_class'')');

SET client_min_messages = warning;
DROP SCHEMA deppriv, evil, "sche""ma.x" CASCADE;
DROP ROLE rama_dep_owner, rama_dep_writer, rama_dep_column, rama_dep_none;
