# A procedure handler commits and rolls back as it likes, as the task's role all
# the time; its start is recorded before it runs, its end after it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main');

sql($node, <<'SQL');
CREATE ROLE app LOGIN;
GRANT USAGE ON SCHEMA task_queue TO app;
CREATE TABLE log (n int GENERATED ALWAYS AS IDENTITY, note text, who name DEFAULT current_user);
GRANT SELECT, INSERT ON log TO app;
CREATE TABLE late (x int UNIQUE DEFERRABLE INITIALLY DEFERRED);
GRANT SELECT, INSERT ON late TO app;

CREATE PROCEDURE steps(a text, b jsonb) LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO log (note) VALUES (a || ' 1');
	COMMIT;
	INSERT INTO log (note) VALUES (a || ' 2');
	ROLLBACK;
	-- Arguments must outlive the transaction that they were read in.
	INSERT INTO log (note) SELECT a || ' 3 ' || length(b->>0) || ' ' || attempt FROM task_queue.current_task();
END $$;

CREATE PROCEDURE rollback_first() LANGUAGE plpgsql AS $$
BEGIN
	ROLLBACK;
	INSERT INTO log (note) VALUES ('after rollback');
	COMMIT;
	ROLLBACK;
	INSERT INTO log (note) VALUES ('after commit and rollback');
END $$;

CREATE PROCEDURE rise_after_rollback() LANGUAGE plpgsql AS $$
BEGIN
	ROLLBACK;
	ALTER ROLE app SUPERUSER;
	COMMIT;
END $$;

CREATE PROCEDURE rise_after_commit() LANGUAGE plpgsql AS $$
BEGIN
	COMMIT;
	ALTER ROLE app SUPERUSER;
	COMMIT;
END $$;

CREATE PROCEDURE become(how text) LANGUAGE plpgsql AS $$
BEGIN
	ROLLBACK;
	EXECUTE how;
	INSERT INTO log (note) VALUES (how);
	COMMIT;
END $$;

CREATE PROCEDURE fail_at_commit() LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO log (note) VALUES ('fail_at_commit');
	COMMIT;
	INSERT INTO late VALUES (1), (1);
	COMMIT;
	ALTER ROLE app SUPERUSER;
END $$;

CREATE PROCEDURE fail_at_last_commit() LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO late VALUES (2), (2);
END $$;

CREATE PROCEDURE fail_then_work() LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO log (note) SELECT 'attempt ' || attempt FROM task_queue.current_task();
	COMMIT;
	IF (SELECT attempt FROM task_queue.current_task()) < 3 THEN
		RAISE EXCEPTION 'not yet';
	END IF;
END $$;

CREATE PROCEDURE at_gate() LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO log (note) VALUES ('at_gate');
	COMMIT;
	PERFORM t.pass_gate(1);
END $$;

CREATE PROCEDURE endless() LANGUAGE plpgsql AS $$
BEGIN
	LOOP
		INSERT INTO log (note) VALUES ('endless');
		COMMIT;
		PERFORM pg_sleep(0.05);
	END LOOP;
END $$;

CREATE PROCEDURE snoozing() LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO log (note) SELECT 'snoozing ' || attempt FROM task_queue.current_task();
	COMMIT;
	IF (SELECT count(*) FROM log WHERE note LIKE 'snoozing%') < 3 THEN
		PERFORM task_queue.snooze('10 ms');
	END IF;
END $$;

CREATE PROCEDURE has_set() LANGUAGE plpgsql SET work_mem = '1MB' AS $$ BEGIN COMMIT; END $$;

CREATE PROCEDURE isolation() LANGUAGE plpgsql AS $$
BEGIN
	COMMIT;
	SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;
	INSERT INTO log (note) VALUES (current_setting('transaction_isolation'));
END $$;

CREATE PROCEDURE uncaught_in_block() LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		COMMIT;
	EXCEPTION WHEN division_by_zero THEN
		NULL;
	END;
END $$;

SELECT task_queue.register_handler(p.oid::regprocedure) FROM pg_proc AS p
WHERE prokind = 'p' AND pronamespace = 'public'::regnamespace;

CREATE FUNCTION app_enqueue(handler text, args jsonb DEFAULT '[]') RETURNS bigint LANGUAGE sql
	RETURN task_queue.enqueue(handler, args, retry_policy => task_queue.no_retry_policy());
SQL

sub enqueue_as_app
{
	my ($handler, $args) = @_;
	$args = '[]' unless defined $args;
	return sql($node, "SET ROLE app; SELECT app_enqueue('$handler', '$args')");
}

my $is_low = "SELECT NOT rolsuper FROM pg_roles WHERE rolname = 'app'";

sub notes
{
	return sql($node, "SELECT string_agg(note || ' ' || who, ', ' ORDER BY n) FROM log; TRUNCATE log");
}

