# VACUUM of pstate indexes: under full turnover they stay as large as they were,
# whatever the pattern; emptied pages are used again, and found after a crash
# has lost the free space map; index-only scans beside VACUUM never show rows
# that are not there.
#
# Ten rounds of 20 000 rows; of 500 000 with --soak.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $rows = soak() ? 500_000 : 20_000;
my $seconds = soak() ? 60 : 5;
my $node = rama_node('index_vacuum', conf => q{
autovacuum = off
max_wal_size = 2GB
synchronous_commit = off
deadlock_timeout = 50ms
});

sub sql
{
	return $node->safe_psql('postgres', $_[0]);
}

sub pages
{
	my ($index) = @_;

	return sql("SELECT pg_relation_size('$index') / current_setting('block_size')::int");
}

# What VACUUM says of an index
sub vacuum_report
{
	my ($table, $index) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', "VACUUM (VERBOSE, INDEX_CLEANUP on) $table");
	my ($total, $newly, $deleted, $free) = $err =~
	  /index "$index": pages: (\d+) in total, (\d+) newly deleted, (\d+) currently deleted, (\d+) reusable/;

	die "VACUUM said nothing of $index: $err" unless defined $free;
	return { total => $total, newly => $newly, deleted => $deleted, free => $free };
}

# Ten rounds, each in ten parts of replacing rows and VACUUM: the index is as
# large at the end as after the first one.
sub turnover
{
	my ($name, $table, $index, $part) = @_;
	my $round = sub {
		my ($n) = @_;
		join '', map { $part->($n, $_) . ";\nVACUUM (INDEX_CLEANUP on) $table;\n" } 0 .. 9;
	};
	my ($first, $last);

	sql($round->(1));
	$first = pages($index);
	sql(join '', map { $round->($_) } 2 .. 10);
	$last = pages($index);
	cmp_ok($last, '<=', 1.1 * $first, "$name: as large after 10 rounds as after the first");
	figure("$name: $last pages after 10 rounds, $first after the first, "
		. fresh_pages($index) . ' when built anew');
	return;
}

# Checks the index, and tells how large it would be.
sub fresh_pages
{
	my ($index) = @_;

	sql("SELECT rama.check_index('$index')");
	sql("REINDEX INDEX $index");
	return pages($index);
}

my $tenth = $rows / 10;

# A queue: the oldest go, the newest come.
sql(qq{
CREATE TABLE queue (id bigint, what text);
CREATE INDEX queue_id ON queue USING pstate (id);
CREATE INDEX queue_btree ON queue (id);
INSERT INTO queue SELECT i, 'x' FROM generate_series(1, $rows) i;
});
turnover('queue', 'queue', 'queue_id', sub {
	qq{DELETE FROM queue WHERE id IN (SELECT id FROM queue ORDER BY id LIMIT $tenth);
	INSERT INTO queue SELECT max + i, 'x' FROM generate_series(1, $tenth) i,
		(SELECT max(id) FROM queue) m}});

# Scattered keys, each of which gives way to another one
sql(qq{
CREATE TABLE scattered (n int, id uuid);
CREATE INDEX scattered_id ON scattered USING pstate (id) INCLUDE (n);
INSERT INTO scattered SELECT i, gen_random_uuid() FROM generate_series(1, $rows) i;
});
turnover('scattered', 'scattered', 'scattered_id', sub {
	my ($round, $i) = @_;
	"UPDATE scattered SET id = gen_random_uuid() WHERE n % 10 = $i"});

# The same keys, whose rows get new versions that are not HOT
sql(qq{
CREATE TABLE versions (id int, n int);
CREATE INDEX versions_id ON versions USING pstate (id);
CREATE INDEX versions_n ON versions USING pstate (n);
INSERT INTO versions SELECT i, 0 FROM generate_series(1, $rows) i;
});
turnover('versions', 'versions', 'versions_id', sub {
	my ($round, $i) = @_;
	"UPDATE versions SET n = n + 1 WHERE id % 10 = $i"});
turnover('few keys', 'versions', 'versions_n', sub {
	my ($round, $i) = @_;
	"UPDATE versions SET n = n + 1 WHERE id % 10 = $i"});

# A moving window of keys that come and go in groups
sql(qq{
CREATE TABLE groups (grp text COLLATE "C", n int);
CREATE INDEX groups_grp ON groups USING pstate (grp DESC, n);
INSERT INTO groups SELECT 'a rather long name of group ' || i % 10, i FROM generate_series(1, $rows) i;
});
turnover('groups', 'groups', 'groups_grp', sub {
	my ($round, $i) = @_;
	qq{DELETE FROM groups WHERE grp = 'a rather long name of group ' || $i;
	INSERT INTO groups SELECT 'a rather long name of group ' || $i, i + $round
		FROM generate_series(1, $tenth) i}});

