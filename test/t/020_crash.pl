# A process that dies takes the server down and up again: its task is to blame,
# the others run again at no cost, and nothing is lost or done twice.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main', conf => ['restart_after_crash = on', 'task_queue.workers = 4']);

sql($node, <<'SQL');
CREATE TABLE written (what text);
CREATE FUNCTION at_gate(what text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO written VALUES (what);
	PERFORM t.pass_gate(1);
	RETURN what;
END $$;
CREATE PROCEDURE proc_at_gate(what text) LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO written VALUES (what);
	COMMIT;
	PERFORM t.pass_gate(1);
END $$;
CREATE FUNCTION dies(signal text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO written VALUES ('dies');
	EXECUTE format('COPY (SELECT 1) TO PROGRAM %L', 'kill -' || signal || ' $PPID');
	PERFORM pg_sleep(600);
END $$;
CREATE PROCEDURE proc_dies(signal text) LANGUAGE plpgsql AS $$ BEGIN COMMIT; PERFORM dies(signal); END $$;
CREATE TABLE counted (n int);
CREATE FUNCTION counts(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO counted VALUES (n);
	PERFORM pg_sleep(0.002);
END $$;
CREATE FUNCTION quick() RETURNS int LANGUAGE sql RETURN 1;
SELECT task_queue.register_handler(p.oid::regprocedure) FROM pg_proc AS p WHERE pronamespace = 'public'::regnamespace;
SQL

# The process that runs a task.
sub pid_of
{
	my ($id) = @_;
	return sql($node, "SELECT pid FROM task_queue._running() WHERE task_id = $id");
}

sub message_of
{
	my ($id) = @_;
	return sql($node, "SELECT (t.error($id)).message");
}

# The server forgets what a procedure has committed, if that was not flushed yet.
sub written
{
	return sql($node, "SELECT string_agg(what, ' ' ORDER BY what) FROM written");
}

# What the end of the server does to a gate is to open it.
my $generation = 0;
sub start_tasks
{
	my $gate = hold_gate($node, 1);
	my @ids;
	$generation++;
	sql($node, 'TRUNCATE written');
	push @ids, enqueue($node, 'public.at_gate', '["culprit"]');
	wait_for($node, 'SELECT t.waiting_at_gate(1) = 1');
	push @ids, enqueue($node, 'public.at_gate', '["function"]'), enqueue($node, 'public.proc_at_gate', '["procedure"]');
	wait_for($node, 'SELECT t.waiting_at_gate(1) = 3', "round $generation: three tasks are running");
	return ($gate, @ids);
}

sub up_again
{
	my ($gate) = @_;
	eval { $gate->quit };
	return wait_for($node, 'SELECT NOT pg_is_in_recovery()');
}

# Killed from outside
my ($gate, $culprit, $function, $procedure) = start_tasks();
crash($node, pid_of($culprit));
up_again($gate);
ends_as($node, $culprit, 'failed panic', 'the task of a process that was killed');
like(message_of($culprit), qr/signal 9/, 'says by which signal');
is(sql($node, "SELECT (t.error($culprit)).retryable, t.attempts($culprit)"), 'f|1 panic', 'and is not retried');
ends_as($node, $function, 'done', 'a function that ran beside it');
ends_as($node, $procedure, 'done', 'and a procedure');
is(sql($node, "SELECT t.attempt($function), t.attempt($procedure), count(*) FROM task_queue.attempt"), '1|1|1', 'run again at no cost');
like(written(), qr/^function procedure( procedure)?$/, 'a function\'s work is there once, a procedure\'s at least once');
is(sql($node, "SELECT task_queue.requeue($culprit)"), $culprit, 'the dead letter may be requeued by hand');
ends_as($node, $culprit, 'done', 'and then runs');

# Killed by its own doing
for my $signal ('SEGV', 'ABRT')
{
	for my $handler ('public.dies', 'public.proc_dies')
	{
		my $id = enqueue_fatal($node, $handler, "[\"$signal\"]");
		ends_as($node, $id, 'failed panic', "$handler with SIG$signal");
		like(message_of($id), $signal eq 'SEGV' ? qr/signal 11/ : qr/signal 6/, 'is charged with it');
		is(sql($node, "SELECT t.attempt($id)"), '1', 'after one execution');
	}
}
is(sql($node, "SELECT count(*) FROM written WHERE what = 'dies'"), '0', 'what it had written is gone');
ends_as($node, enqueue($node, 'public.quick'), 'done', 'the server goes on');

# Somebody else's crash charges nobody.
($gate, $culprit, $function, $procedure) = start_tasks();
my $victim = session($node);
crash($node, $victim->query_safe('SELECT pg_backend_pid()'));
eval { $victim->quit };
up_again($gate);
ends_as($node, $_, 'done', 'tasks beside a backend that was killed') for $culprit, $function, $procedure;
is(sql($node, "SELECT count(*) FROM task_queue.attempt WHERE task_id IN ($function, $procedure)"), '0', 'are not charged');

for my $process (qw(scheduler launcher))
{
	($gate, $culprit, $function, $procedure) = start_tasks();
	crash($node, sql($node, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'task_queue $process'"));
	up_again($gate);
	ends_as($node, $_, 'done', "tasks beside the $process that was killed") for $culprit, $function, $procedure;
	is(sql($node, "SELECT count(*) FROM task_queue.attempt WHERE task_id IN ($culprit, $function, $procedure)"), '0', 'are not charged');
}

# Stops
for my $mode ('immediate', 'fast')
{
	($gate, $culprit, $function, $procedure) = start_tasks();
	my $scheduled = enqueue($node, 'public.quick', '[]', "delay => '100 ms'");
	$node->stop($mode);
	eval { $gate->quit };
	$node->start;
	ends_as($node, $_, 'done', "after a stop in mode $mode a task runs again") for $culprit, $function, $procedure, $scheduled;
	is(sql($node, "SELECT count(*) FROM task_queue.attempt WHERE task_id IN ($culprit, $function, $procedure)"), '0', 'at no cost');
	is(sql($node, "SELECT t.attempt($culprit), t.attempt($procedure)"), '1|1', 'in its first attempt');
	like(written(), qr/^culprit function procedure( procedure)?$/, 'a function\'s work is there once');
}

# Exactly once in effect, whenever the server goes down
sql($node, "SELECT count(task_queue.enqueue('public.counts', jsonb_build_array(n))) FROM generate_series(1, 1000) AS n");
for my $round (1 .. 3)
{
	wait_for($node, 'SELECT count(*) >= ' . 150 * $round . ' FROM counted');
	if ($round == 2)
	{
		my $bystander = session($node);
		crash($node, $bystander->query_safe('SELECT pg_backend_pid()'));
		eval { $bystander->quit };
	}
	else
	{
		$node->stop('immediate');
		$node->start;
	}
}
wait_for($node, 'SELECT count(*) FROM task_queue.task', 'a thousand tasks and three crashes', 0);
is(sql($node, 'SELECT count(*), count(DISTINCT n) FROM counted'), '1000|1000', 'each has had its effect once');
is(sql($node, "SELECT count(*) FROM task_queue.history WHERE handler = 'public.counts' AND state = 'd' AND attempt = 1"), '1000',
	'each is done in its first attempt');

$node->stop;
done_testing();
