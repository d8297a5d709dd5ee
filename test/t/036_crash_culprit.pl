# Whom a crash is charged to, where it is less plain: a parallel worker of the
# task, a task among others in one transaction, a server that does not restart
# by itself, and tasks that were there every time.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main', conf => [ 'restart_after_crash = on', 'max_parallel_workers_per_gather = 2',
	'min_parallel_table_scan_size = 0', 'parallel_setup_cost = 0', 'parallel_tuple_cost = 0' ]);

sql($node, <<'SQL');
CREATE FUNCTION kill_me(signal text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT 1) TO PROGRAM %L', 'kill -' || signal || ' $PPID');
	PERFORM pg_sleep(600);
END $$;
CREATE TABLE numbers AS SELECT n FROM generate_series(1, 100000) AS n;
ANALYZE numbers;
CREATE FUNCTION kill_parallel_worker(n int) RETURNS boolean LANGUAGE plpgsql PARALLEL SAFE AS $$
BEGIN
	IF (SELECT backend_type FROM pg_stat_activity WHERE pid = pg_backend_pid()) = 'parallel worker' THEN
		PERFORM kill_me('SEGV');
	END IF;
	RETURN true;
END $$;
CREATE FUNCTION runs_parallel() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL parallel_leader_participation = off;
	PERFORM count(*) FROM numbers WHERE kill_parallel_worker(n);
END $$;
CREATE TABLE written (n int);
CREATE FUNCTION in_batch(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO written VALUES (n);
	IF n = 5 THEN
		PERFORM kill_me('KILL');
	END IF;
	RETURN n;
END $$;
CREATE FUNCTION at_gate() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM t.pass_gate(1); RETURN 1; END $$;
CREATE FUNCTION sleeps() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(600); END $$;
SELECT task_queue.register_handler('runs_parallel()'), task_queue.register_handler('sleeps()'), task_queue.register_handler('kill_me(text)'), task_queue.register_handler('at_gate()'),
	task_queue.register_handler('in_batch(int)', batch_size => 10);
SQL

# A parallel worker
my $id = enqueue_fatal($node, 'public.runs_parallel');
ends_as($node, $id, 'failed panic', 'a task whose parallel worker died');
like(sql($node, "SELECT (t.error($id)).message"), qr/signal 11/, 'is charged with it');

# A batch
sql($node, "SELECT task_queue.pause_queue('default')");
my @ids = map { enqueue($node, 'public.in_batch', "[$_]") } 1 .. 8;
try_sql($node, "SELECT task_queue.resume_queue('default')");
ends_as($node, $ids[4], 'failed panic', 'of a batch the task that was executing is charged');
ends_as($node, $_, 'done', 'the others run again') for @ids[ 0 .. 3, 5 .. 7 ];
is(sql($node, "SELECT count(*) FROM task_queue.attempt WHERE handler = 'public.in_batch'"), '1', 'at no cost');
is(sql($node, 'SELECT string_agg(n::text, \' \' ORDER BY n) FROM written'), '1 2 3 4 6 7 8', 'and have done their work once');

# There every time
$id = enqueue($node, 'public.sleeps');
for my $crash (1 .. 3)
{
	wait_for($node, "SELECT t.running($id)", "a task is running at crash $crash");
	my $victim = session($node);
	crash($node, $victim->query_safe('SELECT pg_backend_pid()'));
	eval { $victim->quit };
	wait_for($node, "SELECT NOT pg_is_in_recovery() AND (t.running($id) OR t.state($id) = 'failed')");
}
ends_as($node, $id, 'failed panic', 'a task that was running at three crashes in a row is charged, whoever did it');
like(sql($node, "SELECT (t.error($id)).message"), qr/three crashes/, 'and told so');

# A server that stays down
sql($node, 'ALTER SYSTEM SET restart_after_crash = off');
sql($node, 'SELECT pg_reload_conf()');
my $gate = hold_gate($node, 1);
my $innocent = enqueue($node, 'public.at_gate');
wait_for($node, 'SELECT t.waiting_at_gate(1) = 1', 'a task is running');
$id = enqueue_fatal($node, 'public.kill_me', '["SEGV"]');
# the newer servers quote the name
wait_for_log_line($node, 'shutting down because "?restart_after_crash"? is off', 0, 'the server goes down for another one');
eval { $gate->quit };
ok(!-e $node->data_dir . '/postmaster.pid' || wait_until_down(), 'and is down');
$node->_update_pid(0);
$node->start;
ends_as($node, $id, 'failed panic', 'started again, it charges the task that was to blame');
like(sql($node, "SELECT (t.error($id)).message"), qr/signal 11/, 'and knows the signal');
ends_as($node, $innocent, 'done', 'the other one runs again');
is(sql($node, "SELECT t.attempts($innocent) IS NULL"), 't', 'at no cost');
is_deeply([ glob($node->data_dir . '/pg_stat_tmp/task_queue*') ], [], 'what was handed over is gone');

sub wait_until_down
{
	for (1 .. 1000)
	{
		return 1 unless -e $node->data_dir . '/postmaster.pid';
		select(undef, undef, undef, 0.02);
	}
	return 0;
}

is(sql($node, 'SELECT count(*) FROM task_queue.task'), '0', 'nothing is left');
$node->stop;
done_testing();
