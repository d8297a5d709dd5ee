-- What each call does in each state of a DAG.
\getenv srcdir PG_ABS_SRCDIR
\set setup :srcdir '/include/dag.sql'
\set finish :srcdir '/include/dag_end.sql'
\set ECHO none
\set QUIET on
\i :setup
\set QUIET off
\set ECHO all

CREATE FUNCTION pg_temp.try(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE command INTO result;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END
$$;
-- A DAG in each state; r is what resume_breakpoint() can release, e an external step that is running.
CREATE FUNCTION pg_temp.make(name text, state text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM task_queue.submit_dag(ARRAY[
		task_queue.step('a', CASE WHEN state = 'failed' THEN 'dag.fail' ELSE 'dag.ok' END, '["a"]'),
		task_queue.step('b', 'dag.ok', '["b"]', after_any => '{a}', break_before => '{r}', wait_for => '{s}')]
		|| CASE WHEN state IN ('running', 'pausing') THEN ARRAY[task_queue.step('e', 'dag.ext')] END,
		id => name, active_breakpoints => '{r}');
	PERFORM dag_test.drain();
	CASE
		WHEN state IN ('pausing', 'paused') THEN PERFORM task_queue.pause_dag(name);
		WHEN state IN ('done', 'failed') THEN
			PERFORM task_queue.signal(name, 's'), task_queue.resume_breakpoint(name, 'r');
			PERFORM dag_test.drain();
		WHEN state = 'canceled' THEN PERFORM task_queue.cancel_dag(name);
		ELSE NULL;
	END CASE;
END
$$;
CREATE TEMP TABLE call (no int, name text, command text);
INSERT INTO call VALUES
	(1, 'pause_dag', 'SELECT task_queue.pause_dag(%L)'),
	(2, 'resume_dag', 'SELECT task_queue.resume_dag(%L)'),
	(3, 'cancel_dag', 'SELECT task_queue.cancel_dag(%L)'),
	(4, 'signal', 'SELECT task_queue.signal(%L, ''s2'')'),
	(5, 'resume_breakpoint', 'SELECT task_queue.resume_breakpoint(%L, ''r'')'),
	(6, 'delete_dag', 'SELECT task_queue.delete_dag(%L)'),
	(7, 'add_step', 'SELECT task_queue.add_step(task_queue.step(''n'', ''dag.ok'', ''["n"]''), %L)'),
	(8, 'retry_step', 'SELECT task_queue.retry_step(%L, ''a'')');
CREATE TEMP TABLE state (no int, name text);
INSERT INTO state VALUES (1, 'running'), (2, 'pausing'), (3, 'paused'), (4, 'done'), (5, 'failed'), (6, 'canceled');
SELECT count(pg_temp.make(s.name || ' ' || c.name, s.name)) FROM state AS s, call AS c;
SELECT count(*) FROM state AS s, call AS c, task_queue.dags AS d WHERE d.dag_id = s.name || ' ' || c.name AND d.state <> s.name;
CREATE TEMP TABLE result AS
	SELECT s.no, s.name AS state, c.name AS call, pg_temp.try(format(c.command, s.name || ' ' || c.name)) AS result FROM state AS s, call AS c;
SELECT r.state, r.call, r.result, d.state AS then FROM result AS r LEFT JOIN task_queue.dags AS d ON d.dag_id = r.state || ' ' || r.call
	ORDER BY r.no, (SELECT c.no FROM call AS c WHERE c.name = r.call);
-- unknown
SELECT name, pg_temp.try(format(command, 'unknown')) FROM call ORDER BY no;
-- 55000 names id and state
SELECT task_queue.pause_dag('paused signal');
SELECT task_queue.resume_dag('done signal');

-- pausing: what was handed over goes on; a held step is handed over by resume only
SELECT dag_test.submit('p', 'a; b R(a); c R(b)');
SELECT task_queue.pause_dag('p');
SELECT dag_test.drain(), dag_test.states('p');
SELECT step_id, held, blocked_on FROM task_queue.dag_steps WHERE dag_id = 'p' ORDER BY step_id;
SELECT paused_at IS NOT NULL AS has_paused_at FROM task_queue.dags WHERE dag_id = 'p';
SELECT task_queue.resume_dag('p'), task_queue.resume_dag('p');
SELECT paused_at IS NOT NULL AS has_paused_at FROM task_queue.dags WHERE dag_id = 'p';
SELECT dag_test.drain(), dag_test.states('p');

-- a step's outcome cascades to held steps
SELECT dag_test.submit('q', 'a!; b R(a); c~');
SELECT task_queue.pause_dag('q');
SELECT dag_test.drain(), dag_test.states('q');
SELECT task_queue.cancel_dag('q', 'enough'), dag_test.states('q');
SELECT task_queue.cancel_dag('q');
SELECT task_queue.await_dag('q');
SELECT task_queue.await_step('q', 'c');
SELECT task_queue.await_step('q', 'a');

-- from a step of the DAG itself: what is asked for applies to what comes after it; it cannot delete the DAG that its own end belongs to
CREATE FUNCTION dag_test.ask(query text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	answer jsonb;
BEGIN
	EXECUTE query INTO answer;
	RETURN answer;
END
$$;
SELECT task_queue.register_handler('dag_test.ask(text)', name => 'dag.ask', queue => 'dag_test');
SELECT task_queue.submit_dag(ARRAY[
	task_queue.step('a', 'dag.ask', jsonb_build_array(format('SELECT to_jsonb(task_queue.%s)', call))),
	task_queue.step('b', 'dag.ok', '["b"]', after => '{a}')], id => name)
FROM (VALUES ('self 1', 'pause_dag(''self 1'')'), ('self 2', 'cancel_dag(''self 2'')'), ('self 3', 'delete_dag(''self 3'', force => true)'),
	('self 4', 'cancel((SELECT task_id FROM task_queue.current_task()))')) AS v (name, call) ORDER BY name;
SELECT dag_test.drain();
SELECT s.dag_id, dag_test.states(s.dag_id), s.error_message FROM task_queue.dag_steps AS s WHERE s.dag_id LIKE 'self _' AND s.step_id = 'a' ORDER BY 1;

\set ECHO none
\set QUIET on
\i :finish
