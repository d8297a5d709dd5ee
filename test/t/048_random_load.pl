# Sessions enqueue, cancel, alter, delete, requeue, drain, pause, limit, signal
# and roll back at random while workers run: every task ends exactly once, with
# its effect if it is done and without if it is not, and nothing is stuck or
# leaks. TQ_SECONDS: how long.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $seconds = $ENV{TQ_SECONDS} || 5;
my $node = tq_node('main', conf => [ 'task_queue.ready_capacity = 1024', 'task_queue.workers = 3', 'task_queue.log_min_duration = -1',
	'log_min_messages = fatal', 'deadlock_timeout = 100ms' ]);

sql($node, <<'SQL');
-- What each execution that was committed has left.
CREATE TABLE effect (id bigint, snoozed boolean);
CREATE TABLE made (id bigint PRIMARY KEY);
CREATE TABLE gone (id bigint);
CREATE FUNCTION work(n int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	me bigint := (SELECT task_id FROM task_queue.current_task());
	dice int := random() * 100;
BEGIN
	INSERT INTO effect VALUES (me, dice BETWEEN 20 AND 24);
	PERFORM pg_sleep(random() * 0.004);
	CASE
		WHEN dice < 10 THEN RAISE EXCEPTION 'failed at random';
		WHEN dice < 12 THEN RAISE serialization_failure;
		WHEN dice < 14 THEN PERFORM task_queue.raise_error('final', 'no more');
		WHEN dice < 16 THEN PERFORM 1 / 0;
		WHEN dice BETWEEN 20 AND 24 THEN PERFORM task_queue.snooze('1 ms');
		ELSE NULL;
	END CASE;
	RETURN n;
END $$;
CREATE PROCEDURE proc_work(n int) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_sleep(random() * 0.002);
	COMMIT;
	PERFORM pg_sleep(random() * 0.002);
	IF random() < 0.1 THEN
		RAISE EXCEPTION 'failed at random';
	END IF;
	INSERT INTO effect SELECT task_id, false FROM task_queue.current_task();
END $$;
CREATE FUNCTION at_gate() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM t.pass_gate(1); END $$;
SELECT task_queue.register_handler('work(int)', retry_policy => task_queue.retry_policy('1 ms', maximum_attempts => 3)),
	task_queue.register_handler('proc_work(int)', retry_policy => task_queue.retry_policy('1 ms', maximum_attempts => 3)),
	task_queue.register_handler('work(int)', 'batched', batch_size => 5, retry_policy => task_queue.retry_policy('0', maximum_attempts => 3)),
	task_queue.register_handler('at_gate()');
SELECT task_queue.create_queue('q' || n, max_running => NULLIF(n, 3)) FROM generate_series(1, 3) AS n;

CREATE FUNCTION any_task() RETURNS bigint LANGUAGE sql AS $$
	SELECT id FROM made WHERE id >= (SELECT max(id) FROM made) - random() * 60 ORDER BY id LIMIT 1
$$;

CREATE FUNCTION act() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	dice int := random() * 1000;
	queue text := 'q' || 1 + (random() * 2)::int;
	id bigint;
BEGIN
	-- Each is a subtransaction that may be rolled back.
	BEGIN
		CASE
			WHEN dice < 450 THEN
				id := task_queue.enqueue((ARRAY['public.work', 'public.proc_work', 'batched'])[1 + (random() * 2)::int], '[1]', queue => queue,
					priority => (random() * 4)::int, delay => CASE WHEN random() < 0.3 THEN random() * interval '20 ms' END,
					timeout => CASE WHEN random() < 0.05 THEN interval '2 ms' END,
					deadline => CASE WHEN random() < 0.03 THEN clock_timestamp() + interval '5 ms' END);
				INSERT INTO made VALUES (id);
			WHEN dice < 550 THEN PERFORM task_queue.cancel(any_task());
			WHEN dice < 650 THEN
				PERFORM task_queue.alter_task(any_task(), queue => queue, priority => (random() * 4)::int,
					run_at => clock_timestamp() + (random() - 0.5) * interval '20 ms');
			WHEN dice < 700 THEN PERFORM task_queue.requeue(any_task());
			WHEN dice < 720 THEN PERFORM task_queue.requeue_failed(queue => queue);
			WHEN dice < 750 THEN
				id := any_task();
				INSERT INTO gone SELECT id WHERE task_queue.delete_task(id, force => true);
			WHEN dice < 780 THEN PERFORM task_queue.drain(queue, max_tasks => 2);
			WHEN dice < 800 THEN PERFORM task_queue.pause_queue(queue);
			WHEN dice < 850 THEN PERFORM task_queue.resume_queue(queue);
			WHEN dice < 870 THEN PERFORM task_queue.alter_queue(queue, max_running => (random() * 3)::int);
			WHEN dice < 880 THEN
				PERFORM pg_terminate_backend(pid) FROM task_queue.workers WHERE random() < 0.3 AND worker ~ '^db/[0-9]';
			WHEN dice < 890 THEN
				PERFORM pg_cancel_backend(pid) FROM task_queue.workers WHERE random() < 0.3 AND worker ~ '^db/[0-9]';
			ELSE PERFORM count(*) FROM task_queue.tasks;
		END CASE;
		IF random() < 0.1 THEN
			RAISE unique_violation;
		END IF;
	EXCEPTION
		-- Rolled back on purpose; not in a state for that; somebody was faster.
		WHEN unique_violation OR object_not_in_prerequisite_state OR undefined_object OR deadlock_detected
			OR invalid_parameter_value OR null_value_not_allowed THEN
			NULL;
	END;
END $$;
SQL

my $script = $node->basedir . '/act.sql';
PostgreSQL::Test::Utils::append_to_file($script, <<'SQL');
BEGIN;
SELECT act();
SELECT act();
SELECT act();
END;
SQL
PostgreSQL::Test::Utils::append_to_file("$script.abort", <<'SQL');
BEGIN;
SELECT act();
SELECT act();
ROLLBACK;
SQL

my ($stdout, $stderr) = ('', '');
my $run = IPC::Run::start(
	[ $node->installed_command('pgbench'), '-n', '-T', $seconds, '-c', 4, '-f', "$script\@4", '-f', "$script.abort\@1", '-h', $node->host, '-p', $node->port, 'postgres' ],
	'>', \$stdout, '2>', \$stderr, IPC::Run::timer(300));
ok(IPC::Run::finish($run), 'four sessions act at random') || diag("$stdout\n$stderr");
note($stdout);

sql($node, "SELECT task_queue.resume_queue('q' || n), task_queue.alter_queue('q' || n, max_running => 2) FROM generate_series(1, 3) AS n");
wait_for($node, 'SELECT count(*) FROM task_queue.task', 'then every task ends', 0)
  || diag(sql($node, 'SELECT task_id, state, handler, queue, run_at, lane, attempt, gen FROM task_queue.task LIMIT 10; SELECT * FROM task_queue.workers; SELECT * FROM task_queue._running(); SELECT * FROM task_queue.cancel_request'));
note(sql($node, 'SELECT state, count(*), max(attempt) FROM task_queue.history GROUP BY 1'));

is(sql($node, 'SELECT count(*) FROM made WHERE id NOT IN (SELECT task_id FROM task_queue.history) AND id NOT IN (SELECT id FROM gone)'),
	'0', 'no task is lost');
is(sql($node, 'SELECT count(*) - count(DISTINCT task_id) FROM task_queue.history'), '0', 'and none has two ends');
my $ends = q{(SELECT task_id, h.state, count(e) FILTER (WHERE NOT snoozed) AS effects FROM task_queue.history AS h LEFT JOIN effect AS e ON e.id = task_id
	-- A procedure that is stopped between its last commit and the record of its end has its effect, and may run again.
	WHERE handler <> 'public.proc_work' GROUP BY 1, 2) AS s};
is(sql($node, "SELECT count(*) FROM $ends WHERE state = 'd' AND effects <> 1"), '0', 'what is done has had its effect once');
is(sql($node, "SELECT count(*) FROM $ends WHERE state <> 'd' AND effects <> 0"), '0', 'what failed or was canceled has had none');
is(sql($node, 'SELECT count(*) FROM task_queue._running()'), '0', 'nobody holds a task');
is(sql($node, "SELECT count(*) FROM task_queue._workers() WHERE state NOT IN ('idle')"), '0', 'all workers are idle');

# Limits have survived all that.
my $gate = hold_gate($node, 1);
my @ids = map { enqueue($node, 'public.at_gate', '[]', "queue => 'q$_'") } 1, 1, 1, 2, 2, 2;
wait_for($node, 'SELECT t.waiting_at_gate(1) = 3', 'three workers run again');
$gate->quit;
ends_as($node, $_, 'done', 'and all tasks') for @ids;
my @counts = map { sql($node, "SELECT running FROM task_queue.queues WHERE name = 'q$_'") } 1 .. 3;
is("@counts", '0 0 0', 'no count is left');

$node->stop;
done_testing();
