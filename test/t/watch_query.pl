# rama.watch_query(): a query runs again when something that its last run read
# has changed, and not when something else has; in a snapshot of its own, with
# the rights of whoever watches. Its results have the time in them, so that
# every run shows.
use strict;
use warnings;

use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $node = rama_node('query');
my $json = JSON::PP->new->canonical->allow_nonref;

$node->safe_psql('postgres', q{
CREATE SCHEMA app;
CREATE ROLE reader LOGIN;
CREATE ROLE other LOGIN;
GRANT USAGE ON SCHEMA app TO PUBLIC;
ALTER DATABASE postgres SET search_path = app, public;
SET search_path = app;
SELECT rama.create_pstate('chat', 'map(person: text, struct(n: bigint, name: text, words: vector(word: text) subindex))');
SELECT rama.create_pstate('scores', 'map(game: int, map(points: int, text) subindex)');
SELECT rama.create_pstate('total', 'bigint');
GRANT SELECT ON chat, scores, total TO reader, other;
CREATE TABLE plain (n int);
GRANT ALL ON plain TO PUBLIC;

CREATE FUNCTION of_person(who text, OUT n jsonb, OUT words jsonb, OUT time_of_the_run timestamptz) LANGUAGE sql STABLE AS $$
	SELECT rama.get('app.chat', who, 'n'), rama.get('app.chat', who, 'words'), clock_timestamp()
$$;
CREATE FUNCTION best(game int, low int, high int) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN jsonb_build_object('time_of_the_run', clock_timestamp(), 'best',
		(SELECT jsonb_agg(v) FROM rama.select('app.scores', jsonb_build_array(game, jsonb_build_array('sorted-map-range', low, high), '["all"]'::jsonb)) v));
END $$;
CREATE FUNCTION words_of(fewest int DEFAULT 1) RETURNS TABLE (person text, words bigint) LANGUAGE sql STABLE AS $$
	SELECT person, words_count FROM app.chat WHERE words_count >= fewest ORDER BY person
$$;
CREATE FUNCTION at_all() RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('total', rama.get('app.total'), 'rows', (SELECT count(*) FROM app.plain), 'time_of_the_run', clock_timestamp())
$$;
CREATE FUNCTION writes() RETURNS int LANGUAGE plpgsql AS 'BEGIN INSERT INTO app.plain VALUES (1); RETURN 1; END';
CREATE FUNCTION fails() RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT 10 / (rama.get('app.total'))::bigint $$;
CREATE FUNCTION parts() RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('some', rama.select_one('app.scores', '[["submap", 1, 3]]'), 'time_of_the_run', clock_timestamp(),
		'ns', (SELECT jsonb_agg(n) FROM rama.select('app.chat', '[["multi-path", ["ann", "n"], ["bob", "n"]]]') n))
$$;
CREATE FUNCTION many() RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('sum', (SELECT sum(rama.count('app.scores', i)) FROM generate_series(1, 3000) i), 'time_of_the_run', clock_timestamp())
$$;
CREATE FUNCTION spoken() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM app.chat_words';
SELECT rama.create_query('spoken', 'spoken()');
SELECT rama.create_query('parts', 'parts()'), rama.create_query('many', 'many()');
SELECT rama.create_query('of_person', 'of_person(text)'), rama.create_query('best', 'best(int, int, int)'),
	rama.create_query('words_of', 'words_of(int)'), rama.create_query('at_all', 'at_all()'),
	rama.create_query('writes', 'writes()'), rama.create_query('fails', 'fails()');
SELECT rama.put('chat', 'ann', 'n', 1), rama.put('total', 5)});

sub sql
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', $sql);
}

sub start_watch
{
	my ($call, %options) = @_;
	my %watch = (out => '', err => '');
	my $role = $options{role} ? " user=$options{role}" : '';

	$watch{run} = IPC::Run::start(
		[ 'stdbuf', '-oL', 'psql', '-XAtq', '-v', 'VERBOSITY=sqlstate', '-d', $node->connstr('postgres') . $role, '-c', $call ],
		'>', \$watch{out}, '2>', \$watch{err}, IPC::Run::timeout(60));
	return \%watch;
}

