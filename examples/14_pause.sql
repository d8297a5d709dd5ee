-- Pause: a pipeline is paused in its middle.
\ir common.sql

SELECT task_queue.submit_dag(ARRAY[
	task_queue.step('first', 'example.echo', '[1]'),
	task_queue.step('middle', 'example.gate', jsonb_build_array('pause', task_queue.ref('first'))),
	task_queue.step('last', 'example.echo', jsonb_build_array(task_queue.ref('middle')))], id => 'example pause');
CALL example.wait_until($$SELECT state = 'running' FROM task_queue.dag_steps WHERE dag_id = 'example pause' AND step_id = 'middle'$$);
SELECT example.check(task_queue.pause_dag('example pause') = 'pausing', 'pausing while a step runs');
INSERT INTO example.open_gate VALUES ('pause');
CALL example.wait_until($$SELECT state = 'paused' FROM task_queue.dags WHERE dag_id = 'example pause'$$);
SELECT example.check(state = 'pending' AND held AND blocked_on = '{held}', 'then paused, the next step held')
	FROM task_queue.dag_steps WHERE dag_id = 'example pause' AND step_id = 'last';
SELECT task_queue.resume_dag('example pause');
SELECT example.check(task_queue.await_dag('example pause') = 'done', 'resumed: done');
SELECT task_queue.delete_dag('example pause');
