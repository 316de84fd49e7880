# Counting 1M events by key, 100k keys with a Zipf distribution, in batches of
# 10k: a microbatch topology with target and merge, or with an sql handler into
# a plain table, against a client's loop of that statement over the same log,
# which keeps its position in a table. Beside it PgQ, whose consumer does the same
# for each of its batches, and a statement trigger that does it when events are
# appended. Then target and merge catching up in batches of 100k.
events=1000000
batch_max=10000
upsert='INSERT INTO counts AS c SELECT key, count(*) FROM %s GROUP BY key ON CONFLICT (key) DO UPDATE SET count = c.count + excluded.count'

as_user sh -c "'$RAMA_WORK/build/test/load/zipf' $events 100000 >'$RAMA_WORK/draws'"
sql -o /dev/null <<-SQL
CREATE TEMPORARY TABLE draws (n int);
\copy draws FROM '$RAMA_WORK/draws'
SELECT rama.create_depot('clicks', 'key text NOT NULL');
INSERT INTO clicks (key) SELECT 'user' || lpad(n::text, 6, '0') FROM draws;
CREATE TABLE expected AS SELECT key, count(*) FROM clicks GROUP BY key;
VACUUM ANALYZE clicks;
SQL
batches "$(printf "$upsert" 'clicks WHERE _offset > <from> AND _offset <= <to>')" |
	as_user tee "$RAMA_WORK/client.sql" >/dev/null

fresh_counters()
{
	case $1 in
		merge | backlog) sql -o /dev/null -c "SELECT rama.create_pstate('counts', 'map(key: text, count: bigint)')" ;;
		*) sql -c 'CREATE TABLE counts (key text PRIMARY KEY, count bigint NOT NULL) WITH (fillfactor = 85);
			CREATE TABLE position (position bigint); INSERT INTO position VALUES (0)' ;;
	esac
	case $1 in
		plain | trigger) sql -c 'CREATE TABLE appended (id bigserial PRIMARY KEY, key text NOT NULL)' ;;
		pgq) sql -o /dev/null -c "SELECT pgq.register_consumer_at('clicks', 'counter', 1)" ;;
	esac
	[ "$1" != trigger ] || sql <<-SQL
	CREATE FUNCTION count_appended() RETURNS trigger LANGUAGE plpgsql AS \$\$
		BEGIN $(printf "$upsert" new_rows); RETURN NULL; END \$\$;
	CREATE TRIGGER count_appended AFTER INSERT ON appended REFERENCING NEW TABLE AS new_rows
		FOR EACH STATEMENT EXECUTE FUNCTION count_appended();
	SQL
}

# topology BATCH_MAX HANDLER: counts all there is
topology()
{
	sql -o /dev/null -c "SELECT rama.create_topology('count_clicks', 'microbatch', 'clicks', options => '{\"batch_max\": $1}', $2)"
	wait_for count_clicks
}

merge="sql => 'SELECT key, count(*) FROM batch GROUP BY key', target => 'counts', merge => 'sum'"

counters_by_merge()
{
	topology $batch_max "$merge"
}

counters_by_backlog()
{
	topology 100000 "$merge"
}

counters_by_sql()
{
	topology $batch_max "sql => '$(printf "$upsert" batch)'"
}

counters_by_client()
{
	sql -f "$RAMA_WORK/client.sql"
}

append()
{
	local at
	for ((at = 0; at < events; at += batch_max)); do
		echo "INSERT INTO appended (key) SELECT key FROM clicks WHERE _offset > $at AND _offset <= $((at + batch_max)) ORDER BY _offset;"
	done | sql -o /dev/null
}

counters_by_plain()
{
	append
}

counters_by_trigger()
{
	append
}

