-- enqueue() and enqueue_many(): what their options do, and what they refuse.
SET search_path = task_queue, public;
CREATE SCHEMA tq_enqueue;
CREATE FUNCTION tq_enqueue.two(a int, b text DEFAULT 'b') RETURNS text LANGUAGE sql AS 'SELECT a || b';
CREATE FUNCTION tq_enqueue.none() RETURNS void LANGUAGE sql AS '';
SELECT register_handler('tq_enqueue.two(int, text)');
SELECT register_handler('tq_enqueue.none()', aliases => '{tq_enqueue.nothing}');
SELECT create_queue('tq_low');
SELECT register_external('tq_enqueue.mail', queue => 'tq_low');

-- what a row holds when nothing is given
CREATE TEMP VIEW new_tasks AS
	SELECT task_id - lag(task_id) OVER (ORDER BY task_id) AS step, handler, queue, args, priority, state,
		attempt, gen, enqueuer = CURRENT_USER::regrole AS mine, run_at = enqueued_at AS run_now, (SELECT kind FROM lane WHERE id = t.lane LIMIT 1) AS lane_kind,
		num_nulls(deadline, timeout, t.retry_policy, target, reply_to, trace_ctx, labels, unique_key, on_conflict, order_key,
			limit_key, dag_key, step_no, fire_time, started_at, worker, claimed_by, lease_token, lease_until) AS nulls
	FROM task AS t;
SELECT enqueue('tq_enqueue.two', '[1, "x"]') > 0 AS ok;
SELECT enqueue('tq_enqueue.none') > 0 AS ok;
SELECT enqueue('tq_enqueue.nothing', NULL, NULL, NULL) > 0 AS ok;
SELECT enqueue('tq_enqueue.two', '{"a": 1}') > 0 AS ok;
SELECT enqueue('tq_enqueue.mail', '{"to": "x"}') > 0 AS ok;
SELECT enqueue('tq_enqueue.mail', queue => 'default') > 0 AS ok;
SELECT * FROM new_tasks;
DELETE FROM task;

-- all options
SELECT enqueue('tq_enqueue.none', '[]', 'tq_low', -7, deadline => '2030-01-01 UTC', timeout => '1 min', retry_policy => no_retry_policy(),
	target => 'gpu', reply_to => repeat('r', 63), trace_ctx => '{"traceparent": "00"}', labels => '{b,NULL,a,b,c,a}') > 0 AS ok;
SELECT queue, priority, deadline = '2030-01-01 UTC' AS deadline, timeout, t.retry_policy, target, length(reply_to) AS reply_to, trace_ctx, labels
FROM task AS t;
DELETE FROM task;

-- when
SELECT enqueue('tq_enqueue.none', run_at => clock_timestamp() + interval '1 h') > 0 AS scheduled;
SELECT enqueue('tq_enqueue.none', run_at => clock_timestamp() - interval '1 h') > 0 AS past;
SELECT enqueue('tq_enqueue.none', run_at => '-infinity') > 0 AS past;
SELECT enqueue('tq_enqueue.none', run_at => 'infinity') > 0 AS scheduled;
SELECT enqueue('tq_enqueue.none', delay => '1 h') > 0 AS scheduled;
SELECT enqueue('tq_enqueue.none', delay => '0') > 0 AS ready;
SELECT enqueue('tq_enqueue.none', delay => '100000 years') > 0 AS scheduled;
SELECT enqueue('tq_enqueue.none', deadline => '2000-01-01', timeout => '0', labels => '{}') > 0 AS late_but_accepted;
SELECT state, run_at < enqueued_at AS past, run_at > enqueued_at AS future,
	CASE WHEN isfinite(run_at) AND run_at < '3000-01-01' THEN date_trunc('hour', run_at - enqueued_at + interval '1 s') ELSE NULL END AS distance
FROM task ORDER BY task_id;
DELETE FROM task;

-- the clock is read for each task, not for each transaction
BEGIN;
SELECT enqueue('tq_enqueue.none') > 0 AS ok;
SELECT enqueued_at > now() AS later_than_now FROM task;
ROLLBACK;

-- many
SELECT count(*), max(id) - min(id) AS distance, bool_and(ordered) AS ordered
FROM (SELECT id, id > lag(id, 1, 0::bigint) OVER (ORDER BY ordinality) AS ordered
	FROM enqueue_many('tq_enqueue.two', ARRAY['[1]', '[2, "y"]', '{"a": 3}']::jsonb[], priority => 2, labels => '{x,x}') WITH ORDINALITY AS e(id)) AS e;
