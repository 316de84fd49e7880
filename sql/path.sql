-- Paths: each navigator over rows and over JSON in a row, and the functions
-- that read and write along keys.
SET client_min_messages = warning;
CREATE SCHEMA path;
SET search_path = path;
SELECT rama.create_pstate('top', 'map(name: text, bigint)');
SELECT rama.create_pstate('llm', $$
  map(org: bigint, map(request: uuid, struct(prompt: text, tokens: vector(token: text) subindex)) subindex)
$$);
SELECT rama.create_pstate('doc', $$
  map(id: int, struct(title: text, tags: set(text), scores: map(bigint, numeric),
      items: vector(struct(name: text, price: numeric)), extra: jsonb, seen: set(day: date) subindex))
$$);
SELECT rama.create_pstate('total', 'bigint');
SELECT rama.create_pstate('conf', 'struct(host: text, port: int, at: timestamptz)');

-- empty
SELECT rama.get('top') AS top, rama.get('top', 'a') AS a, rama.count('top') AS n,
	rama.get('total') AS total, rama.get('conf') AS conf, rama.count('llm', 1) AS llm;
SELECT * FROM rama.select('top', '[]');
SELECT * FROM rama.select('top', '["a"]');
SELECT * FROM rama.select('top', '[["must", "a"]]');
SELECT * FROM rama.select('top', '[["all"]]');
SELECT * FROM rama.select('llm', '[1, ["view", "count"]]');

-- write along keys
SELECT rama.put('top', 'a', 1);
SELECT rama.put('top', 'bb', 22), rama.put('top', 'c', 3::smallint), rama.put('top', 'B', '4');
SELECT rama.add('top', 'a', 10), rama.add('top', 'new', 5), rama.add('top', 'new', -6.0);
SELECT rama.get('top'), rama.count('top');
SELECT rama.put('total', 7), rama.add('total', 1), rama.add('total', '2');
SELECT rama.get('total');
SELECT rama.put('conf', '{"host": "h", "port": 5432}');
SELECT rama.put('conf', 'at', timestamptz '2020-02-29 12:00+00');
SET timezone = 'UTC';
SELECT rama.get('conf'), rama.get('conf', 'port'), rama.get_text('conf', 'host'), rama.get('conf', 'at');
SELECT rama.remove('conf', 'host'), rama.remove('conf', 'host'), rama.get('conf'), rama.count('conf');

SELECT rama.put('llm', 1, '00000000-0000-0000-0000-00000000000' || i, jsonb_build_object('prompt', 'p' || i))
	FROM generate_series(1, 5) i;
SELECT rama.push('llm', 1, '00000000-0000-0000-0000-000000000001', 'tokens', 't' || i) FROM generate_series(0, 9) i;
SELECT rama.put('llm', 2, '{"00000000-0000-0000-0000-000000000009": {"prompt": "q", "tokens": ["x", "y"]}}');
SELECT rama.count('llm'), rama.count('llm', 1), rama.count('llm', 2), rama.count('llm', 3),
	rama.count('llm', 1, '00000000-0000-0000-0000-000000000001', 'tokens');
SELECT jsonb_pretty(rama.get('llm'));
SELECT * FROM llm; SELECT * FROM llm_request; SELECT * FROM llm_tokens ORDER BY 1, 2, 3;

-- navigators over rows
SELECT * FROM rama.select('top', '[["all"]]');
SELECT * FROM rama.select('top', '[["map-keys"]]');
SELECT * FROM rama.select('top', '[["mapVals"]]');
SELECT * FROM rama.select('top', '[["FIRST"]]');
SELECT * FROM rama.select('top', '[["last"], 1]');
SELECT * FROM rama.select('top', '[["view", "size"]]');
SELECT * FROM rama.select('top', '[["sorted-map-range", "a", "c"]]');
SELECT * FROM rama.select('top', '[["sorted-map-range", "a", "c", {"inclusive-start?": false, "inclusive-end?": true}]]');
SELECT * FROM rama.select('top', '[["sorted-map-range-from", "a", 2]]');
SELECT * FROM rama.select('top', '[["sorted-map-range-from", "a", {"inclusive?": false, "max-amt": 1}]]');
SELECT * FROM rama.select('top', '[["sorted-map-range-to", "c", {"max-amt": 2}]]');
SELECT * FROM rama.select('top', '[["sorted-map-range-to", "c", {"max-amt": 2, "inclusive?": true}], ["all"]]');
SELECT * FROM rama.select('top', '[["sortedMapRangeFromStart", 2], ["map-keys"]]');
SELECT * FROM rama.select('top', '[["sortedMapRangeToEnd", 2], ["map-vals"]]');
SELECT * FROM rama.select('top', '[["sorted-map-range-to-end", 3], ["first"]]');
SELECT * FROM rama.select('top', '[["sorted-map-range-from-start", 3], ["last"]]');
SELECT * FROM rama.select('top', '[["sorted-map-range-from-start", 0]]');
SELECT * FROM rama.select('top', '[["sorted-map-range-from-start", 3], ["sorted-map-range-to-end", 1]]');
SELECT * FROM rama.select('top', '[["sorted-map-range-from", "a"], "B"]');
SELECT * FROM rama.select('top', '[["sorted-map-range-from", "a"], "c"]');
SELECT * FROM rama.select('top', '[["sorted-map-range-from", "b"], ["view", "count"]]');
SELECT * FROM rama.select('top', '[["sorted-map-range-to", "b", 1], ["view", "count"]]');

