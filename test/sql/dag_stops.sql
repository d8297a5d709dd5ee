-- Breakpoints and signals: their public vectors.
\getenv srcdir PG_ABS_SRCDIR
\set setup :srcdir '/include/dag.sql'
\set finish :srcdir '/include/dag_end.sql'
\set ECHO none
\set QUIET on
\i :setup
\set QUIET off
\set ECHO all

PREPARE breakpoints (text) AS
	SELECT step_id, position, labels, active, state, blocked_since IS NOT NULL AS since, holding FROM task_queue.dag_breakpoints WHERE dag_id = $1;
PREPARE blockers (text) AS
	SELECT step_id, state, held, blocked_on FROM task_queue.dag_steps WHERE dag_id = $1 ORDER BY step_id;
CREATE FUNCTION pg_temp.s(id text, args jsonb DEFAULT '[]', wait_for text[] DEFAULT NULL, before text[] DEFAULT NULL, after text[] DEFAULT NULL)
RETURNS task_queue.step LANGUAGE sql AS $$
	SELECT task_queue.step(id, 'dag.ok', jsonb_build_array(id) || args, wait_for => wait_for, break_before => before, break_after => after)
$$;
CREATE FUNCTION pg_temp.r(id text) RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_build_array(task_queue.ref(id)) $$;

-- B1
SELECT task_queue.submit_dag(ARRAY[pg_temp.s('a'), pg_temp.s('b', pg_temp.r('a'), before => '{X}')], 'B1', active_breakpoints => '{X}');
EXECUTE breakpoints('B1');
SELECT dag_test.drain(), dag_test.states('B1');
EXECUTE breakpoints('B1');
SELECT stopped, waiting FROM task_queue.dags WHERE dag_id = 'B1';
-- B3
SELECT task_queue.submit_dag(ARRAY[pg_temp.s('a'), pg_temp.s('b', pg_temp.r('a'), before => '{X,Y}')], 'B3', active_breakpoints => '{Y}');
SELECT dag_test.drain(), dag_test.states('B3');
SELECT task_queue.resume_breakpoint('B3', 'X');
SELECT dag_test.drain(), dag_test.states('B3');
EXECUTE breakpoints('B3');
-- B5
SELECT task_queue.submit_dag(ARRAY[pg_temp.s('a', before => '{X}', after => '{X}'), pg_temp.s('b', pg_temp.r('a'))], 'B5', active_breakpoints => '{X}');
SELECT task_queue.resume_breakpoint('B5', 'X');
SELECT dag_test.drain(), dag_test.states('B5');
EXECUTE breakpoints('B5');
EXECUTE blockers('B5');
SELECT task_queue.await_step('B5', 'a');
SELECT task_queue.resume_breakpoint('B5', 'X');
SELECT dag_test.drain(), dag_test.states('B5');
-- B7
SELECT task_queue.submit_dag(ARRAY[pg_temp.s('a', before => '{X,Z}'), pg_temp.s('c')], 'B7', active_breakpoints => '{X}');
SELECT dag_test.drain(), dag_test.states('B7');
EXECUTE breakpoints('B7');
-- B9
SELECT task_queue.submit_dag(ARRAY[pg_temp.s('a'), pg_temp.s('b', pg_temp.r('a'), before => '{X}'), pg_temp.s('c', before => '{N}')], 'B9', active_breakpoints => '{X}');
SELECT task_queue.resume_breakpoint('B9', 'X') AS not_reached, task_queue.resume_breakpoint('B9', 'N') AS not_active,
	task_queue.resume_breakpoint('B9', 'other') AS unknown, task_queue.resume_breakpoint('B5', 'X') AS terminal;
SELECT dag_test.drain(), task_queue.resume_breakpoint('B9', 'X'), task_queue.resume_breakpoint('B9', 'X') AS repeated, dag_test.drain();
SELECT dag_test.states('B9');
-- B11
SELECT task_queue.submit_dag(ARRAY[pg_temp.s('a', before => '{X}'), task_queue.step('hold', 'dag.ext')], 'B11', active_breakpoints => '{X}');
SELECT task_queue.resume_breakpoint('B11', 'X');
SELECT task_queue.add_step(pg_temp.s('n', before => '{X}'), 'B11');
SELECT dag_test.drain(), dag_test.states('B11');
SELECT task_queue.resume_breakpoint('B11', 'X');
-- B13
SELECT task_queue.submit_dag(ARRAY[pg_temp.s('a', before => '{X}')], 'B13', active_breakpoints => '{X}');
SELECT task_queue.pause_dag('B13'), task_queue.resume_breakpoint('B13', 'X');
EXECUTE blockers('B13');
SELECT dag_test.drain(), task_queue.resume_dag('B13'), dag_test.drain(), dag_test.states('B13');
-- B15
SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'dag.fail', '["a"]'), pg_temp.s('b', pg_temp.r('a'), before => '{X}')], 'B15', active_breakpoints => '{X}');
SELECT dag_test.drain(), dag_test.states('B15');
-- B17
SELECT task_queue.submit_dag(ARRAY[pg_temp.s('a', before => '{X}', wait_for => '{s}')], 'B17', active_breakpoints => '{X}');
EXECUTE blockers('B17');
SELECT task_queue.resume_breakpoint('B17', 'X'), dag_test.drain();
EXECUTE blockers('B17');
SELECT task_queue.signal('B17', 's'), dag_test.drain(), dag_test.states('B17');

