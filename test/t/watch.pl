# rama.watch() with LISTEN and NOTIFY: what is told, to whom, and who is not.
use strict;
use warnings;

use PostgreSQL::Test::BackgroundPsql;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $node = rama_node('watch', conf => "pg_rama.max_watches = 1200\n");
$node->safe_psql('postgres', q{
CREATE ROLE alice LOGIN;
CREATE ROLE bob LOGIN;
CREATE ROLE monitor LOGIN IN ROLE pg_monitor;
SELECT rama.create_pstate('scores', 'map(text, bigint)');
SELECT rama.create_pstate('notes', 'map(text, text)');
GRANT SELECT ON scores, notes TO alice;
SELECT rama.put('scores', 'a', 1)});

sub session
{
	my ($user) = @_;

	return $node->background_psql('postgres', on_error_stop => 0,
		extra_params => [ '-d', $node->connstr('postgres') . ($user ? " user=$user" : '') ]);
}

# Watch and listen; returns id, channel, version and value.
sub watch
{
	my ($session, $pstate, $path) = @_;
	my %watch;

	@watch{qw(id channel version value)} = split /\|/,
	  $session->query_safe("SELECT * FROM rama.watch('$pstate', '$path')");
	$session->query_safe("LISTEN $watch{channel}");
	return \%watch;
}

# The payloads that come to a session, until it has $count of them.
my %heard;
sub heard
{
	my ($session, $watch, $count) = @_;
	my $patience = time + 20;
	my $payloads = $heard{ $watch->{channel} } //= [];

	while (@$payloads < $count && time < $patience)
	{
		my $out = $session->query('SELECT 1');

		while ($out =~ /Asynchronous notification "(\w+)" with payload "(.*)" received/g)
		{
			push @{ $heard{$1} }, $2;
		}
		usleep(10_000) if @$payloads < $count;
	}
	return join "\n", splice @$payloads, 0;
}

# Nothing comes for this watch, though another one is told of a later change.
my $witness = session();
my $seen = watch($witness, 'scores', '["witness"]');
my $witnessed = 0;
sub witness
{
	$node->safe_psql('postgres', 'SELECT rama.put(\'scores\', \'witness\', ' . ++$witnessed . ')');
	heard($witness, $seen, 1) =~ /"value": $witnessed\}/ or die 'the witness has not been told';
	return;
}

my $alice = session('alice');
my $watch = watch($alice, 'scores', '["a"]');
like($watch->{channel}, qr/^rama_[0-9a-f]{32}$/, 'a channel of 128 bits');
is("$watch->{version} $watch->{value}", '1 1', 'value and version');
$node->safe_psql('postgres', q{SELECT rama.add('scores', 'a', 5)});
is(heard($alice, $watch, 1),
	'{"from": 1, "version": 2, "changes": [{"version": 2, "op": "add", "path": ["a"], "value": 5}]}', 'a change');
$node->safe_psql('postgres', q{SELECT rama.put('scores', 'b', 5)});
$node->safe_psql('postgres', q{SELECT rama.put('scores', 'a', 7)});
is(heard($alice, $watch, 1),
	'{"from": 2, "version": 4, "changes": [{"version": 4, "op": "set", "path": ["a"], "value": 7}]}',
	'the next one continues there; what does not concern it is not told');

# What happens between rama.watch() and LISTEN shows in "from", and is not lost.
my $late = session('alice');
my %gap;
@gap{qw(id channel version value)} = split /\|/, $late->query_safe(q{SELECT * FROM rama.watch('scores', '["gap"]')});
$node->safe_psql('postgres', q{SELECT rama.put('scores', 'gap', 1)});
eventually($node, 'postgres', "SELECT told > version FROM rama.watchers WHERE id = '$gap{id}'");
$late->query_safe("LISTEN $gap{channel}");
$node->safe_psql('postgres', q{SELECT rama.add('scores', 'gap', 1)});
my ($gap_from) = heard($late, \%gap, 1) =~ /^\{"from": (\d+)/;
cmp_ok($gap_from, '>', $gap{version}, 'from is above the version that the session has');
is($late->query_safe("SELECT op, path, value FROM rama.changes('scores', '[\"gap\"]', $gap{version})"),
	qq(set|["gap"]|1\nadd|["gap"]|1), 'and rama.changes has what it missed');
$late->quit;

# What a payload cannot hold, and what must be read, is to be fetched.
my $big = watch($alice, 'notes', '["n"]');
$node->safe_psql('postgres', q{SELECT rama.put('notes', 'n', repeat('x', 7000))});
like(heard($alice, $big, 1), qr/"changes": \[\{"version": 1, "op": "set", "path": \["n"\], "value": "x{7000}"\}\]\}$/, 'a payload below the limit');
$node->safe_psql('postgres', q{SELECT rama.put('notes', 'n', repeat('y', 9000))});
is(heard($alice, $big, 1), '{"from": 1, "version": 2, "fetch": true}', 'a payload above the limit');
my $range = watch($alice, 'scores', '[["sorted-map-range", "m", "p"]]');
my $count = watch($alice, 'scores', '[["view", "count"]]');
$node->safe_psql('postgres', q{SELECT rama.put('scores', 'n', 3)});
like(heard($alice, $range, 1), qr/"op": "set", "path": \["n"\], "value": 3/, 'an entry enters a range');
like(heard($alice, $count, 1), qr/"fetch": true/, 'a count is to be fetched');
$node->safe_psql('postgres', q{SELECT rama.remove('scores', 'n')});
like(heard($alice, $range, 1), qr/"op": "remove", "path": \["n"\]/, 'and leaves it');

