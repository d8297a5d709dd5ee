-- cancel, alter_task, requeue, delete_task of tasks that nobody runs. Each
-- step says what the task looks like afterwards.
SET client_min_messages = warning;
ALTER SEQUENCE task_queue.task_task_id_seq RESTART 7100001;
CREATE SCHEMA control_cancel;
CREATE FUNCTION control_cancel.add(a int, b int DEFAULT 1) RETURNS int LANGUAGE sql AS 'SELECT a + b';
SELECT task_queue.register_handler('control_cancel.add(int, int)'::regprocedure, name => 'cc.add', aliases => '{cc.plus}');
SELECT task_queue.register_external('cc.ext', arg_types => '{int}');
SELECT task_queue.create_queue('cc_other');
SET task_queue.execution = manual;

-- cancel: at once, once
SELECT task_queue.enqueue('cc.add', '[1]', labels => '{a}') AS t \gset
SELECT task_queue.cancel(:t, 'changed my mind');
SELECT task_queue.cancel(:t, 'again');
SELECT handler, state, attempt, cancel_reason, started_at IS NULL AS never_started, finished_at >= enqueued_at AS finished
FROM task_queue.tasks WHERE task_id = :t;
SELECT task_queue.await(:t);
SELECT * FROM task_queue.wait(:t);
SELECT task_queue.get_task(:t) ->> 'cancel_reason' AS reason, task_queue.get_task(:t) -> 'attempts' AS attempts;
SELECT task_queue.cancel(task_queue.enqueue('cc.add', '[1]', delay => '1 h'));
SELECT task_queue.cancel(-1);
SELECT task_queue.cancel(NULL);

-- gone at rollback, also of a savepoint
SELECT task_queue.enqueue('cc.add', '[1]') AS u \gset
BEGIN;
SAVEPOINT s;
SELECT task_queue.cancel(:u);
ROLLBACK TO s;
SELECT state FROM task_queue.tasks WHERE task_id = :u;
SELECT task_queue.cancel(:u);
ROLLBACK;
SELECT state FROM task_queue.tasks WHERE task_id = :u;

-- PREPARE TRANSACTION cannot carry a cancel
BEGIN;
SELECT task_queue.cancel(:u);
PREPARE TRANSACTION 'cc';

-- alter_task: what is not given stays
SELECT task_queue.alter_task(:u);
SELECT task_queue.alter_task(:u, priority => 7, labels => '{x,y,x}', queue => 'cc_other', args => '{"a": 5}');
SELECT state, priority, labels, queue, args, deadline FROM task_queue.tasks WHERE task_id = :u;
SELECT task_queue.alter_task(:u, run_at => '2200-01-01 00:00+00', deadline => '2201-01-01 00:00+00');
SELECT state, run_at = '2200-01-01 00:00+00' AS run_at, deadline = '2201-01-01 00:00+00' AS deadline, priority
FROM task_queue.tasks WHERE task_id = :u;
SELECT task_queue.alter_task(:u, run_at => '2000-01-01');
SELECT state, run_at > now() - interval '1 min' AS now FROM task_queue.tasks WHERE task_id = :u;
SELECT task_queue.alter_task(:u, args => '["one"]');
SELECT task_queue.alter_task(:u, args => '[1, 2, 3]');
SELECT task_queue.alter_task(:u, queue => 'nowhere');
SELECT task_queue.alter_task(:u, labels => '{a,""}');
SELECT task_queue.alter_task(:t, priority => 1);
SELECT task_queue.alter_task(-1);
SELECT task_queue.alter_task(NULL);

-- requeue: canceled tasks too, under the same id
SELECT task_queue.requeue(:u);
SELECT task_queue.requeue(:t) = :t AS same_id;
SELECT state, attempt, args, labels, cancel_reason, finished_at FROM task_queue.tasks WHERE task_id = :t;
SELECT count(*) FROM task_queue.tasks WHERE task_id = :t;
SELECT task_queue.requeue(:t);
SELECT task_queue.cancel(:t);
SELECT task_queue.requeue(:t, run_at => '2200-01-01 00:00+00', args => '[10, 20]') = :t AS same_id;
SELECT state, run_at = '2200-01-01 00:00+00' AS run_at, args FROM task_queue.tasks WHERE task_id = :t;
SELECT task_queue.cancel(:t);
SELECT task_queue.requeue(:t, args => '["ten"]');
SELECT state FROM task_queue.tasks WHERE task_id = :t;
SELECT task_queue.requeue(-1);
SELECT task_queue.requeue(NULL);

