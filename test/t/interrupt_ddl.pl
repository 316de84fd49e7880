# DDL on what topologies use, while events come: depots and PStates are altered
# and rewritten, handlers replaced, renamed, dropped, made to fail and taken
# away from their callers, owners renamed and their rights revoked.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $rounds = soak() ? 20 : 1;
my $node = rama_node('ddl');
my $tablespace = PostgreSQL::Test::Utils::tempdir;
create_recorders($node, 'postgres');
create_counters($node, 'postgres');
$node->safe_psql('postgres', "CREATE TABLESPACE elsewhere LOCATION '$tablespace'");

# All of them under one load. Appenders and batches may have to wait, no more.
sub under_load
{
	my ($what, @statements) = @_;
	my $from = -s $node->logfile;
	my $load = start_load($node->connstr('postgres'));
	my $slowest = 0;

	foreach my $sql ((@statements) x $rounds)
	{
		my $start = time;
		my $patience = $node->safe_psql('postgres', 'SELECT last_value FROM events__offset_seq');

		$node->safe_psql('postgres', $sql);
		$slowest = time - $start if time - $start > $slowest;
		# Some events under the new state of things.
		eventually($node, 'postgres', "SELECT last_value > $patience + 20 FROM events__offset_seq");
	}
	stop_load($load, $node, 'postgres');
	recomputed($node, 'postgres', $what);
	log_is_sound($node, $from, qr/deadlock detected/, "$what: the log");
	cmp_ok($slowest, '<', 15, "$what: no statement waits long");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM rama.status WHERE state NOT IN ('idle', 'running', 'owned', 'unowned')}),
		'0', "$what: nothing fails");
	return;
}

under_load('ALTER TABLE and rewrites of a depot',
	'ALTER TABLE events ADD COLUMN note text DEFAULT $$none$$',
	'ALTER TABLE events ADD COLUMN stamp timestamptz DEFAULT clock_timestamp()',
	'ALTER TABLE events ALTER cause TYPE numeric; ALTER TABLE events ALTER cause TYPE bigint',
	'ALTER TABLE events DROP COLUMN note',
	'ALTER TABLE events DROP COLUMN stamp',
	'CREATE INDEX ON events (writer); ANALYZE events',
	'CREATE INDEX CONCURRENTLY by_kind ON events (kind)',
	'ALTER TABLE events SET TABLESPACE elsewhere',
	'VACUUM FULL events',
	'CLUSTER events USING by_kind',
	'REINDEX TABLE events',
	'REINDEX TABLE CONCURRENTLY events',
	'DROP INDEX by_kind',
	'ALTER TABLE events ADD CONSTRAINT positive CHECK (writer >= 0) NOT VALID; ALTER TABLE events VALIDATE CONSTRAINT positive',
	'ALTER TABLE events SET TABLESPACE pg_default; ALTER TABLE events SET (fillfactor = 90)',
	'BEGIN; LOCK TABLE events; SELECT pg_sleep(0.2); COMMIT');

under_load('DDL and maintenance on PStates and topologies',
	'CREATE INDEX tally_count ON tally (count)',
	'CREATE INDEX CONCURRENTLY log_ids_last ON log_ids_chunk (first)',
	'CREATE STATISTICS tally_stat (dependencies) ON kind, count FROM tally; ANALYZE tally',
	'ALTER TABLE log_ids_chunk ALTER first SET STATISTICS 1000',
	'REINDEX TABLE tally; REINDEX TABLE log_ids_chunk',
	'REINDEX TABLE CONCURRENTLY log_ids_chunk',
	'VACUUM FULL log',
	'VACUUM FULL log_ids_chunk',
	'VACUUM FULL tally',
	'VACUUM FULL rama.pstate_version',
	'VACUUM FULL keep_log',
	'ALTER TABLE keep_log SET TABLESPACE elsewhere',
	'ALTER TABLE log SET (fillfactor = 50); VACUUM (FREEZE) log',
	'DROP INDEX tally_count, log_ids_last; DROP STATISTICS tally_stat',
	'VACUUM (FULL, ANALYZE)');

under_load('a handler is replaced, renamed and moved',
	q{CREATE OR REPLACE FUNCTION record(e events) RETURNS void LANGUAGE sql AS
		$$INSERT INTO seen_stream (batch, at, id) VALUES (rama.batch_id(), e._offset, e.id)$$},
	'ALTER FUNCTION record(events) RENAME TO recorded; ALTER FUNCTION keep(events) COST 10',
	'CREATE SCHEMA handlers; ALTER FUNCTION recorded(events) SET SCHEMA handlers',
	'ALTER SCHEMA handlers RENAME TO elsewhere',
	'ALTER FUNCTION elsewhere.recorded(events) SET SCHEMA public; DROP SCHEMA elsewhere',
	'ALTER FUNCTION recorded(events) RENAME TO record',
	q{CREATE FUNCTION record(e events, extra int) RETURNS void LANGUAGE sql AS 'SELECT'; DROP FUNCTION record(events, int)},
	'ALTER FUNCTION record(events) SET work_mem = $$1MB$$');

