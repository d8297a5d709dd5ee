# Two-phase commit: what is enqueued runs after COMMIT PREPARED, and what
# touches shared memory is refused.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main', conf => ['max_prepared_transactions = 10']);

sql($node, <<'SQL');
CREATE FUNCTION quick(n int) RETURNS int LANGUAGE sql RETURN n;
CREATE FUNCTION at_gate() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM t.pass_gate(1); RETURN 1; END $$;
SELECT task_queue.register_handler('quick(int)'), task_queue.register_handler('at_gate()');
SQL

# Enqueued
my $id = sql($node, "BEGIN; SELECT task_queue.enqueue('public.quick', '[1]'); PREPARE TRANSACTION 'one'");
my $second = sql($node, "BEGIN; SELECT task_queue.enqueue('public.quick', '[2]'); PREPARE TRANSACTION 'two'");
my $later = sql($node, "BEGIN; SELECT task_queue.enqueue('public.quick', '[3]', delay => '300 ms'); PREPARE TRANSACTION 'three'");
ends_as($node, enqueue($node, 'public.quick', '[4]'), 'done', 'beside prepared transactions tasks run');
is(sql($node, "SELECT t.state($id) IS NULL"), 't', 'what is prepared is not there yet');
sql($node, "COMMIT PREPARED 'one'");
ends_as($node, $id, 'done', 'it runs after COMMIT PREPARED');
sql($node, "ROLLBACK PREPARED 'two'");
is(sql($node, "SELECT t.state($second) IS NULL"), 't', 'and never after ROLLBACK PREPARED');
sql($node, "COMMIT PREPARED 'three'");
ends_as($node, $later, 'done', 'a task for later too, at its time');

# Over a crash; the lane is a new one
$id = sql($node, "BEGIN; SELECT task_queue.create_queue('prepared');"
	. " SELECT task_queue.enqueue('public.quick', '[5]', queue => 'prepared'); PREPARE TRANSACTION 'four'") =~ /(\d+)$/ ? $1 : undef;
$node->stop('immediate');
$node->start;
ends_as($node, enqueue($node, 'public.quick', '[6]'), 'done', 'after a crash tasks run');
sql($node, "COMMIT PREPARED 'four'");
ends_as($node, $id, 'done', 'a prepared transaction may be committed after a crash');

# Refused
for my $case (
	[ 'cancel', 'SELECT task_queue.cancel(%d)' ],
	[ 'drain', 'SELECT * FROM task_queue.drain()' ],
	[ 'delete_task', 'SELECT task_queue.delete_task(%d, force => true)' ])
{
	my ($name, $call) = @$case;
	$id = enqueue($node, 'public.quick', '[7]', "delay => '1 h'");
	like(sql_error($node, 'BEGIN; ' . sprintf($call, $id) . "; PREPARE TRANSACTION 'refused'"), qr/^0A000/, "after $name a transaction cannot be prepared");
	is(state_of($node, $id), 'scheduled', 'and nothing has happened');
	sql($node, "SELECT task_queue.cancel($id)");
}
my $gate = hold_gate($node, 1);
$id = enqueue($node, 'public.at_gate');
wait_for($node, 'SELECT t.waiting_at_gate(1) = 1', 'a task is running');
like(sql_error($node, "BEGIN; SELECT task_queue.cancel($id); PREPARE TRANSACTION 'refused'"), qr/^0A000/, 'nor after the cancel of a running one');
$gate->quit;
ends_as($node, $id, 'done', 'which then has no effect');
like(sql_error($node, "BEGIN; SELECT task_queue.enqueue('public.quick', '[8]', reply_to => 'x'); PREPARE TRANSACTION 'five'"), qr/^no error/,
	'enqueueing with a reply is fine, as the reply comes later');
sql($node, "COMMIT PREPARED 'five'");
wait_for($node, 'SELECT count(*) FROM task_queue.task', 'and it runs', 0);
is(sql($node, 'SELECT count(*) FROM task_queue.attempt'), '0', 'no attempt failed');

$node->stop;
done_testing();
