-- The extension and the handlers of the benchmarks.
CREATE EXTENSION task_queue;
SELECT task_queue.create_queue('warm');

CREATE FUNCTION noop(payload jsonb) RETURNS void LANGUAGE plpgsql AS 'BEGIN END';
CREATE FUNCTION warm(seconds float8) RETURNS void LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(seconds); END';
SELECT task_queue.register_handler('noop(jsonb)', 'noop');
SELECT task_queue.register_handler('noop(jsonb)', 'noop_unkept', keep_done => '0');
SELECT task_queue.register_handler('noop(jsonb)', 'noop_batch', batch_size => 100);
SELECT task_queue.register_handler('warm(float8)', 'warm', queue => 'warm');
SELECT task_queue.register_external('external');

-- When the handler of a task started.
CREATE TABLE started (id bigint, at timestamptz NOT NULL);
CREATE FUNCTION mark(id bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	at CONSTANT timestamptz := clock_timestamp();
BEGIN
	INSERT INTO started VALUES (id, at);
END
$$;
SELECT task_queue.register_handler('mark(bigint)', 'mark');

-- A table like that of the live tasks, with the same indexes and constraints.
CREATE TABLE plain (LIKE task_queue.task INCLUDING ALL) WITH (fillfactor = 90);

-- Enqueue one task after the other on an idle server: when the call began, when its commit began and returned.
CREATE TABLE enqueued (id bigint, called timestamptz, committing timestamptz, committed timestamptz);
CREATE PROCEDURE enqueue_slowly(n bigint) LANGUAGE plpgsql AS $$
DECLARE
	called timestamptz[];
	committing timestamptz[];
	committed timestamptz[];
BEGIN
	FOR i IN 1 .. n LOOP
		PERFORM pg_sleep(0.01 + 0.02 * random());
		called[i] := clock_timestamp();
		PERFORM task_queue.enqueue('mark', jsonb_build_array(i));
		committing[i] := clock_timestamp();
		COMMIT;
		committed[i] := clock_timestamp();
	END LOOP;
	INSERT INTO enqueued SELECT * FROM unnest(ARRAY(SELECT generate_series(1, n)), called, committing, committed);
END
$$;
