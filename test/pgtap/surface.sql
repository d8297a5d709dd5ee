-- The SQL surface: what applications are written against. Names, order, types, defaults and results of everything public.
\set ON_ERROR_STOP 1
BEGIN;
SELECT no_plan();
SET search_path = task_queue, pg_catalog, public;

-- Arguments read as pg_get_function_arguments() prints them, NULL defaults without their type.
CREATE TEMP TABLE expected_routine (name text, arguments text, result text, class text);
INSERT INTO expected_routine VALUES
	('add_step', 'step step, dag_id text DEFAULT NULL', 'void', 'vu1000'),
	('adopt_database', '', 'void', 'vu1000'),
	('alter_queue', 'name text, max_running integer DEFAULT NULL, retry_policy retry_policy DEFAULT NULL, keep_done interval DEFAULT NULL, keep_failed interval DEFAULT NULL', 'void', 'vu1000'),
	('alter_task', 'task_id bigint, args jsonb DEFAULT NULL, queue text DEFAULT NULL, priority integer DEFAULT NULL, run_at timestamptz DEFAULT NULL, deadline timestamptz DEFAULT NULL, labels text[] DEFAULT NULL', 'boolean', 'vu1000'),
	('await', 'task_id bigint, timeout interval DEFAULT NULL', 'jsonb', 'vu1000'),
	('await_dag', 'dag_id text, timeout interval DEFAULT NULL', 'text', 'vu1000'),
	('await_step', 'dag_id text, step_id text, timeout interval DEFAULT NULL', 'jsonb', 'vu1000'),
	('call_handler', 'handler text, args jsonb DEFAULT ''[]''::jsonb', 'jsonb', 'vu1000'),
	('cancel', 'task_id bigint, reason text DEFAULT NULL', 'boolean', 'vu1000'),
	('cancel_dag', 'dag_id text, reason text DEFAULT NULL', 'text', 'vu1000'),
	('canonical_name', 'function regprocedure', 'text', 'ss1'),
	('complete', 'task_id bigint, lease_token bigint, result jsonb DEFAULT NULL', 'boolean', 'vu1000'),
	('complete_many', 'task_ids bigint[], lease_tokens bigint[], results jsonb[] DEFAULT NULL', 'SETOF bigint', 'vu1000'),
	('create_queue', 'name text, max_running integer DEFAULT NULL, retry_policy retry_policy DEFAULT NULL, keep_done interval DEFAULT ''1 day''::interval, keep_failed interval DEFAULT ''30 days''::interval, or_replace boolean DEFAULT false', 'void', 'vu1000'),
	('current_task', '', 'SETOF running_task', 'vu1'),
	('dag_debug', 'dag_id text', 'text', 'vu1000'),
	('dag_mermaid', 'dag_id text', 'text', 'vu1000'),
	('dag_tree', 'dag_id text', 'text', 'vu1000'),
	('default_retry_policy', '', 'retry_policy', 'is1'),
	('delete_dag', 'dag_id text, force boolean DEFAULT false', 'boolean', 'vu1000'),
	('delete_task', 'task_id bigint, force boolean DEFAULT false', 'boolean', 'vu1000'),
	('dequeue', 'queue text DEFAULT NULL, max_tasks integer DEFAULT 1, lease interval DEFAULT ''00:00:30''::interval, wait interval DEFAULT ''00:00:00''::interval, worker text DEFAULT NULL, claims text[] DEFAULT NULL, handlers text[] DEFAULT NULL', 'SETOF dequeued_task', 'vu1000'),
	('describe', 'function regprocedure', 'SETOF handler_description', 'ss1'),
	('drain', 'queue text DEFAULT NULL, max_tasks integer DEFAULT NULL, include_scheduled boolean DEFAULT false, this_transaction boolean DEFAULT false', 'SETOF drained_task', 'vu1000'),
	('drop_queue', 'name text, force boolean DEFAULT false', 'void', 'vu1000'),
	('enqueue', 'handler text, args jsonb DEFAULT ''[]''::jsonb, queue text DEFAULT NULL, priority integer DEFAULT 0, run_at timestamptz DEFAULT NULL, delay interval DEFAULT NULL, deadline timestamptz DEFAULT NULL, timeout interval DEFAULT NULL, retry_policy retry_policy DEFAULT NULL, target text DEFAULT NULL, reply_to text DEFAULT NULL, trace_ctx jsonb DEFAULT NULL, labels text[] DEFAULT NULL, unique_key text DEFAULT NULL, on_conflict text DEFAULT NULL, order_key text DEFAULT NULL, limit_key text DEFAULT NULL', 'bigint', 'vu1000'),
	('enqueue_many', 'handler text, args jsonb[], queue text DEFAULT NULL, priority integer DEFAULT 0, run_at timestamptz DEFAULT NULL, delay interval DEFAULT NULL, deadline timestamptz DEFAULT NULL, timeout interval DEFAULT NULL, retry_policy retry_policy DEFAULT NULL, target text DEFAULT NULL, reply_to text DEFAULT NULL, trace_ctx jsonb DEFAULT NULL, labels text[] DEFAULT NULL, on_conflict text DEFAULT NULL, order_key text DEFAULT NULL, limit_key text DEFAULT NULL', 'SETOF bigint', 'vu1000'),
	('fail', 'task_id bigint, lease_token bigint, kind text DEFAULT ''handler''::text, message text DEFAULT ''''::text, retryable boolean DEFAULT true, retry_in interval DEFAULT NULL, detail text DEFAULT NULL', 'text', 'vu1000'),
	('get_task', 'task_id bigint', 'jsonb', 'vu1000'),
	('grant_admin', 'role regrole', 'void', 'vu1000'),
	('grant_worker', 'role regrole, queue text DEFAULT NULL', 'void', 'vu1000'),
	('health', '', 'SETOF health_finding', 'vu1000'),
	('heartbeat', 'worker text, lease interval DEFAULT ''00:00:30''::interval', 'SETOF held_task', 'vu1000'),
	('list_dags', 'labels text[] DEFAULT NULL, state text DEFAULT NULL, created_since timestamptz DEFAULT NULL, max_rows integer DEFAULT NULL', 'SETOF dags', 'vu1000'),
	('next_delay', 'policy retry_policy, attempt integer', 'interval', 'is1'),
	('no_retry_policy', '', 'retry_policy', 'is1'),
	('pause_dag', 'dag_id text', 'text', 'vu1000'),
	('pause_queue', 'name text', 'void', 'vu1000'),
	('progress', 'fraction double precision, message text DEFAULT NULL', 'void', 'vu1000'),
	('purge_dags', 'older_than interval, labels text[] DEFAULT NULL', 'bigint', 'vu1000'),
	('purge_dead_letters', 'older_than interval', 'bigint', 'vu1000'),
	('raise_error', 'kind text, message text, retryable boolean DEFAULT false, retry_in interval DEFAULT NULL, detail text DEFAULT NULL, hint text DEFAULT NULL', 'void', 'vu1000'),
	('ref', 'step_id text', 'jsonb', 'is1'),
	('ref_or_default', 'step_id text, fallback jsonb', 'jsonb', 'is1'),
	('refs', 'step_ids text[]', 'jsonb', 'is1'),
	('register_external', 'name text, arg_types regtype[] DEFAULT NULL, aliases text[] DEFAULT NULL, queue text DEFAULT ''default''::text, retry_policy retry_policy DEFAULT NULL, timeout interval DEFAULT NULL, keep_done interval DEFAULT NULL, or_replace boolean DEFAULT false', 'text', 'vu1000'),
	('register_handler', 'function regprocedure, name text DEFAULT NULL, aliases text[] DEFAULT NULL, queue text DEFAULT ''default''::text, retry_policy retry_policy DEFAULT NULL, timeout interval DEFAULT NULL, keep_done interval DEFAULT NULL, batch_size integer DEFAULT 1, or_replace boolean DEFAULT false', 'text', 'vu1000'),
	('release', 'task_id bigint, lease_token bigint, delay interval DEFAULT NULL', 'boolean', 'vu1000'),
	('requeue', 'task_id bigint, run_at timestamptz DEFAULT NULL, clear_deadline boolean DEFAULT true, args jsonb DEFAULT NULL', 'bigint', 'vu1000'),
	('requeue_failed', 'handler text DEFAULT NULL, queue text DEFAULT NULL, error_kind text DEFAULT NULL, failed_since timestamptz DEFAULT NULL', 'bigint', 'vu1000'),
	('resume_breakpoint', 'dag_id text, label text', 'integer', 'vu1000'),
	('resume_dag', 'dag_id text', 'text', 'vu1000'),
	('resume_queue', 'name text', 'void', 'vu1000'),
	('retry_policy', 'initial_interval interval DEFAULT ''00:00:01''::interval, backoff_coefficient double precision DEFAULT 2, maximum_interval interval DEFAULT ''00:01:00''::interval, maximum_attempts integer DEFAULT 5, non_retryable_error_kinds text[] DEFAULT ''{}''::text[], jitter double precision DEFAULT 0', 'retry_policy', 'is1'),
	('retry_step', 'dag_id text, step_id text', 'void', 'vu1000'),
	('revoke_admin', 'role regrole', 'void', 'vu1000'),
	('revoke_worker', 'role regrole, queue text DEFAULT NULL', 'void', 'vu1000'),
	('run_tasks', 'IN queue text DEFAULT NULL, IN max_tasks integer DEFAULT NULL', 'PROCEDURE', 'vu1'),
	('schedule', 'name text, cron text, handler text, args jsonb DEFAULT ''[]''::jsonb, queue text DEFAULT NULL, priority integer DEFAULT 0, timeout interval DEFAULT NULL, retry_policy retry_policy DEFAULT NULL, target text DEFAULT NULL, labels text[] DEFAULT NULL, timezone text DEFAULT NULL, overlap text DEFAULT NULL, catch_up text DEFAULT NULL', 'bigint', 'vu1000'),
	('should_retry', 'policy retry_policy, error task_error, attempt integer', 'boolean', 'is1'),
	('signal', 'dag_id text, name text, payload jsonb DEFAULT NULL', 'boolean', 'vu1000'),
	('signal_ref', 'name text', 'jsonb', 'is1'),
	('snooze', 'delay interval', 'void', 'vu1000'),
	('step', 'id text, handler text, args jsonb DEFAULT ''[]''::jsonb, after text[] DEFAULT NULL, after_any text[] DEFAULT NULL, optional boolean DEFAULT false, retry_policy retry_policy DEFAULT NULL, timeout interval DEFAULT NULL, queue text DEFAULT NULL, priority integer DEFAULT 0, target text DEFAULT NULL, colocate_with text DEFAULT NULL, follow_target_of text DEFAULT NULL, colocate_here boolean DEFAULT false, wait_for text[] DEFAULT NULL, break_before text[] DEFAULT NULL, break_after text[] DEFAULT NULL, delay interval DEFAULT NULL, run_if text DEFAULT NULL, for_each text DEFAULT NULL, undo text DEFAULT NULL', 'step', 'is1'),
	('submit_dag', 'steps step[], id text DEFAULT NULL, retry_policy retry_policy DEFAULT NULL, labels text[] DEFAULT NULL, active_breakpoints text[] DEFAULT NULL, trace_ctx jsonb DEFAULT NULL, reply_to text DEFAULT NULL, keep interval DEFAULT NULL, deadline timestamptz DEFAULT NULL, on_conflict text DEFAULT NULL', 'text', 'vu1000'),
	('task_error', 'kind text, message text DEFAULT ''''::text, retryable boolean DEFAULT false', 'task_error', 'is1'),
	('unregister_handler', 'name text', 'boolean', 'vu1000'),
	('unschedule', 'name text', 'boolean', 'vu1000'),
	('validate_args', 'handler text, args jsonb', 'void', 'vu1000'),
	('wait', 'task_id bigint, timeout interval DEFAULT NULL', 'SETOF task_outcome', 'vu1000');

