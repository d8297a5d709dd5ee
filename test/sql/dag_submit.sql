-- What submit_dag() refuses, and what it makes.
\getenv srcdir PG_ABS_SRCDIR
\set setup :srcdir '/include/dag.sql'
\set finish :srcdir '/include/dag_end.sql'
\set ECHO none
\set QUIET on
\i :setup
\set QUIET off
\set ECHO all

-- only the SQLSTATE, message, DETAIL and HINT
CREATE FUNCTION pg_temp.refused(steps task_queue.step[], id text DEFAULT NULL, labels text[] DEFAULT NULL, active text[] DEFAULT NULL,
	reply_to text DEFAULT NULL, trace_ctx jsonb DEFAULT NULL, keep interval DEFAULT NULL, policy task_queue.retry_policy DEFAULT NULL,
	deadline timestamptz DEFAULT NULL, on_conflict text DEFAULT NULL)
RETURNS TABLE (code text, message text, detail text, hint text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM task_queue.submit_dag(steps, id, policy, labels, active, trace_ctx, reply_to, keep, deadline, on_conflict);
	message := 'accepted';
	RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	code := SQLSTATE;
	RETURN NEXT;
END
$$;
CREATE FUNCTION pg_temp.s(id text, after text[] DEFAULT NULL, args jsonb DEFAULT '["x"]', handler text DEFAULT 'dag.ok') RETURNS task_queue.step LANGUAGE sql AS $$
	SELECT task_queue.step(id, handler, args, after)
$$;
SELECT * FROM pg_temp.refused(NULL::task_queue.step[]);
SELECT * FROM pg_temp.refused('{}'::task_queue.step[]);
SELECT * FROM pg_temp.refused(ARRAY[pg_temp.s('a'), NULL]);
SELECT * FROM pg_temp.refused(ARRAY[pg_temp.s('')]);
SELECT * FROM pg_temp.refused(ARRAY[jsonb_populate_record(pg_temp.s('a'), '{"id": null}')]);
SELECT * FROM pg_temp.refused(ARRAY[pg_temp.s('a')], id => '');
SELECT * FROM pg_temp.refused(ARRAY[pg_temp.s('a'), pg_temp.s('b'), pg_temp.s('a')]);
SELECT task_queue.submit_dag(ARRAY[pg_temp.s('a')], id => 'taken');
SELECT * FROM pg_temp.refused(ARRAY[pg_temp.s('a')], id => 'taken');
SELECT * FROM pg_temp.refused(ARRAY[pg_temp.s('first'), pg_temp.s('b', '{frist}')]);
SELECT * FROM pg_temp.refused(ARRAY[pg_temp.s('a', args => jsonb_build_array('a', task_queue.ref('zzzzzz')))]);
SELECT * FROM pg_temp.refused(ARRAY[task_queue.step('a', 'dag.ok', '["a"]', after_any => '{zzzzzz}')]);
SELECT * FROM pg_temp.refused(ARRAY[task_queue.step('a', 'dag.ok', '["a"]', colocate_with => 'zzzzzz')]);
SELECT * FROM pg_temp.refused(ARRAY[task_queue.step('a', 'dag.ok', '["a"]', follow_target_of => 'zzzzzz')]);
SELECT code, message FROM pg_temp.refused(ARRAY[task_queue.step('a', 'dag.ok', '["a"]', queue => 'zzzzzz')]);
-- cycles over all kinds of dependencies
SELECT * FROM pg_temp.refused(ARRAY[pg_temp.s('a', '{a}')]);
SELECT * FROM pg_temp.refused(ARRAY[pg_temp.s('a', '{c}'), pg_temp.s('b', '{a}'), task_queue.step('c', 'dag.ok', jsonb_build_array(task_queue.ref_or_default('b', '"1"'))), pg_temp.s('d', '{c}')]);
SELECT code FROM pg_temp.refused(ARRAY[task_queue.step('a', 'dag.ok', '["a"]', after_any => '{b}'), task_queue.step('b', 'dag.ok', '["b"]', colocate_with => 'a')]);
SELECT code, message FROM pg_temp.refused(ARRAY[pg_temp.s('a', handler => 'dag.okk')]);
SELECT code FROM pg_temp.refused(ARRAY[jsonb_populate_record(pg_temp.s('a'), '{"handler": null}')]);
SELECT code, message FROM pg_temp.refused(ARRAY[pg_temp.s('a', args => '[]')]);
SELECT code, message FROM pg_temp.refused(ARRAY[pg_temp.s('a', args => '[1]')]);
SELECT code, message FROM pg_temp.refused(ARRAY[pg_temp.s('a', args => '"x"')]);
SELECT code, message FROM pg_temp.refused(ARRAY[pg_temp.s('a'), pg_temp.s('b', handler => 'dag.value', args => jsonb_build_array(task_queue.ref('a'), task_queue.ref('a')))]);
-- empty names
SELECT code, message FROM pg_temp.refused(ARRAY[pg_temp.s('a')], labels => '{x,""}');
SELECT code, message FROM pg_temp.refused(ARRAY[pg_temp.s('a')], active => '{""}');
SELECT code, message FROM pg_temp.refused(ARRAY[task_queue.step('a', 'dag.ok', '["a"]', break_before => '{""}')]);
SELECT code, message FROM pg_temp.refused(ARRAY[task_queue.step('a', 'dag.ok', '["a"]', break_after => '{""}')]);
SELECT code, message FROM pg_temp.refused(ARRAY[task_queue.step('a', 'dag.ok', '["a"]', wait_for => '{""}')]);
SELECT code, message FROM pg_temp.refused(ARRAY[task_queue.step('a', 'dag.ok', '["a"]', target => '')]);
-- placement
SELECT code, message FROM pg_temp.refused(ARRAY[task_queue.step('a', 'dag.ok', '["a"]', colocate_here => true)]);
SELECT code, message FROM pg_temp.refused(ARRAY[pg_temp.s('b'), task_queue.step('a', 'dag.ok', '["a"]', target => 'x', colocate_with => 'b')]);
SELECT code, message FROM pg_temp.refused(ARRAY[pg_temp.s('b'), task_queue.step('a', 'dag.ok', '["a"]', follow_target_of => 'b')]);
SELECT code, message FROM pg_temp.refused(ARRAY[task_queue.step('b', 'dag.ext'), task_queue.step('a', 'dag.ok', '["a"]', colocate_with => 'b')]);
-- options
SELECT code, message FROM pg_temp.refused(ARRAY[pg_temp.s('a')], reply_to => '');
SELECT code FROM pg_temp.refused(ARRAY[pg_temp.s('a')], reply_to => repeat('x', 64));
SELECT code, message FROM pg_temp.refused(ARRAY[pg_temp.s('a')], id => repeat('x', 8000), reply_to => 'x');
SELECT code FROM pg_temp.refused(ARRAY[pg_temp.s('a')], trace_ctx => '[]');
SELECT code FROM pg_temp.refused(ARRAY[pg_temp.s('a')], keep => '-1 s');
SELECT code FROM pg_temp.refused(ARRAY[pg_temp.s('a')], policy => ROW(NULL, NULL, NULL, NULL, NULL, 7)::task_queue.retry_policy);
SELECT code FROM pg_temp.refused(ARRAY[task_queue.step('a', 'dag.ok', '["a"]', retry_policy => ROW(NULL, NULL, NULL, NULL, NULL, 7)::task_queue.retry_policy)]);
SELECT code, message FROM pg_temp.refused(ARRAY[task_queue.step('a', 'dag.ok', '["a"]', timeout => '-1 s')]);
SELECT code, message FROM pg_temp.refused(ARRAY[task_queue.step('a', 'dag.ok', '["a"]', delay => '-1 s')]);
SELECT code FROM pg_temp.refused(ARRAY[pg_temp.s('a')], deadline => now());
SELECT code FROM pg_temp.refused(ARRAY[pg_temp.s('a')], on_conflict => 'x');
SELECT task_queue.step(NULL, 'dag.ok');
SELECT task_queue.step('a', NULL);
SELECT task_queue.step('a', 'dag.ok', run_if => 'x');
SELECT task_queue.step('a', 'dag.ok', for_each => 'x');
SELECT task_queue.step('a', 'dag.ok', undo => 'x');

-- nothing of a refused DAG is left
SELECT count(*) FROM task_queue.dags WHERE dag_id NOT IN (SELECT dag_id FROM task_queue.dag WHERE created_at < now()) AND dag_id <> 'taken';

-- NULLs and duplicates in lists are dropped; an id is chosen; roots are handed over in array order, with the DAG's labels
SELECT task_queue.submit_dag(ARRAY[
	task_queue.step('z', 'dag.ok', '["z"]', after => '{y,NULL,y}', after_any => '{y,x}'),
	task_queue.step('y', 'dag.ok', '["y"]', priority => NULL, optional => NULL),
	task_queue.step('x', 'dag.ok', '["x"]')], labels => '{l2,NULL,l1,l2}', trace_ctx => '{"traceparent": "t"}') AS id \gset
SELECT :'id' ~ '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$' AS uuid;
SELECT step_id, labels, trace_ctx FROM task_queue.tasks WHERE dag_id = :'id' ORDER BY task_id;
SELECT step_id, deps, optional_deps, optional FROM task_queue.dag_steps WHERE dag_id = :'id' ORDER BY step_id;
SELECT labels, steps, running, pending FROM task_queue.dags WHERE dag_id = :'id';
SELECT dag_test.drain();

-- delay counts from when the step became ready
SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'dag.ok', '["a"]'), task_queue.step('b', 'dag.ok', '["b"]', after => '{a}', delay => '1 h')], id => 'delay');
SELECT dag_test.drain(), dag_test.states('delay');
SELECT state, run_at - enqueued_at AS delay FROM task_queue.tasks WHERE dag_id = 'delay' AND step_id = 'b';
SELECT count(*) FROM task_queue.drain(queue => 'dag_test', include_scheduled => true);
SELECT dag_test.states('delay');

