# What Rama's navigators mean, on values in memory: the model that
# path_laws.pl compares the server with. Each navigator is a read side, which
# passes on foci, and a write side, which gets back what became of each focus
# and says what becomes of its own value, as in Specter.
#
# A value is undef (null), [n => number], [s => string], [b => 0 or 1],
# [l => [values]] or [m => [[key, value], ...], "pairs" where it is a range].
#
# A node is what the schema says of a place, undef where it says nothing:
#   { kind => int, text, boolean, date }
#   { kind => 'map', key, val }   { kind => 'set', key }   { kind => 'vector', val }
#   { kind => 'struct', fields => [[name, node], ...] }    { kind => 'pair', key, val }
# Values with a node have keys of their type, in its order, and no null fields.
#
# A focus is [node, value, "void" where it is not there yet]. Errors die with
# { code => SQLSTATE }; where nobody promised anything, with { unknown => why }.
package PathModel;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(num str bool list object json_text conform as_json plain_value
  run_select run_transform bind_path step_shape is_scalar navigators);

use constant { KEPT => 'kept', VOID => 'void' };	# what became of a value, or [value]

my $INT = { kind => 'int', name => 'index' };
my $DEPTH = 64;

sub num { return [ n => $_[0] ] }
sub str { return [ s => $_[0] ] }
sub bool { return [ b => $_[0] ? 1 : 0 ] }
sub list { return [ l => [@_] ] }
sub object { return [ m => [@_] ] }

sub fail { die { code => $_[0], why => $_[1] } }
sub unknown { die { unknown => $_[0] } }

sub is_null { return !defined $_[0] }
sub is_list { return defined $_[0] && $_[0][0] eq 'l' }
sub is_map { return defined $_[0] && $_[0][0] eq 'm' }
sub is_number { return defined $_[0] && $_[0][0] eq 'n' }
sub is_string { return defined $_[0] && $_[0][0] eq 's' }
sub is_whole { return is_number($_[0]) && $_[0][1] =~ /^-?\d+$/ }
sub is_container { return is_list($_[0]) || is_map($_[0]) }

sub kind { return $_[0] ? $_[0]{kind} : 'plain' }
sub is_scalar { return kind($_[0]) =~ /^(?:int|text|boolean|date)$/ }
sub is_key { return is_scalar($_[0]) && $_[0]{name} }

# ---- Values as text, compared, and made plain ----

