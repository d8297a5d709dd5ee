-- Retry: a handler that fails twice, then succeeds.
\ir common.sql

CREATE SEQUENCE example.execution;
CREATE FUNCTION example.third_time() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	n bigint := nextval('example.execution');		-- not undone by a failure
BEGIN
	IF n < 3 THEN
		RAISE EXCEPTION 'execution % fails', n;
	END IF;
	RETURN n;
END
$$;
SELECT task_queue.register_handler('example.third_time()', or_replace => true);
SELECT task_queue.retry_policy('50 ms', 2, maximum_interval => '500 ms', maximum_attempts => 5)::text AS policy \gset
SELECT task_queue.enqueue('example.third_time', retry_policy => :'policy') AS task \gset
SELECT task_queue.await(:task) AS result \gset
SELECT example.check(:'result' = '3', 'done on execution 3');
SELECT example.check(count(*) = 2 AND min(attempt) = 1 AND max(attempt) = 2, 'two failed attempts') FROM task_queue.attempts WHERE task_id = :task;
WITH start AS (
	SELECT attempt, started_at, finished_at FROM task_queue.attempts WHERE task_id = :task
	UNION ALL
	SELECT attempt, started_at, finished_at FROM task_queue.tasks WHERE task_id = :task
), gap AS (
	SELECT attempt, lead(started_at) OVER (ORDER BY attempt) - finished_at AS waited FROM start
)
SELECT example.check(waited >= task_queue.next_delay(:'policy', attempt), 'waited ' || task_queue.next_delay(:'policy', attempt) || ' after attempt ' || attempt)
FROM gap WHERE waited IS NOT NULL ORDER BY attempt;
