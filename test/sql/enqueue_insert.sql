-- INSERT and COPY enqueue: the same checks and effects as enqueue().
SET search_path = task_queue, public;
CREATE SCHEMA tq_insert;
CREATE FUNCTION tq_insert.two(a int, b text DEFAULT 'b') RETURNS text LANGUAGE sql AS 'SELECT a || b';
SELECT register_handler('tq_insert.two(int, text)');
SELECT register_external('tq_insert.mail');
SELECT create_queue('tq_other');

INSERT INTO task (handler, args) VALUES ('tq_insert.two', '[1]'), ('tq_insert.two', '{"a": 2, "b": "x"}');
INSERT INTO task (handler, args, queue, priority, run_at, deadline, timeout, retry_policy, target, reply_to, trace_ctx, labels, unique_key)
VALUES ('tq_insert.mail', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('tq_insert.mail', '[]', 'tq_other', 3, '2100-01-01', '2100-01-02', '1 s', no_retry_policy(), 't', 'r', '{}', '{a,a}', NULL);
COPY task (handler, args, queue, priority) FROM stdin;
tq_insert.two	[3]	\N	\N
tq_insert.mail	\N	tq_other	1
\.
SELECT handler, args, queue, priority, state, attempt, gen, enqueuer = CURRENT_USER::regrole AS mine, run_at = enqueued_at AS now, labels,
	(SELECT l.kind::text || ':' || concat_ws(',', l.queue, l.handler, l.target) FROM lane AS l WHERE l.id = t.lane LIMIT 1) AS lane
FROM task AS t ORDER BY task_id;

-- a query as source, and what it returns
WITH new AS (INSERT INTO task (handler, args) SELECT 'tq_insert.two', jsonb_build_array(n) FROM generate_series(1, 1000) AS n RETURNING task_id)
SELECT count(*), count(DISTINCT task_id) FROM new;
DELETE FROM task;

-- one bad row fails all
INSERT INTO task (handler, args) VALUES ('tq_insert.two', '[1]'), ('tq_insert.two', '["x"]');
COPY task (handler, args) FROM stdin;
tq_insert.two	[1]
tq_insert.two	[]
\.
COPY task (handler, args) FROM stdin;
tq_insert.two	[1]
tq_insert.tow	[1]
\.
SELECT count(*) FROM task;

-- refused as enqueue() does
CREATE FUNCTION pg_temp.refuse(columns text, vals text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('INSERT INTO task_queue.task (handler, %s) VALUES (''tq_insert.mail'', %s)', columns, vals);
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
INSERT INTO task (args) VALUES ('[]');
SELECT c, v, pg_temp.refuse(c, v) FROM (VALUES
	('args', $$'"x"'$$), ('queue', $$'nope'$$), ('timeout', $$'-1 s'$$), ('target', $$''$$), ('reply_to', $$''$$),
	('reply_to', $$repeat('x', 64)$$), ('trace_ctx', $$'[]'$$), ('labels', $$'{""}'$$),
	('retry_policy', $$'(,,,,,1)'$$), ('unique_key', $$'k'$$), ('on_conflict', $$'k'$$), ('order_key', $$'k'$$), ('limit_key', $$'k'$$),
	-- columns that only the extension fills
	('enqueued_at', 'now()'), ('lane', '1'), ('attempt', '1'), ('gen', '1'), ('enqueuer', $$CURRENT_USER::regrole$$), ('dag_key', '1'),
	('step_no', '1'), ('fire_time', 'now()'), ('started_at', 'now()'), ('worker', $$'w'$$), ('claimed_by', $$CURRENT_USER::regrole$$),
	('lease_token', '1'), ('lease_until', 'now()')) AS v(c, v);
SELECT count(*) FROM task;

-- a row with its state is a restored one: kept as it is, whatever is registered
INSERT INTO task (task_id, run_at, enqueued_at, lane, priority, attempt, gen, enqueuer, state, handler, queue, args)
VALUES (9007199254740991, '2020-01-01 UTC', '2019-01-01 UTC', 77, 5, 2, 3, CURRENT_USER::regrole, 's', 'tq_insert.gone', 'gone', '"anything"')
RETURNING task_id;
SELECT enqueued_at = '2019-01-01 UTC' AS kept, lane, priority, attempt, gen, state, handler, queue, args FROM task;
DELETE FROM task;

-- rows written by logical replication wait in a lane that nobody serves
INSERT INTO task (handler) VALUES ('tq_insert.mail');
BEGIN;
SET LOCAL session_replication_role = replica;
INSERT INTO task (run_at, enqueued_at, lane, priority, attempt, gen, enqueuer, state, handler, queue, args)
VALUES (now(), now(), 77, 0, 0, 0, CURRENT_USER::regrole, 'r', 'tq_insert.mail', 'default', '[]');
UPDATE task SET priority = 9 WHERE lane <> 0;
COMMIT;
SELECT lane, priority FROM task ORDER BY task_id;
DELETE FROM task;

-- the trigger functions cannot be used otherwise
CREATE TEMP TABLE elsewhere (a int);
CREATE TRIGGER wrong BEFORE INSERT ON elsewhere FOR EACH ROW EXECUTE FUNCTION _task_before_insert();
INSERT INTO elsewhere VALUES (1);
DROP TABLE elsewhere;

-- within functions: the function's user is the one that counts
CREATE ROLE tq_owner;
CREATE ROLE tq_caller;
GRANT USAGE ON SCHEMA task_queue, tq_insert TO tq_owner, tq_caller;
CREATE FUNCTION tq_insert.by_owner() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = task_queue AS $$
	INSERT INTO task (handler) VALUES ('tq_insert.mail');
	SELECT enqueue('tq_insert.mail');
$$;
ALTER FUNCTION tq_insert.by_owner() OWNER TO tq_owner;
SET ROLE tq_caller;
INSERT INTO task (handler, args) VALUES ('tq_insert.two', '[1]') RETURNING task_id > 0 AS ok;
COPY task (handler, args) FROM stdin;
tq_insert.two	[2]
\.
SELECT enqueue('tq_insert.two', '[3]') > 0 AS ok;
SELECT tq_insert.by_owner();
-- no more than the public columns, and reading no more than the id
\set VERBOSITY sqlstate
INSERT INTO task (handler, args, attempt) VALUES ('tq_insert.two', '[1]', 0);
INSERT INTO task (handler, args, state) VALUES ('tq_insert.two', '[1]', 'r');
INSERT INTO task (handler, args, enqueuer) VALUES ('tq_insert.two', '[1]', 'tq_owner'::regrole);
INSERT INTO task (task_id, handler, args) VALUES (1, 'tq_insert.two', '[1]');
INSERT INTO task (handler, args) VALUES ('tq_insert.two', '[1]') RETURNING args;
INSERT INTO task VALUES (1);
UPDATE task SET priority = 1;
DELETE FROM task;
SELECT handler FROM task;
\set VERBOSITY default
RESET ROLE;
SELECT handler, args, enqueuer FROM task ORDER BY task_id;

-- EXECUTE on the function is needed, whatever the way in
REVOKE EXECUTE ON FUNCTION tq_insert.two(int, text) FROM PUBLIC;
SET ROLE tq_caller;
\set VERBOSITY sqlstate
SELECT enqueue('tq_insert.two', '[1]');
INSERT INTO task (handler, args) VALUES ('tq_insert.two', '[1]');
COPY task (handler, args) FROM stdin;
tq_insert.two	[2]
\.
\set VERBOSITY default
RESET ROLE;
GRANT EXECUTE ON FUNCTION tq_insert.two(int, text) TO tq_caller;
SET ROLE tq_caller;
SELECT enqueue('tq_insert.two', '[1]') > 0 AS ok;
RESET ROLE;

DELETE FROM task;
SET client_min_messages = warning;
SELECT unregister_handler('tq_insert.two'), unregister_handler('tq_insert.mail'), drop_queue('tq_other');
DROP SCHEMA tq_insert CASCADE;
REVOKE USAGE ON SCHEMA task_queue FROM tq_owner, tq_caller;
DROP ROLE tq_owner, tq_caller;
