# Without shared_preload_libraries everything but topologies works, and what
# does not says so with a hint.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $node = PostgreSQL::Test::Cluster->new('not_preloaded');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_rama');

is( $node->safe_psql(
		'postgres', q{
SELECT rama.create_depot('events', 'n int');
INSERT INTO events VALUES (1);
SELECT rama.append('events', '{"n": 2}');
SELECT rama.create_pstate('p', 'map(k: text, bigint)');
SELECT rama.add('p', 'a', 5);
SELECT rama.get('p', 'a');
SELECT reason FROM rama.standstill();
SELECT count(*) FROM rama.status}),
	"events\n2\np\n5\n5\nnot preloaded\n2",
	'depots, PStates and paths work');

foreach my $call (
	q{rama.create_topology('t', 'stream', 'events', sql => 'SELECT')},
	q{rama.wait('events')}, q{rama.watch('p', '["a"]')})
{
	sqlstate_is($node, 'postgres', "SELECT $call", '55000', "$call is refused");
	my ($rc, $stdout, $stderr) = $node->psql('postgres', "SELECT $call");
	like($stderr, qr/shared_preload_libraries/, 'and its hint tells what to do');
}
sqlstate_is($node, 'postgres', q{CALL rama.tail('p')}, '55000', 'rama.tail is refused');
is($node->safe_psql('postgres', 'SELECT count(*) FROM rama.watchers'), '0', 'there are no watches');
is($node->safe_psql('postgres', q{SELECT to_regclass('t') IS NULL}),
	't', 'nothing is left of it');

$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_rama'");
$node->restart;
is( $node->safe_psql(
		'postgres', q{
CREATE TABLE seen (n int);
SELECT rama.create_topology('t', 'stream', 'events', sql => 'INSERT INTO seen SELECT n FROM batch');
SELECT rama.wait('t');
SELECT sum(n) FROM seen}),
	"t\nt\n3",
	'once preloaded, topologies process what was appended before');

$node->stop;
done_testing();
