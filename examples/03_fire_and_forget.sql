-- Fire and forget: ten tasks without reply.
\ir common.sql

CREATE TABLE example.execution (task_id bigint);
CREATE FUNCTION example.note() RETURNS void LANGUAGE sql AS 'INSERT INTO example.execution SELECT task_id FROM task_queue.current_task()';
SELECT task_queue.register_handler('example.note()', or_replace => true);
CREATE TABLE example.enqueued AS SELECT task_queue.enqueue('example.note') AS id FROM generate_series(1, 10);
SELECT example.check(count(DISTINCT id) = 10, 'ten different ids') FROM example.enqueued;
CALL example.wait_until('SELECT count(*) = 10 FROM example.execution');
SELECT example.check(count(*) = 10 AND count(DISTINCT task_id) = 10, 'ten executions') FROM example.execution JOIN example.enqueued ON id = task_id;
