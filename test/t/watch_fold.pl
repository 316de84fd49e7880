# What rama.changes tells of random transactions turns the value that a reader
# has into the one that is there: for PStates of all shapes, with savepoints that
# are rolled back, statements that fail, and a ring that is too small for some.
#
# RAMA_SEED repeats a run.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use PStateProgram qw(%schemas random_write encode);
use Rama;

my $seed = $ENV{RAMA_SEED} || int(rand(2**31));
my $rounds = soak() ? 2000 : 50;
my @names = sort grep { !/^(?:late|other)$/ } keys %schemas;
my $node = rama_node('watch_fold', conf => "fsync = off\npg_rama.change_ring_mb = 1\n");

note("RAMA_SEED=$seed");
srand($seed);

# fold(): one operation upon a value; sets are arrays in no order, of which the
# path's names tell ("s", or the whole of "sets").
$node->safe_psql('postgres', q{
CREATE SCHEMA f;
CREATE FUNCTION f.is_set(pstate text, at jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS
	$$SELECT CASE WHEN jsonb_array_length(at) = 0 THEN pstate = 'sets' ELSE coalesce(at->>-1 = 's' AND pstate IN ('nest', 'js'), false) END$$;
CREATE FUNCTION f.child(v jsonb, k jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS
	$$SELECT CASE WHEN jsonb_typeof(v) = 'array' THEN v->(k#>>'{}')::int ELSE v->(k#>>'{}') END$$;
CREATE FUNCTION f.with_child(v jsonb, k jsonb, c jsonb) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF jsonb_typeof(v) = 'array' THEN
		RETURN jsonb_set(v, ARRAY[k#>>'{}'], c);
	END IF;
	RETURN coalesce(nullif(v, 'null'), '{}') || jsonb_build_object(k#>>'{}', c);
END $$;
CREATE FUNCTION f.fold(pstate text, v jsonb, at jsonb, op text, path jsonb, value jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	k jsonb := path->0;
	last boolean := jsonb_array_length(path) = 1;
BEGIN
	IF jsonb_array_length(path) = 0 THEN
		RETURN CASE op
			WHEN 'set' THEN coalesce(value, 'null')
			WHEN 'add' THEN to_jsonb(coalesce(nullif(v, 'null')::numeric, 0) + value::numeric)
			WHEN 'append' THEN coalesce(nullif(v, 'null'), '[]') || value
			WHEN 'insert' THEN coalesce(nullif(v, 'null'), '[]') || jsonb_build_array(value) END;
	END IF;
	IF last AND op = 'remove' AND f.is_set(pstate, at) THEN
		RETURN (SELECT coalesce(jsonb_agg(e), '[]') FROM jsonb_array_elements(v) e WHERE e <> k);
	ELSIF last AND op = 'remove' THEN
		RETURN CASE WHEN jsonb_typeof(v) = 'array' THEN v - k::int ELSE v - (k#>>'{}') END;
	ELSIF last AND op = 'insert' AND jsonb_typeof(v) = 'array' AND NOT f.is_set(pstate, at || k) THEN
		RETURN jsonb_insert(v, ARRAY[k#>>'{}'], value);
	END IF;
	RETURN f.with_child(v, k, f.fold(pstate, f.child(v, k), at || jsonb_build_array(k), op, path - 0, value));
END $$;
CREATE FUNCTION f.sorted(pstate text, v jsonb, at jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE
		WHEN jsonb_typeof(v) = 'array' AND f.is_set(pstate, at) THEN
			(SELECT coalesce(jsonb_agg(e ORDER BY e), '[]') FROM jsonb_array_elements(v) e)
		WHEN jsonb_typeof(v) = 'array' THEN
			(SELECT coalesce(jsonb_agg(f.sorted(pstate, e, at || '[0]') ORDER BY o), '[]') FROM jsonb_array_elements(v) WITH ORDINALITY x (e, o))
		WHEN jsonb_typeof(v) = 'object' THEN
			(SELECT coalesce(jsonb_object_agg(x.key, f.sorted(pstate, x.value, at || to_jsonb(x.key))), '{}') FROM jsonb_each(v) x)
		ELSE v END$$;
-- Readers: of all, of the whole or of one place
CREATE TABLE f.reader (pstate text, path jsonb, version bigint, value jsonb, resets int DEFAULT 0, ops int DEFAULT 0,
	PRIMARY KEY (pstate, path));
CREATE FUNCTION f.value(pstate text, path jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT coalesce(rama.select_one(('f.' || pstate)::regclass, path), 'null') $$;
-- Everything that is told, upon what the reader has, must be what there is.
CREATE FUNCTION f.follow(r f.reader) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	c record;
	at jsonb := '[]';
	told jsonb := '[]';
	v jsonb := r.value;
	now jsonb;
BEGIN
	-- The whole, around what the reader has
	FOR i IN REVERSE jsonb_array_length(r.path) - 1 .. 0 LOOP
		v := jsonb_build_object(r.path->>i, v);
	END LOOP;
	FOR c IN SELECT * FROM rama.changes(('f.' || r.pstate)::regclass, r.path, r.version, max => 1000000) LOOP
		told := told || to_jsonb(c);
		IF c.version < r.version OR c.op = 'reset' AND c.version = r.version THEN
			RETURN format('version %s after %s', c.version, r.version);
		END IF;
		IF c.op = 'reset' THEN
			v := coalesce(c.value, 'null');
			FOR i IN REVERSE jsonb_array_length(r.path) - 1 .. 0 LOOP
				v := jsonb_build_object(r.path->>i, v);
			END LOOP;
		ELSE
			v := f.fold(r.pstate, v, '[]', c.op, c.path, c.value);
		END IF;
		UPDATE f.reader x SET resets = resets + (c.op = 'reset')::int, ops = ops + 1 WHERE x.pstate = r.pstate AND x.path = r.path;
		r.version := c.version;
	END LOOP;
	v := coalesce(v#>(SELECT coalesce(array_agg(e), '{}') FROM jsonb_array_elements_text(r.path) e), 'null');
	now := f.value(r.pstate, r.path);
	IF f.sorted(r.pstate, v, r.path) IS DISTINCT FROM f.sorted(r.pstate, now, r.path) THEN
		RETURN format('%s %s: had %s, was told %s, has %s, should be %s', r.pstate, r.path, r.value, told, v, now);
	END IF;
	UPDATE f.reader x SET value = now, version = rama.version(('f.' || r.pstate)::regclass)
	WHERE x.pstate = r.pstate AND x.path = r.path;
	RETURN NULL;
END $$;
});
foreach my $name (@names)
{
	$node->safe_psql('postgres', "SELECT rama.create_pstate('f.$name', \$s\$$schemas{$name}\$s\$)");
	$node->safe_psql('postgres', "INSERT INTO f.reader SELECT '$name', '[]', 0, f.value('$name', '[]')");
}
# Of one place in some
foreach (['tx', '["a"]'], ['nest', '["a"]'], ['nest', '["b", 1]'], ['js', '["c"]'], ['js', '["a", "m"]'], ['conf', '["log"]'])
{
	my ($name, $path) = @$_;

	$node->safe_psql('postgres', "INSERT INTO f.reader SELECT '$name', '$path', 0, f.value('$name', '$path')");
}

sub statement
{
	my $name = $names[ int rand @names ];
	my ($function, @args) = @{ random_write($name) };

	return "SELECT rama.$function('f.$name'" . join('', map { ', $a$' . encode($_) . '$a$::jsonb' } @args) . ");\n";
}

# Writes, some of which fail, within savepoints up to three deep
sub transaction
{
	my $sql = "BEGIN;\n";
	my @open;

	foreach (1 .. 1 + int rand 8)
	{
		my $kind = rand;

		if ($kind < 0.2 && @open < 3)
		{
			push @open, 's' . @open;
			$sql .= "SAVEPOINT $open[-1];\n";
		}
		elsif ($kind < 0.35 && @open)
		{
			my $name = pop @open;

			$sql .= rand() < 0.5 ? "RELEASE $name;\n" : "ROLLBACK TO $name;\nRELEASE $name;\n";
		}
		else
		{
			$sql .= statement();
		}
	}
	return $sql . (rand() < 0.1 ? "ROLLBACK;\n" : "COMMIT;\n");
}

my $wrong = '';
foreach my $round (1 .. $rounds)
{
	my $sql = join '', map { transaction() } 1 .. 5;
	my ($rc, $out, $err) = $node->psql('postgres', $sql, extra_params => [ '-v', 'ON_ERROR_ROLLBACK=on' ], on_error_stop => 0);

	if ($err =~ /server closed|XX000/)
	{
		$wrong = "$err after\n$sql";
		last;
	}
	# Not all readers follow at once; the ring is small.
	$wrong = $node->safe_psql('postgres', 'SELECT f.follow(r) FROM f.reader r' . ($round % 10 ? ' WHERE random() < 0.5' : ''));
	$wrong =~ s/^\n+|\n+$//g;
	if ($wrong ne '')
	{
		$wrong .= "\nafter\n$sql";
		last;
	}
}
is($wrong, '', "what is told makes of the old value the new one ($rounds rounds, seed $seed)");
# Of a place within, random writes may pass by.
is($node->safe_psql('postgres', q{SELECT bool_and(ops > 0) FROM f.reader WHERE path = '[]'}), 't', 'all readers of the whole were told something');
note($node->safe_psql('postgres', 'SELECT pstate, path, version, ops, resets FROM f.reader ORDER BY 1, 2'));
$node->stop;
done_testing();