# One's own watches, and nobody else's.
my $bob = session('bob');
is($bob->query_safe('SELECT count(*) FROM rama.watchers'), '0', 'others see none of the watches');
is($alice->query_safe('SELECT count(*), count(channel) FROM rama.watchers'), '4|4', 'who made them sees them');
my $monitor = session('monitor');
is($monitor->query_safe('SELECT count(*), count(channel), count(DISTINCT role) FROM rama.watchers'), '5|0|2',
	'pg_monitor sees all, without the channels');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE query ~ '$watch->{channel}' AND usename <> 'alice' AND pid <> pg_backend_pid()"),
	'0', 'no other session shows a channel');
$bob->query("LISTEN rama_" . '0' x 32);
$bob->query(qq(LISTEN "$watch->{id}"));
$node->safe_psql('postgres', q{SELECT rama.put('scores', 'a', 8)});
heard($alice, $watch, 1);
unlike($bob->query('SELECT 1'), qr/Asynchronous/, 'guessing channels gives nothing');
like($bob->query("SELECT rama.unwatch('$watch->{id}')") . $bob->{stderr}, qr/there is no watch with this id/, 'nor can others end a watch');
$bob->{stderr} = '';
like($bob->query(q{SELECT rama.watch('scores', '["a"]')}) . $bob->{stderr}, qr/permission denied/, 'no SELECT, no watch');
$bob->{stderr} = '';

# Rights are checked again at each delivery.
$node->safe_psql('postgres', q{REVOKE SELECT ON scores FROM alice; SELECT rama.put('scores', 'a', 9)});
witness();
is(heard($alice, $watch, 0), '', 'revoked rights stop delivery');
$node->safe_psql('postgres', q{GRANT SELECT ON scores TO alice; SELECT rama.put('scores', 'a', 10)});
like(heard($alice, $watch, 1), qr/^\{"from": \d+, "version": \d+, "fetch": true\}$/, 'and who gets them back is to fetch');
$node->safe_psql('postgres', q{ALTER TABLE scores ENABLE ROW LEVEL SECURITY; SELECT rama.put('scores', 'a', 11)});
witness();
is(heard($alice, $watch, 0), '', 'so does row security');
like($alice->query(q{SELECT rama.watch('scores', '["a"]')}) . $alice->{stderr}, qr/row security applies/, 'with which there are no new watches');
$alice->{stderr} = '';
$node->safe_psql('postgres', q{ALTER TABLE scores DISABLE ROW LEVEL SECURITY; SELECT rama.put('scores', 'a', 12)});
like(heard($alice, $watch, 1), qr/"fetch": true/, 'until it is off again');

# The end of a watch.
$alice->query_safe("SELECT rama.unwatch('$range->{id}')");
is($alice->query_safe('SELECT count(*) FROM rama.watchers'), '3', 'rama.unwatch');
$alice->query_safe(q{BEGIN; SELECT rama.watch('scores', '["a"]'); SAVEPOINT s; SELECT rama.watch('scores', '["b"]'); ROLLBACK TO s});
is($alice->query_safe('SELECT count(*) FROM rama.watchers'), '4', 'a watch of a subtransaction that is rolled back');
$alice->query_safe('ROLLBACK');
is($alice->query_safe('SELECT count(*) FROM rama.watchers'), '3', 'and of a transaction');
$node->safe_psql('postgres', q{DROP TABLE notes CASCADE});
like(heard($alice, $big, 1), qr/"fetch": true/, 'the watches of a PState that is dropped are told to look');
$node->safe_psql('postgres', q{REVOKE ALL ON scores FROM alice; DROP ROLE alice; SELECT rama.put('scores', 'a', 13)});
witness();
is(heard($alice, $watch, 0), '', 'a role that is dropped is told nothing');
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IS NULL AND backend_type = 'client backend'});
eventually($node, 'postgres', 'SELECT count(*) = 1 FROM rama.watchers');
pass('watches end with their session');
$alice->{run}->finish;

