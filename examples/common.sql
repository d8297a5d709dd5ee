-- What the examples share; included by each of them. They run in any database that has the extension and workers, with psql, as a
-- superuser, and complain if something does not come out as it should.
\set ON_ERROR_STOP on
\set QUIET on
SET client_min_messages = warning;
SET lc_messages = 'C';
DROP SCHEMA IF EXISTS example CASCADE;
CREATE SCHEMA example;

CREATE FUNCTION example.check(condition boolean, what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF condition IS NOT TRUE THEN
		RAISE EXCEPTION 'not so: %', what;
	END IF;
	RETURN 'ok: ' || what;
END
$$;

-- Wait until a query answers true; each look is a transaction of its own.
CREATE PROCEDURE example.wait_until(query text) LANGUAGE plpgsql AS $$
DECLARE
	fulfilled boolean;
BEGIN
	FOR i IN 1 .. 3000 LOOP
		EXECUTE query INTO fulfilled;
		COMMIT;
		IF fulfilled THEN
			RETURN;
		END IF;
		PERFORM pg_sleep(0.01);
	END LOOP;
	RAISE EXCEPTION 'waited in vain for: %', query;
END
$$;

CREATE FUNCTION example.states(dag text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(s.step_id || ' ' || s.state, ', ' ORDER BY s.step_id) FROM task_queue.dag_steps AS s WHERE s.dag_id = dag
$$;

-- Handlers that several examples use.
CREATE FUNCTION example.echo(v jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT v';
CREATE FUNCTION example.join_texts(VARIADIC parts text[]) RETURNS text LANGUAGE sql AS $$ SELECT array_to_string(parts, '+') $$;
CREATE FUNCTION example.fail(message text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '%', message; END $$;
CREATE FUNCTION example.sleep(seconds float8, v text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(seconds); RETURN v; END $$;
-- Holds its step until the gate is opened: it comes back every 20 ms.
CREATE TABLE example.open_gate (name text PRIMARY KEY);
CREATE FUNCTION example.gate(name text, v jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM example.open_gate AS g WHERE g.name = gate.name) THEN
		PERFORM task_queue.snooze('20 ms');
	END IF;
	RETURN v;
END
$$;
SELECT count(task_queue.register_handler(f::regprocedure, retry_policy => task_queue.no_retry_policy(), or_replace => true)) AS registered
	FROM unnest('{example.echo,example.join_texts,example.fail,example.sleep,example.gate}'::regproc[]) AS f \gset
\set QUIET off
