-- Running handlers: results, errors, the session, nested calls, and tasks that fail.
CREATE SCHEMA t_call;
SET search_path = t_call;

CREATE FUNCTION try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE message text; detail text; hint text;
BEGIN
	EXECUTE statement;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n', SQLSTATE || ': ' || message, 'D: ' || NULLIF(detail, ''), 'H: ' || NULLIF(hint, ''));
END $$;
CREATE FUNCTION define(signature text, returns text, body text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE FUNCTION t_call.%s RETURNS %s LANGUAGE plpgsql AS %L', signature, returns, 'BEGIN ' || body || ' END');
	PERFORM task_queue.register_handler(p.oid, p.proname) FROM pg_proc AS p
	WHERE p.proname = split_part(signature, '(', 1) AND p.pronamespace = 't_call'::regnamespace;
END $$;
\pset format unaligned
\pset null <NULL>
\pset tuples_only on

-- Results.
SELECT define('r_void()', 'void', '');
SELECT define('r_null()', 'text', 'RETURN NULL;');
SELECT define('r_text()', 'text', 'RETURN ''a "quoted" ä'';');
SELECT define('r_int()', 'bigint', 'RETURN 9223372036854775807;');
SELECT define('r_numeric()', 'numeric', 'RETURN 1.500;');
SELECT define('r_bool()', 'boolean', 'RETURN true;');
SELECT define('r_json()', 'json', 'RETURN ''{"b": 1, "a": [1.50]}'';');
SELECT define('r_jsonb()', 'jsonb', 'RETURN ''[1, null]'';');
SELECT define('r_array()', 'int[]', 'RETURN ''{{1,2},{3,NULL}}'';');
SELECT define('r_row()', 'task_queue.held_task', 'RETURN ROW(1::bigint, 2::bigint, NULL::timestamptz, true);');
SELECT define('r_large()', 'text', 'RETURN repeat(''x'', 1000000);');
SELECT define('r_time()', 'timestamp', 'RETURN ''2024-01-01 12:00'';');
CREATE PROCEDURE r_proc(i int) LANGUAGE plpgsql AS $$ BEGIN END $$;
SELECT task_queue.register_handler('r_proc(int)', 'r_proc');
SELECT f, CASE f WHEN 'r_large' THEN length(r::text)::text ELSE r::text END
FROM unnest('{r_void,r_null,r_text,r_int,r_numeric,r_bool,r_json,r_jsonb,r_array,r_row,r_large,r_time}'::text[]) AS f, task_queue.call_handler(f) AS r;
SELECT task_queue.call_handler('r_proc', '[1]');

-- A cast to json decides how a type is written; if it raises, so does the call.
CREATE TYPE colour AS ENUM ('red', 'octarine');
CREATE FUNCTION colour_json(colour) RETURNS json LANGUAGE plpgsql AS $$ BEGIN
	IF $1 = 'octarine' THEN RAISE EXCEPTION 'cannot show it'; END IF;
	RETURN json_build_object('colour', $1::text, 'as', current_user = session_user);
END $$;
CREATE CAST (colour AS json) WITH FUNCTION colour_json(colour);
CREATE TABLE written (what text, who name DEFAULT current_user);
SELECT define('paint(c colour)', 'colour', 'INSERT INTO t_call.written VALUES (''paint''); RETURN c;');
SELECT task_queue.call_handler('paint', '["red"]');
SELECT try($$ SELECT task_queue.call_handler('paint', '["octarine"]') $$);

-- Errors pass to the caller; raise_error() is TQ004 with its kind as DETAIL.
SELECT define('boom()', 'void', 'RAISE EXCEPTION ''boom'' USING DETAIL = ''why'', HINT = ''how'', ERRCODE = ''AB123'';');
SELECT define('custom()', 'void', 'PERFORM task_queue.raise_error(''custom'', ''m'', hint => ''try harder'', detail => ''own detail'');');
SELECT define('again()', 'void', 'PERFORM task_queue.raise_error(''busy'', ''later'', true, ''90 s'');');
SELECT define('rethrow()', 'void', 'BEGIN PERFORM task_queue.call_handler(''again''); EXCEPTION WHEN OTHERS THEN RAISE; END;');
SELECT define('replace_error()', 'void', 'BEGIN PERFORM task_queue.call_handler(''custom''); EXCEPTION WHEN OTHERS THEN RAISE EXCEPTION ''own words''; END;');
SELECT define('catch()', 'text', 'BEGIN PERFORM task_queue.raise_error(''custom'', ''m''); EXCEPTION WHEN SQLSTATE ''TQ004'' THEN RETURN ''caught''; END;');
SELECT f, try(format('SELECT task_queue.call_handler(%L)', f)) FROM unnest('{boom,custom,again,rethrow,replace_error,catch}'::text[]) AS f;
SELECT try($$ SELECT task_queue.raise_error('', 'an empty kind') $$), try($$ SELECT task_queue.raise_error('handler', '') $$);
SELECT try($$ SELECT task_queue.raise_error(NULL, 'm') $$), try($$ SELECT task_queue.raise_error('k', NULL) $$), try($$ SELECT task_queue.raise_error('k', 'm', NULL, '-1 s') $$);

-- Settings that a handler makes are undone, the role cannot be changed.
SELECT define('settings()', 'text', 'SET work_mem = ''3MB''; SET LOCAL statement_timeout = ''1 h''; PERFORM set_config(''t_call.x'', ''y'', false); RETURN current_setting(''work_mem'');');
SET work_mem = '2MB';
BEGIN;
SET LOCAL statement_timeout = '2 h';
SELECT task_queue.call_handler('settings'), current_setting('work_mem'), current_setting('statement_timeout'), current_setting('t_call.x', true);
COMMIT;
SELECT define('become(r name)', 'name', 'EXECUTE ''SET ROLE '' || quote_ident(r); RETURN current_user;');
CREATE ROLE regress_call_other;
SELECT try($$ SELECT task_queue.call_handler('become', '["regress_call_other"]') $$);
SELECT define('reset_role()', 'name', 'RESET ROLE; RETURN current_user;');
SELECT define('authorize()', 'name', 'SET SESSION AUTHORIZATION regress_call_other; RETURN current_user;');
SELECT try($$ SELECT task_queue.call_handler('reset_role') $$), try($$ SELECT task_queue.call_handler('authorize') $$);

-- The caller's search_path holds.
SELECT define('path()', 'text', 'RETURN current_setting(''search_path'');');
SELECT task_queue.call_handler('path');

-- A procedure is called within the caller's transaction: it cannot end it.
CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t_call.written VALUES ('commits'); COMMIT; END $$;
SELECT task_queue.register_handler('commits()', 'commits');
SELECT try($$ SELECT task_queue.call_handler('commits') $$);

-- Calls nest, also of the same handler, in every language.
SELECT define('fact(n int)', 'numeric', 'RETURN CASE n WHEN 0 THEN 1 ELSE n * (task_queue.call_handler(''fact'', jsonb_build_array(n - 1)))::numeric END;');
SELECT task_queue.call_handler('fact', '[20]');
CREATE FUNCTION fact_sql(n int) RETURNS numeric LANGUAGE sql AS $$
	SELECT CASE n WHEN 0 THEN 1 ELSE n * (task_queue.call_handler('fact_sql', jsonb_build_array(n - 1)))::numeric END $$;
SELECT task_queue.register_handler('fact_sql(int)', 'fact_sql');
SELECT task_queue.call_handler('fact_sql', '[20]'), task_queue.call_handler('fact_sql', '[5]');
-- After an error the same handler works on, in and after that transaction.
SELECT define('mostly(i int)', 'int', 'RETURN 10 / i;');
CREATE FUNCTION mostly_sql(i int) RETURNS int LANGUAGE sql AS $$ SELECT 10 / i $$;
SELECT task_queue.register_handler('mostly_sql(int)', 'mostly_sql');
SELECT h, i, try(format('SELECT task_queue.call_handler(%L, ''[%s]'')', h, i)) FROM unnest('{mostly,mostly_sql}'::text[]) AS h, unnest('{1,0,0,2}'::int[]) AS i;
SELECT task_queue.call_handler('mostly', '[5]'), task_queue.call_handler('mostly_sql', '[5]');
-- Texts are compared with the default collation.
SELECT define('collate_me(a text, b text)', 'boolean', 'RETURN lower(a) < lower(b);');
SELECT task_queue.call_handler('collate_me', '["a", "B"]');
CREATE OR REPLACE FUNCTION mostly(i int) RETURNS int LANGUAGE plpgsql SET work_mem = '4MB' AS $$ BEGIN RETURN pg_size_bytes(current_setting('work_mem')) / i; END $$;
SELECT task_queue.call_handler('mostly', '[1]'), current_setting('work_mem');

-- current_task(), progress() and snooze() without a task.
SELECT define('whoami()', 'jsonb', 'PERFORM task_queue.progress(0.5), task_queue.snooze(''1 s''); RETURN (SELECT jsonb_agg(t) FROM task_queue.current_task() AS t);');
SELECT jsonb_pretty(jsonb_strip_nulls(task_queue.call_handler('whoami')));
SELECT count(*) FROM task_queue.current_task();
SELECT try($$ SELECT task_queue.snooze('1 s') $$);

-- Tasks: the kind of a failure, whether it is retried, and what is kept of it.
SET task_queue.execution = manual;
SELECT define('mapped(a int, b date)', 'text', 'RETURN a || '' '' || b;');
SELECT define('needs_default(a int DEFAULT (random() * 0)::int / 0)', 'void', '');
SELECT define('nested()', 'jsonb', 'RETURN task_queue.call_handler(''mapped'', ''["x"]'');');
SELECT define('direct_inside()', 'jsonb', 'RETURN task_queue.call_handler(''whoami'') -> 0 -> ''handler'';');
CREATE FUNCTION run(h text, a jsonb DEFAULT '[]') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE d record; delay int;
BEGIN
	PERFORM task_queue.enqueue(h, a, retry_policy => task_queue.retry_policy('1 h', maximum_interval => '1 h'));
	FOR d IN SELECT * FROM task_queue.drain() LOOP
		SELECT round(extract(epoch FROM run_at - clock_timestamp()) / 10) * 10 INTO delay FROM task_queue.task WHERE task_id = d.task_id;
		RETURN NEXT concat_ws(' | ', d.handler, d.state, d.error_kind, d.error_message, (d.error).retryable, (d.error).sqlstate, (d.error).detail, (d.error).hint,
			delay || ' s');
	END LOOP;
END $$;
SELECT run('boom');
SELECT run('custom');
SELECT run('again');
SELECT run('rethrow');
SELECT run('replace_error');
SELECT run('catch');
SELECT run('mapped', '[1, "2024-01-01"]');
SELECT run('paint', '["octarine"]');
SELECT count(*) FROM written WHERE what = 'paint';
SELECT run('needs_default');
SELECT run('nested');
SELECT run('direct_inside');
SELECT run('commits');
-- What fits at enqueue may not fit at the run.
CREATE FUNCTION fits(a int) RETURNS int LANGUAGE sql AS $$ SELECT a $$;
SELECT task_queue.register_handler('fits(int)', 'fits');
SELECT task_queue.enqueue('fits', '[1]') > 0;
SELECT task_queue.register_handler('mapped(int,date)', 'fits', or_replace => true);
SELECT handler, state, error_kind, (error).retryable, (error).sqlstate, (error).detail FROM task_queue.drain();
SELECT task_queue.enqueue('fits', '[1, "2024-01-01"]') > 0;
CREATE FUNCTION fits2(a int, b int) RETURNS int LANGUAGE sql AS $$ SELECT a $$;
SELECT task_queue.register_handler('fits2(int,int)', 'fits', or_replace => true);
SELECT handler, state, error_kind, (error).retryable, (error).sqlstate, (error).detail FROM task_queue.drain();
SELECT task_queue.enqueue('fits', '{"a": 1, "b": 2}') > 0;
SELECT task_queue.register_external('fits', '{int,int}', or_replace => true);
SELECT task_queue.register_handler('r_void()', 'fits', or_replace => true);
SELECT handler, state, error_kind, (error).retryable, (error).sqlstate, (error).detail FROM task_queue.drain();
-- The name unregistered, or the function dropped, since the enqueue.
SELECT task_queue.enqueue('fits') > 0, task_queue.unregister_handler('fits');
SELECT handler, state, error_kind, error_message, (error).retryable FROM task_queue.drain();
SELECT task_queue.register_handler('fits2(int,int)', 'fits'), task_queue.enqueue('fits', '[1, 2]') > 0;
DROP FUNCTION fits2(int, int);
SELECT handler, state, error_kind, error_message, (error).retryable FROM task_queue.drain();
SELECT try($$ SELECT task_queue.enqueue('fits', '[1, 2]') $$);
RESET task_queue.execution;

SELECT count(task_queue.unregister_handler(name)) > 0 FROM task_queue.handler;
DELETE FROM task_queue.task;
DELETE FROM task_queue.history;
DELETE FROM task_queue.attempt;
SET client_min_messages = warning;
DROP SCHEMA t_call CASCADE;
DROP ROLE regress_call_other;
