# Physical copies of a server whose topologies work at full load: a base backup
# that is promoted, a point in the middle of the load that is recovered, a
# standby. They start by themselves once they are promoted, unless
# pg_rama.enabled is off, and go on exactly once from their own state, also
# with transactions that were prepared when they parted from the original.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;
use Module;

my $primary = module_node('primary', init => { allows_streaming => 1, has_archiving => 1 },
	conf => "full_page_writes = on\n");
create_module($primary, 'postgres');
my $seconds = soak() ? 60 : 6;
my $load = start_appenders($primary, 'postgres', 4, $seconds, 1);
eventually($primary, 'postgres', 'SELECT count(*) > 500 FROM m.events');

sub prepare
{
	my ($node, $id, $name) = @_;

	$node->safe_psql('postgres', qq{
BEGIN;
INSERT INTO m.events (id, writer, kind) VALUES ($id, 0, 'prepared');
PREPARE TRANSACTION '$name'});
	return;
}

# A server from the backup; more is appended to its settings.
sub from_backup
{
	my ($name, $more, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init_from_backup($primary, 'base', %options);
	# The archive is the primary's alone.
	$node->append_conf('postgresql.conf', "archive_mode = off\n$more");
	$node->start;
	return $node;
}

# What a promoted server does: it goes on exactly once, by itself, and then
# ends the prepared transactions that it has.
sub goes_on
{
	my ($node, $round, $name) = @_;

	module_is_right($node, 'postgres', "$name, by itself");
	foreach my $gid (split(/\n/, $node->safe_psql('postgres', 'SELECT gid FROM pg_prepared_xacts ORDER BY gid')))
	{
		$node->safe_psql('postgres', ($gid =~ /lost/ ? 'ROLLBACK' : 'COMMIT') . " PREPARED '$gid'");
	}
	finish_appenders(start_appenders($node, 'postgres', 3, soak() ? 10 : 1, $round), "$name: appenders");
	module_is_right($node, 'postgres', "$name, with its own events");
	return;
}

sub ids_of_prepared
{
	my ($node) = @_;

	return $node->safe_psql('postgres', q{SELECT string_agg(id::text, ' ' ORDER BY id) FROM m.seen_small WHERE id < 0});
}

# Prepared before the backup, and between it and its end.
prepare($primary, -1, 'before');
prepare($primary, -2, 'before, lost');
$primary->backup('base');
prepare($primary, -3, 'after');
prepare($primary, -4, 'after, lost');
my $standby = from_backup('standby', '', has_streaming => 1);

# The point that is recovered: right after a transaction, while others run.
my $xid = $primary->safe_psql('postgres', q{
INSERT INTO m.events (id, writer, kind) VALUES (-5, 0, 'last') RETURNING _xid});
append_known($primary, 'postgres', -6, 'too late');
my $lsn = $primary->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
append_known($primary, 'postgres', -7, 'too late');
finish_appenders($load, 'appenders');
my $last = $primary->safe_psql('postgres', 'SELECT pg_walfile_name(pg_switch_wal())');
eventually($primary, 'postgres', "SELECT last_archived_wal >= '$last' FROM pg_stat_archiver");

# Point-in-time recovery, to a transaction and to a place in the log.
my $at_xid = from_backup('at_xid', qq{
recovery_target_xid = '$xid'
recovery_target_action = 'promote'
}, has_restoring => 1, standby => 0);
$at_xid->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
is($at_xid->safe_psql('postgres', 'SELECT count(*) FILTER (WHERE id = -5), count(*) FILTER (WHERE id IN (-6, -7)) FROM m.events'),
	'1|0', 'recovered up to a transaction');
goes_on($at_xid, 11, 'recovered up to a transaction');
is(ids_of_prepared($at_xid), '-5 -3 -1', 'its prepared transactions were processed once');
log_is_clean($at_xid, qr/^$/, 'no error in its log');
$at_xid->stop;

my $at_lsn = from_backup('at_lsn', qq{
recovery_target_lsn = '$lsn'
recovery_target_action = 'promote'
pg_rama.enabled = off
}, has_restoring => 1, standby => 0);
$at_lsn->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
my $progress = progress_of($at_lsn, 'postgres');
append_known($at_lsn, 'postgres', -8, 'while disabled');
stands_still($at_lsn, 'postgres', $progress, 'disabled', 'Set pg_rama.enabled to on and reload.', 'a copy that is disabled');
$at_lsn->append_conf('postgresql.conf', 'pg_rama.enabled = on');
$at_lsn->reload;
goes_on($at_lsn, 12, 'recovered up to a place in the log');
is(ids_of_prepared($at_lsn), '-8 -6 -5 -3 -1', 'its prepared transactions were processed once');
$at_lsn->stop;

# A standby that is promoted in the middle of more load, beside its primary.
is($standby->safe_psql('postgres', 'SELECT DISTINCT state, hint FROM rama.status WHERE kind IN ($$stream$$, $$microbatch$$)'),
	'standby|SELECT pg_promote()', 'rama.status of a standby');
my $more = start_appenders($primary, 'postgres', 4, soak() ? 20 : 3, 2);
my $open = $primary->background_psql('postgres');
$open->query_safe(q{BEGIN; INSERT INTO m.events (id, writer, kind) VALUES (-9, 0, 'open')});
prepare($primary, -10, 'at promotion');
$primary->wait_for_catchup($standby);
$standby->promote;
goes_on($standby, 13, 'promoted under load');
like(ids_of_prepared($standby), qr/^-10 -7 -6 -5 -3 -1$/, 'its prepared transactions were processed once, the open one is gone');
finish_appenders($more, 'appenders to the old primary');
$open->query_safe('COMMIT');
$open->quit;
goes_on($primary, 14, 'the old primary');
is(ids_of_prepared($primary), '-10 -9 -7 -6 -5 -3 -1', 'its prepared and open transactions were processed once');

log_is_clean($standby, qr/^$/, 'no error in the log of the promoted standby');
log_is_clean($primary, qr/^$/, 'no error in the log of the old primary');
$standby->stop;
$primary->stop;
done_testing();
