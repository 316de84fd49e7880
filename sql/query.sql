-- Queries: functions that are listed under a name.
\set VERBOSITY terse
CREATE SCHEMA query;
CREATE SCHEMA "que""ry 2";
SET search_path = query, public;
CREATE ROLE query_reader;
CREATE ROLE query_author;
GRANT USAGE ON SCHEMA query TO query_reader;
GRANT USAGE, CREATE ON SCHEMA query TO query_author;
CREATE TYPE query.mood AS ENUM ('sad', 'happy');
SELECT rama.create_pstate('spent', 'map(customer: text, bigint)');
SELECT rama.put('spent', 'ann', 3), rama.put('spent', 'bob', 5);
CREATE FUNCTION top(n int, minimum bigint DEFAULT 0) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_agg(customer ORDER BY value DESC) FROM (SELECT * FROM query.spent WHERE value >= minimum ORDER BY value DESC LIMIT n) x
$$;
COMMENT ON FUNCTION top(int, bigint) IS 'who spent most';
CREATE FUNCTION "wh(o" (m mood, a text[]) RETURNS SETOF text LANGUAGE sql STABLE AS 'SELECT unnest(a) || m';
CREATE PROCEDURE proc() LANGUAGE sql AS '';
CREATE FUNCTION poly(anyelement) RETURNS int LANGUAGE sql AS 'SELECT 1';

SELECT rama.create_query('top', 'top(int, bigint)');
SELECT rama.create_query('query.moods', '"wh(o"(query.mood, text[])');
SELECT rama.create_query('"que""ry 2"."T op"', 'query.top(int, bigint)');
SELECT * FROM rama.queries ORDER BY module, name;
-- what it lists is called as the function that it is
SELECT top(1), top(2, 4);

-- what cannot be
SELECT rama.create_query('top', '"wh(o"(query.mood, text[])');
SELECT rama.create_query('top', '"wh(o"(query.mood, text[])', if_not_exists => true);
SELECT rama.create_query('p', 'proc()');
SELECT rama.create_query('p', 'poly(anyelement)');
SELECT rama.create_query('p', 'count("any")');
SELECT rama.create_query('p', 'nosuch()');
SELECT rama.create_query('nowhere.p', 'top(int, bigint)');
SELECT rama.create_query(NULL, 'top(int, bigint)');
SELECT rama.create_query('p', NULL);
SELECT rama.drop_query('nosuch');
SELECT rama.drop_query('nosuch', if_exists => true);

-- privileges: CREATE on the schema and EXECUTE to list it, ownership to drop it
REVOKE EXECUTE ON FUNCTION top(int, bigint) FROM PUBLIC;
SET ROLE query_reader;
SELECT rama.create_query('mine', '"wh(o"(query.mood, text[])');
SELECT rama.drop_query('moods');
SELECT module, name, function FROM rama.queries ORDER BY module, name;
TABLE rama.query;
SET ROLE query_author;
SELECT rama.create_query('mine', 'top(int, bigint)');
SELECT rama.create_query('mine', '"wh(o"(query.mood, text[])');
SELECT rama.drop_query('mine');
RESET ROLE;

-- it follows its function and its schema
ALTER FUNCTION top(int, bigint) RENAME TO "to p";
ALTER TYPE mood RENAME TO "Mood";
SELECT module, name, function FROM rama.queries ORDER BY module, name;
ALTER FUNCTION "to p"(int, bigint) SET SCHEMA "que""ry 2";
ALTER SCHEMA query RENAME TO query_new;
SELECT module, name, function FROM rama.queries ORDER BY module, name;
ALTER SCHEMA query_new RENAME TO query;
-- a rename that fails, or is rolled back, changes nothing
ALTER FUNCTION "que""ry 2"."to p"(int, bigint) RENAME TO "to p";
BEGIN;
ALTER FUNCTION "que""ry 2"."to p"(int, bigint) RENAME TO other;
SELECT name, function FROM rama.queries WHERE name = 'top';
ROLLBACK;
SELECT module, name, function FROM rama.queries ORDER BY module, name;

-- and goes with them
CREATE OR REPLACE FUNCTION "que""ry 2"."to p"(n int, minimum bigint DEFAULT 1) RETURNS jsonb LANGUAGE sql AS 'SELECT ''[]''::jsonb';
SELECT module, name, arguments FROM rama.queries ORDER BY module, name;
DROP FUNCTION query."wh(o";
SELECT module, name FROM rama.queries ORDER BY module, name;
DROP SCHEMA "que""ry 2" CASCADE;
SELECT module, name FROM rama.queries ORDER BY module, name;
SELECT count(*) FROM rama.query WHERE module LIKE 'que%';
CREATE FUNCTION again() RETURNS int LANGUAGE sql AS 'SELECT 1';
SELECT rama.create_query('again', 'again()');
DROP SCHEMA query CASCADE;
SELECT count(*) FROM rama.query WHERE module LIKE 'que%';
DROP ROLE query_reader, query_author;
