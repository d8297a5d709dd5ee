# Targets come and go: more of them than memory has room for keep nobody from
# the tasks that can run.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main', conf => ['task_queue.ready_capacity = 1024', "task_queue.claims = 'here'"]);

sql($node, <<'SQL');
CREATE FUNCTION quick(n int) RETURNS int LANGUAGE sql RETURN n;
SELECT task_queue.register_handler('quick(int)');
SQL

sub crowd
{
	my ($from, $to) = @_;
	return sql($node, "INSERT INTO task_queue.task (handler, args, target)
		SELECT 'public.quick', '[0]', 'nowhere ' || n FROM generate_series($from, $to) AS n");
}

for my $round (1 .. 3)
{
	crowd(3000 * $round, 3000 * $round + 2999);
	my $plain = enqueue($node, 'public.quick', '[1]');
	my $here = enqueue($node, 'public.quick', '[2]', "target => 'here'");
	my $named = enqueue($node, 'public.quick', '[3]', "target => 'worker:db/2'");
	ends_as($node, $plain, 'done', "an untargeted task runs beside 3000 new targets, round $round");
	ends_as($node, $here, 'done', 'and one with a target that is claimed');
	ends_as($node, $named, 'done', 'and one for a worker by its name');
}
is(sql($node, "SELECT count(*) FROM task_queue.task WHERE state = 'r'"), 9000, 'the others wait');
sql($node, "ALTER SYSTEM SET task_queue.claims = 'here, nowhere 3001, nowhere 11999'");
$node->reload;
wait_for($node, "SELECT count(*) = 8998 FROM task_queue.task WHERE state = 'r'", 'until somebody claims their targets');

$node->stop;
done_testing();
