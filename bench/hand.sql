-- Queues as they are written by hand. First the usual one: a table, SKIP LOCKED,
-- and a table of what is done, with the index to find it.
CREATE TABLE queue (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	handler text NOT NULL,
	payload jsonb NOT NULL,
	run_at timestamptz NOT NULL DEFAULT now(),
	priority int NOT NULL DEFAULT 0,
	attempt int NOT NULL DEFAULT 0,
	leased_until timestamptz NOT NULL DEFAULT '-infinity'
);
CREATE INDEX ON queue (priority, run_at, id);
CREATE TABLE done (
	id bigint NOT NULL,
	handler text NOT NULL,
	payload jsonb NOT NULL,
	run_at timestamptz NOT NULL,
	started_at timestamptz NOT NULL,
	finished_at timestamptz NOT NULL,
	attempt int NOT NULL
);
CREATE INDEX ON done (id);
CREATE FUNCTION noop(payload jsonb) RETURNS void LANGUAGE plpgsql AS 'BEGIN END';

/*
 * The read and archive calls of pgmq 1.5, written again from their description:
 * a message becomes invisible by an update and goes to an archive by a delete
 * and an insert, through dynamic SQL since the queue's name is an argument.
 */
CREATE TABLE q_tasks (
	msg_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	read_ct int NOT NULL DEFAULT 0,
	enqueued_at timestamptz NOT NULL DEFAULT now(),
	vt timestamptz NOT NULL DEFAULT now(),
	message jsonb
);
CREATE INDEX ON q_tasks (vt);
CREATE TABLE a_tasks (
	msg_id bigint PRIMARY KEY,
	read_ct int NOT NULL,
	enqueued_at timestamptz NOT NULL,
	archived_at timestamptz NOT NULL DEFAULT now(),
	vt timestamptz NOT NULL,
	message jsonb
);
CREATE INDEX ON a_tasks (archived_at);
CREATE FUNCTION mq_read(queue text, seconds int, n int) RETURNS SETOF q_tasks LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format(
		'WITH next AS (SELECT msg_id FROM %1$I WHERE vt <= clock_timestamp() ORDER BY msg_id LIMIT $1 FOR UPDATE SKIP LOCKED)
		UPDATE %1$I AS m SET vt = clock_timestamp() + $2, read_ct = read_ct + 1 FROM next WHERE m.msg_id = next.msg_id
		RETURNING m.*', 'q_' || queue)
		USING n, make_interval(secs => seconds);
END
$$;
CREATE FUNCTION mq_archive(queue text, ids bigint[]) RETURNS SETOF bigint LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format(
		'WITH gone AS (DELETE FROM %1$I WHERE msg_id = ANY ($1) RETURNING msg_id, vt, read_ct, enqueued_at, message)
		INSERT INTO %2$I (msg_id, vt, read_ct, enqueued_at, message) SELECT * FROM gone RETURNING msg_id',
		'q_' || queue, 'a_' || queue)
		USING ids;
END
$$;
