-- complete(), complete_many(), fail(), release(), heartbeat(): what the owner of a task can do, and nobody else.
SET client_min_messages = warning;
SELECT task_queue.create_queue('wr', retry_policy => task_queue.retry_policy('0', maximum_attempts => 2));
SELECT task_queue.register_external('wr.job', queue => 'wr');
CREATE ROLE wr_one;
CREATE ROLE wr_two;
GRANT USAGE ON SCHEMA task_queue TO wr_one, wr_two;
SELECT task_queue.grant_worker('wr_one', 'wr');
SELECT task_queue.grant_worker('wr_two', 'wr');
-- One task, dequeued; its id and token stay in psql variables t and k.
CREATE FUNCTION wr_take(worker text DEFAULT 'w', lease interval DEFAULT '1 min') RETURNS TABLE (t bigint, k bigint) LANGUAGE sql AS
	'SELECT task_id, lease_token FROM task_queue.dequeue(''wr'', worker => worker, lease => lease)';
CREATE FUNCTION wr_show(t bigint) RETURNS TABLE (state text, attempt int, worker text, result jsonb, error_kind text, error_message text) LANGUAGE sql AS
	'SELECT state, attempt, worker, result, error_kind, error_message FROM task_queue.tasks WHERE task_id = t';

-- complete: once, by the token only; a result of NULL is none.
SELECT count(*) FROM task_queue.enqueue_many('wr.job', ARRAY['[1]', '[2]']::jsonb[]);
SELECT * FROM wr_take() \gset
SELECT task_queue.complete(:t, 0) AS zero, task_queue.complete(:t, 1) AS one, task_queue.complete(:t, -:k) AS negative,
	task_queue.complete(:t, :k + 1) AS other, task_queue.complete(-1, :k) AS unknown;
SELECT * FROM wr_show(:t);
SELECT task_queue.complete(:t, :k, '{"sent": true}');
SELECT task_queue.complete(:t, :k), task_queue.fail(:t, :k), task_queue.release(:t, :k);
SELECT * FROM wr_show(:t);
SELECT task_queue.await(:t);
SELECT * FROM wr_take() \gset
SELECT task_queue.complete(:t, :k);
SELECT task_queue.await(:t) IS NULL AS no_result;
-- Nobody has dequeued it.
SELECT task_queue.enqueue('wr.job', '[3]') AS t \gset
SELECT task_queue.complete(:t, 0), task_queue.complete(:t, 123456), task_queue.fail(:t, 1), task_queue.release(:t, 99);
SELECT state FROM wr_show(:t);

-- fail: the policy decides; a stale owner never ends a later attempt.
SELECT * FROM wr_take('first') \gset
SELECT task_queue.fail(:t, :k, 'smtp', 'refused', detail => 'port 25');
SELECT task_queue.fail(:t, :k, 'smtp', 'refused');
SELECT task_queue.complete(:t, :k), task_queue.release(:t, :k);
SELECT * FROM wr_show(:t);
SELECT t = :t AS same, k <> :k AS new_token, :k AS old FROM wr_take('second') \gset
SELECT task_queue.complete(:t, :old);
SELECT task_queue.fail(:t, lease_token) FROM task_queue.heartbeat('second');
SELECT * FROM wr_show(:t);
SELECT attempt, worker, error_kind, error_message, (error).detail, (error).retryable FROM task_queue.attempts WHERE task_id = :t ORDER BY 1;
SELECT task_queue.await(:t);
-- not retryable; retry_in; requeued by hand
SELECT count(*) FROM task_queue.enqueue('wr.job', '[4]');
SELECT * FROM wr_take() \gset
SELECT task_queue.fail(:t, :k, retry_in => '1 h');
SELECT state, attempt FROM wr_show(:t);
SELECT run_at > now() + interval '50 min' AS later FROM task_queue.tasks WHERE task_id = :t;
SELECT task_queue.alter_task(:t, run_at => now());
SELECT * FROM wr_take() \gset
SELECT task_queue.fail(:t, :k, 'fatal', 'gone', false);
SELECT task_queue.requeue(:t) = :t AS requeued;
SELECT task_queue.complete(:t, :k), task_queue.fail(:t, :k);
SELECT attempt FROM task_queue.dequeue('wr', worker => 'w');
SELECT task_queue.complete(task_id, lease_token) FROM task_queue.heartbeat('w');

-- release: no attempt is cost, the token is good no more.
SELECT count(*) FROM task_queue.enqueue('wr.job', '[5]');
SELECT * FROM wr_take() \gset
SELECT task_queue.release(:t, :k);
SELECT * FROM wr_show(:t);
SELECT task_queue.release(:t, :k), task_queue.complete(:t, :k);
SELECT t = :t AS same, k AS k FROM wr_take() \gset
SELECT task_queue.release(:t, :k, delay => '1 h');
SELECT * FROM wr_show(:t);
SELECT task_queue.cancel(:t);

