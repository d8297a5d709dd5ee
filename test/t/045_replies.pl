# reply_to: one notification when the task ends, however and wherever it ends,
# from the transaction that ends it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main');
sql($node, q{
CREATE FUNCTION quick() RETURNS int LANGUAGE sql RETURN 1;
CREATE FUNCTION broken() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'broken'; END $$;
CREATE FUNCTION gated() RETURNS text LANGUAGE sql AS $$ SELECT t.pass_gate(1); SELECT 'passed'::text $$;
CREATE PROCEDURE steady() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;
SELECT task_queue.register_handler(p.oid::regprocedure) FROM pg_proc AS p WHERE pronamespace = 'public'::regnamespace;
SELECT task_queue.register_external('outside');
SELECT task_queue.create_queue('brief', keep_done => '0');
});

my $listener = session($node);
$listener->query_safe('LISTEN answers');

# What has been notified since the last call, without the ids: they must all be of that task.
sub answers
{
	my ($id) = @_;
	my @answers;
	my $got = $listener->query('SELECT 1');

	while ($got =~ /notification "answers" with payload "(.*?)" received/g)
	{
		my $payload = $1;
		push @answers, $payload =~ /^\{"task_id":$id,"state":"(\w+)"\}$/ ? $1 : $payload;
	}
	return join ' ', @answers;
}

my $reply = "reply_to => 'answers'";
my $id = enqueue($node, 'public.quick', '[]', $reply);
ends_as($node, $id, 'done', 'a function');
is(answers($id), 'done', 'tells that it is done');
$id = enqueue($node, 'public.steady', '[]', $reply);
ends_as($node, $id, 'done', 'so');
is(answers($id), 'done', 'does a procedure');
$id = enqueue($node, 'public.broken', '[]', "$reply, retry_policy => task_queue.retry_policy('10 ms', maximum_attempts => 3)");
ends_as($node, $id, 'failed handler P0001', 'one that fails');
is(answers($id), 'failed', 'tells it once, whatever the attempts');
$id = enqueue($node, 'public.quick', '[]', "$reply, deadline => clock_timestamp() - interval '1 s'");
ends_as($node, $id, 'failed deadline', 'one whose deadline had passed');
is(answers($id), 'failed', 'tells that, though its handler was not called');

# keep_done zero leaves no row, but an answer.
$id = sql($node, "SELECT task_queue.enqueue('public.quick', queue => 'brief', $reply)");
wait_for($node, "SELECT task_queue.get_task($id) IS NULL", 'no row is kept');
is(answers($id), 'done', 'the answer comes');

# Canceled: waiting, and running.
$id = enqueue($node, 'public.quick', '[]', "$reply, delay => '1 h'");
sql($node, "BEGIN; SELECT task_queue.cancel($id); ROLLBACK");
is(answers($id), '', 'nothing is told of a cancel that is rolled back');
sql($node, "SELECT task_queue.cancel($id)");
is(answers($id), 'canceled', 'a cancel of a waiting task');
my $gate = hold_gate($node, 1);
$id = enqueue($node, 'public.gated', '[]', $reply);
wait_for($node, 'SELECT t.waiting_at_gate(1) = 1', 'the handler has started');
sql($node, "SELECT task_queue.cancel($id)");
ends_as($node, $id, 'canceled', 'a cancel of a running one');
is(answers($id), 'canceled', 'is told when it has ended');
$gate->quit;

# A second life has its own end.
sql($node, "SELECT task_queue.requeue($id)");
ends_as($node, $id, 'done', 'requeued');
is(answers($id), 'done', 'it answers again');

# Ended by an external worker, in drain(), and enqueued by INSERT.
$id = enqueue($node, 'outside', '[]', $reply);
sql($node, 'SELECT task_queue.fail(task_id, lease_token, retry_in => \'0\') FROM task_queue.dequeue()');
is(answers($id), '', 'an attempt is no end');
sql($node, 'SELECT task_queue.complete(task_id, lease_token) FROM task_queue.dequeue()');
is(answers($id), 'done', 'complete() is');
$id = sql($node, "SET task_queue.execution = manual; INSERT INTO task_queue.task (handler, reply_to) VALUES ('public.quick', 'answers') RETURNING task_id");
sql($node, 'SELECT * FROM task_queue.drain()');
is(answers($id), 'done', 'the end in drain()');

$listener->quit;
$node->stop;
done_testing();
