# rama.tail() and rama.tail_many() in stock psql: lines as things happen, and
# every way in which that can end.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $node = rama_node('tail', conf => "pg_rama.change_ring_mb = 1\n");
$node->safe_psql('postgres', q{
SELECT rama.create_pstate('doc', 'map(text, struct(n: bigint, tags: set(text), words: vector(text), m: map(text, bigint)))');
SELECT rama.create_pstate('chat', 'map(room: text, map(nr: bigint, struct(author: text, tokens: vector(token: text) subindex)) subindex)');
SELECT rama.create_pstate('scores', 'map(text, bigint)');
CREATE ROLE reader LOGIN;
GRANT SELECT ON scores TO reader});

# psql in the background, writing line by line.
sub start_tail
{
	my ($call, %options) = @_;
	my $tail = { out => '', err => '', call => $call };
	my @before = map { ('-c', $_) } @{ $options{before} // [] };
	my @after = map { ('-c', $_) } @{ $options{after} // [] };

	$tail->{run} = IPC::Run::start(
		[ 'stdbuf', '-oL', 'psql', '-XAtq', '-d', $node->connstr($options{database} // 'postgres') . ($options{user} ? " user=$options{user}" : ''),
			@before, '-c', "CALL $call", @after ],
		'>', \$tail->{out}, '2>', \$tail->{err}, IPC::Run::timer(60));
	return $tail;
}

# Until its output matches.
sub says
{
	my ($tail, $pattern, $what) = @_;
	my $patience = time + 20;

	while ($tail->{out} !~ $pattern && time < $patience)
	{
		last unless $tail->{run}->pumpable;
		$tail->{run}->pump_nb;
		usleep(5_000);
	}
	return like($tail->{out}, $pattern, $what) if defined $what;
	$tail->{out} =~ $pattern or die "$tail->{call}: no $pattern in $tail->{out}$tail->{err}";
	return;
}

sub ends
{
	my ($tail, $error, $what) = @_;

	$tail->{run}->finish;
	return like($tail->{err}, $error, $what);
}

my $tailing = q{SELECT count(*) FROM pg_stat_activity WHERE query ~ '^CALL rama.tail' AND pid <> pg_backend_pid()};
sub none_left
{
	eventually($node, 'postgres', "SELECT ($tailing) = 0");
	return;
}

# Formats: what a client sees of one history.
my %tails = map { $_ => start_tail("rama.tail('doc', '[\"x\"]', '$_')") } qw(text json patch);
says($_, qr/null/) foreach values %tails;
# One after the other: several at once may be one line.
my $version = 0;
foreach my $write (
	q{rama.put('doc', 'x', '{"n": 1}')}, q{rama.add('doc', 'x', 'n', 4)}, q{rama.push('doc', 'x', 'tags', 'a')},
	q{rama.push('doc', 'x', 'tags', 'b')}, q{rama.push('doc', 'x', 'words', 'one')},
	q{rama.push('doc', 'x', 'words', E'back\\\\slash\nand line')}, q{rama.put('doc', 'other', 'n', 1)},
	q{rama.put('doc', 'x', 'm', 'k', 3)}, q{rama.remove('doc', 'x')})
{
	$node->safe_psql('postgres', "SELECT $write");
	next if ++$version == 7;
	my $line = $version < 7 ? $version : $version - 1;
	says($tails{text}, qr/^$version /m);
	says($tails{json}, qr/"version": $version,/);
	says($tails{patch}, qr/\A(?:.*\n){$line}.+\n/);
}
is($tails{text}->{out}, <<'OUT', 'text');
0 reset ["x"] null
1 set ["x"] {"n": 1}
2 add ["x", "n"] 4
3 set ["x", "tags"] ["a"]
4 insert ["x", "tags"] "b"
5 set ["x", "words"] ["one"]
6 append ["x", "words"] ["back\\slash\nand line"]
8 set ["x", "m"] {"k": 3}
9 remove ["x"]
OUT
is($tails{json}->{out}, <<'OUT', 'json');
{"version": 0, "op": "reset", "path": ["x"], "value": null}
{"version": 1, "op": "set", "path": ["x"], "value": {"n": 1}}
{"version": 2, "op": "add", "path": ["x", "n"], "value": 4}
{"version": 3, "op": "set", "path": ["x", "tags"], "value": ["a"]}
{"version": 4, "op": "insert", "path": ["x", "tags"], "value": "b"}
{"version": 5, "op": "set", "path": ["x", "words"], "value": ["one"]}
{"version": 6, "op": "append", "path": ["x", "words"], "value": ["back\\slash\nand line"]}
{"version": 8, "op": "set", "path": ["x", "m"], "value": {"k": 3}}
{"version": 9, "op": "remove", "path": ["x"]}
OUT
is($tails{patch}->{out}, <<'OUT', 'patch: elements of sets have no place, so the whole is sent');
[{"op": "replace", "path": "", "value": null}]
[{"op": "replace", "path": "", "value": {"n": 1}}]
[{"op": "replace", "path": "/n", "value": 5}]
[{"op": "add", "path": "/tags", "value": ["a"]}]
[{"op": "replace", "path": "", "value": {"n": 5, "tags": ["a", "b"]}}]
[{"op": "add", "path": "/words", "value": ["one"]}]
[{"op": "add", "path": "/words/-", "value": "back\\slash\nand line"}]
[{"op": "add", "path": "/m", "value": {"k": 3}}]
[{"op": "replace", "path": "", "value": null}]
OUT

# While it waits it holds nothing.
eventually($node, 'postgres', q{SELECT count(*) = 3 AND bool_and(backend_xmin IS NULL AND backend_xid IS NULL)
	FROM pg_stat_activity WHERE query ~ '^CALL rama.tail' AND state = 'active' AND pid <> pg_backend_pid()});
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
	WHERE query ~ '^CALL rama.tail' AND pid <> pg_backend_pid() AND locktype <> 'virtualxid'}), '0',
	'no snapshot and no lock while it waits');
