# Every call that drivers make, with parameters whose type the driver gives,
# leaves to the server, or gives for some only.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $node = rama_node('calls');
my $uuid = '6f1e0000-0000-4000-8000-000000000001';
my %oid = split /[|\n]/, $node->safe_psql('postgres', q{SELECT typname, oid FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace});
$oid{''} = 0;

$node->safe_psql('postgres', q{
BEGIN;
SELECT rama.create_depot('plain');
SELECT rama.create_depot('orders', 'id bigint, note text, at timestamptz');
SELECT rama.create_pstate('words', 'map(text, bigint)');
SELECT rama.create_pstate('funds', 'map(id: bigint, numeric(12, 2))');
SELECT rama.create_pstate('days', 'map(day: date, struct(n: int, seen: timestamptz, ok: boolean, f: float8))');
SELECT rama.create_pstate('llm',
	'map(org: bigint, map(request: uuid, struct(prompt: text, tokens: vector(token: text) subindex)) subindex)');
SELECT rama.create_pstate('tags', 'map(id: int, set(tag: text) subindex)');
SELECT rama.create_pstate('docs', 'map(id: int, jsonb)');
SELECT rama.create_pstate('total', 'bigint');
CREATE FUNCTION on_order(e orders) RETURNS void LANGUAGE sql AS 'SELECT';
SELECT rama.create_topology('t', 'stream', 'orders', each => 'on_order');
COMMIT});

my @calls;

