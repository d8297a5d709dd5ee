-- Tasks after they were enqueued: results, cancel, requeue, retention.

CREATE FUNCTION await(task_id bigint, timeout interval DEFAULT NULL) RETURNS jsonb
	LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 AS 'MODULE_PATHNAME', 'tq_await';
COMMENT ON FUNCTION await(bigint, interval) IS
'Waits until the task has ended and returns its result (NULL for a void handler). Raises TQ004 if it failed, TQ006 if its deadline passed, TQ010 if its lease was lost, with the task''s error text as message and the error kind as DETAIL; TQ005 if it was canceled, with the reason as DETAIL; TQ007 at the end of the timeout (NULL: none; zero: look once); 42704 for an unknown task; 57P03 if nobody would ever run it. Example: SELECT task_queue.await(42, ''10 s'');';

CREATE FUNCTION wait(task_id bigint, timeout interval DEFAULT NULL) RETURNS SETOF task_outcome
	LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 1 AS 'MODULE_PATHNAME', 'tq_wait';
COMMENT ON FUNCTION wait(bigint, interval) IS
'Like await(), but raises no error of the task: returns one row with its state, result and error. At the end of the timeout the row has the state of the live task and NULLs.';

CREATE FUNCTION get_task(task_id bigint) RETURNS jsonb
	LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 AS 'MODULE_PATHNAME', 'tq_get_task';
COMMENT ON FUNCTION get_task(bigint) IS
'All that is known of a task, live or ended, as one document: the columns of the view tasks, error (an object), and attempts (an array of the failed ones). NULL if there is no such task.';

CREATE FUNCTION cancel(task_id bigint, reason text DEFAULT NULL) RETURNS boolean
	LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 AS 'MODULE_PATHNAME', 'tq_cancel';
COMMENT ON FUNCTION cancel(bigint, text) IS
'Cancels a task; false if it had ended already. A waiting task is canceled at once. For a running one true means requested: when the caller commits, a handler in the database gets a query cancel and an external worker sees cancel_requested in heartbeat(); it is done all the same if it finishes first. Unknown task: 42704.';

CREATE FUNCTION alter_task(task_id bigint, args jsonb DEFAULT NULL, queue text DEFAULT NULL, priority int DEFAULT NULL,
	run_at timestamptz DEFAULT NULL, deadline timestamptz DEFAULT NULL, labels text[] DEFAULT NULL) RETURNS boolean
	LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 AS 'MODULE_PATHNAME', 'tq_alter_task';
COMMENT ON FUNCTION alter_task(bigint, jsonb, text, int, timestamptz, timestamptz, text[]) IS
'Changes a task that is scheduled or ready; false if it is running or has ended. NULL leaves a property as it is; a run_at in the past means now; args are checked as at enqueue (the task of a DAG step takes none: 55000). Unknown task or queue: 42704.';

CREATE FUNCTION requeue(task_id bigint, run_at timestamptz DEFAULT NULL, clear_deadline boolean DEFAULT true, args jsonb DEFAULT NULL)
	RETURNS bigint
	LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 AS 'MODULE_PATHNAME', 'tq_requeue_task';
COMMENT ON FUNCTION requeue(bigint, timestamptz, boolean, jsonb) IS
'Lets a failed or canceled task run again under the same id, its attempts counted from 1; args NULL keeps its arguments. The dead letter of a DAG step: as retry_step(). Other states: 55000; unknown task: 42704.';

CREATE FUNCTION requeue_failed(handler text DEFAULT NULL, queue text DEFAULT NULL, error_kind text DEFAULT NULL,
	failed_since timestamptz DEFAULT NULL) RETURNS bigint
	LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 AS 'MODULE_PATHNAME', 'tq_requeue_failed_tasks';
COMMENT ON FUNCTION requeue_failed(text, text, text, timestamptz) IS
'Requeues all dead letters of the caller (of everybody, for an administrator) that match every filter given, failed steps of DAGs that are not canceled included; returns how many. handler may be any of a handler''s names.';

CREATE FUNCTION delete_task(task_id bigint, force boolean DEFAULT false) RETURNS boolean
	LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 AS 'MODULE_PATHNAME', 'tq_delete_task';
COMMENT ON FUNCTION delete_task(bigint, boolean) IS
'Removes an ended task with its arguments, result and attempts; false if there is no such task. A live one raises 55000 unless force: then it is canceled first, and its outcome is not kept. The task of a DAG step raises 55000: delete the DAG.';

CREATE FUNCTION purge_dead_letters(older_than interval) RETURNS bigint
	LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 AS 'MODULE_PATHNAME', 'tq_purge_dead_letters';
COMMENT ON FUNCTION purge_dead_letters(interval) IS
'Removes the failed tasks that ended longer ago than that, with their attempts, and returns how many. Administrators only.';

CREATE FUNCTION adopt_database() RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 AS 'MODULE_PATHNAME', 'tq_adopt_database';
COMMENT ON FUNCTION adopt_database() IS
'Says that the tasks in this database may run here from now on. Needed once in a copy (a restored dump or backup, a clone, a logical subscriber) and after pg_upgrade: there the database starts paused, so that a copy does not do the work of the original. Administrators only.';

CREATE FUNCTION _maintain_history() RETURNS boolean
	LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 AS 'MODULE_PATHNAME', 'tq_maintain_history';
COMMENT ON FUNCTION _maintain_history() IS 'Internal: upkeep of partitions and of requests to cancel, as the scheduler does it; false if something is left to do.';

