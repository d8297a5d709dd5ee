# DROP EXTENSION does not wait for tasks that run, and leaves nothing of them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main');

my $handlers = <<'SQL';
CREATE TABLE written (what text);
CREATE FUNCTION at_gate() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO written VALUES ('function');
	PERFORM t.pass_gate(1);
	RETURN 1;
END $$;
CREATE PROCEDURE proc_at_gate() LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO written VALUES ('procedure');
	COMMIT;
	PERFORM t.pass_gate(1);
END $$;
SQL
my $registration = <<'SQL';
SELECT task_queue.register_handler('at_gate()'), task_queue.register_handler('proc_at_gate()');
SQL
sql($node, $handlers);
sql($node, $registration);

my $gate = hold_gate($node, 1);
sub start_tasks
{
	my @ids = (enqueue($node, 'public.at_gate'), enqueue($node, 'public.proc_at_gate'));
	wait_for($node, 'SELECT t.waiting_at_gate(1) = 2', 'a function and a procedure are running');
	return @ids;
}
my $ours = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type IN ('task_queue scheduler', 'task_queue worker')};

# Rolled back
my @ids = start_tasks();
my $session = session($node);
$session->query_safe('BEGIN; DROP EXTENSION task_queue CASCADE');
is(sql($node, $ours), '0', 'DROP EXTENSION gets rid of the processes');
$session->query_safe('ROLLBACK');
$gate->quit;
ends_as($node, $_, 'done', 'when it is rolled back they return and the task runs') for @ids;
is(sql($node, 'SELECT count(*) FROM task_queue.attempt'), '0', 'at no cost');
is(sql($node, "SELECT string_agg(what, ' ' ORDER BY what) FROM written; TRUNCATE written"), 'function procedure procedure',
	'and has done its work');

# Refused, for what depends on it
$gate = hold_gate($node, 1);
@ids = start_tasks();
like(sql_error($node, 'DROP EXTENSION task_queue'), qr/^2BP01/, 'DROP EXTENSION that is refused');
$gate->quit;
ends_as($node, $_, 'done', 'hurts no task') for @ids;
is(sql($node, 'SELECT count(*) FROM task_queue.attempt'), '0', 'nor costs it an attempt');

# The same version again, which does nothing
$gate = hold_gate($node, 1);
@ids = start_tasks();
sql($node, 'ALTER EXTENSION task_queue UPDATE');
$gate->quit;
ends_as($node, $_, 'done', 'after ALTER EXTENSION UPDATE tasks go on') for @ids;

# Committed
sql($node, 'TRUNCATE written');
$gate = hold_gate($node, 1);
start_tasks();
my $from = log_position($node);
sql($node, 'DROP EXTENSION task_queue CASCADE');
pass('DROP EXTENSION succeeds');
is(sql($node, "SELECT count(*) FROM pg_class WHERE relnamespace = 'task_queue'::regnamespace"), '0', 'its schema is empty');
wait_for($node, $ours, 'and so are the processes', 0);
$gate->quit;
is(sql($node, 'SELECT string_agg(what, \' \') FROM written'), 'procedure', 'and the work that was not committed');
is(count_in_log($node, 'WARNING|PANIC', $from), 0, 'nobody complains');

# Again, and in one transaction
sql($node, 'DROP SCHEMA t CASCADE');
tq_install($node, 'postgres');
sql($node, $registration);
ends_as($node, enqueue($node, 'public.at_gate'), 'done', 'after CREATE EXTENSION tasks run');
sql($node, 'BEGIN; DROP EXTENSION task_queue CASCADE; DROP SCHEMA t CASCADE; CREATE EXTENSION task_queue; COMMIT');
sql($node, 'DROP EXTENSION task_queue');
tq_install($node, 'postgres');
sql($node, $registration);
ends_as($node, enqueue($node, 'public.at_gate'), 'done', 'also after DROP and CREATE in one transaction');

# By way of its schema no hook is asked.
$from = log_position($node);
sql($node, 'DROP SCHEMA task_queue CASCADE');
wait_for($node, $ours, 'after DROP SCHEMA task_queue CASCADE no process is left', 0);
cmp_ok(count_in_log($node, 'WARNING|ERROR', $from), '<=', 3, 'and the log is not flooded');
sql($node, 'DROP SCHEMA t CASCADE');
tq_install($node, 'postgres');
sql($node, $registration);
ends_as($node, enqueue($node, 'public.at_gate'), 'done', 'and CREATE EXTENSION works');

$node->stop;
done_testing();
