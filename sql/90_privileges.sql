-- Who may do what. USAGE on the schema is granted by whoever installs the extension; within it, everybody may call the public functions, which
-- check rights themselves, read the views, which filter, and enqueue by INSERT. Functions whose names start with an underscore are internal.

REVOKE ALL ON ALL TABLES IN SCHEMA task_queue FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA task_queue FROM PUBLIC;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA task_queue TO PUBLIC;

GRANT INSERT (handler, args, queue, priority, run_at, deadline, timeout, retry_policy, target, reply_to, trace_ctx, labels,
	unique_key, on_conflict, order_key, limit_key) ON task_queue.task TO PUBLIC;
-- Without this INSERT ... RETURNING task_id would be refused.
GRANT SELECT (task_id) ON task_queue.task TO PUBLIC;

DO $$
DECLARE
	view_name pg_catalog.text;
	routine pg_catalog.regprocedure;
BEGIN
	FOR view_name IN
		SELECT c.relname FROM pg_catalog.pg_class AS c
		WHERE c.relnamespace OPERATOR(pg_catalog.=) 'task_queue'::pg_catalog.regnamespace
			AND c.relkind OPERATOR(pg_catalog.=) 'v'
			AND c.relname OPERATOR(pg_catalog.!~~) '\_%'
	LOOP
		EXECUTE pg_catalog.format('GRANT SELECT ON task_queue.%I TO PUBLIC', view_name);
	END LOOP;
	FOR routine IN
		SELECT p.oid::pg_catalog.regprocedure FROM pg_catalog.pg_proc AS p
		WHERE p.pronamespace OPERATOR(pg_catalog.=) 'task_queue'::pg_catalog.regnamespace
			AND p.proname OPERATOR(pg_catalog.~~) '\_%'
	LOOP
		EXECUTE pg_catalog.format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', routine);
	END LOOP;
END
$$;

-- Views call these as the user who reads them.
GRANT EXECUTE ON FUNCTION task_queue._may_see(oid) TO PUBLIC;
GRANT EXECUTE ON FUNCTION task_queue._may_read(oid) TO PUBLIC;
GRANT EXECUTE ON FUNCTION task_queue._handler_signature(text) TO PUBLIC;
GRANT EXECUTE ON FUNCTION task_queue._executing() TO PUBLIC;
GRANT EXECUTE ON FUNCTION task_queue._running() TO PUBLIC;
GRANT EXECUTE ON FUNCTION task_queue._workers() TO PUBLIC;
GRANT EXECUTE ON FUNCTION task_queue._external_workers() TO PUBLIC;
GRANT EXECUTE ON FUNCTION task_queue._stats() TO PUBLIC;
GRANT EXECUTE ON FUNCTION task_queue._preloaded() TO PUBLIC;
GRANT EXECUTE ON FUNCTION task_queue._schedule_active(bigint) TO PUBLIC;
GRANT EXECUTE ON FUNCTION task_queue._check_dag(text) TO PUBLIC;
GRANT EXECUTE ON FUNCTION task_queue._list_dag_ids(text[], text, timestamptz, int) TO PUBLIC;
GRANT EXECUTE ON FUNCTION task_queue._dag_glyph(text) TO PUBLIC;
GRANT EXECUTE ON FUNCTION task_queue._dag_marks(text) TO PUBLIC;
GRANT EXECUTE ON FUNCTION task_queue._dag_debug_steps(text) TO PUBLIC;
