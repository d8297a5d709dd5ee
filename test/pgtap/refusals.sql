-- Every refused call: its SQLSTATE, and that the message or the hint helps. Nothing is left behind by any of them.
\set ON_ERROR_STOP 1
BEGIN;
SELECT no_plan();
SET search_path = task_queue, public;
SET LOCAL task_queue.execution = manual;

CREATE FUNCTION public.ref_add(a int, b int DEFAULT 5) RETURNS int LANGUAGE sql AS 'SELECT a + b';
CREATE FUNCTION public.ref_doc(document jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT document';
CREATE FUNCTION public.ref_none() RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION public.ref_not_registered(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION public.ref_gone() RETURNS int LANGUAGE sql AS 'SELECT 1';
SELECT count(register_handler(f)) FROM unnest('{public.ref_add(int\,int),public.ref_doc(jsonb),public.ref_none(),public.ref_gone()}'::regprocedure[]) AS f;
DROP FUNCTION public.ref_gone();
SELECT register_external('ref_ext', '{int,text}');
SELECT create_queue('ref_queue');
SELECT submit_dag(ARRAY[step('a', 'public.ref_none', delay => '1 h')], 'ref_dag');
SELECT enqueue('public.ref_none', delay => '1 h') AS live \gset

CREATE TEMP TABLE refused (n serial, call text, code text, hint text);

-- NULL where there is no default.
INSERT INTO refused (call, code)
SELECT format('SELECT task_queue.%s', call), '22023' FROM unnest(ARRAY[
	'await(NULL)', 'wait(NULL)', 'get_task(NULL)', 'cancel(NULL)', 'alter_task(NULL)', 'requeue(NULL)', 'delete_task(NULL)', 'purge_dead_letters(NULL)',
	'enqueue(NULL)', 'enqueue_many(NULL, ''{}'')', 'enqueue_many(''public.ref_none'', NULL)', 'register_handler(NULL)', 'register_external(NULL)',
	'unregister_handler(NULL)', 'canonical_name(NULL)', 'describe(NULL)', 'validate_args(NULL, NULL)', 'call_handler(NULL)', 'create_queue(NULL)',
	'alter_queue(NULL)', 'drop_queue(NULL)', 'pause_queue(NULL)', 'resume_queue(NULL)', 'grant_worker(NULL)', 'grant_admin(NULL)', 'revoke_worker(NULL)',
	'revoke_admin(NULL)', 'progress(NULL)', 'snooze(NULL)', 'raise_error(NULL, ''m'')', 'raise_error(''k'', NULL)', 'task_error(NULL)',
	'next_delay(NULL, NULL)', 'should_retry(NULL, NULL, NULL)', 'schedule(NULL, NULL, NULL)', 'unschedule(NULL)', 'complete(NULL, 1)', 'complete(1, NULL)',
	'complete_many(NULL, ''{}'')', 'complete_many(''{}'', NULL)', 'fail(NULL, 1)', 'fail(1, NULL)', 'release(NULL, 1)', 'release(1, NULL)',
	'step(NULL, ''h'')', 'step(''a'', NULL)', 'ref(NULL)', 'ref_or_default(NULL, ''1'')', 'refs(NULL)', 'refs(''{a,NULL}'')', 'signal_ref(NULL)', 'submit_dag(NULL)',
	'add_step(NULL)', 'pause_dag(NULL)', 'resume_dag(NULL)', 'cancel_dag(NULL)', 'delete_dag(NULL)', 'purge_dags(NULL)', 'retry_step(NULL, ''a'')',
	'retry_step(''ref_dag'', NULL)', 'signal(NULL, ''s'')', 'signal(''ref_dag'', NULL)', 'resume_breakpoint(NULL, ''x'')', 'resume_breakpoint(''ref_dag'', NULL)',
	'await_step(NULL, ''a'')', 'await_step(''ref_dag'', NULL)', 'await_dag(NULL)', 'dag_tree(NULL)', 'dag_debug(NULL)', 'dag_mermaid(NULL)']) AS call;

-- Unknown names, with the closest one in the hint.
INSERT INTO refused (call, code, hint) VALUES
('SELECT enqueue(''public.ref_adx'')', '42883', 'public.ref_add'),
('SELECT validate_args(''public.ref_adx'', NULL)', '42883', 'public.ref_add'),
('SELECT call_handler(''public.ref_adx'')', '42883', 'public.ref_add'),
('SELECT submit_dag(ARRAY[step(''a'', ''public.ref_adx'')])', '42883', 'public.ref_add'),
('INSERT INTO task (handler) VALUES (''public.ref_adx'')', '42883', 'public.ref_add'),
('SELECT requeue_failed(handler => ''public.ref_adx'')', '42883', 'public.ref_add'),
('SELECT dequeue(handlers => ''{ref_exx}'')', '42883', 'ref_ext'),
('SELECT enqueue(''public.ref_not_registered'', ''[1]'')', '42883', 'register_handler(''public.ref_not_registered(integer)'')'),
('SELECT enqueue(''public.ref_gone'')', '42883', NULL),
('SELECT submit_dag(ARRAY[step(''a'', ''public.ref_gone'')])', '42883', NULL),
('SELECT enqueue(''public.ref_none'', queue => ''ref_quene'')', '42704', 'ref_queue'),
('INSERT INTO task (handler, queue) VALUES (''public.ref_none'', ''ref_quene'')', '42704', 'ref_queue'),
('SELECT submit_dag(ARRAY[step(''a'', ''public.ref_none'', queue => ''ref_quene'')])', '42704', 'ref_queue'),
('SELECT register_handler(''public.ref_none()'', ''ref_x'', queue => ''ref_quene'')', '42704', 'ref_queue'),
('SELECT alter_queue(''ref_quene'')', '42704', 'ref_queue'), ('SELECT drop_queue(''ref_quene'')', '42704', 'ref_queue'),
('SELECT pause_queue(''ref_quene'')', '42704', 'ref_queue'), ('SELECT resume_queue(''ref_quene'')', '42704', 'ref_queue'),
('SELECT drain(''ref_quene'')', '42704', 'ref_queue'), ('SELECT dequeue(''ref_quene'')', '42704', 'ref_queue'),
('SELECT requeue_failed(queue => ''ref_quene'')', '42704', 'ref_queue'), ('SELECT grant_worker(''postgres'', ''ref_quene'')', '42704', 'ref_queue'),
('SELECT await(-1)', '42704', NULL), ('SELECT wait(-1)', '42704', NULL), ('SELECT cancel(-1)', '42704', NULL), ('SELECT alter_task(-1)', '42704', NULL),
('SELECT requeue(-1)', '42704', NULL), ('SELECT await_dag(''none'')', '42704', NULL), ('SELECT await_step(''ref_dag'', ''none'')', '42704', NULL),
('SELECT pause_dag(''none'')', '42704', NULL), ('SELECT resume_dag(''none'')', '42704', NULL), ('SELECT cancel_dag(''none'')', '42704', NULL),
('SELECT signal(''none'', ''s'')', '42704', NULL), ('SELECT resume_breakpoint(''none'', ''x'')', '42704', NULL), ('SELECT retry_step(''none'', ''a'')', '42704', NULL),
('SELECT add_step(step(''x'', ''public.ref_none''), ''none'')', '42704', NULL), ('SELECT dag_debug(''none'')', '42704', NULL);

-- Arguments of handlers.
INSERT INTO refused (call, code, hint) VALUES
('SELECT enqueue(''public.ref_add'', ''[]'')', 'TQ001', NULL), ('SELECT enqueue(''public.ref_add'', ''[1, 2, 3]'')', 'TQ001', NULL),
('SELECT enqueue(''public.ref_add'', ''{"a": 1, "bb": 2}'')', 'TQ001', '"b"'), ('SELECT enqueue(''public.ref_add'', ''["1"]'')', 'TQ002', NULL),
('SELECT enqueue(''public.ref_add'', ''[1.0]'')', 'TQ002', NULL), ('SELECT enqueue(''public.ref_add'', ''"x"'')', 'TQ003', NULL),
('SELECT enqueue(''public.ref_doc'', ''{"title": "x"}'')', 'TQ001', 'jsonb_build_array'), ('SELECT enqueue(''ref_ext'', ''{"a": 1}'')', 'TQ003', NULL),
('SELECT enqueue(''ref_ext'', ''[1]'')', 'TQ001', NULL), ('SELECT enqueue(''ref_ext'', ''[1, 2]'')', 'TQ002', NULL),
('SELECT enqueue_many(''public.ref_add'', ARRAY[''[1]'', ''["x"]'']::jsonb[])', 'TQ002', NULL),
('INSERT INTO task (handler, args) VALUES (''public.ref_add'', ''[1]''), (''public.ref_add'', ''[]'')', 'TQ001', NULL),
('SELECT submit_dag(ARRAY[step(''a'', ''public.ref_add''), step(''b'', ''public.ref_none'')])', 'TQ001', NULL),
(format('SELECT alter_task(%s, args => ''[1]'')', :live), 'TQ001', NULL), ('SELECT call_handler(''ref_ext'')', '55000', NULL);

-- Bad values.
INSERT INTO refused (call, code)
SELECT call, '22023' FROM unnest(ARRAY[
	'SELECT enqueue(''public.ref_none'', run_at => now(), delay => ''1 s'')', 'SELECT enqueue(''public.ref_none'', delay => ''-1 s'')',
	'SELECT enqueue(''public.ref_none'', timeout => ''-1 s'')', 'SELECT enqueue(''public.ref_none'', labels => ''{""}'')',
	'SELECT enqueue(''public.ref_none'', reply_to => '''')', 'SELECT enqueue(''public.ref_none'', reply_to => repeat(''x'', 64))',
	'SELECT enqueue(''public.ref_none'', trace_ctx => ''[]'')', 'SELECT enqueue(''public.ref_none'', target => '''')',
	'SELECT enqueue(''public.ref_none'', retry_policy => ROW(NULL, NULL, NULL, NULL, NULL, 1)::retry_policy)', 'SELECT retry_policy(jitter => ''NaN'')',
	'SELECT retry_policy(jitter => -0.1)', 'SELECT enqueue_many(''public.ref_none'', ''{{"[]"},{"[]"}}'')', 'SELECT create_queue('''')',
	'SELECT create_queue(repeat(''q'', 64))', 'SELECT create_queue(''ref_x'', max_running => -1)', 'SELECT create_queue(''ref_x'', keep_done => ''-1 s'')',
	'SELECT alter_queue(''ref_queue'', keep_failed => ''-1 s'')', 'SELECT register_handler(''public.ref_none()'', '''')',
	'SELECT register_handler(''public.ref_none()'', ''ref_x'', ''{NULL}'')', 'SELECT register_handler(''public.ref_none()'', ''ref_x'', batch_size => 0)',
	'SELECT register_handler(''public.ref_none()'', ''ref_x'', timeout => ''-1 s'')', 'SELECT register_handler(''public.ref_none()'', ''ref_x'', keep_done => ''-1 s'')',
	'SELECT register_handler(''sum(int)'')', 'SELECT register_handler(''rank()'')', 'SELECT register_handler(''generate_series(int,int)'')',
	'SELECT describe(''array_append(anycompatiblearray,anycompatible)'')', 'SELECT register_external(''ref_x'', ''{anyelement}'')',
	'SELECT await(1, ''-1 s'')', 'SELECT drain(max_tasks => -1)', 'SELECT purge_dead_letters(''-1 s'')', 'SELECT purge_dags(''-1 s'')',
	'SELECT progress(1.5)', 'SELECT progress(''NaN'')', 'SELECT snooze(''-1 s'')', 'SELECT raise_error(''k'', ''m'', true, ''-1 s'')',
	'SELECT dequeue(lease => ''0'')', 'SELECT dequeue(wait => ''-1 s'')', 'SELECT dequeue(worker => ''db/1'')', 'SELECT heartbeat(''db/1'')',
	'SELECT complete_many(''{1}'', ''{1,2}'')', 'SELECT fail(1, 1, retry_in => ''-1 s'')', 'SELECT release(1, 1, ''-1 s'')',
	'SELECT submit_dag(''{}'')', 'SELECT submit_dag(ARRAY[NULL::step])', 'SELECT submit_dag(ARRAY[step('''', ''public.ref_none'')])',
	'SELECT submit_dag(ARRAY[step(''a'', ''public.ref_none'')], '''')', 'SELECT submit_dag(ARRAY[step(''a'', ''public.ref_none'')], keep => ''-1 s'')',
	'SELECT submit_dag(ARRAY[step(''a'', ''public.ref_doc'', jsonb_build_array(jsonb_build_array(ref(''b'')))), step(''b'', ''public.ref_none'')])',
	'SELECT submit_dag(ARRAY[step(''a'', ''public.ref_none'', target => ''x'', colocate_with => ''b''), step(''b'', ''public.ref_none'')])',
	'SELECT ref('''')', 'SELECT refs(''{""}'')', 'SELECT signal_ref('''')', 'SELECT signal(''none'', '''')']) AS call;

-- Duplicates, wrong states, reserved arguments.
INSERT INTO refused (call, code, hint) VALUES
('SELECT register_handler(''public.ref_none()'')', '42710', 'or_replace'), ('SELECT register_external(''ref_ext'')', '42710', 'or_replace'),
('SELECT register_handler(''public.ref_none()'', ''ref_x'', ''{ref_x}'')', '42710', NULL), ('SELECT create_queue(''ref_queue'')', '42710', 'or_replace'),
('SELECT create_queue(''default'')', '42710', 'or_replace'), ('SELECT submit_dag(ARRAY[step(''a'', ''public.ref_none'')], ''ref_dag'')', '42710', NULL),
('SELECT submit_dag(ARRAY[step(''a'', ''public.ref_none''), step(''a'', ''public.ref_none'')])', '42710', NULL),
('SELECT submit_dag(ARRAY[step(''a'', ''public.ref_none'', after => ''{a}'')])', 'TQ008', NULL),
('SELECT submit_dag(ARRAY[step(''a'', ''public.ref_none'', colocate_here => true)])', '55000', NULL), ('SELECT add_step(step(''x'', ''public.ref_none''))', '55000', NULL),
('SELECT delete_dag(''ref_dag'')', '55000', 'force'), ('SELECT retry_step(''ref_dag'', ''a'')', '55000', NULL), ('SELECT snooze(''1 s'')', '55000', NULL),
('SELECT drop_queue(''default'', true)', '55000', NULL), (format('SELECT requeue(%s)', :live), '55000', NULL), (format('SELECT delete_task(%s)', :live), '55000', 'force'),
(format('SELECT await(%s, ''1 s'')', :live), '55000', NULL);
INSERT INTO refused (call, code)
SELECT format('SELECT enqueue(''public.ref_none'', %s => ''x'')', a), '0A000' FROM unnest('{unique_key,on_conflict,order_key,limit_key}'::text[]) AS a
UNION ALL
SELECT format('INSERT INTO task (handler, %s) VALUES (''public.ref_none'', ''x'')', a), '0A000' FROM unnest('{unique_key,on_conflict,order_key,limit_key}'::text[]) AS a
UNION ALL
SELECT format('SELECT enqueue_many(''public.ref_none'', ''{}'', %s => ''x'')', a), '0A000' FROM unnest('{on_conflict,order_key,limit_key}'::text[]) AS a
UNION ALL
SELECT format('SELECT step(''a'', ''public.ref_none'', %s => ''x'')', a), '0A000' FROM unnest('{run_if,for_each,undo}'::text[]) AS a
UNION ALL
SELECT format('SELECT submit_dag(ARRAY[step(''a'', ''public.ref_none'')], %s)', a), '0A000' FROM unnest(ARRAY['deadline => now()', 'on_conflict => ''x''']) AS a
UNION ALL
SELECT format('SELECT schedule(''s'', ''* * * * *'', ''public.ref_none'', %s => ''x'')', a), '0A000' FROM unnest('{timezone,overlap,catch_up}'::text[]) AS a;

CREATE FUNCTION pg_temp.hint_of(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE call;
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN hint;
END $$;

SELECT throws_ok(call, code, NULL, format('%s: %s', code, call)) FROM refused ORDER BY n;
SELECT ok(strpos(pg_temp.hint_of(call), hint) > 0, format('hint of %s: %s', call, pg_temp.hint_of(call))) FROM refused WHERE hint IS NOT NULL ORDER BY n;

SELECT is((SELECT count(*) FROM tasks), 2::bigint, 'no refused call made a task');
SELECT is((SELECT count(*) FROM dags), 1::bigint, 'or a DAG');
SELECT is((SELECT count(*) FROM queues), 2::bigint, 'or a queue');
SELECT is((SELECT count(*) FROM handlers), 5::bigint, 'or a handler');

-- What is not refused: NULL is "not given".
SELECT lives_ok(call, call) FROM unnest(ARRAY[
	'SELECT enqueue(''public.ref_none'', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)',
	'SELECT enqueue_many(''public.ref_none'', ''{NULL}'', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)',
	'INSERT INTO task (handler, args, queue, priority, run_at, deadline, timeout, retry_policy, target, reply_to, trace_ctx, labels, unique_key) VALUES (''public.ref_none'', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)',
	'SELECT create_queue(''ref_nulls'', NULL, NULL, NULL, NULL, NULL)', 'SELECT alter_queue(''ref_nulls'', NULL, NULL, NULL, NULL)', 'SELECT drop_queue(''ref_nulls'', NULL)',
	'SELECT register_handler(''public.ref_not_registered(int)'', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)',
	'SELECT register_external(''ref_nulls'', NULL, NULL, NULL, NULL, NULL, NULL, NULL)', 'SELECT validate_args(''public.ref_none'', NULL)',
	'SELECT call_handler(''public.ref_none'', NULL)', 'SELECT retry_policy(NULL, NULL, NULL, NULL, NULL, NULL)', 'SELECT next_delay(NULL, 1)',
	'SELECT should_retry(NULL, NULL, 1)', 'SELECT task_error(''k'', NULL, NULL)', 'SELECT requeue_failed(NULL, NULL, NULL, NULL)', 'SELECT drain(NULL, NULL, NULL, NULL)',
	'SELECT dequeue(NULL, NULL, NULL, NULL, NULL, NULL, NULL)', 'SELECT heartbeat(NULL, NULL)', 'SELECT fail(-1, 1, NULL, NULL, NULL, NULL, NULL)',
	'SELECT release(-1, 1, NULL)', 'SELECT complete_many(''{}'', ''{}'', NULL)', 'SELECT progress(0.5, NULL)',
	'SELECT submit_dag(ARRAY[step(''a'', ''public.ref_none'', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)], NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)',
	'SELECT ref_or_default(''a'', NULL)', 'SELECT signal(''ref_dag'', ''s'', NULL)', 'SELECT cancel_dag(''ref_dag'', NULL)', 'SELECT list_dags(NULL, NULL, NULL, NULL)',
	'SELECT purge_dags(''1 h'', NULL)', 'SELECT delete_dag(''ref_dag'', NULL)']) AS call;

SELECT * FROM finish();
ROLLBACK;
