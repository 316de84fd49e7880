# DDL on databases and on the extension while events come: nothing is in its
# way, and the topologies go on exactly once where they should.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $node = rama_node('databases');
my $tablespace = PostgreSQL::Test::Utils::tempdir;
$node->safe_psql('postgres', "CREATE TABLESPACE elsewhere LOCATION '$tablespace'");
$node->safe_psql('postgres', 'CREATE ROLE dba CREATEDB LOGIN; CREATE ROLE app LOGIN');
$node->safe_psql('postgres', 'CREATE DATABASE busy OWNER dba');
$node->safe_psql('busy', 'CREATE EXTENSION pg_rama; GRANT ALL ON SCHEMA public TO app');
create_recorders($node, 'busy');
create_counters($node, 'busy');

sub workers_of
{
	my ($dbname) = @_;

	return "SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ '^pg_rama' AND datname = '$dbname'";
}

my $ended = qr/terminating (?:autovacuum process|background worker "pg_rama \w+"|connection) due to administrator command|database "busy" does not exist|canceling statement due to user request/;

# Appenders cannot be connected during such DDL: they are stopped, with a
# backlog that batches work on while the statement comes.
sub between_loads
{
	my ($what, $sql, $dbname, $user) = @_;
	my $from = -s $node->logfile;
	my $load = start_load($node->connstr('busy'));
	my $position = $node->safe_psql('busy', 'SELECT last_value FROM events__offset_seq');

	eventually($node, 'busy', "SELECT last_value > $position + 300 FROM events__offset_seq");
	stop_load($load, $node, 'busy');
	$node->safe_psql('busy', q{INSERT INTO events (id, writer, kind) SELECT -1, 0, 'bulk' FROM generate_series(1, 5000)});
	succeeds_within($node, 'postgres', $user ? "SET ROLE $user; $sql" : $sql, 8, "prompt: $what");
	recomputed($node, $dbname, $what);
	log_is_sound($node, $from, $ended, "$what: the log");
	return;
}

between_loads('ALTER DATABASE RENAME', 'ALTER DATABASE busy RENAME TO busier', 'busier');
$node->safe_psql('postgres', 'SET ROLE dba; ALTER DATABASE busier RENAME TO busy');
recomputed($node, 'busy', 'ALTER DATABASE RENAME by its owner');
between_loads('ALTER DATABASE SET TABLESPACE', 'ALTER DATABASE busy SET TABLESPACE elsewhere', 'busy');
between_loads('ALTER DATABASE OWNER', 'ALTER DATABASE busy OWNER TO app; ALTER DATABASE busy OWNER TO dba', 'busy');
between_loads('ALTER DATABASE CONNECTION LIMIT', 'ALTER DATABASE busy CONNECTION LIMIT 3', 'busy');
$node->safe_psql('postgres', 'ALTER DATABASE busy CONNECTION LIMIT -1; ALTER DATABASE busy SET TABLESPACE pg_default');
between_loads('CREATE DATABASE TEMPLATE', 'CREATE DATABASE copy TEMPLATE busy', 'busy');
is($node->safe_psql('copy', q{SELECT DISTINCT state FROM rama.status WHERE kind IN ('stream', 'microbatch')}), 'inactive',
	'the copy is inactive');
succeeds_within($node, 'postgres', 'DROP DATABASE copy', 8, 'prompt: DROP DATABASE of a copy');

# A template goes on, too; whoever may create databases may copy it.
between_loads('ALTER DATABASE IS_TEMPLATE', 'ALTER DATABASE busy IS_TEMPLATE true', 'busy');
$node->safe_psql('busy', q{INSERT INTO events (id, writer, kind) SELECT -1, 0, 'bulk' FROM generate_series(1, 5000)});
$node->safe_psql('postgres', 'CREATE ROLE maker CREATEDB');
succeeds_within($node, 'postgres', 'SET ROLE maker; CREATE DATABASE copy TEMPLATE busy', 8, 'prompt: copy of a template by another role');
recomputed($node, 'busy', 'a template that was copied');
$node->restart;
$node->safe_psql('busy', q{INSERT INTO events (id, writer, kind) VALUES (-1, 0, 'after restart')});
recomputed($node, 'busy', 'a template after a restart');
$node->safe_psql('postgres', 'ALTER DATABASE busy IS_TEMPLATE false; DROP DATABASE copy');

