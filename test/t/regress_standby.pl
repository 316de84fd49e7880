# The regression tests of indexes and PStates (all, with --soak) pass on a
# server that has a standby, which finds every page to be the same
# (wal_consistency_checking).
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $primary = rama_node('regress_primary',
	init => { allows_streaming => 1, extra => [ '--no-locale', '--encoding=UTF8' ] },
	conf => "wal_consistency_checking = 'all, pg_rama'\nwal_keep_size = 4GB\nmax_connections = 100\nfsync = off");
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('regress_standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', 'max_standby_streaming_delay = 0');
$standby->start;

my @tests = map { m{([^/]+)\.sql$} } sort glob "$ENV{RAMA_SRC}/sql/*.sql";
@tests = grep { /^(?:index|pstate|path)/ } @tests unless soak();
my $output = PostgreSQL::Test::Utils::tempdir();

$ENV{PG_ABS_SRCDIR} = $ENV{RAMA_SRC};
foreach my $custom ('on', 'off')
{
	$primary->append_conf('postgresql.conf', "pg_rama.custom_wal = $custom");
	$primary->restart;
	ok( run_log([ $ENV{PG_REGRESS}, '--bindir=', "--inputdir=$ENV{RAMA_SRC}", "--outputdir=$output",
				'--host=' . $primary->host, '--port=' . $primary->port,
				'--dbname=contrib_regression', '--load-extension=pg_rama', @tests ]),
		"regression tests pass, custom_wal = $custom");
	diag(slurp_file("$output/regression.diffs")) if -s "$output/regression.diffs";
	$primary->wait_for_catchup($standby);
	unlike(slurp_file($standby->logfile), qr/inconsistent page|PANIC/, 'the pages of the standby are the same');
}

$standby->stop;
$primary->stop;
done_testing();
