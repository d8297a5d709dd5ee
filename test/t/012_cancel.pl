# cancel() of waiting and running tasks: transactional, durable, and it never
# hits another task.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main');

sql($node, <<'SQL');
CREATE TABLE done (what text);
CREATE FUNCTION at_gate() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO done VALUES ('function');
	PERFORM t.pass_gate(1);
	RETURN 'passed';
END $$;
CREATE PROCEDURE proc_at_gate() LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO done VALUES ('procedure 1');
	COMMIT;
	INSERT INTO done VALUES ('procedure 2');
	PERFORM t.pass_gate(1);
END $$;
CREATE FUNCTION survives() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM t.pass_gate(1);
	RETURN 'passed';
EXCEPTION WHEN query_canceled THEN
	RETURN 'survived';
END $$;
CREATE FUNCTION complains() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM t.pass_gate(1);
	RETURN 'passed';
EXCEPTION WHEN query_canceled THEN
	RAISE EXCEPTION 'canceled, and I do not like it';
END $$;
CREATE FUNCTION stubborn() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	LOOP
		BEGIN
			PERFORM t.pass_gate(1);
			RETURN 'passed';
		EXCEPTION WHEN query_canceled THEN
			PERFORM task_queue.progress(1);
		END;
	END LOOP;
END $$;
CREATE FUNCTION fails() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
CREATE FUNCTION quick(n int) RETURNS int LANGUAGE sql RETURN n;
SELECT task_queue.register_handler(p.oid::regprocedure) FROM pg_proc AS p WHERE pronamespace = 'public'::regnamespace;
SELECT task_queue.create_queue('paused');
SELECT task_queue.pause_queue('paused');
SQL

sub reason
{
	return sql($node, "SELECT cancel_reason FROM task_queue.history WHERE task_id = $_[0]");
}

# Waiting
my $id = enqueue($node, 'public.quick', '[1]', "queue => 'paused'");
is(sql($node, "SELECT task_queue.cancel($id, 'not needed'); SELECT t.state($id)"), "t\ncanceled", 'a ready task is canceled at once');
is(reason($id), 'not needed', 'with the reason');
is(sql($node, "SELECT task_queue.cancel($id)"), 'f', 'a second cancel finds it ended');
$id = enqueue($node, 'public.quick', '[1]', "delay => '1 h'");
is(sql($node, "SELECT task_queue.cancel($id); SELECT t.state($id)"), "t\ncanceled", 'so is a scheduled one');
$id = enqueue($node, 'public.fails', '[]', "retry_policy => task_queue.retry_policy('1 h')");
wait_state($node, $id, 'scheduled', 'a task waits for its retry');
is(sql($node, "SELECT task_queue.cancel($id); SELECT t.state($id)"), "t\ncanceled", 'and is canceled');
is(sql($node, "SELECT t.attempts($id)"), '1 handler P0001', 'its failed attempt stays');
like(sql_error($node, 'SELECT task_queue.cancel(999999)'), qr/^42704/, 'an unknown task is an error');

# Running
my $gate = hold_gate($node, 1);

sub start
{
	my ($handler) = @_;
	my $started = enqueue($node, $handler);
	wait_for($node, 'SELECT t.waiting_at_gate(1) = 1', "$handler is running");
	return $started;
}

$id = start('public.at_gate');
is(sql($node, "SELECT task_queue.cancel($id, 'stop')"), 't', 'a running function is canceled');
ends_as($node, $id, 'canceled', 'when the cancel arrives');
is(reason($id), 'stop', 'with the reason');
is(sql($node, 'SELECT count(*) FROM done'), '0', 'its work is undone');
is(sql($node, "SELECT count(*) FROM task_queue.cancel_request"), '0', 'and no request is left');

$id = start('public.proc_at_gate');
is(sql($node, "SELECT task_queue.cancel($id)"), 't', 'a running procedure is canceled');
ends_as($node, $id, 'canceled', 'when the cancel arrives');
is(sql($node, 'SELECT string_agg(what, \',\') FROM done'), 'procedure 1', 'it keeps what it had committed');

