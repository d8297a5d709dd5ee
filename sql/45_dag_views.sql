-- DAGs as users see them. As in the other views _may_see() and _may_read() answer for the user who reads.

CREATE VIEW _dag_edges AS
SELECT s.dag_key, s.step_no AS parent_no, s.child AS child_no FROM task_queue.dag_step AS s WHERE s.child > 0
UNION ALL
SELECT e.dag_key, e.parent_no, e.child_no FROM task_queue.dag_edge AS e;
COMMENT ON VIEW _dag_edges IS 'Internal: from steps to their direct dependents.';

-- Here and below LATERAL and OFFSET 0 make it one look into the index for each step, however small the planner takes a DAG for.
CREATE VIEW _dag_held_back AS
SELECT e.dag_key, e.parent_no, c.step_id, c.created_at
FROM task_queue._dag_edges AS e,
	LATERAL (SELECT c.step_id, c.created_at, c.state FROM task_queue.dag_step AS c
		WHERE c.dag_key = e.dag_key AND c.step_no = e.child_no OFFSET 0) AS c
WHERE c.state = 'p';
COMMENT ON VIEW _dag_held_back IS 'Internal: from steps to their pending direct dependents.';

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
	ARRAY(SELECT p.step_id FROM pg_catalog.unnest(s.needs || s.defaults) AS u (step_no),
		LATERAL (SELECT p.step_id FROM task_queue.dag_step AS p WHERE p.dag_key = s.dag_key AND p.step_no = u.step_no OFFSET 0) AS p
		ORDER BY p.step_id COLLATE "C") AS deps,
	ARRAY(SELECT p.step_id FROM pg_catalog.unnest(s.optionals) AS u (step_no),
		LATERAL (SELECT p.step_id FROM task_queue.dag_step AS p WHERE p.dag_key = s.dag_key AND p.step_no = u.step_no OFFSET 0) AS p
		ORDER BY p.step_id COLLATE "C") AS optional_deps,
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
		SELECT b.reason FROM (
			SELECT CASE WHEN p.state = 'd' THEN 'after ' ELSE 'step ' END || p.step_id AS reason
			FROM pg_catalog.unnest(s.needs || s.defaults || s.optionals) AS u (step_no),
				LATERAL (SELECT p.step_id, p.state, p.stop_after FROM task_queue.dag_step AS p
					WHERE p.dag_key = s.dag_key AND p.step_no = u.step_no OFFSET 0) AS p
			WHERE (p.state IN ('n', 'p', 'x') OR p.state = 'd' AND p.stop_after = 'a')
			UNION ALL
			SELECT 'signal ' || w.name FROM pg_catalog.unnest(s.wait_for) AS w (name)
			WHERE NOT EXISTS (SELECT FROM task_queue.dag_signal AS g
				WHERE g.dag_key = s.dag_key AND g.name = w.name AND g.step_no = 0)
			UNION ALL
			SELECT 'before' WHERE s.stop_before = 'a'
			UNION ALL
			SELECT 'held' WHERE d.state IN ('g', 'h')
		) AS b ORDER BY b.reason COLLATE "C") END AS blocked_on,
	COALESCE(t.task_id, s.task_id) AS task_id,
	s.created_at
FROM task_queue.dag AS d
	JOIN task_queue.dag_step AS s ON s.dag_key = d.dag_key
	LEFT JOIN task_queue._live_rows AS t ON t.dag_key = s.dag_key AND t.step_no = s.step_no
	LEFT JOIN task_queue._running() AS r ON r.task_id = t.task_id
WHERE task_queue._may_see(d.submitter);
COMMENT ON VIEW dag_steps IS
'Steps of DAGs. state is pending, running (handed over to its queue, or being executed), done, failed, skipped or canceled. deps: dependencies that it needs or has a default for; optional_deps: those it only comes after. attempt and worker: of the last execution. queued_at: handed over; started_at: first execution. blocked_on: why a pending step is pending: "step x" (has not ended), "after x" (behind the after-breakpoint of x), "signal x", "before" (its own breakpoint), "held" (the DAG is paused). created_at: submitted or added.';

