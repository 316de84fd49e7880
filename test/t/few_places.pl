# max_worker_processes has room for one worker: databases and owners take turns,
# and a database that is made later is found.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

# The two launchers, pg_rama's and that of logical replication, and one more.
my $node = rama_node('places', conf => 'max_worker_processes = 3');

sub set_up
{
	my ($database) = @_;

	$node->safe_psql($database, q{
CREATE EXTENSION IF NOT EXISTS pg_rama;
CREATE TABLE done (what text, n int);
SELECT rama.create_depot('d', 'n int');
SELECT rama.create_topology('s', 'stream', 'd', sql => $$INSERT INTO done SELECT 's', n FROM batch$$);
SELECT rama.create_topology('m', 'microbatch', 'd', sql => $$INSERT INTO done SELECT 'm', n FROM batch$$)});
	return;
}

sub processes
{
	my ($database, $n) = @_;

	is($node->safe_psql($database, qq{
INSERT INTO d VALUES ($n);
SELECT rama.wait('s', timeout => '30s');
SELECT rama.wait('m', timeout => '30s');
SELECT count(*) FROM done WHERE n = $n}), "t\nt\n2", "$database, event $n");
	return;
}

set_up('postgres');
processes('postgres', 1);
$node->safe_psql('postgres', 'CREATE DATABASE later');
set_up('later');
processes('later', 1);
processes('postgres', 2);
processes('later', 2);

$node->stop;
done_testing();
