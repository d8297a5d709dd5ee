-- Approval: a step waits for somebody's word while another branch finishes.
\ir common.sql

SELECT task_queue.submit_dag(ARRAY[
	task_queue.step('deploy', 'example.echo', jsonb_build_array(task_queue.signal_ref('approval'))),
	task_queue.step('audit', 'example.echo', '["seen"]')], id => 'example approval');
SELECT task_queue.await_step('example approval', 'audit');
SELECT example.check(blocked_on = '{signal approval}', 'deploy waits') FROM task_queue.dag_steps WHERE dag_id = 'example approval' AND step_id = 'deploy';
SELECT example.check(task_queue.signal('example approval', 'approval', '{"by": "ann"}'), 'the first signal');
SELECT example.check(NOT task_queue.signal('example approval', 'approval', '{"by": "bob"}'), 'a second one comes too late');
SELECT task_queue.await_step('example approval', 'deploy') AS result \gset
SELECT example.check(:'result' = '{"by": "ann"}', 'deploy got the first payload');
SELECT example.check(task_queue.await_dag('example approval') = 'done', 'done');
SELECT task_queue.delete_dag('example approval');
