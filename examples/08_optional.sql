-- Optional: a step may fail; what comes after has a default for its result.
\ir common.sql

SELECT task_queue.submit_dag(ARRAY[
	task_queue.step('enrich', 'example.fail', '["the service is down"]', optional => true),
	task_queue.step('report', 'example.join_texts', jsonb_build_array('report', task_queue.ref_or_default('enrich', '"without details"')))]) AS dag \gset
SELECT example.check(task_queue.await_dag(:'dag') = 'done', 'the DAG is done');
SELECT task_queue.await_step(:'dag', 'report') AS result \gset
SELECT example.check(:'result' = '"report+without details"', 'the report ran with the default');
SELECT task_queue.delete_dag(:'dag');
