# The access method pstate against btree, on the same tables: entries of PStates
# (orgs with requests with 100 entries each), e-mail addresses, one bigint.
# Lookups and insertions are timed by test/load/index_bench.c, which calls the
# access methods as the executor does, in CPU time; all else is SQL. Full page
# images, which both write alike for each page that is changed first after a
# checkpoint, are off. Serial builds.
#
# BENCH_INDEX_ROWS (10000000), of which a tenth are addresses; lookups and
# insertions are of a hundredth. BENCH_INDEX_PARTS: those to run.
rows=${BENCH_INDEX_ROWS:-10000000}
parts=${BENCH_INDEX_PARTS:-build size find insert batch hot}
lookups=$((rows / 50))
inserts=$((rows / 100))
requests=$((rows / 100))

rama_programs index_bench.so
sql -o /dev/null <<-SQL
ALTER SYSTEM SET full_page_writes = off;
SELECT pg_reload_conf();
CREATE FUNCTION index_find(regclass, text, range boolean, max integer) RETURNS float8
	LANGUAGE c STRICT AS '$RAMA_WORK/build/test/load/index_bench.so';
CREATE FUNCTION index_insert_rows(regclass, text, batch integer) RETURNS float8[]
	LANGUAGE c STRICT AS '$RAMA_WORK/build/test/load/index_bench.so';

CREATE TABLE requests (org bigint, request uuid, seq bigint);
INSERT INTO requests
	SELECT r.i / 100, r.request, s
	FROM (SELECT i, gen_random_uuid() AS request FROM generate_series(0, $requests - 1) i) r, generate_series(0, 99) s;
CREATE TABLE emails (email text COLLATE "C");
INSERT INTO emails
	SELECT (ARRAY['anna', 'ben', 'carla', 'david', 'elif', 'fatima', 'george', 'hannah', 'ivan', 'julia'])[1 + i % 10] || '.'
		|| (ARRAY['smith', 'mueller', 'garcia', 'rossi', 'kim', 'novak', 'silva'])[1 + i % 7] || substr(md5(i::text), 1, 4 + i % 4) || '@'
		|| (ARRAY['example.com', 'mail.example.org', 'example.co.uk', 'corp.example.net'])[1 + i % 4]
	FROM generate_series(1, $rows / 10) i;
CREATE TABLE ids (id bigint);
INSERT INTO ids SELECT i * 7919::bigint % $rows FROM generate_series(1, $rows) i;
VACUUM ANALYZE requests, emails, ids;

-- What is looked up and inserted, in random order, and of new requests
SELECT setseed(0.5);
CREATE TABLE wanted_requests AS SELECT * FROM requests TABLESAMPLE BERNOULLI (10) REPEATABLE (1) ORDER BY random() LIMIT $lookups;
CREATE TABLE wanted_emails AS SELECT * FROM emails TABLESAMPLE BERNOULLI (50) REPEATABLE (1) ORDER BY random() LIMIT $lookups;
CREATE TABLE wanted_ids AS SELECT * FROM ids TABLESAMPLE BERNOULLI (10) REPEATABLE (1) ORDER BY random() LIMIT $lookups;
CREATE TABLE new_rows AS SELECT ctid AS tid, org, md5(seq || request::text)::uuid AS request, seq
	FROM requests TABLESAMPLE BERNOULLI (30) REPEATABLE (2) ORDER BY random() LIMIT $inserts * 2 * $runs;
ALTER TABLE new_rows ADD i serial;
SQL

index_on()					# index_on TABLE HOW
{
	local columns
	case $1 in
		requests) columns='org, request, seq' ;;
		emails) columns='email' ;;
		ids) columns='id' ;;
	esac
	sql -c "SET max_parallel_maintenance_workers = 0; SET maintenance_work_mem = '256MB'; CREATE INDEX ${1}_$2 ON $1 USING $2 ($columns)"
}

