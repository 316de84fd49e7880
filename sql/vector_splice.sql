-- Vectors in chunks, changed at one place again and again: chunks are split until
-- there is no number left between two of them, and all are numbered anew.
CREATE SCHEMA vector_splice;
SET search_path = vector_splice;
SET client_min_messages = warning;

SELECT rama.create_pstate('p', 'map(k: text, vector(x: text) subindex)');
CREATE TABLE model (k text PRIMARY KEY, v text[] NOT NULL);

CREATE FUNCTION state(key text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(', ', CASE WHEN (SELECT array_agg(x ORDER BY index) FROM p_x WHERE k = key) IS NOT DISTINCT FROM (SELECT v FROM model WHERE k = key) THEN 'as the model' ELSE 'differs' END,
		CASE WHEN (SELECT jsonb_agg(x) FROM unnest((SELECT v FROM model WHERE k = key)) x) IS NOT DISTINCT FROM rama.get('p', key) THEN 'read so, too' ELSE 'is read otherwise' END,
		CASE WHEN bool_or(chunk = 9223372036854775807 AND first IS NOT NULL) THEN 'regular' WHEN count(*) > 0 THEN 'shifted' END,
		CASE WHEN sum(count) <> rama.count('p', key) THEN 'wrong count' END,
		CASE WHEN min(chunk) < 0 THEN 'numbers below 0' END,
		CASE WHEN bool_or(count <> cardinality(elements) OR pg_column_size(elements) > 2000) THEN 'wrong chunk' END)
	FROM p_x_chunk WHERE k = key
$$;

-- Insert so many elements, each of about 300 bytes, before index "at" (from the end: below 0)
CREATE FUNCTION insert_at(key text, at int, times int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE i int; element text; place int; wrong int := 0;
BEGIN
	FOR i IN 1 .. times LOOP
		element := 'new ' || at || ' ' || i || repeat('x', 290);
		place := CASE WHEN at < 0 THEN cardinality((SELECT v FROM model WHERE k = key)) + at ELSE at END;
		PERFORM rama.transform('p', jsonb_build_array(key, jsonb_build_array('before-index', place), jsonb_build_array('term-val', element)));
		UPDATE model SET v = v[:place] || element || v[place + 1:] WHERE k = key;
		IF rama.get_text('p', key, place) <> element THEN wrong := wrong + 1; END IF;
	END LOOP;
	RETURN CASE WHEN wrong = 0 THEN state(key) ELSE wrong || ' are read otherwise' END;
END $$;

INSERT INTO model SELECT k, array_agg('old ' || i ORDER BY i) FROM unnest('{middle,begin,tail,append}'::text[]) k, generate_series(1, 400) i GROUP BY k;
SELECT count(rama.put('p', k, to_jsonb(v))) FROM model;
SELECT k, state(k) FROM model ORDER BY k;
SELECT insert_at('middle', 150, 200);
SELECT insert_at('middle', 150, 50);
SELECT insert_at('begin', 0, 150);
SELECT insert_at('tail', -1, 100);
SELECT insert_at('append', 100, 2);

-- appended to a shifted vector: what is sealed comes last
DO $$
BEGIN
	FOR i IN 1 .. 300 LOOP PERFORM rama.push('p', 'append', 'pushed ' || i); END LOOP;
	UPDATE model SET v = v || ARRAY(SELECT 'pushed ' || i FROM generate_series(1, 300) i) WHERE k = 'append';
END $$;
SELECT state('append');

-- elements here and there go, then those from the end, then all
CREATE PROCEDURE keep_some(key text, condition text) LANGUAGE plpgsql AS $$
DECLARE a text[] := (SELECT v FROM model WHERE k = key); kept text[] := '{}';
BEGIN
	EXECUTE format('SELECT array_agg(x ORDER BY i) FROM unnest($1) WITH ORDINALITY u (x, i) WHERE %s', condition) INTO kept USING a;
	UPDATE model SET v = coalesce(kept, '{}') WHERE k = key;
END $$;
SELECT rama.transform('p', '["append", ["all"], ["pred>=", "pushed"], ["NONE>"]]');
CALL keep_some('append', $$x COLLATE "C" < 'pushed'$$);
SELECT state('append');
SELECT rama.transform('p', '["middle", ["all"], ["pred<", "old 2"], ["NONE>"]]');
CALL keep_some('middle', $$x COLLATE "C" >= 'old 2'$$);
SELECT state('middle');
SELECT rama.transform('p', '["tail", ["srange", 100, 100000], ["NONE>"]]');
CALL keep_some('tail', 'i <= 100');
SELECT state('tail');
SELECT rama.transform('p', '["begin", ["srange", 0, 549], ["NONE>"]]');
CALL keep_some('begin', 'i > 549');
SELECT state('begin');
SELECT rama.remove('p', 'begin', 0);
SELECT rama.count('p', 'begin'), rama.get('p', 'begin'), (SELECT count(*) FROM p_x_chunk WHERE k = 'begin') AS chunks;
SELECT rama.push('p', 'begin', 'again');
SELECT rama.get('p', 'begin'), (SELECT first FROM p_x_chunk WHERE k = 'begin');
DROP SCHEMA vector_splice CASCADE;