SELECT * FROM rama.select('llm', '[1, "00000000-0000-0000-0000-000000000001", "tokens", ["srange", 2, 5]]');
SELECT * FROM rama.select('llm', '[1, "00000000-0000-0000-0000-000000000001", "tokens", ["srange", 2, 5], ["all"]]');
SELECT * FROM rama.select('llm', '[1, "00000000-0000-0000-0000-000000000001", "tokens", ["srange", 2, 5], ["srange", 1, 9]]');
SELECT * FROM rama.select('llm', '[1, "00000000-0000-0000-0000-000000000001", "tokens", ["srange", 2, 5], ["nth", 1]]');
SELECT * FROM rama.select('llm', '[1, "00000000-0000-0000-0000-000000000001", "tokens", ["srange", 2, 5], ["nth", 3]]');
SELECT * FROM rama.select('llm', '[1, "00000000-0000-0000-0000-000000000001", "tokens", ["srange", 8, 50], ["view", "count"]]');
SELECT * FROM rama.select('llm', '[1, "00000000-0000-0000-0000-000000000001", "tokens", ["last"]]');
SELECT * FROM rama.select('llm', '[1, "00000000-0000-0000-0000-000000000001", "tokens", 3]');
SELECT * FROM rama.select('llm', '[1, "00000000-0000-0000-0000-000000000001", "tokens", -1]');
SELECT * FROM rama.select('llm', '[1, "00000000-0000-0000-0000-000000000002", "tokens"]');
SELECT * FROM rama.select('llm', '[1, "00000000-0000-0000-0000-000000000002", "tokens", ["srange", 0, 5]]');
SELECT * FROM rama.select('llm', '[1, ["sorted-map-range-from", "00000000-0000-0000-0000-000000000002", {"max-amt": 2}], ["map-keys"]]');
SELECT * FROM rama.select('llm', '[["map-vals"], ["view", "count"]]');
SELECT * FROM rama.select('llm', '[["all"], 1, ["map-vals"], "prompt"]');
SELECT * FROM rama.select('llm', '[["map-vals"], ["last"], 1, "tokens", ["all"]]');
SELECT * FROM rama.select('llm', '[["keypath", 2, "00000000-0000-0000-0000-000000000009", "prompt"]]');
SELECT * FROM rama.select('llm', '[["must", 2, "00000000-0000-0000-0000-000000000009", "tokens"]]');
SELECT * FROM rama.select('llm', '[["must", 2, "00000000-0000-0000-0000-000000000008", "tokens"]]');

-- over JSON in a row
SELECT rama.put('doc', 1, $${"title": "one", "tags": ["b", "a", "b"], "scores": {"10": 1.5, "9": 2},
	"items": [{"name": "x", "price": 1}, {"price": "2.50", "name": null}], "extra": {"k": [1, {"z": null}], "long": {"b": 1, "aa": 2}},
	"seen": ["2020-01-03", "2020-01-01"]}$$);
