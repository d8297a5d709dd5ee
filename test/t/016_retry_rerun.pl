# Failed attempts are repeated after the policy's delay; serialization failures,
# deadlocks and locks that are not available at once, and at no cost.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main', conf => ['deadlock_timeout = 50ms']);

sql($node, <<'SQL');
CREATE SEQUENCE calls;
CREATE TABLE written (x bigint);
CREATE FUNCTION fails_at_first(state text, times int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	n bigint := nextval('calls');
BEGIN
	INSERT INTO written VALUES (n);
	IF n <= times THEN
		RAISE EXCEPTION USING ERRCODE = state;
	END IF;
	RETURN (SELECT attempt FROM task_queue.current_task());
END $$;
CREATE PROCEDURE proc_fails_at_first(state text, times int) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM fails_at_first(state, times);
END $$;
CREATE TABLE resource (name text PRIMARY KEY, n int NOT NULL DEFAULT 0);
INSERT INTO resource VALUES ('a'), ('b');
CREATE FUNCTION locks_both(first text, second text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	key int := ascii(first);
BEGIN
	UPDATE resource SET n = n + 1 WHERE name = first;
	-- The first time both are here before either goes on.
	IF nextval('calls') <= 2 THEN
		PERFORM t.pass_gate(1);
	END IF;
	UPDATE resource SET n = n + 1 WHERE name = second;
	RETURN (SELECT attempt FROM task_queue.current_task());
END $$;
SELECT task_queue.register_handler(p.oid::regprocedure) FROM pg_proc AS p WHERE pronamespace = 'public'::regnamespace;
SQL

sub reset_calls
{
	sql($node, "SELECT setval('calls', 1, false); TRUNCATE written");
	return;
}

for my $state ('40001', '40P01', '55P03')
{
	reset_calls();
	my $id = enqueue($node, 'public.fails_at_first', "[\"$state\", 10]");
	ends_as($node, $id, 'done', "a function that raises $state ten times is done");
	is(sql($node, "SELECT t.result($id), t.attempts($id) IS NULL, last_value FROM calls"), '1|t|11', 'in its first attempt');
	is(sql($node, 'SELECT count(*) FROM written'), '1', 'each run was undone but the last');
}

reset_calls();
my $id = enqueue($node, 'public.fails_at_first', '["40001", 11]', "retry_policy => task_queue.retry_policy('10 ms')");
ends_as($node, $id, 'done', 'after ten reruns');
is(sql($node, "SELECT t.attempts($id), t.result($id), last_value FROM calls"), '1 handler 40001|2|12', 'it is an ordinary failure');

reset_calls();
$id = enqueue($node, 'public.proc_fails_at_first', '["40001", 1]', "retry_policy => task_queue.retry_policy('10 ms')");
ends_as($node, $id, 'done', 'a procedure, which may have done work already');
is(sql($node, "SELECT t.attempts($id), t.attempt($id)"), '1 handler 40001|2', 'is not run again for free');

# A real deadlock of two tasks
reset_calls();
my $gate = hold_gate($node, 1);
my @ids = (enqueue($node, 'public.locks_both', '["a", "b"]'), enqueue($node, 'public.locks_both', '["b", "a"]'));
wait_for($node, 'SELECT t.waiting_at_gate(1) = 2', 'two tasks lock crosswise');
$gate->quit;
ends_as($node, $_, 'done', 'a task of a deadlock is done') for @ids;
is(sql($node, "SELECT string_agg(name || n, ' ' ORDER BY name) FROM resource"), 'a2 b2', 'both have done their work once');
is(sql($node, 'SELECT last_value > 2 FROM calls'), 't', 'one of them ran again');
is(sql($node, "SELECT t.result($ids[0]), t.result($ids[1])"), '1|1', 'and none was charged');

# Delays
reset_calls();
$id = enqueue($node, 'public.fails_at_first', '["P0001", 2]',
	"retry_policy => task_queue.retry_policy('50 ms', 2, '500 ms', 5)");
ends_as($node, $id, 'done', 'a function that fails twice is done');
is(sql($node, "SELECT t.result($id), t.attempts($id)"), '3|1 handler P0001, 2 handler P0001', 'in its third attempt');
is(sql($node, <<"SQL"), 't', 'each after its delay');
	WITH a AS (
		SELECT attempt, started_at, finished_at FROM task_queue.attempt WHERE task_id = $id
		UNION ALL
		SELECT attempt, started_at, finished_at FROM task_queue.history WHERE task_id = $id
	), pause AS (
		SELECT attempt, started_at - lag(finished_at) OVER (ORDER BY attempt) AS length FROM a
	)
	SELECT bool_and(length >= CASE attempt WHEN 2 THEN '50 ms' ELSE '100 ms' END::interval) FROM pause WHERE attempt > 1
SQL

reset_calls();
$id = enqueue($node, 'public.fails_at_first', '["P0001", 1]', "retry_policy => task_queue.retry_policy('0', maximum_attempts => 2)");
ends_as($node, $id, 'done', 'a delay of zero is none');
reset_calls();
$id = enqueue($node, 'public.fails_at_first', '["23505", 100]',
	"retry_policy => task_queue.retry_policy('0', non_retryable_error_kinds => ARRAY['23'])");
ends_as($node, $id, 'failed handler 23505', 'a class of SQLSTATE that is not retried');
is(sql($node, 'SELECT last_value FROM calls'), '1', 'is not');
reset_calls();
$id = enqueue($node, 'public.fails_at_first', '["P0001", 100]', "retry_policy => task_queue.retry_policy('0', maximum_attempts => 3)");
ends_as($node, $id, 'failed handler P0001', 'a task that fails three times of three');
is(sql($node, "SELECT last_value, t.attempt($id) FROM calls"), '3|3', 'is a dead letter of its third attempt');

# Requeue: a new life under the same id
reset_calls();
is(sql($node, "SELECT task_queue.requeue($id, args => '[\"P0001\", 1]')"), $id, 'a dead letter is requeued with other arguments');
ends_as($node, $id, 'done', 'and runs');
is(sql($node, "SELECT t.attempt($id)"), '2', 'counting attempts anew');

is(sql($node, 'SELECT count(*) FROM task_queue.task'), '0', 'nothing is left');
$node->stop;
done_testing();
