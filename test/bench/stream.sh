# Latency of a stream: from the return of an append's commit to the effect
# being visible to the appender, at 200 events a second, fsync on; beside a
# client worker that LISTENs (the appends notify) and one that polls each ms.
seconds=10

sql -o /dev/null <<-'SQL'
SELECT rama.create_depot('inputs', 'id bigint NOT NULL');
CREATE TABLE effects (id bigint PRIMARY KEY);
SELECT rama.create_topology('have_effect', 'stream', 'inputs',
	sql => 'INSERT INTO effects SELECT id FROM batch');
CREATE TABLE plain (at bigserial PRIMARY KEY, id bigint NOT NULL, created_at timestamptz DEFAULT now());
CREATE TABLE position (at bigint NOT NULL);
INSERT INTO position VALUES (0);
SQL

for ((run = 0; run < runs; run++)); do
	for how in rama listen poll; do
		sql -c 'TRUNCATE plain, effects; UPDATE position SET at = coalesce((SELECT max(at) FROM plain), 0); CHECKPOINT'
		as_user "$RAMA_WORK/build/test/load/latency" "host=$RAMA_WORK user=postgres dbname=bench" $how $seconds 200 $run |
			while read -r p50 p99 n; do
				echo "$how: p50 $p50 us, p99 $p99 us, $n events"
				echo "$p50" >>"$RAMA_WORK/stream.p50.$how"
				echo "$p99" >>"$RAMA_WORK/stream.p99.$how"
			done
	done
done
for peer in listen poll; do
	name='LISTEN-driven worker'
	[ $peer = listen ] || name='1 ms poller'
	row 'stream latency p50' us "$(median "$RAMA_WORK/stream.p50.rama")" "$(median "$RAMA_WORK/stream.p50.$peer")" "$name" 'own <= 400' lower
	row 'stream latency p99' us "$(median "$RAMA_WORK/stream.p99.rama")" "$(median "$RAMA_WORK/stream.p99.$peer")" "$name" 'own <= 2000' lower
done
sql -o /dev/null -c 'DROP TABLE inputs CASCADE' -c 'DROP TABLE plain, effects, position' 2>/dev/null
