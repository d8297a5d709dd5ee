-- Ordering: order without data, and after_any for what comes last in any case.
\ir common.sql

CREATE FUNCTION example.process(good boolean) RETURNS void LANGUAGE plpgsql AS $$ BEGIN ASSERT good, 'cannot process this'; END $$;
SELECT task_queue.register_handler('example.process(boolean)', retry_policy => task_queue.no_retry_policy(), or_replace => true);
SELECT task_queue.submit_dag(ARRAY[
	task_queue.step('download', 'example.echo', '["x"]'),
	task_queue.step('process', 'example.process', jsonb_build_array(g), after => '{download}'),
	task_queue.step('metrics', 'example.echo', '["m"]', after_any => '{download,process}')], id => 'example ordering ' || g)
	FROM (VALUES (true), (false)) AS v (g);
SELECT example.check(task_queue.await_dag('example ordering true') = 'done', 'all done: done');
SELECT example.check(task_queue.await_dag('example ordering false') = 'failed', 'process failed: failed');
SELECT example.check(example.states('example ordering true') = 'download done, metrics done, process done', 'all ran');
SELECT example.check(example.states('example ordering false') = 'download done, metrics done, process failed', 'metrics ran all the same');
SELECT count(task_queue.delete_dag('example ordering ' || g)) FROM (VALUES (true), (false)) AS v (g);
