# Tokens of language models: TOKENS_ORGS organizations (1000) with TOKENS_REQUESTS
# requests (100) of TOKENS_TOKENS tokens (200), from a depot into a PState of
# organization -> request -> tokens, by target and merge, with a burst of
# TOKENS_BURST tokens (20) per event, the bursts of ten requests interleaved. Against
# plain tables with counters and btree indexes, which a client's loop fills from the
# same log. They get the share of the organizations that TOKENS_SHARE says (0.1), as
# do the forms with an event for each token: target and merge, and a plpgsql handler
# that calls rama.push, against plpgsql that inserts a row and counts for each.
# Then the queries, in the server and over a socket.
orgs=${TOKENS_ORGS:-1000} requests=${TOKENS_REQUESTS:-100} burst=${TOKENS_BURST:-20}
bursts=$((${TOKENS_TOKENS:-200} / burst)) length=$((${TOKENS_TOKENS:-200} / burst * burst))
share=$(awk "BEGIN { printf \"%d\", ($orgs * ${TOKENS_SHARE:-0.1} < 1) ? 1 : $orgs * ${TOKENS_SHARE:-0.1} }")
all=$((orgs * requests * length)) part=$((share * requests * length))
batch_max=100000

sql -o /dev/null <<-SQL
SET synchronous_commit = off;
CREATE FUNCTION request(org int, n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS
	'SELECT md5(org || ''.'' || n)::uuid';
-- 500 bursts of tokens of 1 to 9 letters
CREATE TABLE bursts AS SELECT b AS id, array_agg(substr('abcdefghijklmnopqrstuvwxyz', 1 + (b * 7 + i * 11) % 17, 1 + (b * 31 + i * 7) % 9) ORDER BY i) AS tokens
	FROM generate_series(0, 499) b, generate_series(1, $burst) i GROUP BY b;
SELECT rama.create_depot('log', 'org bigint NOT NULL, request uuid NOT NULL, tokens text[] NOT NULL');
INSERT INTO log (org, request, tokens)
	SELECT o, request(o, t * 10 + n), b.tokens
	FROM generate_series(1, $orgs) o CROSS JOIN generate_series(0, ($requests - 1) / 10) t CROSS JOIN generate_series(1, $bursts) k CROSS JOIN generate_series(1, 10) n
		JOIN bursts b ON b.id = (o * 31 + (t * 10 + n) * 17 + k * 7919) % 500
	WHERE t * 10 + n <= $requests ORDER BY o, t, k, n;
SELECT rama.create_depot('single', 'org bigint NOT NULL, request uuid NOT NULL, token text NOT NULL');
INSERT INTO single (org, request, token)
	SELECT org, request, token FROM log, unnest(tokens) WITH ORDINALITY AS u (token, i) WHERE org <= $share
	ORDER BY (_offset - 1) / 10, i, _offset;
CREATE FUNCTION on_token(event single) RETURNS void LANGUAGE plpgsql AS
	'BEGIN PERFORM rama.push(''llm'', event.org, event.request, ''tokens'', event.token); END';
VACUUM ANALYZE log;
VACUUM ANALYZE single;

CREATE FUNCTION insert_tokens(low bigint, high bigint) RETURNS void LANGUAGE plpgsql AS \$\$
DECLARE event record; place bigint;
BEGIN
	FOR event IN SELECT org, request, token FROM single WHERE _offset > low AND _offset <= high ORDER BY _offset LOOP
		INSERT INTO requests AS r VALUES (event.org, event.request, NULL, 1)
			ON CONFLICT (org, request) DO UPDATE SET tokens_count = r.tokens_count + 1 RETURNING tokens_count INTO place;
		IF place = 1 THEN
			INSERT INTO orgs AS o VALUES (event.org, 1) ON CONFLICT (org) DO UPDATE SET request_count = o.request_count + 1;
		END IF;
		INSERT INTO tokens VALUES (event.org, event.request, place - 1, event.token);
	END LOOP;
END \$\$;
SQL

# bulk FROM: the statement of a client that takes many bursts
bulk()
{
	cat <<-SQL
	WITH new AS MATERIALIZED (SELECT org, request, _offset, tokens FROM log WHERE $1),
	counted AS (INSERT INTO requests AS r SELECT org, request, NULL, sum(cardinality(tokens)) FROM new GROUP BY org, request
		ON CONFLICT (org, request) DO UPDATE SET tokens_count = r.tokens_count + excluded.tokens_count RETURNING org, request, tokens_count, xmax = 0 AS isnew),
	summed AS (INSERT INTO orgs AS o SELECT org, count(*) FROM counted WHERE isnew GROUP BY org
		ON CONFLICT (org) DO UPDATE SET request_count = o.request_count + excluded.request_count)
	INSERT INTO tokens SELECT org, request, tokens_count - count(*) OVER w + row_number() OVER (PARTITION BY org, request ORDER BY _offset, i) - 1, token
		FROM new JOIN counted USING (org, request), unnest(tokens) WITH ORDINALITY AS u (token, i) WINDOW w AS (PARTITION BY org, request)
	SQL
}

events=$((share * requests * bursts))
(batch_max=10000; batches "$(bulk "_offset > <from> AND _offset <= <to> AND org <= $share" | tr '\n' ' ')") |
	as_user tee "$RAMA_WORK/tokens.plain.sql" >/dev/null
events=$part
(batch_max=10000; batches 'SELECT insert_tokens(<from>, <to>)') | as_user tee "$RAMA_WORK/tokens.rows.sql" >/dev/null

fresh_tokens()
{
	case $1 in
		merge | single | each) sql -o /dev/null -c "SELECT rama.create_pstate('llm', 'map(org: bigint, map(request: uuid, struct(prompt: text, tokens: vector(token: text) subindex)) subindex)')" ;;
		*) sql -c 'CREATE TABLE orgs (org bigint PRIMARY KEY, request_count bigint) WITH (fillfactor = 85);
			CREATE TABLE requests (org bigint, request uuid, prompt text, tokens_count bigint, PRIMARY KEY (org, request)) WITH (fillfactor = 85);
			CREATE TABLE tokens (org bigint, request uuid, index bigint, token text, PRIMARY KEY (org, request, index));
			CREATE TABLE position (position bigint); INSERT INTO position VALUES (0)' ;;
	esac
}

