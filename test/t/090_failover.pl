# A standby that is promoted goes on by itself: every committed task that had
# not ended runs there, what functions do in the database is there once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

# The primary starts nothing for a queue that is paused, so that something is left to do.
my $primary = tq_node('primary', init => { allows_streaming => 1 });

sql($primary, <<'SQL');
CREATE TABLE effects (what text, attempt int);
CREATE FUNCTION effect(what text) RETURNS text LANGUAGE sql AS
	'INSERT INTO effects SELECT effect.what, attempt FROM task_queue.current_task() RETURNING effects.what';
CREATE FUNCTION gated(what text, gate int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO effects SELECT gated.what, attempt FROM task_queue.current_task();
	PERFORM t.pass_gate(gate);
	RETURN what;
END $$;
CREATE PROCEDURE half(what text, gate int) LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO effects VALUES (what || ' began', 0);
	COMMIT;
	PERFORM t.pass_gate(gate);
	INSERT INTO effects VALUES (what || ' ended', 0);
END $$;
SELECT task_queue.register_handler(f) FROM unnest('{effect(text),gated(text\,int)}'::regprocedure[]) AS f;
SELECT task_queue.register_handler('half(text,int)');
SELECT task_queue.register_external('outside');
SELECT task_queue.create_queue('held');
SELECT task_queue.pause_queue('held');
SQL

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

my $gate = hold_gate($primary, 1);
my %ids = (
	done => enqueue($primary, 'public.effect', '["done"]'),
	ready => enqueue($primary, 'public.effect', '["ready"]', "queue => 'held'"),
	due => enqueue($primary, 'public.effect', '["due"]', "delay => '1 s', queue => 'held'"),
	function => enqueue($primary, 'public.gated', '["function", 1]'),
	procedure => enqueue($primary, 'public.half', '["procedure", 1]'),
	external => enqueue($primary, 'outside', '["external"]'));
sql($primary, <<'SQL');
SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'public.effect', '["step a"]'),
	task_queue.step('b', 'public.gated', jsonb_build_array(task_queue.ref('a'), 1)),
	task_queue.step('c', 'public.effect', jsonb_build_array(task_queue.ref('b')))], 'flow');
SQL
wait_state($primary, $ids{done}, 'done');
wait_for($primary, 'SELECT t.waiting_at_gate(1) = 3', 'three handlers are running');
my $token = sql($primary, "SELECT lease_token FROM task_queue.dequeue(worker => 'client', lease => '10 min')");
ok($token > 0, 'an external worker has a task');

$primary->wait_for_catchup($standby, 'replay', $primary->lsn('flush'));
is(sql($standby, "SELECT task_queue.await($ids{done}, '1 s')"), '"done"', 'a standby answers for what has ended');
like(sql_error($standby, "SELECT task_queue.enqueue('public.effect', '[\"x\"]')"), qr/^25006/, 'and takes no tasks');
is(workers_of($standby), 0, 'it runs no workers');
is(sql($standby, "SELECT state FROM task_queue.wait($ids{ready}, '0')"), 'ready', 'what waits is shown');
$primary->stop('immediate');
eval { $gate->quit };
$standby->promote;

sql($standby, "SELECT task_queue.resume_queue('held')");
for my $name (qw(ready due function procedure))
{
	wait_state($standby, $ids{$name}, 'done', "$name: runs after the promotion");
}
is(sql($standby, "SELECT task_queue.await_dag('flow', '30 s')"), 'done', 'the DAG goes on to its end');
is( sql($standby, q{SELECT string_agg(concat_ws(' ', what, n, attempt), ', ' ORDER BY what COLLATE "C")
	FROM (SELECT what, count(*) AS n, max(attempt) AS attempt FROM effects WHERE what NOT LIKE 'procedure%' GROUP BY what) AS e}),
	'done 1 1, due 1 1, function 1 1, ready 1 1, step a 3 1',
	'functions have had their effects once, at their first attempt');
is(sql($standby, q{SELECT string_agg(what, ', ' ORDER BY what) FROM (SELECT DISTINCT what FROM effects WHERE what LIKE 'procedure%') AS e}),
	'procedure began, procedure ended', 'the procedure has run to its end');
is(sql($standby, 'SELECT count(*) FROM task_queue.attempts'), 0, 'nothing has failed');

is(sql($standby, "SELECT attempt FROM task_queue.get_task($ids{external}) AS d, jsonb_to_record(d) AS x (attempt int)"), 0, 'the claim is forgotten at no cost');
is(sql($standby, "SELECT task_queue.complete($ids{external}, $token, '1')"), 't', 'but its worker may still complete');
is(sql($standby, "SELECT task_queue.await($ids{external})"), 1, 'with its result');

my $new = enqueue($standby, 'public.effect', '["new"]');
is(sql($standby, "SELECT task_queue.await($new, '30 s')"), '"new"', 'enqueue and await go on');
is(sql($standby, "SELECT count(*) FROM task_queue.health() WHERE severity = 'error'"), 0, 'it is healthy');

done_testing();
