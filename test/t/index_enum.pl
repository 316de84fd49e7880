# An index on an enum stays right when the values' sort orders change: by values
# that are added, by pg_upgrade, which renumbers them, and where oids have wrapped
# around, by refusing what would change the order of values that are there.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $bin = $ENV{RAMA_BIN};

# The next objects get oids from here on. The server is stopped and started.
sub set_next_oid
{
	my ($node, $oid) = @_;

	$node->stop;
	command_ok([ "$bin/pg_resetwal", '-o', $oid, '-D', $node->data_dir ], "oids from $oid on");
	$node->start;
	return;
}

# The index is intact, and its order the enum's.
sub index_is_right
{
	my ($node, $name) = @_;
	my $values = 'SELECT string_agg(v::text, chr(32)) FROM (SELECT v FROM t ORDER BY v) o';

	is($node->safe_psql('postgres', qq{
SELECT rama.check_index('ti');
SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off;
$values}),
		"\n" . $node->safe_psql('postgres', qq{SET enable_seqscan = off; SET enable_sort = off; $values}),
		$name);
	return;
}

my $old = rama_node('old');
set_next_oid($old, 3_000_000_000);
$old->safe_psql('postgres', q{
CREATE TYPE level AS ENUM ('low', 'middle', 'high');
CREATE DOMAIN stage AS level;
CREATE TABLE t (v stage, n int);
CREATE INDEX ti ON t USING pstate (v)});
$old->safe_psql('postgres', "ALTER TYPE level ADD VALUE '$_->[0]' $_->[1] '$_->[2]'")
  foreach [ 'm1', 'BEFORE', 'middle' ], [ 'm2', 'AFTER', 'm1' ], [ 'm3', 'BEFORE', 'm1' ], [ 'h1', 'BEFORE', 'high' ];
$old->safe_psql('postgres', "ALTER TYPE level ADD VALUE 'top'");
my $insert = 'INSERT INTO t SELECT v, n FROM unnest(enum_range(NULL::level)) v, generate_series(1, 3) n';
$old->safe_psql('postgres', $insert);
index_is_right($old, 'values in between');
cmp_ok($old->safe_psql('postgres', q{SELECT count(*) FROM pg_enum WHERE oid::bigint % 2 = 1}), '>', 2,
	'some of them have odd oids');

# Sort orders are others after an upgrade.
my $orders = q{SELECT string_agg(enumsortorder::text, ' ' ORDER BY enumsortorder) FROM pg_enum};
my $before = $old->safe_psql('postgres', $orders);
my $new = PostgreSQL::Test::Cluster->new('new');
$new->init;
$new->append_conf('postgresql.conf', rama_conf());
$old->stop;
chdir($PostgreSQL::Test::Utils::tmp_check) or die;
command_ok([ "$bin/pg_upgrade", '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir,
		'-b', $bin, '-B', $bin, '-s', $new->host, '-p', $old->port, '-P', $new->port ],
	'pg_upgrade');
$new->start;
isnt($new->safe_psql('postgres', $orders), $before, 'which renumbers them');
index_is_right($new, 'after pg_upgrade');
$new->safe_psql('postgres', $insert);
index_is_right($new, 'and with more rows');
$new->safe_psql('postgres', "ALTER TYPE level ADD VALUE 'm4' BEFORE 'm2'");
$new->safe_psql('postgres', $insert);
index_is_right($new, 'and another value');

# Oids begin anew.
set_next_oid($new, 1_000_000);
foreach my $place ('', "BEFORE 'low'", "AFTER 'm2'")
{
	sqlstate_is($new, 'postgres', "ALTER TYPE level ADD VALUE 'late' $place", '55000',
		"a value with a smaller oid is refused: $place");
}
$new->safe_psql('postgres', "ALTER TYPE level ADD VALUE IF NOT EXISTS 'm4'");
$new->safe_psql('postgres', "ALTER TYPE level RENAME VALUE 'm4' TO 'm5'");
index_is_right($new, 'all is as it was');
$new->safe_psql('postgres', 'DROP INDEX ti');
$new->safe_psql('postgres', "ALTER TYPE level ADD VALUE '$_->[0]' $_->[1]")
  foreach [ 'late', '' ], [ 'early', "BEFORE 'low'" ], [ 'm6', "AFTER 'm2'" ];
$new->safe_psql('postgres', $insert);
$new->safe_psql('postgres', 'CREATE INDEX ti ON t USING pstate (v)');
index_is_right($new, 'an index that is made later has any order');

# Who adds a value waits for an index that is being made.
my $builder = $new->background_psql('postgres');
$builder->query_safe('BEGIN; CREATE INDEX tj ON t USING pstate (v DESC)');
my $adder = start_sql($new, 'postgres', "ALTER TYPE level ADD VALUE 'last'");
eventually($new, 'postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND locktype = 'object'});
$builder->query_safe('COMMIT');
$builder->quit;
$adder->finish;
isnt($adder->result, 0, 'and is refused when it is there');

$new->stop;
done_testing();
