# A handler that calls drain() runs tasks within its own: a cancel, a timeout
# or a deadline of the one never ends the other, whichever of them the signal
# hits. And a cancel of a task never ends the call that runs it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main', conf => [ 'task_queue.workers = 2' ]);
sql($node, <<'SQL');
SELECT task_queue.create_queue('inner'), task_queue.create_queue('innermost');
CREATE TABLE effect (what text);
CREATE FUNCTION drains(what text, queue text, catching boolean DEFAULT false) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO effect VALUES (what);
	PERFORM task_queue.drain(queue);
	PERFORM pg_sleep(0);
EXCEPTION WHEN query_canceled THEN
	IF NOT catching THEN RAISE; END IF;
END $$;
CREATE FUNCTION at_gate(what text, reaction text DEFAULT 'none') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO effect VALUES (what);
	PERFORM t.pass_gate(1);
EXCEPTION WHEN query_canceled THEN
	CASE reaction WHEN 'none' THEN RAISE; WHEN 'survive' THEN NULL; ELSE RAISE EXCEPTION '%', reaction; END CASE;
END $$;
CREATE FUNCTION quick(what text) RETURNS void LANGUAGE sql AS 'INSERT INTO effect VALUES (what)';
CREATE FUNCTION fails_at_gate() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM t.pass_gate(1); RAISE EXCEPTION 'failed'; END $$;
SELECT task_queue.register_handler(f::regprocedure, retry_policy => task_queue.no_retry_policy())
	FROM unnest(ARRAY['drains(text, text, boolean)', 'at_gate(text, text)', 'quick(text)', 'fails_at_gate()']) AS f;
SQL

# A task that only drain() runs.
sub enqueue_inner
{
	my ($args, $options) = @_;
	return sql($node, 'SET task_queue.execution = manual; SELECT task_queue.enqueue'
		. "('public.at_gate', '$args', queue => 'inner'" . ($options ? ", $options" : '') . ')');
}

my $gate;

sub start
{
	my ($inner_args, $inner_options, $outer_options, $catching) = @_;
	my $inner = enqueue_inner($inner_args, $inner_options);
	$gate = hold_gate($node, 1);
	my $outer = enqueue($node, 'public.drains', '["outer", "inner", ' . ($catching || 'false') . ']', $outer_options);
	wait_for($node, 'SELECT t.waiting_at_gate(1) = 1', undef);
	return ($outer, $inner);
}

# The inner task is as if nothing had happened, but for this.
sub finish
{
	my ($inner, $expected, $effects, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(sql($node, "SELECT concat_ws(' ', t.state($inner), t.attempt($inner), t.attempts($inner))"), $expected, "$what: the inner one");
	is(sql($node, "SELECT coalesce(string_agg(what, ' ' ORDER BY what), '') FROM effect"), $effects, "$what: what is left of them");
	$gate->quit;
	sql($node, "SELECT task_queue.delete_task($inner, force => true)");
	sql($node, 'TRUNCATE effect');
	return;
}

sub cancel
{
	my (@ids) = @_;
	sql($node, join '; ', map { "SELECT task_queue.cancel($_)" } @ids);
	return;
}

# By a worker.
my ($outer, $inner) = start('["inner"]');
cancel($outer);
ends_as($node, $outer, 'canceled', 'the outer one is canceled');
finish($inner, 'ready 0', '', 'outer canceled');

($outer, $inner) = start('["inner", "survive"]');
cancel($outer);
ends_as($node, $outer, 'canceled', 'also when the inner one catches it');
finish($inner, 'ready 0', '', 'outer canceled, inner catches');

($outer, $inner) = start('["inner", "other error"]');
cancel($outer);
ends_as($node, $outer, 'canceled', 'or makes another error of it');
finish($inner, 'ready 0', '', 'outer canceled, inner fails');

($outer, $inner) = start('["inner"]', undef, undef, 'true');
cancel($outer);
ends_as($node, $outer, 'done', 'the outer one may catch it itself');
finish($inner, 'ready 0', '', 'outer catches');

($outer, $inner) = start('["inner"]');
cancel($inner);
ends_as($node, $outer, 'done', 'a cancel of the inner one leaves the outer one alone');
finish($inner, 'canceled 1', 'outer', 'inner canceled');

($outer, $inner) = start('["inner"]', undef, "timeout => '300 ms'");
ends_as($node, $outer, 'failed timeout', 'a timeout of the outer one');
finish($inner, 'ready 0', '', 'outer timeout');

($outer, $inner) = start('["inner"]', "timeout => '1 hour'", "deadline => now() + interval '500 ms'");
ends_as($node, $outer, 'failed deadline', 'a deadline of the outer one, while the inner one has more time');
finish($inner, 'ready 0', '', 'outer deadline');

($outer, $inner) = start('["inner"]', "timeout => '300 ms'", "timeout => '1 hour'");
ends_as($node, $outer, 'done', 'a timeout of the inner one');
finish($inner, 'failed 1 1 timeout', 'outer', 'inner timeout');

# Three of them in a session.
my $session = session($node);
my @tasks = (
	q{SELECT task_queue.enqueue('public.at_gate', '["innermost"]', queue => 'innermost')},
	q{SELECT task_queue.enqueue('public.drains', '["middle", "innermost"]', queue => 'inner')},
	q{SELECT task_queue.enqueue('public.drains', '["outer", "inner"]')});
my @states = ([ 'canceled', 'done', 'done' ], [ 'ready', 'canceled', 'done' ], [ 'ready', 'ready', 'canceled' ]);
for my $canceled (0 .. 2)
{
	my @ids = map { sql($node, "SET task_queue.execution = manual; $_") } @tasks;
	$gate = hold_gate($node, 1);
	$session->query_until(qr/started/, "\\echo started\nSELECT state FROM task_queue.drain('default');\n\\echo ended\n");
	wait_for($node, 'SELECT t.waiting_at_gate(1) = 1', undef);
	cancel($ids[$canceled]);
	like($session->query_until(qr/ended/, ''), qr/$states[$canceled][2]/, 'the call of drain() is not what is canceled');
	is(join(' ', map { state_of($node, $_) } @ids), join(' ', @{ $states[$canceled] }), 'but the one of three that was meant');
	$gate->quit;
	sql($node, join ';', map { "SELECT task_queue.delete_task($_, force => true)" } @ids);
}

# run_tasks(): a cancel that comes before the handler is called, here in the second attempt of a step.
sql($node, q{SELECT task_queue.create_queue('fg')});
my $fg = session($node);
$fg->query_safe('SET task_queue.execution = manual');
$fg->query_safe(q{SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'public.at_gate', '["a", "x"]', queue => 'fg', timeout => '10 ms',
	retry_policy => task_queue.retry_policy('0', maximum_attempts => 2))], id => 'fg')});