CREATE TEMP VIEW actual_routine AS
SELECT p.proname::text AS name,
	replace(regexp_replace(pg_get_function_arguments(p.oid), 'DEFAULT NULL::[a-z_ \[\]]+', 'DEFAULT NULL', 'g'), 'timestamp with time zone', 'timestamptz') AS arguments,
	COALESCE(pg_get_function_result(p.oid), 'PROCEDURE') AS result,
	p.provolatile::text || p.proparallel::text || p.procost AS class
FROM pg_proc AS p
WHERE p.pronamespace = 'task_queue'::regnamespace AND p.proname !~ '^_';

SELECT bag_eq('SELECT name FROM actual_routine', 'SELECT name FROM expected_routine', 'the public routines');
SELECT is(a.arguments, e.arguments, format('arguments of %s', e.name))
FROM expected_routine AS e LEFT JOIN actual_routine AS a USING (name) ORDER BY e.name;
SELECT is(a.result, e.result, format('result of %s', e.name))
FROM expected_routine AS e LEFT JOIN actual_routine AS a USING (name) ORDER BY e.name;
SELECT is(a.class, e.class, format('volatility, parallel safety and cost of %s', e.name))
FROM expected_routine AS e LEFT JOIN actual_routine AS a USING (name) ORDER BY e.name;