for table in requests emails ids; do
	eval "fresh_build_$table() { sql -c 'DROP INDEX IF EXISTS ${table}_'\$1 2>/dev/null; }
		build_${table}_by_pstate() { index_on $table pstate; }
		build_${table}_by_btree() { index_on $table btree; }
		check_build_$table() { :; }"
	if [[ $parts == *build* ]]; then
		contest build_$table pstate btree
		row "build, $table" 'CPU s' "$(median "$RAMA_WORK/build_$table.cpu.pstate")" "$(median "$RAMA_WORK/build_$table.cpu.btree")" btree '>= 1' lower
		row "build, $table" 's' "$(median "$RAMA_WORK/build_$table.wall.pstate")" "$(median "$RAMA_WORK/build_$table.wall.btree")" btree - lower
	else
		index_on $table pstate
		index_on $table btree
	fi
done

size_row()					# size_row TABLE TARGET
{
	row "size, $1" MB "$(value "SELECT pg_relation_size('$1_pstate') / 1e6")" "$(value "SELECT pg_relation_size('$1_btree') / 1e6")" btree "$2" lower
}
if [[ $parts == *size* ]]; then
	size_row requests '>= 1.54'
	size_row emails '>= 1.43'
	size_row ids '>= 1'
fi

# timed NAME TABLE CALL [BTREE_CALL]: what the call returns for the index <index>,
# and for run <run>, in turns; into NAME.pstate and NAME.btree. The index is read
# first, so that its pages are known to the process.
timed()
{
	local run how call low="'-9223372036854775808'::bigint"
	[ "$2" != emails ] || low="''::text"
	for ((run = 0; run < runs; run++)); do
		for how in pstate btree; do
			call=$3
			[ $how = pstate ] || call=${4:-$3}
			call=${call//<index>/$2_$how}
			sql -At <<-SQL
			SELECT index_find('$2_$how', \$\$SELECT $low\$\$, true, 2000000000) \g /dev/null
			SELECT ${call//<run>/$run} \g |cat >>$RAMA_WORK/$1.$how
			SQL
		done
	done
}

# find_row WHAT NAME TABLE KEYS RANGE MAX
find_row()
{
	timed "$2" "$3" "index_find('<index>', \$\$SELECT $4 FROM wanted_$3\$\$, $5, $6)"
	row "$1" ns "$(median "$RAMA_WORK/$2.pstate")" "$(median "$RAMA_WORK/$2.btree")" btree '>= 1' lower
}
if [[ $parts == *find* ]]; then
	find_row 'lookup, requests' find_request requests 'org, request, seq' false 1
	find_row 'lookup, emails' find_email emails email false 1
	find_row 'lookup, ids' find_id ids id false 1
	find_row '100 entries, requests' range_request requests 'org, request' false 100
	find_row '100 entries, emails' range_email emails email true 100
	find_row '100 entries, ids' range_id ids id true 100
fi

# insert_rows WHAT NAME KEYS BATCH SPEED WAL: KEYS in batches (0: one by one)
# against btree's one by one; targets of speed and size of WAL
insert_rows()
{
	local how
	timed "$2" requests "index_insert_rows('<index>', \$\$$3\$\$, $4)" "index_insert_rows('<index>', \$\$$3\$\$, 0)"
	for how in pstate btree; do
		tr -d '{}' <"$RAMA_WORK/$2.$how" | tee >(cut -d , -f 1 >"$RAMA_WORK/$2.ns.$how") >(cut -d , -f 2 >"$RAMA_WORK/$2.wal.$how") >/dev/null
		wait
	done
	row "$1" ns "$(median "$RAMA_WORK/$2.ns.pstate")" "$(median "$RAMA_WORK/$2.ns.btree")" 'btree, one by one' "$5" lower
	row "$1, WAL" bytes "$(median "$RAMA_WORK/$2.wal.pstate")" "$(median "$RAMA_WORK/$2.wal.btree")" 'btree, one by one' "$6" lower
}
scattered="SELECT tid, org, request, seq FROM new_rows WHERE i % ($runs * 2) = <run>"
if [[ $parts == *insert* ]]; then
	insert_rows 'scattered inserts' scattered "$scattered" 0 '>= 1' '>= 1'
fi
if [[ $parts == *batch* ]]; then
	insert_rows 'scattered, batches of 10k' scattered_batch "$scattered + $runs" 10000 '>= 1.2' '>= 1.67'
	# 50 more entries for each of some requests: leaves have those of a few. At
	# first leaves are as full as they were built; then as batches have left them.
	sorted="SELECT tid, org, request, (1000 + s)::bigint AS seq
		FROM (SELECT DISTINCT ON (md5(request || '<run>')) ctid AS tid, org, request FROM wanted_requests
			ORDER BY md5(request || '<run>') LIMIT <n>) w, generate_series(<run> * 50, <run> * 50 + 49) s
		ORDER BY org, request, seq"
	sql -c 'REINDEX INDEX requests_pstate' -c 'REINDEX INDEX requests_btree'
	insert_rows 'sorted batch, 50 a leaf, built' sorted_built "${sorted/<n>/$((inserts / 50))}" 10000 '>= 5' '>= 1.67'
	for how in pstate btree; do
		for run in {10..29}; do
			call=${sorted//<run>/$run}
			sql -o /dev/null -c "SELECT index_insert_rows('requests_$how', \$\$${call/<n>/$((requests / 10))}\$\$, $([ $how = pstate ] && echo 10000 || echo 0))"
		done
	done
	sorted=${sorted//<run>/100<run>}
	insert_rows 'sorted batch, 50 a leaf, grown' sorted_grown "${sorted/<n>/$((inserts / 50))}" 10000 '>= 5' '>= 1.67'
fi

# 1000 keys that stay, under updates of another indexed column: once, as it is long
fresh_hot()
{
	sql 2>/dev/null <<-SQL
	DROP TABLE IF EXISTS hot;
	CREATE TABLE hot (key bigint, n bigint);
	INSERT INTO hot SELECT i, 0 FROM generate_series(1, 1000) i;
	CREATE INDEX hot_n ON hot (n);
	CREATE INDEX hot_key ON hot USING $1 (key);
	CREATE OR REPLACE PROCEDURE update_hot(times int) LANGUAGE plpgsql AS \$\$
	BEGIN
		FOR i IN 1 .. times LOOP
			UPDATE hot SET n = i WHERE key = 1 + i::bigint * 7919 % 1000;
			IF i % 100 = 0 THEN
				COMMIT;
			END IF;
		END LOOP;
	END \$\$;
	SQL
}

hot_by_pstate()
{
	sql -c 'SET synchronous_commit = off' -c 'SET enable_seqscan = off' -c "CALL update_hot($rows)"
}

hot_by_btree()
{
	hot_by_pstate
}

check_hot()
{
	value "SELECT pg_relation_size('hot_key') / 1e6" >>"$RAMA_WORK/hot.size.$1"
}
if [[ $parts == *hot* ]]; then
	runs=1 contest hot pstate btree
	row "$rows updates of 1000 keys" "CPU s" "$(median "$RAMA_WORK/hot.cpu.pstate")" "$(median "$RAMA_WORK/hot.cpu.btree")" btree '>= 1' lower
	row 'size of their index' MB "$(median "$RAMA_WORK/hot.size.pstate")" "$(median "$RAMA_WORK/hot.size.btree")" btree - lower
	sql -c 'DROP TABLE hot; DROP PROCEDURE update_hot'
fi

sql -o /dev/null <<-SQL
DROP TABLE requests, emails, ids, wanted_requests, wanted_emails, wanted_ids, new_rows;
ALTER SYSTEM RESET full_page_writes;
SELECT pg_reload_conf();
SQL
