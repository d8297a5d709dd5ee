# A cancel that was committed is not lost with the attempt that it was meant
# for: not when the end of that is rolled back, and not when it comes after
# the end has looked for it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main', init => { allows_streaming => 1 }, conf => [ 'task_queue.workers = 2', 'task_queue.synchronous_commit = on' ]);
sql($node, <<'SQL');
SELECT task_queue.create_queue('inner');
CREATE TABLE effect (id bigint);
CREATE TABLE probe ();
CREATE FUNCTION drains() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM task_queue.drain('inner'); PERFORM pg_sleep(0); END $$;
CREATE FUNCTION at_gate(fails boolean DEFAULT false) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO effect SELECT task_id FROM task_queue.current_task();
	PERFORM t.pass_gate(1);
	IF fails THEN RAISE EXCEPTION 'failed'; END IF;
END $$;
SELECT task_queue.register_handler(f::regprocedure, retry_policy => task_queue.retry_policy('0'))
	FROM unnest(ARRAY['drains()', 'at_gate(boolean)']) AS f;
SELECT task_queue.register_external('outside', retry_policy => task_queue.retry_policy('0'));
SQL

my $session = session($node);
my $other = session($node);
$session->query_safe('SET task_queue.execution = manual');

# Commits wait from now on.
sub stop_commits
{
	$node->append_conf('postgresql.conf', "synchronous_standby_names = 'nobody'");
	$node->reload;
	$other->query_until(qr/started/, "\\echo started\n" . "INSERT INTO probe DEFAULT VALUES; SELECT pg_sleep(0.05);\n" x 40 . "\\echo ended\n");
	wait_for($node, q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'}, undef);
	return;
}

sub let_commits_go
{
	$node->append_conf('postgresql.conf', "synchronous_standby_names = ''");
	$node->reload;
	$other->query_until(qr/ended/, '');
	return;
}

sub enqueue_inner
{
	return sql($node, q{SET task_queue.execution = manual; SELECT task_queue.enqueue('public.at_gate', queue => 'inner')});
}

# Drained, canceled, rolled back, at each isolation level; the next drain() comes before the scheduler can.
for my $level ('READ COMMITTED', 'REPEATABLE READ')
{
	my $id = enqueue_inner();
	my $gate = hold_gate($node, 1);
	$session->query_until(qr/started/, "\\echo started\nBEGIN ISOLATION LEVEL $level; SELECT state FROM task_queue.drain('inner'); ROLLBACK;"
		. " SELECT 'again', state FROM task_queue.drain('inner');\n\\echo ended\n");
	wait_for($node, 'SELECT t.waiting_at_gate(1) = 1', undef);
	is(sql($node, "SELECT task_queue.cancel($id)"), 't', "a drained task is canceled, in $level");
	like($session->query_until(qr/ended/, ''), qr/^canceled$/m, 'and ends so');
	ends_as($node, $id, 'canceled', 'and stays so when that is rolled back');
	$gate->quit;
}

# A task and one within it.
my $inner = enqueue_inner();
my $gate = hold_gate($node, 1);
my $outer = enqueue($node, 'public.drains', '[]');
wait_for($node, 'SELECT t.waiting_at_gate(1) = 1', undef);
sql($node, "BEGIN; SELECT task_queue.cancel($inner), task_queue.cancel($outer); COMMIT");
ends_as($node, $outer, 'canceled', 'the outer one of two is canceled');
ends_as($node, $inner, 'canceled', 'and the inner one, whose end was undone with it');
$gate->quit;

# Between the commit that records a failure and the moment from which on others see it.
for my $external (0, 1)
{
	$gate = hold_gate($node, 1);
	my $id = $external ? enqueue($node, 'outside', '[]') : enqueue($node, 'public.at_gate', '[true]');
	my $reporter;
	if ($external)
	{
		my $token = sql($node, 'SELECT lease_token FROM task_queue.dequeue()');
		$reporter = "\\echo started\nSELECT task_queue.fail($id, $token);\n\\echo ended\n";
	}
	else
	{
		wait_for($node, 'SELECT t.waiting_at_gate(1) = 1', undef);
	}
	stop_commits();
	$session->query_until(qr/started/, $reporter) if $external;
	$gate->quit;
	wait_for($node, q{SELECT count(*) = 2 FROM pg_stat_activity WHERE wait_event = 'SyncRep'}, 'a failure is being committed');
	is(sql($node, "SET synchronous_commit = local; SELECT task_queue.cancel($id)"), 't', 'its task is canceled');
	$gate = hold_gate($node, 1);
	let_commits_go();
	$session->query_until(qr/ended/, '') if $external;
	ends_as($node, $id, 'canceled', 'and not retried');
	is(sql($node, "SELECT t.attempts($id)"), $external ? '1 handler' : '1 handler P0001', 'the failure is kept');
	$gate->quit;
}

is(sql($node, 'SELECT count(*) FROM effect'), '0', 'nothing is left of any of them');
is(sql($node, 'SELECT count(*) FROM task_queue.cancel_request'), '0', 'nor of the requests');

$_->quit for $session, $other;
$node->stop;
done_testing();
