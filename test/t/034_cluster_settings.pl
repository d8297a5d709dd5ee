# Settings that a server makes for its clients do not disturb workers: timeouts,
# default isolation, read-only, settings of the superuser.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use Test::More;
use TqTest;

my $hostile = <<'CONF';
statement_timeout = 50ms
lock_timeout = 10ms
idle_in_transaction_session_timeout = 10ms
idle_session_timeout = 100ms
default_transaction_isolation = 'serializable'
default_transaction_read_only = on
default_transaction_deferrable = on
synchronous_commit = remote_apply
search_path = 'nowhere'
CONF

# The tests' own sessions live without them.
$ENV{PGOPTIONS} .= ' -c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0 -c idle_session_timeout=0'
  . ' -c default_transaction_isolation=read\ committed -c default_transaction_read_only=off -c search_path=public';

my $node = tq_node('main', conf => ["wal_level = replica\nmax_wal_senders = 2\n$hostile"]);

sql($node, <<'SQL');
ALTER ROLE postgres SET default_transaction_read_only = on;
ALTER DATABASE postgres SET statement_timeout = '60ms';
ALTER DATABASE postgres SET work_mem = '77kB';
CREATE TABLE public.written (what text);
CREATE FUNCTION public.slow() RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_sleep(0.2);
	INSERT INTO public.written VALUES ('slow');
	RETURN jsonb_build_object('isolation', current_setting('transaction_isolation'), 'read only', current_setting('transaction_read_only'),
		'work_mem', current_setting('work_mem'), 'search_path', current_setting('search_path'));
END $$;
CREATE PROCEDURE public.slow_proc() LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 2 LOOP
		PERFORM pg_sleep(0.1);
		INSERT INTO public.written VALUES ('slow_proc ' || current_setting('transaction_isolation') || current_setting('transaction_read_only'));
		COMMIT;
	END LOOP;
END $$;
CREATE FUNCTION public.waits() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM t.pass_gate(1); END $$;
CREATE FUNCTION public.fails_once() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	IF (SELECT attempt FROM task_queue.current_task()) = 1 THEN
		RAISE EXCEPTION 'once';
	END IF;
	RETURN 1;
END $$;
SELECT task_queue.register_handler('public.slow()'), task_queue.register_handler('public.slow_proc()'),
	task_queue.register_handler('public.waits()'), task_queue.register_handler('public.fails_once()');
SQL
$node->restart;

my $id = enqueue($node, 'public.slow');
ends_as($node, $id, 'done', 'a function that takes longer than all timeouts');
is(sql($node, "SELECT t.result($id)->>'isolation', t.result($id)->>'read only'"), 'read committed|off', 'runs in an ordinary transaction');
is(sql($node, "SELECT t.result($id)->>'work_mem', t.result($id)->>'search_path'"), '77kB|nowhere', 'with the settings of its database');
$id = enqueue($node, 'public.slow_proc');
ends_as($node, $id, 'done', 'a procedure');
is(sql($node, "SELECT string_agg(what, ', ') FROM public.written WHERE what LIKE 'slow_proc%'"), 'slow_proc read committedoff, slow_proc read committedoff',
	'in each of its transactions');
my $gate = hold_gate($node, 1);
$id = enqueue($node, 'public.waits');
wait_for($node, 'SELECT t.waiting_at_gate(1) = 1', 'a task that waits for a lock');
my $other = enqueue($node, 'public.slow');
ends_as($node, $other, 'done', 'longer than lock_timeout');
is(sql($node, 'SELECT t.waiting_at_gate(1)'), '1', 'is still waiting');
$gate->quit;
ends_as($node, $id, 'done', 'and then goes on');
$id = enqueue($node, 'public.fails_once', '[]', "retry_policy => task_queue.retry_policy('150 ms')");
ends_as($node, $id, 'done', 'retries work');
$id = enqueue($node, 'public.slow', '[]', "delay => '200 ms'");
ends_as($node, $id, 'done', 'and schedules');
is(sql($node, 'SELECT count(*) FROM task_queue.attempt'), '1', 'no other attempt failed');

# Sessions that do not escape them
{
	local $ENV{PGOPTIONS} = '-c client_min_messages=warning';
	like(sql_error($node, "SELECT task_queue.enqueue('public.slow')"), qr/^25006/, 'a read-only session cannot enqueue');
	is(sql($node, "SET statement_timeout = 0; BEGIN; SET TRANSACTION READ WRITE; SELECT count(task_queue.enqueue('public.slow')); COMMIT"), '1',
		'a serializable transaction can');
	like(sql_error($node, "SET statement_timeout = 0; SELECT task_queue.await($id, '1 min')"), qr/^no error/, 'and may await');
}
wait_for($node, 'SELECT count(*) FROM task_queue.task', 'everything has run', 0);
is(count_in_log($node, 'PANIC|TRAP|FATAL:  terminating (?!background)|WARNING:  task_queue'), 0, 'and the machinery has nothing to complain of');

$node->stop;
done_testing();
