-- Handlers: what tasks call.

CREATE FUNCTION register_handler(
	function regprocedure,
	name text DEFAULT NULL,
	aliases text[] DEFAULT NULL,
	queue text DEFAULT 'default',
	retry_policy task_queue.retry_policy DEFAULT NULL,
	timeout interval DEFAULT NULL,
	keep_done interval DEFAULT NULL,
	batch_size int DEFAULT 1,
	or_replace boolean DEFAULT false)
RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000
AS 'MODULE_PATHNAME', 'tq_register_handler';
COMMENT ON FUNCTION register_handler(regprocedure, text, text[], text, task_queue.retry_policy, interval, interval, int, boolean) IS
'Makes a function or procedure a handler that tasks can name; returns the name, which is canonical_name(function) unless given. A function runs in one transaction with the completion of its task; a procedure may COMMIT. aliases are further names, for tasks enqueued under an old one. timeout is per attempt, zero is none; keep_done is how long a done task stays readable, zero leaves no row; batch_size lets a worker run that many tasks of a function in one transaction. or_replace replaces function, aliases and options of that name as a whole. Administrators only (42501). Raises 42710 for a name that is taken, 22023 for a function that cannot be a handler or a bad option, 42704 for an unknown queue. Example: SELECT task_queue.register_handler(''public.send_mail(text,text)'', timeout => ''1 min'', or_replace => true);';

CREATE FUNCTION register_external(
	name text,
	arg_types regtype[] DEFAULT NULL,
	aliases text[] DEFAULT NULL,
	queue text DEFAULT 'default',
	retry_policy task_queue.retry_policy DEFAULT NULL,
	timeout interval DEFAULT NULL,
	keep_done interval DEFAULT NULL,
	or_replace boolean DEFAULT false)
RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000
AS 'MODULE_PATHNAME', 'tq_register_external';
COMMENT ON FUNCTION register_external(text, regtype[], text[], text, task_queue.retry_policy, interval, interval, boolean) IS
'Makes a name a handler whose tasks clients run, with dequeue() and complete(). With arg_types the arguments of a task are an array of exactly that many values that fit these types; without, any array or object. The other options and the errors are those of register_handler(). Example: SELECT task_queue.register_external(''resize'', ''{text,int,int}'');';

CREATE FUNCTION unregister_handler(name text)
RETURNS boolean
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000
AS 'MODULE_PATHNAME', 'tq_unregister_handler';
COMMENT ON FUNCTION unregister_handler(text) IS
'Removes a handler with its aliases: true; false if no handler has that main name. Waiting tasks stay, and fail with kind unknown_handler when they come to run, unless the name is registered again before. Administrators only (42501).';

CREATE FUNCTION canonical_name(function regprocedure)
RETURNS text
LANGUAGE C STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'tq_canonical_name';
COMMENT ON FUNCTION canonical_name(regprocedure) IS
'The name under which register_handler() registers a function by default: schema.function, not quoted, without argument types, whatever search_path is.';

CREATE FUNCTION describe(function regprocedure)
RETURNS SETOF task_queue.handler_description
LANGUAGE C STABLE PARALLEL SAFE ROWS 1
AS 'MODULE_PATHNAME', 'tq_describe';
COMMENT ON FUNCTION describe(regprocedure) IS
'How a function would be registered: name, kind (function or procedure), names (NULL: unnamed) and types of its parameters, how many of them must be given, and the type of its result (NULL for void functions and procedures). Raises 22023 for a function that cannot be a handler. Example: SELECT * FROM task_queue.describe(''public.send_mail(text,text)'');';

CREATE FUNCTION validate_args(handler text, args jsonb)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000
AS 'MODULE_PATHNAME', 'tq_validate_args';
COMMENT ON FUNCTION validate_args(text, jsonb) IS
'Checks arguments as enqueue() does: their number, names, and whether each value fits its parameter. No user code runs but type input functions; domain CHECKs and defaults wait until the run. Raises 42883 for an unknown handler, TQ001 for wrong number or names, TQ002 for a value that does not fit, TQ003 for args that are neither array nor object. Example: SELECT task_queue.validate_args(''public.send_mail'', ''["a@example.org", "hello"]'');';

CREATE FUNCTION call_handler(handler text, args jsonb DEFAULT '[]')
RETURNS jsonb
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000
AS 'MODULE_PATHNAME', 'tq_call_handler';
COMMENT ON FUNCTION call_handler(text, jsonb) IS
'Runs a handler here and now, as a worker would map its arguments and its result, in the caller''s transaction and with the caller''s rights, without a task. NULL for a handler without result. Errors pass to the caller; what raise_error() raised arrives as TQ004 with DETAIL = kind. Raises 42883 for an unknown handler, TQ001, TQ002 and TQ003 as validate_args() does, 55000 for an external handler. Example: SELECT task_queue.call_handler(''public.send_mail'', ''["a@example.org", "hello"]'');';

CREATE FUNCTION raise_error(
	kind text,
	message text,
	retryable boolean DEFAULT false,
	retry_in interval DEFAULT NULL,
	detail text DEFAULT NULL,
	hint text DEFAULT NULL)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000
AS 'MODULE_PATHNAME', 'tq_raise_error';
COMMENT ON FUNCTION raise_error(text, text, boolean, interval, text, text) IS
'Inside a handler: ends the attempt with an error of that kind and message. Final unless retryable; retry_in then replaces the delay that the retry policy gives. Raises TQ004 with DETAIL = kind; a handler that catches it goes on as if nothing was raised. Example: PERFORM task_queue.raise_error(''validation'', ''no such customer'');';
