# A handler runs as its topology's owner, whatever it tries, and leaves
# nothing behind in the worker for the next topology, of the same owner or of
# another one.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

# A worker for each owner, so that an owner's topologies share the process.
my $node = rama_node('security', conf => 'pg_rama.workers = 2');

$node->safe_psql('postgres', q{
CREATE ROLE alice; CREATE ROLE bob; CREATE ROLE mallory; CREATE ROLE boss SUPERUSER;
CREATE SCHEMA a AUTHORIZATION alice;
CREATE SCHEMA a2 AUTHORIZATION alice;
CREATE SCHEMA b AUTHORIZATION bob;
CREATE SCHEMA evil AUTHORIZATION mallory;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
});

# Module a attacks: the event is a command that its handler runs. What
# happened is written by the handler, so that it commits with the batch.
my $attacker = q{
CREATE TABLE a.report (n bigserial, command text, outcome text, who name, session name, cause text);
CREATE TABLE a.deferred (command text);
CREATE FUNCTION a.on_commit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	outcome text := 'done';
BEGIN
	BEGIN
		EXECUTE new.command;
	EXCEPTION WHEN OTHERS THEN
		outcome := sqlstate;
	END;
	INSERT INTO a.report (command, outcome, who, session, cause)
		VALUES (new.command, outcome, current_user, session_user, 'deferred trigger');
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON a.deferred
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION a.on_commit();

CREATE FUNCTION a.attack(e a.commands) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	outcome text := 'done';
BEGIN
	IF e.how = 'deferred' THEN
		INSERT INTO a.deferred VALUES (e.command);
		RETURN;
	END IF;
	BEGIN
		IF e.how = 'do' THEN
			EXECUTE format('DO %L', format('BEGIN %s; END', e.command));
		ELSE
			EXECUTE e.command;
		END IF;
	EXCEPTION WHEN OTHERS THEN
		outcome := sqlstate;
	END;
	INSERT INTO a.report (command, outcome, who, session, cause)
		VALUES (e.command, outcome, current_user, session_user, e.how);
END $$;
};
$node->safe_psql('postgres', qq{
SET ROLE alice;
SELECT rama.create_depot('a.commands', 'command text, how text');
$attacker
SELECT rama.create_topology('a.attacker', 'stream', 'a.commands', each => 'a.attack');
});

