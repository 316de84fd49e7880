# Batches adapt: one event when idle, up to batch_max from a backlog, of all
# sources together and with fair shares; a microbatch waits for its interval or
# for batch_max events; sql handlers have a plan per power of 8.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $node = rama_node('batches', conf => q{
shared_preload_libraries = 'pg_rama, auto_explain'
auto_explain.log_min_duration = 0
auto_explain.log_nested_statements = on
});

sub sql
{
	return $node->safe_psql('postgres', $_[0]);
}

# The sizes of a topology's batches, and with a source those of its part.
sub sizes
{
	my ($topology, $source) = @_;

	return sql("SELECT string_agg(n::text, ' ' ORDER BY batch) FROM (SELECT batch, count(*) n FROM seen
WHERE topology = '$topology'" . ($source ? " AND source = '$source'" : '') . ' GROUP BY batch) x');
}

# The statements of a recording handler.
sub record
{
	my ($topology, $source) = @_;

	return "\$\$INSERT INTO seen SELECT '$topology', '$source', rama.batch_id(), _offset FROM batch\$\$";
}

# A topology over depots, with a backlog of so many events in each.
sub backlog
{
	my ($topology, $kind, $batch_max, @backlog) = @_;
	my $sql = qq{
BEGIN;
SELECT rama.create_topology('$topology', '$kind', options => '{"batch_max": $batch_max}');
SELECT rama.pause('$topology');
};

	while (my ($depot, $n) = splice @backlog, 0, 2)
	{
		$sql .= "SELECT rama.create_depot('$depot', 'n int');
SELECT rama.add_source('$topology', '$depot', sql => " . record($topology, $depot) . ");
INSERT INTO $depot (n) SELECT generate_series(1, $n);
";
	}
	sql($sql . 'COMMIT');
	sql("SELECT rama.resume('$topology')");
	is(sql("SELECT rama.wait('$topology', timeout => '60s')"), 't', "$topology: the backlog is worked off");
	return;
}

sql(q{
SELECT rama.create_depot('events', 'n int');
CREATE TABLE seen (topology text, source text, batch bigint, at bigint);
CREATE INDEX ON seen (topology, batch)});

# Idle, one event is a batch.
sql("SELECT rama.create_topology('stream', 'stream', 'events', sql => " . record('stream', '') .
		q{, options => '{"batch_max": 1000}')});
sql("INSERT INTO events (n) VALUES ($_); SELECT rama.wait('stream')") foreach 1 .. 5;
is(sizes('stream'), '1 1 1 1 1', 'idle, one event is a batch');

# Behind a backlog, batches grow to batch_max, and shrink again.
sql(q{SELECT rama.pause('stream')});
sql(q{INSERT INTO events (n) SELECT generate_series(1, 1200)}) foreach 1 .. 2;
sql(q{SELECT rama.resume('stream'); SELECT rama.wait('stream')});
is(sizes('stream'), '1 1 1 1 1 1000 1000 400', 'from a backlog, batches are as large as they may be');
sql(q{INSERT INTO events (n) SELECT generate_series(1, 12); SELECT rama.wait('stream')});
sql(q{INSERT INTO events (n) VALUES (1); SELECT rama.wait('stream')});
is(sizes('stream'), '1 1 1 1 1 1000 1000 400 12 1', 'and small when it is gone');

# The planner was told of the sizes: within a power of 8, and no more often.
my $log = slurp_file($node->logfile);
my @rows = $log =~ /Named Tuplestore Scan  \(cost=\S+ rows=(\d+)/g;

is("@rows", '1 1 1 1 1 1000 1000 1000 12 1', 'plans are those of the batch\'s power of 8');

# A microbatch has its first event at once, and then waits for batch_max.
sql("SELECT rama.create_topology('hourly', 'microbatch', 'events', start_from => 'end', sql => " .
		record('hourly', '') . q{, options => '{"batch_max": 100, "interval": "1 hour"}')});
sql(q{INSERT INTO events (n) VALUES (1)});
eventually($node, 'postgres', q{SELECT count(*) = 1 FROM seen WHERE topology = 'hourly'});
sql(q{INSERT INTO events (n) SELECT generate_series(1, 20)}) foreach 1 .. 3;
sql(q{SELECT rama.wait('stream')});
is(sizes('hourly'), '1', 'a microbatch waits');
sql(q{INSERT INTO events (n) SELECT generate_series(1, 40)});
eventually($node, 'postgres', q{SELECT count(*) = 101 FROM seen WHERE topology = 'hourly'});
is(sizes('hourly'), '1 100', 'until there are batch_max events');
sql(q{INSERT INTO events (n) SELECT generate_series(1, 30); SELECT rama.wait('hourly')});
is(sizes('hourly'), '1 100 30', 'or somebody waits for it');

