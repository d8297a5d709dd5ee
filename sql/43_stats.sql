-- Statistics of handlers: from shared memory, or from what is kept of tasks where there is none.

CREATE FUNCTION _stats(OUT handler text, OUT done bigint, OUT failed bigint, OUT retried bigint, OUT canceled bigint,
	OUT wait_mean interval, OUT wait_p50 interval, OUT wait_p95 interval, OUT wait_p99 interval,
	OUT run_mean interval, OUT run_p50 interval, OUT run_p95 interval, OUT run_p99 interval) RETURNS SETOF record
	LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 20 AS 'MODULE_PATHNAME', 'tq_sql_stats';
COMMENT ON FUNCTION _stats IS 'Internal: the counters behind the view stats. Errors: 42501.';

CREATE VIEW _kept_stats WITH (security_barrier) AS
WITH ended AS (
	SELECT h.handler, h.state, GREATEST(h.started_at - h.run_at, '0') AS wait,
		-- the run of a failed task is its last row in attempt
		CASE WHEN h.state <> 'f' THEN h.finished_at - h.started_at END AS run
	FROM task_queue.history AS h
	UNION ALL
	SELECT a.handler,
		CASE WHEN NOT EXISTS (SELECT FROM task_queue.history AS h
			WHERE h.task_id = a.task_id AND h.state = 'f' AND h.finished_at = a.finished_at) THEN 'r'::"char" END,
		NULL, a.finished_at - a.started_at
	FROM task_queue.attempt AS a
)
SELECT e.handler,
	pg_catalog.count(*) FILTER (WHERE e.state = 'd') AS done,
	pg_catalog.count(*) FILTER (WHERE e.state = 'f') AS failed,
	pg_catalog.count(*) FILTER (WHERE e.state = 'r') AS retried,
	pg_catalog.count(*) FILTER (WHERE e.state = 'c') AS canceled,
	pg_catalog.avg(e.wait) AS wait_mean,
	pg_catalog.percentile_cont(0.5) WITHIN GROUP (ORDER BY e.wait) AS wait_p50,
	pg_catalog.percentile_cont(0.95) WITHIN GROUP (ORDER BY e.wait) AS wait_p95,
	pg_catalog.percentile_cont(0.99) WITHIN GROUP (ORDER BY e.wait) AS wait_p99,
	pg_catalog.avg(e.run) AS run_mean,
	pg_catalog.percentile_cont(0.5) WITHIN GROUP (ORDER BY e.run) AS run_p50,
	pg_catalog.percentile_cont(0.95) WITHIN GROUP (ORDER BY e.run) AS run_p95,
	pg_catalog.percentile_cont(0.99) WITHIN GROUP (ORDER BY e.run) AS run_p99
FROM ended AS e
GROUP BY e.handler;
COMMENT ON VIEW _kept_stats IS 'Internal: what stats shows without the preloaded library.';

-- _stats() refuses those who may not see this; _may_see(0) only makes sure that it does not depend on who is asked first.
CREATE VIEW stats WITH (security_barrier) AS
	SELECT handler, done, failed, retried, canceled, wait_mean, wait_p50, wait_p95, wait_p99, run_mean, run_p50, run_p95, run_p99
	FROM task_queue._stats()
	UNION ALL
	SELECT handler, done, failed, retried, canceled, wait_mean, wait_p50, wait_p95, wait_p99, run_mean, run_p50, run_p95, run_p99
	FROM task_queue._kept_stats
	WHERE NOT task_queue._preloaded() AND task_queue._may_see(0);
COMMENT ON VIEW stats IS
'Per handler (the name tasks were enqueued with): how many tasks ended as done, failed and canceled, how many attempts were retried, and how long attempts waited from when they were due and ran; percentiles are exact to a quarter. Counted in memory since the library was first preloaded: kept over a clean restart and the crash of a process, lost when the whole server is killed. Where it is not preloaded: of the tasks and attempts that are kept, the waits being those of last attempts. For administrators, pg_monitor and pg_read_all_data; others get 42501.';
