-- Dynamic: a handler adds steps to its DAG. What a failed attempt added is undone with it.
\ir common.sql

CREATE SEQUENCE example.execution;
CREATE FUNCTION example.plan(fail_first boolean) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 3 LOOP
		PERFORM task_queue.add_step(task_queue.step('part ' || i, 'example.echo', jsonb_build_array(i)));
	END LOOP;
	IF fail_first AND nextval('example.execution') = 1 THEN
		RAISE EXCEPTION 'failed after adding them';
	END IF;
	RETURN 'planned';
END
$$;
SELECT task_queue.register_handler('example.plan(boolean)', retry_policy => task_queue.retry_policy('10 ms'), or_replace => true);
SELECT task_queue.submit_dag(ARRAY[task_queue.step('plan', 'example.plan', jsonb_build_array(f))], id => 'example dynamic ' || f)
	FROM (VALUES (false), (true)) AS v (f);
SELECT example.check(task_queue.await_dag('example dynamic ' || f) = 'done', 'the DAG is done') FROM (VALUES (false), (true)) AS v (f);
SELECT example.check(steps = 4 AND done = 4, 'four steps, all done') FROM task_queue.dags WHERE dag_id LIKE 'example dynamic %';
SELECT example.check(attempt = 2, 'on the second attempt') FROM task_queue.dag_steps WHERE dag_id = 'example dynamic true' AND step_id = 'plan';
SELECT count(task_queue.delete_dag('example dynamic ' || f)) FROM (VALUES (false), (true)) AS v (f);
