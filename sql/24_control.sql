-- Tasks after they were enqueued: results, cancel, requeue, retention.

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
	EXECUTE format('LOCK TABLE ONLY task_queue.%I IN SHARE UPDATE EXCLUSIVE MODE', parent);
	EXECUTE format('LOCK TABLE ONLY task_queue.%I IN ACCESS EXCLUSIVE MODE', parent || '_default');
	IF to_regclass(format('task_queue.%I', part)) IS NOT NULL THEN
		RETURN true;
	END IF;
	EXECUTE format('CREATE TABLE task_queue.%I (LIKE task_queue.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
		part, parent);
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
