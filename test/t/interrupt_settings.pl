# Settings of the server, of a database and of roles that are fit for sessions
# of clients do not get into the way of batches; what a handler sets holds for
# its batch; handler_timeout ends a handler.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $node = rama_node('settings');
create_recorders($node, 'postgres');
create_counters($node, 'postgres');
$node->safe_psql('postgres', q{
CREATE ROLE ann SUPERUSER;
ALTER TABLE keep_log OWNER TO ann; ALTER TABLE log OWNER TO ann; ALTER TABLE see_stream OWNER TO ann;
SELECT pg_reload_conf()});

my %hostile = (
	lock_timeout => '1ms',
	statement_timeout => '1ms',
	idle_in_transaction_session_timeout => '1ms',
	idle_session_timeout => '1ms',
	default_transaction_isolation => 'serializable',
	default_transaction_read_only => 'on',
	default_transaction_deferrable => 'on',
	search_path => '"$user"',
	row_security => 'off',
	work_mem => '64kB',
	maintenance_work_mem => '1MB',
	temp_buffers => '800kB',
	default_tablespace => 'pg_default',
	client_min_messages => 'debug1',
	session_replication_role => 'origin',
	constraint_exclusion => 'off',
	enable_indexscan => 'off',
	enable_bitmapscan => 'off',
	force_parallel_mode => 'on',
	plan_cache_mode => 'force_generic_plan',
	check_function_bodies => 'off',
	DateStyle => 'German, DMY',
	IntervalStyle => 'sql_standard',
	TimeZone => 'Asia/Kathmandu',
	bytea_output => 'escape',
	extra_float_digits => '-15',
	transform_null_equals => 'on',
	quote_all_identifiers => 'on',
	standard_conforming_strings => 'off',
	backslash_quote => 'off',
	escape_string_warning => 'off',
	array_nulls => 'off',
	xmloption => 'document',
	synchronous_commit => 'off',
	commit_delay => '10',
	deadlock_timeout => '10ms',
	vacuum_cost_delay => '10ms');

# Settings under which workers are started anew, with events while they start.
sub with_settings
{
	my ($what, $set, $reset) = @_;
	my $from = -s $node->logfile;

	$node->safe_psql('postgres', $set);
	my $load = start_load($node->connstr('postgres')
		  . q{ options='-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0 -c idle_session_timeout=0 -c default_transaction_read_only=off -c default_transaction_isolation=read\\\\ committed -c search_path=public -c default_transaction_deferrable=off'});

	local $ENV{PGOPTIONS} = '-c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c lock_timeout=0 -c idle_session_timeout=0 -c default_transaction_read_only=off -c default_transaction_isolation=read\ committed -c search_path=public -c client_min_messages=notice -c standard_conforming_strings=on';
	my $position = $node->safe_psql('postgres', 'SELECT last_value FROM events__offset_seq');
	$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_rama worker'});
	eventually($node, 'postgres', "SELECT last_value > $position + 500 FROM events__offset_seq");
	# Somebody who holds locks for longer than a lock_timeout.
	$node->safe_psql('postgres', q{BEGIN; LOCK TABLE seen_stream IN SHARE MODE; SELECT pg_sleep(0.3); COMMIT});
	eventually($node, 'postgres', q{SELECT count(*) > 2 FROM pg_stat_activity WHERE backend_type = 'pg_rama worker' AND datname = 'postgres'});
	stop_load($load, $node, 'postgres');
	recomputed($node, 'postgres', $what);
	log_is_sound($node, $from, qr/terminating background worker "pg_rama \w+" due to administrator command/, "$what: the log");
	$node->safe_psql('postgres', $reset);
	return;
}

my @settings = map { "$_ = '$hostile{$_}'" } sort keys %hostile;
with_settings('ALTER DATABASE ... SET',
	join(';', map { "ALTER DATABASE postgres SET $_" } @settings),
	'ALTER DATABASE postgres RESET ALL');
with_settings('ALTER ROLE ... SET',
	join(';', map { ("ALTER ROLE ann SET $_", "ALTER ROLE CURRENT_USER SET $_") } @settings),
	'ALTER ROLE ann RESET ALL; ALTER ROLE CURRENT_USER RESET ALL');
