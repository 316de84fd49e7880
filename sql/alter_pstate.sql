-- rama.alter_pstate: wider schemas for what is stored already
CREATE SCHEMA widened;
CREATE ROLE regress_widened;
GRANT USAGE, CREATE ON SCHEMA widened TO regress_widened;
SET search_path = widened;

SELECT rama.create_pstate('llm', $$
	map(org: bigint, map(request: uuid, struct(prompt: text, tokens: vector(token: text) subindex)) subindex)
$$);
SELECT rama.push('llm', 7, '6f1e0000-0000-0000-0000-000000000001', 'tokens', 'hi');
SELECT rama.put('llm', 7, '6f1e0000-0000-0000-0000-000000000001', 'prompt', 'say it');
CREATE TEMP TABLE files AS SELECT oid, relname, relfilenode FROM pg_class
	WHERE relname IN ('llm', 'llm_request', 'llm_tokens', 'llm_org_idx', 'llm_request_org_request_idx');
CREATE VIEW rewritten AS SELECT f.relname FROM files f JOIN pg_class c USING (oid) WHERE c.relfilenode <> f.relfilenode;

-- New fields, at any place: scalars, structs, collections in a column and in a table
SELECT rama.alter_pstate('llm', $$
	map(org: bigint, map(request: uuid, struct(answer: varchar(10), prompt: text, seen: set(who: varchar(5)) subindex,
		tags: vector(integer), at: struct(a: integer, b: numeric(6,2)), tokens: vector(token: text) subindex,
		sums: map(text, struct(n: bigint)))) subindex)
$$);
SELECT schema FROM rama.pstates WHERE name = 'llm' AND module = 'widened';
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
	WHERE attrelid = 'llm_request'::regclass AND attnum > 0 ORDER BY attnum;
SELECT child, ordinal FROM rama.pstate_child WHERE pstate = 'llm'::regclass ORDER BY ordinal;
SELECT rama.get('llm', 7, '6f1e0000-0000-0000-0000-000000000001');
SELECT rama.count('llm', 7, '6f1e0000-0000-0000-0000-000000000001', 'seen');
SELECT rama.get('llm', 7, '6f1e0000-0000-0000-0000-000000000001', 'seen');
SELECT rama.put('llm', 7, '6f1e0000-0000-0000-0000-000000000001', 'answer', 'hello'),
	rama.put('llm', 7, '6f1e0000-0000-0000-0000-000000000001', 'tags', '[1, 2]'),
	rama.add('llm', 7, '6f1e0000-0000-0000-0000-000000000001', 'at', 'b', 3.5),
	rama.push('llm', 7, '6f1e0000-0000-0000-0000-000000000001', 'seen', 'bob'),
	rama.put('llm', 7, '6f1e0000-0000-0000-0000-000000000001', 'sums', 'x', '{"n": 5}');
SELECT rama.put('llm', 7, '6f1e0000-0000-0000-0000-000000000002',
	'{"prompt": "p", "tags": [], "tokens": ["a", "b"], "seen": ["eve"], "at": {"a": 1}}');
SELECT rama.select('llm', '[7, ["map-vals"]]');
SELECT rama.transform('llm', '[7, ["map-vals"], ["multi-path", ["seen", ["none-elem"], ["term-val", "new"]], ["at", "a", ["nil->val", 0], ["term", "inc"]]]]');
SELECT request, prompt, tokens_count, answer, seen_count, tags, at_a, at_b, sums FROM llm_request ORDER BY request;
SELECT who FROM llm_seen ORDER BY request, who;
SELECT rama.remove('llm', 7, '6f1e0000-0000-0000-0000-000000000002');
SELECT count(*) FROM llm_seen;

