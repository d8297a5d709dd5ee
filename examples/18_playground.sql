-- Playground: a bit of everything.
\ir common.sql

SELECT task_queue.submit_dag(ARRAY[
	task_queue.step('ingest', 'example.echo', '["in"]', wait_for => '{approval}'),
	task_queue.step('tA', 'example.echo', jsonb_build_array(task_queue.ref('ingest'))),
	task_queue.step('tB', 'example.fail', jsonb_build_array(task_queue.ref('ingest'))),
	task_queue.step('tC', 'example.echo', jsonb_build_array(task_queue.ref('ingest'))),
	task_queue.step('agg', 'example.join_texts', jsonb_build_array(task_queue.ref('tA'), task_queue.ref('tC'), task_queue.ref_or_default('tB', '"D"'))),
	task_queue.step('pub', 'example.echo', jsonb_build_array(task_queue.ref('agg')), break_before => '{publish}'),
	task_queue.step('flaky', 'example.fail', '["flaky"]'),
	task_queue.step('dep', 'example.echo', jsonb_build_array(task_queue.ref('flaky')))],
	id => 'example playground', active_breakpoints => '{publish}');
SELECT task_queue.signal('example playground', 'approval');
CALL example.wait_until($$SELECT state = 'blocked' FROM task_queue.dag_breakpoints WHERE dag_id = 'example playground'$$);
SELECT task_queue.dag_mermaid('example playground');
SELECT task_queue.resume_breakpoint('example playground', 'publish');
SELECT example.check(task_queue.await_dag('example playground') = 'failed', 'it ends failed');
SELECT example.check(example.states('example playground') = 'agg done, dep skipped, flaky failed, ingest done, pub done, tA done, tB failed, tC done', 'with these states');
SELECT example.check(count(*) = 2, 'and 2 dead letters') FROM task_queue.dead_letters WHERE dag_id = 'example playground';
SELECT task_queue.delete_dag('example playground');
