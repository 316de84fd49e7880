# Random handlers against a model: programs of path functions, plain SQL that
# reads and writes, cursors, functions, triggers, DDL and EXCEPTION blocks three
# deep give the same answers and leave the same rows, whatever the size of
# batches and of the write buffer, and whatever interrupts the worker.
#
# RAMA_SEED repeats a run. A failing case is cut down to few events, whose
# programs are printed.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use lib "$ENV{RAMA_SRC}/test/t";
use PStateProgram qw(%schemas new_state random_event run_event digest encode);
use Rama;

my $seed = $ENV{RAMA_SEED} || int(rand(2**31));
my $cases = $ARGV[0] // (soak() ? 200 : 8);
my $events_of_case = 90;

note("RAMA_SEED=$seed");
my $node = rama_node('buffer_model', conf => "fsync = off\nautovacuum_naptime = 1s\n");
$node->safe_psql('postgres', 'CREATE EXTENSION amcheck');
my ($smallest) = split /\|/, $node->safe_psql('postgres',
	q{SELECT min_val, boot_val FROM pg_settings WHERE name = 'pg_rama.batch_memory'});
my $modules = 0;

sub set_batch_memory
{
	my ($value) = @_;

	return unless defined $smallest && $smallest ne '';
	$node->safe_psql('postgres', $value eq 'smallest'
		? "ALTER SYSTEM SET pg_rama.batch_memory = $smallest"
		: 'ALTER SYSTEM RESET pg_rama.batch_memory');
	$node->reload;
	return;
}

sub create_module
{
	my ($case) = @_;
	my $module = 'module_' . ++$modules;

	my ($rc, $out, $err) = $node->psql('postgres', undef,
		extra_params => [ '-v', "module=$module", '-v', "kind=$case->{kind}", '-v', "form=$case->{form}", '-v', "mirror=$case->{mirror}",
			'-v', 'schemas=' . encode(\%schemas), '-v', 'options=' . encode($case->{options}),
			'-v', 'ON_ERROR_STOP=1', '-f', "$ENV{RAMA_SRC}/test/t/buffer_model.sql" ]);
	die "$module: $err" if $rc != 0 || $err =~ /ERROR/;
	return $module;
}

# What happens beside the batches.
my %disturb = (
	none => '',
	terminate => q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type ~ 'rama' AND datname = 'postgres'},
	cancel => q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type ~ 'rama' AND datname = 'postgres'},
	vacuum => 'VACUUM MODULE.tx, MODULE.nest_j, MODULE.nest, MODULE.bulk',
	full => 'VACUUM FULL MODULE.tx; VACUUM FULL MODULE.nest_j',
	cluster => 'CLUSTER MODULE.nest USING nest_k_idx',
	index => 'CREATE INDEX CONCURRENTLY IF NOT EXISTS nest_s_x ON MODULE.nest_s (x)',
	noindex => 'DROP INDEX CONCURRENTLY IF EXISTS MODULE.nest_s_x',
	reindex => 'REINDEX TABLE CONCURRENTLY MODULE.nest_j',
	analyze => 'ANALYZE');

sub disturb
{
	my ($module, $how) = @_;

	foreach my $sql (split /; /, $disturb{$how})
	{
		$sql =~ s/MODULE/$module/g;
		$node->psql('postgres', $sql);
	}
	return;
}

# Appends the events as the case says, and waits until they are processed.
# Returns what went wrong, or ''.
sub process
{
	my ($module, $case) = @_;
	my $id = 0;
	my $wrong = '';

	foreach my $round (@{ $case->{rounds} })
	{
		my $sql = $round->{paused} ? "SELECT rama.pause('$module.runs');" : '';

		foreach my $size (@{ $round->{sizes} })
		{
			my @rows;

			foreach (1 .. $size)
			{
				last if $id >= @{ $case->{events} };
				push @rows, "($id, \$rama\$" . encode($case->{events}[ $id++ ]) . '$rama$)';
			}
			$sql .= "\nINSERT INTO $module.events (id, program) VALUES " . join(",\n", @rows) . ';' if @rows;
		}
		$sql .= "SELECT rama.resume('$module.runs');" if $round->{paused};
		$node->safe_psql('postgres', $sql);
		disturb($module, $_) foreach @{ $round->{disturb} };
		# DDL in handlers may make this the victim of a deadlock.
		my ($rc, $out) = $node->psql('postgres', "SET search_path = $module; SELECT string_agg(w::text, ' ') FROM wrong w");

		$wrong .= $out if $rc == 0;
	}
	return "while running: $wrong" if $wrong ne '';
	foreach (1 .. 30)
	{
		return '' if $node->safe_psql('postgres', "SELECT rama.wait('$module.runs', timeout => '2s')") eq 't';
		$wrong = $node->safe_psql('postgres', "SELECT last_error FROM rama.status WHERE module = '$module' AND name = 'runs'");
		return "while running: $wrong" if $wrong ne '' && $wrong !~ /^(?:a batch fails|deadlock detected)/;
	}
	return "does not get on: $wrong\n" . $node->safe_psql('postgres', q{
SELECT s::text FROM rama.status s;
SELECT a::text, pg_blocking_pids(pid) FROM pg_stat_activity a});
}

