# Standbys are promoted while events come and topologies work: state equals a
# recomputation from the depot of the new primary, again and again. Appenders
# follow the primary by themselves.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $rounds = $ARGV[0] // (soak() ? 30 : 3);
my $primary = rama_node('p0', init => { allows_streaming => 1 }, conf => 'restart_after_crash = on');
create_recorders($primary, 'postgres');
create_counters($primary, 'postgres');
my $events = 0;

foreach my $round (1 .. $rounds)
{
	my $how = (qw(immediate fast kill9))[ $round % 3 ];
	my $standby = PostgreSQL::Test::Cluster->new("p$round");

	$primary->backup("b$round", backup_options => [ '--checkpoint=fast' ]);
	$standby->init_from_backup($primary, "b$round", has_streaming => 1);
	$standby->start;
	my $log = $standby->logfile;
	my $load = start_load(
		sprintf("host='%s,%s' port='%s,%s' dbname=postgres target_session_attrs=read-write connect_timeout=3",
			$primary->host, $standby->host, $primary->port, $standby->port),
		writers => 6);
	my $position = $primary->safe_psql('postgres', 'SELECT last_value FROM events__offset_seq');

	eventually($primary, 'postgres', "SELECT last_value > $position + 500 FROM events__offset_seq");
	eventually($primary, 'postgres', q{SELECT count(*) > 0 FROM pg_stat_replication WHERE state = 'streaming'});
	is($standby->safe_psql('postgres', q{SELECT DISTINCT state FROM rama.status WHERE kind = 'stream'}), 'standby',
		"round $round: rama.status of the standby");
	is($standby->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_rama worker'}), '0',
		"round $round: no worker on the standby");
	if ($how eq 'kill9')
	{
		kill_postmaster($primary);
	}
	else
	{
		$primary->stop($how);
	}
	my $start = time;
	$standby->promote;
	$position = $standby->safe_psql('postgres', 'SELECT last_value FROM events__offset_seq');
	eventually($standby, 'postgres', "SELECT last_value > $position + 300 FROM events__offset_seq");
	stop_load($load, $standby, 'postgres');
	recomputed($standby, 'postgres', "round $round, primary ended by $how");
	is($standby->safe_psql('postgres', q{SELECT string_agg(DISTINCT state, ' ') FROM rama.status WHERE kind IN ('stream', 'microbatch')}),
		'idle', "round $round: rama.status of the new primary");
	unlike(slurp_file($log), qr/PANIC|TRAP|terminated by signal|ERROR:/, "round $round: the log of the new primary");
	$primary = $standby;
}
figure(sprintf('%s promotions under load, %s events', $rounds,
		$primary->safe_psql('postgres', 'SELECT count(*) FROM events')));
$primary->stop;
done_testing();
