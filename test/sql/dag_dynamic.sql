-- Steps added to a DAG.
\getenv srcdir PG_ABS_SRCDIR
\set setup :srcdir '/include/dag.sql'
\set finish :srcdir '/include/dag_end.sql'
\set ECHO none
\set QUIET on
\i :setup
\set QUIET off
\set ECHO all

-- three steps added by a handler: its own transaction
SELECT task_queue.submit_dag(ARRAY[task_queue.step('p', 'dag.add', '[{"id":"n1"},{"id":"n2"},{"id":"n3","after":["n1","n2"]}]')], id => 'three');
SELECT dag_test.drain(), dag_test.states('three');
SELECT step_id, deps FROM task_queue.dag_steps WHERE dag_id = 'three' ORDER BY step_id;

-- a failed attempt leaves none
CREATE FUNCTION dag_test.add_then_fail() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM task_queue.add_step(task_queue.step('n', 'dag.ok', '["n"]'));
	IF (SELECT attempt FROM task_queue.current_task()) = 1 THEN
		RAISE EXCEPTION 'first attempt';
	END IF;
	RETURN 'ok';
END
$$;
SELECT task_queue.register_handler('dag_test.add_then_fail()', name => 'dag.add_then_fail', queue => 'dag_test',
	retry_policy => task_queue.retry_policy('0', maximum_attempts => 2));
SELECT task_queue.submit_dag(ARRAY[task_queue.step('p', 'dag.add_then_fail')], id => 'retry');
SELECT count(*) FROM task_queue.drain(queue => 'dag_test', max_tasks => 1);
SELECT dag_test.states('retry');
SELECT dag_test.drain(), dag_test.states('retry');

-- a snoozed attempt leaves them
CREATE FUNCTION dag_test.add_then_snooze() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM task_queue.add_step(task_queue.step('n', 'dag.ok', '["n"]'));
	IF (SELECT count(*) FROM task_queue.dag_steps WHERE dag_id = 'snooze') = 2 THEN
		PERFORM task_queue.add_step(task_queue.step('n2', 'dag.ok', '["n2"]', after => '{n}'));
		PERFORM task_queue.snooze('0');
	END IF;
	RETURN 'ok';
END
$$;
SELECT task_queue.register_handler('dag_test.add_then_snooze()', name => 'dag.add_then_snooze', queue => 'dag_test');
SELECT task_queue.submit_dag(ARRAY[task_queue.step('p', 'dag.add_then_snooze')], id => 'snooze');
SELECT count(*) FROM task_queue.drain(queue => 'dag_test', max_tasks => 1);
SELECT dag_test.states('snooze');
SELECT step_id, blocked_on FROM task_queue.dag_steps WHERE dag_id = 'snooze' AND state = 'pending' ORDER BY step_id;
SELECT dag_test.drain(), dag_test.states('snooze');

-- from outside: no implicit dependency; takes effect at once where its dependencies have ended
SELECT dag_test.submit('out', 'a; f!?; hold~');
SELECT dag_test.drain();
SELECT task_queue.add_step(task_queue.step('n', 'dag.ok', '["n"]'), 'out');
SELECT task_queue.add_step(task_queue.step('m', 'dag.ok', jsonb_build_array('m', task_queue.ref('a')), after => '{n}'), 'out');
SELECT task_queue.add_step(task_queue.step('s', 'dag.ok', '["s"]', after => '{f,hold}'), 'out');
SELECT task_queue.add_step(task_queue.step('d', 'dag.ok', jsonb_build_array('d', task_queue.ref_or_default('f', '1'))), 'out');
SELECT task_queue.add_step(task_queue.step('w', 'dag.ok', '["w"]', after => '{hold}'), 'out');
SELECT dag_test.states('out');
SELECT dag_test.drain(), dag_test.states('out');
SELECT task_queue.cancel(task_id) FROM task_queue.dag_steps WHERE dag_id = 'out' AND step_id = 'hold';
SELECT dag_test.states('out');

-- idempotent: the whole definition is compared
SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'dag.ok', '["a"]', retry_policy => task_queue.retry_policy('1 s')),
	task_queue.step('hold', 'dag.ext')], id => 'same');
SELECT task_queue.add_step(task_queue.step('a', 'dag.ok', '["a"]', retry_policy => task_queue.retry_policy('1 s'), optional => false), 'same');
SELECT task_queue.add_step(task_queue.step('a', 'dag.ok', '["a"]', retry_policy => task_queue.retry_policy('2 s')), 'same');
SELECT task_queue.add_step(task_queue.step('a', 'dag.ok', '["a"]'), 'same');
SELECT task_queue.add_step(task_queue.step('n', 'dag.ok', '["n"]', wait_for => '{x,y}', timeout => '24 h'), 'same');
SELECT task_queue.add_step(task_queue.step('n', 'dag.ok', '["n"]', wait_for => '{x,y}', timeout => '1 day'), 'same');
SELECT task_queue.add_step(task_queue.step('n', 'dag.ok', '["n"]', wait_for => '{x}', timeout => '1 day'), 'same');
SELECT steps FROM task_queue.dags WHERE dag_id = 'same';