-- after: all direct dependents wait, also those whose other parents end later; a leaf's stops nobody; a failure runs through
SELECT task_queue.submit_dag(ARRAY[pg_temp.s('a', after => '{X}'), pg_temp.s('l', after => '{X}'), pg_temp.s('x', wait_for => '{go}'),
	pg_temp.s('b', pg_temp.r('a')), task_queue.step('c', 'dag.ok', '["c"]', after => '{a,x}'), task_queue.step('d', 'dag.ok', '["d"]', after_any => '{a}')],
	'A1', active_breakpoints => '{X}');
SELECT dag_test.drain(), task_queue.signal('A1', 'go'), dag_test.drain(), dag_test.states('A1');
EXECUTE breakpoints('A1');
EXECUTE blockers('A1');
SELECT task_queue.resume_breakpoint('A1', 'X'), dag_test.drain(), dag_test.states('A1');
EXECUTE breakpoints('A1');
SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'dag.fail', '["a"]', break_after => '{X}'), pg_temp.s('b', pg_temp.r('a'))], 'A2', active_breakpoints => '{X}');
SELECT dag_test.drain(), dag_test.states('A2');
-- a step added behind an unreleased after-breakpoint waits for it
SELECT task_queue.submit_dag(ARRAY[pg_temp.s('a', after => '{X}'), task_queue.step('hold', 'dag.ext')], 'A3', active_breakpoints => '{X}');
SELECT dag_test.drain(), task_queue.resume_breakpoint('A3', 'X') AS leaf;
SELECT task_queue.add_step(pg_temp.s('n', pg_temp.r('a')), 'A3');
SELECT dag_test.drain();
EXECUTE breakpoints('A3');
SELECT task_queue.resume_breakpoint('A3', 'X'), dag_test.drain(), dag_test.states('A3');

-- G1
SELECT task_queue.submit_dag(ARRAY[pg_temp.s('a', wait_for => '{x,y}')], 'G1');
SELECT task_queue.signal('G1', 'x'), dag_test.drain(), dag_test.states('G1');
SELECT task_queue.signal('G1', 'y'), dag_test.drain(), dag_test.states('G1');
-- G3
SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'dag.add', '[{"id":"n","wait_for":["go"]}]')], 'G3');
SELECT task_queue.signal('G3', 'go'), dag_test.drain(), dag_test.states('G3');
-- G5
SELECT task_queue.submit_dag(ARRAY[pg_temp.s('a', jsonb_build_array(task_queue.signal_ref('s2'), task_queue.signal_ref('s1')), wait_for => '{s1,s1}')], 'G5');
SELECT wait_for FROM task_queue.dag_step AS s JOIN task_queue.dag AS d USING (dag_key) WHERE d.dag_id = 'G5';
EXECUTE blockers('G5');
TRUNCATE dag_test.log;
SELECT task_queue.signal('G5', 's1', '1'), task_queue.signal('G5', 's2'), dag_test.drain();
SELECT args FROM dag_test.log;
-- G7
SELECT task_queue.submit_dag(ARRAY[pg_temp.s('a', wait_for => '{s}', before => '{X}')], 'G7', active_breakpoints => '{X}');
SELECT task_queue.pause_dag('G7'), task_queue.signal('G7', 's'), dag_test.drain(), task_queue.resume_dag('G7'), dag_test.drain(), task_queue.resume_breakpoint('G7', 'X'), dag_test.drain();
-- G9
SELECT task_queue.submit_dag(ARRAY[pg_temp.s('c', wait_for => '{go}'), task_queue.step('h', 'dag.ext')], 'G9');
SELECT task_queue.signal('G9', 'go', '"now"'), dag_test.drain();
SELECT task_queue.submit_dag(ARRAY[pg_temp.s('b', wait_for => '{go,other}'), pg_temp.s('c', wait_for => '{go2}')], 'G9b');
SELECT task_queue.signal('G9b', 'other', '7'), task_queue.signal('G9b', 'extra');
SELECT name, delivered, delivered_at IS NOT NULL AS at, payload, waiting FROM task_queue.dag_signals WHERE dag_id IN ('G9', 'G9b');
SELECT waiting FROM task_queue.dags WHERE dag_id = 'G9b';
SELECT task_queue.cancel_dag('G9b');
SELECT name, delivered, waiting FROM task_queue.dag_signals WHERE dag_id = 'G9b';
-- G11
SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'dag.fail', '["a"]'), pg_temp.s('b', pg_temp.r('a'), wait_for => '{s}')], 'G11');
SELECT dag_test.drain(), dag_test.states('G11');

-- once per DAG and name, the first payload stays; checks
SELECT task_queue.submit_dag(ARRAY[pg_temp.s('a', jsonb_build_array(task_queue.signal_ref('s')))], 'once');
SELECT task_queue.signal('once', 's', '{"by":"x"}'), task_queue.signal('once', 's', '2');
TRUNCATE dag_test.log;
SELECT dag_test.drain();
SELECT args FROM dag_test.log;
SELECT task_queue.signal('once', 'later');
SELECT task_queue.signal('unknown', '');
SELECT task_queue.signal('unknown', NULL);
SELECT task_queue.signal('unknown', 's');
SELECT task_queue.resume_breakpoint('unknown', 'X');

\set ECHO none
\set QUIET on
\i :finish
