# rama.alter_pstate while topologies and sessions write and read the PStates:
# nothing is lost, everybody sees the new schema, and it survives a dump.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $node = rama_node('alter');
my $rounds = soak() ? 60 : 8;

$node->safe_psql('postgres', q{
BEGIN;
SELECT rama.create_depot('events', 'id bigint, who varchar(20)');
SELECT rama.create_pstate('merged', 'map(k: bigint, struct(n: bigint, who: varchar(20)))');
SELECT rama.create_pstate('each', 'map(k: bigint, struct(n: bigint, seen: set(id: bigint) subindex))');
SELECT rama.create_pstate('added', 'map(k: varchar(20), map(l: numeric(10,0), struct(n: bigint)) subindex)');
SELECT rama.create_pstate('free', 'map(k: bigint, struct(n: bigint))');
CREATE FUNCTION take(e events) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM rama.add('each', e.id % 100, 'n', 1), rama.push('each', e.id % 100, 'seen', e.id);
END $$;
SELECT rama.create_topology('merging', 'microbatch', 'events',
	sql => 'SELECT id % 100 AS k, count(*) AS n, max(who) AS who FROM batch GROUP BY 1', target => 'merged', merge => 'sum, max',
	writes => '{merged}', options => '{"interval": "5 ms"}');
SELECT rama.create_topology('taking', 'stream', 'events', each => 'take', writes => '{each}');
SELECT rama.create_topology('adding', 'microbatch', 'events',
	sql => 'SELECT rama.add(''added'', who, id % 7, ''n'', 1) FROM batch', writes => '{added}', options => '{"interval": "5 ms"}');
COMMIT;
INSERT INTO events (id, who) SELECT i, 'who ' || i % 10 FROM generate_series(1, 1000) i;
});

# The schema of round i has i more fields, some of them collections.
sub fields
{
	my ($i) = @_;
	my $more = '';

	$more .= sprintf(', a%d: text, c%d: map(l%d: bigint, bigint)%s', $_, $_, $_, $_ % 4 == 0 ? ' subindex' : '')
	  for (1 .. $i);
	return $more;
}

sub schema_of
{
	my ($name, $i) = @_;
	my $more = fields($i);
	my $varchar = 'varchar(' . (20 + $i) . ')';
	my $numeric = 'numeric(' . (10 + $i) . ',0)';

	# The new fields come first.
	$more =~ s/^, (.*)/$1, /;
	return "map(k: bigint, struct(${more}n: bigint, who: $varchar))" if $name eq 'merged';
	return "map(k: bigint, struct(${more}n: bigint, seen: set(id: bigint) subindex))" if $name eq 'each';
	return "map(k: $varchar, map(l: $numeric, struct(${more}n: bigint)) subindex)" if $name eq 'added';
	return "map(k: bigint, struct(${more}n: bigint))";
}

# Appends, reads and writes in other sessions, until the last round's schema.
my $appender = start_sql($node, 'postgres', qq{
DO \$\$
BEGIN
	FOR i IN 1 .. 1000000 LOOP
		INSERT INTO events (id, who) SELECT j, 'who ' || j % 10 FROM generate_series(i, i + 50) j;
		COMMIT;
		EXIT WHEN rama.pstate_schema('free') ~ 'a$rounds:';
	END LOOP;
END \$\$});
my $session = start_sql($node, 'postgres', qq{
DO \$\$
DECLARE
	field text;
	n bigint := 0;
BEGIN
	LOOP
		PERFORM rama.get('merged', 1), rama.get('each', 1, 'n'), rama.get('added', 'who 1', 1), rama.add('free', 1, 'n', 1);
		n := n + 1;
		-- The newest field is there as soon as its schema is seen.
		field := substring(rama.pstate_schema('free') from '.*(a\\d+):');
		IF field IS NOT NULL THEN
			PERFORM rama.put('free', 1, field, 'x');
		END IF;
		COMMIT;
		EXIT WHEN field = 'a$rounds';
	END LOOP;
	PERFORM rama.put('free', 2, 'n', n);
END \$\$});

my $slowest = 0;
for my $i (1 .. $rounds)
{
	for my $name (qw(merged each added free))
	{
		my $schema = schema_of($name, $i);
		my $took = succeeds_within($node, 'postgres', "SELECT rama.alter_pstate('$name', '$schema')", 20,
			"round $i: $name gets another schema");

		$slowest = $took if defined $took && $took > $slowest;
	}
	$node->safe_psql('postgres', "SELECT rama.wait('taking', timeout => '60s')") if $i % 4 == 0;
}
figure("the slowest rama.alter_pstate beside running topologies took $slowest s");
ok($appender->finish, 'the appender met no error');
ok($session->finish, 'nor did the session that reads and writes');

is($node->safe_psql('postgres', "SELECT bool_and(rama.wait(t, timeout => '180s')) FROM unnest('{merging,taking,adding}'::regclass[]) t"),
	't', 'all topologies catch up');
