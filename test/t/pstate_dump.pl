# PStates survive dump and restore: their tables as they are, and after
# rama.activate() also what a dump does not carry.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_rama'\n");
$node->start;
my $dump = "$PostgreSQL::Test::Utils::tmp_check/pstate_dump.sql";
my $archive = "$PostgreSQL::Test::Utils::tmp_check/pstate_dump.custom";

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION pg_rama;
CREATE ROLE owner_of_state;
CREATE ROLE reader;
CREATE SCHEMA "my ""own";
CREATE TYPE "my ""own".mood AS ENUM ('sad', 'happy');
SET search_path = "my ""own", public;
SELECT rama.create_pstate('llm', 'map(org: bigint, map(request: uuid,
	struct(prompt: text, moods: map(mood, int), tokens: vector(token: text) subindex,
		felt: vector(set(mood)) subindex, codes: vector(varchar(3)) subindex)) subindex)');
SELECT rama.create_pstate('"Odd na''me"', 'map("a b": mood, set("c""d": int) subindex)');
SELECT rama.create_pstate('total', 'numeric(10,2)');
SELECT rama.put('llm', 1, '6f1e0000-0000-4000-8000-000000000001', 'prompt', 'hello');
SELECT rama.push('llm', 1, '6f1e0000-0000-4000-8000-000000000001', 'tokens', t) FROM unnest('{a,b,c}'::text[]) t;
SELECT rama.push('llm', 1, '6f1e0000-0000-4000-8000-000000000001', 'tokens', md5(i::text)) FROM generate_series(1, 100) i;
SELECT rama.push('llm', 1, '6f1e0000-0000-4000-8000-000000000001', 'felt', '["sad", "happy"]'::jsonb);
SELECT rama.push('llm', 1, '6f1e0000-0000-4000-8000-000000000001', 'codes', 'abc');
SELECT rama.put('llm', 1, '6f1e0000-0000-4000-8000-000000000001', 'moods', '{"happy": 3}'::jsonb);
SELECT rama.push('"Odd na''me"', 'happy', 5), rama.add('total', 1.5);
ALTER TABLE llm OWNER TO owner_of_state;
GRANT SELECT ON llm TO reader;
CREATE INDEX own_index ON llm_request (prompt);
CREATE FUNCTION "wh(at"(m mood, org bigint) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT rama.count(''"my ""own".llm'', org)';
SELECT rama.create_query('"Wh""at"', '"wh(at"(mood, bigint)');
SQL

# What there is to compare: rows, counts, privileges, catalog rows.
my $contents = <<'SQL';
SET search_path = "my ""own", public;
TABLE llm; TABLE llm_request; TABLE llm_tokens; TABLE llm_tokens_chunk; SELECT pg_get_viewdef('llm_tokens'::regclass); TABLE "Odd na'me"; TABLE "Odd na'me_c""d"; TABLE total;
SELECT module, name, pstate, schema, version, count FROM rama.pstates ORDER BY name;
SELECT * FROM rama.queries;
SELECT pstate, child, ordinal FROM rama.pstate_child ORDER BY child::text;
SELECT relname, relowner::regrole, relacl, relreplident, reloptions, obj_description(oid) FROM pg_class
	WHERE relnamespace = '"my ""own"'::regnamespace AND relkind IN ('r', 'i', 'v') ORDER BY 1;
SELECT rama.get('llm', 1, '6f1e0000-0000-4000-8000-000000000001'), rama.count('llm', 1), rama.count('llm');
SQL
my $expected = $node->safe_psql('postgres', $contents);
like($expected, qr/llm_tokens\|/, 'there is something to compare');

$node->command_ok([ 'pg_dump', '-h', $node->host, '-p', $node->port, '-f', $dump, 'postgres' ], 'pg_dump');
$node->command_ok([ 'pg_dump', '-h', $node->host, '-p', $node->port, '-Fc', '-f', $archive, 'postgres' ], 'pg_dump -Fc');
$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(restored restored2);
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-h', $node->host, '-p', $node->port,
		'-d', 'restored', '-f', $dump ], 'restore by psql');