under_load('names of everything else',
	'BEGIN; ALTER TABLE events RENAME TO happenings; ALTER TABLE happenings RENAME TO events; COMMIT',
	'ALTER TABLE see_small RENAME TO see_little; ALTER TABLE see_little RENAME TO see_small',
	'CREATE ROLE other; ALTER TABLE see_small OWNER TO other; ALTER TABLE see_small OWNER TO CURRENT_USER',
	'DROP ROLE other');

# What makes a topology fail says so in rama.status; the others go on, and it
# goes on, too, when the cause is removed.
sub fails_and_recovers
{
	my ($what, $topology, $break, $sqlstate, $message, $mend) = @_;
	my $from = -s $node->logfile;
	my $load = start_load($node->connstr('postgres'));

	$node->safe_psql('postgres', $break);
	eventually($node, 'postgres', "SELECT attempts > 1 FROM rama.status WHERE name = '$topology'");
	is(status_of($node, 'postgres', $topology, 'state, last_sqlstate'), "failing|$sqlstate", "$what: the topology fails");
	like(status_of($node, 'postgres', $topology, 'last_error'), $message, "$what: rama.status tells why");
	is($node->safe_psql('postgres', q{SELECT rama.wait('see_large', timeout => '30s')}), 't', "$what: another topology goes on");
	$node->safe_psql('postgres', $mend);
	stop_load($load, $node, 'postgres');
	recomputed($node, 'postgres', $what);
	is(status_of($node, 'postgres', $topology, 'state, last_sqlstate IS NULL'), 'idle|t', "$what: and recovers");
	log_is_sound($node, $from, qr/ERROR:  .*(?:$message)/, "$what: the log");
	return;
}

my $record = q{CREATE OR REPLACE FUNCTION record(e events) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO seen_stream (batch, at, id) VALUES (rama.batch_id(), e._offset, e.id);
END $$};
fails_and_recovers('a handler is made to fail', 'see_stream',
	q{CREATE OR REPLACE FUNCTION record(e events) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO seen_stream (batch, at, id) VALUES (rama.batch_id(), e._offset, e.id);
	RAISE 'broken' USING ERRCODE = 'AB123';
END $$},
	'AB123', qr/broken/, $record);
fails_and_recovers('its function uses a column that is dropped', 'see_stream',
	q{ALTER TABLE seen_stream RENAME id TO ident}, '42703', qr/column "id" of relation "seen_stream" does not exist/,
	q{ALTER TABLE seen_stream RENAME ident TO id});
fails_and_recovers('its SQL uses a table that is gone', 'see_small',
	q{ALTER TABLE seen_small RENAME TO hidden}, '42P01', qr/relation "seen_small" does not exist/,
	q{ALTER TABLE hidden RENAME TO seen_small});

# An owner who is no superuser.
$node->safe_psql('postgres', q{
CREATE ROLE ann; GRANT ALL ON SCHEMA public TO ann;
ALTER TABLE see_stream OWNER TO ann; ALTER TABLE keep_log OWNER TO ann; ALTER TABLE log OWNER TO ann;
GRANT SELECT ON events TO ann; GRANT INSERT ON seen_stream TO ann; GRANT USAGE ON SEQUENCE seen_stream_ord_seq TO ann});
recomputed($node, 'postgres', 'topologies have another owner');
fails_and_recovers('the owner may not call the handler', 'see_stream',
	'REVOKE EXECUTE ON FUNCTION record FROM PUBLIC', '42501', qr/permission denied for function record/,
	'GRANT EXECUTE ON FUNCTION record TO PUBLIC');
fails_and_recovers('the owner may not read the depot', 'keep_log',
	'REVOKE SELECT ON events FROM ann', '42501', qr/permission denied for table events/,
	'GRANT SELECT ON events TO ann');
fails_and_recovers('row security applies to the owner', 'see_stream',
	'ALTER TABLE events ENABLE ROW LEVEL SECURITY', '42501', qr/row security of depot "events" applies/,
	'ALTER TABLE events DISABLE ROW LEVEL SECURITY');
