-- Retry policies through SQL: delays and decisions, one row per deviation.
SET search_path = task_queue, public;

CREATE TEMP TABLE delays (policy retry_policy, attempt int, expected bigint);
INSERT INTO delays VALUES
	(retry_policy('1 s', 2, '1 min'), -1, 0),
	(retry_policy('1 s', 2, '1 min'), 0, 0),
	(retry_policy('1 s', 2, '1 min'), 1, 1000000),
	(retry_policy('1 s', 2, '1 min'), 3, 4000000),
	(retry_policy('1 s', 2, '1 min'), 5, 16000000),
	(retry_policy('1 s', 2, '1 min'), 7, 60000000),
	(retry_policy('1 s', 2, '1 min'), 65, 60000000),
	(retry_policy('1 s', 2, '1 min'), 1073741824, 60000000),
	(retry_policy('0', 0, '0'), 1, 0),
	(retry_policy('0', 0, '0'), 100, 0),
	(retry_policy('1 s', 2, '1 h'), 1, 1000000),
	(retry_policy('1 s', 2, '1 h'), 3, 4000000),
	(retry_policy('1 s', 2, '1 h'), 5, 16000000),
	(retry_policy('1 s', 2, '1 h'), 13, 3600000000),
	(retry_policy('1 s', 10, '3 s'), 1, 1000000),
	(retry_policy('1 s', 10, '3 s'), 10, 3000000),
	(retry_policy('1 s', 2, '0'), 30, 536870912000000),
	(retry_policy('1 s', 2, '0'), 35, 9223372036854775),
	(retry_policy('1 s', 2, '0'), 1025, 9223372036854775),
	(retry_policy('0', 2, '1 min'), 3, 0),
	(retry_policy('-1 s', 2, '1 min'), 3, 0),
	(retry_policy('1 s', 0, '1 min'), 5, 1000000),
	(retry_policy('1 s', -3, '1 min'), 2, 1000000),
	(retry_policy('1 s', 1, '1 min'), 1, 1000000),
	(retry_policy('1 s', 1, '1 min'), 100000, 1000000),
	(retry_policy('1 s', 0.5, '0'), 2, 500000),
	(retry_policy('1 s', 0.5, '0'), 4, 125000),
	(retry_policy('1 s', 0.5, '0'), 31, 0),
	(retry_policy('1 s', 1.5, '1 min'), 3, 2250000),
	(retry_policy('1 s', 1.5, '1 min'), 5, 5062500),
	(retry_policy('1 s', 1.5, '1 min'), 12, 60000000),
	(retry_policy('100 ms', 1.1, '0'), 2, 110000),
	(retry_policy('100 ms', 1.1, '0'), 4, 133100),
	(retry_policy('3 s', 3, '100 s'), 1, 3000000),
	(retry_policy('3 s', 3, '100 s'), 3, 27000000),
	(retry_policy('3 s', 3, '100 s'), 5, 100000000),
	(retry_policy('10 s', 2, '5 s'), 2, 5000000),
	(retry_policy('1 s', 2, '8 s'), 4, 8000000),
	(retry_policy('1 s', 2, '-1 us'), 1, 1000000),
	(retry_policy('1 s', 2, '-1 us'), 40, 9223372036854775),
	(retry_policy('1 h', 1e10, '24 h'), 2, 86400000000),
	(retry_policy('1 h', 'Infinity', '0'), 1, 3600000000),
	(retry_policy('1 h', 'Infinity', '0'), 5, 9223372036854775),
	(retry_policy('1 h', 'Infinity', '24 h'), 2, 86400000000),
	(retry_policy('1 s', 'NaN', '0'), 1, 1000000),
	(retry_policy('1 s', 'NaN', '0'), 2, 9223372036854775),
	(retry_policy('9223372036854775 us', 1, '1 h'), 1, 3600000000),
	(retry_policy('9007199254740 us', 1, '0'), 1, 9007199254740),
	(retry_policy('50 ms', 2, '500 ms'), 2, 100000),
	(retry_policy('50 ms', 2, '500 ms'), 4, 400000),
	(retry_policy('500 ms', 2, '2 s'), 1, 500000),
	(retry_policy('500 ms', 2, '2 s'), 3, 2000000),
	-- days have 24 hours, months 30 days
	(retry_policy('1 month', 1, '0'), 1, 30 * 86400000000),
	(retry_policy('1 day', 1, '1 year'), 1, 86400000000);
