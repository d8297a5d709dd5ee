# A cancel reaches a task that is executed once more, a row that was locked in
# vain is found again, and leases do not outlive the extension.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;
use Time::HiRes qw(time);

my $node = tq_node('main', conf => ['task_queue.workers = 1']);
my $handlers = <<'SQL';
SELECT task_queue.register_handler('batched(int)', batch_size => 3, retry_policy => task_queue.no_retry_policy()),
	task_queue.register_handler('quick()'),
	task_queue.register_external('outside');
SQL
sql($node, <<'SQL');
CREATE SEQUENCE calls;
CREATE FUNCTION quick() RETURNS int LANGUAGE sql RETURN 1;
-- 1 is quick in the batch and slow alone; 2 waits at the gate and fails.
CREATE FUNCTION batched(n int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	call CONSTANT bigint := nextval('calls');
BEGIN
	IF n = 2 THEN
		PERFORM t.pass_gate(1);
		RAISE EXCEPTION 'fails';
	END IF;
	IF call > 3 THEN
		PERFORM pg_sleep(20);
	END IF;
	RETURN call;
END $$;
SQL
sql($node, $handlers);

# A task of a batch that has been executed, but will be again since another one fails
my $gate = hold_gate($node, 1);
my @ids = split /\n/, sql($node, q{SELECT task_queue.enqueue_many('public.batched', '{[1],[2],[3]}')});
wait_for($node, 'SELECT t.waiting_at_gate(1) = 1', 'a batch is under way');
is(sql($node, "SELECT task_queue.cancel($ids[0])"), 't', 'its first task is canceled');
$gate->quit;
ends_as($node, $ids[0], 'canceled', 'and does not run to its end when the batch is rolled back');
ends_as($node, $ids[1], 'failed handler P0001', 'the one that failed has failed');
sql($node, "SELECT task_queue.cancel($ids[2])");

# Rows that somebody has locked for nothing
sql($node, 'CREATE ROLE wilma; GRANT USAGE ON SCHEMA task_queue TO wilma');
sql($node, "SELECT task_queue.grant_worker('wilma')");
for my $end ('COMMIT', 'ROLLBACK')
{
	sql($node, 'ALTER SYSTEM SET task_queue.enabled = off');
	$node->reload;
	sleep 1;
	my $id = enqueue($node, 'public.quick');
	my $session = session($node);
	$session->query_safe("SET ROLE wilma; BEGIN; SELECT task_queue.complete($id, 12345)");
	sql($node, 'ALTER SYSTEM SET task_queue.enabled = on');
	$node->reload;
	my $other = enqueue($node, 'public.quick');
	ends_as($node, $other, 'done', 'a worker passes over a row that is locked');
	$session->query_safe($end);
	my $since = time();
	ends_as($node, $id, 'done', "and runs it after $end");
	cmp_ok(time() - $since, '<', 10, 'at once');
	$session->quit;
}

# A new extension begins with new ids: leases of the old one mean nothing.
my $out = enqueue($node, 'outside');
is(sql($node, "SELECT count(*) FROM task_queue.dequeue(lease => '1 h')"), 1, 'a task is leased');
sql($node, 'BEGIN; DROP EXTENSION task_queue CASCADE; DROP SCHEMA t CASCADE; CREATE EXTENSION task_queue; COMMIT');
sql($node, $handlers);
sql($node, "SELECT count(task_queue.enqueue('outside')) FROM generate_series(1, $out)");
is(sql($node, "SELECT string_agg(task_id::text, ' ' ORDER BY task_id) FROM task_queue.dequeue(max_tasks => $out + 5)"),
	join(' ', 1 .. $out), 'each task of the new extension is handed out');

$node->stop;
done_testing();
