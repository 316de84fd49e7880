# Cancel, terminate and stop workers, scouts and the launcher, again and again,
# under load: nothing is lost or doubled, and a canceled batch has not failed.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $seconds = soak() ? 60 : 3;
my $node = rama_node('signals');
create_recorders($node, 'postgres');
create_counters($node, 'postgres');

# Handlers that are canceled in their midst: one halts at the first failure,
# one catches what it can, one sleeps.
$node->safe_psql('postgres', q{
BEGIN;
SELECT rama.create_depot('naps', 'seconds float8');
CREATE TABLE napped (at bigint);
SELECT rama.create_topology('nap', 'stream', 'naps',
	sql => 'SELECT pg_advisory_xact_lock_shared(7); SELECT pg_sleep(seconds) FROM batch; INSERT INTO napped SELECT _offset FROM batch',
	options => '{"on_error": "halt", "max_attempts": 1}');
CREATE TABLE slow (id bigint PRIMARY KEY, tries int NOT NULL);
CREATE FUNCTION go_slow(e events) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		BEGIN
			INSERT INTO slow VALUES (e.id, 1);
			PERFORM pg_sleep(0.001);
		EXCEPTION WHEN division_by_zero THEN
			RAISE;
		END;
	EXCEPTION WHEN OTHERS THEN
		RAISE;
	END;
END $$;
SELECT rama.create_topology('go_slow', 'microbatch', 'events', each => 'go_slow',
	options => '{"batch_max": 50, "on_error": "halt", "max_attempts": 1}');
COMMIT});

sub nap_begun
{
	eventually($node, 'postgres',
		q{SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND granted});
	return;
}

my $pid_of_nap = q{SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND granted};

# One cancel: the batch is tried again, and this is no failure.
$node->safe_psql('postgres', 'INSERT INTO naps VALUES (1000)');
nap_begun();
my $pid = $node->safe_psql('postgres', $pid_of_nap);
my $from = -s $node->logfile;
is($node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)"), 't', 'pg_cancel_backend() of a worker');
$node->wait_for_log(qr/ERROR:  canceling statement due to user request/, $from);
nap_begun();
$pid = $node->safe_psql('postgres', $pid_of_nap);
is(status_of($node, 'postgres', 'nap', 'state, attempts, last_error IS NULL'), 'running|0|t',
	'a canceled batch has not failed');

# Terminate: another worker takes the batch.
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
eventually($node, 'postgres', "SELECT count(*) > 0 FROM ($pid_of_nap) x WHERE pid <> $pid");
is(status_of($node, 'postgres', 'nap', 'state, attempts'), 'running|0', 'nor has one whose worker was terminated');

