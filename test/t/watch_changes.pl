# rama.changes beside writers: waiting, a ring that overflows, kill -9, two
# databases, a standby, and a server without the library preloaded.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $node = rama_node('changes', init => { allows_streaming => 1 }, conf => "pg_rama.change_ring_mb = 1\n");

sub changes
{
	my ($args, $dbname) = @_;

	return $node->safe_psql($dbname // 'postgres', "SELECT version, op, path, value FROM rama.changes('p', $args)");
}

$node->safe_psql('postgres', 'CREATE DATABASE second');
foreach my $dbname ('postgres', 'second')
{
	$node->safe_psql($dbname, 'CREATE EXTENSION IF NOT EXISTS pg_rama');
	$node->safe_psql($dbname, q{SELECT rama.create_pstate('p', 'map(k: text, struct(n: bigint, t: text))')});
}

# Waiting: for a commit that concerns the path, and no longer.
my $waiting = q{SELECT count(*) FROM pg_stat_activity WHERE query ~ '^SELECT version, op' AND wait_event_type = 'Extension'};
my ($stdout, $stderr) = ('', '');
my $reader = IPC::Run::start(
	[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c',
		q{SELECT version, op, path, value FROM rama.changes('p', '["a"]', 0, wait => '30 s')} ],
	'<', \undef, '>', \$stdout, '2>', \$stderr);
ok($node->poll_query_until('postgres', $waiting, '1'), 'a reader waits');
$node->safe_psql('postgres', q{SELECT rama.add('p', 'other', 'n', 1)});
$node->safe_psql('postgres', q{BEGIN; SELECT rama.add('p', 'a', 'n', 1); ROLLBACK});
$node->safe_psql('postgres', q{SELECT rama.add('p', 'a', 'n', 5)});
$reader->finish;
is("$stdout$stderr", qq{2|add|["a", "n"]|5\n}, 'until the commit that it waits for');
is($node->safe_psql('postgres', q{
SET statement_timeout = '30s'; SET pg_rama.max_wait = '50ms';
SELECT count(*) FROM rama.changes('p', '[]', 2, wait => '1 hour')}), '0', 'and not longer than pg_rama.max_wait');

# Two databases have their own versions, of relations with the same oid, too.
is(changes(q{'[]', 0}, 'second'), '', 'nothing of the other database');
$node->safe_psql('second', q{SELECT rama.put('p', 'b', 'n', 7)});
is(changes(q{'[]', 0}, 'second'), '1|set|["b"]|{"n": 7}', 'its own version 1');
is(changes(q{'[]', 0}), qq{1|add|["other", "n"]|1\n2|add|["a", "n"]|5}, 'and those of the first are as they were');
$node->safe_psql('postgres', 'DROP DATABASE IF EXISTS copy');
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE second');
is($node->safe_psql('copy', q{SELECT op, value FROM rama.changes('p', '[]', 0)}), 'reset|{"b": {"n": 7}}',
	'a copy knows the value, not how it came');

# A ring that overflows: what a reader has is what there is, by changes or by
# resets, in versions without gaps.
$node->safe_psql('postgres', q{
CREATE TABLE had (k text PRIMARY KEY, n bigint, t text);
CREATE TABLE told (id bigserial, version bigint, op text);
INSERT INTO told (version, op) VALUES (0, 'reset');
CREATE FUNCTION put_had(k text, v jsonb) RETURNS void LANGUAGE sql AS
	$$INSERT INTO had VALUES (k, (v->>'n')::bigint, v->>'t') ON CONFLICT ON CONSTRAINT had_pkey
		DO UPDATE SET n = excluded.n, t = excluded.t$$;
CREATE FUNCTION follow(pause float DEFAULT 0) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	c record;
BEGIN
	PERFORM pg_sleep(pause);
	FOR c IN SELECT * FROM rama.changes('p', '[]', (SELECT max(version) FROM told), max => 1000000) LOOP
		IF c.op = 'reset' THEN
			DELETE FROM had;
			PERFORM put_had(e.key, e.value) FROM jsonb_each(c.value) e;
		ELSIF jsonb_array_length(c.path) = 1 AND c.op = 'set' THEN
			PERFORM put_had(c.path->>0, c.value);
		ELSIF jsonb_array_length(c.path) = 1 THEN
			DELETE FROM had h WHERE h.k = c.path->>0;
		ELSE
			INSERT INTO had VALUES (c.path->>0) ON CONFLICT DO NOTHING;
			UPDATE had h SET n = CASE WHEN c.path->>1 = 'n' THEN coalesce(h.n, 0) + c.value::bigint ELSE h.n END,
				t = CASE WHEN c.path->>1 = 't' THEN c.value#>>'{}' ELSE h.t END
			WHERE h.k = c.path->>0;
		END IF;
		INSERT INTO told (version, op) VALUES (c.version, c.op);
	END LOOP;
END $$;
CREATE PROCEDURE write(transactions int, huge float DEFAULT 0.01) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. transactions LOOP
		PERFORM rama.add('p', 'k' || floor(random() * 20)::int, 'n', 1);
		IF random() < 0.7 THEN
			PERFORM rama.put('p', 'k' || floor(random() * 20)::int, 't', repeat('x', (random() * 6000)::int) || i);
		END IF;
		IF random() < 0.1 THEN
			PERFORM rama.remove('p', 'k' || floor(random() * 20)::int);
		END IF;
		IF random() < huge THEN
			PERFORM rama.put('p', 'huge' || j, 't', repeat('y', 20000)) FROM generate_series(1, 30) j;
			PERFORM rama.remove('p', 'huge' || j) FROM generate_series(1, 30) j;
		END IF;
		COMMIT;
	END LOOP;
END $$});

# The reader has everything, and was told of each version or of a reset.
sub same
{
	my ($name) = @_;

	$node->safe_psql('postgres', 'SELECT follow()');
	is($node->safe_psql('postgres', q{
SELECT string_agg(k, ', ') FROM had h FULL JOIN p USING (k) WHERE (h.n, h.t) IS DISTINCT FROM (p.n, p.t);
SELECT count(*) FROM (SELECT version - lag(version) OVER (ORDER BY id) AS step, op FROM told) x
WHERE step < 0 OR step > 1 AND op <> 'reset';
SELECT max(version) - rama.version('p') FROM told}), "\n0\n0", $name);
	return;
}

my $transactions = soak() ? 20000 : 1000;
my @writers = map { start_sql($node, 'postgres', "CALL write($transactions)") } 1 .. 2;
my $round = 0;
while (grep { $_->pumpable } @writers)
{
	# Now and then the reader falls behind.
	$node->safe_psql('postgres', 'SELECT follow(' . (++$round % 5 ? 0 : 0.4) . ')');
	$_->pump_nb foreach grep { $_->pumpable } @writers;
}
$_->finish foreach @writers;
same('a reader beside writers has what there is');
my ($told, $resets) = split /\|/, $node->safe_psql('postgres', q{
SELECT count(DISTINCT version), count(*) FILTER (WHERE op = 'reset') FROM told});
ok($told > $resets && $resets > 1, "by changes ($told versions) and by resets ($resets)");

# A crash
my $writer = start_sql($node, 'postgres', 'CALL write(1000000)');
$node->safe_psql('postgres', 'SELECT follow()') foreach 1 .. 5;
$node->stop('immediate');
$writer->finish;
$node->start;
is($node->safe_psql('postgres', q{SELECT count(*) FROM rama.changes('p', '[]', rama.version('p'))}), '0',
	'after a crash nothing has changed since the stored version');
same('and a reader has what there is');
$node->safe_psql('postgres', 'CALL write(20)');
same('also of what comes then');

# Kept in a table
$node->safe_psql('postgres', q{SELECT rama.retain_changes('p', '1 hour')});
my $before = $node->safe_psql('postgres', q{SELECT rama.version('p')});
$node->safe_psql('postgres', 'CALL write(50, huge => 0)');
$node->restart;
$node->safe_psql('postgres', 'TRUNCATE told');
$node->safe_psql('postgres', "INSERT INTO told (version, op) VALUES ($before, 'set')");
same('changes that are kept survive a restart');
is($node->safe_psql('postgres', q{SELECT count(*) FILTER (WHERE op = 'reset') FROM told}), '0', 'without a reset');

# A standby has no ring.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('changes_standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
$before = $node->safe_psql('second', q{SELECT rama.version('p')});
is($standby->safe_psql('second', qq{SELECT op, value FROM rama.changes('p', '["b"]', 0)}), 'reset|{"n": 7}', 'a standby knows the value');
is($standby->safe_psql('second', qq{SELECT op, value FROM rama.changes('p', '["b"]', $before)}), '', 'and whether it is another version');
sqlstate_is($standby, 'second', qq{SELECT * FROM rama.changes('p', '[]', $before, wait => '1 s')}, '25006', 'but does not wait');
$standby->promote;
is($standby->safe_psql('second', qq{SELECT rama.add('p', 'b', 'n', 1); SELECT op, value FROM rama.changes('p', '["b", "n"]', $before)}),
	"8\nadd|1", 'after promotion versions go on');
$standby->stop;

# Without the library preloaded
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
$node->restart;
$before = $node->safe_psql('second', q{SELECT rama.version('p')});
$node->safe_psql('second', q{SELECT rama.add('p', 'b', 'n', 1)});
is($node->safe_psql('second', qq{SELECT op, value FROM rama.changes('p', '["b"]', $before)}), 'reset|{"n": 8}', 'not preloaded: the value');
sqlstate_is($node, 'second', q{SELECT * FROM rama.changes('p', '[]', rama.version('p'), wait => '1 s')}, '55000', 'and no waiting');
$node->stop;
done_testing();
