-- Queues, and the rights that the extension grants.

CREATE FUNCTION create_queue(name text, max_running int DEFAULT NULL, retry_policy retry_policy DEFAULT NULL,
	keep_done interval DEFAULT '1 day', keep_failed interval DEFAULT '30 days', or_replace boolean DEFAULT false)
RETURNS void
AS 'MODULE_PATHNAME', 'tq_create_queue'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION create_queue(text, int, retry_policy, interval, interval, boolean) IS
'Make a queue. name: at most 63 bytes. max_running: how many of its tasks may run at once, over all workers; NULL or 0: no limit. retry_policy: for tasks and handlers that have none. keep_done, keep_failed: how long ended tasks can be looked at. or_replace: replace the options of a queue that exists. For administrators. Raises 42710 if the queue exists, 22023 for a bad value, 42501. Example: SELECT task_queue.create_queue(''mail'', max_running => 2).';

CREATE FUNCTION alter_queue(name text, max_running int DEFAULT NULL, retry_policy retry_policy DEFAULT NULL,
	keep_done interval DEFAULT NULL, keep_failed interval DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'tq_alter_queue'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION alter_queue(text, int, retry_policy, interval, interval) IS
'Change options of a queue, also of the queue default. NULL leaves an option as it is; max_running 0 means no limit. For administrators. Raises 42704 for an unknown queue, 22023, 42501. Example: SELECT task_queue.alter_queue(''default'', keep_done => ''7 days'').';

CREATE FUNCTION drop_queue(name text, force boolean DEFAULT false)
RETURNS void
AS 'MODULE_PATHNAME', 'tq_drop_queue'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION drop_queue(text, boolean) IS
'Remove a queue and the grants to work on it. force: cancel its live tasks first; those that run are interrupted when this transaction commits. For administrators. Raises 55000 if the queue has live tasks and force is not set, or for the queue default; 42704 for an unknown one; 42501.';

CREATE FUNCTION pause_queue(name text)
RETURNS void
AS 'MODULE_PATHNAME', 'tq_pause_queue'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION pause_queue(text) IS
'Start no more tasks of this queue, in the database or by dequeue(), once this transaction has committed. What runs goes on, and tasks can be enqueued. Does nothing if the queue is paused already. For administrators. Raises 42704 for an unknown queue, 42501.';

CREATE FUNCTION resume_queue(name text)
RETURNS void
AS 'MODULE_PATHNAME', 'tq_resume_queue'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION resume_queue(text) IS
'Start tasks of a paused queue again. Does nothing if the queue is not paused. For administrators. Raises 42704 for an unknown queue, 42501.';

CREATE FUNCTION grant_worker(role regrole, queue text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'tq_grant_worker'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION grant_worker(regrole, text) IS
'Let a role and its members dequeue tasks of external handlers and report how they ended. queue NULL: of every queue. For administrators. Raises 42704 for an unknown queue or role, 42501. Example: SELECT task_queue.grant_worker(''mailer'', ''mail'').';

CREATE FUNCTION revoke_worker(role regrole, queue text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'tq_revoke_worker'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION revoke_worker(regrole, text) IS
'Take back what grant_worker() gave. queue NULL: for every queue, single ones included. For administrators. Raises 42704 for an unknown queue, 42501.';

CREATE FUNCTION grant_admin(role regrole)
RETURNS void
AS 'MODULE_PATHNAME', 'tq_grant_admin'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION grant_admin(regrole) IS
'Make a role and its members administrators of the task queue of this database: they change handlers and queues, see and control everybody''s tasks, and grant rights. An administrator decides what code the tasks of every other enqueuer run, superusers excepted: grant it accordingly. For administrators. Raises 42704 for an unknown role, 42501.';

CREATE FUNCTION revoke_admin(role regrole)
RETURNS void
AS 'MODULE_PATHNAME', 'tq_revoke_admin'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION revoke_admin(regrole) IS
'Take back what grant_admin() gave. For administrators. Raises 42501.';

CREATE FUNCTION _config_changed()
RETURNS trigger
AS 'MODULE_PATHNAME', 'tq_config_changed'
LANGUAGE C;
COMMENT ON FUNCTION _config_changed() IS 'Trigger function: makes all sessions read a table of settings again.';

CREATE TRIGGER config_changed
	AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON queue
	FOR EACH STATEMENT EXECUTE FUNCTION _config_changed();
ALTER TABLE queue ENABLE ALWAYS TRIGGER config_changed;

CREATE TRIGGER config_changed
	AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON privilege
	FOR EACH STATEMENT EXECUTE FUNCTION _config_changed();
ALTER TABLE privilege ENABLE ALWAYS TRIGGER config_changed;

CREATE TRIGGER config_changed
	AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON lane
	FOR EACH STATEMENT EXECUTE FUNCTION _config_changed();
ALTER TABLE lane ENABLE ALWAYS TRIGGER config_changed;

CREATE TRIGGER config_changed
	AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON handler
	FOR EACH STATEMENT EXECUTE FUNCTION _config_changed();
ALTER TABLE handler ENABLE ALWAYS TRIGGER config_changed;

CREATE TRIGGER config_changed
	AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON handler_name
	FOR EACH STATEMENT EXECUTE FUNCTION _config_changed();
ALTER TABLE handler_name ENABLE ALWAYS TRIGGER config_changed;

-- A row of another server, which a restore brings, stops the workers.
CREATE TRIGGER config_changed
	AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON meta
	FOR EACH STATEMENT EXECUTE FUNCTION _config_changed();
ALTER TABLE meta ENABLE ALWAYS TRIGGER config_changed;
