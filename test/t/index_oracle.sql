-- What index_oracle.pl needs in the database: answers of queries in the ways
-- that plans can find them.
CREATE SCHEMA oracle;
CREATE TABLE oracle.failures (
	name text, query text, plan text, expected text, got text);
CREATE TABLE oracle.counts (
	n bigint);
CREATE TYPE oracle.mood AS ENUM ('bad', 'meh', 'good');
ALTER TYPE oracle.mood ADD VALUE 'so-so' BEFORE 'meh';
ALTER TYPE oracle.mood ADD VALUE 'worst' BEFORE 'bad';

CREATE FUNCTION oracle.hash(i bigint, salt bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN hashint8(i * 1000003 + salt)::bigint & 2147483647;

CREATE FUNCTION oracle.set_plan(plan text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	setting text;
BEGIN
	FOREACH setting IN ARRAY ARRAY['seqscan', 'indexscan', 'indexonlyscan', 'bitmapscan'] LOOP
		PERFORM set_config('enable_' || setting,
			(CASE plan
				WHEN 'seq' THEN setting = 'seqscan'
				WHEN 'index' THEN setting = 'indexscan'
				WHEN 'only' THEN setting LIKE 'index%'
				ELSE setting = 'bitmapscan' END)::text, true);
	END LOOP;
	PERFORM set_config('enable_sort', (plan = 'seq')::text, true);
	PERFORM set_config('enable_hashjoin', (plan = 'seq')::text, true);
	PERFORM set_config('enable_material', (plan = 'seq')::text, true);
	PERFORM set_config('enable_memoize', (plan = 'seq')::text, true);
	PERFORM set_config('enable_nestloop', (plan IN ('seq', 'bitmap', 'only'))::text, true);
	PERFORM set_config('enable_mergejoin', (plan IN ('seq', 'index'))::text, true);
	PERFORM set_config('max_parallel_workers_per_gather', '0', true);
END $$;

-- The rows of a query: in their order, or how many there are, and a sum that
-- tells which.
CREATE FUNCTION oracle.rows(query text, plan text, ordered boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	PERFORM oracle.set_plan(plan);
	EXECUTE format('SELECT %s FROM (%s) q',
		CASE WHEN ordered THEN 'string_agg(q::text, E''\n'')'
			ELSE 'count(*) || '' '' || sum(hashtextextended(q::text, 0))' END, query) INTO result;
	RETURN coalesce(result, '');
EXCEPTION WHEN OTHERS THEN
	RETURN 'ERROR ' || SQLSTATE || ': ' || SQLERRM;
END $$;

-- What a cursor returns that moves by moves, with changes in between that it
-- must not see. The changes are undone.
CREATE FUNCTION oracle.scroll(query text, plan text, moves int[], changes text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text := '';
	cursor refcursor;
	r record;
	i int;
	n int := 0;
BEGIN
	PERFORM oracle.set_plan(plan);
	OPEN cursor SCROLL FOR EXECUTE query;
	FOREACH i IN ARRAY moves LOOP
		result := result || '|';
		FOR j IN 1..abs(i) LOOP
			IF i > 0 THEN
				FETCH NEXT FROM cursor INTO r;
			ELSE
				FETCH PRIOR FROM cursor INTO r;
			END IF;
			EXIT WHEN NOT FOUND;
			result := result || E'\n' || r::text;
		END LOOP;
		n := n + 1;
		IF n <= cardinality(changes) THEN
			EXECUTE changes[n];
		END IF;
	END LOOP;
	RAISE EXCEPTION USING ERRCODE = 'RAMA1';
EXCEPTION
	WHEN SQLSTATE 'RAMA1' THEN
		RETURN result;
	WHEN OTHERS THEN
		RETURN 'ERROR ' || SQLSTATE || ': ' || SQLERRM;
END $$;

CREATE FUNCTION oracle.compare(name text, query text, plan text, expected text, got text) RETURNS void
LANGUAGE sql AS $$
	INSERT INTO oracle.failures
	SELECT name, query, plan, left(expected, 2000), left(got, 2000) WHERE expected <> got
$$;

-- The query, with TABLE for the table's name, has one answer. Table p has the
-- indexes of method pstate, b the same of method btree.
CREATE FUNCTION oracle.check(name text, query text, ordered boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	expected text := oracle.rows(replace(query, 'TABLE', 'p'), 'seq', ordered);
	plan text;
BEGIN
	INSERT INTO oracle.counts VALUES (1);
	PERFORM oracle.compare(name, query, 'b only', expected,
		oracle.rows(replace(query, 'TABLE', 'b'), 'only', ordered));
	FOREACH plan IN ARRAY ARRAY['index', 'only', 'bitmap'] LOOP
		PERFORM oracle.compare(name, query, 'p ' || plan, expected,
			oracle.rows(replace(query, 'TABLE', 'p'), plan, ordered));
	END LOOP;
END $$;

CREATE FUNCTION oracle.check_scroll(name text, query text, moves int[], changes text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	expected text := oracle.scroll(replace(query, 'TABLE', 'p'), 'seq', moves, '{}');
	plan text;
BEGIN
	INSERT INTO oracle.counts VALUES (1);
	FOREACH plan IN ARRAY ARRAY['index', 'only'] LOOP
		PERFORM oracle.compare(name, format('%s, moves %s, changes %s', query, moves, changes), 'p ' || plan,
			expected, oracle.scroll(replace(query, 'TABLE', 'p'), plan, moves, changes));
	END LOOP;
END $$;

-- Does the statements again and again, each in a transaction, until oracle.stop
-- has a row.
CREATE TABLE oracle.stop (
	at timestamptz);
CREATE PROCEDURE oracle.churn(statements text[]) LANGUAGE plpgsql AS $$
DECLARE
	statement text;
BEGIN
	WHILE NOT EXISTS (SELECT FROM oracle.stop) LOOP
		FOREACH statement IN ARRAY statements LOOP
			EXECUTE statement;
			COMMIT;
		END LOOP;
	END LOOP;
END $$;
