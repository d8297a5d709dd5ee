WITH claimed AS MATERIALIZED (
	DELETE FROM queue WHERE id = (
		SELECT id FROM queue WHERE run_at <= now() ORDER BY priority, run_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
	RETURNING *, clock_timestamp() AS started_at, noop(payload))
INSERT INTO done SELECT id, handler, payload, run_at, started_at, clock_timestamp(), attempt + 1 FROM claimed;
