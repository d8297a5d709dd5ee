-- The read API. Views run with the rights of the extension's owner on tables, but functions in them run as the user who reads: _may_see()
-- and _may_read() answer for him. Members of pg_monitor see every row, with what the user passed in and got out left NULL.

CREATE VIEW _live_rows AS
SELECT * FROM task_queue.task
UNION ALL
SELECT * FROM task_queue._executing();
COMMENT ON VIEW _live_rows IS 'Internal: table task as a handler sees it, whose own row is there for nobody else until it has ended.';

CREATE VIEW _live_tasks WITH (security_barrier) AS
SELECT t.task_id, t.handler, t.queue,
	CASE
		WHEN t.state = 'x' OR r.task_id IS NOT NULL THEN 'running'
		WHEN t.state = 's' AND t.run_at > pg_catalog.clock_timestamp() THEN 'scheduled'
		ELSE 'ready'
	END AS state,
	t.priority, COALESCE(r.attempt, CASE WHEN t.lease_token IS NULL THEN t.attempt ELSE t.attempt + 1 END) AS attempt, t.args, t.labels, t.run_at, t.deadline, t.target, t.enqueued_at, t.enqueuer,
	COALESCE(r.started_at, t.started_at) AS started_at,
	COALESCE(r.worker, t.worker) AS worker,
	COALESCE(r.lease_until, t.lease_until) AS lease_until,
	t.dag_key, t.step_no, t.trace_ctx
FROM task_queue._live_rows AS t LEFT JOIN task_queue._running() AS r ON r.task_id = t.task_id
WHERE task_queue._may_see(t.enqueuer);
COMMENT ON VIEW _live_tasks IS 'Internal: waiting and running tasks, with what shared memory knows of them. A scheduled task that is due counts as ready.';

CREATE VIEW tasks WITH (security_barrier) AS
SELECT t.task_id, t.handler, t.queue, t.state, t.priority, t.attempt,
	CASE WHEN task_queue._may_read(t.enqueuer) THEN t.args END AS args,
	NULL::jsonb AS result,
	CASE WHEN task_queue._may_read(t.enqueuer) THEN t.labels END AS labels,
	t.run_at, t.deadline, t.target, t.enqueued_at,
	pg_catalog.pg_get_userbyid(t.enqueuer)::text COLLATE pg_catalog."default" AS enqueued_by,
	t.started_at, NULL::timestamptz AS finished_at, t.worker, t.lease_until,
	NULL::text AS error_kind, NULL::text AS error_message, NULL::text AS cancel_reason,
	d.dag_id, s.step_id,
	CASE WHEN task_queue._may_read(t.enqueuer) THEN t.trace_ctx END AS trace_ctx
FROM task_queue._live_tasks AS t
	LEFT JOIN task_queue.dag AS d ON d.dag_key = t.dag_key
	LEFT JOIN task_queue.dag_step AS s ON s.dag_key = t.dag_key AND s.step_no = t.step_no
UNION ALL
SELECT h.task_id, h.handler, h.queue,
	CASE h.state WHEN 'd' THEN 'done' WHEN 'f' THEN 'failed' ELSE 'canceled' END,
	h.priority, h.attempt,
	CASE WHEN task_queue._may_read(h.enqueuer) THEN h.args END,
	CASE WHEN task_queue._may_read(h.enqueuer) THEN h.result END,
	CASE WHEN task_queue._may_read(h.enqueuer) THEN h.labels END,
	h.run_at, h.deadline, h.target, h.enqueued_at,
	pg_catalog.pg_get_userbyid(h.enqueuer)::text COLLATE pg_catalog."default",
	h.started_at, h.finished_at, h.worker, NULL::timestamptz,
	(h.error).kind, (h.error).message, h.cancel_reason,
	d.dag_id, s.step_id,
	CASE WHEN task_queue._may_read(h.enqueuer) THEN h.trace_ctx END
FROM task_queue.history AS h
	LEFT JOIN task_queue.dag AS d ON d.dag_key = h.dag_key
	LEFT JOIN task_queue.dag_step AS s ON s.dag_key = h.dag_key AND s.step_no = h.step_no
