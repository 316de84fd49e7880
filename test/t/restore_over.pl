# Restores into databases that have something already: a module beside others,
# pg_restore --clean over what is there; and the extension is dropped from below
# busy topologies.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;
use Module;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $new = module_node('main');
$new->safe_psql('postgres', 'CREATE DATABASE busy');
$new->safe_psql('busy', 'CREATE EXTENSION pg_rama');
create_module($new, 'busy');

# Other schemas, which the dump of one module must do without.
$new->safe_psql('busy', q{
CREATE SCHEMA "Not this";
SELECT rama.create_depot('"Not this".d'), rama.create_pstate('"Not this".p', 'map(a: int, map(b: int, c: int) subindex)');
SELECT rama.create_topology('"Not this".t', 'stream', '"Not this".d', sql => 'SELECT FROM batch')});
my $busy = start_appenders($new, 'busy', 3, soak() ? 40 : 10, 1);
eventually($new, 'busy', 'SELECT count(*) > 1000 FROM m.events');
my @dump = ('pg_dump', '-d', $new->connstr('busy'));
{
	local $ENV{PGOPTIONS} = '-c pg_rama.dump_modules=m';

	$new->command_ok([ @dump, '-n', 'm', '-e', 'pg_rama', '-f', "$dir/module.sql" ], 'pg_dump of one module');
}
$new->command_ok([ @dump, '-Fc', '-f', "$dir/custom" ], 'pg_dump -Fc');
like(slurp_file("$dir/module.sql"), qr/^COPY rama\.depot/m, 'the dump of a module has definitions');
unlike(slurp_file("$dir/module.sql"), qr/Not this/, 'and only its own');

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
# Without -e it gets there, with complaints.
$new->command_fails_like([ 'pg_restore', '--clean', '-d', $new->connstr('clean'), "$dir/custom" ],
	qr/errors ignored on restore/, 'pg_restore --clean goes on after errors');
goes_on($new, 'clean');
restore($new, 'clean', [ 'pg_restore', "$dir/custom" ]);
$new->safe_psql('clean', 'SELECT rama.activate(); SELECT rama.deactivate()');
restore($new, 'clean', [ 'pg_restore', '--clean', '--single-transaction', "$dir/custom" ]);
$new->safe_psql('clean', 'SELECT rama.activate()');
module_is_right($new, 'clean', 'pg_restore --clean');
$new->safe_psql('clean', 'DROP SCHEMA m, "Not this" CASCADE');
restore($new, 'clean', [ 'psql', '-f', "$dir/module.sql" ]);
goes_on($new, 'clean');


finish_appenders($busy, 'the appenders beside the restores');
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

log_is_clean($new, qr/terminating background worker "pg_rama (worker|scout)" due to administrator command/,
	'no error in the log');
$new->stop;
done_testing();
