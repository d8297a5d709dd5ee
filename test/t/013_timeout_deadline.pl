# Timeouts and deadlines interrupt what runs in a worker, and nothing else.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main');

sql($node, <<'SQL');
CREATE SEQUENCE calls;
CREATE TABLE written (x int);
CREATE FUNCTION sleeps() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM nextval('calls');
	INSERT INTO written VALUES (1);
	PERFORM pg_sleep(600);
	RETURN 'slept';
END $$;
CREATE FUNCTION survives() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_sleep(600);
	RETURN 'slept';
EXCEPTION WHEN query_canceled THEN
	RETURN 'survived';
END $$;
CREATE FUNCTION complains() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_sleep(600);
	RETURN 'slept';
EXCEPTION WHEN query_canceled THEN
	RAISE EXCEPTION USING ERRCODE = '40001', MESSAGE = 'interrupted';
END $$;
CREATE FUNCTION limits_itself() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	-- Only the server's main loop arms statement_timeout; lock_timeout works anywhere.
	SET LOCAL lock_timeout = '50ms';
	PERFORM pg_advisory_xact_lock(77);
	RETURN 'got it';
END $$;
CREATE FUNCTION quick() RETURNS int LANGUAGE sql RETURN 1;
SELECT task_queue.register_handler(p.oid::regprocedure) FROM pg_proc AS p WHERE pronamespace = 'public'::regnamespace;
SELECT task_queue.register_handler('sleeps()', 'impatient', timeout => '100 ms', retry_policy => task_queue.no_retry_policy());
SQL

my $retry = "retry_policy => task_queue.retry_policy('10 ms', maximum_attempts => 2)";
my $no_retry = 'retry_policy => task_queue.no_retry_policy()';

my $id = enqueue($node, 'public.sleeps', '[]', "timeout => '100 ms', $retry");
ends_as($node, $id, 'failed timeout', 'a timeout interrupts a running function');
is(sql($node, "SELECT t.attempts($id)"), '1 timeout, 2 timeout', 'each of its attempts');
is(sql($node, 'SELECT last_value FROM calls'), '2', 'which were executions');
is(sql($node, 'SELECT count(*) FROM written'), '0', 'and left nothing');

$id = enqueue($node, 'impatient');
ends_as($node, $id, 'failed timeout', 'a timeout of the handler');
$id = enqueue($node, 'impatient', '[]', "timeout => '0', deadline => clock_timestamp() + '300 ms'");
ends_as($node, $id, 'failed deadline', 'gives way to the task\'s own, 0 being none');
is(sql($node, "SELECT t.attempts($id)"), '1 deadline', 'and a deadline allows no other attempt');
$id = enqueue($node, 'impatient', '[]', "timeout => '1 h', deadline => clock_timestamp() + '200 ms'");
ends_as($node, $id, 'failed deadline', 'the earlier one counts');
$id = sql($node, "BEGIN; SELECT task_queue.enqueue('public.quick', deadline => clock_timestamp() + '1 h', timeout => '1 h')");
sql($node, 'SELECT 1');

sql($node, "SELECT setval('calls', 100)");
$id = enqueue($node, 'public.sleeps', '[]', "deadline => clock_timestamp() - interval '1 s', $retry");
ends_as($node, $id, 'failed deadline', 'a deadline that has passed already');
is(sql($node, "SELECT last_value, t.attempt($id), t.attempts($id) FROM calls"), '100|1|1 deadline', 'ends it before the handler is called');

for my $what ("timeout => '100 ms'", "deadline => clock_timestamp() + '100 ms'")
{
	$id = enqueue($node, 'public.survives', '[]', $what);
	ends_as($node, $id, 'done', "$what: a handler that catches the cancel and returns is done");
	is(sql($node, "SELECT t.result($id)"), '"survived"', 'with its result');
	my $kind = $what =~ /timeout/ ? 'timeout' : 'deadline';
	$id = enqueue($node, 'public.complains', '[]', "$what, $no_retry");
	ends_as($node, $id, "failed $kind", 'one that raises something else has not');
}

# None of these timers outlives its task.
my @ids = map { enqueue($node, 'public.quick', '[]', "timeout => '80 ms'") } 1 .. 20;
$id = sql($node, "SELECT task_queue.enqueue('public.limits_itself', retry_policy => task_queue.retry_policy('10 ms', maximum_attempts => 100))");
ends_as($node, $id, 'done', 'a handler that sets a lock_timeout for itself');
is(sql($node, 'SELECT count(*) FROM task_queue.history WHERE handler = \'public.quick\' AND state <> \'d\''), '0',
	'short tasks beside their timeouts');

my $session = session($node);
$session->query_safe('SELECT pg_advisory_lock(77)');
$id = enqueue($node, 'public.limits_itself', '[]', $no_retry);
ends_as($node, $id, 'failed handler 55P03', 'may fail by it');
$session->quit;

$node->append_conf('postgresql.conf', "task_queue.default_timeout = '100ms'");
$node->reload;
wait_for($node, "SELECT current_setting('task_queue.default_timeout') = '100ms'");
$id = enqueue($node, 'public.sleeps', '[]', $no_retry);
ends_as($node, $id, 'failed timeout', 'task_queue.default_timeout is for those without any');

is(sql($node, "SELECT count(*) FROM task_queue.task"), '0', 'nothing is left');
$node->stop;
done_testing();
