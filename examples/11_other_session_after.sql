-- The second half of 11_other_session.sql, in another session, after a restart.
\set ON_ERROR_STOP on
INSERT INTO example.open_gate VALUES ('after restart');
SELECT task_queue.await_step('example other session', 'second') AS result \gset
SELECT example.check(:'result' = '1', 'the result is there for whoever knows the two ids');
SELECT task_queue.delete_dag('example other session');