like($node->safe_psql('postgres', q{SELECT query FROM pg_stat_activity WHERE query ~ '^CALL rama.tail' AND pid <> pg_backend_pid() LIMIT 1}),
	qr/^CALL rama\.tail\(/, 'pg_stat_activity shows the statement as it was sent');

# A drop does not wait for them, and ends them.
succeeds_within($node, 'postgres', 'DROP TABLE doc CASCADE', 5, 'a PState that is tailed can be dropped');
ends($tails{$_}, qr/ERROR:  PState \S*doc\S* has been dropped/, "which ends rama.tail ($_)") foreach sort keys %tails;

# So does one of the extension, which leaves the tables.
$node->safe_psql('postgres', 'CREATE DATABASE without');
foreach my $drop ('DROP EXTENSION pg_rama CASCADE', 'BEGIN; DROP EXTENSION pg_rama CASCADE; CREATE EXTENSION pg_rama; COMMIT',
	'DROP SCHEMA rama CASCADE')
{
	$node->safe_psql('without', q{DROP TABLE IF EXISTS still, changed; DROP EXTENSION IF EXISTS pg_rama; CREATE EXTENSION pg_rama;
SELECT rama.create_pstate('still', 'map(text, bigint)'), rama.create_pstate('changed', 'map(text, bigint)');
SELECT rama.put('changed', 'a', 1)});
	my %dropped = map { ($_ => start_tail("rama.tail('$_')", database => 'without')) } qw(still changed);
	my $watcher = $node->background_psql('without');

	says($dropped{$_}, qr/reset/) foreach sort keys %dropped;
	$watcher->query_safe(q{SELECT channel FROM rama.watch('changed', '[]') \gset});
	$watcher->query_safe('LISTEN :channel');
	$node->safe_psql('without', "SET client_min_messages = error; $drop");
	ends($dropped{$_}, qr/ERROR:  PState $_ has been dropped/, "$drop ends rama.tail ($_)") foreach sort keys %dropped;
	my $heard = '';
	my $patience = time + 20;
	while ($heard !~ /notification/ && time < $patience)
	{
		$heard = $watcher->query('SELECT 1');
		usleep(10_000);
	}
	like($heard, qr/"fetch": true/, 'and is told to who watches');
	$watcher->quit;
}

# What others do in SERIALIZABLE transactions neither ends it, nor fails by it.
$node->safe_psql('postgres', q{SELECT rama.create_pstate('serial', 'map(text, bigint)')});
my $serial = start_tail("rama.tail('serial', '[[\"sorted-map-range-to-end\", 2]]')", before => [ "SET default_transaction_isolation = 'serializable'" ]);
says($serial, qr/0 reset/);
my @writers = map { $node->background_psql('postgres') } 1 .. 2;
$writers[0]->query_safe('BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM serial');
$writers[1]->query_safe(q{SELECT rama.put('serial', 'a', 1)});
says($serial, qr/^1 set .*"a", 1/m, 'a tail in a session that is SERIALIZABLE by default');
is($writers[1]->query_safe(q{SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE mode = 'SIReadLock' AND query ~ '^CALL rama.tail'}),
	'0', 'is not serializable itself');
$_->quit foreach @writers;
$serial->{run}->signal('INT');
$serial->{run}->finish;

# The ways to end it.
my $cancel = q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query ~ '^CALL rama.tail' AND pid <> pg_backend_pid()};
my $tail = start_tail("rama.tail('scores')");
says($tail, qr/0 reset \[\] \{\}/, 'the value of a whole PState');
$tail->{run}->signal('INT');
ends($tail, qr/canceling statement due to user request/, 'Ctrl-C');

