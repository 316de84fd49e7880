# 50 watchers, each of which folds changes onto the value that it began with,
# under random writes, kills of watchers, more changes than the ring holds, and
# crashes of the server: what each has is always equal to a direct read at the
# same version. 3 rounds, or 60 with --soak.
use strict;
use warnings;

use Errno qw(EAGAIN);
use IO::Select;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $rounds = $ARGV[0] // (soak() ? 60 : 3);
my $json = JSON::PP->new->canonical->allow_nonref;
my $clients = "$ENV{RAMA_SRC}/test/clients";
my $node = rama_node('watch', conf => "pg_rama.change_ring_mb = 1\nmax_connections = 120\nrestart_after_crash = on\n");
my $conninfo = $node->connstr('postgres');
my %scalar = (kind => 'scalar');
my $struct = { kind => 'struct', of => {
	n => \%scalar, name => \%scalar,
	list => { kind => 'vector', of => \%scalar }, small => { kind => 'vector', of => \%scalar },
	tags => { kind => 'set' },
	inner => { kind => 'map', of => \%scalar }, doc => { kind => 'map', of => \%scalar } } };
my $schema = { kind => 'map', of => $struct };

srand($ENV{SEED} // 1);
$node->safe_psql('postgres', slurp_file("$ENV{RAMA_SRC}/test/t/watch_consistency.sql"));

# ---- what is watched ----

# A path, and how the values that it selects are to be taken: as they are, or
# as what they are written as.
my @kinds;
foreach my $k (qw(a b c))
{
	push @kinds, map { [ $_, 'value' ] }
	  "[\"$k\"]", "[\"$k\", \"n\"]", "[\"$k\", \"list\"]", "[\"$k\", \"tags\"]", "[\"$k\", \"inner\"]", "[\"$k\", \"doc\"]",
	  "[\"$k\", \"small\"]";
	push @kinds, [ "[\"$k\", \"inner\", [\"sorted-map-range\", 2, 6]]", 'pairs' ],
	  [ "[\"$k\", \"tags\", [\"sorted-set-range\", 3, 8]]", 'value' ];
}
push @kinds, [ '[]', 'value' ], [ '[["map-keys"]]', 'keys' ], [ '[["sorted-map-range", "b", "e"]]', 'pairs' ],
  [ '[["submap", "a", "c"]]', 'value' ], [ '["a", "inner", ["view", "count"]]', 'value' ],
  [ '["b", "inner", ["sorted-map-range-to-end", 2]]', 'whole' ];

my @watchers = map {
	my ($path, $as) = @{ $kinds[ $_ % @kinds ] };
	my $steps = $json->decode($path);
	my @keys = @$steps;

	splice @keys, (grep { ref $keys[$_] } 0 .. $#keys)[0] // @keys;
	{ pstate => $_ % 2 ? 'owned' : 'plain', path => $path, steps => $steps, keys => \@keys, as => $as,
		program => $_ % 5 == 4 ? 'watch' : 'tail', streams => [] };
} 0 .. 49;

# ---- watchers' processes ----

my %by_handle;
my $select = IO::Select->new;

# A stream is what one process has said: lines, and whether more are to come.
sub start_watcher
{
	my ($watcher) = @_;

	$watcher->{pid} = open my $out, '-|', "$clients/$watcher->{program}", $conninfo, $watcher->{pstate}, $watcher->{path}
	  or die "$watcher->{program}: $!";
	$out->blocking(0);
	$watcher->{out} = $out;
	$watcher->{rest} = '';
	push @{ $watcher->{streams} }, { lines => [], live => 1 };
	$by_handle{$out} = $watcher;
	$select->add($out);
	return;
}

sub stop_watcher
{
	my ($watcher) = @_;

	$select->remove($watcher->{out});
	delete $by_handle{ $watcher->{out} };
	kill 'KILL', $watcher->{pid};
	close $watcher->{out};
	delete $watcher->{out};
	$watcher->{streams}[-1]{live} = 0;
	return;
}

# Takes what watchers have said, for so long. Those that have ended are out.
sub listen_for
{
	my ($seconds) = @_;
	my $until = time + $seconds;

	while ((my $left = $until - time) > 0)
	{
		foreach my $handle ($select->can_read($left))
		{
			my $watcher = $by_handle{$handle};
			my $n = sysread $handle, $watcher->{rest}, 65536, length $watcher->{rest};

			if (!$n)
			{
				stop_watcher($watcher) unless !defined $n && $!{EAGAIN};
				next;
			}
			push @{ $watcher->{streams}[-1]{lines} }, $1 while $watcher->{rest} =~ s/\A([^\n]*)\n//;
		}
	}
	return;
}

# ---- folding ----

# A line as [version, operation, path, value]: tail's are JSON, watch's are not.
sub parse_line
{
	my ($watcher, $line) = @_;

	if ($watcher->{program} eq 'tail')
	{
		my $change = $json->decode($line);
		return [ @$change{qw(version op path value)} ];
	}
	my ($version, $op, $rest) = $line =~ /^(\d+) (?:([a-z]+) (?=\[))?(.*)$/ or die "line: $line";
	return [ $version, 'reset', $watcher->{steps}, $rest eq '' ? undef : $json->decode($rest) ] unless $op;
	my ($path, $length) = $json->decode_prefix($rest);
	my $value = substr $rest, $length;
	$value =~ s/^ //;
	return [ $version, $op, $path, $value eq '' ? undef : $json->decode($value) ];
}

# Sets are kept as lists without order; parts of maps that come as pairs, as maps.
sub value_of
{
	my ($watcher, $value) = @_;

	return { map { ($_->[0] => $_->[1]) } @{ $value // [] } } if $watcher->{as} eq 'pairs';
	return { map { ($_ => 1) } @{ $value // [] } } if $watcher->{as} eq 'keys';
	return $value;
}

sub type_at
{
	my ($type, @keys) = @_;

	foreach my $key (@keys)
	{
		$type = $type->{kind} eq 'struct' ? $type->{of}{$key} : $type->{of};
	}
	return $type;
}

# Does an operation at the place; what is not there yet is made.
sub apply
{
	my ($place, $type, $op, $value, @path) = @_;
	my $kind = $type->{kind};

	if (!@path)
	{
		if ($op eq 'set') { $$place = $value }
		elsif ($op eq 'remove') { $$place = undef }
		elsif ($op eq 'add') { $$place = ($$place // 0) + $value }
		elsif ($op eq 'append') { push @{ $$place }, @$value }
		elsif ($op eq 'insert') { $$place = [ (grep { $_ != $value } @{ $$place // [] }), $value ] }
		return;
	}
	my ($key, @rest) = @path;
	if ($kind eq 'set')
	{
		die "$op in a set" unless $op eq 'remove';
		$$place = [ grep { $_ != $key } @{ $$place // [] } ];
	}
	elsif ($kind eq 'vector')
	{
		if (!@rest && $op eq 'remove') { splice @{ $$place }, $key, 1 }
		elsif (!@rest && $op eq 'insert') { splice @{ $$place }, $key, 0, $value }
		else
		{
			$$place //= [];
			die "index $key of " . @{ $$place } if $key > @{ $$place };
			apply(\$$place->[$key], $type->{of}, $op, $value, @rest);
		}
	}
	else
	{
		$$place //= {};
		apply(\$$place->{$key}, type_at($type, $key), $op, $value, @rest);
		delete $$place->{$key} unless defined $$place->{$key};
	}
	return;
}

sub fold
{
	my ($watcher, $state, $change) = @_;
	my (undef, $op, $path, $value) = @$change;
	my @path = @$path;

	# What a path with navigators selects may be told as a whole.
	if ($op eq 'reset' || (@{ $watcher->{steps} } > @{ $watcher->{keys} } &&
			$json->encode($path) eq $json->encode($watcher->{steps})))
	{
		$$state = value_of($watcher, $value);
		return;
	}
	splice @path, 0, scalar @{ $watcher->{keys} };
	if ($watcher->{as} eq 'keys')
	{
		$op eq 'insert' ? ($$state->{$value} = 1) : delete $$state->{ $path[0] };
		return;
	}
	apply($state, type_at($schema, @{ $watcher->{keys} }), $op, $value, @path);
	return;
}

# As text in which order and representation do not matter.
sub canonical
{
	my ($value, $type) = @_;

	return 'null' unless defined $value;
	return $json->encode([ sort { $a <=> $b } @$value ]) if ref $value eq 'ARRAY' && $type && $type->{kind} eq 'set';
	if (ref $value eq 'HASH' && $type)
	{
		return '{' . join(',', map {
			"\"$_\":" . canonical($value->{$_}, type_at($type, $_))
		} sort grep { defined $value->{$_} } keys %$value) . '}';
	}
	return $json->encode($value);
}

sub canonical_of
{
	my ($watcher, $value) = @_;
	my $plain = $watcher->{as} =~ /^(keys|whole)$/ || $watcher->{path} =~ /view/;

	return canonical($value, $plain ? undef : type_at($schema, @{ $watcher->{keys} }));
}

# ---- direct reads ----

my @samples;			# { pstate, version, values by path }

sub sample
{
	foreach my $pstate (qw(plain owned))
	{
		my %paths = map { ($_->{path} => 1) } grep { $_->{pstate} eq $pstate } @watchers;
		my $list = join ', ', map { "'$_'" } sort keys %paths;
		my ($rc, $out) = $node->psql('postgres', qq{
SELECT jsonb_build_object('pstate', '$pstate', 'version', (SELECT version FROM rama.pstates WHERE name = '$pstate'),
	'values', (SELECT jsonb_object_agg(p, (SELECT coalesce(jsonb_agg(v), '[]') FROM rama.select('$pstate', p::jsonb) v))
		FROM unnest(ARRAY[$list]) p))});
		push @samples, $json->decode($out) if $rc == 0;
	}
	return;
}

sub expected
{
	my ($watcher, $sample) = @_;
	my $values = $sample->{values}{ $watcher->{path} };
	my $value = $watcher->{as} eq 'keys' ? $values : $values->[0];

	return canonical_of($watcher, value_of($watcher, $value));
}

# ---- comparing ----

my %seen = (compared => 0, lines => 0, resets => 0);

# Folds what a stream has said, and compares it with the samples that it covers.
# A stream that was cut off tells nothing of its last version; before a reset
# within it, versions are missing. Of what has to be read again, several versions
# may be told as one: it is compared at versions that were told.
sub check_stream
{
	my ($watcher, $stream, $samples) = @_;
	my $state;
	my $version;
	my @left = @$samples;
	my $what = "$watcher->{program} $watcher->{pstate} $watcher->{path}";

	foreach my $line (@{ $stream->{lines} })
	{
		my $change = parse_line($watcher, $line);

		$seen{lines}++;
		$seen{resets}++ if $change->[1] eq 'reset' && defined $version;
		die "$what: version $change->[0] after $version" if defined $version && $change->[0] < $version;
		while (@left && $left[0]{version} < $change->[0])
		{
			my $sample = shift @left;
			next if !defined $version || $sample->{version} < $version;
			next if $change->[1] eq 'reset';
			next if @{ $watcher->{steps} } > @{ $watcher->{keys} } && $sample->{version} != $version;
			compare($watcher, $what, $sample, $state) or return;
		}
		eval { fold($watcher, \$state, $change); 1 } or die "$what: $line: $@";
		$version = $change->[0];
	}
	if ($stream->{live})
	{
		foreach my $sample (@left)
		{
			next if $sample->{version} < $version;
			compare($watcher, $what, $sample, $state) or return;
		}
	}
	return 1;
}

my $wrong = '';

sub compare
{
	my ($watcher, $what, $sample, $state) = @_;
	my $expected = expected($watcher, $sample);
	my $got = canonical_of($watcher, $state);

	$seen{compared}++;
	return 1 if $got eq $expected;
	$wrong .= "$what at version $sample->{version}:\n  folded $got\n  direct $expected\n";
	return 0;
}

# Has the last stream come to this sample? It is folded from the beginning.
sub has_arrived
{
	my ($watcher, $sample) = @_;
	my $state;

	return 0 unless $watcher->{out} && @{ $watcher->{streams}[-1]{lines} };
	my $last = $watcher->{streams}[-1];
	$last->{folded} //= 0;
	while ($last->{folded} < @{ $last->{lines} })
	{
		fold($watcher, \$last->{state}, parse_line($watcher, $last->{lines}[ $last->{folded}++ ]));
	}
	return canonical_of($watcher, $last->{state}) eq expected($watcher, $sample);
}

# ---- the rounds ----

sub start_writers
{
	my ($seconds) = @_;
	my @writers = map { start_sql($node, 'postgres', "CALL scribble_for('plain', $seconds)") } 1 .. 2;

	push @writers, start_sql($node, 'postgres', qq{
DO \$\$
DECLARE until timestamptz := clock_timestamp() + interval '$seconds s';
BEGIN
	WHILE clock_timestamp() < until LOOP
		INSERT INTO strokes VALUES (1 + random() * 3);
		COMMIT;
		PERFORM pg_sleep(0.003);
	END LOOP;
END \$\$});
	return @writers;
}

# More than the ring holds, by one transaction, and by many.
sub overflow
{
	foreach my $pstate (qw(plain))
	{
		$node->psql('postgres', qq{
SELECT rama.push('$pstate', 'z', 'list', repeat('x', 1000)) FROM generate_series(1, 3000);
SELECT rama.remove('$pstate', 'z')});
	}
	return;
}

sub kill_some_watchers
{
	foreach (1 .. 5)
	{
		my $watcher = $watchers[ rand @watchers ];

		stop_watcher($watcher) if $watcher->{out};
		start_watcher($watcher);
	}
	$node->psql('postgres', q{
SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity
	WHERE query ~ '^CALL rama.tail' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 3) x});
	return;
}

sub settled
{
	my $until = time + 30;

	eventually($node, 'postgres', q{SELECT rama.wait('scribbling')});
	my $begin = @samples;
	sample();
	my %last = map { ($_->{pstate} => $_) } @samples[ $begin .. $#samples ];
	while (my @behind = grep { !has_arrived($_, $last{ $_->{pstate} }) } @watchers)
	{
		if (time > $until)
		{
			$wrong .= "$_->{program} $_->{pstate} $_->{path} did not come to\n  "
			  . expected($_, $last{ $_->{pstate} }) . "\nbut to\n  " . canonical_of($_, $_->{streams}[-1]{state}) . "\n"
			  foreach @behind;
			return 0;
		}
		listen_for(0.02);
	}
	return 1;
}

my $start = time;
my %done = (crash => 0, overflow => 0);
foreach my $round (1 .. $rounds)
{
	foreach my $watcher (@watchers)
	{
		start_watcher($watcher) unless $watcher->{out};
	}
	listen_for(0.5);
	my @writers = start_writers(2);

	foreach my $tick (1 .. 6)
	{
		listen_for(0.25);
		sample();
		kill_some_watchers() if $tick == 3;
		overflow(), $done{overflow}++ if $tick == 4 && $round % 2;
	}
	if ($round % 2 == 0)
	{
		$node->stop('immediate');
		$node->start;
		$done{crash}++;
	}
	$_->finish foreach @writers;
	listen_for(0.1);
	foreach my $watcher (@watchers)
	{
		start_watcher($watcher) unless $watcher->{out};
	}
	settled();
	foreach my $watcher (@watchers)
	{
		my @samples = sort { $a->{version} <=> $b->{version} } grep { $_->{pstate} eq $watcher->{pstate} } @samples;
		check_stream($watcher, $_, \@samples) foreach @{ $watcher->{streams} };
	}
	last if $wrong ne '';
	# What a new round begins with is where this one has ended.
	@samples = ();
	foreach my $watcher (@watchers)
	{
		stop_watcher($watcher) if $watcher->{out} && rand() < 0.5;
		@{ $watcher->{streams} } = grep { $_->{live} } @{ $watcher->{streams} };
	}
}

is(substr($wrong, 0, 5000), '', "50 watchers' folded values equal direct reads of the same version");
cmp_ok($seen{compared}, '>', 100 * $rounds, 'many comparisons');
cmp_ok($done{overflow}, '>', 0, 'the ring was overrun');
cmp_ok($done{crash}, '>', 0, 'the server crashed');
figure(sprintf('%d changes told to 50 watchers in %.0f s, %d values compared, %d resets in streams, %d crashes',
	$seen{lines}, time - $start, $seen{compared}, $seen{resets}, $done{crash}));

stop_watcher($_) foreach grep { $_->{out} } @watchers;
$node->stop;
done_testing();
