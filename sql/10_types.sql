-- Types of the public interface. Set-returning functions return named composites, so that columns can be added at their end.

CREATE TYPE retry_policy AS (
	initial_interval interval,
	backoff_coefficient float8,
	maximum_interval interval,
	maximum_attempts int,
	non_retryable_error_kinds text[],
	jitter float8
);
COMMENT ON TYPE retry_policy IS
'When and how often a failed task runs again. Fields: initial_interval (delay after the first failure), backoff_coefficient, maximum_interval (cap; zero or less: none), maximum_attempts (executions in all; zero or less: unlimited), non_retryable_error_kinds (kinds, SQLSTATEs or their two-character classes), jitter (0 <= jitter < 1). Made by retry_policy(); a NULL field counts as the default of that function.';

CREATE TYPE task_error AS (
	kind text,
	message text,
	retryable boolean,
	sqlstate text,
	detail text,
	hint text,
	context text
);
COMMENT ON TYPE task_error IS
'Why an attempt failed. kind is handler for an ordinary SQL error, one of the reserved kinds (decode, arg_count, arg_type, unknown_handler, panic, terminated, deadline, timeout, lease_lost) or the text given to raise_error() or fail().';

CREATE TYPE handler_description AS (
	name text,
	kind text,
	arg_names text[],
	arg_types regtype[],
	required_args int,
	has_result boolean,
	result_type regtype
);
COMMENT ON TYPE handler_description IS 'What describe() returns: how a function would be registered as a handler.';

CREATE TYPE task_outcome AS (
	state text,
	result jsonb,
	error task_error,
	error_kind text,
	error_message text
);
COMMENT ON TYPE task_outcome IS 'What wait() returns: the state of a task and, once it has ended, its result or its error.';

CREATE TYPE drained_task AS (
	task_id bigint,
	handler text,
	state text,
	error task_error,
	error_kind text,
	error_message text
);
COMMENT ON TYPE drained_task IS 'What drain() returns for each execution: the task, and its state and error after it.';

CREATE TYPE running_task AS (
	task_id bigint,
	handler text,
	queue text,
	attempt int,
	deadline timestamptz,
	target text,
	worker text,
	trace_ctx jsonb,
	dag_id text,
	step_id text,
	enqueued_at timestamptz,
	maximum_attempts int,
	labels text[],
	fire_time timestamptz
);
COMMENT ON TYPE running_task IS 'What current_task() returns inside a handler.';

CREATE TYPE dequeued_task AS (
	task_id bigint,
	lease_token bigint,
	handler text,
	args jsonb,
	attempt int,
	deadline timestamptz,
	lease_until timestamptz,
	target text,
	trace_ctx jsonb,
	dag_id text,
	step_id text,
	queue text,
	labels text[],
	maximum_attempts int,
	enqueued_at timestamptz
);
COMMENT ON TYPE dequeued_task IS 'What dequeue() hands to an external worker.';

CREATE TYPE held_task AS (
	task_id bigint,
	lease_token bigint,
	lease_until timestamptz,
	cancel_requested boolean
);
COMMENT ON TYPE held_task IS 'What heartbeat() returns for each task that the worker still holds.';

CREATE TYPE health_finding AS (
	severity text,
	check_name text,
	message text,
	hint text
);
COMMENT ON TYPE health_finding IS 'What health() returns: severity is info, warning or error; no row of severity error means healthy.';
