-- Schedules: pg_cron fires, the task goes through the queue. Nothing here refers to pg_cron's objects, which need not be there.

CREATE FUNCTION schedule(name text, cron text, handler text, args jsonb DEFAULT '[]', queue text DEFAULT NULL, priority int DEFAULT 0,
	timeout interval DEFAULT NULL, retry_policy retry_policy DEFAULT NULL, target text DEFAULT NULL, labels text[] DEFAULT NULL,
	timezone text DEFAULT NULL, overlap text DEFAULT NULL, catch_up text DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'tq_schedule'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION schedule(text, text, text, jsonb, text, int, interval, retry_policy, text, text[], text, text, text) IS
'Have pg_cron enqueue a task again and again, as the current user; returns the id of the pg_cron job. name: unique in the database; the same name again replaces the schedule, which only its role''s members and administrators may do. cron: an expression of pg_cron, in its time zone (cron.timezone; UTC before pg_cron 1.5). The other arguments are those of enqueue() and are checked like there, now and at each firing; current_task() gives the handler fire_time. timezone, overlap and catch_up are reserved. Raises 0A000 where pg_cron is not installed, 22023 for a bad name or cron expression, 42501, and what enqueue() raises. Example: SELECT task_queue.schedule(''nightly'', ''0 3 * * *'', ''app.clean_up'').';

CREATE FUNCTION unschedule(name text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'tq_unschedule'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION unschedule(text) IS
'Remove a schedule and its pg_cron job; tasks that it has enqueued stay. False if there is no schedule of that name. For its role''s members and administrators. Raises 42501. Example: SELECT task_queue.unschedule(''nightly'').';

CREATE FUNCTION _fire_schedule(name text)
RETURNS bigint
AS 'MODULE_PATHNAME', 'tq_fire_schedule'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION _fire_schedule(text) IS
'Internal: enqueues the task of a schedule for the role that made it, and returns the task''s id; called by the pg_cron job. Raises 42704 for an unknown schedule, 42501, and what enqueue() raises.';

CREATE FUNCTION _schedule_active(job_id bigint)
RETURNS boolean
AS 'MODULE_PATHNAME', 'tq_schedule_active'
LANGUAGE C STABLE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION _schedule_active(bigint) IS 'Internal: whether pg_cron has that job of ours, and it is switched on; used by the view schedules.';
