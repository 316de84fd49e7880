-- rama.transform in a topology's batch: through the write buffer, it does what it
-- does in a session.
SET client_min_messages = warning;
CREATE SCHEMA transform_batch;
SET search_path = transform_batch;
SELECT rama.create_depot('todo', 'path jsonb');
SELECT rama.create_pstate('shadow', $$map(k: int, struct(n: int, m: map(a: int, mv: int) subindex, s: set(e: text) subindex,
	v: vector(x: int) subindex, d: map(b: text, struct(t: text, w: vector(y: int) subindex)) subindex,
	l: vector(struct(c: map(lk: int, lv: int) subindex)) subindex))$$);
SELECT rama.create_pstate('owned', $$map(k: int, struct(n: int, m: map(oa: int, omv: int) subindex, s: set(oe: text) subindex,
	v: vector(ox: int) subindex, d: map(ob: text, struct(t: text, w: vector(oy: int) subindex)) subindex,
	l: vector(struct(c: map(olk: int, olv: int) subindex)) subindex))$$);
CREATE FUNCTION run(e todo) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM rama.transform('owned', e.path);
EXCEPTION WHEN array_subscript_error THEN
	NULL;						-- rolled back
END $$;
SELECT rama.create_topology('runner', 'microbatch', 'todo', each => 'run', writes => '{owned}',
	options => '{"on_error": "halt", "max_attempts": 1}');

CREATE TABLE steps (at bigserial, path jsonb);
INSERT INTO steps (path) VALUES
	('[1, ["term-val", {"n": 5, "m": {"1": 10, "2": 20, "3": 30}, "s": ["a", "b"], "v": [1, 2, 3, 4, 5, 6], "l": [{"c": {"1": 1}}, {"c": {"2": 2}}]}]]'),
	('[1, "n", ["term", "inc"]]'), ('[1, "m", ["map-vals"], ["term", "*", 2]]'),
	('[1, "v", ["all"], ["pred", "even?"], ["NONE>"]]'), ('[1, "v", ["before-index", 1], ["term-val", 99]]'),
	('[1, "v", ["after-elem"], ["term-val", 7]]'), ('[1, "v", ["nth", 50], ["term-val", 7]]'),
	('[1, "v", ["srange", 1, 3], ["term-val", [8, 8, 8, 8]]]'), ('[1, "s", ["none-elem"], ["term-val", "c"]]'),
	('[1, "s", ["all"], ["term", "str", "!"]]'), ('[1, "m", ["map-keys"], ["term", "inc"]]'),
	('[1, "d", "x", "w", ["end"], ["term-val", [3, 2, 1]]]'), ('[1, "d", "x", "w", ["term", "reverse"]]'),
	('[1, "d", "x", "w", ["index", 0], ["term-val", 2]]'), ('[1, "d", ["map-key", "x"], ["term-val", "y"]]'),
	('[1, "l", ["before-elem"], ["term-val", {"c": {"0": 0, "7": 7}}]]'), ('[1, "l", ["all"], "c", ["map-vals"], ["term", "inc"]]'),
	('[1, "l", 1, ["NONE>"]]'), ('[1, "l", ["srange", 0, 1], ["term-val", [{"c": {"5": 5}}, {}]]]'),
	('[1, "v", ["multi-path", [["after-elem"], ["term-val", 3]], [["nth", 60], ["NONE>"]]]]'),
	('[2, "m", 5, ["nil->val", 1], ["term", "+", 5]]'), ('[2, "v", 0, ["term-val", 1]]'),
	('[["map-vals"], "v", ["after-elem"], ["term-val", 42]]'), ('[2, ["NONE>"]]'),
	('[3, ["term-val", {"n": 1}]]'), ('[["all"], ["selected?", [1, "n", ["pred<", 3]]], 0, ["term-val", 4]]');

-- one event a batch, then all in one batch; each time as in a session
CREATE FUNCTION in_session(path jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM rama.transform('shadow', path);
EXCEPTION WHEN array_subscript_error THEN
	NULL;
END $$;
CREATE VIEW differences AS
	SELECT * FROM (SELECT rama.get('owned') AS owned, rama.get('shadow') AS shadow) x WHERE owned <> shadow;
DO $$
DECLARE
	s record;
BEGIN
	FOR s IN SELECT * FROM transform_batch.steps ORDER BY at LOOP
		INSERT INTO transform_batch.todo (path) VALUES (s.path);
		COMMIT;
		IF NOT rama.wait('transform_batch.runner') THEN
			RAISE EXCEPTION 'the topology did not get there';
		END IF;
		COMMIT;
		PERFORM transform_batch.in_session(s.path);
		COMMIT;
		IF EXISTS (SELECT FROM transform_batch.differences) THEN
			RAISE EXCEPTION 'differs after %', s.path;
		END IF;
	END LOOP;
END $$;
SELECT jsonb_pretty(rama.get('owned'));
SELECT rama.put('shadow', '{}');
INSERT INTO todo (path) VALUES ('[["term-val", {}]]');
INSERT INTO todo (path) SELECT path FROM steps ORDER BY at;
SELECT rama.wait('runner');
SELECT count(in_session(path)) FROM (SELECT path FROM steps ORDER BY at) s;
SELECT * FROM differences;
SELECT k, m_count = (SELECT count(*) FROM owned_m m WHERE m.k = o.k) AS m, s_count = (SELECT count(*) FROM owned_s s WHERE s.k = o.k) AS s,
	(SELECT array_agg(index ORDER BY index) FROM owned_v v WHERE v.k = o.k), v_count FROM owned o ORDER BY k;
SELECT * FROM owned_l ORDER BY 1, 2;
SELECT * FROM owned_c ORDER BY 1, 2, 3;
-- only the topology writes
SELECT rama.transform('owned', '[1, "n", ["term", "inc"]]');
\echo :SQLSTATE
SELECT rama.drop_topology('runner');

DROP SCHEMA transform_batch CASCADE;