$node->command_ok([ 'pg_restore', '-e', '-j', '2', '-h', $node->host, '-p', $node->port,
		'-d', 'restored2', $archive ], 'restore by pg_restore in parallel');
$node->safe_psql('postgres', 'CREATE DATABASE copied TEMPLATE restored2');

is($node->safe_psql($_, $contents), $expected, "$_: the same contents, and readable")
  for qw(restored restored2 copied);

# The statement fails with this SQLSTATE in the database.
sub fails_is
{
	my ($dbname, $sql, $sqlstate, $name) = @_;
	my ($rc, $stdout, $stderr) = $node->psql($dbname, qq{SET search_path = "my ""own"; $sql},
		extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);

	like($stderr, qr/ERROR:\s+$sqlstate/, $name);
	return;
}

# Before activation: nothing depends, and still no half of a PState is activated.
fails_is('copied', 'DROP VIEW llm_tokens; SELECT rama.activate()', '55000', 'inactive: a PState without a view is not activated');
fails_is('copied', 'DROP TABLE llm_tokens_chunk CASCADE; SELECT rama.activate()', '55000', 'inactive: half a PState is not activated');
$node->safe_psql('copied', q{SET search_path = "my ""own"; DROP TABLE llm});
is($node->safe_psql('copied', q{SELECT count(*) FROM pg_class WHERE relname ~ '^llm'}), '0',
	'inactive: children go with their root');
$node->safe_psql('copied', q{SET client_min_messages = warning; DROP SCHEMA "my ""own" CASCADE});
is($node->safe_psql('copied', 'SELECT count(*) FROM rama.pstate, rama.pstate_child'), '0',
	'inactive: the schema goes with its PStates');

for my $dbname (qw(restored restored2))
{
	$node->safe_psql($dbname, 'SELECT rama.activate()');
	is($node->safe_psql($dbname, $contents), $expected, "$dbname: activation changes no contents");
	fails_is($dbname, 'INSERT INTO llm VALUES (2)', '0A000', "$dbname: DML by hand");
	fails_is($dbname, 'DROP TABLE llm_request', '2BP01', "$dbname: drop of a child");
	fails_is($dbname, 'DROP TABLE llm_tokens_chunk CASCADE', '2BP01', "$dbname: drop of chunks");
	fails_is($dbname, 'DROP VIEW llm_tokens', '2BP01', "$dbname: drop of the view on them");
	fails_is($dbname, 'DROP INDEX llm_org_idx', '2BP01', "$dbname: drop of the key index");
	fails_is($dbname, 'DROP TRIGGER rama_guard ON llm', '0A000', "$dbname: drop of the guard");
	fails_is($dbname, 'DROP TYPE mood', '2BP01', "$dbname: drop of a type in a jsonb column");
	is( $node->safe_psql($dbname,
			q{SET search_path = "my ""own"; SELECT rama.push('llm', 1, '6f1e0000-0000-4000-8000-000000000001', 'tokens', 'd')}),
		'103', "$dbname: writes go on");
	$node->safe_psql($dbname, q{SET search_path = "my ""own"; ALTER TABLE llm RENAME TO ai});
	is( $node->safe_psql($dbname, q{SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relkind IN ('r', 'v') AND relname ~ '^ai'}),
		'ai ai_codes ai_codes_chunk ai_felt ai_felt_chunk ai_request ai_tokens ai_tokens_chunk', "$dbname: children follow");
	$node->safe_psql($dbname, q{SET search_path = "my ""own"; DROP TABLE ai});
	is($node->safe_psql($dbname, q{SELECT count(*) FROM pg_class WHERE relname ~ '^(ai|llm)'}), '0',
		"$dbname: and go with the root");
}

# Without the extension the data stay, as plain tables.
$node->safe_psql('postgres', 'SET client_min_messages = warning; DROP EXTENSION pg_rama CASCADE');
is( $node->safe_psql('postgres', q{SET search_path = "my ""own"; SELECT count(*) FROM llm_tokens; INSERT INTO llm VALUES (2); DROP TABLE llm}),
	'103', 'DROP EXTENSION leaves plain tables');

$node->stop;
done_testing();
