# task_queue.enabled = off stops gently: what runs finishes, nothing else starts.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main');

sql($node, <<'SQL');
CREATE FUNCTION at_gate() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM t.pass_gate(1); RETURN 1; END $$;
CREATE FUNCTION fails() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM t.pass_gate(1); RAISE EXCEPTION 'no'; END $$;
CREATE FUNCTION quick() RETURNS int LANGUAGE sql RETURN 1;
SELECT task_queue.register_handler(p.oid::regprocedure) FROM pg_proc AS p WHERE pronamespace = 'public'::regnamespace;
SQL

sub turn
{
	my ($value) = @_;
	sql($node, "ALTER SYSTEM SET task_queue.enabled = $value");
	sql($node, 'SELECT pg_reload_conf()');
	# A reload reaches every process with the next thing it does; these have seen it.
	return wait_for($node, "SELECT current_setting('task_queue.enabled') = '$value'");
}

my $gate = hold_gate($node, 1);
my $runs = enqueue($node, 'public.at_gate');
my $fails = enqueue($node, 'public.fails', '[]', "retry_policy => task_queue.retry_policy('0', maximum_attempts => 2)");
wait_for($node, 'SELECT t.waiting_at_gate(1) = 2', 'two tasks are running');
turn('off');
my @waiting = map { enqueue($node, 'public.quick') } 1 .. 5;
my $later = enqueue($node, 'public.quick', '[]', "delay => '10 ms'");
is(sql($node, 'SELECT t.waiting_at_gate(1)'), '2', 'turned off, what runs goes on');
$gate->quit;
ends_as($node, $runs, 'done', 'and is recorded normally');
wait_for($node, "SELECT t.attempts($fails)", 'a failure too', '1 handler P0001');
wait_for($node, "SELECT count(*) FROM task_queue._running()", 'then nothing runs', 0);
is(sql($node, "SELECT string_agg(DISTINCT t.state(id), ' ') FROM unnest(ARRAY[" . join(',', @waiting) . ']) AS id'), 'ready', 'what waits goes on waiting');
isnt(state_of($node, $fails), 'failed', 'and so does what is to run again');
is(sql($node, "SELECT count(*) FROM task_queue.health() WHERE severity = 'error'") > 0 ? 'complains' : 'content', 'complains', 'health() says that nothing runs');
is(sql($node, "SELECT count(*) FROM task_queue.drain(max_tasks => 1)"), '1', 'drain() is not concerned');
$node->restart;
is(sql($node, "SELECT count(*) > 0 AND bool_and(t.state(task_id) = 'ready') FROM task_queue.task WHERE handler = 'public.quick' AND task_id <> $later"), 't',
	'a restart changes nothing');
turn('on');
ends_as($node, $_, 'done', 'turned on, the tasks run') for @waiting, $later;
ends_as($node, $fails, 'failed handler P0001', 'and the retry');
is(sql($node, "SELECT t.attempts($fails)"), '1 handler P0001, 2 handler P0001', 'with two attempts in all');
is(sql($node, "SELECT count(*) FROM task_queue.health() WHERE severity = 'error'"), '0', 'health() is content');

# The number of workers can be changed as well
sql($node, 'ALTER SYSTEM SET task_queue.workers = 0; ');
sql($node, 'SELECT pg_reload_conf()');
wait_for($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'task_queue worker'", 'with no workers allowed they leave', 0);
my $id = enqueue($node, 'public.quick');
like(sql_error($node, "SELECT task_queue.await($id)"), qr/^57P03/, 'and await() says so');
sql($node, 'ALTER SYSTEM SET task_queue.workers = 2');
sql($node, 'SELECT pg_reload_conf()');
ends_as($node, $id, 'done', 'with some allowed again tasks run');

is(sql($node, 'SELECT count(*) FROM task_queue.task'), '0', 'nothing is left');
$node->stop;
done_testing();
