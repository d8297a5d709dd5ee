-- Retrying a step, deleting and keeping DAGs, the error text of a step.
\getenv srcdir PG_ABS_SRCDIR
\set setup :srcdir '/include/dag.sql'
\set finish :srcdir '/include/dag_end.sql'
\set ECHO none
\set QUIET on
\i :setup
\set QUIET off
\set ECHO all

-- the step and what was skipped because of it run again
INSERT INTO dag_test.broken VALUES ('a');
SELECT dag_test.submit('R1', 'a; b R(a); c R(b); d Y(a); e');
SELECT dag_test.drain(), dag_test.states('R1');
SELECT step_id, task_id AS old FROM task_queue.dag_steps WHERE dag_id = 'R1' AND step_id = 'a' \gset
SELECT task_queue.retry_step('R1', 'b');
SELECT task_queue.retry_step('R1', 'e');
SELECT task_queue.retry_step('R1', 'unknown');
SELECT task_queue.retry_step('unknown', 'a');
DELETE FROM dag_test.broken;
SELECT task_queue.retry_step('R1', 'a');
SELECT dag_test.states('R1');
SELECT task_id = :old AS same_id, attempt, finished_at IS NULL AS unfinished, error_kind FROM task_queue.dag_steps WHERE dag_id = 'R1' AND step_id = 'a';
SELECT count(*) FROM task_queue.dead_letters WHERE dag_id = 'R1';
SELECT finished_at IS NULL AS unfinished FROM task_queue.dags WHERE dag_id = 'R1';
SELECT dag_test.drain(), dag_test.states('R1');

-- a step that another failure still forbids is skipped again
INSERT INTO dag_test.broken VALUES ('a'), ('x');
SELECT dag_test.submit('R2', 'a; x; b R(a) R(x); c R(b)');
SELECT dag_test.drain(), dag_test.states('R2');
DELETE FROM dag_test.broken WHERE step = 'a';
SELECT task_queue.retry_step('R2', 'a');
SELECT dag_test.states('R2');
SELECT dag_test.drain(), dag_test.states('R2');
DELETE FROM dag_test.broken;
SELECT task_queue.retry_step('R2', 'x'), dag_test.drain();
SELECT dag_test.states('R2');

-- requeue does the same; paused stays paused; a canceled DAG refuses
INSERT INTO dag_test.broken VALUES ('a');
SELECT dag_test.submit('R3', 'a; b R(a); h~');
SELECT dag_test.drain(), task_queue.pause_dag('R3');
DELETE FROM dag_test.broken;
SELECT task_queue.requeue(task_id) = task_id AS requeued FROM task_queue.dag_steps WHERE dag_id = 'R3' AND step_id = 'a';
SELECT dag_test.drain(), dag_test.states('R3');
SELECT task_queue.resume_dag('R3'), dag_test.drain(), dag_test.states('R3');
INSERT INTO dag_test.broken VALUES ('a');
SELECT dag_test.submit('R4', 'a; h~');
SELECT dag_test.drain(), task_queue.cancel_dag('R4');
SELECT task_queue.retry_step('R4', 'a');

-- optional dependents that wait for something else wait for the retried step too
DELETE FROM dag_test.broken;
INSERT INTO dag_test.broken VALUES ('a');
SELECT dag_test.submit('R5', 'a; h~; b D(a) Y(h)');
SELECT dag_test.drain(), dag_test.states('R5');
SELECT task_queue.pause_dag('R5'), task_queue.retry_step('R5', 'a');
SELECT step_id, blocked_on FROM task_queue.dag_steps WHERE dag_id = 'R5' AND state = 'pending' ORDER BY step_id;
SELECT task_queue.resume_dag('R5');
SELECT task_queue.cancel(task_id) FROM task_queue.dag_steps WHERE dag_id = 'R5' AND step_id = 'h';
SELECT dag_test.states('R5');
SELECT dag_test.drain(), dag_test.states('R5');

-- where counters are split
DELETE FROM dag_test.broken;
INSERT INTO dag_test.broken VALUES ('p7');
SELECT task_queue.submit_dag(ARRAY(SELECT task_queue.step('p' || i, 'dag.ok', jsonb_build_array('p' || i)) FROM generate_series(1, 100) AS i)
	|| task_queue.step('all', 'dag.ok', '["all"]', after => ARRAY(SELECT 'p' || i FROM generate_series(1, 100) AS i))
	|| ARRAY(SELECT task_queue.step('l' || i, 'dag.ok', '["l"]', after => '{all}') FROM generate_series(1, 50) AS i), id => 'R6');
SELECT dag_test.drain();
SELECT state, done, failed, skipped FROM task_queue.dags WHERE dag_id = 'R6';
DELETE FROM dag_test.broken;
SELECT task_queue.retry_step('R6', 'p7'), dag_test.drain();
SELECT state, done, failed, skipped FROM task_queue.dags WHERE dag_id = 'R6';

-- a dependent with a split countdown that has run already
INSERT INTO dag_test.broken VALUES ('p7');
SELECT task_queue.submit_dag(ARRAY(SELECT task_queue.step('p' || i, 'dag.ok', jsonb_build_array('p' || i)) FROM generate_series(1, 100) AS i)
	|| task_queue.step('any', 'dag.ok', '["any"]', after_any => ARRAY(SELECT 'p' || i FROM generate_series(1, 100) AS i)), id => 'R8');
