-- DAGs as users see them. As in the other views _may_see() and _may_read() answer for the user who reads.

CREATE VIEW _dag_edges AS
SELECT s.dag_key, s.step_no AS parent_no, s.child AS child_no FROM task_queue.dag_step AS s WHERE s.child > 0
UNION ALL
SELECT e.dag_key, e.parent_no, e.child_no FROM task_queue.dag_edge AS e;
COMMENT ON VIEW _dag_edges IS 'Internal: from steps to their direct dependents.';

CREATE VIEW _dag_held_back AS
SELECT e.dag_key, e.parent_no, pg_catalog.array_agg(c.step_id ORDER BY c.step_id) AS steps, pg_catalog.min(c.created_at) AS since
FROM task_queue._dag_edges AS e JOIN task_queue.dag_step AS c ON c.dag_key = e.dag_key AND c.step_no = e.child_no
WHERE c.state = 'p'
GROUP BY e.dag_key, e.parent_no;
COMMENT ON VIEW _dag_held_back IS 'Internal: the pending direct dependents of steps that have any.';

CREATE VIEW dags WITH (security_barrier) AS
SELECT d.dag_id,
	CASE d.state WHEN 'x' THEN 'running' WHEN 'g' THEN 'pausing' WHEN 'h' THEN 'paused' WHEN 'd' THEN 'done' WHEN 'f' THEN 'failed'
		ELSE 'canceled' END AS state,
	CASE WHEN task_queue._may_read(d.submitter) THEN d.labels END AS labels,
	d.created_at, d.paused_at, d.finished_at,
	c.steps, c.done, c.failed, c.skipped, c.canceled, c.running, c.pending, c.stopped, c.waiting
FROM task_queue.dag AS d,
	LATERAL (
		SELECT pg_catalog.count(*)::int AS steps,
			(pg_catalog.count(*) FILTER (WHERE s.state = 'd'))::int AS done,
			(pg_catalog.count(*) FILTER (WHERE s.state = 'f'))::int AS failed,
			(pg_catalog.count(*) FILTER (WHERE s.state = 'k'))::int AS skipped,
			(pg_catalog.count(*) FILTER (WHERE s.state = 'c'))::int AS canceled,
			(pg_catalog.count(*) FILTER (WHERE s.state = 'x'))::int AS running,
			(pg_catalog.count(*) FILTER (WHERE s.state IN ('n', 'p')))::int AS pending,
			(pg_catalog.count(*) FILTER (WHERE s.state = 'p' AND s.stop_before = 'a' AND s.unmet = 0)
				+ pg_catalog.count(*) FILTER (WHERE s.state = 'd' AND s.stop_after = 'a' AND d.state IN ('x', 'g', 'h')
					AND EXISTS (SELECT FROM task_queue._dag_held_back AS h
						WHERE h.dag_key = s.dag_key AND h.parent_no = s.step_no)))::int AS stopped,
			(pg_catalog.count(*) FILTER (WHERE s.state = 'p' AND s.unmet_signals > 0))::int AS waiting
		FROM task_queue.dag_step AS s
		WHERE s.dag_key = d.dag_key
	) AS c
WHERE task_queue._may_see(d.submitter);
COMMENT ON VIEW dags IS
'DAGs and the numbers of their steps by state; stopped: breakpoints at which they stand still; waiting: pending steps that wait for signals. state is running, pausing, paused, done, failed or canceled. A DAG is kept until it is deleted, or as long as submit_dag() said.';

CREATE VIEW dag_steps WITH (security_barrier) AS
SELECT d.dag_id, s.step_id, s.handler,
	CASE s.state WHEN 'x' THEN 'running' WHEN 'd' THEN 'done' WHEN 'f' THEN 'failed' WHEN 'k' THEN 'skipped' WHEN 'c' THEN 'canceled'
		ELSE 'pending' END AS state,
	s.optional,
	ARRAY(SELECT p.step_id FROM pg_catalog.unnest(s.needs || s.defaults) AS u (step_no)
		JOIN task_queue.dag_step AS p ON p.dag_key = s.dag_key AND p.step_no = u.step_no ORDER BY p.step_id) AS deps,
	ARRAY(SELECT p.step_id FROM pg_catalog.unnest(s.optionals) AS u (step_no)
		JOIN task_queue.dag_step AS p ON p.dag_key = s.dag_key AND p.step_no = u.step_no ORDER BY p.step_id) AS optional_deps,
	COALESCE(r.attempt, t.attempt, s.attempt) AS attempt,
	COALESCE(r.worker, s.worker, (SELECT a.worker FROM task_queue.attempt AS a
		WHERE a.task_id = t.task_id AND a.started_at >= s.queued_at ORDER BY a.attempt DESC LIMIT 1)) AS worker,
	s.target, s.queued_at,
	COALESCE(s.started_at, (SELECT pg_catalog.min(a.started_at) FROM task_queue.attempt AS a
		WHERE a.task_id = t.task_id AND a.started_at >= s.queued_at), r.started_at, t.started_at) AS started_at,
	s.finished_at, s.error_kind,
	CASE WHEN s.state = 'f' THEN s.error_message END AS error_message,
	s.state IN ('n', 'p') AND d.state IN ('g', 'h') AS held,
	CASE WHEN s.state IN ('n', 'p') THEN ARRAY(
		SELECT b.reason COLLATE "C" FROM (
			SELECT CASE WHEN p.state = 'd' THEN 'after ' ELSE 'step ' END || p.step_id AS reason
			FROM pg_catalog.unnest(s.needs || s.defaults || s.optionals) AS u (step_no)
				JOIN task_queue.dag_step AS p ON p.dag_key = s.dag_key AND p.step_no = u.step_no
			WHERE (p.state IN ('n', 'p', 'x') OR p.state = 'd' AND p.stop_after = 'a')
			UNION ALL
			SELECT 'signal ' || w.name FROM pg_catalog.unnest(s.wait_for) AS w (name)
			WHERE NOT EXISTS (SELECT FROM task_queue.dag_signal AS g
				WHERE g.dag_key = s.dag_key AND g.name = w.name AND g.step_no = 0)
			UNION ALL
			SELECT 'before' WHERE s.stop_before = 'a'
			UNION ALL
			SELECT 'held' WHERE d.state IN ('g', 'h')
		) AS b ORDER BY 1) END AS blocked_on,
	COALESCE(t.task_id, s.task_id) AS task_id
