# run_tasks() beside workers and other sessions: every task runs once, cancels
# hit the task that they are meant for, and what a dead session leaves is
# taken up again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use PostgreSQL::Test::Cluster;
use TqTest;

my $handlers = <<'SQL';
CREATE TABLE log (n int GENERATED ALWAYS AS IDENTITY, what text, pid int DEFAULT pg_backend_pid());
CREATE FUNCTION note(what text) RETURNS void LANGUAGE sql AS 'INSERT INTO log (what) VALUES (what)';
CREATE FUNCTION slow(what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO log (what) VALUES (what);
	PERFORM t.pass_gate(1);
END $$;
CREATE PROCEDURE steps(what text) LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO log (what) VALUES (what);
	COMMIT;
	PERFORM t.pass_gate(1);
END $$;
SELECT task_queue.register_handler(f::regprocedure) FROM unnest(ARRAY['note(text)', 'slow(text)', 'steps(text)']) AS f;
SQL

my $node = tq_node('memory', conf => ['task_queue.workers = 2']);
sql($node, $handlers);

# Two sessions and two workers share the work.
my @sessions = map { session($node) } 1 .. 2;
sql($node, q{SELECT count(task_queue.enqueue('public.note', jsonb_build_array(i::text))) FROM generate_series(1, 400) AS i});
$_->query_safe('CALL task_queue.run_tasks()') for @sessions;
wait_for($node, 'SELECT count(*) = 0 FROM task_queue.task', 'all tasks end');
is(sql($node, 'SELECT count(*), count(DISTINCT what) FROM log'), '400|400', 'and each has run once');

# Without workers: cancels.
$node->append_conf('postgresql.conf', 'task_queue.workers = 0');
$node->reload;
wait_for($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'task_queue worker'", 'the workers leave');
sql($node, 'TRUNCATE log');
my $gate = hold_gate($node, 1);
my $first = enqueue($node, 'public.slow', '["first"]');
my $second = enqueue($node, 'public.note', '["second"]');
$sessions[0]->query_until(qr/started/, "\\echo started\nCALL task_queue.run_tasks();\n\\echo ended\n");
wait_for($node, 'SELECT t.waiting_at_gate(1) = 1', 'the first one runs');
is(sql($node, "SELECT state, worker FROM task_queue.tasks WHERE task_id = $first"), 'running|db/inline', 'which the view shows');
is(sql($node, "SELECT task_queue.cancel($first, 'enough')"), 't', 'it can be canceled');
wait_state($node, $second, 'done', 'the call goes on with the next one');
is(state_of($node, $first), 'canceled', 'the first one is canceled');
is(sql($node, "SELECT string_agg(what, ' ') FROM log"), 'second', 'its work is undone');

# Its client goes away in the middle of a procedure.
sql($node, 'TRUNCATE log');
my $third = enqueue($node, 'public.steps', '["third"]');
$sessions[1]->query_until(qr/started/, "\\echo started\nCALL task_queue.run_tasks();\n");
wait_for($node, 'SELECT t.waiting_at_gate(1) = 1', 'a procedure runs');
is(state_of($node, $third), 'running', 'its row says so');
sql($node, q{CALL task_queue.run_tasks()});
is(state_of($node, $third), 'running', 'another call leaves it alone');
sql($node, q{SELECT pg_terminate_backend(pid) FROM log WHERE what = 'third'});
wait_for($node, "SELECT NOT t.running($third)", 'its session is gone');
$gate->quit;
sql($node, q{CALL task_queue.run_tasks()});
is(sql($node, "SELECT t.state($third), t.attempt($third), count(*) FROM log"), 'done|1|2', 'the next call runs it again, at the same attempt');
$sessions[0]->quit;
eval { $sessions[1]->quit };
$node->stop;

# The same without the preloaded library.
$node = PostgreSQL::Test::Cluster->new('table');
$node->init;
$node->start;
tq_install($node, 'postgres');
sql($node, $handlers);
@sessions = map { session($node) } 1 .. 2;
sql($node, q{SELECT count(task_queue.enqueue('public.note', jsonb_build_array(i::text))) FROM generate_series(1, 400) AS i});
$_->query_until(qr/started/, "\\echo started\nCALL task_queue.run_tasks();\n") for @sessions;
wait_for($node, 'SELECT count(*) = 0 FROM task_queue.task', 'two sessions run all tasks without the library');
is(sql($node, 'SELECT count(*), count(DISTINCT what) FROM log'), '400|400', 'each one once');

sql($node, 'TRUNCATE log');
$gate = hold_gate($node, 1);
$third = enqueue($node, 'public.steps', '["third"]');
$sessions[1]->query_until(qr/again/, "\\echo again\nCALL task_queue.run_tasks();\n");
wait_for($node, 'SELECT t.waiting_at_gate(1) = 1', 'a procedure runs');
sql($node, q{CALL task_queue.run_tasks()});
is(state_of($node, $third), 'running', 'another call leaves it alone');
sql($node, q{SELECT pg_terminate_backend(pid) FROM log WHERE what = 'third'});
wait_for($node, q{SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = (SELECT pid FROM log WHERE what = 'third')}, 'its session is gone');
$gate->quit;
sql($node, q{CALL task_queue.run_tasks()});
is(sql($node, "SELECT t.state($third), t.attempt($third), count(*) FROM log"), 'done|1|2', 'the next call runs it again, at the same attempt');
$sessions[0]->quit;
eval { $sessions[1]->quit };
$node->stop;
done_testing();
