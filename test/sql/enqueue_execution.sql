-- Where tasks of a session run: task_queue.execution.
SET search_path = task_queue, public;
CREATE SCHEMA tq_exec;
CREATE TABLE tq_exec.seen (what text);
CREATE FUNCTION tq_exec.note(what text) RETURNS text LANGUAGE sql AS 'INSERT INTO tq_exec.seen VALUES (what) RETURNING what';
CREATE FUNCTION tq_exec.fail() RETURNS void LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'no'; END$$;
CREATE FUNCTION tq_exec.parent(n int) RETURNS void LANGUAGE sql AS
	$$SELECT task_queue.enqueue('tq_exec.note', jsonb_build_array('child ' || n))$$;
SELECT register_handler(f) FROM unnest(ARRAY['tq_exec.note(text)', 'tq_exec.fail()', 'tq_exec.parent(int)']::regprocedure[]) AS f;
SELECT register_external('tq_exec.outside');

-- inline: run before the call returns, with what they make ready
SET task_queue.execution = inline;
SELECT enqueue('tq_exec.note', '["one"]') > 0 AS ok;
SELECT * FROM tq_exec.seen;
SELECT count(*) FROM enqueue_many('tq_exec.parent', ARRAY['[1]', '[2]']::jsonb[]);
SELECT * FROM tq_exec.seen;
SELECT handler, state, attempt, result FROM history ORDER BY task_id;
SELECT count(*) FROM task;
-- a failure is recorded, not raised
SELECT enqueue('tq_exec.fail', retry_policy => no_retry_policy()) > 0 AS ok;
SELECT handler, state, attempt, (error).kind, (error).message FROM history WHERE state = 'f';
-- what must wait does, and external tasks are for others
SELECT enqueue('tq_exec.note', '["late"]', delay => '1 h') > 0 AS ok;
SELECT enqueue('tq_exec.note', '["elsewhere"]', target => 'gpu') > 0 AS ok;
SELECT enqueue('tq_exec.outside') > 0 AS ok;
SELECT handler, state FROM task ORDER BY task_id;
-- part of the transaction
BEGIN;
SELECT enqueue('tq_exec.note', '["undone"]') > 0 AS ok;
SELECT count(*) FROM tq_exec.seen WHERE what = 'undone';
ROLLBACK;
SELECT count(*) FROM tq_exec.seen WHERE what = 'undone';
-- INSERT and COPY do the same, as their statement ends
DELETE FROM task;
INSERT INTO task (handler, args) VALUES ('tq_exec.note', '["inserted"]'), ('tq_exec.parent', '[3]');
COPY task (handler, args) FROM stdin;
tq_exec.note	["copied"]
\.
SELECT count(*) FROM task;
SELECT * FROM tq_exec.seen WHERE what IN ('inserted', 'child 3', 'copied');

-- manual: drain() runs them, in the order of priority, time and id
SET task_queue.execution = manual;
TRUNCATE tq_exec.seen;
SELECT count(enqueue('tq_exec.note', jsonb_build_array(what), priority => priority, run_at => now() - before))
FROM (VALUES ('d', 1, interval '0'), ('b', 0, '1 h'), ('a', 0, '2 h'), ('c', 0, '0'), ('e', 1, '0')) AS v(what, priority, before);
SELECT * FROM tq_exec.seen;
SELECT count(*) FROM drain();
SELECT * FROM tq_exec.seen;
RESET task_queue.execution;

DELETE FROM task;
DELETE FROM history;
DELETE FROM attempt;
SET client_min_messages = warning;
SELECT count(unregister_handler(h)) FROM unnest(ARRAY['tq_exec.note', 'tq_exec.fail', 'tq_exec.parent', 'tq_exec.outside']) AS h;
DROP SCHEMA tq_exec CASCADE;
