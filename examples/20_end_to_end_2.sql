-- End to end, part 2 of 4: after the first stop.
\set ON_ERROR_STOP on
INSERT INTO example.open_gate VALUES ('g1');
CALL example.wait_until($$SELECT state = 'running' FROM task_queue.dag_steps WHERE dag_id = 'example end to end' AND step_id = 'g2'$$);
CALL example.wait_until($$SELECT count(*) = 3 FROM task_queue.dag_steps WHERE dag_id = 'example end to end' AND step_id IN ('opt', 'any', 'ord') AND finished_at IS NOT NULL$$);
SELECT example.check(task_queue.pause_dag('example end to end') = 'pausing', 'pausing while g2 is held');
SELECT example.check(count(*) = 3, 'g3, dynp and final are held') FROM task_queue.dag_steps
	WHERE dag_id = 'example end to end' AND held AND step_id IN ('g3', 'dynp', 'final');
INSERT INTO example.open_gate VALUES ('g2');
CALL example.wait_until($$SELECT state = 'paused' FROM task_queue.dags WHERE dag_id = 'example end to end'$$);
SELECT example.check(task_queue.resume_dag('example end to end') = 'running', 'paused, and resumed');
CALL example.serve('ext1', '{primary}');
CALL example.serve('ext2', '{secondary}');
CALL example.wait_until($$SELECT state = 'running' FROM task_queue.dag_steps WHERE dag_id = 'example end to end' AND step_id = 'g3'$$);
SELECT example.check(state = 'running', 'g3 is held: stop the server now') FROM task_queue.dag_steps WHERE dag_id = 'example end to end' AND step_id = 'g3';
