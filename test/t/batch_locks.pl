# A batch that runs, and what is done beside it: which statements wait for it,
# which do not, and who is refused. Whatever it was, each event has been
# processed once, and the PState can be written afterwards.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $node = rama_node('batch_locks', conf => 'pg_rama.workers = 1');

# A topology whose handler stands still at the event 0 while the gate is closed.
sub create_gated
{
	$node->safe_psql('postgres', q{
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS gated CASCADE;
CREATE SCHEMA gated;
SELECT rama.create_depot('gated.d', 'v int');
SELECT rama.create_depot('gated.d2', 'v int');
SELECT rama.create_pstate('gated.p', 'map(v: int, n: bigint)');
SELECT rama.create_pstate('gated.q', 'map(v: int, n: bigint)');
CREATE TABLE gated.seen (v int, how text);
CREATE FUNCTION gated.handle(e gated.d) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM rama.add('p', e.v, 1);
	INSERT INTO seen VALUES (e.v, 'old');
	IF e.v = 0 THEN
		PERFORM pg_advisory_xact_lock(7);
	END IF;
	PERFORM rama.add('p', e.v, 1);
END $$;
CREATE FUNCTION gated.handle2(e gated.d2) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM rama.add('p', 100 + e.v, 1);
END $$;
SELECT rama.create_topology('gated.t', 'stream', 'gated.d', each => 'gated.handle',
	writes => '{gated.p}', options => '{"batch_max": 1}');
});
	return;
}

# The gate is closed as long as this session is there.
sub close_gate
{
	my $session = start_sql($node, 'postgres', q{
SET application_name = 'gate';
SELECT pg_advisory_lock(7);
SELECT pg_sleep(600)});

	eventually($node, 'postgres',
		q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND granted});
	return $session;
}

sub open_gate
{
	my ($session) = @_;

	$node->safe_psql('postgres',
		q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gate'});
	$session->finish;
	return;
}

# Runs the statement while the batch of event 0 stands still. It waits for the
# batch, or it does not. Then the gate is opened, and the events 1 and 2 come.
sub beside_batch
{
	my ($what, $sql, $waits, %options) = @_;
	my $after = $options{after} // '';
	my $expected = $options{expected} // '{"0": 2, "1": 2, "2": 2}';
	my $session;

	create_gated();
	$session = close_gate();
	$node->safe_psql('postgres', 'INSERT INTO gated.d VALUES (0)');
	eventually($node, 'postgres',
		q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND NOT granted});

	my $run = start_sql($node, 'postgres', "SET application_name = 'beside'; $sql");
	if ($waits)
	{
		# The worker is the one that it waits for.
		eventually($node, 'postgres', q{
SELECT count(*) > 0 FROM pg_stat_activity a, unnest(pg_blocking_pids(a.pid)) b JOIN pg_stat_activity w ON w.pid = b
WHERE a.application_name = 'beside' AND w.backend_type ~ 'rama'});
		pass("$what: waits for the batch");
	}
	else
	{
		ok($run->finish, "$what: does not wait for the batch");
	}
	is($node->safe_psql('postgres', q{SELECT count(*) FROM gated.seen}), '0',
		"$what: readers see nothing of the batch")
	  unless $options{exclusive};
	open_gate($session);
	ok($run->finish, "$what: is done after the batch") if $waits;

	$node->safe_psql('postgres', "INSERT INTO gated.d VALUES (1), (2); $after");
	is($node->safe_psql('postgres', q{
SELECT rama.wait('gated.t', timeout => '30s');
SELECT rama.get('gated.p')}), "t\n$expected", "$what: each event was processed once");
	is($node->safe_psql('postgres', q{
SELECT (SELECT count FROM rama.pstates WHERE pstate = 'gated.p'::regclass) = (SELECT count(*) FROM gated.p)}),
		't', "$what: the PState's count");
	return;
}

beside_batch('a reader', q{SELECT rama.get('gated.p'), rama.count('gated.p'); SELECT * FROM gated.p}, 0);
beside_batch('rama.pause and rama.resume', q{SELECT rama.pause('gated.t'); SELECT rama.resume('gated.t')}, 1);
beside_batch('rama.add_source', q{SELECT rama.add_source('gated.t', 'gated.d2', each => 'gated.handle2')}, 1,
	after => 'INSERT INTO gated.d2 VALUES (1)', expected => '{"0": 2, "1": 2, "2": 2, "101": 1}');
beside_batch('rama.create_topology of another PState', q{
SELECT rama.create_topology('gated.t2', 'stream', 'gated.d2',
	sql => $$SELECT rama.add('q', v, 1) FROM batch$$, writes => '{gated.q}')}, 0);
beside_batch('rama.deactivate', 'SELECT rama.deactivate()', 1, after => 'SELECT rama.activate()');
beside_batch('CREATE OR REPLACE of the handler', q{
CREATE OR REPLACE FUNCTION gated.handle(e gated.d) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM rama.add('p', e.v, 10);
END $$}, 0, expected => '{"0": 2, "1": 10, "2": 10}');
beside_batch('ALTER TABLE of the depot', 'ALTER TABLE gated.d ADD COLUMN more text', 1, exclusive => 1);
beside_batch('ALTER TABLE RENAME of the depot', 'ALTER TABLE gated.d RENAME TO e; ALTER TABLE gated.e RENAME TO d', 1);
beside_batch('CREATE INDEX on the depot', 'CREATE INDEX ON gated.d (v)', 0);
beside_batch('CREATE INDEX on the PState', 'CREATE INDEX ON gated.p (n)', 1);
beside_batch('CLUSTER of the PState', 'CLUSTER gated.p USING p_v_idx', 1);
beside_batch('REINDEX of the PState', 'REINDEX TABLE gated.p', 1);
beside_batch('ANALYZE of the PState', 'ANALYZE gated.p', 0);
beside_batch('GRANT on the PState', 'GRANT SELECT ON gated.p TO PUBLIC', 0);

