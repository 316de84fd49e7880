# Vectors in chunks against arrays: random pushes, puts, insertions, removals,
# splices, moves and whole replacements of elements that are tiny, of the size of a
# chunk, or far too large for one, and nulls, in sessions and in batches, within
# EXCEPTION blocks that are kept or rolled back. The answers while it runs are
# those of the arrays, and in the end the chunks have the form that they should.
#
# RAMA_SEED repeats a run.
use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $seed = $ENV{RAMA_SEED} || int(rand(2**31));
my $cases = $ARGV[0] // (soak() ? 150 : 4);
my $events_of_case = 60;
my $json = JSON::PP->new->canonical->allow_nonref;
my %fields = (v => 'text', w => 'int', j => 'object', c => 'struct');

note("RAMA_SEED=$seed");
my $node = rama_node('vector_model', conf => "fsync = off\n");
my ($smallest) = split /\|/, $node->safe_psql('postgres',
	q{SELECT min_val, boot_val FROM pg_settings WHERE name = 'pg_rama.batch_memory'});

my $setup = <<'SQL';
CREATE SCHEMA MODULE;
SET search_path = MODULE;
SET client_min_messages = warning;
SELECT rama.create_depot('events', 'id int NOT NULL, program jsonb NOT NULL');
SELECT rama.create_pstate('p', 'map(k: text, struct(v: vector(x: text) subindex, w: vector(y: int) subindex,
	j: vector(z: map(text, int)) subindex, c: vector(s: struct(name: text, t: vector(x: text) subindex)) subindex))');
CREATE TABLE log (id int, results text[]);
CREATE TABLE digests (id int, digest text);