-- the DAG's policy holds for steps without one (vector W15), the step's as a whole for the others
SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'dag.fail', '["a"]'),
	task_queue.step('b', 'dag.fail', '["b"]', retry_policy => task_queue.no_retry_policy())],
	id => 'W15', retry_policy => task_queue.retry_policy('50 ms', 1, maximum_attempts => 3));
DO $$ BEGIN FOR i IN 1 .. 4 LOOP PERFORM task_queue.drain(queue => 'dag_test', include_scheduled => true); END LOOP; END $$;
SELECT step_id, state, attempt, started_at >= queued_at AND finished_at >= started_at AS times FROM task_queue.dag_steps WHERE dag_id = 'W15' ORDER BY step_id;
SELECT step_id, count(*) FROM task_queue.attempts JOIN task_queue.tasks USING (task_id) WHERE dag_id = 'W15' GROUP BY 1 ORDER BY 1;

-- inline execution
SET task_queue.execution = inline;
SELECT dag_test.submit('inline', 'a; b R(a); c! R(b)');
SELECT dag_test.states('inline');
RESET task_queue.execution;

-- 10000 steps
SELECT task_queue.submit_dag(ARRAY(SELECT task_queue.step('s' || i, 'dag.ok', '["x"]', after => CASE WHEN i > 1 THEN ARRAY['s' || i / 2] END)
	FROM generate_series(1, 10000) AS i), id => 'big');
SELECT steps, running, pending FROM task_queue.dags WHERE dag_id = 'big';
SELECT task_queue.cancel_dag('big'), task_queue.delete_dag('big');
SELECT count(*) FROM task_queue.tasks WHERE handler = 'dag.ok' AND state = 'ready';

\set ECHO none
\set QUIET on
\i :finish