# As jsonb prints it.
sub json_text
{
	my ($v) = @_;

	return 'null' unless defined $v;
	my ($tag, $x) = @$v;
	return $x if $tag eq 'n';
	return $x ? 'true' : 'false' if $tag eq 'b';
	return '[' . join(', ', map { json_text($_) } @$x) . ']' if $tag eq 'l';
	if ($tag eq 's')
	{
		(my $text = $x) =~ s/(["\\])/\\$1/g;
		return qq{"$text"};
	}
	my %by = map { (key_text($_->[0]) => $_->[1]) } @$x;
	return '{' . join(', ', map { json_text(str($_)) . ': ' . json_text($by{$_}) }
		sort { length $a <=> length $b || $a cmp $b } keys %by) . '}';
}

sub key_text
{
	my ($k) = @_;

	unknown('a container as a key') if is_container($k);
	return $k->[0] eq 'b' ? ($k->[1] ? 'true' : 'false') : $k->[1];
}

sub same { return json_text($_[0]) eq json_text($_[1]) }

# The order of two scalars, undef where they have none.
sub compare
{
	my ($a, $b) = @_;

	return undef if is_null($a) || is_null($b) || $a->[0] ne $b->[0] || is_container($a);
	return $a->[0] eq 's' ? $a->[1] cmp $b->[1] : $a->[1] <=> $b->[1];
}

sub sort_entries { return sort { compare($a->[0], $b->[0]) // 0 } @_ }

# Without the schema: keys are text, in the order of its bytes.
sub plain_value
{
	my ($node, $v) = @_;

	return $v if !$node || is_null($v) || is_scalar($node);
	my $kind = $node->{kind};
	return [ l => [ map { plain_value($node->{val}, $_) } @{ $v->[1] } ] ] if $kind eq 'vector';
	return $v if $kind eq 'set';
	return $v if $kind eq 'pair' && @{ $v->[1] } != 2;	# what has become of it
	return [ l => [ $v->[1][0], plain_value($node->{val}, $v->[1][1]) ], 'pair' ] if $kind eq 'pair';
	return [ m => [ sort_entries(map { [ str(key_text($_->[0])), plain_value($node->{val}, $_->[1]) ] }
				@{ $v->[1] }) ], $v->[2] ] if $kind eq 'map';
	return object(sort_entries(grep { defined $_->[1] }
			map { [ str($_->[0]), plain_value($_->[1], field($node, $v, $_->[0])) ] }
			@{ $node->{fields} }));
}

# As a result, a collected value or a function's argument: ranges are pairs.
sub as_json
{
	my ($node, $v) = @_;

	return $v if is_null($v);
	return list(map { list($_->[0], as_json(below($node, 'val'), $_->[1])) } @{ $v->[1] })
	  if is_map($v) && $v->[2];
	return list(map { as_json(below($node, 'val'), $_) } @{ $v->[1] }) if is_list($v) && kind($node) =~ /vector|plain/;
	return @{ $v->[1] } == 2 ? list($v->[1][0], as_json($node->{val}, $v->[1][1])) : $v if kind($node) eq 'pair';
	return plain_value($node, $v);
}

sub below { return $_[0] ? $_[0]{ $_[1] } : undef }

sub field
{
	my ($node, $v, $name) = @_;
	my ($of) = map { $_->[1] } grep { $_->[0] eq $name } @{ $node->{fields} };
	my ($entry) = is_null($v) ? () : grep { $_->[0][1] eq $name } @{ $v->[1] };
	my $value = $entry ? $entry->[1] : undef;

	# A struct within a struct is null where all its fields are.
	return undef if kind($of) eq 'struct' && defined $value && !@{ plain_value($of, $value)->[1] };
	return $value;
}

# ---- Conversion to a place ----

sub conform_scalar
{
	my ($kind, $v, $iskey) = @_;
	my ($tag, $x) = @$v;

	fail('22P02') if $tag eq 'l' || $tag eq 'm';
	if ($kind eq 'int')
	{
		fail('22P02') if $tag eq 'b';
		unknown('fraction to int') if $tag eq 'n' && $x !~ /^-?\d+$/ && !$iskey;
		fail('22P02') if $x !~ /^-?\d+$/;
		fail($iskey ? '22P02' : '22003') if abs($x) > 2147483647;
		return num($x + 0);
	}
	if ($kind eq 'text')
	{
		unknown('boolean to text') if $tag eq 'b';
		return str($x);
	}
	if ($kind eq 'boolean')
	{
		fail('22P02') if $tag eq 'n';
		return $v if $tag eq 'b';
		return bool($x =~ /^t/) if $x =~ /^(true|false)$/;
		unknown('text to boolean') if $x =~ /^[tfyn01o]/i;
		fail('22P02');
	}
	fail('22P02') if $tag ne 's';
	return $v if $x =~ /^20\d\d-[01]\d-[0-3]\d$/;
	unknown('a date that is written in another way') if $x =~ /\d-\d+-\d/;
	fail('22P02');
}

sub conform_key
{
	my ($node, $v) = @_;

	fail('22004') if is_null($v);
	unknown('not a scalar as key of a plain place') if !$node && is_container($v);
	return $node ? conform_scalar($node->{kind}, $v, 1) : $v;
}

# Of equal keys the last one stays.
sub map_of
{
	my (@entries) = @_;
	my %by = map { (key_text($_->[0]) => $_) } @entries;

	return object(sort_entries(values %by));
}

sub set_of
{
	my (@elements) = @_;

	return list(map { $_->[0] } @{ map_of(map { [ $_, undef ] } @elements)->[1] });
}

# Plain data to what a place has.
sub conform
{
	my ($node, $v) = @_;

	return as_json(undef, $v) if !$node;
	my $kind = $node->{kind};
	return $kind eq 'struct' && !$node->{nested} ? object() : undef if is_null($v);
	return conform_scalar($kind, $v) if is_scalar($node);
	if ($kind eq 'map')
	{
		fail('22P02') unless is_map($v) || is_list($v);
		my @entries = map {
			my $entry = is_map($v) ? $_ : is_list($_) && @{ $_->[1] } == 2 ? $_->[1] : fail('22P02');
			[ conform_in($node->{key}, $entry->[0]), $entry->[1] ]
		} @{ $v->[1] };
		return map_of(map { [ $_->[0], conform($node->{val}, $_->[1]) ] } @entries);
	}
	if ($kind eq 'struct')
	{
		fail('22P02') unless is_map($v) && !$v->[2];
		my %of = map { ($_->[0] => $_) } @{ $node->{fields} };
		my @fields;
		foreach my $entry (@{ $v->[1] })
		{
			my $of = $of{ key_text($entry->[0]) } // fail('42703');
			my $value = conform($of->[1], $entry->[1]);
			push @fields, [ str($of->[0]), $value ] if defined $value;
		}
		return @fields || !$node->{nested} ? object(sort_entries(@fields)) : undef;
	}
	fail($kind eq 'pair' ? '22023' : '22P02') unless is_list($v) || ($v->[0] eq 'm' && $v->[2]);
	my @elements = is_list($v) ? @{ $v->[1] } : @{ as_json(undef, $v)->[1] };
	return list(map { conform($node->{val}, $_) } @elements) if $kind eq 'vector';
	return set_of(map { conform_in($node->{key}, $_) } @elements) if $kind eq 'set';
	fail('22023') unless @elements == 2;
	return list(conform_in($node->{key}, $elements[0]), conform($node->{val}, $elements[1]));
}

# What becomes of a place: a key is not null, nor is a pair.
sub conform_place
{
	my ($node, $v) = @_;

	fail('22004') if is_key($node) && is_null($v);
	fail('22023') if kind($node) eq 'pair' && is_null($v);
	return conform($node, $v);
}

# A key or element within a value to write
sub conform_in
{
	my ($node, $v) = @_;

	fail('22004') if is_null($v);
	return conform_scalar($node->{kind}, $v);
}

# ---- Functions ----

sub need_number
{
	my ($v) = @_;

	fail('22023') unless is_number($v);
	return $v->[1];
}

sub truth { return defined $_[0] && !($_[0][0] eq 'b' && !$_[0][1]) }

sub spread { return @_ == 1 && is_list($_[0]) ? @{ $_[0][1] } : @_ }

sub extreme
{
	my ($sign, @values) = @_;
	my $best;

	foreach my $v (grep { defined } spread(@values))
	{
		$best //= $v;
		my $order = compare($v, $best) // fail('22023');
		$best = $v if $order * $sign > 0;
	}
	return $best;
}

sub arithmetic
{
	my ($f, @args) = @_;
	my $result;

	return undef if grep { !defined } @args;
	$result = need_number(shift @args);
	$result = -$result if $f eq '-' && !@args;
	foreach my $x (map { need_number($_) } @args)
	{
		$result = $f eq '+' ? $result + $x : $f eq '-' ? $result - $x : $result * $x;
	}
	return num($result);
}

sub ordered
{
	my ($holds, @args) = @_;
	my $result = 1;

	foreach my $i (1 .. $#args)
	{
		my $order = compare($args[ $i - 1 ], $args[$i]);
		return undef unless defined $order;
		$result &&= $holds->($order);
	}
	return bool($result);
}

sub number_test
{
	my ($test) = @_;

	return sub { defined $_[0] ? bool($test->(need_number($_[0]))) : undef };
}

my %equal = ('=' => 1, 'not=' => 0);
my %function = (
	'+' => [ 1, -1, sub { arithmetic('+', @_) } ],
	'-' => [ 1, -1, sub { arithmetic('-', @_) } ],
	'*' => [ 1, -1, sub { arithmetic('*', @_) } ],
	inc => [ 1, 1, sub { arithmetic('+', $_[0], num(1)) } ],
	dec => [ 1, 1, sub { arithmetic('-', $_[0], num(1)) } ],
	min => [ 1, -1, sub { extreme(-1, @_) } ],
	max => [ 1, -1, sub { extreme(1, @_) } ],
	sum => [ 1, -1, sub { my $s = 0; $s += need_number($_) foreach grep { defined } spread(@_); num($s) } ],
	count => [ 1, 1, sub { fail('22023') if defined $_[0] && !is_container($_[0]); num(defined $_[0] ? scalar @{ $_[0][1] } : 0) } ],
	not => [ 1, 1, sub { bool(!truth($_[0])) } ],
	'odd?' => [ 1, 1, number_test(sub { $_[0] % 2 == 1 }) ],
	'even?' => [ 1, 1, number_test(sub { $_[0] % 2 == 0 }) ],
	'pos?' => [ 1, 1, number_test(sub { $_[0] > 0 }) ],
	'neg?' => [ 1, 1, number_test(sub { $_[0] < 0 }) ],
	'nil?' => [ 1, 1, sub { bool(is_null($_[0])) } ],
	'some?' => [ 1, 1, sub { bool(!is_null($_[0])) } ],
	(map { my $f = $_; ($f => [ 2, -1, sub { my $all = !grep { !same($_[$_ - 1], $_[$_]) } 1 .. $#_; bool($all == $equal{$f}) } ]) }
		keys %equal),
	'<' => [ 2, -1, sub { ordered(sub { $_[0] < 0 }, @_) } ],
	'<=' => [ 2, -1, sub { ordered(sub { $_[0] <= 0 }, @_) } ],
	'>' => [ 2, -1, sub { ordered(sub { $_[0] > 0 }, @_) } ],
	'>=' => [ 2, -1, sub { ordered(sub { $_[0] >= 0 }, @_) } ],
	first => [ 1, 1, sub { ends($_[0], 0) } ],
	last => [ 1, 1, sub { ends($_[0], -1) } ],
	identity => [ 1, 1, sub { $_[0] } ],
	reverse => [ 1, 1, sub { is_null($_[0]) ? undef : is_list($_[0]) ? list(reverse @{ $_[0][1] })
				: is_string($_[0]) ? str(scalar reverse $_[0][1]) : fail('22023') } ],
	concat => [ 1, -1, \&concat ],
	upper => [ 1, 1, sub { is_null($_[0]) ? undef : is_string($_[0]) ? str(uc $_[0][1]) : fail('22023') } ],
	lower => [ 1, 1, sub { is_null($_[0]) ? undef : is_string($_[0]) ? str(lc $_[0][1]) : fail('22023') } ],
	str => [ 1, -1, sub { str(join '', map { is_string($_) ? $_->[1] : json_text($_) } grep { defined } @_) } ],
	keys => [ 1, 1, sub { is_null($_[0]) ? undef : list(map { $_->[0] } map_entries($_[0])) } ],
	vals => [ 1, 1, sub { is_null($_[0]) ? undef : list(map { $_->[1] } map_entries($_[0])) } ],
	'contains?' => [ 2, 2, \&contains ],
);
$function{size} = $function{count};

# Entries of a map: an object, or the pairs of a range
sub map_entries
{
	my ($v) = @_;

	fail('22023') unless is_map($v);
	return @{ $v->[1] };
}

sub ends
{
	my ($v, $i) = @_;

	return undef if is_null($v);
	fail('22023') unless is_list($v);
	return $v->[1][$i];
}

sub concat
{
	my (@args) = grep { defined } @_;

	return $function{str}[2]->(@args) if @args && is_string($args[0]) && !grep { !is_string($_) } @args;
	unknown('concat of other things than lists') if grep { !is_list($_) } @args;
	unknown('concat of nothing') unless @args;
	return list(map { @{ $_->[1] } } @args);
}

sub contains
{
	my ($v, $x) = @_;

	return bool(0) if is_null($v);
	return bool(scalar grep { same($_, $x) } @{ $v->[1] }) if is_list($v);
	if (is_map($v))
	{
		unknown('contains? null') if is_null($x);
		return bool(scalar grep { key_text($_->[0]) eq key_text($x) } @{ $v->[1] });
	}
	unknown('contains? in a string') if is_string($v);
	fail('22023');
}

# The same where the schema says $in of the place.
sub call_in
{
	my ($in, $f, $focus, @args) = @_;

	unknown('a function of maps, where paths have joined')
	  if !$in && $focus->[0] && $f =~ /^(?:first|last|keys|vals|contains\?)$/;
	return call_on($f, $focus, @args);
}

# A function on a focus. Of functions of collections: what their navigators do.
sub call_on
{
	my ($f, $focus, @args) = @_;
	my ($node, $v) = @$focus;

	if ($f =~ /^(?:keys|vals)$/ && is_map($v) && (!$node || $node->{kind} ne 'struct'))
	{
		return list(map { $f eq 'keys' ? $_->[0] : as_json(below($node, 'val'), $_->[1]) } @{ $v->[1] });
	}
	if ($f =~ /^(?:first|last)$/)
	{
		my @all = elements($focus);
		my $end = @all ? $all[ $f eq 'first' ? 0 : -1 ] : undef;
		return $end ? as_json(@$end[ 0, 1 ]) : undef;
	}
	if ($f eq 'contains?' && $node && $node->{kind} =~ /^(?:map|set)$/)
	{
		my $x = eval { conform_key($node->{key}, $args[0]) } // $args[0];
		return bool(scalar grep { same($_, $x) } is_null($v) ? () : $node->{kind} eq 'map' ? map { $_->[0] } @{ $v->[1] } : @{ $v->[1] });
	}
	$v = $f =~ /^(?:count|size|keys|vals|contains\?)$/ ? plain_value($node, $v) : as_json($node, $v);
	return $function{$f}[2]->($v, @args);
}

# A function's name and arguments, checked
sub function_of
{
	my ($name, @args) = @_;

	fail('22023') unless is_string($name);
	my $f = $function{ $name->[1] } // fail('42883');
	fail('22023') if @args + 1 < $f->[0] || ($f->[1] >= 0 && @args + 1 > $f->[1]);
	return $name->[1];
}

my $COLLECTION = qr/^(?:count|size|first|last|reverse|keys|vals|contains\?)$/;

# What cannot be called on what the schema says is here
sub check_function
{
	my ($f, $in, @args) = @_;

	conform_key($in->{key}, $args[0]) if $f eq 'contains?' && kind($in) =~ /^(?:map|set)$/;

	return unless $in && is_scalar($in);
	fail('22023') if $f =~ /^(?:count|size|keys|vals|first|last)$/;
	fail('22023') if $f =~ /^(?:contains\?|reverse)$/ && $in->{kind} ne 'text';
	return;
}

# ---- Paths ----

# The step's name and arguments
sub parse_step
{
	my ($step) = @_;

	fail('22023') if is_map($step);
	return ('key', $step) unless is_list($step);
	my ($name, @args) = @{ $step->[1] };
	fail('22023') unless is_string($name);
	return ($name->[1], @args);
}

my %nav;
my %keyed = map { ($_ => 1) } qw(key must nth srange set-elem map-key submap subset),
  map { my $c = $_; map { "sorted-$c-range$_" } '', qw(-from -to -from-start -to-end) } qw(map set);
my %terminal = map { ($_ => 1) } qw(term term-val NONE>);

sub navigators { return sort keys %nav }

# A step bound to the schema of its place.
sub bind_step
{
	my ($step, $in) = @_;
	my ($name, @args) = parse_step($step);
	my $nav = $nav{$name} // fail('42704');

	fail('22023') if @args < $nav->{min} || ($nav->{max} >= 0 && @args > $nav->{max});
	my $bound = $nav->{bind}->($in, @args);
	return { name => $name, args => \@args, nav => $nav, in => $in, %$bound };
}

# A path: an array of steps, the navigators with several keys taken apart.
sub bind_path
{
	my ($path, $in) = @_;
	my @steps;
	my $shape = $in;
	my $terminal;

	fail('22023') unless is_list($path);
	my @given;
	foreach my $step (@{ $path->[1] })
	{
		my ($name, @args) = parse_step($step);
		my $nav = $nav{$name} // fail('42704');
		fail('22023') if @args < $nav->{min} || ($nav->{max} >= 0 && @args > $nav->{max} && $name !~ /^(?:key|must|nth)$/);
		if ($name =~ /^(?:key|must|nth)$/ && @args)
		{
			push @given, map { list(str($name), $_) } @args;
		}
		else
		{
			push @given, $step;
		}
	}
	foreach my $step (@given)
	{
		unknown('an error, but which') if $terminal;
		my $bound = bind_step($step, $shape);
		push @steps, $bound;
		$shape = $bound->{out};
		$terminal = $bound->{terminal};
	}
	my $never = grep { $_->{name} eq 'stop' || $_->{never} } @steps;
	return { steps => \@steps, in => $in, out => $shape, terminal => $terminal, never => $never };
}

sub step_shape { return bind_step(@_)->{out} }

# The step as it is for a focus: where paths have joined, the schema knows less
# than the focus does.
sub step_at
{
	my ($step, $focus) = @_;

	return ($step, $focus) if $step->{in} || !$focus->[0];
	return ($step, [ undef, plain_value(@$focus[ 0, 1 ]), $focus->[2] ]) if is_key($focus->[0]) || ($focus->[0]{kind} eq 'pair' && !is_pair_key($step))
	  || ($step->{name} =~ /transformed/ && is_scalar($focus->[0]));
	return ($step, [ undef, plain_value(@$focus[ 0, 1 ]), $focus->[2] ]) if $keyed{ $step->{name} } && $focus->[0]{kind} ne 'pair';
	return ($step, $focus) if $terminal{ $step->{name} } && $step->{name} ne 'term-val';
	unknown('what becomes of a list of pairs') if $step->{name} =~ /transformed/ && kind(below($focus->[0], 'val')) eq 'pair';
	return ($step, $focus) if $step->{name} !~ /^(?:key|must|nth|all|first|last|map-keys|map-vals|mapKeys|mapVals|MAP-.*|ALL|FIRST|LAST|index.*|INDEX.*|after.*|AFTER.*|before.*|BEFORE.*|end|END|beginning|none-elem|NONE-ELEM|srange-dynamic|continuous-subseqs)$/;
	my $bound = eval { $step->{nav}{bind}->($focus->[0], @{ $step->{args} }) };
	unknown('a step that does not fit, where paths have joined') unless $bound;
	return ({ %$step, %$bound }, $focus);
}

sub is_pair_key
{
	my ($step) = @_;

	return $step->{name} =~ /^(?:key|must|nth)$/ && is_whole($step->{args}[0]) && $step->{args}[0][1] =~ /^[01]$/;
}

sub go
{
	my ($path, $i, $focus, $collected, $next) = @_;

	return $next->($focus, $collected) if $i == @{ $path->{steps} };
	my ($step, $at) = step_at($path->{steps}[$i], $focus);
	return $step->{sel}->($at, $collected, sub { go($path, $i + 1, @_, $next) });
}

sub change
{
	my ($path, $i, $focus, $collected, $next) = @_;

	return $next->($focus, $collected) if $i == @{ $path->{steps} };
	my ($step, $at) = step_at($path->{steps}[$i], $focus);
	my $outcome = $step->{chg}->($at, $collected, sub { change($path, $i + 1, @_, $next) });

	# a key is converted when its collection is made anew
	return $outcome if !ref $outcome || $at == $focus || is_key($focus->[0]);
	my $new = eval { [ conform_place($focus->[0], $outcome->[0]) ] };
	unknown('what becomes of a pair where paths have joined') if !$new && kind($focus->[0]) eq 'pair';
	die $@ unless $new;
	return $new;
}

# All that a path selects from a focus, as JSON, collected values first.
sub selected
{
	my ($path, $focus) = @_;
	my @found;

	go($path, 0, $focus, [],
		sub {
			push @found, collected_value(@_);
		});
	return @found;
}

sub collected_value
{
	my ($f, $c) = @_;
	my $v = as_json(@$f[ 0, 1 ]);

	return @$c ? list(@$c, $v) : $v;
}

sub selects
{
	my ($path, $focus) = @_;

	return 1 if eval { go($path, 0, $focus, [], sub { die 'found' }); 1 } ? 0 : !ref $@ && $@ =~ /^found/;
	die $@ if $@;
	return 0;
}

# rama.select: a list of JSON values
sub run_select
{
	my ($node, $v, $path) = @_;

	return selected(reading_path($path, $node), [ $node, $v ]);
}

# rama.transform: what becomes of the value: KEPT, VOID or [value]
sub run_transform
{
	my ($node, $v, $path) = @_;
	my $bound = bind_path($path, $node);

	fail('22023') unless $bound->{terminal};
	return change($bound, 0, [ $node, $v ], [], sub { die 'no terminal' });
}

# ---- Navigators ----

sub navigator
{
	my ($names, $min, $max, $bind) = @_;

	$nav{$_} = { min => $min, max => $max, bind => $bind } foreach split / /, $names;
	return;
}

sub whole
{
	my ($v) = @_;

	fail('22023') unless is_whole($v);
	return $v->[1];
}

sub needs
{
	my ($in, @kinds) = @_;

	fail('22023') if $in && !grep { $_ eq $in->{kind} } @kinds;
	return;
}

# Plain data as a list or an object, or an error
sub list_of
{
	my ($v) = @_;

	unknown('a part of a set that is plain data, as a list') if is_list($v) && ($v->[2] // '') eq 'set';
	return () if is_null($v);
	fail('22023') unless is_list($v);
	return @{ $v->[1] };
}

sub set_list
{
	my ($v) = @_;

	unknown('a part of a list that is plain data, as a set') if is_list($v) && ($v->[2] // '') eq 'part';
	return () if is_null($v);
	fail('22023') unless is_list($v);
	return @{ $v->[1] };
}

sub entries_of
{
	my ($v) = @_;

	return () if is_null($v);
	fail('22023') unless is_map($v);
	return @{ $v->[1] };
}

# The elements of a collection as foci; struct and pair as plain data
sub elements
{
	my ($focus) = @_;
	my ($node, $v) = @$focus;

	($node, $v) = (undef, plain_value($node, $v)) if kind($node) =~ /^(?:struct|pair)$/;
	return () if is_null($v);
	return map { [ { kind => 'pair', key => below($node, 'key'), val => below($node, 'val') }, list(@$_) ] } @{ $v->[1] }
	  if is_map($v) && $node;
	return map { [ undef, [ l => [@$_], 'pair' ] ] } @{ $v->[1] } if is_map($v);
	fail('22023') unless is_list($v);
	my $of = kind($node) eq 'set' ? $node->{key} : below($node, 'val');
	return map { [ $of, $_ ] } @{ $v->[1] };
}

sub element_shape
{
	my ($in) = @_;

	fail('22023') if $in && is_scalar($in);
	return undef if kind($in) =~ /^(?:plain|struct|pair)$/;
	return $in->{val} if $in->{kind} eq 'vector';
	return $in->{key} if $in->{kind} eq 'set';
	return pair_of($in);
}

# One shape for each map, so that shapes can be compared
sub pair_of
{
	my ($map) = @_;

	return $map->{pair} //= { kind => 'pair', key => $map->{key}, val => $map->{val} };
}

# A collection made anew of what became of its elements
sub remade
{
	my ($focus, @elements) = @_;
	my ($node, $v) = @$focus;
	my $kind = kind($node);

	unknown('elements of a pair of index and element') if $kind eq 'pair' && $node->{key} == $INT;
	if ($kind =~ /^(?:struct|pair)$/)
	{
		my $plain = plain_value($node, $v);

		return conform($node, is_list($plain) ? list(@elements) : map_of(map { pair_entry($_) } @elements));
	}
	my @entries = is_map($v) ? map { pair_entry($_) } @elements : ();
	@entries = map { [ $node ? conform_in($node->{key}, $_->[0]) : str(key_text($_->[0])), $_->[1] ] } @entries;
	return [ @{ map_of(@entries) }[ 0, 1 ], $v->[2] ] if is_map($v);
	if ($kind eq 'set')
	{
		return set_of(map { conform_in($node->{key}, $_) } @elements);
	}
	return list(@elements);
}

sub pair_entry
{
	my ($pair) = @_;

	fail('22023') unless is_list($pair) && @{ $pair->[1] } <= 2;
	return if @{ $pair->[1] } < 2;	# key or value are gone, and so is the entry
	fail('22004') if is_null($pair->[1][0]);
	return $pair->[1];
}

# What became of each of several foci: KEPT, or the values that are left
sub each_changed
{
	my ($foci, $collected, $next) = @_;
	my $changed = 0;
	my @left;

	foreach my $focus (@$foci)
	{
		my $o = $next->($focus, $collected);

		$changed = 1 if $o ne KEPT;
		push @left, ref $o ? $o->[0] : $focus->[1] if $o ne VOID;
	}
	return $changed ? \@left : KEPT;
}

# -- keys --

sub bind_key
{
	my ($in, $key) = @_;
	my $kind = kind($in);

	fail('22004') if is_null($key) && $kind !~ /^(?:int|text|boolean|date)$/;
	fail('22023') if $in && is_scalar($in);
	if ($kind eq 'map') { return { key => conform_key($in->{key}, $key), out => $in->{val} } }
	if ($kind eq 'set') { return { key => conform_key($in->{key}, $key), out => $in->{key} } }
	if ($kind eq 'vector') { return { key => conform_key($INT, $key), out => $in->{val} } }
	if ($kind eq 'struct')
	{
		fail('22023') unless is_string($key);
		my ($field) = grep { $_->[0] eq $key->[1] } @{ $in->{fields} };
		fail('42703') unless $field;
		return { key => $key, out => $field->[1] };
	}
	if ($kind eq 'pair')
	{
		fail('22023') unless is_whole($key) && ($key->[1] == 0 || $key->[1] == 1);
		return { key => $key, out => $key->[1] ? $in->{val} : $in->{key} };
	}
	return { key => $key, out => undef };
}

# The value at a key: (found, value)
sub at_key
{
	my ($node, $v, $key) = @_;
	my $kind = kind($node);

	return (0, undef) if is_null($v);
	unknown('a part of a set, or a pair, that is plain data') if is_list($v) && $v->[2] && $v->[2] ne 'part' && !($v->[2] eq 'pair' && key_text($key) =~ /^[01]$/);
	if ($kind eq 'struct')
	{
		my $value = field($node, $v, $key->[1]);
		return (defined $value, $value);
	}
	if (is_map($v))
	{
		my ($entry) = grep { key_text($_->[0]) eq key_text($key) } @{ $v->[1] };
		return ($entry ? 1 : 0, $entry ? $entry->[1] : undef);
	}
	if ($kind eq 'set')
	{
		my ($found) = grep { same($_, $key) } @{ $v->[1] };
		return (defined $found, $found);
	}
	if (is_list($v))
	{
		unknown('a list and a key that is text') if is_string($key) && $key->[1] =~ /^\d/;
		return (0, undef) unless is_whole($key);
		my $i = $key->[1];
		return $i >= 0 && $i < @{ $v->[1] } ? (1, $v->[1][$i]) : (0, undef);
	}
	return (0, undef);
}

sub with_key
{
	my ($node, $v, $key, $o, $append) = @_;
	my $kind = kind($node);
	my ($found) = at_key($node, $v, $key);

	fail('22023') if $o ne KEPT && !$node && !is_null($v) && !is_container($v);
	unknown('a list and a key that is no index') if $o ne KEPT && !$node && is_list($v) && !is_whole($key);
	return KEPT if $o eq KEPT || ($o eq VOID && !$found);
	return VOID if $o eq VOID && is_list($v) && ($v->[2] // '') eq 'pair';
	if ($kind eq 'pair')
	{
		return VOID if $o eq VOID;
		unknown('no index, where paths have joined') if $key->[1] == 0 && is_null($o->[0]) && $node->{key} == $INT;
		fail('22004') if $key->[1] == 0 && is_null($o->[0]);
		return [ list($key->[1] ? ($v->[1][0], $o->[0]) : ($o->[0], $v->[1][1])) ];
	}
	if ($kind eq 'set')
	{
		unknown('which error, where an element of a set is given a value') if $o ne VOID;
		return [ list(grep { !same($_, $key) } @{ $v->[1] }) ];
	}
	if ($kind eq 'vector' || is_list($v))
	{
		unknown('a list and a key that is no index') unless is_whole($key);
		my @list = is_null($v) ? () : @{ $v->[1] };
		my $i = $key->[1];
		fail('2202E') if $i < 0 || $i > @list || ($i == @list && !$append);
		splice @list, $i, 1, ref $o ? $o->[0] : ();
		return [ list(@list) ];
	}
	fail('22023') unless is_null($v) || is_map($v);
	my @entries = grep { key_text($_->[0]) ne key_text($key) } entries_of($v);
	push @entries, [ $kind eq 'plain' ? str(key_text($key)) : $key, $o->[0] ]
	  if ref $o && !($kind eq 'struct' && is_null($o->[0]));
	return [undef] if $kind eq 'struct' && $node->{nested} && !@entries;
	return [ [ @{ map_of(@entries) }[ 0, 1 ], is_null($v) ? () : $v->[2] ] ];
}

sub key_navigator
{
	my ($names, $nth, $must) = @_;

	navigator($names, 1, 1, sub {
		my ($in, $key) = @_;
		if ($nth)
		{
			needs($in, 'vector', 'pair');
			whole($key);
		}
		my $b = bind_key($in, $key);
		return {
			out => $b->{out},
			sel => sub {
				my ($f, $c, $next) = @_;
				unknown('nth of what is no list') if $nth && defined $f->[1] && !is_list($f->[1]);
				my ($found, $v) = at_key(@$f[ 0, 1 ], $b->{key});
				$next->([ $b->{out}, $v ], $c) if $found || !$must;
				return;
			},
			chg => sub {
				my ($f, $c, $next) = @_;
				unknown('nth of what is no list') if $nth && defined $f->[1] && !is_list($f->[1]);
				my ($found, $v) = at_key(@$f[ 0, 1 ], $b->{key});
				return KEPT if $must && !$found;
				fail('2202E') if $nth && !$found;
				my $o = eval { $next->([ $b->{out}, $v ], $c) };
				# an element of a set can only be removed
				unknown('two errors') if !defined $o && (kind($f->[0]) eq 'set' || (is_list($f->[1]) && is_whole($b->{key}) && $b->{key}[1] > @{ $f->[1][1] }));
				die $@ unless defined $o;
				return with_key(@$f[ 0, 1 ], $b->{key}, $o, !$nth);
			} };
	});
	return;
}
key_navigator('key keypath', 0, 0);
key_navigator('must', 0, 1);
key_navigator('nth nthpath', 1, 0);

# -- elements --

navigator('all ALL', 0, 0, sub {
	my ($in) = @_;
	return {
		out => element_shape($in),
		sel => sub { my ($f, $c, $next) = @_; $next->($_, $c) foreach elements($f); return },
		chg => sub {
			my ($f, $c, $next) = @_;
			my $left = each_changed([ elements($f) ], $c, $next);
			return KEPT if $left eq KEPT;
			return [ kind($f->[0]) eq 'pair' && @$left < 2 ? list(@$left) : remade($f, @$left) ];
		} };
});

sub end_navigator
{
	my ($names, $end) = @_;

	navigator($names, 0, 0, sub {
		my ($in) = @_;
		return {
			out => element_shape($in),
			sel => sub {
				my ($f, $c, $next) = @_;
				my @all = elements($f);
				$next->($all[$end], $c) if @all;
				return;
			},
			chg => sub {
				my ($f, $c, $next) = @_;
				my @all = elements($f);
				return KEPT unless @all;
				my $o = $next->($all[$end], $c);
				return KEPT if $o eq KEPT;
				my @left = map { $_->[1] } @all;
				splice @left, $end, 1;
				# what it becomes replaces an entry that is there
				if (ref $o)
				{
					is_map($f->[1]) || kind($f->[0]) =~ /^(?:struct|set)$/ ? push @left, $o->[0]
					  : $end ? push @left, $o->[0] : unshift @left, $o->[0];
				}
				return [ kind($f->[0]) eq 'pair' && @left < 2 ? list(@left) : remade($f, @left) ];
			} };
	});
	return;
}
end_navigator('first FIRST', 0);
end_navigator('last LAST', -1);

sub map_navigator
{
	my ($names, $part) = @_;

	navigator($names, 0, 0, sub {
		my ($in) = @_;
		needs($in, 'map', 'struct');
		my $out = kind($in) eq 'map' ? $in->{ $part ? 'val' : 'key' } : undef;
		my $foci = sub {
			my ($f) = @_;
			my $v = kind($f->[0]) eq 'struct' ? plain_value(@$f[ 0, 1 ]) : $f->[1];
			return map { [ $out, $_->[$part], $_ ] } entries_of($v);
		};
		return {
			out => $out,
			sel => sub { my ($f, $c, $next) = @_; $next->([ @$_[ 0, 1 ] ], $c) foreach $foci->($f); return },
			chg => sub {
				my ($f, $c, $next) = @_;
				my $changed = 0;
				my @left;
				foreach my $focus ($foci->($f))
				{
					my $o = $next->([ @$focus[ 0, 1 ] ], $c);
					my @entry = @{ $focus->[2] };
					$changed = 1 if $o ne KEPT;
					next if $o eq VOID;
					$entry[$part] = $o->[0] if ref $o;
					push @left, list(@entry);
				}
				return $changed ? [ remade($f, @left) ] : KEPT;
			} };
	});
	return;
}
map_navigator('map-keys mapKeys MAP-KEYS', 0);
map_navigator('map-vals mapVals MAP-VALS', 1);

# -- parts --

# A list's part [from, to): what became of it takes its place.
sub spliced
{
	my ($f, $from, $to, $o) = @_;

	return KEPT if $o eq KEPT;
	my @new = $o eq VOID ? () : new_elements_of($o->[0]);
	return KEPT if !@new && $from == $to && !is_list($f->[1]);
	return KEPT if !@new && ($from >= $to || $from >= list_of($f->[1]));
	my @list = list_of($f->[1]);
	$from = @list if $from > @list;
	$to = @list if $to > @list;
	return KEPT if is_null($f->[1]) && !@new;
	splice @list, $from, $to - $from, @new;
	return [ list(@list) ];
}

sub new_elements_of
{
	my ($v) = @_;

	fail('22P02') unless is_null($v) || is_list($v);
	return list_of($v);
}

sub sublist
{
	my ($f, $from, $to) = @_;
	my @list = list_of($f->[1]);

	unknown('a part of a set that is plain data, as a list') if is_list($f->[1]) && ($f->[1][2] // '') eq 'set';

	$to = @list if $to > @list;
	return [ $f->[0], [ l => [ $from < $to ? @list[ $from .. $to - 1 ] : () ], $f->[0] ? () : 'part' ] ];
}

navigator('srange sublist', 2, 2, sub {
	my ($in, $from, $to) = @_;
	needs($in, 'vector');
	($from, $to) = (whole($from), whole($to));
	fail('22023') if $from < 0 || $to < $from;
	return {
		out => $in,
		sel => sub { my ($f, $c, $next) = @_; return $next->(sublist($f, $from, $to), $c) },
		chg => sub { my ($f, $c, $next) = @_; return spliced($f, $from, $to, $next->(sublist($f, $from, $to), $c)) } };
});

navigator('srange-dynamic sublistDynamic', 2, 2, sub {
	my ($in, @bounds) = @_;
	needs($in, 'vector');
	my @calls = map { my ($f, @args) = is_list($_) ? @{ $_->[1] } : $_; [ function_of($f, @args), @args ] } @bounds;
	my $range = sub {
		my ($f) = @_;
		fail('22023') if defined $f->[1] && !is_list($f->[1]);
		return (0, 0) if is_null($f->[1]);
		my ($from, $to) = map { my ($name, @args) = @$_; whole(call_on($name, $f, @args)) } @calls;
		fail('22023') if $from < 0 || $to < $from;
		return ($from, $to);
	};
	return {
		out => $in,
		sel => sub { my ($f, $c, $next) = @_; return $next->(sublist($f, $range->($f)), $c) },
		chg => sub {
			my ($f, $c, $next) = @_;
			my ($from, $to) = $range->($f);
			return spliced($f, $from, $to, $next->(sublist($f, $from, $to), $c));
		} };
});

navigator('continuous-subseqs', 1, -1, sub {
	my ($in, $name, @args) = @_;
	needs($in, 'vector');
	my $function = function_of($name, @args);
	check_function($function, $in->{val}, @args) if $in;
	my $runs = sub {
		my ($f) = @_;
		my @list = list_of($f->[1]);
		my @runs;
		unknown('runs of a set') if is_list($f->[1]) && ($f->[1][2] // '') eq 'set';
		foreach my $i (0 .. $#list)
		{
			next unless truth(call_on($function, [ below($f->[0], 'val'), $list[$i] ], @args));
			if (@runs && $runs[-1][1] == $i) { $runs[-1][1]++ } else { push @runs, [ $i, $i + 1 ] }
		}
		return @runs;
	};
	return {
		out => $in,
		sel => sub { my ($f, $c, $next) = @_; $next->(sublist($f, @$_), $c) foreach $runs->($f); return },
		chg => sub {
			my ($f, $c, $next) = @_;
			my $changed = 0;
			my @list = list_of($f->[1]);
			# from the last one on, as in Specter
			foreach my $run (reverse $runs->($f))
			{
				my $o = $next->(sublist($f, @$run), $c);
				next if $o eq KEPT;
				splice @list, $run->[0], $run->[1] - $run->[0], $o eq VOID ? () : new_elements_of($o->[0]);
				$changed = 1;
			}
			return $changed ? [ list(@list) ] : KEPT;
		} };
});

# Entries of a map, elements of a set: those in the part, and the others
sub part_navigator
{
	my ($names, $min, $max, $kind, $pairs, $bind) = @_;

	navigator($names, $min, $max, sub {
		my ($in, @args) = @_;
		needs($in, $kind, $kind eq 'map' ? 'struct' : ());
		unknown('part of a struct') if kind($in) eq 'struct';
		my $choose = $bind->(below($in, 'key'), @args);
		my $take = sub {
			my ($f) = @_;
			my @all = $kind eq 'map' ? entries_of($f->[1]) : map { [$_] } set_list($f->[1]);
			unknown('a plain set with equal elements') if $kind eq 'set' && !$f->[0] && @all != keys %{ { map { (json_text($_->[0]) => 1) } @all } };
			unknown('containers in a set') if $pairs && grep { is_container($_->[0]) } @all;
			unknown('a plain set of other things than text') if $pairs && $kind eq 'set' && !$f->[0] && grep { !is_string($_->[0]) } @all;
			@all = sort_entries(@all) if $pairs && $kind eq 'set' && !$f->[0];
			my $chosen = $choose->(@all);
			return ([ grep { $chosen->{ json_text($_->[0]) } } @all ], [ grep { !$chosen->{ json_text($_->[0]) } } @all ]);
		};
		my $focus = sub {
			my ($f, $part) = @_;
			return [ $f->[0], $kind eq 'map' ? [ m => $part, $pairs ] : [ l => [ map { $_->[0] } @$part ], $f->[0] ? () : 'set' ] ];
		};
		return {
			out => $in,
			sel => sub { my ($f, $c, $next) = @_; return $next->($focus->($f, ($take->($f))[0]), $c) },
			chg => sub {
				my ($f, $c, $next) = @_;
				my ($part, $others) = $take->($f);
				my $o = $next->($focus->($f, $part), $c);
				return KEPT if $o eq KEPT || ($o eq VOID && !@$part);
				unknown('a set that is plain data, written in part') if $kind eq 'set' && !$f->[0];
				my @new = $o eq VOID || is_null($o->[0]) ? () : $kind eq 'set' ? map { [$_] } list_of($o->[0])
				  : is_map($o->[0]) ? @{ $o->[0][1] } : is_list($o->[0]) ? map { is_list($_) && @{ $_->[1] } == 2 ? $_->[1] : fail('22P02') } @{ $o->[0][1] } : fail('22P02');
				@new = map { [ str(key_text($_->[0])), $_->[1] ] } @new if $kind eq 'map' && !$f->[0];
				return KEPT if !@$part && !@new;
				my @all = (@$others, @new);
				return [ $kind eq 'map' ? [ @{ map_of(@all) }[ 0, 1 ], is_null($f->[1]) ? () : $f->[1][2] ] : set_of(map { $_->[0] } @all) ];
			} };
	});
	return;
}

sub option
{
	my ($options, $name, $default) = @_;

	return $default unless is_map($options);
	my ($entry) = grep { $_->[0][1] eq $name } @{ $options->[1] };
	return $entry ? $entry->[1][1] : $default;
}

sub chosen { return { map { (json_text($_->[0]) => 1) } @_ } }

# Keys are compared as the place's; those of plain data as the text they have.
sub key_order
{
	my ($node, $a, $b) = @_;

	return compare($a, $b) // unknown('keys without an order') if $node;
	unknown('keys of other kinds than text') unless is_string($a) && !is_container($b) && $b->[0] ne 'b';
	return $a->[1] cmp $b->[1];
}

foreach my $kind (qw(map set))
{
	my $name = $kind eq 'map' ? 'Map' : 'Set';
	my $check = sub {
		my ($options) = @_;
		return unless defined $options;
		fail('22023') unless is_map($options) || is_whole($options);
		fail('22023') if is_whole($options) && $options->[1] < 0;
		fail('22023') if is_map($options) && option($options, 'max-amt', 0) < 0;
		return;
	};
	my $amount = sub { my ($options) = @_; is_number($options) ? $options->[1] : option($options, 'max-amt', -1) };

	part_navigator("sorted-$kind-range sorted${name}Range", 2, 3, $kind, 1, sub {
		my ($node, $from, $to, $options) = @_;
		($from, $to) = (conform_key($node, $from), conform_key($node, $to));
		my ($in_start, $in_end) = (option($options, 'inclusive-start?', 1), option($options, 'inclusive-end?', 0));
		return sub {
			return chosen(grep {
				my ($low, $high) = (key_order($node, $_->[0], $from), key_order($node, $_->[0], $to));
				($low > 0 || ($low == 0 && $in_start)) && ($high < 0 || ($high == 0 && $in_end))
			} @_);
		};
	});
	part_navigator("sorted-$kind-range-from sorted${name}RangeFrom", 1, 2, $kind, 1, sub {
		my ($node, $from, $options) = @_;
		$from = conform_key($node, $from);
		$check->($options);
		my $inclusive = option($options, 'inclusive?', 1);
		my $n = $amount->($options);
		return sub {
			my @part = grep { my $o = key_order($node, $_->[0], $from); $o > 0 || ($o == 0 && $inclusive) } @_;
			splice @part, $n if $n >= 0 && $n < @part;
			return chosen(@part);
		};
	});
	part_navigator("sorted-$kind-range-to sorted${name}RangeTo", 1, 2, $kind, 1, sub {
		my ($node, $to, $options) = @_;
		$to = conform_key($node, $to);
		$check->($options);
		my $inclusive = option($options, 'inclusive?', 0);
		my $n = $amount->($options);
		return sub {
			my @part = grep { my $o = key_order($node, $_->[0], $to); $o < 0 || ($o == 0 && $inclusive) } @_;
			splice @part, 0, @part - $n if $n >= 0 && $n < @part;
			return chosen(@part);
		};
	});
	part_navigator("sorted-$kind-range-from-start sorted${name}RangeFromStart", 1, 1, $kind, 1, sub {
		my ($node, $n) = @_;
		$check->($n);
		$n = whole($n);
		return sub { my @part = @_; splice @part, $n if $n < @part; return chosen(@part) };
	});
	part_navigator("sorted-$kind-range-to-end sorted${name}RangeToEnd", 1, 1, $kind, 1, sub {
		my ($node, $n) = @_;
		$check->($n);
		$n = whole($n);
		return sub { my @part = @_; splice @part, 0, @part - $n if $n < @part; return chosen(@part) };
	});
	part_navigator($kind eq 'map' ? 'submap subMap sub-map' : 'subset', 1, -1, $kind, 0, sub {
		my ($node, @keys) = @_;
		@keys = @{ $keys[0][1] } if @keys == 1 && is_list($keys[0]);
		@keys = map { conform_key($node, $_) } @keys;
		return sub {
			my (@all) = @_;
			my $same = $kind eq 'map' ? sub { key_text($_[0]) eq key_text($_[1]) } : \&same;
			return chosen(grep { my $e = $_; grep { $same->($e->[0], $_) } @keys } @all);
		};
	});
}

# -- the elements themselves --

navigator('set-elem setElem', 1, 1, sub {
	my ($in, $e) = @_;
	needs($in, 'set');
	fail('22004') if is_null($e);
	$e = conform_key($in->{key}, $e) if $in;
	return {
		out => below($in, 'key'),
		sel => sub {
			my ($f, $c, $next) = @_;
			my ($found) = grep { same($_, $e) } set_list($f->[1]);
			$next->([ below($f->[0], 'key'), $found ], $c) if defined $found;
			return;
		},
		chg => sub {
			my ($f, $c, $next) = @_;
			my @list = set_list($f->[1]);
			my ($i) = grep { same($list[$_], $e) } 0 .. $#list;
			return KEPT unless defined $i;
			my $o = $next->([ below($f->[0], 'key'), $list[$i] ], $c);
			return KEPT if $o eq KEPT;
			fail('22004') if ref $o && is_null($o->[0]) && $f->[0];
			unknown('an element of a plain list that is replaced by one that is there') if ref $o && !$f->[0] && grep { same($_, $o->[0]) } @list;
			splice @list, $i, 1, ref $o ? $o->[0] : ();
			return [ $f->[0] ? set_of(map { conform_in($f->[0]{key}, $_) } @list) : list(@list) ];
		} };
});

navigator('map-key mapKey', 1, 1, sub {
	my ($in, $key) = @_;
	needs($in, 'map', 'struct');
	unknown('map-key of a struct') if kind($in) eq 'struct';
	$key = conform_key(below($in, 'key'), $key);
	return {
		out => below($in, 'key'),
		sel => sub {
			my ($f, $c, $next) = @_;
			my ($entry) = grep { key_text($_->[0]) eq key_text($key) } entries_of($f->[1]);
			$next->([ below($f->[0], 'key'), $entry->[0] ], $c) if $entry;
			return;
		},
		chg => sub {
			my ($f, $c, $next) = @_;
			my @entries = entries_of($f->[1]);
			my ($entry) = grep { key_text($_->[0]) eq key_text($key) } @entries;
			return KEPT unless $entry;
			my $o = $next->([ below($f->[0], 'key'), $entry->[0] ], $c);
			return KEPT if $o eq KEPT;
			fail('22004') if ref $o && is_null($o->[0]);
			@entries = grep { $_ != $entry } @entries;
			push @entries, [ $f->[0] ? conform_in($f->[0]{key}, $o->[0]) : str(key_text($o->[0])), $entry->[1] ] if ref $o;
			return [ [ @{ map_of(@entries) }[ 0, 1 ], $f->[1][2] ] ];
		} };
});

navigator('index-nav index', 1, 1, sub {
	my ($in, $i) = @_;
	needs($in, 'vector');
	$i = whole($i);
	return {
		out => undef,
		sel => sub {
			my ($f, $c, $next) = @_;
			my @list = list_of($f->[1]);
			$next->([ undef, num($i) ], $c) if $i >= 0 && $i < @list;
			return;
		},
		chg => sub {
			my ($f, $c, $next) = @_;
			my @list = list_of($f->[1]);
			return KEPT if $i < 0 || $i >= @list;
			return moved(\@list, $i, $next->([ undef, num($i) ], $c));
		} };
});

sub moved
{
	my ($list, $i, $o) = @_;

	return KEPT if $o eq KEPT;
	my ($element) = splice @$list, $i, 1;
	if (ref $o)
	{
		unknown('a move to what is no index') unless is_whole($o->[0]);
		fail('2202E') if $o->[0][1] < 0 || $o->[0][1] > @$list;
		splice @$list, $o->[0][1], 0, $element;
	}
	return [ list(@$list) ];
}

navigator('indexed-vals indexedVals INDEXED-VALS', 0, 1, sub {
	my ($in, $start) = @_;
	needs($in, 'vector');
	my $base = defined $start ? whole($start) : 0;
	my $out = $in ? $in->{indexed} //= { kind => 'pair', key => $INT, val => $in->{val} } : undef;
	return {
		out => $out,
		sel => sub {
			my ($f, $c, $next) = @_;
			my @list = list_of($f->[1]);
			$next->([ $out, [ l => [ num($_ + $base), $list[$_] ], $out ? () : 'pair' ] ], $c) foreach 0 .. $#list;
			return;
		},
		chg => sub {
			my ($f, $c, $next) = @_;
			my @list = list_of($f->[1]);
			my $changed = 0;
			my @now = map { [ $_, $list[$_] ] } 0 .. $#list;
			foreach my $i (0 .. $#list)
			{
				# an index takes into account where those before it have moved
				my ($here) = grep { $now[$_][0] == $i } 0 .. $#now;
				my $o = $next->([ $out, [ l => [ num($here + $base), $list[$i] ], $out ? () : 'pair' ] ], $c);
				next if $o eq KEPT;
				$changed = 1;
				if ($o eq VOID)
				{
					$now[$here][2] = 'gone';
					next;
				}
				fail('22023') if is_list($o->[0]) && @{ $o->[0][1] } == 2 && !is_number($o->[0][1][0]);
				unknown('half a pair') if is_list($o->[0]) && @{ $o->[0][1] } < 2;
				my ($to, $value) = @{ pair_entry($o->[0]) };
				unknown('a move to what is no index') unless is_whole($to);
				$to = $to->[1] - $base;
				fail('2202E') if $to < 0 || $to >= @now;
				splice @now, $here, 1;
				splice @now, $to, 0, [ $i, $value ];
			}
			return $changed ? [ list(map { $_->[1] } grep { !$_->[2] } @now) ] : KEPT;
		} };
});

# -- not there yet --

sub new_element
{
	my ($names, $nargs, $kind, $at) = @_;

	navigator($names, $nargs, $nargs, sub {
		my ($in, @args) = @_;
		needs($in, $kind);
		my $i = $nargs ? whole($args[0]) : undef;
		fail('22023') if $nargs && $i < 0;
		my $out = $kind eq 'set' ? below($in, 'key') : below($in, 'val');
		return {
			out => $out,
			sel => sub { return },
			chg => sub {
				my ($f, $c, $next) = @_;
				my $o = eval { $next->([ $out, undef, 1 ], $c) };
				unknown('two errors') if !defined $o && $nargs && is_list($f->[1]) && $i > @{ $f->[1][1] };
				die $@ unless defined $o;
				return KEPT if !ref $o;
				my @list = $kind eq 'set' ? set_list($f->[1]) : list_of($f->[1]);
				if ($kind eq 'set')
				{
					fail('22004') if is_null($o->[0]) && $f->[0];
					unknown('a null element of a plain list') if is_null($o->[0]);
					return [ set_of(@list, conform_in($f->[0]{key}, $o->[0])) ] if $f->[0];
					push @list, $o->[0] unless grep { same($_, $o->[0]) } @list;
					return [ list(@list) ];
				}
				my $to = $at->($i, scalar @list);
				fail('2202E') if $to > @list;
				splice @list, $to, 0, $o->[0];
				return [ list(@list) ];
			} };
	});
	return;
}
new_element('after-elem afterElem AFTER-ELEM', 0, 'vector', sub { $_[1] });
new_element('before-elem beforeElem BEFORE-ELEM', 0, 'vector', sub { 0 });
new_element('before-index beforeIndex', 1, 'vector', sub { $_[0] });
new_element('none-elem voidSetElem NONE-ELEM', 0, 'set');

sub new_elements
{
	my ($names, $at) = @_;

	navigator($names, 0, 0, sub {
		my ($in) = @_;
		needs($in, 'vector');
		return {
			out => $in,
			sel => sub { my ($f, $c, $next) = @_; return $next->([ $f->[0], list() ], $c) },
			chg => sub {
				my ($f, $c, $next) = @_;
				my $to = $at->(is_list($f->[1]) ? scalar @{ $f->[1][1] } : 0);
				return spliced($f, $to, $to, $next->([ $f->[0], list() ], $c));
			} };
	});
	return;
}
new_elements('end END', sub { $_[0] });
new_elements('beginning BEGINNING', sub { 0 });

# -- functions, defaults --

navigator('view', 1, -1, sub {
	my ($in, $name, @args) = @_;
	my $f = function_of($name, @args);
	check_function($f, $in, @args);
	return {
		out => undef,
		sel => sub { my ($focus, $c, $next) = @_; return $next->([ undef, call_in($in, $f, $focus, @args) ], $c) },
		chg => sub {
			my ($focus, $c, $next) = @_;
			my $o = $next->([ undef, call_in($in, $f, $focus, @args) ], $c);
			return ref $o ? [ conform_place($focus->[0], $o->[0]) ] : $o;
		} };
});

# May the constant be at a place? Else what follows sees plain data.
sub fits
{
	my ($node, $v) = @_;

	return 1 if !$node;
	return 0 if $node->{kind} =~ /^(?:pair|date)$/ || is_key($node) || is_null($v);
	return is_map($v) if $node->{kind} =~ /^(?:map|struct)$/;
	return is_list($v) if $node->{kind} =~ /^(?:vector|set)$/;
	return $v->[0] eq { int => 'n', text => 's', boolean => 'b' }->{ $node->{kind} };
}

sub default_navigator
{
	my ($names, $nargs, $constant) = @_;

	navigator($names, $nargs, $nargs, sub {
		my ($in, $given) = @_;
		my $v = $constant // $given;
		my $fits = fits($in, $v);
		my $out = $fits ? $in : undef;
		my $default = $fits ? conform($in, $v) : $v;
		my $at = sub { my ($f) = @_; return is_null($f->[1]) ? [ $out, $default ] : $f };
		return {
			out => $out,
			sel => sub { my ($f, $c, $next) = @_; return $next->($at->($f), $c) },
			chg => sub {
				my ($f, $c, $next) = @_;
				my $focus = $at->($f);
				my $o = $next->([ @$focus[ 0, 1 ] ], $c);
				$o = [ $focus->[1] ] if $o eq KEPT && is_null($f->[1]);
				if (ref $o && $f->[0] && !$in)
				{
					my $new = eval { [ conform_place($f->[0], as_json($focus->[0], $o->[0])) ] };
					return $new // unknown('a default that does not fit, where paths have joined');
				}
				return ref $o && !$fits ? [ conform_place($f->[0], as_json($focus->[0], $o->[0])) ] : $o;
			} };
	});
	return;
}
default_navigator('nil->val nullToVal', 1);
default_navigator('nil->list NIL->LIST nil->vector NIL->VECTOR nil->set NIL->SET', 0, list());

navigator('NONE->val', 1, 1, sub {
	my ($in, $v) = @_;
	return {
		out => $in,
		sel => sub { my ($f, $c, $next) = @_; return $next->($f, $c) },
		chg => sub {
			my ($f, $c, $next) = @_;
			return $next->($f, $c) unless $f->[2];
			my $default = conform_place($f->[0], $v);
			my $o = $next->([ $f->[0], $default ], $c);
			return $o eq KEPT ? [$default] : $o;
		} };
});

# -- filters --

sub filter
{
	my ($names, $min, $max, $bind) = @_;

	navigator($names, $min, $max, sub {
		my ($in, @args) = @_;
		my $test = $bind->($in, @args);
		return {
			out => $in,
			sel => sub { my ($f, $c, $next) = @_; $next->($f, $c) if $test->($f, $c); return },
			chg => sub { my ($f, $c, $next) = @_; return $test->($f, $c) ? $next->($f, $c) : KEPT } };
	});
	return;
}
filter('stay STAY', 0, 0, sub { return sub { 1 } });
filter('stop STOP', 0, 0, sub { return sub { 0 } });
filter('pred filterPred', 1, -1, sub {
	my ($in, $name, @args) = @_;
	my $f = function_of($name, @args);
	check_function($f, $in, @args);
	return sub { truth(call_in($in, $f, $_[0], @args)) };
});

sub comparison
{
	my ($names, $holds) = @_;

	filter($names, 1, 1, sub {
		my ($in, $constant) = @_;
		my $v = $constant;
		if ($in && is_scalar($in) && defined $v)
		{
			fail('22P02') if $in->{kind} eq 'int' && is_string($v) && $v->[1] !~ /^-?\d+$/;
			unknown('a boolean compared with text') if $in->{kind} eq 'boolean' && is_string($v);
			$v = $in->{kind} eq 'int' && (is_number($v) || is_string($v)) ? num($v->[1]) : conform_key($in, $v);
		}
		return sub {
			my ($f) = @_;
			return $holds->(undef, same(as_json(@$f[ 0, 1 ]), $v)) if is_container($f->[1]) || is_container($v) || is_null($f->[1]) || is_null($v);
			my $order = compare($f->[1], $v);
			return $holds->($order, defined $order && $order == 0);
		};
	});
	return;
}
comparison('pred= filterEqual', sub { $_[1] });
comparison('prednot= filterNotEqual', sub { !$_[1] });
comparison('pred< filterLessThan', sub { defined $_[0] && $_[0] < 0 });
comparison('pred<= filterLessThanOrEqual', sub { defined $_[0] && $_[0] <= 0 });
comparison('pred> filterGreaterThan', sub { defined $_[0] && $_[0] > 0 });
comparison('pred>= filterGreaterThanOrEqual', sub { defined $_[0] && $_[0] >= 0 });

sub reading_path
{
	my ($path, $in) = @_;
	my $bound = bind_path($path, $in);

	fail('22023') if $bound->{terminal};
	return $bound;
}

filter('selected? filterSelected', 1, 1, sub {
	my ($in, $path) = @_;
	my $bound = reading_path($path, $in);
	return sub { selects($bound, $_[0]) };
});
filter('not-selected? filterNotSelected', 1, 1, sub {
	my ($in, $path) = @_;
	my $bound = reading_path($path, $in);
	return sub { !selects($bound, $_[0]) };
});
filter('collected? isCollected', 1, -1, sub {
	my ($in, $name, @args) = @_;
	fail('22023') unless is_string($name);
	my $f = $function{ $name->[1] } // fail('42883');
	unknown('collected? with another number of values') if $name->[1] !~ $COLLECTION && $f->[1] >= 0;
	return sub {
		my ($focus, $c) = @_;
		my @values = $name->[1] =~ $COLLECTION ? list(@$c) : @$c;
		unknown('collected? with too few values') if @values + @args < $f->[0];
		return truth($f->[2]->(@values, @args));
	};
});

# -- branches --

# Where paths join: the shape that all have, and whether they end in terminals
sub joined
{
	my (@paths) = @_;
	my @ends = grep { !$_->{never} && !$_->{terminal} } @paths;
	my $terminals = grep { $_->{terminal} } @paths;

	fail('22023') if $terminals && $terminals != grep { $_->{terminal} || $_->{never} } @paths;
	unknown('some end in a terminal, some never') if $terminals && $terminals != @paths;
	my %shape = map { (($_->{out} // 'plain') => $_->{out}) } @ends;
	return (terminal => $terminals ? 1 : 0, out => $paths[0]{out}) if @paths == 1;
	return (terminal => $terminals ? 1 : 0, out => keys %shape == 1 ? (values %shape)[0] : undef,
		never => !$terminals && !@ends);
}

# The paths one after the other; each finds what those before it have made.
sub branching
{
	my ($names, $min, $max, $bind) = @_;

	navigator($names, $min, $max, sub {
		my ($in, @args) = @_;
		my @paths = $bind->($in, @args);
		unknown('paths that never end') if $in && !grep { !$_->{never} } @paths;
		return {
			joined(@paths),
			sel => sub { my ($f, $c, $next) = @_; go($_, 0, $f, $c, $next) foreach @paths; return },
			chg => sub {
				my ($f, $c, $next) = @_;
				my $result = KEPT;
				foreach my $path (@paths)
				{
					unknown('what a path finds where another one has removed the value') if $result eq VOID;
					# the whole is there, whatever else is null
					unknown('what a path finds in a collection that has become null')
					  if $path != $paths[0] && ref $result && is_null($f->[1]) && kind($f->[0]) =~ /^(?:map|set|vector)$/;
					my $o = eval { change($path, 0, $f, $c, $next) };
					# keys are converted when all is done
					unknown('two errors') if !defined $o && $path != $paths[-1] && kind($f->[0]) eq 'pair';
					die $@ unless defined $o;
					$result = $o if $o ne KEPT;
					$f = [ $f->[0], $o->[0] ] if ref $o;
				}
				return $result;
			} };
	});
	return;
}

my $HERE = list();
branching('multi-path multiPath', 1, -1, sub { my ($in, @paths) = @_; return map { bind_path($_, $in) } @paths });
branching('continue-then-stay continueThenStay', 1, 1, sub { my ($in, $path) = @_; return map { bind_path($_, $in) } $path, $HERE });
branching('stay-then-continue stayThenContinue', 1, 1, sub { my ($in, $path) = @_; return map { bind_path($_, $in) } $HERE, $path });
branching('with-page-size withPageSize', 2, 2, sub {
	my ($in, $n, $path) = @_;
	fail('22023') if whole($n) < 1;
	return bind_path($path, $in);
});

sub conditional
{
	my ($names, $min, $max, $cases) = @_;

	navigator($names, $min, $max, sub {
		my ($in, @args) = @_;
		my @cases = map { [ reading_path($_->[0], $in), bind_path($_->[1], $in) ] } $cases->(@args);
		unknown('paths that never end') if $in && !grep { !$_->[1]{never} } @cases;
		my $choose = sub {
			my ($f) = @_;
			foreach my $case (@cases)
			{
				return $case->[1] if selects($case->[0], $f);
			}
			return;
		};
		return {
			joined(map { $_->[1] } @cases),
			sel => sub { my ($f, $c, $next) = @_; my $path = $choose->($f); go($path, 0, $f, $c, $next) if $path; return },
			chg => sub { my ($f, $c, $next) = @_; my $path = $choose->($f); return $path ? change($path, 0, $f, $c, $next) : KEPT } };
	});
	return;
}
conditional('if-path ifPath', 2, 3, sub { my ($if, $then, $else) = @_; return ([ $if, $then ], $else ? [ $HERE, $else ] : ()) });
conditional('cond-path condPath', 2, -1, sub {
	my (@args) = @_;
	fail('22023') if @args % 2;
	return map { [ @args[ 2 * $_, 2 * $_ + 1 ] ] } 0 .. @args / 2 - 1;
});

# What becomes of a list of values goes to their places in order; places that
# are left without a value are removed.
sub write_back
{
	my ($path, $f, $o) = @_;

	return KEPT if $o eq KEPT;
	fail('22023') if ref $o && !is_list(as_json(undef, $o->[0]));
	my @values = ref $o ? list_of(as_json(undef, $o->[0])) : ();
	my $places = 0;
	my $result = change($path, 0, $f, [], sub {
		my ($place) = @_;
		$places++;
		return VOID unless @values;
		my $value = shift @values;
		return same(as_json(@$place[ 0, 1 ]), $value) ? KEPT : [ conform_place($place->[0], $value) ];
	});
	unknown('more values than places') if @values;
	return $result;
}

sub steps_in { return map { ($_, map { steps_in($_) } @{ $_->{paths} // [] }) } @{ $_[0]{steps} } }

navigator('subselect', 1, 1, sub {
	my ($in, $path) = @_;
	my $bound = reading_path($path, $in);
	return {
		out => undef,
		sel => sub { my ($f, $c, $next) = @_; return $next->([ undef, list(selected($bound, $f)) ], $c) },
		chg => sub {
			my ($f, $c, $next) = @_;
			my $found = list(selected($bound, $f));
			unknown('the list of what is not there') if $f->[2];
			return write_back($bound, $f, $next->([ undef, $found ], $c));
		} };
});

navigator('filterer filteredList', 1, 1, sub {
	my ($in, $path) = @_;
	my $of = element_shape($in);
	my $bound = bind_path(list(list(str('all')), list(str('selected?'), $path)), $in);
	my $out = kind($in) eq 'vector' ? $in : $in ? $in->{filtered} //= { kind => 'vector', val => $of } : undef;
	return {
		out => kind($in) eq 'vector' ? $out : undef,
		sel => sub {
			my ($f, $c, $next) = @_;
			my @found;
			my $node = kind($f->[0]) =~ /^(?:set|struct|pair)$/ ? undef : $out;
			go($bound, 0, $f, [], sub { push @found, $node ? $_[0][1] : as_json(@{ $_[0] }[ 0, 1 ]) });
			return $next->([ $node, list(@found) ], $c);
		},
		chg => sub {
			my ($f, $c, $next) = @_;
			my @found;
			my $node = kind($in) eq 'vector' ? $out : undef;
			unknown('the list of what is not there') if $f->[2];
			go($bound, 0, $f, [], sub { push @found, $node ? $_[0][1] : as_json(@{ $_[0] }[ 0, 1 ]) });
			my $o = $next->([ $node, list(@found) ], $c);
			unknown('which error') if ref $o && !is_list($o->[0]);
			return write_back($bound, $f, ref $o ? [ as_json($node, $o->[0]) ] : $o);
		} };
});

# -- collected values --

sub collecting
{
	my ($names, $nargs, $bind) = @_;

	navigator($names, $nargs, $nargs, sub {
		my ($in, @args) = @_;
		my $collected = $bind->($in, @args);
		my $both = sub { my ($f, $c, $next) = @_; return $next->($f, $collected->($f, $c)) };
		return { out => $in, sel => $both, chg => $both };
	});
	return;
}
collecting('collect', 1, sub {
	my ($in, $path) = @_;
	my $bound = reading_path($path, $in);
	return sub { my ($f, $c) = @_; return [ @$c, list(selected($bound, $f)) ] };
});
collecting('collect-one collectOne', 1, sub {
	my ($in, $path) = @_;
	my $bound = reading_path($path, $in);
	return sub {
		my ($f, $c) = @_;
		my @found;
		go($bound, 0, $f, [], sub {
			my ($at, $with) = @_;
			fail('P0003') if @found;
			@found = collected_value($at, $with);
		});
		return [ @$c, $found[0] ];
	};
});
collecting('val VAL', 0, sub { return sub { my ($f, $c) = @_; return [ @$c, as_json(@$f[ 0, 1 ]) ] } });
collecting('putval putCollected', 1, sub { my ($in, $v) = @_; return sub { return [ @{ $_[1] }, $v ] } });
collecting('dispense dispenseCollected DISPENSE', 0, sub { return sub { return [] } });

navigator('with-fresh-collected withFreshCollected', 1, 1, sub {
	my ($in, $path) = @_;
	my $bound = bind_path($path, $in);
	unknown('a path that never ends') if $in && $bound->{never};
	return {
		joined($bound),
		sel => sub { my ($f, $c, $next) = @_; return go($bound, 0, $f, [], sub { $next->($_[0], $c) }) },
		chg => sub { my ($f, $c, $next) = @_; return change($bound, 0, $f, [], sub { $next->($_[0], $c) }) } };
});

# -- transformed, terminals --

navigator('transformed multi-transformed multiTransformed', 1, 1, sub {
	my ($in, $path) = @_;
	my $bound = bind_path($path, $in);
	fail('22023') unless $bound->{terminal};
	my $result = sub {
		my ($f) = @_;
		my $o = eval { change($bound, 0, [ @$f[ 0, 1 ] ], [], sub { die 'no terminal' }) };
		unknown('what becomes of a pair') if kind($f->[0]) eq 'pair' && (!defined $o || (ref $o && kind($f->[0]{val}) eq 'struct'));
		die $@ unless defined $o;
		my $v = $o eq KEPT ? $f->[1] : ref $o ? $o->[0] : undef;
		unknown('what becomes of a range') if is_map($v) && $v->[2];
		return [ undef, as_json($f->[0], $v) ];
	};
	return {
		out => undef,
		sel => sub { my ($f, $c, $next) = @_; return $next->($result->($f), $c) },
		chg => sub {
			my ($f, $c, $next) = @_;
			my $o = $next->($result->($f), $c);
			return ref $o ? [ conform_place($f->[0], $o->[0]) ] : $o;
		} };
});

navigator('term', 1, -1, sub {
	my ($in, $name, @args) = @_;
	fail('22023') unless is_string($name);
	my $f = $function{ $name->[1] } // fail('42883');
	return {
		terminal => 1,
		out => undef,
		sel => sub { die 'a terminal is not read' },
		chg => sub {
			my ($focus, $c) = @_;
			my @args = (@$c, as_json(@$focus[ 0, 1 ]), @args);
			unknown('arguments of a function with collected values') if @args < $f->[0] || ($f->[1] >= 0 && @args > $f->[1]);
			return [ conform_to($focus->[0], @args == 1 && !@$c ? call_on($name->[1], $focus) : $f->[2]->(@args)) ];
		} };
});
navigator('term-val termVal', 1, 1, sub {
	my ($in, $v) = @_;
	return {
		terminal => 1,
		out => undef,
		chg => sub { my ($focus) = @_; return [ conform_to($focus->[0], $v) ] } };
});
navigator('NONE> term-void termVoid', 0, 0, sub {
	return { terminal => 1, out => undef, chg => sub { return VOID } };
});

# What a terminal makes of a place
sub conform_to
{
	my ($node, $v) = @_;

	fail('22023') if kind($node) eq 'pair' && !(is_list($v) && @{ $v->[1] } == 2);
	return conform_place($node, $v);
}

1;
