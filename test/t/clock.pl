# The machine's clock is set back and forth while topologies run: they go on at
# once, also those that back off from a failure, or were about to be started.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $node = PostgreSQL::Test::Cluster->new('clock');
$node->init;
$node->append_conf('postgresql.conf', rama_conf());
{
	local %ENV = fault_env();
	$node->start;
}
$node->safe_psql('postgres', 'CREATE EXTENSION pg_rama');
create_recorders($node, 'postgres');
create_counters($node, 'postgres');
$node->safe_psql('postgres', q{
BEGIN;
SELECT rama.create_depot('tries', 'n int');
CREATE TABLE done (n int);
CREATE FUNCTION try(e tries) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'not yet'; END $$;
SELECT rama.create_topology('trying', 'stream', 'tries', each => 'try', options => '{"backoff": "2 s"}');
SELECT rama.create_topology('slowly', 'microbatch', 'tries', sql => 'INSERT INTO done SELECT n FROM batch',
	options => '{"interval": "1 s"}');
COMMIT});

my $hour = 3600;
my $real = time;
my $slowest = 0;
my $marker = 1000;

# The topologies process what is appended now, in time.
sub goes_on
{
	my ($what) = @_;
	my $start = time;
	my $ok = 1;

	$marker++;
	$node->safe_psql('postgres', qq{INSERT INTO events (id, writer, kind) VALUES (-1, 0, 'clock'); INSERT INTO tries VALUES ($marker)});
	# rama.wait() would make it hurry.
	eventually($node, 'postgres', "SELECT count(*) > 0 FROM done WHERE n = $marker");
	foreach my $topology (qw(see_stream see_small see_large tally_kinds keep_log))
	{
		$ok &&= $node->safe_psql('postgres', "SELECT rama.wait('$topology', timeout => '20 s')") eq 't';
	}
	ok($ok, "topologies go on: $what");
	cmp_ok(time - $start, '<', 6, "at once: $what");
	$slowest = time - $start if time - $start > $slowest;
	return;
}

my $load = start_load($node->connstr('postgres'));
goes_on('no jump');
my $now = 0;
foreach my $jump (-1, 1, -24, 48, -1000, 0, -3, 0)
{
	faults(clock => $jump * $hour);
	my $shown = $node->safe_psql('postgres', 'SELECT round((extract(epoch FROM clock_timestamp()) - ' . time . ') / 3600)');
	is($shown, $jump, "the server's clock is off by $jump hours");
	goes_on("clock set by " . ($jump - $now) . " hours");
	$now = $jump;
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM rama.status WHERE lag_ms < 0'), '0', 'no negative lag');

# Back-off. Its time is in the row, and in the worker's memory.
foreach my $jump (-2, 0)
{
	eventually($node, 'postgres', q{SELECT attempts >= 2 FROM rama.status WHERE name = 'trying'});
	faults(clock => $jump * $hour);
	$node->safe_psql('postgres', q{
CREATE OR REPLACE FUNCTION try(e tries) RETURNS void LANGUAGE plpgsql AS $$ BEGIN INSERT INTO done VALUES (e.n); END $$});
	is($node->safe_psql('postgres', q{SELECT rama.wait('trying', timeout => '12 s')}), 't', "a back-off ends, clock at $jump hours");
	$node->safe_psql('postgres', q{
CREATE OR REPLACE FUNCTION try(e tries) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'not yet'; END $$;
INSERT INTO tries VALUES (1)});
}

# Another worker, which knows the row only, with a time that is hours ahead.
eventually($node, 'postgres', q{SELECT attempts >= 2 FROM rama.status WHERE name = 'trying'});
faults(clock => -5 * $hour);
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type ~ '^pg_rama'});
$node->safe_psql('postgres', q{
CREATE OR REPLACE FUNCTION try(e tries) RETURNS void LANGUAGE plpgsql AS $$ BEGIN INSERT INTO done VALUES (e.n); END $$});
is($node->safe_psql('postgres', q{SELECT rama.wait('trying', timeout => '12 s')}), 't', 'a back-off that another process began');
goes_on('the launcher and the workers were started anew');

# rama.wait() waits as long as it was told.
$node->safe_psql('postgres', q{SELECT rama.pause('slowly'); INSERT INTO tries VALUES (2)});
my $waiting = start_sql($node, 'postgres', q{SELECT rama.wait('slowly', timeout => '2 s')});
my $start = time;
eventually($node, 'postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE query ~ 'rama.wait' AND wait_event IS NOT NULL AND pid <> pg_backend_pid()});
faults(clock => -9 * $hour);
$waiting->finish;
cmp_ok(time - $start, '<', 6, 'the timeout of rama.wait() is real time');
$node->safe_psql('postgres', q{SELECT rama.resume('slowly')});

stop_load($load, $node, 'postgres');
recomputed($node, 'postgres', 'after all jumps');
is($node->safe_psql('postgres', q{SELECT count(*) - 2 * (SELECT count(*) FROM tries) FROM done WHERE rama.wait('slowly') AND rama.wait('trying')}), '0', 'each event once');
log_is_sound($node, 0, qr/not yet|terminating background worker|terminating connection/, 'the log');
figure(sprintf('slowest event after a jump of the clock: %.1f s', $slowest));

# While the server is down.
faults(clock => -30 * $hour);
{
	local %ENV = fault_env();
	$node->restart;
}
goes_on('restarted with a clock that is behind');
recomputed($node, 'postgres', 'after a restart');

$node->stop;
done_testing();
