# The quick start of README.md does what its comments say.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use lib "$ENV{RAMA_SRC}/test/t";
use Rama;

my $node = PostgreSQL::Test::Cluster->new('readme');
$node->init;
$node->append_conf('postgresql.conf', rama_conf());
$node->start;

my ($block) = slurp_file("$ENV{RAMA_SRC}/README.md") =~ /^```sql\n(.*?)^```/ms;
my ($rc, $stdout, $stderr) = $node->psql('postgres', $block, on_error_die => 0);

is($rc, 0, 'the quick start runs without an error');
is($stderr, '', 'and without a warning');
is( $stdout, <<'OUT' =~ s/\n\z//r, 'and answers what its comments say');
orders
spent
spending
5
t
37
{"jam": 4, "tea": 37}
3
"ann"
"bob"
jam|8
tea|49.50
orders|depot|idle|
spent|pstate|owned|
spending|stream|idle|0
OUT

$node->stop;
done_testing();
