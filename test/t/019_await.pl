# await() and wait() sleep until the commit that ends the task, and see it at
# every isolation level.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main');

sql($node, <<'SQL');
CREATE FUNCTION at_gate(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM t.pass_gate(1); RETURN n; END $$;
CREATE FUNCTION fails_at_gate() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM t.pass_gate(1);
	RAISE EXCEPTION 'broken';
END $$;
CREATE FUNCTION quick(n int) RETURNS int LANGUAGE sql RETURN n;
CREATE FUNCTION awaits(id bigint) RETURNS jsonb LANGUAGE sql RETURN task_queue.await(id);
SELECT task_queue.register_handler(p.oid::regprocedure) FROM pg_proc AS p WHERE pronamespace = 'public'::regnamespace;
SQL

my $id = enqueue($node, 'public.quick', '[5]');
is(sql($node, "SELECT task_queue.await($id, '1 min')"), '5', 'await() gives the result');
is(sql($node, "SELECT task_queue.await($id)"), '5', 'and again, from another session');

# Waiters that came before the end, at each isolation level
my $gate = hold_gate($node, 1);
$id = enqueue($node, 'public.at_gate', '[7]');
my %levels = map { $_ => session($node) } ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE');
for my $level (sort keys %levels)
{
	$levels{$level}->query_safe("BEGIN ISOLATION LEVEL $level; SELECT count(*) FROM task_queue.tasks");
	# Leaves it waiting.
	$levels{$level}->query_until(qr/waits/, "\\echo waits\nSELECT task_queue.await($id, '2 min');\n");
}
my $waits_without_timeout = session($node);
$waits_without_timeout->query_until(qr/waits/, "\\echo waits\nSELECT state, result FROM task_queue.wait($id);\n");
wait_for($node, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query ~ 'task_queue.(await|wait)' AND wait_event_type = 'Extension'",
	'four sessions wait', 4);

$gate->quit;
for my $level (sort keys %levels)
{
	is($levels{$level}->query_safe('COMMIT'), '7', "at $level the waiter is woken and sees the result");
	$levels{$level}->quit;
}
is($waits_without_timeout->query_safe(q{SELECT 1}), "done|7\n1", 'wait() tells state and result');
$waits_without_timeout->quit;

# Errors
$gate = hold_gate($node, 1);
my $failed = sql($node, "SELECT task_queue.enqueue('public.fails_at_gate', retry_policy => task_queue.no_retry_policy())");
my $waiter = session($node, undef, on_error_stop => 0);
$waiter->query_until(qr/waits/, "\\set VERBOSITY verbose\n\\echo waits\nSELECT task_queue.await($failed);\n");
wait_for($node, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT task_queue.await%' AND wait_event_type = 'Extension'",
	'a session waits for a task that will fail', 1);
$gate->quit;
$waiter->query('SELECT 1');
like($waiter->{stderr}, qr/TQ004: broken.*DETAIL:  handler/s, 'await() raises its error');
like(sql_error($node, "SELECT task_queue.await($failed)"), qr/^TQ004: broken/, 'again and again');
is(sql($node, "SELECT state, error_kind, error_message FROM task_queue.wait($failed)"), 'failed|handler|broken', 'wait() tells it');

$gate = hold_gate($node, 1);
$id = enqueue($node, 'public.at_gate', '[8]');
$waiter->query_until(qr/waits/, "\\echo waits\nSELECT task_queue.await($id);\n");
wait_for($node, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT task_queue.await%' AND wait_event_type = 'Extension'",
	'a session waits for a task that will be canceled', 1);
sql($node, "SELECT task_queue.cancel($id, 'enough')");
$waiter->{stderr} = '';
$waiter->query('SELECT 1');
like($waiter->{stderr}, qr/TQ005: .*DETAIL:  enough/s, 'await() raises TQ005 with the reason');

# Timeouts touch nothing
$id = enqueue($node, 'public.at_gate', '[9]');
like(sql_error($node, "SELECT task_queue.await($id, '10 ms')"), qr/^TQ007/, 'a timeout of await() raises TQ007');
wait_for($node, 'SELECT t.waiting_at_gate(1) = 1', undef);
is(sql($node, "SELECT * FROM task_queue.wait($id, '10 ms')"), 'running||||', 'wait() then tells the live state');
is(sql($node, "SELECT state FROM task_queue.wait($id, '0')"), 'running', 'zero looks once');
$gate->quit;
is(sql($node, "SELECT task_queue.await($id, '1 min')"), '9', 'the task was not touched');

like(sql_error($node, 'SELECT task_queue.await(999999)'), qr/^42704/, 'an unknown task is an error at once');
like(sql_error($node, "BEGIN; CREATE TEMP TABLE x AS SELECT task_queue.enqueue('public.quick', '[1]') AS id; SELECT task_queue.await(id, '1 s') FROM x"),
	qr/^55000/, 'a task of the same transaction cannot be awaited');
$id = enqueue($node, 'public.quick', '[1]', "delay => '1 h'");
my $parent = enqueue($node, 'public.awaits', "[$id]", 'retry_policy => task_queue.no_retry_policy()');
ends_as($node, $parent, 'failed handler 55000', 'a handler cannot await without a timeout');

# A canceled waiter leaves nothing behind: the next one is woken.
$gate = hold_gate($node, 1);
$id = enqueue($node, 'public.at_gate', '[10]');
like(sql_error($node, "SET statement_timeout = '100 ms'; SELECT task_queue.await($id)"), qr/^57014/, 'a waiter can be canceled');
$waiter->query_until(qr/waits/, "\\echo waits\nSELECT task_queue.await($id);\n");
wait_for($node, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT task_queue.await%' AND wait_event_type = 'Extension'",
	undef, 1);
$gate->quit;
is($waiter->query('SELECT 1'), "10\n1", 'the next one is woken');
$waiter->quit;

# Nobody who could run it
$node->append_conf('postgresql.conf', 'task_queue.enabled = off');
$node->reload;
wait_for($node, "SELECT current_setting('task_queue.enabled') = 'off'");
$id = enqueue($node, 'public.quick', '[1]');
like(sql_error($node, "SELECT task_queue.await($id)"), qr/^57P03/, 'await() without a timeout and without workers is refused');
like(sql_error($node, "SELECT task_queue.await($id, '10 ms')"), qr/^TQ007/, 'with a timeout it waits');

$node->stop;
done_testing();
