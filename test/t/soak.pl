# Everything at once, at random: kills, cancels, DDL, failing handlers, other
# topologies that come and go, crashes, promotions, under load. In between and
# at the end the state equals a recomputation from the depot.
#
# 20 seconds; 600 with --soak, or RAMA_SOAK_SECONDS. RAMA_SEED repeats the
# choice of actions (not their timing).
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $seconds = $ENV{RAMA_SOAK_SECONDS} || (soak() ? 600 : 20);
my $seed = $ENV{RAMA_SEED} || int(time) % 1_000_000;
srand($seed);
note("seed: RAMA_SEED=$seed");

my $generation = 0;
my $node = rama_node('soak0', init => { allows_streaming => 1 },
	conf => "restart_after_crash = on\npg_rama.batch_memory = '64kB'");
create_recorders($node, 'postgres');
create_counters($node, 'postgres');
$node->safe_psql('postgres', q{
BEGIN;
-- Path functions in blocks of which some are rolled back, in attempts of
-- which some fail.
SELECT rama.create_pstate('flaky', 'map(writer: int, struct(events: bigint, ids: vector(id: bigint) subindex))');
CREATE TABLE seen_flaky (at bigint, id bigint);
CREATE FUNCTION stumble(e events) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		PERFORM rama.add('flaky', e.writer, 'events', 1);
		BEGIN
			PERFORM rama.add('flaky', e.writer, 'events', 100), rama.push('flaky', -1, 'ids', e.id);
			INSERT INTO seen_flaky VALUES (-1, e.id);
			IF random() < 0.5 THEN
				PERFORM events / 0 FROM flaky WHERE writer = e.writer;
			END IF;
			RAISE 'rolled back';
		EXCEPTION WHEN OTHERS THEN
			PERFORM rama.push('flaky', e.writer, 'ids', e.id);
		END;
		IF random() < 0.3 THEN
			RAISE 'rolled back, too';
		END IF;
	EXCEPTION WHEN raise_exception THEN
		PERFORM rama.add('flaky', e.writer, 'events', 1), rama.push('flaky', e.writer, 'ids', e.id);
	END;
	INSERT INTO seen_flaky VALUES (e._offset, e.id);
	IF random() < 0.01 THEN
		RAISE 'failed by chance';
	END IF;
END $$;
SELECT rama.create_topology('stumbling', 'stream', 'events', each => 'stumble', writes => '{flaky}',
	options => '{"batch_max": 30, "backoff": "5 ms"}');

-- SQL that reads what path functions have just written.
SELECT rama.create_pstate('mixed', 'map(kind: text, count: bigint)');
CREATE TABLE seen_mixed (batch bigint, total bigint, n bigint);
SELECT rama.create_topology('mixing', 'microbatch', 'events', sql => $$
	SELECT rama.add('mixed', kind, 1) FROM batch;
	INSERT INTO seen_mixed SELECT rama.batch_id(), (SELECT sum(count) FROM mixed), count(*) FROM batch;
	SELECT 1 / (random() > 0.01)::int$$, writes => '{mixed}',
	options => '{"batch_max": 300, "interval": "20 ms", "backoff": "5 ms"}');

-- target and merge
SELECT rama.create_pstate('merged', 'map(writer: int, struct(n: bigint, top: bigint))');
SELECT rama.create_topology('merging', 'microbatch', 'events',
	sql => 'SELECT writer, count(*) AS n, max(id) AS top FROM batch GROUP BY writer',
	target => 'merged', merge => 'sum, max', options => '{"interval": "10 ms"}');
COMMIT;

CREATE VIEW wrong_more AS
	SELECT 'flaky ' || writer AS problem, expected, actual
	FROM (SELECT writer, ROW(count(*), count(*), count(*), sum(id))::text AS expected
			FROM events GROUP BY writer) e
		FULL JOIN (SELECT writer, ROW(events, ids_count, elements, ids)::text AS actual
			FROM flaky, LATERAL (SELECT count(*) AS elements, sum(id) AS ids
				FROM flaky_ids i WHERE i.writer = flaky.writer) x) a USING (writer)
	WHERE expected IS DISTINCT FROM actual
	UNION ALL
	SELECT 'seen_flaky', count(*)::text, NULL
	FROM (SELECT _offset FROM events) e FULL JOIN seen_flaky ON at = _offset
	WHERE at IS NULL OR _offset IS NULL HAVING count(*) > 0
	UNION ALL
	SELECT 'seen_flaky doubled', count(*)::text, count(DISTINCT at)::text
	FROM seen_flaky HAVING count(*) <> count(DISTINCT at)
	UNION ALL
	SELECT 'merged ' || writer, expected, actual
	FROM (SELECT writer, ROW(count(*), max(id))::text AS expected FROM events GROUP BY writer) e
		FULL JOIN (SELECT writer, ROW(n, top)::text AS actual FROM merged) a USING (writer)
	WHERE expected IS DISTINCT FROM actual
	UNION ALL
	SELECT 'mixed ' || kind, expected::text, actual::text
	FROM (SELECT kind, count(*) AS expected FROM events GROUP BY kind) e
		FULL JOIN (SELECT kind, count AS actual FROM mixed) a USING (kind)
	WHERE expected IS DISTINCT FROM actual
	UNION ALL
	SELECT 'seen_mixed ' || batch, running::text, total::text
	FROM (SELECT batch, total, sum(n) OVER (ORDER BY batch) AS running FROM seen_mixed) x
	WHERE running <> total;
});