# topology DEPOT HANDLER: all there is
topology()
{
	sql -o /dev/null -c "SELECT rama.create_topology('gather', 'microbatch', '$1', options => '{\"batch_max\": $batch_max}', $2)"
	wait_for gather
}

tokens_by_merge()
{
	topology log "sql => 'SELECT org, request, tokens FROM batch', target => 'llm_tokens', merge => 'list'"
}

tokens_by_single()
{
	topology single "sql => 'SELECT org, request, token FROM batch', target => 'llm_tokens', merge => 'list'"
}

tokens_by_each()
{
	topology single "each => 'on_token', writes => '{llm}'"
}

tokens_by_plain()
{
	sql -f "$RAMA_WORK/tokens.plain.sql"
}

tokens_by_rows()
{
	sql -o /dev/null -f "$RAMA_WORK/tokens.rows.sql"
}

# size PATTERN: MB of relations, with indexes and TOAST
size()
{
	value "SELECT sum(pg_total_relation_size(oid)) / 1e6 FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname ~ '$1'"
}

check_tokens()
{
	local first="SELECT md5(string_agg(md5(request || tokens::text), ' ' ORDER BY org, request)) FROM" got expected
	case $1 in
		merge | single | each)
			[ $1 = merge ] && expected=$all || expected=$part
			[ "$(value 'SELECT sum(tokens_count) FROM llm_request')" = $expected ]
			[ "$(value 'SELECT sum(request_count) FROM llm')" = $((expected / length)) ]
			got=$(value "$first (SELECT org, request, array_agg(token ORDER BY index) AS tokens FROM llm_tokens WHERE org IN (1, $share) GROUP BY 1, 2) t")
			;;
		*) [ "$(value 'SELECT count(*) FROM tokens')" = $part ]
			got=$(value "$first (SELECT org, request, array_agg(token ORDER BY index) AS tokens FROM tokens WHERE org IN (1, $share) GROUP BY 1, 2) t")
			;;
	esac
	[ "$got" = "$(value "$first (SELECT org, request, array_agg(token ORDER BY _offset, i) AS tokens FROM log, unnest(tokens) WITH ORDINALITY AS u (token, i)
		WHERE org IN (1, $share) GROUP BY 1, 2) t")" ] || { echo "tokens by $1 are others than those of the log" >&2; return 1; }
	size "$([ "$1" = plain ] || [ "$1" = rows ] && echo '^(orgs|requests|tokens)$' || echo '^llm')" >"$RAMA_WORK/tokens.size.$1"
	[ -n "${keep:-}" ] || sql -c 'DROP TABLE IF EXISTS llm, orgs, requests, tokens, position, gather CASCADE' 2>/dev/null
}