# call(SQL, EXPECTED, [TYPE => VALUE...]): a type of '' is left to the server.
sub call
{
	my ($sql, $expected, @parameters) = @_;
	my ($line, $name) = ($sql, $sql);
	my @types;

	while (my ($type, $value) = splice @parameters, 0, 2)
	{
		$line .= "\x1f$oid{$type}=" . ($value // '\N');
		push @types, $type eq '' ? 'untyped' : $type;
	}
	$name .= ' (' . join(', ', @types) . ')' if @types;
	push @calls, [ $line, $expected, $name ];
	return;
}

# Appends.
call(q{SELECT rama.append('plain', $1)}, '1', '' => '{"a": 1}');
call(q{SELECT rama.append('plain', $1)}, '2', jsonb => '[1, 2]');
call(q{SELECT rama.append($1, $2)}, '3', '' => 'plain', '' => '"text"');
call(q{SELECT rama.append($1, $2)}, '4', text => 'plain', jsonb => '4');
call(q{SELECT rama.append($1, $2)}, '5', regclass => 'plain', '' => 'null');
call(q{SELECT rama.append(depot => $1, data => $2)}, '6', '' => 'plain', '' => '6');
call(q{INSERT INTO orders (id, note, at) VALUES ($1, $2, $3) RETURNING _offset}, '1', '' => 1, '' => 'a', '' => '2026-01-01');
call(q{INSERT INTO orders (id, note, at) VALUES ($1, $2, $3) RETURNING _offset}, '2', int4 => 2, varchar => 'b', timestamptz => '2026-01-02');
call(q{INSERT INTO orders (id, note) VALUES ($1, $2)}, '', int8 => 3, '' => undef);
call(q{SELECT rama.append('orders', $1)}, '4', '' => '{"id": 4, "at": "2026-01-04"}');
call(q{SELECT rama.wait($1)}, 't', '' => 't');
call(q{SELECT rama.wait($1)}, 't', text => 't');
call(q{SELECT rama.wait($1, $2)}, 't', regclass => 't', '' => 4);
call(q{SELECT rama.wait($1, up_to => $2, timeout => $3)}, 't', '' => 't', int8 => 4, '' => '5 s');
call(q{SELECT rama.wait('t', timeout => $1)}, 't', interval => '5 seconds');

# put, with each of the types that rama.value takes as key and as value.
foreach my $n ([ '' => 1 ], [ int2 => 2 ], [ int4 => 3 ], [ int8 => 4 ], [ numeric => 5 ], [ float8 => 6 ], [ float4 => 7 ], [ jsonb => 8 ], [ text => 9 ])
{
	my ($type, $id) = @$n;

	call(q{SELECT rama.put('funds', $1, $2)}, '', $type => $id, '' => "$id.5");
	call(q{SELECT rama.put('funds', $1, $2)}, '', '' => $id, $type => $id);
	call(q{SELECT rama.get('funds', $1)}, "$id.00", $type => $id);
	call(q{SELECT (rama.get('funds', $1))::bigint}, $id, $type => $id);
	call(q{SELECT rama.get_text('funds', $1)}, "$id.00", $type => $id);
	call(q{SELECT rama.get_as(NULL::bigint, 'funds', $1)}, $id, $type => $id);
	call(q{SELECT rama.count('llm', $1)}, '0', $type => $id);
}
foreach my $type ('', 'text', 'varchar', 'bpchar', 'jsonb')
{
	my $key = $type eq 'jsonb' ? '"word"' : 'word';
	my $n = $type eq 'bpchar' ? 'int4' : $type eq 'jsonb' ? 'jsonb' : '';

	call(q{SELECT rama.put('words', $1, $2)}, '', $type => $key, $n => 41);
	call(q{SELECT rama.add('words', $1, $2)}, '42', $type => $key, int4 => 1);
	call(q{SELECT rama.add('words', $1, $2)}, '43', $type => $key, '' => 1);
	call(q{SELECT rama.add('words', $1, $2)}, '44', $type => $key, numeric => 1);
	call(q{SELECT rama.get('words', $1)}, '44', $type => $key);
	call(q{SELECT rama.remove('words', $1)}, 't', $type => $key);
	call(q{SELECT rama.remove('words', $1)}, 'f', $type => $key);
	call(q{SELECT rama.get('words', $1)}, 'NULL', $type => $key);
}
call(q{SELECT rama.put('words', $1, 7)}, '', '' => 'seven');
call(q{SELECT rama.put('words', 'eight', $1)}, '', '' => '8');
call(q{SELECT rama.count('words')}, '2');

# Dates, booleans, floats in a struct.
call(q{SELECT rama.put('days', $1, 'n', $2)}, '', date => '2026-01-01', int4 => 1);
call(q{SELECT rama.put('days', $1, $2, $3)}, '', '' => '2026-01-01', '' => 'seen', timestamptz => '2026-01-01 12:00:00+00');
call(q{SELECT rama.put('days', $1, $2, $3)}, '', timestamp => '2026-01-01 00:00:00', text => 'ok', bool => 't');
call(q{SELECT rama.put('days', $1, $2, $3)}, '', date => '2026-01-01', '' => 'f', float8 => '0.5');
call(q{SELECT rama.get('days', $1, $2)}, '1', '' => '2026-01-01', '' => 'n');
call(q{SELECT rama.get('days', $1, 'ok'), rama.get('days', $1, 'f')}, 'true|0.5', date => '2026-01-01');
call(q{SELECT rama.get('days', $1, 'n')}, '1', text => '2026-01-01');
call(q{SELECT rama.get_as(NULL::timestamptz, 'days', $1, 'seen') = $2}, 't', '' => '2026-01-01', timestamptz => '2026-01-01 12:00:00+00');
call(q{SELECT rama.put('days', $1, $2)}, '', date => '2026-01-02', jsonb => '{"n": 2, "ok": false}');
call(q{SELECT rama.put('days', $1, $2)}, '', '' => '2026-01-03', '' => '{"n": 3, "ok": false}');
call(q{SELECT rama.get('days', $1)}, '{"n": 3, "ok": false}', date => '2026-01-03');

# Nested, the four queries.
call(q{SELECT rama.put('llm', $1, $2, 'prompt', $3)}, '', int8 => 1, uuid => $uuid, text => 'hello');
call(q{SELECT rama.push('llm', $1, $2, 'tokens', $3)}, '0', '' => 1, '' => $uuid, '' => 'a');
call(q{SELECT rama.push('llm', $1, $2, 'tokens', $3)}, '1', int4 => 1, uuid => $uuid, text => 'b');
call(q{SELECT rama.push('llm', $1, $2, $3, $4)}, '2', int8 => 1, text => $uuid, text => 'tokens', '' => 'c');
call(q{SELECT rama.count('llm', $1)}, '1', int4 => 1);
call(q{SELECT rama.count('llm', $1, $2, 'tokens')}, '3', '' => 1, uuid => $uuid);
call(q{SELECT rama.get('llm', $1, $2, $3)}, '"hello"', int8 => 1, '' => $uuid, '' => 'prompt');
call(q{SELECT rama.get_text('llm', $1, $2, $3)}, 'hello', int8 => 1, uuid => $uuid, text => 'prompt');
call(q{SELECT rama.get('llm', $1, $2, 'tokens', $3)}, '"b"', int8 => 1, uuid => $uuid, int4 => 1);
call(q{SELECT rama.select('llm', $1)}, '"b";"c"', '' => qq([1, "$uuid", "tokens", ["srange", 1, 3], ["all"]]));
call(q{SELECT rama.select($1, $2)}, qq("$uuid"), '' => 'llm', jsonb => qq([1, ["sorted-map-range-from", "$uuid", {"max-amt": 2}], ["map-keys"]]));
call(q{SELECT * FROM rama.select($1, $2)}, qq("$uuid"), regclass => 'llm', '' => '[1, ["map-keys"]]');
call(q{SELECT rama.select('llm', jsonb_build_array($1::bigint, $2::text, 'tokens', jsonb_build_array('srange', $3::int, 2), '["all"]'::jsonb))}, '"a";"b"', int8 => 1, '' => $uuid, '' => 0);
call(q{SELECT rama.select_one('llm', $1)}, '"hello"', '' => qq([1, "$uuid", "prompt"]));
call(q{SELECT rama.select_one('llm', $1)}, qr/^ERROR P0003/, jsonb => qq([1, "$uuid", "tokens", ["all"]]));
call(q{SELECT rama.select_one('llm', $1)}, qr/^ERROR P0002/, jsonb => '[1, ["must", "6f1e0000-0000-4000-8000-00000000000f"], "prompt"]');
call(q{SELECT rama.get('llm', VARIADIC ARRAY[$1, $2, 'prompt']::rama.value[])}, '"hello"', '' => 1, '' => $uuid);

# Sets, jsonb leaves, single values, nulls.
call(q{SELECT rama.push('tags', $1, $2)}, '1', int4 => 1, text => 'x');
call(q{SELECT rama.push('tags', $1, $2)}, '0', '' => 1, '' => 'x');
call(q{SELECT rama.count('tags', $1)}, '1', int2 => 1);
call(q{SELECT rama.put('docs', $1, $2)}, '', int4 => 1, jsonb => '{"a": {"b": 1}}');
call(q{SELECT rama.get('docs', $1, $2, $3)}, '1', '' => 1, '' => 'a', text => 'b');
call(q{SELECT rama.put('docs', $1, 'a', $2)}, '', '' => 1, '' => '[1, 2]');
call(q{SELECT rama.get('docs', $1, 'a')}, '[1, 2]', int4 => 1);
call(q{SELECT rama.add('total', $1)}, '5', int4 => 5);
call(q{SELECT rama.add('total', $1)}, '7', '' => 2);
call(q{SELECT rama.get('total')}, '7');
call(q{SELECT rama.get($1)}, '7', '' => 'total');
call(q{SELECT rama.put('funds', 1, $1)}, '', '' => undef);
call(q{SELECT rama.get('funds', 1)}, 'NULL');
call(q{SELECT rama.put('funds', $1, 1)}, qr/^ERROR 22004/, int8 => undef);
call(q{SELECT rama.get('funds', $1)}, qr/^ERROR 22P02/, text => 'not a number');
call(q{SELECT rama.get('funds', $1)}, qr/^ERROR 22P02/, '' => 'not a number');
call(q{SELECT rama.put('funds', 1, $1)}, qr/^ERROR 22P02/, '' => 'not a number');
call(q{SELECT rama.get('llm', 1, $1)}, qr/^ERROR 22P02/, '' => 'not a uuid');
call(q{SELECT rama.get($1, 1)}, qr/^ERROR 42P01/, '' => 'nowhere');
call(q{SELECT rama.get('orders', $1)}, qr/^ERROR 42704/, '' => 1);
call(q{SELECT rama.get('llm', 1, $1, $2)}, qr/^ERROR 42703/, uuid => $uuid, '' => 'no_such_field');
call(q{SELECT rama.select('llm', $1)}, qr/^ERROR 42704/, '' => '[["no-such-navigator"]]');
call(q{SELECT rama.select('llm', $1)}, qr/^ERROR 22023/, '' => '{"not": "a path"}');

# Definitions too are called by drivers.
call(q{SELECT rama.create_depot($1, $2)}, 'made1', '' => 'made1', '' => 'a int');
call(q{SELECT rama.create_depot($1, $2, partition_by => $3, partitions => $4)}, 'made2', text => 'made2', text => 'a int', '' => 'a', int4 => 4);
call(q{SELECT rama.create_pstate($1, $2)}, 'made3', '' => 'made3', '' => 'map(a: int, text)');
call(q{SELECT rama.create_topology($1, $2, $3, sql => $4, writes => $5, options => $6)}, 'made4',
	'' => 'made4', '' => 'microbatch', '' => 'made1', '' => 'SELECT 1 FROM batch', '' => '{made3}', '' => '{"batch_max": 10}');
call(q{SELECT rama.pause($1)}, '', '' => 'made4');
call(q{SELECT rama.resume($1)}, '', text => 'made4');
call(q{SELECT rama.drop_topology($1)}, '', regclass => 'made4');
call(q{SELECT rama.drop_pstate($1)}, '', '' => 'made3');
call(q{SELECT rama.drop_depot($1)}, '', '' => 'made1');

my ($out, $err) = ('', '');
my $in = join '', map { "$_->[0]\n" } @calls;
IPC::Run::run([ program('calls'), $node->connstr('postgres') ], '<', \$in, '>', \$out, '2>', \$err);
my @answers = split /\n/, $out, -1;
foreach my $call (@calls)
{
	my ($line, $expected, $name) = @$call;
	my $answer = shift @answers;

	if (ref $expected) { like($answer, $expected, $name); }
	else { is($answer, $expected, $name); }
}
is($err, '', 'the program ran to its end');

$node->stop;
done_testing();