CREATE FUNCTION apply(op jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	CASE op->>0
		WHEN 'push' THEN RETURN rama.push('p', op->>1, op->>2, op->3);
		WHEN 'inner' THEN RETURN rama.push('p', op->>1, 'c', (op->>2)::bigint, 't', op->3);
		WHEN 'put' THEN PERFORM rama.put('p', op->>1, op->>2, (op->>3)::bigint, op->4);
		WHEN 'whole' THEN PERFORM rama.put('p', op->>1, op->>2, op->3);
		WHEN 'remove' THEN RETURN rama.remove('p', op->>1, op->>2, (op->>3)::bigint);
		WHEN 'clear' THEN RETURN rama.remove('p', op->>1, op->>2);
		WHEN 'gone' THEN RETURN rama.remove('p', op->>1);
		WHEN 'path' THEN PERFORM rama.transform('p', op->1);
		WHEN 'get' THEN RETURN md5(rama.get('p', op->>1, op->>2, (op->>3)::bigint)::text);
		WHEN 'count' THEN RETURN rama.count('p', op->>1, op->>2);
		WHEN 'select' THEN RETURN (SELECT md5(string_agg(coalesce(s::text, 'null'), ' ')) FROM rama.select('p', op->1) s);
		WHEN 'digest' THEN RETURN md5(rama.get('p', op->>1, op->>2)::text);
		WHEN 'sub' THEN
			DECLARE result text := '';
				o jsonb;
			BEGIN
				FOR o IN SELECT jsonb_array_elements(op->2) LOOP
					result := result || coalesce(apply(o), '~') || ',';
				END LOOP;
				IF (op->>1)::boolean THEN RAISE EXCEPTION 'undone' USING ERRCODE = 'RA001'; END IF;
				RETURN result;
			EXCEPTION WHEN SQLSTATE 'RA001' THEN RETURN 'undone';
			END;
	END CASE;
	RETURN NULL;
END $$;

CREATE FUNCTION run(id int, program jsonb) RETURNS void LANGUAGE sql AS $$
	INSERT INTO log SELECT id, array_agg(coalesce(apply(op), '~') ORDER BY i)
	FROM jsonb_array_elements(program) WITH ORDINALITY AS o (op, i)
$$;
CREATE FUNCTION digest() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(k || ' ' || coalesce(md5(rama.get('p', k)::text), 'gone'), ' ') FROM unnest('{a,b,c}'::text[]) k
$$;
CREATE FUNCTION on_event(e events) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM run(e.id, e.program); END $$;

-- What is wrong with chunks, by table
CREATE FUNCTION wrong(chunks regclass, keys text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format($q$
		SELECT '%1$s' || ': ' || c::text FROM (SELECT *, sum(count) OVER w - count AS start FROM %1$s WINDOW w AS (PARTITION BY %2$s ORDER BY chunk)) c
		WHERE count <> cardinality(elements) OR (count = 0 AND chunk < 9223372036854775807) OR (chunk < 9223372036854775807 AND first IS NOT NULL)
			OR first <> start OR array_lower(elements, 1) <> 1
			OR (chunk < 9223372036854775807 AND count > 1 AND pg_column_size(elements) > 2000)
		UNION ALL SELECT '%1$s' || ' number ' || c::text FROM (SELECT *, sum(count) OVER w - count AS start, first_value(first) OVER (PARTITION BY %2$s ORDER BY chunk DESC) AS regular
			FROM %1$s WINDOW w AS (PARTITION BY %2$s ORDER BY chunk)) c
		WHERE regular IS NOT NULL AND chunk < 9223372036854775807 AND chunk <> start::bigint << 20
		UNION ALL SELECT '%1$s' || ' tail ' || min(c::text) FROM %1$s c GROUP BY %2$s HAVING max(chunk) <> 9223372036854775807 OR sum(count) = 0
	$q$, chunks, keys);
END $$;
CREATE VIEW problems AS
	SELECT wrong('p_v_chunk', 'k') UNION ALL SELECT wrong('p_w_chunk', 'k') UNION ALL SELECT wrong('p_j_chunk', 'k') UNION ALL SELECT wrong('p_t_chunk', 'k, index')
	UNION ALL SELECT 'count of ' || k FROM p WHERE coalesce(v_count, 0) <> (SELECT count(*) FROM p_v c WHERE c.k = p.k)
		OR coalesce(w_count, 0) <> (SELECT count(*) FROM p_w c WHERE c.k = p.k) OR coalesce(j_count, 0) <> (SELECT count(*) FROM p_j c WHERE c.k = p.k)
	UNION ALL SELECT 'count in ' || k || ' ' || index FROM p_c o WHERE coalesce(t_count, 0) <> (SELECT count(*) FROM p_t c WHERE (c.k, c.index) = (o.k, o.index))
	UNION ALL SELECT 'orphan' FROM p_t LEFT JOIN p_c USING (k, index) WHERE p_c.k IS NULL
	UNION ALL SELECT 'order of ' || k FROM p_v GROUP BY k HAVING min(index) <> 0 OR max(index) <> count(*) - 1;
SQL

# jsonb's text
sub text_of
{
	my ($value) = @_;

	return 'null' unless defined $value;
	return '[' . join(', ', map { text_of($_) } @$value) . ']' if ref $value eq 'ARRAY';
	return '{' . join(', ', map { "\"$_\": " . text_of($value->{$_}) }
		  sort { length $a <=> length $b || $a cmp $b } grep { defined $value->{$_} } keys %$value) . '}' if ref $value eq 'HASH';
	return $json->encode($value);
}

sub md5_of
{
	my ($text) = @_;

	require Digest::MD5;
	return Digest::MD5::md5_hex($text);
}

sub digest
{
	my ($model) = @_;

	return join ' ', map { "$_ " . (exists $model->{$_} && %{ $model->{$_} } ? md5_of(text_of($model->{$_})) : 'gone') } qw(a b c);
}

sub random_text
{
	my $size = rand;
	my $length = $size < 0.6 ? int rand 8 : $size < 0.9 ? 20 + int rand 400 : $size < 0.98 ? 500 + int rand 2000 : 5000 + int rand 20000;

	# Half of the long ones cannot be compressed much.
	return join '', map { chr(97 + int rand 26) } 1 .. $length if $length < 500 || rand() < 0.5;
	return chr(97 + int rand 26) x $length;
}

sub random_element
{
	my ($field) = @_;

	return undef if $field ne 'c' && rand() < 0.08;
	return random_text() if $field eq 'v';
	return int(rand 100000) if $field eq 'w';
	return { map { chr(97 + int rand 5) => int rand 100 } 1 .. int rand 4 } if $field eq 'j';
	return { name => random_text(), rand() < 0.7 ? (t => [ map { random_element('v') } 1 .. int rand 6 ]) : () };
}

sub random_elements
{
	my ($field) = @_;

	return [ map { random_element($field) } 1 .. (rand() < 0.7 ? 1 + int rand 5 : int rand 60) ];
}

sub copy
{
	return $json->decode($json->encode($_[0]));
}

# What a read answers: md5 of the value's text, or nothing.
sub answer
{
	my ($value) = @_;

	return defined $value ? md5_of(text_of($value)) : '~';
}

# A random operation, done to the model; returns it and its result.
sub random_op
{
	my ($model, $depth) = @_;
	my $key = (qw(a b c))[ int rand 3 ];
	my $field = (qw(v v v w w j c))[ int rand 7 ];
	my $vector = $model->{$key}{$field};
	my $n = $vector ? @$vector : 0;
	my $i = $n ? int rand $n : 0;
	my $to = $n ? $i + int(rand() ** 3 * ($n - $i + 1)) : 0;
	my $what = rand;

	# A look must not leave a key behind.
	delete $model->{$key} if !%{ $model->{$key} // {} };
	if ($depth > 0 && $what < 0.12)
	{
		my $undo = rand() < 0.5 ? JSON::PP::true : JSON::PP::false;
		my $before = copy($model);
		my (@ops, $results);

		foreach (1 .. 1 + int rand 5)
		{
			my ($op, $result) = random_op($model, $depth - 1);

			push @ops, copy($op);
			$results .= "$result,";
		}
		return ([ 'sub', $undo, \@ops ], $results) unless $undo;
		%$model = %$before;
		return ([ 'sub', $undo, \@ops ], 'undone');
	}
	if (!defined $vector || $what < 0.3)
	{
		my $element = random_element($field);

		push @{ $model->{$key}{$field} }, $element;
		return ([ 'push', $key, $field, $element ], $n);
	}
	if ($what < 0.4)
	{
		my $at = rand() < 0.9 ? $i : $n;
		my $element = random_element($field);

		$vector->[$at] = $element;
		return ([ 'put', $key, $field, $at, $element ], '~');
	}
	return ([ 'get', $key, $field, $i ], answer($n ? $vector->[$i] : undef)) if $what < 0.44;
	return ([ 'count', $key, $field ], $n) if $what < 0.47;
	return ([ 'digest', $key, $field ], answer($vector)) if $what < 0.5;
	return ([ 'select', [ $key, $field, [ 'srange', $i, $to ], ['all'] ] ],
		$to > $i ? md5_of(join ' ', map { text_of($_) } @$vector[ $i .. $to - 1 ]) : '~') if $what < 0.53;
	if ($what < 0.6)
	{
		return ([ 'remove', $key, $field, $i ], 'false') if $n == 0;
		splice @$vector, $i, 1;
		return ([ 'remove', $key, $field, $i ], 'true');
	}
	if ($what < 0.68)
	{
		my $elements = random_elements($field);

		splice @$vector, $i, $to - $i, @$elements;
		return ([ 'path', [ $key, $field, [ 'srange', $i, $to ], [ 'term-val', $elements ] ] ], '~');
	}
	if ($what < 0.73)
	{
		splice @$vector, $i, $to - $i;
		return ([ 'path', [ $key, $field, [ 'srange', $i, $to ], ['NONE>'] ] ], '~');
	}
	if ($what < 0.78)
	{
		my $element = random_element($field);

		splice @$vector, $i, 0, $element;
		return ([ 'path', [ $key, $field, [ 'before-index', $i ], [ 'term-val', $element ] ] ], '~');
	}
	if ($what < 0.82)
	{
		my $elements = random_elements($field);
		my $end = rand() < 0.5;

		if ($end) { push @$vector, @$elements }
		else { unshift @$vector, @$elements }
		return ([ 'path', [ $key, $field, [ $end ? 'end' : 'beginning' ], [ 'term-val', $elements ] ] ], '~');
	}
	if ($what < 0.86 && $n > 0)
	{
		my $at = int rand $n;
		my ($element) = splice @$vector, $i, 1;

		splice @$vector, $at, 0, $element;
		return ([ 'path', [ $key, $field, [ 'index-nav', $i ], [ 'term-val', $at ] ] ], '~');
	}
	if ($what < 0.92 && $field eq 'w')
	{
		my $least = int rand 100000;
		my $gone = rand() < 0.5;

		@$vector = grep { !defined $_ || $_ < $least } @$vector if $gone;
		@$vector = map { defined $_ && $_ >= $least ? $_ + 1 : $_ } @$vector unless $gone;
		return ([ 'path', [ $key, $field, ['all'], [ 'pred', 'some?' ], [ 'pred>=', $least ], $gone ? ['NONE>'] : [ 'term', 'inc' ] ] ], '~');
	}
	if ($field eq 'c' && $n > 0 && $what < 0.95)
	{
		my $element = random_element('v');
		my $length = @{ $vector->[$i]{t} // [] };

		push @{ $vector->[$i]{t} }, $element;
		return ([ 'inner', $key, $i, $element ], $length);
	}
	if ($what < 0.96)
	{
		my $elements = [ map { @{ random_elements($field) } } 1 .. 3 ];

		$model->{$key}{$field} = $elements;
		return ([ 'whole', $key, $field, $elements ], '~');
	}
	if ($what < 0.98)
	{
		delete $model->{$key}{$field};
		return ([ 'clear', $key, $field ], 'true');
	}
	delete $model->{$key};
	return ([ 'gone', $key ], 'true');
}

my $module;

sub rows_of
{
	my ($query) = @_;

	return split /\n/, $node->safe_psql('postgres', "SET search_path = $module; $query");
}

sub differs
{
	my ($what, $got, $expected) = @_;

	foreach my $i (0 .. ($#$got > $#$expected ? $#$got : $#$expected))
	{
		my ($x, $y) = ($got->[$i] // '(nothing)', $expected->[$i] // '(nothing)');

		return "$what, $i:\n  got      " . substr($x, 0, 2000) . "\n  expected " . substr($y, 0, 2000) . "\n" if $x ne $y;
	}
	return '';
}

my $start = time;
foreach my $number (1 .. $cases)
{
	srand($seed + $number);
	my $how = (qw(session each each))[ int rand 3 ];
	$how = $ENV{RAMA_HOW} if $ENV{RAMA_HOW};
	my $memory = rand() < 0.6 ? 'smallest' : 'default';
	my $batch = 1 + int(rand() ** 2 * 60);
	my $model = {};
	my (@programs, @expected, @digests);

	foreach my $id (1 .. $events_of_case)
	{
		my (@program, @results);

		foreach (1 .. 1 + int rand 5)
		{
			my ($op, $result) = random_op($model, 2);

			push @program, copy($op);
			push @results, $result;
		}
		push @programs, $json->encode(\@program);
		push @expected, "$id: " . join ' ', @results;
		push @digests, digest($model);
	}

	$module = "case_$number";
	my $sql = $setup =~ s/MODULE/$module/gr;
	if ($how eq 'session')
	{
		$node->safe_psql('postgres', $sql);
		my $script = "SET search_path = $module;\n";
		foreach my $id (1 .. $events_of_case)
		{
			my $block = rand() < 0.3;

			$script .= 'BEGIN ' . (rand() < 0.3 ? 'ISOLATION LEVEL REPEATABLE READ' : '') . ";\n" if $block;
			$script .= "SELECT run($id, \$rama\$$programs[$id - 1]\$rama\$);\n";
			$script .= "INSERT INTO digests VALUES ($id, digest());\n";
			$script .= "COMMIT;\n" if $block;
		}
		my $file = $node->basedir . '/script.sql';
		open my $out, '>', $file or die $!;
		print $out $script;
		close $out;
		my ($rc, $stdout, $err) = $node->psql('postgres', undef, extra_params => [ '-v', 'ON_ERROR_STOP=1', '-f', $file ]);
		diag($err) if $rc != 0;
	}
	else
	{
		$node->safe_psql('postgres', $memory eq 'smallest' ? "ALTER SYSTEM SET pg_rama.batch_memory = $smallest" : 'ALTER SYSTEM RESET pg_rama.batch_memory');
		$node->reload;
		$node->safe_psql('postgres', "$sql
			SELECT rama.create_topology('runs', 'microbatch', 'events', each => 'on_event', writes => '{p}',
				options => '{\"batch_max\": $batch, \"interval\": \"1 ms\", \"max_attempts\": 1, \"on_error\": \"halt\"}');
			SELECT rama.pause('runs');");
		$node->safe_psql('postgres', "SET search_path = $module; INSERT INTO events (id, program) VALUES "
			  . join(",\n", map { "($_, \$rama\$$programs[$_ - 1]\$rama\$)" } 1 .. $events_of_case));
		$node->safe_psql('postgres', "SELECT rama.resume('$module.runs')");
		my ($rc, $out, $err) = $node->psql('postgres', "SELECT rama.wait('$module.runs', timeout => '60s')");
		diag($err) if $rc != 0;
	}
	my $wrong = $how eq 'session' ? differs('digests', [ rows_of('SELECT digest FROM digests ORDER BY id') ], \@digests) : '';
	my @got = rows_of(q{SELECT id || ': ' || array_to_string(results, ' ') FROM log ORDER BY id});
	$wrong ||= differs('answers', \@got, \@expected);
	$wrong .= 'program ' . substr($programs[@got], 0, 3000) if $wrong ne '' && @got < @expected;
	$wrong ||= differs('values', [ rows_of('SELECT digest()') ], [ digest($model) ]);
	$wrong ||= join "\n", map { substr $_, 0, 500 } rows_of('SELECT * FROM problems');
	is($wrong, '', "case $number: $how, batches of $batch, $memory buffer");
	diag("RAMA_SEED=$seed") if $wrong ne '';
	$node->safe_psql('postgres', "SET client_min_messages = warning; DROP SCHEMA $module CASCADE") if $wrong eq '';
	last if $wrong ne '';
}
figure(sprintf('%d random programs on vectors in %.0f s, seed %d', $cases, time - $start, $seed));

$node->stop;
done_testing();
