# A bit that is flipped in an index's page is noticed: by the page's checksum, or
# by rama.check_index, wherever a page has something to say. 400 flips, or 10000
# with --soak, or as many as the argument says; a second one seeds them.
#
# What says nothing, and is left out where pages have no checksums:
# * free space, the page's LSN and checksum, the padding of its special space
# * the flag "dead", where it is set, and the bytes of entries that have it: hints
#   (and the keys and tids of entries of other rows that nobody sees, if they
#   stay in order; here there are none)
# * where an item of no length is (the high fence of the last page of a level)
# * all of a deleted page but the flag that says so
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $flips = $ARGV[0] // (soak() ? 10_000 : 400);
my $seed = $ARGV[1] // int(rand(1 << 30));
my $page_size = 8192;
my $special = $page_size - 16;

srand($seed);
note("seed $seed");

# Each of the tables has some equal indexes, so that one start of the server
# shows as many flips.
my $copies = 20;
my %columns = (
	requests => '(org, request, seq)',
	names => '(name, size DESC) INCLUDE (note)',
	deep => '(key)',
	turned => '(id)',
	marked => '((id + <copy>))');

sub create_tables
{
	my ($node) = @_;

	$node->safe_psql('postgres', q{
CREATE TABLE requests AS SELECT i / 1000 AS org, md5((i / 100)::text)::uuid AS request, i % 100 AS seq
	FROM generate_series(1, 3000) i;
CREATE TABLE names AS SELECT 'name ' || i % 700 AS name,
		(CASE WHEN i % 10 > 0 THEN i / 10.0 END)::numeric AS size, repeat('note', i % 5) AS note
	FROM generate_series(1, 2000) i;
CREATE TABLE deep AS SELECT repeat(chr(65 + i % 20), 600) || i AS key FROM generate_series(1, 400) i;
CREATE TABLE turned AS SELECT i::bigint AS id FROM generate_series(1, 4000) i;
CREATE TABLE marked AS SELECT i AS id FROM generate_series(1, 500) i});
	my $create = '';
	foreach my $table (sort keys %columns)
	{
		foreach my $copy (1 .. $copies)
		{
			my $unique = $table eq 'requests' && $copy % 2 ? 'UNIQUE' : '';
			my $columns = $columns{$table} =~ s/<copy>/$copy/r;
			$create .= "CREATE $unique INDEX ${table}_$copy ON $table USING pstate $columns;\n";
		}
	}
	$node->safe_psql('postgres', $create);
	$node->safe_psql('postgres', q{
INSERT INTO requests SELECT i / 1000, md5((i / 100)::text)::uuid, 100 + i % 100 FROM generate_series(1, 3000, 7) i;
DELETE FROM turned WHERE id BETWEEN 500 AND 3500;
DELETE FROM marked WHERE id % 5 = 0});
	$node->safe_psql('postgres', "VACUUM ANALYZE $_") foreach qw(requests names deep turned turned);

	# A scan marks the entries of deleted rows; vacuum does not come.
	$node->safe_psql('postgres', q{
ANALYZE marked;
SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off;}
		  . join "\n", map { "SELECT count(*) FROM marked WHERE id + $_ > 0;" } 1 .. $copies);
	return;
}

# SQLSTATE of the check of each index: undef if it is sound
sub check_all
{
	my ($node, @indexes) = @_;
	my %state;
	my ($rc, $stdout, $stderr) = $node->psql('postgres',
		join("\n", map { "\\echo $_\nSELECT rama.check_index('$_');\n\\echo :SQLSTATE" } @indexes),
		on_error_stop => 0);
	my @lines = grep { $_ ne '' } split /\n/, $stdout;

	while (@lines)
	{
		my ($index, $sqlstate) = splice @lines, 0, 2;
		$state{$index} = $sqlstate eq '00000' ? undef : $sqlstate;
	}
	diag("$stderr") if keys %state != @indexes;
	return \%state;
}

sub slurp
{
	my ($path) = @_;
	open my $in, '<:raw', $path or die "$path: $!";
	local $/;
	return scalar <$in>;
}

sub spew
{
	my ($path, $contents) = @_;
	open my $out, '>:raw', $path or die "$path: $!";
	print $out $contents;
	close $out or die "$path: $!";
	return;
}

# Items of a page as [offset, state, length]; the first is at 1.
sub items
{
	my ($page) = @_;
	my ($lower) = unpack 'x12 v', $page;

	return (undef, map { [ $_ & 0x7FFF, ($_ >> 15) & 3, $_ >> 17 ] }
		  unpack 'x24 V' . (($lower - 24) / 4), $page);
}