SELECT count(*) FROM delays;
SELECT policy, attempt, expected, next_delay(policy, attempt) FROM delays
WHERE abs(extract(epoch FROM next_delay(policy, attempt)) * 1000000 - expected) > 1;

CREATE TEMP TABLE decisions (maximum_attempts int, kinds text[], error task_error, attempt int, expected boolean);
INSERT INTO decisions VALUES
	(5, '{}', NULL, 0, false),
	(5, '{}', task_error('handler', '', true), 0, true),
	(5, '{}', task_error('handler', '', true), 4, true),
	(5, '{}', task_error('handler', '', true), 5, false),
	(5, '{}', task_error('handler', '', true), 6, false),
	(1, '{}', task_error('handler', '', true), 0, true),
	(1, '{}', task_error('handler', '', true), 1, false),
	(0, '{}', task_error('handler', '', true), 0, true),
	(-1, '{}', task_error('handler', '', true), 2147483647, true),
	(5, '{}', task_error('handler', '', false), 1, false),
	(5, '{}', task_error('handler'), 1, false),
	(0, '{auth}', task_error('handler', '', true), 1, true),
	(0, '{auth}', task_error('auth', '', true), 1, false),
	(5, '{validation,auth}', task_error('validation', '', true), 0, false),
	(5, '{validation,auth}', task_error('Validation', '', true), 0, true),
	(5, '{validation,auth}', task_error('handler', '', true), 0, true),
	(5, '{}', task_error('', '', true), 0, true),
	(5, '{NULL}', task_error('', '', true), 0, true),
	(2, '{auth}', task_error('auth', '', true), 1, false),
	(2, '{auth}', task_error('handler', '', true), 1, true),
	(5, '{}', task_error('panic'), 1, false),
	-- SQLSTATEs and their classes
	(5, '{23505}', ROW('handler', '', true, '23505', NULL, NULL, NULL)::task_error, 1, false),
	(5, '{23}', ROW('handler', '', true, '23505', NULL, NULL, NULL)::task_error, 1, false),
	(5, '{2350}', ROW('handler', '', true, '23505', NULL, NULL, NULL)::task_error, 1, true),
	(5, '{22}', ROW('handler', '', true, '23505', NULL, NULL, NULL)::task_error, 1, true),
	-- nothing known about the error
	(5, '{}', ROW(NULL, NULL, NULL, NULL, NULL, NULL, NULL)::task_error, 1, false),
	(5, '{}', ROW(NULL, NULL, true, NULL, NULL, NULL, NULL)::task_error, 1, true);
SELECT count(*) FROM decisions;
SELECT *, should_retry(retry_policy(maximum_attempts => maximum_attempts, non_retryable_error_kinds => kinds), error, attempt)
FROM decisions
WHERE should_retry(retry_policy(maximum_attempts => maximum_attempts, non_retryable_error_kinds => kinds), error, attempt)
	IS DISTINCT FROM expected;

-- what the constructors make
SELECT * FROM retry_policy();
SELECT retry_policy() = default_retry_policy() AS default_is_default;
SELECT * FROM no_retry_policy();
SELECT * FROM retry_policy(NULL, NULL, NULL, NULL, NULL, NULL);
SELECT * FROM task_error('k');
SELECT * FROM task_error('k', NULL, NULL);

-- a policy that is null, or fields of it, count as the default
SELECT next_delay(NULL, 3), should_retry(NULL, task_error('x', '', true), 4), should_retry(NULL, task_error('x', '', true), 5);
SELECT next_delay(ROW(NULL, 3, NULL, NULL, NULL, NULL), 2), next_delay(ROW(NULL, NULL, NULL, NULL, NULL, NULL), 100);

-- refused
\set VERBOSITY terse
SELECT retry_policy(jitter => 1);
SELECT retry_policy(jitter => -0.1);
SELECT retry_policy(jitter => 'NaN');
SELECT (retry_policy(jitter => 0.999)).jitter;
SELECT next_delay(retry_policy(), NULL);
SELECT should_retry(retry_policy(), task_error('x'), NULL);
SELECT task_error(NULL);

-- usable in an index or a generated column
SELECT proname, provolatile, proparallel FROM pg_catalog.pg_proc
WHERE pronamespace = 'task_queue'::regnamespace
	AND proname IN ('retry_policy', 'default_retry_policy', 'no_retry_policy', 'next_delay', 'should_retry', 'task_error')
ORDER BY 1;
