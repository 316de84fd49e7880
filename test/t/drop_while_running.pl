# Whatever is dropped while workers run, also in the middle of a batch: the
# command returns promptly, the server stays healthy, and the topologies of
# another database go on.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $prompt = 8;				# seconds
my $node = rama_node('drop', conf => 'restart_after_crash = on');
my $slowest = 0;

# A module in its schema: a busy stream, a busy microbatch that writes a
# PState, and on demand a handler that sleeps.
sub create_module
{
	my ($dbname, $schema) = @_;

	$node->safe_psql($dbname, qq{
CREATE EXTENSION IF NOT EXISTS pg_rama;
CREATE SCHEMA $schema;
SET search_path = $schema, public;
BEGIN;
SELECT rama.create_depot('events', 'id bigint, sleep float8');
SELECT rama.create_depot('naps', 'sleep float8');
SELECT rama.create_pstate('counts', 'map(id: bigint, count: bigint)');
CREATE TABLE effects (id bigint);
CREATE TABLE nap_begun (at timestamptz);
CREATE FUNCTION take(e events) RETURNS void LANGUAGE plpgsql AS \$\$
BEGIN
	INSERT INTO effects VALUES (e.id);
END \$\$;
CREATE FUNCTION nap(e naps) RETURNS void LANGUAGE plpgsql AS \$\$
BEGIN
	PERFORM pg_advisory_xact_lock_shared(7);
	PERFORM pg_sleep(e.sleep);
END \$\$;
SELECT rama.create_topology('streaming', 'stream', 'events', each => 'take');
SELECT rama.create_topology('counting', 'microbatch', 'events',
	sql => 'SELECT rama.add(''counts'', id % 10, 1) FROM batch', writes => '{counts}');
SELECT rama.create_topology('napping', 'stream', 'naps', each => 'nap');
COMMIT});
	return;
}

my @appenders;

# Appends until something is gone.
sub append_forever
{
	my ($dbname, $schema) = @_;
	my ($out, $err) = ('', '');

	push @appenders, IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr($dbname), '-c', qq{
DO \$\$
BEGIN
	LOOP
		INSERT INTO $schema.events (id) SELECT generate_series(1, 20);
		COMMIT;
		PERFORM pg_sleep(0.002);
	END LOOP;
END \$\$} ],
		'>', \$out, '2>', \$err);
	return;
}

# Waits for topologies and looks at them, until something is gone.
sub look_forever
{
	my ($dbname, $schema) = @_;
	my ($out, $err) = ('', '');

	push @appenders, IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr($dbname), '-c', qq{
DO \$\$
BEGIN
	LOOP
		PERFORM rama.wait('$schema.streaming', timeout => '5ms');
		PERFORM rama.wait('$schema.napping', timeout => '5ms');
		PERFORM * FROM rama.status, rama.depots;
		COMMIT;
	END LOOP;
END \$\$} ],
		'>', \$out, '2>', \$err);
	return;
}

# Sends a handler to sleep, and returns when it does.
sub begin_nap
{
	my ($dbname, $schema) = @_;

	$node->safe_psql($dbname, "INSERT INTO $schema.naps (sleep) VALUES (120)");
	eventually($node, $dbname, q{
SELECT count(*) > 0 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
WHERE locktype = 'advisory' AND objid = 7 AND datname = current_database()});
	return;
}

# The bystander's topologies, in another database, have no hiccup.
my $bystander = 0;
sub others_go_on
{
	my ($after) = @_;

	$bystander++;
	is( $node->safe_psql('other', qq{
INSERT INTO m.events (id) VALUES ($bystander);
SELECT rama.wait('m.streaming', timeout => '10s') AND rama.wait('m.counting', timeout => '10s')}),
		't', "topologies of another database go on after: $after");
	return;
}

sub dropped
{
	my ($dbname, $sql) = @_;
	my $took = succeeds_within($node, $dbname, $sql, $prompt, "prompt: $sql");

	$slowest = $took if defined $took && $took > $slowest;
	others_go_on($sql);
	return;
}

$node->safe_psql('postgres', 'CREATE DATABASE other');
create_module('other', 'm');
others_go_on('nothing');

# Objects of a module; each in a module of its own, busy, with a sleeper.
$node->safe_psql('postgres', 'CREATE DATABASE objects');
my $n = 0;
foreach my $drop (
	'DROP TABLE %s.events CASCADE',
	'DROP TABLE %s.naps CASCADE',
	q{SELECT rama.drop_topology('%s.streaming')},
	q{SELECT rama.drop_topology('%s.counting')},
	q{SELECT rama.drop_topology('%s.napping')},
	'DROP TABLE %s.napping',
	'DROP TABLE %s.counts CASCADE',
	'DROP FUNCTION %s.nap CASCADE',
	'DROP SCHEMA %s CASCADE')
{
	my $schema = 'm' . ++$n;

	create_module('objects', $schema);
	append_forever('objects', $schema);
	look_forever('objects', $schema);
	begin_nap('objects', $schema);
	dropped('objects', sprintf($drop, $schema));
	$node->safe_psql('objects', "DROP SCHEMA IF EXISTS $schema CASCADE");
}
is($node->safe_psql('objects', q{
SELECT (SELECT count(*) FROM rama.topology) + (SELECT count(*) FROM rama.depot)
	+ (SELECT count(*) FROM rama.pstate) + (SELECT count(*) FROM rama.source)}),
	'0', 'no catalog row is left of what was dropped');

