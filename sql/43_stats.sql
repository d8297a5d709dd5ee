-- Statistics of handlers, from shared memory.

CREATE FUNCTION _stats(OUT handler text, OUT done bigint, OUT failed bigint, OUT retried bigint, OUT canceled bigint,
	OUT wait_mean interval, OUT wait_p50 interval, OUT wait_p95 interval, OUT wait_p99 interval,
	OUT run_mean interval, OUT run_p50 interval, OUT run_p95 interval, OUT run_p99 interval) RETURNS SETOF record
	LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 20 AS 'MODULE_PATHNAME', 'tq_sql_stats';
COMMENT ON FUNCTION _stats IS 'Internal: the counters behind the view stats. Errors: 42501.';

CREATE VIEW stats WITH (security_barrier) AS
	SELECT handler, done, failed, retried, canceled, wait_mean, wait_p50, wait_p95, wait_p99, run_mean, run_p50, run_p95, run_p99
	FROM task_queue._stats();
COMMENT ON VIEW stats IS
'Per handler (the name tasks were enqueued with): how many tasks ended as done, failed and canceled, how many attempts were retried, and how long attempts waited from when they were due and ran; percentiles are exact to a quarter. Counted in memory since the library was first preloaded: kept over a clean restart and the crash of a process, lost when the whole server is killed. For administrators, pg_monitor and pg_read_all_data; others get 42501.';