sub line
{
	my ($watch) = @_;

	while ($watch->{out} !~ /\n/)
	{
		return "ended: $watch->{err}" unless $watch->{run}->pumpable;
		$watch->{run}->pump;
	}
	$watch->{out} =~ s/\A([^\n]*)\n//;
	return $1;
}

# The lines of the next result, as [operation, path, value]s. The last one has
# the time of the run, which is left out: the longest name is last.
sub result
{
	my ($watch) = @_;
	my @result;

	for (;;)
	{
		my $line = line($watch);
		my $change = eval { $json->decode($line) } or return $line;

		$watch->{runs}++ if $line =~ /time_of_the_run/;
		return $json->encode(\@result) if $json->encode($change->{path}) eq '["time_of_the_run"]';
		push @result, [ @$change{qw(op path)}, without_time($change->{value}) ];
		return $json->encode(\@result) if $change->{op} eq 'reset';
	}
}

sub without_time
{
	my ($value) = @_;

	delete $value->{time_of_the_run} if ref $value eq 'HASH';
	return $value;
}

sub end
{
	my ($watch) = @_;

	$watch->{run}->kill_kill;
	return;
}

my $watch = start_watch(q{CALL rama.watch_query('of_person', '["ann"]', 'json')});
is(result($watch), '[["reset",[],{"n":1,"words":null}]]', 'the first result');
sql(q{SELECT rama.add('chat', 'ann', 'n', 1)});
is(result($watch), '[["set",["n"],2]]', 'what was read has changed');
# None of these makes it run again: the next result is that of the last one.
sql(q{SELECT rama.add('chat', 'bob', 'n', 1)});
sql(q{SELECT rama.put('chat', 'ann', 'name', 'Ann')});
sql(q{SELECT rama.push('chat', 'bob', 'words', 'x'), rama.add('total', 1)});
sql(q{INSERT INTO plain VALUES (1)});
sql(q{SELECT rama.remove('chat', 'carol')});
sql(q{SELECT rama.add('chat', 'ann', 'n', 5)});
is(result($watch), '[["set",["n"],7]]', 'not what else has changed: it ran once');
sql(q{BEGIN; SELECT rama.add('chat', 'ann', 'n', 100); ROLLBACK; SELECT rama.add('chat', 'ann', 'n', 1)});
is(result($watch), '[["set",["n"],8]]', 'nor what was rolled back');
sql(q{SELECT rama.remove('chat', 'ann')});
is(result($watch), '[["set",["n"],null]]', 'a removal of what is around it');
is($watch->{runs}, 5, 'five runs');
end($watch);

# Ranges, in plpgsql, with arguments by name.
$watch = start_watch(q{CALL rama.watch_query('best', '{"game": 1, "high": 20, "low": 10}', 'json')});
is(result($watch), '[["reset",[],{"best":null}]]', 'a range');
sql(q{SELECT rama.put('scores', 1, 9, 'below'), rama.put('scores', 1, 20, 'above'), rama.put('scores', 2, 15, 'elsewhere')});
sql(q{SELECT rama.put('scores', 1, 15, 'in')});
is(result($watch), '[["set",["best"],[[15,"in"]]]]', 'only what is in the range');
sql(q{SELECT rama.remove('scores', 1, 9)});
sql(q{SELECT rama.put('scores', 1, 19, 'last')});
is(result($watch), '[["append",["best"],[[19,"last"]]]]', 'what is appended to an array is told so');
end($watch);

