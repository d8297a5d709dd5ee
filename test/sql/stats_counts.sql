-- The view stats: each end is counted once per handler, each retried attempt once, and rolled-back work not at all.
CREATE FUNCTION stats_ok(n int) RETURNS int LANGUAGE sql AS 'SELECT n';
CREATE FUNCTION stats_bad() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'bad'; END $$;
SELECT task_queue.register_handler('stats_ok(int)'), task_queue.register_handler('stats_bad()',
	retry_policy => task_queue.retry_policy('0', maximum_attempts => 3));
SET task_queue.execution = manual;

SELECT count(*) FROM task_queue.enqueue_many('public.stats_ok', ARRAY['[1]', '[2]', '[3]']::jsonb[]);
SELECT count(task_queue.enqueue('public.stats_bad'));
SELECT count(*) FROM task_queue.drain();

BEGIN;
SELECT count(task_queue.enqueue('public.stats_ok', '[4]'));
SELECT count(*) FROM task_queue.drain();
ROLLBACK;

-- A task that never started is counted, but not timed.
SELECT count(task_queue.cancel(task_queue.enqueue('public.stats_ok', '[5]')));

SELECT handler, done, failed, retried, canceled, wait_mean IS NOT NULL AS waited, run_p50 >= '0' AS ran, run_p50 <= run_p95 AND run_p95 <= run_p99 AS ordered
FROM task_queue.stats WHERE handler LIKE 'public.stats%' ORDER BY handler;

CREATE ROLE stats_nobody;
GRANT USAGE ON SCHEMA task_queue TO stats_nobody;
SET ROLE stats_nobody;
SELECT * FROM task_queue.stats;
RESET ROLE;
REVOKE USAGE ON SCHEMA task_queue FROM stats_nobody;
DROP ROLE stats_nobody;