# A database without connections has no topologies that run, until they are
# allowed again.
my $from = -s $node->logfile;
my $load = start_load($node->connstr('busy'));
my $inside = $node->background_psql('busy');
$node->safe_psql('postgres', 'ALTER DATABASE busy ALLOW_CONNECTIONS false');
eventually($node, 'postgres', 'SELECT (' . workers_of('busy') . ') = 0');
is($inside->query_safe(q{SELECT state, hint FROM rama.status WHERE name = 'see_stream'}),
	'closed|ALTER DATABASE busy ALLOW_CONNECTIONS true', 'ALLOW_CONNECTIONS false: status says so');
$inside->query_safe(q{INSERT INTO events (id, writer, kind) VALUES (-1, 0, 'alone'); SELECT rama.pause('see_small'); SELECT rama.resume('see_small')});
is($inside->query_safe(q{SELECT rama.wait('see_stream', timeout => '300 ms')}), 'f', 'nothing is processed');
is($node->safe_psql('postgres', workers_of('busy')), '0', 'no worker comes back');
$node->safe_psql('postgres', 'ALTER DATABASE busy ALLOW_CONNECTIONS true');
is($inside->query_safe(q{SELECT rama.wait('see_stream', timeout => '20 s')}), 't', 'ALLOW_CONNECTIONS true: it goes on');
$inside->quit;
stop_load($load, $node, 'busy');
recomputed($node, 'busy', 'connections were not allowed for a while');
$node->safe_psql('postgres', 'ALTER DATABASE busy ALLOW_CONNECTIONS false');
$node->restart;
$node->safe_psql('postgres', q{UPDATE pg_database SET datallowconn = true WHERE datname = 'busy'; SELECT pg_reload_conf()});
recomputed($node, 'busy', 'a restart, and connections allowed by hand and a reload');
$node->safe_psql('busy', q{INSERT INTO events (id, writer, kind) VALUES (-1, 0, 'after reload')});
recomputed($node, 'busy', 'the same with events');
log_is_sound($node, $from, qr/$ended|is not currently accepting connections/, 'ALLOW_CONNECTIONS: the log');

# The extension.
$from = -s $node->logfile;
$load = start_load($node->connstr('busy'));
sqlstate_is($node, 'busy', 'DROP EXTENSION pg_rama', '2BP01', 'DROP EXTENSION while topologies run');
sqlstate_is($node, 'busy', 'ALTER EXTENSION pg_rama SET SCHEMA public', '0A000', 'ALTER EXTENSION SET SCHEMA');
sqlstate_is($node, 'busy', 'ALTER EXTENSION pg_rama UPDATE TO $$99$$', '22023', 'ALTER EXTENSION UPDATE to a version that is none');
sqlstate_is($node, 'busy', 'DROP SCHEMA rama', '2BP01', 'DROP SCHEMA rama');
$node->safe_psql('busy', 'BEGIN; DROP EXTENSION pg_rama CASCADE; ROLLBACK');
stop_load($load, $node, 'busy');
recomputed($node, 'busy', 'DROP EXTENSION CASCADE was rolled back');
log_is_sound($node, $from, qr/$ended|other objects depend on it|SET SCHEMA|no update path|cannot drop schema rama|deadlock detected|cache lookup failed/,
	'DROP EXTENSION: the log');

