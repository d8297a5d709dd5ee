-- Handlers for the tests of DAGs, in schema dag_test and queue dag_test.
SET client_min_messages = warning;
DO $$
BEGIN
	IF to_regnamespace('dag_test') IS NOT NULL THEN
		RETURN;
	END IF;
	CREATE SCHEMA dag_test;
	CREATE TABLE dag_test.log (no int GENERATED ALWAYS AS IDENTITY, step text, args jsonb[]);
	CREATE TABLE dag_test.broken (step text PRIMARY KEY);
	-- Returns the first argument; records what it got.
	CREATE FUNCTION dag_test.ok(id text, VARIADIC args jsonb[] DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $f$
	BEGIN
		IF EXISTS (SELECT FROM dag_test.broken WHERE step = id) THEN
			RAISE EXCEPTION '% is broken', id;
		END IF;
		INSERT INTO dag_test.log (step, args) VALUES (id, args);
		RETURN id;
	END
	$f$;
	CREATE FUNCTION dag_test.fail(id text, VARIADIC args jsonb[] DEFAULT '{}') RETURNS text LANGUAGE plpgsql AS $f$
	BEGIN
		RAISE EXCEPTION '% failed', id;
	END
	$f$;
	CREATE FUNCTION dag_test.nothing() RETURNS void LANGUAGE sql AS '';
	CREATE FUNCTION dag_test.value(v jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT v';
	-- Adds the step that it is given.
	CREATE FUNCTION dag_test.add(VARIADIC steps jsonb[]) RETURNS text LANGUAGE plpgsql AS $f$
	DECLARE
		s jsonb;
	BEGIN
		FOREACH s IN ARRAY steps LOOP
			PERFORM task_queue.add_step(jsonb_populate_record(task_queue.step(s ->> 'id', 'dag.ok', jsonb_build_array(s ->> 'id')), s));
		END LOOP;
		RETURN 'added';
	END
	$f$;
	PERFORM task_queue.create_queue('dag_test', retry_policy => task_queue.no_retry_policy(), or_replace => true);
	PERFORM task_queue.register_handler('dag_test.ok'::regproc::regprocedure, name => 'dag.ok', queue => 'dag_test');
	PERFORM task_queue.register_handler('dag_test.fail'::regproc::regprocedure, name => 'dag.fail', queue => 'dag_test');
	PERFORM task_queue.register_handler('dag_test.nothing'::regproc::regprocedure, name => 'dag.nothing', queue => 'dag_test');
	PERFORM task_queue.register_handler('dag_test.value'::regproc::regprocedure, name => 'dag.value', queue => 'dag_test');
	PERFORM task_queue.register_handler('dag_test.add'::regproc::regprocedure, name => 'dag.add', queue => 'dag_test');
	PERFORM task_queue.register_external('dag.ext', queue => 'dag_test');
	-- The states of a DAG's steps in the order in which they were given (here: by id), then its own.
	CREATE FUNCTION dag_test.states(dag text) RETURNS text LANGUAGE sql AS $f$
		SELECT (SELECT string_agg(s.step_id || ' ' || s.state, ', ' ORDER BY s.step_id) FROM task_queue.dag_steps AS s WHERE s.dag_id = dag)
			|| ' | ' || (SELECT d.state FROM task_queue.dags AS d WHERE d.dag_id = dag)
	$f$;
	CREATE FUNCTION dag_test.drain() RETURNS bigint LANGUAGE sql AS $f$ SELECT count(*) FROM task_queue.drain(queue => 'dag_test') $f$;
	-- 'a!?; b R(a) Y(b)': ! fails, ? optional, ~ external and so never run; R ref, D ref_or_default "D", A after, Y after_any.
	CREATE FUNCTION dag_test.submit(name text, dag text) RETURNS text LANGUAGE plpgsql AS $f$
	DECLARE
		part text;
		id text;
		args jsonb;
		steps task_queue.step[];
		after text[];
		after_any text[];
		m text[];
	BEGIN
		FOREACH part IN ARRAY regexp_split_to_array(dag, '\s*;\s*') LOOP
			id := substring(part FROM '^\w+');
			args := CASE WHEN part ~ '^\w+~' THEN '[]' ELSE jsonb_build_array(id) END;
			after := NULL;
			after_any := NULL;
			FOR m IN SELECT regexp_matches(part, '([RDAY])\((\w+)\)', 'g') LOOP
				CASE m[1]
					WHEN 'R' THEN args := args || jsonb_build_array(task_queue.ref(m[2]));
					WHEN 'D' THEN args := args || jsonb_build_array(task_queue.ref_or_default(m[2], '"D"'));
					WHEN 'A' THEN after := after || m[2];
					ELSE after_any := after_any || m[2];
				END CASE;
			END LOOP;
			steps := steps || task_queue.step(id,
				CASE WHEN part ~ '^\w+~' THEN 'dag.ext' WHEN part ~ '^\w+\??!' THEN 'dag.fail' ELSE 'dag.ok' END,
				args, after, after_any, optional => part ~ '^\w+!?\?');
		END LOOP;
		RETURN task_queue.submit_dag(steps, id => name);
	END
	$f$;
END
$$;
TRUNCATE dag_test.log, dag_test.broken;
