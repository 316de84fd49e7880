# Queries over random tables have the same answers by sequential scan, by btree
# and by the access method pstate: plain, index-only and bitmap scans, forward
# and backward, merge joins, scrolling cursors, between updates, deletes and
# VACUUM, and while other sessions do the same to rows that are not asked for.
# In the end rama.check_index has nothing to say.
#
# RAMA_SEED repeats a run; a failing query is printed with its schema.
use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $seed = $ENV{RAMA_SEED} || int(time) % 1_000_000;
my $schemas = $ARGV[0] // (soak() ? 200 : 14);
my $rounds = 9;
my $storms = 3;					# of the rounds, the last, have other sessions
my $queries_of_round = 22;
my $others = 1_000_000;			# ids of rows of other sessions are greater

srand($seed);
note("RAMA_SEED=$seed");

sub any
{
	return $_[ int(rand(@_)) ];
}

sub chance
{
	my ($p) = @_;

	return rand() < $p;
}

sub between
{
	my ($low, $high) = @_;

	return $low + int(rand($high - $low + 1));
}

sub quote
{
	my ($value) = @_;

	$value =~ s/'/''/g;
	return "'$value'";
}

# ---- Types ----

# A few values near each other, some far off, some at the type's ends
sub integers
{
	my ($min, $max) = @_;
	my $kind = rand();

	return any($min, $max, $min + 1, $max - 1, 0, -1, 1) if $kind < 0.05;
	return between(-5, 20) if $kind < 0.4;
	return any(87, 88, 89, 8279, 8280, 8281, 65535, 65536, -88, -89, -8281) % ($max + 1) if $kind < 0.5;
	return int(($min / 2) * rand() * any(1, -1)) if $kind < 0.7;
	return between(-300, 300);
}

sub words
{
	my $prefix = any('', '', '', 'common ', 'x' x between(1, 200), 'é');

	return $prefix . join('', map { any('a', 'b', 'c', 'A', ' ', 'ä', '~', "\x7f", '0') } 1 .. between(0, 6));
}

sub numerics
{
	my $kind = rand();

	return any('NaN', 'Infinity', '-Infinity', '0', '0.00', '-0.0', '1', '1.0', '1.00', '-1.000') if $kind < 0.2;
	return any('1e100', '1.5e-60', '-9.99e80', '10000', '9999', '9999.9999', '10000.0001') if $kind < 0.3;
	return sprintf('%.*f', between(0, 4), (rand() - 0.5) * 10**between(0, 9));
}

sub floats
{
	my ($max) = @_;
	my $kind = rand();

	return any('NaN', 'Infinity', '-Infinity', '0', '-0', '1', '-1', $max, "-$max", "1e-30") if $kind < 0.3;
	return between(-10, 10) / 4;
}

sub days
{
	return any('infinity', '-infinity', '4713-01-01 BC', '2000-01-01') if chance(0.1);
	return sprintf('20%02d-%02d-%02d', between(0, 2) * 5, between(1, 2), between(1, 28));
}

sub times
{
	return any('00:00', '24:00', sprintf('%02d:%02d:%02d.%06d', between(0, 23), between(0, 59), 0, any(0, 0, 1, 999999)));
}

sub moments
{
	my $day = days();

	return $day =~ /inf/ || chance(0.3) ? $day : $day =~ s/( BC)?$/' ' . any('00:00:00', '12:00:00', '23:59:59.999999') . ($1 \/\/ '')/er;
}

sub intervals
{
	return any('1 month', '30 days', '720 hours', '0', '-1 day', '-24 hours', '1 day',
		between(-3, 3) . ' months ' . between(-40, 40) . ' days ' . between(-30, 30) . ' hours');
}

sub addresses
{
	return any('::1', '::', 'fe80::/10', '10.0.0.0/8', '10.0.0.0/16', '10.0.0.0', '0.0.0.0/0', '255.255.255.255',
		join('.', 10, between(0, 1), between(0, 2), between(0, 255)) . any('', '', '/24', '/16'));
}

