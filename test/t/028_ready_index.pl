# The ready index is small, commits come late and in any order, subtransactions
# are rolled back: every task runs once, and the important ones first.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main', conf => [ 'task_queue.ready_capacity = 1024', 'task_queue.workers = 2', 'log_min_messages = fatal',
	'task_queue.log_min_duration = -1' ]);

sql($node, <<'SQL');
CREATE TABLE ran (id bigint, n int, pos bigint GENERATED ALWAYS AS IDENTITY);
CREATE FUNCTION runs(n int) RETURNS void LANGUAGE sql AS 'INSERT INTO ran (id, n) SELECT task_id, $1 FROM task_queue.current_task()';
SELECT task_queue.register_handler('runs(int)');
SELECT task_queue.create_queue(name) FROM unnest(ARRAY['a', 'b', 'c']) AS name;
SQL

sub all_ran
{
	my ($n, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	wait_for($node, 'SELECT count(*) FROM task_queue.task', undef, 0);
	is(sql($node, 'SELECT count(*), count(DISTINCT id) FROM ran; TRUNCATE ran'), "$n|$n", $what);
	return is(sql($node, "SELECT count(*) FROM task_queue.history WHERE state <> 'd'"), '0', 'and nothing failed');
}

# Many more than fit: at once, in small transactions, and in lanes that compete for the room
sql($node, "SELECT count(task_queue.enqueue('public.runs', '[1]')) FROM generate_series(1, 6000)");
all_ran(6000, 'six thousand tasks of one transaction run once each');

sql($node, "SELECT task_queue.pause_queue(q) FROM unnest(ARRAY['a', 'b', 'c', 'default']) AS q");
sql($node, <<'SQL');
DO $$
BEGIN
	FOR i IN 1 .. 4000 LOOP
		PERFORM task_queue.enqueue('public.runs', '[2]', queue => (ARRAY['a', 'b', 'c', 'default'])[1 + i % 4], priority => i % 7 - 3);
		IF i % 10 = 0 THEN
			COMMIT;
		END IF;
	END LOOP;
END $$;
SELECT task_queue.resume_queue(q) FROM unnest(ARRAY['a', 'b', 'c', 'default']) AS q;
SQL
all_ran(4000, 'four thousand in four paused queues run once they are resumed');

# Late commits below what has been read already, while workers are at it
my @late = map { session($node) } 1 .. 3;
for my $i (0 .. 2)
{
	$late[$i]->query_safe("BEGIN; SELECT count(task_queue.enqueue('public.runs', '[3]', priority => -$i)) FROM generate_series(1, 700)");
}
sql($node, "SELECT count(task_queue.enqueue('public.runs', '[4]')) FROM generate_series(1, 3000)");
for my $i (0 .. 2)
{
	wait_for($node, 'SELECT count(*) > ' . (500 + 700 * $i) . ' FROM ran');
	$late[$i]->query_safe('COMMIT');
}
all_ran(5100, 'tasks that were enqueued earlier and committed later');

# Order: among what is waiting when it starts
sql($node, <<'SQL');
ALTER SYSTEM SET task_queue.workers = 1;
SELECT pg_reload_conf();
SELECT task_queue.pause_queue('default');
SQL
wait_for($node, "SELECT count(*) <= 1 FROM pg_stat_activity WHERE backend_type = 'task_queue worker'", 'there is one worker');
sql($node, "SELECT count(task_queue.enqueue('public.runs', '[5]', priority => (i * 7919) % 100)) FROM generate_series(1, 3000) AS i");
sql($node, "SELECT count(task_queue.enqueue('public.runs', '[6]', priority => -1))");
sql($node, "SELECT task_queue.resume_queue('default')");
wait_for($node, 'SELECT count(*) FROM task_queue.task', undef, 0);
is(sql($node, 'SELECT count(*) FROM (SELECT h.priority < lag(h.priority) OVER (ORDER BY r.pos) AS wrong FROM ran AS r, task_queue.history AS h WHERE h.task_id = r.id) AS s WHERE wrong'),
	'0', 'the most important come first, however they were enqueued');
all_ran(3001, 'all of them');
sql($node, 'ALTER SYSTEM RESET task_queue.workers; SELECT pg_reload_conf()');

# Subtransactions, rolled back and not
sql($node, <<'SQL');
DO $$
BEGIN
	FOR i IN 1 .. 2000 LOOP
		BEGIN
			PERFORM task_queue.enqueue('public.runs', '[7]');
			IF i % 2 = 0 THEN
				RAISE division_by_zero;
			END IF;
		EXCEPTION WHEN division_by_zero THEN
			NULL;
		END;
	END LOOP;
END $$;
SQL
all_ran(1000, 'of two thousand subtransactions the half that was not rolled back');

# A session that locks waiting tasks and rolls back gives them back, wholly or to a savepoint.
my $session = session($node);
for my $end ('ROLLBACK', 'ROLLBACK TO s')
{
	sql($node, "SELECT task_queue.pause_queue('a')");
	my @ids = map { enqueue($node, 'public.runs', '[8]', "queue => 'a'") } 1 .. 3;
	$session->query_safe('BEGIN; SAVEPOINT s');
	is($session->query_safe("SELECT task_queue.cancel($ids[0]), task_queue.alter_task($ids[1], priority => 7), task_queue.delete_task($ids[2], force => true)"),
		't|t|t', 'tasks are canceled, altered and deleted');
	sql($node, "SELECT task_queue.resume_queue('a')");
	# By now workers have met the locked rows.
	my $other = enqueue($node, 'public.runs', '[9]', "queue => 'a', priority => 100");
	wait_for($node, "SELECT t.state($other)", undef, 'done');
	is(sql($node, "SELECT count(*) FROM task_queue.task WHERE task_id IN ($ids[0], $ids[1], $ids[2])"), '3', 'workers pass them over');
	$session->query_safe($end);
	wait_for($node, "SELECT t.state($ids[0]) = 'done' AND t.state($ids[1]) = 'done' AND t.state($ids[2]) = 'done'", "they run after $end");
	$session->query_safe('COMMIT') if $end =~ /TO/;
	all_ran(4, 'once');
}
# Drained, and rolled back
sql($node, "SELECT task_queue.pause_queue('a')");
my @ids = map { enqueue($node, 'public.runs', '[8]', "queue => 'a'") } 1 .. 3;
sql($node, "SELECT task_queue.resume_queue('a'); SELECT task_queue.pause_queue('b')");
$session->query_safe("BEGIN; SELECT * FROM task_queue.drain('a')");
$session->query_safe('ROLLBACK');
$session->quit;
all_ran(3, 'what was drained and rolled back runs once');

is(sql($node, 'SELECT count(*) FROM task_queue.attempt'), '0', 'no attempt failed in all that');
$node->stop;
done_testing();
