# A module that shows when a topology starts where it should not, or misses or
# doubles an event: for tests that copy whole databases while it is at work.
package Module;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Rama;

our @EXPORT = qw(module_node module_conf create_module start_appenders finish_appenders append_known
  wait_module module_is_right stands_still progress_of restore goes_on
  log_is_clean);

my @topologies = qw(see_stream see_small see_large tally_kinds count_writers
  merge_kinds relay see_relayed);

# Settings with which sessions find the module.
sub module_conf
{
	return q{
search_path = 'm, public'
log_line_prefix = '%m [%p] %b '
};
}

sub module_node
{
	my ($name, %options) = @_;

	return rama_node($name, %options, conf => module_conf() . ($options{conf} // ''));
}

# Schema m: the recorders of Rama.pm; both kinds of topologies and handlers that
# maintain PStates and a plain table; one that appends to another depot, and
# one that reads that.
sub create_module
{
	my ($node, $dbname) = @_;

	$node->safe_psql($dbname, 'CREATE SCHEMA m');
	create_recorders($node, $dbname);
	$node->safe_psql($dbname, q{
BEGIN;
SELECT rama.create_pstate('tally', 'map(kind: text, count: bigint)');
SELECT rama.create_pstate('ids', 'map(writer: int, map(id: bigint, struct(kind: text)) subindex)');
SELECT rama.create_pstate('heard', 'map(writer: int, vector(id: bigint) subindex)');
SELECT rama.create_topology('tally_kinds', 'microbatch', 'events', writes => '{tally,ids,heard}', sql => $$
	SELECT rama.push('heard', writer, id) FROM batch;
	SELECT rama.add('tally', kind, count(*)) FROM batch GROUP BY kind ORDER BY kind;
	SELECT rama.put('ids', writer, id, 'kind', kind) FROM batch ORDER BY _offset $$);

SELECT rama.create_pstate('writers', 'map(writer: int, struct(n: bigint, ids: numeric))');
CREATE TABLE by_hand (writer int PRIMARY KEY, n bigint, ids numeric);
CREATE FUNCTION count_writer(e events) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM rama.add('writers', e.writer, 'n', 1), rama.add('writers', e.writer, 'ids', e.id);
	INSERT INTO by_hand VALUES (e.writer, 1, e.id)
		ON CONFLICT (writer) DO UPDATE SET n = by_hand.n + 1, ids = by_hand.ids + excluded.ids;
END $$;
SELECT rama.create_topology('count_writers', 'stream', 'events', each => 'count_writer', writes => '{writers}');

SELECT rama.create_pstate('merged', 'map(writer: int, map(kind: text, struct(n: bigint, least: bigint, most: bigint, newest: bigint)) subindex)');
SELECT rama.create_topology('merge_kinds', 'microbatch', 'events', target => 'merged_kind', merge => 'sum, min, max, max',
	sql => 'SELECT writer, kind, count(*) AS n, min(id) AS least, max(id) AS most, max(_offset) AS newest FROM batch GROUP BY writer, kind');

SELECT rama.create_depot('relayed', 'id bigint');
CREATE TABLE seen_relayed (at bigint, id bigint);
SELECT rama.create_topology('relay', 'stream', 'events',
	sql => 'INSERT INTO relayed (id) SELECT id FROM batch ORDER BY _offset');
SELECT rama.create_topology('see_relayed', 'microbatch', 'relayed', options => '{"interval": "20 ms"}',
	sql => 'INSERT INTO seen_relayed SELECT _offset, id FROM batch');
COMMIT;

-- What differs between the state and its recomputation from the depots: one
-- row for each of the results, which has the number of differences.
CREATE VIEW differences AS
WITH kinds AS (SELECT kind, count(*) AS n FROM events GROUP BY kind),
	counted AS (SELECT writer, count(*) AS n, sum(id) AS ids FROM events GROUP BY writer)
SELECT 'tally' AS what, count(*) FROM kinds FULL JOIN tally USING (kind)
	WHERE n IS DISTINCT FROM tally.count
UNION ALL
SELECT 'ids', count(*) FROM events e FULL JOIN ids_id i USING (writer, id)
	WHERE e.kind IS DISTINCT FROM i.kind OR i.id IS NULL OR e.id IS NULL
UNION ALL
SELECT 'heard', count(*) FROM events e FULL JOIN heard_id h USING (writer, id)
	WHERE e.id IS NULL OR h.id IS NULL
UNION ALL
SELECT 'length of heard', count(*) FROM (SELECT writer, count(*) AS n, max(index) + 1 AS last FROM heard_id GROUP BY writer) e
		FULL JOIN heard h USING (writer)
	WHERE (e.n, e.last) IS DISTINCT FROM (h.id_count, h.id_count)
UNION ALL
SELECT 'number of ids', count(*) FROM counted c FULL JOIN ids i USING (writer)
	WHERE c.n IS DISTINCT FROM i.id_count
UNION ALL
SELECT 'writers', count(*) FROM counted c FULL JOIN writers w USING (writer)
	WHERE (c.n, c.ids) IS DISTINCT FROM (w.n, w.ids)
UNION ALL
SELECT 'size of writers', count(*) FROM (SELECT count(*) AS n FROM counted) c
	WHERE n <> rama.count('writers')
UNION ALL
SELECT 'merged', count(*) FROM (SELECT writer, kind, count(*) AS n, min(id) AS least, max(id) AS most, max(_offset) AS newest
		FROM events GROUP BY writer, kind) e FULL JOIN merged_kind m USING (writer, kind)
	WHERE (e.n, e.least, e.most, e.newest) IS DISTINCT FROM (m.n, m.least, m.most, m.newest)
UNION ALL
SELECT 'by hand', count(*) FROM counted c FULL JOIN by_hand w USING (writer)
	WHERE (c.n, c.ids) IS DISTINCT FROM (w.n, w.ids)
UNION ALL
SELECT 'relayed', count(*) FROM (SELECT id, count(*) AS n FROM events GROUP BY id) e
	FULL JOIN (SELECT id, count(*) AS n FROM relayed GROUP BY id) r USING (id)
	WHERE e.n IS DISTINCT FROM r.n
UNION ALL
SELECT 'seen of relayed', count(*) FROM relayed r FULL JOIN seen_relayed s ON r._offset = s.at
	WHERE r.id IS DISTINCT FROM s.id
});
	return;
}

# Appenders of every kind, in the background.
sub start_appenders
{
	my ($node, $dbname, $writers, $seconds, $round) = @_;

	return IPC::Run::start([ program('writers'), $node->connstr($dbname), 'm.events',
			$writers, $seconds, $round, 'survive' ]);
}

sub finish_appenders
{
	my ($load, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok($load->finish, $name);
}

# One event of a kind that the writers do not use.
sub append_known
{
	my ($node, $dbname, $id, $kind) = @_;

	$node->safe_psql($dbname, "INSERT INTO m.events (id, writer, kind) VALUES ($id, 0, '$kind')");
	return;
}

# Waits, in order, until every topology has processed what is committed.
sub wait_module
{
	my ($node, $dbname) = @_;

	foreach my $topology (@topologies)
	{
		my $done = $node->safe_psql($dbname, "SELECT rama.wait('m.$topology', timeout => '60s')");

		diag($node->safe_psql($dbname, "SELECT s::text FROM rama.status s")) unless $done eq 't';
		die "$topology did not catch up" unless $done eq 't';
	}
	return;
}

# When all is processed, the state is what a recomputation gives.
sub module_is_right
{
	my ($node, $dbname, $name) = @_;
	my $events = $node->safe_psql($dbname, 'SELECT count(*) FROM m.events');
	my @wrong;

	wait_module($node, $dbname);
	foreach my $table (qw(seen_stream seen_small seen_large))
	{
		my $violations = $node->safe_psql($dbname, "SELECT * FROM m.violations('m.$table')");

		push @wrong, "$table $violations" if $violations ne '0|0|0|0|0';
	}
	push @wrong, $node->safe_psql($dbname, 'SELECT * FROM m.differences WHERE count <> 0');
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(join("\n", grep { $_ ne '' } @wrong), '', "$name: state = recomputation ($events events)");
}

# How far every topology has got.
sub progress_of
{
	my ($node, $dbname) = @_;

	return $node->safe_psql($dbname, join(' UNION ALL ',
			map { "SELECT '$_', batch, position::text, attempts FROM m.$_" } @topologies));
}

# No worker is there, no batch has run since $progress, and rama.status says
# what to do.
sub stands_still
{
	my ($node, $dbname, $progress, $state, $hint, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is( $node->safe_psql($dbname, q{
SELECT DISTINCT state, hint FROM rama.status WHERE kind IN ('stream', 'microbatch')}),
		"$state|$hint", "$name: rama.status says $state, and what to do");
	is( $node->safe_psql($dbname, q{
SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_rama worker' AND datname = current_database()}),
		'0', "$name: no worker");
	return is(progress_of($node, $dbname), $progress, "$name: no topology has moved");
}

# A database, new unless there is one already, into which commands restore;
# "on" is a server.
sub restore
{
	my ($on, $dbname, @commands) = @_;

	$on->safe_psql('postgres', "CREATE DATABASE $dbname") if $on->safe_psql('postgres',
		"SELECT count(*) FROM pg_database WHERE datname = '$dbname'") eq '0';
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	foreach my $command (@commands)
	{
		my ($program, @arguments) = @$command;
		my @more = $program eq 'psql' ? ('-XAtq', '-v', 'ON_ERROR_STOP=1') : ('--exit-on-error');

		$on->command_ok([ $program, @more, '-d', $on->connstr($dbname), @arguments ],
			"$dbname: $program @arguments");
	}
	return;
}

# What was restored stands still, takes events, and goes on exactly once when
# it is told to; so does what the query $more is about. Drops the database.
sub goes_on
{
	my ($on, $dbname, $more, $result) = @_;
	my $progress = progress_of($on, $dbname);

	# Reasons for workers to look.
	append_known($on, $dbname, -10, 'while inactive');
	$on->safe_psql($dbname, 'ALTER TABLE m.by_hand OWNER TO CURRENT_USER');
	$on->reload;
	stands_still($on, $dbname, $progress, 'inactive', 'SELECT rama.activate()', $dbname);
	$on->safe_psql($dbname, 'SELECT rama.activate()');
	$on->safe_psql($dbname, q{SELECT rama.resume(topology) FROM rama.topologies WHERE paused});
	finish_appenders(start_appenders($on, $dbname, 2, 0.5, 7), "$dbname: appenders");
	module_is_right($on, $dbname, $dbname);
	is($on->safe_psql($dbname, $more), $result, "$dbname: the others go on, too") if $more;
	$on->safe_psql('postgres', "DROP DATABASE $dbname");
	return;
}

# Nothing went wrong in the processes of pg_rama, but for what is allowed.
sub log_is_clean
{
	my ($node, $allowed, $name) = @_;
	my @lines = grep { /\] pg_rama \w+ (ERROR|FATAL|PANIC|WARNING)/ && !/$allowed/ }
	  split(/\n/, slurp_file($node->logfile));

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(join("\n", @lines), '', $name);
}

1;