contest tokens merge plain single each rows
row "$((all / 1000))k tokens, bursts, target/merge" 'tokens/s' "$(rate tokens wall merge $all)" \
	"$(rate tokens wall plain $part)" 'client loop, a row each' 'own >= 1500000' higher
row "$((all / 1000))k tokens, bursts, target/merge" 'tokens/CPU s' "$(rate tokens cpu merge $all)" \
	"$(rate tokens cpu plain $part)" 'client loop, a row each' '-' higher
row 'bytes per token, all relations' 'bytes' "$(calc "$(cat "$RAMA_WORK/tokens.size.merge") * 1e6 / $all" 4)" \
	"$(calc "$(cat "$RAMA_WORK/tokens.size.plain") * 1e6 / $part" 4)" 'a row each' 'own <= 22.3' lower
row "$((part / 1000))k events of a token, target/merge" 'tokens/s' "$(rate tokens wall single $part)" \
	"$(rate tokens wall plain $part)" 'client loop of bursts' '-' higher
row "$((part / 1000))k events of a token, rama.push" 'tokens/CPU s' "$(rate tokens cpu each $part)" \
	"$(rate tokens cpu rows $part)" 'plpgsql loop, a row each' '-' higher

# Queries, of both in the same session, each of other requests
queries=2000
fresh_tokens merge
fresh_tokens plain
events=$((share * requests * bursts))
sql -f "$RAMA_WORK/tokens.plain.sql"
sql -o /dev/null -c "SELECT rama.create_topology('gather', 'microbatch', 'log', options => '{\"batch_max\": $batch_max}',
	sql => 'SELECT org, request, tokens FROM batch WHERE org <= $share', target => 'llm_tokens', merge => 'list')"
wait_for gather
sql -o /dev/null <<-SQL
SELECT rama.create_pstate('top', 'map(hour: timestamptz, vector(struct(url: text, count: bigint)))');
CREATE TABLE hits (hour timestamptz, url text, count bigint, PRIMARY KEY (hour, url));
INSERT INTO hits SELECT timestamptz '2026-01-01' + h * interval '1 hour', 'https://example.org/page/' || u, (u * 7919 + h * 31) % 10007
	FROM generate_series(0, 99) h, generate_series(1, 1000) u;
CREATE INDEX ON hits (hour, count DESC);
SELECT count(rama.put('top', hour, (SELECT jsonb_agg(t ORDER BY count DESC) FROM (SELECT url, count FROM hits i WHERE i.hour = o.hour ORDER BY count DESC LIMIT 10) t)))
	FROM (SELECT DISTINCT hour FROM hits) o;
VACUUM ANALYZE;
CHECKPOINT;
SQL

# timed NAME STATEMENT: a function that runs it so often, and returns microseconds
timed()
{
	sql -c "CREATE FUNCTION $1(n int) RETURNS float8 LANGUAGE plpgsql AS \$\$
DECLARE o bigint; q uuid; h timestamptz; x text; begun timestamptz; total interval := '0';
BEGIN
	FOR i IN 1 .. n LOOP
		o := 1 + (i * 7919) % $share; q := request(o::int, 1 + (i * 104729) % $requests);
		h := timestamptz '2026-01-01' + (i % 100) * interval '1 hour';
		begun := clock_timestamp();
		$2;
		total := total + (clock_timestamp() - begun);
	END LOOP;
	RETURN extract(epoch FROM total) * 1e6 / n;
END \$\$"
}