# Its interval comes round without anybody's doing.
sql("SELECT rama.create_topology('often', 'microbatch', 'events', start_from => 'end', sql => " .
		record('often', '') . q{, options => '{"interval": "50 ms"}')});
sql("INSERT INTO events (n) VALUES ($_)") foreach 1 .. 20;
eventually($node, 'postgres', q{SELECT count(*) = 20 FROM seen WHERE topology = 'often'});
pass('or its interval is over');

# batch_max is for all sources together: who has few gets them in, the rest
# is shared equally.
backlog('shared', 'stream', 100, few => 10, many => 195, more => 300);
is(sizes('shared', 'few'), '10', 'a source with few events has them in the first batch');
is(sizes('shared', 'many'), '45 50 50 50', 'sources with a backlog get equal shares');
is(sizes('shared', 'more'), '45 50 50 50 100 5', 'and what the others leave');

# The same where there is less than one event for each.
backlog('turns', 'microbatch', 2, t1 => 10, t2 => 10, t3 => 10, t4 => 10, t5 => 10);
is(sql(q{SELECT max(n), count(*) FROM (SELECT count(*) n FROM seen WHERE topology = 'turns' GROUP BY batch) x}),
	'2|25', 'batches are never larger than batch_max');
is(sql(q{
SELECT max(batch - before) <= 5 FROM (SELECT batch, lag(batch) OVER (PARTITION BY source ORDER BY at) AS before
	FROM seen WHERE topology = 'turns') x}), 't', 'every source has its turn');

# Sources of one depot have the same events in each batch, counted once.
sql(q{
SELECT rama.create_depot('twin', 'n int');
CREATE FUNCTION twin_each(e twin) RETURNS void LANGUAGE sql AS
	$$INSERT INTO seen VALUES ('twins', 'second', rama.batch_id(), e._offset)$$;
BEGIN;
SELECT rama.create_topology('twins', 'microbatch', options => '{"batch_max": 100}');
SELECT rama.add_source('twins', 'twin', sql => } . record('twins', 'first') . q{);
SELECT rama.add_source('twins', 'twin', each => 'twin_each');
SELECT rama.add_source('twins', 'twin', sql => } . record('twins', 'third') . q{);
SELECT rama.pause('twins');
INSERT INTO twin (n) SELECT generate_series(1, 250);
COMMIT;
SELECT rama.resume('twins');
SELECT rama.wait('twins')});
is(sizes('twins', 'first'), '100 100 50', 'sources of one depot');
is(sizes('twins'), '300 300 150', 'have the same events');
is(sql(q{
SELECT count(*) FROM (SELECT 1 FROM seen WHERE topology = 'twins' GROUP BY batch, at
	HAVING array_agg(source ORDER BY source) = '{first,second,third}') x}), '250', 'in the same batches');

# A retry takes what the failed attempt took, of every source.
sql(q{CREATE TABLE fuse (blown bool); CREATE FUNCTION burn() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM fuse) THEN
		PERFORM pg_advisory_xact_lock(1);
		RAISE 'not yet';
	END IF;
END $$});
my $lock = $node->background_psql('postgres');
$lock->query_safe('SELECT pg_advisory_lock(1)');
sql(q{
BEGIN;
SELECT rama.create_depot('left_side', 'n int');
SELECT rama.create_depot('right_side', 'n int');
SELECT rama.create_topology('sides', 'stream', options => '{"batch_max": 100}');
SELECT rama.add_source('sides', 'left_side', sql => } . record('sides', 'left_side') . q{);
SELECT rama.add_source('sides', 'right_side', sql => $$SELECT burn(); } . substr(record('sides', 'right_side'), 2) . q{);
INSERT INTO left_side (n) SELECT generate_series(1, 7);
INSERT INTO right_side (n) SELECT generate_series(1, 9);
COMMIT});
eventually($node, 'postgres', q{SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted});
sql(q{
INSERT INTO left_side (n) SELECT generate_series(1, 70);
INSERT INTO right_side (n) SELECT generate_series(1, 90);
INSERT INTO fuse VALUES (true)});
$lock->query_safe('SELECT pg_advisory_unlock(1)');
is(sql(q{SELECT rama.wait('sides', timeout => '60s')}), 't', 'the retry succeeds');
is(sizes('sides', 'left_side'), '7 50 20', 'with the events of the first attempt');
is(sizes('sides', 'right_side'), '9 50 40', 'of both sources');

$lock->quit;
done_testing();
