# DAGs where drain() cannot go: procedures and external workers as steps,
# waiting for steps, replies, other isolation levels, expiry.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main', conf => [ 'task_queue.workers = 2', 'task_queue.log_min_duration = -1' ]);

sql($node, <<'SQL');
CREATE FUNCTION ok(v text) RETURNS text LANGUAGE sql RETURN v;
CREATE FUNCTION join_texts(VARIADIC v text[]) RETURNS text LANGUAGE sql AS $$ SELECT array_to_string(v, '+') $$;
-- Adds a step in a transaction of its own, another one in one that is undone, and a third one before it fails.
CREATE PROCEDURE adds(fails boolean) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM task_queue.add_step(task_queue.step('committed', 'ok', '["committed"]', after_any => '{p}'));
	COMMIT;
	PERFORM task_queue.add_step(task_queue.step('undone', 'ok', '["undone"]'));
	ROLLBACK;
	PERFORM task_queue.add_step(task_queue.step('last', 'ok', '["last"]'));
	IF fails THEN
		RAISE EXCEPTION 'no';
	END IF;
END
$$;
CREATE FUNCTION fan_out(n int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. n LOOP
		PERFORM task_queue.add_step(task_queue.step('f' || i, 'ok', jsonb_build_array('x')));
	END LOOP;
	PERFORM task_queue.add_step(task_queue.step('join', 'join_texts', jsonb_build_array(task_queue.ref('f1')), after => ARRAY(SELECT 'f' || i FROM generate_series(1, n) AS i)));
	RETURN 'ok';
END
$$;
CREATE FUNCTION gated(v text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM t.pass_gate(1); RETURN v; END $$;
SELECT task_queue.register_handler(f::regprocedure, name => substring(f::text FROM '\w+$'), retry_policy => task_queue.no_retry_policy())
	FROM unnest('{ok,join_texts,fan_out,gated}'::regproc[]) AS f;
SELECT task_queue.register_handler('adds(boolean)', name => 'adds', retry_policy => task_queue.no_retry_policy());
SELECT task_queue.register_external('ext', retry_policy => task_queue.no_retry_policy());
CREATE FUNCTION states(dag text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(s.step_id || ' ' || s.state, ', ' ORDER BY s.step_id) || ' | ' || (SELECT d.state FROM task_queue.dags AS d WHERE d.dag_id = dag)
	FROM task_queue.dag_steps AS s WHERE s.dag_id = dag
$$;
SQL

# A procedure's additions count from its COMMIT, whatever becomes of it.
for my $fails (qw(false true))
{
	sql($node, "SELECT task_queue.submit_dag(ARRAY[task_queue.step('p', 'adds', '[$fails]')], id => 'adds $fails')");
	sql($node, "SELECT task_queue.await_dag('adds $fails', '30 s')");
}
is(sql($node, "SELECT states('adds false')"), 'committed done, last done, p done | done', 'added by a procedure');
is(sql($node, "SELECT states('adds true')"), 'committed skipped, p failed | failed', 'added by a procedure that fails: its parent is needed');

# Waiting in one session for what another one causes.
my $waiter = session($node);
sql($node, "SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'ok', '[\"a\"]', wait_for => '{go}'),
	task_queue.step('b', 'join_texts', jsonb_build_array(task_queue.ref('a'), 'b'))], id => 'wait', reply_to => 'dag_ended')");
my $listener = session($node);
$listener->query_safe('LISTEN dag_ended');
sql($node, "SELECT task_queue.signal('wait', 'go')");
is($waiter->query_safe("SELECT task_queue.await_step('wait', 'b')"), '"a+b"', 'await_step() in another session');
is($waiter->query_safe("SELECT task_queue.await_dag('wait')"), 'done', 'and the DAG is done by then');
is($waiter->query_safe("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1;
	SELECT task_queue.await_step('wait', 'b'); COMMIT"), "1\n\"a+b\"", 'at REPEATABLE READ too');
like($listener->query('SELECT 1'), qr/Asynchronous notification "dag_ended" with payload "\{"dag_id":"wait","state":"done"\}"/, 'the reply');
like(sql_error($node, "SELECT task_queue.await_step('wait', 'nobody')"), qr/^42704/, 'unknown step');
like(sql_error($node, "SELECT task_queue.await_dag('nothing')"), qr/^42704/, 'unknown DAG');
like(sql_error($node, "BEGIN; SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'ok', '[\"a\"]')], id => 'own'); SELECT task_queue.await_dag('own')"),
	qr/^55000/, 'a DAG of the same transaction');
like(sql_error($node, "BEGIN; SELECT task_queue.submit_dag(ARRAY[task_queue.step('e', 'ext')], id => 'x'); COMMIT; BEGIN;
	SELECT task_queue.signal('x', 's'); SELECT task_queue.await_dag('x', '1 s')"), qr/^55000/, 'a DAG that the same transaction has locked');

# Both parents of a join are completed at REPEATABLE READ, each without seeing the other.
sql($node, "SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'ext'), task_queue.step('b', 'ext'),
	task_queue.step('j', 'join_texts', jsonb_build_array(task_queue.ref('a'), task_queue.ref('b')))], id => 'rr')");
sql($node, "CREATE TABLE held AS SELECT * FROM task_queue.dequeue(max_tasks => 10, handlers => '{ext}', worker => 'w') WHERE dag_id = 'rr'");
my $first = session($node);
my $second = session($node);
$_->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1') for ($first, $second);
$first->query_safe("SELECT task_queue.complete(task_id, lease_token, '\"A\"') FROM held WHERE step_id = 'a'");
$first->query_safe('COMMIT');
$second->query_safe("SELECT task_queue.complete(task_id, lease_token, '\"B\"') FROM held WHERE step_id = 'b'");
$second->query_safe('COMMIT');
is(sql($node, "SELECT task_queue.await_step('rr', 'j', '30 s')"), '"A+B"', 'a join of two that ended at REPEATABLE READ');

# An external step whose DAG is deleted: complete() is false, and nothing comes back.
sql($node, "SELECT task_queue.submit_dag(ARRAY[task_queue.step('e', 'ext')], id => 'gone')");
sql($node, "CREATE TABLE gone AS SELECT * FROM task_queue.dequeue(handlers => '{ext}', worker => 'w', max_tasks => 10) WHERE dag_id = 'gone'");
is(sql($node, "SELECT task_queue.delete_dag('gone', force => true)"), 't', 'deleted while somebody works on it');
is(sql($node, 'SELECT task_queue.complete(task_id, lease_token) FROM gone'), 'f', 'complete() is false');
is(sql($node, 'SELECT count(*) FROM task_queue.task JOIN gone USING (task_id)'), '0', 'the task is gone');

# The same in the database: its work is undone.
my $gate = hold_gate($node, 1);
sql($node, "SELECT task_queue.submit_dag(ARRAY[task_queue.step('g', 'gated', '[\"g\"]'), task_queue.step('n', 'ok', '[\"n\"]', after => '{g}')], id => 'gated')");
wait_for($node, 'SELECT t.waiting_at_gate(1) = 1', 'a step is being executed');
is(sql($node, "SELECT task_queue.delete_dag('gated', force => true)"), 't', 'delete_dag() does not wait for it');
wait_for($node, 'SELECT t.waiting_at_gate(1) = 0', 'it is interrupted');
wait_for($node, "SELECT count(*) FROM task_queue.task WHERE handler = 'gated'", 'and removed', '0');

# Canceled while it runs.
sql($node, "SELECT task_queue.submit_dag(ARRAY[task_queue.step('g', 'gated', '[\"g\"]'), task_queue.step('n', 'ok', '[\"n\"]', after => '{g}')], id => 'gated')");
wait_for($node, 'SELECT t.waiting_at_gate(1) = 1', 'a step is being executed');
is(sql($node, "BEGIN; SELECT task_queue.cancel_dag('gated', 'enough'); SELECT states('gated'); COMMIT"), "canceled\ng running, n canceled | canceled", 'canceled at once but for what runs');
like(sql_error($node, "SELECT task_queue.await_step('gated', 'g', '30 s')"), qr/^TQ005/, 'and that when it is interrupted');
$gate->quit;

# A fan-out of many dynamic steps with one join, on two workers.
sql($node, "SELECT task_queue.submit_dag(ARRAY[task_queue.step('p', 'fan_out', '[10000]')], id => 'fan')");
is(sql($node, "SELECT task_queue.await_dag('fan', '120 s')"), 'done', '10000 dynamic steps and their join');
is(sql($node, "SELECT done FROM task_queue.dags WHERE dag_id = 'fan'"), '10002', 'all of them done');

# The scheduler removes what is to be kept no longer.
sql($node, "SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'ok', '[\"a\"]')], id => 'short', keep => '0')");
sql($node, "SELECT task_queue.await_dag('short', '30 s')");
$node->restart;
wait_for($node, "SELECT count(*) FROM task_queue.dag WHERE dag_id = 'short'", 'a DAG expires', '0');
is(sql($node, "SELECT count(*) FROM task_queue.dag WHERE dag_id = 'wait'"), '1', 'others do not');

done_testing();
