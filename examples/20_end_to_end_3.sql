-- End to end, part 3 of 4: after the second stop.
\set ON_ERROR_STOP on
INSERT INTO example.open_gate VALUES ('g3');
CALL example.wait_until($$SELECT count(*) = 2 FROM task_queue.dag_steps WHERE dag_id = 'example end to end' AND step_id IN ('colo', 'folo') AND state = 'running'$$);
CALL example.serve('ext2', '{secondary}');
CALL example.serve('ext1', '{primary}');
SELECT example.check(task_queue.await_dag('example end to end', '30 s') = 'done', 'the DAG is done');
CALL example.wait_until($$SELECT count(*) = 3 FROM task_queue.dead_letters JOIN example.beside ON id = task_id$$);
-- the server restarts
SELECT task_queue.enqueue('example.die');
