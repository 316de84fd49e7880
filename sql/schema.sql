-- The grammar of PState schemas: what parses, how it is understood, and what
-- is refused, with its place.

-- every constructor, names, subindex
SELECT rama.format_schema('map(text, bigint)');
SELECT rama.format_schema('  MAP ( User_Id :bigint ,Balance: NUMERIC( 10 , 2 ) ) ');
SELECT rama.format_schema('vector(text)');
SELECT rama.format_schema('set(id: uuid)');
SELECT rama.format_schema('struct(a: int, "b c": text, d: map(text, set(int)))');
SELECT rama.format_schema($$map(org: bigint, map(request: uuid,
	struct(prompt: text, tokens: vector(token: text) subindex)) subindex)$$);
SELECT rama.format_schema('bigint');
SELECT rama.format_schema('map(k: text, v: map(k2: text, v2: int) subindex) subindex');
SELECT rama.format_schema('vector(struct(a: int))');
-- said of the inner one, implied for the outer ones: not printed
SELECT rama.format_schema('map(a: int, map(b: int, vector(set(c: int) subindex)))');

-- types of every spelling
SELECT rama.format_schema('map(timestamp with time zone, double precision)');
SELECT rama.format_schema('map(timestamp(3) with time zone, numeric(10,2)[])');
SELECT rama.format_schema('struct(a: interval day to second(3), b: character varying(10)[3][], c: bit varying(5), d: "char")');
SELECT rama.format_schema('map(public."Odd ""Type""", "a.b"."c)d")');
SELECT rama.format_schema('map(vector(3), vector( 16 )[])');
SELECT rama.format_schema('map("map", "vector"(3))');
SELECT rama.format_schema('struct(g: geometry(Point, 4326), n: numeric(5,-2), q: x.y(''a,)b''))');
SELECT rama.format_schema('bigint ARRAY[4]');
-- constructors' names as names
SELECT rama.format_schema('struct(map: map(set: text, vector: vector(struct: int)), subindex: int)');
SELECT rama.format_schema('map(größe: text, Größe2: int)');

-- errors
SELECT rama.format_schema('');
SELECT rama.format_schema('   ');
SELECT rama.format_schema('map');
SELECT rama.format_schema('map(');
SELECT rama.format_schema('map()');
SELECT rama.format_schema('map(text)');
SELECT rama.format_schema('map(text,)');
SELECT rama.format_schema('map(text, int');
SELECT rama.format_schema('map(text, int) x');
SELECT rama.format_schema('map(text, int))');
SELECT rama.format_schema('map(text, int, int)');
SELECT rama.format_schema('map(map(text, int), int)');
SELECT rama.format_schema('set(set(int))');
SELECT rama.format_schema('set(int, int)');
SELECT rama.format_schema('vector()');
SELECT rama.format_schema('vector(int, int)');
SELECT rama.format_schema('struct()');
SELECT rama.format_schema('struct(int)');
SELECT rama.format_schema('struct(a int)');
SELECT rama.format_schema('struct(a: int,)');
SELECT rama.format_schema('struct(a: int, b: int, a: text)');
SELECT rama.format_schema('struct(a:: int)');
SELECT rama.format_schema('struct("": int)');
SELECT rama.format_schema('struct("a: int)');
SELECT rama.format_schema('map(text, "")');
SELECT rama.format_schema('map(text, int subindex)');
SELECT rama.format_schema('map(text, struct(a: int) subindex)');
SELECT rama.format_schema('map(text, map(text, int) subindex subindex)');
SELECT rama.format_schema('map(text, map(text, int)[])');
SELECT rama.format_schema('map(text, vector)');
SELECT rama.format_schema('map(text, numeric(10)');
SELECT rama.format_schema('map(text, int[)');
SELECT rama.format_schema('map(text, int[1,2])');
SELECT rama.format_schema('map(text, int; drop table x)');
SELECT rama.format_schema('map(text, int -- comment)');
SELECT rama.format_schema('map(ключ: text, 1)');
SELECT rama.format_schema(repeat('vector(', 64) || 'int' || repeat(')', 64));
SELECT length(rama.format_schema(repeat('vector(', 63) || 'int' || repeat(')', 63)));
SELECT rama.format_schema(repeat(' ', 65536) || 'int');
\set VERBOSITY sqlstate
SELECT rama.format_schema('map(text, int');
\set VERBOSITY default

-- random schemas: what is printed parses to the same, and cutting or changing
-- a character gives a schema or a 42601, nothing else
CREATE FUNCTION random_schema(depth int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	types text[] := ARRAY['bigint', 'text', 'uuid', 'numeric(10,2)', 'timestamp with time zone', 'int[]', '"a b".c', 'vector(3)', '"set"'];
	names text[] := ARRAY['', '', 'a: ', 'B_1 : ', '"q ""x": ', 'map: '];
	sub text := (ARRAY['', ' subindex'])[1 + (random() * 1.99)::int % 2];
	t text := types[1 + floor(random() * array_length(types, 1))];
	n text := names[1 + floor(random() * array_length(names, 1))];
	n2 text := names[1 + floor(random() * array_length(names, 1))];
	fields text;
BEGIN
	CASE floor(random() * (CASE WHEN depth > 4 THEN 1 ELSE 6 END))
		WHEN 1, 2 THEN RETURN format('map(%s%s,%s%s)%s', n, t, n2, random_schema(depth + 1), sub);
		WHEN 3 THEN RETURN format('vector( %s%s)%s', n, random_schema(depth + 1), sub);
		WHEN 4 THEN RETURN format('set(%s %s)%s', n, t, sub);
		WHEN 5 THEN
			SELECT string_agg(format('f%s: %s', i, random_schema(depth + 1)), ', ') INTO fields
			FROM generate_series(1, 1 + floor(random() * 3)::int) i;
			RETURN format('struct(%s)', fields);
		ELSE RETURN t;
	END CASE;
END $$;

DO $$
DECLARE
	s text;
	printed text;
	broken text;
	at int;
	refused int := 0;
BEGIN
	PERFORM setseed(0.42);
	FOR i IN 1..2000 LOOP
		s := random_schema(0);
		printed := rama.format_schema(s);
		ASSERT printed = rama.format_schema(printed), s;
		ASSERT replace(replace(lower(s), ' ', ''), 'b_1', '') =
			replace(replace(lower(printed), ' ', ''), 'b_1', ''), s || ' became ' || printed;
		at := 1 + floor(random() * length(s));
		broken := overlay(s PLACING (ARRAY['', ')', '(', ',', ':', '"', ' ', '[', 'é', '.'])[1 + floor(random() * 10)] FROM at FOR 1);
		BEGIN
			printed := rama.format_schema(broken);
			ASSERT printed = rama.format_schema(printed), broken;
		EXCEPTION WHEN syntax_error THEN
			refused := refused + 1;
		END;
	END LOOP;
	RAISE NOTICE 'some were refused: %', refused BETWEEN 200 AND 1900;
END $$;
DROP FUNCTION random_schema;