$node->safe_psql('busy', q{INSERT INTO events (id, writer, kind) SELECT -1, 0, 'bulk' FROM generate_series(1, 20000)});
succeeds_within($node, 'busy', 'DROP EXTENSION pg_rama CASCADE', 8, 'prompt: DROP EXTENSION CASCADE');
eventually($node, 'postgres', 'SELECT (' . workers_of('busy') . ') = 0');
is($node->safe_psql('busy', q{
SELECT (SELECT count(*) FROM events) - (SELECT count(*) FROM events WHERE kind IS NOT NULL OR true) AS kept,
	(SELECT count(*) - count(DISTINCT at) FROM seen_stream) AS doubled,
	(SELECT count(*) FROM seen_stream LEFT JOIN events ON _offset = at WHERE _offset IS NULL) AS invented}),
	'0|0|0', 'the data stay, and nothing was doubled up to the drop');
$node->safe_psql('busy', q{
CREATE EXTENSION pg_rama;
BEGIN;
CREATE TABLE again (n int);
SELECT rama.create_depot('fresh', 'n int');
SELECT rama.create_topology('refreshed', 'stream', 'fresh', sql => 'INSERT INTO again SELECT n FROM batch');
INSERT INTO fresh SELECT generate_series(1, 100);
COMMIT});
is($node->safe_psql('busy', q{SELECT rama.wait('refreshed'); SELECT count(*), sum(n) FROM again}), "t\n100|5050",
	'CREATE EXTENSION again');

# DROP DATABASE, also by force, by its owner, with clients that append.
$from = -s $node->logfile;
foreach my $force (0, 1)
{
	my $sessions;

	if ($force)
	{
		$node->safe_psql('postgres', 'CREATE DATABASE busy OWNER dba');
		$node->safe_psql('busy', 'CREATE EXTENSION pg_rama');
		create_recorders($node, 'busy');
		$node->safe_psql('busy', q{INSERT INTO events (id, writer, kind) SELECT -1, 0, 'bulk' FROM generate_series(1, 50000)});
		$sessions = start_sql($node, 'busy', q{
SET SESSION AUTHORIZATION dba; SELECT pg_sleep(100)});
		eventually($node, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query ~ 'pg_sleep.100' AND state = 'active' AND pid <> pg_backend_pid()});
		succeeds_within($node, 'postgres', 'DROP DATABASE busy WITH (FORCE)', 8, 'prompt: DROP DATABASE WITH (FORCE)');
		$sessions->finish;
	}
	else
	{
		$node->safe_psql('busy', q{INSERT INTO fresh SELECT generate_series(1, 50000)});
		succeeds_within($node, 'postgres', 'SET ROLE dba; DROP DATABASE busy', 8, 'prompt: DROP DATABASE by its owner');
	}
	is($node->safe_psql('postgres', workers_of('busy')), '0', 'no process is left of it');
}
log_is_sound($node, $from, $ended, 'DROP DATABASE: the log');

# A role that may not drop it disturbs nobody; a drop that is refused neither.
$node->safe_psql('postgres', 'CREATE DATABASE busy OWNER dba');
$node->safe_psql('busy', 'CREATE EXTENSION pg_rama');
create_recorders($node, 'busy');
create_counters($node, 'busy');
$from = -s $node->logfile;
$load = start_load($node->connstr('busy'));
eventually($node, 'busy', 'SELECT last_value > 100 FROM events__offset_seq');
sqlstate_is($node, 'postgres', 'SET ROLE app; DROP DATABASE busy WITH (FORCE)', '42501', 'DROP DATABASE by another role');
$node->safe_psql('busy', 'BEGIN; CREATE TABLE t (); PREPARE TRANSACTION $$stays$$');
sqlstate_is($node, 'postgres', 'DROP DATABASE busy WITH (FORCE)', '55006', 'DROP DATABASE with a prepared transaction');
$node->safe_psql('busy', 'ROLLBACK PREPARED $$stays$$');
stop_load($load, $node, 'busy');
recomputed($node, 'busy', 'after refused drops of the database');
log_is_sound($node, $from, qr/$ended|must be owner of database|is being used by prepared|is being accessed/, 'refused drops: the log');

$node->stop;
done_testing();
