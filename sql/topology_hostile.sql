--
-- Handlers and sessions that do what one would rather not
--
CREATE SCHEMA hostile;
SET search_path = hostile, public;
SET client_min_messages = warning;
SELECT rama.create_depot('ev', 'v text');
CREATE TABLE seen (what text, v text);
INSERT INTO ev (v) VALUES ('a');

-- a handler that drops with CASCADE does not cancel its own batch
CREATE TABLE victim (a int);
CREATE FUNCTION on_drop(ev) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	CREATE TEMP TABLE scratch (a int);
	DROP TABLE scratch CASCADE;
	DROP TABLE IF EXISTS victim CASCADE;
	INSERT INTO seen VALUES ('drop', $1.v);
END $$;
SELECT rama.create_topology('dropper', 'stream', 'ev', each => 'on_drop');
SELECT rama.wait('dropper');
SELECT v, to_regclass('victim') FROM seen WHERE what = 'drop';
SELECT rama.drop_topology('dropper');

-- a handler cannot wait, nor change its own progress
SELECT rama.create_topology('waits', 'stream', 'ev', options => '{"on_error": "halt", "max_attempts": 1}',
	sql => $$ SELECT rama.wait('hostile.waits') $$);
SELECT rama.wait('waits');
SELECT rama.create_topology('resumes', 'stream', 'ev', options => '{"on_error": "halt", "max_attempts": 1}',
	sql => $$ SELECT rama.resume('hostile.resumes') $$);
SELECT rama.wait('resumes');
SELECT rama.create_topology('adds', 'stream', 'ev', options => '{"on_error": "halt", "max_attempts": 1}',
	sql => $$ SELECT rama.add_source('hostile.adds', 'hostile.ev', sql => 'SELECT') $$);
SELECT rama.wait('adds');
-- but it may pause itself
SELECT rama.create_topology('pauses', 'stream', 'ev',
	sql => $$ SELECT rama.pause('hostile.pauses'); INSERT INTO seen SELECT 'pause', v FROM batch $$);
SELECT rama.wait('pauses');
SELECT name, state FROM rama.status WHERE module = 'hostile' AND name = 'pauses';
-- nor end its transaction
SELECT rama.create_topology('commits', 'stream', 'ev', options => '{"on_error": "halt", "max_attempts": 1}',
	sql => $$ INSERT INTO seen VALUES ('commit', 'x'); COMMIT $$);
SELECT rama.wait('commits');
SELECT count(*) FROM seen WHERE what = 'commit';
DROP TABLE waits, resumes, adds, pauses, commits;

-- what the writer of the progress would pass by is refused
SELECT rama.create_topology('plain', 'stream', 'ev', sql => $$ INSERT INTO seen SELECT 'plain', v FROM batch $$);
CREATE INDEX ON plain (batch);
CREATE TRIGGER t BEFORE UPDATE ON plain FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
CREATE RULE r AS ON UPDATE TO plain DO INSTEAD NOTHING;

-- a topology with a new owner finds a worker
CREATE ROLE regress_rama_heir;
GRANT USAGE, CREATE ON SCHEMA hostile TO regress_rama_heir;
GRANT SELECT ON ev TO regress_rama_heir;
GRANT INSERT ON seen TO regress_rama_heir;
SELECT rama.wait('plain');
ALTER TABLE plain OWNER TO regress_rama_heir;
INSERT INTO ev (v) VALUES ('b');
SELECT rama.wait('plain');
SELECT v FROM seen WHERE what = 'plain' ORDER BY v;
REASSIGN OWNED BY regress_rama_heir TO CURRENT_USER;
INSERT INTO ev (v) VALUES ('c');
SELECT rama.wait('plain');
SELECT v FROM seen WHERE what = 'plain' ORDER BY v;
DROP OWNED BY regress_rama_heir;
DROP ROLE regress_rama_heir;

-- nothing that was SET stays, even when a deferred trigger defers another one
CREATE TABLE first (a int);
CREATE TABLE second (a int);
CREATE FUNCTION defer_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	SET CONSTRAINTS ALL DEFERRED;
	INSERT INTO hostile.second VALUES (1);
	RETURN NULL;
END $$;
CREATE FUNCTION set_at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('hostile.left', 'behind', false);
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER t AFTER INSERT ON first DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION defer_again();
CREATE CONSTRAINT TRIGGER t AFTER INSERT ON second DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION set_at_commit();
SELECT rama.create_topology('sets', 'stream', 'ev', start_from => 'end', sql => $$
	INSERT INTO seen SELECT 'sets', coalesce(nullif(current_setting('hostile.left', true), ''), 'nothing');
	INSERT INTO first SELECT 1 FROM batch $$);
