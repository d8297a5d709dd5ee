-- run_tasks(): a worker's work in this session, each task in transactions of its own.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET search_path = public, pg_catalog;

CREATE TABLE rt_log (id int GENERATED ALWAYS AS IDENTITY, what text, who name DEFAULT current_user, xid xid8 DEFAULT pg_current_xact_id());
CREATE FUNCTION rt_note(what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO rt_log (what) VALUES (what);
	IF what = 'bad' THEN
		RAISE EXCEPTION 'bad';
	END IF;
	RETURN what;
END $$;
CREATE PROCEDURE rt_steps(n int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..n LOOP
		INSERT INTO rt_log (what) VALUES ('step ' || i);
		COMMIT;
	END LOOP;
	INSERT INTO rt_log (what) VALUES ('undone');
	ROLLBACK;
	PERFORM task_queue.progress(1);
	IF n = 2 THEN
		RAISE EXCEPTION 'no more';
	END IF;
END $$;
SELECT task_queue.register_handler('rt_note(text)', name => 'rt_note', retry_policy => task_queue.no_retry_policy());
SELECT task_queue.register_handler('rt_steps(int)', name => 'rt_steps', retry_policy => task_queue.no_retry_policy());
SELECT task_queue.create_queue('rt_other');

-- Where it cannot run.
\set VERBOSITY default
BEGIN;
CALL task_queue.run_tasks();
ROLLBACK;
\set VERBOSITY terse
DO $$ BEGIN CALL task_queue.run_tasks(); END $$;
CALL task_queue.run_tasks('nowhere');
CALL task_queue.run_tasks(max_tasks => -1);
CALL task_queue.run_tasks();

-- Order, one transaction each, a failure stands alone.
SELECT count(task_queue.enqueue('rt_note', jsonb_build_array(w), priority => p)) FROM (VALUES ('c', 3), ('a', 1), ('bad', 2), ('d', 4)) AS v (w, p);
SELECT count(task_queue.enqueue('rt_note', '["other"]', queue => 'rt_other'));
CALL task_queue.run_tasks('default', 1);
SELECT what FROM rt_log ORDER BY id;
CALL task_queue.run_tasks('default', 0);
CALL task_queue.run_tasks('default');
SELECT what FROM rt_log ORDER BY id;
SELECT count(DISTINCT xid) FROM rt_log;
SELECT args, state, attempt, result, worker, error_kind, error_message FROM task_queue.tasks WHERE handler = 'rt_note' ORDER BY task_id;
CALL task_queue.run_tasks();
SELECT args, state FROM task_queue.tasks WHERE queue = 'rt_other';

-- Procedures: what they commit stays, and the attempt is recorded.
TRUNCATE rt_log;
SELECT count(task_queue.enqueue('rt_steps', '[1]')), count(task_queue.enqueue('rt_steps', '[2]')) ;
CALL task_queue.run_tasks();
SELECT what, who = current_user AS mine FROM rt_log ORDER BY id;
SELECT args, state, attempt, error_message FROM task_queue.tasks WHERE handler = 'rt_steps' ORDER BY task_id;

-- Retries at once, snoozing, results of what was made ready meanwhile.
TRUNCATE rt_log;
CREATE SEQUENCE rt_attempts;
CREATE FUNCTION rt_third_time(what text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	IF nextval('rt_attempts') < 3 THEN
		RAISE EXCEPTION 'not yet';
	END IF;
	PERFORM task_queue.enqueue('rt_note', jsonb_build_array(what));
	RETURN (SELECT attempt FROM task_queue.current_task());
END $$;
SELECT task_queue.register_handler('rt_third_time(text)', name => 'rt_third_time', retry_policy => task_queue.retry_policy('0 s'));
SELECT task_queue.enqueue('rt_third_time', '["after"]') AS task \gset
CALL task_queue.run_tasks();
SELECT state, attempt, result FROM task_queue.tasks WHERE task_id = :task;
SELECT attempt, error_message FROM task_queue.attempts WHERE task_id = :task ORDER BY attempt;
SELECT what FROM rt_log;

-- Deferred constraints are the attempt's.
CREATE TABLE rt_parent (id int PRIMARY KEY);
CREATE TABLE rt_child (id int REFERENCES rt_parent DEFERRABLE INITIALLY DEFERRED);
CREATE FUNCTION rt_orphan(id int) RETURNS void LANGUAGE sql AS 'INSERT INTO rt_child VALUES (id)';
CREATE PROCEDURE rt_orphan_procedure(id int) LANGUAGE plpgsql AS 'BEGIN INSERT INTO rt_child VALUES (id); END';
SELECT task_queue.register_handler('rt_orphan(int)', name => 'rt_orphan', retry_policy => task_queue.no_retry_policy());
SELECT task_queue.register_handler('rt_orphan_procedure(int)', name => 'rt_orphan_procedure', retry_policy => task_queue.no_retry_policy());
SELECT count(task_queue.enqueue('rt_orphan', '[1]')), count(task_queue.enqueue('rt_orphan_procedure', '[1]'));
CALL task_queue.run_tasks();
SELECT handler, (error).sqlstate FROM task_queue.dead_letters WHERE handler LIKE 'rt_orphan%' ORDER BY handler;
SELECT count(*) FROM rt_child;

-- The session's settings survive, whatever handlers set.
CREATE FUNCTION rt_settings() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('work_mem', '1MB', false), set_config('rt.leak', 'yes', false), set_config('search_path', 'pg_temp', false);
END $$;
CREATE PROCEDURE rt_settings_procedure() LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('work_mem', '1MB', false), set_config('rt.leak', 'yes', false), set_config('search_path', 'pg_temp', false);
	COMMIT;
END $$;
SELECT task_queue.register_handler('rt_settings()', name => 'rt_settings');
SELECT task_queue.register_handler('rt_settings_procedure()', name => 'rt_settings_procedure');
SET work_mem = '3MB';
SET rt.own = 'mine';
SELECT count(task_queue.enqueue('rt_settings')), count(task_queue.enqueue('rt_settings_procedure'));
CALL task_queue.run_tasks();
SELECT state FROM task_queue.tasks WHERE handler LIKE 'rt_settings%';
SHOW work_mem;
SHOW search_path;
SELECT current_setting('rt.own'), NULLIF(current_setting('rt.leak', true), '');
RESET work_mem;

-- Other roles: only those that the caller may become, and nothing of theirs stays.
CREATE ROLE rt_low;
CREATE ROLE rt_caller;
GRANT USAGE ON SCHEMA task_queue TO rt_low, rt_caller;
GRANT INSERT ON rt_log TO rt_low, rt_caller;
CREATE FUNCTION rt_temporary() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CREATE TEMPORARY TABLE pg_class_shadow (a int); END $$;
CREATE PROCEDURE rt_escape() LANGUAGE plpgsql AS $$
BEGIN
	ROLLBACK;
	INSERT INTO rt_log (what) VALUES ('after rollback');
	COMMIT;
	INSERT INTO rt_log (what) VALUES ('after commit');
	COMMIT;
	BEGIN
		SET ROLE NONE;
	EXCEPTION WHEN OTHERS THEN
		INSERT INTO rt_log (what) VALUES (SQLSTATE);
	END;
	COMMIT;
	CREATE TEMPORARY TABLE rt_temp (a int);
END $$;
SELECT task_queue.register_handler('rt_temporary()', name => 'rt_temporary', retry_policy => task_queue.no_retry_policy());
SELECT task_queue.register_handler('rt_escape()', name => 'rt_escape', retry_policy => task_queue.no_retry_policy());
TRUNCATE rt_log;
SET ROLE rt_low;
SELECT count(task_queue.enqueue('rt_note', '["low"]')), count(task_queue.enqueue('rt_temporary')), count(task_queue.enqueue('rt_escape'));
SET ROLE rt_caller;
SELECT count(task_queue.enqueue('rt_note', '["caller"]'));
CALL task_queue.run_tasks();
SELECT current_user;
RESET ROLE;
SELECT what, who FROM rt_log ORDER BY id;
CALL task_queue.run_tasks();
SELECT current_user = session_user;
SELECT what, who FROM rt_log ORDER BY id;
SELECT handler, (error).sqlstate, error_message FROM task_queue.dead_letters WHERE enqueued_by = 'rt_low' ORDER BY handler;

-- Paused and limited queues.
SELECT task_queue.pause_queue('rt_other');
SELECT count(task_queue.enqueue('rt_note', '["paused"]', queue => 'rt_other'));
CALL task_queue.run_tasks();
SELECT state FROM task_queue.tasks WHERE args = '["paused"]';
SELECT task_queue.alter_queue('rt_other', max_running => 1), task_queue.resume_queue('rt_other');
CALL task_queue.run_tasks();
SELECT state FROM task_queue.tasks WHERE args = '["paused"]';

-- What is due runs; what is not waits.
SELECT count(task_queue.enqueue('rt_note', '["due"]', run_at => clock_timestamp() + interval '20 ms')), count(task_queue.enqueue('rt_note', '["later"]', delay => '1 h'));
SELECT pg_sleep(0.05);
CALL task_queue.run_tasks();
SELECT args, state FROM task_queue.tasks WHERE args IN ('["due"]', '["later"]') ORDER BY task_id;
SELECT task_queue.cancel(task_id) FROM task_queue.tasks WHERE args = '["later"]';

-- A handler that runs forever ends with the caller's patience, and stays ready.
CREATE FUNCTION rt_long() RETURNS void LANGUAGE sql AS 'SELECT pg_sleep(60)';
SELECT task_queue.register_handler('rt_long()', name => 'rt_long', retry_policy => task_queue.no_retry_policy());
SELECT task_queue.enqueue('rt_long') AS task \gset
SET statement_timeout = '300 ms';
CALL task_queue.run_tasks();
RESET statement_timeout;
SELECT state, attempt FROM task_queue.tasks WHERE task_id = :task;
SELECT task_queue.cancel(:task);
SELECT task_queue.enqueue('rt_long', timeout => '100 ms') AS task \gset
CALL task_queue.run_tasks();
SELECT state, attempt, error_kind FROM task_queue.tasks WHERE task_id = :task;

-- A procedure keeps what it did, so its attempt counts.
CREATE PROCEDURE rt_long_procedure() LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO rt_log (what) VALUES ('long');
	COMMIT;
	PERFORM pg_sleep(60);
END $$;
SELECT task_queue.register_handler('rt_long_procedure()', name => 'rt_long_procedure', retry_policy => task_queue.no_retry_policy());
TRUNCATE rt_log;
SELECT task_queue.enqueue('rt_long_procedure') AS task \gset
SET statement_timeout = '300 ms';
CALL task_queue.run_tasks();
RESET statement_timeout;
SELECT what FROM rt_log;
SELECT state, attempt, error_kind, error_message FROM task_queue.tasks WHERE task_id = :task;

-- Isolation defaults of the session do not matter to it.
SET default_transaction_isolation = 'serializable';
SELECT count(task_queue.enqueue('rt_note', '["serializable"]'));
CALL task_queue.run_tasks();
RESET default_transaction_isolation;
SELECT state FROM task_queue.tasks WHERE args = '["serializable"]';
SET default_transaction_read_only = on;
CALL task_queue.run_tasks();
RESET default_transaction_read_only;

SELECT count(*) FROM task_queue.task;
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
SELECT count(task_queue.unregister_handler(name)) FROM task_queue.handlers WHERE name LIKE 'rt\_%';
SELECT count(task_queue.delete_task(task_id)) > 0 FROM task_queue.tasks;
SELECT task_queue.drop_queue('rt_other');
DROP FUNCTION rt_note, rt_third_time, rt_orphan, rt_settings, rt_temporary, rt_long;
DROP PROCEDURE rt_steps, rt_orphan_procedure, rt_settings_procedure, rt_escape, rt_long_procedure;
DROP TABLE rt_log, rt_child, rt_parent;
DROP SEQUENCE rt_attempts;
REVOKE USAGE ON SCHEMA task_queue FROM rt_low, rt_caller;
DROP ROLE rt_low, rt_caller;
