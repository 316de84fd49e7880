-- Bound paths are kept; what they depend on may change between two calls.
CREATE SCHEMA kept;
CREATE SCHEMA kept_too;
CREATE ROLE regress_kept;
SET search_path = kept, public;
SELECT rama.create_pstate('m', 'map(k: bigint, map(l: text, bigint))');
SELECT rama.put('m', 1, '{"a": 1, "b": 2, "c": 3}');
GRANT USAGE ON SCHEMA kept TO regress_kept;
GRANT SELECT ON m TO regress_kept;
CREATE FUNCTION ask(path jsonb) RETURNS jsonb LANGUAGE sql AS
$$ SELECT jsonb_agg(x) FROM rama.select('kept.m', path) x $$;

-- Named paths: made anew, in another schema, seen by another user
SELECT rama.create_path('vals', '[1, ["map-vals"]]');
SELECT ask('[["vals"]]');
SELECT rama.drop_path('vals');
SELECT ask('[["vals"]]');
SELECT rama.create_path('vals', '[1, ["map-keys"]]');
SELECT ask('[["vals"]]'), ask('[["kept.vals"]]');
SELECT rama.create_path('kept_too.vals', '[1, ["map-vals"], ["pred>", 1]]');
SET search_path = kept_too, kept, public;
SELECT ask('[["vals"]]'), ask('[["kept.vals"]]');
SELECT rama.drop_path('kept_too.vals');
SELECT ask('[["vals"]]');
SET search_path = kept, public;
SELECT ask('[["vals"]]');
SET ROLE regress_kept;
SELECT ask('[["vals"]]');
RESET ROLE;
REVOKE USAGE ON SCHEMA kept FROM regress_kept;
SELECT ask('[["kept.vals"]]');
GRANT SELECT ON m TO PUBLIC;
SELECT 'm'::regclass::oid AS m \gset
SET ROLE regress_kept;
\set VERBOSITY sqlstate
SELECT rama.select(:m, '[["kept.vals"]]');
\set VERBOSITY default
RESET ROLE;
SELECT ask('[["kept.vals"]]');
ALTER SCHEMA kept_too RENAME TO kept_three;
SELECT rama.create_path('kept_three.vals', '[1, "a"]');
SELECT ask('[["kept_three.vals"]]');
ALTER SCHEMA kept_three RENAME TO kept_too;
\set VERBOSITY sqlstate
SELECT ask('[["kept_three.vals"]]');
\set VERBOSITY default
SELECT ask('[["kept_too.vals"]]');
BEGIN;
SAVEPOINT s;
SELECT rama.drop_path('kept_too.vals');
SELECT rama.create_path('kept_too.vals', '[1, "b"]');
SELECT ask('[["kept_too.vals"]]');
ROLLBACK TO s;
SELECT ask('[["kept_too.vals"]]');
COMMIT;
-- By hand, as a restore does it
INSERT INTO rama.named_path VALUES ('kept', 'loaded', 'regress_kept', '[1, "c"]');
SELECT ask('[["loaded"]]');
UPDATE rama.named_path SET path = '[1, "a"]' WHERE name = 'loaded';
SELECT ask('[["loaded"]]');
-- A path within itself is bound again in the environment in which it is used.
SELECT rama.create_path('step', '["a"]'), rama.create_path('kept_too.step', '["b"]');
SELECT rama.create_pstate('tree', 'jsonb');
SELECT rama.put('tree', '{"a": {"a": {"v": 1}, "v": 2}, "b": {"v": 3}, "v": 0}');
SELECT rama.create_path('walk', '[["stay-then-continue", [["step"], ["if-path", [["stay"], ["pred", "some?"]], [["walk"]], [["stop"]]]]]]');
SELECT rama.select('tree', '[["walk"], "v"]');
BEGIN;
DECLARE c CURSOR FOR SELECT rama.select('tree', '[["walk"], "v"]');
FETCH c;
SET LOCAL search_path = kept_too, public;
FETCH ALL FROM c;
COMMIT;
SELECT rama.select('tree', '[["walk"], "v"]');