$tail = start_tail("rama.tail('scores')", after => ["SELECT 'still here'"]);
says($tail, qr/reset/);
$node->safe_psql('postgres', $cancel);
ends($tail, qr/canceling statement due to user request/, 'pg_cancel_backend()');
like($tail->{out}, qr/still here/, 'and the session goes on');

$tail = start_tail("rama.tail('scores')", before => ["SET statement_timeout = '300ms'"], after => ["SELECT 'still here'"]);
ends($tail, qr/canceling statement due to statement timeout/, 'statement_timeout');
like($tail->{out}, qr/still here/, 'and the session goes on');

$tail = start_tail("rama.tail('scores')");
says($tail, qr/reset/);
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^CALL rama.tail' AND pid <> pg_backend_pid()});
ends($tail, qr/terminating connection due to administrator command/, 'pg_terminate_backend()');
none_left();

$tail = start_tail("rama.tail('scores')");
says($tail, qr/reset/);
$tail->{run}->signal('KILL');
eval { $tail->{run}->finish };
none_left();
pass('a client that is gone is noticed though nothing changes');

# Rights: at the start, and before each line.
$tail = start_tail("rama.tail('doc2')", user => 'reader');
ends($tail, qr/does not exist/, 'a PState that is not there');
$node->safe_psql('postgres', q{SELECT rama.create_pstate('secret', 'map(text, bigint)')});
$tail = start_tail("rama.tail('secret')", user => 'reader');
ends($tail, qr/permission denied/, 'no SELECT, no tail');
is($tail->{out}, '', 'and no line');
$tail = start_tail("rama.tail('scores', '[\"a\"]')", user => 'reader');
says($tail, qr/reset/);
$node->safe_psql('postgres', q{SELECT rama.put('scores', 'a', 1)});
says($tail, qr/^1 set \["a"\] 1$/m);
$node->safe_psql('postgres', q{REVOKE SELECT ON scores FROM reader; SELECT rama.put('scores', 'a', 2)});
ends($tail, qr/permission denied for table scores/, 'rights that are revoked end it');
unlike($tail->{out}, qr/2 set/, 'before the next line');
$node->safe_psql('postgres', q{GRANT SELECT ON scores TO reader});

# Where it cannot be.
sqlstate_is($node, 'postgres', "BEGIN;\nCALL rama.tail('scores')", '25001', 'in a transaction block');
sqlstate_is($node, 'postgres', "DO \$\$BEGIN CALL rama.tail('scores'); END\$\$", '0A000', 'in a DO block');
sqlstate_is($node, 'postgres', q{CALL rama.tail('scores', format => 'xml')}, '22023', 'unknown format');
sqlstate_is($node, 'postgres', q{CALL rama.tail('scores', '[["filterer", [["stay"]]]]')}, '0A000', 'a path that cannot be watched');

