-- Creation of PStates, their tables, and what DDL does to them

CREATE SCHEMA pst;
SET search_path = pst, public;
CREATE FUNCTION shape(regclass) RETURNS TABLE (relation text, columns text) LANGUAGE sql AS $$
	SELECT r::text, string_agg(format('%I %s%s%s', attname, format_type(atttypid, atttypmod),
		CASE WHEN attnotnull THEN '!' END,
		CASE WHEN attcollation = 'pg_catalog."C"'::regcollation THEN ' C' END), ', ' ORDER BY attnum)
	FROM (SELECT $1 AS r, 0 AS ordinal UNION ALL
		SELECT child, ordinal FROM rama.pstate_child WHERE pstate = $1) p, pg_attribute
	WHERE attrelid = r AND attnum > 0
	GROUP BY r, ordinal ORDER BY ordinal
$$;

CREATE FUNCTION fails(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE command;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n', SQLSTATE || ': ' || SQLERRM, 'HINT: ' || nullif(hint, ''));
END $$;

-- the tables of a schema
SELECT rama.create_pstate('llm', $$map(org: bigint, map(request: uuid,
	struct(prompt: text, model: varchar(20), tokens: vector(token: text) subindex)) subindex)$$);
SELECT * FROM shape('llm');
\d llm_request
SELECT reloptions FROM pg_class WHERE oid = 'llm_request'::regclass;
SELECT * FROM rama.pstates WHERE module = 'pst';
SELECT rama.create_pstate('counts', 'map(text, bigint)');
SELECT * FROM shape('counts');
SELECT rama.create_pstate('named', 'map(user_id: bigint, balance: numeric(10,2))');
SELECT * FROM shape('named');
SELECT rama.create_pstate('total', 'bigint');
SELECT * FROM shape('total');
SELECT rama.create_pstate('config', 'struct(a: int, b: struct(x: int[], y: set(text) subindex), c: map(text, struct(d: int)))');
SELECT * FROM shape('config');
SELECT rama.create_pstate('top', 'vector(struct(name: text, score: double precision))');
SELECT * FROM shape('top');
SELECT rama.create_pstate('members', 'set(uuid)');
SELECT * FROM shape('members');
SELECT rama.create_pstate('inner_json', 'map(text, vector(int))');
SELECT * FROM shape('inner_json');
SELECT rama.create_pstate('matrix', 'vector(vector(int) subindex)');
SELECT * FROM shape('matrix');
-- implied subindex is said
SELECT rama.create_pstate('implied', 'map(a: text, map(b: text, map(c: text, int) subindex))');
SELECT * FROM shape('implied');
-- replica identity: the index over the keys, or FULL
SELECT relname, relreplident, array_to_string(reloptions, ',') AS options FROM pg_class
WHERE relnamespace = 'pst'::regnamespace AND relkind = 'r' ORDER BY relname;

-- any type: domains, enums, composites, arrays, with the names of the moment
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TYPE pair AS (a int, b text);
CREATE SCHEMA "pst Types";
CREATE TYPE "pst Types"."map" AS ENUM ('x');
SELECT rama.create_pstate('typed', $$map(mood, struct(p: positive, q: pair, r: pair[], s: vector(mood),
	t: map("pst Types"."map", timestamp(3) with time zone)))$$);
SELECT schema FROM rama.pstates WHERE pstate = 'typed'::regclass;
SELECT * FROM shape('typed');
-- what is only in jsonb is depended on as well
DROP TYPE "pst Types"."map";
-- and may change its name
ALTER TYPE "pst Types"."map" RENAME TO "set";
ALTER SCHEMA "pst Types" RENAME TO pst_types;
ALTER DOMAIN positive SET SCHEMA pst_types;
ALTER TYPE mood RENAME TO feeling;
SELECT schema FROM rama.pstates WHERE pstate = 'typed'::regclass;
ALTER TABLE typed SET (fillfactor = 70);
SELECT rama.put('typed', 'ok', '{"p": 1, "q": {"a": 1, "b": "x"}, "s": ["sad"], "t": {"x": "2020-01-01"}}'::jsonb);
SELECT rama.get('typed', 'ok', 't');
SELECT rama.create_pstate('arraykey', 'map(k: text[], map(pst_types.positive, int) subindex)');
SELECT * FROM shape('arraykey');
SELECT rama.create_pstate('"we""ird Name"', 'map("K ""x": text, map("%s": text, struct("select": set(int) subindex)))');
SELECT * FROM shape('"we""ird Name"');

-- errors
SELECT fails($$SELECT rama.create_pstate('llm', 'int')$$);
SELECT fails($$SELECT rama.create_pstate('llm', 'int', if_not_exists => true)$$);
CREATE TABLE plain (a int);
SELECT fails($$SELECT rama.create_pstate('plain', 'int', if_not_exists => true)$$);
SELECT fails($$SELECT rama.create_pstate('x', 'map(text int)')$$);
SELECT fails($$SELECT rama.create_pstate('x', 'map(text, nosuchtype)')$$);
SELECT fails($$SELECT rama.create_pstate('x', 'map(text, map(json, int))')$$);
SELECT fails($$SELECT rama.create_pstate('x', 'set(k: point)')$$);
SELECT fails($$SELECT rama.create_pstate('x', 'map(text, anyelement)')$$);
SELECT fails($$SELECT rama.create_pstate('x', 'map(text, map(text, int) subindex)')$$);
SELECT fails($$SELECT rama.create_pstate('x', 'map(a: text, struct(a: int))')$$);
SELECT fails($$SELECT rama.create_pstate('x', 'struct(a: struct(b: int), a_b: int)')$$);
SELECT fails($$SELECT rama.create_pstate('x', 'map(a: text, map(b: text, struct(b: set(int) subindex)) subindex)')$$);
SELECT fails($$SELECT rama.create_pstate('x', 'map(a: text, struct(ctid: int))')$$);
SELECT fails($$SELECT rama.create_pstate('plain', 'map(a: text, map(b: text, int) subindex)')$$);
CREATE TABLE x_b (a int);
SELECT fails($$SELECT rama.create_pstate('x', 'map(a: text, map(b: text, int) subindex)')$$);
SELECT fails($$SELECT rama.create_pstate(repeat('n', 64), 'int')$$);
SELECT fails($$SELECT rama.create_pstate('x', format('map(%s: text, int)', repeat('n', 64)))$$);
SELECT fails($$SELECT rama.create_pstate(repeat('n', 60), 'map(a: text, map(bcd: text, int) subindex)')$$);
SELECT fails($$SELECT rama.create_pstate('nosuchschema.x', 'int')$$);
SELECT fails($$SELECT rama.create_pstate('pg_temp.x', 'int')$$);
SELECT fails($$SELECT rama.create_pstate('a.b.c.d', 'int')$$);
SELECT fails($$SELECT rama.create_pstate('x', NULL)$$);
SELECT fails($$SELECT rama.drop_pstate('plain')$$);
SELECT fails($$SELECT rama.drop_pstate('llm_tokens')$$);
SELECT fails($$SELECT rama.drop_pstate(0)$$);
-- nothing is left of those
SELECT relname FROM pg_class WHERE relnamespace = 'pst'::regnamespace AND relname ~ '^(x|n)' ORDER BY 1;
DROP TABLE x_b, plain;

-- DML by hand
SELECT fails($$INSERT INTO llm VALUES (1, 1)$$);
SELECT fails($$UPDATE llm_request SET model = 'x'$$);
SELECT fails($$DELETE FROM llm_tokens$$);
SELECT fails($$TRUNCATE llm_tokens$$);
COPY counts FROM stdin;
\.
SELECT fails($$MERGE INTO counts c USING (VALUES ('x')) v(k) ON c.key = v.k WHEN NOT MATCHED THEN INSERT VALUES ('x', 1)$$);

-- what a PState's table cannot have
CREATE FUNCTION trg() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
SELECT fails($$CREATE TRIGGER t AFTER INSERT ON llm_request FOR EACH ROW EXECUTE FUNCTION trg()$$);
SELECT fails($$ALTER TABLE llm DISABLE TRIGGER ALL$$);
SELECT fails($$DROP TRIGGER rama_guard ON llm$$);
SELECT fails($$ALTER TRIGGER rama_guard ON llm RENAME TO other$$);
SELECT fails($$CREATE RULE r AS ON INSERT TO llm DO INSTEAD NOTHING$$);
SELECT fails($$CREATE UNIQUE INDEX ON llm_request (prompt)$$);
SELECT fails($$ALTER TABLE llm ADD PRIMARY KEY (org)$$);
SELECT fails($$ALTER TABLE llm_request ADD EXCLUDE (prompt WITH =)$$);
SELECT fails($$CREATE TABLE refers (org bigint REFERENCES llm (org))$$);
CREATE TABLE refers (org bigint);
SELECT fails($$ALTER TABLE refers ADD FOREIGN KEY (org) REFERENCES llm (org)$$);
SELECT fails($$ALTER TABLE llm ADD FOREIGN KEY (org) REFERENCES named (user_id)$$);
SELECT fails($$ALTER TABLE llm SET UNLOGGED$$);
SELECT fails($$ALTER TABLE llm_request SET UNLOGGED$$);
SELECT fails($$CREATE TABLE heir () INHERITS (llm)$$);
SELECT fails($$ALTER TABLE llm INHERIT refers$$);
CREATE TABLE parted (org bigint NOT NULL, request_count bigint) PARTITION BY RANGE (org);
SELECT fails($$ALTER TABLE parted ATTACH PARTITION llm DEFAULT$$);
SELECT fails($$ALTER TABLE llm_request ADD COLUMN more int$$);
SELECT fails($$ALTER TABLE llm_request DROP COLUMN prompt$$);
SELECT fails($$ALTER TABLE llm_request ALTER model TYPE text$$);
SELECT fails($$ALTER TABLE llm_request RENAME model TO m$$);
SELECT fails($$ALTER TABLE llm ALTER org DROP NOT NULL$$);
SELECT fails($$DROP INDEX llm_org_idx$$);
SELECT fails($$DROP TABLE llm_tokens_chunk$$);
DROP TABLE refers, parted;
-- what it can have
CREATE INDEX ON llm_request (prompt);
ALTER TABLE llm_request ADD CHECK (model <> '');
ALTER TABLE llm_request ALTER prompt SET NOT NULL, ALTER prompt SET STATISTICS 1000;
REINDEX TABLE CONCURRENTLY llm_request;
VACUUM FULL llm_request;
CLUSTER llm_request USING llm_request_org_request_idx;
COMMENT ON TABLE llm IS 'answers';

-- children follow their root
CREATE ROLE regress_pst_owner;
CREATE ROLE regress_pst_reader;
GRANT ALL ON SCHEMA pst TO regress_pst_owner;
CREATE VIEW follows AS
	SELECT relname, relnamespace::regnamespace,
		CASE pg_get_userbyid(relowner) WHEN session_user THEN '(me)' ELSE pg_get_userbyid(relowner) END AS owner,
		replace(relacl::text, 'arwdDxtm', 'arwdDxt') AS relacl	-- 17 adds MAINTAIN
	FROM pg_class
	WHERE relkind IN ('r', 'v') AND relname ~ '^(llm|ai)' ORDER BY relname COLLATE "C", relacl IS NULL;
GRANT SELECT, UPDATE ON llm TO regress_pst_reader;
REVOKE UPDATE ON llm FROM regress_pst_reader;
ALTER TABLE llm OWNER TO regress_pst_owner;
SELECT * FROM follows;
SET ROLE regress_pst_owner;
ALTER TABLE llm RENAME TO ai;
GRANT DELETE ON ai TO regress_pst_reader WITH GRANT OPTION;
RESET ROLE;
SELECT * FROM follows;
CREATE SCHEMA pst2;
ALTER TABLE ai SET SCHEMA pst2;
REVOKE ALL ON pst2.ai FROM regress_pst_reader;
SELECT * FROM follows;
SELECT module, name FROM rama.pstates WHERE pstate = 'pst2.ai'::regclass;
-- but not alone, and not over others
SELECT fails($$ALTER TABLE pst2.ai_request RENAME TO x$$);
SELECT fails($$ALTER TABLE pst2.ai_request OWNER TO regress_pst_reader$$);
SELECT fails($$ALTER TABLE pst2.ai_request SET SCHEMA pst$$);
SELECT fails($$GRANT SELECT ON pst2.ai_request TO regress_pst_reader$$);
CREATE TABLE pst.ai_tokens ();
SELECT fails($$ALTER TABLE pst2.ai SET SCHEMA pst$$);
CREATE TABLE pst2.llm_request ();
SELECT fails($$ALTER TABLE pst2.ai RENAME TO llm$$);
SELECT fails($$ALTER TABLE pst2.ai RENAME TO aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa$$);
SELECT * FROM follows;
-- inside a block that is rolled back
BEGIN;
ALTER TABLE pst2.ai RENAME TO lost;
ROLLBACK;
SELECT relname FROM follows;

-- drop: only the owner, all tables at once
GRANT USAGE ON SCHEMA pst TO regress_pst_reader;
SET ROLE regress_pst_reader;
SELECT pst.fails($$SELECT rama.drop_pstate('pst.counts')$$);
RESET ROLE;
SELECT rama.drop_pstate('counts');
DROP TABLE pst2.ai;
DROP TABLE config;
SELECT count(*) FROM pg_class WHERE relname ~ '^(ai|config)_' AND relkind = 'r' AND relnamespace = 'pst2'::regnamespace;
CREATE VIEW depends AS SELECT * FROM implied_c;
DROP TABLE implied;
DROP TABLE implied CASCADE;
BEGIN;
SELECT rama.create_pstate('gone', 'map(text, set(int) subindex)');
DROP TABLE gone;
ROLLBACK;

-- all of it without being a superuser
SET ROLE regress_pst_owner;
SELECT rama.create_pstate('pst.mine', 'map(text, map(k: text, int) subindex)');
ALTER TABLE mine RENAME TO ours;
GRANT SELECT ON ours TO regress_pst_reader;
SELECT rama.put('ours', 'a', 'b', 1), rama.get('ours', 'a', 'b');
SELECT fails($$INSERT INTO ours VALUES ('x')$$);
SELECT fails($$SELECT rama.create_pstate('pst2.mine', 'int')$$);
SET ROLE regress_pst_reader;
SELECT rama.get('ours', 'a', 'b');
SELECT fails($$SELECT rama.drop_pstate('ours')$$);
SELECT fails($$ALTER TABLE ours RENAME TO theirs$$);
SELECT fails($$SELECT rama.create_pstate('pst.theirs', 'int')$$);
SELECT fails($$INSERT INTO rama.pstate_version VALUES ('ours', 0, 0)$$);
SET ROLE regress_pst_owner;
SELECT rama.drop_pstate('ours');
RESET ROLE;

-- with the schema
SET client_min_messages = warning;
DROP SCHEMA pst CASCADE;
DROP SCHEMA pst2, pst_types CASCADE;
RESET client_min_messages;
RESET search_path;
DROP ROLE regress_pst_owner, regress_pst_reader;
SELECT (SELECT count(*) FROM rama.pstate p WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = pstate)) +
	(SELECT count(*) FROM rama.pstate_child WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = child)) +
	(SELECT count(*) FROM rama.pstate_version WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = pstate)) AS stale;
