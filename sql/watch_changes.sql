-- rama.changes: what every way to write is told as.
CREATE SCHEMA wchanges;
SET search_path = wchanges;
-- What the last transaction did
CREATE FUNCTION last(pstate regclass) RETURNS TABLE (op text, path jsonb, value jsonb)
LANGUAGE sql AS $$
	SELECT op, path, value FROM rama.changes(pstate, '[]', rama.version(pstate) - 1)
$$;

-- Maps
SELECT rama.create_pstate('counts', 'map(k: text, n: bigint)');
SELECT rama.version('counts'), * FROM rama.changes('counts', '[]', 0);
SELECT rama.put('counts', 'a', 1);
SELECT rama.put('counts', 'a', 2);
SELECT rama.add('counts', 'a', 3), rama.add('counts', 'b', 1), rama.add('counts', 'a', 4);
SELECT rama.put('counts', 'a', NULL);
SELECT rama.remove('counts', 'b');
SELECT rama.put('counts', '{"x": 1, "y": 2}');
SELECT rama.transform('counts', '[["map-vals"], ["term", "inc"]]');
SELECT * FROM rama.changes('counts', '[]', 0);
SELECT * FROM rama.changes('counts', '["a"]', 0);
-- Versions that there never were
SELECT v, c.* FROM unnest('{-1,1000}'::bigint[]) v, rama.changes('counts', '["a"]', v) c;
-- Nothing that differs is a version without rows.
SELECT rama.put('counts', 'x', 2);
SELECT rama.version('counts');
SELECT * FROM last('counts');
-- "max" does not cut a version in two.
SELECT version, count(*) FROM rama.changes('counts', '[]', 2, max => 1) GROUP BY 1;

-- Types
SELECT rama.create_pstate('typed', 'map(at: timestamptz, struct(n: numeric, f: float8, i: int, t: text, u: uuid, j: jsonb, a: int[]))');
SET timezone = 'UTC';
SELECT rama.put('typed', '2026-01-01', '{"n": 1.50, "f": 0.1, "i": 1, "t": "x", "u": "00000000-0000-0000-0000-000000000001", "j": {"a": [1]}, "a": [1, 2]}');
SELECT * FROM last('typed');
BEGIN;
SELECT rama.add('typed', '2026-01-01', 'n', 0.25), rama.add('typed', '2026-01-01', 'f', 0.2), rama.add('typed', '2026-01-01', 'i', 1);
SELECT rama.put('typed', '2026-01-01', 'j', 'a', 0, 2), rama.put('typed', '2026-01-01', 'j', 'b', '"y"'::jsonb);
SELECT rama.put('typed', '2026-01-01', 'a', '{2,3}');
COMMIT;
SELECT * FROM last('typed');
-- A new row by additions only
SELECT rama.add('typed', '2026-01-02', 'i', 5);
SELECT * FROM last('typed');
-- Fields that become null are gone.
SELECT rama.put('typed', '2026-01-01', '{"n": 1.75}');
SELECT * FROM last('typed');
SELECT rama.remove('typed', '2026-01-01');
SELECT * FROM last('typed');

-- Structs in structs are absent when all their fields are.
SELECT rama.create_pstate('inner', 'map(k: int, struct(a: int, s: struct(x: int, d: struct(y: int, z: text))))');
SELECT rama.put('inner', 1, 's', 'd', 'y', 1);
SELECT rama.put('inner', 1, 's', 'd', 'z', 'z');
SELECT rama.remove('inner', 1, 's', 'd', 'y');
SELECT rama.remove('inner', 1, 's', 'd', 'z');
SELECT rama.put('inner', 2, '{}');
SELECT rama.put('inner', 2, 's', '{"x": 1, "d": {"y": 2}}');
SELECT rama.put('inner', 2, 's', NULL);
SELECT * FROM rama.changes('inner', '[]', 0);