CREATE VIEW dag_signals WITH (security_barrier) AS
SELECT d.dag_id, n.name, g.delivered_at IS NOT NULL AS delivered, g.delivered_at,
	CASE WHEN task_queue._may_read(d.submitter) THEN g.payload END AS payload,
	ARRAY(SELECT s.step_id FROM task_queue.dag_signal AS w JOIN task_queue.dag_step AS s ON s.dag_key = w.dag_key AND s.step_no = w.step_no
		WHERE w.dag_key = d.dag_key AND w.name = n.name AND w.step_no > 0
			AND s.state IN ('n', 'p') AND g.delivered_at IS NULL AND d.state IN ('x', 'g', 'h')
		ORDER BY s.step_id COLLATE "C") AS waiting
FROM task_queue.dag AS d
	CROSS JOIN LATERAL (SELECT DISTINCT a.name FROM task_queue.dag_signal AS a WHERE a.dag_key = d.dag_key) AS n
	LEFT JOIN task_queue.dag_signal AS g ON g.dag_key = d.dag_key AND g.name = n.name AND g.step_no = 0
WHERE task_queue._may_see(d.submitter)
ORDER BY d.dag_id COLLATE "C", n.name COLLATE "C";
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
		FROM (SELECT pg_catalog.array_agg(h.step_id ORDER BY h.step_id COLLATE "C") AS steps, pg_catalog.min(h.created_at) AS since
			FROM task_queue._dag_held_back AS h WHERE h.dag_key = s.dag_key AND h.parent_no = s.step_no) AS h
		WHERE s.break_after IS NOT NULL
	) AS b (position, labels, stop, blocked, since, holding)
WHERE task_queue._may_see(d.submitter)
ORDER BY d.dag_id COLLATE "C", s.step_id COLLATE "C", b.position DESC;
COMMENT ON VIEW dag_breakpoints IS
'Declared breakpoints of steps, before and after them. active: submit_dag() listed one of its labels. state: blocked (the DAG stands still there; see resume_breakpoint()), released, or NULL. holding: the pending direct dependents that an after-breakpoint holds back.';

CREATE FUNCTION _check_dag(dag_id text)
RETURNS void
AS 'MODULE_PATHNAME', 'tq_check_dag'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION _check_dag(text) IS 'Internal: raises 42704 for an unknown DAG, 42501 for one that the current user may not see.';

CREATE FUNCTION _list_dag_ids(labels text[], state text, created_since timestamptz, max_rows int)
RETURNS text[]
AS 'MODULE_PATHNAME', 'tq_list_dag_ids'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION _list_dag_ids(text[], text, timestamptz, int) IS 'Internal: the DAGs that list_dags() shows, in that order.';

CREATE FUNCTION list_dags(labels text[] DEFAULT NULL, state text DEFAULT NULL, created_since timestamptz DEFAULT NULL, max_rows int DEFAULT NULL)
RETURNS SETOF dags
LANGUAGE sql VOLATILE PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS $$
SELECT v.*
FROM unnest(task_queue._list_dag_ids($1, $2, $3, $4)) WITH ORDINALITY AS l (dag_id, place)
	JOIN task_queue.dags AS v ON v.dag_id = l.dag_id
ORDER BY l.place;
$$;
COMMENT ON FUNCTION list_dags(text[], text, timestamptz, int) IS
'DAGs, newest first: those that have all these labels (NULL or empty: any), are in this state (in any case; 22023 for an unknown one), and were submitted at created_since or later; at most max_rows. The rows are those of view dags. Example: SELECT dag_id, state FROM task_queue.list_dags(labels => ''{finance,weekly}'', state => ''failed'').';

