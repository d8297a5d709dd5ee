# A paused queue starts nothing, and of a limited one never more run at once
# than it allows, with as many workers as there may be.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main', conf => ['task_queue.workers = 4']);

sql($node, <<'SQL');
CREATE FUNCTION at_gate(gate int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM t.pass_gate(gate); END $$;
-- How many run at this moment, this one included.
CREATE FUNCTION counts() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	PERFORM pg_advisory_lock_shared(4321);
	PERFORM pg_sleep(0.01);
	SELECT count(*) INTO n FROM pg_locks WHERE locktype = 'advisory' AND objid = 4321 AND granted;
	PERFORM pg_advisory_unlock_shared(4321);
	IF random() < 0.2 THEN
		RAISE EXCEPTION 'fails now and then';
	END IF;
	RETURN n;
END $$;
CREATE FUNCTION quick() RETURNS int LANGUAGE sql RETURN 1;
SELECT task_queue.register_handler('at_gate(int)'), task_queue.register_handler('counts()'), task_queue.register_handler('quick()');
SELECT task_queue.create_queue('two', max_running => 2);
SELECT task_queue.create_queue('other');
SQL

sub at_gate
{
	return sql($node, "SELECT t.waiting_at_gate($_[0])");
}

# That something does not start cannot be waited for: but when later tasks of another queue have been
# through, those workers have passed it over.
sub others_run
{
	my ($what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @ids = map { enqueue($node, 'public.quick', '[]', "queue => 'other'") } 1 .. 4;
	wait_for($node, "SELECT t.state($_)", undef, 'done') for @ids;
	return pass($what);
}

# Limits
my $gate = hold_gate($node, 1);
my @ids = map { enqueue($node, 'public.at_gate', '[1]', "queue => 'two'") } 1 .. 6;
wait_for($node, 'SELECT t.waiting_at_gate(1) = 2', 'two tasks of a queue that allows two run');
others_run('other queues go on');
is(at_gate(1), '2', 'there are still two');
sql($node, "SELECT task_queue.alter_queue('two', max_running => 3)");
wait_for($node, 'SELECT t.waiting_at_gate(1) = 3', 'a raised limit lets another one start');
is(sql($node, "SELECT task_queue.cancel($ids[0])"), 't', 'one of them is canceled');
wait_for($node, "SELECT t.state($ids[0]) = 'canceled' AND t.waiting_at_gate(1) = 3", 'and another one takes its place');
sql($node, 'SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = \'advisory\' AND classid = 1234 AND NOT granted LIMIT 1');
wait_for($node, 'SELECT count(*) = 1 FROM task_queue.attempt', 'the worker of one is terminated');
wait_for($node, 'SELECT t.waiting_at_gate(1) = 3', 'and another task takes its place');
others_run('other queues go on');
is(at_gate(1), '3', 'there are still three');
sql($node, "SELECT task_queue.alter_queue('two', max_running => 1)");
$gate->quit;
ends_as($node, $_, 'done', 'then all end') for @ids[ 1 .. 5 ];

sql($node, "SELECT task_queue.alter_queue('two', max_running => 2)");
sql($node, "SELECT count(task_queue.enqueue('public.counts', queue => 'two', retry_policy => task_queue.retry_policy('1 ms', maximum_attempts => 50))) FROM generate_series(1, 60)");
wait_for($node, 'SELECT count(*) FROM task_queue.task', 'many short tasks that also fail now and then', 0);
is(sql($node, "SELECT string_agg(DISTINCT result::text, ' ' ORDER BY result::text) FROM task_queue.history WHERE handler = 'public.counts'"),
	'1 2', 'two run at a time, and never more');
$gate = hold_gate($node, 2);
@ids = map { enqueue($node, 'public.at_gate', '[2]', "queue => 'two'") } 1 .. 4;
wait_for($node, 'SELECT t.waiting_at_gate(2) = 2', 'no count was lost by that');
sql($node, "SELECT task_queue.alter_queue('two', max_running => 0)");
wait_for($node, 'SELECT t.waiting_at_gate(2) = 4', 'zero is no limit');
$gate->quit;
ends_as($node, $_, 'done', 'the rest') for @ids;

# A limit that comes while tasks run
sql($node, "SELECT task_queue.create_queue('late')");
$gate = hold_gate($node, 4);
@ids = map { enqueue($node, 'public.at_gate', '[4]', "queue => 'late'") } 1 .. 3;
wait_for($node, 'SELECT t.waiting_at_gate(4) = 3', 'three tasks of a queue without a limit run');
sql($node, "SELECT task_queue.alter_queue('late', max_running => 2)");
push @ids, map { enqueue($node, 'public.at_gate', '[4]', "queue => 'late'") } 1 .. 2;
others_run('when it is given one, other queues go on');
is(at_gate(4), '3', 'and those three count');
sql($node, "SELECT task_queue.cancel($ids[0])");
ends_as($node, $ids[0], 'canceled', 'one of them is canceled');
others_run('other queues go on');
is(at_gate(4), '2', 'and two are as many as may be');
sql($node, "SELECT task_queue.cancel($ids[1])");
wait_for($node, "SELECT t.state($ids[1]) = 'canceled' AND t.waiting_at_gate(4) = 2", 'in place of another one the next starts');
$gate->quit;
ends_as($node, $_, 'done', 'the rest') for @ids[ 2 .. 4 ];

# More queues with running tasks than can be counted
sql($node, <<'SQL');
SELECT task_queue.register_external('outside');
SELECT count(task_queue.create_queue('q' || n, max_running => 1)), count(task_queue.enqueue('outside', queue => 'q' || n)) FROM generate_series(1, 512) AS n;
SQL
sql($node, 'CREATE TABLE leased AS SELECT task_id, lease_token FROM task_queue.dequeue(max_tasks => 512)');
is(sql($node, 'SELECT count(*) FROM leased'), '512', 'tasks of many limited queues are leased');
sql($node, "SELECT task_queue.alter_queue('two', max_running => 2)");
my $beyond = enqueue($node, 'public.quick', '[]', "queue => 'two'");
others_run('one more such queue waits, others do not');
wait_for($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'task_queue worker' AND state <> 'idle'", 'the workers are idle');
is(state_of($node, $beyond), 'ready', 'its task has not run');
sql($node, 'SELECT task_queue.complete(task_id, lease_token) FROM leased LIMIT 1');
ends_as($node, $beyond, 'done', 'it runs when there is room');
sql($node, 'SELECT task_queue.complete(task_id, lease_token) FROM leased OFFSET 1');

# Pause
$gate = hold_gate($node, 3);
my $running = enqueue($node, 'public.at_gate', '[3]', "queue => 'two'");
wait_for($node, 'SELECT t.waiting_at_gate(3) = 1', 'a task is running');
sql($node, "SELECT task_queue.pause_queue('two'); SELECT task_queue.pause_queue('two')");
my $waiting = enqueue($node, 'public.at_gate', '[3]', "queue => 'two'");
my $later = enqueue($node, 'public.at_gate', '[3]', "queue => 'two', delay => '1 ms'");
others_run('when its queue is paused, others go on');
wait_for($node, "SELECT t.state($later) = 'ready'", 'scheduled tasks become ready');
is(sql($node, "SELECT t.state($waiting), t.waiting_at_gate(3)"), 'ready|1', 'and what is ready waits');
$gate->quit;
ends_as($node, $running, 'done', 'what runs goes on to its end');
others_run('other queues go on');
is(sql($node, "SELECT t.state($waiting), t.state($later)"), 'ready|ready', 'nothing starts');
$node->stop('immediate');
$node->start;
others_run('also after a crash');
is(sql($node, "SELECT t.state($waiting), t.state($later)"), 'ready|ready', 'nothing starts');
sql($node, "SELECT task_queue.resume_queue('two'); SELECT task_queue.resume_queue('two')");
ends_as($node, $waiting, 'done', 'resumed, the queue goes on');
ends_as($node, $later, 'done', 'with everything');

# A pause that is not committed, and one that is rolled back
my $session = session($node);
$session->query_safe("BEGIN; SELECT task_queue.pause_queue('two')");
ends_as($node, enqueue($node, 'public.quick', '[]', "queue => 'two'"), 'done', 'a pause before its commit stops nothing');
$session->query_safe('ROLLBACK');
ends_as($node, enqueue($node, 'public.quick', '[]', "queue => 'two'"), 'done', 'nor one that was rolled back');
$session->quit;

is(sql($node, 'SELECT count(*) FROM task_queue.task'), '0', 'nothing is left');
$node->stop;
done_testing();
