-- dequeue(): what it hands out, to whom, in which order.
SET client_min_messages = warning;
CREATE ROLE wd_admin;
CREATE ROLE wd_worker;
CREATE ROLE wd_member IN ROLE wd_worker;
CREATE ROLE wd_producer;
GRANT USAGE ON SCHEMA task_queue TO wd_admin, wd_worker, wd_producer;
SELECT task_queue.grant_admin('wd_admin');
SELECT task_queue.create_queue('wd_mail');
SELECT task_queue.create_queue('wd_other');
SELECT task_queue.create_queue('wd_quiet');
SELECT task_queue.register_external('wd.mail', aliases => '{wd.post}', queue => 'wd_mail',
	retry_policy => task_queue.retry_policy(maximum_attempts => 3), timeout => '1 h');
SELECT task_queue.register_external('wd.sms', queue => 'wd_mail');
SELECT task_queue.register_external('wd.other', '{int}', queue => 'wd_other');
CREATE FUNCTION wd_local() RETURNS void LANGUAGE sql AS '';
SELECT task_queue.register_handler('wd_local()', queue => 'wd_mail');

-- Who may: nobody without a grant.
SET ROLE wd_worker;
\set VERBOSITY verbose
SELECT * FROM task_queue.dequeue();
SELECT * FROM task_queue.dequeue('wd_mail');
\set VERBOSITY default
SELECT task_queue.complete(1, 1);
SELECT task_queue.complete_many('{1}', '{1}');
SELECT task_queue.fail(1, 1);
SELECT task_queue.release(1, 1);
SELECT * FROM task_queue.heartbeat('w');
RESET ROLE;
SELECT task_queue.grant_worker('wd_worker', 'wd_mail');

-- A producer needs nothing but USAGE.
SET ROLE wd_producer;
SELECT count(*) FROM task_queue.enqueue('wd.mail', '["late"]', priority => 5);
SELECT count(*) FROM task_queue.enqueue('wd.mail', '["first"]', priority => -1, deadline => '2100-01-01 00:00+00', labels => '{a,b}',
	trace_ctx => '{"traceparent": "x"}');
SELECT count(*) FROM task_queue.enqueue('wd.post', '["by alias"]');
SELECT count(*) FROM task_queue.enqueue('wd.sms', '["sms"]');
SELECT count(*) FROM task_queue.enqueue('wd.other', '[1]');
SELECT count(*) FROM task_queue.enqueue('wd.other', '["no"]');
SELECT count(*) FROM task_queue.enqueue('public.wd_local', '[]', delay => '1 h');
SELECT count(*) FROM task_queue.enqueue('wd.mail', '["scheduled"]', delay => '1 h');
SELECT count(*) FROM task_queue.enqueue('wd.mail', '["targeted"]', target => 'gpu');
SELECT count(*) FROM task_queue.enqueue('wd.mail', '["to w1"]', target => 'worker:w1');
RESET ROLE;

-- The order, and all columns.
SET ROLE wd_member;
SELECT handler, args, attempt, deadline AT TIME ZONE 'UTC' AS deadline, lease_until BETWEEN now() + interval '9 min' AND now() + interval '11 min' AS leased,
	target, trace_ctx, dag_id, step_id, queue, labels, maximum_attempts, enqueued_at <= now() AS enqueued, lease_token BETWEEN 1 AND 2::bigint ^ 53 AS token
FROM task_queue.dequeue('wd_mail', lease => '10 min') \gx
SELECT handler, args FROM task_queue.dequeue(max_tasks => 10, handlers => '{wd.sms, public.wd_local}');
SELECT handler, args FROM task_queue.dequeue('wd_mail', max_tasks => 10, handlers => '{}');
SELECT handler, args FROM task_queue.dequeue(max_tasks => 10, handlers => '{wd.mail}');
SELECT handler, args FROM task_queue.dequeue('wd_other');
-- Targets.
SELECT handler, args FROM task_queue.dequeue(worker => 'gpu');
SELECT args, target FROM task_queue.dequeue(max_tasks => 10, worker => 'w1', claims => '{ gpu ,"",gpu,NULL}');
SELECT args FROM task_queue.dequeue(max_tasks => 10, claims => '{worker:w1}');
RESET ROLE;
-- drain() leaves external handlers alone.
SELECT * FROM task_queue.drain();
SELECT handler, args FROM task_queue.dequeue();
SELECT handler, args FROM task_queue.dequeue(max_tasks => 10);
SELECT handler, args->>0 AS what, state, attempt, worker, lease_until IS NOT NULL AS leased FROM task_queue.tasks WHERE handler LIKE 'wd%' ORDER BY 2;

-- Arguments.
SELECT * FROM task_queue.dequeue('wd_mial');
SELECT * FROM task_queue.dequeue(handlers => '{wd.mial}');
SELECT * FROM task_queue.dequeue(max_tasks => 0, wait => '1 min');
SELECT * FROM task_queue.dequeue(max_tasks => -1);
SELECT * FROM task_queue.dequeue(lease => '0');
SELECT * FROM task_queue.dequeue(wait => '-1 s');
SELECT * FROM task_queue.dequeue(worker => 'db/1');
SELECT * FROM task_queue.dequeue(worker => '');
SELECT * FROM task_queue.dequeue(NULL, NULL, NULL, NULL, NULL, NULL, NULL);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM task_queue.dequeue();
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT * FROM task_queue.dequeue(wait => '1 s');
ROLLBACK;
BEGIN READ ONLY;
SELECT * FROM task_queue.dequeue();
ROLLBACK;

