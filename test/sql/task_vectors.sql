-- Published examples of arguments (A: checked, C: run), of which retry policy counts (W) and of deadlines (DL), by their numbers.
SET client_min_messages = warning;
SET task_queue.execution = manual;
SET search_path = public, pg_catalog;
\pset format unaligned
\pset tuples_only on
\pset null <NULL>

DELETE FROM task_queue.task;
CREATE TYPE tv_item AS (tag text, count int);
CREATE TYPE tv_secret AS ENUM ('x');
CREATE TABLE tv_ran (handler text);
CREATE FUNCTION tv_secret_json(tv_secret) RETURNS json LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not to be shown'; END $$;
CREATE CAST (tv_secret AS json) WITH FUNCTION tv_secret_json(tv_secret);
CREATE FUNCTION tv_h(a int, b text, c tv_item) RETURNS text LANGUAGE sql AS $$ SELECT format('%s %s %s', a, b, c) $$;
CREATE FUNCTION tv_strict(a int, b text, c tv_item) RETURNS text STRICT LANGUAGE sql AS $$ SELECT 'called' $$;
CREATE FUNCTION tv_list(a int[], b jsonb) RETURNS boolean LANGUAGE sql AS $$ SELECT a IS NULL AND b IS NULL $$;
CREATE FUNCTION tv_none() RETURNS text LANGUAGE sql AS $$ SELECT 'called' $$;
CREATE FUNCTION tv_jsonb(a jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT a';
CREATE FUNCTION tv_double(a double precision) RETURNS double precision LANGUAGE sql AS 'SELECT a';
CREATE FUNCTION tv_many(VARIADIC a int[]) RETURNS int[] LANGUAGE sql AS 'SELECT a';
CREATE FUNCTION tv_boom() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'boom'; END $$;
CREATE FUNCTION tv_custom() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM task_queue.raise_error('custom', 'm'); END $$;
CREATE FUNCTION tv_unshown() RETURNS tv_secret LANGUAGE sql AS $$ INSERT INTO tv_ran VALUES ('tv_unshown'); SELECT 'x'::tv_secret $$;
CREATE FUNCTION tv_fails(kind text, retryable boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF kind = 'handler' THEN
		RAISE EXCEPTION 'failed';
	END IF;
	PERFORM task_queue.raise_error(kind, 'failed', retryable);
END
$$;
CREATE FUNCTION tv_third() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF (SELECT attempt FROM task_queue.current_task()) < 3 THEN
		RAISE EXCEPTION 'failed';
	END IF;
	RETURN 'at last';
END
$$;
CREATE FUNCTION tv_sleeps() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(600); RETURN 'slept'; END $$;
CREATE FUNCTION tv_survives() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_sleep(600);
	RETURN 'slept';
EXCEPTION WHEN query_canceled THEN
	RETURN 'survived';
END
$$;
SELECT count(task_queue.register_handler(p.oid::regprocedure, p.proname)) FROM pg_proc AS p
WHERE p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'tv\_%' AND p.proname <> 'tv_secret_json';

CREATE FUNCTION pg_temp.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	result text;
BEGIN
	EXECUTE statement INTO result;
	RETURN format('ok %s', result);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(': ', SQLSTATE, NULLIF(detail, ''));
END
$$;

-- A: validate_args() and enqueue() agree.
CREATE TEMP TABLE a_vector (name text, handler text, args jsonb);
INSERT INTO a_vector VALUES
	('A1', 'tv_h', '[1, "x", {}]'), ('A3', 'tv_h', '[1, "x"]'), ('A7', 'tv_h', '[1.0, "x", {}]'),
	('A13', 'tv_list', '[null, null]'), ('A15', 'tv_none', '[]'), ('A17', 'tv_h', '["wrong", 1, {}]');
SELECT name, pg_temp.try(format('SELECT task_queue.validate_args(%L, %L)', handler, args)) FROM a_vector;
SELECT name, pg_temp.try(format('SELECT task_queue.enqueue(%L, %L) > 0', handler, args)) FROM a_vector;
SELECT handler, args FROM task_queue.tasks WHERE state = 'ready' ORDER BY task_id;
SELECT count(*) FROM task_queue.tasks WHERE task_queue.cancel(task_id);

-- C: called at once.
CREATE TEMP TABLE c_vector (name text, handler text, args jsonb);
INSERT INTO c_vector VALUES
	('C1', 'tv_h', '[7, "hello", {"tag": "t", "count": 3}]'), ('C3', 'tv_h', '[1, "x", {}, 4]'), ('C5', 'tv_h', '"x"'),
	('C9', 'tv_h', '[null, null, null]'), ('C9 strict', 'tv_strict', '[null, null, null]'),
	('C11', 'tv_h', '[9223372036854775808, "x", {}]'), ('C13', 'tv_h', '[1, "x", {"TAG": "ci"}]'),
	('C15', 'tv_none', NULL), ('C15', 'tv_none', 'null'), ('C15', 'tv_none', '[]'), ('C17', 'tv_jsonb', '[3]'),
	('C19', 'tv_double', '[1]'), ('C21', 'tv_boom', '[]'), ('C23', 'tv_custom', '[]'), ('C25', 'tv_unshown', '[]'),
	('C29', 'tv_many', '[1, 2]');
SELECT name, pg_temp.try(format('SELECT task_queue.call_handler(%L, %L)', handler, args)) FROM c_vector;
-- C: run as a task. What enqueue() would refuse is enqueued while the name takes anything.
SELECT count(task_queue.register_external(handler, or_replace => true)) FROM (SELECT DISTINCT handler FROM c_vector) AS v;
CREATE TEMP TABLE c_task AS
	SELECT name, task_queue.enqueue(handler, args) AS task_id FROM c_vector WHERE name <> 'C5';
SELECT count(task_queue.register_handler(p.oid::regprocedure, p.proname, or_replace => true)) FROM pg_proc AS p
WHERE p.pronamespace = 'public'::regnamespace AND p.proname IN (SELECT handler FROM c_vector);
SELECT count(*) FROM task_queue.drain();
SELECT c.name, t.state, t.attempt, t.error_kind, t.result, (a.error).retryable, (a.error).sqlstate,
	CASE WHEN t.error_kind IN ('arg_count', 'arg_type') THEN (a.error).detail ELSE t.error_message END
FROM c_task AS c JOIN task_queue.tasks AS t USING (task_id) LEFT JOIN task_queue.attempts AS a USING (task_id)
ORDER BY c.task_id;
SELECT message FROM (SELECT (error).message FROM task_queue.attempts WHERE handler = 'tv_boom') AS a;
-- C25: its writes are undone
SELECT count(*) FROM tv_ran;
SELECT count(*) > 0 FROM task_queue.tasks WHERE task_queue.delete_task(task_id, force => true);

-- W: the state after so many failed attempts, and the delay from the end of the last one.
SELECT task_queue.create_queue('tv_ten', retry_policy => task_queue.retry_policy(maximum_attempts => 10));
SELECT task_queue.create_queue('tv_three', retry_policy => task_queue.retry_policy(maximum_attempts => 3));
SELECT task_queue.create_queue('tv_kinds', retry_policy => task_queue.retry_policy(non_retryable_error_kinds => '{x}'));
SELECT task_queue.register_handler('tv_fails(text,boolean)', 'tv_once', retry_policy => task_queue.retry_policy(maximum_attempts => 1));
SELECT task_queue.register_handler('tv_third()', 'tv_quick', retry_policy => task_queue.retry_policy('100 ms', 1, maximum_attempts => 5));
CREATE FUNCTION pg_temp.after(executions int, handler text, args jsonb DEFAULT '["handler", true]', queue text DEFAULT NULL,
	policy task_queue.retry_policy DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	task bigint := task_queue.enqueue(handler, args, queue => queue, retry_policy => policy);
	ran int := 0;
	state text;
	delay interval;
BEGIN
	-- one drain() runs once what it finds scheduled
	WHILE ran < executions AND EXISTS (SELECT FROM task_queue.drain(include_scheduled => true) AS d WHERE d.task_id = task) LOOP
		ran := ran + 1;
	END LOOP;
	SELECT t.state INTO state FROM task_queue.tasks AS t WHERE t.task_id = task;
	IF state = 'scheduled' THEN
		SELECT t.run_at - max(a.finished_at) INTO delay
		FROM task_queue.tasks AS t JOIN task_queue.attempts AS a USING (task_id) WHERE t.task_id = task GROUP BY t.run_at;
	END IF;
	RETURN concat_ws(' ', ran, 'executions,', state, date_trunc('ms', delay),
		(SELECT format('%s dead letter', count(*)) FROM task_queue.dead_letters AS d WHERE d.task_id = task HAVING count(*) > 0));
END
$$;
SELECT 'W1', pg_temp.after(1, 'tv_fails');
SELECT 'W3', pg_temp.after(3, 'tv_fails');
SELECT 'W5', pg_temp.after(5, 'tv_fails');
SELECT 'W7', pg_temp.after(9, 'tv_once');
SELECT 'W9', pg_temp.after(7, 'tv_fails', queue => 'tv_ten');
SELECT 'W11', pg_temp.after(9, 'tv_quick', '[]');
SELECT 'W13', pg_temp.after(9, 'tv_fails', policy => task_queue.retry_policy(maximum_attempts => 3));
SELECT 'W17', pg_temp.after(3, 'tv_fails', queue => 'tv_three', policy => task_queue.retry_policy(maximum_attempts => 99));
SELECT 'W19', pg_temp.after(1, 'tv_fails', '["x", true]', 'tv_kinds', task_queue.retry_policy());
SELECT 'W19 without it', pg_temp.after(9, 'tv_fails', '["x", true]', 'tv_kinds');
SELECT count(*) > 0 FROM task_queue.tasks WHERE task_queue.delete_task(task_id, force => true);

-- DL: deadlines.
SELECT task_queue.enqueue('tv_none', deadline => '2000-01-01') AS dl1,
	task_queue.enqueue('tv_sleeps', deadline => clock_timestamp() + '100 ms') AS dl3 \gset
SELECT task_id = :dl1 AS dl1, task_id = :dl3 AS dl3, state, error_kind FROM task_queue.drain();
SELECT task_queue.enqueue('tv_survives', deadline => clock_timestamp() + '2 s') AS dl5 \gset
SELECT task_id = :dl5 AS dl5, state, error_kind FROM task_queue.drain();
SELECT attempt, result, state FROM task_queue.tasks WHERE task_id IN (:dl1, :dl3, :dl5) ORDER BY task_id;
SELECT task_id = :dl1 AS dl1, task_id = :dl3 AS dl3, attempt, (error).retryable FROM task_queue.attempts WHERE task_id IN (:dl1, :dl3) ORDER BY task_id;
SELECT task_id = :dl1 AS dl1, task_id = :dl3 AS dl3, error_kind FROM task_queue.dead_letters;
SELECT task_queue.requeue(:dl1, clear_deadline => false) = :dl1;
SELECT 'DL7', state, error_kind FROM task_queue.drain();
SELECT attempt FROM task_queue.tasks WHERE task_id = :dl1;

-- A kind of an error may be empty, and is not NULL then.
SELECT count(task_queue.enqueue('tv_fails', '["", false]'));
SELECT error_kind, (error).kind, error_message FROM task_queue.drain();
SELECT error_kind, (error).kind, error_message FROM task_queue.dead_letters LIMIT 1;

DELETE FROM task_queue.task;
DELETE FROM task_queue.history;
DELETE FROM task_queue.attempt;
