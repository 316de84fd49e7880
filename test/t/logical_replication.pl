# Logical replication: the user's columns of a depot, published into a depot of
# another server, are appended there and feed its topologies; managed columns
# are refused; a PState can be published as the tables that it is.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $publisher = rama_node('publisher', init => { allows_streaming => 'logical' });
my $subscriber = rama_node('subscriber');

foreach my $node ($publisher, $subscriber)
{
	$node->safe_psql('postgres', q{SELECT rama.create_depot('events', 'k text, n int')});
}
$publisher->safe_psql(
	'postgres', q{
SELECT rama.create_pstate('counts', 'map(k: text, bigint)');
SELECT rama.create_topology('counting', 'stream', 'events', writes => '{counts}',
	sql => $$SELECT rama.add('counts', k, 1) FROM batch$$);
CREATE PUBLICATION events FOR TABLE events (k, n) WITH (publish = 'insert');
CREATE PUBLICATION counts FOR TABLE counts;
CREATE PUBLICATION managed FOR TABLE events});
$subscriber->safe_psql(
	'postgres', q{
CREATE TABLE counts (k text PRIMARY KEY, value bigint);
CREATE TABLE seen (k text, n int, at bigint);
SELECT rama.create_topology('seeing', 'stream', 'events',
	sql => 'INSERT INTO seen SELECT k, n, _offset FROM batch')});

# An offset of the subscriber's own, so that the two depots differ.
$subscriber->safe_psql('postgres', q{INSERT INTO events (k, n) VALUES ('own', 0)});
$publisher->safe_psql('postgres', q{INSERT INTO events (k, n) VALUES ('before', 0)});

my $connection = $publisher->connstr . ' dbname=postgres';
$subscriber->safe_psql('postgres',
	"CREATE SUBSCRIPTION s CONNECTION '$connection' PUBLICATION events, counts");
$subscriber->wait_for_subscription_sync($publisher, 's');
$publisher->safe_psql(
	'postgres', q{
INSERT INTO events (k, n) SELECT 'k' || i % 3, i FROM generate_series(1, 9) i;
SELECT rama.wait('counting');
INSERT INTO events (k, n) VALUES ('k0', 10);
SELECT rama.wait('counting')});
$publisher->wait_for_catchup('s');

is($subscriber->safe_psql('postgres', q{SELECT rama.wait('seeing')}),
	't', 'the subscriber\'s topology has processed what arrived');
is( $subscriber->safe_psql(
		'postgres', q{SELECT count(*), count(DISTINCT at), sum(n), max(at) FROM seen}),
	'12|12|55|12',
	'every event arrived once, with an offset of the subscriber\'s');
is( $subscriber->safe_psql('postgres', q{SELECT k, value FROM counts ORDER BY k}),
	$publisher->safe_psql('postgres', q{SELECT k, value FROM counts ORDER BY k}),
	'the tables of the PState are equal');

my $log_from = -s $subscriber->logfile;
$subscriber->safe_psql(
	'postgres', qq{
CREATE SUBSCRIPTION m CONNECTION '$connection' PUBLICATION managed
	WITH (copy_data = false)});
$publisher->safe_psql('postgres', q{INSERT INTO events (k, n) VALUES ('x', 11)});
ok( $subscriber->wait_for_log(
		qr/cannot give values for managed columns of depot "(public\.)?events"/, $log_from),
	'managed columns are refused');

$subscriber->stop('fast');
$publisher->stop('fast');
done_testing();
