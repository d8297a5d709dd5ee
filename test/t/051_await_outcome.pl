# await and wait: woken by the end, wherever it comes from; refused where they
# would never return; and what they answer survives a crash.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use Time::HiRes qw(time);
use TqTest;

my $node = tq_node('main', conf => ['task_queue.workers = 2', 'fsync = on', 'wal_writer_delay = 10s', 'autovacuum = off']);
sql($node, q{
CREATE TABLE effect (id bigint);
CREATE FUNCTION quick(n int) RETURNS int LANGUAGE sql AS 'SELECT n + 1';
CREATE FUNCTION effect(n int) RETURNS int LANGUAGE sql AS 'INSERT INTO effect SELECT task_id FROM task_queue.current_task(); SELECT n';
CREATE FUNCTION gated(gate int) RETURNS text LANGUAGE sql AS $$ SELECT t.pass_gate(gate); SELECT 'passed'::text $$;
CREATE FUNCTION parent(timeout interval) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	id bigint;
BEGIN
	SELECT e.id INTO id FROM effect AS e ORDER BY e.id LIMIT 1;
	RETURN task_queue.await(id, timeout);
END
$$;
CREATE FUNCTION child() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	RETURN task_queue.await(task_queue.enqueue('quick', '[1]'), '1 min');
END
$$;
CREATE FUNCTION flaky() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF (SELECT attempt FROM task_queue.current_task()) < 3 THEN
		RAISE EXCEPTION 'not yet';
	END IF;
	RETURN 'at last';
END
$$;
SELECT task_queue.register_handler(f::regprocedure, name => split_part(f, '(', 1))
FROM unnest(ARRAY['quick(int)', 'effect(int)', 'gated(int)', 'parent(interval)', 'child()', 'flaky()']) AS f;
SELECT task_queue.register_external('outside');
});

# Woken at once by the end.
my $gate = hold_gate($node, 1);
my $id = enqueue($node, 'gated', '[1]');
wait_for($node, 'SELECT t.waiting_at_gate(1) = 1', 'the handler has started');
is(sql($node, "SELECT state FROM task_queue.wait($id, '0')"), 'running', 'wait shows a running task');
like(sql_error($node, "SELECT task_queue.await($id, '50 ms')"), qr/^TQ007/, 'a timeout does not touch the task');
my $waiter = session($node);
$waiter->query_until(qr/started/, "\\echo started\nSELECT task_queue.await($id);\n");
wait_for($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE '%await($id)%' AND pid <> pg_backend_pid() AND wait_event_type = 'Extension'",
	'another session waits');
my $start = time();
$gate->quit;
is($waiter->query_safe('SELECT 1'), "\"passed\"\n1", 'it is woken with the result');
cmp_ok(time() - $start, '<', 5, 'without polling for long');

# Many waiters of many tasks, and retries in between.
$id = enqueue($node, 'flaky', '[]', q{retry_policy => task_queue.retry_policy('20 ms', maximum_attempts => 5)});
is(sql($node, "SELECT task_queue.await($id)"), '"at last"', 'retries do not end a wait');
is(sql($node, "SELECT count(*) FROM unnest(ARRAY(SELECT task_queue.enqueue('quick', jsonb_build_array(i)) FROM generate_series(1, 200) AS i)) AS id"),
	'200', 'tasks for waiters');
is(sql($node, "SELECT sum(task_queue.await(task_id)::int) FROM task_queue.tasks WHERE handler = 'quick'"), '20300', 'all of them are awaited');

# Woken by a cancel.
sql($node, "SELECT task_queue.pause_queue('default')");
$id = enqueue($node, 'quick', '[1]');
$waiter->query_until(qr/again/, "\\echo again\nSELECT state FROM task_queue.wait($id);\n");
wait_for($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE '%wait($id)%' AND pid <> pg_backend_pid() AND wait_event_type = 'Extension'",
	'a session waits for a task that cannot start');
sql($node, "SELECT task_queue.cancel($id)");
is($waiter->query_safe('SELECT 1'), "canceled\n1", 'it is woken by the cancel');
sql($node, "SELECT task_queue.resume_queue('default')");
$waiter->quit;

