# Every database that has the extension is served, whenever it was made, and no
# other one is touched.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main', install => 0, conf => [ 'max_worker_processes = 24', 'task_queue.workers = 1' ]);

my $handler = <<'SQL';
CREATE FUNCTION whereami() RETURNS name LANGUAGE sql RETURN current_database();
SELECT task_queue.register_handler('whereami()');
SQL

sub prepare
{
	my ($database) = @_;
	tq_install($node, $database);
	sql($node, $handler, $database);
	return;
}

sub serves
{
	my ($database, $what) = @_;
	my $id = enqueue($node, 'public.whereami', '[]', undef, $database);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ends_as($node, $id, 'done', $what, $database);
	return is(sql($node, "SELECT t.result($id) #>> '{}'", $database), $database, "in $database itself");
}

sub schedulers
{
	return sql($node, "SELECT coalesce(string_agg(datname, ' ' ORDER BY datname), '') FROM pg_stat_activity WHERE backend_type = 'task_queue scheduler'");
}

is(schedulers(), '', 'no database has the extension: nobody is there');
sql($node, "CREATE DATABASE $_") for ('a', '"B b"', 'c', 'plain');
prepare('a');
serves('a', 'CREATE EXTENSION is noticed');
prepare('B b');
serves('B b', 'in a second database too, whose name needs quotes');
sql($node, 'CREATE EXTENSION task_queue', 'template1');
sql($node, 'CREATE DATABASE from_template');
sql($node, 'DROP EXTENSION task_queue; DROP SCHEMA task_queue', 'template1');
sql($node, 'CREATE SCHEMA x', 'from_template');
sql($node, 'DROP EXTENSION task_queue', 'from_template');
prepare('from_template');
serves('from_template', 'in one that got the extension from its template');
is(schedulers(), 'B b a from_template', 'each has a scheduler');
is(sql($node, "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE 'template%' OR datname = 'plain'"), '0', 'the others have not');

# In a transaction
my $session = session($node, 'c');
$session->query_safe('BEGIN; CREATE EXTENSION task_queue');
$session->query_safe('ROLLBACK');
$session->query_safe('BEGIN; CREATE EXTENSION task_queue');
$session->query_safe($handler =~ s/SELECT.*//sr);
$session->query_safe("SELECT task_queue.register_handler('whereami()'); SELECT task_queue.enqueue('public.whereami')");
is(sql($node, "SELECT count(*) FROM pg_stat_activity WHERE datname = 'c' AND backend_type = 'task_queue worker'"), '0',
	'CREATE EXTENSION that is not committed starts nothing');
$session->query_safe('COMMIT');
$session->quit;
wait_for($node, 'SELECT count(*) FROM task_queue.history WHERE state = \'d\'', 'what was enqueued in the same transaction runs', 1, 'c');

# Over a restart
my $id = enqueue($node, 'public.whereami', '[]', "delay => '1 s'", 'a');
$node->restart;
ends_as($node, $id, 'done', 'after a restart tasks run', 'a');
serves('B b', 'in every database');

# Only some
$node->append_conf('postgresql.conf', "task_queue.databases = 'a, \"B b\"'");
$node->reload;
wait_for($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type IN ('task_queue scheduler', 'task_queue worker') AND datname NOT IN ('a', 'B b')",
	'databases that are not listed any more are left', 0);
serves('B b', 'a listed one is served');
$id = enqueue($node, 'public.whereami', '[]', undef, 'from_template');
like(sql_error($node, "SELECT task_queue.await($id)", 'from_template'), qr/^57P03/, 'one that is not listed says that nobody serves it');
is(state_of($node, $id, 'from_template'), 'ready', 'and its tasks wait');
$node->append_conf('postgresql.conf', "task_queue.databases = '*'");
$node->reload;
ends_as($node, $id, 'done', 'listed again, they run', 'from_template');

# Closed to everybody
sql($node, 'ALTER DATABASE a ALLOW_CONNECTIONS false');
$node->restart;
serves('B b', 'when a database is closed to connections others are served');
is(count_in_log($node, 'database "a" is not currently accepting connections'), 0, 'and nobody knocks at the closed one');

$node->stop;
done_testing();