CREATE FUNCTION _may_see(enqueuer oid) RETURNS boolean
	LANGUAGE C STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'tq_may_see';
COMMENT ON FUNCTION _may_see(oid) IS 'Internal: may the current user see the tasks of this role in views?';

CREATE FUNCTION _handler_signature(handler text, OUT function regprocedure, OUT arg_names text[], OUT arg_types regtype[]) RETURNS record
	LANGUAGE C STABLE PARALLEL UNSAFE STRICT AS 'MODULE_PATHNAME', 'tq_handler_signature';
COMMENT ON FUNCTION _handler_signature(text) IS 'Internal: what the view handlers shows of a handler''s function.';

CREATE FUNCTION health() RETURNS SETOF health_finding
	LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 AS 'MODULE_PATHNAME', 'tq_health';
COMMENT ON FUNCTION health() IS
'What is wrong, or may become so, with a way out for each finding. No row of severity error: healthy. For administrators and members of pg_monitor or pg_read_all_data; others get 42501.';

CREATE FUNCTION _may_read(enqueuer oid) RETURNS boolean
	LANGUAGE C STABLE PARALLEL RESTRICTED STRICT AS 'MODULE_PATHNAME', 'tq_may_read';
COMMENT ON FUNCTION _may_read(oid) IS 'Internal: may the current user see the arguments and results of the tasks of this role?';

/*
 * Partition upkeep. Each call takes its locks within 100 ms or gives up, since
 * a dump or a long query may hold them for hours and everything that ends a
 * task would queue behind us. These functions are run as the extension's owner
 * by the scheduler and by _maintain_history(), and are granted to nobody.
 */
CREATE FUNCTION _add_partition(parent text, day date) RETURNS boolean
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, pg_temp
	SET lock_timeout = '100ms'
	SET timezone = 'UTC'
	SET datestyle = 'ISO'
AS $$
DECLARE
	part CONSTANT text := format('%s_%s', parent, to_char(day, 'YYYYMMDD'));
	lower_bound CONSTANT timestamptz := day;
	upper_bound CONSTANT timestamptz := day + 1;
BEGIN
	IF to_regclass(format('task_queue.%I', part)) IS NOT NULL THEN
		RETURN true;
	END IF;
	-- Attaching takes less, but rows move: who read the list of partitions before must not look into them only afterwards.
	EXECUTE format('LOCK TABLE ONLY task_queue.%I IN ACCESS EXCLUSIVE MODE', parent);
	EXECUTE format('LOCK TABLE ONLY task_queue.%I IN ACCESS EXCLUSIVE MODE', parent || '_default');
	IF to_regclass(format('task_queue.%I', part)) IS NOT NULL THEN
		RETURN true;
	END IF;
	EXECUTE format('CREATE TABLE task_queue.%I (LIKE task_queue.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)',
		part, parent || '_default');
	EXECUTE format('WITH moved AS (DELETE FROM ONLY task_queue.%I WHERE expires_at >= $1 AND expires_at < $2 RETURNING *)'
		' INSERT INTO task_queue.%I SELECT * FROM moved', parent || '_default', part)
		USING lower_bound, upper_bound;
	EXECUTE format('ALTER TABLE task_queue.%I ATTACH PARTITION task_queue.%I FOR VALUES FROM (%L) TO (%L)',
		parent, part, lower_bound, upper_bound);
	RETURN true;
EXCEPTION
	WHEN lock_not_available THEN
		RETURN false;
END
$$;
COMMENT ON FUNCTION _add_partition(text, date) IS 'Internal: makes the partition for one day and moves the rows of that day out of the default partition; false if a lock was not to be had within 100 ms.';

CREATE FUNCTION _default_days(parent text) RETURNS SETOF date
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, pg_temp
	SET timezone = 'UTC'
AS $$
BEGIN
	EXECUTE format('DELETE FROM ONLY task_queue.%I WHERE expires_at < $1', parent || '_default')
		USING date_trunc('day', clock_timestamp());
	RETURN QUERY EXECUTE format('SELECT DISTINCT expires_at::date FROM ONLY task_queue.%I', parent || '_default');
END
$$;
COMMENT ON FUNCTION _default_days(text) IS 'Internal: removes what has expired from a default partition and returns the days of what is left in it.';

CREATE FUNCTION _drop_expired(parent text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, pg_temp
	SET lock_timeout = '100ms'
	SET timezone = 'UTC'
	SET datestyle = 'ISO'
AS $$
DECLARE
	part name;
BEGIN
	FOR part IN
		SELECT c.relname
		FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
		WHERE i.inhparent = to_regclass(format('task_queue.%I', parent))
			AND substring(pg_get_expr(c.relpartbound, c.oid) FROM $re$TO \('([^']+)'\)$re$)::timestamptz <= clock_timestamp()
		ORDER BY c.relname
	LOOP
		BEGIN
			EXECUTE format('LOCK TABLE ONLY task_queue.%I IN ACCESS EXCLUSIVE MODE', parent);
			EXECUTE format('DROP TABLE task_queue.%I', part);
		EXCEPTION
			WHEN lock_not_available THEN
				RETURN false;
		END;
	END LOOP;
	RETURN true;
END
$$;
COMMENT ON FUNCTION _drop_expired(text) IS 'Internal: drops the partitions whose day has passed; false if a lock was not to be had within 100 ms.';
