# Scans of pstate indexes beside VACUUM, on the primary and on a standby: an
# index-only scan that has read entries returns none whose row was dead, though
# VACUUM has removed them, and set the bits of the visibility map, since. Entries
# that scans find to be dead are passed over by the next ones.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $primary = rama_node('primary', init => { allows_streaming => 1 }, conf => q{
autovacuum = off
enable_seqscan = off
enable_bitmapscan = off
enable_sort = off
max_standby_streaming_delay = -1
});
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

# ---- Index-only scans ----

# Ten rows a page. A cursor that has returned some rows at an end keeps a pin on
# their page, which replay of VACUUM would wait for: none of those is dead.
sub create_rows
{
	my ($table) = @_;

	$primary->safe_psql('postgres', qq{
CREATE TABLE $table (k int, filler text);
INSERT INTO $table SELECT k, repeat('x', 700) FROM generate_series(1, 600) k;
CREATE INDEX ON $table USING pstate (k)});

	# So that there is a visibility map when the scans begin
	$primary->safe_psql('postgres', "VACUUM $table");
	$primary->safe_psql('postgres', "DELETE FROM $table WHERE k % 3 = 0 AND k BETWEEN 15 AND 585");
	$primary->wait_for_catchup($standby);
	return;
}

# VACUUM, which does not flush its WAL itself
sub vacuum_rows
{
	my ($table) = @_;

	$primary->safe_psql('postgres', "VACUUM $table");
	$primary->safe_psql('postgres', 'SELECT pg_switch_wal()');
	$primary->wait_for_catchup($standby);
	return;
}

my $expected = join("\n", grep { $_ % 3 != 0 || $_ < 15 || $_ > 585 } 1 .. 600);

foreach my $node ($primary, $standby)
{
	foreach my $order ('ASC', 'DESC')
	{
		my $table = $node->name . lc $order;
		my $query = "SELECT k FROM $table ORDER BY k $order";

		create_rows($table);
		like($node->safe_psql('postgres', "EXPLAIN $query"), qr/^Index Only Scan/, "an index-only scan, $table");

		my $session = $node->background_psql('postgres');
		my $rows = $session->query_safe("BEGIN ISOLATION LEVEL REPEATABLE READ; DECLARE c CURSOR FOR $query; FETCH 5 FROM c");

		vacuum_rows($table);
		$rows .= "\n" . $session->query_safe('FETCH ALL FROM c');
		is(join("\n", sort { $a <=> $b } split /\n/, $rows), $expected, "rows that VACUUM removes are not returned, $table");
		$session->query_safe('COMMIT');
		$session->quit;
	}
}

# The map has bits by now, which are used.
like($standby->safe_psql('postgres', 'EXPLAIN (ANALYZE, COSTS OFF) SELECT k FROM standbyasc'), qr/Heap Fetches: 0/,
	'a standby has no need of the rows where all are visible');

# ---- Dead entries ----

$primary->safe_psql('postgres', q{
CREATE FUNCTION blocks(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ' || query INTO plan;
	ASSERT plan->0->'Plan'->>'Node Type' LIKE 'Index%Scan', plan;
	RETURN (plan->0->'Plan'->>'Shared Hit Blocks')::bigint + (plan->0->'Plan'->>'Shared Read Blocks')::bigint
		+ (plan->0->'Plan'->>'Local Hit Blocks')::bigint;
END $$});

foreach my $kind ('', 'UNLOGGED', 'TEMP')
{
	foreach my $setting ('on', 'off')
	{
		my $only = $setting eq 'on' ? 'index-only scan' : 'index scan';
		my $name = "dead entries are passed over, $only" . ($kind ? ', ' . lc($kind) . ' table' : '');

		# A transaction of another session may keep them alive for a while.
		my $result = $primary->safe_psql('postgres', qq{
SET enable_indexonlyscan = $setting;
SET client_min_messages = error;
DROP TABLE IF EXISTS dead;
CREATE $kind TABLE dead (k int, filler text);
INSERT INTO dead SELECT k, repeat('x', 500) FROM generate_series(1, 2000) k;
CREATE INDEX ON dead USING pstate (k);
DELETE FROM dead WHERE k <= 1500;
DO \$\$
DECLARE
	first bigint := blocks('SELECT k FROM dead WHERE k <= 1600');
	now bigint;
BEGIN
	FOR i IN 1 .. 1000 LOOP
		COMMIT;
		now := blocks('SELECT k FROM dead WHERE k <= 1600');
		EXIT WHEN now < first / 4;
	END LOOP;
	ASSERT now < first / 4, format('%s blocks, then %s', first, now);
END \$\$;
SELECT count(*), min(k), max(k) FROM dead});
		is($result, '500|1501|2000', $name);
	}
}

$standby->stop;
$primary->stop;
done_testing();
