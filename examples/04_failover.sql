-- Failover, on the primary: a DAG in the middle, tasks that wait and one that is scheduled. Run by 04_failover.sh.
\ir common.sql

CREATE TABLE example.effect (what text);
CREATE FUNCTION example.add(a int, b int) RETURNS int LANGUAGE sql AS 'INSERT INTO example.effect VALUES (a || ''+'' || b) RETURNING a + b';
CREATE FUNCTION example.double_at_gate(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO example.effect VALUES ('doubled');
	WHILE NOT EXISTS (SELECT FROM example.open_gate) LOOP
		PERFORM pg_sleep(0.01);
	END LOOP;
	RETURN 2 * n;
END
$$;
SELECT task_queue.register_handler(f::regprocedure) FROM unnest('{example.add,example.double_at_gate}'::regproc[]) AS f;

-- (2 + 3) doubled, and 1 added; the primary dies while the second step runs
SELECT task_queue.submit_dag(ARRAY[
	task_queue.step('first', 'example.add', '[2, 3]'),
	task_queue.step('second', 'example.double_at_gate', jsonb_build_array(task_queue.ref('first'))),
	task_queue.step('third', 'example.add', jsonb_build_array(task_queue.ref('second'), 1))], id => 'example failover');
CALL example.wait_until($$SELECT EXISTS (SELECT FROM task_queue.tasks WHERE handler = 'example.double_at_gate' AND state = 'running')$$);

-- beside the DAG: one that keeps the second worker busy, those that wait for a worker, and one for later
SELECT task_queue.enqueue('example.double_at_gate', '[100]', priority => -1);
CALL example.wait_until($$SELECT count(*) = 2 FROM task_queue.tasks WHERE handler = 'example.double_at_gate' AND state = 'running'$$);
SELECT count(task_queue.enqueue('example.add', jsonb_build_array(i, 0))) FROM generate_series(1, 20) AS i;
SELECT task_queue.enqueue('example.add', '[0, 0]', delay => '1 s');

CALL example.wait_until($$SELECT replay_lsn >= pg_current_wal_insert_lsn() FROM pg_stat_replication$$);
SELECT example.check(example.states('example failover') = 'first done, second running, third pending', 'the DAG is in the middle');
SELECT example.check(count(*) FILTER (WHERE state = 'done') = 1 AND count(*) = 24, 'one task of 24 has ended') FROM task_queue.tasks;
