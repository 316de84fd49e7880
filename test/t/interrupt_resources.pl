# Want of memory, stack, disk space, locks, connections and processes: batches
# fail or wait, say so, and go on exactly once when there is enough again.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $node = PostgreSQL::Test::Cluster->new('resources');
$node->init(extra => ['--wal-segsize=1']);
$node->append_conf('postgresql.conf', rama_conf());
$node->append_conf('postgresql.conf', q{
max_locks_per_transaction = 10
max_connections = 25
max_prepared_transactions = 20
superuser_reserved_connections = 3
max_worker_processes = 8
max_stack_depth = 500kB
max_wal_size = 32MB
min_wal_size = 2MB
restart_after_crash = on
});
{
	local %ENV = fault_env();
	$node->start;
}
$node->safe_psql('postgres', 'CREATE EXTENSION pg_rama');
create_recorders($node, 'postgres');
create_counters($node, 'postgres');

my $keep = q{CREATE OR REPLACE FUNCTION keep(e events) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM rama.add('log', e.writer, 'events', 1);
	PERFORM rama.push('log', e.writer, 'ids', e.id);
	%s
END $$};

# A handler that asks for too much, after it has written.
sub asks_for_too_much
{
	my ($what, $code, $sqlstate, $message, $before, $after) = @_;
	my $from = -s $node->logfile;
	my @workers = sort(worker_pids($node, 'postgres'));
	my $load = start_load($node->connstr('postgres'));

	$before->(@workers) if $before;
	$node->safe_psql('postgres', sprintf($keep, $code));
	eventually($node, 'postgres', q{SELECT attempts > 1 FROM rama.status WHERE name = 'keep_log'});
	is(status_of($node, 'postgres', 'keep_log', 'state, last_sqlstate'), "failing|$sqlstate", "$what: the topology fails");
	like(status_of($node, 'postgres', 'keep_log', 'last_error'), $message, "$what: rama.status tells why");
	$node->safe_psql('postgres', sprintf($keep, ''));
	$after->(@workers) if $after;
	stop_load($load, $node, 'postgres');
	recomputed($node, 'postgres', $what);
	my %now = map { $_ => 1 } worker_pids($node, 'postgres');
	is(scalar(grep { $now{$_} } @workers), scalar(@workers), "$what: the workers survive");
	log_is_sound($node, $from, qr/ERROR:  .*(?:$message)/, "$what: the log");
	return;
}