my $differences = q{
SELECT 'merged', * FROM (SELECT id % 100, count(*), max(who) FROM events GROUP BY 1) e
	FULL JOIN (SELECT k, n, who FROM merged) m ON e::text = m::text WHERE e::text IS DISTINCT FROM m::text;
SELECT 'each', * FROM (SELECT id % 100, count(*), count(DISTINCT id) FROM events GROUP BY 1) e
	FULL JOIN (SELECT k, n, seen_count FROM each) m ON e::text = m::text WHERE e::text IS DISTINCT FROM m::text;
SELECT 'seen', * FROM (SELECT DISTINCT id % 100, id FROM events) e
	FULL JOIN each_seen m ON e::text = m::text WHERE e::text IS DISTINCT FROM m::text;
SELECT 'added', * FROM (SELECT who, id % 7, count(*) FROM events GROUP BY 1, 2) e
	FULL JOIN (SELECT k, l, n FROM added_l) m ON e::text = m::text WHERE e::text IS DISTINCT FROM m::text;
};
is($node->safe_psql('postgres', $differences), '', 'state = recomputation');
is($node->safe_psql('postgres', q{SELECT (rama.get('free', 1, 'n'))::bigint = (rama.get('free', 2, 'n'))::bigint}),
	't', 'the session lost nothing');
is($node->safe_psql('postgres', "SELECT rama.get_text('free', 1, 'a$rounds')"), 'x', 'and wrote into the last field');

# A dump has the columns in their order.
my $contents = q{
SELECT name, schema, version, count FROM rama.pstates ORDER BY 1;
SELECT pstate, child, ordinal FROM rama.pstate_child ORDER BY child::text;
SELECT attrelid::regclass, attnum, attname, format_type(atttypid, atttypmod) FROM pg_attribute
	WHERE attrelid IN (SELECT pstate FROM rama.pstate UNION SELECT child FROM rama.pstate_child) AND attnum > 0
	ORDER BY attrelid::regclass::text, attnum;
SELECT * FROM merged ORDER BY k; SELECT rama.select('each', '[["map-vals"]]'), rama.select('added', '[["all"]]');
};
my $fill = q{
SELECT rama.put('free', 3, '{"a1": "x", "c4": {"1": 2}, "c1": {"3": 4}, "n": 5}');
};
$node->safe_psql('postgres', $fill);
my $dump = "$PostgreSQL::Test::Utils::tmp_check/alter_pstate.sql";
$node->command_ok([ 'pg_dump', '-h', $node->host, '-p', $node->port, '-f', $dump, 'postgres' ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-h', $node->host, '-p', $node->port,
		'-d', 'restored', '-f', $dump ], 'restore');
is($node->safe_psql('restored', $contents), $node->safe_psql('postgres', $contents), 'the restored PStates are the same');
sqlstate_is($node, 'restored', q{SELECT rama.alter_pstate('free', 'map(k: bigint, struct(n: bigint))')}, '55000',
	'nothing is altered before activation');
$node->safe_psql('restored', 'SELECT rama.activate()');
is($node->safe_psql('restored', $contents), $node->safe_psql('postgres', $contents), 'and after activation');
is($node->safe_psql('restored', q{SELECT rama.get('free', 3)}), '{"n": 5, "a1": "x", "c1": {"3": 4}, "c4": {"1": 2}}',
	'what was written into added fields is found');
my $last = schema_of('free', $rounds + 1);
$node->safe_psql('restored', "SELECT rama.alter_pstate('free', '$last')");
is( $node->safe_psql('restored', sprintf(q{SELECT rama.put('free', 3, 'a%d', 'y'); SELECT rama.get_text('free', 3, 'a%d')}, $rounds + 1, $rounds + 1)),
	"\ny", 'and it can be altered again');
sqlstate_is($node, 'restored', 'DROP TABLE free_c4', '2BP01', 'added tables belong to their root');
$node->safe_psql('restored', 'DROP TABLE free');
is($node->safe_psql('restored', q{SELECT count(*) FROM pg_class WHERE relname ~ '^free'}), '0', 'and go with it');

# Topologies cannot alter what they write.
$node->safe_psql('postgres', q{
CREATE TABLE results (sqlstate text);
CREATE FUNCTION alters(e events) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		PERFORM rama.alter_pstate('free', 'map(k: bigint, struct(z: text))');
	EXCEPTION WHEN OTHERS THEN
		INSERT INTO results VALUES (SQLSTATE);
	END;
END $$;
SELECT rama.create_topology('altering', 'stream', 'events', each => 'alters', start_from => 'end');
INSERT INTO events (id) VALUES (1)});
$node->safe_psql('postgres', q{SELECT rama.wait('altering', timeout => '60s')});
is($node->safe_psql('postgres', 'TABLE results'), '55006', 'a topology cannot alter a PState');

$node->stop;
done_testing();