$id = start('public.survives');
is(sql($node, "SELECT task_queue.cancel($id)"), 't', 'a handler that catches the cancel');
ends_as($node, $id, 'done', 'and returns normally is done');
is(sql($node, "SELECT t.result($id)"), '"survived"', 'with its result');

$id = start('public.complains');
is(sql($node, "SELECT task_queue.cancel($id)"), 't', 'one that turns the cancel into an error of its own');
ends_as($node, $id, 'canceled', 'is canceled');

# Transactional
my $session = session($node);
$id = start('public.at_gate');
is($session->query_safe("BEGIN; SELECT task_queue.cancel($id, 'rolled back')"), 't', 'a cancel in a transaction');
$session->query_safe('ROLLBACK');
is($session->query_safe("BEGIN; SAVEPOINT s; SELECT task_queue.cancel($id, 'rolled back')"), 't', 'and one in a savepoint');
$session->query_safe('ROLLBACK TO s; COMMIT');
my $second = enqueue($node, 'public.quick', '[2]');
ends_as($node, $second, 'done', 'other tasks run');
is(sql($node, "SELECT t.waiting_at_gate(1)"), '1', 'did nothing when they were rolled back');
is($session->query_safe("BEGIN; SELECT task_queue.cancel($id, 'committed')"), 't', 'a cancel that is not committed yet');
is(sql($node, "SELECT t.waiting_at_gate(1)"), '1', 'does nothing yet');
like(sql_error($node, "BEGIN; SELECT task_queue.cancel($id); PREPARE TRANSACTION 'x'"), qr/^(0A000|55000)/, 'and cannot be prepared');
$session->query_safe('COMMIT');
ends_as($node, $id, 'canceled', 'it takes effect at the commit');
is(reason($id), 'committed', 'with its reason');

# Durable: the handler ignores the cancel, and the server goes down.
$id = start('public.stubborn');
is(sql($node, "SELECT task_queue.cancel($id, 'durable')"), 't', 'a cancel of a handler that ignores it');
wait_for($node, "SELECT progress = 1 FROM task_queue._running() WHERE task_id = $id", 'has arrived');
$node->stop('immediate');
eval { $gate->quit };
$node->start;
ends_as($node, $id, 'canceled', 'holds after a crash');
is(reason($id), 'durable', 'with its reason');
eval { $session->quit };

# Late: with a single worker, cancels that race with the end of a task never hit the one after it.
$node->append_conf('postgresql.conf', 'task_queue.workers = 1');
$node->reload;
sql($node, <<'SQL');
CREATE TABLE pair (a bigint, b bigint);
CREATE PROCEDURE race() LANGUAGE plpgsql AS $$
DECLARE
	first bigint;
	second bigint;
BEGIN
	FOR i IN 1 .. 300 LOOP
		first := task_queue.enqueue('public.quick', '[1]');
		second := task_queue.enqueue('public.quick', '[2]');
		INSERT INTO pair VALUES (first, second);
		COMMIT;
		PERFORM pg_sleep(random() * 0.003);
		PERFORM task_queue.cancel(first);
		COMMIT;
	END LOOP;
END $$;
CALL race();
SQL
wait_for($node, 'SELECT count(*) FROM task_queue.task', 'all tasks of a race have ended', 0);
is(sql($node, 'SELECT count(*) FROM pair WHERE t.state(b) = \'done\''), '300', 'no cancel hit the next task');
is(sql($node, 'SELECT count(*) FROM pair WHERE t.state(a) IN (\'done\', \'canceled\')'), '300', 'each first task is done or canceled');
is(sql($node, "SELECT count(*) FROM task_queue.attempt WHERE handler = 'public.quick'"), '0', 'and no attempt failed');

$node->stop;
done_testing();
