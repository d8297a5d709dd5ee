# A dump is restored into a running server that has the library preloaded: no
# error, nothing is lost, and nothing runs until the database is adopted.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TqTest;

my $node = tq_node('main');
sql($node, <<'SQL');
CREATE FUNCTION work(n int) RETURNS int LANGUAGE sql AS 'SELECT 10 / n';
SELECT task_queue.register_handler('work(int)', name => 'work', aliases => '{labour}', retry_policy => task_queue.no_retry_policy());
SELECT task_queue.create_queue('other', max_running => 3);
SELECT task_queue.alter_queue('default', keep_done => '3 days');
SQL
my $done = enqueue($node, 'work', '[5]');
my $failed = enqueue($node, 'work', '[0]', "queue => 'other'");
ends_as($node, $done, 'done', 'a task is done');
ends_as($node, $failed, 'failed handler 22012', 'one has failed');
wait_for($node, "SELECT count(*) > 3 FROM pg_inherits WHERE inhparent = 'task_queue.history'::regclass", 'partitions are made');
sql($node, "SELECT task_queue.pause_queue('other')");
my $waiting = enqueue($node, 'work', '[2]', "queue => 'other'");
my $scheduled = enqueue($node, 'work', '[1]', "delay => '1 hour'");

my $indexes = q{SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY indexrelid::regclass::text) FROM pg_index
	WHERE indrelid = (SELECT min(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'task_queue.history'::regclass)::regclass};
like(sql($node, $indexes), qr/ .* /, 'with indexes');
my $dump = $node->backup_dir . '.dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, 'postgres' ], 'pg_dump');
sql($node, 'SELECT task_queue.resume_queue($$other$$)');
ends_as($node, $waiting, 'done', 'the original goes on');

sql($node, "CREATE DATABASE $_ TEMPLATE template0") for qw(copy at_once);
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', 'copy', $dump ], 'pg_restore, while a scheduler looks after the database');
$node->command_ok([ 'pg_restore', '--single-transaction', '-d', 'at_once', $dump ], 'pg_restore in one transaction');
for my $copy (qw(copy at_once))
{
	is(sql($node, "SELECT t.result($done), t.state($failed), t.state($waiting), t.state($scheduled)", $copy), '2|failed|ready|scheduled', "$copy: tasks are there");
	is(sql($node, $indexes, $copy), sql($node, $indexes), "$copy: with their indexes");
	is(sql($node, 'SELECT name, max_running, keep_done FROM task_queue.queue ORDER BY name', $copy), "default||3 days\nother|3|1 day", "$copy: queues too");
	is(sql($node, 'SELECT name, aliases FROM task_queue.handlers', $copy), 'work|{labour}', "$copy: and handlers");
	wait_for($node, "SELECT count(*) = 1 FROM task_queue.health() WHERE check_name = 'database_copy' AND severity = 'error'",
		"$copy: it is a copy", 't', $copy);
	sql($node, "SELECT task_queue.resume_queue('other')", $copy);
	my $new = enqueue($node, 'work', '[10]', undef, $copy);
	cmp_ok($new, '>', $scheduled, "$copy: new ids are higher");
	is(sql($node, "SELECT state FROM task_queue.wait($new, '1 s')", $copy), 'ready', "$copy: new tasks do not run");
	is(state_of($node, $waiting, $copy), 'ready', "$copy: nor those of the original");
	sql($node, 'SELECT task_queue.adopt_database()', $copy);
	sql($node, "SELECT task_queue.alter_task($scheduled, run_at => now())", $copy);
	ends_as($node, $_, 'done', "$copy: once adopted they do", $copy) for $new, $waiting, $scheduled;
	is(sql($node, "SELECT count(*) FROM task_queue.health() WHERE severity = 'error'", $copy), '0', "$copy: all is well");
}
$node->stop;
done_testing();
