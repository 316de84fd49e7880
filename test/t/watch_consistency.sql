-- What watch_consistency.pl watches: "plain", which sessions write, and "owned",
-- which a topology writes.
CREATE EXTENSION IF NOT EXISTS pg_rama;

CREATE FUNCTION shape() RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT 'map(k: text, struct(n: bigint, name: text, list: vector(e: text) subindex, tags: set(t: int) subindex,
		inner: map(a: int, bigint) subindex, doc: map(x: text, bigint), small: vector(int)))'
$$;
SELECT rama.create_pstate('plain', shape()), rama.create_pstate('owned', shape());
SELECT rama.create_depot('strokes', 'n int NOT NULL');

-- Something random, here or there. What cannot be done is undone alone.
CREATE FUNCTION scribble(p regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	k text := substr('abcdefg', 1 + floor(random() * 7)::int, 1);
	i int := floor(random() * 10);
	n bigint := floor(random() * 1000);
BEGIN
	CASE floor(random() * 32)::int
		WHEN 0 THEN PERFORM rama.put(p, k, 'name', 'name ' || n);
		WHEN 1 THEN PERFORM rama.put(p, k, 'name', NULL::text);
		WHEN 2, 3 THEN PERFORM rama.push(p, k, 'list', 'é "' || n || '"');
		WHEN 4 THEN PERFORM rama.push(p, k, 'list', x::text) FROM generate_series(1, i) x;
		WHEN 5 THEN PERFORM rama.put(p, k, 'list', i, 'at ' || i);
		WHEN 6 THEN PERFORM rama.remove(p, k, 'list', i);
		WHEN 7 THEN PERFORM rama.transform(p, jsonb_build_array(k, 'list', '["before-index", 1]'::jsonb, '["term-val", "inserted"]'::jsonb));
		WHEN 8, 9 THEN PERFORM rama.push(p, k, 'tags', i);
		WHEN 10 THEN PERFORM rama.remove(p, k, 'tags', i);
		WHEN 11, 12 THEN PERFORM rama.put(p, k, 'inner', i, n);
		WHEN 13 THEN PERFORM rama.add(p, k, 'inner', i, 1);
		WHEN 14 THEN PERFORM rama.remove(p, k, 'inner', i);
		WHEN 15 THEN PERFORM rama.put(p, k, 'doc', 'x' || i, n);
		WHEN 16 THEN PERFORM rama.add(p, k, 'doc', 'x' || i, n);
		WHEN 17 THEN PERFORM rama.remove(p, k, 'doc', 'x' || i);
		WHEN 18 THEN PERFORM rama.push(p, k, 'small', i);
		WHEN 19 THEN PERFORM rama.put(p, k, 'small', 0, i);
		WHEN 20 THEN PERFORM rama.remove(p, k, 'small', 0);
		WHEN 21 THEN PERFORM rama.remove(p, k);
		WHEN 22 THEN PERFORM rama.put(p, k, jsonb_build_object('n', n, 'tags', jsonb_build_array(i), 'inner', jsonb_build_object(i, n)));
		WHEN 23 THEN PERFORM rama.put(p, k, 'list', '[]'::jsonb);
		WHEN 24 THEN PERFORM rama.remove(p, k, 'inner');
		WHEN 25 THEN PERFORM rama.transform(p, jsonb_build_array(k, 'inner', '["map-vals"]'::jsonb, '["term", "+", 1]'::jsonb));
		WHEN 26 THEN PERFORM rama.put(p, k, 'doc', jsonb_build_object('x1', n));
		WHEN 27 THEN PERFORM rama.put(p, k, 'tags', jsonb_build_array(1, 2, i + 3));
		WHEN 28 THEN
			PERFORM rama.add(p, k, 'n', 1), rama.push(p, k, 'list', 'undone');
			RAISE EXCEPTION 'undone';
		ELSE PERFORM rama.add(p, k, 'n', n);
	END CASE;
EXCEPTION WHEN OTHERS THEN
	-- An index past the end, or what was to be undone.
END $$;

CREATE PROCEDURE scribble_for(p regclass, seconds float) LANGUAGE plpgsql AS $$
DECLARE
	until timestamptz := clock_timestamp() + make_interval(secs => seconds);
BEGIN
	WHILE clock_timestamp() < until LOOP
		FOR i IN 0 .. floor(random() * 4)::int LOOP
			PERFORM scribble(p);
		END LOOP;
		IF random() < 0.1 THEN ROLLBACK; ELSE COMMIT; END IF;
		-- Others' turn: the PState has one writer at a time.
		PERFORM pg_sleep(0.001);
	END LOOP;
END $$;

CREATE FUNCTION on_stroke(e strokes) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. e.n LOOP
		PERFORM scribble('owned');
	END LOOP;
END $$;
SELECT rama.create_topology('scribbling', 'stream', 'strokes', each => 'on_stroke', writes => '{owned}');