WHERE task_queue._may_see(h.enqueuer);
COMMENT ON VIEW tasks IS
'Tasks, live and ended ones as long as they are kept. state is scheduled, ready, running, done, failed or canceled; attempt counts executions, a running one included. Everybody sees the tasks of the roles he is a member of.';

CREATE VIEW dead_letters WITH (security_barrier) AS
SELECT h.task_id, h.handler, h.queue,
	CASE WHEN task_queue._may_read(h.enqueuer) THEN h.args END AS args,
	CASE WHEN task_queue._may_read(h.enqueuer) THEN h.labels END AS labels,
	h.attempt,
	CASE
		WHEN task_queue._may_read(h.enqueuer) THEN h.error
		ELSE ROW((h.error).kind, (h.error).message, (h.error).retryable, (h.error).sqlstate, NULL, NULL, NULL)::task_queue.task_error
	END AS error,
	(h.error).kind AS error_kind, (h.error).message AS error_message,
	h.finished_at AS failed_at,
	pg_catalog.pg_get_userbyid(h.enqueuer)::text COLLATE pg_catalog."default" AS enqueued_by,
	d.dag_id, s.step_id
FROM task_queue.history AS h
	LEFT JOIN task_queue.dag AS d ON d.dag_key = h.dag_key
	LEFT JOIN task_queue.dag_step AS s ON s.dag_key = h.dag_key AND s.step_no = h.step_no
WHERE h.state = 'f' AND task_queue._may_see(h.enqueuer)
ORDER BY h.finished_at DESC, h.task_id DESC;
COMMENT ON VIEW dead_letters IS
'Tasks that failed for good, newest first, with the whole error. See requeue(), requeue_failed(), purge_dead_letters().';

CREATE VIEW attempts WITH (security_barrier) AS
SELECT a.task_id, a.handler, a.queue, a.attempt, a.worker, a.started_at, a.finished_at,
	CASE
		WHEN task_queue._may_read(a.enqueuer) THEN a.error
		ELSE ROW((a.error).kind, (a.error).message, (a.error).retryable, (a.error).sqlstate, NULL, NULL, NULL)::task_queue.task_error
	END AS error,
	(a.error).kind AS error_kind, (a.error).message AS error_message
FROM task_queue.attempt AS a
WHERE task_queue._may_see(a.enqueuer);
COMMENT ON VIEW attempts IS
'Every failed attempt that counted, also of tasks that succeeded later; kept as long as failed tasks of the queue.';

CREATE VIEW queues WITH (security_barrier) AS
SELECT q.name COLLATE pg_catalog."default" AS name, q.paused,
	COALESCE(l.ready, 0) AS ready, COALESCE(l.scheduled, 0) AS scheduled, COALESCE(l.running, 0) AS running,
	COALESCE(f.failed, 0) AS failed,
	pg_catalog.clock_timestamp() - l.ready_since AS oldest_ready_age,
	q.max_running
FROM (
		SELECT name, paused, max_running FROM task_queue.queue
		UNION ALL
		SELECT 'default', false, NULL
		WHERE NOT EXISTS (SELECT FROM task_queue.queue AS e WHERE e.name = 'default')
	) AS q
	LEFT JOIN (
		SELECT v.queue,
			pg_catalog.count(*) FILTER (WHERE v.state = 'ready') AS ready,
			pg_catalog.count(*) FILTER (WHERE v.state = 'scheduled') AS scheduled,
			pg_catalog.count(*) FILTER (WHERE v.state = 'running') AS running,
			pg_catalog.min(v.run_at) FILTER (WHERE v.state = 'ready') AS ready_since
		FROM task_queue._live_tasks AS v
		GROUP BY v.queue
	) AS l ON l.queue = q.name
	LEFT JOIN (
		SELECT h.queue, pg_catalog.count(*) AS failed
		FROM task_queue.history AS h
		WHERE h.state = 'f' AND task_queue._may_see(h.enqueuer)
		GROUP BY h.queue
	) AS f ON f.queue = q.name;