-- Pause.
SELECT count(*) FROM task_queue.enqueue('wd.sms', '["after pause"]');
SELECT task_queue.pause_queue('wd_mail');
SELECT args FROM task_queue.dequeue();
SELECT task_queue.resume_queue('wd_mail');
SELECT args FROM task_queue.dequeue();

-- max_running counts what external workers hold.
SELECT task_queue.register_external('wd.few', queue => 'wd_quiet');
SELECT task_queue.alter_queue('wd_quiet', max_running => 2);
SELECT count(*) FROM task_queue.enqueue_many('wd.few', ARRAY['[1]', '[2]', '[3]', '[4]']::jsonb[]);
SELECT args FROM task_queue.dequeue('wd_quiet', max_tasks => 10, worker => 'few');
SELECT args FROM task_queue.dequeue('wd_quiet', max_tasks => 10);
SELECT task_queue.complete(task_id, lease_token) FROM task_queue.heartbeat('few') LIMIT 1;
SELECT args FROM task_queue.dequeue('wd_quiet', max_tasks => 10, worker => 'few');
SELECT count(*) FROM task_queue.complete_many(ARRAY(SELECT task_id FROM task_queue.heartbeat('few')), ARRAY(SELECT lease_token FROM task_queue.heartbeat('few')));
SELECT args FROM task_queue.dequeue('wd_quiet', max_tasks => 10, worker => 'few');
SELECT count(*) FROM task_queue.complete_many(ARRAY(SELECT task_id FROM task_queue.heartbeat('few')), ARRAY(SELECT lease_token FROM task_queue.heartbeat('few')));

-- And what sessions run; these count what external workers hold, but not what they held when their leases ended.
SELECT task_queue.create_queue('wd_shared', max_running => 2);
SELECT task_queue.register_external('wd.out', queue => 'wd_shared', retry_policy => task_queue.no_retry_policy());
CREATE FUNCTION wd_in() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM task_queue.dequeue('wd_shared', max_tasks => 10, worker => 'shared') $$;
SELECT task_queue.register_handler('wd_in()', name => 'wd.in', queue => 'wd_shared');
SELECT count(*) FROM task_queue.enqueue_many('wd.out', ARRAY['[1]', '[2]']::jsonb[]);
SELECT count(*) FROM task_queue.enqueue('wd.in');
SELECT handler, state FROM task_queue.drain('wd_shared');
SELECT result AS taken FROM task_queue.tasks WHERE handler = 'wd.in';
SELECT count(*) FROM task_queue.enqueue('wd.in');
SELECT args FROM task_queue.dequeue('wd_shared', max_tasks => 10, worker => 'shared');
SELECT handler, state FROM task_queue.drain('wd_shared');
SELECT count(*) FROM task_queue.heartbeat('shared', lease => '10 ms');
DO $$ BEGIN
	FOR i IN 1 .. 1000 LOOP
		EXIT WHEN EXISTS (SELECT FROM task_queue.drain('wd_shared'));
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;
SELECT count(*) FROM task_queue.dequeue('wd_shared');
SELECT handler, state, error_kind FROM task_queue.tasks WHERE queue = 'wd_shared' ORDER BY task_id;
SELECT task_queue.unregister_handler(h) FROM unnest('{wd.out,wd.in}'::text[]) AS h;
SELECT task_queue.drop_queue('wd_shared');
DROP FUNCTION wd_in();

-- At dispatch: a deadline that has passed, a handler that is not external any more, a name that is gone.
SELECT task_queue.register_external('wd.late', aliases => '{wd.alias}', queue => 'wd_quiet');
SELECT count(*) FROM task_queue.enqueue('wd.late', '["too late"]', deadline => now() - interval '1 s');
SELECT count(*) FROM task_queue.enqueue('wd.late', '["in time"]');
SELECT args FROM task_queue.dequeue('wd_quiet', max_tasks => 10, worker => 'late');
SELECT args->>0 AS what, state, attempt, error_kind, worker FROM task_queue.tasks WHERE handler = 'wd.late' AND state <> 'running';
SELECT count(*) FROM task_queue.enqueue('wd.late', '[]');
SELECT task_queue.unregister_handler('wd.late');
SELECT args FROM task_queue.dequeue('wd_quiet', max_tasks => 10);
SELECT handler, state, error_kind FROM task_queue.drain('wd_quiet');

-- Tasks in nobody's hands any more.
DELETE FROM task_queue.task WHERE handler LIKE '%wd%';
DROP FUNCTION wd_local();
SELECT task_queue.unregister_handler(h) FROM unnest('{wd.mail,wd.sms,wd.other,wd.few,public.wd_local}'::text[]) AS h;
SELECT task_queue.revoke_worker('wd_worker');
SELECT task_queue.revoke_admin('wd_admin');
REVOKE USAGE ON SCHEMA task_queue FROM wd_admin, wd_worker, wd_producer;
DROP ROLE wd_member, wd_admin, wd_worker, wd_producer;