# Most rows go: pages are merged, and used again before the file grows.
my $before = pages('queue_id');
my $kept = int($rows / 50);
sql("DELETE FROM queue WHERE id % 50 <> 0");
my $report = vacuum_report('queue', 'queue_id');
cmp_ok($report->{newly}, '>', $before * 0.8, 'pages with few entries are merged');
is($report->{free}, $report->{deleted}, 'deleted pages can be used at once');
sql("SELECT rama.check_index('queue_id')");
sql("INSERT INTO queue SELECT max + i, 'y' FROM generate_series(1, $rows - 2 * $kept) i,
	(SELECT max(id) FROM queue) m");
cmp_ok(pages('queue_id'), '<=', $before, 'free pages are used before the file grows');
sql("SELECT rama.check_index('queue_id')");

# All rows go, and come again.
sql('DELETE FROM queue');
$report = vacuum_report('queue', 'queue_id');
is($report->{total} - $report->{free}, 2, 'an emptied index is a root and the meta page');
sql("SELECT rama.check_index('queue_id')");
sql("INSERT INTO queue SELECT i, 'z' FROM generate_series(1, $rows) i");
cmp_ok(pages('queue_id'), '<=', $before * 1.1, 'an emptied index fills its old pages');
sql("SELECT rama.check_index('queue_id')");

# A crash may lose what the free space map knows; VACUUM finds it again.
sql("DELETE FROM queue WHERE id > $rows / 10");
sql('VACUUM queue');
$node->stop('immediate');
$node->start;
sql('DELETE FROM queue WHERE id = 1');
$report = vacuum_report('queue', 'queue_id');
cmp_ok($report->{free}, '>', $before / 2, 'free pages are found after a crash');
sql("SELECT rama.check_index('queue_id')");

# Scans under an MVCC snapshot hold no pins, and do not keep VACUUM waiting.
my $session = $node->background_psql('postgres');
$session->query_safe('SET enable_seqscan = off; SET enable_bitmapscan = off');
$session->query_safe('BEGIN; DECLARE c CURSOR FOR SELECT id FROM queue WHERE id > 0 ORDER BY id');
is($session->query_safe('FETCH 1 FROM c'), '2', 'a cursor is open');
succeeds_within($node, 'postgres', 'VACUUM (INDEX_CLEANUP on) queue', 30,
	'VACUUM does not wait for a cursor');
$session->quit;

# Index-only scans beside VACUUM, splits and reuse of tids: the sum of what a
# transaction moves between rows is always the same, each id there once.
sql(q{
CREATE TABLE account (id int, amount int);
INSERT INTO account SELECT i, 100 FROM generate_series(1, 2000) i;
CREATE INDEX account_id ON account USING pstate (id) INCLUDE (amount);
CREATE INDEX account_amount ON account USING pstate (amount, id);
VACUUM ANALYZE account;
CREATE FUNCTION look() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	n int;
	ids int;
	total int;
BEGIN
	SET LOCAL enable_seqscan = off;
	SET LOCAL enable_bitmapscan = off;
	SELECT count(*), count(DISTINCT id), sum(amount) INTO n, ids, total FROM account WHERE id > 0;
	IF n <> 2000 OR ids <> 2000 OR total <> 200000 THEN
		RAISE EXCEPTION 'by id: % rows, % ids, sum %', n, ids, total;
	END IF;
	SELECT count(*), count(DISTINCT id), sum(amount) INTO n, ids, total
		FROM (SELECT id, amount FROM account WHERE amount > -1000000 ORDER BY amount DESC, id DESC) a;
	IF n <> 2000 OR ids <> 2000 OR total <> 200000 THEN
		RAISE EXCEPTION 'by amount: % rows, % ids, sum %', n, ids, total;
	END IF;
END $$;
CREATE FUNCTION move(a int, b int, n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE account SET amount = amount + CASE id WHEN a THEN -n ELSE n END
		WHERE id IN (a, b) AND a <> b;
	GET DIAGNOSTICS n = ROW_COUNT;
	-- One was being replaced.
	IF n = 1 THEN
		RAISE serialization_failure;
	END IF;
END $$;
CREATE FUNCTION replace_some(a int) RETURNS void LANGUAGE sql AS $$
	WITH gone AS (DELETE FROM account WHERE id BETWEEN a AND a + 30 RETURNING *)
	INSERT INTO account SELECT * FROM gone $$;
});
like(sql('SET enable_seqscan = off; SET enable_bitmapscan = off;
	EXPLAIN (COSTS off) SELECT count(*), sum(amount) FROM account WHERE id > 0'),
	qr/Index Only Scan using account_id/, 'the scans are index-only');

my %scripts = (
	look => [ 2, "SELECT look();\n" ],
	move => [ 6, "\\set a random(1, 2000)\n\\set b random(1, 2000)\nSELECT move(:a, :b, 7);\n" ],
	replace => [ 2, "\\set a random(1, 2000)\nSELECT replace_some(:a);\n" ],
	vacuum => [ 1, "VACUUM (INDEX_CLEANUP on) account;\n" ]);
my @options;
foreach my $name (sort keys %scripts)
{
	my $path = "$PostgreSQL::Test::Utils::tmp_check/vacuum_$name.sql";

	append_to_file($path, $scripts{$name}[1]);
	push @options, '-f', "$path\@$scripts{$name}[0]";
}
my ($out, $err) = ('', '');
my $ok = IPC::Run::run([ 'pgbench', '-n', '-c', 6, '-j', 2, '-T', $seconds, '--max-tries=20',
	@options, '-h', $node->host, '-p', $node->port, 'postgres' ], '>', \$out, '2>', \$err);
ok($ok && $err !~ /ERROR|aborted/, 'index-only scans beside VACUUM see each row once')
  or diag($out, $err);
figure('index-only scans beside VACUUM: ' . ($out =~ /processed: (\d+)/)[0] . ' transactions');
sql("SELECT rama.check_index('account_id'), rama.check_index('account_amount')");

$node->stop;
done_testing();