-- Collections below
SELECT rama.create_pstate('deep', 'map(k: text, map(j: int, struct(n: bigint, v: vector(e: text) subindex, s: set(x: int) subindex, m: map(text, int) subindex)) subindex)');
SELECT rama.push('deep', 'a', 1, 'v', 'one');
BEGIN;
SELECT rama.push('deep', 'a', 1, 'v', 'two'), rama.push('deep', 'a', 1, 's', 5), rama.push('deep', 'a', 1, 'v', 'three');
SELECT rama.put('deep', 'a', 1, 'v', 3, 'four'), rama.put('deep', 'a', 1, 'v', 0, 'ONE');
SELECT rama.add('deep', 'a', 1, 'm', 'x', 1), rama.add('deep', 'a', 1, 'n', 2), rama.add('deep', 'a', 1, 'm', 'x', 1);
COMMIT;
SELECT * FROM rama.changes('deep', '[]', 0);
SELECT rama.transform('deep', '["a", 1, "v", ["before-index", 1], ["term-val", "new"]]');
SELECT * FROM last('deep');
SELECT rama.transform('deep', '["a", 1, "v", ["end"], ["term-val", ["y", "z"]]]');
SELECT * FROM last('deep');
SELECT rama.transform('deep', '["a", 1, "v", ["all"], ["pred", "=", "two"], ["NONE>"]]');
SELECT * FROM last('deep');
SELECT rama.remove('deep', 'a', 1, 'v', 0), rama.remove('deep', 'a', 1, 's', 5);
SELECT * FROM last('deep');
SELECT rama.put('deep', 'a', 1, 'v', '["p", "q"]');
SELECT * FROM last('deep');
SELECT rama.put('deep', 'a', 1, 's', '[]');
SELECT * FROM last('deep');
SELECT rama.remove('deep', 'a', 1, 'm');
SELECT * FROM last('deep');
SELECT rama.put('deep', 'b', '{"2": {"n": 1, "v": ["x"]}}');
SELECT * FROM last('deep');
SELECT rama.remove('deep', 'a');
SELECT * FROM last('deep');
SELECT rama.put('deep', '{}');
SELECT * FROM last('deep');
SELECT rama.get('deep');

-- Documents
SELECT rama.create_pstate('docs', 'map(k: text, struct(m: map(i: int, bigint), v: vector(int), s: set(text), any: jsonb))');
SELECT rama.put('docs', 'a', '{"m": {"1": 1, "2": 2}, "v": [1, 2, 3, 4], "s": ["x", "y"], "any": {"p": {"q": [1, 2]}}}');
BEGIN;
SELECT rama.add('docs', 'a', 'm', 1, 10), rama.add('docs', 'a', 'm', 3, 5), rama.remove('docs', 'a', 'm', 2);
SELECT rama.push('docs', 'a', 'v', 5), rama.push('docs', 'a', 'v', 6);
SELECT rama.push('docs', 'a', 's', 'z'), rama.remove('docs', 'a', 's', 'x');
SELECT rama.put('docs', 'a', 'any', 'p', 'q', 1, '{"r": 1}'::jsonb);
COMMIT;
SELECT * FROM last('docs');
SELECT rama.add('docs', 'a', 'm', 1, 1);
SELECT * FROM last('docs');
SELECT rama.remove('docs', 'a', 'v', 1);
SELECT * FROM last('docs');
SELECT rama.transform('docs', '["a", "v", ["before-index", 1], ["term-val", 7]]');
SELECT * FROM last('docs');
SELECT rama.remove('docs', 'a', 'any', 'p', 'q');
SELECT * FROM last('docs');
SELECT rama.remove('docs', 'a', 'm');
SELECT * FROM last('docs');
-- Large documents are compared by the writer.
SELECT rama.put('docs', 'big', 'any', (SELECT jsonb_object_agg('key' || i, i) FROM generate_series(1, 200) i));
SELECT rama.put('docs', 'big', 'any', 'key7', '"seven"'::jsonb);
SELECT * FROM last('docs');

