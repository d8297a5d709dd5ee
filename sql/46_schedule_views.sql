-- Schedules and what became of their last tasks.

CREATE VIEW schedules WITH (security_barrier) AS
SELECT s.name, s.cron, s.handler,
	CASE WHEN task_queue._may_read(s.scheduled_by) THEN s.args END AS args,
	s.queue,
	task_queue._schedule_active(s.job_id) AS active,
	s.last_run_at, s.last_task_id,
	(SELECT t.state FROM task_queue.tasks AS t WHERE t.task_id = s.last_task_id) AS last_state,
	pg_catalog.pg_get_userbyid(s.scheduled_by)::text AS scheduled_by
FROM task_queue.schedule AS s
WHERE task_queue._may_see(s.scheduled_by);
COMMENT ON VIEW schedules IS
'Schedules. active is false if pg_cron is gone or its job was removed or switched off: schedule() again mends the first two. last_state is that of the task enqueued last, as long as it is kept. queue NULL: the handler''s. What went wrong when a schedule fired is in cron.job_run_details.';