# DDL waits for transactions that were prepared when the server went down; the
# appenders' own do not take longer than half a second.
sub end_prepared
{
	foreach my $gid (split /\n/, $node->safe_psql('postgres',
		q{SELECT gid FROM pg_prepared_xacts WHERE prepared < now() - interval '2 s'}))
	{
		$node->psql('postgres', one_of('COMMIT', 'ROLLBACK') . " PREPARED '$gid'");
	}
	return;
}

sub sql
{
	my ($sql) = @_;

	local $ENV{PGOPTIONS} = '-c lock_timeout=3s';
	foreach my $try (1 .. 10)
	{
		my ($rc, $out, $err) = $node->psql('postgres', $sql);

		return if $rc == 0;
		die "$sql: $err" if $err !~ /lock timeout|deadlock detected|already exists|does not exist/ || $try == 10;
		end_prepared();
	}
	return;
}

sub one_of
{
	return $_[ int rand @_ ];
}

sub is_up
{
	$node->poll_query_until('postgres', 'SELECT true') or die 'the server does not come back';
	return;
}

# kill -9 of a process of the server: all of it restarts.
sub kill_process
{
	my ($which) = @_;
	my $log_end = -s $node->logfile;
	my ($rc, $pid) = $node->psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE $which AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1");

	return if !$pid || !kill 'KILL', $pid;
	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $log_end);
	is_up();
	return;
}

sub signal_workers
{
	my ($function) = @_;

	$node->psql('postgres', "SELECT $function(pid) FROM pg_stat_activity WHERE backend_type ~ '^pg_rama' AND random() < 0.7")
	  for 1 .. 1 + int rand 5;
	return;
}

# Appenders know both servers.
my $load;
my @hosts;
sub load
{
	my @known = @hosts ? @hosts : ($node);

	$load = start_load(
		sprintf("host='%s' port='%s' dbname=postgres target_session_attrs=read-write connect_timeout=3",
			join(',', map { $_->host } @known), join(',', map { $_->port } @known)),
		writers => 4);
	return;
}

sub promote
{
	$generation++;
	my $standby = PostgreSQL::Test::Cluster->new("soak$generation");

	$node->backup("b$generation", backup_options => ['--checkpoint=fast']);
	$standby->init_from_backup($node, "b$generation", has_streaming => 1);
	$standby->start;
	stop_load($load, $node, 'postgres');
	@hosts = ($node, $standby);
	load();
	usleep(200_000 + rand 800_000);
	one_of(
		sub { $node->stop('immediate') },
		sub { $node->stop('fast') },
		sub { kill_postmaster($node) })->();
	$standby->promote;
	# Appenders go on where they were led; the old primary stays down.
	$node = $standby;
	@hosts = ($node);
	return;
}