with_settings('ALTER ROLE ALL SET',
	join(';', map { "ALTER ROLE ALL SET $_" } @settings), 'ALTER ROLE ALL RESET ALL');
{
	my $conf = slurp_file($node->data_dir . '/postgresql.conf');

	$node->append_conf('postgresql.conf', join("\n", @settings));
	with_settings('postgresql.conf', 'SELECT pg_reload_conf()', 'SELECT 1');
	open my $file, '>', $node->data_dir . '/postgresql.conf';
	print $file $conf;
	close $file;
	$node->reload;
}

# What a handler sets itself holds for the rest of its batch, and not beyond.
my $from = -s $node->logfile;
$node->safe_psql('postgres', q{
BEGIN;
SELECT rama.create_depot('orders', 'n int');
CREATE TABLE done (n int, at_start text, topology text);
CREATE FUNCTION impatient(e orders) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO done VALUES (e.n, current_setting('lock_timeout'), 'impatient');
	SET lock_timeout = '50ms';
	SET statement_timeout = '1h';
	SET work_mem = '1MB';
	SET search_path = pg_temp;
	LOCK TABLE public.locked;
END $$;
CREATE TABLE locked ();
SELECT rama.create_topology('impatient', 'stream', 'orders', each => 'impatient',
	options => '{"backoff": "10 ms"}');
SELECT rama.create_topology('patient', 'stream', 'orders',
	sql => $$INSERT INTO done SELECT n, current_setting('lock_timeout') || current_setting('search_path'), 'patient' FROM batch$$);
COMMIT});
my $lock = $node->background_psql('postgres');
$lock->query_safe('BEGIN; LOCK TABLE locked');
$node->safe_psql('postgres', 'INSERT INTO orders VALUES (1)');
eventually($node, 'postgres', q{SELECT attempts >= 3 FROM rama.status WHERE name = 'impatient'});
is(status_of($node, 'postgres', 'impatient', 'state, last_sqlstate, last_error ~ $$canceling statement due to lock timeout$$'),
	'failing|55P03|t', 'a lock_timeout that a handler sets is its failure');
is($node->safe_psql('postgres', q{SELECT rama.wait('patient')}), 't', 'and nobody else\'s');
$lock->query_safe('COMMIT');
$lock->quit;
is($node->safe_psql('postgres', q{
INSERT INTO orders VALUES (2);
SELECT rama.wait('impatient') AND rama.wait('patient');
SELECT string_agg(DISTINCT at_start, ' ' ORDER BY at_start), count(*) FROM done}), "t\n0 0public, pg_catalog, pg_temp|4",
	'what a handler sets is gone after its batch');
log_is_sound($node, $from, qr/canceling statement due to lock timeout/, 'settings of handlers: the log');

# handler_timeout
$from = -s $node->logfile;
$node->safe_psql('postgres', q{
BEGIN;
CREATE TABLE pace (seconds float8);
INSERT INTO pace VALUES (100);
CREATE FUNCTION slow(e orders) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		PERFORM pg_sleep(seconds) FROM pace;
	EXCEPTION WHEN OTHERS THEN	-- does not catch a cancel
		NULL;
	END;
	INSERT INTO done VALUES (e.n, '', 'slow');
END $$;
SELECT rama.create_topology('slow', 'stream', 'orders', each => 'slow',
	options => '{"handler_timeout": "100 ms", "on_error": "halt", "max_attempts": 2, "backoff": "10 ms"}');
COMMIT});
eventually($node, 'postgres', q{SELECT state = 'halted' FROM rama.status WHERE name = 'slow'});
is(status_of($node, 'postgres', 'slow', 'attempts, last_sqlstate, last_error ~ $$statement timeout$$'), '2|57014|t',
	'a handler that takes longer than handler_timeout has failed');
$node->safe_psql('postgres', q{UPDATE pace SET seconds = 0; SELECT rama.resume('slow')});
is($node->safe_psql('postgres', q{SELECT rama.wait('slow'); SELECT count(*) FROM done WHERE topology = 'slow'}), "t\n2",
	'and goes on when it is quick enough');
log_is_sound($node, $from, qr/canceling statement due to statement timeout|topology "slow" has halted/, 'handler_timeout: the log');

recomputed($node, 'postgres', 'at the end');
$node->stop;
done_testing();
