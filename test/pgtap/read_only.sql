-- Where nothing can be written, as on a standby, every call that writes says so, whatever it would have found to do.
\set ON_ERROR_STOP 1
SET search_path = task_queue, public;
CREATE FUNCTION public.ro_none() RETURNS void LANGUAGE sql AS '';
SELECT register_handler('public.ro_none()');
SELECT submit_dag(ARRAY[step('a', 'public.ro_none', delay => '1 h')], 'ro_dag');
SELECT enqueue('public.ro_none', delay => '1 h') AS live \gset

BEGIN;
SELECT no_plan();
SET TRANSACTION READ ONLY;
SELECT throws_ok('SELECT task_queue.' || call, '25006', NULL, call) FROM unnest(ARRAY[
	'enqueue(''public.ro_none'')', 'enqueue_many(''public.ro_none'', ''{}'')', 'cancel(-1)', 'alter_task(-1)', 'requeue(-1)', 'requeue_failed()',
	'delete_task(-1)', 'purge_dead_letters(''1 h'')', 'register_handler(''public.ro_none()'', ''x'')', 'register_external(''x'')',
	'unregister_handler(''x'')', 'create_queue(''x'')', 'alter_queue(''x'')', 'drop_queue(''x'')', 'pause_queue(''x'')', 'resume_queue(''x'')',
	'grant_worker(''postgres'')', 'grant_admin(''postgres'')', 'revoke_worker(''postgres'')', 'revoke_admin(''postgres'')', 'adopt_database()',
	'drain()', 'dequeue()', 'complete(-1, 1)', 'complete_many(''{-1}'', ''{1}'')', 'fail(-1, 1)', 'release(-1, 1)', 'unschedule(''x'')',
	'submit_dag(ARRAY[task_queue.step(''a'', ''public.ro_none'')])', 'add_step(task_queue.step(''b'', ''public.ro_none''), ''ro_dag'')', 'pause_dag(''ro_dag'')',
	'resume_dag(''ro_dag'')', 'cancel_dag(''ro_dag'')', 'delete_dag(''x'')', 'purge_dags(''1 h'')', 'retry_step(''ro_dag'', ''a'')', 'signal(''ro_dag'', ''s'')',
	'resume_breakpoint(''ro_dag'', ''x'')']) AS call;
SELECT throws_ok('INSERT INTO task_queue.task (handler) VALUES (''public.ro_none'')', '25006');
SELECT lives_ok(call, call) FROM unnest(ARRAY[
	format('SELECT task_queue.wait(%s, ''0'')', :live), format('SELECT task_queue.get_task(%s)', :live), 'SELECT * FROM task_queue.tasks', 'SELECT * FROM task_queue.dag_steps',
	'SELECT * FROM task_queue.queues', 'SELECT * FROM task_queue.workers', 'SELECT task_queue.health()', 'SELECT task_queue.dag_debug(''ro_dag'')',
	'SELECT task_queue.list_dags()', 'SELECT task_queue.validate_args(''public.ro_none'', NULL)', 'SELECT task_queue.call_handler(''public.ro_none'')',
	'SELECT task_queue.current_task()']) AS call;
SELECT throws_ok('SELECT task_queue.await_dag(''ro_dag'', ''0'')', 'TQ007');
SELECT * FROM finish();
COMMIT;
