# Tasks that nobody takes any more may fill the ready index, and their lanes the
# table of lanes; neither keeps other tasks from running, nor hurts the server.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $handlers = <<'SQL';
CREATE FUNCTION quick(n int) RETURNS int LANGUAGE sql RETURN n;
SELECT task_queue.register_handler('quick(int)'), task_queue.register_external('outside');
SQL

# Lanes are kept in memory once somebody has looked at them: external workers that take everything, and then leave.
sub crowd
{
	my ($node, $lanes, $per_lane, $where) = @_;
	my $targets = "SELECT '$where ' || n FROM generate_series(1, $lanes) AS n";
	sql($node, "INSERT INTO task_queue.task (handler, target) SELECT 'outside', t FROM ($targets) AS c (t)");
	is(sql($node, "SELECT count(task_queue.complete(d.task_id, d.lease_token))
		FROM task_queue.dequeue(max_tasks => $lanes + 1, claims => ARRAY($targets)) AS d"), $lanes, "$lanes lanes are in use");
	sql($node, "INSERT INTO task_queue.task (handler, target) SELECT 'outside', t FROM ($targets) AS c (t)") for 1 .. $per_lane;
	return;
}

# Few lanes, which leave no entry of the index to others.
my $node = tq_node('full', conf => [ 'task_queue.ready_capacity = 1024', 'task_queue.workers = 2' ]);
sql($node, $handlers);
crowd($node, 40, 40, 'nowhere');
ends_as($node, enqueue($node, 'public.quick', "[$_]"), 'done', 'a task runs while others fill the ready index') for 1 .. 3;
enqueue($node, 'outside', "[$_]") for 1 .. 3;
is(sql($node, "SELECT count(*) FROM task_queue.dequeue(max_tasks => 3)"), 3, 'and external ones are handed out');
sql($node, q{SELECT count(task_queue.enqueue('public.quick', '[7]')) FROM generate_series(1, 3000)});
wait_for($node, q{SELECT count(*) FROM task_queue.history WHERE args = '[7]'}, 'so are many', 3000);
$node->stop;

# So many lanes that one can be made only by forgetting others, while the heads of several are compared.
$node = tq_node('lanes',
	conf => [ 'task_queue.ready_capacity = 8192', 'task_queue.workers = 1', "task_queue.claims = 'a, b, c, d, e, f'" ]);
sql($node, $handlers);
for my $round (1 .. 4)
{
	crowd($node, 400, 1, $_) for 'nowhere', 'elsewhere', 'far away';
	my @mine = map { enqueue($node, 'public.quick', "[$round]", "target => '$_'") } 'a' .. 'f';
	ends_as($node, $_, 'done', "round $round") for @mine;
	sql($node, "SELECT task_queue.cancel(task_id) FROM task_queue.task WHERE handler = 'outside'");
}
is(count_in_log($node, 'was terminated by signal'), 0, 'no process crashed');
$node->stop;
done_testing();