# What the handler does itself is its failure.
$pid = $node->safe_psql('postgres', $pid_of_nap);
my $pausing = start_sql($node, 'postgres', q{SELECT rama.pause('nap')});
eventually($node, 'postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'rama.pause'});
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
$pausing->finish;
is(status_of($node, 'postgres', 'nap', 'state, attempts'), 'paused|0',
	'rama.pause() gets between a canceled batch and its retry');
$node->safe_psql('postgres', q{
BEGIN;
SELECT rama.create_depot('raises', 'id bigint');
SELECT rama.create_topology('raise', 'stream', 'raises',
	sql => $$DO 'BEGIN RAISE query_canceled; END'; SELECT 1 FROM batch$$,
	options => '{"on_error": "halt", "max_attempts": 1}');
INSERT INTO raises VALUES (1);
COMMIT});
eventually($node, 'postgres', q{SELECT state = 'halted' FROM rama.status WHERE name = 'raise'});
is(status_of($node, 'postgres', 'raise', 'last_sqlstate'), '57014', 'a handler that raises query_canceled fails');
$node->safe_psql('postgres', q{
SELECT rama.drop_topology('raise'); SELECT rama.drop_topology('nap')});

# Signals in all phases, at random, while events come.
my %sent;
sub send_signals
{
	my ($what, $seconds, $send) = @_;
	my $load = start_load($node->connstr('postgres'));
	my $end = time + $seconds;

	while (time < $end)
	{
		$sent{$what} += $send->();
		usleep(rand(20_000));
	}
	stop_load($load, $node, 'postgres');
	return;
}

# By a session that stays, to be quick.
my $session = $node->background_psql('postgres');
sub signal_some
{
	my ($function, $which) = @_;

	# A warning tells of a process that is gone already.
	return $session->query("SELECT count($function(pid)) FROM pg_stat_activity WHERE backend_type ~ 'rama' AND $which");
}

$from = -s $node->logfile;
send_signals('cancels of workers', $seconds, sub {
	signal_some('pg_cancel_backend', q{datname = 'postgres'}) });
is($node->safe_psql('postgres', q{SELECT count(*) FROM rama.status WHERE attempts > 0 OR state = 'halted'}),
	'0', 'no cancel counts as a failed attempt');
recomputed($node, 'postgres', 'after cancels of workers');
is($node->safe_psql('postgres', q{SELECT rama.wait('go_slow', timeout => '60s')}), 't', 'a slow topology, too');
log_is_sound($node, $from, qr/ERROR:  canceling statement due to user request/, 'cancels of workers: the log');
is($node->safe_psql('postgres', q{
SELECT count(*) FROM (SELECT id FROM events EXCEPT ALL SELECT id FROM slow) x}), '0', 'each event once');

my $ended = qr/FATAL:  terminating background worker "pg_rama \w+" due to administrator command/;
$from = -s $node->logfile;
send_signals('terminations of workers', $seconds, sub {
	signal_some('pg_terminate_backend', q{datname = 'postgres' AND random() < 0.3}) });
recomputed($node, 'postgres', 'after terminations of workers');
log_is_sound($node, $from, $ended, 'terminations of workers: the log');

$from = -s $node->logfile;
send_signals('terminations of the launcher', $seconds, sub {
	signal_some('pg_terminate_backend', q{datname IS NULL}) +
	signal_some('pg_terminate_backend', q{datname = 'postgres' AND random() < 0.05}) });
recomputed($node, 'postgres', 'after terminations of the launcher');
log_is_sound($node, $from, $ended, 'terminations of the launcher: the log');

# A scout that is ended is sent again: scouts are hunted until one is caught.
$from = -s $node->logfile;
eventually($node, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_rama launcher'});
$node->safe_psql('postgres', 'CREATE DATABASE scouted');
$node->safe_psql('scouted', 'CREATE EXTENSION pg_rama');
my $hunter = start_sql($node, 'postgres', q{
DO $$
BEGIN
	LOOP
		PERFORM pg_terminate_backend(pid) FROM pg_stat_get_activity(NULL)
			WHERE backend_type = 'pg_rama scout';
		PERFORM pg_stat_clear_snapshot();
	END LOOP;
END $$});
$node->safe_psql('scouted', q{
BEGIN;
SELECT rama.create_depot('d', 'n int');
CREATE TABLE done (n int);
SELECT rama.create_topology('t', 'stream', 'd', sql => 'INSERT INTO done SELECT n FROM batch');
INSERT INTO d VALUES (1);
COMMIT});
while (slurp_file($node->logfile, $from) !~ /terminating background worker "pg_rama scout"/)
{
	$node->safe_psql('scouted', q{SELECT rama.pause('t')});
	$node->safe_psql('scouted', q{SELECT rama.resume('t')});
}
$node->safe_psql('postgres', q{
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ 'pg_rama scout' AND pid <> pg_backend_pid()});
$hunter->finish;
is($node->safe_psql('scouted', q{SELECT rama.wait('t', timeout => '30s')}), 't', 'a scout that was terminated is sent again');
log_is_sound($node, $from, qr/$ended|terminating connection/, 'terminations of scouts: the log');

# A worker that is stopped (SIGSTOP) holds up its own topologies only; it goes
# on where it was.
$node->safe_psql('postgres', q{
BEGIN;
SELECT rama.create_depot('stops', 'n int');
CREATE TABLE stopped (n int);
SELECT rama.create_topology('stops_here', 'microbatch', 'stops', sql => 'SELECT pg_advisory_xact_lock_shared(7); INSERT INTO stopped SELECT n FROM batch');
COMMIT});
my $load = start_load($node->connstr('postgres'));
foreach my $round (1 .. 3)
{
	my ($pid) = worker_pids($node, 'postgres');

	kill 'STOP', $pid;
	$node->safe_psql('postgres', q{SELECT count(*) FROM rama.status; INSERT INTO stops VALUES (1); SELECT pg_sleep(0.3)});
	kill 'CONT', $pid;
}
stop_load($load, $node, 'postgres');
recomputed($node, 'postgres', 'after workers were stopped and went on');
is($node->safe_psql('postgres', q{SELECT rama.wait('stops_here', timeout => '20s'); SELECT count(*) FROM stopped}), "t\n3", 'each event once');

$session->quit;
figure(join(', ', map { "$sent{$_} $_" } sort keys %sent));
$node->stop;
done_testing();