-- the deadline goes unless it is to stay
SELECT task_queue.enqueue('cc.add', '[1]', deadline => '2200-01-01') AS d \gset
SELECT task_queue.cancel(:d);
SELECT task_queue.requeue(:d, clear_deadline => false) = :d AS same_id;
SELECT deadline IS NULL AS cleared FROM task_queue.tasks WHERE task_id = :d;
SELECT task_queue.cancel(:d);
SELECT task_queue.requeue(:d) = :d AS same_id;
SELECT deadline IS NULL AS cleared FROM task_queue.tasks WHERE task_id = :d;

-- a handler that was unregistered: the task can be changed, its args cannot
SELECT task_queue.enqueue('cc.ext', '[1]') AS e \gset
SELECT task_queue.unregister_handler('cc.ext');
SELECT task_queue.alter_task(:e, priority => 2);
SELECT task_queue.alter_task(:e, args => '[2]');
SELECT task_queue.cancel(:e), task_queue.requeue(:e) = :e AS same_id;

-- delete_task
SELECT task_queue.delete_task(:t);
SELECT count(*) FROM task_queue.tasks WHERE task_id = :t;
SELECT task_queue.delete_task(:t);
SELECT task_queue.await(:t, '0');
SELECT task_queue.delete_task(:u);
SELECT task_queue.delete_task(:u, force => true);
SELECT task_queue.get_task(:u) IS NULL AS unknown;
SELECT task_queue.wait(:u, '0');
SELECT task_queue.delete_task(NULL);

-- waiting
SELECT task_queue.await(:d, '0');
SELECT task_queue.await(:d, '10 ms');
SELECT * FROM task_queue.wait(:d, '0');
SELECT task_queue.await(:d);
SELECT task_queue.await(:d, '-1 s');
SELECT task_queue.await(NULL);
SELECT task_queue.wait(-1);
SELECT task_queue.get_task(-1) IS NULL AS unknown;
BEGIN;
SELECT task_queue.enqueue('cc.add', '[1]') AS o \gset
SELECT task_queue.await(:o, '1 s');
ROLLBACK;
BEGIN;
SELECT task_queue.enqueue('cc.add', '[1]') AS o \gset
SELECT task_queue.cancel(:o, 'same transaction');
SELECT task_queue.await(:o);
ROLLBACK;

-- an outcome is seen at every isolation level; a change of what came later fails
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT task_queue.cancel(:d);
SELECT state FROM task_queue.wait(:d);
COMMIT;

-- nothing writes in a read-only transaction
BEGIN READ ONLY;
SELECT task_queue.cancel(:d);
ROLLBACK;
BEGIN READ ONLY;
SELECT task_queue.requeue_failed();
ROLLBACK;
BEGIN READ ONLY;
SELECT state FROM task_queue.wait(:d, '0');
COMMIT;

SELECT task_queue.purge_dead_letters(NULL);
SELECT task_queue.purge_dead_letters('-1 s');
SELECT task_queue.purge_dead_letters('1 day');
SELECT task_queue.requeue_failed(handler => 'cc.nope');
SELECT task_queue.requeue_failed(queue => 'nowhere');
SELECT task_queue.requeue_failed(handler => 'cc.plus', queue => 'cc_other', error_kind => 'handler', failed_since => '2020-01-01');

SELECT count(task_queue.delete_task(task_id, force => true)) > 0 AS cleaned FROM task_queue.tasks WHERE handler LIKE 'cc.%';
SELECT task_queue.unregister_handler('cc.add'), task_queue.drop_queue('cc_other');
DROP SCHEMA control_cancel CASCADE;
