-- Breakpoints: stop after a download and before an upload; another branch goes on.
\ir common.sql

SELECT task_queue.submit_dag(ARRAY[
	task_queue.step('download', 'example.echo', '["file"]', break_after => '{inspect}'),
	task_queue.step('parse', 'example.join_texts', jsonb_build_array('parsed', task_queue.ref('download'))),
	task_queue.step('upload', 'example.echo', jsonb_build_array(task_queue.ref('parse')), break_before => '{approve}'),
	task_queue.step('audit', 'example.echo', '["seen"]')], id => 'example breakpoints', active_breakpoints => '{inspect,approve}');
CALL example.wait_until($$SELECT state = 'blocked' FROM task_queue.dag_breakpoints WHERE dag_id = 'example breakpoints' AND step_id = 'download'$$);
SELECT task_queue.await_step('example breakpoints', 'audit') AS result \gset
SELECT example.check(:'result' = '"seen"', 'the branch beside is done');
SELECT task_queue.await_step('example breakpoints', 'download') AS result \gset
SELECT example.check(:'result' = '"file"', 'the result can be read');
SELECT example.check(state = 'pending', 'parse waits') FROM task_queue.dag_steps WHERE dag_id = 'example breakpoints' AND step_id = 'parse';
SELECT example.check(task_queue.resume_breakpoint('example breakpoints', 'inspect') = 1, 'continue');
SELECT task_queue.await_step('example breakpoints', 'parse') AS result \gset
SELECT example.check(:'result' = '"parsed+file"', 'parse ran');
SELECT example.check(state = 'blocked', 'stopped before the upload') FROM task_queue.dag_breakpoints WHERE dag_id = 'example breakpoints' AND step_id = 'upload';
SELECT task_queue.dag_tree('example breakpoints');
SELECT example.check(task_queue.resume_breakpoint('example breakpoints', 'approve') = 1, 'continue');
SELECT example.check(task_queue.await_dag('example breakpoints') = 'done', 'done');
SELECT task_queue.delete_dag('example breakpoints');
