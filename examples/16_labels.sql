-- Labels: finding DAGs.
\ir common.sql

SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'example.echo', '[1]')], id => 'example labels ' || i, labels => l::text[] || 'example'::text)
	FROM (VALUES (1, '{finance,weekly}'), (2, '{finance}'), (3, '{ops}')) AS v (i, l);
SELECT example.check(count(*) = 2, '2 for {finance}') FROM task_queue.list_dags('{finance,example}');
SELECT example.check(count(*) = 1, '1 for both') FROM task_queue.list_dags('{weekly,finance,example}');
SELECT example.check(count(*) = 1, '1 for {ops}') FROM task_queue.list_dags('{ops,example}');
SELECT example.check(count(*) = 3, '3 for any') FROM task_queue.list_dags('{}') WHERE dag_id LIKE 'example labels %';
SELECT task_queue.await_dag('example labels ' || i) FROM generate_series(1, 3) AS i;
SELECT count(task_queue.delete_dag('example labels ' || i)) FROM generate_series(1, 3) AS i;
