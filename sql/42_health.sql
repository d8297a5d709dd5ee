-- What health() checks. Run as the extension's owner by health(), which supplies what only the server's memory knows; granted to nobody.

CREATE FUNCTION _health(preloaded boolean, workers int, enabled boolean, listed boolean, out_of_slots boolean, start_failed boolean, idle_workers int,
	claims text, ready_capacity int, leases int, lease_capacity int, system_identifier text, home text)
	RETURNS SETOF health_finding
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	copied CONSTANT boolean := EXISTS (SELECT FROM task_queue.meta AS m
		WHERE m.system_identifier <> system_identifier OR m.home <> home
			OR m.database_oid <> (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()));
	served CONSTANT boolean := preloaded AND workers > 0 AND enabled AND listed AND NOT copied;
	now CONSTANT timestamptz := clock_timestamp();
BEGIN
	-- Who runs tasks.
	IF NOT preloaded THEN
		RETURN NEXT ROW('error', 'no_workers', 'the library is not preloaded, so no workers run',
			'Add task_queue to shared_preload_libraries and restart, or run tasks with drain(), run_tasks() and dequeue().')::task_queue.health_finding;
	ELSIF workers = 0 THEN
		RETURN NEXT ROW('error', 'no_workers', 'no workers run, because task_queue.workers is 0',
			'Set task_queue.workers and reload.')::task_queue.health_finding;
	ELSIF NOT enabled THEN
		RETURN NEXT ROW('error', 'no_workers', 'no tasks are started, because task_queue.enabled is off',
			'Set task_queue.enabled to on and reload.')::task_queue.health_finding;
	ELSIF NOT listed THEN
		RETURN NEXT ROW('error', 'no_workers',
			format('no workers run in database %I, because task_queue.databases does not list it', current_database()),
			'Add it to task_queue.databases and reload.')::task_queue.health_finding;
	END IF;
	IF copied THEN
		RETURN NEXT ROW('error', 'database_copy', 'the database is paused: its tasks belong to another server or database',
			'If this copy is to run them, call task_queue.adopt_database().')::task_queue.health_finding;
	END IF;
	IF out_of_slots THEN
		RETURN NEXT ROW('error', 'worker_slots', 'a worker could not be started: the server is out of background worker slots',
			'Increase max_worker_processes, or decrease task_queue.workers.')::task_queue.health_finding;
	END IF;
	IF start_failed THEN
		RETURN NEXT ROW('error', 'start_failed', 'a background process did not come up, or ended in an error; it is tried again',
			'Look at the server''s log.')::task_queue.health_finding;
	END IF;

	RETURN QUERY SELECT * FROM task_queue._health_of_tasks(served, idle_workers, workers,
		ARRAY(SELECT btrim(c) FROM unnest(string_to_array(claims, ',')) AS c), now);
	RETURN QUERY SELECT * FROM task_queue._health_of_storage(served, now);
	RETURN QUERY SELECT * FROM task_queue._health_of_schedules();

	-- Room in shared memory.
	RETURN QUERY
		SELECT 'info', 'ready_capacity',
			format('%s tasks are ready, more than the ready index of the server holds (%s)', n, ready_capacity),
			'Nothing is lost, only slower. Consider a higher task_queue.ready_capacity.'
		FROM (SELECT count(*) AS n FROM task_queue.task AS t WHERE t.state = 'r') AS c
		WHERE preloaded AND n > ready_capacity;
	RETURN QUERY
		SELECT 'warning', 'lease_capacity',
			format('external workers hold %s leases in memory, which has room for %s', leases, lease_capacity),
			'Nothing is lost, only slower: further leases are written to the tasks'' rows. Consider a higher task_queue.lease_capacity.'
		WHERE preloaded AND leases >= lease_capacity * 0.9;
END
$$;
COMMENT ON FUNCTION _health(boolean, int, boolean, boolean, boolean, boolean, int, text, int, int, int, text, text) IS 'Internal: the checks of health().';