# Several keys, and several paths.
$watch = start_watch(q{CALL rama.watch_query('parts', format => 'json')});
is(result($watch), '[["reset",[],{"ns":[null,1],"some":{"1":{"15":"in","19":"last","20":"above"}}}]]', 'parts');
sql(q{SELECT rama.put('scores', 2, 1, 'no key of these'), rama.add('chat', 'carl', 'n', 1), rama.push('chat', 'bob', 'words', 'w')});
sql(q{SELECT rama.remove('chat', 'bob', 'words', 1)});
sql(q{SELECT rama.put('scores', 3, 1, 'new')});
is(result($watch), '[["set",["some","3"],{"1":"new"}]]', 'a key of several');
sql(q{SELECT rama.add('chat', 'ann', 'n', 1)});
is(result($watch), '[["set",["ns",0],1]]', 'a path of several');
sql(q{SELECT rama.remove('chat', 'ann'), rama.remove('scores', 3), rama.remove('scores', 2), rama.remove('chat', 'carl')});
end($watch);

# More keys than are recorded one by one: all of the PState counts.
$watch = start_watch(q{CALL rama.watch_query('many', format => 'json')});
is(result($watch), '[["reset",[],{"sum":3}]]', 'many keys');
sql(q{SELECT rama.add('chat', 'ann', 'n', 1), rama.remove('chat', 'ann')});
sql(q{SELECT rama.put('scores', 2900, 1, 'far')});
is(result($watch), '[["set",["sum"],4]]', 'all of them');
sql(q{SELECT rama.remove('scores', 2900)});
end($watch);

# Relations read by SQL; rows.
$watch = start_watch(q{CALL rama.watch_query('app.words_of', format => 'text')});
is(line($watch), '1 reset [] [{"words": 1, "person": "bob"}]', 'rows of a set');
sql(q{SELECT rama.push('chat', 'ann', 'words', 'y'), rama.push('chat', 'bob', 'words', 'z')});
is(line($watch), '2 set [0, "person"] "ann"', 'a relation that SQL reads has changed: elements are compared one by one');
is(line($watch), '2 append [] [{"words": 2, "person": "bob"}]', '... and the rest is appended');
end($watch);

# The view of a vector's elements.
$watch = start_watch(q{CALL rama.watch_query('spoken')});
is(line($watch), '1 reset [] 3', 'elements of vectors');
sql(q{SELECT rama.push('chat', 'bob', 'words', 'again')});
is(line($watch), '2 set [] 4', 'one more');
sql(q{SELECT rama.remove('chat', 'bob', 'words', 2)});
is(line($watch), '3 set [] 3', 'one less');
end($watch);

# JSON patches.
$watch = start_watch(q{CALL rama.watch_query('words_of', '[2]', 'patch')});
is(line($watch), '[{"op": "replace", "path": "", "value": [{"words": 2, "person": "bob"}]}]', 'patch: a result');
sql(q{SELECT rama.push('chat', 'zoe', 'words', w) FROM unnest('{1,2}'::text[]) w});
is(line($watch), '[{"op": "add", "path": "/-", "value": {"words": 2, "person": "zoe"}}]', 'patch: a row more');
sql(q{SELECT rama.push('chat', 'zoe', 'words', '3')});
is(line($watch), '[{"op": "add", "path": "/1/words", "value": 3}]', 'patch: a column');
sql(q{SELECT rama.remove('chat', 'bob')});
like(line($watch), qr/^\[.*"remove".*\]$/, 'patch: a row less');
end($watch);

# A single value; other tables are not watched.
$watch = start_watch(q{CALL rama.watch_query('at_all', format => 'json')});
is(result($watch), '[["reset",[],{"rows":1,"total":6}]]', 'a single value');
sql(q{INSERT INTO plain VALUES (2)});
sql(q{SELECT rama.put('total', 7)});
is(result($watch), '[["set",["rows"],2],["set",["total"],7]]', 'and its change');
end($watch);

