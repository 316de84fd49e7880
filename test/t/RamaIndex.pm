# What the tests of pstate indexes share: a table whose indexes have few
# entries on a page, so that trees are high, load on it, and what is wrong.
package RamaIndex;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(create_indexed add_rows index_problems index_answers
  table_answers start_index_load stop_index_load);

# What is asked of each index
my %questions = (
	text => 'SELECT md5(string_agg(id || text, \',\')) FROM (SELECT id, text FROM %s ORDER BY text) x',
	id => 'SELECT md5(string_agg(id::text, \',\')) FROM (SELECT id FROM %s ORDER BY id) x',
	key => 'SELECT md5(string_agg(key || \':\' || value, \',\')) FROM (SELECT key, value FROM %s ORDER BY key DESC, value) x');

my $by_index = 'SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off';

# Entries of t_text are long, and so are separators within a group; t_id is
# unique; t_key has equal keys.
sub create_indexed
{
	my ($node, $name) = @_;

	$node->safe_psql('postgres', qq{
CREATE SEQUENCE ${name}_number;
CREATE TABLE $name (id int NOT NULL, key int, value int, text text COLLATE "C");
CREATE INDEX ${name}_text ON $name USING pstate (text rama.text_c_ops);
CREATE UNIQUE INDEX ${name}_id ON $name USING pstate (id);
CREATE INDEX ${name}_key ON $name USING pstate (key DESC, value) INCLUDE (id);
ALTER TABLE $name SET (autovacuum_enabled = off)});
	add_rows($node, $name, 3000);
	$node->safe_psql('postgres', "VACUUM ANALYZE $name");
	foreach my $which (keys %questions)
	{
		my $plan = $node->safe_psql('postgres',
			"$by_index; EXPLAIN (COSTS off) " . sprintf($questions{$which}, $name));

		die "the index ${name}_$which is not used: $plan" unless $plan =~ /${name}_$which/;
	}
	return;
}

# The SQL that adds rows all over the indexes.
sub rows_sql
{
	my ($name, $n) = @_;

	return qq{INSERT INTO $name
SELECT id, id % 100, (id / 100) % 70, (id % 60) || repeat('x', 300) || md5(id::text)
FROM (SELECT (nextval('${name}_number') * 7919 % 1048576)::int AS id FROM generate_series(1, $n)) x};
}

sub add_rows
{
	my ($node, $name, $n) = @_;

	$node->safe_psql('postgres', rows_sql($name, $n));
	return;
}

# What rama.check_index has to say about the indexes, or ''.
sub index_problems
{
	my ($node, $name) = @_;
	my $problems = '';

	foreach my $index (map { "${name}_$_" } qw(text id key))
	{
		my ($rc, $out, $err) = $node->psql('postgres', "SELECT rama.check_index('$index')");

		$problems .= "$index: $err" if $rc != 0;
	}
	return $problems;
}

sub answers
{
	my ($node, $name, $settings) = @_;

	return $node->safe_psql('postgres', join ';', $settings,
		map { sprintf $questions{$_}, $name } sort keys %questions);
}

# What the indexes, or the table, have, as text.
sub index_answers
{
	my ($node, $name) = @_;

	return answers($node, $name, $by_index);
}

sub table_answers
{
	my ($node, $name) = @_;

	return answers($node, $name, 'SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off');
}

# Insertions, updates, deletions and vacuum by a few sessions, until
# stop_index_load(); the server may go away.
sub start_index_load
{
	my ($node, $name) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir();
	my %scripts = (
		insert => rows_sql($name, 20) . ';',
		update => "\\set id random(1, 1048576)\nUPDATE $name SET key = key + 1 WHERE id = (SELECT id FROM $name WHERE id >= :id ORDER BY id LIMIT 1);",
		delete => "\\set group random(0, 59)\nDELETE FROM $name WHERE id IN (SELECT id FROM $name WHERE id % 60 = :group ORDER BY id);\nVACUUM (INDEX_CLEANUP on) $name;");
	my @runs;

	foreach my $script (keys %scripts)
	{
		open my $file, '>', "$dir/$script.sql" or die "$dir/$script.sql: $!";
		print $file "$scripts{$script}\n";
		close $file;
	}
	foreach my $options ("-c 3 -f $dir/insert.sql -f $dir/update.sql\@10", "-c 1 -f $dir/delete.sql")
	{
		my ($out, $err) = ('', '');

		push @runs, { err => \$err, run => IPC::Run::start(
			[ 'pgbench', '-n', '-T', '600', split(/ /, $options), $node->connstr('postgres') ],
			'>', \$out, '2>', \$err) };
	}
	return \@runs;
}

# The errors of the load, but for lost connections.
sub stop_index_load
{
	my ($runs) = @_;
	my @errors;

	foreach my $run (@$runs)
	{
		$run->{run}->signal('TERM');
		$run->{run}->finish;
		push @errors, grep { /ERROR:/ } split /\n/, ${ $run->{err} };
	}
	return join "\n", @errors;
}

1;
