# Everything at once on pstate indexes: inserts, updates, deletes of ranges,
# rows in batches as the flush of a PState inserts them, scans and cursors in both directions that compare what they find with
# a sequential scan's rows of the same snapshot, and VACUUM. In the end the
# indexes are intact, and say what the table does. And 1 000 hot keys whose
# rows get version after version stay few pages without VACUUM.
#
# 10 seconds and 40 000 versions; 120 and 2 000 000 with --soak, or
# RAMA_SOAK_SECONDS. RAMA_SEED repeats the choices.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $seconds = $ENV{RAMA_SOAK_SECONDS} || (soak() ? 120 : 10);
my $seed = $ENV{RAMA_SEED} || int(rand(2**31));
my $node = rama_node('index_soak', conf => q{
autovacuum = off
max_wal_size = 2GB
synchronous_commit = off
});

note("RAMA_SEED=$seed");

sub script
{
	my ($name, $sql) = @_;
	my $path = "$PostgreSQL::Test::Utils::tmp_check/$name.sql";

	append_to_file($path, $sql);
	return $path;
}

# Runs scripts ([weight, path]...) by so many clients; the rest are options.
sub pgbench
{
	my ($name, $clients, $scripts, @options) = @_;
	my ($out, $err) = ('', '');
	my @command = ('pgbench', '-n', '-M', 'prepared', '-c', $clients, '-j', 2,
		'--max-tries=100', "--random-seed=$seed", @options,
		(map { ('-f', "$_->[1]\@$_->[0]") } @$scripts),
		'-h', $node->host, '-p', $node->port, 'postgres');

	return { name => $name, out => \$out, err => \$err,
		run => IPC::Run::start(\@command, '>', \$out, '2>', \$err) };
}

sub finish
{
	my ($bench) = @_;
	my $ok = $bench->{run}->finish;
	my ($n) = ${ $bench->{out} } =~ /actually processed: (\d+)/;

	ok($ok && ${ $bench->{err} } !~ /ERROR|aborted/, $bench->{name})
	  or diag(${ $bench->{out} }, ${ $bench->{err} });
	return $n // 0;
}

