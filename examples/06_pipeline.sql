-- Pipeline: three steps, each with the result of the one before.
\ir common.sql

SELECT task_queue.submit_dag(ARRAY[
	task_queue.step('fetch', 'example.echo', '["data"]'),
	task_queue.step('build', 'example.join_texts', jsonb_build_array('built', task_queue.ref('fetch'))),
	task_queue.step('format', 'example.join_texts', jsonb_build_array('formatted', task_queue.ref('build')))]) AS dag \gset
SELECT task_queue.await_step(:'dag', 'format') AS result \gset
SELECT example.check(:'result' = '"formatted+built+data"', 'the result flows');
SELECT example.check(state = 'done', 'the DAG is done when its last step is') FROM task_queue.dags WHERE dag_id = :'dag';
SELECT task_queue.dag_debug(:'dag');
SELECT task_queue.delete_dag(:'dag');
