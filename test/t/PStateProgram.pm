# Programs of the model test: random ones, and what each operation does to the
# model and answers. The same operations are done by by_path(), by_sql(),
# with_cursor() and run_block() of buffer_model.sql.
package PStateProgram;

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use Exporter 'import';
use PStateModel;
use Storable qw(dclone);

our @EXPORT_OK = qw(%schemas new_state random_event random_write run_event digest encode);

our %schemas = (
	tx => 'map(k: text, n: bigint)',
	nu => 'map(k: numeric, v: numeric)',
	fl => 'map(k: float8, v: bigint)',
	uu => 'map(u: uuid, struct(a: int, b: text, c: struct(x: bigint, y: text)))',
	nest => 'map(k: text, map(j: int, struct(n: bigint, t: text, v: vector(e: text) subindex, s: set(x: int) subindex)) subindex)',
	js => 'map(k: text, struct(n: bigint, m: map(text, bigint), v: vector(int), s: set(int)))',
	vec => 'vector(struct(name: text, cards: map(card: text, bigint) subindex))',
	sets => 'set(e: text)',
	one => 'numeric',
	conf => 'struct(a: int, log: vector(line: text) subindex)',
	bulk => 'map(i: int, struct(n: bigint, v: vector(x: bigint) subindex))',
	late => 'map(k: text, n: bigint)',
	other => 'map(k: text, n: bigint)',
	unowned => 'map(k: text, n: bigint)');

sub new_state
{
	return { pstates => PStateModel->new(%schemas), plain => [] };
}

