-- External workers: programs that dequeue tasks of external handlers and report how they ended.

CREATE FUNCTION dequeue(queue text DEFAULT NULL, max_tasks int DEFAULT 1, lease interval DEFAULT '30 s', wait interval DEFAULT '0',
	worker text DEFAULT NULL, claims text[] DEFAULT NULL, handlers text[] DEFAULT NULL)
RETURNS SETOF dequeued_task
AS 'MODULE_PATHNAME', 'tq_sql_dequeue'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 10;
COMMENT ON FUNCTION dequeue(text, int, interval, interval, text, text[], text[]) IS
'Take tasks of external handlers, first those of lower priority, then those that are due for longer. Each is the caller''s until lease has passed; heartbeat() extends it, complete(), fail() or release() with the lease_token end it. If it runs out, the attempt has failed with kind lease_lost. A transaction that rolls back gives its tasks back. queue: NULL is every queue that the caller may serve. max_tasks: 0 takes none and does not wait. wait: for the first task, at most 60 s; woken by the commit that brings one; keeps a snapshot, and behind a pooler a server connection, so 20 to 30 s in a pool of its own are good. worker: a name that is unique to the process; heartbeat() and the target worker:<name> go by it. claims: targets that this worker serves beside untargeted tasks. handlers: names that it knows; NULL: all. Raises 42501 without grant_worker(), 42704 for an unknown queue, 42883 for an unknown handler, 22023 for a bad value, 55000 at REPEATABLE READ or SERIALIZABLE. Example: SELECT * FROM task_queue.dequeue(''mail'', max_tasks => 10, wait => ''20 s'', worker => ''mailer-1'').';

CREATE FUNCTION complete(task_id bigint, lease_token bigint, result jsonb DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME', 'tq_sql_complete'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION complete(bigint, bigint, jsonb) IS
'Report that a dequeued task is done. result: NULL is none. Part of the transaction: committed together with what the worker wrote in this database, that happens exactly once. False: the task is not, or no longer, the caller''s; roll back then. Raises 42501 for a role that may serve no queue, 22023 for a null id or token. Example: SELECT task_queue.complete($1, $2, ''{"sent": true}'').';

CREATE FUNCTION complete_many(task_ids bigint[], lease_tokens bigint[], results jsonb[] DEFAULT NULL)
RETURNS SETOF bigint
AS 'MODULE_PATHNAME', 'tq_sql_complete_many'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 100;
COMMENT ON FUNCTION complete_many(bigint[], bigint[], jsonb[]) IS
'Report that dequeued tasks are done; returns the ids of those that were still the caller''s. The arrays have one dimension and the same length; results NULL: none has a result. Otherwise as complete(). Raises 22023 for arrays that do not fit, 42501.';

CREATE FUNCTION fail(task_id bigint, lease_token bigint, kind text DEFAULT 'handler', message text DEFAULT '',
	retryable boolean DEFAULT true, retry_in interval DEFAULT NULL, detail text DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'tq_sql_fail'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION fail(bigint, bigint, text, text, boolean, interval, text) IS
'Report that the attempt of a dequeued task failed. The retry policy decides what follows; returns the task''s new state: ready, scheduled, failed or canceled, or lease_lost if the task is not, or no longer, the caller''s. retryable false: no other attempt. retry_in: replaces the policy''s delay. Raises 42501 for a role that may serve no queue, 22023 for a null id or token or a negative retry_in. Example: SELECT task_queue.fail($1, $2, ''smtp'', ''connection refused'', retry_in => ''5 min'').';

CREATE FUNCTION release(task_id bigint, lease_token bigint, delay interval DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME', 'tq_sql_release'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION release(bigint, bigint, interval) IS
'Give a dequeued task back unfinished; it is ready again, after delay if given, and this costs no attempt. False: the task is not, or no longer, the caller''s. Raises 42501 for a role that may serve no queue, 22023 for a null id or token or a negative delay.';

CREATE FUNCTION heartbeat(worker text, lease interval DEFAULT '30 s')
RETURNS SETOF held_task
AS 'MODULE_PATHNAME', 'tq_sql_heartbeat'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 10;
COMMENT ON FUNCTION heartbeat(text, interval) IS
'Let the leases of all tasks of a worker end lease from now, but not after the deadline of the task or the timeout of the attempt, and return them. A task that is missing is no longer the worker''s. cancel_requested: somebody wants it canceled; completing it is still honoured, failing or releasing it ends it as canceled. worker NULL: no rows. Raises 42501 for a role that may serve no queue, 22023 for a bad value. Example: SELECT * FROM task_queue.heartbeat(''mailer-1'').';

CREATE FUNCTION _external_workers(OUT worker text, OUT claims text[], OUT handlers text[], OUT last_seen timestamptz) RETURNS SETOF record
	LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10 AS 'MODULE_PATHNAME', 'tq_sql_external_workers';
COMMENT ON FUNCTION _external_workers IS 'External workers that have called lately and that the caller may see; used by views. handlers NULL: all.';
