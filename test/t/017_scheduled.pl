# Tasks for later run when they are due, though nobody looks at the table in
# between.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main');

sql($node, <<'SQL');
CREATE FUNCTION quick() RETURNS timestamptz LANGUAGE sql RETURN clock_timestamp();
SELECT task_queue.register_handler('quick()');
SQL

# When a task started, against when it was to run.
sub in_time
{
	my ($id, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(sql($node, "SELECT started_at >= run_at AND (result #>> '{}')::timestamptz >= run_at FROM task_queue.history WHERE task_id = $id"),
		't', $what);
}

my $far = enqueue($node, 'public.quick', '[]', "delay => '1 h'");
my $id = enqueue($node, 'public.quick', '[]', "delay => '300 ms'");
is(sql($node, "SELECT t.state($id), t.state($far)"), 'scheduled|scheduled', 'tasks for later are scheduled');
ends_as($node, $id, 'done', 'one that is due earlier than the others runs');
in_time($id, 'not before its time');
$id = enqueue($node, 'public.quick', '[]', "run_at => clock_timestamp() - interval '1 day'");
ends_as($node, $id, 'done', 'one for the past runs at once');

is(sql($node, "SELECT task_queue.alter_task($far, run_at => clock_timestamp() + interval '200 ms')"), 't', 'a task that is moved forward');
ends_as($node, $far, 'done', 'runs at its new time');
in_time($far, 'not before');
$id = enqueue($node, 'public.quick', '[]', "delay => '2 s'");
is(sql($node, "SELECT task_queue.alter_task($id, run_at => clock_timestamp() + interval '1 h')"), 't', 'one that is put off');
my $second = enqueue($node, 'public.quick', '[]', "delay => '2200 ms'");
ends_as($node, $second, 'done', 'when another one has run');
is(state_of($node, $id), 'scheduled', 'is still scheduled');
is(sql($node, "SELECT task_queue.alter_task($id, run_at => '-infinity')"), 't', 'moved into the past');
ends_as($node, $id, 'done', 'it runs');

# More than one promotion takes, all due at the same moment
sql($node, "SELECT count(task_queue.enqueue('public.quick', run_at => now() + interval '500 ms')) FROM generate_series(1, 2500)");
wait_for($node, 'SELECT count(*) FROM task_queue.task', 'thousands that are due at once run', 0);
is(sql($node, "SELECT count(*) FROM task_queue.history WHERE state = 'd' AND started_at < run_at"), '0', 'none of them early');

# A rolled back one is not missed, nor does it matter
sql($node, "BEGIN; SELECT task_queue.enqueue('public.quick', delay => '100 ms'); ROLLBACK");

# Idle, nobody runs a query: the processes do not leave the state that they are in, but for the due time.
$id = enqueue($node, 'public.quick', '[]', "delay => '2 s'");
my $stand = q{SELECT string_agg(concat_ws(' ', pid, state, state_change), ', ' ORDER BY pid)
	FROM pg_stat_activity WHERE backend_type LIKE 'task_queue%'};
wait_for($node, "SELECT count(*) > 2 AND bool_and(state = 'idle' AND wait_event_type = 'Extension') FROM pg_stat_activity WHERE backend_type LIKE 'task_queue%'",
	'all processes are idle');
my $before = sql($node, $stand);
sql($node, "SELECT pg_sleep(extract(epoch FROM run_at - clock_timestamp()) - 0.3) FROM task_queue.task WHERE task_id = $id");
my $after = sql($node, "SELECT t.state($id) || '; ' || ($stand)");
is($after, "scheduled; $before", 'and do nothing until the task is due');
ends_as($node, $id, 'done', 'when it runs');

# Over a restart
my $over = enqueue($node, 'public.quick', '[]', "delay => '500 ms'");
$node->stop('immediate');
$node->start;
ends_as($node, $over, 'done', 'a scheduled task survives a crash');
in_time($over, 'and is not early');

is(sql($node, 'SELECT count(*) FROM task_queue.task'), '0', 'nothing is left');
$node->stop;
done_testing();
