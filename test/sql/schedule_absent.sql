-- Schedules where pg_cron is not installed.
\set VERBOSITY verbose
\set SHOW_CONTEXT never
SET client_min_messages = warning;

CREATE FUNCTION sch_nothing() RETURNS void LANGUAGE sql AS 'SELECT';
SELECT task_queue.register_handler('sch_nothing()', name => 'sch_nothing');

-- The way to get it is named; nothing is left.
\set VERBOSITY default
SELECT task_queue.schedule('nightly', '0 3 * * *', 'sch_nothing');
SELECT task_queue.schedule('nightly', '0 3 * * *', 'no such handler');
\set VERBOSITY sqlstate
SELECT task_queue.schedule('nightly', '0 3 * * *', 'sch_nothing');
SELECT * FROM task_queue.schedules;

-- Values that are refused whether it is there or not.
SELECT task_queue.schedule(NULL, '0 3 * * *', 'sch_nothing');
SELECT task_queue.schedule('nightly', NULL, 'sch_nothing');
SELECT task_queue.schedule('nightly', '0 3 * * *', NULL);
SELECT task_queue.schedule('', '0 3 * * *', 'sch_nothing');
SELECT task_queue.schedule(repeat('x', 256), '0 3 * * *', 'sch_nothing');
SELECT task_queue.schedule('nightly', '0 3 * * *', 'sch_nothing', timezone => 'UTC');
SELECT task_queue.schedule('nightly', '0 3 * * *', 'sch_nothing', overlap => 'skip');
SELECT task_queue.schedule('nightly', '0 3 * * *', 'sch_nothing', catch_up => 'all');
SELECT task_queue.unschedule(NULL);

-- Nothing to remove, and nothing to fire.
SELECT task_queue.unschedule('nightly');
SELECT task_queue._fire_schedule('nightly');
SELECT task_queue._fire_schedule(NULL);

CREATE ROLE sch_user;
GRANT USAGE ON SCHEMA task_queue TO sch_user;
SET ROLE sch_user;
SELECT task_queue.unschedule('nightly');
SELECT task_queue._fire_schedule('nightly');
SELECT count(*) FROM task_queue.schedules;
RESET ROLE;

-- A schedule whose pg_cron is gone: shown, not active; it can be removed.
INSERT INTO task_queue.schedule (name, cron, handler, args, scheduled_by, job_id)
	VALUES ('left', '0 3 * * *', 'sch_nothing', '[]', 'sch_user', 7);
SELECT name, cron, handler, args, queue, active, last_run_at, last_task_id, last_state, scheduled_by FROM task_queue.schedules;
SELECT severity, message, hint FROM task_queue.health() WHERE check_name = 'schedule_broken';
CREATE ROLE sch_other;
GRANT USAGE ON SCHEMA task_queue TO sch_other;
SET ROLE sch_other;
SELECT count(*) FROM task_queue.schedules;
SELECT task_queue.unschedule('left');
RESET ROLE;
GRANT pg_monitor TO sch_other;
SET ROLE sch_other;
SELECT name, args, active FROM task_queue.schedules;
RESET ROLE;
SET ROLE sch_user;
SELECT name, args, active FROM task_queue.schedules;
SELECT task_queue.unschedule('left');
SELECT task_queue.unschedule('left');
RESET ROLE;

SELECT task_queue.unregister_handler('sch_nothing');
DROP FUNCTION sch_nothing();
REVOKE USAGE ON SCHEMA task_queue FROM sch_user, sch_other;
DROP ROLE sch_user, sch_other;
