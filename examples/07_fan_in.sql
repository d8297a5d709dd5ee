-- Fan-in: two steps of one second each run side by side; a join sees both results in order.
\ir common.sql

SELECT task_queue.submit_dag(ARRAY[
	task_queue.step('left', 'example.sleep', '[1, "left"]'),
	task_queue.step('right', 'example.sleep', '[1, "right"]'),
	task_queue.step('join', 'example.join_texts', jsonb_build_array(task_queue.ref('left'), task_queue.ref('right')))]) AS dag \gset
SELECT task_queue.await_step(:'dag', 'join') AS result \gset
SELECT example.check(:'result' = '"left+right"', 'both results, in order');
SELECT example.check(finished_at - created_at < '1.9 s', 'in about one second') FROM task_queue.dags WHERE dag_id = :'dag';
SELECT task_queue.delete_dag(:'dag');