# Many watches on one connection: a change costs what it hits.
my $many = join ',', map { qq({"id": $_, "pstate": "scores", "path": ["k$_"]}) } 1 .. 1000;
$tail = start_tail("rama.tail_many('[$many, {\"id\": \"room\", \"pstate\": \"chat\", \"path\": [\"r\", 1, \"tokens\"]}]')");
says($tail, qr/"id": "room".*\n/);
my @lines = split /\n/, $tail->{out};
is(scalar(@lines), 1001, 'a first line for each');
$node->safe_psql('postgres', q{
SELECT rama.put('scores', 'k17', 5);
SELECT rama.put('scores', 'nobody', 5);
SELECT rama.push('chat', 'r', 1, 'tokens', 'Hel');
SELECT rama.push('chat', 'r', 1, 'tokens', 'lo');
SELECT rama.push('chat', 'r', 2, 'tokens', 'other')});
says($tail, qr/"lo"/);
@lines = split /\n/, $tail->{out};
is(join("\n", @lines[ 1001 .. $#lines ]), <<'OUT' =~ s/\n\z//r, 'tail_many tells whom it concerns');
{"id": 17, "version": 3, "op": "set", "path": ["k17"], "value": 5}
{"id": "room", "version": 1, "op": "append", "path": ["r", 1, "tokens"], "value": ["Hel"]}
{"id": "room", "version": 2, "op": "append", "path": ["r", 1, "tokens"], "value": ["lo"]}
OUT
$tail->{run}->signal('INT');
ends($tail, qr/canceling statement due to user request/, 'tail_many is canceled');
foreach my $case (
	[ '[]', '22023', 'no watch' ], [ '[1]', '22023', 'a watch that is no object' ],
	[ '[{"id": 1}]', '22023', 'no pstate' ], [ '[{"id": 1, "pstate": "scores", "x": 1}]', '22023', 'an unknown member' ],
	[ '[{"id": 1, "pstate": "nowhere"}]', '42P01', 'an unknown PState' ])
{
	sqlstate_is($node, 'postgres', "CALL rama.tail_many('$case->[0]')", $case->[1], "tail_many: $case->[2]");
}
$tail = start_tail(q{rama.tail_many('[{"id": 1, "pstate": "scores"}, {"id": "seven", "pstate": "scores", "path": ["a", "b"]}]')});
ends($tail, qr/watch "seven"/, 'errors name the watch');

# What each kind of path is told.
my %paths = (
	pred => '[["map-vals"], ["pred>", 10]]', range => '[["sorted-map-range", "b", "d"]]',
	count => '[["view", "count"]]', keys => '[["map-keys"]]', top => '[["sorted-map-range-to-end", 1]]',
	sub => '[["submap", "a", "z"]]');
$node->safe_psql('postgres', q{SELECT rama.put('scores', '{}')});
my $start = $node->safe_psql('postgres', q{SELECT version FROM rama.pstate_version WHERE pstate = 'scores'::regclass});
%tails = map { $_ => start_tail("rama.tail('scores', '$paths{$_}')") } keys %paths;
says($_, qr/reset/) foreach values %tails;
my @writes = (
	q{rama.put('scores', 'a', 5)}, q{rama.put('scores', 'b', 15)}, q{rama.add('scores', 'a', 10)},
	q{rama.add('scores', 'b', -10)}, q{rama.put('scores', 'z', 100)}, q{rama.remove('scores', 'z')});
my %told = (
	pred => "2 set [\"b\"] 15\n3 set [\"a\"] 15\n4 remove [\"b\"]\n5 set [\"z\"] 100\n6 remove [\"z\"]\n",
	range => "2 set [\"b\"] 15\n4 add [\"b\"] -10\n",
	count => "1 set P 1\n2 set P 2\n5 set P 3\n6 set P 2\n",
	keys => "1 insert [] \"a\"\n2 insert [] \"b\"\n5 insert [] \"z\"\n6 remove [\"z\"]\n",
	top => qq(1 set P [["a", 5]]\n2 set P [["b", 15]]\n4 set P [["b", 5]]\n5 set P [["z", 100]]\n6 set P [["b", 5]]\n),
	sub => "1 set [\"a\"] 5\n3 add [\"a\"] 10\n5 set [\"z\"] 100\n6 remove [\"z\"]\n");
for my $i (1 .. @writes)
{
	my $at = $start + $i;

	$node->safe_psql('postgres', "SELECT $writes[$i - 1]");
	foreach my $kind (keys %told)
	{
		says($tails{$kind}, qr/^$at /m) if $told{$kind} =~ /^$i /m;
	}
}
foreach my $kind (sort keys %told)
{
	my $out = $tails{$kind}->{out} =~ s/\A.*reset.*\n//r;
	$out =~ s/^(\d+)/$1 - $start/gme;
	$out =~ s/\Q$paths{$kind}\E/P/g;
	is($out, $told{$kind}, "what is told: $paths{$kind}");
}

# Who falls behind by more than the ring holds gets the value, and goes on.
$tail = start_tail("rama.tail('scores', '[\"slow\"]')");
says($tail, qr/reset/);
my $slow = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE query ~ 'slow' AND query ~ '^CALL rama.tail' AND pid <> pg_backend_pid()});
kill 'STOP', $slow;
$node->safe_psql('postgres', q{SELECT rama.create_pstate('noise', 'map(bigint, text)');
DO $$BEGIN FOR i IN 1..2500 LOOP PERFORM rama.put('noise', i, repeat('x', 1000)); COMMIT; END LOOP; END$$;
SELECT rama.put('scores', 'slow', 1);
SELECT rama.put('scores', 'slow', 2);
DO $$BEGIN FOR i IN 1..2500 LOOP PERFORM rama.put('noise', i, repeat('y', 1000)); COMMIT; END LOOP; END$$});
kill 'CONT', $slow;
says($tail, qr/^\d+ reset \["slow"\] 2$/m, 'a ring that has gone round gives the value');
$node->safe_psql('postgres', q{SELECT rama.put('scores', 'slow', 3)});
says($tail, qr/^\d+ set \["slow"\] 3$/m, 'and the changes from there');
$tail->{run}->signal('INT');
$tail->{run}->finish;

# A shutdown waits for none of them.
my $begun = time;
$node->stop('fast');
cmp_ok(time - $begun, '<', 10, 'the server stops');
ends($tails{$_}, qr/terminating connection due to administrator command/, "and ends the tail ($_)") foreach sort keys %tails;
log_is_sound($node, 0, qr/canceling statement|administrator command|has been dropped|permission denied|does not exist|cannot run inside|must be called|unknown format|cannot be watched|argument "watches"|watch \d+:|there is nothing below/, 'the log tells of no crash');
done_testing();
