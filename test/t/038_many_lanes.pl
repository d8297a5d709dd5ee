# Targets come and go: more of them than memory has room for keep nobody from
# the tasks that can run. Nor do many lanes that are served together, of which
# each has more tasks than its share of the memory.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main', conf => ['task_queue.ready_capacity = 1024', "task_queue.claims = 'here'"]);

sql($node, <<'SQL');
CREATE FUNCTION quick(n int) RETURNS int LANGUAGE sql RETURN n;
SELECT task_queue.register_handler('quick(int)');
SQL

sub crowd
{
	my ($from, $to) = @_;
	return sql($node, "INSERT INTO task_queue.task (handler, args, target)
		SELECT 'public.quick', '[0]', 'nowhere ' || n FROM generate_series($from, $to) AS n");
}

for my $round (1 .. 3)
{
	crowd(3000 * $round, 3000 * $round + 2999);
	my $plain = enqueue($node, 'public.quick', '[1]');
	my $here = enqueue($node, 'public.quick', '[2]', "target => 'here'");
	my $named = enqueue($node, 'public.quick', '[3]', "target => 'worker:db/2'");
	ends_as($node, $plain, 'done', "an untargeted task runs beside 3000 new targets, round $round");
	ends_as($node, $here, 'done', 'and one with a target that is claimed');
	ends_as($node, $named, 'done', 'and one for a worker by its name');
}
is(sql($node, "SELECT count(*) FROM task_queue.task WHERE state = 'r'"), 9000, 'the others wait');
sql($node, "ALTER SYSTEM SET task_queue.claims = 'here, nowhere 3001, nowhere 11999'");
$node->reload;
wait_for($node, "SELECT count(*) = 8998 FROM task_queue.task WHERE state = 'r'", 'until somebody claims their targets');

# by the server's own workers
sql($node, <<'SQL');
SELECT task_queue.create_queue('q' || n), task_queue.pause_queue('q' || n) FROM generate_series(1, 100) AS n;
INSERT INTO task_queue.task (handler, args, queue)
	SELECT 'public.quick', '[4]', 'q' || n FROM generate_series(1, 100) AS n, generate_series(1, 40);
SELECT task_queue.resume_queue('q' || n) FROM generate_series(1, 100) AS n;
SQL
wait_for($node, "SELECT count(*) = 0 FROM task_queue.task WHERE queue LIKE 'q%'", 'all tasks of a hundred queues run');

# by an external worker, whose call is filled, by priority
sql($node, <<'SQL');
SELECT task_queue.register_external('outside'), task_queue.create_queue('outside'), task_queue.create_queue('limited', max_running => 7);
CREATE TABLE taken (id bigint PRIMARY KEY, call int);
SQL

sub takes_all
{
	my ($lanes, $per_lane, $what) = @_;
	my $calls = $lanes * $per_lane / 100;
	my $take = "(SELECT array_agg('place ' || n) FROM generate_series(1, $lanes) AS n)";

	sql($node, "TRUNCATE taken; INSERT INTO task_queue.task (handler, queue, target, priority)
		SELECT 'outside', 'outside', 'place ' || n, n % 10 FROM generate_series(1, $lanes) AS n, generate_series(1, $per_lane)");
	sql($node, join ';', map { "INSERT INTO taken SELECT task_id, $_ FROM task_queue.dequeue('outside', 100, '1 hour', claims => $take)" } 1 .. $calls);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(sql($node, 'SELECT count(*), count(DISTINCT call), min(n), max(n) FROM (SELECT call, count(*) OVER (PARTITION BY call) AS n FROM taken) AS t'),
		$lanes * $per_lane . "|$calls|100|100", "$what: each call is filled");
	is(sql($node, 'SELECT count(*) FROM (SELECT priority < lag(priority) OVER (ORDER BY call, priority) AS wrong
		FROM taken JOIN task_queue.task ON task_id = id) AS t WHERE wrong'), 0, 'by priority');
	sql($node, 'SELECT count(task_queue.delete_task(id, force => true)) FROM taken');
	return;
}

takes_all(100, 20, 'more tasks than memory has room for, in a hundred lanes');
takes_all(1000, 3, 'more tasks than memory has room for, in a thousand lanes');
takes_all(1300, 2, 'more lanes than memory has room for');

sql($node, "INSERT INTO task_queue.task (handler, queue, target) SELECT 'outside', 'limited', 'place ' || n FROM generate_series(1, 1300) AS n");
is(sql($node, "SELECT count(*) FROM task_queue.dequeue('limited', 100, claims => (SELECT array_agg('place ' || n) FROM generate_series(1, 1300) AS n))"),
	7, 'and no more than may run');
is(sql($node, "SELECT count(*) FROM task_queue.dequeue('limited', 100, claims => (SELECT array_agg('place ' || n) FROM generate_series(1, 1300) AS n))"),
	0, 'at a time');

$node->stop;
done_testing();
