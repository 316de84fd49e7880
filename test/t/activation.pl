# Dumps are taken while topologies work at full load, and restored in every way
# into databases of the same and of another cluster, whose workers run: there,
# nothing starts before rama.activate(), and then all goes on exactly once from
# where the dump's snapshot was.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;
use Module;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $old = module_node('old');
my $new = module_node('new');
create_module($old, 'postgres');

# Topologies of a database beside the restored ones are busy all the time.
$new->safe_psql('postgres', 'CREATE DATABASE busy');
$new->safe_psql('busy', 'CREATE EXTENSION pg_rama');
create_module($new, 'busy');
my $seconds = soak() ? 40 : 14;
my $busy = start_appenders($new, 'busy', 2, $seconds, 1);
my $load = start_appenders($old, 'postgres', 4, $seconds, 1);

# Transactions that are open, and prepared, while we dump; and one that
# topologies have on record as open, but that is over in the dump's snapshot.
my $open = $old->background_psql('postgres');
$open->query_safe(q{BEGIN; INSERT INTO m.events (id, writer, kind) VALUES (-1, 0, 'open')});
$old->safe_psql('postgres', q{
BEGIN; INSERT INTO m.events (id, writer, kind) VALUES (-2, 0, 'prepared'); PREPARE TRANSACTION 'prepared'});
my $late = $old->background_psql('postgres');
$late->query_safe(q{BEGIN; INSERT INTO m.events (id, writer, kind) VALUES (-3, 0, 'late')});
my ($late_xid) = $late->query_safe('SELECT pg_current_xact_id()') =~ /(\d+)/;
eventually($old, 'postgres', "SELECT '$late_xid' = ANY (pending_xid) FROM m.$_")
  foreach qw(see_small tally_kinds count_writers relay);
$old->safe_psql('postgres', qq{SELECT rama.pause('m.$_')}) foreach qw(see_small tally_kinds);
$late->query_safe('COMMIT');
$late->quit;

eventually($old, 'postgres', 'SELECT count(*) > 2000 FROM m.events');
my @dump = ('pg_dump', '-d', $old->connstr('postgres'));
$old->command_ok([ @dump, '-f', "$dir/plain.sql" ], 'pg_dump');
$old->safe_psql('postgres', qq{SELECT rama.resume('m.$_')}) foreach qw(see_small tally_kinds);
$old->command_ok([ @dump, '-Fc', '-f', "$dir/custom" ], 'pg_dump -Fc');
$old->command_ok([ @dump, '-Fd', '-j', '4', '-f', "$dir/directory" ], 'pg_dump -Fd -j 4');
$old->command_ok([ @dump, '--schema-only', '-f', "$dir/schema.sql" ], 'pg_dump --schema-only');
$old->command_ok([ @dump, '--data-only', '-f', "$dir/data.sql" ], 'pg_dump --data-only');
{
	local $ENV{PGOPTIONS} = '-c pg_rama.dump_modules=m';

	$old->command_ok([ @dump, '-n', 'm', '-e', 'pg_rama', '-f', "$dir/module.sql" ], 'pg_dump of one module');
}
unlike(slurp_file("$dir/plain.sql"), qr/COPY rama\.activation/, 'rama.activation is not dumped');

# A database, new unless there is one already, into which commands restore;
# "on" is a server.
sub restore
{
	my ($on, $dbname, @commands) = @_;

	$on->safe_psql('postgres', "CREATE DATABASE $dbname") if $on->safe_psql('postgres',
		"SELECT count(*) FROM pg_database WHERE datname = '$dbname'") eq '0';
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	foreach my $command (@commands)
	{
		my ($program, @arguments) = @$command;
		my @more = $program eq 'psql' ? ('-XAtq', '-v', 'ON_ERROR_STOP=1') : ('--exit-on-error');

		$on->command_ok([ $program, @more, '-d', $on->connstr($dbname), @arguments ],
			"$dbname: $program @arguments");
	}
	return;
}

# What was restored stands still, takes events, and goes on exactly once when
# it is told to.
sub goes_on
{
	my ($on, $dbname, $more, $result) = @_;
	my $progress = progress_of($on, $dbname);

	# Reasons for workers to look.
	append_known($on, $dbname, -10, 'while inactive');
	$on->safe_psql($dbname, 'ALTER TABLE m.by_hand OWNER TO CURRENT_USER');
	$on->reload;
	stands_still($on, $dbname, $progress, 'inactive', 'SELECT rama.activate()', $dbname);
	$on->safe_psql($dbname, 'SELECT rama.activate()');
	$on->safe_psql($dbname, q{SELECT rama.resume(topology) FROM rama.topologies WHERE paused});
	finish_appenders(start_appenders($on, $dbname, 2, 0.5, 7), "$dbname: appenders");
	module_is_right($on, $dbname, $dbname);
	is($on->safe_psql($dbname, $more), $result, "$dbname: the others go on, too") if $more;
	$on->safe_psql('postgres', "DROP DATABASE $dbname");
	return;
}

my $restored = "$dir/custom";
restore($new, 'plain', [ 'psql', '-f', "$dir/plain.sql" ]);
is( $new->safe_psql('plain', "SELECT count(*) FROM m.see_small WHERE '$late_xid' = ANY (pending_xid)"),
	'1', 'the dump has a transaction that is over, whose events have not been processed');
