# PStates as Perl data: what put, add, push, remove, get, count and select do,
# and the rows that the tables must have. Nothing is shared with the server's
# code but the syntax of schemas.
#
#   map     { comparable key => [key as first given, value] }
#   set     { comparable key => [element] }
#   vector  [ values ]
#   struct  { field => value }, without its null fields
#   scalar  its text, as the type prints it; undef is null or absent
#
# Arguments: a string is text, \"1.50" a JSON number, undef null, arrays and
# hashes JSON. Errors die with an SQLSTATE as text.
package PStateModel;

use strict;
use warnings;

use Math::BigInt;
use Storable qw(dclone);

sub new
{
	my ($class, %schemas) = @_;
	my %nodes = map { $_ => parse_schema($schemas{$_}) } keys %schemas;

	return bless { nodes => \%nodes, value => {}, touched => {} }, $class;
}

# What a rolled-back block has to give back.
sub save
{
	my ($self) = @_;

	return dclone({ value => $self->{value}, touched => $self->{touched} });
}

sub restore
{
	my ($self, $saved) = @_;

	%$self = (%$self, %$saved);
	return;
}

# Which PStates has this been changed since the last call?
sub take_touched
{
	my ($self) = @_;
	my @names = sort keys %{ $self->{touched} };

	$self->{touched} = {};
	return @names;
}

# Schemas: the grammar of rama.create_pstate().

sub parse_schema
{
	my ($text) = @_;
	my @tokens = $text =~ /\w+|[(),:]/g;
	my $node = parse_node(\@tokens);

	$node->{sub} = 1;
	return $node;
}

sub parse_name
{
	my ($tokens) = @_;

	return if @$tokens < 2 || $tokens->[1] ne ':';
	return (splice @$tokens, 0, 2)[0];
}

sub parse_node
{
	my ($tokens) = @_;
	my $kind = shift @$tokens;
	my %node = (kind => $kind);

	if ($kind !~ /^(?:map|vector|set|struct)$/)
	{
		return { kind => 'scalar', type => $kind };
	}
	shift @$tokens;
	if ($kind eq 'map' || $kind eq 'set')
	{
		$node{level} = parse_name($tokens) // ($kind eq 'map' ? 'key' : 'elem');
		$node{key} = shift @$tokens;
	}
	shift @$tokens if $kind eq 'map';
	if ($kind eq 'map' || $kind eq 'vector')
	{
		my $name = parse_name($tokens);

		$node{level} //= $name // 'elem';
		$node{child} = parse_node($tokens);
		$node{child}{name} = $name;
	}
	$node{key} = 'bigint' if $kind eq 'vector';
	while ($kind eq 'struct')
	{
		my $name = parse_name($tokens);
		my $field = parse_node($tokens);

		$field->{name} = $name;
		push @{ $node{fields} }, $field;
		last if (shift @$tokens) eq ')';
	}
	shift @$tokens if $kind ne 'struct';
	if (@$tokens && $tokens->[0] eq 'subindex')
	{
		shift @$tokens;
		$node{sub} = 1;
	}
	return \%node;
}

# Types

# A value of a type: its text as the type prints it.
sub convert
{
	my ($type, $given) = @_;
	my $isjson = ref $given eq 'SCALAR';
	my $text = $isjson ? $$given : $given;

	return undef unless defined $given;
	die "22P02\n" if ref $given && !$isjson;
	return $text if $type eq 'text';
	if ($type eq 'bigint' || $type eq 'int')
	{
		die "22P02\n" unless $text =~ /^-?\d+$/;
		my $limit = $type eq 'int' ? '2147483647' : '9223372036854775807';
		die "22003\n" if Math::BigInt->new($text)->bgt($limit);
		return $text;
	}
	if ($type eq 'uuid')
	{
		die "22P02\n" unless $text =~ /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
		return lc $text;
	}
	return $text if $type ne 'numeric' && $text =~ /^(?:NaN|-?Infinity)$/;
	die "22P02\n" unless $text =~ /^-?\d+(\.\d+)?$/;
	return $text if $type eq 'numeric';
	$text =~ s/\.?0+$// if $text =~ /\./;
	$text = '0' if $text eq '-0' && $isjson;
	return $text;
}

# Equal keys have the same, whatever their text.
sub comparable
{
	my ($type, $text) = @_;

	$text =~ s/\.?0+$// if $type eq 'numeric' && $text =~ /\./;
	$text = '0' if $text eq '-0' && $type =~ /^(?:numeric|float8)$/;
	return $text;
}