-- heartbeat: by name; what is missing is no longer the worker's.
SELECT count(*) FROM task_queue.enqueue_many('wr.job', ARRAY['[6]', '[7]', '[8]']::jsonb[]);
SELECT count(*) FROM task_queue.dequeue('wr', max_tasks => 2, worker => 'hb', lease => '10 s');
SELECT count(*) FROM task_queue.dequeue('wr', worker => 'hb2');
SELECT worker, pid, kind, state, tasks, handler, progress, message FROM task_queue.workers WHERE worker LIKE 'hb%' ORDER BY 1;
SELECT row_number() OVER (ORDER BY task_id), lease_until > now() + interval '50 min' AS extended, cancel_requested FROM task_queue.heartbeat('hb', '1 h');
SELECT lease_until < now() + interval '1 min' AS shortened FROM task_queue.heartbeat('hb');
SELECT * FROM task_queue.heartbeat('nobody');
SELECT * FROM task_queue.heartbeat(NULL);
SELECT * FROM task_queue.heartbeat('anonymous');
SELECT * FROM task_queue.heartbeat('db/1');
SELECT * FROM task_queue.heartbeat('hb', '0');
SELECT lease_until < now() + interval '1 min' AS by_default FROM task_queue.heartbeat('hb', NULL);

-- cancel of a task in a worker's hands: complete is honoured, the rest ends as canceled.
SELECT min(task_id) AS t, max(task_id) AS u FROM task_queue.heartbeat('hb') \gset
SELECT task_queue.cancel(:t, 'too slow'), task_queue.cancel(:u, 'too slow');
SELECT cancel_requested FROM task_queue.heartbeat('hb');
SELECT state FROM wr_show(:t);
SELECT task_queue.complete(task_id, lease_token, '"done"') FROM task_queue.heartbeat('hb') WHERE task_id = :t;
SELECT state, result FROM wr_show(:t);
SELECT task_queue.fail(task_id, lease_token) FROM task_queue.heartbeat('hb');
SELECT state, cancel_reason FROM task_queue.tasks WHERE task_id = :u;
SELECT task_queue.cancel(task_id) FROM task_queue.heartbeat('hb2');
SELECT task_id AS t, task_queue.release(task_id, lease_token) AS released FROM task_queue.heartbeat('hb2') \gset
SELECT state FROM wr_show(:t);

-- Whose leases: those of roles that the caller is a member of, in queues that it may serve.
SELECT count(*) FROM task_queue.enqueue('wr.job', '[9]');
SET ROLE wr_one;
SELECT task_id AS t, lease_token AS k FROM task_queue.dequeue(worker => 'shared') \gset
SET ROLE wr_two;
SELECT * FROM task_queue.heartbeat('shared');
SELECT task_queue.complete(:t, :k), task_queue.fail(:t, :k), task_queue.release(:t, :k);
SELECT count(*) FROM task_queue.complete_many(ARRAY[:t], ARRAY[:k]);
RESET ROLE;
SELECT task_queue.revoke_worker('wr_one');
SELECT task_queue.create_queue('wr2');
SELECT task_queue.grant_worker('wr_one', 'wr2');
SET ROLE wr_one;
SELECT task_queue.complete(:t, :k);
SELECT * FROM task_queue.heartbeat('shared');
RESET ROLE;
SELECT task_queue.grant_worker('wr_one');
SET ROLE wr_one;
SELECT task_queue.complete(:t, :k);
RESET ROLE;

-- complete_many: those that are the caller's, in the order given.
SELECT count(*) FROM task_queue.enqueue_many('wr.job', ARRAY['[10]', '[11]', '[12]', '[13]']::jsonb[]);
SELECT array_agg(task_id ORDER BY task_id DESC) AS ids, array_agg(lease_token ORDER BY task_id DESC) AS tokens
FROM task_queue.dequeue('wr', max_tasks => 4) \gset
SELECT count(*) FROM task_queue.complete_many(:'ids', '{1,2,3,4}');
WITH d AS (SELECT * FROM task_queue.complete_many((:'ids'::bigint[])[1:3] || (:'ids'::bigint[])[1:1], (:'tokens'::bigint[])[1:3] || (:'tokens'::bigint[])[1:1], ARRAY['1', NULL, '"x"', '2']::jsonb[]) WITH ORDINALITY AS d (id, n))
SELECT n, id = (:'ids'::bigint[])[n] AS same, (SELECT result FROM wr_show(id)) AS not_yet FROM d;
SELECT n, state, result FROM unnest(:'ids'::bigint[]) WITH ORDINALITY AS i (id, n), wr_show(id) ORDER BY n;
SELECT count(*) FROM task_queue.complete_many(:'ids', :'tokens');
SELECT * FROM task_queue.complete_many('{}', '{}');
SELECT * FROM task_queue.complete_many('{1,2}', '{1}');
SELECT * FROM task_queue.complete_many('{1,2}', '{1,2}', '{1}');
SELECT * FROM task_queue.complete_many('{{1,2}}', '{{1,2}}');
SELECT * FROM task_queue.complete_many('{1,NULL}', '{1,2}');
SELECT * FROM task_queue.complete_many(NULL, '{1,2}');
SELECT * FROM task_queue.complete_many('{1,2}', NULL);
SELECT task_queue.complete(NULL, 1);
SELECT task_queue.complete(1, NULL);
SELECT task_queue.fail(1, 1, retry_in => '-1 s');
SELECT task_queue.release(1, 1, '-1 s');

