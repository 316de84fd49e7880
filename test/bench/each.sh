# Counting events by key one by one, in batches of 10k: a plpgsql handler that
# calls rama.add for each event, and an sql handler that calls it for each row,
# against a client's loop whose plpgsql does INSERT ... ON CONFLICT for each
# event of the same log, and keeps its position in a table. That plpgsql is
# a loop over the batch's events ("loop"), or a function called for each row of a
# SELECT ("rows").
events=300000
batch_max=10000

as_user sh -c "'$RAMA_WORK/build/test/load/zipf' $events 100000 >'$RAMA_WORK/draws'"
sql -o /dev/null <<-SQL
CREATE TEMPORARY TABLE draws (n int);
\copy draws FROM '$RAMA_WORK/draws'
SELECT rama.create_depot('clicks', 'key text NOT NULL');
INSERT INTO clicks (key) SELECT 'user' || lpad(n::text, 6, '0') FROM draws;
CREATE TABLE expected AS SELECT key, count(*) FROM clicks GROUP BY key;
VACUUM ANALYZE clicks;

CREATE FUNCTION on_click(event clicks) RETURNS void LANGUAGE plpgsql AS \$\$
BEGIN
	PERFORM rama.add('counts', event.key, 1);
END \$\$;

CREATE FUNCTION count_events(low bigint, high bigint) RETURNS void LANGUAGE plpgsql AS \$\$
DECLARE event record;
BEGIN
	FOR event IN SELECT key FROM clicks WHERE _offset > low AND _offset <= high ORDER BY _offset LOOP
		INSERT INTO counts AS c VALUES (event.key, 1) ON CONFLICT (key) DO UPDATE SET count = c.count + 1;
	END LOOP;
END \$\$;

CREATE FUNCTION count_event(_key text) RETURNS void LANGUAGE plpgsql AS \$\$
BEGIN
	INSERT INTO counts AS c VALUES (_key, 1) ON CONFLICT (key) DO UPDATE SET count = c.count + 1;
END \$\$;
SQL
batches 'SELECT count_events(<from>, <to>)' | as_user tee "$RAMA_WORK/each.loop.sql" >/dev/null
batches 'SELECT count(count_event(key)) FROM clicks WHERE _offset > <from> AND _offset <= <to>' |
	as_user tee "$RAMA_WORK/each.rows.sql" >/dev/null

fresh_each()
{
	case $1 in
		each | sql) sql -o /dev/null -c "SELECT rama.create_pstate('counts', 'map(key: text, count: bigint)')" ;;
		*) sql -c 'CREATE TABLE counts (key text PRIMARY KEY, count bigint NOT NULL) WITH (fillfactor = 85);
			CREATE TABLE position (position bigint); INSERT INTO position VALUES (0)' ;;
	esac
}

# topology HANDLER: counts all there is
topology()
{
	sql -o /dev/null -c "SELECT rama.create_topology('count_clicks', 'microbatch', 'clicks', $1,
		writes => '{counts}', options => '{\"batch_max\": $batch_max}')"
	wait_for count_clicks
}

each_by_each()
{
	topology "each => 'on_click'"
}

each_by_sql()
{
	topology "sql => 'SELECT rama.add(''counts'', key, 1) FROM batch'"
}

each_by_loop()
{
	sql -o /dev/null -f "$RAMA_WORK/each.loop.sql"
}

each_by_rows()
{
	sql -o /dev/null -f "$RAMA_WORK/each.rows.sql"
}

check_each()
{
	check_same counts expected key
	sql -c 'DROP TABLE IF EXISTS count_clicks' -c 'DROP TABLE IF EXISTS counts, position CASCADE' 2>/dev/null
}

contest each each sql loop rows
for how in each sql; do
	[ $how = each ] && target=2 || target=1.5
	for peer in loop rows; do
		name='plpgsql loop, ON CONFLICT'
		[ $peer = loop ] || name='plpgsql call, ON CONFLICT'
		row "$how with rama.add per event" 'events/CPU s' "$(rate each cpu $how $events)" \
			"$(rate each cpu $peer $events)" "$name" ">= $target" higher
	done
	row "$how with rama.add per event" 'events/s' "$(rate each wall $how $events)" \
		"$(rate each wall loop $events)" 'plpgsql loop, ON CONFLICT' '-' higher
done
sql -o /dev/null -c 'DROP TABLE clicks CASCADE' -c 'DROP TABLE expected' \
	-c 'DROP FUNCTION count_events, count_event' 2>/dev/null
