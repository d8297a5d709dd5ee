-- End to end, part 1 of 4: one DAG of 34 steps, in the database and outside, through two immediate stops of the server. Stop and start the
-- server between the parts 1 and 2, and 2 and 3; part 3 ends with a task that kills its process, and the session with it.
\ir common.sql

CREATE FUNCTION example.add_numbers(VARIADIC n int[]) RETURNS bigint LANGUAGE sql AS 'SELECT sum(x) FROM unnest(n) AS x';
CREATE FUNCTION example.twice(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n';
CREATE FUNCTION example.invalid() RETURNS void LANGUAGE sql AS $$ SELECT task_queue.raise_error('validation', 'this is not valid', retryable => true) $$;
CREATE FUNCTION example.die() RETURNS void LANGUAGE plpgsql AS $$ BEGIN COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID'; END $$;
SELECT count(task_queue.register_handler(f::regprocedure, or_replace => true)) AS registered
	FROM unnest('{example.add_numbers,example.twice,example.invalid,example.die}'::regproc[]) AS f;
SELECT task_queue.register_external(h, or_replace => true)
	FROM unnest('{example.double_outside,example.double_and_follow,example.where_am_i}'::text[]) AS h;

-- What the external worker programs ext1 and ext2 do, once.
CREATE PROCEDURE example.serve(worker text, claims text[]) LANGUAGE plpgsql AS $$
DECLARE
	task record;
	result jsonb;
BEGIN
	FOR task IN SELECT * FROM task_queue.dequeue(max_tasks => 100, worker => worker, claims => claims,
		handlers => '{example.double_outside,example.double_and_follow,example.where_am_i}')
	LOOP
		result := CASE WHEN task.handler = 'example.where_am_i' THEN to_jsonb(worker) ELSE to_jsonb(2 * (task.args ->> 0)::int) END;
		IF task.handler = 'example.double_and_follow' THEN
			PERFORM task_queue.add_step(task_queue.step('dyn-followup', 'example.double_outside', '[3]', colocate_with => task.step_id), task.dag_id);
		END IF;
		ASSERT task_queue.complete(task.task_id, task.lease_token, result);
	END LOOP;
	COMMIT;
END
$$;

-- c00 adds 1 to the result of g1, each further one to that of the one before
SELECT task_queue.submit_dag(
	ARRAY[
		task_queue.step('s1', 'example.add_numbers', '[2, 3]'),
		task_queue.step('s2', 'example.double_outside', '[10]', target => 'primary'),
		task_queue.step('g1', 'example.gate', jsonb_build_array('g1', task_queue.ref('s1')))]
	|| ARRAY(SELECT task_queue.step(format('c%s', to_char(i, 'FM00')), 'example.add_numbers',
			jsonb_build_array(1, task_queue.ref(CASE WHEN i = 0 THEN 'g1' ELSE format('c%s', to_char(i - 1, 'FM00')) END)))
		FROM generate_series(0, 19) AS i)
	|| ARRAY[
		task_queue.step('g2', 'example.gate', jsonb_build_array('g2', task_queue.ref('c19'))),
		task_queue.step('g3', 'example.gate', jsonb_build_array('g3', task_queue.ref('g2'))),
		task_queue.step('opt', 'example.fail', '["optional"]', after => '{g1}', optional => true, retry_policy => task_queue.no_retry_policy()),
		task_queue.step('dflt', 'example.twice', jsonb_build_array(task_queue.ref_or_default('opt', '7'))),
		task_queue.step('any', 'example.echo', '["any"]', after_any => '{opt}'),
		task_queue.step('ord', 'example.echo', '["ord"]', after => '{dflt}'),
		task_queue.step('dynp', 'example.double_and_follow', '[3]', after => '{g2}', target => 'secondary'),
		task_queue.step('colo', 'example.where_am_i', after => '{g3}', colocate_with => 's2'),
		task_queue.step('folo', 'example.where_am_i', after => '{g3}', follow_target_of => 's2'),
		task_queue.step('final', 'example.add_numbers', jsonb_build_array(task_queue.ref('g3'), task_queue.ref('s2'), task_queue.ref('dflt')))],
	id => 'example end to end',
	retry_policy => task_queue.retry_policy('100 ms', 2, maximum_interval => '1 s', maximum_attempts => 4));
SELECT example.check(steps = 33, '33 steps now, one more is added later') FROM task_queue.dags WHERE dag_id = 'example end to end';

-- beside the DAG: a task past its deadline, one with an error of kind validation, one that fails 3 times of 3
CREATE TABLE example.beside AS
	SELECT 'deadline' AS what, task_queue.enqueue('example.echo', '[1]', deadline => now() - interval '1 s') AS id
	UNION ALL SELECT 'validation', task_queue.enqueue('example.invalid', retry_policy =>
		task_queue.retry_policy('100 ms', non_retryable_error_kinds => '{validation}'))
	UNION ALL SELECT 'three', task_queue.enqueue('example.fail', '["three times"]', retry_policy => task_queue.retry_policy('100 ms', maximum_attempts => 3));
CALL example.serve('ext1', '{primary}');
CALL example.wait_until($$SELECT state = 'running' FROM task_queue.dag_steps WHERE dag_id = 'example end to end' AND step_id = 'g1'$$);
CALL example.wait_until($$SELECT state = 'done' FROM task_queue.dag_steps WHERE dag_id = 'example end to end' AND step_id = 's2'$$);
SELECT example.check(example.states('example end to end') LIKE '%c00 pending%g1 running%s1 done%', 'g1 is held: stop the server now');