my @less = ('<', '<=', '=', '>=', '>');
my @bytewise = ('~<~', '~<=~', '=', '~>=~', '~>~');

# values: text of a random one; arguments: types that it can be compared with;
# plain: an expression that is the same for equal values.
my %types = (
	boolean => { values => sub { any('t', 'f') } },
	smallint => { values => sub { integers(-32768, 32767) }, arguments => [ 'integer', 'bigint' ] },
	integer => { values => sub { integers(-2147483648, 2147483647) }, arguments => [ 'smallint', 'bigint' ] },
	bigint => { values => sub { integers(-9223372036854775808, 9223372036854775807) },
		arguments => [ 'smallint', 'integer' ] },
	oid => { values => sub { any(0, 1, 4294967295, between(0, 100), between(0, 4000000000)) } },
	real => { values => sub { floats('3.4e38') }, arguments => ['double precision'], plain => '(X + 0)' },
	'double precision' => { values => sub { floats('1.7e308') }, arguments => ['real'], plain => '(X + 0)' },
	numeric => { values => \&numerics, plain => 'trim_scale(X)' },
	text => { values => \&words, operators => \@bytewise, btree => 'text_pattern_ops' },
	'varchar(300)' => { values => \&words, operators => \@bytewise, btree => 'varchar_pattern_ops' },
	'text COLLATE "C"' => { values => \&words, pstate => 'rama.text_c_ops', btree => 'text_ops' },
	bytea => { values => sub { '\\x' . join('', map { any('00', 'ff', '01', 'fe', '61') } 1 .. between(0, 5)) } },
	uuid => { values => sub { sprintf('%08x-0000-0000-0000-%012x', any(0, 4294967295, between(0, 20)), between(0, 3)) } },
	date => { values => \&days, arguments => ['timestamp'] },
	timestamp => { values => \&moments, arguments => ['date'] },
	timestamptz => { values => \&moments, arguments => [ 'date', 'timestamp' ] },
	time => { values => \&times },
	interval => { values => \&intervals, plain => '(extract(epoch from justify_interval(X)), justify_interval(X))' },
	'oracle.mood' => { values => sub { any('worst', 'bad', 'so-so', 'meh', 'good') } },
	inet => { values => \&addresses },);

# ---- A random table: columns, indexes ----

# An expression that can be in an index: sql, type, and the values it has.
sub column
{
	my ($name, $type) = @_;
	my %pool = map { $types{$type}{values}->() => 1 } 1 .. between(1, any(3, 30, 150));

	return { sql => $name, type => $type, pool => [ sort keys %pool ], nulls => chance(0.6) ? between(1, 10) : 0 };
}

sub expression
{
	my ($columns) = @_;
	my $column = any(@$columns);

	return any(
		{ sql => '(id % 17)', type => 'integer', pool => [ 0 .. 20 ], nulls => 0 },
		{ sql => "($column->{sql} IS NULL)", type => 'boolean', pool => [ 't', 'f' ], nulls => 0 },
		{ sql => "('w' || id % 30)", type => 'text', pool => [ map { "w$_" } 0 .. 31 ], nulls => 0 });
}

sub random_index
{
	my ($columns) = @_;
	my @left = sort { rand() <=> 0.5 } @$columns;
	my %index = (elements => [], include => '', where => '', unique => 0);

	for (1 .. any(1, 1, 2, 2, 3, 4))
	{
		my $element = chance(0.1) ? expression($columns) : shift @left;

		last unless $element;
		next if grep { $_->{sql} eq $element->{sql} } @{ $index{elements} };
		push @{ $index{elements} }, { %$element, desc => chance(0.3), first => undef };
	}
	for my $element (@{ $index{elements} })
	{
		$element->{first} = chance(0.7) ? $element->{desc} : chance(0.5);
	}
	if (chance(0.3))
	{
		$index{unique} = 1;
		push @{ $index{elements} },
		  { sql => 'id', type => 'integer', pool => [ 1 .. 200 ], nulls => 0, desc => chance(0.3), first => chance(0.5) };
	}
	push @left, { sql => 'id' } unless $index{unique};
	$index{include} = ' INCLUDE (' . join(', ', map { $_->{sql} } splice(@left, -between(1, 2))) . ')'
	  if @left > 1 && chance(0.3);
	$index{where} = any('id % 3 = 0', 'id < 500', "$columns->[0]{sql} IS NOT NULL") if chance(0.15);
	return \%index;
}

