# No event is skipped, doubled, out of order or before one that it may depend
# on, whatever the transactions of 16 concurrent writers do. A consumer that
# reads "_offset > last" fails the same test.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $seconds = $ARGV[0] // (soak() ? 300 : 15);
my $none = '0|0|0|0|0';

my $node = rama_node('settled', conf => 'deadlock_timeout = 10s');
create_recorders($node, 'postgres');

# The home-made consumer: what is visible behind the last offset taken.
$node->safe_psql('postgres', q{
CREATE TABLE stop ();
CREATE PROCEDURE consume_naively() LANGUAGE plpgsql AS $$
DECLARE
	last bigint := 0;
BEGIN
	LOOP
		INSERT INTO seen_naive (batch, at, id)
			SELECT 0, _offset, id FROM events WHERE _offset > last ORDER BY _offset;
		last := coalesce((SELECT max(at) FROM seen_naive WHERE at > last), last);
		COMMIT;
		EXIT WHEN to_regclass('stop') IS NULL;
		PERFORM pg_sleep(0.005);
	END LOOP;
END $$;
CREATE INDEX ON seen_naive (at);
});

# An appender that sits in its transaction delays its own events only.
my $idle = $node->background_psql('postgres');
my $pid = $idle->query_safe('SELECT pg_backend_pid()');
$idle->query_safe(q{
BEGIN;
INSERT INTO events (id, writer, kind) VALUES (1, 0, 'idle')});
$node->safe_psql('postgres', q{
INSERT INTO events (id, writer, kind) VALUES (2, 0, 'not delayed')});
wait_recorders($node, 'postgres', '10s');
foreach my $table (qw(seen_stream seen_small seen_large))
{
	is($node->safe_psql('postgres', "SELECT array_agg(id) FROM $table"),
		'{2}', "an idle transaction with an append delays nobody else: $table");
}
ok( $node->poll_query_until(
		'postgres', "SELECT bool_or(s::text ~ '\\m$pid\\M') FROM rama.status s"),
	'rama.status names the process that holds an event up');

# The run. The naive consumer begins beside everybody else.
my $naive = start_sql($node, 'postgres', 'CALL consume_naively()');
ok( run_log([ program('writers'), $node->connstr('postgres'), 'events', 16, $seconds, 1 ]),
	'16 writers ran without errors');

wait_recorders($node, 'postgres', '180s');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_xacts'),
	'0', 'no prepared transaction is left over');
violations_are($node, 'postgres', 'seen_stream', $none,
	'stream, one transaction still open: nothing missing, doubled, unknown, out of order, before its cause');
$idle->query_safe('COMMIT');
$idle->quit;
wait_recorders($node, 'postgres', '60s');
violations_are($node, 'postgres', 'seen_stream', $none, 'stream: the same after it committed');
violations_are($node, 'postgres', 'seen_small', $none, 'microbatch, batch_max 20: the same');
violations_are($node, 'postgres', 'seen_large', $none, 'microbatch, batch_max 5000: the same');
is( $node->safe_psql('postgres', q{
SELECT count(*) FROM seen_stream WHERE id = 1 AND ord > (SELECT ord FROM seen_stream WHERE id = 2)}),
	'1', 'an event that commits late is taken late');

$node->safe_psql('postgres', 'DROP TABLE stop');
$naive->finish;
my ($missing) = split /\|/,
  $node->safe_psql('postgres', "SELECT * FROM violations('seen_naive')");
cmp_ok($missing, '>', 0, 'a consumer of "_offset > last" misses events: the test has teeth');

my ($events, $void, $links, $batches, $largest) = split /\|/,
  $node->safe_psql('postgres', q{
SELECT count(*), max(_offset) - count(*), count(cause),
	(SELECT count(DISTINCT batch) FROM seen_large),
	(SELECT max(n) FROM (SELECT count(*) AS n FROM seen_large GROUP BY batch) x)
FROM events});
figure("$events events by 16 writers in $seconds s, $void offsets void, $links causal links; "
	  . "naive consumer missed $missing");
my $late = $node->safe_psql('postgres', q{
SELECT count(*) FROM (SELECT at, max(at) OVER (ORDER BY ord ROWS UNBOUNDED PRECEDING) AS highest
	FROM seen_stream) x WHERE at < highest});
figure("stream: $late events taken late; large batches: $batches, largest $largest");

$node->stop;
done_testing();
