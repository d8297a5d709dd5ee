-- Who may do what with DAGs, and what is drawn of them.
\getenv srcdir PG_ABS_SRCDIR
\set setup :srcdir '/include/dag.sql'
\set finish :srcdir '/include/dag_end.sql'
\set ECHO none
\set QUIET on
\i :setup
\set QUIET off
\set ECHO all

CREATE ROLE regress_tq_dag_team;
CREATE ROLE regress_tq_dag_anna IN ROLE regress_tq_dag_team;
CREATE ROLE regress_tq_dag_bert;
CREATE ROLE regress_tq_dag_watch IN ROLE pg_monitor;
CREATE ROLE regress_tq_dag_chief;
GRANT USAGE ON SCHEMA task_queue, dag_test TO regress_tq_dag_team, regress_tq_dag_bert, regress_tq_dag_watch, regress_tq_dag_chief;
GRANT INSERT, SELECT ON ALL TABLES IN SCHEMA dag_test TO regress_tq_dag_team;
SELECT task_queue.grant_admin('regress_tq_dag_chief');

SET ROLE regress_tq_dag_team;
SELECT task_queue.submit_dag(ARRAY[
	task_queue.step('a', 'dag.value', '[1]'),
	task_queue.step('b', 'dag.ok', jsonb_build_array('b', task_queue.ref('a')), break_before => '{B}'),
	task_queue.step('c', 'dag.ok', jsonb_build_array('c', task_queue.signal_ref('s')), after_any => '{a}'),
	task_queue.step('d', 'dag.fail', '["d"]', optional => true)],
	id => 'team', labels => '{finance,weekly}', active_breakpoints => '{B}');
RESET ROLE;
SELECT dag_test.drain();
REVOKE EXECUTE ON FUNCTION dag_test.nothing() FROM PUBLIC;
SET ROLE regress_tq_dag_team;
SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'dag.nothing')]);
RESET ROLE;

-- a stranger sees nothing and may do nothing
SET ROLE regress_tq_dag_bert;
SELECT count(*) FROM task_queue.dags;
SELECT count(*) FROM task_queue.dag_steps;
SELECT count(*) FROM task_queue.dag_signals;
SELECT count(*) FROM task_queue.dag_breakpoints;
SELECT count(*) FROM task_queue.list_dags();
SELECT task_queue.pause_dag('team');
SELECT task_queue.resume_dag('team');
SELECT task_queue.cancel_dag('team');
SELECT task_queue.signal('team', 's');
SELECT task_queue.resume_breakpoint('team', 'B');
SELECT task_queue.delete_dag('team', true);
SELECT task_queue.retry_step('team', 'd');
SELECT task_queue.add_step(task_queue.step('x', 'dag.ok', '["x"]'), 'team');
SELECT task_queue.await_dag('team', '0');
SELECT task_queue.await_step('team', 'a');
SELECT task_queue.dag_tree('team');
SELECT task_queue.dag_debug('team');
SELECT task_queue.dag_mermaid('team');
SELECT task_queue.purge_dags('0');
SELECT * FROM task_queue.dag;
-- a monitor sees, but no payload
SET ROLE regress_tq_dag_watch;
SELECT dag_id, labels, steps FROM task_queue.dags WHERE dag_id = 'team';
SELECT dag_id, labels FROM task_queue.list_dags('{finance}');
SELECT task_queue.dag_tree('team') IS NOT NULL AS drawn;
SELECT task_queue.signal('team', 's');
-- a member of the role, and an administrator
SET ROLE regress_tq_dag_anna;
SELECT task_queue.await_step('team', 'a');
SELECT task_queue.signal('team', 's', '"go"');
SELECT dag_id, labels FROM task_queue.list_dags('{weekly,finance}', 'Running');
SELECT task_queue.pause_dag('team');
SET ROLE regress_tq_dag_chief;
SELECT task_queue.resume_dag('team');
RESET ROLE;
SELECT dag_test.drain();

-- drawn
\pset format unaligned
SELECT task_queue.dag_tree('team');
SELECT task_queue.dag_mermaid('team');
SELECT regexp_replace(regexp_replace(task_queue.dag_debug('team'), '\d\d:\d\d:\d\d(\.\d+)?', 'T', 'g'), '\d{4}-\d\d-\d\d T[-+]\d\d', 'TIME', 'g') AS dag_debug;
-- names are any text
SELECT task_queue.submit_dag(ARRAY[task_queue.step(E'say "hi" & <b>\n`x` #35;', 'dag.ext'), task_queue.step('end', 'dag.ext', after_any => ARRAY[E'say "hi" & <b>\n`x` #35;'])], id => 'odd');
SELECT line FROM string_to_table(task_queue.dag_mermaid('odd'), E'\n') AS line WHERE line !~ 'classDef';
SELECT task_queue.delete_dag('odd', true);
\pset format aligned
SELECT task_queue.dag_tree('unknown');
SELECT task_queue.dag_debug('unknown');
SELECT task_queue.dag_mermaid('unknown');

-- list_dags: newest first, labels and the other filters together, max_rows after the sort
SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'dag.ext')], id => 'L' || i, labels => l::text[])
	FROM (VALUES (1, '{finance,weekly}'), (2, '{finance}'), (3, '{ops}')) AS v (i, l) ORDER BY i;
SELECT (SELECT count(*) FROM task_queue.list_dags('{finance}') WHERE dag_id LIKE 'L%') AS finance,
	(SELECT count(*) FROM task_queue.list_dags('{finance,weekly}') WHERE dag_id LIKE 'L%') AS both,
	(SELECT count(*) FROM task_queue.list_dags('{ops}') WHERE dag_id LIKE 'L%') AS ops,
	(SELECT count(*) FROM task_queue.list_dags('{}') WHERE dag_id LIKE 'L%') AS any;
SELECT dag_id FROM task_queue.list_dags(max_rows => 2);
SELECT count(*) FROM task_queue.list_dags(created_since => clock_timestamp());
SELECT task_queue.list_dags(max_rows => -1);
SELECT task_queue.list_dags(state => 'ready');

SELECT task_queue.delete_dag(dag_id, true) FROM task_queue.dags WHERE dag_id = 'team' OR dag_id LIKE 'L_';
SELECT task_queue.revoke_admin('regress_tq_dag_chief');
DROP OWNED BY regress_tq_dag_team, regress_tq_dag_bert, regress_tq_dag_watch, regress_tq_dag_chief;
DROP ROLE regress_tq_dag_anna, regress_tq_dag_team, regress_tq_dag_bert, regress_tq_dag_watch, regress_tq_dag_chief;

\set ECHO none
\set QUIET on
\i :finish