goes_on($new, 'plain');
restore($new, 'single', [ 'psql', '--single-transaction', '-f', "$dir/plain.sql" ]);
goes_on($new, 'single');
restore($new, 'jobs', [ 'pg_restore', '-j', '4', "$dir/custom" ]);
goes_on($new, 'jobs');
restore($new, 'directory', [ 'pg_restore', '-j', '4', "$dir/directory" ]);
goes_on($new, 'directory');
restore($new, 'parts', [ 'psql', '-f', "$dir/schema.sql" ], [ 'psql', '-f', "$dir/data.sql" ]);
goes_on($new, 'parts');
restore($new, 'sections', map { [ 'pg_restore', "--section=$_", "$dir/custom" ] } qw(pre-data data));
sqlstate_is($new, 'sections', 'SELECT rama.activate()', '55000', 'half a restore is not activated');
restore($new, 'sections', [ 'pg_restore', '--section=post-data', "$dir/custom" ]);
goes_on($new, 'sections');

# One module, into a database where others are at work.
$new->safe_psql('postgres', 'CREATE DATABASE module');
$new->safe_psql('module', q{
CREATE EXTENSION pg_rama;
CREATE SCHEMA other;
SET search_path = other;
SELECT rama.create_depot('d');
CREATE TABLE seen (at bigint, xid xid8);
SELECT rama.create_topology('see', 'stream', 'd', sql => 'INSERT INTO seen SELECT _offset, _xid FROM batch');
SELECT rama.append('d', to_jsonb(i)) FROM generate_series(1, 10) i});
sqlstate_is($new, 'module', 'COPY rama.topology FROM STDIN', '55000', 'nothing is restored into an active database');
$new->safe_psql('module', q{SELECT rama.wait('other.see')});
$new->safe_psql('module', 'SELECT rama.deactivate()');
$new->safe_psql('module', q{SELECT rama.append('other.d', '"while inactive"')});
restore($new, 'module', [ 'psql', '-f', "$dir/module.sql" ]);
is($new->safe_psql('module', 'SELECT string_agg(name, chr(32) ORDER BY name) FROM rama.depots'),
	'd events relayed', 'the module is beside the others');
is($new->safe_psql('module', 'SELECT count(*) FROM other.seen'), '10', 'which stand still meanwhile');
goes_on($new, 'module', q{
SELECT rama.wait('other.see');
SELECT count(*), count(DISTINCT (at, xid)) FROM other.seen FULL JOIN other.d ON at = _offset AND xid = _xid}, "t\n11|11");

# Over what is there: --clean of a database at work, step by step and whole.
restore($new, 'clean', [ 'pg_restore', "$dir/custom" ]);
$new->safe_psql('clean', 'SELECT rama.activate()');
$new->safe_psql('clean', 'SELECT rama.resume(topology) FROM rama.topologies WHERE paused');
my $over = start_appenders($new, 'clean', 2, 1, 5);
$new->command_fails_like([ 'pg_restore', '--clean', '--single-transaction', '-d', $new->connstr('clean'), "$dir/custom" ],
	qr/ERROR/, 'pg_restore --clean in one transaction is refused by an active database');
finish_appenders($over, 'and disturbs no appender');
module_is_right($new, 'clean', 'nor a topology');
$new->safe_psql('clean', 'SELECT rama.deactivate()');
restore($new, 'clean', [ 'pg_restore', '--clean', '--single-transaction', "$dir/custom" ]);
$new->safe_psql('clean', 'SELECT rama.activate()');
module_is_right($new, 'clean', 'pg_restore --clean');
$new->safe_psql('clean', 'DROP SCHEMA m CASCADE');
restore($new, 'clean', [ 'psql', '-f', "$dir/module.sql" ]);
goes_on($new, 'clean');

restore($old, 'beside', [ 'pg_restore', '--single-transaction', "$dir/custom" ]);
goes_on($old, 'beside');

finish_appenders($busy, 'the appenders beside the restores');
finish_appenders($load, 'the appenders beside the dumps');
$open->query_safe('COMMIT');
$open->quit;
$old->safe_psql('postgres', q{COMMIT PREPARED 'prepared'});
module_is_right($old, 'postgres', 'the dumped database');
module_is_right($new, 'busy', 'the database beside the restored ones');

# The extension is dropped in a transaction that takes its time: scouts and
# workers do not get in its way, nor stumble when it ends.
my $drop = $new->background_psql('busy');
$drop->query_safe('BEGIN; SET client_min_messages = warning; DROP EXTENSION pg_rama CASCADE');
$new->safe_psql('postgres', 'CREATE EXTENSION IF NOT EXISTS pg_rama; SELECT rama.create_depot($$x$$)');
$drop->query_safe('COMMIT');
$drop->quit;
is($new->safe_psql('busy', 'SELECT count(*) > 0 FROM m.events'), 't', 'DROP EXTENSION leaves the tables');
eventually($new, 'busy', q{SELECT count(*) = 0 FROM pg_stat_activity
	WHERE backend_type ~ 'pg_rama' AND datname = current_database()});

my $ended = qr/terminating background worker "pg_rama (worker|scout)" due to administrator command/;
log_is_clean($old, $ended, 'no error in the log of the dumped server');
log_is_clean($new, $ended, 'no error in the log of the other server');
$old->stop;
$new->stop;
done_testing();
