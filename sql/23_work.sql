-- Executions: what a handler may call, and running tasks in the caller's session.

CREATE FUNCTION drain(queue text DEFAULT NULL, max_tasks int DEFAULT NULL, include_scheduled boolean DEFAULT false,
	this_transaction boolean DEFAULT false) RETURNS SETOF drained_task
	LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 100 AS 'MODULE_PATHNAME', 'tq_sql_drain';
COMMENT ON FUNCTION drain IS
'Runs what is ready in the caller''s transaction, in order, until nothing is left or max_tasks executions are reached; for tests. One row per execution with the state after it. queue NULL: all. include_scheduled: scheduled tasks too, at once. this_transaction: only what this transaction enqueued and what that makes ready. Runs only tasks of roles the caller may become. A failing task is undone and recorded as a worker would. Errors: 42704 unknown queue.';

CREATE PROCEDURE run_tasks(queue text DEFAULT NULL, max_tasks int DEFAULT NULL)
	LANGUAGE C AS 'MODULE_PATHNAME', 'tq_sql_run_tasks';
COMMENT ON PROCEDURE run_tasks(text, int) IS
'Does a worker''s work in this session: runs what is ready, in order, each task in transactions of its own, until nothing is left or max_tasks executions are reached. For servers where the library is not preloaded, and beside workers. queue NULL: all. Runs only tasks of roles the caller may become; those of another role than his as security-restricted operations (no temporary tables, deferred triggers and the like). Canceling the call undoes the task under way. Errors: 2D000 inside a transaction block, a function or another procedure, 42704 unknown queue, 22023, 55000 in a copy of a database, 25006. Example: CALL task_queue.run_tasks(max_tasks => 100).';

CREATE FUNCTION current_task() RETURNS SETOF running_task
	LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1 AS 'MODULE_PATHNAME', 'tq_sql_current_task';
COMMENT ON FUNCTION current_task IS
'Inside a handler: one row about the task being executed; else none. attempt counts from 1; fire_time is when the task''s schedule fired.';

CREATE FUNCTION progress(fraction float8, message text DEFAULT NULL) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 AS 'MODULE_PATHNAME', 'tq_sql_progress';
COMMENT ON FUNCTION progress IS
'Inside a handler: shows how far it is (0 to 1) in the view workers, at once, and gone with the attempt. Elsewhere it does nothing. Errors: 22023 for a fraction outside 0 to 1.';

CREATE FUNCTION snooze(delay interval) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 AS 'MODULE_PATHNAME', 'tq_sql_snooze';
COMMENT ON FUNCTION snooze IS
'Inside a handler: once it has returned normally its work commits, its result is dropped, and the task runs again after delay, at the same attempt number. Errors: 55000 outside a handler, 22023 for a negative delay.';

CREATE FUNCTION _running(OUT task_id bigint, OUT pid int, OUT worker text, OUT kind text, OUT attempt int, OUT started_at timestamptz,
	OUT lease_until timestamptz, OUT cancel_requested boolean, OUT progress float8, OUT message text, OUT handler text, OUT queue text,
	OUT enqueuer oid) RETURNS SETOF record
	LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10 AS 'MODULE_PATHNAME', 'tq_sql_running';
COMMENT ON FUNCTION _running IS 'Claims in shared memory that the caller may see; used by views.';

CREATE FUNCTION _executing() RETURNS SETOF task
	LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1 AS 'MODULE_PATHNAME', 'tq_executing';
COMMENT ON FUNCTION _executing() IS 'Internal: rows of tasks that the caller''s session is executing and has deleted already; used by views.';

CREATE FUNCTION _workers(OUT worker text, OUT pid int, OUT state text, OUT last_seen timestamptz) RETURNS SETOF record
	LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10 AS 'MODULE_PATHNAME', 'tq_sql_workers';
COMMENT ON FUNCTION _workers IS 'In-database workers in shared memory; used by views.';