CREATE FUNCTION _health_of_tasks(served boolean, idle_workers int, workers int, claims text[], now timestamptz)
	RETURNS SETOF health_finding
	LANGUAGE sql VOLATILE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	WITH waiting AS (
		SELECT t.queue, t.handler, t.target, h.kind, h.name AS main_name, pg_catalog.count(*) AS n, pg_catalog.min(t.run_at) AS since
		FROM task_queue._live_tasks AS t
			LEFT JOIN task_queue.handler_name AS hn ON hn.name = t.handler
			LEFT JOIN task_queue.handler AS h ON h.handler_id = hn.handler_id
		WHERE t.state = 'ready'
			AND NOT EXISTS (SELECT FROM task_queue.queue AS q WHERE q.name = t.queue AND q.paused)
		GROUP BY t.queue, t.handler, t.target, h.kind, h.name
	),
	external_workers AS (
		SELECT w.worker, w.claims, w.handlers FROM task_queue._external_workers() AS w
		WHERE w.last_seen > now - interval '60 s'
	),
	running AS (
		SELECT r.handler, r.kind, t.queue FROM task_queue._running() AS r LEFT JOIN task_queue.task AS t ON t.task_id = r.task_id
	)
	SELECT 'warning'::text, 'tasks_waiting'::text,
		pg_catalog.format('tasks of queue "%s" have been ready for %s while workers are idle', w.queue,
			pg_catalog.date_trunc('second', now - pg_catalog.min(w.since))),
		'Look at the server''s log for errors of the workers.'::text
	FROM waiting AS w LEFT JOIN task_queue.queue AS q ON q.name = w.queue
	WHERE served AND w.kind IN ('f', 'p') AND w.target IS NULL AND w.since < now - interval '60 s'
		AND (idle_workers > 0 OR (SELECT pg_catalog.count(*) FROM running AS r WHERE r.kind = 'db') < workers)
		AND (q.max_running IS NULL OR (SELECT pg_catalog.count(*) FROM running AS r WHERE r.queue = w.queue) < q.max_running)
	GROUP BY w.queue
	UNION ALL
	SELECT 'warning', 'unknown_handler',
		pg_catalog.format('handler "%s" is not registered; tasks waiting for it: %s', w.handler, pg_catalog.sum(w.n)),
		'Register it, or the tasks will fail when they come to run.'
	FROM waiting AS w
	WHERE w.kind IS NULL
	GROUP BY w.handler
	UNION ALL
	SELECT 'warning', 'missing_function',
		pg_catalog.format('the function of handler "%s" does not exist', h.name),
		'Create it again, or register the handler anew with or_replace => true.'
	FROM task_queue.handler AS h, task_queue._handler_signature(h.name) AS f
	WHERE h.kind <> 'x' AND f.function IS NULL
	UNION ALL
	SELECT 'warning', 'external_handler',
		pg_catalog.format('no worker asks for external handler "%s"; tasks waiting for it: %s', w.handler, pg_catalog.sum(w.n)),
		'Start a client that calls task_queue.dequeue() for this handler.'
	FROM waiting AS w
	WHERE w.kind = 'x' AND w.target IS NULL
		AND NOT EXISTS (SELECT FROM running AS r WHERE r.kind = 'external' AND r.handler IN (w.handler, w.main_name))
		AND NOT EXISTS (SELECT FROM external_workers AS e WHERE e.handlers IS NULL OR w.main_name = ANY (e.handlers))
	GROUP BY w.handler
	UNION ALL
	SELECT 'warning', 'unclaimed_target',
		pg_catalog.format('no %s worker claims target "%s"; tasks waiting for it: %s',
			CASE w.kind WHEN 'x' THEN 'external' ELSE 'in-database' END, w.target, pg_catalog.sum(w.n)),
		CASE w.kind WHEN 'x' THEN 'Start a worker that passes it in dequeue(claims => ...).' ELSE 'Add it to task_queue.claims.' END
	FROM waiting AS w
	WHERE w.target IS NOT NULL
		AND CASE
			WHEN w.kind = 'x' THEN NOT EXISTS (SELECT FROM external_workers AS e
				WHERE w.target = ANY (e.claims) OR (w.target = 'worker:' || e.worker AND e.worker <> 'anonymous'))
			ELSE NOT (served AND (w.target = ANY (claims)
				OR (w.target ~ '^worker:db/[1-9][0-9]{0,3}$' AND pg_catalog.substr(w.target, 11)::int <= workers)))
		END
	GROUP BY w.target, w.kind = 'x', w.kind
	UNION ALL
	SELECT 'warning', 'paused_queue',
		pg_catalog.format('queue "%s" is paused; live tasks: %s', q.name, pg_catalog.count(*)),
		'Call task_queue.resume_queue().'
	FROM task_queue.queue AS q JOIN task_queue.task AS t ON t.queue = q.name
	WHERE q.paused
	GROUP BY q.name
	UNION ALL
	SELECT 'warning', 'missing_role',
		pg_catalog.format('the role with oid %s does not exist any more; live tasks that it enqueued: %s', t.enqueuer::oid, pg_catalog.count(*)),
		'They will fail when they come to run; cancel or delete them.'
	FROM task_queue.task AS t
	WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.oid = t.enqueuer)
	GROUP BY t.enqueuer;
