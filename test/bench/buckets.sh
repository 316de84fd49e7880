# Views of 1000 urls by minute, hour and day, from 1M events of one day, in
# batches of 10k: a microbatch topology into one PState, against a client's
# loop over the same log that aggregates each batch into three tables with
# ON CONFLICT, and keeps its position in a table. The topology merges a query, or
# calls rama.add for each group. The client does it with three statements
# ("upserts"), or with one that rolls hours up from minutes, and days from hours
# ("rollup"); the better one is the peer.
events=1000000
batch_max=10000

as_user sh -c "'$RAMA_WORK/build/test/load/zipf' $events 1000 >'$RAMA_WORK/draws'"
sql -o /dev/null <<-SQL
CREATE TEMPORARY TABLE draws (i serial, n int);
\copy draws (n) FROM '$RAMA_WORK/draws'
SELECT rama.create_depot('views', 'url text NOT NULL, at timestamptz NOT NULL');
INSERT INTO views (url, at) SELECT 'https://example.com/page/' || n, '2026-01-01 00:00Z'::timestamptz + i * interval '86.4 ms'
	FROM draws ORDER BY i;
VACUUM ANALYZE views;
SQL
for unit in minute hour day; do
	sql -c "CREATE TABLE expected_$unit AS SELECT url, date_trunc('$unit', at) AS bucket, count(*) FROM views GROUP BY 1, 2"
done

log='views WHERE _offset > <from> AND _offset <= <to>'
# minutes, hours and days of a relation, by rolling up
rolled_up()
{
	echo "minutes AS MATERIALIZED (SELECT url, date_trunc('minute', at) AS bucket, count(*) AS count FROM $1 GROUP BY 1, 2),
	hours AS MATERIALIZED (SELECT url, date_trunc('hour', bucket) AS bucket, sum(count)::bigint AS count FROM minutes GROUP BY 1, 2),
	days AS (SELECT url, date_trunc('day', bucket) AS bucket, sum(count)::bigint AS count FROM hours GROUP BY 1, 2)"
}
rollup="WITH $(rolled_up "$log"),
	minutes_done AS (INSERT INTO by_minute AS b SELECT * FROM minutes ON CONFLICT (url, bucket) DO UPDATE SET count = b.count + excluded.count),
	hours_done AS (INSERT INTO by_hour AS b SELECT * FROM hours ON CONFLICT (url, bucket) DO UPDATE SET count = b.count + excluded.count)
	INSERT INTO by_day AS b SELECT * FROM days ON CONFLICT (url, bucket) DO UPDATE SET count = b.count + excluded.count"
mapfile -d '' -t statements < <(for unit in minute hour day; do
	printf '%s\0' "INSERT INTO by_$unit AS b SELECT url, date_trunc('$unit', at), count(*) FROM $log GROUP BY 1, 2
		ON CONFLICT (url, bucket) DO UPDATE SET count = b.count + excluded.count"
done)
batches "${statements[@]}" | as_user tee "$RAMA_WORK/buckets.upserts.sql" >/dev/null
batches "$rollup" | as_user tee "$RAMA_WORK/buckets.rollup.sql" >/dev/null

fresh_buckets()
{
	local unit
	case $1 in
		upserts | rollup)
			for unit in minute hour day; do
				sql -c "CREATE TABLE by_$unit (url text, bucket timestamptz, count bigint NOT NULL, PRIMARY KEY (url, bucket)) WITH (fillfactor = 85)"
			done
			sql -c 'CREATE TABLE position (position bigint); INSERT INTO position VALUES (0)' ;;
		merge) sql -o /dev/null -c "SELECT rama.create_pstate('counts', 'map(url: text, map(unit: text, map(bucket: timestamptz, count: bigint) subindex) subindex)')" ;;
		sql) sql -o /dev/null -c "SELECT rama.create_pstate('counts', 'map(url: text, struct(minute: map(bucket: timestamptz, count: bigint) subindex,
			hour: map(bucket: timestamptz, count: bigint) subindex, day: map(bucket: timestamptz, count: bigint) subindex))')" ;;
	esac
}

buckets_by_upserts()
{
	sql -f "$RAMA_WORK/buckets.upserts.sql"
}

buckets_by_rollup()
{
	sql -f "$RAMA_WORK/buckets.rollup.sql"
}

buckets_by_merge()
{
	sql -o /dev/null -c "SELECT rama.create_topology('count_views', 'microbatch', 'views', target => 'counts', merge => 'sum', sql => \$\$
		WITH $(rolled_up batch)
		SELECT url, 'minute', bucket, count FROM minutes UNION ALL
		SELECT url, 'hour', bucket, count FROM hours UNION ALL
		SELECT url, 'day', bucket, count FROM days \$\$, options => '{\"batch_max\": $batch_max}')"
	wait_for count_views
}

buckets_by_sql()
{
	sql -o /dev/null -c "SELECT rama.create_topology('count_views', 'microbatch', 'views', sql => \$\$
		SELECT rama.add('counts', url, 'minute', date_trunc('minute', at), count(*)) FROM batch GROUP BY url, date_trunc('minute', at);
		SELECT rama.add('counts', url, 'hour', date_trunc('hour', at), count(*)) FROM batch GROUP BY url, date_trunc('hour', at);
		SELECT rama.add('counts', url, 'day', date_trunc('day', at), count(*)) FROM batch GROUP BY url, date_trunc('day', at);
		\$\$, writes => '{counts}', options => '{\"batch_max\": $batch_max}')"
	wait_for count_views
}

check_buckets()
{
	local unit
	for unit in minute hour day; do
		case $1 in
			upserts | rollup) check_same by_$unit expected_$unit url bucket ;;
			merge) check_same "(SELECT url, bucket, count FROM counts_bucket WHERE unit = '$unit')" expected_$unit url bucket ;;
			sql) check_same counts_$unit expected_$unit url bucket ;;
		esac
	done
	sql -c 'DROP TABLE IF EXISTS count_views' -c 'DROP TABLE IF EXISTS counts, by_minute, by_hour, by_day, position CASCADE' 2>/dev/null
}

contest buckets merge sql upserts rollup
best=upserts
[ "$(calc "$(median "$RAMA_WORK/buckets.cpu.rollup") < $(median "$RAMA_WORK/buckets.cpu.upserts")")" = 0 ] || best=rollup
for how in merge sql; do
	name='target/merge'
	[ $how = merge ] || name='sql with rama.add'
	row "url x minute/hour/day, $name" 'events/CPU s' "$(rate buckets cpu $how $events)" \
		"$(rate buckets cpu $best $events)" "client loop, $best" '>= 1.5' higher
	row "url x minute/hour/day, $name" 'events/s' "$(rate buckets wall $how $events)" \
		"$(rate buckets wall $best $events)" "client loop, $best" '-' higher
done
sql -c 'DROP TABLE views, expected_minute, expected_hour, expected_day'
