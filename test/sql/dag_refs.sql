-- References to results and signals.
\getenv srcdir PG_ABS_SRCDIR
\set setup :srcdir '/include/dag.sql'
\set finish :srcdir '/include/dag_end.sql'
\set ECHO none
\set QUIET on
\i :setup
\set QUIET off
\set ECHO all

PREPARE log AS SELECT step, args FROM dag_test.log ORDER BY step;
-- V1 to V15: what is data stays data
SELECT task_queue.submit_dag(ARRAY[
	task_queue.step('up', 'dag.value', '[5]'),
	task_queue.step('down', 'dag.fail', '["x"]', optional => true),
	task_queue.step('V1', 'dag.ok', '["V1", 42, "x"]'),
	task_queue.step('V3', 'dag.ok', jsonb_build_array('V3', task_queue.ref('down')), optional => true),
	task_queue.step('V5', 'dag.ok', jsonb_build_array('V5', task_queue.ref_or_default('down', '99'))),
	task_queue.step('V7', 'dag.ok', jsonb_build_array('V7', task_queue.ref_or_default('up', '99'))),
	task_queue.step('V9', 'dag.ok', jsonb_build_array('V9', task_queue.ref('pend'))),
	task_queue.step('pend', 'dag.ext'),
	task_queue.step('V11', 'dag.ok', jsonb_build_array('V11', task_queue.signal_ref('go'), 42)),
	task_queue.step('V13', 'dag.ok', jsonb_build_array('V13', task_queue.signal_ref('never'))),
	task_queue.step('V15', 'dag.ok', '["V15", {"ref": "up"}, ["up"], "ref(up)", null, true]'),
	task_queue.step('many', 'dag.ok', jsonb_build_array('many', task_queue.refs('{up,V1,up}'), task_queue.ref('up'))),
	task_queue.step('none', 'dag.ok', jsonb_build_array('none', task_queue.refs('{}'), task_queue.ref_or_default('down', NULL)))
	], 'V');
SELECT task_queue.signal('V', 'go', '{"by":"x"}');
SELECT dag_test.drain();
SELECT dag_test.states('V');
EXECUTE log;
SELECT name, delivered, waiting FROM task_queue.dag_signals WHERE dag_id = 'V';
SELECT step_id, deps, optional_deps, blocked_on FROM task_queue.dag_steps WHERE dag_id = 'V' ORDER BY step_id;

-- by parameter name
SELECT task_queue.submit_dag(ARRAY[
	task_queue.step('a', 'dag.value', '{"v": {"deep": [1, {"x": null}]}}'),
	task_queue.step('b', 'dag.value', jsonb_build_object('v', task_queue.ref('a')))], 'named');
SELECT dag_test.drain(), task_queue.await_step('named', 'b');

-- resolved values are checked at the run
SELECT task_queue.submit_dag(ARRAY[
	task_queue.step('a', 'dag.value', '[5]'),
	task_queue.step('b', 'dag.ok', jsonb_build_array(task_queue.ref('a')))], 'type');
SELECT dag_test.drain(), dag_test.states('type');
SELECT error_kind FROM task_queue.dag_steps WHERE dag_id = 'type' AND step_id = 'b';

-- refused
SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'dag.ok', jsonb_build_array('a', jsonb_build_array(task_queue.ref('b'))))]);
SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'dag.ok', jsonb_build_array('a', jsonb_build_object('x', jsonb_build_object('y', task_queue.signal_ref('b')))))]);
SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'dag.ok', task_queue.ref('b'))]);
SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'dag.ok', jsonb_build_array('a', task_queue.ref_or_default('a', task_queue.ref('b'))))]);
SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'dag.ok', jsonb_build_array('a', task_queue.ref('b') || '{"x": 1}'))]);
SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'dag.ok', jsonb_build_array('a', jsonb_set(task_queue.ref('b'), '{$task_queue_ref}', '["ref", [3]]')))]);
SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'dag.ok', jsonb_build_array('a', jsonb_set(task_queue.ref('b'), '{$task_queue_ref}', '"b"')))]);
-- a default must fit, as any argument
SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'dag.nothing'), task_queue.step('b', 'dag.ok', jsonb_build_array(task_queue.ref_or_default('a', '5')))]);
SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'dag.nothing'), task_queue.step('b', 'dag.ok', jsonb_build_object('id', task_queue.ref_or_default('a', '[]')))]);
SELECT task_queue.ref(NULL);
SELECT task_queue.ref('');
SELECT task_queue.refs(NULL);
SELECT task_queue.refs('{a,NULL}');
SELECT task_queue.signal_ref('');
SELECT task_queue.ref_or_default(NULL, '1');
-- plain tasks do not interpret them
SELECT task_queue.enqueue('dag.value', jsonb_build_array(task_queue.ref('a'))) > 0 AS enqueued;
SELECT dag_test.drain();
SELECT result = task_queue.ref('a') AS unchanged FROM task_queue.tasks WHERE handler = 'dag.value' ORDER BY task_id DESC LIMIT 1;

\set ECHO none
\set QUIET on
\i :finish
