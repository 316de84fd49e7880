# A standby's pstate indexes have what the primary's have after each of many
# steps, page by page (wal_consistency_checking), while the primary logs under
# the own resource manager, or generically, or has not preloaded the library;
# so have those of a promoted standby and of a restored backup.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;
use RamaIndex;

my $primary = rama_node('index_primary',
	init => { allows_streaming => 1, has_archiving => 1 },
	conf => "wal_consistency_checking = 'all, pg_rama'\nwal_keep_size = 2GB\nautovacuum = off");
create_indexed($primary, 't');
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('index_standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', 'hot_standby_feedback = off');
$standby->start;

# PostgreSQL reads "all" before there are resource managers of libraries.
my %modes = (
	custom => "shared_preload_libraries = 'pg_rama'\npg_rama.custom_wal = on\nwal_consistency_checking = 'all, pg_rama'",
	generic => "shared_preload_libraries = 'pg_rama'\npg_rama.custom_wal = off\nwal_consistency_checking = 'all, pg_rama'",
	'not preloaded' => "shared_preload_libraries = ''\nwal_consistency_checking = 'all'");

my @steps = (
	[ 'insertion', RamaIndex::rows_sql('t', 1500) ],
	[ 'one by one', q{DO $$ BEGIN FOR i IN 1 .. 300 LOOP } . RamaIndex::rows_sql('t', 1) . q{; END LOOP; END $$} ],
	[ 'updates', 'UPDATE t SET key = key + 1 WHERE id % 3 = 0' ],
	[ 'few rows updated often', q{DO $$ BEGIN FOR i IN 1 .. 300 LOOP UPDATE t SET value = value + 1 WHERE id = (SELECT min(id) FROM t); COMMIT; END LOOP; END $$} ],
	[ 'dead entries found by scans', q{SET enable_seqscan = off; DELETE FROM t WHERE key = 7; SELECT count(*) FROM t WHERE key = 7; SELECT count(*) FROM t WHERE key = 7} ],
	[ 'deletion', q{DELETE FROM t WHERE id % 60 IN (SELECT (random() * 59)::int FROM generate_series(1, 15))} ],
	[ 'vacuum', 'VACUUM (INDEX_CLEANUP on) t' ],
	[ 'pages used again', RamaIndex::rows_sql('t', 800) ],
	[ 'all deleted and vacuumed', 'CREATE TABLE rest AS SELECT * FROM t; DELETE FROM t; VACUUM (INDEX_CLEANUP on) t; INSERT INTO t SELECT * FROM rest; DROP TABLE rest' ],
	[ 'reindex', 'REINDEX TABLE t; REINDEX INDEX CONCURRENTLY t_key' ],
	[ 'truncation', 'CREATE TABLE rest AS SELECT * FROM t LIMIT 1000; TRUNCATE t; INSERT INTO t SELECT * FROM rest; DROP TABLE rest' ]);

my %points;						# what the table had at restore points
my $rounds = soak() ? 10 : 1;
foreach my $round (1 .. $rounds)
{
	foreach my $mode ('generic', 'custom', 'not preloaded')
	{
		my $wrong = '';

		$primary->append_conf('postgresql.conf', $modes{$mode});
		$primary->restart;
		foreach my $step (@steps)
		{
			my ($name, $sql) = @$step;

			$primary->safe_psql('postgres', $sql);
			$primary->wait_for_catchup($standby);
			my $expected = table_answers($primary, 't');

			$wrong .= "$name: primary\n" if index_answers($primary, 't') ne $expected;
			$wrong .= "$name: standby\n" if index_answers($standby, 't') ne $expected;
		}
		is($wrong, '', "the standby's indexes have what the table has, $mode, round $round");
		is(index_problems($primary, 't'), '', "the primary's are sound");
		is(index_problems($standby, 't'), '', "and the standby's");
		my $point = 'point ' . scalar keys %points;

		$points{$point} = table_answers($primary, 't');
		$primary->safe_psql('postgres', "SELECT pg_create_restore_point('$point')");
	}
}
unlike(slurp_file($standby->logfile), qr/inconsistent page|PANIC/, 'pages are the same');
$primary->safe_psql('postgres', 'SELECT pg_switch_wal()');

# The restored backup, up to a point in the middle.
my $restored = PostgreSQL::Test::Cluster->new('index_restored');
$restored->init_from_backup($primary, 'base', has_restoring => 1);
$restored->append_conf('postgresql.conf', "recovery_target_name = 'point 1'\nrecovery_target_action = 'promote'");
$restored->start;
$restored->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'no promotion';
is(index_answers($restored, 't'), $points{'point 1'}, 'a backup restored up to a point has what the table had');
is(index_problems($restored, 't'), '', 'its indexes are sound');
$restored->stop;

$primary->wait_for_catchup($standby);
$primary->stop('immediate');
$standby->promote;
is(index_problems($standby, 't'), '', 'the indexes of the promoted standby are sound');
add_rows($standby, 't', 500);
is(index_answers($standby, 't'), table_answers($standby, 't'), 'and go on');

$standby->stop;
done_testing();