-- Transactions. What is rolled back did not happen: neither a dequeue ...
SELECT count(*) FROM task_queue.enqueue('wr.job', '[20]');
BEGIN;
SELECT * FROM wr_take() \gset
SELECT count(*) FROM task_queue.heartbeat('w');
ROLLBACK;
SELECT count(*) FROM task_queue.heartbeat('w');
BEGIN;
SAVEPOINT s;
SELECT attempt, args FROM task_queue.dequeue('wr', worker => 'w');
ROLLBACK TO s;
SELECT attempt, args FROM task_queue.dequeue('wr', worker => 'w');
SELECT task_id AS t, lease_token AS k FROM task_queue.heartbeat('w') \gset
SAVEPOINT s2;
-- ... nor a report; and both in one transaction are fine.
SELECT task_queue.complete(:t, :k);
SELECT task_queue.complete(:t, :k);
ROLLBACK TO s2;
SELECT task_queue.fail(:t, :k);
SELECT task_queue.complete(:t, :k);
ROLLBACK TO s2;
COMMIT;
SELECT task_id = :t AS same FROM task_queue.heartbeat('w');
BEGIN;
SELECT task_queue.fail(:t, :k);
ROLLBACK;
SELECT count(*) FROM task_queue.dequeue('wr');
BEGIN;
SELECT task_queue.complete(:t, :k);
ROLLBACK;
SELECT task_queue.complete(:t, :k);
SELECT count(*) FROM task_queue.enqueue('wr.job', '[21]');
BEGIN;
SELECT task_queue.complete(t, k) FROM wr_take();
COMMIT;
SELECT args, state FROM task_queue.tasks WHERE queue = 'wr' AND args = '[21]';
-- Prepared transactions: what happened in memory could not follow them.
SELECT count(*) FROM task_queue.enqueue('wr.job', '[22]');
BEGIN;
SELECT count(*) FROM task_queue.dequeue('wr');
PREPARE TRANSACTION 'wr';
SELECT * FROM wr_take() \gset
BEGIN;
SELECT task_queue.complete(:t, :k);
PREPARE TRANSACTION 'wr';
SELECT task_queue.complete(:t, :k);

-- A lease that ran out is a failed attempt; who waits gets the task.
SELECT count(*) FROM task_queue.enqueue('wr.job', '[30]');
SELECT * FROM wr_take('gone', '1 ms') \gset
SELECT attempt, args FROM task_queue.dequeue('wr', wait => '10 s', worker => 'next');
SELECT attempt, worker, error_kind FROM task_queue.attempts WHERE task_id = :t;
SELECT task_queue.complete(:t, :k), task_queue.fail(:t, :k), task_queue.release(:t, :k);
SELECT task_queue.complete(task_id, lease_token) FROM task_queue.heartbeat('next');
-- It ends with the deadline of the task, or the timeout of the attempt.
SELECT task_queue.enqueue('wr.job', '[31]', deadline => clock_timestamp() + interval '1 s') AS t \gset
SELECT lease_until = deadline AS cut FROM task_queue.dequeue('wr', worker => 'limited');
SELECT lease_until < now() + interval '2 s' AS cut FROM task_queue.heartbeat('limited', '1 h');
SELECT task_queue.enqueue('wr.job', '[32]', timeout => '1 s', retry_policy => task_queue.no_retry_policy()) AS u \gset
SELECT lease_until < now() + interval '2 s' AS cut FROM task_queue.dequeue('wr', worker => 'limited');
SELECT * FROM task_queue.dequeue('wr', wait => '1.5 s');
SELECT * FROM task_queue.dequeue('wr');
SELECT args, state, attempt, error_kind, worker FROM task_queue.tasks WHERE task_id IN (:t, :u) ORDER BY 1;
SELECT * FROM task_queue.heartbeat('limited');

SELECT count(*) FROM task_queue.tasks WHERE queue = 'wr' AND finished_at IS NULL;
SELECT task_queue.unregister_handler('wr.job');
DROP FUNCTION wr_take, wr_show;
SELECT task_queue.revoke_worker('wr_one'), task_queue.revoke_worker('wr_two');
REVOKE USAGE ON SCHEMA task_queue FROM wr_one, wr_two;
DROP ROLE wr_one, wr_two;
