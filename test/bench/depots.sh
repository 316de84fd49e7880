# Appending to depots of 1 and 8 partitions, against a plain table with the
# same columns: COPY of many rows by one client, and INSERT of one row by 32.
rows=400000
seconds=5
columns='account bigint NOT NULL, kind text, data jsonb'

as_user awk -v n=$rows 'BEGIN { srand(1); for (i = 0; i < n; i++)
	printf "%d\tclick\t{\"page\": \"/p/%d\", \"ms\": %d}\n", rand() * 100000, rand() * 1000, rand() * 500 }' >"$RAMA_WORK/rows"
chmod 644 "$RAMA_WORK/rows"

make_table()
{
	case $1 in
		plain) sql -c "DROP TABLE IF EXISTS target; CREATE TABLE target (id bigserial PRIMARY KEY, $columns, created_at timestamptz DEFAULT now())" ;;
		*) sql -o /dev/null -c "DROP TABLE IF EXISTS target; SELECT rama.create_depot('target', '$columns', partition_by => 'account', partitions => $1)" ;;
	esac 2>/dev/null
}

copy_rate()
{
	local begin
	begin=$(date +%s.%N)
	sql -c "\\copy target (account, kind, data) FROM '$RAMA_WORK/rows'"
	calc "$rows / ($(date +%s.%N) - $begin)" 6
}

insert_rate()
{
	as_user tee "$RAMA_WORK/insert.sql" >/dev/null <<-'SQL'
	\set account random(1, 100000)
	INSERT INTO target (account, kind, data) VALUES (:account, 'click', '{"page": "/p/1", "ms": 12}');
	SQL
	as_user "$RAMA_BIN/pgbench" -h "$RAMA_WORK" -U postgres -n -M prepared -c 32 -j 2 \
		-T $seconds -f "$RAMA_WORK/insert.sql" bench 2>/dev/null | awk '/^tps/ { print $3 }'
}

kinds=(plain 1 8)
for ((run = 0; run < runs; run++)); do
	for kind in "${kinds[@]}"; do
		for how in copy insert; do
			make_table "$kind"
			sql -c 'CHECKPOINT'
			cpu=$(server_cpu)
			rate=$("${how}_rate")
			cpu=$(calc "$(server_cpu) - $cpu" 6)
			echo "$rate" >>"$RAMA_WORK/depots.$how.$kind"
			if [ $how = copy ]; then done=$rows; else done="$rate * $seconds"; fi
			calc "$done / $cpu" 6 >>"$RAMA_WORK/depots.$how.$kind.cpu"
		done
	done
	kinds=("${kinds[@]:1}" "${kinds[0]}")
done
sql -c 'DROP TABLE target'
for how in copy insert; do
	for kind in 1 8; do
		row "$how, depot of $kind partition(s)" 'rows/CPU s' "$(median "$RAMA_WORK/depots.$how.$kind.cpu")" \
			"$(median "$RAMA_WORK/depots.$how.plain.cpu")" 'plain table' '-' higher
	done
	row "$how, depot of 1 partition" rows/s "$(median "$RAMA_WORK/depots.$how.1")" \
		"$(median "$RAMA_WORK/depots.$how.plain")" 'plain table' '>= 0.95' higher
	row "$how, depot of 8 partitions" rows/s "$(median "$RAMA_WORK/depots.$how.8")" \
		"$(median "$RAMA_WORK/depots.$how.plain")" 'plain table' '>= 0.9' higher
done
