# Writes the scripts of the demo's clients: one psql script for each
# organization, which sends its requests and streams the answers token by
# token, and one for the users, who sign in and register.
#
#	perl demo_clients.pl DIRECTORY TEXT...
#
# The answers are the texts, cut at blank lines into parts of some hundred
# tokens; a token is a word with the white space before it.
use strict;
use warnings;

use Digest::MD5 qw(md5_hex);

my ($directory, @texts) = @ARGV;
my $organizations = 4;
my @models = ('small-1', 'large-2', 'large-3');
my $answer_tokens = 300;
my @scripts = ('') x ($organizations + 1);
my %users;

sub quoted
{
	my ($text) = @_;

	$text =~ s/'/''/g;
	return "'$text'";
}

sub uuid
{
	my ($name) = @_;

	return join '-', unpack 'A8 A4 A4 A4 A12', md5_hex($name);
}

# One request and its answer.
sub answer
{
	my ($org, $name, $number, @tokens) = @_;
	my $request = uuid("$name $number");
	my $title = join ' ', map { /(\S+)/ } @tokens[ 0 .. ($#tokens < 7 ? $#tokens : 7) ];

	$scripts[$org] .= sprintf "INSERT INTO platform.requests (org, request, prompt, model) VALUES (%d, '%s', %s, '%s');\n",
	  $org, $request, quoted("What does part $number of $name say? It begins: $title ..."), $models[ $number % @models ];
	$scripts[$org] .= sprintf "INSERT INTO platform.tokens (org, request, token) VALUES (%d, '%s', %s);\n",
	  $org, $request, quoted($_)
	  foreach @tokens;
	return;
}

foreach my $text (@texts)
{
	my ($name) = $text =~ m{([^/]+)$};
	my ($number, @tokens) = (1);
	my ($org) = sort { length $scripts[$a] <=> length $scripts[$b] } 1 .. $organizations;

	open my $file, '<', $text or die "$text: $!";
	local $/ = '';				# by paragraphs
	while (my $paragraph = <$file>)
	{
		$paragraph =~ s/[^\x09\x0a\x20-\x7e]/?/g;
		push @tokens, $paragraph =~ /\s*\S+/g;
		$users{ lc $_ }++ foreach $paragraph =~ /\b([A-Za-z]{8,})\b/g;
		next if @tokens < $answer_tokens && !eof $file;
		answer($org, $name, $number++, @tokens);
		@tokens = ();
	}
}

# The users are named after long words of the texts. Everybody signs in as
# often as the word occurs; frequent ones register, some of them twice.
foreach my $name (sort keys %users)
{
	$scripts[0] .= "INSERT INTO platform.signins (subject, client) VALUES ('oidc|$name', 'browser');\n" x $users{$name};
	next if $users{$name} < 3;
	$scripts[0] .= sprintf "INSERT INTO platform.registrations (email, name, subject) VALUES ('%s\@example.org', '%s', 'oidc|%s');\n",
	  $name, ucfirst $name, $name
	  foreach 1 .. ($users{$name} > 9 ? 2 : 1);
}

foreach my $i (0 .. $#scripts)
{
	open my $script, '>', "$directory/$i.sql" or die "$directory/$i.sql: $!";
	print $script $scripts[$i];
	close $script or die $!;
}
