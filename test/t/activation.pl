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
unlike(slurp_file("$dir/plain.sql"), qr/COPY rama\.activation/, 'rama.activation is not dumped');

restore($new, 'plain', [ 'psql', '-f', "$dir/plain.sql" ]);
is( $new->safe_psql('plain', "SELECT count(*) FROM m.see_small WHERE '$late_xid' = ANY (pending_xid)"),
	'1', 'the dump has a transaction that is over, whose events have not been processed');
# What was restored is dumped again, before and after it was activated: then with
# events to come of transactions of the cluster before.
$new->command_ok([ 'pg_dump', '-d', $new->connstr('plain'), '-f', "$dir/inactive.sql" ], 'pg_dump of an inactive database');
$new->safe_psql('plain', 'CREATE ROLE keeper; ALTER DATABASE plain OWNER TO keeper; SET ROLE keeper; SELECT rama.activate()');
is( $new->safe_psql('plain', 'SELECT cardinality(pending_foreign) > 0 AND true = ALL (pending_foreign) FROM m.see_small'), 't',
	'a paused topology has yet to read what was pending');
$new->command_ok([ 'pg_dump', '-d', $new->connstr('plain'), '-f', "$dir/active.sql" ], 'pg_dump of what was activated');
$new->safe_psql('plain', q{SELECT rama.resume(topology) FROM rama.topologies WHERE paused});
module_is_right($new, 'plain', 'plain, activated by the owner of the database');
restore($new, 'again', [ 'psql', '-f', "$dir/inactive.sql" ]);
goes_on($new, 'again');
restore($old, 'again', [ 'psql', '-f', "$dir/active.sql" ]);
goes_on($old, 'again');
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
restore($old, 'beside', [ 'pg_restore', '--single-transaction', "$dir/custom" ]);
goes_on($old, 'beside');

finish_appenders($busy, 'the appenders beside the restores');
finish_appenders($load, 'the appenders beside the dumps');
$open->query_safe('COMMIT');
$open->quit;
$old->safe_psql('postgres', q{COMMIT PREPARED 'prepared'});
module_is_right($old, 'postgres', 'the dumped database');
module_is_right($new, 'busy', 'the database beside the restored ones');

my $ended = qr/terminating background worker "pg_rama (worker|scout)" due to administrator command/;
log_is_clean($old, $ended, 'no error in the log of the dumped server');
log_is_clean($new, $ended, 'no error in the log of the other server');
$old->stop;
$new->stop;
done_testing();
