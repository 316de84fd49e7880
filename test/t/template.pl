# Copies and changes of a whole database whose topologies work at full load:
# CREATE DATABASE ... TEMPLATE, ALTER DATABASE RENAME and SET TABLESPACE. The
# original goes on by itself, a copy when it is told to, both exactly once.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;
use Module;

my $node = module_node('main');
my $space = PostgreSQL::Test::Utils::tempdir_short();
$node->safe_psql('postgres', 'CREATE DATABASE work');
$node->safe_psql('work', 'CREATE EXTENSION pg_rama');
create_module($node, 'work');
$node->safe_psql('postgres', "CREATE TABLESPACE elsewhere LOCATION '$space'");

# Events that topologies have not processed when the database is copied: of
# transactions that are over, but recorded as pending, and others.
sub leave_work
{
	my ($dbname, $id) = @_;
	my $late = $node->background_psql($dbname);

	$late->query_safe("BEGIN; INSERT INTO m.events (id, writer, kind) VALUES ($id, 0, 'late')");
	append_known($node, $dbname, $id - 1, 'known');
	eventually($node, $dbname, "SELECT cardinality(pending_xid) > 0 FROM m.$_")
	  foreach qw(see_small see_stream merge_kinds relay);
	$node->safe_psql($dbname, "SELECT rama.pause('m.$_')") foreach qw(see_small see_stream merge_kinds relay);
	$late->query_safe('COMMIT');
	$late->quit;
	append_known($node, $dbname, $id - 2, 'known');
	return;
}

my $resume = 'SELECT rama.resume(topology) FROM rama.topologies WHERE paused';

# Load, that has ended when the database is needed alone.
sub work_for
{
	my ($dbname, $round, $name) = @_;

	return finish_appenders(start_appenders($node, $dbname, 4, soak() ? 20 : 1, $round), $name);
}

# A copy while topologies run.
work_for('work', 1, 'appenders');
leave_work('work', -1);
$node->safe_psql('postgres', 'CREATE DATABASE copy1 TEMPLATE work');
$node->safe_psql('work', $resume);
my $progress = progress_of($node, 'copy1');
is($node->safe_psql('copy1', "SELECT cardinality(pending_xid) > 0 FROM m.see_small"), 't',
	'the copy has a pending transaction to come back to');
work_for('work', 2, 'appenders to the original');
module_is_right($node, 'work', 'the original goes on by itself');
append_known($node, 'copy1', -10, 'while inactive');
stands_still($node, 'copy1', $progress, 'inactive', 'SELECT rama.activate()', 'the copy');
$node->safe_psql('copy1', "SELECT rama.activate(); $resume");
work_for('copy1', 3, 'appenders to the copy');
module_is_right($node, 'copy1', 'the copy');

# A copy of a copy, by another strategy, and of a database that is inactive.
$node->safe_psql('postgres', 'CREATE DATABASE copy2 TEMPLATE copy1 STRATEGY file_copy');
$node->safe_psql('postgres', 'CREATE DATABASE copy3 TEMPLATE copy2');
$node->safe_psql('copy3', 'SELECT rama.activate()');
work_for('copy3', 4, 'appenders to a copy of copies');
module_is_right($node, 'copy3', 'a copy of copies');
is($node->safe_psql('copy2', 'SELECT reason FROM rama.standstill()'), 'inactive',
	'what it was copied from stays inactive');

# Refused, and nothing is worse for it.
$node->safe_psql('work', "BEGIN; INSERT INTO m.events (id, writer, kind) VALUES (-20, 0, 'prepared'); PREPARE TRANSACTION 'p'");
sqlstate_is($node, 'postgres', 'CREATE DATABASE copy4 TEMPLATE work', '55006', 'no copy beside a prepared transaction');
$node->safe_psql('work', "COMMIT PREPARED 'p'");
work_for('work', 5, 'appenders after that');
module_is_right($node, 'work', 'topologies run on');

# The database is another one by name or place, and the same by its stamp.
leave_work('work', -30);
$node->safe_psql('postgres', 'ALTER DATABASE work RENAME TO "re""named"');
$node->safe_psql('re"named', $resume);
module_is_right($node, 're"named', 'after RENAME, by itself');
leave_work('re"named', -40);
$node->safe_psql('postgres', 'ALTER DATABASE "re""named" SET TABLESPACE elsewhere');
$node->safe_psql('re"named', $resume);
work_for('re"named', 6, 'appenders after SET TABLESPACE');
module_is_right($node, 're"named', 'after SET TABLESPACE, by itself');

# Again and again, while the workers have enough to do that they must be ended.
my $copies = soak() ? 30 : 2;
for my $i (1 .. $copies)
{
	$node->safe_psql('re"named', "INSERT INTO m.events (id, writer, kind) SELECT -i, 100 + i % 500, 'many' FROM generate_series($i * 100000, $i * 100000 + 10000) i");
	$node->safe_psql('postgres', "CREATE DATABASE again$i TEMPLATE \"re\"\"named\"");
}
module_is_right($node, 're"named', 'after more copies');
$node->safe_psql("again$copies", "SELECT rama.activate()");
module_is_right($node, "again$copies", 'the last of them');

log_is_clean($node, qr/terminating background worker "pg_rama (worker|scout)" due to administrator command/,
	'no error in the log');
$node->stop;
done_testing();