fails_and_recovers('the owner may not write a table', 'see_stream',
	'REVOKE ALL ON seen_stream FROM ann', '42501', qr/permission denied for table seen_stream/,
	'GRANT INSERT ON seen_stream TO ann');
fails_and_recovers('the owner may not write the PState', 'keep_log',
	'ALTER TABLE log OWNER TO CURRENT_USER; REVOKE ALL ON log FROM ann', '42501', qr/permission denied for (?:table|relation) log/,
	'ALTER TABLE log OWNER TO ann');

under_load('the owner is renamed, and cannot be dropped',
	'ALTER ROLE ann RENAME TO bea',
	'ALTER ROLE bea NOLOGIN NOINHERIT',
	'ALTER ROLE bea RENAME TO ann');
sqlstate_is($node, 'postgres', 'DROP ROLE ann', '2BP01', 'DROP ROLE of an owner');
under_load('REASSIGN OWNED',
	'REASSIGN OWNED BY ann TO CURRENT_USER; GRANT ALL ON seen_stream, events, log TO ann; CREATE ROLE zoe; GRANT ALL ON SCHEMA public TO zoe');

# RESTRICT is refused; CASCADE takes the topology along, and nothing else.
my $from = -s $node->logfile;
my $load = start_load($node->connstr('postgres'));
$node->safe_psql('postgres', q{
BEGIN;
CREATE SCHEMA doomed AUTHORIZATION zoe;
GRANT SELECT ON events TO zoe;
SET ROLE zoe;
SET search_path = doomed, public;
CREATE TABLE seen (at bigint);
CREATE FUNCTION take(e events) RETURNS void LANGUAGE sql AS 'INSERT INTO doomed.seen VALUES (e._offset)';
SELECT rama.create_pstate('n', 'map(writer: int, n: bigint)');
SELECT rama.create_topology('taking', 'stream', 'events', each => 'take');
SELECT rama.create_topology('counting', 'microbatch', 'events',
	sql => 'SELECT rama.add(''n'', writer, 1) FROM batch', writes => '{n}');
COMMIT});
eventually($node, 'postgres', 'SELECT count(*) > 100 FROM doomed.seen');
sqlstate_is($node, 'postgres', 'DROP FUNCTION doomed.take(events)', '2BP01', 'DROP FUNCTION of a handler, RESTRICT');
sqlstate_is($node, 'postgres', 'DROP TABLE doomed.n', '2BP01', 'DROP TABLE of a written PState, RESTRICT');
sqlstate_is($node, 'postgres', 'DROP TABLE events', '2BP01', 'DROP TABLE of a depot, RESTRICT');
sqlstate_is($node, 'postgres', 'DROP EXTENSION pg_rama', '2BP01', 'DROP EXTENSION, RESTRICT');
sqlstate_is($node, 'postgres', 'ALTER EXTENSION pg_rama SET SCHEMA public', '0A000', 'ALTER EXTENSION SET SCHEMA');
sqlstate_is($node, 'postgres', 'ALTER TABLE events DROP COLUMN _offset', '0A000', 'a managed column cannot be dropped');
$node->safe_psql('postgres', 'DROP FUNCTION doomed.take(events) CASCADE');
is($node->safe_psql('postgres', q{SELECT to_regclass('doomed.taking') IS NULL}), 't', 'DROP FUNCTION CASCADE drops the topology');
$node->safe_psql('postgres', 'DROP OWNED BY zoe CASCADE');
is($node->safe_psql('postgres', q{SELECT to_regclass('doomed.counting') IS NULL AND to_regclass('doomed.n') IS NULL}),
	't', 'DROP OWNED drops topologies and PStates');
is($node->safe_psql('postgres', q{SELECT count(*) FROM rama.topology t LEFT JOIN pg_class c ON c.oid = t.topology WHERE c.oid IS NULL}),
	'0', 'and leaves no catalog row behind');
$node->safe_psql('postgres', q{
CREATE SCHEMA doomed;
SET search_path = doomed, public;
BEGIN;
SELECT rama.create_pstate('n', 'map(writer: int, n: bigint)');
SELECT rama.create_topology('counting', 'microbatch', 'events',
	sql => 'SELECT rama.add(''n'', writer, 1) FROM batch', writes => '{n}');
COMMIT;
SELECT rama.wait('counting')});
$node->safe_psql('postgres', 'DROP SCHEMA doomed CASCADE; DROP ROLE zoe');
stop_load($load, $node, 'postgres');
recomputed($node, 'postgres', 'beside what was dropped');
log_is_sound($node, $from,
	qr/canceling statement due to user request|deadlock detected|because other objects depend on it|does not support SET SCHEMA|cannot alter|managed/,
	'drops: the log');

$node->stop;
done_testing();
