-- Schedules and what became of their last tasks.

CREATE VIEW schedules WITH (security_barrier) AS
SELECT s.name COLLATE pg_catalog."default" AS name, s.cron, s.handler,
	CASE WHEN task_queue._may_read(s.scheduled_by) THEN s.args END AS args,
	s.queue,
	task_queue._schedule_active(s.job_id) AS active,
	s.last_run_at, s.last_task_id,
	(SELECT t.state FROM task_queue.tasks AS t WHERE t.task_id = s.last_task_id) AS last_state,
	pg_catalog.pg_get_userbyid(s.scheduled_by)::text COLLATE pg_catalog."default" AS scheduled_by
FROM task_queue.schedule AS s
WHERE task_queue._may_see(s.scheduled_by);
COMMENT ON VIEW schedules IS
'Schedules. active is false if pg_cron is gone or its job was removed or switched off: schedule() again mends the first two. last_state is that of the task enqueued last, as long as it is kept. queue NULL: the handler''s. What went wrong when a schedule fired is in cron.job_run_details.';

CREATE FUNCTION _health_of_schedules()
	RETURNS SETOF health_finding
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'warning', 'schedule_broken', format('schedule "%s" does not fire: %s', s.name, p.problem), p.hint
	FROM task_queue.schedule AS s,
		LATERAL (
			SELECT 'its pg_cron job is gone or switched off',
				'Schedule it again, switch the job on with cron.alter_job(), or call task_queue.unschedule().'
			WHERE NOT task_queue._schedule_active(s.job_id)
			UNION ALL
			SELECT format('handler "%s" is not registered', s.handler),
				'Register it, or call task_queue.unschedule().'
			WHERE NOT EXISTS (SELECT FROM task_queue.handler_name AS n WHERE n.name = s.handler)
			UNION ALL
			SELECT 'the role that scheduled it was dropped',
				'Schedule it again as another role, or call task_queue.unschedule().'
			WHERE NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.oid = s.scheduled_by)
		) AS p (problem, hint)
$$;
COMMENT ON FUNCTION _health_of_schedules() IS 'Internal: the part of health() about schedules.';
