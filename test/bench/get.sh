# Reading one key: rama.get against a point SELECT that plpgsql has prepared,
# both from the same table, in a loop in the server.
keys=100000
times=200000

sql -o /dev/null <<-SQL
SELECT rama.create_pstate('scores', 'map(id: bigint, score: bigint)');
SELECT count(rama.put('scores', i, i * 7)) FROM generate_series(1, $keys) i;
VACUUM ANALYZE scores;
CREATE FUNCTION by_get(n int) RETURNS float8 LANGUAGE plpgsql AS \$\$
DECLARE v jsonb; k bigint; begun timestamptz := clock_timestamp();
BEGIN
	FOR i IN 1 .. n LOOP
		k := 1 + (i::bigint * 7919) % $keys;
		SELECT rama.get('scores', k) INTO v;
	END LOOP;
	RETURN extract(epoch FROM clock_timestamp() - begun) * 1e6 / n;
END \$\$;
CREATE FUNCTION by_expression(n int) RETURNS float8 LANGUAGE plpgsql AS \$\$
DECLARE v jsonb; k bigint; begun timestamptz := clock_timestamp();
BEGIN
	FOR i IN 1 .. n LOOP
		k := 1 + (i::bigint * 7919) % $keys;
		v := rama.get('scores', k);
	END LOOP;
	RETURN extract(epoch FROM clock_timestamp() - begun) * 1e6 / n;
END \$\$;
CREATE FUNCTION by_select(n int) RETURNS float8 LANGUAGE plpgsql AS \$\$
DECLARE v bigint; k bigint; begun timestamptz := clock_timestamp();
BEGIN
	FOR i IN 1 .. n LOOP
		k := 1 + (i::bigint * 7919) % $keys;
		SELECT score INTO v FROM scores WHERE id = k;
	END LOOP;
	RETURN extract(epoch FROM clock_timestamp() - begun) * 1e6 / n;
END \$\$;
SQL

# All in one session, warmed up, in turns.
{
	echo "SELECT by_get(1000), by_expression(1000), by_select(1000) \\g /dev/null"
	for ((run = 0; run < runs; run++)); do
		echo "SELECT by_get($times) \\g |cat >>$RAMA_WORK/get.get"
		echo "SELECT by_select($times) \\g |cat >>$RAMA_WORK/get.select"
		echo "SELECT by_expression($times) \\g |cat >>$RAMA_WORK/get.expression"
	done
} | sql -At
sql -o /dev/null -c 'DROP TABLE scores CASCADE' 2>/dev/null
row 'rama.get, SELECT INTO in plpgsql' us "$(median "$RAMA_WORK/get.get")" "$(median "$RAMA_WORK/get.select")" 'point SELECT INTO' '>= 0.667' lower
row 'rama.get, plpgsql expression' us "$(median "$RAMA_WORK/get.expression")" "$(median "$RAMA_WORK/get.select")" 'point SELECT INTO' '-' lower
