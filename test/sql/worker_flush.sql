-- A transaction that only dequeues need not wait for the disk; one that does anything else does, wherever it does it.
SET client_min_messages = warning;
SELECT task_queue.create_queue('wf_queue');
SELECT task_queue.register_external('wf.task', queue => 'wf_queue');
SELECT count(*) FROM task_queue.enqueue_many('wf.task', array_fill('[]'::jsonb, ARRAY[9]));
CREATE TABLE wf_written (id int);

-- The end of what the transaction wrote, before its commit; and whether it was flushed by that.
\set written 'SELECT pg_current_wal_insert_lsn() AS lsn'
\set flushed 'SELECT pg_current_wal_flush_lsn() >= :''lsn'' AS flushed'

BEGIN;
INSERT INTO wf_written VALUES (1);
SELECT count(*) FROM task_queue.dequeue('wf_queue', 2);
:written \gset
COMMIT;
:flushed;

BEGIN;
SELECT count(*) FROM task_queue.dequeue('wf_queue', 2);
INSERT INTO wf_written VALUES (2);
:written \gset
COMMIT;
:flushed;

BEGIN;
SELECT count(*) FROM task_queue.dequeue('wf_queue', 1);
INSERT INTO wf_written VALUES (3);
SELECT count(*) FROM task_queue.dequeue('wf_queue', 1);
:written \gset
COMMIT;
:flushed;

WITH taken AS (SELECT task_id FROM task_queue.dequeue('wf_queue', 1))
INSERT INTO wf_written SELECT task_id FROM taken RETURNING pg_current_wal_insert_lsn() AS lsn \gset
:flushed;

-- Twice in a transaction; the setting is the session's again afterwards.
BEGIN;
SELECT count(*) FROM task_queue.dequeue('wf_queue', 1);
SELECT count(*) FROM task_queue.dequeue('wf_queue', 1);
COMMIT;
SHOW synchronous_commit;

-- The next transaction is an ordinary one.
INSERT INTO wf_written VALUES (4) RETURNING pg_current_wal_insert_lsn() AS lsn \gset
:flushed;

SELECT count(*) FROM task_queue.dequeue('wf_queue', 10);
DROP TABLE wf_written;
SELECT task_queue.unregister_handler('wf.task');
SELECT task_queue.drop_queue('wf_queue', true);
