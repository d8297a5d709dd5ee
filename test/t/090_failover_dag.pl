# A DAG in the middle goes on where a standby is promoted, and an external
# worker may still report what the new primary has forgotten that it holds.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $primary = tq_node('primary', init => { allows_streaming => 1 });

sql($primary, <<'SQL');
CREATE TABLE effects (what text, attempt int);
CREATE FUNCTION effect(what text) RETURNS text LANGUAGE sql AS
	'INSERT INTO effects SELECT effect.what, attempt FROM task_queue.current_task() RETURNING effects.what';
CREATE FUNCTION gated(what text, gate int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO effects SELECT gated.what, attempt FROM task_queue.current_task();
	PERFORM t.pass_gate(gate);
	RETURN what || ' passed';
END $$;
SELECT task_queue.register_handler(f) FROM unnest('{effect(text),gated(text\,int)}'::regprocedure[]) AS f;
SELECT task_queue.register_external('outside');
SQL

my $standby = tq_standby($primary);

my $gate = hold_gate($primary, 1);
sql($primary, <<'SQL');
SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'public.effect', '["a"]'),
	task_queue.step('b', 'public.gated', jsonb_build_array(task_queue.ref('a'), 1)),
	task_queue.step('c', 'public.effect', jsonb_build_array(task_queue.ref('b'))),
	task_queue.step('x', 'outside', jsonb_build_array(task_queue.ref('a')))], 'flow');
SQL
wait_for($primary, 'SELECT t.waiting_at_gate(1) = 1', 'the second step is running');
my ($task, $token) = split /\|/, sql($primary, "SELECT task_id, lease_token FROM task_queue.dequeue(worker => 'client', lease => '10 min')");
ok($token > 0, 'an external worker has another one');
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('flush'));
is(sql($standby, q{SELECT string_agg(step_id || ' ' || state, ', ' ORDER BY step_id) FROM task_queue.dag_steps}),
	'a done, b running, c pending, x running', 'the standby shows how far it is');
is(sql($standby, "SELECT task_queue.await_step('flow', 'a', '1 s')"), '"a"', 'and has its results');

$primary->stop('immediate');
eval { $gate->quit };
$standby->promote;
is(sql($standby, "SELECT task_queue.await_step('flow', 'c', '1 min')"), '"a passed"', 'what ran in the database goes on to its end');
is( sql($standby, q{SELECT string_agg(what || ' ' || attempt, ', ' ORDER BY what) FROM effects}),
	'a 1, a 1, a passed 1', 'each step has had its effect once, in its first attempt');

is(sql($standby, "SELECT state || ' ' || attempt FROM task_queue.tasks WHERE task_id = $task"), 'ready 0', 'the claim is forgotten at no cost');
is(sql($standby, "SELECT task_queue.complete($task, $token, '\"late\"')"), 't', 'but its worker may still complete');
is(sql($standby, "SELECT task_queue.complete($task, $token)"), 'f', 'once');
is(sql($standby, "SELECT task_queue.await_dag('flow', '1 min')"), 'done', 'and the DAG is done');
is(sql($standby, "SELECT task_queue.await_step('flow', 'x')"), '"late"', 'with its result');

done_testing();
