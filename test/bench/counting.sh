# Counting 1M events by key in batches of 10k, into a plain table: a microbatch
# topology's sql handler, against a client's loop of the same statement that
# keeps its position in a table. CPU seconds of the whole server.
events=1000000
statement='INSERT INTO counts AS c SELECT key, count(*) FROM %s GROUP BY key ON CONFLICT (key) DO UPDATE SET count = c.count + excluded.count'

sql -o /dev/null <<-SQL
SELECT rama.create_depot('clicks', 'key int NOT NULL');
INSERT INTO clicks (key) SELECT (100000 * random() ^ 3)::int FROM generate_series(1, $events);
VACUUM ANALYZE clicks;
SQL

fresh_counts()
{
	sql -c 'DROP TABLE IF EXISTS counts, position;
		CREATE TABLE counts (key int PRIMARY KEY, count bigint NOT NULL) WITH (fillfactor = 85);
		CREATE TABLE position (position bigint); INSERT INTO position VALUES (0); CHECKPOINT' 2>/dev/null
}

by_topology()
{
	sql -o /dev/null <<-SQL
	SELECT rama.create_topology('count_clicks', 'microbatch', 'clicks',
		sql => '$(printf "$statement" batch)', options => '{"batch_max": 10000}');
	SQL
	# A statement that waits holds its snapshot, and with it the dead versions
	# of the counts: look now and then, in one session.
	for ((look = 0; look < 6000; look++)); do
		printf '%s\n' "SELECT rama.wait('count_clicks', timeout => '0') AS done \\gset" '\if :done' '\q' '\endif' '\! sleep 0.1'
	done | as_user tee "$RAMA_WORK/wait.sql" >/dev/null
	sql -f "$RAMA_WORK/wait.sql"
}

by_client()
{
	local at script=$RAMA_WORK/client.sql
	for ((at = 0; at < events; at += 10000)); do
		echo "BEGIN; $(printf "$statement" "clicks WHERE _offset > $at AND _offset <= $((at + 10000))");"
		echo "UPDATE position SET position = $((at + 10000)); COMMIT;"
	done | as_user tee "$script" >/dev/null
	sql -f "$script"
}

for ((run = 0; run < runs; run++)); do
	for how in topology client; do
		fresh_counts
		begin=$(date +%s.%N)
		cpu=$(server_cpu)
		"by_$how"
		calc "$(date +%s.%N) - $begin" 5 >>"$RAMA_WORK/counting.time.$how"
		calc "$(server_cpu) - $cpu" 5 >>"$RAMA_WORK/counting.cpu.$how"
		[ "$(value 'SELECT sum(count) FROM counts')" = $events ]
		sql -o /dev/null -c "DROP TABLE IF EXISTS count_clicks" 2>/dev/null
	done
done
sql -c 'DROP TABLE clicks, counts, position'
row 'count 1M events, sql handler' 'events/CPU s' "$(calc "$events / $(median "$RAMA_WORK/counting.cpu.topology")" 6)" \
	"$(calc "$events / $(median "$RAMA_WORK/counting.cpu.client")" 6)" 'client loop' '>= 1' higher
row 'count 1M events, sql handler' 'events/s' "$(calc "$events / $(median "$RAMA_WORK/counting.time.topology")" 6)" \
	"$(calc "$events / $(median "$RAMA_WORK/counting.time.client")" 6)" 'client loop' '-' higher
