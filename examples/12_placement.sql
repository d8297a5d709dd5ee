-- Placement: targets, and steps beside other steps, with external workers and with those of the database (two of them).
\ir common.sql

SELECT task_queue.register_external('example.render', queue => 'default', or_replace => true);
-- What an external worker program does, once: take what it can, report each as done.
CREATE PROCEDURE example.serve(worker text, claims text[]) LANGUAGE plpgsql AS $$
DECLARE
	task record;
BEGIN
	FOR task IN SELECT * FROM task_queue.dequeue(max_tasks => 100, worker => worker, claims => claims, handlers => '{example.render}') LOOP
		ASSERT task_queue.complete(task.task_id, task.lease_token, to_jsonb(worker));
	END LOOP;
	COMMIT;
END
$$;
SELECT task_queue.submit_dag(ARRAY[
	task_queue.step('s', 'example.render', target => 'gpu'),
	task_queue.step('beside', 'example.render', colocate_with => 's'),
	task_queue.step('follow', 'example.render', follow_target_of => 's')], id => 'example placement');
-- ext2 does not claim gpu; ext1 does, and while it runs s the claims are swapped
CALL example.serve('ext2', '{}');
SELECT example.check(example.states('example placement') = 'beside pending, follow pending, s running', 'nobody else takes it');
SELECT task_id AS task, lease_token AS token FROM task_queue.dequeue(worker => 'ext1', claims => '{gpu}', handlers => '{example.render}') \gset
SELECT task_queue.complete(:task, :token, '"ext1"');
CALL example.wait_until($$SELECT count(*) = 2 FROM task_queue.tasks WHERE dag_id = 'example placement' AND state = 'ready'$$);
CALL example.serve('ext2', '{gpu}');
CALL example.serve('ext1', '{}');
SELECT example.check(task_queue.await_dag('example placement', '10 s') = 'done', 'the DAG is done');
SELECT example.check(string_agg(step_id || ' ' || worker, ', ' ORDER BY step_id) = 'beside ext1, follow ext2, s ext1',
	'beside: the worker of s; follow: who claims its target now') FROM task_queue.dag_steps WHERE dag_id = 'example placement';

-- a step that runs where the one that added it ran
CREATE FUNCTION example.warm_cache() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM task_queue.add_step(task_queue.step('use', 'example.echo', '[1]', colocate_here => true));
END
$$;
SELECT task_queue.register_handler('example.warm_cache()', or_replace => true);
SELECT task_queue.submit_dag(ARRAY(SELECT task_queue.step('warm', 'example.warm_cache')), id => 'example warm ' || i) FROM generate_series(1, 4) AS i;
SELECT example.check(task_queue.await_dag('example warm ' || i, '30 s') = 'done', 'DAG ' || i || ' is done') FROM generate_series(1, 4) AS i;
SELECT example.check(count(DISTINCT worker) = 1 AND count(*) = 2, 'both steps on one worker') FROM task_queue.dag_steps WHERE dag_id LIKE 'example warm %' GROUP BY dag_id;

-- 25 tasks for one of seven workers, each at attempt 1
CREATE TABLE example.targeted AS SELECT task_queue.enqueue('example.render', target => 'rack7') AS id FROM generate_series(1, 25);
CALL example.serve('other' || 1, '{}');
CALL example.serve('other' || 2, '{rack1}');
CALL example.serve('other' || 3, '{rack7x}');
CALL example.serve('other' || 4, '{}');
CALL example.serve('other' || 5, '{gpu}');
CALL example.serve('other' || 6, '{}');
CALL example.serve('seven', '{rack7}');
SELECT example.check(count(*) = 25, 'all on the worker that claims the target, at attempt 1')
	FROM example.targeted JOIN task_queue.tasks ON task_id = id WHERE state = 'done' AND worker = 'seven' AND attempt = 1;
SELECT count(task_queue.delete_dag(dag_id)) FROM task_queue.dags WHERE dag_id = 'example placement' OR dag_id LIKE 'example warm %';
