# The examples of test/clients follow a part of a PState: they print its value,
# then each change, by LISTEN and by COPY.
use strict;
use warnings;

use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $clients = "$ENV{RAMA_SRC}/test/clients";
my $node = rama_node('clients');
my $conninfo = $node->connstr('postgres');
my $path = '["ann"]';

$node->safe_psql('postgres', q{
SELECT rama.create_pstate('chat', 'map(person: text, struct(n: bigint, words: vector(word: text) subindex))');
SELECT rama.put('chat', 'ann', 'n', 1)});

# Starts a client; its output is read with line().
sub start_client
{
	my (@command) = @_;
	my %client = (out => '', err => '', in => '');

	$client{run} = IPC::Run::start(\@command, '<', \$client{in}, '>', \$client{out}, '2>', \$client{err},
		IPC::Run::timeout(60));
	return \%client;
}

# The next line.
sub line
{
	my ($client) = @_;

	while ($client->{out} !~ /\n/)
	{
		return "ended: $client->{err}" unless $client->{run}->pumpable;
		$client->{run}->pump;
	}
	$client->{out} =~ s/\A([^\n]*)\n//;
	return $1;
}

# ... of several clients, one that has begun to listen.
sub stop_client
{
	my ($client) = @_;

	$client->{run}->kill_kill;
	return;
}

sub change
{
	my ($sql) = @_;

	$node->safe_psql('postgres', $sql);
	return;
}

# Is the line the change, given as operation, path and value?
sub is_change
{
	my ($line, $op, $path, $value, $name) = @_;
	my $json = JSON::PP->new->canonical->allow_nonref;
	my ($got) = eval { $json->decode($line) };

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($got ? $json->encode([ @$got{qw(op path value)} ]) : $line,
		$json->encode([ $op, $json->decode($path), defined $value ? $json->decode($value) : undef ]), $name);
	return;
}

# A client whose lines are JSON.
sub follow
{
	my ($name, $first_op, @command) = @_;
	my $client = start_client(@command);

	is_json_value(line($client), "$name: the value");
	change(q{SELECT rama.add('chat', 'bob', 'n', 1)});
	change(q{SELECT rama.add('chat', 'ann', 'n', 2)});
	is_change(line($client), 'add', '["ann", "n"]', '2', "$name: a change, and not that of another place");
	change(q{SELECT rama.push('chat', 'ann', 'words', w) FROM unnest('{hello,"wörld \" \\\\"}'::text[]) w});
	is_change(line($client), 'append', '["ann", "words"]', '["hello", "wörld \" \\\\"]',
		"$name: elements that were appended");
	change(q{SELECT rama.remove('chat', 'ann')});
	like(line($client), qr/"op":\s*"(remove|set)"/, "$name: a removal");
	stop_client($client);
	change(q{SELECT rama.put('chat', 'ann', 'n', 1)});
	return;
}

sub is_json_value
{
	my ($line, $name) = @_;
	my $got = eval { JSON::PP->new->decode($line) };

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($got ? $got->{value}{n} : $line, 1, $name);
	return;
}

follow('tail in C', 'reset', "$clients/tail", $conninfo, 'chat', $path);

SKIP:
{
	my $node_path = (grep { -x "$_/node" } split /:/, $ENV{PATH})[0];
	skip 'node is not installed', 8 unless $node_path;
	skip 'the node module pg is not installed', 8 unless -d "$clients/node_modules/pg";

	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	follow('tail in Node', 'reset', 'node', "$clients/tail.js", 'postgresql:///postgres', 'chat', $path);
	follow('watch in Node', undef, 'node', "$clients/watch.js", 'postgresql:///postgres', 'chat', $path);
}

# The lines of watch.c are version, operation, path and value.
my $client = start_client("$clients/watch", $conninfo, 'chat', $path);
like(line($client), qr/^\d+ \{.*"n": 1.*\}$/, 'watch in C: the value');
change(q{SELECT rama.add('chat', 'ann', 'n', 2)});
like(line($client), qr/^\d+ add \["ann", "n"\] 2$/, 'watch in C: a change');
stop_client($client);

# psql
$client = start_client('stdbuf', '-oL', 'psql', '-XAtq', '-d', $conninfo, '-v', 'pstate=chat', '-v', "path=$path",
	'-f', "$clients/tail.sql");
like(line($client), qr/^\d+ reset \["ann"\] \{.*"n": 3.*\}$/, 'tail in psql: the value');
change(q{SELECT rama.add('chat', 'ann', 'n', 2)});
like(line($client), qr/^\d+ add \["ann", "n"\] 2$/, 'tail in psql: a change');
stop_client($client);

# Here a session of psql that stays, and gets statements one by one.
$client = start_client('psql', '-XAtq', '-d', $conninfo, '-v', 'pstate=chat', '-v', "path=$path");
$client->{in} = "\\i $clients/watch.sql\n\\echo ready\n";
like(line($client), qr/^\{.*"n": 5.*\}$/, 'watch in psql: the value');
is(line($client), 'ready', 'watch in psql: listens');
change(q{SELECT rama.add('chat', 'ann', 'n', 2)});
my $told = '';
for (1 .. 600)
{
	$client->{in} .= "SELECT pg_sleep(0.1);\n\\echo asked\n";
	$told = line($client);
	last if $told =~ /notification/;
	$told = line($client) if $told eq '';
	last if $told =~ /notification/;
}
like($told, qr/^Asynchronous notification "\w+" with payload ".*"op": ?"add".*" received from server process/,
	'watch in psql: is told of a change');
stop_client($client);

$node->stop;
done_testing();
