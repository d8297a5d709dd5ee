-- Retry policies, and how tasks are enqueued.

CREATE FUNCTION retry_policy(initial_interval interval DEFAULT '1 s', backoff_coefficient float8 DEFAULT 2,
	maximum_interval interval DEFAULT '60 s', maximum_attempts int DEFAULT 5,
	non_retryable_error_kinds text[] DEFAULT '{}', jitter float8 DEFAULT 0)
RETURNS retry_policy
AS 'MODULE_PATHNAME', 'tq_retry_policy'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION retry_policy(interval, float8, interval, int, text[], float8) IS
'Make a retry policy. The delay after attempt n is initial_interval * backoff_coefficient ^ (n - 1), at most maximum_interval (zero or less: no cap). maximum_attempts: executions in all; zero or less: unlimited. non_retryable_error_kinds: error kinds, SQLSTATEs or their two-character classes that end the task at once. jitter: share by which the delay varies at random in either direction, at least 0 and less than 1 (else 22023). Example: task_queue.retry_policy(''5 s'', maximum_interval => ''1 h'', maximum_attempts => 20, jitter => 0.2).';

CREATE FUNCTION default_retry_policy()
RETURNS retry_policy
AS 'MODULE_PATHNAME', 'tq_default_retry_policy'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION default_retry_policy() IS
'The policy of tasks for which neither the task, its DAG, its handler nor its queue sets one: 1 s, doubled each time up to 60 s, 5 attempts. It gives up after 15 s. For work that should outlast an outage of something it depends on, give the queue another one: SELECT task_queue.alter_queue(''default'', retry_policy => task_queue.retry_policy(''5 s'', 2, maximum_interval => ''1 h'', maximum_attempts => 20, jitter => 0.2)).';

CREATE FUNCTION no_retry_policy()
RETURNS retry_policy
AS 'MODULE_PATHNAME', 'tq_no_retry_policy'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION no_retry_policy() IS 'A policy of one attempt: the first failure is final.';

CREATE FUNCTION next_delay(policy retry_policy, attempt int)
RETURNS interval
AS 'MODULE_PATHNAME', 'tq_next_delay'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION next_delay(retry_policy, int) IS
'How long a task waits after this attempt (1 is the first) failed, without jitter. policy NULL is the default policy. Raises 22023 if attempt is null.';

CREATE FUNCTION should_retry(policy retry_policy, error task_error, attempt int)
RETURNS boolean
AS 'MODULE_PATHNAME', 'tq_should_retry'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION should_retry(retry_policy, task_error, int) IS
'Whether a task runs again after this attempt (1 is the first) failed with this error. policy NULL is the default policy; error NULL gives false. Raises 22023 if attempt is null.';

CREATE FUNCTION task_error(kind text, message text DEFAULT '', retryable boolean DEFAULT false)
RETURNS task_error
AS 'MODULE_PATHNAME', 'tq_task_error'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION task_error(text, text, boolean) IS
'Make a task error, to try out a policy with should_retry(). Raises 22023 if kind is null.';

CREATE FUNCTION enqueue(handler text, args jsonb DEFAULT '[]', queue text DEFAULT NULL, priority int DEFAULT 0,
	run_at timestamptz DEFAULT NULL, delay interval DEFAULT NULL, deadline timestamptz DEFAULT NULL,
	timeout interval DEFAULT NULL, retry_policy retry_policy DEFAULT NULL, target text DEFAULT NULL,
	reply_to text DEFAULT NULL, trace_ctx jsonb DEFAULT NULL, labels text[] DEFAULT NULL, unique_key text DEFAULT NULL,
	on_conflict text DEFAULT NULL, order_key text DEFAULT NULL, limit_key text DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'tq_enqueue'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION enqueue(text, jsonb, text, int, timestamptz, interval, timestamptz, interval, retry_policy, text, text, jsonb, text[], text, text, text, text) IS
'Have a handler called later, as the current user; returns the task''s id. Part of the transaction: workers see the task when it commits. args: a JSON array (by position) or object (by parameter name). queue: NULL is the handler''s. priority: lower runs first. run_at or delay: not before. deadline: not after. timeout: per attempt; 0 is none. target: only on workers that claim it. reply_to: a NOTIFY channel that is told of the end. trace_ctx: an object that is carried along. labels: for looking tasks up. unique_key, on_conflict, order_key and limit_key are reserved. Raises 42883 for an unknown handler, TQ001 to TQ003 for arguments that do not fit, 42704 for an unknown queue, 42501 without EXECUTE on the function, 22023 for a bad option, 0A000 for a reserved one. Example: SELECT task_queue.enqueue(''app.send_mail'', jsonb_build_array(''a@example.com'', ''Hello''), delay => ''5 min'').';

CREATE FUNCTION enqueue_many(handler text, args jsonb[], queue text DEFAULT NULL, priority int DEFAULT 0,
	run_at timestamptz DEFAULT NULL, delay interval DEFAULT NULL, deadline timestamptz DEFAULT NULL,
	timeout interval DEFAULT NULL, retry_policy retry_policy DEFAULT NULL, target text DEFAULT NULL,
	reply_to text DEFAULT NULL, trace_ctx jsonb DEFAULT NULL, labels text[] DEFAULT NULL,
	on_conflict text DEFAULT NULL, order_key text DEFAULT NULL, limit_key text DEFAULT NULL)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'tq_enqueue_many'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION enqueue_many(text, jsonb[], text, int, timestamptz, interval, timestamptz, interval, retry_policy, text, text, jsonb, text[], text, text, text) IS
'Enqueue one task for each element of args, which has one dimension, and return their ids in the same order. A null element stands for no arguments. Options and errors are those of enqueue(); one bad element fails all. Example: SELECT task_queue.enqueue_many(''app.resize'', ARRAY[''[1]'', ''[2]'']::jsonb[]).';

CREATE FUNCTION _task_before_insert()
RETURNS trigger
AS 'MODULE_PATHNAME', 'tq_task_before_insert'
LANGUAGE C;
COMMENT ON FUNCTION _task_before_insert() IS 'Trigger function: checks and completes what is inserted into table task.';

CREATE FUNCTION _task_before_apply()
RETURNS trigger
AS 'MODULE_PATHNAME', 'tq_task_before_apply'
LANGUAGE C;
COMMENT ON FUNCTION _task_before_apply() IS
'Trigger function: takes rows that logical replication writes out of the hands of workers, until adopt_database().';

CREATE TRIGGER task_before_insert
	BEFORE INSERT ON task
	FOR EACH ROW EXECUTE FUNCTION _task_before_insert();

CREATE FUNCTION _task_after_insert()
RETURNS trigger
AS 'MODULE_PATHNAME', 'tq_task_after_insert'
LANGUAGE C;
COMMENT ON FUNCTION _task_after_insert() IS 'Trigger function: runs what was inserted if task_queue.execution is inline.';

CREATE TRIGGER task_after_insert
	AFTER INSERT ON task
	FOR EACH STATEMENT EXECUTE FUNCTION _task_after_insert();

CREATE TRIGGER task_before_apply
	BEFORE INSERT OR UPDATE ON task
	FOR EACH ROW EXECUTE FUNCTION _task_before_apply();
ALTER TABLE task ENABLE REPLICA TRIGGER task_before_apply;