my $big = 'x' x 300_000;
my $id = enqueue_as_app('public.steps', "{\"a\": \"s\", \"b\": [\"$big\"]}");
ends_as($node, $id, 'done', 'a procedure that commits and rolls back');
is(sql($node, "SELECT t.result($id) IS NULL"), 't', 'has no result');
is(notes(), 's 1 app, s 3 300000 1 app', 'keeps what it did not roll back');

$id = enqueue_as_app('public.rollback_first');
ends_as($node, $id, 'done', 'a procedure that rolls back first');
is(notes(), 'after rollback app, after commit and rollback app', 'stays in its role');

for my $handler ('public.rise_after_rollback', 'public.rise_after_commit')
{
	$id = enqueue_as_app($handler);
	ends_as($node, $id, 'failed handler 42501', "$handler is refused");
	is(sql($node, $is_low), 't', 'and the role stays low');
}

for my $how ('SET ROLE postgres', 'RESET ROLE', 'SET SESSION AUTHORIZATION postgres', 'RESET SESSION AUTHORIZATION', "SET ROLE app")
{
	$id = sql($node, "SET ROLE app; SELECT app_enqueue('public.become', jsonb_build_array(\$\$$how\$\$))");
	ends_as($node, $id, 'failed handler 42501', "$how is refused");
}
is(notes(), '', 'and nothing was written');

$id = enqueue_as_app('public.fail_at_commit');
ends_as($node, $id, 'failed handler 23505', 'a COMMIT that fails at a deferred constraint');
is(notes(), 'fail_at_commit app', 'keeps what was committed before');
is(sql($node, $is_low), 't', 'and does not raise the role');
$id = enqueue_as_app('public.fail_at_last_commit');
ends_as($node, $id, 'failed handler 23505', 'so does the commit after its return');
is(sql($node, 'SELECT count(*) FROM late'), '0', 'and undoes the last transaction');

# Whatever role these left behind, the next task runs as its own.
$id = sql($node, "SELECT app_enqueue('public.rollback_first')");
ends_as($node, $id, 'done', 'a task of the superuser on the same workers');
like(notes(), qr/^after rollback (?!app)\w+, after commit and rollback (?!app)\w+$/, 'runs as himself');

$id = enqueue($node, 'public.fail_then_work', '[]', "retry_policy => task_queue.retry_policy('10 ms')");
ends_as($node, $id, 'done', 'a procedure that fails twice');
is(sql($node, "SELECT t.attempts($id)"), '1 handler P0001, 2 handler P0001', 'has two failed attempts');
is(sql($node, "SELECT string_agg(note, ', ' ORDER BY n) FROM log; TRUNCATE log"), 'attempt 1, attempt 2, attempt 3',
	'and keeps what each committed');

my $gate = hold_gate($node, 1);
$id = enqueue_as_app('public.at_gate');
wait_for($node, 'SELECT t.waiting_at_gate(1) = 1', 'a procedure is running');
is(sql($node, "SELECT t.state($id), t.attempt($id)"), 'running|1', 'its start is recorded while it runs');
is(sql($node, "SELECT count(*) FROM log WHERE note = 'at_gate'"), '1', 'and what it committed is visible');
$gate->quit;
ends_as($node, $id, 'done', 'then it ends');
notes();

$id = enqueue($node, 'public.endless', '[]', "timeout => '200 ms', retry_policy => task_queue.no_retry_policy()");
ends_as($node, $id, 'failed timeout', 'a timeout covers all transactions of a procedure');
cmp_ok(sql($node, "SELECT count(*) FROM log WHERE note = 'endless'"), '>=', 1, 'and what it committed stays');
$id = enqueue($node, 'public.endless', '[]', "deadline => clock_timestamp() + '200 ms'");
ends_as($node, $id, 'failed deadline', 'so does the deadline');
notes();

$id = enqueue($node, 'public.snoozing');
ends_as($node, $id, 'done', 'a procedure that snoozes twice');
is(sql($node, "SELECT string_agg(note, ', ' ORDER BY n), t.attempt($id) FROM log; TRUNCATE log"),
	'snoozing 1, snoozing 1, snoozing 1|1', 'is still in its first attempt');

$id = enqueue_as_app('public.has_set');
ends_as($node, $id, 'failed handler 2D000', 'a procedure with a SET clause cannot commit');
$id = enqueue_as_app('public.uncaught_in_block');
ends_as($node, $id, 'failed handler 2D000', 'nor can one inside an exception block');
$id = enqueue_as_app('public.isolation');
ends_as($node, $id, 'done', 'a procedure may choose the isolation level');
is(notes(), 'serializable app', 'of its later transactions');

is(sql($node, 'SELECT count(*) FROM task_queue.task'), '0', 'nothing is left');
is(count_in_log($node, 'PANIC|FATAL|TRAP'), 0, 'no process died');

$node->stop;
done_testing();