SELECT args, priority, labels FROM task ORDER BY task_id;
DELETE FROM task;
SELECT count(enqueue_many) FROM enqueue_many('tq_enqueue.none', ARRAY[NULL, '[]', 'null']::jsonb[], delay => '1 day');
SELECT args, state FROM task ORDER BY task_id;
DELETE FROM task;
SELECT * FROM enqueue_many('tq_enqueue.none', '{}');
SELECT count(*) FROM (SELECT enqueue_many('tq_enqueue.none', ARRAY[NULL, NULL]::jsonb[])) AS e;
DELETE FROM task;

-- refused, each with its code
CREATE FUNCTION pg_temp.refuse(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'SELECT ' || call;
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
SELECT call, pg_temp.refuse(call) FROM unnest(ARRAY[
	$$enqueue(NULL)$$,
	$$enqueue('tq_enqueue.non')$$,
	$$enqueue('')$$,
	$$enqueue('tq_enqueue.two')$$,
	$$enqueue('tq_enqueue.two', '["wrong", 1]')$$,
	$$enqueue('tq_enqueue.two', '"x"')$$,
	$$enqueue('tq_enqueue.none', queue => 'tq_lo')$$,
	$$enqueue('tq_enqueue.none', queue => '')$$,
	$$enqueue('tq_enqueue.none', run_at => now(), delay => '0')$$,
	$$enqueue('tq_enqueue.none', delay => '-1 us')$$,
	$$enqueue('tq_enqueue.none', timeout => '-1 us')$$,
	$$enqueue('tq_enqueue.none', target => '')$$,
	$$enqueue('tq_enqueue.none', reply_to => '')$$,
	$$enqueue('tq_enqueue.none', reply_to => repeat('x', 64))$$,
	$$enqueue('tq_enqueue.none', trace_ctx => '[]')$$,
	$$enqueue('tq_enqueue.none', trace_ctx => 'null')$$,
	$$enqueue('tq_enqueue.none', labels => '{a,""}')$$,
	$$enqueue('tq_enqueue.none', labels => '{{a},{b}}')$$,
	$$enqueue('tq_enqueue.none', retry_policy => ROW(NULL, NULL, NULL, NULL, NULL, 1))$$,
	$$enqueue('tq_enqueue.none', unique_key => 'k')$$,
	$$enqueue('tq_enqueue.none', on_conflict => 'k')$$,
	$$enqueue('tq_enqueue.none', order_key => 'k')$$,
	$$enqueue('tq_enqueue.none', limit_key => 'k')$$,
	$$enqueue_many(NULL, '{}')$$,
	$$enqueue_many('tq_enqueue.non', '{}')$$,
	$$enqueue_many('tq_enqueue.none', NULL)$$,
	$$enqueue_many('tq_enqueue.none', '{{"1"},{"2"}}')$$,
	$$enqueue_many('tq_enqueue.two', '{"[1]","[\"x\"]"}')$$,
	$$enqueue_many('tq_enqueue.none', '{}', queue => 'nope')$$,
	$$enqueue_many('tq_enqueue.none', '{}', delay => '-1 s')$$,
	$$enqueue_many('tq_enqueue.none', '{}', on_conflict => 'k')$$,
	$$enqueue_many('tq_enqueue.none', '{}', limit_key => 'k')$$
]) AS call;
SELECT count(*) FROM task;
SELECT enqueue('tq_enqueue.none', queue => 'tq_lo');

-- the queue of a handler may be gone
SELECT drop_queue('tq_low');
SELECT enqueue('tq_enqueue.mail');
SELECT enqueue('tq_enqueue.mail', queue => 'default') > 0 AS ok;
DELETE FROM task;

-- a function that is gone cannot be called; made anew it can
DROP FUNCTION tq_enqueue.none();
SELECT enqueue('tq_enqueue.none');
CREATE FUNCTION tq_enqueue.none() RETURNS void LANGUAGE sql AS '';
SELECT enqueue('tq_enqueue.none') > 0 AS ok;
SELECT unregister_handler('tq_enqueue.none');
SELECT enqueue('tq_enqueue.none');
DELETE FROM task;

-- nothing is written in a read-only transaction
BEGIN READ ONLY;
SELECT enqueue('tq_enqueue.two', '[1]');
ROLLBACK;

SELECT unregister_handler('tq_enqueue.two'), unregister_handler('tq_enqueue.mail');
SET client_min_messages = warning;
DROP SCHEMA tq_enqueue CASCADE;
