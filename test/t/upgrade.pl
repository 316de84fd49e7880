# pg_upgrade from the oldest version that is there to each of the others, of a
# cluster whose topologies are in the middle of their work: pg_upgrade's own
# checks pass, nothing starts meanwhile nor before rama.activate(), and then all
# goes on exactly once.
#
# RAMA_UPGRADE_BINDIRS names the bin folders of other versions that have the
# extension; test/run sets it where the system has other versions.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;
use Module;

# Installations by major version.
my %installed;
foreach my $bindir ($ENV{RAMA_BIN}, split(' ', $ENV{RAMA_UPGRADE_BINDIRS} // ''))
{
	my ($version) = `$bindir/postgres --version` =~ /\) (\d+)/;

	$installed{$version} = $bindir =~ s,/bin/*$,,r;
}
my ($old_version, @new_versions) = sort { $a <=> $b } keys %installed;
plan(skip_all => "there is only PostgreSQL $old_version: install others, with their server-dev packages, or set RAMA_UPGRADE_BINDIRS")
  unless @new_versions;

# A cluster of a version, as initdb leaves it.
sub cluster
{
	my ($version, $name) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name, install_path => $installed{$version});

	$node->init(extra => [ '--no-locale', '-E', 'UTF8', ($version >= 18 ? '--no-data-checksums' : ()) ]);
	$node->append_conf('postgresql.conf', rama_conf() . module_conf());
	return $node;
}

# The lines that a server running with these settings would have if it had
# registered one of pg_rama's processes.
my $registration = qr/registering background worker "pg_rama/;

sub upgrade
{
	my ($old, $new, @options) = @_;

	return [ "$new->{_install_path}/bin/pg_upgrade", '--no-sync', '--retain',
		'-d', $old->data_dir, '-D', $new->data_dir,
		'-b', "$old->{_install_path}/bin", '-B', "$new->{_install_path}/bin",
		'-s', $new->host, '-p', $old->port, '-P', $new->port, @options ];
}

# What the servers that pg_upgrade started have written.
sub upgrade_logs
{
	my ($new) = @_;
	my $all = '';

	$all .= slurp_file($_) foreach glob($new->data_dir . '/pg_upgrade_output.d/*/log/pg_upgrade_server*.log');
	return $all;
}

foreach my $version (@new_versions)
{
	my $what = "$old_version to $version";
	my $old = cluster($old_version, "old_$version");
	my $new = cluster($version, "new_$version");
	my @databases = ('postgres', 'da"ta');

	chdir($PostgreSQL::Test::Utils::tmp_check) or die;
	$old->start;
	foreach my $dbname (@databases)
	{
		$old->safe_psql('postgres', q{CREATE DATABASE "da""ta"}) if $dbname ne 'postgres';
		$old->safe_psql($dbname, 'CREATE EXTENSION pg_rama');
		create_module($old, $dbname);
	}

	# A transaction is pending for some topologies, and commits when they are
	# at a standstill, with events to come; another one is left prepared.
	my @load = map { start_appenders($old, $_, 3, soak() ? 30 : 3, 1) } @databases;
	foreach my $dbname (@databases)
	{
		$old->safe_psql($dbname, qq{
BEGIN; INSERT INTO m.events (id, writer, kind) VALUES (-1, 0, 'late'); PREPARE TRANSACTION 'late $dbname'});
		eventually($old, $dbname, "SELECT cardinality(pending_xid) > 0 AND batch > 5 FROM m.$_")
		  foreach qw(see_small count_writers relay);
	}
	$old->append_conf('postgresql.conf', 'pg_rama.enabled = off');
	$old->reload;
	finish_appenders($_, "$what: appenders") foreach @load;
	$old->safe_psql('postgres', q{COMMIT PREPARED 'late postgres'});
	cmp_ok($old->safe_psql('postgres', 'SELECT sum(lag_events) FROM rama.status'), '>', 0,
		"$what: there is work left");
	my $dump = "$PostgreSQL::Test::Utils::tmp_check/to_$version.custom";
	$new->command_ok([ "$new->{_install_path}/bin/pg_dump", '-Fc', '-f', $dump, $old->connstr('postgres') ],
		"$what: pg_dump");
	$old->append_conf('postgresql.conf', 'log_min_messages = debug1');
	$new->append_conf('postgresql.conf', 'log_min_messages = debug1');
	$old->stop;

	$new->command_checks_all(upgrade($old, $new, '--check'), 1, [qr/prepared transactions/], [],
		"$what: pg_upgrade refuses prepared transactions");
	$old->start;
	like(slurp_file($old->logfile), $registration, "$what: a server that starts is seen to register the launcher");
	$old->safe_psql('da"ta', q{COMMIT PREPARED 'late da"ta'});
	my %progress = map { $_ => progress_of($old, $_) } @databases;
	$old->stop;
	$new->command_ok(upgrade($old, $new, '--check'), "$what: pg_upgrade --check");
	$new->command_ok(upgrade($old, $new, $version == $new_versions[0] ? '--link' : ()), "$what: pg_upgrade");
	my $logs = upgrade_logs($new);
	like($logs, qr/database system is ready/, "$what: its servers have written logs");
	unlike($logs, $registration, "$what: and nothing of pg_rama was started in them");

	$new->append_conf('postgresql.conf', 'log_min_messages = warning');
	$new->start;
	foreach my $dbname (@databases)
	{
		append_known($new, $dbname, -10, 'while inactive');
		stands_still($new, $dbname, $progress{$dbname}, 'inactive', 'SELECT rama.activate()', "$what, $dbname");
		is($new->safe_psql($dbname, q{SELECT extversion FROM pg_extension WHERE extname = 'pg_rama'}),
			$new->safe_psql($dbname, q{SELECT default_version FROM pg_available_extensions WHERE name = 'pg_rama'}),
			"$what, $dbname: the extension");
		$new->safe_psql($dbname, 'SELECT rama.activate()');
		finish_appenders(start_appenders($new, $dbname, 3, 1, 2), "$what, $dbname: appenders");
		module_is_right($new, $dbname, "$what, $dbname");
		sqlstate_is($new, $dbname, 'DELETE FROM m.events', '0A000', "$what, $dbname: depots are guarded");
		sqlstate_is($new, $dbname, 'DROP TABLE m.ids_id', '2BP01', "$what, $dbname: so are PStates");
		sqlstate_is($new, $dbname, 'DROP FUNCTION m.count_writer', '2BP01', "$what, $dbname: and handlers");
		sqlstate_is($new, $dbname, 'DROP EXTENSION pg_rama', '2BP01', "$what, $dbname: and the extension");
	}
	# The same by a dump.
	$new->safe_psql('postgres', 'CREATE DATABASE dumped');
	$new->command_ok([ "$new->{_install_path}/bin/pg_restore", '-e', '-j', '3', '-d', $new->connstr('dumped'), $dump ],
		"$what: pg_restore");
	$new->safe_psql('dumped', 'SELECT rama.activate()');
	finish_appenders(start_appenders($new, 'dumped', 3, 1, 3), "$what, dumped: appenders");
	module_is_right($new, 'dumped', "$what, dumped");
	log_is_clean($new, qr/^$/, "$what: no error in the log");
	$new->stop;
}
done_testing();