-- Types that widen without a rewrite, also of keys, and in JSON
SELECT rama.alter_pstate('llm', $$
	map(org: bigint, map(request: uuid, struct(answer: varchar(20), prompt: text, seen: set(who: text) subindex,
		tags: vector(bigint), at: struct(a: integer, b: numeric(10,2)), tokens: vector(token: text) subindex,
		sums: map(text, struct(o: text, n: numeric)))) subindex)
$$);
SELECT rama.put('llm', 7, '6f1e0000-0000-0000-0000-000000000001', 'answer', 'more than ten bytes'),
	rama.put('llm', 7, '6f1e0000-0000-0000-0000-000000000001', 'tags', '[10000000000]'),
	rama.add('llm', 7, '6f1e0000-0000-0000-0000-000000000001', 'at', 'b', 1e6),
	rama.push('llm', 7, '6f1e0000-0000-0000-0000-000000000001', 'seen', 'robert'),
	rama.put('llm', 7, '6f1e0000-0000-0000-0000-000000000001', 'sums', 'x', 'o', 'what');
SELECT rama.get('llm', 7, '6f1e0000-0000-0000-0000-000000000001');
-- The collection becomes untyped.
SELECT rama.alter_pstate('llm', $$
	map(org: bigint, map(request: uuid, struct(answer: text, prompt: text, seen: set(who: text) subindex,
		tags: jsonb, at: struct(a: integer, b: numeric), tokens: vector(token: text) subindex,
		sums: map(text, jsonb))) subindex)
$$);
SELECT rama.put('llm', 7, '6f1e0000-0000-0000-0000-000000000001', 'tags', '{"any": [1]}');
SELECT rama.get('llm', 7, '6f1e0000-0000-0000-0000-000000000001', 'tags', 'any', 0);
SELECT rama.check_index(indexrelid::regclass) FROM pg_index WHERE indrelid IN ('llm'::regclass, 'llm_request'::regclass, 'llm_seen'::regclass);
SELECT * FROM rewritten;

-- Equal
SELECT rama.alter_pstate('llm', rama.pstate_schema('llm'));
-- Names where storage has none, or the same
SELECT rama.create_pstate('named', 'map(bigint, map(text, integer))');
SELECT rama.put('named', 1, 'a', 2);
SELECT rama.alter_pstate('named', 'map(key: bigint, value: map(what: text, much: integer))');
SELECT rama.pstate_schema('named'), rama.get('named', 1);