$gate = hold_gate($node, 1);
$fg->query_safe("CALL task_queue.run_tasks('fg', max_tasks => 1)");
my $step = sql($node, q{SELECT task_id FROM task_queue.tasks WHERE dag_id = 'fg'});
is(sql($node, "SELECT t.attempts($step)"), '1 timeout', 'a step has failed once');
$session->query_safe('BEGIN; LOCK TABLE task_queue.dag');
$fg->query_until(qr/started/, "\\echo started\nCALL task_queue.run_tasks('fg');\n\\echo ended\n");
wait_for($node, "SELECT t.running($step)", undef);
wait_for($node, q{SELECT count(*) = 1 FROM pg_locks WHERE relation = 'task_queue.dag'::regclass AND NOT granted}, 'the second attempt is about to start');
is(sql($node, "SELECT task_queue.cancel($step)"), 't', 'it is canceled');
$session->query_safe('ROLLBACK');
my $output = $fg->query_until(qr/ended/, '');
is($fg->{stderr}, '', 'the call goes on');
ends_as($node, $step, 'canceled', 'and the step is canceled');
$gate->quit;

# And one that comes while a failure is recorded.
for my $call ("CALL task_queue.run_tasks('fg')", "SELECT state FROM task_queue.drain('fg')")
{
	my $failing = sql($node, q{SET task_queue.execution = manual; SELECT task_queue.enqueue('public.fails_at_gate', '[]', queue => 'fg')});
	my $next = sql($node, q{SET task_queue.execution = manual; SELECT task_queue.enqueue('public.quick', '["next"]', queue => 'fg')});
	$gate = hold_gate($node, 1);
	$fg->query_until(qr/started/, "\\echo started\n$call;\n\\echo ended\n");
	wait_for($node, 'SELECT t.waiting_at_gate(1) = 1', undef);
	$session->query_safe('BEGIN; LOCK TABLE task_queue.attempt');
	$gate->quit;
	wait_for($node, q{SELECT count(*) > 0 FROM pg_locks WHERE relation::regclass::text LIKE 'task_queue.attempt%' AND NOT granted}, undef);
	is(sql($node, "SELECT task_queue.cancel($failing)"), 't', "a task is canceled while its failure is recorded, by $call");
	$session->query_safe('ROLLBACK');
	$fg->query_until(qr/ended/, '');
	is($fg->{stderr}, '', 'the call goes on');
	is(state_of($node, $next), 'done', 'and runs the next one');
}

$_->quit for $session, $fg;
$node->stop;
done_testing();