sub first_difference
{
	my ($what, $got, $expected) = @_;
	my $last = @$got > @$expected ? $#$got : $#$expected;

	foreach my $i (0 .. $last)
	{
		my ($x, $y) = ($got->[$i] // '(nothing)', $expected->[$i] // '(nothing)');

		return "$what:\n  got      $x\n  expected $y\n" if $x ne $y;
	}
	return '';
}

sub rows_of
{
	my ($module, $query) = @_;

	return split /\n/, $node->safe_psql('postgres', "SET search_path = $module; $query");
}

# Runs the case, and returns the first difference from the model, or ''.
sub differs
{
	my ($case) = @_;
	my $module = create_module($case);
	my $wrong = process($module, $case);
	my $state = new_state();
	my $pstates = $state->{pstates};
	my (@batch_of, @expected, @got, @digests, %versions);

	return $wrong if $wrong ne '';
	foreach (rows_of($module, q{SELECT id, batch, array_to_string(results, ' ; ') FROM log ORDER BY id}))
	{
		my ($id, $batch, $results) = split /\|/, $_, 3;

		$batch_of[$id] = $batch;
		push @got, "event $id: $results";
	}
	foreach my $id (0 .. $#{ $case->{events} })
	{
		push @expected, "event $id: " . join ' ; ', run_event($state, $case->{events}[$id]);
		push @digests, digest($state);
		$versions{$_}{ $batch_of[$id] // '' } = 1 foreach $pstates->take_touched;
	}
	$wrong = first_difference('answers', \@got, \@expected);
	foreach (rows_of($module, 'SELECT upto, digest FROM batches ORDER BY upto'))
	{
		my ($upto, $digest) = split /\|/;

		$wrong ||= "after the batch up to event $upto: $digest instead of $digests[$upto]\n" if $digest ne $digests[$upto];
	}
	my @dump = sort(rows_of($module, 'SELECT dump()'));
	my @model = sort map { $pstates->rows($_) } keys %schemas;
	$wrong ||= first_difference('rows', \@dump, \@model);

	my @values = rows_of($module, q{SELECT concat_ws('|', name, version, count, coalesce(rama.get(pstate)::text, '~'))
		FROM rama.pstates WHERE module = current_schema() ORDER BY name COLLATE "C"});
	my @model_values = map {
		my $kind = $pstates->{nodes}{$_}{kind};
		join '|', $_, scalar(keys %{ $versions{$_} // {} }),
		  ($kind =~ /^(?:map|set|vector)$/ ? $pstates->count($_) : ()), $pstates->get($_) // '~'
	} sort keys %schemas;
	$wrong ||= first_difference('values', \@values, \@model_values);
	$wrong ||= join "\n", rows_of($module, 'SELECT * FROM wrong_indexes()');
	$wrong ||= join "\n", rows_of($module, 'SELECT * FROM misreported LIMIT 20');
	$node->safe_psql('postgres', "DROP SCHEMA $module CASCADE") if $wrong eq '';
	return $wrong;
}

sub random_case
{
	my $state = new_state();
	my @sources = sort keys %disturb;
	my %case = (
		kind => (rand() < 0.5 ? 'stream' : 'microbatch'),
		form => (rand() < 0.6 ? 'each' : 'sql'),
		mirror => (rand() < 0.5 ? 'yes' : 'no'),
		memory => (rand() < 0.7 ? 'smallest' : 'default'),
		options => { batch_max => \(1 + int(rand() ** 3 * 100) . ''), backoff => '1 ms', interval => '1 ms' },
		events => [ map { random_event($state) } 1 .. $events_of_case ]);
	my $left = $events_of_case;

	while ($left > 0)
	{
		my %round = (paused => rand() < 0.6, disturb => [], sizes => []);

		foreach (1 .. 1 + int rand 4)
		{
			my $size = 1 + int rand 12;

			push @{ $round{sizes} }, $size;
			$left -= $size;
		}
		$round{disturb} = [ map { $sources[ rand @sources ] } 1 .. int rand 3 ];
		push @{ $case{rounds} }, \%round;
	}
	return \%case;
}

# Without events, and then without single operations, while it still fails.
sub cut_down
{
	my ($case) = @_;
	my $tries = 60;
	my $fails = sub {
		my ($events) = @_;
		my $state = new_state();

		return 0 if !@$events || $tries-- <= 0;
		return 0 unless eval { run_event($state, $_) foreach @$events; 1 };
		return differs({ %$case, events => $events,
				rounds => [ { paused => 1, sizes => [ scalar @$events ], disturb => [] } ] }) ne '';
	};
	my @events = @{ $case->{events} };

	return $case unless $fails->(\@events);
	for (my $chunk = int(@events / 2); $chunk >= 1; $chunk = int($chunk / 2))
	{
		for (my $i = 0; $i < @events;)
		{
			my @fewer = @events;

			splice @fewer, $i, $chunk;
			if ($fails->(\@fewer)) { @events = @fewer; }
			else { $i += $chunk; }
		}
	}
	for my $i (0 .. $#events)
	{
		for (my $j = 0; $j < @{ $events[$i] };)
		{
			my @fewer = @events;

			$fewer[$i] = [ @{ $events[$i] } ];
			splice @{ $fewer[$i] }, $j, 1;
			if ($fails->(\@fewer)) { @events = @fewer; }
			else { $j++; }
		}
	}
	return { %$case, events => \@events, rounds => [ { paused => 1, sizes => [ scalar @events ], disturb => [] } ] };
}

my $start = time;
my $failed = 0;
foreach my $number (1 .. $cases)
{
	srand($seed + $number);
	my $case = random_case();

	set_batch_memory($case->{memory});
	my $wrong = differs($case);
	my $name = "case $number: $case->{kind}, $case->{form}, batches of ${ $case->{options}{batch_max} }, $case->{memory} buffer";

	is($wrong, '', $name);
	next if $wrong eq '';
	diag("RAMA_SEED=$seed, $name");
	my $small = cut_down($case);
	diag('cut down: ' . differs($small));
	diag(encode($_)) foreach @{ $small->{events} };
	last if ++$failed >= 2;
}
figure(sprintf('%d random handlers of %d events in %.0f s, seed %d', $cases, $events_of_case, time - $start, $seed));

$node->stop;
done_testing();