END;
COMMENT ON FUNCTION _health_of_tasks(boolean, int, int, text[], timestamptz) IS 'Internal: those checks of health() that look at tasks.';

CREATE FUNCTION _health_of_storage(served boolean, now timestamptz) RETURNS SETOF health_finding
	LANGUAGE sql VOLATILE
	SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
	SELECT CASE WHEN served THEN 'warning' ELSE 'info' END, 'default_partition'::text,
		pg_catalog.format('ended tasks are in the default partition "%s"', p.name),
		'The scheduler process moves them; if this stays, a long transaction holds a lock on the table.'::text
	FROM (
		SELECT 'history_default' AS name WHERE EXISTS (SELECT FROM task_queue.history_default)
		UNION ALL
		SELECT 'attempt_default' WHERE EXISTS (SELECT FROM task_queue.attempt_default)
	) AS p
	UNION ALL
	(SELECT 'warning', 'old_snapshot',
		pg_catalog.format('process %s (%s) has held back vacuum since %s%s', a.pid, COALESCE(a.usename, a.backend_type), a.xact_start,
			CASE WHEN a.wait_event_type = 'Extension' AND a.query ~* '\mtask_queue\.(await|wait|await_step|await_dag|dequeue)\M'
				THEN ', waiting in a call of task_queue' ELSE '' END),
		'Dead rows cannot be removed meanwhile. End its transaction, or give the waiting call a timeout.'
	 FROM pg_catalog.pg_stat_activity AS a
	 WHERE (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL) AND a.xact_start < now - interval '10 min'
		AND (a.datid IS NULL OR a.datname = pg_catalog.current_database())
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_vacuum AS v WHERE v.pid = a.pid)	-- one does not hold back another
	 ORDER BY a.xact_start
	 LIMIT 1)
	UNION ALL
	SELECT 'warning', 'old_snapshot',
		pg_catalog.format('replication slot "%s" holds back vacuum by %s transactions', r.slot_name, pg_catalog.age(r.xmin)),
		'Dead rows cannot be removed meanwhile. Let its consumer catch up, or drop the slot.'
	FROM pg_catalog.pg_replication_slots AS r
	WHERE pg_catalog.age(r.xmin) > 1000000
	UNION ALL
	SELECT 'warning', 'old_snapshot',
		pg_catalog.format('prepared transaction "%s" has held back vacuum since %s', p.gid, p.prepared),
		'Dead rows cannot be removed meanwhile. Commit it or roll it back.'
	FROM pg_catalog.pg_prepared_xacts AS p
	WHERE p.prepared < now - interval '10 min' AND p.database = pg_catalog.current_database();
END;
COMMENT ON FUNCTION _health_of_storage(boolean, timestamptz) IS 'Internal: those checks of health() that look at partitions and at what holds back vacuum.';

CREATE FUNCTION _preloaded() RETURNS boolean
	LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'tq_preloaded';
COMMENT ON FUNCTION _preloaded() IS 'Internal: whether the server was started with the library preloaded.';