-- Aggregators: sums are told as what was added.
SELECT rama.create_pstate('sums', 'map(k: text, struct(total: numeric, best: int, n: bigint))');
SELECT rama.agg('sums', 'sum, max, count', 'a', 1.5, 3, 1);
SELECT * FROM last('sums');
SELECT rama.agg('sums', 'sum, max, count', 'a', 2, 2, 1);
SELECT * FROM last('sums');
SELECT rama.create_depot('ev', 'k text, amount numeric');
SELECT rama.create_pstate('merged', 'map(k: text, struct(total: numeric, n: bigint, best: numeric))');
SELECT rama.create_topology('merging', 'microbatch', 'ev', target => 'merged', merge => 'sum, sum, max',
	sql => 'SELECT k, sum(amount) AS total, count(*) AS n, max(amount) AS best FROM batch GROUP BY k');
INSERT INTO ev VALUES ('a', 1), ('a', 2);
SELECT rama.wait('merging');
SELECT * FROM last('merged');
INSERT INTO ev VALUES ('a', 5), ('a', 1);
SELECT rama.wait('merging');
SELECT * FROM last('merged');
SELECT rama.drop_topology('merging');

-- Other outermost shapes
SELECT rama.create_pstate('list', 'vector(struct(name: text, cards: map(c: text, n: int) subindex))');
SELECT rama.push('list', '{"name": "x", "cards": {"a": 1}}'), rama.push('list', '{"name": "y"}');
SELECT rama.put('list', 2, 'cards', 'b', 3);
SELECT rama.remove('list', 0);
SELECT * FROM rama.changes('list', '[]', 0);
SELECT rama.create_pstate('tags', 'set(t: text)');
SELECT rama.push('tags', 'x'), rama.push('tags', 'y');
SELECT rama.remove('tags', 'x');
SELECT * FROM rama.changes('tags', '[]', 0);
SELECT rama.create_pstate('total', 'numeric');
SELECT rama.add('total', 1.5);
SELECT rama.add('total', 2);
SELECT rama.remove('total', VARIADIC '{}');
SELECT * FROM rama.changes('total', '[]', 0);
SELECT rama.create_pstate('config', 'struct(a: int, log: vector(line: text) subindex)');
SELECT rama.push('config', 'log', 'x');
SELECT rama.put('config', 'a', 1);
SELECT rama.remove('config', 'log');
SELECT * FROM rama.changes('config', '[]', 0);

-- Subtransactions
SELECT rama.put('counts', '{}');
BEGIN;
SELECT rama.add('counts', 'a', 1);
SAVEPOINT one;
SELECT rama.add('counts', 'a', 10), rama.add('counts', 'b', 1);
SAVEPOINT two;
SELECT rama.add('counts', 'a', 100), rama.remove('counts', 'b');
ROLLBACK TO two;
SELECT rama.add('counts', 'a', 1000);
RELEASE one;
SELECT rama.add('counts', 'a', 1), rama.add('counts', 'b', 1);
SAVEPOINT three;
SELECT rama.put('counts', 'a', 0);
ROLLBACK TO three;
COMMIT;
SELECT * FROM last('counts');
SELECT rama.get('counts');
BEGIN;
SAVEPOINT one;
SELECT rama.add('counts', 'a', 10);
ROLLBACK TO one;
COMMIT;
SELECT * FROM last('counts');
BEGIN;
SELECT rama.add('counts', 'a', 10);
ROLLBACK;
SELECT * FROM last('counts');
-- Places that could mean something else by now
BEGIN;
SELECT rama.put('counts', 'a', 5), rama.remove('counts', 'a'), rama.put('counts', 'a', 6), rama.add('counts', 'a', 1);
COMMIT;
SELECT * FROM last('counts');
BEGIN;
SELECT rama.put('list', 0, 'name', 'first'), rama.remove('list', 0), rama.put('list', 0, 'name', 'second'), rama.put('list', 0, 'name', 'third');
COMMIT;
SELECT * FROM last('list');

