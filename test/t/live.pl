# The page of examples/live shows tokens in a browser as they are appended.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $live = "$ENV{RAMA_SRC}/examples/live";
my ($chromium) = grep { -x } map { ("$_/chromium", "$_/google-chrome") } split /:/, $ENV{PATH};

plan skip_all => 'node is not installed' unless grep { -x "$_/node" } split /:/, $ENV{PATH};
plan skip_all => 'the node module pg is not installed' unless -d "$live/node_modules/pg";
plan skip_all => 'Chromium is not installed' unless $chromium;

my $node = rama_node('live');
my $request = '6f1e0000-0000-4000-8000-000000000001';
my $other = '6f1e0000-0000-4000-8000-000000000002';

$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'),
		'-o', '/dev/null', '-f', "$ENV{RAMA_SRC}/test/demo.sql" ], 'the demo');

# Starts a program; its lines are read with line(), and it gets them with ask().
sub start_program
{
	my (@command) = @_;
	my %program = (out => '', err => '', in => '');

	$program{run} = IPC::Run::start(\@command, '<', \$program{in}, '>', \$program{out}, '2>', \$program{err},
		IPC::Run::timeout(60));
	return \%program;
}

sub line
{
	my ($program) = @_;

	while ($program->{out} !~ /\n/)
	{
		return "ended: $program->{err}" unless $program->{run}->pumpable;
		$program->{run}->pump;
	}
	$program->{out} =~ s/\A([^\n]*)\n//;
	return $1;
}

sub ask
{
	my ($program, $line) = @_;

	$program->{in} .= "$line\n";
	return line($program);
}

sub append
{
	my ($request, @tokens) = @_;

	$node->safe_psql('postgres', join '', map {
		"INSERT INTO platform.tokens (org, request, token) VALUES (1, '$request', '$_');"
	} @tokens);
	return;
}

my $server;
my $url;
{
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	local $ENV{PGDATABASE} = 'postgres';
	local $ENV{PORT} = 0;
	$server = start_program('node', "$live/server.js");
	$url = line($server);
}
like($url, qr{^http://localhost:\d+/$}, 'the server is up');

my $profile = "$PostgreSQL::Test::Utils::tmp_check/chromium";
my $browser = start_program('node', "$ENV{RAMA_SRC}/test/load/browser.js", $chromium, $profile, "$url#1");
is(ask($browser, q{document.getElementById('status').textContent === 'watching'}), 'true', 'the page watches');

# A request comes in: the page shows it, with its prompt, and follows its answer.
$node->safe_psql('postgres', "INSERT INTO platform.requests (org, request, prompt, model) VALUES (1, '$request', 'Why <b>?', 'small-1')");
is(ask($browser, q{document.querySelector('#requests a.chosen').textContent}), qq{"$request"}, 'a new request');
is(ask($browser, q{document.getElementById('prompt').textContent}), '"Why <b>?"', 'and its prompt');

# Each token is there before the next one is appended: they stream.
my $answer = '';
my $begin = time;
foreach my $token ('Because', ' of', ' the', ' sea', '.')
{
	$answer .= $token;
	append($request, $token);
	is(ask($browser, qq{document.getElementById('answer').textContent === '$answer'}), 'true', "tokens up to \"$token\"");
}
figure(sprintf('a token appended by psql is on the page after %.0f ms', (time - $begin) * 1000 / 5));
is(ask($browser, "screenshot $PostgreSQL::Test::Utils::tmp_check/live.png"), 'done', 'a screenshot');
cmp_ok(-s "$PostgreSQL::Test::Utils::tmp_check/live.png", '>', 5000, 'with something on it');

# Another request: the page goes on to it; the first one is still there.
append($other, 'Next', ' one');
is(ask($browser, qq{document.querySelector('#requests a.chosen').textContent === '$other' && document.getElementById('answer').textContent === 'Next one'}),
	'true', 'the page follows a request that comes in');
is(ask($browser, q{document.querySelectorAll('#requests a').length === 2}), 'true', 'two requests are listed');
ask($browser, "open $url#1/$request");
is(ask($browser, qq{location.hash === '#1/$request' && document.getElementById('answer').textContent === '$answer'}),
	'true', 'the first one can be chosen');
append($request, ' Really.');
is(ask($browser, qq{document.getElementById('answer').textContent === '$answer Really.'}), 'true', 'and goes on');
append($other, ' more');
append($request, ' Yes.');
is(ask($browser, qq{document.getElementById('answer').textContent === '$answer Really. Yes.'}), 'true',
	'what is not looked at is not shown');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL rama.tail_many%'}),
	'1', 'all by one connection');

$browser->{in} = '';
$browser->{run}->kill_kill;
$server->{run}->kill_kill;
$node->stop;
done_testing();
