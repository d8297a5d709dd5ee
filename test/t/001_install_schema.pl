# CREATE EXTENSION refuses a schema "task_queue" that somebody else made, and
# the install script does nothing when it is run by hand.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;

$node->safe_psql('postgres', 'CREATE ROLE mallory; CREATE DATABASE foreign_schema; CREATE DATABASE own_schema');

$node->safe_psql('foreign_schema', 'CREATE SCHEMA task_queue AUTHORIZATION mallory');
my ($status, $stdout, $stderr) = $node->psql('foreign_schema', "\\set VERBOSITY verbose\nCREATE EXTENSION task_queue");
isnt($status, 0, 'a schema of another owner is refused');
like($stderr, qr/ERROR:  42501: schema "task_queue" exists already and belongs to somebody else/, 'with SQLSTATE and message');
like($stderr, qr/DETAIL:  Its owner is mallory, not \w+\./, 'with the owner as detail');
like($stderr, qr/HINT:  Drop the schema/, 'with a way out');
is($node->safe_psql('foreign_schema', "SELECT count(*) FROM pg_class WHERE relnamespace = 'task_queue'::regnamespace"),
	'0', 'and nothing is left behind');

$node->safe_psql('own_schema', 'CREATE SCHEMA task_queue; CREATE EXTENSION task_queue');
is($node->safe_psql('own_schema', "SELECT nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'task_queue'"),
	'task_queue', 'a schema of the same owner is taken');

my ($share) = run_command([ 'pg_config', '--sharedir' ]);
my ($script) = glob("$share/extension/task_queue--*[0-9].sql");
($status, $stdout, $stderr) = $node->psql('postgres', "\\i $script");
like("$stdout$stderr", qr/Use "CREATE EXTENSION task_queue" to load this file/, 'the script says how it is to be used');
is($node->safe_psql('postgres', "SELECT to_regnamespace('task_queue') IS NULL"), 't', 'and makes nothing');

$node->stop;
done_testing();