-- Functions: replaced, overloaded, registered, dropped
CREATE FUNCTION f(jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$ SELECT to_jsonb(1) $$;
SELECT ask('[1, "b", ["view", "kept.f"]]');
CREATE OR REPLACE FUNCTION f(jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$ SELECT to_jsonb(2) $$;
SELECT ask('[1, "b", ["view", "kept.f"]]');
CREATE FUNCTION f(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT $1 * 100 $$;
SELECT ask('[1, "b", ["view", "kept.f"]]');
ALTER FUNCTION f(bigint) VOLATILE;
SELECT ask('[1, "b", ["view", "kept.f"]]');
SELECT rama.allow_in_paths('f(bigint)');
SELECT ask('[1, "b", ["view", "kept.f"]]');
SELECT rama.forbid_in_paths('f(bigint)');
SELECT ask('[1, "b", ["view", "kept.f"]]');
SELECT rama.allow_in_paths('f(bigint)');
DROP FUNCTION f(bigint);
SELECT ask('[1, "b", ["view", "kept.f"]]');
CREATE FUNCTION f(bigint) RETURNS bigint LANGUAGE sql VOLATILE AS $$ SELECT $1 * 1000 $$;
SELECT ask('[1, "b", ["view", "kept.f"]]');
SELECT * FROM rama.path_function WHERE function ~ '^kept';
DROP FUNCTION f(bigint), f(jsonb);
\set VERBOSITY sqlstate
SELECT ask('[1, "b", ["view", "kept.f"]]');
\set VERBOSITY default
-- Rows of the registry go with functions, also with those of a schema.
CREATE FUNCTION kept_too.g(a bigint, b "char") RETURNS bigint LANGUAGE sql VOLATILE AS $$ SELECT 1::bigint $$;
CREATE FUNCTION kept_too."G h"() RETURNS bigint LANGUAGE sql VOLATILE AS $$ SELECT 1::bigint $$;
SELECT rama.allow_in_paths('kept_too.g(bigint, "char")'), rama.allow_in_paths('kept_too."G h"()');
SELECT * FROM rama.path_function WHERE function ~ '^kept';
DROP SCHEMA kept_too CASCADE;
SELECT * FROM rama.path_function WHERE function ~ '^kept';

-- A function that comes to its own path again, and one that fails in the middle
CREATE FUNCTION deeper(n bigint) RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT set_config('kept.depth', (current_setting('kept.depth')::int + 1)::text, true);
	SELECT CASE WHEN current_setting('kept.depth')::int > 3 THEN n
		ELSE (SELECT sum((x #>> '{}')::bigint) FROM rama.select('kept.m', '[1, ["map-vals"], ["view", "kept.deeper"]]') x) * 10 + n END $$;
SELECT rama.allow_in_paths('deeper(bigint)');
BEGIN;
SET LOCAL kept.depth = 0;
SELECT rama.select('m', '[1, ["map-vals"], ["view", "kept.deeper"]]');
COMMIT;
CREATE FUNCTION fails(n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT 6 / (n - 2) $$;
DO $$
BEGIN
	FOR i IN 1 .. 3 LOOP
		BEGIN
			PERFORM rama.select('m', '[1, ["map-vals"], ["view", "kept.fails"]]');
			RAISE NOTICE 'no error';
		EXCEPTION WHEN division_by_zero THEN
			RAISE NOTICE 'division by zero';
		END;
	END LOOP;
END $$;
SELECT rama.select('m', '[1, "c", ["view", "kept.fails"]]');
-- A function that drops the path on which it is called
SELECT rama.create_path('gone', '[1, ["map-vals"], ["view", "kept.drops"]]');
CREATE FUNCTION drops(n bigint) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM rama.drop_path('kept.gone', true);
	PERFORM rama.create_path('kept.gone', '[1, ["map-keys"]]');
	PERFORM count(*) FROM rama.select('kept.m', '[["gone"]]');
	RETURN n;
END $$;
SELECT rama.allow_in_paths('drops(bigint)');
SELECT rama.select('m', '[["gone"]]');
SELECT rama.select('m', '[["gone"]]');

SET client_min_messages = warning;
DELETE FROM rama.named_path WHERE owner = 'regress_kept'::regrole;
DROP SCHEMA kept CASCADE;
DROP ROLE regress_kept;
SELECT count(*) FROM rama.path_function;