-- Views and the composites that functions return: columns may only be added at the end.
CREATE TEMP TABLE expected_relation (name text, columns text);
INSERT INTO expected_relation VALUES
	('attempts', 'task_id bigint, handler text, queue text, attempt integer, worker text, started_at timestamptz, finished_at timestamptz, error task_error, error_kind text, error_message text'),
	('dag_breakpoints', 'dag_id text, step_id text, position text, labels text[], active boolean, state text, blocked_since timestamptz, holding text[]'),
	('dag_signals', 'dag_id text, name text, delivered boolean, delivered_at timestamptz, payload jsonb, waiting text[]'),
	('dag_steps', 'dag_id text, step_id text, handler text, state text, optional boolean, deps text[], optional_deps text[], attempt integer, worker text, target text, queued_at timestamptz, started_at timestamptz, finished_at timestamptz, error_kind text, error_message text, held boolean, blocked_on text[], task_id bigint, created_at timestamptz'),
	('dags', 'dag_id text, state text, labels text[], created_at timestamptz, paused_at timestamptz, finished_at timestamptz, steps integer, done integer, failed integer, skipped integer, canceled integer, running integer, pending integer, stopped integer, waiting integer'),
	('dead_letters', 'task_id bigint, handler text, queue text, args jsonb, labels text[], attempt integer, error task_error, error_kind text, error_message text, failed_at timestamptz, enqueued_by text, dag_id text, step_id text'),
	('dequeued_task', 'task_id bigint, lease_token bigint, handler text, args jsonb, attempt integer, deadline timestamptz, lease_until timestamptz, target text, trace_ctx jsonb, dag_id text, step_id text, queue text, labels text[], maximum_attempts integer, enqueued_at timestamptz'),
	('drained_task', 'task_id bigint, handler text, state text, error task_error, error_kind text, error_message text'),
	('handler_description', 'name text, kind text, arg_names text[], arg_types regtype[], required_args integer, has_result boolean, result_type regtype'),
	('handlers', 'name text, kind text, function regprocedure, aliases text[], queue text, retry_policy retry_policy, timeout interval, keep_done interval, batch_size integer, arg_names text[], arg_types regtype[]'),
	('health_finding', 'severity text, check_name text, message text, hint text'),
	('held_task', 'task_id bigint, lease_token bigint, lease_until timestamptz, cancel_requested boolean'),
	('queues', 'name text, paused boolean, ready bigint, scheduled bigint, running bigint, failed bigint, oldest_ready_age interval, max_running integer'),
	('retry_policy', 'initial_interval interval, backoff_coefficient double precision, maximum_interval interval, maximum_attempts integer, non_retryable_error_kinds text[], jitter double precision'),
	('running_task', 'task_id bigint, handler text, queue text, attempt integer, deadline timestamptz, target text, worker text, trace_ctx jsonb, dag_id text, step_id text, enqueued_at timestamptz, maximum_attempts integer, labels text[], fire_time timestamptz'),
	('schedules', 'name text, cron text, handler text, args jsonb, queue text, active boolean, last_run_at timestamptz, last_task_id bigint, last_state text, scheduled_by text'),
	('stats', 'handler text, done bigint, failed bigint, retried bigint, canceled bigint, wait_mean interval, wait_p50 interval, wait_p95 interval, wait_p99 interval, run_mean interval, run_p50 interval, run_p95 interval, run_p99 interval'),
	('step', 'id text, handler text, args jsonb, after text[], after_any text[], optional boolean, retry_policy retry_policy, timeout interval, queue text, priority integer, target text, colocate_with text, follow_target_of text, colocate_here boolean, wait_for text[], break_before text[], break_after text[], delay interval, run_if text, for_each text, undo text'),
	('task_error', 'kind text, message text, retryable boolean, sqlstate text, detail text, hint text, context text'),
	('task_outcome', 'state text, result jsonb, error task_error, error_kind text, error_message text'),
	('tasks', 'task_id bigint, handler text, queue text, state text, priority integer, attempt integer, args jsonb, result jsonb, labels text[], run_at timestamptz, deadline timestamptz, target text, enqueued_at timestamptz, enqueued_by text, started_at timestamptz, finished_at timestamptz, worker text, lease_until timestamptz, error_kind text, error_message text, cancel_reason text, dag_id text, step_id text, trace_ctx jsonb'),
	('workers', 'worker text, pid integer, kind text, state text, claims text[], last_seen timestamptz, tasks bigint, task_id bigint, handler text, started_at timestamptz, progress double precision, message text');

