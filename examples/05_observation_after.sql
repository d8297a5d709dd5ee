-- What became of the task of 05_observation.sql that killed its process.
\set ON_ERROR_STOP on
CALL example.wait_until($$SELECT count(*) = 1 FROM task_queue.dead_letters WHERE handler = 'example.observed' AND error_kind = 'panic'$$);
SELECT example.check((error).message ~ 'signal 9' AND NOT (error).retryable, 'a panic, not retried, that names the signal')
	FROM task_queue.dead_letters WHERE handler = 'example.observed' AND error_kind = 'panic';
