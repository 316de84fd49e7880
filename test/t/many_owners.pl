# More owners than workers: everybody's events are processed, though one
# owner's topology fails again and again and another one's is always busy.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $node = rama_node('owners', conf => 'pg_rama.workers = 1');
my %sql = (
	fails => 'SELECT 1 / 0 FROM batch',
	busy => 'SELECT pg_sleep(0.01) FROM batch',
	quick => 'INSERT INTO done SELECT n FROM batch',
	slow => 'INSERT INTO done SELECT n FROM batch');

foreach my $owner (sort keys %sql)
{
	$node->safe_psql('postgres', qq{
CREATE ROLE $owner;
CREATE SCHEMA $owner AUTHORIZATION $owner;
SET ROLE $owner;
BEGIN;
CREATE TABLE $owner.done (n int);
SELECT rama.create_depot('$owner.d', 'n int');
SELECT rama.create_topology('$owner.t', '} . ($owner eq 'slow' ? 'microbatch' : 'stream') . qq{', '$owner.d', sql => '$sql{$owner}',
	options => '{"batch_max": 20, "max_attempts": 1000000}');
COMMIT});
}

# Each alone, then beside the others; the worker has to change hands each time.
my $slowest = 0;
foreach my $round (1 .. 12)
{
	if ($round == 3)
	{
		$node->safe_psql('postgres', 'INSERT INTO fails.d VALUES (1)');
	}
	if ($round == 6)
	{
		$node->safe_psql('postgres', 'INSERT INTO busy.d SELECT generate_series(1, 100000)');
	}
	my $owner = $round % 2 ? 'quick' : 'slow';
	my $start = time;
	my $done = $node->safe_psql('postgres', qq{
INSERT INTO $owner.d VALUES ($round);
SELECT rama.wait('$owner.t', timeout => '15s')});
	my $took = time - $start;

	is($done, 't', "an event of $owner is processed, round $round");
	$slowest = $took if $took > $slowest;
}
is($node->safe_psql('postgres', q{
SELECT (SELECT array_agg(n ORDER BY n) FROM quick.done), (SELECT array_agg(n ORDER BY n) FROM slow.done)}),
	'{1,3,5,7,9,11}|{2,4,6,8,10,12}', 'each once');
figure(sprintf('one worker for four owners, one failing, one busy: slowest event %.1f s', $slowest));

$node->stop;
done_testing();