# What goes wrong, at once and later.
sub fails_with
{
	my ($call, $sqlstate, $name, %options) = @_;
	my $watch = start_watch($call, %options);

	like(line($watch), qr/^ended: .*ERROR:\s+$sqlstate/s, $name);
	return;
}
fails_with(q{CALL rama.watch_query('nosuch')}, '42704', 'no such query');
fails_with(q{CALL rama.watch_query('best', '[1]')}, '42883', 'too few arguments');
fails_with(q{CALL rama.watch_query('best', '[1, 2, 3, 4]')}, '42883', 'too many arguments');
fails_with(q{CALL rama.watch_query('best', '{"nosuch": 1}')}, '42883', 'no such argument');
fails_with(q{CALL rama.watch_query('best', '["x", 2, 3]')}, '22P02', 'an argument that does not convert');
fails_with(q{CALL rama.watch_query('best', '7')}, '22023', 'arguments that are no list');
fails_with(q{CALL rama.watch_query('best', '[1, 2, 3]', 'xml')}, '22023', 'an unknown format');
fails_with(q{CALL rama.watch_query('writes')}, '25006', 'a query that writes');
fails_with(q{BEGIN; CALL rama.watch_query('at_all')}, '25001', 'in a transaction block');
$watch = start_watch(q{CALL rama.watch_query('fails', format => 'json')});
is(result($watch), '[["reset",[],1]]', 'a query that fails later');
sql(q{SELECT rama.put('total', 0)});
like(line($watch), qr/^ended: .*22012/, 'ends with its error');

# Rights: those of who watches, in each run.
sql(q{SELECT rama.put('total', 1); REVOKE EXECUTE ON FUNCTION at_all() FROM PUBLIC; GRANT EXECUTE ON FUNCTION at_all() TO reader});
fails_with(q{CALL rama.watch_query('at_all')}, '42501', 'without EXECUTE', role => 'other');
$watch = start_watch(q{CALL rama.watch_query('at_all', format => 'json')}, role => 'reader');
is(result($watch), '[["reset",[],{"rows":2,"total":1}]]', 'a reader watches');
sql(q{REVOKE SELECT ON total FROM reader});
sql(q{SELECT rama.put('total', 2)});
like(line($watch), qr/^ended: .*42501/, 'revoked: nothing more is told');

# Row security: of relations that SQL reads, only the rows that the role sees;
# path functions refuse.
sql(q{GRANT SELECT ON total TO reader;
ALTER TABLE chat ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON chat USING (person = current_user)});
$watch = start_watch(q{CALL rama.watch_query('words_of')}, role => 'reader');
is(line($watch), '1 reset [] []', 'row security: nothing to see');
sql(q{SELECT rama.push('chat', 'ann', 'words', 'secret')});
sql(q{SELECT rama.push('chat', 'reader', 'words', 'mine')});
is(line($watch), '2 append [] [{"words": 1, "person": "reader"}]', 'row security: only the own row');
end($watch);
fails_with(q{CALL rama.watch_query('of_person', '["ann"]')}, '42501', 'row security: path functions refuse', role => 'reader');
sql(q{ALTER TABLE chat DISABLE ROW LEVEL SECURITY});

# While it waits, a watcher holds neither snapshot nor lock.
$watch = start_watch(q{CALL rama.watch_query('of_person', '["ann"]', 'json')});
result($watch);
eventually($node, 'postgres', q{SELECT count(*) = 1 AND bool_and(backend_xmin IS NULL AND backend_xid IS NULL) FROM pg_stat_activity
	WHERE query LIKE 'CALL rama.watch_query%'});
is(sql(q{SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
	WHERE a.query LIKE 'CALL rama.watch_query%' AND l.relation IS NOT NULL}), '0', 'no lock while it waits');
sql(q{DROP TABLE chat});
like(line($watch), qr/^ended: .*(42P01|42704)/, 'the PState is dropped: its error ends the watch');

# A crash: the connection is lost, and nothing else.
$watch = start_watch(q{CALL rama.watch_query('at_all', format => 'json')});
result($watch);
$node->stop('immediate');
like(line($watch), qr/^ended: /, 'the server is gone');
$node->start;
$watch = start_watch(q{CALL rama.watch_query('at_all', format => 'json')});
is(result($watch), '[["reset",[],{"rows":2,"total":2}]]', 'and can be watched again');
sql(q{SELECT rama.put('total', 3)});
is(result($watch), '[["set",["total"],3]]', 'as before');
end($watch);

$node->stop;
done_testing();
