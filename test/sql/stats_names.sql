-- The view stats: a long name is cut between characters.
CREATE FUNCTION stats_named(n int) RETURNS int LANGUAGE sql AS 'SELECT n';
SET task_queue.execution = manual;
SELECT octet_length(task_queue.register_handler('stats_named(int)', repeat('é', 200)));
SELECT count(task_queue.enqueue(repeat('é', 200), '[6]'));
SELECT count(*) FROM task_queue.drain();
SELECT octet_length(handler), done FROM task_queue.stats WHERE handler LIKE 'éé%';