sub index_sql
{
	my ($index, $table, $method, $fillfactor) = @_;
	my @elements;

	for my $e (@{ $index->{elements} })
	{
		push @elements, join(' ', $e->{sql}, $types{ $e->{type} }{$method} // '',
			$e->{desc} ? 'DESC' : 'ASC', 'NULLS', $e->{first} ? 'FIRST' : 'LAST');
	}
	return 'CREATE ' . ($index->{unique} ? 'UNIQUE ' : '') . "INDEX ON $table USING $method ("
	  . join(', ', @elements) . ")$index->{include} WITH (fillfactor = $fillfactor)"
	  . ($index->{where} ? " WHERE $index->{where}" : '') . ';';
}

# For each column a value of its pool, or NULL, by the row's id.
sub random_values
{
	my ($columns, $salt) = @_;

	return map {
		my $n = @{ $columns->[$_]{pool} };

		sprintf('(SELECT v[1 + oracle.hash(id, %d) %% %d] FROM pool%d)', $salt + $_, $n + $columns->[$_]{nulls}, $_)
	} 0 .. $#$columns;
}

sub create_tables
{
	my ($schema) = @_;
	my $columns = $schema->{columns};
	my $names = join(', ', map { "$_->{sql} $_->{type}" } @$columns);
	my @sql = ("CREATE SCHEMA $schema->{name}; SET search_path = $schema->{name};");

	for my $i (0 .. $#$columns)
	{
		my $type = $columns->[$i]{type} =~ s/ COLLATE.*//r;
		my $values = join(', ', map { quote($_) } @{ $columns->[$i]{pool} });

		push @sql, "CREATE TABLE pool$i AS SELECT ARRAY[$values]::${type}[] AS v;";
	}
	for my $table ('p', 'b')
	{
		push @sql, "CREATE TABLE $table (id int, $names) WITH (autovacuum_enabled = off);";
		push @sql, map { index_sql($_, $table, $table eq 'p' ? 'pstate' : 'btree', $schema->{fillfactor}) }
		  @{ $schema->{indexes} } if $schema->{indexes_first};
	}
	push @sql, insert_sql($schema, 1, $schema->{rows});
	for my $table ('p', 'b')
	{
		push @sql, map { index_sql($_, $table, $table eq 'p' ? 'pstate' : 'btree', $schema->{fillfactor}) }
		  @{ $schema->{indexes} } unless $schema->{indexes_first};
		push @sql, "ANALYZE $table;";
	}
	return @sql;
}

sub insert_sql
{
	my ($schema, $from, $to) = @_;
	my $values = join(', ', 'id', random_values($schema->{columns}, int(rand(1000))));

	return map { "INSERT INTO $_ SELECT $values FROM generate_series($from, $to) id;" } 'p', 'b';
}

# The same change of both tables
sub random_change
{
	my ($schema) = @_;
	my $salt = int(rand(1000));
	my $some = sprintf('oracle.hash(id, %d) %% %d = 0', $salt + 500, any(2, 3, 10, 10, 50));
	my @columns = @{ $schema->{columns} };
	my @values = random_values(\@columns, $salt);
	my $kind = rand();

	return map { "VACUUM $_;" } 'p', 'b' if $kind < 0.3;
	return map { "DELETE FROM $_ WHERE $some;" } 'p', 'b' if $kind < 0.45;
	if ($kind < 0.65)
	{
		my $from = $schema->{rows} + 1;

		$schema->{rows} += between(1, 150);
		return insert_sql($schema, $from, $schema->{rows});
	}
	my @changed = grep { chance(0.6) } 0 .. $#columns;

	@changed = (0) unless @changed;
	my $set = join(', ', map { "$columns[$_]{sql} = $values[$_]" } @changed);

	return map { "UPDATE $_ SET $set WHERE $some;" } 'p', 'b';
}

# ---- Random queries ----

sub argument
{
	my ($element, $type) = @_;
	my $value = chance(0.8) ? any(@{ $element->{pool} }) : $types{ $element->{type} }{values}->();

	return $value unless $type =~ /^(smallint|integer)$/ && $type ne $element->{type};
	return $value % 30000;
}

sub argument_type
{
	my ($element) = @_;
	my $type = $element->{type} =~ s/ COLLATE.*//r;

	$type = 'text' if $type =~ /^varchar/;
	return chance(0.25) && $types{ $element->{type} }{arguments} ? any(@{ $types{ $element->{type} }{arguments} }) : $type;
}

sub literal
{
	my ($element, $type) = @_;

	return quote(argument($element, $type)) . "::$type";
}

sub array_of
{
	my ($element, $type) = @_;
	my @items = map { chance(0.05) ? 'NULL' : literal($element, $type) } 1 .. any(0, 1, 2, 3, 3, 5, 20);

	return 'ARRAY[' . join(', ', @items) . "]::${type}[]";
}

sub condition
{
	my ($element) = @_;
	my $x = $element->{sql};
	my ($less, $less_equal, $equal, $greater_equal, $greater) = @{ $types{ $element->{type} }{operators} // \@less };
	my $type = argument_type($element);
	my $kind = rand();

	return "$x = " . literal($element, $type) if $kind < 0.35;
	return "$x " . any($less, $less_equal, $greater, $greater_equal) . ' ' . literal($element, $type) if $kind < 0.5;
	return "$x " . any($greater, $greater_equal) . ' ' . literal($element, $type) .
	  " AND $x " . any($less, $less_equal) . ' ' . literal($element, argument_type($element)) if $kind < 0.62;
	return "$x = ANY (" . array_of($element, $type) . ')' if $kind < 0.76;
	return "$x " . any($less, $greater_equal) . ' ANY (' . array_of($element, $type) . ')' if $kind < 0.79;
	return "$x IN (" . join(', ', map { literal($element, $type) } 1 .. between(2, 6)) . ')' if $kind < 0.85;
	return "$x IS NULL" if $kind < 0.91;
	return "$x IS NOT NULL" if $kind < 0.96;
	return "$x = NULL::$type" if $kind < 0.965;
	return "$x = ANY (" . array_of($element, $type) . ") AND $x " . any($less, $greater_equal, $equal) . ' ' . literal($element, $type);
}

sub conditions
{
	my ($schema, $index) = @_;
	my @conditions;
	my $p = any(0.2, 0.5, 0.5, 0.9);

	for my $element (@{ $index->{elements} })
	{
		push @conditions, condition($element) if chance($p);
		push @conditions, condition($element) if chance(0.05);
	}
	push @conditions, condition(any(@{ $schema->{columns} })) if chance(0.1);
	push @conditions, $index->{where} if $index->{where} && chance(0.9);
	push @conditions, "id < $others" if $schema->{storm};
	return @conditions ? ' WHERE ' . join(' AND ', @conditions) : '';
}

# The order of the index, or the opposite, by its first columns
sub ordering
{
	my ($index) = @_;
	my $back = chance(0.5);
	my (@order, @output);

	for my $e (@{ $index->{elements} }[ 0 .. between(0, $#{ $index->{elements} }) ])
	{
		my $type = $types{ $e->{type} };
		my $desc = $e->{desc} xor $back;
		my $operator = ($type->{operators} // \@less)->[ $desc ? 4 : 0 ];

		push @order, "$e->{sql} USING $operator NULLS " . (($e->{first} xor $back) ? 'FIRST' : 'LAST');
		push @output, ($type->{plain} // 'X') =~ s/X/$e->{sql}/gr;
	}
	return (join(', ', @order), join(', ', @output));
}

sub output
{
	my ($schema, $index) = @_;

	return 'id, ' . join(', ', map { $_->{sql} } @{ $schema->{columns} }) if chance(0.2);
	return 'count(*)' if chance(0.05);
	return join(', ', map { $_->{sql} } @{ $index->{elements} }) .
	  ($index->{include} =~ /\((.*)\)/ && chance(0.7) ? ", $1" : '');
}

sub random_check
{
	my ($schema) = @_;
	my $name = quote($schema->{name});
	my $index = any(@{ $schema->{indexes} });
	my $kind = rand();

	if ($kind < 0.5)
	{
		my $query = 'SELECT ' . output($schema, $index) . ' FROM TABLE' . conditions($schema, $index);

		return sprintf('SELECT oracle.check(%s, %s, false);', $name, quote($query));
	}
	my ($order, $output) = ordering($index);
	my $query = "SELECT $output FROM TABLE" . conditions($schema, $index) . " ORDER BY $order";

	if ($kind < 0.8)
	{
		$query .= ' LIMIT ' . any(1, 1, 5, 20, 100, 400) if chance(0.7);
		$query .= ' OFFSET ' . any(1, 10, 40) if chance(0.15);
		return sprintf('SELECT oracle.check(%s, %s, true);', $name, quote($query));
	}
	if ($kind < 0.9)
	{
		my $moves = join(', ', map { any(-50, -7, -3, -1, 1, 2, 5, 30, 100, 300) } 1 .. between(3, 10));
		my $copy = {%$schema};
		my $changes = join(', ', map { quote($_) } grep { /^(INSERT INTO|UPDATE|DELETE FROM) p/ } map { random_change($copy) }
			1 .. between(0, 3));

		return sprintf('SELECT oracle.check_scroll(%s, %s, ARRAY[%s], ARRAY[%s]::text[]);', $name, quote($query), $moves, $changes);
	}

	my $e = $index->{elements}[0];
	my $modulo = any(5, 20);
	my $join = $kind < 0.97 ? "a.$e->{sql} = b.$e->{sql}"
	  : "b.$e->{sql} = ANY (ARRAY[a.$e->{sql}, " . literal($e, $e->{type} =~ s/ COLLATE.*//r) . '])';

	# Columns only: expressions would need their own qualification.
	return () if $e->{sql} =~ /\W/;
	$query = "SELECT count(*), sum(a.id::bigint * 31 + b.id) FROM TABLE a JOIN TABLE b ON $join WHERE a.id % $modulo = 1 AND b.id % 7 = 2";
	$query .= " AND a.id < $others AND b.id < $others" if $schema->{storm};
	return sprintf('SELECT oracle.check(%s, %s, false);', $name, quote($query));
}

sub rounds_of
{
	my ($schema, $n) = @_;

	return map { ((map { random_check($schema) } 1 .. $queries_of_round), random_change($schema)) } 1 .. $n;
}

sub random_schema
{
	my ($number) = @_;
	my @names = sort keys %types;
	my %schema = (name => "s$number", rows => between(1, any(50, 300, 1000)), fillfactor => any(10, 30, 70, 90, 100),
		indexes_first => chance(0.5));
	my $i = 0;

	$schema{columns} = [ map { column('c' . ++$i, any(@names)) } 1 .. between(2, 5) ];
	$schema{indexes} = [ map { random_index($schema{columns}) } 1 .. between(1, 3) ];
	return \%schema;
}

# ---- Other sessions ----

# What goes wrong
sub statements
{
	my ($node, @sql) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', join("\n", @sql), on_error_stop => 0);

	return $err;
}

# Inserts, updates, deletes and vacuums rows that nobody asks for.
sub start_storm
{
	my ($node, $schema) = @_;
	my @columns = @{ $schema->{columns} };
	my ($insert) = insert_sql($schema, $others + 1, $others + 300);
	my @values = random_values(\@columns, int(rand(1000)));
	my $set = join(', ', map { "$columns[$_]{sql} = $values[$_]" } 0 .. $#columns);
	my @statements = ($insert,
		"UPDATE p SET $set WHERE id > $others AND id % 3 = 0",
		"DELETE FROM p WHERE id > $others AND id % 10 <> 0",
		"DELETE FROM p WHERE id > $others");
	my $churn = 'CALL oracle.churn(ARRAY[' . join(', ', map { quote(s/;$//r) } @statements) . ']);';
	my @sessions;

	$node->safe_psql('postgres', 'TRUNCATE oracle.stop');
	for my $sql ($churn, "VACUUM p \\watch 0.02\n")
	{
		my $in = "SET search_path = $schema->{name};\n$sql";
		my ($out, $err) = ('', '');

		push @sessions, { err => \$err, out => \$out,
			run => IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$out, '2>', \$err) };
	}
	return @sessions;
}

# What went wrong in them
sub stop_storm
{
	my ($node, @sessions) = @_;

	return '' unless @sessions;
	$node->safe_psql('postgres', q{INSERT INTO oracle.stop VALUES (now())});
	$sessions[0]{run}->finish;
	$sessions[1]{run}->kill_kill;
	return join('', map { ${ $_->{err} } } @sessions);
}

# ---- The test ----

my $node = rama_node('index_oracle', conf => "fsync = off\nautovacuum = off\nclient_min_messages = error\njit = off\n");
my $begin = time;
my (%created, $errors);

$node->safe_psql('postgres', slurp_file("$ENV{RAMA_SRC}/test/t/index_oracle.sql"));
for my $number (1 .. $schemas)
{
	my $schema = random_schema($number);
	my @create = create_tables($schema);
	my $err = statements($node, @create, rounds_of($schema, $rounds - $storms));
	my @sessions = start_storm($node, $schema);

	$schema->{storm} = 1;
	$err .= statements($node, "SET search_path = $schema->{name};", rounds_of($schema, $storms));
	$err .= stop_storm($node, @sessions);
	$err .= statements($node, "SET search_path = $schema->{name};",
		"SELECT rama.check_index(indexrelid) FROM pg_index WHERE indrelid = 'p'::regclass;");

	$created{ $schema->{name} } = join("\n", grep { !/^INSERT/ } @create);
	next if $err eq '';
	$errors .= "$schema->{name}: $err\n";
	diag("RAMA_SEED=$seed: $schema->{name}:\n$created{$schema->{name}}\n" . substr($err, 0, 3000)) if ($errors =~ tr/\n//) < 100;
}
is($errors, undef, 'no statement fails, and the indexes are sound');

my $failures = $node->safe_psql('postgres', q{SELECT count(*) FROM oracle.failures});
is($failures, 0, 'all queries have the same answers in all ways');
if ($failures > 0)
{
	diag("RAMA_SEED=$seed");
	diag($node->safe_psql('postgres',
		q{SELECT name, plan, count(*) FROM oracle.failures GROUP BY 1, 2 ORDER BY 1, 2}));
	my $first = $node->safe_psql('postgres', q{SELECT name FROM oracle.failures LIMIT 1});

	diag($created{$first});
	diag($node->safe_psql('postgres', qq{SELECT plan, query, left(expected, 300), left(got, 300)
		FROM oracle.failures WHERE name = '$first' ORDER BY length(query), plan LIMIT 3}));
}

my ($queries, $scans, $changes, $vacuums) = split /\|/, $node->safe_psql('postgres', q{
	SELECT (SELECT count(*) FROM oracle.counts),
		(SELECT sum(idx_scan) FROM pg_stat_user_indexes WHERE relname = 'p'),
		sum(n_tup_ins + n_tup_upd + n_tup_del), sum(vacuum_count)
	FROM pg_stat_user_tables WHERE relname = 'p'});
cmp_ok($scans, '>', $queries, 'the indexes were used');
figure(sprintf('%d queries, %d scans of indexes pstate, %d changed rows, %d times VACUUM, in %.1f s',
	$queries, $scans, $changes, $vacuums, time - $begin));
$node->stop;
done_testing();