# A canceled wait leaves nothing behind.
$id = enqueue($node, 'outside');
like(sql_error($node, "SET statement_timeout = '100 ms'; SELECT task_queue.await($id)"), qr/^57014/, 'a wait can be canceled');
is(sql($node, "BEGIN; SAVEPOINT s; \\set ON_ERROR_STOP 0\nSELECT task_queue.await($id, '10 ms'); \\set ON_ERROR_STOP 1\nROLLBACK TO s; SELECT state FROM task_queue.wait($id, '0'); COMMIT"),
	'ready', 'and so can one in a subtransaction');

# Inside a handler a wait needs a timeout.
$id = enqueue($node, 'effect', '[0]');
sql($node, "SELECT task_queue.await($id)");
ends_as($node, enqueue($node, 'parent', '["1 min"]'), 'done', 'a handler can wait with a timeout');
ends_as($node, enqueue($node, 'parent', '[null]', 'retry_policy => task_queue.no_retry_policy()'), 'failed handler 55000',
	'without a timeout it is refused, also where the other has ended');
ends_as($node, enqueue($node, 'child', '[]', 'retry_policy => task_queue.no_retry_policy()'), 'failed handler 55000',
	'a handler cannot wait for what it enqueues itself');

# An outcome that was answered survives a crash. Workers commit asynchronously;
# with the WAL writer stopped it is await that flushes.
my $wal_writer = sql($node, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'");
kill 'STOP', $wal_writer;
$id = enqueue($node, 'effect', '[7]');
wait_state($node, $id, 'done', 'a task has ended');
my ($before, $answer, $after) = split /\n/,
  sql($node, "SELECT pg_current_wal_flush_lsn(); SELECT task_queue.await($id); SELECT pg_current_wal_flush_lsn()");
is($answer, '7', 'its outcome is answered');
is(sql($node, "SELECT '$after'::pg_lsn > '$before'::pg_lsn"), 't', 'and was flushed before');
kill 'CONT', $wal_writer;
$node->stop('immediate');
$node->start;
is(state_of($node, $id), 'done', 'it survives a crash');
is(sql($node, "SELECT count(*) FROM effect WHERE id = $id"), '1', 'and so does its effect');

# Where nobody runs tasks, waiting without end is refused.
$id = enqueue($node, 'outside');
my $ended = enqueue($node, 'quick', '[1]');
sql($node, "SELECT task_queue.await($ended)");
$node->append_conf('postgresql.conf', 'task_queue.enabled = off');
$node->reload;
wait_for($node, "SELECT current_setting('task_queue.enabled') = 'off'", 'workers are disabled');
my $waiting = enqueue($node, 'quick', '[1]');
like(sql_error($node, "SELECT task_queue.await($waiting)"), qr/^57P03/, 'await without workers');
like(sql_error($node, "SELECT * FROM task_queue.wait($waiting)"), qr/^57P03/, 'wait without workers');
like(sql_error($node, "SELECT task_queue.await($waiting, '10 ms')"), qr/^TQ007/, 'with a timeout it waits');
is(sql($node, "SELECT task_queue.await($ended)"), '2', 'an outcome is answered all the same');
like(sql_error($node, "SET statement_timeout = '200 ms'; SELECT task_queue.await($id)"), qr/^57014/, 'external tasks are waited for');
is(sql($node, "SELECT severity || ' ' || message FROM task_queue.health() WHERE check_name = 'no_workers'"),
	'error no tasks are started, because task_queue.enabled is off', 'health() says why');
$node->append_conf('postgresql.conf', "task_queue.enabled = on\ntask_queue.databases = 'other, template1'");
$node->reload;
wait_for($node, "SELECT current_setting('task_queue.enabled') = 'on'", 'workers are enabled, but not here');
like(sql_error($node, "SELECT task_queue.await(task_queue.enqueue('quick', '[1]'))"), qr/^55000/, 'a task of the same statement');
like(sql($node, "SELECT message FROM task_queue.health() WHERE check_name = 'no_workers'"), qr/task_queue.databases does not list it/,
	'health() says why');
$node->append_conf('postgresql.conf', "task_queue.databases = 'postgres'");
$node->reload;
is(sql($node, "SELECT task_queue.await($waiting, '1 min')"), '2', 'a database that is listed again is served');

$node->stop;
done_testing();