# The notifier may go at any time.
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_rama notifier'});
my $from = (split /\|/, $node->safe_psql('postgres', q{SELECT told, version FROM rama.watchers}))[0];
$node->safe_psql('postgres', q{SELECT rama.put('scores', 'witness', 1000)});
like(heard($witness, $seen, 1), qr/^\{"from": $from, .*"value": 1000\}/, 'the next notifier goes on where the last one was');
$node->safe_psql('postgres', q{ALTER SYSTEM SET pg_rama.enabled = off; SELECT pg_reload_conf()});

# Many watches on one PState.
my $many = session();
$many->query_safe(q{SELECT count(rama.watch('scores', jsonb_build_array('k' || i))) FROM generate_series(1, 1000) i});
is($many->query_safe('SELECT count(*) FROM rama.watchers'), '1001', 'a thousand watches');
like($many->query(q{SELECT count(rama.watch('scores', jsonb_build_array('k' || i))) FROM generate_series(1, 1000) i}) . $many->{stderr},
	qr/too many watches/, 'and no more than pg_rama.max_watches');
$many->{stderr} = '';
is($many->query_safe('SELECT count(*) FROM rama.watchers'), '1001', 'of which nothing is left');
$node->safe_psql('postgres', q{ALTER SYSTEM RESET pg_rama.enabled; SELECT pg_reload_conf()});
my $start = time;
witness() for 1 .. 20;
figure(sprintf('change to notification, 1000 watches elsewhere in the PState: %.1f ms a round trip by psql', (time - $start) * 50));

# One after the other, each the only one: the notifier takes it in at once.
$many->quit;
$witness->quit;
eventually($node, 'postgres', 'SELECT count(*) = 0 FROM rama.watchers');
$witness = session();
$start = time;
foreach (1 .. 20)
{
	$seen = watch($witness, 'scores', '["witness"]');
	witness();
	$witness->query_safe("SELECT rama.unwatch('$seen->{id}')");
}
cmp_ok(time - $start, '<', 8, 'a watch after the last one has gone is served at once');

# A session that is given back to a pool
$seen = watch($witness, 'scores', '["witness"]');
$witness->query_safe('DISCARD ALL');
is($witness->query_safe('SELECT count(*) FROM rama.watchers'), '0', 'DISCARD ALL ends the watches of the session');
$seen = watch($witness, 'scores', '["witness"]');
witness();

# Keys that other settings write as another text: what is told has to be fetched.
$node->safe_psql('postgres', q{
SELECT rama.create_pstate('hours', 'map(hour: timestamptz, n: bigint)');
SELECT rama.create_pstate('digests', 'map(digest: bytea, n: bigint)')});
foreach my $case ([ 'UTC', 'ISO, MDY', 'hex', qr/"changes": .*"2026-01-01T05:00:00\+00:00".*"changes": .*x61ff"/s ],
	[ 'America/New_York', 'SQL, DMY', 'escape', qr/"fetch": true.*"fetch": true/s ])
{
	my $abroad = session();
	$abroad->query_safe("SET TimeZone = '$case->[0]'; SET DateStyle = '$case->[1]'; SET bytea_output = '$case->[2]'");
	my $hour = watch($abroad, 'hours', '["2026-01-01 05:00+00"]');
	my $range = watch($abroad, 'hours', '[["sorted-map-range", "2026-01-01 04:00+00", "2026-01-01 06:00+00"]]');
	my $digest = watch($abroad, 'digests', '["\\\\x61ff"]');
	$node->safe_psql('postgres', q{SELECT rama.add('hours', '2026-01-01 05:00+00', 1); SELECT rama.add('digests', '\\x61ff'::bytea, 1)});
	like(heard($abroad, $hour, 1) . heard($abroad, $digest, 1), $case->[3], "keys are found in a session with $case->[0], $case->[2]");
	like(heard($abroad, $range, 1), qr/"version": \d+/, 'as are ranges');
	is($abroad->query_safe(qq{SELECT op, value FROM rama.changes('hours', '["2026-01-01 05:00+00"]', $hour->{version})}), 'add|1', 'and fetched');
	$abroad->quit;
}

# DDL on databases does not wait for a notifier.
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', q{CREATE EXTENSION pg_rama; SELECT rama.create_pstate('p', 'map(text, bigint)')});
$node->safe_psql('other', q{SELECT channel FROM rama.watch('p', '["a"]')});
my $other = $node->background_psql('other');
$other->query_safe(q{SELECT rama.watch('p', '["a"]')});
eventually($node, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_rama notifier' AND datname = 'other'});
$other->quit;
succeeds_within($node, 'postgres', 'DROP DATABASE other', 5, 'a database with a notifier can be dropped');

# Nothing of values in the log.
$node->stop('fast');
my $log = slurp_file($node->logfile);
unlike($log, qr/x{100}|y{100}|rama_[0-9a-f]{32}/, 'no value and no channel in the log');
log_is_sound($node, 0, qr/administrator command|there is no watch|permission denied|row security applies|too many watches/, 'the log tells of no crash');
done_testing();
