# pstate indexes survive crashes at every fault point (src/faults.txt) and
# immediate shutdowns under load, with WAL of either kind: rama.check_index has
# nothing to say about them, and they go on.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;
use RamaIndex;

my $node = rama_node('index_crash', install_path => $ENV{RAMA_FAULT_PATH},
	conf => "restart_after_crash = on\nautovacuum = off\nwal_level = replica");
create_indexed($node, 't');

# Lines of the list: [what reaches the point, name].
sub fault_points
{
	return map { /^(\w+) \| (.*?) +\|/ ? [ $1, $2 ] : () }
	  split /\n/, slurp_file("$ENV{RAMA_SRC}/src/faults.txt");
}

# The SQL that reaches a fault point.
sub load_sql
{
	my ($load) = @_;

	return RamaIndex::rows_sql('t', 1000) if $load eq 'insert';
	return 'VACUUM (INDEX_CLEANUP on) t' if $load eq 'vacuum';
	return 'DROP TABLE IF EXISTS u; CREATE UNLOGGED TABLE u (a int); CREATE INDEX ON u USING pstate (a)';
}

# The session dies at the point after it has passed it $skip times; returns
# whether it did, when the server accepts connections again.
sub die_at
{
	my ($load, $fault, $skip, $flush) = @_;
	my $log_end = -s $node->logfile;

	$node->safe_psql('postgres', 'DELETE FROM t WHERE id % 60 IN (SELECT (random() * 59)::int FROM generate_series(1, 12))')
	  if $load eq 'vacuum';
	my ($rc, $out, $err) = $node->psql('postgres',
		"SET pg_rama.fault = '$fault'; SET pg_rama.fault_skip = $skip; SET pg_rama.fault_flush = $flush; "
		  . load_sql($load));
	return 0 if $rc == 0;
	die $err unless $err =~ /connection/;
	$node->wait_for_log(qr/reinitializing.*ready to accept connections/s, $log_end);
	return 1;
}

# Replay dies after it has changed so many pages, and is done again.
sub die_in_replay
{
	my ($fault, $skip) = @_;

	add_rows($node, 't', 1000);
	$node->stop('immediate');
	$node->append_conf('postgresql.conf', "pg_rama.fault = '$fault'\npg_rama.fault_skip = $skip");
	my $died = !$node->start(fail_ok => 1);
	$node->append_conf('postgresql.conf', "pg_rama.fault = ''");
	$node->start if $died;
	return $died;
}

# Dies at every fault point, and looks what is left.
sub walk
{
	my ($custom) = @_;
	my $which = $custom ? 'own resource manager' : 'generic WAL';

	foreach my $point (fault_points())
	{
		my ($load, $fault) = @$point;
		my $died = 0;
		my $times = soak() ? 10 : 1;

		next if $load eq 'replay' && !$custom;
		for my $i (1 .. $times)
		{
			my $skip = int rand($load eq 'create' ? 1 : $load eq 'vacuum' ? 3 : 12);
			my $dies = sub {
				$load eq 'replay' ? die_in_replay($fault, $_[0]) :
				  die_at($load, $fault, $_[0], rand() < 0.5 ? 'on' : 'off');
			};

			# Where there was room, the load may not get as far.
			$died += $dies->($skip) || $dies->(0);
			my $problems = index_problems($node, 't');

			is($problems, '', "$which, $load: $fault, after $skip times") if $problems;
		}
		is($died, $times, "$which, $load: died at \"$fault\" and recovered");
		add_rows($node, 't', 300);
		$node->safe_psql('postgres', 'VACUUM t') if rand() < 0.3;
		is(index_problems($node, 't'), '', 'the indexes are sound');
	}
	return;
}

# Immediate shutdowns under load; the kinds of WAL alternate.
sub shut_down
{
	my ($rounds) = @_;
	my $wrong = '';

	for my $round (1 .. $rounds)
	{
		my $run = start_index_load($node, 't');

		usleep(200_000 + rand(600_000));
		$node->safe_psql('postgres', 'CHECKPOINT') if rand() < 0.3;
		$node->stop('immediate');
		$wrong .= stop_index_load($run);
		$node->append_conf('postgresql.conf', 'pg_rama.custom_wal = ' . ($round % 2 ? 'on' : 'off'));
		$node->start;
		$wrong .= index_problems($node, 't');
		last if $wrong ne '';
	}
	return $wrong;
}

walk(1);
$node->append_conf('postgresql.conf', 'pg_rama.custom_wal = off');
$node->restart;
walk(0);
is(shut_down(soak() ? 100 : 4), '', 'the indexes are sound after each immediate shutdown');
is(index_answers($node, 't'), table_answers($node, 't'), 'they have what the table has');

$node->stop;
done_testing();