# PgQ's queue has the same events, in ticks of the same size.
fill_queue()
{
	local at
	sql -o /dev/null -c 'CREATE EXTENSION pgq' -c "SELECT pgq.create_queue('clicks')" \
		-c "SELECT pgq.set_queue_config('clicks', 'ticker_max_count', '1')"
	for ((at = 0; at < events; at += batch_max)); do
		echo "SELECT count(pgq.insert_event('clicks', 'click', key)) FROM clicks WHERE _offset > $at AND _offset <= $((at + batch_max));"
		echo "SELECT pgq.ticker('clicks');"
	done | sql -o /dev/null
	sql -c 'VACUUM ANALYZE'
	[ "$(value "SELECT count(*) FROM pgq.tick")" = $((events / batch_max + 1)) ]
}

counters_by_pgq()
{
	local at
	for ((at = 0; at < events; at += batch_max)); do
		echo "BEGIN; SELECT pgq.next_batch('clicks', 'counter') AS batch \\gset"
		echo "$(printf "$upsert" '(SELECT ev_data AS key FROM pgq.get_batch_events(:batch)) AS e');"
		echo "SELECT pgq.finish_batch(:batch); COMMIT;"
	done | sql -o /dev/null
}

check_counters()
{
	[ "$1" = plain ] || check_same counts expected key
	case $1 in
		merge | backlog) [ "$(value "SELECT rama.count('counts')")" = "$(value 'SELECT count(*) FROM expected')" ] ;;
	esac
	[ "$1" != pgq ] || sql -o /dev/null -c "SELECT pgq.unregister_consumer('clicks', 'counter')"
	sql -c 'DROP TABLE IF EXISTS counts, position, appended, count_clicks CASCADE' -c 'DROP FUNCTION IF EXISTS count_appended' 2>/dev/null
}

# have_pgq: unpacks Debian's package into the private installation
have_pgq()
{
	local package=postgresql-$PG_MAJOR-pgq3 dir=$RAMA_WORK/pgq

	[ ! -e "$RAMA_WORK/pg/usr/share/postgresql/$PG_MAJOR/extension/pgq.control" ] || return 0
	mkdir -p "$dir"
	(cd "$dir" && { apt-get -q download "$package" || { rama_apt update && apt-get -q download "$package"; }; } &&
		dpkg-deb -x "$package"_*.deb "$RAMA_WORK/pg") >/dev/null 2>&1
}

contenders=(merge sql client backlog plain trigger)
if have_pgq; then
	fill_queue
	contenders+=(pgq)
else
	echo "PgQ is left out: the package postgresql-$PG_MAJOR-pgq3 is not to be had"
fi
contest counters "${contenders[@]}"

# What the trigger costs is what it adds to the plain INSERT.
trigger=$(calc "$(median "$RAMA_WORK/counters.cpu.trigger") - $(median "$RAMA_WORK/counters.cpu.plain")" 6)
for how in merge sql; do
	if [ $how = merge ]; then name='target/merge' target='>= 1.5'; else name='sql handler' target='>= 1'; fi
	name="count 1M zipf events, $name"
	row "$name" 'events/CPU s' "$(rate counters cpu $how $events)" "$(rate counters cpu client $events)" \
		'client loop' "$target" higher
	row "$name" 'events/s' "$(rate counters wall $how $events)" "$(rate counters wall client $events)" \
		'client loop' '-' higher
done
if [ -e "$RAMA_WORK/counters.cpu.pgq" ]; then
	row 'count 1M zipf events, target/merge' 'events/CPU s' "$(rate counters cpu merge $events)" \
		"$(rate counters cpu pgq $events)" 'PgQ consumer' '-' higher
	sql -o /dev/null -c "SELECT pgq.drop_queue('clicks', true)" -c 'DROP EXTENSION pgq CASCADE' 2>/dev/null
fi
row 'count 1M zipf events, target/merge' 'events/CPU s' "$(rate counters cpu merge $events)" \
	"$(calc "$events / $trigger" 6)" 'statement trigger' '-' higher
for unit in cpu wall; do
	if [ $unit = wall ]; then name='events/s' target='own >= 1000000'; else name='events/CPU s' target=-; fi
	row 'catching up 1M events, target/merge' "$name" "$(rate counters $unit backlog $events)" \
		"$(rate counters $unit client $events)" 'client loop of 10k' "$target" higher
done
sql -c 'DROP TABLE clicks, expected'
