-- Failover, on the standby that was promoted: what was under way goes on by itself.
\set ON_ERROR_STOP on
SET client_min_messages = warning;

SELECT example.check(example.states('example failover') = 'first done, second running, third pending', 'the DAG is where it was');
INSERT INTO example.open_gate VALUES ('any');
SELECT task_queue.await_dag('example failover', '1 min') AS state \gset
SELECT example.check(:'state' = 'done', 'the DAG goes on to its end');
SELECT example.check(task_queue.await_step('example failover', 'third') = '11', 'with the right final value');
CALL example.wait_until('SELECT NOT EXISTS (SELECT FROM task_queue.task)');
SELECT example.check(count(*) FILTER (WHERE state = 'done' AND attempt = 1) = 25 AND count(*) = 25,
	'every task has run, in its first attempt') FROM task_queue.tasks;
SELECT example.check(count(*) = 25 AND count(*) FILTER (WHERE what = 'doubled') = 2, 'each has had its effect once') FROM example.effect;
SELECT task_queue.enqueue('example.add', '[20, 22]') AS task \gset
SELECT example.check(task_queue.await(:task, '1 min') = '42', 'enqueue and await go on');
SELECT example.check(count(*) = 0, 'health() is content') FROM task_queue.health() WHERE severity = 'error';
