-- await, wait, dead letters, attempts, requeue and retention of tasks that
-- have run, here by drain().
SET client_min_messages = warning;
ALTER SEQUENCE task_queue.task_task_id_seq RESTART 7200001;
SET task_queue.execution = manual;
CREATE SCHEMA control_results;
CREATE TABLE control_results.ran (n int);
CREATE FUNCTION control_results.twice(n int) RETURNS int LANGUAGE sql AS 'SELECT n * 2';
CREATE FUNCTION control_results.nothing() RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION control_results.null() RETURNS text LANGUAGE sql AS 'SELECT NULL::text';
CREATE FUNCTION control_results.fail(kind text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO control_results.ran VALUES (1);
	IF kind = 'sql' THEN
		RAISE EXCEPTION 'it broke' USING ERRCODE = '22012', DETAIL = 'the detail', HINT = 'the hint';
	END IF;
	PERFORM task_queue.raise_error(kind, 'told so', detail => 'the detail');
	RETURN 0;
END
$$;
SELECT task_queue.register_handler('control_results.twice(int)', name => 'cr.twice');
SELECT task_queue.register_handler('control_results.nothing()', name => 'cr.nothing');
SELECT task_queue.register_handler('control_results.null()', name => 'cr.null');
SELECT task_queue.register_handler('control_results.fail(text)', name => 'cr.fail', aliases => '{cr.broken}',
	retry_policy => task_queue.no_retry_policy());
SELECT task_queue.create_queue('cr_brief', keep_done => '0', keep_failed => '1 h');

-- results, any number of times
SELECT task_queue.enqueue('cr.twice', '[21]') AS twice, task_queue.enqueue('cr.nothing') AS nothing,
	task_queue.enqueue('cr.null') AS nil, task_queue.enqueue('cr.twice', '[1]', queue => 'cr_brief') AS brief \gset
SELECT handler, state, error_kind FROM task_queue.drain();
SELECT task_queue.await(:twice), task_queue.await(:twice, '0'), task_queue.await(:nothing) IS NULL AS no_result,
	task_queue.await(:nil) AS json_null;
SELECT * FROM task_queue.wait(:twice);
SELECT * FROM task_queue.wait(:nothing);
-- keep_done zero: no row
SELECT task_queue.await(:brief);
SELECT task_queue.cancel(:twice);
SELECT task_queue.requeue(:twice);
SELECT task_queue.delete_task(:twice);

-- in the transaction that drained it
BEGIN;
SELECT task_queue.enqueue('cr.twice', '[5]') AS five \gset
SELECT state FROM task_queue.drain(this_transaction => true);
SELECT task_queue.await(:five);
COMMIT;

-- errors of await: by kind
\set SHOW_CONTEXT never
CREATE FUNCTION control_results.why(task_id bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
BEGIN
	PERFORM task_queue.await(task_id);
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	RETURN format('%s: %s (%s)', SQLSTATE, message, detail);
END
$$;
SELECT task_queue.enqueue('cr.fail', '["sql"]') AS sql, task_queue.enqueue('cr.broken', '["validation"]', labels => '{l}') AS validation,
	task_queue.enqueue('cr.fail', '["deadline"]') AS deadline, task_queue.enqueue('cr.fail', '["lease_lost"]') AS lease,
	task_queue.enqueue('cr.fail', '["sql"]', deadline => '2000-01-01') AS late \gset
SELECT handler, state, error_kind, error_message FROM task_queue.drain();
SELECT control_results.why(id) FROM unnest(ARRAY[:sql, :validation, :deadline, :lease, :late]) AS id;
SELECT state, result, (error).kind, (error).sqlstate, (error).detail, (error).hint, error_message FROM task_queue.wait(:sql);
-- what the handler did is undone
SELECT count(*) FROM control_results.ran;

-- dead letters, newest first; one row in attempts each
SELECT handler, args, labels, attempt, error_kind, error_message, (error).retryable, dag_id FROM task_queue.dead_letters;
SELECT handler, attempt, error_kind, (error).detail FROM task_queue.attempts WHERE task_id IN (:sql, :validation) ORDER BY task_id;
SELECT task_queue.get_task(:validation) #>> '{error,kind}' AS kind, jsonb_array_length(task_queue.get_task(:validation) -> 'attempts') AS attempts,
	task_queue.get_task(:validation) ->> 'state' AS state;

-- requeue: attempts are counted anew, the failed one stays
SELECT task_queue.requeue(:sql) = :sql AS same_id;
SELECT state, attempt FROM task_queue.tasks WHERE task_id = :sql;
SELECT state, error_kind FROM task_queue.drain();
SELECT attempt, state FROM task_queue.tasks WHERE task_id = :sql;
SELECT count(*), min(attempt), max(attempt) FROM task_queue.attempts WHERE task_id = :sql;

-- with other arguments it succeeds
SELECT task_queue.enqueue('cr.twice', '[1]', timeout => '1 h', priority => 3, labels => '{keep}', trace_ctx => '{"a": "b"}') AS k \gset
SELECT task_queue.cancel(:k);
SELECT task_queue.requeue(:k, args => '[4]') = :k AS same_id;
SELECT state FROM task_queue.drain();
SELECT state, priority, labels, trace_ctx, result, attempt FROM task_queue.tasks WHERE task_id = :k;

-- a deadline that is kept fails again
SELECT task_queue.requeue(:late, clear_deadline => false) = :late AS same_id;
SELECT state, error_kind FROM task_queue.drain();
SELECT attempt FROM task_queue.tasks WHERE task_id = :late;

-- requeue_failed: every filter counts; a handler goes by any of its names
SELECT task_queue.requeue_failed(error_kind => 'nothing');
SELECT task_queue.requeue_failed(queue => 'cr_brief');
SELECT task_queue.requeue_failed(failed_since => now() + interval '1 h');
BEGIN;
SELECT task_queue.requeue_failed(handler => 'cr.broken', error_kind => 'validation', queue => 'default', failed_since => now() - interval '1 h');
SELECT handler, state FROM task_queue.tasks WHERE state = 'ready' AND handler LIKE 'cr.%';
ROLLBACK;
SELECT task_queue.requeue_failed(handler => 'cr.fail');
SELECT count(*) FROM task_queue.dead_letters WHERE handler IN ('cr.fail', 'cr.broken');
SELECT handler, state, error_kind FROM task_queue.drain();

-- retries: the attempt so far, and what an attempt left behind
SELECT task_queue.enqueue('cr.fail', '["sql"]', retry_policy => task_queue.retry_policy('1 h', maximum_attempts => 2)) AS r \gset
SELECT state, error_kind FROM task_queue.drain();
SELECT state, attempt, finished_at, error_kind FROM task_queue.tasks WHERE task_id = :r;
SELECT task_queue.await(:r, '0');
SELECT attempt, error_kind FROM task_queue.attempts WHERE task_id = :r;
SELECT state, error_kind FROM task_queue.drain(include_scheduled => true);
SELECT state, attempt FROM task_queue.tasks WHERE task_id = :r;
SELECT attempt, error_kind FROM task_queue.attempts WHERE task_id = :r ORDER BY attempt;

-- canceled between two attempts: nothing more runs
SELECT task_queue.requeue(:r) = :r AS same_id;
SELECT state FROM task_queue.drain();
SELECT task_queue.cancel(:r, 'no more');
SELECT count(*) FROM task_queue.drain(include_scheduled => true);
SELECT state, attempt, cancel_reason FROM task_queue.tasks WHERE task_id = :r;

-- drained and not committed: what else the transaction does to the task counts
BEGIN;
SELECT task_queue.requeue(:r) = :r AS same_id;
SELECT state FROM task_queue.drain();
SELECT task_queue.alter_task(:r, priority => 9);
SELECT task_queue.cancel(:r);
SELECT state, priority FROM task_queue.tasks WHERE task_id = :r;
ROLLBACK;

-- a handler that looks at its own task, and one that deletes it: no outcome is kept
CREATE FUNCTION control_results.looks(delete boolean) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	id bigint := (SELECT task_id FROM task_queue.current_task());
BEGIN
	RETURN jsonb_build_array((SELECT state FROM task_queue.tasks WHERE task_id = id), (SELECT state FROM task_queue.wait(id, '0')),
		task_queue.get_task(id) -> 'attempt', task_queue.get_task(id) -> 'worker', task_queue.alter_task(id, priority => 1),
		(SELECT running FROM task_queue.queues WHERE name = 'cr_looks'), CASE WHEN delete THEN task_queue.delete_task(id, force => true) END);
END
$$;
SELECT task_queue.create_queue('cr_looks'), task_queue.register_handler('control_results.looks(boolean)', 'cr.looks', queue => 'cr_looks');
SELECT task_queue.enqueue('cr.looks', '[false]') AS l, task_queue.enqueue('cr.looks', '[true]') AS d \gset
SELECT state FROM task_queue.drain('cr_looks');
SELECT task_queue.await(:l);
SELECT task_queue.get_task(:d);
SELECT task_queue.delete_task(:l), task_queue.unregister_handler('cr.looks'), task_queue.drop_queue('cr_looks');

-- purge and delete take the attempts along
SELECT task_queue.purge_dead_letters('0') > 0 AS purged;
SELECT count(*) FROM task_queue.dead_letters;
SELECT count(*) FROM task_queue.attempts WHERE task_id IN (:sql, :validation, :late);
SELECT count(*) FROM task_queue.attempts WHERE task_id = :r;
SELECT task_queue.delete_task(:r);
SELECT count(*) FROM task_queue.attempts WHERE task_id = :r;
SELECT task_queue.get_task(:r) IS NULL AS gone;

SELECT task_queue.delete_task(task_id) FROM task_queue.tasks WHERE handler LIKE 'cr.%' GROUP BY task_id ORDER BY task_id;
SELECT task_queue.drop_queue('cr_brief');
SELECT task_queue.unregister_handler(name) FROM task_queue.handlers WHERE name LIKE 'cr.%' ORDER BY name;
DROP SCHEMA control_results CASCADE;
