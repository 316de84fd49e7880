# What rama.tail and rama.tail_many tell of random writes, folded onto what they
# told first, is what is there: JSON Patch of whole PStates and of parts,
# entries of ranges, sub-maps, sets, keys; predicates, counts, ends.
#
# RAMA_SEED repeats a run.
use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Utils;
use Storable qw(dclone);
use Test::More;
use Time::HiRes qw(time usleep);
use lib "$ENV{RAMA_SRC}/test/t";
use PStateProgram qw(%schemas random_write encode);
use Rama;

my $seed = $ENV{RAMA_SEED} || int(rand(2**31));
my $rounds = soak() ? 500 : 25;
my @names = qw(tx nest js vec sets conf);
my @written = (@names, ('nest') x 6, ('js') x 2);
my $json = JSON::PP->new->canonical->allow_nonref->allow_bignum->latin1;
my $node = rama_node('tail_fold', conf => "fsync = off\n");

note("RAMA_SEED=$seed");
srand($seed);
$node->safe_psql('postgres', "SELECT rama.create_pstate('$_', \$s\$$schemas{$_}\$s\$)") foreach @names;
$node->safe_psql('postgres', q{CREATE FUNCTION value_of(pstate regclass, path jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE w record;
BEGIN
	SELECT * INTO w FROM rama.watch(pstate, path);
	PERFORM rama.unwatch(w.id);
	RETURN coalesce(w.value, 'null');
END $$});

# By PState: a path, and how its rows are folded
my @watches;
sub watch { my ($pstate, $path, $how) = @_; push @watches, { id => scalar @watches, pstate => $pstate, path => $path, how => $how }; return; }
watch('tx', '[]', 'value');
watch('tx', '["a"]', 'value');
watch('tx', '[["sorted-map-range", "b", "e"]]', 'map');
watch('tx', '[["sorted-map-range-from", "c"]]', 'map');
watch('tx', '[["submap", "a", "d"]]', 'map');
watch('tx', '[["all"]]', 'map');
watch('tx', '[["map-keys"]]', 'keys');
watch('tx', '[["map-vals"], ["pred>", 3]]', 'vals');
watch('tx', '[["map-keys"], ["pred>", "c"]]', 'keys');
watch('tx', '[["view", "count"]]', 'whole');
watch('tx', '[["sorted-map-range-to-end", 2]]', 'whole');
watch('tx', '["b", ["pred>", 5]]', 'whole');
watch('nest', '["a"]', 'value');
watch('nest', '["b", 1]', 'value');
watch('nest', '["a", 1, "v"]', 'value');
watch('nest', '["a", 1, "v", 1]', 'value');
watch('nest', '["a", 1, "v", ["srange", 0, 2]]', 'whole');
watch('nest', '["a", 1, "v", ["view", "count"]]', 'whole');
watch('nest', '["a", 1, "s", 2]', 'value');
watch('nest', '["a", 1, "s", ["all"]]', 'set');
watch('nest', '["a", 1, "s", ["sorted-set-range", 1, 4]]', 'set');
watch('nest', '["a", ["sorted-map-range", 1, 3]]', 'map');
watch('nest', '["a", ["map-vals"], "n"]', 'vals');
watch('nest', '["a", ["map-vals"], "n", ["pred>", 2]]', 'vals');
watch('nest', '["a", ["map-vals"], ["pred", "some?"], "t"]', 'vals');
watch('nest', '[["map-keys"]]', 'keys');
watch('nest', '["b", ["last"]]', 'whole');
watch('js', '[["map-vals"], "n"]', 'vals');
watch('js', '["a", "m"]', 'value');
watch('js', '["a", "v", 0]', 'value');
watch('js', '["a", "s"]', 'value');
watch('js', '["a", "m", ["sorted-map-range", "m0", "m2"]]', 'map');
watch('sets', '[]', 'value');
watch('sets', '[["sorted-set-range", "a", "d"]]', 'set');
watch('sets', '[["all"]]', 'set');
watch('vec', '[0, "name"]', 'value');
watch('vec', '[1, "cards"]', 'value');
watch('conf', '["log"]', 'value');
watch('conf', '["log", 0]', 'value');
my @patches = map { { pstate => $_->[0], path => $_->[1] } }
  (map { [ $_, '[]' ] } @names), [ 'nest', '["a"]' ], [ 'nest', '["a", 1, "v"]' ], [ 'js', '["a"]' ], [ 'js', '["a", "n"]' ];

sub start_tail
{
	my ($call) = @_;
	my $tail = { out => '', err => '' };

	$tail->{run} = IPC::Run::start([ 'stdbuf', '-oL', 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', "CALL $call" ],
		'>', \$tail->{out}, '2>', \$tail->{err});
	return $tail;
}

sub lines
{
	my ($tail) = @_;

	$tail->{run}->pump_nb if $tail->{run}->pumpable;
	die $tail->{err} if $tail->{err} ne '';
	return map { $json->decode($_) } split /\n/, $1 if $tail->{out} =~ s/\A(.*\n)//s;
	return;
}

# ---- JSON Patch, strictly ----

sub patched
{
	my ($document, $operation) = @_;
	my @at = map { s{~1}{/}gr =~ s{~0}{~}gr } split m{/}, $operation->{path}, -1;
	my $op = $operation->{op};
	my $value = $operation->{value};
	my $parent;

	shift @at;
	return $value unless @at;
	my $last = pop @at;
	$parent = $document;
	foreach my $name (@at)
	{
		$parent = ref $parent eq 'ARRAY' ? $parent->[$name] : $parent->{$name};
		die 'no parent for ' . $json->encode($operation) unless ref $parent;
	}
	if (ref $parent eq 'HASH')
	{
		die 'nothing there: ' . $json->encode($operation) if $op ne 'add' && !exists $parent->{$last};
		delete $parent->{$last} if $op eq 'remove';
		$parent->{$last} = $value if $op ne 'remove';
		return $document;
	}
	$last = @$parent if $last eq '-' && $op eq 'add';
	die 'no such element: ' . $json->encode($operation) if $last > ($op eq 'add' ? @$parent : $#$parent);
	splice @$parent, $last, $op eq 'add' ? 0 : 1, $op eq 'remove' ? () : $value;
	return $document;
}

# ---- rows ----

sub is_set
{
	my ($pstate, $at) = @_;

	return @$at ? $at->[-1] eq 's' && $pstate =~ /^(?:nest|js)$/ : $pstate eq 'sets';
}

# An operation at keys below a value
sub folded
{
	my ($pstate, $value, $at, $row, @keys) = @_;
	my $op = $row->{op};

	unless (@keys)
	{
		return $row->{value} if $op eq 'set';
		return ($value // 0) + $row->{value} if $op eq 'add';
		return [ @{ $value // [] }, $op eq 'append' ? @{ $row->{value} } : $row->{value} ];
	}
	my $key = shift @keys;
	if (!@keys && $op eq 'remove' && is_set($pstate, $at))
	{
		return [ grep { $json->encode($_) ne $json->encode($key) } @{ $value // [] } ];
	}
	if (ref $value eq 'ARRAY')
	{
		my $inserts = $op eq 'insert' && !is_set($pstate, [ @$at, $key ]);

		if (!@keys && ($op eq 'remove' || $inserts))
		{
			splice @$value, $key, $inserts ? 0 : 1, $inserts ? $row->{value} : ();
			return $value;
		}
		$value->[$key] = folded($pstate, $value->[$key], [ @$at, $key ], $row, @keys);
		return $value;
	}
	if (!@keys && $op eq 'remove')
	{
		delete $value->{$key} if $value;
		return $value;
	}
	$value->{$key} = folded($pstate, $value->{$key}, [ @$at, $key ], $row, @keys);
	return $value;
}

# The keys that a path begins with
sub prefix { my ($path) = @_; my @keys; foreach (@{ $json->decode($path) }) { last if ref; push @keys, $_; } return @keys; }

sub take
{
	my ($watch, $row) = @_;
	my @prefix = prefix($watch->{path});
	my @keys = @{ $row->{path} };
	my $how = $watch->{how};
	my $is_whole = $row->{op} eq 'reset' || $json->encode($row->{path}) eq $json->encode($json->decode($watch->{path}));

	die "versions go back: " . $json->encode($row) if defined $watch->{version} && $row->{version} < $watch->{version};
	$watch->{version} = $row->{version};
	$watch->{told}++;
	if ($row->{op} eq 'reset' || $how eq 'whole' || ($is_whole && $how ne 'value'))
	{
		$watch->{value} = $row->{op} eq 'remove' ? undef : $row->{value};
		$watch->{value} = ref $watch->{value} eq 'HASH' ? $watch->{value} :
		  { map { ref $_ eq 'ARRAY' ? @$_ : ($_, undef) } @{ $watch->{value} // [] } } if $how eq 'map';
		$watch->{value} = { map { $json->encode($_) => $_ } @{ $watch->{value} // [] } } if $how =~ /^(?:keys|set)$/;
		# Whose keys are not told
		$watch->{unknown} = 1 if $how eq 'vals' && @{ $watch->{value} // [] };
		$watch->{unknown} = 0 if $how eq 'vals' && !@{ $watch->{value} // [] };
		$watch->{value} = {} if $how eq 'vals';
		return;
	}
	splice @keys, 0, scalar @prefix;
	if ($how eq 'value')
	{
		$watch->{value} = $row->{op} eq 'remove' && !@keys ? undef : folded($watch->{pstate}, $watch->{value}, \@prefix, $row, @keys);
	}
	elsif ($how eq 'map')
	{
		$watch->{value} = folded($watch->{pstate}, $watch->{value} // {}, \@prefix, $row, @keys);
	}
	elsif ($how eq 'vals')
	{
		my $entry = shift @keys;

		if ($row->{op} eq 'remove') { delete $watch->{value}{$entry}; }
		else { $watch->{value}{$entry} = folded($watch->{pstate}, $watch->{value}{$entry}, [], { %$row }); }
	}
	elsif ($row->{op} eq 'remove')
	{
		delete $watch->{value}{ $json->encode($keys[0]) };
	}
	else
	{
		$watch->{value}{ $json->encode($row->{value}) } = $row->{value};
	}
	return;
}

# Sets in one order, for comparison
sub normal
{
	my ($pstate, $value, @at) = @_;

	return [ map { $json->decode($_) } sort map { $json->encode($_) } @$value ] if ref $value eq 'ARRAY' && is_set($pstate, \@at);
	return [ map { normal($pstate, $_, @at, 0) } @$value ] if ref $value eq 'ARRAY';
	return { map { $_ => normal($pstate, $value->{$_}, @at, $_) } keys %$value } if ref $value eq 'HASH';
	return $value;
}

# What there should be, in the form in which the watch is folded
sub wanted
{
	my ($watch, $value) = @_;
	my $how = $watch->{how};

	$value = { map { @$_ } @{ $value // [] } } if $how eq 'map' && ref $value eq 'ARRAY';
	# Absent and null are one to a watch.
	return join "; ", sort map { $json->encode($_) } grep { defined } @{ $value // [] } if $how =~ /^(?:vals|keys|set)$/;
	return normal($watch->{pstate}, $value, prefix($watch->{path}));
}

sub had
{
	my ($watch) = @_;
	my $value = $watch->{value};

	return join '; ', sort map { $json->encode($_) } grep { defined } values %$value if $watch->{how} eq 'vals';
	return join '; ', sort keys %$value if $watch->{how} =~ /^(?:keys|set)$/;
	return normal($watch->{pstate}, $value, prefix($watch->{path}));
}

my $many = start_tail("rama.tail_many('[" . join(', ', map { qq({"id": $_->{id}, "pstate": "$_->{pstate}", "path": $_->{path}}) } @watches) . "]')");
$_->{tail} = start_tail("rama.tail('$_->{pstate}', '$_->{path}', 'patch')") foreach @patches;
$_->{how} = 'value' foreach @patches;

sub differs
{
	my @rows = map { $json->decode($_) } split /\n/, $node->safe_psql('postgres', join '',
		map { "SELECT value_of('$_->{pstate}', '$_->{path}');\n" } @watches, @patches);
	my $checked = 0;

	foreach my $watch (@watches, @patches)
	{
		my $row = shift @rows;

		next if $watch->{unknown};
		my $had = $json->encode($watch->{tail} ? normal($watch->{pstate}, $watch->{value}, prefix($watch->{path})) : had($watch));
		my $wanted = $json->encode($watch->{tail} ? normal($watch->{pstate}, $row, prefix($watch->{path})) : wanted($watch, $row));

		$checked++;
		return "$watch->{pstate} $watch->{path}" . ($watch->{tail} ? ' (patch)' : '') . ": has $had, should be $wanted" if $had ne $wanted;
	}
	return '';
}

sub follow
{
	my ($log) = @_;

	foreach my $row (lines($many))
	{
		push @$log, "$watches[$row->{id}]{pstate}: " . $json->encode($row);
		take($watches[ $row->{id} ], $row);
	}
	foreach my $patch (@patches)
	{
		foreach my $operations (lines($patch->{tail}))
		{
			push @$log, "$patch->{pstate} $patch->{path}: " . $json->encode($operations);
			$patch->{told}++;
			foreach my $operation (@$operations)
			{
				$patch->{value} = patched($patch->{value}, dclone($operation));
			}
		}
	}
	return;
}

my $wrong = '';
ROUND: foreach my $round (0 .. $rounds)
{
	my $sql = '';
	my @log;
	my $patience = time + 15;

	foreach (1 .. $round ? 12 : 0)
	{
		$sql .= "BEGIN;\n";
		foreach (1 .. 1 + int rand 4)
		{
			my $name = $written[ int rand @written ];
			my ($function, @args) = @{ random_write($name) };

			$sql .= "SELECT rama.$function('$name'" . join('', map { ', $a$' . encode($_) . '$a$::jsonb' } @args) . ");\n";
		}
		$sql .= "COMMIT;\n";
	}
	$node->psql('postgres', $sql, extra_params => [ '-v', 'ON_ERROR_ROLLBACK=on' ], on_error_stop => 0) if $round;
	do
	{
		eval { follow(\@log); 1 } or do { $wrong = "round $round: $@after\n$sql" . join("\n", @log); last ROUND; };
		$wrong = differs();
		usleep(10_000) if $wrong;
	} while ($wrong && time < $patience);
	if ($wrong)
	{
		my ($pstate) = $wrong =~ /^(\w+)/;

		$wrong = "round $round: $wrong\nafter\n$sql" . join("\n", grep { /^$pstate/ } @log);
		last;
	}
}
is(substr($wrong, 0, 20000), '', "what is told, folded, is what is there ($rounds rounds, seed $seed)");
is(join(', ', map { "$_->{pstate} $_->{path}" } grep { ($_->{told} // 0) < 2 } @watches, @patches), '', 'every watch was told something')
  if !$wrong && soak();
$node->stop('fast');
log_is_sound($node, 0, qr/ERROR|administrator command/, 'the log tells of no crash');
done_testing();