# What the next topology finds in its process.
foreach my $next ([ 'alice', 'a2' ], [ 'bob', 'b' ])
{
	my ($owner, $module) = @$next;

	$node->safe_psql('postgres', qq{
SET ROLE $owner;
SELECT rama.create_depot('$module.looks', 'n int');
CREATE TABLE $module.found (n int, who name, session name, settings text, search_path text,
	temp_table text, statements bigint, cursors bigint, channels bigint, locks bigint, upper text,
	isolation text, read_only text);
CREATE FUNCTION $module.look(e $module.looks) RETURNS void LANGUAGE plpgsql AS \$\$
BEGIN
	INSERT INTO found
		SELECT e.n, current_user, session_user,
			concat_ws(',', current_setting('work_mem'), current_setting('DateStyle'),
				current_setting('statement_timeout'), nullif(current_setting('my.secret', true), '')),
			current_setting('search_path'), to_regclass('pg_temp.leak')::text,
			(SELECT count(*) FROM pg_prepared_statements),
			(SELECT count(*) FROM pg_cursors WHERE is_holdable),
			(SELECT count(*) FROM pg_listening_channels()),
			(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
			upper('x'), current_setting('transaction_isolation'), current_setting('transaction_read_only');
	CREATE TEMP TABLE leak (x int) ON COMMIT DROP;
END \$\$;
SELECT rama.create_topology('$module.looker', 'stream', '$module.looks', each => '$module.look');
});
}

sub attack
{
	my ($command, $how) = @_;

	$node->safe_psql('postgres', qq{
INSERT INTO a.commands (command, how) VALUES (\$c\$$command\$c\$, '$how')});
	$node->safe_psql('postgres', q{SELECT rama.wait('a.attacker', timeout => '20s')}) eq 't'
	  or die "attacker stopped at: $command ($how): "
	  . $node->safe_psql('postgres', 'SELECT s::text FROM rama.status s');
	return $node->safe_psql('postgres',
		q{SELECT outcome, who, session FROM a.report ORDER BY n DESC LIMIT 1});
}

my $look = 0;
sub looks_clean
{
	my ($name) = @_;

	$look++;
	foreach my $next ([ 'alice', 'a2' ], [ 'bob', 'b' ])
	{
		my ($owner, $module) = @$next;

		$node->safe_psql('postgres', "INSERT INTO $module.looks (n) VALUES ($look)");
		$node->safe_psql('postgres', "SELECT rama.wait('$module.looker', timeout => '20s')");
		is( $node->safe_psql('postgres', qq{
SELECT who, settings, search_path, temp_table, statements, cursors, channels, locks, upper
FROM $module.found WHERE n = $look}),
			"$owner|4MB,ISO, MDY,0|$module, pg_catalog, pg_temp||0|0|0|0|X",
			"nothing left for the next topology of $owner after: $name");
	}
	return;
}

# Becoming somebody else. A handler has no way to; how it tries varies.
my $session = (split /\|/, attack('SELECT 1', 'execute'))[2];
foreach my $command ('SET ROLE boss', 'SET ROLE bob', 'RESET ROLE', 'SET ROLE NONE',
	'SET LOCAL ROLE boss', 'SET SESSION AUTHORIZATION boss', 'RESET SESSION AUTHORIZATION',
	'SET SESSION AUTHORIZATION DEFAULT', 'SET LOCAL SESSION AUTHORIZATION boss')
{
	foreach my $how (qw(execute do deferred))
	{
		is(attack($command, $how), "42501|alice|$session", "refused, still the owner: $command ($how)");
	}
}
foreach my $command (q{SELECT set_config('role', 'boss', false)},
	q{SELECT set_config('session_authorization', 'boss', false)})
{
	is(attack($command, 'execute'), "42501|alice|$session", "refused, still the owner: $command");
}
foreach my $how (qw(execute deferred))
{
	like(attack('RESET ALL', $how), qr/^\w+\|alice\|/, "still the owner after RESET ALL ($how)");
	like(attack('CREATE ROLE intruder SUPERUSER', $how), qr/^42501\|alice\|/, "no superuser's rights ($how)");
}
like(attack('COMMIT', 'execute'), qr/^\w{5}\|alice\|/, 'COMMIT is refused');
like(attack('ROLLBACK', 'execute'), qr/^\w{5}\|alice\|/, 'ROLLBACK is refused');
looks_clean('attempts to become somebody else');

# A trigger that fails at commit fails the batch; the next one runs as its owner.
$node->safe_psql('postgres', q{
CREATE FUNCTION a.fail_at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF new.command = 'fail at commit' THEN RAISE 'failed at commit'; END IF;
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER zz_fail AFTER INSERT ON a.deferred
	DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION a.fail_at_commit();
INSERT INTO a.commands (command, how) VALUES ('fail at commit', 'deferred')});
ok( $node->poll_query_until('postgres',
		q{SELECT bool_or(s::text ~ 'failed at commit') FROM rama.status s}),
	'the error of a deferred trigger is shown in rama.status');
looks_clean('a failure in a deferred trigger');
$node->safe_psql('postgres', 'DROP TRIGGER zz_fail ON a.deferred');
is($node->safe_psql('postgres', q{SELECT rama.wait('a.attacker', timeout => '30s')}),
	't', 'the failed batch is retried and goes through');

# Leaving things behind.
foreach my $litter (
	'CREATE TEMP TABLE leak AS SELECT 1 AS x',
	q{SET work_mem = '123MB'},
	q{SET DateStyle = 'German'},
	q{SET statement_timeout = '1ms'},
	q{SELECT set_config('my.secret', 'alice was here', false)},
	'SET search_path = evil, pg_catalog',
	q{SELECT set_config('search_path', 'evil, pg_catalog', false)},
	'SELECT pg_advisory_lock(42)',
	'LISTEN leak',
	'PREPARE leak AS SELECT 1',
	'DECLARE leak CURSOR WITH HOLD FOR SELECT 1')
{
	foreach my $how (qw(execute deferred))
	{
		like(attack($litter, $how), qr/\|alice\|/, "the handler runs: $litter ($how)");
		looks_clean("$litter ($how)");
		is( $node->safe_psql('postgres', q{
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42}),
			'0', 'no advisory lock is left') if $litter =~ /advisory/;
	}
}

# What stands on somebody's search_path is not picked up.
$node->safe_psql('postgres', q{
SET ROLE mallory;
CREATE FUNCTION evil.upper(text) RETURNS text LANGUAGE sql AS $$ SELECT 'evil ' || current_user $$;
CREATE FUNCTION evil.helper() RETURNS text LANGUAGE sql AS $$ SELECT 'evil ' || current_user $$;
CREATE FUNCTION evil.eq(text, text) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$;
CREATE OPERATOR evil.= (FUNCTION = evil.eq, LEFTARG = text, RIGHTARG = text);
RESET ROLE;
CREATE TABLE evil.found (LIKE b.found);
GRANT INSERT ON evil.found TO PUBLIC;
CREATE FUNCTION public.helper() RETURNS text LANGUAGE sql AS $$ SELECT 'evil'::text $$;
ALTER ROLE alice SET search_path = evil, public, pg_catalog;
ALTER ROLE bob SET search_path = evil, public, pg_catalog;
ALTER DATABASE postgres SET search_path = evil, public, pg_catalog;
ALTER DATABASE postgres SET default_transaction_isolation = 'repeatable read';
ALTER DATABASE postgres SET default_transaction_read_only = on;
});
$node->restart;
my $normal = "SET default_transaction_read_only = off; SET default_transaction_isolation = 'read committed';";
$node->safe_psql('postgres', "$normal
INSERT INTO a2.looks (n) VALUES (0);
INSERT INTO b.looks (n) VALUES (0)");
foreach my $next ([ 'alice', 'a2' ], [ 'bob', 'b' ])
{
	my ($owner, $module) = @$next;

	is($node->safe_psql('postgres', "$normal SELECT rama.wait('$module.looker', timeout => '20s')"),
		't', "settings of roles and of the database do not stop the topology of $owner");
	is( $node->safe_psql('postgres', qq{
SELECT who, search_path, upper, isolation, read_only FROM $module.found WHERE n = 0}),
		"$owner|$module, pg_catalog, pg_temp|X|read committed|off",
		"functions, tables and operators of a search_path are not picked up: $owner");
}
$node->safe_psql('postgres', qq{$normal
INSERT INTO a.commands (command, how) VALUES ('DO \$d\$ BEGIN PERFORM helper(); END \$d\$', 'execute');
SELECT rama.wait('a.attacker', timeout => '20s')});
my $helper = $node->safe_psql('postgres', 'SELECT outcome, who, session FROM a.report ORDER BY n DESC LIMIT 1');
like($helper, qr/^42883\|alice\|/, 'a function of schema public is not found without its schema');
is($node->safe_psql('postgres', 'SELECT count(*) FROM evil.found'), '0', 'nothing went into the other schema');

$node->stop;
done_testing();
