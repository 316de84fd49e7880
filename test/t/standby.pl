# A standby runs no worker, answers path reads and refuses appends and waits;
# after promotion its topologies go on exactly once, also with transactions
# that were prepared on the old primary.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $primary = rama_node('primary', init => { allows_streaming => 1 });
create_recorders($primary, 'postgres');
$primary->safe_psql('postgres', q{
BEGIN;
SELECT rama.create_pstate('tally', 'map(kind: text, count: bigint)');
SELECT rama.create_pstate('ids', 'map(writer: int, map(id: bigint, struct(kind: text)) subindex)');
SELECT rama.create_topology('tally_kinds', 'microbatch', 'events',
	sql => 'SELECT rama.add(''tally'', kind, 1) FROM batch; SELECT rama.put(''ids'', writer, id, ''kind'', kind) FROM batch',
	writes => '{tally,ids}');
COMMIT});
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

ok( run_log([ program('writers'), $primary->connstr('postgres'), 'events', 4, 2, 1 ]),
	'events were appended on the primary');
$primary->safe_psql('postgres', q{
INSERT INTO events (id, writer, kind) VALUES (1, 0, 'known'), (2, 0, 'known')});
wait_recorders($primary, 'postgres', '60s');
is($primary->safe_psql('postgres', q{SELECT rama.wait('tally_kinds', timeout => '60s')}), 't', 'caught up');
foreach my $how ('committed', 'rolled back', 'kept')
{
	my $id = { 'committed' => -1, 'rolled back' => -2, 'kept' => -3 }->{$how};

	$primary->safe_psql('postgres', qq{
BEGIN;
INSERT INTO events (id, writer, kind) VALUES ($id, 0, '$how');
PREPARE TRANSACTION '$how'});
}
my $open = $primary->background_psql('postgres');
$open->query_safe(q{BEGIN; INSERT INTO events (id, writer, kind) VALUES (-4, 0, 'open')});
$primary->safe_psql('postgres', q{INSERT INTO events (id, writer, kind) VALUES (3, 0, 'known')});
wait_recorders($primary, 'postgres', '60s');
$primary->safe_psql('postgres', q{SELECT rama.wait('tally_kinds', timeout => '60s')});
$primary->wait_for_catchup($standby);

# The standby.
is($standby->safe_psql('postgres', q{
SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ 'rama' AND datname IS NOT NULL}),
	'0', 'no worker on a standby');
is($standby->safe_psql('postgres', q{SELECT rama.get('tally', 'known')}), '3', 'rama.get');
is($standby->safe_psql('postgres', q{SELECT rama.count('ids', 0) = (SELECT count(*) FROM events WHERE writer = 0)}),
	't', 'rama.count');
is($standby->safe_psql('postgres', q{SELECT rama.select('ids', '[0, ["sorted-map-range", 1, 4], ["map-keys"]]')}),
	"1\n2\n3", 'rama.select of a range');
is($standby->safe_psql('postgres', q{SELECT rama.select_one('ids', '[0, 2, "kind"]')}), '"known"', 'rama.select_one');
is($standby->safe_psql('postgres', q{SELECT rama.get_text('ids', 0, 2, 'kind')}), 'known', 'rama.get_text');
is($standby->safe_psql('postgres', 'SELECT count(*) > 0 FROM rama.status'), 't', 'rama.status');
sqlstate_is($standby, 'postgres', q{INSERT INTO events (id, writer) VALUES (9, 0)}, '25006', 'INSERT into a depot');
sqlstate_is($standby, 'postgres', q{SELECT rama.append('events', '{"id": 9, "writer": 0}')}, '25006', 'rama.append');
sqlstate_is($standby, 'postgres', q{SELECT rama.wait('see_stream')}, '25006', 'rama.wait');
sqlstate_is($standby, 'postgres', q{SELECT rama.put('tally', 'x', 1)}, '25006', 'rama.put');
sqlstate_is($standby, 'postgres', q{SELECT rama.create_depot('more')}, '25006', 'rama.create_depot');

# Promotion, while the primary is gone with a transaction open.
$primary->stop('immediate');
$standby->promote;
$standby->safe_psql('postgres', q{
COMMIT PREPARED 'committed';
ROLLBACK PREPARED 'rolled back';
INSERT INTO events (id, writer, kind) VALUES (4, 0, 'known')});
ok( run_log([ program('writers'), $standby->connstr('postgres'), 'events', 4, 2, 2 ]),
	'events were appended on the promoted standby');
wait_recorders($standby, 'postgres', '60s');
is($standby->safe_psql('postgres', q{SELECT rama.wait('tally_kinds', timeout => '60s')}),
	't', 'topologies go on after promotion by themselves');
$standby->safe_psql('postgres', q{COMMIT PREPARED 'kept'});
wait_recorders($standby, 'postgres', '60s');
$standby->safe_psql('postgres', q{SELECT rama.wait('tally_kinds', timeout => '60s')});
foreach my $table (qw(seen_stream seen_small seen_large))
{
	violations_are($standby, 'postgres', $table, '0|0|0|0|0', "exactly once and in order over a promotion: $table");
	is($standby->safe_psql('postgres', "SELECT string_agg(id::text, ' ' ORDER BY id) FROM $table WHERE id < 0"),
		'-3 -1', "prepared transactions of the old primary, ended on the new one: $table");
}
is($standby->safe_psql('postgres', q{
SELECT count(*) FROM (SELECT kind, count(*) AS n FROM events GROUP BY kind) e
	FULL JOIN tally t USING (kind) WHERE n IS DISTINCT FROM t.count}),
	'0', 'the PState equals a recomputation');

$standby->stop;
done_testing();