# Does the bit say anything, in an index whose pages have no checksums?
sub says_something
{
	my ($page, $block, $byte, $bit) = @_;
	my ($lower, $upper) = unpack 'x12 v v', $page;

	return 0 if $upper == 0 || $byte < 10 || ($byte >= $lower && $byte < $upper);
	return 1 if $block == 0;
	return 0 if $byte >= $special + 12;
	my ($flags) = unpack "x$special x6 v", $page;
	return $byte == $special + 6 && $bit == 0 if $flags & 1;
	return 1 if $byte < 24 || $byte >= $special;

	my @items = items($page);
	if ($byte < $lower)
	{
		my $item = $items[ 1 + int(($byte - 24) / 4) ];
		my $at = ($byte - 24) % 4 * 8 + $bit;
		return 0 if $item->[2] == 0 && $at < 15;
		return 0 if $item->[1] == 3 && ($at == 15 || $at == 16);
		return 1;
	}
	return !grep { $_ && $_->[1] == 3 && $byte >= $_->[0] && $byte < $_->[0] + $_->[2] } @items;
}

# Flips a bit of the contents; returns which, in words
sub flip
{
	my ($contents, $checksums) = @_;
	my ($block, $byte, $bit);

	do
	{
		$block = int(rand(length($$contents) / $page_size));
		# The parts of a page that have a meaning of their own are small.
		my $where = rand();
		$byte = $where < 0.2 ? int(rand(40)) : $where < 0.3 ? $special + int(rand(16)) : int(rand($page_size));
		$bit = int(rand(8));
	} until ($checksums && unpack('x14 v', substr($$contents, $block * $page_size, 16)))
	  || says_something(substr($$contents, $block * $page_size, $page_size), $block, $byte, $bit);
	substr($$contents, $block * $page_size + $byte, 1) ^= chr(1 << $bit);
	return "block $block, byte $byte, bit $bit";
}

sub flips_are_noticed
{
	my ($name, $checksums, $wanted) = @_;
	my $node = rama_node($name,
		init => { extra => $checksums ? ['--data-checksums'] : [] },
		conf => "autovacuum = off\nfsync = off");
	create_tables($node);
	my @indexes = map { my $table = $_; map { "${table}_$_" } 1 .. $copies } sort keys %columns;
	my $sound = check_all($node, @indexes);
	is(join(' ', grep { !exists $sound->{$_} || $sound->{$_} } @indexes),
		'', "$name: nothing is wrong with any index before");
	my %path = map { my ($index, $path) = split /\|/; $index => $node->data_dir . "/$path" } split /\n/,
	  $node->safe_psql('postgres', join "\n", map { "SELECT '$_', pg_relation_filepath('$_');" } @indexes);
	$node->stop;
	my %contents = map { $_ => slurp($path{$_}) } @indexes;
	my $dead = grep { $_ && $_->[1] == 3 } map {
		my $contents = $contents{$_};
		map { items(substr($contents, $_ * $page_size, $page_size)) } 1 .. length($contents) / $page_size - 1
	} grep { /^marked/ } @indexes;
	is($dead, 100 * $copies, "$name: the entries of deleted rows are marked dead, but where vacuum has removed them");
	my $deleted = grep { unpack("x$special x6 v", substr($contents{turned_1}, $_ * $page_size, $page_size)) & 1 }
	  1 .. length($contents{turned_1}) / $page_size - 1;
	cmp_ok($deleted, '>', 0, "$name: some pages are deleted");
	my ($done, @missed, %noticed);

	for ($done = 0; $done < $wanted; $done += @indexes)
	{
		my %what;
		foreach my $index (@indexes)
		{
			my $contents = $contents{$index};
			$what{$index} = flip(\$contents, $checksums);
			spew($path{$index}, $contents);
		}
		$node->start;
		my $state = check_all($node, @indexes);
		foreach my $index (@indexes)
		{
			my $got = $state->{$index} // 'nothing';
			$noticed{$got}++;
			push @missed, "$index: $what{$index}: $got"
			  unless $got eq ($checksums ? 'XX001' : 'XX002') || $got eq 'XX001';
		}
		$node->stop;
		last if @missed > 20;
	}
	is(join("\n", @missed), '', "$name: each of $done flips is noticed (seed $seed)");
	figure("$name: $done flips, SQLSTATEs: " . join(', ', map { "$_ $noticed{$_}" } sort keys %noticed));

	# Put back, all is as before.
	spew($path{$_}, $contents{$_}) foreach @indexes;
	$node->start;
	$sound = check_all($node, @indexes);
	is(join(' ', grep { !exists $sound->{$_} || $sound->{$_} } @indexes),
		'', "$name: nothing is wrong with the originals");
	$node->stop;
	return;
}

flips_are_noticed('without_checksums', 0, $flips);
flips_are_noticed('with_checksums', 1, $flips / 4);
done_testing();
