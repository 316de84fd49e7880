# While an old snapshot keeps every version of the rows that each batch
# changes, batches cost what they cost before: nothing walks the versions.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $batches = soak() ? 20000 : 5000;
my $slice = 1000;
my $appended = 0;

my $node = rama_node('hot_rows', conf => q{
autovacuum = off
synchronous_commit = off
});

$node->safe_psql('postgres', q{
BEGIN;
SELECT rama.create_depot('clicks', 'name text');
SELECT rama.create_pstate('counter', 'map(text, bigint)');
CREATE FUNCTION on_click(e clicks) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM rama.add('counter', e.name, 1);
END $$;
SELECT rama.create_topology('count_all', 'stream', 'clicks', each => 'on_click',
	writes => '{counter}', options => '{"batch_max": 1}');
COMMIT});

# Appends so many events, and waits until each has been a batch of its own, and
# the worker has handed in its statistics.
sub run_batches
{
	my ($n) = @_;

	$appended += $n;
	$node->safe_psql('postgres', "INSERT INTO clicks SELECT 'a' FROM generate_series(1, $n)");
	eventually($node, 'postgres',
		"SELECT n_tup_upd >= $appended FROM pg_stat_all_tables WHERE relid = 'count_all'::regclass");
	return;
}

# CPU time of the worker, in microseconds.
sub worker_cpu
{
	my $pid = $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_rama worker'");

	return (split ' ', slurp_file("/proc/$pid/schedstat"))[0] / 1000;
}

# What was read so far in the tables of a batch and their indexes.
sub readings
{
	return { split /[|\n]/, $node->safe_psql('postgres', q{
SELECT relname || ' pages', heap_blks_hit + heap_blks_read + coalesce(idx_blks_hit + idx_blks_read, 0)
FROM pg_statio_all_tables WHERE relname = ANY ('{count_all,pstate_version,clicks,counter}')
UNION ALL
SELECT relname || ' rows', seq_tup_read + coalesce(idx_tup_fetch, 0)
FROM pg_stat_all_tables WHERE relname = ANY ('{count_all,pstate_version,clicks,counter}')
UNION ALL
SELECT relname || ' entries', sum(idx_tup_read)
FROM pg_stat_all_indexes WHERE relname = ANY ('{pstate_version,clicks,counter}') GROUP BY relname}) };
}

# CPU per batch, and readings per batch, of a slice of batches.
sub measure
{
	my $cpu = worker_cpu();
	my $before = readings();

	run_batches($slice);
	$cpu = (worker_cpu() - $cpu) / $slice;
	my $after = readings();
	return ($cpu, { map { $_ => ($after->{$_} - $before->{$_}) / $slice } keys %$after });
}

run_batches(100);
my ($cpu_without) = measure();

my $old = $node->background_psql('postgres');
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
is($old->query_safe(q{SELECT rama.get('counter', 'a')}), $appended,
	'the old snapshot sees the counter');
my ($cpu_first, $first) = measure();
run_batches($batches - 2 * $slice);
my ($cpu_last, $last) = measure();

figure(sprintf 'worker CPU per batch of one event: %.0f us; under an old snapshot %.0f us, after %d batches %.0f us',
	$cpu_without, $cpu_first, $batches - $slice, $cpu_last);
foreach my $what (sort keys %$first)
{
	cmp_ok($last->{$what}, '<=', $first->{$what} + 0.5, "$what per batch: as few as before");
	note(sprintf '%s: %.2f, %.2f', $what, $first->{$what}, $last->{$what});
}
is($last->{'count_all rows'}, 0, 'the progress is not looked for');
is($last->{'pstate_version rows'}, 0, 'nor is the version');
is($last->{'counter rows'}, 0, 'nor is the counter');

is($node->safe_psql('postgres', q{
SELECT version, count, rama.get('counter', 'a') FROM rama.pstates WHERE name = 'counter'}),
	"$appended|1|$appended", 'each event was a batch of its own');
is($node->safe_psql('postgres', q{SELECT batch FROM count_all}), $appended,
	'and counted as one');
is($old->query_safe(q{SELECT rama.get('counter', 'a')}), 100 + $slice,
	'the old snapshot sees what it saw');
$old->quit;
done_testing();