-- What does not merely widen
\set VERBOSITY sqlstate
SELECT rama.alter_pstate('llm', 'map(');
SELECT rama.alter_pstate('llm', 'map(a: nothing, text)');
SELECT rama.alter_pstate('llm', NULL);
SELECT rama.alter_pstate('llm_request', 'map(bigint, text)');
SELECT rama.alter_pstate('pg_class', 'map(bigint, text)');
\set VERBOSITY default
SELECT rama.create_pstate('n', 'map(k: varchar(5), struct(a: varchar(10), b: integer, c: set(text), d: map(e: integer, integer) subindex, f: struct(g: date)))');
SELECT rama.alter_pstate('n', 'map(k: varchar(4), struct(a: varchar(10), b: integer, c: set(text), d: map(e: integer, integer) subindex, f: struct(g: date)))');
SELECT rama.alter_pstate('n', 'map(j: varchar(5), struct(a: varchar(10), b: integer, c: set(text), d: map(e: integer, integer) subindex, f: struct(g: date)))');
SELECT rama.alter_pstate('n', 'map(k: varchar(5), struct(a: varchar(9), b: integer, c: set(text), d: map(e: integer, integer) subindex, f: struct(g: date)))');
SELECT rama.alter_pstate('n', 'map(k: varchar(5), struct(a: varchar(10), b: bigint, c: set(text), d: map(e: integer, integer) subindex, f: struct(g: date)))');
SELECT rama.alter_pstate('n', 'map(k: varchar(5), struct(a: varchar(10), c: set(text), d: map(e: integer, integer) subindex, f: struct(g: date)))');
SELECT rama.alter_pstate('n', 'map(k: varchar(5), struct(a: varchar(10), b: integer, c: vector(text), d: map(e: integer, integer) subindex, f: struct(g: date)))');
SELECT rama.alter_pstate('n', 'map(k: varchar(5), struct(a: varchar(10), b: integer, c: set(text) subindex, d: map(e: integer, integer) subindex, f: struct(g: date)))');
SELECT rama.alter_pstate('n', 'map(k: varchar(5), struct(a: varchar(10), b: integer, c: set(text), d: map(e: integer, integer), f: struct(g: date)))');
SELECT rama.alter_pstate('n', 'map(k: varchar(5), struct(a: varchar(10), b: integer, c: set(text), d: map(e: integer, integer) subindex, f: struct(g: timestamp)))');
SELECT rama.alter_pstate('n', 'map(k: varchar(5), struct(a: varchar(10), b: integer, c: set(text), d: map(e: integer, integer) subindex, f: date))');
SELECT rama.alter_pstate('n', 'map(k: varchar(5), struct(a: varchar(10), b: integer, c: set(text), d: map(e: integer, struct(value: integer)) subindex, f: struct(g: date)))');
SELECT rama.alter_pstate('n', 'vector(text)');
-- A collection that would have to be subindexed because of what it would enclose
SELECT rama.create_pstate('o', 'map(k: bigint, map(l: bigint, struct(a: text)))');
SELECT rama.alter_pstate('o', 'map(k: bigint, map(l: bigint, struct(a: text, b: set(m: text) subindex)))');
-- A name that is taken, by a column and by a table
SELECT rama.alter_pstate('n', 'map(k: varchar(5), struct(a: varchar(10), b: integer, c: set(text), d: map(e: integer, integer) subindex, f: struct(g: date), f_g: text))');
CREATE TABLE n_more ();
SELECT rama.alter_pstate('n', 'map(k: varchar(5), struct(a: varchar(10), b: integer, c: set(text), d: map(e: integer, integer) subindex, f: struct(g: date), more: vector(text) subindex))');
DROP TABLE n_more;
-- A timestamp is not one with time zone, wherever the session is.
SELECT rama.create_pstate('moments', 'map(k: bigint, timestamp)');
SET timezone = 'UTC';
SELECT rama.alter_pstate('moments', 'map(k: bigint, timestamptz)');
RESET timezone;
-- A collection in a row that encloses a new subindexed one is subindexed itself.
SELECT rama.alter_pstate('n', 'map(k: varchar(5), struct(a: varchar(10), b: integer, c: set(text), d: map(e: integer, integer) subindex, f: struct(g: date), more: map(h: bigint, set(i: text) subindex)))');
SELECT rama.push('n', 'x', 'more', 1, 'y');
SELECT rama.get('n', 'x');

-- Domains: their types are depended on only while they are used
CREATE DOMAIN short AS varchar(5);
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
SELECT rama.create_pstate('d', 'map(k: positive, struct(a: short, b: vector(positive)))');
SELECT rama.put('d', 1, '{"a": "x", "b": [1]}');
SELECT rama.alter_pstate('d', 'map(k: positive, struct(a: short, b: vector(positive), c: short))');
SELECT rama.alter_pstate('d', 'map(k: positive, struct(a: short, b: vector(positive), c: short, e: positive))');
SELECT rama.alter_pstate('d', 'map(k: integer, struct(a: varchar, b: vector(integer), c: text))');
DROP DOMAIN short, positive;
SELECT rama.put('d', -1, '{"a": "longer", "b": [-1], "c": "text"}');
SELECT * FROM d ORDER BY k;