from=$((length / 2)) to=$((length / 2 + 20))
query=(all count range page top)
declare -A ours theirs title
title[all]='all tokens of a request'
ours[all]="rama.get('llm', o, q, 'tokens')"
theirs[all]="(SELECT jsonb_agg(token ORDER BY index) FROM tokens WHERE org = o AND request = q)"
title[count]='count of tokens'
ours[count]="rama.count('llm', o, q, 'tokens')"
theirs[count]="(SELECT tokens_count FROM requests WHERE org = o AND request = q)"
title[range]='20 tokens of a request'
ours[range]="rama.select_one('llm', jsonb_build_array(o, q, 'tokens', '[\"srange\", $from, $to]'::jsonb))"
theirs[range]="(SELECT jsonb_agg(token ORDER BY index) FROM tokens WHERE org = o AND request = q AND index >= $from AND index < $to)"
title[page]='a page of 20 requests'
ours[page]="rama.select_one('llm', jsonb_build_array(o, jsonb_build_array('sorted-map-range-from', q, 20), '[\"view\", \"keys\"]'::jsonb))"
theirs[page]="(SELECT jsonb_agg(request) FROM (SELECT request FROM requests WHERE org = o AND request >= q ORDER BY request LIMIT 20) r)"
title[top]='top 10 of an hour'
ours[top]="rama.get('top', h)"
theirs[top]="(SELECT jsonb_agg(t) FROM (SELECT url, count FROM hits WHERE hour = h ORDER BY count DESC LIMIT 10) t)"
for name in "${query[@]}"; do
	timed "ours_$name" "x := ${ours[$name]}"
	timed "theirs_$name" "x := ${theirs[$name]}"
done
{
	for name in "${query[@]}"; do
		echo "SELECT ours_$name(100), theirs_$name(100) \\g /dev/null"
	done
	for ((run = 0; run < runs; run++)); do
		for name in "${query[@]}"; do
			echo "SELECT ours_$name($queries) \\g |cat >>$RAMA_WORK/tokens.ours.$name"
			echo "SELECT theirs_$name($queries) \\g |cat >>$RAMA_WORK/tokens.theirs.$name"
		done
	done
} | sql -At
for name in "${query[@]}"; do
	[ $name = top ] && target='own <= 100' || target='>= 1'
	row "${title[$name]}, in the server" us "$(median "$RAMA_WORK/tokens.ours.$name")" \
		"$(median "$RAMA_WORK/tokens.theirs.$name")" 'plain tables' "$target" lower
done

# p99 NAME STATEMENT: over a socket, prepared, in microseconds
p99()
{
	as_user mkdir -p "$RAMA_WORK/tokens.log"
	printf '%s\n' '\set o random(1, '"$share"')' '\set n random(1, '"$requests"')' '\set i random(0, 99)' "$2;" |
		as_user tee "$RAMA_WORK/tokens.log/$1.sql" >/dev/null
	(cd "$RAMA_WORK/tokens.log" && as_user "$RAMA_BIN/pgbench" -h "$RAMA_WORK" -U postgres -n -M prepared -t 3000 -l --log-prefix="$1" -f "$1.sql" bench >/dev/null 2>&1)
	cat "$RAMA_WORK/tokens.log/$1."[0-9]* | awk 'NR > 100 { print $3 }' | sort -n | awk '{ v[NR] = $1 } END { print v[int(NR * 0.99)] }' |
		tee -a "$RAMA_WORK/p99.$1" | sed "s/^/$1, p99 over a socket: /; s/$/ us/"
	as_user rm "$RAMA_WORK/tokens.log/$1."[0-9]*
}

# Requests are looked up by number outside of what is measured: a table of them.
# "SELECT 1" is what the socket and the machine take.
sql -c "CREATE FUNCTION r(o int, n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS 'SELECT md5(o || ''.'' || n)::uuid'"
for name in all count range page; do
	mine=${ours[$name]} their=${theirs[$name]}
	for part_of in o q; do
		[ $part_of = o ] && by=':o::bigint' || by='md5(:o || \x27.\x27 || :n)::uuid'
		mine=$(printf '%s' "$mine" | sed -E "s/\\b$part_of\\b/${by//&/\\&}/g")
		their=$(printf '%s' "$their" | sed -E "s/(= |>= )$part_of\\b/\\1${by//&/\\&}/g")
	done
	for ((run = 0; run < runs; run++)); do
		p99 "ours.$name" "SELECT $mine"
		p99 "theirs.$name" "SELECT $their"
		p99 one 'SELECT 1'
	done
	row "${title[$name]}, p99 over a socket" us "$(median "$RAMA_WORK/p99.ours.$name")" "$(median "$RAMA_WORK/p99.theirs.$name")" \
		'plain tables' 'own <= 200' lower
done
echo "SELECT 1, p99 over a socket: $(median "$RAMA_WORK/p99.one") us"
sql -o /dev/null -c 'DROP TABLE log, single, bursts, top, hits, llm, orgs, requests, tokens, position, gather CASCADE' 2>/dev/null