SELECT jsonb_pretty(rama.get('doc', 1));
SELECT * FROM doc; SELECT * FROM doc_seen;
SELECT * FROM rama.select('doc', '[1, "tags", ["all"]]');
SELECT * FROM rama.select('doc', '[1, "tags", ["first"]]');
SELECT * FROM rama.select('doc', '[1, "tags", "a"]');
SELECT * FROM rama.select('doc', '[1, "tags", ["must", "z"]]');
SELECT * FROM rama.select('doc', '[1, "tags", ["sorted-set-range-from", "b"]]');
SELECT * FROM rama.select('doc', '[1, "seen", ["all"]]');
SELECT * FROM rama.select('doc', '[1, "seen", ["sorted-set-range", "2020-01-02", "2020-02-01"]]');
SELECT * FROM rama.select('doc', '[1, "seen", ["sorted-set-range-to", "2020-01-03", 5]]');
SELECT * FROM rama.select('doc', '[1, "seen", ["sorted-set-range-to-end", 1], ["first"]]');
SELECT * FROM rama.select('doc', '[1, "seen", ["sortedSetRangeFromStart", 1]]');
SELECT * FROM rama.select('doc', '[1, "seen", ["last"]]');
SELECT * FROM rama.select('doc', '[1, "seen", "2020-01-03"]');
SELECT * FROM rama.select('doc', '[1, "seen", "2020-01-04"]');
SELECT * FROM rama.select('doc', '[1, "scores", ["all"]]');
SELECT * FROM rama.select('doc', '[1, "scores", ["map-keys"]]');
SELECT * FROM rama.select('doc', '[1, "scores", ["sorted-map-range-from", 10]]');
SELECT * FROM rama.select('doc', '[1, "scores", ["sorted-map-range-to-end", 1], ["map-vals"]]');
SELECT * FROM rama.select('doc', '[1, "scores", 9]');
SELECT * FROM rama.select('doc', '[1, "scores", ["first"], 1]');
SELECT * FROM rama.select('doc', '[1, "items", ["all"], "price"]');
SELECT * FROM rama.select('doc', '[1, "items", ["srange", 1, 2]]');
SELECT * FROM rama.select('doc', '[1, "items", ["srange", 1, 2], ["nth", 0], "price"]');
SELECT * FROM rama.select('doc', '[1, "items", ["last"]]');
SELECT * FROM rama.select('doc', '[1, "items", ["view", "count"]]');
SELECT * FROM rama.select('doc', '[1, "extra", "k", 1, "z"]');
SELECT * FROM rama.select('doc', '[1, "extra", "k", ["all"]]');
SELECT * FROM rama.select('doc', '[1, "extra", "long", ["map-keys"]]');
SELECT * FROM rama.select('doc', '[1, "extra", "long", ["sorted-map-range-from", "b"]]');
SELECT * FROM rama.select('doc', '[1, ["map-keys"]]');
SELECT * FROM rama.select('doc', '[1, ["view", "count"]]');
SELECT * FROM rama.select('doc', '[["all"], ["all"]]');

-- keys as arguments
SELECT rama.get('doc', 1, 'extra', 'k', 0), rama.get('doc', 1, 'extra', 'k', '0'), rama.get('doc', '1', 'items', '0', 'name'),
	rama.get('doc', 1, '["first"]'::jsonb), rama.get('doc', '["last"]'::jsonb, 1, 'title'),
	rama.get('top', '["sorted-map-range-from", "b"]'::jsonb), rama.count('doc', 1, 'items');
SELECT rama.get_as(NULL::bigint, 'top', 'a'), rama.get_as(NULL::text, 'top', 'a'), rama.get_as(NULL::int[], 'top', 'zz'),
	rama.get_as(NULL::text[], 'doc', 1, 'tags'), rama.get_as(NULL::date[], 'doc', 1, 'seen'), rama.get_as(NULL::numeric, 'doc', 1, 'scores', 9);
CREATE TYPE conf_t AS (host text, port int);
SELECT rama.get_as(NULL::conf_t, 'conf'), (rama.get_as(NULL::conf_t, 'conf')).port;

-- writing within JSON of a row
SELECT rama.put('doc', 1, 'scores', 100, 7), rama.add('doc', 1, 'scores', 9, 0.5), rama.add('doc', 1, 'scores', 8, 1);
SELECT rama.push('doc', 1, 'tags', 'aa'), rama.push('doc', 1, 'tags', 'aa'), rama.remove('doc', 1, 'tags', 'b'), rama.remove('doc', 1, 'tags', 'zz');
SELECT rama.push('doc', 1, 'items', '{"name": "y"}'), rama.put('doc', 1, 'items', 3, 'name', 'z'), rama.put('doc', 1, 'items', 0, 'price', NULL),
	rama.remove('doc', 1, 'items', 1);
SELECT rama.put('doc', 1, 'extra', 'k', 1, 'z', '{"deep": [true]}'), rama.push('doc', 1, 'extra', 'k', '3'),
	rama.add('doc', 1, 'extra', 'n', 2), rama.remove('doc', 1, 'extra', 'long', 'b');
