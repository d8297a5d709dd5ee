-- health(): each finding comes with its cause and goes with it. That no
-- workers run is one of them in these tests, on both tiers.
SET client_min_messages = warning;
SET task_queue.execution = manual;
CREATE SCHEMA view_health;
CREATE FUNCTION view_health.work() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION view_health.gone() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE VIEW view_health.findings AS
SELECT severity, check_name, message, hint <> '' AS has_hint FROM task_queue.health() WHERE check_name <> 'no_workers' ORDER BY 2, 3;
SELECT count(*), min(severity), bool_and(hint <> '') AS has_hint FROM task_queue.health() WHERE check_name = 'no_workers';
SELECT task_queue.register_handler('view_health.work()', name => 'vh.work');
SELECT task_queue.register_handler('view_health.gone()', name => 'vh.gone');
SELECT task_queue.register_external('vh.ext');
SELECT task_queue.create_queue('vh');
SELECT task_queue._maintain_history();
TABLE view_health.findings;

-- a handler that is not registered, and one whose function is gone
SELECT task_queue.enqueue('vh.work', queue => 'vh') AS unknown, task_queue.enqueue('vh.work', queue => 'vh') AS two \gset
SELECT task_queue.unregister_handler('vh.work');
DROP FUNCTION view_health.gone();
TABLE view_health.findings;
SELECT name, kind, function, arg_types FROM task_queue.handlers WHERE name LIKE 'vh.%' ORDER BY name;
SELECT task_queue.register_handler('view_health.work()', name => 'vh.work');
SELECT task_queue.unregister_handler('vh.gone');
TABLE view_health.findings;

-- external tasks that nobody asks for
SELECT task_queue.enqueue('vh.ext') AS ext \gset
TABLE view_health.findings;
SELECT task_queue.alter_task(:ext, run_at => now() + interval '1 h');
TABLE view_health.findings;
SELECT task_queue.cancel(:ext);

-- targets that nobody claims
SELECT task_queue.enqueue('vh.work', target => 'gpu') AS gpu, task_queue.enqueue('vh.ext', target => 'tpu') AS tpu,
	task_queue.enqueue('vh.work', target => 'worker:db/1') AS db1 \gset
TABLE view_health.findings;
SELECT task_queue.cancel(:gpu), task_queue.cancel(:tpu), task_queue.cancel(:db1);

-- a paused queue with work
SELECT task_queue.pause_queue('vh');
TABLE view_health.findings;
SELECT name, paused, ready, scheduled, running, oldest_ready_age > interval '0' AS aged FROM task_queue.queues WHERE name = 'vh';
SELECT task_queue.resume_queue('vh');
SELECT task_queue.cancel(:unknown), task_queue.cancel(:two);
SELECT name, paused, ready, oldest_ready_age FROM task_queue.queues WHERE name = 'vh';

-- an enqueuer that was dropped
CREATE ROLE regress_tq_gone;
GRANT USAGE ON SCHEMA task_queue, view_health TO regress_tq_gone;
SET ROLE regress_tq_gone;
SELECT task_queue.enqueue('vh.work', queue => 'vh') AS orphan \gset
RESET ROLE;
DROP OWNED BY regress_tq_gone;
DROP ROLE regress_tq_gone;
SELECT severity, check_name, regexp_replace(message, '\d{3,}', 'N') AS message FROM view_health.findings;
SELECT regexp_replace(enqueued_by, '\d+', 'N') AS enqueued_by FROM task_queue.tasks WHERE task_id = :orphan;
SELECT task_queue.delete_task(:orphan, force => true);

-- a copy: the database belongs to another server until it is adopted
BEGIN;
DELETE FROM task_queue.meta;
INSERT INTO task_queue.meta (system_identifier, database_oid, adopted_by) VALUES ('1', 1, 'pg_monitor');
TABLE view_health.findings;
SELECT task_queue.adopt_database();
TABLE view_health.findings;
SELECT m.system_identifier = c.system_identifier::text AS server, d.datname = current_database() AS database, m.adopted_by::text = current_user AS by
FROM task_queue.meta AS m, pg_control_system() AS c, pg_database AS d WHERE d.oid = m.database_oid;
ROLLBACK;

-- rows that logical replication wrote wait in no lane until the database is adopted
SELECT task_queue.enqueue('vh.work', queue => 'vh') AS d, task_queue.enqueue('vh.ext', queue => 'vh', target => 't') AS x \gset
CREATE TABLE view_health.lane AS SELECT task_id, lane FROM task_queue.task WHERE task_id IN (:d, :x);
UPDATE task_queue.task SET lane = 0 WHERE task_id IN (:d, :x);
SELECT count(*) FROM task_queue.drain('vh');
SELECT task_queue.adopt_database();
SELECT count(*) FROM task_queue.task JOIN view_health.lane USING (task_id, lane);
SELECT handler, state FROM task_queue.drain('vh');

SELECT count(task_queue.delete_task(task_id, force => true)) > 0 AS cleaned FROM task_queue.tasks WHERE handler LIKE 'vh.%';
SELECT task_queue.unregister_handler('vh.work'), task_queue.unregister_handler('vh.ext'), task_queue.drop_queue('vh');
DROP SCHEMA view_health CASCADE;
