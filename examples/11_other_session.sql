-- Other session: submit here; then restart the server, and ask for the result in 11_other_session_after.sql.
\ir common.sql

SELECT task_queue.submit_dag(ARRAY[
	task_queue.step('first', 'example.gate', '["after restart", 1]'),
	task_queue.step('second', 'example.echo', jsonb_build_array(task_queue.ref('first')))], id => 'example other session');
