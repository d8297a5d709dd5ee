-- External tasks within one transaction: enqueued, handed out and reported on before anybody else sees them.
SET search_path = task_queue, public;
BEGIN;
SELECT register_external('own'), create_queue('own_limited', max_running => 1), register_external('own_limited', queue => 'own_limited');
SELECT count(*) FROM enqueue_many('own', ARRAY['[1]', '[2]', '[3]']::jsonb[]);
SELECT enqueue('own', '["urgent"]', priority => -1) > 0 AND enqueue('own', '["later"]', delay => '1 h') > 0
	AND enqueue('own', '["elsewhere"]', target => 'gpu') > 0 AS ok;
SELECT args FROM dequeue(handlers => '{own}');
SELECT args FROM dequeue(handlers => '{own}', max_tasks => 2, worker => 'own worker');
SELECT args FROM dequeue(handlers => '{own}', max_tasks => 9);
SELECT args FROM dequeue(handlers => '{own}', max_tasks => 9);
SELECT args FROM dequeue(handlers => '{own}', max_tasks => 9, claims => '{gpu}');
SELECT count(*) FROM heartbeat('own worker');
-- a limit holds
SELECT count(*) FROM enqueue_many('own_limited', ARRAY['[1]', '[2]']::jsonb[]);
SELECT args FROM dequeue('own_limited', max_tasks => 9, handlers => '{own_limited}');
SELECT args FROM dequeue('own_limited', max_tasks => 9, handlers => '{own_limited}');
SELECT state, count(*) FROM tasks GROUP BY state ORDER BY state;
-- what is undone was not handed out
SAVEPOINT s;
SELECT enqueue('own', '["undone"]') AS id \gset
ROLLBACK TO s;
SELECT args FROM dequeue(handlers => '{own}');
ROLLBACK;
SELECT count(*) FROM tasks;

-- what was reported is over
BEGIN;
SELECT register_external('own');
SELECT enqueue('own') AS id \gset
SELECT lease_token AS token FROM dequeue(worker => 'own worker', handlers => '{own}') \gset
SELECT state, attempt, worker FROM tasks;
SELECT complete(:id, :token, '{"a": 1}'), await(:id);
SELECT state, attempt, worker FROM tasks;
SELECT count(*) FROM heartbeat('own worker');
SELECT enqueue('own') AS id \gset
SELECT lease_token AS token FROM dequeue(worker => 'own worker', handlers => '{own}') \gset
SELECT fail(:id, :token, 'odd', 'message');
SELECT state, attempt, worker FROM tasks WHERE task_id = :id;
SELECT count(*) FROM heartbeat('own worker');
SELECT alter_task(:id, priority => 3), cancel(:id);
SELECT state, attempt, priority FROM tasks WHERE task_id = :id;
-- a cancel that is not committed yet is known here
SELECT max(id) AS id FROM enqueue_many('own', ARRAY[NULL, NULL]::jsonb[]) AS id \gset
SELECT count(*) FROM dequeue(max_tasks => 2, worker => 'own worker', handlers => '{own}');
SAVEPOINT s;
SELECT cancel(:id);
SELECT task_id = :id AS canceled, cancel_requested FROM heartbeat('own worker');
ROLLBACK TO s;
SELECT task_id = :id AS canceled, cancel_requested FROM heartbeat('own worker');
SELECT delete_task(:id, force => true);
SELECT task_id = :id AS deleted, cancel_requested, complete(task_id, lease_token) FROM heartbeat('own worker');
SELECT task_id, state FROM tasks WHERE task_id = :id;
COMMIT;

-- a lease that was taken so is like any other
BEGIN;
SELECT enqueue('own') AS id \gset
SELECT lease_token AS token FROM dequeue(worker => 'own worker', handlers => '{own}') \gset
COMMIT;
SELECT count(*) FROM dequeue(handlers => '{own}');
SELECT state, attempt, worker FROM tasks WHERE task_id = :id;
SELECT complete(:id, :token), complete(:id, :token);
BEGIN;
SELECT enqueue('own') AS id \gset
SAVEPOINT s;
SELECT count(*) FROM dequeue(handlers => '{own}');
ROLLBACK TO s;
COMMIT;
SELECT task_id = :id AS again, attempt, lease_token AS token FROM dequeue(handlers => '{own}') \gset
SELECT :'again', :attempt, complete(:id, :token);

DELETE FROM task;
DELETE FROM history;
DELETE FROM attempt;
SELECT unregister_handler('own');