# VACUUM runs outside of transactions, so one statement a session.
foreach my $vacuum ([ 'VACUUM gated.d', 0 ], [ 'VACUUM gated.p', 0 ], [ 'VACUUM FULL gated.p', 1 ])
{
	my ($command, $waits) = @$vacuum;
	my $session;

	create_gated();
	$session = close_gate();
	$node->safe_psql('postgres', 'INSERT INTO gated.d VALUES (0)');
	eventually($node, 'postgres',
		q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND NOT granted});
	my $run = start_sql($node, 'postgres', $command);
	$waits or ok($run->finish, "$command does not wait for the batch");
	$waits and eventually($node, 'postgres', q{SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'relation' AND NOT granted});
	open_gate($session);
	$waits and ok($run->finish, "$command is done after the batch");
	is($node->safe_psql('postgres', q{
INSERT INTO gated.d VALUES (1), (2);
SELECT rama.wait('gated.t', timeout => '30s');
SELECT rama.get('gated.p')}), qq{t\n{"0": 2, "1": 2, "2": 2}}, "$command: each event was processed once");
}

# DDL that stays open on what one topology uses does not hold up another one,
# though one worker runs both.
foreach my $locked (qw(gated.t gated.d gated.p))
{
	create_gated();
	$node->safe_psql('postgres', q{
SELECT rama.create_topology('gated.t2', 'stream', 'gated.d2',
	sql => 'SELECT rama.add($$q$$, v, 1) FROM batch', writes => '{gated.q}')});
	my $session = start_sql($node, 'postgres', qq{
SET application_name = 'gate';
BEGIN;
LOCK TABLE $locked;
SELECT pg_sleep(600)});
	eventually($node, 'postgres', qq{
SELECT count(*) = 1 FROM pg_locks WHERE relation = '$locked'::regclass AND mode = 'AccessExclusiveLock' AND granted});
	$locked eq 'gated.d' or $node->safe_psql('postgres', 'INSERT INTO gated.d VALUES (0), (1), (2)');
	is($node->safe_psql('postgres', q{
INSERT INTO gated.d2 VALUES (1), (2);
SELECT rama.wait('gated.t2', timeout => '30s');
SELECT rama.get('gated.q')}), qq{t\n{"1": 1, "2": 1}}, "another topology goes on beside DDL on $locked");
	open_gate($session);
	$locked ne 'gated.d' or $node->safe_psql('postgres', 'INSERT INTO gated.d VALUES (0), (1), (2)');
	is($node->safe_psql('postgres', q{
SELECT rama.wait('gated.t', timeout => '30s');
SELECT rama.get('gated.p')}), qq{t\n{"0": 2, "1": 2, "2": 2}}, "and this one after it");
}

# Two waiters for what one batch does, and writers that are no batch
{
	create_gated();
	my $session = close_gate();
	$node->safe_psql('postgres', 'INSERT INTO gated.d VALUES (0), (1), (2)');
	my @waiters = map { start_sql($node, 'postgres', q{
SELECT 1 / rama.wait('gated.t', timeout => '30s')::int; SELECT 1 / (rama.get('gated.p') = '{"0": 2, "1": 2, "2": 2}')::int}) } 1 .. 3;

	eventually($node, 'postgres', q{SELECT count(*) = 3 FROM pg_stat_activity WHERE query ~ 'rama.wait' AND wait_event_type = 'Extension' AND pid <> pg_backend_pid()});
	sqlstate_is($node, 'postgres', q{SELECT rama.add('gated.p', 0, 1)}, '55000', 'a session does not write what a topology owns');
	sqlstate_is($node, 'postgres', q{SET lock_timeout = '100ms'; SELECT rama.create_topology('gated.t2', 'stream', 'gated.d2', sql => 'SELECT 1 FROM batch', writes => '{gated.p}')},
		'55P03', 'whoever wants the PState waits for its lock, and lock_timeout ends that');
	open_gate($session);
	ok($_->finish, 'a waiter is told, and sees what was done') foreach @waiters;
	sqlstate_is($node, 'postgres', q{SELECT rama.create_topology('gated.t2', 'stream', 'gated.d2', sql => 'SELECT 1 FROM batch', writes => '{gated.p}')},
		'55006', 'a PState has one owner');
}

# Dropping cancels the batch, of which nothing stays.
{
	create_gated();
	my $session = close_gate();
	$node->safe_psql('postgres', 'INSERT INTO gated.d VALUES (0)');
	eventually($node, 'postgres',
		q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND NOT granted});
	succeeds_within($node, 'postgres', q{SELECT rama.drop_topology('gated.t')}, 10, 'rama.drop_topology does not wait for a batch');
	open_gate($session);
	is($node->safe_psql('postgres', q{SELECT rama.get('gated.p'), rama.count('gated.p'), (SELECT count(*) FROM gated.seen)}),
		'{}|0|0', 'nothing of the canceled batch stays');
	is($node->safe_psql('postgres', q{SELECT rama.add('gated.p', 7, 1)}), '1', 'the PState is free');
}

$node->stop;
done_testing();