-- refused
SELECT task_queue.add_step(NULL, 'same');
SELECT task_queue.add_step(task_queue.step('x', 'dag.ok', '["x"]'));
SELECT task_queue.add_step(task_queue.step('x', 'dag.ok', '["x"]'), 'unknown');
SELECT task_queue.add_step(task_queue.step('x', 'dag.ok', '["x"]', after => '{unknown}'), 'same');
SELECT task_queue.add_step(task_queue.step('x', 'dag.ok', '["x"]', after => '{x}'), 'same');
SELECT task_queue.add_step(task_queue.step('x', 'dag.ok', '["x"]', colocate_here => true), 'same');
SELECT task_queue.add_step(task_queue.step('x', 'dag.ok', '["x"]', follow_target_of => 'a'), 'same');
SELECT task_queue.add_step(task_queue.step('x', 'dag.ok', '["x"]', colocate_with => 'hold'), 'same');
SELECT task_queue.add_step(task_queue.step('x', 'dag.ok', '[]'), 'same');
SELECT task_queue.add_step(task_queue.step('x', 'dag.unknown'), 'same');
SELECT task_queue.add_step(task_queue.step('x', 'dag.ok', '["x"]', queue => 'unknown'), 'same');
SELECT task_queue.add_step(task_queue.step('', 'dag.ok', '["x"]'), 'same');
CREATE FUNCTION dag_test.add_alone() RETURNS void LANGUAGE sql AS $$ SELECT task_queue.add_step(task_queue.step('x', 'dag.ok', '["x"]')) $$;
SELECT task_queue.register_handler('dag_test.add_alone()', name => 'dag.add_alone', queue => 'dag_test');
SELECT task_queue.enqueue('dag.add_alone') > 0 AS enqueued;
SELECT state, (error).sqlstate FROM task_queue.drain(queue => 'dag_test') WHERE handler = 'dag.add_alone';

-- a pausing or paused DAG accepts it, held; policy, breakpoints and signals of the DAG apply
SELECT task_queue.submit_dag(ARRAY[task_queue.step('hold', 'dag.ext')], id => 'held', active_breakpoints => '{B}',
	retry_policy => task_queue.retry_policy('0', maximum_attempts => 2));
SELECT task_queue.signal('held', 's'), task_queue.pause_dag('held');
SELECT task_queue.add_step(task_queue.step('n', 'dag.fail', '["n"]', wait_for => '{s}', break_before => '{B}'), 'held');
SELECT step_id, state, held, blocked_on FROM task_queue.dag_steps WHERE dag_id = 'held' AND step_id = 'n';
SELECT task_queue.resume_dag('held'), task_queue.resume_breakpoint('held', 'B'), dag_test.drain();
SELECT state, attempt FROM task_queue.dag_steps WHERE dag_id = 'held' AND step_id = 'n';

-- placement beside the parent
SELECT task_queue.submit_dag(ARRAY[task_queue.step('p', 'dag.add', '[{"id":"n","colocate_here":true},{"id":"m","colocate_with":"n"},{"id":"f","follow_target_of":"m"}]')], id => 'place');
SELECT dag_test.drain(), dag_test.states('place');
SELECT step_id, target FROM task_queue.dag_steps WHERE dag_id = 'place' ORDER BY step_id;

-- fan-out with one join, dependents of added steps included
CREATE FUNCTION dag_test.fan_out(n int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. n LOOP
		PERFORM task_queue.add_step(task_queue.step('f' || i, 'dag.value', jsonb_build_array(i)));
	END LOOP;
	PERFORM task_queue.add_step(task_queue.step('join', 'dag.value', jsonb_build_array(task_queue.refs(ARRAY(SELECT 'f' || i FROM generate_series(1, n) AS i)))));
	RETURN 'ok';
END
$$;
SELECT task_queue.register_handler('dag_test.fan_out(int)', name => 'dag.fan_out', queue => 'dag_test');
SELECT task_queue.submit_dag(ARRAY[task_queue.step('p', 'dag.fan_out', '[2000]'), task_queue.step('q', 'dag.ok', '["q"]', after => '{p}')], id => 'fan');
SELECT dag_test.drain();
SELECT state, steps, done FROM task_queue.dags WHERE dag_id = 'fan';
SELECT jsonb_array_length(task_queue.await_step('fan', 'join'));

\set ECHO none
\set QUIET on
\i :finish