# Who may not drop anything cannot stop anybody's batch by trying.
create_module('objects', 'u');
begin_nap('objects', 'u');
my $log_end = -s $node->logfile;
$node->safe_psql('postgres', 'CREATE ROLE nobody');
foreach my $try (
	'DROP SCHEMA u CASCADE', 'DROP TABLE u.naps CASCADE', 'DROP TABLE u.napping', 'DROP FUNCTION u.nap CASCADE',
	'DROP EXTENSION pg_rama CASCADE',
	q{SELECT rama.drop_topology('u.napping')}, 'DROP DATABASE other', 'ALTER DATABASE other RENAME TO mine',
	'CREATE DATABASE mine TEMPLATE other')
{
	$node->psql('objects', "SET ROLE nobody; SET statement_timeout = '3s'; $try");
}
unlike(slurp_file($node->logfile, $log_end), qr/due to user request|administrator command/,
	'DDL that a role may not run disturbs no batch');
others_go_on('attempts at DDL');
dropped('objects', 'DROP SCHEMA u CASCADE');

# RESTRICT means what it says.
create_module('objects', 'r');
sqlstate_is($node, 'objects', 'DROP TABLE r.events', '2BP01', 'DROP TABLE of a depot that a topology reads needs CASCADE');
sqlstate_is($node, 'objects', 'DROP TABLE r.counts', '2BP01', 'DROP TABLE of a PState that a topology writes needs CASCADE');
sqlstate_is($node, 'objects', 'DROP FUNCTION r.nap', '2BP01', 'DROP FUNCTION of a handler needs CASCADE');
sqlstate_is($node, 'objects', 'DROP EXTENSION pg_rama', '2BP01', 'DROP EXTENSION is refused while depots exist');

# The extension: the user's data stay, as plain tables.
append_forever('objects', 'r');
look_forever('objects', 'r');
begin_nap('objects', 'r');
dropped('objects', 'DROP EXTENSION pg_rama CASCADE');
cmp_ok($node->safe_psql('objects', 'SELECT count(*) FROM r.events'), '>', 0, 'the events stay');
is($node->safe_psql('objects', q{SELECT to_regclass('r.counts')}), 'r.counts', 'the PState stays');
$_->kill_kill foreach splice @appenders;
$node->safe_psql('objects', 'DROP SCHEMA r CASCADE');
create_module('objects', 'r');
$node->safe_psql('objects', 'INSERT INTO r.events (id) VALUES (1)');
is($node->safe_psql('objects', q{SELECT rama.wait('r.counting', timeout => '20s')}),
	't', 'CREATE EXTENSION again, and topologies run');

# Databases. Workers do not count as users; clients of the test are gone.
sub busy_database
{
	my ($dbname) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $dbname");
	create_module($dbname, 'm');
	$node->safe_psql($dbname, 'INSERT INTO m.events (id) SELECT generate_series(1, 20000)');
	begin_nap($dbname, 'm');
	return;
}

busy_database('renamed');
dropped('postgres', 'ALTER DATABASE renamed RENAME TO victim');
is($node->safe_psql('victim', q{SELECT rama.wait('m.counting', timeout => '20s')}),
	't', 'topologies of a renamed database go on');
dropped('postgres', 'CREATE DATABASE copy TEMPLATE victim');
is($node->safe_psql('victim', q{
INSERT INTO m.events (id) VALUES (1);
SELECT rama.wait('m.counting', timeout => '20s')}),
	't', 'topologies of a template go on after it was copied');
like($node->safe_psql('copy', 'SELECT string_agg(s::text, chr(10)) FROM rama.status s'),
	qr/inactive/, 'the copy is inactive');
my $events = $node->safe_psql('copy', 'SELECT count(*) FROM m.effects');
$node->safe_psql('copy', 'SELECT rama.activate()');
is($node->safe_psql('copy', q{
INSERT INTO m.events (id) VALUES (1);
SELECT rama.wait('m.streaming', timeout => '20s') AND rama.wait('m.counting', timeout => '20s')}),
	't', 'and runs after rama.activate()');
is($node->safe_psql('copy', q{
SELECT (SELECT count(*) FROM m.effects) = (SELECT count(*) FROM m.events)
	AND (SELECT sum(count) FROM m.counts) = (SELECT count(*) FROM m.events)}),
	't', 'exactly once, in the copy too');
dropped('postgres', 'DROP DATABASE copy');
dropped('postgres', 'ALTER DATABASE victim SET TABLESPACE pg_default');
dropped('postgres', 'DROP DATABASE victim');

is($node->safe_psql('other', q{
SELECT (SELECT count(*) FROM m.effects) = (SELECT count(*) FROM m.events)
	AND (SELECT sum(count) FROM m.counts) = (SELECT count(*) FROM m.events)}),
	't', 'the other database processed every event exactly once');
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal|TRAP/, 'no process crashed');
figure("slowest drop beside busy and sleeping handlers: $slowest s");

$node->stop('immediate');
done_testing();
