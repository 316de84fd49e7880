-- What DDL may do to a depot.
\set VERBOSITY terse
CREATE SCHEMA depddl;
SET search_path = depddl, public;

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
SELECT rama.create_depot('d', 'a int, b text');
SELECT rama.append('d', '{"a": 1}');

-- the user's columns may change
ALTER TABLE d ADD COLUMN c int DEFAULT 5, ALTER COLUMN a TYPE bigint, ALTER COLUMN a SET NOT NULL, ADD CHECK (a > 0);
ALTER TABLE d RENAME COLUMN b TO beta;
SELECT rama.append('d', '{"a": 2, "beta": "x"}');
ALTER TABLE d DROP COLUMN beta;
SELECT fails($$SELECT rama.append('d', '{"a": 3, "beta": "x"}')$$);
SELECT rama.append('d', '{"a": 3}');
CREATE INDEX ON d (a);
ALTER TABLE d ADD UNIQUE (a);
SELECT fails($$SELECT rama.append('d', '{"a": 3}')$$);
VACUUM d;
VACUUM FULL d;
CLUSTER d USING d_pkey;
SELECT rama.append('d', '{"a": 4}');
SELECT a, c, _offset FROM d ORDER BY _offset;

-- what it promises may not
SELECT fails($$ALTER SEQUENCE d__offset_seq CACHE 10$$);
SELECT fails($$ALTER SEQUENCE d__offset_seq RESTART$$);
SELECT fails($$ALTER SEQUENCE d__offset_seq OWNED BY NONE$$);
SELECT fails($$ALTER SEQUENCE d__offset_seq SET UNLOGGED$$);
SELECT fails($$ALTER TABLE d__offset_seq SET UNLOGGED$$);
SELECT fails($$ALTER TABLE d SET UNLOGGED$$);
SELECT fails($$ALTER TABLE d DROP COLUMN _xid$$);
SELECT fails($$ALTER TABLE d ADD COLUMN e int, DROP COLUMN _appended_at$$);
SELECT fails($$ALTER TABLE d ALTER COLUMN _offset DROP DEFAULT$$);
SELECT fails($$ALTER TABLE d ALTER COLUMN _offset SET DEFAULT 7$$);
SELECT fails($$ALTER TABLE d ALTER COLUMN _offset TYPE int$$);
SELECT fails($$ALTER TABLE d ALTER COLUMN _xid DROP NOT NULL$$);
SELECT fails($$ALTER TABLE d ALTER COLUMN _offset ADD GENERATED ALWAYS AS IDENTITY$$);
SELECT fails($$ALTER TABLE d RENAME COLUMN _offset TO o$$);
SELECT fails($$ALTER TABLE d DROP CONSTRAINT rama_managed$$);
SELECT fails($$ALTER TABLE d RENAME CONSTRAINT rama_managed TO x$$);
SELECT fails($$ALTER TABLE d DROP CONSTRAINT d_pkey$$);
SELECT fails($$DROP TRIGGER rama_guard ON d$$);
SELECT fails($$DROP TRIGGER rama_guard ON depddl.d$$);
SELECT fails($$ALTER TRIGGER rama_guard ON d RENAME TO x$$);
SELECT fails($$ALTER TABLE d DISABLE TRIGGER rama_guard$$);
SELECT fails($$ALTER TABLE d DISABLE TRIGGER ALL$$);
SELECT fails($$ALTER TABLE d DISABLE TRIGGER USER$$);
SELECT fails($$CREATE TABLE child () INHERITS (d)$$);
CREATE TABLE like_d (LIKE d);
SELECT fails($$ALTER TABLE like_d INHERIT d$$);
CREATE TABLE parent (a bigint);
SELECT fails($$ALTER TABLE d INHERIT parent$$);
SELECT fails($$DROP SEQUENCE d__offset_seq CASCADE$$);
SELECT fails($$DROP SEQUENCE depddl.d__offset_seq$$);
-- of other tables it may
ALTER TABLE like_d DROP COLUMN _xid;
ALTER TABLE like_d SET UNLOGGED;
DROP TABLE like_d, parent;

-- rename and move
ALTER TABLE d RENAME TO e;
SELECT rama.append('e', '{"a": 5}');
SELECT rama.create_depot('d', 'a int');
SELECT rama.append('d', '{"a": 6}'), rama.append('e', '{"a": 6}');
CREATE SCHEMA depddl2;
ALTER TABLE e SET SCHEMA depddl2;
SELECT rama.append('depddl2.e', '{"a": 7}');
INSERT INTO depddl2.e (a) VALUES (8);
ALTER SCHEMA depddl2 RENAME TO depddl3;
SELECT rama.append('depddl3.e', '{"a": 9}');
SELECT module, name, sequence, last_offset FROM rama.depots WHERE module LIKE 'depddl%' ORDER BY 1, 2;

-- user triggers: an event is counted once, also when a trigger appends
CREATE FUNCTION also() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.a < 100 THEN
		PERFORM rama.append('depddl.d', jsonb_build_object('a', NEW.a + 100));
		INSERT INTO depddl.d (a) VALUES (NEW.a + 200);
	END IF;
	IF NEW.a = 13 THEN
		RETURN NULL;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER also BEFORE INSERT ON d FOR EACH ROW EXECUTE FUNCTION also();
SELECT rama.append('d', '{"a": 10}'), rama.append('d', '{"a": 13}'), rama.append('d', '{"a": 11}');
DROP TRIGGER also ON d;
CREATE TRIGGER also AFTER INSERT ON d FOR EACH ROW EXECUTE FUNCTION also();
SELECT rama.append('d', '{"a": 20}');
INSERT INTO d (a) VALUES (21), (22);
SELECT a, _offset FROM d ORDER BY _offset;
DROP TRIGGER also ON d;
-- DDL on the depot while its statement runs
CREATE FUNCTION changes_schema() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.a < 1000 THEN
		COMMENT ON TABLE depddl.d IS 'changed';
		PERFORM rama.append('depddl.d', jsonb_build_object('a', NEW.a + 1000));
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER changes BEFORE INSERT ON d FOR EACH ROW EXECUTE FUNCTION changes_schema();
SELECT rama.append('d', '{"a": 30}'), rama.append('d', '{"a": 31}');
DROP TRIGGER changes ON d;

-- many sets of keys: statements kept are bounded
SELECT rama.create_depot('wide', (SELECT string_agg('c' || i || ' int', ', ') FROM generate_series(1, 6) i));
SELECT count(rama.append('wide', (SELECT jsonb_object_agg('c' || i, m) FROM generate_series(1, 6) i WHERE m >> (i - 1) & 1 = 1)))
  FROM generate_series(1, 63) m, generate_series(1, 2) WHERE m > 0;
SELECT count(*), sum(c1), sum(c6), count(c3) FROM wide;

-- DROP of everything forgets everything
SET client_min_messages = warning;
DROP SCHEMA depddl, depddl3 CASCADE;
SELECT count(*) FROM rama.depot WHERE depot NOT IN (SELECT oid FROM pg_class);