SELECT dag_test.drain();
SELECT state, done, failed FROM task_queue.dags WHERE dag_id = 'R8';
SELECT task_queue.retry_step('R8', 'p7'), dag_test.drain();
SELECT state, done, failed FROM task_queue.dags WHERE dag_id = 'R8';
DELETE FROM dag_test.broken;
SELECT task_queue.retry_step('R8', 'p7'), dag_test.drain();
SELECT state, done, failed FROM task_queue.dags WHERE dag_id = 'R8';

-- delete
SELECT dag_test.submit('D', 'a; b R(a); h~');
SELECT dag_test.drain();
SELECT task_queue.delete_dag('D');
SELECT task_queue.delete_dag('D', force => true), task_queue.delete_dag('D', force => true), task_queue.delete_dag('unknown');
SELECT count(*) FROM task_queue.tasks WHERE dag_id = 'D';
SELECT dag_test.submit('D', 'a');
SELECT dag_test.drain(), dag_test.states('D');
SELECT d.dag_key AS key FROM task_queue.dag AS d WHERE dag_id = 'D' \gset
SELECT task_queue.delete_dag('D');
-- with what had failed before, of a task that waits, and of one that its worker still has
SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'dag.fail', '["a"]', retry_policy => task_queue.retry_policy('1 h')),
	task_queue.step('b', 'dag.ext', retry_policy => task_queue.retry_policy('0'), priority => -1)], id => 'D');
SELECT dag_test.drain();
SELECT task_queue.fail(task_id, lease_token) FROM task_queue.dequeue('dag_test');
SELECT count(*) AS attempts, array_agg(task_id) AS ids FROM task_queue.attempts JOIN task_queue.tasks USING (task_id) WHERE dag_id = 'D' \gset
SELECT :attempts AS attempts;
SELECT task_id, lease_token, attempt FROM task_queue.dequeue('dag_test') \gset
SELECT task_queue.delete_dag('D', force => true), task_queue.complete(:task_id, :lease_token);
SELECT count(*) FROM task_queue.attempts WHERE task_id = ANY (:'ids');
SELECT count(*) FROM task_queue.tasks WHERE task_id = ANY (:'ids');
SELECT (SELECT count(*) FROM task_queue.history WHERE dag_key = :key) AS history, (SELECT count(*) FROM task_queue.dag_step WHERE dag_key = :key) AS steps;

-- purge and keep
SELECT dag_test.submit('P' || i, 'a') FROM generate_series(1, 3) AS i;
SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'dag.ok', '["a"]')], id => 'P4', labels => '{purge,me}');
SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'dag.ok', '["a"]')], id => 'P5', labels => '{purge}', keep => '0');
SELECT dag_test.drain();
SELECT task_queue.purge_dags('1 day'), task_queue.purge_dags('0', '{purge,me}'), task_queue.purge_dags('0', '{purge,other}');
SELECT dag_id FROM task_queue.dags WHERE dag_id LIKE 'P_' ORDER BY 1;
SELECT expires_at = finished_at AS expires FROM task_queue.dag WHERE dag_id = 'P5';
SELECT task_queue.purge_dags(NULL);
-- longer than time goes
SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'dag.ok', '["a"]')], id => 'P6', keep => '1000000 years'),
	task_queue.submit_dag(ARRAY[task_queue.step('a', 'dag.ext')], id => 'P7', keep => '1000000 years');
SELECT dag_test.drain(), task_queue.cancel_dag('P7');
SELECT dag_id, expires_at > now() + interval '200000 years' AS expires FROM task_queue.dag WHERE dag_id IN ('P6', 'P7') ORDER BY 1;

-- the step keeps the error's text up to the limit
CREATE FUNCTION dag_test.long_error(n int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '%', repeat(chr(233), n); END $$;
SELECT task_queue.register_handler('dag_test.long_error(int)', name => 'dag.long_error', queue => 'dag_test');
SET task_queue.max_step_error_bytes = 11;
SELECT task_queue.submit_dag(ARRAY[task_queue.step('five', 'dag.long_error', '[5]'), task_queue.step('six', 'dag.long_error', '[6]')], id => 'E1');
SELECT dag_test.drain();
RESET task_queue.max_step_error_bytes;
SELECT task_queue.submit_dag(ARRAY[task_queue.step('fits', 'dag.long_error', '[2048]'), task_queue.step('long', 'dag.long_error', '[2049]')], id => 'E2');
SELECT dag_test.drain();
SET task_queue.max_step_error_bytes = -1;
SELECT task_queue.submit_dag(ARRAY[task_queue.step('none', 'dag.long_error', '[5]')], id => 'E3');
SELECT dag_test.drain();
SET task_queue.max_step_error_bytes = 0;
SELECT task_queue.submit_dag(ARRAY[task_queue.step('default', 'dag.long_error', '[5]')], id => 'E4');
SELECT dag_test.drain();
SELECT s.dag_id, s.step_id, octet_length(s.error_message), length(s.error_message), right(s.error_message, 1) = chr(8230) AS cut, length(l.error_message) AS dead_letter
FROM task_queue.dag_steps AS s JOIN task_queue.dead_letters AS l USING (dag_id, step_id) WHERE s.dag_id ~ '^E\d$' ORDER BY 1, 2;
SELECT task_queue.await_step('E1', 'five');

\set ECHO none
\set QUIET on
\i :finish