sub as_number
{
	my ($text) = @_;

	return 9**9**9 * 2 if $text eq 'NaN';    # after Infinity, see compare_keys()
	return $text eq 'Infinity' ? 9**9**9 : $text eq '-Infinity' ? -9**9**9 : $text;
}

sub compare_keys
{
	my ($type, $x, $y) = @_;

	return $x cmp $y if $type eq 'text' || $type eq 'uuid';
	return ($x eq 'NaN') <=> ($y eq 'NaN') if $x eq 'NaN' || $y eq 'NaN';
	return as_number($x) <=> as_number($y);
}

sub sorted_keys
{
	my ($node, $collection) = @_;

	return sort { compare_keys($node->{key}, $a, $b) } keys %$collection;
}

sub scalar_json
{
	my ($type, $text) = @_;

	return 'null' unless defined $text;
	return $text eq '-0' ? '0' : $text
	  if $type !~ /^(?:text|uuid)$/ && $text !~ /N|I/;
	$text =~ s/(["\\])/\\$1/g;
	return "\"$text\"";
}

# An object as jsonb prints it: shorter keys first.
sub object_json
{
	my (%pairs) = @_;
	my @names = sort { length $a <=> length $b || $a cmp $b } keys %pairs;

	return '{' . join(', ', map { scalar_json('text', $_) . ": $pairs{$_}" } @names) . '}';
}

sub is_null_struct
{
	my ($node, $value) = @_;

	foreach my $field (@{ $node->{fields} })
	{
		my $inner = $value->{ $field->{name} };

		next unless defined $inner;
		return 0 unless $field->{kind} eq 'struct' && is_null_struct($field, $inner);
	}
	return 1;
}

sub json
{
	my ($node, $value) = @_;
	my $kind = $node->{kind};

	return 'null' unless defined $value;
	return scalar_json($node->{type}, $value) if $kind eq 'scalar';
	if ($kind eq 'map')
	{
		my %pairs;

		foreach my $entry (values %$value)
		{
			my $name = $entry->[0] eq '-0' && $node->{key} eq 'float8' ? '0' : $entry->[0];

			$pairs{$name} = json($node->{child}, $entry->[1]);
		}
		return object_json(%pairs);
	}
	if ($kind eq 'struct')
	{
		my %pairs;

		foreach my $field (@{ $node->{fields} })
		{
			my $inner = $value->{ $field->{name} };

			next if !defined $inner || ($field->{kind} eq 'struct' && is_null_struct($field, $inner));
			$pairs{ $field->{name} } = json($field, $inner);
		}
		return object_json(%pairs);
	}
	return '[' . join(', ', map { scalar_json($node->{key}, $value->{$_}[0]) } sorted_keys($node, $value)) . ']'
	  if $kind eq 'set';
	return '[' . join(', ', map { json($node->{child}, $_) } @$value) . ']';
}

# Places

sub absent_value
{
	my ($node) = @_;

	return $node->{kind} eq 'struct' ? {} : undef;
}

sub field_of
{
	my ($node, $name) = @_;
	my ($field) = grep { $_->{name} eq $name } @{ $node->{fields} };

	die "42703\n" unless $field;
	return $field;
}

# One key down from a place, a node with a reference to its value; levels that
# are missing are made if "create", otherwise the result is empty.
sub step
{
	my ($node, $ref, $given, $create) = @_;
	my $kind = $node->{kind};

	die "22004\n" unless defined $given;
	die "22023\n" if $kind eq 'scalar';
	if ($kind eq 'struct')
	{
		my $field = field_of($node, $given);

		return if !$create && !defined $$ref;
		return ($field, \$$ref->{$given});
	}
	my $key = convert($node->{key}, $given);
	if ($kind eq 'vector')
	{
		my $count = $$ref ? scalar @$$ref : 0;

		if ($key < 0 || $key >= $count)
		{
			return unless $create;
			die "2202E\n" if $key != $count;
			push @$$ref, absent_value($node->{child});
		}
		return ($node->{child}, \$$ref->[$key]);
	}
	my $name = comparable($node->{key}, $key);
	die "22023\n" if $kind eq 'set' && $create;
	if (!$$ref || !$$ref->{$name})
	{
		return unless $create;
		$$ref->{$name} = [ $key, absent_value($node->{child}) ];
	}
	return ({ kind => 'scalar', type => $node->{key} }, \$$ref->{$name}[0]) if $kind eq 'set';
	return ($node->{child}, \$$ref->{$name}[1]);
}

sub place
{
	my ($self, $pstate, $keys, $create) = @_;
	my ($node, $ref) = ($self->{nodes}{$pstate}, \$self->{value}{$pstate});

	$$ref //= {} if $create && $node->{kind} eq 'struct';
	foreach my $key (@$keys)
	{
		($node, $ref) = step($node, $ref, $key, $create);
		return unless $node;
	}
	return ($node, $ref);
}

# Values given for a node

sub build
{
	my ($node, $given) = @_;
	my $kind = $node->{kind};

	return $kind eq 'struct' ? {} : undef unless defined $given;
	return convert($node->{type}, $given) if $kind eq 'scalar';
	if ($kind eq 'struct')
	{
		my %value;

		die "22P02\n" unless ref $given eq 'HASH';
		field_of($node, $_) foreach keys %$given;
		foreach my $field (@{ $node->{fields} })
		{
			my $inner = build($field, $given->{ $field->{name} });

			$value{ $field->{name} } = $inner if defined $inner;
		}
		return \%value;
	}
	if ($kind eq 'vector')
	{
		die "22P02\n" unless ref $given eq 'ARRAY';
		return [ map { build($node->{child}, $_) } @$given ];
	}
	my %value;
	my @pairs = ref $given eq 'HASH' ? map { [ $_, $given->{$_} ] } keys %$given : @$given;

	foreach my $pair (@pairs)
	{
		$pair = [$pair] if $kind eq 'set';
		my $key = convert($node->{key}, $pair->[0]);

		$value{ comparable($node->{key}, $key) } =
		  [ $key, $kind eq 'set' ? () : build($node->{child}, $pair->[1]) ];
	}
	return \%value;
}

# The functions

sub put
{
	my ($self, $pstate, @args) = @_;
	my $given = pop @args;
	my ($node, $ref) = $self->place($pstate, \@args, 1);

	$$ref = build($node, $given);
	$self->{touched}{$pstate} = 1;
	return;
}

sub add_texts
{
	my ($x, $y) = @_;
	my ($xscale, $yscale) = map { /\.(\d+)/ ? length $1 : 0 } $x, $y;
	my $scale = $xscale > $yscale ? $xscale : $yscale;
	my ($xint, $yint) = map { (my $t = $_->[0]) =~ s/\.//; Math::BigInt->new($t . '0' x ($scale - $_->[1])) }
	  [ $x, $xscale ], [ $y, $yscale ];
	my $sum = $xint->badd($yint);
	my $sign = $sum->is_neg ? '-' : '';
	my $digits = $sum->babs->bstr;

	return "$sign$digits" if $scale == 0;
	$digits = '0' x ($scale + 1 - length $digits) . $digits if length $digits <= $scale;
	return $sign . substr($digits, 0, -$scale) . '.' . substr($digits, -$scale);
}

sub add
{
	my ($self, $pstate, @args) = @_;
	my $amount = pop @args;
	my ($node, $ref) = $self->place($pstate, \@args, 1);

	die "42804\n" if $node->{kind} ne 'scalar' || $node->{type} =~ /^(?:text|uuid)$/;
	$amount = convert('numeric', $amount) // die "22004\n";
	$$ref = convert($node->{type}, defined $$ref ? add_texts($$ref, $amount) : $amount);
	$self->{touched}{$pstate} = 1;
	return $$ref;
}

sub push_element
{
	my ($self, $pstate, @args) = @_;
	my $given = pop @args;
	my ($node, $ref) = $self->place($pstate, \@args, 1);

	if ($node->{kind} eq 'vector')
	{
		push @$$ref, build($node->{child}, $given);
		$self->{touched}{$pstate} = 1;
		return $#$$ref;
	}
	die "22023\n" if $node->{kind} ne 'set';
	my $key = convert($node->{key}, $given) // die "22004\n";
	my $name = comparable($node->{key}, $key);
	return 0 if $$ref && $$ref->{$name};
	$$ref->{$name} = [$key];
	$self->{touched}{$pstate} = 1;
	return 1;
}

sub remove
{
	my ($self, $pstate, @keys) = @_;
	my $last = pop @keys;
	my ($node, $ref) = $self->place($pstate, \@keys, 0);
	my $found = 0;

	if (!defined $last)
	{
		my $value = delete $self->{value}{$pstate};

		$found = defined $value;
		$found = 0 if $found && $self->{nodes}{$pstate}{kind} =~ /map|set/ && !%$value;
		$found = 0 if $found && $self->{nodes}{$pstate}{kind} eq 'vector' && !@$value;
	}
	elsif ($node && $node->{kind} eq 'struct')
	{
		my $field = field_of($node, $last);
		my $value = $$ref && $$ref->{$last};

		$found = defined $value && !($field->{kind} eq 'struct' && is_null_struct($field, $value));
		delete $$ref->{$last} if $found;
	}
	elsif ($node && $node->{kind} eq 'vector')
	{
		my $index = convert('bigint', $last);

		$found = $$ref && $index >= 0 && $index < @$$ref;
		splice @$$ref, $index, 1 if $found;
	}
	elsif ($node)
	{
		my $name = comparable($node->{key}, convert($node->{key}, $last));

		$found = $$ref && defined delete $$ref->{$name};
	}
	$self->{touched}{$pstate} = 1 if $found;
	return $found ? 1 : 0;
}

# The root's collection is never absent; a row of null fields is a value.
sub read_place
{
	my ($self, $pstate, @keys) = @_;
	my ($node, $ref) = $self->place($pstate, \@keys, 0);
	my $value = $node ? $$ref : undef;

	$value //= $node->{kind} eq 'vector' ? [] : {}
	  if !@keys && $node->{kind} =~ /^(?:map|set|vector)$/;
	return ($node, $value);
}

sub get
{
	my ($self, $pstate, @keys) = @_;
	my ($node, $value) = $self->read_place($pstate, @keys);

	return undef unless defined $value;
	return undef if $node->{kind} eq 'struct' && $node->{name} && @keys && is_null_struct($node, $value);
	return json($node, $value);
}

sub count
{
	my ($self, $pstate, @keys) = @_;
	my ($node, $value) = $self->read_place($pstate, @keys);

	return 0 unless defined $value;
	return ref $value eq 'ARRAY' ? scalar @$value : scalar keys %$value;
}

# The entries of a collection in order, as [key as JSON, node, value].
sub entries
{
	my ($self, $pstate, @keys) = @_;
	my ($node, $value) = $self->read_place($pstate, @keys);

	return unless defined $value;
	return map { [ $_, $node->{child}, $value->[$_] ] } 0 .. $#$value
	  if $node->{kind} eq 'vector';
	my $element = { kind => 'scalar', type => $node->{key} };
	return map { [ scalar_json($node->{key}, $value->{$_}[0]), $node->{child} // $element,
			$value->{$_}[ $node->{child} ? 1 : 0 ], $_ ] } sorted_keys($node, $value);
}

# Rows

sub row_columns
{
	my ($node, $value, $children, $keys, $table) = @_;

	if ($node->{kind} eq 'struct')
	{
		return map { row_columns($_, $value->{ $_->{name} }, $children, $keys, $table . '_' . $_->{name}) }
		  @{ $node->{fields} };
	}
	return $value // '~' if $node->{kind} eq 'scalar';
	return defined $value ? json($node, $value) : '~' unless $node->{sub};
	my $name = $node->{name} // $node->{level};
	push @$children, [ $node, $value, $name, @$keys ] if defined $value;
	return !defined $value ? '~' : ref $value eq 'ARRAY' ? scalar @$value : scalar keys %$value;
}

# All rows of a PState's tables, as "table|column|...", sorted.
sub rows
{
	my ($self, $pstate) = @_;
	my $root = $self->{nodes}{$pstate};
	my @todo = [ $root, $self->{value}{$pstate}, '' ];
	my @rows;

	while (my $collection = shift @todo)
	{
		my ($node, $value, $name, @keys) = @$collection;
		my $table = $name eq '' ? $pstate : "${pstate}_$name";
		my @entries;

		if ($node->{kind} =~ /^(?:scalar|struct)$/)
		{
			@entries = ([ [], $node, $value ]) if defined $value;
		}
		elsif ($node->{kind} eq 'vector')
		{
			@entries = map { [ [$_], $node->{child}, $value->[$_] ] } 0 .. $#{ $value // [] };
		}
		else
		{
			@entries = map { [ [ $_->[0] ], $node->{child}, $_->[1] ] } values %{ $value // {} };
		}
		foreach my $entry (@entries)
		{
			my @row = (@keys, @{ $entry->[0] });

			push @rows, join '|', $table, @row,
			  $entry->[1] ? row_columns($entry->[1], $entry->[2], \@todo, \@row, '') : ();
		}
	}
	return sort @rows;
}

1;
