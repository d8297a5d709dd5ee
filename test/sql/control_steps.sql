-- Control calls on the tasks of DAG steps.
SET client_min_messages = warning;
ALTER SEQUENCE task_queue.task_task_id_seq RESTART 7500001;
SET task_queue.execution = manual;
CREATE SCHEMA control_steps;
CREATE TABLE control_steps.config (broken boolean);
INSERT INTO control_steps.config VALUES (true);
CREATE FUNCTION control_steps.work(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	IF (SELECT broken FROM control_steps.config) THEN
		RAISE EXCEPTION 'broken';
	END IF;
	RETURN n + 1;
END
$$;
SELECT task_queue.register_handler('control_steps.work(int)', name => 'cs.work', retry_policy => task_queue.no_retry_policy());
PREPARE steps (text) AS
SELECT s.step_id, s.state, s.attempt, d.state AS dag FROM task_queue.dag_step AS s JOIN task_queue.dag AS d USING (dag_key)
WHERE d.dag_id = $1 ORDER BY s.step_id;

SELECT task_queue.submit_dag(ARRAY[
	task_queue.step('a', 'cs.work', '[1]'),
	task_queue.step('b', 'cs.work', jsonb_build_array(task_queue.ref('a')))], id => 'cs1', labels => '{l}');
SELECT task_id AS a FROM task_queue.tasks WHERE dag_id = 'cs1' AND step_id = 'a' \gset
SELECT state, handler, labels FROM task_queue.tasks WHERE dag_id = 'cs1';
SELECT task_queue.alter_task(:a, args => '[2]');
SELECT task_queue.alter_task(:a, priority => 2);
SELECT task_queue.delete_task(:a);
SELECT task_queue.delete_task(:a, force => true);
SELECT task_queue.requeue(:a);

-- a dead letter names DAG and step; requeue is retry_step
SELECT state, error_kind FROM task_queue.drain();
EXECUTE steps('cs1');
SELECT dag_id, step_id, attempt, labels FROM task_queue.dead_letters WHERE handler = 'cs.work';
SELECT task_queue.get_task(:a) ->> 'dag_id' AS dag, task_queue.get_task(:a) ->> 'step_id' AS step;
SELECT task_queue.delete_task(:a);
SELECT task_queue.requeue(:a, args => '[2]');
SELECT task_queue.requeue(:a, run_at => now() + interval '1 h');
UPDATE control_steps.config SET broken = false;
SELECT task_queue.requeue(:a) = :a AS same_id;
SELECT count(*) FROM task_queue.dead_letters WHERE handler = 'cs.work';
EXECUTE steps('cs1');
SELECT state FROM task_queue.drain();
EXECUTE steps('cs1');
SELECT task_queue.await(:a);
SELECT count(*) FROM task_queue.attempts WHERE task_id = :a;

-- cancel of a step's task: the step is canceled, its dependents skipped
SELECT task_queue.submit_dag(ARRAY[
	task_queue.step('a', 'cs.work', '[1]'),
	task_queue.step('b', 'cs.work', jsonb_build_array(task_queue.ref('a')))], id => 'cs2');
SELECT task_id AS a FROM task_queue.tasks WHERE dag_id = 'cs2' AND step_id = 'a' \gset
SELECT task_queue.cancel(:a, 'not wanted');
EXECUTE steps('cs2');
SELECT task_queue.requeue(:a);
SELECT state, cancel_reason, dag_id, step_id FROM task_queue.tasks WHERE task_id = :a;

-- requeue_failed: failed steps too, those of canceled DAGs not
UPDATE control_steps.config SET broken = true;
SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'cs.work', '[1]'), task_queue.step('b', 'cs.work', '[1]')], id => 'cs3'),
	task_queue.submit_dag(ARRAY[task_queue.step('a', 'cs.work', '[1]'), task_queue.step('b', 'cs.work', '[1]', wait_for => '{go}')], id => 'cs4'),
	task_queue.enqueue('cs.work', '[1]') AS plain \gset
SELECT count(*) FROM task_queue.drain();
SELECT task_queue.cancel_dag('cs4');
SELECT dag_id, step_id FROM task_queue.dead_letters WHERE handler = 'cs.work' ORDER BY dag_id, step_id;
SELECT task_queue.requeue_failed(handler => 'cs.work', error_kind => 'other');
SELECT task_queue.requeue_failed(handler => 'cs.work');
SELECT dag_id, step_id FROM task_queue.dead_letters WHERE handler = 'cs.work' ORDER BY dag_id, step_id;
UPDATE control_steps.config SET broken = false;
SELECT state FROM task_queue.drain();
EXECUTE steps('cs3');

-- purging dead letters leaves the step's record alone
SELECT task_queue.purge_dead_letters('0') > 0 AS purged;
EXECUTE steps('cs4');

SELECT task_queue.delete_dag(id, force => true) FROM unnest('{cs1,cs2,cs3,cs4}'::text[]) AS id;
SELECT task_queue.delete_task(:plain), task_queue.unregister_handler('cs.work');
SELECT count(*) FROM task_queue.tasks WHERE handler = 'cs.work';
DROP SCHEMA control_steps CASCADE;
