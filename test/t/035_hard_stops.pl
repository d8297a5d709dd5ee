# Ten hard stops in a row under load: the effects of function handlers are there
# exactly once, and no attempt is charged.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $tasks = 4000;
my $node = tq_node('main', conf => ['task_queue.workers = 3']);

sql($node, <<"SQL");
CREATE TABLE counted (n int);
CREATE FUNCTION counts(n int) RETURNS int LANGUAGE plpgsql AS \$\$
BEGIN
	INSERT INTO counted VALUES (n);
	PERFORM pg_sleep(0.001);
	RETURN n;
END \$\$;
SELECT task_queue.register_handler('counts(int)');
SELECT count(task_queue.enqueue('public.counts', jsonb_build_array(n))) FROM generate_series(1, $tasks) AS n;
SQL

for my $round (1 .. 10)
{
	my $before = sql($node, 'SELECT count(*) FROM counted');
	wait_for($node, "SELECT count(*) > $before FROM counted", "tasks run before stop $round");
	$node->stop('immediate');
	$node->start;
}
wait_for($node, 'SELECT count(*) = 0 FROM task_queue.task', 'all tasks end');
is(sql($node, 'SELECT count(*), count(DISTINCT n) FROM counted'), "$tasks|$tasks", 'each has had its effect once');
is(sql($node, "SELECT count(*) FROM task_queue.history WHERE state = 'd' AND attempt = 1 AND result = args -> 0"), $tasks,
	'and is done in its first attempt, with its result');
is(sql($node, 'SELECT count(*) FROM task_queue.attempt'), 0, 'no attempt has failed');

$node->stop;
done_testing();