$node->safe_psql('postgres', q{
CREATE FUNCTION deeper(n int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN deeper(n + 1); END';
CREATE FUNCTION deeper_in_blocks(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		PERFORM rama.add('log', -1, 'events', 1);
		RETURN deeper_in_blocks(n + 1);
	EXCEPTION WHEN division_by_zero THEN
		RETURN 0;
	END;
END $$});
is(what_is_wrong($node, 'postgres'), '', 'workers have started');
asks_for_too_much('a string that is too long', q{PERFORM string_agg(repeat('x', 100000000), '') FROM generate_series(1, 20);}, '54000',
	qr/string buffer exceeds maximum|out of memory/);
asks_for_too_much('a recursion without end', 'PERFORM deeper(0);', '54001', qr/stack depth limit exceeded/);
asks_for_too_much('a recursion of subtransactions', 'PERFORM deeper_in_blocks(0);', '54001', qr/stack depth limit exceeded/);
SKIP: {
	skip 'no prlimit: memory cannot be made scarce', 5 unless -x '/usr/bin/prlimit';
	asks_for_too_much('malloc fails', q{PERFORM length(repeat('x', 400000000));}, '53200', qr/out of memory/,
		sub {
			foreach my $pid (@_)
			{
				my ($kb) = slurp_file("/proc/$pid/status") =~ /^VmSize:\s+(\d+)/m;
				system_or_bail('prlimit', "--pid=$pid", '--as=' . ($kb + 100_000) * 1024 . ':unlimited');
			}
		},
		sub { system_or_bail('prlimit', "--pid=$_", '--as=unlimited:unlimited') foreach @_ });
}

# A handler catches that memory is short, in the midst of many rows, and goes
# on in the same transaction.
SKIP: {
	skip 'no prlimit: memory cannot be made scarce', 3 unless -x '/usr/bin/prlimit';
	my $from = -s $node->logfile;
	my $load = start_load($node->connstr('postgres'));

	$node->safe_psql('postgres', q{
CREATE SEQUENCE caught;
CREATE OR REPLACE FUNCTION keep(e events) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM rama.add('log', e.writer, 'events', 1);
	IF e.kind = 'greedy' THEN
		BEGIN
			PERFORM rama.add('log', e.writer, 'events', 1), rama.add('log', n, 'events', 1), rama.push('log', n, 'ids', n)
			FROM generate_series(1000, 1000 + e.id) n;
			RAISE division_by_zero;
		EXCEPTION
			WHEN out_of_memory THEN PERFORM nextval('caught');
			WHEN division_by_zero THEN NULL;
		END;
	END IF;
	PERFORM rama.push('log', e.writer, 'ids', e.id);
END $$});
	foreach my $pid (worker_pids($node, 'postgres'))
	{
		my ($kb) = slurp_file("/proc/$pid/status") =~ /^VmSize:\s+(\d+)/m;
		system_or_bail('prlimit', "--pid=$pid", '--as=' . ($kb + 3000) * 1024 . ':unlimited');
	}
	foreach my $rows (map { (100 + int rand 100) * 2 ** $_ } 0 .. 8)
	{
		$node->safe_psql('postgres', "INSERT INTO events (id, writer, kind) VALUES ($rows, 0, 'greedy')");
	}
	$node->safe_psql('postgres', q{SELECT rama.wait('keep_log', timeout => '30 s')});
	system_or_bail('prlimit', "--pid=$_", '--as=unlimited:unlimited') foreach worker_pids($node, 'postgres');
	stop_load($load, $node, 'postgres');
	recomputed($node, 'postgres', 'a handler caught that memory is short');
	cmp_ok($node->safe_psql('postgres', 'SELECT last_value FROM caught'), '>', 1, 'it did');
	$node->safe_psql('postgres', sprintf($keep, ''));
	log_is_sound($node, $from, qr/out of memory/, 'memory is short: the log');
}

# The disk is full for tables and indexes, for a while.
my $from = -s $node->logfile;
my $load = start_load($node->connstr('postgres'));
foreach my $round (1 .. soak() ? 20 : 2)
{
	my $log_end = -s $node->logfile;
	faults(full => 1);
	$node->wait_for_log(qr/pg_rama.*could not extend file|could not extend file.*No space left on device/, $log_end);
	eventually($node, 'postgres', q{SELECT bool_or(last_sqlstate = '53100') FROM rama.status}) if $round == 1;
	faults(full => 0);
	my $position = $node->safe_psql('postgres', 'SELECT last_value FROM events__offset_seq');
	eventually($node, 'postgres', "SELECT last_value > $position + 50 FROM events__offset_seq");
}
stop_load($load, $node, 'postgres');
recomputed($node, 'postgres', 'the disk was full');
log_is_sound($node, $from, qr/could not (?:extend|write to) file|No space left on device/, 'disk full: the log');

# No space for WAL: the server crashes, as PostgreSQL does, and goes on with
# what was committed.
$load = start_load($node->connstr('postgres'));
my $position = $node->safe_psql('postgres', 'SELECT last_value FROM events__offset_seq');
eventually($node, 'postgres', "SELECT last_value > $position + 300 FROM events__offset_seq");
my $log_end = -s $node->logfile;
faults(full => 2);
$node->wait_for_log(qr/PANIC:  could not write to file "pg_wal|PANIC: .*No space left on device/, $log_end);
faults(full => 0);
eventually_starts();
$position = $node->safe_psql('postgres', 'SELECT last_value FROM events__offset_seq');
eventually($node, 'postgres', "SELECT last_value > $position + 50 FROM events__offset_seq");
stop_load($load, $node, 'postgres');
recomputed($node, 'postgres', 'there was no space for WAL');

# The server comes back by itself, or has to be started.
sub eventually_starts
{
	my $patience = time + 30;

	while (time < $patience)
	{
		my ($rc) = $node->psql('postgres', 'SELECT 1');
		return if $rc == 0;
		usleep(100_000);
		if (!kill 0, $node->{_pid})
		{
			$node->_update_pid(0);
			local %ENV = fault_env();
			$node->start;
			return;
		}
	}
	die 'the server does not start';
}

# The lock table is full.
$from = -s $node->logfile;
$load = start_load($node->connstr('postgres'));
my $greedy = $node->background_psql('postgres', on_error_stop => 0);
$greedy->query('SELECT count(pg_advisory_lock(n)) FROM generate_series(1, 1000000) n');
$node->wait_for_log(qr/\] ERROR:  out of shared memory/, $from);
$greedy->query('SELECT pg_advisory_unlock_all()');
$greedy->quit;
stop_load($load, $node, 'postgres');
recomputed($node, 'postgres', 'the lock table was full');
log_is_sound($node, $from, qr/out of shared memory/, 'lock table full: the log');

# No connection is left: workers have processes of their own.
$from = -s $node->logfile;
my $inside = $node->background_psql('postgres');
my $backlog = q{INSERT INTO events (id, writer, kind) SELECT -1, 0, 'full house' FROM generate_series(1, 3000)};
my @guests;
for (1 .. 40)
{
	my ($in, $out, $err) = ('', '', '');
	my $guest = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'SELECT 1; SELECT pg_sleep(1000)' ],
		'<', \$in, '>', \$out, '2>', \$err);
	push @guests, $guest;
}
$node->wait_for_log(qr/too many (?:clients|connections)|remaining connection slots are reserved/, $from);
$inside->query_safe(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_rama worker'});
$inside->query_safe($backlog);
is($inside->query_safe(q{SELECT rama.wait('keep_log', timeout => '20s')}), 't', 'max_connections exhausted: workers start and run');
$_->kill_kill foreach @guests;
$inside->quit;
eventually_starts();
recomputed($node, 'postgres', 'max_connections was exhausted');

# No process is left: a warning tells what to do, and so does rama.status.
$from = -s $node->logfile;
$node->append_conf('postgresql.conf', "max_worker_processes = 5\nmax_parallel_workers = 5\nmax_parallel_workers_per_gather = 1");
{
	local %ENV = fault_env();
	$node->restart;
}
recomputed($node, 'postgres', 'fewer places for processes');
my @hogs;
$node->safe_psql('postgres', q{ALTER SYSTEM SET pg_rama.enabled = off}); $node->reload;
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_rama worker'});
eventually($node, 'postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pg_rama worker'});
for (1 .. 3)
{
	push @hogs, start_sql($node, 'postgres', 'SET force_parallel_mode = on; SELECT pg_sleep(1000)');
}
eventually($node, 'postgres', q{SELECT count(*) = 3 FROM pg_stat_activity WHERE backend_type = 'parallel worker'});
$node->safe_psql('postgres', q{ALTER SYSTEM RESET pg_rama.enabled}); $node->reload;
$node->safe_psql('postgres', $backlog);
$node->wait_for_log(qr/WARNING:  no place for a pg_rama (?:worker|scout)\n.*DETAIL:  It is tried again every 1000 ms.\n.*HINT:  Increase max_worker_processes, or decrease pg_rama.workers/, $from);
eventually($node, 'postgres', q{SELECT hint = 'Increase max_worker_processes, or decrease pg_rama.workers.' FROM rama.status WHERE name = 'keep_log'});
pass('rama.status has the hint');
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ 'pg_sleep.1000' AND pid <> pg_backend_pid()});
$_->finish foreach @hogs;
recomputed($node, 'postgres', 'there was no place for a process');
is(status_of($node, 'postgres', 'keep_log', 'hint IS NULL'), 't', 'the hint is gone');
is(scalar(() = slurp_file($node->logfile, $from) =~ /no place for a pg_rama/g), 1, 'one warning');

$node->append_conf('postgresql.conf', 'max_worker_processes = 0');
$node->restart;
like(status_of($node, 'postgres', 'keep_log', 'hint'), qr/launcher is not running.*max_worker_processes/, 'no place for the launcher: the hint');
$node->append_conf('postgresql.conf', 'max_worker_processes = 8');
$node->restart;
$node->safe_psql('postgres', $backlog);
recomputed($node, 'postgres', 'there was no place for the launcher');

$node->stop;
done_testing();