# JSON of an argument or an operation: \"1.50" is a number as it stands.
sub encode
{
	my ($x) = @_;

	return 'null' unless defined $x;
	return $$x if ref $x eq 'SCALAR';
	return '[' . join(', ', map { encode($_) } @$x) . ']' if ref $x eq 'ARRAY';
	return '{' . join(', ', map { encode($_) . ': ' . encode($x->{$_}) } sort keys %$x) . '}'
	  if ref $x eq 'HASH';
	$x =~ s/(["\\])/\\$1/g;
	return "\"$x\"";
}

# Random programs

sub pick { return $_[ int rand @_ ]; }
sub num { return int rand $_[0]; }
sub raw { my $n = shift; return \"$n"; }

# A number as JSON or as text.
sub either { my $n = shift; return rand() < 0.5 ? raw($n) : "$n"; }

sub key { return pick('a' .. 'f', 'a' .. 'f', "\xC3\xA9\"x", 'k' x 200); }

# Most collections have few of these, some of them now and then a greater one.
sub inner_key { return rand() < 0.7 ? num(5) : num(40); }

sub text_value
{
	my $kind = rand;

	return join '', map { sprintf '%08x', num(2**32) } 1 .. 700 if $kind < 0.02;
	return 'long ' x (20 + num(400)) if $kind < 0.08;
	return 't' . num(50);
}

sub numeric { return pick('1', '1.0', '1.00', '2', '2.50', '-3.5', '0', '10.000'); }
sub float { return pick('-0', '0', '0.0', '1.5', '1.50', '-2.25', 'NaN', 'Infinity', '-Infinity'); }
sub uuid { return sprintf pick('%08x', '%08X') . '-0000-4000-8000-00000000000%d', pick(0xAB, 0xCD), num(4); }

sub some { my ($most, $make) = @_; return [ map { $make->() } 1 .. num($most + 1) ]; }

sub request
{
	my %value;

	$value{n} = either(num(100)) if rand() < 0.7;
	$value{t} = text_value() if rand() < 0.7;
	$value{v} = some(4, sub { 'e' . num(9) }) if rand() < 0.5;
	$value{s} = some(4, sub { raw(num(9)) }) if rand() < 0.5;
	return \%value;
}

sub of_pairs { my ($key, $value) = @_; return { map { $key->() => $value->() } 1 .. num(4) }; }

my %write = (
	tx => sub { return pick(
		[ 'add', key(), either(num(10)) ], [ 'add', key(), raw(num(10)) ], [ 'put', key(), either(num(100)) ],
		[ 'put', key(), pick(undef, raw(0)) ], [ 'remove', key() ],
		[ pick('add', 'put'), key(), raw(999999990 + num(20)) ], [ 'put', key(), 'nonsense' ],
		[ 'add', undef, raw(1) ], [ 'push', key(), raw(1) ], [ 'put', of_pairs(\&key, sub { raw(num(9)) }) ]); },
	nu => sub { return pick([ 'add', either(numeric()), either(numeric()) ], [ 'put', either(numeric()), either(numeric()) ],
		[ 'add', either(numeric()), raw(numeric()) ], [ 'remove', either(numeric()) ], [ 'put', numeric(), undef ]); },
	fl => sub { return pick([ 'add', float(), raw(num(10)) ], [ 'put', pick(float(), raw(-0.5)), raw(num(10)) ],
		[ 'remove', float() ], [ 'add', float(), raw('9223372036854775800') ], [ 'add', 'x', raw(1) ]); },
	uu => sub { return pick([ 'put', uuid(), 'a', either(num(100)) ], [ 'put', uuid(), 'b', text_value() ],
		[ 'add', uuid(), 'c', 'x', raw(num(10)) ], [ 'put', uuid(), 'c', { y => text_value() } ],
		[ 'put', uuid(), { a => raw(num(9)), c => { x => raw(num(5)) } } ], [ 'put', uuid(), 'c', undef ],
		[ 'remove', uuid() ], [ 'remove', uuid(), pick('a', 'b', 'c') ], [ 'remove', uuid(), 'c', pick('x', 'y') ],
		[ 'put', 'no uuid', 'a', raw(1) ], [ 'put', uuid(), 'd', raw(1) ], [ 'add', uuid(), 'b', raw(1) ]); },
	nest => sub { my @at = (key(), either(inner_key())); return pick(
		[ 'put', @at, 'n', either(num(100)) ], [ 'add', @at, 'n', raw(num(9)) ], [ 'put', @at, 't', text_value() ],
		[ 'push', @at, 'v', 'e' . num(99) ], [ 'push', @at, 'v', text_value() ], [ 'push', @at, 's', raw(num(9)) ],
		[ 'push', @at, 'v', 'e' ], [ 'push', @at, 's', raw(num(9)) ], [ 'put', @at, 'v', either(num(5)), 'put' . num(9) ],
		[ 'remove', @at, 'v', either(num(4)) ], [ 'remove', @at, 's', raw(num(9)) ], [ 'remove', @at, pick('n', 't', 'v', 's') ],
		[ 'remove', @at ], [ 'put', @at, request() ], [ 'put', @at, pick('v', 's', 't'), undef ],
		[ 'put', @at, 'v', some(3, sub { 'e' . num(9) }) ],
		[ 'put', $at[0], rand() < 0.2 ? undef : of_pairs(sub { num(9) }, \&request) ], [ 'remove', $at[0] ]); },
	js => sub { my $k = key(); return pick(
		[ 'add', $k, 'n', raw(num(9)) ], [ 'put', $k, 'm', 'm' . num(5), either(num(9)) ], [ 'add', $k, 'm', 'm' . num(5), raw(1) ],
		[ 'remove', $k, 'm', 'm' . num(5) ], [ 'push', $k, 'v', either(num(9)) ], [ 'put', $k, 'v', raw(num(4)), raw(num(9)) ],
		[ 'remove', $k, 'v', raw(num(4)) ], [ 'push', $k, 's', either(num(9)) ], [ 'remove', $k, 's', raw(num(9)) ],
		[ 'put', $k, 'm', of_pairs(sub { 'm' . num(5) }, sub { raw(num(5)) }) ], [ 'remove', $k ], [ 'remove', $k, pick('n', 'm', 'v', 's') ],
		[ 'put', $k, { n => raw(1), v => some(3, sub { raw(num(9)) }), s => some(3, sub { raw(num(9)) }) } ]); },
	vec => sub { return pick(
		[ 'push', { name => 'n' . num(99) } ], [ 'push', { name => text_value(), cards => of_pairs(\&key, sub { raw(num(9)) }) } ],
		[ 'put', either(num(5)), 'name', text_value() ], [ 'put', raw(num(5)), 'cards', key(), raw(num(9)) ],
		[ 'add', raw(num(4)), 'cards', key(), raw(num(9)) ], [ 'remove', either(num(6)) ], [ 'remove', either(num(6)) ],
		[ 'remove', raw(num(4)), 'cards', key() ], [ 'remove', raw(num(4)), 'cards' ], [ 'put', raw(-1), 'name', 'x' ]); },
	sets => sub { return pick([ 'push', key() ], [ 'push', key() ], [ 'remove', key() ], [ 'put', key(), 'x' ]); },
	one => sub { return pick([ 'add', raw(numeric()) ], [ 'put', either(numeric()) ], [ 'remove' ]); },
	conf => sub { return pick([ 'push', 'log', text_value() ], [ 'push', 'log', 'x' ], [ 'put', 'a', either(num(9)) ],
		[ 'remove', 'log', raw(num(4)) ], [ 'remove', pick('a', 'log') ], [ 'put', { a => raw(1), log => ['y'] } ]); },
	bulk => sub { return pick([ 'add', raw(num(150)), 'n', raw(1) ], [ 'push', raw(num(150)), 'v', raw(num(9)) ],
		[ 'remove', raw(num(150)), 'v', raw(num(3)) ], [ 'remove', raw(num(150)) ]); },
	unowned => sub { return pick([ 'add', key(), raw(1) ], [ 'remove', key() ]); });

# A write to one of them: the function's name and its arguments
sub random_write { my ($name) = @_; return $write{$name}->(); }

my %read = (
	tx => sub { return pick([], [ key() ]); },
	nu => sub { return pick([], [ either(numeric()) ]); },
	fl => sub { return pick([], [ float() ]); },
	uu => sub { return pick([], [ uuid() ], [ uuid(), 'c' ], [ uuid(), 'c', 'x' ], [ uuid(), 'b' ]); },
	nest => sub { my @at = (key(), either(inner_key())); return pick([], [ $at[0] ], \@at, [ @at, pick('n', 't', 'v', 's') ], [ @at, 'v', raw(num(4)) ]); },
	js => sub { my $k = key(); return pick([], [$k], [ $k, pick('n', 'm', 'v', 's') ], [ $k, 'm', 'm' . num(5) ], [ $k, 'v', raw(num(3)) ]); },
	vec => sub { return pick([], [ raw(num(5)) ], [ raw(num(5)), 'name' ], [ raw(num(5)), 'cards', key() ]); },
	sets => sub { return pick([], [ key() ]); },
	one => sub { return []; },
	conf => sub { return pick([], ['log'], [ 'log', raw(num(3)) ]); },
	bulk => sub { return [ raw(num(150)), pick('n', 'v') ]; },
	unowned => sub { return pick([], [ key() ]); });

# Two numbers in order
sub span
{
	my ($below) = @_;
	my ($from, $to) = sort { $a <=> $b } num($below), num($below);

	return (raw($from), raw($to));
}

sub range
{
	my ($make) = @_;

	return pick([ [ 'sorted-map-range', $make->(), $make->() ], [ pick('map-vals', 'map-keys', 'all') ] ],
		[ [ 'sorted-map-range-from', $make->(), raw(2) ], [ pick('map-keys', 'first', 'last') ] ],
		[ [ pick('map-keys', 'map-vals', 'all', 'first', 'last') ] ], [ [ 'view', 'count' ] ]);
}

my %select = (
	tx => sub { return @{ range(\&key) }; },
	nu => sub { return @{ range(sub { raw(numeric()) }) }; },
	fl => sub { return @{ range(sub { float() }) }; },
	uu => sub { return @{ range(\&uuid) }; },
	nest => sub { my @at = (key(), raw(inner_key())); return @{ pick(
		[ $at[0], @{ range(sub { raw(num(6)) }) } ], [ @at, 'v', [ 'srange', span(5) ], [ pick('all', 'last') ] ],
		[ @at, 's', [ pick('all', 'first', 'last') ] ], [ @at, 'v', [ pick('all', 'first', 'last') ] ]) }; },
	vec => sub { return @{ pick([ [ 'all' ] ], [ [ 'srange', span(6) ], [ 'all' ] ], [ ['last'] ], [ raw(num(4)), 'cards', @{ range(\&key) } ]) }; },
	bulk => sub { return ([ 'sorted-map-range', raw(num(150)), raw(num(150)) ], [ pick('map-keys', 'map-vals', 'first', 'last') ]); });

my @sql = (
	sub { return { o => 'many', r => [ map { [ key(), raw(num(9)) ] } 1 .. 1 + num(8) ] }; },
	sub { return { o => 'scanadd', n => raw(num(3)) }; },
	sub { return { o => 'scanremove', k => key(), n => raw(num(2)) }; },
	sub { my $from = num(150); return { o => 'fill', k => pick(undef, 'v'), from => raw($from), to => raw($from + num(rand() < 0.1 ? 600 : 60)), n => raw(num(9)) }; },
	sub { my $from = num(150); return { o => 'unfill', from => raw($from), to => raw($from + num(60)) }; },
	sub { return { o => 'sumbulk', n => raw(num(150)) }; },
	(map { my $o = $_; sub { return { o => $o, k => key() }; } } qw(point point join stable stable immutable volatile volatile fire fire defer)),
	(map { my $o = $_; sub { return { o => $o, n => raw(num(20)) }; } } qw(sum sum insert delete loop vecscan)),
	(map { my $o = $_; sub { return { o => $o }; } } qw(update back fetch copy ctas wrong wrong)),
	sub { return { o => 'addvolatile', k => key(), n => raw(num(5)) }; },
	sub { return { o => 'half', k => key(), n => raw(num(2)) }; });

my @utility = ('ANALYZE tx', 'REINDEX TABLE tx', 'REINDEX TABLE nest_j', 'CLUSTER tx USING tx_k_idx',
	'CREATE INDEX IF NOT EXISTS tx_extra ON tx (n, k)', 'DROP INDEX IF EXISTS tx_extra', 'CLUSTER nest_v_chunk USING nest_v_chunk_k_j_chunk_idx',
	'ALTER TABLE bulk SET (fillfactor = 80)');

sub random_op
{
	my $kind = rand;

	if ($kind < 0.45)
	{
		my $pstate = pick('tx', 'tx', 'nest', 'nest', 'nest', 'vec', sort keys %write);
		my ($o, @args) = @{ $write{$pstate}->() };

		return { o => $o, p => $pstate, a => \@args };
	}
	if ($kind < 0.65)
	{
		my $pstate = pick('tx', 'nest', sort keys %read);

		return { o => 'get', p => $pstate, a => $read{$pstate}->() };
	}
	if ($kind < 0.68)
	{
		return { o => 'count', p => $_->[0], a => $_->[1] }
		  foreach pick([ 'tx', [] ], [ 'nest', [] ], [ 'nest', [ key() ] ], [ 'nest', [ key(), raw(num(5)), 'v' ] ], [ 'vec', [] ], [ 'sets', [] ]);
	}
	if ($kind < 0.78)
	{
		my $pstate = pick('tx', 'nest', 'nest', sort keys %select);

		return { o => 'select', p => $pstate, a => [ $select{$pstate}->() ] };
	}
	return { o => 'utility', k => pick(@utility) } if $kind < 0.785;
	return { o => 'parallel', n => raw(num(20)) } if $kind < 0.787;
	return pick(@sql)->();
}

sub random_block
{
	my ($depth) = @_;
	my @ops;

	foreach (1 .. 1 + num(6))
	{
		push @ops, $depth < 3 && rand() < 0.25 ? random_block($depth + 1) : random_op();
	}
	splice @ops, num(@ops + 1), 0, { o => 'raise' } if rand() < 0.3;
	return { o => 'block', ops => \@ops, again => \(rand() < 0.3 ? 'true' : 'false') };
}

# An event's program, run on the state. What would fail outside of a block
# goes into one.
sub random_event
{
	my ($state) = @_;
	my @ops;

	foreach (1 .. 1 + num(5))
	{
		my $op = rand() < 0.35 ? random_block(1) : random_op();
		my $saved = save($state);

		if (!defined eval { run_op($state, $op) })
		{
			die $@ unless $@ =~ /^[0-9A-Z]{5}$/;
			restore($state, $saved);
			$op = { o => 'block', ops => [$op] };
			run_op($state, $op);
		}
		push @ops, $op;
	}
	splice @ops, num(@ops + 1), 0, { o => 'flaky' } if rand() < 0.02;
	return \@ops;
}

# What operations do and answer

sub save
{
	my ($state) = @_;

	return [ $state->{pstates}->save, dclone($state->{plain}) ];
}

sub restore
{
	my ($state, $saved) = @_;

	$state->{pstates}->restore($saved->[0]);
	$state->{plain} = $saved->[1];
	return;
}

sub tx { my ($state) = @_; return $state->{pstates}{value}{tx} //= {}; }

sub n_of { my ($state, $k) = @_; my $entry = tx($state)->{$k}; return $entry && $entry->[1]; }

# Entries [k, n] with n at least so much, by key; all without a bound.
sub tx_from
{
	my ($state, $least) = @_;
	my $tx = tx($state);

	return grep { !defined $least || (defined $_->[1] && $_->[1] >= $least) } map { $tx->{$_} } sort keys %$tx;
}

sub add
{
	my ($state, $k, $n) = @_;
	my $sum = $state->{pstates}->add('tx', $k, \"$n");

	die "23514\n" if $sum >= 1000000000;
	return $sum;
}

sub total { my $sum = 0; $sum += $_ // 0 foreach @_; return $sum; }

sub digest { my ($state) = @_; return scalar(keys %{ tx($state) }) . ' ' . total(map { $_->[1] } values %{ tx($state) }); }

sub select_path
{
	my ($pstates, $pstate, @path) = @_;
	my @keys;

	push @keys, shift @path while ref $path[0] ne 'ARRAY';
	my $node = ($pstates->place($pstate, \@keys, 0))[0];
	my @entries = $pstates->entries($pstate, @keys);
	my $type = $node ? $node->{key} : 'text';
	my $ismap = $node && $node->{kind} eq 'map';
	foreach my $step (@path)
	{
		my ($name, @args) = @$step;
		my $text = sub { PStateModel::json($_[0][1], $_[0][2]) };
		my $pair = sub { $ismap ? "[$_[0][0], " . $text->($_[0]) . ']' : $text->($_[0]) };
		my $against = sub {
			my ($entry, $arg) = @_;
			my $key = PStateModel::comparable($type, PStateModel::convert($type, $arg));

			return PStateModel::compare_keys($type, $entry->[3] // $entry->[0], $key);
		};

		if ($name eq 'sorted-map-range' || $name eq 'srange')
		{
			@entries = grep { $against->($_, $args[0]) >= 0 && $against->($_, $args[1]) < 0 } @entries;
			next;
		}
		if ($name eq 'sorted-map-range-from')
		{
			@entries = grep { $against->($_, $args[0]) >= 0 } @entries;
			splice @entries, ${ $args[1] } if @entries > ${ $args[1] };
			next;
		}
		return scalar @entries if $name eq 'view';
		@entries = @entries ? $entries[ $name eq 'first' ? 0 : -1 ] : () if $name =~ /^(?:first|last)$/;
		my @texts = map { $name eq 'map-keys' ? $_->[0] : $name eq 'map-vals' ? $text->($_) : $pair->($_) } @entries;
		@texts = grep { $_ ne 'null' } @texts;
		return @texts ? join ',', @texts : undef;
	}
	die 'a path without an end';
}

sub run_path
{
	my ($state, $op) = @_;
	my ($pstates, $pstate, @args) = ($state->{pstates}, $op->{p}, @{ $op->{a} });
	my $result;

	return select_path($pstates, $pstate, @args) if $op->{o} eq 'select';
	$result = $pstates->put($pstate, @args) if $op->{o} eq 'put';
	$result = $pstates->add($pstate, @args) if $op->{o} eq 'add';
	$result = $pstates->push_element($pstate, @args) if $op->{o} eq 'push';
	$result = $pstates->remove($pstate, @args) if $op->{o} eq 'remove';
	$result = $pstates->get($pstate, @args) if $op->{o} eq 'get';
	$result = $pstates->count($pstate, @args) if $op->{o} eq 'count';
	die "23514\n" if $pstate eq 'tx' && grep { ($_->[1] // 0) >= 1000000000 } values %{ tx($state) };
	return $result;
}

my %sql_op = (
	many => sub { my ($s, $op) = @_; return join ',', map { add($s, $_->[0], ${ $_->[1] }) } @{ $op->{r} }; },
	scanadd => sub {
		my ($s, $op) = @_;
		my @old = tx_from($s);
		my @n = map { $_->[1] } @old;
		my @new = map { add($s, $_->[0], ${ $op->{n} }) } @old;
		return (grep { defined } @n) ? total(@n) . '/' . total(@new) : undef;
	},
	scanremove => sub {
		my ($s, $op) = @_;
		my $nested = $s->{pstates}{value}{nest}{ $op->{k} };
		return total(map { $s->{pstates}->remove('nest', $op->{k}, \"$_") } grep { $_ % 2 == ${ $op->{n} } } keys %{ $nested->[1] // {} });
	},
	fill => sub {
		my ($s, $op) = @_;
		my @i = ${ $op->{from} } .. ${ $op->{to} };
		foreach my $i (@i)
		{
			if ($op->{k}) { $s->{pstates}->push_element('bulk', \"$i", 'v', $op->{n}); }
			else { my $n = $i * ${ $op->{n} }; $s->{pstates}->put('bulk', \"$i", 'n', \"$n"); }
		}
		return $op->{k} ? scalar @i : 0;
	},
	unfill => sub { my ($s, $op) = @_; return total(map { $s->{pstates}->remove('bulk', \"$_") } ${ $op->{from} } .. ${ $op->{to} }); },
	sumbulk => sub {
		my ($s, $op) = @_;
		my @rows = map { $_->[1] } grep { $_->[0] >= ${ $op->{n} } } values %{ $s->{pstates}{value}{bulk} // {} };
		my @n = map { my $r = $_; ($r->{n}) x (@{ $r->{v} // [] } || 1) } @rows;
		my @x = map { @{ $_->{v} // [] } } @rows;
		return join ' ', scalar @rows, (grep({ defined } @n) ? total(@n) : ()), (@x ? total(@x) : ()), scalar @x;
	},
	point => sub { my ($s, $op) = @_; return n_of($s, $op->{k}); },
	sum => sub { my ($s, $op) = @_; my @rows = tx_from($s, ${ $op->{n} }); return @rows . ' ' . total(map { $_->[1] } @rows); },
	join => sub {
		my ($s, $op) = @_;
		my $entry = $s->{pstates}{value}{nest}{ $op->{k} } or return '0 0 0';
		my @inner = map { $_->[1] } values %{ $entry->[1] // {} };
		return '1 0 0' unless @inner;
		my @rows = map { my $r = $_; ($r) x (@{ $r->{v} // [] } || 1) } @inner;
		my @counts = map { $_->{v} ? scalar @{ $_->{v} } : () } @rows;
		return join ' ', scalar @rows, scalar(grep { defined $_->{n} } @rows),
		  total(map { scalar @{ $_->{v} // [] } } @inner), @counts ? total(@counts) : ();
	},
	insert => sub { my ($s, $op) = @_; my @rows = tx_from($s, ${ $op->{n} }); push @{ $s->{plain} }, map { [@$_] } @rows; return scalar @rows; },
	delete => sub {
		my ($s, $op) = @_;
		my %gone = map { $_->[0] => 1 } tx_from($s, ${ $op->{n} });
		my $before = @{ $s->{plain} };
		$s->{plain} = [ grep { !$gone{ $_->[0] } } @{ $s->{plain} } ];
		return $before - @{ $s->{plain} };
	},
	update => sub {
		my ($s) = @_;
		my @rows = grep { tx($s)->{ $_->[0] } } @{ $s->{plain} };
		$_->[1] = n_of($s, $_->[0]) foreach @rows;
		return scalar @rows;
	},
	back => sub {
		my ($s) = @_;
		my %max;
		foreach my $row (@{ $s->{plain} })
		{
			my ($k, $n) = @$row;
			$max{$k} = $n if !exists $max{$k} || (defined $n && (!defined $max{$k} || $n > $max{$k}));
		}
		$s->{pstates}->put('other', $_, defined $max{$_} ? \"$max{$_}" : undef) foreach keys %max;
		return scalar keys %max;
	},
	(map { $_ => sub { my ($s, $op) = @_; return join ' ', map { n_of($s, $_) // '~' } $op->{k}, 'a', 'b'; } } qw(stable immutable volatile)),
	addvolatile => sub { my ($s, $op) = @_; return join ' ', map { my $n = add($s, $_, ${ $op->{n} }); "$n $n $n " . keys %{ tx($s) } } $op->{k}, 'a', $op->{k}; },
	fire => sub {
		my ($s, $op) = @_;
		my @k = ($op->{k}, 'a');
		foreach my $k (@k) { die "23514\n" if (n_of($s, $k) // 0) >= 100000; }
		push @{ $s->{plain} }, [ "t$_", add($s, $_, 1) ] foreach @k;
		return;
	},
	defer => sub { my ($s, $op) = @_; $s->{pstates}->add('late', $_, \'1') foreach $op->{k}, 'a'; return; },
	copy => sub { my ($s) = @_; return scalar keys %{ tx($s) }; },
	ctas => sub { my ($s) = @_; my @rows = tx_from($s, 0); return @rows . ' ' . total(map { $_->[1] } @rows); },
	utility => sub { return; },
	vecscan => sub {
		my ($s, $op) = @_;
		my $vec = $s->{pstates}{value}{vec} // [];
		my @found = grep { defined $vec->[$_]{cards} && keys %{ $vec->[$_]{cards} } >= ${ $op->{n} } } reverse 0 .. $#$vec;
		return total(map { $s->{pstates}->remove('vec', \"$_") } @found);
	},
	wrong => sub { return 0; },
	half => sub { my ($s, $op) = @_; add($s, $op->{k}, 1); die "22012\n" unless ${ $op->{n} }; return; },
	raise => sub { die "P0001\n"; },
	flaky => sub { return; },
	loop => sub {
		my ($s, $op) = @_;
		my @rows = map { [@$_] } tx_from($s, ${ $op->{n} });
		my $r = '';
		foreach my $row (@rows)
		{
			$r .= "$row->[0]$row->[1] ";
			add($s, $row->[0], 1);
			$s->{pstates}->remove('tx', chr(ord($row->[0]) + 1)) if ord($row->[0]) < 127;
		}
		return $r . keys %{ tx($s) };
	},
	fetch => sub {
		my ($s) = @_;
		my @rows = map { [@$_] } tx_from($s);
		my $r = '';
		my $a = add($s, 'a', 1);
		foreach my $row (@rows) { $r .= $row->[0] . ($row->[1] // 0) . " $a "; $a = add($s, 'a', 1); }
		return $r;
	});
$sql_op{parallel} = $sql_op{sum};

sub answer
{
	my ($op, $result) = @_;
	my $chars = $result // '~';

	utf8::decode($chars);
	return "$op->{o}=" . (length $chars > 300 ? md5_hex($result) : $result // '~');
}

sub run_block
{
	my ($state, $ops) = @_;
	my $saved = save($state);
	my @results;
	my $done = eval {
		foreach my $op (@$ops)
		{
			push @results, run_op($state, $op);
			die "$results[-1]\n" if $op->{o} eq 'block' && ${ $op->{again} // \'false' } eq 'true' && $results[-1] ne 'done';
		}
		1;
	};

	return (@results, 'done') if $done;
	die $@ unless $@ =~ /^([0-9A-Z]{5})$/;
	restore($state, $saved);
	return (@results, $1);
}

sub run_op
{
	my ($state, $op) = @_;

	return run_block($state, $op->{ops}) if $op->{o} eq 'block';
	return answer($op, run_path($state, $op)) if $op->{a};
	return answer($op, scalar $sql_op{ $op->{o} }->($state, $op));
}

# The results of an event's program, as the handler logs them.
sub run_event
{
	my ($state, $program) = @_;

	return map { run_op($state, $_) } @$program;
}

1;
