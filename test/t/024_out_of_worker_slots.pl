# Without background worker slots tasks wait, it is said once, and they go on by
# themselves when there are some again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

# Two launchers (logical replication has one), a scheduler, one worker.
my $node = tq_node('main',
	conf => [ 'max_worker_processes = 4', 'task_queue.workers = 4', "task_queue.idle_worker_timeout = '100ms'" ]);

my $handlers = <<'SQL';
CREATE FUNCTION at_gate() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM t.pass_gate(1); RETURN 1; END $$;
CREATE FUNCTION quick() RETURNS int LANGUAGE sql RETURN 1;
SELECT task_queue.register_handler('at_gate()'), task_queue.register_handler('quick()');
SQL
sql($node, $handlers);
my $workers_short = qr/WARNING:  out of background worker slots for task_queue workers/;
my $scheduler_short = qr/WARNING:  out of background worker slots for the task_queue scheduler of database "other"/;
my $finding = q{SELECT severity, message, hint FROM task_queue.health() WHERE check_name = 'worker_slots'};
my $found = 'error|a worker could not be started: the server is out of background worker slots|'
  . 'Increase max_worker_processes, or decrease task_queue.workers.';

# One worker where four are allowed; retries are five seconds apart
my $gate = hold_gate($node, 1);
my $held = enqueue($node, 'public.at_gate');
wait_for($node, 'SELECT t.waiting_at_gate(1) = 1', 'the only worker is busy');
my @ids = map { enqueue($node, 'public.quick') } 1 .. 10;
my $targeted = enqueue($node, 'public.quick', '[]', "target => 'worker:db/3'");
wait_for_log_line($node, $workers_short, 0, 'there is no slot for another one, as the log says');
is(sql($node, $finding), $found, 'and health()');
is(state_of($node, $ids[0]), 'ready', 'tasks wait');
sql($node, 'SELECT pg_sleep(6)');
is(count_in_log($node, $workers_short), 1, 'it is said once');
$gate->quit;
ends_as($node, $_, 'done', 'the one worker does all') for $held, @ids;
ends_as($node, $targeted, 'done', 'and when it has left the one that a task names is started');
wait_for($node, $finding, 'health() is content', '');

# The same with a worker that stays
sql($node, "ALTER SYSTEM SET task_queue.idle_worker_timeout = '1 h'");
sql($node, 'SELECT pg_reload_conf()');
$gate = hold_gate($node, 1);
@ids = map { enqueue($node, 'public.at_gate') } 1 .. 2;
wait_for($node, $finding, 'health() complains again', $found);
$gate->quit;
ends_as($node, $_, 'done', 'the one worker does all again') for @ids;
wait_for($node, $finding, 'when no other one is wanted health() is content', '');
is(workers_of($node), 1, 'while the worker is still there');

# No room for the scheduler of another database
sql($node, 'CREATE DATABASE other');
tq_install($node, 'other');
wait_for_log_line($node, $scheduler_short, 0, 'a second database gets no scheduler, as the log says');
sql($node, $handlers, 'other');
my $other = enqueue($node, 'public.quick', '[]', undef, 'other');
is(sql($node, $finding, 'other'), $found, 'and health() there');
sql($node, 'SELECT pg_sleep(6)');
is(count_in_log($node, $scheduler_short), 1, 'that is said once');
is(sql($node, 'SELECT count(*) FROM task_queue.attempt'), '0', 'no attempt failed');
sql($node, 'DROP EXTENSION task_queue CASCADE');
ends_as($node, $other, 'done', 'and when the first scheduler has left a worker', 'other');
wait_for($node, $finding, 'health() is content there too', '', 'other');

$node->stop;
done_testing();
