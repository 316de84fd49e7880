# kill -9 of workers, appenders and the postmaster in the middle of batches:
# after each kill the state of every topology equals a recomputation from the
# depot. 30 kills, or 600 with --soak, or as many as the argument says.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $kills = $ARGV[0] // (soak() ? 600 : 30);
my @victims = qw(worker appender postmaster worker launcher appender);

# Processes are killed, not the machine: what was written to the operating
# system stays, so fsync may be off. Some writers use synchronous_commit = off.
my $node = rama_node('crash', conf => 'restart_after_crash = on');
create_recorders($node, 'postgres');
create_counters($node, 'postgres');

# The pid of a process of this server, or nothing.
sub pid_of
{
	my ($victim) = @_;
	my $which =
		$victim eq 'worker' ? q{backend_type ~ 'rama' AND datname = 'postgres'}
	  : $victim eq 'launcher' ? q{backend_type ~ 'rama' AND datname IS NULL}
	  : q{application_name = 'writers' AND state <> 'idle'};
	my ($rc, $pid) = $node->psql('postgres', qq{
SELECT pid FROM pg_stat_activity WHERE $which ORDER BY random() LIMIT 1});

	return $pid;
}

# Kills one process; returns when the server accepts connections again.
sub kill_one
{
	my ($victim) = @_;

	if ($victim eq 'postmaster')
	{
		kill_postmaster($node);
		$node->start;
		return 1;
	}

	my $log_end = -s $node->logfile;
	my $patience = time + 5;
	my $pid;

	usleep(5_000) until ($pid = pid_of($victim)) || time > $patience;
	return 0 if !$pid || !kill 'KILL', $pid;
	# One that has just ended by itself may still be there to be signalled.
	return 0 if !logged(qr/was terminated by signal 9/, $log_end, 20);
	$node->wait_for_log(qr/all server processes terminated; reinitializing.*ready to accept connections/s,
		$log_end);
	return 1;
}

# Is there such a line in the server's log within so many seconds?
sub logged
{
	my ($pattern, $from, $seconds) = @_;
	my $patience = time + $seconds;
	my $found;

	usleep(10_000)
	  until ($found = slurp_file($node->logfile, $from) =~ $pattern) || time > $patience;
	return $found;
}

# Transactions that were prepared before the last kill, by the writers and by
# the rounds before: commit some, roll back others, keep the rest.
sub end_prepared
{
	my ($round) = @_;

	foreach my $gid (split /\n/, $node->safe_psql('postgres', 'SELECT gid FROM pg_prepared_xacts'))
	{
		next if $gid eq "round $round";
		my $how = rand() < 0.7 ? 'COMMIT' : 'ROLLBACK';
		$node->safe_psql('postgres', "$how PREPARED '$gid'");
	}
	return;
}

my $start = time;
my %killed;
my $wrong = '';
foreach my $round (1 .. $kills)
{
	my $victim = $victims[ $round % @victims ];

	$node->safe_psql('postgres', qq{
BEGIN;
INSERT INTO events (id, writer, kind) VALUES (- $round, 0, 'prepared over a kill');
PREPARE TRANSACTION 'round $round'});
	my ($out, $err) = ('', '');
	my $writers = IPC::Run::start(
		[ program('writers'), $node->connstr('postgres') . ' application_name=writers',
			'events', 8, 0.8, $round, 'survive' ],
		'>', \$out, '2>', \$err);
	usleep(100_000 + rand(400_000));
	kill_one($victim) and $killed{$victim}++;
	$writers->finish or $wrong .= "round $round: writers: $err";
	end_prepared($round);

	# The recomputation reads everything; a soak does it for every tenth kill.
	next if $kills > 60 && $round % 10 != 0 && $round != $kills;
	$wrong .= "round $round, $victim killed: $_\n"
	  foreach grep { $_ ne '' } what_is_wrong($node, 'postgres');
	last if $wrong ne '';
}
end_prepared(0);
$wrong .= what_is_wrong($node, 'postgres');

is($wrong, '', "state equals a recomputation from the depot after each of $kills kills");
foreach my $victim (qw(worker appender postmaster launcher))
{
	cmp_ok($killed{$victim} // 0, '>', 0, "kill -9 of: $victim");
}
is($node->safe_psql('postgres', q{SELECT count(*) > 0 FROM events WHERE id < 0}),
	't', 'transactions prepared before a kill were committed after it');
figure(sprintf('%s kills (%s) in %.0f s, %s events; lost, doubled, out of order: %s',
	$kills, join(', ', map { "$_ $killed{$_}" } sort keys %killed), time - $start,
	$node->safe_psql('postgres', 'SELECT count(*) FROM events'), $wrong eq '' ? 0 : 'see above'));

$node->stop;
done_testing();