my $handlers = 0;
my %actions = (
	'kill -9 of a worker' => [ 4, sub { kill_process(q{backend_type = 'pg_rama worker'}) } ],
	'kill -9 of the launcher' => [ 2, sub { kill_process(q{backend_type = 'pg_rama launcher'}) } ],
	'kill -9 of an appender' => [ 3, sub { kill_process(q{application_name = 'writers' AND state <> 'idle'}) } ],
	'kill -9 of the postmaster' => [ 2, sub { kill_postmaster($node); $node->start; } ],
	'stop immediate' => [ 1, sub { $node->stop('immediate'); $node->start; } ],
	'stop fast' => [ 1, sub { $node->stop('fast'); $node->start; } ],
	'promotion' => [ 2, \&promote ],
	'cancels' => [ 6, sub { signal_workers('pg_cancel_backend') } ],
	'terminations' => [ 4, sub { signal_workers('pg_terminate_backend') } ],
	'handler replaced' => [ 4, sub {
		my $work_mem = ++$handlers % 2 ? '1MB' : '4MB';
		sql("ALTER FUNCTION keep(events) SET work_mem = '$work_mem'; ALTER FUNCTION stumble(events) COST " . (100 + $handlers));
	} ],
	'handler renamed' => [ 2, sub {
		sql('ALTER FUNCTION keep(events) RENAME TO kept');
		sql('ALTER FUNCTION kept(events) RENAME TO keep');
	} ],
	'handler broken for a while' => [ 2, sub {
		sql(q{ALTER TABLE seen_flaky RENAME TO mislaid});
		usleep(rand 300_000);
		sql(q{ALTER TABLE mislaid RENAME TO seen_flaky});
	} ],
	'index on a PState' => [ 4, sub {
		sql('CREATE INDEX IF NOT EXISTS extra ON log_ids_chunk (first); CREATE INDEX IF NOT EXISTS more ON mixed (count)');
		usleep(rand 300_000);
		sql(one_of('DROP INDEX extra, more', 'REINDEX TABLE log_ids_chunk', 'REINDEX TABLE CONCURRENTLY mixed'));
	} ],
	'depot altered' => [ 4, sub {
		sql('ALTER TABLE events ADD COLUMN IF NOT EXISTS extra int DEFAULT 7');
		usleep(rand 300_000);
		sql(one_of('ALTER TABLE events DROP COLUMN extra', 'ALTER TABLE events ALTER extra TYPE bigint', 'VACUUM FULL events'));
	} ],
	'maintenance' => [ 3, sub {
		sql(one_of('VACUUM FULL log_ids_chunk', 'VACUUM FULL flaky', 'CLUSTER events USING events_pkey', 'VACUUM (FREEZE, ANALYZE)',
			'VACUUM FULL stumbling', 'CHECKPOINT', 'VACUUM FULL rama.pstate_version')) } ],
	'pause and resume' => [ 4, sub {
		my $topology = one_of(qw(see_stream see_small keep_log stumbling mixing merging));
		sql("SELECT rama.pause('$topology')");
		usleep(rand 500_000);
		sql("SELECT rama.resume('$topology')");
	} ],
	'batch_memory' => [ 2, sub {
		sql("ALTER SYSTEM SET pg_rama.batch_memory = '" . one_of('64kB', '1MB', '64MB') . "'");
		$node->reload;
	} ],
	'another topology' => [ 4, sub {
		sql(q{
DROP SCHEMA IF EXISTS other CASCADE;
CREATE SCHEMA other;
BEGIN;
SELECT rama.create_pstate('other.n', 'map(writer: int, n: bigint)');
SELECT rama.create_topology('other.counting', 'microbatch', 'events',
	sql => 'SELECT rama.add(''other.n'', writer, 1) FROM batch', writes => '{other.n}');
COMMIT});
		usleep(rand 1_000_000);
		sql(one_of('DROP SCHEMA other CASCADE', q{SELECT rama.drop_topology('other.counting')}));
	} ]);
my @wheel = map { my $what = $_; ($what) x $actions{$what}[0] } sort keys %actions;

sub check
{
	my ($after) = @_;
	my $wrong;

	stop_load($load, $node, 'postgres');
	$wrong = what_is_wrong($node, 'postgres');
	foreach my $topology (qw(stumbling mixing merging))
	{
		next if $node->safe_psql('postgres', "SELECT rama.wait('$topology', timeout => '60 s')") eq 't';
		$wrong .= "\n$topology did not catch up: " . $node->safe_psql('postgres',
			"SELECT s::text FROM rama.status s WHERE name = '$topology'");
	}
	$wrong .= $node->safe_psql('postgres', 'SELECT w::text FROM wrong_more w LIMIT 20') if $wrong eq '';
	is($wrong, '', "state equals a recomputation after: $after");
	return $wrong eq '';
}

my $end = time + $seconds;
my $checked = time;
my (%done, @since);
my $sound = 1;

load();
while ($sound && time < $end)
{
	# In a short run each of the rare ones has its turn, too.
	my $what = one_of(@wheel);

	$what = one_of(grep { !$done{$_} } sort keys %actions) if rand() < 0.3 && grep { !$done{$_} } keys %actions;
	note(sprintf('%.1f %s', time - $end + $seconds, $what));
	push @since, $what;
	$done{$what}++;
	$actions{$what}[1]->();
	usleep(rand 200_000);
	next if time - $checked < ($seconds > 60 ? 20 : 8) || time > $end;
	$sound = check(join ', ', @since);
	@since = ();
	$checked = time;
	load() if $sound;
}
$sound = check(join ', ', @since) if $sound && @since;
foreach my $log (glob $node->logfile =~ s/soak\d+\.log$/soak*.log/r)
{
	unlike(slurp_file($log), qr/PANIC|TRAP|terminated by signal (?!9\b)|XX000|corrupt/, 'no crash of its own: ' . ($log =~ s/.*\///r));
}
my $total = 0;
$total += $_ foreach values %done;
figure(sprintf('seed %s: %s actions in %s s, %s events: %s', $seed, $total, $seconds,
	$node->safe_psql('postgres', 'SELECT count(*) FROM events'),
	join(', ', map { "$done{$_} $_" } sort keys %done)));

$node->stop;
done_testing();