FROM task_queue.dag AS d
	JOIN task_queue.dag_step AS s ON s.dag_key = d.dag_key
	LEFT JOIN task_queue.task AS t ON t.dag_key = s.dag_key AND t.step_no = s.step_no
	LEFT JOIN task_queue._running() AS r ON r.task_id = t.task_id
WHERE task_queue._may_see(d.submitter);
COMMENT ON VIEW dag_steps IS
'Steps of DAGs. state is pending, running (handed over to its queue, or being executed), done, failed, skipped or canceled. deps: dependencies that it needs or has a default for; optional_deps: those it only comes after. attempt and worker: of the last execution. queued_at: handed over; started_at: first execution. blocked_on: why a pending step is pending: "step x" (has not ended), "after x" (behind the after-breakpoint of x), "signal x", "before" (its own breakpoint), "held" (the DAG is paused).';

CREATE VIEW dag_signals WITH (security_barrier) AS
SELECT d.dag_id, n.name, g.delivered_at IS NOT NULL AS delivered, g.delivered_at,
	CASE WHEN task_queue._may_read(d.submitter) THEN g.payload END AS payload,
	ARRAY(SELECT s.step_id FROM task_queue.dag_signal AS w JOIN task_queue.dag_step AS s ON s.dag_key = w.dag_key AND s.step_no = w.step_no
		WHERE w.dag_key = d.dag_key AND w.name = n.name AND w.step_no > 0
			AND s.state IN ('n', 'p') AND g.delivered_at IS NULL AND d.state IN ('x', 'g', 'h')
		ORDER BY s.step_id) AS waiting
FROM task_queue.dag AS d
	CROSS JOIN LATERAL (SELECT DISTINCT a.name FROM task_queue.dag_signal AS a WHERE a.dag_key = d.dag_key) AS n
	LEFT JOIN task_queue.dag_signal AS g ON g.dag_key = d.dag_key AND g.name = n.name AND g.step_no = 0
WHERE task_queue._may_see(d.submitter)
ORDER BY d.dag_id, n.name;
COMMENT ON VIEW dag_signals IS
'Signals that steps wait for, and that were delivered: payload, and the pending steps that wait (none once it is delivered or the DAG has ended).';

CREATE VIEW dag_breakpoints WITH (security_barrier) AS
SELECT d.dag_id, s.step_id, b.position,
	CASE WHEN task_queue._may_read(d.submitter) THEN b.labels END AS labels,
	b.stop <> '-' AS active,
	CASE WHEN b.stop = 'r' THEN 'released' WHEN b.blocked THEN 'blocked' END AS state,
	CASE WHEN b.blocked THEN b.since END AS blocked_since,
	b.holding
FROM task_queue.dag AS d
	JOIN task_queue.dag_step AS s ON s.dag_key = d.dag_key
	LEFT JOIN task_queue._dag_held_back AS h ON h.dag_key = s.dag_key AND h.parent_no = s.step_no
	CROSS JOIN LATERAL (
		SELECT 'before', s.break_before, s.stop_before,
			s.stop_before = 'a' AND s.state = 'p' AND s.unmet = 0 AND d.state IN ('x', 'g', 'h'),
			s.reached_at, NULL::text[]
		WHERE s.break_before IS NOT NULL
		UNION ALL
		SELECT 'after', s.break_after, s.stop_after,
			s.stop_after = 'a' AND s.state = 'd' AND h.steps IS NOT NULL AND d.state IN ('x', 'g', 'h'),
			GREATEST(s.finished_at, h.since),
			CASE WHEN s.stop_after = 'a' AND s.state = 'd' AND d.state IN ('x', 'g', 'h') THEN COALESCE(h.steps, '{}') ELSE '{}' END
		WHERE s.break_after IS NOT NULL
	) AS b (position, labels, stop, blocked, since, holding)
WHERE task_queue._may_see(d.submitter)
ORDER BY d.dag_id, s.step_id, b.position DESC;
COMMENT ON VIEW dag_breakpoints IS
'Declared breakpoints of steps, before and after them. active: submit_dag() listed one of its labels. state: blocked (the DAG stands still there; see resume_breakpoint()), released, or NULL. holding: the pending direct dependents that an after-breakpoint holds back.';
