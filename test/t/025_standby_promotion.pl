# A standby refuses whatever writes; promoted, it goes on where the primary
# stopped: every committed task that had not ended runs there, the effects of
# function handlers are there once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $primary = tq_node('primary', init => { allows_streaming => 1 }, conf => ['max_connections = 30']);

sql($primary, <<'SQL');
CREATE TABLE written (what text);
CREATE FUNCTION at_gate() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO written VALUES ('function');
	PERFORM t.pass_gate(1);
	RETURN (SELECT attempt FROM task_queue.current_task());
END $$;
CREATE PROCEDURE proc_at_gate() LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO written VALUES ('procedure');
	COMMIT;
	PERFORM t.pass_gate(1);
END $$;
CREATE FUNCTION counts(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN INSERT INTO written VALUES (n::text); PERFORM pg_sleep(0.001); RETURN n; END $$;
SELECT task_queue.register_handler('at_gate()'), task_queue.register_handler('proc_at_gate()'), task_queue.register_handler('counts(int)');
SELECT task_queue.register_external('outside');
SQL

my $standby = tq_standby($primary);

my $gate = hold_gate($primary, 1);
my $function = enqueue($primary, 'public.at_gate');
my $procedure = enqueue($primary, 'public.proc_at_gate');
wait_for($primary, 'SELECT t.waiting_at_gate(1) = 2', 'a function and a procedure are running');
my $done = enqueue($primary, 'public.counts', '[0]');
is(sql($primary, "SELECT task_queue.await($done, '1 min')"), '0', 'a third task is done');
my $scheduled = enqueue($primary, 'public.counts', '[-1]', "delay => '2 s'");
my $external = enqueue($primary, 'outside');
sql($primary, "SELECT count(task_queue.enqueue('public.counts', jsonb_build_array(n))) FROM generate_series(1, 300) AS n");
$primary->wait_for_catchup($standby);

# On the standby
is(sql($standby, "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'task_queue%'"), '0', 'nobody works on a standby');
is(sql($standby, "SELECT state FROM task_queue.tasks WHERE task_id = $done"), 'done', 'the views show what there is');
is(sql($standby, "SELECT task_queue.await($done, '1 s')"), '0', 'await() answers for what has ended');
for my $call (
	"enqueue('public.counts', '[1]')", "enqueue_many('public.counts', ARRAY['[1]']::jsonb[])", "cancel($scheduled)", "alter_task($scheduled, priority => 1)",
	"requeue($done)", 'requeue_failed()', "delete_task($done)", "purge_dead_letters('0')", "create_queue('q')", "alter_queue('default', max_running => 1)",
	"drop_queue('default')", "pause_queue('default')", "resume_queue('default')", "register_handler('counts(int)')", "register_external('x')",
	"unregister_handler('outside')", 'drain()', 'adopt_database()', "grant_worker('pg_monitor')", "grant_admin('pg_monitor')",
	"revoke_worker('pg_monitor')", "revoke_admin('pg_monitor')", 'dequeue()', "complete($external, 1)", "fail($external, 1)", "release($external, 1)",
	"submit_dag(ARRAY[task_queue.step('a', 'outside')])", "signal('x', 'y')", "pause_dag('x')", "cancel_dag('x')", "delete_dag('x')", "purge_dags('0')",
	"retry_step('x', 'y')", "unschedule('x')")
{
	like(sql_error($standby, "SELECT task_queue.$call"), qr/^25006/, "$call is refused");
}
like(sql_error($standby, "INSERT INTO task_queue.task (handler) VALUES ('outside')"), qr/^25006/, 'INSERT is refused');
like(sql_error($standby, 'CALL task_queue.run_tasks()'), qr/^25006/, 'run_tasks() is refused');

# Failover
$primary->stop('immediate');
eval { $gate->quit };
$standby->promote;
ends_as($standby, $function, 'done', 'promoted, the standby runs the function that was interrupted');
ends_as($standby, $procedure, 'done', 'and the procedure');
is(sql($standby, "SELECT t.result($function), t.attempt($procedure)"), '1|1', 'in their first attempt');
ends_as($standby, $scheduled, 'done', 'scheduled tasks too');
wait_for($standby, "SELECT count(*) FROM task_queue.task WHERE handler LIKE 'public.%'", 'and everything else', 0);
is(sql($standby, "SELECT count(*), count(DISTINCT what) FROM written WHERE what ~ '[0-9]'"), '302|302', 'the effects of functions are there once');
is(sql($standby, "SELECT count(*) FROM written WHERE what = 'function'"), '1', 'also of the one that was interrupted');
is(sql($standby, 'SELECT count(*) FROM task_queue.attempt'), '0', 'and no attempt failed');
is(state_of($standby, $external), 'ready', 'the external task is there to be taken');
my $new = enqueue($standby, 'public.counts', '[1000]');
is(sql($standby, "SELECT task_queue.await($new, '1 min')"), '1000', 'enqueue and await go on');
cmp_ok($new, '>', $external, 'with new ids');
is(sql($standby, "SELECT count(*) FROM task_queue.health() WHERE severity = 'error'"), '0', 'health() is content');

$standby->stop;
done_testing();
