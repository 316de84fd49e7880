# Watching. How long after an append's commit, at 200 events a second with fsync
# on, is a watcher told of what the topology has made of it: by rama.tail(), by
# LISTEN to rama.watch(), and by a trigger on a table that notifies. What do
# watches cost those who append: none, 100, 1000, 5000 of them, beside writers
# that NOTIFY. And those that are not hit, those that are.
seconds=${BENCH_SECONDS:-5}
conninfo="host=$RAMA_WORK user=postgres dbname=bench"

sql -o /dev/null <<-'SQL'
SELECT rama.create_depot('tell', 'id bigint NOT NULL');
SELECT rama.create_pstate('told', 'map(key: text, bigint)');
SELECT rama.create_topology('telling', 'stream', 'tell', writes => '{told}',
	sql => 'SELECT rama.put(''told'', ''hit'', max(id)) FROM batch');
CREATE TABLE tell_plain (at bigserial PRIMARY KEY, id bigint NOT NULL, created_at timestamptz DEFAULT now());
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_notify(''told'', new.id::text); RETURN NULL; END';
CREATE TRIGGER tell AFTER INSERT ON tell_plain FOR EACH ROW EXECUTE FUNCTION tell();
SQL

# told NAME HOW WATCHES: p50 and p99 of one run
told()
{
	sql -c 'CHECKPOINT' -c "SELECT rama.wait('telling')" -o /dev/null
	as_user "$RAMA_WORK/build/test/load/told" "$conninfo" "$2" "$seconds" 200 "$3" |
		while read -r p50 p99 n; do
			echo "told by $1: p50 $p50 us, p99 $p99 us, $n events"
			echo "$p50" >>"$RAMA_WORK/told.p50.$1"
			echo "$p99" >>"$RAMA_WORK/told.p99.$1"
		done
}

for ((run = 0; run < runs; run++)); do
	told tail tail 1
	told watch watch 1
	told trigger trigger 1
	told one many 1
	told thousand many 1000
done
for how in tail watch; do
	row "watcher told by $how, p50" us "$(median "$RAMA_WORK/told.p50.$how")" "$(median "$RAMA_WORK/told.p50.trigger")" 'LISTEN to a trigger' 'own <= 600' lower
	row "watcher told by $how, p99" us "$(median "$RAMA_WORK/told.p99.$how")" "$(median "$RAMA_WORK/told.p99.trigger")" 'LISTEN to a trigger' 'own <= 3000' lower
done
row 'told beside 999 watches not hit, p50' us "$(median "$RAMA_WORK/told.p50.thousand")" "$(median "$RAMA_WORK/told.p50.one")" 'that watch alone' '>= 0.9' lower

# Appenders, 8 at a time, each event a transaction; asynchronous commit, so
# that the disk does not hide what else there is to do.
echo "INSERT INTO tell (id) VALUES (1);" | as_user tee "$RAMA_WORK/append.sql" >/dev/null
echo "INSERT INTO tell_plain (id) VALUES (1);" | as_user tee "$RAMA_WORK/notify.sql" >/dev/null

# appends NAME SCRIPT: appends a second
appends()
{
	sql -c 'CHECKPOINT' -c "SELECT rama.wait('telling')" -o /dev/null
	as_user env PGOPTIONS='-c synchronous_commit=off' "$RAMA_BIN/pgbench" -n -c 8 -j 2 -T "$seconds" -M prepared \
		-f "$RAMA_WORK/$2.sql" -h "$RAMA_WORK" -U postgres bench 2>/dev/null |
		sed -n 's/^tps = \([0-9.]*\).*/\1/p' >"$RAMA_WORK/tps"
	echo "appends, $1: $(cat "$RAMA_WORK/tps")/s"
	cat "$RAMA_WORK/tps" >>"$RAMA_WORK/appends.$1"
}

# A session that watches so many keys, of which none is hit, by LISTEN; ends
# with its input.
start_watches()
{
	coproc WATCHES { as_user "$RAMA_BIN/psql" -X -q -At -h "$RAMA_WORK" -U postgres bench; }
	echo "SELECT count(*) FROM generate_series(1, $1) i, rama.watch('told', jsonb_build_array('missed ' || i));" >&"${WATCHES[1]}"
	read -r <&"${WATCHES[0]}"
}

stop_watches()
{
	local pid=$WATCHES_PID

	echo '\q' >&"${WATCHES[1]}"
	wait "$pid"
}

# Each run begins with another one: the first is not always after the same.
order=(0 100 1000 5000)
for ((run = 0; run < runs; run++)); do
	order=("${order[@]:1}" "${order[0]}")
	for watches in "${order[@]}"; do
		[ $watches = 0 ] || start_watches $watches
		appends $watches append
		[ $watches = 0 ] || stop_watches
	done
	appends notify notify
done
for watches in 100 1000 5000; do
	row "appends with $watches watches" /s "$(median "$RAMA_WORK/appends.$watches")" "$(median "$RAMA_WORK/appends.0")" 'none' '>= 0.95' higher
done
row 'appends with 1000 watches' /s "$(median "$RAMA_WORK/appends.1000")" "$(median "$RAMA_WORK/appends.notify")" 'NOTIFY in writers' '-' higher
sql -o /dev/null -c 'DROP TABLE tell CASCADE' -c 'DROP TABLE told, tell_plain' -c 'DROP FUNCTION tell' 2>/dev/null
