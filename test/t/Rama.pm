# What the TAP tests share: servers with the library preloaded, and the
# recorders whose tables show what a topology saw.
package Rama;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(rama_node rama_conf program sqlstate_is succeeds_within
  figure soak eventually start_sql create_recorders wait_recorders
  violations_are create_counters what_is_wrong recomputed start_load stop_load
  log_is_sound fault_env faults status_of children_of worker_pids kill_postmaster);

# True when the long form of the tests is asked for: test/run --soak.
sub soak
{
	return $ENV{RAMA_SOAK} ? 1 : 0;
}

# A number worth reading; test/run prints these lines.
sub figure
{
	my ($text) = @_;

	note("figure: $text");
	return;
}

sub rama_conf
{
	return q{
shared_preload_libraries = 'pg_rama'
log_statement = none
max_connections = 60
max_worker_processes = 24
max_prepared_transactions = 40
shared_buffers = 32MB
autovacuum_naptime = 5s
};
}

# A started server with pg_rama in database postgres. Options: for init, conf
# (settings), install_path (of another installation).
sub rama_node
{
	my ($name, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name,
		$options{install_path} ? (install_path => $options{install_path}) : ());

	$node->init(%{ $options{init} // {} });
	$node->append_conf('postgresql.conf', rama_conf());
	$node->append_conf('postgresql.conf', $options{conf}) if $options{conf};
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_rama');
	return $node;
}

# The path of a program of test/load; test/run has built it.
sub program
{
	my ($name) = @_;
	my $path = "$ENV{RAMA_SRC}/test/load/$name";

	die "$path is not built" unless -x $path;
	return $path;
}

# The statement fails with this SQLSTATE.
sub sqlstate_is
{
	my ($node, $dbname, $sql, $sqlstate, $name, %params) = @_;
	my ($rc, $stdout, $stderr) = $node->psql($dbname, $sql,
		extra_params => [ '-v', 'VERBOSITY=sqlstate' ], %params);
	my ($got) = $stderr =~ /ERROR:\s+([0-9A-Z]{5})/;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($got // "no error: $stdout$stderr", $sqlstate, $name);
}

# The statement succeeds, and in time.
sub succeeds_within
{
	my ($node, $dbname, $sql, $seconds, $name) = @_;
	my $start = time;
	my $timed_out = 0;
	my ($rc, $stdout, $stderr) = $node->psql($dbname, $sql,
		timeout => 60, timed_out => \$timed_out);
	my $took = time - $start;
	my $ok = !$timed_out && $rc == 0 && $took < $seconds;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($ok, $name);
	diag(sprintf("took %.1f s, exit %s: %s%s", $took, $rc // 'none',
			$stdout // '', $stderr // '')) unless $ok;
	return $ok ? sprintf('%.2f', $took) : undef;
}

# Waits until the query yields true, or dies.
sub eventually
{
	my ($node, $dbname, $query) = @_;

	$node->poll_query_until($dbname, $query)
	  or die "never came true: $query";
	return;
}

# Runs SQL in the background; finish() the result.
sub start_sql
{
	my ($node, $dbname, $sql) = @_;
	my ($out, $err) = ('', '');

	return IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr($dbname), '-c', $sql ],
		'>', \$out, '2>', \$err);
}

# The depot "events", which the program writers fills, and topologies that
# record what they see into the tables seen_NAME, in the order in which they
# see it: a stream, and microbatches of different sizes.
sub create_recorders
{
	my ($node, $dbname, %options) = @_;
	my $extra = $options{handler} // '';

	$node->safe_psql($dbname, qq{
BEGIN;
SELECT rama.create_depot('events',
	'id bigint NOT NULL, writer int NOT NULL, cause bigint, kind text',
	partition_by => 'writer', partitions => 4);
CREATE TABLE seen_stream (ord bigserial, batch bigint, at bigint, id bigint);
CREATE TABLE seen_small (LIKE seen_stream INCLUDING ALL);
ALTER TABLE seen_small ALTER ord SET DEFAULT nextval('seen_stream_ord_seq');
CREATE TABLE seen_large (LIKE seen_small INCLUDING ALL);
CREATE TABLE seen_naive (LIKE seen_small INCLUDING ALL);

CREATE FUNCTION record(e events) RETURNS void LANGUAGE plpgsql AS \$\$
BEGIN
	INSERT INTO seen_stream (batch, at, id) VALUES (rama.batch_id(), e._offset, e.id);
END \$\$;

SELECT rama.create_topology('see_stream', 'stream', 'events', each => 'record');
SELECT rama.create_topology('see_small', 'microbatch', 'events',
	sql => 'INSERT INTO seen_small (batch, at, id) SELECT rama.batch_id(), _offset, id FROM batch',
	options => '{"batch_max": 20, "interval": "5 ms"}');
SELECT rama.create_topology('see_large', 'microbatch', 'events',
	sql => 'INSERT INTO seen_large (batch, at, id) SELECT rama.batch_id(), _offset, id FROM batch',
	options => '{"batch_max": 5000}');
COMMIT;

-- What is wrong with the record in a table, compared with the depot.
CREATE FUNCTION violations(seen regclass, OUT missing bigint, OUT doubled bigint,
	OUT not_in_depot bigint, OUT out_of_order bigint, OUT before_cause bigint)
LANGUAGE plpgsql AS \$\$
BEGIN
	EXECUTE format('CREATE TEMP TABLE s ON COMMIT DROP AS SELECT * FROM %s', seen);
	CREATE TEMP TABLE e ON COMMIT DROP AS SELECT id, cause, _offset FROM events;
	ANALYZE s, e;
	SELECT count(*) INTO missing FROM e LEFT JOIN s ON at = _offset WHERE at IS NULL;
	SELECT count(*) - count(DISTINCT at) INTO doubled FROM s;
	SELECT count(*) INTO not_in_depot FROM s LEFT JOIN e ON at = _offset AND s.id = e.id
		WHERE _offset IS NULL;
	SELECT count(*) INTO out_of_order
		FROM (SELECT at, lag(at) OVER (PARTITION BY batch ORDER BY ord) AS before FROM s) x
		WHERE before >= at;
	SELECT count(*) INTO before_cause
		FROM e JOIN s ON s.at = e._offset
		JOIN e c ON c.id = e.cause LEFT JOIN s sc ON sc.at = c._offset
		WHERE sc.ord IS NULL OR sc.ord >= s.ord;
	DROP TABLE s, e;
END \$\$;
});
	return;
}

# Waits until the recorders have processed all that is committed.
sub wait_recorders
{
	my ($node, $dbname, $timeout) = @_;

	foreach my $topology (qw(see_stream see_small see_large))
	{
		my $done = $node->safe_psql($dbname,
			"SELECT rama.wait('$topology', timeout => '$timeout')");

		diag($node->safe_psql($dbname, "SELECT s::text FROM rama.status s"))
		  unless $done eq 't';
		die "$topology did not catch up" unless $done eq 't';
	}
	return;
}

# The five counts of violations(), joined by "|".
sub violations_are
{
	my ($node, $dbname, $table, $expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(
		$node->safe_psql($dbname, "SELECT * FROM violations('$table')"),
		$expected, $name);
}

# Topologies that count the events of create_recorders() into PStates, by SQL
# and by path functions, and what is wrong with them.
sub create_counters
{
	my ($node, $dbname) = @_;

	$node->safe_psql($dbname, q{
BEGIN;
SELECT rama.create_pstate('tally', 'map(kind: text, count: bigint)');
SELECT rama.create_pstate('log', 'map(writer: int, struct(events: bigint, ids: vector(id: bigint) subindex) )');
CREATE FUNCTION keep(e events) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM rama.add('log', e.writer, 'events', 1);
	PERFORM rama.push('log', e.writer, 'ids', e.id);
END $$;
SELECT rama.create_topology('tally_kinds', 'microbatch', 'events',
	sql => 'SELECT rama.add(''tally'', kind, n) FROM (SELECT kind, count(*) AS n FROM batch GROUP BY kind) x',
	writes => '{tally}', options => '{"batch_max": 500, "interval": "10 ms"}');
SELECT rama.create_topology('keep_log', 'stream', 'events', each => 'keep', writes => '{log}');
COMMIT;

-- Rows in which a PState differs from what its topology should have made.
CREATE VIEW wrong_tally AS
	(SELECT kind, count FROM tally EXCEPT SELECT kind, count(*) FROM events GROUP BY kind)
	UNION ALL
	(SELECT kind, count(*) FROM events GROUP BY kind EXCEPT SELECT kind, count FROM tally);
CREATE VIEW wrong_log AS
	SELECT writer, expected, actual
	FROM (SELECT writer, ROW(count(*), count(*), count(*), count(*), sum(id))::text AS expected
			FROM events GROUP BY writer) e
		FULL JOIN (SELECT writer, ROW(events, ids_count, elements, places, ids)::text AS actual
			FROM log, LATERAL (SELECT count(*) AS elements, sum(id) AS ids,
				count(DISTINCT index) FILTER (WHERE index BETWEEN 0 AND ids_count - 1) AS places
				FROM log_ids i WHERE i.writer = log.writer) x) a USING (writer)
	WHERE expected IS DISTINCT FROM actual;
});
	return;
}

# In what the state of the recorders and counters differs from a recomputation
# from the depot, as text; waits until they have caught up.
sub what_is_wrong
{
	my ($node, $dbname) = @_;

	wait_recorders($node, $dbname, '60s');
	foreach my $topology (qw(tally_kinds keep_log))
	{
		next if $node->safe_psql($dbname,
			"SELECT rama.wait('$topology', timeout => '60s')") eq 't';
		diag($node->safe_psql($dbname, 'SELECT s::text FROM rama.status s'));
		die "$topology did not catch up";
	}
	return $node->safe_psql($dbname, q{
SELECT string_agg(problem, E'\n') FROM (
	SELECT seen || ': ' || v::text FROM unnest('{seen_stream,seen_small,seen_large}'::text[]) seen,
		LATERAL violations(seen::regclass) v WHERE v::text <> '(0,0,0,0,0)'
	UNION ALL SELECT 'tally: ' || w::text FROM wrong_tally w
	UNION ALL SELECT 'log: ' || w::text FROM wrong_log w) AS x (problem)});
}

# A test: everything has caught up, and equals a recomputation.
sub recomputed
{
	my ($node, $dbname, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(what_is_wrong($node, $dbname), '',
		"state equals a recomputation: $name");
}

# Appends to the depot "events" in every way, until stop_load(), or for
# "seconds". The server may be killed, stopped or fail meanwhile.
my $rounds = 100;
sub start_load
{
	my ($conninfo, %options) = @_;
	my ($out, $err) = ('', '');

	$rounds++;
	return {
		err => \$err,
		run => IPC::Run::start(
			[ program('writers'), "$conninfo application_name=writers",
				$options{depot} // 'events', $options{writers} // 3,
				$options{seconds} // 600, $rounds, 'survive' ],
			'>', \$out, '2>', \$err) };
}

# Ends appenders; what they had prepared is committed.
sub stop_load
{
	my ($load, $node, $dbname) = @_;

	$load->{run}->signal('TERM');
	$load->{run}->finish or die "writers: ${ $load->{err} }";
	return unless $node;
	foreach my $gid (split /\n/, $node->safe_psql($dbname,
		q{SELECT gid FROM pg_prepared_xacts WHERE database = current_database() AND gid ~ '^w'}))
	{
		$node->safe_psql($dbname, "COMMIT PREPARED '$gid'");
	}
	return;
}

# A test: since its size was $from the server's log tells of no crash, and of
# no error but the expected ones.
sub log_is_sound
{
	my ($node, $from, $expected, $name) = @_;
	# The test itself may signal a process that has just gone.
	my @bad = grep { /PANIC:|TRAP|terminated by signal|(?:ERROR|FATAL|WARNING):/ &&
			!/is not a PostgreSQL (?:backend|server) process|connection to client lost/ && $_ !~ $expected }
	  split /\n/, slurp_file($node->logfile, $from);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(join("\n", @bad > 20 ? (@bad[ 0 .. 19 ], '...') : @bad), '', $name);
}

# What a server inherits so that faults() reach it: for "local %ENV".
my $faults = PostgreSQL::Test::Utils::tempdir() . '/faults';
sub fault_env
{
	faults(clock => 0, full => 0) unless -e $faults;
	return (%ENV, LD_PRELOAD => program('faults.so'), RAMA_FAULTS => $faults);
}

# Sets the clock by so many seconds; fills the disks for tables (1), for WAL
# (2) or both (3). See test/load/faults.c.
my %fault = (clock => 0, full => 0);
sub faults
{
	%fault = (%fault, @_);
	open my $file, -e $faults ? '+<' : '>', $faults or die "$faults: $!";
	syswrite $file, pack('qq', $fault{clock} * 1_000_000, $fault{full});
	close $file;
	return;
}

# Columns of a topology's line of rama.status, joined by "|".
sub status_of
{
	my ($node, $dbname, $topology, $columns) = @_;

	return $node->safe_psql($dbname,
		"SELECT $columns FROM rama.status WHERE name = '$topology' AND kind IN ('stream', 'microbatch')");
}

sub children_of
{
	my ($parent) = @_;
	my @children;

	foreach my $stat (glob '/proc/[0-9]*/stat')
	{
		open my $file, '<', $stat or next;
		my $line = <$file> // next;
		push @children, $1 if $line =~ /^(\d+) \(.*\) \S (\d+) / && $2 == $parent;
	}
	return @children;
}

# The pids of the workers of a database.
sub worker_pids
{
	my ($node, $dbname) = @_;

	return split /\n/, $node->safe_psql($dbname, q{
SELECT pid FROM pg_stat_activity
WHERE backend_type = 'pg_rama worker' AND datname = current_database() ORDER BY random()});
}

# kill -9 of the postmaster; returns when its children have noticed, and are
# gone.
sub kill_postmaster
{
	my ($node) = @_;
	my @children = children_of($node->{_pid});
	my $patience = time + 20;

	$node->kill9;
	while (my @left = grep { kill 0, $_ } @children)
	{
		last if time > $patience;
		usleep(10_000);
	}
	if (my @left = grep { kill 0, $_ } @children)
	{
		fail("processes outlive the postmaster: @left");
		kill 'KILL', @left;
		usleep(500_000);
	}
	return;
}

1;