SELECT rama.push('doc', 1, 'seen', date '2020-01-02'), rama.push('doc', 1, 'seen', '2020-01-02'), rama.remove('doc', 1, 'seen', '2020-01-01');
SELECT * FROM rama.select('doc', '[1, ["all"]]');
SELECT rama.push('doc', 2, 'tags', 'first'), rama.add('doc', 2, 'scores', 1, 1), rama.put('doc', 3, NULL), rama.put('doc', 4, 'seen', '[]');
SELECT rama.get('doc', 2), rama.get('doc', 3), rama.get('doc', 4), rama.get('doc', 4, 'seen'), rama.get('doc', 4, 'tags');
SELECT * FROM rama.select('doc', '[4, ["must", "seen"]]');
SELECT * FROM rama.select('doc', '[4, ["must", "tags"]]');
SELECT rama.put('doc', 1, '{"title": "replaced"}');
SELECT rama.get('doc', 1), rama.count('doc', 1, 'seen');

-- writing rows
SELECT rama.remove('llm', 1, '00000000-0000-0000-0000-000000000001', 'tokens', 4);
SELECT rama.put('llm', 1, '00000000-0000-0000-0000-000000000001', 'tokens', 9, 'end'), rama.put('llm', 1, '00000000-0000-0000-0000-000000000001', 'tokens', '["last"]'::jsonb, 'END');
SELECT rama.put('llm', 1, '["must", "00000000-0000-0000-0000-000000000007"]'::jsonb, 'prompt', 'not written');
SELECT rama.get('llm', 1, '00000000-0000-0000-0000-000000000001', 'tokens'), rama.count('llm', 1);
SELECT rama.put('llm', 3, '[["00000000-0000-0000-0000-000000000003", {}], ["00000000-0000-0000-0000-000000000003", {"prompt": "last wins"}]]');
SELECT rama.get('llm', 3);
SELECT rama.remove('llm', 1), rama.remove('llm', 1), rama.count('llm');
SELECT count(*) FROM llm_tokens;
SELECT rama.put('llm', 2, '{}'), rama.get('llm', 2), rama.put('llm', 3, NULL), rama.get('llm', 3);
SELECT rama.get('llm', 2), rama.get('llm', 3), rama.count('llm');
SELECT rama.put('top', '{"z": 1, "y": null}');
SELECT rama.get('top'), rama.get('top', 'y'), rama.count('top');
SELECT rama.remove('top', 'y'), rama.remove('top', VARIADIC '{}'), rama.remove('top', VARIADIC '{}');
SELECT rama.get('top'), rama.count('top');
SELECT rama.remove('total', VARIADIC '{}'), rama.remove('total', VARIADIC '{}');
SELECT rama.get('total');

-- a map of vectors of structs with sets, all in tables
SELECT rama.create_pstate('deep', 'map(k: text, vector(struct(n: int, s: set(e: text) subindex)) subindex)');
SELECT rama.push('deep', 'a', '{"n": 1, "s": ["x"]}'), rama.push('deep', 'a', '{"n": 2}'), rama.push('deep', 'a', 1, 's', 'y'), rama.push('deep', 'a', 2, 's', 'z');
SELECT rama.get('deep', 'a');
SELECT rama.put('deep', 'a', 3, 'n', 33), rama.remove('deep', 'a', 0);
SELECT rama.get('deep', 'a');
SELECT * FROM rama.select('deep', '["a", ["all"], "s", ["view", "count"]]');
SELECT * FROM rama.select('deep', '["a", ["all"], "s", ["all"]]');
SELECT * FROM rama.select('deep', '["a", ["all"], ["must", "s"], ["first"]]');

-- the outermost collection a vector, a set, a struct in a struct
SELECT rama.create_pstate('vec', 'vector(n: int)'), rama.create_pstate('tags', 'set(tag: text)'),
	rama.create_pstate('nest', 'map(k: int, struct(a: struct(x: int, y: struct(z: text)), b: int))');
