-- What becomes of steps and DAGs: every public vector of DAG outcomes.
\getenv srcdir PG_ABS_SRCDIR
\set setup :srcdir '/include/dag.sql'
\set finish :srcdir '/include/dag_end.sql'
\set ECHO none
\set QUIET on
\i :setup
\set QUIET off
\set ECHO all

CREATE TEMP TABLE vector (name text, dag text, no int GENERATED ALWAYS AS IDENTITY);
INSERT INTO vector (name, dag) VALUES
	('D1', 'a'),
	('D3', 'a!?'),
	('D5', 'a!; b R(a); c R(b)'),
	('D7', 'a!?; b R(a)'),
	('D9', 'a!?; b D(a)'),
	('D11', 'a!; b A(a)'),
	('D13', 'a!?; b Y(a)'),
	('D15', 'a; b!; c R(a) R(b)'),
	('D17', 'a!; b R(a); c D(b)'),
	('D19', 'a!; b D(a) A(a)'),
	('D21', 'a!; b R(a) Y(a)'),
	('D23', 'a!?; c!; b D(a) A(c)'),
	('D25', 'a; b R(a); c!? R(a); d R(b) D(c)'),
	('D27', 'a!; b R(a); c Y(b)'),
	('D29', 'a; b! Y(a); c! Y(b); d Y(c)'),
	('D31', 'a; b~; c R(a)'),
	('D33', 'a!; b~; c D(a) R(b)');
SELECT count(dag_test.submit(name, dag)) FROM vector;
SELECT dag_test.drain();
SELECT name, dag, dag_test.states(name) FROM vector ORDER BY no;

-- arguments received
TRUNCATE dag_test.log;
SELECT dag_test.submit('D25 again', 'a; b R(a); c!? R(a); d R(b) D(c)') IS NOT NULL AS submitted;
SELECT dag_test.drain();
SELECT step, args FROM dag_test.log ORDER BY no;

-- D35: outcomes spread over branches
SELECT dag_test.submit('D35', 'ingest; tA R(ingest); tB! R(ingest); tC R(ingest); agg R(tA) R(tC) D(tB); pub R(agg); flaky!; dep R(flaky)') IS NOT NULL AS submitted;
SELECT dag_test.drain();
SELECT dag_test.states('D35');
SELECT count(*) FROM task_queue.dead_letters WHERE dag_id = 'D35';

-- D37: pausing, then at once the final state
SELECT dag_test.submit('D37', 'a!; b A(a)') IS NOT NULL AS submitted;
SELECT task_queue.pause_dag('D37');
SELECT dag_test.drain();
SELECT dag_test.states('D37');

-- no fail-fast: independent steps go on, the state comes at the end
SELECT dag_test.submit('slow', 'a!; b~; c A(a)') IS NOT NULL AS submitted;
SELECT dag_test.drain();
SELECT dag_test.states('slow');
SELECT task_queue.cancel_dag('slow');

-- a step canceled alone: its dependents as after a skipped step; it does not count itself
SELECT dag_test.submit('alone', 'a~?; b R(a); c D(a)') IS NOT NULL AS submitted;
SELECT task_queue.cancel(task_id, 'not wanted') FROM task_queue.dag_steps WHERE dag_id = 'alone' AND step_id = 'a';
SELECT dag_test.drain();
SELECT dag_test.states('alone');
SELECT dag_test.submit('alone2', 'a~; b') IS NOT NULL AS submitted;
SELECT task_queue.cancel(task_id, 'not wanted') FROM task_queue.dag_steps WHERE dag_id = 'alone2' AND step_id = 'a';
SELECT dag_test.drain();
SELECT dag_test.states('alone2');
SELECT task_queue.await_step('alone2', 'a');
-- canceled between two attempts: what is placed with it goes where it was last
SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'dag.ext', retry_policy => task_queue.retry_policy('1 h'), target => 'alone', priority => -1),
	task_queue.step('b', 'dag.ext', jsonb_build_array(task_queue.ref_or_default('a', '1')), colocate_with => 'a')], id => 'alone3');
SELECT task_id, lease_token FROM task_queue.dequeue('dag_test', worker => 'w1', claims => '{alone}', handlers => '{dag.ext}') WHERE target = 'alone' \gset
SELECT task_queue.fail(:task_id, :lease_token), task_queue.cancel(:task_id);
SELECT step_id, state, attempt, worker, started_at >= queued_at AS started, target FROM task_queue.dag_steps WHERE dag_id = 'alone3' ORDER BY step_id;

-- the same rules where counters are split: 100 parents, 200 steps
CREATE TEMP TABLE wide AS SELECT task_queue.submit_dag(
	ARRAY(SELECT task_queue.step('p' || i, CASE WHEN i = 50 AND fails THEN 'dag.fail' ELSE 'dag.ok' END, jsonb_build_array('p' || i), optional => true)
		FROM generate_series(1, 100) AS i)
	|| task_queue.step('all', 'dag.value', jsonb_build_array(task_queue.refs(ARRAY(SELECT 'p' || i FROM generate_series(1, 100) AS i))))
	|| task_queue.step('any', 'dag.ok', '["any"]', after_any => ARRAY(SELECT 'p' || i FROM generate_series(1, 100) AS i))
	|| ARRAY(SELECT task_queue.step('t' || i, 'dag.ok', jsonb_build_array('t' || i), after => '{any}') FROM generate_series(1, 98) AS i),
	id => 'wide ' || fails) AS id FROM (VALUES (false), (true)) AS v (fails);
SELECT dag_test.drain();
SELECT d.dag_id, d.state, d.done, d.failed, d.skipped FROM task_queue.dags AS d JOIN wide ON wide.id = d.dag_id ORDER BY d.dag_id;
SELECT jsonb_array_length(task_queue.await_step('wide false', 'all')), task_queue.await_step('wide false', 'all') -> 99 AS last;
SELECT task_queue.await_step('wide true', 'all');

-- void steps have no result
SELECT task_queue.submit_dag(ARRAY[
	task_queue.step('v', 'dag.nothing'),
	task_queue.step('w', 'dag.ok', jsonb_build_array('w', task_queue.ref('v')))], id => 'void');
TRUNCATE dag_test.log;
SELECT dag_test.drain();
SELECT step, args FROM dag_test.log;
SELECT task_queue.await_step('void', 'v') IS NULL AS no_result;

\set ECHO none
\set QUIET on
\i :finish