-- Several PStates in one transaction
BEGIN;
SELECT rama.add('counts', 'a', 1), rama.push('tags', 'z'), rama.add('counts', 'a', 1);
COMMIT;
SELECT * FROM last('counts');
SELECT * FROM last('tags');

-- Within the transaction, its own changes are no version yet.
BEGIN;
SELECT rama.add('counts', 'a', 1);
SELECT count(*) FROM rama.changes('counts', '[]', rama.version('counts'));
SELECT * FROM rama.changes('counts', '[]', 1000);
ROLLBACK;
-- A version that never was
SELECT op, value FROM rama.changes('counts', '["a"]', 1000);
-- Waiting ends
SELECT count(*) FROM rama.changes('counts', '[]', rama.version('counts'), wait => '10 ms');
SET pg_rama.max_wait = '10 ms';
SELECT count(*) FROM rama.changes('counts', '[]', rama.version('counts'), wait => '1 hour');
RESET pg_rama.max_wait;

-- What the schema was when it happened
SELECT rama.create_pstate('wide', 'map(k: text, struct(a: int))');
SELECT rama.put('wide', 'x', 'a', 1);
SELECT rama.alter_pstate('wide', 'map(k: text, struct(a: int, b: text))');
SELECT * FROM rama.changes('wide', '[]', 1);
SELECT * FROM rama.changes('wide', '[]', 0);
SELECT rama.put('wide', 'x', 'b', 'y');
SELECT * FROM rama.changes('wide', '[]', 1);
ALTER TABLE wide RENAME TO wider;
SELECT * FROM rama.changes('wider', '[]', 1);
BEGIN;
SELECT rama.put('wider', 'x', 'a', 2);
SELECT rama.alter_pstate('wider', 'map(k: text, struct(a: int, b: text, c: int))');
SELECT rama.put('wider', 'x', 'c', 3);
COMMIT;
SELECT * FROM last('wider');

-- Kept in a table
SELECT rama.retain_changes('tags', '1 hour');
SELECT rama.push('tags', 'kept');
SELECT pstate, version, ops IS NOT NULL AS ops FROM rama.change ORDER BY 1, 2;
SELECT rama.retain_changes('tags', '0 s');
SELECT rama.push('tags', 'k' || i) FROM generate_series(1, 3) i;
DO $$
BEGIN
	FOR i IN 1..33 LOOP
		PERFORM rama.push('tags', 'l' || i);
		COMMIT;
	END LOOP;
END $$;
SELECT count(*) < 17 AS trimmed FROM rama.change;
SELECT rama.retain_changes('tags', NULL);
SELECT count(*) FROM rama.change;
SELECT rama.retain_changes('tags', '-1 s');
SELECT rama.retain_changes('tags', '1 day');
SELECT rama.push('tags', 'again');
SELECT count(*) FROM rama.change;
SELECT rama.drop_pstate('tags');
SELECT count(*) FROM rama.change;

-- Errors
SELECT * FROM rama.changes(NULL, '[]', 0);
SELECT * FROM rama.changes('counts', '[]', 0, max => 0);
SELECT * FROM rama.changes('pg_class', '[]', 0);
SELECT * FROM rama.changes('counts', '["a", "b"]', 0);
SELECT * FROM rama.changes('counts', '{}', 0);
CREATE ROLE wchanges_nobody;
GRANT USAGE ON SCHEMA wchanges TO wchanges_nobody;
SET ROLE wchanges_nobody;
SELECT * FROM rama.changes('counts', '[]', 0);
SELECT rama.version('counts');
SELECT rama.retain_changes('counts', '1 hour');
SELECT * FROM rama.change;
RESET ROLE;

RESET timezone;
SET client_min_messages = warning;
DROP SCHEMA wchanges CASCADE;
DROP ROLE wchanges_nobody;
