# Somebody who keeps a DAG, or a task, locked holds up what depends on it, but
# not the scheduler, on which everybody depends.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main', conf => ['task_queue.workers = 3']);
sql($node, <<'SQL');
CREATE FUNCTION quick() RETURNS int LANGUAGE sql RETURN 1;
CREATE FUNCTION at_gate() RETURNS void LANGUAGE sql AS 'SELECT t.pass_gate(1)';
SELECT task_queue.register_handler('quick()'), task_queue.register_handler('at_gate()'), task_queue.register_external('outside');
SQL

my $session = session($node);

sub submit
{
	my (@steps) = @_;
	my $list = join ', ', map { my ($id, $handler) = @$_;
		"task_queue.step('$id', '$handler', retry_policy => task_queue.no_retry_policy())" } @steps;
	return sql($node, "SELECT task_queue.submit_dag(ARRAY[$list])");
}

sub lock_dag
{
	my ($dag) = @_;
	$session->query_safe("BEGIN; SELECT task_queue.pause_dag('$dag')");
	return;
}

sub promotes
{
	my ($what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ends_as($node, enqueue($node, 'public.quick', '[]', "delay => '100 ms'"), 'done', $what);
	return;
}

sub step_task
{
	my ($dag, $step) = @_;
	return sql($node, "SELECT t.task_id FROM task_queue.tasks AS t WHERE t.dag_id = '$dag' AND t.step_id = '$step'");
}

# More leases that cannot be ended now than one round has patience for, and one behind them.
my $dag = submit(map { [ "s$_", 'outside' ] } 1 .. 15);
is(sql($node, "SELECT count(*) FROM task_queue.dequeue(max_tasks => 20, lease => '1 s')"), '15', 'steps are leased');
lock_dag($dag);
my $single = enqueue($node, 'outside', '[]', 'retry_policy => task_queue.no_retry_policy()');
is(sql($node, "SELECT task_id FROM task_queue.dequeue(lease => '1 s')"), $single, 'and another task');
ends_as($node, $single, 'failed lease_lost', 'its lease ends while those of a locked DAG cannot');
promotes('and tasks are promoted');
is(sql($node, "SELECT state FROM task_queue.dags WHERE dag_id = '$dag'"), 'running', 'the DAG goes on');
$session->query_safe('ROLLBACK');
is(sql($node, "SELECT task_queue.await_dag('$dag', '60 s')"), 'failed', 'until it is unlocked');
is(sql($node, "SELECT count(*) FROM task_queue.dead_letters WHERE dag_id = '$dag' AND (error).kind = 'lease_lost'"),
	'15', 'then all its leases end');

# A worker that died.
my $gate = hold_gate($node, 1);
$dag = submit([ 'a', 'public.at_gate' ]);
wait_for($node, 'SELECT t.waiting_at_gate(1) = 1', 'a step is running');
lock_dag($dag);
sql($node, q{SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE backend_type = 'task_queue worker' AND wait_event_type = 'Lock'});
promotes('tasks are promoted while the end of a worker cannot be settled');
$session->query_safe('ROLLBACK');
is(sql($node, "SELECT task_queue.await_dag('$dag', '60 s')"), 'failed', 'afterwards it is');
$gate->quit;

# What a scheduler finds when it starts: a lease in a row, requests to cancel, an outcome to be removed.
$dag = submit([ 'leased', 'outside' ], [ 'waiting', 'outside' ]);
$single = enqueue($node, 'outside', '[]');
my $outcome = enqueue($node, 'public.quick', '[]');
ends_as($node, $outcome, 'done', 'a task ends');
my ($leased, $waiting) = map { step_task($dag, $_) } qw(leased waiting);
sql($node, <<"SQL");
UPDATE task_queue.task SET state = 'x', worker = 'w', started_at = now(), lease_token = 1, lease_until = now() WHERE task_id = $leased;
INSERT INTO task_queue.cancel_request (task_id, role, discard)
	SELECT id, 'postgres', false FROM unnest(ARRAY[$waiting, $single]) AS id;
INSERT INTO task_queue.cancel_request (task_id, role, discard) VALUES ($outcome, 'postgres', true);
SQL
lock_dag($dag);
$session->query_safe("SELECT FROM task_queue.history WHERE task_id = $outcome FOR UPDATE");
is(sql($node, q{SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE backend_type = 'task_queue scheduler'}),
	't', 'the scheduler starts anew');
ends_as($node, $single, 'canceled', 'it cancels what can be canceled');
promotes('and promotes tasks');
is(sql($node, "SELECT concat_ws(' ', t.state($leased), t.state($waiting), t.state($outcome))"), 'running ready done', 'the rest is locked');
$session->query_safe('ROLLBACK');
ends_as($node, $leased, 'failed lease_lost', 'then the lease in the row ends');
ends_as($node, $waiting, 'canceled', 'and the other request is met');
wait_for($node, "SELECT t.state($outcome) IS NULL", 'and the outcome is removed');

$session->quit;
is(count_in_log($node, 'WARNING:  task_queue'), 0, 'nobody complains');

$node->stop;
done_testing();