-- In PL/pgSQL, because a query would compute all of its constants, also those that the encoding does not have.
CREATE FUNCTION _dag_glyph(name text)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF current_setting('server_encoding') = 'UTF8' THEN
		RETURN CASE name WHEN 'done' THEN chr(10003) WHEN 'failed' THEN chr(10007) WHEN 'skipped' THEN chr(8856) WHEN 'canceled' THEN chr(9632)
			WHEN 'running' THEN chr(9654) WHEN 'pending' THEN chr(8943) WHEN 'stopped' THEN chr(10687) WHEN 'signal' THEN chr(9873)
			WHEN 'branch' THEN chr(9500) || chr(9472) || ' ' WHEN 'last' THEN chr(9492) || chr(9472) || ' ' WHEN 'bar' THEN chr(9474) || '  ' END;
	END IF;
	RETURN CASE name WHEN 'branch' THEN '|- ' WHEN 'last' THEN '`- ' WHEN 'bar' THEN '|  ' ELSE format('[%s]', name) END;
END
$$;
COMMENT ON FUNCTION _dag_glyph(text) IS 'Internal: the sign of a state, or a word where the encoding has none.';

CREATE FUNCTION _dag_marks(dag_id text, OUT step_id text, OUT mark text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
SELECT s.step_id, task_queue._dag_glyph(s.state)
	|| CASE WHEN s.step_id IN (SELECT b.step_id FROM task_queue.dag_breakpoints AS b WHERE b.dag_id = $1 AND b.state = 'blocked')
		THEN task_queue._dag_glyph('stopped') ELSE '' END
	|| CASE WHEN EXISTS (SELECT FROM unnest(s.blocked_on) AS b (reason) WHERE starts_with(b.reason, 'signal '))
		THEN task_queue._dag_glyph('signal') ELSE '' END
FROM task_queue.dag_steps AS s WHERE s.dag_id = $1
$$;
COMMENT ON FUNCTION _dag_marks(text) IS 'Internal: the signs before the steps of a DAG.';

CREATE FUNCTION dag_tree(dag_id text)
RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wanted CONSTANT text := dag_id;
	branch CONSTANT text := task_queue._dag_glyph('branch');
	last_branch CONSTANT text := task_queue._dag_glyph('last');
	bar CONSTANT text := task_queue._dag_glyph('bar');
	children jsonb;		-- per step ('' for the roots): its children, last one first
	marks jsonb;
	ids text[];		-- what is to be drawn, the next one at depth
	indents text[];
	lines text[];
	step text;
	indent text;
	below text[];
	depth int := 0;
BEGIN
	PERFORM task_queue._check_dag(wanted);
	SELECT ARRAY[format('%s %s', d.dag_id, d.state)] INTO lines FROM task_queue.dags AS d WHERE d.dag_id = wanted;
	SELECT jsonb_object_agg(m.step_id, m.mark) INTO marks FROM task_queue._dag_marks(wanted) AS m;
	-- Each step is drawn once: below the first of the steps that it depends on.
	SELECT jsonb_object_agg(t.parent, t.children) INTO children
	FROM (SELECT COALESCE(p.parent, '') AS parent, jsonb_agg(s.step_id ORDER BY s.step_id COLLATE "C" DESC) AS children
		FROM task_queue.dag_steps AS s,
			LATERAL (SELECT min(u.id COLLATE "C") AS parent FROM unnest(s.deps || s.optional_deps) AS u (id)) AS p
		WHERE s.dag_id = wanted GROUP BY 1) AS t;
	FOR step IN SELECT c.id FROM jsonb_array_elements_text(children -> '') WITH ORDINALITY AS c (id, place) ORDER BY c.place LOOP
		depth := depth + 1;
		ids[depth] := step;
		indents[depth] := '';
	END LOOP;
	WHILE depth > 0 LOOP
		step := ids[depth];
		indent := indents[depth];
		depth := depth - 1;
		lines := lines || (indent || (marks ->> step) || ' ' || step);
		SELECT array_agg(c.id ORDER BY c.place) INTO below
		FROM jsonb_array_elements_text(children -> step) WITH ORDINALITY AS c (id, place);
		CONTINUE WHEN below IS NULL;
		-- What was a branch for the step itself is a bar, or a gap, for what is below it.
		indent := left(replace(replace(indent, branch, bar), last_branch, '   '), 120);
		FOR i IN 1 .. cardinality(below) LOOP
			depth := depth + 1;
			ids[depth] := below[i];
			indents[depth] := indent || CASE WHEN i = 1 THEN last_branch ELSE branch END;
		END LOOP;
	END LOOP;
	RETURN array_to_string(lines, E'\n');
END
$$;
COMMENT ON FUNCTION dag_tree(text) IS
'A DAG as a tree in text: roots and below each step what depends on it, sorted; a step with several dependencies stands below the first of them only. Raises 42704 for an unknown DAG. Example: SELECT task_queue.dag_tree(''nightly'') \watch 1';

CREATE FUNCTION _dag_debug_steps(dag_id text)
RETURNS text
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET intervalstyle = 'postgres'
SET datestyle = 'ISO'
AS $$
SELECT string_agg(format('%s %s  %s', m.mark, s.step_id, s.state)
		|| CASE WHEN s.attempt > 0 THEN format('  attempt %s on %s', s.attempt, COALESCE(s.worker, '?')) ELSE '' END
		|| format('  waiting %s  execution %s', COALESCE(s.started_at - s.queued_at, '0'), COALESCE(s.finished_at - s.started_at, '0'))
		|| CASE WHEN s.target IS NOT NULL THEN '  target ' || s.target ELSE '' END
		|| CASE WHEN s.optional THEN '  optional' ELSE '' END
		|| CASE WHEN s.error_kind IS NOT NULL THEN format(E'\n    %s: %s', s.error_kind, s.error_message) ELSE '' END
		|| CASE WHEN s.blocked_on <> '{}' THEN E'\n    blocked on ' || array_to_string(s.blocked_on, ', ') ELSE '' END,
	E'\n' ORDER BY s.created_at, s.step_id COLLATE "C")
FROM task_queue.dag_steps AS s
	JOIN task_queue._dag_marks($1) AS m ON m.step_id = s.step_id
WHERE s.dag_id = $1
$$;
COMMENT ON FUNCTION _dag_debug_steps(text) IS 'Internal: the lines of dag_debug() about steps.';

CREATE FUNCTION dag_debug(dag_id text)
RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
SET intervalstyle = 'postgres'
SET datestyle = 'ISO'
AS $$
DECLARE
	wanted CONSTANT text := dag_id;
	dag task_queue.dags;
	parts text[];
	part text;
BEGIN
	PERFORM task_queue._check_dag(wanted);
	SELECT d.* INTO dag FROM task_queue.dags AS d WHERE d.dag_id = wanted;
	parts := ARRAY[
		format('DAG %s  %s  age %s  total %s  stopped %s  waiting %s', dag.dag_id, dag.state, clock_timestamp() - dag.created_at,
			COALESCE(dag.finished_at - dag.created_at, '0'), dag.stopped, dag.waiting),
		format('steps %s: done %s, failed %s, skipped %s, canceled %s, running %s, pending %s', dag.steps, dag.done, dag.failed,
			dag.skipped, dag.canceled, dag.running, dag.pending)];
	IF dag.labels IS NOT NULL THEN
		parts := parts || ('labels ' || array_to_string(dag.labels, ', '));
	END IF;
	parts := parts || task_queue._dag_debug_steps(wanted);
	SELECT string_agg(format('breakpoint %s %s  %s  %s', b.position, b.step_id, array_to_string(b.labels, ', '),
			CASE WHEN b.state = 'blocked' THEN format('blocked since %s', b.blocked_since)
				ELSE COALESCE(b.state, CASE WHEN b.active THEN 'active' ELSE 'not active' END) END)
		|| CASE WHEN b.holding <> '{}' THEN '  holding ' || array_to_string(b.holding, ', ') ELSE '' END,
		E'\n' ORDER BY b.step_id COLLATE "C", b.position DESC) INTO part
	FROM task_queue.dag_breakpoints AS b WHERE b.dag_id = wanted;
	parts := parts || part;
	SELECT string_agg(format('signal %s  %s', g.name,
			CASE WHEN g.delivered THEN format('delivered %s', g.delivered_at) ELSE 'not delivered' END)
		|| CASE WHEN g.waiting <> '{}' THEN '  awaited by ' || array_to_string(g.waiting, ', ') ELSE '' END,
		E'\n' ORDER BY g.name COLLATE "C") INTO part
	FROM task_queue.dag_signals AS g WHERE g.dag_id = wanted;
	RETURN array_to_string(parts || part, E'\n');
END
$$;
COMMENT ON FUNCTION dag_debug(text) IS
'Everything about a DAG in text: its state, counts, steps in the order in which they were made with times and errors, what pending ones are blocked on, breakpoints and signals. Raises 42704 for an unknown DAG.';

CREATE FUNCTION dag_mermaid(dag_id text)
RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wanted CONSTANT text := dag_id;
	nodes text;
	edges text;
BEGIN
	PERFORM task_queue._check_dag(wanted);
	WITH node AS (
		SELECT s.step_id, s.state, s.deps, s.optional_deps, m.mark, s.optional,
			's' || row_number() OVER (ORDER BY s.created_at, s.step_id COLLATE "C") AS name
		FROM task_queue.dag_steps AS s
			JOIN task_queue._dag_marks(wanted) AS m ON m.step_id = s.step_id
		WHERE s.dag_id = wanted
	), edge AS (
		SELECT d.id, n.name AS child, '-->' AS arrow FROM node AS n, unnest(n.deps) AS d (id)
		UNION ALL
		SELECT d.id, n.name, '-.->' FROM node AS n, unnest(n.optional_deps) AS d (id)
	)
	SELECT (SELECT string_agg(format('    %s["%s %s"]:::%s', n.name, n.mark,
				-- Mermaid takes entities with # in place of &.
				replace(replace(replace(replace(replace(replace(translate(n.step_id, E'\n\r\t', '   '), '#', '#35;'), '&', '#38;'),
					'"', '#quot;'), '<', '#lt;'), '>', '#gt;'), '`', '#96;'), n.state), E'\n' ORDER BY length(n.name), n.name) FROM node AS n),
		(SELECT string_agg(format('    %s %s %s', p.name, e.arrow, e.child), E'\n'
				ORDER BY length(p.name), p.name, length(e.child), e.child)
			FROM edge AS e JOIN node AS p ON p.step_id = e.id)
	INTO nodes, edges;
	RETURN concat_ws(E'\n', 'flowchart TD', nodes, edges,
		'    classDef done fill:#d3f9d8,stroke:#2b8a3e,color:#000',
		'    classDef failed fill:#ffe3e3,stroke:#c92a2a,color:#000',
		'    classDef skipped fill:#f1f3f5,stroke:#868e96,color:#495057,stroke-dasharray:4',
		'    classDef canceled fill:#ffe8cc,stroke:#d9480f,color:#000',
		'    classDef running fill:#d0ebff,stroke:#1864ab,color:#000',
		'    classDef pending fill:#ffffff,stroke:#495057,color:#000');
END
$$;
COMMENT ON FUNCTION dag_mermaid(text) IS
'A DAG as a Mermaid flowchart, coloured by state; dashed edges are those of after_any. Put it between ```mermaid and ``` in Markdown. Raises 42704 for an unknown DAG.';
