-- Activation: when a database is active, what may be loaded into its catalog, and
-- what a dump contains.
\set VERBOSITY terse
CREATE SCHEMA act;
SET search_path = act, public;

-- Without any object a database is not active; the first one makes it so, and
-- with the last one it is as before.
SELECT count(*) FROM rama.activation;
SELECT rama.create_depot('d', 'v int');
SELECT rama.create_pstate('p', 'map(v: int, n: bigint)');
SELECT rama.create_topology('t', 'stream', 'd', sql => 'SELECT rama.add(''p'', v, 1) FROM batch', writes => '{p}');
SELECT count(*) FROM rama.activation;
SELECT rama.activate();
DROP TABLE t;
SELECT rama.drop_pstate('p');
SELECT count(*) FROM rama.activation;
BEGIN;
DROP TABLE d;
SELECT count(*) FROM rama.activation;
ROLLBACK;
SELECT count(*) FROM rama.activation;

-- The catalog of an active database is not written by hand.
INSERT INTO rama.depot VALUES ('d', 'd__offset_seq', NULL, 1, 0);
INSERT INTO rama.pstate VALUES ('d', 'int', NULL, '{}', '{}');
INSERT INTO rama.pstate_child VALUES ('d', 'd', 1);
INSERT INTO rama.pstate_version VALUES ('d', 1, 1);
INSERT INTO rama.topology VALUES ('d', 'stream', '{}', '{}');
INSERT INTO rama.source VALUES ('d', 1, 'd', 'f', NULL, NULL, NULL, 'beginning');

-- Deactivated: topologies stand still, managed values are taken.
SELECT rama.create_pstate('p', 'map(v: int, struct(n: bigint, more: map(k: int, w: int) subindex))');
SELECT rama.create_topology('t', 'stream', 'd', sql => 'SELECT rama.add(''p'', v, ''n'', 1) FROM batch', writes => '{p}');
INSERT INTO d VALUES (1), (2), (1);
SELECT rama.wait('t');
SELECT rama.deactivate();
SELECT rama.deactivate();
SELECT state, hint FROM rama.status WHERE name = 't';
SELECT reason FROM rama.standstill();
INSERT INTO d VALUES (1);
INSERT INTO d (v, _offset) VALUES (7, nextval('d__offset_seq'));
SELECT * FROM p ORDER BY v;
SELECT rama.activate();
SELECT rama.wait('t');
SELECT * FROM p ORDER BY v;
INSERT INTO d (v, _offset) VALUES (7, nextval('d__offset_seq'));

-- What is not complete is not activated.
SELECT rama.deactivate();
BEGIN;
DROP TRIGGER rama_guard ON t;
SELECT rama.activate();
ROLLBACK;
BEGIN;
ALTER TABLE d DROP CONSTRAINT d_pkey;
SELECT rama.activate();
ROLLBACK;
BEGIN;
DROP TABLE p_more;
SELECT rama.activate();
ROLLBACK;
BEGIN;
DROP INDEX p_more_v_k_idx;
SELECT rama.activate();
ROLLBACK;
-- Nor is a topology without its handler.
CREATE FUNCTION handle(e d) RETURNS void LANGUAGE sql AS '';
SELECT rama.activate();
SELECT rama.create_topology('u', 'stream', 'd', each => 'handle');
SELECT rama.deactivate();
-- as in a restored database
DELETE FROM pg_depend WHERE objid = 'u'::regclass AND refclassid = 'pg_proc'::regclass;
DROP FUNCTION handle;
\set VERBOSITY default
SELECT rama.activate();
\set VERBOSITY terse
CREATE FUNCTION handle(e d) RETURNS void LANGUAGE sql AS '';
-- In any kind of transaction, which may be rolled back.
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) FROM d;
SELECT rama.activate();
SELECT reason FROM rama.standstill();
ROLLBACK;
SELECT reason FROM rama.standstill();
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) FROM d;
SELECT rama.activate();
COMMIT;
SELECT rama.wait('t'), rama.wait('u');
DROP FUNCTION handle;
DROP TABLE p_more;

-- For owners of the database.
CREATE ROLE act_nobody;
GRANT USAGE ON SCHEMA act TO act_nobody;
SET ROLE act_nobody;
SELECT rama.activate();
SELECT rama.deactivate();
RESET ROLE;

-- What a dump contains.
SELECT rama.is_dumped('d'), rama.is_dumped(0::regclass);
SET pg_rama.dump_modules = 'other, "Act"';
SELECT rama.is_dumped('d');
SET pg_rama.dump_modules = 'other, ACT';
SELECT rama.is_dumped('d');
SET pg_rama.dump_modules = 'other act';
SELECT rama.is_dumped('d');
RESET pg_rama.dump_modules;
SELECT DISTINCT unnest(extcondition) FROM pg_extension WHERE extname = 'pg_rama' ORDER BY 1;

SET client_min_messages = warning;
DROP SCHEMA act CASCADE;
DROP ROLE act_nobody;
SELECT count(*) FROM rama.activation;