CREATE TEMP VIEW actual_relation AS
SELECT c.relname::text AS name, c.relkind,
	(SELECT string_agg(a.attname || ' ' || replace(format_type(a.atttypid, a.atttypmod), 'timestamp with time zone', 'timestamptz'), ', ' ORDER BY a.attnum)
	 FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
FROM pg_class AS c
WHERE c.relnamespace = 'task_queue'::regnamespace AND c.relkind IN ('v', 'c') AND c.relname !~ '^_';

SELECT bag_eq('SELECT name FROM actual_relation', 'SELECT name FROM expected_relation', 'the views and composite types');
SELECT is(a.columns, e.columns, format('columns of %s', e.name))
FROM expected_relation AS e LEFT JOIN actual_relation AS a USING (name) ORDER BY e.name;

-- Rows can be compared with any others, as results_eq() does.
SELECT is_empty($$
	SELECT c.relname, a.attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
	WHERE c.relnamespace = 'task_queue'::regnamespace AND c.relkind IN ('v', 'c') AND a.attcollation NOT IN (0, 'pg_catalog."default"'::regcollation)
$$, 'all texts have the collation of the database');
SELECT results_eq('SELECT name, paused FROM queues', $$VALUES ('default', false)$$, 'a view compares with constants');

-- Whoever looks at an object in psql is told what it is.
SELECT is_empty($$
	SELECT p.oid::regprocedure FROM pg_proc AS p
	WHERE p.pronamespace = 'task_queue'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL
$$, 'every routine has a comment');
SELECT is_empty($$
	SELECT c.relname FROM pg_class AS c
	WHERE c.relnamespace = 'task_queue'::regnamespace AND c.relkind = 'v' AND obj_description(c.oid, 'pg_class') IS NULL
$$, 'every view has a comment');
SELECT is_empty($$
	SELECT t.typname FROM pg_type AS t JOIN pg_class AS c ON c.oid = t.typrelid
	WHERE t.typnamespace = 'task_queue'::regnamespace AND c.relkind = 'c' AND obj_description(t.oid, 'pg_type') IS NULL
$$, 'every composite type has a comment');
SELECT matches(obj_description('default_retry_policy()'::regprocedure, 'pg_proc'), 'gives up after 15 s', 'the default policy says when it gives up');
SELECT matches(obj_description('default_retry_policy()'::regprocedure, 'pg_proc'),
	'alter_queue\(''default'', retry_policy => task_queue\.retry_policy\(''5 s'', 2, maximum_interval => ''1 h'', maximum_attempts => 20, jitter => 0\.2\)\)',
	'and how to have another one');

-- How calls behave and what they may do.
SELECT is_empty($$
	SELECT p.oid::regprocedure FROM pg_proc AS p
	WHERE p.pronamespace = 'task_queue'::regnamespace AND p.proname !~ '^_' AND p.proisstrict
$$, 'no public routine is strict');
SELECT is_empty($$
	SELECT p.oid::regprocedure FROM pg_proc AS p
	WHERE p.pronamespace = 'task_queue'::regnamespace AND p.prosecdef
$$, 'none is SECURITY DEFINER');
SELECT is_empty($$
	SELECT c.relname FROM pg_class AS c
	WHERE c.relnamespace = 'task_queue'::regnamespace AND c.relkind = 'v' AND c.relname !~ '^_'
		AND NOT 'security_barrier=true' = ANY (COALESCE(c.reloptions, '{}'))
$$, 'all public views are security barriers');

CREATE ROLE surface_role;
GRANT USAGE ON SCHEMA task_queue TO surface_role;
SELECT is_empty($$
	SELECT p.oid::regprocedure FROM pg_proc AS p
	WHERE p.pronamespace = 'task_queue'::regnamespace AND p.proname !~ '^_' AND NOT has_function_privilege('surface_role', p.oid, 'EXECUTE')
$$, 'everybody may call the public routines');
SELECT is_empty($$
	SELECT c.relname FROM pg_class AS c
	WHERE c.relnamespace = 'task_queue'::regnamespace AND c.relkind = 'v' AND c.relname !~ '^_' AND NOT has_table_privilege('surface_role', c.oid, 'SELECT')
$$, 'and read the public views');
SELECT is_empty($$
	SELECT c.relname, a.attname, p.privilege
	FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped,
		unnest('{SELECT,INSERT,UPDATE,REFERENCES}'::text[]) AS p (privilege)
	WHERE c.relnamespace = 'task_queue'::regnamespace AND c.relkind IN ('r', 'p') AND has_column_privilege('surface_role', c.oid, a.attnum, p.privilege)
		AND NOT (c.relname = 'task' AND p.privilege = 'SELECT' AND a.attname = 'task_id')
		AND NOT (c.relname = 'task' AND p.privilege = 'INSERT' AND a.attname IN ('handler', 'args', 'queue', 'priority', 'run_at', 'deadline', 'timeout',
			'retry_policy', 'target', 'reply_to', 'trace_ctx', 'labels', 'unique_key', 'on_conflict', 'order_key', 'limit_key'))
$$, 'of the tables everybody may only insert into task, and read the ids');
SELECT is_empty($$
	SELECT c.relname FROM pg_class AS c
	WHERE c.relnamespace = 'task_queue'::regnamespace AND c.relkind IN ('r', 'p', 'S')
		AND (has_table_privilege('surface_role', c.oid, 'DELETE') OR (c.relkind <> 'S' AND has_table_privilege('surface_role', c.oid, 'TRUNCATE'))
			OR (c.relkind = 'S' AND has_sequence_privilege('surface_role', c.oid, 'USAGE')))
$$, 'and delete nothing');
SELECT is_empty($$
	SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = 'task_queue'::regnamespace AND c.relrowsecurity
$$, 'no table has row level security: COPY would be refused');

-- Settings and their defaults.
LOAD 'task_queue';
SELECT is(current_setting('task_queue.' || s.name), s.value, format('default of task_queue.%s', s.name))
FROM (VALUES ('home', ''), ('databases', '*'), ('claims', ''), ('ready_capacity', '65536'), ('lease_capacity', '16384'),
	('synchronous_commit', 'off'), ('default_timeout', '0'), ('max_step_error_bytes', '4096'), ('enabled', 'on'), ('execution', 'background')) AS s (name, value);
SELECT is((SELECT boot_val FROM pg_settings WHERE name = 'task_queue.workers'), '4', 'default of task_queue.workers');
SELECT isnt((SELECT boot_val FROM pg_settings WHERE name = s.name), NULL, format('%s exists', s.name))
FROM unnest('{task_queue.idle_worker_timeout,task_queue.log_min_duration}'::text[]) AS s (name);

-- The registry tells the same as describe() does.
CREATE FUNCTION public.surface_unnamed(int, b text DEFAULT 'x') RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION public.surface_none() RETURNS void LANGUAGE sql AS '';
SELECT count(register_handler(f)) FROM unnest('{public.surface_unnamed(int\,text),public.surface_none()}'::regprocedure[]) AS f;
SELECT results_eq(
	'SELECT name, kind, arg_names, arg_types FROM handlers WHERE name LIKE ''public.surface%'' ORDER BY name',
	'SELECT d.name, d.kind, d.arg_names, d.arg_types FROM unnest(''{public.surface_none(),public.surface_unnamed(int\,text)}''::regprocedure[]) AS f, describe(f) AS d ORDER BY 1',
	'handlers and describe() agree');
SELECT is((SELECT arg_names FROM handlers WHERE name = 'public.surface_unnamed'), ARRAY[NULL, 'b'], 'a parameter without a name has none');

SELECT * FROM finish();
ROLLBACK;
