-- End to end, part 4 of 4: what came out.
\set ON_ERROR_STOP on
CALL example.wait_until($$SELECT count(*) = 1 FROM task_queue.dead_letters WHERE handler = 'example.die'$$);
SELECT task_queue.await_step('example end to end', 'final') AS final, task_queue.await_step('example end to end', 'dyn-followup') AS followup,
	task_queue.await_step('example end to end', 'dflt') AS dflt \gset
SELECT example.check(:'final' = '59', 'final = 25 + 20 + 14 = 59');
SELECT example.check(:'dflt' = '14', 'dflt = 2 x 7');
SELECT example.check(:'followup' = '6', 'dyn-followup = 6');
SELECT example.check(string_agg(step_id || ' on ' || worker, ', ' ORDER BY step_id) = 'colo on ext1, dyn-followup on ext2, dynp on ext2, folo on ext1, s2 on ext1',
	'each external step where it belongs') FROM task_queue.dag_steps WHERE dag_id = 'example end to end' AND worker LIKE 'ext%';
SELECT example.check(state = 'done' AND steps = 34 AND done = 33 AND failed = 1 AND stopped = 0 AND waiting = 0, '33 done, 1 failed, nothing blocked')
	FROM task_queue.dags WHERE dag_id = 'example end to end';
SELECT example.check(state = 'failed', 'the failed one is opt') FROM task_queue.dag_steps WHERE dag_id = 'example end to end' AND step_id = 'opt';
SELECT example.check(count(*) = 0, 'no live task') FROM task_queue.tasks WHERE state IN ('scheduled', 'ready', 'running') AND handler LIKE 'example.%';
SELECT example.check(string_agg(error_kind, ', ' ORDER BY error_kind) = 'deadline, handler, handler, panic, validation', 'the dead letters')
	FROM task_queue.dead_letters WHERE dag_id = 'example end to end' OR task_id IN (SELECT id FROM example.beside) OR handler = 'example.die';
SELECT example.check(count(*) = 3, 'the 3 of 3 were 3 attempts') FROM task_queue.attempts JOIN example.beside ON id = task_id WHERE what = 'three';
SELECT task_queue.delete_dag('example end to end');