INSERT INTO ev (v) VALUES ('d');
SELECT rama.wait('sets');
INSERT INTO ev (v) VALUES ('e');
SELECT rama.wait('sets');
SELECT v, count(*) FROM seen WHERE what = 'sets' GROUP BY v;
SELECT count(*) FROM second;

-- a database's defaults are for sessions, not for workers
CREATE FUNCTION set_database(settings text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	setting text;
BEGIN
	FOREACH setting IN ARRAY settings LOOP
		EXECUTE format('ALTER DATABASE %I %s', current_database(), setting);
	END LOOP;
END $$;
SELECT set_database('{SET default_transaction_isolation = serializable, SET default_transaction_read_only = on,
	SET default_transaction_deferrable = on, SET statement_timeout = 1, SET session_replication_role = replica,
	"SET search_path = \"a\"\"b\", nosuch"}');
SELECT rama.drop_topology('plain'), rama.drop_topology('sets');
-- a new kind: its worker starts under the new defaults
SELECT rama.create_topology('defaults', 'microbatch', 'ev', sql => $$
	INSERT INTO hostile.seen SELECT 'defaults', v FROM batch;
	SELECT 1 / (SELECT count(*) FROM hostile.seen WHERE v = 'e' AND what = 'fixed') $$);
SELECT rama.wait('defaults', timeout => '100 ms');
DO $$
BEGIN
	WHILE (SELECT attempts FROM rama.status WHERE module = 'hostile' AND name = 'defaults') = 0 LOOP
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;
INSERT INTO seen VALUES ('fixed', 'e');
SELECT rama.resume('defaults');
SELECT rama.wait('defaults');
SELECT v FROM seen WHERE what = 'defaults' ORDER BY v;
SELECT set_database('{RESET default_transaction_isolation, RESET default_transaction_read_only, RESET default_transaction_deferrable,
	RESET statement_timeout, RESET session_replication_role, RESET search_path}');

-- catalog rows go with their relations under session_replication_role = replica
SET session_replication_role = replica;
DROP TABLE defaults;
RESET session_replication_role;
SELECT count(*) FROM rama.topology t WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = t.topology);

-- handlers that are renamed, moved, and renamed with their schema
CREATE FUNCTION on_event(ev) RETURNS void LANGUAGE sql AS $$ INSERT INTO seen VALUES ('renamed', $1.v) $$;
CREATE FUNCTION on_event2(ev) RETURNS void LANGUAGE sql AS $$ INSERT INTO seen VALUES ('renamed2', $1.v) $$;
BEGIN;
SELECT rama.create_topology('handlers', 'stream', 'ev', each => 'on_event', start_from => 'end');
SELECT rama.add_source('handlers', 'ev', each => 'on_event2', start_from => 'end');
COMMIT;
ALTER FUNCTION on_event RENAME TO "on ""event""";
CREATE SCHEMA hostile2;
ALTER FUNCTION on_event2 SET SCHEMA hostile2;
ALTER SCHEMA hostile2 RENAME TO hostile3;
SELECT source, each FROM rama.source WHERE topology = 'handlers'::regclass ORDER BY source;
ALTER SCHEMA hostile RENAME TO hostile2;
SET search_path = hostile2, public;
SELECT source, each FROM rama.source WHERE topology = 'handlers'::regclass ORDER BY source;
INSERT INTO ev (v) VALUES ('f');
SELECT rama.wait('handlers');
SELECT what, v FROM seen WHERE what ~ 'renamed' ORDER BY what;
ALTER SCHEMA hostile2 RENAME TO hostile;
SET search_path = hostile, public;
DROP SCHEMA hostile3 CASCADE;
SELECT count(*) FROM rama.topologies WHERE module = 'hostile';

-- names
CREATE SCHEMA "it's ""x"".y";
SET search_path = "it's ""x"".y";
SELECT rama.create_depot('"de''p""o.t"', '"co''l""umn" text');
CREATE TABLE "se""e'n" (a text);
CREATE FUNCTION "f'""n"("de'p""o.t") RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO "se""e'n" SELECT $1."co'l""umn";
END $$;
SELECT rama.create_topology('"to''p""o"', 'stream', '"de''p""o.t"', each => '"f''""n"');
SELECT rama.create_topology('"so''p""o"', 'stream', '"de''p""o.t"', sql => 'INSERT INTO "se""e''n" SELECT 2 || "co''l""umn" FROM batch');
INSERT INTO "de'p""o.t" ("co'l""umn") VALUES ('1');
SELECT rama.wait('"to''p""o"');
SELECT rama.wait('"so''p""o"');
SELECT a FROM "se""e'n" ORDER BY a;
SELECT rama.pause('"to''p""o"'), rama.resume('"to''p""o"'), rama.drop_topology('"to''p""o"');
DROP SCHEMA "it's ""x"".y" CASCADE;
DROP SCHEMA hostile CASCADE;
RESET search_path;
RESET client_min_messages;