COMMENT ON VIEW queues IS
'Queues with the numbers of their ready, scheduled, running and failed tasks, and for how long the oldest ready one has been waiting. Counts are of the tasks that the reader sees in tasks.';

CREATE VIEW handlers WITH (security_barrier) AS
SELECT h.name COLLATE pg_catalog."default" AS name,
	CASE h.kind WHEN 'f' THEN 'function' WHEN 'p' THEN 'procedure' ELSE 'external' END AS kind,
	f.function,
	(SELECT pg_catalog.array_agg(n.name COLLATE pg_catalog."default" ORDER BY n.alias_no)
	 FROM task_queue.handler_name AS n
	 WHERE n.handler_id = h.handler_id AND n.alias_no IS NOT NULL) AS aliases,
	h.queue COLLATE pg_catalog."default" AS queue, h.retry_policy, h.timeout, h.keep_done, h.batch_size,
	f.arg_names, f.arg_types
FROM task_queue.handler AS h, task_queue._handler_signature(h.name) AS f;
COMMENT ON VIEW handlers IS
'Registered handlers. function is NULL for an external one, and for one whose function was dropped; arg_types is NULL for an external one that takes any arguments.';

CREATE VIEW _claims WITH (security_barrier) AS
SELECT r.worker, r.kind, r.task_id, r.handler, r.started_at, r.progress, r.message
FROM task_queue._running() AS r
UNION ALL
SELECT t.worker, 'external', t.task_id, t.handler, t.started_at, NULL, NULL
FROM task_queue.task AS t
WHERE t.state = 'x' AND t.lease_token IS NOT NULL AND task_queue._may_see(t.enqueuer);
COMMENT ON VIEW _claims IS 'Internal: who holds which task, by shared memory or, for a lease taken without it, by the task''s row.';

CREATE VIEW _known_workers WITH (security_barrier) AS
SELECT w.worker, w.pid, 'db'::text AS kind, w.state,
	ARRAY(SELECT pg_catalog.btrim(c.claim)
		FROM pg_catalog.unnest(pg_catalog.string_to_array(pg_catalog.current_setting('task_queue.claims', true), ','))
			WITH ORDINALITY AS c (claim, n)
		WHERE pg_catalog.btrim(c.claim) <> ''
		GROUP BY 1
		ORDER BY pg_catalog.min(c.n)) AS claims,
	w.last_seen
FROM task_queue._workers() AS w
UNION ALL
SELECT e.worker, NULL, 'external',
	CASE WHEN EXISTS (SELECT FROM task_queue._claims AS r WHERE r.kind = 'external' AND r.worker = e.worker) THEN 'running' ELSE 'idle' END,
	e.claims, pg_catalog.max(e.last_seen)
FROM (
		SELECT x.worker, x.claims, x.last_seen FROM task_queue._external_workers() AS x
		UNION ALL
		SELECT r.worker, '{}', r.started_at FROM task_queue._claims AS r
		WHERE r.kind = 'external' AND NOT EXISTS (SELECT FROM task_queue._external_workers() AS x WHERE x.worker = r.worker)
	) AS e
GROUP BY e.worker, e.claims;
COMMENT ON VIEW _known_workers IS 'Internal: workers of both kinds.';

CREATE VIEW workers WITH (security_barrier) AS
SELECT w.worker, w.pid, w.kind, w.state, w.claims, w.last_seen,
	COALESCE(n.tasks, 0) AS tasks,
	o.task_id, o.handler, o.started_at, o.progress, o.message
FROM task_queue._known_workers AS w
	LEFT JOIN (SELECT r.worker, pg_catalog.count(*) AS tasks FROM task_queue._claims AS r GROUP BY r.worker) AS n
		ON n.worker = w.worker
	LEFT JOIN (SELECT DISTINCT ON (r.worker) r.* FROM task_queue._claims AS r ORDER BY r.worker, r.started_at, r.task_id) AS o
		ON o.worker = w.worker;
COMMENT ON VIEW workers IS
'Workers: processes of the server (kind db) and external ones (kind external); how many tasks each holds, and of its oldest task the progress that the handler reports. Without the preloaded library only external workers that hold tasks.';