my $sql = q{
CREATE TABLE soak (id int, k text COLLATE "C", n int, pad text);
INSERT INTO soak SELECT i, 'group ' || i / 100 % 40 || '/' || i, i % 7, 'x' FROM generate_series(1, 20000, 2) i;
CREATE UNIQUE INDEX soak_id ON soak USING pstate (id);
CREATE INDEX soak_k ON soak USING pstate (k rama.text_c_ops, n DESC) INCLUDE (pad);
CREATE INDEX soak_n ON soak USING pstate (n NULLS FIRST);
CREATE INDEX soak_even ON soak USING pstate (id DESC) WHERE id % 2 = 0;

CREATE FUNCTION soak_put(i int, v int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO soak VALUES (i, 'group ' || i / 100 % 40 || '/' || i, nullif(v % 7, 6), repeat('x', v % 50));
EXCEPTION WHEN unique_violation THEN
	UPDATE soak SET n = nullif(v % 7, 6) WHERE id = i;
END $$;

CREATE FUNCTION insert_many(regclass, text) RETURNS int LANGUAGE c STRICT AS 'INSERT_MANY';

CREATE FUNCTION soak_fill(lo int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO soak SELECT i, 'group ' || i / 100 % 40 || '/' || i, i % 5, 'f' FROM generate_series(lo, lo + 100) i
	WHERE NOT EXISTS (SELECT FROM soak WHERE id = i);
EXCEPTION WHEN unique_violation THEN
END $$;

-- A run, and what is scattered; the few ids that are not looked for may be there.
CREATE FUNCTION soak_batch(lo int, n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM insert_many('soak', format($q$
		SELECT i::int, 'group ' || i / 100 %% 40 || '/' || i, (i %% 5)::int, 'b'::text
		FROM (SELECT i FROM generate_series(%1$s, %1$s + %2$s) i
			UNION SELECT (random() * 20000)::int FROM generate_series(1, %2$s / 2)) i
		WHERE i %% 500 = 0 OR NOT EXISTS (SELECT FROM soak WHERE id = i)$q$, lo, n));
EXCEPTION WHEN unique_violation THEN
END $$;

-- What a query finds by index, there and back, against what the table has.
CREATE FUNCTION soak_same(what text, query text, there text, back text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	rows text[];
	found text[];
BEGIN
	SET LOCAL enable_sort = off;
	SET LOCAL enable_bitmapscan = off;
	SET LOCAL enable_indexscan = off;
	SET LOCAL enable_indexonlyscan = off;
	SET LOCAL enable_seqscan = on;
	EXECUTE format('SELECT coalesce(array_agg(r::text), ''{}'') FROM (%s ORDER BY %s) r', query, there) INTO rows;
	SET LOCAL enable_indexscan = on;
	SET LOCAL enable_indexonlyscan = on;
	SET LOCAL enable_seqscan = off;
	EXECUTE format('SELECT coalesce(array_agg(r::text), ''{}'') FROM (%s ORDER BY %s) r', query, there) INTO found;
	IF found <> rows THEN
		RAISE EXCEPTION '% forward: % rows, not %: % / %', what, cardinality(found), cardinality(rows), found, rows;
	END IF;
	EXECUTE format('SELECT coalesce(array_agg(r::text ORDER BY i DESC), ''{}'') FROM (SELECT r, row_number() OVER () AS i FROM (%s ORDER BY %s) r) r', query, back) INTO found;
	IF found <> rows THEN
		RAISE EXCEPTION '% backward: % rows, not %: % / %', what, cardinality(found), cardinality(rows), found, rows;
	END IF;
	SET LOCAL enable_sort = on;
	SET LOCAL enable_indexscan = off;
	SET LOCAL enable_indexonlyscan = off;
	SET LOCAL enable_bitmapscan = on;
	EXECUTE format('SELECT coalesce(array_agg(r::text), ''{}'') FROM (%s ORDER BY %s) r', query, there) INTO found;
	IF found <> rows THEN
		RAISE EXCEPTION '% bitmap: % rows, not %: % / %', what, cardinality(found), cardinality(rows), found, rows;
	END IF;
END $$;

CREATE FUNCTION soak_compare(lo int, which int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	CASE which
	WHEN 0 THEN
		PERFORM soak_same('id', format('SELECT id, n FROM soak WHERE id BETWEEN %s AND %s', lo, lo + 1000), 'id', 'id DESC');
	WHEN 1 THEN
		PERFORM soak_same('k', format('SELECT k, n, pad FROM soak WHERE k >= %L AND k < %L', 'group ' || lo % 40, 'group ' || lo % 40 || '/x'),
			'k, n DESC', 'k DESC, n');
	WHEN 2 THEN
		PERFORM soak_same('even', format('SELECT id FROM soak WHERE id %% 2 = 0 AND id > %s', lo), 'id DESC', 'id');
	ELSE
		PERFORM soak_same('n', 'SELECT n FROM soak WHERE n = 3 OR n IS NULL', 'n NULLS FIRST', 'n DESC NULLS LAST');
	END CASE;
END $$;

-- A cursor that goes to and fro while the index changes under it
CREATE FUNCTION soak_walk(lo int, steps int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	rows int[];
	c refcursor;
	at int := 0;
	got int;
BEGIN
	SET LOCAL enable_seqscan = off;
	SET LOCAL enable_bitmapscan = off;
	SET LOCAL enable_sort = off;
	rows := ARRAY(SELECT id FROM soak WHERE id + 0 BETWEEN lo AND lo + 2000);
	rows := ARRAY(SELECT unnest(rows) ORDER BY 1);
	OPEN c SCROLL FOR SELECT id FROM soak WHERE id BETWEEN lo AND lo + 2000 ORDER BY id;
	FOR i IN 1..steps LOOP
		IF random() < 0.6 THEN
			FETCH NEXT FROM c INTO got;
			at := least(at + 1, cardinality(rows) + 1);
		ELSE
			FETCH PRIOR FROM c INTO got;
			at := greatest(at - 1, 0);
		END IF;
		IF got IS DISTINCT FROM rows[at] THEN
			RAISE EXCEPTION 'step % at %: % instead of %', i, at, got, rows[at];
		END IF;
		IF i % 100 = 0 THEN
			MOVE FORWARD 200 FROM c;
			at := least(at + 200, cardinality(rows) + 1);
		END IF;
	END LOOP;
	CLOSE c;
END $$;
};

$sql =~ s/INSERT_MANY/program('insert_many.so')/e;
$node->safe_psql('postgres', $sql);

my $write = script('write', q{
\set i random(1, 20000)
\set v random(0, 1000)
SELECT soak_put(:i, :v);
});
my $key = script('key', q{
\set i random(1, 20000)
\set v random(0, 1000)
UPDATE soak SET k = 'group ' || :v % 40 || '/' || :i, n = n + 1 WHERE id = :i;
});
my $hot = script('hot', q{
\set i random_zipfian(1, 20000, 1.1)
\set v random(0, 1000)
UPDATE soak SET pad = repeat('y', :v % 60) WHERE id = :i;
});
my $delete = script('delete', q{
\set i random(1, 20000)
\set hi :i + random(1, 400)
DELETE FROM soak WHERE id BETWEEN :i AND :hi;
});
my $fill = script('fill', q{
\set i random(1, 20000)
SELECT soak_fill(:i);
});
my $batch = script('batch', q{
\set i random(1, 20000)
\set n random(1, 400)
SELECT soak_batch(:i, :n);
});
my $rollback = script('rollback', q{
\set i random(1, 20000)
BEGIN;
INSERT INTO soak SELECT -i, 'rolled back', 1, NULL FROM generate_series(:i * 1000, :i * 1000 + 200) i;
DELETE FROM soak WHERE id = :i;
ROLLBACK;
});
my $compare = script('compare', q{
\set lo random(1, 20000)
\set which random(0, 3)
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT soak_compare(:lo, :which);
COMMIT;
});
my $walk = script('walk', q{
\set lo random(1, 18000)
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT soak_walk(:lo, 400);
COMMIT;
});
my $vacuum = script('vacuum', q{VACUUM soak;});

my @running = (
	pgbench('writers', 5, [ [ 40, $write ], [ 20, $key ], [ 30, $hot ], [ 3, $delete ], [ 3, $fill ], [ 4, $batch ], [ 2, $rollback ] ], '-T', $seconds),
	pgbench('readers', 3, [ [ 2, $compare ], [ 1, $walk ] ], '-T', $seconds),
	pgbench('vacuum', 1, [ [ 1, $vacuum ] ], '-T', $seconds, '--rate=10'));
my @done = map { finish($_) } @running;

figure(sprintf('seed %d, %d s: %d writing transactions, %d scans compared, %d vacuums', $seed, $seconds, @done));
foreach my $index (qw(soak_id soak_k soak_n soak_even))
{
	is($node->safe_psql('postgres', "SELECT rama.check_index('$index')"), '', "$index is intact");
}
$node->safe_psql('postgres', "SELECT soak_compare(0, which) FROM generate_series(0, 3) which");
pass('indexes and table are the same');

# Versions of few rows, which HOT cannot help: an indexed column changes.
my $versions = soak() ? 2_000_000 : 40_000;

$node->safe_psql('postgres', q{
CREATE TABLE hot (id int, n int, pad text);
INSERT INTO hot SELECT i, 0, repeat('x', 100) FROM generate_series(1, 1000) i;
CREATE UNIQUE INDEX hot_id ON hot USING pstate (id);
CREATE UNIQUE INDEX hot_btree ON hot (id);
CREATE INDEX hot_n ON hot (n);
});
my $version = script('version', q{
\set i random(1, 1000)
UPDATE hot SET n = n + 1 WHERE id = :i;
});
finish(pgbench('versions', 4, [ [ 1, $version ] ], '-t', $versions / 4));
is($node->safe_psql('postgres', "SELECT rama.check_index('hot_id')"), '', 'hot_id is intact');
my ($pstate, $btree) = split /\|/, $node->safe_psql('postgres',
	"SELECT pg_relation_size('hot_id') / 8192, pg_relation_size('hot_btree') / 8192");

figure("$versions versions of 1000 rows: $pstate pages, btree $btree");
cmp_ok($pstate, '<=', $btree * 1.25 + 2, 'hot keys stay small');

$node->stop;
done_testing();