SELECT rama.push('vec', 10), rama.push('vec', 11), rama.put('vec', 2, 12), rama.add('vec', 0, 5), rama.remove('vec', 1);
SELECT rama.get('vec'), rama.count('vec'), rama.get('vec', 1), rama.get('vec', 2), rama.get('vec', '["last"]'::jsonb);
SELECT rama.put('vec', '[3, 2, 1]');
SELECT rama.select('vec', '[["srange", 1, 3], ["all"]]'), rama.select('vec', '[["srange", 1, 3], ["last"]]');
SELECT rama.push('tags', 'b'), rama.push('tags', 'a'), rama.push('tags', 'b'), rama.remove('tags', 'zz');
SELECT rama.get('tags'), rama.get('tags', 'a'), rama.get('tags', 'c'), rama.count('tags');
SELECT rama.put('tags', '["x", "c", "x"]');
SELECT rama.get('tags'), rama.select('tags', '[["sorted-set-range-from", "d"]]');
SELECT rama.put('nest', 1, 'a', 'y', 'z', 'deep'), rama.put('nest', 2, 'b', 2);
SELECT rama.get('nest'), rama.get('nest', 1, 'a', 'y'), rama.get('nest', 2, 'a');
SELECT rama.select('nest', '[["map-vals"], ["must", "a"], "y", "z"]');
SELECT rama.remove('nest', 1, 'a'), rama.remove('nest', 1, 'a'), rama.remove('nest', 2, 'a', 'x');
SELECT rama.get('nest');
SELECT rama.select('nest', '[["all"], ["last"]]'), rama.select('nest', '[["first"], ["first"]]');

-- scans within scans, over rows that are dead
SELECT count(rama.push('llm', 7, ('00000000-0000-0000-0000-0000000001' || lpad((i / 50)::text, 2, '0')), 'tokens', i::text)) FROM generate_series(0, 999) i;
SELECT count(rama.remove('llm', 7, ('00000000-0000-0000-0000-0000000001' || lpad(i::text, 2, '0')), 'tokens', '["last"]'::jsonb)) FROM generate_series(0, 19) i;
SELECT count(rama.remove('llm', 7, ('00000000-0000-0000-0000-0000000001' || lpad(i::text, 2, '0')))) FROM generate_series(0, 4) i;
SELECT count(*), sum((t #>> '{}')::int) FROM rama.select('llm', '[7, ["map-vals"], "tokens", ["all"]]') t;
SELECT count(*), sum((t #>> '{}')::int) FROM rama.select('llm', '[7, ["map-vals"], "tokens", ["all"]]') t;
SELECT rama.count('llm', 7), (SELECT count(*) FROM (SELECT rama.select('llm', '[["map-vals"], ["map-vals"], "tokens", ["srange", 0, 2], ["all"]]') LIMIT 5) s);

-- one value or an error; lazy in the select list
SELECT rama.select_one('deep', '["a", 0, "n"]'), rama.select_one('deep', '["nobody"]');
SELECT rama.put('top', (SELECT jsonb_object_agg(i, i) FROM generate_series(1, 10001) i));
SELECT rama.select('top', '[["all"]]') LIMIT 2;
SELECT count(*) FROM rama.select('top', '[["map-vals"]]');
BEGIN;
DECLARE c CURSOR FOR SELECT rama.select('top', '[["map-vals"]]');
FETCH 2 FROM c;
SELECT rama.put('top', '2', -2), rama.add('top', '3', 1), rama.put('top', '10000', -1);
FETCH 2 FROM c;
SAVEPOINT s;
FETCH 1 FROM c;
ROLLBACK TO s;
FETCH 1 FROM c;
COMMIT;
-- more paths than are kept, while one of them is in use
BEGIN;
DECLARE c CURSOR FOR SELECT rama.select('top', '[["map-vals"]]');
FETCH 1 FROM c;
SELECT count(*), sum(x::text::int) FROM generate_series(101, 800) i, LATERAL rama.select('top', jsonb_build_array(i::text)) x;
FETCH 2 FROM c;
SELECT rama.select('top', '["101"]');
COMMIT;
PREPARE q AS SELECT rama.select('top', $1);
EXECUTE q('["2"]'); EXECUTE q('["3"]'); EXECUTE q('["2"]');

-- explain
SELECT rama.explain('llm', '[42, "00000000-0000-0000-0000-000000000001", "tokens", ["srange", 100, 120], ["all"]]');
SELECT rama.explain('llm', '[42, ["sorted-map-range-to", "00000000-0000-0000-0000-000000000001", {"max-amt": 20}], ["map-keys"]]');
SELECT rama.explain('llm', '[42, ["view", "count"]]');
SELECT rama.explain('llm', '[42]');
SELECT rama.explain('llm', '[42, "00000000-0000-0000-0000-000000000001", "prompt"]');
SELECT rama.explain('top', '[["last"], 1]');
SELECT rama.explain('top', '[["view", "count"]]');
SELECT rama.explain('doc', '[1, "scores", ["map-vals"]]');

DROP SCHEMA path CASCADE;
