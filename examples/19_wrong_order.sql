-- Wrong order: arguments in the wrong order are refused when the task is enqueued.
\ir common.sql

CREATE FUNCTION example.send(mail_no int, text_to_send text) RETURNS void LANGUAGE sql AS '';
SELECT task_queue.register_handler('example.send(int, text)', or_replace => true);
SELECT count(*) AS before FROM task_queue.tasks WHERE handler = 'example.send' \gset
\set ON_ERROR_STOP off
SELECT task_queue.enqueue('example.send', '["hello", 1]');
\set ON_ERROR_STOP on
SELECT example.check(:'LAST_ERROR_SQLSTATE' = 'TQ002', 'refused with TQ002');
SELECT example.check(count(*) = :before, 'nothing was enqueued') FROM task_queue.tasks WHERE handler = 'example.send';
