# However a handler fails, its task ends as what happened, and the worker goes
# on with the next one.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use Test::More;
use TqTest;

my $node = tq_node('main');

sql($node, <<'SQL');
CREATE ROLE leaver;
GRANT USAGE ON SCHEMA task_queue TO leaver;
CREATE TABLE written (x int);
CREATE TABLE late (x int UNIQUE DEFERRABLE INITIALLY DEFERRED);
CREATE FUNCTION raises(state text, message text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO written VALUES (1);
	RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message, DETAIL = 'the detail', HINT = 'the hint';
END $$;
CREATE FUNCTION raises_nothing() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING MESSAGE = ''; END $$;
CREATE FUNCTION raises_in_handling() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM 1 / 0;
EXCEPTION WHEN division_by_zero THEN
	BEGIN
		RAISE EXCEPTION 'while handling %', SQLERRM USING ERRCODE = 'XX123';
	EXCEPTION WHEN no_data_found THEN
		NULL;
	END;
END $$;
CREATE FUNCTION recurses(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN recurses(n + 1); END $$;
CREATE FUNCTION calls_raise_error(kind text, retryable boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN PERFORM task_queue.raise_error(kind, 'm', retryable, detail => 'd', hint => 'h'); END $$;
CREATE FUNCTION catches_raise_error() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM task_queue.raise_error('custom', 'm');
	RETURN 'not reached';
EXCEPTION WHEN OTHERS THEN
	RETURN 'caught ' || SQLSTATE;
END $$;
CREATE FUNCTION kills_itself() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_terminate_backend(pg_backend_pid());
	PERFORM pg_sleep(600);
END $$;
CREATE FUNCTION violates_late() RETURNS void LANGUAGE sql AS 'INSERT INTO late VALUES (1), (1); INSERT INTO written VALUES (2)';
-- Foreign tables, whose servers commit then, fail as late as this.
CREATE FUNCTION fails_at_commit() RETURNS void LANGUAGE sql AS $$
	CREATE TEMP TABLE emptied (x int PRIMARY KEY) ON COMMIT DELETE ROWS;
	CREATE TEMP TABLE kept (x int REFERENCES emptied) ON COMMIT PRESERVE ROWS;
	INSERT INTO written VALUES (5);
$$;
CREATE PROCEDURE leaves_transaction_open() LANGUAGE plpgsql AS $$ BEGIN COMMIT; INSERT INTO written VALUES (3); END $$;
CREATE TYPE odd AS ENUM ('odd');
CREATE FUNCTION odd_to_json(odd) RETURNS json LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no JSON today'; END $$;
CREATE CAST (odd AS json) WITH FUNCTION odd_to_json(odd);
CREATE FUNCTION returns_odd() RETURNS odd LANGUAGE sql AS 'INSERT INTO written VALUES (4); SELECT ''odd''::odd';
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE FUNCTION takes_positive(p positive) RETURNS int LANGUAGE sql RETURN p;
CREATE FUNCTION version() RETURNS text LANGUAGE sql RETURN 'old';
CREATE FUNCTION shouts() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'a notice that nobody reads'; RAISE WARNING 'a warning'; RETURN 1; END $$;
CREATE FUNCTION quick() RETURNS int LANGUAGE sql RETURN 1;
SELECT task_queue.register_handler(p.oid::regprocedure) FROM pg_proc AS p
WHERE pronamespace = 'public'::regnamespace AND proname <> 'odd_to_json';
SELECT task_queue.create_queue('held');
SQL

my $no_retry = 'retry_policy => task_queue.no_retry_policy()';
my $id;

sub ends
{
	my ($handler, $args, $expected, $what, $options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$id = enqueue($node, $handler, $args, defined $options ? $options : $no_retry);
	return ends_as($node, $id, $expected, $what);
}

ends('public.raises', '["P0001", "boom"]', 'failed handler P0001', 'an ordinary error');
is(sql($node, "SELECT e.message, e.retryable, e.detail, e.hint, e.context LIKE 'PL/pgSQL function raises(text,text) line 4 at RAISE%' FROM t.error($id) AS e"),
	'boom|t|the detail|the hint|t', 'is kept whole');
for my $state ('ZZ999', 'TQ004', 'TQ001', '57P01', 'XX000', '53200', '25P02')
{
	ends('public.raises', "[\"$state\", \"odd\"]", "failed handler $state", "SQLSTATE $state");
}
ends('public.raises', '["P0001", "line 1\nline 2 \u00e4\u20ac %s %m %%"]', 'failed handler P0001', 'a message with lines and format characters');
is(sql($node, "SELECT (t.error($id)).message = E'line 1\\nline 2 \\u00e4\\u20ac %s %m %%'"), 't', 'is kept as it is');
$id = sql($node, "SELECT task_queue.enqueue('public.raises', jsonb_build_array('P0001', repeat('x', 2000000)), $no_retry)");
ends_as($node, $id, 'failed handler P0001', 'a message of two megabytes');
is(sql($node, "SELECT length((t.error($id)).message)"), '2000000', 'is not cut');
ends('public.raises_nothing', '[]', 'failed handler P0001', 'an empty message');
ends('public.raises_in_handling', '[]', 'failed handler XX123', 'an error while another one is handled');
ends('public.recurses', '[1]', 'failed handler 54001', 'an exhausted stack');
ends('public.calls_raise_error', '["custom", false]', 'failed custom', 'raise_error() chooses the kind');
is(sql($node, "SELECT e.message, e.retryable, e.detail, e.hint FROM t.error($id) AS e"), 'm|f|d|h', 'and the rest');
ends('public.calls_raise_error', '["custom", true]', 'failed custom', 'raise_error() that may be retried',
	"retry_policy => task_queue.retry_policy('10 ms', maximum_attempts => 3)");
is(sql($node, "SELECT t.attempts($id)"), '1 custom, 2 custom, 3 custom', 'is');
ends('public.calls_raise_error', '["panic", false]', 'failed panic', 'reserved kinds may be used');
ends('public.catches_raise_error', '[]', 'done', 'raise_error() that the handler catches has no effect');
ends('public.violates_late', '[]', 'failed handler 23505', 'a deferred constraint fails the attempt');
ends('public.fails_at_commit', '[]', 'failed handler 0A000', 'so does an error of the commit itself',
	"retry_policy => task_queue.retry_policy('0', maximum_attempts => 2)");
is(sql($node, "SELECT t.attempts($id)"), '1 handler 0A000, 2 handler 0A000', 'which is retried like others');
ends('public.returns_odd', '[]', 'failed decode P0001', 'a result that has no JSON form');
is(sql($node, "SELECT (t.error($id)).retryable"), 'f', 'is final');
ends('public.takes_positive', '[-1]', 'failed arg_type TQ002', 'a domain constraint is checked at the run');
is(sql($node, 'SELECT count(*) FROM written'), '0', 'all their work was undone');
ends('public.leaves_transaction_open', '[]', 'done', 'a procedure that leaves a transaction open is done');
is(sql($node, 'SELECT sum(x) FROM written'), '3', 'and that transaction is committed');

ends('public.kills_itself', '[]', 'failed terminated', 'a handler that ends its process with FATAL');
ends('public.quick', '[]', 'done', 'another worker goes on');
my $from = log_position($node);
ends('public.shouts', '[]', 'done', 'notices');
is(count_in_log($node, 'a notice that nobody reads', $from), 0, 'are not written to the log');

# What changes while a task waits. The tasks are enqueued before, and run after.
sub held
{
	my ($handler, $role) = @_;
	return sql($node, ($role ? "SET ROLE $role; " : '') . "SELECT task_queue.enqueue('$handler', queue => 'held')");
}
sql($node, "SELECT task_queue.pause_queue('held')");
my $replaced = held('public.version');
my $recreated = held('public.quick');
my $dropped = held('public.raises_nothing');
my $unregistered = held('public.shouts');
my $aliased = held('public.catches_raise_error');
my $orphaned = held('public.version', 'leaver');
sql($node, <<'SQL');
CREATE OR REPLACE FUNCTION version() RETURNS text LANGUAGE sql RETURN 'new';
DROP FUNCTION quick();
CREATE FUNCTION quick() RETURNS int LANGUAGE sql RETURN 2;
DROP FUNCTION raises_nothing();
SELECT task_queue.unregister_handler('public.shouts');
ALTER FUNCTION catches_raise_error() RENAME TO renamed;
SELECT task_queue.unregister_handler('public.catches_raise_error');
SELECT task_queue.register_handler('renamed()', aliases => ARRAY['public.catches_raise_error']);
DROP OWNED BY leaver;
DROP ROLE leaver;
SELECT task_queue.resume_queue('held');
SQL
ends_as($node, $replaced, 'done', 'a function replaced while its task waited');
is(sql($node, "SELECT t.result($replaced)"), '"new"', 'runs as it is now');
ends_as($node, $recreated, 'done', 'one dropped and made again');
is(sql($node, "SELECT t.result($recreated)"), '2', 'too');
ends_as($node, $dropped, 'failed unknown_handler', 'a function dropped while its task waited');
is(sql($node, "SELECT t.attempts($dropped), (t.error($dropped)).retryable"), '1 unknown_handler|f', 'ends it with its first attempt');
ends_as($node, $unregistered, 'failed unknown_handler', 'so does a handler that was unregistered');
ends_as($node, $aliased, 'done', 'one renamed and registered under its old name runs');
ends_as($node, $orphaned, 'failed handler 42704', 'the task of a role that is gone');
is(sql($node, "SELECT (t.error($orphaned)).retryable"), 'f', 'is final');

is(sql($node, 'SELECT count(*) FROM task_queue.task'), '0', 'nothing is left');
is(count_in_log($node, 'PANIC|TRAP|WARNING:  task_queue'), 0, 'and the machinery has nothing to complain of');
# What a handler returns is handed on when its end is recorded: if it cannot be, that is the handler's failure.
sql($node, <<'END');
CREATE FUNCTION much() RETURNS text LANGUAGE sql AS $$ SELECT repeat('x', 140000000) $$;
CREATE FUNCTION takes_two(a text, b text) RETURNS int LANGUAGE sql AS 'SELECT 1';
SELECT task_queue.register_handler('much()', retry_policy => task_queue.no_retry_policy()), task_queue.register_handler('takes_two(text,text)');
END
my $too_much = sql($node, q{SELECT task_queue.submit_dag(ARRAY[task_queue.step('a', 'public.much'),
	task_queue.step('b', 'public.takes_two', jsonb_build_array(task_queue.ref('a'), task_queue.ref('a')))])});
is(sql($node, "SELECT task_queue.await_dag('$too_much', '60 s')"), 'failed', 'a result that is too large to be handed on');
is(sql($node, "SELECT concat_ws(' ', state, error_kind) FROM task_queue.dag_steps WHERE dag_id = '$too_much' AND step_id = 'a'"),
	'failed handler', 'is a failure of its step');

$node->stop;
done_testing();
