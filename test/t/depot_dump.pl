# Depots survive pg_dump and restore: the same events, new offsets for new
# ones, and what was pending at the dump is processed once in the new cluster,
# also where its xids are used again.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

sub new_node
{
	my ($name) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init;
	$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'pg_rama'
max_prepared_transactions = 10
});
	$node->start;
	return $node;
}

# Assigns n transaction ids.
sub burn_xids
{
	my ($node, $n) = @_;

	$node->safe_psql('postgres', qq{
DO \$\$
BEGIN
	FOR i IN 1..$n LOOP
		BEGIN
			INSERT INTO burnt VALUES (i);
			RAISE EXCEPTION 'undo';
		EXCEPTION WHEN raise_exception THEN
		END;
	END LOOP;
END \$\$}) if $n > 0;
}

sub fails
{
	my ($node, $db, $sql, $sqlstate, $name) = @_;
	my ($rc, $out, $err) = $node->psql($db, $sql, extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);

	like($err, qr/ERROR:  $sqlstate/, $name);
}

my $events = q{SELECT count(*), md5(string_agg(d::text, '|' ORDER BY _offset)) FROM };
my $seen = q{SELECT string_agg(v, ' ' ORDER BY n) FROM m.seen};

# The old cluster, with larger xids than the new one will have.
my $old = new_node('old');
$old->safe_psql('postgres', 'CREATE EXTENSION pg_rama; CREATE TABLE burnt (i int)');
burn_xids($old, 3000);
$old->safe_psql('postgres', q{
CREATE SCHEMA m;
SELECT rama.create_depot('m.d', 'v text UNIQUE CHECK (v <> '''')');
CREATE SCHEMA "we""ird";
SELECT rama.create_depot('"we""ird"."na''me"', '"k""ey" int, name text, t timestamptz DEFAULT now()', partition_by => '"k""ey", lower(name)', partitions => 8);
INSERT INTO "we""ird"."na'me" ("k""ey", name) SELECT i, 'N' || i FROM generate_series(1, 500) i;
SELECT rama.append('"we""ird"."na''me"', '{"name": "x"}');
CREATE TABLE m.seen (n bigserial, v text);
SELECT rama.create_topology('m.t', 'stream', 'm.d', sql => 'INSERT INTO m.seen (v) SELECT v FROM batch ORDER BY _offset');
INSERT INTO m.d (v) VALUES ('v1'), ('v2');
INSERT INTO m.d (v) VALUES ('v3')});
# An event that is pending, then committed but not drained when we dump.
$old->safe_psql('postgres', q{BEGIN; INSERT INTO m.d (v) VALUES ('late'); PREPARE TRANSACTION 'late'});
$old->safe_psql('postgres', q{INSERT INTO m.d (v) VALUES ('v4')});
is($old->safe_psql('postgres', q{SELECT rama.wait('m.t')}), 't', 'the old topology has caught up');
is($old->safe_psql('postgres', $seen), 'v1 v2 v3 v4', 'but for the prepared transaction');
$old->safe_psql('postgres', q{SELECT rama.pause('m.t')});
$old->safe_psql('postgres', q{COMMIT PREPARED 'late'});
$old->safe_psql('postgres', q{INSERT INTO m.d (v) VALUES ('v5')});
my $x = $old->safe_psql('postgres', q{SELECT _xid FROM m.d WHERE v = 'v4'});

my $dir = PostgreSQL::Test::Utils::tempdir;
$old->command_ok([ 'pg_dump', '-f', "$dir/dump.sql", $old->connstr('postgres') ], 'pg_dump');
$old->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/dump.custom", $old->connstr('postgres') ], 'pg_dump -Fc');

# The new one.
my $new = new_node('new');
$new->safe_psql('postgres', 'CREATE DATABASE parallel');
$new->command_ok([ 'psql', '-qX', '-v', 'ON_ERROR_STOP=1', '-d', $new->connstr('postgres'), '-f', "$dir/dump.sql" ],
	'the dump loads without an error');
$new->command_ok([ 'pg_restore', '-e', '-j', '3', '-d', $new->connstr('parallel'), "$dir/dump.custom" ],
	'pg_restore in parallel, too');
foreach my $depot ('m.d', q{"we""ird"."na'me"})
{
	my $expected = $old->safe_psql('postgres', "$events $depot d");

	is($new->safe_psql('postgres', "$events $depot d"), $expected, "the same events in $depot");
	is($new->safe_psql('parallel', "$events $depot d"), $expected, "the same events in $depot, restored in parallel");
}
is($new->safe_psql('postgres', q{SELECT depot, partitions, partition_by, last_offset FROM rama.depots ORDER BY 1}),
	$old->safe_psql('postgres', q{SELECT depot, partitions, partition_by, last_offset FROM rama.depots ORDER BY 1}),
	'rama.depots');

# Inactive: nothing runs, appends go on, managed values are taken.
is($new->safe_psql('postgres', q{SELECT state FROM rama.status WHERE name = 't'}), 'inactive', 'the topology is inactive');
is($new->safe_psql('postgres', q{SELECT rama.append('m.d', '{"v": "v6"}')}), '7', 'an append gets a new offset');
is($new->safe_psql('postgres', q{INSERT INTO m.d (v, _offset) VALUES ('v7', nextval('m.d__offset_seq')) RETURNING _offset}), '8',
	'managed values are taken while inactive');
fails($new, 'postgres', 'DELETE FROM m.d', '0A000', 'events are not changed while inactive');
$new->safe_psql('postgres', q{SELECT setval('m.d__offset_seq', 3)});
fails($new, 'postgres', 'SELECT rama.activate()', '55000', 'a sequence behind the events is noticed');
$new->safe_psql('postgres', q{SELECT setval('m.d__offset_seq', 8)});
$new->safe_psql('postgres', q{SELECT rama.activate()});
fails($new, 'postgres', q{INSERT INTO m.d (v, _offset) VALUES ('x', 100)}, '428C9', 'managed values are refused again');
fails($new, 'postgres', q{ALTER SEQUENCE m.d__offset_seq CACHE 5}, '0A000', 'so is ALTER SEQUENCE');
$new->safe_psql('postgres', q{SELECT rama.resume('m.t')});
is($new->safe_psql('postgres', q{SELECT rama.wait('m.t')}), 't', 'the new topology has caught up');
is($new->safe_psql('postgres', $seen), 'v1 v2 v3 v4 late v5 v6 v7', 'what was pending is processed, once, and in order');

# A transaction of the new cluster with the xid of an old event.
my $next = $new->safe_psql('postgres', 'SELECT pg_snapshot_xmax(pg_current_snapshot())');
cmp_ok($next, '<', $x, 'the new cluster is behind in xids');
burn_xids($new, $x - $next - 100);
$new->safe_psql('postgres', q{
CREATE TABLE m.seen2 (n bigserial, v text);
SELECT rama.create_topology('m.t2', 'stream', 'm.d', sql => 'INSERT INTO m.seen2 (v) SELECT v FROM batch ORDER BY _offset')});
is($new->safe_psql('postgres', q{SELECT rama.wait('m.t2')}), 't', 'a topology made afterwards reads old events');
$new->safe_psql('postgres', 'SELECT pg_current_xact_id()')
  while $new->safe_psql('postgres', 'SELECT pg_snapshot_xmax(pg_current_snapshot())') < $x;
$new->safe_psql('postgres', q{
BEGIN; INSERT INTO m.d (v) VALUES ('same'); PREPARE TRANSACTION 'same';
INSERT INTO m.d (v) VALUES ('v8');
SELECT rama.wait('m.t'), rama.wait('m.t2')});
$new->safe_psql('postgres', q{COMMIT PREPARED 'same'});
$new->safe_psql('postgres', q{SELECT rama.wait('m.t'), rama.wait('m.t2')});
is($new->safe_psql('postgres', q{SELECT _xid FROM m.d WHERE v = 'same'}), $x, 'the xid was used again');
is($new->safe_psql('postgres', $seen), 'v1 v2 v3 v4 late v5 v6 v7 v8 same', 'no old event is taken for a new one');
is($new->safe_psql('postgres', q{SELECT count(*), count(DISTINCT v) FROM m.seen2}), '10|10',
	'nor by a topology that is made afterwards');

# DROP EXTENSION
fails($new, 'parallel', 'DROP EXTENSION pg_rama', '2BP01', 'DROP EXTENSION is refused while there are depots');
$new->safe_psql('parallel', 'DROP EXTENSION pg_rama CASCADE');
is($new->safe_psql('parallel', q{SELECT string_agg(v, ' ' ORDER BY v) FROM m.d}), 'late v1 v2 v3 v4 v5',
	'with CASCADE the data stay');
$new->safe_psql('parallel', q{CREATE EXTENSION pg_rama; SELECT rama.create_depot('m.again')});

done_testing();
