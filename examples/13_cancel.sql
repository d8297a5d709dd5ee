-- Cancel: a DAG with a step that is running, in the database and outside.
\ir common.sql

CREATE TABLE example.written (what text);
CREATE FUNCTION example.long() RETURNS void LANGUAGE plpgsql AS $$ BEGIN INSERT INTO example.written VALUES ('long'); PERFORM pg_sleep(60); END $$;
SELECT task_queue.register_handler('example.long()', retry_policy => task_queue.no_retry_policy(), or_replace => true);
SELECT task_queue.register_external('example.long_outside', or_replace => true);
CREATE FUNCTION example.sqlstate_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'none';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END
$$;
SELECT task_queue.submit_dag(ARRAY[
	task_queue.step('long', 'example.long'),
	task_queue.step('after', 'example.echo', '[1]', after => '{long}')], id => 'example cancel');
CALL example.wait_until($$SELECT state = 'running' FROM task_queue.tasks WHERE dag_id = 'example cancel'$$);
SELECT example.check(task_queue.cancel_dag('example cancel', 'changed my mind') = 'canceled', 'the DAG is canceled at once');
SELECT example.check(state = 'canceled', 'and what was pending') FROM task_queue.dag_steps WHERE dag_id = 'example cancel' AND step_id = 'after';
CALL example.wait_until($$SELECT state = 'canceled' FROM task_queue.dag_steps WHERE dag_id = 'example cancel' AND step_id = 'long'$$);
SELECT example.check(count(*) = 0, 'what long wrote is undone') FROM example.written;
SELECT example.check(example.sqlstate_of(format('SELECT task_queue.await_step(%L, %L)', 'example cancel', s)) = 'TQ005', 'await_step of ' || s || ' raises TQ005')
	FROM (VALUES ('long'), ('after')) AS v (s);

SELECT task_queue.submit_dag(ARRAY[
	task_queue.step('long', 'example.long_outside'),
	task_queue.step('after', 'example.echo', '[1]', after => '{long}')], id => 'example cancel outside');
SELECT task_id AS task, lease_token AS token FROM task_queue.dequeue(worker => 'ext1', handlers => '{example.long_outside}') \gset
SELECT task_queue.cancel_dag('example cancel outside');
SELECT example.check(cancel_requested, 'heartbeat tells the worker') FROM task_queue.heartbeat('ext1');
SELECT example.check(task_queue.complete(:task, :token, '"finished anyway"'), 'it may still complete');
SELECT example.check(example.states('example cancel outside') = 'after canceled, long done', 'and nothing follows');
SELECT count(task_queue.delete_dag(dag_id)) FROM task_queue.dags WHERE dag_id LIKE 'example cancel%';
