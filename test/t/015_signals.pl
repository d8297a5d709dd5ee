# pg_cancel_backend() and pg_terminate_backend() on the background processes.

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
CREATE FUNCTION first_time_at_gate() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO written VALUES (1);
	IF nextval('calls') % 2 = 1 THEN
		PERFORM t.pass_gate(1);
	END IF;
	RETURN (SELECT attempt FROM task_queue.current_task());
END $$;
CREATE PROCEDURE proc_first_time_at_gate() LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO written VALUES (1);
	COMMIT;
	IF nextval('calls') % 2 = 1 THEN
		PERFORM t.pass_gate(1);
	END IF;
END $$;
CREATE FUNCTION quick() RETURNS int LANGUAGE sql RETURN 1;
SELECT task_queue.register_handler(p.oid::regprocedure) FROM pg_proc AS p WHERE pronamespace = 'public'::regnamespace;
SQL

my $retry = "retry_policy => task_queue.retry_policy('10 ms', maximum_attempts => 3)";
my $gate = hold_gate($node, 1);
my $at_gate = 'SELECT pid FROM pg_locks WHERE locktype = \'advisory\' AND classid = 1234 AND NOT granted';

for my $handler ('public.first_time_at_gate', 'public.proc_first_time_at_gate')
{
	for my $case ([ 'pg_terminate_backend', 'terminated' ], [ 'pg_cancel_backend', 'handler 57014' ])
	{
		my ($signal, $error) = @$case;
		sql($node, 'TRUNCATE written');
		my $id = enqueue($node, $handler, '[]', $retry);
		wait_for($node, 'SELECT t.waiting_at_gate(1) = 1', "$handler is running");
		is(sql($node, "SELECT $signal(($at_gate))"), 't', "$signal on its worker");
		ends_as($node, $id, 'done', 'the task runs again');
		is(sql($node, "SELECT t.attempts($id), t.attempt($id)"), "1 $error|2", 'and the attempt counts');
		is(sql($node, 'SELECT count(*) FROM written'), $handler =~ /proc/ ? '2' : '1', 'what it had not committed is undone');
	}
}

# The last attempt
my $id = enqueue($node, 'public.first_time_at_gate', '[]', 'retry_policy => task_queue.no_retry_policy()');
wait_for($node, 'SELECT t.waiting_at_gate(1) = 1', 'a task without retries is running');
sql($node, "SELECT pg_terminate_backend(($at_gate))");
ends_as($node, $id, 'failed terminated', 'terminated, it is a dead letter');
is(sql($node, "SELECT (t.error($id)).retryable"), 't', 'of an error that allows another attempt');
$gate->quit;

# Idle processes
sub pids
{
	my ($type) = @_;
	return sql($node, "SELECT string_agg(pid::text, ',' ORDER BY pid) FROM pg_stat_activity WHERE backend_type = 'task_queue $type'");
}

my $failed = sql($node, 'SELECT count(*) FROM task_queue.attempt');
ends_as($node, enqueue($node, 'public.quick'), 'done', 'a worker is there');
wait_for($node, "SELECT bool_and(state = 'idle') FROM task_queue._workers()", 'and becomes idle');
my %before = map { $_ => pids($_) } qw(launcher scheduler worker);
sql($node, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type LIKE 'task_queue%'");
ends_as($node, enqueue($node, 'public.quick'), 'done', 'pg_cancel_backend on idle processes');
is(pids($_), $before{$_}, "does not disturb the $_") for qw(launcher scheduler);

sql($node, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'task_queue worker'");
ends_as($node, enqueue($node, 'public.quick'), 'done', 'after pg_terminate_backend on idle workers others take over');
for my $type (qw(scheduler launcher))
{
	my $old = pids($type);
	sql($node, "SELECT pg_terminate_backend($old)");
	ends_as($node, enqueue($node, 'public.quick'), 'done', "after pg_terminate_backend on the $type tasks run");
	wait_for($node, "SELECT count(*) = 1 AND bool_and(pid <> $old) FROM pg_stat_activity WHERE backend_type = 'task_queue $type'",
		"and there is another $type");
}
# What only the new scheduler can do
$id = enqueue($node, 'public.quick', '[]', "delay => '10 ms'");
ends_as($node, $id, 'done', 'scheduled tasks run too');
is(sql($node, 'SELECT count(*) FROM task_queue.attempt'), $failed, 'and no attempt has failed of all that');

is(sql($node, 'SELECT count(*) FROM task_queue.task'), '0', 'nothing is left');
$node->stop;
done_testing();
