-- Leave nothing of the tests of DAGs to others.
SELECT count(task_queue.delete_dag(dag_id, force => true)) AS deleted FROM task_queue.dags \gset
DELETE FROM task_queue.attempt WHERE queue = 'dag_test';
DELETE FROM task_queue.history WHERE queue = 'dag_test';
SELECT count(task_queue.unregister_handler(name)) AS unregistered FROM task_queue.handlers WHERE queue = 'dag_test' \gset
SELECT task_queue.drop_queue('dag_test', force => true) AS dropped \gset
SET client_min_messages = warning;
DROP SCHEMA dag_test CASCADE;
