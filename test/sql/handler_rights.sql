-- Who may register handlers, and whose tasks and calls may run them.
CREATE SCHEMA t_rights;
SET search_path = t_rights;
CREATE FUNCTION try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE message text; detail text; hint text;
BEGIN
	EXECUTE statement;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n', SQLSTATE || ': ' || message, 'D: ' || NULLIF(detail, ''), 'H: ' || NULLIF(hint, ''));
END $$;
\pset format unaligned
\pset tuples_only on

CREATE ROLE regress_rights_user;
CREATE ROLE regress_rights_other;
CREATE ROLE regress_rights_admin;
CREATE ROLE regress_rights_group;
GRANT USAGE ON SCHEMA task_queue TO regress_rights_user, regress_rights_other, regress_rights_admin;
GRANT USAGE, CREATE ON SCHEMA t_rights TO regress_rights_user, regress_rights_other, regress_rights_admin;
SELECT task_queue.grant_admin('regress_rights_admin');

CREATE FUNCTION who() RETURNS text LANGUAGE sql AS $$ SELECT current_user::text $$;
CREATE FUNCTION definer() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ SELECT current_user = session_user $$;
CREATE FUNCTION private() RETURNS text LANGUAGE sql AS $$ SELECT 'private' $$;
REVOKE EXECUTE ON FUNCTION private() FROM PUBLIC;
SELECT task_queue.register_handler('who()', 'who'), task_queue.register_handler('definer()', 'definer'), task_queue.register_handler('private()', 'private');

-- The registry is the administrators'.
SET ROLE regress_rights_user;
SELECT try($$ SELECT task_queue.register_handler('who()', 'mine') $$);
SELECT try($$ SELECT task_queue.register_external('mine') $$);
SELECT try($$ SELECT task_queue.unregister_handler('who') $$);
SELECT try($$ SELECT name FROM task_queue.handler $$);
SELECT task_queue.canonical_name('who()'), (task_queue.describe('who()')).kind;
SET ROLE regress_rights_admin;
SELECT task_queue.register_handler('who()', 'by admin'), task_queue.unregister_handler('by admin'), task_queue.register_handler('who()', 'by admin');
SELECT registered_by FROM task_queue.handler WHERE name = 'by admin';
RESET ROLE;
SELECT registered_by FROM task_queue.handler WHERE name = 'by admin';

-- A call runs with the caller's rights, and needs EXECUTE each time.
SET ROLE regress_rights_user;
SELECT task_queue.call_handler('who'), task_queue.call_handler('by admin'), task_queue.call_handler('definer'), current_user;
SELECT try($$ SELECT task_queue.call_handler('private') $$);
SELECT try($$ SELECT task_queue.enqueue('private') $$);
SELECT task_queue.validate_args('private', '[]');
RESET ROLE;
GRANT EXECUTE ON FUNCTION private() TO regress_rights_group;
SET ROLE regress_rights_user;
SELECT try($$ SELECT task_queue.call_handler('private') $$);
RESET ROLE;
GRANT regress_rights_group TO regress_rights_user;
SET ROLE regress_rights_user;
SELECT task_queue.call_handler('private');
RESET ROLE;
REVOKE regress_rights_group FROM regress_rights_user;
SET ROLE regress_rights_user;
SELECT try($$ SELECT task_queue.call_handler('private') $$);
RESET ROLE;

-- The caller of a SECURITY DEFINER function is its owner.
SET ROLE regress_rights_other;
CREATE FUNCTION calls_for_other() RETURNS jsonb LANGUAGE sql SECURITY DEFINER AS $$ SELECT task_queue.call_handler('who') $$;
SET ROLE regress_rights_user;
SELECT calls_for_other(), current_user;
RESET ROLE;

-- An administrator decides what other roles' tasks run, but not what a superuser's do.
SELECT try($$ SELECT task_queue.call_handler('by admin') $$);
ALTER ROLE regress_rights_admin SUPERUSER;
SELECT try($$ SELECT task_queue.call_handler('by admin') $$);
ALTER ROLE regress_rights_admin NOSUPERUSER;
SELECT try($$ SELECT task_queue.call_handler('by admin') $$);
SELECT task_queue.register_handler('who()', 'by admin', or_replace => true);
SELECT try($$ SELECT task_queue.call_handler('by admin') $$);

-- Tasks run as the role that enqueued them; rights are looked at again at the run.
SET task_queue.execution = manual;
CREATE TABLE seen (who text, temp text);
GRANT INSERT ON seen TO regress_rights_user, regress_rights_other;
CREATE FUNCTION look() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
	BEGIN
		CREATE TEMP TABLE left_behind (i int);
	EXCEPTION WHEN OTHERS THEN
		INSERT INTO t_rights.seen VALUES (current_user, SQLSTATE);
	END;
	RETURN current_user;
END $$;
CREATE FUNCTION steal() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'ALTER ROLE regress_rights_user SUPERUSER'; END $$;
CREATE FUNCTION reset_role() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RESET ROLE; RETURN current_user; END $$;
SELECT count(task_queue.register_handler(f, split_part(f::text, '(', 1))) FROM unnest('{look(),steal(),reset_role()}'::regprocedure[]) AS f;
SET ROLE regress_rights_user;
SELECT count(task_queue.enqueue(h)) FROM unnest('{look,steal,reset_role}'::text[]) AS h;
RESET ROLE;
SELECT handler, state, error_kind, (error).sqlstate FROM task_queue.drain();
SELECT * FROM seen;
GRANT EXECUTE ON FUNCTION private() TO regress_rights_user;
SET ROLE regress_rights_user;
SELECT task_queue.enqueue('private') > 0;
RESET ROLE;
REVOKE EXECUTE ON FUNCTION private() FROM regress_rights_user;
SELECT handler, state, error_kind, error_message, (error).sqlstate, (error).retryable FROM task_queue.drain();
-- A role that was dropped: the task fails for good.
CREATE ROLE regress_rights_gone;
GRANT USAGE ON SCHEMA task_queue, t_rights TO regress_rights_gone;
SET ROLE regress_rights_gone;
SELECT task_queue.enqueue('who') > 0;
RESET ROLE;
DROP OWNED BY regress_rights_gone;
DROP ROLE regress_rights_gone;
SELECT handler, state, error_kind, regexp_replace(error_message, '[0-9]+', '...'), (error).sqlstate, (error).retryable FROM task_queue.drain();
RESET task_queue.execution;

SELECT count(task_queue.unregister_handler(name)) > 0 FROM task_queue.handler;
SELECT task_queue.revoke_admin('regress_rights_admin');
DELETE FROM task_queue.task;
DELETE FROM task_queue.history;
DELETE FROM task_queue.attempt;
SET client_min_messages = warning;
DROP SCHEMA t_rights CASCADE;
DROP OWNED BY regress_rights_user, regress_rights_other, regress_rights_admin, regress_rights_group;
DROP ROLE regress_rights_user, regress_rights_other, regress_rights_admin, regress_rights_group;
