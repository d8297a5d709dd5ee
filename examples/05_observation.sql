-- Observation: with task_queue.log_min_duration = 0 each attempt leaves a line in the server's log, and is counted and timed in stats.
-- The third task kills its worker's process: the server restarts, this session is lost, and 05_observation_after.sql looks at the outcome.
\ir common.sql

CREATE FUNCTION example.observed(how text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF how = 'fail' THEN
		RAISE EXCEPTION 'observed to fail';
	ELSIF how = 'kill' THEN
		COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID';
	END IF;
	RETURN how;
END
$$;
SELECT task_queue.register_handler('example.observed(text)', retry_policy => task_queue.no_retry_policy(), or_replace => true);
SELECT task_queue.enqueue('example.observed', '["succeed"]') AS task \gset
SELECT task_queue.await(:task);
SELECT task_queue.enqueue('example.observed', '["fail"]') AS task \gset
SELECT example.check(state = 'failed', 'the second task failed') FROM task_queue.wait(:task);
SELECT example.check(done = 1 AND failed = 1, 'each end is counted once') FROM task_queue.stats WHERE handler = 'example.observed';
SELECT task_queue.enqueue('example.observed', '["kill"]') AS task;
