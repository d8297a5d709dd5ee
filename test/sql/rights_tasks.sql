-- Whose tasks one sees and may change: one's own and those of roles one is a
-- member of; administrators everybody's; monitors see without the payload.
SET client_min_messages = warning;
ALTER SEQUENCE task_queue.task_task_id_seq RESTART 7300001;
CREATE ROLE regress_tq_team;
CREATE ROLE regress_tq_anna IN ROLE regress_tq_team;
CREATE ROLE regress_tq_bert;
CREATE ROLE regress_tq_chief;
CREATE ROLE regress_tq_watch IN ROLE pg_monitor;
CREATE ROLE regress_tq_audit IN ROLE pg_read_all_data;
CREATE ROLE regress_tq_out;
GRANT USAGE ON SCHEMA task_queue TO regress_tq_team, regress_tq_bert, regress_tq_chief, regress_tq_watch, regress_tq_audit;
SELECT task_queue.grant_admin('regress_tq_chief');
SELECT task_queue.create_queue('rights_tasks');
CREATE SCHEMA rights_tasks;
GRANT USAGE, CREATE ON SCHEMA rights_tasks TO PUBLIC;
CREATE FUNCTION rights_tasks.div(a int, b int) RETURNS int LANGUAGE plpgsql AS
	$$ BEGIN RETURN a / b; EXCEPTION WHEN division_by_zero THEN RAISE EXCEPTION 'no' USING DETAIL = 'a secret', HINT = 'a hint'; END $$;
SELECT task_queue.register_handler('rights_tasks.div(int, int)', name => 'rt.div', queue => 'rights_tasks', retry_policy => task_queue.no_retry_policy());

-- without USAGE on the schema nothing
SET ROLE regress_tq_out;
SELECT count(*) FROM task_queue.tasks;
RESET ROLE;

-- one waits, one failed, one is done; the team is the enqueuer
SET ROLE regress_tq_team;
SET task_queue.execution = manual;
SELECT task_queue.enqueue('rt.div', '[6, 2]', labels => '{l}', trace_ctx => '{"t": 1}') AS done,
	task_queue.enqueue('rt.div', '[1, 0]', labels => '{l}') AS failed \gset
SELECT state FROM task_queue.drain();
SELECT task_queue.enqueue('rt.div', '[8, 2]', labels => '{l}', trace_ctx => '{"t": 1}') AS waiting \gset
SET ROLE regress_tq_bert;
SET task_queue.execution = manual;
SELECT task_queue.enqueue('rt.div', '[9, 3]') AS berts \gset
RESET ROLE;

PREPARE seen AS
SELECT state, args, result, labels, trace_ctx, error_kind, error_message, enqueued_by FROM task_queue.tasks WHERE handler = 'rt.div' ORDER BY task_id;
PREPARE failed AS
SELECT args, labels, (error).kind, (error).message, (error).detail, (error).hint, (error).context IS NULL AS no_context FROM task_queue.dead_letters WHERE handler = 'rt.div';
PREPARE tried AS
SELECT error_message, (error).detail, (error).hint, (error).context IS NULL AS no_context FROM task_queue.attempts WHERE handler = 'rt.div';
PREPARE counted AS
SELECT ready, scheduled, running, failed FROM task_queue.queues WHERE name = 'rights_tasks';

SET ROLE regress_tq_anna;
EXECUTE seen; EXECUTE failed; EXECUTE tried; EXECUTE counted;
SELECT task_queue.await(:done), task_queue.get_task(:done) ->> 'result' AS result;
SET ROLE regress_tq_bert;
EXECUTE seen; EXECUTE failed; EXECUTE tried; EXECUTE counted;
SET ROLE regress_tq_chief;
EXECUTE seen; EXECUTE failed; EXECUTE tried; EXECUTE counted;
SET ROLE regress_tq_watch;
EXECUTE seen; EXECUTE failed; EXECUTE tried; EXECUTE counted;
SELECT task_queue.get_task(:failed) - ARRAY['run_at', 'task_id', 'started_at', 'enqueued_at', 'finished_at', 'attempts'] AS document,
	task_queue.get_task(:failed) #> '{attempts,0,error}' AS attempt;
SET ROLE regress_tq_audit;
EXECUTE seen; EXECUTE failed; EXECUTE tried; EXECUTE counted;

-- a call that names somebody else's task is refused, a monitor's too
SET ROLE regress_tq_bert;
SELECT task_queue.await(:done);
SELECT task_queue.wait(:waiting, '0');
SELECT task_queue.get_task(:done);
SELECT task_queue.cancel(:waiting);
SELECT task_queue.cancel(:done);
SELECT task_queue.alter_task(:waiting, priority => -1);
SELECT task_queue.requeue(:failed);
SELECT task_queue.delete_task(:failed);
SELECT task_queue.delete_task(:waiting, force => true);
SELECT task_queue.requeue_failed();
SELECT task_queue.purge_dead_letters('0');
SELECT task_queue.adopt_database();
SELECT task_queue.health();
SET ROLE regress_tq_watch;
SELECT task_queue.await(:done);
SELECT task_queue.cancel(:waiting);
SELECT task_queue.purge_dead_letters('0');
SELECT count(*) > 0 AS answers FROM task_queue.health();
SET ROLE regress_tq_audit;
SELECT task_queue.requeue(:failed);
SELECT count(*) > 0 AS answers FROM task_queue.health();