-- Single values, and tables with other indexes
SELECT rama.create_pstate('single', 'struct(a: varchar(3))');
SELECT rama.put('single', 'a', 'one');
SELECT rama.alter_pstate('single', 'struct(m: map(k: bigint, bigint) subindex, a: varchar, b: text)');
SELECT rama.put('single', 'm', 1, 2), rama.put('single', 'b', 'two');
SELECT rama.get('single');
SET pg_rama.index_method = btree;
SELECT rama.create_pstate('tree', 'map(k: varchar(3), map(l: numeric(5,2), varchar(3)) subindex)');
RESET pg_rama.index_method;
CREATE INDEX ON tree_l (value);
SELECT rama.put('tree', 'abc', 1.5, 'abc');
SELECT rama.alter_pstate('tree', 'map(k: text, map(l: numeric(7,2), varchar(5)) subindex)');
SELECT rama.put('tree', 'abcdef', 10000.5, 'abcde');
SELECT rama.select('tree', '[["all"]]');
DROP INDEX tree_l_k_l_idx;
\d tree_l

-- In a transaction that has written, and rolled back
BEGIN;
SELECT rama.put('tree', 'x', 1, 'a');
SAVEPOINT s;
SELECT rama.alter_pstate('tree', 'map(k: text, map(l: numeric, text) subindex)');
SELECT rama.put('tree', 'x', 1.12345, 'abcdefg'), rama.put('tree', 'x', 1, 'b');
SELECT rama.get('tree', 'x');
ROLLBACK TO s;
SELECT rama.put('tree', 'x', 2, 'c');
SELECT rama.get('tree', 'x');
COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT rama.get('tree', 'x');
SELECT rama.alter_pstate('tree', 'map(k: text, map(l: numeric, text) subindex)');
SELECT rama.put('tree', 'x', 3.333, 'abcdefg');
SELECT rama.get('tree', 'x');
COMMIT;
SELECT rama.count('tree'), rama.count('tree', 'x');
-- While it is read
BEGIN;
DECLARE c CURSOR FOR SELECT rama.select('tree', '[["map-keys"]]');
FETCH c;
SELECT rama.alter_pstate('tree', 'map(k: text, map(l: numeric, text) subindex)');
\set VERBOSITY sqlstate
SELECT rama.alter_pstate('tree', 'map(k: varchar, map(l: numeric, text) subindex)');
\set VERBOSITY default
ROLLBACK;

-- Only the owner; what is new is the owner's, with the same privileges.
SELECT rama.create_pstate('mine', 'map(k: bigint, struct(a: text))');
GRANT SELECT ON mine TO PUBLIC;
SET ROLE regress_widened;
SELECT rama.alter_pstate('mine', 'map(k: bigint, struct(a: text, s: set(e: text) subindex))');
RESET ROLE;
ALTER TABLE mine OWNER TO regress_widened;
SELECT rama.alter_pstate('mine', 'map(k: bigint, struct(a: text, s: set(e: text) subindex))');
SELECT relname, relowner::regrole, has_table_privilege('public', oid, 'SELECT') AS public FROM pg_class
	WHERE relname IN ('mine', 'mine_s') ORDER BY relname;
SET ROLE regress_widened;
SELECT rama.alter_pstate('mine', 'map(k: bigint, struct(b: text, a: text, s: set(e: text) subindex, v: set(f: text) subindex))');
SELECT rama.put('mine', 1, '{"a": "A", "b": "B", "s": ["x"], "v": ["y"]}');
RESET ROLE;
ALTER TABLE mine RENAME TO "Mi ne";
ALTER TABLE "Mi ne" SET SCHEMA public;
SELECT rama.alter_pstate('public."Mi ne"', 'map(k: bigint, struct(b: text, a: text, s: set(e: text) subindex, v: set(f: text) subindex, "w""w": set(g: text) subindex))');
SELECT child FROM rama.pstate_child WHERE pstate = 'public."Mi ne"'::regclass ORDER BY ordinal;
SELECT rama.get('public."Mi ne"', 1);

-- By hand nothing changes.
ALTER TABLE llm_request ADD COLUMN more text;
ALTER TABLE llm_request DROP COLUMN answer;
ALTER TABLE llm_request RENAME COLUMN answer TO reply;
DROP TABLE llm_seen;

SET client_min_messages = warning;
SELECT rama.drop_pstate('public."Mi ne"');
DROP SCHEMA widened CASCADE;
DROP ROLE regress_widened;