-- a member may do all of it, and so may an administrator
SET ROLE regress_tq_anna;
SELECT task_queue.alter_task(:waiting, priority => -1);
SELECT task_queue.cancel(:waiting);
SELECT task_queue.requeue(:waiting) = :waiting AS same_id;
SELECT enqueued_by FROM task_queue.tasks WHERE task_id = :waiting;
SELECT task_queue.requeue_failed();
SELECT task_queue.delete_task(:failed, force => true);
SET ROLE regress_tq_chief;
SELECT task_queue.cancel(:berts), task_queue.requeue(:berts) = :berts AS requeued;
SELECT enqueued_by FROM task_queue.tasks WHERE task_id = :berts;
SELECT count(*) > 0 AS answers FROM task_queue.health();
SELECT task_queue.purge_dead_letters('1 year');
RESET ROLE;

-- a leaky function in WHERE is not shown rows of others
SET ROLE regress_tq_bert;
CREATE FUNCTION rights_tasks.leak(args jsonb) RETURNS boolean COST 0.0001 LANGUAGE plpgsql AS
	$$ BEGIN RAISE WARNING 'saw %', args; RETURN true; END $$;
SELECT args FROM task_queue.tasks WHERE rights_tasks.leak(args) AND handler = 'rt.div';
SELECT args FROM task_queue.dead_letters WHERE rights_tasks.leak(args);

-- the tables are closed; of task only the id can be read
SELECT task_id FROM task_queue.task WHERE task_id = :berts;
SELECT args FROM task_queue.task;
SELECT 1 FROM task_queue.history;
SELECT 1 FROM task_queue.cancel_request;
SELECT 1 FROM task_queue._live_tasks;
INSERT INTO task_queue.history DEFAULT VALUES;
UPDATE task_queue.task SET priority = 1;
DELETE FROM task_queue.task;
INSERT INTO task_queue.task (handler, args, enqueuer) VALUES ('rt.div', '[1, 1]', 'postgres'::regrole);
INSERT INTO task_queue.task (handler, args, state) VALUES ('rt.div', '[1, 1]', 'x');
SELECT nextval('task_queue.task_task_id_seq');
SELECT task_queue._maintain_history();
RESET ROLE;

-- nothing private is granted, and nothing public is missing
SELECT c.relname, a.privilege_type
FROM pg_class AS c, aclexplode(c.relacl) AS a
WHERE c.relnamespace = 'task_queue'::regnamespace AND a.grantee = 0 AND (c.relkind <> 'v' OR c.relname LIKE '\_%' OR a.privilege_type <> 'SELECT');
SELECT c.relname FROM pg_class AS c
WHERE c.relnamespace = 'task_queue'::regnamespace AND c.relkind = 'v' AND c.relname NOT LIKE '\_%'
	AND NOT has_table_privilege('regress_tq_bert', c.oid, 'SELECT');
SELECT p.oid::regprocedure FROM pg_proc AS p
WHERE p.pronamespace = 'task_queue'::regnamespace AND p.proname NOT LIKE '\_%' AND NOT has_function_privilege('regress_tq_bert', p.oid, 'EXECUTE');
SELECT p.proname FROM pg_proc AS p
WHERE p.pronamespace = 'task_queue'::regnamespace AND p.proname LIKE '\_%' AND has_function_privilege('regress_tq_bert', p.oid, 'EXECUTE')
ORDER BY 1;
SELECT p.oid::regprocedure FROM pg_proc AS p WHERE p.pronamespace = 'task_queue'::regnamespace AND p.prosecdef;
SELECT n.nspacl FROM pg_namespace AS n, aclexplode(n.nspacl) AS a WHERE n.nspname = 'task_queue' AND a.grantee = 0;

-- public objects are documented
SELECT p.oid::regprocedure FROM pg_proc AS p
WHERE p.pronamespace = 'task_queue'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL;
SELECT c.relname FROM pg_class AS c
WHERE c.relnamespace = 'task_queue'::regnamespace AND c.relkind = 'v' AND obj_description(c.oid, 'pg_class') IS NULL;

SELECT task_queue.delete_task(task_id, force => true) FROM task_queue.tasks WHERE handler = 'rt.div' ORDER BY task_id;
SELECT task_queue.unregister_handler('rt.div'), task_queue.revoke_admin('regress_tq_chief'), task_queue.drop_queue('rights_tasks');
DROP SCHEMA rights_tasks CASCADE;
DROP OWNED BY regress_tq_team, regress_tq_bert, regress_tq_chief, regress_tq_watch, regress_tq_audit;
DROP ROLE regress_tq_team, regress_tq_anna, regress_tq_bert, regress_tq_chief, regress_tq_watch, regress_tq_audit, regress_tq_out;
